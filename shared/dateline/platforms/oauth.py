"""The OAuth 2 authorization-code flow over the one way out, from each network's own data (`connect.OAuth2`).

Three calls: the address a person is sent to, the exchange of the code that comes back, and the registration of an app with a
server that has each app register itself. Nothing a network says is repeated but error codes, and no secret gets into an outcome.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from .base import Account, Answer, Failed, Http, Unknown
from .calls import harmless, irreversible, said_by
from .connect import OAuth2

SECONDS = 10.0
"""Deadline of each call: several follow one another while a person waits, and the API has 29 s."""

CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What an error code of OAuth's looks like. Anything else is a text of somebody else's, and not repeated."""

GRANT_LIVES = ("refresh_token_expires_in", "refresh_expires_in")
"""How networks call the seconds for which a refresh token is good."""


class Granted(NamedTuple):
    """What a code was exchanged for: entries for the profile's credentials, seconds that the access token and the grant last
    (None: not said), and the scopes that were granted (None: not said)."""

    credentials: Mapping[str, str]
    expires_in: int | None
    grant_expires_in: int | None
    scopes: tuple[str, ...] | None


def challenge_of(verifier: str) -> str:
    """PKCE's S256 of a verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def address(account: Account, where: tuple[str, str]) -> str:
    """The URL of a (host, path) of `OAuth2`: "" stands for the account's own server."""
    host, path = where
    return (account.host(host) if host else account.server) + path


def error_code(value: Any) -> str:
    """An error code as a network gave it, "unnamed" for what is none."""
    return str(value) if CODE.fullmatch(str(value or "")) else "unnamed"


def authorize_url(
    account: Account, flow: OAuth2, client_id: str, redirect_uri: str, state: str, verifier: str
) -> str:
    """Where a person says yes or no."""
    query: dict[str, str] = {
        "response_type": "code", flow.client_id_name: client_id, "redirect_uri": redirect_uri,
        "scope": flow.scope_separator.join(flow.scopes), "state": state, **flow.extra,
    }
    if flow.pkce:
        query |= {"code_challenge": challenge_of(verifier), "code_challenge_method": "S256"}
    url = address(account, flow.authorize)
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def exchange(
    account: Account, flow: OAuth2, app: Mapping[str, str], code: str, redirect_uri: str, verifier: str, http: Http
) -> Granted:
    """Tokens for a code, asked for once. Raises `Failed` (the network refuses it), `Retry` (surely not sent), `Unknown` (it may
    be spent): after any of them a person has to begin again."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if flow.pkce:
        form["code_verifier"] = verifier
    headers = {"Accept": "application/json"}
    client_id, secret = app["clientId"], app.get("clientSecret", "")
    if flow.client_auth == "basic" and secret:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    else:
        form[flow.client_id_name] = client_id
        form |= {"client_secret": secret} if secret else {}
    url = address(account, flow.token)
    answer = irreversible(lambda: http.request("POST", url, headers=headers, data=form, seconds=SECONDS))
    said = _said(answer)
    if answer.status >= 300 or not said.get("access_token"):
        if 200 <= answer.status < 300 and not said:
            raise Unknown("answer_unreadable", "The network's answer to the code cannot be read.")
        why = said.get("error") or said.get("error_type")
        code_said = error_code(why.get("type") or why.get("code") if isinstance(why, Mapping) else why)
        raise Failed("code_refused", f"The network does not give tokens for this code ({code_said}, status {answer.status}).")
    credentials = {"accessToken": str(said["access_token"])}
    if said.get("refresh_token"):
        credentials["refreshToken"] = str(said["refresh_token"])
    lives = next((said[name] for name in GRANT_LIVES if said.get(name)), None)
    return Granted(credentials, seconds_of(said.get("expires_in")), seconds_of(lives), scopes_of(said.get("scope")))


def _said(answer: Answer) -> dict[str, Any]:
    """The answer's object; Instagram puts it into a list called `data`."""
    said = said_by(answer)
    inner = said.get("data")
    if "access_token" not in said and isinstance(inner, list) and inner and isinstance(inner[0], dict):
        return inner[0]
    return said


def seconds_of(value: Any) -> int | None:
    """A life in seconds, None for 0 and for what is no number: some networks write it as text."""
    try:
        return int(float(value)) or None
    except (TypeError, ValueError, OverflowError):
        return None


def scopes_of(value: Any) -> tuple[str, ...] | None:
    """Granted scopes, however they are separated; None where the network names none."""
    if isinstance(value, list):
        return tuple(str(scope) for scope in value)
    return tuple(re.split(r"[\s,]+", value.strip())) if isinstance(value, str) and value.strip() else None


def register(account: Account, flow: OAuth2, redirect_uri: str, http: Http) -> dict[str, str]:
    """An app of ours with the account's server (Mastodon's `POST /api/v1/apps`). Raises `Retry`, `Failed`."""
    form = {
        "client_name": "Dateline", "redirect_uris": redirect_uri, "scopes": flow.scope_separator.join(flow.scopes),
    }
    answer = harmless(lambda: http.request("POST", f"{account.server}/api/v1/apps", data=form, seconds=SECONDS))
    said = said_by(answer)
    if answer.status >= 300 or not said.get("client_id") or not said.get("client_secret"):
        detail = f"The server does not register apps as Mastodon does (status {answer.status}). Is its address right?"
        raise Failed("not_registered", detail)
    return {"clientId": str(said["client_id"]), "clientSecret": str(said["client_secret"])}
