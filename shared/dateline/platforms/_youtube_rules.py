"""What YouTube takes, as data: the limits, the options, and how text and options become the parts of a video resource."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..domain.content import Draft, Media, Segment
from ..domain.rules import DailyCap, MediaLimit, NativeWindow, Rules, TextLimit, Violation
from ._google import zulu

VIDEO_FORMATS = (
    "video/mp4", "video/quicktime", "video/webm", "video/x-msvideo", "video/mpeg", "video/3gpp", "video/x-flv", "video/x-ms-wmv",
)
THUMBNAIL_FORMATS = ("image/jpeg", "image/png")
VIDEO_BYTES = 256 * 1024**3
THUMBNAIL_BYTES = 50 * 1024**2
TITLE = 100
TAGS = 500
UNVERIFIED_SECONDS = 900.0
"""How long a video may be on a channel that is not allowed longer ones."""
COMMENT = 10_000

SNIPPET_OPTIONS: Mapping[str, str] = {"tags": "tags", "categoryId": "categoryId", "language": "defaultLanguage"}
"""Option -> member of `snippet`; title and description are made of the text."""
STATUS_OPTIONS: Mapping[str, str] = {
    "madeForKids": "selfDeclaredMadeForKids", "containsSyntheticMedia": "containsSyntheticMedia", "embeddable": "embeddable",
    "license": "license", "publicStatsViewable": "publicStatsViewable",
}
"""Option -> member of `status`."""
STATUS_DEFAULTS: Mapping[str, Any] = {
    "madeForKids": False, "embeddable": True, "license": "youtube", "publicStatsViewable": True,
}
"""An update of `status` resets whatever it leaves out (a video could no longer be embedded): these are always said."""


def title_of(text: str, options: Mapping[str, Any]) -> str:
    """The option `title`, else the first line of the text that says something, cut at 100 characters. "" when there is none."""
    said = str(options.get("title") or "").strip()
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return said or first[:TITLE].rstrip()


def snippet_of(segment: Segment, options: Mapping[str, Any]) -> dict[str, Any]:
    """`snippet` of a video resource."""
    snippet = {"title": title_of(segment.text, options), "description": segment.text, "categoryId": "22"}
    return {**snippet, **{member: options[name] for name, member in SNIPPET_OPTIONS.items() if name in options}}


def status_of(options: Mapping[str, Any], privacy: str, publish_at: datetime | None = None) -> dict[str, Any]:
    """`status` of a video resource: whole, since an update resets what it leaves out."""
    said = {**STATUS_DEFAULTS, **options}
    status = {"privacyStatus": privacy, **{member: said[name] for name, member in STATUS_OPTIONS.items() if name in said}}
    return {**status, "publishAt": zulu(publish_at)} if publish_at is not None else status


def privacy_of(options: Mapping[str, Any]) -> str:
    """Who is to see the video."""
    return str(options.get("privacy") or "public")


def tags_length(tags: list[str]) -> int:
    """As YouTube counts them: commas between them, and quotation marks around one that has a space."""
    return sum(len(tag) + 2 * (" " in tag) for tag in tags) + max(0, len(tags) - 1)


def video_of(segment: Segment) -> Media:
    """The video of a post. (That there is one is a rule.)"""
    return next(item for item in segment.media if item.type == "video")


def thumbnail_of(segment: Segment) -> Media | None:
    """The picture beside the video, which becomes its thumbnail."""
    return next((item for item in segment.media if item.type == "image"), None)


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found: list[Violation] = []
    segment, options = draft.segments[0], draft.options

    def add(rule: str, field: str, detail: str, limit: int | None = None, measured: int | None = None, unit: str = "") -> None:
        found.append(Violation(f"youtube.{rule}", 0, field, detail, limit, measured, unit or None))

    title, tags = title_of(segment.text, options), options.get("tags") or []
    if not title:
        add("title.required", "text", "YouTube needs a title: say it in the option title, or begin the text with it.")
    elif options.get("title") and _angled(title):
        add("title.angle_brackets", "options/title", "YouTube takes no < and > in a title.")
    if _angled(segment.text):
        add("description.angle_brackets", "text", "YouTube takes no < and > in a description; write it without them.")
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        if (size := tags_length(tags)) > TAGS:
            how = "commas between them count, and two quotation marks for a tag that has a space"
            detail = f"All tags together have at most {TAGS} characters; these have {size} ({how})."
            add("tags.too_long", "options/tags", detail, TAGS, size, "characters")
        if any(_angled(tag) for tag in tags):
            add("tags.angle_brackets", "options/tags", "YouTube takes no < and > in a tag.")
    if segment.media and not any(item.type == "video" for item in segment.media):
        add("video.required", "media", "YouTube takes a video; a picture beside it becomes the thumbnail, alone it is nothing.")
    for place, item in enumerate(segment.media):
        seconds = item.facts.seconds if item.facts is not None and item.type == "video" else None
        if seconds is not None and seconds > UNVERIFIED_SECONDS and settings.get("longUploads") in ("disallowed", "eligible"):
            detail = (
                "This channel may upload videos of 15 minutes at most: verify it by phone at YouTube for longer ones; this one"
                f" has {seconds:.0f} seconds."
            )
            add("media.too_long", f"media/{place}", detail, round(UNVERIFIED_SECONDS), round(seconds), "seconds")
    silent = {"a private video": privacy_of(options) == "private", "a video made for kids": options.get("madeForKids")}
    for why in (which for which, blocked in silent.items() if blocked and draft.comment is not None):
        add("first_comment.not_possible", "firstComment", f"YouTube takes no comment on {why}.")
    return found


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    text, options = draft.segments[0].text, draft.options
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not options.get("title") and len(first) > TITLE:
        detail = f"The title is the first line of the text, cut at {TITLE} characters; the option title says another."
        found.append(Violation("youtube.title.cut", 0, "text", detail, TITLE, len(first), "characters"))
    for place, item in enumerate(draft.segments[0].media):
        if item.alt_text:
            detail = "YouTube takes no alternative text; it is left out."
            found.append(Violation("youtube.alt_text.ignored", 0, f"media/{place}", detail))
        if item.type == "image" and len(draft.segments[0].media) > 1:
            detail = "The picture beside the video becomes its thumbnail; YouTube allows that to verified channels."
            found.append(Violation("youtube.media.thumbnail", 0, f"media/{place}", detail))
    if options.get("nativeSchedule") and privacy_of(options) != "public":
        detail = "YouTube itself schedules public videos only: Dateline publishes this one at its time."
        found.append(Violation("youtube.native_schedule.ignored", 0, "options/nativeSchedule", detail))
    return found


def _angled(text: str) -> bool:
    return "<" in text or ">" in text


RULES = Rules(
    platform="youtube",
    name="YouTube",
    text=(TextLimit(5_000, "bytes", lambda text, settings: len(text.encode()), "in UTF-8: an emoji has 4, an umlaut 2"),),
    media={
        "video": MediaLimit(1, VIDEO_BYTES, VIDEO_FORMATS, seconds=(0.0, 43_200.0)),
        "image": MediaLimit(1, THUMBNAIL_BYTES, THUMBNAIL_FORMATS),
    },
    most_media=2,
    mixed_media=True,
    min_media=1,
    exactly_once="The video is uploaded as private; publishing is one update of its visibility, which may be repeated, and a lost"
    " answer is settled by reading it. A first comment with a lost answer is looked for among the video's newest 500 comments.",
    source="youtube.v3 discovery 20261104 (sizes, members); developers.google.com, videos resource (title, description, tags) and"
    " quota page of 2026-06 (100 uploads a day and project); YouTube Help on lengths (12 hours, 15 minutes unverified)",
    first_comment=True,
    comment=(TextLimit(COMMENT, "characters", lambda text, settings: len(text), "each character counts one"),),
    daily_cap=DailyCap(
        100, 24, "YouTube Data API, quota page: 100 uploads a day and project, so fewer where channels share one", "dailyPosts"
    ),
    native_scheduling="publishAt, for public videos; its window is not documented",
    native=NativeWindow(least=15 * 60, most=365 * 86_400, by_default=True),
    options={
        "type": "object",
        "properties": {
            "title": {
                "type": "string", "minLength": 1, "maxLength": TITLE,
                "description": "The title. Default: the first line of the text, cut at 100 characters.",
            },
            "tags": {
                "type": "array", "items": {"type": "string", "minLength": 1, "maxLength": TAGS}, "maxItems": 100,
                "description": "Tags, at most 500 characters together. Default: none.",
            },
            "categoryId": {
                "type": "string", "pattern": "^[0-9]{1,3}$",
                "description": "Id of a video category. Default: 22 (People & Blogs).",
            },
            "privacy": {
                "type": "string", "enum": ["public", "unlisted", "private"],
                "description": "Who sees the video once it is published. Default: public.",
            },
            "madeForKids": {"type": "boolean", "description": "The video is made for kids. Default: false."},
            "containsSyntheticMedia": {
                "type": "boolean", "description": "Discloses realistic content that was altered or made by AI. Default: false.",
            },
            "notifySubscribers": {"type": "boolean", "description": "Tell subscribers of the video. Default: true."},
            "playlistId": {
                "type": "string", "pattern": "^[A-Za-z0-9_-]{2,64}$",
                "description": "A playlist of the channel that the video is added to. Default: none.",
            },
            "language": {
                "type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
                "description": "Language of title and description (BCP 47). Default: not said.",
            },
            "embeddable": {"type": "boolean", "description": "Other sites may embed the video. Default: true."},
            "license": {
                "type": "string", "enum": ["youtube", "creativeCommon"], "description": "The licence. Default: youtube.",
            },
            "publicStatsViewable": {"type": "boolean", "description": "Everyone sees the extended statistics. Default: true."},
            "nativeSchedule": {
                "type": "boolean",
                "description": "YouTube itself publishes a public video at its time, from 15 minutes ahead. Default: true.",
            },
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
