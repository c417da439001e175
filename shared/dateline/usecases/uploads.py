"""Media with an id of their own: files that clients send to the bucket themselves, and copies that they asked for by URL.

A post names one as `dateline-media:<id>` (or by `mediaId`), and makes a copy of its own from it, as from any address: so what
becomes of the upload later is no matter to the post.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ..aws.media import Upload
from ..aws.queue import Order, QueueUnavailable
from ..domain import probing
from ..domain.content import Facts
from ..domain.errors import Problem
from ..domain.ids import new_id
from ..platforms.base import Failed, Retry
from ..store.files import File
from . import pinning
from .pinning import INLINE_BYTES, REFERENCE, TooLargeHere, data_key, facts_in, note_key, note_of

if TYPE_CHECKING:
    from ..wiring import Deps

UPLOAD_SECONDS = 3600
"""How long an address for an upload is good."""


def begin_upload(deps: Deps, partition: str, content_type: str, size: int, filename: str | None) -> File:
    """A new upload, to be signed. Raises `Problem` for one that is too large, `StoreUnavailable`."""
    most = deps.settings.media_bytes
    if size > most:
        detail = f"A file has at most {most:,} bytes here; this one has {size:,}."
        raise Problem("invalid_request", detail, "/bytes", {"limit": most})
    now = deps.clock.now()
    media_id = new_id("media", now)
    key = f"uploads/{now:%Y-%m}/{partition.replace(':', '/')}/{media_id}"
    file = File(media_id, partition, now, key, None, filename, content_type, size)
    deps.files.save(file, deps.settings.media_days)
    return file


def sign(deps: Deps, file: File) -> Upload:
    """The request by which the client sends the file; good for a while, and for a file of this type and size only."""
    return deps.media.signed_upload(file.key, file.content_type, file.bytes, UPLOAD_SECONDS)


def begin_copy(deps: Deps, partition: str, url: str) -> File:
    """A copy of the file behind `url`, ordered. Raises `Problem` (try_again) where it could not be, `StoreUnavailable`."""
    now = deps.clock.now()
    media_id = new_id("media", now)
    pin = pinning.key_of(partition, url, media_id, now)
    file = File(media_id, partition, now, data_key(pin), url)
    deps.files.save(file, deps.settings.media_days)
    try:
        deps.orders.send(Order({url: pin}, media_id))
    except QueueUnavailable:
        raise Problem("try_again", "The copy could not be ordered; repeat with the same Idempotency-Key.") from None
    return file


def find(deps: Deps, partition: str, media_id: str, pointer: str | None = None) -> File:
    """The workspace's medium. Raises `Problem` not_found, also for another workspace's, and `StoreUnavailable`."""
    file = deps.files.get(media_id) if media_id.startswith("media_") and len(media_id) <= 64 else None
    if file is None or file.partition != partition:
        raise Problem("not_found", f"The workspace has no medium {media_id!r}.", pointer)
    return file


def state_of(file: File) -> str:
    """awaiting_upload, pinning, ready or failed."""
    if file.failure is not None:
        return "failed"
    if file.facts is not None:
        return "ready"
    return "pinning" if file.url is not None else "awaiting_upload"


def looked_at(deps: Deps, file: File) -> File:
    """The same as it is now: an upload that has come, a copy that is made. Raises `MediaUnavailable`, `StoreUnavailable`."""
    if file.facts is not None or file.failure is not None:
        return file
    if file.url is not None:
        note = deps.media.note(f"{file.key}.json")
        if note is None:
            return file
        found = file._replace(facts=tuple(facts_in(note)), sha256=note.get("sha256"))
    else:
        size = deps.media.size(file.key)
        if size is None:
            return file
        found = _came(deps, file, size)
    deps.files.save(found, deps.settings.media_days)
    return found


def _came(deps: Deps, file: File, size: int) -> File:
    if size > deps.settings.media_bytes or size == 0:
        code = "media_too_large" if size else "media_empty"
        return file._replace(failure=(code, f"The file that was sent has {size:,} bytes."))

    def read(start: int, length: int) -> bytes:
        return deps.media.read(file.key, start, length)

    # A small file is read whole anyway, and its checksum known; that of a large one is made with the copy for a post.
    head = read(0, min(size, INLINE_BYTES if size <= INLINE_BYTES else probing.HEAD))
    facts = probing.facts_of(head, size, read, file.content_type)
    return file._replace(facts=tuple(facts), sha256=hashlib.sha256(head).hexdigest() if len(head) == size else None)


def fail(deps: Deps, media_id: str, code: str, detail: str) -> None:
    """Note that a copy cannot be had. Raises `StoreUnavailable`."""
    file = deps.files.get(media_id)
    if file is not None and file.facts is None:
        deps.files.save(file._replace(failure=(code, detail)), deps.settings.media_days)


def remove(deps: Deps, file: File) -> None:
    """Forget a medium and its bytes. Posts have copies of their own. Raises `MediaUnavailable`, `StoreUnavailable`."""
    deps.files.delete(file.id)
    deps.media.delete(file.key)
    if file.url is not None:
        deps.media.delete(f"{file.key}.json")


def copy(deps: Deps, key: str, reference: str, most: int | None = None) -> dict[str, Any]:
    """A post's own copy of a medium; S3 makes it. Raises `Failed`, `Retry`, `TooLargeHere` for more bytes than `most`,
    `MediaUnavailable`, `StoreUnavailable`."""
    file = deps.files.get(reference.removeprefix(REFERENCE))
    if file is None:
        raise Failed("media_gone", "The uploaded medium was removed before the post had a copy of it.")
    file = looked_at(deps, file)
    if file.failure is not None:
        raise Failed(*file.failure)
    if file.facts is None:
        raise Retry("media_awaited", "The medium has not been uploaded yet.")
    facts = Facts(*file.facts)
    if most is not None and facts.size > most:
        raise TooLargeHere
    deps.media.copy(file.key, data_key(key), facts.mime)
    sha256 = file.sha256
    if sha256 is None:
        digest = hashlib.sha256()
        for start in range(0, facts.size, 8 * 1024 * 1024):
            digest.update(deps.media.read(data_key(key), start, min(8 * 1024 * 1024, facts.size - start)))
        sha256 = digest.hexdigest()
        deps.files.save(file._replace(sha256=sha256), deps.settings.media_days)
    note = note_of(facts, sha256, file.id)
    deps.media.save_note(note_key(key), note)
    return note
