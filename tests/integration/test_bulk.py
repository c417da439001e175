"""Bulk requests over the real handlers: what becomes of the rows, dry runs, skipping, staggering, repeats, undo, export."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain.instants import rfc3339
from dateline.domain.sheet_columns import COLUMNS
from local.seed import LIVE_KEY, TEST_KEY
from tests.api_checks import mint, nothing_written, refused
from tests.harness import START, Dateline
from tests.integration.bulk_scene import (
    TOMORROW,
    Row,
    check_books,
    counters,
    csv_of,
    imported,
    plain,
    posts,
    queue,
    row,
    send,
    settings,
    some,
    texts,
    told,
    undo,
    unfinished,
)
from tests.integration.scene import PICTURE, connect

OF_ITS_OWN = ("id", "createdAt", "updatedAt", "sequence", "revision", "warnings")
"""Members in which two posts of one body differ."""

EVERY_SHAPE: list[Row] = [
    row(0, "prof_mastodon", "prof_bluesky", labels=["launch", "a;b"], metadata={"crmId": "42", "deep": {"list": [1, None]}}),
    row(1, "prof_mastodon", scheduledFor="2027-07-01T09:00:00", timezone="America/New_York", maxLateness="PT30M", onLate="draft"),
    row(2, "prof_mastodon", scheduledFor="2027-10-31T02:30:00", timezone="Europe/Berlin", fold=1, text=" “Quoted”,\r\nso; on\\ "),
    row(3, "prof_x", "prof_mastodon", thread=[{"text": "1/2"}, {"text": "2/2", "media": [{"url": PICTURE, "altText": "A; cat"}]}],
        onSegmentFailure="rollback"),
    row(4, "prof_mastodon", media=[{"url": PICTURE, "type": "image"}, {"url": PICTURE + "?2", "altText": "=1+1"}]),
    row(5, "prof_x", "prof_mastodon", platforms={"mastodon": {"visibility": "unlisted", "text": "Toot"}, "x": {"text": "007"}}),
    row(6, at=None), row(7, at=None, profileIds=None), row(8, "prof_mastodon", firstComment="More,\n“there”."),
    row(9, "prof_mastodon", onLate="fail", allowDuplicate=True),
]


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def alike(post: dict[str, Any]) -> dict[str, Any]:
    """A post without what is its own."""
    return {name: value for name, value in post.items() if name not in OF_ITS_OWN}


# What becomes of rows


def test_each_row_becomes_the_post_that_a_single_create_makes_of_it(dateline: Dateline) -> None:
    rows = [{**one, "allowDuplicate": True} for one in EVERY_SHAPE]
    made = imported(dateline, rows)
    assert (made["total"], made["created"], made["failed"], made["cancelled"], made["kept"]) == (len(rows), len(rows), 0, 0, [])
    for number, (body, one) in enumerate(zip(rows, made["rows"], strict=True), 1):
        single = dateline.api("POST", "/v1/posts", body).json()
        post = dateline.read(one["id"])
        assert alike(post) == alike(single), body
        assert (one["row"], one["line"], one["status"], one["publishAt"]) == (number, None, single["status"], single["publishAt"])
        assert one["warnings"] == single["warnings"] and one["errors"] == []
    check_books(dateline)


def test_imported_posts_are_announced_and_go_out_at_their_time(dateline: Dateline) -> None:
    made = imported(dateline, some(12, "prof_mastodon", "prof_telegram"))
    dateline.stack.pump_stream()
    feed = dateline.api("GET", "/v1/events?after=0&limit=100").json()["data"]
    assert sorted(event["data"]["post"]["id"] for event in feed if event["type"] == "post.scheduled") == sorted(
        one["id"] for one in made["rows"]
    )
    dateline.clock.advance_to(TOMORROW - timedelta(seconds=30))
    dateline.stack.run_for(timedelta(minutes=15))
    assert {dateline.read(one["id"])["status"] for one in made["rows"]} == {"published"}
    seen = sorted((entry.text, entry.platform) for entry in dateline.world.seen())
    assert seen == sorted((f"Number {n}", network) for n in range(12) for network in ("mastodon", "telegram"))
    assert all(entry.at >= TOMORROW for entry in dateline.world.seen())


def test_a_file_and_an_array_with_the_same_rows_make_the_same_posts(dateline: Dateline) -> None:
    rows = [row(0, "prof_mastodon", "prof_bluesky", labels=["a", "b"]), row(1), row(2, at=None)]
    by_array = imported(dateline, rows)
    undo(dateline, by_array["id"])
    by_file = imported(dateline, csv_of(rows))
    for one, other in zip(by_array["rows"], by_file["rows"], strict=True):
        first, second = dateline.read(one["id"]), dateline.read(other["id"])
        assert second["status"] == one["status"] and second["publishAt"] == first["publishAt"]
        assert all(second[member] == first[member] for member in ("text", "labels", "scheduledFor", "timezone", "platforms"))
        assert [t["profileId"] for t in second["targets"]] == [t["profileId"] for t in first["targets"]]
    assert [one["line"] for one in by_file["rows"]] == [2, 3, 4]


def test_a_thousand_rows_of_one_profile_and_five_hundred_of_three(dateline: Dateline) -> None:
    settings(dateline, plan={"pendingTargets": 2_500, "minSpacingMinutes": 1})
    profiles = [connect(dateline, "mastodon") for _ in range(3)]
    assert imported(dateline, some(1000))["created"] == 1000
    assert imported(dateline, csv_of(some(500, *profiles)))["created"] == 500
    assert counters(dateline) == {("pendingTargets", "workspace"): 2500}
    assert len(dateline.stack.schedules()) == 1500
    check_books(dateline)
    first = dateline.api("GET", "/v1/posts/export.csv?order=asc")
    rest = dateline.api("GET", f"/v1/posts/export.csv?order=asc&cursor={first.headers['x-next-cursor']}")
    lines = [page.body.decode().split("\r\n")[1:-1] for page in (first, rest)]
    assert [len(page) for page in lines] == [1000, 500] and "x-next-cursor" not in rest.headers
    assert len({*lines[0], *lines[1]}) == 1500
    with nothing_written(dateline):
        problem = refused(send(dateline, [row(2000)]), "limit_exceeded", "/0/profileIds", limit=2500, used=2500, remaining=0)
    assert problem["detail"].startswith("Row 1: ") and problem["detail"].endswith("Nothing was written.")


def test_posts_to_be_published_now_are_on_their_way_and_drafts_are_not(dateline: Dateline) -> None:
    made = imported(dateline, [row(0, publishNow=True), row(1, at=None), row(2)])
    assert [one["status"] for one in made["rows"]] == ["queued", "draft", "scheduled"]
    dateline.stack.settle(timers=False)
    assert [dateline.read(one["id"])["status"] for one in made["rows"]] == ["published", "draft", "scheduled"]


def test_where_approval_is_required_rows_wait_for_it_and_count_already(dateline: Dateline) -> None:
    settings(dateline, approvals_required=True, plan={"pendingTargets": 3})
    made = imported(dateline, [row(0), row(1, publishNow=True), row(2, at=None)])
    assert [one["status"] for one in made["rows"]] == ["pending_approval", "pending_approval", "draft"]
    assert counters(dateline) == {("pendingTargets", "workspace"): 2} and dateline.stack.schedules() == []
    check_books(dateline)
    approved = dateline.api("POST", f"/v1/posts/{made['rows'][0]['id']}/approve").json()
    assert approved["status"] == "scheduled" and len(dateline.stack.schedules()) == 1
    with nothing_written(dateline):
        refused(send(dateline, some(2, text="More")), "limit_exceeded", "/1/profileIds")
    assert undo(dateline, made["id"])["cancelled"] == 3
    assert counters(dateline) == {}
    check_books(dateline)


def test_rows_take_the_places_of_a_queue_in_their_order_as_many_as_a_slot_has(dateline: Dateline) -> None:
    noon, evening = queue(dateline, capacity=2), queue(dateline, time="18:00", profileIds=["prof_bluesky"])
    dateline.post("prof_x", queueId=noon)
    rows = [row(n, queueId=noon) for n in range(4)] + [row(9, queueId=evening, profileIds=None)]
    made = imported(dateline, csv_of(rows))
    wanted = ["2027-06-15T12:00:00Z", *["2027-06-16T12:00:00Z"] * 2, "2027-06-17T12:00:00Z", "2027-06-15T18:00:00Z"]
    assert [one["publishAt"] for one in made["rows"]] == wanted
    last = dateline.read(made["rows"][4]["id"])
    assert [t["profileId"] for t in last["targets"]] == ["prof_bluesky"] and last["queueId"] == evening
    check_books(dateline)
    assert undo(dateline, made["id"])["cancelled"] == 5
    check_books(dateline)
    assert dateline.post("prof_x", queueId=noon)["publishAt"] == "2027-06-15T12:00:00Z"


def test_a_bad_row_takes_no_place_from_the_next(dateline: Dateline) -> None:
    noon = queue(dateline)
    bad = [row(1, "prof_nobody", queueId=noon), row(2, "prof_x", queueId=noon, text="x" * 300)]
    rows = [row(0, queueId=noon), *bad, row(3, queueId=noon)]
    made = imported(dateline, rows, "?onError=skip")
    assert [one["publishAt"] for one in made["rows"]] == ["2027-06-15T12:00:00Z", None, None, "2027-06-16T12:00:00Z"]


def test_a_queue_that_is_full_is_told_to_each_row_that_finds_no_place(dateline: Dateline) -> None:
    rare = queue(dateline, time="12:00", capacity=1, blackoutDates=[
        (START + timedelta(days=n)).date().isoformat() for n in range(366) if n not in (3, 5)
    ])
    rows = [row(n, queueId=rare) for n in range(4)]
    with nothing_written(dateline):
        problem = refused(send(dateline, rows), "beyond_horizon", "/2/queueId", limitDays=365)
    assert plain(problem) == [("/2/queueId", "beyond_horizon"), ("/3/queueId", "beyond_horizon")]
    assert imported(dateline, rows, "?onError=skip")["created"] == 2
    check_books(dateline)


# Dry runs, abort and skip


def test_a_dry_run_writes_nothing_and_says_what_is_done_then(dateline: Dateline) -> None:
    noon = queue(dateline, capacity=2)
    settings(dateline, plan={"pendingTargets": 100, "minSpacingMinutes": 5}, timezone="Europe/Berlin")
    rows = [*EVERY_SHAPE[1:2], *some(5, "prof_x", "prof_bluesky"), row(7, "prof_telegram", queueId=noon), row(8, at=None)]
    query = "?staggerMinutes=5"
    rows += [{**rows[2], "text": "At the same time"}]
    with nothing_written(dateline):
        bad = send(dateline, rows, query + "&dryRun=true").json()
    assert (bad["id"], bad["status"], bad["dryRun"], bad["createdAt"]) == (None, "planned", True, None)
    with nothing_written(dateline):
        problem = send(dateline, rows, query).json()
    assert [error for one in bad["rows"] for error in one["errors"]] == problem["errors"] and problem["errors"]
    made = imported(dateline, rows, query + "&onError=skip")
    assert [{**one, "id": None} for one in made["rows"]] == bad["rows"]
    assert (made["created"], made["failed"]) == (bad["created"], bad["failed"]) == (5, 4)
    assert all(dateline.read(one["id"])["publishAt"] == one["publishAt"] for one in made["rows"] if one["id"])


def test_abort_writes_nothing_if_any_row_is_bad_and_lists_every_fault_of_every_row(dateline: Dateline) -> None:
    rows = [row(0), row(1, "prof_x", text="x" * 300), row(2), row(3, "prof_nobody", scheduledFor="2027-06-14T09:00:00Z")]
    for query in ("", "?onError=abort"):
        with nothing_written(dateline):
            problem = refused(send(dateline, rows, query), "content_invalid", "/1/text")
        assert plain(problem) == [
            ("/1/text", "x.text.too_long"), ("/3/profileIds/0", "not_found"), ("/3/scheduledFor", "scheduled_time_in_past"),
        ]
        assert [error["row"] for error in problem["errors"]] == [2, 4, 4]
        assert problem["detail"].startswith("Row 2: X takes at most 280")
        assert "1 more row has errors" in problem["detail"]


def test_skip_leaves_the_bad_rows_out_and_says_which(dateline: Dateline) -> None:
    rows = [row(0), row(1, "prof_x", text="x" * 300), row(2), {"txt": "No such member"}]
    made = imported(dateline, rows, "?onError=skip")
    assert (made["total"], made["created"], made["failed"]) == (4, 2, 2)
    assert [bool(one["id"]) for one in made["rows"]] == [True, False, True, False]
    assert [error["pointer"] for one in made["rows"] for error in one["errors"]] == ["/1/text", "/3/txt"]
    assert texts(dateline) == ["Number 0", "Number 2"]
    assert told(dateline, made["id"]) == made


def test_where_every_row_is_bad_skip_makes_no_import(dateline: Dateline) -> None:
    with nothing_written(dateline):
        answer = send(dateline, [row(0, "prof_nobody")], "?onError=skip", once="nothing")
    assert (answer.status, answer.json()["id"], answer.json()["created"], answer.json()["failed"]) == (200, None, 0, 1)


# Staggering


def at(*whens: str) -> list[str]:
    return [f"2027-06-16T{when}:00Z" for when in whens]


STAGGERED: dict[str, tuple[list[Row], int, list[str]]] = {
    "the same profile": ([row(0, text=f"Text {n}") for n in range(3)], 10, at("09:00", "09:10", "09:20")),
    "different profiles": (
        [row(0, "prof_x"), row(0, "prof_bluesky"), row(0, "prof_x", text="More")], 10, at("09:00", "09:00", "09:10"),
    ),
    "profiles that overlap": (
        [row(0, "prof_x"), row(0, "prof_bluesky"), row(0, "prof_x", "prof_bluesky", text="B"), row(0, "prof_bluesky", text="C")],
        10, at("09:00", "09:00", "09:10", "09:20"),
    ),
    "the same instant written otherwise": (
        [
            row(0), row(1, scheduledFor="2027-06-16T11:00:00", timezone="Europe/Berlin"),
            row(2, scheduledFor="2027-06-16T05:00:00-04:00"),
        ], 7, at("09:00", "09:07", "09:14"),
    ),
    "a Z with a time zone": (
        [row(n, scheduledFor="2027-06-16T09:00:00Z", timezone="Europe/Berlin") for n in range(2)], 30, at("07:00", "07:30"),
    ),
    "over the end of the day": ([row(n, scheduledFor="2027-06-15T23:50:00Z") for n in range(3)], 10, [
        "2027-06-15T23:50:00Z", "2027-06-16T00:00:00Z", "2027-06-16T00:10:00Z",
    ]),
    "when the clocks go back": ([row(n, scheduledFor="2027-10-31T02:00:00", timezone="Europe/Berlin") for n in range(4)], 30, [
        "2027-10-31T00:00:00Z", "2027-10-31T00:30:00Z", "2027-10-31T01:00:00Z", "2027-10-31T01:30:00Z",
    ]),
    "when the clocks go forward": ([row(n, scheduledFor="2028-03-26T01:30:00", timezone="Europe/Berlin") for n in range(3)], 30, [
        "2028-03-26T00:30:00Z", "2028-03-26T01:00:00Z", "2028-03-26T01:30:00Z",
    ]),
    "drafts and posts without a time": ([row(0), row(1, at=None), row(0, text="More"), row(2, at=None)], 5, [
        *at("09:00"), None, *at("09:05"), None,  # type: ignore[list-item]
    ]),
}


@pytest.mark.parametrize("what", STAGGERED)
def test_rows_of_one_time_on_one_profile_are_spread(dateline: Dateline, what: str) -> None:
    rows, minutes, wanted = STAGGERED[what]
    planned = send(dateline, rows, f"?staggerMinutes={minutes}&dryRun=true").json()
    assert [one["publishAt"] for one in planned["rows"]] == wanted, planned
    made = imported(dateline, rows, f"?staggerMinutes={minutes}")
    for body, one in zip(rows, made["rows"], strict=True):
        post = dateline.read(one["id"])
        assert post["publishAt"] == one["publishAt"]
        assert post["timezone"] == body.get("timezone"), "the wish keeps its zone"


def test_staggered_rows_keep_the_distance_that_the_plan_wants(dateline: Dateline) -> None:
    settings(dateline, plan={"minSpacingMinutes": 5})
    rows = [row(0, "prof_x", "prof_bluesky", text=f"Text {n}") for n in range(5)]
    with nothing_written(dateline):
        assert len(refused(send(dateline, rows), "too_close", "/1/scheduledFor")["errors"]) == 8
        assert send(dateline, rows, "?staggerMinutes=4").json()["code"] == "too_close"
    assert imported(dateline, rows, "?staggerMinutes=5")["created"] == 5


def test_a_row_that_is_moved_beyond_the_horizon_is_refused(dateline: Dateline) -> None:
    end = rfc3339(START + timedelta(days=365))
    rows = [row(n, scheduledFor=end) for n in range(2)]
    with nothing_written(dateline):
        refused(send(dateline, rows, "?staggerMinutes=1"), "beyond_horizon", "/1/scheduledFor")


@pytest.mark.parametrize("wrong", [
    "staggerMinutes=-1", "staggerMinutes=1441", "staggerMinutes=1.5", "staggerMinutes=", "staggerMinutes=1&staggerMinutes=2",
    "dryRun=yes", "dryRun=", "onError=ignore", "dryrun=true",
])
def test_a_parameter_that_is_none_is_refused_by_its_name(dateline: Dateline, wrong: str) -> None:
    with nothing_written(dateline):
        refused(send(dateline, [row(0)], f"?{wrong}"), "invalid_request", "/" + wrong.partition("=")[0])


# Scopes and tenants


def test_a_key_that_may_only_write_imports_drafts_and_nothing_else(dateline: Dateline) -> None:
    writer, reader = mint(dateline, "posts:write"), mint(dateline, "posts:read")
    for rows in ([row(0, at=None), row(1)], [row(0, publishNow=True)], [row(0, queueId="queue_1")], csv_of([row(0)])):
        for query in ("", "?dryRun=true", "?onError=skip"):
            with nothing_written(dateline):
                refused(send(dateline, rows, query, key=writer), "forbidden", requiredScope="posts:publish")
    made = imported(dateline, csv_of([row(0, at=None), row(1, at=None)]), key=writer)
    assert [one["status"] for one in made["rows"]] == ["draft", "draft"]
    with nothing_written(dateline):
        refused(send(dateline, [row(0, at=None)], key=reader), "forbidden", requiredScope="posts:write")
        refused(dateline.api("DELETE", f"/v1/bulk/{made['id']}", key=writer), "forbidden", requiredScope="posts:publish")


def test_a_row_with_a_profile_of_another_workspace_is_a_row_with_none(dateline: Dateline) -> None:
    dateline.second_workspace()
    for rows in ([row(0), row(1, "prof_mastodon", "prof_other")], csv_of([row(0), row(1, "prof_mastodon", "prof_other")])):
        with nothing_written(dateline):
            problem = refused(send(dateline, rows), "not_found", "/1/profileIds/1")
        assert [error.get("column") for error in problem["errors"]] == ["profile_ids" if isinstance(rows, str) else None]


def test_an_import_is_its_workspaces_and_its_sides_own(dateline: Dateline) -> None:
    other = dateline.second_workspace()
    made = imported(dateline, some(2))
    for key in (other, TEST_KEY):
        for method in ("GET", "DELETE"):
            with nothing_written(dateline):
                refused(dateline.api(method, f"/v1/bulk/{made['id']}", key=key), "not_found")
    for unknown in ("bulk_", "bulk_nothing", "post_1", "%00", "bulk_" + "9" * 5000):
        refused(dateline.api("GET", f"/v1/bulk/{unknown}"), "not_found")
    test = imported(dateline, [row(0, "prof_sandbox")], key=TEST_KEY)
    refused(dateline.api("GET", f"/v1/bulk/{test['id']}"), "not_found")
    assert dateline.api("GET", f"/v1/bulk/{test['id']}", key=TEST_KEY).json()["created"] == 1


def test_one_key_names_an_import_of_each_workspace_and_side(dateline: Dateline) -> None:
    other = dateline.second_workspace()
    made = [
        imported(dateline, [row(0, profile)], key=key, once="monday")["id"]
        for profile, key in (("prof_mastodon", LIVE_KEY), ("prof_sandbox", TEST_KEY), ("prof_other", other))
    ]
    assert len(set(made)) == 3


# Repeats


def test_a_repeat_with_the_same_key_answers_the_same_import(dateline: Dateline) -> None:
    rows = csv_of(some(3))
    first = send(dateline, rows, once="monday")
    assert "idempotency-replayed" not in first.headers
    with nothing_written(dateline):
        second = send(dateline, rows, once="monday")
    assert (second.status, second.json(), second.headers["idempotency-replayed"]) == (201, first.json(), "true")
    assert second.headers["location"] == first.headers["location"]
    for changed in (rows + csv_of([row(9)]).partition("\r\n")[2], some(3)):
        with nothing_written(dateline):
            refused(send(dateline, changed, once="monday"), "idempotency_conflict")
    with nothing_written(dateline):
        refused(send(dateline, rows, "?onError=skip", once="monday"), "idempotency_conflict")
    assert send(dateline, rows, "?dryRun=true", once="monday").json()["status"] == "planned"


def test_an_array_is_the_same_request_whatever_the_order_of_its_members(dateline: Dateline) -> None:
    first = send(dateline, some(2), once="monday")
    turned = [dict(reversed(one.items())) for one in some(2)]
    assert send(dateline, turned, once="monday").json()["id"] == first.json()["id"]


def test_a_request_that_was_refused_may_be_corrected_and_sent_with_its_key(dateline: Dateline) -> None:
    with nothing_written(dateline):
        refused(send(dateline, [row(0, "prof_nobody")], once="monday"), "not_found", "/0/profileIds/0")
    assert imported(dateline, [row(0)], once="monday")["created"] == 1


def test_an_undone_import_is_not_done_again_by_its_key(dateline: Dateline) -> None:
    made = imported(dateline, some(2), once="monday")
    undo(dateline, made["id"])
    again = send(dateline, some(2), once="monday")
    assert (again.status, again.json()["status"], again.json()["id"]) == (201, "undone", made["id"])
    assert len(posts(dateline)) == 2


# Undo


def test_undo_cancels_what_has_not_published_names_what_has_and_gives_the_rest_back(dateline: Dateline) -> None:
    noon = queue(dateline)
    plan = {"pendingTargets": 10, "scheduledTargetsPerMonth": {"limit": 100, "scope": "profile"}, "minSpacingMinutes": 5}
    settings(dateline, plan=plan)
    rows = [
        row(0, "prof_x", scheduledFor=rfc3339(START + timedelta(minutes=30))), row(1, publishNow=True),
        row(2, "prof_telegram", queueId=noon), row(10, "prof_x", "prof_bluesky"), row(4, at=None),
    ]
    made = imported(dateline, rows)
    ids = [one["id"] for one in made["rows"]]
    dateline.stack.run_for(timedelta(minutes=40))
    ended = undo(dateline, made["id"])
    assert (ended["status"], ended["cancelled"], ended["kept"]) == ("undone", 3, sorted(ids[:2]))
    assert [dateline.read(id)["status"] for id in ids] == ["published", "published", "cancelled", "cancelled", "cancelled"]
    assert counters(dateline)["pendingTargets", "workspace"] == 0
    assert dateline.stack.schedules() == [] and unfinished() == []
    check_books(dateline)
    with nothing_written(dateline):
        assert undo(dateline, made["id"]) == ended
    assert told(dateline, made["id"]) == ended
    assert imported(dateline, [{**one, "text": "Again " + one["text"]} for one in rows[2:]])["created"] == 3


def test_undo_takes_posts_that_were_edited_since_as_well(dateline: Dateline) -> None:
    made = imported(dateline, some(3))
    first, second, third = (one["id"] for one in made["rows"])
    dateline.api("PATCH", f"/v1/posts/{first}", {"scheduledFor": rfc3339(TOMORROW + timedelta(days=9)), "text": "Later"})
    dateline.api("DELETE", f"/v1/posts/{second}")
    dateline.api("POST", f"/v1/posts/{third}/publish", {}, headers={"prefer": "respond-async"})
    ended = undo(dateline, made["id"])
    assert {dateline.read(id)["status"] for id in (first, second, third)} == {"cancelled"}, "queued can still be cancelled"
    assert (ended["cancelled"], ended["kept"]) == (3, [])
    dateline.clock.advance(timedelta(days=11))
    dateline.stack.run_for(timedelta(minutes=5))
    assert dateline.world.seen() == []


# Export


def test_an_export_imports_back_to_the_same_posts_with_every_column_in_use(dateline: Dateline) -> None:
    first = imported(dateline, EVERY_SHAPE)
    exported = dateline.api("GET", "/v1/posts/export.csv?status=scheduled,draft")
    assert exported.status == 200 and exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert exported.body.decode().partition("\r\n")[0].split(",") == [column.name for column in COLUMNS]
    before = {dateline.read(one["id"])["text"] or "thread": alike(dateline.read(one["id"])) for one in first["rows"]}
    undo(dateline, first["id"])
    second = imported(dateline, exported.body)
    again = [dateline.read(one["id"]) for one in second["rows"]]
    assert {post["text"] or "thread": alike(post) for post in again} == before
    assert not {post["id"] for post in again} & {one["id"] for one in first["rows"]}
    undo(dateline, second["id"])
    third = imported(dateline, dateline.api("GET", "/v1/posts/export.csv?status=cancelled&order=asc").body, "?onError=skip")
    assert third["created"] > 0, "what was cancelled can be had again from an export"


def test_every_column_but_the_queues_is_in_use_in_that_export(dateline: Dateline) -> None:
    imported(dateline, EVERY_SHAPE)
    found = list(csv.DictReader(io.StringIO(dateline.api("GET", "/v1/posts/export.csv").body.decode(), newline="")))
    assert {name for one in found for name, cell in one.items() if cell} == {c.name for c in COLUMNS} - {"queue_id"}


def test_a_post_of_a_queue_is_exported_with_its_time(dateline: Dateline) -> None:
    made = imported(dateline, [row(0, queueId=queue(dateline))])
    exported = dateline.api("GET", "/v1/posts/export.csv").body
    undo(dateline, made["id"])
    assert imported(dateline, exported)["rows"][0]["publishAt"] == made["rows"][0]["publishAt"]


def test_an_export_has_the_filters_of_the_list(dateline: Dateline) -> None:
    imported(dateline, [*some(10), *some(10, "prof_x"), row(99, at=None)])
    soon = rfc3339(TOMORROW + timedelta(minutes=5))
    filters = {"profileId=prof_x": 10, f"platform=mastodon&to={soon}": 6, f"from={soon}": 10, "status=draft": 1}
    for query, lines in filters.items():
        found = dateline.api("GET", f"/v1/posts/export.csv?{query}").body.decode().split("\r\n")
        assert len(found) == 1 + lines + 1, query
    assert dateline.api("GET", "/v1/posts/export.csv?status=failed").body.count(b"\r\n") == 1
    for wrong, pointer in (("status=nothing", "/status"), ("cursor=nothing", "/cursor"), ("limit=5", "/limit")):
        refused(dateline.api("GET", f"/v1/posts/export.csv?{wrong}"), "invalid_request", pointer)


def test_an_export_is_never_larger_than_what_can_be_imported(dateline: Dateline) -> None:
    """A hundred posts of 60 KB are more than one answer takes: it is cut, and goes on where it was cut."""
    long = ["x" * 60_000 + str(n) for n in range(100)]
    for start in (0, 50):
        imported(dateline, [{"text": text} for text in long[start : start + 50]])
        dateline.clock.advance(timedelta(seconds=1))
    found: list[str] = []
    cursor = ""
    for _ in range(10):
        page = dateline.api("GET", f"/v1/posts/export.csv?{cursor}")
        assert len(page.body) <= 4_000_000 and page.body.count(b"\r\n") > 1
        found += [line.split(",")[0] for line in page.body.decode().split("\r\n")[1:-1]]
        cursor = "cursor=" + page.headers.get("x-next-cursor", "")
        if "x-next-cursor" not in page.headers:
            break
    assert sorted(found) == sorted(long)
