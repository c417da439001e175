"""Pins: the copies that posts publish from. A post names its copies when it is scheduled; whoever needs one first makes it.

A copy is one object and a note beside it (type, size, width, height, length, SHA-256), which is written last. What a copy is
called follows from the month, the workspace's side, and the file's URL and version, so that posts share it, and nobody has to
count who still needs it: it is kept for longer than a post may lie ahead of its month.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..aws.media import MediaStore, MediaUnavailable
from ..domain import probing
from ..domain.content import Facts, Media
from ..domain.post import Post
from ..platforms.base import Failed, FileInfo, NotReady, Retry

if TYPE_CHECKING:
    from ..wiring import Deps

INLINE_BYTES = 16 * 1024 * 1024
"""The largest file that is copied by whoever needs it, in one piece and in memory; larger ones are the media function's work."""

COPYING_WAIT = 10.0
"""Seconds after which a delivery asks again for a copy that is being made."""

SAVING = 10.0
"""Seconds of a function's time that fetching leaves for writing the copy down."""


def key_of(partition: str, url: str, version: str, now: datetime) -> str:
    """What the copy of a file is called. `version` is what tells one file behind the URL from the next (or whose copy it is)."""
    name = hashlib.sha256(f"{partition}\n{url}\n{version}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{now:%Y-%m}/{partition.replace(':', '/')}/{name}"


def data_key(key: str) -> str:
    """Where the copy is."""
    return f"pins/{key}"


def note_key(key: str) -> str:
    """Where its note is."""
    return f"pins/{key}.json"


def note_of(facts: Facts, sha256: str, version: str) -> dict[str, Any]:
    """What is written beside a copy."""
    return {**facts._asdict(), "sha256": sha256, "version": version}


def facts_in(note: Mapping[str, Any]) -> Facts:
    """What a note says of its file."""
    return Facts(note["mime"], int(note["size"]), note.get("width"), note.get("height"), note.get("seconds"))


class TooLargeHere(Exception):
    """The file is larger than what is copied in one piece."""


def copy_small(deps: Deps, key: str, url: str, seconds: float) -> dict[str, Any]:
    """Copy a file of up to `INLINE_BYTES`; its note. Raises `TooLargeHere`, `Failed`, `Retry`, `MediaUnavailable`."""
    body = bytearray()

    def take(info: FileInfo, piece: bytes) -> bool:
        if info.start:
            raise Failed("media_unreachable", "A medium's server sent another part than it was asked for.")
        refuse_too_large(deps, info.size or 0)
        body.extend(piece)
        if max(info.size or 0, len(body)) > INLINE_BYTES:
            raise TooLargeHere
        return True

    info = deps.http.fetch(url, take, seconds=seconds)
    if info.size is not None and len(body) != info.size:
        raise Retry("media_unreachable", "A medium's server sent less than the whole file.")
    if not body:
        raise Failed("media_empty", "The file behind a medium's address is empty.")
    data = bytes(body)
    facts = probing.facts_of(data[: probing.HEAD], len(data), lambda at, length: data[at : at + length], info.declared)
    deps.media.put(data_key(key), data, facts.mime)
    note = note_of(facts, hashlib.sha256(data).hexdigest(), info.version)
    deps.media.save_note(note_key(key), note)
    return note


def refuse_too_large(deps: Deps, size: int) -> None:
    """Raise `Failed` for a file beyond what this deployment copies."""
    most = deps.settings.media_bytes
    if size > most:
        raise Failed("media_too_large", f"A medium has {size:,} bytes; at most {most:,} are copied here.")


class Pinned:
    """A copy as a publisher sees it (`MediaFile`)."""

    def __init__(self, store: MediaStore, key: str, note: Mapping[str, Any]) -> None:
        self._store, self._key, self._facts = store, key, facts_in(note)

    @property
    def mime(self) -> str:
        """By content."""
        return self._facts.mime

    @property
    def size(self) -> int:
        """Bytes."""
        return self._facts.size

    @property
    def width(self) -> int | None:
        """Pixels."""
        return self._facts.width

    @property
    def height(self) -> int | None:
        """Pixels."""
        return self._facts.height

    @property
    def seconds(self) -> float | None:
        """The length of a video."""
        return self._facts.seconds

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """A piece of it, all that follows when `length` is None. Raises `Retry`."""
        end = self.size if length is None else min(self.size, start + length)
        try:
            return self._store.read(data_key(self._key), start, end - start)
        except MediaUnavailable:
            raise Retry("media_store", "The store of media did not answer.") from None

    def url(self) -> str:
        """An address for a network that fetches it itself: signed, secret while it is good."""
        return self._store.signed(data_key(self._key), self.mime)


class Pins:
    """The media of one delivery (`MediaSource`): the copies its post names. What is not copied yet is copied now."""

    def __init__(self, deps: Deps, post: Post, time_left: Callable[[], float]) -> None:
        self._deps, self._post, self._time_left = deps, post, time_left
        self._opened: dict[str, Pinned] = {}

    def open(self, item: Media) -> Pinned:
        """The copy of `item`. Raises `NotReady` while a large one is being made, `Retry`, or `Failed` when it cannot be had."""
        if item.url not in self._opened:
            self._opened[item.url] = self._open(item.url)
        return self._opened[item.url]

    def _open(self, url: str) -> Pinned:
        deps, post = self._deps, self._post
        pin = post.pins.get(url)
        # A post that was scheduled before there were pins names none: its own, then.
        key = pin.key if pin is not None else key_of(post.partition, url, post.id, post.created_at)
        try:
            note = deps.media.note(note_key(key))
            if note is None:
                seconds = min(deps.settings.call_seconds, self._time_left() - SAVING)
                if seconds <= 0:
                    raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)
                note = copy_small(deps, key, url, seconds)
        except TooLargeHere:
            raise NotReady("media_copying", "A large medium is still being copied.", COPYING_WAIT) from None
        except MediaUnavailable:
            raise Retry("media_store", "The store of media did not answer.") from None
        return Pinned(deps.media, key, note)
