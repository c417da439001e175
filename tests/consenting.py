"""A small network for tests of connecting: a publisher with a consent flow, and a stand-in that keeps to OAuth 2.

It is none of the catalogue's: `joined(dateline, monkeypatch)` adds it to a running stack. The stand-in's `pages` are the
accounts that every grant reaches besides the person's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from werkzeug.wrappers import Request, Response

from dateline.platforms import registry
from dateline.platforms.base import Account, AccountInfo, CredentialField, Http, NewTokens, Publisher, Standard, TokenRefused
from dateline.platforms.calls import bearer, harmless, refusal, said_by
from dateline.platforms.connect import Choice, OAuth2
from dateline.platforms.sandbox import RULES as SANDBOX
from local.networks.base import Network, Route, World, answer
from local.networks.grants import Grants, consent, exchanged
from tests.contract.inprocess import InProcessHttp
from tests.harness import NETWORKS_URL, Dateline

RULES = SANDBOX._replace(platform="consenting", name="Consenting")
FLOW = OAuth2(("auth.consenting.example", "/authorize"), ("", "/token"), ("read", "write"), extra={"prompt": "consent"})
LIFE = timedelta(hours=2)
GRANT_LIFE = 180 * 24 * 3600


class ConsentingPublisher(Standard):
    """Connects and renews; publishes nothing."""

    rules = RULES
    credential_fields = (
        CredentialField("accessToken", True, "A token."), CredentialField("refreshToken", False, "Renews it."),
        CredentialField("clientId", False, "Of an own app."), CredentialField("clientSecret", False, "Of an own app."),
    )
    default_server = "https://api.consenting.example"
    connect: OAuth2 | None = FLOW

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """`GET /me`."""
        said = harmless(lambda: http.request("GET", f"{account.server}/me", headers=bearer(account)))
        if said.status != 200:
            raise refusal("Consenting", said, "", None)
        return AccountInfo(said_by(said)["id"], said_by(said)["name"], {"maxCharacters": 500})

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The person's own account, and pages with tokens of their own that never lapse."""
        info = self.verify(account, http)
        said = said_by(harmless(lambda: http.request("GET", f"{account.server}/pages", headers=bearer(account))))
        own = [] if said.get("onlyPages") else [Choice(info.account_id, info.name, settings=info.settings)]
        return own + [
            Choice(page["id"], page["name"], "page", credentials={"accessToken": page["token"]}, expires_in=0)
            if "token" in page else Choice(page["id"], page["name"], "board")
            for page in said.get("pages", [])
        ]

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """With the app's id and secret."""
        held = account.credentials
        if not held.get("refreshToken") or not held.get("clientId"):
            return None
        form = {"grant_type": "refresh_token", "refresh_token": held["refreshToken"], "client_id": held["clientId"],
                "client_secret": held.get("clientSecret", "")}
        said = harmless(lambda: http.request("POST", f"{account.server}/token", data=form))
        if said.status != 200:
            raise TokenRefused("grant_refused", "Consenting no longer takes the refresh token.")
        body = said_by(said)
        rotated = {"refreshToken": body["refresh_token"]} if body.get("refresh_token") else {}
        return NewTokens({"accessToken": body["access_token"], **rotated}, int(body["expires_in"]))


PUBLISHER = cast(Publisher, ConsentingPublisher())


class Consenting(Network):
    """The stand-in. `silent_refresh`: an answer without a refresh token, as Google gives to whoever consented before."""

    platform: ClassVar[str] = "consenting"
    client: ClassVar[tuple[str, str]] = ("consenting-client", "consenting-client-secret")

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.grants = Grants(self, LIFE)
        self.pages: list[dict[str, str]] = []
        self.only_pages = self.silent_refresh = False
        self.scope: Any = "read write"
        self.client_id_name, self.client_auth = "client_id", "body"
        self.clients: list[tuple[str, str]] = [self.client]
        self.token_requests: list[dict[str, str]] = []
        self.routes = [
            Route("GET", "/auth.consenting.example/authorize", "auth", self._authorize),
            Route("POST", "/token", "auth", self._token),
            Route("GET", "/me", "read", self._me),
            Route("GET", "/pages", "read", lambda request: answer(200, {"pages": self.pages, "onlyPages": self.only_pages})),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """A grant of the account's."""
        grant = self.grants.give(profile_id)
        return {
            "server": "/consenting", "accountId": f"acct-{profile_id}", "expiresIn": int(LIFE.total_seconds()),
            "credentials": {"accessToken": grant.access, "refreshToken": grant.refresh},
        }

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return None if self.grants.owner(token) else answer(401, {"error": "invalid_token"})

    def rate_limited(self, retry_after: float) -> Response:
        return answer(429, {})

    def _authorize(self, request: Request) -> Response:
        return consent(self.grants, request, client_id_name=self.client_id_name)

    def _token(self, request: Request) -> Response:
        self.token_requests.append(dict(request.form.items()))
        how = {"client_id_name": self.client_id_name, "client_auth": self.client_auth}
        grants = (exchanged(self.grants, request, client, **how) for client in self.clients)
        grant = next((found for found in grants if found is not None), None)
        if grant is None:
            return answer(400, {"error": "invalid_grant", "error_description": "a text nobody may repeat"})
        refreshed = {} if self.silent_refresh else {
            "refresh_token": grant.refresh, "refresh_expires_in": GRANT_LIFE,
        }
        life = int(LIFE.total_seconds())
        return answer(200, {"access_token": grant.access, "expires_in": str(life), "scope": self.scope, **refreshed})

    def _me(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        owner = self.grants.owner(token)
        return answer(200, {"id": f"acct-{owner}", "name": f"@{owner}"})


def joined(dateline: Dateline, monkeypatch: pytest.MonkeyPatch, *, app: bool = True) -> Consenting:
    """The network, added to a running stack; with the operator's app, unless `app` is false."""
    monkeypatch.setitem(registry.PLATFORMS, "consenting", __name__)
    monkeypatch.setenv("DATELINE_SERVER_CONSENTING", f"{NETWORKS_URL}/consenting")
    network = Consenting(dateline.world)
    dateline.world.networks["consenting"] = network
    if app:
        client_id, secret = network.client
        dateline.deps.apps.put("consenting", {"clientId": client_id, "clientSecret": secret})
    return network


def go(dateline: Dateline, url: str) -> str:
    """What a person's browser does with an authorize URL: it follows to the network, says yes, and is sent back. The path and
    query of where to."""
    sent = InProcessHttp.request(dateline.http, "GET", url)
    assert sent.status == 302, sent
    back = urlsplit(sent.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == "http://127.0.0.1:8787/v1/connect/callback"
    return f"{back.path}?{back.query}"


def query_of(url: str) -> dict[str, str]:
    """The parameters of a URL."""
    return dict(parse_qsl(urlsplit(url).query))
