"""What Dateline sends to a Bluesky server, and what it makes of every answer.

The allowed members are transcribed from the lexicons of bluesky-social/atproto d6296a1 (2026-08-20):
com.atproto.repo.{putRecord,applyWrites,deleteRecord}, com.atproto.server.getServiceAuth, app.bsky.feed.{post,threadgate},
app.bsky.embed.{images,gallery,video,external,record,recordWithMedia}, app.bsky.richtext.facet, app.bsky.video.defs. How the video
service answers in fact is from bluesky-social/atproto issues 3026 and 3097 and docs.bsky.app/docs/tutorials/video.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Account,
    Answer,
    AnswerLost,
    Delivery,
    Failed,
    Found,
    NotReady,
    Outcome,
    Remote,
    Retry,
    SafeToRepeat,
    TokenRefused,
    Unknown,
)
from dateline.platforms.bluesky import PUBLISHER, RULES
from dateline.platforms.bluesky.records import COLLECTION, cid_of, record_keys
from local.networks import files
from local.networks.base import World
from local.networks.bluesky import BlueskyNetwork
from local.networks.files import File
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, account_of, delivery_of
from tests.samples import Sample, samples_of

PUT_RECORD = {"repo", "collection", "rkey", "validate", "record", "swapRecord", "swapCommit"}
APPLY_WRITES = {"repo", "validate", "writes", "swapCommit"}
CREATE = {"$type", "collection", "rkey", "value"}
DELETE_RECORD = {"repo", "collection", "rkey", "swapRecord", "swapCommit"}
POST = {"$type", "text", "facets", "reply", "embed", "langs", "labels", "tags", "createdAt"}
IMAGE = {"image", "alt", "aspectRatio"}
BLOB = {"$type", "ref", "mimeType", "size"}
FACET = {"index", "features"}

VIDEO_EMBED = {"$type", "video", "captions", "alt", "aspectRatio", "presentation"}
EXTERNAL = {"uri", "title", "description", "thumb", "associatedRefs"}
GATE = {"$type", "post", "allow", "createdAt", "hiddenReplies"}
VIDEO = Media("https://cdn.example.com/clip.mp4", "video", "A wave")
GIF = Media("https://cdn.example.com/wave.gif", "gif")
PICTURE = Media("https://cdn.example.com/a.png", "image", "A red dot")


class Bench:
    """One server, one account, one clock."""

    def __init__(self, deadline: float = 30.0) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [BlueskyNetwork])
        self.http = InProcessHttp(self.world, self.clock, deadline)
        self.network: Any = self.world.networks["bluesky"]
        self.account = account_of(self.world, "bluesky", "prof_bluesky")

    def delivery(self, *segments: str | Segment, **more: Any) -> Delivery:
        """A delivery as it stands after the claim."""
        delivery = delivery_of(self.http, self.account, *segments, **more)
        delivery.checkpoint.update(PUBLISHER.start(delivery))
        return delivery

    def wait(self, delivery: Delivery) -> None:
        """Prepare until nothing is in the way, coming back when asked to."""
        for _ in range(100):
            try:
                return PUBLISHER.prepare(delivery)
            except NotReady as pause:
                self.clock.advance(pause.after)
        raise AssertionError("it is never ready")

    def publish(self, delivery: Delivery) -> tuple[Remote, ...]:
        """Prepare if need be, then the one call."""
        if PUBLISHER.needs_preparation(delivery):
            self.wait(delivery)
        delivery.armed_at = self.clock.now()
        return PUBLISHER.publish(delivery, 0)

    def uncertain(self, delivery: Delivery) -> Delivery:
        """The same delivery when it is tried again after no clear answer."""
        delivery.uncertain = True
        delivery.checkpoint.update(PUBLISHER.start(delivery))
        return delivery

    def paths(self) -> list[str]:
        return [sent.path.rpartition(".")[2] for sent in self.http.sent]

    def seen(self) -> list[str]:
        return [entry.text for entry in self.world.seen("bluesky")]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def with_tokens(account: Account, **tokens: str) -> Account:
    return replace(account, credentials={**account.credentials, **tokens})


def test_a_post_is_one_put_record_with_members_the_lexicon_knows(bench: Bench) -> None:
    delivery = bench.delivery("Hello https://example.com #news", options={"langs": ["en"]})
    assert not PUBLISHER.needs_preparation(delivery)
    (remote,) = bench.publish(delivery)
    (sent,) = bench.http.sent
    body = sent.json()
    assert (sent.method, sent.path) == ("POST", "/bluesky/xrpc/com.atproto.repo.putRecord")
    assert sent.headers["authorization"] == f"Bearer {bench.account.credentials['accessJwt']}"
    assert sent.headers["content-type"] == "application/json"
    assert set(body) <= PUT_RECORD
    assert set(body["record"]) <= POST
    assert all(set(facet) == FACET for facet in body["record"]["facets"])
    assert body["repo"] == bench.account.account_id
    assert body["record"]["langs"] == ["en"]
    rkey = delivery.checkpoint["rkeys"][0]
    assert body["rkey"] == rkey
    assert remote.id == f"at://{bench.account.account_id}/{COLLECTION}/{rkey}"
    assert remote.url == f"https://bsky.app/profile/{bench.account.account_id}/post/{rkey}"
    assert remote.extra["cid"] == cid_of(body["record"])


def test_content_warnings_stand_on_every_segment_and_hashtags_on_the_first(bench: Bench) -> None:
    options = {"langs": ["de"], "labels": ["nudity", "graphic-media"], "tags": ["art", "figure drawing"]}
    assert set(RULES.options["properties"]) == {*options, "linkCard", "quote", "replyControl"}
    remotes = bench.publish(bench.delivery("one", "two", options=options))
    records = [write["value"] for write in bench.http.sent[-1].json()["writes"]]
    labels = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": "nudity"}, {"val": "graphic-media"}]}
    assert all(set(record) <= POST for record in records)
    assert [record["labels"] for record in records] == [labels] * 2
    assert [record.get("tags") for record in records] == [["art", "figure drawing"], None]
    assert [remote.extra["cid"] for remote in remotes] == [entry.extra["cid"] for entry in bench.world.seen()]


def test_a_thread_is_one_apply_writes_with_members_the_lexicon_knows(bench: Bench) -> None:
    remotes = bench.publish(bench.delivery("one", "two", "three"))
    (sent,) = bench.http.sent
    body = sent.json()
    assert sent.path == "/bluesky/xrpc/com.atproto.repo.applyWrites"
    assert set(body) <= APPLY_WRITES
    for write in body["writes"]:
        assert set(write) <= CREATE
        assert write["$type"] == "com.atproto.repo.applyWrites#create"
        assert set(write["value"]) <= POST
    replies = [write["value"].get("reply") for write in body["writes"]]
    refs = [{"uri": remote.id, "cid": remote.extra["cid"]} for remote in remotes]
    assert replies == [None, {"root": refs[0], "parent": refs[0]}, {"root": refs[0], "parent": refs[1]}]
    dates = [write["value"]["createdAt"] for write in body["writes"]]
    assert dates == sorted(set(dates))


def test_a_picture_is_uploaded_as_bytes_and_shown_with_its_alternative_text(bench: Bench) -> None:
    bench.publish(bench.delivery(Segment("Look", (PICTURE,))))
    upload, put = bench.http.sent
    assert upload.path.endswith("com.atproto.repo.uploadBlob")
    assert (upload.body, upload.headers["content-type"]) == (files.png().data, "image/png")
    embed = put.json()["record"]["embed"]
    assert embed["$type"] == "app.bsky.embed.images"
    (image,) = embed["images"]
    assert set(image) <= IMAGE
    assert set(image["image"]) == BLOB
    assert image["alt"] == "A red dot"
    (entry,) = bench.world.seen()
    assert entry.media == [image["image"]["ref"]["$link"]]
    assert entry.extra["alts"] == ["A red dot"]


def test_a_picture_without_alternative_text_still_has_the_member_the_lexicon_requires(bench: Bench) -> None:
    bench.publish(bench.delivery(Segment("", (Media("https://cdn.example.com/b.png"),))))
    assert bench.http.sent[-1].json()["record"]["embed"]["images"][0]["alt"] == ""


def test_each_uploaded_picture_is_saved_as_soon_as_it_is_known(bench: Bench) -> None:
    second = Media("https://cdn.example.com/b.png")
    delivery = bench.delivery(Segment("", (PICTURE, second)))
    saves: list[int] = []

    def save(**values: Any) -> None:
        delivery.checkpoint.update(values)
        saves.append(len(delivery.checkpoint["blobs"]))

    delivery.save = save
    bench.world.add_fault("bluesky", "server_error", at="prepare")
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    PUBLISHER.prepare(delivery)
    assert saves == [1, 2]
    sent = len(bench.http.sent)
    PUBLISHER.prepare(delivery)
    assert len(bench.http.sent) == sent


def test_a_picture_uploaded_too_long_ago_is_uploaded_again(bench: Bench) -> None:
    delivery = bench.delivery(Segment("", (PICTURE,)))
    PUBLISHER.prepare(delivery)
    bench.clock.advance(timedelta(hours=1).total_seconds())
    PUBLISHER.prepare(delivery)
    assert bench.paths() == ["uploadBlob", "uploadBlob"]


def test_pictures_the_server_has_cleared_away_are_uploaded_again_at_the_next_try(bench: Bench) -> None:
    delivery = bench.delivery(Segment("", (PICTURE,)))
    PUBLISHER.prepare(delivery)
    bench.network.blobs.clear()
    with pytest.raises(Retry) as error:
        bench.publish(delivery)
    assert error.value.code == "media_expired"
    bench.publish(delivery)
    assert len(bench.world.seen()) == 1


def test_a_file_bluesky_would_not_take_is_refused_before_anything_is_sent(bench: Bench) -> None:
    for item, file, code in (
        (PICTURE, files.pdf(), "media_unsupported"), (VIDEO, files.png(), "media_unsupported"),
        (PICTURE, File(b"\x89PNG" + bytes(2_000_000), "image/png"), "media_too_large"),
    ):
        with pytest.raises(Failed) as error:
            PUBLISHER.prepare(bench.delivery(Segment("", (item,)), media=Pinned({item.url: file})))
        assert error.value.code == code
    assert bench.http.sent == []


def test_more_than_four_pictures_are_a_gallery_that_says_the_size_of_each(bench: Bench) -> None:
    pictures = tuple(Media(f"https://cdn.example.com/{n}.jpg", "image", f"Picture {n}") for n in range(10))
    bench.publish(bench.delivery(Segment("Look", pictures[:4])))
    bench.publish(bench.delivery(Segment("Look", pictures), key="post_2:prof_1"))
    four, ten = (sent.json()["record"]["embed"] for sent in bench.http.sent if sent.path.endswith("putRecord"))
    assert (four["$type"], ten["$type"]) == ("app.bsky.embed.images", "app.bsky.embed.gallery")
    assert [image["aspectRatio"] for image in four["images"]] == [{"width": 640, "height": 640}] * 4
    assert all(set(item) == IMAGE | {"$type"} and item["$type"] == "app.bsky.embed.gallery#image" for item in ten["items"])
    assert [item["alt"] for item in ten["items"]] == [f"Picture {n}" for n in range(10)]
    assert [len(entry.media) for entry in bench.world.seen()] == [4, 10]
    unknown = Pinned({item.url: File(files.png().data, "image/png") for item in pictures})
    with pytest.raises(Failed) as error:
        PUBLISHER.prepare(bench.delivery(Segment("", pictures[:5]), media=unknown))
    assert error.value.code == "media_unreadable"
    bench.publish(bench.delivery(Segment("", pictures[:1]), media=unknown, key="post_3:prof_1"))
    assert "aspectRatio" not in bench.http.sent[-1].json()["record"]["embed"]["images"][0]


@pytest.mark.parametrize(("item", "name", "extra"), [
    (VIDEO, "post_1.mp4", {"alt": "A wave"}), (GIF, "post_1.gif", {"presentation": "gif"}),
])
def test_a_video_or_gif_goes_through_the_video_service(
    bench: Bench, item: Media, name: str, extra: dict[str, str]
) -> None:
    pinned = Pinned({VIDEO.url: files.mp4(size=20_000_000)})
    asked: list[float] = []
    delivery = bench.delivery(Segment("Look", (item,)), media=pinned)
    delivery.need = asked.append
    with pytest.raises(NotReady) as error:
        PUBLISHER.prepare(delivery)
    assert error.value.after > 0
    session, token, upload, status = bench.http.sent
    assert session.path.endswith("com.atproto.server.getSession")
    said = dict(parse_qsl(token.query))
    assert token.path == "/bluesky/xrpc/com.atproto.server.getServiceAuth"
    assert said == {
        "aud": "did:web:pds.bsky.local", "lxm": "com.atproto.repo.uploadBlob",
        "exp": str(int(bench.clock.now().timestamp()) + 1800),
    }
    assert upload.path == "/bluesky/video.bsky.app/xrpc/app.bsky.video.uploadVideo"
    assert dict(parse_qsl(upload.query)) == {"did": bench.account.account_id, "name": name}
    assert upload.headers["content-type"] == pinned.open(item).mime
    assert bench.account.credentials["accessJwt"] not in upload.headers["authorization"]
    assert upload.body == pinned.open(item).data
    assert asked == ([60.0] if item is VIDEO else [])
    assert max(pinned.open(item).reads) <= 8 * 1024 * 1024, "a large file is read in pieces"
    assert status.path == "/bluesky/video.bsky.app/xrpc/app.bsky.video.getJobStatus"
    assert "authorization" not in status.headers
    (remote,) = bench.publish(delivery)
    embed = bench.http.sent[-1].json()["record"]["embed"]
    assert set(embed) <= VIDEO_EMBED and set(embed["video"]) == BLOB
    ratio = {"width": pinned.open(item).width, "height": pinned.open(item).height}
    assert {key: embed[key] for key in embed if key != "video"} == {
        "$type": "app.bsky.embed.video", "aspectRatio": ratio, **extra,
    }
    (entry,) = bench.world.seen()
    assert (entry.remote_id, entry.media) == (remote.id, [embed["video"]["ref"]["$link"]])


def test_the_accounts_own_server_is_asked_for_once_where_verifying_has_not_told_it(bench: Bench) -> None:
    info = PUBLISHER.verify(bench.account, bench.http)
    assert info.settings == {"pds": "pds.bsky.local"}
    bench.account = replace(bench.account, settings=info.settings)
    bench.wait(bench.delivery(Segment("", (VIDEO,))))
    assert bench.paths().count("getSession") == 1


def test_a_video_uploaded_before_is_used_again(bench: Bench) -> None:
    request = bench.http.request

    def lose(method: str, url: str, **parts: Any) -> Answer:
        request(method, url, **parts)
        raise AnswerLost("the connection broke before the answer came")

    first = bench.delivery(Segment("Once", (VIDEO,)))
    bench.http.request = lambda m, u, **p: (lose if "uploadVideo" in u else request)(m, u, **p)  # type: ignore[method-assign]
    with pytest.raises(Retry):
        PUBLISHER.prepare(first)
    bench.http.request = request  # type: ignore[method-assign]
    bench.publish(first)
    bench.publish(bench.delivery(Segment("And again", (VIDEO,)), key="post_2:prof_1"))
    assert [job.again for job in bench.network.jobs.values()] == [False, True, True]
    one, two = bench.world.seen()
    assert one.media == two.media


@pytest.mark.parametrize(("code", "kind"), [
    ("validation_failure", Failed), ("pds_upload_unsupported_blob_size", Failed), ("encoding_failure", Retry),
    ("generic_failure", Retry),
])
def test_a_video_that_cannot_be_processed_fails_or_is_tried_again_by_its_code(
    bench: Bench, code: str, kind: type[Outcome]
) -> None:
    bench.network.refuse_video = (code, "The video has no frames")
    delivery = bench.delivery(Segment("Look", (VIDEO,)))
    with pytest.raises(kind) as error:
        bench.wait(delivery)
    assert "The video has no frames" in str(error.value)
    assert delivery.checkpoint["blobs"] == {}
    bench.network.refuse_video = None
    bench.publish(delivery)
    assert bench.seen() == ["Look"]


def test_an_account_without_a_confirmed_address_is_told_so(bench: Bench) -> None:
    bench.network.unconfirmed = True
    with pytest.raises(Failed) as error:
        PUBLISHER.prepare(bench.delivery(Segment("", (VIDEO,))))
    assert error.value.code == "email_unconfirmed"


def test_a_job_the_service_has_forgotten_is_begun_again(bench: Bench) -> None:
    delivery = bench.delivery(Segment("Look", (VIDEO,)))
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    bench.network.jobs.clear()
    bench.network.videos.clear()
    with pytest.raises(Retry) as error:
        PUBLISHER.prepare(delivery)
    assert error.value.code == "media_gone"
    bench.publish(delivery)
    assert bench.seen() == ["Look"]


def test_a_thread_with_a_video_and_pictures_is_one_write(bench: Bench) -> None:
    bench.publish(bench.delivery(Segment("one", (VIDEO,)), Segment("two", (PICTURE,)), "three"))
    assert bench.paths().count("applyWrites") == 1
    assert [entry.extra.get("parent_matches") for entry in bench.world.seen()] == [None, True, True]
    assert [len(entry.media) for entry in bench.world.seen()] == [1, 1, 0]


def test_a_link_card_stands_below_the_first_segment_with_or_without_a_picture(bench: Bench) -> None:
    card = {"url": "https://example.com/story", "title": "A story", "description": "And how it ends"}
    bench.publish(bench.delivery("Read", "more", options={"linkCard": card}))
    first, second = (write["value"] for write in bench.http.sent[-1].json()["writes"])
    external = {"uri": card["url"], "title": "A story", "description": "And how it ends"}
    assert first["embed"] == {"$type": "app.bsky.embed.external", "external": external}
    assert "embed" not in second
    shown = {"url": card["url"], "title": "A story", "thumbFromMedia": True}
    bench.publish(bench.delivery(Segment("Look", (PICTURE,)), options={"linkCard": shown}, key="post_2:prof_1"))
    external = bench.http.sent[-1].json()["record"]["embed"]["external"]
    assert set(external) <= EXTERNAL and set(external["thumb"]) == BLOB
    assert external["description"] == ""
    large = Pinned({PICTURE.url: File(b"\x89PNG" + bytes(1_000_000), "image/png")})
    with pytest.raises(Failed):
        PUBLISHER.prepare(bench.delivery(Segment("", (PICTURE,)), options={"linkCard": shown}, media=large))


def test_a_quote_stands_alone_or_beside_media(bench: Bench) -> None:
    (quoted,) = bench.publish(bench.delivery("Worth quoting"))
    quote = {"uri": quoted.id, "cid": quoted.extra["cid"]}
    assert check(RULES, Draft((Segment("Look"),), {"quote": quote}), {}) == []
    bench.publish(bench.delivery("Look", options={"quote": quote}, key="post_2:prof_1"))
    record = {"$type": "app.bsky.embed.record", "record": quote}
    assert bench.http.sent[-1].json()["record"]["embed"] == record
    bench.publish(bench.delivery(Segment("Look", (PICTURE,)), options={"quote": quote}, key="post_3:prof_1"))
    embed = bench.http.sent[-1].json()["record"]["embed"]
    assert (embed["$type"], embed["record"]) == ("app.bsky.embed.recordWithMedia", record)
    assert embed["media"]["$type"] == "app.bsky.embed.images"
    assert len(bench.world.seen()[-1].media) == 1


@pytest.mark.parametrize("segments", [("one",), ("one", "two")], ids=["post", "thread"])
def test_who_may_reply_is_said_in_the_same_write_and_taken_down_with_the_post(bench: Bench, segments: tuple[str, ...]) -> None:
    delivery = bench.delivery(*segments, options={"replyControl": ["mentioned", "following"]})
    remotes = bench.publish(delivery)
    (sent,) = bench.http.sent
    *posts, gate = sent.json()["writes"]
    assert (len(posts), len(remotes)) == (len(segments), len(segments))
    assert (gate["collection"], gate["rkey"]) == ("app.bsky.feed.threadgate", posts[0]["rkey"])
    assert set(gate["value"]) <= GATE
    assert gate["value"]["post"] == remotes[0].id
    rules = [f"app.bsky.feed.threadgate#{name}" for name in ("mentionRule", "followingRule")]
    assert [rule["$type"] for rule in gate["value"]["allow"]] == rules
    assert len(bench.network.gates) == 1
    for remote in reversed(remotes):
        PUBLISHER.delete(delivery, remote.id)
        PUBLISHER.delete(delivery, remote.id)
    assert (bench.seen(), bench.network.gates) == ([], {})
    bench.publish(delivery)
    assert bench.seen() == list(segments)


def test_a_lost_answer_of_a_post_that_nobody_may_reply_to_is_found_and_a_repeat_writes_nothing(bench: Bench) -> None:
    delivery = bench.delivery("Quiet", options={"replyControl": []})
    bench.world.add_fault("bluesky", "lost_answer")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found) and len(found.remotes) == 1
    with pytest.raises(Unknown):
        bench.publish(bench.uncertain(delivery))
    assert (bench.seen(), [gate["allow"] for gate in bench.network.gates.values()]) == (["Quiet"], [[]])


def test_the_rules_say_what_a_post_shows_below_its_text() -> None:
    def facts(item: Media, **known: Any) -> Media:
        return item._replace(facts=Facts(**{"mime": "image/png", "size": 100, **known}))

    card = {"url": "https://example.com", "title": "A story"}
    thumb = {**card, "thumbFromMedia": True}
    nothing: dict[str, Any] = {}
    for media, options, rules in (
        ((PICTURE,) * 10, nothing, []), ((PICTURE,) * 11, nothing, ["media.too_many"]), ((VIDEO,), nothing, []),
        ((VIDEO, VIDEO), nothing, ["media.too_many"]), ((VIDEO, PICTURE), nothing, ["media.mixed"]),
        ((facts(VIDEO, mime="video/mp4", seconds=180.0),), nothing, []),
        ((facts(VIDEO, mime="video/mp4", seconds=180.5),), nothing, ["media.too_long"]),
        ((facts(VIDEO, mime="video/mp4", size=300_000_001),), nothing, ["media.too_large"]),
        ((), {"linkCard": card}, []), ((PICTURE,), {"linkCard": card}, ["link_card.with_media"]),
        ((PICTURE,), {"linkCard": thumb}, []), ((PICTURE,) * 2, {"linkCard": thumb}, ["link_card.with_media"]),
        ((VIDEO,), {"linkCard": thumb}, ["link_card.with_media"]),
        ((facts(PICTURE, size=1_000_001),), {"linkCard": thumb}, ["link_card.thumb_too_large"]),
        ((), {"linkCard": {"url": "ftp://x", "title": "A"}}, ["option.invalid"]),
        ((), {"replyControl": ["friends"]}, ["option.invalid"]),
    ):
        found = [v.rule for v in check(RULES, Draft((Segment("Look", media),), options), {})]
        assert found == [f"bluesky.{rule}" for rule in rules], (media, options)
    assert RULES.advise is not None
    advice = RULES.advise(Draft((Segment("Look"),), {"linkCard": thumb}), {})
    assert [v.rule for v in advice] == ["bluesky.link_card.thumb_ignored"]


@pytest.mark.parametrize("sample", samples_of("bluesky"), ids=lambda sample: sample.name)
def test_every_sample_is_published_whole(bench: Bench, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    whole = [Segment("Hello", media), *(Segment(f"and {n}") for n in range(1, sample.segments + sample.comment))]
    assert check(RULES, Draft(tuple(whole), sample.options), {}) == []
    bench.publish(bench.delivery(*whole, options=sample.options, media=Pinned(sample.files)))
    assert bench.seen() == [segment.text for segment in whole]
    assert len(bench.world.seen()[0].media) == len(media)


def test_limits_are_read_from_the_headers_by_their_window(bench: Bench) -> None:
    now = bench.clock.now()
    for window, name, scope in (("3600", "points an hour", "account"), ("86400", "points a day", "account"),
                                ("300", "calls in 5 minutes", "app")):
        headers = {
            "ratelimit-limit": "5000", "ratelimit-remaining": "4997", "ratelimit-reset": str(int(now.timestamp()) + 60),
            "ratelimit-policy": f"5000;w={window}",
        }
        (quota,) = PUBLISHER.quotas(Answer(200, headers, b""), now)
        assert (quota.scope, quota.name, quota.limit, quota.remaining) == (scope, name, 5000, 4997)
        assert quota.resets_at == now + timedelta(seconds=60)
    assert PUBLISHER.quotas(Answer(200, {}, b""), now) == ()


def test_there_is_no_consent_but_an_app_password() -> None:
    assert PUBLISHER.connect is None
    assert {"identifier", "appPassword"} <= {field.name for field in PUBLISHER.credential_fields}


def test_mentions_become_facets_with_the_did_and_byte_offsets(bench: Bench) -> None:
    bench.publish(bench.delivery("🎉 thanks @alice.bsky.local and @nobody.bsky.local"))
    (alice,) = bench.http.sent[-1].json()["record"]["facets"]
    assert alice["features"] == [{"$type": "app.bsky.richtext.facet#mention", "did": bench.account.account_id}]
    raw = "🎉 thanks @alice.bsky.local".encode()
    assert alice["index"] == {"byteStart": len("🎉 thanks ".encode()), "byteEnd": len(raw)}


def test_a_mention_that_cannot_be_looked_up_does_not_hold_the_post_back(bench: Bench) -> None:
    bench.world.add_fault("bluesky", "server_error", at="read")
    bench.publish(bench.delivery("thanks @alice.bsky.local"))
    assert "facets" not in bench.http.sent[-1].json()["record"]


def test_the_record_is_the_same_on_every_try(bench: Bench) -> None:
    delivery = bench.delivery(Segment("thanks @alice.bsky.local", (PICTURE,)))
    bench.world.add_fault("bluesky", "lost_answer")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    bench.clock.advance(7200)
    bench.account = with_tokens(bench.account, **PUBLISHER.refresh(bench.account, bench.http).credentials)  # type: ignore[union-attr]
    delivery.account = bench.account
    bench.world.add_fault("bluesky", "server_error", at="read")
    bench.publish(bench.uncertain(delivery))
    puts = [sent.json() for sent in bench.http.sent if sent.path.endswith("putRecord")]
    assert puts[0] == puts[1]
    assert bench.network.commits == 1


def test_a_post_moved_by_a_long_wait_is_dated_when_it_goes_out(bench: Bench) -> None:
    delivery = bench.delivery("late")
    first = dict(delivery.checkpoint)
    bench.clock.advance(3600)
    delivery.checkpoint.update(PUBLISHER.start(delivery))
    assert delivery.checkpoint["rkeys"] == first["rkeys"]
    assert delivery.checkpoint["createdAt"] > first["createdAt"]


def test_two_posts_of_one_second_get_different_record_keys(bench: Bench) -> None:
    keys = {record_keys(f"post_{n}:prof_1", bench.clock.now(), 1)[0] for n in range(200)}
    assert len(keys) == 200


def test_a_deletion_is_one_delete_record_and_may_be_repeated(bench: Bench) -> None:
    delivery = bench.delivery("gone soon")
    (remote,) = bench.publish(delivery)
    PUBLISHER.delete(delivery, remote.id)
    PUBLISHER.delete(delivery, remote.id)
    sent = bench.http.sent[-1]
    assert sent.path.endswith("com.atproto.repo.deleteRecord")
    assert set(sent.json()) <= DELETE_RECORD
    assert bench.seen() == []


@pytest.mark.parametrize("segments", [("one",), ("one", "two", "three")], ids=["post", "thread"])
def test_a_lost_answer_is_found_by_the_record_key(bench: Bench, segments: tuple[str, ...]) -> None:
    delivery = bench.delivery(*segments)
    bench.world.add_fault("bluesky", "lost_answer")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    resolution = PUBLISHER.resolve(delivery, 0)
    assert isinstance(resolution, Found)
    assert [remote.id for remote in resolution.remotes] == [entry.remote_id for entry in bench.world.seen()]
    assert [remote.extra["cid"] for remote in resolution.remotes] == [entry.extra["cid"] for entry in bench.world.seen()]


@pytest.mark.parametrize("segments", [("one",), ("one", "two", "three")], ids=["post", "thread"])
def test_a_server_error_that_wrote_nothing_is_safe_to_repeat(bench: Bench, segments: tuple[str, ...]) -> None:
    delivery = bench.delivery(*segments)
    bench.world.add_fault("bluesky", "server_error")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    bench.publish(bench.uncertain(delivery))
    assert bench.seen() == list(segments)


def test_repeating_a_post_whose_answer_was_lost_leaves_one_post_and_one_commit(bench: Bench) -> None:
    delivery = bench.delivery("once")
    bench.world.add_fault("bluesky", "lost_answer")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    bench.publish(bench.uncertain(delivery))
    assert bench.seen() == ["once"]
    assert bench.network.commits == 1


def test_repeating_a_thread_whose_answer_was_lost_writes_nothing_and_leads_back_to_the_look_up(bench: Bench) -> None:
    delivery = bench.delivery("one", "two")
    bench.world.add_fault("bluesky", "lost_answer")
    with pytest.raises(Unknown):
        bench.publish(delivery)
    with pytest.raises(Unknown):
        bench.publish(bench.uncertain(delivery))
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    assert bench.seen() == ["one", "two"]


@pytest.mark.parametrize("segments", [("one",), ("one", "two")], ids=["post", "thread"])
def test_a_server_still_working_after_we_gave_up_cannot_double_the_repeat(segments: tuple[str, ...]) -> None:
    bench = Bench(deadline=2.0)
    delivery = bench.delivery(*segments)
    bench.world.add_fault("bluesky", "slow", seconds=8)
    with pytest.raises(Unknown):
        bench.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    bench.publish(bench.uncertain(delivery))
    bench.clock.advance(60)
    bench.http.settle_due()
    assert bench.http.working == 0
    assert bench.seen() == list(segments)


def test_a_success_without_an_address_is_not_taken_for_one(bench: Bench) -> None:
    delivery = bench.delivery("hello")
    bench.http.request = lambda *a, **k: Answer(200, {}, b"<html>please sign in</html>")  # type: ignore[method-assign]
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)


def test_looking_up_needs_no_living_session(bench: Bench) -> None:
    delivery = bench.delivery("hello")
    bench.publish(delivery)
    bench.network.expire_tokens()
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    assert "authorization" not in bench.http.sent[-1].headers


@pytest.mark.parametrize("kind", ["server_error", "rate_limit", "lost_answer", "reject"])
def test_a_look_up_that_fails_decides_nothing(bench: Bench, kind: str) -> None:
    delivery = bench.delivery("hello")
    bench.publish(delivery)
    bench.world.add_fault("bluesky", kind, at="read")
    with pytest.raises(Retry):
        PUBLISHER.resolve(delivery, 0)


def test_a_thread_appears_whole_or_not_at_all(bench: Bench) -> None:
    delivery = bench.delivery("one", "two", "three")
    middle = delivery.checkpoint["rkeys"][1]
    other = bench.delivery("in the way", key="post_2:prof_1")
    other.checkpoint["rkeys"] = [middle]
    bench.publish(other)
    with pytest.raises(Unknown):
        bench.publish(delivery)
    assert bench.seen() == ["in the way"]
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()


def test_every_reply_of_a_thread_refers_to_the_content_the_server_stored(bench: Bench) -> None:
    remotes = bench.publish(bench.delivery(Segment("one ✨", (PICTURE,)), "two https://example.com", "three 👩‍👩‍👧"))
    entries = bench.world.seen()
    assert [entry.extra.get("parent_matches") for entry in entries] == [None, True, True]
    assert [entry.extra.get("root_matches") for entry in entries] == [None, True, True]
    assert [entry.in_reply_to for entry in entries] == [None, remotes[0].id, remotes[1].id]


def test_the_stand_in_tells_a_thread_whose_references_are_wrong(bench: Bench) -> None:
    delivery = bench.delivery("one", "two")
    bench.publish(delivery)
    body = bench.http.sent[-1].json()
    for write, rkey in zip(body["writes"], record_keys("again", bench.clock.now(), 2), strict=True):
        write["rkey"] = rkey
    call(bench, "applyWrites", body)
    assert bench.world.seen()[-1].extra["parent_matches"] is True
    body["writes"] = [dict(body["writes"][1], rkey=record_keys("third", bench.clock.now(), 1)[0])]
    body["writes"][0]["value"]["reply"]["parent"]["cid"] = cid_of({"text": "something else"})
    call(bench, "applyWrites", body)
    assert bench.world.seen()[-1].extra["parent_matches"] is False


def test_a_rate_limit_says_when_to_come_back(bench: Bench) -> None:
    bench.world.add_fault("bluesky", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as error:
        bench.publish(bench.delivery("hello"))
    assert error.value.after == 90
    assert bench.seen() == []


def test_refused_content_is_final(bench: Bench) -> None:
    bench.world.add_fault("bluesky", "reject")
    with pytest.raises(Failed) as error:
        bench.publish(bench.delivery("hello"))
    assert "refused on request" in error.value.detail


def test_a_request_that_never_left_may_be_repeated(bench: Bench) -> None:
    bench.http.unreachable = True
    with pytest.raises(Retry):
        bench.publish(bench.delivery("hello"))


@pytest.mark.parametrize("error", ["AccountTakedown", "InvalidToken", "ExpiredToken"])
def test_a_dead_account_or_token_is_told_from_refused_content(bench: Bench, error: str) -> None:
    body = json.dumps({"error": error, "message": "no"}).encode()

    delivery = bench.delivery("hello")
    bench.http.request = lambda *a, **k: Answer(400, {}, body)  # type: ignore[method-assign]
    with pytest.raises(TokenRefused):
        PUBLISHER.publish(delivery, 0)


def test_an_expired_session_is_refreshed_and_both_tokens_change(bench: Bench) -> None:
    delivery = bench.delivery("hello")
    bench.world.add_fault("bluesky", "expired_token")
    with pytest.raises(TokenRefused):
        bench.publish(delivery)
    tokens = PUBLISHER.refresh(bench.account, bench.http)
    assert tokens is not None
    assert tokens.expires_in == 7200
    assert set(tokens.credentials) == {"accessJwt", "refreshJwt"}
    assert tokens.credentials["refreshJwt"] != bench.account.credentials["refreshJwt"]
    delivery.account = with_tokens(bench.account, **tokens.credentials)
    bench.publish(delivery)
    assert bench.seen() == ["hello"]


def test_a_refresh_sends_the_refresh_token_and_no_body(bench: Bench) -> None:
    PUBLISHER.refresh(bench.account, bench.http)
    (sent,) = bench.http.sent
    assert (sent.method, sent.path) == ("POST", "/bluesky/xrpc/com.atproto.server.refreshSession")
    assert sent.headers["authorization"] == f"Bearer {bench.account.credentials['refreshJwt']}"
    assert sent.body == b""


def test_a_session_runs_out_after_two_hours(bench: Bench) -> None:
    bench.clock.advance(7200)
    with pytest.raises(TokenRefused):
        bench.publish(bench.delivery("hello"))


def test_a_refresh_whose_answer_was_lost_works_once_more_then_the_app_password_serves(bench: Bench) -> None:
    for _ in range(3):
        assert PUBLISHER.refresh(bench.account, bench.http) is not None
    assert bench.paths() == ["refreshSession", "refreshSession", "refreshSession", "createSession"]
    assert set(bench.http.sent[-1].json()) == {"identifier", "password"}


def test_a_profile_with_only_an_app_password_gets_its_session_by_refreshing(bench: Bench) -> None:
    credentials = {key: bench.account.credentials[key] for key in ("identifier", "appPassword")}
    account = replace(bench.account, credentials=credentials, account_id="")
    with pytest.raises(TokenRefused):
        PUBLISHER.verify(account, bench.http)
    assert bench.http.sent == []
    tokens = PUBLISHER.refresh(account, bench.http)
    assert tokens is not None
    info = PUBLISHER.verify(with_tokens(account, **tokens.credentials), bench.http)
    assert (info.account_id, info.name) == (bench.account.account_id, "alice.bsky.local")


@pytest.mark.parametrize("credentials", [
    {"identifier": "alice.bsky.local"},
    {"identifier": "alice.bsky.local", "appPassword": "wrong"},
    {"identifier": "alice.bsky.local", "refreshJwt": "unknown"},
])
def test_a_grant_that_is_dead_for_good_is_told(bench: Bench, credentials: dict[str, str]) -> None:
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(replace(bench.account, credentials=credentials), bench.http)


def test_an_unreachable_server_does_not_disconnect_an_account(bench: Bench) -> None:
    bench.http.unreachable = True
    with pytest.raises(Retry):
        PUBLISHER.refresh(bench.account, bench.http)
    with pytest.raises(Retry):
        PUBLISHER.verify(bench.account, bench.http)


def test_credentials_that_now_open_another_account_are_refused(bench: Bench) -> None:
    other = replace(bench.account, account_id="did:plc:somebodyelse")
    with pytest.raises(TokenRefused) as error:
        PUBLISHER.refresh(other, bench.http)
    assert "another account" in error.value.detail


def test_no_secret_stands_in_any_outcome(bench: Bench) -> None:
    secrets = [bench.account.credentials[name] for name in ("accessJwt", "refreshJwt", "appPassword")]
    said = [repr(bench.account)]
    for kind in ("rate_limit", "server_error", "reject", "lost_answer", "expired_token"):
        bench.world.add_fault("bluesky", kind)
        try:
            bench.publish(bench.delivery("hello", key=kind))
        except Outcome as error:
            said += [str(error), repr(error)]
    for account in (bench.account, replace(bench.account, credentials={"identifier": "x", "appPassword": secrets[2]})):
        try:
            PUBLISHER.verify(account, bench.http)
        except Outcome as error:
            said.append(str(error))
    assert len(said) == 13
    assert not [secret for secret in secrets if any(secret in text for text in said)]


def call(bench: Bench, method: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {bench.account.credentials['accessJwt']}"}
    return bench.http.request("POST", f"{bench.account.server}/xrpc/com.atproto.repo.{method}", headers=headers, json=body)


def a_record(**more: Any) -> dict[str, Any]:
    return {"$type": COLLECTION, "text": "hello", "createdAt": "2026-06-15T09:00:00.000Z", **more}


def a_put(bench: Bench, record: dict[str, Any], rkey: str = "3jzfcijpj2z2a") -> dict[str, Any]:
    return {"repo": bench.account.account_id, "collection": COLLECTION, "rkey": rkey, "record": record}


@pytest.mark.parametrize(("rkey", "record"), [
    ("not-a-tid", a_record()),
    ("zzzzzzzzzzzzz", a_record()),
    ("3jzfcijpj2z2a", a_record(createdAt="2026-06-15T09:00:00")),
    ("3jzfcijpj2z2a", a_record(text="x" * 301)),
    ("3jzfcijpj2z2a", a_record(text="👩‍👩‍👧‍👧" * 121)),
    ("3jzfcijpj2z2a", a_record(facets=[{"index": {"byteStart": 0, "byteEnd": 6}, "features": []}])),
    ("3jzfcijpj2z2a", a_record(langs=["en", "de", "fr", "it"])),
    ("3jzfcijpj2z2a", a_record(embed={"$type": "app.bsky.embed.images", "images": [{
        "alt": "", "image": {"$type": "blob", "ref": {"$link": "bafkreinever"}, "mimeType": "image/png", "size": 1}}]})),
])
def test_the_stand_in_refuses_what_the_server_refuses(bench: Bench, rkey: str, record: dict[str, Any]) -> None:
    assert call(bench, "putRecord", a_put(bench, record, rkey)).status == 400
    assert bench.seen() == []


def test_the_stand_in_answers_a_taken_key_with_500_and_writes_nothing(bench: Bench) -> None:
    assert call(bench, "createRecord", a_put(bench, a_record())).status == 200
    assert call(bench, "createRecord", a_put(bench, a_record(text="other"))).status == 500
    assert bench.seen() == ["hello"]


def test_the_rules_let_pass_what_the_stand_in_takes_at_the_limit(bench: Bench) -> None:
    for text in ("x" * 300, "👩‍👩‍👧‍👧" * 120, "é" * 300):
        delivery = bench.delivery(text, key=text[:3])
        assert check(RULES, Draft(delivery.segments), {}) == []
        bench.publish(delivery)
    assert len(bench.world.seen()) == 3
