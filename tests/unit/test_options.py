"""The networks' tables of options and caps, and the check of what a client sends against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dateline.domain.content import OVERRIDES, Draft, Segment
from dateline.domain.options import KEYWORDS, faults
from dateline.domain.rules import Rules, check, check_options
from dateline.platforms import registry

NAMES = registry.names()
POLL = {"options": ["Left", "Right"], "durationMinutes": 60}


def schemas(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A schema and all those inside it."""
    yield schema
    for inside in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from schemas(inside)


# The tables

@pytest.mark.parametrize("name", NAMES)
def test_a_table_says_nothing_that_is_not_checked(name: str) -> None:
    options = registry.rules(name).options
    Draft202012Validator.check_schema(options)
    for schema in schemas(options):
        assert set(schema) <= KEYWORDS and "type" in schema
        assert schema["type"] != "object" or schema.get("additionalProperties") is False


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_is_for_and_none_hides_an_override(name: str) -> None:
    properties = registry.rules(name).options["properties"]
    assert all(option.get("description") for option in properties.values())
    assert not set(properties) & set(OVERRIDES)


@pytest.mark.parametrize("name", NAMES)
def test_every_cap_has_its_source_and_a_setting_that_overrides_it(name: str) -> None:
    cap = registry.rules(name).daily_cap
    assert cap is not None and cap.hours == 24 and cap.limit > 0 and cap.source
    assert cap.setting == "dailyPosts"
    assert (cap.limit_for({}), cap.limit_for({"dailyPosts": 7})) == (cap.limit, 7)


def test_the_caps_are_those_of_the_sources() -> None:
    assert {name: registry.rules(name).daily_cap.limit for name in NAMES} == {  # type: ignore[union-attr]
        "mastodon": 300 * 24 // 3, "bluesky": 35_000 // 3, "x": 2_400, "telegram": 20 * 60 * 24, "sandbox": 10_000,
        "linkedin": 150, "facebook": 400, "youtube": 100, "google_business": 10 * 60 * 24,
        "tiktok": 15, "snapchat": 100, "threads": 250, "instagram": 100, "reddit": 100 * 60 * 24, "pinterest": 100 * 60 * 24,
    }


def test_a_first_comment_is_had_where_an_account_can_reply_to_itself() -> None:
    assert {name for name in NAMES if registry.rules(name).first_comment} == {
        "mastodon", "bluesky", "x", "sandbox", "linkedin", "facebook", "youtube", "threads", "instagram", "reddit",
    }


# The check

def found(name: str, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(last part of the rule, field below the options) of what is wrong."""
    return [
        (v.rule.removeprefix(f"{name}.option."), v.field.removeprefix("options/"))
        for v in check_options(registry.rules(name), options)
    ]


WRONG: dict[str, tuple[str, dict[str, Any], list[tuple[str, str]]]] = {
    "an unknown option": ("x", {"visibility": "public"}, [("unknown", "visibility")]),
    "an unknown option with a slash": ("x", {"a/b~c": 1}, [("unknown", "a~1b~0c")]),
    "two of them": ("telegram", {"colour": 1, "size": 2}, [("unknown", "colour"), ("unknown", "size")]),
    "a number for a string": ("mastodon", {"language": 7}, [("invalid", "language")]),
    "null": ("mastodon", {"language": None}, [("invalid", "language")]),
    "a string for a switch": ("telegram", {"disableNotification": "yes"}, [("invalid", "disableNotification")]),
    "a switch for a number": ("telegram", {"messageThreadId": True}, [("invalid", "messageThreadId")]),
    "a fraction for a number": ("telegram", {"messageThreadId": 1.5}, [("invalid", "messageThreadId")]),
    "a number below the least": ("telegram", {"messageThreadId": 0}, [("invalid", "messageThreadId")]),
    "another value": ("x", {"replySettings": "everyone"}, [("invalid", "replySettings")]),
    "a long string": ("mastodon", {"spoilerText": "a" * 501}, [("invalid", "spoilerText")]),
    "an id that is none": ("x", {"quoteTweetId": "12a"}, [("invalid", "quoteTweetId")]),
    "an id that is too long": ("x", {"communityId": "1" * 20}, [("invalid", "communityId")]),
    "an id with a line's end": ("x", {"communityId": "12\n"}, [("invalid", "communityId")]),
    "a string for a list": ("bluesky", {"langs": "en"}, [("invalid", "langs")]),
    "a long list": ("bluesky", {"langs": ["en"] * 4}, [("invalid", "langs")]),
    "an entry of a list": ("bluesky", {"langs": ["en", 7, "e"]}, [("invalid", "langs/1"), ("invalid", "langs/2")]),
    "an entry that is none of the values": ("bluesky", {"labels": ["sexual", "boring"]}, [("invalid", "labels/1")]),
    "a tag with its sign": ("bluesky", {"tags": ["#art"]}, [("invalid", "tags/0")]),
    "a list for an object": ("x", {"poll": []}, [("invalid", "poll")]),
    "an object without what it needs": ("x", {"poll": {}}, [("invalid", "poll"), ("invalid", "poll")]),
    "an unknown member of an object": ("x", {"poll": {**POLL, "multiple": True}}, [("unknown", "poll/multiple")]),
    "a number above the most in an object": (
        "x", {"poll": {**POLL, "durationMinutes": 10_081}}, [("invalid", "poll/durationMinutes")]
    ),
    "a short list in an object": ("x", {"poll": {**POLL, "options": ["One"]}}, [("invalid", "poll/options")]),
    "an entry of a list in an object": (
        "x", {"poll": {**POLL, "options": ["Left", "", "a" * 26]}}, [("invalid", "poll/options/1"), ("invalid", "poll/options/2")]
    ),
    "a segment below none": ("sandbox", {"simulateSegment": -1}, [("invalid", "simulateSegment")]),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_an_option_is_said_at_its_place(name: str) -> None:
    network, options, wrong = WRONG[name]
    assert found(network, options) == wrong
    for violation in check_options(registry.rules(network), options):
        assert violation.of_shape and violation.detail.startswith(registry.rules(network).name)
        assert bool(violation.known) == violation.rule.endswith("unknown")


def test_an_unknown_name_comes_with_those_there_are() -> None:
    (option,) = check_options(registry.rules("x"), {"visibility": "public"})
    assert option.known == tuple(sorted([*registry.rules("x").options["properties"], *OVERRIDES]))
    assert option.detail.startswith("X has no option 'visibility'; it has: ") and "replySettings" in option.detail
    (member,) = check_options(registry.rules("x"), {"poll": {**POLL, "multiple": True}})
    assert member.known == ("durationMinutes", "options")
    assert member.detail == "X's option poll has no member 'multiple'; it has: durationMinutes, options."


def test_a_figure_that_is_passed_comes_with_the_limit() -> None:
    (violation,) = check_options(registry.rules("x"), {"poll": {**POLL, "options": ["Left", "a" * 26]}})
    assert (violation.limit, violation.measured, violation.unit) == (25, 26, "characters")
    assert violation.detail == "X's option poll.options.1 has at most 25 characters."
    (violation,) = check_options(registry.rules("x"), {"poll": {**POLL, "durationMinutes": 1}})
    assert (violation.limit, violation.measured, violation.unit, violation.detail) == (
        5, 1, None, "X's option poll.durationMinutes is at least 5."
    )


@pytest.mark.parametrize(("name", "options"), [
    ("x", {"poll": POLL, "replySettings": "verified", "madeWithAi": False}), ("bluesky", {"langs": ["en", "pt-BR", "zh-Hant"]}),
    ("bluesky", {"labels": ["porn"], "tags": ["a" * 64]}), ("telegram", {"parseMode": "HTML", "hasSpoiler": True}),
    ("mastodon", {"poll": {**POLL, "multiple": True, "hideTotals": False}, "quoteApprovalPolicy": "nobody"}), ("sandbox", {}),
])
def test_what_a_table_has_is_taken(name: str, options: dict[str, Any]) -> None:
    assert check(registry.rules(name), Draft((Segment("Hello"),), options), {}) == []


def some(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values of which many fit the schema and many do not."""
    anything: st.SearchStrategy[Any] = st.sampled_from([None, True, 0, 1.5, "", "en", "a" * 700, [], ["en"] * 9, {}, {"a": 1}])
    near: st.SearchStrategy[Any] = st.nothing()
    if "enum" in schema:
        near = st.sampled_from(list(schema["enum"]))
    elif schema["type"] == "object":
        members = {name: some(inside) for name, inside in schema["properties"].items()}
        near = st.fixed_dictionaries({}, optional={**members, "stranger": st.just(1)})
    elif schema["type"] == "array":
        near = st.lists(some(schema["items"]), max_size=6)
    elif schema["type"] == "string":
        near = st.sampled_from(["12345", "en", "pt-BR", "Some words", "#tag", ""]) | st.text(max_size=30)
    elif schema["type"] == "integer":
        near = st.integers(-2, 50_000)
    elif schema["type"] == "boolean":
        near = st.booleans()
    return near | near | near | anything


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_the_check_agrees_with_a_whole_json_schema_validator(name: str, data: st.DataObject) -> None:
    rules: Rules = registry.rules(name)
    value = data.draw(some(rules.options).filter(lambda v: isinstance(v, dict)))
    valid = Draft202012Validator(rules.options).is_valid(value)
    assert (check_options(rules, value) == []) == valid
    assert all((list(faults(rules.options["properties"][n], v, n)) == []) for n, v in value.items()) if valid else True
