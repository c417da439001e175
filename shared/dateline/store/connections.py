"""Connections that are under way, and the apps that servers have registered for us. Rows of the workspaces table.

`conn#<id>`/`conn` is one consent; it lapses by itself. `app#<platform>`/<hash of server and redirect address> is our app with
a server, sealed.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from pynamodb.exceptions import PynamoDBException

from ..domain.connection import Connection, Offer
from .tables import Conflict, WorkspaceRow, answered, failed_condition

_MOMENTS = ("created_at", "expires_at", "grant_expires_at")


class Connections:
    """The connections."""

    @answered
    def get(self, connection_id: str) -> Connection | None:
        """The connection, None if there is none (any more)."""
        try:
            row = WorkspaceRow.get(f"conn#{connection_id}", "conn", consistent_read=True)
        except WorkspaceRow.DoesNotExist:
            return None
        return from_body(row.body, int(row.version))

    @answered
    def save(self, connection: Connection) -> None:
        """Write it on condition that nobody wrote since it was read. Raises `Conflict`, `StoreUnavailable`."""
        expected, connection.version = connection.version, connection.version + 1
        row = WorkspaceRow(
            f"conn#{connection.id}", "conn", body=_body(connection), version=connection.version,
            expires_at=int(connection.expires_at.timestamp()),
        )
        try:
            row.save(condition=WorkspaceRow.version == expected if expected else WorkspaceRow.pk.does_not_exist())
        except PynamoDBException as error:
            connection.version = expected
            if failed_condition(error):
                raise Conflict from error
            raise

    @answered
    def app(self, platform: str, server: str, redirect_uri: str) -> bytes | None:
        """The ciphertext of our app with a server, None where it has not registered one for this redirect address."""
        try:
            sealed: bytes | None = WorkspaceRow.get(*_app_key(platform, server, redirect_uri)).data
            return sealed
        except WorkspaceRow.DoesNotExist:
            return None

    @answered
    def keep_app(self, platform: str, server: str, redirect_uri: str, sealed: bytes) -> None:
        """Remember our app with a server. Of two that registered at once the last one stays; both go on working."""
        pk, sk = _app_key(platform, server, redirect_uri)
        WorkspaceRow(pk, sk, body={"server": server, "redirectUri": redirect_uri}, data=sealed).save()


def _app_key(platform: str, server: str, redirect_uri: str) -> tuple[str, str]:
    return f"app#{platform}", hashlib.sha256(f"{server} {redirect_uri}".encode()).hexdigest()


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.timestamp() if isinstance(value, datetime) else value for name, value in values.items()}


def _moments(values: dict[str, Any]) -> dict[str, Any]:
    found = {n: datetime.fromtimestamp(values[n], UTC) for n in _MOMENTS if values.get(n) is not None}
    return {**values, **found}


def _body(connection: Connection) -> dict[str, Any]:
    kept = {name: getattr(connection, name) for name in Connection.__slots__ if name not in ("offers", "sealed", "version")}
    offers = [_plain({name: getattr(offer, name) for name in Offer.__slots__}) for offer in connection.offers]
    return {**_plain(kept), "offers": offers, "sealed": [base64.b64encode(blob).decode() for blob in connection.sealed]}


def from_body(body: dict[str, Any], version: int) -> Connection:
    """The connection a row stands for."""
    offers = [Offer(**_moments(offer)) for offer in body["offers"]]
    sealed = [base64.b64decode(blob) for blob in body["sealed"]]
    return Connection(**{**_moments(body), "offers": offers, "sealed": sealed, "version": version})
