"""Runs the functions' real handlers the way Lambda would: one JSON event in, one JSON value out, a deadline, and deaths.

It knows nothing of what wakes a function. A handler's error never leaves here: it becomes an `Outcome`.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, NamedTuple

from local.calls import Calls, Crash
from local.clock import Clock
from local.events import Answer, LambdaContext, http_answer, http_event
from local.functions import Function, Source

LOG = logging.getLogger("local")

MOST_BODY_BYTES = 10 * 1024 * 1024
"""Of a request: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""


class Outcome(NamedTuple):
    """How an invocation ended. `error` is None when it returned `value`; `crashed` when the sandbox died or ran out of time."""

    function: str
    event: Any
    value: Any
    error: str | None
    crashed: bool
    calls: Counter[tuple[str, str]]

    @property
    def ok(self) -> bool:
        return self.error is None


class Runtime:
    """Loads handlers on first use and invokes them."""

    def __init__(self, clock: Clock, calls: Calls, before_handlers: Callable[[], None] | None) -> None:
        self.clock = clock
        self.watch = calls
        self.functions: dict[str, Function] = {}
        self.sources: list[Source] = []
        self.failures: deque[Outcome] = deque(maxlen=1000)
        """The invocations that raised, crashed or ran out of time, the newest last."""
        self._before_handlers = before_handlers
        self._handlers: dict[str, Callable[[Any, Any], Any]] = {}
        self._loading = threading.RLock()
        self._paths: list[str] = []

    def handler(self, name: str) -> Callable[[Any, Any], Any]:
        """The handler of a function, imported now if it was not before. KeyError if the template has no such function."""
        with self._loading:
            if name not in self._handlers:
                if not self._handlers and self._before_handlers is not None:
                    self._before_handlers()
                function = self.functions[name]
                self._handlers[name] = getattr(self._load(function), function.attribute)
            return self._handlers[name]

    def _load(self, function: Function) -> ModuleType:
        """Import the function's module under a name of its own, since every one of them is called `app`."""
        folder = str(function.code)
        if folder not in sys.path:
            sys.path.append(folder)
            self._paths.append(folder)
        name = f"local_function_{function.name}"
        spec = importlib.util.spec_from_file_location(name, function.code / f"{function.module.replace('.', '/')}.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module

    def forget_handlers(self) -> None:
        """Drop the handlers and whatever they imported from their folders, so that the next stack loads them afresh."""
        folders = tuple(f"{function.code}{os.sep}" for function in self.functions.values())
        for name, module in list(sys.modules.items()):
            if folders and str(getattr(module, "__file__", None)).startswith(folders):
                del sys.modules[name]
        for path in self._paths:
            sys.path.remove(path)
        self._paths.clear()
        self._handlers.clear()

    def invoke(self, name: str, event: Any) -> Outcome:
        """Run one function on one event (anything JSON can carry)."""
        function = self.functions[name]
        handler = self.handler(name)
        event = json.loads(json.dumps(event))
        context = LambdaContext(function, self.clock.monotonic)
        value: Any = None
        error: str | None = None
        crashed = False
        with self.watch.invocation(name, self.clock.monotonic() + function.timeout) as running:
            try:
                value = json.loads(json.dumps(handler(event, context)))
                if self.clock.monotonic() > running.deadline:
                    raise Crash(f"{name} took longer than {function.timeout} seconds")
            except Crash as crash:
                value, error, crashed = None, str(crash) or "crashed", True
            except Exception as raised:
                value, error = None, f"{type(raised).__name__}: {raised}"
                LOG.warning("%s failed", name, exc_info=raised)
        outcome = Outcome(name, event, value, error, crashed or running.crashed, running.calls)
        if running.crashed and error is None:  # the handler swallowed its own death; the world saw none of its answer
            outcome = outcome._replace(value=None, error="crashed")
        if not outcome.ok:
            self.failures.append(outcome)
        return outcome

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        body: bytes | str | dict[str, Any] | list[Any] | None = None,
        *,
        source_ip: str = "127.0.0.1",
    ) -> Answer:
        """One HTTP request through the API's handler, as API Gateway would carry it. A handler that fails answers 500."""
        if isinstance(body, (bytes, str)) and len(body) > MOST_BODY_BYTES:
            return _gateway(413, "Request Entity Too Large")
        event = http_event(method, target, headers, body, now=self.clock.now(), source_ip=source_ip)
        api = next(source.function.name for source in self.sources if source.kind == "http")
        outcome = self.invoke(api, event)
        return http_answer(outcome.value) if outcome.ok else _gateway(500, "Internal Server Error")


def _gateway(status: int, message: str) -> Answer:
    """An answer of API Gateway's own."""
    return Answer(status, {"content-type": "application/json"}, json.dumps({"message": message}).encode())
