"""X's publisher against a stand-in that judges by X's published shape, and against every way a call can go wrong."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Absent,
    Account,
    Answer,
    Delivery,
    Failed,
    Found,
    NotReady,
    Outcome,
    Publisher,
    Remote,
    Retry,
    TokenRefused,
    Undecidable,
    Unknown,
)
from dateline.platforms.x import PUBLISHER
from local.networks import files
from local.networks.base import World
from local.networks.files import File
from local.networks.grants import challenge_of
from local.networks.x import XNetwork
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, account_of, delivery_of
from tests.samples import Sample, samples_of

# Members of `CreatePostsRequest`, transcribed from openapi.json 2.167 (xdevplatform/docs, 2026-08-22): no others are allowed.
POST_MEMBERS = {
    "card_uri", "community_id", "direct_message_deep_link", "edit_options", "for_super_followers_only", "geo", "made_with_ai",
    "media", "nullcast", "paid_partnership", "poll", "quote_tweet_id", "reply", "reply_settings", "share_with_followers", "text",
}
MEDIA_MEMBERS = {
    "media_ids", "tagged_user_ids", "call_to_actions", "description", "embeddable", "preview_media_id", "title",
}
INITIALIZE_MEMBERS = {"additional_owners", "media_category", "media_type", "shared", "total_bytes"}
PICTURE = Media("https://media.example/cat.png", "image", "A cat asleep on a router")
VIDEO = Media("https://media.example/cat.mp4", "video")
GIF = Media("https://media.example/cat.gif", "gif", "A cat, waving")


class Desk:
    """One world with one X account, and what a worker would do with a delivery."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [XNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "x", "prof_x")

    @property
    def network(self) -> XNetwork:
        network = self.world.networks["x"]
        assert isinstance(network, XNetwork)
        return network

    def delivery(self, *segments: str | Segment, pinned: Pinned | None = None, **options: Any) -> Delivery:
        return delivery_of(self.http, self.account, *segments, options=options, media=pinned)

    def wait(self, delivery: Delivery) -> int:
        """Prepare until nothing is in the way, coming back when asked to. How often that was."""
        for tries in range(100):
            try:
                PUBLISHER.prepare(delivery)
                return tries
            except NotReady as pause:
                assert pause.after > 0
                self.clock.advance(pause.after)
        raise AssertionError("it is never ready")

    def publish(self, delivery: Delivery, segment: int = 0) -> Remote:
        if PUBLISHER.needs_preparation(delivery):
            PUBLISHER.prepare(delivery)
        delivery.armed_at = self.clock.now()
        [remote] = PUBLISHER.publish(delivery, segment)
        delivery.published = (*delivery.published, remote)
        return remote

    def visible(self) -> list[str]:
        return [entry.text for entry in self.world.seen("x")]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_publisher_keeps_the_protocol() -> None:
    publisher: Publisher = PUBLISHER
    assert publisher.rules.platform == "x"
    assert not publisher.own_server


def test_a_text_goes_out_as_one_call_with_only_its_text(desk: Desk) -> None:
    delivery = desk.delivery("Hello, world")
    assert not PUBLISHER.needs_preparation(delivery)
    remote = desk.publish(delivery)
    [sent] = desk.http.sent
    assert (sent.method, sent.path, sent.query) == ("POST", "/x/2/tweets", "")
    assert sent.headers["authorization"] == "Bearer x-access-1"
    assert sent.headers["content-type"] == "application/json"
    assert sent.json() == {"text": "Hello, world"}
    assert remote.url == f"https://x.com/i/status/{remote.id}"
    assert desk.visible() == ["Hello, world"]


def test_options_become_the_members_of_the_schema(desk: Desk) -> None:
    quoted = desk.publish(desk.delivery("Worth quoting"))
    options: dict[str, Any] = {
        "replySettings": "verified", "quoteTweetId": quoted.id, "communityId": "1493446837214187523", "shareWithFollowers": True,
        "forSuperFollowersOnly": False, "madeWithAi": True, "paidPartnership": True,
    }
    desk.publish(desk.delivery("Look", **options))
    body = desk.http.sent[-1].json()
    assert set(body) <= POST_MEMBERS
    assert body == {
        "text": "Look", "reply_settings": "verified", "quote_tweet_id": quoted.id, "community_id": "1493446837214187523",
        "share_with_followers": True, "for_super_followers_only": False, "made_with_ai": True, "paid_partnership": True,
    }
    assert set(PUBLISHER.rules.options["properties"]) == {*options, "poll", "taggedUserIds"}


def test_a_poll_stands_below_the_first_segment_and_beside_neither_media_nor_a_quote(desk: Desk) -> None:
    poll = {"options": ["Left", "Right"], "durationMinutes": 1440}
    delivery = desk.delivery("Which way?", "Vote above", poll=poll)
    desk.publish(delivery)
    desk.publish(delivery, 1)
    polls = [sent.json().get("poll") for sent in desk.http.sent]
    assert polls == [{"options": ["Left", "Right"], "duration_minutes": 1440}, None]
    for options, media, rules in (
        ({"poll": poll}, (), []), ({"poll": poll}, (PICTURE,), ["x.poll.with_media"]),
        ({"poll": poll, "quoteTweetId": "1"}, (), ["x.poll.with_quote"]),
    ):
        assert [v.rule for v in check(PUBLISHER.rules, Draft((Segment("Which?", media),), options), {})] == rules


def test_a_thread_is_a_chain_of_replies_and_says_its_disclosures_everywhere(desk: Desk) -> None:
    delivery = desk.delivery("one", "two", "three", replySettings="following", madeWithAi=True)
    remotes = [desk.publish(delivery, segment) for segment in range(3)]
    bodies = [sent.json() for sent in desk.http.sent]
    assert [body.get("reply") for body in bodies] == [
        None, {"in_reply_to_tweet_id": remotes[0].id}, {"in_reply_to_tweet_id": remotes[1].id}
    ]
    assert [body.get("reply_settings") for body in bodies] == ["following", None, None]
    assert [body.get("made_with_ai") for body in bodies] == [True, True, True]
    assert [entry.in_reply_to for entry in desk.world.seen("x")] == [None, remotes[0].id, remotes[1].id]


def test_a_reply_before_its_parent_is_visible_waits_five_seconds(desk: Desk) -> None:
    desk.network.parent_visible_after = 3.0
    delivery = desk.delivery("one", "two")
    desk.publish(delivery)
    with pytest.raises(Retry) as caught:
        desk.publish(delivery, 1)
    assert caught.value.after == 5
    desk.clock.advance(5)
    desk.publish(delivery, 1)
    assert desk.visible() == ["one", "two"]


def test_pictures_are_uploaded_and_described_before_the_post_and_only_once(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Two cats", (PICTURE, Media("https://media.example/other.png"))))
    assert PUBLISHER.needs_preparation(delivery)
    PUBLISHER.prepare(delivery)
    upload, describe, second = desk.http.sent
    assert (upload.method, upload.path) == ("POST", "/x/2/media/upload")
    assert upload.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="media_category"\r\n\r\ntweet_image' in upload.body
    assert b'name="media"; filename="image.png"\r\nContent-Type: image/png' in upload.body
    ids = [delivery.checkpoint["media"][slot]["id"] for slot in ("0/0", "0/1")]
    assert describe.path == "/x/2/media/metadata"
    assert describe.json() == {"id": ids[0], "metadata": {"alt_text": {"text": "A cat asleep on a router"}}}
    assert second.path == "/x/2/media/upload"
    PUBLISHER.prepare(delivery)
    assert len(desk.http.sent) == 3
    assert not PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    assert desk.http.sent[-1].json() == {"text": "Two cats", "media": {"media_ids": ids}}
    [entry] = desk.world.seen("x")
    assert entry.media == ids
    assert entry.extra["altTexts"] == {ids[0]: "A cat asleep on a router"}


def test_preparing_resumes_after_the_last_saved_id(desk: Desk) -> None:
    delivery = desk.delivery(Segment("", (PICTURE,)))
    desk.world.add_fault("x", "server_error", at="prepare")
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    PUBLISHER.prepare(delivery)
    del delivery.checkpoint["media"]["0/0"]["described"]
    PUBLISHER.prepare(delivery)
    assert [sent.path for sent in desk.http.sent] == [
        "/x/2/media/upload", "/x/2/media/upload", "/x/2/media/metadata", "/x/2/media/metadata"
    ]


def test_pictures_x_has_forgotten_are_uploaded_again(desk: Desk) -> None:
    delivery = desk.delivery(Segment("late", (PICTURE,)))
    PUBLISHER.prepare(delivery)
    desk.clock.advance(23.5 * 3600)
    assert PUBLISHER.needs_preparation(delivery)
    PUBLISHER.refresh(desk.account, desk.http)
    desk.account = account_of(desk.world, "x", "prof_x")
    delivery.account = desk.account
    desk.network.media.clear()
    delivery.checkpoint["media"]["0/0"]["until"] = (desk.clock.now() + timedelta(hours=9)).isoformat()
    with pytest.raises(Retry) as caught:
        desk.publish(delivery)
    assert caught.value.code == "media_gone"
    desk.publish(delivery)
    assert desk.visible() == ["late"]


def test_a_file_that_x_would_not_take_fails_before_anything_is_sent(desk: Desk) -> None:
    for item, file, code in (
        (PICTURE, files.pdf(), "media_format"), (PICTURE, files.gif(), "media_format"), (VIDEO, files.png(), "media_format"),
        (PICTURE, File(b"\x89PNG" + bytes(5 * 1024 * 1024), "image/png"), "media_too_large"),
        (GIF, File(b"GIF89a" + bytes(15 * 1024 * 1024), "image/gif"), "media_too_large"),
    ):
        with pytest.raises(Failed) as caught:
            PUBLISHER.prepare(desk.delivery(Segment("", (item,)), pinned=Pinned({item.url: file})))
        assert caught.value.code == code
    assert desk.http.sent == []


@pytest.mark.parametrize(("item", "category", "kind"), [(VIDEO, "tweet_video", "video/mp4"), (GIF, "tweet_gif", "image/gif")])
def test_a_video_or_gif_is_sent_in_pieces_and_posted_once_it_is_processed(
    desk: Desk, item: Media, category: str, kind: str
) -> None:
    file = files.mp4(size=9_000_000) if item is VIDEO else File(files.gif().data + bytes(9_000_000), "image/gif")
    pinned = Pinned({item.url: file})
    delivery = desk.delivery(Segment("Look", (item,)), pinned=pinned)
    with pytest.raises(NotReady) as caught:
        PUBLISHER.prepare(delivery)
    assert caught.value.after > 0
    first, *appends, last, status = desk.http.sent
    assert (first.path, first.json()) == (
        "/x/2/media/upload/initialize", {"media_type": kind, "total_bytes": len(file.data), "media_category": category}
    )
    assert set(first.json()) <= INITIALIZE_MEMBERS
    known = delivery.checkpoint["media"]["0/0"]
    assert [sent.path for sent in appends] == [f"/x/2/media/upload/{known['id']}/append"] * 3
    for place, sent in enumerate(appends):
        assert f'name="segment_index"\r\n\r\n{place}\r\n'.encode() in sent.body
        assert b'name="media"; filename="piece"' in sent.body
    assert (last.method, last.path, last.body) == ("POST", f"/x/2/media/upload/{known['id']}/finalize", b"")
    assert (status.method, status.path, status.query) == ("GET", "/x/2/media/upload", f"command=STATUS&media_id={known['id']}")
    assert max(pinned.open(item).reads) <= 4 * 1024 * 1024
    assert PUBLISHER.needs_preparation(delivery)
    assert desk.wait(delivery) > 0
    assert not PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    assert desk.http.sent[-1].json() == {"text": "Look", "media": {"media_ids": [known["id"]]}}
    [entry] = desk.world.seen("x")
    assert (entry.media, entry.extra["kinds"]) == ([known["id"]], [category])
    assert entry.extra["altTexts"] == ({} if item is VIDEO else {known["id"]: "A cat, waving"})


def test_an_upload_goes_on_after_the_last_piece_that_was_taken(desk: Desk) -> None:
    delivery = desk.delivery(Segment("", (VIDEO,)), pinned=Pinned({VIDEO.url: files.mp4(size=12_000_000)}))
    PUBLISHER.needs_preparation(delivery)
    saved = delivery.save

    def save(**values: Any) -> None:
        saved(**values)
        if values["media"]["0/0"].get("sent") == 2 and not values["media"]["0/0"]["done"]:
            raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)

    delivery.save = save
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    delivery.save = saved
    desk.world.add_fault("x", "lost_answer", at="prepare")
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    desk.wait(delivery)
    begun = [sent for sent in desk.http.sent if sent.path.endswith("/initialize")]
    pieces = [sent for sent in desk.http.sent if sent.path.endswith("/append")]
    assert (len(begun), len(pieces)) == (1, 4), "the piece whose answer was lost is sent again, and only that"
    desk.publish(delivery)
    assert len(desk.visible()) == 1


def test_media_that_x_takes_no_more_after_an_uncertain_call_may_be_in_our_own_post(desk: Desk) -> None:
    """A slow server used them after two looks had found nothing."""
    desk.http.deadline = 4
    desk.world.add_fault("x", "slow", seconds=10)
    delivery = desk.delivery(Segment("", (PICTURE,)))
    with pytest.raises(Unknown):
        desk.publish(delivery)
    delivery.uncertain = True
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    desk.clock.advance(60)
    plain, body = desk.http.request, json.dumps({"status": 400, "detail": "Your media IDs are invalid."}).encode()
    desk.http.request = lambda method, url, **how: (  # type: ignore[method-assign]
        Answer(400, {}, body) if url.endswith("/2/tweets") and method == "POST" else plain(method, url, **how)
    )
    remote = desk.publish(delivery)
    assert [entry.remote_id for entry in desk.world.seen("x")] == [remote.id]


@pytest.mark.parametrize("stage", ["sent", "done"])
def test_an_upload_x_has_forgotten_is_begun_again(desk: Desk, stage: str) -> None:
    delivery = desk.delivery(Segment("late", (VIDEO,)))
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    desk.network.media.clear()
    if stage == "sent":
        delivery.checkpoint["media"]["0/0"] |= {"sent": 0, "done": False}
    with pytest.raises(Retry) as caught:
        PUBLISHER.prepare(delivery)
    assert caught.value.code == "media_gone"
    desk.wait(delivery)
    desk.publish(delivery)
    assert desk.visible() == ["late"]


def test_a_video_x_cannot_process_fails_with_its_words(desk: Desk) -> None:
    desk.network.refuse_media = "Unsupported video codec"
    delivery = desk.delivery(Segment("", (VIDEO,)))
    with pytest.raises(Failed) as caught:
        desk.wait(delivery)
    assert (caught.value.code, "Unsupported video codec" in caught.value.detail) == ("media_refused", True)
    assert delivery.checkpoint["media"] == {}, "another try begins anew"


def test_a_thread_of_videos_is_uploaded_whole_before_the_first_segment(desk: Desk) -> None:
    delivery = desk.delivery(Segment("one", (VIDEO,)), Segment("two", (PICTURE,)), Segment("three", (VIDEO,)))
    desk.wait(delivery)
    for segment in range(3):
        desk.publish(delivery, segment)
    assert [entry.extra["kinds"] for entry in desk.world.seen("x")] == [["tweet_video"], ["tweet_image"], ["tweet_video"]]


def test_a_lost_post_with_a_video_is_found_by_its_media(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Look", (VIDEO,)))
    desk.wait(delivery)
    desk.world.add_fault("x", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    [entry] = desk.world.seen("x")
    assert isinstance(found := PUBLISHER.resolve(delivery, 0), Found)
    assert found.remotes[0].id == entry.remote_id


def test_users_are_tagged_in_the_pictures_of_the_first_segment(desk: Desk) -> None:
    tagged = ["2244994945", "6253282"]
    delivery = desk.delivery(Segment("A team", (PICTURE,)), Segment("Again", (PICTURE,)), taggedUserIds=tagged)
    desk.publish(delivery)
    desk.publish(delivery, 1)
    first, second = (sent.json()["media"] for sent in desk.http.sent if sent.path == "/x/2/tweets")
    assert set(first) <= MEDIA_MEMBERS
    assert (first["tagged_user_ids"], "tagged_user_ids" in second) == (tagged, False)
    assert [entry.extra["tagged"] for entry in desk.world.seen("x")] == [tagged, []]


def test_the_rules_say_what_x_takes_of_media_and_what_it_passes_over() -> None:
    def facts(item: Media, **known: Any) -> Media:
        return item._replace(facts=Facts(**{"mime": "video/mp4", "size": 100, **known}))

    rules = PUBLISHER.rules
    for media, broken in (
        ((PICTURE,) * 4, []), ((PICTURE,) * 5, ["x.media.too_many"]), ((VIDEO,), []), ((VIDEO, VIDEO), ["x.media.too_many"]),
        ((VIDEO, PICTURE), ["x.media.mixed"]), ((GIF, PICTURE), ["x.media.mixed"]),
        ((facts(VIDEO, seconds=140.0, width=720, height=1280),), []), ((facts(VIDEO, seconds=140.1),), ["x.media.too_long"]),
        ((facts(VIDEO, seconds=0.4),), ["x.media.too_short"]),
        ((facts(VIDEO, size=512 * 1024 * 1024 + 1),), ["x.media.too_large"]),
        ((facts(VIDEO, width=3100, height=1000),), ["x.media.ratio"]),
        ((facts(VIDEO, width=31, height=31),), ["x.media.dimensions"] * 2),
        ((facts(GIF, mime="image/gif", size=15 * 1024 * 1024 + 1),), ["x.media.too_large"]),
    ):
        assert [v.rule for v in check(rules, Draft((Segment("", media),)), {})] == broken, media
    assert rules.advise is not None
    odd = (VIDEO._replace(alt_text="A cat"),)
    assert [v.rule for v in rules.advise(Draft((Segment("", odd),), {"taggedUserIds": ["1"]}), {})] == [
        "x.alt_text.ignored", "x.tagged_users.ignored"
    ]
    large = (facts(GIF, mime="image/gif", width=1281, height=100),)
    assert [v.rule for v in rules.advise(Draft((Segment("", large),)), {})] == ["x.media.gif_dimensions"]
    assert rules.advise(Draft((Segment("", (PICTURE,)),), {"taggedUserIds": ["1"]}), {}) == []


@pytest.mark.parametrize("sample", samples_of("x"), ids=lambda sample: sample.name)
def test_every_sample_is_published_whole(desk: Desk, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    whole = [Segment("Hello", media), *(Segment(f"and {n}") for n in range(1, sample.segments + sample.comment))]
    assert check(PUBLISHER.rules, Draft(tuple(whole), sample.options), {}) == []
    delivery = desk.delivery(*whole, pinned=Pinned(sample.files), **sample.options)
    desk.wait(delivery)
    for segment in range(len(whole)):
        desk.publish(delivery, segment)
    assert desk.visible() == [segment.text for segment in whole]
    assert len(desk.world.seen("x")[0].media) == len(media)


def test_an_account_is_connected_by_consent_with_a_proof_key(desk: Desk) -> None:
    connect = PUBLISHER.connect
    assert connect is not None and connect.pkce and connect.client_auth == "basic"
    verifier, back = "v" * 50, "https://dateline.example/back"
    asked = {
        "response_type": "code", "client_id": "x-client", "redirect_uri": back, "scope": " ".join(connect.scopes), "state": "s1",
        "code_challenge": challenge_of(verifier), "code_challenge_method": "S256", "as": "prof_new",
    }
    page = desk.account.host(connect.authorize[0]) + connect.authorize[1]
    for wrong in ({"code_challenge": ""}, {"scope": "everything"}, {"client_id": "another"}):
        assert desk.http.request("GET", page, params={**asked, **wrong}).status == 400
    forms = []
    for _ in range(2):
        where = urlsplit(desk.http.request("GET", page, params=asked).headers["location"])
        said = dict(parse_qsl(where.query))
        assert (where.netloc, said["state"]) == ("dateline.example", "s1")
        forms.append({"grant_type": "authorization_code", "code": said["code"], "redirect_uri": back, "code_verifier": verifier})
    url = desk.account.host(connect.token[0]) + connect.token[1]
    headers = {"Authorization": "Basic " + base64.b64encode(b"x-client:x-client-secret").decode()}
    given = desk.http.request("POST", url, headers=headers, data=forms[0])
    assert given.status == 200 and given.json()["expires_in"] == 7200
    assert desk.http.request("POST", url, headers=headers, data=forms[0]).status == 400, "a code is good once"
    desk.clock.advance(30)
    assert desk.http.request("POST", url, headers=headers, data=forms[1]).status == 400, "and for thirty seconds"
    tokens = {"accessToken": given.json()["access_token"], "refreshToken": given.json()["refresh_token"]}
    fresh = replace(with_credentials(desk.account, **tokens), account_id="")
    [choice] = PUBLISHER.accounts(fresh, desk.http)
    offered = desk.network.credentials_for("prof_new")
    assert (choice.account_id, choice.kind) == (offered["accountId"], "account")
    assert PUBLISHER.refresh(fresh, desk.http) is not None


def test_limits_are_read_from_the_headers_by_kind_of_call(desk: Desk) -> None:
    answers: list[Answer] = []
    request = desk.http.request

    def listen(*args: Any, **more: Any) -> Answer:
        answers.append(request(*args, **more))
        return answers[-1]

    desk.http.request = listen  # type: ignore[method-assign]
    PUBLISHER.verify(desk.account, desk.http)
    desk.publish(desk.delivery("Hello"))
    read, post = answers
    [posts] = PUBLISHER.quotas(post, desk.clock.now())
    assert (posts.scope, posts.name, posts.limit, posts.remaining) == ("account", "posts", 100, 99)
    assert posts.resets_at == desk.clock.now() + timedelta(minutes=15)
    assert [quota.name for quota in PUBLISHER.quotas(read, desk.clock.now())] == ["calls"]
    figures = {"limit": "17", "remaining": "3", "reset": "1781600000"}
    day = {f"x-app-limit-24hour-{part}": figure for part, figure in figures.items()}
    assert [(q.scope, q.name, q.limit, q.remaining) for q in PUBLISHER.quotas(Answer(201, day, b""), desk.clock.now())] == [
        ("app", "posts a day", 17, 3)
    ]
    assert PUBLISHER.quotas(Answer(200, {"x-rate-limit-limit": "many"}, b""), desk.clock.now()) == ()


@pytest.mark.parametrize(
    "text",
    [
        "plain words", "A & B <c> \"d\" 'e'", "read https://example.com/a?b=c&d=e, then example.org/", "cafe\u0301 日本 👩‍👩‍👧",
        "two  spaces\r\nand lines ", "https://EXAMPLE.com/Path",
    ],
)
def test_a_lost_answer_is_unknown_and_resolve_finds_the_post_by_its_words(desk: Desk, text: str) -> None:
    desk.world.add_fault("x", "lost_answer")
    delivery = desk.delivery(text)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    [entry] = desk.world.seen("x")
    assert PUBLISHER.resolve(delivery, 0) == Found((Remote(entry.remote_id, f"https://x.com/i/status/{entry.remote_id}"),))
    look = desk.http.sent[-1]
    assert (look.method, look.path) == ("GET", f"/x/2/users/{desk.account.account_id}/tweets")
    assert "start_time=2026-06-15T08%3A59%3A00Z" in look.query
    assert "tweet.fields=" in look.query


def test_resolve_finds_a_post_of_pictures_alone_by_its_media(desk: Desk) -> None:
    other, ours = (desk.delivery(Segment("", (Media(f"https://media.example/{n}.png"),))) for n in (1, 2))
    desk.publish(other)
    desk.world.add_fault("x", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(ours)
    [_, entry] = desk.world.seen("x")
    assert isinstance(found := PUBLISHER.resolve(ours, 0), Found)
    assert found.remotes[0].id == entry.remote_id


def test_resolve_sees_through_the_link_x_appends_for_a_quoted_post(desk: Desk) -> None:
    quoted = desk.publish(desk.delivery("Worth quoting"))
    desk.world.add_fault("x", "lost_answer")
    delivery = desk.delivery("Look at this", quoteTweetId=quoted.id)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)


def test_resolve_takes_neither_another_posts_id_nor_other_links_nor_an_older_post_nor_a_reply(desk: Desk) -> None:
    first = desk.publish(desk.delivery("same words https://example.com/1"))
    delivery = desk.delivery("same words https://example.com/2")
    delivery.armed_at = desk.clock.now()
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    again = desk.delivery("same words https://example.com/1")
    again.armed_at = desk.clock.now()
    again.taken = frozenset({first.id})
    assert PUBLISHER.resolve(again, 0) == Absent()
    again.taken = frozenset()
    again.armed_at = desk.clock.now() + timedelta(minutes=5)
    assert PUBLISHER.resolve(again, 0) == Absent()
    again.armed_at = desk.clock.now()
    again.segments = (Segment("head"), *again.segments)
    again.published = (Remote("1", None),)
    assert PUBLISHER.resolve(again, 1) == Absent()


def test_resolve_finds_the_right_segment_among_equal_ones(desk: Desk) -> None:
    delivery = desk.delivery("head", Segment("+1", (PICTURE,)), "tail")
    desk.publish(delivery)
    PUBLISHER.prepare(delivery)
    desk.world.add_fault("x", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery, 1)
    [_, entry] = desk.world.seen("x")
    assert isinstance(found := PUBLISHER.resolve(delivery, 1), Found)
    assert found.remotes[0].id == entry.remote_id


def test_resolve_reads_every_page_and_says_so_when_there_are_too_many(desk: Desk) -> None:
    desk.network.page_size = 1
    delivery = desk.delivery("wanted")
    wanted = desk.publish(delivery)
    delivery.published = ()
    for number in range(4):
        desk.publish(desk.delivery(f"later {number}"))
    assert isinstance(found := PUBLISHER.resolve(delivery, 0), Found)
    assert found.remotes == (wanted,)
    desk.publish(desk.delivery("one too many"))
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_an_error_of_the_server_is_unknown_and_absent(desk: Desk) -> None:
    desk.world.add_fault("x", "server_error")
    delivery = desk.delivery("Hello")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    assert desk.visible() == []


def test_a_slow_server_is_absent_first_and_found_once_it_is_done(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault("x", "slow", seconds=10)
    delivery = desk.delivery("Slow and steady")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    desk.clock.advance(6)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)


def test_a_slow_server_within_the_deadline_is_an_ordinary_success(desk: Desk) -> None:
    desk.world.add_fault("x", "slow", seconds=3)
    desk.publish(desk.delivery("Hello"))
    assert desk.visible() == ["Hello"]


def test_a_rate_limit_waits_until_its_reset(desk: Desk) -> None:
    desk.world.add_fault("x", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("Hello"))
    assert caught.value.after == pytest.approx(90, abs=1)
    assert desk.visible() == []


def test_a_refusal_is_final_and_carries_the_networks_words(desk: Desk) -> None:
    desk.world.add_fault("x", "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Hello"))
    assert "You are not permitted to perform this action" in caught.value.detail


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    desk.http.unreachable = True
    with pytest.raises(Retry):
        desk.publish(desk.delivery("Hello"))


def test_a_text_already_posted_fails_when_we_were_certain(desk: Desk) -> None:
    desk.publish(desk.delivery("Good morning"))
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Good morning"))
    assert caught.value.code == "duplicate_content"


def test_a_duplicate_after_an_uncertain_call_is_our_own_post(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault("x", "slow", seconds=10)
    delivery = desk.delivery("Good morning")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    desk.clock.advance(300)
    delivery.uncertain = True
    remote = desk.publish(delivery)
    [entry] = desk.world.seen("x")
    assert remote.id == entry.remote_id


def test_a_duplicate_after_an_uncertain_call_that_belongs_to_another_post_stays_unknown(desk: Desk) -> None:
    other = desk.publish(desk.delivery("Good morning"))
    delivery = desk.delivery("Good morning")
    delivery.uncertain, delivery.taken = True, frozenset({other.id})
    with pytest.raises(Unknown) as caught:
        desk.publish(delivery)
    assert caught.value.code == "duplicate_not_found"
    desk.world.add_fault("x", "server_error", at="read")
    with pytest.raises(Unknown):
        desk.publish(delivery)


def test_a_dead_token_is_refused_and_a_refresh_gives_a_pair_that_works(desk: Desk) -> None:
    desk.world.add_fault("x", "expired_token")
    delivery = desk.delivery("Hello")
    with pytest.raises(TokenRefused):
        desk.publish(delivery)
    with pytest.raises(TokenRefused):
        PUBLISHER.verify(desk.account, desk.http)
    with pytest.raises(TokenRefused):
        PUBLISHER.resolve(delivery, 0)
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    assert tokens is not None
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path) == ("POST", "/x/2/oauth2/token")
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.headers["authorization"].startswith("Basic ")
    assert sent.body == b"grant_type=refresh_token&refresh_token=x-refresh-1"
    assert tokens.credentials == {"accessToken": "x-access-2", "refreshToken": "x-refresh-2"}
    assert tokens.expires_in == 7200
    old, desk.account = desk.account, with_credentials(desk.account, **tokens.credentials)
    desk.publish(desk.delivery("Hello"))
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(old, desk.http)


def test_an_access_token_lives_two_hours(desk: Desk) -> None:
    desk.clock.advance(2 * 3600)
    with pytest.raises(TokenRefused):
        desk.publish(desk.delivery("Hello"))


def test_a_public_client_refreshes_with_its_id_and_without_one_there_is_nothing_to_refresh(desk: Desk) -> None:
    public = with_credentials(desk.account, clientSecret="")
    assert PUBLISHER.refresh(public, desk.http) is not None
    assert "authorization" not in desk.http.sent[-1].headers
    assert desk.http.sent[-1].body == b"grant_type=refresh_token&refresh_token=x-refresh-1&client_id=x-client"
    assert PUBLISHER.refresh(with_credentials(desk.account, refreshToken=""), desk.http) is None


def test_a_refresh_whose_answer_is_lost_may_be_tried_again(desk: Desk) -> None:
    desk.http.unreachable = True
    with pytest.raises(Retry):
        PUBLISHER.refresh(desk.account, desk.http)


def test_verify_says_who_it_is(desk: Desk) -> None:
    info = PUBLISHER.verify(desk.account, desk.http)
    assert (info.account_id, info.name) == (desk.account.account_id, "@dateline_1")
    assert (desk.http.sent[-1].method, desk.http.sent[-1].path) == ("GET", "/x/2/users/me")


def test_a_deleted_post_is_gone_and_deleting_it_again_is_no_error(desk: Desk) -> None:
    delivery = desk.delivery("Hello")
    remote = desk.publish(delivery)
    PUBLISHER.delete(delivery, remote.id)
    PUBLISHER.delete(delivery, remote.id)
    assert (desk.http.sent[-1].method, desk.http.sent[-1].path) == ("DELETE", f"/x/2/tweets/{remote.id}")
    assert desk.visible() == []


def test_the_stand_in_refuses_what_the_schema_refuses(desk: Desk) -> None:
    headers = {"Authorization": "Bearer x-access-1"}
    five = [str(number) for number in range(5)]
    for body, status in (
        ({"text": "a", "colour": "red"}, 400), ({"text": 1}, 400), ({}, 400), ({"media": {"media_ids": five}}, 400),
        ({"media": {"media_ids": ["1"]}}, 400), ({"text": "a", "reply_settings": "everyone"}, 400), ({"text": "a" * 281}, 403),
        ({"text": "a", "reply": {"in_reply_to_tweet_id": "1"}}, 403), ({"text": "a", "poll": {"options": ["a"]}}, 400),
    ):
        assert desk.http.request("POST", desk.account.server + "/2/tweets", headers=headers, json=body).status == status, body
    assert desk.visible() == []


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer"])
def test_no_failure_shows_a_token(desk: Desk, fault: str) -> None:
    desk.http.deadline = 1
    desk.world.add_fault("x", fault, at="any")
    delivery = desk.delivery(Segment("Hello", (PICTURE,)))
    with pytest.raises(Outcome) as caught:
        desk.publish(delivery)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {desk.account!r} {delivery!r}"
    for secret in desk.account.credentials.values():
        assert secret not in shown


def with_credentials(account: Account, **entries: str) -> Account:
    return replace(account, credentials={**account.credentials, **entries})


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
def test_a_wrong_secret_of_the_app_kills_no_account(desk: Desk, error: str) -> None:
    body = json.dumps({"error": error}).encode()
    desk.http.request = lambda *a, **k: Answer(401, {}, body)  # type: ignore[method-assign]
    with pytest.raises(Retry):
        PUBLISHER.refresh(desk.account, desk.http)
