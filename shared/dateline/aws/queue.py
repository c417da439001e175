"""The deliveries queue: one message per target, with a delay where its time has not come.

Every message names the workspace's side it belongs to as its `MessageGroupId`. On a standard queue that means nothing for its
order; it makes the queue a fair one: while one group holds most of the workers, messages of others are handed out first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from ..domain.retry import LONGEST_MESSAGE_DELAY

BATCH = 10
"""Messages a SendMessageBatch takes."""


class QueueUnavailable(Exception):
    """Not every message is known to be sent. Sweep sends again what is missing; what is sent twice is harmless."""


class Message(NamedTuple):
    """Work on one target. `revision` makes it stale after an edit; `outcome` carries a result that could not be saved. Without a
    `post_id` it is about the profile alone: its token is to be renewed. `removal`: the target is to be taken down;
    `place`: it is to be handed to its network ahead."""

    post_id: str
    profile_id: str
    revision: int
    outcome: dict[str, Any] | None = None
    removal: bool = False
    place: bool = False

    def body(self) -> str:
        """The message as JSON."""
        out: dict[str, Any] = {"postId": self.post_id, "profileId": self.profile_id, "revision": self.revision}
        if self.outcome is not None:
            out["outcome"] = self.outcome
        if self.removal:
            out["removal"] = True
        if self.place:
            out["place"] = True
        return json.dumps(out, separators=(",", ":"))

    @classmethod
    def parse(cls, body: str) -> Message:
        """The inverse of `body`. Raises ValueError for anything else."""
        try:
            raw = json.loads(body)
            ids = str(raw["postId"]), str(raw["profileId"]), int(raw["revision"])
            return cls(*ids, raw.get("outcome"), bool(raw.get("removal")), bool(raw.get("place")))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError("not a delivery message") from error


class Queue:
    """The deliveries queue."""

    def __init__(self, client: Any, url: str) -> None:
        self._client, self._url = client, url

    def send(self, messages: Sequence[Message], delay: float = 0.0, *, group: str) -> None:
        """Send messages, ten a call, delayed by whole seconds (rounded down: the receiver waits out the rest).

        `group` is the partition of their post (1 to 128 letters, digits and punctuation): who shares the queue's capacity fairly.
        Raises `QueueUnavailable` when one of them is not known to be sent.
        """
        whole = int(max(0.0, min(delay, LONGEST_MESSAGE_DELAY)))
        for batch in _batches(messages):
            entries = [
                {"Id": str(n), "MessageBody": m.body(), "DelaySeconds": whole, "MessageGroupId": group}
                for n, m in enumerate(batch)
            ]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                raise QueueUnavailable(type(error).__name__) from error
            if answer.get("Failed"):
                raise QueueUnavailable(f"{len(answer['Failed'])} of {len(batch)} messages were refused")

    def backlog(self) -> int:
        """About how many messages wait to be received (delayed ones not counted); 0 if SQS does not say."""
        try:
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"])
        except (BotoCoreError, ClientError):
            return 0
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _batches(messages: Sequence[Message]) -> Iterable[Sequence[Message]]:
    return (messages[start : start + BATCH] for start in range(0, len(messages), BATCH))


class Order(NamedTuple):
    """Copies to be made: the key of each by the address of its file. `media_id` is whose copy it is where somebody asked for the
    copy itself, `tries` how often it could not be had."""

    pins: dict[str, str]
    media_id: str | None = None
    tries: int = 0

    def body(self) -> str:
        """The message as JSON."""
        out: dict[str, Any] = {"pins": self.pins, "tries": self.tries}
        if self.media_id is not None:
            out["mediaId"] = self.media_id
        return json.dumps(out, separators=(",", ":"))

    @classmethod
    def parse(cls, body: str) -> Order:
        """The inverse of `body`. Raises ValueError for anything else."""
        try:
            raw = json.loads(body)
            return cls({str(url): str(key) for url, key in raw["pins"].items()}, raw.get("mediaId"), int(raw.get("tries", 0)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError("not an order of copies") from error


class Orders:
    """The media queue. One that is lost costs nothing but time: a delivery makes the copies that are missing."""

    def __init__(self, client: Any, url: str) -> None:
        self._client, self._url = client, url

    def send(self, order: Order, delay: float = 0.0) -> None:
        """Send an order, delayed by whole seconds. Raises `QueueUnavailable`. The keys begin with a month and whose they are:
        that is the group by which workspaces share the queue fairly."""
        group = next(iter(order.pins.values()), "none").split("/")[1:2] or ["none"]
        whole = int(max(0.0, min(delay, LONGEST_MESSAGE_DELAY)))
        try:
            self._client.send_message(
                QueueUrl=self._url, MessageBody=order.body(), DelaySeconds=whole, MessageGroupId=group[0][:128]
            )
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailable(type(error).__name__) from error
