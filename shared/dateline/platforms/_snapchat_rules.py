"""What Snapchat takes, as data: limits, options, and which kind of post a draft is.

Figures are those of developers.snap.com (Public Profile API, Profile Asset Management; 2026). What Snap says nothing of (the size
of a picture) is what other products that post there enforce.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..domain.content import Draft, Segment
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation

IMAGE_FORMATS = ("image/jpeg", "image/png")
IMAGE_BYTES = 20 * 1024 * 1024
VIDEO_BYTES = 1024**3
DESCRIPTION, TITLE, ANY_TEXT = 160, 45, 10_000
LOCALE = "en_US"

Kind = Literal["story", "saved_story", "spotlight"]

def kind_of(segment: Segment, options: Mapping[str, Any]) -> Kind:
    """What is published: what the post asks for, but no picture becomes a Spotlight."""
    kind = options.get("contentType", "story")
    if kind == "spotlight" and all(item.type != "video" for item in segment.media):
        return "story"
    return kind if kind in ("saved_story", "spotlight") else "story"


def title_of(text: str, options: Mapping[str, Any]) -> str:
    """A saved story's title: the one given, else as much of the first line as fits."""
    return str(options.get("title") or text.strip().split("\n", 1)[0].strip()[:TITLE]).strip()


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found, segment = [], draft.segments[0]
    kind, size = kind_of(segment, draft.options), len(segment.text)
    if kind == "spotlight" and DESCRIPTION < size <= ANY_TEXT:
        detail = f"Snapchat takes at most {DESCRIPTION} characters with a Spotlight; this text has {size:,}."
        found.append(Violation("snapchat.text.too_long", 0, "text", detail, DESCRIPTION, size, "characters"))
    if kind == "saved_story" and segment.media and not title_of(segment.text, draft.options):
        detail = "A saved story needs a title: give the option title, or a text whose first line it can be."
        found.append(Violation("snapchat.title.required", 0, "options/title", detail))
    for place, item in enumerate(segment.media):
        length = item.facts.seconds if item.facts and item.type == "video" else None
        if kind == "spotlight" and length is not None and 5 <= length < 6:
            detail = f"Snapchat takes Spotlights of 6 to 60 seconds; this one has {length:.1f}."
            found.append(Violation("snapchat.media.too_short", 0, f"media/{place}", detail, 6, round(length), "seconds"))
    return found


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found, segment, options = [], draft.segments[0], draft.options
    kind, text = kind_of(segment, options), segment.text.strip()

    def told(rule: str, field: str, detail: str) -> None:
        found.append(Violation(f"snapchat.{rule}", 0, field, detail))

    if options.get("contentType") == "spotlight" != kind:
        told("content_type.ignored", "options/contentType", "Spotlight takes videos only: the picture is published as a story.")
    for option, fits in (("title", "saved_story"), ("locale", "spotlight"), ("saveToProfile", "spotlight")):
        if option in options and kind != fits:
            name = "save_to_profile" if option == "saveToProfile" else option
            told(f"{name}.ignored", f"options/{option}", f"{option} is left out: it belongs to contentType {fits}.")
    if kind == "story" and text:
        told("text.ignored", "text", "A story shows no text beside its picture or video; the text is left out.")
    if kind == "saved_story" and text and title_of(text, options) != text:
        told("text.ignored", "text", f"A saved story shows its title only, here {title_of(text, options)!r}.")
    for place, item in enumerate(segment.media):
        facts = item.facts
        if facts and facts.width and facts.height and abs(facts.width / facts.height - 9 / 16) > 0.02:
            told("media.ratio", f"media/{place}", "Snapchat shows 9:16 upright; it fits other shapes in as it sees fit.")
        if item.alt_text:
            told("alt_text.ignored", f"media/{place}", "Snapchat takes no alternative text; it is left out.")
    return found


RULES = Rules(
    platform="snapchat",
    name="Snapchat",
    text=(
        TextLimit(
            ANY_TEXT, "characters", lambda text, settings: len(text),
            f"a figure of Dateline's own: a Spotlight's description takes {DESCRIPTION}, a saved story shows a title of {TITLE},"
            " a story no text",
        ),
    ),
    media={
        "image": MediaLimit(1, IMAGE_BYTES, IMAGE_FORMATS),
        "video": MediaLimit(
            1, VIDEO_BYTES, ("video/mp4",), least_bytes=1, seconds=(5.0, 60.0), width=(540, 7680), height=(960, 7680)
        ),
    },
    exactly_once="Snapchat has no idempotency key and documents no list of what was posted: after a lost answer a Spotlight or a"
    " saved story is looked for among the profile's, where Snapchat lists them; what is not found, and every story, ends"
    " unconfirmed.",
    source="developers.snap.com, Public Profile API (Profile Asset Management, Profiles, Get Started), read in 2026; limits of"
    " pictures, rate limits, deleting and listing are not documented",
    most_media=1,
    min_media=1,
    daily_cap=DailyCap(100, 24, "a figure of Dateline's own: Snap documents no limit for posting", "dailyPosts"),
    deletes=False,
    options={
        "type": "object",
        "properties": {
            "contentType": {
                "type": "string", "enum": ["story", "saved_story", "spotlight"],
                "description": "A story that lasts 24 hours, one that stays on the profile, or a Spotlight (videos only). A story"
                " unless said.",
            },
            "title": {
                "type": "string", "minLength": 1, "maxLength": TITLE,
                "description": "Title of a saved story. The beginning of the text's first line unless said.",
            },
            "locale": {
                "type": "string", "pattern": "^[a-z]{2}_[A-Z]{2}$",
                "description": f"Language and country of a Spotlight. {LOCALE} unless said.",
            },
            "saveToProfile": {
                "type": "boolean", "description": "Whether a Spotlight is kept on the profile as well. True unless said.",
            },
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
