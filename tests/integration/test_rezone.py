"""A government changes its clocks: what was meant for nine in the morning goes out at nine in the morning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dateline import wiring
from dateline.domain import zones
from dateline.domain.errors import Problem
from dateline.domain.fingerprints import decision_hash
from dateline.domain.instants import sortable
from dateline.domain.post import Post
from dateline.store.tables import BookingRow
from dateline.usecases import rezone
from local.seed import WORKSPACE
from local.stack import Crash, Phase
from tests.harness import START, Dateline
from tests.integration.scene import interrupted, post_of, shown

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NEW_YORK = "America/New_York"
NINE = "2027-06-15T09:00:00"
BEFORE, CHICAGOS, LONDONS = (START + timedelta(hours=hours) for hours in (4, 5, -1))
"""Nine in the morning in New York, and what it would be with the clocks of Chicago, or of London. START is 09:00 UTC."""

Change = Callable[..., None]


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        running.stack.sweep()  # every deployment has swept before it is replaced
        yield running


@pytest.fixture
def change(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> Change:
    """A deployment with another zone database: `change("2999a", New_York="America/Chicago")`."""
    load = zones._load

    def changed(version: str, **rules: str) -> None:
        monkeypatch.setattr(zones, "version", lambda: version)
        monkeypatch.setattr(zones, "_load", lambda name: load(rules.get(name.rpartition("/")[2], name)))

    return changed


def wall(dateline: Dateline, at: str = NINE, timezone: str | None = NEW_YORK, **more: Any) -> str:
    """A post for a wall-clock time."""
    when = {"scheduledFor": at, **({"timezone": timezone} if timezone else {})}
    return str(dateline.post("prof_mastodon", **{"text": f"Nine o'clock at {at}", **when, **more})["id"])


def settle(dateline: Dateline, minutes: int = 13) -> None:
    """A new version is first seen, waits until the deployment is over, and is followed."""
    dateline.stack.run_for(minutes * MINUTE)


def kinds(dateline: Dateline, post_id: str) -> list[str]:
    return [event["type"] for event in dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]]


def slots(profile_id: str = "prof_mastodon") -> list[str]:
    return [row.slot for row in BookingRow.query(profile_id)]


def test_a_post_moves_with_its_zone_and_goes_out_at_the_new_time_and_not_at_the_old(dateline: Dateline, change: Change) -> None:
    post_id = wall(dateline)
    assert post_of(dateline, post_id).publish_at == BEFORE
    change("2999a", New_York="America/Chicago")
    settle(dateline)
    post = post_of(dateline, post_id)
    assert post.publish_at == CHICAGOS and post.revision == 2
    shown_now = dateline.read(post_id)
    assert (shown_now["publishAt"], shown_now["scheduledFor"], shown_now["timezone"]) == ("2027-06-15T14:00:00Z", NINE, NEW_YORK)
    assert [entry.at for entry in dateline.stack.schedules()] == [CHICAGOS]
    assert slots() == [f"{sortable(CHICAGOS)}#{post_id}"]
    assert kinds(dateline, post_id) == ["post.scheduled", "post.updated"]
    dateline.stack.run_for(CHICAGOS - dateline.clock.now() - timedelta(seconds=1))
    assert dateline.world.seen() == []
    dateline.stack.run_for(MINUTE)
    (entry,) = dateline.world.seen()
    assert entry.at == CHICAGOS
    assert dateline.read(post_id)["status"] == "published"


def test_a_post_whose_new_time_has_just_passed_goes_out_at_once(dateline: Dateline, change: Change) -> None:
    post_id = wall(dateline)
    change("2999a", New_York="Europe/London")
    settle(dateline)
    assert post_of(dateline, post_id).publish_at == LONDONS
    assert dateline.read(post_id)["status"] == "published"
    dateline.stack.run_for(6 * HOUR)
    assert len(dateline.world.seen()) == 1, "the old entry finds nothing to do"


def test_a_post_about_to_go_out_moves_without_its_firing_entry(dateline: Dateline, change: Change) -> None:
    """Its entry may be firing at this very moment, so that a new one takes its place."""
    post_id = wall(dateline)
    dateline.clock.advance_to(BEFORE - 11.5 * MINUTE)
    change("2999a", New_York="America/Chicago")
    settle(dateline, 11)
    assert post_of(dateline, post_id).publish_at == CHICAGOS
    assert [(entry.name, entry.at) for entry in dateline.stack.schedules()] == [
        (f"{post_id}.0", BEFORE), (f"{post_id}.1", CHICAGOS)
    ]
    dateline.stack.run_for(3 * HOUR)
    assert [entry.at for entry in dateline.world.seen()] == [CHICAGOS]


def test_what_has_no_zone_or_another_or_is_no_longer_waiting_stays(dateline: Dateline, change: Change) -> None:
    absolute = wall(dateline, "2027-06-15T13:00:00Z", None)
    elsewhere = wall(dateline, timezone="America/Toronto")
    draft = wall(dateline, text="A draft")
    assert dateline.api("PATCH", f"/v1/posts/{draft}", {"status": "draft"}).status == 200
    cancelled = wall(dateline, "2027-06-16T09:00:00")
    dateline.api("DELETE", f"/v1/posts/{cancelled}")
    near = wall(dateline, "2027-06-15T05:00:30")  # in 30 seconds: it will be out before the walk
    before = {id: post_of(dateline, id) for id in (absolute, elsewhere, draft, cancelled)}
    change("2999a", New_York="America/Chicago")
    settle(dateline)
    for post_id, was in before.items():
        now = post_of(dateline, post_id)
        assert (now.publish_at, now.revision, now.status) == (was.publish_at, was.revision, was.status)
    assert post_of(dateline, near).status == "published"
    assert len(dateline.world.seen()) == 1


def test_a_post_that_waits_for_approval_moves_and_is_approved_for_the_new_time(dateline: Dateline, change: Change) -> None:
    dateline.deps.workspaces.save_settings(WORKSPACE, {"name": "Local", "approvals_required": True})
    post_id = wall(dateline)
    before = dateline.read(post_id)["approval"]
    change("2999a", New_York="America/Chicago")
    settle(dateline)
    moved = post_of(dateline, post_id)
    assert (moved.publish_at, moved.status) == (CHICAGOS, "pending_approval")
    assert dateline.stack.schedules() == []
    assert slots() == [f"{sortable(CHICAGOS)}#{post_id}"]
    stale = dateline.api("POST", f"/v1/posts/{post_id}/approve", {"hash": before["hash"]})
    assert stale.json()["code"] == "revision_conflict"
    now = dateline.read(post_id)["approval"]
    assert dateline.api("POST", f"/v1/posts/{post_id}/approve", {"hash": now["hash"]}).status == 200
    assert [entry.at for entry in dateline.stack.schedules()] == [CHICAGOS]


def test_an_approved_post_stays_approved(dateline: Dateline, change: Change) -> None:
    """What was approved is nine in the morning."""
    dateline.deps.workspaces.save_settings(WORKSPACE, {"name": "Local", "approvals_required": True})
    post_id = wall(dateline)
    assert dateline.api("POST", f"/v1/posts/{post_id}/approve", {}).status == 200
    change("2999a", New_York="America/Chicago")
    settle(dateline)
    post = post_of(dateline, post_id)
    assert (post.publish_at, post.status, (post.approval or {})["state"]) == (CHICAGOS, "scheduled", "approved")
    assert (post.approval or {})["hash"] == decision_hash(post)


def test_posts_of_a_queue_take_their_places_with_them(dateline: Dateline, change: Change) -> None:
    """An hour's shift brings each slot to the instant at which the next one was."""
    times = [{"day": "tuesday", "time": time} for time in ("09:00", "10:00", "11:00")]
    answer = dateline.api("POST", "/v1/queues", {"name": "Mornings", "timezone": NEW_YORK, "slots": times})
    queue = answer.json()["id"]
    ids = [dateline.post("prof_mastodon", text=f"Number {n}", queueId=queue)["id"] for n in range(2)]
    change("2999a", New_York="America/Chicago")
    settle(dateline)
    assert [post_of(dateline, id).publish_at for id in ids] == [CHICAGOS, CHICAGOS + HOUR]
    held = {row.slot: row.holders for row in BookingRow.query(f"queue#{queue}") if row.holders}
    assert held == {sortable(CHICAGOS): {ids[0]}, sortable(CHICAGOS + HOUR): {ids[1]}}
    third = dateline.post("prof_mastodon", text="Number 3", queueId=queue)
    assert third["publishAt"] == "2027-06-15T16:00:00Z"
    assert dateline.api("DELETE", f"/v1/posts/{ids[0]}").status == 200
    fourth = dateline.post("prof_mastodon", text="Number 4", queueId=queue)
    assert fourth["publishAt"] == "2027-06-15T14:00:00Z", "its place is free again"


def many(dateline: Dateline, count: int = 9) -> list[str]:
    return [wall(dateline, f"2027-06-15T09:00:{second:02}") for second in range(count)]


def hours(dateline: Dateline, ids: list[str]) -> list[int]:
    return [at.hour for id in ids if (at := post_of(dateline, id).publish_at)]


def test_a_walk_that_dies_half_way_goes_on_and_moves_each_post_once(
    dateline: Dateline, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rezone, "PAGE", 1)
    ids = many(dateline)
    change("2999a", New_York="America/Chicago")
    dateline.stack.sweep()
    dateline.clock.advance(rezone.SETTLE)
    left = 0

    def die(service: str, operation: str, phase: Phase) -> None:
        nonlocal left
        if operation == "TransactWriteItems" and phase == "after" and dateline.stack.watch.running == "sweep":
            left -= 1
            if left == 0:
                raise Crash

    moved = [0]
    while moved[-1] < len(ids):
        left = 2
        interrupted(dateline, die, lambda: dateline.stack.sweep())
        moved.append(hours(dateline, ids).count(14))
        assert moved[-1] > moved[-2], "no minute is lost"
    assert len(moved) > 3
    dateline.stack.sweep()
    assert dateline.deps.workspaces.note(rezone.MARKER) == {"version": "2999a"}
    assert {post_of(dateline, id).revision for id in ids} == {2}
    dateline.stack.settle()
    assert all(kinds(dateline, id) == ["post.scheduled", "post.updated"] for id in ids)
    # A worker that died between the write and the entry leaves the old entry: it finds nothing due, and the sweep does the rest.
    dateline.stack.run_for(6 * HOUR)
    assert [entry.at.hour for entry in dateline.world.seen()] == [14] * len(ids)


def test_a_walk_takes_no_more_time_than_there_is_and_goes_on_where_it_stood(
    dateline: Dateline, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rezone, "PAGE", 2)
    ids = many(dateline)
    change("2999a", New_York="America/Chicago")
    dateline.stack.sweep()
    dateline.clock.advance(rezone.SETTLE)
    counts = []
    for _ in range(20):
        seconds = iter([55.0] * 4 + [0.0] * 100)
        counts.append(rezone.follow(wiring.deps(), lambda ticks=seconds: next(ticks)))  # type: ignore[misc]
        if wiring.deps().zones_settled == "2999a":
            break
    assert set(hours(dateline, ids)) == {14}
    assert sum(1 for count in counts if count) >= 2, "it took several minutes"
    assert dateline.deps.workspaces.note(rezone.MARKER) == {"version": "2999a"}


def test_a_store_that_is_away_holds_the_walk_up_and_loses_nothing(dateline: Dateline, change: Change) -> None:
    ids = many(dateline, 3)
    change("2999a", New_York="America/Chicago")
    dateline.stack.sweep()
    dateline.clock.advance(rezone.SETTLE)

    def away(service: str, operation: str, phase: Phase) -> None:
        from botocore.exceptions import EndpointConnectionError

        if operation == "TransactWriteItems" and phase == "before":
            raise EndpointConnectionError(endpoint_url="dynamodb")

    interrupted(dateline, away, lambda: dateline.stack.sweep())
    assert set(hours(dateline, ids)) == {13}
    dateline.stack.sweep()
    assert set(hours(dateline, ids)) == {14}


@pytest.mark.parametrize("word", ["cancel", "edit"])
def test_what_a_client_does_meanwhile_wins(dateline: Dateline, change: Change, word: str) -> None:
    post_id = wall(dateline)
    change("2999a", New_York="America/Chicago")
    dateline.stack.sweep()
    dateline.clock.advance(rezone.SETTLE)
    done = []

    def meanwhile(service: str, operation: str, phase: Phase) -> None:
        if operation == "BatchGetItem" and phase == "after" and dateline.stack.watch.running == "sweep" and not done:
            done.append(operation)
            if word == "cancel":
                assert dateline.api("DELETE", f"/v1/posts/{post_id}").status == 200
            else:
                tokyo = {"scheduledFor": "2027-06-15T21:00:00", "timezone": "Asia/Tokyo"}
                assert dateline.api("PATCH", f"/v1/posts/{post_id}", tokyo).status == 200

    interrupted(dateline, meanwhile, lambda: dateline.stack.sweep())
    post = post_of(dateline, post_id)
    assert done and post.revision == 2
    assert (post.status, post.publish_at) == (
        ("cancelled", BEFORE) if word == "cancel" else ("scheduled", START + 3 * HOUR)
    )
    dateline.stack.run_for(6 * HOUR)
    assert len(dateline.world.seen()) == (word == "edit")


def test_a_deployment_that_is_taken_back_half_way_takes_its_moves_back(
    dateline: Dateline, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = zones.version()
    assert version is not None
    ids = many(dateline)
    change("2999a", New_York="America/Chicago")
    dateline.stack.sweep()
    dateline.clock.advance(rezone.SETTLE)
    seconds = iter([55.0] * 4 + [0.0] * 100)
    rezone.follow(wiring.deps(), lambda: next(seconds))
    assert set(hours(dateline, ids)) == {13, 14}
    change(version)
    wiring.deps().zones_settled = None  # another process
    settle(dateline)
    assert set(hours(dateline, ids)) == {13}
    assert dateline.deps.workspaces.note(rezone.MARKER) == {"version": version}


def test_a_zone_that_is_gone_leaves_its_posts_where_they_are_and_stops_nothing(
    dateline: Dateline, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stays = wall(dateline), wall(dateline, timezone="America/Toronto")
    change("2999a", Toronto="America/Chicago")
    zone = zones.zone

    def without(name: str) -> ZoneInfo:
        if name == NEW_YORK:
            raise Problem("unknown_timezone", f"{name} is not a time zone.")
        return zone(name)

    monkeypatch.setattr("dateline.domain.time.zone", without)
    settle(dateline)
    assert (post_of(dateline, gone).publish_at, post_of(dateline, stays).publish_at) == (BEFORE, CHICAGOS)
    assert dateline.deps.workspaces.note(rezone.MARKER) == {"version": "2999a"}


def test_one_post_that_cannot_be_moved_does_not_stop_the_others(
    dateline: Dateline, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, *good = many(dateline, 4)
    resolved = rezone.instant

    def broken(post: Post) -> datetime | None:
        if post.id == bad:
            raise RuntimeError("this one is broken")
        return resolved(post)

    monkeypatch.setattr(rezone, "instant", broken)
    change("2999a", New_York="America/Chicago")
    settle(dateline)
    assert (hours(dateline, [bad]), set(hours(dateline, good))) == ([13], {14})


def test_a_process_asks_once_and_the_first_of_all_only_leaves_the_marker(dateline: Dateline, change: Change) -> None:
    assert dateline.deps.workspaces.note(rezone.MARKER) == {"version": zones.version()}
    with dateline.stack.counting() as calls:
        dateline.stack.sweep()
    assert set(calls) == {("dynamodb", "Query")}
    wiring.deps().zones_settled = None  # another process
    with dateline.stack.counting() as calls:
        dateline.stack.sweep()
        dateline.stack.sweep()
    assert calls["dynamodb", "GetItem"] == 1 and calls["dynamodb", "PutItem"] == 0


def test_nobody_is_moved_before_the_deployment_can_be_over(dateline: Dateline, change: Change) -> None:
    """Until then requests may still be answered by the version before, which knows nothing of the new rules."""
    ids = many(dateline, 2)
    change("2999a", New_York="America/Chicago")
    dateline.stack.sweep()
    dateline.clock.advance(rezone.SETTLE - MINUTE)
    dateline.stack.sweep()
    assert set(hours(dateline, ids)) == {13}
    dateline.clock.advance(MINUTE)
    dateline.stack.sweep()
    assert set(hours(dateline, ids)) == {14}
    assert shown(dateline, ["Nine o'clock"]) == [[]]
