"""Erasing a workspace: everything that is stored of a tenant, from its keys on. Run by an operator, by hand.

The order is what makes it repeatable: the keys go first, so that nobody writes any more; what leads to other rows goes after
them (a post after its bookings, an import's head after its rows, a queue after its slots). Wherever it stops, another run finds
what is left. Processes remember a key for up to a minute, and a delivery may be under way: so a second run after some minutes
is what makes sure.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..aws.schedules import EntryFailed
from ..domain import lifecycle
from ..domain.post import Post, partition
from ..platforms import registry
from ..store import erasing
from ..store.bookings import bookings_of

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

KINDS = (
    "keys", "imports", "posts", "underWay", "entries", "bookings", "profiles", "queues", "events", "cursors", "requests", "other",
    "media", "files",
)
"""What is counted. `underWay` are posts among the others that a network was being given; `entries` schedule entries of posts
that waited; `events` and `cursors` rows of the feed; `other` settings, counters, consents and what
else stands under the workspace; `media` uploads and copies with an id, `files` the objects of the bucket, copies of posts too."""


def erase(deps: Deps, workspace_id: str, *, really: bool) -> dict[str, int]:
    """Remove everything of a workspace, both sides; how much there was of each kind. Without `really` it only counts.

    Repeating it is no error, nor is a workspace that is not there. Raises `StoreUnavailable`: then run it again.
    """
    return _Erasing(deps, workspace_id, really).run()


class _Erasing:
    def __init__(self, deps: Deps, workspace_id: str, really: bool) -> None:
        self.deps, self.workspace_id, self.really = deps, workspace_id, really
        self.sides = [partition(workspace_id, mode) for mode in ("live", "test")]
        self.counts: Counter[str] = Counter(dict.fromkeys(KINDS, 0))

    def run(self) -> dict[str, int]:
        _ = self.deps.connection
        self._keys()
        for rows in erasing.imports_of(self.sides):
            self._take("", rows)
            self.counts["imports"] += 1
        for side in self.sides:
            self._posts(side)
        self._profiles()
        for side in self.sides:
            self._feed(side)
        self._take("requests", erasing.requests_of(self.sides))
        self._media()
        self._rest()
        return dict(self.counts)

    def _take(self, kind: str, rows: Sequence[Any]) -> None:
        """Count rows of a kind (none: without counting) and, if it is meant, remove them."""
        if kind:
            self.counts[kind] += len(rows)
        if self.really:
            erasing.remove(rows)

    def _keys(self) -> None:
        """First by what they log in with: the rows that list them lead there."""
        keys = self.deps.workspaces.keys(self.workspace_id)
        self._take("keys", erasing.login_rows(key.hash for key in keys))
        listed = erasing.workspace_rows([f"ws#{self.workspace_id}"])
        self._take("", [row for row in listed if row.sk.startswith("key#")])

    def _posts(self, side: str) -> None:
        after = None
        while True:
            posts, after = erasing.posts_of(side, after)
            for post in posts:
                self._wake_no_more(post)
            self._take("bookings", erasing.booked(booking for post in posts for booking in bookings_of(post)))
            self._take("cursors", erasing.cursors_of(post.id for post in posts))
            self._take("posts", erasing.post_rows(posts))
            if after is None:
                return

    def _wake_no_more(self, post: Post) -> None:
        """Remove the entry of a post that waits. One that stays finds no post."""
        self.counts["underWay"] += any(target.status == "publishing" for target in post.targets.values())
        if post.status in lifecycle.RESTING:
            return
        self.counts["entries"] += 1
        if self.really:
            try:
                self.deps.schedules.delete(post.id, post.entry)
            except EntryFailed as error:
                log.warning("an entry is left; it will find nothing", extra={"post_id": post.id, "reason": str(error)})

    def _profiles(self) -> None:
        """The profiles with their credentials, what is still booked on them, and the slots of the queues."""
        profiles = erasing.profiles_of(self.workspace_id)
        listed = erasing.workspace_rows(f"ws#{side}" for side in self.sides)
        queues = [row for row in listed if row.sk.startswith("queue#")]
        gone = [f"gone#{side}#{platform}" for side in self.sides for platform in registry.names()]
        left = [row.id for row in profiles] if self.really else []  # what belongs to a post was counted with it
        self._take("bookings", erasing.bookings_under(left + [row.sk for row in queues] + gone))
        self._take("cursors", erasing.cursors_of(row.id for row in profiles))
        self._take("profiles", profiles)
        self._take("queues", queues)

    def _feed(self, side: str) -> None:
        """The feed, and the cursors of posts that are gone from everywhere else."""
        events, ids = erasing.feed_of(side)
        if self.really:  # else they were counted with what they are of
            self._take("cursors", erasing.cursors_of(ids))
        self._take("events", events)
        self._take("events", erasing.head_of(side))

    def _media(self) -> None:
        """Files before the rows that name them: a copy that is being made ends up with the others, or is found by another run."""
        for keys in self.deps.media.keys_of(self.workspace_id):
            self.counts["files"] += len(keys)
            if self.really:
                self.deps.media.remove(keys)
        self._take("media", erasing.media_of(self.workspace_id, self.sides))

    def _rest(self) -> None:
        """Settings, counters, and whatever else stands under the workspace's own keys."""
        self._take("other", erasing.connections_of(self.workspace_id))
        pks = [f"{kind}#{side}" for kind in ("ws", "usage") for side in self.sides]
        rows = erasing.workspace_rows(pks)
        self._take("other", [row for row in rows if self.really or not row.sk.startswith(("key#", "queue#"))])
