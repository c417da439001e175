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

from dateline.domain.content import Draft, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Answer,
    AnswerLost,
    Delivery,
    Failed,
    NotSent,
    Outcome,
    Remote,
    Retry,
    TokenRefused,
    Undecidable,
    Unknown,
)
from dateline.platforms.telegram import PUBLISHER, RULES, units_shown
from local.networks.base import World
from local.networks.telegram import TelegramNetwork
from tests.contract.inprocess import TINY_PNG, FakeClock, InProcessHttp, Sent, account_of, delivery_of

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
    "sendMediaGroup": COMMON | {"media"},
    "deleteMessage": {"chat_id", "message_id"},
    "getChat": {"chat_id"},
    "getMe": set(),
}
INPUT_MEDIA_PHOTO = {"type", "media", "caption", "parse_mode", "caption_entities", "show_caption_above_media", "has_spoiler"}
LINK_PREVIEW = {"is_disabled", "url", "prefer_small_media", "prefer_large_media", "show_above_text"}

TOKEN = "123456:local-telegram-token"
PICTURES = tuple(Media(f"https://cdn.example.com/{n}.png") for n in range(10))


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
    _, fields, files = parse_form_data(builder.get_environ())
    return fields.to_dict(), {name: (str(f.filename), f.read(), f.mimetype) for name, f in files.items()}


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
    fields, files = form_of(sent)
    assert sent.path.endswith("/sendPhoto")
    assert set(fields) | set(files) <= ALLOWED["sendPhoto"]
    assert fields == {"chat_id": "-1001234567890", "caption": "Look", "parse_mode": "MarkdownV2", "disable_notification": "true"}
    assert files == {"photo": ("photo0.png", TINY_PNG, "image/png")}


@pytest.mark.parametrize("count", [2, 10])
def test_several_pictures_are_one_album_and_one_line_of_the_ledger(bench: Bench, count: int) -> None:
    remote = bench.publish(Segment("Look", PICTURES[:count]))
    fields, files = form_of(bench.http.sent[0])
    album = json.loads(fields["media"])
    assert bench.http.sent[0].path.endswith("/sendMediaGroup")
    assert set(fields) <= ALLOWED["sendMediaGroup"]
    assert all(set(item) <= INPUT_MEDIA_PHOTO for item in album)
    assert [item["media"] for item in album] == [f"attach://{name}" for name in files]
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


def test_a_picture_that_cannot_be_had_stops_the_post_before_the_call(bench: Bench) -> None:
    bench.http.media[PICTURES[0].url] = (b"x" * 10_000_001, "image/png")
    bench.http.media[PICTURES[1].url] = (b"%PDF", "application/pdf")
    for picture in PICTURES[:2]:
        with pytest.raises(Failed):
            bench.publish(Segment("", (picture,)))
    assert bench.http.sent == []


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
