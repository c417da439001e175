"""The simulation would notice a break in what was agreed with the networks: posts that they keep until their time, grants that
die, posts that are taken down. Each protection is left out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dateline.domain import lifecycle
from dateline.usecases import deliver, holding, outcomes, removing
from tests.simulation.runs import replay
from tests.simulation.world import Step

Patch = pytest.MonkeyPatch
KEPT: Step = {
    "op": "create", "label": "p1", "profiles": ["prof_mastodon"], "texts": ["p1"], "in": 1800,
    "more": {"platforms": {"mastodon": {"nativeSchedule": True}}},
}
NOW: Step = {"op": "create", "label": "p1", "profiles": ["prof_telegram"], "texts": ["p1"], "when": "now"}
RUN: Step = {"op": "run", "seconds": 60}
REVOKED: Step = {"op": "revoke", "profile": "prof_telegram"}


def without_the_guard(monkeypatch: Patch) -> None:
    monkeypatch.setattr(lifecycle, "keeps_nothing", lambda post: None)


def without_asking_the_network(monkeypatch: Patch) -> None:
    decide = deliver.decide

    def placed_is_waiting(*asked: Any) -> Any:
        step, until = decide(*asked)
        return ("publish" if step == "confirm" else step), until

    monkeypatch.setattr(deliver, "decide", placed_is_waiting)


def without_holding(monkeypatch: Patch) -> None:
    monkeypatch.setattr(holding, "hold_begun", lambda work, code, detail: outcomes._end_failed(work, code, detail))


def without_deleting(monkeypatch: Patch) -> None:
    monkeypatch.setattr(removing, "_take_down", lambda *work: None)


@pytest.mark.parametrize(("steps", "broken", "words"), [
    ([KEPT, RUN, {"op": "cancel", "label": "p1"}], without_the_guard, "cancelled, edited away"),
    ([KEPT, RUN, {"op": "edit", "label": "p1", "in": 7200}], without_the_guard, "to be published at"),
    ([KEPT, RUN], without_asking_the_network, "which no target knows of"),
    ([REVOKED, NOW, RUN], without_holding, "for a token that can be replaced"),
    ([NOW, RUN, {"op": "unpublish", "label": "p1"}, RUN], without_deleting, "is still to be seen"),
])
def test_a_protection_that_is_left_out_is_noticed(
    monkeypatch: Patch, steps: list[Step], broken: Callable[[Patch], None], words: str
) -> None:
    assert replay({"seed": 0}, steps) is None
    broken(monkeypatch)
    found = replay({"seed": 0}, steps)
    assert found is not None and words in found, found
