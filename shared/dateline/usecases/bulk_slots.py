"""The places of queues for the rows of a bulk request: handed out in their order, taken slot by slot in one write each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from ..domain.errors import Problem
from ..domain.queues import Queue, intent_of
from ..store.queues import Holder, Place, take
from . import queues

if TYPE_CHECKING:
    from ..store.extras import Extra
    from ..wiring import Deps
    from .compose import Wish
    from .write import Actor


class Slots:
    """The places of queues, handed out in order of the rows."""

    def __init__(self, deps: Deps, actor: Actor, now: datetime) -> None:
        self._deps, self._actor, self._now = deps, actor, now
        self._queues: dict[str, Queue | Problem] = {}
        self._ahead: dict[str, tuple[Iterator[Place], Place | None]] = {}
        self._given: dict[tuple[str, datetime], tuple[Place, list[str]]] = {}

    def ready(self, wish: Wish) -> Wish:
        """The wish with the profiles of its queue, where it names none itself. Raises `Problem`."""
        if wish.reservation_id is not None:
            raise Problem("invalid_request", "A reservation is for a single create, not for a bulk request.", "/reservationId")
        return wish._replace(profile_ids=tuple(wish.profile_ids or self._queue(wish).definition.profile_ids))

    def _queue(self, wish: Wish) -> Queue:
        assert wish.queue_id is not None
        if wish.queue_id not in self._queues:
            try:
                self._queues[wish.queue_id] = queues.find(self._deps, self._actor, wish.queue_id, "/queueId")
            except Problem as missing:
                self._queues[wish.queue_id] = missing
        found = self._queues[wish.queue_id]
        if isinstance(found, Problem):
            raise found
        return found

    def into(self, wish: Wish, post_id: str) -> tuple[Wish, Place]:
        """The wish with the time of the next free place. Raises `Problem`."""
        queue, horizon = self._queue(wish), self._deps.settings.max_horizon_days
        if queue.id not in self._ahead:
            self._ahead[queue.id] = queues.places(self._deps, queue, self._now, horizon_days=horizon), None
        ahead, place = self._ahead[queue.id]
        while place is None or place.free - len(self._given.get((queue.id, place.slot), (place, []))[1]) <= 0:
            place = next(ahead, None)
            if place is None:
                detail = "The queue has no free place left for this row within the horizon."
                raise Problem("beyond_horizon", detail, "/queueId", {"limitDays": horizon})
        self._ahead[queue.id] = (ahead, place)
        self._given.setdefault((queue.id, place.slot), (place, []))[1].append(post_id)
        intent = intent_of(queue.definition, place.slot)
        return wish._replace(scheduled_for=intent.local, timezone=intent.timezone, fold=intent.fold, queue_id=None), place

    def give_back(self, place: Place, post_id: str) -> None:
        """The row came to nothing. If it was the last one that was given a place, the next row gets it; else it stays free."""
        self._given[(place.queue.id, place.slot)][1].remove(post_id)

    def takes(self) -> Iterator[tuple[Extra, list[tuple[str, str, str]]]]:
        """One write for each slot, with (queue, slot, post) of every place in it."""
        for place, post_ids in self._given.values():
            if post_ids:
                before = place._replace(holders=(*place.holders, *(Holder(id) for id in post_ids[:-1])))
                taken = place.as_dict()
                yield take(before, Holder(post_ids[-1])), [(taken["id"], taken["slot"], id) for id in post_ids]
