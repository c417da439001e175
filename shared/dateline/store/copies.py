"""Large files that are being copied: who is at it, and how far. One row a copy, so that two never copy the same file at once, and
one who dies over it is followed by another who goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pynamodb.exceptions import PynamoDBException

from ..domain.ids import new_token
from .tables import WorkspaceRow, answered, failed_condition

LEASE = 180.0
"""Seconds after which a copy that nobody has added to is taken over."""

KEPT = timedelta(days=2)
"""As long as the bucket keeps the pieces of an object that is not whole."""


class Hold(NamedTuple):
    """A hold on a copy: its key, the token of the last write, and how far it is (`usecases.copying` knows what that means)."""

    key: str
    token: str
    progress: dict[str, Any]


class Copies:
    """Rows `copy#<key>` of the workspaces table."""

    @answered
    def take(self, key: str, now: datetime) -> Hold | None:
        """Take hold of a copy, with what is done of it already; None while somebody else is at it. Raises `StoreUnavailable`."""
        try:
            row = WorkspaceRow.get(f"copy#{key}", "copy", consistent_read=True)
        except WorkspaceRow.DoesNotExist:
            return self._write(key, {}, now, LEASE, WorkspaceRow.pk.does_not_exist())
        if row.version is not None and row.version > now.timestamp():
            return None
        return self._write(key, row.body or {}, now, LEASE, WorkspaceRow.write == row.write)

    @answered
    def save(self, hold: Hold, progress: dict[str, Any], now: datetime, *, release: bool = False) -> Hold | None:
        """Note how far it is, and keep hold of it unless `release`; None when somebody else took it over meanwhile."""
        return self._write(hold.key, progress, now, 0.0 if release else LEASE, WorkspaceRow.write == hold.token)

    @answered
    def forget(self, hold: Hold) -> None:
        """The copy is whole: nothing is left to note."""
        try:
            WorkspaceRow(f"copy#{hold.key}", "copy").delete(condition=WorkspaceRow.write == hold.token)
        except PynamoDBException as error:
            if not failed_condition(error):
                raise

    @staticmethod
    def _write(key: str, progress: dict[str, Any], now: datetime, lease: float, condition: Any) -> Hold | None:
        token = new_token()
        row = WorkspaceRow(
            f"copy#{key}", "copy", body=progress, write=token, version=int(now.timestamp() + lease),
            expires_at=int((now + KEPT).timestamp()),
        )
        try:
            row.save(condition=condition)
        except PynamoDBException as error:
            if not failed_condition(error):
                raise
            return None
        return Hold(key, token, progress)
