"""How instants and spans are written and read: RFC 3339, sortable keys, ISO 8601 durations.

What a client means by a local time stands in `time`; here nothing is a matter of zones.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from .errors import Problem

LONGEST = timedelta(days=3660)  # about ten years: a duration above it is a slip, and sums with it cannot overflow
_DURATION = re.compile(
    r"P(?=[0-9T])(?:(?P<weeks>[0-9]{1,6})W)?(?:(?P<days>[0-9]{1,6})D)?"
    r"(?:T(?=[0-9])(?:(?P<hours>[0-9]{1,9})H)?(?:(?P<minutes>[0-9]{1,9})M)?(?:(?P<seconds>[0-9]{1,9})S)?)?"
)
_OURS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3}(?:[0-9]{3})?)?Z")


def rfc3339(instant: datetime) -> str:
    """UTC with `Z`; milliseconds only where there are any, digits past them dropped. Raises ValueError for a naive datetime."""
    return local(utc(instant)) + "Z"


def sortable(instant: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.mmmZ`, always 24 characters: texts sort as the instants do. Raises ValueError for a naive one."""
    return utc(instant).isoformat(timespec="milliseconds") + "Z"


def parse_rfc3339(text: str) -> datetime:
    """The instant of a text that `rfc3339` or `sortable` wrote (aware, UTC). Raises ValueError for any other text.

    For values of our own; what a client sends goes through `resolve`.
    """
    if not _OURS.fullmatch(text):
        raise ValueError(f"not a stored time: {shown(text)}")
    return datetime.fromisoformat(text)


def parse_duration(text: str, pointer: str) -> timedelta:
    """An ISO 8601 duration in weeks, days, hours, minutes and seconds, whole numbers each: `PT30M`, `P1DT12H`.

    More than zero and at most 3,660 days. A day is 24 hours. Raises Problem invalid_request at `pointer`.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        advice = "Write an ISO 8601 duration in whole weeks, days, hours, minutes or seconds, such as PT30M, PT12H or P2D."
        if re.match(r"-P|P.*-", text):
            advice = "A duration cannot be negative. " + advice
        elif re.match(r"P[^T]*[0-9][YM]", text):
            advice = "Years and months differ in length and are not read (minutes stand after a T). " + advice
        raise Problem("invalid_request", f"{shown(text)} is not a duration read here. {advice}", pointer)
    value = timedelta(**{unit: int(number) for unit, number in match.groupdict().items() if number})
    if not timedelta() < value <= LONGEST:
        raise Problem("invalid_request", f"{shown(text)} must be more than zero and at most {LONGEST.days} days.", pointer)
    return value


def format_duration(value: timedelta) -> str:
    """The shortest ISO 8601 text in days, hours, minutes and seconds; a part of a second is dropped. Zero is `PT0S`.

    Raises ValueError for a negative duration.
    """
    if value < timedelta():
        raise ValueError("a negative duration has no text here")
    hours, rest = divmod(value.seconds, 3600)
    parts = ((hours, "H"), (rest // 60, "M"), (rest % 60, "S"))
    days = f"{value.days}D" if value.days else ""
    clock = "".join(f"{number}{unit}" for number, unit in parts if number)
    return "P" + days + ("T" + clock if clock else "") if days or clock else "PT0S"


def utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("a time without a zone is not an instant")
    return instant.astimezone(UTC).replace(tzinfo=None)


def local(wall: datetime) -> str:
    return wall.isoformat(timespec="milliseconds" if wall.microsecond >= 1000 else "seconds")


def shown(text: str) -> str:
    """A client's text for an error message: short, and with everything unprintable escaped."""
    return repr(text if len(text) <= 60 else text[:60] + "…")
