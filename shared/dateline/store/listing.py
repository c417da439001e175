"""Lists of posts, page by page, with every filter of the contract. Reads per page are bounded.

One status is a query of its own index; every other filter runs over the workspace's posts in order of time. A page of a rare
combination may therefore be short, even empty, and still carry a cursor: it never reads more than `MOST_QUERIES` pages.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ..domain.errors import Problem
from ..domain.instants import sortable
from ..domain.post import Post
from .posts import Posts, from_row
from .tables import PostRow, answered

MOST_QUERIES = 5
"""Queries a page may cost."""

PAGE_READ = 200
"""Items one filtered query may read."""


class Filter(NamedTuple):
    """What a list is narrowed to. Times are aware, `until` is exclusive."""

    statuses: Sequence[str] = ()
    platform: str | None = None
    profile_id: str | None = None
    label: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ascending: bool = False


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
        detail = "This is not a cursor of this list; take nextCursor of the page before as it is."
        raise Problem("invalid_request", detail, pointer="/cursor") from error
    return post_id, sort_at


@answered
def page(posts: Posts, partition: str, wanted: Filter, limit: int, cursor: str | None) -> Page:
    """One page of at most `limit` posts of `partition` in order of time. Raises `Problem` for a bad cursor."""
    after = decode_cursor(cursor) if cursor else None
    if len(wanted.statuses) == 1 and not (wanted.platform or wanted.profile_id or wanted.label):
        return _by_status(posts, partition, wanted, limit, after)
    return _by_time(partition, wanted, limit, after)


def _range(index: Any, wanted: Filter) -> Any:
    if wanted.since and wanted.until:
        # BETWEEN includes its ends and `until` does not: times are stored in milliseconds, "Z" sorts after the digits.
        return index.sort_at.between(sortable(wanted.since), sortable(wanted.until)[:-1])
    if wanted.since:
        return index.sort_at >= sortable(wanted.since)
    return index.sort_at < sortable(wanted.until) if wanted.until else None


def _by_status(posts: Posts, partition: str, wanted: Filter, limit: int, after: tuple[str, str] | None) -> Page:
    key = f"{partition}#{wanted.statuses[0]}"
    start = None
    if after:
        start = {"ws_status": {"S": key}, "sort_at": {"S": after[1]}, "id": {"S": after[0]}}
    result = PostRow.by_status.query(
        key, _range(PostRow, wanted), scan_index_forward=wanted.ascending, limit=limit, page_size=limit, last_evaluated_key=start
    )
    keys = [(row.id, row.sort_at) for row in result]
    # The index may be a moment behind: a post that has moved on since is left out, the cursor still passes it.
    found = [post for post in posts.get_many([key for key, _ in keys]) if post.status == wanted.statuses[0]]
    found = [post for post in found if post.partition == partition]
    return Page(found, encode_cursor(*keys[-1]) if keys and result.last_evaluated_key else None)


def _by_time(partition: str, wanted: Filter, limit: int, after: tuple[str, str] | None) -> Page:
    condition: Any = None
    for clause in (
        PostRow.status.is_in(*wanted.statuses) if wanted.statuses else None,
        PostRow.platforms.contains(wanted.platform) if wanted.platform else None,
        PostRow.profile_ids.contains(wanted.profile_id) if wanted.profile_id else None,
        PostRow.labels.contains(wanted.label) if wanted.label else None,
    ):
        if clause is not None:
            condition = clause if condition is None else condition & clause
    start: Any = None
    if after:
        start = {"ws": {"S": partition}, "sort_at": {"S": after[1]}, "id": {"S": after[0]}}
    found: list[Post] = []
    for _ in range(MOST_QUERIES):
        result = PostRow.by_time.query(
            partition, _range(PostRow, wanted), condition, scan_index_forward=wanted.ascending, last_evaluated_key=start,
            page_size=limit if condition is None else PAGE_READ, limit=limit - len(found) if condition is None else None,
        )
        page_iter = result.page_iter
        rows: list[Any] = next(page_iter, {"Items": []})["Items"]
        for row in rows:
            found.append(from_row(PostRow.from_raw_data(row)))
            if len(found) == limit:
                last = found[-1]
                more = row is not rows[-1] or page_iter.last_evaluated_key
                return Page(found, encode_cursor(last.id, sortable(last.sort_at)) if more else None)
        start = page_iter.last_evaluated_key
        if not start:
            return Page(found, None)
    return Page(found, encode_cursor(start["id"]["S"], start["sort_at"]["S"]))
