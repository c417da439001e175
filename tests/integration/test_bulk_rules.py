"""What a workspace's plan, calendars, queues and other posts ask of the rows of a bulk request: the rules of a single create,
with the rows before each row counted in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain.instants import rfc3339
from local.seed import WORKSPACE
from tests.api_checks import nothing_written, refused
from tests.harness import START, Dateline
from tests.integration.bulk_scene import TOMORROW, check_books, imported, plain, queue, row, send, settings, some, texts
from tests.integration.scene import PICTURE, connect


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def test_limits_count_row_by_row_and_each_row_that_exceeds_them_says_so(dateline: Dateline) -> None:
    dateline.post("prof_x", at=TOMORROW)
    rows = [row(0), row(1, "prof_x", "prof_bluesky"), row(2), row(3), row(4, at=None)]
    plans: list[tuple[dict[str, Any], list[str], dict[str, Any]]] = [
        ({"pendingTargets": 3}, ["/2", "/3"], {"limit": 3, "used": 3, "remaining": 0, "resetsAt": None}),
        ({"scheduledTargetsPerMonth": 3}, ["/2", "/3"], {"resetsAt": "2027-07-01T00:00:00Z"}),
        ({"targetsPerMonth": 0}, ["/0", "/1", "/2", "/3"], {"limit": 0}),
        ({"pendingTargets": {"limit": 1, "scope": "profile"}}, ["/2", "/3"], {"profileId": "prof_mastodon", "used": 1}),
    ]
    for plan, bad, said in plans:
        settings(dateline, plan=plan)
        with nothing_written(dateline):
            problem = refused(send(dateline, rows), "limit_exceeded", f"{bad[0]}/profileIds")
            assert plain(problem) == [(f"{pointer}/profileIds", "limit_exceeded") for pointer in bad]
            assert {**problem["errors"][0], **said} == problem["errors"][0]
            assert [one["row"] for one in send(dateline, rows, "?dryRun=true").json()["rows"] if one["errors"]] == [
                int(pointer[1:]) + 1 for pointer in bad
            ]
    settings(dateline, plan={"pendingTargets": 3})
    assert imported(dateline, rows, "?onError=skip")["created"] == 3
    check_books(dateline)


def test_a_month_that_was_used_up_by_an_import_is_not_given_back_by_its_undo(dateline: Dateline) -> None:
    settings(dateline, plan={"scheduledTargetsPerMonth": 4, "pendingTargets": 4})
    made = imported(dateline, some(4))
    dateline.api("DELETE", f"/v1/bulk/{made['id']}")
    refused(send(dateline, some(1, text="More")), "limit_exceeded", "/0/profileIds", metric="scheduledTargetsPerMonth")


def test_spacing_holds_within_the_file_and_against_what_is_booked(dateline: Dateline) -> None:
    settings(dateline, min_spacing_minutes=10)
    dateline.post("prof_x", at=TOMORROW)
    rows = [row(5, "prof_x"), row(5), row(14), row(15), row(24, "prof_mastodon", "prof_x")]
    with nothing_written(dateline):
        problem = refused(send(dateline, rows), "too_close", "/0/scheduledFor", minSpacingMinutes=10)
    assert [(e["pointer"], e["profileId"], e["nextFreeAt"]) for e in problem["errors"]] == [
        ("/0/scheduledFor", "prof_x", rfc3339(TOMORROW + timedelta(minutes=10))),
        ("/2/scheduledFor", "prof_mastodon", rfc3339(TOMORROW + timedelta(minutes=15))),
        ("/4/scheduledFor", "prof_mastodon", rfc3339(TOMORROW + timedelta(minutes=25))),
    ]
    assert imported(dateline, rows, "?onError=skip")["created"] == 2
    check_books(dateline)


def test_a_profiles_daily_cap_holds_within_the_file_and_against_what_is_booked(dateline: Dateline) -> None:
    dateline.api("PATCH", "/v1/profiles/prof_bluesky", {"settings": {"dailyPosts": 4}})
    dateline.post("prof_bluesky", at=TOMORROW - timedelta(hours=1))
    rows = [row(n, "prof_bluesky") for n in range(5)] + [row(24 * 60, "prof_bluesky"), row(0)]
    with nothing_written(dateline):
        said = {"platform": "bluesky", "limit": 4, "window": "PT24H"}
        problem = refused(send(dateline, rows), "platform_daily_limit", "/3/scheduledFor", **said)
    assert [e["pointer"] for e in problem["errors"]] == ["/3/scheduledFor", "/4/scheduledFor"]
    assert imported(dateline, rows, "?onError=skip")["created"] == 5
    check_books(dateline)


def test_duplicates_are_found_within_the_file_and_against_what_is_there(dateline: Dateline) -> None:
    there = dateline.post("prof_x", text="Said before", at=TOMORROW, allowDuplicate=False)["id"]
    gone = dateline.post("prof_x", text="Taken back", at=TOMORROW, allowDuplicate=False)["id"]
    dateline.api("DELETE", f"/v1/posts/{gone}")
    rows = [
        row(1, "prof_x", text="Said before"), row(2, "prof_mastodon", text="Said before"), row(3, text="Twice"),
        row(4, "prof_mastodon", "prof_x", text="Twice"), row(3 + 24 * 60, text="Twice"), row(5, "prof_x", text="Taken back"),
        row(6, "prof_x", text="Taken back"), row(7, text="Twice", allowDuplicate=True), row(8, at=None, text="Twice"),
    ]
    with nothing_written(dateline):
        problem = refused(send(dateline, rows), "duplicate_content", "/0/profileIds/0", postId=there, profileId="prof_x")
    assert [e["pointer"] for e in problem["errors"]] == ["/0/profileIds/0", "/3/profileIds/0", "/6/profileIds/0"]
    made = imported(dateline, rows, "?onError=skip")
    assert made["created"] == 6
    with nothing_written(dateline):
        again = refused(send(dateline, [row(9, "prof_x", text="Taken back")]), "duplicate_content", "/0/profileIds/0")
    assert again["postId"] == made["rows"][5]["id"]
    check_books(dateline)


def test_a_file_that_is_sent_again_is_refused_row_by_row_with_few_calls(dateline: Dateline) -> None:
    rows = some(150, "prof_mastodon", "prof_x")
    imported(dateline, rows)
    with nothing_written(dateline), dateline.stack.counting() as calls:
        problem = refused(send(dateline, rows), "duplicate_content", "/0/profileIds/0")
    assert {error["row"] for error in problem["errors"]} == set(range(1, 151))
    assert sum(calls.values()) < 15


def test_a_plan_refuses_platforms_also_to_drafts_and_times_beyond_its_horizon(dateline: Dateline) -> None:
    settings(dateline, plan={"name": "Starter", "excludedPlatforms": ["x"], "horizonDays": 7})
    rows = [row(0, "prof_mastodon", "prof_x", at=None), row(1), row(2, at=START + timedelta(days=8)), row(3, "prof_x")]
    with nothing_written(dateline):
        problem = refused(send(dateline, rows), "platform_not_allowed", "/0/profileIds/1", platform="x")
    assert plain(problem) == [
        ("/0/profileIds/1", "platform_not_allowed"), ("/2/scheduledFor", "limit_exceeded"),
        ("/3/profileIds/0", "platform_not_allowed"),
    ]
    late = queue(dateline, time="09:30", blackoutDates=[(START + timedelta(days=n)).date().isoformat() for n in range(7)])
    with nothing_written(dateline):
        refused(send(dateline, [row(0, queueId=late)]), "limit_exceeded", "/0/queueId", metric="horizonDays")


def test_times_without_a_zone_are_the_workspaces(dateline: Dateline) -> None:
    file = "text,profile_ids,scheduled_for\na,prof_x,2027-06-16T09:00:00\n"
    with nothing_written(dateline):
        refused(send(dateline, file), "timezone_required", "/0/scheduledFor")
    dateline.deps.workspaces.save_settings(WORKSPACE, {"timezone": "Asia/Kolkata"})
    assert imported(dateline, file)["rows"][0]["publishAt"] == "2027-06-16T03:30:00Z"


def test_warnings_are_told_with_the_row(dateline: Dateline) -> None:
    zoned = row(0, scheduledFor="2027-06-16T09:00:00Z", timezone="Europe/Berlin")
    rows = [zoned, row(1), row(2, "prof_x", at=None, text="x" * 300)]
    found = [[warning["code"] for warning in one["warnings"]] for one in imported(dateline, rows)["rows"]]
    assert found == [["z_with_timezone"], [], ["x.text.too_long"]]


def test_an_answer_stays_below_what_lambda_takes_however_much_is_wrong(dateline: Dateline) -> None:
    rubbish = [{f"no_such_member_{number}_{n}": 1 for n in range(60)} for number in range(1000)]
    for query in ("", "?dryRun=true"):
        with nothing_written(dateline):
            answer = send(dateline, rubbish, query)
        assert answer.status == (200 if query else 400) and len(answer.body) < 5_900_000
    errors = [send(dateline, rubbish, "?dryRun=true").json()["rows"][n]["errors"] for n in (0, 999)]
    assert [len(one) for one in errors] == [5, 5] and errors[1][-1]["detail"] == "And 56 more of this row."
    with nothing_written(dateline):
        assert len(send(dateline, [{"x" * 3_900_000: 1}]).body) < 10_000
    three = ("prof_x", "prof_bluesky", "prof_mastodon")
    drafts = [row(n, *three, at=None, text="日" * 550, media=[{"url": PICTURE}] * 9) for n in range(1000)]
    assert len(imported(dateline, drafts)["rows"][0]["warnings"]) <= 5
    assert len(texts(dateline)) == 1000


def test_more_times_than_can_be_reserved_before_the_answer_is_due_are_refused_at_once(dateline: Dateline) -> None:
    profiles = [connect(dateline, "telegram") for _ in range(11)]
    rows = some(1000, *profiles, every=5)
    settings(dateline, plan={"minSpacingMinutes": 5})
    for query in ("", "?onError=skip", "?dryRun=true"):
        with nothing_written(dateline):
            problem = refused(send(dateline, rows, query), "invalid_request", limit=10_000, times=11_000)
            assert problem["detail"].endswith("in parts.")


def test_a_thousand_rows_that_say_another_thing_on_each_network_are_all_looked_up(dateline: Dateline) -> None:
    """Two contents a row: more keys than one read takes in twenty calls."""
    rows = [row(n, "prof_mastodon", "prof_x", platforms={"x": {"text": f"On X {n}"}}) for n in range(1000)]
    planned = send(dateline, rows, "?dryRun=true")
    assert (planned.status, planned.json()["created"]) == (200, 1000)
