"""Times and errors as Google writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.platforms._google import good, midnight, moment, refused, until_midnight, words_of, zulu
from dateline.platforms.base import Answer, Failed, Outcome, Retry, TokenRefused

NOW = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(days=-2000), timedelta(days=4000)).map(lambda offset: NOW + offset)


@given(INSTANTS)
def test_a_time_for_google_is_never_earlier_than_ours_and_less_than_a_second_later(at: datetime) -> None:
    read = moment(zulu(at))
    assert read is not None and timedelta(0) <= read - at < timedelta(seconds=1)


@given(INSTANTS)
def test_a_daily_quota_begins_anew_at_the_next_midnight_in_california(now: datetime) -> None:
    reset = midnight(now)
    there = reset.astimezone(ZoneInfo("America/Los_Angeles"))
    assert (there.hour, there.minute, there.second) == (0, 0, 0)
    assert timedelta(0) < reset - now <= timedelta(hours=25)
    assert 0 < until_midnight(now) <= 86_400


@pytest.mark.parametrize(("written", "read"), [
    ("2026-06-15T09:00:00Z", NOW), ("2026-06-15T11:00:00+02:00", NOW), ("2026-06-15T09:00:00.000000001Z", NOW),
    ("2026-06-15T09:00:00.5Z", NOW + timedelta(seconds=0.5)), ("2026-06-15", None), ("", None), (None, None),
])
def test_googles_times_are_read_with_up_to_nine_decimals(written: str | None, read: datetime | None) -> None:
    assert moment(written) == read


def answer(status: int, body: Any, **headers: str) -> Answer:
    return Answer(status, headers, json.dumps(body).encode())


@pytest.mark.parametrize(("said", "kind", "code", "after"), [
    (answer(403, {"error": {"errors": [{"reason": "quotaExceeded"}]}}), Retry, "quota_exceeded", 22 * 3600 + 60.0),
    (answer(429, {"error": {"status": "RESOURCE_EXHAUSTED"}}), Retry, "rate_limited", None),
    (answer(429, {}, **{"retry-after": "7"}), Retry, "rate_limited", 7.0),
    (answer(429, {"error": {"details": [{"retryDelay": "30s"}]}}), Retry, "rate_limited", 30.0),
    (answer(400, {"error": {"status": "UNAUTHENTICATED"}}), TokenRefused, "token_refused", None),
    (answer(401, {}), TokenRefused, "token_refused", None),
    (answer(403, {"error": {"details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}), Failed, "scope_missing", None),
    (answer(403, {"error": "forbidden"}), Failed, "rejected", None), (answer(400, ["no object"]), Failed, "rejected", None),
    (Answer(404, {}, b"<html>"), Failed, "rejected", None),
])
def test_either_shape_of_an_error_says_what_follows(said: Answer, kind: type[Outcome], code: str, after: float | None) -> None:
    outcome = refused("Google", said, NOW)
    assert type(outcome) is kind
    assert (outcome.code, getattr(outcome, "after", None)) == (code, after)
    with pytest.raises(kind):
        good("Google", said, NOW)


def test_words_have_neither_markup_nor_links_and_are_not_long() -> None:
    message = 'Exceeded your <a href="/start#quota">quota</a>. See https://console.example/quota?project=1 for more. ' + "x" * 400
    words = words_of(answer(403, {"error": {"message": message}}))
    assert words.startswith("Exceeded your quota. See for more. xxx")
    assert len(words) == 300
