"""Further conditional writes that travel in a post's transaction: counters, guards, slots. All are done, or none.

A refused condition means that somebody else was faster: the transaction raises `Conflict`, and its maker decides again from
what is there now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from .tables import Busy, Conflict, answered, code_of, failed_condition

MOST_OPERATIONS = 100
"""Of one transaction: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""


class Extra(NamedTuple):
    """One more write. `actions` are an update's; `row` needs its keys only then, and for a delete."""

    operation: Literal["put", "update", "delete"]
    row: Model
    actions: tuple[Any, ...] = ()
    condition: Any = None


def add(transaction: TransactWrite, extra: Extra) -> None:
    """Put it into a transaction."""
    if extra.operation == "put":
        transaction.save(extra.row, condition=extra.condition)
    elif extra.operation == "update":
        transaction.update(extra.row, actions=list(extra.actions), condition=extra.condition)
    else:
        transaction.delete(extra.row, condition=extra.condition)


@answered
def write_together(connection: Connection, extras: Sequence[Extra]) -> None:
    """These writes and no post's, in one transaction. Raises `Conflict` (`Busy` if no condition failed), `StoreUnavailable`."""
    try:
        with TransactWrite(connection=connection) as transaction:
            for extra in extras:
                add(transaction, extra)
    except PynamoDBException as error:
        codes = {reason.code for reason in getattr(error, "cancellation_reasons", ()) if reason}
        if "ConditionalCheckFailed" in codes:
            raise Conflict from error
        if "TransactionConflict" in codes:
            raise Busy from error
        raise


@answered
def run(extra: Extra) -> None:
    """One of them by itself. Raises `Conflict` (`Busy`), `StoreUnavailable`.

    A refusal may be the echo of its own success, when the first answer was lost: whoever cannot bear that reads again.
    """
    row = extra.row
    try:
        if extra.operation == "put":
            row.save(condition=extra.condition)
        elif extra.operation == "update":
            row.update(actions=list(extra.actions), condition=extra.condition)
        else:
            row.delete(condition=extra.condition)
    except PynamoDBException as error:
        if failed_condition(error):
            raise Conflict from error
        if code_of(error) == "TransactionConflictException":
            raise Busy from error
        raise
