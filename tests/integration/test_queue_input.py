"""What a client gets wrong about queues: each refusal names the field and the rule, and nothing at all is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_checks import nothing_written, refused
from tests.harness import Dateline
from tests.integration.test_queues import NOON, define, reserve


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        running.second_workspace()
        yield running


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no name": ({"name": ...}, "invalid_request", "/name"),
    "no slots": ({"slots": ...}, "invalid_request", "/slots"),
    "an empty week": ({"slots": []}, "invalid_request", "/slots"),
    "a day that is none": ({"slots": [{"day": "moonday", "time": "09:30"}]}, "invalid_request", "/slots/0/day"),
    "a slot without a time": ({"slots": [{"day": "monday"}]}, "invalid_request", "/slots/0/time"),
    "a slot with more": ({"slots": [{"day": "monday", "time": "09:30", "zone": "UTC"}]}, "invalid_request", "/slots/0/zone"),
    "a number for a time": ({"slots": [{"day": "monday", "time": 930}]}, "invalid_request", "/slots/0/time"),
    "a misspelt zone": ({"timezone": "Europe/Berln"}, "unknown_timezone", "/timezone"),
    "a capacity in words": ({"capacity": "2"}, "invalid_request", "/capacity"),
    "half a place": ({"capacity": 1.5}, "invalid_request", "/capacity"),
    "a date that is none": ({"blackoutDates": ["2027-06-31"]}, "invalid_request", "/blackoutDates/0"),
    "somebody else's profile": ({"profileIds": ["prof_x", "prof_other"]}, "not_found", "/profileIds/1"),
    "a member that is none": ({"paused": True}, "invalid_request", "/paused"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_definition_is_refused_at_the_field_and_writes_nothing(dateline: Dateline, name: str) -> None:
    members, code, pointer = WRONG[name]
    queue = define(dateline)
    sent = {member: value for member, value in {**NOON, **members}.items() if value is not ...}
    edit = {member: None if value is ... else value for member, value in members.items()}
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/queues", sent), code, pointer)
        refused(dateline.api("PATCH", f"/v1/queues/{queue}", edit), code, pointer)
        refused(dateline.api("PATCH", f"/v1/queues/{queue}", {}), "invalid_request", "")


@pytest.mark.parametrize("wrong", ["PT59S", "PT24H1S", "P1M", "10", "", "PT0S"])
def test_a_reservation_lasts_from_a_minute_to_a_day(dateline: Dateline, wrong: str) -> None:
    queue = define(dateline)
    with nothing_written(dateline):
        refused(reserve(dateline, queue, wrong), "invalid_request", "/expiresIn")


@pytest.mark.parametrize("id", ["resv_", "resv_x", "resv_" + "Z" * 26, "resv_01K0000000000000000000000A", "post_1", "%00", "é"])
def test_a_reservation_that_never_was_is_404(dateline: Dateline, id: str) -> None:
    queue = define(dateline)
    with nothing_written(dateline):
        refused(dateline.api("DELETE", f"/v1/queues/{queue}/reservations/{id}"), "not_found")
