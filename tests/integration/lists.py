"""What the tests of lists share: walking one page by page, and counting what its pages read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from tests.harness import Dateline


def walk(dateline: Dateline, limit: int, *, most: int = 400, key: str = "dl_live_local", **filters: Any) -> list[dict[str, Any]]:
    """All posts of a list, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(most):
        query = urlencode({**filters, "limit": limit, **({"cursor": cursor} if cursor else {})}, doseq=True)
        answer = dateline.api("GET", f"/v1/posts?{query}", key=key)
        assert answer.status == 200, answer.body
        assert len(answer.json()["data"]) <= limit
        found += answer.json()["data"]
        cursor = answer.json()["nextCursor"]
        if cursor is None:
            return found
    raise AssertionError("the list does not end")


@contextmanager
def reading(dateline: Dateline) -> Iterator[dict[str, int]]:
    """Counts what the handlers read inside, but for the key of a request: calls, items that queries looked at, posts by key; and
    the largest transaction."""
    seen = {"calls": 0, "queried": 0, "posts": 0, "transaction": 0}
    before = dateline.stack.watch.tap

    def tap(service: str, operation: str, params: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if before is not None:
            before(service, operation, params, answer)
        if "WorkspacesTable" in str(params):
            return
        seen["calls"] += 1
        if operation == "Query":
            seen["queried"] += answer["ScannedCount"]
        elif operation == "BatchGetItem":
            seen["posts"] += sum(len(wanted["Keys"]) for wanted in params["RequestItems"].values())
        elif operation == "TransactWriteItems":
            seen["transaction"] = max(seen["transaction"], len(params["TransactItems"]))

    dateline.stack.watch.tap = tap
    try:
        yield seen
    finally:
        dateline.stack.watch.tap = before
