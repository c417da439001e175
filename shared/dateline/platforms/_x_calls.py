"""What X's answers mean, the same for every call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
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
    return refusal("X", answer, reason_of(answer), wait_of(answer, now))


def wait_of(answer: Answer, now: datetime | None) -> float | None:
    """Seconds until X's limit is reset, None if it does not say."""
    return seconds_until(answer, "x-rate-limit-reset", float, now)


def reason_of(answer: Answer) -> str:
    """X's own words: `detail` of a problem, the messages of `errors`, or the title."""
    body = said_by(answer)
    listed = body.get("errors")
    errors = [error for error in listed if isinstance(error, Mapping)] if isinstance(listed, list) else []
    messages = [str(error.get("message") or error.get("detail") or "") for error in errors]
    words = [str(body.get("detail") or ""), *messages]
    return " ".join(word for word in words if word)[:300] or str(body.get("title") or "no reason given")


def quotas_of(answer: Answer) -> tuple[Quota, ...]:
    """The 15 minutes' limit of the kind of call that was answered, and what is left of the day's for the user and for the app.

    A post is told by its status 201; every other kind of call has limits of its own under one name. (The day's headers are as
    seen in answers, akrherz/iembot issue 163; the documentation has only the 15 minutes'.)
    """
    kinds: tuple[tuple[str, str, Any], ...] = (
        ("x-rate-limit", "posts" if answer.status == 201 else "calls", "account"),
        ("x-user-limit-24hour", "posts a day", "account"), ("x-app-limit-24hour", "posts a day", "app"),
    )
    return tuple(
        quota
        for head, name, scope in kinds
        for quota in quota_from(
            answer, limit=f"{head}-limit", remaining=f"{head}-remaining", reset=f"{head}-reset",
            moment=lambda text: datetime.fromtimestamp(float(text), UTC), scope=scope, name=name,
        )
    )
