"""How Mastodon and its kin read a text: what they count, and how words that come back are compared with those that were sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..domain.rules import graphemes
from ._x_text import find_urls

CODE_POINTS = "codePoints"
"""The setting `counting` of a server that counts code points."""

_MENTION = re.compile(r"(?<![=/\w])@([a-z0-9_]+(?:[a-z0-9_.-]*[a-z0-9_]+)?)@[\w.-]*\w", re.I)


def count(text: str, settings: Mapping[str, Any]) -> int:
    """The length of `text` as the instance counts it.

    Mastodon counts grapheme clusters, each URL with a protocol as `urlLength` (23) and a remote mention as `@user` alone
    (StatusLengthValidator, 2026). GoToSocial counts code points and spares nothing (`counting` is "codePoints").
    """
    if settings.get("counting") == CODE_POINTS:
        return len(text)
    pieces, position = [], 0
    for span in find_urls(text):
        if text[span.start:span.start + 4].lower() == "http" and "://" in text[span.start:span.end]:
            pieces += [_without_servers(text[position:span.start]), "x" * int(settings.get("urlLength", 23))]
            position = span.end
    return graphemes("".join([*pieces, _without_servers(text[position:])]))


def warning_length(text: str, settings: Mapping[str, Any]) -> int:
    """The length of a content warning, which is counted in full."""
    return len(text) if settings.get("counting") == CODE_POINTS else graphemes(text)


def _without_servers(text: str) -> str:
    return _MENTION.sub(r"@\1", text)


def shown_text(content: str) -> str:
    """The words of a status' HTML. Links keep the invisible parts of their URL, so that these come back whole."""
    from html import unescape

    broken = re.sub(r"<br\s*/?>|</p>", "\n", content)
    return unescape(re.sub(r"<[^>]*>", "", broken))


def plain(text: str) -> str:
    """A text without what a server may change on the way: a mention's server, normal form, letter case, white space."""
    import unicodedata

    return " ".join(unicodedata.normalize("NFC", _without_servers(text)).casefold().split())
