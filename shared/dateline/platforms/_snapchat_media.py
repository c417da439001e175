"""A file as Snapchat wants it: encrypted with AES-256 in CBC mode (PKCS#7), in parts of at most 32 MB, 35 of them at the most.

A part is encrypted while it is sent, piece by piece, so that a video of a gigabyte never lies in memory. CBC chains blocks: a
part goes on from the last block of the one before, which is what is saved with each part.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, NamedTuple

from .base import MediaFile

BLOCK = 16
MOST_PARTS = 35
PART = 10_000_000 // BLOCK * BLOCK
"""Bytes of a part of an ordinary video. Large ones are cut into 35 parts: below 31 MB for a gigabyte."""
PIECE = 4 * 1024 * 1024


class Part(NamedTuple):
    """Part `number` (from 1) holds the file's bytes from `start` to before `end`; the last one the padding, too."""

    number: int
    start: int
    end: int
    last: bool


def parts_of(size: int) -> list[Part]:
    """How a file of `size` bytes is cut: in whole blocks, but for its end."""
    even = -(-size // MOST_PARTS)
    length = max(PART, -(-even // BLOCK) * BLOCK)
    count = max(1, -(-size // length))
    return [Part(n + 1, n * length, min((n + 1) * length, size), n + 1 == count) for n in range(count)]


def text_of(value: bytes) -> str:
    """Bytes as the checkpoint and Snapchat's JSON take them: base64."""
    return b64encode(value).decode()


class Encrypted:
    """A part of a file as it goes out. `before` is the block that it goes on from: the IV, or the last block of the part before.

    It is read once, from its beginning on, as `calls.Body` does; `tail` is its last block once all of it was read.
    """

    mime = "application/octet-stream"
    width = height = seconds = None

    def __init__(self, file: MediaFile, part: Part, key: str, before: str) -> None:
        # `cryptography` is needed by this network alone, and only to upload.
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        self._file, self._part, self._at = file, part, part.start
        cipher: Any = Cipher(algorithms.AES(b64decode(key)), modes.CBC(b64decode(before)))
        self._encryptor = cipher.encryptor()
        self._ready = bytearray()
        self.tail = before
        length = part.end - part.start
        self.size = (length // BLOCK + 1) * BLOCK if part.last else length

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """The next `length` bytes (all that follow when None); `start` is where the last reading ended. Raises `Retry`."""
        wanted = self.size if length is None else length
        while len(self._ready) < wanted and self._at <= self._part.end and self._encryptor is not None:
            self._ready += self._next()
        out, self._ready = bytes(self._ready[:wanted]), self._ready[wanted:]
        return out

    def _next(self) -> bytes:
        end = min(self._at + PIECE, self._part.end)
        plain, self._at = self._file.read(self._at, end - self._at), end
        done = end == self._part.end
        if done and self._part.last:
            padding = BLOCK - (self._part.end - self._part.start) % BLOCK
            plain += bytes([padding]) * padding
        out: bytes = self._encryptor.update(plain)
        if done:
            out += self._encryptor.finalize()
            self._encryptor = None
        if out:
            self.tail = text_of(out[-BLOCK:])
        return out

    def url(self) -> str:
        """It has no address: it exists while it is sent."""
        raise NotImplementedError
