"""Announcing what happened: on the topic, then in the workspace's event feed. Reads the posts' trails, never invents.

The feed stores each event once, and what is in it counts as announced: so an event is said on the topic before. A worker that
dies in between, or gets no answer, leaves it to be said again (never unsaid): its id is stable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.post import Post, Transition
from ..domain.view import event_view
from ..store.events import KEPT, MOST_POSTS, Cursor, News
from ..store.tables import Conflict

if TYPE_CHECKING:
    from ..wiring import Deps

MOST_CONFLICTS = 50
"""Tries against other invocations that append to the same feed: one for each shard of the stream at worst."""

MOST_TOGETHER = 60
"""Events stored in one row: compressed they stay far below an item's 400 KB, even for the longest posts."""


class _Said(NamedTuple):
    """One transition with the post as it was written then. `order` keeps a post's own events in order of their sequence."""

    order: tuple[datetime, str, int]
    post: Post
    transition: Transition


def announce(deps: Deps, writes: Sequence[Post]) -> int:
    """Announce what the feed does not have of these writes of one feed (in the order they were made; several may be of one
    post), and of what came before them. Returns how many events the feed was given.

    Raises `StoreUnavailable`, `TopicUnavailable`: the stream then hands the writes over again.
    """
    by_post: dict[str, list[Post]] = {}
    for post in writes:
        by_post.setdefault(post.id, []).append(post)
    ids = list(by_post)
    return sum(_announce(deps, [by_post[i] for i in ids[start : start + MOST_POSTS]]) for start in range(0, len(ids), MOST_POSTS))


def _announce(deps: Deps, posts: Sequence[Sequence[Post]]) -> int:
    stored = conflicts = 0
    told: set[tuple[str, int]] = set()
    feed = posts[0][0].partition
    while True:
        now = deps.clock.now()
        head, cursors = deps.events.state(feed, [images[0].id for images in posts])
        missing = sorted(said for images in posts for said in _after(images, cursors[images[0].id], now))
        if not missing:
            return stored
        chunk = missing[:MOST_TOGETHER]
        events = [event_view(said.post, said.transition) for said in chunk]
        names = [(said.post.id, said.transition.sequence) for said in chunk]
        deps.topic.publish([event for name, event in zip(names, events, strict=True) if name not in told])
        told.update(names)
        try:
            deps.events.append(feed, head, list(_news(chunk, events, cursors)), events, now.timestamp())
        except Conflict:
            conflicts += 1
            if conflicts >= MOST_CONFLICTS:
                raise
            continue
        stored += len(chunk)
        if len(chunk) == len(missing):
            return stored


def _after(images: Sequence[Post], cursor: Cursor, now: datetime) -> Iterable[_Said]:
    """What the feed lacks of a post. What is older than the feed keeps is past."""
    recent = (t for t in images[-1].trail if t.sequence > cursor.sequence and (now - t.at).total_seconds() < KEPT)
    return _said(images, recent)


def _said(images: Sequence[Post], transitions: Iterable[Transition]) -> Iterable[_Said]:
    """Each transition with the image of the write that made it, so that an event shows the post as it was."""
    latest: datetime | None = None
    for transition in transitions:
        latest = transition.at if latest is None else max(latest, transition.at)
        image = next((post for post in images if post.sequence >= transition.sequence), images[-1])
        yield _Said((latest, image.id, transition.sequence), image, transition)


def _news(chunk: Sequence[_Said], events: Sequence[dict[str, Any]], cursors: dict[str, Cursor]) -> Iterable[News]:
    for post in {said.post.id: said.post for said in chunk}.values():
        own = [event for said, event in zip(chunk, events, strict=True) if said.post.id == post.id]
        yield News(post.id, cursors[post.id], own, post.publish_at.timestamp() if post.publish_at else 0.0)


def catch_up(deps: Deps, post: Post) -> int:
    """Sweep's check: announce what the stream lost (it forgets after 24 hours), say nothing twice."""
    _, cursors = deps.events.state(post.partition, [post.id])
    if cursors[post.id].sequence >= post.sequence:
        return 0
    return announce(deps, [post])
