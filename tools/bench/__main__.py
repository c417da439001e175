"""`python -m tools.bench`: measures everything and prints one table. It judges nothing: the aims stand beside the figures.

`--without punctuality` (or imports, operations, bulk, cost, lists, fairness; several with commas) leaves a part out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from tests.harness import Dateline
from tools.bench import bulk, cost, fairness, imports, lists, operations, punctuality
from tools.bench.meter import Meter

PARTS = ("imports", "operations", "bulk", "cost", "lists", "fairness", "punctuality")
MOST_DOLLARS = 50
"""The aim for a million posts with three targets."""

ENVIRONMENT = {"DATELINE_AUTH_CACHE_SECONDS": "60", "POWERTOOLS_LOG_LEVEL": "INFO"}
SIDE_BY_SIDE = {"DATELINE_SIDE_BY_SIDE": "16"}
"""As template.yaml has it."""

DUE = 29
"""Seconds of the API's time-out."""

Row = tuple[str, str, str]
"""What was measured, the figure, the aim ("" if there is none). A row without a figure is a heading."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns 0 unless something breaks."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="Measure cold starts, requests, writes and time.")
    parser.add_argument("--without", default="", help=f"parts to leave out, with commas: {', '.join(PARTS)}")
    parser.add_argument("--posts", type=int, default=fairness.POSTS, help="posts of the workspace with many, in fairness")
    options = parser.parse_args(arguments)
    left_out = {part.strip() for part in options.without.split(",") if part.strip()}
    if unknown := left_out - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    log = io.StringIO()
    rows: list[Row] = []
    for part in PARTS:
        if part not in left_out:
            print(f"measuring {part} …", file=sys.stderr, flush=True)
            with contextlib.redirect_stdout(log):  # the handlers log there
                rows += _fairness_rows(options.posts) if part == "fairness" else _ROWS[part](log)
    print("\n".join(table(rows)))
    return 0


def table(rows: Iterable[Row]) -> Iterator[str]:
    """The table's lines: three columns, Markdown."""
    every = [("", "measured", "aim"), *rows]
    first, second = (max(len(row[column]) for row in every) for column in (0, 1))
    for number, (name, figure, aim) in enumerate(every):
        yield f"| {name:{first}} | {figure:{second}} | {aim:12} |"
        if number == 0:
            yield f"|{'-' * (first + 2)}|{'-' * (second + 2)}|{'-' * 14}|"


def aimed(value: float, most: float | None) -> str:
    """The aim, and whether it is missed."""
    return "" if most is None else f"{most:g}" if value <= most else f"{most:g} MISSED"


def _running(**more: str) -> Dateline:
    return Dateline(start=datetime.now(UTC).replace(microsecond=0), environment={**ENVIRONMENT, **more})


def _import_rows(_log: io.StringIO) -> list[Row]:
    with _running() as dateline:
        taken = imports.measure(dateline.stack.environment)
        first = imports.measure_first(dateline)
    return [
        ("**Import of a function, times the reference** (ms here; peak MB)", "", ""),
        *((
            one.name, f"{one.ratio:.2f} ({one.milliseconds:.0f} ms; {one.megabytes:.0f} MB)",
            aimed(round(one.ratio, 2), imports.MOST.get(one.name)),
        ) for one in taken),
        ("**First work of a new process, beyond the same later, times the reference** (ms here; peak MB)", "", ""),
        *((
            one.name, f"+{one.ratio:.2f} (+{one.milliseconds:.0f} ms; {one.megabytes:.0f} MB)",
            _together(one, taken) if one.name.startswith("deliver") else "",
        ) for one in first),
    ]


def _together(first: imports.First, taken: Sequence[imports.Import]) -> str:
    """A delivery's own network on top of the function: held against the function's aim."""
    deliver = next(one.ratio for one in taken if one.name == "deliver")
    whole = round(deliver + first.ratio, 2)
    return f"{whole:g} of {aimed(whole, imports.MOST['deliver'])}"


def _operation_rows(log: io.StringIO) -> list[Row]:
    with _running() as dateline:
        meter = Meter(dateline, log)
        with meter.measuring():
            measured = operations.measure(dateline, meter)
    rows: list[Row] = [("**Calls to AWS + to networks** (own time; write and read units)", "", "")]
    for one in measured:
        number = sum(one.calls.values())
        names = " ".join(f"{name}×{times}" if times > 1 else name for name, times in one.calls.items())
        units = f"{one.own * 1000:.1f} ms; {one.written} W {one.read:g} R"
        rows.append((one.name, f"{number}+{one.network} ({units}) {names}", aimed(number, one.most)))
    return rows


def _bulk_rows(log: io.StringIO) -> list[Row]:
    rows: list[Row] = [("**Bulk, 3 profiles a row: seconds on Lambda, estimated; calls to AWS** (own time + botocore's)", "", "")]
    for one in bulk.measure(lambda: _running(**SIDE_BY_SIDE), log):
        least, most = one.deployed()
        total = sum(one.calls.values())
        side = "".join(f", {number:,} by {most}" for most, number in sorted(one.side.items()))
        names = " ".join(f"{name}×{times:,}" if times > 1 else name for name, times in one.calls.most_common())
        times = f"{one.own * 1000:.0f} + {one.botocore * 1000:.0f} ms, {one.rows / one.own:,.0f} rows a second; {one.written:,} W"
        calls = f"{total:,} calls, {total / one.rows:.2f} a row: {one.sequential} one by one{side}"
        rows.append((one.name, f"{least:.1f} … {most:.1f} s; {calls} ({times}) {names}", aimed(round(most, 1), DUE)))
    return rows


def _cost_rows(log: io.StringIO) -> list[Row]:
    bills = []
    for at_most in (False, True):
        with _running() as dateline:
            meter = Meter(dateline, log)
            with meter.measuring():
                bills.append(cost.measure(dateline, meter, at_most=at_most))
    least, most = bills
    dollars = [bill.dollars() for bill in bills]
    totals = [sum(one.values()) for one in dollars]
    rows: list[Row] = [("**A million scheduled posts with three targets, US dollars: at least … at most**", "", "")]
    rows.append(("all together", f"{totals[0]:.2f} … {totals[1]:.2f}", aimed(totals[1], MOST_DOLLARS)))
    for name in sorted(dollars[0], key=lambda name: -dollars[1][name]):
        used = [bill.requests.get(name) for bill in bills]
        amounts = f" ({used[0] or 0:g} … {used[1] or 0:g} a post)" if any(used) else ""
        rows.append((name, f"{dollars[0][name]:.2f} … {dollars[1][name]:.2f}{amounts}", ""))
    rows.append(("**Write units of one such post, by kind: at least … at most** (items written)", "", ""))
    for kind in sorted({*least.writes, *most.writes}, key=lambda kind: -most.writes.get(kind, 0)):
        units, items = ([found.get(kind, 0) for found in both] for both in (
            (least.writes, most.writes), (least.write_calls, most.write_calls)
        ))
        rows.append((kind, f"{units[0]} … {units[1]} ({items[0]} … {items[1]})", ""))
    rows.append(("size of the post's item, bytes", f"{min(most.sizes):,} … {max(most.sizes):,}", ""))
    rows.append(("**Read units of one such post, by reader: at least … at most**", "", ""))
    readers = sorted({*least.reads, *most.reads}, key=lambda kind: -most.reads.get(kind, 0))
    return rows + [(kind, f"{least.reads.get(kind, 0):g} … {most.reads.get(kind, 0):g}", "") for kind in readers]


def _fairness_rows(posts: int) -> list[Row]:
    rows: list[Row] = [("**Posts of another workspace that came out before the only one of a workspace**", "", "")]
    for one in fairness.measure(posts):
        name = f"{one.posts:,} in the queue, {one.workers} workers, {'with' if one.grouped else 'without'} the message group"
        rows.append((name, f"{one.before:,}", aimed(one.before, one.workers) if one.grouped else ""))
    return rows


def _list_rows(log: io.StringIO) -> list[Row]:
    with _running() as dateline:
        meter = Meter(dateline, log)
        with meter.measuring():
            measured = lists.measure(dateline, meter)
    sizes = " · ".join(f"{size:,}" for size in lists.SIZES)
    rows: list[Row] = [(f"**A page of {lists.LIMIT} of {sizes} posts: calls/items read/read units/posts on it**", "", "")]
    for one in measured:
        for name, pages in ((f"{one.name}: first page", one.first), ("… a page in the middle", one.middle)):
            rows.append((name, " · ".join(f"{p.calls}/{p.items}/{p.units:g}/{p.posts}" for p in pages), ""))
        rows[-2] = (*rows[-2][:2], "no growth" + " MISSED" * one.grows)
    return rows


def _punctuality_rows(_log: io.StringIO) -> list[Row]:
    rows: list[Row] = [("**Lateness on the local stack, seconds: half within, 99 % within, at most**", "", "")]
    for one in punctuality.measure():
        gone = f", {one.missing} MISSING" if one.missing else ""
        rows.append((one.name, f"{one.p50:.2f}, {one.p99:.2f}, {one.most:.2f}; {one.early} early{gone}", "0 early"))
    return rows


_ROWS = {
    "imports": _import_rows, "operations": _operation_rows, "bulk": _bulk_rows, "cost": _cost_rows, "lists": _list_rows,
    "punctuality": _punctuality_rows,
}

if __name__ == "__main__":
    sys.exit(main())
