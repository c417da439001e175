"""Media on their way to a network: opened, held against the network's limits once more, and put into forms that are streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..domain.content import Media
from ..domain.rules import Rules
from .base import Delivery, Failed, MediaFile
from .calls import Body

LONG_BYTES, LONG_SECONDS = 4_000_000, 60.0
"""An exchange with more bytes than that is given so many seconds. More would hardly ever fit: an invocation has 90 in all."""


def time_for(delivery: Delivery, size: int) -> float | None:
    """The `seconds` of an exchange that sends `size` bytes, None for the ordinary ones. Raises `NotReady` unless there is the
    time: ask right before."""
    if size <= LONG_BYTES:
        return None
    delivery.need(LONG_SECONDS)
    return LONG_SECONDS


def opened(delivery: Delivery, rules: Rules, item: Media, code: str = "media_format") -> MediaFile:
    """The pinned file of `item`, if it is one that the network takes, and the account's own server.

    Raises `Failed` with `code` for another format or `media_too_large`, and what opening raises.
    """
    limit, file = rules.media[item.type].of(delivery.account.settings), delivery.media.open(item)
    if file.mime not in limit.formats:
        raise Failed(code, f"{rules.name} takes {', '.join(limit.formats)} as {item.type}; this file is {file.mime}.")
    if file.size > limit.bytes:
        raise Failed("media_too_large", f"{rules.name} takes at most {limit.bytes:,} bytes here; this file has {file.size:,}.")
    return file


class Held:
    """A file that was read whole, so that sending it needs nothing but memory."""

    def __init__(self, file: MediaFile) -> None:
        self._file, self._data = file, file.read()
        self.mime, self.size = file.mime, len(self._data)
        self.width, self.height, self.seconds = file.width, file.height, file.seconds

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """A piece of it."""
        return self._data[start : None if length is None else start + length]

    def url(self) -> str:
        """As of the file itself."""
        return self._file.url()


class Form:
    """A multipart form with any number of files, each read as it is sent: give it to `Http.request` as `data`, with `headers`.

    `files` are (file name, file) by the name of their field.
    """

    def __init__(self, fields: Mapping[str, str], files: Mapping[str, tuple[str, MediaFile]]) -> None:
        from secrets import token_hex

        boundary = token_hex(16)
        self.headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
        )
        self._bodies: list[Body] = []
        for place, (name, (filename, file)) in enumerate(files.items(), 1):
            head += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
            head += f"Content-Type: {file.mime}\r\n\r\n"
            end = f"\r\n--{boundary}--\r\n" if place == len(files) else "\r\n"
            self._bodies.append(Body(file, head.encode(), end.encode()))
            head = ""
        self._length = sum(len(body) for body in self._bodies)
        self._place = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        for body in self._bodies:
            yield from body

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size` (all that follow when negative); b"" at the end. Raises as reading a file does."""
        if size < 0:
            return b"".join(self)
        while self._place < len(self._bodies):
            piece = self._bodies[self._place].read(size)
            if piece:
                return piece
            self._place += 1
        return b""
