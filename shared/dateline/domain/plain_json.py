"""What Python reads as JSON and nobody else does, so that it cannot be stored and sent on: one walk finds it.

The API holds every body against it, a sheet every cell of JSON and every row.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, NamedTuple

MOST_DEPTH = 32
"""Objects and lists inside one another. A post needs seven, and what is stored must be readable again further down our stack."""


class Unstorable(NamedTuple):
    """The first such thing: a JSON pointer to it (None where the whole is at fault) and the words after its name."""

    pointer: str | None
    why: str


TOO_DEEP = Unstorable(None, f"is nested too deeply: at most {MOST_DEPTH} levels are read")
NOT_A_NUMBER = "is NaN or infinite: JSON has no such number"
HALF_A_PAIR = "holds half of a surrogate pair (\\ud800 to \\udfff): it is no character"


def unstorable(value: Any, depth: int = 1) -> Unstorable | None:
    """What of `value`, as `json.loads` gave it, cannot be stored; None if all can. `depth` is the level it stands on."""
    found: list[tuple[Any, str, int]] = [(value, "", depth)]
    while found:
        value, pointer, depth = found.pop()
        if isinstance(value, str):
            if half_a_pair(value):
                return Unstorable(pointer, HALF_A_PAIR)
        elif isinstance(value, float) and not isfinite(value):
            return Unstorable(pointer, NOT_A_NUMBER)
        elif isinstance(value, dict | list):
            if depth > MOST_DEPTH:
                return TOO_DEEP
            for name, member in value.items() if isinstance(value, dict) else enumerate(value):
                if isinstance(name, str) and half_a_pair(name):
                    return Unstorable(pointer, HALF_A_PAIR)
                found.append((member, f"{pointer}/{pointed(str(name))}", depth + 1))
    return None


def half_a_pair(text: str) -> bool:
    """True for a text that UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def pointed(name: str) -> str:
    """A member's name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
