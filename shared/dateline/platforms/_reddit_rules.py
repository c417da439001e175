"""What Reddit takes, as data: the limits, the options, how a post's text becomes a title and a body, and what each of Reddit's
error codes means. A post on Reddit always has a title and a subreddit; both are options, and both have a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..domain.content import Draft, Media, Segment
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation

TITLE = 300
BODY = 40_000
COMMENT = 10_000
IMAGE_FORMATS = ("image/jpeg", "image/png")
VIDEO_FORMATS = ("video/mp4", "video/quicktime")
GALLERY = (2, 20)

Kind = Literal["self", "link", "image", "gallery", "video"]

OPTION_MEMBERS: Mapping[str, str] = {
    "flairId": "flair_id", "flairText": "flair_text", "nsfw": "nsfw", "spoiler": "spoiler", "sendReplies": "sendreplies",
}
"""Our option -> member of the submission that takes the value as it is."""

Meaning = Literal["wait", "token", "unknown", "duplicate", "address"]
ERRORS: Mapping[str, Meaning] = {
    "RATELIMIT": "wait",
    "QUOTA_FILLED": "wait",
    "USER_REQUIRED": "token",
    "ALREADY_SUB": "duplicate",
    "SOMETHING_IS_BROKEN": "unknown",
    "SERVER_ERROR": "unknown",
    "NO_URL": "address",
    "BAD_URL": "address",
    "MISSING_VIDEO_URLS": "address",
}
"""Reddit's code (under HTTP 200, in `json.errors`) -> what it means. Every other (SUBREDDIT_NOEXIST, NO_SELFS, TOO_LONG …) is
about what was asked for, and final; so is a bad address, unless it is that of an upload, which Reddit then knows no more."""


def title_and_body(text: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """The title and the Markdown body of a post.

    Without the option `title` the first line is the title, and the body goes on where it ends; a first line that is too long is
    cut for the title, and the body then has the whole text.
    """
    given = str(options.get("title") or "").strip()
    if given:
        return given, text
    whole = text.strip()
    line, _, rest = whole.partition("\n")
    title = line.rstrip()
    if len(title) <= TITLE:
        return title, whole[len(title):] if rest.strip() else ""
    cut = title[: TITLE - 1]
    words = cut.rpartition(" ")[0]
    return (words or cut).rstrip() + "…", text


def subreddit_of(options: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """The subreddit's bare name ("" when nobody named one): the post's own, else the profile's default."""
    name = str(options.get("subreddit") or settings.get("subreddit") or "").strip().strip("/")
    return name[2:] if name[:2].lower() == "r/" else name


def kind_of(media: tuple[Media, ...], options: Mapping[str, Any]) -> Kind:
    """What Reddit calls a post with this content. Media count before the option `url`."""
    if any(item.type == "video" for item in media):
        return "video"
    if len(media) > 1:
        return "gallery"
    if media:
        return "image"
    return "link" if options.get("url") else "self"


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    head = draft.segments[0]
    if not subreddit_of(draft.options, settings):
        detail = (
            "Reddit needs the subreddit to post to: name it under platforms.reddit.subreddit, or give the profile a default"
            ' ("settings": {"subreddit": "…"}).'
        )
        found.append(Violation("reddit.subreddit.required", 0, "options/subreddit", detail))
    if not title_and_body(head.text, draft.options)[0]:
        detail = "Reddit takes no post without a title: give the post a text, or a title under platforms.reddit.title."
        found.append(Violation("reddit.title.required", 0, "options/title", detail))
    found += _media(head)
    for index, segment in enumerate(draft.segments[1:], 1):
        if segment.media:
            detail = "On Reddit the segments after the first are comments, and a comment takes no media by API."
            found.append(Violation("reddit.comment.with_media", index, "media", detail))
        if len(segment.text) > COMMENT:
            detail = f"A comment on Reddit has at most {COMMENT:,} characters; this segment has {len(segment.text):,}."
            found.append(Violation("reddit.text.too_long", index, "text", detail, COMMENT, len(segment.text), "characters"))
    return found


def _media(head: Segment) -> list[Violation]:
    """A video stands alone, or beside the one picture that is its poster."""
    others = [item for item in head.media if item.type != "video"]
    if len(others) == len(head.media):
        return []
    if len(others) > 1 or any(item.type != "image" for item in others):
        detail = "Beside a video Reddit takes one image, as its poster, and nothing else."
        return [Violation("reddit.media.mixed", 0, "media", detail)]
    return []


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    head = draft.segments[0]
    if "url" in draft.options and head.media:
        detail = "A post on Reddit is a link or has media; this one has media, and its url is left out."
        found.append(Violation("reddit.url.ignored", 0, "options/url", detail))
    for index, segment in enumerate(draft.segments):
        if any(item.alt_text for item in segment.media):
            detail = "Reddit's API takes no alternative text; it is left out there."
            found.append(Violation("reddit.alt_text.ignored", index, "media", detail))
    if any(item.type == "video" for item in head.media) and len(head.media) == 1:
        detail = "Reddit shows a poster until a video plays: a plain black one here. Add an image beside the video to choose it."
        found.append(Violation("reddit.poster.default", 0, "media", detail))
    return found


RULES = Rules(
    platform="reddit",
    name="Reddit",
    text=(TextLimit(BODY, "characters", lambda text, settings: len(text), "as Unicode code points"),),
    media={
        "image": MediaLimit(GALLERY[1], 20 * 1024 * 1024, IMAGE_FORMATS),
        "gif": MediaLimit(GALLERY[1], 20 * 1024 * 1024, ("image/gif",)),
        "video": MediaLimit(1, 1024 * 1024 * 1024, VIDEO_FORMATS, seconds=(0.0, 900.0)),
    },
    exactly_once="Reddit has no idempotency key: after a lost answer the account's own submissions (or comments) are searched by"
    " title, subreddit, content and time. A post with media is named by Reddit only in that list; one that it took and then never"
    " showed ends unconfirmed.",
    source="Reddit API documentation; Pyprohly/reddit-api-doc-notes of 2024-07-01 (submit, comment, errors); PRAW 8 of 2026-08-17"
    " (uploads, body text beside media); sizes of files from Reddit's announcements of image uploads, 2016 and 2020",
    most_media=GALLERY[1],
    mixed_media=True,
    thread_segments=25,
    first_comment=True,
    daily_cap=DailyCap(
        100 * 60 * 24, 24, "Reddit's announcement of 2023: 100 calls a minute and app, averaged over ten; what one account may"
        " post it decides itself (RATELIMIT), and says how long to wait", "dailyPosts",
    ),
    comment=(TextLimit(COMMENT, "characters", lambda text, settings: len(text), "as Unicode code points"),),
    options={
        "type": "object",
        "properties": {
            "subreddit": {
                "type": "string", "pattern": "^(/?[rR]/)?[A-Za-z0-9_-]{2,24}$",
                "description": "The subreddit to post to, with or without r/ (u_name for the own profile page). Default: the"
                " profile's setting `subreddit`; one of the two is needed.",
            },
            "title": {
                "type": "string", "minLength": 1, "maxLength": TITLE, "pattern": r"\S",
                "description": "The title. Default: the first line of the text, which then does not stand in the body again; cut"
                " where it has more than 300 characters.",
            },
            "url": {
                "type": "string", "pattern": "^https?://[^ ]+$", "maxLength": 2000,
                "description": "Makes it a link post to this address. Left out where the post has media. Default: none.",
            },
            "flairId": {
                "type": "string", "minLength": 1, "maxLength": 36, "description": "Id of a flair template. Default: none.",
            },
            "flairText": {
                "type": "string", "minLength": 1, "maxLength": 64,
                "description": "The flair's text, where its template lets it be edited. Default: the template's.",
            },
            "nsfw": {"type": "boolean", "description": "Not safe for work. Default: false."},
            "spoiler": {"type": "boolean", "description": "Hide it as a spoiler. Default: false."},
            "sendReplies": {"type": "boolean", "description": "Send replies to the account's inbox. Default: true."},
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
