"""The guarantee behind every fast path. Once a minute: whatever is past its deadline is looked at, and moved on or ended.

A post without a schedule entry, a message that was lost or died in the dead-letter queue, a worker that never came back, an
event that was never announced: each leaves its post in the `due` index with a deadline that passes. Profiles have such an index
too: for events, and for releasing what was held while they were paused. After that it looks whether the zone database has
changed (`rezone`), and carries on imports that were interrupted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ..domain import lifecycle, removal
from ..domain.post import Post
from ..store.tables import Conflict, StoreUnavailable
from . import announce, dispatch, holding, rezone

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

PER_SHARD = 200
"""Posts looked at per shard and minute, the workspaces in turn; what is left comes next minute, the oldest first."""

MOST_PROFILES = 500
"""Profiles looked at a minute, after the posts and as far as there is time."""

BUSY = 1000
"""Messages that wait in the deliveries queue: above that a target that was not claimed yet is taken to be among them. It is
neither sent again (that would make the queue longer) nor given up."""


class Swept(NamedTuple):
    """What one sweep did: posts looked at, posts that failed to be, and how late the latest was (seconds past its deadline)."""

    seen: int
    failed: int
    overdue_seconds: float


def sweep(deps: Deps, time_left: Callable[[], float]) -> Swept:
    """Look at every post whose deadline has passed, as long as there is time. One bad post never stops the others."""
    now = deps.clock.now()
    busy = cache(lambda: deps.queue.backlog() > BUSY)
    seen = failed = 0
    overdue = 0.0
    for post_id in deps.posts.due(now, PER_SHARD):
        if time_left() < 5.0:
            break
        try:
            post = deps.posts.get(post_id)
            if post is None or post.due_at is None or post.due_at > now:
                continue
            seen += 1
            if post.status not in lifecycle.RESTING:
                overdue = max(overdue, (now - post.due_at).total_seconds())
            visit(deps, post, now, busy)
        except Exception as error:
            failed += 1
            log.exception("a post could not be swept", extra={"post_id": post_id, "reason": type(error).__name__})
    failed += _profiles(deps, now, lambda: time_left() >= 5.0)
    if time_left() > 15.0:
        _carry_on(deps, time_left)
    try:
        rezone.follow(deps, time_left)
    except Exception as error:
        failed += 1
        log.exception("waiting posts could not follow the zone database", extra={"reason": type(error).__name__})
    return Swept(seen, failed, overdue)


def _profiles(deps: Deps, now: datetime, more: Callable[[], bool]) -> int:
    """Look at every profile whose time has come, as long as there is time. How many could not be."""
    failed = 0
    for profile_id in deps.profiles.due(now, MOST_PROFILES):
        if not more():
            break
        try:
            profile = deps.profiles.stored(profile_id)
            if profile is not None and profile.due_at is not None and profile.due_at <= now:
                holding.tend(deps, profile, more)
        except Exception as error:
            failed += 1
            log.exception("a profile could not be swept", extra={"profile_id": profile_id, "reason": type(error).__name__})
    return failed


def _carry_on(deps: Deps, time_left: Callable[[], float]) -> None:
    """Imports that were interrupted. Most minutes there are none, and what carries them on is not even loaded."""
    try:
        if deps.imports.open(1):
            from . import bulk

            bulk.catch_up(deps, time_left)
    except StoreUnavailable:
        log.warning("imports could not be looked at")


def visit(deps: Deps, post: Post, now: datetime, busy: Callable[[], bool] = lambda: False) -> str:
    """Do what a post past its deadline needs. Says in a word what it was. `busy` tells whether the queue is long."""
    if post.status in lifecycle.RESTING:
        return _audit(deps, post)
    if post.status == "scheduled":
        return dispatch.dispatch_post(deps, post, now)
    if post.status == "pending_approval":
        return _undecided(deps, post, now)
    if removal.pending(post):
        _remove(deps, post)
        post = deps.posts.get(post.id) or post
    nudged: list[str] = []
    paused = cache(lambda profile_id: holding.reason(deps.profiles.get(profile_id)) is not None)

    def move(current: Post) -> None:
        nudged.clear()
        overdue = [target for target in current.targets.values() if lifecycle.overdue(current, target, now)]
        for target in overdue:
            if current.status in lifecycle.RESTING:
                break
            if target.status == "held":
                if not paused(target.profile_id):
                    if holding.go_on(current, target.profile_id, now):
                        nudged.append(target.profile_id)
                elif not holding.end_late(current, target.profile_id, now):
                    target.nudged_at = now
            elif target.standing == "waiting" and busy():
                target.nudged_at = now
            elif lifecycle.nudge(current, target, now):
                nudged.append(target.profile_id)
        lifecycle.conclude(current, now)

    post = deps.posts.change(post, move)
    if nudged:
        dispatch.send(deps, post, [post.targets[profile_id] for profile_id in nudged])
    return "sent again" if nudged else post.status


def _undecided(deps: Deps, post: Post, now: datetime) -> str:
    """A post that nobody decided about: its lateness policy is applied when its time is up; until then it waits for a person."""
    limit = lifecycle.late_at(post)
    if limit is None or now <= limit:
        return _audit(deps, post, limit)
    return deps.posts.change(post, lambda p: p.status == "pending_approval" and dispatch.too_late(p, now)).status


def _remove(deps: Deps, post: Post) -> str:
    """Targets that are still to be taken down some minutes after that was asked or tried: their messages are lost."""
    from . import removing

    now = deps.clock.now()

    again: list[str] = []

    def move(current: Post) -> None:
        again.clear()
        for target in removal.pending(current):
            if now < lifecycle.removal_lost_at(target):
                continue
            if removal.tried(target, "undeliverable", "It could not be handed to a worker; see the dead-letter queue.", now):
                again.append(target.profile_id)
            else:
                removal.failed(current, target, "undeliverable", "It could not be handed to a worker.", now)
        current.due_at = lifecycle.deadline(current, now)

    post = deps.posts.change(post, move)
    for profile_id in again:
        removing.send(deps, post, only=profile_id)
    return "removals sent again"


def _audit(deps: Deps, post: Post, due_at: datetime | None = None) -> str:
    """A post at rest: is it to be taken down still, are all its events announced? Then nothing is due any more (or only at
    `due_at`)."""
    if removal.pending(post):
        return _remove(deps, post)
    missing = announce.catch_up(deps, post)
    if missing:
        log.warning("events were missing", extra={"post_id": post.id, "count": missing})
    post.due_at = due_at
    try:
        deps.posts.save(post)
    except Conflict:
        return "moved on"
    except StoreUnavailable:
        return "later"
    return "announced"
