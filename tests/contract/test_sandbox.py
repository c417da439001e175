"""The sandbox publishes nothing anywhere and does what its option says."""

from __future__ import annotations

from typing import Any

import pytest

from dateline.domain.content import Draft, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Account,
    Delivery,
    Failed,
    Found,
    Retry,
    SafeToRepeat,
    TokenRefused,
    Undecidable,
    Unknown,
)
from dateline.platforms.sandbox import PUBLISHER, RULES, SIMULATIONS
from local.networks.base import World
from tests.contract.inprocess import FakeClock, InProcessHttp, delivery_of


class NoNetwork(InProcessHttp):
    """Fails the test at the first call."""

    def request(self, *args: Any, **more: Any) -> Any:
        raise AssertionError("the sandbox must not use the network")



def delivery(*segments: str | Segment, key: str = "post_1:prof_sandbox", **options: Any) -> Delivery:
    clock = FakeClock()
    http = NoNetwork(World(clock.now, []), clock)
    return delivery_of(http, Account("prof_sandbox", "sandbox", PUBLISHER.default_server), *segments, options=options, key=key)


def test_a_post_is_published_without_any_network() -> None:
    post = delivery(Segment("Hello", (Media("https://cdn.example.com/a.png"),)))
    assert not PUBLISHER.needs_preparation(post)
    assert PUBLISHER.start(post) == {}
    PUBLISHER.prepare(post)
    (remote,) = PUBLISHER.publish(post, 0)
    assert remote.url == f"https://sandbox.invalid/{remote.id}"
    PUBLISHER.delete(post, remote.id)
    assert PUBLISHER.verify(post.account, post.http).account_id == "sandbox"
    assert PUBLISHER.refresh(post.account, post.http) is None


def test_publishing_again_is_the_same_post_and_another_segment_is_another() -> None:
    post = delivery("one", "two")
    assert PUBLISHER.publish(post, 0) == PUBLISHER.publish(delivery("one", "two"), 0)
    ids = {PUBLISHER.publish(post, n)[0].id for n in (0, 1)} | {PUBLISHER.publish(delivery("one", key="post_2:p"), 0)[0].id}
    assert len(ids) == 3
    assert PUBLISHER.resolve(post, 0) == SafeToRepeat()


def test_failed_fails_for_good() -> None:
    with pytest.raises(Failed):
        PUBLISHER.publish(delivery("x", simulate="failed"), 0)


def test_token_dead_refuses_the_token_on_every_try() -> None:
    post = delivery("x", simulate="token_dead")
    for _ in range(2):
        with pytest.raises(TokenRefused):
            PUBLISHER.publish(post, 0)


@pytest.mark.parametrize(("simulate", "after"), [("retry_once", None), ("rate_limited", 5.0)])
def test_a_passing_failure_passes(simulate: str, after: float | None) -> None:
    post = delivery("x", simulate=simulate)
    with pytest.raises(Retry) as error:
        PUBLISHER.publish(post, 0)
    assert error.value.after == after
    assert PUBLISHER.publish(post, 0) == PUBLISHER.publish(delivery("x"), 0)


def test_unconfirmed_can_never_be_told() -> None:
    post = delivery("x", simulate="unconfirmed")
    with pytest.raises(Unknown):
        PUBLISHER.publish(post, 0)
    assert isinstance(PUBLISHER.resolve(post, 0), Undecidable)


def test_lost_then_found_is_found() -> None:
    post = delivery("x", simulate="lost_then_found")
    with pytest.raises(Unknown):
        PUBLISHER.publish(post, 0)
    assert PUBLISHER.resolve(post, 0) == Found(PUBLISHER.publish(delivery("x"), 0))


def test_a_thread_fails_at_the_segment_that_was_named() -> None:
    post = delivery("one", "two", simulate="failed", simulateSegment=1)
    PUBLISHER.publish(post, 0)
    with pytest.raises(Failed):
        PUBLISHER.publish(post, 1)


def test_every_value_of_the_option_is_described_and_others_are_refused() -> None:
    described = RULES.options["properties"]["simulate"]["description"]
    assert all(f"{name}: " in described for name in SIMULATIONS)
    assert [v.rule for v in check(RULES, Draft((Segment("x"),), {"simulate": "explode"}), {})] == ["sandbox.option.invalid"]
    assert all(check(RULES, Draft((Segment("x"),), {"simulate": name}), {}) == [] for name in SIMULATIONS)


def test_the_limits_are_generous_but_real() -> None:
    pictures = tuple(Media(f"https://cdn.example.com/{n}.png") for n in range(11))
    assert check(RULES, Draft(tuple(Segment("x" * 10_000, pictures[:10]) for _ in range(25))), {}) == []
    broken = check(RULES, Draft(tuple(Segment("x" * 10_001, pictures) for _ in range(26))), {})
    assert {v.rule for v in broken} == {"sandbox.thread.too_long", "sandbox.text.too_long", "sandbox.media.too_many"}
