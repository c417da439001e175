"""What teams do over the API: decide about posts, put them into queues, send many at once and take them back, ask before they
create. And what they may rely on once they were answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dateline.domain.fingerprints import decision_hash
from local.stack import Answer
from tests.simulation import clients
from tests.simulation.invariants import Violation

if TYPE_CHECKING:
    from tests.simulation.world import Simulation, Step

STALE = "0" * 32
"""The hash of nothing."""


def decide(sim: Simulation, step: Step) -> None:
    """POST /v1/posts/{id}/approve or /reject: with the hash of what is there, with that of something else, or with none."""
    post = sim.post(step["label"])
    if post is None:
        return
    body = {} if step.get("hash") is None else {"hash": decision_hash(post) if step["hash"] == "same" else STALE}
    if step["op"] == "approve":
        sim.approving.add(post.id)
    answer = clients.send(sim, step, "POST", f"/v1/posts/{post.id}/{step['op']}", body, step["label"])
    if answer.status == 200 and "idempotency-replayed" not in {name.lower() for name in answer.headers}:
        approval = answer.json()["approval"] or {}
        if body and approval.get("hash") != body["hash"]:
            raise Violation(f"{step['label']}: {step['op']} of {body['hash']} was answered with {approval}")


def reserve(sim: Simulation, step: Step) -> None:
    """POST /v1/queues/{id}/reservations."""
    answer = sim.request("POST", f"/v1/queues/{sim.queue_id}/reservations", {"expiresIn": f"PT{step['minutes']}M"})
    if answer.status == 201:
        sim.reservations.append(answer.json())


def unreserve(sim: Simulation, step: Step) -> None:
    """DELETE /v1/queues/{id}/reservations/{id}."""
    if sim.reservations:
        chosen = sim.reservations[step["which"] % len(sim.reservations)]
        sim.request("DELETE", f"/v1/queues/{sim.queue_id}/reservations/{chosen['id']}")


def validate(sim: Simulation, step: Step) -> None:
    """POST /v1/posts/validate, then the same as a create with nothing in between: the verdict must be the same."""
    if step["label"] in sim.labels:
        return
    verdict = sim.request("POST", "/v1/posts/validate", clients.creation(sim, step))
    answer = clients.create(sim, step)
    if verdict.status != 200:
        if answer is not None and answer.status != verdict.status:
            raise Violation(f"{step['label']}: validate was answered {verdict.status}, create {answer.status}")
        return
    said, assured = verdict.json(), answer
    done = None if assured is None or assured.status < 300 else assured.json().get("code")
    if said["valid"] != (done is None) or said["code"] != done:
        raise Violation(f"{step['label']}: validate said {said['code']}, create {done}")


def bulk(sim: Simulation, step: Step) -> None:
    """POST /v1/posts/bulk with rows of JSON."""
    labels = [row["label"] for row in step["rows"]]
    if labels[0] in sim.labels:
        return
    sim.labels += labels
    skip = step.get("onError") == "skip"
    sim.batches.append({"labels": labels, "skip": skip})
    rows = [clients.creation(sim, row) for row in step["rows"]]
    query = [f"onError={step['onError']}"] if step.get("onError") else []
    query += [f"staggerMinutes={step['stagger']}"] if step.get("stagger") else []
    path = "/v1/posts/bulk" + ("?" + "&".join(query) if query else "")

    def note(answer: Answer) -> None:
        if answer.status < 300:
            _note_bulk(sim, labels, rows, skip, bool(step.get("stagger")), answer.json())

    clients.send(sim, step, "POST", path, rows, labels[0], note=note)


def _note_bulk(
    sim: Simulation, labels: list[str], rows: list[dict[str, Any]], skip: bool, stagger: bool, view: Mapping[str, Any]
) -> None:
    """What the answer to an import promises: this post for this row."""
    good = {labels[row["row"] - 1] for row in view["rows"] if not row["errors"]}
    if not skip and len(good) != len(labels):
        raise Violation(f"{labels}: an import that is to be whole was acknowledged with {view}")
    if view["id"] is None:
        if good:
            raise Violation(f"{labels}: rows without errors, and no import: {view}")
        return
    if sim.imports.setdefault(view["id"], good) != good:
        raise Violation(f"{labels}: {view['id']} was acknowledged with {sim.imports[view['id']]}, now with {good}")
    for row in view["rows"]:
        label, body = labels[row["row"] - 1], rows[row["row"] - 1]
        if row["id"] is not None and sim.ids.setdefault(label, row["id"]) != row["id"]:
            raise Violation(f"{label}: told as {row['id']}, before as {sim.ids[label]}")
        if not stagger and label in good and body.get("scheduledFor") and row["publishAt"] != body["scheduledFor"]:
            raise Violation(f"{label}: asked for {body['scheduledFor']}, told {row['publishAt']}")


def undo(sim: Simulation, step: Step) -> None:
    """DELETE /v1/bulk/{id}."""
    if not sim.imports:
        return
    import_id = sorted(sim.imports)[step["which"] % len(sim.imports)]
    answer = sim.request("DELETE", f"/v1/bulk/{import_id}")
    if answer.status != 200:
        return
    view = answer.json()
    if view["status"] != "undone":
        raise Violation(f"the undo of {import_id} was answered 200 with {view['status']}")
    kept = sim.undone.setdefault(import_id, set(view["kept"]))
    if kept != set(view["kept"]):
        raise Violation(f"the undo of {import_id} kept {sorted(kept)}, now {view['kept']}")


def approve_half(sim: Simulation) -> None:
    """Every second post that waits for approval gets it; the others may wait for ever."""
    waiting = sorted(post.id for post in sim.posts().values() if post.status == "pending_approval")
    for post_id in waiting[::2]:
        sim.approving.add(post_id)
        sim.request("POST", f"/v1/posts/{post_id}/approve", {})


OPERATIONS: Mapping[str, Callable[[Simulation, Step], object]] = {
    "approve": decide, "reject": decide, "enqueue": clients.create, "requeue": clients.edit, "reserve": reserve,
    "unreserve": unreserve, "validate": validate, "bulk": bulk, "undo": undo,
}
