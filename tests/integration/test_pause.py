"""A paused profile: what comes due on it is held, visibly and without an attempt, until it is resumed or its time is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest

from dateline.api import meta
from dateline.domain import retry
from dateline.domain.post import Target
from dateline.domain.profile import resume
from local.seed import TEST_KEY
from local.stack import Crash, Phase
from tests.api_checks import nothing_written, refused
from tests.harness import START, Dateline
from tests.integration.scene import (
    at_rest,
    check_against_ledger,
    interrupted,
    make,
    post_of,
    pump_crashing,
    rest,
    shown,
    target_of,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def switch(dateline: Dateline, paused: bool, profile: str = "prof_mastodon") -> dict[str, Any]:
    answer = dateline.api("PATCH", f"/v1/profiles/{profile}", {"paused": paused})
    assert answer.status == 200, answer.body
    view: dict[str, Any] = answer.json()
    return view


def switch_all(dateline: Dateline, paused: bool) -> dict[str, Any]:
    answer = dateline.api("PATCH", "/v1/workspace", {"paused": paused})
    assert answer.status == 200, answer.body
    view: dict[str, Any] = answer.json()
    return view


def held(dateline: Dateline, **more: Any) -> tuple[str, list[str]]:
    """A post that came due on Mastodon while it was paused."""
    switch(dateline, True)
    made = make(dateline, "mastodon", "text", **more)
    dateline.stack.settle(timers=False)
    assert target_of(dateline, made[0]).status == "held"
    return made


def code_of(target: Target) -> str | None:
    return (target.error or {}).get("code")


def uploaded(dateline: Dateline) -> int:
    return sum(path.endswith("/media") for _, method, path in dateline.world.requests if method == "POST")


def kinds(dateline: Dateline, post_id: str) -> list[str]:
    return [event["type"] for event in dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]]


# Holding

def test_a_paused_profile_holds_what_comes_due_and_the_others_go_out(dateline: Dateline) -> None:
    assert switch(dateline, True)["paused"] is True
    post = dateline.post("prof_mastodon", "prof_bluesky", text="Half of it", at=START + HOUR)
    dateline.stack.run_for(2 * HOUR)
    seen = dateline.read(post["id"])
    mastodon, bluesky = seen["targets"]
    assert (seen["status"], mastodon["status"], bluesky["status"]) == ("publishing", "held", "published")
    assert (mastodon["attempts"], mastodon["nextAttemptAt"]) == (0, None)
    assert mastodon["error"]["code"] == "profile_paused" and "2027-07-15T10:00:00Z" in mastodon["error"]["detail"]
    assert dateline.api("GET", f"/v1/posts/{post['id']}/attempts").json()["data"][0]["profileId"] == "prof_bluesky"
    assert len(shown(dateline, ["Half of it"])[0]) == 1
    assert switch(dateline, False)["paused"] is False
    dateline.stack.settle(timers=False)
    seen = dateline.read(post["id"])
    assert (seen["status"], seen["targets"][0]["attempts"], seen["targets"][0]["error"]) == ("published", 1, None)
    assert len(shown(dateline, ["Half of it"])[0]) == 2
    assert "target.held" in kinds(dateline, post["id"]) and "target.queued" in kinds(dateline, post["id"])


def test_a_post_of_which_nothing_began_can_still_be_edited_and_cancelled_while_it_is_held(dateline: Dateline) -> None:
    first, second = held(dateline), held(dateline)
    assert dateline.read(first[0])["status"] == dateline.read(second[0])["status"] == "queued"
    edited = dateline.api("PATCH", f"/v1/posts/{first[0]}", {"text": "Better words"})
    assert (edited.status, edited.json()["status"]) == (200, "scheduled"), edited.body
    cancelled = dateline.api("DELETE", f"/v1/posts/{second[0]}").json()
    (target,) = cancelled["targets"]
    assert (cancelled["status"], target["status"], target["error"]) == ("cancelled", "cancelled", None)
    dateline.stack.run_for(10 * MINUTE)
    assert target_of(dateline, first[0]).status == "held", "the edited one is held again"
    switch(dateline, False)
    dateline.stack.run_for(HOUR)
    assert [len(entries) for entries in shown(dateline, [first[1][0], "Better words", second[1][0]])] == [0, 1, 0]


def test_a_post_can_be_moved_to_another_time_while_it_is_held(dateline: Dateline) -> None:
    post_id, texts = held(dateline)
    later = dateline.api("PATCH", f"/v1/posts/{post_id}", {"scheduledFor": (START + DAY).isoformat()}).json()
    assert (later["status"], later["targets"][0]["status"]) == ("scheduled", "scheduled")
    switch(dateline, False)
    dateline.stack.run_for(HOUR)
    assert shown(dateline, texts) == [[]]
    dateline.clock.advance_to(START + DAY)
    dateline.stack.run_for(MINUTE)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_held_posts_are_no_alarm_and_no_work(dateline: Dateline) -> None:
    switch(dateline, True)
    for _ in range(20):
        make(dateline, "mastodon", "text", at=START + MINUTE)
    dateline.stack.run_for(2 * MINUTE)
    looks = {post_of(dateline, post_id).due_at for post_id in dateline.deps.posts.due(START + 400 * DAY)}
    assert len(looks) == 20 and all(look and START + 6 * HOUR <= look <= START + 13 * HOUR for look in looks), "late, and spread"
    for _ in range(5):
        dateline.stack.run_for(HOUR)
        meta.forget()
        health = dateline.api("GET", "/health", key=None).json()
        assert (health["status"], health["overdueSeconds"]) == ("ok", 0.0)
        with dateline.stack.counting() as calls:
            assert dateline.stack.sweep().value["seen"] == 0
        assert calls["dynamodb", "PutItem"] == 0
    for _ in range(12):
        dateline.clock.advance(HOUR)
        dateline.stack.run_for(MINUTE)
    assert len(dateline.deps.posts.due(dateline.clock.now())) == 0, "each look moves on"


def test_a_target_that_waits_for_its_next_try_is_held_and_goes_on_with_it(dateline: Dateline) -> None:
    dateline.world.add_fault("mastodon", "rate_limit", retry_after=600)
    post_id, texts = make(dateline, "mastodon", "text")
    dateline.stack.settle(timers=False)
    assert target_of(dateline, post_id).status == "retrying"
    switch(dateline, True)
    dateline.stack.run_for(HOUR)
    target = target_of(dateline, post_id)
    assert (target.status, target.tries, post_of(dateline, post_id).status) == ("held", 1, "publishing")
    refused(dateline.api("DELETE", f"/v1/posts/{post_id}"), "illegal_transition")
    switch(dateline, False)
    dateline.stack.settle(timers=False)
    assert (check_against_ledger(dateline, post_id, texts).status, target_of(dateline, post_id).tries) == ("published", 2)


def test_what_is_held_after_it_began_is_given_up_by_stop(dateline: Dateline) -> None:
    dateline.world.add_fault("mastodon", "rate_limit", retry_after=60)
    post_id, _ = make(dateline, "mastodon", "text")
    dateline.stack.settle(timers=False)
    switch(dateline, True)
    dateline.stack.run_for(10 * MINUTE)
    stopped = dateline.api("POST", f"/v1/posts/{post_id}/stop", {}).json()
    assert (stopped["status"], stopped["targets"][0]["error"]["code"]) == ("failed", "stopped")


def test_an_attempt_that_had_called_nobody_yet_is_held_and_closed(dateline: Dateline) -> None:
    post_id, texts = make(dateline, "mastodon", "image")
    met: list[str] = []

    def once_the_upload_is_noted(service: str, operation: str, phase: Phase) -> None:
        if phase == "after":
            met.append(service)
            if service == "dynamodb" and operation == "PutItem" and "mastodon" in met:
                raise Crash

    interrupted(dateline, once_the_upload_is_noted, lambda: dateline.stack.pump_queue("deliveries", most=1))
    assert target_of(dateline, post_id).checkpoint and target_of(dateline, post_id).armed is None
    switch(dateline, True)
    dateline.stack.run_for(HOUR)
    target = target_of(dateline, post_id)
    assert (target.status, target.tries, target.attempt and target.attempt.outcome) == ("held", 1, "held")
    uploads = uploaded(dateline)
    switch(dateline, False)
    dateline.stack.settle(timers=False)
    assert check_against_ledger(dateline, post_id, texts).status == "published"
    assert uploaded(dateline) == uploads + 1, "the network may have forgotten the picture meanwhile"


def test_what_may_be_out_already_is_looked_up_all_the_same(dateline: Dateline) -> None:
    dateline.world.add_fault("mastodon", "lost_answer")
    post_id, texts = make(dateline, "mastodon", "text")
    pump_crashing(dateline, 6, "before")
    assert target_of(dateline, post_id).armed is not None
    switch(dateline, True)
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_a_client_that_waits_for_the_outcome_is_told_at_once_that_it_is_held(dateline: Dateline) -> None:
    switch(dateline, True)
    draft = dateline.post("prof_mastodon", text="Now, please")
    sleep = dateline.clock.sleep

    def pumped(seconds: float) -> None:
        sleep(seconds)
        Context().run(dateline.stack.settle, timers=False)

    dateline.clock.sleep = pumped  # type: ignore[method-assign]
    answer = dateline.api("POST", f"/v1/posts/{draft['id']}/publish", {})
    assert (answer.status, answer.json()["targets"][0]["status"]) == (202, "held")
    assert dateline.clock.now() - START < timedelta(seconds=2)


# Going on

LATE = {"publish": ("published", None), "fail": ("failed", "too_late"), "draft": ("draft", None)}


@pytest.mark.parametrize("on_late", LATE)
def test_what_is_resumed_too_late_becomes_what_on_late_says(dateline: Dateline, on_late: str) -> None:
    post_id, texts = held(dateline, maxLateness="PT2H", onLate=on_late)
    dateline.clock.advance(2 * HOUR + MINUTE)
    switch(dateline, False)
    dateline.stack.run_for(MINUTE)
    seen = dateline.read(post_id)
    assert (seen["status"], (seen["error"] or {}).get("code")) == LATE[on_late]
    assert len(shown(dateline, texts)[0]) == (on_late == "publish")
    if on_late == "draft":
        assert (seen["targets"][0]["status"], seen["targets"][0]["error"], seen["publishAt"]) == ("draft", None, None)


@pytest.mark.parametrize("on_late", ["fail", "draft"])
def test_what_becomes_too_late_while_it_is_held_ends_then(dateline: Dateline, on_late: str) -> None:
    post_id, texts = held(dateline, maxLateness="PT2H", onLate=on_late)
    dateline.stack.run_for(2 * HOUR - MINUTE)
    assert target_of(dateline, post_id).status == "held"
    dateline.stack.run_for(3 * MINUTE)
    assert (post_of(dateline, post_id).status, code_of(target_of(dateline, post_id))) == LATE[on_late]
    switch(dateline, False)
    dateline.stack.run_for(HOUR)
    assert shown(dateline, texts) == [[]]


def test_nothing_is_held_longer_than_thirty_days(dateline: Dateline) -> None:
    post_id, _ = held(dateline)
    dateline.clock.advance(30 * DAY - 2 * MINUTE)
    dateline.stack.run_for(MINUTE)
    assert target_of(dateline, post_id).status == "held"
    dateline.stack.run_for(3 * MINUTE)
    assert (post_of(dateline, post_id).status, code_of(target_of(dateline, post_id))) == ("failed", "held_too_long")
    switch(dateline, False)
    again = dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    assert again.status == 200
    dateline.stack.settle(timers=False)
    assert post_of(dateline, post_id).status == "published"


@pytest.mark.parametrize("ended_by", ["sweep", "resuming"])
def test_a_part_of_a_post_that_is_late_fails_alone(dateline: Dateline, ended_by: str) -> None:
    switch(dateline, True)
    sent = {"maxLateness": "PT1H", "onLate": "draft", "publishNow": True}
    post = dateline.post("prof_mastodon", "prof_x", text="Both or one", **sent)["id"]
    dateline.stack.settle(timers=False)
    dateline.clock.advance(2 * HOUR)
    if ended_by == "resuming":
        switch(dateline, False)
    dateline.stack.run_for(2 * MINUTE)
    seen = dateline.read(post)
    assert seen["status"] == "partial", "it cannot become a draft again"
    assert [(t["error"] or {}).get("code") for t in seen["targets"]] == ["too_late", None]


def test_a_profile_resumed_while_a_worker_is_about_to_hold_leaves_nothing_behind(dateline: Dateline) -> None:
    """The worker read it as paused; whoever resumed it found nothing held yet."""
    switch(dateline, True)
    post_id, texts = make(dateline, "mastodon", "text")
    met: list[str] = []

    def hook(service: str, operation: str, phase: Phase) -> None:
        if (service, operation, phase) == ("dynamodb", "PutItem", "before") and not met:
            met.append(target_of(dateline, post_id).status)
            profiles = dateline.deps.profiles
            Context().run(profiles.change, "prof_mastodon", lambda profile: resume(profile, "profile", dateline.clock.now()))

    interrupted(dateline, hook, lambda: dateline.stack.pump_queue("deliveries", most=1))
    assert met == ["waiting"] and target_of(dateline, post_id).status == "waiting"
    dateline.stack.settle(timers=False)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_a_worker_that_died_after_it_held_leaves_it_to_the_message_that_comes_back(dateline: Dateline) -> None:
    switch(dateline, True)
    post_id, texts = make(dateline, "mastodon", "text")
    assert pump_crashing(dateline, 4, "before") == ("dynamodb", "GetItem")
    assert target_of(dateline, post_id).status == "held"
    profiles = dateline.deps.profiles
    profiles.change("prof_mastodon", lambda profile: resume(profile, "profile", dateline.clock.now()))
    dateline.stack.run_for(3 * MINUTE, timers=False)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_a_request_that_dies_while_it_resumes_is_finished_by_sweep(dateline: Dateline) -> None:
    post_id, texts = held(dateline)

    def die(service: str, operation: str, phase: Phase) -> None:
        if (service, operation, phase) == ("dynamodb", "Query", "before"):
            raise Crash

    interrupted(dateline, die, lambda: dateline.api("PATCH", "/v1/profiles/prof_mastodon", {"paused": False}))
    assert target_of(dateline, post_id).status == "held"
    dateline.stack.run_for(3 * MINUTE)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_what_one_request_has_no_time_for_is_released_by_sweep(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    switch(dateline, True)
    posts = [make(dateline, "mastodon", "text", at=START + timedelta(seconds=n)) for n in range(1, 31)]
    dateline.stack.run_for(MINUTE)
    assert {target_of(dateline, post_id).status for post_id, _ in posts} == {"held"}
    released: list[str] = []

    class Late:
        """Time for some twenty posts and no more."""

        def __call__(self) -> bool:
            released.append("")
            return len(released) < 22

    monkeypatch.setattr("dateline.usecases.holding.PAGE", 10)
    monkeypatch.setattr("dateline.usecases.holding.within", lambda _deps, _seconds: Late())
    switch(dateline, False)
    monkeypatch.undo()
    left = [post_id for post_id, _ in posts if target_of(dateline, post_id).status == "held"]
    assert 5 <= len(left) <= 15
    dateline.stack.run_for(3 * MINUTE)
    assert all(at_rest(dateline, post_id) for post_id, _ in posts)
    for post_id, texts in posts:
        assert check_against_ledger(dateline, post_id, texts).status == "published"
    profile = dateline.deps.profiles.get("prof_mastodon")
    assert profile is not None and profile.release is None


def test_a_profile_paused_again_while_it_is_released_holds_again(dateline: Dateline) -> None:
    post_id, texts = held(dateline)
    switch(dateline, False)
    switch(dateline, True)
    dateline.stack.run_for(HOUR)
    assert (target_of(dateline, post_id).status, shown(dateline, texts)) == ("held", [[]])
    switch(dateline, False)
    dateline.stack.settle(timers=False)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_a_message_that_is_lost_on_resuming_is_sent_again(dateline: Dateline) -> None:
    post_id, texts = held(dateline)
    dateline.clock.advance(3 * DAY)
    dateline.stack.run_for(MINUTE)
    switch(dateline, False)
    dateline.stack.queue("deliveries")._messages.clear()
    assert target_of(dateline, post_id).status == "waiting"
    assert dateline.stack.sweep().value["overdue_seconds"] == 0.0, "released just now, not due for days"
    dateline.stack.run_for(timedelta(seconds=retry.REDISPATCH_AFTER) + 2 * MINUTE)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


# The workspace

def test_a_paused_workspace_holds_everything_on_both_sides(dateline: Dateline) -> None:
    assert switch_all(dateline, True)["paused"] is True
    for key in ("dl_live_local", TEST_KEY):
        listed = dateline.api("GET", "/v1/profiles", key=key).json()["data"]
        assert listed and all(profile["paused"] and profile["pausedBy"] == ["workspace"] for profile in listed)
    live, texts = make(dateline, "mastodon", "text")
    sent = {"text": "x", "profileIds": ["prof_sandbox"], "publishNow": True}
    test = dateline.api("POST", "/v1/posts", sent, key=TEST_KEY).json()
    dateline.stack.settle(timers=False)
    assert (target_of(dateline, live).status, target_of(dateline, test["id"]).status) == ("held", "held")
    assert switch_all(dateline, False)["paused"] is False
    dateline.stack.settle(timers=False)
    assert check_against_ledger(dateline, live, texts).status == post_of(dateline, test["id"]).status == "published"


def test_a_profile_and_its_workspace_let_go_each_for_itself(dateline: Dateline) -> None:
    switch(dateline, True)
    switch_all(dateline, True)
    assert switch(dateline, False)["pausedBy"] == ["workspace"]
    assert switch(dateline, True)["pausedBy"] == ["profile", "workspace"]
    switch_all(dateline, False)
    seen = dateline.api("GET", "/v1/profiles/prof_mastodon").json()
    assert (seen["paused"], seen["pausedBy"]) == (True, ["profile"])
    assert dateline.api("GET", "/v1/profiles/prof_x").json()["paused"] is False
    assert switch(dateline, False)["paused"] is False


def test_a_profile_that_is_connected_while_the_workspace_is_paused_is_paused(dateline: Dateline) -> None:
    switch_all(dateline, True)
    sent = {"platform": "mastodon", "credentials": {"accessToken": "x"}}
    made = dateline.api("POST", "/v1/profiles", sent, key=TEST_KEY).json()
    assert (made["paused"], made["pausedBy"]) == (True, ["workspace"])
    switch_all(dateline, False)
    assert dateline.api("GET", f"/v1/profiles/{made['id']}", key=TEST_KEY).json()["paused"] is False


def test_another_workspace_goes_on(dateline: Dateline) -> None:
    other = dateline.second_workspace()
    switch_all(dateline, True)
    post = dateline.api("POST", "/v1/posts", {"text": "Ours", "profileIds": ["prof_other"], "publishNow": True}, key=other).json()
    dateline.stack.settle(timers=False)
    assert dateline.api("GET", f"/v1/posts/{post['id']}", key=other).json()["status"] == "published"


def test_a_pause_without_time_for_all_profiles_is_taken_up_where_it_stopped(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dateline.usecases.holding.within", lambda _deps, _seconds: lambda: False)
    refused(dateline.api("PATCH", "/v1/workspace", {"paused": True}, headers={"idempotency-key": "stop-all"}), "try_again")
    assert dateline.api("GET", "/v1/workspace").json()["paused"] is True
    monkeypatch.undo()
    again = dateline.api("PATCH", "/v1/workspace", {"paused": True}, headers={"idempotency-key": "stop-all"})
    assert again.status == 200 and dateline.api("GET", "/v1/profiles/prof_x").json()["paused"] is True


def test_only_a_boolean_pauses(dateline: Dateline) -> None:
    with nothing_written(dateline):
        refused(dateline.api("PATCH", "/v1/profiles/prof_x", {"paused": "yes"}), "invalid_request", "/paused")
        refused(dateline.api("PATCH", "/v1/workspace", {"paused": 1}), "invalid_request", "/paused")
        refused(dateline.api("PATCH", "/v1/workspace", {"paused": True}, key=TEST_KEY), "forbidden", requiredScope="admin")
