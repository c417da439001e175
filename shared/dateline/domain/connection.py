"""A connection: one person's consent on its way from the address they are sent to, to the profiles that come of it.

It waits for the network to send the person back (`waiting`), exchanges the code once (`exchanging`), may wait for somebody to
choose among several accounts (`choosing`), and ends `connected` or `failed`. What it holds that is secret is ciphertext.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .instants import rfc3339
from .post import partition

CONSENT = timedelta(minutes=10)
"""How long a person may take to say yes."""

CHOOSING = timedelta(hours=1)
"""How long the accounts of a grant wait to be chosen among; their tokens are kept sealed meanwhile."""

TOLD = timedelta(hours=24)
"""How long it can be read how it ended."""

MOST_CHOICES = 100
"""Accounts that are offered: more would not fit into a row with their tokens."""


@dataclass(slots=True)
class Offer:
    """One account that the grant may publish to. `expires_at` and `grant_expires_at` are its token's, `sealed` the number of the
    ciphertext that has credentials of its own, None where it has none. `profile_id` is given when it is chosen."""

    account_id: str
    name: str
    kind: str = "account"
    settings: dict[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    grant_expires_at: datetime | None = None
    sealed: int | None = None
    profile_id: str | None = None


@dataclass(slots=True)
class Connection:
    """One consent. `profile_id` is the profile it shall renew, None to make one; `own_app` says that the client brought an app.

    `state_hash` is SHA-256 of the secret half of the state. `sealed` are ciphertexts: the first holds the verifier and the app
    while it waits, the grant's tokens while it is chosen among; the others credentials of single accounts.
    """

    id: str
    workspace_id: str
    mode: str
    platform: str
    server: str
    redirect_uri: str
    state_hash: str
    created_at: datetime
    expires_at: datetime
    status: str = "waiting"
    redirect_url: str | None = None
    profile_id: str | None = None
    name: str | None = None
    own_app: bool = False
    scopes: list[str] | None = None
    offers: list[Offer] = field(default_factory=list)
    profile_ids: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    sealed: list[bytes] = field(default_factory=list, repr=False)
    version: int = 0

    @property
    def partition(self) -> str:
        """The workspace's live or test side."""
        return partition(self.workspace_id, self.mode)

    def knows(self, secret: str) -> bool:
        """Whether that is the secret half of its state."""
        return hmac.compare_digest(self.state_hash, hash_of(secret))

    def shown(self, now: datetime) -> str:
        """Its status for people: what nobody finished in time has expired."""
        return "expired" if self.status in ("waiting", "exchanging", "choosing") and self.expires_at <= now else self.status

    def failed(self, code: str, detail: str, now: datetime) -> None:
        """It ends without a profile, and keeps no secret."""
        self.status, self.error, self.sealed = "failed", {"code": code, "detail": detail}, []
        self.expires_at = now + TOLD

    def connected(self, profile_ids: list[str], now: datetime) -> None:
        """It ends with these profiles, and keeps no secret."""
        self.status, self.profile_ids, self.sealed = "connected", profile_ids, []
        self.expires_at = now + TOLD

    def choosing(self, now: datetime) -> None:
        """Somebody has to choose among its offers."""
        self.status, self.expires_at = "choosing", now + CHOOSING


def hash_of(secret: str) -> str:
    """How the secret half of a state is stored: 256 random bits, so that there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def choices_view(connection: Connection) -> list[dict[str, Any]]:
    """The accounts it offers, for people."""
    return [{"accountId": offer.account_id, "name": offer.name, "kind": offer.kind} for offer in connection.offers]


def connection_view(connection: Connection, now: datetime) -> dict[str, Any]:
    """`GET /v1/connections/{id}` without its profiles: nothing of it is secret."""
    return {
        "connectionId": connection.id, "platform": connection.platform, "server": connection.server or None,
        "status": connection.shown(now), "expiresAt": rfc3339(connection.expires_at), "choices": choices_view(connection),
        "error": connection.error, "createdAt": rfc3339(connection.created_at),
    }
