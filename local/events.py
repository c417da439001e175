"""Builds the events AWS hands to a Lambda function, and reads what an HTTP handler answers.

Shapes follow AWS's documentation for payload format 2.0, SQS, DynamoDB streams and EventBridge, so that a handler that works
here needs no change there. Nothing here calls anything.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from local.functions import Function, Source
from local.template import ACCOUNT

# What API Gateway passes on as text; any other body arrives in base64.
_TEXT_TYPES = re.compile(r"text/|application/(json|xml|javascript|[\w.+-]+\+(json|xml))", re.IGNORECASE)


class Answer(NamedTuple):
    """What the API answered. Header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    def json(self) -> Any:
        """The body read as JSON; ValueError if it is none."""
        return json.loads(self.body)


class LambdaContext:
    """Stands in for the context object; the time left is measured on our clock (`monotonic` in seconds)."""

    function_version = "$LATEST"
    identity = None
    client_context = None

    def __init__(self, function: Function, monotonic: Callable[[], float]) -> None:
        self.function_name = function.name
        self.invoked_function_arn = function.arn
        self.memory_limit_in_mb = function.memory
        self.aws_request_id = str(uuid.uuid4())
        self.log_group_name = f"/aws/lambda/{function.name}"
        self.log_stream_name = "local"
        self._monotonic = monotonic
        self._deadline = monotonic() + function.timeout

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - self._monotonic()) * 1000))


def http_event(
    method: str,
    target: str,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    body: bytes | str | dict[str, Any] | list[Any] | None = None,
    *,
    now: datetime,
    source_ip: str = "127.0.0.1",
) -> dict[str, Any]:
    """An HTTP API event (payload 2.0). `target` is the path with its query string; a dict or list body is sent as JSON."""
    parts = urlsplit(target)
    pairs = headers.items() if isinstance(headers, Mapping) else headers or ()
    folded: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        folded[key] = f"{folded[key]},{value}" if key in folded else value
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        folded.setdefault("content-type", "application/json")
    raw = body.encode() if isinstance(body, str) else body or b""
    if raw:
        folded.setdefault("content-length", str(len(raw)))
    folded.setdefault("host", "localhost")
    query: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": folded,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": folded["host"],
            "domainPrefix": "local",
            "http": {
                "method": method.upper(),
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": source_ip,
                "userAgent": folded.get("user-agent", ""),
            },
            "requestId": uuid.uuid4().hex,
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = query
    if cookies := folded.pop("cookie", ""):
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    if raw:
        text = _TEXT_TYPES.match(folded.get("content-type", "text/plain")) and "content-encoding" not in folded
        try:
            event["body"] = raw.decode() if text else base64.b64encode(raw).decode()
        except UnicodeDecodeError:
            text, event["body"] = None, base64.b64encode(raw).decode()
        event["isBase64Encoded"] = not text
    return event


def http_answer(value: Any) -> Answer:
    """What API Gateway makes of a handler's value: a proxy response, or any JSON value as a 200."""
    if not (isinstance(value, Mapping) and "statusCode" in value):
        return Answer(200, {"content-type": "application/json"}, json.dumps(value).encode())
    body = value.get("body") or ""
    raw = base64.b64decode(body) if value.get("isBase64Encoded") else str(body).encode()
    headers = {str(name).lower(): str(content) for name, content in (value.get("headers") or {}).items()}
    headers.setdefault("content-type", "text/plain; charset=utf-8")
    return Answer(int(value["statusCode"]), headers, raw, tuple(value.get("cookies") or ()))


class Received(NamedTuple):
    """A message as ReceiveMessage gave it, with the queue it came from."""

    source: Source
    raw: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.raw["MessageId"])

    @property
    def body(self) -> str:
        return str(self.raw["Body"])

    @property
    def receives(self) -> int:
        """How often it has been received, this time included."""
        return int(self.raw["Attributes"]["ApproximateReceiveCount"])


def sqs_event(messages: Iterable[Received], region: str) -> dict[str, Any]:
    """The event of a batch of messages."""
    return {"Records": [_sqs_record(message, region) for message in messages]}


def _sqs_record(message: Received, region: str) -> dict[str, Any]:
    raw = message.raw
    return {
        "messageId": raw["MessageId"],
        "receiptHandle": raw["ReceiptHandle"],
        "body": raw["Body"],
        "attributes": dict(raw.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in raw.get("MessageAttributes", {}).items()},
        "md5OfBody": raw["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": message.source.arn,
        "awsRegion": region,
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {"dataType": value["DataType"], "stringListValues": [], "binaryListValues": []}
    if "BinaryValue" in value:
        record["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    else:
        record["stringValue"] = value.get("StringValue", "")
    return record


def stream_record(record: Mapping[str, Any], *, arn: str, region: str) -> dict[str, Any]:
    """One record of a DynamoDB stream as Lambda sees it, from moto's own: times as epoch seconds, bytes in base64."""
    change = _plain(record["dynamodb"])
    created = record["dynamodb"]["ApproximateCreationDateTime"]
    change["ApproximateCreationDateTime"] = int(created.replace(tzinfo=UTC).timestamp())
    return {**record, "awsRegion": region, "eventVersion": "1.1", "eventSourceARN": arn, "dynamodb": change}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def timer_event(source: Source, now: datetime, region: str) -> Any:
    """What a timer hands over: its fixed input, else the scheduled event of EventBridge."""
    if source.event is not None:
        return source.event
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler" if source.scheduler else "aws.events",
        "account": ACCOUNT,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:events:{region}:{ACCOUNT}:rule/{source.function.name}"],
        "detail": "{}" if source.scheduler else {},
    }


def failure_envelope(function: Function, event: Any, error: str, attempts: int, now: datetime) -> dict[str, Any]:
    """What Lambda sends to an on-failure destination once an asynchronous invocation has failed for good."""
    return {
        "version": "1.0",
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": f"{function.arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": error},
    }
