"""A delivery publishes from copies of its own: made once, read in ranges, signed for networks that fetch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from dateline.domain.content import Media
from dateline.platforms.base import Failed, NotReady, Retry
from dateline.usecases.pinning import INLINE_BYTES, Pins
from local.networks import files
from tests.harness import Dateline

VIDEO = "https://cdn.example.com/launch.mp4"


@contextmanager
def in_deliver(dateline: Dateline) -> Iterator[None]:
    """What is called inside is called with deliver's role."""
    with dateline.stack.watch.invocation("deliver", dateline.clock.monotonic() + 90):
        yield


def pins_of(dateline: Dateline, post_id: str) -> Pins:
    post = dateline.deps.posts.get(post_id)
    assert post is not None
    return Pins(dateline.deps, post, lambda: 90.0)


def test_a_medium_is_copied_once_and_read_in_ranges() -> None:
    with Dateline() as dateline:
        video = files.mp4(12.5, size=200_000, moov_last=True)
        dateline.http.files[VIDEO] = video
        post = dateline.post("prof_mastodon")
        with in_deliver(dateline):
            first = pins_of(dateline, post["id"]).open(Media(VIDEO, "video"))
            assert (first.mime, first.size, first.width, first.height, first.seconds) == (
                "video/mp4", len(video.data), 1080, 1920, 12.5,
            )
            assert first.read() == video.data
            assert first.read(199_000, 5_000) == video.data[199_000:]
            dateline.http.files[VIDEO] = None
            again = pins_of(dateline, post["id"]).open(Media(VIDEO, "video"))
            assert again.read(10, 20) == video.data[10:30]


def test_a_network_fetches_by_a_signed_address_until_it_lapses() -> None:
    with Dateline() as dateline:
        post = dateline.post("prof_mastodon")
        with in_deliver(dateline):
            url = pins_of(dateline, post["id"]).open(Media(VIDEO, "video")).url()
        got = dateline.world.pull(url)
        assert (got.status, got.mime, got.size) == (200, "video/mp4", len(files.mp4().data))
        assert dateline.world.pull(url.partition("?")[0]).status == 403
        dateline.clock.advance(timedelta(minutes=90))
        assert dateline.world.pull(url).status == 200
        dateline.clock.advance(timedelta(hours=2))
        assert dateline.world.pull(url).status == 403


def test_what_cannot_be_fetched_is_tried_again_or_not_as_its_server_says() -> None:
    with Dateline() as dateline:
        pins = pins_of(dateline, dateline.post("prof_mastodon")["id"])
        dateline.http.files[VIDEO] = None
        with pytest.raises(Failed, match="404"):
            pins.open(Media(VIDEO))
        dateline.http.unreachable = True
        with pytest.raises(Retry, match="could not be fetched"):
            pins.open(Media(VIDEO))


def test_a_large_medium_is_left_to_the_media_function() -> None:
    with Dateline() as dateline:
        pins = pins_of(dateline, dateline.post("prof_mastodon")["id"])
        dateline.http.files[VIDEO] = files.mp4(size=INLINE_BYTES + 1)
        with pytest.raises(NotReady):
            pins.open(Media(VIDEO))


def test_a_note_names_the_content() -> None:
    with Dateline() as dateline:
        post = dateline.post("prof_mastodon")
        pins_of(dateline, post["id"]).open(Media("https://cdn.example.com/a.png"))
        bucket = dateline.stack.template.refs["MediaBucket"]
        from local.aws import client

        s3 = client("s3", dateline.stack.region)
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        assert len(keys) == 2 and all(key.startswith("pins/2027-06/wks_local/") for key in keys)
        note = s3.get_object(Bucket=bucket, Key=next(key for key in keys if key.endswith(".json")))["Body"].read().decode()
        assert hashlib.sha256(files.png().data).hexdigest() in note


def test_what_nobody_could_look_at_is_held_against_the_rules_when_it_is_there() -> None:
    with Dateline() as dateline:
        picture = "https://cdn.example.com/later.jpg"
        dateline.http.unreachable = True
        media = [{"url": picture, "type": "image"}]
        post = dateline.post("prof_bluesky", at=dateline.clock.now() + timedelta(hours=1), media=media)
        assert [warning["code"] for warning in post["warnings"]] == ["media_unchecked"]
        dateline.http.unreachable = False
        dateline.http.files[picture] = files.File(b"BM" + bytes(100), "image/bmp")
        dateline.stack.run_for(timedelta(hours=2))
        (target,) = dateline.read(post["id"])["targets"]
        assert (target["status"], target["error"]["code"]) == ("failed", "content_invalid")
        assert "bluesky.media.format" in target["error"]["detail"] and dateline.world.seen("bluesky") == []
