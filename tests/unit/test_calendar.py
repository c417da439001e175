"""A profile's calendar against brute force: every time is tried, every window is counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.domain import calendar
from dateline.domain.calendar import Cap

START = datetime(2027, 6, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(minutes=5)
"""Everything here is a multiple of it: so no time between two ticks is ever better than both."""

# Four hours in steps of ten minutes: few enough to try all of them, many enough to collide often.
STEP = timedelta(minutes=10)
times = st.integers(0, 24).map(lambda n: START + n * STEP)
calendars = st.lists(times, max_size=9)
spacings = st.sampled_from([0, 5, 10, 20, 25, 60]).map(lambda minutes: timedelta(minutes=minutes))
caps = st.builds(Cap, st.integers(1, 4), st.integers(1, 3))


def windows(at: datetime, others: list[datetime], cap: Cap) -> list[int]:
    """How many of the others lie in each window that holds `at`. A window ends before its span is over."""
    starts = [at - n * TICK for n in range(cap.span // TICK)]
    return [sum(start <= other < start + cap.span for other in others) for start in starts]


def allowed(at: datetime, others: list[datetime], spacing: timedelta, cap: Cap | None) -> bool:
    """The two rules, as a person would say them."""
    if any(abs(other - at) < spacing for other in others):
        return False
    return cap is None or max(windows(at, others, cap)) + 1 <= cap.most


@given(times, calendars, spacings)
def test_too_close_is_when_any_other_is_nearer_than_the_spacing(at: datetime, others: list[datetime], spacing: timedelta) -> None:
    free = calendar.too_close(at, others, spacing)
    assert (free is None) == allowed(at, others, spacing, None)
    if free is not None:
        assert free > at and not any(allowed(at + n * TICK, others, spacing, None) for n in range((free - at) // TICK))


@given(times, calendars, caps)
def test_a_cap_is_broken_when_some_window_would_hold_one_too_many(at: datetime, others: list[datetime], cap: Cap) -> None:
    later = calendar.over_cap(at, others, cap)
    assert (later is None) == allowed(at, others, timedelta(), cap)
    if later is not None:
        assert later > at and not any(allowed(at + n * TICK, others, timedelta(), cap) for n in range((later - at) // TICK))


@given(times, calendars, caps)
def test_used_is_the_fullest_window_and_agrees_with_the_cap(at: datetime, others: list[datetime], cap: Cap) -> None:
    used = calendar.used_around(at, others, cap)
    assert used == max(windows(at, others, cap))
    assert (used >= cap.most) == (calendar.over_cap(at, others, cap) is not None)


@given(times, calendars, spacings, st.none() | caps)
def test_the_next_free_time_is_the_earliest_there_is(
    at: datetime, others: list[datetime], spacing: timedelta, cap: Cap | None
) -> None:
    free = calendar.next_free(at, others, spacing, cap)
    tried = at
    while not allowed(tried, others, spacing, cap):
        tried += TICK
    assert free == tried


@given(st.lists(times, max_size=9), spacings, st.none() | caps)
def test_whoever_takes_the_next_free_time_again_and_again_never_breaks_a_rule(
    wishes: list[datetime], spacing: timedelta, cap: Cap | None
) -> None:
    booked: list[datetime] = []
    for wish in wishes:
        free = calendar.next_free(wish, booked, spacing, cap)
        assert allowed(free, booked, spacing, cap)
        calendar.with_one_more(booked, free)
    assert booked == sorted(booked)
    for at in booked:
        others = list(booked)
        others.remove(at)
        assert allowed(at, others, spacing, cap), "and none of those before is in breach because of one after it"


@given(calendars, times, spacings, caps)
def test_the_order_of_the_others_does_not_matter(
    others: list[datetime], at: datetime, spacing: timedelta, cap: Cap
) -> None:
    there, back = sorted(others), sorted(others, reverse=True)
    questions: list[Callable[[list[datetime]], object]] = [
        lambda o: calendar.too_close(at, o, spacing), lambda o: calendar.over_cap(at, o, cap),
        lambda o: calendar.used_around(at, o, cap), lambda o: calendar.next_free(at, o, spacing, cap),
    ]
    for ask in questions:
        assert ask(there) == ask(back)


# Boundaries

MOMENT = timedelta(milliseconds=1)


@pytest.mark.parametrize("side", [-1, 1])
def test_exactly_the_spacing_apart_is_far_enough(side: int) -> None:
    five = timedelta(minutes=5)
    assert calendar.too_close(START, [START + side * five], five) is None
    assert calendar.too_close(START, [START + side * (five - MOMENT)], five) is not None
    assert calendar.too_close(START, [START], five) == START + five


@pytest.mark.parametrize("side", [-1, 1])
def test_exactly_the_window_apart_shares_no_window(side: int) -> None:
    cap = Cap(1, 24)
    assert calendar.over_cap(START, [START + side * cap.span], cap) is None
    assert calendar.used_around(START, [START + side * cap.span], cap) == 0
    near = START + side * (cap.span - MOMENT)
    assert calendar.over_cap(START, [near], cap) == near + cap.span
    assert calendar.used_around(START, [near], cap) == 1


def test_posts_on_both_sides_do_not_add_up_unless_one_window_holds_them_all() -> None:
    cap = Cap(2, 24)
    before, after = START - 20 * HOUR, START + 20 * HOUR
    assert calendar.over_cap(START, [before, after], cap) is None, "no 24 hours hold both of them and this one"
    assert calendar.over_cap(START, [START - 12 * HOUR, START + 11 * HOUR], cap) == START + 12 * HOUR
    assert calendar.used_around(START, [before, after], cap) == 1


def test_a_gap_that_is_too_small_is_not_offered() -> None:
    five = timedelta(minutes=5)
    booked = [START, START + timedelta(minutes=9), START + timedelta(minutes=19)]
    assert calendar.next_free(START, booked, five, None) == START + timedelta(minutes=14)


def test_a_cap_of_nothing_has_no_next_time_and_still_answers() -> None:
    assert calendar.over_cap(START, [], Cap(0, 24)) == START + timedelta(hours=24)
    assert calendar.next_free(START, [], timedelta(), Cap(0, 24)) == START + timedelta(hours=24)
