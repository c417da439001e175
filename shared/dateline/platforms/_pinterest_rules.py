"""What Pinterest takes, as data: the limits, the options, and what its refusals mean. A pin always stands on a board, which is an
option or the profile's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..domain.content import Draft
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation

TITLE, DESCRIPTION, ALT_TEXT, LINK = 100, 800, 500, 2048
CAROUSEL = (2, 5)
IMAGE_FORMATS = ("image/jpeg", "image/png", "image/webp")
VIDEO_FORMATS = ("video/mp4", "video/quicktime")
INLINE_FORMATS = ("image/jpeg", "image/png")
"""What the API takes as base64 (`ContentType` of the OpenAPI description)."""

OPTION_MEMBERS: Mapping[str, str] = {
    "title": "title", "link": "link", "boardSectionId": "board_section_id", "dominantColor": "dominant_color",
}
"""Our option -> member of `PinCreate` that takes the value as it is."""
COVER_MEMBERS: Mapping[str, str] = {"coverImageUrl": "cover_image_url", "coverImageSeconds": "cover_image_key_frame_time"}
"""Our option -> member of the video's `media_source`. The first that is given counts."""

Meaning = Literal["fetch", "media"]
PHRASES: tuple[tuple[str, Meaning], ...] = (
    ("unable to reach the url", "fetch"),
    ("could not fetch", "fetch"),
    ("unable to fetch", "fetch"),
    ("failed to download", "fetch"),
    ("media not found", "media"),
    ("media upload", "media"),
    ("media_id", "media"),
)
"""Words in a 400 or 404 of creating a pin -> what is behind it: it could not fetch our address, or knows the video no more.
Pinterest publishes no list of its codes; every other refusal is about what was asked for, and final."""


def board_of(options: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The board's id ("" when nobody named one): the post's own, else the profile's."""
    return str(options.get("boardId") or settings.get("boardId") or "")


def section_of(options: Mapping[str, Any]) -> str:
    """The id of the board's section, "" for none."""
    return str(options.get("boardSectionId") or "")


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    if board_of(draft.options, settings):
        return []
    detail = (
        "Pinterest needs the board to pin to: name it under platforms.pinterest.boardId, or give the profile one"
        ' ("settings": {"boardId": "…"}).'
    )
    return [Violation("pinterest.board.required", 0, "options/boardId", detail)]


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    media = draft.segments[0].media
    is_video = any(item.type == "video" for item in media)
    for name in COVER_MEMBERS:
        if name in draft.options and not is_video:
            detail = f"Only a video has a cover; this pin has none, and {name} is left out."
            found.append(Violation("pinterest.cover.ignored", 0, f"options/{name}", detail))
    if is_video and all(name in draft.options for name in COVER_MEMBERS):
        detail = "A video has one cover: coverImageUrl is taken, and coverImageSeconds is left out."
        found.append(Violation("pinterest.cover.ignored", 0, "options/coverImageSeconds", detail))
    if sum(1 for item in media if item.alt_text) > 1:
        detail = "A pin has one alternative text: the first image's is taken, the others are left out."
        found.append(Violation("pinterest.alt_text.ignored", 0, "media", detail))
    shapes = {(item.facts.width, item.facts.height) for item in media if item.facts is not None}
    if len(media) > 1 and len(shapes) > 1:
        detail = "Pinterest shows the images of a carousel in one shape; these differ, and it may cut or refuse them."
        found.append(Violation("pinterest.carousel.shapes", 0, "media", detail))
    return found


RULES = Rules(
    platform="pinterest",
    name="Pinterest",
    text=(
        TextLimit(DESCRIPTION, "characters", lambda text, settings: len(text), "as Unicode code points; it is the description"),
    ),
    media={
        "image": MediaLimit(CAROUSEL[1], 20 * 1024 * 1024, IMAGE_FORMATS),
        "gif": MediaLimit(1, 20 * 1024 * 1024, ("image/gif",)),
        "video": MediaLimit(1, 2 * 1024 * 1024 * 1024, VIDEO_FORMATS, seconds=(4.0, 900.0), ratio=(0.5, 1.91)),
    },
    exactly_once="Pinterest has no idempotency key: after a lost answer the board's pins are searched by title, description,"
    " link, kind of media and time. Where the board is too long to be read, the post ends unconfirmed.",
    source="pinterest/api-description, v5/openapi.json 5.23.0 of 2025-12-11; sizes and lengths of files as third parties quote"
    " Pinterest's help (ayrshare.com, 2026)",
    most_media=CAROUSEL[1],
    alt_text=ALT_TEXT,
    min_media=1,
    daily_cap=DailyCap(
        100 * 60 * 24, 24, "third parties quote Pinterest's rate limits (2026) for org_write with standard access: 100 calls a"
        " minute, user and app; trial access has 1,000 calls of every kind a day and app", "dailyPosts",
    ),
    options={
        "type": "object",
        "properties": {
            "boardId": {
                "type": "string", "pattern": "^[0-9]{1,30}$",
                "description": "The board to pin to. Default: the profile's setting `boardId`; one of the two is needed.",
            },
            "boardSectionId": {
                "type": "string", "pattern": "^[0-9]{1,30}$", "description": "A section of that board. Default: none.",
            },
            "title": {"type": "string", "minLength": 1, "maxLength": TITLE, "description": "The pin's title. Default: none."},
            "link": {
                "type": "string", "pattern": "^https?://[^ ]+$", "maxLength": LINK,
                "description": "Where a click on the pin leads. Default: none.",
            },
            "coverImageUrl": {
                "type": "string", "pattern": "^https?://[^ ]+$", "maxLength": LINK,
                "description": "A video's cover, as an address that Pinterest can fetch. Default: a frame of the video.",
            },
            "coverImageSeconds": {
                "type": "integer", "minimum": 0, "maximum": 900,
                "description": "Which frame of the video is its cover, in seconds from its start. Default: 0.",
            },
            "dominantColor": {
                "type": "string", "pattern": "^#[0-9A-Fa-f]{6}$",
                "description": "The colour shown until the picture is there. Default: Pinterest's own choice.",
            },
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
