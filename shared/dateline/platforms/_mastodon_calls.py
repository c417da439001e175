"""What the answers of Mastodon's API mean, the same for every call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .base import Answer, Outcome, Quota
from .calls import quota_from, refusal, said_by, seconds_until


def good(answer: Answer, now: datetime | None) -> dict[str, Any]:
    """The body of a successful answer; raises what any other means."""
    if 200 <= answer.status < 300:
        return said_by(answer)
    raise refusal_of(answer, now)


def refusal_of(answer: Answer, now: datetime | None) -> Outcome:
    """What an answer below 500 that is no success means, the same for every call."""
    wait = seconds_until(answer, "x-ratelimit-reset", lambda text: datetime.fromisoformat(text).timestamp(), now)
    return refusal("The server", answer, reason_of(answer), wait)


def reason_of(answer: Answer) -> str:
    """The server's own words."""
    return str(said_by(answer).get("error") or "no reason given")[:300]


def quotas_of(answer: Answer) -> tuple[Quota, ...]:
    """The limit of the kind of call that was answered, as its headers tell it (the reset is an ISO time)."""
    return quota_from(
        answer, limit="x-ratelimit-limit", remaining="x-ratelimit-remaining", reset="x-ratelimit-reset",
        moment=datetime.fromisoformat,
    )
