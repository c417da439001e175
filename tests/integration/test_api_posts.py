"""What the routes of posts promise: edits, cancelling, publishing now, repeats, revisions, and how little AWS each one calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from local.stack import Answer
from tests.api_checks import mint, nothing_written, refused
from tests.harness import START, Dateline

TOMORROW = START + timedelta(days=1)


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        running.second_workspace()
        yield running


@pytest.fixture(autouse=True)
def clean(dateline: Dateline) -> Iterator[None]:
    """Nothing due is left over from the test before."""
    yield
    dateline.stack.settle(timers=False)
    dateline.world.faults.clear()
    for name in ("mastodon", "x"):  # what one test was told of limits is nothing to the next
        dateline.deps.profiles.note_quotas(f"prof_{name}", {})


@pytest.fixture
def pumped(dateline: Dateline) -> Iterator[None]:
    """While a handler sleeps, the rest of the stack goes on, as it does on AWS."""
    sleep, busy = dateline.clock.sleep, []

    def sleeping(seconds: float) -> None:
        sleep(seconds)
        if not busy:
            busy.append(True)
            try:
                Context().run(dateline.stack.settle, timers=False)  # none of what it calls is the waiting handler's own
            finally:
                busy.clear()

    dateline.clock.sleep = sleeping  # type: ignore[method-assign]
    yield
    del dateline.clock.sleep  # type: ignore[method-assign]
HELLO = {"text": "Hello", "profileIds": ["prof_mastodon"], "allowDuplicate": True}



def create(dateline: Dateline, headers: Mapping[str, str] | None = None, **members: Any) -> Answer:
    return dateline.api("POST", "/v1/posts", {**HELLO, **members}, headers=headers)


def patch(dateline: Dateline, post: Mapping[str, Any], changes: Mapping[str, Any], **headers: str) -> Answer:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return dateline.api("PATCH", f"/v1/posts/{post['id']}", dict(changes), headers=sent)


def scheduled(dateline: Dateline, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = create(dateline, scheduledFor="2027-06-16T09:00:00Z", **members).json()
    assert made["status"] == "scheduled", made
    return made


def entries(dateline: Dateline, post: Mapping[str, Any]) -> list[Any]:
    return [entry for entry in dateline.stack.schedules() if post["id"] in entry.name]


# Create

def test_the_contracts_example_is_answered_to_the_letter(dateline: Dateline) -> None:
    answer = create(dateline, scheduledFor="2027-06-16T09:00:00Z", timezone="America/New_York")
    post = answer.json()
    assert answer.status == 201 and answer.headers["location"] == f"/v1/posts/{post['id']}" and answer.headers["etag"] == '"1"'
    assert (post["publishAt"], post["scheduledFor"], post["timezone"]) == (
        "2027-06-16T13:00:00Z",
        "2027-06-16T09:00:00",
        "America/New_York",
    )
    assert [warning["code"] for warning in post["warnings"]] == ["z_with_timezone"]
    assert (post["revision"], post["sequence"], post["error"], post["media"], post["platforms"]) == (1, 1, None, [], {})
    assert post["targets"] == [{
        "profileId": "prof_mastodon", "platform": "mastodon", "status": "scheduled", "remoteId": None, "url": None, "attempts": 0,
        "nextAttemptAt": None, "error": None,
    }]
    assert "thread" not in post and post["labels"] == [] and post["metadata"] == {}


def test_every_member_of_a_create_comes_back(dateline: Dateline) -> None:
    sent = {
        "thread": [
            {"text": "1/2"},
            {"text": "2/2", "media": [{"url": "https://cdn.example.com/a.jpg", "type": "image", "altText": "A"}]},
        ],
        "profileIds": ["prof_mastodon", "prof_bluesky"],
        "scheduledFor": "2027-10-31T02:30:00",
        "timezone": "Europe/Berlin",
        "fold": 1,
        "platforms": {"mastodon": {"visibility": "unlisted"}},
        "labels": ["launch"],
        "metadata": {"crmId": "42", "deep": {"a": [1.5, None]}},
        "maxLateness": "PT30M",
        "onLate": "draft",
        "onSegmentFailure": "stop",
        "allowDuplicate": True,
    }
    post = dateline.api("POST", "/v1/posts", sent).json()
    assert {name: post[name] for name in sent if name not in ("profileIds", "thread")} == {
        name: value for name, value in sent.items() if name not in ("profileIds", "thread")
    }
    assert post["thread"] == [{"text": "1/2", "media": []}, sent["thread"][1]] and post["text"] is None  # type: ignore[index]
    assert post["publishAt"] == "2027-10-31T01:30:00Z" and [t["profileId"] for t in post["targets"]] == sent["profileIds"]


def test_a_draft_needs_neither_time_nor_profiles_nor_text(dateline: Dateline) -> None:
    answer = dateline.api("POST", "/v1/posts", {})
    post = answer.json()
    assert answer.status == 201 and (post["status"], post["publishAt"], post["targets"]) == ("draft", None, [])
    assert dateline.api("POST", "/v1/posts").json()["status"] == "draft"
    assert not entries(dateline, post)


def test_publish_now_answers_at_once_with_queued(dateline: Dateline) -> None:
    answer = create(dateline, publishNow=True)
    assert (answer.status, answer.json()["status"], answer.json()["publishAt"]) == (201, "queued", "2027-06-15T09:00:00Z")
    dateline.stack.settle(timers=False)
    assert dateline.read(answer.json()["id"])["status"] == "published"


@pytest.mark.usefixtures("pumped")
def test_prefer_wait_waits_for_the_outcome_of_publish_now(dateline: Dateline) -> None:
    answer = create(dateline, {"prefer": "wait=25"}, publishNow=True)
    assert (answer.status, answer.json()["status"]) == (201, "published")
    assert answer.json()["targets"][0]["remoteId"] and answer.json()["targets"][0]["url"]


def test_prefer_wait_gives_up_after_its_seconds(dateline: Dateline) -> None:
    before = dateline.clock.now()
    assert create(dateline, {"prefer": "wait=3"}, publishNow=True).json()["status"] == "queued"
    assert timedelta(seconds=3) <= dateline.clock.now() - before < timedelta(seconds=5)


def test_a_key_for_drafts_neither_schedules_nor_publishes_nor_touches_what_is_scheduled(dateline: Dateline) -> None:
    writer = mint(dateline, "posts:read", "posts:write")
    draft = dateline.api("POST", "/v1/posts", {"text": "A draft", "profileIds": ["prof_x"]}, key=writer).json()
    post = scheduled(dateline)
    for method, path, body in (
        ("POST", "/v1/posts", {"text": "x", "profileIds": ["prof_x"], "publishNow": True}),
        ("POST", "/v1/posts", {"text": "x", "profileIds": ["prof_x"], "scheduledFor": "2027-06-17T09:00:00Z"}),
        ("PATCH", f"/v1/posts/{draft['id']}", {"scheduledFor": "2027-06-17T09:00:00Z"}),
        ("PATCH", f"/v1/posts/{draft['id']}", {"status": "publish"}),
        ("PATCH", f"/v1/posts/{post['id']}", {"text": "x"}),
        ("PATCH", f"/v1/posts/{post['id']}", {"status": "draft"}),
        ("DELETE", f"/v1/posts/{post['id']}", None),
        ("POST", f"/v1/posts/{draft['id']}/publish", None),
    ):
        with nothing_written(dateline):
            refused(dateline.api(method, path, body, key=writer), "forbidden", requiredScope="posts:publish")
    assert dateline.api("PATCH", f"/v1/posts/{draft['id']}", {"text": "Better"}, key=writer).json()["text"] == "Better"
    assert dateline.api("DELETE", f"/v1/posts/{draft['id']}", key=writer).json()["status"] == "cancelled"


# Idempotency-Key

def test_the_same_request_twice_is_one_post_and_the_second_answer_says_so(dateline: Dateline) -> None:
    first = create(dateline, {"idempotency-key": "order-1"}, scheduledFor="2027-06-16T10:00:00Z")
    with nothing_written(dateline):
        again = create(dateline, {"idempotency-key": "order-1"}, scheduledFor="2027-06-16T10:00:00Z")
    assert (again.status, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    assert again.headers["location"] == first.headers["location"]


def test_the_order_of_members_makes_no_other_request(dateline: Dateline) -> None:
    one = dateline.api("POST", "/v1/posts", '{"text": "a", "labels": ["b"]}', headers={"idempotency-key": "order-2"}).json()
    two = dateline.api("POST", "/v1/posts", ' {"labels":["b"],"text":"a"}', headers={"idempotency-key": "order-2"}).json()
    assert one["id"] == two["id"]


def test_the_same_key_with_another_body_or_route_is_a_conflict(dateline: Dateline) -> None:
    post = create(dateline, {"idempotency-key": "order-3"}, scheduledFor="2027-06-16T10:00:00Z").json()
    with nothing_written(dateline):
        refused(create(dateline, {"idempotency-key": "order-3"}, scheduledFor="2027-06-16T11:00:00Z"), "idempotency_conflict")
        refused(patch(dateline, post, {"text": "x"}, idempotency_key="order-3"), "idempotency_conflict")
        refused(
            dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"]}, headers={"idempotency-key": "order-3"}),
            "idempotency_conflict",
        )


def test_a_refused_request_does_not_use_up_its_key(dateline: Dateline) -> None:
    refused(
        create(dateline, {"idempotency-key": "order-4"}, scheduledFor="2027-06-14T10:00:00Z"),
        "scheduled_time_in_past",
        "/scheduledFor",
    )
    assert create(dateline, {"idempotency-key": "order-4"}, scheduledFor="2027-06-16T10:00:00Z").status == 201


def test_an_idempotency_key_belongs_to_its_workspace_and_side(dateline: Dateline) -> None:
    ids = {
        dateline.api("POST", "/v1/posts", {"text": "Mine"}, key=key, headers={"idempotency-key": "order-5"}).json()["id"]
        for key in ("dl_live_local", "dl_test_local", "dl_live_other")
    }
    assert len(ids) == 3


def test_a_repeat_finds_its_post_until_a_day_after_the_publish_time(dateline: Dateline) -> None:
    first = create(dateline, {"idempotency-key": "order-6"}, scheduledFor="2027-06-15T12:00:00Z").json()
    dateline.stack.run_for(timedelta(hours=20), timers=False)
    assert create(dateline, {"idempotency-key": "order-6"}, scheduledFor="2027-06-15T12:00:00Z").json()["id"] == first["id"]
    dateline.stack.run_for(timedelta(hours=8), timers=False)
    refused(
        create(dateline, {"idempotency-key": "order-6"}, scheduledFor="2027-06-15T12:00:00Z"),
        "scheduled_time_in_past",
        "/scheduledFor",
    )
    dateline.clock._now = START  # the other tests read the time


def test_after_a_503_the_same_key_finds_out_that_it_was_written_after_all(dateline: Dateline) -> None:
    """The write happens, its answer is lost, and so is the look whether it happened."""
    lost: list[str] = []

    def lose(service: str, operation: str, phase: str) -> None:
        if operation == "TransactWriteItems" and phase == "after":
            lost.append(operation)
        if lost and service == "dynamodb" and phase == "after":
            raise ReadTimeoutError(endpoint_url="https://dynamodb.example")

    dateline.stack.on_external_call = lose
    try:
        answer = create(dateline, {"idempotency-key": "order-7"}, text="Lost?", scheduledFor="2027-06-16T10:00:00Z")
    finally:
        dateline.stack.on_external_call = None
    refused(answer, "try_again")
    assert int(answer.headers["retry-after"]) > 0 and "same Idempotency-Key" in answer.json()["detail"]
    with nothing_written(dateline):
        again = create(dateline, {"idempotency-key": "order-7"}, text="Lost?", scheduledFor="2027-06-16T10:00:00Z")
    assert again.status == 201 and again.headers["idempotency-replayed"] == "true"
    listed = [post for post in dateline.api("GET", "/v1/posts?limit=100").json()["data"] if post["text"] == "Lost?"]
    assert [post["id"] for post in listed] == [again.json()["id"]]


@pytest.mark.parametrize("how", ["patch", "publish", "cancelled"])
def test_a_repeated_write_is_done_once(dateline: Dateline, how: str) -> None:
    post = scheduled(dateline)
    key = {"idempotency-key": f"again-{how}"}
    if how == "publish":
        ask = lambda: dateline.api("POST", f"/v1/posts/{post['id']}/publish", headers={**key, "prefer": "respond-async"})  # noqa: E731
    elif how == "patch":
        ask = lambda: patch(dateline, post, {"text": "Once"}, idempotency_key=key["idempotency-key"])  # noqa: E731
    else:
        ask = lambda: dateline.api("DELETE", f"/v1/posts/{post['id']}")  # noqa: E731
    first = ask()
    with nothing_written(dateline):
        again = ask()
    assert first.status in (200, 202) and (again.status, again.json()) == (first.status, first.json())


# If-Match

def test_an_edit_of_what_somebody_else_has_changed_is_refused(dateline: Dateline) -> None:
    post = scheduled(dateline)
    changed = patch(dateline, post, {"text": "One"}, if_match='"1"')
    assert (changed.status, changed.headers["etag"], changed.json()["revision"]) == (200, '"2"', 2)
    with nothing_written(dateline):
        refused(patch(dateline, post, {"text": "Two"}, if_match='"1"'), "revision_conflict", revision=2)
        for path, method in (("", "DELETE"), ("/publish", "POST"), ("/retry", "POST"), ("/stop", "POST")):
            answer = dateline.api(method, f"/v1/posts/{post['id']}{path}", headers={"if-match": "1"})
            refused(answer, "revision_conflict", revision=2)
    assert patch(dateline, post, {"text": "Two"}, if_match='W/"2"').json()["revision"] == 3
    assert patch(dateline, post, {"text": "Three"}, if_match="*").json()["revision"] == 4


# Edit

def test_moving_the_time_keeps_the_zone_and_moves_the_entry(dateline: Dateline) -> None:
    post = scheduled(dateline, timezone="America/New_York")
    (old,) = entries(dateline, post)
    moved = patch(dateline, post, {"scheduledFor": "2027-12-01T09:00:00"}).json()
    assert (moved["publishAt"], moved["timezone"], moved["status"]) == ("2027-12-01T14:00:00Z", "America/New_York", "scheduled")
    (new,) = entries(dateline, post)
    assert old.at == START + timedelta(days=1, hours=4) and new.at.isoformat() == "2027-12-01T14:00:00+00:00"
    rezoned = patch(dateline, post, {"timezone": "Europe/Berlin"}).json()
    assert (rezoned["scheduledFor"], rezoned["publishAt"]) == ("2027-12-01T09:00:00", "2027-12-01T08:00:00Z")
    assert [entry.at.isoformat() for entry in entries(dateline, post)] == ["2027-12-01T08:00:00+00:00"]


def test_what_a_patch_does_not_name_stays_and_null_takes_back(dateline: Dateline) -> None:
    post = scheduled(dateline, labels=["a"], metadata={"k": 1}, maxLateness="PT5M", onLate="fail")
    changed = patch(dateline, post, {"text": "New"}).json()
    different = {name for name in changed if changed[name] != post[name]}
    assert different <= {"text", "revision", "sequence", "updatedAt", "warnings"} and changed["text"] == "New"
    cleared = patch(dateline, post, {"labels": None, "metadata": None, "maxLateness": None, "onLate": None}).json()
    assert (cleared["labels"], cleared["metadata"], cleared["maxLateness"], cleared["onLate"]) == ([], {}, "P1D", "publish")


def test_text_becomes_a_thread_and_a_thread_becomes_text(dateline: Dateline) -> None:
    post = scheduled(dateline)
    thread = patch(dateline, post, {"thread": [{"text": "1"}, {"text": "2"}]}).json()
    assert thread["text"] is None and len(thread["thread"]) == 2
    text = patch(dateline, post, {"text": "One again"}).json()
    assert text["text"] == "One again" and "thread" not in text
    patch(dateline, post, {"thread": [{"text": "1"}, {"text": "2"}]})
    with nothing_written(dateline):
        refused(patch(dateline, post, {"media": [{"url": "https://cdn.example.com/a.jpg"}]}), "invalid_request", "/media")


def test_a_draft_is_scheduled_by_its_time_and_put_back_by_its_status(dateline: Dateline) -> None:
    draft = create(dateline).json()
    refused(patch(dateline, draft, {"status": "scheduled"}), "invalid_request", "/scheduledFor")
    refused(patch(dateline, draft, {"timezone": "Europe/Berlin"}), "invalid_request", "/timezone")
    assert patch(dateline, draft, {"scheduledFor": "2027-06-16T09:00:00Z"}).json()["status"] == "scheduled"
    assert len(entries(dateline, draft)) == 1
    back = patch(dateline, draft, {"status": "draft"}).json()
    assert back["status"] == "draft" and entries(dateline, draft) == []
    assert patch(dateline, draft, {"status": "scheduled"}).json()["publishAt"] == "2027-06-16T09:00:00Z"


def test_status_publish_sends_it_now(dateline: Dateline) -> None:
    post = scheduled(dateline)
    assert patch(dateline, post, {"status": "publish"}).json()["status"] == "queued"
    assert entries(dateline, post) == []
    dateline.stack.settle(timers=False)
    assert dateline.read(post["id"])["status"] == "published"


def test_profiles_are_added_and_taken_off(dateline: Dateline) -> None:
    post = scheduled(dateline)
    changed = patch(dateline, post, {"profileIds": ["prof_x", "prof_bluesky"]}).json()
    assert [t["profileId"] for t in changed["targets"]] == ["prof_x", "prof_bluesky"]


def test_a_scheduled_post_keeps_to_the_rules_when_it_is_edited(dateline: Dateline) -> None:
    post = scheduled(dateline, text="a" * 400)
    with nothing_written(dateline):
        refused(patch(dateline, post, {"profileIds": ["prof_mastodon", "prof_x"]}), "content_invalid", "/text")
        refused(patch(dateline, post, {"text": ""}), "content_invalid", "/text")


# The end of editing

def _ended(dateline: Dateline) -> dict[str, Any]:
    post = create(dateline, publishNow=True).json()
    dateline.stack.settle(timers=False)
    return dateline.read(post["id"])


def _publishing(dateline: Dateline) -> dict[str, Any]:
    dateline.world.add_fault("mastodon", "rate_limit", times=1, retry_after=600)
    post = create(dateline, publishNow=True).json()
    dateline.stack.pump_queue()
    return dateline.read(post["id"])


@pytest.mark.parametrize("state", ["published", "publishing", "cancelled"])
def test_editing_ends_when_publishing_begins(dateline: Dateline, state: str) -> None:
    if state == "cancelled":
        post = dateline.api("DELETE", f"/v1/posts/{scheduled(dateline)['id']}").json()
    else:
        post = _ended(dateline) if state == "published" else _publishing(dateline)
    assert post["status"] == state
    with nothing_written(dateline):
        problem = refused(patch(dateline, post, {"text": "Too late"}), "illegal_transition")
        assert problem["from"] == state and problem["to"]
        problem = refused(patch(dateline, post, {"scheduledFor": "2027-06-17T09:00:00Z"}), "illegal_transition")
        assert (problem["from"], problem["to"]) == (state, "scheduled")
        if state != "cancelled":
            problem = refused(dateline.api("DELETE", f"/v1/posts/{post['id']}"), "illegal_transition")
            assert (problem["from"], problem["to"]) == (state, "cancelled")
        if state != "publishing":
            problem = refused(dateline.api("POST", f"/v1/posts/{post['id']}/publish"), "illegal_transition")
            assert (problem["from"], problem["to"]) == (state, "publishing")
        problem = refused(dateline.api("POST", f"/v1/posts/{post['id']}/retry"), "illegal_transition")
        assert problem["from"] == state
        resolve = dateline.api("POST", f"/v1/posts/{post['id']}/targets/prof_mastodon/resolve", {"outcome": "not_published"})
        assert refused(resolve, "illegal_transition")["to"] == "not_published"
        missing = dateline.api("POST", f"/v1/posts/{post['id']}/targets/prof_x/resolve", {"outcome": "not_published"})
        refused(missing, "not_found")
    dateline.stack.run_for(timedelta(minutes=15), timers=False)
    dateline.clock._now = START


def test_cancelling_removes_the_entry_and_twice_is_no_error(dateline: Dateline) -> None:
    post = scheduled(dateline)
    first = dateline.api("DELETE", f"/v1/posts/{post['id']}")
    assert (first.status, first.json()["status"], entries(dateline, post)) == (200, "cancelled", [])
    assert [target["status"] for target in first.json()["targets"]] == ["cancelled"]
    with nothing_written(dateline):
        assert dateline.api("DELETE", f"/v1/posts/{post['id']}").json() == first.json()


# Publish, retry, stop, resolve

@pytest.mark.usefixtures("pumped")
def test_publish_waits_for_the_outcome(dateline: Dateline) -> None:
    post = scheduled(dateline)
    answer = dateline.api("POST", f"/v1/posts/{post['id']}/publish")
    assert (answer.status, answer.json()["status"]) == (200, "published") and answer.headers["etag"]
    assert dateline.stack.schedules() == [] or not entries(dateline, post)


@pytest.mark.usefixtures("pumped")
def test_publish_tells_the_failure_it_waited_for(dateline: Dateline) -> None:
    dateline.world.add_fault("mastodon", "reject", times=1)
    answer = dateline.api("POST", f"/v1/posts/{create(dateline).json()['id']}/publish", {})
    post = answer.json()
    assert (answer.status, post["status"]) == (200, "failed") and post["error"]["code"] and post["targets"][0]["error"]["detail"]
    again = dateline.api("POST", f"/v1/posts/{post['id']}/retry", {"profileIds": ["prof_mastodon"]})
    assert (again.status, again.json()["status"]) == (200, "publishing")
    dateline.stack.settle(timers=False)
    assert dateline.read(post["id"])["status"] == "published"
    refused(dateline.api("POST", f"/v1/posts/{post['id']}/retry", {"profileIds": ["prof_x"]}), "not_found", "/profileIds/0")


def test_publish_gives_up_waiting_after_25_seconds_with_202(dateline: Dateline) -> None:
    before = dateline.clock.now()
    answer = dateline.api("POST", f"/v1/posts/{scheduled(dateline)['id']}/publish")
    assert (answer.status, answer.json()["status"]) == (202, "queued")
    assert timedelta(seconds=25) <= dateline.clock.now() - before < timedelta(seconds=27)


def test_publish_does_not_wait_when_asked_not_to(dateline: Dateline) -> None:
    for preference in ("respond-async", "Respond-Async, wait=10", "wait=0", "handling=lenient, respond-async"):
        before = dateline.clock.now()
        answer = dateline.api("POST", f"/v1/posts/{scheduled(dateline)['id']}/publish", headers={"prefer": preference})
        assert (answer.status, answer.json()["status"], dateline.clock.now()) == (202, "queued", before)


def test_stop_gives_up_what_waits_to_be_retried(dateline: Dateline) -> None:
    post = _publishing(dateline)
    assert post["targets"][0]["status"] == "retrying" and post["targets"][0]["nextAttemptAt"]
    answer = dateline.api("POST", f"/v1/posts/{post['id']}/stop")
    assert (answer.status, answer.json()["status"], answer.json()["targets"][0]["error"]["code"]) == (200, "failed", "stopped")
    with nothing_written(dateline):
        refused(dateline.api("POST", f"/v1/posts/{post['id']}/stop"), "illegal_transition")


@pytest.mark.parametrize("outcome", ["published", "not_published"])
def test_a_person_settles_what_nobody_could_tell(dateline: Dateline, outcome: str) -> None:
    sent = {
        "text": f"Who knows? {outcome}",
        "profileIds": ["prof_sandbox"],
        "publishNow": True,
        "platforms": {"sandbox": {"simulate": "unconfirmed"}},
    }
    post = dateline.api("POST", "/v1/posts", sent, key="dl_test_local").json()["id"]
    read = lambda: dateline.api("GET", f"/v1/posts/{post}", key="dl_test_local").json()  # noqa: E731
    dateline.stack.run_until(lambda: read()["status"] == "unconfirmed", limit=timedelta(hours=1))
    path = f"/v1/posts/{post}/targets/prof_sandbox/resolve"
    with nothing_written(dateline):
        refused(dateline.api("POST", path, {"outcome": "published"}, key="dl_test_local"), "invalid_request", "/remoteId")
        refused(dateline.api("POST", path, {"outcome": "maybe"}, key="dl_test_local"), "invalid_request", "/outcome")
        refused(dateline.api("POST", path, {}, key="dl_test_local"), "invalid_request", "/outcome")
        refused(
            dateline.api("POST", path, {"outcome": "not_published", "segment": 3}, key="dl_test_local"),
            "invalid_request",
            "/segment",
        )
    body = {"outcome": outcome, **({"remoteId": "s-1", "url": "https://sandbox.invalid/s-1"} if outcome == "published" else {})}
    answer = dateline.api("POST", path, body, key="dl_test_local")
    assert answer.status == 200 and answer.json()["status"] == ("published" if outcome == "published" else "failed")
    assert answer.json()["targets"][0]["remoteId"] == body.get("remoteId")
