"""What Threads takes, as data: how text is counted, what media it fetches, the options and how its own request names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..domain.content import Draft, Segment
from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation

MOST_LINKS = 5
_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.I)

OPTION_FIELDS: Mapping[str, str] = {
    "replyControl": "reply_control", "topicTag": "topic_tag", "quotePostId": "quote_post_id", "linkAttachment": "link_attachment",
}
"""Our option -> the container's field that takes the value as it is. (A poll's members are named by `poll_of`.) All are the
first segment's."""


def poll_of(options: Mapping[str, Any]) -> dict[str, str]:
    """`poll_attachment` of the option `poll`: its choices are named `option_a` to `option_d`."""
    return {f"option_{letter}": choice for letter, choice in zip("abcd", options["poll"]["options"], strict=False)}


def length(text: str, settings: Mapping[str, Any]) -> int:
    """Characters as Threads counts them: an emoji by its bytes in UTF-8, everything else by one."""
    if text.isascii():
        return len(text)
    import regex

    emoji = r"[\p{Emoji_Presentation}\p{Regional_Indicator}\u200d\ufe0f\u20e3]|\p{Extended_Pictographic}"
    return sum(
        len(cluster.encode()) if regex.search(emoji, cluster) else len(cluster) for cluster in regex.findall(r"\X", text)
    )


def links(text: str, attachment: str = "") -> int:
    """How many different links a post has; one attached that is in the text as well counts once."""
    found = {link.rstrip(".,;:!?)").rstrip("/") for link in _LINK.findall(text)}
    return len(found | ({attachment.rstrip("/")} if attachment else set()))


def has_attachment(segment: Segment, options: Mapping[str, Any]) -> bool:
    """Whether the option `linkAttachment` can stand: only a post of text alone shows a link's preview."""
    return "linkAttachment" in options and not segment.media


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    found, options = [], draft.options
    for index, segment in enumerate(draft.segments):
        attached = str(options["linkAttachment"]) if index == 0 and has_attachment(segment, options) else ""
        count = links(segment.text, attached)
        if count > MOST_LINKS:
            detail = f"Threads takes at most {MOST_LINKS} different links in one post; this one has {count}."
            found.append(Violation("threads.text.too_many_links", index, "text", detail, MOST_LINKS, count, "links"))
    if "poll" in options and draft.segments[0].media:
        found.append(Violation("threads.poll.with_media", 0, "options/poll", "Threads takes no poll beside media."))
    return found


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    if "linkAttachment" not in draft.options or has_attachment(draft.segments[0], draft.options):
        return []
    detail = "Threads attaches a link only to a post without media: the post goes out without it."
    return [Violation("threads.link_attachment.ignored", 0, "options/linkAttachment", detail)]


RULES = Rules(
    platform="threads",
    name="Threads",
    text=(
        TextLimit(500, "characters", length, "an emoji counts as many as it has bytes in UTF-8, mostly 4 for each of its parts"),
    ),
    media={
        "image": MediaLimit(20, 8 * 1024 * 1024, ("image/jpeg", "image/png"), ratio=(0.1, 10.0)),
        "video": MediaLimit(20, 1024**3, ("video/mp4", "video/quicktime"), seconds=(0.0, 300.0)),
    },
    exactly_once="A post is prepared as a container that is published once: after a lost answer the container itself says whether"
    " it was, and a repeat cannot double it. Only which post came of it has to be found in the account's list; where it cannot be"
    " told from others, the post ends unconfirmed.",
    source="developers.facebook.com/documentation/threads: posts (2026-04-14), reference/publishing (2026-04-20), overview"
    " (2025-12-22), create-posts/polls and text-attachments (2026-07-02), posts/delete-posts",
    most_media=20,
    mixed_media=True,
    alt_text=1000,
    thread_segments=25,
    first_comment=True,
    daily_cap=DailyCap(
        250, 24, "Threads API overview, 2025-12-22: 250 posts in 24 hours and profile (a carousel is one), and 1,000 replies",
        "dailyPosts",
    ),
    options={
        "type": "object",
        "properties": {
            "replyControl": {
                "type": "string",
                "enum": ["everyone", "accounts_you_follow", "mentioned_only", "parent_post_author_only", "followers_only"],
                "description": "Who may reply to the first segment. The profile's own setting by default.",
            },
            "topicTag": {
                "type": "string", "pattern": r"^[^.&\r\n]{1,50}$",
                "description": "The topic of the post, 1 to 50 characters without a full stop or an ampersand. None by default.",
            },
            "linkAttachment": {
                "type": "string", "pattern": r"^https?://[^\s]{1,2000}$",
                "description": "The link shown as a preview below a post without media. The first link of the text by default.",
            },
            "quotePostId": {
                "type": "string", "pattern": "^[0-9]{1,20}$", "description": "Id of the post that the first segment quotes.",
            },
            "poll": {
                "type": "object", "description": "A poll below the first segment, in place of media.",
                "properties": {
                    "options": {
                        "type": "array", "minItems": 2, "maxItems": 4,
                        "items": {"type": "string", "minLength": 1, "maxLength": 25},
                        "description": "What can be chosen.",
                    },
                },
                "required": ["options"], "additionalProperties": False,
            },
        },
        "additionalProperties": False,
    },
    more=_more,
    advise=_advise,
)
