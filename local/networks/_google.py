"""What Google's stand-ins share: consent, the token endpoint, and both shapes of Google's errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Network, Route, World, answer
from .grants import Grant, Grants, consent, exchanged

TOKEN_LIFE = timedelta(seconds=3599)
RPC = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED",
       500: "INTERNAL"}


class GoogleNetwork(Network):
    """One Google API. `client` are the app's id and secret; `scopes` what its consent page must be asked for.

    `refresh_life` is how many seconds a grant lasts where Google says so (an app in testing), None where it does not.
    """

    client: ClassVar[tuple[str, str]]
    scopes: ClassVar[tuple[str, ...]]

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.grants = Grants(self, TOKEN_LIFE)
        self.refresh_life: int | None = None
        self.given: dict[str, Grant] = {}
        self.routes = [
            Route("GET", "/accounts[.]google[.]com/o/oauth2/v2/auth", "auth", self._consent),
            Route("POST", "/oauth2[.]googleapis[.]com/token", "auth", self._token),
        ]

    def grant_of(self, profile_id: str) -> Grant:
        """The grant a profile is seeded with: the same every time."""
        if profile_id not in self.given:
            self.given[profile_id] = self.grants.give(profile_id)
        return self.given[profile_id]

    def owner(self, request: Request) -> str | None:
        """Whose token a request carries."""
        return self.grants.owner(request.headers.get("Authorization", "").removeprefix("Bearer ") or None)

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        return None if self.owner(request) else self.expired()

    def expire_tokens(self) -> bool:
        self.grants.expire()
        return True

    def _consent(self, request: Request) -> Response:
        asked = set(request.args.get("scope", "").split(" "))
        if not {f"https://www.googleapis.com/auth/{scope}" for scope in self.scopes} <= asked:
            return answer(400, {"error": "invalid_scope"})
        return consent(self.grants, request)

    def _token(self, request: Request) -> Response:
        form = request.form
        if form.get("grant_type") not in ("authorization_code", "refresh_token"):
            return answer(400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"})
        if (form.get("client_id"), form.get("client_secret")) != self.client:
            return answer(401, {"error": "invalid_client", "error_description": "The OAuth client was not found."})
        grant = exchanged(self.grants, request, self.client)
        if grant is None:
            return answer(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
        body: dict[str, Any] = {
            "access_token": grant.access, "expires_in": int(TOKEN_LIFE.total_seconds()), "token_type": "Bearer",
            "scope": " ".join(f"https://www.googleapis.com/auth/{scope}" for scope in self.scopes),
        }
        if form["grant_type"] == "authorization_code":  # a refresh brings no new refresh token
            body["refresh_token"] = grant.refresh
        if self.refresh_life is not None:
            body["refresh_token_expires_in"] = self.refresh_life
        return answer(200, body)


def old_error(status: int, reason: str, message: str, domain: str = "youtube.video", headers: Mapping[str, str] | None = None,
              rpc: str = "") -> Response:
    """An error as the older APIs have it: with `errors[].reason`, and with google.rpc's code in some answers."""
    errors = [{"message": message, "domain": domain, "reason": reason}]
    body: dict[str, Any] = {"code": status, "message": message, "errors": errors}
    body |= {"status": rpc} if rpc else {}
    return answer(status, {"error": body}, headers)


def rpc_error(status: int, message: str, details: list[dict[str, Any]] | None = None,
              headers: Mapping[str, str] | None = None) -> Response:
    """An error as google.rpc has it: with `status` and `details`."""
    body: dict[str, Any] = {"code": status, "message": message, "status": RPC[status]}
    return answer(status, {"error": {**body, **({"details": details} if details else {})}}, headers)


def reason_detail(reason: str, domain: str = "googleapis.com", **metadata: str) -> dict[str, Any]:
    """A google.rpc.ErrorInfo."""
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": domain, "metadata": metadata}


def unauthenticated() -> Response:
    """Google's answer to a token it does not take, with both shapes in one."""
    message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid" \
        " authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    errors = [{"message": "Invalid Credentials", "domain": "global", "reason": "authError", "location": "Authorization",
               "locationType": "header"}]
    body = {"code": 401, "message": message, "errors": errors, "status": "UNAUTHENTICATED"}
    headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}
    return answer(401, {"error": body}, headers)
