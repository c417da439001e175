"""The columns of a sheet of posts as a table, and a row between its cells and the create body that JSON would send.

A row is only read here; whether a post can be made of it the shapes and the rules decide later. How a file is cut into cells
stands in `sheet`, what a cell may hold in `sheet_cells`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .errors import FieldError
from .plain_json import pointed
from .sheet_cells import READERS, CellFault, Path, join_list, written_json


class Column(NamedTuple):
    """One column: its name in the header, the member of the create body (and the part of a medium), the kind of its cells."""

    name: str
    path: Path
    kind: str


COLUMNS: tuple[Column, ...] = (
    Column("text", ("text",), "text"),
    Column("thread", ("thread",), "array"),
    Column("profile_ids", ("profileIds",), "list"),
    Column("scheduled_for", ("scheduledFor",), "word"),
    Column("timezone", ("timezone",), "word"),
    Column("fold", ("fold",), "fold"),
    Column("media_urls", ("media", "url"), "positions"),
    Column("media_types", ("media", "type"), "positions"),
    Column("alt_texts", ("media", "altText"), "positions"),
    Column("labels", ("labels",), "list"),
    Column("metadata", ("metadata",), "object"),
    Column("first_comment", ("firstComment",), "text"),
    Column("max_lateness", ("maxLateness",), "word"),
    Column("on_late", ("onLate",), "word"),
    Column("on_segment_failure", ("onSegmentFailure",), "word"),
    Column("platforms", ("platforms",), "object"),
    Column("queue_id", ("queueId",), "word"),
    Column("allow_duplicate", ("allowDuplicate",), "flag"),
)
"""Every column but the dotted ones, in the order in which a sheet is written: the contract's sixteen, then our own two."""

DOTTED = "platforms.<name>.<option>"

OVERRIDES: Mapping[str, str] = {"text": "text", "media": "array", "thread": "array"}
"""Kinds of the dotted columns that are no option of a platform but its own content."""

BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}

CONTENT = frozenset({"text", "thread", "media", "platforms"})
"""Members that can say something: a file with no column for any of them could not hold a post."""


class Place(NamedTuple):
    """A column of one file: which cell of a row (from 0), its name as written there, and the column it is."""

    cell: int
    written: str
    column: Column


def column_named(written: str) -> Column | None:
    """The column that a header cell names, None if there is none. Capitals matter only in an option's name."""
    name = written.strip()
    if (known := BY_NAME.get(name.lower())) is not None:
        return known
    parts = [part.strip() for part in name.split(".")]
    if len(parts) != 3 or parts[0].lower() != "platforms" or not all(parts):
        return None
    platform, option = parts[1].lower(), parts[2]
    return Column(f"platforms.{platform}.{option}", ("platforms", platform, option), OVERRIDES.get(option, "option"))


def column_of(pointer: str, places: Sequence[Place] = ()) -> str | None:
    """The column for a JSON pointer into a create body: `/media/0/altText` is `alt_texts`; None where there is none.

    For what is found wrong with a row later on: whoever fills a sheet thinks in columns. With the `places` of a file it is the
    name as that file has it, dotted columns included; a column that the file lacks has its own name.
    """
    parts = pointer.split("/")[1:]
    named = [*((place.column.path, place.written) for place in places), *((column.path, column.name) for column in COLUMNS)]

    def near(path: Path) -> int:
        """How well a column fits: 0 not at all, 1 the member alone, more its part."""
        if not parts or path[0] != parts[0] or (len(path) > 2 and list(path) != parts[: len(path)]):
            return 0
        exact = len(path) > 2 or path[1:] == (parts[-1],)
        return 3 if exact else 2 if path[1:] == ("url",) else 1

    # Of equals the first: a column of the file before the table's own.
    fit, name = max(((near(path), name) for path, name in named), key=lambda one: one[0])
    return name if fit else None


def read_cells(cells: Sequence[str], places: Iterable[Place]) -> tuple[dict[str, Any], tuple[FieldError, ...]]:
    """One row: a create body with the members whose cells are not empty, and what could not be read (left out of the body)."""
    body: dict[str, Any] = {}
    errors: list[FieldError] = []
    media: dict[str, tuple[Place, list[str]]] = {}
    dotted: list[tuple[Place, Any]] = []
    width = len(cells)
    for place in places:
        cell = cells[place.cell] if place.cell < width else ""
        if not cell:
            continue
        path = place.column.path
        try:
            value = READERS[place.column.kind](cell, place.written, path)
        except CellFault as fault:
            errors.append(_error(place, "".join(f"/{pointed(part)}" for part in path) + fault.below, fault.detail))
            continue
        if value is None:
            continue
        if len(path) == 1:
            body[path[0]] = value
        elif path[0] == "media":
            media[path[1]] = place, value
        else:
            dotted.append((place, value))
    if media:
        items, wrong = _media(media)
        errors += wrong
        if items and not wrong:
            body["media"] = items
    for place, value in dotted:
        _, platform, option = place.column.path
        override = body.setdefault("platforms", {}).setdefault(platform, {})
        if isinstance(override, dict):
            override[option] = value
        else:
            detail = f"{place.written} has no place: what the platforms column holds for {platform} is not an object."
            errors.append(_error(place, f"/platforms/{pointed(platform)}", detail))
    return body, tuple(errors)


def _error(place: Place, pointer: str, detail: str) -> FieldError:
    return FieldError(pointer, "invalid_request", detail, {"column": place.written})


def _media(found: Mapping[str, tuple[Place, list[str]]]) -> tuple[list[dict[str, str]], list[FieldError]]:
    """The media of a row: types and alternative texts belong to the URL at their position; an empty one is not given."""
    errors: list[FieldError] = []
    items: list[dict[str, str]] = []
    if "url" in found:
        place, urls = found["url"]
        items = [{"url": url} for url in urls]
        for index, url in enumerate(urls):
            if not url:
                detail = f"Entry {index + 1} of {place.written} is empty: which type and alternative text belong to which URL?"
                errors.append(_error(place, f"/media/{index}/url", detail))
    for part in ("type", "altText"):
        if part not in found:
            continue
        place, values = found[part]
        if len(values) > len(items):
            detail = (
                f"{place.written} has {_entries(len(values))}, and the row has {len(items)} media: give one for each URL, or "
                "fewer. A ; separates entries; one inside an entry is written \\;."
            )
            errors.append(_error(place, "/media", detail))
        for item, value in zip(items, values, strict=False):
            if value:
                item[part] = value
    return items, errors


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def write_cells(body: Mapping[str, Any]) -> list[str]:
    """The cells of one create body, one for each of `COLUMNS`. A member that is absent, None or empty is an empty cell.

    Raises ValueError for a member that no column holds.
    """
    unknown = sorted(body.keys() - _MEMBERS)
    if unknown:
        raise ValueError(f"no column holds {', '.join(unknown)}")
    cells = [_written(column, body.get(column.path[0])) for column in COLUMNS]
    if not any(cell.strip() for cell in cells):
        # A row without anything in it is skipped when read; a draft may be empty, or hold blanks only.
        cells[_PLATFORMS] = "{}"
    return cells


def _written(column: Column, value: Any) -> str:
    if value is None or value in ("", [], {}, ()):
        return ""
    if column.kind != "positions":
        return WRITERS[column.kind](value)
    entries = [item.get(column.path[1]) or "" for item in value]
    while entries and not entries[-1]:
        entries.pop()
    return join_list(entries)


WRITERS: Mapping[str, Callable[[Any], str]] = {
    "text": str, "word": str, "fold": str, "list": join_list, "array": written_json, "object": written_json,
    "flag": lambda value: "true" if value else "false",
}
_MEMBERS = frozenset(column.path[0] for column in COLUMNS)
_PLATFORMS = COLUMNS.index(BY_NAME["platforms"])
