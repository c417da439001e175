"""Workspaces and their API keys. A key is stored as its SHA-256 only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.transactions import TransactWrite

from ..domain.ids import new_token
from .tables import Conflict, WorkspaceRow, answered, failed_condition

MOST_CONFLICTS = 10
"""Tries of one change of settings against others."""


class ApiKey(NamedTuple):
    """A key as stored. `mode` is live or test; times are RFC 3339; `last4` helps a person to tell keys apart."""

    id: str
    workspace_id: str
    mode: str
    name: str
    scopes: tuple[str, ...]
    created_at: str
    last4: str
    hash: str
    revoked_at: str | None = None


def digest(secret: str) -> str:
    """How a key is stored. Keys are 128 random bits and more: a plain hash is enough, there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Workspaces:
    """The workspaces table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def key(self, secret: str) -> ApiKey | None:
        """The key with this secret, revoked or not; None if there is none. Raises `StoreUnavailable`."""
        body = self._get(f"key#{digest(secret)}", "key")
        return None if body is None else _key(body)

    def key_by_id(self, workspace_id: str, key_id: str) -> ApiKey | None:
        """One of a workspace's keys."""
        body = self._get(f"ws#{workspace_id}", f"key#{key_id}")
        return None if body is None else _key(body)

    @answered
    def keys(self, workspace_id: str) -> list[ApiKey]:
        """All keys of a workspace, revoked ones too, oldest first."""
        rows = WorkspaceRow.query(f"ws#{workspace_id}", WorkspaceRow.sk.startswith("key#"), consistent_read=True)
        return [_key(row.body) for row in rows]

    @answered
    def save_key(self, key: ApiKey) -> None:
        """Write a key where it is looked up and where it is listed, both or neither."""
        body = key._asdict()
        with TransactWrite(connection=self._connection) as transaction:
            transaction.save(WorkspaceRow(f"key#{key.hash}", "key", body=body))
            transaction.save(WorkspaceRow(f"ws#{key.workspace_id}", f"key#{key.id}", body=body))

    def settings(self, workspace_id: str) -> dict[str, Any]:
        """A workspace's settings, `{}` if none were ever written."""
        return self._get(f"ws#{workspace_id}", "settings") or {}

    @answered
    def save_settings(self, workspace_id: str, settings: dict[str, Any]) -> None:
        """Replace a workspace's settings, whatever they are."""
        WorkspaceRow(f"ws#{workspace_id}", "settings", body=settings, write=new_token()).save()

    @answered
    def change_settings(self, workspace_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Set the members of `changes` (None takes one away) and leave the others as they are, also those that somebody else is
        setting just now. Returns the settings as written. Raises `Conflict`, `StoreUnavailable`."""
        for _ in range(MOST_CONFLICTS):
            try:
                row = WorkspaceRow.get(f"ws#{workspace_id}", "settings", consistent_read=True)
                seen: Any = WorkspaceRow.write.does_not_exist() if row.write is None else WorkspaceRow.write == row.write
            except WorkspaceRow.DoesNotExist:
                row = WorkspaceRow(f"ws#{workspace_id}", "settings", body={})
                seen = WorkspaceRow.pk.does_not_exist()
            row.body = {name: value for name, value in {**row.body, **changes}.items() if value is not None}
            row.write = new_token()
            try:
                row.save(condition=seen)
            except PynamoDBException as error:
                if not failed_condition(error):
                    raise
                continue
            settings: dict[str, Any] = row.body
            return settings
        raise Conflict

    @answered
    def every(self) -> dict[str, dict[str, Any]]:
        """The settings of all workspaces by their ids. Reads the whole table: for an operator."""
        rows = WorkspaceRow.scan(WorkspaceRow.sk == "settings")
        return {row.pk.removeprefix("ws#"): row.body for row in rows}

    def note(self, name: str) -> dict[str, Any] | None:
        """What the deployment has noted for itself under a name, None if nothing. It belongs to no workspace."""
        return self._get("system", name)

    @answered
    def save_note(self, name: str, body: dict[str, Any]) -> None:
        """Replace a note of the deployment."""
        WorkspaceRow("system", name, body=body).save()

    @staticmethod
    @answered
    def _get(pk: str, sk: str) -> dict[str, Any] | None:
        try:
            body: dict[str, Any] = WorkspaceRow.get(pk, sk, consistent_read=True).body
            return body
        except WorkspaceRow.DoesNotExist:
            return None


def _key(body: dict[str, Any]) -> ApiKey:
    return ApiKey(**{**body, "scopes": tuple(body["scopes"])})
