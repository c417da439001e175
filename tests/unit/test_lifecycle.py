"""The life of a post: the tables, what is derived from them, and the moves. docs/lifecycle.md is written from here
(`python -m tests.unit.test_lifecycle`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.domain import lifecycle, retry
from dateline.domain.errors import Problem
from dateline.domain.lifecycle import POST_TRANSITIONS, RESTING, TARGET_OPEN, TARGET_TRANSITIONS, derive
from dateline.domain.post import Attempt, Post, RemoteSegment, Target

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"
NOW = datetime(2027, 6, 15, 9, 0, tzinfo=UTC)

BEFORE = ("draft", "pending_approval", "scheduled", "queued")
"""Stages of a post that nothing was claimed of."""

ENDED = ("published", "failed", "unconfirmed")
"""Ends of a target of a post that began. (A cancelled post's targets are cancelled with it.)"""

POST_MEANS = {
    "draft": "not to be published yet", "pending_approval": "waits for a person's approval", "scheduled": "waits for its time",
    "queued": "its time has come, nobody has claimed a target yet", "publishing": "a target is open",
    "published": "every target is published", "partial": "every target ended, some published and some not",
    "failed": "every target ended, none published", "unconfirmed": "every target ended, of at least one nobody knows",
    "cancelled": "given up before anything began",
}
TARGET_MEANS = {
    "waiting": "nothing began; the post's status speaks for it",
    "placing": "is being handed to a network that keeps it until its time; shown as the post's status",
    "placed": "the network keeps it until its time; shown as the post's status",
    "publishing": "a worker has it, or looks after it",
    "retrying": "waits for its next attempt", "held": "waits until its profile may publish again (it is paused or disconnected)",
    "published": "it stands on the network", "failed": "it does not stand there, beyond the segments listed",
    "unconfirmed": "it may stand there; a person has to look", "cancelled": "given up before anything began",
}


STANDING = TARGET_OPEN - lifecycle.WITH_NETWORK
"""Statuses as the post is derived from them: a target that its network keeps stands as waiting."""


def expected(kinds: frozenset[str]) -> str:
    """The table of `derive` for a post that began, in the order in which people read it."""
    if kinds & TARGET_OPEN:
        return "publishing"
    if "unconfirmed" in kinds:
        return "unconfirmed"
    return {frozenset({"published"}): "published", frozenset({"failed"}): "failed"}.get(kinds, "partial")


def sets_of(kinds: tuple[str, ...]) -> list[frozenset[str]]:
    """Every set of them but the empty one."""
    return [frozenset(chosen) for size in range(1, len(kinds) + 1) for chosen in combinations(kinds, size)]


def post(stage: str = "queued", *statuses: str) -> Post:
    """A post with targets of these statuses; held ones have begun."""
    targets = {f"prof_{n}": Target(f"prof_{n}", "mastodon", status) for n, status in enumerate(statuses or ("waiting",))}
    for target in targets.values():
        if target.status == "held":
            target.held_begun, target.held_at = True, NOW
    made = Post("post_1", "wks", "live", stage, NOW, targets=targets, publish_at=NOW)
    made.status = derive(stage, [t.status for t in targets.values()])
    return made


def first(of: Post) -> Target:
    return next(iter(of.targets.values()))


# What is derived

@pytest.mark.parametrize("stage", [*BEFORE, "cancelled"])
def test_until_something_begins_the_post_is_what_was_decided(stage: str) -> None:
    assert derive(stage, ["waiting"]) == derive(stage, ["waiting"] * 3) == derive(stage, []) == stage


BEGUN = [kinds for kinds in sets_of((*sorted(STANDING), *ENDED)) if kinds != {"waiting"}]


@pytest.mark.parametrize("kinds", BEGUN, ids=lambda kinds: "+".join(sorted(kinds)))
def test_once_something_began_the_targets_alone_decide(kinds: frozenset[str]) -> None:
    assert derive("queued", kinds) == expected(kinds)


@given(st.lists(st.sampled_from([*sorted(STANDING), *ENDED]), min_size=1, max_size=25), st.randoms())
def test_neither_order_nor_number_of_the_targets_matters(statuses: list[str], random: object) -> None:
    shuffled = list(statuses)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert derive("queued", statuses) == derive("queued", shuffled) == derive("queued", set(statuses))


@given(st.lists(st.sampled_from([*sorted(STANDING), *ENDED]), min_size=1, max_size=25))
def test_a_post_rests_exactly_when_no_target_is_open(statuses: list[str]) -> None:
    assert (derive("queued", statuses) in RESTING) == (not set(statuses) & TARGET_OPEN)


# The tables

def test_the_tables_name_known_states_only_and_every_state_can_be_reached() -> None:
    for table, start in ((POST_TRANSITIONS, ""), (TARGET_TRANSITIONS, "waiting")):
        named = {state for after in table.values() for state in after}
        assert named <= set(table) and set(table) - named <= {start}
    assert set(POST_MEANS) == set(POST_TRANSITIONS) - {""} and set(TARGET_MEANS) == set(TARGET_TRANSITIONS)


def test_an_end_is_left_only_by_a_person() -> None:
    assert {s for s in TARGET_TRANSITIONS if s not in TARGET_OPEN and TARGET_TRANSITIONS[s]} == {"failed", "unconfirmed"}
    assert TARGET_TRANSITIONS["failed"] == {"retrying"}
    assert TARGET_TRANSITIONS["unconfirmed"] == {"published", "failed"}, "never sent again blindly"
    assert POST_TRANSITIONS["published"] == POST_TRANSITIONS["cancelled"] == frozenset()


@given(st.lists(st.sampled_from([*sorted(STANDING), *ENDED]), min_size=1, max_size=4), st.data())
def test_every_legal_step_of_a_target_is_a_legal_step_of_its_post(statuses: list[str], data: st.DataObject) -> None:
    """Whatever one target may do beside the others, the derived status moves along the post's table. (A target that is held
    before it began stands as waiting: to the post, nothing has happened.)"""
    index = data.draw(st.integers(0, len(statuses) - 1))
    after = TARGET_TRANSITIONS[statuses[index]] - {"cancelled"} - lifecycle.WITH_NETWORK
    after -= {"waiting": {"held"}, "held": {"waiting"}}.get(statuses[index], set())
    if not after:
        return
    was = derive("queued", statuses)
    to = derive("queued", [*statuses[:index], data.draw(st.sampled_from(sorted(after))), *statuses[index + 1:]])
    assert to == was or to in POST_TRANSITIONS[was], (statuses, was, to)


# Moves

Move = Callable[[Post, Target], object]
MOVES: dict[str, Move] = {
    "publishing": lambda p, t: lifecycle.claim(p, t, "token", NOW, 120),
    "published": lambda p, t: lifecycle.end(p, t, "published", NOW),
    "retrying": lambda p, t: lifecycle.retry_later(p, t, NOW, "code", "detail", NOW),
    "failed": lambda p, t: lifecycle.end(p, t, "failed", NOW, "code", "detail"),
    "unconfirmed": lambda p, t: lifecycle.end(p, t, "unconfirmed", NOW, "code", "detail"),
    "held": lambda p, t: lifecycle.hold(p, t, "code", "detail", NOW),
}


@pytest.mark.parametrize("to", MOVES)
@pytest.mark.parametrize("status", [s for s in TARGET_TRANSITIONS if s != "cancelled"])
def test_a_target_moves_along_its_table_and_a_409_names_both_states(status: str, to: str) -> None:
    beside = "publishing" if status in ("published", "failed", "unconfirmed") else "waiting"
    moved = post("queued", status, beside)
    if to in TARGET_TRANSITIONS[status] and not (status == "failed" and to == "retrying"):
        MOVES[to](moved, first(moved))
        assert first(moved).status == to
    elif to not in TARGET_TRANSITIONS[status]:
        with pytest.raises(Problem) as caught:
            MOVES[to](moved, first(moved))
        assert caught.value.status == 409 and caught.value.extra["to"] == to and caught.value.extra["from"] == moved.status


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=12))
def test_events_count_without_gaps_and_nothing_open_is_without_a_deadline(moves: list[str]) -> None:
    moved = post("queued", "waiting", "waiting")
    for name in moves:
        for target in moved.targets.values():
            try:
                MOVES[name](moved, target)
            except Problem:
                continue
            assert moved.due_at is not None
    assert [t.sequence for t in moved.trail] == list(range(1, len(moved.trail) + 1))
    for before, after in zip(changes := [t for t in moved.trail if t.kind.startswith("post.")], changes[1:], strict=False):
        assert after.previous == before.kind.removeprefix("post.")


@pytest.mark.parametrize("status", [s for s in POST_TRANSITIONS if s])
def test_a_cancel_wins_until_the_first_claim(status: str) -> None:
    statuses = {"publishing": ["publishing"], "partial": ["published", "failed"], "cancelled": ["cancelled"]}.get(status)
    stage = status if status in (*BEFORE, "cancelled") else "queued"
    of = post(stage, *(statuses or ([status] if status in ENDED else [])))
    assert of.status == status
    if status in BEFORE:
        lifecycle.stage(of, "cancelled", NOW)
        assert (of.status, first(of).status) == ("cancelled", "cancelled")
    else:
        with pytest.raises(Problem):
            lifecycle.stage(of, "cancelled", NOW)


def test_a_post_that_is_held_before_it_began_has_not_begun() -> None:
    of = post("scheduled", "waiting", "waiting")
    targets = list(of.targets.values())
    for target in targets:
        lifecycle.hold(of, target, "profile_paused", "Later.", NOW)
    assert (of.status, targets[0].status, targets[0].tries) == ("queued", "held", 0)
    assert [t.kind for t in of.trail] == ["post.queued", "target.held", "target.held"]
    lifecycle.release(of, targets[0], NOW)
    assert (of.status, targets[0].status) == ("queued", "waiting")
    assert (of.trail[-1].kind, of.trail[-1].previous) == ("target.queued", "held")
    lifecycle.stage(of, "cancelled", NOW)
    assert [(t.status, t.error) for t in targets] == [("cancelled", None)] * 2


def test_a_target_that_is_held_between_its_attempts_goes_back_to_wait_for_the_next() -> None:
    of = post("queued", "publishing")
    of.targets["prof_0"].attempts.append(Attempt(1, NOW))
    lifecycle.hold(of, first(of), "profile_paused", "Later.", NOW)
    assert (of.status, first(of).status) == ("publishing", "held") and (ended := first(of).attempt) is not None
    assert (ended.outcome, ended.ended_at) == ("held", NOW)
    lifecycle.release(of, first(of), NOW + timedelta(days=1))
    assert (first(of).status, first(of).next_attempt_at, first(of).error) == ("retrying", NOW + timedelta(days=1), None)


@pytest.mark.parametrize(("on_late", "days"), [("publish", 30), ("fail", 1), ("draft", 1)])
def test_a_held_target_has_a_deadline_and_is_looked_at_seldom_until_then(on_late: str, days: int) -> None:
    of = post("queued", "waiting")
    of.max_lateness, of.on_late = 86400.0, on_late
    lifecycle.hold(of, first(of), "profile_paused", "Later.", NOW)
    assert lifecycle.held_until(of, first(of)) == NOW + timedelta(days=days)
    looks = 0
    while not lifecycle.held_until(of, first(of)) < (now := of.due_at or NOW):
        assert lifecycle.overdue(of, first(of), now) and not lifecycle.overdue(of, first(of), now - timedelta(seconds=1))
        looks, first(of).nudged_at = looks + 1, now
        lifecycle.conclude(of, now)
    assert days * 2 - 1 <= looks <= days * 4
    assert lifecycle.overdue(of, first(of), now)
    assert now - lifecycle.held_until(of, first(of)) == timedelta(seconds=retry.GRACE)


def test_a_worker_that_takes_over_an_armed_target_knows_that_it_knows_nothing() -> None:
    of = post("queued", "waiting")
    lifecycle.claim(of, first(of), "first", NOW, 120)
    lifecycle.take_over(of, first(of), "second", NOW + timedelta(seconds=200), 120)
    assert not first(of).uncertain, "it was never armed"
    lifecycle.arm(first(of), 0, NOW)
    lifecycle.take_over(of, first(of), "third", NOW + timedelta(seconds=400), 120)
    assert first(of).uncertain
    assert first(of).call_ended_at == NOW + timedelta(seconds=320), "the call may have lasted as long as the lease"
    lifecycle.retry_later(of, first(of), NOW, "answer_lost", "", NOW)
    assert first(of).uncertain, "the next call may meet what this one left behind"
    lifecycle.published_segment(first(of), [RemoteSegment("1", None, {})])
    assert not first(of).uncertain


def test_a_message_is_sent_again_a_bounded_number_of_times_and_the_end_is_truthful() -> None:
    for armed, end in ((False, ("failed", "undeliverable")), (True, ("unconfirmed", "unconfirmed"))):
        of = post("queued", "publishing")
        if armed:
            lifecycle.arm(first(of), 0, NOW)
        sent = [lifecycle.nudge(of, first(of), NOW) for _ in range(retry.MOST_REDISPATCHES + 1)]
        assert sent == [True] * retry.MOST_REDISPATCHES + [False]
        assert (first(of).status, (first(of).error or {})["code"]) == end


# The page

def page() -> str:
    """docs/lifecycle.md."""
    def listed(states: frozenset[str] | set[str]) -> str:
        return ", ".join(f"`{state}`" for state in sorted(states)) or "nothing: an end"

    out = [
        "# The life of a post", "",
        "A post has a status, and so has each of its targets (a target is the post on one profile). Three tables say all of it;",
        "the code reads them from `dateline.domain.lifecycle`, and this page is written from there",
        "(`python -m tests.unit.test_lifecycle`).", "",
        "## A post", "", "| status | means | may become |", "|---|---|---|",
        *(f"| `{s}` | {POST_MEANS[s]} | {listed(POST_TRANSITIONS[s] - {s})} |" for s in POST_MEANS), "",
        f"A new post begins as one of {listed(POST_TRANSITIONS[''])}. It can be edited and cancelled in",
        f"{listed(lifecycle.EDITABLE)}; the first claim of a target ends that, and from then on both",
        "answer 409, naming both states. `publishing` after an end is a retry. What is not one of",
        f"{listed(RESTING)}", "has a deadline, which the sweep enforces.", "",
        "## A target", "", "| status | means | may become |", "|---|---|---|",
        *(f"| `{s}` | {TARGET_MEANS[s]} | {listed(TARGET_TRANSITIONS[s] - {s})} |" for s in TARGET_MEANS), "",
        "A failed target is retried on request. An unconfirmed one never is, until a person says that it was not published.", "",
        "## The post from its targets", "",
        f"As long as all targets wait, the post is what was decided of it: {listed({*BEFORE, 'cancelled'})}.",
        "A target that is held before its first claim counts as waiting, and so does one that its network keeps: the post can",
        "still be edited and cancelled.",
        "Afterwards its targets alone say what it is:", "",
        "| an open target | unconfirmed | published | failed | the post |", "|---|---|---|---|---|",
        "| yes | any | any | any | `publishing` |",
    ]
    for kinds in sets_of(ENDED):
        marks = " | ".join("yes" if kind in kinds else "no" for kind in ("unconfirmed", "published", "failed"))
        out.append(f"| no | {marks} | `{derive('queued', kinds)}` |")
    return "\n".join([*out, "", f"Open are {listed(TARGET_OPEN)}.", ""])


def test_the_page_shows_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "stale: python -m tests.unit.test_lifecycle"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
