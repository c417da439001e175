"""What the deployed stack promises, read from `template.yaml` and the files beside it."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dateline.aws.media import MediaStore
from dateline.store.posts import from_row
from dateline.store.tables import MODELS, PostRow
from local.filters import passes
from local.functions import Function, Source, read_functions
from local.template import Template
from tools.check_template import Grants, Need

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"api", "publish", "deliver", "media", "notify", "sweep"}


class Signer:
    """Signs nothing."""

    def generate_presigned_url(self, operation: str, **how: Any) -> str:
        """An address of no use."""
        return operation


@pytest.fixture(scope="module")
def template() -> Template:
    loaded = Template.load(ROOT / "template.yaml", stack_name="dateline")
    for table in ("Posts", "Profiles"):
        stream = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table.lower()}/stream/1"
        loaded.attributes[f"{table}Table", "StreamArn"] = stream
    loaded.attributes["CredentialsKey", "Arn"] = "arn:aws:kms:us-east-1:123456789012:key/1"
    return loaded


@pytest.fixture(scope="module")
def functions(template: Template) -> dict[str, Function]:
    return read_functions(template, ROOT)[0]


@pytest.fixture(scope="module")
def sources(template: Template) -> dict[str, Source]:
    """By function; notify's, which has two, by table as well: "notify" is the one of posts."""
    found = read_functions(template, ROOT)[1]
    streams = {f"notify {source.arn.split('/')[1]}": source for source in found if source.kind == "stream"}
    return {source.function.name: source for source in found} | streams | {"notify": streams["notify posts"]}


@pytest.fixture(scope="module")
def resources(template: Template) -> dict[str, Any]:
    found: dict[str, Any] = template.document["Resources"]
    return found


def of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def queue(template: Template, logical_id: str) -> dict[str, Any]:
    return next(p for name, _, p in template.resources("AWS::SQS::Queue") if name == logical_id)


# Functions


def test_every_function_has_its_folder_its_sample_event_and_its_alarm(
    template: Template, functions: dict[str, Function]
) -> None:
    alarmed = {
        p["Dimensions"][0]["Value"] for _, _, p in template.resources("AWS::CloudWatch::Alarm") if p["MetricName"] == "Errors"
    }
    assert set(functions) == NAMES
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == NAMES
    assert alarmed == {f"dateline-{name}" for name in NAMES}


def test_all_functions_see_the_same_environment(functions: dict[str, Function]) -> None:
    first, *others = (f.environment for f in functions.values())
    assert all(environment == first for environment in others)
    tables = {f"DATELINE_{name.upper()}_TABLE" for name in MODELS}
    assert tables < set(first)


def test_every_variable_the_code_reads_is_set_or_belongs_to_the_local_stack(functions: dict[str, Function]) -> None:
    text = "".join(path.read_text() for path in (ROOT / "shared").rglob("*.py"))
    read = set(re.findall(r'"(DATELINE_[A-Z_]*[A-Z])"', text))
    local_only = {"DATELINE_RETRY_SCALE", "DATELINE_ALLOW_LOOPBACK", "DATELINE_MEDIA_ENDPOINT"}
    assert read, "nothing reads the environment any more?"
    assert read - set(functions["api"].environment) <= local_only


def test_a_message_comes_back_only_after_the_lease_and_the_lease_ends_only_after_the_function(
    template: Template, functions: dict[str, Function]
) -> None:
    environment = functions["deliver"].environment
    call, lease = (int(environment[f"DATELINE_{name}_SECONDS"]) for name in ("CALL", "LEASE"))
    assert call < functions["deliver"].timeout < lease < queue(template, "DeliveriesQueue")["VisibilityTimeout"]


def test_the_api_answers_before_the_gateway_gives_up(functions: dict[str, Function]) -> None:
    assert functions["api"].timeout < 30


def test_a_sweep_ends_before_the_next_begins(functions: dict[str, Function], sources: dict[str, Source]) -> None:
    assert sources["sweep"].every.total_seconds() == 60
    assert functions["sweep"].timeout < 60
    assert functions["sweep"].async_retries == 0


def test_one_message_is_one_target_and_fails_alone(sources: dict[str, Source]) -> None:
    assert sources["deliver"].batch == 1
    assert sources["deliver"].partial


def test_the_environment_names_the_publish_function_as_it_is_called(functions: dict[str, Function]) -> None:
    assert functions["api"].environment["DATELINE_PUBLISH_FUNCTION_ARN"] == functions["publish"].arn


# The stream


def record(kind: str, image: dict[str, Any] | None) -> dict[str, Any]:
    change = {"Keys": {"id": {"S": "post_1"}}, **({"NewImage": image} if image else {})}
    return {"eventName": kind, "dynamodb": change}


def test_notify_is_woken_for_new_and_changed_posts(sources: dict[str, Source]) -> None:
    for kind in ("INSERT", "MODIFY"):
        assert passes(sources["notify"].filters, record(kind, {"id": {"S": "post_1"}, "status": {"S": "queued"}}))


def test_notify_sleeps_through_quiet_writes_and_removals(sources: dict[str, Source]) -> None:
    quiet = {"id": {"S": "post_1"}, "quiet": {"BOOL": True}}
    assert not passes(sources["notify"].filters, record("MODIFY", quiet))
    assert not passes(sources["notify"].filters, record("REMOVE", None))


def test_notify_is_woken_for_profiles_that_have_something_to_say(sources: dict[str, Source]) -> None:
    filters, image = sources["notify profiles"].filters, {"id": {"S": "prof_1"}, "platform": {"S": "x"}}
    assert passes(filters, record("MODIFY", {**image, "trail": {"S": '[[1, "profile.paused", 1813064400.0]]'}}))
    assert not passes(filters, record("INSERT", image))
    assert not passes(filters, record("REMOVE", None))


@pytest.mark.parametrize("table", ["posts", "profiles"])
def test_a_transition_is_announced_for_as_long_as_the_stream_remembers_it(sources: dict[str, Source], table: str) -> None:
    notify = sources[f"notify {table}"]
    assert notify.most_retries == -1
    assert notify.bisect
    assert notify.partial
    assert notify.on_failure is not None


def test_the_sample_record_of_notify_is_a_post(sources: dict[str, Source]) -> None:
    sample = json.loads((ROOT / "events" / "notify.json").read_text())["Records"][0]
    assert passes(sources["notify"].filters, sample)
    image = sample["dynamodb"]["NewImage"]
    row = PostRow()
    row.deserialize({**image, "body": {"B": base64.b64decode(image["body"]["B"])}})
    assert from_row(row).targets["prof_mastodon"].platform == "mastodon"


# Tables


def test_tables_survive_the_stack_and_can_be_restored_to_any_second(resources: dict[str, Any]) -> None:
    tables = of_type(resources, "AWS::DynamoDB::Table")
    assert len(tables) == len(MODELS)
    for name, table in tables.items():
        assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain", name
        assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert "SSESpecification" not in table["Properties"], f"{name}: encrypted anyway; other keys cost calls"
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST", name


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_table_has_the_keys_and_indexes_its_model_uses(name: str, resources: dict[str, Any]) -> None:
    properties = resources[f"{name.capitalize()}Table"]["Properties"]
    model = MODELS[name]

    def keys(schema: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        return {key["KeyType"]: key["AttributeName"] for key in schema}

    wanted = model._get_schema()
    assert keys(properties["KeySchema"]) == keys(wanted["key_schema"])
    indexes = {
        index["IndexName"]: (keys(index["KeySchema"]), index["Projection"]["ProjectionType"])
        for index in properties.get("GlobalSecondaryIndexes", [])
    }
    assert indexes == {
        index["index_name"]: (keys(index["key_schema"]), index["projection"]["ProjectionType"])
        for index in wanted["global_secondary_indexes"]
    }
    types = {a["AttributeName"]: a["AttributeType"] for a in properties["AttributeDefinitions"]}
    assert types == {a["AttributeName"]: a["AttributeType"] for a in wanted["attribute_definitions"]}


def test_a_table_whose_rows_expire_has_its_time_to_live(resources: dict[str, Any]) -> None:
    for name, model in MODELS.items():
        ttl = resources[f"{name.capitalize()}Table"]["Properties"].get("TimeToLiveSpecification")
        if "expires_at" in model.get_attributes():
            assert ttl == {"AttributeName": "expires_at", "Enabled": True}, name


# Media


def test_the_media_bucket_is_closed_encrypted_and_outlives_the_stack(resources: dict[str, Any]) -> None:
    bucket = resources["MediaBucket"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    properties = bucket["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (only,) = resources["MediaBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (only["Effect"], only["Principal"], only["Action"]) == ("Deny", "*", "s3:*") and len(only["Resource"]) == 2
    assert only["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_browser_may_send_the_headers_that_an_upload_needs(resources: dict[str, Any]) -> None:
    upload = MediaStore(None, "bucket", Signer()).signed_upload("uploads/1", "image/png", 7, 60)
    (rule,) = resources["MediaBucket"]["Properties"]["CorsConfiguration"]["Fn::If"][1]["CorsRules"]
    assert rule["AllowedMethods"] == [upload.method]
    assert {*rule["AllowedHeaders"], "content-length"} == {name.lower() for name in upload.headers}


def test_copies_are_kept_until_the_last_post_that_may_need_them(template: Template) -> None:
    days, horizon = (int(template.parameters[name]) for name in ("MediaDays", "MaxHorizonDays"))
    month, latest = 31, 2  # a copy is shared within a month; a post may be a day late, and is then retried
    assert days >= horizon + month + latest


# Permissions


def test_no_permission_reaches_beyond_one_resource(template: Template, functions: dict[str, Function]) -> None:
    grants = Grants(template)
    for function in functions.values():
        for action, resource in grants.of(function.arn):
            assert "*" not in action
            known = resource.removesuffix("schedule/dateline/*").removesuffix("/pins/*").removesuffix("/uploads/*")
            known = known.removesuffix(":secret:dateline/apps/*")
            assert "*" not in known, f"{function.name}: {action} on {resource}"


def test_no_function_may_delete_a_post_or_scan_a_table(template: Template, functions: dict[str, Function]) -> None:
    grants = Grants(template)
    posts = template.arn("PostsTable")
    for function in functions.values():
        granted = grants.of(function.arn)
        assert Need("dynamodb:DeleteItem", posts) not in granted
        assert not any(need.action == "dynamodb:Scan" for need in granted)


def test_only_who_opens_credentials_may_use_the_key(template: Template, functions: dict[str, Function]) -> None:
    grants = Grants(template)
    users = {f.name for f in functions.values() if any(need.action.startswith("kms:") for need in grants.of(f.arn))}
    assert users == {"api", "deliver"}


def test_a_call_outside_a_functions_duties_is_refused(template: Template, functions: dict[str, Function]) -> None:
    grants = Grants(template)
    posts = template.name("PostsTable")
    publish, api = functions["publish"].arn, functions["api"].arn
    write = {"TransactItems": [{"Put": {"TableName": posts}}, {"Delete": {"TableName": template.name("IdempotencyTable")}}]}
    assert not grants.refused(publish, "dynamodb", "GetItem", {"TableName": posts})
    assert grants.refused(publish, "dynamodb", "Query", {"TableName": posts, "IndexName": "due"})
    assert not grants.refused(api, "dynamodb", "TransactWriteItems", write)
    assert [need.action for need in grants.refused(publish, "dynamodb", "TransactWriteItems", write)] == ["dynamodb:DeleteItem"]


def test_an_entry_can_only_be_made_with_the_role_that_starts_publish(template: Template, functions: dict[str, Function]) -> None:
    environment = functions["api"].environment
    entry = {
        "GroupName": environment["DATELINE_SCHEDULE_GROUP"], "Name": "post_1.1",
        "Target": {"RoleArn": environment["DATELINE_SCHEDULER_ROLE_ARN"]},
    }
    grants = Grants(template)
    for name in ("api", "publish", "deliver", "sweep"):
        assert not grants.refused(functions[name].arn, "scheduler", "CreateSchedule", entry)
    stolen = {**entry, "Target": {"RoleArn": "arn:aws:iam::123456789012:role/admin"}}
    elsewhere = {**entry, "GroupName": "other"}
    api = functions["api"].arn
    assert [need.action for need in grants.refused(api, "scheduler", "CreateSchedule", stolen)] == ["iam:PassRole"]
    assert grants.refused(api, "scheduler", "CreateSchedule", elsewhere)


def test_the_scheduler_may_start_publish_and_nothing_else(template: Template, functions: dict[str, Function]) -> None:
    role = next(p for name, _, p in template.resources("AWS::IAM::Role") if name == "SchedulerRole")
    statements = [s for policy in role["Policies"] for s in policy["PolicyDocument"]["Statement"]]
    assert {(s["Action"], s["Resource"]) for s in statements} == {
        ("lambda:InvokeFunction", functions["publish"].arn),
        ("sqs:SendMessage", template.arn("SchedulerDlq")),
    }
    trust = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert trust["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert trust["ArnEquals"] == {"aws:SourceArn": template.arn("ScheduleGroup")}


# Failures


def test_whatever_is_given_up_lands_in_a_queue_that_is_kept_two_weeks_and_alarmed(
    template: Template, functions: dict[str, Function], sources: dict[str, Source]
) -> None:
    redrive = queue(template, "DeliveriesQueue")["RedrivePolicy"]
    ends = {
        redrive["deadLetterTargetArn"], functions["publish"].on_failure, sources["notify"].on_failure,
        functions["api"].environment["DATELINE_SCHEDULER_DLQ_ARN"],
    }
    assert redrive["maxReceiveCount"] == 5
    assert len(ends) == 4
    alarmed = {
        p["Dimensions"][0]["Value"] for _, _, p in template.resources("AWS::CloudWatch::Alarm") if p["Namespace"] == "AWS/SQS"
    }
    for end in ends:
        assert end is not None
        name = end.rpartition(":")[2]
        assert name in alarmed
        assert next(
            p for _, _, p in template.resources("AWS::SQS::Queue") if p["QueueName"] == name
        )["MessageRetentionPeriod"] == 14 * 86400


def test_a_silent_sweep_raises_the_alarm(template: Template) -> None:
    alarm = next(p for name, _, p in template.resources("AWS::CloudWatch::Alarm") if name == "OverduePostsAlarm")
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (180, "GreaterThanThreshold")


def test_every_log_is_kept_for_a_time_of_ones_choosing(template: Template, functions: dict[str, Function]) -> None:
    groups = {p["LogGroupName"]: p["RetentionInDays"] for _, _, p in template.resources("AWS::Logs::LogGroup")}
    assert {f"/aws/lambda/dateline-{name}" for name in functions} < set(groups)
    assert set(groups.values()) == {template.parameters["LogRetentionDays"]}


# The outside


def test_topic_messages_are_signed_with_sha_256(resources: dict[str, Any]) -> None:
    assert resources["EventsTopic"]["Properties"]["SignatureVersion"] == "2"


def test_outputs_tell_a_client_all_it_needs(template: Template) -> None:
    outputs = template.outputs()
    assert {"ApiUrl", "TopicArn", "DeliveriesQueueUrl", "DeliveriesDlqUrl", "KeyId", "ScheduleGroupName"} <= set(outputs)
    assert {f"{name.capitalize()}TableName" for name in MODELS} <= set(outputs)


def test_a_plain_deploy_is_punctual() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for section in ("default", "prod"):
        common, deploy = (config[section][command]["parameters"] for command in ("global", "deploy"))
        assert "PublishLeadSeconds=75" in common["parameter_overrides"].split()
        assert common["region"]
        assert deploy["resolve_s3"] is True
        assert deploy["capabilities"] == "CAPABILITY_IAM"


def test_the_operations_page_explains_every_parameter_and_alarm(template: Template) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    for name, value in template.parameters.items():
        row = next((line for line in page.splitlines() if line.startswith("|") and f"`{name}`" in line), "")
        assert row, f"{name} is not in the table of parameters"
        assert value.strip() in row or not value, f"{name} has another default than {row}"
    for _, _, alarm in template.resources("AWS::CloudWatch::Alarm"):
        assert f"`{alarm['AlarmName'].removeprefix('dateline-')}`" in page, alarm["AlarmName"]


# What is installed

LAYER = ROOT / "layers" / "dependencies" / "requirements.txt"
LOCKS = [LAYER, *sorted((ROOT / "requirements").glob("*.txt"))]


def pins(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", path.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_layer_holds_the_versions_the_tests_ran_with() -> None:
    layer, tested = pins(LAYER), pins(ROOT / "requirements" / "dev.txt")
    assert layer
    assert {name: tested.get(name) for name in layer} == layer


def test_the_layer_holds_what_the_project_says_it_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["dependencies"]) <= set(pins(LAYER))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_by_hash_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^--", text, re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in entry, entry
