"""Plans as data: what a workspace may do, what a post is charged for it, and what it gives back.

A limit counts targets, over the whole workspace or for each profile. What a post was charged stands in the post
(`Post.charges`), so that exactly that is given back, whatever becomes of the plan meanwhile. Only what the plan counts is
counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from .errors import FieldError, Problem
from .instants import rfc3339
from .lifecycle import TARGET_OPEN
from .post import Post

Scope = Literal["workspace", "profile"]
SCOPES: tuple[Scope, ...] = ("workspace", "profile")


class Metric(NamedTuple):
    """`monthly` counts since the first of the month (UTC) and is never given back; the other is given back when a target has
    ended, is cancelled or goes back to draft. `later` counts only what is scheduled, not what is published at once (nor what
    waits for approval to be)."""

    monthly: bool
    later: bool
    said: str


METRICS: Mapping[str, Metric] = {
    "scheduledTargetsPerMonth": Metric(True, True, "targets scheduled in a month"),
    "targetsPerMonth": Metric(True, False, "targets scheduled or published in a month"),
    "pendingTargets": Metric(False, False, "targets waiting to be published"),
}
"""What is counted. A target counts in the month in which it was scheduled, once, however often it is edited."""

PLAIN = ("horizonDays", "minSpacingMinutes", "excludedPlatforms")
"""What else a plan may say."""

MOST: Mapping[str, int] = {"horizonDays": 36_500, "minSpacingMinutes": 10_080}
"""A hundred years, and a week: beyond that a plan means something else, and sums of times would overflow."""

MOST_LIMIT = 10**12
"""The largest limit. Whoever means more means null."""

NOW = "now"
"""The period of counters that are not monthly."""


class Limit(NamedTuple):
    """At most `most` targets (None: counted, not limited), each `scope` by itself."""

    metric: str
    scope: Scope
    most: int | None


class Plan(NamedTuple):
    """A plan, read. Days and minutes are None or 0 where the plan says nothing."""

    name: str
    limits: tuple[Limit, ...] = ()
    horizon_days: int | None = None
    spacing_minutes: int = 0
    excluded: frozenset[str] = frozenset()


class Count(NamedTuple):
    """One counter: of a metric, in a period ("2027-06" or "now"), for the workspace (owner "workspace") or a profile's id."""

    metric: str
    period: str
    owner: str


UNLIMITED = Plan("unlimited")


def plan_of(settings: Mapping[str, Any]) -> Plan:
    """The plan in a workspace's settings; unlimited where there is none."""
    return read_plan(settings["plan"]) if settings.get("plan") else UNLIMITED


def read_plan(value: Any) -> Plan:
    """A plan from JSON: `{"pendingTargets": {"limit": 3, "scope": "workspace"}, "horizonDays": 7, "excludedPlatforms": ["x"]}`.

    A metric takes a number (workspace), an object, or a list of objects (a limit of each scope); a limit of null counts without
    limiting. Raises `Problem` invalid_request naming every member that is wrong.
    """
    if not isinstance(value, Mapping):
        raise Problem("invalid_request", "A plan is a JSON object.", pointer="/plan")
    known = (*METRICS, *PLAIN, "name")
    errors = [
        FieldError(f"/plan/{member}", "invalid_request", f"A plan has no {member!r}; it has: {', '.join(known)}.")
        for member in value if member not in known
    ]
    limits = [limit for metric in METRICS if metric in value for limit in _limits(metric, value[metric], errors)]
    horizon = _number("horizonDays", value.get("horizonDays"), SCOPES, errors)
    spacing = _number("minSpacingMinutes", value.get("minSpacingMinutes"), ("profile",), errors)
    excluded, name = value.get("excludedPlatforms"), value.get("name")
    if not (excluded is None or (isinstance(excluded, list | tuple) and all(isinstance(one, str) for one in excluded))):
        errors.append(FieldError("/plan/excludedPlatforms", "invalid_request", "excludedPlatforms is a list of platform names."))
    if not (name is None or isinstance(name, str)):
        errors.append(FieldError("/plan/name", "invalid_request", "The name of a plan is a string."))
    if errors:
        raise Problem("invalid_request", errors[0].detail, errors=errors)
    return Plan(name or "custom", tuple(limits), horizon or None, spacing or 0, frozenset(excluded or ()))


def _limits(metric: str, value: Any, errors: list[FieldError]) -> Iterable[Limit]:
    seen: set[str] = set()
    for one in value if isinstance(value, list) else [value]:
        entry = one if isinstance(one, Mapping) else {"limit": one}
        most, scope = entry.get("limit"), entry.get("scope", "workspace")
        if not _whole(most, MOST_LIMIT) or scope not in SCOPES or entry.keys() - {"limit", "scope"} or scope in seen:
            detail = f'{metric} is {{"limit": a whole number or null, "scope": "workspace" or "profile"}}, each scope once.'
            errors.append(FieldError(f"/plan/{metric}", "invalid_request", detail))
            continue
        seen.add(scope)
        yield Limit(metric, scope, most)


def _number(name: str, value: Any, scopes: tuple[Scope, ...], errors: list[FieldError]) -> int | None:
    entry = value if isinstance(value, Mapping) else {"limit": value}
    number = entry.get("limit")
    if _whole(number, MOST[name]) and not entry.keys() - {"limit", "scope"} and entry.get("scope", scopes[-1]) in scopes:
        return number
    detail = f"{name} is a whole number up to {MOST[name]:,}, 0 or null for none; its scope is {' or '.join(scopes)}."
    errors.append(FieldError(f"/plan/{name}", "invalid_request", detail))
    return None


def _whole(value: Any, most: int) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most)


def period_of(metric: str, now: datetime) -> str:
    """The period a counter belongs to: the month in UTC, or "now"."""
    return f"{now.astimezone(UTC):%Y-%m}" if METRICS[metric].monthly else NOW


def resets_at(metric: str, now: datetime) -> str | None:
    """When a counter begins again, RFC 3339; None where it is given back target by target."""
    if not METRICS[metric].monthly:
        return None
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return rfc3339(start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1))


def holds(post: Post, profile_id: str) -> bool:
    """Whether a target is pending: decided to go out, and not ended."""
    target = post.targets.get(profile_id)
    return post.stage not in ("draft", "cancelled") and target is not None and target.status in TARGET_OPEN


def asked(post: Post) -> frozenset[tuple[str, str]]:
    """(metric, profile id) of every target that a plan may count as the post stands."""
    at_once = post.stage == "queued" or post.publish_at is None
    return frozenset(
        (name, id) for name, metric in METRICS.items() if not (metric.later and at_once) for id in post.targets if holds(post, id)
    )


def charge(post: Post, plan: Plan, now: datetime, before: frozenset[tuple[str, str]] = frozenset()) -> Counter[Count]:
    """Charge `post` for what its stage asks of the plan, in `post.charges`; what to add to the counters.

    What it was charged before it is not charged again, and neither is what it asked for `before` an edit (`asked`): where that
    is not counted the plan came later. A draft is charged nothing.
    """
    added: Counter[Count] = Counter()
    wanted = asked(post) - before
    for limit in plan.limits:
        name = f"{limit.metric}@{limit.scope}"
        already = post.charges.get(name, [])
        fresh = [id for id in post.targets if (limit.metric, id) in wanted and id not in already]
        if fresh:
            post.charges[name] = [*already, *fresh]
            period = period_of(limit.metric, now)
            added.update(Count(limit.metric, period, "workspace" if limit.scope == "workspace" else id) for id in fresh)
    return added


def freed(post: Post) -> Counter[Count]:
    """What the post was charged and does not hold any more: what to take off the counters."""
    gone: Counter[Count] = Counter()
    for name, ids in post.charges.items():
        metric, _, scope = name.partition("@")
        if not METRICS[metric].monthly:
            gone.update(Count(metric, NOW, "workspace" if scope == "workspace" else id) for id in ids if not holds(post, id))
    return gone


def give_back(post: Post) -> Counter[Count]:
    """Take what is `freed` out of `post.charges`, too."""
    gone = freed(post)
    for name in list(post.charges) if gone else ():
        if not METRICS[name.partition("@")[0]].monthly:
            post.charges[name] = [id for id in post.charges[name] if holds(post, id)]
            if not post.charges[name]:
                del post.charges[name]
    return gone


def most_of(plan: Plan, count: Count) -> int | None:
    """The limit on a counter, None if there is none."""
    scope = "workspace" if count.owner == "workspace" else "profile"
    return next((limit.most for limit in plan.limits if (limit.metric, limit.scope) == (count.metric, scope)), None)


def exceeded(plan: Plan, added: Mapping[Count, int], used: Mapping[Count, int], now: datetime) -> Problem | None:
    """The refusal when the counters cannot take `added`, None if they can. Every limit that is broken has its entry."""
    errors = []
    for count, number in sorted(added.items()):
        most = most_of(plan, count)
        before = max(0, used.get(count, 0))
        if most is None or before + number <= most:
            continue
        left = max(0, most - before)
        where = "the workspace" if count.owner == "workspace" else f"the profile {count.owner}"
        until = resets_at(count.metric, now)
        detail = (
            f"The plan {plan.name} allows {most:,} {METRICS[count.metric].said} for {where}: {before:,} used, {left:,} left; "
            f"this takes {number:,}. " + (f"It begins again at {until}." if until else "They come free as posts go out.")
        )
        extra: dict[str, Any] = {
            "metric": count.metric, "limit": most, "used": before, "remaining": left, "resetsAt": until,
            "scope": "workspace" if count.owner == "workspace" else "profile",
        }
        if count.owner != "workspace":
            extra["profileId"] = count.owner
        errors.append(FieldError("/profileIds", "limit_exceeded", detail, extra))
    if not errors:
        return None
    return Problem("limit_exceeded", errors[0].detail, None, errors[0].extra, errors)


def usage_view(plan: Plan, used: Mapping[Count, int], now: datetime) -> dict[str, Any]:
    """`usage` of GET /v1/workspace: per metric limit, used, remaining, resetsAt; a profile's limit has its profiles, and the
    figures of the one that is nearest to it. A metric with a limit of each scope shows the workspace's and the profiles."""
    view: dict[str, Any] = {}
    for limit in plan.limits:
        period = period_of(limit.metric, now)
        counts = {c.owner: max(0, n) for c, n in used.items() if (c.metric, c.period) == (limit.metric, period)}
        if limit.scope == "workspace":
            view[limit.metric] = view.get(limit.metric, {}) | _figures(limit, counts.get("workspace", 0), now)
            continue
        profiles = {owner: _figures(limit, n, now) for owner, n in sorted(counts.items()) if owner != "workspace"}
        nearest = max((figures["used"] for figures in profiles.values()), default=0)
        view[limit.metric] = _figures(limit, nearest, now) | view.get(limit.metric, {}) | {"profiles": profiles}
    return view


def profile_view(plan: Plan, used: Mapping[Count, int], profile_id: str, now: datetime) -> dict[str, Any]:
    """A profile's own part of the plan, per metric."""
    own = [limit for limit in plan.limits if limit.scope == "profile"]
    return {
        limit.metric: _figures(limit, max(0, used.get(Count(limit.metric, period_of(limit.metric, now), profile_id), 0)), now)
        for limit in own
    }


def _figures(limit: Limit, used: int, now: datetime) -> dict[str, Any]:
    left = None if limit.most is None else max(0, limit.most - used)
    resets = resets_at(limit.metric, now)
    return {"limit": limit.most, "scope": limit.scope, "used": used, "remaining": left, "resetsAt": resets}
