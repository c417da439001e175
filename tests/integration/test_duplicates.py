"""The same content on the same profile within 24 hours: what counts as the same, what stands in the way, and for how long."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dateline.domain.fingerprints import TWIN_PAGE, TWIN_SPAN, twin_pages
from tests.api_checks import nothing_written, refused
from tests.harness import Dateline
from tests.integration.usage_checks import Tenant

HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=1)
SAME = "The same words"


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


@pytest.fixture(autouse=True)
def clean(dateline: Dateline) -> Iterator[None]:
    yield
    dateline.stack.settle(timers=False)
    dateline.world.faults.clear()


def edge(dateline: Dateline, days: int = 10) -> datetime:
    """A moment at which one page of the register ends and the next begins, some days from now."""
    page = twin_pages(dateline.clock.now() + timedelta(days=days))[0] + 1
    return datetime.fromtimestamp(page * TWIN_PAGE.total_seconds(), UTC)


def test_a_twin_is_refused_and_named(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, b, noon = shop.profile(), shop.profile("bluesky"), shop.soon(hours=5)
    first = shop.post(a, at=noon, text=SAME)
    problem = shop.refused(shop.body(b, a, at=noon + HOUR, text=SAME), "duplicate_content", "/profileIds/1", postId=first["id"])
    assert problem["status"] == 409 and first["id"] in problem["detail"] and "allowDuplicate" in problem["detail"]
    assert problem["errors"][0]["profileId"] == problem["profileId"] == a
    shop.refused(shop.body(a, publishNow=True, text=SAME), "duplicate_content", "/profileIds/0", postId=first["id"])
    shop.post(b, at=noon, text=SAME)  # another profile
    shop.post(a, at=noon + HOUR, text=SAME, allowDuplicate=True)
    shop.post(a, text=SAME)  # a draft


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("offset", [0, 1, 12, 23, 24, 36])
def test_24_hours_are_counted_to_the_moment_wherever_a_page_of_the_register_ends(
    dateline: Dateline, side: int, offset: int
) -> None:
    shop = Tenant(dateline)
    a, noon = shop.profile(), edge(dateline) + side * offset * HOUR
    shop.post(a, at=noon, text=SAME)
    shop.refused(shop.body(a, at=noon + side * (TWIN_SPAN - MOMENT), text=SAME), "duplicate_content", "/profileIds/0")
    shop.post(a, at=noon + side * TWIN_SPAN, text=SAME)
    shop.refused(shop.body(a, at=noon + side * TWIN_SPAN / 2, text=SAME), "duplicate_content", "/profileIds/0")


@pytest.mark.parametrize("other", [
    {"text": SAME + "!"}, {"text": SAME.upper()}, {"text": None, "thread": [{"text": SAME}, {"text": "And more"}]},
    {"media": [{"url": "https://cdn.example.com/a.jpg", "type": "image", "altText": "A"}]},
    {"platforms": {"mastodon": {"text": "In other words"}}}, {"platforms": {"mastodon": {"visibility": "unlisted"}}},
])
def test_what_the_network_would_be_given_is_compared(dateline: Dateline, other: dict[str, Any]) -> None:
    shop = Tenant(dateline)
    a, noon = shop.profile(), shop.soon()
    shop.post(a, at=noon, text=SAME)
    shop.post(a, at=noon + HOUR, **{"text": SAME, **other})
    shop.refused(shop.body(a, at=noon + 2 * HOUR, **{"text": SAME, **other}), "duplicate_content", "/profileIds/0")


def test_labels_blanks_and_another_networks_override_make_no_difference(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, b, noon = shop.profile(), shop.profile("bluesky"), shop.soon()
    shop.post(a, at=noon, text=SAME)
    for more in ({"labels": ["x"]}, {"metadata": {"a": 1}}, {"text": f"  {SAME}\n"}, {"thread": [{"text": SAME}], "text": None}):
        shop.refused(shop.body(a, at=noon + HOUR, **{"text": SAME, **more}), "duplicate_content", "/profileIds/0")
    override = {"platforms": {"bluesky": {"text": "Elsewhere"}}}
    shop.refused(shop.body(a, b, at=noon + HOUR, text=SAME, **override), "duplicate_content", "/profileIds/0")
    shop.post(b, at=noon + HOUR, text=SAME, **override)
    shop.post(b, at=noon + HOUR, text=SAME)  # what Bluesky was given there are other words
    shop.refused(shop.body(b, at=noon + HOUR, text="Elsewhere"), "duplicate_content", "/profileIds/0")


def test_what_was_cancelled_put_back_or_failed_stands_in_nobodys_way(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, noon = shop.profile(), shop.soon()
    shop.cancel(shop.post(a, at=noon, text=SAME))
    draft = shop.post(a, at=noon, text=SAME)
    assert shop.patch(draft, status="draft").status == 200
    dateline.world.add_fault("mastodon", "reject")
    failed = shop.post(a, publishNow=True, text="Now")
    shop.refused(shop.body(a, publishNow=True, text="Now"), "duplicate_content", "/profileIds/0", postId=failed["id"])
    dateline.stack.settle(timers=False)
    assert shop.read(failed)["status"] == "failed"
    now = shop.post(a, publishNow=True, text="Now")
    dateline.stack.settle(timers=False)
    assert shop.read(now)["status"] == "published"
    shop.refused(shop.body(a, publishNow=True, text="Now"), "duplicate_content", "/profileIds/0", postId=now["id"])
    twin = shop.post(a, at=noon, text=SAME)
    with nothing_written(dateline):
        refused(shop.patch(draft, status="scheduled"), "duplicate_content", "/profileIds/0", postId=twin["id"])
    assert shop.patch(draft, status="scheduled", scheduledFor=noon + TWIN_SPAN).status == 200


def test_a_twin_that_was_allowed_is_known_after_the_first_is_gone(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, noon = shop.profile(), shop.soon()
    first = shop.post(a, at=noon, text=SAME)
    second = shop.post(a, at=noon + HOUR, text=SAME, allowDuplicate=True)
    shop.cancel(first)
    shop.refused(shop.body(a, at=noon + 2 * HOUR, text=SAME), "duplicate_content", "/profileIds/0", postId=second["id"])
    assert shop.patch(second, allowDuplicate=False).status == 200, "it is alone now"
    third = shop.post(a, at=noon + HOUR, text=SAME, allowDuplicate=True)
    with nothing_written(dateline):
        refused(shop.patch(third, allowDuplicate=False), "duplicate_content", "/profileIds/0", postId=second["id"])


def test_an_edit_makes_no_twin_either(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, b, noon = shop.profile(), shop.profile(), edge(dateline) - HOUR
    first = shop.post(a, at=noon, text=SAME)
    for away in (timedelta(hours=25), -timedelta(hours=25), timedelta(days=9)):
        moving = shop.post(a, at=noon + away, text=SAME)
        with nothing_written(dateline):  # within its day, or from far away
            refused(shop.patch(moving, scheduledFor=noon + away / 25), "duplicate_content", "/profileIds/0", postId=first["id"])
            refused(shop.patch(moving, scheduledFor=noon + away / 2 if away < 2 * TWIN_SPAN else noon), "duplicate_content",
                    "/profileIds/0")
        assert shop.patch(moving, scheduledFor=noon + away + (HOUR if away > timedelta() else -HOUR)).status == 200
        shop.cancel(moving)
    other = shop.post(b, at=noon, text=SAME)
    wordy = shop.post(a, at=noon, text="Other words")
    with nothing_written(dateline):
        refused(shop.patch(other, profileIds=[b, a]), "duplicate_content", "/profileIds/1", postId=first["id"])
        refused(shop.patch(wordy, text=SAME), "duplicate_content", "/profileIds/0", postId=first["id"])
    assert shop.patch(first, text="Yet other words").status == 200
    assert shop.patch(wordy, text=SAME).status == 200
    with nothing_written(dateline):
        refused(shop.patch(first, text=SAME), "duplicate_content", "/profileIds/0", postId=wordy["id"])


def test_a_post_that_moves_away_and_back_meets_who_came_meanwhile(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, noon = shop.profile(), shop.soon(days=2)
    first = shop.post(a, at=noon, text=SAME)
    assert shop.patch(first, scheduledFor=noon + 3 * TWIN_SPAN).status == 200
    second = shop.post(a, at=noon, text=SAME)
    with nothing_written(dateline):
        refused(shop.patch(first, scheduledFor=noon), "duplicate_content", "/profileIds/0", postId=second["id"])
    shop.cancel(second)
    assert shop.patch(first, scheduledFor=noon).status == 200


def test_a_move_that_nobody_is_like_reads_nothing_of_the_register(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, noon = shop.profile(), shop.soon(days=2)
    post = shop.post(a, at=noon)
    for at in (noon + HOUR, noon + 5 * TWIN_SPAN, edge(dateline) - HOUR):
        with dateline.stack.counting() as calls:
            assert shop.patch(post, scheduledFor=at).status == 200
        assert "BatchGetItem" not in {operation for _, operation in calls}


@pytest.mark.parametrize("seed", range(4))
def test_any_run_of_moves_is_refused_exactly_when_a_live_twin_is_near(dateline: Dateline, seed: int) -> None:
    luck, shop = random.Random(seed), Tenant(dateline)
    a, start = shop.profile(), edge(dateline) - timedelta(days=2)
    live: dict[str, datetime] = {}
    drafts: list[str] = []

    def near(at: datetime, own: str = "") -> bool:
        return any(abs(at - other) < TWIN_SPAN for id, other in live.items() if id != own)

    refusals = 0
    for _ in range(45):
        at = start + luck.randrange(0, 24) * 4 * HOUR
        move = luck.choice(("create", "create", "allow", "move", "move", "cancel", "draft", "back"))
        if move in ("create", "allow"):
            answer = shop.create(a, at=at, text=SAME, allowDuplicate=move == "allow")
            allowed, id = move == "allow" or not near(at), answer.json().get("id", "")
        elif not (live if move != "back" else drafts):
            continue
        else:
            id = luck.choice(list(live) if move != "back" else drafts)
            if move == "cancel":
                shop.cancel({"id": id})
                del live[id]
                continue
            if move == "draft":
                assert shop.patch({"id": id}, status="draft", allowDuplicate=False).status == 200
                drafts.append(id)
                del live[id]
                continue
            answer = shop.patch({"id": id}, scheduledFor=at)
            allowed = not near(at, id) or shop.read({"id": id})["allowDuplicate"]
        assert (answer.status < 300) == allowed, (move, at, live, answer.body)
        if allowed:
            live[id] = at
            drafts = [other for other in drafts if other != id]
        else:
            refusals += 1
            assert answer.json()["code"] == "duplicate_content"
    assert refusals >= 5
