"""Idempotency keys: a repeated request finds what the first one did, and never does it again."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

from pynamodb.exceptions import PynamoDBException

from .tables import Conflict, IdempotencyRow, answered, failed_condition


class Kept(NamedTuple):
    """What is stored for a key. `state` is running or done; `answer` is `[status, body]` where no post stands for it."""

    fingerprint: str
    state: str
    post_id: str | None
    answer: list[Any] | None


def storage_key(partition: str, key: str) -> str:
    """Where a client's key is kept: hashed, since clients put anything in it."""
    return f"{partition}#{hashlib.sha256(key.encode()).hexdigest()}"


def fingerprint(method: str, path: str, body: Any) -> str:
    """The same request gives the same fingerprint, whatever the order of its members."""
    whole = json.dumps([method, path, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode()).hexdigest()


class Idempotency:
    """The idempotency table."""

    @answered
    def get(self, pk: str, now: float) -> Kept | None:
        """What is kept for the key, None if nothing is or it has expired."""
        try:
            row = IdempotencyRow.get(pk, consistent_read=True)
        except IdempotencyRow.DoesNotExist:
            return None
        if row.expires_at < now:
            return None
        return Kept(row.fingerprint, row.state, row.post_id, row.answer)

    @answered
    def begin(self, pk: str, fingerprint: str, now: float, running: float, expires: float) -> None:
        """Take the key for a request that is not one transaction. Raises `Conflict` if it is taken.

        A taker that died lets go after `running` seconds.
        """
        row = IdempotencyRow(
            pk, fingerprint=fingerprint, state="running", running_until=now + running, expires_at=int(now + expires)
        )
        died = (IdempotencyRow.state == "running") & (IdempotencyRow.running_until < now)
        free = IdempotencyRow.pk.does_not_exist() | (IdempotencyRow.expires_at < now) | died
        try:
            row.save(condition=free)
        except PynamoDBException as error:
            if failed_condition(error):
                raise Conflict from error
            raise

    @answered
    def finish(self, pk: str, status: int, body: Any) -> None:
        """Keep the answer of the request that took the key."""
        IdempotencyRow(pk).update(
            actions=[IdempotencyRow.state.set("done"), IdempotencyRow.answer.set([status, body])],
            condition=IdempotencyRow.pk.exists(),
        )

    @answered
    def release(self, pk: str) -> None:
        """Let go of a key whose request was refused: nothing was done, so it may be corrected and sent again."""
        IdempotencyRow(pk).delete()
