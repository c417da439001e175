"""Pinterest's publisher against a stand-in that judges by the published shape, and against every way a call can go wrong."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from jsonschema import Draft202012Validator

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
from dateline.platforms.pinterest import PUBLISHER
from local.networks.base import World
from local.networks.files import File, mp4, png
from local.networks.pinterest import PinterestNetwork
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, account_of, delivery_of
from tests.samples import Sample, samples_of

PICTURE = Media("https://media.example/soup.png", "image", "A bowl of soup")
OTHER = Media("https://media.example/bread.jpg", "image", "Bread")
CLIP = Media("https://media.example/clip.mp4", "video")


def _source(kind: str, required: list[str], **members: Any) -> dict[str, Any]:
    return {
        "type": "object", "additionalProperties": False, "required": ["source_type", *required],
        "properties": {"source_type": {"const": kind}, **members},
    }


TEXT, DIGITS, CONTENT_TYPE = {"type": "string"}, {"type": "string", "pattern": r"^\d+$"}, {"enum": ["image/jpeg", "image/png"]}
DATA = {"type": "string", "pattern": "^[a-zA-Z0-9+/=]+$"}
EXTRAS = {"title": TEXT, "description": TEXT, "link": TEXT}


def _items(required: list[str], **members: Any) -> dict[str, Any]:
    item = {"type": "object", "additionalProperties": False, "required": required, "properties": {**members, **EXTRAS}}
    return {"type": "array", "minItems": 2, "maxItems": 5, "items": item}


# PinCreate and the media sources we use, transcribed from pinterest/api-description, v5/openapi.json 5.23.0 (2025-12-11, MIT):
# names, types, patterns and limits. That no other member is allowed is ours, so that a typo shows.
PIN_CREATE = Draft202012Validator({
    "type": "object", "additionalProperties": False, "required": ["board_id", "media_source"],
    "properties": {
        "board_id": DIGITS, "board_section_id": DIGITS, "dominant_color": TEXT,
        "title": {"type": "string", "maxLength": 100}, "description": {"type": "string", "maxLength": 800},
        "alt_text": {"type": "string", "maxLength": 500}, "link": {"type": "string", "maxLength": 2048},
        "media_source": {"oneOf": [
            _source("image_url", ["url"], url=TEXT),
            _source("image_base64", ["content_type", "data"], content_type=CONTENT_TYPE, data=DATA),
            _source("multiple_image_urls", ["items"], items=_items(["url"], url=TEXT)),
            _source("multiple_image_base64", ["items"],
                    items=_items(["content_type", "data"], content_type=CONTENT_TYPE, data=DATA)),
            _source("video_id", ["media_id"], media_id=DIGITS, cover_image_url=TEXT,
                    cover_image_key_frame_time={"type": "integer", "minimum": 0}),
        ]},
    },
})


class Desk:
    """One world with one Pinterest account, and what a worker would do with a delivery."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [PinterestNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "pinterest", "prof_pinterest")
        self.media = Pinned()

    @property
    def network(self) -> PinterestNetwork:
        network = self.world.networks["pinterest"]
        assert isinstance(network, PinterestNetwork)
        return network

    def delivery(self, text: str = "Soup", *media: Media, **options: Any) -> Delivery:
        return delivery_of(self.http, self.account, Segment(text, media or (PICTURE,)), options=options, media=self.media)

    def prepare(self, delivery: Delivery) -> None:
        """As a worker does it, coming back as long as Pinterest is at work."""
        while PUBLISHER.needs_preparation(delivery):
            try:
                PUBLISHER.prepare(delivery)
            except NotReady as busy:
                self.clock.advance(busy.after)
            else:
                break

    def publish(self, delivery: Delivery) -> Remote:
        self.prepare(delivery)
        delivery.armed_at = self.clock.now()
        [remote] = PUBLISHER.publish(delivery, 0)
        delivery.published = (remote,)
        return remote

    def visible(self) -> list[str]:
        return [entry.text for entry in self.world.seen("pinterest")]

    def pins(self) -> list[dict[str, Any]]:
        """The bodies of every pin that was sent, each held against the published shape."""
        bodies = [sent.json() for sent in self.http.sent if (sent.method, sent.path) == ("POST", "/pinterest/v5/pins")]
        for body in bodies:
            PIN_CREATE.validate(body)
        return bodies


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_publisher_keeps_the_protocol() -> None:
    publisher: Publisher = PUBLISHER
    assert publisher.rules.platform == "pinterest"
    assert publisher.refresh_ahead == 7 * 86_400
    assert publisher.connect is not None and publisher.connect.scope_separator == ","


def test_a_picture_is_one_call_with_its_signed_address(desk: Desk) -> None:
    delivery = desk.delivery("Soup of the day")
    remote = desk.publish(delivery)
    [sent] = desk.http.sent
    assert (sent.method, sent.path) == ("POST", "/pinterest/v5/pins")
    assert sent.headers["authorization"] == f"Bearer {desk.account.credentials['accessToken']}"
    assert desk.pins() == [{
        "board_id": desk.account.account_id, "description": "Soup of the day", "alt_text": "A bowl of soup",
        "media_source": {"source_type": "image_url", "url": "https://pinned.example/1?signature=secret"},
    }]
    assert remote.url == f"https://www.pinterest.com/pin/{remote.id}/"
    assert desk.visible() == ["Soup of the day"]
    assert "signature" not in repr(delivery.checkpoint)


def test_options_become_members_of_the_schema(desk: Desk) -> None:
    board = desk.network.pinners["prof_pinterest"].boards[1]
    [section] = board.sections
    options = {
        "boardId": board.id, "boardSectionId": section, "title": "Soup", "link": "https://example.com/soup",
        "dominantColor": "#6E7874",
    }
    desk.publish(desk.delivery("", PICTURE, **options))
    [body] = desk.pins()
    del body["media_source"]
    assert body == {
        "board_id": board.id, "board_section_id": section, "title": "Soup", "link": "https://example.com/soup",
        "dominant_color": "#6E7874", "alt_text": "A bowl of soup",
    }
    assert set(PUBLISHER.rules.options["properties"]) == {*options, "coverImageUrl", "coverImageSeconds"}


def test_a_carousel_names_its_pictures_in_order(desk: Desk) -> None:
    desk.publish(desk.delivery("Menu", PICTURE, OTHER, Media("https://media.example/cake.png")))
    [body] = desk.pins()
    assert body["media_source"] == {
        "source_type": "multiple_image_urls",
        "items": [{"url": f"https://pinned.example/{number}?signature=secret"} for number in (1, 2, 3)],
    }
    assert body["alt_text"] == "A bowl of soup"
    assert len(desk.world.seen("pinterest")[0].media) == 3


@pytest.mark.parametrize("media", [(PICTURE,), (PICTURE, OTHER)])
def test_pictures_that_cannot_be_fetched_are_brought_along_the_next_time(desk: Desk, media: tuple[Media, ...]) -> None:
    desk.media.broken = True
    delivery = desk.delivery("Soup", *media)
    with pytest.raises(Retry) as caught:
        desk.publish(delivery)
    assert caught.value.code == "media_not_fetched"
    assert desk.visible() == []
    desk.publish(delivery)
    source = desk.pins()[-1]["media_source"]
    [first, *_] = source.get("items") or [source]
    assert source["source_type"] == ("image_base64" if len(media) == 1 else "multiple_image_base64")
    assert base64.b64decode(first["data"]) == desk.media.opened[PICTURE.url].data
    assert desk.visible() == ["Soup"]


@pytest.mark.parametrize("file", [File(b"\x89PNG" + bytes(11 * 1024 * 1024), "image/png"), File(b"RIFF....WEBP", "image/webp")])
def test_what_is_too_large_to_be_brought_along_waits_for_the_fetch_to_work(desk: Desk, file: File) -> None:
    desk.media.broken = True
    desk.media.files[PICTURE.url] = file
    delivery = desk.delivery()
    for _ in range(2):
        with pytest.raises(Retry) as caught:
            desk.publish(delivery)
        assert caught.value.code == "media_not_fetched"
        assert "signature" not in str(caught.value)
    desk.media.broken = False
    desk.publish(delivery)
    assert {body["media_source"]["source_type"] for body in desk.pins()} == {"image_url"}
    assert max(desk.media.opened[PICTURE.url].reads, default=0) == 0


def test_a_video_is_registered_uploaded_in_pieces_processed_and_then_pinned(desk: Desk) -> None:
    desk.media.files[CLIP.url] = mp4(size=40 * 1024 * 1024)
    delivery = desk.delivery("Watch", CLIP)
    asked: list[float] = []
    delivery.need = asked.append
    with pytest.raises(NotReady) as busy:
        PUBLISHER.prepare(delivery)
    register, upload, look = desk.http.sent
    assert (register.method, register.path, register.json()) == ("POST", "/pinterest/v5/media", {"media_type": "video"})
    assert upload.path == "/pinterest/pinterest-media-upload.s3-accelerate.amazonaws.com/"
    assert "authorization" not in upload.headers
    last = upload.body.rindex(b"Content-Disposition")
    assert upload.body[last:].startswith(b'Content-Disposition: form-data; name="file"; filename="video.mp4"')
    for name in (b"policy", b"key", b"x-amz-signature", b"Content-Type"):
        assert b'name="' + name + b'"' in upload.body[:last]
    media_id = delivery.checkpoint["video"]["id"]
    assert (look.method, look.path) == ("GET", f"/pinterest/v5/media/{media_id}")
    assert delivery.checkpoint == {"video": {"id": media_id, "sent": True}}
    assert max(desk.media.opened[CLIP.url].reads) <= 8 * 1024 * 1024
    assert asked == [75.0]
    desk.clock.advance(busy.value.after)
    PUBLISHER.prepare(delivery)
    assert len(desk.http.sent) == 4
    assert desk.visible() == []
    desk.publish(delivery)
    [body] = desk.pins()
    assert body["media_source"] == {"source_type": "video_id", "media_id": media_id, "cover_image_key_frame_time": 0}
    assert desk.world.seen("pinterest")[0].media == [media_id]


@pytest.mark.parametrize(
    ("options", "cover"),
    [
        ({"coverImageSeconds": 3}, {"cover_image_key_frame_time": 3}),
        ({"coverImageSeconds": 3, "coverImageUrl": "https://cdn.example/c.jpg"}, {"cover_image_url": "https://cdn.example/c.jpg"}),
    ],
)
def test_a_videos_cover_is_chosen(desk: Desk, options: dict[str, Any], cover: dict[str, Any]) -> None:
    desk.publish(desk.delivery("Watch", CLIP, **options))
    source = desk.pins()[0]["media_source"]
    assert {name: value for name, value in source.items() if name.startswith("cover")} == cover


def test_processing_that_takes_long_is_waited_for_without_a_further_upload(desk: Desk) -> None:
    desk.network.processing_seconds = 600
    delivery = desk.delivery("Watch", CLIP)
    for _ in range(3):
        with pytest.raises(NotReady):
            PUBLISHER.prepare(delivery)
    assert len(desk.network.videos) == 1
    desk.clock.advance(600)
    desk.publish(delivery)
    assert desk.visible() == ["Watch"]


def test_processing_that_fails_is_final_and_a_retry_by_hand_uploads_afresh(desk: Desk) -> None:
    desk.network.video_fails = True
    delivery = desk.delivery("Watch", CLIP)
    with pytest.raises(Failed) as caught:
        desk.publish(delivery)
    assert caught.value.code == "media_rejected"
    desk.network.video_fails = False
    desk.publish(delivery)
    assert len(desk.network.videos) == 2


def test_an_upload_that_broke_is_looked_at_before_it_is_done_again(desk: Desk) -> None:
    delivery = desk.delivery("Watch", CLIP)
    faults = [("server_error", 1), ("lost_answer", 1)]
    for kind, times in faults:  # the registering, then the upload itself
        desk.world.add_fault("pinterest", kind, times=times, at="prepare")
        if kind == "server_error":
            with pytest.raises(Retry):
                PUBLISHER.prepare(delivery)
            assert delivery.checkpoint == {}
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)  # registered, answer lost
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    delivery.checkpoint["video"]["sent"] = False  # as if the worker had died before it saved that the file was up
    uploads = len(desk.http.sent)
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    assert len(desk.http.sent) == uploads + 1
    assert delivery.checkpoint["video"]["sent"]
    first = delivery.checkpoint["video"]["id"]
    desk.network.videos[first].at = None
    delivery.checkpoint["video"]["sent"] = False  # as if it had died in the upload
    desk.publish(delivery)
    assert delivery.checkpoint["video"]["id"] != first
    assert desk.visible() == ["Watch"]


def test_a_video_pinterest_has_forgotten_is_uploaded_again(desk: Desk) -> None:
    delivery = desk.delivery("Watch", CLIP)
    desk.prepare(delivery)
    desk.network.videos.clear()
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Retry) as caught:
        PUBLISHER.publish(delivery, 0)
    assert caught.value.code == "media_gone"
    desk.prepare(delivery)
    desk.network.videos.clear()
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    desk.publish(delivery)
    assert desk.visible() == ["Watch"]


def test_a_file_of_another_type_fails_before_anything_is_sent(desk: Desk) -> None:
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Paper", Media("https://media.example/paper.pdf")))
    assert caught.value.code == "media_format"
    assert desk.http.sent == []


def test_media_that_are_still_being_copied_are_waited_for_before_the_pin_is_armed(desk: Desk) -> None:
    class Copying:
        def open(self, item: Media) -> Any:
            raise NotReady("media_copying", "The file is still being copied.", 2.0)

    delivery = desk.delivery()
    delivery.media = Copying()
    assert PUBLISHER.needs_preparation(delivery)
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)


@pytest.mark.parametrize("sample", samples_of("pinterest"), ids=lambda sample: sample.name)
@pytest.mark.parametrize("fault", ["lost_answer", "slow", "server_error"])
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_lost_answer_is_settled_by_reading_the_board(desk: Desk, sample: Sample, fault: str, newest_first: bool) -> None:
    desk.network.newest_first = newest_first
    desk.media.files.update(sample.files)
    desk.publish(desk.delivery("Before"))
    desk.clock.advance(300)
    delivery = desk.delivery("Only once", *(Media.from_dict(item) for item in sample.media), **sample.options)
    desk.prepare(delivery)
    desk.http.deadline = 4
    desk.world.add_fault("pinterest", fault, seconds=8)
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    seen = PUBLISHER.resolve(delivery, 0)
    if fault == "lost_answer":
        assert isinstance(seen, Found)
    else:
        assert seen == Absent()
    desk.clock.advance(8)
    seen = PUBLISHER.resolve(delivery, 0)
    if fault == "server_error":
        assert seen == Absent()
        seen = Found((desk.publish(delivery),))
    assert isinstance(seen, Found)
    assert [entry.remote_id for entry in desk.world.seen("pinterest")][1:] == [seen.remotes[0].id]
    assert desk.visible() == ["Before", "Only once"]


def test_resolve_reads_the_section_where_the_pin_stands_in_one(desk: Desk) -> None:
    board = desk.network.pinners["prof_pinterest"].boards[0]
    [section] = board.sections
    desk.world.add_fault("pinterest", "lost_answer")
    delivery = desk.delivery(boardSectionId=section)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    assert desk.http.sent[-1].path == f"/pinterest/v5/boards/{board.id}/sections/{section}/pins"
    assert desk.http.sent[-1].query == "page_size=250"


def test_resolve_takes_neither_another_posts_pin_nor_other_words_nor_an_older_one(desk: Desk) -> None:
    first = desk.publish(desk.delivery("Soup", title="Soup", link="https://example.com/a/"))
    same = {"title": "Soup", "link": "https://example.com/a"}
    for text, media, change in (
        ("Soup", PICTURE, {"title": "Stew"}), ("Soup", PICTURE, {"link": "https://example.com/b"}), ("Stew", PICTURE, {}),
        ("Soup", CLIP, {}),
    ):
        other = desk.delivery(text, media, **{**same, **change})
        other.armed_at = desk.clock.now()
        assert PUBLISHER.resolve(other, 0) == Absent(), change
    again = desk.delivery("Soup", **same)
    again.armed_at = desk.clock.now()
    assert PUBLISHER.resolve(again, 0) == Found((first,))
    desk.network.pins[-1].shown["is_owner"] = False  # a board that others pin to as well
    assert PUBLISHER.resolve(again, 0) == Absent()
    desk.network.pins[-1].shown["is_owner"] = True
    again.taken = frozenset({first.id})
    assert PUBLISHER.resolve(again, 0) == Absent()
    again.taken = frozenset()
    again.armed_at = desk.clock.now() + timedelta(minutes=5)
    assert PUBLISHER.resolve(again, 0) == Absent()


def test_resolve_reads_on_where_the_order_says_nothing_and_gives_up_on_an_endless_board(desk: Desk) -> None:
    desk.network.most_per_page = 1
    desk.network.newest_first = False
    for number in range(3):
        desk.publish(desk.delivery(f"Before {number}"))
    desk.clock.advance(600)
    wanted = desk.publish(desk.delivery("Wanted"))
    delivery = desk.delivery("Wanted")
    delivery.armed_at = desk.clock.now()
    assert PUBLISHER.resolve(delivery, 0) == Found((wanted,))
    assert "bookmark=3" in desk.http.sent[-1].query
    desk.network.pins.insert(0, desk.network.pins[0])
    desk.network.pins[0].shown = {**desk.network.pins[0].shown, "created_at": None}
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_a_rate_limit_waits_as_long_as_its_header_says(desk: Desk) -> None:
    desk.world.add_fault("pinterest", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery())
    assert (caught.value.code, caught.value.after) == ("rate_limited", 90)
    assert desk.visible() == []
    desk.publish(desk.delivery())


def test_the_headers_tell_of_the_quota_however_they_say_the_reset(desk: Desk) -> None:
    now = desk.clock.now()
    for reset in ("42", str(int(now.timestamp()) + 42)):
        headers = {"x-ratelimit-limit": "1000, 1000;w=60", "x-ratelimit-remaining": "998", "x-ratelimit-reset": reset}
        [quota] = PUBLISHER.quotas(Answer(200, headers, b""), now)
        assert quota == ("account", "calls", 1000, 998, now + timedelta(seconds=42))
    assert PUBLISHER.quotas(Answer(200, {"x-ratelimit-limit": "many"}, b""), now) == ()


def test_a_refusal_is_final_and_carries_pinterests_words(desk: Desk) -> None:
    desk.world.add_fault("pinterest", "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery())
    assert "You are not permitted" in caught.value.detail and "code 29" in caught.value.detail
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery(boardId="1"))
    assert "Board not found" in caught.value.detail
    desk.account = replace(desk.account, settings={})
    with pytest.raises(Failed):
        desk.publish(desk.delivery())


@pytest.mark.parametrize("text", [b"", b"<html>", b"[]", b'{"title": "x"}'])
def test_an_answer_that_names_no_pin_is_unknown(desk: Desk, text: bytes) -> None:
    class Says:
        def request(self, method: str, url: str, **parts: Any) -> Answer:
            return Answer(201, {}, text)


    delivery = desk.delivery()
    delivery.http = Says()
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    desk.http.unreachable = True
    with pytest.raises(Retry):
        desk.publish(desk.delivery())


def test_tokens_are_renewed_with_the_grant_and_the_old_pair_is_spent(desk: Desk) -> None:
    desk.clock.advance(30 * 86_400)
    delivery = desk.delivery()
    for call in (
        lambda: desk.publish(delivery), lambda: PUBLISHER.verify(desk.account, desk.http),
        lambda: PUBLISHER.resolve(delivery, 0), lambda: PUBLISHER.delete(delivery, "1"),
    ):
        with pytest.raises(TokenRefused):
            call()
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path) == ("POST", "/pinterest/v5/oauth/token")
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    pair = base64.b64decode(sent.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "pinterest-client:pinterest-client-secret"
    expected = {"grant_type": ["refresh_token"], "refresh_token": [desk.account.credentials["refreshToken"]]}
    assert parse_qs(sent.body.decode()) == expected
    assert tokens is not None
    assert (tokens.expires_in, tokens.grant_expires_in) == (30 * 86_400, 60 * 86_400)
    assert set(tokens.credentials) == {"accessToken", "refreshToken"}
    old, desk.account = desk.account, with_credentials(desk.account, **tokens.credentials)
    desk.publish(desk.delivery())
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(old, desk.http)


def test_without_a_grant_there_is_nothing_to_refresh_and_a_lost_answer_may_be_tried_again(desk: Desk) -> None:
    for name in ("refreshToken", "clientId", "clientSecret"):
        assert PUBLISHER.refresh(with_credentials(desk.account, **{name: ""}), desk.http) is None
    desk.network.grants.revoke("prof_pinterest")
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(desk.account, desk.http)
    desk.http.unreachable = True
    with pytest.raises(Retry):
        PUBLISHER.refresh(desk.account, desk.http)


def test_each_board_of_a_grant_is_an_account_and_verify_knows_it_again(desk: Desk) -> None:
    pinner = desk.network.pinners["prof_pinterest"]
    grant = replace(desk.account, account_id="", settings={})
    choices = PUBLISHER.accounts(grant, desk.http)
    assert [(c.kind, c.account_id, c.name) for c in choices] == [
        ("board", board.id, f"{board.name} (@dateline_1)") for board in pinner.boards
    ]
    for choice in choices:
        info = PUBLISHER.verify(replace(grant, settings=choice.settings), desk.http)
        assert (info.account_id, info.name) == (choice.account_id, choice.name)
        assert choice.settings["boardId"] == choice.account_id
        assert choice.settings["userId"] == pinner.id
    pinner.boards.clear()
    [alone] = PUBLISHER.accounts(grant, desk.http)
    assert (alone.account_id, alone.kind) == (pinner.id, "account")
    assert PUBLISHER.verify(grant, desk.http).account_id == pinner.id


def test_consent_gives_a_grant_with_all_boards(desk: Desk) -> None:
    connect = PUBLISHER.connect
    assert connect is not None
    asked = {
        "client_id": "pinterest-client", "redirect_uri": "https://dateline.example/back", "response_type": "code", "state": "s",
        "scope": connect.scope_separator.join(connect.scopes),
    }
    page = desk.account.host(connect.authorize[0]) + connect.authorize[1]
    back = parse_qs(desk.http.request("GET", page, params=asked).headers["location"].partition("?")[2])
    form = {"grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": asked["redirect_uri"]}
    pair = {"Authorization": "Basic " + base64.b64encode(b"pinterest-client:pinterest-client-secret").decode()}
    token = desk.account.host(connect.token[0]) + connect.token[1]
    given = desk.http.request("POST", token, headers=pair, data=form).json()
    assert (given["expires_in"], given["refresh_token_expires_in"]) == (30 * 86_400, 60 * 86_400)
    grant = replace(desk.account, account_id="", settings={}, credentials={"accessToken": given["access_token"]})
    assert [choice.kind for choice in PUBLISHER.accounts(grant, desk.http)] == ["board", "board"]
    assert desk.http.request("POST", token, headers=pair, data=form).status == 400


def test_boards_are_read_page_by_page(desk: Desk) -> None:
    desk.network.most_per_page = 1
    assert len(PUBLISHER.accounts(desk.account, desk.http)) == 2


def test_a_deleted_pin_is_gone_and_deleting_it_again_is_no_error(desk: Desk) -> None:
    delivery = desk.delivery()
    remote = desk.publish(delivery)
    PUBLISHER.delete(delivery, remote.id)
    PUBLISHER.delete(delivery, remote.id)
    assert (desk.http.sent[-1].method, desk.http.sent[-1].path) == ("DELETE", f"/pinterest/v5/pins/{remote.id}")
    assert desk.visible() == []


BOARD = {"boardId": "1"}
SHORT = CLIP._replace(facts=Facts("video/mp4", 9, 1080, 1920, 3.0))
RULES_BROKEN: tuple[tuple[Draft, dict[str, Any], list[str]], ...] = (
    (Draft((Segment("a", (PICTURE,)),)), {}, ["pinterest.board.required"]),
    (Draft((Segment("a", (PICTURE,)),), {"boardId": "x"}), {}, ["pinterest.option.invalid"]),
    (Draft((Segment("a", (PICTURE,)),), {"boardId": "2"}), {}, []),
    (Draft((Segment("a"),)), BOARD, ["pinterest.media.required"]),
    (Draft((Segment("a" * 801, (PICTURE,)),)), BOARD, ["pinterest.text.too_long"]),
    (Draft((Segment("a", (PICTURE._replace(alt_text="b" * 501),)),)), BOARD, ["pinterest.alt_text.too_long"]),
    (Draft((Segment("a", (PICTURE,) * 6),)), BOARD, ["pinterest.media.too_many"]),
    (Draft((Segment("a", (PICTURE, CLIP)),)), BOARD, ["pinterest.media.mixed"]),
    (Draft((Segment("a", (SHORT,)),)), BOARD, ["pinterest.media.too_short"]),
    (Draft((Segment("a", (PICTURE,)),), {"title": "t" * 101}), BOARD, ["pinterest.option.invalid"]),
    (Draft((Segment("a", (PICTURE,)),), {"link": "https://e.x/" + "l" * 2048}), BOARD, ["pinterest.option.invalid"]),
    (Draft((Segment("a", (PICTURE,)),), comment=Segment("b")), BOARD, ["pinterest.first_comment.unsupported"]),
    (Draft((Segment("a", (PICTURE,)), Segment("b", (PICTURE,)))), BOARD, ["pinterest.thread.unsupported"]),
)


@pytest.mark.parametrize(("draft", "settings", "rules"), RULES_BROKEN)
def test_what_pinterest_refuses_is_refused_before(draft: Draft, settings: dict[str, Any], rules: list[str]) -> None:
    assert [v.rule for v in check(PUBLISHER.rules, draft, settings)] == rules


def test_what_is_left_out_is_said() -> None:
    advise = PUBLISHER.rules.advise
    assert advise is not None
    covers = {"coverImageSeconds": 1, "coverImageUrl": "https://cdn.example/c.jpg"}
    square, tall = (PICTURE._replace(facts=Facts("image/png", 9, 100, height)) for height in (100, 150))
    for media, options, rules in (
        ((PICTURE,), covers, ["pinterest.cover.ignored"] * 2), ((CLIP,), covers, ["pinterest.cover.ignored"]), ((CLIP,), {}, []),
        ((square, tall), {}, ["pinterest.alt_text.ignored", "pinterest.carousel.shapes"]),
        ((square, OTHER), {}, ["pinterest.alt_text.ignored"]),
    ):
        assert [v.rule for v in advise(Draft((Segment("a", media),), options), {})] == rules


def test_the_stand_in_refuses_what_the_schema_refuses(desk: Desk) -> None:
    headers = {"Authorization": f"Bearer {desk.account.credentials['accessToken']}"}
    delivery = desk.delivery()
    data = {"source_type": "image_base64", "content_type": "image/png", "data": base64.b64encode(png().data).decode()}
    good = {"board_id": desk.account.account_id, "media_source": data}
    url = {"url": delivery.media.open(PICTURE).url()}
    for change in (
        {"colour": "red"}, {"title": "t" * 101}, {"description": "d" * 801}, {"alt_text": "a" * 501}, {"link": "l" * 2049},
        {"board_id": "one"}, {"media_source": {"source_type": "image_url"}},
        {"media_source": {**data, "content_type": "image/gif"}},
        {"media_source": {"source_type": "multiple_image_urls", "items": [url]}}, {"media_source": {"source_type": "poem"}},
        {"media_source": {"source_type": "multiple_image_urls", "items": [url] * 6}}, {"media_source": {**data, "colour": "red"}},
        {"media_source": {"source_type": "image_url", "url": "https://nowhere.example/"}},
        {"media_source": {**data, "data": "!"}},
    ):
        sent = desk.http.request("POST", desk.account.server + "/v5/pins", headers=headers, json={**good, **change})
        assert sent.status == 400, change
    for change in ({"board_id": "1"}, {"board_section_id": "1"}, {"media_source": {"source_type": "video_id", "media_id": "1"}}):
        sent = desk.http.request("POST", desk.account.server + "/v5/pins", headers=headers, json={**good, **change})
        assert sent.status == 404, change
    assert desk.visible() == []
    assert desk.http.request("POST", desk.account.server + "/v5/pins", headers=headers, json=good).status == 201


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer"])
@pytest.mark.parametrize("item", [PICTURE, CLIP])
def test_no_failure_shows_a_token(desk: Desk, fault: str, item: Media) -> None:
    desk.http.deadline = 1
    desk.world.add_fault("pinterest", fault, at="any")
    delivery = desk.delivery("Soup", item)
    with pytest.raises(Outcome) as caught:
        desk.publish(delivery)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {desk.account!r} {delivery!r} {delivery.checkpoint}"
    for secret in [*desk.account.credentials.values(), "signature=secret", "signature-", "policy-", "security-"]:
        assert secret not in shown


def with_credentials(account: Account, **entries: str) -> Account:
    return replace(account, credentials={**account.credentials, **entries})
