"""Reading Snapchat's answers, which may say ERROR under HTTP 200, for the whole or for a part; and what its codes mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from .base import Account, Answer, Failed, Http, NotReady, Outcome, Retry, TokenRefused
from .calls import bearer, harmless, refusal, said_by

PROCESSING_WAIT = 10.0
"""Seconds until Snapchat is asked again about a file that it is at work on."""

Meaning = Literal["processing", "expired", "posting", "retry", "token", "final"]


class Code(NamedTuple):
    """What a code of Snapchat's means: what to do, our code for it, and a sentence for people."""

    meaning: Meaning
    code: str
    detail: str


_INTERNAL = Code("retry", "server_error", "Snapchat had an error of its own.")
ERRORS: Mapping[str, Code] = {
    "MEDIA_PROCESSING": Code("processing", "media_processing", "Snapchat is still working on the file."),
    "MEDIA_EXPIRED": Code("expired", "media_expired", "Snapchat keeps an uploaded file for 24 hours; it is uploaded again."),
    "MEDIA_POSTING_ALREADY_IN_PROGRESS": Code("posting", "posting", "Snapchat is posting this file already."),
    "AUTHORIZATION_PERMISSION_DENIED": Code(
        "final", "not_allowed", "Snapchat does not let this app, or this account, do it: Snap puts apps on a list by hand, and"
        " the account needs a role on the public profile."
    ),
    "UNAUTHORIZED": Code("token", "token_refused", "Snapchat refused the access token."),
    "INTERNAL_ERROR": _INTERNAL,
    "INTERNAL_SERVER_ERROR": _INTERNAL,
    "SERVICE_UNAVAILABLE": _INTERNAL,
}
"""`error_code` -> what it means. It counts under HTTP 200, too. Codes that are not here are told by the HTTP status."""


class Expired(Outcome):
    """Snapchat has forgotten the medium."""


class Posting(Outcome):
    """Snapchat is posting the medium already."""


def get(account: Account, http: Http, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A read with the account's token. Raises what `good` does."""
    return good(harmless(lambda: http.request("GET", account.server + path, headers=bearer(account), params=query)))


def profiles_in(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The profiles of an answer: one by itself, or a list of wrapped ones."""
    listed = said.get("public_profiles")
    rows = [row.get("public_profile") or row for row in listed if isinstance(row, Mapping)] if isinstance(listed, list) else []
    return [row for row in (said.get("public_profile"), *rows) if isinstance(row, Mapping) and row.get("id")]


def about(profile: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Id, name for people, and settings of a profile."""
    username = profile.get("snap_user_name")
    name = str(profile.get("display_name") or username or profile["id"])
    return str(profile["id"]), name, {"username": str(username)} if username else {}


def _envelopes(answer: Answer) -> list[Mapping[str, Any]]:
    """The answer's envelope and those of the single things it answers for."""
    said = said_by(answer)
    listed = [row for value in said.values() if isinstance(value, list) for row in value if isinstance(row, Mapping)]
    return [said, *listed]


def code_of(answer: Answer) -> str:
    """The first error code of an answer; "" when there is none."""
    return next((str(part["error_code"]) for part in _envelopes(answer) if part.get("error_code")), "")


def good(answer: Answer) -> dict[str, Any]:
    """The body of a success; raises what any other answer means. HTTP 200 may say ERROR, for the whole or for its parts."""
    parts = _envelopes(answer)
    states = [str(part.get(name) or "SUCCESS").upper() for part in parts for name in ("request_status", "sub_request_status")]
    if 200 <= answer.status < 300 and "ERROR" not in states:
        return dict(parts[0])
    code, words = code_of(answer), _words(parts)
    known: Code | None = ERRORS.get(code)
    if known is None:
        if answer.status == 403:
            known = ERRORS["AUTHORIZATION_PERMISSION_DENIED"]
        else:
            reason = f"{code} {words}".strip() or "no reason given"
            raise refusal("Snapchat", answer, reason[:300], whole(answer.headers.get("retry-after")))
    if known.meaning == "processing":
        raise NotReady(known.code, known.detail, PROCESSING_WAIT)
    if known.meaning == "expired":
        raise Expired(known.code, known.detail)
    if known.meaning == "posting":
        raise Posting(known.code, known.detail)
    if known.meaning == "token":
        raise TokenRefused(known.code, known.detail)
    if known.meaning == "retry":
        raise Retry(known.code, known.detail)
    raise Failed(known.code, f"{known.detail} (Snapchat: {words or code or answer.status})")


def _words(parts: list[Mapping[str, Any]]) -> str:
    """Snapchat's own words, without addresses."""
    names = ("display_message", "debug_message", "sub_request_error_reason", "message")
    said = [str(part[name]) for part in parts for name in names if part.get(name)]
    return re.sub(r"https?://\S+", "…", " ".join(dict.fromkeys(said)))[:300]


def moment(value: Any) -> datetime | None:
    """A time as Snapchat may write it: ISO 8601, or milliseconds since 1970."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value / 1000, UTC)
        moment = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def whole(value: Any) -> int | None:
    """A number as a whole one; None for what is none."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
