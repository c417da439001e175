"""Every row of every table in docs/bulk.md is true."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dateline.domain.errors import Problem
from dateline.domain.sheet import MOST_ROWS, SheetRow, read_csv
from dateline.domain.sheet_cells import MOST_EXACT
from dateline.domain.sheet_columns import COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "bulk.md").read_text(encoding="utf-8")
Row = dict[str, str]

KINDS = {
    "text": "text", "word": "word", "list": "list", "positions": "list by position", "fold": "0 or 1", "flag": "true or false",
    "array": "JSON list", "object": "JSON object",
}
"""The page's words for the kinds of columns."""


def tables() -> list[tuple[int, Row]]:
    """Every row of the page with its line number, as {column: cell without its backticks}."""
    rows: list[tuple[int, Row]] = []
    header: list[str] = []
    for number, line in enumerate(PAGE.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            header = []
        elif not header:
            header = cells
        elif set(line) - set("|-"):
            assert len(cells) == len(header), f"line {number}"
            rows.append((number, {name: cell.strip("`") for name, cell in zip(header, cells, strict=True)}))
    return rows


ROWS = tables()


def sheet(**cells: str) -> SheetRow:
    """The one row of a file with these cells, and a text so that it may be a post."""
    out = io.StringIO()
    csv.writer(out).writerows([["text", *cells], ["Hello", *cells.values()]] if "text" not in cells else [cells, cells.values()])
    (row,) = read_csv(out.getvalue().encode())
    return row


def table(first: str) -> list[Row]:
    return [row for _, row in ROWS if next(iter(row)) == first]


def says(row: SheetRow) -> str:
    (error,) = row.errors
    return error.detail


def as_column(row: Row) -> None:
    cells = {row["column"]: row["example of a cell"]}
    if row["column"] in ("media_types", "alt_texts"):
        cells["media_urls"] = next(r["example of a cell"] for r in table("column") if r["column"] == "media_urls")
    found = sheet(**cells)
    assert found.errors == ()
    assert found.body == {"text": "Hello", **json.loads("{" + row["read as"] + "}")}


def as_list(row: Row) -> None:
    assert sheet(labels=row["cell of `labels`"]).body["labels"] == json.loads(row["entries"])


def as_fault(row: Row) -> None:
    assert row["the error says"] in says(sheet(**{row["column"]: row["cell"]}))


def as_option(row: Row) -> None:
    value: Any = sheet(**{"platforms.example.option": row["cell"]}).body["platforms"]["example"]["option"]
    assert (value, type(value)) == ((wanted := json.loads(row["value"])), type(wanted))


def as_file(row: Row) -> None:
    with pytest.raises(Problem) as caught:
        read_csv(row["file"].replace("⏎", "\n").encode())
    assert row["the answer says"] in caught.value.detail


HELD: dict[tuple[str, ...], Callable[[Row], None]] = {
    ("column", "kind", "example of a cell", "read as"): as_column,
    ("cell of `labels`", "entries"): as_list,
    ("column", "cell", "the error says"): as_fault,
    ("cell", "value"): as_option,
    ("file", "the answer says"): as_file,
}


def test_the_page_has_every_table_and_no_other() -> None:
    assert {tuple(row) for _, row in ROWS} == HELD.keys()


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=[f"line {line}" for line, _ in ROWS])
def test_the_row_is_true(row: Row) -> None:
    HELD[tuple(row)](row)


def test_the_table_of_columns_is_the_code_s() -> None:
    said = [(row["column"], row["kind"]) for row in table("column") if "kind" in row]
    assert said == [(column.name, KINDS[column.kind]) for column in COLUMNS]


def test_the_examples_and_the_figures_of_the_page_are_true() -> None:
    (example,) = re.findall(r"```csv\n(.*?)```", PAGE, re.S)
    rows = read_csv(example.encode())
    assert [row.errors for row in rows] == [(), (), ()]
    assert rows[1].body["text"] == "Thank you!\nSee you on Friday."
    assert rows[2].body == {"text": "A draft without a time"}
    assert f"At most {MOST_ROWS:,} rows" in PAGE
    assert f"up to {MOST_EXACT}." in PAGE
