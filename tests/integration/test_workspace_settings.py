"""PATCH /v1/workspace: what a workspace sets for all its posts, one member at a time, seen at once and never lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest

from dateline import wiring
from local.seed import LIVE_KEY, TEST_KEY
from local.stack import Answer, Phase
from tests.api_checks import mint, nothing_written, refused
from tests.harness import START, Dateline
from tests.integration.scene import interrupted


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def patch(dateline: Dateline, sent: Any, **how: Any) -> Answer:
    return dateline.api("PATCH", "/v1/workspace", sent, **how)


def test_each_member_can_be_set_alone_and_taken_back(dateline: Dateline) -> None:
    before = dateline.api("GET", "/v1/workspace").json()
    assert (before["paused"], before["timezone"]) == (False, None)
    everything = {
        "name": "Acme", "timezone": "Europe/Berlin", "approvalsRequired": True, "minSpacingMinutes": 30, "maxLateness": "PT6H",
        "onLate": "fail",
    }
    shown: dict[str, Any] = before
    for name, value in everything.items():
        answer = patch(dateline, {name: value})
        assert answer.status == 200, answer.body
        inside = {**shown["settings"], **({name: value} if name in shown["settings"] else {})}
        shown = {**shown, name: value, "settings": inside}
        assert answer.json() == shown == dateline.api("GET", "/v1/workspace").json()
    assert patch(dateline, {**dict.fromkeys(everything), "name": before["name"]}).json() == before


def test_what_the_answer_shows_in_settings_may_be_sent_there(dateline: Dateline) -> None:
    shown = patch(dateline, {"settings": {"minSpacingMinutes": 7, "onLate": "draft"}}).json()
    assert (shown["minSpacingMinutes"], shown["settings"]["minSpacingMinutes"], shown["onLate"]) == (7, 7, "draft")
    with nothing_written(dateline):
        refused(patch(dateline, {"settings": {}}), "invalid_request", "")
        refused(patch(dateline, {"settings": {"paused": True}}), "invalid_request", "/settings/paused")
        twice = patch(dateline, {"onLate": "fail", "settings": {"onLate": "draft"}})
        refused(twice, "invalid_request", "/settings/onLate")
    assert patch(dateline, {"settings": {"minSpacingMinutes": None, "onLate": None}}).json()["settings"]["onLate"] == "publish"


def test_settings_are_what_posts_get_that_say_nothing_else(dateline: Dateline) -> None:
    patch(dateline, {"timezone": "Europe/Berlin", "maxLateness": "PT6H", "onLate": "draft"})
    post = dateline.post("prof_mastodon", scheduledFor="2027-06-16T09:00:00")
    assert (post["publishAt"], post["maxLateness"], post["onLate"]) == ("2027-06-16T07:00:00Z", "PT6H", "draft")
    own = dateline.post("prof_mastodon", scheduledFor="2027-06-16T09:00:00Z", onLate="publish")
    assert (own["publishAt"], own["onLate"], own["maxLateness"]) == ("2027-06-16T09:00:00Z", "publish", "PT6H")


def test_settings_are_seen_at_once_by_the_process_that_changed_them(dateline: Dateline) -> None:
    assert dateline.api("GET", "/v1/workspace").status == 200  # the handler is loaded, and has its own dependencies
    wiring.deps().settings.auth_cache = 60
    sent = {"text": "x", "profileIds": ["prof_x"], "scheduledFor": "2027-06-16T09:00:00"}
    refused(dateline.api("POST", "/v1/posts", sent), "timezone_required", "/scheduledFor")
    patch(dateline, {"timezone": "America/New_York"})
    assert dateline.api("POST", "/v1/posts", sent).json()["publishAt"] == "2027-06-16T13:00:00Z"


BAD: dict[str, tuple[Any, str, str]] = {
    "nothing": ({}, "invalid_request", ""),
    "an unknown member": ({"plan": {"name": "unlimited"}}, "invalid_request", "/plan"),
    "a zone that does not exist": ({"timezone": "Europe/Berln"}, "unknown_timezone", "/timezone"),
    "an offset as a zone": ({"timezone": "+02:00"}, "unknown_timezone", "/timezone"),
    "less than no spacing": ({"minSpacingMinutes": -1}, "invalid_request", "/minSpacingMinutes"),
    "a spacing of more than a day": ({"minSpacingMinutes": 1441}, "invalid_request", "/minSpacingMinutes"),
    "half a minute": ({"minSpacingMinutes": 0.5}, "invalid_request", "/minSpacingMinutes"),
    "a duration in words": ({"maxLateness": "an hour"}, "invalid_request", "/maxLateness"),
    "no lateness at all": ({"maxLateness": "PT0S"}, "invalid_request", "/maxLateness"),
    "an unknown policy": ({"onLate": "shrug"}, "invalid_request", "/onLate"),
    "a truth in words": ({"approvalsRequired": "yes"}, "invalid_request", "/approvalsRequired"),
    "an empty name": ({"name": ""}, "invalid_request", "/name"),
    "one good and one bad": ({"name": "Acme", "onLate": "never"}, "invalid_request", "/onLate"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_set_changes_nothing(dateline: Dateline, name: str) -> None:
    sent, code, pointer = BAD[name]
    with nothing_written(dateline):
        refused(patch(dateline, sent), code, pointer)


def test_only_a_live_key_with_the_scope_admin_may(dateline: Dateline) -> None:
    every_other = mint(dateline, "posts:read", "posts:write", "posts:publish", "profiles:write")
    with nothing_written(dateline):
        refused(patch(dateline, {"onLate": "fail"}, key=every_other), "forbidden", requiredScope="admin")
        refused(patch(dateline, {"onLate": "fail"}, key=TEST_KEY), "forbidden", requiredScope="admin")
    assert patch(dateline, {"onLate": "fail"}, key=mint(dateline, "admin")).status == 200
    assert dateline.api("GET", "/v1/workspace", key=TEST_KEY).json()["settings"]["onLate"] == "fail", "both sides share them"


def test_two_who_write_at_once_both_have_their_way(dateline: Dateline) -> None:
    met: list[int] = []

    def hook(service: str, operation: str, phase: Phase) -> None:
        if (service, operation, phase) == ("dynamodb", "PutItem", "before") and len(met) < 3:
            met.append(0)
            Context().run(dateline.deps.workspaces.change_settings, "wks_local", {"name": f"Acme {len(met)}"})

    interrupted(dateline, hook, lambda: patch(dateline, {"onLate": "fail"}))
    seen = dateline.api("GET", "/v1/workspace").json()
    assert (seen["name"], seen["settings"]["onLate"], len(met)) == ("Acme 3", "fail", 3)


def test_a_change_does_not_undo_what_another_process_replaced(dateline: Dateline) -> None:
    met: list[int] = []

    def hook(service: str, operation: str, phase: Phase) -> None:
        if (service, operation, phase) == ("dynamodb", "PutItem", "before") and not met:
            met.append(0)
            workspaces = dateline.deps.workspaces
            Context().run(workspaces.save_settings, "wks_local", {"name": "Acme", "plan": {"name": "starter"}})

    interrupted(dateline, hook, lambda: patch(dateline, {"onLate": "fail"}))
    seen = dateline.api("GET", "/v1/workspace").json()
    assert (seen["plan"], seen["settings"]["onLate"]) == ({"name": "starter"}, "fail")


def test_a_repeated_change_is_made_once(dateline: Dateline) -> None:
    first = patch(dateline, {"onLate": "fail"}, headers={"idempotency-key": "set-1"})
    patch(dateline, {"onLate": "draft"})
    with nothing_written(dateline):
        again = patch(dateline, {"onLate": "fail"}, headers={"idempotency-key": "set-1"})
        refused(patch(dateline, {"onLate": "draft"}, headers={"idempotency-key": "set-1"}), "idempotency_conflict")
    assert (again.status, again.json(), again.headers["idempotency-replayed"]) == (200, first.json(), "true")
    assert dateline.api("GET", "/v1/workspace").json()["settings"]["onLate"] == "draft"


def test_settings_of_one_workspace_are_nothing_to_another(dateline: Dateline) -> None:
    other = dateline.second_workspace()
    patch(dateline, {"onLate": "fail", "timezone": "Asia/Tokyo"})
    seen = dateline.api("GET", "/v1/workspace", key=other).json()
    assert (seen["settings"]["onLate"], seen["timezone"], seen["name"]) == ("publish", None, "Other")


def test_posts_that_stand_keep_what_they_were_written_with(dateline: Dateline) -> None:
    post = dateline.post("prof_x", at=START + timedelta(days=1))
    patch(dateline, {"maxLateness": "PT1M", "onLate": "fail"}, key=LIVE_KEY)
    seen = dateline.read(post["id"])
    assert (seen["maxLateness"], seen["onLate"]) == (post["maxLateness"], "publish")
