"""When to try again, and when to look again. Tables; the functions only read them.

Only failures known not to have published are tried again. Everything here is in seconds.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

RETRY_DELAYS = (30.0, 60.0, 120.0, 240.0, 450.0)
"""The five automatic retries, about 15 minutes in all."""

JITTER = 0.2
"""Each delay is spread by up to this part, up or down, so that the targets of a bulk import do not come back together."""

LONGEST_WAIT = 24 * 3600.0
"""A network's own Retry-After is honoured up to here (or the post's maxLateness, where that is shorter)."""

LONGEST_MESSAGE_DELAY = 900.0
"""SQS delays a message by 15 minutes at most; a longer wait goes to a schedule entry."""

LOOKS = (0.0, 0.125, 1.0, 1.25)
"""When to look after a lost answer, in parts of the settling time since the call ended.

The first two find what is there already; only looks from 1.0 on count as absence, and two of them must agree.
"""

LOOK_RETRY = 30.0
"""Wait after a look that itself failed."""

MOST_FAILED_LOOKS = 10
"""After so many failed looks the target is unconfirmed: a person has to look."""

REDISPATCH_AFTER = 300.0
"""A message that nobody claimed for so long is sent again by sweep: twice the queue's visibility time-out."""

MOST_REDISPATCHES = 3
"""Then the target ends: `undeliverable` if it was never armed, `unconfirmed` if it was."""

GRACE = 15.0
"""Sweep runs every 60 s and takes what is overdue by this much: nothing waits longer than 75 s."""

NUDGE_AFTER = 60.0
"""How long after its time a retry or a look is taken to have lost its message."""

AUDIT_AFTER = 900.0
"""After a post came to rest, sweep checks once that all its events were announced."""

LONGEST_HOLD = 30 * 86400.0
"""A target whose profile is paused waits so long at most, or until it is too late by its own maxLateness."""

HELD_MARGIN = 2 * 86400.0
"""How long before a pause a target may have been due and still be held by it: a network's Retry-After, and some lateness."""

HELD_LOOK = 6 * 3600.0
"""Sweep looks at a held target again after this, and up to as long again, by its id: 100,000 held posts are then some 70 looks a
shard and minute. Resuming releases them without waiting for it; this look finds what that missed, and the deadline."""

RELEASE_AFTER = 45.0
"""Sweep goes on with releasing so long after a profile was resumed: whoever resumed it works at it for less."""


RENEW_PAUSE = 900.0
"""Sweep asks again for the renewal of a token when the last request for it brought nothing within this."""

WARN_AHEAD = 7 * 86400.0
"""How long before the end of a grant that only a person can renew `profile.expiring` is announced."""


class Tuning(NamedTuple):
    """What a deployment may set: see `wiring` for the environment variables.

    `retry_scale` shortens retry delays only; `settle` is how long a network may still be working after a call ended;
    `lease` how long a claim holds; `lead` how early schedule entries fire.
    """

    retry_scale: float = 1.0
    settle: float = 120.0
    lease: float = 120.0
    lead: float = 0.0


def held_look(seed: str) -> float:
    """Seconds until sweep looks at a held target again, spread by `seed` so that those held together do not come together."""
    return HELD_LOOK * (1 + _draw(seed))


def retry_delay(done: int, seed: str, scale: float = 1.0) -> float | None:
    """Seconds to wait before retry number `done + 1`, None when there is none left.

    The jitter is drawn from `seed` (post, target, number), so that a replay waits as the first run did.
    """
    if done >= len(RETRY_DELAYS):
        return None
    return RETRY_DELAYS[done] * (1 + JITTER * (2 * _draw(f"{seed}#{done}") - 1)) * scale


def _draw(seed: str) -> float:
    """A number from 0 to 1, always the same for a seed."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 0xFFFFFFFF
