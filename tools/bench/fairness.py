"""Fair share: one workspace has thousands of posts due in one minute, another has one. How many of the many come out before it,
with the message group and without?

Counts, no time. The posts are put into the store; publish and deliver are the real handlers. The local queue hands out messages
of the group with the fewest in flight first (`local.pumps`), which is what SQS documents for tenants that hold many workers. That
SQS does so is AWS's promise, and nothing here can measure it.
"""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import NamedTuple

from dateline.domain.ids import new_id
from dateline.domain.post import Post
from tests.harness import Dateline

POSTS = 1000
WORKERS = 50
"""Deliveries under way at the same time: the template's DeliverConcurrency."""

AHEAD = timedelta(hours=1)


class Shared(NamedTuple):
    """`before` of `posts` posts of one workspace became visible before the only one of another, with so many `workers`."""

    grouped: bool
    before: int
    posts: int
    workers: int


def measure(posts: int = POSTS, workers: int = WORKERS) -> list[Shared]:
    """With the message group, and without it."""
    return [_measure(grouped, posts, workers) for grouped in (True, False)]


def _measure(grouped: bool, posts: int, workers: int) -> Shared:
    with Dateline() as dateline:
        return Shared(grouped, visible_before(dateline, posts, workers, grouped=grouped), posts, workers)


def visible_before(dateline: Dateline, posts: int, workers: int, *, grouped: bool = True) -> int:
    """How many of `posts` posts of one workspace come out before the only one of another, whose message is sent when all the
    others are in the queue and every worker has taken one of them. The workers finish one after the other."""
    key, stack = dateline.second_workspace(), dateline.stack
    at = dateline.clock.now() + AHEAD
    first = dateline.post("prof_mastodon", text="The first of many", at=at)["id"]
    body = {"text": "Just one", "profileIds": ["prof_other"], "scheduledFor": at.isoformat()}
    other = dateline.deps.posts.get(dateline.api("POST", "/v1/posts", body, key=key).json()["id"])
    original = dateline.deps.posts.get(first)
    assert original is not None and other is not None
    many = [original, *(_copied(dateline, original, number) for number in range(1, posts))]
    dateline.clock.advance_to(at)
    for post in many:
        _publish(dateline, post)
    held = [message for _ in range(workers) for message in stack.receive("deliveries", 1)]
    _publish(dateline, other)
    if not grouped:
        for message in stack.queue("deliveries")._messages:
            message.group_id = None
    while held:
        received = held.pop(0)
        stack.deliver([received])
        if other.id in received.body:
            break
        held += stack.receive("deliveries", 1)
    seen = [entry.text for entry in dateline.world.seen("mastodon")]
    return seen.index("Just one")


def _copied(dateline: Dateline, original: Post, number: int) -> Post:
    """Another post like it in the store, without a schedule entry."""
    post = copy.deepcopy(original)
    post.id, post.version = new_id("post", dateline.clock.now()), 0
    post.segments = (post.segments[0]._replace(text=f"Number {number} of many"), *post.segments[1:])
    dateline.deps.posts.save(post)
    return post


def _publish(dateline: Dateline, post: Post) -> None:
    """What the post's schedule entry does."""
    outcome = dateline.stack.invoke("publish", {"postId": post.id, "partition": post.partition})
    if outcome.value != {"done": "queued"}:
        raise RuntimeError(f"a post was not queued: {outcome}")
