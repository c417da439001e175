"""What X takes, as data: the limits, the options, and how an option is named in X's own request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.content import Draft
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation
from ._x_text import INVALID, weighted_length

MEGABYTE = 1024 * 1024
GIF_WIDTH, GIF_HEIGHT = 1280, 1080
DESCRIBED = ("image", "gif")
"""Types of media that take an alternative text."""

OPTION_MEMBERS: Mapping[str, tuple[str, bool]] = {
    "replySettings": ("reply_settings", False),
    "quoteTweetId": ("quote_tweet_id", False),
    "communityId": ("community_id", False),
    "shareWithFollowers": ("share_with_followers", False),
    "forSuperFollowersOnly": ("for_super_followers_only", True),
    "madeWithAi": ("made_with_ai", True),
    "paidPartnership": ("paid_partnership", True),
}
"""Our option -> member of `CreatePostsRequest` that takes the value as it is, and whether every segment of a thread carries it or
only the first. (A poll's members are named by `poll_of`.)"""


def poll_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """`CreatePostsPoll` of the option `poll`."""
    return {"options": list(options["poll"]["options"]), "duration_minutes": options["poll"]["durationMinutes"]}


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    for index, segment in enumerate(draft.segments):
        if any(character in segment.text for character in INVALID):
            detail = "X takes no text with the characters U+FFFE, U+FEFF or U+FFFF; this text has one."
            found.append(Violation("x.text.invalid_character", index, "text", detail))
    if "poll" in draft.options:
        if draft.segments[0].media:
            found.append(Violation("x.poll.with_media", 0, "options/poll", "X takes no poll beside media in the same post."))
        if "quoteTweetId" in draft.options:
            found.append(Violation("x.poll.with_quote", 0, "options/poll", "X takes no poll in a post that quotes another."))
    return found


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    """What X passes over (a video's alternative text, tags without pictures), and GIFs it may fail on."""
    found = []
    for index, segment in enumerate(draft.segments):
        for place, item in enumerate(segment.media):
            field = f"media/{place}"
            if item.alt_text and item.type not in DESCRIBED:
                detail = "X has no alternative text for videos: readers will not get it."
                found.append(Violation("x.alt_text.ignored", index, field, detail))
            facts = item.facts if item.type == "gif" else None
            if facts and ((facts.width or 0) > GIF_WIDTH or (facts.height or 0) > GIF_HEIGHT):
                detail = f"X may fail on a GIF above {GIF_WIDTH} x {GIF_HEIGHT} pixels; this is {facts.width} x {facts.height}."
                found.append(Violation("x.media.gif_dimensions", index, field, detail))
    first = draft.segments[0].media
    if draft.options.get("taggedUserIds") and (not first or any(item.type != "image" for item in first)):
        detail = "taggedUserIds does nothing here: users are tagged in pictures, and the first segment has none."
        found.append(Violation("x.tagged_users.ignored", 0, "options/taggedUserIds", detail))
    return found


RULES = Rules(
    platform="x",
    name="X",
    text=(
        TextLimit(
            280, "weighted characters", weighted_length,
            "a URL counts 23, an emoji 2, a character outside the Latin and neighbouring ranges 2", setting="maxWeightedLength",
        ),
    ),
    media={
        "image": MediaLimit(4, 5 * MEGABYTE, ("image/jpeg", "image/png", "image/webp")),
        "gif": MediaLimit(1, 15 * MEGABYTE, ("image/gif",)),
        # The page gives 1280 x 1024 as the most and 1080p to subscribers in the same breath; so only the least is held to.
        "video": MediaLimit(
            1, 512 * MEGABYTE, ("video/mp4", "video/quicktime"), seconds=(0.5, 140), width=(32, 8192), height=(32, 8192),
            ratio=(1 / 3, 3),
        ),
    },
    exactly_once="X has no idempotency key: after a lost answer the account's recent posts are searched, and X's own refusal of "
    "duplicate text stands behind that.",
    source="xdevplatform/docs, openapi.json 2.167, counting-characters.mdx and media/quickstart/best-practices.mdx, 2026-08-22",
    most_media=4,
    alt_text=1000,
    thread_segments=25,
    first_comment=True,
    daily_cap=DailyCap(
        2_400, 24, "X Help on limits, as quoted in the press: 2,400 posts a day and account (50, and 200 replies, where it is not"
        " verified); the API's own limits, 100 in 15 minutes and 10,000 a day and app, are wider", "dailyPosts",
    ),
    options={
        "type": "object",
        "properties": {
            "replySettings": {
                "type": "string", "enum": ["following", "mentionedUsers", "subscribers", "verified"],
                "description": "Who may reply. Leave it out to let everyone.",
            },
            "quoteTweetId": {
                "type": "string", "pattern": "^[0-9]{1,19}$", "description": "Id of the post that the first segment quotes.",
            },
            "communityId": {
                "type": "string", "pattern": "^[0-9]{1,19}$", "description": "Id of the community to post to.",
            },
            "taggedUserIds": {
                "type": "array", "maxItems": 10,
                "items": {"type": "string", "pattern": "^[0-9]{1,19}$", "description": "A user's id."},
                "description": "Users tagged in the pictures of the first segment.",
            },
            "shareWithFollowers": {"type": "boolean", "description": "Show a community post to all followers as well."},
            "forSuperFollowersOnly": {"type": "boolean", "description": "Only subscribers see it."},
            "madeWithAi": {"type": "boolean", "description": "Disclose that the media were made with AI."},
            "paidPartnership": {"type": "boolean", "description": "Disclose a paid partnership."},
            "poll": {
                "type": "object", "description": "A poll below the first segment, in place of media and of a quoted post.",
                "properties": {
                    "options": {
                        "type": "array", "minItems": 2, "maxItems": 4,
                        "items": {"type": "string", "minLength": 1, "maxLength": 25},
                        "description": "What can be chosen.",
                    },
                    "durationMinutes": {
                        "type": "integer", "minimum": 5, "maximum": 10_080, "description": "How long it is open: up to a week.",
                    },
                },
                "required": ["options", "durationMinutes"], "additionalProperties": False,
            },
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
