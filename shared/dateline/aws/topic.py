"""The SNS topic on which every transition is announced, with attributes for filter policies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

BATCH = 10
"""Messages a PublishBatch takes; together they may have 256 KB."""

MOST_BYTES = 240_000


class TopicUnavailable(Exception):
    """Not every event is known to be announced; the stream repeats it."""


class Topic:
    """The announcements topic."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client, self._arn = client, arn

    def publish(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Announce events in order. Raises `TopicUnavailable` when one is not known to be out."""
        batch: list[dict[str, Any]] = []
        size = 0
        for number, event in enumerate(events):
            message = json.dumps(event, separators=(",", ":"))
            if batch and (len(batch) == BATCH or size + len(message.encode()) > MOST_BYTES):
                self._send(batch)
                batch, size = [], 0
            size += len(message.encode())
            batch.append({"Id": str(number), "Message": message, "MessageAttributes": _attributes(event)})
        if batch:
            self._send(batch)

    def _send(self, batch: list[dict[str, Any]]) -> None:
        try:
            answer = self._client.publish_batch(TopicArn=self._arn, PublishBatchRequestEntries=batch)
        except (BotoCoreError, ClientError) as error:
            raise TopicUnavailable(type(error).__name__) from error
        if answer.get("Failed"):
            raise TopicUnavailable(f"{len(answer['Failed'])} of {len(batch)} events were refused")


def _attributes(event: Mapping[str, Any]) -> dict[str, Any]:
    data = event["data"]
    post = data.get("post") or {}
    platforms = sorted({target["platform"] for target in post.get("targets", ())}) or [
        name for name in [(data.get("profile") or {}).get("platform")] if name
    ]
    attributes = {
        "type": {"DataType": "String", "StringValue": event["type"]},
        "workspaceId": {"DataType": "String", "StringValue": event["workspaceId"]},
        "status": {"DataType": "String", "StringValue": event["type"].partition(".")[2]},
    }
    if platforms:
        attributes["platform"] = {"DataType": "String.Array", "StringValue": json.dumps(platforms)}
    return attributes
