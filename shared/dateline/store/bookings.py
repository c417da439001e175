"""Bookings: which post reserves which moment of a profile. Written with the post, in its transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ..domain.instants import sortable
from ..domain.post import Post
from .posts import Booking, moment, slot_of
from .tables import BookingRow, answered


def bookings_of(post: Post) -> list[Booking]:
    """What a post books: the time of a draft (or of a post that waits for approval without one) is only noted, a cancelled
    post's is released."""
    state = "released" if post.stage == "cancelled" else "draft" if post.stage == "draft" or not post.publish_at else "pending"
    return [Booking(profile_id, slot_of(post), post.id, post.partition, state) for profile_id in post.targets]


def changed(before: Iterable[Booking], post: Post) -> list[Booking]:
    """The writes that lead from the bookings `before` an edit to those of `post`: nothing for what stays the same."""
    now = {(b.profile_id, b.slot): b for b in bookings_of(post)}
    old = {(b.profile_id, b.slot): b for b in before}
    gone = [b._replace(state=None) for key, b in old.items() if key not in now]
    return gone + [b for key, b in now.items() if old.get(key) != b]


class Bookings:
    """The bookings table, for reading."""

    @answered
    def around(self, profile_id: str, since: str, until: str) -> list[str]:
        """Ids of posts booked on a profile between two sortable times."""
        rows = BookingRow.query(profile_id, BookingRow.slot.between(since, until + "~"), limit=200)
        return [row.post_id for row in rows if row.state == "pending"]

    @answered
    def times(self, profile_id: str, since: datetime, until: datetime) -> list[tuple[datetime, str]]:
        """When posts are booked on a profile (both ends included), with their ids, in order. They may have failed since."""
        between = BookingRow.slot.between(sortable(since), sortable(until) + "~")
        rows = BookingRow.query(profile_id, between, attributes_to_get=["slot", "post_id", "state"], consistent_read=True)
        return [(moment(row.slot.partition("#")[0]), row.post_id) for row in rows if row.state == "pending"]

    @answered
    def pending(self, profile_id: str, limit: int = 1000) -> list[str]:
        """Ids of posts that hold a booking which was not released, newest time first; they may have been published since."""
        rows = BookingRow.query(profile_id, scan_index_forward=False, limit=limit)
        return [row.post_id for row in rows if row.state in ("pending", "draft")]


