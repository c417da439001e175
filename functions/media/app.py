"""media: one message is one order of copies. Copies customers' media into our own bucket, so that a post publishes what it was
scheduled with; failed messages come back on their own."""

from __future__ import annotations

from typing import Any

from dateline import coldstart, wiring
from dateline.aws.queue import Order
from dateline.runtime import logger, time_left
from dateline.usecases.copying import carry_out

log = logger()
deps = wiring.deps()
_ = deps.media, deps.copies, deps.orders, deps.http
coldstart.over()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An SQS batch; the answer names the messages that must come back (partial batch response)."""
    failures = []
    for record in event["Records"]:
        try:
            order = Order.parse(record["body"])
            log.info("copies", extra={"pins": len(order.pins), "done": carry_out(deps, order, time_left(context))})
        except Exception as error:
            log.exception("copying failed", extra={"message_id": record["messageId"], "reason": type(error).__name__})
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
