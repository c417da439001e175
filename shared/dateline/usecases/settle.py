"""The client's writes to targets that have begun: failed ones again, waiting ones given up, unconfirmed ones settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..domain import approvals, lifecycle, removal
from ..domain.errors import Problem
from ..domain.post import Post, RemoteSegment, Target
from ..store.posts import Claimed
from . import dispatch
from .write import rewrite

if TYPE_CHECKING:
    from ..wiring import Deps


def _chosen(post: Post, profile_ids: list[str] | None, status: str, pointer: str = "/profileIds") -> list[Target]:
    for index, profile_id in enumerate(profile_ids or ()):
        if profile_id not in post.targets:
            raise Problem("not_found", f"The post has no target {profile_id!r}.", pointer=f"{pointer}/{index}")
    return [t for t in post.targets.values() if t.status == status and (profile_ids is None or t.profile_id in profile_ids)]


def retry(
    deps: Deps, post: Post, profile_ids: list[str] | None, *, once: Claimed | None = None, if_match: int | None = None
) -> Post:
    """Failed targets again, all or the chosen ones. What is not failed is left alone; none at all is 409."""
    now = deps.clock.now()

    def move(current: Post) -> None:
        if approvals.waits(current):  # it failed because nobody decided about it in time
            raise lifecycle.illegal(current, "publishing", "Nobody approved the post: create it again, to be approved then.")
        failed = _chosen(current, profile_ids, "failed")
        going = removal.pending(current)
        if failed and all(target in going for target in failed):
            detail = "What is out of it is just being taken down; retry it when that is done."
            raise lifecycle.illegal(current, "publishing", detail)
        failed = [target for target in failed if target not in going]
        if not failed:
            raise lifecycle.illegal(current, "publishing", f"The post is {current.status}: no target of the choice has failed.")
        for target in failed:
            lifecycle.reopen(current, target, now)
        lifecycle.conclude(current, now)

    post = rewrite(deps, post, move, once=once, if_match=if_match)
    dispatch.send(deps, post, [t for t in post.targets.values() if t.status == "retrying" and t.next_attempt_at == now])
    return post


def stop(deps: Deps, post: Post, *, once: Claimed | None = None, if_match: int | None = None) -> Post:
    """Give up the targets that still wait to be retried or for their profile; what is in a network's hands is left alone. None at
    all is 409."""
    now = deps.clock.now()

    def move(current: Post) -> None:
        waiting = [*_chosen(current, None, "retrying"), *_chosen(current, None, "held")]
        if not waiting:
            raise lifecycle.illegal(current, "failed", f"The post is {current.status}: no target waits to be retried.")
        for target in waiting:
            lifecycle.end(current, target, "failed", now, "stopped", "Given up by request.", conclude_now=False)
        lifecycle.conclude(current, now)

    return rewrite(deps, post, move, once=once, if_match=if_match)


def resolve(
    deps: Deps, post: Post, profile_id: str, outcome: str, remote_id: str | None, url: str | None, segment: int | None,
    *, once: Claimed | None = None, if_match: int | None = None,
) -> Post:
    """A person settles an unconfirmed target as published (with its remote id) or not published (then it may be retried)."""
    from ..platforms import registry

    now = deps.clock.now()

    def move(current: Post) -> None:
        target = current.targets.get(profile_id)
        if target is None:
            raise Problem("not_found", f"The post has no target {profile_id!r}.")
        atomic = registry.rules("sandbox" if current.mode == "test" else target.platform).thread_atomic
        segments = 1 if atomic else len(current.draft_for(target.platform).whole)
        expected = len(target.remotes)
        if target.status == "unconfirmed" and segment is not None and segment != expected:
            detail = f"Segment {expected} is the one that is not confirmed (counted from 0)."
            raise Problem("invalid_request", detail, pointer="/segment")
        remote = RemoteSegment(remote_id, url, {}) if remote_id else None
        lifecycle.settle(current, target, outcome, remote, now, of_segments=segments)

    return rewrite(deps, post, move, once=once, if_match=if_match)
