"""api: every HTTP route. Hands the event to the package; what each route does stands in `dateline.api`."""

from __future__ import annotations

from typing import Any

from dateline import coldstart, wiring
from dateline.api.http import Api
from dateline.runtime import logger

log = logger()
deps = wiring.deps()
# Connecting an account, or taking a post back from its network, makes up to three calls within the 29 seconds there are.
deps.settings.call_seconds = min(deps.settings.call_seconds, 9.0)
_ = deps.posts, deps.schedules, deps.queue
api = Api(deps)
coldstart.over()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One HTTP API request."""
    return api.handle(event)
