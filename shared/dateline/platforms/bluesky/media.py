"""Media of a Bluesky post: pictures go to the account's server, videos and GIFs to the video service, which takes its time.

The checkpoint's `blobs` has an entry for each file: the `job` of the video service, then the `blob` that a record refers to,
`at` what time, and its `size` in pixels. Everything is saved, so that the record is the same on every try. The video service
knows a file that it had before (`already_exists`) and answers with what became of it; so uploading again is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ...domain.content import Media
from .._files import opened, time_for
from ..base import Answer, Delivery, Failed, MediaFile, NotReady, Outcome, Retry
from ..calls import Body, harmless, said_by
from .records import Uploaded
from .rules import MOST_IMAGES, RULES, THUMB_BYTES, has_thumb
from .xrpc import access, pds_of, refusal_of, xrpc

BLOB_FRESH = timedelta(hours=1)
"""How long an upload that no record uses yet is relied upon; after that it is made again (same bytes, same reference). A server
may clear away what stays unused."""

VIDEO_HOST = "video.bsky.app"
POLL_SECONDS = 3.0
TOKEN_LIFE = timedelta(minutes=30)
"""Of the token that lets the video service write the blob, as Bluesky's tutorial has it: it must outlast the processing."""

FINAL = frozenset({"validation_failure", "pds_upload_unsupported_blob_size"})
"""Failure codes of a job that another try would end in, too. The others pass (marcomaroni-github/twitter-to-bluesky pull 55)."""


def upload(delivery: Delivery) -> None:
    """Upload what is not up yet, saving each as soon as it is known, then ask once for each video. Raises `NotReady`."""
    items = [(item, place, len(segment.media)) for place, segment in enumerate(delivery.segments) for item in segment.media]
    for item, place, count in items:
        entry = _known(delivery).get(_blob_name(item.url)) or {}
        if entry and delivery.now() - datetime.fromisoformat(entry["at"]) < BLOB_FRESH:
            continue
        file = opened(delivery, RULES, item, "media_unsupported")
        _judge_size(delivery, item, place, count, file)
        size = [file.width, file.height] if file.width and file.height else None
        sent = _picture(delivery, file) if item.type == "image" else _video(delivery, file)
        _keep(delivery, item, {**sent, "at": delivery.now().isoformat(), "size": size})
    for item, _, _ in items:
        if "blob" not in _known(delivery)[_blob_name(item.url)]:
            _wait(delivery, item)


def files_of(delivery: Delivery, media: Sequence[Media]) -> list[Uploaded]:
    """The media of a segment as they are up. Raises `Retry` when one is not."""
    known = _known(delivery)
    entries = [known.get(_blob_name(item.url)) or {} for item in media]
    if not all("blob" in entry for entry in entries):
        raise Retry("media_missing", "The media of this post are not uploaded yet.")
    sizes = [entry.get("size") for entry in entries]
    return [
        Uploaded(item.type, entry["blob"], item.alt_text, (int(size[0]), int(size[1])) if size else None)
        for item, entry, size in zip(media, entries, sizes, strict=True)
    ]


def _judge_size(delivery: Delivery, item: Media, segment: int, count: int, file: MediaFile) -> None:
    """What the rules could not see before the file was looked into; it is one of `count` in its segment."""
    if segment == 0 and has_thumb(count, delivery.options.get("linkCard")) and file.size > THUMB_BYTES:
        raise Failed("media_too_large", f"A link card's thumbnail has at most {THUMB_BYTES:,} bytes; this has {file.size:,}.")
    if item.type == "image" and count > MOST_IMAGES and not (file.width and file.height):
        detail = f"With more than {MOST_IMAGES} pictures Bluesky needs the size of each, and that of one cannot be told."
        raise Failed("media_unreadable", detail)


def _known(delivery: Delivery) -> dict[str, Any]:
    return dict(delivery.checkpoint.get("blobs") or {})


def _keep(delivery: Delivery, item: Media, entry: dict[str, Any] | None) -> None:
    """Save how far one file is; None forgets it."""
    known = _known(delivery)
    known.pop(_blob_name(item.url), None)
    if entry is not None:
        known[_blob_name(item.url)] = entry
    delivery.save(blobs=known)


def _blob_name(url: str) -> str:
    """A short name for a file in the checkpoint, so that another URL never takes its place."""
    from hashlib import sha256

    return sha256(url.encode()).hexdigest()[:16]


def _picture(delivery: Delivery, file: MediaFile) -> dict[str, Any]:
    headers = {**access(delivery.account), "Content-Type": file.mime}
    url = xrpc(delivery.account, "com.atproto.repo.uploadBlob")
    data = file.read()
    answer = harmless(lambda: delivery.http.request("POST", url, headers=headers, data=data))
    if answer.status != 200:
        raise refusal_of(answer, delivery.now())
    blob = said_by(answer).get("blob")
    if not isinstance(blob, dict):
        raise Retry("upload_unclear", "The answer to the upload held no reference to the picture.")
    return {"blob": blob}


def _video(delivery: Delivery, file: MediaFile) -> dict[str, Any]:
    """`uploadVideo`: the id of the job that takes it from there."""
    headers = {"Authorization": f"Bearer {_service_token(delivery)}", "Content-Type": file.mime}
    ending = {"video/quicktime": "mov"}.get(file.mime) or file.mime.partition("/")[2]
    params = {"did": delivery.account.account_id, "name": f"{delivery.post_id}.{ending}"}
    url = f"{delivery.account.host(VIDEO_HOST)}/xrpc/app.bsky.video.uploadVideo"
    seconds = time_for(delivery, file.size)
    answer = harmless(
        lambda: delivery.http.request("POST", url, headers=headers, params=params, data=Body(file), seconds=seconds)
    )
    # A job is named in every good answer, and in the refusal of a file that was there before; with or without `jobStatus`.
    said = _status_of(answer)
    if not said.get("jobId"):
        raise _video_refusal(answer, said, delivery.now())
    return {"job": str(said["jobId"])}


def _service_token(delivery: Delivery) -> str:
    """A token that lets the video service put the blob on the account's own server, which it must name."""
    account, now = delivery.account, delivery.now()
    host = account.settings.get("pds") or _own_host(delivery)
    params = {
        "aud": "did:web:" + str(host).replace(":", "%3A"), "lxm": "com.atproto.repo.uploadBlob",
        "exp": int((now + TOKEN_LIFE).timestamp()),
    }
    url, headers = xrpc(account, "com.atproto.server.getServiceAuth"), access(account)
    answer = harmless(lambda: delivery.http.request("GET", url, headers=headers, params=params))
    token = said_by(answer).get("token")
    if answer.status != 200 or not token:
        raise refusal_of(answer, now)
    return str(token)


def _own_host(delivery: Delivery) -> str:
    from urllib.parse import urlsplit

    account = delivery.account
    url, headers = xrpc(account, "com.atproto.server.getSession"), access(account)
    answer = harmless(lambda: delivery.http.request("GET", url, headers=headers))
    if answer.status != 200:
        raise refusal_of(answer, delivery.now())
    return pds_of(said_by(answer)) or urlsplit(account.server).netloc


def _status_of(answer: Answer) -> Mapping[str, Any]:
    said = said_by(answer)
    inner = said.get("jobStatus")
    return inner if isinstance(inner, dict) else said


def _video_refusal(answer: Answer, said: Mapping[str, Any], now: datetime) -> Outcome:
    error, words = str(said.get("error") or ""), str(said.get("message") or said.get("error") or "no reason given")[:300]
    if error == "unconfirmed_email":
        return Failed("email_unconfirmed", "Bluesky takes videos only of accounts whose e-mail address is confirmed.")
    if answer.status == 429:
        return refusal_of(answer, now)
    if answer.status < 400 or not error:
        return Retry("upload_unclear", "The answer to the upload named no job.")
    return Failed("media_refused", f"Bluesky's video service refused the file with {answer.status}: {words}")


def _wait(delivery: Delivery, item: Media) -> None:
    """Ask once how far a job is: whatever its state, it is done when it has a blob."""
    entry = _known(delivery)[_blob_name(item.url)]
    url = f"{delivery.account.host(VIDEO_HOST)}/xrpc/app.bsky.video.getJobStatus"
    # No token: jobs are public.
    answer = harmless(lambda: delivery.http.request("GET", url, params={"jobId": entry["job"]}))
    said = _status_of(answer)
    if isinstance(said.get("blob"), dict):
        _keep(delivery, item, {**entry, "blob": said["blob"], "at": delivery.now().isoformat()})
        return
    words = str(said.get("message") or said.get("error") or "no reason given")[:300]
    if answer.status in (400, 404):
        _keep(delivery, item, None)
        raise Retry("media_gone", f"Bluesky no longer knows the upload of a {item.type}; it is made again.")
    if answer.status != 200:
        raise refusal_of(answer, delivery.now())
    if said.get("state") == "JOB_STATE_FAILED":
        _keep(delivery, item, None)
        detail = f"Bluesky could not process the {item.type}: {words}"
        raise Failed("media_refused", detail) if said.get("failureCode") in FINAL else Retry("media_failed", detail)
    raise NotReady("media_processing", f"Bluesky is still processing a {item.type}.", POLL_SECONDS)
