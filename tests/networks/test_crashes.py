"""A worker that dies after any of its calls, an answer that is lost at any call: nothing stands twice, and what ends unconfirmed
is on docs/networks.md."""

from __future__ import annotations

import pytest

from .matrix import NAMES, dying, results


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_may_die_at_any_call(name: str) -> None:
    assert dying(name) == results()[name]["crashes"], f"stale: python -m tests.networks.matrix {name}"
