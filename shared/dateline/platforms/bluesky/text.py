"""How Bluesky reads a text: what it counts, and which stretches of it are links, mentions and tags.

Counts are in grapheme clusters and UTF-8 bytes, facets in UTF-8 byte offsets (lexicons `app.bsky.feed.post` and
`app.bsky.richtext.facet`, atproto d6296a1, 2026-08-20). Never `len()`: a flag is one grapheme and eight bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...domain.rules import graphemes

LONGEST_TAG = 64
"""Graphemes in one tag (`app.bsky.richtext.facet#tag`)."""

COMMON_TLDS = frozenset({
    "com", "org", "net", "edu", "gov", "int", "info", "biz", "name", "pro", "io", "co", "ai", "app", "dev", "xyz", "site",
    "online", "shop", "store", "blog", "news", "social", "page", "link", "me", "tv", "fm", "gg", "eu", "uk", "de", "fr",
    "es", "it", "nl", "be", "ch", "at", "pl", "se", "no", "dk", "fi", "ie", "pt", "cz", "gr", "us", "ca", "br", "mx", "ar",
    "au", "nz", "jp", "kr", "cn", "tw", "in", "sg", "hk", "za",
})
"""Endings that make `example.com` a link without `https://`. A list of our own choosing: all of the root zone would turn
`setup.py` and `e.g.this` into links."""

_OPENING = "([{<\"'“‘«„（「『【"
_CLOSING = {")": "(", "]": "[", "}": "{", ">": "<", "）": "（", "」": "「", "』": "『", "】": "【"}
_TRAILING = ".,;:!?\"'”’»…。，、！？；："
_INVISIBLE = re.compile("[\u00ad\u2060\u200a-\u200d\u20e2]")
_HANDLE = re.compile(r"@((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])?)(?![\w@-])", re.IGNORECASE)
_DOMAIN = re.compile(r"(?:[a-z0-9-]+\.)+([a-z]{2,24})(?::\d+)?(?:[/?#]\S*)?", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s/]\S*", re.IGNORECASE)


def utf8_bytes(text: str, settings: Mapping[str, Any] | None = None) -> int:
    """Bytes of `text` in UTF-8. A lone surrogate, which no network would take, counts three and raises nothing here."""
    return len(text.encode("utf-8", "surrogatepass"))


def handles(text: str) -> list[str]:
    """The handles mentioned in `text`, lower case, each once, in reading order."""
    found = [value for kind, value, _, _ in _spans(text) if kind == "mention"]
    return list(dict.fromkeys(found))


def facets(text: str, dids: Mapping[str, str]) -> list[dict[str, Any]]:
    """The facets of `text`, in reading order and never overlapping.

    `dids` gives the DID of each known handle; a mention of any other handle stays plain text.
    """
    out = []
    for kind, value, start, end in _spans(text):
        feature: dict[str, Any]
        if kind == "mention":
            if not dids.get(value):
                continue
            feature = {"$type": "app.bsky.richtext.facet#mention", "did": dids[value]}
        elif kind == "tag":
            feature = {"$type": "app.bsky.richtext.facet#tag", "tag": value}
        else:
            feature = {"$type": "app.bsky.richtext.facet#link", "uri": value}
        first = utf8_bytes(text[:start])
        index = {"byteStart": first, "byteEnd": first + utf8_bytes(text[start:end])}
        out.append({"index": index, "features": [feature]})
    return out


def _spans(text: str) -> list[tuple[str, str, int, int]]:
    """(kind, value, start, end) of every link, mention and tag, by code points. One pass over the words: no overlaps."""
    found = []
    for match in re.finditer(r"\S+", text):
        word = match.group()
        body = word.lstrip(_OPENING)
        start = match.start() + len(word) - len(body)
        body = _without_trailing(body)
        span = _mention(body) or _tag(body) or _link(body)
        if span is not None:
            kind, value, length = span
            found.append((kind, value, start, start + length))
    return found


def _without_trailing(word: str) -> str:
    """`word` without the punctuation of the sentence around it; a bracket stays if it was opened inside."""
    while word:
        last = word[-1]
        opened = last in _CLOSING and word.count(_CLOSING[last]) >= word.count(last)
        if last in _TRAILING or (last in _CLOSING and not opened):
            word = word[:-1]
        else:
            break
    return word


def _mention(word: str) -> tuple[str, str, int] | None:
    match = _HANDLE.match(word)
    return ("mention", match.group(1).lower(), match.end()) if match else None


def _tag(word: str) -> tuple[str, str, int] | None:
    if word[:1] not in ("#", "＃"):
        return None
    import unicodedata

    tag = _INVISIBLE.split(word[1:], maxsplit=1)[0]
    while tag and unicodedata.category(tag[-1]).startswith("P"):
        tag = tag[:-1]
    says_something = any(not c.isdigit() and not unicodedata.category(c).startswith(("P", "M")) for c in tag)
    if tag.startswith("\ufe0f") or not says_something or (len(tag) > LONGEST_TAG and graphemes(tag) > LONGEST_TAG):
        return None
    return "tag", tag, 1 + len(tag)


def _link(word: str) -> tuple[str, str, int] | None:
    if _URL.fullmatch(word):
        return "link", word, len(word)
    match = _DOMAIN.fullmatch(word)
    if match and match.group(1).lower() in COMMON_TLDS:
        return "link", f"https://{word}", len(word)
    return None
