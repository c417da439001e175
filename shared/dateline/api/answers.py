"""What goes back: answers, and refusals as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..domain.errors import Problem


class Answer(NamedTuple):
    """A status, a JSON body (or text of another type), and headers."""

    status: int
    body: Any
    headers: Mapping[str, str] = {}
    content_type: str = "application/json"


def problem_view(problem: Problem, instance: str | None = None) -> dict[str, Any]:
    """A refusal as problem details, with the members the contract names for its code."""
    return {
        "type": f"/docs#{problem.code}", "title": problem.title, "status": problem.status, "code": problem.code,
        "detail": problem.detail, "instance": instance, **problem.extra,
        "errors": [{"pointer": e.pointer, "code": e.code, "detail": e.detail, **e.extra} for e in problem.errors],
    }
