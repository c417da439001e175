"""The life of a post: which states there are, which may follow which, and the moves between them.

A post's status is derived from its stage and its targets by one pure function, `derive`; every move below changes
stage or targets and then calls `conclude`, which derives, checks the table, numbers the events and sets the deadline.
Moves change the post they are given (a working copy); the store writes it on condition that nobody else wrote since.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from . import retry
from .errors import Problem
from .instants import parse_rfc3339
from .post import Attempt, Post, RemoteSegment, Target, Transition, seconds

RESTING = frozenset({"draft", "published", "partial", "failed", "unconfirmed", "cancelled"})
"""Nothing will happen to a post in these states by itself."""

TARGET_OPEN = frozenset({"waiting", "placing", "placed", "publishing", "retrying", "held"})

WITH_NETWORK = frozenset({"placing", "placed"})
"""Statuses of a target that its network keeps until its time, or may keep: `domain.native` has the moves."""

POST_TRANSITIONS: dict[str, frozenset[str]] = {
    "": frozenset({"draft", "pending_approval", "scheduled", "queued"}),
    "draft": frozenset({"draft", "pending_approval", "scheduled", "queued", "cancelled"}),
    "pending_approval": frozenset({"draft", "pending_approval", "scheduled", "queued", "cancelled", "failed"}),
    "scheduled": frozenset({"draft", "pending_approval", "scheduled", "queued", "cancelled", "failed"}),
    "queued": frozenset({"draft", "pending_approval", "scheduled", "queued", "publishing", "cancelled", "failed"}),
    "publishing": frozenset({"published", "partial", "failed", "unconfirmed"}),
    "published": frozenset(),
    "partial": frozenset({"publishing"}),
    "failed": frozenset({"publishing"}),
    "unconfirmed": frozenset({"publishing", "published", "partial", "failed"}),
    "cancelled": frozenset(),
}
"""From each status of a post to those that may follow. "publishing" after an end is a retry that reopened a target."""

TARGET_TRANSITIONS: dict[str, frozenset[str]] = {
    "waiting": frozenset({"placing", "publishing", "failed", "held", "cancelled"}),
    "placing": frozenset({"waiting", "placing", "placed", "publishing", "failed", "unconfirmed"}),
    "placed": frozenset({"waiting", "publishing", "failed", "unconfirmed"}),
    "publishing": frozenset({"publishing", "published", "retrying", "failed", "unconfirmed", "held"}),
    "retrying": frozenset({"publishing", "published", "failed", "held"}),
    "held": frozenset({"waiting", "retrying", "published", "failed", "cancelled"}),
    "published": frozenset(),
    "failed": frozenset({"retrying"}),
    "unconfirmed": frozenset({"published", "failed"}),
    "cancelled": frozenset(),
}

EDITABLE = frozenset({"draft", "pending_approval", "scheduled", "queued"})
"""PATCH and DELETE win up to here; the first claim ends it."""

EARLY_LOOKS = RESTING | {"queued", "publishing"}
"""In these states a deadline that stands already is kept if it is earlier: sweep finds nothing to do then and moves it on. A
changed deadline costs two writes of the index, and in a delivery without trouble none is needed."""

COMMENT_NOT_SENT = "It was settled late that the post is out; its first comment was not sent after it."

ANNOUNCED_TARGETS = frozenset({"published", "failed", "retrying", "unconfirmed", "held"})
"""A target that is held no more and waits as before is announced by the status it then shows: `target.queued`."""


def derive(stage: str, statuses: Iterable[str]) -> str:
    """The status of a post from its stage and its targets' statuses (`Target.standing`). The whole table is in
    docs/lifecycle.md."""
    kinds = set(statuses)
    if stage in ("draft", "pending_approval", "cancelled") or kinds <= {"waiting"}:
        return stage
    if kinds & TARGET_OPEN:
        return "publishing"
    if "unconfirmed" in kinds:
        return "unconfirmed"
    if kinds == {"published"}:
        return "published"
    return "partial" if "published" in kinds else "failed"


def illegal(post: Post, to: str, detail: str) -> Problem:
    """The 409 of a move that the state does not allow; names both states."""
    return Problem("illegal_transition", detail, extra={"from": post.status, "to": to})


def announce(post: Post, kind: str, now: datetime, *, previous: str | None = None, profile_id: str | None = None) -> None:
    """Give the next event number to `kind` and put it on the trail. Notify reads the trail from the table's stream."""
    post.sequence += 1
    post.trail.append(Transition(post.sequence, kind, previous, profile_id, now))


def conclude(post: Post, now: datetime) -> None:
    """Derive the status after a change, announce it if it moved, set the deadline. Every move ends here."""
    was, status = post.status, derive(post.stage, [t.standing for t in post.targets.values()])
    if status != was:
        if status not in POST_TRANSITIONS[was]:
            raise illegal(post, status, f"A post that is {was} cannot become {status}.")
        post.status = status
        announce(post, f"post.{status}", now, previous=was or None)
        post.ended_at = now if status in RESTING and status != "draft" else None
        if status == "failed" and post.error is None:
            post.error = next((dict(t.error) for t in post.targets.values() if t.error), None)
        elif status != "failed":
            post.error = None
    post.updated_at = now
    wanted = deadline(post, now)
    if not (post.status in EARLY_LOOKS and post.due_at and now + seconds(retry.NUDGE_AFTER) <= post.due_at <= wanted):
        post.due_at = wanted


def deadline(post: Post, now: datetime) -> datetime:
    """When sweep must look at the post if nothing has happened until then. Never absent while a target is open."""
    going = [max(removal_lost_at(t), now + seconds(retry.NUDGE_AFTER)) for t in post.targets.values() if is_going(t)]
    if post.status in RESTING:
        return min(going, default=now + seconds(retry.AUDIT_AFTER))
    if post.status == "pending_approval":
        return late_at(post) or now + seconds(retry.AUDIT_AFTER)
    if post.status == "scheduled":
        return (post.publish_at or now) + seconds(retry.GRACE)
    times = [*going, *(_target_deadline(post, t, now) for t in post.open_targets())]
    return min(times, default=now + seconds(retry.AUDIT_AFTER))


def is_going(target: Target) -> bool:
    """Whether the target is to be taken down still (`domain.removal`)."""
    return (target.removal or {}).get("status") == "pending"


def removal_lost_at(target: Target) -> datetime:
    """From when on the message to take the target down is taken to be lost."""
    note = target.removal or {}
    return parse_rfc3339(note.get("next") or note["at"]) + seconds(retry.REDISPATCH_AFTER)


def late_at(post: Post) -> datetime | None:
    """From when on a post that has not begun is too late to publish, None if it is published however late."""
    if post.publish_at is None or post.max_lateness is None or post.on_late in (None, "publish"):
        return None
    return post.publish_at + seconds(post.max_lateness)


def queued_at(post: Post) -> datetime | None:
    """When the post last became `queued`: since then its messages are out."""
    return next((t.at for t in reversed(post.trail) if t.kind == "post.queued"), None)


def held_until(post: Post, target: Target) -> datetime:
    """How long a held target waits at most: until it is too late by the post's own policy, else as long as any may be held."""
    limit, held_at = late_at(post), target.held_at or post.publish_at or post.created_at
    return limit if limit is not None and held_at <= limit else held_at + seconds(retry.LONGEST_HOLD)


def _next_held_look(post: Post, target: Target, now: datetime) -> datetime:
    return (target.nudged_at or target.held_at or now) + seconds(retry.held_look(post.id))


def _target_deadline(post: Post, target: Target, now: datetime) -> datetime:
    if target.status == "held":
        return min(held_until(post, target) + seconds(retry.GRACE), _next_held_look(post, target, now))
    if target.next_attempt_at is not None:
        normal = target.next_attempt_at + seconds(retry.NUDGE_AFTER)
    elif target.lease_until is not None:
        normal = target.lease_until + seconds(retry.GRACE)
    else:
        normal = (queued_at(post) or now) + seconds(retry.REDISPATCH_AFTER)
    return normal if target.nudged_at is None else max(normal, target.nudged_at + seconds(retry.REDISPATCH_AFTER))


def overdue(post: Post, target: Target, now: datetime) -> bool:
    """True when nobody works on an open target that should have been worked on: its message is lost, or its worker."""
    if target.status not in TARGET_OPEN:
        return False
    if target.status == "held":
        return now > held_until(post, target) or now >= _next_held_look(post, target, now)
    if target.nudged_at is not None and now < target.nudged_at + seconds(retry.REDISPATCH_AFTER):
        return False
    if target.next_attempt_at is not None:
        return now >= target.next_attempt_at + seconds(retry.NUDGE_AFTER)
    if target.lease_until is not None:
        return now >= target.lease_until + seconds(retry.GRACE)
    return now >= (queued_at(post) or now) + seconds(retry.REDISPATCH_AFTER)


def nudge(post: Post, target: Target, now: datetime) -> bool:
    """Sweep sends an overdue target's message again: True. After a bounded number of times the target ends instead: False."""
    if target.redispatches < retry.MOST_REDISPATCHES:
        target.redispatches += 1
        target.nudged_at = now
        return True
    if target.armed is not None or target.status in WITH_NETWORK:
        if target.status in WITH_NETWORK:  # its time has come, so that the post is on its way now
            _move(post, target, "publishing", now)
            conclude(post, now)
        detail = "The network may have taken it: the worker died in the call, and it could not be looked up since."
        end(post, target, "unconfirmed", now, "unconfirmed", detail, conclude_now=False)
    else:
        sent = f"{len(target.remotes)} segments are out" if target.remotes else "Nothing was sent to the network"
        detail = f"It could not be handed to a worker; see the dead-letter queue. {sent}."
        end(post, target, "failed", now, "undeliverable", detail, conclude_now=False)
    return False


def _move(post: Post, target: Target, status: str, now: datetime) -> None:
    if status not in TARGET_TRANSITIONS[target.status]:
        raise illegal(post, status, f"A target that is {target.status} cannot become {status}.")
    was, target.status = target.status, status
    if status != was and status in ANNOUNCED_TARGETS:
        announce(post, f"target.{status}", now, previous=was, profile_id=target.profile_id)


def stage(post: Post, to: str, now: datetime) -> None:
    """Move the whole post before anything began: draft, pending_approval, scheduled, queued or cancelled."""
    if post.status and (post.status not in EDITABLE or to not in POST_TRANSITIONS[post.status]):
        raise illegal(post, to, f"The post is {post.status}; it cannot become {to} any more.")
    if to != "queued":
        keeps_nothing(post)
    post.stage = to
    if to == "cancelled":
        for target in post.targets.values():
            _unhold(target)
            target.status = "cancelled"
    conclude(post, now)


def edited(post: Post, now: datetime) -> None:
    """Content, time or targets changed: a new revision, which makes every message that is out stale."""
    keeps_nothing(post)
    post.revision += 1
    announce(post, "post.updated", now)
    for target in post.targets.values():
        target.redispatches, target.native = 0, None
        _unhold(target)


class WithNetwork(Problem):
    """A network keeps a target of the post until its time. Whoever changes the post has it taken back first."""

    def __init__(self) -> None:
        super().__init__("try_again", "A network keeps the post until its time and has to give it back first.")


def keeps_nothing(post: Post) -> None:
    """Refuse a change of what a network keeps. Raises `WithNetwork`."""
    if any(target.status in WITH_NETWORK for target in post.targets.values()):
        raise WithNetwork


def fail_waiting(post: Post, code: str, detail: str, now: datetime) -> None:
    """End every target that has not begun (a post that is too late, say)."""
    for target in list(post.targets.values()):
        if target.standing == "waiting" and target.status not in WITH_NETWORK:
            end(post, target, "failed", now, code, detail, conclude_now=False)
    conclude(post, now)


def hold(post: Post, target: Target, code: str, detail: str, now: datetime) -> None:
    """Nothing may be published on the target's profile for the time being. No attempt is counted, and one that began without
    having called the network is closed. A post that has not begun has not begun now either: edit and cancel still win."""
    if post.status == "scheduled":
        stage(post, "queued", now)
    _close_attempt(target, "held", code, detail, now)
    target.held_begun, target.held_at, target.error = target.status != "waiting", now, {"code": code, "detail": detail}
    _move(post, target, "held", now)
    target.claim = target.lease_until = target.next_attempt_at = target.nudged_at = None
    post.due_at = None  # an earlier look would find nothing to do, and thousands may be held in one moment
    conclude(post, now)


def release(post: Post, target: Target, now: datetime) -> None:
    """A held target goes on where it was held; its message goes out next. What was uploaded for it may be forgotten by now, so it
    is prepared afresh, unless some of it is out or may be."""
    begun = target.held_begun
    _move(post, target, "retrying" if begun else "waiting", now)
    if not begun:
        announce(post, f"target.{post.stage}", now, previous="held", profile_id=target.profile_id)
    _unhold(target)
    target.redispatches, target.nudged_at = 0, now
    target.next_attempt_at = now if begun else None
    if not (target.remotes or target.uncertain):
        target.checkpoint = {}
    conclude(post, now)


def _unhold(target: Target) -> None:
    """Forget that the target is held, if it is: it waits like any other."""
    if target.held_at is not None:
        if target.status == "held":
            target.status = "waiting"
        target.held_begun, target.held_at, target.nudged_at, target.error = False, None, None, None


def only_held(post: Post) -> bool:
    """Whether everything that is still open waits for its profile: nothing happens for a good while."""
    return {target.status for target in post.open_targets()} == {"held"}


def claim(post: Post, target: Target, token: str, now: datetime, lease: float) -> None:
    """A worker takes a target to publish it: a new attempt begins. The first claim ends editing.

    A claim in `scheduled` (its message carried the delay) passes through `queued`, so that no event is missing.
    """
    if post.status == "scheduled":
        stage(post, "queued", now)
    _move(post, target, "publishing", now)
    target.tries += 1
    target.attempts.append(Attempt(target.tries, now))
    _lease(target, token, now, lease)
    disarm(target)
    target.looks = target.absences = target.failed_looks = 0
    conclude(post, now)


def take_over(post: Post, target: Target, token: str, now: datetime, lease: float) -> None:
    """A worker continues an attempt whose worker is gone or that waits for a look: no new attempt."""
    if target.armed is not None:
        target.uncertain = True
        if target.lease_until is not None and target.call_ended_at is None:
            target.call_ended_at = target.lease_until
    _lease(target, token, now, lease)
    conclude(post, now)


def _lease(target: Target, token: str, now: datetime, lease: float) -> None:
    target.claim = token
    target.lease_until = now + seconds(lease)
    target.next_attempt_at = None


def arm(target: Target, segment: int, now: datetime) -> None:
    """Record that the irreversible call for `segment` is about to be made."""
    target.armed, target.armed_at, target.call_ended_at = segment, now, None
    target.looks = target.absences = target.failed_looks = 0
    if (attempt := target.attempt) is not None and attempt.armed_at is None:
        attempt.armed_at = now


def disarm(target: Target) -> None:
    """No irreversible call is in question any more: its outcome is known, or it was not made."""
    target.armed = target.armed_at = target.call_ended_at = None


def published_segment(target: Target, remotes: Iterable[RemoteSegment]) -> None:
    """What became visible, segment by segment, in order. The segment is no longer armed."""
    target.remotes.extend(remotes)
    disarm(target)
    target.uncertain = False


def only_comment_left(post: Post, target: Target) -> bool:
    """Whether readers see the whole post already, and nothing but its first comment is still to come."""
    draft = post.draft_for(target.platform)
    return draft.comment is not None and len(target.remotes) == len(draft.segments)


def comment_appeared(post: Post, target: Target, remotes: Iterable[RemoteSegment], now: datetime) -> None:
    """A first comment nobody was sure of is out after all. Its target has ended as published and stays so."""
    published_segment(target, remotes)
    target.comment = None
    announce(post, "post.updated", now)
    conclude(post, now)


def end(
    post: Post, target: Target, status: str, now: datetime, code: str | None = None, detail: str | None = None,
    *, conclude_now: bool = True,
) -> None:
    """A target ends: published, failed or unconfirmed. Where only the first comment did not get out, or nobody knows whether
    it did, the target is published, since readers see the post; what became of the comment stands beside it."""
    _close_attempt(target, status, code, detail, now)
    if status == "failed":
        target.armed = target.armed_at = None
    if status != "published" and only_comment_left(post, target):
        target.comment = {"status": status, "code": code, "detail": detail}
        status, code = "published", None
    target.error = {"code": code, "detail": detail} if code else None
    _move(post, target, status, now)
    target.claim = target.lease_until = target.next_attempt_at = target.held_at = None
    target.held_begun = False
    if conclude_now:
        conclude(post, now)


def retry_later(post: Post, target: Target, at: datetime, code: str, detail: str, now: datetime) -> None:
    """Known not to be published: try again at `at`."""
    target.error = {"code": code, "detail": detail}
    _close_attempt(target, "retry", code, detail, now)
    disarm(target)
    target.retries += 1
    _move(post, target, "retrying", now)
    target.claim = target.lease_until = None
    target.next_attempt_at = at
    conclude(post, now)


def come_back(post: Post, target: Target, at: datetime, now: datetime) -> None:
    """The attempt goes on later (a look, media still processing): the claim is given up, the attempt stays open."""
    target.claim = target.lease_until = None
    target.next_attempt_at = at
    conclude(post, now)


def call_ended(target: Target, now: datetime) -> None:
    """The irreversible call came back without a clear answer at `now`."""
    target.call_ended_at = now
    target.uncertain = True


def reopen(post: Post, target: Target, now: datetime) -> None:
    """A person asks for a failed target again."""
    _move(post, target, "retrying", now)
    target.retries = target.redispatches = 0
    target.nudged_at = None
    target.next_attempt_at = now
    target.error = target.removal = target.native = None


def settle(
    post: Post, target: Target, outcome: str, remote: RemoteSegment | None, now: datetime, *, of_segments: int
) -> None:
    """A person says what became of an unconfirmed target. A thread can go on at the next segment once one is published."""
    if target.status != "unconfirmed":
        raise illegal(post, outcome, f"Only an unconfirmed target can be resolved; this one is {target.status}.")
    if outcome == "not_published":
        target.uncertain = False
        end(post, target, "failed", now, "not_published", "Resolved by hand: it was not published. It can be retried.")
        return
    if remote is not None:
        published_segment(target, [remote])
    if len(target.remotes) >= of_segments:
        end(post, target, "published", now)
    elif only_comment_left(post, target):
        end(post, target, "failed", now, "comment_not_sent", COMMENT_NOT_SENT)
    else:
        left = of_segments - len(target.remotes)
        detail = f"Resolved by hand up to segment {len(target.remotes)}; {left} to go. Retry continues there."
        end(post, target, "failed", now, "thread_incomplete", detail)


def _close_attempt(target: Target, outcome: str, code: str | None, detail: str | None, now: datetime) -> None:
    attempt: Attempt | None = target.attempt
    if attempt is not None and attempt.ended_at is None:
        attempt.ended_at, attempt.outcome, attempt.code, attempt.detail = now, outcome, code, detail


def public_target_status(post: Post, target: Target) -> str:
    """A target that has not begun shows its post's stage."""
    return post.stage if target.status == "waiting" or target.status in WITH_NETWORK else target.status


