"""Who asks: an API key gives a workspace, a side (live or test) and scopes. Denies by default.

A key is remembered for up to a minute in the process, with its workspace's settings: so a revoked key is refused within
that minute, and a warm request pays nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ..domain.errors import Problem
from ..domain.post import partition
from ..usecases.write import Actor
from ..wiring import Deps

SCOPES = (
    "posts:read", "posts:write", "posts:publish", "posts:approve", "profiles:read", "profiles:write",
    "webhooks:read", "webhooks:write", "admin",
)
"""Every scope there is. `admin` includes all others."""

MOST_REMEMBERED = 1000

_known: dict[str, tuple[datetime, Actor]] = {}


def forget() -> None:
    """Drop what is remembered (a changed plan or settings, a test)."""
    _known.clear()


def secret_of(headers: Mapping[str, str]) -> str:
    """The key of a request. Raises `Problem` unauthorized if there is none."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if headers.get("x-api-key", "").strip():
        return headers["x-api-key"].strip()
    raise Problem("unauthorized", "Send an API key as Authorization: Bearer <key>, or as x-api-key.")


def authenticate(deps: Deps, headers: Mapping[str, str]) -> Actor:
    """The actor behind a request. Raises `Problem` unauthorized for a missing, unknown or revoked key."""
    secret = secret_of(headers)
    now = deps.clock.now()
    remembered = _known.get(secret)
    if remembered is not None and 0 <= (now - remembered[0]).total_seconds() < deps.settings.auth_cache:
        return remembered[1]
    key = deps.workspaces.key(secret)
    if key is None or key.revoked_at is not None:
        _known.pop(secret, None)
        raise Problem("unauthorized", "This API key is not valid (any more).")
    settings = deps.workspaces.settings(key.workspace_id)
    side = partition(key.workspace_id, key.mode)
    actor = Actor(key.workspace_id, key.mode, frozenset(key.scopes), key.id, settings, side)
    if len(_known) >= MOST_REMEMBERED:
        _known.clear()
    _known[secret] = (now, actor)
    return actor


def require(actor: Actor, scope: str) -> None:
    """Raise `Problem` forbidden unless the key has the scope."""
    if scope not in actor.scopes and "admin" not in actor.scopes:
        raise Problem("forbidden", f"This key lacks the scope {scope}.", extra={"requiredScope": scope})
