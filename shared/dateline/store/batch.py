"""One read for rows of several tables: what a decision needs comes in one call (BatchGetItem, 100 keys at a time)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.connection import Connection
from pynamodb.models import Model

from .tables import StoreUnavailable

MOST_KEYS = 100
MOST_FRUITLESS = 20
"""Calls in a row that give nothing. DynamoDB leaves keys unprocessed when it is busy or an answer would have more than 16 MB."""

Key = tuple[str, ...]


def read(connection: Connection, wanted: Mapping[type[Model], Iterable[Key]]) -> list[Any]:
    """The rows that exist among those keys, as their models, in no order; consistent. Raises `StoreUnavailable`."""
    names: dict[str, type[Model]] = {}
    pending: list[tuple[str, dict[str, Any]]] = []
    for model, keys in wanted.items():
        meta = connection.get_meta_table(model.Meta.table_name)
        names[table := meta.table_name] = model
        attributes = [name for name in (meta.hash_keyname, meta.range_keyname) if name is not None]
        pending += [(table, {n: {"S": v} for n, v in zip(attributes, key, strict=True)}) for key in dict.fromkeys(keys)]
    rows: list[Any] = []
    fruitless = 0
    while pending and fruitless < MOST_FRUITLESS:
        asked: dict[str, Any] = {}
        for table, key in pending[:MOST_KEYS]:
            asked.setdefault(table, {"ConsistentRead": True, "Keys": []})["Keys"].append(key)
        try:
            answer = connection.dispatch("BatchGetItem", {"RequestItems": asked})
        except (BotoCoreError, ClientError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        rows += [names[table].from_raw_data(item) for table, items in answer["Responses"].items() for item in items]
        left = [(table, key) for table, part in (answer.get("UnprocessedKeys") or {}).items() for key in part["Keys"]]
        fruitless = fruitless + 1 if len(left) == len(pending[:MOST_KEYS]) else 0
        pending = left + pending[MOST_KEYS:]
    if pending:
        raise StoreUnavailable("UnprocessedKeys")
    return rows
