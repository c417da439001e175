"""Looking at what Facebook has: a page's posts, those it keeps for later, its stories, a post's comments, and one video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ._facebook_calls import SUBCODES, WHO, asked, call, is_gone
from ._facebook_uploads import kind
from ._meta import said_well
from .base import Absent, Delivery, Found, Refused, Remote, Resolution, SafeToRepeat, Undecidable, Working
from .calls import uploads_of

CLOCK_SKEW = timedelta(seconds=60)
EARLY = timedelta(minutes=5)
"""So long before its time nothing of a post is out."""
PAGES = 5
AGAIN = 15.0
VIDEO_GONE = "video_gone"
LIST_PATIENCE = timedelta(minutes=5)
"""How long what was finished may take until it can be read."""
_POST = "id,message,created_time,attachments{type,target,unshimmed_url,subattachments{target,type}}"
_STORY = "post_id,media_id,creation_time,status"


class TooMany(Exception):
    """The list goes on and on."""


def listed(delivery: Delivery, path: str, **params: Any) -> Iterator[Mapping[str, Any]]:
    """Every entry of a list, page by page. Raises `TooMany` after some pages, else as `asked`."""
    after: dict[str, Any] = {}
    for _ in range(PAGES):
        said = asked(delivery, "GET", path, params={"limit": 100, **params, **after})
        yield from (entry for entry in said.get("data") or () if isinstance(entry, Mapping))
        paging = said.get("paging") or {}
        cursor = (paging.get("cursors") or {}).get("after")
        if not paging.get("next") or not cursor:
            return
        after = {"after": cursor}
    raise TooMany


def since_of(delivery: Delivery) -> datetime:
    """Where to look from: the first try that may have had an effect, and never long before the post's time. Nothing older is
    ours, though it may say the same (and was in the list all along)."""
    first = delivery.checkpoint.get("since")
    since = datetime.fromisoformat(first) if first else delivery.armed_at or delivery.now()
    return max(since, delivery.publish_at - EARLY if delivery.publish_at else since) - CLOCK_SKEW


def post_among(
    delivery: Delivery, edge: str, at: datetime | None = None, since: datetime | None = None
) -> Found | Absent | Undecidable:
    """Our post among the page's on `edge`, since our first try or `since`: the earliest that is ours; with `at`, one that is kept
    for that time."""
    since, owned = since or since_of(delivery), delivery.taken | {remote.id for remote in delivery.published}
    path, asked_for = f"/{delivery.account.account_id}/{edge}", {"fields": _POST}
    params: dict[str, Any] = {**asked_for, "since": int(since.timestamp())}
    if at is not None:
        params = {"fields": f"{_POST},scheduled_publish_time"}
    found = []
    try:
        for entry in listed(delivery, path, **params):
            made = _moment(entry.get("created_time"))
            timely = made >= since if at is None else _same_time(entry.get("scheduled_publish_time"), at)
            if timely and str(entry.get("id")) not in owned and _is_ours(entry, delivery):
                found.append((made, str(entry["id"])))
    except TooMany:
        return Undecidable(f"The page has more than {PAGES * 100} posts since; Facebook has to be looked through by hand.")
    return Found((remote_of(min(found)[1]),)) if found else Absent()


def comment_among(delivery: Delivery, segment: int) -> Found | Absent | Undecidable:
    """Our comment on our post."""
    since, words = since_of(delivery), _plain(delivery.segments[segment].text)
    params = {"fields": "id,message,from,created_time", "filter": "stream", "order": "reverse_chronological"}
    found = []
    try:
        for entry in listed(delivery, f"/{delivery.published[0].id}/comments", **params):
            made, author = _moment(entry.get("created_time")), entry.get("from") or {}
            ours = author.get("id") in (None, delivery.account.account_id) and _plain(entry.get("message")) == words
            if made >= since and ours and str(entry.get("id")) not in delivery.taken:
                found.append((made, str(entry["id"])))
    except TooMany:
        return Undecidable(f"The post has more than {PAGES * 100} comments; Facebook has to be looked through by hand.")
    return Found((remote_of(min(found)[1]),)) if found else Absent()


def story_of(delivery: Delivery, medium: str) -> Found | Absent | Undecidable:
    """The page's story that shows a photo or a video of ours: nobody else has that."""
    try:
        for entry in listed(delivery, f"/{delivery.account.account_id}/stories", fields=_STORY):
            if str(entry.get("media_id")) == medium:
                return Found((Remote(str(entry.get("post_id") or medium)),))
    except TooMany:
        return Undecidable(f"The page has more than {PAGES * 100} stories; Facebook has to be looked through by hand.")
    return Absent()


def video(delivery: Delivery) -> Resolution:
    """What became of a video that was finished, by the id it has had from the start.

    One that Facebook has whole and does not work on was never finished: to finish it again is to finish the same video, which
    cannot become two.
    """
    what, [number] = kind(delivery), uploads_of(delivery, 0)
    answer = call(delivery.account, delivery.http, "GET", f"/{number}", params={"fields": "status,published"})
    if is_gone(answer):
        return Refused(VIDEO_GONE, "Facebook does not show the video.", again=True)
    status = said_well(WHO, answer, delivery.now(), SUBCODES).get("status") or {}
    phases = {name: status.get(f"{name}_phase") or {} for name in ("uploading", "processing", "publishing")}
    broken = next((phase for phase in phases.values() if phase.get("status") == "error"), None)
    if broken is not None or status.get("video_status") in ("error", "upload_failed", "expired"):
        errors = (broken or {}).get("errors") or [(broken or {}).get("error") or {}]
        why = str((errors[0] or {}).get("message") or status.get("video_status") or "no reason given")[:300]
        return Refused("media_refused", f"Facebook could not process the video: {why}")
    publishing = phases["publishing"]
    kept = publishing.get("publish_status") == "scheduled"
    if not kept and (publishing.get("publish_status") == "published" or publishing.get("status") == "complete"):
        return Found((video_remote(delivery, what, number),))
    if kept or publishing.get("status") not in (None, "not_started") or phases["processing"].get("status") == "in_progress":
        return Working(AGAIN, "Facebook is working on the video.")
    return SafeToRepeat()


def finished(delivery: Delivery) -> Resolution:
    """The same after a call that may have finished it: that it cannot be read proves nothing, so no other takes its place."""
    seen = video(delivery)
    if not (isinstance(seen, Refused) and seen.code == VIDEO_GONE):
        return seen
    if delivery.now() - (delivery.armed_at or delivery.now()) < LIST_PATIENCE:
        return Working(AGAIN, seen.detail)
    return Undecidable("Facebook does not show the video that was to be published: it may be out, or have been deleted.")


def video_remote(delivery: Delivery, what: str, number: str) -> Remote:
    """A published video as readers see it: a story has an id of its own."""
    if what == "video_story":
        seen = story_of(delivery, number) if not delivery.checkpoint.get("storyId") else None
        listed_as = seen.remotes[0].id if isinstance(seen, Found) else number
        return Remote(str(delivery.checkpoint.get("storyId") or listed_as), None, {"videoId": number})
    if what == "reel":
        return Remote(number, f"https://www.facebook.com/reel/{number}")
    return Remote(number, f"https://www.facebook.com/{delivery.account.account_id}/videos/{number}")


def remote_of(post: str) -> Remote:
    """A post of the feed, or a comment, by its id."""
    return Remote(post, f"https://www.facebook.com/{post}")


def _is_ours(entry: Mapping[str, Any], delivery: Delivery) -> bool:
    """Whether a listed post is ours: by its photos where Facebook names them (nobody else has those), else by its words."""
    theirs, ours = _photos(entry), uploads_of(delivery, 0)
    if theirs and ours:
        return sorted(theirs) == sorted(ours)
    types = [str(part.get("type") or "") for part in _attachments(entry)]
    pictured = any(kind in ("photo", "album") or kind.startswith("video") for kind in types)
    return pictured == bool(ours) and _plain(entry.get("message")) == _plain(delivery.segments[0].text)


def _attachments(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    data = (entry.get("attachments") or {}).get("data")
    return [part for part in data if isinstance(part, Mapping)] if isinstance(data, list) else []


def _photos(entry: Mapping[str, Any]) -> list[str]:
    found = []
    for part in _attachments(entry):
        parts = (part.get("subattachments") or {}).get("data") or ([part] if part.get("type") == "photo" else [])
        found += [str(one["target"]["id"]) for one in parts if (one.get("target") or {}).get("id")]
    return found


def _plain(words: Any) -> str:
    return " ".join(str(words or "").split())


def _moment(said: Any) -> datetime:
    """Facebook's `2026-06-15T09:00:00+0000`; far ahead where it is none, so that it counts as recent."""
    try:
        return datetime.strptime(str(said), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)


def _same_time(said: Any, at: datetime) -> bool:
    try:
        return abs(float(said) - at.timestamp()) < CLOCK_SKEW.total_seconds()
    except (TypeError, ValueError):
        return False
