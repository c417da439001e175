"""Reserving for all rows of a bulk request before any of them is written, and giving it all back.

Each reservation is a transaction that moves the import's head; `_returns` has what undoes it at the same place. So whoever finds
an import that is still reserving can give back just what it had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.instants import parse_rfc3339
from ..domain.limits import Count
from ..domain.post import Post, body_of, post_from
from ..store.allowances import Toll, toll_extras
from ..store.bookings import bookings_of
from ..store.extras import MOST_OPERATIONS, Extra, write_together
from ..store.imports import Import
from ..store.queues import Holder, release
from ..store.tables import BookingRow, Conflict, StoreUnavailable
from .admit import contents_of

if TYPE_CHECKING:
    from ..wiring import Deps
    from .bulk_plan import Plan

LEASE = timedelta(seconds=40)
"""Who works on an import and says nothing for so long is gone: longer than an API request, shorter than sweep's minute."""

ROOM = MOST_OPERATIONS - 3
"""Writes of a step beside its head, the import's place on the list, and a guard."""

TRIES = 8
"""Times that the rows are weighed again because somebody else took what they were to have."""


class Payload(NamedTuple):
    """What is stored of the rows: what the client is told of each, the posts, and what is reserved for them."""

    told: list[dict[str, Any]]
    posts: list[list[Any]]
    added: list[list[Any]]
    guarded: list[str]
    slots: list[list[str]]


def payload_of(plan: Plan, told: list[dict[str, Any]]) -> Payload:
    """A plan as it is stored."""
    return Payload(
        told, [_packed(post) for post in plan.posts],
        [[count.metric, count.period, count.owner, number] for count, number in sorted(plan.added.items())],
        sorted(plan.guards), [list(taken) for _, places in plan.slots for taken in places],
    )


def _packed(post: Post) -> list[Any]:
    at = post.publish_at.timestamp() if post.publish_at else None
    due = post.due_at.timestamp() if post.due_at else None
    return [post.id, post.stage, post.status, at, due, post.sequence, body_of(post)]


def unpacked(head: Import, row: Sequence[Any]) -> Post:
    """A post as it was planned: one of `Payload.posts`."""
    at, due = (None if value is None else datetime.fromtimestamp(value, UTC) for value in row[3:5])
    return post_from(
        row[6], id=row[0], workspace_id=head.workspace_id, mode=head.mode, stage=row[1], status=row[2], publish_at=at, revision=1,
        sequence=row[5], version=0, write="", due_at=due,
    )


def begin(deps: Deps, head: Import, plan: Plan, told: list[dict[str, Any]]) -> Payload:
    """Store the import and reserve for all of its rows. Raises `Conflict` when somebody else took something meanwhile (nothing
    is reserved then), or when the import is there already; `StoreUnavailable`."""
    payload = payload_of(plan, told)
    steps = list(_reservations(head, plan, payload))
    head.total, head.wanted, head.until = len(told), len(payload.posts), lease(deps)
    head.step, head.state = min(1, len(steps)), "reserving" if len(steps) > 1 else "writing"
    deps.imports.begin(head, list(payload), steps[0] if steps else ())
    try:
        for number, extras in enumerate(steps[1:], 2):
            head.step, head.state = number, "reserving" if number < len(steps) else "writing"
            deps.imports.move_on(head, extras)
    except (Conflict, StoreUnavailable):
        # In memory the head is a step ahead of what is stored.
        stored = deps.imports.get(head.id)
        if stored is not None and stored.state == "reserving":
            drop(deps, stored)
        raise
    return payload


def lease(deps: Deps) -> float:
    """Until when whoever works on an import now has it to himself (Unix seconds)."""
    return (deps.clock.now() + LEASE).timestamp()


def _reservations(head: Import, plan: Plan, payload: Payload) -> Iterator[list[Extra]]:
    """The writes that reserve, transaction by transaction; `_returns` has what undoes them, in the same order. The contents come
    last: they are taken back by themselves."""
    posts = {post.id: post for post in plan.posts}
    tolls = toll_extras(head.side, Toll(dict(sorted(plan.added.items())), plan.most))
    takes = [extra for extra, _ in plan.slots]
    yield from _chunks([*tolls, *takes])
    for profile_id in payload.guarded:
        rows = _guarded_rows(profile_id, [posts[row[0]] for row in payload.posts])
        for number, part in enumerate(_chunks([Extra("put", row) for row in rows])):
            (guard,) = toll_extras(head.side, Toll({}, {}, {profile_id: plan.guards[profile_id] + number}))
            yield [*part, guard]
    yield from _chunks(plan.contents)


def _returns(head: Import, payload: Payload) -> list[list[Extra]]:
    """What undoes each of the reservations but those of contents, in the same order."""
    added = Counter({Count(metric, period, owner): number for metric, period, owner, number in payload.added})
    slots: dict[tuple[str, str], list[str]] = {}
    for queue_id, slot, post_id in payload.slots:
        slots.setdefault((queue_id, slot), []).append(post_id)
    backs = toll_extras(head.side, Toll(), added)
    frees = [
        release(queue_id, parse_rfc3339(slot), [Holder(id) for id in ids], head.side) for (queue_id, slot), ids in slots.items()
    ]
    found = list(_chunks([*backs, *frees]))
    posts = [unpacked(head, row) for row in payload.posts]
    for profile_id in payload.guarded:
        found += _chunks([Extra("delete", row) for row in _guarded_rows(profile_id, posts)])
    return found


def _guarded_rows(profile_id: str, posts: Sequence[Post]) -> list[BookingRow]:
    return [
        BookingRow(b.profile_id, b.slot, post_id=b.post_id, ws=b.ws, state=b.state)
        for post in posts for b in bookings_of(post) if b.profile_id == profile_id and b.state == "pending"
    ]


def _chunks(extras: Sequence[Extra]) -> Iterator[list[Extra]]:
    for start in range(0, len(extras), ROOM):
        yield list(extras[start : start + ROOM])


def drop(deps: Deps, head: Import) -> None:
    """Give back whatever was reserved, last first, and close the import: nothing of it was written. `head` is as it is stored."""
    payload = Payload(*deps.imports.rows(head))
    backs = _returns(head, payload)
    if head.step > len(backs):
        _forget_contents(deps, head, payload)
        head.step = len(backs)
    while head.step > 0:
        head.step -= 1
        deps.imports.move_on(head, backs[head.step])
    head.state = "dropped"
    deps.imports.finish(head)


def _forget_contents(deps: Deps, head: Import, payload: Payload) -> None:
    """Take the posts out of the register of contents. Where others write the same all the time it is left: a registration
    without a post is nobody's after a while."""
    ids = frozenset(row[0] for row in payload.posts)
    twins = sorted({twin for row in payload.posts for twin, _ in contents_of(unpacked(head, row))})
    for start in range(0, len(twins), ROOM):
        for _ in range(TRIES):
            known = deps.allowances.read(head.side, (), twins=twins[start : start + ROOM]).twins
            ours = {
                twin: entry for twin, entry in known.items() if any(ids.intersection(owned) for owned in entry.owners.values())
            }
            if not ours:
                break
            try:
                now = deps.clock.now()
                write_together(deps.connection, [deps.allowances.forget(head.side, *one, ids, now) for one in ours.items()])
                break
            except Conflict:
                continue
