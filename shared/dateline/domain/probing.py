"""What a file is, told by looking into it: type, width, height and length of JPEG, PNG, GIF, WebP, MP4/MOV; the type of more.

Only the parts that say so are read, through a function that reads a range: the first kilobytes of a picture, the headers of a
video wherever they stand (cameras write them last). What cannot be found out is None, never guessed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from .content import Facts

Read = Callable[[int, int], bytes]
"""(start, length) -> bytes: shorter, or empty, where the file ends or the range cannot be had."""

HEAD = 64 * 1024
"""Bytes that are read first, and at least with every further look."""

MOST_LOOKS = 8
"""Ranges read beyond the head, so that a strange file costs no more than half a megabyte."""

UNKNOWN = "application/octet-stream"

_MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\xff\xd8\xff", 0, "image/jpeg"), (b"\x89PNG\r\n\x1a\n", 0, "image/png"), (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"), (b"WEBP", 8, "image/webp"), (b"%PDF-", 0, "application/pdf"), (b"BM", 0, "image/bmp"),
    (b"II*\x00", 0, "image/tiff"), (b"MM\x00*", 0, "image/tiff"), (b"AVI ", 8, "video/x-msvideo"),
    (b"\x00\x00\x01\xba", 0, "video/mpeg"), (b"\x00\x00\x01\xb3", 0, "video/mpeg"), (b"ID3", 0, "audio/mpeg"),
    (b"WAVE", 8, "audio/wav"), (b"OggS", 0, "application/ogg"),
)
_BRANDS = {
    b"qt  ": "video/quicktime", b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heic", b"msf1": "image/heic",
    b"avif": "image/avif", b"avis": "image/avif", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4",
}
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip")
_CONTAINERS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""Office files: which kind they are only their name or their server says."""

_ENDINGS = {"mp4": "video", "mov": "video", "m4v": "video", "webm": "video", "gif": "gif", "pdf": "document", "pptx": "document",
            "ppt": "document", "docx": "document", "doc": "document"}


def mime_of(head: bytes, declared: str = "") -> str:
    """The MIME type by the first bytes. `declared` is believed only for office files, which are all alike inside."""
    for magic, place, kind in _MAGIC:
        if head[place : place + len(magic)] == magic and (place == 0 or head[:4] == b"RIFF"):
            return kind
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[4:8] in _QUICKTIME:
        return "video/quicktime"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head.startswith(_CONTAINERS):
        return declared.partition(";")[0].strip().lower() or "application/zip"
    start = head[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "text/html"
    return "image/svg+xml" if b"<svg" in start else UNKNOWN


def kind_of(mime: str) -> str:
    """The `type` of a medium with this MIME type: image, gif, video or document."""
    if mime == "image/gif":
        return "gif"
    head = mime.partition("/")[0]
    return head if head in ("image", "video") else "document"


def kind_by_name(url: str) -> str:
    """The `type` that the ending of an address suggests; image where it suggests nothing."""
    path = url.partition("?")[0].partition("#")[0]
    return _ENDINGS.get(path.rpartition(".")[2].lower(), "image")


def facts_of(head: bytes, size: int, read: Read, declared: str = "") -> Facts:
    """What there is to know of a file of `size` bytes that begins with `head`. Broken headers are no error: less is known."""
    mime = mime_of(head, declared)
    file = _File(head, size, read)
    look = _LOOKS.get(mime)
    try:
        width, height, seconds = look(file) if look else (None, None, None)
    except (struct.error, IndexError, _Enough):
        width, height, seconds = None, None, None
    return Facts(mime, size, width or None, height or None, seconds)


class _Enough(Exception):
    """More looks than a file is worth."""


class _File:
    def __init__(self, head: bytes, size: int, read: Read) -> None:
        self.size, self._read, self._looks = size, read, 0
        self._parts: list[tuple[int, bytes]] = [(0, head)]

    def at(self, start: int, length: int) -> bytes:
        """Bytes from `start`, fewer only at the end of what can be had."""
        for begin, part in self._parts:
            if begin <= start and (start + length <= begin + len(part) or begin + len(part) >= self.size > start):
                return part[start - begin : start - begin + length]
        if start >= self.size:
            return b""
        if self._looks >= MOST_LOOKS:
            raise _Enough
        self._looks += 1
        part = self._read(start, min(max(length, HEAD), self.size - start))
        self._parts.append((start, part))
        return part[:length]


_Found = tuple[int | None, int | None, float | None]


def _png(file: _File) -> _Found:
    width, height = struct.unpack(">II", file.at(16, 8))
    return width, height, None


def _gif(file: _File) -> _Found:
    width, height = struct.unpack("<HH", file.at(6, 4))
    return width, height, None


def _webp(file: _File) -> _Found:
    kind = file.at(12, 4)
    if kind == b"VP8X":
        raw = file.at(24, 6) + b"\x00"
        return int.from_bytes(raw[:3], "little") + 1, int.from_bytes(raw[3:6], "little") + 1, None
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", file.at(21, 4))
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, None
    width, height = struct.unpack("<HH", file.at(26, 4))
    return width & 0x3FFF, height & 0x3FFF, None


def _jpeg(file: _File) -> _Found:
    """The frame's size, turned where EXIF says that the picture is shown turned."""
    at, turned = 2, False
    while at < file.size:
        mark, kind = struct.unpack(">BB", file.at(at, 2))
        if mark != 0xFF:
            break
        if kind == 0xFF or kind == 0x01 or 0xD0 <= kind <= 0xD8:
            at += 1 if kind == 0xFF else 2
            continue
        (length,) = struct.unpack(">H", file.at(at + 2, 2))
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", file.at(at + 5, 4))
            return (height, width, None) if turned else (width, height, None)
        if kind == 0xE1 and file.at(at + 4, 6) == b"Exif\x00\x00":
            turned = _orientation(file.at(at + 10, min(length - 8, 4096))) in (5, 6, 7, 8)
        if kind in (0xD9, 0xDA):
            break
        at += 2 + length
    return None, None, None


def _orientation(tiff: bytes) -> int:
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for number in range(min(entries, 100)):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * number)
            if tag == 0x0112:
                return int(value)
    except struct.error:
        pass
    return 1


def _boxes(file: _File, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start of its content, its end) of the boxes between two places."""
    for _ in range(1000):
        if start + 8 > end:
            return
        size, kind = struct.unpack(">I4s", file.at(start, 8))
        content = start + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.at(start + 8, 8))
            content += 8
        stop = end if size == 0 else start + size
        if stop <= start or stop < content:
            return
        yield kind, content, min(stop, end)
        start = stop


def _video(file: _File) -> _Found:
    """Length and size of an MP4 or MOV. A track that is shown turned by a quarter has its sides exchanged."""
    movie = next(((start, end) for kind, start, end in _boxes(file, 0, file.size) if kind == b"moov"), None)
    if movie is None:
        return None, None, None
    width = height = None
    seconds: float | None = None
    for kind, start, end in _boxes(file, *movie):
        if kind == b"mvhd":
            seconds = _length(file.at(start, 32))
        elif kind == b"trak" and width is None:
            width, height = _track(file, start, end)
        if width and seconds:
            break
    return width, height, seconds


def _length(header: bytes) -> float | None:
    if header[0] == 1:
        scale, length = struct.unpack_from(">IQ", header, 20)
        unknown = 0xFFFFFFFFFFFFFFFF
    else:
        scale, length = struct.unpack_from(">II", header, 12)
        unknown = 0xFFFFFFFF
    return round(length / scale, 3) if scale and length and length != unknown else None


def _track(file: _File, start: int, end: int) -> tuple[int | None, int | None]:
    for kind, begin, _ in _boxes(file, start, end):
        if kind == b"tkhd":
            header = file.at(begin, 96)
            place = 52 if header[0] == 1 else 40
            a, b = struct.unpack_from(">ii", header, place)
            width, height = (side >> 16 for side in struct.unpack_from(">II", header, place + 36))
            if not width or not height:
                return None, None
            return (height, width) if a == 0 and b != 0 else (width, height)
    return None, None


_LOOKS: dict[str, Callable[[_File], _Found]] = {
    "image/jpeg": _jpeg, "image/png": _png, "image/gif": _gif, "image/webp": _webp, "video/mp4": _video,
    "video/quicktime": _video,
}
