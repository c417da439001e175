"""How a workspace or a profile stands: the plan's counters, the calendar, the caps. Reads only, with the same rules as an
admission."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..domain import calendar, limits
from ..domain.instants import rfc3339
from ..domain.rules import Rules
from ..store.profiles import Profile
from . import quotas
from .admit import spacing_of
from .calendars import Calendars, Rule, cap_of

if TYPE_CHECKING:
    from ..wiring import Deps


def of_workspace(deps: Deps, settings: Mapping[str, Any], side: str) -> dict[str, Any]:
    """`usage` of GET /v1/workspace; `{}` where the plan counts nothing. One query for each period the plan counts in."""
    plan, now = limits.plan_of(settings), deps.clock.now()
    periods = sorted({limits.period_of(limit.metric, now) for limit in plan.limits})
    return limits.usage_view(plan, deps.allowances.usage(side, periods), now) if periods else {}


def of_profile(deps: Deps, settings: Mapping[str, Any], profile: Profile, rules: Rules, at: datetime) -> dict[str, Any]:
    """GET /v1/profiles/{id}/limits. The calendar is that of `at`; a month counts what is scheduled in it, so the plan is that of
    now."""
    plan, calendars, now = limits.plan_of(settings), Calendars(deps), deps.clock.now()
    spacing, cap = timedelta(minutes=spacing_of(settings, plan)), cap_of(rules, profile.settings)
    # Both rules together, as a create is held against them: the time that is named is one that will be taken.
    free = rfc3339(calendars.next_free(profile.id, Rule(spacing, cap), at)) if spacing or cap else rfc3339(at)
    caps = []
    if cap is not None:
        used = calendar.used_around(at, calendars.surely(profile.id, at - cap.span, at + cap.span), cap)
        caps.append({
            "limit": cap.most, "window": f"PT{cap.hours}H", "used": used, "remaining": max(0, cap.most - used),
            "nextOkAt": free,
        })
    own = [limit for limit in plan.limits if limit.scope == "profile"]
    used_of = deps.allowances.read(
        profile.partition, (), counters={(limits.period_of(limit.metric, now), profile.id) for limit in own}
    ).used if own else {}
    return {
        "profileId": profile.id, "platform": profile.platform, "at": rfc3339(at), "caps": caps,
        "spacing": {"minutes": int(spacing.total_seconds() // 60), "nextFreeAt": free} if spacing else None,
        "plan": limits.profile_view(plan, used_of, profile.id, now),
        "network": [
            {"name": q.name, "limit": q.limit, "remaining": q.remaining, "resetsAt": rfc3339(q.resets_at)}
            for q in quotas.of_profile(profile) if q.resets_at is not None and q.resets_at > now
        ],
    }
