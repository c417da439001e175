"""How little AWS a request calls: each call is latency and money."""

from __future__ import annotations

from typing import Any

from local.stack import Answer
from tests.api_checks import refused, stored
from tests.harness import Dateline


def test_a_request_calls_aws_as_seldom_as_it_says() -> None:
    with Dateline(environment={"DATELINE_AUTH_CACHE_SECONDS": "60"}) as warm:
        warm.api("GET", "/v1/workspace")

        def calls(method: str, path: str, body: Any = None, **headers: str) -> int:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            with warm.stack.counting() as counted:
                answer = warm.api(method, path, body, headers=sent)
            assert answer.status < 300, answer.body
            made.append(answer)
            return sum(counted.values())

        made: list[Answer] = []
        body = {"text": "Hello", "profileIds": ["prof_mastodon", "prof_x"], "scheduledFor": "2027-06-16T09:00:00Z"}
        assert calls("POST", "/v1/posts", body) <= 3
        assert calls("POST", "/v1/posts", {**body, "text": "Hello again"}, idempotency_key="k") <= 3
        path = f"/v1/posts/{made[0].json()['id']}"
        assert calls("GET", path) == 1
        assert calls("GET", "/v1/posts") == 1
        assert calls("GET", "/v1/posts?platform=x&label=a&status=draft") == 1
        assert calls("PATCH", path, {"scheduledFor": "2027-06-17T09:00:00Z"}) <= 3
        assert calls("PATCH", path, {"text": "Another"}) <= 3
        assert calls("DELETE", path) <= 3
        assert calls("POST", "/v1/posts", {"text": "A draft"}) == 1
        assert calls("POST", "/v1/posts/validate", {**body, "text": "Would this do?"}) == 1
        assert calls("GET", "/v1/platforms") == 0


def test_what_is_refused_at_the_door_costs_one_read_at_most() -> None:
    with Dateline() as cold:
        for key, most in ((None, 0), ("dl_live_nobody", 1)):
            with cold.stack.counting() as counted:
                refused(cold.api("POST", "/v1/posts", {"text": "x"}, key=key), "unauthorized")
            assert sum(counted.values()) == most
        assert stored(cold)["messages"] == []
