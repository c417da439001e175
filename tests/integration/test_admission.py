"""Every refusal of an admission over HTTP, with its members; nothing written; validate, usage and limits that say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dateline.domain.rules import DailyCap
from dateline.platforms import mastodon
from tests.api_checks import nothing_written, refused
from tests.harness import Dateline
from tests.integration.usage_checks import Tenant, check_usage

PLANS = json.loads((Path(__file__).parents[1] / "data" / "reference_plans.json").read_text(encoding="utf-8"))
STARTER, PRO, _ = PLANS["targets"]
FREE = PLANS["scheduled"][0]
FIVE = timedelta(minutes=5)


@pytest.fixture(scope="module")
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running
        check_usage(running, from_start=False)


@pytest.fixture(autouse=True)
def clean(dateline: Dateline) -> Iterator[None]:
    """Nothing due is left over from the test before."""
    yield
    dateline.stack.settle(timers=False)
    dateline.world.faults.clear()


@pytest.fixture
def capped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mastodon takes three posts in 24 hours."""
    monkeypatch.setattr(mastodon, "RULES", mastodon.RULES._replace(daily_cap=DailyCap(3, 24, "test")))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def z(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


# The plan

def test_the_last_place_of_pending_targets_is_given_once(dateline: Dateline) -> None:
    shop = Tenant(dateline, STARTER)
    a, b = shop.profile(), shop.profile("bluesky")
    shop.post(a, b, at=shop.soon())
    one_place = {"metric": "pendingTargets", "limit": 3, "used": 2, "remaining": 1, "resetsAt": None, "scope": "workspace"}
    shop.refused(shop.body(a, b, at=shop.soon(days=2)), "limit_exceeded", "/profileIds", **one_place)
    shop.post(a, at=shop.soon(days=2))
    no_place = {**one_place, "used": 3, "remaining": 0}
    shop.refused(shop.body(a, at=shop.soon(days=3)), "limit_exceeded", "/profileIds", **no_place)
    shop.refused(shop.body(a, publishNow=True), "limit_exceeded", "/profileIds", **no_place)
    shop.post(a, b)  # a draft is free


def test_a_cancel_a_draft_and_an_end_give_the_place_back(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": 2})
    a, b = shop.profile(), shop.profile("bluesky")
    first = shop.post(a, b, at=shop.soon())
    shop.cancel(first)
    assert shop.usage("pendingTargets")["used"] == 0
    second = shop.post(a, b, at=shop.soon())
    assert shop.patch(second, status="draft").status == 200
    assert shop.usage("pendingTargets")["used"] == 0
    shop.post(a, b, publishNow=True)
    shop.refused(shop.body(a, at=shop.soon()), "limit_exceeded", "/profileIds", used=2)
    dateline.stack.settle(timers=False)
    assert shop.usage("pendingTargets")["used"] == 0, "both are published"
    shop.post(a, b, at=shop.soon(days=2))


def test_each_target_gives_its_place_back_by_itself(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": [{"limit": 2}, {"limit": 1, "scope": "profile"}]})
    a, b = shop.profile(), shop.profile("x")
    dateline.world.add_fault("x", "rate_limit", retry_after=600)
    post = shop.post(a, b, publishNow=True)
    dateline.stack.settle(timers=False)
    assert [t["status"] for t in shop.read(post)["targets"]] == ["published", "retrying"]
    usage = shop.usage("pendingTargets")
    assert (usage["used"], usage["profiles"][a]["used"], usage["profiles"][b]["used"]) == (1, 0, 1)
    shop.post(a, at=shop.soon(days=2))
    shop.refused(shop.body(b, at=shop.soon(days=2)), "limit_exceeded", "/profileIds")
    assert shop.api("POST", f"/v1/posts/{post['id']}/stop", {}).status == 200
    assert shop.usage("pendingTargets")["profiles"][b]["used"] == 0
    assert shop.api("POST", f"/v1/posts/{post['id']}/retry", {}).status == 200
    shop.post(b, at=shop.soon(days=3))
    assert shop.usage("pendingTargets")["used"] == 2, "a retry takes no place"
    dateline.stack.run_for(timedelta(minutes=11))  # X has said how long its limit is used up, so nobody asks it before
    assert shop.read(post)["status"] == "published"
    check_usage(dateline, only=shop.id)


def test_a_profile_has_its_own_limit(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"name": "Two each", "pendingTargets": {"limit": 2, "scope": "profile"}})
    a, b = shop.profile(), shop.profile("bluesky")
    for days in (1, 2):
        shop.post(a, at=shop.soon(days=days))
    problem = shop.refused(
        shop.body(a, b, at=shop.soon(days=3)), "limit_exceeded", "/profileIds", metric="pendingTargets", limit=2, used=2,
        remaining=0, resetsAt=None, scope="profile", profileId=a,
    )
    assert len(problem["errors"]) == 1 and "Two each" in problem["detail"]
    shop.post(b, at=shop.soon(days=3))


def test_a_month_is_never_given_back_and_counts_each_target_once(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"targetsPerMonth": 4})
    a, b, c = shop.profile(), shop.profile(), shop.profile()
    post = shop.post(a, at=shop.soon())
    for changes in ({"text": "Other words"}, {"scheduledFor": shop.soon(days=2)}, {"status": "draft"}, {"status": "scheduled"}):
        assert shop.patch(post, **changes).status == 200
    assert shop.usage("targetsPerMonth")["used"] == 1, "never twice, whatever is edited"
    assert shop.patch(post, profileIds=[b]).status == 200
    assert shop.patch(post, profileIds=[a]).status == 200
    assert shop.usage("targetsPerMonth")["used"] == 2, "a replaced profile keeps what it took, and comes back for nothing"
    shop.cancel(post)
    assert shop.usage("targetsPerMonth") == {
        "limit": 4, "scope": "workspace", "used": 2, "remaining": 2, "resetsAt": "2027-07-01T00:00:00Z",
    }
    shop.refused(
        shop.body(a, b, c, at=shop.soon()), "limit_exceeded", "/profileIds", metric="targetsPerMonth", limit=4, used=2,
        remaining=2, resetsAt="2027-07-01T00:00:00Z",
    )


def test_what_is_published_at_once_is_not_a_scheduled_target(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"scheduledTargetsPerMonth": 1})
    a = shop.profile()
    post = shop.post(a, publishNow=True)
    assert shop.usage("scheduledTargetsPerMonth")["used"] == 0
    assert shop.patch(post, scheduledFor=shop.soon()).status == 200, "nobody has claimed it yet"
    assert shop.usage("scheduledTargetsPerMonth")["used"] == 1
    other = shop.post(a, publishNow=True)
    with nothing_written(dateline):
        refused(shop.patch(other, scheduledFor=shop.soon(days=2)), "limit_exceeded", "/profileIds", used=1)


def test_a_plan_counts_from_when_it_is_set(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, b = shop.profile(), shop.profile()
    early = shop.post(a, at=shop.soon())
    shop.set(plan={"pendingTargets": 1, "targetsPerMonth": 1})
    assert shop.usage("pendingTargets")["used"] == 0
    assert shop.patch(early, text="An edit takes nothing").status == 200
    assert shop.usage("targetsPerMonth")["used"] == 0
    assert shop.patch(early, profileIds=[a, b]).status == 200
    assert shop.usage("pendingTargets")["used"] == 1, "what an edit adds does"
    with nothing_written(dateline):
        refused(shop.create(b, at=shop.soon(days=2)), "limit_exceeded", "/profileIds")
    shop.set(plan={"pendingTargets": 0})
    assert shop.patch(early, text="What stands may be edited under a smaller plan").status == 200
    shop.cancel(early)
    assert shop.usage("pendingTargets")["used"] == 0
    check_usage(dateline, from_start=False, only=shop.id)


def test_an_edit_at_the_limit_may_replace_a_profile_but_not_add_one(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": 2})
    a, b, c = shop.profile(), shop.profile(), shop.profile()
    post = shop.post(a, b, at=shop.soon())
    with nothing_written(dateline):
        refused(shop.patch(post, profileIds=[a, b, c]), "limit_exceeded", "/profileIds", used=2, remaining=0)
    assert shop.patch(post, profileIds=[b, c]).status == 200
    assert shop.usage("pendingTargets")["used"] == 2


def test_a_network_that_the_plan_leaves_out_is_refused_for_drafts_too(dateline: Dateline) -> None:
    shop = Tenant(dateline, STARTER)
    a, x = shop.profile(), shop.profile("x")
    for body in (shop.body(a, x), shop.body(a, x, at=shop.soon()), shop.body(a, x, publishNow=True)):
        shop.refused(body, "platform_not_allowed", "/profileIds/1", platform="x", profileId=x)
    draft = shop.post(a)
    with nothing_written(dateline):
        refused(shop.patch(draft, profileIds=[a, x]), "platform_not_allowed", "/profileIds/1")
    assert dateline.post("prof_x")["status"] == "draft", "another workspace's plan is its own"


def test_what_stood_before_the_plan_left_its_network_out_can_still_be_edited(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    x = shop.profile("x")
    post = shop.post(x, at=shop.soon())
    shop.set(plan=STARTER)
    assert shop.patch(post, text="A better word").status == 200
    with nothing_written(dateline):
        moved = shop.patch(post, scheduledFor=shop.soon(days=2))
        refused(moved, "platform_not_allowed", "/profileIds/0")
    assert shop.api("DELETE", f"/v1/posts/{post['id']}").status == 200


def test_a_plans_horizon_is_on_top_of_the_deployments(dateline: Dateline) -> None:
    shop = Tenant(dateline, STARTER)
    a, now = shop.profile(), dateline.clock.now()
    late = now + timedelta(days=7, seconds=1)
    shop.refused(shop.body(a, at=late), "limit_exceeded", "/scheduledFor", metric="horizonDays", limit=7, used=8, remaining=0,
                 resetsAt=None)
    draft = shop.post(a)
    with nothing_written(dateline):
        refused(shop.patch(draft, scheduledFor=late), "limit_exceeded", "/scheduledFor", metric="horizonDays")
    post = shop.post(a, at=now + timedelta(days=7))
    with nothing_written(dateline):
        refused(shop.patch(post, scheduledFor=late), "limit_exceeded", "/scheduledFor", metric="horizonDays")
    shop.refused(shop.body(a, at=now + timedelta(days=366)), "beyond_horizon", "/scheduledFor")


# Spacing

def test_two_posts_of_a_profile_keep_their_distance(dateline: Dateline) -> None:
    shop = Tenant(dateline, FREE)
    a, b, noon = shop.profile(), shop.profile(), shop.soon()
    first = shop.post(a, at=noon)
    for near in (noon, noon + FIVE - timedelta(milliseconds=1), noon - FIVE + timedelta(seconds=1)):
        problem = shop.refused(
            shop.body(a, at=near), "too_close", "/scheduledFor", minSpacingMinutes=5, nextFreeAt=z(noon + FIVE), profileId=a
        )
    shop.post(b, at=noon)  # another profile
    shop.post(a, at=noon - FIVE)  # exactly that far apart
    shop.post(a, at=at(problem["nextFreeAt"]))
    shop.refused(shop.body(a, at=noon), "too_close", "/scheduledFor", nextFreeAt=z(noon + 2 * FIVE))
    shop.cancel(first)
    shop.post(a, at=noon)


def test_the_longer_of_the_workspaces_and_the_plans_spacing_holds(dateline: Dateline) -> None:
    shop = Tenant(dateline, FREE, min_spacing_minutes=30)
    a, noon = shop.profile(), shop.soon()
    shop.post(a, at=noon)
    shop.refused(shop.body(a, at=noon + timedelta(minutes=29)), "too_close", "/scheduledFor", minSpacingMinutes=30)
    shop.set(min_spacing_minutes=1)
    shop.refused(shop.body(a, at=noon + timedelta(minutes=4)), "too_close", "/scheduledFor", minSpacingMinutes=5)
    shop.post(a, at=noon + timedelta(minutes=29))
    shop.set(plan=None, min_spacing_minutes=0)
    shop.post(a, at=noon)


def test_drafts_failures_and_the_post_itself_stand_in_nobodys_way(dateline: Dateline) -> None:
    shop = Tenant(dateline, min_spacing_minutes=10)
    a, now = shop.profile(), dateline.clock.now()
    dateline.world.add_fault("mastodon", "reject")
    failed = shop.post(a, publishNow=True)
    shop.refused(shop.body(a, publishNow=True), "too_close", "/profileIds/0", nextFreeAt=z(now + timedelta(minutes=10)))
    dateline.stack.settle(timers=False)
    assert shop.read(failed)["status"] == "failed"
    shop.post(a, at=shop.soon(minutes=5))
    draft = shop.post(a, at=shop.soon(hours=1))
    assert shop.patch(draft, status="draft").status == 200
    near = shop.post(a, at=shop.soon(hours=1, minutes=3))
    for changes in ({"text": "Same time"}, {"scheduledFor": shop.soon(hours=1, minutes=4)}):
        assert shop.patch(near, **changes).status == 200
    with nothing_written(dateline):
        refused(shop.patch(draft, status="scheduled"), "too_close", "/scheduledFor", nextFreeAt=z(shop.soon(hours=1, minutes=14)))
    assert shop.patch(draft, scheduledFor=shop.soon(hours=1, minutes=14)).status == 200
    with nothing_written(dateline):
        refused(shop.patch(draft, scheduledFor=shop.soon(hours=1, minutes=13)), "too_close", "/scheduledFor")
        refused(shop.patch(draft, profileIds=[a], scheduledFor=shop.soon(minutes=14)), "too_close", "/scheduledFor")
        refused(shop.patch(draft, status="publish"), "too_close", "/profileIds/0")
        refused(shop.api("POST", f"/v1/posts/{draft['id']}/publish", {}, prefer="respond-async"), "too_close", "/profileIds/0")


def test_the_next_free_time_is_found_behind_any_number_of_posts(dateline: Dateline) -> None:
    from dateline.store.bookings import bookings_of
    from dateline.store.posts import to_row
    from dateline.store.tables import BookingRow, PostRow
    from tests.integration.scene import post_of

    shop = Tenant(dateline, FREE)
    a, noon = shop.profile(), shop.soon(days=3)
    model = post_of(dateline, shop.post(a, at=noon)["id"])
    with PostRow.batch_write() as posts, BookingRow.batch_write() as bookings:
        for number in range(1, 300):
            model.id, model.publish_at, model.charges = f"post_crowd_{number}", noon + number * FIVE, {}
            posts.save(to_row(model, quiet=True))
            for booking in bookings_of(model):
                bookings.save(BookingRow(booking.profile_id, booking.slot, post_id=model.id, ws=booking.ws, state="pending"))
    free = noon + 300 * FIVE
    shop.refused(shop.body(a, at=noon), "too_close", "/scheduledFor", nextFreeAt=z(free))
    shop.post(a, at=free)


def test_a_booking_that_a_move_left_behind_stands_in_nobodys_way(dateline: Dateline) -> None:
    from dateline.store.tables import BookingRow

    shop = Tenant(dateline, FREE)
    a, noon = shop.profile(), shop.soon(days=3)
    moved = shop.post(a, at=noon)
    assert shop.patch(moved, scheduledFor=noon + timedelta(hours=1)).status == 200
    slot = f"{noon.isoformat(timespec='milliseconds').replace('+00:00', 'Z')}#{moved['id']}"
    BookingRow(a, slot, post_id=moved["id"], ws=shop.id, state="pending").save()
    shop.post(a, at=noon)
    shop.refused(shop.body(a, at=noon + timedelta(hours=1)), "too_close", "/scheduledFor")


# A network's cap

@pytest.mark.usefixtures("capped")
def test_a_networks_cap_is_held_for_every_window(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, b, x, noon = shop.profile(), shop.profile(), shop.profile("x"), shop.soon(days=2)
    posts = [shop.post(a, at=noon + timedelta(hours=hours)) for hours in (0, 6, 12)]
    said = {"platform": "mastodon", "limit": 3, "window": "PT24H", "nextOkAt": z(noon + timedelta(hours=24)), "profileId": a}
    problem = shop.refused(shop.body(a, x, at=noon + timedelta(hours=3)), "platform_daily_limit", "/scheduledFor", **said)
    assert "Mastodon" in problem["detail"]
    shop.refused(shop.body(a, at=noon - timedelta(hours=11)), "platform_daily_limit", "/scheduledFor", nextOkAt=said["nextOkAt"])
    shop.post(b, x, at=noon + timedelta(hours=3))
    shop.post(a, at=noon - timedelta(hours=12))  # no 24 hours hold all four
    shop.post(a, at=at(problem["nextOkAt"]))
    with nothing_written(dateline):
        again = refused(shop.patch(posts[0], scheduledFor=noon + timedelta(hours=13)), "platform_daily_limit", "/scheduledFor")
    assert shop.patch(posts[0], scheduledFor=again["nextOkAt"]).status == 200


@pytest.mark.usefixtures("capped")
def test_a_cap_counts_what_went_out_but_not_what_failed(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a, now = shop.profile(), dateline.clock.now()
    shop.post(a, publishNow=True)
    dateline.stack.settle(timers=False)
    dateline.world.add_fault("mastodon", "reject")
    shop.post(a, publishNow=True)
    dateline.stack.settle(timers=False)
    shop.post(a, at=shop.soon(hours=1))
    shop.post(a, at=shop.soon(hours=2))
    shop.refused(shop.body(a, publishNow=True), "platform_daily_limit", "/profileIds/0", nextOkAt=z(now + timedelta(days=1)))


@pytest.mark.usefixtures("capped")
def test_the_next_time_keeps_cap_and_spacing(dateline: Dateline) -> None:
    shop = Tenant(dateline, min_spacing_minutes=60)
    a, noon = shop.profile(), shop.soon(days=2)
    for hours in (0, 8, 16, 24):
        shop.post(a, at=noon + timedelta(hours=hours))
    problem = shop.refused(shop.body(a, at=noon + timedelta(hours=1)), "platform_daily_limit", "/scheduledFor")
    limits = shop.api("GET", f"/v1/profiles/{a}/limits?at={z(noon + timedelta(hours=1))}").json()
    assert limits["caps"][0]["nextOkAt"] == limits["spacing"]["nextFreeAt"] == problem["nextOkAt"]
    shop.post(a, at=at(problem["nextOkAt"]))


# Duplicates: in test_duplicates

# Several reasons, and what is said elsewhere

@pytest.mark.usefixtures("capped")
def test_everything_that_stands_against_a_post_is_said_at_once(dateline: Dateline) -> None:
    shop = Tenant(dateline, min_spacing_minutes=10)
    a, b, x, noon = shop.profile(), shop.profile(), shop.profile("x"), shop.soon(days=2)
    twin = shop.post(a, text="The same", at=noon)
    for hours in (1, 2, 3):
        shop.post(b, at=noon + timedelta(hours=hours))
    none = {"limit": 0, "scope": "profile"}
    shop.set(plan={"horizonDays": 1, "excludedPlatforms": ["x"], "pendingTargets": 2, "targetsPerMonth": none})
    problem = shop.refused(shop.body(a, b, x, at=noon, text="The same"), "platform_not_allowed", "/profileIds/2")
    assert [(error["code"], error["pointer"]) for error in problem["errors"]] == [
        ("platform_not_allowed", "/profileIds/2"), ("limit_exceeded", "/scheduledFor"), ("limit_exceeded", "/profileIds"),
        *[("limit_exceeded", "/profileIds")] * 3, ("too_close", "/scheduledFor"), ("platform_daily_limit", "/scheduledFor"),
        ("duplicate_content", "/profileIds/0"),
    ]
    assert problem["errors"][-1]["postId"] == twin["id"]


def test_validate_foretells_exactly_what_create_then_takes(dateline: Dateline) -> None:
    pending = [{"limit": 9}, {"limit": 2, "scope": "profile"}]
    shop = Tenant(dateline, {"pendingTargets": pending, "targetsPerMonth": 50, "scheduledTargetsPerMonth": None})
    a, b = shop.profile(), shop.profile("bluesky")
    shop.post(a, at=shop.soon())
    body = shop.body(a, b, at=shop.soon(days=2))
    with nothing_written(dateline):
        verdict = shop.api("POST", "/v1/posts/validate", body).json()
    assert (verdict["valid"], verdict["status"], verdict["code"]) == (True, "scheduled", None)
    assert shop.api("POST", "/v1/posts", body).status == 201
    usage = shop.api("GET", "/v1/workspace").json()["usage"]
    seen = {(line["metric"], line["profileId"]) for line in verdict["usage"]}
    assert seen == {("pendingTargets", None), ("pendingTargets", a), ("pendingTargets", b), ("targetsPerMonth", None),
                    ("scheduledTargetsPerMonth", None)}
    for line in verdict["usage"]:
        now = usage[line["metric"]] if line["profileId"] is None else usage[line["metric"]]["profiles"][line["profileId"]]
        assert line["used"] + line["takes"] == now["used"]
        assert (line["limit"], line["remaining"], line["resetsAt"]) == (now["limit"], now["remaining"], now["resetsAt"])
    for free in ({}, {"publishNow": True}):
        foretold = shop.api("POST", "/v1/posts/validate", shop.body(b, **free)).json()["usage"]
        assert {line["metric"] for line in foretold} == ({"pendingTargets", "targetsPerMonth"} if free else set())


def test_the_live_and_the_test_side_count_apart(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": 1, "minSpacingMinutes": 5})
    live, test, noon = shop.profile(), shop.profile("sandbox"), shop.soon()
    shop.post(live, at=noon, text="Everywhere")
    shop.post(test, at=noon, text="Everywhere", key=shop.test_key)
    with nothing_written(dateline):
        refused(shop.create(test, at=shop.soon(days=3), key=shop.test_key), "limit_exceeded", "/profileIds", used=1)
    for key in (shop.key, shop.test_key):
        assert shop.usage("pendingTargets", key)["used"] == 1


def test_a_workspace_without_a_plan_counts_nothing(dateline: Dateline) -> None:
    shop = Tenant(dateline)
    a = shop.profile()
    shop.post(a, at=shop.soon())
    seen = shop.api("GET", "/v1/workspace").json()
    assert (seen["usage"], seen["plan"]) == ({}, {"name": "unlimited"})
    limits = shop.api("GET", f"/v1/profiles/{a}/limits").json()
    assert (limits["spacing"], limits["plan"]) == (None, {})
    assert [(cap["limit"], cap["used"]) for cap in limits["caps"]] == [(2400, 0)], "the network's own cap is told all the same"


@pytest.mark.usefixtures("capped")
def test_the_limits_of_a_profile_are_those_that_create_is_held_against(dateline: Dateline) -> None:
    plan = {"targetsPerMonth": {"limit": 5, "scope": "profile"}, "minSpacingMinutes": 15}
    shop = Tenant(dateline, plan)
    a, noon = shop.profile(), shop.soon(days=40)
    gone = shop.post(a, at=noon)
    shop.cancel(gone)
    for minutes in (0, 20, 90):
        shop.post(a, at=noon + timedelta(minutes=minutes))
    for minutes in (-24 * 60 - 1, -24 * 60 + 91, -10, 0, 15, 35, 60, 24 * 60 - 1, 24 * 60, 24 * 60 + 20):
        moment = noon + timedelta(minutes=minutes)
        shown: dict[str, Any] = shop.api("GET", f"/v1/profiles/{a}/limits?at={z(moment)}").json()
        verdict = shop.api("POST", "/v1/posts/validate", shop.body(a, at=moment)).json()
        assert verdict["valid"] == (shown["spacing"]["nextFreeAt"] == z(moment)), minutes
        (cap,) = shown["caps"]
        assert cap["remaining"] == 3 - cap["used"]
        assert (cap["remaining"] == 0) <= (not verdict["valid"])
        if not verdict["valid"]:
            said = verdict["problem"].get("nextFreeAt") or verdict["problem"].get("nextOkAt")
            assert said == cap["nextOkAt"] == shown["spacing"]["nextFreeAt"]
            assert shop.api("POST", "/v1/posts/validate", shop.body(a, at=at(said))).json()["valid"]
        assert shown["plan"]["targetsPerMonth"]["used"] == 4, "the month is that of the request, not that of the post"
    shop.set(plan=plan | {"targetsPerMonth": {"limit": 4, "scope": "profile"}})
    shown = shop.api("GET", f"/v1/profiles/{a}/limits?at={z(noon)}").json()["plan"]["targetsPerMonth"]
    assert (shown["remaining"], shown["resetsAt"]) == (0, "2027-07-01T00:00:00Z")
    shop.refused(shop.body(a, at=noon + timedelta(days=9)), "limit_exceeded", "/profileIds", profileId=a, used=4, remaining=0)


def test_an_admission_asks_once_and_writes_once(dateline: Dateline) -> None:
    shop = Tenant(dateline, {"pendingTargets": 9, "targetsPerMonth": {"limit": 9, "scope": "profile"}})
    a, b = shop.profile(), shop.profile("bluesky")
    with dateline.stack.counting() as calls:
        shop.post(a, b, at=shop.soon())
    counted = {operation: number for (service, operation), number in calls.items() if service == "dynamodb"}
    assert (counted["BatchGetItem"], counted["TransactWriteItems"]) == (1, 1) and "Query" not in counted
    shop.set(min_spacing_minutes=5)
    with dateline.stack.counting() as calls:
        shop.post(a, b, at=shop.soon(days=2))
    counted = {operation: number for (service, operation), number in calls.items() if service == "dynamodb"}
    assert (counted["BatchGetItem"], counted["TransactWriteItems"], counted["Query"]) == (1, 1, 2), "a calendar for each profile"


def test_the_largest_post_is_admitted_in_one_transaction(dateline: Dateline) -> None:
    each = {"limit": 9, "scope": "profile"}
    plan = {"pendingTargets": [each, {"limit": 99}], "targetsPerMonth": [each, {"limit": 99}], "minSpacingMinutes": 5}
    shop = Tenant(dateline, plan)
    profiles, more = [shop.profile("sandbox") for _ in range(45)], [shop.profile("sandbox") for _ in range(5)]
    post = shop.post(*profiles[:25], at=shop.soon(), key=shop.test_key)
    assert shop.patch(post, shop.test_key, scheduledFor=shop.soon(days=2)).status == 200
    with nothing_written(dateline):
        refused(shop.create(profiles[3], at=shop.soon(days=2), key=shop.test_key), "too_close", "/scheduledFor")
    swapped = shop.patch(post, shop.test_key, profileIds=profiles[20:], scheduledFor=shop.soon(days=3))
    assert swapped.status == 200, "bookings that are given up may go after the transaction, what is taken may not"
    for profile in (profiles[3], profiles[22]):
        shop.post(profile, at=shop.soon(days=2), key=shop.test_key)
    assert shop.usage("pendingTargets", shop.test_key)["used"] == 27
    assert shop.patch(post, shop.test_key, profileIds=profiles[:20] + more).status == 200
    assert shop.usage("pendingTargets", shop.test_key)["used"] == 27
    assert shop.api("DELETE", f"/v1/posts/{post['id']}", key=shop.test_key).status == 200
    check_usage(dateline, only=shop.id)


def test_the_month_ends_at_midnight_in_utc(dateline: Dateline) -> None:
    """The last one of this module: it lets half a year pass."""
    dateline.clock.advance_to(at("2027-12-31T23:59:30Z"))
    shop = Tenant(dateline, {"targetsPerMonth": 1})
    a = shop.profile()
    shop.post(a, at=shop.soon(days=40))
    shop.refused(shop.body(a, at=shop.soon(days=41)), "limit_exceeded", "/profileIds", resetsAt="2028-01-01T00:00:00Z")
    dateline.clock.advance(30)
    assert shop.usage("targetsPerMonth") == {
        "limit": 1, "scope": "workspace", "used": 0, "remaining": 1, "resetsAt": "2028-02-01T00:00:00Z",
    }
    shop.post(a, at=shop.soon(days=41))
    shop.refused(shop.body(a, at=shop.soon(days=42)), "limit_exceeded", "/profileIds", resetsAt="2028-02-01T00:00:00Z")
