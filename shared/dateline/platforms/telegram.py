"""Telegram: messages a bot sends to one channel, group or chat. Its rules stand in `_telegram_rules`.

A bot cannot look back: there is no idempotency key and no history, so a lost answer stays unknown for good and must never be
sent again. The bot's token stands in every URL; it must never get into an exception, a log line or a `repr`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..domain.content import Media, Segment
from ._files import LONG_BYTES, LONG_SECONDS, Form, Held, opened, time_for
from ._telegram_rules import LOOKED_AT, LOOKS, SWITCHES
from ._telegram_rules import RULES as RULES
from ._telegram_rules import units_shown as units_shown
from .base import (
    Account,
    AccountInfo,
    Answer,
    AnswerLost,
    CredentialField,
    Delivery,
    Failed,
    Http,
    MediaFile,
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

KINDS: Mapping[str, tuple[str, str]] = {
    "image": ("sendPhoto", "photo"), "video": ("sendVideo", "video"), "gif": ("sendAnimation", "animation"),
    "document": ("sendDocument", "document"),
}
"""Our type of medium -> the method that sends one alone, and what Telegram calls it there and in an album."""

HELD_BYTES = 24_000_000
"""A message's files are held in memory up to so many bytes in all; larger ones are read while they are sent."""


class Telegram(Standard):
    """`Publisher` for one bot in one chat. `account.account_id` is the chat's id."""

    rules = RULES
    default_server = "https://api.telegram.org"
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("botToken", True, "The bot's token as @BotFather gave it: digits, a colon, letters."),
        CredentialField("chatId", True, "Where the bot posts: @channelname or the numeric id (-100…). The bot must be a member."),
    )

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True for a message with media: they travel with the sending call, so they are got hold of before it is armed."""
        return any(item.url not in delivery.held for segment in delivery.segments for item in segment.media)

    def prepare(self, delivery: Delivery) -> None:
        """Open every file and see that Telegram takes it; read them into memory unless they are large, so that nothing can come
        between arming and sending. Nothing is sent: Telegram keeps no upload apart from a message."""
        for segment in delivery.segments:
            files = {item.url: _opened(delivery, item) for item in segment.media}
            size = sum(files[item.url].size for item in segment.media)
            time_for(delivery, size)
            delivery.held.update({url: Held(file) if size <= HELD_BYTES else file for url, file in files.items()})

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


def _message(delivery: Delivery, chat: str, segment: Segment) -> tuple[str, dict[str, Any]]:
    """(method, arguments of the request) that say `segment`. Media are read while it is sent."""
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
    files = [(item, _opened(delivery, item)) for item in segment.media]
    if len(files) == 1:
        (item, file), (method, part) = files[0], KINDS[segment.media[0].type]
        fields = _form({**common, **caption, **_looks(delivery, item), **_seen(item, file)})
        return method, _upload(fields, {part: (_file_name(item, file, 0), file)})
    import json

    album: list[dict[str, Any]] = []
    parts = {}
    for place, (item, file) in enumerate(files):
        part = KINDS[item.type][1]
        parts[f"{part}{place}"] = (_file_name(item, file, place), file)
        album.append({"type": part, "media": f"attach://{part}{place}", **_looks(delivery, item), **_seen(item, file)})
    album[0].update(caption)
    return "sendMediaGroup", _upload({**_form(common), "media": json.dumps(album)}, parts)


def _upload(fields: Mapping[str, str], files: Mapping[str, tuple[str, MediaFile]]) -> dict[str, Any]:
    """The arguments of a request with files, which are read while it is sent."""
    form = Form(fields, files)
    return {"data": form, "headers": form.headers, "seconds": LONG_SECONDS if len(form) > LONG_BYTES else None}


def _looks(delivery: Delivery, item: Media) -> dict[str, Any]:
    options = delivery.options if item.type in LOOKED_AT else {}
    return {member: True for name, member in LOOKS.items() if options.get(name)}


def _seen(item: Media, file: MediaFile) -> dict[str, Any]:
    """How large and how long a video is, which Telegram does not find out for itself, and that it may be played as it comes."""
    if item.type != "video":
        return {}
    sizes = {"width": file.width, "height": file.height, "duration": file.seconds and round(file.seconds)}
    return {**{name: size for name, size in sizes.items() if size}, "supports_streaming": True}


def _form(members: Mapping[str, Any]) -> dict[str, str]:
    return {name: "true" if value is True else str(value) for name, value in members.items()}


def _delete(account: Account, http: Http, chat: str, message_id: str) -> None:
    body = {"chat_id": _chat_argument(chat), "message_id": int(message_id)}
    answer = harmless(lambda: _call(account, http, "deleteMessage", json=body))
    gone = "message to delete not found" in str(said_by(answer).get("description") or "")
    if answer.status != 200 and not gone:
        raise _refusal(answer)


def _opened(delivery: Delivery, item: Media) -> MediaFile:
    return delivery.held.get(item.url) or opened(delivery, RULES, item, "media_unsupported")


def _file_name(item: Media, file: MediaFile, place: int) -> str:
    """What the file is called in the upload. Readers see it of a document: that keeps the name it has in its URL."""
    ending = file.mime.rpartition("/")[2]
    if item.type == "document":
        from urllib.parse import unquote, urlsplit

        own = re.sub(r"[^\w .()-]", "_", unquote(urlsplit(item.url).path.rpartition("/")[2]))[:100]
        return own if own.lower().endswith(f".{ending}") else f"document{place}.{ending}"
    return f"{KINDS[item.type][1]}{place}.{ending}"


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
