"""What is reserved belongs to somebody: a queue's place to a post or a reservation, whatever an import took to its posts, and
an import's rows to all of it or to none. Each says what it found and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dateline.domain.instants import sortable
from dateline.domain.post import Post
from tests.simulation.invariants import Violation

if TYPE_CHECKING:
    from tests.simulation.world import Simulation


def check(sim: Simulation) -> None:
    """Everything that must hold at any moment."""
    posts = sim.posts()
    if sim.queue_id is not None:
        _places(sim, posts)
    for post in posts.values():
        if post.bulk in sim.undone and post.id not in sim.undone[post.bulk] and post.status != "cancelled":
            raise Violation(f"{post.metadata.get('label')} is {post.status}, though its import was undone and kept nothing of it")


def _places(sim: Simulation, posts: Mapping[str, Post]) -> None:
    """No slot has more holders than places; whoever has a place is to be published there; what was left is free."""
    now, capacity, slots = sim.clock.now(), sim.rules["queue"]["capacity"], sim.slots()
    importing = sim.under_way()
    for slot, holders in slots.items():
        live = [holder for holder in holders if holder.until is None or holder.until > now]
        if len(live) > capacity:
            raise Violation(f"the slot {slot} of {capacity} places is held by {live}")
        if slot <= sortable(now):
            continue  # a slot that has come is not given back
        for holder in live:
            if holder.until is not None:
                continue
            post = posts.get(holder.id)
            if post is None and not importing:
                raise Violation(f"the slot {slot} is held by {holder.id}, which does not exist")
            if post is not None and (post.queue or {}).get("slot") != slot:
                raise Violation(f"{post.metadata.get('label')} ({post.status}) holds {slot}, its own place is {post.queue}")
    for post in posts.values():
        if post.queue is None:
            continue
        slot, label = post.queue["slot"], post.metadata.get("label")
        if post.id not in [holder.id for holder in slots.get(slot, ())]:
            raise Violation(f"{label} ({post.status}) says it has a place at {slot}, held by {slots.get(slot)}")
        if post.publish_at is None or sortable(post.publish_at) != slot:
            raise Violation(f"{label} ({post.status}) has a place at {slot} and is to be published at {post.publish_at}")


def check_rest(sim: Simulation) -> None:
    """At rest no import is under way, and each is as it was promised."""
    posts, heads = sim.posts(), sim.heads()
    listed = sim.listed_imports()
    if listed or any(not head.finished for head in heads.values()):
        raise Violation(f"imports under way: {[f'{h.id} {h.state}' for h in heads.values() if not h.finished]}, listed {listed}")
    by_label = {post.metadata.get("label"): post for post in posts.values()}
    for batch in sim.batches:
        there = [label for label in batch["labels"] if label in by_label]
        if not batch["skip"] and there and len(there) != len(batch["labels"]):
            raise Violation(f"{batch['labels']}: all or none of these rows was to be, there are {there}")
    for import_id, wanted in sim.imports.items():
        head, made = heads[import_id], {post.metadata.get("label") for post in posts.values() if post.bulk == import_id}
        if head.state == "dropped" or made != wanted:
            raise Violation(f"the import {import_id} was acknowledged with {wanted}, is {head.state} and made {made}")
        answer = sim.request("GET", f"/v1/bulk/{import_id}")
        told = {row["id"] for row in answer.json()["rows"] if row["id"]}
        if told != {post.id for post in posts.values() if post.bulk == import_id}:
            raise Violation(f"the import {import_id} tells of {sorted(told)}")
    for post in posts.values():
        own = heads.get(post.bulk or "")
        if own is not None and own.state == "dropped":
            raise Violation(f"{post.metadata.get('label')} is there, its import was given up")
        if own is not None and own.state == "undone" and post.id not in own.kept and post.status != "cancelled":
            raise Violation(f"{post.metadata.get('label')} is {post.status}, its import was undone")
