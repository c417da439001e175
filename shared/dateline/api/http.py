"""From an API Gateway event to an answer: one middleware for keys, one place where refusals become problem details.

Powertools' resolver finds the route; everything is denied unless the table of routes says otherwise.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

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
EXPOSED_HEADERS = "etag,location,retry-after,x-request-id,idempotency-replayed"


class Api:
    """The API over one set of dependencies."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._app = APIGatewayHttpResolver()
        for route in ROUTES:
            self._app.route(route.path.replace("{", "<").replace("}", ">"), method=route.method)(self._serve(route))
        self._app.not_found(lambda _error: self._response(self._not_found()))
        # Compiled once: the resolver would build its chain of middlewares with the first request otherwise.
        self._public = {(route.method, route.path) for route in ROUTES if route.public}

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """One HTTP API event (payload 2.0); its answer."""
        http = event["requestContext"]["http"]
        headers = headers_of(event)
        path = event.get("rawPath") or "/"
        if http["method"] == "OPTIONS" and self._origin(headers):
            answer: dict[str, Any] = {"statusCode": 204, "headers": {}, "body": ""}
        else:
            try:
                if (http["method"], path) not in self._public:
                    self._actor = authenticate(self._deps, headers)
                answer = self._app.resolve(dict(event), context)
            except Exception as error:  # noqa: BLE001 - the last net: whatever it was, the client gets a problem
                answer = self._plain(self._refused(error, path))
        answer["headers"] = {**(answer.get("headers") or {}), **self._common(event, headers)}
        for name, values in (answer.pop("multiValueHeaders", None) or {}).items():
            answer["headers"][name] = values[0] if isinstance(values, list) else values
        return answer

    def _serve(self, route: Route) -> Any:
        def serve(**groups: str) -> Response[str]:
            event = self._app.current_event.raw_event
            path = event.get("rawPath") or "/"
            try:
                actor = None if route.public else self._actor
                if actor is not None and route.scope is not None:
                    require(actor, route.scope)
                request = Request(
                    self._deps, actor, route.method, path, headers_of(event), query_of(event), event  # type: ignore[arg-type]
                )
                return self._response(route.handle(request, **groups))
            except Exception as error:  # noqa: BLE001 - see _refused: every kind has its answer
                return self._response(self._refused(error, path))

        serve.__name__ = f"{route.method}_{route.path}"
        return serve

    def _not_found(self) -> Answer:
        event = self._app.current_event.raw_event
        method, path = event["requestContext"]["http"]["method"], event.get("rawPath") or "/"
        return self._problem(Problem("not_found", f"There is nothing at {method} {path[:200]}; see /docs."), path)

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
        return Answer(problem.status, problem_view(problem, path), headers, "application/problem+json")

    @staticmethod
    def _plain(answer: Answer) -> dict[str, Any]:
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return {"statusCode": answer.status, "headers": {"Content-Type": answer.content_type, **answer.headers}, "body": body}

    def _response(self, answer: Answer) -> Response[str]:
        body = "" if answer.body is None else answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return Response(answer.status, answer.content_type, body, headers=dict(answer.headers))

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
