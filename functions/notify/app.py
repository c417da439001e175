"""notify: the posts table's stream. Writes each transition once to the event feed and says it on the topic."""

from __future__ import annotations

from typing import Any

from dateline import wiring
from dateline.runtime import logger
from dateline.store.posts import from_image
from dateline.usecases.announce import announce

log = logger()
deps = wiring.deps()
_ = deps.events, deps.topic


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A stream batch. At the first record that fails the rest is handed over again, so that the order holds."""
    for record in event["Records"]:
        image = record["dynamodb"].get("NewImage")
        if image is None or "quiet" in image:
            continue
        try:
            announce(deps, from_image(image))
        except Exception as error:
            log.exception("not announced", extra={"post_id": image["id"]["S"], "reason": type(error).__name__})
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}
