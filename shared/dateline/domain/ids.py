"""Identifiers: a prefix that says what it is, then 26 characters that sort by the time of creation (ULID, Crockford base 32)."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(prefix: str, now: datetime) -> str:
    """`<prefix>_<ULID>`: 48 bits of milliseconds since 1970, then 80 random bits, most significant first."""
    number = (int(now.timestamp() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    return f"{prefix}_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def time_of(id: str) -> datetime | None:
    """The moment an id was made with (aware UTC, whole milliseconds); None for a text that `new_id` never wrote."""
    ulid = id.rpartition("_")[2]
    if len(ulid) != 26 or ulid[0] > "7" or any(character not in _ALPHABET for character in ulid):
        return None
    milliseconds = 0
    for character in ulid[:10]:
        milliseconds = milliseconds * 32 + _ALPHABET.index(character)
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


def new_token(size: int = 8) -> str:
    """A short random token (hex, `2 * size` characters): a claim, a write."""
    return os.urandom(size).hex()
