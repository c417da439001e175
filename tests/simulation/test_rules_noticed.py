"""The simulation would notice a rule that is not held: each is broken once, where two meet in the worst moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dateline.domain import approvals
from dateline.store.allowances import Allowances, Toll
from dateline.store.queues import take
from dateline.usecases import admit, bulk_reserve, queues, write
from tests.simulation.runs import replay
from tests.simulation.world import Step

Patch = pytest.MonkeyPatch
FIRST: Step = {"op": "create", "label": "p1", "profiles": ["prof_telegram"], "texts": ["p1"], "in": 600}
SECOND: Step = {**FIRST, "label": "p2", "texts": ["p2"]}
QUEUE = {"queue": {"minutes": 1, "capacity": 1}}
ROWS: Step = {"op": "bulk", "rows": [FIRST, {**SECOND, "in": 7200}]}


def meeting(rules: Mapping[str, Any], first: Step, second: Step) -> str | None:
    """What breaks when `second` happens after `first` was decided and before it is written."""
    trouble = {"kind": "step", "phase": "before", "on": "TransactWriteItems", "nth": 1, "step": second}
    return replay({"seed": 0, "rules": rules}, [{**first, "trouble": [trouble]}])


def without_limits(monkeypatch: Patch) -> None:
    monkeypatch.setattr(admit, "Toll", lambda added={}, most={}, guards={}: Toll(added, {}, guards))


def without_guards(monkeypatch: Patch) -> None:
    monkeypatch.setattr(admit, "Toll", lambda added={}, most={}, guards={}: Toll(added, most, {}))


def without_the_gate(monkeypatch: Patch) -> None:
    monkeypatch.setattr(approvals, "gate", lambda post, stage, settings: stage)


def without_looking_at_the_place(monkeypatch: Patch) -> None:
    monkeypatch.setattr(queues, "take", lambda place, holder: take(place, holder)._replace(condition=None))


def without_looking_at_the_register(monkeypatch: Patch) -> None:
    register = Allowances.register
    monkeypatch.setattr(Allowances, "register", staticmethod(lambda *entry: register(*entry)._replace(condition=None)))


@pytest.mark.parametrize(("rules", "more", "broken", "words"), [
    ({"plan": {"pendingTargets": 1}}, {}, without_limits, "above its limit"),
    ({"spacing": 5}, {}, without_guards, "closer than"),
    ({"dailyPosts": {"prof_telegram": 1}}, {}, without_guards, "has one more"),
    ({"approvals": True}, {}, without_the_gate, "and its approval is"),
    (QUEUE, {"op": "enqueue", "queue": True, "in": None}, without_looking_at_the_place, "says it has a place at"),
    ({}, {"texts": ["the same"]}, without_looking_at_the_register, "the same within a day"),
])
def test_a_rule_that_is_not_held_is_noticed(
    monkeypatch: Patch, rules: Mapping[str, Any], more: Mapping[str, Any], broken: Callable[[Patch], None], words: str
) -> None:
    assert meeting(rules, {**FIRST, **more}, {**SECOND, **more}) is None
    broken(monkeypatch)
    found = meeting(rules, {**FIRST, **more}, {**SECOND, **more})
    assert found is not None and words in found, found


def interrupted() -> str | None:
    """What breaks when a worker dies after a step of an import under many rules, and sweep goes on."""
    rules = {"plan": {"pendingTargets": 5}, "spacing": 1, **QUEUE}
    rows = [*ROWS["rows"], {**FIRST, "label": "p3", "texts": ["p3"], "queue": True, "in": None}]
    for nth in (1, 2, 3):
        crash = {"kind": "crash", "phase": "after", "on": "TransactWriteItems", "nth": nth}
        steps = [{**ROWS, "rows": rows, "trouble": [crash]}, {"op": "run", "seconds": 300}]
        if (broken := replay({"seed": 0, "rules": rules}, steps)) is not None:
            return broken
    return None


def test_what_an_interrupted_import_reserved_and_nobody_gives_back_is_noticed(monkeypatch: Patch) -> None:
    assert interrupted() is None
    monkeypatch.setattr(bulk_reserve, "_returns", lambda head, payload: [[]] * head.step)
    assert interrupted() is not None


def test_an_undo_that_leaves_posts_is_noticed(monkeypatch: Patch) -> None:
    steps = [ROWS, {"op": "undo", "which": 0}]
    assert replay({"seed": 0}, steps) is None
    monkeypatch.setattr(write, "cancel", lambda deps, post: post)
    broken = replay({"seed": 0}, steps)
    assert broken is not None and "its import was undone" in broken, broken
