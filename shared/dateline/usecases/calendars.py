"""The calendars of profiles, as far as a request needs them: how close posts may lie, how many a network takes in some hours.

Bookings are read span by span and remembered for the request, together with what the request itself is about to book. A
booking says that a post was to go out then; before anything is refused because of it, the post itself is looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain import calendar
from ..domain.calendar import Cap
from ..domain.errors import Problem
from ..domain.instants import rfc3339, sortable
from ..domain.post import Post
from ..domain.rules import Rules
from ..store.profiles import Profile

if TYPE_CHECKING:
    from ..wiring import Deps

MOST_CHECKED = 1000
"""Posts in a window up to which a network's cap is held at scheduling time. Larger ones are the network's own to say: reading
more bookings with each create would cost more than it saves (docs/decisions.md)."""

MOST_ROUNDS = 20
"""Spans read at most to find the next free time, each twice as long as the one before."""


class Rule(NamedTuple):
    """What a profile's calendar is held against."""

    spacing: timedelta
    cap: Cap | None

    @property
    def reach(self) -> timedelta:
        """How far from a booking others matter to it."""
        return max(self.spacing, self.cap.span if self.cap else timedelta())


def cap_of(rules: Rules, settings: Any) -> Cap | None:
    """The cap of a profile: the network's, or the profile's own setting; None if there is none."""
    daily = rules.daily_cap
    if daily is None:
        return None
    setting = getattr(daily, "setting", None)
    most = settings.get(setting) if setting else None
    return Cap(int(most) if most is not None else daily.limit, daily.hours)


def capped(profile: Profile, rules: Rules) -> bool:
    """Whether a cap is to be held at scheduling time: it is small enough."""
    cap = cap_of(rules, profile.settings)
    return cap is not None and cap.most <= MOST_CHECKED


def rule_of(profile: Profile, rules: Rules, spacing_minutes: int) -> Rule | None:
    """The rule of a profile; None where nothing is to be held."""
    cap = cap_of(rules, profile.settings)
    if cap is not None and cap.most > MOST_CHECKED:
        cap = None
    return Rule(timedelta(minutes=spacing_minutes), cap) if spacing_minutes or cap else None


class Calendars:
    """What is booked, for one request. `own` is the post that is edited: it does not stand in its own way."""

    def __init__(self, deps: Deps, own: str = "") -> None:
        self._deps, self._own = deps, own
        self._spans: dict[str, tuple[datetime, datetime]] = {}
        self._booked: dict[str, list[tuple[datetime, str]]] = {}
        self._dead: set[tuple[str, datetime, str]] = set()
        self._alive: set[tuple[str, datetime, str]] = set()

    def times(self, profile_id: str, since: datetime, until: datetime) -> list[datetime]:
        """When the profile is booked from `since` to `until`, in order. Some of the posts may not be there any more."""
        return [
            at for at, post_id in self._within(profile_id, since, until)
            if post_id != self._own and (profile_id, at, post_id) not in self._dead
        ]

    def _within(self, profile_id: str, since: datetime, until: datetime) -> list[tuple[datetime, str]]:
        """The bookings of a span; they are kept in order, since a bulk request asks a thousand times."""
        self._load(profile_id, since, until)
        booked = self._booked[profile_id]
        return booked[bisect_left(booked, since, key=_at) : bisect_right(booked, until, key=_at)]

    def surely(self, profile_id: str, since: datetime, until: datetime) -> list[datetime]:
        """`times`, each post looked at."""
        self._bury(profile_id, since, until)
        return self.times(profile_id, since, until)

    def add(self, profile_id: str, at: datetime, post_id: str) -> None:
        """What the request itself is about to book."""
        insort(self._booked.setdefault(profile_id, []), (at, post_id))
        self._alive.add((profile_id, at, post_id))

    def check(self, profile: Profile, name: str, rule: Rule, at: datetime, pointer: str) -> Problem | None:
        """The refusal of a booking at `at`, None if there is room. `name` is the network's, for people."""
        reach = rule.reach
        found = self._broken(profile.id, rule, at, reach)
        if found and self._bury(profile.id, at - reach, at + reach):
            found = self._broken(profile.id, rule, at, reach)
        if not found:
            return None
        free = self.next_free(profile.id, rule, at)
        if found == "spacing":
            minutes = int(rule.spacing.total_seconds() // 60)
            detail = (
                f"Posts on the profile {profile.id} lie at least {minutes} minutes apart, and another one is closer to "
                f"{rfc3339(at)}; the next free time is {rfc3339(free)}."
            )
            extra = {"profileId": profile.id, "minSpacingMinutes": minutes, "nextFreeAt": rfc3339(free)}
            return Problem("too_close", detail, pointer, extra)
        assert rule.cap is not None
        detail = (
            f"{name} takes {rule.cap.most:,} posts of an account in {rule.cap.hours} hours, and the profile {profile.id} "
            f"has as many "
            f"booked around {rfc3339(at)}; the next time with room is {rfc3339(free)}."
        )
        extra = {
            "platform": profile.platform, "profileId": profile.id, "limit": rule.cap.most,
            "window": f"PT{rule.cap.hours}H", "nextOkAt": rfc3339(free),
        }
        return Problem("platform_daily_limit", detail, pointer, extra)

    def next_free(self, profile_id: str, rule: Rule, at: datetime) -> datetime:
        """The earliest time from `at` on that the rule allows."""
        reach = rule.reach
        since, until = at - reach, at + 2 * reach
        for turn in range(MOST_ROUNDS):
            free = calendar.next_free(at, self.surely(profile_id, since, until), rule.spacing, rule.cap)
            if free + reach <= until:
                return free
            until = free + reach * 2 ** (turn + 2)
        return free

    def _broken(self, profile_id: str, rule: Rule, at: datetime, reach: timedelta) -> str | None:
        times = self.times(profile_id, at - reach, at + reach)
        if rule.spacing and calendar.too_close(at, times, rule.spacing):
            return "spacing"
        return "cap" if rule.cap and calendar.over_cap(at, times, rule.cap) else None

    def _load(self, profile_id: str, since: datetime, until: datetime) -> None:
        read = self._deps.bookings.times
        known = self._spans.get(profile_id)
        moment = timedelta(milliseconds=1)
        if known is None:
            more, known = read(profile_id, since, until), (since, until)
        else:
            more = read(profile_id, since, known[0] - moment) if since < known[0] else []
            more += read(profile_id, known[1] + moment, until) if until > known[1] else []
        self._spans[profile_id] = (min(since, known[0]), max(until, known[1]))
        booked = self._booked.setdefault(profile_id, [])
        if more:
            self._booked[profile_id] = sorted(booked + more)

    def _bury(self, profile_id: str, since: datetime, until: datetime) -> bool:
        """Look at the posts behind the bookings of a span, and forget those that will not be there. True if there were any. A
        booking without a post stands: an import reserves the times of all its posts, then writes them."""
        known = self._dead | self._alive
        slots = [
            (at, post_id) for at, post_id in self._within(profile_id, since, until)
            if (profile_id, at, post_id) not in known and post_id != self._own
        ]
        ids = list(dict.fromkeys(post_id for _, post_id in slots))
        found = {
            post.id: post for start in range(0, len(ids), 100)
            for post in self._deps.posts.get_many(ids[start : start + 100], consistent=True)
        }
        dead = set()
        for at, post_id in slots:
            post = found.get(post_id)
            if post is None or _stands(post, profile_id, at):
                self._alive.add((profile_id, at, post_id))
            else:
                dead.add((profile_id, at, post_id))
        self._dead |= dead
        return bool(dead)


def _at(booking: tuple[datetime, str]) -> datetime:
    return booking[0]


def _stands(post: Post, profile_id: str, at: datetime) -> bool:
    """Whether a post will be, or was, on the profile at `at`. One that has moved may have left a booking behind."""
    target = post.targets.get(profile_id)
    if target is None or target.status in ("failed", "cancelled") or post.stage in ("draft", "cancelled"):
        return False
    return sortable(post.sort_at) == sortable(at)
