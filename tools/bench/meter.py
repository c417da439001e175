"""Measures what handlers do on a stack of the tests' harness: calls to AWS and the networks, their units, and the time outside.

It stands around botocore's one entrance and the transport to the stand-ins. A table write is held under a lock together with
the look at the item before and after it, so that workers in threads are counted rightly too.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, NamedTuple
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from dateline.platforms import registry
from local.template import ACCOUNT
from tests.harness import Dateline
from tools.bench.units import Index, Item, index_units, read_units, size, write_units

NETWORKS = tuple(name for name in registry.names() if name != "sandbox")
LINE_OVERHEAD = 26
"""Bytes CloudWatch adds to each log event: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html"""


class Part(NamedTuple):
    """What one item of a write cost: units on the table and on each index. `bytes` is the larger of before and after."""

    table: str
    units: int
    indexes: Mapping[str, int]
    bytes: int

    @property
    def total(self) -> int:
        """All its write units."""
        return self.units + sum(self.indexes.values())


class Call(NamedTuple):
    """One call of a handler. `service` is a network's name for the networks; `refused` is a failed condition. `items` were read:
    looked at by a query, filtered out or not, or asked for by key."""

    service: str
    operation: str
    table: str
    read: float
    parts: tuple[Part, ...]
    refused: bool
    bytes: int
    items: int = 0

    @property
    def written(self) -> int:
        """Write units."""
        return sum(part.total for part in self.parts)

    @property
    def network(self) -> bool:
        """A call to a social network, not to AWS."""
        return self.service in NETWORKS


@dataclass
class Run:
    """One invocation. Seconds are real; `outside` was spent in AWS and network calls. `logged` is in bytes."""

    function: str
    seconds: float = 0.0
    outside: float = 0.0
    logged: int = 0
    calls: list[Call] = field(default_factory=list)

    @property
    def own(self) -> float:
        """Seconds in our own code."""
        return self.seconds - self.outside

    @property
    def aws(self) -> list[Call]:
        """The calls to AWS."""
        return [call for call in self.calls if not call.network]

    @property
    def network(self) -> list[Call]:
        """The calls to networks."""
        return [call for call in self.calls if call.network]


class Meter:
    """Collects the runs of a stack in `runs`. `before(service, operation, table)` is called before each call, outside
    the lock."""

    def __init__(self, dateline: Dateline, log: io.StringIO) -> None:
        self.dateline, self.stack = dateline, dateline.stack
        self.runs: list[Run] = []
        self.before: Callable[[str, str, str], None] | None = None
        self._log = log
        self._local = threading.local()
        self._lock = threading.RLock()

    def take(self) -> list[Run]:
        """The runs since the last time, and forget them."""
        taken, self.runs = self.runs, []
        return taken

    @contextmanager
    def measuring(self) -> Iterator[Meter]:
        """Installs the meter on a stack that has started."""
        make, handler, request = BaseClient._make_api_call, self.stack.handler, self.dateline.http.request

        def called(client: Any, operation: str, params: dict[str, Any]) -> Any:
            service = client.meta.service_model.service_name
            return self._outside(service, operation, params, lambda asked: make(client, operation, asked))

        def sent(method: str, url: str, **how: Any) -> Any:
            platform = url.split("//", 1)[1].split("/")[1]
            return self._outside(platform, method, {}, lambda _: request(method, url, **how))

        def handled(name: str) -> Callable[[Any, Any], Any]:
            run_it = handler(name)
            return lambda event, context: self._run(name, lambda: run_it(event, context))

        with (
            patch.object(BaseClient, "_make_api_call", called), patch.object(self.stack, "handler", handled),
            patch.object(self.dateline.http, "request", sent),
        ):
            yield self

    def _run(self, name: str, work: Callable[[], Any]) -> Any:
        run = self._local.run = Run(name)
        log_start, start = self._log.tell(), perf_counter()
        try:
            return work()
        finally:
            run.seconds = perf_counter() - start
            written = self._log.getvalue()[log_start:]
            run.logged = len(written.encode()) + LINE_OVERHEAD * written.count("\n")
            self._local.run = None
            self.runs.append(run)

    def _outside(self, service: str, operation: str, params: Mapping[str, Any], work: Callable[[Any], Any]) -> Any:
        run: Run | None = getattr(self._local, "run", None)
        if run is None:
            return work(params)
        start = perf_counter()
        try:
            if self.before is not None:
                self.before(service, operation, short(str(params.get("TableName", ""))))
            if service != "dynamodb":
                answer = work(params)
                run.calls.append(Call(service, operation, "", 0.0, (), False, _length(params)))
                return answer
            with self._lock:
                return self._table_call(run, operation, params, work)
        finally:
            run.outside += perf_counter() - start

    # DynamoDB

    def _table_call(self, run: Run, operation: str, params: Mapping[str, Any], work: Callable[[Any], Any]) -> Any:
        wanted = [(name, key, put) for name, key, put in _written(operation, params)]
        before = [self._item(name, key) for name, key, _ in wanted]
        refused = False
        answer: Any = {}
        try:
            answer = work(params)
            return answer
        except ClientError as error:
            refused = error.response["Error"]["Code"] in ("ConditionalCheckFailedException", "TransactionCanceledException")
            raise
        finally:
            transaction = operation.startswith("Transact")
            parts = tuple(
                self._part(name, old, put if refused else self._item(name, key), transaction, refused)
                for (name, key, put), old in zip(wanted, before, strict=True)
            )
            read, items, table = self._read(operation, params, answer, work)
            run.calls.append(Call("dynamodb", operation, parts[0].table if parts else table, read, parts, refused, 0, items))

    def _part(self, name: str, old: Item | None, new: Item | None, transaction: bool, refused: bool) -> Part:
        table = self._table(name)
        keys = [key for key in (table.hash_key_attr, table.range_key_attr) if key]
        indexes = {index.name: 0 if refused else index_units(index, keys, old, new) for index in _indexes(table)}
        largest = max((size(item) for item in (old, new) if item), default=0)
        return Part(short(name), write_units(old, new, transaction=transaction), indexes, largest)

    def _read(
        self, operation: str, params: Mapping[str, Any], answer: Mapping[str, Any], work: Callable[[Any], Any]
    ) -> tuple[float, int, str]:
        """Read units, items and the table of a call."""
        if operation == "GetItem":
            found = [size(answer["Item"])] if answer.get("Item") else []
            return read_units(found, consistent=bool(params.get("ConsistentRead"))), 1, short(params["TableName"])
        if operation == "BatchGetItem":
            units, items, names = 0.0, 0, []
            for name, wanted in params["RequestItems"].items():
                sizes = [size(item) for item in answer.get("Responses", {}).get(name, [])]
                sizes += [0] * (len(wanted["Keys"]) - len(sizes))
                units += read_units(sizes, consistent=bool(wanted.get("ConsistentRead")))
                items += len(sizes)
                names.append(short(name))
            return units, items, "+".join(names)
        if operation == "Query":
            # What a filter leaves out was read too, and its size is not in the answer.
            whole = work(_unfiltered(params)) if "FilterExpression" in params else answer
            sizes = [size(item) for item in whole.get("Items", [])]
            units = read_units(sizes, consistent=bool(params.get("ConsistentRead")), together=True)
            return units, len(sizes), short(params["TableName"])
        return 0.0, 0, short(str(params.get("TableName", "")))

    def _table(self, name: str) -> Any:
        return dynamodb_backends[ACCOUNT][self.stack.region].tables[name]

    def _item(self, name: str, key: Item) -> Item | None:
        table = self._table(name)
        values = [DynamoType(dict(key[attr])) for attr in (table.hash_key_attr, table.range_key_attr) if attr]
        found = table.get_item(*values)
        return None if found is None else {attr: value.to_json() for attr, value in found.attrs.items()}


def short(name: str) -> str:
    """A table's name as the code calls it: `dateline-local-PostsTable` is posts."""
    return name.rpartition("-")[2].removesuffix("Table").lower()


def _indexes(table: Any) -> list[Index]:
    return [
        Index(
            index.name, tuple(key["AttributeName"] for key in index.schema),
            None if index.projection["ProjectionType"] == "ALL" else frozenset(index.projection.get("NonKeyAttributes") or ()),
        )
        for index in table.global_indexes
    ]


def _unfiltered(params: Mapping[str, Any]) -> dict[str, Any]:
    """The same query without its filter, and without the names and values that only the filter used."""
    plain = {name: value for name, value in params.items() if name != "FilterExpression"}
    used = set(re.findall(r"[#:][A-Za-z0-9_]+", " ".join(str(plain.get(name, "")) for name in _EXPRESSIONS)))
    for kind in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        if kind in plain:
            plain[kind] = {name: value for name, value in plain[kind].items() if name in used}
    return plain


_EXPRESSIONS = ("KeyConditionExpression", "ProjectionExpression")


def _written(operation: str, params: Mapping[str, Any]) -> list[tuple[str, Item, Item | None]]:
    """(table, key or whole item, the item a put would write) of each item a call writes."""
    if operation == "PutItem":
        return [(params["TableName"], params["Item"], params["Item"])]
    if operation in ("UpdateItem", "DeleteItem"):
        return [(params["TableName"], params["Key"], None)]
    if operation == "TransactWriteItems":
        steps = [step for entry in params["TransactItems"] for step in entry.values()]
        return [(step["TableName"], step.get("Item") or step["Key"], step.get("Item")) for step in steps]
    return []


def _length(params: Mapping[str, Any]) -> int:
    """Bytes of the messages in a call to a queue or a topic."""
    entries = params.get("Entries") or params.get("PublishBatchRequestEntries") or ()
    return sum(len(str(entry.get("MessageBody") or entry.get("Message") or "").encode()) for entry in entries)
