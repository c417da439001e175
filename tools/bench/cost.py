"""What a scheduled post with three targets costs on AWS, from its create to the audit a quarter of an hour after it is out.

The requests are counted on the stack; what a machine here cannot know (how long a network takes, how fast a Lambda computes)
is assumed, in the names below. Two courses are measured. At least: the three deliveries one after the other, tokens valid and
remembered. At most: in step, each writing the post while the others hold an older version, tokens lapsed, nothing remembered.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from tests.harness import Dateline
from tools.bench.meter import NETWORKS, Call, Meter, Run
from tools.bench.operations import THREE

PRICES: dict[str, float] = {
    "DynamoDB writes": 0.625, "DynamoDB reads": 0.125, "Lambda requests": 0.20, "SQS": 0.40, "SNS": 0.50, "Scheduler": 1.00,
    "KMS": 3.00, "HTTP API": 1.00,
}
"""US dollars a million, us-east-1, on demand, first tier, no free tier. Sources and date: docs/bench.md."""

GB_SECOND = 0.0000133334
"""arm64."""
LOG_GB = 0.50

CPU_MEMORY = 1769
"""MB at which a Lambda has one whole processor: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
AWS_CALL = 0.015
"""Seconds assumed for one call to AWS, botocore's own work on a part of a processor included."""
NETWORK_CALL = 0.4
"""Seconds assumed for one call to a social network."""
LOG_OF_INVOCATION = 700
"""Bytes the Lambda service itself logs for each invocation (start and report, JSON), assumed."""
ACCESS_LINE = 300
"""Bytes of a line of the API's access log, assumed."""
CHUNK = 64 * 1024
"""SQS and SNS bill a request for each so many bytes."""

AUDIT = timedelta(minutes=16)
TEXT = (
    "The museum opens its new wing on Saturday: forty rooms of glass, maps and letters from three centuries, free until noon. "
    "Bring children; the courtyard has chalk, kites and a very patient dog called Bo"
)
"""200 characters as people write them: a body is stored compressed, and repeated words would flatter it."""


class Bill(NamedTuple):
    """Per post: `requests` by price, GB-seconds, log bytes, and the write and read units by kind of write."""

    requests: Mapping[str, float]
    gb_seconds: float
    logged: float
    writes: Mapping[str, int]
    write_calls: Mapping[str, int]
    reads: Mapping[str, float]
    sizes: tuple[int, ...]

    def dollars(self) -> dict[str, float]:
        """US dollars per million posts, by service."""
        out = {name: self.requests.get(name, 0.0) * price for name, price in PRICES.items()}
        out["Lambda GB-seconds"] = self.gb_seconds * GB_SECOND * 1e6
        out["CloudWatch Logs"] = self.logged / 1e9 * LOG_GB * 1e6
        return out


def billed_seconds(run: Run, memory: int) -> float:
    """How long the invocation would take on Lambda, as assumed. Workers in step waited for each other: that is `outside`."""
    return run.own * CPU_MEMORY / min(memory, CPU_MEMORY) + AWS_CALL * len(run.aws) + NETWORK_CALL * len(run.network)


def bill(runs: Iterable[Run], memory: Mapping[str, int]) -> Bill:
    """Add up the runs of one post."""
    requests: defaultdict[str, float] = defaultdict(float)
    writes: Counter[str] = Counter()
    write_calls: Counter[str] = Counter()
    reads: defaultdict[str, float] = defaultdict(float)
    gb_seconds = logged = 0.0
    sizes: list[int] = []
    for run in runs:
        # A sweep looks at whatever is due in one invocation and its four queries; those are standing costs.
        calls = [call for call in run.calls if run.function != "sweep" or call.operation != "Query"]
        if run.function != "sweep":
            requests["Lambda requests"] += 1
            logged += LOG_OF_INVOCATION + run.logged
        if run.function == "api":
            requests["HTTP API"] += 1
            logged += ACCESS_LINE
        if run.function == "publish":
            requests["Scheduler"] += 1
        if run.function == "deliver":
            requests["SQS"] += 2  # received and deleted
        gb_seconds += billed_seconds(run, memory[run.function]) * memory[run.function] / 1024
        claimed = False  # its own target: the first write of the post that is not refused
        for call in calls:
            _count_request(requests, call)
            for part in call.parts:
                kind = _kind(run.function, part.table, refused=call.refused, claimed=claimed)
                writes[kind] += part.total
                write_calls[kind] += 1
                if part.table == "posts" and not call.refused:
                    sizes.append(part.bytes)
                claimed = claimed or (part.table == "posts" and not call.refused)
            if call.read:
                reads[f"{run.function}: {call.table}"] += call.read
    requests["DynamoDB writes"] = sum(writes.values())
    requests["DynamoDB reads"] = sum(reads.values())
    return Bill(requests, gb_seconds, logged, writes, write_calls, reads, tuple(sizes))


def _count_request(requests: defaultdict[str, float], call: Call) -> None:
    name = {"sqs": "SQS", "sns": "SNS", "kms": "KMS"}.get(call.service)
    if name:
        requests[name] += max(1, math.ceil(call.bytes / CHUNK))


def _kind(function: str, table: str, *, refused: bool, claimed: bool) -> str:
    if table in ("bookings", "idempotency"):
        return table
    if table == "profiles":
        return "token refresh"
    if refused:
        return "refused, written again"
    if function == "deliver":
        return "outcome" if claimed else "claim"
    return {"publish": "queued", "notify": "feed", "sweep": "audit", "api": "create"}[function]


def measure(dateline: Dateline, meter: Meter, *, at_most: bool) -> Bill:
    """One post from its create to its audit, on a stack that has nothing else to do."""
    if not at_most:
        _post(dateline, meter, timedelta(minutes=5), 0, in_step=False)
    runs = _post(dateline, meter, timedelta(hours=3) if at_most else timedelta(minutes=5), 1, in_step=at_most)
    return bill(runs, {name: function.memory for name, function in dateline.stack.functions.items()})


def _post(dateline: Dateline, meter: Meter, ahead: timedelta, number: int, *, in_step: bool) -> list[Run]:
    stack, clock = dateline.stack, dateline.clock
    dateline.api("GET", "/v1/posts/post_none")
    meter.take()
    at = (clock.now() + ahead).replace(microsecond=0)
    post = dateline.post(*THREE, text=TEXT[:-1] + str(number), at=at)
    stack.pump_stream()
    entry = stack.schedules()[-1]
    clock.advance(entry.at - clock.now())
    stack.fire(entry)
    batches = [[message] for message in stack.receive("deliveries")]
    if in_step:
        _together(meter, [partial(stack.deliver, batch) for batch in batches])
    else:
        for batch in batches[:-1]:
            stack.deliver(batch)
        stack.pump_stream()
        stack.deliver(batches[-1])
    stack.pump_stream()
    clock.advance(AUDIT)
    stack.sweep()
    runs = meter.take()
    if (status := dateline.read(post["id"])["status"]) != "published":
        raise RuntimeError(f"the measured post is {status}")
    return runs


def _together(meter: Meter, workers: Sequence[Callable[[], object]]) -> None:
    """Run workers in threads that wait for each other before the first claim and before the first network call."""
    barriers = {"claim": threading.Barrier(len(workers), timeout=30), "call": threading.Barrier(len(workers), timeout=30)}
    passed = threading.local()

    def before(service: str, operation: str, table: str) -> None:
        claiming = table == "posts" and operation == "PutItem"
        # A token is refreshed before the claim: only calls after it count.
        point = "claim" if claiming else "call" if service in NETWORKS and hasattr(passed, "claim") else None
        if point and not hasattr(passed, point):
            setattr(passed, point, True)
            barriers[point].wait()

    meter.before = before
    threads = [threading.Thread(target=worker) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.before = None
