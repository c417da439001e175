"""A sheet of posts: a CSV file or a JSON array read into rows of create bodies, and create bodies written as CSV.

What is wrong with the file as a whole is a `Problem` and nothing of it is read; what is wrong with a cell stands in its row,
so that every row can be told its faults at once. The user's page is docs/bulk.md.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .errors import FieldError, Problem
from .instants import format_duration, shown
from .plain_json import unstorable
from .post import Post, seconds
from .sheet_columns import BY_NAME, COLUMNS, CONTENT, DOTTED, Place, column_named, read_cells, write_cells
from .sheet_file import decoded, excerpt, records, unreadable

MOST_ROWS = 1_000
"""Posts in one sheet."""

MOST_COLUMNS = 500
"""Cells of a header: more than twice the options of all networks."""

MOST_TOLD = 20
"""Unknown columns that are listed one by one."""


class SheetRow(NamedTuple):
    """One data row: `number` counts from 1, `line` is the line of the file on which it begins (None for JSON).

    `body` is a create body as JSON would send it to POST /v1/posts, with absent members left out; its shape is not checked
    yet. A row with `errors` must not be applied: members that could not be read are missing from its body. Pointers are
    into the row's own body; an error of a cell carries `column`, its name as the file has it.
    """

    number: int
    line: int | None
    body: dict[str, Any]
    errors: tuple[FieldError, ...] = ()


def read_csv(data: bytes) -> list[SheetRow]:
    """The rows of a CSV file. Raises `Problem` as `read_file` does."""
    return read_file(data)[0]


def read_file(data: bytes) -> tuple[list[SheetRow], list[Place]]:
    """The rows of a CSV file and its columns: UTF-8, a header row, commas, semicolons or tabs between the cells. Blank rows are
    skipped.

    Raises Problem invalid_request for what is wrong with the whole file, with `line` where it is on one.
    """
    found = records(decoded(data), column_named)
    _, header = next(found, (0, []))
    while header and not header[-1].strip():
        header.pop()
    if not header:
        raise unreadable("The file is empty. It begins with a header row that names the columns, then one row for each post.")
    places = _places(header)
    nameless = [index for index, written in enumerate(header) if not written.strip()]
    rows: list[SheetRow] = []
    number = 0
    for number, (line, cells) in enumerate(found, 1):
        if number > MOST_ROWS:
            continue
        misplaced = _misplaced(cells, len(header), nameless)
        body, errors = ({}, misplaced) if misplaced else read_cells(cells, places)
        rows.append(SheetRow(number, line, body, errors))
    _check_count(number, "The file has a header and no rows below it")
    return rows, places


def read_json(value: Any) -> list[SheetRow]:
    """The rows of a JSON array of create bodies, as `json.loads` gave it. Raises Problem invalid_request for the whole."""
    if not isinstance(value, list):
        one = " One post alone goes to POST /v1/posts." if isinstance(value, dict) else ""
        raise unreadable(f"The body must be a JSON array with one create body for each post.{one}")
    _check_count(len(value), "The array is empty")
    return [_json_row(number, item) for number, item in enumerate(value, 1)]


def _json_row(number: int, item: Any) -> SheetRow:
    if not isinstance(item, dict):
        return SheetRow(number, None, {}, (FieldError("", "invalid_request", "A row must be a JSON object: a create body."),))
    if (found := unstorable(item)) is None:
        return SheetRow(number, None, item)
    where = "The JSON" if found.pointer is None else found.pointer[1:] or "A name"
    return SheetRow(number, None, {}, (FieldError(found.pointer or "", "invalid_request", f"{where} {found.why}."),))


def _check_count(rows: int, none: str) -> None:
    if not rows:
        raise unreadable(f"{none}: there is nothing to do.")
    if rows > MOST_ROWS:
        detail = f"At most {MOST_ROWS:,} rows are taken at once; these are {rows:,}. Send them in parts."
        raise Problem("invalid_request", detail, extra={"limit": MOST_ROWS, "rows": rows})


def _places(header: Sequence[str]) -> list[Place]:
    """The columns of a file; a header cell without a name is none. Raises Problem."""
    if len(header) > MOST_COLUMNS:
        raise unreadable(f"The header has {len(header):,} cells; at most {MOST_COLUMNS} are read.")
    places: list[Place] = []
    unknown: list[str] = []
    seen: dict[str, str] = {}
    for cell, name in enumerate(header):
        written = name.strip()
        column = column_named(written)
        if not written:
            continue
        if column is None:
            unknown.append(written)
            continue
        if column.name in seen:
            both = "" if seen[column.name] == written else f", as {shown(seen[column.name])} and as {shown(written)}"
            raise _header_fault([(f"The header names the column {column.name} twice{both}; once is enough.", written)])
        seen[column.name] = written
        places.append(Place(cell, written, column))
    if unknown:
        raise _unknown(unknown, any_known=bool(places))
    if not CONTENT.intersection(place.column.path[0] for place in places):
        detail = "No column of the header says anything: there must be text or thread (media_urls or platforms will do as well)."
        raise unreadable(detail)
    return places


def _unknown(names: Sequence[str], *, any_known: bool) -> Problem:
    from difflib import get_close_matches

    found: list[tuple[str, str]] = []
    for name in names[:MOST_TOLD]:
        near = get_close_matches(name[:100].lower().replace(" ", "_").replace("-", "_"), BY_NAME, 1, 0.7)
        hint = f" Did you mean {near[0]}?" if near else ""
        if name.lower().startswith("platforms."):
            hint = f" One option of one platform is {DOTTED}; what stands deeper goes into platforms, as JSON."
        any_known = any_known or bool(hint)
        found.append((f"There is no column {shown(name)}.{hint}", name))
    missing = "" if any_known else "The first row is the header: it names the columns, with commas, semicolons or tabs between. "
    return _header_fault(found, len(names), f" The columns are: {', '.join(BY_NAME)}; and {DOTTED}.", missing)


def _header_fault(found: Sequence[tuple[str, str]], count: int = 1, known: str = "", before: str = "") -> Problem:
    more = "" if count == 1 else f" And {count - 1} more: see errors."
    errors = [FieldError("", "invalid_request", detail, {"column": name}) for detail, name in found]
    return Problem("invalid_request", before + found[0][0] + more + known, errors=errors)


def _misplaced(cells: Sequence[str], width: int, nameless: Iterable[int]) -> tuple[FieldError, ...]:
    """The fault of a row with content where the header names no column: then none of its cells can be trusted."""
    counts = {"cells": len(cells), "columns": width}
    if any(cell.strip() for cell in cells[width:]):
        detail = (
            f"The row has {len(cells)} cells, the header {width}. A cell that holds the delimiter or a line break stands in "
            "quotes, with no blank before the first one; a quote inside is written twice."
        )
        return (FieldError("", "invalid_request", detail, counts),)
    for index in nameless:
        if index < len(cells) and cells[index].strip():
            detail = f"Cell {index + 1} of the row holds {excerpt(cells[index])}, and the header names no column there."
            return (FieldError("", "invalid_request", detail, counts),)
    return ()


def write_csv(bodies: Iterable[Mapping[str, Any]]) -> str:
    """The header and one line for each create body: all of `COLUMNS`, in their order. `read_csv` gives the same bodies again.

    A member that is None or empty counts as absent. No byte order mark is written: whoever sends the file to a spreadsheet
    puts one before it. A NUL in a text is written and not read again. Raises ValueError for a member that no column holds.
    """
    # Lines end with CR LF: RFC 4180 says so, every reader takes it, and the csv module then quotes cells with either in them.
    # A cell that begins with =, +, - or @ is written as it is. The apostrophe that keeps a spreadsheet from running it as a
    # formula would be part of the text when the file comes back, and the post would be another one.
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.name for column in COLUMNS])
    writer.writerows(map(write_cells, bodies))
    return out.getvalue()


def body_of_post(post: Post) -> dict[str, Any]:
    """The create body that would make this post again; what has its default is left out.

    Lateness is always named: its default is the workspace's, and may be another where the body is used. The time is the
    wall-clock wish; a post that was published at once, or a draft (which a time would schedule), has none.
    """
    intent = post.intent or {}
    single = None if post.thread or not post.segments else post.segments[0]
    members: dict[str, Any] = {
        "text": single.text if single else None,
        "thread": [_segment(segment.as_dict()) for segment in post.segments] if post.thread else None,
        "profileIds": list(post.targets),
        "media": [item.as_dict() for item in single.media] if single else None,
        **({} if post.stage == "draft" else
           {"scheduledFor": intent.get("local"), "timezone": intent.get("timezone"), "fold": intent.get("fold")}),
        "platforms": post.platforms, "firstComment": post.first_comment, "labels": list(post.labels), "metadata": post.metadata,
        "maxLateness": None if post.max_lateness is None else format_duration(seconds(post.max_lateness)),
        "onLate": post.on_late,
        "onSegmentFailure": None if post.on_segment_failure == "resume" else post.on_segment_failure,
        "allowDuplicate": post.allow_duplicate,
        # A queue's post has the time of its slot. Both at once would contradict, and the time is what is known for certain.
        "queueId": post.queue["id"] if post.queue and not intent else None,
    }
    return {name: value for name, value in members.items() if value}


def _segment(value: dict[str, Any]) -> dict[str, Any]:
    return value if value["media"] else {"text": value["text"]}
