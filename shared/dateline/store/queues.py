"""Queues: their definitions, and who holds the places of each slot.

A definition is a row of its workspace. A slot that somebody has taken is one row under its queue, with the set of holders: a
post by its id, a reservation by its id and the moment it lapses. Whoever takes a place writes the row on condition of the
number it was read with, so that two takers never get the same place; whoever gives one back needs no condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pynamodb.exceptions import PynamoDBException

from ..domain.instants import parse_rfc3339, sortable
from ..domain.queues import Definition, Queue, Slot
from .extras import Extra
from .tables import BookingRow, Conflict, StoreUnavailable, WorkspaceRow, answered, code_of, failed_condition

KEPT = timedelta(days=2)
"""How long a slot's row outlives its slot."""

PAGE_READ = 200
"""Rows one query reads at a time: a queue with half a year of posts ahead is one query."""


class Holder(NamedTuple):
    """Who has a place: a post, for good, or a reservation, before `until`."""

    id: str
    until: datetime | None = None

    def stored(self) -> str:
        """The member of the row's set: `post_…`, or `resv_…|<milliseconds since 1970>`."""
        return self.id if self.until is None else f"{self.id}|{round(self.until.timestamp() * 1000)}"

    @classmethod
    def restored(cls, member: str) -> Holder:
        """The inverse of `stored`."""
        id, _, until = member.partition("|")
        return cls(id, datetime.fromtimestamp(int(until) / 1000, UTC) if until else None)


class Taken(NamedTuple):
    """A slot's row: `number` rises with every write. Lapsed reservations are among the holders."""

    slot: datetime
    number: int
    holders: tuple[Holder, ...]


class Place(NamedTuple):
    """A slot as it was read: the `number` of its row (None: there is none), and who holds it now (nobody lapsed).

    `reservation` is the reservation whose place this is, for the post that is to have it.
    """

    queue: Queue
    slot: datetime
    number: int | None
    holders: tuple[Holder, ...]
    reservation: str | None = None

    @property
    def free(self) -> int:
        """Places left. Never negative: a queue may have had a larger capacity before."""
        return max(0, self.queue.definition.capacity - len(self.holders))

    def held_by(self, id: str) -> Holder | None:
        """The holder of that id."""
        return next((holder for holder in self.holders if holder.id == id), None)

    def as_dict(self) -> dict[str, str]:
        """What a post that has the place keeps as `post.queue`."""
        return {"id": self.queue.id, "slot": sortable(self.slot)}


def place_of(queue: Queue, slot: datetime, taken: Taken | None, now: datetime) -> Place:
    """The slot as it stands at `now`: reservations that have lapsed hold nothing."""
    if taken is None:
        return Place(queue, slot, None, ())
    return Place(queue, slot, taken.number, tuple(h for h in taken.holders if h.until is None or h.until > now))


def take(place: Place, holder: Holder) -> Extra:
    """The write that gives the place to `holder` (in the place of the reservation, if it is one's). Refused (`Conflict`)
    when somebody was faster."""
    others = (other for other in place.holders if other.id not in (holder.id, place.reservation))
    row = BookingRow(
        _pk(place.queue.id), sortable(place.slot), ws=place.queue.partition, number=(place.number or 0) + 1,
        holders={other.stored() for other in (*others, holder)}, expires_at=_expiry(place.slot),
    )
    unchanged = BookingRow.profile_id.does_not_exist() if place.number is None else BookingRow.number == place.number
    return Extra("put", row, condition=unchanged)


def release(queue_id: str, slot: datetime, holders: Sequence[Holder], ws: str) -> Extra:
    """The write that gives places of a slot back. It needs no reading before it and is never refused: what is gone stays gone.

    The number rises, so that a taker who read the row before reads it again.
    """
    return Extra("update", BookingRow(_pk(queue_id), sortable(slot)), (
        BookingRow.holders.delete({holder.stored() for holder in holders}), BookingRow.number.add(1),
        BookingRow.ws.set(ws), BookingRow.expires_at.set(_expiry(slot)),
    ))


class Queues:
    """The queues: definitions among the workspaces, slots among the bookings."""

    @answered
    def get(self, ws: str, queue_id: str) -> Queue | None:
        """The queue of one side of a workspace, None if there is none. Raises `StoreUnavailable`."""
        try:
            return _queue(WorkspaceRow.get(f"ws#{ws}", f"queue#{queue_id}", consistent_read=True))
        except WorkspaceRow.DoesNotExist:
            return None

    @answered
    def list(self, ws: str, limit: int, after: str | None = None) -> tuple[list[Queue], str | None]:
        """Queues of one side of a workspace in order of creation, and the id to go on behind."""
        keys = WorkspaceRow.sk.between(f"queue#{after}~" if after else "queue#", "queue#~")
        result = WorkspaceRow.query(f"ws#{ws}", keys, limit=limit, page_size=limit, consistent_read=True)
        found = [_queue(row) for row in result]
        return found, found[-1].id if found and result.last_evaluated_key else None

    @answered
    def save(self, queue: Queue) -> None:
        """Write the queue; one that was read before, on condition that nobody wrote since. Raises `Conflict`."""
        expected, queue.version = queue.version, queue.version + 1
        body = {
            **queue.definition._asdict(), "workspace_id": queue.workspace_id, "mode": queue.mode,
            "created_at": sortable(queue.created_at), "updated_at": sortable(queue.updated_at),
        }
        row = WorkspaceRow(f"ws#{queue.partition}", f"queue#{queue.id}", body=body, version=queue.version)
        try:
            # A new queue's id is nobody else's, and a condition would refuse the repeat of a write whose answer was lost.
            row.save(condition=WorkspaceRow.version == expected if expected else None)
        except PynamoDBException as error:
            queue.version = expected
            if failed_condition(error):
                raise Conflict from error
            raise

    @answered
    def delete(self, queue: Queue) -> None:
        """Remove the definition. Its slots' rows go with their time."""
        WorkspaceRow(f"ws#{queue.partition}", f"queue#{queue.id}").delete()

    def taken(self, queue_id: str, since: datetime, until: datetime) -> Iterator[Taken]:
        """The rows of slots from `since` to `until` in order of time, read page by page as they are asked for (consistent)."""
        try:
            yield from map(_taken, _rows(queue_id, since, until))
        except PynamoDBException as error:  # `answered` sees the call, not what is read later
            raise StoreUnavailable(str(code_of(error))) from error

    @answered
    def slot(self, queue_id: str, slot: datetime) -> Taken | None:
        """One slot's row, None if nobody ever took it."""
        try:
            return _taken(BookingRow.get(_pk(queue_id), sortable(slot), consistent_read=True))
        except BookingRow.DoesNotExist:
            return None


def _rows(queue_id: str, since: datetime, until: datetime) -> Iterable[BookingRow]:
    span = BookingRow.slot.between(sortable(since), sortable(until))
    return BookingRow.query(_pk(queue_id), span, page_size=PAGE_READ, consistent_read=True)


def _pk(queue_id: str) -> str:
    return f"queue#{queue_id}"


def _expiry(slot: datetime) -> int:
    return int((slot + KEPT).timestamp())


def _taken(row: BookingRow) -> Taken:
    holders = sorted((Holder.restored(member) for member in row.holders or ()), key=lambda holder: holder.id)
    return Taken(parse_rfc3339(row.slot), int(row.number or 0), tuple(holders))


def _queue(row: WorkspaceRow) -> Queue:
    body: dict[str, Any] = row.body
    definition = Definition(
        body["name"], body["timezone"], tuple(Slot(*slot) for slot in body["slots"]), body["capacity"],
        tuple(body["blackout_dates"]), tuple(body["profile_ids"]),
    )
    created, updated = parse_rfc3339(body["created_at"]), parse_rfc3339(body["updated_at"])
    id = row.sk.removeprefix("queue#")
    return Queue(id, body["workspace_id"], body["mode"], definition, created, updated, int(row.version or 0))
