"""What networks say of their limits: kept with the profile when it matters, shown, and heeded before the next call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from dateline.platforms import registry
from dateline.platforms.base import Answer, Quota
from dateline.usecases import quotas
from tests.harness import Dateline
from tests.integration.scene import check_against_ledger, make, rest


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    quotas.forget()
    with Dateline() as running:
        yield running
    quotas.forget()


def says(monkeypatch: pytest.MonkeyPatch, dateline: Dateline, scope: str, *remaining: int) -> None:
    """Let Mastodon's answers say so much is left of 300, the last figure from then on."""
    left, until = list(remaining), dateline.clock.now() + timedelta(minutes=20)

    def quota(self: object, answer: Answer, now: object) -> tuple[Quota, ...]:
        return (Quota(scope, "calls", 300, left.pop(0) if len(left) > 1 else left[0], until),)  # type: ignore[arg-type]

    monkeypatch.setattr(type(registry.publisher("mastodon")), "quotas", quota)


def shown(dateline: Dateline) -> list[dict[str, object]]:
    found: list[dict[str, object]] = dateline.api("GET", "/v1/profiles/prof_mastodon/limits").json()["network"]
    return found


def writes(dateline: Dateline) -> int:
    return dateline.stack.calls[("dynamodb", "UpdateItem")]


def test_a_limit_far_from_its_end_costs_no_write(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, dateline, "account", 250)
    post_id, _ = make(dateline, "mastodon", "text")
    rest(dateline, post_id)
    assert shown(dateline) == []


def test_a_limit_nearly_used_up_is_shown_and_a_used_up_one_is_waited_for(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, dateline, "account", 0)
    first, said = make(dateline, "mastodon", "text")
    rest(dateline, first)
    assert check_against_ledger(dateline, first, said).status == "published"
    (limit,) = shown(dateline)
    assert (limit["name"], limit["limit"], limit["remaining"]) == ("calls", 300, 0)
    says(monkeypatch, dateline, "account", 299)
    calls = len(dateline.world.requests)
    second, more = make(dateline, "mastodon", "text")
    dateline.stack.run_for(timedelta(minutes=10))
    waiting = dateline.read(second)["targets"][0]
    assert (waiting["status"], waiting["error"]["code"]) == ("retrying", "rate_limited")
    assert len(dateline.world.requests) == calls, "nothing is sent that would only be refused"
    rest(dateline, second)
    assert check_against_ledger(dateline, second, more).status == "published"
    assert shown(dateline) == [], "its time is over"


def test_a_limit_of_the_whole_app_holds_back_every_account_of_the_network(
    dateline: Dateline, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, dateline, "app", 0)
    first, _ = make(dateline, "mastodon", "text")
    rest(dateline, first)
    assert shown(dateline) == [], "it is not the account's"
    other, _ = make(dateline, "mastodon", "text", profile="prof_mastodon")
    elsewhere, said = make(dateline, "bluesky", "text")
    dateline.stack.run_for(timedelta(minutes=5))
    assert dateline.read(other)["targets"][0]["error"]["code"] == "rate_limited"
    assert check_against_ledger(dateline, elsewhere, said).status == "published"


def test_hearing_the_same_again_costs_no_further_write(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, dateline, "account", 20, 19, 18, 17)
    for _ in range(3):
        post_id, _ = make(dateline, "mastodon", "text")
        rest(dateline, post_id)
    with dateline.stack.counting() as calls:
        post_id, _ = make(dateline, "mastodon", "text")
        rest(dateline, post_id)
    profile = dateline.deps.profiles.get("prof_mastodon")
    assert profile is not None and profile.quotas["calls"][1] == 20, "noted once in its window"
    assert calls["dynamodb", "UpdateItem"] <= 3
