"""Refusals AWS would give and moto does not: sizes, delays, schedule names and times. Checked before a call reaches moto.

Every check answers None or the (code, message) AWS documents, so that code which would fail deployed fails here as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Refusal = tuple[str, str] | None
Check = Callable[[Mapping[str, Any], datetime], Refusal]

MOST_QUEUE_BYTES = 1024 * 1024
"""Of one message, and of a batch: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
MOST_TOPIC_BYTES = 256 * 1024
"""https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
MOST_TRANSACTION_BYTES = 4 * 1024 * 1024
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""
MOST_INPUT_BYTES = 256 * 1024
"""Of a schedule's input: https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html"""
MOST_DELAY_SECONDS = 900

_NAME = re.compile(r"[0-9a-zA-Z\-_.]{1,64}")
_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")
# Allowed in a message: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_GROUP = re.compile(r"[!-~]{1,128}")
_FORBIDDEN_IN_MESSAGE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def at_instant(expression: str, zone: str | None) -> datetime | None:
    """The UTC instant of an `at(…)` expression in its zone (UTC if none); None for anything else or an impossible date."""
    if not (found := _AT.fullmatch(expression)):
        return None
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=ZoneInfo(zone or "UTC")).astimezone(UTC)
    except (ValueError, ZoneInfoNotFoundError):
        return None


def _size(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(_size(key) + _size(part) for key, part in value.items())
    if isinstance(value, (list, set, tuple)):
        return sum(_size(part) for part in value)
    if isinstance(value, (bytes, bytearray)):
        return len(value)
    return len(str(value).encode("utf-8", "surrogatepass"))


def _schedule(params: Mapping[str, Any], now: datetime) -> Refusal:
    name, expression = params.get("Name", ""), params.get("ScheduleExpression", "")
    target = params.get("Target", {})
    if not _NAME.fullmatch(name):
        return "ValidationException", f"schedule name {name!r} must match [0-9a-zA-Z-_.]+ and have at most 64 characters"
    if not expression.startswith(("rate(", "cron(")):
        at = at_instant(expression, params.get("ScheduleExpressionTimezone"))
        # The user guide does not say what becomes of a past time; people report that it is refused, so we refuse it.
        if at is None or at < now.replace(microsecond=0):
            return "ValidationException", f"Invalid Schedule Expression {expression}."
    if _size(target.get("Input", "")) > MOST_INPUT_BYTES:
        return "ValidationException", f"the target's input is longer than {MOST_INPUT_BYTES} bytes"
    for member, least, most in (("MaximumEventAgeInSeconds", 60, 86400), ("MaximumRetryAttempts", 0, 185)):
        if member in (policy := target.get("RetryPolicy", {})) and not least <= policy[member] <= most:
            return "ValidationException", f"RetryPolicy.{member} must be between {least} and {most}, not {policy[member]}"
    return None


def _entry(entry: Mapping[str, Any]) -> Refusal:
    body = entry.get("MessageBody", "")
    if not 0 <= entry.get("DelaySeconds", 0) <= MOST_DELAY_SECONDS:
        return (
            "InvalidParameterValue",
            f"Value {entry['DelaySeconds']} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
        )
    if _size(body) + _size(entry.get("MessageAttributes", {})) > MOST_QUEUE_BYTES:
        return "InvalidParameterValue", f"Message must be shorter than {MOST_QUEUE_BYTES} bytes."
    if not _GROUP.fullmatch(entry.get("MessageGroupId", "none")):
        return "InvalidParameterValue", "MessageGroupId can only include 1 to 128 alphanumeric and punctuation characters."
    if _FORBIDDEN_IN_MESSAGE.search(body):
        return "InvalidMessageContents", "The message contains characters outside the allowed set."
    return None


def _message(params: Mapping[str, Any], _now: datetime) -> Refusal:
    return _entry(params)


def _message_batch(params: Mapping[str, Any], _now: datetime) -> Refusal:
    entries = params.get("Entries", [])
    bodies = [(entry.get("MessageBody", ""), entry.get("MessageAttributes", {})) for entry in entries]
    if _size(bodies) > MOST_QUEUE_BYTES:
        return "AWS.SimpleQueueService.BatchRequestTooLong", f"Batch requests cannot be longer than {MOST_QUEUE_BYTES} bytes."
    # AWS refuses the single entry and takes the others; to fail the call is stricter and shows the mistake at once.
    return next((refusal for entry in entries if (refusal := _entry(entry))), None)


def _topic(params: Mapping[str, Any], _now: datetime) -> Refusal:
    if _size(params.get("Message", "")) + _size(params.get("MessageAttributes", {})) > MOST_TOPIC_BYTES:
        return "InvalidParameter", "Invalid parameter: Message too long"
    return None


def _transaction(params: Mapping[str, Any], _now: datetime) -> Refusal:
    if sum(_size(part.get("Put", {}).get("Item", {})) for part in params.get("TransactItems", [])) > MOST_TRANSACTION_BYTES:
        return "ValidationException", "Transaction request cannot be larger than 4 MB"
    return None


_CHECKS: dict[tuple[str, str], Check] = {
    ("scheduler", "CreateSchedule"): _schedule,
    ("scheduler", "UpdateSchedule"): _schedule,
    ("sqs", "SendMessage"): _message,
    ("sqs", "SendMessageBatch"): _message_batch,
    ("sns", "Publish"): _topic,
    ("dynamodb", "TransactWriteItems"): _transaction,
}


def refusal(service: str, operation: str, params: Mapping[str, Any], now: datetime) -> Refusal:
    """What AWS would refuse this call with, as (error code, message), or None."""
    check = _CHECKS.get((service, operation))
    return check(params, now) if check else None
