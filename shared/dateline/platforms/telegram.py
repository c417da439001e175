"""Telegram: messages a bot sends to one channel, group or chat.

A bot cannot look back: there is no idempotency key and no history, so a lost answer stays unknown for good and must never be
sent again. The bot's token stands in every URL; it must never get into an exception, a log line or a `repr`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..domain.content import Draft, Segment
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation
from .base import (
    Account,
    AccountInfo,
    Answer,
    AnswerLost,
    CredentialField,
    Delivery,
    Failed,
    Http,
    NewTokens,
    NotSent,
    Outcome,
    Publisher,
    Remote,
    Resolution,
    Retry,
    Standard,
    TokenRefused,
    Undecidable,
    Unknown,
)
from .calls import harmless, irreversible, said_by

_HOW = "UTF-16 units of what remains after parsing: markup of the parseMode does not count, an emoji counts two or more"


def utf16_units(text: str) -> int:
    """UTF-16 code units of `text`: Telegram's measure of length."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def units_shown(text: str, parse_mode: str) -> int:
    """UTF-16 units left of `text` once Telegram has parsed it.

    Exact for "none". For "HTML" tags go and entities become their character; for "MarkdownV2" link targets, markers and
    escaping backslashes go. Both are approximations by pattern: text that Telegram would refuse to parse is still counted.
    """
    if parse_mode == "HTML":
        from html import unescape

        text = unescape(re.sub(r"<[^<>]*>", "", text))
    elif parse_mode == "MarkdownV2":
        text = re.sub(r"!?\[((?:\\.|[^\\\[\]])*)\]\((?:\\.|[^\\\[)])*\)", r"\1", text, flags=re.DOTALL)
        text = re.sub(r"```[A-Za-z0-9_+-]*\n|(?m:^(?:\*\*)?>)", "", text)
        text = re.sub(r"\\([!-/:-@\[-`{-~])|[*_~`]|\|\|", r"\1", text)
    return utf16_units(text)


def _least_units(text: str, settings: Mapping[str, Any]) -> int:
    """The count under the parse mode that leaves least: a text too long by this is too long in any mode.

    The limits of the table are counted without the options; `_too_long_as_parsed` adds the exact mode's verdict.
    """
    return min(units_shown(text, mode) for mode in ("none", "HTML", "MarkdownV2"))


_TEXT = TextLimit(4096, "UTF-16 units", _least_units, _HOW)
_CAPTION = TextLimit(
    1024, "UTF-16 units", _least_units, f"{_HOW}; beside media the text is a caption", rule="caption.too_long", with_media=True
)


def _too_long_as_parsed(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    """The two length rules under the draft's own parse mode, where the table's lowest count let the text pass."""
    found = []
    mode = str(draft.options.get("parseMode", "none"))
    for index, segment in enumerate(draft.segments):
        for limit in (_TEXT, _CAPTION):
            measured = units_shown(segment.text, mode)
            applies = bool(segment.media) or not limit.with_media
            if applies and measured > limit.limit >= _least_units(segment.text, settings):
                detail = f"Telegram takes at most {limit.limit:,} {limit.unit}; this text has {measured:,} ({limit.how})."
                found.append(Violation(f"telegram.{limit.rule}", index, "text", detail, limit.limit, measured, limit.unit))
    return found


RULES = Rules(
    platform="telegram",
    name="Telegram",
    text=(_TEXT, _CAPTION),
    media={"image": MediaLimit(10, 10_000_000, ("image/jpeg", "image/png", "image/webp"))},
    most_media=10,
    daily_cap=DailyCap(
        28_800, 24, "20 messages a minute to one group (Telegram's Bot FAQ); there is no published figure for a day", "dailyPosts"
    ),
    options={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "parseMode": {
                "type": "string",
                "enum": ["none", "MarkdownV2", "HTML"],
                "description": "How Telegram reads markup in the text. Default none: the text appears as it stands.",
            },
            "disableNotification": {"type": "boolean", "description": "Send silently. Default false."},
            "protectContent": {"type": "boolean", "description": "Keep readers from forwarding and saving it. Default false."},
            "messageThreadId": {"type": "integer", "minimum": 1, "description": "Topic of a forum group to post into."},
            "linkPreview": {"type": "boolean", "description": "Show a preview of the first link of a text. Default true."},
            "showCaptionAboveMedia": {"type": "boolean", "description": "Show the text above the pictures. Default false."},
            "hasSpoiler": {"type": "boolean", "description": "Cover the pictures until they are tapped. Default false."},
        },
    },
    exactly_once=(
        "Telegram lets a bot look nothing up: when the answer to a send is lost the target ends unconfirmed and a person"
        " decides. It is never sent again by itself."
    ),
    source="Bot API 10.1 (2026-06-11), as in PaulSonOfLars/telegram-bot-api-spec 160fd99; upload sizes from telegrambots' book.",
    more=_too_long_as_parsed,
)


SWITCHES: Mapping[str, str] = {"disableNotification": "disable_notification", "protectContent": "protect_content"}
"""Our option -> parameter that every kind of message takes when it is on."""

LOOKS: Mapping[str, str] = {"showCaptionAboveMedia": "show_caption_above_media", "hasSpoiler": "has_spoiler"}
"""The same for a picture, alone or in an album."""


class Telegram(Standard):
    """`Publisher` for one bot in one chat. `account.account_id` is the chat's id."""

    rules = RULES
    default_server = "https://api.telegram.org"
    own_server = False
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("botToken", True, "The bot's token as @BotFather gave it: digits, a colon, letters."),
        CredentialField("chatId", True, "Where the bot posts: @channelname or the numeric id (-100…). The bot must be a member."),
    )

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True for a message with pictures: they travel with the sending call, and are fetched before it is armed."""
        return any(item.url not in delivery.held for segment in delivery.segments for item in segment.media)

    def start(self, delivery: Delivery) -> Mapping[str, Any]:
        """Nothing to choose beforehand."""
        return {}

    def prepare(self, delivery: Delivery) -> None:
        """Fetch the pictures into memory; Telegram keeps no upload apart from a message."""
        for segment in delivery.segments:
            for item in segment.media:
                delivery.held[item.url] = delivery.http.fetch_media(item, RULES.media["image"].bytes)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """Send the message. An album is one `Remote`: the first message's id, all ids in `extra["messageIds"]`."""
        chat = _chat_of(delivery.account, delivery.checkpoint)
        method, request = _message(delivery, chat, delivery.segments[segment])
        answer = irreversible(lambda: _call(delivery.account, delivery.http, method, **request))
        said = said_by(answer)
        if not 200 <= answer.status < 300:
            moved = _moved_to(said)
            if moved:
                delivery.save(chatId=moved)
                raise Retry("chat_moved", "The group became a supergroup; the message goes to its new id.", 1.0)
            if "ok" not in said:
                raise Unknown("answer_unclear", f"Not Telegram but something before it answered {answer.status}.")
            raise _refusal(answer)
        sent = said.get("result")
        messages = [m for m in (sent if isinstance(sent, list) else [sent]) if isinstance(m, dict) and m.get("message_id")]
        if not messages:
            raise Unknown("answer_unclear", "The answer to the sending call did not say which message was sent.")
        ids = [str(m["message_id"]) for m in messages]
        where = messages[0].get("chat")
        where = where if isinstance(where, dict) else {}
        chat_id = str(where.get("id") or chat)
        return (Remote(ids[0], _url(chat_id, str(where.get("username") or ""), ids[0]), {"chatId": chat_id, "messageIds": ids}),)

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Always undecidable."""
        return Undecidable("A Telegram bot cannot read back what it sent; look into the chat and say what is there.")

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """Delete the message, an album's other messages with it where `published` knows them."""
        account, chat, ids = delivery.account, _chat_of(delivery.account, delivery.checkpoint), [remote_id]
        for remote in delivery.published:
            if remote.id == remote_id:
                chat, ids = str(remote.extra.get("chatId") or chat), list(remote.extra.get("messageIds") or ids)
        for message_id in ids:
            _delete(account, delivery.http, chat, message_id)

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """Is the bot's token alive, and does it reach the chat? Follows a group that became a supergroup."""
        answer = harmless(lambda: _call(account, http, "getMe", json={}))
        if answer.status != 200 or not said_by(answer).get("ok"):
            raise _refusal(answer)
        chat = account.credentials.get("chatId") or _chat_of(account, {})
        answer = harmless(lambda: _call(account, http, "getChat", json={"chat_id": _chat_argument(chat)}))
        moved = _moved_to(said_by(answer))
        if moved:
            answer = harmless(lambda: _call(account, http, "getChat", json={"chat_id": _chat_argument(moved)}))
        found = said_by(answer).get("result")
        if answer.status != 200 or not isinstance(found, dict) or not found.get("id"):
            raise _refusal(answer)
        username, chat_id = str(found.get("username") or ""), str(found["id"])
        name = str(found.get("title") or (f"@{username}" if username else found.get("first_name") or chat_id))
        return AccountInfo(chat_id, name, {"chatId": chat_id, "username": username})

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """A bot's token never expires and is never refreshed."""
        return None


def _message(delivery: Delivery, chat: str, segment: Segment) -> tuple[str, dict[str, Any]]:
    """(method, arguments of the request) that say `segment`. Fetches pictures that `prepare` has not, which is harmless."""
    options = delivery.options
    common: dict[str, Any] = {"chat_id": _chat_argument(chat)}
    if options.get("messageThreadId") is not None:
        common["message_thread_id"] = options["messageThreadId"]
    common.update({member: True for name, member in SWITCHES.items() if options.get(name)})
    mode = options.get("parseMode", "none")
    parsed = {} if mode == "none" else {"parse_mode": mode}
    if not segment.media:
        preview = {} if options.get("linkPreview", True) else {"link_preview_options": {"is_disabled": True}}
        return "sendMessage", {"json": {**common, "text": segment.text, **parsed, **preview}}
    caption = {"caption": segment.text, **parsed} if segment.text else {}
    looks = {member: True for name, member in LOOKS.items() if options.get(name)}
    files = {f"photo{place}": _photo(delivery, segment, place) for place in range(len(segment.media))}
    if len(files) == 1:
        return "sendPhoto", {"data": _form({**common, **caption, **looks}), "files": {"photo": files["photo0"]}}
    import json

    album: list[dict[str, Any]] = [{"type": "photo", "media": f"attach://{name}", **looks} for name in files]
    album[0].update(caption)
    return "sendMediaGroup", {"data": {**_form(common), "media": json.dumps(album)}, "files": files}


def _form(members: Mapping[str, Any]) -> dict[str, str]:
    return {name: "true" if value is True else str(value) for name, value in members.items()}


def _delete(account: Account, http: Http, chat: str, message_id: str) -> None:
    body = {"chat_id": _chat_argument(chat), "message_id": int(message_id)}
    answer = harmless(lambda: _call(account, http, "deleteMessage", json=body))
    gone = "message to delete not found" in str(said_by(answer).get("description") or "")
    if answer.status != 200 and not gone:
        raise _refusal(answer)


def _photo(delivery: Delivery, segment: Segment, place: int) -> tuple[str, bytes, str]:
    limit = RULES.media["image"]
    item = segment.media[place]
    content, mime = delivery.held.get(item.url) or delivery.http.fetch_media(item, limit.bytes)
    if mime not in limit.formats:
        raise Failed("media_unsupported", f"Telegram takes {', '.join(limit.formats)} as a photo; this file is {mime}.")
    return f"photo{place}.{mime.rpartition('/')[2]}", content, mime


def _call(account: Account, http: Http, method: str, **request: Any) -> Answer:
    """One call of the Bot API. The token is in the URL: any exception that could quote it is rewritten."""
    token = account.credentials.get("botToken", "")
    if not re.fullmatch(r"\d+:[A-Za-z0-9_-]+", token):
        raise TokenRefused("token_malformed", "This is no bot token: it has digits, a colon, then letters, digits, - or _.")
    try:
        return http.request("POST", f"{account.server}/bot{token}/{method}", **request)
    except NotSent as error:
        raise NotSent(_scrubbed(str(error), token)) from None
    except AnswerLost as error:
        raise AnswerLost(_scrubbed(str(error), token)) from None


def _scrubbed(text: str, token: str) -> str:
    return text.replace(token, "…").replace(token.partition(":")[2], "…")


def _chat_of(account: Account, checkpoint: Mapping[str, Any]) -> str:
    """Where to post: a move noticed by an earlier try, then what `verify` learnt, then what the customer gave."""
    chat = (
        checkpoint.get("chatId") or account.settings.get("chatId") or account.credentials.get("chatId") or account.account_id
    )
    if not chat:
        raise Failed("no_chat", "The profile has no chatId: @channelname or the numeric id of the chat.")
    return str(chat)


def _chat_argument(chat: str) -> int | str:
    return int(chat) if re.fullmatch(r"-?\d+", chat) else chat


def _url(chat_id: str, username: str, message_id: str) -> str | None:
    """Public chats by name, supergroups and channels (-100…) by number for their members; nothing else has a link."""
    if username:
        return f"https://t.me/{username}/{message_id}"
    if chat_id.startswith("-100"):
        return f"https://t.me/c/{chat_id[4:]}/{message_id}"
    return None


def _parameters(said: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = said.get("parameters")
    return parameters if isinstance(parameters, dict) else {}


def _moved_to(said: Mapping[str, Any]) -> str | None:
    moved = _parameters(said).get("migrate_to_chat_id")
    return str(moved) if moved else None


def _refusal(answer: Answer) -> Outcome:
    """The outcome of an answer below 500 that is not a success."""
    said = said_by(answer)
    description = str(said.get("description") or "")[:300]
    if answer.status == 429:
        after = _parameters(said).get("retry_after")
        return Retry("rate_limited", "Telegram asks to wait.", float(after) if isinstance(after, int | float) else None)
    if "ok" not in said:
        return Retry("unexpected_answer", f"Not Telegram but something before it answered {answer.status}.")
    if answer.status in (401, 404):
        # 401 is a revoked token; 404 is how the Bot API answers a token it does not know at all.
        return TokenRefused("token_refused", f"Telegram refused the bot's token ({answer.status}).")
    if answer.status == 403:
        return Failed("forbidden", f"The bot may not post there: {description}")
    return Failed("rejected", f"Telegram refused the request with {answer.status}: {description}")


PUBLISHER: Publisher = Telegram()
