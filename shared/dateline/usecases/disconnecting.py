"""Removing a profile, knowingly: what is still to be published on it is named first, and given up only if that is asked for.

Posts lose their target on the profile and go on with the others; a post that has no other is cancelled. A target that is in a
network's hands cannot be given up, and without the credentials nobody could look up what became of it: it is waited for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from ..domain import lifecycle
from ..domain.errors import Problem
from ..domain.post import Post
from ..domain.profile import Profile
from . import write
from .holding import More
from .write import Actor

if TYPE_CHECKING:
    from datetime import datetime

    from ..wiring import Deps

log = logging.getLogger("dateline")

PAGE = 100
MOST_NAMED = 5
"""Posts named in a refusal."""

MOST_TRIES = 5
"""At one post that moves on at the same time."""

IN_HANDS = lifecycle.WITH_NETWORK | {"publishing"}
"""Statuses of a target that a network has, once its time has come."""

MEANWHILE = timedelta(hours=1)
"""How long before now a post may be booked that was made while the profile was being removed."""


def remove(deps: Deps, actor: Actor, profile: Profile, *, give_up: bool, more: More) -> None:
    """Remove the profile. With `give_up` its pending posts lose their target on it or are cancelled; drafts lose it in any case.

    Raises `Problem`: illegal_transition with `pendingPosts` while posts are pending and are not to be given up, or one is just
    being published; try_again when there was no time for all of them (doing it again goes on).
    """
    pending: list[str] = []
    busy: list[str] = []
    drafts: list[str] = []
    for post in _posts(deps, profile.id):
        if post.status == "draft":
            drafts.append(post.id)
        else:
            pending.append(post.id)
            if post.targets[profile.id].status in (IN_HANDS if post.status == "publishing" else ("publishing",)):
                busy.append(post.id)
    if busy:
        raise _refusal(pending, _named(busy))
    if pending and not give_up:
        what = "A post is" if len(pending) == 1 else f"{len(pending)} posts are"
        raise _refusal(pending, f"{what} still to be published on this profile; cancel first, or send ?cancelPending=true.")
    for done, post_id in enumerate([*pending, *drafts]):
        if not more():
            left = len(pending) + len(drafts) - done
            raise Problem("try_again", f"{left} posts of this profile are left to be given up; send the request again to go on.")
        _take_off(deps, actor, post_id, profile.id)
    deps.profiles.delete(profile.id, deps.clock.now())
    for post in _posts(deps, profile.id, deps.clock.now() - MEANWHILE):
        if post.targets[profile.id].status != "publishing":
            _take_off(deps, actor, post.id, profile.id)


def _refusal(pending: list[str], detail: str) -> Problem:
    return Problem("illegal_transition", detail, extra={"from": "connected", "to": "deleted", "pendingPosts": len(pending)})


def _named(posts: list[str]) -> str:
    names = ", ".join(posts[:MOST_NAMED]) + (" …" if len(posts) > MOST_NAMED else "")
    what = f"{names} is" if len(posts) == 1 else f"{len(posts)} posts ({names}) are"
    return f"{what} being published on this profile right now; delete it when that is done."


def _posts(deps: Deps, profile_id: str, since: datetime | None = None) -> Iterator[Post]:
    """All posts with something still to be done on the profile, and drafts that name it."""
    ids = deps.bookings.pending(profile_id, since)
    for start in range(0, len(ids), PAGE):
        for post in deps.posts.get_many(ids[start : start + PAGE], consistent=True):
            target = post.targets.get(profile_id)
            if target is not None and target.status in lifecycle.TARGET_OPEN:
                yield post


def _take_off(deps: Deps, actor: Actor, post_id: str, profile_id: str) -> None:
    """Give one post's target on the profile up, whatever state the post has reached by now. Raises `Problem` if it is just being
    published; what cannot be edited for another reason is left (its target fails once its time comes)."""
    entitled = actor._replace(scopes=actor.scopes | {"posts:publish"})
    for _ in range(MOST_TRIES):
        post = deps.posts.get(post_id)
        target = post.targets.get(profile_id) if post is not None else None
        if post is None or target is None or target.status not in lifecycle.TARGET_OPEN:
            return
        others = [id for id in post.targets if id != profile_id]
        try:
            if post.status not in lifecycle.EDITABLE:
                deps.posts.change(post, lambda current: _end(current, profile_id, deps.clock.now()))
            elif others or post.status == "draft":
                write.edit(deps, entitled, post, {"profile_ids": others}, None)
            else:
                write.cancel(deps, post)
            return
        except Problem as problem:
            if problem.code == "try_again":  # a network keeps it and did not give it back
                raise
            if problem.code != "illegal_transition":
                log.warning("left on a removed profile", extra={"post_id": post_id, "reason": problem.code})
                return
            if target.status in IN_HANDS:
                raise _refusal([post_id], _named([post_id])) from None


def _end(post: Post, profile_id: str, now: datetime) -> None:
    """End the target of a post that has begun: others of its targets are out already, or it waits for another try."""
    target = post.targets[profile_id]
    if target.status in IN_HANDS:
        raise lifecycle.illegal(post, "failed", "It is just being published.")
    if target.status in lifecycle.TARGET_OPEN:
        detail = "The profile was removed before the post could be published."
        lifecycle.end(post, target, "failed", now, "profile_deleted", detail)
