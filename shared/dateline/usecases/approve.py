"""Decisions about posts that wait for approval. A late one follows the post's lateness policy; a rejected post is a draft
again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain import approvals, lifecycle
from ..domain.fingerprints import decision_hash
from ..domain.post import Post
from ..store.posts import Claimed
from . import dispatch
from .write import Actor, Moved, rewrite, wake

if TYPE_CHECKING:
    from ..wiring import Deps


def _pending(post: Post, to: str) -> None:
    if post.status != "pending_approval":
        raise lifecycle.illegal(post, to, f"The post is {post.status}: only one that waits for approval can be decided about.")


def approve(
    deps: Deps, actor: Actor, post: Post, expected: str | None, *, once: Claimed | None = None, if_match: int | None = None
) -> Post:
    """Let the post go out at its time; at once where that has come or where it has none, unless `onLate` says otherwise.

    Without the hash that the approver saw (`expected`), what this request found is what is approved. Raises `Problem`:
    illegal_transition, revision_conflict (it has changed since), and what stands against its being published now where it has
    no time of its own.
    """
    now, expected = deps.clock.now(), expected or decision_hash(post)

    def move(current: Post) -> Moved:
        _pending(current, "scheduled")
        approvals.approve(current, actor.key_id, now, expected)
        if current.publish_at is None:
            current.publish_at = now
            lifecycle.stage(current, "queued", now)
        elif current.publish_at > now:
            current.entry += 1
            lifecycle.stage(current, "scheduled", now)
        elif not dispatch.too_late(current, now):
            lifecycle.stage(current, "queued", now)
        return Moved(fast=True)

    post = rewrite(deps, post, move, settings=actor.settings, once=once, if_match=if_match)
    wake(deps, post)
    return post


def reject(
    deps: Deps, actor: Actor, post: Post, reason: str | None, expected: str | None, *, once: Claimed | None = None,
    if_match: int | None = None,
) -> Post:
    """Back to draft, with the reason; what it held under the plan is given back. Raises `Problem` as `approve`."""
    now, expected = deps.clock.now(), expected or decision_hash(post)

    def move(current: Post) -> None:
        _pending(current, "draft")
        approvals.reject(current, actor.key_id, now, expected, reason)
        current.queue = None
        lifecycle.stage(current, "draft", now)

    return rewrite(deps, post, move, once=once, if_match=if_match)
