"""What X takes, as data: the limits, the options, and how an option is named in X's own request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.content import Draft
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation
from ._x_text import INVALID, weighted_length

IMAGE_FORMATS = ("image/jpeg", "image/png", "image/webp")
IMAGE_BYTES = 5 * 1024 * 1024

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


RULES = Rules(
    platform="x",
    name="X",
    text=(
        TextLimit(
            280, "weighted characters", weighted_length,
            "a URL counts 23, an emoji 2, a character outside the Latin and neighbouring ranges 2", setting="maxWeightedLength",
        ),
    ),
    media={"image": MediaLimit(4, IMAGE_BYTES, IMAGE_FORMATS)},
    exactly_once="X has no idempotency key: after a lost answer the account's recent posts are searched, and X's own refusal of "
    "duplicate text stands behind that.",
    source="xdevplatform/docs, openapi.json 2.167 and counting-characters.mdx, 2026-08-22",
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
)
