"""The guarantee behind every fast path. Once a minute: whatever is past its deadline is looked at, and moved on or ended.

A post without a schedule entry, a message that was lost or died in the dead-letter queue, a worker that never came back, an
event that was never announced: each leaves its post in the `due` index with a deadline that passes. After that it looks whether
the zone database has changed (`rezone`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ..domain import lifecycle
from ..domain.post import Post
from ..store.tables import Conflict, StoreUnavailable
from . import announce, dispatch, rezone

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

PER_SHARD = 200
"""Posts looked at per shard and minute, the workspaces in turn; what is left comes next minute, the oldest first."""

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
    if time_left() > 15.0:
        _carry_on(deps, time_left)
    try:
        rezone.follow(deps, time_left)
    except Exception as error:
        failed += 1
        log.exception("waiting posts could not follow the zone database", extra={"reason": type(error).__name__})
    return Swept(seen, failed, overdue)


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
    nudged: list[str] = []

    def move(current: Post) -> None:
        nudged.clear()
        overdue = [target for target in current.targets.values() if lifecycle.overdue(current, target, now)]
        for target in overdue:
            if target.status == "waiting" and busy():
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


def _audit(deps: Deps, post: Post, due_at: datetime | None = None) -> str:
    """A post at rest: are all its events announced? Then nothing is due any more (or only at `due_at`)."""
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
