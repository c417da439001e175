"""Where lists read: stretches of keys in order, from the posts' indexes and from the bookings, and what several have in common.

A key is a post's slot (`posts.slot_of`: its time, then its id). Every source is in the order of slots, so any of them can go on
where another stopped.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from ..domain.instants import sortable
from .bookings import label_key
from .tables import BookingRow, PostRow

LONGEST_PROFILE_ID = 128
"""Bytes of a profile's id: the tables do not take every key."""

_SLOT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z#post_[0-9A-Z]{26}", re.ASCII)


class Span(NamedTuple):
    """The stretch that is still to be read: the slots from `low` to `high`, in the order they are asked for."""

    low: str
    high: str
    ascending: bool

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None, *, ascending: bool) -> Span:
        """From `since` on, up to but without `until`. A slot sorts behind its bare time, so both are right as they are; without
        them, whatever begins with a digit (other rows may lie beside the bookings)."""
        return cls(sortable(since) if since else "0", sortable(until) if until else ":", ascending)

    def after(self, slot: str) -> Span:
        """What lies behind a slot. Slots have one length: nothing stands between a slot and the bound made of it."""
        if self.ascending:
            return self._replace(low=f"{slot}~")
        return self._replace(high=f"{slot[:-1]}{chr(ord(slot[-1]) - 1)}~")

    def passed(self, slot: str, end: str) -> bool:
        """Whether `slot` comes later in this order than `end`."""
        return slot > end if self.ascending else slot < end


class Keys(NamedTuple):
    """Slots in order. `end` is how far the source was read, None where nothing comes any more."""

    slots: Sequence[str]
    end: str | None


Source = Callable[[Span, int], Keys]
"""Reads at most so many slots of a span in one query. Eventually consistent."""


def is_slot(text: str) -> bool:
    """True for the slot of a post."""
    return _SLOT.fullmatch(text) is not None


def post_id_of(slot: str) -> str:
    """The post that a slot belongs to."""
    return slot.partition("#")[2]


def by_status(partition: str, status: str) -> Source:
    """The posts of one status (the index by_status, keys only)."""

    def read(span: Span, count: int) -> Keys:
        rows = PostRow.by_status.query(
            f"{partition}#{status}", PostRow.sort_at.between(span.low, span.high), scan_index_forward=span.ascending,
            limit=count, page_size=count,
        )
        slots = [row.sort_at for row in rows]
        return Keys(slots, slots[-1] if slots and rows.last_evaluated_key else None)

    return read


def by_label(partition: str, label: str) -> Source:
    """The posts with a label."""
    return _booked(partition, label_key(partition, label))


def by_profile(partition: str, profile_id: str) -> Source:
    """The posts on a profile, drafts and cancelled ones too. Nothing, if it is not the workspace's (or no profile at all)."""
    if profile_id.startswith("prof_") and len(profile_id.encode("utf-8", "surrogatepass")) <= LONGEST_PROFILE_ID:
        return _booked(partition, profile_id)
    return lambda _span, _count: Keys((), None)


def _booked(partition: str, key: str) -> Source:
    def read(span: Span, count: int) -> Keys:
        rows = BookingRow.query(
            key, BookingRow.slot.between(span.low, span.high), scan_index_forward=span.ascending, limit=count, page_size=count
        )
        found = [(row.slot, row.ws) for row in rows]
        if any(ws != partition for _, ws in found):
            return Keys((), None)  # another workspace's profile: not even its slots may be seen
        return Keys([slot for slot, _ in found], found[-1][0] if found and rows.last_evaluated_key else None)

    return read


def merged(sources: Sequence[Source], span: Span, count: int) -> Keys:
    """What is in any of the sources, each read for at most `count` slots, as far as all of them were read."""
    found = [source(span, count) for source in sources]
    in_order = heapq.merge(*(keys.slots for keys in found), reverse=not span.ascending)
    slots = [slot for slot, _ in groupby(in_order)]  # a post that is just moving on may be in two
    ends = [keys.end for keys in found if keys.end is not None]
    if not ends:
        return Keys(slots, None)
    nearest = min(ends) if span.ascending else max(ends)
    return Keys([slot for slot in slots if not span.passed(slot, nearest)], nearest)


def common(found: Sequence[Keys], span: Span) -> Keys:
    """What may be in all of these: the slots of the one that reaches farthest, without those that another was read past and
    does not have. Whether a post is in those that were not read so far, the post itself must say."""
    through = [keys for keys in found if keys.end is None]
    if through:
        widest = min(through, key=lambda keys: len(keys.slots))
    else:
        widest = (max if span.ascending else min)(found, key=lambda keys: keys.end or "")
    slots = widest.slots
    for keys in found:
        has = frozenset(keys.slots)
        slots = [slot for slot in slots if slot in has or (keys.end is not None and span.passed(slot, keys.end))]
    return Keys(slots, widest.end)
