"""Tokens that lapse, rotate and die: refreshed once, saved always, and a profile is called dead only when it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from dateline.aws.queue import Message
from dateline.platforms import registry
from dateline.platforms.base import Answer, AnswerLost, Failed, NewTokens, NotReady, TokenRefused
from dateline.store.profiles import Profile
from dateline.usecases import tokens
from dateline.usecases.deliver import deliver
from local.stack import Crash, Phase
from tests.harness import Dateline
from tests.integration.scene import check_against_ledger, interrupted, make, post_of, rest, target_of

HOURS = timedelta(hours=3)
ROTATING = ("x", "bluesky")
REFRESH = {"x": "/2/oauth2/token", "bluesky": "/com.atproto.server.refreshSession"}


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def profile_of(dateline: Dateline, network: str) -> Profile:
    profile = dateline.deps.profiles.get(f"prof_{network}")
    assert profile is not None
    return profile


def credentials(dateline: Dateline, network: str) -> dict[str, str]:
    profile = profile_of(dateline, network)
    return dateline.deps.secrets.open(profile.workspace_id, profile.id, profile.secret)


def change_credentials(dateline: Dateline, network: str, **changed: str) -> None:
    profile = profile_of(dateline, network)
    profile.secret = dateline.deps.secrets.seal(profile.workspace_id, profile.id, {**credentials(dateline, network), **changed})
    dateline.deps.profiles.save(profile)


def refreshes(dateline: Dateline, network: str) -> int:
    return sum(platform == network and path.endswith(REFRESH[network]) for platform, _, path in dateline.world.requests)


class Answers:
    """Stands between a publisher and its network: `meddle(request, url)` may answer in the network's place."""

    def __init__(self, dateline: Dateline, meddle: Any) -> None:
        self._request, self._meddle = dateline.http.request, meddle
        dateline.http.request = self  # type: ignore[method-assign,assignment]

    def __call__(self, method: str, url: str, **how: Any) -> Answer:
        answer: Answer = self._meddle(lambda: self._request(method, url, **how), url)
        return answer


@pytest.mark.parametrize("network", ROTATING)
def test_a_token_about_to_lapse_is_refreshed_before_the_call_and_both_new_ones_are_kept(dateline: Dateline, network: str) -> None:
    old = credentials(dateline, network)
    profile = profile_of(dateline, network)
    profile.token_expires_at = dateline.clock.now() + timedelta(seconds=tokens.EXPIRES_SOON - 1)
    dateline.deps.profiles.save(profile)
    post_id, texts = make(dateline, network, "text")
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).tries == 1
    new = credentials(dateline, network)
    assert refreshes(dateline, network) == 1 and set(new) >= set(old)
    assert {name for name in new if new[name] != old.get(name)} == (
        {"accessToken", "refreshToken"} if network == "x" else {"accessJwt", "refreshJwt"}
    )
    expires = profile_of(dateline, network).token_expires_at
    assert expires is not None and expires > dateline.clock.now() + timedelta(hours=1)


@pytest.mark.parametrize("network", ROTATING)
def test_a_token_refused_in_the_call_is_refreshed_and_the_post_goes_out_at_once(dateline: Dateline, network: str) -> None:
    dateline.world.add_fault(network, "expired_token")
    post_id, texts = make(dateline, network, "text")
    dateline.stack.settle(timers=False)
    assert check_against_ledger(dateline, post_id, texts).status == "published"
    assert refreshes(dateline, network) == 1 and profile_of(dateline, network).status == "connected"


@pytest.mark.parametrize("network", ROTATING)
def test_tokens_rotate_for_days_and_the_account_stays_connected(dateline: Dateline, network: str) -> None:
    for _ in range(4):
        dateline.clock.advance(HOURS)
        post_id, texts = make(dateline, network, "text")
        rest(dateline, post_id)
        assert check_against_ledger(dateline, post_id, texts).status == "published"
    assert refreshes(dateline, network) == 4


@pytest.mark.parametrize("network", ROTATING)
def test_two_workers_at_once_refresh_only_once(dateline: Dateline, network: str) -> None:
    """The second one works inside the first one's refresh, and waits instead of spending the token a second time."""
    dateline.clock.advance(HOURS)
    posts = [make(dateline, network, "text") for _ in range(2)]
    dateline.stack.queue("deliveries")._messages.clear()
    said: list[str] = []

    def run(post_id: str) -> str:
        return deliver(dateline.deps, Message(post_id, f"prof_{network}", post_of(dateline, post_id).revision), lambda: 90.0)

    def meddle(request: Any, url: str) -> Answer:
        if url.endswith(REFRESH[network]) and not said:
            said.append("")
            said[0] = run(posts[1][0])
        return request()  # type: ignore[no-any-return]

    Answers(dateline, meddle)
    said.append(run(posts[0][0]))
    assert said == ["goes on later", "published"]
    rest(dateline, posts[1][0], timedelta(minutes=1))
    for post_id, texts in posts:
        assert check_against_ledger(dateline, post_id, texts).tries == 1
    assert refreshes(dateline, network) == 1


def test_a_worker_that_read_the_old_tokens_uses_the_new_ones(dateline: Dateline) -> None:
    stale = profile_of(dateline, "x")
    publisher = registry.publisher("x")
    dateline.clock.advance(HOURS)
    fresh = tokens.fresh_credentials(dateline.deps, profile_of(dateline, "x"), publisher)
    assert tokens.fresh_credentials(dateline.deps, stale, publisher) == fresh
    assert refreshes(dateline, "x") == 1


def test_a_partial_answer_keeps_the_old_refresh_token(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    old = credentials(dateline, "x")
    monkeypatch.setattr(
        type(registry.publisher("x")), "refresh", lambda self, account, http: NewTokens({"accessToken": "new"}, 7200)
    )
    dateline.clock.advance(HOURS)
    got = tokens.fresh_credentials(dateline.deps, profile_of(dateline, "x"), registry.publisher("x"))
    assert got == credentials(dateline, "x") == {**old, "accessToken": "new"}


@pytest.mark.parametrize("network", ROTATING)
@pytest.mark.parametrize("hiccup", ["unsent", "unavailable", "rate limited"])
def test_a_refresh_that_fails_in_passing_disconnects_nobody(dateline: Dateline, network: str, hiccup: str) -> None:
    """Nor does it keep the lock: the next try comes half a minute later and must not find the door shut."""
    dateline.clock.advance(HOURS)
    left = [3]

    def meddle(request: Any, url: str) -> Answer:
        if url.endswith(REFRESH[network]) and left[0]:
            left[0] -= 1
            if hiccup == "unsent":
                raise AnswerLost("The connection broke.")
            return Answer(503 if hiccup == "unavailable" else 429, {}, b"{}")
        return request()  # type: ignore[no-any-return]

    Answers(dateline, meddle)
    post_id, texts = make(dateline, network, "text")
    rest(dateline, post_id)
    target = check_against_ledger(dateline, post_id, texts)
    assert (target.status, target.tries) == ("published", 4)
    assert all(attempt.ended_at == attempt.started_at for attempt in target.attempts), "none had to wait for the lock"
    assert profile_of(dateline, network).status == "connected"


def test_a_worker_that_dies_while_refreshing_holds_others_up_for_a_minute_and_fails_none(dateline: Dateline) -> None:
    """Bluesky keeps a used refresh token good for a while, so that nothing is lost with the worker."""
    dateline.clock.advance(HOURS)

    def deadly(service: str, operation: str, phase: Phase) -> None:
        if operation.endswith(REFRESH["bluesky"]) and phase == "after":
            raise Crash

    first, first_texts = make(dateline, "bluesky", "text")
    interrupted(dateline, deadly, lambda: dateline.stack.pump_queue("deliveries", most=1))
    second, second_texts = make(dateline, "bluesky", "text")
    rest(dateline, second, timedelta(seconds=tokens.REFRESH_LOCK + 2 * tokens.REFRESH_WAIT))
    rest(dateline, first)
    for post_id, texts in ((first, first_texts), (second, second_texts)):
        target = check_against_ledger(dateline, post_id, texts)
        assert (target.status, target.retries) == ("published", 0)


def test_refreshed_tokens_are_saved_though_the_store_stumbles(dateline: Dateline) -> None:
    dateline.clock.advance(HOURS)
    stumbles = [0]

    def stumble(service: str, operation: str, phase: Phase) -> None:
        if phase == "before" and operation in ("PutItem", "Encrypt") and stumbles[0] < 3:
            stumbles[0] += 1
            raise EndpointConnectionError(endpoint_url=service)

    post_id, texts = make(dateline, "x", "text")
    interrupted(dateline, stumble, lambda: rest(dateline, post_id))
    assert check_against_ledger(dateline, post_id, texts).status == "published" and stumbles == [3]
    dateline.clock.advance(HOURS)
    post_id, texts = make(dateline, "x", "text")
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


@pytest.mark.parametrize("lapsed", [False, True])
@pytest.mark.parametrize(("network", "spoilt"), [
    ("x", {"accessToken": "dead", "refreshToken": "dead"}),
    ("bluesky", {"accessJwt": "dead", "refreshJwt": "dead", "appPassword": "dead"}),
    ("mastodon", {"accessToken": "dead"}),
    ("telegram", {"botToken": "1:dead"}),
])
def test_a_dead_grant_disconnects_the_profile_and_holds_its_posts_until_it_is_connected_again(
    dateline: Dateline, network: str, spoilt: dict[str, str], lapsed: bool
) -> None:
    good = credentials(dateline, network)
    change_credentials(dateline, network, **spoilt)
    if lapsed:
        dateline.clock.advance(HOURS)
    post_id, texts = make(dateline, network, "text")
    rest(dateline, post_id, timedelta(minutes=1))
    target = check_against_ledger(dateline, post_id, texts)
    assert (target.status, (target.error or {})["code"]) == ("held", "profile_disconnected")
    profile = profile_of(dateline, network)
    assert profile.status == "disconnected" and profile.error is not None

    # The next post is not even tried, and says so when it is made.
    before = len(dateline.world.requests)
    later_id, later = make(dateline, network, "text")
    rest(dateline, later_id, timedelta(minutes=1))
    assert (target_of(dateline, later_id).error or {})["code"] == "profile_disconnected"
    assert len(dateline.world.requests) == before
    draft = dateline.post(f"prof_{network}", at=dateline.clock.now() + timedelta(days=1))
    assert [warning["code"] for warning in draft["warnings"]] == ["profile_disconnected"]

    # Tokens lapsed meanwhile are asked for anew, as a person who connects again does.
    fresh = dateline.world.networks[network].credentials_for(f"prof_{network}")["credentials"]
    answer = dateline.api("PATCH", f"/v1/profiles/prof_{network}", {"credentials": {**good, **fresh}})
    assert answer.status == 200 and answer.json()["status"] == "connected"
    for held_id, said in ((post_id, texts), (later_id, later)):
        rest(dateline, held_id, timedelta(minutes=1))
        assert check_against_ledger(dateline, held_id, said).status == "published"


@pytest.mark.parametrize("network", ["mastodon", "telegram"])
def test_a_passing_refusal_of_a_good_token_is_no_death(dateline: Dateline, network: str) -> None:
    dateline.world.add_fault(network, "expired_token")
    post_id, texts = make(dateline, network, "text")
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"
    assert profile_of(dateline, network).status == "connected"


def test_tokens_given_by_a_person_during_a_refresh_win(dateline: Dateline) -> None:
    dateline.clock.advance(HOURS)
    given: list[bytes | None] = []

    def meddle(request: Any, url: str) -> Answer:
        answer: Answer = request()
        if url.endswith(REFRESH["x"]) and not given:
            change_credentials(dateline, "x", accessToken="by hand")
            given.append(profile_of(dateline, "x").secret)
        return answer

    Answers(dateline, meddle)
    post_id, texts = make(dateline, "x", "text")
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"
    assert profile_of(dateline, "x").secret == given[0]


def test_a_dead_token_does_not_disconnect_a_profile_that_was_connected_again_meanwhile(dateline: Dateline) -> None:
    good = credentials(dateline, "mastodon")
    change_credentials(dateline, "mastodon", accessToken="dead")
    renewed: list[bool] = []

    def meddle(request: Any, url: str) -> Answer:
        answer: Answer = request()
        if "verify_credentials" in url and not renewed:
            renewed.append(True)
            change_credentials(dateline, "mastodon", **good)
        return answer

    Answers(dateline, meddle)
    post_id, _ = make(dateline, "mastodon", "text")
    rest(dateline, post_id)
    assert renewed and profile_of(dateline, "mastodon").status == "connected"


def test_a_write_during_a_refresh_neither_ends_its_lock_nor_loses_its_tokens(dateline: Dateline) -> None:
    """A person pauses and renames the profile while its tokens are being refreshed; a second worker comes as well."""
    dateline.clock.advance(HOURS)
    said: list[str] = []

    def meddle(request: Any, url: str) -> Answer:
        if url.endswith(REFRESH["x"]) and not said:
            for body in ({"paused": True}, {"name": "Renamed"}, {"paused": False}):
                assert dateline.api("PATCH", "/v1/profiles/prof_x", body).status == 200
            said.append("")
            with pytest.raises(NotReady):
                tokens.fresh_credentials(dateline.deps, profile_of(dateline, "x"), registry.publisher("x"))
        answer: Answer = request()
        return answer

    Answers(dateline, meddle)
    fresh = tokens.fresh_credentials(dateline.deps, profile_of(dateline, "x"), registry.publisher("x"))
    assert said and refreshes(dateline, "x") == 1 and credentials(dateline, "x") == fresh
    profile = profile_of(dateline, "x")
    assert profile.name == "Renamed" and profile.lock is None


@pytest.mark.parametrize(("good", "ends"), [(False, "held"), (True, "published")])
def test_a_network_that_will_not_renew_yet_is_asked_whether_the_token_is_good(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch, good: bool, ends: str
) -> None:
    """Threads renews no token younger than a day: that alone neither disconnects the profile nor fails its post."""
    def too_young(self: object, account: object, http: object) -> NewTokens:
        raise Failed("rejected", "The token is too young to be renewed.")

    def dead(self: object, account: object, http: object) -> Any:
        raise TokenRefused("token_refused", "The token is dead.")

    kind = type(registry.publisher("threads"))
    monkeypatch.setattr(kind, "refresh", too_young)
    if not good:
        monkeypatch.setattr(kind, "verify", dead)
    publish, met = kind.publish, list[bool]()

    def refuses(self: Any, delivery: Any, segment: int) -> Any:
        if not good or not met:
            met.append(True)
            raise TokenRefused("token_refused", "Threads refused the token.")
        return publish(self, delivery, segment)

    monkeypatch.setattr(kind, "publish", refuses)
    post_id, _ = make(dateline, "threads", "text")
    assert rest(dateline, post_id).status == ends
    assert profile_of(dateline, "threads").status == ("connected" if good else "disconnected")
