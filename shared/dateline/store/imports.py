"""Bulk imports while they are carried out: a head that says how far it got, and the rows as they will be written.

Every step of an import is one transaction that moves the head on, on condition of its version. So a step is done once, whoever
does it, and an import that was interrupted goes on where it stood. Unfinished ones are listed under `bulk#open`, for sweep.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pynamodb.connection import Connection

from ..domain.ids import new_token
from .extras import Extra, run, write_together
from .tables import Busy, Conflict, StoreUnavailable, WorkspaceRow, answered

KEPT = 90 * 24 * 3600
"""Seconds an import can be asked for."""

PIECE = 300_000
"""Bytes of rows in one item, compressed (an item holds 400 KB)."""

OPEN = "bulk#open"

WAITS = (0.1, 0.3, 0.9)
"""Seconds before a step is tried again that was not refused but not answered either: a table that is asked for much at once
lets go in a moment, and an import that stops here holds for minutes what it has reserved."""


@dataclass(slots=True)
class Import:
    """The head of an import. `state` is reserving, writing, waking, done, undoing, undone or dropped.

    `step` counts the reservations made, `written`, `woken` and `undone` the posts, `kept` lists posts that an undo came too late
    for. `undo` is set once it is asked for; what is being written is written first. `until` is when whoever works on it is taken
    to be gone (Unix seconds), `wanted` the number of posts. `rows` names the items with its rows, `pieces` is their number: of
    two requests with one key that begin at once each stores its own, and one of them gets the head. `write` names the last
    write: one whose answer was lost recognises itself.
    """

    id: str
    side: str
    workspace_id: str
    mode: str
    created_at: float
    fingerprint: str = ""
    state: str = "reserving"
    total: int = 0
    wanted: int = 0
    step: int = 0
    written: int = 0
    woken: int = 0
    undone: int = 0
    kept: list[str] = field(default_factory=list)
    undo: bool = False
    until: float = 0.0
    rows: str = ""
    pieces: int = 0
    write: str = ""
    version: int = 0

    @property
    def finished(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in ("done", "undone", "dropped")


def pack(rows: Any) -> list[bytes]:
    """Rows as pieces that fit into items."""
    data = zlib.compress(json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"), 6)
    return [data[start : start + PIECE] for start in range(0, len(data), PIECE)]


class Imports:
    """The imports, among the workspaces. `sleep` waits so many seconds."""

    def __init__(self, connection: Connection, sleep: Callable[[float], None]) -> None:
        self._connection, self._sleep = connection, sleep

    @answered
    def get(self, import_id: str) -> Import | None:
        """The head, None if there is no such import."""
        try:
            row = WorkspaceRow.get(f"bulk#{import_id}", "head", consistent_read=True)
        except WorkspaceRow.DoesNotExist:
            return None
        return Import(**{**row.body, "version": int(row.version or 0)})

    @answered
    def begin(self, head: Import, rows: Sequence[Any], extras: Sequence[Extra] = ()) -> None:
        """Store a new import (or one that was dropped, again): its rows, then its head with `extras`, and put it on the list.

        Raises `Conflict` if it is there already, or if an extra is refused: then there is nothing of it.
        """
        pieces = pack(rows)
        head.rows, head.pieces = new_token(), len(pieces)
        for number, piece in enumerate(pieces):
            WorkspaceRow(*self._piece(head, number), data=piece, expires_at=int(head.created_at) + KEPT).save()
        try:
            self.list_again(head, extras)
        except Conflict:
            for number in range(head.pieces):
                WorkspaceRow(*self._piece(head, number)).delete()
            raise

    @staticmethod
    def _piece(head: Import, number: int) -> tuple[str, str]:
        return f"bulk#{head.id}", f"rows#{head.rows}#{number:03d}"

    @answered
    def rows(self, head: Import) -> list[Any]:
        """The rows as they were given to `begin`."""
        keys = [self._piece(head, number) for number in range(head.pieces)]
        found = {row.sk: row.data for row in WorkspaceRow.batch_get(keys, consistent_read=True)}
        rows: list[Any] = json.loads(zlib.decompress(b"".join(found[sk] for _, sk in keys)))
        return rows

    def move_on(self, head: Import, extras: Sequence[Extra] = ()) -> None:
        """Write the head as it is now, together with `extras`, if nobody else moved it. Raises `Conflict`, `StoreUnavailable`.

        Where the store is busy, or its answer was lost, the same write is tried again: the version lets only one through.
        """
        expected, head.version, head.write = head.version, head.version + 1, new_token()
        before = WorkspaceRow.version == expected if expected else WorkspaceRow.pk.does_not_exist()
        put = Extra("put", self._head(head), condition=before)
        try:
            for wait in (*WAITS, None):
                try:
                    if extras:
                        write_together(self._connection, [put, *extras])
                    else:
                        run(put)
                    return
                except (Conflict, StoreUnavailable) as error:
                    there = self.get(head.id)
                    if there is not None and there.write == head.write:
                        return
                    refused = isinstance(error, Conflict) and not isinstance(error, Busy)
                    if refused or wait is None or (there.version if there is not None else 0) != expected:
                        raise
                    self._sleep(wait)
        except (Conflict, StoreUnavailable):
            head.version = expected
            raise

    def list_again(self, head: Import, extras: Sequence[Extra] = ()) -> None:
        """`move_on`, and put the import on the list of those that are not finished, in the same write."""
        self.move_on(head, [Extra("put", WorkspaceRow(OPEN, head.id, expires_at=int(head.created_at) + KEPT)), *extras])

    def finish(self, head: Import) -> None:
        """`move_on` of an import that is finished, and take it off the list in the same write."""
        self.move_on(head, [Extra("delete", WorkspaceRow(OPEN, head.id))])

    def close(self, import_id: str) -> None:
        """Take an import off the list: it is finished, or gone."""
        run(Extra("delete", WorkspaceRow(OPEN, import_id)))

    @answered
    def open(self, limit: int) -> list[str]:
        """Ids of imports that are not known to be finished, oldest first."""
        return [row.sk for row in WorkspaceRow.query(OPEN, limit=limit, consistent_read=True)]

    @staticmethod
    def _head(head: Import) -> WorkspaceRow:
        body = {name: value for name, value in asdict(head).items() if name != "version"}
        return WorkspaceRow(
            f"bulk#{head.id}", "head", body=body, version=head.version, expires_at=int(head.created_at) + KEPT
        )
