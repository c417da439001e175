"""Mastodon's way of counting, and GoToSocial's, and what a profile's own server changes of the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.domain.content import Draft, Media, Segment
from dateline.domain.rules import Violation, check
from dateline.platforms._mastodon_text import count
from dateline.platforms.mastodon import RULES
from local.networks.base import World
from local.networks.mastodon import MastodonNetwork, measure
from tests.contract.inprocess import FakeClock

GOTOSOCIAL = {"maxCharacters": 5000, "urlLength": 25, "maxMedia": 6, "counting": "codePoints"}


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0), ("Hello", 5), ("cafe\u0301", 4), ("👨‍👩‍👧‍👦", 1), ("🇩🇪🇫🇷", 2), ("日本", 2), ("a\r\nb", 3),
        ("https://example.com/" + "x" * 200, 23), ("see https://example.com.", 28), ("example.com", 11),
        ("http://localhost/abc", 20),
        ("hi @user@example.social", 8), ("hi @user", 8), ("mail me@example.com", 19),
        ("https://example.com/@user@example.social", 23),
        ("@a.b@c.example and @d@e.example!", 12),
    ],
)
def test_mastodon_counts_graphemes_a_url_as_23_and_a_mention_without_its_server(text: str, length: int) -> None:
    assert count(text, {}) == length


def test_the_length_of_a_url_is_the_instances_own() -> None:
    assert count("https://example.com/" + "x" * 200, {"urlLength": 30}) == 30


def test_gotosocial_counts_code_points_and_every_letter_of_a_url() -> None:
    assert count("👨‍👩‍👧‍👦 https://example.com/abc @user@example.social", GOTOSOCIAL) == 7 + 1 + 23 + 1 + 20


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_the_stand_in_counts_the_same(text: str) -> None:
    network = MastodonNetwork(World(FakeClock().now, [MastodonNetwork]))
    if "@" not in text and "." not in text:
        assert measure(text, "", network.mastodon) == count(text, {})
    assert measure(text, "", network.gotosocial) == count(text, GOTOSOCIAL)


def broken(draft: Draft, settings: dict[str, object]) -> list[Violation]:
    return check(RULES, draft, settings)


def test_the_instances_own_limit_decides() -> None:
    draft = Draft((Segment("a" * 501),))
    [violation] = broken(draft, {})
    assert (violation.rule, violation.limit, violation.measured) == ("mastodon.text.too_long", 500, 501)
    assert broken(draft, {"maxCharacters": 501}) == []


def test_a_content_warning_counts_with_every_text_and_in_full() -> None:
    draft = Draft((Segment("a" * 480), Segment("short")), {"spoilerText": "https://example.com/spoil"})
    [violation] = broken(draft, {})
    assert (violation.rule, violation.segment, violation.field) == ("mastodon.text.too_long", 0, "options/spoilerText")
    assert (violation.limit, violation.measured) == (500, 505)


def test_an_instance_that_takes_six_pictures_is_given_six() -> None:
    draft = Draft((Segment("", tuple(Media(f"https://media.example/{n}.png") for n in range(6))),))
    assert [violation.rule for violation in broken(draft, {})] == ["mastodon.media.too_many"]
    assert broken(draft, GOTOSOCIAL) == []


def test_direct_messages_are_no_posts() -> None:
    [violation] = broken(Draft((Segment("psst"),), {"visibility": "direct"}), {})
    assert violation.rule == "mastodon.option.invalid"
