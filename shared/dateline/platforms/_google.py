"""What YouTube and Google Business Profile share: the two shapes of Google's errors, quotas that end at midnight, and OAuth.

Older APIs say why in `error.errors[].reason`, newer ones in google.rpc's `error.status` and `error.details`. Both are held
against one table here, before the HTTP status is: it tells least.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from .base import Account, Answer, CredentialField, Failed, Http, NewTokens, Outcome, Quota, Retry, TokenRefused
from .calls import harmless, said_by
from .connect import OAuth2

Kind = Literal["retry", "midnight", "day", "token", "final"]

REASONS: Mapping[str, tuple[Kind, str]] = {
    "rateLimitExceeded": ("retry", "rate_limited"), "userRateLimitExceeded": ("retry", "rate_limited"),
    "RATE_LIMIT_EXCEEDED": ("retry", "rate_limited"), "backendError": ("retry", "server_error"),
    "internalError": ("retry", "server_error"), "processingFailure": ("retry", "processing_failure"),
    "quotaExceeded": ("midnight", "quota_exceeded"), "dailyLimitExceeded": ("midnight", "quota_exceeded"),
    "uploadLimitExceeded": ("day", "upload_limit"),
    "authError": ("token", "token_refused"), "expired": ("token", "token_refused"),
    "ACCESS_TOKEN_EXPIRED": ("token", "token_refused"), "CREDENTIALS_MISSING": ("token", "token_refused"),
    "youtubeSignupRequired": ("final", "no_channel"), "insufficientPermissions": ("final", "scope_missing"),
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": ("final", "scope_missing"), "accessNotConfigured": ("final", "api_not_enabled"),
    "SERVICE_DISABLED": ("final", "api_not_enabled"), "commentsDisabled": ("final", "comments_disabled"),
    "playlistNotFound": ("final", "playlist_not_found"),
}
"""Google's reason -> what follows and our code. Where it is not here, `STATUSES` and then the HTTP status decide."""

STATUSES: Mapping[str, tuple[Kind, str]] = {
    "RESOURCE_EXHAUSTED": ("retry", "rate_limited"), "UNAVAILABLE": ("retry", "server_error"),
    "ABORTED": ("retry", "server_error"), "UNAUTHENTICATED": ("token", "token_refused"),
}
"""google.rpc's codes that are not final."""

HTTP_STATUSES: Mapping[int, tuple[Kind, str]] = {
    401: ("token", "token_refused"), 408: ("retry", "server_error"), 429: ("retry", "rate_limited"),
}

DAY = 86_400.0
SCOPE_HINT = "Connect the profile again and allow everything that is asked for."

CREDENTIAL_FIELDS = (
    CredentialField("refreshToken", False, "From a consent with access_type=offline; an access token alone lasts an hour."),
    CredentialField("clientId", False, "The OAuth client's id; needed to refresh."),
    CredentialField("clientSecret", False, "The OAuth client's secret; needed to refresh."),
)


def consent(*scopes: str) -> OAuth2:
    """Google's consent for `scopes`. Without `prompt=consent` a second consent would bring no refresh token."""
    whole = tuple(f"https://www.googleapis.com/auth/{scope}" for scope in scopes)
    extra = {"access_type": "offline", "prompt": "consent"}
    return OAuth2(("accounts.google.com", "/o/oauth2/v2/auth"), ("oauth2.googleapis.com", "/token"), whole, extra=extra)


def good(who: str, answer: Answer, now: datetime | None) -> dict[str, Any]:
    """The body of a successful answer; raises what any other means. `now` is aware UTC, None where there is no clock."""
    if 200 <= answer.status < 300:
        return said_by(answer)
    raise refused(who, answer, now)


def refused(who: str, answer: Answer, now: datetime | None) -> Outcome:
    """What an answer below 500 that is no success means."""
    reason, status = reason_of(answer), str(error_of(answer).get("status") or "")
    kind, code = REASONS.get(reason) or STATUSES.get(status) or HTTP_STATUSES.get(answer.status) or ("final", "rejected")
    words = words_of(answer)
    if kind == "token":
        return TokenRefused(code, f"{who} refused the access token.")
    if status == "RESOURCE_EXHAUSTED" and _metadata(answer).get("quota_limit_value") == "0":
        return Failed("project_not_approved", f"Google has not approved this project for {who}'s API: its quota is 0.")
    if kind == "midnight":
        at = now or _date_of(answer)
        wait = until_midnight(at) if at is not None else None
        return Retry(code, f"The project's quota for {who} is used up until midnight, Pacific time.", wait)
    if kind == "day":
        return Retry(code, f"{who} takes no more uploads of this channel for now: {words}", _wait_of(answer) or DAY)
    if kind == "retry":
        return Retry(code, f"{who} takes no such call for now: {words}", _wait_of(answer))
    hint = f" {SCOPE_HINT}" if code == "scope_missing" else ""
    return Failed(code, f"{who} refused with {answer.status}: {words}{hint}")


def error_of(answer: Answer) -> Mapping[str, Any]:
    """The member `error` of an answer, `{}` where it has none."""
    error = said_by(answer).get("error")
    return error if isinstance(error, Mapping) else {}


def reason_of(answer: Answer) -> str:
    """The reason of the first error that has one, in either shape; "" where there is none."""
    return next((str(part["reason"]) for part in (*_errors(answer), *_details(answer)) if part.get("reason")), "")


def words_of(answer: Answer) -> str:
    """Google's own words, without the markup and the links that are in them, at most 300 characters."""
    lists = (detail.get("errorDetails") or detail.get("fieldViolations") for detail in _details(answer))
    problems = [one for listed in lists for one in _mappings(listed)]
    said = [str(one.get("message") or one.get("description") or "") for one in problems]
    whole = " ".join(part for part in (str(error_of(answer).get("message") or ""), *said) if part)
    plain = re.sub(r"\s+", " ", re.sub(r"https?://\S+", "", re.sub(r"<[^>]*>", "", whole))).strip()
    return plain[:300] or reason_of(answer) or "no reason given"


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _errors(answer: Answer) -> list[Mapping[str, Any]]:
    return _mappings(error_of(answer).get("errors"))


def _details(answer: Answer) -> list[Mapping[str, Any]]:
    return _mappings(error_of(answer).get("details"))


def _metadata(answer: Answer) -> Mapping[str, Any]:
    """What google.rpc.ErrorInfo says beside its reason."""
    return next((d["metadata"] for d in _details(answer) if isinstance(d.get("metadata"), Mapping)), {})


def _wait_of(answer: Answer) -> float | None:
    """Seconds that Google asks for: `Retry-After`, or google.rpc.RetryInfo ("30s")."""
    delays = [str(detail["retryDelay"]).removesuffix("s") for detail in _details(answer) if detail.get("retryDelay")]
    for said in (answer.headers.get("retry-after"), *delays):
        try:
            return max(1.0, float(said or ""))
        except ValueError:
            continue
    return None


def _date_of(answer: Answer) -> datetime | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError):
        return None


def midnight(now: datetime) -> datetime:
    """When Google's daily quotas begin anew: the next midnight in California, in UTC."""
    from zoneinfo import ZoneInfo

    there = now.astimezone(ZoneInfo("America/Los_Angeles"))
    return (there.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)).astimezone(UTC)


def until_midnight(now: datetime) -> float:
    """Seconds until a minute after the daily quotas begin anew, a day at most."""
    return min(DAY, (midnight(now) - now).total_seconds() + 60.0)


def exhausted(answer: Answer, now: datetime, daily: int) -> tuple[Quota, ...]:
    """Google tells of a quota only when it is used up. `daily` is a project's usual one, where the answer does not say it."""
    if answer.status not in (403, 429):
        return ()
    known = REASONS.get(reason_of(answer))
    if known is not None and known[0] == "midnight":
        return (Quota("app", "units", daily, 0, midnight(now)),)
    told = _metadata(answer)
    limit = str(told.get("quota_limit_value") or "")
    return (Quota("app", str(told.get("quota_limit") or "calls"), int(limit), 0),) if limit.isdigit() else ()


def refresh(who: str, account: Account, http: Http) -> NewTokens | None:
    """A new access token. Google's refresh brings no new refresh token: the old one stays. None without what it takes.

    Raises `TokenRefused` when the grant is dead (`invalid_grant`), `Retry` for anything else, an app's wrong secret included.
    """
    known = account.credentials
    if not (known.get("refreshToken") and known.get("clientId") and known.get("clientSecret")):
        return None
    form = {
        "grant_type": "refresh_token", "refresh_token": known["refreshToken"], "client_id": known["clientId"],
        "client_secret": known["clientSecret"],
    }
    url = account.host("oauth2.googleapis.com") + "/token"
    answer = harmless(lambda: http.request("POST", url, data=form))
    said = said_by(answer)
    if answer.status == 200 and said.get("access_token"):
        tokens = {"accessToken": str(said["access_token"])}
        if said.get("refresh_token"):
            tokens["refreshToken"] = str(said["refresh_token"])
        return NewTokens(tokens, said.get("expires_in"), said.get("refresh_token_expires_in"))
    why = str(said.get("error") or answer.status)[:80]
    if why == "invalid_grant":
        raise TokenRefused("grant_refused", f"{who} no longer takes the refresh token (invalid_grant).")
    raise Retry("refresh_failed", f"Google did not refresh the token ({why}).", _wait_of(answer))


def zulu(at: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, never earlier than `at`: what is scheduled must not come early."""
    whole = at.astimezone(UTC)
    if whole.microsecond:
        whole = whole.replace(microsecond=0) + timedelta(seconds=1)
    return whole.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(value: Any) -> datetime | None:
    """An RFC 3339 time of an answer (up to nine decimals) as aware UTC; None when there is none."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", str(value or ""))
    if found is None:
        return None
    whole, decimals, zone = found.groups()
    return datetime.fromisoformat(whole + (decimals or ".0")[:7].ljust(7, "0") + zone.replace("Z", "+00:00")).astimezone(UTC)
