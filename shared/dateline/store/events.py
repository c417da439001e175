"""The workspace's event feed, without gaps: positions are taken in the transaction that stores the events.

A reader never passes position 6 before 5 exists, because both appear in the same moment. How far a post (or a profile) has been
announced stands in its cursor, written in the same transaction: an event is stored once, however often the stream repeats itself.
Events that are stored together share one row, under the position of the last of them: they have most of their words in
common and compress to little more than one of them, and a transaction pays for rows.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.transactions import TransactWrite

from .tables import Conflict, EventRow, answered

KEPT = 30 * 24 * 3600
"""Events are kept for 30 days, in seconds."""

MOST_POSTS = 90
"""Posts or profiles a transaction announces: DynamoDB takes 100 operations, two are the head and the events."""


class Cursor(NamedTuple):
    """How far a post or a profile is announced: the last sequence, and the rows that hold its events."""

    sequence: int = 0
    rows: tuple[int, ...] = ()


class News(NamedTuple):
    """A post's or a profile's part of what is stored together: its key (`post_key`, `profile_key`), where its cursor stood, its
    new events in order of their sequence, and until when the cursor is needed at least (Unix seconds: the publish time; it is
    kept as long as events are from then on)."""

    key: str
    cursor: Cursor
    events: Sequence[Mapping[str, Any]]
    busy_until: float


def post_key(post_id: str) -> str:
    """Where a post's cursor stands."""
    return f"post#{post_id}"


def profile_key(profile_id: str) -> str:
    """Where a profile's cursor stands."""
    return f"prof#{profile_id}"


def _key(position: int) -> str:
    return f"{position:012d}"


def _open(row: EventRow) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(zlib.decompress(row.event))
    return events


class Events:
    """The events table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answered
    def state(self, feed: str, keys: Sequence[str]) -> tuple[int, dict[str, Cursor]]:
        """The last position of `feed` and the cursors under these keys (at most 99), in one consistent read."""
        wanted = [(f"head#{feed}", "head"), *((key, "cursor") for key in keys)]
        rows = {row.pk: row for row in EventRow.batch_get(wanted, consistent_read=True)}
        head = rows.get(wanted[0][0])
        cursors = {}
        for key in keys:
            row = rows.get(key)
            cursors[key] = Cursor(int(row.number or 0), tuple(row.positions or ())) if row else Cursor()
        return int(head.number) if head and head.number is not None else 0, cursors

    @answered
    def append(self, feed: str, head: int, news: Sequence[News], events: Sequence[Mapping[str, Any]], now: float) -> None:
        """Store `events` (all those of `news`, in the feed's order) at the positions after `head`, all or none.

        Raises `Conflict` if the head or a cursor moved meanwhile, `StoreUnavailable` if nothing is known.
        """
        last = head + len(events)
        numbered = [{**event, "position": head + number} for number, event in enumerate(events, 1)]
        packed = zlib.compress(json.dumps(numbered, separators=(",", ":")).encode(), 9)
        try:
            with TransactWrite(connection=self._connection) as transaction:
                transaction.save(
                    EventRow(f"head#{feed}", "head", number=last),
                    condition=EventRow.number == head if head else EventRow.pk.does_not_exist(),
                )
                transaction.save(EventRow(f"feed#{feed}", _key(last), event=packed, expires_at=int(now) + KEPT))
                for part in news:
                    known = EventRow.number == part.cursor.sequence if part.cursor.sequence else EventRow.pk.does_not_exist()
                    transaction.save(
                        EventRow(
                            part.key, "cursor", number=int(part.events[-1]["sequence"]),
                            positions=[*part.cursor.rows, last], expires_at=int(max(now, part.busy_until)) + KEPT,
                        ),
                        condition=known,
                    )
        except PynamoDBException as error:
            codes = {r.code for r in getattr(error, "cancellation_reasons", ()) if r}
            if codes & {"ConditionalCheckFailed", "TransactionConflict"}:
                raise Conflict from error
            raise

    @answered
    def of_post(self, feed: str, post_id: str) -> list[dict[str, Any]]:
        """A post's events in order of their sequence, as far as they are kept."""
        _, cursors = self.state(feed, [post_key(post_id)])
        keys = [(f"feed#{feed}", _key(row)) for row in dict.fromkeys(cursors[post_key(post_id)].rows)]
        rows = EventRow.batch_get(keys, consistent_read=True) if keys else []
        events = [event for row in rows for event in _open(row) if event["id"].startswith(f"{post_id}#")]
        return sorted(events, key=lambda event: event["sequence"])

    @answered
    def feed(self, feed: str, after: int, limit: int) -> list[dict[str, Any]]:
        """At most `limit` events of a workspace after a position, in order (a consistent read)."""
        rows = EventRow.query(f"feed#{feed}", EventRow.sk > _key(after), limit=limit, consistent_read=True)
        events = [event for row in rows for event in _open(row) if event["position"] > after]
        return events[:limit]
