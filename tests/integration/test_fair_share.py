"""Fair share: what one workspace sends does not hold up another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.harness import START, Dateline
from tests.integration.scene import make
from tools.bench.fairness import visible_before

HOUR = timedelta(hours=1)
MANY, WORKERS = 60, 4


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def groups(dateline: Dateline) -> Counter[str | None]:
    return Counter(message.group_id for message in dateline.stack.queue("deliveries")._messages)


def test_one_post_waits_for_no_more_than_the_workers_that_are_busy_with_another_workspace(dateline: Dateline) -> None:
    assert visible_before(dateline, MANY, WORKERS) <= WORKERS


def test_without_the_message_group_it_would_wait_for_all_of_them(dateline: Dateline) -> None:
    assert visible_before(dateline, MANY, WORKERS, grouped=False) == MANY


def test_the_test_side_of_a_workspace_does_not_hold_up_its_live_side(dateline: Dateline) -> None:
    make(dateline, "mastodon", "text")
    body = {"text": "A test", "profileIds": ["prof_sandbox"], "publishNow": True}
    assert dateline.api("POST", "/v1/posts", body, key="dl_test_local").status == 201
    assert groups(dateline) == {"wks_local": 1, "wks_local:test": 1}


def test_every_message_says_whose_it_is_however_it_came_about(dateline: Dateline) -> None:
    """Sent at once, sent with a delay, retried, sent by sweep: each time the workspace's side."""
    make(dateline, "mastodon", "text")
    make(dateline, "mastodon", "text", at=START + timedelta(seconds=30))
    dateline.world.add_fault("x", "rate_limit", retry_after=100)
    make(dateline, "x", "text")
    far, _ = make(dateline, "telegram", "text", at=START + HOUR)
    (entry,) = dateline.stack.schedules()
    dateline.deps.schedules.delete(far, int(entry.name.rpartition(".")[2]))
    seen: Counter[str | None] = Counter()

    def look() -> bool:
        seen.update(groups(dateline))
        return False

    dateline.stack.run_until(look, limit=HOUR + timedelta(minutes=5))
    assert set(seen) == {"wks_local"}
    assert len(dateline.world.seen()) == 4
