"""TikTok and Snapchat over the whole stack: uploads that span workers, posts that take their time, and whatever may be lost.

Every test ends with the same question: what could a reader of the network see, and does the post say so?
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from itertools import count
from typing import Any

import pytest

from dateline.domain.post import Target
from local.networks import files
from local.networks.snapchat import SnapchatNetwork
from local.networks.tiktok import TikTokNetwork
from local.stack import Crash, Phase
from tests.harness import Dateline
from tests.integration.scene import connect, rest
from tests.samples import Sample, samples_of

LARGE = "https://cdn.example.com/large.mp4"
MINUTE = timedelta(minutes=1)
NETWORKS = ("tiktok", "snapchat")
SETTLED = {"tiktok-video", "snapchat-saved story", "snapchat-spotlight"}
"""What can be looked up after a lost answer (Snapchat's where it lists posts)."""

_numbers = count(1)


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        snapchat = running.world.networks["snapchat"]
        assert isinstance(snapchat, SnapchatNetwork)
        snapchat.lists = True
        yield running


def make(dateline: Dateline, network: str, sample: Sample, **more: Any) -> tuple[str, str]:
    """A post of one shape on a profile of its own, sent on its way at once: its id and the profile's."""
    profile = connect(dateline, network)
    post = dateline.post(
        profile, text=f"Number {next(_numbers)}", media=[dict(item) for item in sample.media],
        platforms={network: dict(sample.options)}, **{"publishNow": True, **more},
    )
    return post["id"], profile


def check(dateline: Dateline, target: Target, profile: str) -> None:
    """At most one thing to see, and exactly that one where the post says that it is published."""
    seen = [entry.remote_id for entry in dateline.world.seen(profile_id=profile)]
    noted = [remote.id for remote in target.remotes]
    assert len(seen) <= 1
    assert noted == (seen if target.status in ("published", "failed") else [])


@pytest.mark.parametrize("network", NETWORKS)
def test_every_shape_is_published_with_its_words(dateline: Dateline, network: str) -> None:
    for sample in samples_of(network):
        post_id, profile = make(dateline, network, sample)
        target = rest(dateline, post_id)
        assert (target.error, target.status) == (None, "published")
        check(dateline, target, profile)
        if sample.shows_text:
            assert dateline.world.seen(profile_id=profile)[0].text == dateline.read(post_id)["text"]


@pytest.mark.parametrize("fault", ["lost_answer", "server_error", "slow", "rate_limit", "reject", "expired_token"])
@pytest.mark.parametrize("network", NETWORKS)
def test_whatever_becomes_of_the_publishing_call_there_is_one_post_at_the_most(
    dateline: Dateline, network: str, fault: str
) -> None:
    dateline.http.deadline = 8.0
    for sample in samples_of(network):
        post_id, profile = make(dateline, network, sample)
        dateline.world.add_fault(network, fault, seconds=10, retry_after=30)
        target = rest(dateline, post_id)
        dateline.clock.advance(MINUTE)
        check(dateline, target, profile)
        known = {"rate_limit": "published", "expired_token": "published", "reject": "failed"}
        settled = f"{network}-{sample.name}" in SETTLED
        expected = known.get(fault) or ("published" if settled else "unconfirmed")
        if network == "snapchat" and fault == "server_error":
            expected = "unconfirmed"  # what Snapchat does not list may be out all the same
        assert target.status == expected, (sample.name, target.error)


@pytest.mark.parametrize(("network", "shape"), [("tiktok", "video"), ("tiktok", "image"), ("snapchat", "spotlight")])
def test_a_worker_may_die_at_any_call_to_the_network(dateline: Dateline, network: str, shape: str) -> None:
    sample = next(sample for sample in samples_of(network) if sample.name == shape)
    for number in count(1):
        for phase in ("before", "after"):
            post_id, profile = make(dateline, network, sample)
            died = crash_at(dateline, network, number, phase)
            target = rest(dateline, post_id)
            dateline.stack.on_external_call = None
            check(dateline, target, profile)
            assert target.status in (("published",) if shape == "video" or not died else ("published", "unconfirmed"))
            if not died:
                return


def crash_at(dateline: Dateline, network: str, number: int, phase: str) -> list[str]:
    """Let the worker die before or after the network's call number `number` (from 1). Where it did is in the list, in time."""
    seen: list[str] = []
    died: list[str] = []

    def hook(service: str, operation: str, when: Phase) -> None:
        if service == network and when == phase and not died:
            seen.append(operation)
            if len(seen) == number:
                died.append(operation)
                raise Crash

    dateline.stack.on_external_call = hook
    return died


@pytest.mark.parametrize("network", NETWORKS)
def test_a_large_video_goes_out_whole_over_several_workers(dateline: Dateline, network: str) -> None:
    video = dateline.http.files[LARGE] = files.mp4(20.0, size=45_000_000)
    sample = Sample("video", ({"url": LARGE, "type": "video"},), {"contentType": "spotlight"} if network == "snapchat" else {})
    request, spent = dateline.http.request, []

    def slowly(method: str, url: str, **how: Any) -> Any:
        if network in url and how.get("data") is not None:
            dateline.clock.advance(20)  # most of a worker's time: two parts each
            spent.append(url)
        return request(method, url, **how)

    dateline.http.request = slowly  # type: ignore[method-assign]
    post_id, profile = make(dateline, network, sample)
    target = rest(dateline, post_id)
    assert (target.error, target.status) == (None, "published")
    assert len(spent) == (4 if network == "tiktok" else 5)
    check(dateline, target, profile)
    assert dateline.world.seen(profile_id=profile)[0].extra["sha256"] == sha256(video.data).hexdigest()


def test_a_draft_is_published_as_far_as_dateline_goes(dateline: Dateline) -> None:
    sample = Sample("draft", ({"url": "https://media.example/clip.mp4", "type": "video"},), {"draft": True})
    post_id, profile = make(dateline, "tiktok", sample)
    target = rest(dateline, post_id)
    tiktok = dateline.world.networks["tiktok"]
    assert isinstance(tiktok, TikTokNetwork)
    assert (target.status, len(tiktok.inbox), dateline.world.seen(profile_id=profile)) == ("published", 1, [])
    assert "inbox" in target.remotes[0].extra["note"]


@pytest.mark.parametrize(("reason", "status"), [("internal", "published"), ("duration_check_failed", "failed")])
def test_what_tiktok_will_not_post_is_tried_again_where_that_may_help(dateline: Dateline, reason: str, status: str) -> None:
    tiktok = dateline.world.networks["tiktok"]
    assert isinstance(tiktok, TikTokNetwork)
    tiktok.fail_reason = reason
    post_id, profile = make(dateline, "tiktok", samples_of("tiktok")[0])
    target = rest(dateline, post_id)
    assert target.status == status
    assert (target.error or {}).get("code") == (reason if status == "failed" else None)
    check(dateline, target, profile)


def test_a_video_that_takes_an_hour_is_waited_for(dateline: Dateline) -> None:
    tiktok = dateline.world.networks["tiktok"]
    assert isinstance(tiktok, TikTokNetwork)
    tiktok.processing_seconds = 3600.0
    post_id, profile = make(dateline, "tiktok", samples_of("tiktok")[0])
    target = rest(dateline, post_id)
    assert target.status == "published"
    assert target.looks < 90
    check(dateline, target, profile)
