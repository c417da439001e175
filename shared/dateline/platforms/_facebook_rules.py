"""What a Facebook page takes, as data: the limits, the options, and which kind of post its content and options make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..domain.content import Draft
from ..domain.rules import DailyCap, MediaLimit, NativeWindow, Rules, TextLimit, Violation

Kind = Literal["text", "photos", "video", "reel", "photo_story", "video_story"]
IMAGE_FORMATS = ("image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff")
VIDEO_FORMATS = ("video/mp4", "video/quicktime")
SHORT = {"reel": (3.0, 90.0), "video_story": (3.0, 60.0)}
LEAST_WIDTH, LEAST_HEIGHT, TALL = 540, 960, 9 / 16
SAFE_PHOTO = 4 * 1024 * 1024


def kind_of(options: Mapping[str, Any], types: tuple[str, ...]) -> Kind:
    """What the content and the option `contentType` make: an option that does not fit leaves what the content is by itself."""
    wanted = options.get("contentType", "post")
    if types == ("video",):
        kinds: dict[str, Kind] = {"reel": "reel", "story": "video_story"}
        return kinds.get(wanted, "video")
    if types == ("image",) and wanted == "story":
        return "photo_story"
    return "photos" if types else "text"


def _kind(draft: Draft) -> Kind:
    return kind_of(draft.options, tuple(item.type for item in draft.segments[0].media))


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    kind = _kind(draft)
    facts = draft.segments[0].media[0].facts if draft.segments[0].media else None
    if kind in SHORT and facts is not None:
        name, (least, most) = kind.replace("video_", ""), SHORT[kind]
        if facts.seconds is not None and not least <= facts.seconds <= most:
            detail = f"A {name} on Facebook has {least:g} to {most:g} seconds; this video has {facts.seconds:.1f}."
            limit = round(least if facts.seconds < least else most)
            found.append(Violation(f"facebook.{name}.length", 0, "media/0", detail, limit, round(facts.seconds), "seconds"))
        if facts.width and facts.height:
            if facts.width < LEAST_WIDTH or facts.height < LEAST_HEIGHT:
                detail = (
                    f"A {name} on Facebook has at least {LEAST_WIDTH} x {LEAST_HEIGHT} pixels; this video has"
                    f" {facts.width:,} x {facts.height:,}."
                )
                found.append(Violation(f"facebook.{name}.too_small", 0, "media/0", detail))
            elif abs(facts.width / facts.height - TALL) > 0.01:
                detail = f"A {name} on Facebook is 9 wide to 16 high; this video is {facts.width:,} x {facts.height:,}."
                found.append(Violation(f"facebook.{name}.ratio", 0, "media/0", detail))
    if kind in ("photo_story", "video_story"):
        if draft.comment is not None:
            detail = "A story on Facebook takes no comment: leave the first comment out, or make it a post."
            found.append(Violation("facebook.first_comment.story", 0, "firstComment", detail))
        if draft.options.get("nativeSchedule"):
            detail = "Facebook does not keep a story until its time: leave nativeSchedule out."
            found.append(Violation("facebook.native_schedule.story", 0, "options/nativeSchedule", detail))
    return found


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    kind, options, segment = _kind(draft), draft.options, draft.segments[0]

    def add(rule: str, where: str, detail: str) -> None:
        found.append(Violation(f"facebook.{rule}", 0, where, detail))

    wanted = options.get("contentType", "post")
    if wanted == "reel" and kind != "reel":
        add("content_type.ignored", "options/contentType", "A reel is one video; this is published as an ordinary post.")
    if wanted == "story" and kind not in ("photo_story", "video_story"):
        add("content_type.ignored", "options/contentType", "A story is one picture or one video; this is published as a post.")
    if kind in ("photo_story", "video_story") and segment.text.strip():
        add("text.ignored", "text", "A story on Facebook shows no text of its own: only the picture or the video is seen.")
    if "link" in options and kind != "text":
        add("link.ignored", "options/link", "Facebook shows either a link's card or media: the link is left out.")
    if "title" in options and kind not in ("video", "reel"):
        add("title.ignored", "options/title", "Facebook shows a title with a video only; it is left out.")
    for place, item in enumerate(segment.media):
        if item.type == "image" and item.facts is not None and item.facts.size > SAFE_PHOTO:
            detail = "Facebook refuses some pictures above 4 MB, though it speaks of 10 MB: a smaller JPEG is safer."
            add("media.large", f"media/{place}", detail)
        if item.type == "video" and item.alt_text:
            add("alt_text.ignored", f"media/{place}", "Facebook takes alternative text for pictures only: it is left out.")
    return found


RULES = Rules(
    platform="facebook",
    name="Facebook",
    text=(TextLimit(63_206, "characters", lambda text, settings: len(text), "every character counts one"),),
    comment=(TextLimit(8_000, "characters", lambda text, settings: len(text), "every character counts one"),),
    media={
        "image": MediaLimit(10, 10 * 1024 * 1024, IMAGE_FORMATS),
        "video": MediaLimit(1, 4 * 1024**3, VIDEO_FORMATS, seconds=(1, 4 * 3600)),
    },
    most_media=10,
    alt_text=1000,
    first_comment=True,
    daily_cap=DailyCap(
        400, 24, "Meta, Rate limits (v25): a page has 4,800 calls in 24 hours for each user who engages with it; a post with ten"
        " pictures takes twelve", "dailyPosts",
    ),
    native_scheduling="scheduled_publish_time, 10 minutes to 30 days ahead, not for stories",
    native=NativeWindow(720.0, 30 * 86_400.0 - 600),
    exactly_once="After a lost answer a video, a reel or a video story is asked for by the id it had before; posts and photo"
    " stories are searched among the page's. A repeat of the post before is refused by Facebook as well (code 506).",
    source="developers.facebook.com: Pages API posts (v25), Reels Publishing, Stories API (6 May 2026), Rate limits; Page.json of"
    " facebook-business-sdk-codegen (2026-04). 63,206 and 8,000 characters, ten pictures and 4 GB are third parties' figures.",
    options={
        "type": "object",
        "properties": {
            "contentType": {
                "type": "string", "enum": ["post", "reel", "story"],
                "description": "What a picture or a video becomes. What does not fit is published as a post. Default post.",
            },
            "link": {
                "type": "string", "pattern": "^https?://[^ ]+$", "maxLength": 2000,
                "description": "A link that is shown as a card below the text, where there are no media.",
            },
            "title": {
                "type": "string", "minLength": 1, "maxLength": 255, "description": "Title of a video or a reel. Default: none.",
            },
            "nativeSchedule": {
                "type": "boolean",
                "description": "Hand the post to Facebook ahead of its time (10 minutes to 30 days), which then publishes it."
                " Default false.",
            },
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
