"""What a workspace's rules promise, whatever happens: limits are counted exactly and never exceeded, posts of a profile keep
their distance and its daily cap, nobody is a duplicate unasked, nothing goes out that was not approved.

The rules of a seed never change, so that every post must have been admitted under them. What failed once is left out where
a retry may send it again: that asks nobody. The posts are counted afresh here, not by the code that is held to account.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dateline.domain.fingerprints import TWIN_SPAN, content_hash, decision_hash
from dateline.domain.limits import METRICS, Count, Plan, plan_of
from dateline.domain.post import Post, Target
from tests.simulation.invariants import Violation

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

DAY = timedelta(hours=24)
OPEN = frozenset({"waiting", "placing", "placed", "publishing", "retrying", "held"})
DECIDED = frozenset({"scheduled", "queued"})
"""Stages in which a post goes out unless somebody stops it."""


def check(sim: Simulation) -> None:
    """Everything that must hold at any moment."""
    posts, rules = sim.posts(), sim.rules
    if rules.get("plan"):
        _counted(sim, posts, plan_of(rules))
    if rules.get("spacing"):
        _apart(posts, timedelta(minutes=rules["spacing"]))
    for profile_id, most in rules.get("dailyPosts", {}).items():
        _capped(posts, profile_id, most)
    if rules.get("approvals"):
        _approved(sim, posts)
    _no_duplicates(sim, posts)


def once_failed(post: Post, profile_id: str) -> bool:
    """Whether a target ever failed: a retry asks no rule again."""
    return any(line.kind == "target.failed" and line.profile_id == profile_id for line in post.trail)


def admitted(posts: Mapping[str, Post]) -> Iterator[tuple[Post, Target]]:
    """Every target that is to go out at a known time, or is out, and never failed."""
    for post in posts.values():
        if post.stage not in ("draft", "cancelled") and post.publish_at is not None:
            for target in post.targets.values():
                if target.status not in ("failed", "cancelled") and not once_failed(post, target.profile_id):
                    yield post, target


# Limits


def charged(posts: Mapping[str, Post]) -> tuple[Counter[Count], Counter[tuple[str, str]]]:
    """What the posts say they were charged: pending by counter, monthly ones by (metric, owner)."""
    pending: Counter[Count] = Counter()
    monthly: Counter[tuple[str, str]] = Counter()
    for post in posts.values():
        for name, ids in post.charges.items():
            metric, _, scope = name.partition("@")
            if len(ids) != len(set(ids)):
                raise Violation(f"{post.metadata.get('label')} was charged twice: {name} {ids}")
            for profile_id in ids:
                owner = "workspace" if scope == "workspace" else profile_id
                if METRICS[metric].monthly:
                    monthly[metric, owner] += 1
                else:
                    pending[Count(metric, "now", owner)] += 1
    return pending, monthly


def _counted(sim: Simulation, posts: Mapping[str, Post], plan: Plan) -> None:
    """Counters say what the posts were charged (and what imports that are still being written have reserved); no counter and
    no number of targets is above its limit."""
    stored, reserved = sim.usage(), sim.under_way()
    pending, monthly = charged(posts)
    for counter in {*pending, *(c for c in stored if c.period == "now")}:
        is_there, wanted = stored.get(counter, 0), pending[counter]
        if is_there < wanted or (is_there > wanted and not reserved):
            raise Violation(f"{counter} is counted as {is_there}, the posts hold {wanted}")
    months: Counter[tuple[str, str]] = Counter()
    for counter, number in stored.items():
        if counter.period != "now":
            months[counter.metric, counter.owner] += number
    for key in {*months, *monthly}:
        if months[key] < monthly[key] or (months[key] > monthly[key] and not reserved):
            raise Violation(f"{key} is counted as {months[key]}, the posts were charged {monthly[key]}")
    for limit in plan.limits:
        if limit.most is None:
            continue
        for counter, number in stored.items():
            scope = "workspace" if counter.owner == "workspace" else "profile"
            if (counter.metric, scope) == (limit.metric, limit.scope) and number > limit.most:
                raise Violation(f"{counter} is {number}, above its limit of {limit.most}")
        if limit.metric == "pendingTargets":
            _pending(posts, limit.scope, limit.most)


def _pending(posts: Mapping[str, Post], scope: str, most: int) -> None:
    """Never more targets that wait than the limit, and each of them is charged."""
    waiting: Counter[str] = Counter()
    for post in posts.values():
        if post.stage in ("draft", "cancelled"):
            continue
        for target in post.targets.values():
            if target.status in OPEN and not once_failed(post, target.profile_id):
                waiting["workspace" if scope == "workspace" else target.profile_id] += 1
                if target.profile_id not in post.charges.get(f"pendingTargets@{scope}", ()):
                    raise Violation(f"{post.metadata.get('label')}: {target.profile_id} is pending and not charged")
    for owner, number in waiting.items():
        if number > most:
            raise Violation(f"{number} targets of {owner} are pending, {most} are allowed")


# The calendar


def _times(posts: Mapping[str, Post]) -> dict[str, list[tuple[Any, str]]]:
    booked: dict[str, list[tuple[Any, str]]] = {}
    for post, target in admitted(posts):
        booked.setdefault(target.profile_id, []).append((post.publish_at, str(post.metadata.get("label"))))
    return {profile_id: sorted(times) for profile_id, times in booked.items()}


def _apart(posts: Mapping[str, Post], spacing: timedelta) -> None:
    """Two posts of a profile lie at least that far apart."""
    for profile_id, times in _times(posts).items():
        for (first, one), (second, other) in pairwise(times):
            if second - first < spacing:
                raise Violation(f"{profile_id}: {one} at {first} and {other} at {second} are closer than {spacing}")


def _capped(posts: Mapping[str, Post], profile_id: str, most: int) -> None:
    """No 24 hours hold more posts of the profile than it takes."""
    times = _times(posts).get(profile_id, [])
    for first, last in zip(times, times[most:], strict=False):
        if last[0] - first[0] < DAY:
            raise Violation(f"{profile_id} takes {most} posts a day and has one more from {first} to {last}")


def _no_duplicates(sim: Simulation, posts: Mapping[str, Post]) -> None:
    """The same content on one profile within a day, only where it was asked for."""
    same: dict[tuple[str, str], list[Post]] = {}
    for post, target in admitted(posts):
        if not post.allow_duplicate:
            same.setdefault((target.profile_id, sim.cached(post, "content", target.platform, _content)), []).append(post)
    for (profile_id, _), twins in same.items():
        twins.sort(key=lambda post: post.sort_at)
        for one, other in pairwise(twins):
            if other.sort_at - one.sort_at < TWIN_SPAN:
                names = [post.metadata.get("label") for post in (one, other)]
                raise Violation(f"{profile_id}: {names} are the same within a day ({one.sort_at}, {other.sort_at})")


def _content(post: Post, platform: str) -> str:
    return content_hash(post.draft_for(platform))


# Approvals


def _approved(sim: Simulation, posts: Mapping[str, Post]) -> None:
    """Nothing is on its way, or seen, but what somebody approved exactly as it is."""
    for post in posts.values():
        label = post.metadata.get("label")
        if post.stage not in DECIDED:
            continue
        approval = post.approval or {"state": "never asked for", "hash": None}
        if approval["state"] == "pending" and all(t.status == "failed" and not t.tries for t in post.targets.values()):
            continue  # nobody decided in time
        if approval["state"] != "approved":
            raise Violation(f"{label} is {post.status}, and its approval is {approval['state']}")
        if approval["hash"] not in sim.cached(post, "decision", "", _decisions):
            raise Violation(f"{label} is {post.status}, and is not what was approved")
        if post.id not in sim.approving:
            raise Violation(f"{label} is {post.status}, and nobody asked to approve it")
    shown = {(entry.profile_id, entry.text) for entry in sim.world.ledger}
    for post in posts.values():
        if post.stage in DECIDED and (post.approval or {}).get("state") == "approved":
            for target in post.targets.values():
                shown -= {(target.profile_id, segment.text) for segment in post.draft_for(target.platform).whole}
    if shown:
        raise Violation(f"seen without an approval: {sorted(shown)}")


def _decisions(post: Post, _: str) -> tuple[str, ...]:
    """What may have been approved: the post as it is, or without a time where approval gave it its time."""
    exact = decision_hash(post)
    return (exact,) if post.intent else (exact, decision_hash(replace(post, publish_at=None)))
