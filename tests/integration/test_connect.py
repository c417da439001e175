"""Connecting an account by a person's consent, from the address they are sent to, to the profile that comes of it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline import admin, wiring
from dateline.domain.profile import disconnect
from dateline.platforms.base import Account, Http, NewTokens, NotReady
from dateline.platforms.connect import OAuth2
from dateline.usecases import tokens
from local.networks.base import Route, answer
from local.seed import TEST_KEY
from local.stack import Answer, Crash, Phase
from tests import consenting
from tests.api_checks import nothing_written, refused, stored
from tests.consenting import FLOW, GRANT_LIFE, LIFE, Consenting, go, joined, query_of
from tests.harness import NETWORKS_URL, START, Dateline
from tests.integration.scene import interrupted

PAGES = [{"id": "page-1", "name": "Bakery", "token": "page-token-1"}, {"id": "page-2", "name": "Café", "token": "page-token-2"}]


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


@pytest.fixture
def network(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> Consenting:
    return joined(dateline, monkeypatch)


def begin(dateline: Dateline, **body: Any) -> dict[str, Any]:
    answer = dateline.api("POST", "/v1/connect/consenting", body)
    assert answer.status == 201, answer.body
    begun: dict[str, Any] = answer.json()
    return begun


def come_back(dateline: Dateline, begun: dict[str, Any], who: str = "ann") -> Answer:
    """The person `who` says yes and is sent back; what their browser is answered."""
    return dateline.api("GET", go(dateline, f"{begun['authorizeUrl']}&as={who}"), key=None)


def read(dateline: Dateline, begun: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = dateline.api("GET", f"/v1/connections/{begun['connectionId']}").json()
    return found


def connected(dateline: Dateline, who: str = "ann", **body: Any) -> dict[str, Any]:
    """A profile that came of a consent, as the API shows it."""
    begun = begin(dateline, **body)
    answer = come_back(dateline, begun, who)
    assert answer.status == 200, answer.body
    profile: dict[str, Any] = read(dateline, begun)["profiles"][0]
    return profile


def held(dateline: Dateline, profile_id: str) -> dict[str, str]:
    """A profile's credentials as they are stored."""
    profile = dateline.deps.profiles.get(profile_id)
    assert profile is not None
    return dateline.deps.secrets.open(profile.workspace_id, profile.id, profile.secret)


def profiles_of(dateline: Dateline) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = dateline.api("GET", "/v1/profiles?platform=consenting").json()["data"]
    return listed


def test_a_consent_makes_a_profile_with_the_lives_of_its_tokens(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline)
    assert begun["status"] == "waiting" and begun["expiresAt"] == "2027-06-15T09:10:00Z" and begun["profiles"] == []
    answer = come_back(dateline, begun)
    told = answer.json()
    assert (answer.status, told["status"], told["choices"]) == (
        200, "connected", [{"accountId": "acct-ann", "name": "@ann", "kind": "account"}]
    )
    profile = read(dateline, begun)["profiles"][0]
    assert (profile["accountId"], profile["name"], profile["mode"]) == ("acct-ann", "@ann", "live")
    assert profile["status"] == "connected"
    assert profile["settings"] == {"maxCharacters": 500, "scopes": ["read", "write"]}
    assert profile["tokenExpiresAt"] == (START + LIFE).isoformat().replace("+00:00", "Z")
    assert profile["grantExpiresAt"] == (START + timedelta(seconds=GRANT_LIFE)).isoformat().replace("+00:00", "Z")
    assert set(held(dateline, profile["id"])) == {"accessToken", "refreshToken"}, "the app's own are not copied into profiles"
    dateline.stack.pump_stream()
    kinds = [event["type"] for event in dateline.api("GET", "/v1/events?after=0").json()["data"] if profile["id"] in event["id"]]
    assert kinds == ["profile.connected"]


def test_the_address_asks_for_a_code_with_pkce_and_what_the_network_wants(dateline: Dateline, network: Consenting) -> None:
    begun = begin(dateline)
    asked = query_of(begun["authorizeUrl"])
    assert begun["authorizeUrl"].startswith(f"{NETWORKS_URL}/consenting/auth.consenting.example/authorize?")
    assert asked["response_type"] == "code" and asked["client_id"] == "consenting-client" and asked["scope"] == "read write"
    assert asked["redirect_uri"] == "http://127.0.0.1:8787/v1/connect/callback" and asked["prompt"] == "consent"
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert len(asked["state"].partition(".")[2]) >= 43, "256 random bits"
    assert query_of(begin(dateline)["authorizeUrl"])["state"] != asked["state"]


@pytest.mark.parametrize(
    ("flow", "name", "auth"),
    [
        (FLOW._replace(client_auth="basic"), "client_id", "basic"),
        (FLOW._replace(client_id_name="client_key"), "client_key", "body"),
        (FLOW._replace(pkce=False), "client_id", "body"), (FLOW._replace(scope_separator=","), "client_id", "body"),
    ],
    ids=["basic", "client_key", "without pkce", "commas"],
)
def test_each_network_is_spoken_to_in_its_own_way(
    dateline: Dateline, network: Consenting, monkeypatch: pytest.MonkeyPatch, flow: OAuth2, name: str, auth: str
) -> None:
    monkeypatch.setattr(consenting.PUBLISHER, "connect", flow)
    network.client_id_name, network.client_auth = name, auth
    network.scope = flow.scope_separator.join(flow.scopes)
    begun = begin(dateline)
    asked = query_of(begun["authorizeUrl"])
    assert asked[name] == "consenting-client" and ("code_challenge" in asked) == flow.pkce
    assert asked["scope"] == network.scope
    assert come_back(dateline, begun).status == 200
    assert read(dateline, begun)["profiles"][0]["settings"]["scopes"] == ["read", "write"]
    assert ("code_verifier" in network.token_requests[0]) == flow.pkce
    assert ("client_secret" in network.token_requests[0]) == (auth == "body")


def test_of_several_accounts_those_that_are_chosen_become_profiles_with_their_own_tokens(
    dateline: Dateline, network: Consenting
) -> None:
    network.pages = PAGES
    begun = begin(dateline)
    told = come_back(dateline, begun).json()
    assert [choice["accountId"] for choice in told["choices"]] == ["acct-ann", "page-1", "page-2"]
    assert told["status"] == "choosing"
    assert profiles_of(dateline) == []
    path = f"/v1/connections/{begun['connectionId']}"
    with nothing_written(dateline):
        refused(dateline.api("POST", path, {"accountIds": ["page-1", "page-9"]}), "invalid_request", "/accountIds/1")
        refused(dateline.api("POST", path, {"accountIds": []}), "invalid_request", "/accountIds")
    dateline.clock.advance(1800)
    answer = dateline.api("POST", path, {"accountIds": ["acct-ann", "page-2"]}, headers={"idempotency-key": "choose"})
    ann, page = answer.json()["profiles"]
    assert (answer.status, answer.json()["status"]) == (200, "connected")
    assert (ann["name"], page["name"]) == ("@ann", "Café")
    assert ann["tokenExpiresAt"] == "2027-06-15T11:00:00Z", "counted from the exchange, not from the choice"
    assert page["tokenExpiresAt"] is None, "a page's token never lapses"
    assert held(dateline, page["id"])["accessToken"] == "page-token-2"
    assert held(dateline, ann["id"])["accessToken"].startswith("consenting-access-")
    refused(dateline.api("POST", path, {"accountIds": ["page-1"]}), "illegal_transition")
    again = dateline.api("POST", path, {"accountIds": ["acct-ann", "page-2"]}, headers={"idempotency-key": "choose"})
    assert again.headers["idempotency-replayed"] == "true" and again.json() == answer.json()
    assert "page-token" not in repr(stored(dateline))


def test_accounts_that_nobody_chooses_lapse_after_an_hour(dateline: Dateline, network: Consenting) -> None:
    network.pages = PAGES
    begun = begin(dateline)
    come_back(dateline, begun)
    assert read(dateline, begun)["expiresAt"] == "2027-06-15T10:00:00Z"
    dateline.clock.advance(3601)
    assert read(dateline, begun)["status"] == "expired"
    problem = dateline.api("POST", f"/v1/connections/{begun['connectionId']}", {"accountIds": ["page-1"]})
    assert "POST /v1/connect/consenting" in refused(problem, "illegal_transition")["detail"]


@pytest.mark.parametrize("phase", ["before", "after"])
def test_wherever_a_choice_breaks_off_it_can_be_sent_again_and_no_account_has_two_profiles(
    dateline: Dateline, network: Consenting, phase: Phase
) -> None:
    network.pages = PAGES
    for number in range(1, 40):
        network.pages = [{**page, "id": f"{page['id']}-{number}"} for page in PAGES]
        network.only_pages = True
        begun = begin(dateline)
        come_back(dateline, begun)
        wanted = [page["id"] for page in network.pages]
        seen: list[str] = []

        def die(service: str, operation: str, when: Phase, at: int = number, calls: list[str] = seen) -> None:
            if when == phase:
                calls.append(operation)
                if len(calls) == at:
                    raise Crash

        def choose(begun: dict[str, Any] = begun, wanted: list[str] = wanted) -> Answer:
            return dateline.api("POST", f"/v1/connections/{begun['connectionId']}", {"accountIds": wanted})

        interrupted(dateline, die, choose)
        answer = choose()
        assert answer.status == 200 or answer.json()["code"] == "illegal_transition", answer.body
        found = [profile for profile in profiles_of(dateline) if profile["accountId"].endswith(f"-{number}")]
        assert sorted(profile["accountId"] for profile in found) == wanted, seen
        if len(seen) < number:
            break
    else:
        pytest.fail("it never ran through")
    assert number > 6


# Connecting again

def test_a_profile_is_connected_again_by_its_own_account_only(dateline: Dateline, network: Consenting) -> None:
    profile = connected(dateline, "ann", name="Our account")
    dead(dateline, profile["id"])
    begun = begin(dateline, profileId=profile["id"])
    answer = come_back(dateline, begun, "bob")
    problem = refused(answer, "invalid_request", "/code")
    assert "another account" in problem["detail"] and problem["errors"][0]["code"] == "wrong_account"
    assert read(dateline, begun)["status"] == "failed"
    assert dateline.api("GET", f"/v1/profiles/{profile['id']}").json()["status"] == "disconnected"
    begun = begin(dateline, profileId=profile["id"])
    assert come_back(dateline, begun, "ann").status == 200
    again = read(dateline, begun)["profiles"][0]
    assert (again["id"], again["status"], again["name"], again["error"]) == (profile["id"], "connected", "Our account", None)
    assert len(profiles_of(dateline)) == 1


def dead(dateline: Dateline, profile_id: str) -> None:
    """What deliver does when the token is confirmed dead."""
    now = dateline.clock.now()
    dateline.deps.profiles.change(profile_id, lambda it: disconnect(it, "token_dead", "It is dead.", now))


def test_an_account_that_is_connected_already_is_renewed_and_not_doubled(dateline: Dateline, network: Consenting) -> None:
    first = connected(dateline, "ann")
    before = held(dateline, first["id"])
    second = connected(dateline, "ann")
    assert second["id"] == first["id"] and len(profiles_of(dateline)) == 1
    assert held(dateline, first["id"])["accessToken"] != before["accessToken"]
    assert connected(dateline, "bob")["id"] != first["id"]


def test_of_a_profile_with_many_pages_its_own_is_renewed_without_a_choice(dateline: Dateline, network: Consenting) -> None:
    network.pages, network.only_pages = PAGES[:1], True
    page = connected(dateline)
    network.pages, network.only_pages = [{**PAGES[1]}, {**PAGES[0], "token": "page-token-new"}], False
    begun = begin(dateline, profileId=page["id"])
    assert come_back(dateline, begun).json()["status"] == "connected"
    assert held(dateline, page["id"])["accessToken"] == "page-token-new"


def test_a_refresh_token_that_is_not_given_again_stays(dateline: Dateline, network: Consenting) -> None:
    first = connected(dateline, "ann")
    kept = held(dateline, first["id"])["refreshToken"]
    network.silent_refresh = True
    again = connected(dateline, "ann")
    now = held(dateline, first["id"])
    assert now["refreshToken"] == kept and now["accessToken"].startswith("consenting-access-")
    assert again["grantExpiresAt"] == first["grantExpiresAt"], "what is not said again has not changed"


def test_a_profile_that_is_no_profile_of_the_network_is_not_connected_again(dateline: Dateline, network: Consenting) -> None:
    with nothing_written(dateline):
        for profile_id, code in (("prof_mastodon", "invalid_request"), ("prof_nobody", "not_found")):
            answer = dateline.api("POST", "/v1/connect/consenting", {"profileId": profile_id})
            refused(answer, code, "/profileId")


# The app

def test_without_an_app_the_operator_is_told_what_to_put_where(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    joined(dateline, monkeypatch, app=False)
    with nothing_written(dateline):
        problem = refused(dateline.api("POST", "/v1/connect/consenting", {}), "illegal_transition")
    for said in ("dateline.admin set-app consenting", "dateline/apps/consenting", "clientSecret", "/v1/connect/callback"):
        assert said in problem["detail"]


@pytest.mark.parametrize("source", ["json", "lines", "environment"])
def test_the_operator_stores_an_app_without_its_secret_on_the_command_line(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    network = joined(dateline, monkeypatch, app=False)
    client_id, secret = network.client
    text = json.dumps({"clientId": client_id, "clientSecret": secret}) if source == "json" else f"{client_id}\n{secret}\n"
    if source == "environment":
        monkeypatch.setenv("APP_CLIENT_ID", client_id)
        monkeypatch.setenv("APP_CLIENT_SECRET", secret)
        text = ""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert admin.main(["set-app", "consenting"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out) == {
        "platform": "consenting", "secret": "dateline/apps/consenting", "fields": ["clientId", "clientSecret"]
    }
    assert secret not in out.out + out.err
    assert connected(dateline)["status"] == "connected"


def test_an_app_that_the_network_gives_less_asks_for_less(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    network = joined(dateline, monkeypatch, app=False)
    pair = dict(zip(("clientId", "clientSecret"), network.client, strict=True))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({**pair, "scopes": "read"})))
    assert admin.main(["set-app", "consenting"]) == 0
    network.scope = "read"
    headers = {"idempotency-key": "less"}
    for begun in (dateline.api("POST", "/v1/connect/consenting", {}, headers=headers).json() for _ in range(2)):
        assert query_of(begun["authorizeUrl"])["scope"] == "read"
    come_back(dateline, begun)
    profile = read(dateline, begun)["profiles"][0]
    assert dateline.api("GET", f"/v1/profiles/{profile['id']}/health").json()["missingScopes"] == ["write"]
    assert dateline.deps.apps.with_app("consenting", {}) == pair


def test_set_app_refuses_what_is_no_app(
    dateline: Dateline, network: Consenting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for platform, text, said in (
        ("telegram", "{}", "consenting"), ("consenting", "{}", "clientId"), ("consenting", "{not json", "JSON"),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert admin.main(["set-app", platform]) == 1
        assert said in capsys.readouterr().err


def test_tokens_are_renewed_with_the_operators_app_which_no_profile_keeps(dateline: Dateline, network: Consenting) -> None:
    made = connected(dateline)
    dateline.clock.advance(int(LIFE.total_seconds()))
    profile = dateline.deps.profiles.get(made["id"])
    assert profile is not None
    renewed = tokens.fresh_credentials(dateline.deps, profile, consenting.PUBLISHER)
    assert network.grants.owner(renewed["accessToken"]) == "ann"
    assert network.token_requests[-1]["client_secret"] == "consenting-client-secret"
    assert "clientSecret" not in held(dateline, made["id"]) and "clientId" not in held(dateline, made["id"])


def test_accounts_that_share_a_rotating_grant_renew_it_once_for_all_of_them(dateline: Dateline, network: Consenting) -> None:
    network.grants.rotates, network.only_pages = True, True
    network.pages = [{"id": f"b-{n}", "name": f"Board {n}"} for n in (1, 2, 3)]
    begun = begin(dateline)
    come_back(dateline, begun)
    chosen = dateline.api("POST", f"/v1/connections/{begun['connectionId']}", {"accountIds": ["b-1", "b-2", "b-3"]}).json()
    ids = [profile["id"] for profile in chosen["profiles"]]

    def renew(profile_id: str) -> dict[str, str]:
        profile = dateline.deps.profiles.get(profile_id)
        assert profile is not None
        return tokens.fresh_credentials(dateline.deps, profile, consenting.PUBLISHER)

    for order in (ids, ids[::-1], [ids[1], ids[2], ids[0]]):
        dateline.clock.advance(int(LIFE.total_seconds()))
        asked = len(network.token_requests)
        first = renew(order[0])
        dateline.clock.advance(600)
        for profile_id in order[1:]:
            assert renew(profile_id)["accessToken"] == first["accessToken"]
            stored_now = dateline.deps.profiles.get(profile_id)
            assert stored_now is not None and stored_now.token_expires_at is not None
            assert stored_now.token_expires_at - dateline.clock.now() == LIFE - timedelta(seconds=600)
        assert len(network.token_requests) == asked + 1, "one renewal for all"
        assert network.grants.owner(first["accessToken"]) == "ann"
    leaving = begin(dateline, profileId=ids[0])
    come_back(dateline, leaving)
    assert "grantId" not in held(dateline, ids[0])
    dateline.clock.advance(int(LIFE.total_seconds()))
    assert renew(ids[0])["accessToken"] != renew(ids[1])["accessToken"] == renew(ids[2])["accessToken"]


def test_a_profile_that_is_given_tokens_of_its_own_leaves_the_grant(dateline: Dateline, network: Consenting) -> None:
    network.grants.rotates, network.only_pages = True, True
    network.pages = [{"id": f"b-{n}", "name": f"Board {n}"} for n in (1, 2)]
    begun = begin(dateline)
    come_back(dateline, begun)
    chosen = dateline.api("POST", f"/v1/connections/{begun['connectionId']}", {"accountIds": ["b-1", "b-2"]}).json()
    one, two = (profile["id"] for profile in chosen["profiles"])
    brought = network.credentials_for("carl")["credentials"]
    assert dateline.api("PATCH", f"/v1/profiles/{one}", {"credentials": {}}).status == 200
    assert "grantId" in held(dateline, one)
    assert dateline.api("PATCH", f"/v1/profiles/{one}", {"credentials": brought}).status == 200
    assert "grantId" not in held(dateline, one)
    dateline.clock.advance(int(LIFE.total_seconds()))
    for profile_id, owner in ((one, "carl"), (two, "ann")):
        profile = dateline.deps.profiles.get(profile_id)
        assert profile is not None
        fresh = tokens.refresh(dateline.deps, profile, consenting.PUBLISHER, held(dateline, profile_id))
        assert fresh is not None and network.grants.owner(fresh["accessToken"]) == owner


def test_accounts_that_share_a_grant_never_renew_it_at_the_same_time(dateline: Dateline, network: Consenting) -> None:
    network.grants.rotates, network.only_pages = True, True
    network.pages = [{"id": f"b-{n}", "name": f"Board {n}"} for n in (1, 2)]
    begun = begin(dateline)
    come_back(dateline, begun)
    chosen = dateline.api("POST", f"/v1/connections/{begun['connectionId']}", {"accountIds": ["b-1", "b-2"]}).json()
    one, two = (dateline.deps.profiles.get(profile["id"]) for profile in chosen["profiles"])
    assert one is not None and two is not None
    busy: list[str] = []
    refresh = consenting.PUBLISHER.refresh

    def slow(account: Account, http: Http) -> NewTokens | None:
        other = dateline.deps.profiles.get(two.id if account.profile_id == one.id else one.id)
        assert other is not None
        with pytest.raises(NotReady) as raised:
            tokens.refresh(dateline.deps, other, consenting.PUBLISHER, held(dateline, other.id))
        busy.append(raised.value.code)
        return refresh(account, http)

    for profile in (one, two):
        dateline.clock.advance(int(LIFE.total_seconds()))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(consenting.PUBLISHER, "refresh", slow)
            fresh = dateline.deps.profiles.get(profile.id)
            assert fresh is not None
            tokens.fresh_credentials(dateline.deps, fresh, consenting.PUBLISHER)
    assert busy == ["refresh_in_progress"] * 2


def test_a_client_may_bring_an_app_of_its_own_which_its_profile_keeps(dateline: Dateline, network: Consenting) -> None:
    network.clients.append(("own-client", "own-secret"))
    begun = begin(dateline, clientId="own-client", clientSecret="own-secret")
    assert query_of(begun["authorizeUrl"])["client_id"] == "own-client"
    assert come_back(dateline, begun).status == 200
    profile_id = read(dateline, begun)["profiles"][0]["id"]
    assert held(dateline, profile_id)["clientSecret"] == "own-secret"
    whole = dateline.deps.apps.with_app("consenting", {"clientId": "own-client", "accessToken": "a"})
    assert whole == {"clientId": "own-client", "accessToken": "a"}, "never one app's id with another's secret"
    connected(dateline)
    assert "clientId" not in held(dateline, profile_id) and held(dateline, profile_id)["refreshToken"], "of the new app's now"


# By credentials

def test_with_credentials_an_account_is_connected_right_away(dateline: Dateline, network: Consenting) -> None:
    offered = network.credentials_for("carl")["credentials"]
    answer = dateline.api("POST", "/v1/connect/consenting", {"credentials": offered, "name": "Carl"})
    made = answer.json()["profiles"][0]
    assert (answer.status, answer.json()["status"], answer.json()["connectionId"]) == (201, "connected", None)
    assert answer.headers["location"] == f"/v1/profiles/{made['id']}" and made["name"] == "Carl"
    assert offered["accessToken"].encode() not in answer.body
    other = network.credentials_for("dora")["credentials"]
    with nothing_written(dateline):
        wrong = dateline.api("POST", "/v1/connect/consenting", {"credentials": other, "profileId": made["id"]})
        assert "another account" in refused(wrong, "invalid_request", "/credentials")["detail"]
    again = dateline.api(
        "POST", "/v1/connect/consenting", {"credentials": {"accessToken": offered["accessToken"]}, "profileId": made["id"]}
    )
    assert again.status == 201 and again.json()["profiles"][0]["id"] == made["id"]
    assert held(dateline, made["id"])["refreshToken"] == offered["refreshToken"]


def test_a_network_without_consent_names_the_credentials_it_needs(dateline: Dateline) -> None:
    with nothing_written(dateline):
        problem = refused(dateline.api("POST", "/v1/connect/telegram", {}), "invalid_request", "/credentials")
    assert "botToken" in problem["detail"] and "chatId" in problem["detail"]
    offered = dateline.world.networks["telegram"].credentials_for("prof_new_telegram")["credentials"]
    answer = dateline.api("POST", "/v1/connect/telegram", {"credentials": offered})
    assert answer.status == 201 and answer.json()["profiles"][0]["platform"] == "telegram"


def test_a_test_key_asks_nobody_for_consent(dateline: Dateline, network: Consenting) -> None:
    calls = len(dateline.http.sent)
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/connect/consenting", {}, key=TEST_KEY), "invalid_request", "/credentials")
    made = dateline.api("POST", "/v1/connect/consenting", {"credentials": {"accessToken": "any"}}, key=TEST_KEY).json()
    sandbox = dateline.api("POST", "/v1/connect/sandbox", {}, key=TEST_KEY).json()
    assert made["profiles"][0]["mode"] == sandbox["profiles"][0]["mode"] == "test" and len(dateline.http.sent) == calls
    refused(dateline.api("POST", "/v1/connect/sandbox", {}), "invalid_request", "/platform")


def test_repeating_the_request_goes_on_with_the_same_consent(dateline: Dateline, network: Consenting) -> None:
    headers = {"idempotency-key": "connect-once"}
    first = dateline.api("POST", "/v1/connect/consenting", {}, headers=headers)
    with nothing_written(dateline):
        again = dateline.api("POST", "/v1/connect/consenting", {}, headers=headers)
    assert again.json() == first.json() and again.headers["idempotency-replayed"] == "true"
    come_back(dateline, first.json())
    assert dateline.api("POST", "/v1/connect/consenting", {}, headers=headers).json()["authorizeUrl"] is None


def test_health_shows_the_grants_end_and_what_was_not_granted(dateline: Dateline, network: Consenting) -> None:
    network.scope = "read"
    profile = connected(dateline)
    health = dateline.api("GET", f"/v1/profiles/{profile['id']}/health").json()
    assert health["scopes"] == ["read"] and health["missingScopes"] == ["write"]
    assert health["grantExpiresAt"] == profile["grantExpiresAt"] and health["status"] == "connected"
    brought = dateline.api("GET", "/v1/profiles/prof_mastodon/health").json()
    assert brought["scopes"] is None and brought["missingScopes"] is None


# Servers of many

@pytest.fixture
def instances(dateline: Dateline, network: Consenting, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The network as one of many servers where each app registers itself; the registrations they get."""
    flow = FLOW._replace(authorize=("", "/auth.consenting.example/authorize"), register=True)
    monkeypatch.setattr(consenting.PUBLISHER, "connect", flow)
    monkeypatch.setattr(consenting.PUBLISHER, "own_server", True)
    got: list[dict[str, str]] = []

    def register(request: Any) -> Any:
        got.append(dict(request.form.items()))
        pair = (f"registered-{len(got)}", f"registered-secret-{len(got)}")
        network.clients.append(pair)
        return answer(200, {"client_id": pair[0], "client_secret": pair[1]})

    network.routes.append(Route("POST", "/api/v1/apps", "auth", register))
    return got


def test_an_app_registers_once_with_each_server_and_is_stored_sealed(
    dateline: Dateline, instances: list[dict[str, str]]
) -> None:
    server = f"{NETWORKS_URL}/consenting"
    profile = connected(dateline, "ann", server=server)
    assert profile["server"] == server and connected(dateline, "bob", server=f"{server}/")["server"] == server
    assert instances == [{
        "client_name": "Dateline", "redirect_uris": "http://127.0.0.1:8787/v1/connect/callback", "scopes": "read write",
    }]
    assert "registered-secret" not in repr(stored(dateline))
    assert "clientSecret" not in held(dateline, profile["id"])
    again = begin(dateline, profileId=profile["id"])
    assert again["server"] == server, "a profile's own server need not be named again"


def test_a_server_inside_the_network_is_never_asked(dateline: Dateline, instances: list[dict[str, str]]) -> None:
    dateline.api("GET", "/v1/profiles")  # the handlers are there now, with their dependencies
    settings = wiring.deps().settings
    settings.allow_private_servers = False
    calls = len(dateline.http.sent)
    try:
        with nothing_written(dateline):
            for server in ("https://10.0.0.1", "https://169.254.169.254", "https://127.0.0.1:8787", "http://93.184.215.14"):
                refused(dateline.api("POST", "/v1/connect/consenting", {"server": server}), "invalid_request", "/server")
            refused(dateline.api("POST", "/v1/connect/consenting", {}), "invalid_request", "/server")
    finally:
        settings.allow_private_servers = True
    assert len(dateline.http.sent) == calls and instances == []


@pytest.mark.parametrize("server", [
    "https://user:password@social.example", "https://social.example@evil.example", "https://social.example?a=b",
    "https://social.example/#x", "https://social.example\\@evil.example", "https://[::1", "https://social.example:99999",
])
def test_a_server_is_a_bare_address(dateline: Dateline, instances: list[dict[str, str]], server: str) -> None:
    with nothing_written(dateline):
        refused(dateline.api("POST", "/v1/connect/consenting", {"server": server}), "invalid_request", "/server")
        given = {"platform": "mastodon", "server": server, "credentials": {"accessToken": "x"}}
        refused(dateline.api("POST", "/v1/profiles", given), "invalid_request", "/server")
    assert instances == []


def test_a_server_that_registers_no_apps_is_said_so(dateline: Dateline, instances: list[dict[str, str]]) -> None:
    with nothing_written(dateline):
        problem = refused(
            dateline.api("POST", "/v1/connect/consenting", {"server": f"{NETWORKS_URL}/x"}), "invalid_request", "/server"
        )
    assert "does not register apps" in problem["detail"]


def test_a_profile_is_not_moved_to_another_server(dateline: Dateline, instances: list[dict[str, str]]) -> None:
    profile = connected(dateline, "ann", server=f"{NETWORKS_URL}/consenting")
    body = {"profileId": profile["id"], "server": f"{NETWORKS_URL}/elsewhere"}
    refused(dateline.api("POST", "/v1/connect/consenting", body), "invalid_request", "/server")


def test_erasing_a_workspace_takes_its_consents_with_it(
    dateline: Dateline, network: Consenting, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = begin(dateline)
    assert begun["connectionId"] in repr(stored(dateline))
    assert admin.main(["erase-workspace", "wks_local", "--yes"]) == 0
    capsys.readouterr()
    assert begun["connectionId"] not in repr(stored(dateline))

