"""YouTube's publisher against a stand-in that judges by the discovery document, and against every way a call can go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Absent,
    Answer,
    AnswerLost,
    Delivery,
    Failed,
    Found,
    Native,
    NotReady,
    Outcome,
    Processing,
    Publisher,
    Quota,
    Refused,
    Remote,
    Retry,
    SafeToRepeat,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from dateline.platforms.youtube import PUBLISHER, RULES
from local.networks import files
from local.networks.base import World
from local.networks.files import File
from local.networks.youtube import YouTubeNetwork
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, account_of, delivery_of
from tests.samples import samples_of

FILM = Media("https://media.example/film.mp4", "video")
COVER = Media("https://media.example/cover.jpg", "image")
MEGABYTE = 1024 * 1024
WORDS = "A film\n\nabout the sea"

# What a request may hold, transcribed from youtube.v3 (discovery 20261104, PyPI google-api-python-client 2.202.0 of 2026-11-10).
VIDEO_PARTS = {
    "snippet": {"title", "description", "tags", "categoryId", "defaultLanguage", "defaultAudioLanguage"},
    "status": {
        "privacyStatus", "publishAt", "license", "embeddable", "publicStatsViewable", "selfDeclaredMadeForKids",
        "containsSyntheticMedia",
    },
}
PARAMETERS = {
    ("POST", "/youtube/upload/youtube/v3/videos"): {"part", "uploadType", "notifySubscribers"},
    ("PUT", "/youtube/youtube/v3/videos"): {"part"}, ("GET", "/youtube/youtube/v3/videos"): {"part", "id"},
    ("DELETE", "/youtube/youtube/v3/videos"): {"id"},
}


class Desk:
    """One world with one channel, and what a worker would do with a delivery."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [YouTubeNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "youtube", "prof_yt")
        self.pinned = Pinned()

    @property
    def network(self) -> YouTubeNetwork:
        network = self.world.networks["youtube"]
        assert isinstance(network, YouTubeNetwork)
        return network

    def delivery(self, text: str = WORDS, *more: str, media: tuple[Media, ...] = (FILM,), **options: Any) -> Delivery:
        return delivery_of(self.http, self.account, Segment(text, media), *more, options=options, media=self.pinned)

    def ranges(self) -> list[str]:
        """The Content-Range of every chunk and probe so far."""
        return [sent.headers["content-range"] for sent in self.http.sent if "content-range" in sent.headers]

    def prepare(self, delivery: Delivery) -> None:
        """Prepare as often as it takes, waiting as told."""
        for _ in range(50):
            if not PUBLISHER.needs_preparation(delivery):
                return
            try:
                PUBLISHER.prepare(delivery)
            except NotReady as wait:
                self.clock.advance(wait.after)
        raise AssertionError("never ready")

    def publish(self, delivery: Delivery, segment: int = 0) -> Remote:
        self.prepare(delivery)
        delivery.armed_at = self.clock.now()
        [remote] = PUBLISHER.publish(delivery, segment)
        delivery.published = (*delivery.published, remote)
        return remote

    def paths(self, method: str = "") -> list[str]:
        return [f"{sent.method} {sent.path.removeprefix('/youtube')}" for sent in self.http.sent if method in ("", sent.method)]

    def uploads(self) -> int:
        return self.paths().count("POST /upload/youtube/v3/videos")

    def pin(self, file: File, media: Media = FILM) -> None:
        self.pinned.files[media.url] = file


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_publisher_keeps_both_protocols() -> None:
    publisher: Publisher = PUBLISHER
    native: Native = PUBLISHER
    assert publisher.rules.native is not None and publisher.rules.native.by_default
    assert native is PUBLISHER


def test_a_video_is_uploaded_as_private_and_one_update_makes_it_public(desk: Desk) -> None:
    delivery = desk.delivery(tags=["sea", "new york"], categoryId="24", containsSyntheticMedia=True, notifySubscribers=False)
    desk.prepare(delivery)
    assert desk.world.seen("youtube") == []
    begin, chunk = desk.http.sent[0], desk.http.sent[1]
    assert (begin.method, begin.path) == ("POST", "/youtube/upload/youtube/v3/videos")
    assert begin.query == "uploadType=resumable&part=snippet%2Cstatus&notifySubscribers=false"
    assert begin.headers["authorization"] == f"Bearer {desk.account.credentials['accessToken']}"
    assert begin.headers["x-upload-content-type"] == "video/mp4"
    film = files.mp4().data
    assert begin.headers["x-upload-content-length"] == str(len(film))
    assert begin.json() == {
        "snippet": {
            "title": "A film", "description": "A film\n\nabout the sea", "categoryId": "24", "tags": ["sea", "new york"],
        },
        "status": {
            "privacyStatus": "private", "selfDeclaredMadeForKids": False, "containsSyntheticMedia": True, "embeddable": True,
            "license": "youtube", "publicStatsViewable": True,
        },
    }
    assert (chunk.method, chunk.headers["content-range"]) == ("PUT", f"bytes 0-{len(film) - 1}/{len(film)}")
    assert chunk.body == film
    remote = desk.publish(delivery)
    update = desk.http.sent[-1]
    assert (update.method, update.path, update.query) == ("PUT", "/youtube/youtube/v3/videos", "part=status")
    assert update.json() == {"id": remote.id, "status": {**begin.json()["status"], "privacyStatus": "public"}}
    assert remote.url == f"https://www.youtube.com/watch?v={remote.id}"
    [entry] = desk.world.seen("youtube")
    assert (entry.text, entry.remote_id, entry.media) == ("A film\n\nabout the sea", remote.id, [remote.id])
    assert entry.extra["title"] == "A film"
    assert entry.extra["status"]["embeddable"] is True
    assert entry.extra["notify"] is False


def test_every_request_keeps_to_the_discovery_document(desk: Desk) -> None:
    desk.network._channel("prof_yt").playlists["PLsea"] = []
    delivery = desk.delivery(
        "A film", "First!", media=(FILM, COVER), title="The sea", language="en-GB", license="creativeCommon", embeddable=False,
        publicStatsViewable=False, playlistId="PLsea",
    )
    desk.publish(delivery)
    desk.publish(delivery, 1)
    for sent in desk.http.sent:
        known = PARAMETERS.get((sent.method, sent.path))
        if known is not None and "upload_id" not in sent.query:
            assert {pair.partition("=")[0] for pair in sent.query.split("&")} <= known
        if sent.path.endswith("/v3/videos") and sent.headers.get("content-type") == "application/json":
            for part, members in sent.json().items():
                assert part == "id" or set(members) <= VIDEO_PARTS[part]
    [film, comment] = desk.world.seen("youtube")
    assert film.extra["title"] == "The sea"
    assert film.extra["thumbnail"] == len(files.jpeg().data)
    assert film.extra["snippet"]["defaultLanguage"] == "en-GB"
    assert (film.extra["status"]["license"], film.extra["status"]["embeddable"]) == ("creativeCommon", False)
    assert desk.network._channel("prof_yt").playlists["PLsea"] == [film.remote_id]
    assert (comment.text, comment.in_reply_to) == ("First!", film.remote_id)


@pytest.mark.parametrize("sample", samples_of("youtube"), ids=lambda sample: f"{sample.name}-{'-'.join(sample.options)}")
def test_every_sample_breaks_no_rule_and_becomes_visible_once(desk: Desk, sample: Any) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    desk.pinned.files.update(sample.files)
    comment = Segment("And a comment") if sample.comment else None
    assert check(RULES, Draft((Segment("Words\nand more", media),), sample.options, comment), desk.account.settings) == []
    delivery = desk.delivery("Words\nand more", *(["And a comment"] if sample.comment else []), media=media, **sample.options)
    for segment in range(len(delivery.segments)):
        desk.publish(delivery, segment)
    assert [entry.text for entry in desk.world.seen("youtube")] == ["Words\nand more", "And a comment"][:1 + sample.comment]


def test_a_private_post_is_published_as_private(desk: Desk) -> None:
    remote = desk.publish(desk.delivery(privacy="private"))
    assert desk.network.videos[remote.id].status["privacyStatus"] == "private"
    assert desk.world.seen("youtube") == []


def test_a_large_video_goes_up_in_chunks_of_a_multiple_of_256_kib_and_is_never_in_memory_whole(desk: Desk) -> None:
    desk.pin(files.mp4(60, size=40 * MEGABYTE))
    delivery = desk.delivery()
    desk.prepare(delivery)
    assert desk.ranges() == [
        f"bytes 0-{16 * MEGABYTE - 1}/{40 * MEGABYTE}", f"bytes {16 * MEGABYTE}-{32 * MEGABYTE - 1}/{40 * MEGABYTE}",
        f"bytes {32 * MEGABYTE}-{40 * MEGABYTE - 1}/{40 * MEGABYTE}",
    ]
    assert max(desk.pinned.opened[FILM.url].reads) == 16 * MEGABYTE
    assert desk.network.videos[delivery.checkpoint["video"]["id"]].size == 40 * MEGABYTE


def test_an_upload_goes_on_in_another_invocation_where_it_stopped(desk: Desk) -> None:
    desk.pin(files.mp4(60, size=40 * MEGABYTE))
    delivery, left = desk.delivery(), [75.0, 75.0]

    def need(seconds: float) -> None:
        if not left:
            raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)
        assert seconds == left.pop()

    delivery.need = need
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    again = desk.delivery()
    again.checkpoint.update(delivery.checkpoint)
    desk.http.sent.clear()
    desk.prepare(again)
    assert desk.ranges() == [f"bytes */{40 * MEGABYTE}", f"bytes {32 * MEGABYTE}-{40 * MEGABYTE - 1}/{40 * MEGABYTE}"]
    assert desk.uploads() == 0


def test_only_the_bytes_that_arrived_count(desk: Desk) -> None:
    desk.pin(files.mp4(60, size=20 * MEGABYTE))
    desk.network.takes = 7 * MEGABYTE
    desk.prepare(delivery := desk.delivery())
    starts = [one.split()[1].split("-")[0] for one in desk.ranges()]
    assert starts == ["0", str(7 * MEGABYTE), str(14 * MEGABYTE)]
    assert len(desk.network.videos) == 1
    assert delivery.checkpoint["upload"] is None


@pytest.mark.parametrize("lost", range(1, 6))
def test_a_lost_answer_anywhere_in_preparation_leaves_one_video(desk: Desk, lost: int) -> None:
    desk.pin(files.mp4(60, size=40 * MEGABYTE))
    delivery, requests = desk.delivery(), 0
    request = desk.http.request

    def losing(*how: Any, **more: Any) -> Answer:
        nonlocal requests
        requests += 1
        if requests == lost:
            desk.world.add_fault("youtube", "lost_answer", at="any")
        return request(*how, **more)

    desk.http.request = losing  # type: ignore[method-assign]
    try:
        desk.prepare(delivery)
    except Retry:
        desk.prepare(delivery)
    desk.publish(delivery)
    assert len(desk.network.videos) == 1
    assert len(desk.world.seen("youtube")) == 1


def test_the_last_answer_lost_is_asked_for_and_nothing_is_uploaded_again(desk: Desk) -> None:
    delivery = desk.delivery()
    PUBLISHER.needs_preparation(delivery)
    desk.world.add_fault("youtube", "server_error", at="read")
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    del delivery.checkpoint["video"]
    delivery.checkpoint["upload"] = dict(session_of(desk))
    desk.prepare(delivery)
    assert desk.uploads() == 1
    assert len(desk.network.videos) == 1


def session_of(desk: Desk) -> dict[str, Any]:
    """What the checkpoint had before the finished video was saved."""
    from dateline.platforms._youtube_upload import mark_of

    key = next(iter(desk.network.sessions), "forgotten")
    return {
        "session": f"http://localhost/youtube/upload/youtube/v3/videos?uploadType=resumable&upload_id={key}", "last": True,
        "file": mark_of(FILM.url), "size": len(files.mp4().data), "at": desk.clock.now().isoformat(),
    }


def test_a_forgotten_session_that_made_a_video_is_recognised_by_title_size_and_time(desk: Desk) -> None:
    delivery = desk.delivery()
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    delivery.checkpoint.update(video=None, upload=session_of(desk))
    desk.network.sessions.clear()
    desk.publish(delivery)
    assert desk.uploads() == 1
    assert len(desk.network.videos) == 1


def test_a_forgotten_session_is_uploaded_again_where_no_video_or_more_than_one_can_be_it(desk: Desk) -> None:
    with pytest.raises(NotReady):
        PUBLISHER.prepare(desk.delivery())
    late = desk.delivery()
    late.checkpoint["upload"] = {**session_of(desk), "at": (desk.clock.now() + timedelta(hours=1)).isoformat()}
    desk.network.sessions.clear()
    with pytest.raises(NotReady):
        PUBLISHER.prepare(late)
    assert len(desk.network.videos) == 2
    delivery = desk.delivery()
    delivery.checkpoint["upload"] = {**session_of(desk), "session": "http://localhost/youtube/upload/youtube/v3/videos?upload_id=1"}
    desk.publish(delivery)
    assert len(desk.network.videos) == 3
    assert len(desk.world.seen("youtube")) == 1


def test_a_session_that_ends_half_way_begins_anew(desk: Desk) -> None:
    desk.pin(files.mp4(60, size=20 * MEGABYTE))
    delivery = desk.delivery()
    save = delivery.save

    def forgetting(**values: Any) -> None:
        save(**values)
        if (values.get("upload") or {}).get("last"):
            desk.network.sessions.clear()

    delivery.save = forgetting
    with pytest.raises(Retry) as caught:
        PUBLISHER.prepare(delivery)
    assert caught.value.code == "upload_expired"
    delivery.save = save
    desk.publish(delivery)
    assert desk.uploads() == 2
    assert len(desk.network.videos) == 1


class Died(Exception):
    """The worker is gone."""


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("step", range(14))
def test_a_worker_that_dies_after_any_call_or_before_any_save_leaves_one_of_everything(desk: Desk, step: int, lost: bool) -> None:
    desk.pin(files.mp4(60, size=20 * MEGABYTE))
    desk.network._channel("prof_yt").playlists["PLsea"] = []
    request, steps, durable = desk.http.request, iter(range(1000)), dict[str, Any]()

    def fresh() -> Delivery:
        delivery = desk.delivery("A film", "First", media=(FILM, COVER), playlistId="PLsea")
        delivery.checkpoint.update(durable)

        def save(**values: Any) -> None:
            if next(steps) == step:
                raise Died
            durable.update(values)
            delivery.checkpoint.update(values)

        delivery.save = save
        return delivery

    def dying(*how: Any, **more: Any) -> Answer:
        answer = request(*how, **more)
        if next(steps) == step:
            raise AnswerLost("gone") if lost else Died
        return answer

    desk.http.request = dying  # type: ignore[method-assign]
    published: list[Remote] = []
    armed = None
    for _ in range(10):
        delivery = fresh()
        delivery.published = tuple(published)
        try:
            if armed is not None:
                delivery.armed_at = armed
                found = PUBLISHER.resolve(delivery, len(published))
                assert isinstance(found, Found | Absent | SafeToRepeat)
                armed = None
                published += found.remotes if isinstance(found, Found) else ()
                continue
            desk.prepare(delivery)
            armed = desk.clock.now()
            published += PUBLISHER.publish(delivery, len(published))
            armed = None
        except (Died, Unknown):
            desk.clock.advance(1)
        except Retry:
            armed = None
        if len(published) == 2:
            break
    film, comment = desk.world.seen("youtube")
    assert [film.remote_id, comment.remote_id] == [remote.id for remote in published]
    assert len(desk.network.videos) == 1
    assert desk.network._channel("prof_yt").playlists["PLsea"] == [film.remote_id]
    assert film.extra["thumbnail"]


def test_the_token_goes_to_google_alone(desk: Desk) -> None:
    real = replace(desk.account, server="https://www.googleapis.com", override="")
    for location in (
        "https://evilgoogleapis.com/1", "http://www.googleapis.com/1", "https://www.googleapis.com.evil.example/1", "",
    ):
        sent: list[str] = []

        def request(method: str, url: str, location: str = location, sent: list[str] = sent, **how: Any) -> Answer:
            sent.append(url)
            return Answer(200, {"location": location}, b"")

        delivery = desk.delivery()
        delivery.account = real
        desk.http.request = request  # type: ignore[method-assign]
        with pytest.raises(Retry):
            PUBLISHER.prepare(delivery)
        assert sent == ["https://www.googleapis.com/upload/youtube/v3/videos"]


def test_a_chunk_that_keeps_failing_ends_the_try_and_the_next_goes_on(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.world.add_fault("youtube", "server_error", times=9, at="prepare")
    for _ in range(3):
        with pytest.raises(Retry):
            PUBLISHER.prepare(delivery)
    desk.world.faults.clear()
    desk.publish(delivery)
    assert len(desk.network.videos) == 1


def test_a_session_that_takes_no_more_bytes_ends_the_try(desk: Desk) -> None:
    desk.network.takes = 0
    delivery = desk.delivery()
    with pytest.raises(Retry) as caught:
        PUBLISHER.prepare(delivery)
    assert caught.value.code == "upload_stalled"
    desk.network.takes = None
    desk.publish(delivery)
    assert desk.uploads() == 1


def test_processing_is_waited_for_with_growing_pauses_and_then_no_longer(desk: Desk) -> None:
    desk.network.processing_seconds = 1000.0
    delivery, waits = desk.delivery(), []
    while PUBLISHER.needs_preparation(delivery):
        try:
            PUBLISHER.prepare(delivery)
        except NotReady as wait:
            waits.append(wait.after)
            desk.clock.advance(wait.after)
    assert waits[0] == 5.0 and max(waits) == 60.0 and 900 <= sum(waits) < 1000
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Processing):
        PUBLISHER.publish(delivery, 0)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    assert desk.world.seen("youtube") == []
    desk.clock.advance(120)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    assert len(desk.world.seen("youtube")) == 1


@pytest.mark.parametrize("fate", [
    {"uploadStatus": "rejected", "rejectionReason": "duplicate"}, {"uploadStatus": "failed", "failureReason": "codec"},
])
def test_a_video_that_youtube_will_not_have_fails_with_its_reason_and_another_try_uploads_afresh(
    desk: Desk, fate: dict[str, str]
) -> None:
    desk.network.fates = [fate]
    delivery = desk.delivery()
    with pytest.raises(Failed) as caught:
        desk.publish(delivery)
    assert caught.value.code == f"video_{fate['uploadStatus']}"
    assert fate.get("rejectionReason", fate.get("failureReason", "?")) in caught.value.detail
    assert len(desk.network.videos) == (fate["uploadStatus"] == "rejected")
    assert desk.world.seen("youtube") == []
    desk.publish(delivery)
    assert desk.uploads() == 2


def test_a_video_rejected_after_it_was_made_public_is_refused(desk: Desk) -> None:
    desk.network.processing_seconds = 1000.0
    desk.network.fates = [{"uploadStatus": "rejected", "rejectionReason": "copyright"}]
    delivery = desk.delivery()
    with pytest.raises(Processing):
        desk.publish(delivery)
    desk.clock.advance(1000)
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Refused) and found.code == "video_rejected" and not found.again
    assert desk.world.seen("youtube") == []


def test_a_lost_answer_is_unknown_and_reading_the_video_settles_it(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    desk.world.add_fault("youtube", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    [entry] = desk.world.seen("youtube")
    url = f"https://www.youtube.com/watch?v={entry.remote_id}"
    assert PUBLISHER.resolve(delivery, 0) == Found((Remote(entry.remote_id, url),))
    desk.publish(delivery)
    assert len(desk.world.seen("youtube")) == 1


def test_an_update_that_never_arrived_is_safe_to_repeat(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    desk.world.add_fault("youtube", "server_error")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    desk.publish(delivery)
    assert len(desk.world.seen("youtube")) == 1


def test_a_video_deleted_on_youtube_meanwhile_is_uploaded_again(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    desk.network.videos.clear()
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    with pytest.raises(Retry) as caught:
        desk.publish(delivery)
    assert caught.value.code == "video_gone"
    assert PUBLISHER.needs_preparation(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    assert PUBLISHER.placed(delivery, desk.clock.now()) == SafeToRepeat()
    desk.publish(delivery)
    assert len(desk.world.seen("youtube")) == 1


def test_a_video_that_is_gone_before_it_was_processed_is_uploaded_again(desk: Desk) -> None:
    delivery = desk.delivery()
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    desk.network.videos.clear()
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    desk.clock.advance(60)
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    desk.publish(delivery)
    assert desk.uploads() == 2


def test_a_channel_that_may_not_publish_fails_with_a_clear_reason(desk: Desk) -> None:
    desk.network.keeps_private = True
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery())
    assert caught.value.code == "visibility_refused"


def test_an_edited_text_is_put_to_the_waiting_video_and_an_edited_file_is_uploaded_anew(desk: Desk) -> None:
    delivery = desk.delivery("Before")
    desk.prepare(delivery)
    edited = desk.delivery("After", title="The title")
    edited.checkpoint.update(delivery.checkpoint)
    assert PUBLISHER.needs_preparation(edited)
    desk.prepare(edited)
    assert desk.uploads() == 1
    assert desk.http.sent[-1].query == "part=snippet"
    other = desk.delivery("After", media=(Media("https://media.example/other.mp4", "video"),))
    other.checkpoint.update(edited.checkpoint)
    desk.publish(other)
    assert desk.uploads() == 2
    assert len(desk.network.videos) == 1
    assert [entry.text for entry in desk.world.seen("youtube")] == ["After"]


def test_youtube_keeps_a_video_until_its_time_and_publishes_it_then(desk: Desk) -> None:
    at = desk.clock.now() + timedelta(minutes=30, microseconds=1)
    delivery = desk.delivery()
    desk.prepare(delivery)
    remote = PUBLISHER.place(delivery, at)
    sent = desk.http.sent[-1].json()["status"]
    assert (sent["privacyStatus"], sent["publishAt"]) == ("private", "2026-06-15T09:30:01Z")
    assert datetime.fromisoformat(sent["publishAt"]) >= at
    assert PUBLISHER.placed(delivery, at) == Found((remote,))
    assert isinstance(PUBLISHER.confirm(delivery, remote), Working)
    assert desk.world.seen("youtube") == []
    desk.clock.advance(1801)
    [entry] = desk.world.seen("youtube")
    assert entry.at == datetime.fromisoformat(sent["publishAt"]) and entry.at - at < timedelta(seconds=1)
    assert PUBLISHER.confirm(delivery, remote) == Found((remote,))
    assert PUBLISHER.placed(delivery, at) == Found((remote,))
    with pytest.raises(Failed) as caught:
        PUBLISHER.withdraw(delivery, remote)
    assert caught.value.code == "already_published"
    assert len(desk.world.seen("youtube")) == 1


def test_a_lost_answer_to_handing_over_is_settled_by_reading_the_time(desk: Desk) -> None:
    at = desk.clock.now() + timedelta(minutes=30)
    delivery = desk.delivery()
    desk.prepare(delivery)
    for fault, expected in (("server_error", SafeToRepeat), ("lost_answer", Found)):
        desk.world.add_fault("youtube", fault)
        with pytest.raises(Unknown):
            PUBLISHER.place(delivery, at)
        assert isinstance(PUBLISHER.placed(delivery, at), expected)
    assert PUBLISHER.placed(delivery, at + timedelta(minutes=5)) == SafeToRepeat()
    PUBLISHER.place(delivery, at + timedelta(minutes=5))
    desk.clock.advance(1830)
    assert desk.world.seen("youtube") == []


def test_a_time_that_youtube_does_not_keep_is_taken_off_again(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    update = desk.network._set_privacy

    def later(video: Any, privacy: str, at: datetime) -> None:
        if "publishAt" in video.status:
            video.status["publishAt"] = "2026-07-01T00:00:00Z"
        update(video, privacy, at)

    desk.network._set_privacy = later  # type: ignore[method-assign]
    with pytest.raises(Failed) as caught:
        PUBLISHER.place(delivery, desk.clock.now() + timedelta(minutes=30))
    assert caught.value.code == "native_refused"
    assert "publishAt" not in desk.network.videos[delivery.checkpoint["video"]["id"]].status


def test_a_private_post_that_youtube_was_to_publish_before_is_not_done_until_its_time_is_off(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    PUBLISHER.place(delivery, desk.clock.now() + timedelta(minutes=30))
    edited = desk.delivery(privacy="private")
    edited.checkpoint.update(delivery.checkpoint)
    edited.armed_at = desk.clock.now()
    assert PUBLISHER.resolve(edited, 0) == SafeToRepeat()
    desk.publish(edited)
    assert isinstance(PUBLISHER.resolve(edited, 0), Found)
    desk.clock.advance(3600)
    assert desk.world.seen("youtube") == []


def test_a_withdrawn_video_stays_private_and_is_used_again(desk: Desk) -> None:
    at = desk.clock.now() + timedelta(minutes=30)
    delivery = desk.delivery()
    desk.prepare(delivery)
    remote = PUBLISHER.place(delivery, at)
    PUBLISHER.withdraw(delivery, remote)
    PUBLISHER.withdraw(delivery, remote)
    assert PUBLISHER.confirm(delivery, remote) == Absent()
    desk.clock.advance(2700)
    assert desk.world.seen("youtube") == []
    assert not PUBLISHER.needs_preparation(delivery)
    assert desk.publish(delivery).id == remote.id
    assert desk.uploads() == 1


def test_a_public_video_counts_as_out_although_its_file_is_still_worked_on_and_a_rejected_one_does_not(desk: Desk) -> None:
    desk.network.processing_seconds = 1300.0
    desk.network.fates = [{}, {"uploadStatus": "rejected", "rejectionReason": "claim"}]
    kept = [desk.delivery("One"), desk.delivery("Two")]
    for delivery in kept:
        desk.prepare(delivery)
    remotes = [PUBLISHER.place(delivery, desk.clock.now() + timedelta(seconds=60)) for delivery in kept]
    desk.clock.advance(61)
    assert PUBLISHER.confirm(kept[0], remotes[0]) == Found((remotes[0],))
    desk.clock.advance(1300)
    assert isinstance(PUBLISHER.confirm(kept[1], remotes[1]), Refused)


def test_what_was_uploaded_ahead_is_discarded_unless_somebody_may_see_it(desk: Desk) -> None:
    PUBLISHER.discard(desk.delivery())
    assert desk.http.sent == []
    delivery, out = desk.delivery(), desk.delivery("Out")
    desk.prepare(delivery)
    desk.publish(out)
    for _ in range(2):
        PUBLISHER.discard(delivery)
        PUBLISHER.discard(out)
    assert [video.snippet["title"] for video in desk.network.videos.values()] == ["Out"]


def test_withdrawing_tells_of_a_failure_and_a_video_that_is_gone_is_withdrawn(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    remote = PUBLISHER.place(delivery, desk.clock.now() + timedelta(minutes=30))
    desk.world.add_fault("youtube", "server_error")
    with pytest.raises(Retry):
        PUBLISHER.withdraw(delivery, remote)
    assert isinstance(PUBLISHER.confirm(delivery, remote), Working)
    PUBLISHER.delete(delivery, remote.id)
    PUBLISHER.withdraw(delivery, remote)
    assert PUBLISHER.confirm(delivery, remote) == Absent()
    assert PUBLISHER.placed(delivery, desk.clock.now()) == Absent()
    with pytest.raises(Retry):
        PUBLISHER.place(delivery, desk.clock.now() + timedelta(minutes=30))


def test_youtube_schedules_public_videos_only(desk: Desk) -> None:
    delivery = desk.delivery(privacy="unlisted", nativeSchedule=True)
    desk.prepare(delivery)
    with pytest.raises(Failed) as caught:
        PUBLISHER.place(delivery, desk.clock.now() + timedelta(minutes=30))
    assert caught.value.code == "native_unsupported"
    draft = Draft((Segment("Words", (FILM,)),), {"privacy": "unlisted", "nativeSchedule": True})
    assert RULES.advise is not None
    assert [v.rule for v in RULES.advise(draft, {})] == ["youtube.native_schedule.ignored"]


def test_a_comment_whose_answer_was_lost_is_found_among_the_videos_comments(desk: Desk) -> None:
    delivery = desk.delivery("A film", "First\nof all")
    desk.publish(delivery)
    assert not PUBLISHER.needs_preparation(delivery)
    delivery.armed_at = desk.clock.now()
    assert PUBLISHER.resolve(delivery, 1) == Absent()
    desk.world.add_fault("youtube", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery, 1)
    found = PUBLISHER.resolve(delivery, 1)
    [_, entry] = desk.world.seen("youtube")
    assert isinstance(found, Found) and found.remotes[0].id == entry.remote_id
    assert found.remotes[0].url == f"https://www.youtube.com/watch?v={delivery.published[0].id}&lc={entry.remote_id}"
    delivery.taken = frozenset({entry.remote_id})
    assert PUBLISHER.resolve(delivery, 1) == Absent()
    delivery.taken = frozenset()
    desk.clock.advance(600)
    delivery.armed_at = desk.clock.now()
    assert PUBLISHER.resolve(delivery, 1) == Absent()


def test_all_pages_of_comments_are_read_up_to_a_limit(desk: Desk) -> None:
    desk.network.page_size = 1
    delivery = desk.delivery("A film", "wanted")
    desk.publish(delivery)
    wanted = desk.publish(delivery, 1)
    for number in range(5):
        chat = desk.delivery("A film", f"later {number}")
        chat.published = delivery.published[:1]
        if number == 4:
            delivery.published = delivery.published[:1]
            assert PUBLISHER.resolve(delivery, 1) == Found((wanted,))
        desk.clock.advance(1)
        PUBLISHER.publish(chat, 1)
    assert isinstance(PUBLISHER.resolve(delivery, 1), Undecidable)


def test_comments_that_are_switched_off_are_a_final_refusal(desk: Desk) -> None:
    desk.network.comments_disabled = True
    delivery = desk.delivery("A film", "First")
    desk.publish(delivery)
    with pytest.raises(Failed) as caught:
        desk.publish(delivery, 1)
    assert caught.value.code == "comments_disabled"


def test_deleting_a_video_or_a_comment_twice_is_no_error(desk: Desk) -> None:
    delivery = desk.delivery("A film", "First")
    film, comment = desk.publish(delivery), desk.publish(delivery, 1)
    for remote in (comment, comment, film, film):
        PUBLISHER.delete(delivery, remote.id)
    assert desk.paths("DELETE") == ["DELETE /youtube/v3/comments"] * 2 + ["DELETE /youtube/v3/videos"] * 2
    assert desk.world.seen("youtube") == []


def test_a_playlist_gets_the_video_once_even_if_an_answer_is_lost(desk: Desk) -> None:
    desk.network._channel("prof_yt").playlists["PLsea"] = []
    delivery = desk.delivery(playlistId="PLsea")
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    del delivery.checkpoint["video"]["playlist"]
    desk.publish(delivery)
    assert len(desk.network._channel("prof_yt").playlists["PLsea"]) == 1
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery(playlistId="PLnone"))
    assert caught.value.code == "playlist_not_found"


def test_a_file_that_is_no_video_fails_before_anything_is_sent(desk: Desk) -> None:
    desk.pin(files.pdf())
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(desk.delivery())
    assert caught.value.code == "media_format"
    assert desk.http.sent == []


def test_a_rate_limit_waits_as_told_and_a_used_up_quota_until_midnight_in_california(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    desk.world.add_fault("youtube", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as caught:
        desk.publish(delivery)
    assert (caught.value.code, caught.value.after) == ("rate_limited", 90)
    desk.network.rate_limited = lambda retry_after: desk.network.quota_exceeded()  # type: ignore[method-assign]
    desk.world.add_fault("youtube", "rate_limit")
    with pytest.raises(Retry) as caught:
        desk.publish(delivery)
    assert caught.value.code == "quota_exceeded"
    assert "youtube/v3" not in caught.value.detail
    reset = datetime(2026, 6, 16, 7, 0, tzinfo=UTC)
    assert caught.value.after == (reset - desk.clock.now()).total_seconds() + 60
    refusal = desk.network.quota_exceeded()
    answer = Answer(refusal.status_code, {}, refusal.get_data())
    assert PUBLISHER.quotas(answer, desk.clock.now()) == (Quota("app", "units", 10_000, 0, reset),)
    assert PUBLISHER.quotas(Answer(200, {}, b"{}"), desk.clock.now()) == ()


ERRORS: tuple[tuple[int, str, type[Outcome], str, float | None], ...] = (
    (400, "uploadLimitExceeded", Retry, "upload_limit", 86_400.0), (401, "youtubeSignupRequired", Failed, "no_channel", None),
    (403, "forbidden", Failed, "rejected", None), (403, "insufficientPermissions", Failed, "scope_missing", None),
    (403, "userRateLimitExceeded", Retry, "rate_limited", None), (400, "invalidPublishAt", Failed, "rejected", None),
    (401, "authError", TokenRefused, "token_refused", None), (403, "accessNotConfigured", Failed, "api_not_enabled", None),
)


@pytest.mark.parametrize(("status", "reason", "kind", "code", "after"), ERRORS)
def test_googles_reasons_decide_what_follows(
    desk: Desk, status: int, reason: str, kind: type[Outcome], code: str, after: float | None
) -> None:
    from local.networks._google import old_error

    delivery = desk.delivery()
    desk.prepare(delivery)
    desk.network.rejected = lambda: old_error(status, reason, "Some words.")  # type: ignore[method-assign]
    desk.world.add_fault("youtube", "reject")
    with pytest.raises(kind) as caught:
        desk.publish(delivery)
    assert caught.value.code == code
    assert getattr(caught.value, "after", None) == after
    assert desk.world.seen("youtube") == []


def test_a_refusal_carries_youtubes_own_words(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    desk.world.add_fault("youtube", "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(delivery)
    assert "the video may not be changed" in caught.value.detail


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    desk.http.unreachable = True
    with pytest.raises(Retry):
        desk.publish(delivery)


def test_a_dead_token_is_refused_and_a_refresh_keeps_the_refresh_token(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    desk.world.add_fault("youtube", "expired_token")
    calls: tuple[Callable[[], object], ...] = (
        lambda: desk.publish(delivery), lambda: PUBLISHER.verify(desk.account, desk.http), lambda: PUBLISHER.resolve(delivery, 0),
        lambda: PUBLISHER.prepare(desk.delivery()),
    )
    for call in calls:
        with pytest.raises(TokenRefused):
            call()
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    assert tokens is not None and set(tokens.credentials) == {"accessToken"}
    assert (tokens.expires_in, tokens.grant_expires_in) == (3599, None)
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path) == ("POST", "/youtube/oauth2.googleapis.com/token")
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    delivery.account = replace(desk.account, credentials={**desk.account.credentials, **tokens.credentials})
    desk.publish(delivery)
    desk.network.refresh_life = 604_799
    again = PUBLISHER.refresh(desk.account, desk.http)
    assert again is not None and again.grant_expires_in == 604_799


def test_a_grant_that_was_taken_back_is_dead_and_a_wrong_app_is_not(desk: Desk) -> None:
    wrong = replace(desk.account, credentials={**desk.account.credentials, "clientSecret": "other"})
    with pytest.raises(Retry) as caught:
        PUBLISHER.refresh(wrong, desk.http)
    assert "invalid_client" in caught.value.detail
    without = replace(desk.account, credentials={"accessToken": "x"})
    assert PUBLISHER.refresh(without, desk.http) is None
    desk.network.grants.revoke("prof_yt")
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(desk.account, desk.http)


def test_verify_says_which_channel_it_is(desk: Desk) -> None:
    info = PUBLISHER.verify(desk.account, desk.http)
    assert (info.account_id, info.name) == (desk.account.account_id, "Dateline 1")
    assert info.settings == {"uploadsPlaylist": "UU" + desk.account.account_id[2:], "longUploads": "allowed"}
    assert desk.http.sent[-1].query == "part=snippet%2CcontentDetails%2Cstatus&mine=true"
    [choice] = PUBLISHER.accounts(replace(desk.account, account_id=""), desk.http)
    assert (choice.account_id, choice.name, choice.kind) == (desk.account.account_id, "Dateline 1", "channel")
    desk.network.has_channel = False
    with pytest.raises(Failed) as caught:
        PUBLISHER.verify(desk.account, desk.http)
    assert caught.value.code == "no_channel"


def test_consent_asks_for_what_publishing_needs_and_brings_a_refresh_token(desk: Desk) -> None:
    from urllib.parse import parse_qs, urlsplit

    flow = PUBLISHER.connect
    assert flow is not None and flow.extra == {"access_type": "offline", "prompt": "consent"}
    host, path = flow.authorize
    params = {
        "client_id": "youtube-client", "redirect_uri": "https://api.example/callback", "response_type": "code", "state": "s",
        "scope": flow.scope_separator.join(flow.scopes), **flow.extra, "as": "prof_new",
    }
    page = desk.http.request("GET", f"{desk.account.override}/{host}{path}", params=params)
    code = parse_qs(urlsplit(page.headers["location"]).query)["code"][0]
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": params["redirect_uri"],
        "client_id": "youtube-client", "client_secret": "youtube-client-secret",
    }
    host, path = flow.token
    said = desk.http.request("POST", f"{desk.account.override}/{host}{path}", data=form).json()
    assert {"access_token", "refresh_token", "expires_in", "scope", "token_type"} <= set(said)
    fresh = replace(desk.account, account_id="", credentials={"accessToken": said["access_token"]})
    assert PUBLISHER.accounts(fresh, desk.http)[0].account_id == desk.network.channels["prof_new"].id


def broken(draft: Draft, settings: dict[str, Any] | None = None) -> list[str]:
    return [violation.rule for violation in check(RULES, draft, settings or {})]


def film(text: str = "Words", *media: Media, comment: str | None = None, **options: Any) -> Draft:
    return Draft((Segment(text, media or (FILM,)),), options, Segment(comment) if comment is not None else None)


@pytest.mark.parametrize(("draft", "rules"), [
    (film("ü" * 2500), []), (film("ü" * 2501), ["youtube.text.too_long"]), (film(""), ["youtube.title.required"]),
    (film("a < b"), ["youtube.description.angle_brackets"]), (film("Words", title="a > b"), ["youtube.title.angle_brackets"]),
    (film("", title="A film"), []), (film("Words", title="x" * 101), ["youtube.option.invalid"]),
    (film("Words", tags=["a" * 250, "b" * 249]), []), (film("Words", tags=["a" * 250, "b" * 250]), ["youtube.tags.too_long"]),
    (film("Words", tags=["a b" + "c" * 246, "d" * 249]), ["youtube.tags.too_long"]), (film("Words", FILM, COVER), []),
    (film("Words", COVER), ["youtube.video.required"]), (film("Words", FILM, FILM), ["youtube.media.too_many"]),
    (film("Words", FILM, COVER, COVER), ["youtube.media.too_many"]), (film(privacy="friends"), ["youtube.option.invalid"]),
    (Draft((Segment("Words"),)), ["youtube.media.required"]), (film(comment="First"), []),
    (film(comment="First", privacy="private"), ["youtube.first_comment.not_possible"]),
    (film(comment="a <b>", privacy="unlisted"), []), (film(comment="x" * 10_001), ["youtube.first_comment.too_long"]),
    (film(comment="First", madeForKids=True), ["youtube.first_comment.not_possible"]),
])
def test_the_rules_say_what_youtube_takes(draft: Draft, rules: list[str]) -> None:
    assert broken(draft) == rules


def test_the_length_of_a_video_depends_on_the_channel() -> None:
    long = FILM._replace(facts=Facts("video/mp4", 1000, 1920, 1080, 1000.0))
    assert broken(film("Words", long)) == []
    assert broken(film("Words", long), {"longUploads": "eligible"}) == ["youtube.media.too_long"]
    endless = FILM._replace(facts=Facts("video/mp4", 1000, 1920, 1080, 43_201.0))
    assert broken(film("Words", endless)) == ["youtube.media.too_long"]


def test_a_long_first_line_is_cut_for_the_title_and_said_so(desk: Desk) -> None:
    text = "x" * 150
    assert RULES.advise is not None
    assert [v.rule for v in RULES.advise(film(text), {})] == ["youtube.title.cut"]
    assert [v.rule for v in RULES.advise(film("Words", FILM, COVER), {})] == ["youtube.media.thumbnail"]
    desk.publish(desk.delivery(text))
    assert desk.world.seen("youtube")[0].extra["title"] == "x" * 100


def test_the_stand_in_refuses_what_the_discovery_document_does_not_have(desk: Desk) -> None:
    headers = {"Authorization": f"Bearer {desk.account.credentials['accessToken']}"}
    delivery = desk.delivery()
    desk.prepare(delivery)
    video = delivery.checkpoint["video"]["id"]
    url = desk.account.server + "/youtube/v3/videos"
    for params, body in (
        ({"part": "status"}, {"id": video, "status": {"colour": "red"}}), ({}, {"id": video}),
        ({"part": "status"}, {"id": video, "snippet": {"title": "a"}}), ({"part": "status", "id": video}, {"id": video}),
        ({"part": "snippet"}, {"id": video, "snippet": {"title": "a"}}),
        ({"part": "status"}, {"id": video, "status": {"privacyStatus": "public", "publishAt": "2027-01-01T00:00:00Z"}}),
        ({"part": "status"}, {"id": video, "status": {"privacyStatus": "friends"}}),
    ):
        assert desk.http.request("PUT", url, headers=headers, params=params, json=body).status == 400, body
    assert desk.world.seen("youtube") == []


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer"])
@pytest.mark.parametrize("at", ["prepare", "publish", "read"])
def test_no_failure_shows_a_token_or_the_sessions_address(desk: Desk, fault: str, at: str) -> None:
    desk.http.deadline = 1
    delivery = desk.delivery()
    desk.world.add_fault("youtube", fault, times=9, at=at)
    shown = ""
    for step in (lambda: PUBLISHER.prepare(delivery), lambda: desk.publish(delivery), lambda: PUBLISHER.resolve(delivery, 0)):
        try:
            step()
        except Outcome as outcome:
            shown += f"{outcome!r} {outcome} {outcome.__cause__!r}"
    for secret in (*desk.account.credentials.values(), "upload_id", "localhost"):
        assert secret not in shown + repr(desk.account)


@pytest.mark.parametrize(("kind", "rules"), [("video", ["youtube.alt_text.ignored"])])
def test_alternative_text_that_is_not_taken_is_left_out_with_a_warning(kind: str, rules: list[str]) -> None:
    draft = Draft((Segment("Words", (Media("https://media.example/a", kind, "What is to be seen"),)),))
    assert RULES.advise is not None
    assert [violation.rule for violation in RULES.advise(draft, {})] == rules
