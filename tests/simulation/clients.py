"""What clients do over the API, and what they may rely on once they were answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dateline.domain.instants import rfc3339
from dateline.domain.post import Post, Target
from local.stack import Answer
from tests.simulation.invariants import Violation, contenders, leftover
from tests.simulation.settings import platform_of

if TYPE_CHECKING:
    from tests.simulation.world import Simulation, Step

IMAGE = {"url": "https://cdn.example/picture.png", "type": "image", "altText": "A picture"}
VIDEO = {"url": "https://cdn.example/film.mp4", "type": "video"}
LONGEST_REPEAT = timedelta(hours=20)
"""A key is kept for a day."""


def parsed(text: str) -> dict[str, Any]:
    """JSON as a dict."""
    value: dict[str, Any] = json.loads(text)
    return value


def _body(sim: Simulation, step: Step) -> dict[str, Any]:
    """The members that create and edit share."""
    body: dict[str, Any] = {}
    texts = step.get("texts")
    if texts and len(texts) == 1:
        body["text"] = texts[0]
        if step.get("media"):
            body["media"] = [VIDEO if step["media"] == "video" else IMAGE]
    elif texts:
        body["thread"] = [{"text": text, "media": [IMAGE] if step.get("media") == n else []} for n, text in enumerate(texts)]
    if step.get("profiles"):
        body["profileIds"] = list(step["profiles"])
    if isinstance(step.get("in"), int | float):
        body["scheduledFor"] = rfc3339(sim.clock.now() + timedelta(seconds=step["in"]))
    if step.get("queue") and sim.queue_id is not None:
        body["queueId"] = sim.queue_id
        if step.get("reservation") is not None and sim.reservations:
            body["reservationId"] = sim.reservations[-1 - step["reservation"] % len(sim.reservations)]["id"]
    return body | dict(step.get("more", {}))


def send(
    sim: Simulation, step: Step, method: str, path: str, body: Any, label: str, note: Callable[[Answer], None] | None = None,
    **headers: str,
) -> Answer:
    """Send a request, with its key if it has one, and `note` what its answer promises: a post, unless told otherwise."""
    note = note or (lambda answer: _note(sim, method, path, body, label, answer))
    if step.get("key"):
        headers["idempotency-key"] = step["key"]
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = sim.request(method, path, body, sent)
    if step.get("key"):
        sim.requests.append({
            "method": method, "path": path, "body": body, "headers": sent, "label": label, "at": sim.clock.now(), "note": note,
            "status": answer.status, "id": parsed(answer.body.decode()).get("id") if answer.status < 300 else None,
        })
    note(answer)
    return answer


def _note(sim: Simulation, method: str, path: str, body: Any, label: str, answer: Answer) -> None:
    if answer.status >= 300:
        return
    view = answer.json()
    if sim.ids.setdefault(label, view["id"]) != view["id"]:
        raise Violation(f"{label}: answered as {view['id']}, before as {sim.ids[label]}")
    sim.told.setdefault(view["id"], {}).setdefault(view["revision"], view)
    if view["status"] == "cancelled":
        sim.cancelled.add(view["id"])
    elif method == "DELETE":
        raise Violation(f"{label}: a cancel was answered {answer.status} with the status {view['status']}")
    if "idempotency-replayed" in {name.lower() for name in answer.headers} or method == "DELETE":
        return
    for member in ("text", "scheduledFor", "profileIds", "thread", "firstComment"):
        if isinstance(body, Mapping) and member in body:
            shown = [t["profileId"] for t in view["targets"]] if member == "profileIds" else view.get(member)
            wanted = body[member]
            if member == "thread":
                shown, wanted = [s["text"] for s in shown or ()], [s["text"] for s in wanted]
            if member == "scheduledFor":
                shown = view["publishAt"]
            if shown != wanted:
                raise Violation(f"{label}: {method} {path} was answered with {member} {shown!r}, asked for {wanted!r}")
    if isinstance(body, Mapping) and body.get("reservationId"):
        slots = [reserved["slot"] for reserved in sim.reservations if reserved["id"] == body["reservationId"]]
        if view["publishAt"] not in slots:
            raise Violation(f"{label}: {slots} was reserved, {view['publishAt']} given")


def creation(sim: Simulation, step: Step) -> dict[str, Any]:
    """The body of a create."""
    label = step["label"]
    body = _body(sim, step) | {"metadata": {"label": label}, "labels": [label[-1], "all"]}
    return body | {"publishNow": True} if step.get("when") == "now" else body


def create(sim: Simulation, step: Step) -> Answer | None:
    """POST /v1/posts. The answer, None if there was such a post before."""
    label = step["label"]
    if label in sim.labels:
        return None
    sim.labels.append(label)
    return send(sim, step, "POST", "/v1/posts", creation(sim, step), label)


def repeat(sim: Simulation, step: Step) -> None:
    """A keyed request again, as a client does whose answer was lost."""
    if not sim.requests:
        return
    first = sim.requests[step["which"] % len(sim.requests)]
    if sim.clock.now() - first["at"] > LONGEST_REPEAT:
        return
    answer = sim.request(first["method"], first["path"], first["body"], first["headers"])
    if first["status"] < 300 and first["id"] is None:
        # An import none of whose rows could be made wrote nothing: like a refusal it does not use up its key.
        first["status"], first["id"] = answer.status, answer.json().get("id")
    elif first["status"] < 300:
        if answer.status < 300 and answer.json()["id"] != first["id"]:
            raise Violation(f"a repeated key made {answer.json()['id']} beside {first['id']}")
        if 400 <= answer.status < 500 and first["path"].split("?")[0] in ("/v1/posts", "/v1/posts/bulk") and first["id"]:
            raise Violation(f"{first['label']}: create was answered {first['status']}, its repeat {answer.status}")
    elif answer.status < 300:
        first["status"], first["id"] = answer.status, answer.json()["id"]
    first["note"](answer)


def _on(sim: Simulation, step: Step) -> Post | None:
    return sim.post(step["label"])


def edit(sim: Simulation, step: Step) -> None:
    """PATCH /v1/posts/{id}."""
    post = _on(sim, step)
    if post is None:
        return
    body = _body(sim, step)
    if step.get("status"):
        body["status"] = step["status"]
    headers = {"if_match": f'"{post.revision}"'} if step.get("if_match") else {}
    _as_before(sim, post, send(sim, step, "PATCH", f"/v1/posts/{post.id}", body, step["label"], None, **headers))


def _as_before(sim: Simulation, post: Post, answer: Answer) -> None:
    """A 503 that asks to try again has changed nothing that was promised."""
    if answer.status == 503 and answer.json()["code"] == "try_again" and not _troubled(sim):
        now = sim.posts()[post.id]
        if (now.revision, now.stage, now.publish_at) != (post.revision, post.stage, post.publish_at):
            raise Violation(f"{post.metadata.get('label')} was {post.stage}, a change was put off, and now it is {now.stage}")


def cancel(sim: Simulation, step: Step) -> None:
    """DELETE /v1/posts/{id}."""
    if (post := _on(sim, step)) is not None:
        _as_before(sim, post, send(sim, {}, "DELETE", f"/v1/posts/{post.id}", None, step["label"]))


def publish(sim: Simulation, step: Step) -> None:
    """POST /v1/posts/{id}/publish."""
    if (post := _on(sim, step)) is not None:
        headers = {} if step.get("wait") else {"prefer": "respond-async"}
        send(sim, step, "POST", f"/v1/posts/{post.id}/publish", {}, step["label"], None, **headers)


def retry(sim: Simulation, step: Step) -> None:
    """POST /v1/posts/{id}/retry."""
    if (post := _on(sim, step)) is not None:
        send(sim, step, "POST", f"/v1/posts/{post.id}/retry", {}, step["label"])


def stop(sim: Simulation, step: Step) -> None:
    """POST /v1/posts/{id}/stop."""
    if (post := _on(sim, step)) is not None:
        send(sim, step, "POST", f"/v1/posts/{post.id}/stop", {}, step["label"])


def resolve(sim: Simulation, step: Step) -> None:
    """A person looks at the network and says truly what became of an unconfirmed target. Waits as long as a server may still
    be at work, and leaves alone what only a person could not tell apart either."""
    post = _on(sim, step)
    if post is None or sim.http.working or sim.world.networks["mastodon"].stopped:  # type: ignore[attr-defined]
        return
    for target in post.targets.values():
        if target.status == "unconfirmed":
            _resolve(sim, step, post, target)
            return


def _resolve(sim: Simulation, step: Step, post: Post, target: Target) -> None:
    segments = post.draft_for(target.platform).segments
    place = len(target.remotes)
    text = segments[place].text
    posts = sim.posts()
    seen = leftover(sim, posts, target.profile_id, text)
    if seen and contenders(posts, target.profile_id, text) > 1:
        return
    body: dict[str, Any] = {"outcome": "published" if seen else "not_published"}
    if seen:
        body["remoteId"] = seen[0].remote_id
    if len(segments) > 1:
        body["segment"] = place
    send(sim, step, "POST", f"/v1/posts/{post.id}/targets/{target.profile_id}/resolve", body, post.metadata["label"])


def reconnect(sim: Simulation, step: Step) -> None:
    """New credentials for a profile whose token died."""
    profile_id = step["profile"]
    offered = sim.world.networks[platform_of(profile_id)].credentials_for(profile_id)
    answer = sim.request("PATCH", f"/v1/profiles/{profile_id}", {"credentials": offered["credentials"]})
    if answer.status == 200 and answer.json()["status"] != "connected" and not _troubled(sim):
        raise Violation(f"{profile_id} was connected again, and is {answer.json()['status']}")


def reconnect_dead(sim: Simulation) -> None:
    """No profile stays without credentials that work."""
    for profile in sim.profiles():
        if profile.status == "disconnected":
            reconnect(sim, {"op": "reconnect", "profile": profile.id})


def unpublish(sim: Simulation, step: Step) -> None:
    """POST /v1/posts/{id}/unpublish: take down what stands on the networks."""
    post = _on(sim, step)
    if post is None:
        return
    body = {"profileIds": step["profiles"]} if step.get("profiles") else {}
    path = f"/v1/posts/{post.id}/unpublish"
    answer = send(sim, step, "POST", path, body, step["label"], lambda answer: None, prefer="respond-async")
    if answer.status == 202:
        asked = [target for target in answer.json()["targets"] if (target.get("removal") or {}).get("status")]
        if not asked:
            raise Violation(f"{step['label']}: to be taken down by {answer.json()['targets']}")


def pause(sim: Simulation, step: Step) -> None:
    """PATCH /v1/profiles/{id}, or the whole workspace: nothing is to be published on it."""
    _switch(sim, step, paused=True)


def resume(sim: Simulation, step: Step) -> None:
    """The same the other way."""
    _switch(sim, step, paused=False)


def _switch(sim: Simulation, step: Step, *, paused: bool) -> None:
    path = f"/v1/profiles/{step['profile']}" if step.get("profile") else "/v1/workspace"
    answer = sim.request("PATCH", path, {"paused": paused})
    view = answer.json() if answer.status == 200 else {}
    if view and view["paused"] != (paused or "workspace" in view.get("pausedBy", ())) and not _troubled(sim):
        raise Violation(f"{path} was answered with {view}, asked for paused {paused}")


def _troubled(sim: Simulation) -> bool:
    """Whether somebody else may have switched in the same moment."""
    return sim.interference is not None and bool(sim.interference.happened)


def resume_all(sim: Simulation) -> None:
    """Nothing stays paused."""
    for path in ("/v1/workspace", *(f"/v1/profiles/{profile.id}" for profile in sim.profiles())):
        answer = sim.request("PATCH", path, {"paused": False})
        if answer.status != 200 or answer.json()["paused"]:
            raise Violation(f"{path} could not be resumed: {answer.status} {answer.body.decode()[:300]}")


OPERATIONS: Mapping[str, Callable[[Simulation, Step], object]] = {
    "create": create, "repeat": repeat, "edit": edit, "cancel": cancel, "publish": publish, "retry": retry, "stop": stop,
    "resolve": resolve, "reconnect": reconnect, "pause": pause, "resume": resume,
    "unpublish": unpublish,
}
