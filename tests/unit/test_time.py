"""The time rules case by case; docs/time.md holds the plain examples, this file what a table cannot say."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from dateline.domain import zones as database
from dateline.domain.errors import Problem
from dateline.domain.instants import format_duration, parse_duration, parse_rfc3339, rfc3339, sortable
from dateline.domain.time import Intent, check_window, reresolve, resolve
from dateline.domain.zones import zone, zone_names

NEW_YORK = "America/New_York"
NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)


def refused(scheduled_for: str, timezone: str | None = None, fold: int | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        resolve(scheduled_for, timezone, fold)
    return caught.value


def refused_at(publish_at: datetime, days: int | None = 365, **horizons: tuple[str, int]) -> Problem:
    with pytest.raises(Problem) as caught:
        check_window(publish_at, NOW, max_horizon_days=days, platform_horizons=horizons)
    return caught.value


def test_the_wall_time_and_zone_are_kept_as_the_intent() -> None:
    assert resolve("2027-06-15T09:00:00", NEW_YORK, None).intent == Intent("2027-06-15T09:00:00", NEW_YORK, 0)
    assert resolve("2027-06-15T09:00Z", NEW_YORK, None).intent == Intent("2027-06-15T09:00:00", NEW_YORK, 0)
    assert resolve("2027-06-15T09:00:00.25-04:00", NEW_YORK, None).intent == Intent("2027-06-15T09:00:00.250", NEW_YORK, 0)


def test_an_absolute_time_is_kept_as_its_instant() -> None:
    assert resolve("2027-06-15T09:00:00+05:30", None, None).intent == Intent("2027-06-15T03:30:00Z", None, 0)


def test_the_workspace_zone_becomes_part_of_the_intent_where_it_was_used() -> None:
    assert resolve("2027-06-15T09:00:00", None, None, default_timezone="Asia/Kolkata").intent.timezone == "Asia/Kolkata"
    assert resolve("2027-06-15T09:00:00Z", None, None, default_timezone="Asia/Kolkata").intent.timezone is None
    assert resolve("2027-06-15T09:00:00", NEW_YORK, None, default_timezone="Asia/Kolkata").intent.timezone == NEW_YORK


def test_an_offset_in_an_overlap_is_kept_as_the_fold() -> None:
    assert resolve("2027-11-07T01:30:00-04:00", NEW_YORK, None).intent.fold == 0
    assert resolve("2027-11-07T01:30:00-05:00", NEW_YORK, None).intent.fold == 1


def test_a_fold_is_kept_where_it_has_no_effect_because_the_rules_of_the_zone_may_change() -> None:
    assert resolve("2027-06-15T09:00:00", NEW_YORK, 1).intent.fold == 1


def test_an_intent_survives_storage() -> None:
    for intent in (Intent("2027-11-07T01:30:00", NEW_YORK, 1), Intent("2027-06-15T03:30:00Z", None)):
        assert Intent.from_dict(intent.as_dict()) == intent
    read = Intent.from_dict({"local": "2027-11-07T01:30:00", "timezone": NEW_YORK, "fold": Decimal(1)})
    assert read == Intent("2027-11-07T01:30:00", NEW_YORK, 1) and type(read.fold) is int


@pytest.mark.parametrize(
    ("scheduled_for", "timezone", "fold", "code", "pointer"),
    [
        ("soon", None, None, "invalid_time", "/scheduledFor"),
        ("2027-06-15T09:00:00", None, None, "timezone_required", "/scheduledFor"),
        ("2027-06-15T09:00:00-07:00", NEW_YORK, None, "timezone_conflict", "/scheduledFor"),
        ("2027-03-14T02:30:00", NEW_YORK, None, "nonexistent_local_time", "/scheduledFor"),
        ("2027-06-15T09:00:00", "Nowhere", None, "unknown_timezone", "/timezone"),
        ("2027-11-07T01:30:00-04:00", NEW_YORK, 1, "timezone_conflict", "/fold"),
        ("2027-06-15T09:00:00", NEW_YORK, 2, "invalid_request", "/fold"),
        ("2027-06-15T09:00:00", NEW_YORK, True, "invalid_request", "/fold"),
    ],
)
def test_a_refusal_points_at_its_field(
    scheduled_for: str, timezone: str | None, fold: int | None, code: str, pointer: str
) -> None:
    problem = refused(scheduled_for, timezone, fold)
    assert (problem.code, problem.pointer, problem.status) == (code, pointer, 400)


def test_an_offset_conflict_names_every_offset_the_zone_has_then() -> None:
    assert refused("2027-06-15T09:00:00-07:00", NEW_YORK).extra == {"timezone": NEW_YORK, "offsets": ["-04:00"]}
    assert refused("2027-11-07T01:30:00-07:00", NEW_YORK).extra == {"timezone": NEW_YORK, "offsets": ["-04:00", "-05:00"]}


def test_a_gap_of_a_whole_day_names_the_days_around_it() -> None:
    assert refused("2011-12-30T12:00:00", "Pacific/Apia").extra == {"nearest": ["2011-12-29T23:59:59", "2011-12-31T00:00:00"]}


def test_a_fraction_of_the_last_second_before_a_gap_still_exists_and_the_first_inside_does_not() -> None:
    assert rfc3339(resolve("2027-03-14T01:59:59.999", NEW_YORK, None).publish_at) == "2027-03-14T06:59:59.999Z"
    for inside in ("2027-03-14T02:00:00", "2027-03-14T02:59:59.999"):
        assert refused(inside, NEW_YORK).extra == {"nearest": ["2027-03-14T01:59:59", "2027-03-14T03:00:00"]}


def test_an_unknown_zone_of_the_workspace_is_refused_too() -> None:
    with pytest.raises(Problem, match="unknown_timezone"):
        resolve("2027-06-15T09:00:00", None, None, default_timezone="Nowhere")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("america/new_york", NEW_YORK),
        ("America/New York", NEW_YORK),
        ("Europe/New_York", NEW_YORK),
        ("berlin", "Europe/Berlin"),
        ("port au prince", "America/Port-au-Prince"),
        ("Asia/Calcuta", "Asia/Calcutta"),
        ("utc", "UTC"),
        ("Z", "UTC"),
    ],
)
def test_a_misspelt_zone_is_answered_with_the_right_one_first(name: str, first: str) -> None:
    suggestions = refused("2027-06-15T09:00:00", name).extra["suggestions"]
    assert suggestions[0] == first
    assert len(suggestions) <= 3


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "/", "../../etc/passwd", "/etc/passwd", "/usr/share/zoneinfo/UTC", "Europe/../UTC", "Europe//Berlin",
        "./UTC", "UTC/", "Europe", "localtime", "posixrules", "Factory", "posix/UTC", "right/UTC", "zone.tab",
        "tzdata.zi", "leapseconds", "UTC\n", "UTC\0", " UTC", "europe/berlin", "EUROPE/BERLIN", "C:\\UTC", "Europe\\Berlin",
        "\ud800", "x" * 100_000,
    ],
)  # fmt: skip
def test_a_zone_name_that_is_no_name_of_the_database_opens_no_file(name: str) -> None:
    problem = refused("2027-06-15T09:00:00", name)
    assert problem.code == "unknown_timezone"
    assert len(problem.detail) < 400
    problem.detail.encode("utf-8")  # nothing that could break the answer or the log line


def test_a_zone_comes_from_the_bundled_database_and_not_from_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def system(name: str) -> None:
        raise AssertionError("the system's database was asked")

    monkeypatch.setattr(database, "available_timezones", system)
    database._load.cache_clear()
    database.zone_names.cache_clear()
    assert zone("America/Coyhaique").key == "America/Coyhaique"


def test_without_the_bundle_the_machine_s_database_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    caches = (database._bundle, database._load, database.zone_names)
    for one in caches:
        one.cache_clear()
    monkeypatch.setattr(database, "find_spec", lambda name: None)
    try:
        assert NEW_YORK in zone_names() and "localtime" not in zone_names()
        assert rfc3339(resolve("2027-06-15T09:00:00", NEW_YORK, None).publish_at) == "2027-06-15T13:00:00Z"
    finally:
        for one in caches:
            one.cache_clear()


def test_a_long_or_unprintable_text_is_quoted_short_and_escaped() -> None:
    detail = refused("\ud800\x1b" + "9" * 10_000).detail
    assert len(detail) < 300 and "\\ud800\\x1b" in detail


@pytest.mark.parametrize(
    "near", ["2027-06-15 09:00:00z", " 2027-06-15T09:00:00Z\n", "2027-06-15T09:00:00 Z", "2027-06-15t09:00:00Z"]
)
def test_a_near_miss_is_answered_with_a_text_that_works(near: str) -> None:
    mended = refused(near).detail.rpartition("Write it as ")[2].rstrip(".")
    assert rfc3339(resolve(mended, None, None).publish_at) == "2027-06-15T09:00:00Z"


def test_a_repair_that_would_be_refused_itself_is_not_offered() -> None:
    assert "2027-02-30T" not in refused("2027-02-30 09:00:00").detail


def test_digits_of_other_scripts_are_not_digits() -> None:
    assert refused("٢٠٢٧-06-15T09:00:00Z").code == "invalid_time"


def test_the_last_year_can_be_converted_at_every_offset() -> None:
    assert rfc3339(resolve("9998-12-31T23:59:59-12:00", None, None).publish_at) == "9999-01-01T11:59:59Z"
    assert rfc3339(resolve("1900-01-01T00:00:00+14:00", None, None).publish_at) == "1899-12-31T10:00:00Z"
    for outside in ("9999-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "0000-01-01T00:00:00Z"):
        assert refused(outside).code == "invalid_time"


def test_the_overlap_warning_names_both_instants_and_how_to_choose() -> None:
    (warning,) = resolve("2027-11-07T01:30:00", NEW_YORK, None).warnings
    assert warning.code == "ambiguous_local_time"
    for part in ("2027-11-07T05:30:00Z (-04:00)", "2027-11-07T06:30:00Z (-05:00)", "fold: 1", "fold: 0"):
        assert part in warning.detail


def test_z_in_a_zone_takes_the_fold_and_warns_with_the_instant_taken() -> None:
    found = resolve("2027-11-07T01:30:00Z", NEW_YORK, 1)
    assert rfc3339(found.publish_at) == "2027-11-07T06:30:00Z"
    assert [w.code for w in found.warnings] == ["z_with_timezone"]
    assert "2027-11-07T06:30:00Z" in found.warnings[0].detail


def test_the_server_s_own_instant_has_come_and_the_next_millisecond_has_not() -> None:
    problem = refused_at(NOW)
    assert (problem.code, problem.pointer) == ("scheduled_time_in_past", "/scheduledFor")
    assert problem.extra == {"publishAt": "2027-01-01T12:00:00Z", "now": "2027-01-01T12:00:00Z"}
    check_window(NOW + timedelta(milliseconds=1), NOW, max_horizon_days=365)


def test_a_horizon_is_allowed_to_the_second_and_refused_beyond() -> None:
    check_window(NOW + timedelta(days=365), NOW, max_horizon_days=365)
    for late in (timedelta(days=365, seconds=1), timedelta(days=366)):
        problem = refused_at(NOW + late)
        assert problem.code == "beyond_horizon"
        assert problem.extra == {"limitDays": 365, "latest": "2028-01-01T12:00:00Z"}


def test_the_latest_time_that_a_refusal_names_is_accepted() -> None:
    latest = refused_at(NOW + timedelta(days=400)).extra["latest"]
    check_window(parse_rfc3339(latest), NOW, max_horizon_days=365)


@pytest.mark.parametrize("lifted", [None, 0])
def test_without_a_horizon_any_future_time_is_allowed(lifted: int | None) -> None:
    check_window(datetime(9998, 12, 31, tzinfo=UTC), NOW, max_horizon_days=lifted)


def test_a_horizon_longer_than_the_calendar_does_no_harm() -> None:
    check_window(NOW + timedelta(days=1), NOW, max_horizon_days=999_999_999)


def test_every_platform_that_cannot_wait_that_long_is_named_the_nearest_first() -> None:
    problem = refused_at(NOW + timedelta(days=80), a=("Alpha", 75), b=("Beta", 29), c=("Gamma", 90))
    assert problem.code == "beyond_platform_horizon"
    assert (problem.extra["platform"], problem.extra["limitDays"]) == ("b", 29)
    assert [error.extra["platform"] for error in problem.errors] == ["b", "a"]
    assert {error.pointer for error in problem.errors} == {"/scheduledFor"}
    assert "Beta" in problem.detail and "Alpha" in problem.detail and "Gamma" not in problem.detail


def test_the_deployment_s_horizon_comes_before_a_platform_s() -> None:
    assert refused_at(NOW + timedelta(days=366), b=("Beta", 29)).code == "beyond_horizon"


def test_a_local_time_that_has_become_nonexistent_moves_forward_by_the_gap() -> None:
    instant = reresolve(Intent("2027-03-14T02:30:00", NEW_YORK, 0))
    assert instant.astimezone(zone(NEW_YORK)).isoformat() == "2027-03-14T03:30:00-04:00"
    assert reresolve(Intent("2027-03-14T02:30:00", NEW_YORK, 1)) == instant


def test_resolving_again_keeps_the_choice_in_an_overlap() -> None:
    for fold in (0, 1):
        found = resolve("2027-11-07T01:30:00", NEW_YORK, fold)
        assert reresolve(found.intent) == found.publish_at


def test_an_idle_fold_does_not_disturb_resolving_again() -> None:
    assert rfc3339(reresolve(Intent("2027-06-15T09:00:00", NEW_YORK, 1))) == "2027-06-15T13:00:00Z"


def test_a_zone_that_is_gone_is_reported_and_not_guessed() -> None:
    with pytest.raises(Problem, match="unknown_timezone"):
        reresolve(Intent("2027-06-15T09:00:00", "America/Gone", 0))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(), "PT0S"),
        (timedelta(minutes=30), "PT30M"),
        (timedelta(hours=36), "P1DT12H"),
        (timedelta(weeks=1), "P7D"),
        (timedelta(seconds=3661, microseconds=999_999), "PT1H1M1S"),
    ],
)
def test_a_duration_is_written_short(value: timedelta, text: str) -> None:
    assert format_duration(value) == text


def test_a_negative_duration_is_not_written() -> None:
    with pytest.raises(ValueError, match="negative"):
        format_duration(timedelta(seconds=-1))


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1DT", "T1H", "P1", "1D", "P1D ", "P1D\n", "P1H", "PT1D", "PT1M1H", "P٣D", "P" + "9" * 5000 + "D"],
)
def test_half_a_duration_is_refused_at_its_field(text: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_duration(text, "/maxLateness")
    assert (caught.value.code, caught.value.pointer) == ("invalid_request", "/maxLateness")


def test_an_instant_is_written_in_utc_whatever_zone_it_carries() -> None:
    india = datetime(2027, 6, 15, 9, 0, 0, 250_999, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert rfc3339(india) == "2027-06-15T03:30:00.250Z"
    assert rfc3339(india.replace(microsecond=999)) == "2027-06-15T03:30:00Z"
    assert sortable(india.replace(microsecond=0)) == "2027-06-15T03:30:00.000Z"


def test_a_time_without_a_zone_is_never_written() -> None:
    for write in (rfc3339, sortable):
        with pytest.raises(ValueError, match="not an instant"):
            write(NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    "text",
    ["", "2027-06-15", "2027-06-15T09:00Z", "2027-06-15T09:00:00", "2027-06-15T09:00:00+00:00", "2027-W24-2T09:00:00Z"],
)
def test_a_stored_time_that_we_did_not_write_is_not_read(text: str) -> None:
    with pytest.raises(ValueError):
        parse_rfc3339(text)


def test_reading_a_time_that_is_right_does_not_load_difflib() -> None:
    code = (
        "import sys; from dateline.domain.time import resolve; resolve('2027-06-15T09:00:00', 'Europe/Berlin', None);"
        "print(sorted({'difflib', 'importlib.resources', 'calendar', 'requests', 'botocore'} & set(sys.modules)))"
    )
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.strip() == "[]"
