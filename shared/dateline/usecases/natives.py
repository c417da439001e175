"""Native scheduling: a network that keeps posts until their time is given them ahead, and gives them back.

Dateline's own schedule stays behind it. A target that is `placed` is confirmed when its time comes; one that could not be handed
over, or was taken back, is published as any other. The post is `scheduled` all the while; `recall` has it taken back before an
edit or a cancel is acknowledged.

    waiting ── placing ── prepare ── arm ── place ── placed ──(its time)── confirm ── published
       ^          │ not known to be there            │ edit, cancel
       └──────────┴──────────────────────────────────┘ withdraw
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, cast

from ..aws.queue import Message, QueueUnavailable
from ..domain import lifecycle, native, retry
from ..domain.post import Post, Target
from ..domain.rules import NativeWindow
from ..platforms import registry
from ..platforms.base import (
    Absent,
    Delivery,
    Failed,
    Found,
    Native,
    NotReady,
    Outcome,
    Processing,
    Refused,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    Undecidable,
    Unknown,
    Working,
)
from ..store.tables import Conflict
from . import holding, tokens

if TYPE_CHECKING:
    from ..wiring import Deps
    from .deliver import Work

log = logging.getLogger("dateline")

AGAIN = 30.0
"""Seconds until a hand-over that met trouble is tried again."""

MOST_TRIES = 5
"""Tries to hand over. After that Dateline's own schedule publishes the post."""

PATIENCE = 600.0
"""Seconds after its time that a network may take to publish what it keeps; then it is taken back and published from here."""


def window_of(post: Post, target: Target) -> NativeWindow | None:
    """The window of a target that its network is to keep until its time; None where it is Dateline's to publish."""
    if post.mode != "live" or post.publish_at is None:
        return None
    window = registry.rules(target.platform).native
    if window is None:
        return None
    asked = (post.platforms.get(target.platform) or {}).get("nativeSchedule", window.by_default)
    return window if asked else None


def offer(deps: Deps, post: Post) -> None:
    """After a post was scheduled: ask for its targets to be handed to the networks that keep them. What is not, is published by
    Dateline in its time: so nothing here need succeed."""
    wanted = [t for t in post.targets.values() if t.status == "waiting" and native.may_place(t) and _fits(deps, post, t)]
    messages = [Message(post.id, target.profile_id, post.revision, place=True) for target in wanted]
    if not messages:
        return
    try:
        deps.queue.send(messages, group=post.partition)
    except QueueUnavailable as error:
        log.info("not handed over; it is published from here", extra={"post_id": post.id, "reason": str(error)})


def _fits(deps: Deps, post: Post, target: Target) -> bool:
    window = window_of(post, target)
    if window is None or post.publish_at is None:
        return False
    return window.least <= (post.publish_at - deps.clock.now()).total_seconds() <= window.most


def place(deps: Deps, message: Message, time_left: Callable[[], float]) -> str:
    """Hand one target over, or find out whether it was. Says in a word what became of it. Raises `StoreUnavailable`,
    `SecretsUnavailable`: the message comes back."""
    from .deliver import Work
    from .record import ClaimLost

    post = deps.posts.get(message.post_id)
    target = post.targets.get(message.profile_id) if post is not None else None
    now = deps.clock.now()
    if post is None or target is None or post.revision != message.revision or post.status != "scheduled":
        return "nothing to do"
    if target.status == "placing":
        if target.lease_until is not None and target.lease_until > now:
            return "nothing to do"
    elif target.status != "waiting" or not native.may_place(target) or not _fits(deps, post, target):
        return "nothing to do"
    profile = deps.profiles.get(message.profile_id)
    if profile is None or holding.reason(profile) is not None:
        return "nothing to do"
    work = Work(deps, post, message, "publish", time_left)
    work.profile, work.publisher = profile, registry.publisher(target.platform)
    try:
        work.post = deps.posts.change(post, lambda p: _claim(p, message, work.token, now, deps.settings.tuning.lease))
    except (ClaimLost, Conflict):
        return "claimed by another worker"
    try:
        return _hand_over(deps, work, time_left)
    except ClaimLost:
        return "claimed by another worker"


def _claim(post: Post, message: Message, token: str, now: datetime, lease: float) -> None:
    from .record import ClaimLost

    target = post.targets.get(message.profile_id)
    if target is None or post.revision != message.revision or post.status != "scheduled":
        raise ClaimLost
    if target.status == "placing" and target.lease_until is not None and target.lease_until > now:
        raise ClaimLost
    if target.status not in ("waiting", "placing"):
        raise ClaimLost
    native.claim(post, target, token, now, lease)


def _hand_over(deps: Deps, work: Work, time_left: Callable[[], float]) -> str:
    """With the claim in hand. Raises `ClaimLost`."""
    publisher, at = work.publisher, work.post.publish_at
    assert at is not None and work.profile is not None
    try:
        credentials = tokens.fresh_credentials(deps, work.profile, publisher)
    except NotReady as busy:
        return _later(deps, work, busy.after)
    except Outcome as outcome:
        return _trouble(deps, work, outcome, outcome.after if isinstance(outcome, Retry) else None)
    delivery = work.delivery(credentials)
    if work.target.armed is not None:
        return _find(deps, work, delivery, at)
    try:
        work.write(lambda post, target: target.checkpoint.update(publisher.start(delivery)))
        work.refresh_view(delivery)
        if publisher.needs_preparation(delivery):
            publisher.prepare(delivery)
        work.need_time()
        now = deps.clock.now()
        if not _fits(deps, work.post, work.target):
            return _let_go(deps, work, "late", "Its time has come too near.")
        work.write(lambda post, target: lifecycle.arm(target, 0, now))
        work.refresh_view(delivery)
        remote = cast(Native, publisher).place(delivery, at)
    except (Unknown, Processing):
        work.write(lambda post, target: lifecycle.call_ended(target, deps.clock.now()))
        return _later(deps, work, retry.LOOK_RETRY)
    except NotReady as outcome:
        return _later(deps, work, outcome.after, prepared=True)
    except Outcome as outcome:
        work.write(lambda post, target: lifecycle.disarm(target))  # known not to be there: nothing is to be looked for
        return _trouble(deps, work, outcome, outcome.after if isinstance(outcome, Retry) else None)
    return _placed(deps, work, remote)


def _placed(deps: Deps, work: Work, remote: Remote) -> str:
    now = deps.clock.now()
    work.write(lambda post, target: native.placed(post, target, remote.id, remote.url, dict(remote.extra), now))
    return "placed"


def _find(deps: Deps, work: Work, delivery: Delivery, at: datetime) -> str:
    """A hand-over without a clear answer: is it there?"""
    from . import outcomes

    now, settle = deps.clock.now(), deps.settings.tuning.settle
    delivery.taken, _ = outcomes.others(work, delivery, at)
    try:
        resolution = cast(Native, work.publisher).placed(delivery, at)
    except Outcome as outcome:
        return _trouble(deps, work, outcome, retry.LOOK_RETRY)
    if isinstance(resolution, Found):
        return _placed(deps, work, resolution.remotes[0])
    if isinstance(resolution, Refused):
        return _let_go(deps, work, resolution.code, resolution.detail)
    if isinstance(resolution, Undecidable):
        return _left(deps, work)
    ended = work.target.call_ended_at or work.target.armed_at or now
    if isinstance(resolution, SafeToRepeat | Absent) and (now - ended).total_seconds() >= settle:
        if isinstance(resolution, SafeToRepeat) or work.target.absences >= 1:
            return _let_go(deps, work, "not_kept", "The network did not take it.")
        work.write(lambda post, target: native.absent(target))
    return _later(deps, work, resolution.after if isinstance(resolution, Working) else settle)


def _trouble(deps: Deps, work: Work, outcome: Outcome, after: float | None) -> str:
    """It did not go through, or could not be looked up: again for a while, then it is left to Dateline's own schedule. Where
    the network may have it, that looks first: so does whoever changes the post until then."""
    tries = int((work.target.native or {}).get("tries", 0)) + 1
    if work.target.armed is not None and tries >= MOST_TRIES:
        return _left(deps, work)
    if work.target.armed is None and (tries >= MOST_TRIES or isinstance(outcome, Failed)):
        return _let_go(deps, work, outcome.code, outcome.detail)
    return _later(deps, work, AGAIN if after is None else after, tries=tries)


def _let_go(deps: Deps, work: Work, code: str, detail: str) -> str:
    """Known not to be there: Dateline publishes it when its time comes. What was uploaded for it stays of use."""
    now = deps.clock.now()
    work.write(lambda post, target: native.given_up(post, target, code, detail, now))
    return "left to our own schedule"


def _left(deps: Deps, work: Work) -> str:
    now = deps.clock.now()
    work.write(lambda post, target: native.waits(post, target, None, now))
    return "left until its time"


def _later(deps: Deps, work: Work, after: float, *, prepared: bool = False, tries: int | None = None) -> str:
    now = deps.clock.now()

    def move(post: Post, target: Target) -> None:
        if prepared:
            lifecycle.disarm(target)
        native.waits(post, target, tries, now)

    work.write(move)
    try:
        wait = min(max(after, 1.0), retry.LONGEST_MESSAGE_DELAY)
        deps.queue.send([work.message], wait, group=work.post.partition)
    except QueueUnavailable as error:
        log.warning("a hand-over is left until its time", extra={"post_id": work.post.id, "reason": str(error)})
    return "goes on later"


def confirm(deps: Deps, work: Work, delivery: Delivery) -> Resolution:
    """What became of a target that was handed over, now that its time has come. When the network lets its time pass it is taken
    back, and published from here. Raises an `Outcome`."""
    publisher, at = cast(Native, work.publisher), work.post.publish_at
    assert at is not None
    known = native.remote_of(work.target)
    if known is None:
        resolution = publisher.placed(delivery, at)
        if not isinstance(resolution, Found):
            return resolution
        seen = resolution.remotes[0]
        known = seen.id, seen.url, seen.extra
        work.write(lambda post, target: native.found(target, seen.id, seen.url, seen.extra))
    remote = Remote(*known)
    resolution = publisher.confirm(delivery, remote)
    if isinstance(resolution, Working) and (deps.clock.now() - at).total_seconds() > PATIENCE:
        publisher.withdraw(delivery, remote)
        return SafeToRepeat()
    return resolution
