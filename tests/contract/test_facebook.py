"""Facebook's publisher against a stand-in that judges by the Graph API's published shape, and every way a call can go wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms._facebook_rules import RULES
from dateline.platforms.base import (
    Absent,
    Account,
    Answer,
    Delivery,
    Failed,
    Found,
    Native,
    NotReady,
    Outcome,
    Processing,
    Publisher,
    Refused,
    Remote,
    Retry,
    SafeToRepeat,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from dateline.platforms.facebook import PUBLISHER
from local.networks.base import World
from local.networks.facebook import FacebookNetwork
from local.networks.files import jpeg, mp4
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, account_of, delivery_of
from tests.samples import Sample, samples_of

# Members of each call, transcribed from Page.json, Post.json and Video.json of facebook-business-sdk-codegen (2026-04-15)
# and from developers.facebook.com: Reels Publishing, Stories API (6 May 2026).
BODIES: dict[str, set[str]] = {
    r"/facebook/v26\.0/\d+/feed": {
        "message", "link", "attached_media", "published", "scheduled_publish_time", "unpublished_content_type",
    },
    r"/facebook/graph-video\.facebook\.com/v26\.0/\d+/videos": {
        "upload_phase", "file_size", "upload_session_id", "description", "title", "published", "scheduled_publish_time",
        "unpublished_content_type",
    },
    r"/facebook/v26\.0/\d+/video_reels": {
        "upload_phase", "video_id", "video_state", "description", "title", "scheduled_publish_time",
    },
    r"/facebook/v26\.0/\d+/video_stories": {"upload_phase", "video_id"},
    r"/facebook/v26\.0/\d+/photo_stories": {"photo_id"},
    r"/facebook/v26\.0/[\d_]+/comments": {"message"},
}
PICTURE = Media("https://media.example/cat.png", "image", "A cat asleep on a router")
FILM = Media("https://media.example/film.mp4", "video")
KINDS = {"video": {}, "reel": {"contentType": "reel"}, "story": {"contentType": "story"}}


class Desk:
    """One world with one page, and what a worker would do with a delivery."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [FacebookNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "facebook", "prof_facebook")

    @property
    def network(self) -> FacebookNetwork:
        network = self.world.networks["facebook"]
        assert isinstance(network, FacebookNetwork)
        return network

    def delivery(self, *segments: str | Segment, media: Pinned | None = None, **options: Any) -> Delivery:
        delivery = delivery_of(self.http, self.account, *segments, options=options, media=media)
        delivery.checkpoint.update(PUBLISHER.start(delivery))
        return delivery

    def prepare(self, delivery: Delivery) -> None:
        if PUBLISHER.needs_preparation(delivery):
            PUBLISHER.prepare(delivery)
        assert not PUBLISHER.needs_preparation(delivery)

    def publish(self, delivery: Delivery, segment: int = 0) -> Remote:
        self.prepare(delivery)
        delivery.armed_at = self.clock.now()
        try:
            [remote] = PUBLISHER.publish(delivery, segment)
        except Processing as working:
            [remote] = self.settled(delivery, working.after)
        delivery.published = (*delivery.published, remote)
        return remote

    def settled(self, delivery: Delivery, after: float) -> tuple[Remote, ...]:
        for _ in range(20):
            self.clock.advance(after)
            seen = PUBLISHER.resolve(delivery, 0)
            if isinstance(seen, Found):
                return seen.remotes
            assert isinstance(seen, Working)
            after = seen.after
        raise AssertionError("never done")

    def lost(self, delivery: Delivery, segment: int = 0) -> None:
        self.world.add_fault("facebook", "lost_answer")
        with pytest.raises(Unknown):
            self.publish(delivery, segment)
        delivery.uncertain = True

    def visible(self) -> list[str]:
        return [entry.text for entry in self.world.seen("facebook")]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_publisher_keeps_both_protocols() -> None:
    publisher: Publisher = PUBLISHER
    native: Native = PUBLISHER
    assert publisher.rules.platform == "facebook"
    assert callable(native.place)
    assert RULES.native is not None
    assert (RULES.native.least > 600, RULES.native.most < 30 * 86_400, RULES.native.by_default) == (True, True, False)


def test_a_text_is_one_call_signed_by_a_header(desk: Desk) -> None:
    delivery = desk.delivery("Hello, world")
    assert not PUBLISHER.needs_preparation(delivery)
    remote = desk.publish(delivery)
    [sent] = desk.http.sent
    assert (sent.method, sent.path, sent.query) == ("POST", f"/facebook/v26.0/{desk.account.account_id}/feed", "")
    assert sent.headers["authorization"] == "Bearer facebook-page-token-1"
    assert sent.json() == {"message": "Hello, world"}
    assert remote.url == f"https://www.facebook.com/{remote.id}"
    assert desk.visible() == ["Hello, world"]


@pytest.mark.parametrize("sample", samples_of("facebook"), ids=lambda sample: sample.name)
def test_every_shape_of_post_keeps_to_the_schema_and_reads_as_it_was_written(desk: Desk, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    comment = Segment("And a word more") if sample.comment else None
    draft = Draft((Segment(f"A post: {sample.name}", media),), sample.options, comment)
    assert check(RULES, draft, {}) == []
    delivery = desk.delivery(*draft.whole, media=Pinned(sample.files), **sample.options)
    remotes = [desk.publish(delivery, segment) for segment in range(len(draft.whole))]
    assert desk.visible() == [segment.text if sample.shows_text else "" for segment in draft.whole]
    assert [entry.remote_id for entry in desk.world.seen("facebook")] == [remote.id for remote in remotes]
    assert len(desk.world.seen("facebook")[0].media) == len(media)
    for sent in desk.http.sent:
        for path, members in BODIES.items():
            if sent.method == "POST" and re.fullmatch(path, sent.path) and sent.headers["content-type"] == "application/json":
                assert set(sent.json()) <= members
        assert "token" not in sent.path + sent.query


def test_photos_are_up_unseen_with_their_descriptions_before_the_post_and_only_once(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Two cats", (PICTURE, Media("https://media.example/other.png"))))
    PUBLISHER.prepare(delivery)
    first, second = desk.http.sent
    assert b'name="published"\r\n\r\nfalse' in first.body
    assert b'name="alt_text_custom"\r\n\r\nA cat asleep on a router' in first.body
    assert b"alt_text_custom" not in second.body
    assert b"temporary" not in first.body
    assert desk.visible() == []
    PUBLISHER.prepare(delivery)
    assert len(desk.http.sent) == 2
    desk.publish(delivery)
    ids = [delivery.checkpoint["media"][slot]["id"] for slot in ("0/0", "0/1")]
    assert desk.http.sent[-1].json() == {"message": "Two cats", "attached_media": [{"media_fbid": number} for number in ids]}
    desk.clock.advance(21 * 3600)
    late = desk.delivery(Segment("Late", (PICTURE,)))
    late.checkpoint = dict(delivery.checkpoint)
    assert PUBLISHER.needs_preparation(late)


def test_preparing_resumes_after_the_last_saved_photo(desk: Desk) -> None:
    delivery = desk.delivery(Segment("", (PICTURE, Media("https://media.example/other.png"))))
    real, saves = delivery.save, 0

    def once(**values: Any) -> None:
        nonlocal saves
        real(**values)
        saves += 1
        if saves == 1:
            raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)

    delivery.save = once
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    desk.publish(delivery)
    assert [sent.path.rpartition("/")[2] for sent in desk.http.sent] == ["photos", "photos", "feed"]


def test_a_video_goes_up_in_the_parts_facebook_asks_for_and_is_seen_when_it_is_worked_on(desk: Desk) -> None:
    desk.network.part = 4 * 1024 * 1024
    pinned = Pinned({FILM.url: mp4(size=9 * 1024 * 1024)})
    delivery = desk.delivery(Segment("Film", (FILM,)), media=pinned, title="A film")
    PUBLISHER.prepare(delivery)
    start, *parts = desk.http.sent
    assert start.json() == {"upload_phase": "start", "file_size": pinned.opened[FILM.url].size}
    assert len(parts) == 3
    assert all(b'name="upload_phase"\r\n\r\ntransfer' in part.body for part in parts)
    assert max(pinned.opened[FILM.url].reads) <= 4 * 1024 * 1024
    with pytest.raises(Processing) as caught:
        PUBLISHER.publish(delivery, 0)
    assert caught.value.after == 15
    finish = next(sent for sent in reversed(desk.http.sent) if sent.method == "POST")
    session = delivery.checkpoint["media"]["0/0"]["session"]
    assert finish.json() == {"upload_phase": "finish", "upload_session_id": session, "description": "Film", "title": "A film"}
    assert desk.visible() == []
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    [remote] = desk.settled(delivery, 5.0)
    assert remote.id == delivery.checkpoint["media"]["0/0"]["id"]
    assert desk.visible() == ["Film"]


def test_a_part_that_arrived_without_an_answer_is_not_sent_twice(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Film", (FILM,)), media=Pinned({FILM.url: mp4(size=3 * 1024 * 1024)}))
    real = delivery.save

    def broken(**values: Any) -> None:
        real(**values)
        desk.world.add_fault("facebook", "lost_answer", at="prepare")

    delivery.save = broken
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    delivery.save = real
    desk.publish(delivery)
    [video] = desk.network.videos.values()
    assert video.sent == video.size
    assert desk.visible() == ["Film"]


def test_an_upload_facebook_has_forgotten_begins_again(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Film", (FILM,)), media=Pinned({FILM.url: mp4(size=3 * 1024 * 1024)}))
    desk.world.add_fault("facebook", "lost_answer", at="prepare")
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    assert "media" not in delivery.checkpoint
    real = delivery.save

    def short_of_time(**values: Any) -> None:
        real(**values)
        raise NotReady("goes_on", "later", 0.0)

    delivery.save = short_of_time
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    delivery.save = real
    desk.network.videos.clear()
    with pytest.raises(Retry) as caught:
        PUBLISHER.prepare(delivery)
    assert caught.value.code == "upload_lapsed"
    desk.publish(delivery)
    assert desk.visible() == ["Film"]


@pytest.mark.parametrize("options", [KINDS["reel"], KINDS["story"]])
def test_a_reels_bytes_go_to_facebooks_own_address_and_go_on_where_they_broke_off(desk: Desk, options: dict[str, Any]) -> None:
    pinned = Pinned({FILM.url: mp4(size=20 * 1024 * 1024)})
    delivery = desk.delivery(Segment("Reel", (FILM,)), media=pinned, **options)
    asked: list[float] = []
    delivery.need = asked.append
    real = desk.network._bytes

    def half(request: Any, number: str) -> Any:
        video = desk.network.videos[number]
        if video.sent == 0:
            video.size, video.sent = int(request.headers["file_size"]), 7 * 1024 * 1024
            return desk.network.server_error()
        return real(request, number)

    route = next(route for route in desk.network.routes if "rupload" in route.path)
    desk.network.routes[desk.network.routes.index(route)] = route._replace(handle=half)
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    PUBLISHER.prepare(delivery)
    first, second = [sent for sent in desk.http.sent if "rupload" in sent.path]
    assert (first.headers["offset"], second.headers["offset"]) == ("0", str(7 * 1024 * 1024))
    assert first.headers["authorization"] == "OAuth facebook-page-token-1"
    assert first.headers["file_size"] == str(pinned.opened[FILM.url].size)
    assert asked == [75.0]
    assert max(pinned.opened[FILM.url].reads) <= 16 * 1024 * 1024
    desk.publish(delivery)
    assert len(desk.visible()) == 1


def test_a_token_goes_to_facebooks_hosts_only(desk: Desk) -> None:
    from dateline.platforms._facebook_uploads import _is_facebooks

    real = replace(desk.account, server="https://graph.facebook.com", override="")
    assert _is_facebooks(real, "https://rupload.facebook.com/video-upload/1")
    for host in ("https://facebook.com.example", "http://rupload.facebook.com", "https://evilfacebook.com"):
        assert not _is_facebooks(real, f"{host}/1")


def test_a_file_of_the_wrong_type_or_size_fails_before_anything_is_sent(desk: Desk) -> None:
    big = jpeg()._replace(data=bytes(11 * 1024 * 1024))
    for item, file, code in ((FILM, jpeg(), "media_format"), (PICTURE, big, "media_too_large")):
        with pytest.raises(Failed) as caught:
            PUBLISHER.prepare(desk.delivery(Segment("", (item,)), media=Pinned({item.url: file})))
        assert caught.value.code == code
    assert desk.http.sent == []


def test_an_option_that_does_not_fit_is_a_warning_and_what_can_never_be_is_an_error() -> None:
    small, long = (FILM._replace(facts=Facts("video/mp4", 9, *facts)) for facts in ((400, 700, 9.0), (1080, 1920, 70.0)))
    wide = FILM._replace(facts=Facts("video/mp4", 9, 1920, 1080, 9.0))
    large = PICTURE._replace(facts=Facts("image/png", 5 * 1024 * 1024))
    story, reel = KINDS["story"], KINDS["reel"]
    assert RULES.advise is not None
    cases: tuple[tuple[Draft, list[str], list[str]], ...] = (
        (Draft((Segment("x"),), reel), [], ["content_type.ignored"]),
        (Draft((Segment("", (PICTURE, PICTURE)),), story), [], ["content_type.ignored"]),
        (Draft((Segment("x", (PICTURE,)),), story), [], ["text.ignored"]),
        (Draft((Segment("x", (large,)),), {"link": "https://a.example", "title": "T"}), [],
         ["link.ignored", "title.ignored", "media.large"]),
        (Draft((Segment("x", (small,)),), reel), ["reel.too_small"], []),
        (Draft((Segment("x", (wide,)),), reel), ["reel.ratio"], []),
        (Draft((Segment("", (long,)),), story), ["story.length"], []),
        (Draft((Segment("", (PICTURE,)),), {**story, "nativeSchedule": True}, Segment("c")),
         ["first_comment.story", "native_schedule.story"], []),
        (Draft((Segment("x" * 63_207),)), ["text.too_long"], []),
        (Draft((Segment("x"),), {}, Segment("y" * 8_001)), ["first_comment.too_long"], []),
        (Draft((Segment("x", (PICTURE, FILM)),)), ["media.mixed"], []),
    )
    for draft, wrong, advised in cases:
        assert [v.rule.removeprefix("facebook.") for v in check(RULES, draft, {})] == wrong
        assert [v.rule.removeprefix("facebook.") for v in RULES.advise(draft, {})] == advised


def test_what_does_not_fit_its_option_is_published_as_what_it_is(desk: Desk) -> None:
    desk.publish(desk.delivery("Words", contentType="reel"))
    desk.publish(desk.delivery(Segment("Cats", (PICTURE, Media("https://media.example/other.png"))), contentType="story"))
    assert [entry.extra["kind"] for entry in desk.world.seen("facebook")] == ["post", "post"]


@pytest.mark.parametrize("sample", samples_of("facebook"), ids=lambda sample: sample.name)
def test_a_lost_answer_is_settled_for_every_shape(desk: Desk, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    delivery = desk.delivery(Segment("Words", media), "A comment", **sample.options)
    desk.lost(delivery)
    [remote] = desk.settled(delivery, 6.0)
    [entry] = desk.world.seen("facebook")
    assert remote.id == entry.remote_id
    if sample.shows_text:
        delivery.published = (remote,)
        desk.lost(delivery, 1)
        found = PUBLISHER.resolve(delivery, 1)
        assert isinstance(found, Found)
        assert found.remotes[0].id == desk.world.seen("facebook")[1].remote_id


@pytest.mark.parametrize("sample", samples_of("facebook"), ids=lambda sample: sample.name)
def test_a_call_that_never_arrived_is_absent_or_safe_and_is_then_made_once(desk: Desk, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    delivery = desk.delivery(Segment("Words", media), **sample.options)
    desk.world.add_fault("facebook", "server_error")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    filmed = any(item.type == "video" for item in media)
    assert type(PUBLISHER.resolve(delivery, 0)) is (SafeToRepeat if filmed else Absent)
    delivery.uncertain = True
    desk.publish(delivery)
    assert len(desk.visible()) == 1


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_finishing_a_video_again_finds_the_one_that_was_finished(desk: Desk, options: dict[str, Any]) -> None:
    delivery = desk.delivery(Segment("Film", (FILM,)), **options)
    desk.lost(delivery)
    with pytest.raises(Processing):
        PUBLISHER.publish(delivery, 0)
    desk.clock.advance(6)
    [remote] = PUBLISHER.publish(delivery, 0)
    assert len(desk.visible()) == 1
    assert remote.id == desk.world.seen("facebook")[0].remote_id


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_a_video_facebook_cannot_process_is_refused(desk: Desk, options: dict[str, Any]) -> None:
    desk.network.processing_fails = True
    delivery = desk.delivery(Segment("Film", (FILM,)), **options)
    desk.prepare(delivery)
    with pytest.raises(Processing):
        PUBLISHER.publish(delivery, 0)
    desk.clock.advance(6)
    refused = PUBLISHER.resolve(delivery, 0)
    assert isinstance(refused, Refused)
    assert "resolution" in refused.detail
    assert not refused.again


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_a_finished_video_that_cannot_be_read_is_waited_for_and_never_uploaded_again(
    desk: Desk, options: dict[str, Any]
) -> None:
    delivery = desk.delivery(Segment("Film", (FILM,)), **options)
    desk.prepare(delivery)
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Processing):
        PUBLISHER.publish(delivery, 0)
    delivery.uncertain = True
    videos = dict(desk.network.videos)
    desk.network.videos.clear()
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.network.videos.update(videos)
    desk.settled(delivery, 6.0)
    desk.network.videos.clear()
    desk.clock.advance(600)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)
    assert not PUBLISHER.needs_preparation(delivery)


def test_a_handed_over_video_that_cannot_be_read_is_not_given_up_at_once(desk: Desk) -> None:
    delivery, at = placed(desk, next(sample for sample in NATIVE if any(item["url"].endswith("mp4") for item in sample.media)))
    desk.world.add_fault("facebook", "lost_answer")
    with pytest.raises(Unknown):
        PUBLISHER.place(delivery, at)
    desk.network.videos.clear()
    assert PUBLISHER.placed(delivery, at) == Absent()


def test_a_post_of_before_the_first_call_is_never_ours_however_long_ago_the_first_try_was(desk: Desk) -> None:
    """A try that failed before its call, or a hand-over that came to nothing, may be days old; of others hours are known."""
    delivery = desk.delivery("Same words")
    desk.clock.advance(3600)
    other = desk.publish(desk.delivery("Same words"))
    desk.publish(desk.delivery("Something else"))
    desk.clock.advance(8 * 3600)
    delivery.checkpoint.update(PUBLISHER.start(delivery))
    desk.world.add_fault("facebook", "server_error")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    delivery.uncertain = True
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    kept = dict(delivery.checkpoint)
    desk.clock.advance(120)
    delivery.checkpoint.update(PUBLISHER.start(delivery))
    assert delivery.checkpoint == kept, "an uncertain call may be found by any later look"
    native = desk.delivery("Same words")
    native.checkpoint["since"] = (desk.clock.now() - timedelta(days=3)).isoformat()
    native.uncertain, native.publish_at, native.armed_at = True, desk.clock.now(), desk.clock.now()
    assert PUBLISHER.resolve(native, 0) == Absent()
    assert other.id == desk.world.seen("facebook")[0].remote_id


def test_what_may_not_be_deleted_is_not_called_deleted(desk: Desk) -> None:
    delivery = desk.delivery("Stays")
    remote = desk.publish(delivery)
    plain = desk.http.request
    body = json.dumps({"error": {"message": "Unsupported delete request", "code": 100, "error_subcode": 33}}).encode()
    desk.http.request = lambda method, url, **how: (  # type: ignore[method-assign]
        Answer(400, {}, body) if method == "DELETE" else plain(method, url, **how)
    )
    with pytest.raises(Failed):
        PUBLISHER.delete(delivery, remote.id)


def test_a_slow_server_is_absent_first_and_found_once_it_is_done(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault("facebook", "slow", seconds=10)
    delivery = desk.delivery("Slow and steady")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert type(PUBLISHER.resolve(delivery, 0)) is Absent
    desk.clock.advance(6)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)


def test_resolve_takes_nothing_that_is_not_ours(desk: Desk) -> None:
    first = desk.publish(desk.delivery("Same"))
    photo = desk.publish(desk.delivery(Segment("Same", (PICTURE,))))
    ours = desk.delivery("Same")
    found = PUBLISHER.resolve(ours, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == first.id
    ours.taken = frozenset({first.id})
    assert type(PUBLISHER.resolve(ours, 0)) is Absent
    other = desk.delivery(Segment("Same", (Media("https://media.example/other.png"),)))
    desk.prepare(other)
    assert type(PUBLISHER.resolve(other, 0)) is Absent
    desk.lost(other)
    found = PUBLISHER.resolve(other, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id not in (first.id, photo.id)
    desk.clock.advance(600)
    assert type(PUBLISHER.resolve(desk.delivery("Same"), 0)) is Absent


def test_resolve_reads_every_page_and_says_so_when_there_are_too_many(desk: Desk) -> None:
    desk.network.page_size = 2
    delivery = desk.delivery("wanted")
    wanted = desk.publish(delivery)
    delivery.published = ()
    for number in range(8):
        desk.publish(desk.delivery(f"later {number}"))
    assert PUBLISHER.resolve(delivery, 0) == Found((wanted,))
    for number in range(8, 11):
        desk.publish(desk.delivery(f"later {number}"))
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_a_duplicate_fails_when_we_were_certain_and_is_ours_when_we_were_not(desk: Desk) -> None:
    first = desk.publish(desk.delivery("Good morning"))
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Good morning"))
    assert caught.value.code == "duplicate_content"
    other = desk.delivery("Good morning")
    other.uncertain, other.taken = True, frozenset({first.id})
    with pytest.raises(Unknown) as unknown:
        desk.publish(other)
    assert unknown.value.code == "duplicate_not_found"
    delivery = desk.delivery("Good evening")
    desk.lost(delivery)
    remote = desk.publish(delivery)
    assert remote.id == desk.world.seen("facebook")[-1].remote_id
    assert desk.visible() == ["Good morning", "Good evening"]


def test_a_post_that_does_not_take_comments_yet_is_commented_later(desk: Desk) -> None:
    desk.network.comments_after = 3.0
    delivery = desk.delivery("Post", "Comment")
    desk.publish(delivery)
    with pytest.raises(Retry) as caught:
        desk.publish(delivery, 1)
    assert caught.value.after == 5
    desk.clock.advance(5)
    desk.publish(delivery, 1)
    assert [entry.in_reply_to for entry in desk.world.seen("facebook")] == [None, delivery.published[0].id]


@pytest.mark.parametrize("sample", samples_of("facebook"), ids=lambda sample: sample.name)
def test_every_shape_can_be_deleted_and_deleting_again_is_no_error(desk: Desk, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    delivery = desk.delivery(Segment("Words", media), "Comment", **sample.options)
    remotes = [desk.publish(delivery, segment) for segment in range(2 if sample.comment else 1)]
    for remote in (*reversed(remotes), *remotes):
        PUBLISHER.delete(delivery, remote.id)
    assert desk.visible() == []


def test_a_limit_waits_as_long_as_meta_says_and_its_use_is_told_in_per_cent(desk: Desk) -> None:
    desk.world.add_fault("facebook", "rate_limit", retry_after=300)
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("Hello"))
    assert (caught.value.code, caught.value.after) == ("rate_limited", 300)
    desk.world.add_fault("facebook", "rate_limit", retry_after=300, at="read")
    answer = desk.http.request(
        "GET", f"{desk.account.server}/v26.0/me", headers={"Authorization": "Bearer facebook-page-token-1"}
    )
    [quota] = PUBLISHER.quotas(answer, desk.clock.now())
    assert (quota.scope, quota.remaining, quota.resets_at) == ("account", 0, desk.clock.now() + timedelta(minutes=5))
    assert desk.visible() == []


def test_a_refusal_is_final_and_carries_facebooks_words(desk: Desk) -> None:
    desk.world.add_fault("facebook", "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Hello"))
    assert "the content is not allowed" in caught.value.detail


def test_an_error_of_metas_own_says_nothing_of_whether_the_post_is_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from local.networks.facebook import _error

    monkeypatch.setattr(desk.network, "rejected", lambda: _error(400, 2, "Service temporarily unavailable", transient=True))
    for at, outcome in (("publish", Unknown), ("prepare", Retry)):
        desk.world.add_fault("facebook", "reject", at=at)
        with pytest.raises(outcome):
            desk.publish(desk.delivery(Segment("Hello", (PICTURE,))))
    assert desk.visible() == []


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    desk.http.unreachable = True
    with pytest.raises(Retry):
        desk.publish(desk.delivery("Hello"))


def test_a_dead_token_is_refused_everywhere_and_there_is_nothing_to_refresh(desk: Desk) -> None:
    desk.network.revoke("prof_facebook")
    delivery = desk.delivery("Hello")
    calls: tuple[Callable[[], Any], ...] = (
        lambda: desk.publish(delivery), lambda: PUBLISHER.verify(desk.account, desk.http), lambda: PUBLISHER.resolve(delivery, 0),
        lambda: PUBLISHER.delete(delivery, "1_2"), lambda: desk.prepare(desk.delivery(Segment("", (PICTURE,)))),
        lambda: PUBLISHER.confirm(delivery, Remote("1_2")),
    )
    for attempt in calls:
        with pytest.raises(TokenRefused):
            attempt()
    assert PUBLISHER.refresh(desk.account, desk.http) is None


def with_credentials(account: Account, **values: str) -> Account:
    return replace(account, credentials={**account.credentials, **values})


def test_verify_says_which_page_it_is_and_knows_a_persons_token(desk: Desk) -> None:
    info = PUBLISHER.verify(desk.account, desk.http)
    assert (info.account_id, info.name) == (desk.account.account_id, "Page 1")
    user = desk.network.grants.give("prof_facebook")
    with pytest.raises(Failed) as caught:
        PUBLISHER.verify(with_credentials(desk.account, accessToken=user.access), desk.http)
    assert caught.value.code == "not_a_page"


def test_consent_leads_to_the_pages_tokens_by_way_of_a_long_lived_one(desk: Desk) -> None:
    flow = PUBLISHER.connect
    assert flow is not None
    asked = {
        "response_type": "code", "client_id": "facebook-client", "redirect_uri": "https://app.example/back", "state": "s",
        "scope": flow.scope_separator.join(flow.scopes), "as": "prof_facebook",
    }
    answer = desk.http.request("GET", f"{desk.account.host(flow.authorize[0])}{flow.authorize[1]}", params=asked)
    code = re.findall("code=([^&]+)", answer.headers["location"])[0]
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": "https://app.example/back",
        "client_id": "facebook-client", "client_secret": "facebook-client-secret",
    }
    given = desk.http.request("POST", f"{desk.account.host(flow.token[0])}{flow.token[1]}", data=form).json()
    fresh = replace(with_credentials(desk.account, accessToken=given["access_token"]), account_id="")
    [page] = PUBLISHER.accounts(fresh, desk.http)
    assert (page.account_id, page.kind, page.expires_in) == (desk.account.account_id, "page", 0)
    assert page.credentials == {"accessToken": "facebook-page-token-1"}
    assert "facebook-page-token" not in repr(page)
    exchange, listing = desk.http.sent[-2:]
    assert "grant_type=fb_exchange_token" in exchange.query
    assert listing.headers["authorization"].startswith("Bearer facebook-long-token-")
    desk.clock.advance(365 * 86_400)
    desk.account = with_credentials(desk.account, **page.credentials)
    desk.publish(desk.delivery("A year later"))
    with pytest.raises(TokenRefused):
        PUBLISHER.accounts(fresh, desk.http)


NATIVE = [sample for sample in samples_of("facebook") if sample.shows_text and not sample.comment]


def placed(desk: Desk, sample: Sample, **more: Any) -> tuple[Delivery, datetime]:
    media = tuple(Media.from_dict(item) for item in sample.media)
    delivery = desk.delivery(Segment("Later", media), **sample.options, **more, nativeSchedule=True)
    desk.prepare(delivery)
    delivery.publish_at = at = desk.clock.now() + timedelta(hours=2)
    delivery.armed_at = desk.clock.now()
    return delivery, at


@pytest.mark.parametrize("sample", NATIVE, ids=lambda sample: sample.name)
def test_a_time_within_a_second_is_never_anticipated(desk: Desk, sample: Sample) -> None:
    delivery, at = placed(desk, sample)
    delivery.publish_at = at = at + timedelta(milliseconds=89)
    remote = PUBLISHER.place(delivery, at)
    assert PUBLISHER.placed(delivery, at) == Found((remote,))
    desk.clock.advance(7202)
    [entry] = desk.world.seen("facebook")
    assert at <= entry.at <= at + timedelta(seconds=1)


@pytest.mark.parametrize("sample", NATIVE, ids=lambda sample: sample.name)
def test_a_post_handed_over_is_published_by_facebook_at_its_time(desk: Desk, sample: Sample) -> None:
    delivery, at = placed(desk, sample)
    remote = PUBLISHER.place(delivery, at)
    sent = next(sent for sent in reversed(desk.http.sent) if sent.method == "POST")
    body = sent.json()
    assert body["scheduled_publish_time"] == int(at.timestamp())
    assert body.get("published") is False or body.get("video_state") == "SCHEDULED"
    assert set(body) <= next(members for path, members in BODIES.items() if re.fullmatch(path, sent.path))
    desk.clock.advance(3600)
    assert desk.visible() == []
    assert isinstance(PUBLISHER.confirm(delivery, remote), Working)
    assert PUBLISHER.placed(delivery, at) == Found((remote,))
    assert not isinstance(PUBLISHER.resolve(delivery, 0), Found), "kept is not published"
    desk.clock.advance(3605)
    assert PUBLISHER.confirm(delivery, remote) == Found((remote,))
    [entry] = desk.world.seen("facebook")
    assert (entry.text, entry.remote_id, entry.at) == ("Later", remote.id, at)


@pytest.mark.parametrize("sample", NATIVE, ids=lambda sample: sample.name)
def test_a_handing_over_whose_answer_was_lost_is_found(desk: Desk, sample: Sample) -> None:
    delivery, at = placed(desk, sample)
    desk.world.add_fault("facebook", "server_error")
    with pytest.raises(Unknown):
        PUBLISHER.place(delivery, at)
    assert isinstance(PUBLISHER.placed(delivery, at), Absent | SafeToRepeat)
    desk.world.add_fault("facebook", "lost_answer")
    with pytest.raises(Unknown):
        PUBLISHER.place(delivery, at)
    found = PUBLISHER.placed(delivery, at)
    assert isinstance(found, Found)
    desk.clock.advance(7300)
    assert PUBLISHER.confirm(delivery, found.remotes[0]) == found
    assert PUBLISHER.placed(delivery, at) == found
    assert desk.visible() == ["Later"]


@pytest.mark.parametrize("sample", NATIVE, ids=lambda sample: sample.name)
def test_what_was_handed_over_is_withdrawn_before_its_time_and_never_after(desk: Desk, sample: Sample) -> None:
    delivery, at = placed(desk, sample)
    remote = PUBLISHER.place(delivery, at)
    PUBLISHER.withdraw(delivery, remote)
    PUBLISHER.withdraw(delivery, remote)
    desk.clock.advance(7300)
    assert desk.visible() == []
    assert type(PUBLISHER.confirm(delivery, remote)) is Absent
    again, at = placed(desk, sample)
    remote = PUBLISHER.place(again, at)
    desk.clock.advance(7300)
    with pytest.raises(Failed) as caught:
        PUBLISHER.withdraw(again, remote)
    assert caught.value.code == "already_published"
    assert desk.visible() == ["Later"]


@pytest.mark.parametrize("sample", NATIVE, ids=lambda sample: sample.name)
@pytest.mark.parametrize("again", ["place", "publish"])
def test_what_was_withdrawn_goes_out_later_all_the_same(desk: Desk, sample: Sample, again: str) -> None:
    delivery, at = placed(desk, sample)
    PUBLISHER.withdraw(delivery, PUBLISHER.place(delivery, at))
    if again == "publish":
        delivery.uncertain = True
        try:
            remote = desk.publish(delivery)
        except Retry as caught:
            assert caught.code == "media_gone"
            remote = desk.publish(delivery)
    else:
        at += timedelta(hours=1)
        try:
            remote = PUBLISHER.place(delivery, at)
        except NotReady:
            desk.prepare(delivery)
            remote = PUBLISHER.place(delivery, at)
        desk.clock.advance(4 * 3600)
    assert desk.visible() == ["Later"]
    assert desk.world.seen("facebook")[0].remote_id == remote.id


def test_media_that_are_refused_are_brought_up_afresh_once(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Cat", (PICTURE,)))
    desk.prepare(delivery)
    desk.network.photos.clear()
    with pytest.raises(Retry) as caught:
        desk.publish(delivery)
    assert caught.value.code == "media_gone"
    desk.prepare(delivery)
    desk.network.photos.clear()
    with pytest.raises(Failed):
        desk.publish(delivery)
    desk.world.add_fault("facebook", "reject")
    with pytest.raises(Failed):
        desk.publish(desk.delivery("No media to bring up"))


def test_a_story_is_never_handed_over_and_a_time_facebook_does_not_take_is_refused(desk: Desk) -> None:
    delivery = desk.delivery(Segment("", (PICTURE,)), contentType="story")
    desk.prepare(delivery)
    with pytest.raises(Failed) as caught:
        PUBLISHER.place(delivery, desk.clock.now() + timedelta(hours=1))
    assert caught.value.code == "unsupported"
    assert RULES.native is not None
    for seconds, taken in ((RULES.native.least, True), (RULES.native.most, True), (60, False), (31 * 86_400, False)):
        at = desk.clock.now() + timedelta(seconds=seconds)
        if taken:
            PUBLISHER.place(desk.delivery(f"In {seconds}"), at)
        else:
            with pytest.raises(Failed):
                PUBLISHER.place(desk.delivery(f"In {seconds}"), at)


def test_a_post_meta_keeps_and_does_not_let_us_take_back_is_not_called_withdrawn(desk: Desk) -> None:
    delivery, at = placed(desk, Sample("text"))
    remote = PUBLISHER.place(delivery, at)
    desk.network._read = desk.network._delete = lambda request, number: missing(number)  # type: ignore[method-assign]
    desk.network.routes = [
        route._replace(handle=lambda request, number: missing(number)) if route.path.endswith("(?P<number>[0-9_]+)") else route
        for route in desk.network.routes
    ]
    with pytest.raises(Failed) as caught:
        PUBLISHER.withdraw(delivery, remote)
    assert caught.value.code == "forbidden"


def missing(number: str) -> Any:
    from local.networks.facebook import _missing

    return _missing(number)


def test_meta_writes_times_with_an_offset_without_a_colon() -> None:
    from dateline.platforms._facebook_looks import _moment

    assert _moment("2026-06-15T09:00:00+0000") == datetime(2026, 6, 15, 9, tzinfo=UTC)
    assert _moment("soon").year == 9999


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "reject", "lost_answer", "expired_token"])
def test_no_token_gets_into_an_exception_or_a_repr(desk: Desk, fault: str) -> None:
    desk.world.add_fault("facebook", fault)
    with pytest.raises(Outcome) as caught:
        desk.publish(desk.delivery(Segment("Hello", (PICTURE,))))
    said = f"{caught.value!r} {caught.value} {desk.account!r} {desk.delivery('x')!r}"
    assert "facebook-page-token" not in said
    assert "facebook-client-secret" not in said


@pytest.mark.parametrize(("kind", "rules"), [("video", ["facebook.alt_text.ignored"]), ("image", [])])
def test_alternative_text_that_is_not_taken_is_left_out_with_a_warning(kind: str, rules: list[str]) -> None:
    draft = Draft((Segment("Words", (Media("https://media.example/a", kind, "What is to be seen"),)),))
    assert RULES.advise is not None
    assert [violation.rule for violation in RULES.advise(draft, {})] == rules
