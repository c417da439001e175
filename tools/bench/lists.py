"""What a page of a list reads, in workspaces of three sizes: calls to AWS, items and read units, first page and middle.

Filters are common (on every second post or so) or rare (on twenty posts, however many there are).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from dateline.store.listing import encode_cursor
from local.seed import WORKSPACE
from tests.harness import Dateline
from tools.bench.cost import TEXT
from tools.bench.crowd import Crowd, Kind
from tools.bench.meter import Meter

SIZES = (100, 10_000, 100_000)
LIMIT = 50
"""Posts a page, as it is when a client does not say."""
RARE = 20
APART = timedelta(minutes=10)

PLATFORM = {"prof_mastodon": "mastodon", "prof_bluesky": "bluesky", "prof_x": "x", "prof_telegram": "telegram"}


class Pages(NamedTuple):
    """What one page read, and how many posts stand on it."""

    calls: int
    items: int
    units: float
    posts: int


class Measured(NamedTuple):
    """One list: its first page and one from the middle, by the size of the workspace."""

    name: str
    first: tuple[Pages, ...]
    middle: tuple[Pages, ...]

    @property
    def grows(self) -> bool:
        """Whether a page of the largest workspace reads more than one of the next smaller (half as much again is chance)."""
        return any(pages[-1].units > 1.5 * pages[-2].units for pages in (self.first, self.middle) if len(pages) > 1)


class Case(NamedTuple):
    """A filter, and which posts it is meant to find."""

    name: str
    query: Mapping[str, Any]
    finds: Callable[[Kind], bool]


def _has(*profiles: str) -> Callable[[Kind], bool]:
    return lambda kind: any(profile_id in profiles for profile_id, _ in kind.targets)


CASES = (
    Case("no filter", {}, lambda _: True),
    Case("from and to, a tenth of the time", {"span": True}, lambda _: True),
    Case("status, common", {"status": "published"}, lambda k: k.status == "published"),
    Case("status, rare", {"status": "cancelled"}, lambda k: k.status == "cancelled"),
    Case("three statuses", {"status": "published,scheduled,failed"}, lambda k: k.status in ("published", "scheduled", "failed")),
    Case("profile, common", {"profileId": "prof_mastodon"}, _has("prof_mastodon")),
    Case("profile, rare", {"profileId": "prof_telegram"}, _has("prof_telegram")),
    Case("label, common", {"label": "newsletter"}, lambda k: "newsletter" in k.labels),
    Case("label, rare", {"label": "launch"}, lambda k: "launch" in k.labels),
    Case("platform, common", {"platform": "mastodon"}, _has("prof_mastodon")),
    Case("platform, rare", {"platform": "telegram"}, _has("prof_telegram")),
    Case(
        "label and status, both common", {"label": "newsletter", "status": "published"},
        lambda k: "newsletter" in k.labels and k.status == "published",
    ),
    Case(
        "label common, status rare", {"label": "newsletter", "status": "cancelled"},
        lambda k: "newsletter" in k.labels and k.status == "cancelled",
    ),
    Case(
        "label rare, status common", {"label": "launch", "status": "published"},
        lambda k: "launch" in k.labels and k.status == "published",
    ),
    Case(
        "profile common, status less so", {"profileId": "prof_mastodon", "status": "failed"},
        lambda k: _has("prof_mastodon")(k) and k.status == "failed",
    ),
    Case(
        "platform rare, status common", {"platform": "telegram", "status": "published"},
        lambda k: _has("prof_telegram")(k) and k.status == "published",
    ),
    Case("label and profile, both common, never together", {"label": "newsletter", "profileId": "prof_x"}, lambda _: False),
)


def kind_of(number: int, count: int) -> Kind:
    """The kinds of a workspace of `count` posts: `RARE` of them have the rare label, the rare profile, the rare status."""
    step = count // RARE
    common = number % 2 == 1
    profiles = ["prof_mastodon"] if number % 3 else ["prof_bluesky"]
    if number % 2 == 0:
        profiles.append("prof_x")
    if number % step == step // 3:
        profiles.append("prof_telegram")
    labels = (["newsletter"] if common else []) + (["launch"] if number % step == step // 2 else [])
    rest = (number * 2654435761 >> 8) % 100  # spread, and the same on every run
    status = "draft" if rest < 2 else "scheduled" if rest < 8 else "failed" if rest < 12 else "published"
    if number % step == step - 1:
        status = "cancelled"
    return Kind(status, tuple((profile_id, PLATFORM[profile_id]) for profile_id in profiles), tuple(labels))


def measure(dateline: Dateline, meter: Meter, sizes: tuple[int, ...] = SIZES) -> list[Measured]:
    """Every case at every size."""
    crowd = Crowd(dateline, WORKSPACE, TEXT)
    dateline.api("GET", "/v1/posts/post_none")
    found: dict[str, list[tuple[Pages, Pages]]] = {case.name: [] for case in CASES}
    for size in sizes:
        crowd.fill(size, dateline.clock.now() - size // 2 * APART, APART, partial(kind_of, count=size))
        with crowd.quick():
            for case in CASES:
                first, middle = _pages(dateline, meter, crowd, case)
                found[case.name].append((first, middle))
    return [Measured(name, tuple(p[0] for p in pages), tuple(p[1] for p in pages)) for name, pages in found.items()]


def _pages(dateline: Dateline, meter: Meter, crowd: Crowd, case: Case) -> Iterator[Pages]:
    query = {name: value for name, value in case.query.items() if name != "span"}
    slots = crowd.slots
    if "span" in case.query:
        slots = slots[len(slots) * 45 // 100 : len(slots) * 55 // 100]
        query |= {"from": slots[0][0].partition("#")[0], "to": slots[-1][0].partition("#")[0]}
    matching = [slot for slot, kind in slots if case.finds(kind)] or [slot for slot, _ in slots]
    sort_at, _, post_id = matching[len(matching) // 2].partition("#")
    for more in ({}, {"cursor": encode_cursor(post_id, sort_at)}):
        meter.take()
        answer = dateline.api("GET", f"/v1/posts?{urlencode({**query, **more, 'limit': LIMIT})}")
        if answer.status != 200:
            raise RuntimeError(f"{case.name}: {answer.body!r}")
        (run,) = meter.take()
        calls = run.aws
        yield Pages(len(calls), sum(c.items for c in calls), sum(c.read for c in calls), len(answer.json()["data"]))
