"""The routes below /v1/posts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..domain.errors import Problem
from ..domain.instants import sortable
from ..domain.lifecycle import POST_TRANSITIONS, only_held
from ..domain.post import Post
from ..domain.view import attempt_view, post_view
from ..usecases import approve as decisions
from ..usecases import settle, write
from ..usecases.compose import Warn
from . import once
from .answers import Answer, fitting, page_of, problem_view, slice_of
from .auth import require
from .request import Request

if TYPE_CHECKING:
    from ..store.listing import Filter

LONGEST_WAIT = 25.0
"""Seconds a synchronous answer is waited for; API Gateway gives up at 30."""

POLL = 0.4
"""Seconds between looks at a post that is waited for."""

NEWS_WAIT = 2.0
"""Seconds that the events of a post which was written just now are waited for: they come by way of the table's stream …"""

NEWS_POLL = 0.1
NEWS_FRESH = 10.0
"""… and seconds after which a missing one is not under way any more (sweep announces what the stream lost)."""

VERDICT = ("status", "publishAt", "scheduledFor", "timezone", "queueId", "targets", "warnings")
"""Members of a post that validate answers."""

STATUSES = tuple(status for status in POST_TRANSITIONS if status)


def shown(post: Post, warnings: tuple[Warn, ...] = ()) -> dict[str, Any]:
    """The post with what the client should know."""
    return {**post_view(post), "warnings": [warning.as_dict() for warning in warnings]}


def _answer(status: int, post: Post, warnings: tuple[Warn, ...] = (), *, replayed: bool = False, created: bool = False) -> Answer:
    headers = {"ETag": f'"{post.revision}"'}
    if created:
        headers["Location"] = f"/v1/posts/{post.id}"
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return Answer(status, shown(post, warnings), headers)


def create(request: Request) -> Answer:
    """POST /v1/posts."""
    from .shapes import PostIn, read

    body = request.body()
    wish = read(PostIn, body).wish()
    if wish.publish_now or wish.scheduled_for is not None or wish.queue_id is not None:
        require(request.actor, "posts:publish")
    seconds = _wait_seconds(request)
    claim = once.claim_of(request, body)
    warnings: list[Warn] = []

    def do() -> Post:
        written = write.create(request.deps, request.actor, wish, claim)
        warnings.extend(written.warnings)
        return written.post

    post, replayed = once.write_post(request, body, do)
    if seconds and wish.publish_now:
        post = wait_for(request, post, seconds)
    return _answer(201, post, tuple(warnings), replayed=replayed, created=True)


def validate(request: Request) -> Answer:
    """POST /v1/posts/validate: what create would answer; 200 with `valid`, whatever it is, unless nothing can be read."""
    from .shapes import PostIn, read

    body = request.body()
    try:
        wish = read(PostIn, body).wish()
        written = write.preview(request.deps, request.actor, wish)
    except Problem as problem:
        refusal = problem_view(problem, "/v1/posts")
        said = {name: refusal[name] for name in ("code", "detail", "errors")}
        empty: dict[str, Any] = {**dict.fromkeys(VERDICT), "targets": [], "warnings": [], "usage": []}
        return Answer(200, {"valid": False, **said, **empty, "problem": refusal})
    view = shown(written.post, written.warnings)
    said = {"code": None, "detail": None, "errors": []}
    verdict = {name: view[name] for name in VERDICT} | {"usage": list(written.forecast)}
    return Answer(200, {"valid": True, **said, **verdict, "problem": None})


def wanted_of(request: Request) -> Filter:
    """The filters of a list. Raises `Problem` for those that make no sense, and for a cursor of other ones."""
    from ..platforms import registry
    from ..store.listing import Filter, decode_cursor

    statuses = [s for value in request.query.get("status", []) for s in value.split(",") if s]
    for status in statuses:
        if status not in STATUSES:
            detail = f"There is no status {status!r}; there are: {', '.join(STATUSES)}."
            raise Problem("invalid_request", detail, pointer="/status")
    platform = request.one("platform")
    if platform is not None and platform not in registry.names():
        detail = f"There is no platform {platform!r}; there are: {', '.join(registry.names())}."
        raise Problem("invalid_request", detail, pointer="/platform")
    order = request.one("order", "desc")
    if order not in ("asc", "desc"):
        raise Problem("invalid_request", f"order is asc or desc, not {order!r}.", pointer="/order")
    since, until = request.moment("from"), request.moment("to")
    if since is not None and until is not None and until <= since:
        raise Problem("invalid_request", "to must be later than from; it is not part of the span itself.", pointer="/to")
    wanted = Filter(
        tuple(dict.fromkeys(statuses)), platform, request.one("profileId"), request.one("label"), since, until, order == "asc"
    )
    cursor = request.cursor()
    at = decode_cursor(cursor)[1] if cursor else None
    if at and ((since and at < sortable(since)) or (until and at >= sortable(until))):
        detail = "This cursor belongs to another from or to; keep the filters while paging."
        raise Problem("invalid_request", detail, pointer="/cursor")
    return wanted


def list_posts(request: Request) -> Answer:
    """GET /v1/posts."""
    from ..store.listing import encode_cursor, page

    wanted, cursor = wanted_of(request), request.cursor()
    found = page(request.deps.posts, request.deps.profiles, request.actor.partition, wanted, request.limit(), cursor)
    parts = fitting(found.posts, shown)
    if len(parts) == len(found.posts):
        return page_of(parts, found.cursor)
    last = found.posts[len(parts) - 1]
    return page_of(parts, encode_cursor(last.id, sortable(last.sort_at)))


def get(request: Request, post_id: str) -> Answer:
    """GET /v1/posts/{id}."""
    return _answer(200, write.find(request.deps, request.actor, post_id))


def events(request: Request, post_id: str) -> Answer:
    """GET /v1/posts/{id}/events: with the events of the very last write, which a client may just have made itself."""
    post = write.find(request.deps, request.actor, post_id)
    found = request.deps.events.of_post(post.partition, post.id)
    clock = request.deps.clock
    start = clock.now()
    while (found[-1]["sequence"] if found else 0) < post.sequence and (
        (start - (post.updated_at or start)).total_seconds() < NEWS_FRESH and (clock.now() - start).total_seconds() < NEWS_WAIT
    ):
        clock.sleep(NEWS_POLL)
        found = request.deps.events.of_post(post.partition, post.id)
    return slice_of(request, [{k: v for k, v in e.items() if k != "position"} for e in found])


def attempts(request: Request, post_id: str) -> Answer:
    """GET /v1/posts/{id}/attempts."""
    post = write.find(request.deps, request.actor, post_id)
    found = [(a.started_at, attempt_view(target, a)) for target in post.targets.values() for a in target.attempts]
    return slice_of(request, [view for _, view in sorted(found, key=lambda pair: pair[0])])


def patch(request: Request, post_id: str) -> Answer:
    """PATCH /v1/posts/{id}."""
    from .shapes import PostPatch, read

    body = request.body()
    shape = read(PostPatch, body)
    post = write.find(request.deps, request.actor, post_id)
    if shape.status in ("scheduled", "publish") or shape.scheduled_for or shape.queue_id or post.status != "draft":
        require(request.actor, "posts:publish")
    claim = once.claim_of(request, body)
    warnings: list[Warn] = []

    def do() -> Post:
        written = write.edit(
            request.deps, request.actor, post, shape.members(), shape.status, once=claim(None), if_match=request.if_match
        )
        warnings.extend(written.warnings)
        return written.post

    post, replayed = once.write_post(request, body, do)
    return _answer(200, post, tuple(warnings), replayed=replayed)


def delete(request: Request, post_id: str) -> Answer:
    """DELETE /v1/posts/{id}: cancel."""
    post = write.find(request.deps, request.actor, post_id)
    if post.status != "draft":
        require(request.actor, "posts:publish")
    return _answer(200, write.cancel(request.deps, post, actor=request.actor, if_match=request.if_match))


def publish(request: Request, post_id: str) -> Answer:
    """POST /v1/posts/{id}/publish: now, waiting for the outcome unless asked not to."""
    body = _empty(request)
    asked = 0.0 if request.preference("respond-async") is not None else _wait_seconds(request)
    post = write.find(request.deps, request.actor, post_id)
    claim = once.claim_of(request, body)

    def do() -> Post:
        if post.status in ("queued", "publishing"):  # nothing will be written, so that no condition tells a repeat
            once.refuse_repeat(request, body)
        return write.publish(request.deps, request.actor, post, once=claim(None), if_match=request.if_match)

    post, replayed = once.write_post(request, body, do)
    post = wait_for(request, post, LONGEST_WAIT if asked is None else asked)
    return _answer(200 if settled(post) else 202, post, replayed=replayed)


def retry(request: Request, post_id: str) -> Answer:
    """POST /v1/posts/{id}/retry."""
    from .shapes import RetryIn, read

    body = request.body()
    shape = read(RetryIn, body)
    post = write.find(request.deps, request.actor, post_id)
    claim = once.claim_of(request, body)
    post, replayed = once.write_post(
        request, body,
        lambda: settle.retry(request.deps, post, shape.profile_ids, once=claim(None), if_match=request.if_match),
    )
    return _answer(200, post, replayed=replayed)


def unpublish(request: Request, post_id: str) -> Answer:
    """POST /v1/posts/{id}/unpublish: take it down on the networks, waiting for that unless asked not to."""
    from ..domain import removal
    from ..usecases import removing
    from .shapes import UnpublishIn, read

    body = request.body()
    shape = read(UnpublishIn, body)
    asked = 0.0 if request.preference("respond-async") is not None else _wait_seconds(request)
    post = write.find(request.deps, request.actor, post_id)
    claim = once.claim_of(request, body)
    post, replayed = once.write_post(
        request, body,
        lambda: removing.unpublish(request.deps, post, shape.profile_ids, once=claim(None), if_match=request.if_match),
    )
    clock, start = request.deps.clock, request.deps.clock.now()
    seconds = LONGEST_WAIT if asked is None else asked
    while removal.pending(post) and (clock.now() - start).total_seconds() < seconds:
        clock.sleep(POLL)
        post = request.deps.posts.get(post.id) or post
    return _answer(202 if removal.pending(post) else 200, post, replayed=replayed)


def approve(request: Request, post_id: str) -> Answer:
    """POST /v1/posts/{id}/approve."""
    from .shapes import ApproveIn, read

    body = request.body()
    shape = read(ApproveIn, body)
    post = write.find(request.deps, request.actor, post_id)
    claim = once.claim_of(request, body)
    post, replayed = once.write_post(
        request, body, lambda: decisions.approve(
            request.deps, request.actor, post, shape.hash, once=claim(None), if_match=request.if_match
        ),
    )
    return _answer(200, post, replayed=replayed)


def reject(request: Request, post_id: str) -> Answer:
    """POST /v1/posts/{id}/reject."""
    from .shapes import RejectIn, read

    body = request.body()
    shape = read(RejectIn, body)
    post = write.find(request.deps, request.actor, post_id)
    claim = once.claim_of(request, body)
    post, replayed = once.write_post(
        request, body, lambda: decisions.reject(
            request.deps, request.actor, post, shape.reason, shape.hash, once=claim(None), if_match=request.if_match
        ),
    )
    return _answer(200, post, replayed=replayed)


def stop(request: Request, post_id: str) -> Answer:
    """POST /v1/posts/{id}/stop."""
    body = _empty(request)
    post = write.find(request.deps, request.actor, post_id)
    claim = once.claim_of(request, body)
    post, replayed = once.write_post(
        request, body, lambda: settle.stop(request.deps, post, once=claim(None), if_match=request.if_match)
    )
    return _answer(200, post, replayed=replayed)


def resolve(request: Request, post_id: str, profile_id: str) -> Answer:
    """POST /v1/posts/{id}/targets/{profileId}/resolve."""
    from .shapes import ResolveIn, read

    body = request.body()
    shape = read(ResolveIn, body)
    post = write.find(request.deps, request.actor, post_id)
    claim = once.claim_of(request, body)
    post, replayed = once.write_post(
        request, body,
        lambda: settle.resolve(
            request.deps, post, profile_id, shape.outcome, shape.remote_id, shape.url, shape.segment,
            once=claim(None), if_match=request.if_match,
        ),
    )
    return _answer(200, post, replayed=replayed)


def _empty(request: Request) -> dict[str, Any]:
    from .shapes import EmptyIn, read

    body = request.body()
    read(EmptyIn, body)
    return body


def _wait_seconds(request: Request) -> float | None:
    raw = request.preference("wait")
    if raw is None:
        return None
    if not (raw.isascii() and raw.isdigit()):
        raise Problem("invalid_request", "Prefer: wait=<seconds> takes a whole number.", pointer="/prefer")
    return min(float(raw[:6]), LONGEST_WAIT)


def settled(post: Post) -> bool:
    """True once nothing more will happen to the post by itself."""
    return post.status not in ("scheduled", "queued", "publishing", "pending_approval")


def wait_for(request: Request, post: Post, seconds: float) -> Post:
    """Look at the post until it is settled or the time is up; one that is held for its profiles is not waited for."""
    clock = request.deps.clock
    start = clock.now()
    stays = "pending_approval"
    while not (settled(post) or only_held(post) or post.status == stays) and (clock.now() - start).total_seconds() < seconds:
        clock.sleep(POLL)
        post = request.deps.posts.get(post.id) or post
    return post
