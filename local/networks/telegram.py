"""A stand-in for Telegram's Bot API: bots by the token in the URL, chats they may post to, messages that cannot be read back.

It parses markup before it counts, as the real one does, and keeps albums as one line of the ledger. There is deliberately no
way to list messages: a publisher that would need one has to fail here.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Entry, Network, Phase, Route, World, answer

_HTML_TAGS = frozenset({
    "b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler", "a", "tg-emoji", "code", "pre",
    "blockquote",
})
MOST_PHOTO_BYTES = 10_000_000
MOST_BYTES = 50_000_000
TYPES: Mapping[str, tuple[bytes, ...]] = {
    "photo": (b"\x89PNG", b"\xff\xd8\xff", b"RIFF"), "video": (b"ftyp",), "animation": (b"GIF8", b"ftyp"), "document": (b"",),
}
"""What a file of each kind begins with (an MP4 after four bytes); anything may be a document."""
SEEN = frozenset({"show_caption_above_media", "has_spoiler"})
ITEM_MEMBERS: Mapping[str, frozenset[str]] = {
    "photo": SEEN, "video": SEEN | {"thumbnail", "cover", "start_timestamp", "width", "height", "duration", "supports_streaming"},
    "document": frozenset({"thumbnail", "disable_content_type_detection"}),
}
"""Members of the album items that may be in one album, beside type, media and the caption's."""
LOOKS = ("width", "height", "duration", "supports_streaming", "has_spoiler", "show_caption_above_media")
CAPTION_MEMBERS = frozenset({"type", "media", "caption", "parse_mode", "caption_entities"})


class _Refusal(Exception):
    """A Bot API error on its way to the answer."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.answer = _error(status, description, **parameters)


@dataclass
class Chat:
    """A chat one bot posts to. `moved_to` is set once the group became a supergroup, `kicked` once the bot is out."""

    id: int
    profile_id: str
    token: str
    username: str | None
    title: str
    moved_to: int | None = None
    kicked: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The Bot API's `Chat`."""
        kind = "supergroup" if str(self.id).startswith("-100") else "group"
        shown = {"username": self.username} if self.username else {}
        return {"id": self.id, "type": kind, "title": self.title, **shown}


class TelegramNetwork(Network):
    """Any number of bots with one chat each; `prof_telegram` posts to @dateline_local."""

    platform: ClassVar[str] = "telegram"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.chats: dict[int, Chat] = {}
        self.messages: dict[tuple[int, int], Entry] = {}
        self.names: list[str] = []
        """File names of all uploads so far."""
        handlers: dict[str, tuple[Phase, Callable[..., Response]]] = {
            "getMe": ("read", self._get_me),
            "getChat": ("read", self._get_chat),
            "sendMessage": ("publish", self._send_message),
            "sendPhoto": ("publish", partial(self._send_file, "photo")),
            "sendVideo": ("publish", partial(self._send_file, "video")),
            "sendAnimation": ("publish", partial(self._send_file, "animation")),
            "sendDocument": ("publish", partial(self._send_file, "document")),
            "sendMediaGroup": ("publish", self._send_media_group),
            "deleteMessage": ("delete", self._delete_message),
        }
        for name, (phase, handle) in handlers.items():
            self.routes.append(Route("POST", rf"/bot(?P<token>[^/]+)/{name}", phase, _answering(handle)))
        self.chats[-1001234567890] = Chat(
            -1001234567890, "prof_telegram", "123456:local-telegram-token", "dateline_local", "Dateline local"
        )

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What a profile of this network is seeded with; its bot and chat are made on first sight."""
        with self.world.lock:
            chat = next((c for c in self.chats.values() if c.profile_id == profile_id), None)
            if chat is None:
                number = int.from_bytes(hashlib.sha256(profile_id.encode()).digest()[:4], "big")
                chat = Chat(-1_002_000_000_000 - number, profile_id, f"{number}:local-{number:x}", None, profile_id)
                self.chats[chat.id] = chat
        return {
            "server": "/telegram", "accountId": str(chat.id), "credentials": {"botToken": chat.token, "chatId": str(chat.id)},
        }

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        """401 unless some bot has this token."""
        return None if any(chat.token == groups["token"] for chat in self.chats.values()) else self.expired()

    def rate_limited(self, retry_after: float) -> Response:
        """429 with `parameters.retry_after` in whole seconds."""
        seconds = math.ceil(retry_after)
        return _error(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)

    def server_error(self) -> Response:
        """500 in the Bot API's shape."""
        return _error(500, "Internal Server Error")

    def rejected(self) -> Response:
        """400: not this content."""
        return _error(400, "Bad Request: message is not acceptable")

    def expired(self) -> Response:
        """401: the token was revoked."""
        return _error(401, "Unauthorized")

    def migrate(self, profile_id: str) -> int:
        """Turn the profile's group into a supergroup: its old id answers with the new one, which is returned."""
        old = next(c for c in self.chats.values() if c.profile_id == profile_id and c.moved_to is None)
        old.moved_to = -1_003_000_000_000 - self.next_number()
        self.chats[old.moved_to] = Chat(old.moved_to, profile_id, old.token, old.username, old.title)
        return old.moved_to

    def kick(self, profile_id: str) -> None:
        """Put the bot out of the profile's chat."""
        for chat in self.chats.values():
            chat.kicked = chat.kicked or chat.profile_id == profile_id

    def _get_me(self, request: Request, token: str) -> Response:
        number = int(token.partition(":")[0])
        return _well({"id": number, "is_bot": True, "first_name": "Dateline", "username": f"dateline_{number}_bot"})

    def _get_chat(self, request: Request, token: str) -> Response:
        return _well(self._chat(_arguments(request), token).as_dict())

    def _send_message(self, request: Request, token: str) -> Response:
        said = _arguments(request)
        chat = self._chat(said, token)
        text = _parsed(str(said.get("text") or ""), said.get("parse_mode"))
        if not text.strip():
            raise _Refusal(400, "Bad Request: message text is empty")
        if _units(text) > 4096:
            raise _Refusal(400, "Bad Request: message is too long")
        entry, ids = self._show(chat, text, 1, [], said)
        return _well(self._message(chat, ids[0], {"text": entry.text}))

    def _send_file(self, kind: str, request: Request, token: str) -> Response:
        said = _arguments(request)
        chat = self._chat(said, token)
        file = self._file(request, kind, kind)
        caption = self._caption(said)
        looks = {name: said[name] for name in LOOKS if name in said}
        _, ids = self._show(chat, caption, 1, [file], said, kinds=[kind], looks=looks)
        return _well(self._message(chat, ids[0], {**_content(kind, file), "caption": caption}))

    def _send_media_group(self, request: Request, token: str) -> Response:
        said = _arguments(request)
        chat = self._chat(said, token)
        try:
            items = json.loads(said.get("media") or "")
        except ValueError:
            raise _Refusal(400, "Bad Request: can't parse media JSON object") from None
        if not 2 <= len(items) <= 10:
            raise _Refusal(400, "Bad Request: group send failed: an album has 2 to 10 items")
        kinds = [str(item.get("type")) for item in items]
        files = []
        for kind, item in zip(kinds, items, strict=True):
            if kind not in ITEM_MEMBERS:
                raise _Refusal(400, "Bad Request: type of file mismatch")
            if set(item) - ITEM_MEMBERS[kind] - CAPTION_MEMBERS:
                raise _Refusal(400, "Bad Request: can't parse InputMedia: unknown field")
            if not str(item.get("media")).startswith("attach://"):
                raise _Refusal(400, "Bad Request: this stand-in takes uploads only")
            files.append(self._file(request, item["media"].removeprefix("attach://"), kind))
        if "document" in kinds and set(kinds) != {"document"}:
            raise _Refusal(400, "Bad Request: document can't be mixed with other media types")
        caption = self._caption(items[0])
        _, ids = self._show(chat, caption, len(files), files, said, kinds=kinds)
        first = {"caption": caption} if caption else {}
        return _well([
            self._message(chat, number, {**_content(kind, file), **(first if number == ids[0] else {})})
            for number, kind, file in zip(ids, kinds, files, strict=True)
        ])

    def _delete_message(self, request: Request, token: str) -> Response:
        said = _arguments(request)
        chat = self._chat(said, token)
        entry = self.messages.pop((chat.id, int(said.get("message_id") or 0)), None)
        if entry is None:
            raise _Refusal(400, "Bad Request: message to delete not found")
        entry.gone = not any(other is entry for other in self.messages.values())
        return _well(True)

    def _chat(self, said: Mapping[str, Any], token: str) -> Chat:
        wanted = str(said.get("chat_id"))
        for chat in self.chats.values():
            if chat.token == token and wanted in (str(chat.id), f"@{chat.username}"):
                if chat.moved_to is not None:
                    raise _Refusal(
                        400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.moved_to
                    )
                if chat.kicked:
                    raise _Refusal(403, "Forbidden: bot was kicked from the supergroup chat")
                return chat
        raise _Refusal(400, "Bad Request: chat not found")

    def _caption(self, said: Mapping[str, Any]) -> str:
        caption = _parsed(str(said.get("caption") or ""), said.get("parse_mode"))
        if _units(caption) > 1024:
            raise _Refusal(400, "Bad Request: message caption is too long")
        return caption

    def _file(self, request: Request, name: str, kind: str) -> str:
        file = request.files.get(name)
        content = file.read() if file is not None else b""
        if file is None or not content:
            raise _Refusal(400, f"Bad Request: there is no {kind} in the request")
        if len(content) > (MOST_PHOTO_BYTES if kind == "photo" else MOST_BYTES):
            raise _Refusal(413, "Request Entity Too Large")
        if not any(content.startswith(magic) or content[4:].startswith(magic) for magic in TYPES[kind]):
            raise _Refusal(400, "Bad Request: IMAGE_PROCESS_FAILED" if kind == "photo" else "Bad Request: wrong file type")
        self.names.append(str(file.filename))
        return f"{kind}-" + hashlib.sha256(content).hexdigest()[:16]

    def _show(
        self, chat: Chat, text: str, count: int, media: list[str], said: Mapping[str, Any], **more: Any
    ) -> tuple[Entry, list[int]]:
        ids = [self.next_number() for _ in range(count)]
        silent = str(said.get("disable_notification") or "").lower() == "true"
        extra = {"chat_id": chat.id, "message_ids": ids, "silent": silent, "topic": said.get("message_thread_id")}
        extra["protected"] = str(said.get("protect_content") or "").lower() == "true"
        preview = said.get("link_preview_options") or {}
        entry = self.visible(
            chat.profile_id, str(ids[0]), text, media, None, preview=not preview.get("is_disabled"), **extra, **more
        )
        self.messages.update({(chat.id, number): entry for number in ids})
        return entry, ids

    def _message(self, chat: Chat, number: int, content: Mapping[str, Any]) -> dict[str, Any]:
        return {"message_id": number, "date": int(self.now().timestamp()), "chat": chat.as_dict(), **content}


class _Markup(HTMLParser):
    """Telegram's HTML: the text that is left, or a refusal."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.shown: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _HTML_TAGS:
            raise _Refusal(400, f'Bad Request: can\'t parse entities: Unsupported start tag "{tag}"')
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise _Refusal(400, f'Bad Request: can\'t parse entities: Unexpected end tag "{tag}"')

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def _parsed(text: str, mode: Any) -> str:
    """The text a reader sees. Raises `_Refusal` where Telegram could not parse it."""
    if not mode:
        return text
    if mode == "HTML":
        markup = _Markup()
        markup.feed(text)
        markup.close()
        if markup.open:
            raise _Refusal(400, f'Bad Request: can\'t parse entities: Can\'t find end tag for "{markup.open[-1]}"')
        return "".join(markup.shown)
    if mode == "MarkdownV2":
        return _markdown(text)
    raise _Refusal(400, "Bad Request: unsupported parse_mode")


_MARKDOWN = re.compile(
    r"\\(?P<escaped>[!-/:-@\[-`{-~])|\[(?P<label>[^\[\]]*)\]\([^)]*\)|(?P<marker>\*|__|_|~|\|\||```|`)|(?P<plain>.)", re.DOTALL
)


def _markdown(text: str) -> str:
    """MarkdownV2 without nesting rules: escapes, links and markers go; a reserved character left over is refused."""
    shown = []
    for match in _MARKDOWN.finditer(text):
        if match["label"] is not None:
            shown.append(_markdown(match["label"]))
        elif match["plain"] is not None and match["plain"] in ">#+-=|{}.![]()":
            raise _Refusal(
                400, f"Bad Request: can't parse entities: Character '{match['plain']}' is reserved and must be escaped"
            )
        else:
            shown.append(match["escaped"] or match["plain"] or "")
    return "".join(shown)


def _content(kind: str, file: str) -> dict[str, Any]:
    return {kind: [{"file_id": file}] if kind == "photo" else {"file_id": file}}


def _units(text: str) -> int:
    return sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def _arguments(request: Request) -> dict[str, Any]:
    said = request.get_json(silent=True) if request.is_json else request.form.to_dict()
    return said if isinstance(said, dict) else {}


def _well(result: Any) -> Response:
    return answer(200, {"ok": True, "result": result})


def _error(status: int, description: str, **parameters: int) -> Response:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    return answer(status, {**body, "parameters": parameters} if parameters else body)


def _answering(handle: Callable[..., Response]) -> Callable[..., Response]:
    def handled(request: Request, **groups: str) -> Response:
        try:
            return handle(request, **groups)
        except _Refusal as refusal:
            return refusal.answer

    return handled
