"""What Reddit's answers mean. Most of its errors come under HTTP 200, in `json.errors`, and a sentence says how long to wait.

The table of codes is in `_reddit_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._reddit_rules import ERRORS
from .base import Answer, Failed, Outcome, Retry, TokenRefused, Unknown
from .calls import refusal, said_by

_TIMES = {"millisecond": 0.001, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}


def good(answer: Answer) -> dict[str, Any]:
    """The body of a successful answer; raises what any other means."""
    if 200 <= answer.status < 300 and not errors_of(answer):
        return said_by(answer)
    raise meaning_of(answer, repeatable=True)


def errors_of(answer: Answer) -> list[tuple[str, str]]:
    """What stands in `json.errors`: code and words of each."""
    inside = said_by(answer).get("json")
    listed = inside.get("errors") if isinstance(inside, Mapping) else None
    rows = [row for row in listed if isinstance(row, list) and row] if isinstance(listed, list) else []
    return [(str(row[0]), str(row[1]) if len(row) > 1 and row[1] else "") for row in rows]


def meaning_of(answer: Answer, repeatable: bool = False) -> Outcome:
    """What an answer that is no success means: by the table of codes, else by its status."""
    errors = errors_of(answer)
    if not errors:
        body = said_by(answer)
        words = [str(body[name]) for name in ("reason", "explanation", "message", "error_description") if body.get(name)]
        return refusal("Reddit", answer, _without_addresses(": ".join(words)) or "no reason given", wait_of(answer))
    said = _without_addresses("; ".join(f"{words} ({code})" if words else code for code, words in errors))
    meanings = {ERRORS.get(code) for code, _ in errors}
    if None in meanings:
        return Failed("rejected", f"Reddit refused: {said}")
    if "token" in meanings:
        return TokenRefused("token_refused", "Reddit refused the access token.")
    if "unknown" in meanings:
        kind = Retry if repeatable else Unknown
        return kind("server_error", f"Reddit said: {said}")
    if "address" in meanings:
        return Failed("rejected", f"Reddit refused: {said}")
    if "duplicate" in meanings:
        return Failed("duplicate_content", f"Reddit refuses a link that was posted there before: {said}")
    return Retry("rate_limited", f"Reddit takes no more from this account for now: {said}", _spoken(said) or wait_of(answer))


def _without_addresses(words: str) -> str:
    """Reddit's words as they may be shown: an upload's address is nobody's business."""
    import re

    return re.sub(r"(https?|wss)://\S+", "…", words)[:300]


def wait_of(answer: Answer) -> float | None:
    """Seconds to wait by the headers: `Retry-After`, or the reset of the app's calls when none are left."""
    for name in ("retry-after", "x-ratelimit-reset"):
        try:
            return max(1.0, float(answer.headers[name]))
        except (KeyError, ValueError):
            continue
    return None


def _spoken(words: str) -> float | None:
    """Seconds to wait by Reddit's sentence ("Take a break for 14 minutes …"). It is cut to whole units, so one more is waited."""
    import re

    match = re.search(r"(\d{1,4}) (millisecond|second|minute|hour|day)", words)
    return max(1.0, (int(match.group(1)) + 1) * _TIMES[match.group(2)]) if match else None
