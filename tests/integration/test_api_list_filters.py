"""Lists against a plain reading of the same filters, whatever index they come from, and what their pages read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dateline.store import listing
from dateline.store.bookings import bookings_of
from dateline.store.listing import decode_cursor, encode_cursor
from dateline.store.posts import from_row
from dateline.store.tables import BookingRow, PostRow
from local.seed import WORKSPACE, profile_of
from tests.api_checks import refused
from tests.harness import NETWORKS_URL, START, Dateline
from tests.integration.lists import reading, walk

COUNT = 64
LONG = "日" * 64
LABELS = ("launch", "spring", LONG, "a#b", f"label#{WORKSPACE}#launch", "once")
PROFILES = ("prof_mastodon", "prof_second", "prof_x", "prof_telegram", "prof_bluesky", "prof_gone")
PLATFORM = {
    "prof_mastodon": "mastodon", "prof_second": "mastodon", "prof_x": "x", "prof_telegram": "telegram", "prof_bluesky": "bluesky",
    "prof_gone": "bluesky",
}
TINY = {"LOOK": 7, "MOST_LOOKS": 2, "FEW_KEYS": 4, "MOST_KEYS": 9, "FEW_POSTS": 2, "MOST_POSTS": 6, "MOST_PROFILES": 25}
"""Bounds so small that sixty posts reach them."""


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    """64 posts of all kinds, many at one moment; one profile was deleted since, and some posts came too late and are drafts."""
    with Dateline() as running:
        for platform, profile_id in (("mastodon", "prof_second"), ("bluesky", "prof_gone")):
            profile_of(running.deps, running.world, NETWORKS_URL, WORKSPACE, platform, profile_id)
        draw = random.Random(20261121)
        later = []
        for number in range(COUNT):
            labels = [label for label in LABELS[:-1] if draw.random() < (0.6 if label == "launch" else 0.15)]
            more: dict[str, Any] = {"labels": [*labels, "once"] if number == 40 else labels, "text": f"Post {number}"}
            profiles = draw.sample(PROFILES, draw.choice((1, 1, 2, 3)))
            kind = draw.choice(("draft", "scheduled", "scheduled", "cancelled", "out", "out", "failed", "late"))
            if kind == "draft":
                running.post(*draw.sample(profiles, 1), **more)
            elif kind in ("scheduled", "cancelled"):
                post = running.post(*profiles, at=START + timedelta(days=20, hours=draw.randrange(6)), **more)
                if kind == "cancelled":
                    later.append(post["id"])
            elif kind == "late":
                more |= {"maxLateness": "PT1M", "onLate": "draft"}
                running.post(*profiles, at=START + timedelta(hours=2 + draw.randrange(2)), **more)
            else:
                if kind == "failed":
                    running.world.add_fault(PLATFORM[profiles[0]], "reject")
                running.post(*profiles, at=START + timedelta(minutes=20 + draw.randrange(3)), **more)
                running.stack.settle(timers=False)
        for post_id in later:
            assert running.api("DELETE", f"/v1/posts/{post_id}").status == 200
        running.stack.run_for(timedelta(minutes=45))
        running.clock.advance(timedelta(hours=3))
        running.stack.run_for(timedelta(minutes=3))
        assert running.api("DELETE", "/v1/profiles/prof_gone?cancelPending=true").status == 204
        statuses = {post["status"] for post in walk(running, 100)}
        assert statuses >= {"draft", "scheduled", "published", "failed", "cancelled"}
        yield running


@pytest.fixture(scope="module")
def everything(dateline: Dateline) -> list[dict[str, Any]]:
    """Every post, without any list. Nothing here changes one."""
    return [dateline.read(row.id) for row in PostRow.scan() if row.ws == WORKSPACE]


def place(post: Mapping[str, Any]) -> tuple[datetime, str]:
    """Where a post stands: publish time or creation, then id."""
    return datetime.fromisoformat(post["publishAt"] or post["createdAt"]), post["id"]


def passes(post: Mapping[str, Any], filters: Mapping[str, Any]) -> bool:
    """The filters, read plainly."""
    targets, at = post["targets"], place(post)[0]
    return (
        post["status"] in filters.get("status", [post["status"]])
        and ("platform" not in filters or any(t["platform"] == filters["platform"] for t in targets))
        and ("profileId" not in filters or any(t["profileId"] == filters["profileId"] for t in targets))
        and ("label" not in filters or filters["label"] in post["labels"])
        and ("from" not in filters or at >= datetime.fromisoformat(filters["from"]))
        and ("to" not in filters or at < datetime.fromisoformat(filters["to"]))
    )


STATUSES = ("draft", "scheduled", "published", "partial", "failed", "cancelled")
MOMENTS = [f"{START + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (0, 0.35, 3, 482, 483)]


@st.composite
def filters(draw: st.DrawFn) -> dict[str, Any]:
    """Any combination, more often of few filters than of many."""
    chosen: dict[str, Any] = {}
    for name, values in (
        ("label", st.sampled_from((*LABELS, "nobody's"))), ("profileId", st.sampled_from((*PROFILES, "prof_nobody"))),
        ("status", st.lists(st.sampled_from(STATUSES), min_size=1, max_size=4, unique=True)),
        ("platform", st.sampled_from(("mastodon", "x", "telegram", "bluesky"))),
    ):
        if draw(st.sampled_from((True, False, False))):
            chosen[name] = draw(values)
    span = sorted(draw(st.lists(st.sampled_from(MOMENTS), max_size=2, unique=True)))
    if span and draw(st.booleans()):
        chosen["from"] = span[0]
    if span and ("from" not in chosen or len(span) > 1):
        chosen["to"] = span[-1]
    return chosen


@settings(max_examples=80, deadline=None)
@given(
    filters=filters(), ascending=st.booleans(), limit=st.one_of(st.integers(1, 7), st.integers(8, 100)), tiny=st.booleans(),
    profiles=st.sampled_from((0, 1, 25)),
)
@example(filters={"platform": "bluesky"}, ascending=False, limit=3, tiny=True, profiles=25)
@example(filters={"platform": "mastodon", "status": ["failed"]}, ascending=True, limit=2, tiny=True, profiles=1)
@example(filters={"platform": "x", "label": "launch", "status": ["draft"]}, ascending=True, limit=2, tiny=True, profiles=25)
@example(filters={"profileId": "prof_gone"}, ascending=False, limit=4, tiny=False, profiles=25)
def test_every_list_is_the_plain_reading_of_its_filters_in_order(
    dateline: Dateline, everything: list[dict[str, Any]], filters: dict[str, Any], ascending: bool, limit: int, tiny: bool,
    profiles: int,
) -> None:
    expected = sorted((p for p in everything if passes(p, filters)), key=place, reverse=not ascending)
    bounds = {**TINY, "MOST_PROFILES": profiles} if tiny else {"MOST_PROFILES": profiles}
    with patch.multiple(listing, **bounds):
        found = walk(dateline, limit, order="asc" if ascending else "desc", **filters)
    assert [post["id"] for post in found] == [post["id"] for post in expected]


@settings(max_examples=40, deadline=None)
@given(first=filters(), second=filters(), ascending=st.booleans(), limit=st.integers(1, 9))
def test_a_cursor_goes_on_from_its_place_under_any_other_filter(
    dateline: Dateline, first: dict[str, Any], second: dict[str, Any], ascending: bool, limit: int
) -> None:
    order = "asc" if ascending else "desc"
    ask = {"order": order, "limit": limit}
    cursor = dateline.api("GET", f"/v1/posts?{urlencode({**first, **ask}, doseq=True)}").json()["nextCursor"]
    if cursor is None:
        return
    answer = dateline.api("GET", f"/v1/posts?{urlencode({**second, **ask, 'cursor': cursor}, doseq=True)}")
    if answer.status == 400:
        refused(answer, "invalid_request", "/cursor")
        assert second.keys() & {"from", "to"}
        return
    post_id, sort_at = decode_cursor(cursor)
    begin = (datetime.fromisoformat(sort_at), post_id)
    for post in answer.json()["data"]:
        assert passes(post, second) and (place(post) > begin if ascending else place(post) < begin)


@pytest.mark.parametrize(
    "post_id", ["prof_x", "post_", "post_01KV5VQK40VZ2SR5GDBYCAZN0\u0000", "post_01KV5VQK40VZ2SR5GDBYCAZN0\ue000"]
)
def test_a_cursor_that_is_no_place_in_this_list_is_refused(dateline: Dateline, post_id: str) -> None:
    cursor = encode_cursor(post_id, "2027-06-15T09:00:00.000Z")
    for more in ("", "&label=launch", "&profileId=prof_x&status=draft", "&platform=x"):
        refused(dateline.api("GET", f"/v1/posts?cursor={cursor}{more}"), "invalid_request", "/cursor")


def test_what_stands_in_the_bookings_is_what_the_posts_say(dateline: Dateline, everything: list[dict[str, Any]]) -> None:
    """Also of the posts that came too late and became drafts, without any client."""
    late = [p for p in everything if p["status"] == "draft" and p["targets"] and p["maxLateness"] == "PT1M"]
    assert late
    wanted = {b[:5] for row in PostRow.scan() for b in bookings_of(from_row(row))}
    assert {(r.profile_id, r.slot, r.post_id, r.ws, r.state) for r in BookingRow.scan() if r.slot[0].isdigit()} == wanted


def test_a_list_never_shows_what_is_another_workspaces(dateline: Dateline) -> None:
    """Neither its posts nor, in a cursor, where they stand."""
    key = dateline.second_workspace()
    mine = dateline.api("POST", "/v1/posts", {"text": "Mine", "labels": ["launch"], "profileIds": ["prof_other"]}, key=key).json()
    for more in (
        {"profileId": "prof_mastodon"}, {"profileId": f"label#{WORKSPACE}#launch"}, {"profileId": f"gone#{WORKSPACE}#bluesky"},
        {"label": "spring"}, {"label": f"{WORKSPACE}#launch"}, {"platform": "x"}, {"platform": "bluesky"},
        {"profileId": "prof_mastodon", "status": "draft"},
        {"profileId": "prof_" + "a" * 3000}, {"label": "a" * 3000}, {"profileId": "prof_\ud7ff" * 20},
    ):
        for limit in (1, 50):
            answer = dateline.api("GET", f"/v1/posts?{urlencode({**more, 'limit': limit})}", key=key)
            assert answer.json() == {"data": [], "nextCursor": None}, more
    assert [p["id"] for p in walk(dateline, 1, key=key, label="launch")] == [mine["id"]]
    assert [p["id"] for p in walk(dateline, 1, key=key, platform="mastodon")] == [mine["id"]]
    assert walk(dateline, 10, key="dl_test_local", label="launch") == []
    refused(dateline.api("GET", "/v1/posts?platform=nowhere", key=key), "invalid_request", "/platform")


@pytest.mark.parametrize(
    ("filters", "calls", "queried", "posts"),
    [
        ({}, 1, 5, 0),
        ({"from": MOMENTS[1], "to": MOMENTS[-1]}, 1, 5, 0),
        ({"status": ["scheduled"]}, 2, 6, 5),
        ({"status": ["scheduled", "published", "draft"]}, 4, 18, 5),
        ({"label": "launch"}, 2, 6, 5),
        ({"label": "once"}, 2, 1, 1),
        ({"profileId": "prof_x"}, 2, 6, 5),
        ({"platform": "mastodon"}, 1, 30, 0),
        ({"label": "launch", "status": ["scheduled"]}, 3, 40, 5),
        ({"label": "once", "status": ["published"]}, 3, 21, 1),
        ({"label": "nobody's", "status": ["published"], "profileId": "prof_x"}, 1, 0, 0),
    ],
)
def test_a_page_reads_no_more_than_it_needs(
    dateline: Dateline, filters: dict[str, Any], calls: int, queried: int, posts: int
) -> None:
    with patch.multiple(listing, LOOK=30, FEW_KEYS=20), reading(dateline) as seen:
        assert dateline.api("GET", f"/v1/posts?{urlencode({**filters, 'limit': 5}, doseq=True)}").status == 200
    assert (seen["calls"] <= calls, seen["queried"] <= queried, seen["posts"] <= posts) == (True,) * 3, seen


@settings(max_examples=30, deadline=None)
@given(filters=filters(), limit=st.integers(1, 20), ascending=st.booleans())
def test_no_page_ever_reads_more_than_the_bounds_say(
    dateline: Dateline, filters: dict[str, Any], limit: int, ascending: bool
) -> None:
    asked = urlencode({**filters, "limit": limit, "order": "asc" if ascending else "desc"}, doseq=True)
    cursor: str | None = ""
    while cursor is not None:
        with patch.multiple(listing, **TINY), reading(dateline) as seen:
            answer = dateline.api("GET", f"/v1/posts?{asked}{cursor and f'&cursor={cursor}'}")
        assert seen["queried"] <= most_queried(filters, limit) and seen["posts"] <= TINY["MOST_POSTS"], seen
        cursor = answer.json()["nextCursor"]


def most_queried(filters: dict[str, Any], limit: int) -> int:
    """Items that the queries of a page may look at, as the docstring of `listing` has it, with the tiny bounds."""
    kinds = filters.keys() - {"from", "to"}
    if not kinds:
        return limit
    statuses = len(filters.get("status", ()))
    if kinds == {"status"}:
        return statuses * (limit + 1)
    if len(kinds) == 1 and "platform" not in kinds:
        return limit + 1
    # Keys are split between the statuses and between the profiles of a platform, rounded up.
    keys = len(kinds) * (TINY["FEW_KEYS"] + TINY["MOST_KEYS"]) + 2 * statuses
    profiles = len(PROFILES)
    return keys + (TINY["MOST_LOOKS"] * TINY["LOOK"] + 2 * profiles if "platform" in kinds else 0)
