"""Carrying out a bulk request: reserve for all rows, write them, wake for them; undo it. Every step is one transaction.

    reserving ── counters, slots, guarded times and contents of all rows; a refusal gives everything back, and the rows are
                 weighed again
    writing   ── posts, many in one transaction: from here on rows only go forward
    waking    ── schedule entries and messages, side by side
    done      ── undoing ── undone, when it is asked for

Whoever carries it out may die at any point: the head of the import says where it stood, and sweep goes on from there (or,
while it was still reserving, gives everything back: nobody was answered). Every step moves the head on, so that of two who
carry on the same import one finds out with his next step, and has done nothing twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.errors import Problem
from ..domain.ids import new_token
from ..domain.instants import parse_rfc3339
from ..domain.limits import Count
from ..domain.post import Post, body_of, post_from
from ..store.allowances import Toll, toll_extras
from ..store.bookings import bookings_of
from ..store.extras import MOST_OPERATIONS, Extra, write_together
from ..store.imports import Import
from ..store.posts import to_row
from ..store.queues import Holder, release
from ..store.tables import BookingRow, Conflict, PostRow, StoreUnavailable
from .admit import contents_of
from .side_by_side import each

if TYPE_CHECKING:
    from ..wiring import Deps
    from .bulk_plan import Plan

log = logging.getLogger("dateline")

LEASE = timedelta(seconds=40)
"""Who works on an import and says nothing for so long is gone: longer than an API request, shorter than sweep's minute."""

ROOM = MOST_OPERATIONS - 3
"""Writes of a step beside its head, the import's place on the list, and a guard."""

MOST_CHUNK_BYTES = 3_000_000
"""Of posts in one transaction, which takes 4 MB."""

WOKEN_TOGETHER = 100
"""Posts woken for between two notes of it."""

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


def _unpacked(head: Import, row: Sequence[Any]) -> Post:
    from datetime import UTC, datetime

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
    head.total, head.wanted, head.until = len(told), len(payload.posts), _lease(deps)
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
            _drop(deps, stored)
        raise
    return payload


def _lease(deps: Deps) -> float:
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
    from collections import Counter

    added = Counter({Count(metric, period, owner): number for metric, period, owner, number in payload.added})
    slots: dict[tuple[str, str], list[str]] = {}
    for queue_id, slot, post_id in payload.slots:
        slots.setdefault((queue_id, slot), []).append(post_id)
    backs = toll_extras(head.side, Toll(), added)
    frees = [
        release(queue_id, parse_rfc3339(slot), [Holder(id) for id in ids], head.side) for (queue_id, slot), ids in slots.items()
    ]
    found = list(_chunks([*backs, *frees]))
    posts = [_unpacked(head, row) for row in payload.posts]
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


def _drop(deps: Deps, head: Import) -> None:
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
    twins = sorted({twin for row in payload.posts for twin, _ in contents_of(_unpacked(head, row))})
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


def go_on(deps: Deps, head: Import, payload: Payload | None, may_go_on: Callable[[], bool], *, fresh: bool = True) -> Import:
    """Carry an import on from where it stands, until it is finished or the time is up. `fresh` when somebody else began it: its
    posts may have been edited since. Raises `Conflict` when somebody else works on it, `StoreUnavailable`."""
    if head.state == "reserving":
        _drop(deps, head)
        return head
    payload = payload or Payload(*deps.imports.rows(head))
    if head.state == "writing":
        _write(deps, head, payload, may_go_on)
    if head.state == "waking":
        _wake(deps, head, payload, may_go_on, fresh)
    if head.state == "undoing":
        _undo(deps, head, payload, may_go_on)
    if not head.finished:
        head.until = deps.clock.now().timestamp()
        deps.imports.move_on(head)
    return head


def _write(deps: Deps, head: Import, payload: Payload, may_go_on: Callable[[], bool]) -> None:
    guarded = set(payload.guarded)
    while head.written < head.wanted:
        if not may_go_on():
            return
        posts, extras = _fitting(head, payload, guarded)
        head.written += len(posts)
        head.until = _lease(deps)
        if head.written == head.wanted:
            head.state = "undoing" if head.undo else "waking"
        deps.imports.move_on(head, extras)


def _fitting(head: Import, payload: Payload, guarded: set[str]) -> tuple[list[Post], list[Extra]]:
    """The next posts that fit into a transaction, with their bookings as far as those were not reserved."""
    posts: list[Post] = []
    extras: list[Extra] = []
    size = 0
    for row in payload.posts[head.written :]:
        post = _unpacked(head, row)
        post.version, post.write = 1, new_token()
        stored = to_row(post, quiet=False)
        writes = [Extra("put", stored, condition=PostRow.id.does_not_exist())]
        for booking in bookings_of(post):
            if booking.state is not None and not (booking.profile_id in guarded and booking.state == "pending"):
                place = BookingRow(
                    booking.profile_id, booking.slot, post_id=booking.post_id, ws=booking.ws, state=booking.state
                )
                writes.append(Extra("put", place))
        size += len(stored.body) + 2000
        if posts and (len(extras) + len(writes) > ROOM or size > MOST_CHUNK_BYTES):
            break
        posts.append(post)
        extras += writes
    return posts, extras


def _wake(deps: Deps, head: Import, payload: Payload, may_go_on: Callable[[], bool], fresh: bool) -> None:
    from .write import wake

    _ = deps.schedules, deps.queue  # built here: several threads would each begin to
    while head.woken < head.wanted:
        rows = payload.posts[head.woken : head.woken + WOKEN_TOGETHER]
        if fresh:
            posts = deps.posts.get_many([row[0] for row in rows], consistent=True)
        else:
            posts = [_unpacked(head, row) for row in rows]
        done = each(posts, lambda post: wake(deps, post), deps.settings.side_by_side, may_go_on)
        if done < len(posts):
            return
        head.woken += len(rows)
        head.until = _lease(deps)
        if head.woken < head.wanted:
            deps.imports.move_on(head)
    head.state = "done"
    deps.imports.finish(head)


def ask_undo(deps: Deps, head: Import) -> tuple[Import, bool]:
    """Note that the import is to be undone, and take it over from whoever works on it: he finds out with his next step. What is
    still to be written is written first. True when it is ours to `go_on` with, False when it is undone or somebody else is at
    it. Raises `Problem` for one that was never carried out."""
    for _ in range(TRIES):
        working = head.until > deps.clock.now().timestamp()
        if head.state == "dropped":
            detail = "This import was never carried out: there is nothing to undo."
            raise Problem("illegal_transition", detail, extra={"from": "dropped", "to": "undone"})
        if head.state == "undone" or (head.state == "undoing" and working):
            return head, False
        if head.state == "reserving" and working:
            break
        try:
            if head.state == "reserving":
                _drop(deps, head)
                continue
            if head.state in ("waking", "done"):
                head.state = "undoing"
            head.undo, head.until = True, _lease(deps)
            deps.imports.list_again(head)
            return head, True
        except Conflict:
            head = deps.imports.get(head.id) or head
    raise Problem("try_again", "The import is just being begun; ask again in a moment.")


def _undo(deps: Deps, head: Import, payload: Payload, may_go_on: Callable[[], bool]) -> None:
    from .write import cancel

    _ = deps.schedules
    late: list[str] = []

    def take_back(post: Post) -> None:
        try:
            cancel(deps, post)
        except Problem:
            late.append(post.id)

    # Posts that give back to the same counter would only wait for one another.
    most = 2 if payload.added else deps.settings.side_by_side
    while head.undone < head.wanted:
        ids = [row[0] for row in payload.posts[head.undone : head.undone + WOKEN_TOGETHER]]
        late.clear()
        posts = deps.posts.get_many(ids, consistent=True)
        if each(posts, take_back, min(most, deps.settings.side_by_side), may_go_on) < len(posts):
            return
        head.undone += len(ids)
        head.kept = [*head.kept, *sorted(late)]
        head.until = _lease(deps)
        if head.undone < head.wanted:
            deps.imports.move_on(head)
    head.state = "undone"
    deps.imports.finish(head)


def catch_up(deps: Deps, time_left: Callable[[], float], most: int = 20) -> int:
    """Sweep's part: carry on imports that nobody works on any more; how many were."""
    now = deps.clock.now().timestamp()
    done = 0
    for import_id in deps.imports.open(most):
        if time_left() < 10.0:
            break
        try:
            head = deps.imports.get(import_id)
            if head is None or head.finished:
                deps.imports.close(import_id)
                continue
            if head.until > now:
                continue
            head.until = _lease(deps)
            deps.imports.move_on(head)
            go_on(deps, head, None, lambda: time_left() > 8.0)
            done += 1
        except Conflict:
            continue
        except Exception as error:
            log.exception("an import could not be carried on", extra={"import": import_id, "reason": type(error).__name__})
    return done
