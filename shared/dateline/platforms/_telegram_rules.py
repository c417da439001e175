"""What Telegram takes of a bot, as data: lengths counted as it counts them, files, options, and how an option is named there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..domain.content import Draft
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation

SWITCHES: Mapping[str, str] = {"disableNotification": "disable_notification", "protectContent": "protect_content"}
"""Our option -> parameter that every kind of message takes when it is on."""

LOOKS: Mapping[str, str] = {"showCaptionAboveMedia": "show_caption_above_media", "hasSpoiler": "has_spoiler"}
"""The same for what is looked at (`LOOKED_AT`), alone or in an album."""

LOOKED_AT = ("image", "video", "gif")

MOST_BYTES = 50_000_000
"""What a bot may upload in one file that is no photo."""

MOST_PIXELS = 10_000
"""Width and height of a photo together."""

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


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    return _too_long_as_parsed(draft, settings) + _albums(draft) + _photos(draft)


def _albums(draft: Draft) -> list[Violation]:
    """What does not go together: an album has photos and videos, or documents alone; an animation stands by itself."""
    found = []
    for index, segment in enumerate(draft.segments):
        types = {item.type for item in segment.media}
        if len(types) > 1 and types & {"gif", "document"}:
            detail = f"Telegram's albums mix photos and videos only; this one has {' and '.join(sorted(types))}."
            found.append(Violation("telegram.media.mixed", index, "media", detail))
    return found


def _photos(draft: Draft) -> list[Violation]:
    found = []
    for index, segment in enumerate(draft.segments):
        for place, item in enumerate(segment.media):
            facts = item.facts if item.type == "image" else None
            together = (facts.width or 0) + (facts.height or 0) if facts else 0
            if together > MOST_PIXELS:
                detail = f"A photo on Telegram has at most {MOST_PIXELS:,} pixels, width and height together; this: {together:,}."
                rule = "telegram.media.dimensions"
                found.append(Violation(rule, index, f"media/{place}", detail, MOST_PIXELS, together, "pixels"))
    return found


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    """What Telegram passes over: alternative text, and the looks of a picture where there is none."""
    found = []
    for index, segment in enumerate(draft.segments):
        for place, item in enumerate(segment.media):
            if item.alt_text:
                detail = "Telegram has no alternative text: readers will not get it."
                found.append(Violation("telegram.alt_text.ignored", index, f"media/{place}", detail))
    shown = any(item.type in LOOKED_AT for segment in draft.segments for item in segment.media)
    for name in LOOKS:
        if draft.options.get(name) and not shown:
            detail = f"{name} does nothing here: the post has no picture, video or animation."
            found.append(Violation("telegram.option.ignored", 0, f"options/{name}", detail))
    if draft.options.get("linkPreview") is not None and any(segment.media for segment in draft.segments):
        detail = "linkPreview does nothing here: a text beside media has no preview."
        found.append(Violation("telegram.option.ignored", 0, "options/linkPreview", detail))
    return found


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
    media={
        "image": MediaLimit(10, 10_000_000, ("image/jpeg", "image/png", "image/webp"), ratio=(1 / 20, 20)),
        "video": MediaLimit(10, MOST_BYTES, ("video/mp4",)),
        "gif": MediaLimit(1, MOST_BYTES, ("image/gif", "video/mp4")),
        "document": MediaLimit(10, MOST_BYTES, ("application/pdf",)),
    },
    most_media=10,
    mixed_media=True,  # photos and videos; `_albums` says what else does not go together
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
            "showCaptionAboveMedia": {
                "type": "boolean", "description": "Show the text above pictures, videos and animations. Default false.",
            },
            "hasSpoiler": {
                "type": "boolean", "description": "Cover pictures, videos and animations until they are tapped. Default false.",
            },
        },
    },
    exactly_once=(
        "Telegram lets a bot look nothing up: when the answer to a send is lost the target ends unconfirmed and a person"
        " decides. It is never sent again by itself."
    ),
    source="Bot API 10.1 (2026-06-11), as in PaulSonOfLars/telegram-bot-api-spec 160fd99: photos of 10 MB, 10,000 pixels for"
    " width and height together and a ratio of 20 at most; other files of 50 MB by upload.",
    more=_more,
    advise=_advise,
)
