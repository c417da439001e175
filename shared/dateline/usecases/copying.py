"""The media function's work: make the copies that posts were scheduled with, soon after they were, however large the files are.

A large file goes over in pieces. How far it is stands in a row of its own: after a crash, or when a function's time is up, the
next one goes on where it stopped, if the customer's server sends parts and still has the same file; else it begins again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..aws.media import MediaUnavailable
from ..aws.queue import Order
from ..domain import probing
from ..platforms.base import Failed, FileInfo, NotReady, Outcome, Retry
from ..store.copies import Hold
from ..store.tables import StoreUnavailable
from . import uploads
from .pinning import (
    OLDER,
    TooLargeHere,
    copy_older,
    copy_small,
    data_key,
    is_reference,
    note_key,
    note_of,
    refuse_too_large,
)

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

PIECE = 8 * 1024 * 1024
"""Bytes written at once; S3 wants at least 5 MB. Two of them are the most that is in memory."""

LEAVE = 30.0
"""Seconds of the function's time that a copy leaves: for writing the last piece and the note."""

DELAYS = (30.0, 120.0, 450.0, 900.0, 900.0, 900.0)
"""Seconds until the next try where a file cannot be had now. After that the delivery tries for itself."""

BUSY_WAIT = 60.0
"""Seconds until the next look at a copy that somebody else is making."""


def carry_out(deps: Deps, order: Order, time_left: Callable[[], float]) -> str:
    """Make the copies of an order that are not there yet. Says in a word how far it got.

    Raises `QueueUnavailable` when what is left could not be ordered again: the message then comes back.
    """
    left: dict[str, str] = {}
    wait, failed = 0.0, False
    for url, key in order.pins.items():
        if time_left() < 2 * LEAVE:
            left[url] = key
            continue
        try:
            copy(deps, key, url, time_left)
        except NotReady as outcome:
            left[url], wait = key, max(wait, outcome.after)
        except Failed as outcome:
            log.info("a medium cannot be copied", extra={"pin": key, "reason": outcome.code})
            _told(deps, url, order, outcome)
        except (Retry, MediaUnavailable, StoreUnavailable) as error:
            if order.media_id is not None and isinstance(error, Retry) and error.code == "media_address_refused":
                # No post waits for this one: whoever asked for it is told now, and not after an hour of tries.
                _told(deps, url, order, error)
                continue
            left[url], failed = key, True
            log.info("a medium is copied later", extra={"pin": key, "reason": getattr(error, "code", type(error).__name__)})
            if order.tries >= len(DELAYS) and isinstance(error, Retry):
                _told(deps, url, order, error)
    if not left:
        return "copied"
    if failed and order.tries >= len(DELAYS):
        return "given up: the delivery tries again"
    wait = max(wait, DELAYS[order.tries]) if failed else wait
    deps.orders.send(Order(left, order.media_id, order.tries + failed), wait)
    return "goes on later"


def _told(deps: Deps, url: str, order: Order, outcome: Outcome) -> None:
    """Whoever asked for the copy itself (`POST /v1/media`) reads there what became of it."""
    if order.media_id is not None and not is_reference(url):
        uploads.fail(deps, order.media_id, outcome.code, outcome.detail)


def copy(deps: Deps, key: str, url: str, time_left: Callable[[], float]) -> dict[str, Any]:
    """The note of a copy, which is made unless it is there. Raises `NotReady` to go on later, `Failed`, `Retry`,
    `MediaUnavailable`, `StoreUnavailable`."""
    note = deps.media.note(note_key(key))
    if note is not None:
        return note
    if url.startswith(OLDER):
        if (note := copy_older(deps, key, url)) is None:
            raise Failed("media_gone", "The older copy is not there.")
        return note
    if is_reference(url):
        return uploads.copy(deps, key, url)
    try:
        return copy_small(deps, key, url, min(deps.settings.call_seconds, time_left() - LEAVE))
    except TooLargeHere:
        hold = deps.copies.take(key, deps.clock.now())
        if hold is None:
            raise NotReady("media_copying", "Somebody else is copying this medium.", BUSY_WAIT) from None
        return _Large(deps, hold, url, time_left).copy()


class _Progress(NamedTuple):
    """How far a copy is: the upload and the tags of its pieces, the bytes they hold, and which version of the file it is of."""

    upload: str = ""
    mime: str = ""
    tags: tuple[str, ...] = ()
    done: int = 0
    version: str = ""
    size: int | None = None


class _Large:
    """One worker's part of copying one large file."""

    def __init__(self, deps: Deps, hold: Hold, url: str, time_left: Callable[[], float]) -> None:
        self.deps, self.hold, self.url, self.time_left = deps, hold, url, time_left
        known = dict(hold.progress)
        self.progress = _Progress(**{**known, "tags": tuple(known.get("tags", ()))})
        self.waiting = bytearray()
        self.hash: Any = hashlib.sha256() if not self.progress.done else None
        self.stopped, self.first = False, True

    def copy(self) -> dict[str, Any]:
        """Go on from where it stands. Raises as `copying.copy`."""
        p = self.progress
        if p.done and p.done == p.size and self.deps.media.size(data_key(self.hold.key)) == p.size:
            return self._finish()  # only the note was missing
        try:
            info = self.deps.http.fetch(
                self.url, self._take, start=p.done, version=p.version, seconds=max(1.0, self.time_left() - LEAVE)
            )
        except (Failed, Retry):
            self._note(release=True)
            raise
        if self.stopped:
            self._note(release=True)
            raise NotReady("media_copying", "The copy goes on in another invocation.", 0.0)
        if self.waiting:
            self._flush()
        if info.size is not None and self.progress.done != info.size:
            self._note(release=True)
            raise Retry("media_unreachable", "A medium's server sent less than the whole file.")
        self.progress = self.progress._replace(size=self.progress.done)
        self._note()
        self.deps.media.complete(data_key(self.hold.key), self.progress.upload, list(self.progress.tags))
        return self._finish()

    def _take(self, info: FileInfo, piece: bytes) -> bool:
        if self.first and info.start != self.progress.done:
            self._begin_again(info)
        self.first = False
        if not self.progress.upload:
            mime = probing.mime_of(piece, info.declared)
            upload = self.deps.media.begin(data_key(self.hold.key), mime)
            self.progress = _Progress(upload, mime, version=info.version)
        refuse_too_large(self.deps, max(info.size or 0, self.progress.done + len(self.waiting) + len(piece)))
        self.waiting += piece
        if len(self.waiting) >= PIECE:
            self._flush()
            if self.time_left() < LEAVE:
                self.stopped = True
                return False
        return True

    def _begin_again(self, info: FileInfo) -> None:
        """The server sends no parts, or the file is another one by now: what is there is of no use."""
        if info.start:
            raise Failed("media_unreachable", "A medium's server sent another part than it was asked for.")
        if self.progress.upload:
            self.deps.media.abort(data_key(self.hold.key), self.progress.upload)
        self.progress, self.hash = _Progress(), hashlib.sha256()

    def _flush(self) -> None:
        data = bytes(self.waiting)
        self.waiting.clear()
        if self.hash is not None:
            self.hash.update(data)
        p = self.progress
        tag = self.deps.media.piece(data_key(self.hold.key), p.upload, len(p.tags) + 1, data)
        self.progress = p._replace(tags=(*p.tags, tag), done=p.done + len(data))
        self._note()

    def _note(self, *, release: bool = False) -> None:
        progress = {**self.progress._asdict(), "tags": list(self.progress.tags)}
        hold = self.deps.copies.save(self.hold, progress, self.deps.clock.now(), release=release)
        if hold is None:
            raise NotReady("media_copying", "Somebody else is copying this medium.", BUSY_WAIT)
        self.hold = hold

    def _finish(self) -> dict[str, Any]:
        """Look into the whole copy, and write its note."""
        key, size = data_key(self.hold.key), self.progress.done

        def read(start: int, length: int) -> bytes:
            return self.deps.media.read(key, start, length)

        facts = probing.facts_of(read(0, min(size, probing.HEAD)), size, read, self.progress.mime)
        if self.hash is None:
            self.hash = hashlib.sha256()
            for start in range(0, size, PIECE):
                self.hash.update(read(start, min(PIECE, size - start)))
        note = note_of(facts, self.hash.hexdigest(), self.progress.version)
        self.deps.media.save_note(note_key(self.hold.key), note)
        self.deps.copies.forget(self.hold)
        return note
