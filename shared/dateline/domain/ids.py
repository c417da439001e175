"""Identifiers: a prefix that says what it is, then 26 characters that sort by the time of creation (ULID, Crockford base 32)."""

from __future__ import annotations

import os
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(prefix: str, now: datetime) -> str:
    """`<prefix>_<ULID>`: 48 bits of milliseconds since 1970, then 80 random bits, most significant first."""
    number = (int(now.timestamp() * 1000) << 80) | int.from_bytes(os.urandom(10), "big")
    return f"{prefix}_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def new_token(size: int = 8) -> str:
    """A short random token (hex, `2 * size` characters): a claim, a write."""
    return os.urandom(size).hex()
