"""A video on its way to YouTube: a resumable session, sent in chunks, continued wherever it stopped.

The session's address stands in the checkpoint and gives whoever has it the upload: it is never put into a text. The server
alone knows how much has arrived, so nothing is saved per chunk: whoever comes next asks (`Content-Range: bytes */N`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from ..domain.content import Media
from ._google import good, moment, refused
from ._youtube_rules import VIDEO_BYTES, VIDEO_FORMATS, snippet_of, status_of, video_of
from .base import Account, Answer, AnswerLost, Delivery, Failed, MediaFile, NotReady, NotSent, Retry
from .calls import bearer, harmless, repeatable, said_by

CHUNK = 16 * 1024 * 1024
"""Bytes of one request: a multiple of 256 KiB, as the protocol wants it."""
CHUNK_SECONDS = 75.0
"""The deadline of one chunk: 16 MiB at 2 Mbit/s."""
MOST_LOST = 3
"""Chunks in a row that may go wrong before this try ends; what has arrived stays."""
CLOCK_SKEW = timedelta(seconds=60)

Progress = int | str | None
"""What a session says: bytes that have arrived, the id of the finished video, or nothing: the session is forgotten."""


def mark_of(url: str) -> str:
    """A short mark of a medium's address, to see whether the post still has the one that was uploaded."""
    from hashlib import sha256

    return sha256(url.encode()).hexdigest()[:16]


def upload(delivery: Delivery) -> str:
    """Get the post's video onto the channel as private, and return its id. Goes on from whatever an earlier try left.

    Raises `NotReady` where the time is short, `Retry`, `Failed`, `TokenRefused`.
    """
    item = video_of(delivery.segments[0])
    file = _checked(delivery, item)
    session: dict[str, Any] = dict(delivery.checkpoint.get("upload") or {})
    progress: Progress = None
    if session.get("file") == mark_of(item.url) and session.get("size") == file.size:
        progress = _ask(delivery, session, file)
        if progress is None and session.get("last"):
            progress = _left_over(delivery, session)
    if progress is None:
        session, progress = _begin(delivery, item, file), 0
    lost = 0
    while isinstance(progress, int):
        if progress >= file.size:
            raise NotReady("upload_finishing", "YouTube has all of the video and is not done with it yet.", 5.0)
        before = progress
        if progress + CHUNK >= file.size and not session.get("last"):
            session["last"] = True
            delivery.save(upload=dict(session))
        try:
            progress = _send(delivery, session, file, progress)
        except (NotSent, AnswerLost) as error:
            if (lost := lost + 1) > MOST_LOST:
                raise Retry("network_unreachable", f"The upload broke off and goes on where it stopped: {error}") from None
            progress = _ask(delivery, session, file)
        lost = 0 if progress != before else lost + 1
        if lost > MOST_LOST:
            raise Retry("upload_stalled", "YouTube takes no more of the video for now; the upload goes on where it stopped.")
    if progress is None:
        delivery.save(upload=None)
        raise Retry("upload_expired", "YouTube no longer knows the upload that was begun; it begins anew.")
    return progress


def _checked(delivery: Delivery, item: Media) -> MediaFile:
    file = delivery.media.open(item)
    if file.mime not in VIDEO_FORMATS:
        raise Failed("media_format", f"YouTube takes {', '.join(VIDEO_FORMATS)}; this file is {file.mime}.")
    if not 0 < file.size <= VIDEO_BYTES:
        raise Failed("media_too_large", f"YouTube takes videos of at most {VIDEO_BYTES:,} bytes; this one has {file.size:,}.")
    return file


def _begin(delivery: Delivery, item: Media, file: MediaFile) -> dict[str, Any]:
    """Open a session for a private video. One whose answer is lost is forgotten: it comes to nothing by itself."""
    account, options = delivery.account, delivery.options
    params = {
        "uploadType": "resumable", "part": "snippet,status",
        "notifySubscribers": "true" if options.get("notifySubscribers", True) else "false",
    }
    headers = {**bearer(account), "X-Upload-Content-Type": file.mime, "X-Upload-Content-Length": str(file.size)}
    body = {"snippet": snippet_of(delivery.segments[0], options), "status": status_of(options, "private")}
    url = account.server + "/upload/youtube/v3/videos"
    answer = harmless(lambda: delivery.http.request("POST", url, headers=headers, params=params, json=body))
    good("YouTube", answer, delivery.now())
    location = answer.headers.get("location", "")
    if not _is_googles(account, location):
        raise Retry("answer_unreadable", "YouTube opened an upload and did not say where to send it.")
    session = {
        "session": location, "file": mark_of(item.url), "size": file.size, "at": delivery.now().isoformat(),
        "last": file.size <= CHUNK,
    }
    delivery.save(upload=dict(session))
    return session


def _is_googles(account: Account, location: str) -> bool:
    """Whether the token may go there."""
    parts = urlsplit(location)
    if account.override:
        return bool(parts.netloc)
    return parts.scheme == "https" and f".{parts.hostname or ''}".endswith(".googleapis.com")


def _send(delivery: Delivery, session: Mapping[str, Any], file: MediaFile, start: int) -> Progress:
    """The next chunk. Raises `AnswerLost` also where a server in between answers for YouTube (5xx)."""
    delivery.need(CHUNK_SECONDS)
    piece = file.read(start, CHUNK)
    if not piece:
        raise Retry("media_gone", "The copy of the video is shorter than it was.")
    return _put(delivery, session, file, piece, f"bytes {start}-{start + len(piece) - 1}/{file.size}")


def _ask(delivery: Delivery, session: Mapping[str, Any], file: MediaFile) -> Progress:
    """How far the session is."""
    try:
        return _put(delivery, session, file, b"", f"bytes */{file.size}")
    except (NotSent, AnswerLost) as error:
        raise Retry("network_unreachable", str(error)) from None


def _put(delivery: Delivery, session: Mapping[str, Any], file: MediaFile, piece: bytes, content_range: str) -> Progress:
    headers = {**bearer(delivery.account), "Content-Type": file.mime, "Content-Range": content_range}
    answer: Answer = delivery.http.request(
        "PUT", str(session["session"]), headers=headers, data=piece, seconds=CHUNK_SECONDS if piece else None
    )
    if answer.status >= 500:
        raise AnswerLost(f"YouTube answered {answer.status}.")
    if answer.status in (200, 201):
        video = said_by(answer).get("id")
        if not video:
            raise Retry("answer_unreadable", "YouTube took the video and named no id for it.")
        return str(video)
    if answer.status == 308:
        return int(answer.headers["range"].rpartition("-")[2]) + 1 if answer.headers.get("range") else 0
    if answer.status in (404, 410):
        return None
    raise refused("YouTube", answer, delivery.now())


def _left_over(delivery: Delivery, session: Mapping[str, Any]) -> str | None:
    """The video that a forgotten session whose last answer was lost has made, if there is exactly one it can be: private, with
    our words, of our size, from since the session began. Else it is uploaded again, and a private one stays for its owner."""
    playlist = delivery.account.settings.get("uploadsPlaylist") or "UU" + delivery.account.account_id[2:]
    params = {"part": "snippet", "playlistId": playlist, "maxResults": 50}
    answer = repeatable(delivery, "GET", "/youtube/v3/playlistItems", params=params)
    if answer.status == 404:
        return None
    recent = [item.get("snippet") or {} for item in good("YouTube", answer, delivery.now()).get("items") or ()]
    wanted = snippet_of(delivery.segments[0], delivery.options)
    ids = [str((one.get("resourceId") or {}).get("videoId")) for one in recent if one.get("title") == wanted["title"]]
    others = delivery.taken | {remote.id for remote in delivery.published}
    ids = [one for one in ids if one not in others]
    if not ids:
        return None
    params = {"part": "snippet,status,fileDetails", "id": ",".join(ids)}
    answer = repeatable(delivery, "GET", "/youtube/v3/videos", params=params)
    since = moment(session.get("at")) or delivery.now()
    found = [
        str(video["id"]) for video in good("YouTube", answer, delivery.now()).get("items") or ()
        if _is_ours(video, wanted, session, since)
    ]
    return found[0] if len(found) == 1 else None


def _is_ours(video: Mapping[str, Any], wanted: Mapping[str, Any], session: Mapping[str, Any], since: datetime) -> bool:
    snippet, status, details = (video.get(part) or {} for part in ("snippet", "status", "fileDetails"))
    same = all(snippet.get(name) == wanted[name] for name in ("title", "description"))
    late_enough = (moment(snippet.get("publishedAt")) or since) >= since - CLOCK_SKEW
    size = details.get("fileSize")
    waits = status.get("privacyStatus") == "private" and "publishAt" not in status
    return same and waits and late_enough and (size is None or str(size) == str(session.get("size")))


def snippet_mark(delivery: Delivery) -> str:
    """A short mark of what the video is described with."""
    import json

    return mark_of(json.dumps(snippet_of(delivery.segments[0], delivery.options), sort_keys=True))


def describe(delivery: Delivery, video: Mapping[str, Any]) -> None:
    """Put the post's words to a private video that was uploaded with others (the post was edited meanwhile)."""
    body = {"id": video["id"], "snippet": snippet_of(delivery.segments[0], delivery.options)}
    answer = repeatable(delivery, "PUT", "/youtube/v3/videos", params={"part": "snippet"}, json=body)
    good("YouTube", answer, delivery.now())

