"""What a grant becomes: the profile of the one account it reaches, or of those that somebody chooses.

An account that the workspace has a profile for already is given the new credentials, and what was held on it goes out. Which
profile an account becomes is written down before it is made, so that a choice that broke off goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..domain.connection import Connection, Offer
from ..domain.errors import Problem
from ..domain.ids import new_id
from ..domain.profile import Profile, note, reconnect
from ..platforms.base import Failed, Outcome, Retry
from ..store.tables import Conflict
from . import holding, pausing, sharing, tokens
from .credentials import MOST_CREDENTIALS_BYTES

if TYPE_CHECKING:
    from ..wiring import Deps

SEALED_TOGETHER = 3_500
"""Bytes of accounts' own credentials in one ciphertext: KMS takes 4,096."""

RELEASE_SECONDS = 10.0
"""How long a request that connects a profile again releases what was held on it; sweep does the rest."""

TRIES = 5

MOST_NAME = 200
"""Characters of a profile's name."""


def again(connection: Connection | None = None) -> str:
    """What to do where a consent cannot be gone on with."""
    return f"Begin again with POST /v1/connect/{connection.platform if connection else '{platform}'}."


def index_of(deps: Deps, connection: Connection) -> int:
    """Which of the offers is the account of the profile to be renewed. Raises `Failed` when none is."""
    profile = deps.profiles.get(connection.profile_id or "")
    if profile is None:
        raise Failed("profile_gone", "The profile was deleted meanwhile.")
    for index, offer in enumerate(connection.offers):
        if offer.account_id == profile.account_id or not profile.account_id:
            return index
    detail = f"The consent is for another account than {profile.name}, which profile {profile.id} is. Sign in to that one first."
    raise Failed("wrong_account", detail)


def seal(deps: Deps, connection: Connection, grant: Mapping[str, str], own: Sequence[Mapping[str, str]]) -> None:
    """Seal the grant's tokens and those of the single accounts, several to a ciphertext."""
    bundles: list[dict[str, str]] = [dict(grant)]
    for offer, credentials in zip(connection.offers, own, strict=True):
        if not credentials:
            continue
        text = json.dumps(credentials, separators=(",", ":"))
        if len(bundles) == 1 or len(json.dumps(bundles[-1])) + len(json.dumps(text)) > SEALED_TOGETHER:
            bundles.append({})
        bundles[-1][offer.account_id] = text
        offer.sealed = len(bundles) - 1
    connection.sealed = [deps.secrets.seal(connection.workspace_id, connection.id, _fitting(bundle)) for bundle in bundles]


def _fitting(credentials: dict[str, str]) -> dict[str, str]:
    """The same. Raises `Failed` for more than KMS takes."""
    if len(json.dumps(credentials)) > MOST_CREDENTIALS_BYTES:
        raise Failed("credentials_too_large", f"The tokens have more than the {MOST_CREDENTIALS_BYTES:,} bytes that can be kept.")
    return credentials


def choose(deps: Deps, connection: Connection, account_ids: Sequence[str]) -> Connection:
    """Connect those of its accounts. Repeated after a failure it goes on: each account gets its profile once.

    Raises `Problem`.
    """
    now = deps.clock.now()
    if connection.shown(now) != "choosing":
        detail = f"There is nothing to choose: the connection is {connection.shown(now)}. {again(connection)}"
        raise Problem("illegal_transition", detail)
    offers = {offer.account_id: offer for offer in connection.offers}
    for place, account_id in enumerate(account_ids):
        if account_id not in offers:
            detail = f"This consent does not reach an account {account_id!r}; choices lists those it does."
            raise Problem("invalid_request", detail, pointer=f"/accountIds/{place}")
    chosen = [assigned(deps, connection, offers[account_id]) for account_id in dict.fromkeys(account_ids)]
    deps.connections.save(connection)
    grant = deps.secrets.open(connection.workspace_id, connection.id, connection.sealed[0])
    alike = [offer.profile_id or "" for offer in chosen if offer.sealed is None] if grant.get("refreshToken") else []
    profiles = []
    for offer in chosen:
        own: dict[str, str] = {}
        if offer.sealed is not None:
            bundle = deps.secrets.open(connection.workspace_id, connection.id, connection.sealed[offer.sealed])
            own = json.loads(bundle[offer.account_id])
        try:
            mates = sharing.shared(connection.id, alike) if offer.profile_id in alike else {}
            profiles.append(settle(deps, connection, offer, {**grant, **own, **mates}))
        except Failed as refused:
            raise Problem("invalid_request", refused.detail, pointer="/accountIds") from None
        except Outcome as busy:
            raise Problem("try_again", busy.detail) from None
    connection.connected([profile.id for profile in profiles], deps.clock.now())
    deps.connections.save(connection)
    return connection


def assigned(deps: Deps, connection: Connection, offer: Offer) -> Offer:
    """The offer with the profile it shall be: the one to renew, the one that the account has already, or a new one."""
    if offer.profile_id is None:
        known = None
        if connection.profile_id is None:
            known = deps.profiles.of_account(connection.partition, connection.platform, offer.account_id, connection.server)
        offer.profile_id = connection.profile_id or known or new_id("prof", deps.clock.now())
    return offer


def settle(deps: Deps, connection: Connection, offer: Offer, credentials: dict[str, str]) -> Profile:
    """Make the offer's profile, or give it the new credentials: what they leave out stays, as long as it is the same app's.

    Raises `Failed`, `Conflict`, `StoreUnavailable`, `SecretsUnavailable`.
    """
    from ..platforms import registry

    publisher, profile_id = registry.publisher(connection.platform), offer.profile_id
    assert profile_id is not None
    for _ in range(TRIES):
        now, profile = deps.clock.now(), deps.profiles.stored(profile_id)
        if profile is not None and profile.status == "deleted":
            raise Failed("profile_gone", "The profile was deleted meanwhile.")
        new = profile is None
        if profile is None:
            profile = Profile(
                profile_id, connection.workspace_id, connection.mode, connection.platform,
                connection.name or offer.name[:MOST_NAME], now, now,
                account_id=offer.account_id, server=connection.server,
            )
            whole = credentials
        else:
            old = deps.secrets.open(profile.workspace_id, profile.id, profile.secret)
            old = sharing.without(old) if credentials.get("refreshToken") else old
            whole = {**(old if old.get("clientId") == credentials.get("clientId") else {}), **credentials}
            profile.name, profile.account_id = connection.name or profile.name, offer.account_id
        profile.settings = {**profile.settings, **offer.settings}
        if connection.scopes is not None:
            profile.settings["scopes"] = connection.scopes
        profile.secret = deps.secrets.seal(profile.workspace_id, profile.id, _fitting(whole))
        tokens.known(deps, profile, publisher, whole, _left(offer.expires_at, now), _left(offer.grant_expires_at, now))
        if new:
            note(profile, "connected", now)
        else:
            reconnect(profile, now)
            profile.updated_at = now
        try:
            deps.profiles.save(profile)
        except Conflict:
            continue
        if new:
            return pausing.joined(deps, profile)
        pausing.go_on(deps, profile, holding.within(deps, RELEASE_SECONDS))
        return profile
    raise Retry("profile_busy", "The profile is being written by somebody else.")


def _left(end: datetime | None, now: datetime) -> float | None:
    """Seconds until then, a little where it is over already; None for never."""
    return None if end is None else max(1.0, (end - now).total_seconds())


def view_profiles(deps: Deps, connection: Connection) -> list[dict[str, Any]]:
    """The profiles that came of it, as the API shows them; those deleted since are left out."""
    from ..domain.view import profile_view

    found = deps.profiles.get_many(connection.profile_ids) if connection.profile_ids else {}
    return [profile_view(found[id]) for id in connection.profile_ids if id in found]
