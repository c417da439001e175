"""Queues: defining them, finding the next free place, holding it for a while.

Finding reads, taking is one conditional write: of two callers who found the same place one is refused, and looks again. A
reservation is taken here; a post takes its place in the transaction that writes it (`moved`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain.errors import FieldError, Problem
from ..domain.ids import new_id, time_of
from ..domain.instants import LONGEST, parse_rfc3339, rfc3339, shown
from ..domain.queues import Definition, Queue, checked, intent_of, slots_from
from ..store.extras import Extra, run
from ..store.queues import Holder, Place, place_of, release, take
from ..store.tables import Conflict

if TYPE_CHECKING:
    from ..wiring import Deps
    from .compose import Wish
    from .write import Actor

MOST_CONFLICTS = 60
"""Tries against others who want the same place: each time one of them got it."""

SHORTEST_RESERVATION, LONGEST_RESERVATION = timedelta(minutes=1), timedelta(hours=24)
DEFAULT_RESERVATION = timedelta(minutes=10)

LONGEST_ID = 64

_TICK = timedelta(milliseconds=1)


class Reservation(NamedTuple):
    """A place that nobody else gets before `expires_at`."""

    id: str
    queue: Queue
    slot: datetime
    expires_at: datetime


def find(deps: Deps, actor: Actor, queue_id: str, pointer: str | None = None) -> Queue:
    """The workspace's queue. Raises `Problem` not_found (at `pointer`, where a body names it), also for another workspace's."""
    known = queue_id.startswith("queue_") and len(queue_id) <= LONGEST_ID and queue_id.isascii()
    queue = deps.posting_queues.get(actor.partition, queue_id) if known else None
    if queue is None:
        raise Problem("not_found", f"There is no queue {shown(queue_id)}.", pointer)
    return queue


def define(deps: Deps, actor: Actor, members: Mapping[str, Any]) -> Queue:
    """A new queue of `members` of `Definition`. Raises `Problem` with every fault."""
    now = deps.clock.now()
    queue = Queue(new_id("queue", now), actor.workspace_id, actor.mode, _definition(deps, actor, None, members), now, now)
    deps.posting_queues.save(queue)
    return queue


def change(deps: Deps, actor: Actor, queue_id: str, members: Mapping[str, Any]) -> Queue:
    """Other `members` for a queue; what is not named stays, and so does every place that is taken. Raises `Problem`."""
    for _ in range(5):
        queue = find(deps, actor, queue_id)
        queue.definition = _definition(deps, actor, queue.definition, members)
        queue.updated_at = deps.clock.now()
        try:
            deps.posting_queues.save(queue)
            return queue
        except Conflict:
            continue
    raise Problem("try_again", "The queue is being written by somebody else.")


def _definition(deps: Deps, actor: Actor, before: Definition | None, members: Mapping[str, Any]) -> Definition:
    """`members` laid over the definition before, and held against the rules; None takes one back to its default."""
    known = {**Definition._field_defaults, **(before._asdict() if before else {})}
    wanted = known | {name: Definition._field_defaults.get(name) if value is None else value for name, value in members.items()}
    missing = [name for name in ("name", "slots") if wanted.get(name) is None]
    if missing:
        errors = [FieldError(f"/{name}", "invalid_request", f"A queue needs {name}.") for name in missing]
        raise Problem("invalid_request", " ".join(error.detail for error in errors), errors=errors)
    if wanted.get("timezone") is None:
        wanted["timezone"] = actor.settings.get("timezone")
        if wanted["timezone"] is None:
            detail = "The slots are times of day somewhere: give the queue a `timezone`, such as America/New_York."
            raise Problem("timezone_required", detail, "/timezone")
    if before is not None and "slots" not in members:
        wanted["slots"] = [(slot.weekday, slot.time) for slot in before.slots]
    definition = checked(**wanted)
    if before is None or definition.profile_ids != before.profile_ids:
        _refuse_unknown(deps, actor, definition.profile_ids)
    return definition


def _refuse_unknown(deps: Deps, actor: Actor, profile_ids: Sequence[str]) -> None:
    from .write import known_ids  # here, since writing posts imports this module

    found = deps.allowances.read(actor.partition, known_ids(profile_ids)).profiles
    missing = [
        FieldError(f"/profileIds/{index}", "not_found", f"The workspace has no profile {shown(id)}.")
        for index, id in enumerate(profile_ids) if id not in found
    ]
    if missing:
        raise Problem("not_found", missing[0].detail, errors=missing)


def places(
    deps: Deps, queue: Queue, now: datetime, *, horizon_days: int | None, not_before: datetime | None = None
) -> Iterator[Place]:
    """Every slot after `now` (and not before `not_before`) within the horizon, in order, with who holds it. The rows are read
    as the caller goes on: who stops at the first free place has read no more than leads there. Raises `StoreUnavailable`."""
    after = now if not_before is None else max(now, not_before - _TICK)
    until = now + (timedelta(days=horizon_days) if horizon_days else LONGEST)
    rows = deps.posting_queues.taken(queue.id, after, until)
    row = next(rows, None)
    for slot in slots_from(queue.definition, after, until):
        while row is not None and row.slot < slot:  # of a slot that the queue does not have any more
            row = next(rows, None)
        yield place_of(queue, slot, row if row is not None and row.slot == slot else None, now)


def next_free(
    deps: Deps, queue: Queue, now: datetime, *, horizon_days: int | None, not_before: datetime | None = None,
    holder: str | None = None, pointer: str | None = None,
) -> Place:
    """The first slot with a place left, or one that `holder` has already (a post that is put into its queue again).

    Finding takes nothing: write `take(place, …)`, and look again when it is refused. Raises `Problem`
    beyond_horizon (`limitDays`, `latest`; at `pointer`, `/queueId` in the body of a post) when everything is taken.
    """
    looked_at = 0
    for place in places(deps, queue, now, horizon_days=horizon_days, not_before=not_before):
        if place.free or (holder is not None and place.held_by(holder)):
            return place
        looked_at += 1
    days = horizon_days or LONGEST.days
    latest = rfc3339(now + timedelta(days=days))
    why = f"all {looked_at:,} slots until {latest} are taken" if looked_at else f"it has no slot until {latest}"
    detail = (
        f"The queue {shown(queue.definition.name)} has no free place within {days} days: {why}. "
        "Add slots, raise its capacity, or take back blackout dates."
    )
    raise Problem("beyond_horizon", detail, pointer, {"limitDays": days, "latest": latest})


def reserved(deps: Deps, queue: Queue, reservation_id: str, now: datetime, pointer: str | None = None) -> Place:
    """The place a reservation holds. `take` of it gives it to a post, in the reservation's stead.

    Raises `Problem` not_found when there is no such reservation (any more).
    """
    slot = time_of(reservation_id) if reservation_id.startswith("resv_") and len(reservation_id) <= LONGEST_ID else None
    taken = deps.posting_queues.slot(queue.id, slot) if slot is not None and slot > now else None
    if slot is not None and taken is not None:
        place = place_of(queue, slot, taken, now)
        if place.held_by(reservation_id):
            return place._replace(reservation=reservation_id)
    detail = f"The queue has no reservation {shown(reservation_id)}: it has lapsed, was used or cancelled, or never was."
    raise Problem("not_found", detail, pointer)


def reserve(deps: Deps, queue: Queue, span: timedelta) -> Reservation:
    """Take the next free place for a while: until `span` from now, or until its slot if that comes first.

    Raises `Problem` beyond_horizon, or try_again when others were faster each time.
    """
    for _ in range(MOST_CONFLICTS):
        now = deps.clock.now()
        place = next_free(deps, queue, now, horizon_days=deps.settings.max_horizon_days)
        # The id's time is the slot's: so the reservation is found by its id alone.
        holder = Holder(new_id("resv", place.slot), min(now + span, place.slot))
        try:
            run(take(place, holder))
        except Conflict:
            # Refused, but perhaps by its own success: a repeat of ours, after an answer that was lost.
            there = deps.posting_queues.slot(queue.id, place.slot)
            if there is None or holder.id not in [other.id for other in there.holders]:
                continue
        assert holder.until is not None
        return Reservation(holder.id, queue, place.slot, holder.until)
    raise Problem("try_again", "Others took the next place each time; ask again in a moment.")


def cancel_reservation(deps: Deps, queue: Queue, reservation_id: str) -> None:
    """Give a reserved place back. Raises `Problem` not_found when it is not reserved (any more)."""
    place = reserved(deps, queue, reservation_id, deps.clock.now())
    holder = place.held_by(reservation_id)
    assert holder is not None
    run(release(queue.id, place.slot, [holder], queue.partition))


def into_queue(
    deps: Deps, actor: Actor, wish: Wish, now: datetime, holder: str | None = None, *, behind: datetime | None = None
) -> tuple[Wish, Place]:
    """The wish with the time of the queue's next free slot (`behind` a time), or of its reservation, as a clock in the queue's
    zone shows it; and the queue's profiles where it names none. `holder` is the post that may have a place already. Raises
    `Problem`."""
    assert wish.queue_id is not None
    queue = find(deps, actor, wish.queue_id, "/queueId")
    if wish.reservation_id is not None:
        place = reserved(deps, queue, wish.reservation_id, now, "/reservationId")
    else:
        horizon, first = deps.settings.max_horizon_days, None if behind is None else behind + _TICK
        place = next_free(deps, queue, now, horizon_days=horizon, not_before=first, holder=holder, pointer="/queueId")
    intent = intent_of(queue.definition, place.slot)
    return wish._replace(
        scheduled_for=intent.local, timezone=intent.timezone, fold=intent.fold,
        profile_ids=tuple(wish.profile_ids or queue.definition.profile_ids),
    ), place


def moved(before: Mapping[str, Any] | None, place: Place | None, post_id: str, ws: str, now: datetime) -> list[Extra]:
    """The writes that lead from the place a post has (`post.queue`, None: none) to the one it is to have (None: none).

    They belong into the transaction that writes the post. Taking is refused (`Conflict`) when somebody was faster;
    giving back never is, and a slot that has come is not given back.
    """
    holder, extras = Holder(post_id), []
    slot = parse_rfc3339(before["slot"]) if before else None
    stays = place is not None and before is not None and (before["id"], slot) == (place.queue.id, place.slot)
    if place is not None and not (stays and place.held_by(post_id) and place.reservation is None):
        extras.append(take(place, holder))
    if before is not None and slot is not None and slot > now and not stays:
        extras.append(release(before["id"], slot, [holder], ws))
    return extras


__all__ = [
    "Place", "Reservation", "cancel_reservation", "change", "define", "find", "moved", "next_free", "places",
    "release", "reserve", "reserved", "take",
]
