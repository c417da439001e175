"""Reddit's uploads: a lease for each file, the file to the bucket it names, and how a submission refers to what is there.

All of it is harmless: an upload that no submission names is never seen. A video needs a poster; a plain one is made where
the post has no picture for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ..domain.content import Media
from ._reddit_answers import good
from ._reddit_rules import IMAGE_FORMATS, VIDEO_FORMATS, Kind
from .base import Delivery, Failed, MediaFile, Retry
from .calls import form_with_file, harmless

KEPT = timedelta(hours=6)
"""How long an upload is counted on. Reddit does not say how long it keeps what no post names."""
LARGE = 8 * 1024 * 1024
LONG_EXCHANGE = 75.0
FORMATS = (*IMAGE_FORMATS, "image/gif", *VIDEO_FORMATS)
ENDINGS = {"image/jpeg": "jpg", "video/quicktime": "mov"}
POSTER = "poster"
"""The checkpoint's slot of the poster that is made where the post has no picture beside its video."""


class Plain:
    """A black picture of 1280 x 720 as a file: the poster of a video that has none."""

    mime, width, height, seconds = "image/png", 1280, 720, None

    def __init__(self) -> None:
        import struct
        import zlib

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        header = struct.pack(">IIBBBBB", self.width, self.height, 1, 0, 0, 0, 0)
        rows = (b"\x00" + bytes(self.width // 8)) * self.height
        self._data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
        self.size = len(self._data)

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """A piece of it."""
        return self._data[start : None if length is None else start + length]

    def url(self) -> str:
        """It has none: it is only ever uploaded."""
        raise Failed("media_unreachable", "A made poster has no address.")


def _slots(delivery: Delivery) -> Iterator[tuple[str, Media | None]]:
    """What is to be uploaded for the post itself, by its slot in the checkpoint's `media`; None is the poster to be made."""
    media = delivery.segments[0].media
    yield from ((str(place), item) for place, item in enumerate(media))
    if len(media) == 1 and media[0].type == "video":
        yield POSTER, None


def missing(delivery: Delivery) -> bool:
    """Whether something is not uploaded yet, or so long ago that it may be gone."""
    return any(not _is_there(_known(delivery).get(slot), delivery.now()) for slot, _ in _slots(delivery))


def _known(delivery: Delivery) -> Mapping[str, Any]:
    return delivery.checkpoint.get("media") or {}


def _is_there(known: Mapping[str, Any] | None, now: datetime) -> bool:
    return known is not None and now - datetime.fromisoformat(known["at"]) < KEPT


def upload(delivery: Delivery, headers: Mapping[str, str]) -> None:
    """Upload what is missing and save each as it is there. `headers` go with Reddit's own calls, never to the bucket."""
    known = dict(_known(delivery))
    for slot, item in _slots(delivery):
        if _is_there(known.get(slot), delivery.now()):
            continue
        file: MediaFile = Plain() if item is None else delivery.media.open(item)
        if file.mime not in FORMATS:
            raise Failed("media_format", f"Reddit takes {', '.join(FORMATS)}; this file is {file.mime}.")
        known[slot] = _upload(delivery, file, headers)
        delivery.save(media=dict(known))


def _upload(delivery: Delivery, file: MediaFile, headers: Mapping[str, str]) -> dict[str, Any]:
    seconds = LONG_EXCHANGE if file.size > LARGE else None
    if seconds is not None:
        delivery.need(seconds)
    name = "upload." + ENDINGS.get(file.mime, file.mime.partition("/")[2])
    form = {"filepath": name, "mimetype": file.mime}
    url = f"{delivery.account.server}/api/media/asset.json"
    lease = good(harmless(lambda: delivery.http.request("POST", url, headers=headers, data=form)))
    args, asset = lease.get("args") or {}, (lease.get("asset") or {}).get("asset_id")
    fields = {str(field["name"]): str(field["value"]) for field in args.get("fields") or ()}
    action = str(args.get("action") or "")
    if not action or not asset or "key" not in fields:
        raise Retry("answer_unreadable", "Reddit gave no lease for an upload.")
    # Reddit leaves the scheme out.
    action = f"https:{action}" if action.startswith("//") else action
    body, multipart = form_with_file(fields, "file", name, file)
    done = harmless(lambda: delivery.http.request("POST", action, headers=multipart, data=body, seconds=seconds))
    if b"EntityTooLarge" in done.body:
        raise Failed("media_too_large", f"Reddit does not take a file of {file.size:,} bytes of this type.")
    if not 200 <= done.status < 300:
        raise Retry("upload_failed", f"Reddit's store answered {done.status} to an upload.")
    return {"id": str(asset), "url": f"{action}/{fields['key']}", "at": delivery.now().isoformat()}


def ids(delivery: Delivery) -> list[str]:
    """The media ids of the post, in order. Raises `Retry` where one is missing."""
    return [_entry(delivery, slot)["id"] for slot, item in _slots(delivery) if item is not None]


def addresses(delivery: Delivery, kind: Kind) -> dict[str, str]:
    """The members of a submission that name an image, or a video and its poster. Raises `Retry` where one is missing."""
    if kind == "image":
        return {"url": _entry(delivery, "0")["url"]}
    media = delivery.segments[0].media
    video = next(place for place, item in enumerate(media) if item.type == "video")
    poster = next((str(place) for place, item in enumerate(media) if item.type != "video"), POSTER)
    return {"url": _entry(delivery, str(video))["url"], "video_poster_url": _entry(delivery, poster)["url"]}


def _entry(delivery: Delivery, slot: str) -> dict[str, str]:
    entry = _known(delivery).get(slot)
    if not entry:
        raise Retry("media_gone", "Not every file of this post is uploaded; they are uploaded again.")
    return dict(entry)


def is_video(delivery: Delivery) -> bool:
    """Whether the post itself is a video."""
    return any(item.type == "video" for item in delivery.segments[0].media)


def named(delivery: Delivery) -> bool:
    """Whether the submission names uploads by their address: a gallery names their ids."""
    return is_video(delivery) or len(delivery.segments[0].media) == 1


def is_theirs(thing: Mapping[str, Any], delivery: Delivery, kind: Kind) -> bool:
    """Whether a listed post of the right title may have our media: a gallery names their ids, a video says that it is one."""
    ours = {entry["id"] for slot, entry in _known(delivery).items() if slot != POSTER}
    if kind == "gallery":
        theirs = {str(item.get("media_id")) for item in (thing.get("gallery_data") or {}).get("items") or ()}
        return not theirs or theirs == ours
    if kind == "video" and "is_video" in thing:
        return bool(thing["is_video"])
    return kind != "image" or not thing.get("is_video")
