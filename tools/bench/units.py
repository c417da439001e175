"""DynamoDB's arithmetic: the size of an item, and the request units of a read or a write, with the indexes it touches.

moto reports one unit for everything, so the bench counts itself, from the items before and after each write. Pure functions;
the rules are AWS's: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html (sizes),
…/read-write-operations.html (units) and …/GSI.html (index writes).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

Item = Mapping[str, Mapping[str, Any]]
"""An item in DynamoDB JSON; binary values as bytes or base 64."""

WRITE_BYTES = 1024
READ_BYTES = 4096
TRANSACTION = 2
"""Transactions cost double, on the table only: an index write costs the same inside one (seen on real tables by the authors of
an emulator: https://github.com/nubo-db/dynoxide/pull/188)."""


class Index(NamedTuple):
    """A global secondary index. `keys` are its own key attributes; `projected` further names, None for all."""

    name: str
    keys: tuple[str, ...]
    projected: frozenset[str] | None


def value_size(value: Mapping[str, Any]) -> int:
    """Bytes of one attribute value in DynamoDB JSON, without its name."""
    (kind, content), = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "B":
        return len(content if isinstance(content, bytes) else base64.b64decode(content))
    if kind == "N":
        return number_size(str(content))
    if kind in ("SS", "NS", "BS"):
        return sum(value_size({kind[0]: element}) for element in content)
    if kind == "L":
        return 3 + sum(1 + value_size(element) for element in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + value_size(element) for name, element in content.items())
    return 1  # NULL, BOOL


def number_size(text: str) -> int:
    """Bytes of a number: one for two significant digits, and one more (another for the sign)."""
    number = Decimal(text)
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    return (len(digits) + 1) // 2 + 1 + (number < 0)


def size(item: Item) -> int:
    """Bytes of an item: names and values."""
    return sum(len(name.encode()) + value_size(value) for name, value in item.items())


def blocks(count: int, block: int) -> int:
    """How many blocks so many bytes fill, one at least."""
    return max(1, -(-count // block))


def write_units(before: Item | None, after: Item | None, *, transaction: bool = False) -> int:
    """Write request units on the table: the larger of the item before and after counts. A refused write pays the same."""
    largest = max((size(item) for item in (before, after) if item), default=0)
    return blocks(largest, WRITE_BYTES) * (TRANSACTION if transaction else 1)


def _entry(index: Index, table_keys: Sequence[str], item: Item | None) -> Item | None:
    """The item as it stands in the index; None if one of the index's keys is missing (a sparse index)."""
    if item is None or any(name not in item for name in index.keys):
        return None
    if index.projected is None:
        return item
    names = {*index.keys, *table_keys, *index.projected}
    return {name: value for name, value in item.items() if name in names}


def index_units(index: Index, table_keys: Sequence[str], before: Item | None, after: Item | None) -> int:
    """Write request units of one index: one entry written or deleted; two when a key changes; none when nothing it holds does."""
    old, new = _entry(index, table_keys, before), _entry(index, table_keys, after)
    if old is None or new is None:
        present = old if new is None else new
        return 0 if present is None else blocks(size(present), WRITE_BYTES)
    if any(old[name] != new[name] for name in index.keys):
        return blocks(size(old), WRITE_BYTES) + blocks(size(new), WRITE_BYTES)
    return 0 if plain(old) == plain(new) else blocks(max(size(old), size(new)), WRITE_BYTES)


def plain(item: Item) -> dict[str, Any]:
    """An item that compares by value: sets have no order."""
    return {
        name: {kind: sorted(content) if kind in ("SS", "NS", "BS") else content for kind, content in value.items()}
        for name, value in item.items()
    }


def read_units(sizes: Sequence[int], *, consistent: bool, together: bool = False, transaction: bool = False) -> float:
    """Read request units. Items got by key are rounded up one by one, those of a query `together`; nothing found costs one."""
    read = blocks(sum(sizes), READ_BYTES) if together or not sizes else sum(blocks(one, READ_BYTES) for one in sizes)
    return read * (TRANSACTION if transaction else 1 if consistent else 0.5)
