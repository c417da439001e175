"""What the delivery tests share: making a post of one shape, letting time pass until it rests, comparing it with the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

from dateline.domain import lifecycle
from dateline.domain.post import Post, Target
from local.networks.base import Entry
from local.seed import WORKSPACE, profile_of
from local.stack import Crash, Phase
from tests.harness import NETWORKS_URL, Dateline

NETWORKS = ("mastodon", "bluesky", "x", "telegram")
THREADED = ("mastodon", "bluesky", "x")
SHAPES = ("text", "image", "thread")
SEGMENTS = 3
PICTURE = "https://media.example/cat.png"

_numbers = count(1)


def shapes_of(network: str) -> tuple[str, ...]:
    """The shapes of post that `network` takes."""
    return SHAPES if network in THREADED else SHAPES[:2]


def connect(dateline: Dateline, network: str, kind: str = "") -> str:
    """A profile with an account of its own on `network`, so that a case sees nothing of the ones before. `kind` is the kind of
    account where the stand-in has several, which go by the profile's id."""
    profile_id = f"prof_{network}_{kind}{next(_numbers)}"
    profile_of(dateline.deps, dateline.world, NETWORKS_URL, WORKSPACE, network, profile_id)
    return profile_id


def make(dateline: Dateline, network: str, shape: str, *, profile: str | None = None, **more: Any) -> tuple[str, list[str]]:
    """A post of one shape, sent on its way at once unless `more` says when: its id and the texts of its segments."""
    words = f"Number {next(_numbers)}"
    texts = [f"{words}, part {n}" for n in range(SEGMENTS)] if shape == "thread" else [words]
    more.setdefault("publishNow", "scheduledFor" not in more and "at" not in more)
    if shape == "thread":
        more["thread"] = [{"text": text} for text in texts]
    if shape == "image":
        more["media"] = [{"url": PICTURE, "type": "image", "altText": "A cat"}]
    post = dateline.post(profile or f"prof_{network}", text=texts[0], **more)
    return post["id"], texts


def post_of(dateline: Dateline, post_id: str) -> Post:
    """The post as it is stored."""
    post = dateline.deps.posts.get(post_id)
    assert post is not None
    return post


def target_of(dateline: Dateline, post_id: str) -> Target:
    """The only target of the post."""
    (target,) = post_of(dateline, post_id).targets.values()
    return target


def at_rest(dateline: Dateline, post_id: str) -> bool:
    """Whether nothing will happen to the post by itself: it rests, or it waits for its profiles."""
    post = post_of(dateline, post_id)
    return post.status in lifecycle.RESTING or lifecycle.only_held(post)


def rest(dateline: Dateline, post_id: str, limit: timedelta = timedelta(hours=2)) -> Target:
    """Let time pass until the post rests; its target. Fails when it does not within `limit`."""
    done = dateline.stack.run_until(lambda: at_rest(dateline, post_id), limit=limit)
    assert done, f"still {post_of(dateline, post_id).status} after {limit}: {target_of(dateline, post_id)}"
    return target_of(dateline, post_id)


def shown(dateline: Dateline, texts: list[str], network: str | None = None) -> list[list[Entry]]:
    """What the ledger holds of each of the texts."""
    return [[entry for entry in dateline.world.seen(network) if entry.text == text] for text in texts]


def check_against_ledger(dateline: Dateline, post_id: str, texts: list[str]) -> Target:
    """The promise: at most one entry for each segment, all of them for a published target, and the ids noted are theirs."""
    target = target_of(dateline, post_id)
    entries = shown(dateline, texts)
    assert all(len(each) <= 1 for each in entries), [len(each) for each in entries]
    visible = [each[0].remote_id for each in entries if each]
    noted = [remote.id for remote in target.remotes]
    if target.status == "published":
        assert noted == visible and len(visible) == len(texts)
    elif target.status in ("failed", "held"):
        assert noted == visible, "a failed target shows exactly what it says it does"
    else:
        assert target.status == "unconfirmed" and noted == visible[: len(noted)]
    return target


def pump_crashing(dateline: Dateline, number: int, phase: Phase) -> tuple[str, str] | None:
    """Let deliver receive its messages once, and die before or after its external call number `number` (from 1).
    The call it died at; None when there were fewer."""
    seen = 0
    died: tuple[str, str] | None = None

    def hook(service: str, operation: str, when: Phase) -> None:
        nonlocal seen, died
        if when == phase and died is None:
            seen += 1
            if seen == number:
                died = (service, operation)
                raise Crash

    interrupted(dateline, hook, lambda: dateline.stack.pump_queue("deliveries", most=1))
    return died


def interrupted(dateline: Dateline, hook: Callable[[str, str, Phase], None], act: Callable[[], object]) -> None:
    """Do `act` with a hook on the handlers' external calls."""
    dateline.stack.on_external_call = hook
    try:
        act()
    finally:
        dateline.stack.on_external_call = None
