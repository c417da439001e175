"""Queues over the real handlers: definitions, the next free place taken by one caller only, reservations that lapse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from dateline.domain.instants import parse_rfc3339, rfc3339
from dateline.store.extras import Extra, run, write_together
from dateline.store.queues import Holder, Place, take
from dateline.store.tables import BookingRow, Conflict
from dateline.usecases import queues
from dateline.usecases.write import Actor
from local.seed import TEST_KEY, WORKSPACE
from local.stack import Answer
from tests.api_checks import mint, nothing_written, refused
from tests.harness import START, Dateline
from tests.integration.scene import interrupted

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NOON = {"name": "Noon", "timezone": "UTC", "slots": [{"day": day, "time": "12:00"} for day in DAYS]}
"""START is Tuesday the 15th of June 2027, 09:00 UTC."""


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def define(dateline: Dateline, **members: Any) -> str:
    answer = dateline.api("POST", "/v1/queues", {**NOON, **members})
    assert answer.status == 201, answer.body
    made: str = answer.json()["id"]
    return made


def reserve(dateline: Dateline, queue: str, expires_in: str | None = None, **how: Any) -> Answer:
    body = {} if expires_in is None else {"expiresIn": expires_in}
    return dateline.api("POST", f"/v1/queues/{queue}/reservations", body, **how)


def reserved(dateline: Dateline, queue: str, expires_in: str | None = None) -> dict[str, Any]:
    answer = reserve(dateline, queue, expires_in)
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json()
    return made


def slots(dateline: Dateline, queue: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dateline.api("GET", f"/v1/queues/{queue}/slots{query}").json()["data"]
    return found


def next_slot(dateline: Dateline, queue: str) -> str | None:
    found: str | None = dateline.api("GET", f"/v1/queues/{queue}").json()["nextSlot"]
    return found


def place(dateline: Dateline, queue_id: str, holder: str | None = None) -> Place:
    """The next free place, as the use cases see it."""
    actor = Actor(WORKSPACE, "live", frozenset(), "key_1", {}, WORKSPACE)
    queue = queues.find(dateline.deps, actor, queue_id)
    return queues.next_free(dateline.deps, queue, dateline.clock.now(), horizon_days=365, holder=holder)


def write(dateline: Dateline, *extras: Extra) -> None:
    """The writes as one transaction, as a post's would have them."""
    write_together(dateline.deps.connection, extras)


def give(dateline: Dateline, queue_id: str, post_id: str) -> dict[str, str]:
    """Put a post into the queue as a create does; what it keeps of it."""
    found = place(dateline, queue_id)
    write(dateline, *queues.moved(None, found, post_id, WORKSPACE, dateline.clock.now()))
    return found.as_dict()


def during(dateline: Dateline, operation: str, act: Callable[[], object]) -> Callable[[str, str, str], None]:
    """A hook that does `act` once, just before the first write of this kind."""
    done: list[bool] = []

    def hook(_service: str, name: str, phase: str) -> None:
        if name == operation and phase == "before" and not done:
            done.append(True)
            act()

    return hook


# Definitions


def test_a_queue_is_shown_as_it_was_defined_and_says_where_the_next_post_goes(dateline: Dateline) -> None:
    sent = {
        "name": "Mornings", "timezone": "Europe/Berlin", "capacity": 2, "blackoutDates": ["2027-12-24"],
        "slots": [{"day": "friday", "time": "09:30"}, {"day": "wednesday", "time": "09:30"}], "profileIds": ["prof_mastodon"],
    }
    answer = dateline.api("POST", "/v1/queues", sent)
    queue = answer.json()
    assert answer.status == 201 and answer.headers["location"] == f"/v1/queues/{queue['id']}"
    assert queue == {
        **sent, "id": queue["id"], "slots": sent["slots"][::-1], "nextSlot": "2027-06-16T07:30:00Z",  # type: ignore[index]
        "createdAt": rfc3339(START), "updatedAt": rfc3339(START),
    }
    assert dateline.api("GET", f"/v1/queues/{queue['id']}").json() == queue
    assert dateline.api("GET", "/v1/queues").json() == {"data": [queue], "nextCursor": None}


def test_an_edit_changes_what_it_names_and_null_takes_a_member_back(dateline: Dateline) -> None:
    queue = define(dateline, capacity=3, blackoutDates=["2027-06-15"])
    dateline.clock.advance(timedelta(minutes=5))
    sundays = [{"day": "sunday", "time": "18:00"}]
    changed = dateline.api("PATCH", f"/v1/queues/{queue}", {"name": "Later", "slots": sundays}).json()
    assert (changed["name"], changed["capacity"], changed["blackoutDates"]) == ("Later", 3, ["2027-06-15"])
    assert changed["nextSlot"] == "2027-06-20T18:00:00Z" and changed["updatedAt"] == rfc3339(START + timedelta(minutes=5))
    reset = dateline.api("PATCH", f"/v1/queues/{queue}", {"capacity": None, "blackoutDates": None}).json()
    assert (reset["name"], reset["capacity"], reset["blackoutDates"], reset["createdAt"]) == ("Later", 1, [], rfc3339(START))


def test_two_edits_at_once_both_stand(dateline: Dateline) -> None:
    queue = define(dateline)
    path = f"/v1/queues/{queue}"
    hook = during(dateline, "PutItem", lambda: dateline.api("PATCH", path, {"capacity": 4}))
    interrupted(dateline, hook, lambda: dateline.api("PATCH", path, {"name": "Both"}))
    found = dateline.api("GET", path).json()
    assert (found["name"], found["capacity"]) == ("Both", 4)


def test_a_queue_without_a_zone_takes_the_workspaces_if_that_has_one(dateline: Dateline) -> None:
    without = {name: value for name, value in NOON.items() if name != "timezone"}
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/queues", without), "timezone_required", "/timezone")
    dateline.deps.workspaces.save_settings(WORKSPACE, {"timezone": "Asia/Kolkata"})
    made = dateline.api("POST", "/v1/queues", without).json()
    assert (made["timezone"], made["nextSlot"]) == ("Asia/Kolkata", "2027-06-16T06:30:00Z")


def test_repeats_with_a_key_are_done_once(dateline: Dateline) -> None:
    key = {"idempotency-key": "queue-1"}
    first, second = (dateline.api("POST", "/v1/queues", NOON, headers=key) for _ in range(2))
    assert second.json() == first.json() and second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    queue = first.json()["id"]
    held = [reserve(dateline, queue, headers={"idempotency-key": "hold"}).json()["id"] for _ in range(2)]
    assert held[0] == held[1] and [slot["taken"] for slot in slots(dateline, queue, "?limit=2")] == [1, 0]
    edits = [dateline.api("PATCH", f"/v1/queues/{queue}", {"capacity": 2}, headers={"idempotency-key": "edit"}) for _ in range(2)]
    assert edits[0].json() == edits[1].json() and edits[1].headers["idempotency-replayed"] == "true"


def test_queues_are_listed_page_by_page_each_once(dateline: Dateline) -> None:
    made = []
    for number in range(5):
        made.append(define(dateline, name=f"Queue {number}"))
        dateline.clock.advance(timedelta(seconds=1))
    found, cursor = [], ""
    for _ in range(3):
        page = dateline.api("GET", f"/v1/queues?limit=2{cursor}").json()
        found += [queue["id"] for queue in page["data"]]
        cursor = f"&cursor={page['nextCursor']}"
    assert found == made and page["nextCursor"] is None


def test_a_queue_belongs_to_one_side_of_one_workspace(dateline: Dateline) -> None:
    queue, other = define(dateline), dateline.second_workspace()
    mine = reserved(dateline, queue)["id"]
    theirs = dateline.api("POST", "/v1/queues", NOON, key=other).json()["id"]
    for key in (other, TEST_KEY):
        with nothing_written(dateline):
            for method, path in (
                ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/slots"), ("POST", "/reservations"),
                ("DELETE", f"/reservations/{mine}"),
            ):
                body = {} if path else {"capacity": 2}
                refused(dateline.api(method, f"/v1/queues/{queue}{path}", body, key=key), "not_found")
        assert queue not in [one["id"] for one in dateline.api("GET", "/v1/queues", key=key).json()["data"]]
    refused(dateline.api("DELETE", f"/v1/queues/{theirs}/reservations/{mine}", key=other), "not_found")


def test_who_may_only_write_drafts_may_read_queues_and_change_nothing(dateline: Dateline) -> None:
    queue, writer = define(dateline), mint(dateline, "posts:read", "posts:write")
    assert dateline.api("GET", f"/v1/queues/{queue}/slots", key=writer).status == 200
    with nothing_written(dateline):
        for method, path in (("POST", ""), ("PATCH", f"/{queue}"), ("DELETE", f"/{queue}"), ("POST", f"/{queue}/reservations")):
            refused(dateline.api(method, f"/v1/queues{path}", NOON, key=writer), "forbidden", requiredScope="posts:publish")


def test_a_removed_queue_is_gone_with_its_reservations(dateline: Dateline) -> None:
    queue = define(dateline)
    held = reserved(dateline, queue)["id"]
    assert dateline.api("DELETE", f"/v1/queues/{queue}").status == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/slots"), ("DELETE", f"/reservations/{held}")):
        refused(dateline.api(method, f"/v1/queues/{queue}{path}"), "not_found")
    refused(reserve(dateline, queue), "not_found")


# Slots


def test_slots_show_what_is_taken_by_whom_and_when_it_is_there(dateline: Dateline) -> None:
    queue = define(dateline, timezone="America/New_York", capacity=2, blackoutDates=["2027-06-16"])
    give(dateline, queue, "post_1")
    reserved(dateline, queue)
    reserved(dateline, queue)
    assert slots(dateline, queue, "?limit=3") == [
        {"slot": "2027-06-15T16:00:00Z", "local": "2027-06-15T12:00:00", "capacity": 2, "taken": 2, "free": 0, "reserved": 1,
         "postIds": ["post_1"]},
        {"slot": "2027-06-17T16:00:00Z", "local": "2027-06-17T12:00:00", "capacity": 2, "taken": 1, "free": 1, "reserved": 1,
         "postIds": []},
        {"slot": "2027-06-18T16:00:00Z", "local": "2027-06-18T12:00:00", "capacity": 2, "taken": 0, "free": 2, "reserved": 0,
         "postIds": []},
    ]


def test_slots_are_paged_from_any_instant_up_to_the_horizon(dateline: Dateline) -> None:
    queue = define(dateline, slots=[{"day": "monday", "time": "12:00"}])
    assert [one["slot"] for one in slots(dateline, queue, "?from=2027-06-21T14:00:00%2B02:00&limit=2")] == [
        "2027-06-21T12:00:00Z", "2027-06-28T12:00:00Z",
    ]
    found, cursor = [], ""
    while cursor is not None:
        page = dateline.api("GET", f"/v1/queues/{queue}/slots?limit=40&cursor={cursor}" if cursor else
                            f"/v1/queues/{queue}/slots?limit=40").json()
        found += [one["slot"] for one in page["data"]]
        cursor = page["nextCursor"]
    assert len(found) == len(set(found)) == 52 and found == sorted(found)
    assert slots(dateline, queue, "?from=2026-01-01T00:00:00Z&limit=1")[0]["slot"] == "2027-06-21T12:00:00Z", "never the past"
    assert slots(dateline, queue, "?from=2028-06-14T09:00:00Z") == []
    for query, pointer in (("?from=monday", "/from"), ("?from=2027-06-21T14:00:00", "/from"), ("?cursor=x", "/cursor")):
        refused(dateline.api("GET", f"/v1/queues/{queue}/slots{query}"), "invalid_request", pointer)


# Taking


def test_places_are_given_in_order_each_once_and_as_many_as_a_slot_has(dateline: Dateline) -> None:
    queue = define(dateline, capacity=2)
    given = [reserved(dateline, queue)["slot"] for _ in range(5)]
    assert given == [
        "2027-06-15T12:00:00Z", "2027-06-15T12:00:00Z", "2027-06-16T12:00:00Z", "2027-06-16T12:00:00Z", "2027-06-17T12:00:00Z",
    ]
    assert next_slot(dateline, queue) == "2027-06-17T12:00:00Z"


def test_two_callers_never_get_the_same_place(dateline: Dateline) -> None:
    """The second asks, and is answered, after the first has found its place and before it takes it."""
    queue = define(dateline)
    got: list[dict[str, Any]] = []

    def ask() -> None:
        got.append(reserved(dateline, queue))

    interrupted(dateline, during(dateline, "PutItem", ask), ask)
    assert [one["slot"] for one in got] == ["2027-06-15T12:00:00Z", "2027-06-16T12:00:00Z"], "the one that was faster came first"
    ids = {one["id"] for one in got}
    assert len(ids) == 2 and [one["taken"] for one in slots(dateline, queue, "?limit=3")] == [1, 1, 0]


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_many_callers_who_all_found_the_same_place_each_get_one_of_their_own(dateline: Dateline, capacity: int) -> None:
    queue = define(dateline, capacity=capacity)
    got: list[str] = []

    def hook(_service: str, operation: str, phase: str) -> None:
        if operation == "PutItem" and phase == "before" and len(asked) < 12:
            asked.append(operation)
            got.append(reserved(dateline, queue)["slot"])

    asked: list[str] = []
    interrupted(dateline, hook, lambda: got.append(reserved(dateline, queue)["slot"]))
    assert len(got) == 13
    assert all(got.count(slot) <= capacity for slot in got)
    assert len(set(got)) == -(-13 // capacity), "and nobody was sent further than he had to be"


def test_a_post_and_a_reservation_that_found_the_same_place_get_two(dateline: Dateline) -> None:
    queue = define(dateline)
    found = place(dateline, queue)
    held = reserved(dateline, queue)
    assert parse_rfc3339(held["slot"]) == found.slot
    with pytest.raises(Conflict):
        write(dateline, *queues.moved(None, found, "post_1", WORKSPACE, START))
    assert give(dateline, queue, "post_1") == {"id": queue, "slot": "2027-06-16T12:00:00.000Z"}


def test_a_place_whose_answer_was_lost_is_not_taken_twice(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write happens, its answer does not arrive, and the SDK's repeat is refused by the write's own success."""
    queue = define(dateline)

    def repeated(extra: Extra) -> None:
        run(extra)
        run(extra)

    monkeypatch.setattr(queues, "run", repeated)
    assert reserved(dateline, queue)["slot"] == "2027-06-15T12:00:00Z"
    assert [one["taken"] for one in slots(dateline, queue, "?limit=2")] == [1, 0]


def test_when_the_store_does_not_answer_nothing_is_promised(dateline: Dateline) -> None:
    queue = define(dateline)

    def deaf(service: str, operation: str, phase: str) -> None:
        if operation == "Query" and phase == "before":
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")

    answers: list[Answer] = []
    with nothing_written(dateline):
        interrupted(dateline, deaf, lambda: answers.append(reserve(dateline, queue)))
    refused(answers[0], "try_again")


def test_a_full_queue_says_so_and_what_helps(dateline: Dateline) -> None:
    queue = define(dateline, slots=[{"day": "monday", "time": "12:00"}])
    for number in range(52):
        give(dateline, queue, f"post_{number}")
    with nothing_written(dateline):
        problem = refused(reserve(dateline, queue), "beyond_horizon", limitDays=365, latest="2028-06-14T09:00:00Z")
    assert "all 52 slots" in problem["detail"] and "'Noon'" in problem["detail"]
    assert next_slot(dateline, queue) is None
    dateline.clock.advance(timedelta(days=7))
    assert reserved(dateline, queue)["slot"] == "2028-06-19T12:00:00Z"


def test_a_queue_that_is_closed_all_year_has_no_slot(dateline: Dateline) -> None:
    closed = [(START + timedelta(days=days)).date().isoformat() for days in range(366)]
    queue = define(dateline, blackoutDates=closed)
    assert "it has no slot" in refused(reserve(dateline, queue), "beyond_horizon")["detail"]
    assert slots(dateline, queue) == []


def test_a_long_queue_is_read_page_by_page_and_a_hole_in_it_is_filled_first(dateline: Dateline) -> None:
    times = [{"day": day, "time": f"{hour:02}:00"} for day in DAYS for hour in range(24)][:100]
    queue = define(dateline, slots=times)
    found = place(dateline, queue).queue

    def walk() -> Iterator[Place]:
        return queues.places(dateline.deps, found, START, horizon_days=365)

    with BookingRow.batch_write() as batch:
        for number, one in zip(range(450), walk(), strict=False):
            batch.save(take(one, Holder(f"post_{number}")).row)
    assert [one.free for one in islice(walk(), 452)] == [0] * 450 + [1, 1]
    assert place(dateline, queue).slot == list(islice(walk(), 451))[-1].slot
    hole = slots(dateline, queue, "?limit=100")[70]
    kept = {"id": queue, "slot": hole["slot"].replace("Z", ".000Z")}
    write(dateline, *queues.moved(kept, None, hole["postIds"][0], WORKSPACE, START))
    assert reserved(dateline, queue)["slot"] == hole["slot"]
    with dateline.stack.counting() as calls:
        dateline.api("GET", f"/v1/queues/{queue}/slots?limit=20")
    assert calls["dynamodb", "Query"] == 1


def test_a_smaller_definition_leaves_the_places_that_are_taken(dateline: Dateline) -> None:
    queue = define(dateline, capacity=3)
    held = [reserved(dateline, queue)["id"] for _ in range(3)]
    give(dateline, queue, "post_1")
    dateline.api("PATCH", f"/v1/queues/{queue}", {"capacity": 1, "blackoutDates": ["2027-06-16"]})
    assert [(one["slot"], one["taken"], one["free"]) for one in slots(dateline, queue, "?limit=2")] == [
        ("2027-06-15T12:00:00Z", 3, 0), ("2027-06-17T12:00:00Z", 0, 1),
    ]
    assert dateline.api("DELETE", f"/v1/queues/{queue}/reservations/{held[0]}").status == 204
    assert reserved(dateline, queue)["slot"] == "2027-06-17T12:00:00Z", "two are still more than one"


def test_places_of_slots_that_are_no_more_do_not_hide_those_that_are(dateline: Dateline) -> None:
    queue = define(dateline)
    for number in range(4):
        give(dateline, queue, f"post_{number}")
    moved = [{"day": "friday", "time": "12:00"}, {"day": "friday", "time": "18:00"}]
    dateline.api("PATCH", f"/v1/queues/{queue}", {"slots": moved})
    assert [(one["slot"], one["postIds"]) for one in slots(dateline, queue, "?limit=2")] == [
        ("2027-06-18T12:00:00Z", ["post_3"]), ("2027-06-18T18:00:00Z", []),
    ]
    assert reserved(dateline, queue)["slot"] == "2027-06-18T18:00:00Z"


# Reservations


def test_a_reservation_holds_its_place_until_it_lapses(dateline: Dateline) -> None:
    queue = define(dateline)
    held = reserved(dateline, queue, "PT2M")
    assert held == {
        "id": held["id"], "queueId": queue, "slot": "2027-06-15T12:00:00Z", "local": "2027-06-15T12:00:00",
        "expiresAt": "2027-06-15T09:02:00Z",
    }
    assert reserved(dateline, queue)["expiresAt"] == "2027-06-15T09:10:00Z"
    dateline.clock.advance(timedelta(seconds=119))
    assert next_slot(dateline, queue) == "2027-06-17T12:00:00Z"
    dateline.clock.advance(timedelta(seconds=1))
    assert next_slot(dateline, queue) == "2027-06-15T12:00:00Z"
    with nothing_written(dateline):
        refused(dateline.api("DELETE", f"/v1/queues/{queue}/reservations/{held['id']}"), "not_found")
    assert give(dateline, queue, "post_1")["slot"] == "2027-06-15T12:00:00.000Z"


def test_a_reservation_never_outlives_its_slot(dateline: Dateline) -> None:
    queue = define(dateline)
    assert reserved(dateline, queue, "PT24H")["expiresAt"] == "2027-06-15T12:00:00Z"


def test_a_cancelled_reservation_frees_its_place_at_once(dateline: Dateline) -> None:
    queue = define(dateline, capacity=2)
    one, two = (reserved(dateline, queue)["id"] for _ in range(2))
    assert dateline.api("DELETE", f"/v1/queues/{queue}/reservations/{one}").status == 204
    assert [slot["taken"] for slot in slots(dateline, queue, "?limit=1")] == [1]
    refused(dateline.api("DELETE", f"/v1/queues/{queue}/reservations/{one}"), "not_found")
    assert dateline.api("DELETE", f"/v1/queues/{queue}/reservations/{two}").status == 204
    assert [slot["taken"] for slot in slots(dateline, queue, "?limit=1")] == [0]
    assert reserved(dateline, queue)["slot"] == "2027-06-15T12:00:00Z"


def test_a_place_given_back_while_another_caller_looks_is_not_written_over(dateline: Dateline) -> None:
    queue = define(dateline, capacity=3)
    first = reserved(dateline, queue)["id"]
    hook = during(dateline, "PutItem", lambda: dateline.api("DELETE", f"/v1/queues/{queue}/reservations/{first}"))
    interrupted(dateline, hook, lambda: reserved(dateline, queue))
    assert [slot["taken"] for slot in slots(dateline, queue, "?limit=1")] == [1]


# What a post's transaction needs


def test_a_post_takes_over_the_place_of_its_reservation(dateline: Dateline) -> None:
    queue_id = define(dateline)
    held = reserved(dateline, queue_id)["id"]
    queue = place(dateline, queue_id).queue
    found = queues.reserved(dateline.deps, queue, held, START)
    assert found.slot == parse_rfc3339("2027-06-15T12:00:00Z") and not found.free
    write(dateline, *queues.moved(None, found, "post_1", WORKSPACE, START))
    assert slots(dateline, queue_id, "?limit=1")[0]["postIds"] == ["post_1"]
    refused(dateline.api("DELETE", f"/v1/queues/{queue_id}/reservations/{held}"), "not_found")
    with pytest.raises(Conflict):
        write(dateline, *queues.moved(None, found, "post_2", WORKSPACE, START))


def test_a_post_that_is_queued_again_keeps_its_place_unless_an_earlier_one_is_free(dateline: Dateline) -> None:
    queue = define(dateline)
    early = reserved(dateline, queue, "PT1M")
    mine = give(dateline, queue, "post_1")
    again = place(dateline, queue, holder="post_1")
    assert again.as_dict() == mine and queues.moved(mine, again, "post_1", WORKSPACE, START) == []
    dateline.clock.advance(timedelta(minutes=1))
    better = place(dateline, queue, holder="post_1")
    assert rfc3339(better.slot) == early["slot"]
    write(dateline, *queues.moved(mine, better, "post_1", WORKSPACE, dateline.clock.now()))
    assert [slot["postIds"] for slot in slots(dateline, queue, "?limit=2")] == [["post_1"], []]


def test_a_post_that_leaves_gives_its_place_back_once_and_a_slot_that_has_come_is_left_alone(dateline: Dateline) -> None:
    queue = define(dateline, capacity=2)
    mine, _ = give(dateline, queue, "post_1"), give(dateline, queue, "post_2")
    for _ in range(2):
        write(dateline, *queues.moved(mine, None, "post_1", WORKSPACE, START))
        assert slots(dateline, queue, "?limit=1")[0]["postIds"] == ["post_2"]
    dateline.clock.advance(timedelta(hours=3))
    assert queues.moved(mine, None, "post_1", WORKSPACE, dateline.clock.now()) == []


def test_a_post_that_came_too_late_and_is_a_draft_again_has_no_place_any_more(dateline: Dateline) -> None:
    queue = define(dateline)
    made = dateline.post("prof_telegram", queueId=queue, maxLateness="PT1M", onLate="draft")
    dateline.clock.advance(timedelta(hours=4))
    dateline.stack.sweep()
    draft = dateline.read(made["id"])
    assert (draft["status"], draft["publishAt"], draft["queueId"]) == ("draft", None, None)
