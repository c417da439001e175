"""From an API Gateway event to an answer: one middleware for keys, one place where refusals become problem details.

Everything is denied unless the table of routes says otherwise.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ..aws.queue import QueueUnavailable
from ..aws.secrets import SecretsUnavailable
from ..domain.errors import Problem
from ..store.tables import Conflict, StoreUnavailable
from ..wiring import Deps
from .answers import Answer, problem_view
from .auth import authenticate, require
from .request import Request, headers_of, query_of
from .routes import ROUTES, Route

log = logging.getLogger("dateline")

RETRY_AFTER = "2"
"""Seconds, for a 503: dependencies that did not answer usually do a moment later."""

METHODS = "GET,POST,PATCH,DELETE,OPTIONS"
ALLOWED_HEADERS = "authorization,content-type,idempotency-key,if-match,prefer,x-api-key"
EXPOSED_HEADERS = "etag,location,retry-after,x-next-cursor,x-request-id,idempotency-replayed"


class Api:
    """The API over one set of dependencies. Holds nothing of a request, so that threads may share it (the local stack does)."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._routes = [(route, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route.path))) for route in ROUTES]

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """One HTTP API event (payload 2.0); its answer."""
        headers = headers_of(event)
        path = event.get("rawPath") or "/"
        try:
            answer = self._answer(event, headers, path)
        except Exception as error:  # noqa: BLE001 - the last net: whatever it was, the client gets a problem
            answer = self._refused(error, path)
        body = answer.body if isinstance(answer.body, str) else "" if answer.body is None else json.dumps(answer.body)
        kind = {} if answer.body is None else {"Content-Type": answer.content_type}
        return {"statusCode": answer.status, "headers": {**kind, **answer.headers, **self._common(event, headers)}, "body": body}

    def _answer(self, event: Mapping[str, Any], headers: Mapping[str, str], path: str) -> Answer:
        """Find the route, ask for the key it needs, and let it answer. Without a key nobody learns which routes exist."""
        method = event["requestContext"]["http"]["method"]
        if method == "OPTIONS" and self._origin(headers):
            return Answer(204, None)
        route, groups, allowed = self._find(method, path)
        if route is not None and route.public:
            return route.handle(Request(self._deps, None, method, path, headers, query_of(event), event))  # type: ignore[arg-type]
        actor = authenticate(self._deps, headers)
        if route is None and allowed:
            detail = f"{path[:200]} takes {', '.join(allowed)}, not {method}."
            raise Problem("method_not_allowed", detail, extra={"allowed": allowed})
        if route is None:
            raise Problem("not_found", f"There is nothing at {method} {path[:200]}; see /docs.")
        if route.scope is not None:
            require(actor, route.scope)
        request = Request(self._deps, actor, method, path, headers, query_of(event), event)
        request.known(*route.query)
        return route.handle(request, **groups)

    def _find(self, method: str, path: str) -> tuple[Route | None, dict[str, str], list[str]]:
        allowed = []
        for route, pattern in self._routes:
            match = pattern.fullmatch(path)
            if match and route.method == method:
                return route, {name: unquote(value) for name, value in match.groupdict().items()}, []
            if match:
                allowed.append(route.method)
        return None, {}, allowed

    def _refused(self, error: Exception, path: str) -> Answer:
        """The one mapping of exceptions to answers."""
        if isinstance(error, Problem):
            return self._problem(error, path)
        if isinstance(error, StoreUnavailable | SecretsUnavailable | QueueUnavailable | Conflict):
            log.warning("a dependency did not answer", extra={"reason": type(error).__name__})
            detail = "A service this needs did not answer. Nothing is known to be written; repeat with the same Idempotency-Key."
            return self._problem(Problem("try_again", detail), path)
        log.exception("unexpected", extra={"reason": type(error).__name__})
        return self._problem(Problem("internal_error", "Something went wrong here; the request id helps to find it."), path)

    @staticmethod
    def _problem(problem: Problem, path: str) -> Answer:
        headers = {}
        if problem.code == "try_again":
            headers["Retry-After"] = RETRY_AFTER
        if problem.code == "unauthorized":
            headers["WWW-Authenticate"] = "Bearer"
        if problem.code == "method_not_allowed":
            headers["Allow"] = ", ".join(problem.extra["allowed"])
        return Answer(problem.status, problem_view(problem, path), headers, "application/problem+json")

    def _origin(self, headers: Mapping[str, str]) -> str | None:
        """The origin to allow, None if CORS is off for it."""
        allowed, origin = self._deps.settings.cors_origins, headers.get("origin")
        if not origin or not allowed:
            return None
        return "*" if "*" in allowed else origin if origin in allowed else None

    def _common(self, event: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, str]:
        out = {"x-request-id": event["requestContext"].get("requestId") or "-", "Cache-Control": "no-store"}
        origin = self._origin(headers)
        if origin:
            out |= {
                "Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": METHODS, "Vary": "Origin",
                "Access-Control-Allow-Headers": ALLOWED_HEADERS, "Access-Control-Expose-Headers": EXPOSED_HEADERS,
            }
        return out
