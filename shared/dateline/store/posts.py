"""Posts: reading them, and writing them so that no two writers ever overwrite one another.

Every write is a compare-and-swap on `version`. A write carries a token of its own, so that one whose answer was lost is
recognised by reading it back. Bookings and the idempotency row go into the same transaction as the post.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.transactions import TransactWrite

from ..domain import lifecycle
from ..domain.ids import new_token
from ..domain.instants import sortable
from ..domain.post import Post, Transition, body_of, post_from
from .packing import pack, unpack
from .tables import BookingRow, Conflict, IdempotencyRow, PostRow, answered, code_of, failed_condition

DUE_SHARDS = 4
"""Partitions of the due index: 4,000 writes a second before it is the bottleneck, four queries a minute when idle."""

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
    due_at = _moment(row.due_at) if row.due_at else None
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
    def save(self, post: Post, *, bookings: Iterable[Booking] = (), once: Claimed | None = None) -> None:
        """Write `post` on condition that it is still the version that was read (a new post: that there is none).

        With bookings or an idempotency row, all in one transaction.
        Raises `Conflict`, `Replayed`, or `StoreUnavailable` when the write is not known to have happened.
        """
        expected, post.version, post.write = post.version, post.version + 1, new_token()
        quiet = post.sequence == post.since
        condition = PostRow.version == expected if expected else PostRow.id.does_not_exist()
        changes = list(bookings)
        try:
            if not changes and once is None:
                to_row(post, quiet=quiet).save(condition=condition)
                post.since = post.sequence
                return
            with TransactWrite(connection=self._connection, client_request_token=post.write) as transaction:
                _fill(transaction, to_row(post, quiet=quiet), condition, changes, once)
            post.since = post.sequence
        except PynamoDBException as error:
            if self._written(post):
                post.since = post.sequence
                return
            post.version = expected
            _tell_apart(error, once, sum(booking.state is None for booking in changes))
            raise

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
        """Ids of posts whose deadline has passed, oldest first within each shard, at most `limit` a shard."""
        return [
            row.id for shard in range(DUE_SHARDS)
            for row in PostRow.due.query(str(shard), PostRow.due_at <= sortable(now), limit=limit)
        ]

    @answered
    def oldest_due(self, now: datetime) -> datetime | None:
        """The earliest deadline that has passed, None if none has."""
        passed = [
            row.due_at for shard in range(DUE_SHARDS)
            for row in PostRow.due.query(str(shard), PostRow.due_at <= sortable(now), limit=1) if row.due_at
        ]
        return _moment(min(passed)) if passed else None


def _tell_apart(error: PynamoDBException, once: Claimed | None, deletes: int) -> None:
    """Raise `Conflict` or `Replayed` if that is what a refusal means. `deletes` are the bookings the transaction removes."""
    if failed_condition(error):
        raise Conflict from error
    if code_of(error) == "TransactionCanceledException":
        # pynamodb sends deletes before puts, each in the order they were added: the post, then the idempotency row.
        reasons = [r.code if r else None for r in getattr(error, "cancellation_reasons", ())][deletes:]
        if once is not None and len(reasons) > 1 and reasons[1] == "ConditionalCheckFailed":
            raise Replayed from error
        if (reasons and reasons[0] == "ConditionalCheckFailed") or "TransactionConflict" in reasons:
            raise Conflict from error


def _moment(text: str) -> datetime:
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
