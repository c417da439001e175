"""Lambda's event filtering: which stream records and queue messages an event source hands on.

The patterns are EventBridge's: nested objects mean "and", lists mean "or", and a list's members are values or comparisons.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_NUMERIC: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ABSENT = object()


def passes(filters: Iterable[Mapping[str, Any]], event: Mapping[str, Any]) -> bool:
    """Whether the event matches one of the patterns; without patterns everything passes."""
    patterns = list(filters)
    return not patterns or any(_object(pattern, event) for pattern in patterns)


def _object(pattern: Mapping[str, Any], event: Any) -> bool:
    for key, wanted in pattern.items():
        if key == "$or":
            if not any(_object(option, event) for option in wanted):
                return False
            continue
        value = event.get(key, _ABSENT) if isinstance(event, Mapping) else _ABSENT
        if isinstance(wanted, Mapping):
            if not _object(wanted, {} if value is _ABSENT else value):
                return False
        elif not any(_one(option, value) for option in wanted):
            return False
    return True


def _one(option: Any, value: Any) -> bool:
    if isinstance(value, list):
        return any(_one(option, member) for member in value)
    if not isinstance(option, Mapping):
        return type(option) is type(value) and bool(option == value)
    kind, operand = next(iter(option.items()))
    if kind == "exists":
        # Only leaves count: "exists" is false of an object, in AWS as well.
        return bool(operand) == (value is not _ABSENT and not isinstance(value, Mapping))
    if value is _ABSENT:
        return False
    match kind:
        case "prefix":
            return isinstance(value, str) and value.startswith(operand)
        case "suffix":
            return isinstance(value, str) and value.endswith(operand)
        case "equals-ignore-case":
            return isinstance(value, str) and value.casefold() == str(operand).casefold()
        case "anything-but":
            refused = operand if isinstance(operand, list) else [operand]
            return not any(_one(member, value) for member in refused)
        case "numeric":
            pairs = zip(operand[::2], operand[1::2], strict=True)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return number and all(_NUMERIC[sign](value, bound) for sign, bound in pairs)
    raise ValueError(f"the filter comparison {kind!r} is not understood here")
