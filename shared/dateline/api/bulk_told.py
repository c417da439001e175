"""What a client is told of the rows of a bulk request: each row's fate, a plan of all, or the refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..domain.errors import FieldError, Problem
from ..domain.instants import rfc3339
from ..domain.sheet_columns import Place, column_of

if TYPE_CHECKING:
    from ..usecases.bulk_plan import Plan, Planned

MOST_FAULTS = 5_000
"""Errors, and warnings, told in one answer: Lambda answers with at most 6 MB, and a file of 1,000 rows can have more. Each row is
told its share, and how many are left out."""

LONGEST_DETAIL, LONGEST_POINTER = 1_000, 300


def told_of(plan: Plan, places: Sequence[Place]) -> list[dict[str, Any]]:
    """What the client is told of each row; `places` are the columns of a CSV file."""
    most = max(3, MOST_FAULTS // max(1, sum(bool(one.errors or one.warnings) for one in plan.rows)))
    told = []
    for one in plan.rows:
        post, warnings = one.post, [warning.as_dict() for warning in one.warnings]
        told.append({
            "row": one.row.number, "line": one.row.line, "id": post.id if post else None, "status": post.status if post else None,
            "publishAt": rfc3339(post.publish_at) if post and post.publish_at else None,
            "errors": _first([_fault(one, error, places) for error in one.errors], most, f"/{one.row.number - 1}"),
            "warnings": _first(warnings, most, None),
        })
    return told


def _fault(one: Planned, error: FieldError, places: Sequence[Place]) -> dict[str, Any]:
    """One error; its pointer leads into the array of rows, `column` names the column of a CSV file."""
    column = None if one.row.line is None else column_of(error.pointer, places)
    more = {"column": column} if column and "column" not in error.extra else {}
    pointer = f"/{one.row.number - 1}{error.pointer}"
    said = {"pointer": _cut(pointer, LONGEST_POINTER), "code": error.code, "detail": _cut(error.detail, LONGEST_DETAIL)}
    return {**said, "row": one.row.number, **error.extra, **more}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"


def _first(said: list[dict[str, Any]], most: int, pointer: str | None) -> list[dict[str, Any]]:
    """The first entries, and in place of the others their number."""
    if len(said) <= most:
        return said
    code = "invalid_request" if pointer is not None else "more"
    rest = {"code": code, "detail": f"And {len(said) - most + 1} more of this row."}
    return [*said[: most - 1], rest if pointer is None else {"pointer": pointer, **rest}]


def planned_view(plan: Plan, told: list[dict[str, Any]], *, dry: bool) -> dict[str, Any]:
    """The answer where nothing is written: a dry run, or no row was good."""
    return {
        "id": None, "status": "planned", "dryRun": dry, "total": len(told), "created": len(plan.posts) if dry else 0,
        "failed": len(plan.bad), "cancelled": 0, "kept": [], "createdAt": None, "rows": [{**row, "id": None} for row in told],
    }


def refusal_of(plan: Plan, told: list[dict[str, Any]]) -> Problem:
    """One answer for all bad rows: the first speaks, every fault is listed with its row. Nothing was written."""
    first = plan.bad[0]
    problem = first.problem
    more = len(plan.bad) - 1
    others = f" {more} more {'row has' if more == 1 else 'rows have'} errors: see errors." if more else ""
    errors = [
        FieldError(f["pointer"], f["code"], f["detail"], {k: v for k, v in f.items() if k not in ("pointer", "code", "detail")})
        for row in told for f in row["errors"]
    ]
    said = _cut(problem.detail if problem else first.errors[0].detail, LONGEST_DETAIL)
    return Problem(
        problem.code if problem else "invalid_request", f"Row {first.row.number}: {said}{others} Nothing was written.",
        extra=problem.extra if problem else {}, errors=errors,
    )
