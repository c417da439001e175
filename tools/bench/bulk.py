"""What a bulk request calls, how much of it one after the other, and how long that might take on Lambda. Its undo as well.

The rows are texts for three profiles, a day ahead and some minutes apart. What the code does side by side is done one by one
here, so that its own time can be told from waiting; how many would be under way at once is noted where it is asked for.
"""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from time import perf_counter
from typing import Any, NamedTuple
from unittest.mock import patch

from botocore.client import BaseClient
from moto.core.models import botocore_stubber

from dateline.usecases import bulk, bulk_plan, side_by_side
from local.seed import LIVE_KEY, WORKSPACE
from tests.harness import Dateline
from tools.bench.cost import AWS_CALL, CPU_MEMORY
from tools.bench.meter import Meter
from tools.bench.operations import THREE

SIZES = (10, 100, 500)
MANY = 100_000
PLAN = {
    "pendingTargets": {"limit": MANY, "scope": "workspace"}, "scheduledTargetsPerMonth": {"limit": MANY, "scope": "profile"},
    "minSpacingMinutes": 5,
}
TEXT = "Number {number} of the bench, with words enough to be usual: forty rooms of glass, maps and letters from three centuries."


class Carried(NamedTuple):
    """One request. Seconds are this machine's: `own` is our code's, `botocore` that of the library around the calls. `side`
    counts the calls that may be under way together, by how many at most; the others come one after the other."""

    name: str
    rows: int
    calls: Counter[str]
    side: Counter[int]
    own: float
    botocore: float
    written: int
    memory: int

    @property
    def sequential(self) -> int:
        """Calls that wait for one another."""
        return sum(self.calls.values()) - sum(self.side.values())

    def waiting(self) -> float:
        """Seconds of waiting for AWS, as assumed for one call."""
        return AWS_CALL * (self.sequential + sum(math.ceil(number / most) for most, number in self.side.items()))

    def deployed(self) -> tuple[float, float]:
        """Seconds on Lambda, estimated: with our code's time alone, and with botocore's as well, where threads share a part of a
        processor and no time can be won."""
        slower = CPU_MEMORY / min(self.memory, CPU_MEMORY)
        return self.own * slower + self.waiting(), (self.own + self.botocore) * slower + self.waiting()


class _Clock:
    """Seconds in botocore, moto's part taken off."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around botocore's one entrance and moto's; to be entered before a stack starts."""
        make, process = BaseClient._make_api_call, botocore_stubber.process_request

        def called(client: Any, operation: str, params: dict[str, Any]) -> Any:
            start = perf_counter()
            try:
                return make(client, operation, params)
            finally:
                self.seconds += perf_counter() - start

        def processed(request: Any) -> Any:
            start = perf_counter()
            try:
                return process(request)
            finally:
                self.seconds -= perf_counter() - start

        with patch.object(BaseClient, "_make_api_call", called), patch.object(botocore_stubber, "process_request", processed):
            yield


def measure(running: Callable[[], Dateline], log: io.StringIO, sizes: Sequence[int] = SIZES) -> list[Carried]:
    """Every size without and with a plan, then the undo of each."""
    found: list[Carried] = []
    for plan in (None, PLAN):
        clock = _Clock()
        with clock.running(), running() as dateline:
            dateline.deps.workspaces.save_settings(WORKSPACE, {"name": "Local workspace", "plan": plan})
            meter = Meter(dateline, log)
            with meter.measuring(), _one_by_one(meter) as side:
                _import(dateline, -1, 3)  # what is loaded late
                for number, size in enumerate(sizes):
                    kind = " with a plan and 5 minutes' spacing" if plan else ""
                    body, made = _rows(dateline, number, size), dict[str, Any]()

                    def create(body: str = body, made: dict[str, Any] = made, dateline: Dateline = dateline) -> None:
                        made.update(_sent(dateline, body))

                    def undo(made: dict[str, Any] = made, dateline: Dateline = dateline) -> None:
                        _undone(dateline, made["id"])

                    for name, act in ((f"import {size} rows{kind}", create), (f"undo {size} rows{kind}", undo)):
                        found.append(_carried(meter, clock, side, name, size, act))
    return sorted(found, key=lambda one: one.name.startswith("undo"))


def _carried(
    meter: Meter, clock: _Clock, side: Counter[int], name: str, rows: int, act: Callable[[], None]
) -> Carried:
    meter.dateline.api("GET", "/v1/posts/post_none")  # the key is remembered
    meter.take()
    side.clear()
    before = clock.seconds
    act()
    (run,) = meter.take()
    calls = Counter(call.operation for call in run.aws)
    memory = meter.stack.functions["api"].memory
    written = sum(call.written for call in run.aws)
    return Carried(name, rows, calls, Counter(side), run.own, clock.seconds - before, written, memory)


def _rows(dateline: Dateline, number: int, size: int) -> str:
    """The rows as JSON: three profiles each, five minutes apart, beginning a day or more ahead."""
    start = dateline.clock.now() + timedelta(days=1 + 3 * (number + 1))
    return json.dumps([
        {"text": TEXT.format(number=f"{number}.{n}"), "profileIds": list(THREE),
         "scheduledFor": f"{start + timedelta(minutes=5 * n):%Y-%m-%dT%H:%M:%SZ}"} for n in range(size)
    ])


def _import(dateline: Dateline, number: int, size: int) -> None:
    _undone(dateline, _sent(dateline, _rows(dateline, number, size))["id"])


def _sent(dateline: Dateline, body: str) -> dict[str, Any]:
    answer = dateline.api("POST", "/v1/posts/bulk", body, key=LIVE_KEY)
    if answer.status not in (201, 202):
        raise RuntimeError(f"bulk: {answer.status} {answer.body[:500]!r}")
    made: dict[str, Any] = answer.json()
    return made


def _undone(dateline: Dateline, bulk_id: str) -> None:
    answer = dateline.api("DELETE", f"/v1/bulk/{bulk_id}")
    if answer.status != 200:
        raise RuntimeError(f"undo: {answer.status} {answer.body[:500]!r}")


_most: ContextVar[int] = ContextVar("most", default=1)


@contextmanager
def _one_by_one(meter: Meter) -> Iterator[Counter[int]]:
    """What may be done side by side is done one by one; its calls are counted, by how many could be under way."""
    side: Counter[int] = Counter()

    def each(items: Sequence[Any], work: Callable[[Any], object], most: int, may_go_on: Callable[[], bool]) -> int:
        token = _most.set(most)
        try:
            return side_by_side.each(items, work, 1, may_go_on)
        finally:
            _most.reset(token)

    def count(_service: str, _operation: str, _table: str) -> None:
        if (most := _most.get()) > 1:
            side[most] += 1

    meter.before = count
    with patch.object(bulk, "each", each), patch.object(bulk_plan, "each", each):
        yield side
    meter.before = None
