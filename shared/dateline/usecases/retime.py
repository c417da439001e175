"""Moving a waiting post to another instant when no client asks for it: what it was meant for stays, when that is has changed.

It is written as an edit of its time is, but nothing is decided anew: no plan, spacing or horizon is asked, and nobody has to
approve again what was approved for that hour of the day.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from ..domain import lifecycle
from ..domain.fingerprints import decision_hash
from ..domain.post import Post
from ..store.queues import Place, place_of
from . import dispatch
from .write import Entry, Moved, rewrite, wake

if TYPE_CHECKING:
    from ..wiring import Deps


class _Stays(Exception):
    """The post is not to be moved."""


def retime(deps: Deps, post: Post, when: Callable[[Post], datetime | None]) -> Post | None:
    """Move the post to the instant that `when` gives for it: a new revision and its event, and with it its bookings, its place
    in a queue and its entry. One whose new time has come goes out at once.

    `when` is asked again after a conflict; where it says None nothing is written and None is returned. Raises `Conflict`,
    `StoreUnavailable`.
    """
    now = deps.clock.now()
    entry: Entry = "keep"

    def move(current: Post) -> Moved:
        nonlocal entry
        before, at = current.publish_at, when(current)
        if before is None or at is None:
            raise _Stays
        place = _place(deps, current, at, now)
        current.publish_at = at
        if place is not None:
            current.queue = place.as_dict()
        if current.approval:
            current.approval = {**current.approval, "hash": decision_hash(current)}
        lifecycle.edited(current, now)
        lifecycle.stage(current, current.stage, now)
        # As in an edit: an entry that may be firing just now is never moved, a new one takes its place.
        near = (before - now).total_seconds() < deps.settings.tuning.lead + 2 * dispatch.NEAR
        entry = "keep" if current.status != "scheduled" else "new" if near else "move"
        current.entry += entry == "new"
        return Moved(place=place)

    try:
        post = rewrite(deps, post, move)
    except _Stays:
        return None
    if entry != "keep":
        wake(deps, post, replace=entry == "move")
    return post


def _place(deps: Deps, post: Post, at: datetime, now: datetime) -> Place | None:
    """The place that a post of a queue has at its new time: the slot is an hour of the day, so it moves with its posts. It is
    taken whether it is full or not, since who holds it now is about to move as well."""
    if post.queue is None:
        return None
    queue = deps.posting_queues.get(post.partition, post.queue["id"])
    if queue is None:
        return None
    return place_of(queue, at, deps.posting_queues.slot(queue.id, at), now)
