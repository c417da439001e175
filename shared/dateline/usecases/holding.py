"""Holding targets back while nothing may be published on their profile, and releasing them again.

Whoever is about to publish a target reads its profile anyway: there a target is held, without an attempt. Whoever resumes a
profile releases what is held on it, and sweep goes on where that one stopped. In between sweep looks at held targets now and
then, and ends those whose time is over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..domain import lifecycle, retry
from ..domain.instants import rfc3339
from ..domain.post import Post, Target, seconds
from ..domain.profile import Profile, expiring, next_look
from ..store.tables import Conflict
from . import dispatch
from .record import ClaimLost

if TYPE_CHECKING:
    from ..wiring import Deps
    from .deliver import Work

log = logging.getLogger("dateline")

PAGE = 100
"""Bookings looked through at once; as many posts are read in one call."""

SKEW = timedelta(minutes=5)
"""By how much the clock of a worker that holds a target may be ahead of ours."""

More = Callable[[], bool]
"""Whether there is time for more."""


def reason(profile: Profile | None) -> tuple[str, str] | None:
    """Why nothing is to be published on the profile for the time being: a code and words for people; None if nothing says so.
    (A profile that is gone holds nothing back: its targets fail.)"""
    if profile is None:
        return None
    if profile.status == "disconnected":
        return "profile_disconnected", "The profile's token is no longer accepted; the post goes on when it is connected again."
    if not profile.paused:
        return None
    what = "All profiles of the workspace are paused" if "workspace" in profile.paused else "The profile is paused"
    return "profile_paused", f"{what}; the post goes on when that ends."


def hold(work: Work, code: str, detail: str) -> str:
    """Hold the target of this work back. Raises `ClaimLost` when it is not to be published any more."""
    from .deliver import decide

    deps, profile_id, now = work.deps, work.message.profile_id, work.deps.clock.now()

    def move(post: Post) -> None:
        step, until = decide(post, profile_id, work.message.revision, now)
        if step != work.step or until is not None:
            raise ClaimLost
        target = post.targets[profile_id]
        lifecycle.hold(post, target, code, detail, now)
        until = lifecycle.held_until(post, target)
        target.error = {"code": code, "detail": f"{detail} It waits until {rfc3339(until)} at the latest."}

    work.post = deps.posts.change(work.post, move)
    # Whoever resumed the profile after we read it may have looked for held targets before this one was: so we look again.
    return look(deps, work.post, profile_id)


def hold_begun(work: Work, code: str, detail: str) -> str:
    """Hold the target of this work back, though its attempt had begun: nothing was published by it."""
    now = work.deps.clock.now()

    def move(post: Post, target: Target) -> None:
        lifecycle.disarm(target)
        lifecycle.hold(post, target, code, detail, now)
        until = lifecycle.held_until(post, target)
        target.error = {"code": code, "detail": f"{detail} It waits until {rfc3339(until)} at the latest."}

    work.write(move)
    return look(work.deps, work.post, work.message.profile_id)


def look(deps: Deps, post: Post, profile_id: str) -> str:
    """Has a held target to wait still? Says in a word what became of it."""
    if reason(deps.profiles.get(profile_id)) is not None:
        return "held"
    return let_go(deps, post, profile_id)


def let_go(deps: Deps, post: Post, profile_id: str) -> str:
    """Release one held target. Says in a word what became of it."""
    now = deps.clock.now()
    released = False

    def move(current: Post) -> None:
        nonlocal released
        released = go_on(current, profile_id, now)

    post = deps.posts.change(post, move)
    if released:
        dispatch.send(deps, post, [post.targets[profile_id]])
    return "released" if released else post.status


def go_on(post: Post, profile_id: str, now: datetime) -> bool:
    """A held target may go on: True if its message is to be sent. One that is too late by now becomes what the post's policy
    says. Changes the post; does nothing to a target that is not held."""
    target = post.targets.get(profile_id)
    if target is None or target.status != "held" or end_late(post, profile_id, now):
        return False
    lifecycle.release(post, target, now)
    return True


def end_late(post: Post, profile_id: str, now: datetime) -> bool:
    """Whether the time of a held target is over; then it ends: `too_late` by the post's own policy (a post that has not begun
    becomes what `onLate` says as a whole), else `held_too_long`. Changes the post."""
    target, held_at = post.targets[profile_id], post.targets[profile_id].held_at or now
    if post.status in lifecycle.EDITABLE and dispatch.too_late(post, now):
        return True
    until = lifecycle.held_until(post, target)
    if now <= until:
        return False
    code, why = "held_too_long", "longer than any target is"
    if until == lifecycle.late_at(post):
        code, why = "too_late", f"until it was later than maxLateness allows, and onLate is {post.on_late}"
    detail = f"It was held from {rfc3339(held_at)} on, {why}. It can be retried."
    lifecycle.end(post, target, "failed", now, code, detail)
    return True


def release(deps: Deps, profile: Profile, more: More) -> None:
    """Release what is held on a profile that was resumed, as far as there is time, and note how far that was: sweep goes on."""
    until = deps.clock.now() + SKEW
    while profile.release is not None and more():
        current = deps.profiles.get(profile.id)
        if current is None or reason(current) is not None:
            return
        booked = deps.bookings.after(profile.id, profile.release, until, PAGE)
        posts = {post.id: post for post in deps.posts.get_many([post_id for _, post_id in booked], consistent=True)}
        for slot, post_id in booked:
            post = posts.get(post_id)
            target = post.targets.get(profile.id) if post is not None else None
            if post is not None and target is not None and target.status == "held":
                if not more():
                    break
                try:
                    let_go(deps, post, profile.id)
                except Conflict:
                    log.warning("not released; sweep will look", extra={"post_id": post_id, "profile_id": profile.id})
            profile.release = slot
        else:
            if len(booked) < PAGE:
                profile.release = None
    now = deps.clock.now()
    look = next_look(profile)
    audit = now + seconds(retry.AUDIT_AFTER)
    profile.due_at = now if profile.release is not None else min(audit, look) if look else audit
    deps.profiles.tended(profile)


def tend(deps: Deps, profile: Profile, more: More) -> None:
    """Sweep's look at a profile: release what is still held after it was resumed, see that all its events are announced, say when
    its token ends soon, and have it renewed.
    Raises `StoreUnavailable`, `TopicUnavailable`: the next sweep looks again."""
    from . import announce  # deliver, which holds, never announces

    if profile.release is not None and reason(profile) is None:
        release(deps, profile, more)
        return
    now = deps.clock.now()
    if profile.status == "connected" and profile.warn_at is not None and profile.warn_at <= now:
        expiring(profile, now)
        deps.profiles.save(profile)
    if announce.catch_up(deps, profile):
        log.warning("events were missing", extra={"profile_id": profile.id})
    if profile.status == "connected" and profile.renew_at is not None and profile.renew_at <= now:
        dispatch.ask_for_renewal(deps, profile)
        profile.renew_at = now + seconds(retry.RENEW_PAUSE)
    profile.due_at = next_look(profile) if profile.status == "connected" else None
    deps.profiles.tended(profile)


def within(deps: Deps, span: float) -> More:
    """`More` for so many seconds from now on."""
    end = deps.clock.now() + seconds(span)
    return lambda: deps.clock.now() < end
