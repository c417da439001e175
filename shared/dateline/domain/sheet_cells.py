"""One cell of a sheet: how each kind is read, and how lists and JSON are written into a cell.

A cell holds a text, a word, a list separated by `;`, JSON, or a platform's option that may be either. Nothing is guessed: what
cannot be read is a `CellFault` that names the column as the file has it. The user's page is docs/bulk.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .instants import shown
from .plain_json import TOO_DEEP, unstorable

Path = tuple[str, ...]
"""Where a value goes in the create body: members inside one another."""

Reader = Callable[[str, str, Path], Any]
"""From a cell, the column's name as the file has it, and the path of the member, to a value; None for an empty cell."""

MOST_EXACT = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly: what is longer is somebody's id, and stays a text."""

STRAIGHT = str.maketrans(dict.fromkeys("“”„‟«»＂", '"'))
"""Typographic double quotes, which can be meant as JSON's own …"""

SINGLE = "'‘’‚‛"
"""… and single ones, which JSON does not have."""

_EXAMPLES: Mapping[str, str] = {
    "thread": '[{"text": "1/2"}, {"text": "2/2"}]', "media": '[{"url": "https://…"}]', "metadata": '{"crmId": "42"}',
    "platforms": '{"x": {"text": "…"}}',
}


class CellFault(Exception):
    """A cell that cannot be read: a whole sentence for people, and what to add to the member's pointer."""

    def __init__(self, detail: str, below: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.below = below


def _text(cell: str, written: str, path: Path) -> str:
    return cell


def _word(cell: str, written: str, path: Path) -> str | None:
    return cell.strip() or None


def _list(cell: str, written: str, path: Path) -> list[str] | None:
    return [entry for entry in split_list(cell) if entry] or None


def _positions(cell: str, written: str, path: Path) -> list[str] | None:
    """Entries that go with those of another column: an empty one in between keeps its place."""
    entries = split_list(cell)
    while entries and not entries[-1]:
        entries.pop()
    return entries or None


def _fold(cell: str, written: str, path: Path) -> int | None:
    word = cell.strip()
    if word in ("", "0", "1"):
        return int(word) if word else None
    raise CellFault(f"{written} is 0 (the earlier of two equal local times) or 1 (the later), not {shown(cell)}.")


def _flag(cell: str, written: str, path: Path) -> bool | None:
    # Spreadsheets turn true into TRUE, so capitals do not matter.
    word = cell.strip().lower()
    if word in ("", "true", "false"):
        return word == "true" if word else None
    raise CellFault(f"{written} is true or false, not {shown(cell)}.")


def _array(cell: str, written: str, path: Path) -> list[Any] | None:
    value = _json(cell, written, path)
    if value is None or isinstance(value, list):
        return value
    raise CellFault(f"{written} is a JSON list such as {_EXAMPLES[path[-1]]}, not {_kind(value)}.")


def _object(cell: str, written: str, path: Path) -> dict[str, Any] | None:
    value = _json(cell, written, path)
    if value is None or isinstance(value, dict):
        return value or None
    raise CellFault(f"{written} is a JSON object such as {_EXAMPLES[path[-1]]}, not {_kind(value)}.")


def _option(cell: str, written: str, path: Path) -> Any:
    """A platform's option: JSON where it can only be meant so, else text without the blanks around it.

    true and false (in any capitals: spreadsheets write TRUE), a number that JSON writes just so, a list, an object; a JSON
    string in its quotes is that text, whatever it looks like. `007`, `1.50` and a number of twenty digits are texts.
    """
    bare = cell.strip()
    if bare.lower() in ("true", "false"):
        return bare.lower() == "true"
    if bare[:1] not in _MAY_BE_JSON:
        return bare or None
    try:
        value = _loads(bare)
    except RecursionError:
        raise CellFault(f"{written} {TOO_DEEP.why}.") from None
    except ValueError:
        if bare[:1] in "[{" and _straightened(bare):
            raise _typographic(written, cell) from None
        return bare
    if isinstance(value, int | float) and (abs(value) > MOST_EXACT or json.dumps(value) != bare):
        return bare
    return _storable(value, written, path)


_MAY_BE_JSON = frozenset('{["-0123456789')

READERS: Mapping[str, Reader] = {
    "text": _text, "word": _word, "list": _list, "positions": _positions, "fold": _fold, "flag": _flag, "array": _array,
    "object": _object, "option": _option,
}
"""Every kind of cell. A reader raises `CellFault`."""


class _NotJson(ValueError):
    """A word that only Python reads as a number."""


def _refuse(name: str) -> Any:
    raise _NotJson(f"JSON has no {name}")


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse)


def _json(cell: str, written: str, path: Path) -> Any:
    if not cell.strip():
        return None
    try:
        value = _loads(cell)
    except RecursionError:
        raise CellFault(f"{written} {TOO_DEEP.why}.") from None
    except json.JSONDecodeError as error:
        raise _malformed(cell, written, _EXAMPLES[path[-1]], error) from None
    except ValueError as error:
        why = str(error) if isinstance(error, _NotJson) else "a number in it has thousands of digits"
        raise CellFault(f"{written} is not valid JSON: {why}.") from None
    if value is None:
        raise CellFault(f"{written} is null: leave the cell empty instead.")
    return _storable(value, written, path)


def _malformed(cell: str, written: str, example: str, error: json.JSONDecodeError) -> CellFault:
    at = cell[error.pos : error.pos + 1]
    if at.translate(STRAIGHT) != at:
        return _typographic(written, cell, error.pos)
    if _straightened(cell):
        return _typographic(written, cell)
    if at and at in SINGLE:
        return CellFault(f"{written} is JSON: names and texts stand in double quotes, such as {example}.")
    where = f"line {error.lineno}, character {error.colno}" if error.lineno > 1 else f"character {error.colno}"
    said = f"{error.msg[:1].lower()}{error.msg[1:]}"
    return CellFault(f"{written} is not valid JSON ({said}, at {where} of the cell). It looks like {example}.")


def _storable(value: Any, written: str, path: Path) -> Any:
    found = unstorable(value, len(path) + 1)
    if found is None:
        return value
    where = f" ({found.pointer[1:]})" if found.pointer else ""
    raise CellFault(f"{written}{where} {found.why}.", found.pointer or "")


def _straightened(cell: str) -> bool:
    """True where nothing but typographic double quotes keeps the cell from being JSON."""
    straight = cell.translate(STRAIGHT)
    if straight == cell:
        return False
    try:
        _loads(straight)
    except (ValueError, RecursionError):
        return False
    return True


def _typographic(written: str, cell: str, at: int | None = None) -> CellFault:
    if at is None:
        at = next(index for index, char in enumerate(cell) if char.translate(STRAIGHT) != char)
    return CellFault(
        f'{written} holds a typographic quote ({cell[at]}, character {at + 1} of the cell) where JSON needs the straight ("). '
        "Word processors and spreadsheets put it there while typing: replace it, and turn that off."
    )


def _kind(value: Any) -> str:
    """What a JSON value is, with its article."""
    return {dict: "an object", list: "a list", str: "a text", bool: "true or false"}.get(type(value), "a number")


def written_json(value: Any) -> str:
    """JSON as it stands in a cell: letters of any script as they are."""
    return json.dumps(value, ensure_ascii=False)


_ESCAPED = re.compile(r"\\([\\;\s])")
_SPECIAL = re.compile(r"[\\;]")


def split_list(cell: str) -> list[str]:
    r"""The entries of a list, empty ones too: `;` separates, and blanks around an entry fall away.

    A backslash keeps a `;`, a backslash or a blank that follows it; before anything else it is itself, so that ¯\_(ツ)_/¯
    needs no care.
    """
    if "\\" not in cell:
        return [entry.strip() for entry in cell.split(";")]
    entries: list[str] = []
    begun: list[str] = []
    for piece in cell.split(";"):
        begun.append(piece)
        if not _escapes_next(piece):
            entries.append(";".join(begun))
            begun = []
    if begun:
        entries.append(";".join(begun))
    return [_ESCAPED.sub(r"\1", _trimmed(entry)) for entry in entries]


def _escapes_next(text: str) -> bool:
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _trimmed(entry: str) -> str:
    entry = entry.lstrip()
    bare = entry.rstrip()
    return entry[: len(bare) + 1] if _escapes_next(bare) else bare


def join_list(entries: Iterable[str]) -> str:
    """The inverse of `split_list`."""
    return ";".join(map(_escaped, entries))


def _escaped(entry: str) -> str:
    entry = _SPECIAL.sub(r"\\\g<0>", entry)
    if len(entry) > 1 and entry[-1].isspace():
        entry = f"{entry[:-1]}\\{entry[-1]}"
    return f"\\{entry}" if entry[:1].isspace() else entry
