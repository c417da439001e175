"""A CSV file from its bytes to rows of cells: encoding, delimiter, quotes, and where in the file a row begins.

Spreadsheets save many things under the name CSV. What is not one is refused with the line, the likely cause and what to do.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator

from .errors import Problem
from .instants import shown

DELIMITERS = ",;\t"
"""A spreadsheet writes `;` where the comma is the decimal sign."""

SAVE_AS = 'Save it as "CSV UTF-8" (Excel offers it under Save as; Google Sheets always writes it) and send that.'

SIGNS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF16_LE, 'UTF-16, which Excel calls "Unicode text"'),
    (codecs.BOM_UTF16_BE, 'UTF-16, which Excel calls "Unicode text"'),
    (b"PK\x03\x04", "a workbook (.xlsx, .ods) or another archive"),
    (b"\xd0\xcf\x11\xe0", "an old workbook (.xls)"),
)
"""First bytes of files that are no CSV in UTF-8, and what they are."""

_BREAK = re.compile(r"\r\n?|\n")
_QUOTED = re.compile(r'"(?:[^"]++|"")*+("?)')


def unreadable(detail: str, line: int | None = None) -> Problem:
    """A fault of the file as a whole; `line` is where, if it is on one."""
    return Problem("invalid_request", detail, pointer="", extra={} if line is None else {"line": line})


def excerpt(text: str) -> str:
    """The beginning of a cell for an error message."""
    return shown(text if len(text) <= 30 else text[:30] + "…")


def decoded(data: bytes) -> str:
    """The text of the file, without its byte order mark. Raises Problem."""
    for sign, what in SIGNS:
        if data.startswith(sign):
            raise unreadable(f"This is no CSV in UTF-8 but {what}. {SAVE_AS}")
    data = data.removeprefix(codecs.BOM_UTF8)
    if (at := data.find(0)) >= 0:
        line = _line_after(data[:at].decode("latin-1"))
        detail = f"Line {line} holds a NUL byte, which no text has: the file is UTF-16 without its mark, or damaged. {SAVE_AS}"
        raise unreadable(detail, line)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = _line_after(data[: error.start].decode("utf-8"))
        byte = data[error.start : error.start + 1]
        letter = byte.decode("cp1252", "ignore")
        guess = f" ({letter}, if it is Windows-1252 or Latin-1, as a plain CSV often is)" if letter else ""
        detail = f"The file is not UTF-8: line {line} holds the byte 0x{byte.hex().upper()}{guess}. {SAVE_AS}"
        raise unreadable(detail, line) from None


def records(text: str, known: Callable[[str], object]) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, the header among them, with the line on which it begins (from 1).

    The delimiter is the one under which the header has the most cells that are `known` names, else the most cells; the
    comma where that is no help. Raises Problem.
    """
    # Only these three end a line: str.splitlines would cut texts at a line separator or a form feed too.
    lines = list(io.StringIO(text, newline=""))
    delimiter = _delimiter(lines, known)
    # Not strict, the reader would take what follows a closing quote into the cell, and an open quote to the end of the file.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _broken("".join(lines[line - 1 :]), line, delimiter, error) from None
        if any(cell and not cell.isspace() for cell in cells):
            yield line, cells


def _delimiter(lines: Iterable[str], known: Callable[[str], object]) -> str:
    header = next((line for line in lines if line.strip(DELIMITERS + '" \r\n')), "")[:100_000]

    def names(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=delimiter), [])
        return sum(known(cell) is not None for cell in cells[:1_000]), len(cells)

    return max(DELIMITERS, key=names)


def _line_after(text: str) -> int:
    return len(_BREAK.findall(text)) + 1


def _broken(text: str, line: int, delimiter: str, error: csv.Error) -> Problem:
    """What stopped the reader in the row that begins `text`, on `line` of the file: found by going from cell to cell."""
    plain = re.compile(f"[^{delimiter}\r\n]*+")
    most = csv.field_size_limit()
    at = 0
    while at < len(text):
        cell = _QUOTED.match(text, at) or plain.match(text, at)
        assert cell is not None
        end = cell.end()
        if cell.re is _QUOTED and not cell[1]:
            opened = line + _line_after(text[:at]) - 1
            detail = (
                f"The quote that opens a cell on line {opened} is never closed: {excerpt(cell[0])}. A cell in quotes ends with "
                'one; a quote inside it is written twice ("").'
            )
            return unreadable(detail, opened)
        if cell.re is _QUOTED and text[end : end + 1] not in ("", delimiter, "\r", "\n"):
            opened, closed = (line + _line_after(text[:place]) - 1 for place in (at, end))
            detail = (
                f"On line {closed} text follows a closing quote: {excerpt(text[end:])}. The cell was opened on line {opened}. A "
                'quote inside a cell in quotes is written twice (""); or an earlier cell was never closed.'
            )
            return unreadable(detail, closed)
        if end - at > most:
            opened = line + _line_after(text[:at]) - 1
            detail = f"The cell that begins on line {opened} has more than {most:,} characters. Was a quote before it not closed?"
            return unreadable(detail, opened)
        at = end + 1
    return unreadable(f"The row that begins on line {line} cannot be read: {error}.", line)
