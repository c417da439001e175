"""A stretch of a file as a file of its own, for networks that take a large one in parts."""

from __future__ import annotations

from .base import MediaFile


class Stretch:
    """The bytes of `file` from `first` to `last`, both included."""

    width: int | None = None
    height: int | None = None
    seconds: float | None = None

    def __init__(self, file: MediaFile, first: int, last: int) -> None:
        self._file, self._first = file, first
        self.mime, self.size = file.mime, last - first + 1

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """A piece of the stretch; see `MediaFile`."""
        rest = max(0, self.size - start)
        return self._file.read(self._first + start, rest if length is None else min(length, rest))

    def url(self) -> str:
        """The whole file's address."""
        return self._file.url()
