"""A profile's calendar: how close its posts may lie, and how many a network takes within some hours. Pure.

Both rules are asked of a time and of the times of the profile's other posts. `next_free` gives the earliest time from one on that
breaks neither.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Cap(NamedTuple):
    """At most `most` posts in any window of `hours`: posts exactly that far apart do not share one."""

    most: int
    hours: int

    @property
    def span(self) -> timedelta:
        """The window."""
        return timedelta(hours=self.hours)


def too_close(at: datetime, others: Sequence[datetime], spacing: timedelta) -> datetime | None:
    """From when on the posts that lie closer than `spacing` to `at` leave room, None if none does."""
    near = [other for other in others if abs(other - at) < spacing]
    return max(near) + spacing if near else None


def over_cap(at: datetime, others: Sequence[datetime], cap: Cap) -> datetime | None:
    """When the fullest window around `at` lets go of its first post, None if one more at `at` stays within the cap."""
    if cap.most <= 0:
        return at + cap.span
    times = sorted(others)
    # Every run of `most` posts shorter than the window: one more inside the same window is one too many.
    for start in range(bisect_left(times, at - cap.span), len(times) - cap.most + 1):
        first, last = times[start], times[start + cap.most - 1]
        if max(last, at) - min(first, at) < cap.span:
            return first + cap.span
    return None


def used_around(at: datetime, others: Sequence[datetime], cap: Cap) -> int:
    """Posts in the fullest window that holds `at`, not counting one at `at` itself."""
    times = sorted(other for other in others if abs(other - at) < cap.span)
    best = 0
    for first in times:
        if first <= at:
            best = max(best, sum(first <= other < first + cap.span for other in times))
    return max(best, sum(at <= other < at + cap.span for other in times))


def next_free(at: datetime, others: Sequence[datetime], spacing: timedelta, cap: Cap | None) -> datetime:
    """The earliest time from `at` on that keeps the distance and stays within the cap."""
    times = sorted(others)
    while True:
        later = too_close(at, times, spacing) if spacing else None
        later = later or (over_cap(at, times, cap) if cap else None)
        if later is None or (cap is not None and cap.most <= 0):
            return later or at
        at = later


def with_one_more(others: list[datetime], at: datetime) -> None:
    """Put `at` among the times, in order (a bulk request decides row by row)."""
    insort(others, at)
