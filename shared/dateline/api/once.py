"""Idempotency-Key: the same request twice is done once and answered alike.

Writes to posts carry the key in their own transaction, so that it is kept exactly when the post is written; a repeated
request finds the post. Other requests take the key first and keep their answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..domain.errors import Problem
from ..domain.post import Post
from ..store.idempotency import Kept, fingerprint, storage_key
from ..store.posts import Claimed, Replayed
from ..store.tables import Conflict
from ..usecases.write import find
from .request import Request

KEPT = 24 * 3600
"""Seconds a key is kept after the publish time (contract)."""

RUNNING = 60.0
"""Seconds after which a request that took a key and never finished is taken to have died: twice the API's time-out."""


def claim_of(request: Request, body: Any) -> Callable[[datetime | None], Claimed | None]:
    """A function from the publish time to the row that goes into the post's transaction; None without a key."""
    key = request.idempotency_key
    if key is None:
        return lambda _publish_at: None
    now = request.deps.clock.now()
    pk, print_ = storage_key(request.actor.partition, key), fingerprint(request.method, request.path, body)

    def claim(publish_at: datetime | None) -> Claimed:
        kept_from = max(now, publish_at) if publish_at else now
        return Claimed(pk, print_, int(kept_from.timestamp()) + KEPT, int(now.timestamp()))

    return claim


def write_post(request: Request, body: Any, write: Callable[[], Post]) -> tuple[Post, bool]:
    """Make a write that carries `claim_of`; if the key was used, find what it wrote. The post, and whether it is a replay.

    A refusal is looked at twice: the repeat of a request that succeeded may be refused by what it did itself.
    """
    try:
        return write(), False
    except (Replayed, Problem) as refused:
        if request.idempotency_key is None:
            raise
        kept = _kept(request, body)
        if kept is None or kept.post_id is None:
            if isinstance(refused, Replayed):
                raise Problem("try_again", "The first request with this Idempotency-Key is not finished.") from None
            raise
        return find(request.deps, request.actor, kept.post_id), True


def refuse_repeat(request: Request, body: Any) -> None:
    """Raise `Replayed` where the request's key was used for this very request, `Problem` where it was for another one."""
    if request.idempotency_key is not None and _kept(request, body) is not None:
        raise Replayed


def _kept(request: Request, body: Any) -> Kept | None:
    key = request.idempotency_key
    assert key is not None
    kept = request.deps.idempotency.get(storage_key(request.actor.partition, key), request.deps.clock.now().timestamp())
    if kept is not None and kept.fingerprint != fingerprint(request.method, request.path, body):
        detail = "This Idempotency-Key was used for another request; take a new one for a new request."
        raise Problem("idempotency_conflict", detail)
    return kept


def answer_once(request: Request, body: Any, do: Callable[[], tuple[int, Any]]) -> tuple[int, Any, bool]:
    """Do something that is not one write of a post, once per key. Status, body, and whether it is a replay.

    Raises `Problem` idempotency_in_progress while the first request runs.
    """
    key = request.idempotency_key
    if key is None:
        return (*do(), False)
    deps = request.deps
    now = deps.clock.now().timestamp()
    pk, print_ = storage_key(request.actor.partition, key), fingerprint(request.method, request.path, body)
    try:
        deps.idempotency.begin(pk, print_, now, RUNNING, KEPT)
    except Conflict:
        kept = _kept(request, body)
        if kept is None or kept.answer is None:
            detail = "The first request with this Idempotency-Key is still running; ask again in a moment."
            raise Problem("idempotency_in_progress", detail) from None
        return int(kept.answer[0]), kept.answer[1], True
    try:
        status, answer = do()
    except Problem:
        deps.idempotency.release(pk)
        raise
    deps.idempotency.finish(pk, status, answer)
    return status, answer, False
