"""The sweep: whatever state a post is in that is no end, its deadline leads to one, and nothing is due once all is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from dateline import wiring
from dateline.domain import lifecycle, retry
from dateline.domain.post import Post
from dateline.store import posts as posts_store
from dateline.usecases import sweep
from local.stack import Crash, Phase
from tests.harness import START, Dateline
from tests.integration.scene import at_rest, check_against_ledger, interrupted, make, post_of, pump_crashing, rest, shown

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def forget_everything(dateline: Dateline) -> None:
    """No message and no schedule entry is left: sweep alone can move a post on."""
    dateline.stack.queue("deliveries")._messages.clear()
    for entry in dateline.stack.schedules():
        dateline.deps.schedules.delete(*_parts(entry.name))


def _parts(name: str) -> tuple[str, int]:
    post_id, _, counter = name.rpartition(".")
    return post_id, int(counter)


def scheduled(dateline: Dateline) -> tuple[str, list[str]]:
    return make(dateline, "mastodon", "text", at=START + HOUR)


def queued(dateline: Dateline) -> tuple[str, list[str]]:
    return make(dateline, "mastodon", "text")


def claimed(dateline: Dateline) -> tuple[str, list[str]]:
    made = make(dateline, "mastodon", "image")
    _die(dateline, "dynamodb", "PutItem")
    return made


def armed(dateline: Dateline) -> tuple[str, list[str]]:
    made = make(dateline, "mastodon", "text")
    _die(dateline, "mastodon", "POST")
    return made


def looking(dateline: Dateline) -> tuple[str, list[str]]:
    dateline.world.add_fault("mastodon", "server_error")
    made = make(dateline, "mastodon", "text")
    dateline.stack.pump_queue("deliveries", most=1)
    return made


def retrying(dateline: Dateline) -> tuple[str, list[str]]:
    dateline.world.add_fault("mastodon", "rate_limit", retry_after=100)
    made = make(dateline, "mastodon", "text")
    dateline.stack.pump_queue("deliveries", most=1)
    return made


def waiting_long(dateline: Dateline) -> tuple[str, list[str]]:
    dateline.world.add_fault("mastodon", "rate_limit", retry_after=3600)
    made = make(dateline, "mastodon", "text")
    dateline.stack.pump_queue("deliveries", most=1)
    return made


def in_the_middle_of_a_thread(dateline: Dateline) -> tuple[str, list[str]]:
    made = make(dateline, "mastodon", "thread")
    assert pump_crashing(dateline, 6, "after") is not None
    return made


def _die(dateline: Dateline, service: str, operation: str) -> None:
    def hook(called: str, what: str, phase: Phase) -> None:
        if called == service and what.startswith(operation) and phase == "after":
            raise Crash

    interrupted(dateline, hook, lambda: dateline.stack.pump_queue("deliveries", most=1))


Making = Callable[[Dateline], tuple[str, list[str]]]
STATES: dict[Making, tuple[str, str]] = {
    scheduled: ("scheduled", "waiting"), queued: ("queued", "waiting"), claimed: ("publishing", "publishing"),
    armed: ("publishing", "publishing"), looking: ("publishing", "publishing"), retrying: ("publishing", "retrying"),
    waiting_long: ("publishing", "retrying"), in_the_middle_of_a_thread: ("publishing", "publishing"),
}


@pytest.mark.parametrize("making", STATES, ids=lambda making: making.__name__)
def test_a_post_that_everything_else_forgot_is_moved_on_by_sweep(dateline: Dateline, making: Making) -> None:
    post_id, texts = making(dateline)
    post = post_of(dateline, post_id)
    (target,) = post.targets.values()
    assert (post.status, target.status) == STATES[making]
    assert post.due_at is not None
    forget_everything(dateline)
    moved = dateline.stack.run_until(lambda: post_of(dateline, post_id).version > post.version, limit=2 * HOUR)
    latest = retry.REDISPATCH_AFTER + retry.GRACE + 60
    wanted = target.next_attempt_at or target.lease_until or post.publish_at or START
    assert moved and (dateline.clock.now() - wanted).total_seconds() <= latest
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


@pytest.mark.parametrize("making", STATES, ids=lambda making: making.__name__)
def test_a_post_whose_messages_never_arrive_ends_all_the_same(dateline: Dateline, making: Making) -> None:
    """The queue swallows everything for ever: a bounded number of times it is sent again, then the target ends truthfully."""
    post_id, texts = making(dateline)
    for _ in range(200):
        forget_everything(dateline)
        if at_rest(dateline, post_id):
            break
        dateline.clock.advance(MINUTE)
        dateline.stack.sweep()
    target = check_against_ledger(dateline, post_id, texts)
    assert (target.status, (target.error or {})["code"]) == (
        ("unconfirmed", "unconfirmed") if target.armed is not None else ("failed", "undeliverable")
    )
    assert (target.status == "unconfirmed") == (making in (armed, looking, in_the_middle_of_a_thread))
    assert target.redispatches == retry.MOST_REDISPATCHES


def test_the_table_above_knows_every_state_that_is_no_end() -> None:
    """`held` and `pending_approval` are in the tables of the lifecycle and not yet reached by anything."""
    assert {post for post, _ in STATES.values()} == set(lifecycle.POST_TRANSITIONS) - lifecycle.RESTING - {"", "pending_approval"}
    assert {target for _, target in STATES.values()} == lifecycle.TARGET_OPEN - {"held"} - lifecycle.WITH_NETWORK


def due(dateline: Dateline) -> list[str]:
    return dateline.deps.posts.due(dateline.clock.now() + timedelta(days=400))


def test_nothing_is_due_once_every_post_has_come_to_rest(dateline: Dateline) -> None:
    dateline.world.add_fault("x", "reject")
    dateline.world.add_fault("telegram", "lost_answer")
    for network in ("mastodon", "x", "telegram"):
        make(dateline, network, "text")
    draft = dateline.post("prof_mastodon", text="A draft")["id"]
    cancelled, _ = make(dateline, "mastodon", "text", at=START + HOUR)
    dateline.api("DELETE", f"/v1/posts/{cancelled}")
    assert len(due(dateline)) == 5
    dateline.stack.run_for(timedelta(seconds=retry.AUDIT_AFTER) + 3 * MINUTE)
    assert due(dateline) == []
    dateline.api("PATCH", f"/v1/posts/{draft}", {"scheduledFor": (dateline.clock.now() + HOUR).isoformat()})
    assert due(dateline) == [draft]


def test_events_the_stream_lost_are_announced_once(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dateline.stack, "pump_stream", lambda: 0)
    monkeypatch.setattr(dateline.stack, "_stream_items", lambda source: [])
    post_id, _ = make(dateline, "mastodon", "text")
    rest(dateline, post_id)
    assert dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"] == []
    dateline.stack.run_for(timedelta(seconds=retry.AUDIT_AFTER) + 2 * MINUTE)
    monkeypatch.undo()
    dateline.stack.run_for(5 * MINUTE)
    events = dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]
    assert [event["type"] for event in events] == ["post.queued", "post.publishing", "target.published", "post.published"]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    feed = dateline.api("GET", "/v1/events").json()["data"]
    assert len(feed) == 4


def test_one_post_that_cannot_be_swept_does_not_stop_the_others(dateline: Dateline) -> None:
    bad, _ = make(dateline, "mastodon", "text", at=START + HOUR)
    good, texts = make(dateline, "telegram", "text", at=START + HOUR)
    forget_everything(dateline)
    posts = wiring.deps().posts  # the handlers' own
    change = posts.change

    def failing(post: Post, move: Callable[[Post], object]) -> Post:
        if post.id == bad:
            raise RuntimeError("this one is broken")
        return change(post, move)

    posts.change = failing  # type: ignore[method-assign]
    rest(dateline, good)
    assert len(shown(dateline, texts)[0]) == 1
    assert post_of(dateline, bad).status == "scheduled"
    posts.change = change  # type: ignore[method-assign]
    rest(dateline, bad)
    assert post_of(dateline, bad).status == "published"


# Whose turn it is


def test_a_workspace_with_many_overdue_posts_does_not_hold_up_anothers(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is due than one sweep looks at, and the one post of the other workspace is the youngest of them all."""
    monkeypatch.setattr(sweep, "PER_SHARD", 2)
    key = dateline.second_workspace()
    many = [make(dateline, "mastodon", "text", at=START + HOUR)[0] for _ in range(60)]
    body = {"text": "Just one", "profileIds": ["prof_other"], "scheduledFor": (START + HOUR + MINUTE).isoformat()}
    one = dateline.api("POST", "/v1/posts", body, key=key).json()["id"]
    forget_everything(dateline)
    dateline.clock.advance(HOUR + 3 * MINUTE)
    dateline.stack.sweep()
    assert post_of(dateline, one).status == "queued"
    assert [post_of(dateline, post_id).status for post_id in many].count("queued") == 2 * posts_store.DUE_SHARDS - 1
    for _ in range(60):
        dateline.stack.sweep()
    assert {post_of(dateline, post_id).status for post_id in many} == {"queued"}


def test_what_is_due_is_taken_in_turns_with_each_workspaces_oldest_first(dateline: Dateline) -> None:
    key = dateline.second_workspace()
    owners: dict[str, str] = {}
    for minute in range(12):
        owners[make(dateline, "mastodon", "text", at=START + HOUR + minute * MINUTE)[0]] = "A"
    for minute in range(3):
        when = (START + 2 * HOUR + minute * MINUTE).isoformat()
        body = {"text": f"At {when}", "profileIds": ["prof_other"], "scheduledFor": when}
        owners[dateline.api("POST", "/v1/posts", body, key=key).json()["id"]] = "B"
    ids = dateline.deps.posts.due(START + 24 * HOUR, 100)
    assert "".join(owners[post_id] for post_id in ids) == "ABABAB" + "A" * 9
    assert [post_id for post_id in ids if owners[post_id] == "A"] == [post_id for post_id in owners if owners[post_id] == "A"]
    few = dateline.deps.posts.due(START + 24 * HOUR, 1)
    assert [owners[post_id] for post_id in few] == ["A", "B", "A", "B"], "one for each shard, and the turns are kept"
