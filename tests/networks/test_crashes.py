"""A worker that dies after any of its calls, an answer that is lost at any call: nothing stands twice, and what ends unconfirmed
is on docs/networks.md."""

from __future__ import annotations

import pytest

from .matrix import NAMES, dying, results


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_may_die_at_any_call(name: str) -> None:
    seen = dying(name, everything=False)
    assert seen and seen == {shape: results()[name]["crashes"].get(shape) for shape in seen}, "stale: make networks"
