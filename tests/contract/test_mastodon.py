"""The publisher for Mastodon's API against a Mastodon and a GoToSocial, and against every way a call can go wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Absent,
    Answer,
    Delivery,
    Failed,
    Found,
    NotReady,
    Outcome,
    Publisher,
    Remote,
    Retry,
    SafeToRepeat,
    TokenRefused,
    Undecidable,
    Unknown,
)
from dateline.platforms.mastodon import PUBLISHER
from local.networks import files
from local.networks.base import World
from local.networks.files import File
from local.networks.grants import challenge_of
from local.networks.mastodon import MastodonNetwork
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, account_of, delivery_of
from tests.samples import Sample, samples_of

# Form data parameters of `POST /api/v1/statuses`, transcribed from mastodon/documentation methods/statuses.md (2026-07-02).
STATUS_MEMBERS = {
    "status", "media_ids", "poll", "in_reply_to_id", "sensitive", "spoiler_text", "visibility", "language", "scheduled_at",
    "quoted_status_id", "quote_approval_policy",
}
PICTURE = Media("https://media.example/cat.png", "image", "A cat asleep on a router")
VIDEO = Media("https://media.example/cat.mp4", "video", "A cat, moving")
GIF = Media("https://media.example/cat.gif", "gif", "A cat, moving")


class Desk:
    """One world with one account on one of the two servers, and what a worker would do with a delivery."""

    def __init__(self, profile_id: str) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [MastodonNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "mastodon", profile_id)
        self.path = "/mastodon/gts" if profile_id == "prof_gotosocial" else "/mastodon"

    @property
    def network(self) -> MastodonNetwork:
        network = self.world.networks["mastodon"]
        assert isinstance(network, MastodonNetwork)
        return network

    def delivery(
        self, *segments: str | Segment, key: str = "post_1:prof_1", pinned: Pinned | None = None, **options: Any
    ) -> Delivery:
        return delivery_of(self.http, self.account, *segments, options=options, key=key, media=pinned)

    def wait(self, delivery: Delivery) -> None:
        """Prepare until nothing is in the way, coming back when asked to."""
        for _ in range(100):
            try:
                return PUBLISHER.prepare(delivery)
            except NotReady as pause:
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
        return [entry.text for entry in self.world.seen("mastodon")]


@pytest.fixture(params=["prof_mastodon", "prof_gotosocial"])
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(request.param)


@pytest.fixture
def mastodon() -> Desk:
    return Desk("prof_mastodon")


@pytest.fixture
def gotosocial() -> Desk:
    return Desk("prof_gotosocial")


def test_the_publisher_keeps_the_protocol() -> None:
    publisher: Publisher = PUBLISHER
    assert publisher.rules.platform == "mastodon"
    assert publisher.own_server


def test_a_text_goes_out_as_one_call_with_a_key(desk: Desk) -> None:
    delivery = desk.delivery("Hello, world")
    assert not PUBLISHER.needs_preparation(delivery)
    remote = desk.publish(delivery)
    [sent] = desk.http.sent
    assert (sent.method, sent.path, sent.query) == ("POST", f"{desk.path}/api/v1/statuses", "")
    assert sent.headers["authorization"] == f"Bearer {desk.account.credentials['accessToken']}"
    assert sent.headers["content-type"] == "application/json"
    assert len(sent.headers["idempotency-key"]) == 64
    assert sent.json() == {"status": "Hello, world"}
    assert remote.url is not None and remote.url.endswith(remote.id)
    assert desk.visible() == ["Hello, world"]


def test_options_become_the_parameters_of_the_api(desk: Desk) -> None:
    options: dict[str, Any] = {
        "visibility": "unlisted", "sensitive": True, "spoilerText": "lunch", "language": "de", "quoteApprovalPolicy": "followers",
        "poll": {"options": ["Soup", "Salad"], "durationMinutes": 60, "multiple": True, "hideTotals": False},
    }
    desk.publish(desk.delivery("Mahlzeit", **options))
    body = desk.http.sent[-1].json()
    assert set(body) <= STATUS_MEMBERS
    assert body == {
        "status": "Mahlzeit", "visibility": "unlisted", "sensitive": True, "spoiler_text": "lunch", "language": "de",
        "quote_approval_policy": "followers",
        "poll": {"options": ["Soup", "Salad"], "expires_in": 3600, "multiple": True, "hide_totals": False},
    }
    assert set(PUBLISHER.rules.options["properties"]) == {*options, "quotedStatusId", "nativeSchedule"}


def test_a_poll_stands_below_the_first_segment_only(desk: Desk) -> None:
    delivery = desk.delivery("Which?", "Vote above", poll={"options": ["This", "That"], "durationMinutes": 5})
    desk.publish(delivery)
    desk.publish(delivery, 1)
    assert [sent.json().get("poll") for sent in desk.http.sent] == [{"options": ["This", "That"], "expires_in": 300}, None]


def test_a_poll_is_held_against_the_servers_own_figures(desk: Desk) -> None:
    settings = PUBLISHER.verify(desk.account, desk.http).settings
    most = settings["maxPollOptions"]
    for count in (most, most + 1):
        poll = {"options": [f"Choice {n}" for n in range(count)], "durationMinutes": 5}
        broken = [v.rule for v in check(PUBLISHER.rules, Draft((Segment("Which?"),), {"poll": poll}), settings)]
        assert broken == ["mastodon.poll.too_many_options"] * (count - most)
        if broken:
            with pytest.raises(Failed):
                desk.publish(desk.delivery("Which?", key="another", poll=poll))
        else:
            desk.publish(desk.delivery("Which?", poll=poll))
    for choices, media, rules in (
        (["a" * 50, "b"], (), []), (["a" * 51, "b"], (), ["mastodon.poll.option_too_long"]),
        (["a", "a"], (), ["mastodon.poll.option_twice"]), (["a", "b"], (PICTURE,), ["mastodon.poll.with_media"]),
    ):
        draft = Draft((Segment("Which?", media),), {"poll": {"options": choices, "durationMinutes": 5}})
        assert [v.rule for v in check(PUBLISHER.rules, draft, settings)] == rules


def test_a_thread_is_a_chain_of_replies_with_a_key_each(desk: Desk) -> None:
    delivery = desk.delivery("one", "two", "three", visibility="unlisted")
    remotes = [desk.publish(delivery, segment) for segment in range(3)]
    bodies = [sent.json() for sent in desk.http.sent]
    assert [body.get("in_reply_to_id") for body in bodies] == [None, remotes[0].id, remotes[1].id]
    assert [body["visibility"] for body in bodies] == ["unlisted"] * 3
    assert len({sent.headers["idempotency-key"] for sent in desk.http.sent}) == 3
    assert [entry.in_reply_to for entry in desk.world.seen("mastodon")] == [None, remotes[0].id, remotes[1].id]


def test_a_reply_to_a_deleted_segment_fails(desk: Desk) -> None:
    delivery = desk.delivery("one", "two")
    remote = desk.publish(delivery)
    PUBLISHER.delete(delivery, remote.id)
    with pytest.raises(Failed):
        desk.publish(delivery, 1)


def test_pictures_are_uploaded_with_their_alternative_text_before_the_post_and_only_once(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Two cats", (PICTURE, Media("https://media.example/other.png"))))
    assert PUBLISHER.needs_preparation(delivery)
    PUBLISHER.prepare(delivery)
    PUBLISHER.prepare(delivery)
    assert not PUBLISHER.needs_preparation(delivery)
    first, _ = desk.http.sent
    assert (first.method, first.path) == ("POST", f"{desk.path}/api/v2/media")
    assert first.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="description"\r\n\r\nA cat asleep on a router' in first.body
    assert b'name="file"; filename="image.png"\r\nContent-Type: image/png' in first.body
    ids = [delivery.checkpoint["media"][slot]["id"] for slot in ("0/0", "0/1")]
    desk.publish(delivery)
    assert desk.http.sent[-1].json() == {"status": "Two cats", "media_ids": ids}
    [entry] = desk.world.seen("mastodon")
    assert entry.media == ids
    assert entry.extra["altTexts"] == {ids[0]: "A cat asleep on a router"}


def test_a_medium_in_processing_is_asked_for_later_and_never_uploaded_again(mastodon: Desk) -> None:
    mastodon.network.slow_media_polls = 2
    delivery = mastodon.delivery(Segment("", (PICTURE,)))
    with pytest.raises(NotReady) as caught:
        PUBLISHER.prepare(delivery)
    assert caught.value.after > 0
    assert delivery.checkpoint["media"]["0/0"]["ready"] is False
    PUBLISHER.prepare(delivery)
    assert [sent.method for sent in mastodon.http.sent] == ["POST", "GET", "GET"]
    assert mastodon.http.sent[-1].path == f"/mastodon/api/v1/media/{delivery.checkpoint['media']['0/0']['id']}"
    mastodon.publish(delivery)
    assert len(mastodon.visible()) == 1


def test_a_post_refused_because_a_medium_is_in_processing_is_tried_again(mastodon: Desk) -> None:
    mastodon.network.slow_media_polls = 1
    delivery = mastodon.delivery(Segment("", (PICTURE,)))
    PUBLISHER.prepare(delivery)
    [medium] = mastodon.network.media.values()
    medium.polls_left = 1
    with pytest.raises(Retry) as caught:
        mastodon.publish(delivery)
    assert caught.value.code == "media_processing"


def test_a_medium_the_server_has_forgotten_is_uploaded_again(desk: Desk) -> None:
    delivery = desk.delivery(Segment("late", (PICTURE,)))
    PUBLISHER.prepare(delivery)
    desk.network.media.clear()
    with pytest.raises(Retry) as caught:
        desk.publish(delivery)
    assert caught.value.code == "media_gone"
    desk.publish(delivery)
    assert desk.visible() == ["late"]


def test_a_medium_forgotten_while_in_processing_is_uploaded_again(mastodon: Desk) -> None:
    mastodon.network.slow_media_polls = 5
    delivery = mastodon.delivery(Segment("late", (PICTURE,)))
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    mastodon.network.media.clear()
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    mastodon.network.slow_media_polls = 0
    mastodon.publish(delivery)
    assert mastodon.visible() == ["late"]


def test_a_file_that_the_instance_does_not_take_fails_before_anything_is_sent(desk: Desk) -> None:
    for item, file, settings, code in (
        (PICTURE, File(b"\x89PNG" + bytes(1000), "image/png"), {"imageBytes": 1000}, "media_too_large"),
        (PICTURE, files.pdf(), {}, "media_format"), (VIDEO, files.gif(), {}, "media_format"),
        (VIDEO, files.mp4(size=2001), {"videoBytes": 2000}, "media_too_large"),
        (PICTURE, File(b"RIFF", "image/webp"), {"mimeTypes": ["image/png", "image/jpeg"]}, "media_format"),
    ):
        desk.account = account_of(desk.world, "mastodon", desk.account.profile_id, **settings)
        with pytest.raises(Failed) as caught:
            PUBLISHER.prepare(desk.delivery(Segment("", (item,)), pinned=Pinned({item.url: file})))
        assert caught.value.code == code
    assert desk.http.sent == []


@pytest.mark.parametrize(("item", "name", "kind"), [(VIDEO, "video.mp4", "video/mp4"), (GIF, "image.gif", "image/gif")])
def test_a_video_or_gif_is_posted_once_it_is_processed(desk: Desk, item: Media, name: str, kind: str) -> None:
    pinned = Pinned({VIDEO.url: files.mp4(size=20_000_000)})
    delivery = desk.delivery(Segment("Look", (item,)), pinned=pinned)
    asked: list[float] = []
    delivery.need = asked.append
    with pytest.raises(NotReady) as caught:
        PUBLISHER.prepare(delivery)
    assert caught.value.after > 0
    upload, look = desk.http.sent
    assert f'name="file"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'.encode() in upload.body
    assert b'name="description"\r\n\r\nA cat, moving' in upload.body
    assert max(pinned.open(item).reads) <= 8 * 1024 * 1024, "a large file is read in pieces"
    assert asked == ([60.0] if item is VIDEO else [])
    [number] = [entry["id"] for entry in delivery.checkpoint["media"].values()]
    assert (look.method, look.path) == ("GET", f"{desk.path}/api/v1/media/{number}")
    desk.wait(delivery)
    desk.publish(delivery)
    assert desk.http.sent[-1].json() == {"status": "Look", "media_ids": [number]}
    [entry] = desk.world.seen("mastodon")
    assert (entry.media, entry.extra["kinds"], entry.extra["altTexts"]) == ([number], [kind], {number: "A cat, moving"})


def test_a_video_the_server_cannot_process_fails_and_another_try_uploads_it_again(desk: Desk) -> None:
    desk.network.refuse_media = "File content type is invalid"
    delivery = desk.delivery(Segment("", (VIDEO,)))
    with pytest.raises(Failed) as caught:
        desk.wait(delivery)
    assert (caught.value.code, "File content type is invalid" in caught.value.detail) == ("media_refused", True)
    assert delivery.checkpoint["media"] == {}


def test_media_are_held_against_the_servers_own_figures() -> None:
    def facts(item: Media, **known: Any) -> Media:
        return item._replace(facts=Facts(**{"mime": "video/mp4", "size": 100, **known}))

    own = {"maxMedia": 6, "imageBytes": 40_000_000, "videoBytes": 50, "videoPixels": 100, "mimeTypes": ["image/png"]}
    large = facts(PICTURE, mime="image/png", size=39_000_000)
    nothing: dict[str, Any] = {}
    for media, settings, broken in (
        ((PICTURE,) * 3 + (GIF,), nothing, []), ((PICTURE,) * 3 + (GIF,) * 2, nothing, ["too_many"]),
        ((PICTURE,) * 5, nothing, ["too_many"]), ((PICTURE,) * 5 + (GIF,), own, []), ((PICTURE,) * 7, own, ["too_many"]),
        ((VIDEO,), nothing, []), ((VIDEO, PICTURE), nothing, ["mixed"]), ((VIDEO, VIDEO), nothing, ["too_many"]),
        ((large,), nothing, ["too_large"]), ((large,), own, []), ((facts(PICTURE, mime="image/jpeg"),), own, ["format"]),
        ((facts(VIDEO, width=3840, height=2160),), nothing, []),
        ((facts(VIDEO, width=3840, height=2161),), nothing, ["dimensions"]),
        ((facts(VIDEO, width=11, height=10),), own, ["too_large", "dimensions"]),
    ):
        found = [v.rule for v in check(PUBLISHER.rules, Draft((Segment("", media),)), settings)]
        assert found == [f"mastodon.media.{rule}" for rule in broken], (media, settings)


def test_the_first_segment_may_quote_and_a_lost_quote_is_found_behind_the_link_that_stands_before_it(desk: Desk) -> None:
    quoted = desk.publish(desk.delivery("Worth quoting", key="first"))
    desk.world.add_fault("mastodon", "lost_answer")
    delivery = desk.delivery("Look at this", "and that", quotedStatusId=quoted.id)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert set(desk.http.sent[-1].json()) <= STATUS_MEMBERS
    assert desk.http.sent[-1].json()["quoted_status_id"] == quoted.id
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    delivery.published = found.remotes
    desk.publish(delivery, 1)
    assert "quoted_status_id" not in desk.http.sent[-1].json()


@pytest.mark.parametrize("sample", samples_of("mastodon"), ids=lambda sample: sample.name)
def test_every_sample_is_published_whole(desk: Desk, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    whole = [Segment("Hello", media), *(Segment(f"and {n}") for n in range(1, sample.segments + sample.comment))]
    assert check(PUBLISHER.rules, Draft(tuple(whole), sample.options), {}) == []
    delivery = desk.delivery(*whole, pinned=Pinned(sample.files), **sample.options)
    desk.wait(delivery)
    for segment in range(len(whole)):
        desk.publish(delivery, segment)
    assert desk.visible() == [segment.text for segment in whole]
    assert len(desk.world.seen("mastodon")[0].media) == len(media)


def test_an_account_is_connected_by_an_app_that_registers_itself_with_the_server(desk: Desk) -> None:
    connect = PUBLISHER.connect
    assert connect is not None and connect.register and connect.pkce
    assert (connect.authorize, connect.token) == (("", "/oauth/authorize"), ("", "/oauth/token"))
    server, back, verifier = desk.account.server, "https://dateline.example/back", "v" * 50
    scopes = " ".join(connect.scopes)
    app = {"client_name": "Dateline", "redirect_uris": [back], "scopes": scopes, "website": "https://dateline.example"}
    assert desk.http.request("POST", f"{server}/api/v1/apps", json={**app, "redirect_uris": ["nowhere"]}).status == 422
    made = desk.http.request("POST", f"{server}/api/v1/apps", json=app).json()
    name = desk.account.profile_id + "_new"
    asked = {
        "response_type": "code", "client_id": made["client_id"], "redirect_uri": back, "scope": scopes, "state": "s1",
        "code_challenge": challenge_of(verifier), "code_challenge_method": "S256", "as": name,
    }
    for wrong in ({"redirect_uri": "https://elsewhere.example"}, {"scope": "admin:write"}, {"client_id": "unknown"}):
        assert desk.http.request("GET", f"{server}/oauth/authorize", params={**asked, **wrong}).status == 400
    where = desk.http.request("GET", f"{server}/oauth/authorize", params=asked).headers["location"]
    said = dict(parse_qsl(urlsplit(where).query))
    assert said["state"] == "s1"
    form = {
        "grant_type": "authorization_code", "code": said["code"], "redirect_uri": back, "code_verifier": verifier,
        "client_id": made["client_id"], "client_secret": made["client_secret"],
    }
    assert desk.http.request("POST", f"{server}/oauth/token", data={**form, "client_secret": "wrong"}).status == 401
    token = desk.http.request("POST", f"{server}/oauth/token", data=form).json()
    assert "expires_in" not in token and token["scope"] == scopes
    assert desk.http.request("POST", f"{server}/oauth/token", data=form).status == 400, "a code is good once"
    fresh = replace(desk.account, account_id="", credentials={"accessToken": token["access_token"]})
    [choice] = PUBLISHER.accounts(fresh, desk.http)
    assert choice.account_id == desk.network.credentials_for(name)["accountId"]
    assert choice.settings["maxCharacters"] > 0
    no = desk.http.request("GET", f"{server}/oauth/authorize", params={**asked, "deny": "1"}).headers["location"]
    assert dict(parse_qsl(urlsplit(no).query)) == {"error": "access_denied", "state": "s1"}


def test_limits_are_read_from_the_headers() -> None:
    headers = {"x-ratelimit-limit": "300", "x-ratelimit-remaining": "299", "x-ratelimit-reset": "2026-06-15T09:05:00.000Z"}
    now = FakeClock().now()
    [quota] = PUBLISHER.quotas(Answer(200, headers, b""), now)
    assert (quota.scope, quota.limit, quota.remaining) == ("account", 300, 299)
    assert quota.resets_at == now + timedelta(minutes=5)
    assert PUBLISHER.quotas(Answer(200, {"x-ratelimit-limit": "300"}, b""), now) == ()


@pytest.mark.parametrize(
    "text",
    [
        "plain words", "A & B <c> \"d\" it's", "read https://example.com/a/very/long/path/indeed?b=c&d=e, then go",
        "cafe\u0301 日本 👩‍👩‍👧",
        "two  spaces\r\nand\n\nparagraphs\n\n\n\nof lines ", "hello @Friend@elsewhere.example and #Tag_1", "1 < 2 > 0 &amp; <p>",
    ],
)
def test_a_lost_answer_is_unknown_and_resolve_finds_the_status_by_its_words(desk: Desk, text: str) -> None:
    desk.world.add_fault("mastodon", "lost_answer")
    delivery = desk.delivery(text)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    [entry] = desk.world.seen("mastodon")
    assert isinstance(found := PUBLISHER.resolve(delivery, 0), Found)
    assert [remote.id for remote in found.remotes] == [entry.remote_id]
    look = desk.http.sent[1]
    assert (look.method, look.path) == ("GET", f"{desk.path}/api/v1/accounts/{desk.account.account_id}/statuses")
    assert look.query == "limit=40&exclude_reblogs=true"
    assert not any(sent.path.endswith("/source") for sent in desk.http.sent), "the words come back from the HTML alone"


def test_a_status_whose_html_says_something_else_is_known_by_its_source(desk: Desk) -> None:
    delivery = desk.delivery("*Markdown* it is")
    desk.publish(delivery)
    delivery.published = ()
    account = next(a for i in (desk.network.mastodon, desk.network.gotosocial) for a in i.accounts.values() if a.statuses)
    account.statuses[0].shown["content"] = "<p><em>Markdown</em> it is</p>"
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    assert any(sent.path.endswith("/source") for sent in desk.http.sent)


def test_resolve_finds_a_post_of_pictures_alone_by_its_media(desk: Desk) -> None:
    other, ours = (desk.delivery(Segment("", (Media(f"https://media.example/{n}.png"),)), key=f"post_{n}") for n in (1, 2))
    desk.publish(other)
    desk.world.add_fault("mastodon", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(ours)
    [_, entry] = desk.world.seen("mastodon")
    assert isinstance(found := PUBLISHER.resolve(ours, 0), Found)
    assert found.remotes[0].id == entry.remote_id


def test_resolve_takes_neither_another_posts_status_nor_an_older_one_nor_one_with_another_parent(desk: Desk) -> None:
    first = desk.publish(desk.delivery("same words"))
    delivery = desk.delivery("same words")
    delivery.armed_at = desk.clock.now()
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    delivery.taken = frozenset({first.id})
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    delivery.taken = frozenset()
    delivery.armed_at = desk.clock.now() + timedelta(minutes=5)
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    delivery.armed_at = desk.clock.now()
    delivery.segments = (Segment("head"), *delivery.segments)
    delivery.published = (Remote("1", None),)
    assert PUBLISHER.resolve(delivery, 1) == Absent()


def test_resolve_reads_every_page_and_says_so_when_there_are_too_many(mastodon: Desk) -> None:
    mastodon.network.page_size = 1
    delivery = mastodon.delivery("wanted", key="wanted")
    wanted = mastodon.publish(delivery)
    delivery.published = ()
    for number in range(8):
        mastodon.publish(mastodon.delivery(f"later {number}", key=str(number)))
    assert PUBLISHER.resolve(delivery, 0) == Found((wanted,))
    for number in range(8, 10):
        mastodon.publish(mastodon.delivery(f"later {number}", key=str(number)))
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_mastodon_answers_a_repeated_key_with_the_first_status(mastodon: Desk) -> None:
    mastodon.world.add_fault("mastodon", "lost_answer")
    delivery = mastodon.delivery("Once only")
    with pytest.raises(Unknown):
        mastodon.publish(delivery)
    mastodon.publish(delivery)
    assert mastodon.visible() == ["Once only"]
    mastodon.clock.advance(3600)
    mastodon.publish(mastodon.delivery("Once only"))
    assert mastodon.visible() == ["Once only"] * 2, "the key is kept for an hour"


def test_mastodon_stores_the_key_only_after_creating_so_a_blind_repeat_posts_twice(mastodon: Desk) -> None:
    mastodon.http.deadline = 4
    mastodon.world.add_fault("mastodon", "slow", seconds=10)
    delivery = mastodon.delivery("Slow and steady")
    with pytest.raises(Unknown):
        mastodon.publish(delivery)
    mastodon.publish(delivery)
    mastodon.clock.advance(10)
    mastodon.http.settle_due()
    assert mastodon.visible() == ["Slow and steady"] * 2


def test_gotosocial_ignores_the_key_so_absence_is_never_safe_to_repeat(gotosocial: Desk) -> None:
    delivery = gotosocial.delivery("Twice")
    delivery.armed_at = gotosocial.clock.now()
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    assert not isinstance(PUBLISHER.resolve(delivery, 0), SafeToRepeat)
    gotosocial.publish(delivery)
    gotosocial.publish(gotosocial.delivery("Twice"))
    posts = [sent for sent in gotosocial.http.sent if sent.method == "POST"]
    assert posts[0].headers["idempotency-key"] == posts[1].headers["idempotency-key"]
    assert gotosocial.visible() == ["Twice", "Twice"]


def test_an_error_of_the_server_is_unknown_and_absent(desk: Desk) -> None:
    desk.world.add_fault("mastodon", "server_error")
    delivery = desk.delivery("Hello")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    assert desk.visible() == []


def test_a_slow_server_is_absent_first_and_found_once_it_is_done(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault("mastodon", "slow", seconds=10)
    delivery = desk.delivery("Slow and steady")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    desk.clock.advance(6)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)


def test_a_rate_limit_waits_until_its_reset(desk: Desk) -> None:
    desk.world.add_fault("mastodon", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("Hello"))
    assert caught.value.after == pytest.approx(90, abs=1)
    assert desk.visible() == []


def test_a_refusal_is_final_and_carries_the_servers_words(desk: Desk) -> None:
    desk.world.add_fault("mastodon", "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Hello"))
    assert "Text is not allowed on this server" in caught.value.detail


@pytest.mark.parametrize(("profile_id", "length", "status"), [("prof_mastodon", 501, 422), ("prof_gotosocial", 5001, 400)])
def test_a_text_too_long_for_the_server_fails_with_either_status(profile_id: str, length: int, status: int) -> None:
    desk = Desk(profile_id)
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("a" * length))
    assert f"refused with {status}" in caught.value.detail
    desk.publish(desk.delivery("a" * (length - 1)))


def test_a_text_may_be_posted_again_on_purpose(mastodon: Desk) -> None:
    mastodon.publish(mastodon.delivery("Good morning", key="monday"))
    mastodon.publish(mastodon.delivery("Good morning", key="tuesday"))
    assert mastodon.visible() == ["Good morning"] * 2


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    desk.http.unreachable = True
    with pytest.raises(Retry):
        desk.publish(desk.delivery("Hello"))


def test_a_dead_token_is_refused_and_there_is_nothing_to_refresh(desk: Desk) -> None:
    desk.world.add_fault("mastodon", "expired_token", times=3)
    delivery = desk.delivery("Hello")
    with pytest.raises(TokenRefused):
        desk.publish(delivery)
    with pytest.raises(TokenRefused):
        PUBLISHER.verify(desk.account, desk.http)
    with pytest.raises(TokenRefused):
        PUBLISHER.resolve(delivery, 0)
    assert PUBLISHER.refresh(desk.account, desk.http) is None
    desk.publish(delivery)
    assert desk.visible() == ["Hello"]


def test_media_in_use_already_after_an_uncertain_call_are_our_own_posts(desk: Desk) -> None:
    desk.network.mastodon.honours_idempotency = False
    desk.world.add_fault("mastodon", "lost_answer")
    delivery = desk.delivery(Segment("A cat", (PICTURE,)))
    with pytest.raises(Unknown):
        desk.publish(delivery)
    delivery.uncertain = True
    remote = desk.publish(delivery)
    [entry] = desk.world.seen("mastodon")
    assert remote.id == entry.remote_id
    delivery.published, delivery.taken = (), frozenset({remote.id})
    with pytest.raises(Unknown):
        desk.publish(delivery)


@pytest.mark.parametrize(
    ("profile_id", "name", "settings"),
    [
        (
            "prof_mastodon", "@dateline1@mastodon.example",
            {"maxCharacters": 500, "urlLength": 23, "maxMedia": 4, "maxPollOptions": 4},
        ),
        (
            "prof_gotosocial", "@dateline1@gotosocial.example",
            {"maxCharacters": 5000, "urlLength": 25, "maxMedia": 6, "maxPollOptions": 6, "counting": "codePoints"},
        ),
    ],
)
def test_verify_learns_the_account_and_the_servers_limits(profile_id: str, name: str, settings: dict[str, Any]) -> None:
    desk = Desk(profile_id)
    info = PUBLISHER.verify(desk.account, desk.http)
    assert (info.account_id, info.name) == (desk.account.account_id, name)
    assert info.settings == {
        **settings, "imageBytes": 16 * 1024 * 1024, "imagePixels": 33_177_600, "videoBytes": 99 * 1024 * 1024,
        "videoPixels": 8_294_400, "maxPollOptionCharacters": 50,
        "mimeTypes": ["image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4"],
    }
    assert [sent.path for sent in desk.http.sent] == [
        f"{desk.path}/api/v1/accounts/verify_credentials", f"{desk.path}/api/v2/instance"
    ]


def test_a_deleted_status_is_gone_and_deleting_it_again_is_no_error(desk: Desk) -> None:
    delivery = desk.delivery("Hello")
    remote = desk.publish(delivery)
    PUBLISHER.delete(delivery, remote.id)
    PUBLISHER.delete(delivery, remote.id)
    assert (desk.http.sent[-1].method, desk.http.sent[-1].path) == ("DELETE", f"{desk.path}/api/v1/statuses/{remote.id}")
    assert desk.visible() == []


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer"])
def test_no_failure_shows_a_token(desk: Desk, fault: str) -> None:
    desk.http.deadline = 1
    desk.world.add_fault("mastodon", fault, at="any")
    delivery = desk.delivery(Segment("Hello", (PICTURE,)))
    with pytest.raises(Outcome) as caught:
        desk.publish(delivery)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {desk.account!r} {delivery!r}"
    assert desk.account.credentials["accessToken"] not in shown
