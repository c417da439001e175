"""The routes for the workspace itself: its settings and plan, its keys, its event feed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..domain.errors import Problem
from ..domain.ids import new_id
from ..domain.instants import format_duration, rfc3339
from ..store.workspaces import ApiKey, digest
from ..usecases.compose import DEFAULT_MAX_LATENESS
from ..usecases.write import Actor
from ..wiring import Deps
from . import once
from .answers import Answer, fitting, page_of, slice_of
from .auth import SCOPES, forget
from .request import Request

SWITCH_SECONDS = 20.0
"""How long a request that pauses or resumes a workspace goes through its profiles; sent again, it goes on."""


def settings_view(deps: Deps, actor: Actor, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The workspace as its settings make it, and what of its plan is used."""
    from ..usecases import standing

    lateness = float(settings.get("max_lateness", DEFAULT_MAX_LATENESS))
    rules = {
        "approvalsRequired": bool(settings.get("approvals_required", False)),
        "minSpacingMinutes": int(settings.get("min_spacing_minutes", 0)),
        "maxLateness": format_duration(timedelta(seconds=lateness)), "onLate": settings.get("on_late", "publish"),
    }
    return {
        "id": actor.workspace_id, "mode": actor.mode, "name": settings.get("name"),
        "timezone": settings.get("timezone"), "paused": bool(settings.get("paused", False)), **rules, "settings": rules,
        "plan": settings.get("plan") or {"name": "unlimited"}, "usage": standing.of_workspace(deps, settings, actor.partition),
    }


def get(request: Request) -> Answer:
    """GET /v1/workspace."""
    return Answer(200, settings_view(request.deps, request.actor, request.deps.workspaces.settings(request.actor.workspace_id)))


def patch(request: Request) -> Answer:
    """PATCH /v1/workspace: settings of its live and its test side alike; only a live key may."""
    from ..usecases import holding, pausing
    from .shapes import WorkspacePatch, read

    body = request.body()
    changes = read(WorkspacePatch, body).changes()
    if request.actor.mode != "live":
        detail = "Settings are those of the live side too; change them with a live key."
        raise Problem("forbidden", detail, extra={"requiredScope": "admin"})

    def do() -> tuple[int, Any]:
        deps, actor = request.deps, request.actor
        settings = deps.workspaces.change_settings(actor.workspace_id, changes)
        forget()
        if "paused" in changes and not pausing.follow(deps, actor.workspace_id, holding.within(deps, SWITCH_SECONDS)):
            detail = "The settings are changed, but there was no time for all profiles; send the request again to go on."
            raise Problem("try_again", detail)
        return 200, settings_view(deps, actor, settings)

    status, answer, replayed = once.answer_once(request, body, do)
    return Answer(status, answer, {"Idempotency-Replayed": "true"} if replayed else {})


def key_view(key: ApiKey) -> dict[str, Any]:
    """A key without its secret."""
    return {
        "id": key.id, "name": key.name, "mode": key.mode, "scopes": list(key.scopes), "last4": key.last4,
        "createdAt": key.created_at, "revokedAt": key.revoked_at,
    }


def list_keys(request: Request) -> Answer:
    """GET /v1/keys."""
    keys = [key for key in request.deps.workspaces.keys(request.actor.workspace_id) if _sees(request, key)]
    return slice_of(request, [key_view(key) for key in keys])


def _sees(request: Request, key: ApiKey) -> bool:
    """A live key sees all keys of its workspace, a test key the test keys."""
    return request.actor.mode == "live" or key.mode == request.actor.mode


def create_key(request: Request) -> Answer:
    """POST /v1/keys: a key with a subset of the scopes of the one that mints it. Its secret is shown once."""
    from .shapes import KeyIn, read

    body = request.body()
    shape = read(KeyIn, body)
    mode = shape.mode or request.actor.mode
    if mode == "live" and request.actor.mode == "test":
        raise Problem("forbidden", "A test key mints test keys only.", pointer="/mode", extra={"requiredScope": "admin"})
    unknown = [scope for scope in shape.scopes if scope not in SCOPES]
    if unknown:
        detail = f"There is no scope {unknown[0]!r}; there are: {', '.join(SCOPES)}."
        raise Problem("invalid_request", detail, pointer=f"/scopes/{shape.scopes.index(unknown[0])}")
    beyond = [s for s in shape.scopes if s not in request.actor.scopes and "admin" not in request.actor.scopes]
    if beyond:
        detail = f"A key mints only a subset of its own scopes; it lacks {beyond[0]}."
        raise Problem("forbidden", detail, pointer="/scopes", extra={"requiredScope": beyond[0]})
    minted: list[str] = []

    def do() -> tuple[int, Any]:
        now = request.deps.clock.now()
        secret = f"dl_{mode}_{secrets.token_urlsafe(24)}"
        key = ApiKey(
            new_id("key", now), request.actor.workspace_id, mode, shape.name, tuple(dict.fromkeys(shape.scopes)),
            rfc3339(now), secret[-4:], digest(secret),
        )
        request.deps.workspaces.save_key(key)
        minted.append(secret)
        return 201, key_view(key)

    status, answer, replayed = once.answer_once(request, body, do)
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    said = {"code": "secret_shown_once", "detail": "The secret was in the first answer and is not kept."}
    warnings = [said] if replayed else []
    return Answer(status, {**answer, "secret": minted[0] if minted else None, "warnings": warnings}, headers)


def revoke_key(request: Request, key_id: str) -> Answer:
    """DELETE /v1/keys/{id}: refused from within a minute on. Revoking twice is no error."""
    key = request.deps.workspaces.key_by_id(request.actor.workspace_id, key_id) if len(key_id) <= 64 else None
    if key is None or not _sees(request, key):
        raise Problem("not_found", f"There is no key {key_id!r}.")
    if key.revoked_at is None:
        request.deps.workspaces.save_key(key._replace(revoked_at=rfc3339(request.deps.clock.now())))
    forget()
    return Answer(204, None)


def feed(request: Request) -> Answer:
    """GET /v1/events?after=: the workspace's events in order; `after` is the cursor of the last one seen."""
    raw = request.one("after") or request.cursor() or "0"
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 12):
        raise Problem("invalid_request", "after is the nextCursor of the page before, or 0.", pointer="/after")
    limit = request.limit()
    found = request.deps.events.feed(request.actor.partition, int(raw), limit)
    parts = fitting(found, lambda event: event)
    last = int(found[len(parts) - 1]["position"]) if found else int(raw)
    more = len(found) == limit or len(parts) < len(found)
    return page_of(parts, str(last) if more else None, lastPosition=last)
