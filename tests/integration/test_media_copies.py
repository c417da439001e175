"""Copies are made soon after a post is scheduled, whatever their size and whoever dies over them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain.content import Media, Pin
from dateline.usecases.copying import PIECE
from dateline.usecases.pinning import Pins, note_key, renewed
from local.networks import files
from local.networks.files import File
from local.stack import Crash
from tests.harness import START, Dateline

URL = "https://cdn.example.com/launch.mp4"
PICTURE = "https://cdn.example.com/launch.png"


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def scheduled(dateline: Dateline, url: str = PICTURE, profile: str = "prof_bluesky", days: float = 1, **more: Any) -> str:
    media = [{"url": url, "type": "image"}]
    return str(dateline.post(profile, at=START + timedelta(days=days), media=media, **more)["id"])


def copied(dateline: Dateline, post_id: str) -> dict[str, dict[str, Any] | None]:
    post = dateline.deps.posts.get(post_id)
    assert post is not None
    return {url: dateline.deps.media.note(note_key(pin.key)) for url, pin in post.pins.items()}


def order_large(dateline: Dateline, file: File, key: str = "2027-06/wks_local/large") -> str:
    from dateline.aws.queue import Order

    dateline.http.files[URL] = file
    dateline.deps.orders.send(Order({URL: key}))
    return key


def whole(dateline: Dateline, key: str, file: File) -> None:
    note = dateline.deps.media.note(note_key(key))
    assert note is not None
    assert (note["size"], note["sha256"]) == (len(file.data), hashlib.sha256(file.data).hexdigest())
    assert (note["mime"], note["seconds"], note["width"]) == (file.mime, file.seconds, file.width)
    assert dateline.deps.media.read(f"pins/{key}", 0, len(file.data)) == file.data


LARGE = files.mp4(61.5, size=3 * PIECE + 1000, moov_last=True)


def test_a_post_publishes_what_was_there_when_it_was_scheduled(dateline: Dateline) -> None:
    post_id = scheduled(dateline)
    dateline.stack.settle(timers=False)
    dateline.http.files[PICTURE] = files.png(10, 10)
    post = dateline.deps.posts.get(post_id)
    assert post is not None
    opened = Pins(dateline.deps, post, lambda: 90.0).open(Media(PICTURE))
    assert opened.read() == files.png().data


def test_posts_of_a_month_share_the_copy_of_one_file(dateline: Dateline) -> None:
    first, second = scheduled(dateline), scheduled(dateline, text="Again")
    dateline.stack.settle(timers=False)
    assert sum(taken == len(files.png().data) for *_, taken in dateline.http.fetched) == 2, "one look, one copy"
    keys = {dateline.deps.posts.get(id).pins[PICTURE].key for id in (first, second)}  # type: ignore[union-attr]
    assert len(keys) == 1


def test_another_version_of_a_file_is_another_copy(dateline: Dateline) -> None:
    first = scheduled(dateline)
    dateline.clock.advance(timedelta(minutes=5))
    dateline.http.files[PICTURE] = files.png(11, 11)
    second = scheduled(dateline, text="Again")
    keys = {dateline.deps.posts.get(id).pins[PICTURE].key for id in (first, second)}  # type: ignore[union-attr]
    assert len(keys) == 2


def test_a_large_file_is_copied_in_pieces(dateline: Dateline) -> None:
    key = order_large(dateline, LARGE)
    dateline.stack.settle(timers=False)
    whole(dateline, key, LARGE)
    assert dateline.stack.peek("media") == []


@pytest.mark.parametrize("parts", [True, False], ids=["goes on", "begins again"])
def test_a_worker_that_dies_over_a_large_file_is_followed_by_another(dateline: Dateline, parts: bool) -> None:
    dateline.http.parts = parts
    key = order_large(dateline, LARGE)
    pieces = 0

    def die(service: str, operation: str, phase: str) -> None:
        nonlocal pieces
        pieces += (service, operation, phase) == ("s3", "UploadPart", "after")
        if pieces == 3:
            pieces += 1
            raise Crash

    dateline.stack.on_external_call = die
    dateline.stack.settle(timers=False)
    dateline.stack.on_external_call = None
    assert dateline.deps.media.note(note_key(key)) is None
    dateline.stack.run_for(timedelta(minutes=40))
    whole(dateline, key, LARGE)
    starts = [start for url, start, _ in dateline.http.fetched if start]
    assert starts == ([2 * PIECE] if parts else [])


def test_a_file_that_changes_while_it_is_copied_is_copied_from_the_beginning(dateline: Dateline) -> None:
    key = order_large(dateline, LARGE)

    def die(service: str, operation: str, phase: str) -> None:
        if (service, operation, phase) == ("s3", "UploadPart", "after"):
            raise Crash

    dateline.stack.on_external_call = die
    dateline.stack.settle(timers=False)
    dateline.stack.on_external_call = None
    other = files.mp4(33, size=2 * PIECE + 5_000_000)
    dateline.http.files[URL], dateline.http.versions[URL] = other, '"2"'
    dateline.stack.run_for(timedelta(minutes=40))
    whole(dateline, key, other)


def test_a_copy_whose_note_was_lost_is_whole_all_the_same(dateline: Dateline) -> None:
    key = order_large(dateline, LARGE)

    def die(service: str, operation: str, phase: str) -> None:
        if (service, operation, phase) == ("s3", "CompleteMultipartUpload", "after"):
            raise Crash

    dateline.stack.on_external_call = die
    dateline.stack.settle(timers=False)
    dateline.stack.on_external_call = None
    fetched = len(dateline.http.fetched)
    dateline.stack.run_for(timedelta(minutes=40))
    whole(dateline, key, LARGE)
    assert sum(taken for *_, taken in dateline.http.fetched[fetched:]) <= 17 * 1024 * 1024


def test_a_file_that_cannot_be_had_now_is_tried_again_for_a_while(dateline: Dateline) -> None:
    dateline.http.unreachable = True
    post_id = scheduled(dateline)
    dateline.stack.settle(timers=False)
    assert copied(dateline, post_id) == {PICTURE: None}
    dateline.stack.run_for(timedelta(minutes=5))
    dateline.http.unreachable = False
    dateline.stack.run_for(timedelta(minutes=20))
    assert copied(dateline, post_id)[PICTURE] is not None


def test_what_nobody_can_fetch_does_not_stay_in_the_queue(dateline: Dateline) -> None:
    dateline.http.unreachable = True
    scheduled(dateline)
    dateline.stack.run_for(timedelta(hours=2))
    assert dateline.stack.peek("media") == [] and dateline.stack.peek("media-dlq") == []


def test_an_order_that_is_lost_leaves_the_copy_to_the_delivery(dateline: Dateline) -> None:
    def refuse(service: str, operation: str, phase: str) -> None:
        if (service, operation, phase) == ("sqs", "SendMessage", "before"):
            from botocore.exceptions import EndpointConnectionError

            raise EndpointConnectionError(endpoint_url="https://sqs")

    dateline.stack.on_external_call = refuse
    post_id = scheduled(dateline)
    dateline.stack.on_external_call = None
    assert copied(dateline, post_id) == {PICTURE: None}
    post = dateline.deps.posts.get(post_id)
    assert post is not None
    assert Pins(dateline.deps, post, lambda: 90.0).open(Media(PICTURE)).read() == files.png().data


def test_a_post_that_moves_beyond_the_life_of_its_copy_gets_a_new_one_of_the_old_file(dateline: Dateline) -> None:
    post_id = scheduled(dateline, days=300)
    dateline.stack.settle(timers=False)
    dateline.http.files[PICTURE] = None
    dateline.clock.advance(timedelta(days=250))
    far = (dateline.clock.now() + timedelta(days=360)).isoformat().replace("+00:00", "Z")
    assert dateline.api("PATCH", f"/v1/posts/{post_id}", {"scheduledFor": far}).status == 200
    post = dateline.deps.posts.get(post_id)
    assert post is not None and post.pins[PICTURE].key.startswith("2028-02/")
    dateline.stack.settle(timers=False)
    assert copied(dateline, post_id)[PICTURE] is not None


def test_a_copy_is_kept_as_it_is_while_it_lasts_long_enough() -> None:
    pins = {PICTURE: Pin("2027-06/wks_local/a")}
    assert renewed(pins, START + timedelta(days=365), START + timedelta(days=14), 430) == pins
    assert renewed(pins, START + timedelta(days=390), START + timedelta(days=40), 430) == pins
    moved = renewed(pins, START + timedelta(days=460), START + timedelta(days=100), 430)
    assert moved == {PICTURE: Pin("2027-09/wks_local/a", None, "2027-06/wks_local/a")}
