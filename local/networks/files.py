"""Whole little files of every type the networks take, made on the spot: of one colour, and as large or as long as asked for."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple


class File(NamedTuple):
    """A file's bytes with what there is to know of them."""

    data: bytes
    mime: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


def png(width: int = 64, height: int = 64) -> File:
    """A PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + b"\x2f\x6f\xed" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return File(data, "image/png", width, height)


def jpeg(width: int = 640, height: int = 640) -> File:
    """A grey baseline JPEG. Its Huffman tables know one symbol each, so that a block of 8 x 8 pixels is two zero bits."""

    def segment(marker: int, data: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data

    one_symbol = bytes([1] + [0] * 15 + [0])
    bits = -(-width // 8) * -(-height // 8) * 2
    scan = bytes(bits // 8) + (bytes([0xFF >> bits % 8]) if bits % 8 else b"")
    data = (
        b"\xff\xd8" + segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00") + segment(0xDB, b"\x00" + b"\x10" * 64)
        + segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00")
        + segment(0xC4, b"\x00" + one_symbol) + segment(0xC4, b"\x10" + one_symbol)
        + segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + scan + b"\xff\xd9"
    )
    return File(data, "image/jpeg", width, height)


def gif(width: int = 32, height: int = 32) -> File:
    """An animated GIF of two frames."""
    # Clear codes of LZW with two-bit symbols: each pixel is "clear, 0", which any decoder takes.
    bits = "".join(f"{code:03b}"[::-1] for code in [4, 0] * (width * height) + [5])
    packed = bytes(int(bits[i : i + 8].ljust(8, "0")[::-1], 2) for i in range(0, len(bits), 8))
    blocks = b"".join(bytes([len(packed[i : i + 255])]) + packed[i : i + 255] for i in range(0, len(packed), 255)) + b"\x00"
    frame = b"\x21\xf9\x04\x00\x0a\x00\x00\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02" + blocks
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\x2f\x6f\xed\xff\xff\xff"
    return File(head + b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00" + frame * 2 + b"\x3b", "image/gif", width, height)


def mp4(seconds: float = 10.0, width: int = 1080, height: int = 1920, size: int = 0, moov_last: bool = False) -> File:
    """An MP4 whose headers tell its length and size, with nothing to see in it. `size` pads it to at least so many bytes;
    `moov_last` puts the headers at the end, as many cameras do."""

    def box(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data) + 8) + kind + data

    scale = 1000
    length = round(seconds * scale)
    matrix = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    mvhd = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, scale, length) + struct.pack(">IH10x", 0x10000, 0x100) + matrix + bytes(24)
               + struct.pack(">I", 2))
    tkhd = box(b"tkhd", struct.pack(">IIIIII", 7, 0, 0, 1, 0, length) + bytes(8) + struct.pack(">4H", 0, 0, 0, 0) + matrix
               + struct.pack(">II", width << 16, height << 16))
    mdhd = box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, scale, length, 0x55C4, 0))
    hdlr = box(b"hdlr", struct.pack(">II", 0, 0) + b"vide" + bytes(12) + b"Video\x00")
    moov = box(b"moov", mvhd + box(b"trak", tkhd + box(b"mdia", mdhd + hdlr)))
    ftyp = box(b"ftyp", b"isom" + struct.pack(">I", 0x200) + b"isommp42")
    mdat = box(b"mdat", bytes(max(0, size - len(ftyp) - len(moov) - 8)))
    return File(ftyp + (mdat + moov if moov_last else moov + mdat), "video/mp4", width, height, float(seconds))


def pdf(pages: int = 1) -> File:
    """A PDF of empty pages."""
    kids = " ".join(f"{number + 3} 0 R" for number in range(pages))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>"]
    objects += ["<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>"] * pages
    data, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n".encode()
    start = data.index(b"xref\n")
    data += f"<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return File(data, "application/pdf")
