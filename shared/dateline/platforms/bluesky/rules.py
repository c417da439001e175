"""What Bluesky takes, as data: limits of the lexicons, and the options of a post."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...domain.content import Draft
from ...domain.rules import DailyCap, MediaLimit, Rules, TextLimit, Violation, graphemes
from .text import utf8_bytes

MOST_IMAGES, MOST_GALLERY = 4, 10
"""Pictures in the embed that every client knows, and in the newer gallery (its lexicon has 20, and asks clients for 10)."""

THUMB_BYTES = 1_000_000
VIDEO_BYTES = 300_000_000

REPLY_RULES: Mapping[str, str] = {
    "mentioned": "app.bsky.feed.threadgate#mentionRule", "followers": "app.bsky.feed.threadgate#followerRule",
    "following": "app.bsky.feed.threadgate#followingRule",
}
"""Who may reply -> the rule of a threadgate that says so."""


def has_thumb(draft_media: int, card: Mapping[str, Any] | None) -> bool:
    """Whether the pictures of a segment are its link card's thumbnail."""
    return bool(card and card.get("thumbFromMedia") and draft_media == 1)


def _more(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    """A post has one embed: a link card, or media, of which one picture may be the card's own."""
    card = draft.options.get("linkCard")
    first = draft.segments[0].media
    if not isinstance(card, dict) or not first:
        return []
    field = "options/linkCard"
    if not has_thumb(len(first), card) or first[0].type != "image":
        detail = "Bluesky shows a link card or media, not both; with thumbFromMedia one picture is the card's thumbnail."
        return [Violation("bluesky.link_card.with_media", 0, field, detail)]
    facts = first[0].facts
    if facts is not None and facts.size > THUMB_BYTES:
        detail = f"A link card's thumbnail on Bluesky has at most {THUMB_BYTES:,} bytes; this picture has {facts.size:,}."
        return [Violation("bluesky.link_card.thumb_too_large", 0, "media/0", detail, THUMB_BYTES, facts.size, "bytes")]
    return []


def _advise(draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    card = draft.options.get("linkCard")
    if isinstance(card, dict) and card.get("thumbFromMedia") and not draft.segments[0].media:
        detail = "thumbFromMedia does nothing here: the first segment has no picture."
        return [Violation("bluesky.link_card.thumb_ignored", 0, "options/linkCard/thumbFromMedia", detail)]
    return []


LABELS = ("sexual", "nudity", "porn", "graphic-media")
"""The content warnings among the label values that the network knows: what authors put on their own posts."""

RULES = Rules(
    platform="bluesky",
    name="Bluesky",
    text=(
        TextLimit(300, "graphemes", graphemes, "what a reader sees as one character counts one, an emoji of many parts too"),
        TextLimit(3000, "bytes", utf8_bytes, "bytes in UTF-8", rule="text.too_many_bytes"),
    ),
    media={
        "image": MediaLimit(MOST_GALLERY, 2_000_000, ("image/jpeg", "image/png", "image/webp", "image/gif")),
        "gif": MediaLimit(1, VIDEO_BYTES, ("image/gif",)),
        "video": MediaLimit(1, VIDEO_BYTES, ("video/mp4", "video/quicktime", "video/webm"), seconds=(0.0, 180)),
    },
    most_media=MOST_GALLERY,
    thread_segments=25,
    thread_atomic=True,
    first_comment=True,
    daily_cap=DailyCap(11_666, 24, "35,000 points a day and account, 3 for each new post (bluesky-social/atproto)", "dailyPosts"),
    options={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "linkCard": {
                "type": "object", "description": "A card for a link below the first segment, in place of media.",
                "properties": {
                    "url": {"type": "string", "pattern": "^https?://[^ ]+$", "maxLength": 2000, "description": "Where it leads."},
                    "title": {"type": "string", "minLength": 1, "maxLength": 300, "description": "Its headline."},
                    "description": {"type": "string", "maxLength": 1000, "description": "What stands below. Default empty."},
                    "thumbFromMedia": {
                        "type": "boolean",
                        "description": "Take the one picture of the first segment as the card's thumbnail. Default false.",
                    },
                },
                "required": ["url", "title"], "additionalProperties": False,
            },
            "quote": {
                "type": "object", "description": "The post that the first segment quotes.",
                "properties": {
                    "uri": {"type": "string", "pattern": "^at://[^ ]+$", "maxLength": 300, "description": "Its at:// address."},
                    "cid": {"type": "string", "pattern": "^b[a-z2-7]{20,100}$", "description": "The CID of its content."},
                },
                "required": ["uri", "cid"], "additionalProperties": False,
            },
            "replyControl": {
                "type": "array", "maxItems": 3,
                "items": {"type": "string", "enum": list(REPLY_RULES), "description": "A kind of account."},
                "description": "Who may reply; an empty list lets nobody. Leave it out to let everyone.",
            },
            "langs": {
                "type": "array",
                "items": {
                    "type": "string",
                    "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
                    "description": "A language tag such as en or pt-BR.",
                },
                "maxItems": 3,
                "description": "Languages of the text as BCP 47 tags, for example [\"en\"].",
            },
            "labels": {
                "type": "array",
                "items": {"type": "string", "enum": list(LABELS)},
                "maxItems": len(LABELS),
                "description": "Content warnings, on every segment of a thread.",
            },
            "tags": {
                "type": "array",
                "items": {
                    "type": "string", "pattern": "^[^#]", "maxLength": 64, "description": "A hashtag without its #.",
                },
                "maxItems": 8,
                "description": "Hashtags beside those in the text, on the first segment. Readers do not see them.",
            },
        },
    },
    exactly_once=(
        "The record's key is chosen before the call: a lost answer is settled by reading that key, and writing again writes"
        " the same record."
    ),
    source="Lexicons and server source of bluesky-social/atproto d6296a1 (2026-08-20); behaviour tested on a PDS 0.5.35; videos:"
    " docs.bsky.app/docs/tutorials/video, and the types and three minutes of bluesky-social/social-app.",
    more=_more,
    advise=_advise,
)
