"""What every handler does before its one call: structured logs with the ids of the work at hand, and no secret in them."""

from __future__ import annotations

import logging
from typing import Any

from aws_lambda_powertools import Logger

_logger: Logger | None = None


def logger() -> Logger:
    """The process's logger. The package logs through `logging.getLogger("dateline")`, which writes where this does."""
    global _logger
    if _logger is None:
        _logger = Logger()
        package = logging.getLogger("dateline")
        package.handlers = list(_logger.handlers)
        package.setLevel(_logger.log_level)
        package.propagate = False
    return _logger


def time_left(context: Any) -> Any:
    """A function that tells how many seconds of the invocation are left."""
    return lambda: context.get_remaining_time_in_millis() / 1000.0
