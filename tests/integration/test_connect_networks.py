"""Every network of the catalogue that asks a person for consent, from the address to the profile and its first renewal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dateline.platforms import registry
from dateline.usecases import tokens
from dateline.usecases.deliver import account_of
from dateline.usecases.sharing import GRANT, MEMBERS
from tests.api_checks import stored
from tests.consenting import go, query_of
from tests.harness import NETWORKS_URL, Dateline

CONSENTING = [name for name in registry.names() if registry.publisher(name).connect is not None]


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def connected(dateline: Dateline, platform: str) -> list[dict[str, Any]]:
    """The profiles that a consent of a new account's owner makes, all that it reaches."""
    publisher, network = registry.publisher(platform), dateline.world.networks[platform]
    offered: dict[str, Any] = network.credentials_for("prof_new")
    body = {"server": NETWORKS_URL + offered["server"]} if publisher.own_server else {}
    begun = dateline.api("POST", f"/v1/connect/{platform}", body)
    assert begun.status == 201, begun.body
    url = begun.json()["authorizeUrl"]
    flow = publisher.connect
    assert flow is not None
    asked = query_of(url)
    assert flow.client_id_name in asked and ("code_challenge" in asked) == flow.pkce
    back = dateline.api("GET", go(dateline, f"{url}&as=prof_new"), key=None)
    assert back.status == 200, back.body
    path = f"/v1/connections/{begun.json()['connectionId']}"
    if back.json()["status"] == "choosing":
        ids = [choice["accountId"] for choice in back.json()["choices"]]
        chosen = dateline.api("POST", path, {"accountIds": ids})
        assert chosen.status == 200, chosen.body
    found: list[dict[str, Any]] = dateline.api("GET", path).json()["profiles"]
    return found


@pytest.mark.parametrize("platform", CONSENTING)
def test_a_consent_becomes_a_profile_whose_token_works_and_is_renewed(dateline: Dateline, platform: str) -> None:
    profiles = connected(dateline, platform)
    assert profiles
    publisher = registry.publisher(platform)
    for shown in profiles:
        assert shown["platform"] == platform and shown["status"] == "connected" and shown["accountId"] and shown["name"]
        profile = dateline.deps.profiles.get(shown["id"])
        assert profile is not None
        held = dateline.deps.secrets.open(profile.workspace_id, profile.id, profile.secret)
        assert "clientSecret" not in held, "the operator's secret is in one place only"
        rows = repr(stored(dateline))
        assert not [name for name, value in held.items() if name not in (GRANT, MEMBERS) and len(value) > 5 and value in rows]
        account = account_of(dateline.deps, profile, publisher, held)
        assert publisher.verify(account, dateline.http).account_id == shown["accountId"]
    for shown in profiles:
        profile = dateline.deps.profiles.get(shown["id"])
        assert profile is not None
        held = dateline.deps.secrets.open(profile.workspace_id, profile.id, profile.secret)
        if profile.token_expires_at is None:
            continue
        assert profile.token_expires_at > dateline.clock.now()
        lapses, left = profile.token_expires_at, (profile.token_expires_at - dateline.clock.now()).total_seconds()
        dateline.clock.advance(max(0.0, left - 30))
        fresh = tokens.fresh_credentials(dateline.deps, profile, publisher)
        renewed = dateline.deps.profiles.get(profile.id)
        assert renewed is not None
        if fresh != held:
            assert renewed.token_expires_at is None or renewed.token_expires_at > lapses
            account = account_of(dateline.deps, renewed, publisher, fresh)
            assert publisher.verify(account, dateline.http).account_id == shown["accountId"]


@pytest.mark.parametrize("platform", CONSENTING)
def test_who_says_no_gets_no_profile(dateline: Dateline, platform: str) -> None:
    publisher, network = registry.publisher(platform), dateline.world.networks[platform]
    offered: dict[str, Any] = network.credentials_for("prof_new")
    body = {"server": NETWORKS_URL + offered["server"]} if publisher.own_server else {}
    begun = dateline.api("POST", f"/v1/connect/{platform}", body).json()
    answer = dateline.api("GET", go(dateline, begun["authorizeUrl"] + "&deny=1"), key=None)
    assert answer.json()["errors"][0]["code"] == "access_denied"


def test_a_post_goes_out_with_a_token_that_deliver_renews_with_the_operators_app(dateline: Dateline) -> None:
    """Through the real handlers: what deliver's role may read is checked on the way."""
    profile = connected(dateline, "x")[0]
    dateline.clock.advance(3 * 3600)
    post = dateline.post(profile["id"], text="Three hours later", publishNow=True)
    dateline.stack.settle(timers=False)
    assert dateline.read(post["id"])["status"] == "published"
    assert dateline.stack.calls["secretsmanager", "GetSecretValue"] >= 1
