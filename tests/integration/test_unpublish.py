"""Unpublishing: what is out is taken down where the network can, and the post says what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.networks.files import jpeg
from local.stack import Answer
from tests.harness import Dateline
from tests.integration.scene import make, rest, target_of


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def unpublish(dateline: Dateline, post_id: str, body: Any = None, **headers: str) -> Answer:
    return dateline.api(
        "POST", f"/v1/posts/{post_id}/unpublish", body or {}, headers={"prefer": "respond-async", **headers}
    )


def published(dateline: Dateline, network: str, shape: str = "text") -> str:
    post_id, _ = make(dateline, network, shape)
    assert rest(dateline, post_id).status == "published"
    return post_id


def removal(dateline: Dateline, post_id: str) -> dict[str, Any]:
    (target,) = dateline.read(post_id)["targets"]
    found: dict[str, Any] = target["removal"]
    return found


@pytest.mark.parametrize(("network", "shape"), [
    ("mastodon", "text"), ("mastodon", "thread"), ("bluesky", "thread"), ("x", "thread"), ("telegram", "text"),
])
def test_what_was_published_is_gone_from_the_network_and_says_so(dateline: Dateline, network: str, shape: str) -> None:
    post_id = published(dateline, network, shape)
    answer = unpublish(dateline, post_id)
    assert answer.status == 202 and answer.json()["targets"][0]["removal"]["status"] == "pending"
    dateline.stack.settle(timers=False)
    assert dateline.world.seen(network) == []
    post = dateline.read(post_id)
    assert post["status"] == "published" and post["targets"][0]["remoteId"], "it was published, and stays known"
    assert removal(dateline, post_id)["status"] == "removed"
    events = [event["type"] for event in dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]]
    assert events[-1] == "target.unpublished"
    assert unpublish(dateline, post_id).status == 409, "there is nothing left to take down"


def test_only_the_chosen_targets_are_taken_down(dateline: Dateline) -> None:
    post = dateline.post("prof_mastodon", "prof_x", publishNow=True)
    dateline.stack.settle(timers=False)
    assert unpublish(dateline, post["id"], {"profileIds": ["prof_x"]}).status == 202
    dateline.stack.settle(timers=False)
    assert [entry.platform for entry in dateline.world.seen()] == ["mastodon"]
    by_profile = {target["profileId"]: target for target in dateline.read(post["id"])["targets"]}
    assert "removal" not in by_profile["prof_mastodon"] and by_profile["prof_x"]["removal"]["status"] == "removed"


@pytest.mark.parametrize("fault", ["server_error", "rate_limit", "lost_answer", "expired_token"])
def test_a_network_that_fails_over_it_is_asked_again(dateline: Dateline, fault: str) -> None:
    post_id = published(dateline, "x")
    dateline.world.add_fault("x", fault, at="delete", retry_after=30)
    unpublish(dateline, post_id)
    dateline.stack.run_for(timedelta(minutes=5))
    assert removal(dateline, post_id)["status"] == "removed" and dateline.world.seen("x") == []


def test_a_refusal_ends_it_and_is_told(dateline: Dateline) -> None:
    post_id = published(dateline, "mastodon")
    dateline.world.add_fault("mastodon", "reject", at="delete")
    unpublish(dateline, post_id)
    dateline.stack.run_for(timedelta(minutes=1))
    said = removal(dateline, post_id)
    assert (said["status"], said["error"]["code"]) == ("failed", "rejected")
    assert len(dateline.world.seen("mastodon")) == 1
    unpublish(dateline, post_id)
    dateline.stack.settle(timers=False)
    assert removal(dateline, post_id)["status"] == "removed", "it may be asked for again"


def test_a_network_that_never_answers_is_given_up_after_a_bounded_number_of_tries(dateline: Dateline) -> None:
    post_id = published(dateline, "x")
    dateline.world.add_fault("x", "server_error", times=1000, at="delete")
    unpublish(dateline, post_id)
    dateline.stack.run_for(timedelta(hours=1))
    assert removal(dateline, post_id)["status"] == "failed"
    assert target_of(dateline, post_id).status == "published"


def test_a_lost_message_is_sent_again_by_sweep(dateline: Dateline) -> None:
    post_id = published(dateline, "mastodon")
    unpublish(dateline, post_id)
    dateline.stack.queue("deliveries")._messages.clear()
    dateline.stack.run_for(timedelta(minutes=10))
    assert removal(dateline, post_id)["status"] == "removed"


def test_what_is_not_out_cannot_be_taken_down(dateline: Dateline) -> None:
    later = dateline.post("prof_mastodon", at=dateline.clock.now() + timedelta(days=1))
    answer = unpublish(dateline, later["id"])
    assert (answer.status, answer.json()["code"]) == (409, "illegal_transition")
    assert (answer.json()["from"], answer.json()["to"]) == ("scheduled", "unpublished")
    assert unpublish(dateline, published(dateline, "x"), {"profileIds": ["prof_bluesky"]}).status == 404


def test_a_repeat_with_the_same_key_asks_once(dateline: Dateline) -> None:
    post_id = published(dateline, "mastodon")
    first = unpublish(dateline, post_id, **{"idempotency-key": "once"})
    dateline.stack.settle(timers=False)
    again = unpublish(dateline, post_id, **{"idempotency-key": "once"})
    assert (first.status, again.status) == (202, 200)
    assert again.headers["idempotency-replayed"] == "true"
    deletes = [path for platform, method, path in dateline.world.requests if method == "DELETE" and platform == "mastodon"]
    assert len(deletes) == 1


def test_a_network_that_cannot_delete_says_so_beside_those_that_can(dateline: Dateline) -> None:
    picture = [{"url": "https://media.example/story.jpg", "type": "image"}]
    dateline.http.files["https://media.example/story.jpg"] = jpeg(1080, 1920)
    post = dateline.post("prof_mastodon", "prof_snapchat", text="Two places", media=picture, publishNow=True)
    dateline.stack.run_for(timedelta(minutes=5))
    assert len(dateline.world.seen()) == 2
    assert unpublish(dateline, post["id"]).status == 202
    dateline.stack.settle(timers=False)
    said = {target["platform"]: target["removal"] for target in dateline.read(post["id"])["targets"]}
    assert said["mastodon"]["status"] == "removed"
    assert (said["snapchat"]["status"], said["snapchat"]["error"]["code"]) == ("failed", "unsupported")
    assert [entry.platform for entry in dateline.world.seen()] == ["snapchat"]
