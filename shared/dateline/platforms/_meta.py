"""What Facebook, Instagram and Threads have in common: Meta's errors, what its answers say of limits, and long-lived tokens.

Meta answers nearly every failure with 400 and a code of its own, so the status says little: the tables below say what a code
means. Sources: Graph API, "Handle errors" and "Rate limits" (v25/v26, 2026); codes that are not there are final.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from .base import Account, Answer, Failed, Http, Outcome, Quota, Retry, TokenRefused, Unknown
from .calls import harmless, said_by

VERSION = "v26.0"
"""Of the Graph API (2026-07-29); a version lives for two years at least. Threads has its own, `v1.0`."""
LIMIT_UNITS = 100
"""Meta tells usage in per cent of a limit that it does not name."""


class Meaning(NamedTuple):
    """What a code of Meta's means. `code` is ours; `wait` the seconds to wait where Meta names none.

    retry: not done, may be tried again; fault: an error of Meta's own, which on an irreversible call says nothing of whether it
    was done; token: the token is refused; final: trying again would not help.
    """

    kind: Literal["retry", "fault", "token", "final"]
    code: str
    wait: float | None = None


_BUSY = Meaning("retry", "rate_limited")
_FAULT = Meaning("fault", "server_error")
_TOKEN = Meaning("token", "token_refused")
_FORBIDDEN = Meaning("final", "forbidden")
CODES: Mapping[int, Meaning] = {
    -2: _FAULT, -1: _FAULT, 1: _FAULT, 2: _FAULT,
    4: _BUSY, 9: _BUSY, 17: _BUSY, 32: _BUSY, 341: _BUSY, 613: _BUSY, **dict.fromkeys(range(80_000, 80_100), _BUSY),
    102: _TOKEN, 190: _TOKEN, 463: _TOKEN, 467: _TOKEN,
    3: _FORBIDDEN, 10: _FORBIDDEN, **dict.fromkeys(range(200, 300), _FORBIDDEN),
    100: Meaning("final", "rejected"),
    368: Meaning("final", "blocked_for_now"),
    506: Meaning("final", "duplicate_content"),
}
"""Meta's `error.code` -> what it means."""
SUBCODES: Mapping[int, Meaning] = dict.fromkeys((458, 459, 460, 463, 464, 467, 492), _TOKEN)
"""`error.error_subcode` -> what it means; it is asked before the code. A network adds its own."""


class MetaError(NamedTuple):
    """The `error` of an answer. `reason` is Meta's own words for people, cut short, with nothing secret in them."""

    code: int | None
    subcode: int | None
    reason: str
    transient: bool


def error_of(answer: Answer) -> MetaError | None:
    """The error an answer carries, None where it carries none."""
    error = said_by(answer).get("error")
    if not isinstance(error, Mapping):
        return None
    title, words = error.get("error_user_title"), error.get("error_user_msg") or error.get("message")
    said = ": ".join(str(part) for part in (title, words) if part) or "no reason given"
    code, subcode = _number(error.get("code")), _number(error.get("error_subcode"))
    return MetaError(code, subcode, _safe(said), error.get("is_transient") is True)


def said_well(who: str, answer: Answer, now: datetime | None, subcodes: Mapping[int, Meaning] = {}) -> dict[str, Any]:
    """The body of a successful answer; raises what any other means, as `refusal_of` says."""
    if 200 <= answer.status < 300 and error_of(answer) is None:
        return said_by(answer)
    raise refusal_of(who, answer, now, subcodes)


def refusal_of(
    who: str, answer: Answer, now: datetime | None = None, subcodes: Mapping[int, Meaning] = {}, *, armed: bool = False
) -> Outcome:
    """What an answer that is no success means. `who` heads a sentence; `subcodes` are a network's own, asked first.

    `armed` is true for the answer to an irreversible call: an error of Meta's own (and a 5xx) is then `Unknown`, since it says
    nothing of whether the call was done. A wait is Meta's own (`estimated_time_to_regain_access`) where it names one.
    """
    error = error_of(answer)
    meaning = _meaning(answer.status, error, subcodes)
    reason = error.reason if error else f"status {answer.status}"
    if meaning.kind == "fault" and armed:
        return Unknown(meaning.code, f"{who} had an error of its own at the publishing call: {reason}")
    if meaning.kind == "fault":
        return Retry(meaning.code, f"{who} had an error of its own: {reason}", meaning.wait)
    if meaning.kind == "token":
        return TokenRefused(meaning.code, f"{who} refused the access token.")
    if meaning.kind == "retry":
        wait = regained_in(answer)
        return Retry(meaning.code, f"{who} takes it later: {reason}", meaning.wait if wait is None else wait)
    number = "" if error is None or error.code is None else f" (code {error.code}" + (
        f", subcode {error.subcode})" if error.subcode else ")"
    )
    return Failed(meaning.code, f"{who} refused it{number}: {reason}")


def _meaning(status: int, error: MetaError | None, subcodes: Mapping[int, Meaning]) -> Meaning:
    if error is not None:
        for table, key in ((subcodes, error.subcode), (SUBCODES, error.subcode), (CODES, error.code)):
            if key is not None and key in table:
                return _FAULT if error.transient and table[key].kind == "final" else table[key]
        if error.transient:
            return _FAULT
    if status >= 500 or status == 408:
        return _FAULT
    if status == 429:
        return _BUSY
    return _TOKEN if status == 401 else Meaning("final", "rejected")


def regained_in(answer: Answer) -> float | None:
    """Seconds until calls are taken again by `X-Business-Use-Case-Usage`, which counts in minutes; None when Meta names none."""
    return max((minutes * 60 for _, use in _uses(answer) if (minutes := _minutes(use))), default=None)


def quotas_of(answer: Answer, now: datetime) -> tuple[Quota, ...]:
    """Usage in per cent: the app's (`X-App-Usage`), a page's (`X-Page-Usage`) and the account's, by use case
    (`X-Business-Use-Case-Usage`). Of calls, time and processor time the one that is used up most."""
    found = []
    for header, scope, name in (("x-app-usage", "app", "usage"), ("x-page-usage", "account", "usage.page")):
        used = _most(_json(answer, header))
        if used is not None:
            whose: Literal["account", "app"] = "app" if scope == "app" else "account"
            found.append(Quota(whose, name, LIMIT_UNITS, max(0, LIMIT_UNITS - used)))
    for kind, use in _uses(answer):
        used, minutes = _most(use), _minutes(use)
        if used is not None:
            resets = now + timedelta(minutes=minutes) if minutes else None
            found.append(Quota("account", f"usage.{kind}", LIMIT_UNITS, max(0, LIMIT_UNITS - used), resets))
    return tuple(found)


def bearer_token(account: Account) -> dict[str, str]:
    """The header that signs a call: Meta takes the token there as well as in `access_token`, and a header gets into no log."""
    return {"Authorization": f"Bearer {account.credentials['accessToken']}"}


def token_from(who: str, http: Http, url: str, params: Mapping[str, str]) -> tuple[str, int | None]:
    """A token for a token: `GET url` (`th_exchange_token`, `ig_refresh_token`, `fb_exchange_token` …). The token and how many
    seconds it lasts. Raises `TokenRefused` when the old one is not taken, else as `refusal_of`."""
    body = said_well(who, harmless(lambda: http.request("GET", url, params=params)), None)
    if not body.get("access_token"):
        raise Retry("answer_unreadable", f"{who} answered the exchange of a token without one.")
    seconds = body.get("expires_in")
    return str(body["access_token"]), int(seconds) if isinstance(seconds, int | float) and 0 < seconds < 10**9 else None


def _uses(answer: Answer) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each use case of `X-Business-Use-Case-Usage`: {business id: [{type, call_count, …}]}."""
    for uses in _json(answer, "x-business-use-case-usage").values():
        for use in uses if isinstance(uses, list) else ():
            if isinstance(use, Mapping):
                yield str(use.get("type") or "calls"), use


def _json(answer: Answer, header: str) -> Mapping[str, Any]:
    import json

    try:
        value = json.loads(answer.headers.get(header) or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _most(use: Mapping[str, Any]) -> int | None:
    shares = [use.get(name) for name in ("call_count", "total_time", "total_cputime")]
    known = [round(share) for share in shares if isinstance(share, int | float) and 0 <= share < 10_000]
    return max(known) if known else None


def _minutes(use: Mapping[str, Any]) -> float:
    """How long calls are refused, 0 where that is not said (or not to be believed: more than a year)."""
    value = use.get("estimated_time_to_regain_access")
    return float(value) if isinstance(value, int | float) and 0 < value < 525_600 else 0.0


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _safe(words: str) -> str:
    """Meta's words without addresses and without anything that might be a token ("Malformed access token EAAB…")."""
    without = re.sub(r"https?://\S+|(?=\S*\d)[\w|%.-]{24,}|[\w|%.-]{40,}", "…", words)
    return " ".join(without.split())[:300]
