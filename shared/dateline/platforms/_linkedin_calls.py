"""LinkedIn's calls: the headers every one carries, and what an answer that is no success means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from .base import Account, Answer, Failed, Http, Outcome, Retry
from .calls import bearer, harmless, refusal, said_by

API_VERSION = "202607"
"""LinkedIn-Version: one comes every month and dies after about twelve. A profile's setting `apiVersion` overrides it."""


def headers(account: Account, **more: str) -> dict[str, str]:
    """What every call of the versioned API carries."""
    version = str(account.settings.get("apiVersion") or API_VERSION)
    return {**bearer(account), "LinkedIn-Version": version, "X-Restli-Protocol-Version": "2.0.0", **more}


def call(account: Account, http: Http, method: str, path: str, **parts: Any) -> Answer:
    """A harmless call; `parts` as in `Http.request`. Raises `Retry` when no clear answer came."""
    url = account.server + path
    return harmless(lambda: http.request(method, url, headers=headers(account), **parts))


def in_path(urn: str) -> str:
    """A URN as a part of a path: its colons and brackets encoded, as Rest.li wants them."""
    return quote(urn, safe="")


def good(answer: Answer, now: datetime | None = None) -> dict[str, Any]:
    """The body of a successful answer; raises what any other means."""
    if 200 <= answer.status < 300:
        return said_by(answer)
    raise refused(answer, now)


def refused(answer: Answer, now: datetime | None = None) -> Outcome:
    """What an answer below 500 that is no success means, the same for every call."""
    reason = reason_of(answer)
    if answer.status == 426:
        detail = f"LinkedIn no longer takes the version of its API that is asked for. Set the profile's apiVersion anew. {reason}"
        return Failed("api_version_too_old", detail)
    if is_passing(answer):
        return Retry("forbidden_for_now", f"LinkedIn refused for now: {reason}")
    return refusal("LinkedIn", answer, reason, _wait(answer, reason, now))


def is_passing(answer: Answer) -> bool:
    """Whether it is the 403 that comes and goes with tokens that are good otherwise; nothing was done."""
    return answer.status == 403 and "resource is forbidden" in reason_of(answer).lower()


def _wait(answer: Answer, reason: str, now: datetime | None) -> float | None:
    """Seconds to wait on a 429: what LinkedIn says, else until midnight UTC where a day's limit is reached."""
    if answer.status != 429:
        return None
    try:
        return max(1.0, float(answer.headers["retry-after"]))
    except (KeyError, ValueError):
        if now is None or "DAY limit" not in reason:
            return None
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (midnight - now).total_seconds() + 60


def reason_of(answer: Answer) -> str:
    """LinkedIn's own words, cut short: its message, and what `errorDetails` says of each input."""
    body = said_by(answer)
    details = body.get("errorDetails")
    inputs = details.get("inputErrors") if isinstance(details, Mapping) else None
    listed = [error for error in inputs if isinstance(error, Mapping)] if isinstance(inputs, list) else []
    words = [str(body.get("message") or ""), *(str(error.get("description") or "") for error in listed)]
    return " ".join(word for word in words if word)[:300] or str(body.get("code") or "no reason given")


def codes_of(answer: Answer) -> set[str]:
    """The codes an error carries, of the whole and of its inputs."""
    body = said_by(answer)
    details = body.get("errorDetails")
    inputs = details.get("inputErrors") if isinstance(details, Mapping) else None
    listed = [error for error in inputs if isinstance(error, Mapping)] if isinstance(inputs, list) else []
    return {str(code) for code in (body.get("code"), *(error.get("code") for error in listed)) if code}
