"""Sending a post on its way: the schedule entry, the messages, and what to do when its time has come.

Everything here is a poke: it may be repeated, and what it fails to do is done by sweep. So a failing service is logged and
not raised, once the post itself is safely written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from ..aws.queue import Message, QueueUnavailable
from ..domain import lifecycle, retry
from ..domain.post import Post, Target, seconds
from ..domain.profile import Profile

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

NEAR = 60.0
"""A post due within the lead plus so many seconds gets no entry (those fire to the minute): its messages go out at once."""


KEEPERS = frozenset({"facebook", "google_business", "mastodon", "youtube"})
"""Networks that can keep a post until its time, so that no other network's rules are loaded to ask."""


def arrange(deps: Deps, post: Post, *, replace: bool = False) -> None:
    """Make sure that something wakes for a scheduled post: an entry, or messages with a delay when it is near."""
    from ..aws.schedules import EntryFailed

    assert post.publish_at is not None
    offer(deps, post)
    wait = (post.publish_at - deps.clock.now()).total_seconds()
    if wait <= deps.settings.tuning.lead + NEAR:
        send(deps, post, post.targets.values(), wait)
        return
    try:
        deps.schedules.put(post.id, post.partition, post.entry, post.publish_at, replace=replace)
    except EntryFailed as error:
        log.warning("no schedule entry; sweep will dispatch", extra={"post_id": post.id, "reason": str(error)})


def offer(deps: Deps, post: Post) -> None:
    """Ask for the targets of a scheduled post that their networks are to keep to be handed over."""
    if any(target.platform in KEEPERS for target in post.targets.values()):
        from . import natives

        natives.offer(deps, post)


def send(deps: Deps, post: Post, targets: Iterable[Target], delay: float = 0.0) -> None:
    """One message per target. What is not known to be sent is sent again by sweep."""
    messages = [Message(post.id, target.profile_id, post.revision) for target in targets]
    try:
        deps.queue.send(messages, delay, group=post.partition)
    except QueueUnavailable as error:
        log.warning("messages not sent; sweep will send them", extra={"post_id": post.id, "reason": str(error)})


def ask_for_renewal(deps: Deps, profile: Profile) -> None:
    """Have deliver renew a profile's token: it has the key and the way out. Sweep asks again when nothing comes of it."""
    try:
        deps.queue.send([Message("", profile.id, 0)], group=profile.partition)
    except QueueUnavailable as error:
        log.warning("a renewal could not be asked for", extra={"profile_id": profile.id, "reason": str(error)})


def call_back(deps: Deps, post: Post, target: Target) -> None:
    """Wake for a target that waits: a delayed message, or an entry where the wait is longer than SQS can delay."""
    from ..aws.schedules import EntryFailed

    if target.next_attempt_at is None:
        return
    wait = (target.next_attempt_at - deps.clock.now()).total_seconds()
    if wait <= retry.LONGEST_MESSAGE_DELAY:
        send(deps, post, [target], wait)
        return
    try:
        deps.schedules.put(post.id, post.partition, post.entry, target.next_attempt_at)
    except EntryFailed as error:
        log.warning("no entry for a long wait; sweep will wake", extra={"post_id": post.id, "reason": str(error)})


def dispatch(deps: Deps, post_id: str, partition: str | None = None) -> str:
    """The time of a post may have come: move it to `queued` and send its messages. Says in a word what was done.

    With `partition` (an entry's poke) the usual case is one conditional write and no read.
    """
    now = deps.clock.now()
    if partition is not None:
        look = seconds(deps.settings.tuning.lease + retry.GRACE)
        post = deps.posts.mark_queued(post_id, partition, now, now + look)
        if post is not None:
            send(deps, post, post.targets.values())
            return "queued"
    post = deps.posts.get(post_id)
    if post is None:
        return "gone"
    return dispatch_post(deps, post, now)


def dispatch_post(deps: Deps, post: Post, now: datetime) -> str:
    """`dispatch` for a post that was read."""
    if post.status == "scheduled" and post.publish_at is not None:
        wait = (post.publish_at - now).total_seconds()
        if wait > deps.settings.tuning.lead + NEAR:
            return "not due"
        if wait > 0:
            send(deps, post, post.targets.values(), wait)
            return "sent ahead"
        post = deps.posts.change(post, lambda p: come_due(p, now))
        if post.status not in ("queued", "publishing"):  # too late; publishing, if a network keeps a target of it
            return post.status
    waiting = [t for t in post.open_targets() if _wants_work(t, now, deps.settings.tuning.lead + NEAR)]
    if post.status in ("queued", "publishing") and waiting:
        send(deps, post, waiting)
        return "sent"
    return "nothing to do"


def come_due(post: Post, now: datetime) -> None:
    """A scheduled post whose time has come: `queued`, or what `onLate` says when it is too late."""
    if post.status != "scheduled" or post.publish_at is None or post.publish_at > now:
        return
    if not too_late(post, now):
        lifecycle.stage(post, "queued", now)


def too_late(post: Post, now: datetime) -> bool:
    """Apply `onLate` if the post is later than its maxLateness allows; True if it was. Changes the post. What nobody
    approved in time is as late as what nobody could send; what a network keeps is not, and the post then stays one."""
    limit = lifecycle.late_at(post)
    if limit is None or now <= limit:
        return False
    kept = [t for t in post.targets.values() if t.status in lifecycle.WITH_NETWORK]
    if kept and not any(t.standing == "waiting" for t in post.targets.values() if t not in kept):
        return False
    if post.on_late == "draft" and post.status in lifecycle.EDITABLE and not kept:
        post.publish_at = post.approval = post.queue = None  # its slot has come: there is no place to give back
        lifecycle.edited(post, now)
        lifecycle.stage(post, "draft", now)
    else:
        if post.status == "scheduled":
            lifecycle.stage(post, "queued", now)
        elif post.status == "pending_approval":
            post.stage = "queued"  # it never was: the next event is its failure
        minutes = int((now - post.publish_at).total_seconds() // 60) if post.publish_at else 0
        detail = f"It was {minutes} minutes late, more than maxLateness allows, and onLate is {post.on_late}. Nothing was sent."
        lifecycle.fail_waiting(post, "too_late", detail, now)
    return True


def _wants_work(target: Target, now: datetime, near: float) -> bool:
    if target.status == "waiting" or target.status in lifecycle.WITH_NETWORK:
        return True
    return target.next_attempt_at is not None and (target.next_attempt_at - now).total_seconds() <= near
