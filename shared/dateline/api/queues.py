"""The routes below /v1/queues."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Any

from ..domain.errors import Problem
from ..domain.instants import parse_duration, parse_rfc3339, rfc3339, sortable
from ..domain.queues import Queue, intent_of
from ..usecases import queues
from ..usecases.queues import Place, Reservation
from . import once
from .answers import Answer, fitting, page_of
from .request import Request

_ANY_TIME = "1970-01-01T00:00:00.000Z"


def queue_view(request: Request, queue: Queue) -> dict[str, Any]:
    """A queue with its next free slot, which is one query more."""
    rules = queue.definition
    return {
        "id": queue.id, "name": rules.name, "timezone": rules.timezone,
        "slots": [{"day": slot.weekday, "time": slot.time} for slot in rules.slots], "capacity": rules.capacity,
        "blackoutDates": list(rules.blackout_dates), "profileIds": list(rules.profile_ids),
        "nextSlot": _next_slot(request, queue), "createdAt": rfc3339(queue.created_at), "updatedAt": rfc3339(queue.updated_at),
    }


def _next_slot(request: Request, queue: Queue) -> str | None:
    deps = request.deps
    try:
        place = queues.next_free(deps, queue, deps.clock.now(), horizon_days=deps.settings.max_horizon_days)
    except Problem:  # nothing is free, or the zone database has lost the zone: the queue can still be read, and changed
        return None
    return rfc3339(place.slot)


def slot_view(place: Place) -> dict[str, Any]:
    """One slot and who has it. Reservations are counted, not named: whoever knows the id may use it."""
    posts = [holder.id for holder in place.holders if holder.until is None]
    rules = place.queue.definition
    return {
        "slot": rfc3339(place.slot), "local": intent_of(rules, place.slot).local, "capacity": rules.capacity,
        "taken": len(place.holders), "free": place.free, "reserved": len(place.holders) - len(posts), "postIds": posts,
    }


def reservation_view(reservation: Reservation) -> dict[str, Any]:
    """A reservation as it is answered."""
    return {
        "id": reservation.id, "queueId": reservation.queue.id, "slot": rfc3339(reservation.slot),
        "local": intent_of(reservation.queue.definition, reservation.slot).local,
        "expiresAt": rfc3339(reservation.expires_at),
    }


def list_queues(request: Request) -> Answer:
    """GET /v1/queues."""
    from ..store.listing import decode_cursor, encode_cursor

    cursor = request.cursor()
    after = decode_cursor(cursor)[0] if cursor else None
    found, more = request.deps.posting_queues.list(request.actor.partition, request.limit(), after)
    parts = fitting(found, lambda queue: queue_view(request, queue))
    last = found[len(parts) - 1].id if len(parts) < len(found) else more
    return page_of(parts, encode_cursor(last, _ANY_TIME) if last else None)


def create(request: Request) -> Answer:
    """POST /v1/queues."""
    from .shapes import QueueIn, read

    body = request.body()
    members = read(QueueIn, body).members()
    status, answer, replayed = once.answer_once(
        request, body, lambda: (201, queue_view(request, queues.define(request.deps, request.actor, members)))
    )
    return Answer(status, answer, {"Location": f"/v1/queues/{answer['id']}"} | _replayed(replayed))


def get(request: Request, queue_id: str) -> Answer:
    """GET /v1/queues/{id}."""
    return Answer(200, queue_view(request, queues.find(request.deps, request.actor, queue_id)))


def patch(request: Request, queue_id: str) -> Answer:
    """PATCH /v1/queues/{id}: another definition, for places that are taken from now on."""
    from .shapes import QueuePatch, read

    body = request.body()
    members = read(QueuePatch, body).members()
    status, answer, replayed = once.answer_once(
        request, body, lambda: (200, queue_view(request, queues.change(request.deps, request.actor, queue_id, members)))
    )
    return Answer(status, answer, _replayed(replayed))


def delete(request: Request, queue_id: str) -> Answer:
    """DELETE /v1/queues/{id}: its posts keep their time, its reservations are void."""
    request.deps.posting_queues.delete(queues.find(request.deps, request.actor, queue_id))
    return Answer(204, None)


def slots(request: Request, queue_id: str) -> Answer:
    """GET /v1/queues/{id}/slots: what is to come within the horizon, taken or not."""
    from ..store.listing import encode_cursor

    deps, limit, start = request.deps, request.limit(), _start(request)
    queue = queues.find(deps, request.actor, queue_id)
    found = list(islice(
        queues.places(deps, queue, deps.clock.now(), horizon_days=deps.settings.max_horizon_days, not_before=start), limit + 1
    ))
    parts = fitting(found[:limit], slot_view)
    following = sortable(found[len(parts)].slot) if len(parts) < len(found) else None
    return page_of(parts, encode_cursor(queue.id, following) if following else None)


def _start(request: Request) -> datetime | None:
    """Where the page begins: at its cursor, else at `from`, else now (None)."""
    from ..store.listing import decode_cursor

    cursor = request.cursor()
    if cursor is None:
        return request.moment("from")
    try:
        return parse_rfc3339(decode_cursor(cursor)[1])
    except ValueError:
        raise Problem("invalid_request", "This is not a cursor of this list; take nextCursor as it is.", "/cursor") from None


def reserve(request: Request, queue_id: str) -> Answer:
    """POST /v1/queues/{id}/reservations."""
    from .shapes import ReservationIn, read

    body = request.body()
    wanted = read(ReservationIn, body).expires_in
    span = queues.DEFAULT_RESERVATION if wanted is None else parse_duration(wanted, "/expiresIn")
    if not queues.SHORTEST_RESERVATION <= span <= queues.LONGEST_RESERVATION:
        raise Problem("invalid_request", "expiresIn is from one minute (PT1M) to 24 hours (PT24H).", pointer="/expiresIn")

    def do() -> tuple[int, Any]:
        queue = queues.find(request.deps, request.actor, queue_id)
        return 201, reservation_view(queues.reserve(request.deps, queue, span))

    status, answer, replayed = once.answer_once(request, body, do)
    return Answer(status, answer, _replayed(replayed))


def cancel_reservation(request: Request, queue_id: str, reservation_id: str) -> Answer:
    """DELETE /v1/queues/{id}/reservations/{id}."""
    queue = queues.find(request.deps, request.actor, queue_id)
    queues.cancel_reservation(request.deps, queue, reservation_id)
    return Answer(204, None)


def _replayed(replayed: bool) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if replayed else {}
