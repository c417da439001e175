"""What LinkedIn takes, as data: the limits, the options, and what goes with what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.content import Draft
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation
from ._linkedin_text import length

IMAGE_FORMATS = ("image/jpeg", "image/png", "image/gif")
DOCUMENT_FORMATS = (
    "application/pdf", "application/msword", "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
)
MOST_PIXELS = 36_152_319
ORGANIZATION = "organization"
ACCOUNT_TYPE = "accountType"
"""The profile's setting that says whether it is a member or an organization."""


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    options, segment = draft.options, draft.segments[0]
    for place, item in enumerate(segment.media):
        facts = item.facts
        if item.type in ("image", "gif") and facts is not None and facts.width and facts.height:
            pixels = facts.width * facts.height
            if pixels > MOST_PIXELS:
                detail = f"LinkedIn takes images of at most {MOST_PIXELS:,} pixels; this one has {pixels:,}. Make it smaller."
                rule = "linkedin.media.too_many_pixels"
                found.append(Violation(rule, 0, f"media/{place}", detail, MOST_PIXELS, pixels, "pixels"))
    if "poll" in options:
        for other, where, present in (
            ("media", "media", bool(segment.media)), ("article", "options/articleUrl", "articleUrl" in options)
        ):
            if present:
                detail = f"LinkedIn takes no poll beside {'media' if other == 'media' else 'a link'} in the same post."
                found.append(Violation(f"linkedin.poll.with_{other}", 0, where, detail))
    if options.get("visibility") == "CONNECTIONS" and settings.get(ACCOUNT_TYPE) == ORGANIZATION:
        detail = "An organization has no connections: its posts are PUBLIC. Leave visibility out."
        found.append(Violation("linkedin.visibility.organization", 0, "options/visibility", detail))
    return found


def article_of(draft_options: Mapping[str, Any], kinds: tuple[str, ...]) -> str | None:
    """The link that a post with media of these kinds shows as a card; None where the media take its place.

    One picture beside a link is the card's picture.
    """
    link = draft_options.get("articleUrl")
    return str(link) if link and kinds in ((), ("image",)) and "poll" not in draft_options else None


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    options, kinds = draft.options, tuple(item.type for item in draft.segments[0].media)
    article = article_of(options, kinds)
    if "articleUrl" in options and "poll" not in options and article is None:
        detail = "LinkedIn shows either a link's card or these media: the media are shown and the link is left out of the card."
        found.append(Violation("linkedin.article.ignored", 0, "options/articleUrl", detail))
    if article and not options.get("title"):
        detail = "LinkedIn does not read the page behind a link: give its title, or the card shows the site's name."
        found.append(Violation("linkedin.article.untitled", 0, "options/articleUrl", detail))
    titled = article is not None or kinds in (("video",), ("document",))
    for name, used in (("title", titled), ("description", article is not None)):
        if name in options and not used:
            what = "a link, a video or a document" if name == "title" else "a link"
            detail = f"LinkedIn shows a {name} with {what} only; this post has none, so it is left out."
            found.append(Violation(f"linkedin.{name}.ignored", 0, f"options/{name}", detail))
    for place, item in enumerate(draft.segments[0].media):
        if item.alt_text and (article is not None or item.type not in ("image", "gif")):
            detail = "LinkedIn takes alternative text for pictures of the post itself only: it is left out."
            found.append(Violation("linkedin.alt_text.ignored", 0, f"media/{place}", detail))
    return found


def _picture(most: int) -> MediaLimit:
    return MediaLimit(most, 20 * 1024 * 1024, IMAGE_FORMATS)


_CHARACTERS = "as readers see them: escapes count nothing, a mention counts its name"
RULES = Rules(
    platform="linkedin",
    name="LinkedIn",
    text=(TextLimit(3000, "characters", length, _CHARACTERS),),
    comment=(TextLimit(1250, "characters", lambda text, settings: len(text), "every character counts one"),),
    media={
        "image": _picture(20),
        "gif": _picture(1),
        "video": MediaLimit(1, 500 * 1024 * 1024, ("video/mp4",), seconds=(3, 1800)),
        "document": MediaLimit(1, 100 * 1024 * 1024, DOCUMENT_FORMATS),
    },
    most_media=20,
    alt_text=4086,
    first_comment=True,
    daily_cap=DailyCap(
        150, 24, "LinkedIn publishes no figure; 150 a day is what Ayrshare found (2026), an app of the development tier has 100"
        " calls a day and member", "dailyPosts",
    ),
    exactly_once="LinkedIn has no idempotency key. After a lost answer an organization's posts are searched; a member's cannot be"
    " (LinkedIn keeps that permission to itself), so that such a target ends unconfirmed and a person looks.",
    source="learn.microsoft.com/linkedin/marketing, pages Posts, MultiImage, Images, Videos, Documents, Poll, little text"
    " (202605 to 202607, read 2026-11); video length and size, the comment's 1,250 and an image's 20 MB are not in them.",
    options={
        "type": "object",
        "properties": {
            "visibility": {
                "type": "string", "enum": ["PUBLIC", "CONNECTIONS"],
                "description": "Who sees it. CONNECTIONS is for members only. Default PUBLIC.",
            },
            "articleUrl": {
                "type": "string", "pattern": "^https?://[^ ]+$", "maxLength": 2000,
                "description": "A link that is shown as a card; one image beside it is the card's picture.",
            },
            "title": {
                "type": "string", "minLength": 1, "maxLength": 400,
                "description": "Title of the link, the video or the document. Default: the site's name, none, the file's name.",
            },
            "description": {
                "type": "string", "minLength": 1, "maxLength": 4086, "description": "What the link's card says below its title.",
            },
            "poll": {
                "type": "object", "description": "A poll, in place of media and of a link.",
                "properties": {
                    "question": {"type": "string", "minLength": 1, "maxLength": 140, "description": "What is asked."},
                    "options": {
                        "type": "array", "minItems": 2, "maxItems": 4,
                        "items": {"type": "string", "minLength": 1, "maxLength": 30}, "description": "What can be chosen.",
                    },
                    "duration": {
                        "type": "string", "enum": ["ONE_DAY", "THREE_DAYS", "SEVEN_DAYS", "FOURTEEN_DAYS"],
                        "description": "How long it is open. Default THREE_DAYS.",
                    },
                },
                "required": ["question", "options"], "additionalProperties": False,
            },
            "disableReshare": {"type": "boolean", "description": "Readers cannot share it on. Default false."},
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
