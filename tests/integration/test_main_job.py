"""The main job, from POST /v1/posts to four networks and the topic, over the real handlers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.harness import START, Dateline

FOUR = ("prof_mastodon", "prof_bluesky", "prof_x", "prof_telegram")


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def kinds(dateline: Dateline, post_id: str) -> list[str]:
    return [event["type"] for event in dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]]


def test_a_scheduled_post_stands_on_four_networks_at_its_time_and_not_before(dateline: Dateline) -> None:
    at = START + timedelta(hours=3)
    post = dateline.post(*FOUR, at=at)
    assert post["status"] == "scheduled" and len(dateline.stack.schedules()) == 1
    dateline.stack.run_until(lambda: dateline.read(post["id"])["status"] == "published", limit=timedelta(hours=4))
    assert {(e.platform, e.at >= at) for e in dateline.world.seen()} == {
        ("mastodon", True), ("bluesky", True), ("x", True), ("telegram", True)
    }
    assert kinds(dateline, post["id"]) == [
        "post.scheduled", "post.queued", "post.publishing", *["target.published"] * 4, "post.published"
    ]
    assert dateline.stack.schedules() == []


def test_a_post_due_in_seconds_needs_no_entry(dateline: Dateline) -> None:
    post = dateline.post("prof_mastodon", at=START + timedelta(seconds=10))
    assert dateline.stack.schedules() == []
    assert dateline.stack.run_until(lambda: bool(dateline.world.seen()), limit=timedelta(seconds=30))
    assert dateline.world.seen()[0].at == START + timedelta(seconds=10)
    assert kinds(dateline, post["id"])[:3] == ["post.scheduled", "post.queued", "post.publishing"]


def test_a_cancelled_post_never_appears(dateline: Dateline) -> None:
    post = dateline.post("prof_x", at=START + timedelta(seconds=30))
    assert dateline.api("DELETE", f"/v1/posts/{post['id']}").json()["status"] == "cancelled"
    dateline.stack.run_for(timedelta(hours=1))
    assert dateline.world.seen() == []


def test_an_entry_that_fires_early_makes_the_post_punctual_and_never_early() -> None:
    """The deployed default: entries are precise to the minute, the queue holds the messages for the rest."""
    with Dateline(parameters={"PublishLeadSeconds": 75}) as dateline:
        at = START + timedelta(minutes=10)
        post = dateline.post(*FOUR, at=at)
        (entry,) = dateline.stack.schedules()
        assert entry.at == at - timedelta(seconds=75)
        dateline.stack.run_until(lambda: dateline.read(post["id"])["status"] == "published", limit=timedelta(minutes=11))
        assert {e.at - at for e in dateline.world.seen()} == {timedelta()}, "all four, to the second"


def test_a_cancel_between_the_early_entry_and_the_publish_time_wins() -> None:
    with Dateline(parameters={"PublishLeadSeconds": 75}) as dateline:
        at = START + timedelta(minutes=10)
        post = dateline.post("prof_x", at=at)
        dateline.stack.run_for(timedelta(minutes=9, seconds=30))
        assert dateline.stack.schedules() == [] and dateline.stack.peek("deliveries"), "the message is out and waits"
        assert dateline.api("DELETE", f"/v1/posts/{post['id']}").status == 200
        dateline.stack.run_for(timedelta(minutes=5))
        assert dateline.world.seen() == []
