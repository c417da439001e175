"""Sentences of the contract about bulk requests, one by one, over the real handlers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain.instants import rfc3339
from local.stack import Answer
from tests.api_checks import nothing_written, refused
from tests.harness import START, Dateline
from tests.integration.usage_checks import Tenant, check_usage

HEADER = "text,profile_ids,scheduled_for,labels\n"


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def at(**ahead: float) -> str:
    return rfc3339(START + timedelta(**ahead))


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"text": f"Number {number}", "profileIds": ["prof_mastodon"], "scheduledFor": at(days=1, minutes=number), **more}


def send(dateline: Dateline, rows: Any, query: str = "", kind: str | None = None) -> Answer:
    """A bulk request: text is CSV unless `kind` says otherwise."""
    kind = kind or ("text/csv" if isinstance(rows, str | bytes) else "application/json")
    return dateline.api("POST", f"/v1/posts/bulk{query}", rows, headers={"content-type": kind})


def test_an_import_answers_for_every_row_from_json_and_from_csv(dateline: Dateline) -> None:
    csv = HEADER + f'"One, with a\nline break",prof_x;prof_mastodon,{at(days=1)},a;b\\;c\nA draft,,,\n'
    from_csv, from_json = send(dateline, csv), send(dateline, [row(1), {"text": "A draft"}])
    for answer in (from_csv, from_json):
        made = answer.json()
        assert (answer.status, made["status"], made["created"], made["failed"]) == (201, "done", 2, 0)
        assert answer.headers["location"] == f"/v1/bulk/{made['id']}"
        assert [(one["row"], one["status"], one["errors"]) for one in made["rows"]] == [(1, "scheduled", []), (2, "draft", [])]
    post = dateline.read(from_csv.json()["rows"][0]["id"])
    assert (post["text"], post["labels"], len(post["targets"])) == ("One, with a\nline break", ["a", "b;c"], 2)
    dateline.clock.advance_to(START + timedelta(hours=23, minutes=58))
    dateline.stack.run_for(timedelta(minutes=5))
    assert sorted(entry.text for entry in dateline.world.seen("mastodon")) == ["Number 1", "One, with a\nline break"]


def test_a_dry_run_plans_and_writes_nothing(dateline: Dateline) -> None:
    rows = [row(1), row(2, profileIds=["prof_nobody"])]
    with nothing_written(dateline):
        answer = send(dateline, rows, "?dryRun=true")
    plan = answer.json()
    assert (answer.status, plan["status"], plan["dryRun"], plan["created"], plan["failed"]) == (200, "planned", True, 1, 1)
    assert [(one["id"], one["publishAt"]) for one in plan["rows"]] == [(None, at(days=1, minutes=1)), (None, None)]
    assert [(e["code"], e["pointer"], e["row"]) for e in plan["rows"][1]["errors"]] == [("not_found", "/1/profileIds/0", 2)]


def test_one_bad_row_stops_all_of_them_unless_it_is_to_be_skipped(dateline: Dateline) -> None:
    csv = HEADER + f"Good,prof_mastodon,{at(days=1)},\nBad,prof_mastodon,yesterday,\nLong,prof_x,{at(days=1)},\n".replace(
        "Long", "a" * 300
    )
    for query in ("", "?onError=abort"):
        with nothing_written(dateline):
            problem = refused(send(dateline, csv, query), "invalid_time", "/1/scheduledFor")
        assert problem["detail"].startswith("Row 2: ") and "Nothing was written" in problem["detail"]
        assert [(e["row"], e["column"], e["code"]) for e in problem["errors"]] == [
            (2, "scheduled_for", "invalid_time"), (3, "text", "x.text.too_long"),
        ]
    made = send(dateline, csv, "?onError=skip").json()
    assert (made["created"], made["failed"]) == (1, 2)
    assert [(bool(one["id"]), bool(one["errors"])) for one in made["rows"]] == [(True, False), (False, True), (False, True)]


def test_rows_of_one_time_are_spread_by_staggering(dateline: Dateline) -> None:
    same = {"scheduledFor": at(days=1)}
    rows = [row(1, **same), row(2, **same), row(3, **same, profileIds=["prof_x"]), row(4, **same), row(5)]
    made = send(dateline, rows, "?staggerMinutes=7").json()
    assert [one["publishAt"] for one in made["rows"]] == [
        at(days=1), at(days=1, minutes=7), at(days=1), at(days=1, minutes=14), at(days=1, minutes=5),
    ], "each profile for itself"


def test_an_import_is_held_to_the_plan_as_a_whole(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"name": "Two", "pendingTargets": 2})
    profile = shop.profile()
    bodies = [shop.body(profile, at=shop.soon(days=1, hours=n)) for n in range(3)]
    with nothing_written(dateline):
        problem = shop.api("POST", "/v1/posts/bulk", bodies).json()
    assert (problem["code"], problem["metric"], problem["limit"], problem["used"]) == ("limit_exceeded", "pendingTargets", 2, 2)
    assert problem["detail"].startswith("Row 3: ")
    assert shop.api("POST", "/v1/posts/bulk?onError=skip", bodies).json()["created"] == 2
    assert shop.usage("pendingTargets")["used"] == 2
    check_usage(dateline, only=shop.id)


def test_an_import_can_be_looked_at_and_undone_but_for_what_is_out(dateline: Dateline) -> None:
    rows = [{"text": "Now", "profileIds": ["prof_mastodon"], "publishNow": True}, row(1), row(2), {"text": "A draft"}]
    made = send(dateline, rows).json()
    dateline.stack.settle(timers=False)
    assert dateline.api("GET", f"/v1/bulk/{made['id']}").json()["created"] == 4
    answer = dateline.api("DELETE", f"/v1/bulk/{made['id']}")
    undone = answer.json()
    ids = [one["id"] for one in made["rows"]]
    assert (answer.status, undone["status"], undone["cancelled"], undone["kept"]) == (200, "undone", 3, ids[:1]), undone
    assert [dateline.read(id)["status"] for id in ids] == ["published", "cancelled", "cancelled", "cancelled"]
    with nothing_written(dateline):
        assert dateline.api("DELETE", f"/v1/bulk/{made['id']}").json() == undone
        for path in ("bulk_none", "post_1", made["id"] + "x"):
            refused(dateline.api("GET", f"/v1/bulk/{path}"), "not_found")
            refused(dateline.api("DELETE", f"/v1/bulk/{path}"), "not_found")
    other = dateline.second_workspace()
    refused(dateline.api("GET", f"/v1/bulk/{made['id']}", key=other), "not_found")


def test_an_export_can_be_imported_again(dateline: Dateline) -> None:
    kept = {
        "text": 'Line one\nline "two"; =SUM(A1)', "profileIds": ["prof_mastodon", "prof_x"],
        "scheduledFor": "2027-06-20T09:00:00", "timezone": "Europe/Berlin", "labels": ["a;b", "c"], "metadata": {"crmId": "42"},
        "firstComment": "And more",
        "platforms": {"mastodon": {"visibility": "unlisted"}},
        "media": [{"url": "https://cdn.example.com/a.jpg", "type": "image", "altText": "A; B"}],
    }
    thread = {"thread": [{"text": "1"}, {"text": "2", "media": []}], "profileIds": ["prof_bluesky"]}
    posts = [dateline.api("POST", "/v1/posts", body).json() for body in (kept, thread)]
    answer = dateline.api("GET", "/v1/posts/export.csv?order=asc")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/csv")
    for post in posts:
        assert dateline.api("DELETE", f"/v1/posts/{post['id']}").status == 200
    made = send(dateline, answer.body).json()
    again = {post["text"]: post for post in (dateline.read(one["id"]) for one in made["rows"])}
    for before in posts:
        after = again[before["text"]]
        for name in (*kept.keys() - {"profileIds"}, "thread", "publishAt"):
            assert after.get(name) == before.get(name), name
        assert [t["profileId"] for t in after["targets"]] == [t["profileId"] for t in before["targets"]]


def test_a_csv_that_cannot_be_read_is_refused_with_its_line(dateline: Dateline) -> None:
    for csv, said in (
        (HEADER + 'Hello,"prof_x,,\n', "line 2"), ("text,labl\nHello,a\n", "'labl'"), ("", "empty"),
        (b"text\n\xff\xfe\n", "UTF-8"),
    ):
        with nothing_written(dateline):
            answer = send(dateline, csv)
        problem = answer.json()
        assert (answer.status, problem["code"]) == (400, "invalid_request") and said in problem["detail"], problem


def test_a_bulk_body_may_have_four_megabytes_and_no_more(dateline: Dateline) -> None:
    csv = "text\n" + f"{'a' * 60_000}\n" * 66
    csv += "b" * (4_000_000 - len(csv))
    assert send(dateline, csv, "?dryRun=true").json()["created"] == 67
    with nothing_written(dateline):
        refused(send(dateline, csv + "b"), "too_large", limit=4_000_000)
        refused(send(dateline, json.dumps([{"text": "a" * 4_000_000}]), kind="application/json"), "too_large", limit=4_000_000)


def test_bulk_takes_json_and_csv_and_nothing_else(dateline: Dateline) -> None:
    for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x"):
        with nothing_written(dateline):
            refused(send(dateline, "text\nHello\n", kind=kind), "unsupported_media_type")
    assert send(dateline, "text\nHello\n", "?dryRun=true", kind="Text/CSV; charset=utf-8").status == 200
