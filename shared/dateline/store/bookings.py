"""Bookings: which post reserves which moment of a profile, and which posts carry a label. Written with the post, in its
transaction, so that lists by profile and by label read them as they read an index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from ..domain.instants import sortable
from ..domain.post import Post
from .posts import Booking, moment, slot_of
from .tables import BookingRow, answered

LONGEST_LABEL = 64
"""Bytes of a label that its key holds as they are."""


def label_key(partition: str, label: str) -> str:
    """The key of a label's rows on one side of a workspace, of bounded length whatever the label. Profiles' ids begin
    otherwise, and no other workspace's label has the same key."""
    raw = label.encode("utf-8", "surrogatepass")
    return f"label#{partition}#{label if len(raw) <= LONGEST_LABEL else 'sha256:' + hashlib.sha256(raw).hexdigest()}"


def bookings_of(post: Post) -> list[Booking]:
    """What a post books: the time of a draft (or of a post that waits for approval without one) is only noted, a cancelled
    post's is released. Then a row for each label, which stays the same whatever becomes of the post: it reserves nothing."""
    slot = slot_of(post)
    state = "released" if post.stage == "cancelled" else "draft" if post.stage == "draft" or not post.publish_at else "pending"
    booked = [Booking(profile_id, slot, post.id, post.partition, state) for profile_id in post.targets]
    labels = dict.fromkeys(post.labels)
    return booked + [Booking(label_key(post.partition, label), slot, post.id, post.partition, "label") for label in labels]


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
        """Ids of the posts booked on a profile between two sortable times: the latest 200."""
        within = BookingRow.slot.between(since, until + "~")
        rows = BookingRow.query(profile_id, within, limit=200, scan_index_forward=False)
        return [row.post_id for row in rows if row.state == "pending"]

    @answered
    def times(self, profile_id: str, since: datetime, until: datetime) -> list[tuple[datetime, str]]:
        """When posts are booked on a profile (both ends included), with their ids, in order. They may have failed since."""
        between = BookingRow.slot.between(sortable(since), sortable(until) + "~")
        rows = BookingRow.query(profile_id, between, attributes_to_get=["slot", "post_id", "state"], consistent_read=True)
        return [(moment(row.slot.partition("#")[0]), row.post_id) for row in rows if row.state == "pending"]

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
