"""What Dateline says when it refuses: one exception, and the table of every code of the HTTP contract.

A `Problem` is written for the person who reads it: which field, which rule, which limit, what would work. It must never
carry a token, or a URL that holds one: it is logged and sent to the client as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

STATUS: dict[str, int] = {
    "invalid_request": 400,
    "invalid_time": 400,
    "timezone_required": 400,
    "timezone_conflict": 400,
    "unknown_timezone": 400,
    "nonexistent_local_time": 400,
    "scheduled_time_in_past": 400,
    "beyond_horizon": 400,
    "beyond_platform_horizon": 400,
    "content_invalid": 400,
    "too_close": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "limit_exceeded": 403,
    "platform_not_allowed": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "illegal_transition": 409,
    "revision_conflict": 409,
    "idempotency_conflict": 409,
    "idempotency_in_progress": 409,
    "duplicate_content": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "rate_limited": 429,
    "platform_daily_limit": 429,
    "internal_error": 500,
    "try_again": 503,
}
"""Every code a client can meet, with its HTTP status."""

TITLES: dict[str, str] = {
    "invalid_request": "The request is not valid",
    "invalid_time": "The time cannot be read",
    "timezone_required": "A time zone is needed",
    "timezone_conflict": "The offset and the time zone disagree",
    "unknown_timezone": "There is no such time zone",
    "nonexistent_local_time": "This local time does not exist",
    "scheduled_time_in_past": "The time has passed",
    "beyond_horizon": "The time is too far ahead",
    "beyond_platform_horizon": "The time is too far ahead for a platform",
    "content_invalid": "The content breaks a platform's rules",
    "too_close": "Too close to another post of the profile",
    "unauthorized": "A valid API key is needed",
    "forbidden": "The key does not allow this",
    "limit_exceeded": "A limit of the plan is reached",
    "platform_not_allowed": "The plan does not include this platform",
    "not_found": "Not found",
    "method_not_allowed": "The method is not allowed here",
    "illegal_transition": "Not possible in this state",
    "revision_conflict": "Changed by someone else in the meantime",
    "idempotency_conflict": "The idempotency key was used for another request",
    "idempotency_in_progress": "The first request with this idempotency key is still running",
    "duplicate_content": "The same content is already scheduled or published",
    "too_large": "The request is too large",
    "unsupported_media_type": "The media type is not supported",
    "rate_limited": "Too many requests",
    "platform_daily_limit": "The platform's daily limit is reached",
    "internal_error": "Something went wrong on our side",
    "try_again": "Please try again",
}
"""A short title for each code; it says the same thing each time, the detail says what happened this time."""

RESERVED = frozenset({"type", "title", "status", "code", "detail", "instance", "errors"})
"""Members of a problem document that `extra` may not take."""


class FieldError(NamedTuple):
    """One thing wrong with one field. `pointer` is a JSON pointer into the body, `extra` further members of this entry."""

    pointer: str
    code: str
    detail: str
    extra: Mapping[str, Any] = {}


class Problem(Exception):
    """A refusal with a stable `code` and a `detail` for people.

    `pointer` is the JSON pointer of the field at fault, None when no field is; `extra` holds the members that the
    contract names for the code (`nearest`, `platform`, `limitDays`, `from`, `to` …). `errors` lists every field at
    fault; where it is left out and there is a pointer, it holds that one. A FieldError's own code may be finer than
    the table (a rule's id such as `x.text.too_long`).

    Raises ValueError for a code outside `STATUS` and for an extra member that would hide a standard one.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        pointer: str | None = None,
        extra: Mapping[str, Any] | None = None,
        errors: Iterable[FieldError] = (),
    ) -> None:
        if code not in STATUS:
            raise ValueError(f"{code!r} is not a code of the contract")
        hidden = RESERVED.intersection(extra or ())
        if hidden:
            raise ValueError(f"extra may not hold {', '.join(sorted(hidden))}")
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.extra: Mapping[str, Any] = dict(extra or {})
        self.errors: tuple[FieldError, ...] = tuple(errors)
        if not self.errors and pointer is not None:
            self.errors = (FieldError(pointer, code, detail, self.extra),)
        # All five, so that a copy or a pickle of the exception is built from the same arguments.
        super().__init__(code, detail, pointer, self.extra, self.errors)

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" + (f" ({self.pointer})" if self.pointer else "")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.code]

    @property
    def title(self) -> str:
        """The title, always the same for a code."""
        return TITLES[self.code]
