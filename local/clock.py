"""The clocks the local machinery runs on: the real one, which can be pushed forward, and a fake one that only moves when told.

Everything local (schedules, queues, handlers, stand-ins) reads one `Clock`, so that moving it moves the whole world.
Nothing here may hand out a naive datetime.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the machinery asks of a clock."""

    def now(self) -> datetime:
        """The present as aware UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        ...

    def monotonic(self) -> float:
        """Seconds on a scale without a meaning of its own, for time-outs."""
        ...

    def advance(self, by: timedelta | float) -> datetime:
        """Move the present forward by a timedelta or by seconds, and return it. ValueError when asked to go back."""
        ...


def forward(by: timedelta | float) -> timedelta:
    """`by` (a timedelta, or seconds) as a timedelta. ValueError if it is negative: published time cannot be taken back."""
    step = by if isinstance(by, timedelta) else timedelta(seconds=by)
    if step < timedelta(0):
        raise ValueError(f"a clock only moves forward, not by {step}")
    return step


class SystemClock:
    """The machine's clock plus an offset. `monotonic` ignores the offset: a push must not time out what is under way."""

    def __init__(self) -> None:
        self._offset = timedelta(0)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))

    def monotonic(self) -> float:
        return time.monotonic()

    def advance(self, by: timedelta | float) -> datetime:
        with self._lock:
            self._offset += forward(by)
        return self.now()


class FakeClock:
    """A clock that stands still until `advance` or `sleep` moves it. Single-threaded.

    `on_advance` is called with the new present after each move; stand-ins use it to finish work that a slow server does late.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("start must carry a timezone, for example UTC")
        self._start = self._now = start.astimezone(UTC)
        self.on_advance: Callable[[datetime], None] | None = None

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.advance(max(0.0, seconds))

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def advance(self, by: timedelta | float) -> datetime:
        self._now += forward(by)
        if self.on_advance is not None:
            self.on_advance(self._now)
        return self._now

    def advance_to(self, instant: datetime) -> datetime:
        """Move to `instant`, or stay where we are if it has passed."""
        return self.advance(max(instant - self._now, timedelta(0)))
