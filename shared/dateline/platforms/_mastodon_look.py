"""A segment as Mastodon's API takes it, and how it is found again among the account's statuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ._mastodon_calls import good
from ._mastodon_rules import FIRST_MEMBERS, OPTION_MEMBERS, poll_of
from ._mastodon_text import plain, shown_text
from .base import Absent, Delivery, Found, Remote, Retry, Undecidable
from .calls import repeatable, said_by, uploads_of

PAGE_SIZE, PAGES = 40, 10


def body_of(delivery: Delivery, segment: int) -> dict[str, Any]:
    """The parameters of `POST /api/v1/statuses` for `segment`. Raises `Retry` when its media are not uploaded."""
    content = delivery.segments[segment]
    body: dict[str, Any] = {}
    if content.text:
        body["status"] = content.text
    if content.media:
        media_ids = uploads_of(delivery, segment)
        if len(media_ids) != len(content.media):
            raise Retry("media_gone", "Not every medium of this segment is uploaded; they are uploaded again.")
        body["media_ids"] = media_ids
    if segment > 0:
        body["in_reply_to_id"] = delivery.published[segment - 1].id
    body.update({member: delivery.options[name] for name, member in OPTION_MEMBERS.items() if name in delivery.options})
    if segment == 0:
        body.update({member: delivery.options[name] for name, member in FIRST_MEMBERS.items() if name in delivery.options})
        if "poll" in delivery.options:
            body["poll"] = poll_of(delivery.options)
    return body


def look(delivery: Delivery, segment: int, since: datetime | None) -> Found | Absent | Undecidable:
    """`since` None looks at the latest page only, whenever that was."""
    others = delivery.taken | {remote.id for remote in delivery.published}
    params: dict[str, Any] = {"limit": PAGE_SIZE, "exclude_reblogs": "true"}
    ours: Mapping[str, Any] | None = None
    for _ in range(PAGES):
        answer = repeatable(delivery, "GET", f"/api/v1/accounts/{delivery.account.account_id}/statuses", params=params)
        good(answer, delivery.now())
        page = [status for status in answer.json() or () if isinstance(status, dict)]
        recent = [status for status in page if since is None or _created(status) >= since]
        for status in recent:
            if str(status["id"]) not in others and _is_segment(status, delivery, segment):
                ours = status  # newest first: the last one seen is the first that was written
        if len(recent) < len(page) or not page or since is None:
            return Found((remote_of(ours),)) if ours else Absent()
        params = {**params, "max_id": page[-1]["id"]}
    return Undecidable("The account has made too many posts since; the server has to be looked through by hand.")


def _is_segment(status: Mapping[str, Any], delivery: Delivery, segment: int) -> bool:
    """Whether `status` is `segment`: its parent, then its media, else its words as shown or as they were sent."""
    parent = delivery.published[segment - 1].id if segment > 0 else None
    if (str(status["in_reply_to_id"]) if status.get("in_reply_to_id") else None) != parent:
        return False
    theirs = {str(medium.get("id")) for medium in status.get("media_attachments") or ()}
    content = delivery.segments[segment]
    if theirs or content.media:
        # A medium belongs to one status only, so its id says more than any words.
        return theirs == set(uploads_of(delivery, segment))
    if plain(shown_text(str(status.get("content") or ""))) == plain(content.text):
        return True
    answer = repeatable(delivery, "GET", f"/api/v1/statuses/{status['id']}/source")
    return answer.status == 200 and plain(str(said_by(answer).get("text") or "")) == plain(content.text)


def remote_of(status: Mapping[str, Any]) -> Remote:
    """A status as what became visible."""
    return Remote(str(status["id"]), str(status["url"]) if status.get("url") else None)


def _created(status: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(status["created_at"]))
