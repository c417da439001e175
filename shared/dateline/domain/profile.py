"""A connected account, and the moves that change it.

What others should hear of (connected, disconnected, paused, resumed, deleted) goes onto the profile's trail, which is written
with the change itself and announced from there, as a post's is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from . import retry
from .instants import sortable
from .post import partition, seconds

MOST_NOTED = 20
"""Lines kept on a profile's trail. They are announced within seconds; more than this is lost only if nothing could be announced
for a day and somebody changed the profile this often meanwhile."""


class Noted(NamedTuple):
    """One line of a profile's trail: event number `sequence` of type `kind` (`profile.paused` …)."""

    sequence: int
    kind: str
    at: datetime


@dataclass(slots=True)
class Profile:
    """A connected account. `status` is connected, disconnected or deleted; `secret` is ciphertext.

    `token_expires_at` is when the access token lapses (None: it does not), `grant_expires_at` when a person has to connect again
    because nobody can renew it any more (None: not known, or never). `renew_at` is when it is to be renewed though nobody uses
    it, `warn_at` when its end is to be announced. `settings` is what its server said of itself.
    `paused` holds what it is paused by: its own switch (`profile`), the workspace's (`workspace`), both or neither.
    `lock` is who is refreshing its tokens just now, and until when (Unix seconds) at most: other writes leave it in place.
    `quotas` are the limits its network told of, by name: limit, what is left, when that ends.
    `due_at` is when sweep looks at it. `release` is the booking after which held targets are still to be released, None if
    none are.
    """

    id: str
    workspace_id: str
    mode: str
    platform: str
    name: str
    created_at: datetime
    updated_at: datetime
    account_id: str = ""
    server: str = ""
    status: str = "connected"
    settings: dict[str, Any] = field(default_factory=dict)
    secret: bytes | None = field(default=None, repr=False)
    token_expires_at: datetime | None = None
    grant_expires_at: datetime | None = None
    renew_at: datetime | None = None
    warn_at: datetime | None = None
    error: dict[str, Any] | None = None
    version: int = 0
    paused: frozenset[str] = frozenset()
    sequence: int = 0
    trail: list[Noted] = field(default_factory=list)
    due_at: datetime | None = None
    release: str | None = None
    quotas: dict[str, list[Any]] = field(default_factory=dict)
    lock: tuple[str, float] | None = None

    @property
    def partition(self) -> str:
        """The workspace's live or test side."""
        return partition(self.workspace_id, self.mode)


def note(profile: Profile, kind: str, now: datetime) -> None:
    """Give the next event number to `profile.<kind>`. Sweep looks later whether it was announced."""
    profile.sequence += 1
    profile.trail = [*profile.trail, Noted(profile.sequence, f"profile.{kind}", now)][-MOST_NOTED:]
    audit = now + seconds(retry.AUDIT_AFTER)
    profile.due_at = audit if profile.due_at is None else min(profile.due_at, audit)
    profile.updated_at = now


def next_look(profile: Profile) -> datetime | None:
    """When sweep has to look at the profile for its token's sake; None if it never has to."""
    return min((at for at in (profile.renew_at, profile.warn_at) if at is not None), default=None)


def lives(profile: Profile, now: datetime, *, expires_in: float | None, grant_expires_in: float | None, renewable: bool,
          ahead: float) -> None:
    """What is known of the life of its credentials from now on, all in seconds. `renewable`: they can be renewed without a
    person; `ahead` before the access token lapses they are, though nobody uses them (0: only when they are used)."""
    profile.token_expires_at = now + seconds(expires_in) if expires_in else None
    if grant_expires_in:
        profile.grant_expires_at = now + seconds(grant_expires_in)
    elif not renewable:
        profile.grant_expires_at = profile.token_expires_at
    elif profile.grant_expires_at is not None and profile.grant_expires_at <= now:
        profile.grant_expires_at = None
    at, end = profile.token_expires_at, profile.grant_expires_at
    profile.renew_at = max(now + seconds(retry.RENEW_PAUSE), at - seconds(ahead)) if at and ahead and renewable else None
    profile.warn_at = max(now, end - seconds(retry.WARN_AHEAD)) if end else None
    look = next_look(profile)
    if look is not None:
        profile.due_at = look if profile.due_at is None else min(profile.due_at, look)


def expiring(profile: Profile, now: datetime) -> None:
    """Its end is near, and only a person can help. Announced once."""
    profile.warn_at = None
    note(profile, "expiring", now)


def reconnect(profile: Profile, now: datetime) -> None:
    """The profile was given credentials that work. What was held because the old ones did not is to be released."""
    was, since = profile.status, _held_since(profile, now)
    profile.status, profile.error = "connected", None
    if was != "connected":
        note(profile, "connected", now)
        _release(profile, since, now)


def _held_since(profile: Profile, now: datetime) -> datetime:
    """Since when targets have been held on it without a break; as long as any may be held where its trail does not say."""
    reasons: set[str] = set()
    since: datetime | None = None
    for line in profile.trail:
        kind = line.kind.removeprefix("profile.")
        if kind in ("paused", "disconnected"):
            since = since if reasons else line.at
            reasons.add(kind)
        else:
            reasons.discard({"resumed": "paused", "connected": "disconnected"}.get(kind, ""))
    return since if reasons and since is not None else now - seconds(retry.LONGEST_HOLD)


def _release(profile: Profile, since: datetime, now: datetime) -> None:
    """What has been held since then is to be released, unless something holds it still: by whoever ended it, and by sweep if that
    one dies or runs out of time."""
    if profile.paused or profile.status != "connected":
        return
    profile.release = sortable(since - seconds(retry.HELD_MARGIN))
    profile.due_at = now + seconds(retry.RELEASE_AFTER)


def disconnect(profile: Profile, code: str, detail: str, now: datetime) -> None:
    """Its credentials are dead."""
    was, profile.status = profile.status, "disconnected"
    profile.error = {"code": code, "detail": detail}
    profile.updated_at = now
    if was != "disconnected":
        note(profile, "disconnected", now)


def pause(profile: Profile, by: str, now: datetime) -> None:
    """Publish nothing on it from now on. `by` is profile or workspace; each of them has to let go again."""
    was, profile.paused = profile.paused, profile.paused | {by}
    profile.release = None
    if not was:
        note(profile, "paused", now)


def resume(profile: Profile, by: str, now: datetime) -> None:
    """One of those it is paused by lets go. With the last one its held targets are to be released."""
    since = _held_since(profile, now)
    was, profile.paused = profile.paused, profile.paused - {by}
    if was and not profile.paused:
        note(profile, "resumed", now)
        _release(profile, since, now)


def delete(profile: Profile, now: datetime) -> None:
    """It is gone, and its credentials with it. The row stays for a while without them, so that this too is announced."""
    profile.status, profile.secret, profile.token_expires_at, profile.error = "deleted", None, None, None
    profile.grant_expires_at = profile.renew_at = profile.warn_at = None
    profile.settings, profile.release = {}, None
    note(profile, "deleted", now)
