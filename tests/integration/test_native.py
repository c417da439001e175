"""Networks that keep posts until their time: handed over, taken back before an edit or a cancel counts, confirmed in the end.

Whatever is lost on the way, the post goes out once, at its time; and nothing that was cancelled goes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from local.stack import Crash, Phase
from tests.harness import START, Dateline
from tests.integration.scene import check_against_ledger, interrupted, rest, target_of

HOUR = timedelta(hours=1)
VIDEO = [{"url": "https://media.example/film.mp4", "type": "video"}]


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def schedule(dateline: Dateline, network: str = "mastodon", text: str = "Kept", at: timedelta = HOUR, **more: Any) -> str:
    """A post that its network is to keep."""
    if network == "youtube":
        more.setdefault("media", VIDEO)
    options = {"nativeSchedule": True} if network != "youtube" else {}
    made = dateline.post(f"prof_{network}", text=text, at=START + at, platforms={network: options}, **more)
    found: str = made["id"]
    return found


def placed(dateline: Dateline, network: str = "mastodon", **more: Any) -> str:
    post_id = schedule(dateline, network, **more)
    dateline.stack.run_for(timedelta(minutes=2))
    target = target_of(dateline, post_id)
    assert target.status == "placed", (target.status, target.native)
    assert dateline.read(post_id)["status"] == dateline.read(post_id)["targets"][0]["status"] == "scheduled"
    assert dateline.world.seen(network) == []
    return post_id


def published_once(dateline: Dateline, post_id: str, text: str = "Kept", at: timedelta = HOUR) -> None:
    """It went out at its time, neither before nor twice."""
    assert rest(dateline, post_id, timedelta(hours=4)).status == "published"
    dateline.stack.run_for(HOUR)
    check_against_ledger(dateline, post_id, [text])
    (entry,) = [e for e in dateline.world.seen() if e.text == text]
    assert START + at <= entry.at <= START + at + timedelta(minutes=30)


@pytest.mark.parametrize("network", ["mastodon", "youtube"])
def test_a_kept_post_goes_out_at_its_time_without_dateline_publishing_it(dateline: Dateline, network: str) -> None:
    post_id = placed(dateline, network)
    published_once(dateline, post_id)
    (target,) = dateline.read(post_id)["targets"]
    assert target["attempts"] == 1 and target["native"]["state"] == "placed"
    events = [event["type"] for event in dateline.api("GET", f"/v1/posts/{post_id}/events").json()["data"]]
    assert events == ["post.scheduled", "post.queued", "post.publishing", "target.published", "post.published"]


def test_a_network_keeps_posts_only_where_that_is_asked_for_or_its_way(dateline: Dateline) -> None:
    post = dateline.post("prof_mastodon", at=START + HOUR)
    video = dateline.post("prof_youtube", at=START + HOUR, media=VIDEO, platforms={"youtube": {"nativeSchedule": False}})
    near = schedule(dateline, text="Near", at=timedelta(minutes=4))
    dateline.stack.run_for(timedelta(minutes=2))
    assert {target_of(dateline, post_id).status for post_id in (post["id"], video["id"], near)} == {"waiting"}
    published_once(dateline, near, "Near", timedelta(minutes=4))


@pytest.mark.parametrize("network", ["mastodon", "youtube"])
def test_a_reschedule_is_carried_through_and_the_post_goes_out_at_its_new_time_only(dateline: Dateline, network: str) -> None:
    post_id = placed(dateline, network)
    answer = dateline.api("PATCH", f"/v1/posts/{post_id}", {"scheduledFor": (START + 2 * HOUR).isoformat()})
    assert answer.status == 200, answer.body
    dateline.stack.run_for(timedelta(minutes=2))
    assert target_of(dateline, post_id).status == "placed", "handed over anew"
    published_once(dateline, post_id, at=2 * HOUR)


@pytest.mark.parametrize("network", ["mastodon", "youtube"])
def test_a_cancelled_post_never_goes_out_and_nothing_is_left_of_it(dateline: Dateline, network: str) -> None:
    post_id = placed(dateline, network)
    assert dateline.api("DELETE", f"/v1/posts/{post_id}").status == 200
    dateline.stack.run_for(3 * HOUR)
    assert dateline.world.seen(network) == [] and dateline.read(post_id)["status"] == "cancelled"
    if network == "youtube":
        stand_in: Any = dateline.world.networks["youtube"]
        assert [v for v in stand_in.videos.values() if not getattr(v, "gone", False)] == [], "no private video is left behind"


def test_an_edit_of_the_words_reaches_what_the_network_keeps(dateline: Dateline) -> None:
    post_id = placed(dateline)
    assert dateline.api("PATCH", f"/v1/posts/{post_id}", {"text": "Better words"}).status == 200
    dateline.stack.run_for(timedelta(minutes=2))
    assert target_of(dateline, post_id).status == "placed"
    published_once(dateline, post_id, "Better words")
    assert [e.text for e in dateline.world.seen("mastodon")] == ["Better words"]


def test_publishing_at_once_takes_it_back_first(dateline: Dateline) -> None:
    post_id = placed(dateline)
    dateline.api("POST", f"/v1/posts/{post_id}/publish", {}, headers={"prefer": "respond-async"})
    published_once(dateline, post_id, at=timedelta(0))


def test_two_posts_of_the_same_words_and_time_never_share_what_the_network_keeps(dateline: Dateline) -> None:
    first = placed(dateline)
    dateline.world.add_fault("mastodon", "server_error")
    second = schedule(dateline)
    dateline.stack.run_for(timedelta(minutes=2))
    kept = [(target_of(dateline, post_id).native or {}).get("id") for post_id in (first, second)]
    assert kept[0] is not None and kept[0] != kept[1]


@pytest.mark.parametrize("change", [("DELETE", None), ("PATCH", {"text": "Other words"})])
@pytest.mark.parametrize("fault", ["server_error", "lost_answer", "rate_limit"])
def test_what_the_network_does_not_confirm_is_not_acknowledged(
    dateline: Dateline, fault: str, change: tuple[str, Any]
) -> None:
    post_id = placed(dateline)
    dateline.world.add_fault("mastodon", fault, at="delete", times=5)
    method, body = change
    answer = dateline.api(method, f"/v1/posts/{post_id}", body)
    assert (answer.status, answer.json()["code"]) == (503, "try_again") and "retry-after" in answer.headers
    assert dateline.read(post_id)["status"] == "scheduled" and dateline.read(post_id)["text"] == "Kept"
    published_once(dateline, post_id)


def test_a_cancel_whose_confirmation_was_lost_may_be_repeated(dateline: Dateline) -> None:
    post_id = placed(dateline)
    dateline.world.add_fault("mastodon", "lost_answer", at="delete")
    assert dateline.api("DELETE", f"/v1/posts/{post_id}").status == 503
    assert dateline.api("DELETE", f"/v1/posts/{post_id}").status == 200
    dateline.stack.run_for(3 * HOUR)
    assert dateline.world.seen("mastodon") == []


@pytest.mark.parametrize("fault", ["server_error", "lost_answer", "rate_limit", "slow"])
@pytest.mark.parametrize("network", ["mastodon", "youtube"])
def test_a_hand_over_that_meets_trouble_ends_in_one_post_all_the_same(dateline: Dateline, network: str, fault: str) -> None:
    dateline.world.add_fault(network, fault, seconds=9, retry_after=40)
    post_id = schedule(dateline, network)
    dateline.stack.run_for(timedelta(minutes=20))
    assert dateline.world.seen(network) == []
    published_once(dateline, post_id)


def test_a_refused_hand_over_is_left_to_our_own_schedule(dateline: Dateline) -> None:
    dateline.world.add_fault("mastodon", "reject")
    post_id = schedule(dateline)
    dateline.stack.run_for(timedelta(minutes=5))
    target = dateline.read(post_id)["targets"][0]
    assert target["status"] == "scheduled" and target["native"]["state"] == "given_up" and target["native"]["error"]
    published_once(dateline, post_id)


@pytest.mark.parametrize("network", ["mastodon", "youtube"])
def test_a_worker_that_dies_at_any_call_of_a_hand_over_neither_loses_nor_doubles_the_post(network: str) -> None:
    number = 0
    while True:
        number += 1
        with Dateline() as dateline:
            post_id = schedule(dateline, network)
            died = die_at(dateline, number, "before")
            published_once(dateline, post_id)
            if not died:
                break
    assert number > 4


def die_at(dateline: Dateline, number: int, phase: Phase) -> bool:
    """Let the worker that hands over die around its external call number `number`; False when there were fewer."""
    seen, died = 0, False

    def hook(service: str, operation: str, when: Phase) -> None:
        nonlocal seen, died
        if when == phase and not died:
            seen += 1
            if seen == number:
                died = True
                raise Crash

    interrupted(dateline, hook, lambda: dateline.stack.pump_queue("deliveries", most=1))
    return died


def test_a_network_that_forgets_what_it_kept_is_found_out_and_the_post_goes_out_from_here(dateline: Dateline) -> None:
    post_id = placed(dateline)
    stand_in: Any = dateline.world.networks["mastodon"]
    for account in stand_in.mastodon.accounts.values():
        account.scheduled.clear()
    published_once(dateline, post_id)


def test_an_edit_in_the_middle_of_a_hand_over_is_asked_to_wait(dateline: Dateline) -> None:
    post_id = schedule(dateline)
    answers: list[int] = []

    def hook(service: str, operation: str, when: Phase) -> None:
        if service == "mastodon" and when == "before" and not answers:
            answers.append(0)
            answers[0] = dateline.api("DELETE", f"/v1/posts/{post_id}").status

    interrupted(dateline, hook, lambda: dateline.stack.pump_queue("deliveries", most=1))
    assert answers == [503]
    assert dateline.api("DELETE", f"/v1/posts/{post_id}").status == 200
    dateline.stack.run_for(3 * HOUR)
    assert dateline.world.seen("mastodon") == []


def test_what_the_network_has_published_already_cannot_be_cancelled_any_more(dateline: Dateline) -> None:
    post_id = placed(dateline)
    dateline.clock.advance(HOUR)
    answer = dateline.api("DELETE", f"/v1/posts/{post_id}")
    assert (answer.status, answer.json()["code"]) == (409, "illegal_transition"), answer.body
    published_once(dateline, post_id)


def test_a_removed_profile_takes_its_kept_posts_back_first(dateline: Dateline) -> None:
    placed(dateline)
    assert dateline.api("DELETE", "/v1/profiles/prof_mastodon?cancelPending=true").status == 204
    dateline.stack.run_for(3 * HOUR)
    assert dateline.world.seen("mastodon") == []


def test_a_cancel_that_nobody_can_confirm_any_more_is_not_acknowledged(dateline: Dateline) -> None:
    """The profile's row is gone while its network keeps the post: nobody can ask for it back."""
    post_id = placed(dateline)
    dateline.deps.profiles.delete("prof_mastodon", dateline.clock.now())
    answer = dateline.api("DELETE", f"/v1/posts/{post_id}")
    assert (answer.status, answer.json()["code"]) == (503, "try_again") and "by hand" in answer.json()["detail"]
    assert dateline.read(post_id)["status"] == "scheduled"
