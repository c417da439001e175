"""The delivery protocol at its joints: crashes, lost and doubled messages, races, late workers, an unreachable store.

Every test ends with the same question: what could a reader of the network see, and does the post say so?
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from dateline.aws.queue import Message
from dateline.domain.instants import sortable
from dateline.platforms.base import Answer
from dateline.store.tables import BookingRow
from dateline.usecases.deliver import deliver
from local.seed import WORKSPACE
from local.stack import Crash, Phase
from tests.harness import START, Dateline
from tests.integration.scene import (
    NETWORKS,
    check_against_ledger,
    connect,
    interrupted,
    make,
    post_of,
    pump_crashing,
    rest,
    shapes_of,
    shown,
    target_of,
)

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
A_WHILE = 12 * MINUTE
"""Longer than any message lies invisible, any lease, and four rounds of sweep's own."""

ENOUGH = 90.0


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def messages(dateline: Dateline, queue: str = "deliveries") -> list[Message]:
    return [Message.parse(waiting.body) for waiting in dateline.stack.peek(queue)]


def lose_messages(dateline: Dateline, queue: str = "deliveries") -> None:
    dateline.stack.queue(queue)._messages.clear()


def the_message(dateline: Dateline, post_id: str) -> Message:
    post = post_of(dateline, post_id)
    (profile_id,) = post.targets
    return Message(post_id, profile_id, post.revision)


def work(dateline: Dateline, post_id: str, time_left: float = ENOUGH) -> str:
    """One worker, outside of the queue."""
    return deliver(dateline.deps, the_message(dateline, post_id), lambda: time_left)


def die_after(dateline: Dateline, service: str, operation: str = "POST") -> None:
    """Let deliver take one message and die right after its first call of this kind."""
    def hook(called: str, what: str, phase: Phase) -> None:
        if called == service and what.startswith(operation) and phase == "after":
            raise Crash

    interrupted(dateline, hook, lambda: dateline.stack.pump_queue("deliveries", most=1))


def events_of(dateline: Dateline, post_id: str) -> list[str]:
    return [event["type"] for event in dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]]


# A worker dies

CRASHES = [(network, shape) for network in NETWORKS for shape in shapes_of(network) if (network, shape) != ("mastodon", "image")]


@pytest.mark.parametrize(("network", "shape"), CRASHES)
def test_a_worker_that_dies_at_any_call_leaves_nothing_lost_and_nothing_doubled(network: str, shape: str) -> None:
    """Before the first call, then after each one (which is before the next), until there is none left to die at."""
    ends: list[tuple[str, str]] = []
    with Dateline() as dateline:
        for number in range(100):
            post_id, texts = make(dateline, network, shape, profile=connect(dateline, network))
            died = pump_crashing(dateline, max(number, 1), "after" if number else "before")
            rest(dateline, post_id)
            target = check_against_ledger(dateline, post_id, texts)
            if died is None:
                break
            ends.append((died[0], target.status))
    assert number > 4 and target.status == "published"
    unsure = [(service, status) for service, status in ends if status != "published"]
    if network == "telegram":
        # After the write that armed it, and after the call: nobody but a reader can tell.
        assert unsure == [("dynamodb", "unconfirmed"), ("telegram", "unconfirmed")]
    else:
        assert unsure == []


def test_a_worker_that_dies_before_arming_is_followed_by_one_that_sends(dateline: Dateline) -> None:
    post_id, texts = make(dateline, "x", "image")
    die_after(dateline, "dynamodb", "PutItem")
    assert target_of(dateline, post_id).armed is None
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).tries == 1
    assert "GET" not in {method for platform, method, _ in dateline.world.requests if platform == "x"}, "nothing to look up"


def test_a_worker_that_dies_after_arming_is_followed_by_one_that_looks_first(dateline: Dateline) -> None:
    post_id, texts = make(dateline, "x", "text")
    die_after(dateline, "x")
    assert target_of(dateline, post_id).armed == 0 and len(shown(dateline, texts)[0]) == 1
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).tries == 1
    calls = [(method, path) for platform, method, path in dateline.world.requests if platform == "x"]
    assert [method for method, _ in calls] == ["POST", "GET"]


def test_a_worker_that_dies_while_taking_a_thread_down_is_followed_by_one_that_goes_on(dateline: Dateline) -> None:
    def second_delete(service: str, operation: str, phase: Phase) -> None:
        if operation.startswith("POST") and phase == "before" and len(dateline.world.seen("x")) == 2:
            dateline.world.add_fault("x", "reject")
        if operation.startswith("DELETE") and phase == "after":
            raise Crash

    post_id, texts = make(dateline, "x", "thread", onSegmentFailure="rollback")
    interrupted(dateline, second_delete, lambda: dateline.stack.pump_queue("deliveries", most=1))
    assert len(dateline.world.seen("x")) == 1
    target = rest(dateline, post_id)
    assert (target.status, (target.error or {})["code"], target.remotes) == ("failed", "rejected", [])
    assert shown(dateline, texts) == [[], [], []]
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    assert rest(dateline, post_id).status == "published"
    check_against_ledger(dateline, post_id, texts)


# Messages

def test_a_message_said_twice_is_done_once(dateline: Dateline) -> None:
    post_id, texts = make(dateline, "telegram", "text")
    message = the_message(dateline, post_id)
    dateline.deps.queue.send([message, message], group=WORKSPACE)
    rest(dateline, post_id)
    dateline.deps.queue.send([message], group=WORKSPACE)
    dateline.stack.run_for(A_WHILE)
    assert check_against_ledger(dateline, post_id, texts).tries == 1
    assert events_of(dateline, post_id).count("target.published") == 1


def test_a_post_whose_entry_and_messages_are_lost_leaves_within_75_seconds(dateline: Dateline) -> None:
    near, _ = make(dateline, "telegram", "text", at=START + 30 * SECOND)
    far, _ = make(dateline, "mastodon", "text", at=START + HOUR)
    lose_messages(dateline)
    dateline.deps.schedules.delete(far, post_of(dateline, far).entry)
    for post_id, due in ((near, START + 30 * SECOND), (far, START + HOUR)):
        target = rest(dateline, post_id)
        assert target.status == "published"
        assert due <= target.attempts[0].started_at <= due + 76 * SECOND


def test_a_message_that_is_lost_once_the_post_is_queued_is_sent_again(dateline: Dateline) -> None:
    post_id, texts = make(dateline, "telegram", "text")
    lose_messages(dateline)
    rest(dateline, post_id, 8 * MINUTE)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_a_message_no_worker_can_handle_ends_in_the_dead_letter_queue_and_the_target_undeliverable(dateline: Dateline) -> None:
    def broken(service: str, operation: str, phase: Phase) -> None:
        if service == "kms":
            raise EndpointConnectionError(endpoint_url="kms")

    post_id, texts = make(dateline, "telegram", "text")
    interrupted(dateline, broken, lambda: rest(dateline, post_id))
    target = check_against_ledger(dateline, post_id, texts)
    assert (target.status, (target.error or {})["code"], target.tries) == ("failed", "undeliverable", 0)
    interrupted(dateline, broken, lambda: dateline.stack.run_for(A_WHILE))
    dead = messages(dateline, "deliveries-dlq")
    assert dead and all(letter.post_id == post_id for letter in dead)

    # Redriven once the fault is gone, they find nothing to do; a person's retry finds everything.
    dateline.deps.queue.send(dead, group=WORKSPACE)
    dateline.stack.run_for(A_WHILE)
    assert shown(dateline, texts) == [[]]
    assert dateline.api("POST", f"/v1/posts/{post_id}/retry", {}).status == 200
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_a_call_that_kills_every_worker_ends_unconfirmed_and_a_redrive_is_harmless(dateline: Dateline) -> None:
    def deadly(service: str, operation: str, phase: Phase) -> None:
        if service == "mastodon" and phase == "after":
            raise Crash

    post_id, texts = make(dateline, "mastodon", "text")
    interrupted(dateline, deadly, lambda: rest(dateline, post_id))
    target = check_against_ledger(dateline, post_id, texts)
    assert target.status == "unconfirmed" and len(shown(dateline, texts)[0]) == 1
    interrupted(dateline, deadly, lambda: dateline.stack.run_for(A_WHILE))
    dead = messages(dateline, "deliveries-dlq")
    assert dead
    dateline.deps.queue.send(dead, group=WORKSPACE)
    dateline.stack.run_for(A_WHILE)
    check_against_ledger(dateline, post_id, texts)
    answer = dateline.api(
        "POST", f"/v1/posts/{post_id}/targets/prof_mastodon/resolve",
        {"outcome": "published", "remoteId": shown(dateline, texts)[0][0].remote_id},
    )
    assert answer.json()["status"] == "published"
    check_against_ledger(dateline, post_id, texts)


# The store is away

@pytest.mark.parametrize("network", NETWORKS)
def test_what_was_published_while_the_store_was_away_is_still_written_down(dateline: Dateline, network: str) -> None:
    """The remote id goes out as a message; for Telegram it is the only witness."""
    away = False

    def outage(service: str, operation: str, phase: Phase) -> None:
        nonlocal away
        if service == network and operation.startswith("POST") and phase == "after":
            away = True
        if away and service == "dynamodb":
            raise EndpointConnectionError(endpoint_url="dynamodb")

    post_id, texts = make(dateline, network, "text")
    interrupted(dateline, outage, lambda: dateline.stack.pump_queue("deliveries", most=1))
    assert [message.outcome is not None for message in messages(dateline)].count(True) == 1
    assert target_of(dateline, post_id).status == "publishing"
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_an_outcome_message_settles_even_a_target_that_was_given_up_as_unconfirmed(dateline: Dateline) -> None:
    post_id, texts = make(dateline, "telegram", "text")
    die_after(dateline, "telegram")
    message = the_message(dateline, post_id)
    assert rest(dateline, post_id).status == "unconfirmed"
    seen = shown(dateline, texts)[0][0].remote_id
    outcome = {"first": 0, "remotes": [[seen, None, {}]], "of": 1}
    dateline.deps.queue.send([message._replace(outcome=outcome)] * 2, group=WORKSPACE)
    dateline.stack.settle()
    assert check_against_ledger(dateline, post_id, texts).status == "published"


# Two workers

class Interposed:
    """Runs `between` once, inside the first publishing call to a network: before the network has it, or after."""

    def __init__(self, dateline: Dateline, network: str, *, after: bool, between: Any) -> None:
        self._request, self._network, self._after = dateline.http.request, network, after
        self._between: Any = between
        dateline.http.request = self  # type: ignore[method-assign,assignment]

    def __call__(self, method: str, url: str, **how: Any) -> Answer:
        between, mine = self._between, f"/{self._network}/" in url and method == "POST"
        if mine:
            self._between = None
        if mine and between and not self._after:
            between()
        answer = self._request(method, url, **how)
        if mine and between and self._after:
            between()
        return answer


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_worker_that_wakes_up_after_its_lease_overwrites_nothing(dateline: Dateline, network: str, after: bool) -> None:
    post_id, texts = make(dateline, network, "text")
    lose_messages(dateline)
    said: list[str] = []

    def meanwhile() -> None:
        dateline.clock.advance(200 * SECOND)
        said.append(work(dateline, post_id))

    Interposed(dateline, network, after=after, between=meanwhile)
    said.append(work(dateline, post_id))
    assert len(said) == 2
    rest(dateline, post_id)
    target = check_against_ledger(dateline, post_id, texts)
    assert target.status == "published", "also for Telegram: the late worker's id is taken, whoever holds the claim"
    dateline.stack.run_for(A_WHILE)
    check_against_ledger(dateline, post_id, texts)


def test_a_second_worker_leaves_a_live_lease_alone(dateline: Dateline) -> None:
    post_id, texts = make(dateline, "telegram", "text")
    said: list[str] = []
    Interposed(dateline, "telegram", after=False, between=lambda: said.append(work(dateline, post_id)))
    rest(dateline, post_id)
    assert said == ["nothing to do"]
    assert check_against_ledger(dateline, post_id, texts).tries == 1


def test_a_delivery_that_begins_with_too_little_time_left_makes_no_call(dateline: Dateline) -> None:
    for shape in ("text", "image"):
        post_id, texts = make(dateline, "telegram", shape)
        lose_messages(dateline)
        assert work(dateline, post_id, time_left=30.0) == "goes on later"
        target = target_of(dateline, post_id)
        assert (target.status, target.armed, shown(dateline, texts)) == ("publishing", None, [[]])
        rest(dateline, post_id, MINUTE)
        assert check_against_ledger(dateline, post_id, texts).tries == 1


def test_uploads_that_outlast_the_worker_are_gone_on_with_where_they_stopped(dateline: Dateline) -> None:
    left = iter([ENOUGH] + [10.0] * 50)
    pictures = [{"url": f"https://media.example/{n}.png", "type": "image"} for n in range(4)]
    post_id = dateline.post("prof_x", text="Four", media=pictures, publishNow=True)["id"]
    lose_messages(dateline)
    assert deliver(dateline.deps, the_message(dateline, post_id), lambda: next(left)) == "goes on later"
    done = sum(path == "/2/media/upload" for _, _, path in dateline.world.requests)
    assert 0 < done < 4
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, ["Four"]).tries == 1
    assert sum(path == "/2/media/upload" for _, _, path in dateline.world.requests) == 4


# A person and a worker

@pytest.mark.parametrize("wins", ["the cancel", "the claim"])
def test_a_cancel_wins_until_the_first_claim(dateline: Dateline, wins: str) -> None:
    post_id, texts = make(dateline, "telegram", "text")
    answers: list[int] = []

    def cancel(service: str, operation: str, phase: Phase) -> None:
        if operation == "PutItem" and not answers and phase == ("before" if wins == "the cancel" else "after"):
            answers.append(0)
            answers[0] = dateline.api("DELETE", f"/v1/posts/{post_id}").status

    interrupted(dateline, cancel, lambda: dateline.stack.pump_queue("deliveries", most=1))
    dateline.stack.run_for(A_WHILE)
    status = post_of(dateline, post_id).status
    assert (answers, status, len(shown(dateline, texts)[0])) == (
        ([200], "cancelled", 0) if wins == "the cancel" else ([409], "published", 1)
    )


def test_an_edit_in_queued_wins_and_the_old_words_never_appear(dateline: Dateline) -> None:
    post_id, old = make(dateline, "mastodon", "text")
    assert post_of(dateline, post_id).status == "queued"
    edited = dateline.api("PATCH", f"/v1/posts/{post_id}", {"text": "Better words"})
    assert edited.status == 200, edited.body
    rest(dateline, post_id)
    dateline.stack.run_for(A_WHILE)
    assert shown(dateline, [*old, "Better words"])[0] == [] and len(dateline.world.seen("mastodon")) == 1
    check_against_ledger(dateline, post_id, ["Better words"])


def test_an_edit_in_queued_may_move_the_post_to_later(dateline: Dateline) -> None:
    post_id, texts = make(dateline, "mastodon", "text")
    later = START + 3 * HOUR
    moved = dateline.api("PATCH", f"/v1/posts/{post_id}", {"scheduledFor": later.isoformat()})
    assert (moved.status, moved.json()["status"]) == (200, "scheduled"), moved.body
    dateline.stack.run_until(lambda: bool(dateline.world.seen()), limit=4 * HOUR, timers=False)
    assert check_against_ledger(dateline, post_id, texts).attempts[0].started_at >= later


# Waiting

@pytest.mark.parametrize(("wait", "lead"), [(40, 0), (899, 0), (3600, 0), (3600, 75), (86_000, 75)])
def test_a_networks_retry_after_is_honoured_to_the_second(wait: int, lead: int) -> None:
    with Dateline(environment={"DATELINE_LEAD_SECONDS": str(lead)}) as dateline:
        dateline.world.add_fault("telegram", "rate_limit", retry_after=wait)
        post_id, texts = make(dateline, "telegram", "text")
        dateline.stack.settle()
        assert target_of(dateline, post_id).status == "retrying"
        assert len(dateline.stack.schedules()) == (1 if wait > 900 else 0)
        assert dateline.stack.run_until(limit=30 * HOUR, timers=False), "sweep is not needed for it"
        late = check_against_ledger(dateline, post_id, texts).attempts[1].started_at - START - wait * SECOND
        assert 0 * SECOND <= late <= SECOND
        assert dateline.stack.schedules() == []


@pytest.mark.parametrize(("wait", "lateness"), [(90_000, None), (4000, "PT1H")])
def test_a_wait_beyond_a_day_or_the_posts_own_lateness_is_a_failure(
    dateline: Dateline, wait: int, lateness: str | None
) -> None:
    dateline.world.add_fault("telegram", "rate_limit", retry_after=wait)
    post_id, texts = make(dateline, "telegram", "text", **({"maxLateness": lateness} if lateness else {}))
    rest(dateline, post_id, MINUTE)
    target = check_against_ledger(dateline, post_id, texts)
    assert (target.status, (target.error or {})["code"]) == ("failed", "rate_limited")
    assert f"{wait:,}" in (target.error or {})["detail"]


def test_a_target_that_waits_can_be_stopped_and_a_stopped_one_retried(dateline: Dateline) -> None:
    dateline.world.add_fault("telegram", "rate_limit", retry_after=7200)
    post_id, texts = make(dateline, "telegram", "text")
    dateline.stack.run_for(MINUTE)
    assert dateline.api("POST", f"/v1/posts/{post_id}/stop", {}).json()["status"] == "failed"
    dateline.stack.run_until(limit=3 * HOUR, timers=False)
    target = check_against_ledger(dateline, post_id, texts)
    assert (target.status, (target.error or {})["code"]) == ("failed", "stopped")
    assert dateline.api("POST", f"/v1/posts/{post_id}/stop", {}).status == 409
    assert dateline.api("POST", f"/v1/posts/{post_id}/retry", {}).status == 200
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


@pytest.mark.parametrize(("outcome", "status"), [("published", "published"), ("not_published", "failed")])
def test_a_person_settles_what_nobody_else_can(dateline: Dateline, outcome: str, status: str) -> None:
    dateline.world.add_fault("telegram", "lost_answer" if outcome == "published" else "server_error")
    post_id, texts = make(dateline, "telegram", "text")
    assert rest(dateline, post_id).status == "unconfirmed"
    assert dateline.api("POST", f"/v1/posts/{post_id}/retry", {}).status == 409, "never sent again blindly"
    body = {"outcome": outcome} | ({"remoteId": shown(dateline, texts)[0][0].remote_id} if outcome == "published" else {})
    settled = dateline.api("POST", f"/v1/posts/{post_id}/targets/prof_telegram/resolve", body)
    assert (settled.status, settled.json()["status"]) == (200, status), settled.body
    if outcome == "not_published":
        dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
        rest(dateline, post_id)
    dateline.stack.run_for(A_WHILE)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


@pytest.mark.parametrize(("on_late", "status"), [("publish", "published"), ("fail", "failed"), ("draft", "draft")])
@pytest.mark.parametrize("late", ["in scheduled", "in queued"])
def test_a_post_that_is_too_late_does_what_on_late_says(dateline: Dateline, on_late: str, status: str, late: str) -> None:
    """Everything stood still for two hours: the entry did not fire, or the message lay in the queue."""
    post_id, texts = make(dateline, "telegram", "text", at=START + HOUR, maxLateness="PT30M", onLate=on_late)
    if late == "in queued":
        dateline.clock.advance(HOUR)
        for entry in dateline.stack.due_schedules():
            dateline.stack.fire(entry)
        assert post_of(dateline, post_id).status == "queued"
    dateline.clock.advance(2 * HOUR)
    dateline.stack.run_for(5 * MINUTE)
    post = post_of(dateline, post_id)
    assert (post.status, len(shown(dateline, texts)[0])) == (status, 1 if status == "published" else 0)
    assert (post.error or {}).get("code") == ("too_late" if status == "failed" else None)


# Words that were said before

@pytest.mark.parametrize("network", ["mastodon", "bluesky", "gotosocial"])
def test_two_posts_with_the_same_words_are_told_apart_after_lost_answers(dateline: Dateline, network: str) -> None:
    platform = "mastodon" if network == "gotosocial" else network
    profile = gotosocial(dateline) if network == "gotosocial" else connect(dateline, network)
    dateline.world.add_fault(platform, "lost_answer", times=2)
    posts = [
        dateline.post(profile, text="Good morning", publishNow=True, allowDuplicate=True)["id"] for _ in range(2)
    ]
    targets = [rest(dateline, post_id) for post_id in posts]
    assert [target.status for target in targets] == ["published", "published"]
    noted = [target.remotes[0].id for target in targets]
    assert sorted(noted) == sorted(entry.remote_id for entry in dateline.world.seen(platform, profile)) and len(set(noted)) == 2


def test_one_lost_and_one_refused_post_with_the_same_words_do_not_take_each_others_place(dateline: Dateline) -> None:
    first = dateline.post("prof_x", text="Good morning", publishNow=True)["id"]
    second = dateline.post("prof_x", text="Good morning", publishNow=True, allowDuplicate=True)["id"]
    dateline.world.add_fault("x", "lost_answer")
    ends = sorted((rest(dateline, p).status, (target_of(dateline, p).error or {}).get("code")) for p in (first, second))
    assert ends == [("failed", "duplicate_content"), ("published", None)]
    assert len(dateline.world.seen("x")) == 1


def test_a_duplicate_of_another_post_is_not_taken_for_the_call_whose_answer_was_lost(dateline: Dateline) -> None:
    """X refuses the words as posted already, and the worker dies before it knows: a later refusal is no find either."""
    first, _ = make(dateline, "x", "text")
    (entry,) = rest(dateline, first) and dateline.world.seen("x")
    second = dateline.post("prof_x", text=entry.text, publishNow=True, allowDuplicate=True)["id"]
    die_after(dateline, "x")
    assert rest(dateline, second).status == "failed"
    assert [e.remote_id for e in dateline.world.seen("x")] == [entry.remote_id] and target_of(dateline, second).remotes == []


def gotosocial(dateline: Dateline) -> str:
    from local.seed import WORKSPACE, profile_of
    from tests.harness import NETWORKS_URL

    return profile_of(dateline.deps, dateline.world, NETWORKS_URL, WORKSPACE, "mastodon", "prof_gotosocial").id


@pytest.mark.parametrize("fault", ["lost_answer", "slow", "server_error"])
def test_a_server_that_ignores_the_idempotency_key_never_doubles(fault: str) -> None:
    with Dateline(call_seconds=5) as dateline:
        dateline.world.add_fault("mastodon", fault, times=3, seconds=9)
        post_id, texts = make(dateline, "mastodon", "text", profile=gotosocial(dateline))
        rest(dateline, post_id)
        dateline.stack.run_for(A_WHILE)
        assert check_against_ledger(dateline, post_id, texts).status == "published"


# Kinds of refusal

def test_what_follows_a_look_is_judged_for_itself(dateline: Dateline) -> None:
    """The first segment's answer is lost and found; the second is refused. That is a failure, nothing uncertain."""
    dateline.world.add_fault("x", "lost_answer")
    dateline.world.add_fault("x", "reject")
    post_id, texts = make(dateline, "x", "thread")
    target = rest(dateline, post_id, MINUTE)
    assert (target.status, (target.error or {})["code"], len(target.remotes)) == ("failed", "rejected", 1)
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {})
    rest(dateline, post_id)
    assert check_against_ledger(dateline, post_id, texts).status == "published"


def test_a_last_try_that_may_still_take_effect_is_waited_for_before_it_is_called_failed() -> None:
    """Bluesky may be repeated safely; where it is not repeated any more, a slow server must not make a failed post appear."""
    with Dateline(call_seconds=5) as dateline:
        dateline.world.add_fault("bluesky", "server_error", times=5)
        dateline.world.add_fault("bluesky", "slow", seconds=9)
        post_id, texts = make(dateline, "bluesky", "text")
        rest(dateline, post_id)
        assert (target_of(dateline, post_id).tries, check_against_ledger(dateline, post_id, texts).status) == (6, "published")


def test_a_profile_removed_while_its_post_is_uncertain_leaves_the_post_unconfirmed(dateline: Dateline) -> None:
    """The API refuses it while a post is being published; the two may still pass one another."""
    post_id, texts = make(dateline, "mastodon", "text")
    die_after(dateline, "mastodon")
    assert dateline.api("DELETE", "/v1/profiles/prof_mastodon?cancelPending=true").status == 409
    dateline.deps.profiles.delete("prof_mastodon", dateline.clock.now())
    rest(dateline, post_id, 5 * MINUTE)
    assert check_against_ledger(dateline, post_id, texts).status == "unconfirmed"


def test_a_profile_removed_while_its_post_waits_fails_the_post(dateline: Dateline) -> None:
    dateline.world.add_fault("telegram", "rate_limit", retry_after=600)
    post_id, texts = make(dateline, "telegram", "text")
    dateline.stack.settle()
    assert dateline.api("DELETE", "/v1/profiles/prof_telegram?cancelPending=true").status == 204
    rest(dateline, post_id)
    target = check_against_ledger(dateline, post_id, texts)
    assert (target.status, (target.error or {})["code"]) == ("failed", "profile_deleted")


def test_one_bad_target_does_not_mark_the_others(dateline: Dateline) -> None:
    dateline.world.add_fault("x", "reject")
    dateline.world.add_fault("telegram", "lost_answer")
    post_id = dateline.post("prof_x", "prof_mastodon", "prof_telegram", text="Truth per target", publishNow=True)["id"]
    dateline.stack.run_for(A_WHILE)
    post = post_of(dateline, post_id)
    assert {t.platform: t.status for t in post.targets.values()} == {
        "x": "failed", "mastodon": "published", "telegram": "unconfirmed",
    }
    assert post.status == "unconfirmed"
    dateline.api("POST", f"/v1/posts/{post_id}/retry", {"profileIds": ["prof_x"]})
    dateline.stack.run_for(A_WHILE)
    assert len(dateline.world.seen()) == 3 and post_of(dateline, post_id).targets["prof_x"].status == "published"


def test_of_a_busy_profiles_posts_those_nearest_to_a_lost_call_are_known(dateline: Dateline) -> None:
    with BookingRow.batch_write() as batch:
        for number in range(250):
            slot = f"{sortable(START + number * MINUTE)}#post_{number}"
            batch.save(BookingRow("prof_busy", slot, post_id=f"post_{number}", ws=WORKSPACE, state="pending"))
    known = dateline.deps.bookings.around("prof_busy", sortable(START - HOUR), sortable(START + 250 * MINUTE))
    assert set(known) == {f"post_{number}" for number in range(50, 250)}
