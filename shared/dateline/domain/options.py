"""The part of JSON Schema that the networks' tables of options are written in, and the check of a value against it.

Kept small on purpose: a whole validator would cost more cold start than all rules together. A test holds the tables to
`KEYWORDS`, so that none of them says something that nobody checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

KEYWORDS = frozenset({
    "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "items",
    "properties", "required", "additionalProperties", "description",
})
"""All that a table may say. Every `type` is there, and an object takes no members but those it lists."""

_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"), "boolean": ((bool,), "true or false"), "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"), "array": ((list, tuple), "a list"), "object": ((dict,), "an object"),
}
_SIZES = (("minLength", "maxLength", "characters"), ("minItems", "maxItems", "entries"), ("minimum", "maximum", ""))


class Fault(NamedTuple):
    """One thing wrong. `path` leads to it in the parts of a JSON pointer; `detail` goes on after the network's name and "'s ".

    `known` are the names there are, where the fault is one that is not among them. `limit` and `measured` are in `unit`.
    """

    path: str
    detail: str
    limit: int | None = None
    measured: int | None = None
    unit: str | None = None
    known: tuple[str, ...] = ()


def part(name: str) -> str:
    """A name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def faults(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[Fault]:
    """What in `value` does not fit `schema`, in reading order. `path` is where it stands among the options."""
    where = f"option {path.replace('/', '.')}"
    if not _is_a(schema["type"], value):
        yield Fault(path, f"{where} is {_TYPES[schema['type']][1]}.")
        return
    if "enum" in schema and value not in schema["enum"]:
        yield Fault(path, f"{where} is one of: {', '.join(map(str, schema['enum']))}.")
    yield from _sizes(schema, value, path, where)
    if "pattern" in schema and not _matches(schema["pattern"], value):
        yield Fault(path, f"{where} does not have the form it must have. {schema.get('description', '')}".rstrip())
    if schema["type"] == "object":
        yield from _members(schema, value, path, where)
    if schema["type"] == "array" and "items" in schema:
        for place, item in enumerate(value):
            yield from faults(schema["items"], item, f"{path}/{place}")


def _is_a(kind: str, value: Any) -> bool:
    kinds = _TYPES[kind][0]
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _sizes(schema: Mapping[str, Any], value: Any, path: str, where: str) -> Iterator[Fault]:
    for least, most, unit in _SIZES:
        if least in schema or most in schema:
            measured = len(value) if unit else value
            says = f"{where} {'has' if unit else 'is'}"
            end = f" {unit}." if unit else "."
            if measured < schema.get(least, measured):
                yield Fault(path, f"{says} at least {schema[least]:,}{end}", schema[least], measured, unit or None)
            if measured > schema.get(most, measured):
                yield Fault(path, f"{says} at most {schema[most]:,}{end}", schema[most], measured, unit or None)


def _members(schema: Mapping[str, Any], value: Mapping[str, Any], path: str, where: str) -> Iterator[Fault]:
    members: Mapping[str, Any] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Fault(path, f"{where} needs {name}.")
    for name, item in value.items():
        inside = f"{path}/{part(name)}"
        if name in members:
            yield from faults(members[name], item, inside)
        else:
            known = tuple(sorted(members))
            yield Fault(inside, f"{where} has no member {name!r}; it has: {', '.join(known)}.", known=known)


def _matches(pattern: str, value: str) -> bool:
    """As JSON Schema has it: a `$` is the end of the text, not of its last line."""
    import re

    return re.search(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern, value) is not None
