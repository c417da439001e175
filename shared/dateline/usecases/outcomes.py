"""What follows from how a delivery went: the end, another try, another look. Tokens stand in `tokens`, remote ids in `record`.

One rule stands above all others here: a target whose irreversible call had no clear answer is looked up, and tried again only
when it is known that it was not published.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ..domain import lifecycle, native, retry
from ..domain.instants import sortable
from ..domain.post import Post, Target, seconds
from ..platforms.base import (
    Delivery,
    Failed,
    Found,
    NotReady,
    Outcome,
    Processing,
    Refused,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from . import dispatch, holding, tokens
from .record import ClaimLost

if TYPE_CHECKING:
    from datetime import datetime

    from .deliver import Work

RESERVE = 50.0
"""Seconds of the function's time that a call must find left: its deadline (30), and the write after it (four tries of 5)."""

SAVING = 10.0
"""Seconds that a long exchange must find left after it."""

LONGEST_PROCESSING = 6 * 3600.0
"""Seconds a network may work on what it took before nobody waits any longer: the target is then unconfirmed."""

ROLLBACK = "rollback"
"""The checkpoint's member that says why segments are being taken down, so that a worker that dies over it is followed up."""

CONTESTED_WAIT = 5.0
"""Seconds to wait when another post with the same words is just being published on the same profile."""

LONGEST_PREPARATION = 3600.0
"""Seconds a network may work on media before the target fails."""


def settle(work: Work, outcome: Outcome, delivery: Delivery | None = None) -> str:
    """Write what follows from an outcome, and wake for it. Says in a word what it was."""
    if isinstance(outcome, Unknown) and delivery is not None:
        return _unknown(work, delivery)
    if isinstance(outcome, Processing) and delivery is not None:
        return _processing(work, outcome)
    if isinstance(outcome, TokenRefused):
        outcome = tokens.refused(work, outcome, delivery)
    if work.step == "resolve" and work.target.armed is not None:
        return _look_failed(work, outcome)
    if isinstance(outcome, NotReady):
        return _not_ready(work, outcome)
    if outcome.code == "token_dead" and not (ROLLBACK in work.target.checkpoint or _only_comment_left(work)):
        return holding.hold_begun(work, "profile_disconnected", outcome.detail)
    if isinstance(outcome, Retry):
        return _retry(work, outcome, delivery)
    return _fail(work, outcome.code, outcome.detail, delivery)


def _fail(work: Work, code: str, detail: str, delivery: Delivery | None) -> str:
    if _broken_off(work) and work.post.on_segment_failure == "rollback" and delivery is not None:

        def decided(post: Post, target: Target) -> None:
            lifecycle.disarm(target)
            target.checkpoint[ROLLBACK] = [code, detail]
            lifecycle.conclude(post, work.deps.clock.now())

        work.write(decided)
        return roll_back(work, delivery)
    return _end_failed(work, code, detail)


def _broken_off(work: Work) -> bool:
    """Whether some of the thread's own segments are out and some are not. A first comment that is missing breaks nothing off."""
    return bool(work.target.remotes) and not _only_comment_left(work)


def _only_comment_left(work: Work) -> bool:
    return lifecycle.only_comment_left(work.post, work.target)


def _end_failed(work: Work, code: str, detail: str) -> str:
    now = work.deps.clock.now()

    def move(post: Post, target: Target) -> None:
        target.checkpoint.pop(ROLLBACK, None)
        lifecycle.end(post, target, "failed", now, code, detail)

    work.write(move)
    return "failed"


def roll_back(work: Work, delivery: Delivery) -> str:
    """Take the published segments down again, last first, then fail; what cannot be deleted stays listed."""
    code, detail = work.target.checkpoint[ROLLBACK]
    times = int(work.target.checkpoint.get("takenDown", 0)) + 1
    done = "The segments that were out have been taken down again."
    for remote in list(reversed(work.target.remotes)):
        if work.time_left() < RESERVE:
            _come_back(work, work.deps.clock.now())
            return "goes on in another invocation"
        try:
            work.publisher.delete(delivery, remote.id)
        except Outcome as outcome:
            done = f"Not every published segment could be taken down again ({outcome.code})."
            break

        def forget(post: Post, target: Target) -> None:
            target.remotes.pop()
            target.checkpoint["takenDown"] = times
            lifecycle.conclude(post, work.deps.clock.now())

        work.write(forget)
    return _end_failed(work, code, f"{detail} {done}")


def _retry(work: Work, outcome: Retry, delivery: Delivery | None) -> str:
    """Try again after the network's own wish, else after the table's delay; in the end, give up."""
    deps, now = work.deps, work.deps.clock.now()
    wait, why = _wait(work, outcome)
    if wait is None:
        return _fail(work, outcome.code, f"{outcome.detail} {why}".rstrip(), delivery)

    def move(post: Post, target: Target) -> None:
        if kept(target):
            native.forgotten(target)
        lifecycle.retry_later(post, target, now + seconds(max(wait, 0.0)), outcome.code, outcome.detail, now)
        if wait > retry.LONGEST_MESSAGE_DELAY:
            post.entry += 1

    work.write(move)
    dispatch.call_back(deps, work.post, work.target)
    return "retrying"


def _wait(work: Work, outcome: Retry) -> tuple[float | None, str]:
    """Seconds until the next try; None if there is to be none, and why."""
    if work.post.on_segment_failure != "resume" and _broken_off(work):
        return None, ""
    seed = f"{work.post.id}{work.message.profile_id}"
    delay = retry.retry_delay(work.target.retries, seed, work.deps.settings.tuning.retry_scale)
    if delay is None:
        return None, f"Given up after {work.target.retries} retries."
    longest = min(retry.LONGEST_WAIT, work.post.max_lateness or retry.LONGEST_WAIT)
    wait = delay if outcome.after is None else outcome.after
    if wait > longest:
        return None, f"The next try would be in {wait:,.0f} s; the post waits {longest:,.0f} s at most."
    return wait, ""


def _come_back(work: Work, at: datetime) -> None:
    now = work.deps.clock.now()
    work.write(lambda post, target: lifecycle.come_back(post, target, at, now))
    dispatch.call_back(work.deps, work.post, work.target)


def _not_ready(work: Work, outcome: NotReady) -> str:
    now = work.deps.clock.now()
    attempt = work.target.attempt
    if attempt is not None and now - attempt.started_at > timedelta(seconds=LONGEST_PREPARATION):
        detail = f"{outcome.detail} The network was still not done after an hour."
        return _fail(work, outcome.code, detail, None)
    at = now + seconds(outcome.after)

    def move(post: Post, target: Target) -> None:
        lifecycle.disarm(target)
        lifecycle.come_back(post, target, at, now)

    work.write(move)
    dispatch.call_back(work.deps, work.post, work.target)
    return "goes on later"


def _unknown(work: Work, delivery: Delivery) -> str:
    """The irreversible call had no clear answer: look at once, and again later."""
    now = work.deps.clock.now()

    def ended(post: Post, target: Target) -> None:
        lifecycle.call_ended(target, now)
        lifecycle.conclude(post, now)

    work.write(ended)
    work.step = "resolve"
    delivery.uncertain = True
    try:
        return work.go_on(delivery)
    except Outcome as outcome:
        return settle(work, outcome, delivery)


def _processing(work: Work, outcome: Processing) -> str:
    """The irreversible call was made and is being worked on: it stays armed, and is looked up until the network is done."""
    now = work.deps.clock.now()

    def taken(post: Post, target: Target) -> None:
        lifecycle.call_ended(target, now)
        lifecycle.come_back(post, target, now + seconds(min(outcome.after, retry.LONGEST_MESSAGE_DELAY)), now)

    work.write(taken)
    dispatch.call_back(work.deps, work.post, work.target)
    return "the network is at work"


def _look_failed(work: Work, outcome: Outcome) -> str:
    now = work.deps.clock.now()
    dead = isinstance(outcome, Failed) and outcome.code == "token_dead"
    if dead or work.target.failed_looks + 1 >= retry.MOST_FAILED_LOOKS:
        return unconfirmed(work, f"It could not be looked up: {outcome.detail}")
    after = outcome.after if isinstance(outcome, Retry | NotReady) and outcome.after is not None else retry.LOOK_RETRY

    def move(post: Post, target: Target) -> None:
        target.failed_looks += 1
        lifecycle.come_back(post, target, now + seconds(min(after, retry.LONGEST_MESSAGE_DELAY)), now)

    work.write(move)
    dispatch.call_back(work.deps, work.post, work.target)
    return "the look failed"


def unconfirmed(work: Work, why: str) -> str:
    """The target ends: nobody can tell, a person has to look."""
    now = work.deps.clock.now()
    then = "" if lifecycle.only_comment_left(work.post, work.target) else ", then resolve the target"
    detail = f"The network may or may not have taken it: its answer was lost. {why} Look on the network{then}."
    work.write(lambda post, target: lifecycle.end(post, target, "unconfirmed", now, "unconfirmed", detail))
    return "unconfirmed"


def look(work: Work, delivery: Delivery) -> tuple[Remote, ...] | None:
    """Ask the network whether the armed segment is out. Its remotes if so; else None, and what follows is written."""
    deps = work.deps
    segment = work.target.armed
    if segment is None:
        raise ClaimLost
    if work.time_left() < RESERVE:
        _come_back(work, deps.clock.now())
        return None
    taken, contested = others(work, delivery)
    if contested:
        _come_back(work, deps.clock.now() + seconds(CONTESTED_WAIT))
        return None
    delivery.taken = taken
    resolution = _resolution(work, delivery, segment)
    now = deps.clock.now()
    if isinstance(resolution, Found):
        return resolution.remotes
    if isinstance(resolution, Undecidable):
        unconfirmed(work, resolution.detail)
        return None
    if isinstance(resolution, Working):
        _still_working(work, resolution)
        return None
    if isinstance(resolution, Refused):
        _refused(work, resolution, delivery)
        return None
    # It is not there. A slow server may still make it appear: even where a repeat could not double it, the repeat may be
    # refused, and the target would be called failed with the first call's post coming up after all.
    settling = deps.settings.tuning.settle
    ended = work.target.call_ended_at or work.target.lease_until or now
    counts = (now - ended).total_seconds() >= settling
    if counts and (work.target.absences >= 1 or isinstance(resolution, SafeToRepeat)):
        _retry(work, Retry("answer_lost", "The network's answer was lost, and the post is not there."), delivery)
        return None

    def move(post: Post, target: Target) -> None:
        target.looks += 1
        target.absences += counts
        lifecycle.come_back(post, target, _next_look(target, ended, now, settling), now)

    work.write(move)
    dispatch.call_back(deps, work.post, work.target)
    return None


def kept(target: Target) -> bool:
    """Whether the network was to keep the target until its time, and it is not settled what came of that."""
    return (target.native or {}).get("state") in lifecycle.WITH_NETWORK


def _resolution(work: Work, delivery: Delivery, segment: int) -> Resolution:
    if kept(work.target) and segment == 0:
        from . import natives

        return natives.confirm(work.deps, work, delivery)
    return work.publisher.resolve(delivery, segment)


def _still_working(work: Work, resolution: Working) -> None:
    """The network has it and is at work: a look that counts neither as absence nor as failed, for some hours."""
    now = work.deps.clock.now()
    if (now - (work.target.armed_at or now)).total_seconds() > LONGEST_PROCESSING:
        unconfirmed(work, f"{resolution.detail} It was still at work after {LONGEST_PROCESSING / 3600:.0f} hours.")
        return
    at = now + seconds(min(max(resolution.after, 1.0), retry.LONGEST_MESSAGE_DELAY))

    def move(post: Post, target: Target) -> None:
        target.looks += 1
        lifecycle.come_back(post, target, at, now)

    work.write(move)
    dispatch.call_back(work.deps, work.post, work.target)


def _refused(work: Work, resolution: Refused, delivery: Delivery) -> None:
    """The network says that the call came to nothing: known not to be published."""
    if resolution.again:

        def afresh(post: Post, target: Target) -> None:
            target.checkpoint = {}
            target.uncertain = False

        work.write(afresh)
        _retry(work, Retry(resolution.code, resolution.detail), delivery)
        return
    _fail(work, resolution.code, resolution.detail, delivery)


def _next_look(target: Target, ended: datetime, now: datetime, settling: float) -> datetime:
    """The next moment of the table that lies ahead; after its end, a quarter of the settling time later."""
    for part in retry.LOOKS:
        at = ended + seconds(part * settling)
        if at > now:
            return at
    return now + seconds(0.25 * settling)


def others(work: Work, delivery: Delivery, around: datetime | None = None) -> tuple[frozenset[str], bool]:
    """Remote ids that other posts of this profile own, and whether one with the same words is just being decided. Posts of six
    hours before the call count, or before `around`.

    Two posts with the same words on one profile can only be told apart by who already has which id; while the other one's
    call may still be under way, or it comes first in order, this one waits.
    """
    target, deps = work.target, work.deps
    around = around or target.armed_at or deps.clock.now()
    ids = deps.bookings.around(target.profile_id, sortable(around - timedelta(hours=6)), sortable(around + timedelta(minutes=5)))
    mine = delivery.segments[target.armed or 0].text
    taken: set[str] = set()
    contested = False
    for other in deps.posts.get_many([i for i in ids if i != work.post.id], consistent=True):
        theirs = other.targets.get(target.profile_id)
        if theirs is None:
            continue
        taken.update(remote.id for remote in theirs.remotes)
        if kept_as := (theirs.native or {}).get("id"):
            taken.add(str(kept_as))
        if theirs.status == "publishing" and theirs.armed is not None:
            segments = other.draft_for(theirs.platform).whole
            same = theirs.armed < len(segments) and segments[theirs.armed].text == mine
            if same and (theirs.call_ended_at is None or other.id < work.post.id):
                contested = True
    return frozenset(taken), contested
