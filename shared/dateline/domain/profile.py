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

    `token_expires_at` is when the access token lapses (None: it does not). `settings` is what its server said of itself.
    `paused` holds what it is paused by: its own switch (`profile`), the workspace's (`workspace`), both or neither.
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
    error: dict[str, Any] | None = None
    version: int = 0
    paused: frozenset[str] = frozenset()
    sequence: int = 0
    trail: list[Noted] = field(default_factory=list)
    due_at: datetime | None = None
    release: str | None = None

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


def reconnect(profile: Profile, now: datetime) -> None:
    """The profile was given credentials that work."""
    was, profile.status, profile.error = profile.status, "connected", None
    if was != "connected":
        note(profile, "connected", now)


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
    """One of those it is paused by lets go. With the last one its held targets are to be released: by whoever resumes it, and
    by sweep if that one dies or runs out of time."""
    was, profile.paused = profile.paused, profile.paused - {by}
    if was and not profile.paused:
        paused_at = next((line.at for line in reversed(profile.trail) if line.kind == "profile.paused"), None)
        paused_at = paused_at or now - seconds(retry.LONGEST_HOLD)
        note(profile, "resumed", now)
        profile.release = sortable(paused_at - seconds(retry.HELD_MARGIN))
        profile.due_at = now + seconds(retry.RELEASE_AFTER)


def delete(profile: Profile, now: datetime) -> None:
    """It is gone, and its credentials with it. The row stays for a while without them, so that this too is announced."""
    profile.status, profile.secret, profile.token_expires_at, profile.error = "deleted", None, None, None
    profile.settings, profile.release = {}, None
    note(profile, "deleted", now)
