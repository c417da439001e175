"""How Bluesky counts, marks up, keys and addresses a post."""

from __future__ import annotations

import re
from base64 import b32encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import libipld
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.domain.content import Draft, Segment
from dateline.domain.rules import check, graphemes
from dateline.platforms.bluesky import RULES
from dateline.platforms.bluesky.records import cid_of, later, parts_of, post_record, record_keys, uri_of
from dateline.platforms.bluesky.text import facets, handles, utf8_bytes

ALICE = "did:plc:alice"
WORDS = st.sampled_from([
    "hello", "🎉", "é", "日本語", "@alice.bsky.social", "#tag", "#日本", "https://example.com/a?b=c#d", "example.com", "(x)",
    "\n", "@alice.bsky.social,", "#tag!", "👩‍👩‍👧", "https://例え.jp/道",
])


@pytest.mark.parametrize(("text", "count", "size"), [
    ("", 0, 0),
    ("hello", 5, 5),
    ("a\r\nb", 3, 4),
    ("é", 1, 2),
    ("e\u0301", 1, 3),
    ("🇨🇭", 1, 8),
    ("👩‍👩‍👧‍👧", 1, 25),
    ("日本", 2, 6),
])
def test_a_text_is_counted_in_graphemes_and_in_bytes(text: str, count: int, size: int) -> None:
    assert (graphemes(text), utf8_bytes(text)) == (count, size)


@pytest.mark.parametrize(("text", "rules"), [
    ("x" * 300, []),
    ("x" * 301, ["bluesky.text.too_long"]),
    ("👩‍👩‍👧‍👧" * 120, []),
    ("👩‍👩‍👧‍👧" * 121, ["bluesky.text.too_many_bytes"]),
    ("👩‍👩‍👧‍👧" * 301, ["bluesky.text.too_long", "bluesky.text.too_many_bytes"]),
])
def test_each_limit_has_its_own_rule(text: str, rules: list[str]) -> None:
    assert [violation.rule for violation in check(RULES, Draft((Segment(text),)), {})] == rules


@pytest.mark.parametrize(("langs", "broken"), [
    (["en"], 0), (["pt-BR", "zh-Hant", "gsw"], 0), (["en", "de", "fr", "it"], 1), (["english please"], 1), ([7], 1),
])
def test_at_most_three_languages_and_only_language_tags(langs: list[Any], broken: int) -> None:
    found = check(RULES, Draft((Segment("x"),), {"langs": langs}), {})
    assert [violation.rule for violation in found] == ["bluesky.option.invalid"] * broken


@pytest.mark.parametrize(("text", "marked"), [
    ("see https://example.com/a.", [("https://example.com/a", "link", "https://example.com/a")]),
    ("(https://example.com/a_(b))", [("https://example.com/a_(b)", "link", "https://example.com/a_(b)")]),
    ("see “https://example.com”!", [("https://example.com", "link", "https://example.com")]),
    ("go to example.com/path, now", [("example.com/path", "link", "https://example.com/path")]),
    ("run setup.py, e.g.this, v1.2.3", []),
    ("mail me@example.com", []),
    ("https:// and http:///", []),
    ("Hi @alice.bsky.social's post", [("@alice.bsky.social", "mention", ALICE)]),
    ("Hi @Alice.BSKY.social.", [("@Alice.BSKY.social", "mention", ALICE)]),
    ("Hi @bob.bsky.social", []),
    ("Hi @alice.bsky.social@mastodon.example", []),
    ("Hi @alice", []),
    ("#news, #日本! #2026 #1st #", [("#news", "tag", "news"), ("#日本", "tag", "日本"), ("#1st", "tag", "1st")]),
    ("https://example.com/#anchor", [("https://example.com/#anchor", "link", "https://example.com/#anchor")]),
    ("#" + "x" * 64, [("#" + "x" * 64, "tag", "x" * 64)]),
    ("#" + "x" * 65, []),
    ("🎉 #party 🎉", [("#party", "tag", "party")]),
])
def test_links_mentions_and_tags_are_marked(text: str, marked: list[tuple[str, str, str]]) -> None:
    raw, found = text.encode(), []
    for facet in facets(text, {"alice.bsky.social": ALICE}):
        (feature,) = facet["features"]
        kind = feature["$type"].rpartition("#")[2]
        value = feature.get("uri") or feature.get("did") or feature.get("tag")
        found.append((raw[facet["index"]["byteStart"] : facet["index"]["byteEnd"]].decode(), kind, value))
    assert found == marked


@given(st.lists(WORDS, max_size=20), st.sampled_from([" ", "\n", "  "]))
def test_facets_lie_inside_the_text_in_order_and_never_overlap(words: list[str], space: str) -> None:
    text = space.join(words)
    end = 0
    for facet in facets(text, {"alice.bsky.social": ALICE}):
        assert end <= facet["index"]["byteStart"] < facet["index"]["byteEnd"] <= utf8_bytes(text)
        end = facet["index"]["byteEnd"]
        text.encode()[facet["index"]["byteStart"] : end].decode()


@given(st.text(max_size=300))
def test_any_text_can_be_counted_and_marked(text: str) -> None:
    assert 0 <= graphemes(text) <= len(text)
    facets(text, dict.fromkeys(handles(text), ALICE))


def test_each_handle_is_looked_up_once() -> None:
    assert handles("@a.example.com and @A.example.com, @b.example.com") == ["a.example.com", "b.example.com"]


NOW = datetime(2026, 6, 15, 9, 0, 0, 250_000, tzinfo=UTC)


@given(st.text(min_size=1), st.integers(1, 25))
def test_record_keys_are_valid_ascending_and_the_same_for_the_same_delivery(seed: str, count: int) -> None:
    keys = record_keys(seed, NOW, count)
    assert keys == record_keys(seed, NOW, count)
    assert len(set(keys)) == count
    assert keys == sorted(keys)
    assert all(re.fullmatch(r"[2-7a-j][2-7a-z]{12}", key) for key in keys)


def test_a_record_key_carries_the_time_and_is_never_ahead_of_it() -> None:
    alphabet = "234567abcdefghijklmnopqrstuvwxyz"
    for seed in ("a", "b", "c"):
        value = 0
        for character in record_keys(seed, NOW, 25)[-1]:
            value = value * 32 + alphabet.index(character)
        behind = NOW.timestamp() - (value >> 10) / 1_000_000
        assert 0 < behind < 2


def test_the_segments_of_a_thread_are_a_millisecond_apart() -> None:
    assert later("2026-06-15T09:00:00.999Z", 0) == "2026-06-15T09:00:00.999Z"
    assert later("2026-06-15T09:00:00.999Z", 2) == "2026-06-15T09:00:01.001Z"


def test_an_address_is_taken_apart_only_if_it_is_one_of_a_post() -> None:
    assert parts_of(uri_of(ALICE, "3jzfcijpj2z2a")) == (ALICE, "3jzfcijpj2z2a")
    assert parts_of("at://did:plc:alice/app.bsky.feed.like/3jzfcijpj2z2a") is None


def test_the_cid_is_the_one_the_protocols_own_test_vector_names() -> None:
    # First vector of the data model's interoperability fixtures, bluesky-social/atproto d6296a1.
    record = {
        "string": "abc", "unicode": "a~öñ©⽘☎𓋓😀👨‍👩‍👧‍👧", "integer": 123, "bool": True, "null": None,
        "array": ["abc", "def", "ghi"],
        "object": {"string": "abc", "number": 123, "bool": True, "arr": ["abc", "def", "ghi"]},
    }
    assert cid_of(record) == "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"


def test_a_link_is_hashed_as_a_link_and_keys_in_order_of_length() -> None:
    # DAG-CBOR written by hand: map of two, "cid" is text, "link" is tag 42 with the CID's bytes after a zero byte.
    digest = sha256(b"anything").digest()
    raw = b"\x01\x71\x12\x20" + digest
    cid = "b" + b32encode(raw).decode().lower().rstrip("=")
    text = cid.encode()
    by_hand = b"\xa2" + b"\x63cid" + b"\x78\x3b" + text + b"\x64link" + b"\xd8\x2a\x58\x25\x00" + raw
    assert len(text) == 0x3B
    expected = libipld.encode_cid(b"\x01\x71\x12\x20" + sha256(by_hand).digest())
    assert cid_of({"link": {"$link": cid}, "cid": cid}) == expected


@given(st.text(max_size=50), st.lists(WORDS, max_size=5), st.lists(st.sampled_from(["en", "de"]), max_size=3))
def test_any_record_can_be_read_back_from_what_is_hashed(text: str, words: list[str], langs: list[str]) -> None:
    record = post_record(text, "2026-06-15T09:00:00.000Z", facets(" ".join(words), {}), (), langs)
    encoded = libipld.encode_dag_cbor(record)
    assert libipld.decode_dag_cbor(encoded) == record
    assert libipld.decode_cid(cid_of(record))["hash"]["digest"] == sha256(encoded).digest()
