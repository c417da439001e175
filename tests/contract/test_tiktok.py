"""TikTok's publisher against a stand-in that judges by TikTok's published shape, and against every way a call can go wrong."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Account,
    Answer,
    Delivery,
    Failed,
    Found,
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
from dateline.platforms.tiktok import PIECE, PUBLISHER, RULES
from local.networks import files
from local.networks.base import World
from local.networks.tiktok import Creator, TikTokNetwork
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, Sent, account_of, delivery_of
from tests.samples import Sample, samples_of

# Transcribed from developers.tiktok.com (Content Posting API: direct post, photo post, upload; October and November 2026).
VIDEO_INFO = {
    "title", "privacy_level", "disable_duet", "disable_comment", "disable_stitch", "video_cover_timestamp_ms",
    "brand_content_toggle", "brand_organic_toggle", "is_aigc",
}
PHOTO_INFO = {
    "title", "description", "privacy_level", "disable_comment", "auto_add_music", "brand_content_toggle", "brand_organic_toggle",
}
CLIP = Media("https://media.example/clip.mp4", "video")
PHOTOS = tuple(Media(f"https://media.example/{n}.jpg") for n in range(3))
INIT, STATUS = "/tiktok/v2/post/publish/video/init/", "/tiktok/v2/post/publish/status/fetch/"
PHOTO_INIT = "/tiktok/v2/post/publish/content/init/"


class Desk:
    """One world with one TikTok account, and what a worker would do with a delivery."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [TikTokNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "tiktok", "prof_tiktok")
        self.pinned = Pinned()

    @property
    def network(self) -> TikTokNetwork:
        network = self.world.networks["tiktok"]
        assert isinstance(network, TikTokNetwork)
        return network

    @property
    def creator(self) -> Creator:
        return self.network.creators["prof_tiktok"]

    def video(self, text: str = "A clip", size: int = 0, **options: Any) -> Delivery:
        self.pinned.files[CLIP.url] = files.mp4(size=size)
        return delivery_of(self.http, self.account, Segment(text, (CLIP,)), options=options, media=self.pinned)

    def photos(self, text: str = "Three pictures", count: int = 3, **options: Any) -> Delivery:
        return delivery_of(self.http, self.account, Segment(text, PHOTOS[:count]), options=options, media=self.pinned)

    def publish(self, delivery: Delivery) -> None:
        """Prepare, arm and publish, as deliver does; all is well when TikTok is at work on it."""
        if PUBLISHER.needs_preparation(delivery):
            PUBLISHER.prepare(delivery)
        delivery.armed_at = self.clock.now()
        with pytest.raises(Processing):
            PUBLISHER.publish(delivery, 0)
        delivery.uncertain = True

    def finish(self, delivery: Delivery) -> Remote:
        """Look until TikTok is done."""
        for _ in range(50):
            found = PUBLISHER.resolve(delivery, 0)
            if isinstance(found, Found):
                return found.remotes[0]
            assert isinstance(found, Working), found
            self.clock.advance(found.after)
        raise AssertionError("never done")

    def sent(self, path: str) -> list[Sent]:
        return [sent for sent in self.http.sent if sent.path == path]

    def visible(self) -> list[str]:
        return [entry.text for entry in self.world.seen("tiktok")]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_publisher_keeps_the_protocol() -> None:
    publisher: Publisher = PUBLISHER
    assert publisher.rules.platform == "tiktok"
    assert publisher.rules.horizon_days == 10
    assert publisher.rules.daily_cap is not None
    assert publisher.rules.daily_cap.limit_for({"dailyPosts": 25}) == 25
    assert not publisher.rules.deletes


def test_a_video_is_asked_about_begun_sent_and_looked_up(desk: Desk) -> None:
    delivery = desk.video("A clip #cats")
    assert PUBLISHER.needs_preparation(delivery)
    PUBLISHER.prepare(delivery)
    assert not PUBLISHER.needs_preparation(delivery)
    assert desk.visible() == []
    asked, begun = desk.http.sent
    assert (asked.method, asked.path) == ("POST", "/tiktok/v2/post/publish/creator_info/query/")
    assert asked.headers["content-type"] == "application/json; charset=UTF-8"
    assert begun.headers["authorization"] == f"Bearer {desk.account.credentials['accessToken']}"
    size = desk.pinned.opened[CLIP.url].size
    assert begun.json() == {
        "post_info": {
            "title": "A clip #cats", "privacy_level": "PUBLIC_TO_EVERYONE", "disable_comment": False, "disable_duet": False,
            "disable_stitch": False, "brand_content_toggle": False, "brand_organic_toggle": False, "is_aigc": False,
        },
        "source_info": {"source": "FILE_UPLOAD", "video_size": size, "chunk_size": size, "total_chunk_count": 1},
    }
    desk.publish(delivery)
    put = desk.http.sent[-1]
    assert (put.method, put.path) == ("PUT", "/tiktok/upload/video/")
    assert put.headers["content-range"] == f"bytes 0-{size - 1}/{size}"
    assert (put.headers["content-type"], put.headers["content-length"]) == ("video/mp4", str(size))
    assert "authorization" not in put.headers
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    assert desk.visible() == []
    remote = desk.finish(delivery)
    assert desk.sent(STATUS)[-1].json() == {"publish_id": delivery.checkpoint["publishId"]}
    assert remote.url == f"https://www.tiktok.com/@{desk.creator.name}/video/{remote.id}"
    [entry] = desk.world.seen("tiktok")
    assert (entry.text, entry.remote_id) == ("A clip #cats", remote.id)
    assert entry.extra["sha256"] == hashlib.sha256(desk.pinned.opened[CLIP.url].data).hexdigest()


@pytest.mark.parametrize(
    ("size", "pieces"),
    [
        (4_999_999, [4_999_999]), (19_999_999, [19_999_999]), (20_000_000, [PIECE, PIECE]),
        (50_000_123, [PIECE] * 4 + [10_000_123]),
    ],
)
def test_a_large_video_goes_in_pieces_in_order_and_the_last_takes_what_is_left(desk: Desk, size: int, pieces: list[int]) -> None:
    delivery = desk.video(size=size)
    PUBLISHER.prepare(delivery)
    source = desk.sent(INIT)[0].json()["source_info"]
    assert source["total_chunk_count"] == len(pieces)
    assert source["chunk_size"] == pieces[0]
    assert len(desk.sent("/tiktok/upload/video/")) == len(pieces) - 1
    assert desk.visible() == []
    desk.publish(delivery)
    assert [len(sent.body) for sent in desk.sent("/tiktok/upload/video/")] == pieces
    assert max(desk.pinned.opened[CLIP.url].reads) < 32 * 1024 * 1024
    desk.finish(delivery)
    assert desk.world.seen("tiktok")[0].extra["sha256"] == hashlib.sha256(desk.pinned.opened[CLIP.url].data).hexdigest()


def test_the_publish_id_is_saved_before_any_piece_and_each_piece_when_it_is_there(desk: Desk) -> None:
    delivery = desk.video(size=35_000_000)
    saved: list[dict[str, Any]] = []

    def save(**values: Any) -> None:
        delivery.checkpoint.update(values)
        saved.append({"puts": len(desk.sent("/tiktok/upload/video/")), **values})

    delivery.save = save
    PUBLISHER.prepare(delivery)
    assert [entry["puts"] for entry in saved if entry.get("publishId")] == [0]
    assert [(entry["sent"], entry["puts"]) for entry in saved if "sent" in entry] == [(0, 0), (PIECE, 1), (2 * PIECE, 2)]


def test_preparation_stops_for_time_and_goes_on_where_it_was(desk: Desk) -> None:
    delivery = desk.video(size=35_000_000)

    def save(**values: Any) -> None:
        delivery.checkpoint.update(values)
        if values.get("sent") == PIECE:
            raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)

    delivery.save = save
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    delivery.save = delivery.checkpoint.update
    PUBLISHER.prepare(delivery)
    assert [sent.headers["content-range"].split("/")[0] for sent in desk.sent("/tiktok/upload/video/")] == [
        "bytes 0-9999999", "bytes 10000000-19999999",
    ]
    assert len(desk.sent(INIT)) == 1


@pytest.mark.parametrize("fault", ["server_error", "lost_answer"])
def test_a_piece_without_an_answer_is_sent_again_or_known_to_be_there(desk: Desk, fault: str) -> None:
    delivery = desk.video(size=35_000_000)

    def save(**values: Any) -> None:
        delivery.checkpoint.update(values)
        if values.get("publishId"):
            desk.world.add_fault("tiktok", fault, at="prepare")

    delivery.save = save
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    PUBLISHER.prepare(delivery)
    assert len(desk.sent(INIT)) == 1
    desk.publish(delivery)
    desk.finish(delivery)
    assert desk.world.seen("tiktok")[0].extra["sha256"] == hashlib.sha256(desk.pinned.opened[CLIP.url].data).hexdigest()


def test_an_upload_that_lapsed_while_it_was_prepared_is_begun_anew(desk: Desk) -> None:
    delivery = desk.video()
    PUBLISHER.prepare(delivery)
    first = delivery.checkpoint["publishId"]
    desk.clock.advance(3400)
    assert PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    assert delivery.checkpoint["publishId"] != first
    desk.finish(delivery)
    desk.clock.advance(3600)
    assert desk.visible() == ["A clip"]


def test_a_last_piece_for_an_upload_that_is_gone_is_known_not_to_be_out(desk: Desk) -> None:
    delivery = desk.video()
    PUBLISHER.prepare(delivery)
    desk.network.publications.clear()
    with pytest.raises(Retry) as caught:
        PUBLISHER.publish(delivery, 0)
    assert caught.value.code == "upload_gone"
    assert PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    desk.finish(delivery)
    assert desk.visible() == ["A clip"]


def test_a_lost_answer_to_the_last_piece_is_settled_by_the_publish_id(desk: Desk) -> None:
    delivery = desk.video()
    PUBLISHER.prepare(delivery)
    desk.world.add_fault("tiktok", "lost_answer")
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    delivery.uncertain = True
    remote = desk.finish(delivery)
    [entry] = desk.world.seen("tiktok")
    assert entry.remote_id == remote.id


def test_a_last_piece_that_never_arrived_is_sent_again_into_the_same_upload(desk: Desk) -> None:
    delivery = desk.video()
    PUBLISHER.prepare(delivery)
    desk.world.add_fault("tiktok", "server_error")
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    delivery.uncertain = True
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    assert not PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    desk.finish(delivery)
    assert (desk.visible(), len(desk.sent(INIT))) == (["A clip"], 1)


def test_a_slow_server_is_safe_to_repeat_and_there_is_one_post(desk: Desk) -> None:
    desk.http.deadline = 4
    delivery = desk.video()
    PUBLISHER.prepare(delivery)
    desk.world.add_fault("tiktok", "slow", seconds=10)
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    delivery.uncertain = True
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    desk.clock.advance(6)
    with pytest.raises(Unknown) as caught:  # a repeat meets an upload that has all its pieces
        PUBLISHER.publish(delivery, 0)
    assert caught.value.code == "upload_closed"
    desk.finish(delivery)
    assert desk.visible() == ["A clip"]


def test_a_last_piece_that_is_refused_after_an_uncertain_one_is_looked_up_before_it_is_called_failed(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault("tiktok", "slow", seconds=10)
    delivery = desk.video()
    PUBLISHER.prepare(delivery)
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    delivery.uncertain = True
    plain = desk.http.request
    desk.http.request = lambda *a, **k: Answer(400, {}, b"bad request")  # type: ignore[method-assign]
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    desk.http.request = plain  # type: ignore[method-assign]
    desk.clock.advance(6)
    desk.finish(delivery)
    assert desk.visible() == ["A clip"]


def test_a_last_piece_that_never_arrived_before_the_upload_lapsed_is_prepared_afresh(desk: Desk) -> None:
    delivery = desk.video()
    PUBLISHER.prepare(delivery)
    desk.world.add_fault("tiktok", "server_error")
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    delivery.uncertain = True
    desk.clock.advance(3601)
    assert not PUBLISHER.needs_preparation(delivery)
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    desk.clock.advance(300)
    refused = PUBLISHER.resolve(delivery, 0)
    assert isinstance(refused, Refused)
    assert refused.again
    delivery.uncertain, delivery.account = False, desk.account
    assert PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    desk.finish(delivery)
    assert desk.visible() == ["A clip"]


def test_a_delivered_video_is_never_called_missing_whatever_the_count_says(desk: Desk) -> None:
    delivery = desk.video()
    desk.publish(delivery)
    [one] = desk.network.publications.values()
    one.received = 0
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)


@pytest.mark.parametrize(("reason", "again"), [("duration_check_failed", False), ("internal", True), ("spam_risk_text", False)])
def test_a_video_that_tiktok_will_not_post_is_refused_with_its_reason(desk: Desk, reason: str, again: bool) -> None:
    desk.network.fail_reason = reason
    delivery = desk.video()
    desk.publish(delivery)
    desk.clock.advance(5)
    refused = PUBLISHER.resolve(delivery, 0)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.again) == (reason, again)
    assert desk.visible() == []
    assert PUBLISHER.needs_preparation(delivery)  # another try, by whomever, begins anew
    desk.publish(delivery)
    desk.finish(delivery)
    assert desk.visible() == ["A clip"]


def test_a_public_post_waits_some_time_for_its_own_id_and_a_private_one_does_not(desk: Desk) -> None:
    desk.network.moderation_seconds = 40.0
    delivery = desk.video()
    desk.publish(delivery)
    assert desk.finish(delivery).id == desk.world.seen("tiktok")[0].remote_id
    desk.network.moderation_seconds = 3600.0
    slow = desk.video()
    desk.publish(slow)
    remote = desk.finish(slow)
    assert (remote.id, remote.url) == (slow.checkpoint["publishId"], None)
    private = desk.video(privacyLevel="SELF_ONLY")
    desk.publish(private)
    desk.clock.advance(5)
    publish_id = private.checkpoint["publishId"]
    extra = {"publishId": publish_id, "status": "PUBLISH_COMPLETE", "privacyLevel": "SELF_ONLY"}
    remote = Remote(publish_id, None, extra)
    assert PUBLISHER.resolve(private, 0) == Found((remote,))


@pytest.mark.parametrize("sample", samples_of("tiktok"), ids=lambda sample: sample.name)
def test_every_sample_breaks_no_rule(desk: Desk, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    assert check(RULES, Draft((Segment("Words", media),), sample.options), desk.account.settings) == []


def test_what_is_known_to_be_out_stays_so_when_the_wait_for_its_id_breaks(desk: Desk) -> None:
    desk.network.moderation_seconds = 3600.0
    delivery = desk.video()
    desk.publish(delivery)
    desk.clock.advance(5)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.network.grants.revoke("prof_tiktok")
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)


def test_options_become_members_and_what_the_owner_switched_off_stays_off(desk: Desk) -> None:
    desk.creator.off.add("stitch")
    options = {
        "privacyLevel": "MUTUAL_FOLLOW_FRIENDS", "disableComment": True, "disableDuet": True, "coverTimestampMs": 1500,
        "brandContent": True, "brandOrganic": True, "aiGenerated": True,
    }
    desk.publish(desk.video("Look", **options))
    info = desk.sent(INIT)[0].json()["post_info"]
    assert set(info) <= VIDEO_INFO
    assert info == {
        "title": "Look", "privacy_level": "MUTUAL_FOLLOW_FRIENDS", "disable_comment": True, "disable_duet": True,
        "disable_stitch": True, "video_cover_timestamp_ms": 1500, "brand_content_toggle": True, "brand_organic_toggle": True,
        "is_aigc": True,
    }
    desk.publish(desk.photos("First line\nSecond", autoAddMusic=True, photoCoverIndex=2))
    body = desk.sent(PHOTO_INIT)[0].json()
    assert set(body["post_info"]) <= PHOTO_INFO
    assert body == {
        "media_type": "PHOTO", "post_mode": "DIRECT_POST",
        "post_info": {
            "title": "First line", "description": "First line\nSecond", "privacy_level": "PUBLIC_TO_EVERYONE",
            "disable_comment": False, "auto_add_music": True, "brand_content_toggle": False, "brand_organic_toggle": False,
        },
        "source_info": {
            "source": "PULL_FROM_URL", "photo_cover_index": 2,
            "photo_images": [desk.pinned.open(photo).url() for photo in PHOTOS],
        },
    }
    assert set(RULES.options["properties"]) == {*options, "disableStitch", "title", "autoAddMusic", "photoCoverIndex", "draft"}


def test_the_most_public_audience_that_is_offered_is_the_default_and_no_other_is_asked_for(desk: Desk) -> None:
    desk.creator.offered = ["SELF_ONLY", "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR"]
    desk.publish(desk.video())
    assert desk.sent(INIT)[0].json()["post_info"]["privacy_level"] == "FOLLOWER_OF_CREATOR"
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(desk.video(privacyLevel="PUBLIC_TO_EVERYONE"))
    assert caught.value.code == "privacy_not_offered"
    assert "FOLLOWER_OF_CREATOR" in caught.value.detail
    desk.network.audited = False
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(desk.video(brandContent=True))
    assert caught.value.code == "brand_content_private"


def test_a_video_longer_than_the_account_may_post_fails_before_it_is_begun(desk: Desk) -> None:
    desk.creator.longest = 5
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(desk.video())
    assert caught.value.code == "media_too_long"
    assert desk.sent(INIT) == []


def test_a_file_of_a_type_tiktok_does_not_take_fails_before_anything_is_sent(desk: Desk) -> None:
    desk.pinned.files[CLIP.url] = files.gif()
    delivery = delivery_of(desk.http, desk.account, Segment("", (CLIP,)), media=desk.pinned)
    png = delivery_of(desk.http, desk.account, Segment("", (Media("https://media.example/a.png"),)), media=desk.pinned)
    for one in (delivery, png):
        with pytest.raises(Failed) as caught:
            PUBLISHER.prepare(one)
        assert caught.value.code == "media_format"
    assert desk.http.sent == []


def test_photos_are_fetched_by_tiktok_and_looked_up_by_their_publish_id(desk: Desk) -> None:
    delivery = desk.photos("Three pictures")
    assert PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    assert delivery.checkpoint["publishId"].startswith("p_pub_url")
    assert "pinned.example" not in str(delivery.checkpoint)
    remote = desk.finish(delivery)
    [entry] = desk.world.seen("tiktok")
    assert (entry.text, entry.remote_id, len(entry.media)) == ("Three pictures", remote.id, 3)
    assert remote.url == f"https://www.tiktok.com/@{desk.creator.name}/photo/{remote.id}"
    desk.clock.advance(601)
    assert PUBLISHER.needs_preparation(desk.photos())


def test_photos_that_cannot_be_fetched_are_tried_again_from_the_start(desk: Desk) -> None:
    delivery = desk.photos()
    PUBLISHER.prepare(delivery)
    desk.pinned.broken = True
    desk.publish(delivery)
    desk.clock.advance(5)
    refused = PUBLISHER.resolve(delivery, 0)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.again) == ("photo_pull_failed", True)
    desk.pinned.broken = False
    desk.publish(delivery)
    desk.finish(delivery)
    assert desk.visible() == ["Three pictures"]


@pytest.mark.parametrize("fault", ["lost_answer", "server_error"])
def test_photos_whose_answer_is_lost_cannot_be_decided(desk: Desk, fault: str) -> None:
    delivery = desk.photos()
    PUBLISHER.prepare(delivery)
    desk.world.add_fault("tiktok", fault)
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)
    desk.clock.advance(5)
    assert len(desk.visible()) == (1 if fault == "lost_answer" else 0)


def test_an_earlier_posts_id_is_never_taken_for_a_later_calls(desk: Desk) -> None:
    delivery = desk.photos()
    desk.publish(delivery)
    desk.finish(delivery)
    desk.world.add_fault("tiktok", "lost_answer")
    with pytest.raises(Unknown):  # a person said that the first had not been published, and asked for it again
        PUBLISHER.publish(delivery, 0)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_photos_from_an_address_tiktok_has_not_verified_say_so_without_the_address(desk: Desk) -> None:
    desk.network.verified = ("https://media.operator.example/",)
    delivery = desk.photos()
    PUBLISHER.prepare(delivery)
    with pytest.raises(Failed) as caught:
        PUBLISHER.publish(delivery, 0)
    assert caught.value.code == "media_host_unverified"
    assert "signature" not in caught.value.detail


@pytest.mark.parametrize("kind", ["video", "photos"])
def test_a_draft_lands_in_the_users_inbox_and_counts_as_published_with_a_note(desk: Desk, kind: str) -> None:
    delivery = desk.video("Later", draft=True) if kind == "video" else desk.photos("Later", draft=True)
    desk.publish(delivery)
    remote = desk.finish(delivery)
    assert remote.id == delivery.checkpoint["publishId"]
    assert remote.extra["status"] == "SEND_TO_USER_INBOX"
    assert "inbox" in remote.extra["note"]
    assert (desk.visible(), len(desk.network.inbox)) == ([], 1)
    assert desk.sent("/tiktok/v2/post/publish/creator_info/query/") == []
    if kind == "video":
        assert set(desk.sent("/tiktok/v2/post/publish/inbox/video/init/")[0].json()) == {"source_info"}
    else:
        body = desk.sent(PHOTO_INIT)[0].json()
        assert (body["post_mode"], body["post_info"]) == ("MEDIA_UPLOAD", {"title": "Later"})


def test_a_sixth_draft_within_a_day_is_refused(desk: Desk) -> None:
    for _ in range(5):
        delivery = desk.video(draft=True)
        desk.publish(delivery)
        desk.finish(delivery)
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(desk.video(draft=True))
    assert caught.value.code == "too_many_drafts"


def test_an_error_under_200_is_an_error(desk: Desk) -> None:
    desk.network.posts_a_day = 0
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(desk.video())
    assert caught.value.code == "daily_limit"


@pytest.mark.parametrize("kind", ["video", "photos"])
def test_a_rate_limit_waits_as_long_as_it_is_told(desk: Desk, kind: str) -> None:
    delivery = desk.video() if kind == "video" else desk.photos()
    PUBLISHER.prepare(delivery)
    desk.world.add_fault("tiktok", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as caught:
        PUBLISHER.publish(delivery, 0)
    assert (caught.value.code, caught.value.after) == ("rate_limited", 90)
    assert not PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)


def test_more_calls_than_tiktok_takes_in_a_minute_are_tried_again_after_it(desk: Desk) -> None:
    desk.network.limited = True
    for _ in range(6):
        PUBLISHER.prepare(desk.video())
    delivery = desk.video()
    with pytest.raises(Retry) as caught:
        PUBLISHER.prepare(delivery)
    desk.clock.advance(caught.value.after or 0)
    PUBLISHER.prepare(delivery)


@pytest.mark.parametrize("kind", ["video", "photos"])
def test_a_refusal_is_final_and_carries_the_networks_words(desk: Desk, kind: str) -> None:
    delivery = desk.video() if kind == "video" else desk.photos()
    PUBLISHER.prepare(delivery)
    desk.world.add_fault("tiktok", "reject")
    with pytest.raises(Failed) as caught:
        PUBLISHER.publish(delivery, 0)
    assert caught.value.code == "account_banned"
    assert "User is banned from posting" in caught.value.detail
    assert desk.visible() == []


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    for delivery in (desk.video(), desk.photos()):
        PUBLISHER.prepare(delivery)
        desk.http.unreachable = True
        with pytest.raises(Retry):
            PUBLISHER.publish(delivery, 0)
        desk.http.unreachable = False


@pytest.mark.parametrize("status", [200, 400])
def test_a_dead_token_is_refused_and_a_refresh_gives_a_pair_that_works(desk: Desk, status: int) -> None:
    desk.network.oauth_error_status = status
    desk.world.add_fault("tiktok", "expired_token")
    delivery = desk.photos()
    with pytest.raises(TokenRefused):
        PUBLISHER.prepare(delivery)
    with pytest.raises(TokenRefused):
        PUBLISHER.verify(desk.account, desk.http)
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    assert tokens is not None
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path) == ("POST", "/tiktok/v2/oauth/token/")
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert {name: value[0] for name, value in parse_qs(sent.body.decode()).items()} == {
        "client_key": "tiktok-client-key", "client_secret": "tiktok-client-secret", "grant_type": "refresh_token",
        "refresh_token": desk.account.credentials["refreshToken"],
    }
    assert set(tokens.credentials) == {"accessToken", "refreshToken"}
    assert tokens.credentials["refreshToken"] != desk.account.credentials["refreshToken"]
    assert (tokens.expires_in, tokens.grant_expires_in) == (7200, 180 * 86400)
    old, desk.account = desk.account, with_credentials(desk.account, **tokens.credentials)
    desk.publish(desk.photos())
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(old, desk.http)


def test_a_token_lives_two_hours_and_a_refusal_while_looking_is_no_outcome_of_the_post(desk: Desk) -> None:
    delivery = desk.video()
    desk.publish(delivery)
    desk.clock.advance(2 * 3600)
    with pytest.raises(TokenRefused):
        PUBLISHER.resolve(delivery, 0)


def test_without_the_apps_credentials_there_is_nothing_to_refresh_and_wrong_ones_do_not_kill_the_account(desk: Desk) -> None:
    assert PUBLISHER.refresh(with_credentials(desk.account, clientSecret=""), desk.http) is None
    with pytest.raises(Retry):
        PUBLISHER.refresh(with_credentials(desk.account, clientSecret="wrong"), desk.http)


def test_verify_says_who_it_is_and_what_it_may_post(desk: Desk) -> None:
    info = PUBLISHER.verify(desk.account, desk.http)
    assert (info.account_id, info.name) == (desk.account.account_id, f"@{desk.creator.name}")
    assert info.settings["maxVideoSeconds"] == 600
    assert info.settings["privacyLevels"] == ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]
    sent = desk.http.sent[0]
    assert (sent.method, sent.path, sent.query) == ("GET", "/tiktok/v2/user/info/", "fields=open_id%2Cdisplay_name")
    desk.network.posts_a_day = 0
    assert PUBLISHER.verify(desk.account, desk.http).settings == {}


def test_an_account_is_connected_by_consent_with_the_client_key(desk: Desk) -> None:
    connect = PUBLISHER.connect
    assert connect is not None
    assert not connect.pkce
    back = "https://dateline.example/callback"
    query = {
        connect.client_id_name: "tiktok-client-key", "redirect_uri": back, "response_type": "code", "state": "s",
        "scope": connect.scope_separator.join(connect.scopes), "as": "prof_new",
    }
    page = desk.http.request("GET", desk.account.host(connect.authorize[0]) + connect.authorize[1], params=query)
    code = parse_qs(urlsplit(page.headers["location"]).query)["code"][0]
    form = {
        connect.client_id_name: "tiktok-client-key", "client_secret": "tiktok-client-secret", "grant_type": "authorization_code",
        "code": code, "redirect_uri": back,
    }
    token = desk.http.request("POST", desk.account.host(connect.token[0]) + connect.token[1], data=form).json()
    [choice] = PUBLISHER.accounts(with_credentials(desk.account, accessToken=token["access_token"]), desk.http)
    assert choice.account_id == token["open_id"] == desk.network.creators["prof_new"].open_id


def test_there_is_no_way_to_delete(desk: Desk) -> None:
    for _ in range(2):
        with pytest.raises(Failed) as caught:
            PUBLISHER.delete(desk.video(), "1")
        assert caught.value.code == "unsupported"


def test_what_tiktok_does_not_take_is_told_before(desk: Desk) -> None:
    long = Facts("video/mp4", 1000, 1080, 1920, 601.0)
    for segment, options, settings, rules in (
        (Segment("a" * 2201, (CLIP,)), {}, {}, ["tiktok.text.too_long"]),
        (Segment("🎈" * 1101, (CLIP,)), {}, {}, ["tiktok.text.too_long"]),
        (Segment("a" * 2201, PHOTOS), {}, {}, []),
        (Segment("a" * 4001, PHOTOS), {}, {}, ["tiktok.text.too_long"]),
        (Segment("a"), {}, {}, ["tiktok.media.required"]),
        (Segment("a", (CLIP, PHOTOS[0])), {}, {}, ["tiktok.media.mixed"]),
        (Segment("a", (CLIP, CLIP)), {}, {}, ["tiktok.media.too_many"]),
        (Segment("a", PHOTOS * 12), {}, {}, ["tiktok.media.too_many"]),
        (Segment("a", PHOTOS), {"title": "🎈" * 46}, {}, ["tiktok.title.too_long"]),
        (Segment("a", PHOTOS), {"photoCoverIndex": 3}, {}, ["tiktok.photo_cover.out_of_range"]),
        (Segment("a", PHOTOS), {"photoCoverIndex": "x"}, {}, ["tiktok.option.invalid"]),
        (Segment("a", (CLIP,)), {"brandContent": True, "privacyLevel": "SELF_ONLY"}, {}, ["tiktok.brand_content.private"]),
        (Segment("a", (CLIP,)), {"privacyLevel": "FRIENDS"}, {}, ["tiktok.option.invalid"]),
        (Segment("a", (CLIP._replace(facts=long),)), {}, {}, ["tiktok.media.too_long"]),
        (Segment("a", (CLIP._replace(facts=long._replace(seconds=99.0)),)), {}, {"maxVideoSeconds": 60},
         ["tiktok.media.too_long"]),
    ):
        assert [v.rule for v in check(RULES, Draft((segment,), options), settings)] == rules, (segment.text[:5], options)


def test_options_that_do_not_fit_are_told_and_left_out(desk: Desk) -> None:
    assert RULES.advise is not None
    for segment, options, settings, rules in (
        (Segment("a", (CLIP,)), {"title": "t", "autoAddMusic": True}, {},
         ["tiktok.title.ignored", "tiktok.auto_add_music.ignored"]),
        (Segment("a", PHOTOS), {"disableDuet": True}, {}, ["tiktok.disable_duet.ignored"]),
        (Segment("a", (CLIP,)), {"draft": True, "privacyLevel": "SELF_ONLY"}, {},
         ["tiktok.privacy_level.ignored", "tiktok.text.ignored"]),
        (Segment("a", (CLIP,)), {"privacyLevel": "SELF_ONLY"}, {"privacyLevels": ["PUBLIC_TO_EVERYONE"]},
         ["tiktok.privacy_level.not_offered"]),
        (Segment("a", (PHOTOS[0]._replace(alt_text="x"),)), {}, {}, ["tiktok.alt_text.ignored"]),
        (Segment("a", (CLIP,)), {}, {}, []),
    ):
        assert [v.rule for v in RULES.advise(Draft((segment,), options), settings)] == rules
    desk.publish(desk.video("Hi", title="t", autoAddMusic=True))
    assert set(desk.sent(INIT)[0].json()["post_info"]) <= VIDEO_INFO


def test_a_title_is_cut_between_characters(desk: Desk) -> None:
    desk.publish(desk.photos("🎈" * 100))
    info = desk.sent(PHOTO_INIT)[0].json()["post_info"]
    assert (info["title"], info["description"]) == ("🎈" * 45, "🎈" * 100)


def test_the_stand_in_refuses_what_the_published_shape_refuses(desk: Desk) -> None:
    token, kind = desk.account.credentials["accessToken"], "application/json; charset=UTF-8"
    headers, url = {"Authorization": f"Bearer {token}", "Content-Type": kind}, desk.account.server + INIT.removeprefix("/tiktok")
    info = {"title": "a", "privacy_level": "SELF_ONLY"}
    source = {"source": "FILE_UPLOAD", "video_size": 30_000_000, "chunk_size": 10_000_000, "total_chunk_count": 3}
    for post_info, source_info in (
        ({**info, "colour": "red"}, source), ({"title": "a"}, source), ({**info, "is_aigc": "yes"}, source),
        ({**info, "privacy_level": "FOLLOWER_OF_CREATOR"}, source), (info, {**source, "total_chunk_count": 4}),
        (info, {**source, "chunk_size": 4_000_000, "total_chunk_count": 7}), (info, {**source, "source": "PULL_FROM_URL"}),
        ({**info, "title": "a" * 2201}, source),
    ):
        body = {"post_info": post_info, "source_info": source_info}
        assert desk.http.request("POST", url, headers=headers, json=body).status in (400, 403), body
    body = {"post_info": info, "source_info": source}
    good = desk.http.request("POST", url, headers=headers, json=body).json()["data"]
    for span, size, status in (
        ("bytes 10000000-19999999/30000000", PIECE, 416), ("bytes 0-4999999/30000000", 5_000_000, 416),
        ("bytes 0-9999999/30000000", PIECE - 1, 400), ("0-9999999", PIECE, 400), ("bytes 0-9999999/30000000", PIECE, 206),
    ):
        put = {"Content-Type": "video/mp4", "Content-Range": span}
        assert desk.http.request("PUT", good["upload_url"], headers=put, data=bytes(size)).status == status, span


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer"])
@pytest.mark.parametrize("phase", ["publish", "any"])
def test_no_failure_shows_a_secret(desk: Desk, fault: str, phase: str) -> None:
    desk.http.deadline = 1
    for delivery in (desk.video(), desk.photos()):
        desk.world.add_fault("tiktok", fault, at=phase)
        with pytest.raises(Outcome) as caught:
            PUBLISHER.prepare(delivery)
            PUBLISHER.publish(delivery, 0)
        shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {desk.account!r} {delivery!r}"
        upload = [one.token for one in desk.network.publications.values() if one.token]
        for secret in (*desk.account.credentials.values(), *upload, "signature=secret"):
            assert secret not in shown


def with_credentials(account: Account, **entries: str) -> Account:
    return replace(account, credentials={**account.credentials, **entries})
