"""What is written as a sheet is read as the same, whatever stands in it; and a post's body makes the same post."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dateline.api.shapes import PostIn, read
from dateline.domain.errors import Problem
from dateline.domain.post import Post
from dateline.domain.sheet import body_of_post, read_csv, write_csv
from dateline.domain.sheet_cells import MOST_EXACT, join_list, split_list
from dateline.store.profiles import Profile
from dateline.usecases.compose import compose, lay_on, wish_of

quick = settings(deadline=None, max_examples=300, derandomize=True, database=None)

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ODD = [
    '"', '""', ",", ";", "\\", "\\;", "\n", "\r", "\r\n", "\t", " ", "\u00a0", "\u2028", "\x0b", "\x1c", "\x85", "\ufeff", "=1+1",
    "@", "-", "'", "“", "”", "{", "}", "[]", '{"a": 1}', "true", "null", "NaN", "12", "👩‍👩‍👧", "é", "e\u0301", "🇩🇪", "a", "b c",
]
"""What a file, a list or JSON could trip over."""

# Half a surrogate pair is in no file, and a NUL is refused.
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
texts = st.lists(st.sampled_from(ODD) | anything, max_size=8).map("".join)
written = texts.filter(bool)
words = st.sampled_from(["2027-06-15T09:00:00", "2027-06-15 09:00", "Europe/Berlin", "PT30M", "publish", "=1+1", "a,b", 'a"b'])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
media = st.fixed_dictionaries({"url": written}, optional={"type": written, "altText": written})
segments = st.fixed_dictionaries({"text": texts}, optional={"media": st.lists(media, max_size=2)})
bodies = st.fixed_dictionaries(
    {},
    optional={
        "text": written, "firstComment": written,
        **dict.fromkeys(("scheduledFor", "timezone", "maxLateness", "onLate", "onSegmentFailure", "queueId"), words),
        **dict.fromkeys(("profileIds", "labels"), st.lists(written, min_size=1, max_size=3)),
        **dict.fromkeys(("metadata", "platforms"), st.dictionaries(texts, values, min_size=1, max_size=2)),
        "thread": st.lists(segments, min_size=1, max_size=2), "media": st.lists(media, min_size=1, max_size=3),
        "fold": st.sampled_from([0, 1]), "allowDuplicate": st.booleans(),
    },
)


@quick
@given(st.lists(bodies, min_size=1, max_size=3))
@example([{}])
@example([{"text": "\ufeff"}, {"text": "\r"}, {"text": " \n"}])
@example([{"text": "a", "labels": [" ", "  ", "\\", "\\ ", ";", " \\; "]}])
@example([{"media": [{"url": "a"}, {"url": "b", "altText": " "}, {"url": "c"}]}])
def test_a_written_sheet_is_read_as_the_same_bodies(sheet: list[dict[str, Any]]) -> None:
    rows = read_csv(write_csv(sheet).encode())
    assert [row.errors for row in rows] == [()] * len(sheet)
    assert [row.body for row in rows] == sheet
    assert [row.number for row in rows] == list(range(1, len(sheet) + 1))
    # A spreadsheet puts a byte order mark before it; that of a text is the text's.
    assert read_csv(write_csv(sheet).encode("utf-8-sig")) == rows


@quick
@given(st.lists(texts, min_size=1, max_size=5))
def test_a_list_is_split_as_it_was_joined(entries: list[str]) -> None:
    assert split_list(join_list(entries)) == entries


@quick
@given(texts)
def test_a_list_of_any_text_at_all_can_be_read(cell: str) -> None:
    entries = split_list(cell)
    assert split_list(join_list(entries)) == entries


CRUMBS = [*ODD, "text", "labels", "media_urls", "metadata", "fold", "platforms.x.y"]


def option(cell: str) -> Any:
    quoted = cell.replace('"', '""')
    (row,) = read_csv(f'text,platforms.x.option\nHello,"{quoted}"'.encode())
    return row.body.get("platforms", {}).get("x", {}).get("option")


@quick
@given(st.booleans() | st.integers(-MOST_EXACT, MOST_EXACT) | st.lists(values) | st.dictionaries(texts, values) | texts)
def test_any_value_of_an_option_can_be_given_in_a_dotted_column(value: Any) -> None:
    assert option(json.dumps(value)) == value
    assert type(option(json.dumps(value, ensure_ascii=False))) is type(value)


@quick
@given(st.from_regex(r"[ +-]?[0-9]{1,20}([.][0-9]{0,3})?(e[0-9])?", fullmatch=True))
def test_a_number_is_read_only_where_it_is_written_back_just_so(cell: str) -> None:
    value = option(cell)
    assert str(value) == cell.strip()


@quick
@given(st.binary(max_size=60) | st.lists(st.sampled_from(CRUMBS), max_size=30).map("".join).map(str.encode))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    try:
        rows = read_csv(data)
    except Problem as problem:
        assert problem.code == "invalid_request"
    else:
        assert rows


PROFILES = {
    f"prof_{platform}": Profile(f"prof_{platform}", "ws", "live", platform, platform, NOW, NOW)
    for platform in ("x", "bluesky", "sandbox")
}
urls = st.sampled_from(["https://cdn.example.com/a.jpg", "https://cdn.example.com/a;b.png", "https://cdn.example.com/c.mp4"])
good_media = st.fixed_dictionaries(
    {"url": urls}, optional={"type": st.sampled_from(["image", "video"]), "altText": st.none() | texts}
)
good_segments = st.fixed_dictionaries({}, optional={"text": texts, "media": st.lists(good_media, max_size=2)})
words = {"text": st.none() | texts, "media": st.lists(good_media, max_size=2)}
overrides = st.fixed_dictionaries({}, optional={
    "x": st.fixed_dictionaries({}, optional={**words, "replySettings": st.just("following"), "communityId": st.just("1")}),
    "bluesky": st.fixed_dictionaries({}, optional={**words, "langs": st.just(["en"])}),
})
said = st.fixed_dictionaries({"text": st.none() | texts}, optional={"media": st.lists(good_media, max_size=3)})
threads = st.fixed_dictionaries({"thread": st.lists(good_segments, min_size=1, max_size=3)})
times = st.sampled_from([
    {}, {"scheduledFor": "2027-06-15T09:00:00.25+02:00"}, {"scheduledFor": "2027-06-15T09:00:00"},
    {"scheduledFor": "2027-11-07T01:30:00Z", "timezone": "America/New_York"},
    {"scheduledFor": "2027-11-07T01:30:00", "timezone": "America/New_York", "fold": 1},
    {"scheduledFor": "2027-11-07T01:30:00-05:00", "timezone": "America/New_York"},
])
more = st.fixed_dictionaries(
    {},
    optional={
        "profileIds": st.lists(st.sampled_from(sorted(PROFILES)), min_size=1, unique=True),
        "platforms": overrides, "firstComment": st.none() | written,
        "labels": st.lists(written, max_size=3), "metadata": st.dictionaries(texts, values, max_size=3),
        "maxLateness": st.sampled_from(["PT30M", "P1W", "PT90S", None]),
        "onLate": st.sampled_from(["publish", "fail", "draft", None]),
        "onSegmentFailure": st.sampled_from(["resume", "rollback", "stop", None]), "allowDuplicate": st.booleans() | st.none(),
    },
)


def post_of(body: dict[str, Any], workspace: dict[str, Any]) -> Post:
    """As create makes it. A draft, so that no network's rule is in the way."""
    wish = read(PostIn, body).wish()
    post = Post("post_1", "ws", "live", "", NOW)
    lay_on(post, wish, compose(wish, PROFILES, workspace, NOW, None, draft=True), workspace)
    return post


@quick
@given(said | threads, times, more)
@example({"text": None}, {}, {})
@example({"thread": [{}]}, {}, {})
def test_the_body_of_a_post_makes_the_same_post_again_by_way_of_a_sheet(
    content: dict[str, Any], time: dict[str, Any], rest: dict[str, Any]
) -> None:
    post = post_of({**content, **time, **rest}, {"timezone": "Europe/Berlin", "on_late": "fail", "max_lateness": 600.0})
    body = body_of_post(post)
    (row,) = read_csv(write_csv([body]).encode())
    assert (row.body, row.errors) == (body, ())
    # In a workspace with other defaults, which must not matter.
    again = post_of(row.body, {})
    assert wish_of(again) == wish_of(post)
    assert (again.publish_at, again.intent, again.segments) == (post.publish_at, post.intent, post.segments)
    assert body_of_post(again) == body
