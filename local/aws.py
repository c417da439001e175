"""Creates in moto what the template declares: tables, queues, the topic, keys, schedule groups, and tells the template their ids.

Types that only matter to a deployed stack (roles, alarms, log groups, permissions) are left out: nothing local reads them.
Must be called inside the mock, never against a real account.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import boto3

from local.template import Template

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_SESSION_TOKEN": "local",
    "AWS_EC2_METADATA_DISABLED": "true",
    # botocore would otherwise put the account id into DynamoDB's host name, which moto's streams do not recognise.
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
}

_TABLE = (
    "AttributeDefinitions", "KeySchema", "BillingMode", "ProvisionedThroughput", "LocalSecondaryIndexes",
    "DeletionProtectionEnabled", "TableClass",
)  # fmt: skip
_INDEX = ("IndexName", "KeySchema", "Projection", "ProvisionedThroughput")
_NOT_QUEUE_ATTRIBUTES = ("QueueName", "Tags", "RedrivePolicy")
_NOT_TOPIC_ATTRIBUTES = ("TopicName", "Tags", "Subscription", "DeliveryStatusLogging")


@lru_cache(maxsize=1)
def _session() -> boto3.session.Session:
    """One session for all stacks of a process: reading botocore's service models takes longer than creating the tables."""
    return boto3.session.Session()


@lru_cache(maxsize=16)
def client(service: str, region: str) -> Any:
    """A boto3 client of the machinery's own (handlers build theirs)."""
    keys = {name.lower(): value for name, value in CREDENTIALS.items() if name.endswith(("_KEY", "_KEY_ID", "_TOKEN"))}
    return _session().client(service, region_name=region, **keys)


def _text(value: Any) -> str:
    """A property as the string AWS's attribute maps want."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def create_resources(template: Template) -> None:
    """Create everything the template declares, in an order that satisfies references."""
    steps: tuple[Callable[[Template], None], ...] = (_keys, _groups, _queues, _topics, _tables, _buckets, _parameters)
    for step in steps:
        step(template)


def _keys(template: Template) -> None:
    kms = None
    for logical_id, _, properties in template.resources("AWS::KMS::Key"):
        kms = client("kms", template.region)
        made = kms.create_key(Description=properties.get("Description", ""))["KeyMetadata"]
        template.refs[logical_id] = made["KeyId"]
        template.attributes[logical_id, "Arn"] = made["Arn"]
        template.attributes[logical_id, "KeyId"] = made["KeyId"]
    for _, _, properties in template.resources("AWS::KMS::Alias"):
        kms = client("kms", template.region)
        kms.create_alias(AliasName=properties["AliasName"], TargetKeyId=properties["TargetKeyId"])


def _groups(template: Template) -> None:
    for logical_id, _, _ in template.resources("AWS::Scheduler::ScheduleGroup"):
        client("scheduler", template.region).create_schedule_group(Name=template.name(logical_id))


def _queues(template: Template) -> None:
    sqs = client("sqs", template.region)
    queues = list(template.resources("AWS::SQS::Queue"))
    for logical_id, _, properties in queues:
        attributes = {key: _text(value) for key, value in properties.items() if key not in _NOT_QUEUE_ATTRIBUTES}
        made = sqs.create_queue(QueueName=template.name(logical_id), Attributes=attributes)
        template.refs[logical_id] = made["QueueUrl"]
    for logical_id, _, properties in queues:  # a dead-letter queue has to stand before it is named
        if policy := properties.get("RedrivePolicy"):
            sqs.set_queue_attributes(QueueUrl=template.refs[logical_id], Attributes={"RedrivePolicy": _text(policy)})


def _topics(template: Template) -> None:
    sns = client("sns", template.region)
    for logical_id, _, properties in template.resources("AWS::SNS::Topic"):
        attributes = {key: _text(value) for key, value in properties.items() if key not in _NOT_TOPIC_ATTRIBUTES}
        arn = sns.create_topic(Name=template.name(logical_id), Attributes=attributes)["TopicArn"]
        template.refs[logical_id] = arn
        for subscription in properties.get("Subscription", []):
            _subscribe(sns, {**subscription, "TopicArn": arn})
    for _, _, properties in template.resources("AWS::SNS::Subscription"):
        _subscribe(sns, properties)


def _subscribe(sns: Any, properties: Mapping[str, Any]) -> None:
    attributes = {
        key: _text(properties[key])
        for key in ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy")
        if key in properties
    }
    if attributes.get("RawMessageDelivery") == "false":
        del attributes["RawMessageDelivery"]  # moto reads any text here as yes
    sns.subscribe(
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=properties["Endpoint"],
        Attributes=attributes,
    )


def _tables(template: Template) -> None:
    dynamodb = client("dynamodb", template.region)
    for logical_id, _, properties in template.resources("AWS::DynamoDB::Table"):
        request = {key: properties[key] for key in _TABLE if key in properties}
        if indexes := properties.get("GlobalSecondaryIndexes"):
            request["GlobalSecondaryIndexes"] = [{key: index[key] for key in _INDEX if key in index} for index in indexes]
        if stream := properties.get("StreamSpecification"):
            request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream["StreamViewType"]}
        name = template.name(logical_id)
        made = dynamodb.create_table(TableName=name, **request)["TableDescription"]
        if "LatestStreamArn" in made:
            template.attributes[logical_id, "StreamArn"] = made["LatestStreamArn"]
        if ttl := properties.get("TimeToLiveSpecification"):
            dynamodb.update_time_to_live(
                TableName=name,
                TimeToLiveSpecification={
                    "AttributeName": ttl["AttributeName"],
                    "Enabled": _text(ttl.get("Enabled", True)) == "true",
                },
            )


def _buckets(template: Template) -> None:
    for logical_id, _, _ in template.resources("AWS::S3::Bucket"):
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": template.region}}
        options = elsewhere if template.region != "us-east-1" else {}
        client("s3", template.region).create_bucket(Bucket=template.name(logical_id).lower(), **options)
        template.refs[logical_id] = template.name(logical_id).lower()
        template.attributes[logical_id, "Arn"] = f"arn:aws:s3:::{template.refs[logical_id]}"


def _parameters(template: Template) -> None:
    for logical_id, _, properties in template.resources("AWS::SSM::Parameter"):
        client("ssm", template.region).put_parameter(
            Name=template.name(logical_id), Value=properties["Value"], Type=properties.get("Type", "String")
        )
    for logical_id, _, properties in template.resources("AWS::SecretsManager::Secret"):
        made = client("secretsmanager", template.region).create_secret(
            Name=template.name(logical_id), SecretString=properties.get("SecretString", "local")
        )
        template.refs[logical_id] = made["ARN"]
