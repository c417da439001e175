"""A workspace with as many posts as one likes, put straight into moto's tables in seconds, and moto's queries made fast on it.

Posts of one kind share everything but their id and time. moto sorts a whole table for each query; here it is handed only the
stretch of items that the query can see, and does the rest itself.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from unittest.mock import patch

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table

from dateline.domain.content import Segment
from dateline.domain.ids import new_id
from dateline.domain.post import Attempt, Post, RemoteSegment, Target, Transition
from dateline.store.bookings import bookings_of
from dateline.store.posts import slot_of, to_row
from dateline.store.tables import BookingRow
from local.template import ACCOUNT
from tests.harness import Dateline


class Kind(NamedTuple):
    """What posts have in common: a status, (profile, platform) of each target, labels."""

    status: str
    targets: tuple[tuple[str, str], ...]
    labels: tuple[str, ...]

    def post(self, post_id: str, workspace_id: str, text: str, at: datetime) -> Post:
        """A post of this kind as it might be stored."""
        out = self.status in ("published", "failed")
        stage = "queued" if out else self.status
        post = Post(post_id, workspace_id, "live", stage, at, (Segment(text),), labels=self.labels, publish_at=at)
        post.status, post.updated_at, post.version, post.write, post.sequence = self.status, at, 4, "0" * 16, 4
        kinds = ((1, "post.scheduled"), (4, f"post.{self.status}"))
        post.trail = [Transition(number, kind, None, None, at) for number, kind in kinds]
        for profile_id, platform in self.targets:
            target = post.targets[profile_id] = Target(profile_id, platform)
            if out:
                target.status, target.tries = self.status, 1
                target.attempts = [Attempt(1, at, at, at, self.status)]
                target.remotes = [RemoteSegment("11487236512873", "https://mastodon.social/@someone/11487236512873", {})]
        return post


class Crowd:
    """Stored posts. `slots` names each post's place and kind, in order of time."""

    def __init__(self, dateline: Dateline, workspace_id: str, text: str) -> None:
        tables = dynamodb_backends[ACCOUNT][dateline.stack.region].tables
        names = dateline.deps.settings.tables
        self._posts, self._bookings = tables[names["posts"]], tables[names["bookings"]]
        self._workspace_id, self._text = workspace_id, text
        self._samples: dict[Kind, tuple[Item, list[Item]]] = {}
        self._stretches: defaultdict[tuple[str, str | None, str], tuple[list[str], list[Item]]] = defaultdict(lambda: ([], []))
        self.slots: list[tuple[str, Kind]] = []

    def fill(self, count: int, first: datetime, apart: timedelta, kind_of: Callable[[int], Kind]) -> None:
        """Replace whatever posts there are by `count` new ones, `apart` from each other."""
        for table in (self._posts, self._bookings):
            table.items.clear()
        self._stretches.clear()
        self.slots.clear()
        for number in range(count):
            self._add(first + number * apart, kind_of(number))

    def _add(self, at: datetime, kind: Kind) -> None:
        if kind not in self._samples:
            self._samples[kind] = self._sample(kind, at)
        sample, rows = self._samples[kind]
        post_id = new_id("post", at)
        # slot_of wants a post; a whole one a hundred thousand times is what this is here to avoid.
        slot = slot_of(Post(post_id, "", "", "", at))
        key, place = DynamoType({"S": post_id}), DynamoType({"S": slot})
        post = _like(sample, key, None, {"id": key, "sort_at": place, "publish_at": DynamoType({"N": str(at.timestamp())})})
        self._posts.items[key] = post  # type: ignore[assignment]
        for index in self._posts.global_indexes:
            if index.name != "due":
                self._keep(self._posts, index.name, post.attrs[index.schema[0]["AttributeName"]].value, slot, post)
        for row in rows:
            booked = _like(row, row.hash_key, place, {"slot": place, "post_id": key})
            self._bookings.items[row.hash_key][place] = booked
            self._keep(self._bookings, None, row.hash_key.value, slot, booked)
        self.slots.append((slot, kind))

    def _sample(self, kind: Kind, at: datetime) -> tuple[Item, list[Item]]:
        """The items of one such post as moto stores them, taken out again."""
        post = kind.post(new_id("post", at), self._workspace_id, self._text, at)
        to_row(post, quiet=False).save()
        rows = []
        for b in bookings_of(post):
            BookingRow(b.profile_id, b.slot, post_id=b.post_id, ws=b.ws, state=b.state).save()
            rows.append(self._bookings.items[DynamoType({"S": b.profile_id})].pop(DynamoType({"S": b.slot})))
        item: Any = self._posts.items.pop(DynamoType({"S": post.id}))
        return item, rows

    def _keep(self, table: Table, index: str | None, key: str, place: str, item: Item) -> None:
        places, items = self._stretches[table.name, index, key]
        places.append(place)
        items.append(item)

    @contextmanager
    def quick(self) -> Iterator[None]:
        """While inside, moto looks only at the items a query can reach."""
        query, all_items = Table.query, Table.all_items
        reachable: dict[str, Sequence[Item]] = {}

        def narrowed(table: Table, *asked: Any, **more: Any) -> Any:
            hash_key, comparison, bounds, limit, start, forward, _, index = asked[:8]
            if table in (self._posts, self._bookings) and comparison == "BETWEEN" and start is None:
                places, items = self._stretches.get((table.name, index, hash_key.value), ([], []))
                low, high = bisect_left(places, bounds[0].value), bisect_right(places, bounds[1].value)
                if limit is not None and forward:
                    high = min(high, low + limit + 1)
                elif limit is not None:
                    low = max(low, high - limit - 1)
                reachable[table.name] = items[low:high]
            try:
                return query(table, *asked, **more)
            finally:
                reachable.pop(table.name, None)

        def some_items(table: Table) -> list[Item]:
            return list(reachable[table.name]) if table.name in reachable else all_items(table)

        with patch.object(Table, "query", narrowed), patch.object(Table, "all_items", some_items):
            yield


def _like(sample: Item, key: DynamoType, place: DynamoType | None, own: dict[str, DynamoType]) -> Item:
    """A copy of an item that shares what it does not own, without moto's checks of sizes."""
    item: Any = Item.__new__(Item)
    item.hash_key, item.range_key = key, place
    item.attrs = LimitedSizeDict.__new__(LimitedSizeDict)
    dict.update(item.attrs, sample.attrs)
    dict.update(item.attrs, own)
    copy: Item = item
    return copy
