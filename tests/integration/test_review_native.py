"""Corners of what networks keep until their time, and of taking down: two at once, and services that fail at the wrong moment."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline.aws.queue import Message, Queue
from dateline.platforms.base import Retry
from dateline.store.posts import Posts
from dateline.usecases import sweep, tokens
from dateline.usecases.deliver import deliver
from tests.harness import START, Dateline
from tests.integration.scene import interrupted, make, post_of, rest, target_of
from tests.integration.test_native import HOUR, placed, published_once, schedule


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def work(dateline: Dateline, post_id: str, **what: bool) -> str:
    """A worker with one message of the post, in the middle of somebody else's work."""
    post = post_of(dateline, post_id)
    (profile_id,) = post.targets
    return deliver(dateline.deps, Message(post_id, profile_id, post.revision, **what), lambda: 90.0)


def deliveries(dateline: Dateline, most: int = 1) -> None:
    dateline.stack.pump_queue("deliveries", most=most)


def test_a_cancel_that_meets_a_hand_over_just_begun_is_not_acknowledged(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The post waits between two tries to hand it over; while the cancel is decided, a worker begins the next."""
    dateline.world.add_fault("mastodon", "rate_limit", retry_after=20)
    post_id = schedule(dateline)
    deliveries(dateline)
    assert (target_of(dateline, post_id).status, target_of(dateline, post_id).lease_until) == ("placing", None)
    dateline.clock.advance(timedelta(seconds=30))
    done: list[str] = []
    change = Posts.change

    def between(posts: Posts, post: Any, move: Any) -> Any:
        if not done:
            done.append("")
            done.append(work(dateline, post_id, place=True))
        return change(posts, post, move)

    with monkeypatch.context() as patch:
        patch.setattr(Posts, "change", between)
        answer = dateline.api("DELETE", f"/v1/posts/{post_id}")
    assert done == ["", "placed"]
    assert answer.status == 503
    assert dateline.api("DELETE", f"/v1/posts/{post_id}").status == 200
    dateline.stack.run_for(3 * HOUR)
    assert dateline.world.seen("mastodon") == []


def test_trouble_with_the_token_does_not_make_an_unclear_hand_over_a_clear_one(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch
) -> None:
    dateline.world.add_fault("mastodon", "lost_answer")
    post_id = schedule(dateline)
    deliveries(dateline)
    armed = target_of(dateline, post_id).armed_at
    assert armed is not None

    def away(*_: object) -> dict[str, str]:
        raise Retry("refresh_failed", "The token could not be renewed.", 20.0)

    with monkeypatch.context() as patch:
        patch.setattr(tokens, "fresh_credentials", away)
        dateline.clock.advance(timedelta(seconds=40))
        deliveries(dateline)
    assert target_of(dateline, post_id).armed_at == armed
    published_once(dateline, post_id)


def test_a_profile_whose_kept_post_is_not_given_back_is_not_removed(dateline: Dateline) -> None:
    placed(dateline)
    dateline.world.add_fault("mastodon", "server_error", at="delete", times=50)
    answer = dateline.api("DELETE", "/v1/profiles/prof_mastodon?cancelPending=true")
    assert (answer.status, answer.json()["code"]) == (503, "try_again"), answer.body
    dateline.world.faults.clear()
    assert dateline.api("DELETE", "/v1/profiles/prof_mastodon?cancelPending=true").status == 204
    dateline.stack.run_for(3 * HOUR)
    assert dateline.world.seen("mastodon") == []


def test_a_long_queue_does_not_end_what_a_network_keeps(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    post_id = placed(dateline)
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "backlog", lambda queue: sweep.BUSY + 1)
        patch.setattr(Queue, "send", lambda *said, **how: None)
        dateline.stack.run_for(2 * HOUR)
    assert target_of(dateline, post_id).status == "placed"
    assert rest(dateline, post_id).status == "published"


def test_messages_lost_over_and_over_leave_nothing_stuck_that_a_network_keeps(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_id = placed(dateline)
    with monkeypatch.context() as patch:
        patch.setattr(Queue, "send", lambda *said, **how: None)
        assert rest(dateline, post_id, timedelta(hours=3)).status == "unconfirmed"


def test_a_hand_over_that_cannot_be_looked_up_is_not_asked_after_for_ever(dateline: Dateline) -> None:
    dateline.world.add_fault("mastodon", "lost_answer")
    dateline.world.add_fault("mastodon", "server_error", at="read", times=10_000)
    post_id = schedule(dateline, at=timedelta(hours=4))
    dateline.stack.run_for(timedelta(hours=2))
    assert len(dateline.world.requests) < 100
    dateline.world.faults.clear()
    assert dateline.api("DELETE", f"/v1/posts/{post_id}").status == 200
    dateline.stack.run_for(3 * HOUR)
    assert dateline.world.seen("mastodon") == []


@pytest.mark.parametrize("on_late", ["fail", "draft"])
def test_a_target_that_is_too_late_is_not_published_because_a_network_keeps_another(dateline: Dateline, on_late: str) -> None:
    made = dateline.post(
        "prof_mastodon", "prof_x", text="Kept", at=START + HOUR, platforms={"mastodon": {"nativeSchedule": True}},
        maxLateness="PT10M", onLate=on_late,
    )
    dateline.stack.run_for(timedelta(minutes=2))
    dateline.clock.advance(3 * HOUR)
    dateline.stack.run_for(HOUR)
    targets = {target["platform"]: target for target in dateline.read(made["id"])["targets"]}
    assert dateline.world.seen("x") == []
    assert (targets["x"]["status"], targets["x"]["error"]["code"]) == ("failed", "too_late")
    assert targets["mastodon"]["status"] == "published"


def test_a_wish_for_keeping_that_comes_with_an_edit_is_followed(dateline: Dateline) -> None:
    made = dateline.post("prof_mastodon", text="Kept", at=START + HOUR)
    dateline.stack.run_for(timedelta(minutes=2))
    assert dateline.api(
        "PATCH", f"/v1/posts/{made['id']}", {"platforms": {"mastodon": {"nativeSchedule": True}}}
    ).status == 200
    dateline.stack.run_for(timedelta(minutes=2))
    assert target_of(dateline, made["id"]).status == "placed"


def test_an_edit_before_the_hand_over_has_the_new_words_handed_over(dateline: Dateline) -> None:
    post_id = schedule(dateline)
    assert dateline.api("PATCH", f"/v1/posts/{post_id}", {"text": "Better"}).status == 200
    dateline.stack.run_for(timedelta(minutes=2))
    assert target_of(dateline, post_id).status == "placed"
    published_once(dateline, post_id, "Better")


def unpublished(dateline: Dateline, network: str = "mastodon", shape: str = "text") -> str:
    post_id, _ = make(dateline, network, shape)
    assert rest(dateline, post_id).status == "published"
    return post_id


def ask(dateline: Dateline, post_id: str) -> None:
    answer = dateline.api("POST", f"/v1/posts/{post_id}/unpublish", {}, headers={"prefer": "respond-async"})
    assert answer.status == 202, answer.body


def test_a_removal_that_two_workers_do_is_announced_once(dateline: Dateline) -> None:
    post_id = unpublished(dateline)
    ask(dateline, post_id)
    again: list[str] = []

    def hook(service: str, operation: str, when: str) -> None:
        if service == "mastodon" and when == "after" and not again:
            again.append("")
            again.append(work(dateline, post_id, removal=True))

    interrupted(dateline, hook, lambda: deliveries(dateline))
    dateline.stack.settle(timers=False)
    assert again == ["", "removed"]
    events = [event["type"] for event in dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]]
    assert events.count("target.unpublished") == 1


def test_the_wait_a_network_asks_for_is_kept_before_a_removal_is_tried_again(dateline: Dateline) -> None:
    post_id = unpublished(dateline, "x")
    dateline.world.add_fault("x", "rate_limit", at="delete", retry_after=2000)
    ask(dateline, post_id)
    deliveries(dateline)

    def deletes() -> int:
        return sum(method == "DELETE" for _, method, _ in dateline.world.requests)

    assert deletes() == 1
    dateline.stack.run_for(timedelta(seconds=1980))
    assert deletes() == 1
    dateline.stack.run_for(timedelta(seconds=600))
    assert (target_of(dateline, post_id).removal or {})["status"] == "removed"


def test_a_retry_is_refused_while_what_is_out_is_being_taken_down(dateline: Dateline) -> None:
    post_id, _ = make(dateline, "mastodon", "thread", onSegmentFailure="stop")
    interrupted(dateline, fail_after_first(dateline), lambda: deliveries(dateline))
    assert rest(dateline, post_id).status == "failed"
    assert target_of(dateline, post_id).remotes
    ask(dateline, post_id)
    assert dateline.api("POST", f"/v1/posts/{post_id}/retry", {}).status == 409
    dateline.stack.run_for(timedelta(minutes=2))
    assert dateline.world.seen("mastodon") == []
    assert dateline.api("POST", f"/v1/posts/{post_id}/retry", {}).status == 200
    assert rest(dateline, post_id).status == "published"


def fail_after_first(dateline: Dateline) -> Any:
    done: list[str] = []

    def hook(service: str, operation: str, when: str) -> None:
        if service == "mastodon" and operation.startswith("POST /api/v1/statuses") and when == "after" and not done:
            done.append("")
            dateline.world.add_fault("mastodon", "reject")

    return hook


def test_an_undo_reaches_posts_that_are_just_being_handed_over(dateline: Dateline) -> None:
    rows = [
        {"text": f"Kept {n}", "profileIds": ["prof_mastodon"], "scheduledFor": f"2027-06-15T12:{n:02}:00Z",
         "platforms": {"mastodon": {"nativeSchedule": True}}} for n in range(2)
    ]
    answer = dateline.api("POST", "/v1/posts/bulk", rows)
    assert answer.status == 201, answer.body
    begun: list[str] = []

    def hook(service: str, operation: str, when: str) -> None:
        if service == "mastodon" and when == "before" and not begun:
            begun.append("")
            dateline.api("DELETE", f"/v1/bulk/{answer.json()['id']}")

    interrupted(dateline, hook, lambda: deliveries(dateline))
    assert begun
    dateline.stack.run_for(timedelta(hours=4))
    assert dateline.world.seen("mastodon") == []
    told = dateline.api("GET", f"/v1/bulk/{answer.json()['id']}").json()
    assert (told["status"], told["kept"]) == ("undone", [])
