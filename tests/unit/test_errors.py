"""The error table and the exception that carries one of its codes."""

from __future__ import annotations

import copy
import pickle

import pytest

from dateline.domain.errors import STATUS, TITLES, FieldError, Problem

# The contract's table, written down a second time so that a slip in either is seen.
CONTRACT = {
    400: "invalid_request invalid_time timezone_required timezone_conflict unknown_timezone nonexistent_local_time "
    "scheduled_time_in_past beyond_horizon beyond_platform_horizon content_invalid too_close",
    401: "unauthorized",
    403: "forbidden limit_exceeded platform_not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    409: "illegal_transition revision_conflict idempotency_conflict idempotency_in_progress duplicate_content",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited platform_daily_limit",
    500: "internal_error",
    503: "try_again",
}


def test_every_code_of_the_contract_has_its_status_and_there_are_no_others() -> None:
    assert {code: status for status, codes in CONTRACT.items() for code in codes.split()} == STATUS


def test_every_code_has_a_title_of_its_own() -> None:
    assert TITLES.keys() == STATUS.keys()
    assert len(set(TITLES.values())) == len(TITLES)


def test_a_problem_knows_its_status_and_title() -> None:
    problem = Problem("illegal_transition", "Too late to cancel.", extra={"from": "published", "to": "cancelled"})
    assert (problem.status, problem.title) == (409, TITLES["illegal_transition"])
    assert problem.extra == {"from": "published", "to": "cancelled"}
    assert problem.errors == ()


def test_a_problem_with_a_pointer_lists_that_field() -> None:
    problem = Problem("invalid_time", "No.", pointer="/scheduledFor", extra={"a": 1})
    assert problem.errors == (FieldError("/scheduledFor", "invalid_time", "No.", {"a": 1}),)
    assert str(problem) == "invalid_time: No. (/scheduledFor)"


def test_a_list_of_field_errors_is_kept_as_given() -> None:
    errors = [FieldError("/text", "x.text.too_long", "Too long."), FieldError("/media", "x.media.too_many", "Too many.")]
    assert Problem("content_invalid", "Two rules are broken.", errors=errors).errors == tuple(errors)


def test_a_code_outside_the_contract_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no_such_code"):
        Problem("no_such_code", "…")


def test_an_extra_member_cannot_hide_a_standard_one() -> None:
    with pytest.raises(ValueError, match="status"):
        Problem("invalid_time", "…", extra={"status": 200})


def test_a_problem_survives_copying_and_pickling() -> None:
    problem = Problem("too_close", "Too close.", "/scheduledFor", {"minSpacingMinutes": 5})
    for twin in (copy.copy(problem), pickle.loads(pickle.dumps(problem))):
        assert (twin.code, twin.detail, twin.pointer, twin.extra, twin.errors) == (
            problem.code, problem.detail, problem.pointer, problem.extra, problem.errors,
        )
