"""Taking what was published down again: what is noted of it on a target, and the moves.

A target that was taken down stays `published`, which it was; `removal` beside it says what became of the wish: `pending`,
`removed` or `failed`. A failed target of which segments are out can be taken down as well; it begins afresh when it is retried.
"""

from __future__ import annotations

from datetime import datetime

from .instants import parse_rfc3339, rfc3339
from .lifecycle import announce, conclude, illegal, is_going
from .post import Post, Target

MOST_TRIES = 6
"""Tries to take one target down, a minute or a network's own wait apart, before it is given up."""


def removable(target: Target) -> bool:
    """Whether something of the target stands on the network, for all we know, and nothing is under way there any more."""
    return bool(target.remotes) and target.status in ("published", "failed") and (target.removal or {}).get("status") != "removed"


def pending(post: Post) -> list[Target]:
    """The targets that are still to be taken down."""
    return [target for target in post.targets.values() if is_going(target)]


def ask(post: Post, targets: list[Target], now: datetime) -> None:
    """A person wants these targets taken down. Raises `Problem` (409) when there is nothing to take down."""
    if not targets:
        detail = f"The post is {post.status}: no target of the choice shows anything that could be taken down."
        raise illegal(post, "unpublished", detail)
    for target in targets:
        target.removal = {"status": "pending", "at": rfc3339(now), "next": rfc3339(now), "tries": 0, "error": None}
    conclude(post, now)


def unsupported(target: Target, detail: str, now: datetime) -> None:
    """Its network has no way to: said at once, beside targets that can be taken down."""
    target.removal = {"status": "failed", "at": rfc3339(now), "tries": 0, "error": {"code": "unsupported", "detail": detail}}


def tried(target: Target, code: str, detail: str, at: datetime) -> bool:
    """One try more that did not succeed, the next is to be at `at`; False when it was the last."""
    note = target.removal or {}
    tries = int(note.get("tries", 0)) + 1
    target.removal = {**note, "tries": tries, "next": rfc3339(at), "error": {"code": code, "detail": detail}}
    return tries < MOST_TRIES


def next_at(target: Target) -> datetime:
    """When the target is to be tried next."""
    note = target.removal or {}
    return parse_rfc3339(note.get("next") or note["at"])


def removed(post: Post, target: Target, now: datetime) -> None:
    """It is gone from the network. Nothing is changed where that is known."""
    if not is_going(target):
        return
    target.removal = {**(target.removal or {}), "status": "removed", "at": rfc3339(now), "error": None}
    if target.status == "failed":
        target.remotes = []
        target.checkpoint["takenDown"] = int(target.checkpoint.get("takenDown", 0)) + 1
    announce(post, "target.unpublished", now, previous=target.status, profile_id=target.profile_id)
    conclude(post, now)


def failed(post: Post, target: Target, code: str, detail: str, now: datetime) -> None:
    """It stands, or may stand, on the network still, and nothing more is tried. Nothing is changed where it is settled."""
    if not is_going(target):
        return
    note = target.removal or {}
    target.removal = {**note, "status": "failed", "at": rfc3339(now), "error": {"code": code, "detail": detail}}
    announce(post, "post.updated", now)
    conclude(post, now)
