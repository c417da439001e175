"""Sentences of the contract that no other test stands for, one by one, over the real handlers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest

from dateline import admin
from dateline.api.routes import ROUTES
from dateline.domain.instants import rfc3339
from dateline.platforms import mastodon
from dateline.usecases import write
from local.seed import TEST_KEY, WORKSPACE
from local.stack import Answer
from tests.api_checks import mint, nothing_written, refused
from tests.consenting import go
from tests.harness import NETWORKS_URL, START, Dateline
from tests.integration.scene import connect, interrupted
from tests.integration.test_profile_events import Topic
from tests.integration.usage_checks import Tenant

DAY = timedelta(days=1)
WEEK = [{"day": day, "time": "12:00"} for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")]


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def at(ahead: timedelta) -> str:
    return rfc3339(START + ahead)


def scheduled(dateline: Dateline, ahead: timedelta = DAY, profile: str = "prof_mastodon", **more: Any) -> dict[str, Any]:
    return dateline.post(profile, scheduledFor=at(ahead), **more)


def unconfirmed(dateline: Dateline, **more: Any) -> str:
    """A post of the test side on the sandbox, of which nobody can tell; its id."""
    body = {"text": "Who knows?", "profileIds": ["prof_sandbox"], "publishNow": True, "allowDuplicate": True, **more}
    if "thread" in more:
        del body["text"]
    body["platforms"] = {"sandbox": {"simulate": "unconfirmed", **more.get("platforms", {}).get("sandbox", {})}}
    post: str = dateline.api("POST", "/v1/posts", body, key=TEST_KEY).json()["id"]

    def unclear() -> bool:
        return bool(dateline.api("GET", f"/v1/posts/{post}", key=TEST_KEY).json()["status"] == "unconfirmed")

    assert dateline.stack.run_until(unclear, limit=timedelta(hours=2))
    return post


# Lists

def test_every_list_gives_fifty_rows_and_a_cursor_if_nothing_is_said(dateline: Dateline) -> None:
    for _ in range(51):
        assert dateline.api("POST", "/v1/posts", {}).status == 201
    dateline.stack.pump_stream()
    for path in ("/v1/posts", "/v1/events"):
        page = dateline.api("GET", path).json()
        assert (len(page["data"]), bool(page["nextCursor"])) == (50, True), path
        rest = dateline.api("GET", f"{path}?cursor={page['nextCursor']}").json()
        assert (len(rest["data"]), rest["nextCursor"]) == (1, None), path


# Repeats

def approving(dateline: Dateline) -> str:
    assert dateline.api("PATCH", "/v1/workspace", {"approvalsRequired": True}).status == 200
    return str(scheduled(dateline)["id"])


def failed(dateline: Dateline) -> str:
    dateline.world.add_fault("mastodon", "reject")
    post = dateline.post("prof_mastodon", publishNow=True)["id"]
    dateline.stack.settle(timers=False)
    return str(post)


def retrying(dateline: Dateline) -> str:
    dateline.world.add_fault("mastodon", "rate_limit", retry_after=600)
    post = dateline.post("prof_mastodon", publishNow=True)["id"]
    dateline.stack.settle(timers=False)
    return str(post)


def account(dateline: Dateline) -> dict[str, Any]:
    offered = dateline.world.networks["mastodon"].credentials_for("prof_once")
    return {"platform": "mastodon", "server": NETWORKS_URL + offered["server"], "credentials": offered["credentials"]}


def queue(dateline: Dateline) -> str:
    made = dateline.api("POST", "/v1/queues", {"name": "Noon", "timezone": "UTC", "slots": WEEK})
    assert made.status == 201, made.body
    return str(made.json()["id"])


def published(dateline: Dateline) -> str:
    post = dateline.post("prof_mastodon", publishNow=True)["id"]
    dateline.stack.settle(timers=False)
    return str(post)


def choosing(dateline: Dateline) -> tuple[str, Any]:
    """A consent that reaches several boards, and the choice of one."""
    begun = dateline.api("POST", "/v1/connect/pinterest", {}).json()
    told = dateline.api("GET", go(dateline, f"{begun['authorizeUrl']}&as=prof_once"), key=None).json()
    return f"/v1/connections/{begun['connectionId']}", {"accountIds": [told["choices"][0]["accountId"]]}


ONCE: dict[str, Callable[[Dateline], tuple[str, Any]]] = {
    "POST /v1/posts": lambda d: ("/v1/posts", {"text": "Once"}),
    "POST /v1/posts/bulk": lambda d: ("/v1/posts/bulk", [{"text": "Once"}, {"text": "And once"}]),
    "PATCH /v1/posts/{post_id}": lambda d: (f"/v1/posts/{scheduled(d)['id']}", {"text": "Once"}),
    "POST /v1/posts/{post_id}/publish": lambda d: (f"/v1/posts/{scheduled(d)['id']}/publish", {}),
    "POST /v1/posts/{post_id}/retry": lambda d: (f"/v1/posts/{failed(d)}/retry", {}),
    "POST /v1/posts/{post_id}/unpublish": lambda d: (f"/v1/posts/{published(d)}/unpublish", {}),
    "POST /v1/connect/{platform}": lambda d: ("/v1/connect/x", {}),
    "POST /v1/connections/{connection_id}": choosing,
    "POST /v1/posts/{post_id}/stop": lambda d: (f"/v1/posts/{retrying(d)}/stop", {}),
    "POST /v1/posts/{post_id}/approve": lambda d: (f"/v1/posts/{approving(d)}/approve", {}),
    "POST /v1/posts/{post_id}/reject": lambda d: (f"/v1/posts/{approving(d)}/reject", {"reason": "Once"}),
    "POST /v1/posts/{post_id}/targets/{profile_id}/resolve": lambda d: (
        f"/v1/posts/{unconfirmed(d)}/targets/prof_sandbox/resolve", {"outcome": "published", "remoteId": "once"}
    ),
    "POST /v1/profiles": lambda d: ("/v1/profiles", account(d)),
    "PATCH /v1/profiles/{profile_id}": lambda d: ("/v1/profiles/prof_x", {"paused": True}),
    "POST /v1/queues": lambda d: ("/v1/queues", {"name": "Noon", "timezone": "UTC", "slots": WEEK}),
    "PATCH /v1/queues/{queue_id}": lambda d: (f"/v1/queues/{queue(d)}", {"capacity": 2}),
    "POST /v1/queues/{queue_id}/reservations": lambda d: (f"/v1/queues/{queue(d)}/reservations", {}),
    "POST /v1/media": lambda d: ("/v1/media", {"contentType": "image/png", "bytes": 73}),
    "PATCH /v1/workspace": lambda d: ("/v1/workspace", {"onLate": "fail"}),
    "POST /v1/keys": lambda d: ("/v1/keys", {"scopes": ["posts:read"]}),
}


@pytest.mark.parametrize("route", [f"{route.method} {route.path}" for route in ROUTES if route.idempotent])
def test_every_route_that_writes_once_is_done_once_and_replayed(dateline: Dateline, route: str) -> None:
    path, body = ONCE[route](dateline)
    key = TEST_KEY if route.endswith("/resolve") else "dl_live_local"
    headers = {"idempotency-key": "once", "prefer": "respond-async"}

    def ask(body: Any) -> Answer:
        return dateline.api(route.partition(" ")[0], path, body, key=key, headers=headers)

    first = ask(body)
    assert first.status in (200, 201, 202) and "idempotency-replayed" not in first.headers, first.body
    with nothing_written(dateline):
        again = ask(body)
        other = ask([{"text": "Another"}] if isinstance(body, list) else {**body, "text": "Another"})
    assert (again.status, again.headers["idempotency-replayed"]) == (first.status, "true")
    shown = {**first.json(), "secret": None, "warnings": []} if route == "POST /v1/keys" else first.json()
    assert {**again.json(), **({"warnings": []} if "warnings" in shown else {})} == shown
    assert other.status in (400, 409) and other.json()["code"] in ("idempotency_conflict", "invalid_request"), other.body


def test_a_second_request_while_the_first_is_running_is_told_so(dateline: Dateline) -> None:
    headers, met = {"idempotency-key": "both"}, list[Answer]()

    def ask() -> Answer:
        return dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"]}, headers=headers)

    def hook(_service: str, operation: str, phase: str) -> None:
        if (operation, phase) == ("UpdateItem", "before") and not met:
            met.append(ask())

    interrupted(dateline, hook, lambda: met.append(ask()))
    refused(met[0], "idempotency_in_progress")
    assert met[1].status == 201 and ask().json()["id"] == met[1].json()["id"], "the first one was not disturbed"


def test_if_match_is_honoured_where_a_post_is_decided_or_settled(dateline: Dateline) -> None:
    unclear, waiting = unconfirmed(dateline), approving(dateline)
    for path, body, key in (
        (f"{waiting}/approve", {}, "dl_live_local"), (f"{waiting}/reject", {}, "dl_live_local"),
        (f"{unclear}/targets/prof_sandbox/resolve", {"outcome": "not_published"}, TEST_KEY),
    ):
        with nothing_written(dateline):
            refused(dateline.api("POST", f"/v1/posts/{path}", body, key=key, headers={"if-match": '"9"'}), "revision_conflict")
    assert dateline.api("POST", f"/v1/posts/{waiting}/approve", {}, headers={"if-match": '"1"'}).json()["status"] == "scheduled"


def test_a_mistake_of_ours_is_500_and_says_nothing_of_itself(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(write, "create", broken)
    answer = dateline.api("POST", "/v1/posts", {"text": "Hello"})
    refused(answer, "internal_error")
    assert b"swordfish" not in answer.body and answer.headers["x-request-id"]


# Horizons

@pytest.mark.parametrize("days", [30, 0])
def test_the_deployments_horizon_is_a_parameter_and_zero_lifts_it(days: int) -> None:
    with Dateline(parameters={"MaxHorizonDays": days}) as dateline:
        body = {"text": "Far", "profileIds": ["prof_x"], "scheduledFor": at((days or 3650) * DAY)}
        assert dateline.api("POST", "/v1/posts", body).status == 201
        if days:
            beyond = {**body, "text": "Too far", "scheduledFor": at(days * DAY + timedelta(minutes=1))}
            refused(dateline.api("POST", "/v1/posts", beyond), "beyond_horizon", "/scheduledFor", limitDays=30)


def test_a_networks_own_horizon_is_held_in_every_way_in(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mastodon, "RULES", mastodon.RULES._replace(horizon_days=30))
    members = {"platform": "mastodon", "limitDays": 30, "latest": at(30 * DAY)}
    body = {"text": "Far", "profileIds": ["prof_x", "prof_mastodon"], "scheduledFor": at(31 * DAY)}
    draft, near, elsewhere = dateline.post("prof_mastodon"), scheduled(dateline), scheduled(dateline, 31 * DAY, "prof_x")
    put_back = scheduled(dateline, 31 * DAY, "prof_x", text="Back")
    path = f"/v1/posts/{put_back['id']}"
    for changes in ({"status": "draft"}, {"profileIds": ["prof_mastodon"]}):
        assert dateline.api("PATCH", path, changes).status == 200, "a draft may stand anywhere"
    closed = [(START + n * DAY).date().isoformat() for n in range(35)]
    late = dateline.api("POST", "/v1/queues", {"name": "Late", "timezone": "UTC", "slots": WEEK, "blackoutDates": closed}).json()
    with nothing_written(dateline):
        for method, called, sent in (
            ("POST", "/v1/posts", body), ("PATCH", f"/v1/posts/{draft['id']}", {"scheduledFor": at(31 * DAY)}),
            ("PATCH", f"/v1/posts/{near['id']}", {"scheduledFor": at(31 * DAY)}),
            ("PATCH", f"/v1/posts/{elsewhere['id']}", {"profileIds": ["prof_x", "prof_mastodon"]}),
            ("PATCH", path, {"status": "scheduled"}),
        ):
            refused(dateline.api(method, called, sent), "beyond_platform_horizon", "/scheduledFor", **members)
        queued = {"text": "Queued", "profileIds": ["prof_mastodon"], "queueId": late["id"]}
        refused(dateline.api("POST", "/v1/posts", queued), "beyond_platform_horizon", "/scheduledFor", platform="mastodon")
        refused(dateline.api("POST", "/v1/posts/bulk", [body]), "beyond_platform_horizon", "/0/scheduledFor", **members)
        assert dateline.api("POST", "/v1/posts/validate", body).json()["code"] == "beyond_platform_horizon"
    assert dateline.api("PATCH", f"/v1/posts/{elsewhere['id']}", {"text": "Other words"}).status == 200


def test_segments_of_an_override_count_for_each_of_its_profiles(dateline: Dateline) -> None:
    profiles = [connect(dateline, "x") for _ in range(9)]
    thread = [{"text": f"Part {n}"} for n in range(25)]
    body = {"text": "One", "platforms": {"x": {"thread": thread}}, "scheduledFor": at(DAY)}
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/posts", {**body, "profileIds": profiles}), "invalid_request", "/profileIds")
    assert dateline.api("POST", "/v1/posts", {**body, "profileIds": [*profiles[:7], "prof_mastodon"]}).status == 201


# Queues, threads, caps, health

def test_a_post_takes_the_next_slot_of_its_queue_and_gives_it_back(dateline: Dateline) -> None:
    into = queue(dateline)
    posts = [dateline.post("prof_mastodon", text=f"Number {n}", queueId=into) for n in range(3)]
    assert [post["publishAt"] for post in posts] == [at(timedelta(days=n, hours=3)) for n in range(3)]
    assert {(post["status"], post["queueId"]) for post in posts} == {("scheduled", into)}
    assert dateline.api("DELETE", f"/v1/posts/{posts[0]['id']}").status == 200
    moved = dateline.api("PATCH", f"/v1/posts/{posts[1]['id']}", {"scheduledFor": at(9 * DAY)}).json()
    assert moved["queueId"] is None
    again = [dateline.post("prof_mastodon", text=f"Again {n}", queueId=into)["publishAt"] for n in range(3)]
    assert again == [at(timedelta(days=n, hours=3)) for n in (0, 1, 3)], "what was given back is taken first"
    held = dateline.api("POST", f"/v1/queues/{into}/reservations", {}).json()
    post = dateline.post("prof_mastodon", text="Reserved", queueId=into, reservationId=held["id"])
    assert post["publishAt"] == held["slot"] == at(timedelta(days=4, hours=3))
    dateline.stack.run_for(timedelta(hours=4))
    assert [entry.text for entry in dateline.world.seen()] == ["Again 0"]


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_a_segment_of_a_thread_is_settled_by_its_number(dateline: Dateline, segment: int) -> None:
    post = unconfirmed(
        dateline, thread=[{"text": "One"}, {"text": "Two"}, {"text": "Three"}],
        platforms={"sandbox": {"simulateSegment": segment}},
    )
    path = f"/v1/posts/{post}/targets/prof_sandbox/resolve"
    settle = {"outcome": "published", "remoteId": "by-hand"}
    with nothing_written(dateline):
        wrong = dateline.api("POST", path, {**settle, "segment": (segment + 1) % 3}, key=TEST_KEY)
        assert f"Segment {segment} " in refused(wrong, "invalid_request", "/segment")["detail"]
    done = dateline.api("POST", path, {**settle, "segment": segment}, key=TEST_KEY).json()
    (target,) = done["targets"]
    assert [one["remoteId"] for one in target["segments"]][segment:] == ["by-hand"]
    if segment == 2:
        assert done["status"] == "published"
        return
    assert (done["status"], target["error"]["code"]) == ("failed", "thread_incomplete"), "the rest is still to come"
    assert dateline.api("POST", f"/v1/posts/{post}/retry", {}, key=TEST_KEY).status == 200
    dateline.stack.run_for(timedelta(minutes=5))
    (target,) = dateline.api("GET", f"/v1/posts/{post}", key=TEST_KEY).json()["targets"]
    assert (target["status"], len(target["segments"]), target["segments"][segment]["remoteId"]) == ("published", 3, "by-hand")


def test_a_profiles_own_cap_is_what_it_is_held_to(dateline: Dateline) -> None:
    assert dateline.api("PATCH", "/v1/profiles/prof_x", {"settings": {"dailyPosts": 2}}).status == 200
    for hours in (0, 1):
        scheduled(dateline, DAY + timedelta(hours=hours), "prof_x", text=f"Number {hours}")
    third = {"text": "Number 3", "profileIds": ["prof_x"], "scheduledFor": at(DAY + timedelta(hours=2))}
    with nothing_written(dateline):
        members = {"platform": "x", "limit": 2, "window": "PT24H", "nextOkAt": at(2 * DAY)}
        refused(dateline.api("POST", "/v1/posts", third), "platform_daily_limit", "/scheduledFor", **members)
    assert dateline.api("GET", f"/v1/profiles/prof_x/limits?at={third['scheduledFor']}").json()["caps"] == [
        {"limit": 2, "window": "PT24H", "used": 2, "remaining": 0, "nextOkAt": at(2 * DAY)}
    ]
    assert dateline.api("POST", "/v1/posts", {**third, "scheduledFor": at(2 * DAY)}).status == 201


def test_health_says_what_the_network_said_last(dateline: Dateline) -> None:
    dateline.world.add_fault("telegram", "expired_token", times=100)
    dateline.post("prof_telegram", publishNow=True)
    dateline.stack.run_for(timedelta(minutes=5))
    seen = dateline.api("GET", "/v1/profiles/prof_telegram/health").json()
    assert seen["status"] == "disconnected" and seen["error"]["code"] and seen["error"]["detail"]
    assert dateline.api("GET", "/v1/profiles/prof_x/health").json()["tokenExpiresAt"] == at(timedelta(hours=2))


# Keys, plans by command

def test_a_revoked_key_is_refused_within_a_minute_where_keys_are_remembered() -> None:
    with Dateline(environment={"DATELINE_AUTH_CACHE_SECONDS": "60"}) as dateline:
        reader = mint(dateline, "posts:read")
        assert dateline.api("GET", "/v1/posts", key=reader).status == 200
        key = dateline.deps.workspaces.key(reader)
        assert key is not None
        dateline.deps.workspaces.save_key(key._replace(revoked_at=rfc3339(START)))  # another process did it
        dateline.clock.advance(60)
        refused(dateline.api("GET", "/v1/posts", key=reader), "unauthorized")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_key_for_drafts_does_not_touch_what_is_scheduled_in_the_same_moment(dateline: Dateline, method: str) -> None:
    writer, met = mint(dateline, "posts:read", "posts:write"), list[str]()
    path = f"/v1/posts/{dateline.post('prof_mastodon')['id']}"

    def hook(_service: str, operation: str, phase: str) -> None:
        if operation in ("PutItem", "TransactWriteItems") and phase == "before" and not met:
            met.append(operation)
            assert Context().run(dateline.api, "PATCH", path, {"scheduledFor": at(DAY)}).status == 200

    answers: list[Answer] = []
    body = {"text": "Other words"} if method == "PATCH" else None
    interrupted(dateline, hook, lambda: answers.append(dateline.api(method, path, body, key=writer)))
    refused(answers[0], "forbidden", requiredScope="posts:publish")
    assert dateline.api("GET", path).json()["status"] == "scheduled"


def test_a_plan_is_set_by_the_command_and_lifted_by_it(dateline: Dateline, capsys: pytest.CaptureFixture[str]) -> None:
    plan = {"name": "Tiny", "pendingTargets": {"limit": 1, "scope": "workspace"}}
    assert admin.main(["set-plan", WORKSPACE, "--plan", json.dumps(plan)]) == 0
    seen = dateline.api("GET", "/v1/workspace").json()
    assert seen["plan"] == plan and seen["usage"]["pendingTargets"]["remaining"] == 1
    assert seen["settings"]["maxLateness"] == "P1D", "nothing else is touched"
    scheduled(dateline)
    body = {"text": "Another", "profileIds": ["prof_x"], "scheduledFor": at(DAY)}
    refused(dateline.api("POST", "/v1/posts", body), "limit_exceeded", "/profileIds", metric="pendingTargets", used=1)
    for wrong in ("{", '{"pendingTargets": -1}', '{"targetsPerCentury": 1}'):
        assert admin.main(["set-plan", WORKSPACE, "--plan", wrong]) == 1
        assert "not a plan" in capsys.readouterr().err
    assert admin.main(["set-plan", "wks_nobody"]) == 1
    assert dateline.api("GET", "/v1/workspace").json()["plan"] == plan
    assert admin.main(["set-plan", WORKSPACE]) == 0
    assert dateline.api("POST", "/v1/posts", body).status == 201


# Events

def test_every_transition_is_an_event_with_the_contracts_envelope(dateline: Dateline) -> None:
    desk = Tenant(dateline)
    profile = desk.profile()
    post = desk.post(profile, at=desk.soon(hours=1))
    assert desk.patch(post, text="Better words").status == 200
    dateline.stack.settle(timers=False)
    shown = desk.read(post)
    dateline.world.add_fault("mastodon", "rate_limit", retry_after=60)
    dateline.stack.run_for(timedelta(hours=2))
    other = desk.post(profile, at=desk.soon(hours=1))
    desk.cancel(other)
    events = [event for event in desk.events() if event["id"].startswith(f"{post['id']}#")]
    assert [event["type"] for event in events] == [
        "post.scheduled", "post.updated", "post.queued", "post.publishing", "target.retrying", "target.published",
        "post.published",
    ]
    for number, event in enumerate(events, 1):
        assert event.keys() == {"id", "type", "sequence", "createdAt", "workspaceId", "data", "position"}
        assert (event["id"], event["sequence"], event["workspaceId"]) == (f"{post['id']}#{number}", number, desk.id)
        assert event["data"].keys() == {"post", "previousStatus", "target"}
        assert (event["data"]["target"] is not None) == event["type"].startswith("target.")
    assert [event["data"]["previousStatus"] for event in events if event["type"].startswith("post.")] == [
        None, None, "scheduled", "queued", "publishing",
    ], "an edit changes no status"
    without = {name: value for name, value in shown.items() if name != "warnings"}
    assert {name: events[1]["data"]["post"][name] for name in without} == without, "as GET showed it then"
    kinds = [event["type"] for event in desk.events() if event["id"].startswith(other["id"])]
    assert kinds == ["post.scheduled", "post.cancelled"]


def test_messages_on_the_topic_have_the_attributes_filters_need(dateline: Dateline) -> None:
    topic = Topic(dateline)
    dateline.post("prof_x", "prof_mastodon", publishNow=True)
    dateline.stack.settle(timers=False)
    said: dict[str, Mapping[str, str]] = {attributes["type"]: attributes for attributes in topic.attributes}
    assert {"post.queued", "post.publishing", "target.published", "post.published"} <= said.keys()
    for kind, status in (("post.queued", "queued"), ("post.published", "published")):
        assert said[kind] == {"type": kind, "workspaceId": WORKSPACE, "status": status, "platform": '["mastodon", "x"]'}
