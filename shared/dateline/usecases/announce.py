"""Announcing what happened: on the topic, then in the workspace's event feed. Reads the trails of posts and profiles, never
invents.

The feed stores each event once, and what is in it counts as announced: so an event is said on the topic before. A worker that
dies in between, or gets no answer, leaves it to be said again (never unsaid): its id is stable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.post import Post, Transition
from ..domain.profile import Noted, Profile
from ..domain.view import event_view, profile_event_view
from ..store.events import KEPT, MOST_POSTS, Cursor, News, post_key, profile_key
from ..store.tables import Conflict

if TYPE_CHECKING:
    from ..wiring import Deps

MOST_CONFLICTS = 50
"""Tries against other invocations that append to the same feed: one for each shard of the stream at worst."""

MOST_TOGETHER = 60
"""Events stored in one row: compressed they stay far below an item's 400 KB, even for the longest posts."""


Subject = Post | Profile
"""What events are about."""


class _Said(NamedTuple):
    """One line of a trail with its subject as it was written then. `order` keeps a subject's own events in order of their
    sequence."""

    order: tuple[datetime, str, int]
    subject: Subject
    line: Transition | Noted


def announce(deps: Deps, writes: Sequence[Subject]) -> int:
    """Announce what the feed does not have of these writes of one feed (in the order they were made; several may be of one
    post or profile), and of what came before them. Returns how many events the feed was given.

    Raises `StoreUnavailable`, `TopicUnavailable`: the stream then hands the writes over again.
    """
    by_key: dict[str, list[Subject]] = {}
    for subject in writes:
        by_key.setdefault(_key(subject), []).append(subject)
    keys = list(by_key)
    return sum(
        _announce(deps, {key: by_key[key] for key in keys[start : start + MOST_POSTS]})
        for start in range(0, len(keys), MOST_POSTS)
    )


def _key(subject: Subject) -> str:
    return profile_key(subject.id) if isinstance(subject, Profile) else post_key(subject.id)


def _announce(deps: Deps, subjects: Mapping[str, Sequence[Subject]]) -> int:
    stored = conflicts = 0
    told: set[tuple[str, int]] = set()
    feed = next(iter(subjects.values()))[0].partition
    while True:
        now = deps.clock.now()
        head, cursors = deps.events.state(feed, list(subjects))
        missing = sorted(said for key, images in subjects.items() for said in _after(images, cursors[key], now))
        if not missing:
            return stored
        chunk = missing[:MOST_TOGETHER]
        events = [_event(said) for said in chunk]
        names = [(said.subject.id, said.line.sequence) for said in chunk]
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


def _event(said: _Said) -> dict[str, Any]:
    if isinstance(said.subject, Profile):
        return profile_event_view(said.subject, said.line.sequence, said.line.kind, said.line.at)
    assert isinstance(said.line, Transition)
    return event_view(said.subject, said.line)


def _after(images: Sequence[Subject], cursor: Cursor, now: datetime) -> Iterable[_Said]:
    """What the feed lacks of a post or a profile. What is older than the feed keeps is past."""
    trail: Sequence[Transition | Noted] = images[-1].trail
    recent = (t for t in trail if t.sequence > cursor.sequence and (now - t.at).total_seconds() < KEPT)
    return _said(images, recent)


def _said(images: Sequence[Subject], lines: Iterable[Transition | Noted]) -> Iterable[_Said]:
    """Each line with the image of the write that made it, so that an event shows its subject as it was."""
    latest: datetime | None = None
    for line in lines:
        latest = line.at if latest is None else max(latest, line.at)
        image = next((subject for subject in images if subject.sequence >= line.sequence), images[-1])
        yield _Said((latest, image.id, line.sequence), image, line)


def _news(chunk: Sequence[_Said], events: Sequence[dict[str, Any]], cursors: dict[str, Cursor]) -> Iterable[News]:
    for key, subject in {_key(said.subject): said.subject for said in chunk}.items():
        own = [event for said, event in zip(chunk, events, strict=True) if _key(said.subject) == key]
        busy_until = subject.publish_at.timestamp() if isinstance(subject, Post) and subject.publish_at else 0.0
        yield News(key, cursors[key], own, busy_until)


def catch_up(deps: Deps, subject: Subject) -> int:
    """Sweep's check: announce what the stream lost (it forgets after 24 hours), say nothing twice."""
    key = _key(subject)
    _, cursors = deps.events.state(subject.partition, [key])
    if cursors[key].sequence >= subject.sequence:
        return 0
    return announce(deps, [subject])
