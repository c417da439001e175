"""What an admission reads and writes: the plan's counters, the guards of calendars, the register of contents.

The counters of a side of a workspace lie together: `usage#<side>` / `<period>#<owner>`. A profile's guard is a number in its
`now` row: whoever books a time under a rule of the calendar raises it, on condition that it stands where it was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pynamodb.connection import Connection

from ..domain.fingerprints import TWIN_PAGE
from ..domain.ids import new_token
from ..domain.limits import METRICS, NOW, Count
from . import batch
from .extras import Extra
from .profiles import Profile, from_row
from .tables import IdempotencyRow, ProfileRow, WorkspaceRow, answered

COLUMNS: Mapping[str, Any] = {
    "scheduledTargetsPerMonth": WorkspaceRow.scheduled, "targetsPerMonth": WorkspaceRow.targets,
    "pendingTargets": WorkspaceRow.pending,
}
"""Where each metric is counted."""

TWIN_KEPT = 3 * 24 * 3600
"""Seconds a content stays registered after the end of its page: nobody asks for it any more."""

MOST_OWNERS = 20
"""Posts that one content of a profile is known of on a page. There are five at most unless duplicates are allowed."""

Twin = tuple[str, int]
"""A content's hash and its page (`fingerprints.twin_pages`)."""


class Registered(NamedTuple):
    """Who registered a content: profile id -> post ids; `token` names the row as it was read, None where there is none."""

    token: str | None = None
    owners: Mapping[str, Sequence[str]] = {}


class Toll(NamedTuple):
    """What a write takes from the counters, up to which limit each (None: without), and the guards it was decided under."""

    added: Mapping[Count, int] = {}
    most: Mapping[Count, int | None] = {}
    guards: Mapping[str, int] = {}


class Known(NamedTuple):
    """What was read: profiles, counters (and which rows of them, since what is not there is 0), guards, registered contents."""

    profiles: Mapping[str, Profile] = {}
    used: Mapping[Count, int] = {}
    counters: frozenset[tuple[str, str]] = frozenset()
    guards: Mapping[str, int] = {}
    twins: Mapping[Twin, Registered] = {}
    asked: frozenset[str] = frozenset()

    def and_more(self, more: Known) -> Known:
        """Both together."""
        return Known(
            {**self.profiles, **more.profiles}, {**self.used, **more.used}, self.counters | more.counters,
            {**self.guards, **more.guards}, {**self.twins, **more.twins}, self.asked | more.asked,
        )


def usage_key(side: str, period: str, owner: str) -> tuple[str, str]:
    """Where counters of a period and an owner ("workspace" or a profile's id) are."""
    return f"usage#{side}", f"{period}#{owner}"


def twin_key(side: str, twin: Twin) -> tuple[str]:
    """Where a content is registered, page by page."""
    return (f"twin#{side}#{twin[0]}#{twin[1]}",)


def toll_extras(side: str, toll: Toll, freed: Mapping[Count, int] = {}) -> list[Extra]:
    """One conditional update for each row of counters that a write touches: what it takes, less what it gives back."""
    net = Counter(toll.added)
    net.subtract(freed)
    rows: dict[tuple[str, str], list[Count]] = {(NOW, profile_id): [] for profile_id in toll.guards}
    for count, number in net.items():
        if number:
            rows.setdefault((count.period, count.owner), []).append(count)
    extras = []
    for (period, owner), counts in rows.items():
        actions, condition = [], None
        for count in counts:
            column, most = COLUMNS[count.metric], toll.most.get(count)
            actions.append(column.add(net[count]))
            if net[count] > 0 and most is not None:
                room = column.does_not_exist() | (column <= most - net[count])
                condition = room if condition is None else condition & room
        if period == NOW and owner in toll.guards:
            version = toll.guards[owner]
            same = WorkspaceRow.guard == version if version else WorkspaceRow.guard.does_not_exist()
            actions.append(WorkspaceRow.guard.set(version + 1))
            condition = same if condition is None else condition & same
        extras.append(Extra("update", WorkspaceRow(*usage_key(side, period, owner)), tuple(actions), condition))
    return extras


class Allowances:
    """The rows an admission depends on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(
        self, side: str, profile_ids: Iterable[str], *, counters: Iterable[tuple[str, str]] = (), guards: Iterable[str] = (),
        twins: Iterable[Twin] = (),
    ) -> Known:
        """Profiles, counters (period, owner), guards (profile ids) and registered contents, in one call for up to 100 of them.
        Profiles of other sides are left out. Raises `StoreUnavailable`."""
        guarded, ids = list(guards), list(profile_ids)
        counted = frozenset({*counters, *((NOW, profile_id) for profile_id in guarded)})
        usage = [usage_key(side, period, owner) for period, owner in sorted(counted)]
        keys = {twin_key(side, twin): twin for twin in twins}
        rows = batch.read(self._connection, {
            ProfileRow: [(profile_id,) for profile_id in ids], WorkspaceRow: usage, IdempotencyRow: keys,
        })
        profiles: dict[str, Profile] = {}
        used: dict[Count, int] = {}
        versions: dict[str, int] = {}
        registered: dict[Twin, Registered] = {twin: Registered() for twin in keys.values()}
        for row in rows:
            if isinstance(row, ProfileRow):
                if row.ws == side:
                    profiles[row.id] = from_row(row)
            elif isinstance(row, WorkspaceRow):
                used |= _counts(row)
                period, _, owner = row.sk.partition("#")
                if period == NOW:  # a month's row of the same profile has no guard
                    versions[owner] = int(row.guard or 0)
            else:
                registered[keys[(row.pk,)]] = Registered(row.fingerprint, row.answer or {})
        found = {profile_id: versions.get(profile_id, 0) for profile_id in guarded}
        return Known(profiles, used, counted, found, registered, frozenset(ids))

    @answered
    def usage(self, side: str, periods: Sequence[str]) -> dict[Count, int]:
        """Every counter of these periods (a query for each)."""
        used: dict[Count, int] = {}
        for period in periods:
            for row in WorkspaceRow.query(f"usage#{side}", WorkspaceRow.sk.startswith(f"{period}#"), consistent_read=True):
                used |= _counts(row)
        return used

    @staticmethod
    def register(
        side: str, twin: Twin, token: str | None, owners: Mapping[str, Sequence[str]], post_id: str, now: datetime
    ) -> Extra:
        """Write who owns a content (profile id -> post ids), on condition that nobody did since it was read as `token`.

        Without a token the row must not exist, or hold nothing but this post: so a post that nobody is like moves without
        reading it.
        """
        everybody = {id for ids in owners.values() for id in ids}
        page_ends = (twin[1] + 1) * int(TWIN_PAGE.total_seconds())
        row = IdempotencyRow(
            *twin_key(side, twin), fingerprint=new_token(), state="twin", answer={who: list(ids) for who, ids in owners.items()},
            post_id=everybody.pop() if len(everybody) == 1 else None, expires_at=max(page_ends, int(now.timestamp())) + TWIN_KEPT,
        )
        if token is None:
            return Extra("put", row, (), IdempotencyRow.pk.does_not_exist() | (IdempotencyRow.post_id == post_id))
        return Extra("put", row, (), IdempotencyRow.fingerprint == token)

    @classmethod
    def forget(cls, side: str, twin: Twin, known: Registered, ids: Collection[str], now: datetime) -> Extra:
        """Take posts out of a content's owners, on condition that nobody wrote since it was read."""
        owners = {who: [id for id in owned if id not in ids] for who, owned in known.owners.items()}
        return cls.register(side, twin, known.token, {who: left for who, left in owners.items() if left}, "", now)


def _counts(row: WorkspaceRow) -> dict[Count, int]:
    period, _, owner = row.sk.partition("#")
    values = {"scheduledTargetsPerMonth": row.scheduled, "targetsPerMonth": row.targets, "pendingTargets": row.pending}
    return {Count(metric, period, owner): int(values[metric] or 0) for metric in METRICS if values[metric] is not None}
