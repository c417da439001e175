"""Bulk: many posts from CSV or JSON in one request, and the export that can be imported again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..domain import sheet
from ..domain.errors import FieldError, Problem
from ..domain.ids import new_id
from ..domain.instants import rfc3339
from ..domain.sheet_columns import column_of
from ..store.imports import Import
from ..store.tables import Conflict
from ..usecases import bulk
from ..usecases.bulk_plan import Plan, Planned, Row
from ..usecases.bulk_plan import plan as plan_rows
from .answers import Answer
from .auth import require
from .request import Request

if TYPE_CHECKING:
    from ..domain.post import Post
    from ..wiring import Deps

MOST_BODY_BYTES = 4_000_000
"""Of a bulk body (contract: 4 MB)."""

BUDGET = 20.0
"""Seconds an answer may take; API Gateway gives up at 30. What is left is done by sweep."""

SHOWN = {"reserving": "running", "writing": "running", "waking": "running"}


def create(request: Request) -> Answer:
    """POST /v1/posts/bulk."""
    dry, skip, stagger = _flag(request, "dryRun"), _on_error(request), _stagger(request)
    body = request.rows(MOST_BODY_BYTES)
    found = sheet.read_csv(body) if isinstance(body, bytes) else sheet.read_json(body)
    rows = [_row(one) for one in found]
    if any(row.wish and (row.wish.publish_now or row.wish.scheduled_for or row.wish.queue_id) for row in rows):
        require(request.actor, "posts:publish")
    import_id, fingerprint = _import_id(request, body, (skip, stagger))
    deps, started = request.deps, request.deps.clock.now()

    def in_time() -> bool:
        return (deps.clock.now() - started).total_seconds() < BUDGET

    if not dry and request.idempotency_key is not None and (head := deps.imports.get(import_id)) and head.state != "dropped":
        if head.fingerprint != fingerprint:
            detail = "This Idempotency-Key was used for another request; take a new one for a new request."
            raise Problem("idempotency_conflict", detail)
        return _answer(deps, head, replayed=True)
    for _ in range(bulk.TRIES):
        plan = plan_rows(deps, request.actor, rows, stagger, None if dry else import_id)
        if dry:
            return Answer(200, _planned_view(plan))
        if plan.bad and not skip:
            raise _refusal(plan)
        if not plan.posts:
            return Answer(200, _planned_view(plan) | {"dryRun": False})
        try:
            head = _carried_out(request, plan, import_id, fingerprint, in_time)
        except Conflict:
            continue
        return _answer(deps, head)
    raise Problem("try_again", "Others keep taking what these posts are to have; try again in a moment.")


def _carried_out(request: Request, plan: Plan, import_id: str, fingerprint: str, in_time: Callable[[], bool]) -> Import:
    deps, actor = request.deps, request.actor
    before = deps.imports.get(import_id)
    head = Import(
        import_id, actor.partition, actor.workspace_id, actor.mode, deps.clock.now().timestamp(), fingerprint,
        version=before.version if before is not None else 0,
    )
    payload = bulk.begin(deps, head, plan, [_told(one) for one in plan.rows])
    return bulk.go_on(deps, head, payload, in_time, fresh=False)


def _flag(request: Request, name: str) -> bool:
    value = request.one(name, "false")
    if value not in ("true", "false"):
        raise Problem("invalid_request", f"{name} is true or false.", pointer=f"/{name}")
    return value == "true"


def _on_error(request: Request) -> bool:
    value = request.one("onError", "abort")
    if value not in ("abort", "skip"):
        detail = "onError is abort (nothing is written if any row is bad) or skip (bad rows are left out)."
        raise Problem("invalid_request", detail, pointer="/onError")
    return value == "skip"


def _stagger(request: Request) -> int:
    raw = request.one("staggerMinutes", "0") or ""
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 4 and int(raw) <= 1440):
        raise Problem("invalid_request", "staggerMinutes is a whole number from 0 to 1440.", pointer="/staggerMinutes")
    return int(raw)


def _import_id(request: Request, body: Any, how: Any) -> tuple[str, str]:
    """The import's id and the request's fingerprint. The same key names the same import, so that a repeat finds it."""
    import json

    plain = body if isinstance(body, bytes) else json.dumps(body, sort_keys=True).encode()
    fingerprint = hashlib.sha256(plain + repr(how).encode()).hexdigest()
    key = request.idempotency_key
    if key is None:
        return new_id("bulk", request.deps.clock.now()), fingerprint
    return "bulk_" + hashlib.sha256(f"{request.actor.partition}\0{key}".encode()).hexdigest()[:26], fingerprint


def _row(row: sheet.SheetRow) -> Row:
    """A row's wish, or everything wrong with its shape."""
    from .shapes import PostIn, read

    if row.errors:
        return Row(row.number, row.line, None, tuple(row.errors))
    try:
        return Row(row.number, row.line, read(PostIn, row.body).wish())
    except Problem as problem:
        errors = problem.errors or (FieldError("", problem.code, problem.detail, problem.extra),)
        return Row(row.number, row.line, None, tuple(errors))


def _faults(one: Planned) -> list[dict[str, Any]]:
    """A row's errors; pointers lead into the array of rows, `column` names the column of a CSV file."""
    found = []
    for error in one.errors:
        column = None if one.row.line is None else column_of(error.pointer)
        more = {"column": column} if column and "column" not in error.extra else {}
        pointer = f"/{one.row.number - 1}{error.pointer}"
        said = {"pointer": pointer, "code": error.code, "detail": error.detail, "row": one.row.number}
        found.append({**said, **error.extra, **more})
    return found


def _told(one: Planned) -> dict[str, Any]:
    post = one.post
    return {
        "row": one.row.number, "line": one.row.line, "id": post.id if post else None, "status": post.status if post else None,
        "publishAt": rfc3339(post.publish_at) if post and post.publish_at else None, "errors": _faults(one),
        "warnings": [warning.as_dict() for warning in one.warnings],
    }


def _planned_view(plan: Plan) -> dict[str, Any]:
    rows = [{**_told(one), "id": None} for one in plan.rows]
    return {
        "id": None, "status": "planned", "dryRun": True, "total": len(rows), "created": len(plan.posts), "failed": len(plan.bad),
        "cancelled": 0, "kept": [], "createdAt": None, "rows": rows,
    }


def _refusal(plan: Plan) -> Problem:
    """One answer for all bad rows: the first speaks, every fault is listed with its row. Nothing was written."""
    first = plan.bad[0]
    problem = first.problem
    faults = [fault for one in plan.bad for fault in _faults(one)]
    more = f" {len(plan.bad) - 1} more rows have errors: see errors." if len(plan.bad) > 1 else ""
    errors = [
        FieldError(f["pointer"], f["code"], f["detail"], {k: v for k, v in f.items() if k not in ("pointer", "code", "detail")})
        for f in faults
    ]
    said = problem.detail if problem else first.errors[0].detail
    return Problem(
        problem.code if problem else "invalid_request", f"Row {first.row.number}: {said}{more} Nothing was written.",
        extra=problem.extra if problem else {}, errors=errors,
    )


def view(deps: Deps, head: Import) -> dict[str, Any]:
    """An import as it stands."""
    told = bulk.Payload(*deps.imports.rows(head)).told
    return {
        "id": head.id, "status": SHOWN.get(head.state, head.state), "dryRun": False, "total": head.total,
        "created": 0 if head.state == "dropped" else head.written, "failed": head.total - head.wanted,
        "cancelled": max(0, head.undone - len(head.kept)), "kept": head.kept,
        "createdAt": _moment(head.created_at), "rows": told,
    }


def _moment(seconds: float) -> str:
    from datetime import UTC, datetime

    return rfc3339(datetime.fromtimestamp(seconds, UTC))


def _answer(deps: Deps, head: Import, *, replayed: bool = False) -> Answer:
    headers = {"Location": f"/v1/bulk/{head.id}"} | ({"Idempotency-Replayed": "true"} if replayed else {})
    return Answer(201 if head.finished else 202, view(deps, head), headers)


def _find(request: Request, bulk_id: str) -> Import:
    head = request.deps.imports.get(bulk_id) if bulk_id.startswith("bulk_") and len(bulk_id) <= 64 else None
    if head is None or head.side != request.actor.partition:
        raise Problem("not_found", f"There is no import {bulk_id!r}.")
    return head


def get(request: Request, bulk_id: str) -> Answer:
    """GET /v1/bulk/{id}."""
    return Answer(200, view(request.deps, _find(request, bulk_id)))


def delete(request: Request, bulk_id: str) -> Answer:
    """DELETE /v1/bulk/{id}: undo. What has published, or is being published, stays and is named."""
    deps, started = request.deps, request.deps.clock.now()
    head = bulk.ask_undo(deps, _find(request, bulk_id))
    if not head.finished:
        head = bulk.go_on(deps, head, None, lambda: (deps.clock.now() - started).total_seconds() < BUDGET)
    return Answer(200 if head.finished else 202, view(deps, head))


def export(request: Request) -> Answer:
    """GET /v1/posts/export.csv: the posts of a list as CSV, up to 1,000; `x-next-cursor` leads on."""
    from ..store.listing import page
    from .posts import wanted_of

    wanted, cursor = wanted_of(request), request.cursor()
    found: list[Post] = []
    while len(found) < sheet.MOST_ROWS:
        most = min(100, sheet.MOST_ROWS - len(found))
        part = page(request.deps.posts, request.deps.profiles, request.actor.partition, wanted, most, cursor)
        found += part.posts
        cursor = part.cursor
        if cursor is None:
            break
    headers = {"Content-Disposition": 'attachment; filename="posts.csv"'} | ({"x-next-cursor": cursor} if cursor else {})
    return Answer(200, sheet.write_csv(sheet.body_of_post(post) for post in found), headers, "text/csv; charset=utf-8")
