"""Watches every AWS call made in this process: counts those of handlers, lets tests interrupt them, applies AWS's limits.

Sits on botocore's one entrance, so that boto3 and pynamodb are covered alike. Outside a handler's invocation a call is neither
counted nor interrupted; threads a handler starts count as outside.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from unittest.mock import patch

from botocore.client import BaseClient
from moto.scheduler.models import scheduler_backends

from local.clock import Clock
from local.limits import refusal
from local.motofixes import MOTO_LOCK, note_update
from local.template import ACCOUNT

Phase = Literal["before", "after"]
Interruption = Callable[[str, str, Phase], None]

_TOKEN_LIFE = timedelta(minutes=10)
"""How long DynamoDB remembers a ClientRequestToken.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""


class Crash(BaseException):
    """The sandbox dies here. Not an Exception, so that a handler cannot catch it by accident; Lambda cannot be caught either."""


@dataclass
class Invocation:
    """One handler's run. After a crash every further external call crashes too: a dead sandbox cleans nothing up."""

    function: str
    deadline: float
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    crashed: bool = False


class Calls:
    """The watch. `hook(service, operation, phase)` may raise: a `Crash`, or any error the handler shall see."""

    def __init__(self, clock: Clock) -> None:
        self.hook: Interruption | None = None
        self.tap: Callable[[str, str, Mapping[str, Any], Mapping[str, Any]], None] | None = None
        self.total: Counter[tuple[str, str]] = Counter()
        self._clock = clock
        self._current: ContextVar[Invocation | None] = ContextVar("invocation", default=None)
        self._collecting: list[Counter[tuple[str, str]]] = []
        self._tokens: dict[str, tuple[datetime, str]] = {}

    @contextmanager
    def invocation(self, function: str, deadline: float) -> Iterator[Invocation]:
        """A handler runs inside. `deadline` is on the clock's monotonic scale."""
        current = Invocation(function, deadline)
        token = self._current.set(current)
        try:
            yield current
        finally:
            self._current.reset(token)

    @property
    def running(self) -> str | None:
        """The name of the function whose handler is making this call."""
        current = self._current.get()
        return current.function if current is not None else None

    @contextmanager
    def counting(self) -> Iterator[Counter[tuple[str, str]]]:
        """Collects (service, operation) of the handlers' calls made inside."""
        counter: Counter[tuple[str, str]] = Counter()
        self._collecting.append(counter)
        try:
            yield counter
        finally:
            self._collecting = [other for other in self._collecting if other is not counter]

    def pass_through(self, service: str, operation: str, phase: Phase) -> None:
        """Count and interrupt one external call of the running handler. The networks' transport calls it for its requests."""
        current = self._current.get()
        if current is None:
            return
        if current.crashed or self._clock.monotonic() > current.deadline:
            current.crashed = True
            raise Crash(f"{current.function} is out of time, or dead already")
        if phase == "before":
            for counter in (self.total, current.calls, *self._collecting):
                counter[service, operation] += 1
        if self.hook is not None:
            try:
                self.hook(service, operation, phase)
            except Crash:
                current.crashed = True
                raise

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Installs the watch on botocore."""
        make = BaseClient._make_api_call

        def watched(client: Any, operation: str, params: dict[str, Any]) -> Any:
            service = client.meta.service_model.service_name
            self.pass_through(service, operation, "before")
            if refused := refusal(service, operation, params, self._clock.now()):
                raise _error(client, operation, *refused)
            answer = self._repeated(client, operation, params)
            if answer is None:
                answer = make(client, operation, params)
                self._afterwards(client, operation, params)
            if self.tap is not None and self._current.get() is not None:
                self.tap(service, operation, params, answer)
            self.pass_through(service, operation, "after")
            return answer

        with patch.object(BaseClient, "_make_api_call", watched):
            yield

    def _repeated(self, client: Any, operation: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer to a transaction whose token is known: moto would write it a second time."""
        token = params.get("ClientRequestToken")
        if operation != "TransactWriteItems" or token not in self._tokens:
            return None
        written, content = self._tokens[token]
        if self._clock.now() - written > _TOKEN_LIFE:
            return None
        if content != _content(params):
            raise _error(client, operation, "IdempotentParameterMismatchException", "the token was used for another request")
        return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}}

    def _afterwards(self, client: Any, operation: str, params: Mapping[str, Any]) -> None:
        if operation == "TransactWriteItems" and params.get("ClientRequestToken"):
            now = self._clock.now()
            self._tokens = {token: known for token, known in self._tokens.items() if now - known[0] <= _TOKEN_LIFE}
            self._tokens[params["ClientRequestToken"]] = (now, _content(params))
        elif operation == "UpdateSchedule":
            with MOTO_LOCK:
                backend = scheduler_backends[ACCOUNT][client.meta.region_name]
                note_update(backend, params.get("GroupName", "default"), params["Name"], params.get("ActionAfterCompletion"))


def _content(params: Mapping[str, Any]) -> str:
    return json.dumps(params["TransactItems"], sort_keys=True, default=repr)


def _error(client: Any, operation: str, code: str, message: str) -> Exception:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    made: Exception = client.exceptions.from_code(code)(answer, operation)
    return made
