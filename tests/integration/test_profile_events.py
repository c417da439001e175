"""What happens to a profile is announced: in the feed and on the topic, once, in order, and whatever dies meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain import retry
from dateline.platforms import registry
from dateline.usecases import tokens
from local.events import stream_record
from local.seed import TEST_KEY
from local.stack import Crash, Phase
from tests.api_checks import refused, stored
from tests.harness import NETWORKS_URL, START, Dateline
from tests.integration.scene import interrupted, make, rest

MINUTE = timedelta(minutes=1)
LIFE = ["profile.connected", "profile.paused", "profile.resumed", "profile.deleted"]


class Topic:
    """What was said on the topic."""

    def __init__(self, dateline: Dateline) -> None:
        self.messages: list[dict[str, Any]] = []
        self.attributes: list[dict[str, str]] = []
        self._before, dateline.stack.watch.tap = dateline.stack.watch.tap, self

    def __call__(self, service: str, operation: str, params: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        assert self._before is not None
        self._before(service, operation, params, answer)
        for entry in params["PublishBatchRequestEntries"] if operation == "PublishBatch" else ():
            self.messages.append(json.loads(entry["Message"]))
            self.attributes.append({name: value["StringValue"] for name, value in entry["MessageAttributes"].items()})


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def body(dateline: Dateline, account: str = "prof_new") -> dict[str, Any]:
    offered = dateline.world.networks["mastodon"].credentials_for(account)
    return {"platform": "mastodon", "server": NETWORKS_URL + offered["server"], "credentials": offered["credentials"]}


def connect(dateline: Dateline) -> str:
    answer = dateline.api("POST", "/v1/profiles", body(dateline))
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


def live(dateline: Dateline) -> str:
    """A profile with its whole life behind it."""
    profile_id = connect(dateline)
    for paused in (True, True, False):
        assert dateline.api("PATCH", f"/v1/profiles/{profile_id}", {"paused": paused, "name": "Renamed"}).status == 200
    assert dateline.api("DELETE", f"/v1/profiles/{profile_id}").status == 204
    return profile_id


def feed(dateline: Dateline, key: str = "dl_live_local") -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = dateline.api("GET", "/v1/events?limit=100", key=key).json()["data"]
    return events


def of(dateline: Dateline, profile_id: str) -> list[str]:
    return [event["type"] for event in feed(dateline) if event["id"].startswith(f"{profile_id}#")]


def test_the_life_of_a_profile_is_in_the_feed_and_on_the_topic(dateline: Dateline) -> None:
    topic = Topic(dateline)
    profile_id = live(dateline)
    dateline.stack.settle(timers=False)
    events = feed(dateline)
    assert [event["type"] for event in events] == LIFE, "pausing twice is pausing once"
    assert [(event["id"], event["sequence"]) for event in events] == [(f"{profile_id}#{n}", n) for n in range(1, 5)]
    assert [event["position"] for event in events] == [1, 2, 3, 4]
    assert {event["workspaceId"] for event in events} == {"wks_local"}
    shown = [event["data"]["profile"] for event in events]
    assert [(p["status"], p["paused"]) for p in shown] == [
        ("connected", False), ("connected", True), ("connected", False), ("deleted", False)
    ], "as it was then"
    assert {p["id"] for p in shown} == {profile_id} and shown[1]["name"] == "Renamed"
    assert topic.messages == [{name: value for name, value in event.items() if name != "position"} for event in events]
    assert topic.attributes[1] == {
        "type": "profile.paused", "workspaceId": "wks_local", "status": "paused", "platform": '["mastodon"]',
    }


def test_an_event_shows_the_profile_as_get_did(dateline: Dateline) -> None:
    profile_id = connect(dateline)
    seen = dateline.api("GET", f"/v1/profiles/{profile_id}").json()
    dateline.stack.settle(timers=False)
    assert feed(dateline)[0]["data"] == {"profile": seen}
    secret = body(dateline)["credentials"]["accessToken"]
    assert secret not in json.dumps(feed(dateline)) and secret not in repr(stored(dateline))


def test_a_profile_whose_token_dies_says_so_and_says_when_it_is_back(dateline: Dateline) -> None:
    dateline.world.add_fault("mastodon", "expired_token", times=2)
    for _ in range(2):
        post_id, _ = make(dateline, "mastodon", "text")
        rest(dateline, post_id)
    assert of(dateline, "prof_mastodon") == ["profile.disconnected"], "once, however many posts meet it"
    (event,) = [event for event in feed(dateline) if event["type"] == "profile.disconnected"]
    assert event["data"]["profile"]["status"] == "disconnected" and event["data"]["profile"]["error"]["code"]
    renewed = {"credentials": body(dateline, "prof_mastodon")["credentials"]}
    for _ in range(2):
        assert dateline.api("PATCH", "/v1/profiles/prof_mastodon", renewed).status == 200
    dateline.stack.settle(timers=False)
    assert of(dateline, "prof_mastodon") == ["profile.disconnected", "profile.connected"]


def test_what_nobody_should_hear_of_is_not_announced(dateline: Dateline) -> None:
    dateline.api("PATCH", "/v1/profiles/prof_x", {"name": "Another name"})
    profile = dateline.deps.profiles.get("prof_x")
    assert profile is not None
    dateline.clock.advance(timedelta(hours=3))
    tokens.fresh_credentials(dateline.deps, profile, registry.publisher("x"))
    dateline.stack.settle(timers=False)
    assert feed(dateline) == []


def test_posts_and_profiles_share_one_feed_without_gaps(dateline: Dateline) -> None:
    for n in range(3):
        dateline.post("prof_x", text=f"Post {n}", publishNow=True)
        dateline.api("PATCH", "/v1/profiles/prof_x", {"paused": n % 2 == 0})
        dateline.stack.settle(timers=False)
    events = feed(dateline)
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events if event["type"].startswith("profile.")] == [
        "profile.paused", "profile.resumed", "profile.paused"
    ]


def test_the_test_side_has_its_own_feed(dateline: Dateline) -> None:
    made = dateline.api("POST", "/v1/profiles", {"platform": "sandbox"}, key=TEST_KEY)
    assert made.status == 201, made.body
    dateline.api("PATCH", "/v1/workspace", {"paused": True})
    dateline.stack.settle(timers=False)
    test = {(event["type"], event["data"]["profile"]["id"]) for event in feed(dateline, TEST_KEY)}
    assert test == {
        ("profile.connected", made.json()["id"]), ("profile.paused", made.json()["id"]), ("profile.paused", "prof_sandbox")
    }
    assert {event["data"]["profile"]["mode"] for event in feed(dateline)} == {"live"}


def test_a_stream_that_repeats_itself_says_nothing_twice(dateline: Dateline) -> None:
    live(dateline)
    dateline.stack.settle(timers=False)
    topic = Topic(dateline)
    for source in dateline.stack._of("stream"):
        items = dateline.stack._stream_items(source)
        records = [stream_record(item.record, arn=source.arn, region=dateline.stack.region) for item in items]
        for first in range(len(records)):
            dateline.stack.invoke("notify", {"Records": records[first:]})
    assert len(feed(dateline)) == 4 and topic.messages == []


def test_events_the_stream_lost_are_announced_by_sweep(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dateline.stack, "pump_stream", lambda: 0)
    monkeypatch.setattr(dateline.stack, "_stream_items", lambda source: [])
    profile_id = live(dateline)
    dateline.stack.run_for(timedelta(seconds=retry.AUDIT_AFTER) - MINUTE)
    assert feed(dateline) == []
    dateline.stack.run_for(3 * MINUTE)
    assert of(dateline, profile_id) == LIFE
    monkeypatch.undo()
    dateline.stack.run_for(5 * MINUTE)
    assert of(dateline, profile_id) == LIFE
    assert list(dateline.deps.profiles.due(dateline.clock.now() + timedelta(days=400), 100)) == [], "and nothing is due any more"


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("call", [("sns", "PublishBatch"), ("dynamodb", "TransactWriteItems")])
def test_an_announcement_that_dies_is_made_again_and_stands_once_in_the_feed(
    dateline: Dateline, call: tuple[str, str], phase: Phase
) -> None:
    profile_id = connect(dateline)
    met: list[str] = []

    def die(service: str, operation: str, when: Phase) -> None:
        if (service, operation) == call and when == phase and not met:
            met.append(when)
            raise Crash

    topic = Topic(dateline)
    interrupted(dateline, die, lambda: dateline.stack.settle(timers=False))
    assert met == [phase]
    dateline.stack.run_for(5 * MINUTE)
    assert of(dateline, profile_id) == ["profile.connected"]
    assert {message["id"] for message in topic.messages} == {f"{profile_id}#1"}


def test_a_deleted_profile_is_nowhere_but_in_the_feed(dateline: Dateline) -> None:
    profile_id = connect(dateline)
    path = f"/v1/profiles/{profile_id}"
    assert dateline.api("DELETE", path).status == 204
    for method, sent in (("GET", None), ("PATCH", {"name": "Back"}), ("DELETE", None)):
        refused(dateline.api(method, path, sent), "not_found")
    refused(dateline.api("GET", f"{path}/health"), "not_found")
    answer = dateline.api("POST", "/v1/posts", {"text": "x", "profileIds": [profile_id]})
    refused(answer, "not_found", "/profileIds/0")
    assert profile_id not in [profile["id"] for profile in dateline.api("GET", "/v1/profiles?limit=100").json()["data"]]
    profiles = dateline.deps.profiles
    assert profiles.get(profile_id) is None and profiles.get_many([profile_id]) == {}
    row = profiles.stored(profile_id)
    assert row is not None and row.secret is None and row.settings == {}, "no credentials are left"
    dateline.stack.settle(timers=False)
    assert of(dateline, profile_id) == ["profile.connected", "profile.deleted"]


def test_the_row_of_a_deleted_profile_expires_with_its_last_event(dateline: Dateline) -> None:
    from moto.dynamodb.models import dynamodb_backends

    from local.template import ACCOUNT

    profile_id = connect(dateline)
    dateline.api("DELETE", f"/v1/profiles/{profile_id}")
    table = dynamodb_backends[ACCOUNT][dateline.stack.region].tables[dateline.deps.settings.tables["profiles"]]
    (row,) = [item.attrs for item in table.all_items() if item.attrs["id"].value == profile_id]
    assert int(row["expires_at"].value) - int(START.timestamp()) == pytest.approx(30 * 86400, abs=5)
    assert "ws" not in row
    assert not [item for item in table.all_items() if item.attrs["id"].value != profile_id and "expires_at" in item.attrs]
