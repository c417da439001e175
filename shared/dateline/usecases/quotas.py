"""What networks say of their own limits in their answers: kept with the profile, and heeded before the next call.

An account's limit is written to its profile, but only when it is nearly used up: at most a few writes in each of its windows. A
limit of the app as a whole is remembered by the process that was told; another one is told by the network itself, with a 429.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..domain.instants import rfc3339
from ..domain.profile import Profile
from ..platforms.base import Answer, Publisher, Quota, Retry
from ..store.tables import StoreUnavailable

if TYPE_CHECKING:
    from ..wiring import Deps

NEARLY = 0.1
"""The part of a limit that is left when it is worth a write."""

_app: dict[tuple[str, str], Quota] = {}
"""Limits of our apps as this process knows them, by platform and name."""


class Watched:
    """The way out to a network, with an ear for what its answers say of limits. `seen` holds the latest of each."""

    def __init__(self, http: Any, publisher: Publisher, deps: Deps) -> None:
        self._http, self._publisher, self._deps = http, publisher, deps
        self.seen: dict[tuple[str, str], Quota] = {}

    def request(self, method: str, url: str, **how: Any) -> Answer:
        """As `Http.request`."""
        answer: Answer = self._http.request(method, url, **how)
        for quota in self._publisher.quotas(answer, self._deps.clock.now()):
            self.seen[quota.scope, quota.name] = quota
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._http, name)


def respect(deps: Deps, profile: Profile) -> None:
    """Raises `Retry` while a limit is known to be used up: the call would only be refused."""
    now = deps.clock.now()
    known = [(quota, "account's") for quota in of_profile(profile)]
    known += [(quota, "app's") for (platform, _), quota in _app.items() if platform == profile.platform]
    for quota, whose in known:
        if quota.remaining <= 0 and quota.resets_at is not None and quota.resets_at > now:
            wait = (quota.resets_at - now).total_seconds()
            detail = f"The {whose} limit of {quota.limit:,} {quota.name} is used up until {rfc3339(quota.resets_at)}."
            raise Retry("rate_limited", detail, wait)


def keep(deps: Deps, profile: Profile, watched: Watched) -> None:
    """Note what was heard. Never raises: it is a courtesy, the network's own refusal stands behind it."""
    known = {quota.name: quota for quota in of_profile(profile)}
    changed = False
    for (scope, name), quota in watched.seen.items():
        if scope == "app":
            _app[profile.platform, name] = quota
        elif _worth_a_write(known.get(name), quota):
            known[name], changed = quota, True
    if changed:
        rows = {name: [q.limit, q.remaining, q.resets_at.timestamp() if q.resets_at else None] for name, q in known.items()}
        try:
            deps.profiles.note_quotas(profile.id, rows)
        except StoreUnavailable:
            return


def _worth_a_write(before: Quota | None, now: Quota) -> bool:
    if now.resets_at is None:
        return False
    if before is None or before.resets_at is None or abs((now.resets_at - before.resets_at).total_seconds()) > 60:
        return now.remaining <= now.limit * NEARLY
    return now.remaining <= 0 < before.remaining or before.remaining <= 0 < now.remaining


def of_profile(profile: Profile) -> list[Quota]:
    """The account's limits as they were last noted."""
    from datetime import UTC

    def at(value: float | None) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value, UTC)

    return [Quota("account", name, int(row[0]), int(row[1]), at(row[2])) for name, row in profile.quotas.items()]


def forget() -> None:
    """Forget what the process knows of our apps' limits. For tests."""
    _app.clear()
