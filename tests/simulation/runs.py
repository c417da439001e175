"""Running a seed, replaying a list of steps, and cutting a failing one down to the steps that matter."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pprint import pformat
from typing import Any, NamedTuple

from tests.simulation.invariants import Violation
from tests.simulation.steps import Steps
from tests.simulation.world import Simulation

Say = Callable[[str], None]


class Run(NamedTuple):
    """How a run went: its steps as data, and what was broken (None: nothing)."""

    setting: Mapping[str, Any]
    steps: tuple[dict[str, Any], ...]
    broken: str | None
    ends: Mapping[str, int]


def _ends(sim: Simulation) -> dict[str, int]:
    ends: dict[str, int] = {}
    for post in sim.posts().values():
        for target in post.targets.values():
            name = target.status + (f" {target.error['code']}" if target.error else "")
            if target.comment is not None:
                name += f", comment {target.comment['status']} {target.comment['code']}"
            elif len(target.remotes) == len((draft := post.draft_for(target.platform)).whole) > len(draft.segments):
                name += " with comment"
            if target.status == "published" and (target.native or {}).get("state") == "placed":
                name += ", kept until its time"
            if target.removal is not None:
                name += f", removal {target.removal['status']}"
            ends[name] = ends.get(name, 0) + 1
    return ends


def run_seed(seed: int, most_steps: int | None = None, say: Say | None = None) -> Run:
    """One seed from its first step until everything is at rest."""
    source = Steps(seed, most_steps)
    taken: list[dict[str, Any]] = []
    with Simulation(source.setting) as sim:
        try:
            for _ in range(source.count):
                taken.append(step := source.next(sim))
                if say is not None:
                    say(f"{sim.clock.now():%d %H:%M:%S.%f} {step}")
                sim.perform(step)
            sim.come_to_rest()
        except (Violation, RuntimeError, ArithmeticError, LookupError, TypeError, ValueError) as broken:
            return Run(source.setting, tuple(taken), said_of(broken), {})
        return Run(source.setting, tuple(taken), None, _ends(sim))


def said_of(broken: Exception) -> str:
    """A violation in its own words; anything else is a fault of the simulation or of the stack, and says where."""
    if isinstance(broken, Violation):
        return str(broken)
    import traceback

    return "".join(traceback.format_exception(broken)[-6:])


def replay(setting: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], say: Say | None = None) -> str | None:
    """The same steps again, without the generator. What was broken, None if nothing was."""
    with Simulation(setting) as sim:
        try:
            for step in steps:
                if say is not None:
                    say(f"{sim.clock.now():%d %H:%M:%S.%f} {step}")
                sim.perform(step)
            sim.come_to_rest()
        except (Violation, RuntimeError, ArithmeticError, LookupError, TypeError, ValueError) as broken:
            return said_of(broken)
    return None


def shrink(run: Run, seconds: float = 60.0) -> Run:
    """Leave out steps, then troubles, as long as something still breaks. Gives up after so many seconds of real time."""
    until = time.monotonic() + seconds
    steps, broken = list(run.steps), run.broken
    if (again := replay(run.setting, steps)) is None:
        return run
    broken = again
    size = max(1, len(steps) // 2)
    while size and time.monotonic() < until:
        at = 0
        while at < len(steps) and time.monotonic() < until:
            fewer = steps[:at] + steps[at + size :]
            if fewer and (said := replay(run.setting, fewer)) is not None:
                steps, broken = fewer, said
            else:
                at += size
        size //= 2
    for place, step in enumerate(steps):
        for number in reversed(range(len(step.get("trouble", ())))):
            less = {**steps[place], "trouble": [t for n, t in enumerate(steps[place]["trouble"]) if n != number]}
            fewer = [*steps[:place], less, *steps[place + 1 :]]
            if time.monotonic() < until and (said := replay(run.setting, fewer)) is not None:
                steps, broken = fewer, said
    return Run(run.setting, tuple(steps), broken, {})


def script(run: Run) -> str:
    """A short program that breaks the same promise."""
    return (
        "from tests.simulation.runs import replay\n\n"
        f"SETTING = {pformat(dict(run.setting), width=120)}\n"
        f"STEPS = {pformat(list(run.steps), width=120, sort_dicts=False)}\n\n"
        "print(replay(SETTING, STEPS, print))\n"
    )
