"""deliver: one message is one target. Calls one network and records what came of it; failed messages come back on their own."""

from __future__ import annotations

from typing import Any

from dateline import coldstart, wiring
from dateline.aws.queue import Message
from dateline.runtime import logger, time_left
from dateline.usecases.deliver import deliver

log = logger()
deps = wiring.deps()
# All of it now: Lambda lends a whole processor until the handler is ready, and a small part of one from then on.
_ = deps.posts, deps.profiles, deps.queue, deps.secrets, deps.http
coldstart.over()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """An SQS batch; the answer names the messages that must come back (partial batch response)."""
    failures = []
    for record in event["Records"]:
        try:
            message = Message.parse(record["body"])
            done = deliver(deps, message, time_left(context))
            log.info("delivery", extra={"post_id": message.post_id, "profile_id": message.profile_id, "done": done})
        except Exception as error:
            log.exception("delivery failed", extra={"message_id": record["messageId"], "reason": type(error).__name__})
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
