"""Snapchat's publisher against a stand-in that judges by Snap's published shape, and against every way a call can go wrong."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms._snapchat_media import BLOCK, MOST_PARTS, PART, Encrypted, Part, parts_of
from dateline.platforms.base import (
    Account,
    Delivery,
    Failed,
    Found,
    NotReady,
    Outcome,
    Processing,
    Publisher,
    Remote,
    Retry,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from dateline.platforms.snapchat import PUBLISHER, RULES
from local.networks import files
from local.networks.base import World
from local.networks.files import File
from local.networks.snapchat import SnapchatNetwork, SnapProfile, _decrypted
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, PinnedFile, Sent, account_of, delivery_of
from tests.samples import Sample, samples_of

CLIP = Media("https://media.example/clip.mp4", "video")
PICTURE = Media("https://media.example/picture.jpg")
# Transcribed from developers.snap.com, Public Profile API, Profile Asset Management (2026): the members of each request.
CREATE_MEMBERS = {"type", "name", "key", "iv"}
SPOTLIGHT_MEMBERS = {"media_id", "skip_save_to_profile", "description", "locale"}
STORY_MEMBERS = {"media_id"}


class Desk:
    """One world with one Snapchat profile, and what a worker would do with a delivery."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [SnapchatNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "snapchat", "prof_snapchat")
        self.pinned = Pinned()
        self.profile = f"/snapchat/v1/public_profiles/{self.account.account_id}"

    @property
    def network(self) -> SnapchatNetwork:
        network = self.world.networks["snapchat"]
        assert isinstance(network, SnapchatNetwork)
        return network

    def delivery(self, text: str = "", media: Media = CLIP, size: int = 0, **options: Any) -> Delivery:
        if size:
            self.pinned.files[media.url] = files.mp4(size=size)
        return delivery_of(self.http, self.account, Segment(text, (media,)), options=options, media=self.pinned)

    def prepare(self, delivery: Delivery) -> None:
        """Prepare it as far as it goes: Snapchat is given some time afterwards."""
        with pytest.raises(NotReady) as caught:
            PUBLISHER.prepare(delivery)
        assert (caught.value.code, caught.value.after >= 5) == ("media_processing", True)

    def ready(self, delivery: Delivery) -> Delivery:
        """Prepare it, and wait until Snapchat has worked on the file."""
        if PUBLISHER.needs_preparation(delivery):
            self.prepare(delivery)
        self.clock.advance(self.network.processing_seconds)
        delivery.armed_at = self.clock.now()
        return delivery

    def publish(self, delivery: Delivery) -> Remote:
        [remote] = PUBLISHER.publish(self.ready(delivery), 0)
        return remote

    def sent(self, path: str) -> list[Sent]:
        return [sent for sent in self.http.sent if sent.path == path]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def form_of(sent: Sent) -> dict[str, bytes]:
    """The fields of a multipart form, its file as the rest."""
    boundary = sent.headers["content-type"].partition("boundary=")[2].encode()
    fields = {}
    for part in sent.body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        fields[head.partition(b'name="')[2].partition(b'"')[0].decode()] = content.removesuffix(b"\r\n")
    return fields


def test_the_publisher_keeps_the_protocol() -> None:
    publisher: Publisher = PUBLISHER
    assert publisher.rules.platform == "snapchat"
    assert not publisher.rules.deletes


def test_a_story_is_created_encrypted_uploaded_closed_and_published(desk: Desk) -> None:
    delivery = desk.delivery()
    assert PUBLISHER.needs_preparation(delivery)
    desk.prepare(delivery)
    assert not PUBLISHER.needs_preparation(delivery)
    create, add, finalize = desk.http.sent
    assert (create.method, create.path) == ("POST", desk.profile + "/media")
    assert create.headers["authorization"] == f"Bearer {desk.account.credentials['accessToken']}"
    body = create.json()
    assert set(body) == CREATE_MEMBERS
    assert (body["type"], len(base64.b64decode(body["key"])), len(base64.b64decode(body["iv"]))) == ("VIDEO", 32, 16)
    media_id = delivery.checkpoint["mediaId"]
    assert (add.path, add.query) == (f"/snapchat/us/v1/media/{media_id}/multipart-upload-v2", "action=ADD")
    form = form_of(add)
    plain = desk.pinned.opened[CLIP.url].data
    assert (form["action"], form["part_number"]) == (b"ADD", b"1")
    assert len(form["file"]) == (len(plain) // 16 + 1) * 16
    assert plain[:16] not in form["file"]
    assert form_of(finalize) == {"action": b"FINALIZE"}
    assert finalize.query == "action=FINALIZE"
    desk.clock.advance(5)
    [remote] = PUBLISHER.publish(delivery, 0)
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path, sent.json()) == ("POST", desk.profile + "/stories", {"media_id": media_id})
    assert remote == Remote(
        media_id, "https://www.snapchat.com/add/snapper1", {"mediaId": media_id, "contentType": "story"}
    )
    [entry] = desk.world.seen("snapchat")
    assert (entry.remote_id, entry.extra["kind"], entry.extra["sha256"]) == (media_id, "story", hashlib.sha256(plain).hexdigest())


def test_each_kind_of_post_has_its_own_request(desk: Desk) -> None:
    picture = desk.publish(desk.delivery(media=PICTURE))
    assert desk.sent(desk.profile + "/media")[0].json()["type"] == "IMAGE"
    assert set(desk.http.sent[-1].json()) == STORY_MEMBERS
    saved = desk.publish(desk.delivery("Highlights of the trip\nand more", PICTURE, contentType="saved_story"))
    story = desk.http.sent[-1]
    assert story.path == desk.profile + "/saved_stories"
    assert story.json() == {
        "saved_stories": [{"title": "Highlights of the trip", "snap_sources": [{"media_id": saved.extra["mediaId"]}]}]
    }
    desk.publish(desk.delivery("x", contentType="saved_story", title="Given"))
    assert desk.http.sent[-1].json()["saved_stories"][0]["title"] == "Given"
    spotlight = desk.publish(desk.delivery("Look #cats", contentType="spotlight", locale="de_DE", saveToProfile=False))
    body = desk.http.sent[-1].json()
    assert set(body) == SPOTLIGHT_MEMBERS
    assert body == {
        "media_id": spotlight.extra["mediaId"], "locale": "de_DE", "description": "Look #cats", "skip_save_to_profile": True
    }
    assert spotlight.url == f"https://www.snapchat.com/spotlight/{spotlight.id}"
    desk.publish(desk.delivery(contentType="spotlight"))
    assert desk.http.sent[-1].json() == {
        "media_id": desk.world.seen("snapchat")[-1].media[0], "locale": "en_US", "skip_save_to_profile": False
    }
    entries = desk.world.seen("snapchat")
    assert [entry.text for entry in entries] == ["", "Highlights of the trip", "Given", "Look #cats", ""]
    assert [entries[0].remote_id, entries[1].remote_id, entries[3].remote_id] == [picture.id, saved.id, spotlight.id]


def test_a_picture_that_should_be_a_spotlight_is_published_as_a_story_and_told(desk: Desk) -> None:
    desk.publish(desk.delivery("Hi", PICTURE, contentType="spotlight"))
    assert desk.world.seen("snapchat")[0].extra["kind"] == "story"
    assert RULES.advise is not None
    told = RULES.advise(Draft((Segment("Hi", (PICTURE,)),), {"contentType": "spotlight"}), {})
    assert [v.rule for v in told] == ["snapchat.content_type.ignored", "snapchat.text.ignored"]


@pytest.mark.parametrize("sample", samples_of("snapchat"), ids=lambda sample: sample.name)
def test_every_sample_breaks_no_rule(desk: Desk, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    assert check(RULES, Draft((Segment("Words", media),), sample.options), desk.account.settings) == []


@pytest.mark.parametrize("size", [9_999_999, 10_000_000, 10_000_001, 25_000_007])
def test_a_large_video_goes_in_parts_that_are_read_in_pieces(desk: Desk, size: int) -> None:
    delivery = desk.delivery(size=size, contentType="spotlight", text="Long")
    desk.publish(delivery)
    plain = desk.pinned.opened[CLIP.url].data
    parts = [form_of(sent) for sent in desk.http.sent if sent.query == "action=ADD"]
    assert [part["part_number"] for part in parts] == [str(n + 1).encode() for n in range(-(-len(plain) // PART))]
    assert max(desk.pinned.opened[CLIP.url].reads) <= 4 * 1024 * 1024
    assert desk.world.seen("snapchat")[0].extra["sha256"] == hashlib.sha256(plain).hexdigest()


@given(st.integers(1, 1024**3))
def test_a_file_of_any_size_is_cut_in_at_most_35_parts_of_whole_blocks_below_32_mb(size: int) -> None:
    parts = parts_of(size)
    assert len(parts) <= MOST_PARTS
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert (parts[0].start, parts[-1].end) == (0, size)
    assert all(before.end == after.start for before, after in pairwise(parts))
    assert all((part.end - part.start) % BLOCK == 0 for part in parts[:-1])
    assert all(0 < part.end - part.start + BLOCK <= 31 * 1024 * 1024 for part in parts)
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1, max_size=400), st.integers(1, 6), st.integers(1, 40))
def test_parts_encrypted_one_by_one_are_the_file_encrypted_at_once(plain: bytes, blocks: int, piece: int) -> None:
    file, key, before = PinnedFile(File(plain, "video/mp4"), ""), bytes(range(32)), bytes(16)
    length, sent, tail = blocks * BLOCK, b"", base64.b64encode(before).decode()
    starts = list(range(0, len(plain), length))
    for number, start in enumerate(starts):
        part = Part(number + 1, start, min(start + length, len(plain)), number + 1 == len(starts))
        encrypted, got = Encrypted(file, part, base64.b64encode(key).decode(), tail), b""
        while more := encrypted.read(len(got), piece):
            got += more
        assert len(got) == encrypted.size
        sent, tail = sent + got, encrypted.tail
    assert _decrypted(sent, key, before) == plain


def test_the_medium_is_saved_with_its_key_before_any_part_and_each_part_when_it_is_there(desk: Desk) -> None:
    delivery = desk.delivery(size=25_000_000)
    saved: list[dict[str, Any]] = []

    def save(**values: Any) -> None:
        delivery.checkpoint.update(values)
        saved.append({"adds": len([sent for sent in desk.http.sent if sent.query == "action=ADD"]), **values})

    delivery.save = save
    desk.prepare(delivery)
    assert [(entry["adds"], bool(entry["key"])) for entry in saved if "mediaId" in entry] == [(0, True)]
    assert [(entry["parts"], entry["adds"]) for entry in saved if "parts" in entry] == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_preparation_stops_for_time_and_goes_on_with_the_same_key(desk: Desk) -> None:
    delivery = desk.delivery(size=25_000_000)
    left = [2]

    def need(seconds: float) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)

    delivery.need = need
    with pytest.raises(NotReady) as caught:
        PUBLISHER.prepare(delivery)
    assert (caught.value.code, delivery.checkpoint["parts"]) == ("goes_on", 2)
    left[0] = 2
    desk.publish(delivery)
    assert len(desk.sent(desk.profile + "/media")) == 1
    assert desk.world.seen("snapchat")[0].extra["sha256"] == hashlib.sha256(desk.pinned.opened[CLIP.url].data).hexdigest()


@pytest.mark.parametrize("fault", ["server_error", "lost_answer", "slow"])
@pytest.mark.parametrize("calls", [0, 1, 2])
def test_an_upload_without_an_answer_is_made_again_and_comes_out_whole(desk: Desk, fault: str, calls: int) -> None:
    desk.http.deadline = 1
    delivery = desk.delivery(media=PICTURE)
    request = desk.http.request

    def counted(method: str, url: str, **how: Any) -> Any:
        if len(desk.http.sent) == calls:
            desk.world.add_fault("snapchat", fault, at="prepare", seconds=50)
        return request(method, url, **{**how, "seconds": None})

    desk.http.request = counted  # type: ignore[method-assign,assignment]
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    desk.http.request = request  # type: ignore[method-assign]
    for _ in range(3):
        try:
            desk.publish(delivery)
            break
        except Retry:
            desk.clock.advance(30)
    [entry] = desk.world.seen("snapchat")
    assert entry.extra["sha256"] == hashlib.sha256(desk.pinned.opened[PICTURE.url].data).hexdigest()


def test_a_file_that_is_still_worked_on_is_asked_for_again_later(desk: Desk) -> None:
    for status in (400, 200):
        desk.network.error_status = status
        delivery = desk.delivery()
        desk.prepare(delivery)
        with pytest.raises(NotReady) as caught:
            PUBLISHER.publish(delivery, 0)
        assert (caught.value.code, caught.value.after) == ("media_processing", 10)
        desk.clock.advance(10)
        assert not PUBLISHER.needs_preparation(delivery)
        PUBLISHER.publish(delivery, 0)
    assert len(desk.world.seen("snapchat")) == 2


def test_a_medium_that_snapchat_is_about_to_forget_or_has_forgotten_is_uploaded_afresh(desk: Desk) -> None:
    delivery = desk.ready(desk.delivery())
    first = dict(delivery.checkpoint)
    desk.clock.advance(23.6 * 3600)
    desk.account = delivery.account = refreshed(desk)
    assert PUBLISHER.needs_preparation(delivery)
    desk.ready(delivery)
    assert delivery.checkpoint["mediaId"] != first["mediaId"]
    assert delivery.checkpoint["key"] != first["key"]
    desk.network.media[delivery.checkpoint["mediaId"]].made -= timedelta(hours=24)
    with pytest.raises(Retry) as caught:
        PUBLISHER.publish(delivery, 0)
    assert caught.value.code == "media_expired"
    assert PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    assert len(desk.world.seen("snapchat")) == 1


@pytest.mark.parametrize("fault", ["lost_answer", "server_error"])
def test_a_story_whose_answer_is_lost_cannot_be_decided(desk: Desk, fault: str) -> None:
    delivery = desk.ready(desk.delivery())
    desk.world.add_fault("snapchat", fault)
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    desk.network.lists = True
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)
    assert len(desk.world.seen("snapchat")) == (1 if fault == "lost_answer" else 0)


@pytest.mark.parametrize("options", [{"contentType": "spotlight"}, {"contentType": "saved_story"}])
def test_a_lost_answer_is_settled_where_snapchat_lists_posts(desk: Desk, options: dict[str, Any]) -> None:
    delivery = desk.ready(desk.delivery("Look #cats", **options))
    desk.world.add_fault("snapchat", "lost_answer")
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)
    desk.network.lists = True
    [entry] = desk.world.seen("snapchat")
    assert isinstance(found := PUBLISHER.resolve(delivery, 0), Found)
    assert found.remotes[0].id == entry.remote_id
    delivery.taken = frozenset({entry.remote_id})
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    delivery.taken, delivery.armed_at = frozenset(), desk.clock.now() + timedelta(minutes=2)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)


def test_of_several_posts_that_say_the_same_none_is_guessed_to_be_ours(desk: Desk) -> None:
    desk.network.lists = True
    delivery = desk.ready(desk.delivery(contentType="spotlight"))
    other = desk.publish(desk.delivery(contentType="spotlight"))
    desk.world.add_fault("snapchat", "lost_answer")
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    delivery.taken = frozenset({other.id})
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.world.seen("snapchat")[-1].remote_id


def test_a_listing_that_does_not_show_a_post_proves_nothing(desk: Desk) -> None:
    desk.network.lists = True
    delivery = desk.ready(desk.delivery("Look", contentType="spotlight"))
    desk.world.add_fault("snapchat", "server_error")
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.clock.advance(180)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


@pytest.mark.parametrize("status", [400, 200])
def test_a_medium_that_is_being_posted_already_is_our_own_post(desk: Desk, status: int) -> None:
    desk.network.error_status = status
    delivery = desk.ready(desk.delivery())
    PUBLISHER.publish(delivery, 0)
    delivery.uncertain = True
    with pytest.raises(Processing):
        PUBLISHER.publish(delivery, 0)
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    [entry] = desk.world.seen("snapchat")
    assert found.remotes[0].id == entry.remote_id


def test_an_answer_that_says_nothing_leaves_it_open(desk: Desk) -> None:
    delivery = desk.ready(desk.delivery())
    for route in desk.network.routes:
        if route.phase == "publish":
            desk.network.routes[desk.network.routes.index(route)] = route._replace(handle=lambda *a, **k: _page())
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)


def test_a_rate_limit_waits_as_long_as_it_is_told(desk: Desk) -> None:
    delivery = desk.ready(desk.delivery())
    desk.world.add_fault("snapchat", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as caught:
        PUBLISHER.publish(delivery, 0)
    assert (caught.value.code, caught.value.after) == ("rate_limited", 90)
    PUBLISHER.publish(delivery, 0)
    assert len(desk.world.seen("snapchat")) == 1


@pytest.mark.parametrize("status", [400, 200])
def test_a_refusal_is_final_under_any_status_and_carries_the_networks_words(desk: Desk, status: int) -> None:
    desk.network.error_status = status
    delivery = desk.ready(desk.delivery())
    desk.world.add_fault("snapchat", "reject")
    with pytest.raises(Failed) as caught:
        PUBLISHER.publish(delivery, 0)
    assert "does not meet the requirements" in caught.value.detail
    assert desk.world.seen("snapchat") == []


def test_an_app_that_is_not_on_snaps_list_is_told_so(desk: Desk) -> None:
    desk.network.allowed = False
    for call in (lambda: PUBLISHER.verify(desk.account, desk.http), lambda: PUBLISHER.prepare(desk.delivery())):
        with pytest.raises(Failed) as caught:
            call()
        assert caught.value.code == "not_allowed"


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    delivery = desk.ready(desk.delivery())
    desk.http.unreachable = True
    with pytest.raises(Retry):
        PUBLISHER.publish(delivery, 0)


def test_a_file_of_a_type_snapchat_does_not_take_fails_before_anything_is_sent(desk: Desk) -> None:
    desk.pinned.files[PICTURE.url] = files.gif()
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(desk.delivery(media=PICTURE))
    assert caught.value.code == "media_format"
    assert desk.http.sent == []


def test_an_upload_address_elsewhere_gets_no_token(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.prepare(delivery)
    delivery.checkpoint |= {"addPath": "https://elsewhere.example/upload", "parts": 0, "finalized": False}
    before = len(desk.http.sent)
    with pytest.raises(Failed):
        PUBLISHER.prepare(delivery)
    assert len(desk.http.sent) == before


def test_a_dead_token_is_refused_and_a_refresh_gives_a_pair_that_works(desk: Desk) -> None:
    desk.world.add_fault("snapchat", "expired_token")
    with pytest.raises(TokenRefused):
        PUBLISHER.prepare(desk.delivery())
    with pytest.raises(TokenRefused):
        PUBLISHER.verify(desk.account, desk.http)
    with pytest.raises(TokenRefused):
        PUBLISHER.resolve(desk.delivery("x", contentType="spotlight"), 0)
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    assert tokens is not None
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path) == ("POST", "/snapchat/accounts.snapchat.com/login/oauth2/access_token")
    assert {name: value[0] for name, value in parse_qs(sent.body.decode()).items()} == {
        "client_id": "snapchat-client", "client_secret": "snapchat-client-secret", "grant_type": "refresh_token",
        "refresh_token": desk.account.credentials["refreshToken"],
    }
    assert set(tokens.credentials) == {"accessToken", "refreshToken"}
    assert tokens.expires_in == 1800
    old, desk.account = desk.account, with_credentials(desk.account, **tokens.credentials)
    desk.publish(desk.delivery())
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(old, desk.http)


def test_without_a_refresh_token_there_is_nothing_to_refresh_and_a_wrong_app_does_not_kill_the_account(desk: Desk) -> None:
    assert PUBLISHER.refresh(with_credentials(desk.account, refreshToken=""), desk.http) is None
    with pytest.raises(Retry):
        PUBLISHER.refresh(with_credentials(desk.account, clientSecret="wrong"), desk.http)


def test_verify_says_who_it_is_by_its_own_token_or_by_the_profile_that_is_named(desk: Desk) -> None:
    by_id = PUBLISHER.verify(desk.account, desk.http)
    own = PUBLISHER.verify(replace(desk.account, account_id=""), desk.http)
    named = PUBLISHER.verify(
        with_credentials(replace(desk.account, account_id=""), profileId=desk.account.account_id), desk.http
    )
    assert by_id == own == named
    assert (own.account_id, own.name, own.settings) == (desk.account.account_id, "Snapper1", {"username": "snapper1"})
    assert [sent.path for sent in desk.http.sent] == [desk.profile, "/snapchat/v1/public_profiles/my_profile", desk.profile]


def test_a_grant_may_publish_to_the_profiles_of_its_organisation(desk: Desk) -> None:
    mine = desk.network.profiles["prof_snapchat"]
    desk.network.others = [SnapProfile("prof_2", f"id-{n}", f"brand{n}", mine.organization) for n in range(2)]
    choices = PUBLISHER.accounts(replace(desk.account, account_id=""), desk.http)
    assert [(choice.account_id, choice.name, choice.kind) for choice in choices] == [
        (mine.id, "Snapper1", "profile"), ("id-0", "Brand0", "profile"), ("id-1", "Brand1", "profile"),
    ]
    mine.organization = "another"
    assert [choice.account_id for choice in PUBLISHER.accounts(desk.account, desk.http)] == [mine.id]


def test_an_account_is_connected_by_consent(desk: Desk) -> None:
    connect = PUBLISHER.connect
    assert connect is not None
    back = "https://dateline.example/callback"
    query = {
        "client_id": "snapchat-client", "redirect_uri": back, "response_type": "code", "state": "s",
        "scope": connect.scope_separator.join(connect.scopes), "as": "prof_new",
    }
    page = desk.http.request("GET", desk.account.host(connect.authorize[0]) + connect.authorize[1], params=query)
    code = parse_qs(urlsplit(page.headers["location"]).query)["code"][0]
    form = {
        "client_id": "snapchat-client", "client_secret": "snapchat-client-secret", "grant_type": "authorization_code",
        "code": code, "redirect_uri": back,
    }
    token = desk.http.request("POST", desk.account.host(connect.token[0]) + connect.token[1], data=form).json()
    fresh = with_credentials(replace(desk.account, account_id=""), accessToken=token["access_token"])
    [choice] = PUBLISHER.accounts(fresh, desk.http)
    assert choice.account_id == desk.network.profiles["prof_new"].id


def test_there_is_no_way_to_delete(desk: Desk) -> None:
    for _ in range(2):
        with pytest.raises(Failed) as caught:
            PUBLISHER.delete(desk.delivery(), "1")
        assert caught.value.code == "unsupported"


def test_what_snapchat_does_not_take_is_told_before() -> None:
    spotlight, saved = {"contentType": "spotlight"}, {"contentType": "saved_story"}

    def clip(seconds: float, width: int = 1080, height: int = 1920) -> Media:
        return CLIP._replace(facts=Facts("video/mp4", 1000, width, height, seconds))

    for segment, options, rules in (
        (Segment("a" * 161, (CLIP,)), spotlight, ["snapchat.text.too_long"]),
        (Segment("a" * 161, (CLIP,)), {}, []),
        (Segment("a"), {}, ["snapchat.media.required"]),
        (Segment("", (CLIP, CLIP)), {}, ["snapchat.media.too_many"]),
        (Segment("", (CLIP,)), saved, ["snapchat.title.required"]),
        (Segment("", (CLIP,)), {**saved, "title": "t"}, []),
        (Segment("", (CLIP,)), {**saved, "title": "t" * 46}, ["snapchat.option.invalid"]),
        (Segment("", (CLIP,)), {"contentType": "lens"}, ["snapchat.option.invalid"]),
        (Segment("", (CLIP,)), {**spotlight, "locale": "german"}, ["snapchat.option.invalid"]),
        (Segment("", (clip(5.5),)), spotlight, ["snapchat.media.too_short"]),
        (Segment("", (clip(5.5),)), {}, []),
        (Segment("", (clip(4.5),)), {}, ["snapchat.media.too_short"]),
        (Segment("", (clip(61),)), {}, ["snapchat.media.too_long"]),
        (Segment("", (clip(10, 480),)), {}, ["snapchat.media.dimensions"]),
    ):
        assert [v.rule for v in check(RULES, Draft((segment,), options), {})] == rules, (segment.text[:5], options)


def test_options_that_do_not_fit_are_told_and_left_out(desk: Desk) -> None:
    assert RULES.advise is not None
    wide = CLIP._replace(facts=Facts("video/mp4", 1000, 1920, 1080, 10.0), alt_text="A cat")
    for segment, options, rules in (
        (Segment("", (CLIP,)), {}, []),
        (Segment("Hi", (CLIP,)), {"title": "t", "locale": "de_DE", "saveToProfile": True},
         ["snapchat.title.ignored", "snapchat.locale.ignored", "snapchat.save_to_profile.ignored", "snapchat.text.ignored"]),
        (Segment("one\ntwo", (CLIP,)), {"contentType": "saved_story"}, ["snapchat.text.ignored"]),
        (Segment("one", (CLIP,)), {"contentType": "saved_story"}, []),
        (Segment("", (wide,)), {}, ["snapchat.media.ratio", "snapchat.alt_text.ignored"]),
    ):
        assert [v.rule for v in RULES.advise(Draft((segment,), options), {})] == rules
    desk.publish(desk.delivery("Hi", title="t", locale="de_DE"))
    assert set(desk.http.sent[-1].json()) == STORY_MEMBERS


def test_the_stand_in_refuses_what_the_published_shape_refuses(desk: Desk) -> None:
    headers = {"Authorization": f"Bearer {desk.account.credentials['accessToken']}"}
    delivery = desk.ready(desk.delivery())
    media_id, key, iv = delivery.checkpoint["mediaId"], base64.b64encode(bytes(32)).decode(), base64.b64encode(bytes(16)).decode()
    for path, body in (
        ("/media", {"type": "VIDEO", "name": "a", "key": iv, "iv": iv}),
        ("/media", {"type": "GIF", "name": "a", "key": key, "iv": iv}),
        ("/media", {"type": "VIDEO", "name": "a", "key": key}), ("/stories", {"media_id": media_id, "caption": "x"}),
        ("/stories", {"media_id": "unknown"}), ("/spotlights", {"media_id": media_id}),
        ("/spotlights", {"media_id": media_id, "locale": "en_US", "description": "a" * 161}),
        ("/saved_stories", {"saved_stories": [{"title": "", "snap_sources": [{"media_id": media_id}]}]}),
        ("/saved_stories", {"title": "t", "media_id": media_id}),
    ):
        url = f"{desk.account.server}/v1/public_profiles/{desk.account.account_id}{path}"
        assert desk.http.request("POST", url, headers=headers, json=body).json()["request_status"] == "ERROR", (path, body)
    assert desk.world.seen("snapchat") == []


def test_a_file_that_was_not_encrypted_with_its_key_is_never_shown(desk: Desk) -> None:
    delivery = desk.ready(desk.delivery())
    desk.network.media[delivery.checkpoint["mediaId"]].content = None
    with pytest.raises(Failed):
        PUBLISHER.publish(delivery, 0)


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer"])
@pytest.mark.parametrize("phase", ["publish", "any"])
def test_no_failure_shows_a_secret(desk: Desk, fault: str, phase: str) -> None:
    desk.http.deadline = 1
    delivery = desk.delivery("x", contentType="spotlight")
    if phase == "publish":
        desk.ready(delivery)
    desk.world.add_fault("snapchat", fault, at=phase)
    with pytest.raises(Outcome) as caught:
        if PUBLISHER.needs_preparation(delivery):
            PUBLISHER.prepare(delivery)
        PUBLISHER.publish(delivery, 0)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {desk.account!r} {delivery!r}"
    for secret in (*desk.account.credentials.values(), delivery.checkpoint.get("key") or "no key yet"):
        assert secret not in shown


def _page() -> Any:
    from werkzeug.wrappers import Response

    return Response("<html>ok</html>", status=200)


def refreshed(desk: Desk) -> Account:
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    assert tokens is not None
    return with_credentials(desk.account, **tokens.credentials)


def with_credentials(account: Account, **entries: str) -> Account:
    return replace(account, credentials={**account.credentials, **entries})
