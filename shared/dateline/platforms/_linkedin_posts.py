"""A LinkedIn post as its API wants it, and how one that is listed is known again as ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ._linkedin_calls import in_path
from ._linkedin_rules import article_of
from ._linkedin_text import little, says
from .base import Delivery, Retry
from .calls import uploads_of

PAGE = 100
"""As many posts, or comments, as LinkedIn lists at once."""


def body_of(delivery: Delivery) -> dict[str, Any]:
    """The body of `POST /rest/posts`. Raises `Retry` where the checkpoint does not have every medium."""
    body: dict[str, Any] = {
        "author": delivery.account.account_id,
        "commentary": little(delivery.segments[0].text),
        "visibility": delivery.options.get("visibility", "PUBLIC"),
        "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": bool(delivery.options.get("disableReshare", False)),
    }
    content = _content(delivery)
    return {**body, "content": content} if content else body


def _content(delivery: Delivery) -> dict[str, Any] | None:
    """The `content` of the post: media before a link, a picture beside a link as its card's picture, a poll."""
    options, media = delivery.options, delivery.segments[0].media
    urns = uploads_of(delivery, 0)
    if len(urns) != len(media):
        raise Retry("media_gone", "Not every medium of this post is uploaded; they are uploaded again.")
    kinds = tuple(item.type for item in media)
    link = article_of(options, kinds)
    if link is not None:
        title = options.get("title") or link.split("/")[2]
        card = {"source": link, "title": title, "description": options.get("description"), "thumbnail": urns[0] if urns else None}
        return {"article": {name: value for name, value in card.items() if value}}
    if len(urns) > 1:
        images = [{"id": urn, "altText": item.alt_text} for urn, item in zip(urns, media, strict=True)]
        return {"multiImage": {"images": [{name: value for name, value in image.items() if value} for image in images]}}
    if urns:
        item = media[0]
        titles = {"video": options.get("title"), "document": options.get("title") or _file_name(item.url)}
        described = item.alt_text if item.type in ("image", "gif") else None
        alone = {"id": urns[0], "title": titles.get(item.type), "altText": described}
        return {"media": {name: value for name, value in alone.items() if value}}
    if "poll" in options:
        poll = options["poll"]
        choices = [{"text": choice} for choice in poll["options"]]
        return {"poll": {
            "question": poll["question"], "options": choices, "settings": {"duration": poll.get("duration", "THREE_DAYS")},
        }}
    return None


def _file_name(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(url).path.rpartition("/")[2])[:400] or "Document"


def listing(delivery: Delivery, segment: int, page: int) -> str:
    """The path of a page of the author's posts, newest first, or of the post's comments."""
    where = f"start={page * PAGE}&count={PAGE}"
    if segment > 0:
        return f"/rest/socialActions/{in_path(delivery.published[0].id)}/comments?{where}"
    author = in_path(delivery.account.account_id)
    return f"/rest/posts?author={author}&q=author&sortBy=CREATED&{where}"


def urn_of(entry: Mapping[str, Any]) -> str:
    """A listed post's, or comment's, URN."""
    return str(entry.get("commentUrn") or entry.get("$URN") or entry.get("id") or "")


def time_of(entry: Mapping[str, Any]) -> datetime:
    """When it was made; far ahead where LinkedIn does not say, so that it counts as recent."""
    created = entry.get("created")
    at = created.get("time") if isinstance(created, Mapping) else entry.get("createdAt") or entry.get("publishedAt")
    return datetime.fromtimestamp(at / 1000, UTC) if isinstance(at, int | float) else datetime.max.replace(tzinfo=UTC)


def is_post(entry: Mapping[str, Any], delivery: Delivery, segment: int) -> bool:
    """Whether a listed post is ours: by the media it shows where it names them (nobody else has those), else by its words."""
    if entry.get("lifecycleState") in ("DRAFT", "PUBLISH_FAILED"):
        return False
    theirs, ours = _shows(entry.get("content")), _shows(_content(delivery))
    if theirs[0] != ours[0] or (theirs[1] and theirs[1] != ours[1]):
        return False
    if ours[0] in ("media", "multiImage") and theirs[1]:
        return True
    return says(str(entry.get("commentary") or ""), delivery.segments[0].text)


def _shows(content: Any) -> tuple[str, tuple[str, ...]]:
    """What kind of content it is, and what tells it from others of the kind."""
    if not isinstance(content, Mapping) or not content:
        return "", ()
    kind, value = next(iter(content.items()))
    value = value if isinstance(value, Mapping) else {}
    source = str(value.get("source") or "").partition("://")[2].rstrip("/")
    images = [image.get("id") for image in value.get("images") or () if isinstance(image, Mapping)]
    return kind, tuple(str(name) for name in (source, value.get("question"), value.get("id"), *images) if name)


def is_comment(entry: Mapping[str, Any], delivery: Delivery, segment: int) -> bool:
    """Whether a listed comment is ours: our words, by the account."""
    message = entry.get("message")
    words = str(message.get("text") or "") if isinstance(message, Mapping) else ""
    same = " ".join(words.split()) == " ".join(delivery.segments[segment].text.split())
    return same and entry.get("actor") == delivery.account.account_id
