"""Every shape of post on every network, and some through every fault: as docs/networks.md says, and nothing twice."""

from __future__ import annotations

import pytest

from .matrix import NAMES, play, results, samples
from .page import PAGE, page


@pytest.mark.parametrize("name", NAMES)
def test_every_shape_of_post_survives_every_fault(name: str) -> None:
    promised = results()[name]
    for shape, cases in play(name, everything=False).items():
        assert cases == {case: promised[shape].get(case) for case in cases}, f"{shape} is stale: make networks"


@pytest.mark.parametrize("name", NAMES)
def test_the_shapes_of_a_network_have_names_of_their_own(name: str) -> None:
    names = [sample.name for sample in samples(name)]
    assert len(names) == len(set(names))


def test_the_page_shows_what_was_seen() -> None:
    assert set(results()) == set(NAMES)
    assert PAGE.read_text(encoding="utf-8") == page(results()), "stale: make networks"
