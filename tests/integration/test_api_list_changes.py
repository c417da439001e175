"""What changes moves between lists, and its rows move with it in one transaction."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dateline.store.bookings import bookings_of
from dateline.store.posts import from_row, slot_of
from dateline.store.tables import BookingRow, PostRow
from local.seed import WORKSPACE, profile_of
from tests.api_checks import refused
from tests.harness import NETWORKS_URL, START, Dateline
from tests.integration.lists import reading, walk

LONG = "日" * 64


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def test_an_edit_and_a_cancel_move_a_post_between_lists(dateline: Dateline) -> None:
    other = dateline.post("prof_x", text="Stays", labels=["a"], at=START + timedelta(hours=3))["id"]
    post = dateline.post("prof_mastodon", text="Moves", labels=["a", LONG, "a"], at=START + timedelta(hours=2))["id"]

    def where(**more: Any) -> list[str]:
        return [p["id"] for p in walk(dateline, 10, **more)]

    assert where(label="a") == [other, post] and where(label=LONG) == where(profileId="prof_mastodon") == [post]
    changed = {"labels": ["b", "a"], "profileIds": ["prof_telegram"], "scheduledFor": "2027-06-15T13:00:00Z"}
    assert dateline.api("PATCH", f"/v1/posts/{post}", changed).status == 200
    assert where(label="a") == [post, other] and where(label="b") == where(profileId="prof_telegram") == [post]
    assert where(label=LONG) == where(profileId="prof_mastodon") == []
    assert where(platform="mastodon") == [] and where(platform="telegram") == [post]
    assert dateline.api("DELETE", f"/v1/posts/{post}").status == 200
    assert where(label="a", status="scheduled") == [other] and where(label="a", status="cancelled") == [post]
    assert where(profileId="prof_telegram", status=["cancelled", "draft"]) == where(label="b") == [post]
    assert dateline.api("PATCH", f"/v1/posts/{other}", {"labels": None}).status == 200
    assert where(label="a") == [post] and where(profileId="prof_x") == [other]
    draft = dateline.api("POST", "/v1/posts", {"text": "No profile", "labels": ["b"]}).json()["id"]
    assert where(label="b") == [post, draft]
    wanted = {b for row in PostRow.scan() for b in bookings_of(from_row(row))}
    assert {(r.profile_id, r.slot, r.post_id, r.ws, r.state) for r in BookingRow.scan()} == wanted


def test_posts_that_do_not_change_are_neither_repeated_nor_skipped_while_others_do(dateline: Dateline) -> None:
    posts = [dateline.post("prof_x", text=f"{n}", labels=["a"], at=START + timedelta(hours=1 + n // 4)) for n in range(24)]
    made = [post["id"] for post in sorted(posts, key=lambda post: (post["publishAt"], post["id"]))]
    seen: list[str] = []
    cursor = ""
    restless = enumerate(made[2::3])
    while True:
        page = dateline.api("GET", f"/v1/posts?label=a&status=scheduled,cancelled&order=asc&limit=3{cursor}").json()
        seen += [post["id"] for post in page["data"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
        for turn, moved in itertools.islice(restless, 1):
            if turn % 2:
                assert dateline.api("DELETE", f"/v1/posts/{moved}").status == 200
            else:
                assert dateline.api("PATCH", f"/v1/posts/{moved}", {"scheduledFor": "2027-06-16T09:00:00Z"}).status == 200
    quiet = set(made) - set(made[2::3])
    assert [post_id for post_id in seen if post_id in quiet] == [post_id for post_id in made if post_id in quiet]


def test_a_post_has_at_most_twenty_labels(dateline: Dateline) -> None:
    body = {"text": "Many", "labels": [f"label {number}" for number in range(21)]}
    detail = refused(dateline.api("POST", "/v1/posts", body), "invalid_request", "/labels")["detail"]
    assert "at most 20" in detail and "21" in detail


def test_a_post_with_as_many_profiles_and_labels_as_there_may_be_can_be_moved(dateline: Dateline) -> None:
    """Each of its rows moves, in one transaction; DynamoDB takes a hundred."""
    many = [f"prof_m{number:02}" for number in range(25)]
    for profile_id in many:
        profile_of(dateline.deps, dateline.world, NETWORKS_URL, WORKSPACE, "mastodon", profile_id)
    labels = [f"label {number}" for number in range(20)]
    post = dateline.post(*many, text="Wide", labels=labels, at=START + timedelta(hours=2))
    with reading(dateline) as seen:
        moved = dateline.api(
            "PATCH", f"/v1/posts/{post['id']}", {"scheduledFor": "2027-06-15T14:00:00Z"}, headers={"idempotency-key": "move"}
        )
    assert moved.status == 200, moved.body
    assert seen["transaction"] == 2 * (25 + 20) + 3
    assert [p["id"] for p in walk(dateline, 5, platform="mastodon", label="label 7")] == [post["id"]]
    assert slot_of(from_row(PostRow.get(post["id"]))).startswith("2027-06-15T14:00:00.000Z#")
