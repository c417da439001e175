"""notify: the streams of posts and profiles. Writes each transition once to the event feed and says it on the topic."""

from __future__ import annotations

from typing import Any

from dateline import coldstart, wiring
from dateline.runtime import logger
from dateline.store import posts, profiles
from dateline.usecases.announce import Subject, announce

log = logger()
deps = wiring.deps()
_ = deps.events, deps.topic
coldstart.over()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A stream batch, announced workspace by workspace. From the first record that was not, the batch is handed over again."""
    feeds: dict[str, list[tuple[str, Subject]]] = {}
    for record in event["Records"]:
        image = record["dynamodb"].get("NewImage")
        if image is not None and "quiet" not in image:
            subject: Subject = posts.from_image(image) if "body" in image else profiles.from_image(image)
            feeds.setdefault(subject.partition, []).append((record["dynamodb"]["SequenceNumber"], subject))
    failed = []
    for feed, writes in feeds.items():
        try:
            announce(deps, [subject for _, subject in writes])
        except Exception as error:
            log.exception("not announced", extra={"feed": feed, "reason": type(error).__name__})
            failed.append(writes[0][0])
    order = {record["dynamodb"]["SequenceNumber"]: number for number, record in enumerate(event["Records"])}
    return {"batchItemFailures": [{"itemIdentifier": min(failed, key=order.__getitem__)}] if failed else []}
