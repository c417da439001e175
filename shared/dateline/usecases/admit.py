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
from ..domain.fingerprints import TWIN_SPAN, content_hash, twin_pages
from ..domain.ids import time_of
from ..domain.instants import rfc3339
from ..domain.limits import Count, Plan
from ..domain.post import Post, draft_for
from ..store.allowances import MOST_OWNERS, Known, Registered, Toll, Twin
from ..store.bookings import bookings_of
from ..store.extras import Extra
from ..store.posts import Booking
from ..store.tables import Conflict
from .calendars import Calendars, rule_of
from .compose import Wish, together

if TYPE_CHECKING:
    from ..wiring import Deps

AT = "/scheduledFor"

WRITTEN_WITHIN = timedelta(minutes=15)
"""By then the post of a registration is written. An import takes seconds, and a few minutes where sweep has to carry it on;
after that a registration without a post is one that was left."""


class Before(NamedTuple):
    """What a post held before an edit: its bookings, the contents it was registered under, its time, whether it was allowed to
    be a duplicate, and what it asked of a plan."""

    bookings: Sequence[Booking] = ()
    contents: frozenset[tuple[Twin, str]] = frozenset()
    at: datetime | None = None
    allowed: bool = False
    asked: frozenset[tuple[str, str]] = frozenset()


class Admission(NamedTuple):
    """The writes that make it so, and how the plan's counters will stand (for validate)."""

    toll: Toll = Toll()
    extras: tuple[Extra, ...] = ()
    forecast: tuple[Mapping[str, Any], ...] = ()


def held(post: Post) -> Before:
    """What a post holds before it is changed."""
    return Before(bookings_of(post), contents_of(post), post.publish_at, post.allow_duplicate, limits.asked(post))


def contents_of(post: Post) -> frozenset[tuple[Twin, str]]:
    """(content and page, profile) of every target that will show something at a known time."""
    if post.publish_at is None or post.stage in ("draft", "cancelled"):
        return frozenset()
    hashes = dict[str, str]()
    for target in post.targets.values():
        if target.platform not in hashes:
            hashes[target.platform] = content_hash(post.draft_for(target.platform))
    pages = twin_pages(post.publish_at)
    return frozenset(((hashes[t.platform], page), t.profile_id) for t in post.targets.values() for page in pages)


def _new_contents(post: Post, before: Before) -> frozenset[tuple[Twin, str]]:
    """The contents that must be looked at: what is new, or all of it where the time moved or a duplicate is one no more."""
    if post.publish_at != before.at or (before.allowed and not post.allow_duplicate):
        return contents_of(post)
    return contents_of(post) - before.contents


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
    twins = {(content_hash(draft), page) for draft in drafts for page in twin_pages(at)}
    guards = profile_ids if spacing_of(settings, plan) else ()
    return deps.allowances.read(side, profile_ids, counters=counters, guards=guards, twins=twins)


def spacing_of(settings: Mapping[str, Any], plan: Plan) -> int:
    """Minutes between posts of one profile: the workspace's or the plan's, whichever is longer."""
    return max(int(settings.get("min_spacing_minutes") or 0), plan.spacing_minutes)


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
    """What a post asks for: counters to raise (and how they move in all), profiles newly booked, calendars to ask, contents to
    look at."""

    added: Counter[Count]
    net: Counter[Count]
    fresh: tuple[str, ...]
    guarded: tuple[str, ...]
    contents: frozenset[tuple[Twin, str]]


def asked_of(plan: Plan, spacing: int, post: Post, before: Before, after: Sequence[Booking], now: datetime) -> Asked:
    """What the post as it stands asks for beyond what it held `before`; `after` is what it books now. It is charged here."""
    booked = {(b.profile_id, b.slot) for b in before.bookings if b.state == "pending"}
    new = [b.profile_id for b in after if b.state == "pending" and (b.profile_id, b.slot) not in booked]
    fresh = tuple(profile_id for profile_id in new if profile_id in post.targets)
    guarded = fresh if spacing else tuple(profile_id for profile_id in fresh if post.targets[profile_id].capped)
    added = limits.charge(post, plan, now, before.asked)
    net = Counter(added)
    net.subtract(limits.freed(post))
    return Asked(added, +net, fresh, guarded, _new_contents(post, before))


class Verdict(NamedTuple):
    """Everything that stands against a post, the profiles whose calendar was asked, and registrations that hold no more."""

    problems: list[Problem]
    ruled: list[str]
    gone: set[tuple[Twin, str, str]]


def against(
    deps: Deps, plan: Plan, spacing: int, post: Post, asked: Asked, known: Known, calendars: Calendars, now: datetime,
    mates: Mapping[str, Post] = {},
) -> Verdict:
    """Hold the post against all of it. `mates` are posts of the same request."""
    from ..platforms import registry

    platforms = {t.profile_id: t.platform for t in post.targets.values()}
    problems = refuse_by_plan(plan, platforms, post.publish_at if asked.fresh else None, now)
    if (problem := limits.exceeded(plan, asked.net, known.used, now)) is not None:
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
    twins, gone = ([], set()) if post.allow_duplicate else _twins(deps, post, asked.contents, known, mates)
    return Verdict(problems + twins, ruled, gone)


def admit(
    deps: Deps, settings: Mapping[str, Any], post: Post, before: Before, now: datetime, known: Known | None,
    after: Sequence[Booking], *, fast: bool = False,
) -> Admission:
    """Decide about `post` as it stands now, against what it held `before`; `after` is what it books now.

    `known` is what was read already; what is missing is read. `fast` leaves the register of contents unread (a time that
    moves): the write is then a conflict where anybody else is registered. Raises `Problem` with everything that stands against
    it, `Conflict` where a post that is like it is being written at this moment, `StoreUnavailable`.
    """
    plan = limits.plan_of(settings)
    spacing = spacing_of(settings, plan)
    asked = asked_of(plan, spacing, post, before, after, now)
    wanted = set() if fast else {twin for twin, _ in asked.contents}
    known = complete(deps, post.partition, known, asked.added, {*asked.guarded}, wanted)
    calendars = Calendars(deps, post.id)
    verdict = against(deps, plan, spacing, post, asked, known, calendars, now)
    if fast and verdict.problems:  # refused in any case: then say everything
        known = complete(deps, post.partition, known, asked.added, set(), {twin for twin, _ in asked.contents})
        verdict = against(deps, plan, spacing, post, asked, known, calendars, now)
    if verdict.problems:
        raise together(verdict.problems)
    most = {count: limits.most_of(plan, count) for count in asked.added}
    toll = Toll(asked.added, most, {id: known.guards[id] for id in verdict.ruled})
    extras = tuple(_registrations(deps, post, asked.contents, known, verdict.gone, now))
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
) -> tuple[list[Problem], set[tuple[Twin, str, str]]]:
    """The duplicates among the registered contents, and what is registered and holds no more. A registration is a hint: the post
    behind it is looked at. An import registers all its posts before it writes them: raises `Conflict` where one of these is like
    the post, since nobody can tell yet when it goes out."""
    suspects = {
        (twin, profile_id, owner) for twin, profile_id in contents
        for owner in known.twins.get(twin, Registered()).owners.get(profile_id, ()) if owner != post.id
    }
    stored = sorted({id for *_, id in suspects if id not in mates})
    found = {other.id: other for other in deps.posts.get_many(stored, consistent=True)}
    found |= {id: mates[id] for *_, id in suspects if id in mates}
    if any(id not in found and _under_way(deps, id) for *_, id in suspects):
        raise Conflict
    live = {id: contents_of(other) for id, other in found.items()}
    gone = {
        (twin, profile_id, id) for twin, profile_id, id in suspects
        if id not in found or (twin, profile_id) not in live[id] or found[id].targets[profile_id].status == "failed"
    }
    problems = []
    for profile_id, id in sorted({(profile_id, id) for _, profile_id, id in suspects - gone}):
        other = found[id]
        if other.publish_at is None or post.publish_at is None or abs(other.publish_at - post.publish_at) >= TWIN_SPAN:
            continue
        detail = (
            f"The post {id} has the same content for the profile {profile_id} at {rfc3339(other.publish_at)}, less than 24 hours "
            f"away. Change the content or the time, or send allowDuplicate: true."
        )
        pointer = f"/profileIds/{list(post.targets).index(profile_id)}"
        problems.append(Problem("duplicate_content", detail, pointer, {"postId": id, "profileId": profile_id}))
    return problems, gone


def _under_way(deps: Deps, post_id: str) -> bool:
    made = time_of(post_id)
    return made is not None and deps.clock.now() - made < WRITTEN_WITHIN


def _registrations(
    deps: Deps, post: Post, contents: Iterable[tuple[Twin, str]], known: Known, gone: set[tuple[Twin, str, str]], now: datetime
) -> Iterable[Extra]:
    """Enter the post's contents beside those of others, without what is `gone`. Where there are too many (duplicates that were
    allowed) the oldest is forgotten."""
    profiles: dict[Twin, list[str]] = {}
    for twin, profile_id in sorted(contents):
        profiles.setdefault(twin, []).append(profile_id)
    for twin, ids in profiles.items():
        registered = known.twins.get(twin, Registered())
        owners = dict(registered.owners)
        for profile_id in ids:
            others = [id for id in owners.get(profile_id, ()) if id != post.id and (twin, profile_id, id) not in gone]
            owners[profile_id] = [*others, post.id][-MOST_OWNERS:]
        yield deps.allowances.register(post.partition, twin, registered.token, owners, post.id, now)


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

