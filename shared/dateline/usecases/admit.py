"""The one admission: may this post be scheduled as it stands? Plan, spacing, caps, duplicates; create, edit, approve and
validate ask.

It decides from what one read gave, and answers with conditional writes for the post's own transaction: if anything has moved
meanwhile the write is a conflict and is decided again. So what is exact here is exact under concurrency, and validate says
what create would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain import limits
from ..domain.content import Draft
from ..domain.errors import Problem
from ..domain.fingerprints import TWIN_SPAN, content_hash, twin_bucket
from ..domain.instants import rfc3339
from ..domain.limits import Count, Plan
from ..domain.post import Post, draft_for
from ..store.allowances import Known, Registered, Toll, Twin
from ..store.extras import Extra
from ..store.posts import Booking
from .calendars import Calendars, rule_of
from .compose import Wish, together

if TYPE_CHECKING:
    from ..wiring import Deps

AT = "/scheduledFor"


class Before(NamedTuple):
    """What a post held before an edit: its bookings, and the contents it was registered under."""

    bookings: Sequence[Booking] = ()
    contents: frozenset[tuple[Twin, str]] = frozenset()


class Admission(NamedTuple):
    """The writes that make it so, and how the plan's counters will stand (for validate)."""

    toll: Toll = Toll()
    extras: tuple[Extra, ...] = ()
    forecast: tuple[Mapping[str, Any], ...] = ()


def contents_of(post: Post) -> frozenset[tuple[Twin, str]]:
    """(content and day, profile) of every target that will show something at a known time."""
    if post.publish_at is None or post.stage in ("draft", "cancelled"):
        return frozenset()
    day, hashes = twin_bucket(post.publish_at), dict[str, str]()
    for target in post.targets.values():
        if target.platform not in hashes:
            hashes[target.platform] = content_hash(post.draft_for(target.platform))
    return frozenset(((hashes[t.platform], day), t.profile_id) for t in post.targets.values())


def read_for(
    deps: Deps, side: str, settings: Mapping[str, Any], wish: Wish, at: datetime | None, profile_ids: Sequence[str]
) -> Known:
    """Everything that creating `wish` will probably ask for, in one call. `at` is None for a draft: then the profiles are
    enough."""
    if at is None:
        return deps.allowances.read(side, profile_ids)
    plan, now = limits.plan_of(settings), deps.clock.now()
    counters = {
        (limits.period_of(limit.metric, now), owner) for limit in plan.limits
        for owner in (["workspace"] if limit.scope == "workspace" else profile_ids)
    }
    segments = wish.segments()
    drafts: list[Draft] = [draft_for(segments, {}), *(draft_for(segments, dict(o or {})) for o in wish.platforms.values())]
    days = neighbours(twin_bucket(at))
    twins = {(content_hash(draft), day) for draft in drafts for day in days}
    guards = profile_ids if spacing_of(settings, plan) else ()
    return deps.allowances.read(side, profile_ids, counters=counters, guards=guards, twins=twins)


def spacing_of(settings: Mapping[str, Any], plan: Plan) -> int:
    """Minutes between posts of one profile: the workspace's or the plan's, whichever is longer."""
    return max(int(settings.get("min_spacing_minutes") or 0), plan.spacing_minutes)


def neighbours(day: int) -> tuple[int, int, int]:
    """The days in which a twin may be registered."""
    return day - 1, day, day + 1


def refuse_by_plan(plan: Plan, targets: Mapping[str, str], at: datetime | None, now: datetime) -> list[Problem]:
    """What a plan refuses whatever was used: platforms (of drafts too), and times beyond its horizon. `targets` maps profiles to
    platforms."""
    problems = []
    for index, (profile_id, platform) in enumerate(targets.items()):
        if platform in plan.excluded:
            detail = f"The plan {plan.name} does not include {platform}; take the profile {profile_id} off the post."
            extra = {"platform": platform, "profileId": profile_id}
            problems.append(Problem("platform_not_allowed", detail, f"/profileIds/{index}", extra))
    if at is not None and plan.horizon_days is not None and at - now > timedelta(days=plan.horizon_days):
        latest = rfc3339(now + timedelta(days=plan.horizon_days))
        detail = f"The plan {plan.name} schedules up to {plan.horizon_days} days ahead: until {latest} at the moment."
        figures: dict[str, Any] = {
            "metric": "horizonDays", "limit": plan.horizon_days, "used": -(-(at - now) // timedelta(days=1)), "remaining": 0,
            "resetsAt": None, "latest": latest,
        }
        problems.append(Problem("limit_exceeded", detail, AT, figures))
    return problems


class Asked(NamedTuple):
    """What a post asks for: counters to raise, profiles newly booked, calendars to ask, contents to register."""

    added: Counter[Count]
    fresh: tuple[str, ...]
    guarded: tuple[str, ...]
    contents: frozenset[tuple[Twin, str]]


def asked_of(plan: Plan, spacing: int, post: Post, before: Before, after: Sequence[Booking], now: datetime) -> Asked:
    """What the post as it stands asks for beyond what it held `before`; `after` is what it books now. It is charged here."""
    from ..platforms import registry

    booked = {(b.profile_id, b.slot) for b in before.bookings if b.state == "pending"}
    new = [b.profile_id for b in after if b.state == "pending" and (b.profile_id, b.slot) not in booked]
    fresh = tuple(profile_id for profile_id in new if profile_id in post.targets)
    capped = tuple(id for id in fresh if registry.rules(post.targets[id].platform).daily_cap is not None)
    return Asked(limits.charge(post, plan, now), fresh, fresh if spacing else capped, contents_of(post) - before.contents)


def against(
    deps: Deps, plan: Plan, spacing: int, post: Post, asked: Asked, known: Known, calendars: Calendars, now: datetime,
    mates: Mapping[str, Post] = {},
) -> tuple[list[Problem], list[str]]:
    """Everything that stands against the post, and the profiles whose calendar was asked. `mates` are posts of the same
    request."""
    from ..platforms import registry

    platforms = {t.profile_id: t.platform for t in post.targets.values()}
    problems = refuse_by_plan(plan, platforms, post.publish_at if asked.fresh else None, now)
    if (problem := limits.exceeded(plan, asked.added, known.used, now)) is not None:
        problems.append(problem)
    ruled = []
    for profile_id in asked.guarded:
        profile = known.profiles.get(profile_id)
        rule = None if profile is None else rule_of(profile, registry.rules(profile.platform), spacing)
        if profile is None or rule is None or post.publish_at is None:
            continue
        ruled.append(profile_id)
        pointer = AT if post.intent else f"/profileIds/{list(post.targets).index(profile_id)}"
        problem = calendars.check(profile, registry.rules(profile.platform).name, rule, post.publish_at, pointer)
        if problem is not None:
            problems.append(problem)
    if not post.allow_duplicate:
        problems += _twins(deps, post, asked.contents, known, mates)
    return problems, ruled


def admit(
    deps: Deps, settings: Mapping[str, Any], post: Post, before: Before, now: datetime, known: Known | None,
    after: Sequence[Booking], *, fast: bool = False,
) -> Admission:
    """Decide about `post` as it stands now, against what it held `before`; `after` is what it books now.

    `known` is what was read already; what is missing is read. `fast` leaves the contents of neighbouring days unread (a time
    that moves). Raises `Problem` with everything that stands against it, `StoreUnavailable`.
    """
    plan = limits.plan_of(settings)
    spacing = spacing_of(settings, plan)
    asked = asked_of(plan, spacing, post, before, after, now)
    wanted = {(twin[0], day) for twin, _ in asked.contents for day in (neighbours(twin[1]) if not fast else ())}
    known = complete(deps, post.partition, known, asked.added, {*asked.guarded}, wanted)
    problems, ruled = against(deps, plan, spacing, post, asked, known, Calendars(deps, post.id), now)
    if problems:
        raise together(problems)
    most = {count: limits.most_of(plan, count) for count in asked.added}
    toll = Toll(asked.added, most, {id: known.guards[id] for id in ruled})
    extras = tuple(registrations(deps, post, asked.contents, known, now))
    return Admission(toll, extras, tuple(_forecast(plan, asked.added, known.used, now)))


def complete(
    deps: Deps, side: str, known: Known | None, added: Mapping[Count, int], guards: set[str], twins: set[Twin]
) -> Known:
    """`known` with what is missing in it; whose calendar is asked, of him the profile is needed too."""
    known = known or Known()
    counters = {(count.period, count.owner) for count in added} - known.counters
    profiles, guards, twins = guards - known.asked, guards - known.guards.keys(), twins - known.twins.keys()
    if not (counters or profiles or guards or twins):
        return known
    return known.and_more(deps.allowances.read(side, profiles, counters=counters, guards=guards, twins=twins))


def _twins(
    deps: Deps, post: Post, contents: Iterable[tuple[Twin, str]], known: Known, mates: Mapping[str, Post]
) -> list[Problem]:
    """The duplicates among the registered contents. A registration is a hint: the post behind it is looked at."""
    suspects: dict[str, set[str]] = {}
    for (digest, day), profile_id in contents:
        for near in neighbours(day):
            owner = known.twins.get((digest, near), Registered(None, {})).owners.get(profile_id)
            if owner is not None and owner != post.id:
                suspects.setdefault(owner, set()).add(profile_id)
    problems = []
    digests = {profile_id: twin[0] for twin, profile_id in contents}
    stored = [post_id for post_id in sorted(suspects) if post_id not in mates]
    others = [mates[id] for id in suspects if id in mates] + (deps.posts.get_many(stored, consistent=True) if stored else [])
    for other in others:
        for profile_id in sorted(suspects[other.id]):
            if _same(post, other, profile_id, digests[profile_id]):
                at = rfc3339(other.publish_at) if other.publish_at else None
                detail = (
                    f"The post {other.id} has the same content for the profile {profile_id} at {at}, less than 24 hours "
                    f"away. Change "
                    f"the content or the time, or send allowDuplicate: true."
                )
                pointer = f"/profileIds/{list(post.targets).index(profile_id)}"
                problems.append(Problem("duplicate_content", detail, pointer, {"postId": other.id, "profileId": profile_id}))
    return problems


def _same(post: Post, other: Post, profile_id: str, digest: str) -> bool:
    target = other.targets.get(profile_id)
    if target is None or target.status in ("failed", "cancelled") or other.stage in ("draft", "cancelled"):
        return False
    if other.partition != post.partition or other.publish_at is None or post.publish_at is None:
        return False
    return abs(other.publish_at - post.publish_at) < TWIN_SPAN and content_hash(other.draft_for(target.platform)) == digest


def registrations(
    deps: Deps, post: Post, contents: Iterable[tuple[Twin, str]], known: Known, now: datetime
) -> Iterable[Extra]:
    """Enter a post's contents. A post that may be a duplicate takes only what is free: the first owner stays known."""
    by_twin: dict[Twin, dict[str, str]] = {}
    for twin, profile_id in contents:
        registered = known.twins.get(twin, Registered(None, {}))
        if not (post.allow_duplicate and profile_id in registered.owners):
            by_twin.setdefault(twin, {})[profile_id] = post.id
    for twin, owners in sorted(by_twin.items()):
        yield deps.allowances.register(post.partition, twin, known.twins.get(twin, Registered(None, {})), owners, now)


def _forecast(
    plan: Plan, added: Mapping[Count, int], used: Mapping[Count, int], now: datetime
) -> Iterable[Mapping[str, Any]]:
    for count, number in sorted(added.items()):
        most, before = limits.most_of(plan, count), max(0, used.get(count, 0))
        yield {
            "metric": count.metric, "scope": "workspace" if count.owner == "workspace" else "profile",
            "profileId": None if count.owner == "workspace" else count.owner, "limit": most, "used": before, "takes": number,
            "remaining": None if most is None else most - before - number, "resetsAt": limits.resets_at(count.metric, now),
        }

