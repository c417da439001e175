"""The whole of Dateline on one machine: the template's resources in moto, the real handlers, and what AWS does between them.

`make run` drives it with threads in real time (`drive`), tests with a fake clock and one thread (`run_until`). One stack lives
in a process at a time, and everything it holds is gone when it closes.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.mock import patch

from local.aws import CREDENTIALS, create_resources
from local.calls import Calls, Crash, Interruption, Phase
from local.clock import Clock, SystemClock
from local.entries import Entry
from local.events import Answer, Received
from local.functions import environment, read_functions
from local.motoclock import moto_follows
from local.motofixes import MOTO_LOCK, BotocoreMock, moto_behaves
from local.pumps import Pumps, Waiting
from local.runtime import LOG, Outcome
from local.template import Template

__all__ = ["Answer", "Crash", "Entry", "Interruption", "Outcome", "Phase", "Received", "Stack", "Waiting"]

ROOT = Path(__file__).resolve().parent.parent
_PASSED_ON = ("DATELINE_", "POWERTOOLS_")
"""The variables taken from the template. The rest of a Lambda's environment (zone data, paths) makes no sense here."""
_MOST_ROUNDS = 10_000
_COLLECTED_EVERY = 10
"""A stack leaves 20 MB of clients behind that hold one another. Left to itself the collector lets hundreds of them gather."""
_closed = count(1)


class Stack(Pumps):
    """A running stack; use it as a context manager, or `start` and `close` it.

    `parameters` are the template's, `environment` overrides variables, `before_handlers` runs once before the first handler is
    imported (to configure the package's wiring). Queues are named as in `queue`.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        parameters: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
        root: Path = ROOT,
        region: str = "us-east-1",
        stack_name: str = "dateline-local",
        before_handlers: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(clock, Calls(clock), before_handlers)
        self.root = root
        self.region = region
        self.template = Template.load(root / "template.yaml", parameters, region=region, stack_name=stack_name)
        self.environment: dict[str, str] = {}
        self._overrides = dict(environment or {})
        self._exit = ExitStack()

    def start(self) -> Stack:
        """Enter the mock, create the resources, set the environment."""
        if not _only_one.acquire(blocking=False):
            raise RuntimeError("another stack is open in this process; moto holds the state of one")
        self._exit.callback(_only_one.release)
        try:
            self._exit.enter_context(patch.dict(os.environ))
            os.environ.update(CREDENTIALS, AWS_REGION=self.region, AWS_DEFAULT_REGION=self.region)
            for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
                os.environ.pop(name, None)
            self._exit.enter_context(BotocoreMock())
            os.environ.update(CREDENTIALS)  # the mock has keys of its own; one pair is easier to explain
            self._exit.enter_context(moto_behaves(polls=isinstance(self.clock, SystemClock)))
            self._exit.enter_context(moto_follows(self.clock))
            self._exit.enter_context(self.watch.watching())
            create_resources(self.template)
            self.functions, self.sources = read_functions(self.template, self.root)
            self._exit.callback(self.forget_handlers)
            declared = environment(self.functions)
            self.environment = {name: value for name, value in declared.items() if name.startswith(_PASSED_ON)}
            self.environment.update(self._overrides)
            os.environ.update(self.environment)
            if (package := str(self.root / "shared")) not in sys.path:
                sys.path.insert(0, package)
                self._exit.callback(sys.path.remove, package)
            self._reset_pumps()
        except BaseException:
            self._exit.close()
            raise
        return self

    def close(self) -> None:
        """Stop serving, forget the handlers and everything moto held, and put the environment back."""
        self._exit.close()
        gc.unfreeze()  # what a cold start set aside for the life of its process (coldstart.py): ours may have many lives
        if next(_closed) % _COLLECTED_EVERY == 0:
            gc.collect()

    def __enter__(self) -> Stack:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # What handlers call

    @property
    def on_external_call(self) -> Interruption | None:
        """Called as (service, operation, "before" | "after") around each AWS call of a handler, and of whatever else reports
        its calls through `external_call`. It may raise `Crash`, or an error the handler shall see."""
        return self.watch.hook

    @on_external_call.setter
    def on_external_call(self, hook: Interruption | None) -> None:
        self.watch.hook = hook

    def external_call(self, service: str, operation: str, phase: Phase) -> None:
        """For the transport to the stand-in networks: its requests can be interrupted and are counted like AWS calls."""
        self.watch.pass_through(service, operation, phase)

    @property
    def calls(self) -> Mapping[tuple[str, str], int]:
        """All calls of handlers so far, by (service, operation)."""
        return self.watch.total

    def counting(self) -> AbstractContextManager[Mapping[tuple[str, str], int]]:
        """Counts the handlers' calls made inside: `with stack.counting() as calls`."""
        return self.watch.counting()

    # Time

    def settle(self, *, timers: bool = True) -> None:
        """Pump everything that is due now until nothing is. RuntimeError if that does not end."""
        for _ in range(_MOST_ROUNDS):
            if not self.step(timers=timers):
                return
        raise RuntimeError("the stack does not settle: something wakes itself again and again")

    def run_until(
        self, done: Callable[[], bool] | None = None, *, limit: timedelta = timedelta(days=2), timers: bool = True
    ) -> bool:
        """Settle, then move the clock from one due instant to the next until `done()`, or, without it, until only timers are
        left. False if `limit` passed first; the clock then stands at the limit. For a fake clock."""
        end = self.clock.now() + limit
        while True:
            self.settle(timers=timers)
            if done is not None and done():
                return True
            if done is None and self.next_instant(timers=False) is None:
                return True
            due = self.next_instant(timers=timers)
            now = self.clock.now()
            if due is None or due > end:
                self.clock.advance(max(end - now, timedelta(0)))
                return False
            self.clock.advance(max(due - now, timedelta(milliseconds=1)))

    def run_for(self, span: timedelta | float, *, timers: bool = True) -> datetime:
        """Let that much time pass, pumping everything at its instant; the new present."""
        self.run_until(lambda: False, limit=span if isinstance(span, timedelta) else timedelta(seconds=span), timers=timers)
        self.settle(timers=timers)
        return self.clock.now()

    def drive(self, stop: threading.Event, *, workers: int = 4, pause: float = 0.05) -> list[threading.Thread]:
        """Start daemon threads that pump everything in real time until `stop` is set: one for entries, repeats and timers, one
        for the stream, `workers` for each queue. Join them after setting `stop`."""

        def entries() -> int:
            due = self.due_schedules()
            for entry in due:
                self.fire(entry)
            return len(due) + self.pump_repeats() + self.pump_timers()

        def queue(arn: str) -> Callable[[], int]:
            return lambda: self.pump_queue(arn, most=1)

        def loop(pump: Callable[[], int]) -> None:
            while not stop.is_set():
                try:
                    idle = pump() == 0
                except Exception:  # noqa: BLE001 (one bad round must not stop the machine)
                    LOG.exception("the driver failed and goes on")
                    idle = True
                if idle:
                    stop.wait(pause)

        pumps: list[tuple[str, Callable[[], int]]] = [("entries", entries), ("stream", self.pump_stream)]
        for source in self._of("sqs"):
            pumps += [(f"{source.function.name}-{number}", queue(source.arn)) for number in range(workers)]
        for function in self.functions:
            self.handler(function)  # imported here, in one thread
        threads = [threading.Thread(target=loop, args=(pump,), name=f"local-{name}", daemon=True) for name, pump in pumps]
        for thread in threads:
            thread.start()
        return threads

    # Outside clients

    def serve_aws(self, port: int = 0) -> str:
        """Serve moto's state over HTTP on this machine to any AWS client (any keys), until the stack closes; the URL."""
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
        from werkzeug.serving import make_server

        class Quiet(MotoRequestHandler):
            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                pass

        moto = DomainDispatcherApplication(create_backend_app)

        def locked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            with MOTO_LOCK:
                return moto(environ, start_response)

        server = make_server("127.0.0.1", port, locked, threaded=True, request_handler=Quiet)
        server.daemon_threads = True  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, name="local-aws", daemon=True)
        thread.start()

        def stop() -> None:
            server.shutdown()
            thread.join()
            server.server_close()

        self._exit.callback(stop)
        return f"http://127.0.0.1:{server.server_port}"


_only_one = threading.Lock()
