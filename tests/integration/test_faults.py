"""Failures in the middle: of a thread, of the look after a lost answer, of an upload that never succeeds.

Every failure of every network at its first call is in `tests/networks`. Here four networks are played further.

The table is the promise, the tests hold it against the real handlers and the ledger, and docs/faults.md shows it to people
(`python -m tests.integration.test_faults` writes the page).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from local.networks.base import FAULTS
from local.stack import Phase
from tests.harness import Dateline
from tests.integration.scene import NETWORKS, THREADED, check_against_ledger, connect, make, rest, target_of

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
LIMIT = timedelta(minutes=45)
"""Within so long every target has ended, whatever its network does."""

CALL_SECONDS, SLOW_SECONDS = 5.0, 9.0
"""A slow stand-in takes longer than the caller waits, and does its work all the same."""

RETRY_AFTER = 40.0
LASTING = 1000


class Ends(NamedTuple):
    """How a target ends: its status, the number of its attempts, and the error's code."""

    status: str
    tries: int = 1
    code: str | None = None

    def __str__(self) -> str:
        return f"{self.status}{f' (`{self.code}`)' if self.code else ''}, {self.tries} attempt{'s' if self.tries > 1 else ''}"


ONCE, TWICE, SIX = Ends("published"), Ends("published", 2), 6
REFUSED = Ends("failed", 1, "rejected")


class Case(NamedTuple):
    """Where a fault hits: the shape of the post, the phase of the call, whether one call or every one."""

    title: str
    shape: str
    at: str
    times: int
    networks: tuple[str, ...]


THREAD = Case("A thread of three, the call for the second segment fails once", "thread", "publish", 1, ("mastodon", "x"))
WHOLE = Case("A thread of three in one call, which fails once", "thread", "publish", 1, ("bluesky",))
LOOK = Case("The publishing call's answer is lost, then the look fails once", "text", "read", 1, THREADED)
NEVER_READY = Case("A picture, every call before publishing fails", "image", "prepare", LASTING, THREADED)

TABLE: dict[Case, dict[str, tuple[Ends, ...]]] = {
    THREAD: {
        "rate_limit": (TWICE, TWICE),
        "server_error": (TWICE, TWICE),
        "slow": (ONCE, ONCE),
        "reject": (REFUSED, REFUSED),
        "expired_token": (TWICE, TWICE),
        "lost_answer": (ONCE, ONCE),
    },
    WHOLE: {
        "rate_limit": (TWICE,),
        "server_error": (TWICE,),
        "slow": (ONCE,),
        "reject": (REFUSED,),
        "expired_token": (TWICE,),
        "lost_answer": (ONCE,),
    },
    LOOK: {
        "rate_limit": (ONCE, ONCE, ONCE),
        "server_error": (ONCE, ONCE, ONCE),
        "slow": (ONCE, ONCE, ONCE),
        "reject": (ONCE, ONCE, ONCE),
        "lost_answer": (ONCE, ONCE, ONCE),
    },
    NEVER_READY: {
        "server_error": (Ends("failed", SIX, "server_error"),) * 3,
        "lost_answer": (Ends("failed", SIX, "network_unreachable"),) * 3,
    },
}
"""Case -> fault -> how the target ends on each of the case's networks, in their order."""

WORDS = {
    "rate_limit": f"429, come back in {RETRY_AFTER:.0f} s",
    "server_error": "500, nothing was done",
    "slow": "no answer in time, the work is done later",
    "reject": "the content is refused",
    "expired_token": "the token is refused",
    "lost_answer": "the work is done, the answer never comes",
}


def test_the_table_knows_every_fault_and_every_network() -> None:
    assert set(WORDS) == set(FAULTS)
    assert set(TABLE[THREAD]) == set(TABLE[WHOLE]) == set(FAULTS)
    for case, rows in TABLE.items():
        assert all(len(row) == len(case.networks) for row in rows.values()), case.title


@pytest.mark.parametrize("network", NETWORKS)
def test_every_fault_ends_as_the_table_says_and_nothing_stands_twice(network: str) -> None:
    seen, promised = {}, {}
    with Dateline(call_seconds=CALL_SECONDS) as dateline:
        for case, rows in TABLE.items():
            for fault, row in rows.items():
                if network in case.networks:
                    promised[case.title, fault] = row[case.networks.index(network)]
                    seen[case.title, fault] = suffer(dateline, network, case, fault)
    assert seen == promised


def suffer(dateline: Dateline, network: str, case: Case, fault: str) -> Ends:
    """Publish one post of the case with the fault in its way; how its target ended, once held against the ledger."""
    profile, world = connect(dateline, network), dateline.world
    world.faults.clear()
    if case.at == "read":
        world.add_fault(network, "lost_answer")

    def ask() -> None:
        world.add_fault(network, fault, case.times, retry_after=RETRY_AFTER, seconds=SLOW_SECONDS, at=case.at)

    calls = 0

    def second_segment(service: str, operation: str, phase: Phase) -> None:
        nonlocal calls
        calls += service == network and phase == "before" and operation.startswith("POST")
        if calls == 2:
            dateline.stack.on_external_call = None
            ask()

    if case is THREAD:
        dateline.stack.on_external_call = second_segment
    else:
        ask()
    post_id, texts = make(dateline, network, case.shape, profile=profile)
    rest(dateline, post_id, LIMIT)
    assert case.times == LASTING or not any(left.times for left in world.faults.get(network, ())), "the fault was not met"
    if fault == "slow":
        dateline.stack.run_for(SLOW_SECONDS)
        dateline.http.settle_due()
    target = check_against_ledger(dateline, post_id, texts)
    return Ends(target.status, target.tries, (target.error or {}).get("code"))


def test_a_refused_thread_is_taken_down_again_whatever_happens_to_the_deleting_calls() -> None:
    ends = {}
    with Dateline(call_seconds=CALL_SECONDS) as dateline:
        for network in ("mastodon", "x"):
            for fault in (None, "server_error", "lost_answer"):
                post_id = refused_at_the_end(dateline, network, fault)
                target = rest(dateline, post_id, LIMIT)
                left = [r.id for r in target.remotes]
                ends[network, fault] = (target.status, (target.error or {}).get("code"), len(left))
                assert set(left) <= {e.remote_id for e in dateline.world.seen(network)} or fault == "lost_answer"
    assert ends == {
        (network, fault): ("failed", "rejected", left)
        for network in ("mastodon", "x") for fault, left in ((None, 0), ("server_error", 2), ("lost_answer", 2))
    }


def refused_at_the_end(dateline: Dateline, network: str, deleting: str | None) -> str:
    """A thread with `onSegmentFailure: rollback` whose third segment is refused, with a fault on the deleting calls."""
    calls = 0

    def third_segment(service: str, operation: str, phase: Phase) -> None:
        nonlocal calls
        calls += service == network and phase == "before" and operation.startswith("POST")
        if calls == 3:
            dateline.stack.on_external_call = None
            dateline.world.add_fault(network, "reject")
            if deleting:
                dateline.world.add_fault(network, deleting, at="delete")

    dateline.stack.on_external_call = third_segment
    post_id, _ = make(dateline, network, "thread", onSegmentFailure="rollback")
    dateline.stack.pump_queue("deliveries")
    assert target_of(dateline, post_id).status in ("failed", "publishing")
    return post_id


def page() -> str:
    """docs/faults.md."""
    out = [
        "# What becomes of a post when a network fails in the middle", "",
        "What failures come to at the first call of every network is in [networks.md](networks.md). Here are those further on:",
        "of a thread, of the look after a lost answer, of an upload that never succeeds.", "",
        "Every line is a test: `tests/integration/test_faults.py` plays it over the real handlers and compares the outcome with",
        "what a reader of the network could see. Nothing ever stands twice, a failed target shows nothing that its answer does",
        f"not list, and every target has ended within {LIMIT.seconds // 60} minutes. The page is written from the table there",
        "(`python -m tests.integration.test_faults`).", "",
        "An attempt is one try at one target. After a lost answer the network is asked what became of the call: what is found",
        "ends the attempt as published, what is surely not there is tried again.", "",
    ]
    for case, rows in TABLE.items():
        out += [f"## {case.title}", "", "| fault | what the network does | " + " | ".join(case.networks) + " |",
                "|---|---|" + "---|" * len(case.networks)]
        out += [f"| `{fault}` | {WORDS[fault]} | " + " | ".join(map(str, row)) + " |" for fault, row in rows.items()]
        out.append("")
    return "\n".join(out)


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "stale: python -m tests.integration.test_faults"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
