"""What Instagram takes, as data: the kinds of content, their files, the options, and which option is for which kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from ..domain.content import Draft, Segment
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation

Kind = Literal["image", "carousel", "reel", "story"]
FEED_RATIO = (4 / 5, 1.91)
"""Width by height of a picture in the feed; a story's may have any."""
STORY_SECONDS, STORY_BYTES = (3.0, 60.0), 100 * 1024 * 1024
MOST_MEDIA = 10
NOTICED_HASHTAGS = 5
"""Reported by another vendor (Ayrshare) and not by Instagram's own pages: a warning, no refusal."""

OPTIONS_FOR: Mapping[str, tuple[Kind, ...]] = {
    "collaborators": ("image", "carousel", "reel"),
    "locationId": ("image", "carousel", "reel"),
    "userTags": ("image", "carousel", "reel", "story"),
    "coverUrl": ("reel",),
    "thumbOffsetMs": ("reel",),
    "shareToFeed": ("reel",),
}
"""Option -> the kinds of content that carry it; on any other it is left out, with a warning."""


def kind_of(segment: Segment, options: Mapping[str, Any]) -> Kind:
    """What a post is published as. A single video is always a reel: Instagram has had no other since July 2023."""
    if options.get("contentType") == "story" and len(segment.media) == 1:
        return "story"
    if len(segment.media) > 1:
        return "carousel"
    return "reel" if segment.media and segment.media[0].type == "video" else "image"


def _hashtags(text: str, settings: Mapping[str, Any]) -> int:
    return len(re.findall(r"(?<![\w&/])#\w+", text))


def _mentions(text: str, settings: Mapping[str, Any]) -> int:
    return len(re.findall(r"(?<![\w.@/])@[\w.]+", text))


def _characters(text: str, settings: Mapping[str, Any]) -> int:
    return len(text)


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    segment, options = draft.segments[0], draft.options
    if options.get("contentType") == "story":
        return _story(draft, segment) + _tagged_elsewhere(segment, options)
    found = []
    for place, item in enumerate(segment.media):
        if item.type == "image" and item.facts and item.facts.width and item.facts.height:
            ratio = item.facts.width / item.facts.height
            if not FEED_RATIO[0] - 0.01 <= ratio <= FEED_RATIO[1] + 0.01:
                detail = (
                    f"Instagram takes pictures in the feed whose width is 0.80 to 1.91 times the height; this file is"
                    f" {item.facts.width:,} x {item.facts.height:,}."
                )
                found.append(Violation("instagram.media.ratio", 0, f"media/{place}", detail))
    return found + _tags(segment, options)


def _story(draft: Draft, segment: Segment) -> list[Violation]:
    found = []
    if len(segment.media) > 1:
        detail = f"A story on Instagram is one picture or video; this one has {len(segment.media)}."
        found.append(Violation("instagram.story.too_many", 0, "media", detail, 1, len(segment.media), "media"))
    if draft.comment is not None:
        detail = 'A story on Instagram takes no comment: leave it out, or say "firstComment": "" under platforms.instagram.'
        found.append(Violation("instagram.first_comment.story", 0, "firstComment", detail))
    for place, item in enumerate(segment.media):
        if item.type != "video" or item.facts is None:
            continue
        length, size = item.facts.seconds, item.facts.size
        if length is not None and length > STORY_SECONDS[1]:
            detail = f"A video in a story on Instagram has at most {STORY_SECONDS[1]:g} seconds; this one has {length:.1f}."
            most = round(STORY_SECONDS[1])
            found.append(Violation("instagram.story.too_long", 0, f"media/{place}", detail, most, round(length), "seconds"))
        if size > STORY_BYTES:
            detail = f"A video in a story on Instagram has at most {STORY_BYTES:,} bytes; this one has {size:,}."
            found.append(Violation("instagram.story.too_large", 0, f"media/{place}", detail, STORY_BYTES, size, "bytes"))
    return found


def _tags(segment: Segment, options: Mapping[str, Any]) -> list[Violation]:
    found = []
    for place, tag in enumerate(options.get("userTags") or () if segment.media else ()):
        if not isinstance(tag, Mapping):
            continue
        index, field = tag.get("mediaIndex", 0), f"options/userTags/{place}"
        if not isinstance(index, int) or index >= len(segment.media):
            detail = f"Instagram tags people in media of the post: it has {len(segment.media)}, counted from 0."
            found.append(Violation("instagram.user_tags.media_index", 0, f"{field}/mediaIndex", detail))
        elif segment.media[index].type == "image" and not ("x" in tag and "y" in tag):
            detail = "Instagram wants to know where in a picture somebody is tagged: x and y, from 0.0 to 1.0."
            found.append(Violation("instagram.user_tags.position", 0, field, detail))
    return found


def _tagged_elsewhere(segment: Segment, options: Mapping[str, Any]) -> list[Violation]:
    """A story's tags that name a medium it does not have. (It takes them without a position.)"""
    return [one for one in _tags(segment, options) if one.rule == "instagram.user_tags.media_index"]


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    segment, options, found = draft.segments[0], draft.options, []

    def add(rule: str, field: str, detail: str) -> None:
        found.append(Violation(f"instagram.{rule}.ignored", 0, field, detail))

    kind, wanted = kind_of(segment, options), options.get("contentType")
    if segment.media and wanted == "reel" and kind != "reel":
        what = "A carousel" if kind == "carousel" else "A picture"
        add("content_type", "options/contentType", f"{what} cannot be a reel on Instagram: it goes to the feed as what it is.")
    if wanted == "feed" and kind == "reel":
        detail = "Instagram publishes every single video as a reel; this one shows in the feed as well."
        add("content_type", "options/contentType", detail)
    for name, kinds in OPTIONS_FOR.items():
        if name in options and kind not in kinds:
            rule = re.sub(r"([A-Z])", lambda letter: "_" + letter.group().lower(), name)
            add(rule, f"options/{name}", f"Instagram has no {name} for a post that is published as {kind}: it is left out.")
    tags = _hashtags(segment.text, settings)
    if kind != "story" and tags > NOTICED_HASHTAGS:
        detail = f"Instagram is said to heed only {NOTICED_HASHTAGS} hashtags of a post; this one has {tags}."
        found.append(Violation("instagram.hashtags.many", 0, "text", detail, NOTICED_HASHTAGS, tags, "hashtags"))
    if kind == "story" and segment.text.strip():
        add("text", "text", "A story on Instagram has no caption: the text does not appear.")
    for place, item in enumerate(segment.media):
        if item.alt_text and (kind == "story" or item.type == "video"):
            add("alt_text", f"media/{place}", "Instagram takes alternative text for pictures in the feed only: it is left out.")
    return found


RULES = Rules(
    platform="instagram",
    name="Instagram",
    text=(
        TextLimit(2200, "characters", _characters, "every code point counts one"),
        TextLimit(30, "hashtags", _hashtags, "every # with a word behind it", rule="text.too_many_hashtags"),
        TextLimit(20, "mentions", _mentions, "every @ with a name behind it", rule="text.too_many_mentions"),
    ),
    media={
        "image": MediaLimit(MOST_MEDIA, 8 * 1024 * 1024, ("image/jpeg",)),
        "video": MediaLimit(MOST_MEDIA, 1024**3, ("video/mp4", "video/quicktime"), seconds=(3.0, 900.0), ratio=(0.01, 10.0)),
    },
    exactly_once="A post is prepared as a container that is published once: after a lost answer the container itself says whether"
    " it was, and a repeat cannot double it. Only which post came of it has to be found in the account's list; where it cannot be"
    " told from others, the post ends unconfirmed. A comment is looked up by its words.",
    source="developers.facebook.com/documentation/instagram-platform: content-publishing, ig-user/media, ig-container,"
    " error-codes (2026-06-02), business-login (2026-03-13); files up to 1 GB though one page says 300 MB",
    most_media=MOST_MEDIA,
    mixed_media=True,
    alt_text=1000,
    min_media=1,
    first_comment=True,
    daily_cap=DailyCap(
        100, 24, "Instagram's content publishing guide: 100 posts by API in 24 hours and account (its reference says 50); the"
        " account's own figure is read when it is connected", "dailyPosts",
    ),
    options={
        "type": "object",
        "properties": {
            "contentType": {
                "type": "string", "enum": ["feed", "reel", "story"],
                "description": "What to publish it as. By default a single video is a reel, everything else goes to the feed.",
            },
            "collaborators": {
                "type": "array", "minItems": 1, "maxItems": 3,
                "items": {"type": "string", "pattern": "^[A-Za-z0-9._]{1,30}$"},
                "description": "Names of up to three accounts that are asked to be co-authors. Not for stories.",
            },
            "locationId": {
                "type": "string", "pattern": "^[0-9]{1,20}$",
                "description": "Id of the Facebook page of the place. Not for stories.",
            },
            "userTags": {
                "type": "array", "minItems": 1, "maxItems": 20,
                "items": {
                    "type": "object",
                    "properties": {
                        "username": {
                            "type": "string", "pattern": "^[A-Za-z0-9._]{1,30}$", "description": "A public account's name.",
                        },
                        "x": {"type": "number", "minimum": 0, "maximum": 1, "description": "From the left edge, a part of 1."},
                        "y": {"type": "number", "minimum": 0, "maximum": 1, "description": "From the upper edge, a part of 1."},
                        "mediaIndex": {
                            "type": "integer", "minimum": 0, "maximum": 9,
                            "description": "In which medium of a carousel, counted from 0. The first by default.",
                        },
                    },
                    "required": ["username"], "additionalProperties": False,
                },
                "description": "People who are tagged: in pictures with a position, in videos without.",
            },
            "coverUrl": {
                "type": "string", "pattern": r"^https://[^\s]{1,2000}$",
                "description": "Public address of a JPEG that is the reel's cover. A frame of the video by default.",
            },
            "thumbOffsetMs": {
                "type": "integer", "minimum": 0, "maximum": 900_000,
                "description": "Which frame is the reel's cover, in milliseconds. The first by default; a coverUrl goes before.",
            },
            "shareToFeed": {
                "type": "boolean", "description": "Whether a reel shows in the profile's feed as well. True by default.",
            },
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
