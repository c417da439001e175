"""Announcing what happened: the workspace's event feed, then the topic. Reads the post's trail, never invents.

The stream hands over each write once or more; the feed stores each event once. The topic may say an event twice (never
none): its id is stable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain.post import Post
from ..domain.view import event_view
from ..store.events import KEPT, MOST_AT_ONCE
from ..store.tables import Conflict

if TYPE_CHECKING:
    from ..wiring import Deps

MOST_CONFLICTS = 50


def announce(deps: Deps, post: Post) -> int:
    """Announce the transitions of the post's last write, and any before it that the feed does not have. Returns how many.

    Raises `StoreUnavailable`, `TopicUnavailable`: the stream then hands the write over again.
    """
    now = deps.clock.now()
    for _ in range(MOST_CONFLICTS):
        head, cursor = deps.events.state(post.partition, post.id)
        missing = [t for t in post.trail if t.sequence > cursor.sequence and (now - t.at).total_seconds() < KEPT]
        chunk = [event_view(post, transition) for transition in missing[:MOST_AT_ONCE]]
        if not chunk:
            break
        busy_until = post.publish_at.timestamp() if post.publish_at else 0.0
        try:
            deps.events.append(post.partition, post.id, head, cursor, chunk, now.timestamp(), busy_until)
        except Conflict:
            continue
        already = [t for t in post.trail if post.since < t.sequence <= cursor.sequence]
        deps.topic.publish([*(event_view(post, t) for t in already), *chunk])
        if len(missing) <= MOST_AT_ONCE:
            return len(chunk)
    else:
        raise Conflict
    # Everything was in the feed: the stream repeats itself, perhaps because the topic did not answer. Say it again.
    again = [event_view(post, t) for t in post.trail if t.sequence > post.since]
    if again:
        deps.topic.publish(again)
    return 0


def catch_up(deps: Deps, post: Post) -> int:
    """Sweep's check: announce what the stream lost (it forgets after 24 hours), say nothing twice."""
    _, cursor = deps.events.state(post.partition, post.id)
    if cursor.sequence >= post.sequence:
        return 0
    return announce(deps, post)
