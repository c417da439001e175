"""Keys and profiles over HTTP: what a key may mint, what a test key can reach, and that credentials go in and never come out."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import Context
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain import lifecycle
from dateline.domain.post import Post
from dateline.usecases import disconnecting
from local.seed import LIVE_KEY, TEST_KEY
from local.stack import Answer, Phase
from tests.api_checks import mint, nothing_written, refused, stored
from tests.harness import NETWORKS_URL, START, Dateline
from tests.integration.scene import interrupted, post_of, pump_crashing


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


@pytest.fixture(autouse=True)
def clean(dateline: Dateline) -> Iterator[None]:
    yield
    dateline.world.faults.clear()


def credentials(dateline: Dateline, platform: str, account: str) -> dict[str, Any]:
    """What the stand-in hands a person who connects `account`: a create body."""
    offered: dict[str, Any] = dateline.world.networks[platform].credentials_for(account)
    body = {"platform": platform, "credentials": offered["credentials"]}
    return {**body, "server": NETWORKS_URL + offered["server"]} if platform in ("mastodon", "bluesky") else body


def connect(dateline: Dateline, account: str, platform: str = "mastodon") -> dict[str, Any]:
    answer = dateline.api("POST", "/v1/profiles", credentials(dateline, platform, account))
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json()
    return made


# Keys

def test_a_keys_secret_is_in_the_answer_to_its_making_and_nowhere_else(dateline: Dateline) -> None:
    answer = dateline.api("POST", "/v1/keys", {"name": "CI", "scopes": ["posts:read", "posts:read", "posts:write"]})
    made = answer.json()
    assert answer.status == 201 and made["secret"].startswith("dl_live_") and made["scopes"] == ["posts:read", "posts:write"]
    assert made["last4"] == made["secret"][-4:] and made["revokedAt"] is None and made["warnings"] == []
    assert dateline.api("GET", "/v1/workspace", key=made["secret"]).status == 200
    listed = dateline.api("GET", "/v1/keys")
    assert made["id"] in [key["id"] for key in listed.json()["data"]]
    assert made["secret"].encode() not in listed.body
    assert all("secret" not in key and "hash" not in key for key in listed.json()["data"])
    assert made["secret"] not in repr(stored(dateline))


def test_repeating_the_making_of_a_key_makes_one_key_and_shows_no_secret_again(dateline: Dateline) -> None:
    first = dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"]}, headers={"idempotency-key": "make-a-key"})
    with nothing_written(dateline):
        again = dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"]}, headers={"idempotency-key": "make-a-key"})
    assert (again.status, again.json()["id"], again.json()["secret"]) == (201, first.json()["id"], None)
    assert again.headers["idempotency-replayed"] == "true" and again.json()["warnings"][0]["code"] == "secret_shown_once"


def test_a_key_mints_only_a_subset_of_itself(dateline: Dateline) -> None:
    reader = mint(dateline, "posts:read", "profiles:read")
    beyond = {"posts:write": ["posts:read", "posts:write"], "admin": ["admin"], "profiles:write": ["profiles:write"]}
    for lacking, scopes in beyond.items():
        with nothing_written(dateline):
            refused(
                dateline.api("POST", "/v1/keys", {"scopes": scopes}, key=reader), "forbidden", "/scopes", requiredScope=lacking
            )
    child = dateline.api("POST", "/v1/keys", {"scopes": ["profiles:read"]}, key=reader).json()
    assert dateline.api("GET", "/v1/profiles", key=child["secret"]).status == 200
    refused(dateline.api("GET", "/v1/posts", key=child["secret"]), "forbidden", requiredScope="posts:read")
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/keys", {"scopes": ["posts:admin"]}), "invalid_request", "/scopes/0")
        refused(dateline.api("POST", "/v1/keys", {"scopes": []}), "invalid_request", "/scopes")
        refused(dateline.api("POST", "/v1/keys", {}), "invalid_request", "/scopes")
        refused(dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"], "mode": "prod"}), "invalid_request", "/mode")
        refused(dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"], "secret": "x"}), "invalid_request", "/secret")


def test_a_revoked_key_opens_nothing_from_then_on_and_stays_in_the_list(dateline: Dateline) -> None:
    made = dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"]}).json()
    assert dateline.api("GET", "/v1/posts", key=made["secret"]).status == 200
    gone = dateline.api("DELETE", f"/v1/keys/{made['id']}")
    assert (gone.status, gone.body) == (204, b"")
    refused(dateline.api("GET", "/v1/posts", key=made["secret"]), "unauthorized")
    listed = next(key for key in dateline.api("GET", "/v1/keys").json()["data"] if key["id"] == made["id"])
    assert listed["revokedAt"] == "2027-06-15T09:00:00Z"
    with nothing_written(dateline):
        assert dateline.api("DELETE", f"/v1/keys/{made['id']}").status == 204


def test_a_test_key_mints_and_sees_test_keys_only(dateline: Dateline) -> None:
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"], "mode": "live"}, key=TEST_KEY), "forbidden", "/mode")
    made = dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"]}, key=TEST_KEY).json()
    assert made["mode"] == "test" and made["secret"].startswith("dl_test_")
    assert {key["mode"] for key in dateline.api("GET", "/v1/keys", key=TEST_KEY).json()["data"]} == {"test"}
    refused(dateline.api("DELETE", "/v1/keys/key_live_wks_local", key=TEST_KEY), "not_found")
    from_live = dateline.api("POST", "/v1/keys", {"scopes": ["posts:read"], "mode": "test"}).json()
    assert from_live["secret"].startswith("dl_test_")


# The test side

def test_a_test_key_sees_nothing_live_and_a_live_key_nothing_of_tests(dateline: Dateline) -> None:
    live = dateline.post("prof_mastodon", text="Live", at=START + timedelta(days=1))
    test = dateline.api("POST", "/v1/posts", {"text": "Test", "profileIds": ["prof_sandbox"]}, key=TEST_KEY).json()
    assert (live["mode"], test["mode"]) == ("live", "test")
    for key, own, foreign in ((TEST_KEY, test, live), (LIVE_KEY, live, test)):
        listed = [post["id"] for post in dateline.api("GET", "/v1/posts", key=key).json()["data"]]
        assert own["id"] in listed and foreign["id"] not in listed
        refused(dateline.api("GET", f"/v1/posts/{foreign['id']}", key=key), "not_found")
        refused(dateline.api("DELETE", f"/v1/posts/{foreign['id']}", key=key), "not_found")
    profiles = {profile["id"] for profile in dateline.api("GET", "/v1/profiles", key=TEST_KEY).json()["data"]}
    assert "prof_sandbox" in profiles and "prof_mastodon" not in profiles
    answer = dateline.api("POST", "/v1/posts", {"text": "x", "profileIds": ["prof_sandbox", "prof_mastodon"]}, key=TEST_KEY)
    refused(answer, "not_found", "/profileIds/1")


def test_a_test_post_never_reaches_a_network_even_on_a_test_profile_of_one(dateline: Dateline) -> None:
    made = dateline.api(
        "POST", "/v1/profiles", {"platform": "mastodon", "credentials": {"accessToken": "whatever"}}, key=TEST_KEY
    )
    assert made.status == 201 and made.json()["mode"] == "test", made.body
    sent = {"text": "Into the sand", "profileIds": ["prof_sandbox", made.json()["id"]], "publishNow": True}
    post = dateline.api("POST", "/v1/posts", sent, key=TEST_KEY).json()
    calls = len(dateline.http.sent)
    dateline.stack.run_for(timedelta(minutes=2), timers=False)
    done = dateline.api("GET", f"/v1/posts/{post['id']}", key=TEST_KEY).json()
    assert done["status"] == "published" and all(t["remoteId"].startswith("sandbox_") for t in done["targets"])
    assert len(dateline.http.sent) == calls and not any(entry.text == "Into the sand" for entry in dateline.world.seen())
    refused(dateline.api("POST", "/v1/profiles", {"platform": "sandbox"}), "invalid_request", "/platform")


# Profiles

@pytest.mark.parametrize("platform", ["mastodon", "bluesky", "x", "telegram"])
def test_connecting_an_account_asks_the_network_whose_it_is(dateline: Dateline, platform: str) -> None:
    sent = credentials(dateline, platform, f"prof_new_{platform}")
    secrets = [value for name, value in sent["credentials"].items() if name not in ("identifier", "handle", "chatId")]
    assert secrets
    answer = dateline.api("POST", "/v1/profiles", sent)
    made = answer.json()
    assert answer.status == 201, made
    assert answer.headers["location"] == f"/v1/profiles/{made['id']}" and made["status"] == "connected" and made["accountId"]
    assert made["platform"] == platform and made["name"] and made["mode"] == "live"
    for seen in (answer, dateline.api("GET", f"/v1/profiles/{made['id']}"), dateline.api("GET", "/v1/profiles")):
        for secret in secrets:
            assert secret.encode() not in seen.body
        assert b"credentials" not in seen.body
    assert not any(secret in repr(stored(dateline)) for secret in secrets)
    post = dateline.post(made["id"], text=f"First on {platform}", publishNow=True)
    dateline.stack.settle(timers=False)
    assert dateline.read(post["id"])["status"] == "published"


def test_an_account_whose_token_the_network_refuses_is_not_connected(dateline: Dateline) -> None:
    sent = credentials(dateline, "mastodon", "prof_mastodon")
    with nothing_written(dateline):
        problem = refused(
            dateline.api("POST", "/v1/profiles", {**sent, "credentials": {"accessToken": "stolen"}}),
            "invalid_request",
            "/credentials",
        )
        assert "stolen" not in str(problem)


BAD_PROFILES: dict[str, tuple[dict[str, Any], str]] = {
    "no platform": ({"credentials": {}}, "/platform"),
    "an unknown platform": ({"platform": "myspace"}, "/platform"),
    "no credentials": ({"platform": "mastodon", "server": f"{NETWORKS_URL}/mastodon"}, "/credentials/accessToken"),
    "an unknown credential": ({"platform": "x", "credentials": {"password": "hunter2"}}, "/credentials/password"),
    "a credential that is a number": ({"platform": "x", "credentials": {"accessToken": 7}}, "/credentials/accessToken"),
    "a server where there is only one": ({"platform": "x", "server": "https://x.example.com"}, "/server"),
    "a server that is no URL": ({"platform": "mastodon", "server": "mastodon.social"}, "/server"),
    "an unknown member": ({"platform": "x", "token": "abc"}, "/token"),
    "an empty name": ({"platform": "x", "name": ""}, "/name"),
    "credentials without end": ({"platform": "x", "credentials": {"accessToken": "a" * 5000}}, "/credentials"),
    "settings without end": ({"platform": "x", "settings": {"a": "a" * 5000}}, "/settings"),
}


@pytest.mark.parametrize("name", BAD_PROFILES)
def test_a_profile_that_cannot_be_is_refused(dateline: Dateline, name: str) -> None:
    sent, pointer = BAD_PROFILES[name]
    with nothing_written(dateline):
        problem = refused(dateline.api("POST", "/v1/profiles", sent), "invalid_request", pointer)
    assert "hunter2" not in str(problem)


def test_a_repeated_connection_is_one_profile(dateline: Dateline) -> None:
    sent = credentials(dateline, "mastodon", "prof_repeated")
    first = dateline.api("POST", "/v1/profiles", sent, headers={"idempotency-key": "connect-1"})
    with nothing_written(dateline):
        again = dateline.api("POST", "/v1/profiles", sent, headers={"idempotency-key": "connect-1"})
        refused(
            dateline.api("POST", "/v1/profiles", {**sent, "name": "Other"}, headers={"idempotency-key": "connect-1"}),
            "idempotency_conflict",
        )
    assert (again.status, again.json(), again.headers["idempotency-replayed"]) == (201, first.json(), "true")


def test_an_account_is_renamed_and_its_credentials_renewed(dateline: Dateline) -> None:
    made = connect(dateline, "prof_to_rename")
    path = f"/v1/profiles/{made['id']}"
    assert dateline.api("PATCH", path, {"name": "Our account"}).json()["name"] == "Our account"
    with nothing_written(dateline):
        refused(dateline.api("PATCH", path, {}), "invalid_request", "")
        refused(dateline.api("PATCH", path, {"platform": "x"}), "invalid_request", "/platform")
        refused(dateline.api("PATCH", path, {"credentials": {"accessToken": "wrong"}}), "invalid_request", "/credentials")
        refused(
            dateline.api("PATCH", path, {"settings": {"maxCharacters": "many"}}), "invalid_request", "/settings/maxCharacters"
        )
    renewed = dateline.api("PATCH", path, {"credentials": credentials(dateline, "mastodon", "prof_to_rename")["credentials"]})
    assert (renewed.status, renewed.json()["status"], renewed.json()["name"]) == (200, "connected", "Our account")
    health = dateline.api("GET", f"{path}/health").json()
    assert health == {
        "profileId": made["id"],
        "status": "connected",
        "error": None,
        "tokenExpiresAt": renewed.json()["tokenExpiresAt"],
        "grantExpiresAt": None,
        "scopes": None,
        "missingScopes": None,
    }


def test_an_account_with_pending_posts_is_kept_unless_they_are_to_go_with_it(dateline: Dateline) -> None:
    made = connect(dateline, "prof_with_posts")
    path = f"/v1/profiles/{made['id']}"
    posts = [dateline.post(made["id"], text=f"Pending {n}", at=START + timedelta(days=n + 1)) for n in range(3)]
    dateline.api("DELETE", f"/v1/posts/{posts[2]['id']}")
    with nothing_written(dateline):
        for query in ("", "?cancelPending=false"):
            refused(dateline.api("DELETE", path + query), "illegal_transition", from_="connected", to="deleted", pendingPosts=2)
        refused(dateline.api("DELETE", f"{path}?cancelPending=yes"), "invalid_request", "/cancelPending")
    gone = dateline.api("DELETE", f"{path}?cancelPending=true")
    assert (gone.status, gone.body) == (204, b"")
    assert [dateline.read(post["id"])["status"] for post in posts] == ["cancelled"] * 3
    refused(dateline.api("GET", path), "not_found")
    assert not [entry for entry in dateline.stack.schedules() if any(post["id"] in entry.name for post in posts)]


def remove(dateline: Dateline, profile_id: str, query: str = "?cancelPending=true") -> Answer:
    return dateline.api("DELETE", f"/v1/profiles/{profile_id}{query}")


def test_an_account_without_pending_posts_goes_at_once(dateline: Dateline) -> None:
    made = connect(dateline, "prof_to_go")
    draft = dateline.post(made["id"], "prof_x", text="A draft")
    published = dateline.post(made["id"], text="Out already", publishNow=True)
    dateline.stack.settle(timers=False)
    assert remove(dateline, made["id"], "").status == 204
    seen = dateline.read(draft["id"])
    assert (seen["status"], [target["profileId"] for target in seen["targets"]]) == ("draft", ["prof_x"])
    assert dateline.read(published["id"])["targets"][0]["profileId"] == made["id"], "what was published stays as it was"


def test_a_post_with_other_accounts_loses_only_this_one(dateline: Dateline) -> None:
    made = connect(dateline, "prof_one_of_two")
    at = START + timedelta(days=3)
    both = dateline.post(made["id"], "prof_x", text="On both", at=at)
    alone = dateline.post(made["id"], text="On this alone", at=at)
    refused(remove(dateline, made["id"], ""), "illegal_transition", pendingPosts=2)
    assert remove(dateline, made["id"]).status == 204
    seen = dateline.read(both["id"])
    assert [target["profileId"] for target in seen["targets"]] == ["prof_x"]
    assert (seen["status"], seen["revision"], seen["publishAt"]) == ("scheduled", 2, both["publishAt"])
    assert [entry.name for entry in dateline.stack.schedules() if both["id"] in entry.name]
    assert dateline.read(alone["id"])["status"] == "cancelled"
    dateline.stack.pump_stream()
    kinds = [event["type"] for event in dateline.api("GET", f"/v1/posts/{both['id']}/events").json()["data"]]
    assert kinds == ["post.scheduled", "post.updated"]


def test_a_draft_on_this_account_alone_becomes_one_without_accounts(dateline: Dateline) -> None:
    made = connect(dateline, "prof_of_a_draft")
    draft = dateline.post(made["id"], text="Some day")
    assert remove(dateline, made["id"], "").status == 204
    seen = dateline.read(draft["id"])
    assert (seen["status"], seen["targets"], seen["text"]) == ("draft", [], "Some day")


def test_an_account_that_is_being_published_on_is_waited_for(dateline: Dateline) -> None:
    made = connect(dateline, "prof_in_the_air")
    waiting = dateline.post(made["id"], text="Later", at=START + timedelta(days=2))
    post = dateline.post(made["id"], text="In the air", publishNow=True)
    assert pump_crashing(dateline, 5, "after") is not None
    assert dateline.read(post["id"])["targets"][0]["status"] == "publishing"
    for query in ("", "?cancelPending=true"):
        with nothing_written(dateline):
            problem = refused(remove(dateline, made["id"], query), "illegal_transition", pendingPosts=2)
        assert post["id"] in problem["detail"] and waiting["id"] not in problem["detail"]
    dateline.stack.run_for(timedelta(minutes=10))
    assert dateline.read(post["id"])["status"] == "published"
    assert remove(dateline, made["id"]).status == 204
    assert dateline.read(waiting["id"])["status"] == "cancelled"


def test_targets_that_wait_for_another_try_or_are_held_are_given_up_with_the_account(dateline: Dateline) -> None:
    made = connect(dateline, "prof_to_retry")
    dateline.world.add_fault("mastodon", "rate_limit", retry_after=5000)
    retrying = dateline.post(made["id"], text="Try again", publishNow=True)
    dateline.stack.settle(timers=False)
    dateline.api("PATCH", f"/v1/profiles/{made['id']}", {"paused": True})
    held = dateline.post(made["id"], text="Held", publishNow=True)
    half = dateline.post(made["id"], "prof_x", text="Half of it held", publishNow=True)
    dateline.stack.settle(timers=False)
    refused(remove(dateline, made["id"], ""), "illegal_transition", pendingPosts=3)
    assert remove(dateline, made["id"]).status == 204
    assert dateline.read(held["id"])["status"] == "cancelled"
    assert (dateline.read(retrying["id"])["status"], dateline.read(half["id"])["status"]) == ("failed", "partial")
    assert dateline.read(retrying["id"])["targets"][0]["error"]["code"] == "profile_deleted"
    assert not [entry for entry in dateline.world.seen() if entry.profile_id == "prof_to_retry"]


def test_a_post_that_begins_while_its_account_is_being_removed_stops_the_removal(dateline: Dateline) -> None:
    made = connect(dateline, "prof_in_between")
    post = dateline.post(made["id"], text="Just now", publishNow=True)
    met: list[str] = []

    def hook(service: str, operation: str, phase: Phase) -> None:
        if (service, operation, phase) == ("dynamodb", "TransactWriteItems", "before") and not met:
            met.append(operation)
            target = post_of(dateline, post["id"]).targets[made["id"]]
            change = dateline.deps.posts.change

            def claim(current: Post) -> None:
                lifecycle.claim(current, current.targets[target.profile_id], "worker", dateline.clock.now(), 120)

            Context().run(change, post_of(dateline, post["id"]), claim)

    answers: list[Answer] = []
    interrupted(dateline, hook, lambda: answers.append(remove(dateline, made["id"])))
    assert met
    refused(answers[0], "illegal_transition", pendingPosts=1)
    dateline.stack.run_for(timedelta(minutes=10))
    assert dateline.read(post["id"])["status"] == "published"


def test_a_post_made_while_its_account_is_being_removed_loses_it_too(dateline: Dateline) -> None:
    made = connect(dateline, "prof_raced")
    late: list[str] = []

    def hook(service: str, operation: str, phase: Phase) -> None:
        if (service, operation, phase) == ("dynamodb", "PutItem", "before") and not late:
            late.append("")
            late[0] = Context().run(dateline.post, made["id"], text="Too late", at=START + timedelta(days=1))["id"]

    interrupted(dateline, hook, lambda: remove(dateline, made["id"]))
    assert dateline.read(late[0])["status"] == "cancelled"


def test_more_posts_than_one_page_of_bookings_are_all_given_up(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    made = connect(dateline, "prof_with_many")
    monkeypatch.setattr(disconnecting, "PAGE", 10)
    posts = [dateline.post(made["id"], text=f"Number {n}", at=START + timedelta(days=n + 1))["id"] for n in range(35)]
    refused(remove(dateline, made["id"], ""), "illegal_transition", pendingPosts=35)
    time = iter([True] * 20)
    monkeypatch.setattr("dateline.usecases.holding.within", lambda _deps, _seconds: lambda: next(time, False))
    problem = refused(remove(dateline, made["id"]), "try_again")
    assert problem["detail"].startswith("15 posts")
    monkeypatch.undo()
    assert dateline.api("GET", f"/v1/profiles/{made['id']}").status == 200
    assert remove(dateline, made["id"]).status == 204
    assert {dateline.read(post_id)["status"] for post_id in posts} == {"cancelled"}


# Workspace and catalogue

def test_the_workspace_says_its_settings_plan_and_side(dateline: Dateline) -> None:
    seen = dateline.api("GET", "/v1/workspace").json()
    assert (seen["id"], seen["mode"], seen["name"], seen["timezone"]) == ("wks_local", "live", "Local workspace", None)
    assert seen["settings"] == {"approvalsRequired": False, "minSpacingMinutes": 0, "maxLateness": "P1D", "onLate": "publish"}
    assert seen["plan"] == {"name": "unlimited"} and isinstance(seen["usage"], dict)
    assert dateline.api("GET", "/v1/workspace", key=TEST_KEY).json()["mode"] == "test"


def test_the_catalogue_shows_the_rules_that_posts_are_held_against(dateline: Dateline) -> None:
    listed = {platform["name"]: platform for platform in dateline.api("GET", "/v1/platforms").json()["data"]}
    assert {"mastodon", "bluesky", "x", "telegram", "sandbox"} <= listed.keys()
    for name, platform in listed.items():
        assert dateline.api("GET", f"/v1/platforms/{name}").json() == platform
        assert platform["text"] and platform["options"]["type"] == "object" and platform["exactlyOnce"] and platform["source"]
    assert [(t["limit"], t["rule"]) for t in listed["bluesky"]["text"]] == [
        (300, "bluesky.text.too_long"),
        (3000, "bluesky.text.too_many_bytes"),
    ]
