"""The rules of a seed's workspace: drawn as data, and set up before the first step."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dateline.domain.queues import DAYS
from local.seed import WORKSPACE

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

PROFILES = ("prof_mastodon", "prof_gotosocial", "prof_bluesky", "prof_x", "prof_telegram")
"""What is played where nothing else was drawn."""

THREADED = ("prof_mastodon", "prof_gotosocial", "prof_bluesky", "prof_x", "prof_threads", "prof_reddit")
POOL = (*PROFILES, "prof_threads", "prof_linkedin", "prof_facebook", "prof_google_business", "prof_reddit")
VIDEOS = "prof_youtube"
"""Takes nothing but videos, one to a post, and keeps them until their time unasked."""

KEEPERS = ("mastodon", "facebook", "google_business")
"""Networks that keep a post until its time where that is asked for."""

NO_COMMENT = ("prof_telegram", "prof_google_business")
PER_DAY = 12
"""Slots of each weekday: so many posts find a place within the days that a run has to come to rest."""

DENSE = 16
"""Further slots close together, on the day and around the hour at which a run begins."""


def platform_of(profile_id: str) -> str:
    """The network of a profile of the simulation."""
    return "mastodon" if "gotosocial" in profile_id else profile_id.removeprefix("prof_")


def cast(draw: random.Random) -> list[str]:
    """The profiles that a seed plays: five, two of which take threads, and now and then one for videos."""
    chosen = set(draw.sample(THREADED, 2))
    chosen |= set(draw.sample([profile_id for profile_id in POOL if profile_id not in chosen], 3))
    return sorted(chosen) + ([VIDEOS] if draw.random() < 0.2 else [])


def drawn(draw: random.Random, profiles: Sequence[str]) -> dict[str, Any]:
    """The rules of a seed that plays these profiles; often none. `plan` as `limits.read_plan` takes it, `spacing` in minutes,
    `approvals`, `dailyPosts` by profile, `queue` with the minutes between its dense slots (0: none are) and its capacity."""
    rules: dict[str, Any] = {}
    if draw.random() < 0.35:
        rules["plan"] = _plan(draw)
    if draw.random() < 0.25:
        rules["spacing"] = draw.randint(1, 10)
    if draw.random() < 0.2:
        rules["approvals"] = True
    if draw.random() < 0.25:
        rules["dailyPosts"] = {id: draw.randint(3, 6) for id in sorted(draw.sample(profiles, draw.randint(1, 3)))}
    if draw.random() < 0.45:
        rules["queue"] = {"minutes": draw.choice((0, 1, 2, 3, 5)), "capacity": draw.choice((1, 1, 2))}
    return rules


def _plan(draw: random.Random) -> dict[str, Any]:
    plan: dict[str, Any] = {}
    whole, each = {"limit": draw.randint(3, 10)}, {"limit": draw.randint(2, 5), "scope": "profile"}
    if draw.random() < 0.75:
        plan["pendingTargets"] = draw.choice((whole, each, [whole, each]))
    if not plan or draw.random() < 0.5:
        name = draw.choice(("targetsPerMonth", "targetsPerMonth", "scheduledTargetsPerMonth"))
        plan[name] = draw.choice(({"limit": draw.randint(8, 40)}, {"limit": draw.randint(4, 12), "scope": "profile"}))
    return plan


def set_up(sim: Simulation, rules: Mapping[str, Any]) -> None:
    """Make the rules those of the simulation's workspace."""
    deps = sim.dateline.deps
    settings: dict[str, Any] = {"name": "Simulated workspace"}
    if rules.get("plan"):
        settings["plan"] = rules["plan"]
    if rules.get("spacing"):
        settings["min_spacing_minutes"] = rules["spacing"]
    if rules.get("approvals"):
        settings["approvals_required"] = True
    deps.workspaces.save_settings(WORKSPACE, settings)
    for profile_id, most in rules.get("dailyPosts", {}).items():
        answer = sim.request("PATCH", f"/v1/profiles/{profile_id}", {"settings": {"dailyPosts": most}})
        assert answer.status == 200, answer.body
    if rules.get("queue"):
        slots = _slots(rules["queue"]["minutes"])
        body = {"name": "Simulated", "timezone": "UTC", "slots": slots, "capacity": rules["queue"]["capacity"]}
        answer = sim.request("POST", "/v1/queues", body)
        assert answer.status == 201, answer.body
        sim.queue_id = answer.json()["id"]


def _slots(minutes: int) -> list[dict[str, str]]:
    times = {(day, f"{24 * number // PER_DAY:02}:30") for day in DAYS for number in range(PER_DAY)}
    if minutes:
        first = 9 * 60 + 1  # a run begins on a Tuesday at nine
        dense = (first + minutes * number for number in range(DENSE))
        times |= {("tuesday", f"{at // 60:02}:{at % 60:02}") for at in dense}
    return [{"day": day, "time": time} for day, time in sorted(times)]
