"""Limits, distances, caps and contents under concurrency: a second request falls exactly between the first one's read and its
write, answers are lost, sandboxes die, and threads push at once. What is exact stays exact, and the counters stay right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ReadTimeoutError

from dateline.domain.rules import DailyCap
from dateline.platforms import mastodon
from dateline.store import batch
from local.stack import Answer, Crash, Phase
from tests.api_checks import refused
from tests.harness import Dateline
from tests.integration.scene import pump_crashing, rest
from tests.integration.test_duplicates import edge
from tests.integration.usage_checks import Tenant, check_usage

HOUR = timedelta(hours=1)
WRITE = ("dynamodb", "TransactWriteItems")


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


@pytest.fixture(autouse=True)
def clean(dateline: Dateline) -> Iterator[None]:
    yield
    dateline.stack.settle(timers=False)
    dateline.world.faults.clear()
    check_usage(dateline)


def between(
    dateline: Dateline, act: Callable[[], object], write: str = "TransactWriteItems", times: int = 1
) -> Callable[[str, str, Phase], None]:
    """A hook that does `act` just before the running request writes, and before its next tries up to `times`."""
    left = [times]

    def hook(service: str, operation: str, phase: Phase) -> None:
        if (service, operation, phase) == ("dynamodb", write, "before") and left[0]:
            left[0] -= 1
            dateline.stack.on_external_call = None
            try:
                Context().run(act)
            finally:
                dateline.stack.on_external_call = hook

    return hook


@contextmanager
def hooked(dateline: Dateline, hook: Callable[[str, str, Phase], None]) -> Iterator[None]:
    dateline.stack.on_external_call = hook
    try:
        yield
    finally:
        dateline.stack.on_external_call = None


class Race(NamedTuple):
    """Two requests that cannot both be taken: `plan` and settings, what stands already, both, and the refusal of the later."""

    settings: dict[str, Any]
    code: str
    bodies: Callable[[Tenant, str, str], tuple[dict[str, Any], dict[str, Any]]]
    before: Callable[[Tenant, str], object] = lambda _shop, _profile: None
    metric: str | None = None


def at_noon(shop: Tenant, a: str, b: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return shop.body(a, at=shop.soon()), shop.body(b, at=shop.soon())


def one_profile(shop: Tenant, a: str, _b: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return shop.body(a, at=shop.soon()), shop.body(a, at=shop.soon(days=2))


def minutes_apart(shop: Tenant, a: str, b: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return shop.body(a, b, at=shop.soon()), shop.body(a, at=shop.soon() + timedelta(minutes=4))


def same_words(apart: timedelta, over: timedelta) -> Callable[[Tenant, str, str], tuple[dict[str, Any], dict[str, Any]]]:
    """Two posts `apart`, the first so far `over` the end of a page of the register."""

    def bodies(shop: Tenant, a: str, _b: str) -> tuple[dict[str, Any], dict[str, Any]]:
        noon = edge(shop.dateline) + over
        return shop.body(a, at=noon, text="Twins"), shop.body(a, at=noon + apart, text="Twins")

    return bodies


RACES = {
    "the last place of the workspace": Race({"plan": {"pendingTargets": 1}}, "limit_exceeded", at_noon, metric="pendingTargets"),
    "the last place of a profile": Race(
        {"plan": {"pendingTargets": {"limit": 1, "scope": "profile"}}}, "limit_exceeded", one_profile, metric="pendingTargets"
    ),
    "the last of the month": Race({"plan": {"targetsPerMonth": 1}}, "limit_exceeded", at_noon, metric="targetsPerMonth"),
    "the last of a profile's month": Race(
        {"plan": {"scheduledTargetsPerMonth": {"limit": 1, "scope": "profile"}}, "min_spacing_minutes": 5}, "limit_exceeded",
        one_profile, metric="scheduledTargetsPerMonth",
    ),
    "too close": Race({"min_spacing_minutes": 5}, "too_close", minutes_apart),
    "too close, with counters": Race(
        {"plan": {"minSpacingMinutes": 5, "pendingTargets": {"limit": 9, "scope": "profile"},
                  "targetsPerMonth": {"limit": 9, "scope": "profile"}}}, "too_close", minutes_apart,
    ),
    "the network's cap": Race(
        {}, "platform_daily_limit", lambda shop, a, b: (shop.body(a, at=shop.soon()), shop.body(a, at=shop.soon() + HOUR)),
        before=lambda shop, a: [shop.post(a, at=shop.soon() + hours * HOUR) for hours in (2, 3)],
    ),
    "the same words": Race({}, "duplicate_content", same_words(HOUR, 10 * HOUR)),
    "the same words before and after a page": Race({}, "duplicate_content", same_words(2 * HOUR, -HOUR)),
    "the same words after and before a page": Race({}, "duplicate_content", same_words(-2 * HOUR, HOUR)),
    "the same words almost a day apart": Race({}, "duplicate_content", same_words(23 * HOUR, -23 * HOUR)),
}


@pytest.mark.parametrize("name", RACES)
@pytest.mark.parametrize("way", ["create", "edit"])
def test_of_two_at_once_exactly_one_is_taken(dateline: Dateline, monkeypatch: pytest.MonkeyPatch, name: str, way: str) -> None:
    race = RACES[name]
    if race.code == "platform_daily_limit":
        monkeypatch.setattr(mastodon, "RULES", mastodon.RULES._replace(daily_cap=DailyCap(3, 24, "test")))
    shop = Tenant(dateline, **race.settings)
    a, b = shop.profile(), shop.profile()
    race.before(shop, a)
    first, second = race.bodies(shop, a, b)
    answers: list[Answer] = []

    def quicker() -> None:
        answers.append(shop.api("POST", "/v1/posts", second))

    if way == "create":
        with hooked(dateline, between(dateline, quicker)):
            slower = shop.api("POST", "/v1/posts", first)
    else:
        draft = shop.api("POST", "/v1/posts", {**first, "scheduledFor": None}).json()
        with hooked(dateline, between(dateline, quicker)):
            slower = shop.patch(draft, scheduledFor=first["scheduledFor"])
    assert answers[0].status == 201, answers[0].body
    problem = refused(slower, race.code, slower.json()["errors"][0]["pointer"])
    if race.metric is not None:
        assert (problem["metric"], problem["used"], problem["remaining"]) == (race.metric, 1, 0)
        assert shop.usage(race.metric)["used"] == 1
    if race.code == "duplicate_content":
        assert problem["postId"] == answers[0].json()["id"]
    for member in {"nextFreeAt", "nextOkAt"} & problem.keys():
        assert shop.api("POST", "/v1/posts", {**first, "scheduledFor": problem[member]}).status == 201


def test_a_cancel_in_between_frees_one_place_and_no_more(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": 2})
    a, b, c = shop.profile(), shop.profile(), shop.profile()
    post, gone = shop.post(a, at=shop.soon()), shop.post(b, at=shop.soon())
    with hooked(dateline, between(dateline, lambda: shop.cancel(gone))):
        assert shop.patch(post, profileIds=[b]).status == 200
    assert shop.usage("pendingTargets")["used"] == 1
    with hooked(dateline, between(dateline, lambda: shop.post(c, at=shop.soon()))):
        refused(shop.patch(post, profileIds=[a, b]), "limit_exceeded", "/profileIds", used=2)
    with hooked(dateline, between(dateline, lambda: shop.cancel(post))):
        refused(shop.patch(post, text="Too late"), "illegal_transition")
    assert shop.usage("pendingTargets")["used"] == 1


def test_two_that_move_to_the_same_time_collide_without_having_read_the_register(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, noon = shop.profile(), edge(dateline) - HOUR
    one, two = shop.post(a, at=noon - timedelta(days=3), text="Twins"), shop.post(a, at=noon + timedelta(days=3), text="Twins")
    with hooked(dateline, between(dateline, lambda: shop.patch(two, scheduledFor=noon + 2 * HOUR))):
        refused(shop.patch(one, scheduledFor=noon), "duplicate_content", "/profileIds/0", postId=two["id"])


def test_writers_who_only_share_a_counter_do_not_hinder_one_another(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": 9})
    a, b = shop.profile(), shop.profile()
    with hooked(dateline, between(dateline, lambda: shop.post(b, at=shop.soon()))), dateline.stack.counting() as calls:
        shop.post(a, at=shop.soon())
    assert calls[WRITE] == 2, "one write each: a counter is added to, not replaced"
    assert shop.usage("pendingTargets")["used"] == 2


def test_rows_may_be_answered_in_any_order(dateline: Dateline, monkeypatch: pytest.MonkeyPatch) -> None:
    read = batch.read
    monkeypatch.setattr(batch, "read", lambda *args: read(*args)[::-1])
    each = {"limit": 3, "scope": "profile"}
    shop = Tenant(dateline, {"pendingTargets": each, "targetsPerMonth": each, "minSpacingMinutes": 5})
    a, b = shop.profile(), shop.profile()
    for days in (1, 2, 3):
        shop.post(a, b, at=shop.soon(days=days))
    refused(shop.create(a, at=shop.soon(days=4)), "limit_exceeded", "/profileIds", used=3)


def test_a_calendar_that_never_rests_ends_in_try_again(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": 99, "minSpacingMinutes": 1})
    a, number = shop.profile(), iter(range(1, 99))
    with hooked(dateline, between(dateline, lambda: shop.post(a, at=shop.soon() + next(number) * HOUR), times=50)):
        answer = shop.create(a, at=shop.soon())
    refused(answer, "try_again")
    assert shop.usage("pendingTargets")["used"] == next(number) - 1, "only the others are counted"


# Lost answers and crashes

def losing(error: Callable[[], BaseException], operation: tuple[str, str] = WRITE, phase: Phase = "after") -> Any:
    done = []

    def hook(service: str, called: str, when: Phase) -> None:
        if (service, called) == operation and when == phase and not done:
            done.append(True)
            raise error()

    return hook


def lost() -> BaseException:
    return ReadTimeoutError(endpoint_url="https://dynamodb")


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_write_whose_answer_is_lost_is_charged_once(dateline: Dateline, phase: Phase) -> None:
    shop = Tenant(dateline, {"pendingTargets": 2, "targetsPerMonth": 2, "minSpacingMinutes": 5})
    a = shop.profile()
    body = shop.body(a, at=shop.soon())
    with hooked(dateline, losing(lost, phase=phase)):
        answer = shop.api("POST", "/v1/posts", body, idempotency_key="once")
    assert answer.status == (201 if phase == "after" else 503), "what was written is read back"
    again = shop.api("POST", "/v1/posts", body, idempotency_key="once")
    assert again.status == 201 and ("idempotency-replayed" in again.headers) == (phase == "after")
    assert (shop.usage("pendingTargets")["used"], shop.usage("targetsPerMonth")["used"]) == (1, 1)


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_crash_at_the_write_charges_once_or_not_at_all(dateline: Dateline, phase: Phase) -> None:
    shop = Tenant(dateline, {"pendingTargets": 1, "targetsPerMonth": 1})
    a = shop.profile()
    body = shop.body(a, at=shop.soon())
    with hooked(dateline, losing(Crash, phase=phase)):
        crashed = shop.api("POST", "/v1/posts", body, idempotency_key="once")
    assert crashed.status >= 500
    check_usage(dateline)
    again = shop.api("POST", "/v1/posts", body, idempotency_key="once")
    assert again.status == 201, "the last place is its own, not somebody else's"
    assert (shop.usage("pendingTargets")["used"], shop.usage("targetsPerMonth")["used"]) == (1, 1)
    refused(shop.api("POST", "/v1/posts", body, idempotency_key="twice"), "limit_exceeded", "/profileIds")


@pytest.mark.parametrize("way", ["cancel", "draft", "replace"])
def test_what_is_given_back_is_given_back_once_though_the_answer_is_lost(dateline: Dateline, way: str) -> None:
    shop = Tenant(dateline, {"pendingTargets": [{"limit": 9}, {"limit": 9, "scope": "profile"}]})
    a, b = shop.profile(), shop.profile()
    post = shop.post(a, at=shop.soon())
    with hooked(dateline, losing(lost)):
        if way == "cancel":
            shop.cancel(post)
        else:
            assert shop.patch(post, **{"status": "draft"} if way == "draft" else {"profileIds": [b]}).status == 200
    usage = shop.usage("pendingTargets")
    assert usage["used"] == (1 if way == "replace" else 0)
    assert {id: view["used"] for id, view in usage["profiles"].items()} == {a: 0, **({b: 1} if way == "replace" else {})}


def test_a_store_that_does_not_answer_the_read_is_try_again(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": 1})
    a = shop.profile()
    with hooked(dateline, losing(lost, ("dynamodb", "BatchGetItem"), "before")):
        refused(shop.create(a, at=shop.soon()), "try_again")
    shop.post(a, at=shop.soon())


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_worker_that_dies_anywhere_never_lets_the_counters_drift(dateline: Dateline, phase: Phase) -> None:
    shop = Tenant(dateline, {"pendingTargets": [{"limit": 9}, {"limit": 3, "scope": "profile"}]})
    a = shop.profile()
    for number in range(1, 30):
        post = shop.post(a, publishNow=True)
        died = pump_crashing(dateline, number, phase)
        check_usage(dateline, only=shop.id)
        rest(dateline, post["id"])
        check_usage(dateline, only=shop.id)
        assert shop.usage("pendingTargets")["used"] == 0
        if died is None:
            break
    assert number > 4


# Threads

def test_eight_threads_take_exactly_what_there_is(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": 5, "targetsPerMonth": 50})
    profiles = [shop.profile() for _ in range(4)]
    bodies = [shop.body(profiles[n % 4], at=shop.soon() + n * HOUR) for n in range(20)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: shop.api("POST", "/v1/posts", body), bodies))
    assert Counter(answer.status for answer in answers) == {201: 5, 403: 15}
    for answer in answers:
        if answer.status == 403:
            refused(answer, "limit_exceeded", "/profileIds", metric="pendingTargets", limit=5, used=5, remaining=0)
    assert (shop.usage("pendingTargets")["used"], shop.usage("targetsPerMonth")["used"]) == (5, 5)


def test_eight_threads_at_one_profile_keep_its_distance_and_never_repeat_it(dateline: Dateline) -> None:
    shop = Tenant(dateline, min_spacing_minutes=10)
    a, noon = shop.profile(), shop.soon()
    bodies = [shop.body(a, at=noon + n * timedelta(minutes=5)) for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: shop.api("POST", "/v1/posts", body), bodies))
    assert {answer.status for answer in answers} <= {201, 400}, [answer.body for answer in answers if answer.status > 400]
    taken = sorted(answer.json()["publishAt"] for answer in answers if answer.status == 201)
    times = [noon + n * timedelta(minutes=5) for n in range(16) if bodies[n]["scheduledFor"] in taken]
    assert len(times) == len(taken)
    assert all(later - sooner >= timedelta(minutes=10) for sooner, later in pairwise(times))
    twins = [shop.body(a, at=noon + timedelta(days=3, hours=n), text="Twins") for n in range(12)]
    shop.set(min_spacing_minutes=0)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: shop.api("POST", "/v1/posts", body), twins))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 11}
