"""What the template allows each function: would this AWS call be refused by the function's role once deployed?

moto allows everything, so a missing permission would first show in production. The answer is read from the statements of
the template; the few managed policies SAM adds (logs, tracing, reading the event source) do not matter here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import unquote

from local.template import ACCOUNT, Template

_TRANSACTION = {
    "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem",
}


class Need(NamedTuple):
    """One action on one resource."""

    action: str
    resource: str


class Grants:
    """The statements of every function's role. `template` knows its resources (`local.aws.create_resources` has run)."""

    def __init__(self, template: Template) -> None:
        self._region = template.region
        self._allowed: dict[str, list[Need]] = {}
        for logical_id, _, properties in template.resources("AWS::Serverless::Function"):
            policies = [p for p in properties.get("Policies", []) if isinstance(p, Mapping)]
            statements = [s for policy in policies for s in policy.get("Statement", [])]
            self._allowed[template.arn(logical_id)] = [
                Need(action, resource) for s in statements for action in _list(s["Action"]) for resource in _list(s["Resource"])
            ]

    def of(self, function_arn: str) -> list[Need]:
        """What that function may do. Raises KeyError for an unknown function."""
        return self._allowed[function_arn]

    def refused(self, function_arn: str, service: str, operation: str, params: Mapping[str, Any]) -> list[Need]:
        """What the call needs and the function's role does not allow; empty when the call would go through.

        `params` are those of the botocore call. Raises ValueError for a service nobody has described here yet.
        """
        allowed = self._allowed[function_arn]
        return [
            need
            for need in needs(service, operation, params, self._region)
            if not any(need.action == a.action and _covers(a.resource, need.resource) for a in allowed)
        ]


def needs(service: str, operation: str, params: Mapping[str, Any], region: str = "us-east-1") -> Iterator[Need]:
    """The permissions IAM asks for. https://docs.aws.amazon.com/service-authorization/latest/reference/"""
    arn = f"arn:aws:{service}:{region}:{ACCOUNT}:"
    match service:
        case "dynamodb":
            for action, table in _table_actions(operation, params):
                yield Need(f"dynamodb:{action}", table if table.startswith("arn:") else f"{arn}table/{table}")
        case "sqs":
            yield Need("sqs:" + operation.removesuffix("Batch"), arn + params["QueueUrl"].rpartition("/")[2])
        case "sns":
            yield Need("sns:" + operation.removesuffix("Batch"), params["TopicArn"])
        case "kms":
            # Decrypt may leave the key out: the ciphertext names it.
            key = params.get("KeyId", "*")
            yield Need(f"kms:{operation}", key if key.startswith("arn:") else f"{arn}key/{key}")
        case "secretsmanager":
            # Its ARN ends in six characters of AWS's own.
            yield Need(f"secretsmanager:{operation}", f"{arn}secret:{params['SecretId']}-??????")
        case "s3":
            for action, key in _object_actions(operation, params):
                yield Need(f"s3:{action}", f"arn:aws:s3:::{key}")
        case "scheduler":
            yield Need(f"scheduler:{operation}", f"{arn}schedule/{params.get('GroupName', 'default')}/{params['Name']}")
            if "Target" in params:
                yield Need("iam:PassRole", params["Target"]["RoleArn"])
        case _:
            raise ValueError(f"the permissions of {service} are not described in {__name__}")


def _table_actions(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if operation in ("TransactWriteItems", "TransactGetItems"):
        for item in params["TransactItems"]:
            for kind, write in item.items():
                yield _TRANSACTION[kind], write["TableName"]
    elif "RequestItems" in params:
        for table in params["RequestItems"]:
            yield operation, table
    else:
        table = params["TableName"]
        yield operation, f"{table}/index/{params['IndexName']}" if "IndexName" in params else table


_PUTS = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "CopyObject")


def _object_actions(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""
    place = f"{params['Bucket']}/{params['Key']}"
    if operation == "CopyObject":
        yield "GetObject", unquote(str(params["CopySource"]))
    yield "PutObject" if operation in _PUTS else "GetObject" if operation == "HeadObject" else operation, place
    if operation in ("GetObject", "HeadObject"):
        yield "ListBucket", params["Bucket"]  # else what is missing looks forbidden


def _covers(allowed: str, wanted: str) -> bool:
    return wanted == "*" or fnmatchcase(wanted, allowed)


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
