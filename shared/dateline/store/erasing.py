"""Finding every row that a workspace has left in the tables, and taking rows away for good. For the operator's `erase-workspace`
only: no function has the right to scan or to remove what is read here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pynamodb.models import Model

from ..domain.post import Post
from .events import _open
from .posts import Booking, from_row
from .tables import BookingRow, EventRow, IdempotencyRow, PostRow, ProfileRow, WorkspaceRow, answered

PAGE = 100
"""Posts that are read together."""


@answered
def remove(rows: Sequence[Model]) -> int:
    """Take rows away, 25 a call; how many there were. Removing what is gone already is no error. Raises `StoreUnavailable`."""
    for model in {type(row) for row in rows}:
        with model.batch_write() as batch:
            for row in rows:
                if type(row) is model:
                    batch.delete(row)
    return len(rows)


@answered
def posts_of(side: str, after: Any) -> tuple[list[Post], Any]:
    """A page of the posts of one side of a workspace, and where to go on (None: nowhere)."""
    result = PostRow.by_time.query(side, limit=PAGE, page_size=PAGE, last_evaluated_key=after)
    found = [from_row(row) for row in result]
    return found, result.last_evaluated_key if found else None


def post_rows(posts: Iterable[Post]) -> list[PostRow]:
    """Rows that `remove` takes away for these posts."""
    return [PostRow(post.id) for post in posts]


@answered
def booked(bookings: Iterable[Booking]) -> list[BookingRow]:
    """Those of the bookings that are stored."""
    keys = [(booking.profile_id, booking.slot) for booking in bookings]
    return list(BookingRow.batch_get(keys, consistent_read=True)) if keys else []


@answered
def bookings_under(keys: Iterable[str]) -> list[BookingRow]:
    """Whatever is booked under these keys of the bookings table."""
    return [row for key in keys for row in BookingRow.query(key, consistent_read=True)]


@answered
def cursors_of(ids: Iterable[str]) -> list[EventRow]:
    """How far these posts and profiles are announced."""
    keys = [(f"{id.partition('_')[0]}#{id}", "cursor") for id in dict.fromkeys(ids)]
    return list(EventRow.batch_get(keys, consistent_read=True)) if keys else []


@answered
def feed_of(side: str) -> tuple[list[EventRow], set[str]]:
    """A feed's rows of events, and whom they are about."""
    rows = list(EventRow.query(f"feed#{side}", consistent_read=True))
    return rows, {event["id"].partition("#")[0] for row in rows for event in _open(row)}


@answered
def head_of(side: str) -> list[EventRow]:
    """The feed's last position."""
    return list(EventRow.query(f"head#{side}", consistent_read=True))


@answered
def connections_of(workspace_id: str) -> list[WorkspaceRow]:
    """All consents of a workspace that have not lapsed (a scan)."""
    rows = WorkspaceRow.scan(WorkspaceRow.pk.startswith("conn#"))
    return [row for row in rows if (row.body or {}).get("workspace_id") == workspace_id]


@answered
def media_of(workspace_id: str, sides: Sequence[str]) -> list[WorkspaceRow]:
    """Uploads, copies with an id, and copies that are being made (two scans)."""
    named = [row for row in WorkspaceRow.scan(WorkspaceRow.pk.startswith("media#")) if (row.body or {}).get("partition") in sides]
    begun = WorkspaceRow.scan(WorkspaceRow.pk.startswith("copy#") & WorkspaceRow.pk.contains(f"/{workspace_id}/"))
    return [*named, *begun]


@answered
def profiles_of(workspace_id: str) -> list[ProfileRow]:
    """All profiles of a workspace, connected or not (a scan)."""
    return list(ProfileRow.scan(ProfileRow.workspace_id == workspace_id, consistent_read=True))


@answered
def imports_of(sides: Sequence[str]) -> list[list[WorkspaceRow]]:
    """The bulk imports (a scan): of each its rows in the order in which they go, the head that tells whose it is last."""
    heads = WorkspaceRow.scan(
        WorkspaceRow.pk.startswith("bulk#") & (WorkspaceRow.sk == "head"), attributes_to_get=["pk", "sk", "body"],
        consistent_read=True,
    )
    found = []
    for head in heads:
        if (head.body or {}).get("side") in sides:
            rows = WorkspaceRow.query(head.pk, attributes_to_get=["pk", "sk"], consistent_read=True)
            rest = [row for row in rows if row.sk != "head"]
            found.append([WorkspaceRow("bulk#open", head.pk.partition("#")[2]), *rest, WorkspaceRow(head.pk, head.sk)])
    return found


@answered
def workspace_rows(pks: Iterable[str]) -> list[WorkspaceRow]:
    """Whatever stands under these keys of the workspaces table."""
    return [row for pk in pks for row in WorkspaceRow.query(pk, consistent_read=True)]


def login_rows(hashes: Iterable[str]) -> list[WorkspaceRow]:
    """The rows by which keys with these hashes log in."""
    return [WorkspaceRow(f"key#{digest}", "key") for digest in hashes]


@answered
def requests_of(sides: Iterable[str]) -> list[IdempotencyRow]:
    """What is kept of requests with a key, and of which contents were posted (a scan)."""
    found: list[IdempotencyRow] = []
    for side in sides:
        mine = IdempotencyRow.pk.startswith(f"{side}#") | IdempotencyRow.pk.startswith(f"twin#{side}#")
        found += IdempotencyRow.scan(mine, attributes_to_get=["pk"], consistent_read=True)
    return found
