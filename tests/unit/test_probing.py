"""What a file is, told by its content: every type the networks take, wherever its headers stand."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.domain.content import Facts
from dateline.domain.probing import HEAD, MOST_LOOKS, facts_of, kind_by_name, kind_of, mime_of
from local.networks import files
from local.networks.files import File


def look(data: bytes, looks: list[tuple[int, int]] | None = None) -> Facts:
    def read(start: int, length: int) -> bytes:
        if looks is not None:
            looks.append((start, length))
        return data[start : start + length]

    return facts_of(data[:HEAD], len(data), read)


@pytest.mark.parametrize("file", [
    files.png(3, 5), files.jpeg(641, 480), files.gif(7, 9), files.mp4(12.5, 720, 1280), files.mp4(90, size=300_000),
    files.mp4(12.5, size=3_000_000, moov_last=True), files.pdf(3),
], ids=["png", "jpeg", "gif", "mp4", "padded mp4", "moov last", "pdf"])
def test_type_sides_and_length_are_found(file: File) -> None:
    assert look(file.data) == Facts(file.mime, len(file.data), file.width, file.height, file.seconds)


def test_headers_at_the_end_of_a_large_video_cost_one_more_look() -> None:
    looks: list[tuple[int, int]] = []
    assert look(files.mp4(30, size=5_000_000, moov_last=True).data, looks).seconds == 30
    assert len(looks) == 1 and sum(length for _, length in looks) <= HEAD


def exif(orientation: int, order: str) -> bytes:
    tiff = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    data = b"Exif\x00\x00" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_has_the_sides_it_is_shown_with(orientation: int, order: str) -> None:
    plain = files.jpeg(640, 480).data
    turned = look(plain[:2] + exif(orientation, order) + plain[2:])
    assert (turned.width, turned.height) == ((480, 640) if orientation >= 5 else (640, 480))


def test_the_size_of_a_photo_is_found_behind_a_long_preview() -> None:
    plain = files.jpeg(4000, 3000).data
    preview = b"\xff\xe2" + struct.pack(">H", 65535) + bytes(65533)
    assert look(plain[:2] + preview * 3 + plain[2:]).width == 4000


def test_a_video_filmed_upright_has_the_sides_it_is_shown_with() -> None:
    data = files.mp4(5, 1920, 1080).data
    upright = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    at = data.index(b"tkhd") + 4 + 40
    turned = look(data[:at] + upright + data[at + 36 :])
    assert (turned.width, turned.height) == (1080, 1920)


@pytest.mark.parametrize(("head", "mime"), [
    (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"), (b"\x00\x00\x00\x18ftypqt  ", "video/quicktime"),
    (b"\x00\x00\x00\x18ftypheic", "image/heic"), (b"\x00\x00\x00\x18ftypavif", "image/avif"),
    (b"\x00\x00\x00\x08moov", "video/quicktime"), (b"\x1a\x45\xdf\xa3\x01B\x82\x84webm", "video/webm"),
    (b"<!DOCTYPE html><title>Not found</title>", "text/html"), (b"  <html>", "text/html"), (b"hello", "application/octet-stream"),
    (b"", "application/octet-stream"),
])
def test_types_are_told_by_content(head: bytes, mime: str) -> None:
    assert mime_of(head, "image/jpeg") == mime


def test_only_office_files_are_believed_their_servers_word() -> None:
    deck = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    assert mime_of(b"PK\x03\x04\x14\x00", deck) == deck
    assert mime_of(b"\x89PNG\r\n\x1a\n", deck) == "image/png"


@pytest.mark.parametrize(("width", "kind"), [(b"VP8X", "extended"), (b"VP8L", "lossless"), (b"VP8 ", "lossy")])
def test_all_three_kinds_of_webp_tell_their_sides(width: bytes, kind: str) -> None:
    if kind == "extended":
        rest = b"\x0a\x00\x00\x00" + bytes(4) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")
    elif kind == "lossless":
        rest = bytes(4) + b"\x2f" + struct.pack("<I", 639 | 479 << 14)
    else:
        rest = bytes(4) + b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 480)
    found = look(b"RIFF\x00\x00\x00\x00WEBP" + width + rest)
    assert (found.mime, found.width, found.height) == ("image/webp", 640, 480)


WHOLE = [files.png().data, files.jpeg().data, files.gif().data, files.mp4().data, files.mp4(moov_last=True).data]


@pytest.mark.parametrize("data", WHOLE, ids=["png", "jpeg", "gif", "mp4", "moov last"])
def test_a_file_that_ends_anywhere_is_no_error(data: bytes) -> None:
    for end in range(min(len(data), 2000)):
        look(data[:end])


@given(st.sampled_from(WHOLE), st.data())
def test_a_broken_file_is_never_an_error_and_never_costs_more_looks(data: bytes, draw: st.DataObject) -> None:
    place = draw.draw(st.integers(0, len(data) - 1))
    junk = draw.draw(st.binary(min_size=0, max_size=12))
    looks: list[tuple[int, int]] = []
    found = look((data[:place] + junk + data[place + len(junk) :])[: draw.draw(st.integers(1, len(data)))], looks)
    assert len(looks) <= MOST_LOOKS and (found.width is None or found.width > 0)


def test_names_suggest_a_type_until_the_content_is_seen() -> None:
    names = {"B.MP4?x=1": "video", "b.gif": "gif", "b.pdf": "document", "b.jpg": "image", "": "image"}
    assert {name: kind_by_name(f"https://a.example/{name}") for name in names} == names
    mimes = {"image/gif": "gif", "image/png": "image", "video/mp4": "video", "application/pdf": "document"}
    assert {mime: kind_of(mime) for mime in mimes} == mimes
