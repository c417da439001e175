"""Approvals: who may say that a post goes out, and what exactly was approved.

A decision is bound to a hash of the post. Any edit makes another hash, so that nothing goes out that nobody approved.
`Post.approval` holds the state: pending, approved or rejected, with the hash, the key that decided, the time and the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .errors import Problem
from .fingerprints import decision_hash
from .instants import rfc3339
from .post import Post


def gate(post: Post, stage: str, settings: Mapping[str, Any]) -> str:
    """The stage a post may really enter: what is to go out waits for approval where the workspace asks for it.

    A post without a time of its own (to be published at once) waits without one, and goes out when it is approved. An edit
    of a post that waits lets it wait, now for the approval of what it has become.
    """
    required = bool(settings.get("approvals_required"))
    if stage == "pending_approval" or (required and stage in ("scheduled", "queued")):
        if stage == "queued":
            post.publish_at = post.intent = None
        post.approval = _state("pending", decision_hash(post))
        return "pending_approval"
    if (stage == "draft" and post.approval and post.approval["state"] != "rejected") or stage != "draft":
        post.approval = None
    return stage


def waits(post: Post) -> bool:
    """Whether approval was asked for and nobody decided, whatever has become of the post since."""
    return post.approval is not None and post.approval["state"] == "pending"


def approve(post: Post, key_id: str, now: datetime, expected: str | None) -> None:
    """Note the approval. `expected` is the hash that the approver saw, if he says so. Raises `Problem` if it is another by
    now."""
    digest = decision_hash(post)
    _same(digest, expected)
    post.approval = _state("approved", digest, key_id, now)


def reject(post: Post, key_id: str, now: datetime, expected: str | None, reason: str | None) -> None:
    """Note the rejection with its reason. Raises `Problem` as `approve` does."""
    digest = decision_hash(post)
    _same(digest, expected)
    post.approval = _state("rejected", digest, key_id, now, reason)


def _same(digest: str, expected: str | None) -> None:
    if expected is not None and expected != digest:
        detail = "The post has changed since it was looked at: read it again, then decide."
        raise Problem("revision_conflict", detail, pointer="/hash", extra={"hash": digest})


def _state(
    state: str, digest: str, key_id: str | None = None, now: datetime | None = None, reason: str | None = None
) -> dict[str, Any]:
    return {"state": state, "hash": digest, "by": key_id, "at": rfc3339(now) if now else None, "reason": reason}
