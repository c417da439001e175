"""LinkedIn's uploads: an image, a document or a video gets its URN first, then its bytes, and is then worked on for a while.

All of it is harmless and can be gone on with at any point: the URN, where its bytes go and which parts are there stand in the
checkpoint. The addresses take bytes for one unpublished asset, for some hours; they are kept packed, for a long video has many.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..domain.content import Media
from ._linkedin_calls import call, good, in_path
from ._linkedin_rules import RULES
from ._stretch import Stretch
from .base import Account, Delivery, Failed, MediaFile, NotReady, Retry
from .calls import Body, bearer, harmless, pictures

KINDS: Mapping[str, tuple[str, str]] = {
    "image": ("images", "image"), "gif": ("images", "image"), "video": ("videos", "video"), "document": ("documents", "document"),
}
"""Our type of medium -> LinkedIn's resource, and the member of its answer that names the URN."""
MARGIN = timedelta(minutes=10)
"""An address for the bytes this close to its end is asked for anew."""
PARTS_A_SAVE = 8
LARGEST_PIECE = 32 * 1024 * 1024
LONG = 75.0
POLL_AFTER = 5.0
WORKING = ("WAITING_UPLOAD", "PROCESSING")


def missing(delivery: Delivery) -> bool:
    """True while a medium is not there or not ready."""
    known = delivery.checkpoint.get("media") or {}
    return any(not (known.get(slot) or {}).get("ready") for slot, _ in pictures(delivery))


def upload_all(delivery: Delivery, member: bool) -> None:
    """Bring every medium up and wait until it is ready. Raises `NotReady` while LinkedIn works on one, `Failed` when it gives up.

    A member's token may not read images and documents back: those are taken as ready once their bytes are there.
    """
    known: dict[str, Any] = dict(delivery.checkpoint.get("media") or {})
    for slot, item in pictures(delivery):
        if not (known.get(slot) or {}).get("sent"):
            _upload(delivery, known, slot, item)
    for slot, item in pictures(delivery):
        if known[slot].get("ready"):
            continue
        if KINDS[item.type][0] == "videos" or not member:
            _wait_for(delivery, known, slot, KINDS[item.type][0])
        known[slot] = {"id": known[slot]["id"], "sent": True, "ready": True}
        delivery.save(media=dict(known))


def _upload(delivery: Delivery, known: dict[str, Any], slot: str, item: Media) -> None:
    file = delivery.media.open(item)
    limit = RULES.media[item.type]
    if file.mime not in limit.formats:
        raise Failed("media_format", f"LinkedIn takes {', '.join(limit.formats)} as {item.type}; this file is {file.mime}.")
    if file.size > limit.bytes:
        raise Failed("media_too_large", f"LinkedIn takes at most {limit.bytes:,} bytes here; this file has {file.size:,}.")
    resource, member = KINDS[item.type]
    state = known.get(slot) or {}
    if not state.get("id") or datetime.fromisoformat(state["until"]) - MARGIN <= delivery.now():
        state = known[slot] = _begin(delivery, resource, member, file.size)
        delivery.save(media=dict(known))
    for number, (first, last, url) in enumerate(_unpacked(state["where"])):
        if number < len(state["tags"]):
            continue
        last = file.size - 1 if last < 0 else min(last, file.size - 1)
        tag = _send(delivery, known, slot, file, (first, last), url)
        state["tags"].append(tag)
        if len(state["tags"]) % PARTS_A_SAVE == 0:
            delivery.save(media=dict(known))
    if resource == "videos":
        _finalize(delivery, known, slot, state)
    known[slot] = {"id": state["id"], "sent": True}
    delivery.save(media=dict(known))


def _finalize(delivery: Delivery, known: dict[str, Any], slot: str, state: Mapping[str, Any]) -> None:
    """Say that it was all. Where that is refused, an earlier call whose answer was lost may have said so already."""
    request = {"video": state["id"], "uploadToken": state.get("token") or "", "uploadedPartIds": state["tags"]}
    path, account = "/rest/videos?action=finalizeUpload", delivery.account
    answer = call(account, delivery.http, "POST", path, json={"finalizeUploadRequest": request})
    try:
        good(answer, delivery.now())
    except Failed:
        asset = good(call(account, delivery.http, "GET", f"/rest/videos/{in_path(state['id'])}"), delivery.now())
        if asset.get("status") not in (None, "WAITING_UPLOAD"):
            return
        del known[slot]  # whoever tries again sends the file again
        delivery.save(media=dict(known))
        raise


def _begin(delivery: Delivery, resource: str, member: str, size: int) -> dict[str, Any]:
    request: dict[str, Any] = {"owner": delivery.account.account_id}
    if resource == "videos":
        request |= {"fileSizeBytes": size, "uploadCaptions": False, "uploadThumbnail": False}
    path = f"/rest/{resource}?action=initializeUpload"
    answer = call(delivery.account, delivery.http, "POST", path, json={"initializeUploadRequest": request})
    value = good(answer, delivery.now()).get("value") or {}
    listed = value.get("uploadInstructions") or []
    parts = [(int(part["firstByte"]), int(part["lastByte"]), str(part["uploadUrl"])) for part in listed]
    if value.get("uploadUrl"):
        parts = [(0, -1, str(value["uploadUrl"]))]
    if not value.get(member) or not parts:
        raise Retry("answer_unreadable", "LinkedIn began an upload and did not say where the file goes.")
    until = value.get("uploadUrlsExpireAt") or value.get("uploadUrlExpiresAt")
    ends = datetime.fromtimestamp(until / 1000, UTC) if until else delivery.now() + timedelta(hours=1)
    return {
        "id": str(value[member]), "where": _packed(parts), "tags": [], "token": value.get("uploadToken") or "",
        "until": ends.isoformat(),
    }


def _send(
    delivery: Delivery, known: dict[str, Any], slot: str, file: MediaFile, span: tuple[int, int], url: str
) -> str:
    """One part's bytes to where they belong; LinkedIn's mark of it (an ETag), which the end of a video's upload names."""
    first, last = span
    sent = {"Content-Type": "application/octet-stream"}
    if _is_linkedins(delivery.account, url):
        sent |= bearer(delivery.account)
    data: Any
    if last - first < LARGEST_PIECE:
        data, seconds = file.read(first, last - first + 1), None
    else:
        data, seconds = Body(Stretch(file, first, last)), LONG
        delivery.need(LONG)
    answer = harmless(lambda: delivery.http.request("PUT", url, headers=sent, data=data, seconds=seconds))
    if answer.status in (400, 403, 404, 410):
        # The address has lapsed or is spent: another one, and all parts again.
        del known[slot]
        delivery.save(media=dict(known))
        raise Retry("upload_lapsed", f"LinkedIn no longer takes the file at that address ({answer.status}); it is sent again.")
    good(answer, delivery.now())
    return answer.headers.get("etag", "").strip('"')


def _wait_for(delivery: Delivery, known: dict[str, Any], slot: str, resource: str) -> None:
    answer = call(delivery.account, delivery.http, "GET", f"/rest/{resource}/{in_path(known[slot]['id'])}")
    if answer.status in (403, 404) and resource != "videos":
        return  # without the right to read it there is nothing to wait for
    asset = good(answer, delivery.now())
    status = str(asset.get("status") or "AVAILABLE")
    if status in WORKING:
        raise NotReady("media_processing", "LinkedIn is still working on the media.", POLL_AFTER)
    if status != "AVAILABLE":
        why = str(asset.get("processingFailureReason") or status)[:300]
        del known[slot]  # whoever tries again sends the file again
        delivery.save(media=dict(known))
        raise Failed("media_refused", f"LinkedIn could not process the {resource.removesuffix('s')}: {why}")


def _is_linkedins(account: Account, url: str) -> bool:
    """Whether a token may go there: to LinkedIn's own hosts only (on the local stack, wherever the stand-in sends us)."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    own = parts.scheme == "https" and f".{parts.hostname or ''}".endswith(".linkedin.com")
    return own or bool(account.override)


def _packed(parts: list[tuple[int, int, str]]) -> str:
    return base64.b64encode(zlib.compress(json.dumps(parts).encode(), 9)).decode()


def _unpacked(where: str) -> list[tuple[int, int, str]]:
    return [(first, last, url) for first, last, url in json.loads(zlib.decompress(base64.b64decode(where)))]
