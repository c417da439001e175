"""One more write of a post's transaction, and what its refusal means.

Whoever decides something that must hold when a post is written (a slot is free, a counter has room) describes the write that
makes it so as an `Extra`; whoever writes the post puts it into the same transaction. So neither needs to know the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from pynamodb.exceptions import PynamoDBException
from pynamodb.models import Model

from .tables import Conflict, answered, code_of, failed_condition

Operation = Literal["check", "delete", "put", "update"]

_SENT: tuple[Operation, ...] = ("check", "delete", "put", "update")
"""The order in which pynamodb sends a transaction's operations, each kind in the order it was added."""


class Extra(NamedTuple):
    """One write. `row` carries the key (and for `put` all of the item), `actions` are those of an `update`.

    `refused` is what to raise when `condition` does not hold: an exception or its class, `Conflict` if not given.
    """

    operation: Operation
    row: Model
    actions: tuple[Any, ...] = ()
    condition: Any = None
    refused: type[Exception] | Exception | None = None

    def refusal(self) -> Exception:
        """The exception that tells of the refusal, a new one where a class was given."""
        refused = self.refused or Conflict
        return refused() if isinstance(refused, type) else refused


def fill(transaction: Any, extras: Iterable[Extra]) -> None:
    """Add the writes to a pynamodb `TransactWrite`. DynamoDB takes 100 in all, and no item twice."""
    for extra in extras:
        row = extra.row
        match extra.operation:
            case "check":
                keys = [getattr(row, name) for name in (row._hash_keyname, row._range_keyname) if name]
                transaction.condition_check(type(row), *keys, condition=extra.condition)
            case "delete":
                transaction.delete(row, condition=extra.condition)
            case "put":
                transaction.save(row, condition=extra.condition)
            case "update":
                transaction.update(row, actions=list(extra.actions), condition=extra.condition)


def refusal_of(error: PynamoDBException, writes: Sequence[Extra]) -> Exception | None:
    """What a transaction's error means, given every write of it in the order of `fill`; None if it is no refusal.

    Where several conditions failed, the first write in `writes` speaks. An item that another transaction holds just now is a
    `Conflict`.
    """
    if code_of(error) != "TransactionCanceledException":
        return None
    reasons = [reason.code if reason else None for reason in getattr(error, "cancellation_reasons", ())]
    sent = sorted(range(len(writes)), key=lambda index: _SENT.index(writes[index].operation))
    failed = [index for index, code in zip(sent, reasons, strict=False) if code == "ConditionalCheckFailed"]
    if failed:
        return writes[min(failed)].refusal()
    return Conflict() if "TransactionConflict" in reasons else None


@answered
def run(extra: Extra) -> None:
    """Make one put, update or delete by itself. Raises what its refusal means, `Conflict`, `StoreUnavailable`.

    A refusal may be the echo of its own success, when the first answer was lost: whoever cannot bear that reads again.
    """
    row = extra.row
    try:
        match extra.operation:
            case "put":
                row.save(condition=extra.condition)
            case "update":
                row.update(actions=list(extra.actions), condition=extra.condition)
            case "delete":
                row.delete(condition=extra.condition)
            case "check":
                raise ValueError("a check alone writes nothing")
    except PynamoDBException as error:
        if failed_condition(error):
            raise extra.refusal() from error
        if code_of(error) == "TransactionConflictException":
            raise Conflict from error
        raise
