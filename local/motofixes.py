"""Where moto 5.2 differs from AWS in ways a scheduler would notice, it is corrected here, in our process only.

Each correction is one context manager that puts the original back: a lock around every call, transactions that undo only
what they touched, updates bounded at 400 KB, stream records as DynamoDB writes them, long polls that do not hold the lock,
long queues that are counted quickly.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import moto.core.utils
from moto.core.models import MockAWS, botocore_stubber
from moto.dynamodb.exceptions import ItemSizeToUpdateTooLarge
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import StreamShard, Table
from moto.scheduler.models import EventBridgeSchedulerBackend
from moto.sns.models import Subscription
from moto.sqs.models import Message, Queue, SQSBackend
from werkzeug.exceptions import HTTPException

MOTO_LOCK = threading.RLock()
"""Held for every call to moto, in-process or over HTTP: its conditional writes are not safe between threads."""

MOST_ITEM_BYTES = 400 * 1024
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html#limits-items"""

_WEBHOOK_SECONDS = 10.0
_POLL_SECONDS = 0.1


class BotocoreMock(MockAWS):
    """moto's mock for botocore alone. Plain HTTP stays real, so that stand-in networks and subscribers on this machine answer."""

    def _enable_patching(self, reset: bool = True) -> None:
        botocore_stubber.enabled = True
        if reset:
            self.reset()

    def _disable_patching(self, remove_data: bool) -> None:
        botocore_stubber.enabled = False
        if remove_data:
            self.reset()


@contextmanager
def moto_behaves(polls: bool) -> Iterator[None]:
    """All corrections at once. `polls`: a ReceiveMessage may really wait (a real clock), else it answers at once."""
    with ExitStack() as stack:
        for manager in (_locked(), _undoing(), _streaming(), _receiving(polls), _counting(), _posting()):
            stack.enter_context(manager)
        yield


@contextmanager
def _locked() -> Iterator[None]:
    process = botocore_stubber.process_request

    def with_lock(request: Any) -> Any:
        with MOTO_LOCK:
            return process(request)

    with patch.object(botocore_stubber, "process_request", with_lock):
        yield


class _Undo:
    """Remembers items and the ends of streams, and puts them back."""

    def __init__(self) -> None:
        self._items: list[tuple[Table, DynamoType, DynamoType | None, Item | None]] = []
        self._streams: dict[str, tuple[StreamShard, int]] = {}

    def remember(self, table: Table, hash_key: DynamoType, range_key: DynamoType | None) -> Item | None:
        before = copy.deepcopy(table.get_item(hash_key, range_key))
        self._items.append((table, hash_key, range_key, before))
        if table.stream_shard is not None:
            self._streams.setdefault(table.name, (table.stream_shard, len(table.stream_shard.items)))
        return before

    def back(self) -> None:
        for table, hash_key, range_key, item in reversed(self._items):
            if range_key is None:
                if item is None:
                    table.items.pop(hash_key, None)
                else:
                    table.items[hash_key] = item  # type: ignore[assignment]
            elif item is None:
                table.items[hash_key].pop(range_key, None)
            else:
                table.items[hash_key][range_key] = item
        for shard, length in self._streams.values():
            del shard.items[length:]


@contextmanager
def _undoing() -> Iterator[None]:
    """Writes that fail leave nothing behind, without moto's copy of whole tables (it grows with the data)."""
    transact, update = DynamoDBBackend.transact_write_items, DynamoDBBackend.update_item

    def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        undo = _Undo()
        for operation in (next(iter(entry.values())) for entry in transact_items):
            try:
                table = self.get_table(operation["TableName"])
                undo.remember(table, *self.get_keys_value(table, operation.get("Key") or operation["Item"]))
            except (HTTPException, KeyError):
                continue  # moto refuses this one itself, in its own words
        try:
            transact(self, transact_items)
        except BaseException:
            undo.back()
            raise

    def update_item(self: DynamoDBBackend, table_name: str, key: dict[str, Any], *args: Any, **options: Any) -> Item:
        undo = _Undo()
        table = self.get_table(table_name)
        shard = table.stream_shard
        length = len(shard.items) if shard else 0
        before = undo.remember(table, *self.get_keys_value(table, key))
        try:
            item = update(self, table_name, key, *args, **options)
            if item.size() > MOST_ITEM_BYTES:
                raise ItemSizeToUpdateTooLarge
        except BaseException:
            undo.back()
            raise
        if before is None and shard and len(shard.items) == length + 2:
            # moto writes a bare item first and then updates it; DynamoDB's stream knows one INSERT.
            whole = shard.items.pop()
            whole.record["dynamodb"]["SequenceNumber"] = shard.items.pop().record["dynamodb"]["SequenceNumber"]
            shard.items.append(whole)
        return item

    def same_table(self: Table, _memo: dict[int, Any]) -> Table:
        return self

    with (
        patch.object(DynamoDBBackend, "transact_write_items", transact_write_items),
        patch.object(DynamoDBBackend, "update_item", update_item),
        patch.object(Table, "__deepcopy__", same_table, create=True),
    ):
        yield


@contextmanager
def _streaming() -> Iterator[None]:
    """A write that changes nothing leaves no stream record."""
    add = StreamShard.add

    def changed(self: StreamShard, old: Item | None, new: Item | None) -> None:
        if old is not None and new is not None and old.to_json() == new.to_json():
            return
        add(self, old, new)

    with patch.object(StreamShard, "add", changed):
        yield


@contextmanager
def _receiving(polls: bool) -> Iterator[None]:
    receive: Callable[..., list[Message]] = SQSBackend.receive_message

    def receive_message(
        self: SQSBackend, queue_name: str, count: int, wait_seconds_timeout: int, *rest: Any, **options: Any
    ) -> list[Message]:
        until = time.monotonic() + (wait_seconds_timeout if polls else 0)
        while True:
            # AWS drops what is too old; moto hides it, and the messages behind it, again and again.
            queue: Any = self.get_queue(queue_name)
            oldest = moto.core.utils.unix_time_millis() - queue.message_retention_period * 1000
            queue._messages = [message for message in queue._messages if message.sent_timestamp > oldest]
            found = receive(self, queue_name, count, 0, *rest, **options)
            if found or time.monotonic() >= until:
                return found
            MOTO_LOCK.release()  # the caller holds it once: let the others work while this one waits
            try:
                time.sleep(_POLL_SECONDS)
            finally:
                MOTO_LOCK.acquire()

    with patch.object(SQSBackend, "receive_message", receive_message):
        yield


@contextmanager
def _counting() -> Iterator[None]:
    """A queue is looked through with one look at the clock. moto takes one or two for each message, and counts them all at each
    send: with thousands waiting that is most of the time there is."""

    def ready(self: Queue) -> list[Message]:
        now = moto.core.utils.unix_time_millis()
        return [message for message in self._messages if message.visible_at <= now and message.delayed_until <= now]

    def delayed(self: Queue) -> int:
        now = moto.core.utils.unix_time_millis()
        return sum(message.delayed_until > now for message in self._messages)

    def in_flight(self: Queue) -> int:
        now = moto.core.utils.unix_time_millis()
        return sum(message.visible_at > now for message in self._messages)

    with (
        patch.object(Queue, "messages", property(ready)),
        patch.object(Queue, "approximate_number_of_messages_delayed", property(delayed)),
        patch.object(Queue, "approximate_number_of_messages_not_visible", property(in_flight)),
    ):
        yield


@contextmanager
def _posting() -> Iterator[None]:
    """SNS posts to HTTP subscribers on a thread of its own: one that calls back would otherwise wait for our lock for ever."""
    import requests

    publish = Subscription.publish

    def post(endpoint: str, data: dict[str, Any]) -> None:
        try:
            requests.post(endpoint, json=data, headers={"Content-Type": "text/plain; charset=UTF-8"}, timeout=_WEBHOOK_SECONDS)
        except requests.RequestException:
            pass  # moto has no redelivery, and a subscriber that is down is no reason to stop

    def apart(self: Subscription, message: str, message_id: str, **options: Any) -> None:
        if self.protocol not in ("http", "https"):
            publish(self, message, message_id, **options)
            return
        matcher = self._filter_policy_matcher
        if matcher is None or matcher.matches(options.get("message_attributes"), message):
            data = self.get_post_data(message, message_id, options.get("subject"))
            threading.Thread(target=post, args=(self.endpoint, data), daemon=True).start()

    with patch.object(Subscription, "publish", apart):
        yield


def note_update(backend: EventBridgeSchedulerBackend, group: str, name: str, action: str | None) -> None:
    """UpdateSchedule replaces everything, the action after completion too; moto keeps the old one."""
    backend.get_schedule(group, name).action_after_completion = action
