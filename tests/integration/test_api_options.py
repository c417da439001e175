"""Options under `platforms.<name>`, and a profile's own daily cap, as the API takes and refuses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dateline.platforms import registry
from local.seed import TEST_KEY
from tests.harness import START, Dateline


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


UNKNOWN = {"platforms": {"mastodon": {"visibilty": "public"}}}
INVALID = {"platforms": {"mastodon": {"poll": {"options": ["One"], "durationMinutes": 5}}}}
REFUSED = {
    "unknown": (UNKNOWN, "mastodon.option.unknown", "/platforms/mastodon/visibilty"),
    "invalid": (INVALID, "mastodon.option.invalid", "/platforms/mastodon/poll/options"),
}


def refused(answer: Any, rule: str, pointer: str) -> dict[str, Any]:
    assert (answer.status, answer.json()["code"]) == (400, "content_invalid"), answer.body
    (fault,) = answer.json()["errors"]
    assert (fault["code"], fault["pointer"], fault["platform"]) == (rule, pointer, "mastodon")
    found: dict[str, Any] = fault
    return found


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("kind", ["scheduled", "draft", "draft without profiles", "draft of another platform"])
def test_an_option_that_can_never_be_right_is_refused_in_a_draft_too(dateline: Dateline, name: str, kind: str) -> None:
    more, rule, pointer = REFUSED[name]
    body: dict[str, Any] = {"text": "Hello", "profileIds": ["prof_mastodon"], **more}
    if kind == "scheduled":
        body["scheduledFor"] = "2027-06-16T09:00:00Z"
    if kind == "draft without profiles":
        del body["profileIds"]
    if kind == "draft of another platform":
        body["profileIds"] = ["prof_x"]
    refused(dateline.api("POST", "/v1/posts", body), rule, pointer)
    said = dateline.api("POST", "/v1/posts/validate", body).json()
    assert (said["valid"], [(e["code"], e["pointer"]) for e in said["errors"]]) == (False, [(rule, pointer)])
    assert dateline.api("GET", "/v1/posts").json()["data"] == []


@pytest.mark.parametrize("name", REFUSED)
def test_an_edit_cannot_bring_one_in(dateline: Dateline, name: str) -> None:
    more, rule, pointer = REFUSED[name]
    draft, scheduled = dateline.post("prof_mastodon"), dateline.post("prof_mastodon", at=START.replace(hour=20))
    for post in (draft, scheduled):
        refused(dateline.api("PATCH", f"/v1/posts/{post['id']}", more), rule, pointer)
        assert dateline.read(post["id"])["platforms"] == {} and dateline.read(post["id"])["revision"] == 1


def test_an_unknown_option_comes_with_the_known_ones(dateline: Dateline) -> None:
    body = {"text": "Hello", "profileIds": ["prof_mastodon"], **UNKNOWN}
    fault = refused(dateline.api("POST", "/v1/posts", body), "mastodon.option.unknown", "/platforms/mastodon/visibilty")
    properties = dateline.api("GET", "/v1/platforms/mastodon").json()["options"]["properties"]
    assert set(fault["known"]) == {*properties, "text", "media", "thread", "firstComment"}
    assert "visibility" in fault["known"] and "visibility" in fault["detail"]


def test_each_fault_is_said_once_however_many_profiles_a_platform_has(dateline: Dateline) -> None:
    from tests.integration.scene import connect

    profiles = ["prof_mastodon", connect(dateline, "mastodon")]
    body = {"text": "a" * 501, "profileIds": profiles, "publishNow": True, **UNKNOWN}
    said = dateline.api("POST", "/v1/posts/validate", body).json()["errors"]
    assert [fault["code"] for fault in said] == ["mastodon.option.unknown", "mastodon.text.too_long"]


def test_a_draft_is_warned_of_what_its_content_breaks_options_included(dateline: Dateline) -> None:
    picture = {"url": "https://media.example/1.png"}
    options = {"poll": {"options": ["Left", "Right"], "durationMinutes": 60}}
    body = {"text": "Which?", "media": [picture], "profileIds": ["prof_x"], "platforms": {"x": options}}
    warnings = dateline.api("POST", "/v1/posts", body).json()["warnings"]
    assert [(one["code"], one["pointer"]) for one in warnings] == [("x.poll.with_media", "/platforms/x/poll")]
    answer = dateline.api("POST", "/v1/posts", {**body, "publishNow": True})
    assert answer.status == 400 and answer.json()["errors"][0]["code"] == "x.poll.with_media"


def test_a_poll_is_published_and_shown_as_it_was_asked_for(dateline: Dateline) -> None:
    from datetime import timedelta

    options = {"poll": {"options": ["Left", "Right"], "durationMinutes": 60}}
    post = dateline.post("prof_x", "prof_mastodon", text="Which?", platforms={"x": options, "mastodon": options}, publishNow=True)
    dateline.stack.run_for(timedelta(minutes=1))
    assert dateline.read(post["id"])["platforms"] == {"x": options, "mastodon": options}
    polls = {entry.platform: entry.extra["options"]["poll"] for entry in dateline.world.seen()}
    assert polls == {
        "x": {"options": ["Left", "Right"], "duration_minutes": 60},
        "mastodon": {"options": ["Left", "Right"], "expires_in": 3600},
    }


# A profile's own daily cap

def test_the_catalogue_shows_each_cap_and_the_setting_that_overrides_it(dateline: Dateline) -> None:
    for platform in dateline.api("GET", "/v1/platforms").json()["data"]:
        cap = registry.rules(platform["name"]).daily_cap
        assert cap is not None and platform["dailyCap"] == {
            "limit": cap.limit, "hours": 24, "setting": "dailyPosts", "source": cap.source
        }
        assert platform["firstComment"] is registry.rules(platform["name"]).first_comment


@pytest.mark.parametrize("profile", ["prof_mastodon", "prof_bluesky", "prof_x", "prof_telegram", "prof_sandbox"])
def test_a_team_says_how_many_posts_a_day_its_account_may_make(dateline: Dateline, profile: str) -> None:
    key = {"key": TEST_KEY} if profile == "prof_sandbox" else {}
    path = f"/v1/profiles/{profile}"
    assert dateline.api("PATCH", path, {"settings": {"dailyPosts": 50}}, **key).json()["settings"]["dailyPosts"] == 50
    for wrong in (0, -1, "50", 1.5, True, None):
        answer = dateline.api("PATCH", path, {"settings": {"dailyPosts": wrong}}, **key)
        assert (answer.status, answer.json()["code"]) == (400, "invalid_request")
        assert answer.json()["errors"][0]["pointer"] == "/settings/dailyPosts"
    assert dateline.api("GET", path, **key).json()["settings"]["dailyPosts"] == 50
