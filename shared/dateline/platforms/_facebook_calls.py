"""Facebook's calls: where they go, who signs them, and the codes that only Facebook has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._meta import VERSION, Meaning, bearer_token, error_of, said_well
from .base import Account, Answer, Delivery, Http
from .calls import harmless

WHO = "Facebook"
_LATER = Meaning("retry", "upload_failed")
SUBCODES: Mapping[int, Meaning] = {
    **dict.fromkeys((1_363_019, 1_363_021, 1_363_030, 1_363_033), _LATER),
    1_366_046: Meaning("final", "media_too_large"),
}
"""Graph API, "Video upload errors": what another try mends; and the photo that is too large."""
WRONG_OFFSET, NO_SESSION, NOT_THERE = 1_363_037, 1_363_041, 33


def base(account: Account, host: str = "") -> str:
    """The versioned root of the Graph API, on `host` where it is not the account's server."""
    return f"{account.host(host) if host else account.server}/{account.settings.get('apiVersion') or VERSION}"


def call(account: Account, http: Http, method: str, path: str, host: str = "", **parts: Any) -> Answer:
    """A harmless call; `parts` as in `Http.request`. Raises `Retry` when no clear answer came."""
    headers = {**bearer_token(account), **parts.pop("headers", {})}
    return harmless(lambda: http.request(method, f"{base(account, host)}{path}", headers=headers, **parts))


def asked(delivery: Delivery, method: str, path: str, host: str = "", **parts: Any) -> dict[str, Any]:
    """The body of a successful harmless call; raises what any other answer means."""
    answer = call(delivery.account, delivery.http, method, path, host, **parts)
    return said_well(WHO, answer, delivery.now(), SUBCODES)


def is_gone(answer: Answer) -> bool:
    """Whether Facebook says that there is no such object (or that the token may not see it: it does not tell these apart)."""
    error = error_of(answer)
    return error is not None and ((error.code == 100 and error.subcode == NOT_THERE) or error.code == 803)
