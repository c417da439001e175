"""Pinterest's media: videos are uploaded and processed before the pin, pictures are named by a signed address of ours.

Where Pinterest could not fetch that address, the next try carries the pictures inside the request, if they are few bytes and of
the types it takes so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..domain.content import Media
from ._pinterest_rules import COVER_MEMBERS, IMAGE_FORMATS, INLINE_FORMATS, VIDEO_FORMATS
from .base import Answer, Delivery, Failed, MediaFile, NotReady, Retry
from .calls import form_with_file, harmless, repeatable

LONG_EXCHANGE = 75.0
LARGE = 8 * 1024 * 1024
INLINE_BYTES = 10 * 1024 * 1024
"""The most that pictures may have together to travel inside the request."""
POLL = 5.0
ENDINGS = {"video/quicktime": "mov"}

Good = Callable[[Answer], dict[str, Any]]


def prepare(delivery: Delivery, good: Good) -> None:
    """See that every file is there and of a type that is taken; upload a video and wait for Pinterest to process it.

    `good` reads a successful answer of Pinterest's and raises what any other means. Raises `NotReady` while it is at work.
    """
    for item in delivery.segments[0].media:
        file = delivery.media.open(item)
        formats = VIDEO_FORMATS if item.type == "video" else (*IMAGE_FORMATS, "image/gif")
        if file.mime not in formats:
            raise Failed("media_format", f"Pinterest takes {', '.join(formats)} here; this file is {file.mime}.")
        if item.type == "video":
            _video(delivery, file, good)


def _video(delivery: Delivery, file: MediaFile, good: Good) -> None:
    """Register, upload, and ask how it goes. An upload of which nobody knows whether it ended is asked for first."""
    known = delivery.checkpoint.get("video")
    status = _status(delivery, known["id"], good) if known else "unknown"
    if known and status == "unknown" and known["sent"]:
        forget(delivery)
        raise Retry("media_gone", "Pinterest no longer knows the uploaded video; it is uploaded again.")
    if not known or not known["sent"]:
        if not known or status in ("unknown", "registered"):
            known = _upload(delivery, file, good)
            status = _status(delivery, known["id"], good)
        delivery.save(video={**known, "sent": True})
    if status == "failed":
        forget(delivery)
        raise Failed("media_rejected", "Pinterest could not process the video.")
    if status != "succeeded":
        raise NotReady("processing", "Pinterest is still processing the video.", POLL)


def _status(delivery: Delivery, media_id: str, good: Good) -> str:
    """registered, processing, succeeded, failed; or unknown."""
    answer = repeatable(delivery, "GET", f"/v5/media/{media_id}")
    return "unknown" if answer.status == 404 else str(good(answer).get("status") or "processing")


def _upload(delivery: Delivery, file: MediaFile, good: Good) -> dict[str, Any]:
    seconds = LONG_EXCHANGE if file.size > LARGE else None
    if seconds is not None:
        delivery.need(seconds)
    lease = good(repeatable(delivery, "POST", "/v5/media", json={"media_type": "video"}))
    if not lease.get("media_id") or not lease.get("upload_url"):
        raise Retry("answer_unreadable", "Pinterest registered a video and did not say where to upload it.")
    known = {"id": str(lease["media_id"]), "sent": False}
    delivery.save(video=known)
    fields = {str(name): str(value) for name, value in (lease.get("upload_parameters") or {}).items()}
    body, headers = form_with_file(fields, "file", "video." + ENDINGS.get(file.mime, "mp4"), file)
    url = str(lease["upload_url"])
    # The form is signed for the store: our token stays out of it.
    done = harmless(lambda: delivery.http.request("POST", url, headers=headers, data=body, seconds=seconds))
    if not 200 <= done.status < 300:
        raise Retry("upload_failed", f"Pinterest's store answered {done.status} to an upload.")
    return known


def forget(delivery: Delivery) -> None:
    """Upload the video afresh next time."""
    delivery.save(video=None)


def source(delivery: Delivery) -> dict[str, Any]:
    """`media_source` of the pin. Raises `Retry` when the video is not up, and what opening a medium raises."""
    media, options = delivery.segments[0].media, delivery.options
    if not media:
        raise Failed("content_invalid", "A pin needs a picture or a video.")
    if media[0].type == "video":
        known = delivery.checkpoint.get("video") or {}
        if not known.get("sent"):
            raise Retry("media_gone", "The video is not uploaded; it is uploaded again.")
        cover = next(({member: options[name]} for name, member in COVER_MEMBERS.items() if name in options), None)
        return {"source_type": "video_id", "media_id": known["id"], **(cover or {"cover_image_key_frame_time": 0})}
    inline = bool(delivery.checkpoint.get("inline"))
    items = [_inline(delivery, item) if inline else {"url": delivery.media.open(item).url()} for item in media]
    if len(items) == 1:
        return {"source_type": "image_base64" if inline else "image_url", **items[0]}
    return {"source_type": "multiple_image_base64" if inline else "multiple_image_urls", "items": items}


def _inline(delivery: Delivery, item: Media) -> dict[str, str]:
    import base64

    file = delivery.media.open(item)
    return {"content_type": file.mime, "data": base64.b64encode(file.read()).decode()}


def not_fetched(delivery: Delivery) -> Retry:
    """What to do when Pinterest could not fetch our address."""
    files = [delivery.media.open(item) for item in delivery.segments[0].media]
    if all(file.mime in INLINE_FORMATS for file in files) and sum(file.size for file in files) <= INLINE_BYTES:
        delivery.save(inline=True)
        return Retry("media_not_fetched", "Pinterest could not fetch the pictures; the next try brings them along.", 1.0)
    return Retry("media_not_fetched", "Pinterest could not fetch the pictures from where they are kept.")
