"""The first comment: the account's own reply to its post, at most once, and never at the cost of the post."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain import lifecycle
from dateline.domain.post import Post, RemoteSegment
from dateline.usecases import record
from local.seed import TEST_KEY
from local.stack import Phase
from tests.harness import START, Dateline
from tests.integration.scene import (
    THREADED,
    check_against_ledger,
    connect,
    interrupted,
    make,
    post_of,
    pump_crashing,
    rest,
    shown,
    target_of,
)

COMMENT = "Read more on our site"
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
MINUTE = timedelta(minutes=1)
STEPWISE = ("mastodon", "x")
"""Networks where the comment is a call of its own."""


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def target_view(dateline: Dateline, post_id: str) -> dict[str, Any]:
    (view,) = dateline.read(post_id)["targets"]
    found: dict[str, Any] = view
    return found


def at_call(dateline: Dateline, network: str, number: int, *faults: str, **how: Any) -> Any:
    """A hook that asks for faults just before the network's publishing call `number` (from 1)."""
    calls = 0

    def hook(service: str, operation: str, phase: Phase) -> None:
        nonlocal calls
        calls += service == network and phase == "before" and operation.startswith("POST")
        if calls == number and phase == "before" and service == network:
            dateline.stack.on_external_call = None
            for fault in faults:
                dateline.world.add_fault(network, fault, **how)

    return hook


def made_with_comment(
    dateline: Dateline, network: str, shape: str, *faults: str, call: int = 2, **more: Any
) -> tuple[str, list[str]]:
    """A post with a comment whose publishing call `call` meets faults, delivered once."""
    post_id, texts = make(dateline, network, shape, firstComment=COMMENT, **more)
    interrupted(dateline, at_call(dateline, network, call, *faults), lambda: dateline.stack.pump_queue("deliveries", most=1))
    return post_id, [*texts, COMMENT]


# Out

@pytest.mark.parametrize("network", THREADED)
def test_the_comment_is_a_reply_to_the_post_and_stands_beside_it_in_the_answer(dateline: Dateline, network: str) -> None:
    post_id, texts = make(dateline, network, "text", firstComment=COMMENT)
    rest(dateline, post_id)
    check_against_ledger(dateline, post_id, [*texts, COMMENT])
    post, comment = dateline.world.seen(network)
    assert (post.text, post.in_reply_to, comment.text, comment.in_reply_to) == (texts[0], None, COMMENT, post.remote_id)
    view = target_view(dateline, post_id)
    assert (view["status"], view["remoteId"], view["error"]) == ("published", post.remote_id, None)
    assert "segments" not in view
    assert view["firstComment"] == {
        "status": "published", "remoteId": comment.remote_id, "url": view["firstComment"]["url"], "error": None
    }
    assert view["firstComment"]["url"] and view["firstComment"]["url"] != view["url"]


@pytest.mark.parametrize("network", THREADED)
def test_the_comment_of_a_thread_replies_to_its_end_and_is_no_segment(dateline: Dateline, network: str) -> None:
    post_id, texts = make(dateline, network, "thread", firstComment=COMMENT)
    rest(dateline, post_id)
    check_against_ledger(dateline, post_id, [*texts, COMMENT])
    *segments, comment = dateline.world.seen(network)
    assert comment.in_reply_to == segments[-1].remote_id
    view = target_view(dateline, post_id)
    assert [segment["remoteId"] for segment in view["segments"]] == [entry.remote_id for entry in segments]
    assert view["firstComment"]["remoteId"] == comment.remote_id
    told = [e["data"]["target"] for e in dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]]
    assert [target["firstComment"]["status"] for target in told if target] == ["published"]


def test_bluesky_shows_the_post_with_its_comment_or_neither(dateline: Dateline) -> None:
    dateline.world.add_fault("bluesky", "reject")
    post_id, texts = make(dateline, "bluesky", "text", firstComment=COMMENT)
    assert rest(dateline, post_id).status == "failed"
    assert shown(dateline, [*texts, COMMENT]) == [[], []]
    assert target_view(dateline, post_id)["firstComment"]["status"] == "failed"
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, [*texts, COMMENT]).status == "published"
    writes = [path for _, method, path in dateline.world.requests if path.endswith("applyWrites") and method == "POST"]
    assert len(writes) == 2 and all(entry.extra.get("parent_matches", True) for entry in dateline.world.seen("bluesky"))


def test_each_platform_may_have_words_of_its_own_or_none(dateline: Dateline) -> None:
    post = dateline.post(
        "prof_mastodon", "prof_x", "prof_telegram", "prof_bluesky", publishNow=True, firstComment=COMMENT, text="Hello",
        platforms={"x": {"firstComment": "For X"}, "telegram": {"firstComment": ""}, "bluesky": {"firstComment": ""}},
    )
    dateline.stack.run_for(MINUTE)
    assert post_of(dateline, post["id"]).status == "published"
    words = {name: [e.text for e in dateline.world.seen(name)] for name in ("mastodon", "x", "telegram", "bluesky")}
    assert words == {"mastodon": ["Hello", COMMENT], "x": ["Hello", "For X"], "telegram": ["Hello"], "bluesky": ["Hello"]}
    views = {target["platform"]: target for target in dateline.read(post["id"])["targets"]}
    assert {name: "firstComment" in view for name, view in views.items()} == {
        "mastodon": True, "x": True, "telegram": False, "bluesky": False
    }


def test_a_comment_of_one_platform_alone_is_made_there_alone(dateline: Dateline) -> None:
    post = dateline.post("prof_mastodon", "prof_x", publishNow=True, platforms={"x": {"firstComment": "For X"}})
    dateline.stack.run_for(MINUTE)
    assert dateline.read(post["id"])["firstComment"] is None
    assert [(e.platform, e.text) for e in dateline.world.seen()] == [("mastodon", "Hello"), ("x", "Hello"), ("x", "For X")]


def test_until_the_post_is_out_the_comment_is_pending_and_can_be_edited(dateline: Dateline) -> None:
    post = dateline.post("prof_mastodon", at=START + timedelta(hours=1), firstComment="Old words")
    assert post["targets"][0]["firstComment"] == {"status": "pending", "remoteId": None, "url": None, "error": None}
    edited = dateline.api("PATCH", f"/v1/posts/{post['id']}", {"firstComment": "New words"}).json()
    assert (edited["firstComment"], edited["revision"]) == ("New words", 2)
    rest(dateline, post["id"])
    assert [entry.text for entry in dateline.world.seen()] == ["Hello", "New words"]
    other = dateline.post("prof_mastodon", text="Another", at=START + timedelta(hours=3), firstComment=COMMENT)
    taken_off = dateline.api("PATCH", f"/v1/posts/{other['id']}", {"firstComment": None}).json()
    assert taken_off["firstComment"] is None and "firstComment" not in taken_off["targets"][0]


def test_a_test_key_tries_it_on_the_sandbox(dateline: Dateline) -> None:
    target = on_the_sandbox(dateline)
    assert (target["status"], target["firstComment"]["status"]) == ("published", "published")
    assert target["firstComment"]["remoteId"] not in (None, target["remoteId"])


def on_the_sandbox(dateline: Dateline, **options: Any) -> dict[str, Any]:
    """The target of a test post with a comment, once it has ended."""
    body = {
        "text": "Hello", "profileIds": ["prof_sandbox"], "publishNow": True, "firstComment": COMMENT,
        "platforms": {"sandbox": options},
    }
    post_id = dateline.api("POST", "/v1/posts", body, key=TEST_KEY).json()["id"]
    rest(dateline, post_id)
    (target,) = dateline.api("GET", f"/v1/posts/{post_id}", key=TEST_KEY).json()["targets"]
    found: dict[str, Any] = target
    return found


# Not out

@pytest.mark.parametrize("network", STEPWISE)
@pytest.mark.parametrize(
    ("shape", "handling"), [("text", "resume"), ("text", "rollback"), ("thread", "rollback"), ("thread", "stop")]
)
def test_a_comment_that_is_refused_leaves_the_post_published(
    dateline: Dateline, network: str, shape: str, handling: str
) -> None:
    call = 2 if shape == "text" else 4
    post_id, texts = made_with_comment(dateline, network, shape, "reject", call=call, onSegmentFailure=handling)
    rest(dateline, post_id)
    assert [len(entries) for entries in shown(dateline, texts)] == [1] * (len(texts) - 1) + [0]
    view, post = target_view(dateline, post_id), dateline.read(post_id)
    assert (post["status"], post["error"], view["status"], view["error"]) == ("published", None, "published", None)
    assert (view["firstComment"]["status"], view["firstComment"]["error"]["code"]) == ("failed", "rejected")
    events = [event["type"] for event in dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]]
    assert events[-2:] == ["target.published", "post.published"] and "target.failed" not in events
    (attempt,) = dateline.api("GET", f"/v1/posts/{post_id}/attempts").json()["data"]
    assert (attempt["outcome"], attempt["error"]["code"]) == ("failed", "rejected")


def test_a_published_target_whose_comment_failed_is_not_retried(dateline: Dateline) -> None:
    post_id, texts = made_with_comment(dateline, "x", "text", "reject")
    rest(dateline, post_id)
    answer = dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    assert (answer.status, answer.json()["code"]) == (409, "illegal_transition")
    resolved = dateline.api("POST", f"/v1/posts/{post_id}/targets/prof_x/resolve", {"outcome": "not_published"})
    assert (resolved.status, resolved.json()["code"]) == (409, "illegal_transition")
    assert [len(entries) for entries in shown(dateline, texts)] == [1, 0]


@pytest.mark.parametrize("network", STEPWISE)
@pytest.mark.parametrize("handling", ["resume", "rollback", "stop"])
def test_a_comment_is_tried_again_whatever_becomes_of_broken_threads(dateline: Dateline, network: str, handling: str) -> None:
    post_id, texts = made_with_comment(dateline, network, "text", "rate_limit", onSegmentFailure=handling)
    view = target_view(dateline, post_id)
    assert (view["status"], view["firstComment"]["status"]) == ("retrying", "pending")
    assert view["remoteId"] and view["firstComment"]["error"]["code"] == "rate_limited"
    rest(dateline, post_id)
    target, view = check_against_ledger(dateline, post_id, texts), target_view(dateline, post_id)
    assert (target.status, target.tries, view["firstComment"]["status"]) == ("published", 2, "published")


def test_a_comment_that_waits_to_be_tried_again_can_be_given_up(dateline: Dateline) -> None:
    post_id, texts = made_with_comment(dateline, "mastodon", "text", "rate_limit")
    answer = dateline.api("POST", f"/v1/posts/{post_id}/stop", {})
    assert (answer.status, answer.json()["status"]) == (200, "published")
    dateline.stack.run_for(timedelta(minutes=20))
    assert [len(entries) for entries in shown(dateline, texts)] == [1, 0]
    comment = target_view(dateline, post_id)["firstComment"]
    assert (comment["status"], comment["error"]["code"]) == ("failed", "stopped")


def test_a_profile_removed_before_the_comment_leaves_the_post_published(dateline: Dateline) -> None:
    post_id, _ = made_with_comment(dateline, "mastodon", "text", "rate_limit")
    assert dateline.api("DELETE", "/v1/profiles/prof_mastodon?cancelPending=true").status == 204
    rest(dateline, post_id)
    view = target_view(dateline, post_id)
    assert (view["status"], view["firstComment"]["error"]["code"]) == ("published", "profile_deleted")


def test_a_refused_segment_rolls_the_thread_back_and_no_comment_is_made(dateline: Dateline) -> None:
    post_id, texts = made_with_comment(dateline, "x", "thread", "reject", call=3, onSegmentFailure="rollback")
    rest(dateline, post_id)
    assert shown(dateline, texts) == [[], [], [], []]
    view = target_view(dateline, post_id)
    assert (view["status"], view["segments"], view["firstComment"]["status"]) == ("failed", [], "failed")
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


# Unclear

@pytest.mark.parametrize("network", STEPWISE)
def test_a_comment_whose_answer_is_lost_is_looked_up_and_not_made_twice(dateline: Dateline, network: str) -> None:
    post_id, texts = made_with_comment(dateline, network, "text", "lost_answer")
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"
    assert target_view(dateline, post_id)["firstComment"]["status"] == "published"


def test_a_comment_nobody_can_tell_of_leaves_the_post_published_and_says_so(dateline: Dateline) -> None:
    post_id, texts = make(dateline, "mastodon", "text", firstComment=COMMENT)

    def lost(service: str, operation: str, phase: Phase) -> None:
        if len(shown(dateline, texts)[0]) == 1 and operation.startswith("POST") and phase == "before":
            dateline.stack.on_external_call = None
            dateline.world.add_fault("mastodon", "lost_answer")
            dateline.world.add_fault("mastodon", "server_error", times=1000, at="read")

    interrupted(dateline, lost, lambda: dateline.stack.pump_queue("deliveries", most=1))
    rest(dateline, post_id)
    view = target_view(dateline, post_id)
    assert (view["status"], view["error"], dateline.read(post_id)["status"]) == ("published", None, "published")
    assert view["firstComment"]["status"] == "unconfirmed" and "resolve" not in view["firstComment"]["error"]["detail"]
    assert [len(entries) for entries in shown(dateline, [*texts, COMMENT])] == [1, 1]
    assert dateline.api("POST", f"/v1/posts/{post_id}/retry", {}).status == 409


def test_the_sandbox_plays_a_comment_that_stays_unconfirmed(dateline: Dateline) -> None:
    target = on_the_sandbox(dateline, simulate="unconfirmed", simulateSegment=1)
    assert (target["status"], target["firstComment"]["status"]) == ("published", "unconfirmed")


def test_a_late_worker_that_saw_the_comment_appear_is_believed(dateline: Dateline) -> None:
    """The remote id of a comment that was called unconfirmed travelled as a message; it arrives after the end."""
    post = a_post_with(dateline, "unconfirmed")
    (target,) = post.targets.values()
    late = RemoteSegment("77", "https://mastodon.example/77", {})
    record.published(post, target.profile_id, 1, [late], 2, dateline.clock.now(), arm_next=False, token="somebody's")
    assert (target.status, target.comment, target.remotes[-1], target.armed) == ("published", None, late, None)
    assert post.trail[-1].kind == "post.updated"
    with pytest.raises(record.ClaimLost):
        record.published(post, target.profile_id, 1, [late], 2, dateline.clock.now(), arm_next=False, token=None)


def test_a_comment_that_was_refused_takes_no_remote_id_any_more(dateline: Dateline) -> None:
    post = a_post_with(dateline, "failed")
    (target,) = post.targets.values()
    with pytest.raises(record.ClaimLost):
        record.published(
            post, target.profile_id, 1, [RemoteSegment("77", None, {})], 2, dateline.clock.now(), arm_next=False, token=None
        )


def a_post_with(dateline: Dateline, end: str) -> Post:
    """A post that is out, with a comment whose call ended so."""
    post_id, _ = make(dateline, "mastodon", "text", firstComment=COMMENT)
    post, now = post_of(dateline, post_id), dateline.clock.now()
    (target,) = post.targets.values()
    lifecycle.claim(post, target, "somebody's", now, 120)
    lifecycle.arm(target, 0, now)
    lifecycle.published_segment(target, [RemoteSegment("76", None, {})])
    lifecycle.arm(target, 1, now)
    lifecycle.end(post, target, end, now, "why", "So it was.")
    assert target.comment == {"status": end, "code": "why", "detail": "So it was."}
    return post


def test_a_post_settled_by_hand_is_published_without_its_comment(dateline: Dateline) -> None:
    dateline.world.add_fault("mastodon", "lost_answer")
    dateline.world.add_fault("mastodon", "server_error", times=1000, at="read")
    post_id, texts = make(dateline, "mastodon", "text", firstComment=COMMENT)
    assert rest(dateline, post_id).status == "unconfirmed"
    assert target_view(dateline, post_id)["firstComment"]["status"] == "unconfirmed"
    ((entry,),) = shown(dateline, texts)
    said = {"outcome": "published", "remoteId": entry.remote_id}
    answer = dateline.api("POST", f"/v1/posts/{post_id}/targets/prof_mastodon/resolve", said).json()
    (view,) = answer["targets"]
    assert (answer["status"], view["status"], view["firstComment"]["status"]) == ("published", "published", "failed")
    assert view["firstComment"]["error"]["code"] == "comment_not_sent"


@pytest.mark.parametrize("network", THREADED)
def test_a_worker_that_dies_at_any_call_leaves_one_post_and_one_comment(network: str) -> None:
    with Dateline() as dateline:
        for number in range(100):
            post_id, texts = make(dateline, network, "text", profile=connect(dateline, network), firstComment=f"Comment {number}")
            died = pump_crashing(dateline, max(number, 1), "after" if number else "before")
            rest(dateline, post_id)
            assert check_against_ledger(dateline, post_id, [*texts, f"Comment {number}"]).status == "published"
            if died is None:
                break
    assert number > 4


# Refused

LONG: dict[str, tuple[int, str, dict[str, Any]]] = {
    "mastodon": (501, "mastodon.first_comment.too_long", {"limit": 500, "measured": 501, "unit": "characters"}),
    "bluesky": (301, "bluesky.first_comment.too_long", {"limit": 300, "measured": 301, "unit": "graphemes"}),
    "x": (281, "x.first_comment.too_long", {"limit": 280, "measured": 281, "unit": "weighted characters"}),
}


@pytest.mark.parametrize("network", LONG)
def test_a_comment_is_held_against_the_platforms_limit_of_a_text(dateline: Dateline, network: str) -> None:
    size, rule, members = LONG[network]
    body = {"text": "Hello", "profileIds": [f"prof_{network}"], "publishNow": True, "firstComment": "a" * size}
    for sent, pointer in (
        (body, "/firstComment"),
        ({**body, "firstComment": "Short", "platforms": {network: {"firstComment": "a" * size}}},
         f"/platforms/{network}/firstComment"),
    ):
        answer = dateline.api("POST", "/v1/posts", sent)
        assert (answer.status, answer.json()["code"]) == (400, "content_invalid")
        (fault,) = answer.json()["errors"]
        assert (fault["code"], fault["pointer"]) == (rule, pointer) and {**fault, **members} == fault
        assert "comment" in fault["detail"]
    fitting = {**body, "platforms": {network: {"firstComment": "a" * (size - 1)}}}
    assert dateline.api("POST", "/v1/posts/validate", fitting).json()["valid"] is True


OTHERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "few graphemes of many bytes": ("bluesky", {"firstComment": FAMILY * 121}, "bluesky.first_comment.too_many_bytes"),
    "a character X never takes": ("x", {"firstComment": "a\ufeffb"}, "x.first_comment.invalid_character"),
    "nothing but space": ("mastodon", {"firstComment": " \n"}, "mastodon.first_comment.empty"),
    "a content warning that counts": (
        "mastodon", {"firstComment": "a" * 500, "platforms": {"mastodon": {"spoilerText": "Lunch"}}},
        "mastodon.first_comment.too_long",
    ),
    "a platform without": ("telegram", {"firstComment": COMMENT}, "telegram.first_comment.unsupported"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_else_a_comment_cannot_be(dateline: Dateline, name: str) -> None:
    network, more, rule = OTHERS[name]
    answer = dateline.api("POST", "/v1/posts", {"text": "Hello", "profileIds": [f"prof_{network}"], "publishNow": True, **more})
    assert answer.status == 400, answer.body
    assert [(fault["code"], fault["pointer"]) for fault in answer.json()["errors"]] == [(rule, "/firstComment")]
    draft = {"text": "Hello", "profileIds": [f"prof_{network}"], **more}
    warnings = dateline.api("POST", "/v1/posts/validate", draft).json()["warnings"]
    assert [(one["code"], one["pointer"]) for one in warnings] == [(rule, "/firstComment")]


def test_one_platform_without_comments_refuses_the_post_and_says_what_would_work(dateline: Dateline) -> None:
    body = {"text": "Hello", "profileIds": ["prof_mastodon", "prof_telegram"], "publishNow": True, "firstComment": COMMENT}
    (fault,) = dateline.api("POST", "/v1/posts", body).json()["errors"]
    assert (fault["code"], fault["platform"]) == ("telegram.first_comment.unsupported", "telegram")
    assert '"firstComment": ""' in fault["detail"]
    without = {**body, "platforms": {"telegram": {"firstComment": ""}}}
    assert dateline.api("POST", "/v1/posts/validate", without).json()["valid"] is True
    given = {**body, "platforms": {"telegram": {"firstComment": "Here"}}}
    assert dateline.api("POST", "/v1/posts", given).json()["errors"][0]["pointer"] == "/platforms/telegram/firstComment"


@pytest.mark.parametrize("network", THREADED)
def test_a_comment_does_not_count_as_a_segment(dateline: Dateline, network: str) -> None:
    thread = [{"text": f"Part {number}"} for number in range(25)]
    body = {"thread": thread, "profileIds": [f"prof_{network}"], "publishNow": True, "firstComment": COMMENT}
    post_id = dateline.api("POST", "/v1/posts", body).json()["id"]
    rest(dateline, post_id)
    assert len(dateline.world.seen(network)) == 26 and target_of(dateline, post_id).status == "published"
    view = target_view(dateline, post_id)
    assert len(view["segments"]) == 25 and view["firstComment"]["status"] == "published"
