"""What the template says of the functions: their code, environment, and the sources that wake them.

Data only: `local.stack` loads and invokes the handlers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from local.template import Template, TemplateError

Kind = Literal["sqs", "stream", "timer", "http"]

_KINDS: dict[str, Kind] = {
    "SQS": "sqs",
    "DynamoDB": "stream",
    "Schedule": "timer",
    "ScheduleV2": "timer",
    "HttpApi": "http",
}
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}


class Function(NamedTuple):
    """One Lambda function. `name` is its folder's name; `timeout` is in seconds."""

    logical_id: str
    name: str
    arn: str
    code: Path
    module: str
    attribute: str
    timeout: int
    memory: int
    environment: dict[str, str]
    async_retries: int
    """How often Lambda repeats a failed asynchronous invocation: 2 unless the template says otherwise."""
    on_failure: str | None
    """ARN of the queue that takes what failed after those retries."""
    on_failure_is_dlq: bool
    """A dead-letter queue takes the bare event; a destination takes an envelope around it."""


class Source(NamedTuple):
    """What wakes a function: a queue, a table's stream, a timer or the HTTP API."""

    kind: Kind
    function: Function
    arn: str
    batch: int
    partial: bool
    """The function answers with `batchItemFailures`."""
    filters: tuple[dict[str, Any], ...]
    most_retries: int
    """Of a stream's batch; -1 is without end."""
    bisect: bool
    on_failure: str | None
    every: timedelta
    """Of a timer."""
    event: Any
    """A timer's fixed input, if the template gives one."""
    scheduler: bool
    """A timer of EventBridge Scheduler rather than of an EventBridge rule."""


def read_functions(template: Template, root: Path) -> tuple[dict[str, Function], list[Source]]:
    """The functions by name, and their sources. Call it once the resources stand: streams have no ARN before."""
    shared = template.globals("Function")
    functions: dict[str, Function] = {}
    sources: list[Source] = []
    for logical_id, _, properties in template.resources("AWS::Serverless::Function"):
        function = _function(template, logical_id, {**shared, **properties}, shared, root)
        if function.name in functions:
            raise TemplateError(f"{logical_id} and {functions[function.name].logical_id} share a code folder")
        functions[function.name] = function
        for name, event in (properties.get("Events") or {}).items():
            if (kind := _KINDS.get(event["Type"])) is None:
                raise TemplateError(f"{logical_id}.{name}: events of type {event['Type']} are not understood here")
            details = event.get("Properties") or {}
            if str(details.get("Enabled", True)).lower() == "false" or details.get("State") == "DISABLED":
                continue
            sources.append(_source(kind, function, details, scheduler=event["Type"] == "ScheduleV2"))
    return functions, sources


def environment(functions: Mapping[str, Function]) -> dict[str, str]:
    """The environments of all functions as one, since they share a process. TemplateError if two disagree on a DATELINE_ name."""
    merged: dict[str, str] = {}
    for function in functions.values():
        for name, value in function.environment.items():
            if name.startswith("DATELINE_") and merged.get(name, value) != value:
                raise TemplateError(f"{name} differs between functions; the local stack runs them in one process")
            merged.setdefault(name, value)
    return merged


def _function(
    template: Template, logical_id: str, properties: Mapping[str, Any], shared: Mapping[str, Any], root: Path
) -> Function:
    variables: dict[str, Any] = {}
    for layer in (shared, properties):
        variables |= (layer.get("Environment") or {}).get("Variables") or {}
    code = root / str(properties["CodeUri"])
    module, _, attribute = str(properties["Handler"]).rpartition(".")
    config = properties.get("EventInvokeConfig") or {}
    destination = ((config.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination")
    dead_letters = (properties.get("DeadLetterQueue") or {}).get("TargetArn")
    return Function(
        logical_id=logical_id,
        name=code.name,
        arn=template.arn(logical_id),
        code=code,
        module=module,
        attribute=attribute,
        timeout=int(properties.get("Timeout", 3)),
        memory=int(properties.get("MemorySize", 128)),
        environment={name: str(value) for name, value in variables.items()},
        async_retries=int(config.get("MaximumRetryAttempts", 2)),
        on_failure=destination or dead_letters,
        on_failure_is_dlq=destination is None and dead_letters is not None,
    )


def _source(kind: Kind, function: Function, details: Mapping[str, Any], *, scheduler: bool) -> Source:
    patterns = (details.get("FilterCriteria") or {}).get("Filters") or []
    given = details.get("Input")
    if patterns and kind != "stream":
        raise TemplateError(f"{function.logical_id}: filters of a {kind} source are not understood here")
    return Source(
        kind=kind,
        function=function,
        arn=str(details.get("Queue") or details.get("Stream") or ""),
        batch=int(details.get("BatchSize", 100 if kind == "stream" else 10)),
        partial="ReportBatchItemFailures" in (details.get("FunctionResponseTypes") or []),
        filters=tuple(json.loads(filter_["Pattern"]) for filter_ in patterns),
        most_retries=int(details.get("MaximumRetryAttempts", -1)),
        bisect=str(details.get("BisectBatchOnFunctionError", False)).lower() == "true",
        on_failure=((details.get("DestinationConfig") or {}).get("OnFailure") or {}).get("Destination"),
        every=_period(details.get("Schedule") or details.get("ScheduleExpression")) if kind == "timer" else timedelta(0),
        event=json.loads(given) if isinstance(given, str) else given,
        scheduler=scheduler,
    )


def _period(expression: Any) -> timedelta:
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", str(expression))
    if found:
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    if re.fullmatch(r"cron\((\*|[*0]/1) \* \* \* \? \*\)", str(expression)):
        return timedelta(minutes=1)
    raise TemplateError(f"a timer of {expression!r} is not understood here; use rate(n minutes)")
