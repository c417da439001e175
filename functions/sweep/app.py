"""sweep: once a minute, whatever is past its deadline. Says how late the latest post is (metric `OverduePostSeconds`)."""

from __future__ import annotations

import json
from typing import Any

from dateline import coldstart, wiring
from dateline.runtime import logger, time_left
from dateline.usecases.sweep import sweep

log = logger()
deps = wiring.deps()
_ = deps.posts
coldstart.over()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The minute's tick. The metric goes out as an embedded metric in the log: no call, no permission."""
    swept = sweep(deps, time_left(context))
    metric = {
        "_aws": {
            "Timestamp": int(deps.clock.now().timestamp() * 1000),
            "CloudWatchMetrics": [{
                "Namespace": "Dateline", "Dimensions": [["service"]],
                "Metrics": [{"Name": "OverduePostSeconds", "Unit": "Seconds"}, {"Name": "SweepFailures", "Unit": "Count"}],
            }],
        },
        "service": deps.settings.service, "OverduePostSeconds": swept.overdue_seconds, "SweepFailures": swept.failed,
    }
    if deps.settings.metrics:
        print(json.dumps(metric))  # noqa: T201 - embedded metric format is read from standard output
    return swept._asdict()
