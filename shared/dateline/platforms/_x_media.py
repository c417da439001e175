"""X's media: pictures in one call; GIFs and videos in pieces, then asked for until X has processed them. All of it harmless.

The checkpoint's `media` has an entry for each medium: its `id` and `key`, `until` when X keeps it, for one in pieces how many
were `sent` and whether X is `done` with taking and `ready` with processing it, and whether it was `described`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..domain.content import Media
from ._files import opened
from ._x_calls import good, refusal_of
from ._x_rules import DESCRIBED, RULES
from .base import Answer, Delivery, Failed, MediaFile, NotReady, Retry
from .calls import pictures, repeatable, said_by

MEDIA_MARGIN = timedelta(hours=1)
"""A medium this close to its end (X keeps one for 24 h) is uploaded again."""

PIECE = 4 * 1024 * 1024
"""Bytes of a GIF or video sent at once. X numbers pieces up to 999 and took 5 MB at most in its older API."""

CHECK_SECONDS = 5.0
"""When to ask again how far X is, where it does not say."""

CATEGORIES: Mapping[str, str] = {"gif": "tweet_gif", "video": "tweet_video"}


def is_whole(delivery: Delivery) -> bool:
    """Whether every medium of the segments still to be published is uploaded, processed and described."""
    known = delivery.checkpoint.get("media") or {}
    return all(_is_ready(known.get(slot), _is_described(item), delivery.now()) for slot, item in pictures(delivery))


def upload(delivery: Delivery) -> None:
    """Go on with every medium from where it stands. Raises `NotReady` while X is processing one."""
    known: dict[str, Any] = dict(delivery.checkpoint.get("media") or {})

    def keep(slot: str, entry: dict[str, Any] | None) -> None:
        """Save how far one medium is; None forgets it."""
        known.pop(slot, None)
        if entry is not None:
            known[slot] = entry
        delivery.save(media=dict(known))

    for slot, item in pictures(delivery):
        upload = _Upload(delivery, slot, item, known.get(slot) or {}, keep)
        if not _is_kept(known.get(slot), delivery.now()):
            upload.begin()
        upload.send()
        if upload.entry.get("ready", True):
            upload.describe()
    for slot, item in pictures(delivery):
        upload = _Upload(delivery, slot, item, known[slot], keep)
        upload.wait()
        upload.describe()


class _Upload:
    """One medium on its way. `entry` is what the checkpoint has of it."""

    def __init__(self, delivery: Delivery, slot: str, item: Media, entry: dict[str, Any], keep: Any) -> None:
        self.delivery, self.slot, self.item, self.entry, self._keep = delivery, slot, item, entry, keep
        self.resumed = bool(entry)

    def _save(self, **values: Any) -> None:
        self.entry = {**self.entry, **values}
        self._keep(self.slot, self.entry)

    def _forget(self, answer: Answer) -> None:
        """What a refusal in the midst of an upload means: one that was begun by an earlier try may be gone; it begins anew."""
        if self.resumed and answer.status in (400, 404):
            self._keep(self.slot, None)
            raise Retry("media_gone", "X no longer knows the upload; it is begun again.")
        raise refusal_of(answer, self.delivery.now())

    def _call(self, method: str, path: str, **parts: Any) -> dict[str, Any]:
        answer = repeatable(self.delivery, method, path, **parts)
        if not 200 <= answer.status < 300:
            self._forget(answer)
        return said_by(answer).get("data") or {}

    def begin(self) -> None:
        """Upload a picture whole, or open the upload of anything larger; its id is saved."""
        file, self.resumed = opened(self.delivery, RULES, self.item), False
        if self.item.type == "image":
            form, part = {"media_category": "tweet_image"}, ("image." + file.mime.partition("/")[2], file.read(), file.mime)
            data = self._call("POST", "/2/media/upload", data=form, files={"media": part})
            state = {}
        else:
            body = {"media_type": file.mime, "total_bytes": file.size, "media_category": CATEGORIES[self.item.type]}
            data = self._call("POST", "/2/media/upload/initialize", json=body)
            state = {"sent": 0, "done": False, "ready": False}
        if not data.get("id"):
            raise Retry("answer_unreadable", "X took a medium and named no id for it.")
        self.entry = {}
        self._save(id=str(data["id"]), key=data.get("media_key"), until=self._until(data), **state)

    def _until(self, data: Mapping[str, Any]) -> str:
        return (self.delivery.now() + timedelta(seconds=data.get("expires_after_secs") or 86_400)).isoformat()

    def send(self) -> None:
        """The pieces that X has not got yet, then say that it was all."""
        if self.entry.get("done", True):
            return
        file: MediaFile = opened(self.delivery, RULES, self.item)
        path = f"/2/media/upload/{self.entry['id']}"
        while (start := self.entry["sent"] * PIECE) < file.size:
            piece = file.read(start, PIECE)
            form = {"segment_index": str(self.entry["sent"])}
            self._call("POST", f"{path}/append", data=form, files={"media": ("piece", piece, "application/octet-stream")})
            self._save(sent=self.entry["sent"] + 1)
        data = self._call("POST", f"{path}/finalize")
        state = self._judge(data)
        self._save(done=True, ready=state is None, until=self._until(data), key=data.get("media_key") or self.entry.get("key"))

    def wait(self) -> None:
        """Ask once how far X is with what it processes. Raises `NotReady`."""
        if self.entry.get("ready", True):
            return
        params = {"command": "STATUS", "media_id": self.entry["id"]}
        after = self._judge(self._call("GET", "/2/media/upload", params=params))
        if after is not None:
            raise NotReady("media_processing", f"X is still processing a {self.item.type}.", after)
        self._save(ready=True)

    def _judge(self, data: Mapping[str, Any]) -> float | None:
        """Seconds until X should be asked again, None when it is done. Raises `Failed` for what it could not process."""
        info = data.get("processing_info") or {}
        if info.get("state") == "failed":
            error = info.get("error") or {}
            words = str(error.get("message") or error.get("name") or "no reason given")[:300]
            self._keep(self.slot, None)
            raise Failed("media_refused", f"X could not process the {self.item.type}: {words}")
        if info.get("state") in ("pending", "in_progress"):
            return float(info.get("check_after_secs") or CHECK_SECONDS)
        return None

    def describe(self) -> None:
        """Give the alternative text, where X takes one."""
        if _is_described(self.item) and not self.entry.get("described"):
            body = {"id": self.entry["id"], "metadata": {"alt_text": {"text": self.item.alt_text}}}
            good(repeatable(self.delivery, "POST", "/2/media/metadata", json=body), self.delivery.now())
            self._save(described=True)


def _is_described(item: Media) -> bool:
    return bool(item.alt_text) and item.type in DESCRIBED


def _is_kept(known: Mapping[str, Any] | None, now: datetime) -> bool:
    return bool(known) and datetime.fromisoformat((known or {})["until"]) - MEDIA_MARGIN > now


def _is_ready(known: Mapping[str, Any] | None, described: bool, now: datetime) -> bool:
    if not known or not _is_kept(known, now) or not known.get("ready", True):
        return False
    return not described or bool(known.get("described"))
