"""What Mastodon and the servers that speak its API take, as data. Figures of the profile's own server stand in for these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.content import Draft
from ..domain.rules import DailyCap, MediaLimit, NativeWindow, Rules, TextLimit, Violation, graphemes
from ._mastodon_text import count, warning_length

IMAGE_FORMATS = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "image/heif", "image/avif")
VIDEO_FORMATS = ("video/mp4", "video/quicktime", "video/webm")
IMAGE_BYTES, VIDEO_BYTES = 16 * 1024 * 1024, 99 * 1024 * 1024
PIXELS: Mapping[str, tuple[str, int]] = {
    "image": ("imagePixels", 33_177_600), "gif": ("imagePixels", 33_177_600), "video": ("videoPixels", 8_294_400),
}
"""Type of medium -> the server's own figure for its pixels, and Mastodon's."""

OPTION_MEMBERS: Mapping[str, str] = {
    "visibility": "visibility", "sensitive": "sensitive", "spoilerText": "spoiler_text", "language": "language",
    "quoteApprovalPolicy": "quote_approval_policy",
}
"""Our option -> parameter of `POST /api/v1/statuses`. Every segment of a thread carries them."""

FIRST_MEMBERS: Mapping[str, str] = {"quotedStatusId": "quoted_status_id"}
"""The same, on the first segment only. (A poll's members are named by `poll_of`.)"""


def poll_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The parameter `poll` of the option `poll`."""
    poll = options["poll"]
    switches = {member: poll[name] for name, member in (("multiple", "multiple"), ("hideTotals", "hide_totals")) if name in poll}
    return {"options": list(poll["options"]), "expires_in": 60 * poll["durationMinutes"], **switches}


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    return _warning(draft, settings) + _poll(draft, settings) + _media(draft, settings) + _kept(draft)


def _media(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    """A video stands alone; pictures and GIFs may be mixed, as many as the server takes of all. No file has too many pixels."""
    found = []
    most = int(settings.get("maxMedia", 4))
    for index, segment in enumerate(draft.segments):
        types = [item.type for item in segment.media]
        if "video" in types and len(set(types)) > 1:
            detail = "Mastodon takes a video by itself, not beside other media in the same post."
            found.append(Violation("mastodon.media.mixed", index, "media", detail))
        elif len(types) > most and len(set(types)) > 1:
            detail = f"The profile's server takes at most {most} media in one post; this one has {len(types)}."
            found.append(Violation("mastodon.media.too_many", index, "media", detail, most, len(types), "media"))
        for place, item in enumerate(segment.media):
            name, usual = PIXELS.get(item.type, ("", 0))
            limit = int(settings.get(name, usual))
            pixels = (item.facts.width or 0) * (item.facts.height or 0) if item.facts else 0
            if limit and pixels > limit:
                detail = f"The profile's server takes at most {limit:,} pixels here; this file has {pixels:,}."
                rule = "mastodon.media.dimensions"
                found.append(Violation(rule, index, f"media/{place}", detail, limit, pixels, "pixels"))
    return found


def _kept(draft: Draft) -> list[Violation]:
    """Only a post of one status can be kept by the server: what follows it needs the id that it has once it is out."""
    if not draft.options.get("nativeSchedule") or len(draft.whole) == 1:
        return []
    detail = "A Mastodon server keeps single posts only: leave nativeSchedule out for a thread or a first comment."
    return [Violation("mastodon.native.single_only", 0, "options/nativeSchedule", detail)]


def _warning(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    """The content warning counts with the text of every segment, and in full."""
    warning = draft.options.get("spoilerText")
    if not isinstance(warning, str) or not warning:
        return []
    found = []
    limit = int(settings.get("maxCharacters", 500))
    extra = warning_length(warning, settings)
    for index, segment in enumerate(draft.segments):
        alone = count(segment.text, settings)
        together = alone + extra
        if alone <= limit < together:
            detail = f"Mastodon takes at most {limit:,} characters, content warning included; together these are {together:,}."
            found.append(Violation("mastodon.text.too_long", index, "options/spoilerText", detail, limit, together, "characters"))
    return found


def _poll(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    poll = draft.options.get("poll")
    choices = poll.get("options") if isinstance(poll, dict) else None
    if not isinstance(choices, list | tuple):
        return []
    found = []
    field = "options/poll"
    if draft.segments[0].media:
        found.append(Violation("mastodon.poll.with_media", 0, field, "Mastodon takes no poll beside media in the same post."))
    most, longest = int(settings.get("maxPollOptions", 4)), int(settings.get("maxPollOptionCharacters", 50))
    size = len(choices)
    if size > most:
        detail = f"The profile's server takes polls of at most {most} options; this one has {size}."
        found.append(Violation("mastodon.poll.too_many_options", 0, f"{field}/options", detail, most, size, "options"))
    for place, choice in enumerate(choices):
        if isinstance(choice, str) and (size := graphemes(choice)) > longest:
            detail = f"The profile's server takes at most {longest} characters in a poll's option; this one has {size}."
            rule = "mastodon.poll.option_too_long"
            found.append(Violation(rule, 0, f"{field}/options/{place}", detail, longest, size, "characters"))
        if choice in choices[:place]:
            detail = "Mastodon takes no poll with the same option twice."
            found.append(Violation("mastodon.poll.option_twice", 0, f"{field}/options/{place}", detail))
    return found


RULES = Rules(
    platform="mastodon",
    name="Mastodon",
    text=(
        TextLimit(
            500, "characters", count, "as the profile's server counts: a URL at a fixed length, a mention without its server",
            setting="maxCharacters",
        ),
    ),
    media={
        "image": MediaLimit(
            4, IMAGE_BYTES, IMAGE_FORMATS, setting="maxMedia", bytes_setting="imageBytes", formats_setting="mimeTypes"
        ),
        "gif": MediaLimit(
            4, IMAGE_BYTES, ("image/gif",), setting="maxMedia", bytes_setting="imageBytes", formats_setting="mimeTypes"
        ),
        "video": MediaLimit(1, VIDEO_BYTES, VIDEO_FORMATS, bytes_setting="videoBytes", formats_setting="mimeTypes"),
    },
    mixed_media=True,  # pictures and GIFs; `_media` says what does not go together
    exactly_once="Every status carries an Idempotency-Key; since some servers ignore it, a lost answer is settled by looking "
    "through the account's statuses.",
    source="mastodon/documentation 2026-07-02; StatusLengthValidator, MediaAttachment and ScheduledStatus of mastodon/mastodon;"
    " GoToSocial validateNormalizeCreateStatus. What the profile's own server says of itself stands in for all of it.",
    most_media=16,  # the server's own figure for images is what binds
    alt_text=1500,
    thread_segments=25,
    first_comment=True,
    daily_cap=DailyCap(
        2_400, 24, "300 statuses in three hours (RateLimiter of mastodon/mastodon); other servers differ", "dailyPosts"
    ),
    native_scheduling="scheduled_at, at least 5 minutes ahead, 25 a day and 300 in all; with nativeSchedule, for single posts",
    native=NativeWindow(least=5 * 60 + 60, most=365 * 86_400),
    options={
        "type": "object",
        "properties": {
            "visibility": {
                "type": "string", "enum": ["public", "unlisted", "private"],
                "description": "Who sees it. The account's default if left out.",
            },
            "sensitive": {"type": "boolean", "description": "Hide the media behind a warning."},
            "spoilerText": {"type": "string", "maxLength": 500, "description": "A content warning in front of the text."},
            "language": {"type": "string", "maxLength": 10, "description": "ISO 639 code of the text's language."},
            "quoteApprovalPolicy": {
                "type": "string", "enum": ["public", "followers", "nobody"],
                "description": "Who may quote it. The account's default if left out; servers before Mastodon 4.5 ignore it.",
            },
            "quotedStatusId": {
                "type": "string", "pattern": "^[0-9A-Za-z]{1,64}$",
                "description": "Id on the profile's server of the post that the first segment quotes (Mastodon 4.5 and later).",
            },
            "nativeSchedule": {
                "type": "boolean",
                "description": "Hand a single post over to the server, which publishes it in time. Default false: Dateline does.",
            },
            "poll": {
                "type": "object", "description": "A poll below the first segment, in place of media.",
                "properties": {
                    "options": {
                        "type": "array", "minItems": 2, "maxItems": 50,
                        "items": {"type": "string", "minLength": 1, "maxLength": 500},
                        "description": "What can be chosen. Most servers take up to 4 of 50 characters.",
                    },
                    "durationMinutes": {
                        "type": "integer", "minimum": 5, "maximum": 43_829, "description": "How long it is open: up to a month.",
                    },
                    "multiple": {"type": "boolean", "description": "More than one may be chosen. Default false."},
                    "hideTotals": {"type": "boolean", "description": "Show the counts at the end only. Default false."},
                },
                "required": ["options", "durationMinutes"], "additionalProperties": False,
            },
        },
        "additionalProperties": False,
    },
    more=_more,
)
