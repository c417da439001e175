"""What holds for every zone of the database and for any text a client may send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dateline.domain.errors import Problem
from dateline.domain.instants import LONGEST, format_duration, parse_duration, parse_rfc3339, rfc3339, sortable
from dateline.domain.time import Intent, reresolve, resolve
from dateline.domain.zones import zone, zone_names

quick = settings(deadline=None, max_examples=200, derandomize=True, database=None)

ZONES = sorted(zone_names())
SECOND = timedelta(seconds=1)
WALL = datetime.fromisoformat("2027-06-20T12:00:00")
FROM, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
# Odd corners of the past: a day skipped, a day lived twice, half an hour, two hours, offsets with seconds, negative summer time.
CORNERS = {
    "Pacific/Apia": (2011, 2012),
    "Pacific/Kwajalein": (1969, 1970),
    "America/Juneau": (1900, 1984),
    "Africa/Monrovia": (1972, 1973),
    "Antarctica/Troll": (2005, 2007),
    "Australia/Lord_Howe": (1981, 1987),
    "Europe/Dublin": (1916, 1972),
    "Africa/Casablanca": (2017, 2020),
    "Asia/Manila": (1900, 1991),
    "Europe/Amsterdam": (1930, 1941),
    "Asia/Pyongyang": (2015, 2019),
    "America/Caracas": (2007, 2017),
}

zones = st.sampled_from(ZONES)
walls = st.datetimes(WALL.replace(year=1900), WALL.replace(year=2099))
milliseconds = st.integers(0, (2099 - 1900) * 365 * 86_400_000).map(
    lambda n: datetime(1900, 1, 2, tzinfo=UTC) + timedelta(milliseconds=n)
)


def clock(instant: datetime, name: str) -> datetime:
    return instant.astimezone(zone(name)).replace(tzinfo=None, fold=0)


def written(wall: datetime) -> str:
    return wall.isoformat(timespec="milliseconds")


def offset_of(instant: datetime, name: str) -> str | None:
    """`+05:30` of the zone then; None for an offset with seconds, which no text can say."""
    said = instant.astimezone(zone(name)).isoformat()
    return said[-6:] if said[-6] in "+-" else None


@cache
def changes(name: str) -> list[datetime]:
    """The first instant of every new offset of a zone: a few years from now for all, decades of the past for the corners."""
    spans = [(FROM, UNTIL)]
    if name in CORNERS:
        first, last = CORNERS[name]
        spans.append((datetime(first, 1, 1, tzinfo=UTC), datetime(last, 1, 1, tzinfo=UTC)))
    place, found, step = zone(name), [], timedelta(days=10)
    for start, end in spans:
        while start < end:
            low, high = start, start + step
            if low.astimezone(place).utcoffset() != high.astimezone(place).utcoffset():
                before = low.astimezone(place).utcoffset()
                while high - low > SECOND:
                    middle = low + (high - low) // SECOND // 2 * SECOND
                    low, high = (middle, high) if middle.astimezone(place).utcoffset() == before else (low, middle)
                found.append(high)
            start += step
    return found


def jumps() -> list[tuple[str, datetime, timedelta]]:
    """(zone, instant, how far the clocks jump: positive is a gap) of every change looked at."""
    return [(name, at, clock(at, name) - (clock(at - SECOND, name) + SECOND)) for name in ZONES for at in changes(name)]


def resolve_or_code(text: str, name: str | None, fold: int | None = None) -> tuple[datetime | None, str]:
    try:
        return resolve(text, name, fold).publish_at, ""
    except Problem as problem:
        return None, problem.code


def test_the_sample_of_clock_changes_is_worth_the_name() -> None:
    found = jumps()
    assert len(found) > 1500
    assert sum(jump > timedelta() for _, _, jump in found) > 700
    assert sum(jump < timedelta() for _, _, jump in found) > 700
    assert {timedelta(days=1), timedelta(hours=-23), timedelta(minutes=30), timedelta(minutes=-30), timedelta(hours=2)} <= {
        jump for _, _, jump in found
    }


def test_every_gap_is_refused_and_its_nearest_times_resolve_and_touch_it() -> None:
    for name, at, jump in jumps():
        if jump <= timedelta():
            continue
        first = clock(at - SECOND, name) + SECOND
        for wall in (first, first + jump / 2, first + jump - timedelta(milliseconds=1)):
            with pytest.raises(Problem) as caught:
                resolve(written(wall), name, None)
            assert caught.value.code == "nonexistent_local_time"
            before, after = caught.value.extra["nearest"]
            assert before < written(wall) < after, (name, at)
            assert resolve(before, name, 1).publish_at == at - SECOND, (name, at)
            assert resolve(after, name, 0).publish_at == at, (name, at)
            # Resolved again, the time is moved on by exactly the gap.
            assert clock(reresolve(Intent(written(wall), name, 0)), name) == wall + jump


def test_every_overlap_has_two_instants_the_earlier_one_first_and_a_warning() -> None:
    for name, at, jump in jumps():
        if jump >= timedelta():
            continue
        for wall in (clock(at, name), clock(at, name) - jump / 2, clock(at, name) - jump - SECOND):
            text = written(wall)
            silent, early, late = (resolve(text, name, fold) for fold in (None, 0, 1))
            assert late.publish_at - early.publish_at == -jump, (name, at)
            assert early.publish_at < at <= late.publish_at
            assert silent.publish_at == early.publish_at
            assert [w.code for w in silent.warnings] == ["ambiguous_local_time"]
            assert early.warnings == late.warnings == ()
            for chosen in (early, late):
                offset = offset_of(chosen.publish_at, name)
                if offset:
                    by_offset = resolve(text + offset, name, None)
                    assert (by_offset.publish_at, by_offset.intent) == (chosen.publish_at, chosen.intent)


def test_every_zone_of_the_database_reads_an_ordinary_day() -> None:
    for name in ZONES:
        found = resolve(written(WALL), name, None)
        assert found.warnings == ()
        assert clock(found.publish_at, name) == WALL


@quick
@given(milliseconds, zones)
def test_from_an_instant_to_the_wall_and_back(instant: datetime, name: str) -> None:
    local = instant.astimezone(zone(name))
    found = resolve(written(local.replace(tzinfo=None)), name, local.fold)
    assert found.publish_at == instant
    assert found.publish_at.tzinfo is UTC
    assert reresolve(found.intent) == instant


@quick
@given(walls, zones, st.sampled_from([None, 0, 1]))
def test_from_the_wall_to_an_instant_and_back_unless_it_is_a_gap(wall: datetime, name: str, fold: int | None) -> None:
    instant, code = resolve_or_code(wall.isoformat(), name, fold)
    if instant is None:
        assert code == "nonexistent_local_time"
    else:
        assert clock(instant, name) == wall.replace(microsecond=wall.microsecond // 1000 * 1000)


@quick
@given(milliseconds, zones)
def test_the_zone_s_own_offset_is_accepted_and_the_zone_then_changes_nothing(instant: datetime, name: str) -> None:
    offset = offset_of(instant, name)
    assume(offset is not None)
    text = written(clock(instant, name)) + str(offset)
    assert resolve(text, name, None).publish_at == instant == resolve(text, None, None).publish_at


@quick
@given(milliseconds, zones, st.integers(-12 * 60, 14 * 60))
def test_another_offset_is_never_accepted(instant: datetime, name: str, minutes: int) -> None:
    offset = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    wall = written(clock(instant, name))
    found, code = resolve_or_code(wall + offset, name)
    if found is None:
        assert code == "timezone_conflict"
    else:
        assert offset_of(found, name) == offset
        assert found in {resolve(wall, name, fold).publish_at for fold in (0, 1)}


@quick
@given(milliseconds, zones)
def test_a_z_is_wall_clock_in_every_zone_and_always_warned_about(instant: datetime, name: str) -> None:
    wall = written(clock(instant, name))
    plain, zulu = resolve(wall, name, None), resolve(wall + "Z", name, None)
    assert (zulu.publish_at, zulu.intent) == (plain.publish_at, plain.intent)
    assert [w.code for w in zulu.warnings] == ["z_with_timezone", *(w.code for w in plain.warnings)]


@quick
@given(walls, st.timedeltas(timedelta(milliseconds=1), timedelta(days=2)), zones)
def test_a_later_wall_time_is_never_an_earlier_instant(wall: datetime, more: timedelta, name: str) -> None:
    first, _ = resolve_or_code(wall.isoformat(), name)
    second, _ = resolve_or_code((wall + more).isoformat(), name)
    assume(first is not None and second is not None)
    assert first < second  # type: ignore[operator]


time_like = st.from_regex(
    r"\A[0-9]{4}-?[0-9W][0-9]-?[0-9]{2}[Tt ]?([0-9]{2}:?){0,3}([.,][0-9]{0,9})?([Zz]|[+-][0-9]{2}:?[0-9]{0,2})?\Z"
)


@settings(quick, max_examples=400)
@given(st.text() | time_like, st.none() | st.text() | zones, st.sampled_from([None, 0, 1, 2, -1]), st.none() | zones)
@example("2027-06-15T09:00:00", "../../../etc/passwd", None, None)
@example("9998-12-31T23:59:59-12:00", None, 1, None)
@example("1900-01-01T00:00:00", "Asia/Manila", None, None)
@example("9998-12-31T23:59:59.999999", "Pacific/Kiritimati", None, None)
@example("٢027-06-15T09:00:00Z", None, None, None)
@example("2027-06-15T09:00:00Zß", None, None, None)
def test_any_text_is_either_an_instant_or_a_problem(text: str, name: str | None, fold: int | None, default: str | None) -> None:
    try:
        found = resolve(text, name, fold, default_timezone=default)
    except Problem as problem:
        assert problem.status == 400 and problem.pointer in ("/scheduledFor", "/timezone", "/fold")
        assert len(problem.detail) < 700
        problem.detail.encode("utf-8")
    else:
        assert found.publish_at.tzinfo is UTC
        assert found.publish_at.microsecond % 1000 == 0
        assert reresolve(found.intent) == found.publish_at
        assert parse_rfc3339(rfc3339(found.publish_at)) == found.publish_at


@quick
@given(milliseconds, milliseconds)
def test_sortable_texts_sort_as_the_instants_do_and_read_back(one: datetime, other: datetime) -> None:
    assert (sortable(one) < sortable(other)) == (one < other)
    assert len(sortable(one)) == 24
    assert parse_rfc3339(sortable(one)) == parse_rfc3339(rfc3339(one)) == one


@quick
@given(st.integers(1, LONGEST // SECOND))
def test_a_duration_reads_back_as_it_was_written(seconds: int) -> None:
    value = timedelta(seconds=seconds)
    assert parse_duration(format_duration(value), "/maxLateness") == value


@quick
@given(st.text() | st.from_regex(r"\A-?P([0-9]{1,12}[YMWD]){0,3}(T([0-9]{1,12}[HMS]){0,3})?\Z"))
def test_any_text_is_either_a_duration_or_a_problem(text: str) -> None:
    try:
        value = parse_duration(text, "/advance")
    except Problem as problem:
        assert (problem.code, problem.pointer) == ("invalid_request", "/advance")
    else:
        assert timedelta() < value <= LONGEST
