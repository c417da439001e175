"""Bulk: many posts from CSV or JSON in one request, and the export that can be imported again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..domain import sheet
from ..domain.errors import FieldError, Problem
from ..domain.ids import new_id
from ..domain.instants import rfc3339
from ..store.imports import Import
from ..store.tables import Conflict, StoreUnavailable
from ..usecases import bulk, bulk_reserve
from ..usecases.bulk_plan import Row
from ..usecases.bulk_plan import plan as plan_rows
from ..usecases.write import pause
from .answers import Answer
from .auth import require
from .bulk_told import planned_view, refusal_of, told_of
from .request import Request

if TYPE_CHECKING:
    from ..wiring import Deps

MOST_BODY_BYTES = 4_000_000
"""Of a bulk body (contract: 4 MB)."""

BUDGET = 20.0
"""Seconds an answer may take; API Gateway gives up at 30. What is left is done by sweep."""

MOST_EXPORT_BYTES = 4_000_000
"""Of an export as it stands in Lambda's answer, where a letter may take six: so its file is never too large to be imported."""

MOST_PAGES = 30
"""Pages of the list that an export reads: each costs up to five queries where a filter leaves most of them out."""

SHOWN = {"reserving": "running", "writing": "running", "waking": "running"}


def create(request: Request) -> Answer:
    """POST /v1/posts/bulk."""
    dry, skip, stagger = _flag(request, "dryRun"), _on_error(request), _stagger(request)
    body = request.rows(MOST_BODY_BYTES)
    found, places = sheet.read_file(body) if isinstance(body, bytes) else (sheet.read_json(body), [])
    rows = [_row(one) for one in found]
    if any(row.wish and (row.wish.publish_now or row.wish.scheduled_for or row.wish.queue_id) for row in rows):
        require(request.actor, "posts:publish")
    import_id, fingerprint = _import_id(request, body, (skip, stagger))
    deps, in_time = request.deps, _in_time(request)
    for tries in range(bulk_reserve.TRIES):
        before = None
        if not dry and (tries or request.idempotency_key is not None):
            before = deps.imports.get(import_id)
            if (answer := _replay(request, before, fingerprint)) is not None:
                return answer
        try:
            plan = plan_rows(deps, request.actor, rows, stagger, None if dry else import_id)
            told = told_of(plan, places)
            if dry:
                return Answer(200, planned_view(plan, told, dry=True))
            if plan.bad and not skip:
                # A repeat may be refused by what the first request did meanwhile.
                seen = None if request.idempotency_key is None else deps.imports.get(import_id)
                if (answer := _replay(request, seen, fingerprint)) is not None:
                    return answer
                raise refusal_of(plan, told)
            if not plan.posts:
                return Answer(200, planned_view(plan, told, dry=False))
            head = Import(
                import_id, request.actor.partition, request.actor.workspace_id, request.actor.mode,
                deps.clock.now().timestamp(), fingerprint, version=before.version if before is not None else 0,
            )
            payload = bulk_reserve.begin(deps, head, plan, told)
        except Conflict:
            if not in_time():
                break
            pause(deps, tries)
            continue
        return _answer(deps, _carried_on(deps, head, payload, in_time), told)
    raise Problem("try_again", "Others keep taking what these posts are to have; try again in a moment.")


def _in_time(request: Request) -> Callable[[], bool]:
    clock = request.deps.clock
    started = clock.now()
    return lambda: (clock.now() - started).total_seconds() < BUDGET


def _replay(request: Request, before: Import | None, fingerprint: str) -> Answer | None:
    """The answer to a repeat of a request that was begun; None where nothing came of it. Raises `Problem`."""
    deps = request.deps
    if before is None or before.state == "dropped":
        return None
    if before.fingerprint != fingerprint:
        detail = "This Idempotency-Key was used for another request; take a new one for a new request."
        raise Problem("idempotency_conflict", detail)
    if before.state != "reserving":
        return _answer(deps, before, None, replayed=True)
    if before.until > deps.clock.now().timestamp():
        # Nobody knows yet whether anything will come of it.
        detail = "The first request with this Idempotency-Key is still running; ask again in a moment."
        raise Problem("idempotency_in_progress", detail)
    bulk.go_on(deps, before, None, lambda: True)
    return None


def _carried_on(deps: Deps, head: Import, payload: bulk_reserve.Payload, in_time: Callable[[], bool]) -> Import:
    """The import, as far as it gets. Once it is reserved its rows go forward whoever writes them: another who works on it (who
    undoes it, say), or a store that does not answer, is no reason to call the request a failure."""
    try:
        return bulk.go_on(deps, head, payload, in_time, fresh=False)
    except (Conflict, StoreUnavailable):
        return deps.imports.get(head.id) or head


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
        return Row(row.number, row.line, None, row.errors)
    try:
        return Row(row.number, row.line, read(PostIn, row.body).wish())
    except Problem as problem:
        return Row(row.number, row.line, None, problem.errors or (FieldError("", problem.code, problem.detail, problem.extra),))


def view(deps: Deps, head: Import, told: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """An import as it stands; `told` as `bulk.begin` was given it, read where it is not known. A row has its id as soon as there
    is the post."""
    told = bulk_reserve.Payload(*deps.imports.rows(head)).told if told is None else told
    left = 0 if head.state in ("reserving", "dropped") else head.written
    rows = []
    for row in told:
        there = row["id"] is not None and left > 0
        left -= there
        rows.append(row if there else {**row, "id": None, "status": None})
    return {
        "id": head.id, "status": "undoing" if head.undo and not head.finished else SHOWN.get(head.state, head.state),
        "dryRun": False, "total": head.total, "created": 0 if head.state == "dropped" else head.written,
        "failed": head.total - head.wanted, "cancelled": max(0, head.undone - len(head.kept)), "kept": head.kept,
        "createdAt": _moment(head.created_at), "rows": rows,
    }


def _moment(seconds: float) -> str:
    from datetime import UTC, datetime

    return rfc3339(datetime.fromtimestamp(seconds, UTC))


def _answer(deps: Deps, head: Import, told: list[dict[str, Any]] | None, *, replayed: bool = False) -> Answer:
    headers = {"Location": f"/v1/bulk/{head.id}"} | ({"Idempotency-Replayed": "true"} if replayed else {})
    return Answer(201 if head.finished else 202, view(deps, head, told), headers)


def _find(request: Request, bulk_id: str) -> Import:
    head = request.deps.imports.get(bulk_id) if bulk_id.startswith("bulk_") and len(bulk_id) <= 64 else None
    if head is None or head.side != request.actor.partition:
        raise Problem("not_found", f"There is no import {bulk_id[:64]!r}.")
    return head


def get(request: Request, bulk_id: str) -> Answer:
    """GET /v1/bulk/{id}."""
    return Answer(200, view(request.deps, _find(request, bulk_id)))


def delete(request: Request, bulk_id: str) -> Answer:
    """DELETE /v1/bulk/{id}: undo. What has published, or is being published, stays and is named."""
    deps, in_time = request.deps, _in_time(request)
    head, ours = bulk.ask_undo(deps, _find(request, bulk_id))
    if ours:
        try:
            head = bulk.go_on(deps, head, None, in_time)
        except Conflict:
            head = deps.imports.get(head.id) or head
    return Answer(200 if head.finished else 202, view(deps, head))


def export(request: Request) -> Answer:
    """GET /v1/posts/export.csv: the posts of a list as CSV, up to 1,000 and as much as can be imported again; `x-next-cursor`
    leads on."""
    from ..domain.instants import sortable
    from ..store.listing import encode_cursor, page
    from .posts import wanted_of

    wanted, cursor = wanted_of(request), request.cursor()
    before = cursor
    header = sheet.write_csv([])
    lines: list[str] = []
    size = 0
    for _ in range(MOST_PAGES):
        most = min(100, sheet.MOST_ROWS - len(lines))
        part = page(request.deps.posts, request.deps.profiles, request.actor.partition, wanted, most, cursor)
        cursor, last = part.cursor, None
        for post in part.posts:
            line = sheet.write_csv([sheet.body_of_post(post)]).removeprefix(header)
            size += len(json.dumps(line))
            if size > MOST_EXPORT_BYTES:
                cursor = encode_cursor(last.id, sortable(last.sort_at)) if last is not None else before
                break
            lines.append(line)
            last = post
        if cursor is None or len(lines) == sheet.MOST_ROWS or size > MOST_EXPORT_BYTES:
            break
        before = cursor
    headers = {"Content-Disposition": 'attachment; filename="posts.csv"'} | ({"x-next-cursor": cursor} if cursor else {})
    return Answer(200, header + "".join(lines), headers, "text/csv; charset=utf-8")
