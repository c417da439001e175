"""A profile's tokens: refreshed before they lapse or when they are refused, once, under a lock; a dead one is told from a hiccup.

Refresh tokens rotate, so that two refreshes at once, or one that is not saved, would lose the account. A profile is called
dead only when its grant is refused, or when a harmless read confirms the refusal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from ..aws.secrets import SecretsUnavailable
from ..domain.profile import Profile, disconnect, lives
from ..platforms.base import Delivery, Failed, NewTokens, NotReady, Outcome, Publisher, Retry, TokenRefused
from ..store.tables import Conflict, StoreUnavailable
from . import sharing

if TYPE_CHECKING:
    from ..wiring import Deps
    from .deliver import Work

log = logging.getLogger("dateline")

T = TypeVar("T")

EXPIRES_SOON = 60.0
"""A token that lapses within so many seconds is refreshed before it is used."""

REFRESH_LOCK = 90.0
"""Seconds a worker may take to refresh: longer than the two calls of 30 s that Bluesky can need."""

REFRESH_WAIT = 10.0
"""Seconds to wait for another worker's refresh. As many waits as there are looks outlast the lock."""

SAVE_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries to save refreshed tokens: a rotated token that is not saved is an account lost."""


def fresh_credentials(deps: Deps, profile: Profile, publisher: Publisher) -> dict[str, str]:
    """The profile's credentials, refreshed if they lapse within a minute.

    Raises `TokenRefused`, `Retry`, `NotReady` (another worker is refreshing them), `SecretsUnavailable`.
    """
    credentials = deps.secrets.open(profile.workspace_id, profile.id, profile.secret)
    expires = profile.token_expires_at
    if expires is None or (expires - deps.clock.now()).total_seconds() > EXPIRES_SOON:
        return credentials
    return refresh(deps, profile, publisher, credentials) or credentials


def refresh(deps: Deps, profile: Profile, publisher: Publisher, credentials: dict[str, str]) -> dict[str, str] | None:
    """New tokens under a lock, saved by compare-and-swap; None where the network has no refresh.

    Refresh tokens rotate: two workers that refresh at once would lose the account, and so would a token that is not saved.
    What a partial answer leaves out stays. Raises `TokenRefused` when the grant is dead, `NotReady` when another worker is at it.
    """
    from .deliver import account_of

    head = sharing.head_of(deps, profile, credentials)
    lock = deps.profiles.lock(head, deps.clock.now(), REFRESH_LOCK)
    if lock is None:
        current = deps.profiles.get(profile.id)
        if current is not None and current.secret != profile.secret:
            return deps.secrets.open(current.workspace_id, current.id, current.secret)
        raise NotReady("refresh_in_progress", "Another worker is refreshing the profile's token.", REFRESH_WAIT)
    tokens = None
    try:
        if head is not profile:
            current = deps.profiles.get(profile.id)
            if current is not None and current.secret != profile.secret:
                return deps.secrets.open(current.workspace_id, current.id, current.secret)
        merged, tokens = sharing.catch_up(deps, profile, credentials)
        if tokens is None:
            whole = deps.apps.with_app(profile.platform, merged)
            tokens = publisher.refresh(account_of(deps, profile, publisher, whole), deps.http)
            merged = sharing.renewed({**merged, **tokens.credentials}) if tokens is not None else merged
    finally:
        if tokens is None:
            deps.profiles.unlock(head.id, lock)
            head.lock = None
    if tokens is None:
        return None
    _keep(deps, profile, publisher, merged, tokens)
    if head is not profile:
        deps.profiles.unlock(head.id, lock)
    return merged


def known(
    deps: Deps, profile: Profile, publisher: Publisher, credentials: Mapping[str, str], expires_in: float | None,
    grant_expires_in: float | None = None,
) -> None:
    """Write down how long fresh credentials live, in seconds from now, and when they have to be seen to. Changes the profile."""
    renewable = publisher.renews_itself or any(value for name, value in credentials.items() if name.startswith("refresh"))
    lives(
        profile, deps.clock.now(), expires_in=expires_in, grant_expires_in=grant_expires_in, renewable=renewable,
        ahead=publisher.refresh_ahead,
    )


def renew(deps: Deps, profile_id: str) -> str:
    """Renew a token that nobody has used for long, ahead of its end. Says in a word what was done; a failure is no news to
    anyone yet: sweep asks again, and the next delivery tries as well. Raises `StoreUnavailable`, `SecretsUnavailable`."""
    from ..platforms import registry

    profile, now = deps.profiles.get(profile_id), deps.clock.now()
    if profile is None or profile.status != "connected" or profile.token_expires_at is None:
        return "nothing to do"
    publisher = registry.publisher(profile.platform)
    if (profile.token_expires_at - now).total_seconds() > max(publisher.refresh_ahead, EXPIRES_SOON):
        return "renewed already"
    credentials = deps.secrets.open(profile.workspace_id, profile.id, profile.secret)
    try:
        renewed = refresh(deps, profile, publisher, credentials)
    except TokenRefused as dead:
        _disconnect(deps, profile, dead)
        return "disconnected"
    except Outcome as outcome:
        log.warning("a token could not be renewed", extra={"profile_id": profile_id, "reason": outcome.code})
        return "failed"
    if renewed is not None:
        return "renewed"
    left = (profile.token_expires_at - now).total_seconds()
    deps.profiles.change(
        profile_id, lambda it: lives(it, now, expires_in=left, grant_expires_in=None, renewable=False, ahead=0.0)
    )
    return "not renewable"


def _keep(deps: Deps, profile: Profile, publisher: Publisher, credentials: dict[str, str], tokens: NewTokens) -> None:
    """Save refreshed tokens (which ends the lock), unless the profile was given others meanwhile. Tries for a while: the old
    ones are spent. Raises `StoreUnavailable`, `SecretsUnavailable`."""
    now, used, secret = deps.clock.now(), profile.secret, b""
    for pause in (*SAVE_PAUSES, None):
        try:
            secret = secret or deps.secrets.seal(profile.workspace_id, profile.id, credentials)
            profile.secret, profile.updated_at = secret, now
            known(deps, profile, publisher, credentials, tokens.expires_in, tokens.grant_expires_in)
            deps.profiles.save(profile, unlocking=True)
            return
        except Conflict:
            current = deps.profiles.get(profile.id)
            if current is None or current.secret != used:
                return
            profile = current
        except (StoreUnavailable, SecretsUnavailable):
            if pause is None:
                log.error("refreshed tokens are lost; connect the profile again", extra={"profile_id": profile.id})
                raise
            deps.clock.sleep(pause)


def using(deps: Deps, profile: Profile, publisher: Publisher, call: Callable[[dict[str, str]], T]) -> T:
    """`call` with the profile's credentials, and with refreshed ones when the network refuses those. Raises as both do."""
    credentials = fresh_credentials(deps, profile, publisher)
    try:
        return call(credentials)
    except TokenRefused:
        renewed = refresh(deps, deps.profiles.get(profile.id) or profile, publisher, credentials)
        if renewed is None:
            raise
        return call(renewed)


def refused(work: Work, refusal: TokenRefused, delivery: Delivery | None) -> Outcome:
    """A refused token is refreshed; where that cannot be, a harmless read confirms before the profile is called dead."""
    deps, profile = work.deps, work.profile
    assert profile is not None
    from .deliver import account_of

    fresh = deps.profiles.get(profile.id) or profile
    credentials = deps.secrets.open(fresh.workspace_id, fresh.id, fresh.secret)
    if fresh.secret != profile.secret if delivery is None else credentials != dict(delivery.account.credentials):
        return Retry("token_refreshed", "The token was refreshed meanwhile.", after=0.0)
    try:
        if delivery is None:
            raise refusal
        if _renewed(deps, fresh, work.publisher, credentials):
            return Retry("token_refreshed", "The token had lapsed and was refreshed.", after=0.0)
        work.publisher.verify(account_of(deps, fresh, work.publisher, credentials), deps.http)
    except TokenRefused as dead:
        _disconnect(deps, fresh, dead)
        return Failed("token_dead", f"{dead.detail} The post goes on when the profile is connected again.")
    except NotReady as busy:
        return busy
    except Outcome as unclear:
        return Retry("token_unclear", f"The token was refused, and it is not clear yet whether it is dead ({unclear.code}).")
    return Retry("token_refused", f"{refusal.detail} A check found it good: the refusal was passing.")


def _renewed(deps: Deps, profile: Profile, publisher: Publisher, credentials: dict[str, str]) -> bool:
    """Whether a refresh brought new tokens. A network that refuses to renew for another reason than a dead grant (a token that is
    too young, say) has said nothing of the token itself: it is looked at like one that cannot be renewed."""
    try:
        return refresh(deps, profile, publisher, credentials) is not None
    except Failed:
        return False


def _disconnect(deps: Deps, profile: Profile, dead: TokenRefused) -> None:
    """Mark the profile, unless its credentials were replaced meanwhile."""
    used = profile.secret
    for _ in range(5):
        disconnect(profile, dead.code, dead.detail, deps.clock.now())
        try:
            deps.profiles.save(profile)
            return
        except Conflict:
            current = deps.profiles.get(profile.id)
            if current is None or current.secret != used:
                return
            profile = current
