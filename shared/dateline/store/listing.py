"""Lists of posts, page by page, with every filter of the contract. What a page reads is bounded, however many posts there are.

* Only a span of time, or nothing: one query of `limit` posts from the index by_time.
* One of label, profile and statuses: one query of `limit` + 1 keys (several statuses: one each), and the posts by key.
* Several of them: up to `FEW_KEYS` keys of each, then, if what they have in common fills no page, up to `MOST_KEYS` of each. The
  filter that is rarest there leads: its keys reach farthest. At most `MOST_POSTS` posts are read by key and held against all
  filters.
* A platform has no index. Without label and profile, four posts by time for each that is wanted (`LOOK` at most) are looked
  through first: where the platform is common, that fills the page, at half the price of keys. Where it is rare, the keys of its
  profiles are merged as another filter; with more than `MOST_PROFILES` of them, up to `MOST_LOOKS` × `LOOK` posts are looked
  through.

So a page costs 1 to 6 calls, about 60 at the very most (ten statuses, 25 profiles), and up to 4,300 keys, 200 posts by key and
200 looked through, or 1,000 of these alone. A page of a rare combination may be short, even empty, and still carry a cursor. A
cursor is the last slot that a page came to: every source goes on from there.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ..domain.errors import Problem
from ..domain.post import Post
from .posts import Posts, from_row, slot_of
from .profiles import Profiles
from .sources import Keys, Source, Span, by_label, by_profile, by_status, common, is_slot, merged, post_id_of
from .tables import PostRow, answered

LOOK = 200
MOST_LOOKS = 5
FEW_KEYS = 100
MOST_KEYS = 1000
FEW_POSTS = 20
MOST_POSTS = 200
MOST_PROFILES = 25
BATCH = 100
"""Items DynamoDB gives in one BatchGetItem."""


class Filter(NamedTuple):
    """What a list is narrowed to. Times are aware, `until` is exclusive. Empty values are no filters."""

    statuses: Sequence[str] = ()
    platform: str | None = None
    profile_id: str | None = None
    label: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ascending: bool = False

    def fits(self, post: Post) -> bool:
        """Whether a post passes everything but the times."""
        targets = post.targets
        return (
            (not self.statuses or post.status in self.statuses)
            and (not self.platform or any(target.platform == self.platform for target in targets.values()))
            and (not self.profile_id or self.profile_id in targets)
            and (not self.label or self.label in post.labels)
        )


class Page(NamedTuple):
    """One page, and the cursor of the next (None on the last)."""

    posts: list[Post]
    cursor: str | None


def encode_cursor(post_id: str, sort_at: str) -> str:
    """An opaque cursor: it names the last post that was seen, nothing secret."""
    return base64.urlsafe_b64encode(json.dumps([post_id, sort_at]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, str]:
    """The inverse of `encode_cursor`. Raises `Problem` for anything that did not come from us."""
    try:
        post_id, sort_at = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        datetime.strptime(sort_at, "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007 - only its form is checked
        if not (isinstance(post_id, str) and post_id):
            raise ValueError
    except (ValueError, TypeError, binascii.Error) as error:
        raise _no_cursor() from error
    return post_id, sort_at


def _no_cursor() -> Problem:
    return Problem(
        "invalid_request", "This is not a cursor of this list; take nextCursor of the page before as it is.", pointer="/cursor"
    )


@answered
def page(posts: Posts, profiles: Profiles, partition: str, wanted: Filter, limit: int, cursor: str | None) -> Page:
    """One page of at most `limit` posts of `partition` in order of time, then of id. Raises `Problem` for a bad cursor."""
    span = Span.of(wanted.since, wanted.until, ascending=wanted.ascending)
    if cursor:
        post_id, sort_at = decode_cursor(cursor)
        if not is_slot(slot := f"{sort_at}#{post_id}"):
            raise _no_cursor()
        span = span.after(slot)
        if span.low > span.high:
            return Page([], None)
    reading = _Reading(posts, partition, wanted, limit, span)
    filters: list[Sequence[Source]] = []
    if wanted.label:
        filters.append([by_label(partition, wanted.label)])
    if wanted.profile_id:
        filters.append([by_profile(partition, wanted.profile_id)])
    if wanted.statuses:
        filters.append([by_status(partition, status) for status in wanted.statuses])
    if wanted.platform:
        _with_platform(reading, filters, profiles, wanted.platform, limit)
    elif len(filters) > 1:
        reading.keys(filters, FEW_KEYS)
        reading.keys(filters, MOST_KEYS)
    elif filters:
        reading.take(merged(filters[0], span, limit + 1))
    else:
        reading.look(limit)
    return reading.page()


def _with_platform(
    reading: _Reading, filters: list[Sequence[Source]], profiles: Profiles, platform: str, limit: int
) -> None:
    if reading.wanted.label or reading.wanted.profile_id:
        reading.keys(filters, FEW_KEYS)
    else:
        reading.look(min(LOOK, 4 * limit))
    if reading.done:
        return
    ids = profiles.of_platform(reading.partition, platform, MOST_PROFILES)
    if ids is not None:
        reading.keys([*filters, [by_profile(reading.partition, profile_id) for profile_id in ids]], MOST_KEYS)
    elif reading.wanted.label or reading.wanted.profile_id:
        reading.keys(filters, MOST_KEYS)
    else:
        for _ in range(MOST_LOOKS - 1):
            reading.look(LOOK)


class _Reading:
    """A page as far as it was read. `span` is what is left, `last` the slot it came to; once `done`, reading on does nothing."""

    def __init__(self, posts: Posts, partition: str, wanted: Filter, limit: int, span: Span) -> None:
        self.partition, self.wanted, self.span = partition, wanted, span
        self.done = False
        self._posts, self._limit, self._left = posts, limit, MOST_POSTS
        self._found: list[Post] = []
        self._last: str | None = None

    def page(self) -> Page:
        """What was found, with a cursor unless the list is at its end."""
        if self._last is None:
            return Page(self._found, None)
        sort_at, _, post_id = self._last.partition("#")
        return Page(self._found, encode_cursor(post_id, sort_at))

    def look(self, count: int) -> None:
        """Look through the next `count` posts by time."""
        if self.done:
            return
        rows, end = self._by_time(count)
        for number, row in enumerate(rows, 1):
            self._found.append(from_row(row))
            if len(self._found) == self._limit:
                self._come_to(row.sort_at if end or number < len(rows) else None, done=True)
                return
        self._come_to(end)

    def _by_time(self, count: int) -> tuple[list[PostRow], str | None]:
        condition: Any = None
        for clause in (
            PostRow.status.is_in(*self.wanted.statuses) if self.wanted.statuses else None,
            PostRow.platforms.contains(self.wanted.platform) if self.wanted.platform else None,
        ):
            if clause is not None:
                condition = clause if condition is None else condition & clause
        pages = PostRow.by_time.query(
            self.partition, PostRow.sort_at.between(self.span.low, self.span.high), condition,
            scan_index_forward=self.span.ascending, page_size=count,
        ).page_iter
        rows = [PostRow.from_raw_data(row) for row in next(pages)["Items"]]
        start: Any = pages.last_evaluated_key
        return rows, start["sort_at"]["S"] if start else None

    def keys(self, filters: Sequence[Sequence[Source]], count: int) -> None:
        """Read up to `count` keys of every filter and take the posts they have in common."""
        if self.done:
            return
        found: list[Keys] = []
        for sources in filters:
            keys = merged(sources, self.span, -(-count // max(1, len(sources))))
            if not keys.slots and keys.end is None:
                self._come_to(None)
                return
            found.append(keys)
        self.take(common(found, self.span))

    def take(self, keys: Keys) -> None:
        """Read the posts of these keys until the page is full or enough were read. What an index says may be a moment old: a
        post that has moved on is left out, the cursor passes it."""
        slots, size, read = list(keys.slots), self._limit - len(self._found), 0
        while slots:
            size = min(size, self._left)
            batch, slots = slots[:size], slots[size:]
            posts = {post.id: post for post in self._posts.get_many([post_id_of(slot) for slot in batch])}
            self._left, read = self._left - len(batch), read + len(batch)
            for slot in batch:
                post = posts.get(post_id_of(slot))
                if post and slot_of(post) == slot and post.partition == self.partition and self.wanted.fits(post):
                    self._found.append(post)
                if len(self._found) == self._limit:
                    at_end = slot == batch[-1] and not slots and keys.end is None
                    self._come_to(None if at_end else slot, done=True)
                    return
            if not self._left:
                self._come_to(batch[-1] if slots else keys.end, done=True)
                return
            # As many as should fill the page, if as many of them pass as did so far.
            missing = self._limit - len(self._found)
            size = min(BATCH, max(FEW_POSTS, missing * read // max(1, len(self._found))))
        self._come_to(keys.end)

    def _come_to(self, slot: str | None, *, done: bool = False) -> None:
        """Everything up to `slot` was considered; None: the list is at its end."""
        self._last, self.done = slot, done or slot is None
        if slot is not None:
            self.span = self.span.after(slot)
            self.done = self.done or self.span.low > self.span.high
