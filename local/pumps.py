"""What wakes the functions beside schedule entries: queues, the table's stream and timers, pumped by hand or by a driver.

The state is moto's own (receive counts, visibility, dead-letter moves, the stream's records); only the part of Lambda and
EventBridge that moto lacks is done here. A queue may be pumped from several threads; the rest from one thread each.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import nsmallest
from typing import Any, NamedTuple

import moto.core.utils
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import Queue, sqs_backends

from local import aws
from local.entries import Entries
from local.events import Received, sqs_event, stream_record, timer_event
from local.filters import passes
from local.functions import Source
from local.motofixes import MOTO_LOCK
from local.runtime import Outcome
from local.template import ACCOUNT

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STREAM_RETRY = timedelta(seconds=1)


class Waiting(NamedTuple):
    """A message in a queue; `at` is when it can be received (past: now)."""

    id: str
    body: str
    at: datetime
    receives: int


@dataclass
class _Cursor:
    """How far a stream has been read. `size` shrinks while a bad record is looked for."""

    position: int = 0
    failures: int = 0
    size: int = 0
    not_before: datetime = _EPOCH


class Pumps(Entries):
    """The sources, each with one way to pump it."""

    _cursors: dict[str, _Cursor]
    _ticks: dict[str, datetime]

    def _reset_pumps(self) -> None:
        self._repeats = []
        self._cursors = {source.arn: _Cursor(size=source.batch) for source in self._of("stream")}
        self._ticks = {source.function.name: self._next_tick(source) for source in self._of("timer")}

    def _of(self, kind: str) -> list[Source]:
        return [source for source in self.sources if source.kind == kind]

    # Queues

    def queue(self, reference: str) -> Queue:
        """moto's queue by name, URL, ARN or the end of its name ("deliveries"). KeyError if there is none."""
        queues = sqs_backends[ACCOUNT][self.region].queues
        name = reference.replace(":", "/").rpartition("/")[2]
        found = [queue for known, queue in queues.items() if known == name or known.endswith(f"-{name}")]
        if not found:
            raise KeyError(f"there is no queue {reference}; there are {', '.join(queues)}")
        return min(found, key=lambda queue: len(queue.name))

    def peek(self, reference: str) -> list[Waiting]:
        """All messages of a queue, also delayed ones and those in flight, without receiving them."""
        with MOTO_LOCK:
            return [
                Waiting(m.id, m.body, _instant(max(m.visible_at, m.delayed_until)), m.approximate_receive_count)
                for m in self.queue(reference)._messages
            ]

    def _queue_source(self, reference: str | None) -> Source:
        sources = self._of("sqs")
        if reference is None:
            return next((source for source in sources if source.function.name == "deliver"), sources[0])
        arn = self.queue(reference).queue_arn
        return next(source for source in sources if source.arn == arn)

    def receive(self, reference: str | None = None, limit: int = 10, *, in_order: bool = False) -> list[Received]:
        """Receive up to `limit` messages (1 to 10) as Lambda's poller does; dead-letter moves happen here, as in moto. The groups
        with the fewest messages in flight come first, unless the caller has put the list `in_order` itself."""
        source = self._queue_source(reference)
        if not in_order:
            with MOTO_LOCK:
                _quiet_first(self.queue(source.arn), limit)
        answer = aws.client("sqs", self.region).receive_message(
            QueueUrl=self._url(source),
            MaxNumberOfMessages=limit,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
            WaitTimeSeconds=0,
        )
        return [Received(source, message) for message in answer.get("Messages", [])]

    def _url(self, source: Source) -> str:
        return f"https://sqs.{self.region}.amazonaws.com/{ACCOUNT}/{source.arn.rpartition(':')[2]}"

    def deliver(self, messages: Iterable[Received]) -> Outcome:
        """Hand one batch (of one queue) to its function and delete what it took. The rest waits for its visibility."""
        batch = list(messages)
        source = batch[0].source
        outcome = self.invoke(source.function.name, sqs_event(batch, self.region))
        failed = _failed(outcome, source, [message.id for message in batch])
        for message in batch:
            if message.id not in failed:
                aws.client("sqs", self.region).delete_message(
                    QueueUrl=self._url(source), ReceiptHandle=message.raw["ReceiptHandle"]
                )
        return outcome

    def pump_queue(self, reference: str | None = None, *, most: int = 10_000) -> int:
        """Receive and deliver until nothing is visible, in one queue or in all that wake a function; the number of batches."""
        batches = 0
        for source in [self._queue_source(reference)] if reference else self._of("sqs"):
            while batches < most and (messages := self.receive(source.arn, min(source.batch, 10))):
                self.deliver(messages)
                batches += 1
        return batches

    # Streams

    def pump_stream(self) -> int:
        """Hand the new stream records to their functions, in order; the number of batches tried. A failed batch is tried
        again by a later pump, a second on, smaller if the template says bisect, and nothing overtakes it."""
        return sum(self._pump_stream(source) for source in self._of("stream"))

    def _pump_stream(self, source: Source) -> int:
        cursor = self._cursors[source.arn]
        tried = 0
        while self.clock.now() >= cursor.not_before:
            with MOTO_LOCK:
                items = self._stream_items(source)[cursor.position : cursor.position + cursor.size]
            if not items:
                break
            records = [stream_record(item.record, arn=source.arn, region=self.region) for item in items]
            wanted = [record for record in records if passes(source.filters, record)]
            if not wanted:
                cursor.position += len(items)
                continue
            tried += 1
            numbers = [record["dynamodb"]["SequenceNumber"] for record in wanted]
            outcome = self.invoke(source.function.name, {"Records": wanted})
            failed = _failed(outcome, source, numbers)
            if not failed:
                self._cursors[source.arn] = cursor = _Cursor(cursor.position + len(items), size=source.batch)
                continue
            first = min(failed, key=int)
            passed = next(i for i, record in enumerate(records) if record["dynamodb"]["SequenceNumber"] == first)
            cursor.failures = 1 if passed else cursor.failures + 1
            cursor.position += passed
            cursor.not_before = self.clock.now() + _STREAM_RETRY
            if source.bisect and not outcome.ok:
                cursor.size = max(1, len(items) // 2)
            if 0 <= source.most_retries < cursor.failures:
                if source.on_failure is not None:
                    self._send(source.on_failure, json.dumps({"DDBStreamBatchInfo": {"startSequenceNumber": first}}))
                self._cursors[source.arn] = cursor = _Cursor(cursor.position + len(items) - passed, size=source.batch)
        return tried

    def _stream_items(self, source: Source) -> list[Any]:
        table = dynamodb_backends[ACCOUNT][self.region].tables[source.arn.split("/")[1]]
        assert table.stream_shard is not None
        return table.stream_shard.items

    # Timers

    def _next_tick(self, source: Source) -> datetime:
        """The next whole multiple of the timer's period."""
        return self.clock.now() + source.every - (self.clock.now() - _EPOCH) % source.every

    def pump_timers(self) -> int:
        """Invoke what a timer is due for, once, however long the clock was pushed; the number of invocations."""
        due = [source for source in self._of("timer") if self._ticks[source.function.name] <= self.clock.now()]
        for source in due:
            self._ticks[source.function.name] = self._next_tick(source)
            self.invoke_async(source.function, timer_event(source, self.clock.now(), self.region))
        return len(due)

    def sweep(self) -> Outcome:
        """Invoke the sweep function once, now, with its timer's event."""
        source = next(source for source in self._of("timer") if source.function.name == "sweep")
        return self.invoke("sweep", timer_event(source, self.clock.now(), self.region))

    # All of them

    def step(self, *, timers: bool = True) -> bool:
        """Pump everything that is due now, once. Whether there was anything."""
        due = self.due_schedules()
        for entry in due:
            self.fire(entry)
        done = len(due) + self.pump_repeats() + self.pump_queue() + self.pump_stream()
        return done + (self.pump_timers() if timers else 0) > 0

    def next_instant(self, *, timers: bool = True) -> datetime | None:
        """When something is due next (the past: now), or None if nothing is under way. Timers are always under way."""
        instants = [entry.at for entry in self.schedules() if entry.enabled]
        instants += [repeat.due for repeat in self._repeats]
        instants += [message.at for source in self._of("sqs") for message in self.peek(source.arn)]
        for source in self._of("stream"):
            if self._cursors[source.arn].position < len(self._stream_items(source)):
                instants.append(self._cursors[source.arn].not_before)
        if timers:
            instants += self._ticks.values()
        return min(instants, default=None)


def _quiet_first(queue: Queue, limit: int) -> None:
    """Move to the front what a fair queue would hand out next: messages of the groups that hold the fewest workers; moto only
    keeps the group. Real queues do so once a group has some 30 messages in flight, a tenth of them all, which no machine here
    reaches; they look at processing time as well. A message without a group is a tenant of its own.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html"""
    now = moto.core.utils.unix_time_millis()
    busy: Counter[str | None] = Counter(m.group_id for m in queue._messages if m.group_id and m.visible_at > now)
    if busy:
        chosen = nsmallest(limit, queue.messages, key=lambda message: busy[message.group_id])
        queue._messages = chosen + [message for message in queue._messages if message not in chosen]


def _instant(milliseconds: float) -> datetime:
    return _EPOCH + timedelta(milliseconds=math.ceil(milliseconds))


def _failed(outcome: Outcome, source: Source, ids: list[str]) -> set[str]:
    """Which of a batch's records failed. An answer that names an unknown record, or none, fails the whole batch, as in AWS."""
    if not outcome.ok:
        return set(ids)
    if not source.partial or not isinstance(outcome.value, dict):
        return set()
    named = {str((failure or {}).get("itemIdentifier")) for failure in outcome.value.get("batchItemFailures") or []}
    return named if named <= set(ids) else set(ids)
