"""Carrying out a bulk request: reserve for all rows (`bulk_reserve`), write them, wake for them; undo it.

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
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..domain.errors import Problem
from ..domain.ids import new_token
from ..domain.post import Post
from ..store.bookings import bookings_of
from ..store.extras import Extra
from ..store.imports import Import
from ..store.posts import to_row
from ..store.tables import BookingRow, Conflict, PostRow
from .bulk_reserve import ROOM, TRIES, Payload, drop, lease, unpacked
from .side_by_side import each

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

MOST_CHUNK_BYTES = 3_000_000
"""Of posts in one transaction, which takes 4 MB."""

BUSY_WAIT = 1.0
"""Seconds until a post that is just being handed to its network is cancelled again."""

WOKEN_TOGETHER = 100
"""Posts woken for between two notes of it."""


def go_on(deps: Deps, head: Import, payload: Payload | None, may_go_on: Callable[[], bool], *, fresh: bool = True) -> Import:
    """Carry an import on from where it stands, until it is finished or the time is up. `fresh` when somebody else began it: its
    posts may have been edited since. Raises `Conflict` when somebody else works on it, `StoreUnavailable`."""
    if head.state == "reserving":
        drop(deps, head)
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
        head.until = lease(deps)
        if head.written == head.wanted:
            head.state = "undoing" if head.undo else "waking"
        deps.imports.move_on(head, extras)


def _fitting(head: Import, payload: Payload, guarded: set[str]) -> tuple[list[Post], list[Extra]]:
    """The next posts that fit into a transaction, with their bookings as far as those were not reserved."""
    posts: list[Post] = []
    extras: list[Extra] = []
    size = 0
    for row in payload.posts[head.written :]:
        post = unpacked(head, row)
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
            posts = [unpacked(head, row) for row in rows]
        done = each(posts, lambda post: wake(deps, post), deps.settings.side_by_side, may_go_on)
        if done < len(posts):
            return
        head.woken += len(rows)
        head.until = lease(deps)
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
                drop(deps, head)
                continue
            if head.state in ("waking", "done"):
                head.state = "undoing"
            head.undo, head.until = True, lease(deps)
            deps.imports.list_again(head)
            return head, True
        except Conflict:
            head = deps.imports.get(head.id) or head
    raise Problem("try_again", "The import is just being begun; ask again in a moment.")


def _undo(deps: Deps, head: Import, payload: Payload, may_go_on: Callable[[], bool]) -> None:
    from .write import cancel

    _ = deps.schedules
    late: list[str] = []
    busy: list[str] = []

    def take_back(post: Post) -> None:
        for _ in range(TRIES):
            try:
                cancel(deps, post)
                return
            except Problem as problem:
                fresh = deps.posts.get(post.id)
                if problem.code != "try_again" or fresh is None or not _handed_over_now(deps, fresh):
                    late.append(post.id)
                    return
                post = fresh
                if not may_go_on():
                    break
                deps.clock.sleep(BUSY_WAIT)
        busy.append(post.id)

    # Posts that give back to the same counter would only wait for one another.
    most = 2 if payload.added else deps.settings.side_by_side
    while head.undone < head.wanted:
        ids = [row[0] for row in payload.posts[head.undone : head.undone + WOKEN_TOGETHER]]
        late.clear()
        busy.clear()
        posts = deps.posts.get_many(ids, consistent=True)
        if each(posts, take_back, min(most, deps.settings.side_by_side), may_go_on) < len(posts) or busy:
            return  # what a network is just being given can be taken back in a moment
        head.undone += len(ids)
        head.kept = [*head.kept, *sorted(late)]
        head.until = lease(deps)
        if head.undone < head.wanted:
            deps.imports.move_on(head)
    head.state = "undone"
    deps.imports.finish(head)


def _handed_over_now(deps: Deps, post: Post) -> bool:
    """Whether a worker is just giving a target of the post to its network, to be kept until its time."""
    now = deps.clock.now()
    return any(t.status == "placing" and t.lease_until is not None and t.lease_until > now for t in post.targets.values())


def catch_up(deps: Deps, time_left: Callable[[], float], most: int = 100) -> int:
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
            head.until = lease(deps)
            deps.imports.move_on(head)
            go_on(deps, head, None, lambda: time_left() > 8.0)
            done += 1
        except Conflict:
            continue
        except Exception as error:
            log.exception("an import could not be carried on", extra={"import": import_id, "reason": type(error).__name__})
    return done
