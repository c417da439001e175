"""Tokens of a stand-in that keeps to OAuth 2: given by code or by hand, refreshed, rotated, lapsed and revoked.

A stand-in holds one `Grants`; its own routes put the answers into its network's shape.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from werkzeug.wrappers import Request, Response

from .base import Network, answer

CODE_LIFE = timedelta(minutes=10)


@dataclass
class Grant:
    """What one consent gave: whose it is and the tokens that stand for it now. `old` are refresh tokens that are spent."""

    profile_id: str
    access: str
    refresh: str
    until: datetime
    dead: bool = False


@dataclass
class Code:
    """An authorization code: for whom, for which redirect address, with which PKCE challenge, until when."""

    profile_id: str
    redirect_uri: str
    challenge: str | None
    until: datetime


class Grants:
    """The tokens of one network. `life` is an access token's; `rotates` says whether a refresh spends the refresh token."""

    def __init__(self, network: Network, life: timedelta, *, rotates: bool = False) -> None:
        self.network, self.life, self.rotates = network, life, rotates
        self.grants: list[Grant] = []
        self.codes: dict[str, Code] = {}

    def give(self, profile_id: str) -> Grant:
        """A new grant for the account of `profile_id`."""
        number = self.network.next_number()
        name = self.network.platform
        grant = Grant(profile_id, f"{name}-access-{number}", f"{name}-refresh-{number}", self.network.now() + self.life)
        self.grants.append(grant)
        return grant

    def owner(self, access: str | None) -> str | None:
        """Whose access token it is; None when it is unknown, lapsed or dead."""
        for grant in self.grants:
            if grant.access == access and not grant.dead and self.network.now() < grant.until:
                return grant.profile_id
        return None

    def refresh(self, token: str | None) -> Grant | None:
        """A grant renewed by its refresh token; None when it knows none such. Where tokens rotate both are new."""
        grant = next((g for g in self.grants if g.refresh == token and not g.dead), None)
        if grant is not None:
            number = self.network.next_number()
            grant.access, grant.until = f"{self.network.platform}-access-{number}", self.network.now() + self.life
            if self.rotates:
                grant.refresh = f"{self.network.platform}-refresh-{number}"
        return grant

    def expire(self) -> None:
        """Every access token lapses now; refreshing still works."""
        for grant in self.grants:
            grant.until = self.network.now()

    def revoke(self, profile_id: str) -> None:
        """The user takes the consent back: nothing works any more."""
        for grant in self.grants:
            grant.dead = grant.dead or grant.profile_id == profile_id

    def code(self, profile_id: str, redirect_uri: str, challenge: str | None) -> str:
        """A code as the consent page hands it back. `challenge` is PKCE's S256, None without."""
        code = f"{self.network.platform}-code-{self.network.next_number()}"
        self.codes[code] = Code(profile_id, redirect_uri, challenge, self.network.now() + CODE_LIFE)
        return code

    def redeem(self, code: str | None, redirect_uri: str | None, verifier: str | None) -> Grant | None:
        """The grant that a code stands for, once: None for one that is unknown, spent, late, or of another address."""
        known = self.codes.pop(code or "", None)
        if known is None or known.until <= self.network.now() or known.redirect_uri != redirect_uri:
            return None
        if known.challenge is not None and known.challenge != challenge_of(verifier or ""):
            return None
        return self.give(known.profile_id)


def challenge_of(verifier: str) -> str:
    """PKCE's S256 of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def consent(grants: Grants, request: Request, *, client_id_name: str = "client_id") -> Response:
    """The authorize page, with a user who says yes at once: back to `redirect_uri` with a code and the state.

    The parameter `as` names whose account it is (the stand-in makes it when it is new); without it a new one each time. With
    `deny` the user says no.
    """
    asked = request.args
    missing = [name for name in (client_id_name, "redirect_uri", "response_type", "state") if not asked.get(name)]
    if missing or asked.get("response_type") != "code":
        return answer(400, {"error": "invalid_request", "error_description": f"missing or wrong: {', '.join(missing)}"})
    if asked.get("deny"):
        back = {"error": "access_denied", "state": asked["state"]}
    else:
        profile_id = asked.get("as") or f"consent_{grants.network.platform}_{grants.network.next_number()}"
        grants.network.credentials_for(profile_id)
        code = grants.code(profile_id, asked["redirect_uri"], asked.get("code_challenge"))
        back = {"code": code, "state": asked["state"]}
    separator = "&" if "?" in asked["redirect_uri"] else "?"
    return Response(status=302, headers={"Location": f"{asked['redirect_uri']}{separator}{urlencode(back)}"})


def exchanged(
    grants: Grants, request: Request, client: tuple[str, str], *, client_id_name: str = "client_id",
    client_auth: str = "body",
) -> Grant | None:
    """What the token endpoint gives for a code or a refresh token; None when the client or the grant is wrong.

    `client` are the id and the secret; `client_auth` is "body" or "basic" (then the body need not name them).
    """
    form = request.form
    pair = (form.get(client_id_name), form.get("client_secret"))
    if client_auth == "basic":
        given = request.authorization
        pair = (given.username, given.password) if given is not None and given.type == "basic" else (None, None)
    if pair != client:
        return None
    if form.get("grant_type") == "authorization_code":
        return grants.redeem(form.get("code"), form.get("redirect_uri"), form.get("code_verifier"))
    return grants.refresh(form.get("refresh_token")) if form.get("grant_type") == "refresh_token" else None
