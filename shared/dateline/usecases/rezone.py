"""When the zone database changes, posts that wait are resolved again from the wall-clock time they were meant for.

The database comes with the code, so a process asks once: is its version the one by which all waiting posts are known to be
resolved? Where it is not, they are walked through in order of their deadlines, a page of each shard in turn, each minute as
far as its time goes. How far the walk has come stands in the marker, so that the next minute goes on there. Everything may be
repeated: a post that stands right already is left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..domain.errors import Problem
from ..domain.post import Post
from ..store.posts import DUE_SHARDS
from ..store.tables import Conflict, StoreUnavailable

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

MARKER = "zones"
"""The note in the workspaces table: `version`, and while a walk is under way `walk`, with the version it leads to, since when
that is known, and where each shard goes on (None: it has come to its end)."""

SETTLE = timedelta(minutes=10)
"""From the first sight of a new version to the walk: a deployment takes some minutes, and until it is over requests are still
answered by the version before."""

PAGE = 100
"""Posts read together."""

RESERVE = 10.0
"""Seconds of the function's time that a post is not begun in."""


class OutOfTime(Exception):
    """The rest is for the next minute."""


def follow(deps: Deps, time_left: Callable[[], float]) -> int:
    """Go on with a walk if one is needed; how many posts were moved.

    Raises `StoreUnavailable` or `Conflict` where a post could not be written: its page is walked again next minute.
    """
    from ..domain import zones

    version = zones.version()
    if version is None or deps.zones_settled == version:
        return 0
    marker = deps.workspaces.note(MARKER)
    if marker is None or marker == {"version": version}:
        if marker is None:
            deps.workspaces.save_note(MARKER, {"version": version})
        deps.zones_settled = version
        return 0
    now = deps.clock.now()
    walk: dict[str, Any] | None = marker.get("walk")
    if walk is None or walk["version"] != version:  # also when a deployment is taken back half-way: what moved moves back
        walk = {"version": version, "since": now.timestamp(), "shards": {}}
        deps.workspaces.save_note(MARKER, {**marker, "walk": walk})
        log.warning("the zone database has changed", extra={"version": version, "before": marker["version"]})
    if now < datetime.fromtimestamp(walk["since"], UTC) + SETTLE:
        return 0
    moved = _walk(deps, marker["version"], walk, time_left)
    if all(f"{shard}" in walk["shards"] and walk["shards"][f"{shard}"] is None for shard in range(DUE_SHARDS)):
        deps.workspaces.save_note(MARKER, {"version": version})
        deps.zones_settled = version
        log.warning("all waiting posts follow the new zone database", extra={"version": version})
    return moved


def _walk(deps: Deps, before: str, walk: dict[str, Any], time_left: Callable[[], float]) -> int:
    """Walk on, a page of each shard in turn, and note after each page how far it went. Changes `walk`."""
    shards: dict[str, list[str] | None] = walk["shards"]
    moved = 0
    try:
        while open_shards := [n for n in range(DUE_SHARDS) if shards.get(f"{n}", []) is not None]:
            for shard in open_shards:
                ids, onwards = deps.posts.by_deadline(shard, shards.get(f"{shard}"), PAGE)
                for post in deps.posts.get_many(ids, consistent=True):
                    if time_left() < RESERVE:
                        raise OutOfTime
                    moved += _follow(deps, post)
                shards[f"{shard}"] = onwards
                deps.workspaces.save_note(MARKER, {"version": before, "walk": walk})
    except OutOfTime:
        log.warning("out of time; the walk goes on next minute", extra={"moved": moved})
    return moved


def _follow(deps: Deps, post: Post) -> bool:
    """Move one post if its zone says so. A post that cannot be moved does not stop the others, a store that is away does."""
    try:
        if instant(post) is None:
            return False
        from .retime import retime

        return retime(deps, post, instant) is not None
    except (StoreUnavailable, Conflict):
        log.warning("a post could not be resolved again yet", extra={"post_id": post.id})
        raise
    except Exception as error:
        log.exception("a post could not be resolved again", extra={"post_id": post.id, "reason": type(error).__name__})
        return False


def instant(post: Post) -> datetime | None:
    """Where a post belongs under the zone database of this process, None if it stands there, or is not to be moved: a time
    without a zone never moves, nor does a post that is on its way, nor one whose zone is gone."""
    if post.status not in ("scheduled", "pending_approval") or not post.intent or post.publish_at is None:
        return None
    from ..domain.time import Intent, reresolve

    intent = Intent.from_dict(post.intent)
    if intent.timezone is None:
        return None
    try:
        found = reresolve(intent)
    except Problem:
        log.warning("a waiting post's zone is gone", extra={"post_id": post.id, "timezone": intent.timezone})
        return None
    return None if found == post.publish_at else found
