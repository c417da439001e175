"""Taking back what a network keeps of a post until its time, and removing what was uploaded ahead.

Before an edit or a cancel is written the network must have confirmed that it will not publish; whatever happens after that, the
post is still scheduled here, so it is neither lost nor published twice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..domain import lifecycle, native
from ..domain.errors import Problem
from ..domain.post import Post, Target
from ..platforms import registry
from ..platforms.base import Absent, Delivery, Failed, Found, Native, Outcome, Publisher, Remote, Retry, SafeToRepeat
from . import tokens
from .deliver import delivery_of

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")


def take_back(deps: Deps, post: Post) -> Post:
    """Before an edit, a cancel or publishing at once: have every network give back what it keeps of the post; the post as it
    then is. Raises `Problem`: try_again when that is not confirmed (the post is scheduled as before), illegal_transition when a
    network has published it."""
    for profile_id in [t.profile_id for t in post.targets.values() if t.status in native.WITH_NETWORK]:
        seen = _hold_on(post.targets[profile_id])
        _take(deps, post, profile_id)

        def back(current: Post, profile_id: str = profile_id, seen: object = seen) -> None:
            target = current.targets.get(profile_id)
            if target is not None and target.status in native.WITH_NETWORK:
                if _hold_on(target) != seen:  # a worker has begun: what it does is not what was taken back
                    raise _try_again("It is just being handed over to the network.")
                native.withdrawn(current, target, deps.clock.now())

        post = deps.posts.change(post, back)
    return post


def _hold_on(target: Target) -> object:
    """What differs once a worker has taken the target, or the network."""
    return target.status, target.claim, target.armed_at, (target.native or {}).get("id")


def _take(deps: Deps, post: Post, profile_id: str) -> None:
    """Have one network give it back, if it has it. Raises `Problem`."""
    target, now = post.targets[profile_id], deps.clock.now()
    if target.lease_until is not None and target.lease_until > now:
        raise _try_again("It is just being handed over to the network.")
    profile = deps.profiles.get(profile_id)
    if profile is None or post.publish_at is None:
        raise _try_again("The profile was removed while the network keeps the post: take it back there by hand.")
    publisher = registry.publisher(target.platform)
    name = publisher.rules.name
    remote = native.remote_of(target)

    def call(credentials: dict[str, str]) -> None:
        delivery = delivery_of(deps, post, target, profile, publisher, credentials)
        found = Remote(*remote) if remote is not None else _whereabouts(deps, publisher, delivery, post, target)
        if found is not None:
            cast(Native, publisher).withdraw(delivery, found)

    try:
        tokens.using(deps, profile, publisher, call)
    except Failed as failure:
        if failure.code == "already_published":
            detail = f"{name} has published it already; it cannot be edited or cancelled any more."
            raise lifecycle.illegal(post, "scheduled", detail) from None
        raise _try_again(f"{name} keeps the post and did not give it back: {failure.detail}") from None
    except Outcome as outcome:
        raise _try_again(f"{name} keeps the post and did not confirm to give it back: {outcome.detail}") from None


def _whereabouts(deps: Deps, publisher: Publisher, delivery: Delivery, post: Post, target: Target) -> Remote | None:
    """Where a hand-over without a clear answer is; None when it never was made."""
    assert post.publish_at is not None
    if target.armed is None:
        return None
    resolution = cast(Native, publisher).placed(delivery, post.publish_at)
    if isinstance(resolution, Found):
        return resolution.remotes[0]
    ended = target.call_ended_at or target.lease_until or target.armed_at or deps.clock.now()
    settled = (deps.clock.now() - ended).total_seconds() >= deps.settings.tuning.settle
    if isinstance(resolution, SafeToRepeat | Absent) and settled:
        return None
    raise Retry("not_settled", "It is not settled yet whether the network has taken it.")


def discard(deps: Deps, post: Post, before: Mapping[str, Target]) -> None:
    """After a cancel or a change of content: have what was uploaded ahead for targets as they were `before` removed, unless the
    post has use for it still. As good as it goes."""
    for target in before.values():
        publisher = registry.publisher(target.platform) if target.checkpoint and post.mode == "live" else None
        able = publisher is not None and hasattr(publisher, "discard")
        after = post.targets.get(target.profile_id)
        profile = deps.profiles.get(target.profile_id) if able else None
        if publisher is None or profile is None:
            continue
        if after is not None and after.checkpoint and after.status != "cancelled":
            continue

        try:
            tokens.using(deps, profile, publisher, partial(_throw_away, deps, post, target, profile, publisher))
        except Outcome as outcome:
            log.warning("an upload is left on the network", extra={"post_id": post.id, "reason": outcome.code})


def _throw_away(
    deps: Deps, post: Post, target: Target, profile: Any, publisher: Any, credentials: dict[str, str]
) -> None:
    publisher.discard(delivery_of(deps, post, target, profile, publisher, credentials))


def _try_again(detail: str) -> Problem:
    return Problem("try_again", f"{detail} The post is scheduled as before; repeat the request.")
