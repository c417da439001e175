"""Profiles that live on one grant: a consent that reached several accounts gave them one refresh token between them.

Where refresh tokens rotate, the first of them to renew spends it for all. So they renew under one lock, and each first looks
whether another has renewed since: then it takes those tokens over. Who is among them stands, sealed, with each one's credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..domain.profile import Profile
from ..platforms.base import NewTokens

if TYPE_CHECKING:
    from ..wiring import Deps

GRANT, MEMBERS, RENEWED = "grantId", "grantMembers", "grantRenewed"
"""Entries of the credentials: which grant, the ids of its profiles, and how often it had been renewed."""

WORTH = 120.0
"""Seconds for which another's token must still be good to be taken over without a renewal."""


def shared(grant_id: str, profile_ids: list[str]) -> dict[str, str]:
    """Entries for the credentials of each of these profiles; none for a single one."""
    return {GRANT: grant_id, MEMBERS: " ".join(sorted(profile_ids)), RENEWED: "0"} if len(profile_ids) > 1 else {}


def without(credentials: Mapping[str, str]) -> dict[str, str]:
    """Credentials of a profile that leaves its grant for one of its own."""
    return {name: value for name, value in credentials.items() if name not in (GRANT, MEMBERS, RENEWED)}


def head_of(deps: Deps, profile: Profile, credentials: Mapping[str, str]) -> Profile:
    """Whose lock guards the renewal: the first of the grant's profiles that is still there; for most the profile itself."""
    members = credentials.get(MEMBERS, "").split()
    if len(members) < 2:
        return profile
    found = deps.profiles.get_many(members)
    head = next((found[id] for id in sorted(found)), profile)
    return profile if head.id == profile.id else head


def catch_up(deps: Deps, profile: Profile, credentials: dict[str, str]) -> tuple[dict[str, str], NewTokens | None]:
    """The newest credentials of the grant, and their lives if they are good as they are (None: renew these). Under the lock."""
    members = [id for id in credentials.get(MEMBERS, "").split() if id != profile.id]
    best: tuple[Profile, dict[str, str]] | None = None
    for other in deps.profiles.get_many(members).values() if members else ():
        held = deps.secrets.open(other.workspace_id, other.id, other.secret)
        newest = int((best[1] if best else credentials).get(RENEWED, "0"))
        if held.get(GRANT) == credentials.get(GRANT) and int(held.get(RENEWED, "0")) > newest:
            best = other, held
    if best is None:
        return credentials, None
    other, held = best
    now, merged = deps.clock.now(), {**credentials, **held}
    left = (other.token_expires_at - now).total_seconds() if other.token_expires_at else None
    if left is not None and left < WORTH:
        return merged, None
    ends = other.grant_expires_at
    return merged, NewTokens({}, int(left) if left else None, int((ends - now).total_seconds()) if ends else None)


def renewed(credentials: dict[str, str]) -> dict[str, str]:
    """The same after one renewal more."""
    if GRANT not in credentials:
        return credentials
    return {**credentials, RENEWED: str(int(credentials.get(RENEWED, "0")) + 1)}
