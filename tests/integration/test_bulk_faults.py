"""A bulk request that is interrupted at every single one of its calls: afterwards all of its posts are there once, or none of
them and nothing is left reserved. The same for its undo, and for an answer that is due before the work is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from dateline.api.importing import BUDGET
from dateline.usecases.bulk_reserve import LEASE
from local.stack import Answer, Crash
from tests.api_checks import refused
from tests.harness import Dateline
from tests.integration.bulk_scene import (
    Row,
    check_books,
    imported,
    interleaved,
    posts,
    queue,
    row,
    send,
    settings,
    some,
    ticking,
    told,
    undo,
    unfinished,
)
from tests.integration.scene import connect, interrupted

PLAN = {
    "pendingTargets": [{"limit": 100_000, "scope": "workspace"}, {"limit": 1_000, "scope": "profile"}],
    "scheduledTargetsPerMonth": {"limit": 100_000, "scope": "workspace"}, "minSpacingMinutes": 5,
}
Hook = Callable[[str, str, Any], None]

SWEPT = timedelta(minutes=3)
"""Longer than the lease of whoever died, and a minute of sweep's beyond it."""


def lost(_service: str, _operation: str) -> BaseException:
    error: BaseException = ReadTimeoutError(endpoint_url="https://aws.example")
    return error


def throttled(_service: str, operation: str) -> BaseException:
    said = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow down"}}
    error: BaseException = ClientError(said, operation)
    return error


def died(_service: str, _operation: str) -> BaseException:
    return Crash()


FAULTS: dict[str, tuple[str, Callable[[str, str], BaseException]]] = {
    "it dies before the call": ("before", died), "it dies after the call": ("after", died),
    "the answer is lost": ("after", lost), "the call is refused": ("before", throttled),
}


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        settings(running, plan=PLAN)
        yield running


def at_call(number: int, phase: str, fault: Callable[[str, str], BaseException]) -> tuple[Hook, list[str]]:
    """A hook that raises at external call `number` (from 1), and a list of the call it met there: empty if there were fewer."""
    seen, met = 0, list[str]()

    def hook(service: str, operation: str, when: str) -> None:
        nonlocal seen
        if when == phase:
            seen += 1
            if seen == number:
                met.append(operation)
                raise fault(service, operation)

    return hook, met


class Case:
    """Six rows for two profiles and a queue of their own: nothing an earlier case left stands in their way."""

    numbers = count(1)

    def __init__(self, dateline: Dateline) -> None:
        self.dateline, self.name = dateline, f"Case {next(self.numbers)}"
        one, two = connect(dateline, "mastodon"), connect(dateline, "telegram")
        noon = queue(dateline, capacity=2)
        self.rows: list[Row] = [
            {**made, "text": f"{self.name}, {number}"} for number, made in enumerate([
                row(0, one), row(10, one, two), row(20, two), row(0, two, queueId=noon), row(0, one, queueId=noon),
                row(0, at=None),
            ])
        ]

    def check(self, *, unwoken: bool = False) -> list[str]:
        """All of it once with what wakes it (one of them may lack it if `unwoken`), or nothing of it, and the books in order. The
        ids of its posts."""
        mine = [post for post in posts(self.dateline).values() if post.segments[0].text.startswith(f"{self.name},")]
        words = sorted(post.segments[0].text for post in mine)
        assert words in ([], [one["text"] for one in self.rows])
        entries = {entry.name.rpartition(".")[0] for entry in self.dateline.stack.schedules()}
        without = [post.id for post in mine if post.status == "scheduled" and post.id not in entries]
        assert len(without) <= unwoken, "a post without an entry"
        check_books(self.dateline)
        assert unfinished() == []
        return sorted(post.id for post in mine)


@pytest.mark.parametrize("fault", FAULTS)
def test_interrupted_at_any_call_all_of_it_is_there_once_or_nothing_is(dateline: Dateline, fault: str) -> None:
    phase, raising = FAULTS[fault]
    ends = set()
    for number in count(1):
        case = Case(dateline)
        hook, met = at_call(number, phase, raising)
        answer = interleaved(dateline, hook, case.rows)
        dateline.stack.run_for(SWEPT)
        made = case.check(unwoken=met == ["CreateSchedule"] and raising is throttled)
        ends.add(len(made))
        if not met:
            break
        assert made or answer.status >= 500, f"{met}, call {number}: {answer.status}, and nothing is there"
    assert number > 20 and answer.status == 201
    assert ends == {0, 6}
    dateline.clock.advance(timedelta(hours=30))
    dateline.stack.run_for(timedelta(minutes=5))
    shown = Counter(entry.text for entry in dateline.world.seen())
    late = [post.segments[0].text for post in posts(dateline).values() if post.status not in ("published", "draft")]
    assert late == [] and set(shown.values()) <= {1, 2}, "two: the row for two profiles"


@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_request_with_its_key_again_makes_it_whole_and_never_twice(dateline: Dateline, fault: str) -> None:
    phase, raising = FAULTS[fault]
    for number in count(1):
        case = Case(dateline)
        hook, met = at_call(number, phase, raising)
        interleaved(dateline, hook, case.rows, once=case.name)
        at_once = send(dateline, case.rows, once=case.name)
        assert at_once.status in (201, 202, 409), at_once.body
        if at_once.status == 409:
            refused(at_once, "idempotency_in_progress")
        dateline.stack.run_for(SWEPT)
        again = send(dateline, case.rows, once=case.name)
        assert again.status == 201, (met, number, again.body)
        made = case.check(unwoken=met == ["CreateSchedule"] and raising is throttled)
        assert made == sorted(one["id"] for one in again.json()["rows"]) and len(made) == 6
        if not met:
            break
    assert number > 20


@pytest.mark.parametrize("fault", FAULTS)
def test_an_undo_that_is_interrupted_at_any_call_is_finished_by_sweep_or_by_asking_again(dateline: Dateline, fault: str) -> None:
    phase, raising = FAULTS[fault]
    for number in count(1):
        case = Case(dateline)
        made = imported(dateline, case.rows)
        hook, met = at_call(number, phase, raising)
        interrupted(dateline, hook, lambda made=made: dateline.api("DELETE", f"/v1/bulk/{made['id']}"))  # type: ignore[misc]
        if number % 2:
            dateline.stack.run_for(SWEPT)
        asked = dateline.api("DELETE", f"/v1/bulk/{made['id']}")
        assert asked.status in (200, 202), asked.body
        dateline.stack.run_for(SWEPT)
        ended = told(dateline, made["id"])
        assert (ended["status"], ended["cancelled"], ended["kept"]) == ("undone", 6, []), (met, number)
        there = posts(dateline)
        assert {there[one["id"]].status for one in made["rows"]} == {"cancelled"}
        check_books(dateline)
        assert unfinished() == []
        if not met:
            break
    assert number > 15


def short(dateline: Dateline, rows: list[Row], **how: Any) -> Answer:
    """A bulk request whose time is up when the first posts are written."""

    def hook(_service: str, operation: str, phase: str) -> None:
        if operation == "TransactWriteItems" and phase == "after" and posts(dateline):
            dateline.stack.on_external_call = None
            dateline.clock.advance(timedelta(seconds=BUDGET))

    return interleaved(dateline, hook, rows, **how)


def test_an_answer_that_is_due_before_the_work_is_done_says_how_far_it_is_and_sweep_does_the_rest(dateline: Dateline) -> None:
    rows = some(250, "prof_mastodon", "prof_bluesky", every=5)
    answer = short(dateline, rows, once="a large one")
    begun = answer.json()
    assert answer.status == 202 and answer.headers["location"] == f"/v1/bulk/{begun['id']}"
    assert begun["status"] == "running" and 0 < begun["created"] < 250 and begun["total"] == 250
    there = [one["id"] for one in begun["rows"] if one["id"]]
    assert len(there) == begun["created"], "a row has its id as soon as there is the post"
    assert all(dateline.api("GET", f"/v1/posts/{id}").status == 200 for id in there[::50])
    assert [one["status"] for one in begun["rows"]] == ["scheduled"] * len(there) + [None] * (250 - len(there))
    assert told(dateline, begun["id"]) == begun, "looking does not drive it"
    again = send(dateline, rows, once="a large one")
    assert (again.status, again.headers["idempotency-replayed"], again.json()) == (202, "true", begun)
    dateline.stack.run_for(SWEPT)
    ended = told(dateline, begun["id"])
    assert (ended["status"], ended["created"]) == ("done", 250) and len(posts(dateline)) == 250
    assert len(dateline.stack.schedules()) == 250
    check_books(dateline)
    assert send(dateline, rows, once="a large one").status == 201


def test_what_is_not_written_yet_holds_its_places_already(dateline: Dateline) -> None:
    begun = short(dateline, some(250, "prof_mastodon", "prof_bluesky", every=5)).json()
    missing = begun["rows"][-1]
    assert missing["id"] is None
    taken = {"text": "The same minute", "profileIds": ["prof_mastodon"], "scheduledFor": missing["publishAt"]}
    refused(dateline.api("POST", "/v1/posts", taken), "too_close", "/scheduledFor")


def test_an_import_can_be_undone_before_it_is_finished(dateline: Dateline) -> None:
    begun = short(dateline, some(250, "prof_mastodon", "prof_bluesky", every=5)).json()
    assert begun["status"] == "running" and 0 < begun["created"] < 250
    with ticking(dateline, BUDGET / 100):
        asked = undo(dateline, begun["id"], 202)
    assert asked["status"] == "undoing" and asked["created"] == 250 and 0 <= asked["cancelled"] < 250
    dateline.stack.run_for(SWEPT)
    ended = told(dateline, begun["id"])
    assert (ended["status"], ended["cancelled"]) == ("undone", 250)
    assert {post.status for post in posts(dateline).values()} == {"cancelled"}
    assert dateline.stack.schedules() == []
    check_books(dateline)
    assert undo(dateline, begun["id"]) == ended


def test_an_undo_in_the_middle_of_the_request_is_no_second_import(dateline: Dateline) -> None:
    """The undo takes the import over; the request that wrote it finds out, and tells how it stands."""
    case = Case(dateline)
    asked: list[dict[str, Any]] = []

    def meanwhile(_service: str, operation: str, phase: str) -> None:
        if operation == "CreateSchedule" and phase == "after" and not asked:
            (found,) = unfinished()
            asked.append({})
            asked[0] = undo(dateline, found)

    answer = interleaved(dateline, meanwhile, case.rows)
    assert asked[0]["status"] == "undone"
    assert (answer.status, answer.json()["status"], answer.json()["id"]) == (201, "undone", asked[0]["id"])
    assert len(posts(dateline)) == 6 and {post.status for post in posts(dateline).values()} == {"cancelled"}
    check_books(dateline)


def test_sweep_leaves_an_import_alone_that_somebody_works_on(dateline: Dateline) -> None:
    case = Case(dateline)
    swept: list[int] = []

    def meanwhile(_service: str, operation: str, phase: str) -> None:
        if operation == "TransactWriteItems" and phase == "after":
            dateline.stack.sweep()
            swept.append(1)

    answer = interleaved(dateline, meanwhile, case.rows)
    assert len(swept) > 3 and answer.status == 201 and len(case.check()) == 6


@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_a_worker_that_was_given_up_and_comes_back_does_nothing_twice(dateline: Dateline, write: int) -> None:
    """The request dies once posts are to be written. The sweep that carries on sleeps past its lease before one of its writes,
    the next one finishes the work, then the first wakes."""
    case = Case(dateline)

    def dying(_service: str, operation: str, phase: str) -> None:
        if operation == "TransactWriteItems" and phase == "before" and any(map(writing, unfinished())):
            raise Crash

    def writing(import_id: str) -> bool:
        found = dateline.deps.imports.get(import_id)
        return found is not None and found.state == "writing"

    interleaved(dateline, dying, case.rows)
    (import_id,) = unfinished()
    dateline.clock.advance(LEASE)
    writes: list[str] = []

    def sleeping(_service: str, operation: str, phase: str) -> None:
        if operation in ("TransactWriteItems", "PutItem", "CreateSchedule") and phase == "before":
            writes.append(operation)
            if len(writes) == write:
                dateline.clock.advance(LEASE)
                dateline.stack.sweep()
                assert told(dateline, import_id)["status"] == "done"

    interrupted(dateline, sleeping, dateline.stack.sweep)
    assert len(writes) > write
    assert len(case.check()) == 6 and told(dateline, import_id)["created"] == 6


@pytest.mark.parametrize("seed", range(12))
def test_dying_again_and_again_with_calls_side_by_side_ends_the_same(seed: int) -> None:
    """The request dies somewhere, then each sweep does, at calls that sixteen threads make; until one gets through."""
    dice = Random(seed)
    with Dateline(environment={"DATELINE_SIDE_BY_SIDE": "16"}) as dateline:
        settings(dateline, plan=PLAN)
        case = Case(dateline)
        hook, _ = at_call(dice.randint(6, 24), dice.choice(("before", "after")), died)
        interleaved(dateline, hook, case.rows)
        for _ in range(4):
            dateline.clock.advance(LEASE)
            hook, _ = at_call(dice.randint(5, 14), dice.choice(("before", "after")), died)
            interrupted(dateline, hook, dateline.stack.sweep)
        dateline.stack.run_for(SWEPT)
        made = case.check()
        if made and dice.random() < 0.5:
            (import_id,) = {post.bulk for post in posts(dateline).values()}
            hook, _ = at_call(dice.randint(4, 12), dice.choice(("before", "after")), died)
            interrupted(dateline, hook, lambda: dateline.api("DELETE", f"/v1/bulk/{import_id}"))
            dateline.stack.run_for(SWEPT)
            check_books(dateline)
            assert {post.status for post in posts(dateline).values()} in ({"cancelled"}, {"scheduled", "draft"})
