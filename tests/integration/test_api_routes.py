"""Every route of the table: who may call it, what it says to everybody else, and that it exists in no other way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline import wiring
from dateline.api.auth import SCOPES
from dateline.api.routes import ROUTES, Route
from dateline.domain.connection import Connection
from local.seed import LIVE_KEY, TEST_KEY
from tests.api_checks import mint, nothing_written, refused
from tests.harness import START, Dateline

MARKER = "only wks_local may read this"
BODIES: dict[str | None, Any] = {
    None: None, "PostIn": {"text": "A draft"}, "PostPatch": {"text": "Changed"}, "EmptyIn": {}, "RetryIn": {}, "UnpublishIn": {},
    "ApproveIn": {},
    "RejectIn": {},
    "ResolveIn": {"outcome": "not_published"}, "ProfileIn": {"platform": "mastodon", "credentials": {"accessToken": "wrong"}},
    "ProfilePatch": {"name": "Renamed"}, "WorkspacePatch": {"onLate": "publish"}, "KeyIn": {"scopes": ["posts:read"]},
    "QueueIn": {"name": "Noon", "timezone": "UTC", "slots": [{"day": "monday", "time": "12:00"}]}, "QueuePatch": {"capacity": 2},
    "MediaCreate": {"contentType": "image/png", "bytes": 100},
    "ConnectIn": {"credentials": {"accessToken": "wrong"}}, "ChooseIn": {"accountIds": ["1"]},
    "ReservationIn": {}, "BulkIn": [{"text": "A draft"}],
}
"""A body for each shape that gets past the shape."""

NAMED = ("/v1/posts/validate", "/v1/posts/bulk", "/v1/posts/export.csv")
"""Paths that look like a post's: other methods of theirs are routes of one post."""

PRIVATE = [route for route in ROUTES if not route.public]
SCOPED = [route for route in PRIVATE if route.scope]
OWNED = [route for route in PRIVATE if "_id}" in route.path]
LISTS = [route for route in PRIVATE if (route.answer or "").endswith("Page") and route not in OWNED]


class Ground:
    """A running stack with one post, one profile and one key of `wks_local`, and keys of others."""

    def __init__(self, dateline: Dateline) -> None:
        self.dateline = dateline
        self.post = dateline.post("prof_mastodon", text=MARKER, at=START + timedelta(days=1))["id"]
        dateline.stack.pump_stream()
        self.other = dateline.second_workspace()
        self.bulk = dateline.api("POST", "/v1/posts/bulk", [{"text": MARKER}]).json()["id"]
        self.key = dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"], "name": MARKER}).json()["id"]
        queue = {**(BODIES["QueueIn"] or {}), "name": MARKER}
        self.queue = dateline.api("POST", "/v1/queues", queue).json()["id"]
        upload = {"contentType": "image/png", "bytes": 100, "filename": MARKER}
        self.media = dateline.api("POST", "/v1/media", upload).json()["id"]
        now = dateline.clock.now()
        until = now + timedelta(minutes=10)
        self.connection = Connection("conn_ours", "wks_local", "live", "mastodon", MARKER, "", "", now, until)
        dateline.deps.connections.save(self.connection)
        self.reservation = dateline.api("POST", f"/v1/queues/{self.queue}/reservations").json()["id"]

    def path(self, route: Route) -> str:
        """The route's path with ids of `wks_local`."""
        ids = {
            "{post_id}": self.post, "{profile_id}": "prof_mastodon", "{key_id}": self.key, "{name}": "mastodon",
            "{platform}": "mastodon", "{connection_id}": self.connection.id, "{media_id}": self.media,
            "{bulk_id}": self.bulk, "{queue_id}": self.queue, "{reservation_id}": self.reservation,
        }
        path = route.path
        for name, value in ids.items():
            path = path.replace(name, value)
        return path

    def call(self, route: Route, key: str | None = LIVE_KEY, query: str = "") -> Any:
        return self.dateline.api(route.method, self.path(route) + query, BODIES[route.body], key=key)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with Dateline() as running:
        yield Ground(running)


def named(routes: list[Route]) -> Any:
    return pytest.mark.parametrize("route", routes, ids=[f"{route.method} {route.path}" for route in routes])


@named(PRIVATE)
def test_without_a_key_a_route_answers_401_and_says_how_to_send_one(ground: Ground, route: Route) -> None:
    with nothing_written(ground.dateline):
        answer = ground.call(route, key=None)
    refused(answer, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@named(PRIVATE)
def test_a_revoked_key_and_an_unknown_one_open_nothing(ground: Ground, route: Route) -> None:
    revoked = mint(ground.dateline, "admin", revoked=True)
    with nothing_written(ground.dateline):
        refused(ground.call(route, key=revoked), "unauthorized")
        refused(ground.call(route, key="dl_live_nobody"), "unauthorized")


@named(SCOPED)
def test_a_key_without_the_scope_is_told_which_one_it_lacks(ground: Ground, route: Route) -> None:
    every_other = mint(ground.dateline, *(scope for scope in SCOPES if scope not in (route.scope, "admin")))
    with nothing_written(ground.dateline):
        refused(ground.call(route, key=every_other), "forbidden", requiredScope=route.scope)


@named(SCOPED)
def test_the_scope_alone_opens_the_route(ground: Ground, route: Route) -> None:
    assert route.scope is not None
    only = mint(ground.dateline, route.scope)
    answer = ground.dateline.api(route.method, ground.path(route) + "?nonsense=1", BODIES[route.body], key=only)
    refused(answer, "invalid_request", "/nonsense")


@named(OWNED)
def test_another_workspace_finds_nothing_of_ours(ground: Ground, route: Route) -> None:
    for stranger in (ground.other, TEST_KEY if "key_id" not in route.path else ground.other):
        with nothing_written(ground.dateline):
            answer = ground.call(route, key=stranger)
        refused(answer, "not_found")
        assert MARKER.encode() not in answer.body


@named(LISTS)
def test_a_list_holds_nothing_of_another_workspace_or_side(ground: Ground, route: Route) -> None:
    assert route.path == "/v1/platforms" or ground.call(route).json()["data"]
    for stranger in (ground.other, TEST_KEY):
        answer = ground.call(route, key=stranger)
        assert answer.status == 200
        assert MARKER.encode() not in answer.body and ground.post.encode() not in answer.body
        assert b'"prof_mastodon"' not in answer.body and b'"key_live_wks_local"' not in answer.body


@named(PRIVATE)
def test_a_parameter_that_does_not_exist_is_refused_with_its_name(ground: Ground, route: Route) -> None:
    with nothing_written(ground.dateline):
        problem = refused(ground.call(route, query="?fitler=x"), "invalid_request", "/fitler")
    assert "'fitler'" in problem["detail"]


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_a_method_that_a_path_does_not_take_is_405_and_names_those_it_takes(ground: Ground, path: str) -> None:
    route = next(route for route in ROUTES if route.path == path)
    taken = [other.method for other in ROUTES if other.path == path]
    for method in ("PUT", "GET", "POST", "PATCH", "DELETE"):
        if method in taken or any(o.method == method and ground.path(o) == ground.path(route) for o in ROUTES):
            continue
        if path == "/v1/connect/callback" and method == "POST":
            continue  # a network's name as well
        if path in NAMED and method in ("PATCH", "DELETE", "GET"):
            continue  # a post id as well as a name: those are routes of one post
        with nothing_written(ground.dateline):
            answer = ground.dateline.api(method, ground.path(route))
        problem = refused(answer, "method_not_allowed")
        assert set(taken) <= set(problem["allowed"])
        assert answer.headers["allow"] == ", ".join(problem["allowed"])


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v1/post", "/v1/posts/", "/v2/posts", "/v1/posts/x/y", "/V1/posts", "/health/"]
)
def test_a_path_that_does_not_exist_is_404_and_without_a_key_401(ground: Ground, path: str) -> None:
    refused(ground.dateline.api("GET", path), "not_found")
    refused(ground.dateline.api("GET", path, key=None), "unauthorized")


@pytest.mark.parametrize(
    "id", ["post_", "post_nothing", "post_" + "9" * 5000, "prof_mastodon", "%00", "%F0%9F%A6%86", "%FF", "..%2F.."]
)
def test_an_id_that_is_none_is_404(ground: Ground, id: str) -> None:
    for below in ("posts", "profiles", "platforms", "queues"):
        if (below, id) != ("profiles", "prof_mastodon"):
            refused(ground.dateline.api("GET", f"/v1/{below}/{id}"), "not_found")
    refused(ground.dateline.api("DELETE", f"/v1/keys/{id}"), "not_found")


def test_health_docs_and_the_openapi_file_need_no_key(ground: Ground) -> None:
    health = ground.dateline.api("GET", "/health", key=None)
    assert (health.status, health.json()["status"]) == (200, "ok")
    assert ground.dateline.api("GET", "/openapi.json", key=None).json()["openapi"].startswith("3.1")
    docs = ground.dateline.api("GET", "/docs", key=None)
    assert docs.status == 200 and docs.headers["content-type"].startswith("text/html")


def test_the_key_may_also_come_as_x_api_key_and_nothing_else_counts(ground: Ground) -> None:
    ask = ground.dateline.stack.request
    assert ask("GET", "/v1/workspace", {"x-api-key": LIVE_KEY}).status == 200
    assert ask("GET", "/v1/workspace", {"authorization": f"bearer {LIVE_KEY}"}).status == 200
    for headers in (
        {"authorization": LIVE_KEY},
        {"authorization": f"Basic {LIVE_KEY}"},
        {"authorization": "Bearer "},
        {"x-api-key": " "},
    ):
        refused(ask("GET", "/v1/workspace", headers), "unauthorized")
    refused(ask("GET", f"/v1/workspace?key={LIVE_KEY}"), "unauthorized")


def test_every_answer_carries_a_request_id_and_is_not_stored(ground: Ground) -> None:
    for answer in (
        ground.dateline.api("GET", "/v1/posts"),
        ground.dateline.api("GET", "/health", key=None),
        ground.dateline.api("GET", "/x"),
    ):
        assert answer.headers["x-request-id"] and answer.headers["cache-control"] == "no-store"


def test_browsers_of_other_origins_are_let_in_by_the_parameter_only(ground: Ground) -> None:
    preflight = {"origin": "https://app.example.com", "access-control-request-method": "POST"}
    refused(ground.dateline.stack.request("OPTIONS", "/v1/posts", preflight), "unauthorized")
    settings = wiring.deps().settings
    settings.cors_origins = ["https://app.example.com"]
    try:
        allowed = ground.dateline.stack.request("OPTIONS", "/v1/posts", preflight)
        assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, "https://app.example.com")
        assert "idempotency-key" in allowed.headers["access-control-allow-headers"]
        answer = ground.dateline.api("GET", "/v1/posts", headers={"origin": "https://app.example.com"})
        assert "etag" in answer.headers["access-control-expose-headers"] and answer.headers["vary"] == "Origin"
        refused(ground.dateline.stack.request("OPTIONS", "/v1/posts", {"origin": "https://evil.example"}), "unauthorized")
    finally:
        settings.cors_origins = []
