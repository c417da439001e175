"""LinkedIn's *little text*: a post's words as its API wants them, and back again.

In a commentary the characters `\\ | { } @ [ ] ( ) < > # * _ ~` belong to LinkedIn's grammar: one that is not escaped silently
cuts the text short. A hashtag has a template of its own, a mention is `@[Name](urn:li:…:1)`; both may be written by customers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

RESERVED = frozenset("\\|{}@[]()<>#*_~")
_SIGNS = "#＃"
_BEFORE_A_TAG = frozenset("([{<\"'“‘«„,;")
_MENTION = re.compile(r"@\[([^\[\]\n]{1,200})\]\((urn:li:(?:person|organization):[A-Za-z0-9_-]+)\)")
_ELEMENT = re.compile(
    r"\{hashtag\|\\?([#＃])\|((?:\\.|[^|{}\\])+)\}|@\[((?:\\.|[^\[\]\\])+)\]\((?:\\.|[^()\\])+\)|\\(.)", re.DOTALL
)
_SHORTENED = re.compile(r"https?://lnkd\.in/[\w-]+")


class _Piece(NamedTuple):
    kind: Literal["text", "tag", "mention"]
    shown: str
    urn: str = ""


def little(text: str) -> str:
    """`text` as a commentary: escaped, with its hashtags and mentions as LinkedIn's."""
    return "".join(_written(piece) for piece in _pieces(text))


def shown(text: str) -> str:
    """What readers see of a text as a customer wrote it: a mention is its name."""
    return "".join(piece.shown for piece in _pieces(text))


def length(text: str, settings: Mapping[str, Any]) -> int:
    """Characters that readers see: escapes and templates do not count."""
    return len(shown(text))


def plain(commentary: str) -> str:
    """The words of a commentary as LinkedIn gives it back."""

    def read(match: re.Match[str]) -> str:
        sign, tag, name, escaped = match.groups()
        if escaped is not None:
            return str(escaped)
        return f"{sign}{plain(tag)}" if sign else plain(name)

    return _ELEMENT.sub(read, commentary)


def says(commentary: str, text: str) -> bool:
    """Whether a commentary read back has the words of `text`. Blanks may differ; a link LinkedIn has shortened stands for any."""
    theirs = " ".join(plain(commentary).split())
    pattern = r"\S+".join(re.escape(part) for part in _SHORTENED.split(theirs))
    return re.fullmatch(pattern, " ".join(shown(text).split())) is not None


def _written(piece: _Piece) -> str:
    escaped = "".join(f"\\{character}" if character in RESERVED else character for character in piece.shown)
    if piece.kind == "tag":
        sign = "\\#" if piece.shown[0] == "#" else piece.shown[0]
        return f"{{hashtag|{sign}|{escaped.removeprefix(sign)}}}"
    return f"@[{escaped}]({piece.urn})" if piece.kind == "mention" else escaped


def _pieces(text: str) -> Iterator[_Piece]:
    start = at = 0
    while at < len(text):
        found = None
        if text[at] == "@" and (mention := _MENTION.match(text, at)):
            found, end = _Piece("mention", mention[1], mention[2]), mention.end()
        elif text[at] in _SIGNS and (at == 0 or text[at - 1].isspace() or text[at - 1] in _BEFORE_A_TAG):
            end = _tag_end(text, at + 1)
            if any(character.isalpha() for character in text[at + 1 : end]):
                found = _Piece("tag", text[at:end])
        if found is None:
            at += 1
            continue
        if start < at:
            yield _Piece("text", text[start:at])
        yield found
        start = at = end
    if start < at:
        yield _Piece("text", text[start:at])


def _tag_end(text: str, at: int) -> int:
    """Where a hashtag that begins before `at` ends: letters, digits and the signs that belong to a letter (Hindi has many)."""
    while at < len(text) and (text[at].isalnum() or text[at] == "_" or unicodedata.category(text[at])[0] == "M"):
        at += 1
    return at
