"""The simulation over a handful of seeds, and the proof that it would notice a missing protection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dateline.domain import lifecycle
from dateline.platforms.base import Retry
from dateline.usecases import outcomes
from tests.simulation.runs import Run, replay, run_seed, script, shrink
from tests.simulation.world import Step

SEEDS = 20
MOST_SEEDS_TO_NOTICE = 12

CREATE: Step = {"op": "create", "label": "p1", "profiles": ["prof_telegram"], "texts": ["p1 version 1 part 0"], "when": "now"}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_promise_holds_whatever_happens(seed: int) -> None:
    run = run_seed(seed)
    assert run.broken is None, f"{run.broken}\npython -m tools.simulate --seed {seed}"


def test_a_run_can_be_repeated_from_its_steps_alone() -> None:
    first = run_seed(2)
    steps: list[str] = []
    assert replay(first.setting, first.steps, steps.append) is None
    again: list[str] = []
    assert replay(first.setting, first.steps, again.append) is None
    assert steps == again and len(steps) == len(first.steps)


def test_a_lost_answer_that_was_sent_again_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def send_again(work: Any, delivery: Any) -> str:
        return outcomes._retry(work, Retry("answer_lost", "Send it again."), delivery)

    monkeypatch.setattr(outcomes, "_unknown", send_again)
    lost = {"op": "fault", "platform": "telegram", "kind": "lost_answer", "times": 1}
    steps: list[Step] = [lost, CREATE, {"op": "run", "seconds": 120}]
    assert_noticed(replay({"seed": 0}, steps), "which no target knows of")


def test_a_call_that_was_not_armed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "arm", lambda target, segment, now: None)
    crash = {"kind": "crash", "phase": "after", "on": "network", "nth": 1}
    steps: list[Step] = [CREATE, {"op": "deliver", "which": 0, "wait": 10, "trouble": [crash]}]
    assert_noticed(replay({"seed": 0}, steps), "no target knows of")


def test_an_absence_that_counts_too_early_is_noticed() -> None:
    slow = {"op": "fault", "platform": "mastodon", "kind": "slow", "times": 1, "seconds": 10.0}
    create = {**CREATE, "profiles": ["prof_gotosocial"]}
    steps: list[Step] = [slow, create, {"op": "run", "seconds": 120}]
    assert replay({"seed": 0}, steps) is None
    assert replay({"seed": 0, "settle": 0.5, "scale": 0.01}, steps) is not None


def test_random_steps_find_a_lost_answer_that_was_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def send_again(work: Any, delivery: Any) -> str:
        return outcomes._retry(work, Retry("answer_lost", "Send it again."), delivery)

    monkeypatch.setattr(outcomes, "_unknown", send_again)
    run = first_broken(run_seed)
    small = shrink(run, seconds=3.0)
    assert len(small.steps) <= len(run.steps) and "replay(SETTING, STEPS" in script(small)


def assert_noticed(broken: str | None, words: str) -> None:
    assert broken is not None and words in broken, broken


def first_broken(run: Callable[[int], Run]) -> Run:
    for seed in range(MOST_SEEDS_TO_NOTICE):
        if (result := run(seed)).broken is not None:
            return result
    pytest.fail(f"{MOST_SEEDS_TO_NOTICE} seeds noticed nothing")
