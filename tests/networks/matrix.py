"""Every shape of post on every network, through all that can go wrong, over the real handlers; and the page that shows it.

A network is played alone: each case has a profile (an account) of its own, and what the network's readers can see is compared
with what Dateline says. `make networks` (`python -m tests.networks.matrix [network …]`) plays them all and writes results.json
and docs/networks.md. That takes too long for every run of the tests: those play every shape once and with the failures that
matter most, and one shape of each network through all of it, and compare.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from dateline.domain.post import Target
from dateline.platforms.base import AnswerLost
from local.networks.base import FAULTS, Entry
from local.networks.registry import NETWORKS as STAND_INS
from local.stack import Crash, Phase
from tests.harness import Dateline
from tests.integration.scene import connect, interrupted, rest, target_of
from tests.samples import Sample, samples_of

RESULTS = Path(__file__).parent / "results.json"
LIMIT = timedelta(hours=3)
CALL_SECONDS, SLOW_SECONDS, RETRY_AFTER = 5.0, 9.0, 40.0
AHEAD = timedelta(minutes=25)
"""Far enough for every network that keeps posts to keep one."""

Results = dict[str, dict[str, str]]
"""By shape of post, then by what happened to it: how it ended."""


OTHER_KINDS = ("linkedin:member", "instagram:facebook", "mastodon:gotosocial")
"""Accounts of another kind than the ordinary one of their network, by the name that the stand-in knows them by. They are played
with three shapes only: what differs is how they are asked, not what they take."""

NAMES = (*(kind.platform for kind in STAND_INS), *OTHER_KINDS)


TELLING = ("publish: lost_answer",)
"""Cases that the tests play with every shape."""


class Stage:
    """One network, or a kind of account there, set up for cases."""

    def __init__(self, dateline: Dateline, name: str) -> None:
        self.dateline = dateline
        self.network, _, self.kind = name.partition(":")
        self.number = 0

    def connect(self) -> str:
        """A profile with an account of its own."""
        return connect(self.dateline, self.network, self.kind)

    def make(self, sample: Sample, profile: str, **more: Any) -> str:
        """A post of this shape on that profile, sent on its way at once unless `more` says when; its id."""
        self.number += 1
        words = f"Number {self.number}"
        for url, file in sample.files.items():
            self.dateline.http.files[url] = file
        body: dict[str, Any] = {"platforms": {self.network: dict(sample.options)}, **more}
        media = [dict(item) for item in sample.media]
        if sample.segments > 1:
            body["thread"] = [{"text": f"{words}, part {n}"} for n in range(sample.segments)]
            body["thread"][0]["media"] = media
        else:
            body |= {"text": words, "media": media}
        if sample.comment:
            body["firstComment"] = f"A comment on {words}"
        body.setdefault("publishNow", "at" not in more)
        made: str = self.dateline.post(profile, **body)["id"]
        return made

    def check(self, post_id: str, sample: Sample, profile: str) -> Target:
        """The promise: nothing stands twice, what is published stands there whole, and what is not does not."""
        target = target_of(self.dateline, post_id)
        whole = sample.segments + sample.comment
        entries = self.seen(profile)
        assert len(entries) <= whole, (sample.name, [(e.text, e.remote_id) for e in entries], target)
        texts = [entry.text for entry in entries if entry.text]
        assert len(texts) == len(set(texts)), texts
        if target.status == "published":
            assert len(entries) == whole or target.comment is not None, (sample.name, entries, target)
        elif target.status == "failed":
            assert len(entries) == len(target.remotes), (sample.name, entries, target)
        else:
            assert target.status in ("unconfirmed", "held"), target
        return target

    def seen(self, profile: str) -> list[Entry]:
        """What readers see of the profile."""
        return self.dateline.world.seen(self.network, profile)

    def ended(self, post_id: str, sample: Sample, profile: str) -> str:
        """Let time pass until it rests; how it ended, in words."""
        rest(self.dateline, post_id, LIMIT)
        self.dateline.stack.run_for(timedelta(seconds=SLOW_SECONDS))
        self.dateline.http.settle_due()
        return said(self.check(post_id, sample, profile))


def said(target: Target) -> str:
    """How a target ended: its status, its error's code, and its attempts where there was more than one."""
    code = (target.error or {}).get("code")
    tries = f", {target.tries} attempts" if target.tries > 1 else ""
    comment = f", comment {target.comment['status']}" if target.comment else ""
    return f"{target.status}{f' ({code})' if code and code != target.status else ''}{tries}{comment}"


def play(name: str, *, everything: bool = True) -> Results:
    """Every case of one network, or those that the tests play."""
    found: Results = {}
    with Dateline(call_seconds=CALL_SECONDS) as dateline:
        stage = Stage(dateline, name)
        whole = {sample.name for sample in (samples(name) if everything else chosen(name)[:1])}
        for sample in samples(name):
            found[sample.name] = shapes(stage, sample, None if sample.name in whole else TELLING)
        found[samples(name)[0].name] |= lasting(stage, samples(name)[0], FAULTS) if everything else {}
        dateline.world.faults.clear()
        found["any"] = lives(stage, samples(name)[0])
    return found


def samples(name: str) -> tuple[Sample, ...]:
    """What a network is played with. Their names are told apart by a test."""
    network, _, kind = name.partition(":")
    found = samples_of(network)
    return (*found[:2], found[-1]) if kind else found


def chosen(name: str) -> list[Sample]:
    """The shapes that the tests play through everything: one with media and, where there is one, one with several calls."""
    found = [sample for sample in samples(name) if sample.media][:1]
    return found + [sample for sample in samples(name) if sample.segments > 1 or sample.comment][:1]


def dying(name: str, *, everything: bool = True) -> dict[str, str]:
    """The worker dies at each call of a delivery, or the call's answer is lost, for the shapes with most steps; how those posts
    ended, and how many."""
    wanted = chosen(name)
    return {
        f"{sample.name}: {what}": each_call(name, sample, interrupt)
        for sample in wanted for what, interrupt in (("worker dies", die), ("answer lost", lose))
        if everything or (interrupt is lose) == (sample is not wanted[0])
    }


def shapes(stage: Stage, sample: Sample, only: tuple[str, ...] | None = None) -> dict[str, str]:
    """One shape without trouble, then with every fault at the publishing call, and before it where anything comes before it;
    of these the `only` ones that are wanted."""
    world, out = stage.dateline.world, {}
    before = dict(world.met)
    profile = stage.connect()
    out["no trouble"] = stage.ended(stage.make(sample, profile), sample, profile)
    for at in ("publish", "prepare"):
        if world.met[stage.network, at] == before.get((stage.network, at), 0):
            continue
        for fault in FAULTS:
            if only is not None and f"{at}: {fault}" not in only:
                continue
            world.faults.clear()
            profile = stage.connect()
            world.add_fault(stage.network, fault, retry_after=RETRY_AFTER, seconds=SLOW_SECONDS, at=at)
            out[f"{at}: {fault}"] = stage.ended(stage.make(sample, profile), sample, profile)
    world.faults.clear()
    return out


def lasting(stage: Stage, sample: Sample, faults: tuple[str, ...]) -> dict[str, str]:
    """One shape while every publishing call fails, and after a lost answer while every look does."""
    world, out = stage.dateline.world, {}
    for at in ("always", "look"):
        for fault in faults:
            if at == "look" and fault == "lost_answer":
                continue
            world.faults.clear()
            if at == "look":
                world.add_fault(stage.network, "lost_answer")
            phase = "publish" if at == "always" else "read"
            world.add_fault(stage.network, fault, 1000, retry_after=RETRY_AFTER, seconds=SLOW_SECONDS, at=phase)
            profile = stage.connect()
            out[f"{at}: {fault}"] = stage.ended(stage.make(sample, profile), sample, profile)
    world.faults.clear()
    return out


def lives(stage: Stage, sample: Sample) -> dict[str, str]:
    """What a person may do with a post, and what becomes of it when the token dies."""
    return {
        "edited before its time": edited(stage, sample), "cancelled before its time": cancelled(stage, sample),
        "unpublished": unpublished(stage, sample), "token dead, then connected again": died(stage, sample),
    }


def later(stage: Stage, sample: Sample) -> tuple[str, str]:
    """A post some time ahead, given to its network already where that keeps posts; its profile and its id."""
    profile = stage.connect()
    post_id = stage.make(sample, profile, at=stage.dateline.clock.now() + AHEAD)
    stage.dateline.stack.run_for(timedelta(minutes=2))
    assert stage.seen(profile) == []
    return profile, post_id


def edited(stage: Stage, sample: Sample) -> str:
    """Its words change before its time."""
    profile, post_id = later(stage, sample)
    answer = stage.dateline.api("PATCH", f"/v1/posts/{post_id}", {"text": f"Better words, {stage.number}"})
    assert answer.status == 200, answer.body
    out = stage.ended(post_id, sample, profile)
    assert not sample.shows_text or stage.seen(profile)[0].text == f"Better words, {stage.number}"
    return out


def cancelled(stage: Stage, sample: Sample) -> str:
    """It is cancelled before its time."""
    profile, post_id = later(stage, sample)
    assert stage.dateline.api("DELETE", f"/v1/posts/{post_id}").status == 200
    stage.dateline.stack.run_for(2 * AHEAD)
    assert stage.seen(profile) == []
    found: str = stage.dateline.read(post_id)["status"]
    return found


def unpublished(stage: Stage, sample: Sample) -> str:
    """It is taken down again."""
    profile = stage.connect()
    post_id = stage.make(sample, profile)
    stage.ended(post_id, sample, profile)
    headers = {"prefer": "respond-async"}
    answer = stage.dateline.api("POST", f"/v1/posts/{post_id}/unpublish", {}, headers=headers)
    if answer.status == 409:
        return "not possible by API"
    stage.dateline.stack.run_for(timedelta(minutes=10))
    (target,) = stage.dateline.read(post_id)["targets"]
    assert (stage.seen(profile) == []) == (target["removal"]["status"] == "removed"), target
    error = target["removal"]["error"]
    return target["removal"]["status"] + (f" ({error['code']})" if error else "")


def died(stage: Stage, sample: Sample) -> str:
    """The account's grant is dead when the post's time comes; later a person connects it again."""
    dateline = stage.dateline
    profile_id = stage.connect()
    profile = dateline.deps.profiles.get(profile_id)
    assert profile is not None
    good = dateline.deps.secrets.open(profile.workspace_id, profile.id, profile.secret)
    spoilt = {name: "1:dead" if secret(name) else value for name, value in good.items()}
    profile.secret = dateline.deps.secrets.seal(profile.workspace_id, profile.id, spoilt)
    dateline.deps.profiles.save(profile)
    post_id = stage.make(sample, profile_id)
    held = stage.ended(post_id, sample, profile_id)
    now = dateline.deps.profiles.get(profile_id)
    assert now is not None and now.status == "disconnected" and stage.seen(profile_id) == []
    answer = dateline.api("PATCH", f"/v1/profiles/{profile_id}", {"credentials": good})
    assert answer.status == 200, answer.body
    return f"{held}, then {stage.ended(post_id, sample, profile_id)}"


def secret(name: str) -> bool:
    """Whether a credential is one that a network refuses once it is dead (and not the app's own)."""
    return any(word in name.lower() for word in ("token", "jwt", "password")) and "client" not in name.lower()


Interrupt = Callable[[str, str], Exception | None]
"""What happens after a call (service, network): None for calls that are not counted."""


def die(service: str, network: str) -> Exception | None:
    """The worker dies after the call, whatever it was."""
    return Crash()


def lose(service: str, network: str) -> Exception | None:
    """The network has done its work, and its answer is lost."""
    return AnswerLost("the connection broke before the answer came") if service == network else None


def each_call(name: str, sample: Sample, interrupt: Interrupt) -> str:
    """One post for each call of a delivery that is interrupted, until there are no more calls; how many ended how."""
    ends: dict[str, int] = {}
    with Dateline(call_seconds=CALL_SECONDS) as dateline:
        stage = Stage(dateline, name)
        number = 0
        while True:
            number += 1
            profile = stage.connect()
            post_id = stage.make(sample, profile)
            happened = interrupted_at(stage, number, interrupt)
            end = stage.ended(post_id, sample, profile)
            if not happened:
                return ", ".join(f"{count} {status}" for status, count in sorted(ends.items()))
            status = end.partition(",")[0]
            ends[status] = ends.get(status, 0) + 1


def interrupted_at(stage: Stage, number: int, interrupt: Interrupt) -> bool:
    """Let deliveries go on until the call number `number` of those that count is done, and interrupt there. False when there
    were fewer."""
    seen, happened = 0, False

    def hook(service: str, operation: str, when: Phase) -> None:
        nonlocal seen, happened
        error = interrupt(service, stage.network) if when == "after" and not happened else None
        if error is not None:
            seen += 1
            if seen == number:
                happened = True
                raise error

    def run() -> None:
        stage.dateline.stack.run_until(lambda: happened, limit=timedelta(minutes=20), timers=False)

    interrupted(stage.dateline, hook, run)
    return happened


def results() -> dict[str, Results]:
    """What was seen when the page was written."""
    found: dict[str, Results] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def main() -> None:
    """Play the networks that are named, else all, and write what was seen."""
    from .page import PAGE, page

    names = sys.argv[1:] or list(NAMES)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for name, seen in zip(names, pool.map(whole, names), strict=True):
            RESULTS.write_text(json.dumps({**results(), name: seen}, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(results()), encoding="utf-8")


def whole(name: str) -> Results:
    """All that the page says of a network."""
    return {**play(name), "crashes": dying(name)}


if __name__ == "__main__":
    main()
