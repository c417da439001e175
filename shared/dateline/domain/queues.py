"""Queues: weekly posting slots in local time, and the instants that they are.

A queue says "Mondays at 09:30 in Berlin"; `slots_from` says which instants that is, whatever the clocks do. Which of them are
taken stands in the store. docs/queues.md has the rules for users.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from .errors import FieldError, Problem
from .instants import local, shown
from .post import partition
from .time import Intent
from .zones import AT as TIMEZONE_AT
from .zones import zone

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

MOST_SLOTS = 100
"""Of one queue, in a week."""

MOST_CAPACITY = 25
"""Posts of one slot: the holders of a slot are one row, and every taker of a place rewrites it."""

MOST_BLACKOUTS = 366
MOST_PROFILES = 25
LONGEST_NAME = 200

_DAY = timedelta(days=1)
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Slot(NamedTuple):
    """A moment of the week: `day` is 0 for Monday, `time` is `HH:MM` on the clocks of the queue's zone."""

    day: int
    time: str

    @property
    def weekday(self) -> str:
        """The name of its day."""
        return DAYS[self.day]


class Definition(NamedTuple):
    """What a client decides about a queue. `capacity` is posts per slot; `blackout_dates` are local dates `YYYY-MM-DD`;
    `profile_ids` stand in for posts that name no profiles. Slots and dates are in order, each once."""

    name: str
    timezone: str
    slots: tuple[Slot, ...]
    capacity: int = 1
    blackout_dates: tuple[str, ...] = ()
    profile_ids: tuple[str, ...] = ()


@dataclass(slots=True)
class Queue:
    """A workspace's queue. `version` counts writes: the compare-and-swap reads it."""

    id: str
    workspace_id: str
    mode: str
    definition: Definition
    created_at: datetime
    updated_at: datetime
    version: int = 0

    @property
    def partition(self) -> str:
        """The workspace's live or test side."""
        return partition(self.workspace_id, self.mode)


def slots_from(definition: Definition, after: datetime, until: datetime) -> Iterator[datetime]:
    """The slots later than `after` and not later than `until`, ascending, as aware UTC instants.

    A local time that a day does not have is shifted forward by the length of the gap (as in `time.reresolve`); one that comes
    twice is taken the first time. Slots that meet after a shift are one slot, with the capacity of one. A blackout date has
    no slots, neither its own nor one that was shifted onto it. Raises Problem unknown_timezone when the zone is gone.
    """
    place, closed = zone(definition.timezone), frozenset(definition.blackout_dates)
    week: dict[int, list[time]] = {}
    for slot in definition.slots:
        week.setdefault(slot.day, []).append(time.fromisoformat(slot.time))
    # An offset is less than a day: what a date's clocks show lies less than a day before and after that date in UTC.
    day, last = (after.astimezone(UTC) - _DAY).date(), (until.astimezone(UTC) + _DAY).date()
    waiting: list[datetime] = []
    while day <= last:
        found = set(waiting)
        for at in week.get(day.weekday(), ()) if day.isoformat() not in closed else ():
            # fold=0 is both rules in one: in a gap it reads the offset before it, in an overlap it is the first (PEP 495).
            slot_at = datetime.combine(day, at, place).astimezone(UTC)
            if not closed or slot_at.astimezone(place).date().isoformat() not in closed:
                found.add(slot_at)
        day += _DAY
        # A shifted slot may come after one of the next date: nothing is said before no later date can come before it.
        settled = datetime.combine(day, time(), UTC) - _DAY
        waiting = [one for one in found if one >= settled]
        yield from sorted(one for one in found if after < one <= until and one < settled)


def intent_of(definition: Definition, slot: datetime) -> Intent:
    """The local time of a slot as a post keeps it next to the instant: what the clocks show then."""
    wall = slot.astimezone(zone(definition.timezone))
    return Intent(local(wall.replace(tzinfo=None, fold=0)), definition.timezone, wall.fold)


def checked(
    *, name: str, timezone: str, slots: Sequence[tuple[str, str]], capacity: int, blackout_dates: Sequence[str],
    profile_ids: Sequence[str],
) -> Definition:
    """A definition as it came from a client, `slots` as pairs of day and time, held against the rules and put in order.

    Raises Problem invalid_request or unknown_timezone with one entry per fault.
    """
    faults: list[FieldError] = []

    def fault(pointer: str, detail: str) -> None:
        faults.append(FieldError(pointer, "invalid_request", detail))

    if not name.strip() or len(name) > LONGEST_NAME:
        fault("/name", f"name has 1 to {LONGEST_NAME} characters, not only blanks.")
    try:
        zone(timezone)
    except Problem as unknown:
        faults += unknown.errors or [FieldError(TIMEZONE_AT, unknown.code, unknown.detail)]
    if not 1 <= len(slots) <= MOST_SLOTS:
        fault("/slots", f"A queue has 1 to {MOST_SLOTS} slots a week; this has {len(slots)}.")
        slots = ()
    week: dict[Slot, int] = {}
    for index, (day, at) in enumerate(slots):
        if day not in DAYS:
            fault(f"/slots/{index}/day", f"{shown(day)} is no day of the week here; the days are {', '.join(DAYS)}.")
        elif not _CLOCK.fullmatch(at):
            fault(f"/slots/{index}/time", f"{shown(at)} is no time of day here. {_clock_advice(at)}")
        elif (first := week.setdefault(Slot(DAYS.index(day), at), index)) != index:
            detail = f"slots/{first} is {day} at {at} already; capacity says how many posts go out then."
            fault(f"/slots/{index}", detail)
    if not 1 <= capacity <= MOST_CAPACITY:
        fault("/capacity", f"capacity is a whole number from 1 to {MOST_CAPACITY} (posts per slot), not {str(capacity)[:20]}.")
    if len(blackout_dates) > MOST_BLACKOUTS:
        fault("/blackoutDates", f"A queue has at most {MOST_BLACKOUTS} blackout dates; this has {len(blackout_dates)}.")
        blackout_dates = ()
    for index, text in enumerate(blackout_dates):
        if not _is_date(text):
            fault(f"/blackoutDates/{index}", f"{shown(text)} is no date. Write it like 2027-12-24.")
    if len(profile_ids) > MOST_PROFILES:
        fault("/profileIds", f"A post has at most {MOST_PROFILES} profiles; this names {len(profile_ids)}.")
        profile_ids = ()
    for index, profile_id in enumerate(profile_ids):
        if profile_id in profile_ids[:index]:
            fault(f"/profileIds/{index}", f"profileIds names {shown(profile_id)} twice; once is enough.")
    if faults:
        more = "" if len(faults) == 1 else f" And {len(faults) - 1} more: see errors."
        raise Problem(faults[0].code, faults[0].detail + more, extra=faults[0].extra, errors=faults)
    return Definition(name, timezone, tuple(sorted(week)), capacity, tuple(sorted(set(blackout_dates))), tuple(profile_ids))


def _clock_advice(text: str) -> str:
    """What a near miss should have been."""
    if match := re.fullmatch(r"([0-9]):([0-5][0-9])", text):
        return f"Write it as 0{match[1]}:{match[2]}."
    if text == "24:00":
        return "Midnight is 00:00 of the next day."
    if re.fullmatch(r"[0-9]{2}:[0-9]{2}:[0-9]{2}", text):
        return f"Slots stand on whole minutes: {text[:5]}."
    return "Write hours and minutes like 09:30, from 00:00 to 23:59."


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
