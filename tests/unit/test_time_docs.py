"""Every row of every table in docs/time.md is true."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from dateline.domain.errors import Problem
from dateline.domain.instants import parse_duration, parse_rfc3339, rfc3339
from dateline.domain.time import Intent, check_window, reresolve, resolve

PAGE = Path(__file__).parents[2] / "docs" / "time.md"
Row = dict[str, str]


def tables() -> list[tuple[int, Row]]:
    """Every row of the page with its line number, as {column: cell}."""
    rows: list[tuple[int, Row]] = []
    header: list[str] = []
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            header = []
        elif not header:
            header = cells
        elif set(line) - set("|-"):
            cells += [""] * (len(header) - len(cells))
            assert len(cells) == len(header), f"line {number}"
            rows.append((number, dict(zip(header, cells, strict=True))))
    return rows


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]*)`", cell)


def text(row: Row, column: str) -> str | None:
    return next(iter(quoted(row.get(column, ""))), None)


def number(row: Row, column: str) -> int | None:
    return int(row[column]) if row.get(column) else None


def as_resolve(row: Row) -> tuple[str, list[str]]:
    fold = number(row, "fold")
    when = text(row, "scheduledFor") or ""
    found = resolve(when, text(row, "timezone"), fold, default_timezone=text(row, "workspace timezone"))
    return rfc3339(found.publish_at), [warning.code for warning in found.warnings]


def as_window(row: Row) -> tuple[str, list[str]]:
    days = number(row, "Example's horizon in days")
    check_window(
        parse_rfc3339(text(row, "publishAt") or ""),
        parse_rfc3339(text(row, "now") or ""),
        max_horizon_days=number(row, "horizon in days"),
        platform_horizons={} if days is None else {"example": ("Example", days)},
    )
    return "allowed", []


def as_reresolve(row: Row) -> tuple[str, list[str]]:
    return rfc3339(reresolve(Intent(text(row, "stored local time") or "", text(row, "timezone"), number(row, "fold") or 0))), []


def as_duration(row: Row) -> tuple[str, list[str]]:
    return f"{parse_duration(text(row, 'duration') or '', '/maxLateness').total_seconds():.0f} seconds", []


KINDS: dict[str, Callable[[Row], tuple[str, list[str]]]] = {
    "scheduledFor": as_resolve,
    "now": as_window,
    "stored local time": as_reresolve,
    "duration": as_duration,
}
ROWS = tables()


def test_the_page_has_a_table_of_every_kind_and_no_other() -> None:
    assert {next(iter(row)) for _, row in ROWS} == KINDS.keys()
    assert len(ROWS) > 80


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=[f"line {line}" for line, _ in ROWS])
def test_the_row_is_true(row: Row) -> None:
    said = quoted(row["result"]) or [row["result"]]
    try:
        outcome, warnings = KINDS[next(iter(row))](row)
    except Problem as problem:
        assert problem.code == said[0]
        for part in said[1:]:
            assert part in problem.detail
    else:
        assert outcome == said[0]
        assert warnings == quoted(row.get("warnings", ""))
