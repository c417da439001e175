"""When a post goes out: from the text and the time zone a client gave to one UTC instant, or to a refusal that helps.

Everything here is pure: "now" comes in as an argument, and the only file read is the zone database (`zones`). It must never
guess: a time that could mean two instants is settled by a stated rule and a warning, any other doubt is a `Problem`.
The rules with examples stand in docs/time.md, and a test runs every one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from .errors import FieldError, Problem
from .instants import local, parse_rfc3339, rfc3339, shown
from .zones import zone

AT = "/scheduledFor"
FOLD_AT = "/fold"

FIRST_YEAR, LAST_YEAR = 1900, 9998  # below it a slip such as 0027; above it no room to convert an offset
EAST, WEST = timedelta(hours=14), timedelta(hours=-12)  # the offsets in use, from Pacific/Kiritimati to Etc/GMT+12
SECOND = timedelta(seconds=1)

_TIME = re.compile(
    r"(?P<wall>(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,6}))?)?)"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_SHAPE = "Write it like 2027-06-15T09:00:00, with a time zone in `timezone`, or like 2027-06-15T09:00:00Z."
_HINTS = (
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "The time of day is missing. " + _SHAPE),
    (re.compile(r"[0-9]{4}-?W[0-9]{2}.*", re.I | re.S), "Week dates are not read. " + _SHAPE),
    (re.compile(r"[0-9]{4}-[0-9]{3}([T ].*)?", re.S), "Dates by day of the year are not read. " + _SHAPE),
    (re.compile(r"[+-]?[0-9]+(\.[0-9]+)?"), "A bare number is not read as a time. " + _SHAPE),
    (re.compile(r"[+-][0-9]{4,}-.*", re.S), "Years have four digits and no sign. " + _SHAPE),
    (re.compile(r".*\[.*\].*", re.S), "The zone's name goes into `timezone`, not into brackets. " + _SHAPE),
    (re.compile(r".*[.,][0-9]{7,}.*", re.S), "A fraction of a second has at most six digits. " + _SHAPE),
)


class Warning_(NamedTuple):
    """Something taken as stated by a rule, that the client may have meant otherwise."""

    code: str
    detail: str


class Intent(NamedTuple):
    """What the client meant, kept next to the resolved instant so that a changed zone database can be followed.

    `local` is the wall-clock time `YYYY-MM-DDTHH:MM:SS[.mmm]` in `timezone`. Where the client gave an absolute instant,
    `timezone` is None and `local` is that instant in RFC 3339 (`…Z`). `fold` is 1 for the later of two equal local times.
    """

    local: str
    timezone: str | None
    fold: int = 0

    def as_dict(self) -> dict[str, Any]:
        """A plain mapping for storage."""
        return {"local": self.local, "timezone": self.timezone, "fold": self.fold}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Intent:
        """The inverse of `as_dict`; a table may hand `fold` back as a Decimal."""
        return cls(str(value["local"]), value.get("timezone"), int(value.get("fold") or 0))


class Resolved(NamedTuple):
    """The instant (aware, UTC, whole milliseconds), the intent it came from, and what was taken by rule."""

    publish_at: datetime
    intent: Intent
    warnings: tuple[Warning_, ...] = ()


def resolve(scheduled_for: str, timezone: str | None, fold: int | None, *, default_timezone: str | None = None) -> Resolved:
    """The instant that `scheduled_for` names.

    `timezone` is an IANA name; with it the text is wall-clock time there, `Z` or not. `default_timezone` (the
    workspace's) stands in only for a text with neither zone nor offset. `fold` chooses the earlier (0) or later (1) of
    two equal local times. Digits past the millisecond are dropped.

    Raises Problem: invalid_time, timezone_required, timezone_conflict, unknown_timezone, nonexistent_local_time
    (`nearest`: the last valid second before and the first after), invalid_request for another `fold`.
    """
    if fold is not None and (isinstance(fold, bool) or fold not in (0, 1)):
        raise Problem("invalid_request", "fold is 0 (the earlier of two equal local times) or 1 (the later).", FOLD_AT)
    wall, suffix = _read(scheduled_for)
    offset = None if suffix in (None, "Z") else _offset(scheduled_for, str(suffix))
    if timezone is None:
        if suffix is not None:
            instant = (wall - (offset or timedelta())).replace(tzinfo=UTC)
            unused = (_fold_ignored("the time is absolute"),) if fold else ()
            return Resolved(instant, Intent(rfc3339(instant), None), unused)
        if default_timezone is None:
            raise Problem(
                "timezone_required",
                f"{local(wall)} alone does not say where. Add a `timezone` such as America/New_York, or end the time "
                f"with Z for UTC or with an offset such as +02:00.",
                AT,
            )
        timezone = default_timezone
    place = zone(timezone)
    found = _instants(wall, place)
    if not found:
        before, after = _around_gap(wall, place)
        raise Problem(
            "nonexistent_local_time",
            f"{local(wall)} does not exist in {timezone}: the clocks go forward over it. The nearest times that exist "
            f"are {before} and {after}.",
            AT,
            {"nearest": [before, after]},
        )
    if offset is not None:
        return _by_offset(wall, timezone, place, offset, found, fold)
    warnings = []
    if suffix == "Z":
        warnings.append(_z_with_timezone(wall, timezone, found[fold or 0 if len(found) > 1 else 0]))
    if len(found) > 1 and fold is None:
        first, second = (f"{rfc3339(one)} ({_offset_text(one, place)})" for one in found)
        warnings.append(
            Warning_(
                "ambiguous_local_time",
                f"{local(wall)} comes twice in {timezone}, at {first} and at {second}. The earlier was taken; "
                f"send fold: 1 for the later, or fold: 0 to say that the earlier is meant.",
            )
        )
    if len(found) == 1 and fold:
        warnings.append(_fold_ignored(f"{local(wall)} comes only once in {timezone}"))
    # The fold is kept even where it is idle: with other zone rules the same wall time may come twice.
    return Resolved(found[fold or 0] if len(found) > 1 else found[0], Intent(local(wall), timezone, fold or 0), tuple(warnings))


def reresolve(intent: Intent) -> datetime:
    """The instant of a stored intent under the zone database of today (aware, UTC).

    Where the local time no longer exists, nobody is there to be asked: it is taken as far after the gap's start as it
    stood in the text, which is to say shifted forward by the length of the gap (02:30 becomes 03:30). An absolute
    intent never moves. Raises Problem unknown_timezone when the zone is gone; keep the instant known so far then.
    """
    if intent.timezone is None:
        return parse_rfc3339(intent.local)
    wall, place = datetime.fromisoformat(intent.local), zone(intent.timezone)
    found = _instants(wall, place)
    # fold=0 inside a gap reads the wall time with the offset before it (PEP 495): that is the shift forward.
    return found[min(intent.fold, len(found) - 1)] if found else wall.replace(tzinfo=place).astimezone(UTC)


def check_window(
    publish_at: datetime,
    now: datetime,
    *,
    max_horizon_days: int | None,
    platform_horizons: Mapping[str, tuple[str, int]] = {},
) -> None:
    """Refuse an instant that has come, or that is too far ahead.

    `now` itself has come: there is no grace, `publishNow` is for that. A horizon is `days` times 24 hours; exactly that
    far is allowed, anything more is not. None or 0 lifts the deployment's horizon. `platform_horizons` maps a
    platform's id to its display name and days.

    Raises Problem: scheduled_time_in_past; beyond_horizon (`limitDays`, `latest`); beyond_platform_horizon (`platform`,
    `limitDays`, `latest` of the nearest horizon, and one entry in `errors` per platform).
    """
    ahead = publish_at - now
    if ahead <= timedelta():
        raise Problem(
            "scheduled_time_in_past",
            f"{rfc3339(publish_at)} is not after the server's time, {rfc3339(now)}. Choose a later time, or send publishNow.",
            AT,
            {"publishAt": rfc3339(publish_at), "now": rfc3339(now)},
        )
    if max_horizon_days and ahead > timedelta(days=max_horizon_days):
        latest = rfc3339(now + timedelta(days=max_horizon_days))
        raise Problem(
            "beyond_horizon",
            f"{rfc3339(publish_at)} is more than {max_horizon_days} days ahead; the latest time right now is {latest}.",
            AT,
            {"limitDays": max_horizon_days, "latest": latest},
        )
    errors = []
    for platform, (name, days) in sorted(platform_horizons.items(), key=lambda item: (item[1][1], item[0])):
        if ahead > timedelta(days=days):
            latest = rfc3339(now + timedelta(days=days))
            detail = f"{name} takes posts up to {days} days ahead: until {latest}, and this one is for {rfc3339(publish_at)}."
            extra = {"platform": platform, "limitDays": days, "latest": latest}
            errors.append(FieldError(AT, "beyond_platform_horizon", detail, extra))
    if errors:
        raise Problem("beyond_platform_horizon", " ".join(e.detail for e in errors), AT, errors[0].extra, errors)


def _bad(text: str, why: str) -> Problem:
    return Problem("invalid_time", f"{shown(text)} cannot be read as a time. {why}", AT)


def _read(text: str) -> tuple[datetime, str | None]:
    """The wall-clock time (naive, whole milliseconds) and what follows it: "Z", an offset as written, or None."""
    match = _TIME.fullmatch(text)
    if match is None:
        mended = _mended(text)
        if mended:
            raise _bad(text, f"Write it as {mended}.")
        raise _bad(text, next((hint for shape, hint in _HINTS if shape.fullmatch(text)), _SHAPE))
    year, month, day, hour, minute, second = (
        int(match[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise _bad(text, f"Years run from {FIRST_YEAR} to {LAST_YEAR}.")
    if not 1 <= month <= 12:
        raise _bad(text, f"There is no month {month:02}: the order is year-month-day.")
    days = ((date(year, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
    if not 1 <= day <= days:
        raise _bad(text, f"{year}-{month:02} has the days 01 to {days}.")
    if hour == 24 and minute == second == 0:
        midnight = f"{date(year, month, day) + timedelta(days=1)}T00:00:00{match['offset'] or ''}"
        raise _bad(text, f"Midnight is 00:00 of the next day: {midnight}.")
    if second == 60:
        raise _bad(text, "A leap second cannot be scheduled: use second 59, or 00 of the next minute.")
    if hour > 23 or minute > 59 or second > 59:
        raise _bad(text, "Hours run from 00 to 23, minutes and seconds from 00 to 59.")
    millis = int((match["fraction"] or "").ljust(3, "0")[:3])
    wall = datetime(year, month, day, hour, minute, second, millis * 1000)  # noqa: DTZ001 - what a wall clock shows
    return wall, match["offset"]


def _mended(text: str) -> str | None:
    """What a near miss should have been: case, blanks, comma, a long minus, an offset without colon. None if not near."""
    near = text[:64].strip().upper().replace(",", ".").replace("\u2212", "-")
    near = re.sub(r"^(\S{10})\s+", r"\1T", near)
    near = re.sub(r"\s+(?=[Z+-])", "", near)
    near = re.sub(r"([+-][0-9]{2})([0-9]{2})?$", lambda m: f"{m[1]}:{m[2] or '00'}", near) if "T" in near else near
    if not _TIME.fullmatch(near):
        return None
    try:
        _read(near)
    except Problem:
        return None
    return near


def _offset(text: str, suffix: str) -> timedelta:
    """A numeric offset. `-00:00` counts as `+00:00`; minutes above 59 and offsets that no place uses are refused."""
    hours, minutes = int(suffix[1:3]), int(suffix[4:])
    value = timedelta(hours=hours, minutes=minutes) * (-1 if suffix[0] == "-" else 1)
    if minutes > 59 or not WEST <= value <= EAST:
        raise _bad(text, f"{suffix} is not an offset in use anywhere: they run from -12:00 to +14:00.")
    return value


def _instants(wall: datetime, place: ZoneInfo) -> list[datetime]:
    """The instants at which clocks in `place` show `wall`, earlier first: none in a gap, two in an overlap, else one."""
    either = {wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(one for one in either if _clock(one, place) == wall)


def _clock(instant: datetime, place: ZoneInfo) -> datetime:
    return instant.astimezone(place).replace(tzinfo=None, fold=0)


def _around_gap(wall: datetime, place: ZoneInfo) -> tuple[str, str]:
    """The last second before and the first after the gap that holds `wall`, as local times."""
    wall = wall.replace(microsecond=0)  # zone rules change on whole seconds
    # Read with the offset after the gap the instant lies before it, and the other way round (PEP 495); halve in between.
    low, high = (wall.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (1, 0))
    while high - low > SECOND:
        middle = low + (high - low) // SECOND // 2 * SECOND
        low, high = (middle, high) if _clock(middle, place) < wall else (low, middle)
    return local(_clock(low, place)), local(_clock(high, place))


def _by_offset(
    wall: datetime, timezone: str, place: ZoneInfo, offset: timedelta, found: list[datetime], fold: int | None
) -> Resolved:
    """A wall time that came with an offset: the offset must be one the zone has then, and settles an overlap."""
    instant = (wall - offset).replace(tzinfo=UTC)
    if instant not in found:
        offsets = [_offset_text(one, place) for one in found]
        raise Problem(
            "timezone_conflict",
            f"At {local(wall)} the offset in {timezone} is {' or '.join(offsets)}, not {_signed(offset)}. "
            f"Correct the offset, or leave it out: the time zone is enough.",
            AT,
            {"timezone": timezone, "offsets": offsets},
        )
    chosen = found.index(instant)
    if len(found) > 1 and fold is not None and fold != chosen:
        raise Problem(
            "timezone_conflict",
            f"{local(wall)} comes twice in {timezone}: the offset {_signed(offset)} means the "
            f"{('earlier', 'later')[chosen]}, fold: {fold} the {('earlier', 'later')[fold]}. Leave one of them out.",
            FOLD_AT,
            {"timezone": timezone, "offsets": [_offset_text(one, place) for one in found]},
        )
    idle = (_fold_ignored(f"{local(wall)} comes only once in {timezone}"),) if fold and len(found) == 1 else ()
    return Resolved(instant, Intent(local(wall), timezone, chosen if len(found) > 1 else fold or 0), idle)


def _offset_text(instant: datetime, place: ZoneInfo) -> str:
    return _signed(instant.astimezone(place).utcoffset() or timedelta())


def _signed(offset: timedelta) -> str:
    """`+05:30`; seconds only where a zone of long ago has them."""
    minutes, seconds = divmod(abs(offset) // SECOND, 60)
    return f"{'-' if offset < timedelta() else '+'}{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def _z_with_timezone(wall: datetime, timezone: str, instant: datetime) -> Warning_:
    return Warning_(
        "z_with_timezone",
        f"With a time zone the Z is not read as UTC: the time is taken as {local(wall)} in {timezone}, which is "
        f"{rfc3339(instant)}. Leave the Z out to mean just that, or leave the time zone out to mean UTC.",
    )


def _fold_ignored(why: str) -> Warning_:
    return Warning_("fold_ignored", f"fold: 1 has no effect: {why}.")
