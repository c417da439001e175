"""Unpublishing: taking down on the networks what was published there.

The wish is written onto the post's targets and sent to deliver, one message each; deleting what is gone already is no error on
any network, so everything here may be repeated, and sweep sends again what was lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..aws.queue import Message, QueueUnavailable
from ..domain import lifecycle, removal, retry
from ..domain.errors import Problem
from ..domain.post import Post, Target, seconds
from ..domain.profile import Profile
from ..platforms import registry
from ..platforms.base import NotReady, Outcome, Retry
from ..store.posts import Claimed

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

PAUSE = 60.0
"""Seconds between the tries, where the network asks for none of its own."""

SHORT_WAIT = 1.0
"""Seconds a worker waits itself: messages are delayed by whole seconds, and for so long only."""


def unpublish(
    deps: Deps, post: Post, profile_ids: list[str] | None, *, once: Claimed | None = None, if_match: int | None = None
) -> Post:
    """Ask for all published targets, or the chosen ones, to be taken down. Raises `Problem`: 409 when none can be, or when the
    network of a chosen one has no way to."""
    from .write import rewrite

    now = deps.clock.now()

    def move(current: Post) -> None:
        for index, profile_id in enumerate(profile_ids or ()):
            if profile_id not in current.targets:
                raise Problem("not_found", f"The post has no target {profile_id!r}.", pointer=f"/profileIds/{index}")
        wanted = [t for t in current.targets.values() if profile_ids is None or t.profile_id in profile_ids]
        wanted = [t for t in wanted if removal.removable(t)]
        able = [t for t in wanted if registry.rules(_network(current, t)).deletes]
        if wanted and not able:
            names = sorted({registry.rules(_network(current, t)).name for t in wanted})
            detail = f"There is no way to take a post down on {' and '.join(names)} from here; do it by hand there."
            raise lifecycle.illegal(current, "unpublished", detail)
        removal.ask(current, able, now)
        for target in (t for t in wanted if t not in able):
            name = registry.rules(_network(current, target)).name
            detail = f"There is no way to take a post down on {name} from here; do it by hand there."
            removal.unsupported(target, detail, now)

    post = rewrite(deps, post, move, once=once, if_match=if_match)
    send(deps, post)
    return post


def _network(post: Post, target: Target) -> str:
    return "sandbox" if post.mode == "test" else target.platform


def send(deps: Deps, post: Post, delay: float = 0.0, only: str | None = None) -> None:
    """One message for each target that is to be taken down. What is not sent, sweep sends."""
    messages = [
        Message(post.id, target.profile_id, post.revision, removal=True) for target in removal.pending(post)
        if only in (None, target.profile_id)
    ]
    try:
        deps.queue.send(messages, delay, group=post.partition)
    except QueueUnavailable as error:
        log.warning("removals not sent; sweep will send them", extra={"post_id": post.id, "reason": str(error)})


def remove(deps: Deps, message: Message, time_left: Callable[[], float]) -> str:
    """Take one target down, the last segment first. Says in a word what became of it. Raises `StoreUnavailable`,
    `SecretsUnavailable`: the message comes back."""
    post = deps.posts.get(message.post_id)
    target = post.targets.get(message.profile_id) if post is not None else None
    if post is None or target is None or target not in removal.pending(post):
        return "nothing to do"
    wait = (removal.next_at(target) - deps.clock.now()).total_seconds()
    if wait > SHORT_WAIT:
        send(deps, post, wait, only=target.profile_id)
        return "too early"
    deps.clock.sleep(max(wait, 0.0))
    try:
        _take_down(deps, post, target, time_left)
    except (Retry, NotReady) as outcome:
        return _again(deps, post, message.profile_id, outcome.code, outcome.detail, outcome.after)
    except Outcome as outcome:
        code, detail = outcome.code, outcome.detail
        deps.posts.change(post, lambda p: removal.failed(p, p.targets[message.profile_id], code, detail, deps.clock.now()))
        return "failed"
    deps.posts.change(post, lambda p: removal.removed(p, p.targets[message.profile_id], deps.clock.now()))
    return "removed"


def _again(deps: Deps, post: Post, profile_id: str, code: str, detail: str, after: float | None) -> str:
    again, now = False, deps.clock.now()
    wait = min(PAUSE * deps.settings.tuning.retry_scale if after is None else after, retry.LONGEST_WAIT)

    def move(current: Post) -> None:
        nonlocal again
        target = current.targets[profile_id]
        if target not in removal.pending(current):
            again = False
            return
        again = removal.tried(target, code, detail, now + seconds(wait))
        if not again:
            removal.failed(current, target, code, detail, deps.clock.now())
        lifecycle.conclude(current, deps.clock.now())

    post = deps.posts.change(post, move)
    if again:
        send(deps, post, wait, only=profile_id)
    return "later" if again else "failed"


def _delete(deps: Deps, post: Post, target: Target, profile: Profile, remote_id: str, credentials: dict[str, str]) -> None:
    from .deliver import delivery_of

    publisher = registry.publisher(_network(post, target))
    publisher.delete(delivery_of(deps, post, target, profile, publisher, credentials), remote_id)


def _take_down(deps: Deps, post: Post, target: Target, time_left: Callable[[], float]) -> None:
    """Raises an `Outcome` when something of it may stand still."""
    from . import tokens
    from .outcomes import RESERVE

    profile = deps.profiles.get(target.profile_id)
    if profile is None:
        raise Outcome("profile_deleted", "The profile was removed: take the post down by hand on the network.")
    publisher = registry.publisher(_network(post, target))
    for remote in reversed(target.remotes):
        if time_left() < RESERVE:
            raise Retry("goes_on", "It goes on in another invocation.", 0.0)
        tokens.using(deps, profile, publisher, partial(_delete, deps, post, target, profile, remote.id))
