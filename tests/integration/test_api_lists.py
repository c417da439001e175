"""Lists: every filter and combination against a plain reading of the same rule, and cursors that pass every post exactly once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api_checks import refused
from tests.harness import START, Dateline

COUNT = 16
PROFILES = (("prof_mastodon",), ("prof_x", "prof_telegram"), ("prof_bluesky",), ())
PLATFORM = {"prof_mastodon": "mastodon", "prof_x": "x", "prof_telegram": "telegram", "prof_bluesky": "bluesky"}


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    """16 posts: drafts, scheduled and cancelled ones, several at one moment, with labels and without."""
    with Dateline() as running:
        for number in range(COUNT):
            profiles = PROFILES[number % 4]
            labels = [["launch"], ["launch", "spring"], []][number % 3]
            at = START + timedelta(hours=1 + number // 4)
            timed = {"profileIds": profiles, "scheduledFor": at.isoformat()} if profiles else {}
            post = running.api("POST", "/v1/posts", {"text": f"Post {number}", "labels": labels, **timed}).json()
            if number % 5 == 0:
                assert running.api("DELETE", f"/v1/posts/{post['id']}").status == 200
            running.clock.advance(1)
        yield running


def pages(dateline: Dateline, limit: int, **filters: Any) -> list[dict[str, Any]]:
    """All posts of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(60):
        query = urlencode({**filters, "limit": limit, **({"cursor": cursor} if cursor else {})}, doseq=True)
        answer = dateline.api("GET", f"/v1/posts?{query}")
        assert answer.status == 200, answer.body
        page = answer.json()
        assert page.keys() == {"data", "nextCursor"} and len(page["data"]) <= limit
        found += page["data"]
        cursor = page["nextCursor"]
        if cursor is None:
            return found
    raise AssertionError("the list does not end")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def sorted_at(post: dict[str, Any]) -> datetime:
    return moment(post["publishAt"] or post["createdAt"])


def wanted(post: dict[str, Any], filters: dict[str, Any]) -> bool:
    """The filters, read plainly."""
    statuses = filters.get("status", [post["status"]])
    targets = post["targets"]
    return (
        post["status"] in statuses
        and ("platform" not in filters or any(t["platform"] == filters["platform"] for t in targets))
        and ("profileId" not in filters or any(t["profileId"] == filters["profileId"] for t in targets))
        and ("label" not in filters or filters["label"] in post["labels"])
        and ("from" not in filters or sorted_at(post) >= moment(filters["from"]))
        and ("to" not in filters or sorted_at(post) < moment(filters["to"]))
    )


FILTERS: dict[str, list[Any]] = {
    "status": [["scheduled"], ["draft", "cancelled"]],
    "platform": ["x"],
    "profileId": ["prof_telegram"],
    "label": ["spring"],
    "from": ["2027-06-15T11:00:00Z"],
    "to": ["2027-06-15T13:00:00Z"],
}
COMBINATIONS = [
    dict(zip(names, values, strict=True))
    for size in range(len(FILTERS) + 1)
    for names in itertools.combinations(FILTERS, size)
    for values in itertools.product(*(FILTERS[name] for name in names))
]


def test_every_combination_of_filters_in_both_orders_is_what_it_says(dateline: Dateline) -> None:
    everything = pages(dateline, 100)
    assert len(everything) == COUNT
    assert len(COMBINATIONS) == 96
    for number, filters in enumerate(COMBINATIONS):
        order = ("asc", "desc")[number % 2]
        found = pages(dateline, 100, **filters, order=order)
        assert {p["id"] for p in found} == {p["id"] for p in everything if wanted(p, filters)}, filters
        times = [sorted_at(p) for p in found]
        assert times == sorted(times, reverse=order == "desc"), filters


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    "filters", [{}, {"status": ["scheduled"]}, {"status": ["draft", "scheduled"]}, {"label": "launch"}, {"platform": "x"}]
)
def test_pages_of_every_size_walk_every_post_exactly_once(dateline: Dateline, order: str, filters: dict[str, Any]) -> None:
    whole = [post["id"] for post in pages(dateline, 100, order=order, **filters)]
    assert len(whole) == len(set(whole))
    for limit in (1, 5) if not filters else (2,):
        assert [post["id"] for post in pages(dateline, limit, order=order, **filters)] == whole


def test_the_newest_publish_time_comes_first_and_drafts_stand_at_their_creation(dateline: Dateline) -> None:
    found = pages(dateline, 100)
    assert [sorted_at(p) for p in found] == sorted((sorted_at(p) for p in found), reverse=True)
    drafts = [p for p in found if p["status"] == "draft"]
    assert [p["createdAt"] for p in drafts] == sorted((p["createdAt"] for p in drafts), reverse=True)
    assert all(p["publishAt"] is None for p in drafts)


def test_a_span_includes_its_beginning_and_not_its_end(dateline: Dateline) -> None:
    hour = "2027-06-15T11:00:00Z"
    inside = pages(dateline, 100, **{"from": hour, "to": "2027-06-15T12:00:00Z"})
    assert inside and {p["publishAt"] for p in inside} == {hour}
    for status in ("scheduled", "cancelled"):
        one = pages(dateline, 100, **{"from": hour, "to": "2027-06-15T12:00:00Z"}, status=status)
        assert {p["publishAt"] for p in one} == {hour}
    assert pages(dateline, 100, **{"from": "2027-06-15T11:00:00.001Z", "to": "2027-06-15T12:00:00Z"}) == []
    offset = pages(dateline, 100, **{"from": "2027-06-15T13:00:00+02:00", "to": "2027-06-15T14:00:00+02:00"})
    assert offset == inside


def test_statuses_may_be_repeated_or_joined_by_commas(dateline: Dateline) -> None:
    repeated = dateline.api("GET", "/v1/posts?status=draft&status=cancelled").json()
    assert repeated["data"] and repeated == dateline.api("GET", "/v1/posts?status=draft,cancelled").json()


def test_a_listed_post_is_the_post(dateline: Dateline) -> None:
    for post in pages(dateline, 3)[:6]:
        assert post == dateline.read(post["id"])


def test_a_post_that_appears_while_paging_moves_nothing(dateline: Dateline) -> None:
    first = dateline.api("GET", "/v1/posts?limit=5&order=asc").json()
    rest = [p["id"] for p in pages(dateline, 100, order="asc")][5:]
    added = dateline.api("POST", "/v1/posts", {"text": "In between"}).json()["id"]
    assert dateline.api("DELETE", f"/v1/posts/{added}").status == 200
    again = dateline.api("GET", f"/v1/posts?limit=100&order=asc&cursor={first['nextCursor']}").json()["data"]
    assert [p["id"] for p in again if p["id"] != added] == [id for id in rest if id != added]


def test_a_cursor_of_another_span_is_refused(dateline: Dateline) -> None:
    cursor = dateline.api("GET", "/v1/posts?limit=1&order=asc").json()["nextCursor"]
    refused(dateline.api("GET", f"/v1/posts?cursor={cursor}&from=2027-06-15T12:00:00Z"), "invalid_request", "/cursor")
    refused(dateline.api("GET", f"/v1/posts?cursor={cursor}&to=2027-06-01T12:00:00Z"), "invalid_request", "/cursor")


def test_a_page_of_large_posts_is_cut_before_lambda_would_refuse_it(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [p["id"] for p in pages(dateline, 100)]
    events = [e["id"] for e in walk(dateline, "/v1/events", 100)]
    monkeypatch.setattr("dateline.api.answers.MOST_PAGE_BYTES", 4000)
    page = dateline.api("GET", "/v1/posts?limit=100").json()
    assert 0 < len(page["data"]) < 8 and page["nextCursor"]
    assert [p["id"] for p in pages(dateline, 100)] == whole
    assert [e["id"] for e in walk(dateline, "/v1/events", 100)] == events


def walk(dateline: Dateline, path: str, limit: int) -> list[dict[str, Any]]:
    """All rows of a list that has no filters."""
    found: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(100):
        page = dateline.api("GET", f"{path}?limit={limit}{cursor}").json()
        assert len(page["data"]) <= limit
        found += page["data"]
        if page["nextCursor"] is None:
            return found
        cursor = f"&cursor={page['nextCursor']}"
    raise AssertionError("the list does not end")


@pytest.mark.parametrize("path", ["/v1/profiles", "/v1/platforms", "/v1/keys"])
def test_the_other_lists_page_alike(dateline: Dateline, path: str) -> None:
    dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"]})
    whole = walk(dateline, path, 100)
    name = "name" if path == "/v1/platforms" else "id"
    assert len(whole) > 2 and len({row[name] for row in whole}) == len(whole)
    for limit in (1, 2, 3):
        assert walk(dateline, path, limit) == whole


def test_the_feed_goes_on_where_a_reader_stopped_and_has_no_gaps(dateline: Dateline) -> None:
    dateline.stack.pump_stream()
    events = walk(dateline, "/v1/events", 100)
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert walk(dateline, "/v1/events", 7) == events
    last = dateline.api("GET", f"/v1/events?after={len(events)}").json()
    assert (last["data"], last["nextCursor"], last["lastPosition"]) == ([], None, len(events))
    post = dateline.api("POST", "/v1/posts", {"text": "One more"}).json()
    dateline.stack.pump_stream()
    (new,) = dateline.api("GET", f"/v1/events?after={last['lastPosition']}").json()["data"]
    assert (new["id"], new["type"], new["data"]["post"]["id"]) == (f"{post['id']}#1", "post.draft", post["id"])


def test_a_posts_events_and_attempts_page_too(dateline: Dateline) -> None:
    sandbox = {
        "text": "Try twice",
        "profileIds": ["prof_sandbox"],
        "publishNow": True,
        "platforms": {"sandbox": {"simulate": "retry_once"}},
    }
    post = dateline.api("POST", "/v1/posts", sandbox, key="dl_test_local").json()
    ask = lambda path: dateline.api("GET", path, key="dl_test_local").json()  # noqa: E731
    dateline.stack.run_until(lambda: ask(f"/v1/posts/{post['id']}")["status"] == "published", limit=timedelta(minutes=10))
    dateline.stack.pump_stream()
    for below, least in (("events", 5), ("attempts", 2)):
        path = f"/v1/posts/{post['id']}/{below}"
        whole = ask(path)["data"]
        assert len(whole) >= least
        first = ask(f"{path}?limit=1")
        assert first["data"] == whole[:1]
        assert ask(f"{path}?limit=100&cursor={first['nextCursor']}") == {"data": whole[1:], "nextCursor": None}
    assert [a["outcome"] for a in ask(f"/v1/posts/{post['id']}/attempts")["data"]] == ["retry", "published"]
