"""Pins: the copies that posts publish from. A post names its copies when it is scheduled; whoever needs one first makes it.

A copy is one object and a note beside it (type, size, width, height, length, SHA-256), which is written last. What a copy is
called follows from the month, the workspace's side, and the file's URL and version, so that posts share it, and nobody has to
count who still needs it: it is kept for longer than a post may lie ahead of its month.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..aws.media import MediaStore, MediaUnavailable
from ..aws.queue import Order, QueueUnavailable
from ..domain import probing
from ..domain.content import Facts, Media, Pin
from ..domain.post import Post
from ..domain.rules import Rules, check_file
from ..platforms.base import Failed, FileInfo, NotReady, Retry

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

REFERENCE = "dateline-media:"
"""How an address begins that means an upload, or a copy that somebody asked for: its id follows."""

OLDER = "dateline-pin:"
"""How an address begins that means an older copy: its key follows."""

SHARED_DAYS = 33
"""A copy is named by its month: the last post that shares it may be scheduled so many days later, and be a day late."""

INLINE_BYTES = 16 * 1024 * 1024
"""The largest file that is copied by whoever needs it, in one piece and in memory; larger ones are the media function's work."""

COPYING_WAIT = 10.0
"""Seconds after which a delivery asks again for a copy that is being made."""

SAVING = 10.0
"""Seconds of a function's time that fetching leaves for writing the copy down."""


def is_reference(url: str) -> bool:
    """Whether it is no address on the internet, but a medium of ours."""
    return url.startswith(REFERENCE)


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


MOST_REMEMBERED = 5000
"""Keys of copies that a process knows to be ordered."""


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


def renewed(pins: Mapping[str, Pin], at: datetime | None, now: datetime, days: int) -> dict[str, Pin]:
    """The copies of a post that goes out `at`: one that may be gone by then is copied again, from what it is now. `days` is how
    long copies are kept."""
    out = {}
    for url, pin in pins.items():
        month = datetime.strptime(pin.key[:7], "%Y-%m").replace(tzinfo=UTC)
        if at is not None and f"{now:%Y-%m}" > pin.key[:7] and at > month + timedelta(days=days - SHARED_DAYS + 31):
            pin = Pin(f"{now:%Y-%m}{pin.key[7:]}", pin.facts, pin.key)
        out[url] = pin
    return out


def source_of(pin: Pin, url: str) -> str:
    """What a copy is made from."""
    return f"{OLDER}{pin.origin}" if pin.origin else url


def copy_older(deps: Deps, key: str, source: str) -> dict[str, Any] | None:
    """Copy a copy; None where there is none (any more). Raises `MediaUnavailable`."""
    older = source.removeprefix(OLDER)
    note = deps.media.note(note_key(older))
    if note is not None:
        deps.media.copy(data_key(older), data_key(key), note["mime"])
        deps.media.save_note(note_key(key), note)
    return note


def order(deps: Deps, post: Post) -> None:
    """Have the copies made that a post names. One that is not ordered is made by the delivery, so that failing here is no error:
    it only means that the file behind the address may be another one by then."""
    wanted = {source_of(pin, url): pin.key for url, pin in post.pins.items() if pin.key not in deps.ordered}
    if not wanted:
        return
    try:
        deps.orders.send(Order(wanted))
    except QueueUnavailable as error:
        log.warning("copies could not be ordered", extra={"post_id": post.id, "reason": str(error)})
        return
    if len(deps.ordered) > MOST_REMEMBERED:
        deps.ordered.clear()
    deps.ordered.update(wanted.values())


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

    def __init__(
        self, deps: Deps, post: Post, time_left: Callable[[], float], rules: Rules | None = None,
        settings: Mapping[str, Any] = {},
    ) -> None:
        self._deps, self._post, self._time_left, self._rules, self._settings = deps, post, time_left, rules, settings
        self._opened: dict[str, Pinned] = {}

    def open(self, item: Media) -> Pinned:
        """The copy of `item`. Raises `NotReady` while a large one is being made, `Retry`, or `Failed` when it cannot be had."""
        if item.url not in self._opened:
            opened = self._open(item.url)
            self._judge(item, opened)
            self._opened[item.url] = opened
        return self._opened[item.url]

    def _judge(self, item: Media, opened: Pinned) -> None:
        """A file that nobody could look at when the post was scheduled is held against the network's rules now."""
        pin = self._post.pins.get(item.url)
        if self._rules is None or pin is None or pin.facts is not None:
            return
        facts = Facts(opened.mime, opened.size, opened.width, opened.height, opened.seconds)
        if broken := check_file(self._rules, item._replace(facts=facts), self._settings):
            raise Failed("content_invalid", f"{broken[0].detail} ({broken[0].rule})")

    def _open(self, url: str) -> Pinned:
        deps, post = self._deps, self._post
        pin = post.pins.get(url)
        # A post that was scheduled before there were pins names none: its own, then.
        key = pin.key if pin is not None else key_of(post.partition, url, post.id, post.created_at)
        try:
            note = deps.media.note(note_key(key)) or self._copy(key, url, pin)
        except MediaUnavailable:
            raise Retry("media_store", "The store of media did not answer.") from None
        return Pinned(deps.media, key, note)

    def _copy(self, key: str, url: str, pin: Pin | None) -> dict[str, Any]:
        from . import uploads

        deps = self._deps
        seconds = min(deps.settings.call_seconds, self._time_left() - SAVING)
        if seconds <= 0:
            raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)
        try:
            if pin is not None and pin.origin and (note := copy_older(deps, key, pin.origin)) is not None:
                return note
            if is_reference(url):
                return uploads.copy(deps, key, url, INLINE_BYTES)
            return copy_small(deps, key, url, seconds)
        except TooLargeHere:
            try:
                deps.orders.send(Order({url: key}))
            except QueueUnavailable:
                log.warning("a copy could not be ordered", extra={"post_id": self._post.id})
            raise NotReady("media_copying", "A large medium is still being copied.", COPYING_WAIT) from None
