"""What goes back: answers, and refusals as RFC 9457 problem details."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..domain.errors import Problem

if TYPE_CHECKING:
    from .request import Request

T = TypeVar("T")

MOST_PAGE_BYTES = 4_000_000
"""Of one page of a list: Lambda answers with at most 6 MB, and a hundred posts of 64 KB are more. A full page is cut and goes on
with its cursor."""


class Answer(NamedTuple):
    """A status, a JSON body (or text of another type), and headers."""

    status: int
    body: Any
    headers: Mapping[str, str] = {}
    content_type: str = "application/json"


def problem_view(problem: Problem, instance: str | None = None) -> dict[str, Any]:
    """A refusal as problem details, with the members the contract names for its code."""
    return {
        "type": f"/docs#{problem.code}", "title": problem.title, "status": problem.status, "code": problem.code,
        "detail": problem.detail, "instance": instance, **problem.extra,
        "errors": [{"pointer": e.pointer, "code": e.code, "detail": e.detail, **e.extra} for e in problem.errors],
    }


def fitting(rows: Iterable[T], show: Callable[[T], Any]) -> list[str]:
    """The rows as JSON texts, as far as they fit into one answer; at least one."""
    parts: list[str] = []
    size = 0
    for row in rows:
        part = json.dumps(show(row))
        size += len(part)
        if parts and size > MOST_PAGE_BYTES:
            break
        parts.append(part)
    return parts


def page_of(parts: Iterable[str], cursor: str | None, **more: Any) -> Answer:
    """A page of a list from rows that are JSON texts already."""
    rest = json.dumps({"nextCursor": cursor, **more})
    return Answer(200, f'{{"data": [{", ".join(parts)}], {rest[1:]}')


def slice_of(request: Request, rows: list[dict[str, Any]]) -> Answer:
    """One page of a list that is read whole: the cursor is the number of rows seen."""
    limit, cursor = request.limit(), request.cursor() or "0"
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 7):
        raise Problem("invalid_request", "This is not a cursor of this list; take nextCursor as it is.", pointer="/cursor")
    parts = fitting(rows[int(cursor) : int(cursor) + limit], lambda row: row)
    seen = int(cursor) + len(parts)
    return page_of(parts, str(seen) if seen < len(rows) else None)
