"""Threads: what is refused and where, what appears, and what becomes of a thread that breaks off in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from local.seed import WORKSPACE
from local.stack import Phase
from tests.harness import Dateline
from tests.integration.scene import (
    THREADED,
    check_against_ledger,
    interrupted,
    make,
    rest,
    shown,
    target_of,
)

STEPWISE = ("mastodon", "x")
"""Networks that take a thread segment by segment."""


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def thread_of(count: int) -> list[dict[str, Any]]:
    return [{"text": f"Part {number}"} for number in range(count)]


def picture(number: int) -> dict[str, Any]:
    return {"url": f"https://media.example/{number}.png", "type": "image", "altText": f"Picture {number}"}


def faults_of(dateline: Dateline, body: dict[str, Any]) -> list[tuple[str, str]]:
    """What the API says to a body: (rule, pointer) of each fault, nothing where it is taken."""
    answer = dateline.api("POST", "/v1/posts/validate", {"publishNow": True, **body}).json()
    return [(fault["code"], fault["pointer"]) for fault in answer["errors"]]


def break_off(dateline: Dateline, network: str, fault: str, **more: Any) -> tuple[str, list[str]]:
    """A thread of three, delivered once, whose second segment's call meets a fault."""
    calls = 0

    def second_call(service: str, operation: str, phase: Phase) -> None:
        nonlocal calls
        calls += service == network and phase == "before" and operation.startswith("POST")
        if calls == 2:
            dateline.stack.on_external_call = None
            dateline.world.add_fault(network, fault)

    post_id, texts = make(dateline, network, "thread", **more)
    interrupted(dateline, second_call, lambda: dateline.stack.pump_queue("deliveries", most=1))
    return post_id, texts


def out(dateline: Dateline, texts: list[str]) -> list[int]:
    """How often a reader sees each of the texts."""
    return [len(entries) for entries in shown(dateline, texts)]


# What is taken

@pytest.mark.parametrize("network", THREADED)
def test_a_thread_of_25_appears_in_order_each_segment_under_the_one_before(dateline: Dateline, network: str) -> None:
    post = dateline.post(f"prof_{network}", thread=thread_of(25), publishNow=True)
    rest(dateline, post["id"])
    entries = dateline.world.seen(network)
    assert [entry.text for entry in entries] == [f"Part {number}" for number in range(25)]
    assert [entry.in_reply_to for entry in entries] == [None, *(entry.remote_id for entry in entries[:-1])]
    (target,) = dateline.read(post["id"])["targets"]
    assert [segment["remoteId"] for segment in target["segments"]] == [entry.remote_id for entry in entries]
    assert all(segment["url"] for segment in target["segments"])
    assert (target["remoteId"], target["url"]) == (entries[0].remote_id, target["segments"][0]["url"])


def test_26_segments_are_refused_in_the_thread_and_in_an_override(dateline: Dateline) -> None:
    for body, pointer in (
        ({"thread": thread_of(26)}, "/thread"),
        ({"text": "Hello", "platforms": {"x": {"thread": thread_of(26)}}}, "/platforms/x/thread"),
    ):
        answer = dateline.api("POST", "/v1/posts", {"profileIds": ["prof_x"], "publishNow": True, **body})
        assert answer.status == 400
        assert [(fault["code"], fault["pointer"]) for fault in answer.json()["errors"]] == [("invalid_request", pointer)]


def test_every_segment_is_held_against_every_platform_and_each_fault_names_its_place(dateline: Dateline) -> None:
    thread = [
        {"text": "a" * 281}, {"text": "b", "media": [picture(n) for n in range(5)]}, {"text": "c" * 501},
        {"text": "d", "media": [{**picture(0), "altText": "e" * 1501}]}, {"text": " "},
    ]
    said = faults_of(dateline, {"thread": thread, "profileIds": ["prof_x", "prof_mastodon"]})
    assert sorted(said) == sorted([
        ("x.text.too_long", "/thread/0/text"), ("x.media.too_many", "/thread/1/media"), ("x.text.too_long", "/thread/2/text"),
        ("x.alt_text.too_long", "/thread/3/media/0"), ("x.content.empty", "/thread/4/text"),
        ("mastodon.media.too_many", "/thread/1/media"), ("mastodon.text.too_long", "/thread/2/text"),
        ("mastodon.alt_text.too_long", "/thread/3/media/0"), ("mastodon.content.empty", "/thread/4/text"),
    ])


@pytest.mark.parametrize("network", THREADED)
def test_each_segment_carries_its_own_media(dateline: Dateline, network: str) -> None:
    thread = [
        {"text": "Two", "media": [picture(1), picture(2)]}, {"text": "None"}, {"text": "", "media": [picture(3)]},
    ]
    post = dateline.post(f"prof_{network}", thread=thread, publishNow=True)
    assert rest(dateline, post["id"]).status == "published"
    entries = dateline.world.seen(network)
    assert [(entry.text, len(entry.media)) for entry in entries] == [("Two", 2), ("None", 0), ("", 1)]
    described = [entry.extra.get("alts") or list(entry.extra.get("altTexts", {}).values()) for entry in entries]
    assert described == [["Picture 1", "Picture 2"], [], ["Picture 3"]]


def test_a_platform_may_have_a_thread_of_its_own(dateline: Dateline) -> None:
    own = [{"text": "For X, one"}, {"text": "For X, two", "media": [picture(1)]}]
    post = dateline.post("prof_mastodon", "prof_x", "prof_telegram", publishNow=True, platforms={"x": {"thread": own}})
    dateline.stack.run_for(timedelta(minutes=1))
    assert sorted((entry.platform, entry.text, len(entry.media)) for entry in dateline.world.seen()) == [
        ("mastodon", "Hello", 0), ("telegram", "Hello", 0), ("x", "For X, one", 0), ("x", "For X, two", 1)
    ]
    views = {target["platform"]: target for target in dateline.read(post["id"])["targets"]}
    assert [name for name, view in views.items() if "segments" in view] == ["x"] and len(views["x"]["segments"]) == 2


def test_one_platform_without_threads_is_named_and_takes_one_segment_of_its_own(dateline: Dateline) -> None:
    body = {"thread": thread_of(3), "profileIds": ["prof_mastodon", "prof_telegram"], "publishNow": True}
    answer = dateline.api("POST", "/v1/posts", body)
    assert (answer.status, answer.json()["code"]) == (400, "content_invalid")
    (fault,) = answer.json()["errors"]
    assert (fault["code"], fault["pointer"], fault["platform"]) == ("telegram.thread.unsupported", "/thread", "telegram")
    assert (fault["limit"], fault["measured"], fault["unit"]) == (1, 3, "segments")
    assert "platforms.telegram" in fault["detail"]
    post = dateline.api("POST", "/v1/posts", {**body, "platforms": {"telegram": {"thread": [{"text": "All in one"}]}}}).json()
    dateline.stack.run_for(timedelta(minutes=1))
    assert dateline.read(post["id"])["status"] == "published"
    assert [e.text for e in dateline.world.seen("telegram")] == ["All in one"] and len(dateline.world.seen("mastodon")) == 3


# A thread that breaks off

@pytest.mark.parametrize("network", STEPWISE)
def test_resume_goes_on_by_itself_behind_the_last_segment_that_is_out(dateline: Dateline, network: str) -> None:
    post_id, texts = break_off(dateline, network, "rate_limit", onSegmentFailure="resume")
    assert target_of(dateline, post_id).status == "retrying" and out(dateline, texts) == [1, 0, 0]
    (view,) = dateline.read(post_id)["targets"]
    assert len(view["segments"]) == 1 and view["remoteId"] == view["segments"][0]["remoteId"]
    rest(dateline, post_id)
    assert (target_of(dateline, post_id).tries, check_against_ledger(dateline, post_id, texts).status) == (2, "published")


@pytest.mark.parametrize("network", STEPWISE)
@pytest.mark.parametrize("handling", ["resume", "stop"])
def test_a_refused_segment_ends_the_thread_there_and_a_retry_goes_on_with_it(
    dateline: Dateline, network: str, handling: str
) -> None:
    post_id, texts = break_off(dateline, network, "reject", onSegmentFailure=handling)
    target = rest(dateline, post_id)
    assert (target.status, (target.error or {})["code"], out(dateline, texts)) == ("failed", "rejected", [1, 0, 0])
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


@pytest.mark.parametrize("network", STEPWISE)
def test_stop_tries_nothing_again_by_itself(dateline: Dateline, network: str) -> None:
    post_id, texts = break_off(dateline, network, "rate_limit", onSegmentFailure="stop")
    target = target_of(dateline, post_id)
    assert (target.status, (target.error or {})["code"], target.tries) == ("failed", "rate_limited", 1)
    dateline.stack.run_for(timedelta(hours=1))
    assert out(dateline, texts) == [1, 0, 0] and len(target_of(dateline, post_id).remotes) == 1
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


@pytest.mark.parametrize("network", STEPWISE)
@pytest.mark.parametrize("handling", ["stop", "rollback"])
def test_a_first_segment_that_has_to_wait_breaks_nothing_off(dateline: Dateline, network: str, handling: str) -> None:
    dateline.world.add_fault(network, "rate_limit")
    post_id, texts = make(dateline, network, "thread", onSegmentFailure=handling)
    rest(dateline, post_id)
    assert (target_of(dateline, post_id).tries, check_against_ledger(dateline, post_id, texts).status) == (2, "published")


@pytest.mark.parametrize("network", STEPWISE)
@pytest.mark.parametrize("fault", ["reject", "rate_limit"])
def test_rollback_takes_down_what_is_out_and_a_retry_begins_anew(dateline: Dateline, network: str, fault: str) -> None:
    post_id, texts = break_off(dateline, network, fault, onSegmentFailure="rollback")
    target = rest(dateline, post_id)
    assert (target.status, target.remotes, out(dateline, texts)) == ("failed", [], [0, 0, 0])
    assert "taken down again" in (target.error or {})["detail"]
    gone = [entry.text for entry in dateline.world.ledger if entry.gone]
    assert gone == texts[:1]
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


@pytest.mark.parametrize("handling", ["resume", "rollback", "stop"])
def test_bluesky_shows_a_thread_whole_or_not_at_all_whatever_was_asked(dateline: Dateline, handling: str) -> None:
    dateline.world.add_fault("bluesky", "reject")
    post_id, texts = make(dateline, "bluesky", "thread", onSegmentFailure=handling)
    assert rest(dateline, post_id).status == "failed" and out(dateline, texts) == [0, 0, 0]
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


@pytest.mark.parametrize("network", STEPWISE)
def test_a_remote_id_that_comes_back_late_is_not_believed_once_its_segment_was_taken_down(
    dateline: Dateline, network: str
) -> None:
    """The first segment's id could not be saved and travels as a message, which arrives when a second attempt has begun."""
    away = False

    def outage(service: str, operation: str, phase: Phase) -> None:
        nonlocal away
        away = away or (service == network and operation.startswith("POST") and phase == "after")
        if away and service == "dynamodb":
            raise EndpointConnectionError(endpoint_url="dynamodb")

    post_id, texts = make(dateline, network, "thread", onSegmentFailure="rollback")
    interrupted(dateline, outage, lambda: dateline.stack.pump_queue("deliveries", most=1))
    late = next(m.body for m in dateline.stack.peek("deliveries") if '"outcome"' in m.body)
    dateline.world.add_fault(network, "reject")
    assert rest(dateline, post_id).status == "failed" and out(dateline, texts) == [0, 0, 0]
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    die_in_the_call(dateline, network)
    assert target_of(dateline, post_id).armed == 0
    say_again(dateline, late)
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def die_in_the_call(dateline: Dateline, network: str) -> None:
    from local.stack import Crash

    def hook(service: str, operation: str, phase: Phase) -> None:
        if service == network and operation.startswith("POST") and phase == "after":
            raise Crash

    interrupted(dateline, hook, lambda: dateline.stack.pump_queue("deliveries", most=1))


def say_again(dateline: Dateline, body: str) -> None:
    from dateline.aws.queue import Message

    dateline.deps.queue.send([Message.parse(body)], group=WORKSPACE)
    dateline.stack.pump_queue("deliveries", most=5)
