"""What Dateline sends to Telegram's Bot API, and what it makes of every answer.

The allowed members are transcribed from PaulSonOfLars/telegram-bot-api-spec 160fd99 (Bot API 10.1, 2026-06-11).
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.formparser import parse_form_data
from werkzeug.test import EnvironBuilder

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Answer,
    AnswerLost,
    Delivery,
    Failed,
    NoMedia,
    NotSent,
    Outcome,
    Remote,
    Retry,
    TokenRefused,
    Undecidable,
    Unknown,
)
from dateline.platforms.telegram import PUBLISHER, RULES, units_shown
from local.networks import files
from local.networks.base import World
from local.networks.files import File
from local.networks.telegram import TelegramNetwork
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, Sent, account_of, delivery_of
from tests.samples import Sample, samples_of

COMMON = {
    "business_connection_id", "chat_id", "message_thread_id", "direct_messages_topic_id", "disable_notification",
    "protect_content", "allow_paid_broadcast", "message_effect_id", "reply_parameters",
}
ALLOWED = {
    "sendMessage": COMMON | {
        "text", "parse_mode", "entities", "link_preview_options", "suggested_post_parameters", "reply_markup",
    },
    "sendPhoto": COMMON | {
        "photo", "caption", "parse_mode", "caption_entities", "show_caption_above_media", "has_spoiler",
        "suggested_post_parameters", "reply_markup",
    },
    "sendVideo": COMMON | {
        "video", "duration", "width", "height", "thumbnail", "cover", "start_timestamp", "caption", "parse_mode",
        "caption_entities", "show_caption_above_media", "has_spoiler", "supports_streaming", "suggested_post_parameters",
        "reply_markup",
    },
    "sendAnimation": COMMON | {
        "animation", "duration", "width", "height", "thumbnail", "caption", "parse_mode", "caption_entities",
        "show_caption_above_media", "has_spoiler", "suggested_post_parameters", "reply_markup",
    },
    "sendDocument": COMMON | {
        "document", "thumbnail", "caption", "parse_mode", "caption_entities", "disable_content_type_detection",
        "suggested_post_parameters", "reply_markup",
    },
    "sendMediaGroup": COMMON | {"media"},
    "deleteMessage": {"chat_id", "message_id"},
    "getChat": {"chat_id"},
    "getMe": set(),
}
INPUT_MEDIA_PHOTO = {"type", "media", "caption", "parse_mode", "caption_entities", "show_caption_above_media", "has_spoiler"}
INPUT_MEDIA_VIDEO = INPUT_MEDIA_PHOTO | {
    "thumbnail", "cover", "start_timestamp", "width", "height", "duration", "supports_streaming",
}
INPUT_MEDIA_DOCUMENT = {
    "type", "media", "thumbnail", "caption", "parse_mode", "caption_entities", "disable_content_type_detection",
}
LINK_PREVIEW = {"is_disabled", "url", "prefer_small_media", "prefer_large_media", "show_above_text"}

TOKEN = "123456:local-telegram-token"
PICTURES = tuple(Media(f"https://cdn.example.com/{n}.png") for n in range(10))
VIDEO = Media("https://cdn.example.com/clip.mp4", "video")
ANIMATION = Media("https://cdn.example.com/wave.gif", "gif")
DOCUMENT = Media("https://cdn.example.com/The%20report.pdf", "document")


class Bench:
    """One bot, one chat, one clock."""

    def __init__(self, deadline: float = 30.0) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [TelegramNetwork])
        self.http = InProcessHttp(self.world, self.clock, deadline)
        self.network: Any = self.world.networks["telegram"]
        self.account = account_of(self.world, "telegram", "prof_telegram")

    def delivery(self, *segments: str | Segment, **more: Any) -> Delivery:
        return delivery_of(self.http, self.account, *segments, **more)

    def publish(self, *segments: str | Segment, **more: Any) -> Remote:
        (remote,) = PUBLISHER.publish(self.delivery(*segments, **more), 0)
        return remote


@pytest.fixture
def bench() -> Bench:
    return Bench()


def form_of(sent: Sent) -> tuple[dict[str, str], dict[str, tuple[str, bytes, str]]]:
    """The fields and files of a multipart request."""
    builder = EnvironBuilder(method="POST", data=sent.body, content_type=sent.headers["content-type"])
    _, fields, parts = parse_form_data(builder.get_environ())
    return fields.to_dict(), {name: (str(f.filename), f.read(), f.mimetype) for name, f in parts.items()}


def test_a_text_is_one_send_message_with_members_the_bot_api_knows(bench: Bench) -> None:
    options = {
        "parseMode": "HTML", "disableNotification": True, "messageThreadId": 7, "linkPreview": False, "protectContent": True,
    }
    remote = bench.publish("<b>Hello</b> &amp; welcome", options=options)
    (sent,) = bench.http.sent
    assert (sent.method, sent.path) == ("POST", f"/telegram/bot{TOKEN}/sendMessage")
    assert set(sent.json()) <= ALLOWED["sendMessage"]
    assert set(sent.json()["link_preview_options"]) <= LINK_PREVIEW
    assert sent.json() == {
        "chat_id": -1001234567890, "text": "<b>Hello</b> &amp; welcome", "parse_mode": "HTML", "disable_notification": True,
        "protect_content": True, "message_thread_id": 7, "link_preview_options": {"is_disabled": True},
    }
    (entry,) = bench.world.seen()
    assert entry.text == "Hello & welcome"
    assert remote == Remote(
        entry.remote_id, f"https://t.me/dateline_local/{entry.remote_id}", {"chatId": "-1001234567890", "messageIds": [remote.id]}
    )


def test_pictures_are_covered_and_put_below_their_text_on_request(bench: Bench) -> None:
    options = {"hasSpoiler": True, "showCaptionAboveMedia": True, "protectContent": True}
    bench.publish(Segment("Look", PICTURES[:1]), options=options)
    fields, _ = form_of(bench.http.sent[0])
    assert set(fields) <= ALLOWED["sendPhoto"]
    looks = {"has_spoiler": "true", "show_caption_above_media": "true", "protect_content": "true"}
    assert {**fields, **looks} == fields
    bench.publish(Segment("Look", PICTURES[:2]), options=options)
    fields, _ = form_of(bench.http.sent[1])
    album = json.loads(fields["media"])
    assert fields["protect_content"] == "true" and set(fields) <= ALLOWED["sendMediaGroup"]
    assert all(set(item) <= INPUT_MEDIA_PHOTO for item in album)
    assert [(item["has_spoiler"], item["show_caption_above_media"]) for item in album] == [(True, True)] * 2
    assert set(RULES.options["properties"]) == {*options, "parseMode", "disableNotification", "messageThreadId", "linkPreview"}


def test_plain_text_is_sent_without_a_parse_mode_and_appears_as_it_stands(bench: Bench) -> None:
    text = "2 < 3 & *no* _markup_ [here](x)"
    bench.publish(text)
    assert set(bench.http.sent[0].json()) == {"chat_id", "text"}
    assert bench.world.seen()[0].text == text


def test_a_picture_is_uploaded_with_its_caption(bench: Bench) -> None:
    bench.publish(Segment("Look", PICTURES[:1]), options={"disableNotification": True, "parseMode": "MarkdownV2"})
    (sent,) = bench.http.sent
    fields, parts = form_of(sent)
    assert sent.path.endswith("/sendPhoto")
    assert set(fields) | set(parts) <= ALLOWED["sendPhoto"]
    assert fields == {"chat_id": "-1001234567890", "caption": "Look", "parse_mode": "MarkdownV2", "disable_notification": "true"}
    assert parts == {"photo": ("photo0.png", files.png().data, "image/png")}


@pytest.mark.parametrize("count", [2, 10])
def test_several_pictures_are_one_album_and_one_line_of_the_ledger(bench: Bench, count: int) -> None:
    remote = bench.publish(Segment("Look", PICTURES[:count]))
    fields, parts = form_of(bench.http.sent[0])
    album = json.loads(fields["media"])
    assert bench.http.sent[0].path.endswith("/sendMediaGroup")
    assert set(fields) <= ALLOWED["sendMediaGroup"]
    assert all(set(item) <= INPUT_MEDIA_PHOTO for item in album)
    assert [item["media"] for item in album] == [f"attach://{name}" for name in parts]
    assert [item.get("caption") for item in album] == ["Look"] + [None] * (count - 1)
    (entry,) = bench.world.seen()
    assert (entry.remote_id, entry.text, len(entry.media)) == (remote.id, "Look", count)
    assert len(remote.extra["messageIds"]) == count


def test_nothing_is_prepared_and_nothing_is_chosen_beforehand(bench: Bench) -> None:
    delivery = bench.delivery("Look")
    assert not PUBLISHER.needs_preparation(delivery)
    assert PUBLISHER.start(delivery) == {}
    PUBLISHER.prepare(delivery)
    assert bench.http.sent == []


def test_a_file_telegram_would_not_take_stops_the_post_before_the_call(bench: Bench) -> None:
    for item, file, code in (
        (PICTURES[0], File(b"x" * 10_000_001, "image/png"), "media_too_large"),
        (PICTURES[0], File(b"%PDF", "application/pdf"), "media_unsupported"),
        (VIDEO, File(b"GIF89a", "image/gif"), "media_unsupported"), (DOCUMENT, files.png(), "media_unsupported"),
        (VIDEO, File(bytes(50_000_001), "video/mp4"), "media_too_large"),
    ):
        delivery = bench.delivery(Segment("", (item,)), media=Pinned({item.url: file}))
        assert PUBLISHER.needs_preparation(delivery)
        with pytest.raises(Failed) as error:
            PUBLISHER.prepare(delivery)
        assert error.value.code == code
    assert bench.http.sent == []


def test_media_are_looked_at_and_time_is_asked_for_before_the_call_is_armed(bench: Bench) -> None:
    asked: list[float] = []
    for size, wanted in ((0, []), (4_000_000, [60.0])):
        pinned = Pinned({VIDEO.url: files.mp4(size=size)})
        delivery = bench.delivery(Segment("Look", (VIDEO, *PICTURES[:2])), media=pinned)
        delivery.need = asked.append
        PUBLISHER.prepare(delivery)
        assert asked == wanted
        assert (delivery.checkpoint, bench.http.sent) == ({}, [])


@pytest.mark.parametrize(("item", "method", "part", "mime"), [
    (VIDEO, "sendVideo", "video", "video/mp4"), (ANIMATION, "sendAnimation", "animation", "image/gif"),
    (DOCUMENT, "sendDocument", "document", "application/pdf"),
])
def test_every_other_kind_of_file_is_one_message_of_its_own_kind(
    bench: Bench, item: Media, method: str, part: str, mime: str
) -> None:
    options = {"hasSpoiler": True, "showCaptionAboveMedia": True, "parseMode": "HTML"}
    pinned = Pinned()
    bench.publish(Segment("<i>Look</i>", (item,)), options=options, media=pinned)
    (sent,) = bench.http.sent
    fields, parts = form_of(sent)
    assert sent.path.endswith(f"/{method}")
    assert set(fields) | set(parts) <= ALLOWED[method]
    assert (fields["caption"], fields["parse_mode"]) == ("<i>Look</i>", "HTML")
    assert parts[part][1:] == (pinned.open(item).data, mime)
    assert ("has_spoiler" in fields, "show_caption_above_media" in fields) == (part != "document",) * 2
    (entry,) = bench.world.seen()
    assert (entry.text, entry.extra["kinds"]) == ("Look", [part])


def test_a_video_says_its_size_and_length_and_a_document_keeps_its_name(bench: Bench) -> None:
    pinned = Pinned({VIDEO.url: files.mp4(12.4, 720, 1280)})
    bench.publish(Segment("", (VIDEO,)), media=pinned)
    fields, _ = form_of(bench.http.sent[0])
    assert fields == {
        "chat_id": "-1001234567890", "width": "720", "height": "1280", "duration": "12", "supports_streaming": "true",
    }
    bench.publish(Segment("", (DOCUMENT,)))
    bench.publish(Segment("", (Media('https://cdn.example.com/get?name="a\n.pdf', "document"),)),
                  media=Pinned({'https://cdn.example.com/get?name="a\n.pdf': files.pdf()}))
    assert bench.network.names == ["video0.mp4", "The report.pdf", "document0.pdf"]


def test_an_album_mixes_photos_and_videos_and_documents_stand_among_themselves(bench: Bench) -> None:
    bench.publish(Segment("Look", (PICTURES[0], VIDEO, PICTURES[1])), options={"hasSpoiler": True})
    fields, parts = form_of(bench.http.sent[0])
    album = json.loads(fields["media"])
    assert [(item["type"], item["media"]) for item in album] == [
        ("photo", "attach://photo0"), ("video", "attach://video1"), ("photo", "attach://photo2")
    ]
    assert list(parts) == ["photo0", "video1", "photo2"]
    assert all(set(item) <= (INPUT_MEDIA_VIDEO if item["type"] == "video" else INPUT_MEDIA_PHOTO) for item in album)
    assert album[1]["supports_streaming"] is True
    other = Media("https://cdn.example.com/second.pdf", "document")
    bench.publish(Segment("Read", (DOCUMENT, other)), options={"hasSpoiler": True})
    fields, _ = form_of(bench.http.sent[1])
    album = json.loads(fields["media"])
    assert all(set(item) <= INPUT_MEDIA_DOCUMENT for item in album)
    assert [(entry.text, entry.extra["kinds"]) for entry in bench.world.seen()] == [
        ("Look", ["photo", "video", "photo"]), ("Read", ["document", "document"])
    ]


def test_an_album_is_read_piece_by_piece_while_it_is_sent(bench: Bench) -> None:
    large = files.mp4(size=30_000_000)
    pinned = Pinned({VIDEO.url: large})
    delivery = bench.delivery(Segment("", (VIDEO, PICTURES[0])), media=pinned)
    PUBLISHER.prepare(delivery)
    assert not pinned.open(VIDEO).reads
    PUBLISHER.publish(delivery, 0)
    assert max(pinned.open(VIDEO).reads) <= 8 * 1024 * 1024
    assert sum(pinned.open(VIDEO).reads) == large.data.__len__()
    _, parts = form_of(bench.http.sent[0])
    assert parts["video0"][1] == large.data


def test_small_files_are_read_before_the_call_is_armed_so_that_nothing_stands_between(bench: Bench) -> None:
    pinned = Pinned()
    delivery = bench.delivery(Segment("Look", (VIDEO, PICTURES[0])), media=pinned)
    PUBLISHER.prepare(delivery)
    assert not PUBLISHER.needs_preparation(delivery)
    delivery.media = NoMedia()
    PUBLISHER.publish(delivery, 0)
    assert [entry.extra["kinds"] for entry in bench.world.seen()] == [["video", "photo"]]
    assert form_of(bench.http.sent[0])[1]["video0"][1] == pinned.open(VIDEO).data


def test_the_rules_say_what_goes_together_and_what_telegram_passes_over() -> None:
    def facts(item: Media, **known: Any) -> Media:
        return item._replace(facts=Facts(**{"mime": "image/png", "size": 100, **known}))

    for media, rules in (
        ((*PICTURES[:5], *(VIDEO,) * 5), []), ((*PICTURES[:6], *(VIDEO,) * 5), ["telegram.media.too_many"]),
        ((ANIMATION,), []), ((ANIMATION, PICTURES[0]), ["telegram.media.mixed"]),
        ((ANIMATION, ANIMATION), ["telegram.media.too_many"]),
        ((DOCUMENT, DOCUMENT), []), ((DOCUMENT, VIDEO), ["telegram.media.mixed"]),
        ((facts(PICTURES[0], width=5000, height=5000),), []),
        ((facts(PICTURES[0], width=5001, height=5000),), ["telegram.media.dimensions"]),
        ((facts(PICTURES[0], width=2100, height=100),), ["telegram.media.ratio"]),
        ((facts(VIDEO, mime="video/mp4", size=50_000_001),), ["telegram.media.too_large"]),
    ):
        assert rules_broken("", media=media) == rules, media
    assert RULES.advise is not None
    described = (PICTURES[0]._replace(alt_text="A cat"), DOCUMENT)
    advice = RULES.advise(Draft((Segment("", described),), {"linkPreview": False}), {})
    assert [(v.rule, v.field) for v in advice] == [
        ("telegram.alt_text.ignored", "media/0"), ("telegram.option.ignored", "options/linkPreview")
    ]
    advice = RULES.advise(Draft((Segment("", (DOCUMENT,)),), {"hasSpoiler": True}), {})
    assert [(v.rule, v.field) for v in advice] == [("telegram.option.ignored", "options/hasSpoiler")]


@pytest.mark.parametrize("sample", samples_of("telegram"), ids=lambda sample: sample.name)
def test_every_sample_is_published_as_one_line_of_the_ledger(bench: Bench, sample: Sample) -> None:
    segment = Segment("Hello", tuple(Media.from_dict(item) for item in sample.media))
    assert check(RULES, Draft((segment,), sample.options), {}) == []
    delivery = bench.delivery(segment, options=sample.options, media=Pinned(sample.files))
    PUBLISHER.prepare(delivery)
    PUBLISHER.publish(delivery, 0)
    (entry,) = bench.world.seen()
    assert (entry.text, len(entry.media)) == ("Hello", len(sample.media))


@pytest.mark.parametrize(("chat", "username", "url"), [
    ("-1001234567890", "dateline_local", "https://t.me/dateline_local/1"),
    ("-1001234567890", None, "https://t.me/c/1234567890/1"),
    ("-4711", None, None),
])
def test_the_link_is_the_one_telegram_has_for_such_a_chat(
    bench: Bench, chat: str, username: str | None, url: str | None
) -> None:
    found = bench.network.chats.pop(-1001234567890)
    found.id, found.username = int(chat), username
    bench.network.chats[found.id] = found
    bench.account = account_of(bench.world, "telegram", "prof_telegram")
    assert bench.publish("Hello").url == url


def test_a_deletion_takes_the_whole_album_down_and_may_be_repeated(bench: Bench) -> None:
    delivery = bench.delivery(Segment("", PICTURES[:3]))
    delivery.published = PUBLISHER.publish(delivery, 0)
    PUBLISHER.delete(delivery, delivery.published[0].id)
    PUBLISHER.delete(delivery, delivery.published[0].id)
    assert bench.world.seen() == []
    deletions = [sent for sent in bench.http.sent if sent.path.endswith("/deleteMessage")]
    assert len(deletions) == 6
    assert all(set(sent.json()) <= ALLOWED["deleteMessage"] for sent in deletions)


@pytest.mark.parametrize(("kind", "visible"), [("lost_answer", 1), ("server_error", 0)])
def test_a_lost_answer_stays_unknown_for_good(bench: Bench, kind: str, visible: int) -> None:
    delivery = bench.delivery("Hello")
    bench.world.add_fault("telegram", kind)
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)
    assert len(bench.http.sent) == 1
    assert len(bench.world.seen()) == visible


def test_a_server_slower_than_our_patience_is_unknown_and_may_still_publish() -> None:
    bench = Bench(deadline=2.0)
    bench.world.add_fault("telegram", "slow", seconds=8)
    with pytest.raises(Unknown):
        bench.publish("Hello")
    assert bench.world.seen() == []
    bench.clock.advance(10)
    bench.http.settle_due()
    assert [entry.text for entry in bench.world.seen()] == ["Hello"]


def test_an_answer_that_is_not_telegrams_is_unknown(bench: Bench) -> None:
    bench.http.request = lambda *a, **k: Answer(403, {}, b"<html>blocked</html>")  # type: ignore[method-assign]
    with pytest.raises(Unknown):
        bench.publish("Hello")


def test_a_rate_limit_says_when_to_come_back(bench: Bench) -> None:
    bench.world.add_fault("telegram", "rate_limit", retry_after=17)
    with pytest.raises(Retry) as error:
        bench.publish("Hello")
    assert error.value.after == 17


def test_refused_content_is_final(bench: Bench) -> None:
    bench.world.add_fault("telegram", "reject")
    with pytest.raises(Failed):
        bench.publish("Hello")


def test_markup_that_cannot_be_parsed_is_final(bench: Bench) -> None:
    with pytest.raises(Failed) as error:
        bench.publish("<b>Hello", options={"parseMode": "HTML"})
    assert "can't parse entities" in error.value.detail


def test_a_bot_that_was_put_out_of_the_chat_fails(bench: Bench) -> None:
    bench.network.kick("prof_telegram")
    with pytest.raises(Failed) as error:
        bench.publish("Hello")
    assert error.value.code == "forbidden"


def test_a_revoked_token_is_refused_and_nothing_can_refresh_it(bench: Bench) -> None:
    bench.world.add_fault("telegram", "expired_token", times=2)
    with pytest.raises(TokenRefused):
        bench.publish("Hello")
    with pytest.raises(TokenRefused):
        PUBLISHER.verify(bench.account, bench.http)
    assert PUBLISHER.refresh(bench.account, bench.http) is None


def test_a_request_that_never_left_may_be_repeated(bench: Bench) -> None:
    bench.http.unreachable = True
    with pytest.raises(Retry):
        bench.publish("Hello")


def test_a_group_that_became_a_supergroup_is_followed_by_the_next_try(bench: Bench) -> None:
    moved = bench.network.migrate("prof_telegram")
    delivery = bench.delivery("Hello")
    with pytest.raises(Retry) as error:
        PUBLISHER.publish(delivery, 0)
    assert error.value.code == "chat_moved"
    assert len(bench.http.sent) == 1
    assert delivery.checkpoint == {"chatId": str(moved)}
    (remote,) = PUBLISHER.publish(delivery, 0)
    assert remote.extra["chatId"] == str(moved)
    assert [entry.text for entry in bench.world.seen()] == ["Hello"]


def test_verifying_asks_who_the_bot_is_and_whether_it_reaches_the_chat(bench: Bench) -> None:
    info = PUBLISHER.verify(bench.account, bench.http)
    assert (info.account_id, info.name) == ("-1001234567890", "Dateline local")
    assert info.settings == {"chatId": "-1001234567890", "username": "dateline_local"}
    assert [sent.path.rpartition("/")[2] for sent in bench.http.sent] == ["getMe", "getChat"]
    assert [set(sent.json()) <= ALLOWED[sent.path.rpartition("/")[2]] for sent in bench.http.sent] == [True, True]


def test_verifying_learns_the_new_id_of_a_group_that_moved(bench: Bench) -> None:
    moved = bench.network.migrate("prof_telegram")
    info = PUBLISHER.verify(bench.account, bench.http)
    assert info.settings["chatId"] == str(moved)
    bench.account = replace(bench.account, settings=info.settings)
    assert bench.publish("Hello").extra["chatId"] == str(moved)


def test_a_chat_may_be_given_by_its_public_name(bench: Bench) -> None:
    bench.account = replace(bench.account, account_id="", credentials={"botToken": TOKEN, "chatId": "@dateline_local"})
    assert PUBLISHER.verify(bench.account, bench.http).account_id == "-1001234567890"
    bench.publish("Hello")
    assert bench.http.sent[-1].json()["chat_id"] == "@dateline_local"


def test_a_chat_the_bot_does_not_know_is_named_as_the_trouble(bench: Bench) -> None:
    account = replace(bench.account, account_id="", credentials={"botToken": TOKEN, "chatId": "@nowhere"})
    with pytest.raises(Failed) as error:
        PUBLISHER.verify(account, bench.http)
    assert "chat not found" in error.value.detail


@pytest.mark.parametrize("token", ["", "abc", "123456:local token\n", "123456:x/../getMe"])
def test_what_is_no_bot_token_is_never_put_into_a_url(bench: Bench, token: str) -> None:
    with pytest.raises(TokenRefused):
        PUBLISHER.verify(replace(bench.account, credentials={"botToken": token, "chatId": "1"}), bench.http)
    assert bench.http.sent == []


def test_the_token_stands_in_no_outcome_and_no_repr(bench: Bench) -> None:
    said = [repr(bench.account), repr(bench.delivery("Hello"))]
    for kind in ("rate_limit", "server_error", "reject", "lost_answer", "expired_token"):
        bench.world.add_fault("telegram", kind)
        with pytest.raises(Outcome) as error:
            bench.publish("Hello")
        said += [str(error.value), repr(error.value)]
    assert not [text for text in said if "local-telegram-token" in text]


@pytest.mark.parametrize("kind", [NotSent, AnswerLost])
def test_a_transport_that_quotes_the_url_is_scrubbed(bench: Bench, kind: type[Exception]) -> None:
    def request(method: str, url: str, **more: Any) -> Any:
        raise kind(f"no answer from {url}")

    bench.http.request = request  # type: ignore[method-assign]
    for call in (lambda: bench.publish("Hello"), lambda: PUBLISHER.verify(bench.account, bench.http)):
        with pytest.raises(Outcome) as error:
            call()
        assert "local-telegram-token" not in f"{error.value!s} {error.value!r} {error.value.__cause__!r}"
        assert error.value.__suppress_context__


def rules_broken(text: str, mode: str | None = None, media: tuple[Media, ...] = ()) -> list[str]:
    options = {"parseMode": mode} if mode else {}
    return [violation.rule for violation in check(RULES, Draft((Segment(text, media),), options), {})]


@pytest.mark.parametrize(("text", "mode", "units"), [
    ("hello", "none", 5),
    ("🎉", "none", 2),
    ("👩‍👩‍👧", "none", 8),
    ("<b>hi</b>", "none", 9),
    ("<b>hi</b> &amp; <a href=\"https://example.com\">you</a>", "HTML", 8),
    ("*bold* __under__ ||spoiler|| `code`", "MarkdownV2", 23),
    (r"1\.5 \*stars\*", "MarkdownV2", 11),
    ("see [the docs](https://example.com/a_long_path)", "MarkdownV2", 12),
    (">quoted\n>lines", "MarkdownV2", 12),
])
def test_length_is_counted_in_utf16_units_after_parsing(text: str, mode: str, units: int) -> None:
    assert units_shown(text, mode) == units


@pytest.mark.parametrize(("text", "mode", "rules"), [
    ("x" * 4096, None, []),
    ("x" * 4097, None, ["telegram.text.too_long"]),
    ("🎉" * 2048, None, []),
    ("🎉" * 2048 + "!", None, ["telegram.text.too_long"]),
    ("<b>" + "x" * 4096 + "</b>", "HTML", []),
    ("<b>" + "x" * 4096 + "</b>", None, ["telegram.text.too_long"]),
    ("<b>" + "x" * 4097 + "</b>", "HTML", ["telegram.text.too_long"]),
    ("*" + "x" * 4096 + "*", "MarkdownV2", []),
    ("*" + "x" * 4096 + "*", None, ["telegram.text.too_long"]),
])
def test_a_text_may_have_4096_units_as_its_parse_mode_leaves_it(text: str, mode: str | None, rules: list[str]) -> None:
    assert rules_broken(text, mode) == rules


def test_beside_media_a_text_may_have_1024_units() -> None:
    assert rules_broken("x" * 1024, media=PICTURES[:1]) == []
    assert rules_broken("x" * 1025, media=PICTURES[:1]) == ["telegram.caption.too_long"]
    assert rules_broken("<i>" + "x" * 1024 + "</i>", "HTML", PICTURES[:2]) == []


@pytest.mark.parametrize(("text", "mode"), [("🎉" * 2048, None), ("<b>" + "x" * 4096 + "</b>", "HTML")])
def test_what_the_rules_let_pass_at_the_limit_is_taken(bench: Bench, text: str, mode: str | None) -> None:
    bench.publish(text, options={"parseMode": mode} if mode else {})
    assert len(bench.world.seen()) == 1


@pytest.mark.parametrize("text", ["[" * 60_000, "[](" * 20_000, "<" * 60_000, "\\" * 60_000, "`" * 60_000])
def test_counting_hostile_text_ends(text: str) -> None:
    assert rules_broken(text) == ["telegram.text.too_long"] or units_shown(text, "MarkdownV2") <= 4096


def test_a_bots_token_has_the_shape_the_publisher_expects() -> None:
    assert re.fullmatch(r"\d+:[A-Za-z0-9_-]+", TOKEN)
