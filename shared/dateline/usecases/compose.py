"""From what a client wants to what is stored: the one path of create, edit and validate.

`compose` holds a request against the profiles, the clock and every network's rules, and says all that is wrong at once. It
reads nothing and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ..domain import time
from ..domain.content import Facts, Media, Segment
from ..domain.errors import FieldError, Problem
from ..domain.instants import rfc3339
from ..domain.post import Post, Target
from ..domain.rules import Violation, check
from ..store.profiles import Profile
from .calendars import capped

MOST_CONTENT_BYTES = 64 * 1024
"""Stored content, so that an outcome can always be saved beside it (an item holds 400 KB)."""

MOST_METADATA_BYTES = 4 * 1024
MOST_SEND_UNITS = 200
"""Profiles × segments."""

DEFAULT_MAX_LATENESS = 24 * 3600.0
"""Seconds; with `onLate: publish` it only bounds how long a network's Retry-After is waited for."""


class Wish(NamedTuple):
    """A create body, checked for shape already. `None` means that the member was not given."""

    text: str | None = None
    thread: Sequence[Segment] | None = None
    profile_ids: Sequence[str] = ()
    media: Sequence[Media] = ()
    scheduled_for: str | None = None
    timezone: str | None = None
    fold: int | None = None
    publish_now: bool = False
    platforms: Mapping[str, Any] = {}
    first_comment: str | None = None
    labels: Sequence[str] = ()
    metadata: Mapping[str, Any] = {}
    max_lateness: float | None = None
    on_late: str | None = None
    on_segment_failure: str = "resume"
    allow_duplicate: bool = False
    queue_id: str | None = None
    reservation_id: str | None = None

    def segments(self) -> tuple[Segment, ...]:
        """The content: a thread's segments, or the one of an ordinary post."""
        return tuple(self.thread) if self.thread is not None else (Segment(self.text or "", tuple(self.media)),)


class Warn(NamedTuple):
    """Something a client should know that is no error. Further members are in `extra`."""

    code: str
    detail: str
    extra: Mapping[str, Any] = {}

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape."""
        return {"code": self.code, "detail": self.detail, **self.extra}


class Composed(NamedTuple):
    """A wish that can be stored: the content, the resolved time (None for a draft), and warnings."""

    segments: tuple[Segment, ...]
    publish_at: datetime | None
    intent: dict[str, Any] | None
    targets: dict[str, Target]
    warnings: tuple[Warn, ...]


def compose(
    wish: Wish, profiles: Mapping[str, Profile], settings: Mapping[str, Any], now: datetime, max_horizon_days: int | None,
    *, draft: bool, same_time: tuple[datetime, dict[str, Any]] | None = None, kept: Mapping[str, Target] | None = None,
    facts: Mapping[str, Facts | None] = {}, faults: Sequence[FieldError] = (),
) -> Composed:
    """Hold a wish against everything. `profiles` are those of the workspace by id; what is missing there is 404.

    A `draft` may break content rules: they come back as warnings; malformed options it may not have. `same_time` is the
    resolved time of a post whose time an edit leaves alone: it is not held against the clock again, only against the networks'
    horizons. `kept` are the targets of a scheduled post whose time alone is edited: they and the content were held against the
    rules before, and `profiles` is not looked at. `facts` are what is known of the media by URL, `faults` what is wrong with
    these in themselves. Raises `Problem` with every fault found.
    """
    if kept is None:
        targets, problems = _targets(wish, profiles)
    else:
        targets, problems = {id: Target(id, t.platform, capped=t.capped) for id, t in kept.items()}, []
    missing = bool(problems)
    warnings: list[Warn] = []
    publish_at, intent = None, None
    if wish.publish_now:
        publish_at = now
    elif same_time is not None:
        publish_at, intent = same_time
        try:  # another network may have come to it
            if not draft and publish_at > now:
                time.check_window(publish_at, now, max_horizon_days=None, platform_horizons=_horizons(targets))
        except Problem as problem:
            problems.append(problem)
    elif wish.scheduled_for is not None:
        try:
            publish_at, intent, said = _time(wish, targets, settings, now, max_horizon_days)
            warnings += said
        except Problem as problem:
            problems.append(problem)
    segments = wish.segments()
    broken: list[FieldError] = []
    if kept is None:
        _sizes(wish, segments, targets)
        broken = _options(wish, targets, warnings)
        content = [*faults, *_content(wish, segments, targets, profiles, facts)]
        if draft:
            warnings += [Warn(e.code, e.detail, {"pointer": e.pointer, **e.extra}) for e in content]
        else:
            broken += content
        warnings += _connections(targets, profiles, publish_at)
        warnings += _advice(wish, segments, targets, profiles)
    if broken:
        problems.append(Problem("content_invalid", _summary(broken), errors=broken))
    if not targets and not draft and not missing:
        problems.append(Problem("invalid_request", "A post needs at least one profile in profileIds.", pointer="/profileIds"))
    if problems:
        raise together(problems)
    return Composed(segments, publish_at, intent, targets, tuple(warnings))


def _targets(wish: Wish, profiles: Mapping[str, Profile]) -> tuple[dict[str, Target], list[Problem]]:
    from ..platforms import registry

    problems = [
        Problem("not_found", f"The workspace has no profile {profile_id!r}.", pointer=f"/profileIds/{index}")
        for index, profile_id in enumerate(wish.profile_ids) if profile_id not in profiles
    ]
    found = {
        p: Target(p, profiles[p].platform, capped=capped(profiles[p], registry.rules(profiles[p].platform)))
        for p in wish.profile_ids if p in profiles
    }
    return found, problems


def _connections(
    targets: Mapping[str, Target], profiles: Mapping[str, Profile], publish_at: datetime | None
) -> list[Warn]:
    """Profiles that cannot publish as they are now, or will not be able to at that time any more."""
    said = []
    for profile in (profiles[profile_id] for profile_id in targets):
        ends = profile.grant_expires_at
        if profile.status == "disconnected":
            detail = f"The profile {profile.id} is disconnected: its post waits until it is connected again."
            said.append(Warn("profile_disconnected", detail, {"profileId": profile.id}))
        elif ends is not None and publish_at is not None and ends <= publish_at:
            detail = (
                f"The connection of the profile {profile.id} ends on {rfc3339(ends)}, before the post is to be published, and"
                " only a person can renew it. Connect it again before then, else the post waits for that."
            )
            said.append(Warn("connection_expires", detail, {"profileId": profile.id, "expiresAt": rfc3339(ends)}))
    return said


def _time(
    wish: Wish, targets: Mapping[str, Target], settings: Mapping[str, Any], now: datetime, max_horizon_days: int | None
) -> tuple[datetime, dict[str, Any], list[Warn]]:
    assert wish.scheduled_for is not None
    resolved = time.resolve(wish.scheduled_for, wish.timezone, wish.fold, default_timezone=settings.get("timezone"))
    time.check_window(
        resolved.publish_at, now, max_horizon_days=max_horizon_days, platform_horizons=_horizons(targets)
    )
    return resolved.publish_at, resolved.intent.as_dict(), [Warn(w.code, w.detail) for w in resolved.warnings]


def _horizons(targets: Mapping[str, Target]) -> dict[str, tuple[str, int]]:
    """Name and horizon of the networks that have one."""
    from ..platforms import registry

    found = {platform: registry.rules(platform) for platform in sorted({t.platform for t in targets.values()})}
    return {platform: (rules.name, rules.horizon_days) for platform, rules in found.items() if rules.horizon_days is not None}


def _sizes(wish: Wish, segments: tuple[Segment, ...], targets: Mapping[str, Target]) -> None:
    """Limits of storage, the same for every network. Raises `Problem`."""
    from ..domain.post import draft_for

    content = json.dumps([[s.as_dict() for s in segments], dict(wish.platforms), wish.first_comment], ensure_ascii=False)
    size = len(content.encode())
    if size > MOST_CONTENT_BYTES:
        detail = f"The content of a post (texts, media, overrides) has at most {MOST_CONTENT_BYTES:,} bytes; this has {size:,}."
        raise Problem("invalid_request", detail, pointer="/thread" if wish.thread is not None else "/text")
    metadata = len(json.dumps(dict(wish.metadata), ensure_ascii=False).encode())
    if metadata > MOST_METADATA_BYTES:
        detail = f"metadata has at most {MOST_METADATA_BYTES:,} bytes as JSON; this has {metadata:,}."
        raise Problem("invalid_request", detail, pointer="/metadata")
    lengths = {platform: len(draft_for(segments, override or {}).segments) for platform, override in wish.platforms.items()}
    platforms = (targets[id].platform if id in targets else "" for id in wish.profile_ids)
    units = sum(lengths.get(platform, len(segments)) for platform in platforms)
    if units > MOST_SEND_UNITS:
        detail = f"Profiles × segments is at most {MOST_SEND_UNITS}; {len(wish.profile_ids)} profiles get {units} segments here."
        raise Problem("invalid_request", detail, pointer="/profileIds")


def _options(wish: Wish, targets: Mapping[str, Target], warnings: list[Warn]) -> list[FieldError]:
    """What stands under `platforms` and can never be right, whether the post is a draft or has a profile there or not.
    Raises `Problem` for a platform that there is none of."""
    from ..domain.post import draft_for
    from ..domain.rules import check_options
    from ..platforms import registry

    found: list[FieldError] = []
    used = {target.platform for target in targets.values()}
    for name, override in wish.platforms.items():
        if name not in registry.names():
            detail = f"There is no platform {name!r}; there are: {', '.join(registry.names())}."
            raise Problem("invalid_request", detail, pointer="/platforms/" + name.replace("~", "~0").replace("/", "~1"))
        if name not in used and targets:
            detail = f"The override for {name} is kept but does nothing: no profile of the post is on {name}."
            warnings.append(Warn("override_unused", detail, {"pointer": f"/platforms/{name}"}))
        violations = check_options(registry.rules(name), draft_for((), override or {}).options)
        found += [_fault(violation, wish, override or {}, name, {}) for violation in violations]
    return found


def _content(
    wish: Wish, segments: tuple[Segment, ...], targets: Mapping[str, Target], profiles: Mapping[str, Profile],
    facts: Mapping[str, Facts | None],
) -> list[FieldError]:
    from ..domain.post import draft_for
    from ..platforms import registry

    found: dict[tuple[str, str], FieldError] = {}
    for target in targets.values():
        override = wish.platforms.get(target.platform) or {}
        draft = draft_for(segments, override, wish.first_comment).knowing(facts)
        settings = profiles[target.profile_id].settings
        for violation in check(registry.rules(target.platform), draft, settings):
            if not violation.of_shape:  # said by `_options`
                fault = _fault(violation, wish, override, target.platform, {"profileId": target.profile_id})
                found.setdefault((fault.code, fault.pointer), fault)
    return list(found.values())


def _advice(
    wish: Wish, segments: tuple[Segment, ...], targets: Mapping[str, Target], profiles: Mapping[str, Profile]
) -> list[Warn]:
    """What the networks will take otherwise than it is said."""
    from ..domain.post import draft_for
    from ..platforms import registry

    found: dict[tuple[str, str], Warn] = {}
    for target in targets.values():
        rules = registry.rules(target.platform)
        override = wish.platforms.get(target.platform) or {}
        draft, settings = draft_for(segments, override, wish.first_comment), profiles[target.profile_id].settings
        for said in rules.advise(draft, settings) if rules.advise is not None else ():
            pointer = _pointer(said, wish, override, target.platform)
            members = {"pointer": pointer, "platform": target.platform, "profileId": target.profile_id}
            found.setdefault((said.rule, pointer), Warn(said.rule, said.detail, members))
    return list(found.values())


def _fault(
    violation: Violation, wish: Wish, override: Mapping[str, Any], platform: str, extra: Mapping[str, Any]
) -> FieldError:
    members: dict[str, Any] = {"platform": platform, **extra}
    if violation.limit is not None:
        members |= {"limit": violation.limit, "measured": violation.measured, "unit": violation.unit}
    if violation.known:
        members["known"] = list(violation.known)
    return FieldError(_pointer(violation, wish, override, platform), violation.rule, violation.detail, members)


def _pointer(violation: Violation, wish: Wish, override: Mapping[str, Any], platform: str) -> str:
    """Where in the client's own body the fault stands: in the override if the platform has one, else in the common part."""
    field = violation.field
    if field.startswith("options/"):
        return f"/platforms/{platform}/{field.partition('/')[2]}"
    if field == "firstComment":
        return "/firstComment" if override.get(field) is None else f"/platforms/{platform}/{field}"
    head = field.partition("/")[0]
    if override.get("thread"):
        base = f"/platforms/{platform}/thread"
        return base if head == "thread" else f"{base}/{violation.segment}/{field}"
    if violation.segment == 0 and override.get(head) is not None:
        return f"/platforms/{platform}/{field}"
    if wish.thread is not None:
        return "/thread" if head == "thread" else f"/thread/{violation.segment}/{field}"
    return f"/{field}"


def _summary(broken: Sequence[FieldError]) -> str:
    first = broken[0].detail
    return first if len(broken) == 1 else f"{first} And {len(broken) - 1} more: see errors."


def together(problems: Sequence[Problem]) -> Problem:
    """One answer for all that is wrong: the first problem speaks, every fault is listed."""
    first = problems[0]
    if len(problems) == 1:
        return first
    return Problem(first.code, first.detail, first.pointer, first.extra, [e for p in problems for e in p.errors])


def wish_of(post: Post) -> Wish:
    """The wish that would make this post again: what a PATCH is laid over."""
    intent = post.intent or {}
    single = post.segments[0] if post.segments else Segment("")
    return Wish(
        text=None if post.thread else single.text, thread=post.segments if post.thread else None,
        profile_ids=tuple(post.targets), media=() if post.thread else single.media,
        scheduled_for=intent.get("local"), timezone=intent.get("timezone"), fold=intent.get("fold"),
        platforms=post.platforms, first_comment=post.first_comment, labels=post.labels, metadata=post.metadata,
        max_lateness=post.max_lateness, on_late=post.on_late, on_segment_failure=post.on_segment_failure,
        allow_duplicate=post.allow_duplicate,
    )


def lay_on(post: Post, wish: Wish, composed: Composed, settings: Mapping[str, Any]) -> None:
    """Write a composed wish into a post (a new one, or one that is edited)."""
    lateness = wish.max_lateness
    post.segments, post.thread = composed.segments, wish.thread is not None
    post.publish_at, post.intent, post.targets = composed.publish_at, composed.intent, composed.targets
    post.platforms, post.labels, post.metadata = dict(wish.platforms), tuple(wish.labels), dict(wish.metadata)
    post.first_comment = wish.first_comment
    post.max_lateness = lateness if lateness is not None else float(settings.get("max_lateness", DEFAULT_MAX_LATENESS))
    post.on_late = wish.on_late or settings.get("on_late", "publish")
    post.on_segment_failure, post.allow_duplicate = wish.on_segment_failure, wish.allow_duplicate
