"""Writing down what became visible on a network. It must never be lost: what cannot be saved travels as a message and in the log.

What is visible is the truth, whoever saw it: a remote id is taken also from a worker that has lost its claim.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..aws.queue import Message, QueueUnavailable
from ..domain import lifecycle
from ..domain.post import Post, RemoteSegment
from . import dispatch

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")


class ClaimLost(Exception):
    """Somebody else has the target now, or it is not to be published any more."""


def published(
    post: Post, profile_id: str, first: int, remotes: list[RemoteSegment], of_segments: int, now: datetime,
    *, arm_next: bool, token: str | None, attempt: int | None = None,
) -> None:
    """Write segments that became visible, from index `first`, in the attempt of this number (None: not known). Accepted from
    whoever saw them, as long as nobody has begun a new attempt: what an older one published may have been taken down since.
    What is recorded already is left as it is. Raises `ClaimLost` when it does not apply any more."""
    target = post.targets.get(profile_id)
    if target is None or len(target.remotes) != first or attempt not in (None, target.tries):
        raise ClaimLost
    if target.comment is not None and target.armed == first:
        lifecycle.comment_appeared(post, target, remotes, now)
        return
    if target.status not in ("publishing", "unconfirmed"):
        raise ClaimLost
    owned = token is not None and target.claim == token
    if not owned and target.armed != first:
        raise ClaimLost
    lifecycle.published_segment(target, remotes)
    if len(target.remotes) >= of_segments:
        lifecycle.end(post, target, "published", now)
    elif not owned or target.status == "unconfirmed":
        target.claim = target.lease_until = None
        if target.status == "publishing":
            target.next_attempt_at = now
            lifecycle.conclude(post, now)
        elif lifecycle.only_comment_left(post, target):
            lifecycle.end(post, target, "failed", now, "comment_not_sent", lifecycle.COMMENT_NOT_SENT)
        else:
            detail = f"{len(target.remotes)} of {of_segments} segments are out; retry goes on with the next."
            lifecycle.end(post, target, "failed", now, "thread_incomplete", detail)
    elif arm_next:
        lifecycle.arm(target, len(target.remotes), now)
        lifecycle.conclude(post, now)
    else:
        lifecycle.conclude(post, now)


def send_outcome(
    deps: Deps, post: Post, message: Message, first: int, remotes: list[RemoteSegment], of_segments: int, attempt: int
) -> None:
    """The remote id could not be saved: it goes out as a message, and into the log. Losing it would cost a lookup."""
    seen = [[r.id, r.url, dict(r.extra)] for r in remotes]
    outcome = {"first": first, "remotes": seen, "of": of_segments, "attempt": attempt}
    log.error(
        "published, but not saved", extra={"post_id": message.post_id, "profile_id": message.profile_id, "outcome": outcome}
    )
    try:
        deps.queue.send([message._replace(outcome=outcome)], group=post.partition)
    except QueueUnavailable:
        log.error("the outcome is only in this log", extra={"post_id": message.post_id, "outcome": json.dumps(outcome)})


def save_message(deps: Deps, message: Message) -> str:
    """Save an outcome that came as a message."""
    outcome: dict[str, Any] = message.outcome or {}
    post = deps.posts.get(message.post_id)
    if post is None:
        return "gone"
    remotes = [RemoteSegment(r[0], r[1], r[2]) for r in outcome["remotes"]]
    now = deps.clock.now()
    try:
        post = deps.posts.change(
            post, lambda p: published(
                p, message.profile_id, outcome["first"], remotes, outcome["of"], now, arm_next=False, token=None,
                attempt=outcome.get("attempt"),
            ),
        )
    except ClaimLost:
        known = post.targets.get(message.profile_id)
        if known is None or not {r.id for r in remotes} <= {r.id for r in known.remotes}:
            log.error("published, but no longer to be saved", extra={"post_id": post.id, "outcome": json.dumps(outcome)})
        return "known already"
    target = post.targets[message.profile_id]
    if target.status == "publishing":
        dispatch.send(deps, post, [target])
    return "saved"
