"""The machinery of the local stack, proved on a small template with handlers that do what a test tells them."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.clock import FakeClock, SystemClock
from local.filters import passes
from local.stack import Crash, Stack
from local.template import Template, TemplateError

START = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)

TEMPLATE = """
Parameters:
  Lead: {Type: Number, Default: 0}
  Mail: {Type: String, Default: ""}
Conditions:
  HasMail: !Not [!Equals [!Ref Mail, ""]]
Globals:
  Function:
    Handler: app.handler
    Timeout: 30
    Environment:
      Variables:
        DATELINE_TABLE: !Ref Posts
        DATELINE_QUEUE_URL: !Ref Work
        DATELINE_TOPIC_ARN: !Ref Topic
        DATELINE_LEAD: !Ref Lead
        DATELINE_JOINED: !Join ["-", [a, !Select [1, [b, c]], !If [HasMail, mail, "no${AWS::Region}"]]]
        PYTHONTZPATH: /nowhere
Resources:
  Posts:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Work:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${AWS::StackName}-work"
      VisibilityTimeout: 60
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
  Dead:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "${AWS::StackName}-work-dlq"}
  Lost:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "${AWS::StackName}-lost"}
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: !Sub "${AWS::StackName}-events"}
  Mailbox:
    Type: AWS::SNS::Subscription
    Condition: HasMail
    Properties: {TopicArn: !Ref Topic, Protocol: email, Endpoint: !Ref Mail}
  Group:
    Type: AWS::Scheduler::ScheduleGroup
    Properties: {Name: !Ref AWS::StackName}
  Api:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/api
      Events: {Any: {Type: HttpApi}}
  Publish:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: publish
      CodeUri: functions/publish
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Lost.Arn}}
  Deliver:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/deliver
      Events:
        Work:
          Type: SQS
          Properties: {Queue: !GetAtt Work.Arn, BatchSize: 10, FunctionResponseTypes: [ReportBatchItemFailures]}
  Notify:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/notify
      Events:
        Stream:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Posts.StreamArn
            BatchSize: 100
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria:
              Filters: [{Pattern: '{"dynamodb":{"NewImage":{"quiet":{"BOOL":[{"exists":false}]}}}}'}]
  Sweep:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/sweep
      Events: {Minute: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}}
"""

HANDLER = """
import boto3, marks

NAME = {name!r}

def handler(event, context):
    marks.seen.append((NAME, event))
    do = marks.do.get(NAME)
    return do(event, context) if do else None
"""


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the handlers saw, and what they shall do, by function."""
    module = ModuleType("marks")
    vars(module).update(seen=[], do={})
    monkeypatch.setitem(sys.modules, "marks", module)
    return module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    for name in ("api", "publish", "deliver", "notify", "sweep"):
        folder = tmp_path / "functions" / name
        folder.mkdir(parents=True)
        (folder / "app.py").write_text(HANDLER.format(name=name))
    return tmp_path


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def stack(clock: FakeClock, root: Path, marks: Any) -> Iterator[Stack]:
    with Stack(clock, root=root, parameters={"Lead": 75}, environment={"DATELINE_EXTRA": "yes"}) as stack:
        yield stack


def seen(marks: Any, name: str) -> list[Any]:
    return [event for function, event in marks.seen if function == name]


def send(body: str, **options: Any) -> None:
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="dateline-local-work")["QueueUrl"], MessageBody=body, **options)


def put(identity: str, **attributes: Any) -> None:
    boto3.client("dynamodb").put_item(TableName="dateline-local-Posts", Item={"id": {"S": identity}, **attributes})


def schedule(name: str, at: str, target: str = "publish", **options: Any) -> None:
    boto3.client("scheduler").create_schedule(
        Name=name,
        GroupName="dateline-local",
        ScheduleExpression=f"at({at})",
        FlexibleTimeWindow={"Mode": "OFF"},
        **{
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": f"arn:aws:lambda:us-east-1:123456789012:function:{target}",
                "RoleArn": "arn:aws:iam::123456789012:role/scheduler",
                "Input": json.dumps({"post": name}),
                "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:dateline-local-lost"},
            },
            **options,
        },
    )


# The template


def test_the_environment_is_what_the_template_says(stack: Stack) -> None:
    assert stack.environment == {
        "DATELINE_TABLE": "dateline-local-Posts",
        "DATELINE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dateline-local-work",
        "DATELINE_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:dateline-local-events",
        "DATELINE_LEAD": "75",
        "DATELINE_JOINED": "a-c-no${AWS::Region}",
        "DATELINE_EXTRA": "yes",
    }


def test_a_parameter_the_template_does_not_have_is_refused(root: Path) -> None:
    with pytest.raises(TemplateError, match="no parameter Leed"):
        Template.load(root / "template.yaml", {"Leed": 1})


def test_the_environment_is_put_back_and_a_second_stack_begins_empty(root: Path, marks: Any) -> None:
    import os

    before = dict(os.environ)
    with Stack(FakeClock(START), root=root) as stack:
        put("a")
        with pytest.raises(RuntimeError, match="another stack is open"):
            Stack(FakeClock(START), root=root).start()
        assert stack.pump_stream() == 1
    assert dict(os.environ) == before
    with Stack(FakeClock(START), root=root) as stack:
        assert stack.pump_stream() == 0


# The API


def test_a_request_reaches_the_handler_as_api_gateway_would_send_it(stack: Stack, marks: Any) -> None:
    marks.do["api"] = lambda event, context: {
        "statusCode": 201,
        "headers": {"Location": "/x"},
        "body": json.dumps({"left": context.get_remaining_time_in_millis()}),
    }
    answer = stack.request("POST", "/v1/posts?status=a&status=b&q=", {"X-Api-Key": "k"}, {"text": "hé"})
    assert (answer.status, answer.headers["location"], answer.json()) == (201, "/x", {"left": 30_000})
    (event,) = seen(marks, "api")
    assert event["rawPath"] == "/v1/posts"
    assert event["queryStringParameters"] == {"status": "a,b", "q": ""}
    assert event["headers"]["x-api-key"] == "k"
    assert json.loads(event["body"]) == {"text": "hé"}
    assert event["requestContext"]["timeEpoch"] == int(START.timestamp() * 1000)


def test_a_handler_that_fails_answers_500_and_is_kept_as_a_failure(stack: Stack, marks: Any) -> None:
    marks.do["api"] = lambda event, context: 1 / 0
    assert stack.request("GET", "/").status == 500
    assert [failure.error for failure in stack.failures] == ["ZeroDivisionError: division by zero"]


def test_handlers_are_loaded_once_and_after_the_hook(root: Path, marks: Any) -> None:
    order: list[str] = []
    marks.do["api"] = lambda event, context: order.append("handled")
    with Stack(FakeClock(START), root=root, before_handlers=lambda: order.append("configured")) as stack:
        assert order == []
        stack.request("GET", "/")
        stack.request("GET", "/")
        stack.sweep()
    assert order == ["configured", "handled", "handled"]


# Queues


def test_a_failed_message_comes_back_after_its_visibility_with_a_higher_count(
    stack: Stack, clock: FakeClock, marks: Any
) -> None:
    send("one")
    marks.do["deliver"] = lambda event, context: 1 / 0
    assert stack.pump_queue() == 1
    clock.advance(59)
    assert stack.pump_queue() == 0
    clock.advance(1)
    marks.do.clear()
    assert stack.pump_queue() == 1
    counts = [event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in seen(marks, "deliver")]
    assert counts == ["1", "2"]
    assert stack.peek("work") == []


def test_a_delayed_message_is_received_at_its_instant(stack: Stack, clock: FakeClock, marks: Any) -> None:
    send("later", DelaySeconds=75)
    assert stack.peek("work")[0].at == START + timedelta(seconds=75)
    clock.advance(74.999)
    assert stack.receive() == []
    clock.advance(0.001)
    assert [message.body for message in stack.receive()] == ["later"]


def test_only_the_messages_named_as_failed_stay(stack: Stack, marks: Any) -> None:
    for body in ("good", "bad", "fine"):
        send(body)

    def answer(event: Any, context: Any) -> Any:
        bad = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": identity} for identity in bad]}

    marks.do["deliver"] = answer
    stack.pump_queue()
    assert [(message.body, message.receives) for message in stack.peek("work")] == [("bad", 1)]


def test_an_answer_that_names_an_unknown_message_fails_the_whole_batch(stack: Stack, marks: Any) -> None:
    send("one")
    marks.do["deliver"] = lambda event, context: {"batchItemFailures": [{"itemIdentifier": "other"}]}
    stack.pump_queue()
    assert len(stack.peek("work")) == 1


def test_a_message_moves_to_the_dead_letters_after_its_last_receive(stack: Stack, clock: FakeClock, marks: Any) -> None:
    send("poison")
    marks.do["deliver"] = lambda event, context: 1 / 0
    for _ in range(4):
        stack.pump_queue()
        clock.advance(60)
    assert len(seen(marks, "deliver")) == 3
    assert stack.peek("work") == []
    assert [message.body for message in stack.peek("work-dlq")] == ["poison"]


def test_messages_can_be_delivered_twice_and_out_of_order(stack: Stack, marks: Any) -> None:
    send("one")
    send("two")
    first, second = stack.receive()
    stack.deliver([second])
    stack.deliver([first])
    stack.deliver([second])
    assert [event["Records"][0]["body"] for event in seen(marks, "deliver")] == ["two", "one", "two"]


def test_a_tenant_with_fewer_messages_in_flight_is_served_before_one_with_more(stack: Stack) -> None:
    for body, group in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("a4", "a"), ("b2", "b"), ("none", None)):
        send(body, **({"MessageGroupId": group} if group else {}))
    order = [stack.receive(limit=1)[0] for _ in range(7)]
    assert [message.body for message in order] == ["a1", "b1", "none", "a2", "b2", "a3", "a4"]
    assert order[1].raw["Attributes"]["MessageGroupId"] == "b"


def test_without_anything_in_flight_messages_keep_their_order(stack: Stack, marks: Any) -> None:
    for body, group in (("a1", "a"), ("b1", "b"), ("a2", "a")):
        send(body, MessageGroupId=group)
    while received := stack.receive(limit=1):
        stack.deliver(received)
    assert [event["Records"][0]["body"] for event in seen(marks, "deliver")] == ["a1", "b1", "a2"]


def test_a_message_too_old_to_keep_is_dropped_and_holds_up_nobody(stack: Stack, clock: FakeClock) -> None:
    send("old")
    clock.advance(timedelta(days=4))
    send("new")
    assert [message.body for message in stack.receive()] == ["new"]
    assert [message.body for message in stack.peek("work")] == ["new"]


def test_what_the_topic_gets_reaches_a_subscribed_queue(stack: Stack) -> None:
    sns, topic = boto3.client("sns"), stack.environment["DATELINE_TOPIC_ARN"]
    queue = "arn:aws:sqs:us-east-1:123456789012:dateline-local-lost"
    policy = {"FilterPolicy": json.dumps({"type": ["post.published"]}), "RawMessageDelivery": "true"}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=policy)
    for kind in ("post.queued", "post.published"):
        attributes = {"type": {"DataType": "String", "StringValue": kind}}
        sns.publish(TopicArn=topic, Message=kind, MessageAttributes=attributes)
    assert [message.body for message in stack.peek("lost")] == ["post.published"]


# Schedule entries


def test_an_entry_fires_once_at_its_time_and_is_deleted(stack: Stack, clock: FakeClock, marks: Any) -> None:
    schedule("post_1-1", "2027-03-01T09:00:00", ScheduleExpressionTimezone="America/New_York")
    (entry,) = stack.schedules()
    assert entry.at == datetime(2027, 3, 1, 14, tzinfo=UTC)
    assert stack.due_schedules() == []
    assert stack.run_until(timers=False)
    assert clock.now() == entry.at
    assert seen(marks, "publish") == [{"post": "post_1-1"}]
    assert stack.schedules() == []


def test_an_entry_can_be_fired_again_as_a_duplicate(stack: Stack, marks: Any) -> None:
    schedule("twice", "2027-03-01T13:00:00")
    (entry,) = stack.schedules()
    stack.fire(entry, keep=True)
    stack.fire(entry)
    assert len(seen(marks, "publish")) == 2
    assert stack.schedules() == []


def test_an_entry_whose_function_keeps_failing_ends_in_the_failures_queue(
    stack: Stack, clock: FakeClock, marks: Any
) -> None:
    schedule("doomed", "2027-03-01T13:00:00")
    marks.do["publish"] = lambda event, context: 1 / 0
    stack.run_until(timers=False)
    assert len(seen(marks, "publish")) == 2
    assert clock.now() == datetime(2027, 3, 1, 13, 1, tzinfo=UTC)
    (lost,) = stack.peek("lost")
    assert json.loads(lost.body)["requestPayload"] == {"post": "doomed"}


def test_an_entry_without_its_function_goes_to_the_schedulers_dead_letters(stack: Stack) -> None:
    schedule("nowhere", "2027-03-01T13:00:00", "gone")
    stack.run_until(timers=False)
    assert [json.loads(message.body) for message in stack.peek("lost")] == [{"post": "nowhere"}]


def test_an_update_replaces_the_whole_entry(stack: Stack) -> None:
    schedule("moved", "2027-03-01T13:00:00")
    boto3.client("scheduler").update_schedule(
        Name="moved",
        GroupName="dateline-local",
        ScheduleExpression="at(2027-03-02T13:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "arn:aws:lambda:us-east-1:123456789012:function:publish", "RoleArn": "arn:aws:iam::123456789012:role/r"},
    )
    (entry,) = stack.schedules()
    assert (entry.at.day, entry.delete, entry.enabled, entry.input) == (2, False, True, "")


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("with#sign", "2027-03-01T13:00:00"),
        ("n" * 65, "2027-03-01T13:00:00"),
        ("fraction", "2027-03-01T13:00:00.5"),
        ("zulu", "2027-03-01T13:00:00Z"),
        ("past", "2027-03-01T11:59:59"),
    ],
)
def test_an_entry_aws_would_refuse_is_refused(stack: Stack, name: str, at: str) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        schedule(name, at)
    assert stack.schedules() == []


# The stream


def test_the_stream_is_pumped_in_order_and_quiet_writes_are_left_out(stack: Stack, marks: Any) -> None:
    put("a", n={"N": "1"})
    put("a", n={"N": "1"})  # nothing changed
    put("b", quiet={"BOOL": True})
    put("a", n={"N": "2"})
    assert stack.pump_stream() == 1
    assert stack.pump_stream() == 0
    (event,) = seen(marks, "notify")
    changes = [(record["eventName"], record["dynamodb"]["NewImage"]["n"]["N"]) for record in event["Records"]]
    assert changes == [("INSERT", "1"), ("MODIFY", "2")]
    assert event["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] == int(START.timestamp())


def test_a_failed_record_holds_the_stream_until_it_passes(stack: Stack, clock: FakeClock, marks: Any) -> None:
    for identity in "abc":
        put(identity)
    handled: list[str] = []

    def until_b(event: Any, context: Any) -> Any:
        for record in event["Records"]:
            if record["dynamodb"]["Keys"]["id"]["S"] == "b" and clock.now() < START + timedelta(seconds=3):
                return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
            handled.append(record["dynamodb"]["Keys"]["id"]["S"])
        return {"batchItemFailures": []}

    marks.do["notify"] = until_b
    stack.settle(timers=False)
    assert handled == ["a"]
    assert stack.run_until(timers=False)
    assert handled == ["a", "b", "c"]
    assert clock.now() == START + timedelta(seconds=3)


def test_an_upsert_is_one_insert_in_the_stream(stack: Stack, marks: Any) -> None:
    boto3.client("dynamodb").update_item(
        TableName="dateline-local-Posts",
        Key={"id": {"S": "new"}},
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"M": {"x": {"N": "1"}}}},
    )
    boto3.client("dynamodb").update_item(
        TableName="dateline-local-Posts",
        Key={"id": {"S": "new"}},
        UpdateExpression="SET v.x = :v",
        ExpressionAttributeValues={":v": {"N": "2"}},
    )
    stack.pump_stream()
    (event,) = seen(marks, "notify")
    images = [(record["eventName"], record["dynamodb"]["NewImage"]["v"]) for record in event["Records"]]
    assert images == [("INSERT", {"M": {"x": {"N": "1"}}}), ("MODIFY", {"M": {"x": {"N": "2"}}})]
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
    assert numbers == [numbers[0], numbers[0] + 1]


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({"a": ["x", "y"]}, {"a": "y"}, True),
        ({"a": ["x"]}, {"a": "z"}, False),
        ({"a": {"b": [{"exists": False}]}}, {}, True),
        ({"a": {"b": [{"exists": True}]}}, {"a": {"b": 0}}, True),
        ({"a": [{"prefix": "po"}]}, {"a": "post"}, True),
        ({"a": [{"anything-but": ["x"]}]}, {"a": "x"}, False),
        ({"a": [{"numeric": [">", 1, "<=", 3]}]}, {"a": 3}, True),
        ({"$or": [{"a": [1]}, {"b": [1]}]}, {"b": 1}, True),
        ({"a": [1]}, {"a": True}, False),
    ],
)
def test_filters_match_as_eventbridge_patterns_do(pattern: Any, event: Any, expected: bool) -> None:
    assert passes([pattern], event) is expected


# Writes


def test_a_cancelled_transaction_leaves_no_item_and_no_stream_record(stack: Stack) -> None:
    put("there", n={"N": "1"})
    stack.pump_stream()
    with pytest.raises(ClientError) as caught:
        boto3.client("dynamodb").transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "dateline-local-Posts", "Item": {"id": {"S": "new"}}}},
                {
                    "Update": {
                        "TableName": "dateline-local-Posts",
                        "Key": {"id": {"S": "there"}},
                        "UpdateExpression": "ADD n :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    }
                },
                {
                    "ConditionCheck": {
                        "TableName": "dateline-local-Posts",
                        "Key": {"id": {"S": "absent"}},
                        "ConditionExpression": "attribute_exists(id)",
                    }
                },
            ]
        )
    reasons = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert reasons == ["None", "None", "ConditionalCheckFailed"]
    assert boto3.client("dynamodb").scan(TableName="dateline-local-Posts")["Items"] == [{"id": {"S": "there"}, "n": {"N": "1"}}]
    assert stack.pump_stream() == 0


def test_a_transaction_repeated_with_its_token_is_written_once(stack: Stack, clock: FakeClock) -> None:
    def add(token: str, step: str = "1") -> None:
        boto3.client("dynamodb").transact_write_items(
            ClientRequestToken=token,
            TransactItems=[
                {
                    "Update": {
                        "TableName": "dateline-local-Posts",
                        "Key": {"id": {"S": "a"}},
                        "UpdateExpression": "ADD n :step",
                        "ExpressionAttributeValues": {":step": {"N": step}},
                    }
                }
            ],
        )

    def total() -> str:
        item = boto3.client("dynamodb").get_item(TableName="dateline-local-Posts", Key={"id": {"S": "a"}})["Item"]
        return str(item["n"]["N"])

    add("t1")
    add("t1")
    assert total() == "1"
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        add("t1", "5")
    clock.advance(601)
    add("t1")
    assert total() == "2"


def test_an_update_cannot_grow_an_item_over_400_kb(stack: Stack) -> None:
    put("big", a={"M": {}})
    with pytest.raises(ClientError, match="exceeded the maximum allowed size"):
        boto3.client("dynamodb").update_item(
            TableName="dateline-local-Posts",
            Key={"id": {"S": "big"}},
            UpdateExpression="SET a.x = :x",
            ExpressionAttributeValues={":x": {"S": "x" * 410_000}},
        )
    assert boto3.client("dynamodb").get_item(TableName="dateline-local-Posts", Key={"id": {"S": "big"}})["Item"]["a"] == {"M": {}}


def test_messages_aws_would_refuse_are_refused(stack: Stack) -> None:
    groups = [("x", {"MessageGroupId": group}) for group in ("", "a b", "é", "x" * 129)]
    for body, options in (("x" * (1024 * 1024 + 1), {}), ("x", {"DelaySeconds": 901}), ("a\x00b", {}), *groups):
        with pytest.raises(ClientError):
            send(body, **options)
    with pytest.raises(ClientError, match="too long"):
        boto3.client("sns").publish(TopicArn=stack.environment["DATELINE_TOPIC_ARN"], Message="é" * 131_073)
    assert stack.peek("work") == []


# Crashes, counts, time


def test_a_crash_leaves_the_message_and_what_was_written_before_it(stack: Stack, clock: FakeClock, marks: Any) -> None:
    send("one")

    def twice(event: Any, context: Any) -> None:
        try:
            put("first")
            put("second")
        finally:
            put("cleanup")  # a dead sandbox cleans nothing up

    def die(service: str, operation: str, phase: str) -> None:
        if (service, operation, phase) == ("dynamodb", "PutItem", "after"):
            raise Crash

    marks.do["deliver"] = twice
    stack.on_external_call = die
    stack.pump_queue()
    stack.on_external_call = None
    items = boto3.client("dynamodb").scan(TableName="dateline-local-Posts")["Items"]
    assert items == [{"id": {"S": "first"}}]
    assert [message.receives for message in stack.peek("work")] == [1]
    assert stack.failures[-1].crashed


def test_a_handler_that_outlives_its_timeout_is_killed(stack: Stack, clock: FakeClock, marks: Any) -> None:
    def slow(event: Any, context: Any) -> None:
        clock.sleep(31)
        put("too late")

    send("one")
    marks.do["deliver"] = slow
    stack.pump_queue()
    assert boto3.client("dynamodb").scan(TableName="dateline-local-Posts")["Count"] == 0
    assert len(stack.peek("work")) == 1


def test_only_the_calls_of_handlers_are_counted(stack: Stack, marks: Any) -> None:
    def work(event: Any, context: Any) -> None:
        put("a")
        stack.external_call("x", "POST /tweets", "before")

    marks.do["sweep"] = work
    put("b")
    stack.sweep()
    with stack.counting() as calls:
        outcome = stack.sweep()
    assert calls == outcome.calls == {("dynamodb", "PutItem"): 1, ("x", "POST /tweets"): 1}
    assert stack.calls["dynamodb", "PutItem"] == 2


def test_time_passes_from_one_due_instant_to_the_next(stack: Stack, clock: FakeClock, marks: Any) -> None:
    schedule("a", "2027-03-01T12:02:30")
    marks.do["publish"] = lambda event, context: send("from publish", DelaySeconds=45)
    times: list[tuple[str, datetime]] = []
    for name in ("sweep", "deliver"):
        marks.do[name] = lambda event, context, name=name: times.append((name, clock.now()))
    assert stack.run_until(lambda: bool(seen(marks, "deliver")))
    minutes = [("sweep", START + timedelta(minutes=number)) for number in (1, 2, 3)]
    assert times == [*minutes, ("deliver", START + timedelta(minutes=3, seconds=15))]
    assert not stack.run_until(lambda: False, limit=timedelta(minutes=2))
    assert clock.now() == START + timedelta(minutes=5, seconds=15)


# Outside clients and threads


def test_an_outside_client_sees_and_changes_the_same_state(stack: Stack, marks: Any) -> None:
    url = stack.serve_aws()
    keys = {"aws_access_key_id": "anything", "aws_secret_access_key": "at all", "region_name": "us-east-1", "endpoint_url": url}
    put("inside")
    assert boto3.client("dynamodb", **keys).scan(TableName="dateline-local-Posts")["Items"] == [{"id": {"S": "inside"}}]
    sqs = boto3.client("sqs", **keys)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="dateline-local-work")["QueueUrl"], MessageBody="outside")
    stack.pump_queue()
    assert seen(marks, "deliver")[0]["Records"][0]["body"] == "outside"
    streams = boto3.client("dynamodbstreams", **keys)
    (stream,) = streams.list_streams(TableName="dateline-local-Posts")["Streams"]
    assert streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
    assert boto3.client("dynamodbstreams").describe_stream(StreamArn=stream["StreamArn"])


def test_a_topics_http_subscriber_may_call_back_while_it_is_called(stack: Stack) -> None:
    heard: list[Any] = []
    done = threading.Event()

    class Subscriber(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            put("from the subscriber")
            heard.append(message["Message"])
            self.send_response(200)
            self.end_headers()
            done.set()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Subscriber)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        topic = stack.environment["DATELINE_TOPIC_ARN"]
        boto3.client("sns").subscribe(TopicArn=topic, Protocol="http", Endpoint=f"http://127.0.0.1:{server.server_port}/")
        boto3.client("sns").publish(TopicArn=topic, Message="hello")
        assert done.wait(20)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert heard == ["hello"]


def test_threads_drive_the_stack_and_conditional_writes_hold(root: Path, marks: Any) -> None:
    clock = SystemClock()
    won: list[str] = []

    def claim(event: Any, context: Any) -> None:
        try:
            boto3.session.Session().client("dynamodb").put_item(
                TableName="dateline-local-Posts", Item={"id": {"S": "one"}}, ConditionExpression="attribute_not_exists(id)"
            )
            won.append(event["Records"][0]["messageId"])
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"

    def twelve(event: Any, context: Any) -> None:
        for number in range(12):
            send(str(number))

    marks.do.update(deliver=claim, publish=twelve)
    with Stack(clock, root=root) as stack:
        stop = threading.Event()
        schedule("soon", (clock.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%S"))
        threads = stack.drive(stop, workers=3, pause=0.01)
        try:
            clock.advance(timedelta(days=2, seconds=1))
            until = time.monotonic() + 30
            while time.monotonic() < until and (len(won) == 0 or stack.peek("work") or not seen(marks, "notify")):
                stop.wait(0.02)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert stack.peek("work") == []
        assert not stack.failures
    assert len(won) == 1
    assert len(seen(marks, "publish")) == 1
    assert len(seen(marks, "notify")) == 1


def test_a_long_poll_from_outside_does_not_hold_up_the_others(root: Path, marks: Any) -> None:
    with Stack(SystemClock(), root=root) as stack:
        url = stack.serve_aws()
        got: list[Any] = []

        def poll() -> None:
            sqs = boto3.session.Session().client(
                "sqs", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b", endpoint_url=url
            )
            queue = sqs.get_queue_url(QueueName="dateline-local-work")["QueueUrl"]
            got.extend(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"])

        thread = threading.Thread(target=poll)
        thread.start()
        send("for the poller")
        thread.join(20)
        assert [message["Body"] for message in got] == ["for the poller"]
