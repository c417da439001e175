"""One HTTP request, read from an API Gateway event (payload 2.0), with everything that can be wrong about its envelope."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ..domain.errors import FieldError, Problem
from ..domain.plain_json import TOO_DEEP, unstorable
from ..domain.plain_json import pointed as pointed
from ..domain.time import resolve as resolve_time
from ..usecases.write import Actor
from ..wiring import Deps

MOST_BODY_BYTES = 1_000_000
"""A JSON body (contract: 1 MB)."""

MOST_CURSOR = 512
"""Characters of a cursor."""


class Request(NamedTuple):
    """What a route gets. `headers` have lower-case names, `query` every value of each name."""

    deps: Deps
    actor: Actor
    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, list[str]]
    event: Mapping[str, Any]

    def body(self) -> dict[str, Any]:
        """The JSON object in the body; `{}` for an empty body. Raises `Problem`: too large, wrong type, malformed."""
        return read_json(self.event, self.headers)

    def rows(self, most: int) -> Any:
        """The rows of a bulk request: the bytes of a CSV file, or what a JSON body holds. Raises `Problem`."""
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        data = raw_body(self.event, most)
        if kind == "text/csv":
            return data
        if kind in ("application/json", "") or kind.endswith("+json"):
            return parsed(data)
        detail = f"Send Content-Type: text/csv, or application/json with an array of posts, not {kind[:60]!r}."
        raise Problem("unsupported_media_type", detail)

    def one(self, name: str, default: str | None = None) -> str | None:
        """The value of a query parameter that may stand once."""
        values = self.query.get(name)
        if values and len(values) > 1:
            raise Problem("invalid_request", f"{name} is given {len(values)} times; once is enough.", pointer=f"/{name}")
        return values[0] if values else default

    def known(self, *names: str) -> None:
        """Refuse query parameters that do not exist."""
        unknown = sorted(set(self.query) - set(names))
        if unknown:
            known = ", ".join(names) or "none"
            errors = [FieldError(f"/{name}", "invalid_request", f"There is no parameter {name!r} here.") for name in unknown]
            raise Problem("invalid_request", f"Unknown parameter {unknown[0]!r}; known here: {known}.", errors=errors)

    def limit(self) -> int:
        """`limit`, 1 to 100, 50 if not given."""
        raw = self.one("limit", "50") or ""
        if not (raw.isascii() and raw.isdigit() and len(raw) <= 3 and 1 <= int(raw) <= 100):
            raise Problem("invalid_request", f"limit is a whole number from 1 to 100, not {raw[:20]!r}.", pointer="/limit")
        return int(raw)

    def cursor(self) -> str | None:
        """`cursor`, None if there is none. A long one is none of ours."""
        cursor = self.one("cursor") or None
        if cursor is not None and len(cursor) > MOST_CURSOR:
            raise Problem("invalid_request", "This is not a cursor of this list; take nextCursor as it is.", pointer="/cursor")
        return cursor

    def moment(self, name: str) -> datetime | None:
        """The instant of a query parameter, None if it is not there. Raises `Problem` for a time without `Z` or an offset."""
        raw = self.one(name)
        if raw is None:
            return None
        try:
            return resolve_time(raw.replace(" ", "+"), None, None).publish_at
        except Problem as problem:
            detail = f"{name} is a time with Z or an offset, such as 2027-06-15T00:00:00Z. {problem.detail}"
            raise Problem("invalid_request", detail, pointer=f"/{name}") from None

    @property
    def idempotency_key(self) -> str | None:
        """The client's Idempotency-Key. Raises `Problem` for one that is empty or longer than 255 characters."""
        key = self.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= 255:
            raise Problem("invalid_request", "Idempotency-Key has 1 to 255 characters.", pointer="/idempotency-key")
        return key

    @property
    def if_match(self) -> int | None:
        """The revision of If-Match, None if there is none (or `*`)."""
        raw = self.headers.get("if-match")
        if raw is None or raw.strip() == "*":
            return None
        match = re.fullmatch(r'(?:W/)?"([0-9]{1,12})"|([0-9]{1,12})', raw.strip())
        if match is None:
            raise Problem("invalid_request", 'If-Match is the ETag of the post as it was read, such as "3".', pointer="/if-match")
        return int(match[1] or match[2])

    def preference(self, name: str) -> str | None:
        """A token of the Prefer header: its value, "" for one without, None if it is not there (RFC 7240)."""
        for part in self.headers.get("prefer", "").split(","):
            token, _, value = part.strip().partition("=")
            if token.strip().lower() == name:
                return value.split(";")[0].strip().strip('"')
        return None


def headers_of(event: Mapping[str, Any]) -> dict[str, str]:
    """The event's headers under lower-case names."""
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def query_of(event: Mapping[str, Any]) -> dict[str, list[str]]:
    """The query, with every value: the event's own map joins repeated names by commas."""
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True):
        query.setdefault(name, []).append(value)
    return query


def raw_body(event: Mapping[str, Any], most: int) -> bytes:
    """The body's bytes. Raises `Problem` too_large above `most`."""
    body = event.get("body") or ""
    if len(body) > 2 * most:
        raise Problem("too_large", f"A body has at most {most:,} bytes here.", extra={"limit": most})
    try:
        data = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode("utf-8", "surrogatepass")
    except ValueError as error:
        raise Problem("invalid_request", "The body cannot be read.") from error
    if len(data) > most:
        raise Problem("too_large", f"A body has at most {most:,} bytes here; this one has {len(data):,}.", extra={"limit": most})
    return data


def read_json(event: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """The JSON object of a body. Raises `Problem`."""
    data = raw_body(event, MOST_BODY_BYTES)
    kind = headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if data and not (kind == "application/json" or kind.endswith("+json")):
        raise Problem("unsupported_media_type", f"Send JSON with Content-Type: application/json, not {kind[:60]!r}.")
    if not data.strip():
        return {}
    value = parsed(data)
    if not isinstance(value, dict):
        raise Problem("invalid_request", "The body must be a JSON object.", pointer="")
    _refuse_unstorable(value)
    return value


def parsed(data: bytes) -> Any:
    """JSON text as a value. Raises `Problem`."""
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError:
        raise Problem("invalid_request", f"The JSON {TOO_DEEP.why}.") from None
    except UnicodeError:
        raise Problem("invalid_request", "The body is not valid UTF-8 text.") from None
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise Problem("invalid_request", f"The body is not valid JSON{where}.") from None


def _refuse_unstorable(body: dict[str, Any]) -> None:
    """Refuse what Python reads as JSON and nobody else does (NaN, half a surrogate pair), and nesting without end."""
    found = unstorable(body)
    if found is not None:
        where = "The JSON" if found.pointer is None else found.pointer[1:] or "A name"
        raise Problem("invalid_request", f"{where} {found.why}.", pointer=found.pointer)
