"""The client's writes to a post before it goes out: create, edit, cancel, publish now. (`settle` has those after.)

Each reads what it must, decides in the domain, and writes once, on condition that nobody wrote in between. What wakes the
post later (entry, messages) comes after the write and may fail: sweep is behind it.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..domain import approvals, lifecycle
from ..domain.errors import Problem
from ..domain.ids import new_id
from ..domain.post import Post, Target
from ..domain.time import resolve as resolve_time
from ..store.allowances import Known
from ..store.bookings import bookings_of, changed
from ..store.posts import Claimed
from ..store.tables import Conflict
from . import dispatch, pinning, queues
from .admit import Admission, Before, admit, held, read_for
from .compose import Warn, Wish, compose, lay_on, wish_of
from .looking import Looked, look_into

if TYPE_CHECKING:
    from ..store.profiles import Profile
    from ..wiring import Deps

log = logging.getLogger("dateline")

Entry = Literal["keep", "move", "new"]
"""What an edit makes of the schedule entry."""

TIME = frozenset({"scheduled_for", "timezone", "fold"})
"""Members of a wish that say when."""

LONGEST_ID = 128
"""Bytes of a profile's id: a longer one is nobody's, and the tables do not take every key."""


class Actor(NamedTuple):
    """Who asks: a key's workspace, side and scopes, and the workspace's settings."""

    workspace_id: str
    mode: str
    scopes: frozenset[str]
    key_id: str
    settings: Mapping[str, Any]
    partition: str


class Written(NamedTuple):
    """A post as it was written, what the client should know, and how it stands with the plan (validate shows it)."""

    post: Post
    warnings: tuple[Warn, ...] = ()
    forecast: tuple[Mapping[str, Any], ...] = ()


FULL = frozenset({"too_close", "platform_daily_limit"})
"""Refusals that another time would not meet."""

MOST_SLOTS = 30
"""Slots of a queue that a post tries, one after the other, before it is told of the refusal of the last."""

MOST_TRIES = 12
"""Decisions that are made again because somebody else wrote what they depend on."""


def pause(deps: Deps, tries: int) -> None:
    """Wait a moment before another try: many who decide about the same counter would else collide again."""
    if tries > 1:
        deps.clock.sleep(random.uniform(0.0, 0.01 * 2 ** min(tries, 6)))


def known_ids(profile_ids: Iterable[str]) -> list[str]:
    """Ids that can be somebody's."""
    return [id for id in dict.fromkeys(profile_ids) if 0 < len(id.encode()) <= LONGEST_ID]


def create(
    deps: Deps, actor: Actor, wish: Wish, once: Callable[[datetime | None], Claimed | None] = lambda _: None
) -> Written:
    """A new post: a draft without a time, else scheduled, or on its way at once with `publish_now`.

    `once` makes the idempotency row from the publish time. Raises `Problem`, `Replayed` (the key was used),
    `StoreUnavailable` (not known to be written: the same key makes a repeat safe).
    """
    now = deps.clock.now()
    post_id = new_id("post", now)
    for tries in range(MOST_TRIES):
        try:
            written, admission, place = _new(deps, actor, wish, post_id, now)
            post = written.post
            extras = [*admission.extras, *queues.moved(None, place, post.id, actor.partition, now)]
            deps.posts.save(post, bookings=bookings_of(post), once=once(post.publish_at), toll=admission.toll, extras=extras)
        except Conflict:
            pause(deps, tries)
            continue
        wake(deps, post)
        return written
    raise Conflict


def preview(deps: Deps, actor: Actor, wish: Wish) -> Written:
    """What `create` would make of the wish, writing nothing. Raises the same `Problem`s."""
    return _new(deps, actor, wish, "post_preview", deps.clock.now())[0]


def _new(deps: Deps, actor: Actor, wish: Wish, post_id: str, now: datetime) -> tuple[Written, Admission, queues.Place | None]:
    if wish.queue_id is None:
        return *_decided(deps, actor, wish, post_id, now, None), None
    behind: datetime | None = None
    for last in range(MOST_SLOTS, 0, -1):
        timed, place = queues.into_queue(deps, actor, wish, now, behind=behind)
        try:
            return *_decided(deps, actor, timed, post_id, now, place), place
        except Problem as problem:
            # A slot that is free but too near to another post of the profile is passed over: a later one will do.
            if last == 1 or wish.reservation_id is not None or {error.code for error in problem.errors} - FULL:
                raise
            behind = place.slot
    raise AssertionError("the last slot was refused or taken")


def _decided(
    deps: Deps, actor: Actor, wish: Wish, post_id: str, now: datetime, place: queues.Place | None
) -> tuple[Written, Admission]:
    draft = not wish.publish_now and wish.scheduled_for is None
    known = read_for(
        deps, actor.partition, actor.settings, wish, None if draft else time_of(wish, actor.settings, now),
        known_ids(wish.profile_ids),
    )
    post, warnings = composed_post(deps, actor, wish, post_id, known.profiles, now)
    post.queue = place.as_dict() if place else None
    admission = admit(deps, actor.settings, post, Before(), now, known, bookings_of(post))
    return Written(post, warnings, admission.forecast), admission


def composed_post(
    deps: Deps, actor: Actor, wish: Wish, post_id: str, profiles: Mapping[str, Profile], now: datetime, *,
    import_id: str | None = None, ask: bool = True,
) -> tuple[Post, tuple[Warn, ...]]:
    """The post that a wish would make, in the stage it would enter, not admitted yet. Raises `Problem` with every fault.

    Its media are looked at, with `ask` also those that nobody has looked at a moment ago. Posts of one import share copies."""
    draft = not wish.publish_now and wish.scheduled_for is None
    looked = look_into(deps, wish, {}, partition=actor.partition, salt=import_id or post_id, draft=draft, ask=ask)
    composed = compose(
        looked.wish, profiles, actor.settings, now, deps.settings.max_horizon_days, draft=draft, facts=looked.facts,
        faults=looked.faults,
    )
    post = Post(post_id, actor.workspace_id, actor.mode, "", now)
    lay_on(post, looked.wish, composed, actor.settings)
    post.pins, post.bulk = looked.pins, import_id
    stage = approvals.gate(post, "draft" if draft else "queued" if wish.publish_now else "scheduled", actor.settings)
    lifecycle.stage(post, stage, now)
    return post, (*composed.warnings, *looked.warnings)


def time_of(wish: Wish, settings: Mapping[str, Any], now: datetime) -> datetime | None:
    """When the wish would go out, to know what to read; None where that is wrong in itself (`compose` says why)."""
    if wish.publish_now or wish.scheduled_for is None:
        return now
    try:
        return resolve_time(wish.scheduled_for, wish.timezone, wish.fold, default_timezone=settings.get("timezone")).publish_at
    except Problem:
        return None


def wake(deps: Deps, post: Post, *, replace: bool = False) -> None:
    """After a write: whatever the post's state needs to go on. A post that goes out now makes its copies on the way."""
    if post.pins and post.status in ("scheduled", "pending_approval"):
        pinning.order(deps, post)
    if post.status == "scheduled":
        dispatch.arrange(deps, post, replace=replace)
    elif post.status == "queued":
        dispatch.send(deps, post, post.targets.values())


def find(deps: Deps, actor: Actor, post_id: str) -> Post:
    """The workspace's post. Raises `Problem` not_found, also for another workspace's."""
    post = deps.posts.get(post_id) if post_id.startswith("post_") and len(post_id) <= 64 else None
    if post is None or post.partition != actor.partition:
        raise Problem("not_found", f"There is no post {post_id!r}.")
    return post


def _expect(post: Post, if_match: int | None) -> None:
    if if_match is not None and post.revision != if_match:
        detail = f"The post is at revision {post.revision}, not {if_match}: read it again and decide again."
        raise Problem("revision_conflict", detail, extra={"revision": post.revision})


class Moved(NamedTuple):
    """What a move that needs admission read already; `fast` when only the time moves; the place it takes in a queue."""

    known: Known | None = None
    fast: bool = False
    place: queues.Place | None = None


def rewrite(
    deps: Deps, post: Post, move: Callable[[Post], Any], *, settings: Mapping[str, Any] | None = None,
    once: Claimed | None = None, if_match: int | None = None,
) -> Post:
    """Apply `move` and write it with the bookings it changes; on a conflict, decide again from what is there now.

    With the workspace's `settings` what came of it must be admitted, too: `move` then answers `Moved`.
    """
    for tries in range(MOST_TRIES):
        _expect(post, if_match)
        before = held(post) if settings is not None else Before(bookings_of(post))
        queued, now = post.queue, deps.clock.now()
        try:
            moved = move(post) or Moved()
        except lifecycle.WithNetwork:
            from . import recall

            fresh = deps.posts.get(post.id)
            if fresh is None or tries == MOST_TRIES - 1:
                raise
            post = recall.take_back(deps, fresh)
            continue
        admission = Admission()
        if settings is not None:
            after = bookings_of(post)
            admission = admit(deps, settings, post, before, now, moved.known, after, fast=moved.fast and tries == 0)
        extras = list(admission.extras)
        if post.queue != queued or moved.place is not None:
            extras += queues.moved(queued, moved.place, post.id, post.partition, now)
        try:
            deps.posts.save(post, bookings=changed(before.bookings, post), once=once, toll=admission.toll, extras=extras)
            return post
        except Conflict:
            pause(deps, tries)
            fresh = deps.posts.get(post.id)
            if fresh is None:
                raise
            post = fresh
    raise Conflict


def edit(
    deps: Deps, actor: Actor, post: Post, changes: Mapping[str, Any], to: str | None,
    *, once: Claimed | None = None, if_match: int | None = None,
) -> Written:
    """Change content, targets or time (`changes`: members of `Wish`), and/or move to `scheduled`, `draft` or `publish`.

    The first claim ends it (409). An edit voids an approval. Raises `Problem`, `Replayed`, `StoreUnavailable`.
    """
    now = deps.clock.now()
    said: list[Warn] = []
    entry: Entry = "keep"
    uploaded: dict[str, Target] = {}
    scheduled = post.entry if post.status == "scheduled" else None

    def move(current: Post) -> Moved:
        nonlocal entry
        said.clear()
        target = to or ("scheduled" if changes.keys() & {"scheduled_for", "queue_id"} else current.stage)
        if current.status not in lifecycle.EDITABLE:
            raise lifecycle.illegal(current, target, f"The post is {current.status}: it can be edited until publishing begins.")
        _drafts_only(actor, current)
        lifecycle.keeps_nothing(current)
        uploaded.clear()
        uploaded.update({id: target for id, target in current.targets.items() if target.native or target.checkpoint})
        moved_only = changes.keys() <= TIME and to in (None, "scheduled") and current.status in ("scheduled", "queued")
        entry, moved = _apply(deps, actor, current, changes, to, now, said, moved_only=moved_only)
        return moved

    post = rewrite(deps, post, move, settings=actor.settings, once=once, if_match=if_match)
    _discard(deps, post, uploaded)
    if entry != "keep":
        wake(deps, post, replace=entry == "move")
    else:
        if post.pins:
            pinning.order(deps, post)
        if post.status == "scheduled":
            dispatch.offer(deps, post)
    if scheduled is not None and post.status != "scheduled":
        _forget_entry(deps, post.id, scheduled)
    return Written(post, tuple(said))


def _drafts_only(actor: Actor, post: Post) -> None:
    """Refuse a key that may only write drafts. Asked of what is written, not of what was read: a draft may have been scheduled
    meanwhile."""
    if post.status != "draft" and not actor.scopes & {"posts:publish", "admin"}:
        detail = "This key lacks the scope posts:publish; it may edit drafts only."
        raise Problem("forbidden", detail, extra={"requiredScope": "posts:publish"})


def _laid_over(post: Post, changes: Mapping[str, Any]) -> Wish:
    """The wish of the post as it stands, with the changes on top."""
    wish = wish_of(post)._replace(**changes)
    if "scheduled_for" in changes and "fold" not in changes:
        wish = wish._replace(fold=None)
    if post.thread and changes.get("media") and changes.get("text") is None and changes.get("thread") is None:
        raise Problem("invalid_request", "The media of a thread stand in its segments: send thread, or text as well.", "/media")
    if "thread" in changes and changes["thread"] is not None:
        return wish._replace(text=changes.get("text"), media=changes.get("media", ()))
    if changes.get("text") is not None or changes.get("media"):
        return wish._replace(thread=changes.get("thread"))
    return wish


def _apply(
    deps: Deps, actor: Actor, post: Post, changes: Mapping[str, Any], to: str | None, now: datetime, said: list[Warn],
    *, moved_only: bool,
) -> tuple[Entry, Moved]:
    """The edit itself. `moved_only`: only the time of a scheduled post moves, its content was held against the rules before.
    Says what has to become of the schedule entry: one that may be firing just now is never moved, a new one takes its place."""
    old_time, old_status, old_targets = post.publish_at, post.status, post.targets
    old_drafts = {target.platform: post.draft_for(target.platform) for target in old_targets.values() if target.checkpoint}
    wish, place = _laid_over(post, changes), None
    if wish.queue_id is not None:
        wish, place = queues.into_queue(deps, actor, wish, now, post.id)
    stage = to or ("scheduled" if changes.get("scheduled_for") or place else post.stage)
    if stage == "publish":
        wish = wish._replace(publish_now=True)
    elif stage == "queued":
        stage = "scheduled"
    timed = place is not None or bool(changes.keys() & TIME)
    same = (post.publish_at, post.intent or {}) if post.publish_at is not None and not timed else None
    if stage == "scheduled" and wish.scheduled_for is None and same is None:
        raise Problem("invalid_request", "A post needs scheduledFor to be scheduled.", pointer="/scheduledFor")
    draft = stage == "draft"
    if draft and wish.scheduled_for is None and (changes.get("timezone") or changes.get("fold")):
        member = "timezone" if changes.get("timezone") else "fold"
        raise Problem("invalid_request", f"{member} needs scheduledFor.", pointer=f"/{member}")
    known = None
    if not moved_only:
        at = None if draft else same[0] if same and stage != "publish" else time_of(wish, actor.settings, now)
        known = read_for(deps, actor.partition, actor.settings, wish, at, known_ids([*post.targets, *wish.profile_ids]))
    looked = Looked(wish, post.pins)
    if not moved_only:
        looked = look_into(deps, wish, post.pins, partition=actor.partition, salt=post.id, draft=draft)
        wish = looked.wish
    composed = compose(
        wish, known.profiles if known else {}, actor.settings, now, deps.settings.max_horizon_days, draft=draft,
        same_time=None if stage == "publish" else same, kept=post.targets if moved_only else None, facts=looked.facts,
        faults=looked.faults,
    )
    if same is not None and stage == "scheduled" and old_status == "draft" and same[0] <= now:
        detail = "The draft's time has passed; give a new scheduledFor."
        raise Problem("scheduled_time_in_past", detail, pointer="/scheduledFor")
    said += (*composed.warnings, *looked.warnings)
    lay_on(post, wish, composed, actor.settings)
    for profile_id, was in old_targets.items():
        # What was uploaded ahead is still good for the same content at another time.
        if was.checkpoint and profile_id in post.targets and post.draft_for(was.platform) == old_drafts[was.platform]:
            post.targets[profile_id].checkpoint = dict(was.checkpoint)
    post.pins = pinning.renewed(looked.pins, post.publish_at, now, deps.settings.media_days)
    if place is not None or timed or stage in ("draft", "publish"):
        post.queue = place.as_dict() if place else None
    if same is not None and not post.intent:
        post.intent = None
    lifecycle.edited(post, now)
    lifecycle.stage(post, approvals.gate(post, "queued" if stage == "publish" else stage, actor.settings), now)
    moved = Moved(known, moved_only, place)
    if post.status != "scheduled":
        return "new", moved
    near = old_time is None or (old_time - now).total_seconds() < deps.settings.tuning.lead + 2 * dispatch.NEAR
    if old_status != "scheduled" or near:
        post.entry += 1
        return "new", moved
    return "keep" if post.publish_at == old_time else "move", moved


def _forget_entry(deps: Deps, post_id: str, counter: int) -> None:
    """Remove an entry that is not needed any more; one that stays finds nothing to do."""
    from ..aws.schedules import EntryFailed

    try:
        deps.schedules.delete(post_id, counter)
    except EntryFailed as error:
        log.info("an entry is left; it will find nothing to do", extra={"post_id": post_id, "reason": str(error)})


def cancel(
    deps: Deps, post: Post, *, actor: Actor | None = None, once: Claimed | None = None, if_match: int | None = None
) -> Post:
    """Cancel until the first claim. Cancelling twice is no error. Raises `Problem`: 409 from `publishing` on, 403 where `actor`
    may only write drafts and this is none (any more)."""
    if post.status == "cancelled":
        return post
    now = deps.clock.now()

    def move(current: Post) -> None:
        if current.status not in lifecycle.EDITABLE:
            detail = f"The post is {current.status}: it can be cancelled until publishing begins."
            raise lifecycle.illegal(current, "cancelled", detail)
        if actor is not None:
            _drafts_only(actor, current)
        current.revision += 1
        current.queue = None
        lifecycle.stage(current, "cancelled", now)

    scheduled = post.status == "scheduled"
    post = rewrite(deps, post, move, once=once, if_match=if_match)
    if scheduled:
        _forget_entry(deps, post.id, post.entry)
    _discard(deps, post, post.targets)
    return post


def _discard(deps: Deps, post: Post, before: Mapping[str, Target]) -> None:
    """What was uploaded ahead for targets that need it no more is removed from their networks."""
    if any(target.checkpoint for target in before.values()):
        from . import recall

        recall.discard(deps, post, before)


def publish(deps: Deps, actor: Actor, post: Post, *, once: Claimed | None = None, if_match: int | None = None) -> Post:
    """Send a draft or scheduled post on its way now. One that is on its way already stays as it is."""
    if post.status in ("queued", "publishing"):
        _expect(post, if_match)
        return post
    if post.status not in lifecycle.EDITABLE:
        detail = f"The post is {post.status}: only a draft or a scheduled post can be published."
        raise lifecycle.illegal(post, "publishing", detail)
    return edit(deps, actor, post, {}, "publish", once=once, if_match=if_match).post
