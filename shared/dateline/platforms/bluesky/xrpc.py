"""The calls a personal data server takes (XRPC), and what its refusals mean.

Dead tokens arrive as 400 as often as 401, and rate limits in unix seconds; both are read here and nowhere else. Nothing of a
token may pass into an outcome's text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from ..base import Account, Answer, Failed, Http, NewTokens, Outcome, Quota, Retry, TokenRefused
from ..calls import harmless, quota_from, said_by

SESSION_SECONDS = 7200
"""Life of an access token (`accessJwt`): 120 minutes; a refresh token lives 90 days."""

_DEAD = frozenset({
    "ExpiredToken", "InvalidToken", "AccountTakedown", "AccountDeactivated", "AccountNotFound", "AuthMissing",
    "AuthenticationRequired", "AuthFactorTokenRequired",
})
"""Errors that speak of the token or the account, most of them answered with 400."""


def xrpc(account: Account, method: str) -> str:
    """The URL of `method` on the account's server."""
    return f"{account.server}/xrpc/{method}"


def access(account: Account) -> dict[str, str]:
    """The header of an authenticated call. Raises `TokenRefused` where there is no session yet: the caller refreshes."""
    token = account.credentials.get("accessJwt")
    if not token:
        raise TokenRefused("no_session", "There is no session for this account yet.")
    return {"Authorization": f"Bearer {token}"}


def procedure(
    http: Http, account: Account, method: str, body: dict[str, Any] | None, headers: Mapping[str, str], now: datetime | None
) -> dict[str, Any]:
    """A repeatable procedure call; what is not 200 is raised."""
    answer = harmless(lambda: http.request("POST", xrpc(account, method), headers=headers, json=body))
    if answer.status != 200:
        raise refusal_of(answer, now)
    return said_by(answer)


def session(account: Account, said: Mapping[str, Any]) -> NewTokens:
    """The tokens of a `createSession` or `refreshSession` answer. Raises `TokenRefused` when they are another account's."""
    if not said.get("accessJwt") or not said.get("refreshJwt"):
        raise Retry("session_unclear", "The answer held no session.")
    if account.account_id and said.get("did") and said["did"] != account.account_id:
        raise TokenRefused("other_account", "These credentials now belong to another account; connect the profile again.")
    return NewTokens({"accessJwt": str(said["accessJwt"]), "refreshJwt": str(said["refreshJwt"])}, SESSION_SECONDS)


def refusal_of(answer: Answer, now: datetime | None) -> Outcome:
    """The outcome of an answer below 500 that is not a success. `now` turns the reset time into seconds to wait."""
    said = said_by(answer)
    error, message = str(said.get("error") or ""), str(said.get("message") or said.get("error") or "")[:300]
    if answer.status == 429:
        return Retry("rate_limited", "Bluesky's rate limit is used up.", _wait(answer, now))
    if answer.status == 401 or error in _DEAD:
        return TokenRefused("token_refused", f"Bluesky refused the session ({error or answer.status}).")
    if not error:
        return Retry("unexpected_answer", f"Not Bluesky's server but something before it answered {answer.status}.")
    return Failed("rejected", f"Bluesky refused the request with {answer.status}: {message}")


def _wait(answer: Answer, now: datetime | None) -> float | None:
    """Seconds until `RateLimit-Reset` (unix seconds), at least one; else `Retry-After`; None if neither is a number."""
    try:
        if now is not None and "ratelimit-reset" in answer.headers:
            return max(1.0, float(answer.headers["ratelimit-reset"]) - now.timestamp())
        return max(1.0, float(answer.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def pds_of(said: Mapping[str, Any]) -> str | None:
    """The host of the account's own server by the DID document in a session's answer; None where there is none.

    It is not the address that the account signs in at: behind bsky.social there are many servers.
    """
    from urllib.parse import urlsplit

    document = said.get("didDoc")
    services = document.get("service") if isinstance(document, dict) else None
    for service in services if isinstance(services, list) else ():
        if isinstance(service, dict) and str(service.get("id") or "").endswith("#atproto_pds"):
            return urlsplit(str(service.get("serviceEndpoint") or "")).netloc or None
    return None


_WINDOWS: Mapping[str, tuple[str, Literal["account", "app"]]] = {
    "3600": ("points an hour", "account"), "86400": ("points a day", "account"), "300": ("calls in 5 minutes", "app"),
}
"""Seconds of a limit's window -> what it counts, and whose it is (calls are counted by address)."""


def quotas_of(answer: Answer) -> tuple[Quota, ...]:
    """The limit that an answer tells of: the one of which least is left. Its window says which it is."""
    window = answer.headers.get("ratelimit-policy", "").partition("w=")[2]
    name, scope = _WINDOWS.get(window, ("calls", "account"))
    return quota_from(
        answer, limit="ratelimit-limit", remaining="ratelimit-remaining", reset="ratelimit-reset",
        moment=lambda text: datetime.fromtimestamp(float(text), UTC), scope=scope, name=name,
    )
