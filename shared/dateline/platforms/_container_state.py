"""What is remembered of a delivery's containers between its steps, in the checkpoint's `containers`: slot -> id, what it was made
of, when it was made, and when it was last seen finished. A slot is a segment, or a child of its carousel ("0.2/1").
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ..domain.content import Media
from .base import Delivery

FRESH = timedelta(minutes=10)
"""A container that was finished a moment ago is not asked again before it is published."""
KEPT = timedelta(hours=5)
"""An older container is made anew: a lost answer is settled by what was posted since it was made, and which are another's is
known for the six hours before the call."""


class Item(NamedTuple):
    """One container to be made: its form fields, and the medium whose address goes into the field `address`."""

    fields: Mapping[str, str]
    media: Media | None = None
    address: str = ""


class Plan(NamedTuple):
    """The containers of one segment; with `children` a carousel, whose ids go into the field `children` of `item`."""

    item: Item
    children: tuple[Item, ...] = ()


def containers_of(delivery: Delivery) -> dict[str, dict[str, Any]]:
    """All that are remembered."""
    return dict(delivery.checkpoint.get("containers") or {})


def slot_of(delivery: Delivery, segment: int) -> str:
    """The name of a segment's container; another after the thread was taken down again: the first is spent."""
    return f"{delivery.checkpoint.get('takenDown', 0)}.{segment}"


def known_of(delivery: Delivery, slot: str, plan: Plan) -> dict[str, Any] | None:
    """The saved container, if it is of what is to be said now (a post may have been edited since) and not old; any after a call
    that was uncertain or refused, which may have published it."""
    known = containers_of(delivery).get(slot)
    if not known or delivery.uncertain:
        return known
    return known if is_kept(known, delivery.now()) and known.get("of") == print_of(plan) else None


def is_kept(known: Mapping[str, Any], now: datetime) -> bool:
    """Whether a container is used still, or made anew for its age."""
    return bool(known.get("refused")) or now - datetime.fromisoformat(known["at"]) <= KEPT


def is_fresh(known: Mapping[str, Any] | None, now: datetime) -> bool:
    """Whether a container was seen finished a moment ago."""
    return bool(known and known.get("done")) and now - datetime.fromisoformat(str((known or {})["done"])) < FRESH


def mark(delivery: Delivery, slot: str, **values: str) -> None:
    """Remember more of a container. Saves."""
    known = containers_of(delivery)
    delivery.save(containers={**known, slot: {**known[slot], **values}})


def forget(delivery: Delivery, slot: str) -> None:
    """Forget a container; with a carousel's its children, with a child's its carousel. Saves."""
    whole = slot.partition("/")[0]
    kept = {name: entry for name, entry in containers_of(delivery).items() if name.partition("/")[0] != whole}
    delivery.save(containers=kept)


def print_of(of: Plan | Item) -> str:
    """What a container is made of, in short. The client's own address stands for a medium: the signed one is secret."""
    import hashlib
    import json

    items = (of,) if isinstance(of, Item) else (of.item, *of.children)
    whole = [[dict(item.fields), item.media.url if item.media else None] for item in items]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]
