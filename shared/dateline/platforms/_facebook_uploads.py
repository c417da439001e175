"""Facebook's uploads: photos that nobody sees yet, and videos in the parts Facebook asks for. Every id is saved at once.

A video has its id from the first call on, and is invisible until its upload is finished: that call publishes it, and is not here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..domain.content import Media
from ._facebook_calls import NO_SESSION, SUBCODES, WHO, WRONG_OFFSET, asked, call
from ._facebook_rules import RULES, Kind, kind_of
from ._meta import error_of, said_well
from ._stretch import Stretch
from .base import Account, Delivery, Failed, MediaFile, Retry
from .calls import Body, form_with_file, harmless, pictures, said_by

EDGES: Mapping[Kind, str] = {"video": "videos", "reel": "video_reels", "video_story": "video_stories"}
VIDEO_HOST = "graph-video.facebook.com"
KEPT = timedelta(hours=20)
"""How long an upload is relied on: Facebook removes what is not used after about a day."""
LONG, SMALL = 75.0, 16 * 1024 * 1024
"""Seconds for the exchange of a piece that is larger than so many bytes."""


def kind(delivery: Delivery) -> Kind:
    """Which kind of post the delivery's own segment is."""
    return kind_of(delivery.options, tuple(item.type for item in delivery.segments[0].media))


def missing(delivery: Delivery) -> bool:
    """True while a medium is not up, or was so long ago that it may be gone."""
    known = delivery.checkpoint.get("media") or {}
    return any(not _is_up(known.get(slot), delivery.now()) for slot, _ in pictures(delivery))


def upload_all(delivery: Delivery) -> None:
    """Bring every medium up that is not. Raises `Retry`, `Failed`, `NotReady` where the time is short."""
    known: dict[str, Any] = dict(delivery.checkpoint.get("media") or {})
    for slot, item in pictures(delivery):
        if _is_up(known.get(slot), delivery.now()):
            continue
        file = _opened(delivery, item)
        what = kind(delivery)
        if item.type == "image":
            known[slot] = {"id": _photo(delivery, item, file), "sent": True, "until": _until(delivery)}
            delivery.save(media=dict(known))
        elif what == "video":
            _in_parts(delivery, known, slot, file)
        else:
            _at_once(delivery, known, slot, file, EDGES[what])


def _is_up(state: Mapping[str, Any] | None, now: datetime) -> bool:
    return bool(state and state.get("sent") and datetime.fromisoformat(state["until"]) > now)


def _until(delivery: Delivery) -> str:
    return (delivery.now() + KEPT).isoformat()


def _opened(delivery: Delivery, item: Media) -> MediaFile:
    file, limit = delivery.media.open(item), RULES.media[item.type]
    if file.mime not in limit.formats:
        raise Failed("media_format", f"Facebook takes {', '.join(limit.formats)} as {item.type}; this file is {file.mime}.")
    if file.size > limit.bytes:
        raise Failed("media_too_large", f"Facebook takes at most {limit.bytes:,} bytes here; this file has {file.size:,}.")
    return file


def _photo(delivery: Delivery, item: Media, file: MediaFile) -> str:
    fields = {"published": "false"}
    if delivery.options.get("nativeSchedule"):
        fields["temporary"] = "true"  # what a scheduled post asks of its photos
    if item.alt_text:
        fields["alt_text_custom"] = item.alt_text
    name = f"photo.{file.mime.partition('/')[2]}"
    path = f"/{delivery.account.account_id}/photos"
    said = asked(delivery, "POST", path, data=fields, files={"source": (name, file.read(), file.mime)})
    if not said.get("id"):
        raise Retry("answer_unreadable", "Facebook took a photo and named no id for it.")
    return str(said["id"])


def _in_parts(delivery: Delivery, known: dict[str, Any], slot: str, file: MediaFile) -> None:
    """A video of the feed: Facebook says after each part which bytes it wants next."""
    path = f"/{delivery.account.account_id}/videos"
    state = _resumable(known.get(slot), delivery.now())
    if state is None:
        said = asked(delivery, "POST", path, VIDEO_HOST, json={"upload_phase": "start", "file_size": file.size})
        if not said.get("video_id") or not said.get("upload_session_id"):
            raise Retry("answer_unreadable", "Facebook began an upload and named no id for it.")
        state = known[slot] = {
            "id": str(said["video_id"]), "session": str(said["upload_session_id"]), "until": _until(delivery), **_span(said),
        }
        delivery.save(media=dict(known))
    while state["from"] < state["to"]:
        piece = Stretch(file, state["from"], min(state["to"], file.size) - 1)
        fields = {"upload_phase": "transfer", "upload_session_id": state["session"], "start_offset": str(state["from"])}
        body, headers = form_with_file(fields, "video_file_chunk", "video.mp4", piece)
        patience = _patience(delivery, piece.size)
        answer = call(
            delivery.account, delivery.http, "POST", path, VIDEO_HOST, headers=headers, data=body, seconds=patience
        )
        error = error_of(answer)
        if error is not None and error.subcode == NO_SESSION:
            _forget(delivery, known, slot)
        expected = _expected(said_by(answer)) if error is not None and error.subcode == WRONG_OFFSET else None
        state = known[slot] = {**state, **_span(expected or said_well(WHO, answer, delivery.now(), SUBCODES))}
        delivery.save(media=dict(known))
    known[slot] = {"id": state["id"], "session": state["session"], "sent": True, "until": state["until"]}
    delivery.save(media=dict(known))


def _at_once(delivery: Delivery, known: dict[str, Any], slot: str, file: MediaFile, edge: str) -> None:
    """A reel or a story's video: one exchange, which goes on where an earlier one broke off."""
    state = _resumable(known.get(slot), delivery.now())
    start = 0
    if state is None:
        said = asked(delivery, "POST", f"/{delivery.account.account_id}/{edge}", json={"upload_phase": "start"})
        if not said.get("video_id") or not said.get("upload_url"):
            raise Retry("answer_unreadable", "Facebook began an upload and did not say where the video goes.")
        state = known[slot] = {"id": str(said["video_id"]), "where": str(said["upload_url"]), "until": _until(delivery)}
        delivery.save(media=dict(known))
    else:
        status = asked(delivery, "GET", f"/{state['id']}", params={"fields": "status"}).get("status") or {}
        start = min(int((status.get("uploading_phase") or {}).get("bytes_transfered") or 0), file.size)
    if start < file.size:
        if not _is_facebooks(delivery.account, state["where"]):
            raise Failed("answer_unreadable", "Facebook named an address for the video that is not its own.")
        token = delivery.account.credentials["accessToken"]
        headers = {
            "Authorization": f"OAuth {token}", "offset": str(start), "file_size": str(file.size),
            "Content-Type": "application/octet-stream",
        }
        body = Body(Stretch(file, start, file.size - 1))
        patience = _patience(delivery, len(body))
        answer = harmless(
            lambda: delivery.http.request("POST", state["where"], headers=headers, data=body, seconds=patience)
        )
        if answer.status in (404, 410):
            _forget(delivery, known, slot)
        said_well(WHO, answer, delivery.now(), SUBCODES)
    known[slot] = {"id": state["id"], "sent": True, "until": state["until"]}
    delivery.save(media=dict(known))


def _patience(delivery: Delivery, size: int) -> float | None:
    """Seconds for an exchange with so many bytes, None for the ordinary deadline; asks for the time that a long one takes."""
    if size <= SMALL:
        return None
    delivery.need(LONG)
    return LONG


def _resumable(state: Mapping[str, Any] | None, now: datetime) -> dict[str, Any] | None:
    if not state or state.get("sent") or datetime.fromisoformat(state["until"]) <= now:
        return None
    return dict(state)


def _forget(delivery: Delivery, known: dict[str, Any], slot: str) -> None:
    del known[slot]
    delivery.save(media=dict(known))
    raise Retry("upload_lapsed", "Facebook no longer knows this upload; the video is sent again.")


def _span(said: Mapping[str, Any]) -> dict[str, int]:
    """Which bytes Facebook wants next."""
    try:
        return {"from": int(said["start_offset"]), "to": int(said["end_offset"])}
    except (KeyError, TypeError, ValueError):
        raise Retry("answer_unreadable", "Facebook did not say which part of the video it wants.") from None


def _expected(said: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The bytes that a refusal of the wrong part says it wanted: an earlier part had arrived, though its answer had not."""
    data = (said.get("error") or {}).get("error_data")
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except ValueError:
            return None
    return data if isinstance(data, Mapping) and "start_offset" in data else None


def _is_facebooks(account: Account, url: str) -> bool:
    """Whether the token may go there: to Facebook's own hosts only (on the local stack, wherever the stand-in sends us)."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    own = parts.scheme == "https" and f".{parts.hostname or ''}".endswith(".facebook.com")
    return own or bool(account.override)
