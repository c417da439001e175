"""Bulk requests in between others: what somebody takes between the reading and the reservation, what others see while posts are
being written, two imports at once. Every hook is at a call of the request; there is no time in which nobody can come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from dateline.domain.instants import rfc3339
from dateline.store.tables import PostRow
from local.stack import Answer
from tests.api_checks import refused
from tests.harness import Dateline
from tests.integration.bulk_scene import (
    TOMORROW,
    Row,
    before,
    check_books,
    counters,
    imported,
    interleaved,
    plain,
    posts,
    queue,
    row,
    send,
    settings,
    some,
    texts,
    told,
    unfinished,
)
from tests.integration.scene import connect


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def create(dateline: Dateline, body: Row) -> Answer:
    return dateline.api("POST", "/v1/posts", body)


def noted(into: list[Answer], ask: Callable[..., Answer], *how: Any) -> Callable[[], None]:
    """A function that asks, and puts the answer into a list."""
    return lambda: into.append(ask(*how))


def clean(dateline: Dateline) -> None:
    """Nothing is left of an import that was refused but what others have."""
    check_books(dateline)
    assert unfinished() == []


LAST: dict[str, tuple[dict[str, Any], Row, str]] = {
    "a place of the workspace": ({"plan": {"pendingTargets": 6}}, row(30), "limit_exceeded"),
    "a place of a profile": (
        {"plan": {"pendingTargets": {"limit": 6, "scope": "profile"}}}, row(30), "limit_exceeded",
    ),
    "a target of the month": ({"plan": {"scheduledTargetsPerMonth": 6}}, row(30), "limit_exceeded"),
    "the minute of the last row": ({"min_spacing_minutes": 1}, {**row(30), "scheduledFor": row(5)["scheduledFor"]}, "too_close"),
    "the words of the last row": ({}, {**row(30), "text": "Number 5"}, "duplicate_content"),
}
"""What somebody else takes in between, of what six rows are to have, and what the last row is refused with then."""


@pytest.mark.parametrize("taken", LAST)
def test_who_takes_the_last_place_after_it_was_read_has_it_and_the_request_is_refused(dateline: Dateline, taken: str) -> None:
    members, other, code = LAST[taken]
    settings(dateline, **members)
    answer = interleaved(dateline, before("TransactWriteItems", lambda: create(dateline, other)), some(6))
    problem = refused(answer, code, plain(answer.json())[0][0])
    assert {error["row"] for error in problem["errors"]} == {6}
    assert len(posts(dateline)) == 1, "the other one"
    clean(dateline)


@pytest.mark.parametrize("taken", LAST)
def test_with_skip_it_is_one_row_fewer(dateline: Dateline, taken: str) -> None:
    members, other, code = LAST[taken]
    settings(dateline, **members)
    hook = before("TransactWriteItems", lambda: create(dateline, other))
    answer = interleaved(dateline, hook, some(6), "?onError=skip")
    made = answer.json()
    assert (answer.status, made["created"], made["failed"]) == (201, 5, 1)
    assert [one["errors"][0]["code"] for one in made["rows"] if one["errors"]] == [code]
    assert len(posts(dateline)) == 6
    clean(dateline)


def test_a_place_in_a_queue_that_is_taken_in_between_moves_the_rows_on(dateline: Dateline) -> None:
    noon = queue(dateline)
    rows = [row(n, queueId=noon) for n in range(3)]
    answer = interleaved(dateline, before("TransactWriteItems", lambda: create(dateline, row(9, queueId=noon))), rows)
    assert [one["publishAt"] for one in answer.json()["rows"]] == [f"2027-06-{day}T12:00:00Z" for day in (16, 17, 18)]
    assert texts(dateline) == ["Number 9", "Number 0", "Number 1", "Number 2"]
    clean(dateline)


@pytest.mark.parametrize("taken", LAST)
def test_while_posts_are_written_their_places_are_taken_already(dateline: Dateline, taken: str) -> None:
    members, other, code = LAST[taken]
    settings(dateline, **members)
    seen: list[Answer] = []

    def meanwhile(_service: str, operation: str, phase: str) -> None:
        if operation == "TransactWriteItems" and phase == "before" and not seen:
            (import_id,) = unfinished() or [""]
            head = dateline.deps.imports.get(import_id) if import_id else None
            if head is not None and head.state == "writing":
                assert posts(dateline) == {}
                seen.append(create(dateline, other))

    answer = interleaved(dateline, meanwhile, some(6))
    assert (answer.status, answer.json()["created"]) == (201, 6)
    # Nobody knows when a post that is like it goes out before it is there: whoever asks is told to ask again.
    refused(seen[0], "try_again" if code == "duplicate_content" else code, None if code == "duplicate_content" else
            plain(seen[0].json())[0][0])
    again = create(dateline, other)
    refused(again, code, plain(again.json())[0][0])
    assert len(posts(dateline)) == 6
    clean(dateline)


def test_a_queues_places_are_taken_while_posts_are_written(dateline: Dateline) -> None:
    noon = queue(dateline)
    seen: list[Any] = []

    def meanwhile(_service: str, operation: str, phase: str) -> None:
        if operation == "TransactWriteItems" and phase == "before" and unfinished() and not seen:
            seen.append(None)
            seen[0] = create(dateline, row(9, queueId=noon)).json()

    interleaved(dateline, meanwhile, [row(n, queueId=noon) for n in range(3)])
    assert seen[0]["publishAt"] == "2027-06-18T12:00:00Z"
    clean(dateline)


@pytest.mark.parametrize("members", [{}, {"plan": {"pendingTargets": 1000, "minSpacingMinutes": 1}}])
def test_a_file_that_is_sent_twice_at_once_is_imported_once(dateline: Dateline, members: dict[str, Any]) -> None:
    """No key, and the second one comes at any write of the first: whoever is first has it."""
    settings(dateline, **members)
    for number in count(1):
        profile = connect(dateline, "mastodon")
        rows = [{**one, "text": f"{one['text']} of {profile}"} for one in some(6, profile)]
        second: list[Answer] = []
        hook = before("TransactWriteItems", noted(second, send, dateline, rows), number)
        first = interleaved(dateline, hook, rows)
        mine = [post for post in posts(dateline).values() if profile in post.targets]
        assert len(mine) == 6 and len({post.segments[0].text for post in mine}) == 6
        clean(dateline)
        if not second:
            break
        assert sorted((first.status, second[0].status)) in ([201, 400], [201, 409], [201, 503])
    assert number >= 3


@pytest.mark.parametrize("query", ["", "?onError=skip"])
def test_two_imports_share_what_the_plan_leaves_them(dateline: Dateline, query: str) -> None:
    settings(dateline, plan={"pendingTargets": 6})
    for number in count(1):
        one, two = ([{**r, "text": f"{r['text']}, {name} {number}"} for r in some(4)] for name in ("one", "two"))
        second: list[Answer] = []
        hook = before("TransactWriteItems", noted(second, send, dateline, two, query), number)
        first = interleaved(dateline, hook, one, query)
        there = [post for post in posts(dateline).values() if post.status != "cancelled"]
        assert len(there) == ((6 if query else 4) if second else 4)
        assert counters(dateline) == {("pendingTargets", "workspace"): len(there)}
        clean(dateline)
        if not second:
            break
        if not query:
            assert sorted((first.status, second[0].status)) == [201, 403]
        for post in there:
            dateline.api("DELETE", f"/v1/posts/{post.id}")
    assert number >= 3


def test_an_import_that_is_weighed_again_does_not_stand_in_its_own_way(dateline: Dateline) -> None:
    """Somebody books another hour of the same profile before one of the writes: the calendar has moved, nothing is in the way."""
    settings(dateline, plan={"pendingTargets": 100_000, "minSpacingMinutes": 5})
    for number in count(1):
        profile = connect(dateline, "telegram")
        rows = [{**one, "text": f"{one['text']} of {profile}"} for one in some(120, profile, every=5)]
        other = {**row(0, profile), "text": f"Before them, {profile}", "scheduledFor": rfc3339(TOMORROW - timedelta(hours=3))}
        came: list[Answer] = []
        hook = before("TransactWriteItems", noted(came, create, dateline, other), number)
        answer = interleaved(dateline, hook, rows)
        assert (answer.status, answer.json()["created"]) == (201, 120)
        assert {one.status for one in came} <= {201}
        clean(dateline)
        if not came:
            break
    assert number > 5


def test_what_was_reserved_in_many_steps_is_given_back_whole(dateline: Dateline) -> None:
    """More counters than one step takes, and somebody in the way of the last profile's calendar."""
    profiles = sorted(connect(dateline, "telegram") for _ in range(60))
    plan = {
        "pendingTargets": {"limit": 50, "scope": "profile"}, "scheduledTargetsPerMonth": {"limit": 50, "scope": "profile"},
        "minSpacingMinutes": 5,
    }
    settings(dateline, plan=plan)
    rows = [row(n, *profiles[n * 20 : n * 20 + 20]) for n in range(3)]
    other = {**row(9, profiles[-1]), "scheduledFor": rows[2]["scheduledFor"]}
    steps = before("TransactWriteItems", lambda: create(dateline, other), 30)
    refused(interleaved(dateline, steps, rows), "too_close", "/2/scheduledFor")
    assert counters(dateline) == {("pendingTargets", profiles[-1]): 1, ("scheduledTargetsPerMonth", profiles[-1]): 1}
    assert texts(dateline) == ["Number 9"]
    clean(dateline)


def test_of_two_requests_with_one_key_at_once_the_second_finds_the_first(dateline: Dateline) -> None:
    settings(dateline, plan={"pendingTargets": 1000, "minSpacingMinutes": 1})
    statuses = set()
    for number in count(1):
        profile, key = connect(dateline, "mastodon"), f"key {number}"
        rows = [{**one, "text": f"{one['text']} of {profile}"} for one in some(6, profile)]
        second: list[Answer] = []
        calls = 0

        def meanwhile(_service: str, _operation: str, phase: str) -> None:
            nonlocal calls
            calls += phase == "before"
            if phase == "before" and calls == number:  # noqa: B023
                second.append(send(dateline, rows, once=key))  # noqa: B023

        first = interleaved(dateline, meanwhile, rows, once=key)
        if not second:
            break
        ids = {post.id for post in posts(dateline).values() if profile in post.targets}
        assert first.status == 201 and second[0].status in (201, 202, 409), second[0].body
        if second[0].status == 409:
            refused(second[0], "idempotency_in_progress")
        else:
            assert second[0].json()["id"] == first.json()["id"]
        statuses.add(second[0].status)
        assert {one["id"] for one in first.json()["rows"]} == ids and len(ids) == 6
        assert told(dateline, first.json()["id"])["rows"] == first.json()["rows"], "what is stored is what was answered"
        clean(dateline)
    assert statuses == {201, 202, 409}


def test_a_content_that_was_left_by_a_dead_import_is_free_again(dateline: Dateline) -> None:
    """A registration whose post never came, and which nobody took back: after a while it is nobody's."""
    imported(dateline, some(2))
    post = next(iter(posts(dateline).values()))
    body = {"text": post.segments[0].text, "profileIds": ["prof_mastodon"], "scheduledFor": rfc3339(TOMORROW)}
    PostRow(post.id).delete()
    refused(create(dateline, body), "try_again")
    dateline.clock.advance(timedelta(minutes=20))
    assert create(dateline, body).status == 201
