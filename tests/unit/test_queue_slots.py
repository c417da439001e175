"""Slots of a queue: which instants they are, in every zone and whatever its clocks do; and which definitions are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dateline.domain.errors import Problem
from dateline.domain.ids import new_id, time_of
from dateline.domain.instants import rfc3339
from dateline.domain.queues import DAYS, Definition, Slot, checked, intent_of, slots_from
from dateline.domain.time import Intent, reresolve
from dateline.domain.zones import zone, zone_names

quick = settings(deadline=None, max_examples=200, derandomize=True, database=None)

ODD = {
    "Australia/Lord_Howe": (2027, 2028), "Antarctica/Troll": (2006, 2028), "Pacific/Apia": (2011, 2012),
    "Africa/Casablanca": (2019, 2028), "Asia/Kolkata": (2027, 2028), "Asia/Kathmandu": (2027, 2028),
    "America/St_Johns": (1987, 2011), "Pacific/Kwajalein": (1993, 1994), "Asia/Manila": (1978, 1979),
    "Europe/Dublin": (1968, 1972), "America/Sao_Paulo": (2017, 2019), "Asia/Gaza": (2023, 2028), "Africa/Cairo": (2023, 2028),
    "America/Juneau": (1983, 1984),
}
"""Half an hour, two hours, a day left out, clocks that change at midnight, every Ramadan, or by less than an hour."""


def week(*slots: str, zone: str = "UTC", **more: Any) -> Definition:
    """`week("monday 09:30")`."""
    pairs = [(day, at) for day, _, at in (slot.partition(" ") for slot in slots)]
    return checked(**{
        "name": "Q", "timezone": zone, "slots": pairs, "capacity": 1, "blackout_dates": (), "profile_ids": (), **more,
    })


def daily(*times: str, zone: str, **more: Any) -> Definition:
    return week(*(f"{day} {at}" for day in DAYS for at in times), zone=zone, **more)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(definition: Definition, after: str, until: str) -> list[str]:
    return [rfc3339(slot) for slot in slots_from(definition, utc(after), utc(until))]


def test_a_slot_keeps_its_local_time_over_a_change_of_the_clocks() -> None:
    queue = week("monday 09:30", zone="America/New_York")
    assert shown(queue, "2027-10-31", "2027-11-16") == ["2027-11-01T13:30:00Z", "2027-11-08T14:30:00Z", "2027-11-15T14:30:00Z"]


def test_slots_are_later_than_the_first_instant_and_not_later_than_the_last() -> None:
    queue = daily("12:00", zone="UTC")
    assert shown(queue, "2027-06-15T12:00", "2027-06-16T12:00") == ["2027-06-16T12:00:00Z"]
    assert shown(queue, "2027-06-15T11:59:59.999", "2027-06-15T12:00") == ["2027-06-15T12:00:00Z"]
    assert shown(queue, "2027-06-15T12:00", "2027-06-15T12:00") == []


def test_a_time_in_the_gap_moves_on_by_the_gap_and_what_it_meets_there_is_one_slot() -> None:
    queue = daily("02:15", "02:30", "03:30", zone="Europe/Berlin")
    spring = shown(queue, "2028-03-25T22:00", "2028-03-26T12:00")
    assert spring == ["2028-03-26T01:15:00Z", "2028-03-26T01:30:00Z"], "03:15, and 03:30 once"
    lord_howe = daily("02:15", "02:40", zone="Australia/Lord_Howe")
    assert shown(lord_howe, "2027-10-02T12:00", "2027-10-02T22:00") == ["2027-10-02T15:40:00Z", "2027-10-02T15:45:00Z"]


def test_a_time_that_comes_twice_is_the_first_one_and_one_slot() -> None:
    assert shown(daily("02:30", zone="Europe/Berlin"), "2027-10-30T22:00", "2027-10-31T12:00") == ["2027-10-31T00:30:00Z"]
    assert shown(daily("01:45", zone="Australia/Lord_Howe"), "2027-04-03T12:00", "2027-04-04T00:00") == ["2027-04-03T14:45:00Z"]


def test_the_day_that_apia_left_out_meets_the_next_one_in_order() -> None:
    queue = week("friday 09:00", "friday 23:00", "saturday 09:00", "saturday 10:00", zone="Pacific/Apia")
    # Friday the 30th never came: it is a day later, between and upon the slots of Saturday the 31st.
    assert shown(queue, "2011-12-29T00:00", "2012-01-01T00:00") == [
        "2011-12-30T19:00:00Z", "2011-12-30T20:00:00Z", "2011-12-31T09:00:00Z",
    ]


def test_a_blackout_date_has_no_slots_neither_its_own_nor_shifted_ones() -> None:
    at_noon = daily("12:00", zone="Asia/Tokyo", blackout_dates=["2027-06-16"])
    assert shown(at_noon, "2027-06-14T15:00", "2027-06-17T15:00") == ["2027-06-15T03:00:00Z", "2027-06-17T03:00:00Z"]
    for closed in ("2011-12-30", "2011-12-31"):
        apia = week("friday 23:00", zone="Pacific/Apia", blackout_dates=[closed])
        assert shown(apia, "2011-12-29T12:00", "2012-01-02T00:00") == []


def test_a_blackout_date_is_a_date_of_the_queues_own_zone() -> None:
    queue = daily("00:30", "23:30", zone="America/Los_Angeles", blackout_dates=["2027-06-16"])
    assert shown(queue, "2027-06-16T00:00", "2027-06-17T10:00") == ["2027-06-16T06:30:00Z", "2027-06-17T07:30:00Z"]


def test_a_post_in_a_shifted_slot_keeps_the_time_that_the_clocks_show() -> None:
    queue = daily("02:30", zone="Europe/Berlin")
    (slot,) = slots_from(queue, utc("2028-03-25T22:00"), utc("2028-03-26T12:00"))
    assert intent_of(queue, slot) == Intent("2028-03-26T03:30:00", "Europe/Berlin", 0)


times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
slots = st.lists(st.builds(Slot, st.integers(0, 6), times), min_size=1, max_size=12, unique=True)
some_zones = st.one_of(st.sampled_from(sorted(ODD)), st.sampled_from(sorted(zone_names())))


@st.composite
def spans(draw: st.DrawFn) -> tuple[str, datetime, datetime]:
    """A zone, and a span of up to five weeks, in odd zones within the years that make them so."""
    name = draw(some_zones)
    first, last = ODD.get(name, (1930, 2040))
    start = datetime(first, 1, 1, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, (last - first) * 365 * 1440)))
    return name, start, start + timedelta(minutes=draw(st.integers(0, 35 * 1440)))


def by_the_rule(definition: Definition, after: datetime, until: datetime) -> set[datetime]:
    """Every wall time of every date round about, one by one, as a stored intent is resolved again."""
    day, found = (after - timedelta(days=3)).date(), set()
    while day <= (until + timedelta(days=3)).date():
        for slot in definition.slots:
            if slot.day == day.weekday() and day.isoformat() not in definition.blackout_dates:
                at = reresolve(Intent(f"{day.isoformat()}T{slot.time}:00", definition.timezone))
                if at.astimezone(zone(definition.timezone)).date().isoformat() not in definition.blackout_dates:
                    found.add(at)
        day += timedelta(days=1)
    return {at for at in found if after < at <= until}


@quick
@given(spans(), slots, st.sets(st.integers(0, 40), max_size=5))
@example(("Pacific/Apia", datetime(2011, 12, 25, tzinfo=UTC), datetime(2012, 1, 5, tzinfo=UTC)),
         [Slot(day, at) for day in (3, 4, 5) for at in ("00:00", "12:00", "23:59")], set())
@example(("Australia/Lord_Howe", datetime(2027, 9, 28, tzinfo=UTC), datetime(2027, 10, 5, tzinfo=UTC)),
         [Slot(6, f"02:{minute:02}") for minute in range(0, 60, 5)], set())
@example(("Antarctica/Troll", datetime(2027, 3, 20, tzinfo=UTC), datetime(2027, 4, 2, tzinfo=UTC)),
         [Slot(6, f"0{hour}:30") for hour in range(6)], set())
@example(("Africa/Casablanca", datetime(2027, 2, 1, tzinfo=UTC), datetime(2027, 3, 20, tzinfo=UTC)),
         [Slot(6, f"0{hour}:30") for hour in range(6)], set())
def test_slots_are_those_of_the_rule_in_order_and_each_once(
    span: tuple[str, datetime, datetime], of_week: list[Slot], closed: set[int]
) -> None:
    name, after, until = span
    dates = tuple(sorted((after + timedelta(days=days)).date().isoformat() for days in closed))
    definition = Definition("Q", name, tuple(sorted(of_week)), 1, dates)
    found = list(slots_from(definition, after, until))
    assert found == sorted(set(found)) and set(found) == by_the_rule(definition, after, until)
    assert all(slot.tzinfo is UTC for slot in found)


@quick
@given(spans(), slots, st.integers(0, 35 * 1440))
def test_going_on_where_one_stopped_leaves_nothing_out_and_says_nothing_twice(
    span: tuple[str, datetime, datetime], of_week: list[Slot], minutes: int
) -> None:
    name, after, until = span
    definition, middle = Definition("Q", name, tuple(sorted(of_week))), after + timedelta(minutes=minutes)
    parts = [*slots_from(definition, after, min(middle, until)), *slots_from(definition, min(middle, until), until)]
    assert parts == list(slots_from(definition, after, until))


@quick
@given(spans(), slots)
def test_a_slot_shows_its_own_time_on_the_clocks_but_where_the_clocks_leave_it_out(
    span: tuple[str, datetime, datetime], of_week: list[Slot]
) -> None:
    name, after, until = span
    definition, place = Definition("Q", name, tuple(sorted(of_week))), zone(name)
    for slot in slots_from(definition, after, until):
        wall = slot.astimezone(place)
        intent = intent_of(definition, slot)
        assert reresolve(intent) == slot and intent.fold == wall.fold
        if Slot(wall.weekday(), f"{wall:%H:%M}") not in of_week:
            shifts = [
                datetime.combine(wall.date() - timedelta(days=back), time.fromisoformat(one.time), place).astimezone(UTC) == slot
                for back in (0, 1) for one in of_week if one.day == (wall.date() - timedelta(days=back)).weekday()
            ]
            assert any(shifts), "only a slot in a gap is seen at another time"
        else:
            assert wall.fold == 0, "of two equal local times the first"


def test_a_full_year_has_every_slot_but_those_of_its_blackout_dates() -> None:
    times = [f"{hour:02}:{minute:02}" for hour in range(8, 15) for minute in (0, 30)]
    full = daily(*times, zone="Europe/Berlin", blackout_dates=[(date(2027, 1, 1) + timedelta(n)).isoformat() for n in range(5)])
    assert len(list(slots_from(full, utc("2027-01-01"), utc("2028-01-01")))) == 360 * 14


REFUSED: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "no name": ({"name": " "}, [("/name", "1 to 200")]),
    "a long name": ({"name": "n" * 201}, [("/name", "1 to 200")]),
    "a misspelt zone": ({"timezone": "Europe/Berln"}, [("/timezone", "Did you mean Europe/Berlin")]),
    "no slots": ({"slots": []}, [("/slots", "1 to 100")]),
    "101 slots": ({"slots": [("monday", f"{n // 60:02}:{n % 60:02}") for n in range(101)]}, [("/slots", "this has 101")]),
    "a day in capitals": ({"slots": [("Monday", "09:30")]}, [("/slots/0/day", "monday, tuesday")]),
    "a time without its zero": ({"slots": [("monday", "9:30")]}, [("/slots/0/time", "Write it as 09:30")]),
    "a time with seconds": ({"slots": [("monday", "09:30:00")]}, [("/slots/0/time", "whole minutes: 09:30")]),
    "the end of the day": ({"slots": [("monday", "24:00")]}, [("/slots/0/time", "00:00 of the next day")]),
    "no such minute": ({"slots": [("monday", "09:60")]}, [("/slots/0/time", "09:30")]),
    "other digits": ({"slots": [("monday", "٠٩:٣٠")]}, [("/slots/0/time", "09:30")]),
    "a slot twice": (
        {"slots": [("monday", "09:30"), ("sunday", "09:30"), ("monday", "09:30")]}, [("/slots/2", "slots/0 is monday at 09:30")]
    ),
    "no capacity": ({"capacity": 0}, [("/capacity", "1 to 25")]),
    "much capacity": ({"capacity": 26}, [("/capacity", "not 26")]),
    "a date that is none": ({"blackout_dates": ["2027-02-29"]}, [("/blackoutDates/0", "is no date")]),
    "a date in another form": ({"blackout_dates": ["20270615"]}, [("/blackoutDates/0", "like 2027-12-24")]),
    "367 dates": (
        {"blackout_dates": [(date(2027, 1, 1) + timedelta(n)).isoformat() for n in range(367)]},
        [("/blackoutDates", "at most 366")],
    ),
    "a profile twice": ({"profile_ids": ["prof_x", "prof_x"]}, [("/profileIds/1", "twice")]),
    "26 profiles": ({"profile_ids": [f"prof_{n}" for n in range(26)]}, [("/profileIds", "at most 25")]),
    "everything at once": (
        {"name": "", "slots": [("someday", "09:30"), ("monday", "noon")], "capacity": 99, "timezone": "+02:00"},
        [("/name", "name"), ("/timezone", "offset"), ("/slots/0/day", "someday"), ("/slots/1/time", "noon"), ("/capacity", "99")],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_definition_that_cannot_be_meant_is_refused_with_every_fault(name: str) -> None:
    members, faults = REFUSED[name]
    with pytest.raises(Problem) as caught:
        week("monday 09:30", **members)
    assert [error.pointer for error in caught.value.errors] == [pointer for pointer, _ in faults]
    for error, (_, words) in zip(caught.value.errors, faults, strict=True):
        assert words in error.detail


def test_a_definition_is_kept_in_order_and_each_date_once() -> None:
    queue = week("sunday 08:00", "monday 09:30", "monday 08:00", blackout_dates=["2027-12-25", "2027-12-24", "2027-12-25"])
    assert queue.slots == (Slot(0, "08:00"), Slot(0, "09:30"), Slot(6, "08:00"))
    assert queue.blackout_dates == ("2027-12-24", "2027-12-25")


@quick
@given(st.integers(0, 4_000_000_000_000))
def test_an_id_tells_the_moment_it_was_made_with(milliseconds: int) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds // 1000 * 1000)
    assert time_of(new_id("resv", at)) == at


@pytest.mark.parametrize(
    "id", ["", "resv_", "resv_" + "Z" * 26, "resv_" + "7" * 26, "a781b673bb91f3c558a04b7892", "resv_" + "é" * 26]
)
def test_a_text_that_is_no_id_has_no_moment(id: str) -> None:
    assert time_of(id) is None
