"""What TikTok takes, as data: limits, options, and how those are named in TikTok's requests.

Figures are those of developers.tiktok.com (Content Posting API: direct post, photo post, upload, status, media transfer guide,
content sharing guidelines), as read in October and November 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.content import Draft, Segment
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation

VIDEO_FORMATS = ("video/mp4", "video/quicktime", "video/webm")
PHOTO_FORMATS = ("image/jpeg", "image/webp")
VIDEO_BYTES = 4 * 1024**3
PHOTO_BYTES = 20 * 1024 * 1024
VIDEO_TEXT, PHOTO_TEXT, TITLE = 2200, 4000, 90
PRIVACY = ("PUBLIC_TO_EVERYONE", "FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY")
"""Who may see a post, the most public first."""

VIDEO_MEMBERS: Mapping[str, str] = {
    "disableComment": "disable_comment", "disableDuet": "disable_duet", "disableStitch": "disable_stitch",
    "brandContent": "brand_content_toggle", "brandOrganic": "brand_organic_toggle", "aiGenerated": "is_aigc",
    "coverTimestampMs": "video_cover_timestamp_ms",
}
PHOTO_MEMBERS: Mapping[str, str] = {
    "disableComment": "disable_comment", "autoAddMusic": "auto_add_music", "brandContent": "brand_content_toggle",
    "brandOrganic": "brand_organic_toggle",
}
"""Our option -> member of `post_info`, for each kind of post. What is no number is false unless the post says otherwise."""

ONLY_VIDEO = ("disableDuet", "disableStitch", "aiGenerated", "coverTimestampMs")
ONLY_PHOTOS = ("title", "autoAddMusic", "photoCoverIndex")
NOT_IN_DRAFTS = ("privacyLevel", *VIDEO_MEMBERS, "autoAddMusic")
"""What is decided in TikTok's app when the user finishes a draft."""


def units(text: str) -> int:
    """UTF-16 code units, which is how TikTok counts."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, most: int) -> str:
    """The beginning of `text` with at most so many UTF-16 units, never half a character."""
    return text.encode("utf-16-le")[: most * 2].decode("utf-16-le", "ignore")


def is_video(segment: Segment) -> bool:
    """Whether the post is a video, not photos."""
    return any(item.type == "video" for item in segment.media)


def words_of(text: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """Title and description of a photo post. The title is the first line unless the post gives one; one short line of text is not
    said twice."""
    first = text.strip().split("\n", 1)[0].strip()
    if "title" in options:
        return str(options["title"]), text
    if first == text.strip() and units(first) <= TITLE:
        return first, ""
    return cut(first, TITLE).rstrip(), text


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found, segment, options = [], draft.segments[0], draft.options
    video, size = is_video(segment), units(segment.text)

    def add(rule: str, field: str, detail: str, *numbers: Any) -> None:
        found.append(Violation(f"tiktok.{rule}", 0, field, detail, *numbers))

    if video and VIDEO_TEXT < size <= PHOTO_TEXT:
        detail = f"TikTok takes at most {VIDEO_TEXT:,} UTF-16 units beside a video; this text has {size:,}."
        add("text.too_long", "text", detail, VIDEO_TEXT, size, "UTF-16 units")
    if not video and (title := units(str(options.get("title", "")))) > TITLE:
        detail = f"TikTok takes at most {TITLE} UTF-16 units as title of a photo post; this one has {title}."
        add("title.too_long", "options/title", detail, TITLE, title, "UTF-16 units")
    if options.get("brandContent") is True and options.get("privacyLevel") == "SELF_ONLY" and not options.get("draft"):
        add("brand_content.private", "options/brandContent", "TikTok takes no branded content that nobody else may see.")
    cover = options.get("photoCoverIndex", 0)
    if segment.media and not video and isinstance(cover, int) and cover >= len(segment.media):
        detail = f"photoCoverIndex counts from 0; this post has {len(segment.media)} photos."
        add("photo_cover.out_of_range", "options/photoCoverIndex", detail, len(segment.media) - 1, cover, "photos")
    longest = settings.get("maxVideoSeconds")
    for place, item in enumerate(segment.media):
        length = item.facts.seconds if item.facts and item.type == "video" else None
        if isinstance(longest, int) and length is not None and longest < length <= 600 and not options.get("draft"):
            detail = f"TikTok lets this account post videos of {longest} seconds at the most; this one has {length:.1f}."
            add("media.too_long", f"media/{place}", detail, longest, round(length), "seconds")
    return found


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found, segment, options = [], draft.segments[0], draft.options
    video = is_video(segment)

    def ignored(option: str, why: str) -> None:
        name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in option)
        found.append(Violation(f"tiktok.{name}.ignored", 0, f"options/{option}", f"{option} is left out: {why}"))

    for option in ONLY_PHOTOS if video else ONLY_VIDEO:
        if option in options:
            ignored(option, "TikTok has it for photos only." if video else "TikTok has it for videos only.")
    if options.get("draft") is True:
        for option in NOT_IN_DRAFTS:
            if option in options and option not in (ONLY_PHOTOS if video else ONLY_VIDEO):
                ignored(option, "the user decides it in the app when finishing the draft.")
        if video and segment.text:
            detail = "TikTok takes no text with the draft of a video: the user writes it in the app."
            found.append(Violation("tiktok.text.ignored", 0, "text", detail))
    offered = settings.get("privacyLevels")
    if not options.get("draft") and isinstance(offered, list) and options.get("privacyLevel") not in (None, *offered):
        detail = f"When this account was last asked, TikTok offered {', '.join(map(str, offered))}; others fail."
        found.append(Violation("tiktok.privacy_level.not_offered", 0, "options/privacyLevel", detail))
    for place, item in enumerate(segment.media):
        if item.alt_text:
            detail = "TikTok takes no alternative text; it is left out."
            found.append(Violation("tiktok.alt_text.ignored", 0, f"media/{place}", detail))
        if item.facts and item.type == "image" and min(item.facts.width or 0, item.facts.height or 0) > 1080:
            detail = "TikTok names 1080p as the most for photos; it may refuse this one."
            found.append(Violation("tiktok.media.resolution", 0, f"media/{place}", detail))
    return found


def _flag(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": f"{description} False unless said."}


RULES = Rules(
    platform="tiktok",
    name="TikTok",
    text=(
        TextLimit(
            PHOTO_TEXT, "UTF-16 units", lambda text, settings: units(text),
            f"as TikTok counts the description of photos; beside a video it takes {VIDEO_TEXT:,}",
        ),
    ),
    media={
        "video": MediaLimit(
            1, VIDEO_BYTES, VIDEO_FORMATS, least_bytes=1, seconds=(1.0, 600.0), width=(360, 4096), height=(360, 4096)
        ),
        "image": MediaLimit(35, PHOTO_BYTES, PHOTO_FORMATS),
    },
    exactly_once="A video is published by the last piece of its upload, and TikTok tells by its publish_id what became of it: a"
    " lost answer is settled. Photos are published by the very call that names the publish_id: if that answer is lost, the post"
    " ends unconfirmed.",
    source="developers.tiktok.com, Content Posting API (direct post, photo post, upload, status, media transfer guide) and"
    " content sharing guidelines, read October and November 2026; the horizon is the web studio's, the daily cap what the"
    " guidelines call typical",
    most_media=35,
    min_media=1,
    horizon_days=10,
    daily_cap=DailyCap(
        15, 24, "TikTok's content sharing guidelines: typically some 15 posts by apps a day and creator", "dailyPosts"
    ),
    deletes=False,
    options={
        "type": "object",
        "properties": {
            "privacyLevel": {
                "type": "string", "enum": list(PRIVACY),
                "description": "Who may see the post. TikTok offers each account some of these only. The most public one that it"
                " offers unless said.",
            },
            "disableComment": _flag("Nobody may comment."),
            "disableDuet": _flag("Nobody may make a duet with the video."),
            "disableStitch": _flag("Nobody may stitch the video."),
            "coverTimestampMs": {
                "type": "integer", "minimum": 0, "maximum": 600_000,
                "description": "The frame of the video that is its cover, in milliseconds from its start. The first unless said.",
            },
            "brandContent": _flag("A paid partnership with another brand."),
            "brandOrganic": _flag("Promotes the creator's own business."),
            "aiGenerated": _flag("The video was made with AI."),
            "title": {
                "type": "string", "maxLength": TITLE,
                "description": "Title of a photo post, at most 90 UTF-16 units. The first line of the text unless said.",
            },
            "autoAddMusic": _flag("TikTok adds music to photos."),
            "photoCoverIndex": {
                "type": "integer", "minimum": 0, "maximum": 34,
                "description": "Which photo is the cover, counted from 0. The first unless said.",
            },
            "draft": _flag("Send it to the inbox of the user's app, to be finished and posted there, in place of posting it."),
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
