"""Plans: both reference tables row by row, what is counted when, and that the counters never differ from what is pending."""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dateline.domain import lifecycle, limits
from dateline.domain.errors import Problem
from dateline.domain.limits import Count, Limit, Plan, charge, exceeded, freed, give_back, read_plan
from dateline.domain.post import Post, Target
from dateline.usecases.admit import refuse_by_plan

TABLES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "data" / "reference_plans.json").read_text(encoding="utf-8")
)
NOW = datetime(2027, 6, 15, 9, 0, tzinfo=UTC)
NEXT_MONTH = "2027-07-01T00:00:00Z"

PENDING, MONTH, SCHEDULED = "pendingTargets", "targetsPerMonth", "scheduledTargetsPerMonth"


def plan_named(table: str, name: str) -> Plan:
    return read_plan(next(row for row in TABLES[table] if row["name"] == name))


def post(*ids: str, stage: str = "scheduled", at: datetime | None = NOW + timedelta(hours=1)) -> Post:
    made = Post("post_1", "wks", "live", "", NOW, publish_at=at, targets={id: Target(id, "mastodon") for id in ids})
    lifecycle.stage(made, stage, NOW)
    return made


def many(number: int) -> Post:
    return post(*(f"prof_{n}" for n in range(number)))


# The reference tables

ROWS: dict[tuple[str, str], tuple[dict[tuple[str, str], int | None], int | None, int, frozenset[str]]] = {
    ("targets", "Starter"): ({(MONTH, "workspace"): 15, (PENDING, "workspace"): 3}, 7, 0, frozenset({"x"})),
    ("targets", "Pro"): ({(MONTH, "profile"): 100, (PENDING, "profile"): 100}, None, 0, frozenset()),
    ("targets", "Premium"): ({(MONTH, "profile"): 500, (PENDING, "profile"): 500}, None, 0, frozenset()),
    ("scheduled", "Free"): ({(SCHEDULED, "workspace"): 25}, None, 5, frozenset()),
    ("scheduled", "Starter"): ({(SCHEDULED, "workspace"): 500}, None, 5, frozenset()),
    ("scheduled", "Pro"): ({(SCHEDULED, "workspace"): 2500}, None, 5, frozenset()),
    ("scheduled", "Scale"): ({(SCHEDULED, "workspace"): 12500}, None, 5, frozenset()),
    ("scheduled", "Enterprise"): ({(SCHEDULED, "workspace"): None}, None, 5, frozenset()),
}
"""What the tables mean: limits, days of horizon, minutes of spacing, networks that are not included."""

LIMITS = [(*row, metric, scope, most) for row, (found, *_) in ROWS.items() for (metric, scope), most in found.items()]


def test_there_are_no_other_rows() -> None:
    assert {(table, row["name"]) for table, rows in TABLES.items() for row in rows} == ROWS.keys()


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_a_reference_plan_is_read_as_it_stands(row: tuple[str, str]) -> None:
    found, horizon, spacing, excluded = ROWS[row]
    plan = plan_named(*row)
    assert {(limit.metric, limit.scope): limit.most for limit in plan.limits} == found
    assert (plan.name, plan.horizon_days, plan.spacing_minutes, plan.excluded) == (row[1], horizon, spacing, excluded)


@pytest.mark.parametrize(("table", "name", "metric", "scope", "most"), LIMITS)
def test_what_fits_is_taken_and_one_more_is_not(table: str, name: str, metric: str, scope: str, most: int | None) -> None:
    plan = plan_named(table, name)
    taking = post("prof_a", "prof_b")
    added = charge(taking, plan, NOW)
    each = 2 if scope == "workspace" else 1
    owners = ["workspace"] if scope == "workspace" else ["prof_a", "prof_b"]
    counts = [Count(metric, "now" if metric == PENDING else "2027-06", owner) for owner in owners]
    assert [added[count] for count in counts] == [each] * len(owners)
    if most is None:
        assert exceeded(plan, added, {counts[0]: 10**9}, NOW) is None
        return
    assert exceeded(plan, added, dict.fromkeys(counts, most - each), NOW) is None
    problem = exceeded(plan, added, {counts[-1]: most - each + 1}, NOW)
    assert problem is not None and (problem.code, problem.status) == ("limit_exceeded", 403)
    said = {name: problem.extra[name] for name in ("metric", "limit", "used", "remaining", "resetsAt")}
    assert said == {
        "metric": metric, "limit": most, "used": most - each + 1, "remaining": each - 1,
        "resetsAt": None if metric == PENDING else NEXT_MONTH,
    }
    assert problem.extra.get("profileId") == (None if scope == "workspace" else "prof_b"), "only the profile that is full"


@pytest.mark.parametrize("row", ROWS, ids=" ".join)
def test_the_first_post_of_a_reference_plan_fills_it_exactly(row: tuple[str, str]) -> None:
    plan = plan_named(*row)
    tightest = min((limit.most for limit in plan.limits if limit.scope == "workspace" and limit.most), default=25)
    assert exceeded(plan, charge(many(tightest), plan, NOW), {}, NOW) is None
    over = exceeded(plan, charge(many(tightest + 1), plan, NOW), {}, NOW)
    limited = any(limit.scope == "workspace" and limit.most for limit in plan.limits)
    assert (over is not None) == limited


def test_a_profile_has_its_own_share_and_another_never_uses_it() -> None:
    plan = plan_named("targets", "Pro")
    full = {Count(PENDING, "now", "prof_a"): 100, Count(MONTH, "2027-06", "prof_a"): 100}
    assert exceeded(plan, charge(post("prof_b"), plan, NOW), full, NOW) is None
    problem = exceeded(plan, charge(post("prof_a", "prof_b"), plan, NOW), full, NOW)
    assert problem is not None and [error.extra["metric"] for error in problem.errors] == [PENDING, MONTH], "every limit is named"
    assert {error.extra["profileId"] for error in problem.errors} == {"prof_a"}


def test_starter_refuses_x_for_drafts_too() -> None:
    plan = plan_named("targets", "Starter")
    (problem,) = refuse_by_plan(plan, {"prof_m": "mastodon", "prof_x": "x"}, None, NOW)
    assert (problem.code, problem.status, problem.pointer) == ("platform_not_allowed", 403, "/profileIds/1")
    assert refuse_by_plan(plan_named("targets", "Pro"), {"prof_x": "x"}, None, NOW) == []


def test_a_horizon_ends_with_its_last_moment() -> None:
    plan = plan_named("targets", "Starter")
    last = NOW + timedelta(days=7)
    assert refuse_by_plan(plan, {"prof_m": "mastodon"}, last, NOW) == []
    (problem,) = refuse_by_plan(plan, {"prof_m": "mastodon"}, last + timedelta(seconds=1), NOW)
    assert (problem.code, problem.pointer) == ("limit_exceeded", "/scheduledFor")
    assert (problem.extra["metric"], problem.extra["limit"]) == ("horizonDays", 7)
    assert problem.extra["latest"] == "2027-06-22T09:00:00Z"
    for table, name in ROWS:
        if (table, name) != ("targets", "Starter"):
            assert refuse_by_plan(plan_named(table, name), {"p": "mastodon"}, NOW + timedelta(days=3000), NOW) == []


# Months

@pytest.mark.parametrize(("now", "period", "resets"), [
    ("2027-06-30T23:59:59Z", "2027-06", "2027-07-01"), ("2027-07-01T00:00:00Z", "2027-07", "2027-08-01"),
    ("2027-12-31T23:59:59Z", "2027-12", "2028-01-01"), ("2028-01-01T00:00:00Z", "2028-01", "2028-02-01"),
    ("2028-02-29T12:00:00Z", "2028-02", "2028-03-01"), ("2027-11-30T12:00:00Z", "2027-11", "2027-12-01"),
    ("2027-07-01T01:30:00+02:00", "2027-06", "2027-07-01"), ("2027-06-30T19:00:00-05:00", "2027-07", "2027-08-01"),
])
def test_a_month_is_a_calendar_month_in_utc(now: str, period: str, resets: str) -> None:
    moment = datetime.fromisoformat(now)
    assert (limits.period_of(MONTH, moment), limits.resets_at(MONTH, moment)) == (period, f"{resets}T00:00:00Z")
    assert (limits.period_of(PENDING, moment), limits.resets_at(PENDING, moment)) == ("now", None)


def test_a_target_counts_in_the_month_in_which_it_was_scheduled_whenever_it_goes_out() -> None:
    plan = plan_named("scheduled", "Free")
    made = post("prof_a", at=NOW + timedelta(days=40))
    assert charge(made, plan, NOW) == {Count(SCHEDULED, "2027-06", "workspace"): 1}
    edited = limits.asked(made)
    made.publish_at = NOW + timedelta(days=80)
    assert charge(made, plan, NOW + timedelta(days=30), edited) == {}, "an edit in the next month is the same target"


# What counts

PLAN = Plan("all", tuple(Limit(metric, scope, None) for metric in limits.METRICS for scope in limits.SCOPES))


def test_a_draft_takes_nothing() -> None:
    made = post("prof_a", "prof_b", stage="draft")
    assert (charge(made, PLAN, NOW), made.charges) == ({}, {})


def test_publishing_at_once_counts_as_a_target_but_not_as_a_scheduled_one() -> None:
    for made in (post("prof_a", stage="queued", at=NOW), post("prof_a", stage="pending_approval", at=None)):
        assert {count.metric for count in charge(made, PLAN, NOW)} == {PENDING, MONTH}, made.stage
    assert {count.metric for count in charge(post("prof_a", stage="pending_approval"), PLAN, NOW)} == set(limits.METRICS)


def test_what_was_to_go_at_once_counts_as_scheduled_once_it_is() -> None:
    made = post("prof_a", stage="queued", at=NOW)
    charge(made, PLAN, NOW)
    before = limits.asked(made)
    made.publish_at = NOW + timedelta(days=1)
    lifecycle.stage(made, "scheduled", NOW)
    assert charge(made, PLAN, NOW, before) == {
        Count(SCHEDULED, "2027-06", "workspace"): 1, Count(SCHEDULED, "2027-06", "prof_a"): 1,
    }


def test_an_edit_is_not_charged_for_what_was_scheduled_before_the_plan() -> None:
    made = post("prof_a", "prof_b")
    before = limits.asked(made)
    made.targets["prof_c"] = Target("prof_c", "mastodon")
    assert charge(made, PLAN, NOW, before).keys() == {
        Count(metric, limits.period_of(metric, NOW), owner) for metric in limits.METRICS for owner in ("workspace", "prof_c")
    }
    lifecycle.stage(made, "cancelled", NOW)
    assert give_back(made) == {Count(PENDING, "now", "workspace"): 1, Count(PENDING, "now", "prof_c"): 1}


def test_a_replaced_profile_gives_its_place_to_the_new_one() -> None:
    made = post("prof_a", "prof_b", "prof_c")
    charge(made, PLAN, NOW)
    before = limits.asked(made)
    made.targets = {id: Target(id, "mastodon") for id in ("prof_a", "prof_b", "prof_d")}
    added = charge(made, PLAN, NOW, before)
    assert added[Count(PENDING, "now", "workspace")] == freed(made)[Count(PENDING, "now", "workspace")] == 1
    assert added - freed(made) == Counter({
        Count(PENDING, "now", "prof_d"): 1, **{Count(metric, "2027-06", owner): 1 for metric in (MONTH, SCHEDULED)
                                               for owner in ("workspace", "prof_d")},
    }), "the month counts the new one too, and keeps the old"


def test_what_was_read_of_the_post_is_left_alone_by_looking() -> None:
    made = post("prof_a")
    charge(made, PLAN, NOW)
    lifecycle.stage(made, "draft", NOW)
    charged = {name: list(ids) for name, ids in made.charges.items()}
    assert freed(made) and made.charges == charged
    assert give_back(made) and not freed(made) and not give_back(made), "given back once"


@pytest.mark.parametrize("end", ["published", "failed", "unconfirmed"])
def test_each_target_gives_its_place_back_when_it_ends_and_a_retry_takes_none(end: str) -> None:
    made = post("prof_a", "prof_b", stage="queued", at=NOW)
    charge(made, PLAN, NOW)
    target = made.targets["prof_a"]
    lifecycle.claim(made, target, "token", NOW, 60.0)
    assert not give_back(made), "whoever is being published is pending"
    lifecycle.retry_later(made, target, NOW + timedelta(minutes=1), "rate_limited", "Later.", NOW)
    assert not give_back(made), "so is who is retried by itself"
    lifecycle.claim(made, target, "token", NOW, 60.0)
    lifecycle.end(made, target, end, NOW)
    assert give_back(made) == {Count(PENDING, "now", "workspace"): 1, Count(PENDING, "now", "prof_a"): 1}
    assert made.charges[f"{MONTH}@workspace"] == ["prof_a", "prof_b"], "a month is never given back"
    if end == "failed":
        lifecycle.reopen(made, target, NOW)
        lifecycle.conclude(made, NOW)
        assert not give_back(made)
        lifecycle.end(made, target, "failed", NOW)
        assert not give_back(made), "nor is it given back twice"


# The counters are what is pending

ADMITTED = ("draft", "pending_approval", "scheduled", "queued", "profiles", "time")
MOVES = (
    *ADMITTED, "cancelled", "month", "too late",
    "claim", "claim", "published", "failed", "unconfirmed", "later", "retry", "settle",
)


ADMITTED = ("draft", "pending_approval", "scheduled", "queued", "cancelled", "profiles", "time")
"""The moves of clients that pass an admission."""


@st.composite
def moves(draw: st.DrawFn) -> list[tuple[str, list[str]]]:
    ids = st.lists(st.sampled_from(["prof_a", "prof_b", "prof_c", "prof_d"]), min_size=1, max_size=4, unique=True)
    return draw(st.lists(st.tuples(st.sampled_from(MOVES), ids), max_size=25))


def move(made: Post, name: str, ids: list[str], now: datetime) -> None:
    """One move of a client or a worker, as the use cases do it. Raises `Problem` where it is not allowed."""
    targets = [made.targets[id] for id in ids if id in made.targets]
    if name in ("draft", "pending_approval", "scheduled", "queued", "cancelled"):
        lifecycle.stage(made, name, now)
        made.publish_at = now if name == "queued" else made.publish_at or now
    elif name == "profiles" and made.status in lifecycle.EDITABLE:
        made.targets = {id: Target(id, "mastodon") for id in ids}
        lifecycle.stage(made, "scheduled" if made.status == "queued" else made.status, now)
    elif name == "time" and made.status == "pending_approval":
        made.publish_at = None if made.publish_at else now
    elif targets and name == "claim" and made.status in ("queued", "publishing"):
        lifecycle.claim(made, targets[0], "token", now, 60.0)
    elif targets and name in ("published", "failed", "unconfirmed") and targets[0].status == "publishing":
        lifecycle.end(made, targets[0], name, now)
    elif name == "too late" and made.status in ("queued", "pending_approval"):
        made.stage = "queued"
        lifecycle.fail_waiting(made, "too_late", "Nobody decided.", now)
    elif targets and name == "later" and targets[0].status == "publishing":
        lifecycle.retry_later(made, targets[0], now, "x", "y", now)
    elif targets and name == "retry" and targets[0].status == "failed":
        lifecycle.reopen(made, targets[0], now)
        lifecycle.conclude(made, now)
    elif targets and name == "settle":
        lifecycle.settle(made, targets[0], "not_published", None, now, of_segments=1)


@settings(max_examples=300)
@given(moves())
def test_the_counters_are_what_is_pending_whatever_a_post_goes_through(steps: list[tuple[str, list[str]]]) -> None:
    made, now, used = post("prof_a", "prof_b", stage="draft"), NOW, Counter[Count]()
    retried: set[str] = set()
    monthly: dict[str, dict[str, str]] = {MONTH: {}, SCHEDULED: {}}
    for name, ids in steps:
        if name == "month":
            now += timedelta(days=31)
            continue
        before, failed = limits.asked(made), {id for id, target in made.targets.items() if target.status == "failed"}
        tried = deepcopy(made)
        try:
            move(tried, name, ids, now)
        except Problem:
            continue
        made = tried
        if name in ADMITTED:
            used.update(charge(made, PLAN, now, before))
        used.subtract(give_back(made))
        retried = {id for id in retried | failed if limits.holds(made, id)}
        pending = {id for id in made.targets if limits.holds(made, id)} - retried
        assert used[Count(PENDING, "now", "workspace")] == len(pending)
        for id in ("prof_a", "prof_b", "prof_c", "prof_d"):
            assert used[Count(PENDING, "now", id)] == (id in pending)
        for metric, counted in monthly.items():
            for id in made.targets:
                if (metric, id) in limits.asked(made):
                    counted.setdefault(id, f"{now:%Y-%m}")  # once, in the month it was first asked for
            seen = {count.owner: count.period for count, number in used.items() if count.metric == metric and number == 1}
            assert {id: period for id, period in seen.items() if id != "workspace"} == counted
        assert all(number >= 0 for number in used.values())


# Reading a plan

@pytest.mark.parametrize(("plan", "pointers"), [
    ([], ["/plan"]),
    ({"postsPerDay": 3}, ["/plan/postsPerDay"]),
    ({"pendingTargets": -1}, ["/plan/pendingTargets"]),
    ({"pendingTargets": True}, ["/plan/pendingTargets"]),
    ({"pendingTargets": 2.5}, ["/plan/pendingTargets"]),
    ({"pendingTargets": "3"}, ["/plan/pendingTargets"]),
    ({"pendingTargets": 10**30}, ["/plan/pendingTargets"]),
    ({"pendingTargets": {"limit": 3, "scope": "team"}}, ["/plan/pendingTargets"]),
    ({"pendingTargets": {"limit": 3, "scope": ["workspace"]}}, ["/plan/pendingTargets"]),
    ({"pendingTargets": {"limit": 3, "per": "profile"}}, ["/plan/pendingTargets"]),
    ({"pendingTargets": [{"limit": 3}, {"limit": 4, "scope": "workspace"}]}, ["/plan/pendingTargets"]),
    ({"horizonDays": -1}, ["/plan/horizonDays"]),
    ({"horizonDays": 10**10}, ["/plan/horizonDays"]),
    ({"horizonDays": {"days": 7}}, ["/plan/horizonDays"]),
    ({"minSpacingMinutes": {"limit": 5, "scope": "workspace"}}, ["/plan/minSpacingMinutes"]),
    ({"minSpacingMinutes": 10**6}, ["/plan/minSpacingMinutes"]),
    ({"excludedPlatforms": "x"}, ["/plan/excludedPlatforms"]),
    ({"excludedPlatforms": [1]}, ["/plan/excludedPlatforms"]),
    ({"excludedPlatforms": 0}, ["/plan/excludedPlatforms"]),
    ({"name": {"en": "Pro"}}, ["/plan/name"]),
    ({"nope": 1, "targetsPerMonth": "many", "horizonDays": "7"}, ["/plan/nope", "/plan/targetsPerMonth", "/plan/horizonDays"]),
])
def test_a_wrong_plan_is_told_where(plan: Any, pointers: list[str]) -> None:
    with pytest.raises(Problem) as refused:
        read_plan(plan)
    assert refused.value.code == "invalid_request"
    assert [error.pointer for error in refused.value.errors] == pointers
    assert all(error.detail for error in refused.value.errors)


@pytest.mark.parametrize(("plan", "meant"), [
    ({}, Plan("custom")),
    ({"pendingTargets": 3}, Plan("custom", (Limit(PENDING, "workspace", 3),))),
    ({"pendingTargets": {"limit": 0}}, Plan("custom", (Limit(PENDING, "workspace", 0),))),
    ({"pendingTargets": None}, Plan("custom", (Limit(PENDING, "workspace", None),))),
    ({"pendingTargets": [{"limit": 9}, {"limit": 2, "scope": "profile"}]},
     Plan("custom", (Limit(PENDING, "workspace", 9), Limit(PENDING, "profile", 2)))),
    ({"name": "A", "horizonDays": 0, "minSpacingMinutes": None, "excludedPlatforms": []}, Plan("A")),
    ({"horizonDays": {"limit": 7, "scope": "workspace"}, "minSpacingMinutes": 5}, Plan("custom", (), 7, 5)),
])
def test_a_plan_may_be_written_in_short(plan: dict[str, Any], meant: Plan) -> None:
    assert read_plan(plan) == meant


def test_no_plan_is_unlimited() -> None:
    assert limits.plan_of({}) == limits.plan_of({"plan": None}) == limits.UNLIMITED
    assert not charge(many(25), limits.UNLIMITED, NOW)


def test_a_limit_of_nothing_lets_nothing_through() -> None:
    plan = read_plan({"pendingTargets": 0})
    problem = exceeded(plan, charge(post("prof_a"), plan, NOW), {}, NOW)
    assert problem is not None and (problem.extra["limit"], problem.extra["remaining"]) == (0, 0)


# Showing it

def test_usage_shows_the_workspace_and_the_profile_that_is_nearest_to_its_limit() -> None:
    own = {"limit": 2, "scope": "profile"}
    plan = read_plan({"pendingTargets": [{"limit": 9}, own], "targetsPerMonth": {**own, "limit": 5}})
    used = {
        Count(PENDING, "now", "workspace"): 4, Count(PENDING, "now", "prof_a"): 1, Count(PENDING, "now", "prof_b"): 3,
        Count(MONTH, "2027-06", "prof_a"): 4, Count(MONTH, "2027-05", "prof_b"): 5,
    }
    view = limits.usage_view(plan, used, NOW)
    assert {name: view[PENDING][name] for name in ("limit", "scope", "used", "remaining", "resetsAt")} == {
        "limit": 9, "scope": "workspace", "used": 4, "remaining": 5, "resetsAt": None,
    }
    assert view[PENDING]["profiles"]["prof_b"] == {"limit": 2, "scope": "profile", "used": 3, "remaining": 0, "resetsAt": None}
    assert (view[MONTH]["used"], view[MONTH]["remaining"], view[MONTH]["resetsAt"]) == (4, 1, NEXT_MONTH)
    assert view[MONTH]["profiles"].keys() == {"prof_a"}, "the month before is over"
    assert limits.profile_view(plan, used, "prof_b", NOW) == {
        PENDING: {"limit": 2, "scope": "profile", "used": 3, "remaining": 0, "resetsAt": None},
        MONTH: {"limit": 5, "scope": "profile", "used": 0, "remaining": 5, "resetsAt": NEXT_MONTH},
    }
