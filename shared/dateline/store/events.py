"""The workspace's event feed, without gaps: positions are taken in the transaction that stores the events.

A reader never passes position 6 before 5 exists, because both appear in the same moment. How far a post has been announced
stands in its cursor, written in the same transaction: an event is stored once, however often the stream repeats itself.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.transactions import TransactWrite

from .tables import Conflict, EventRow, StoreUnavailable, code_of

KEPT = 30 * 24 * 3600
"""Events are kept for 30 days, in seconds (design, section 7)."""

MOST_AT_ONCE = 90
"""Events a transaction stores: DynamoDB takes 100 operations, two are the head and the cursor."""


class Cursor(NamedTuple):
    """How far a post is announced: the last sequence, and the feed positions of all its events."""

    sequence: int
    positions: tuple[int, ...]


def _key(position: int) -> str:
    return f"{position:012d}"


def _open(row: EventRow) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(zlib.decompress(row.event))
    return event


class Events:
    """The events table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def state(self, feed: str, post_id: str) -> tuple[int, Cursor]:
        """The last position of `feed` and the cursor of the post, in one consistent read."""
        try:
            keys = [(f"head#{feed}", "head"), (f"post#{post_id}", "cursor")]
            rows = {row.pk: row for row in EventRow.batch_get(keys, consistent_read=True)}
        except PynamoDBException as error:
            raise StoreUnavailable(str(code_of(error))) from error
        head, cursor = rows.get(keys[0][0]), rows.get(keys[1][0])
        return (
            int(head.number) if head and head.number is not None else 0,
            Cursor(int(cursor.number or 0), tuple(cursor.positions or ())) if cursor else Cursor(0, ()),
        )

    def append(
        self, feed: str, post_id: str, head: int, cursor: Cursor, events: Sequence[Mapping[str, Any]], now: float,
        busy_until: float,
    ) -> Cursor:
        """Store `events` (ordered by sequence, the next after `cursor`) at the positions after `head`, all or none.

        The cursor outlives the post: it is kept from `busy_until` (Unix seconds: the publish time) as long as events are.
        Raises `Conflict` if the head or the cursor moved meanwhile, `StoreUnavailable` if nothing is known.
        """
        expires = int(now) + KEPT
        positions = [head + 1 + number for number in range(len(events))]
        after = Cursor(int(events[-1]["sequence"]), (*cursor.positions, *positions))
        try:
            with TransactWrite(connection=self._connection) as transaction:
                transaction.save(
                    EventRow(f"head#{feed}", "head", number=positions[-1]),
                    condition=EventRow.number == head if head else EventRow.pk.does_not_exist(),
                )
                transaction.save(
                    EventRow(
                        f"post#{post_id}", "cursor", number=after.sequence, positions=list(after.positions),
                        expires_at=int(max(now, busy_until)) + KEPT,
                    ),
                    condition=EventRow.number == cursor.sequence if cursor.sequence else EventRow.pk.does_not_exist(),
                )
                for position, event in zip(positions, events, strict=True):
                    packed = zlib.compress(json.dumps({**event, "position": position}, separators=(",", ":")).encode(), 6)
                    transaction.save(EventRow(f"feed#{feed}", _key(position), event=packed, expires_at=expires))
        except PynamoDBException as error:
            codes = {r.code for r in getattr(error, "cancellation_reasons", ()) if r}
            if codes & {"ConditionalCheckFailed", "TransactionConflict"}:
                raise Conflict from error
            raise StoreUnavailable(str(code_of(error))) from error
        return after

    def append_loose(self, feed: str, event: Mapping[str, Any], now: float) -> None:
        """Store an event that belongs to no post (`profile.connected`) at the next position. Raises `StoreUnavailable`."""
        for _ in range(20):
            head, _cursor = self.state(feed, "-")
            try:
                with TransactWrite(connection=self._connection) as transaction:
                    transaction.save(
                        EventRow(f"head#{feed}", "head", number=head + 1),
                        condition=EventRow.number == head if head else EventRow.pk.does_not_exist(),
                    )
                    packed = zlib.compress(json.dumps({**event, "position": head + 1}).encode(), 6)
                    transaction.save(EventRow(f"feed#{feed}", _key(head + 1), event=packed, expires_at=int(now) + KEPT))
                return
            except PynamoDBException as error:
                codes = {r.code for r in getattr(error, "cancellation_reasons", ()) if r}
                if not codes & {"ConditionalCheckFailed", "TransactionConflict"}:
                    raise StoreUnavailable(str(code_of(error))) from error
        raise StoreUnavailable("the feed is contended")

    def of_post(self, feed: str, post_id: str) -> list[dict[str, Any]]:
        """A post's events in order of their sequence, as far as they are kept."""
        _, cursor = self.state(feed, post_id)
        keys = [(f"feed#{feed}", _key(position)) for position in cursor.positions]
        try:
            events = [_open(row) for row in EventRow.batch_get(keys, consistent_read=True)] if keys else []
        except PynamoDBException as error:
            raise StoreUnavailable(str(code_of(error))) from error
        return sorted(events, key=lambda event: event["sequence"])

    def feed(self, feed: str, after: int, limit: int) -> list[dict[str, Any]]:
        """Events of a workspace after a position, in order (a consistent read)."""
        try:
            rows = EventRow.query(f"feed#{feed}", EventRow.sk > _key(after), limit=limit, consistent_read=True)
            return [_open(row) for row in rows]
        except PynamoDBException as error:
            raise StoreUnavailable(str(code_of(error))) from error
