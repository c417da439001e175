"""publish: an entry fired, the time of a post may have come. Moves it to `queued` and sends one message per target."""

from __future__ import annotations

from typing import Any

from dateline import coldstart, wiring
from dateline.runtime import logger
from dateline.usecases.dispatch import dispatch

log = logger()
deps = wiring.deps()
_ = deps.posts, deps.queue
coldstart.over()


def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """`{"postId", "partition"}` from a schedule entry. Raises when DynamoDB does not answer: the invocation is repeated."""
    done = dispatch(deps, event["postId"], event.get("partition"))
    log.info("dispatched", extra={"post_id": event["postId"], "done": done})
    return {"done": done}
