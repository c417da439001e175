"""Posts: reading them, and writing them so that no two writers ever overwrite one another.

Every write is a compare-and-swap on `version`. A write carries a token of its own, so that one whose answer was lost is
recognised by reading it back. Bookings and the idempotency row go into the same transaction as the post.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, NamedTuple

from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.transactions import TransactWrite

from ..domain import lifecycle, limits
from ..domain.errors import Problem
from ..domain.ids import new_token
from ..domain.instants import sortable
from ..domain.post import Post, Transition, body_of, post_from
from .allowances import Toll, toll_extras
from .extras import MOST_OPERATIONS, Extra, add
from .packing import pack, unpack
from .tables import BookingRow, Conflict, IdempotencyRow, PostRow, answered, code_of, failed_condition

DUE_SHARDS = 4
"""Partitions of the due index: 4,000 writes a second before it is the bottleneck, four queries a minute when idle."""

LOOKED_OVER = 4000
"""Keys a shard that are read where more is due than is looked at: 16,000 in all, 0.4 MB and 50 read units a shard. Whose post
lies behind so many older ones of others waits until they have become fewer."""

MOST_CONFLICTS = 60
"""Tries of one change against other writers: 25 targets ending in the same moment need 25 at the very worst."""


class Booking(NamedTuple):
    """A change to one profile's booking, or to a label's row: put it, or delete it (`state` None)."""

    profile_id: str
    slot: str
    post_id: str
    ws: str
    state: str | None


class Claimed(NamedTuple):
    """An idempotency row to write with the post: the key's storage form, the request's fingerprint; times in Unix seconds."""

    pk: str
    fingerprint: str
    expires_at: int
    now: int


class Replayed(Exception):
    """The idempotency key was used before: read its row."""


def slot_of(post: Post) -> str:
    """Where the post stands in every list: by time, posts of the same time by their ids. The sort key of bookings and of the
    posts' indexes (an index has no order of its own among equal keys)."""
    return f"{sortable(post.sort_at)}#{post.id}"


def due_shard(post_id: str) -> str:
    """Which partition of the due index a post lives in."""
    return str(zlib.crc32(post_id.encode()) % DUE_SHARDS)


def to_row(post: Post, *, quiet: bool) -> PostRow:
    """The stored form of a post."""
    late_at = lifecycle.late_at(post)
    body = pack(body_of(post))
    return PostRow(
        id=post.id, ws=post.partition, workspace_id=post.workspace_id, mode=post.mode, sort_at=slot_of(post),
        ws_status=f"{post.partition}#{post.status}", status=post.status, stage=post.stage,
        publish_at=None if post.publish_at is None else post.publish_at.timestamp(),
        due_shard=due_shard(post.id) if post.due_at else None, due_at=sortable(post.due_at) if post.due_at else None,
        revision=post.revision, sequence=post.sequence, version=post.version, write=post.write,
        profile_ids=set(post.targets) or None, platforms={t.platform for t in post.targets.values()} or None,
        late_at=None if late_at is None else late_at.timestamp(), labels=set(post.labels) or None,
        quiet=True if quiet else None, body=body,
    )


def from_row(row: PostRow) -> Post:
    """The post a row stands for. A `queued` written without the body is put on the trail here."""
    due_at = moment(row.due_at) if row.due_at else None
    post = post_from(
        unpack(row.body), id=row.id, workspace_id=row.workspace_id, mode=row.mode, stage=row.stage,
        status=row.status, publish_at=None if row.publish_at is None else datetime.fromtimestamp(row.publish_at, UTC),
        revision=int(row.revision), sequence=int(row.sequence), version=int(row.version), write=row.write, due_at=due_at,
    )
    if row.queued_sequence is not None and row.queued_at is not None:
        at = datetime.fromtimestamp(row.queued_at, UTC)
        post.trail.append(Transition(int(row.queued_sequence), "post.queued", "scheduled", None, at))
        post.updated_at = at
    return post


def from_image(image: dict[str, Any]) -> Post:
    """The post of a stream record's new image (DynamoDB JSON, binary values in base 64)."""
    import base64

    raw = {name: {"B": base64.b64decode(value["B"])} if "B" in value else value for name, value in image.items()}
    return from_row(PostRow.from_raw_data(raw))


class Posts:
    """The posts table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answered
    def get(self, post_id: str) -> Post | None:
        """The post as it is now (a consistent read), None if there is none. Raises `StoreUnavailable`."""
        try:
            return from_row(PostRow.get(post_id, consistent_read=True))
        except PostRow.DoesNotExist:
            return None

    @answered
    def get_many(self, post_ids: Sequence[str], *, consistent: bool = False) -> list[Post]:
        """Those of the posts that exist, in the order asked for (eventually consistent like the indexes, unless asked)."""
        rows = PostRow.batch_get(list(dict.fromkeys(post_ids)), consistent_read=consistent) if post_ids else []
        found = {row.id: from_row(row) for row in rows}
        return [found[post_id] for post_id in post_ids if post_id in found]

    @answered
    def save(
        self, post: Post, *, bookings: Iterable[Booking] = (), once: Claimed | None = None, toll: Toll | None = None,
        extras: Iterable[Extra] = (),
    ) -> None:
        """Write `post` on condition that it is still the version that was read (a new post: that there is none).

        What it holds under a plan no more is given back. With bookings, an idempotency row, a toll or further writes, all of it
        is one transaction. Raises `Conflict` when any of it was refused, `Replayed`, `Problem` for more than a transaction
        takes, or `StoreUnavailable` when the write is not known to have happened.
        """
        charged = dict(post.charges)
        more = [*toll_extras(post.partition, toll or Toll(), limits.give_back(post)), *extras]
        expected, post.version, post.write = post.version, post.version + 1, new_token()
        quiet = post.sequence == post.since
        condition = PostRow.version == expected if expected else PostRow.id.does_not_exist()
        changes, later = _fitting(list(bookings), 1 + (once is not None) + len(more))
        try:
            if not changes and not more and once is None:
                to_row(post, quiet=quiet).save(condition=condition)
            else:
                with TransactWrite(connection=self._connection, client_request_token=post.write) as transaction:
                    _fill(transaction, to_row(post, quiet=quiet), condition, changes, once)
                    for extra in more:
                        add(transaction, extra)
        except PynamoDBException as error:
            if not self._written(post):
                post.version, post.charges = expected, charged
                deletes = sum(b.state is None for b in changes) + sum(extra.operation == "delete" for extra in more)
                _tell_apart(error, once, deletes)
                raise
        post.since = post.sequence
        if later:
            _remove(later)

    @answered
    def _written(self, post: Post) -> bool:
        """Read back a write that was refused or got no answer: was it ours after all?"""
        try:
            row = PostRow.get(post.id, consistent_read=True)
        except PostRow.DoesNotExist:
            return False
        return bool(row.write == post.write)

    def change(self, post: Post, move: Callable[[Post], object]) -> Post:
        """Apply `move` to the post and write it; if somebody wrote in between, read again and apply it to what is there.

        `move` must decide from the post it is given, and raises when it does not apply any more. Returns the post as written.
        What it books moves with it (a post that was too late may become a draft).
        """
        from .bookings import bookings_of, changed

        for _ in range(MOST_CONFLICTS):
            before = bookings_of(post)
            move(post)
            try:
                self.save(post, bookings=changed(before, post))
                return post
            except Conflict:
                fresh = self.get(post.id)
                if fresh is None:
                    raise
                post = fresh
        raise Conflict

    @answered
    def mark_queued(self, post_id: str, partition: str, now: datetime, due_at: datetime) -> Post | None:
        """The time has come: `scheduled` -> `queued` in one call without a read before it.

        None if the post is not a scheduled one of this `partition` that is due and in time: the caller reads, and decides.
        """
        late = PostRow.late_at.does_not_exist() | (PostRow.late_at >= now.timestamp())
        try:
            row = PostRow(post_id)
            row.update(
                actions=[
                    PostRow.stage.set("queued"), PostRow.status.set("queued"), PostRow.ws_status.set(f"{partition}#queued"),
                    PostRow.queued_at.set(now.timestamp()), PostRow.queued_sequence.set(PostRow.sequence + 1),
                    PostRow.sequence.add(1), PostRow.version.add(1), PostRow.write.set(new_token()),
                    PostRow.due_shard.set(due_shard(post_id)), PostRow.due_at.set(sortable(due_at)), PostRow.quiet.remove(),
                ],
                condition=(PostRow.status == "scheduled") & (PostRow.ws == partition)
                & (PostRow.publish_at <= now.timestamp()) & late,
            )
        except PynamoDBException as error:
            if failed_condition(error):
                return None
            raise
        return from_row(row)

    @answered
    def due(self, now: datetime, limit: int = 100) -> list[str]:
        """Ids of posts whose deadline has passed, at most `limit` a shard: the workspaces take turns, each with its oldest first.

        Only where more has passed than that are `LOOKED_OVER` keys a shard read, to see whose turn it is.
        """
        rows = [row for shard in range(DUE_SHARDS) for row in _due_rows(str(shard), sortable(now), limit)]
        turns: dict[str, list[str]] = {}
        for row in sorted(rows, key=lambda row: row.due_at or ""):
            turns.setdefault(row.ws, []).append(row.id)
        rounds = zip_longest(*turns.values())
        return [post_id for ids in rounds for post_id in ids if post_id is not None][: limit * DUE_SHARDS]

    @answered
    def by_deadline(self, shard: int, after: Sequence[str] | None, limit: int) -> tuple[list[str], list[str] | None]:
        """A page of the ids of everything in one shard that has a deadline, passed or not, in order of it, and where to go on
        (give it as `after`); None: that was the last page."""
        start: Any = {"due_shard": {"S": str(shard)}, "due_at": {"S": after[0]}, "id": {"S": after[1]}} if after else None
        result = PostRow.due.query(str(shard), limit=limit, page_size=limit, last_evaluated_key=start)
        rows = list(result)
        more = rows and result.last_evaluated_key
        return [row.id for row in rows], [str(rows[-1].due_at), rows[-1].id] if more else None

    @answered
    def oldest_due(self, now: datetime) -> datetime | None:
        """The earliest deadline that has passed, None if none has."""
        passed = [
            row.due_at for shard in range(DUE_SHARDS)
            for row in PostRow.due.query(str(shard), PostRow.due_at <= sortable(now), limit=1) if row.due_at
        ]
        return moment(min(passed)) if passed else None


def _fitting(bookings: list[Booking], others: int) -> tuple[list[Booking], list[Booking]]:
    """What fits into the transaction, and the rows that are removed after it: a row that stays too long only points at a post
    which says otherwise. Raises `Problem` where even what is added does not fit."""
    room = MOST_OPERATIONS - others
    wanted = sorted(bookings, key=lambda booking: booking.state is None)
    if sum(booking.state is not None for booking in wanted) > room:
        detail = "This post touches more than can be written at once: take fewer profiles or labels."
        raise Problem("invalid_request", detail, pointer="/profileIds")
    return wanted[:room], wanted[room:]


def _due_rows(shard: str, now: str, limit: int) -> list[PostRow]:
    """The keys of what is due in one shard, oldest first: up to `limit`, and if there are more, all that are looked over."""
    first = PostRow.due.query(shard, PostRow.due_at <= now, limit=limit)
    rows = list(first)
    if len(rows) == limit and first.last_evaluated_key:
        more = LOOKED_OVER - limit
        rows += PostRow.due.query(shard, PostRow.due_at <= now, limit=more, last_evaluated_key=first.last_evaluated_key)
    return rows


def _remove(bookings: Iterable[Booking]) -> None:
    """Remove bookings after the post was written. It is written, so that a failure here is nobody's: see `_fitting`."""
    with suppress(PynamoDBException), BookingRow.batch_write() as batch:
        for booking in bookings:
            batch.delete(BookingRow(booking.profile_id, booking.slot))


def _tell_apart(error: PynamoDBException, once: Claimed | None, deletes: int) -> None:
    """Raise `Conflict` or `Replayed` if that is what a refusal means. `deletes` is how many rows the transaction removes."""
    if failed_condition(error):
        raise Conflict from error
    if code_of(error) == "TransactionCanceledException":
        # pynamodb sends deletes, puts, then updates, each in the order they were added: the post is the first put, then
        # the idempotency row.
        reasons = [r.code if r else None for r in getattr(error, "cancellation_reasons", ())]
        if once is not None and len(reasons) > deletes + 1 and reasons[deletes + 1] == "ConditionalCheckFailed":
            raise Replayed from error
        if "ConditionalCheckFailed" in reasons or "TransactionConflict" in reasons:
            raise Conflict from error


def moment(text: str) -> datetime:
    """The instant of a sortable time. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def _fill(
    transaction: Any, row: PostRow, condition: Any, bookings: Iterable[Booking], once: Claimed | None
) -> None:
    transaction.save(row, condition=condition)
    if once is not None:
        claimed = IdempotencyRow(
            once.pk, fingerprint=once.fingerprint, state="done", post_id=row.id, expires_at=once.expires_at
        )
        free = IdempotencyRow.pk.does_not_exist() | (IdempotencyRow.expires_at < once.now)
        transaction.save(claimed, condition=free)
    for booking in bookings:
        if booking.state is None:
            transaction.delete(BookingRow(booking.profile_id, booking.slot))
        else:
            transaction.save(
                BookingRow(booking.profile_id, booking.slot, post_id=booking.post_id, ws=booking.ws, state=booking.state)
            )
