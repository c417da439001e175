"""What each operation calls, in order, and how long our own code takes in it. Keys and tokens are warm unless it says otherwise.

Every operation is set up and run several times on one stack; the calls are those of the last run, the time is the median.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import count
from statistics import median
from typing import Any, NamedTuple

from dateline import wiring
from dateline.platforms import registry
from local.seed import profile_of
from tests.harness import NETWORKS_URL, Dateline
from tools.bench.meter import NETWORKS, Meter, Run

AT_ONCE = ("mastodon", "bluesky", "x", "telegram", "linkedin", "facebook", "reddit", "google_business")
"""Networks that take a text in one call. (Threads makes a container first, and comes back for it.)"""

TIMES = 7
TARGETS = (1, 10, 25)
SOON = timedelta(minutes=5)
"""Far enough ahead for a schedule entry, near enough for a token of two hours to last."""

THREE = ("prof_mastodon", "prof_bluesky", "prof_x")

Act = Callable[[], Any]


class Measured(NamedTuple):
    """One operation. `calls` names the AWS calls; `own` is the median in seconds; units are DynamoDB's, of all calls together."""

    name: str
    calls: Counter[str]
    network: int
    own: float
    read: float
    written: int
    most: int | None


def measure(dateline: Dateline, meter: Meter) -> list[Measured]:
    """All operations, in the order they are shown."""
    return [_measure(meter, *operation) for operation in _operations(dateline)]


def _measure(meter: Meter, name: str, most: int | None, prepare: Callable[[], Act]) -> Measured:
    own: list[float] = []
    runs: list[Run] = []
    for _ in range(TIMES):
        act = prepare()
        meter.take()
        act()
        runs = meter.take()
        if not runs:
            raise RuntimeError(f"{name}: no handler ran")
        own.append(sum(run.own for run in runs))
    calls = [call for run in runs for call in run.aws]
    return Measured(
        name, Counter(call.operation for call in calls), sum(len(run.network) for run in runs), median(own),
        sum(call.read for call in calls), sum(call.written for call in calls), most,
    )


def _operations(dateline: Dateline) -> Iterator[tuple[str, int | None, Callable[[], Act]]]:
    """(name, the most AWS calls it may make, a function that sets up one run and returns the run)."""
    stack, clock, texts = dateline.stack, dateline.clock, count()

    def text() -> str:
        return f"Post {next(texts)} " + "of the bench, with words enough to be usual. " * 4

    def warm() -> None:
        dateline.api("GET", "/v1/posts/post_none")

    def scheduled(*profiles: str, ahead: timedelta = SOON) -> str:
        post = dateline.post(*(profiles or THREE), text=text(), at=clock.now() + ahead)
        return str(post["id"])

    def request(method: str, path: str, body: Any = None) -> Act:
        warm()

        def act() -> None:
            answer = dateline.api(method, path, body)
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {answer.body!r}")

        return act

    def create(**when: Any) -> Act:
        return request("POST", "/v1/posts", {"text": text(), "profileIds": list(THREE), **when})

    def in_hours(hours: int) -> str:
        return f"{clock.now() + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"

    yield "create, scheduled, 3 targets", 3, lambda: create(scheduledFor=in_hours(3))
    yield "create, scheduled, 3 targets, 2 labels", 3, lambda: create(scheduledFor=in_hours(3), labels=["launch", "spring"])
    yield "create, draft, 3 targets", None, create
    yield "create, publish now, 3 targets", None, lambda: create(publishNow=True)
    yield "read one post", 1, lambda: request("GET", f"/v1/posts/{scheduled()}")
    yield "list, first page", 1, lambda: request("GET", "/v1/posts?limit=25")
    yield "list by status, first page", None, lambda: request("GET", "/v1/posts?status=scheduled&limit=25")
    yield "reschedule", 3, lambda: request("PATCH", f"/v1/posts/{scheduled()}", {"scheduledFor": in_hours(5)})
    yield "edit the text", None, lambda: request("PATCH", f"/v1/posts/{scheduled()}", {"text": text()})
    yield "cancel", 3, lambda: request("DELETE", f"/v1/posts/{scheduled()}")

    many = [f"prof_bench{number}" for number in range(max(TARGETS))]
    for profile_id in many:
        profile_of(dateline.deps, dateline.world, NETWORKS_URL, "wks_local", "mastodon", profile_id)

    def due(*profiles: str, ahead: timedelta = SOON) -> Act:
        drain()
        scheduled(*profiles, ahead=ahead)
        entry = stack.schedules()[-1]
        clock.advance(entry.at - clock.now())
        return lambda: stack.fire(entry)

    def drain() -> None:
        """Nothing of an earlier run may be left: entries, messages, stream records."""
        for entry in stack.schedules():
            stack.request("DELETE", f"/v1/posts/{entry.name.rpartition('.')[0]}", {"authorization": "Bearer dl_live_local"})
        stack.settle(timers=False)

    for targets in TARGETS:
        yield f"publish, {targets} target{'s' * (targets > 1)}", 1 + math.ceil(targets / 10), partial(due, *many[:targets])

    def delivery(platform: str, *, forget: bool = False, ahead: timedelta = SOON) -> Act:
        due(f"prof_{platform}", ahead=ahead)()
        if forget:
            wiring.deps().secrets._opened.clear()
        (message,) = stack.receive("deliveries")
        return lambda: stack.deliver([message])

    yield "deliver, mastodon, token not remembered", 5, lambda: delivery("mastodon", forget=True)
    yield "deliver, x, token lapsed", None, lambda: delivery("x", ahead=timedelta(hours=3))
    for platform in NETWORKS:
        if not registry.rules(platform).min_media:  # a text, so that the figures can be compared
            yield f"deliver, {platform}", 5 if platform in AT_ONCE else None, partial(delivery, platform)

    def announced(posts: int) -> Act:
        drain()
        for _ in range(posts):
            scheduled()
        return stack.pump_stream

    yield "notify, 1 write", None, lambda: announced(1)
    yield "notify, a batch of 10 posts", None, lambda: announced(10)

    def idle() -> Act:
        drain()
        clock.advance(timedelta(hours=1))
        stack.settle()
        return stack.sweep

    def overdue() -> Act:
        idle()
        scheduled()
        entry = stack.schedules()[-1]
        post_id, _, counter = entry.name.rpartition(".")
        dateline.deps.schedules.delete(post_id, int(counter))
        clock.advance(SOON + timedelta(minutes=1))
        return stack.sweep

    yield "sweep, nothing due", None, idle
    yield "sweep, one overdue post", None, overdue
