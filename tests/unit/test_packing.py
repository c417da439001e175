"""A post's body is small enough for one write unit, and what was ever written can be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.domain.content import Segment
from dateline.domain.post import Attempt, Post, RemoteSegment, Target, Transition, body_of
from dateline.store.packing import pack, unpack

WRITTEN = "0183a7190f602d95af44b41f815a01"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_packed_is_read_again(value: object) -> None:
    assert unpack(pack(value)) == value


def test_a_body_written_with_the_first_dictionary_stays_readable() -> None:
    """Bytes written on 2026-11-21: a changed dictionary would lose every stored post."""
    written = bytes.fromhex(WRITTEN)
    assert unpack(written) == {"text": "Hello", "trail": [[1, "post.scheduled", None, None, 1]]}


def test_an_unknown_dictionary_is_said_plainly() -> None:
    with pytest.raises(ValueError, match="dictionary 200"):
        unpack(b"\xc8abc")


def test_a_usual_published_post_fits_one_write_unit() -> None:
    """200 characters on three networks: the body leaves room for the columns beside it (about 350 bytes)."""
    now = datetime(2027, 6, 15, 13, 0, tzinfo=UTC)
    text = ("Our biggest update yet is here, and it brings the calendar view that so many of you have asked for: drag a post to "
            "another day, see gaps at a glance, and plan a month in minutes. Read more soon.")
    post = Post("post_01M7YKJZVY9GYE8GBC17R0HAXV", "wks_01M7", "live", "queued", now, (Segment(text),), updated_at=now)
    post.intent = {"local": "2027-06-15T09:00:00", "timezone": "Europe/Berlin", "fold": 0}
    remotes = {
        "mastodon": RemoteSegment("117653489066770433", "https://mastodon.example/@acme/117653489066770433", {}),
        "bluesky": RemoteSegment("at://did:plc:i5aal2ofmntzgaz7zpdes6mb/app.bsky.feed.post/3n2sooiifgb72",
                                 "https://bsky.app/profile/did:plc:i5aal2ofmntzgaz7zpdes6mb/post/3n2sooiifgb72",
                                 {"cid": "bafyreib2rxk3rybk3aobmv5cjuql3bm2twh4jo5uxgf5kpqcsgz7soitae"}),
        "x": RemoteSegment("2124057610826022913", "https://x.com/i/status/2124057610826022913", {}),
    }
    for number, (platform, remote) in enumerate(remotes.items()):
        done = now + timedelta(milliseconds=137 * number + 11)
        attempt = Attempt(1, now, now, done, "published")
        profile = f"prof_01M7YK{number}ZVY9GYE8GBC17R0HAXV"
        post.targets[profile] = Target(profile, platform, "published", [remote], [attempt], tries=1)
        post.trail.append(Transition(4 + number, "target.published", "publishing", profile, done))
    assert len(pack(body_of(post))) < 680
