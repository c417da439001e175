"""Schedule entries and asynchronous invocations: the part of EventBridge Scheduler and Lambda that moto lacks.

moto keeps the entries and never fires one; here they are read, fired, repeated after failures and given up to the queue the
template names. One thread at a time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from moto.scheduler.models import scheduler_backends
from moto.sqs.models import sqs_backends

from local.events import failure_envelope
from local.functions import Function
from local.limits import at_instant
from local.motofixes import MOTO_LOCK
from local.runtime import Outcome, Runtime
from local.template import ACCOUNT

_RETRY_WAITS = (timedelta(minutes=1), timedelta(minutes=2))
"""Before Lambda's repeats: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""


class Entry(NamedTuple):
    """A pending one-shot schedule entry; `at` is UTC."""

    group: str
    name: str
    at: datetime
    target: str
    input: str
    delete: bool
    enabled: bool
    dlq: str | None


@dataclass
class _Repeat:
    due: datetime
    function: Function
    event: Any
    attempts: int


class Entries(Runtime):
    """A runtime whose functions can be invoked as events, by a schedule entry or otherwise."""

    region: str
    _repeats: list[_Repeat]

    # Schedule entries

    def schedules(self) -> list[Entry]:
        """The one-shot entries, earliest first."""
        with MOTO_LOCK:
            groups = scheduler_backends[ACCOUNT][self.region].schedule_groups.values()
            found = [schedule for group in groups for schedule in group.schedules.values()]
        entries = []
        for schedule in found:
            at = at_instant(schedule.schedule_expression, schedule.schedule_expression_timezone)
            if at is not None:
                target = schedule.target
                entries.append(
                    Entry(
                        group=schedule.group_name,
                        name=schedule.name,
                        at=at,
                        target=target["Arn"],
                        input=target.get("Input", ""),
                        delete=schedule.action_after_completion == "DELETE",
                        enabled=schedule.state in ("ENABLED", None),  # moto forgets the default on an update
                        dlq=target.get("DeadLetterConfig", {}).get("Arn"),
                    )
                )
        return sorted(entries, key=lambda entry: (entry.at, entry.group, entry.name))

    def due_schedules(self) -> list[Entry]:
        """The enabled entries whose time has come."""
        now = self.clock.now()
        return [entry for entry in self.schedules() if entry.enabled and entry.at <= now]

    def fire(self, entry: Entry, *, keep: bool = False) -> Outcome | None:
        """Invoke the entry's target, then delete the entry by name if it asks for that (AWS deletes late: whatever has the
        name by then goes). `keep` leaves it for a duplicate. Without such a function the entry's DLQ gets the input: None."""
        function = next((one for one in self.functions.values() if f"{entry.target}:".startswith(f"{one.arn}:")), None)
        outcome = None
        if function is not None:
            outcome = self.invoke_async(function, json.loads(entry.input or "{}"))
        elif entry.dlq is not None:
            self._send(entry.dlq, entry.input)
        if not keep:
            with MOTO_LOCK:
                group = scheduler_backends[ACCOUNT][self.region].schedule_groups.get(entry.group)
                schedule = group.schedules.get(entry.name) if group else None
                if group and schedule:
                    if entry.delete:
                        del group.schedules[entry.name]
                    else:
                        schedule.state = "COMPLETED"  # stays in the list, never fires again
        return outcome

    # Asynchronous invocations

    def invoke_async(self, function: Function, event: Any, attempts: int = 1) -> Outcome:
        """Invoke as an event: a failure is repeated after one and two minutes, then given to the on-failure queue."""
        outcome = self.invoke(function.name, event)
        if outcome.ok:
            return outcome
        if attempts <= function.async_retries:
            wait = _RETRY_WAITS[min(attempts, len(_RETRY_WAITS)) - 1]
            self._repeats.append(_Repeat(self.clock.now() + wait, function, event, attempts + 1))
        elif function.on_failure is not None:
            error = outcome.error or ""
            bare = function.on_failure_is_dlq
            body = event if bare else failure_envelope(function, event, error, attempts, self.clock.now())
            self._send(function.on_failure, json.dumps(body))
        return outcome

    def pump_repeats(self) -> int:
        """Run the asynchronous invocations whose repeat is due; their number."""
        due = [repeat for repeat in self._repeats if repeat.due <= self.clock.now()]
        for repeat in due:
            self._repeats.remove(repeat)
            self.invoke_async(repeat.function, repeat.event, repeat.attempts)
        return len(due)

    def _send(self, queue_arn: str, body: str) -> None:
        with MOTO_LOCK:
            sqs_backends[ACCOUNT][self.region].send_message(queue_arn.rpartition(":")[2], body)
