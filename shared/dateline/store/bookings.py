"""Bookings: which post reserves which moment of a profile. Written with the post, in its transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ..domain.instants import sortable
from ..domain.post import Post
from .posts import Booking, slot_of
from .tables import BookingRow, answered


def bookings_of(post: Post) -> list[Booking]:
    """What a post books: a draft's time is only noted, a cancelled post's is released."""
    state = "released" if post.status == "cancelled" else "draft" if post.status == "draft" else "pending"
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
    def after(self, profile_id: str, slot: str, until: datetime, limit: int) -> list[tuple[str, str]]:
        """At most `limit` bookings (slot and post id) of a profile behind a slot, in order of time, up to `until`; those of
        drafts and cancelled posts too. A consistent read."""
        last = sortable(until) + "~"
        if slot >= last:
            return []
        rows = BookingRow.query(profile_id, BookingRow.slot.between(slot + "!", last), limit=limit, consistent_read=True)
        return [(row.slot, row.post_id) for row in rows]

    @answered
    def pending(self, profile_id: str, since: datetime | None = None) -> list[str]:
        """Ids of all posts that hold a booking which was not released (from `since` on), earliest time first; they may have
        been published since. A consistent read."""
        later = BookingRow.slot >= sortable(since) if since is not None else None
        rows = BookingRow.query(profile_id, later, consistent_read=True)
        return list(dict.fromkeys(row.post_id for row in rows if row.state in ("pending", "draft")))
