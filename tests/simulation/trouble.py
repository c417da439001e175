"""What goes wrong inside a step: deaths of the sandbox, errors and lost answers of AWS or a network, pauses, and other work that
happens just then. It sits on the stack's hook around every external call of a handler and knows nothing of posts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from dateline.platforms.base import AnswerLost, NotSent, Retry
from local.stack import Crash, Stack

Trouble = Mapping[str, Any]
"""`kind`, then where it strikes: the `nth` external call of the step `on` any service, one of AWS's, a "network", or one
operation, `phase` before or after it; an outage: the first `times` calls of `service`."""

AWS = ("dynamodb", "sqs", "scheduler", "sns", "kms")
KINDS = ("crash", "error", "throttle", "conflict", "stall", "step", "outage")
"""crash: the sandbox dies. error: the call fails (before: not done) or its answer is lost (after: done). throttle, conflict:
AWS refuses. stall: `seconds` pass. step: another step happens, as a second worker would. outage: `service` fails repeatedly."""


class Interference:
    """The hook for one step. `happened` lists what struck, so that an unexpected answer can be held against it."""

    def __init__(self, stack: Stack, troubles: Sequence[Trouble], run: Callable[[Mapping[str, Any]], None]) -> None:
        self._stack, self._run = stack, run
        self._waiting = [dict(trouble) for trouble in troubles]
        self._calls: Counter[str] = Counter()
        self._inside = False
        self.happened: list[str] = []

    def __call__(self, service: str, operation: str, phase: str) -> None:
        """Count a call of a handler and let strike what waits for it."""
        if self._inside:
            return
        names = ("any", "network" if service not in AWS else service, operation)
        if phase == "before":
            self._calls.update(names)
        for trouble in list(self._waiting):
            if trouble["kind"] == "outage":
                if service == trouble["service"] and phase == trouble["phase"] and trouble["times"] > 0:
                    trouble["times"] -= 1
                    self._strike(trouble, service, operation, phase)
            elif trouble["on"] in names and trouble["nth"] == self._calls[trouble["on"]] and trouble["phase"] == phase:
                self._waiting.remove(trouble)
                self._strike(trouble, service, operation, phase)

    def _strike(self, trouble: Trouble, service: str, operation: str, phase: str) -> None:
        kind = trouble["kind"]
        self.happened.append(f"{kind} {phase} {service} {operation}")
        if kind == "crash":
            raise Crash(f"{phase} {service} {operation}")
        if kind == "stall":
            self._stack.clock.advance(float(trouble["seconds"]))
            running = self._stack.watch._current.get()
            if running is not None and self._stack.clock.monotonic() > running.deadline:
                raise Crash("the pause was longer than the function may run")
        elif kind == "step":
            self._inside = True
            outside = self._stack.watch._current.set(None)  # what the simulation itself does is no handler's call
            try:
                self._run(trouble["step"])
            finally:
                self._stack.watch._current.reset(outside)
                self._inside = False
        else:
            raise error_of(kind, service, operation, phase)


def error_of(kind: str, service: str, operation: str, phase: str) -> Any:
    """The error a handler sees. Before the call nothing was done; after it everything was, and only the answer is lost."""
    if service == "media":
        return Retry("media_unreachable", "A medium could not be fetched.")  # as the real client puts both
    if service not in AWS:
        return NotSent("the connection was refused") if phase == "before" else AnswerLost("the connection broke")
    if phase == "after":
        return ReadTimeoutError(endpoint_url=f"https://{service}.invalid")
    if kind == "conflict" and operation == "TransactWriteItems":
        answer: dict[str, Any] = {
            "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled [TransactionConflict]"},
            "CancellationReasons": [{"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}],
        }
        return ClientError(answer, operation)
    if kind in ("throttle", "conflict"):
        code = "ProvisionedThroughputExceededException" if service == "dynamodb" else "ThrottlingException"
        answer = {"Error": {"Code": code, "Message": "slow down"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
        return ClientError(answer, operation)
    return EndpointConnectionError(endpoint_url=f"https://{service}.invalid")
