"""Planning a bulk request: every row is composed and weighed against everything, and against the rows before it. Writes nothing.

The rules are those of a single create (`write.composed_post`, `admit.against`); what differs is that counters, calendars,
slots and contents run along from row to row, as if the rows had been created one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ..domain import limits
from ..domain.errors import FieldError, Problem
from ..domain.ids import new_id
from ..domain.instants import local, rfc3339
from ..domain.limits import Count
from ..domain.post import Post
from ..domain.zones import zone
from ..store.allowances import MOST_OWNERS, Known, Registered, Twin
from ..store.bookings import bookings_of
from ..store.queues import Place
from .admit import Asked, Before, Verdict, against, asked_of, complete, spacing_of
from .bulk_slots import Slots
from .calendars import Calendars, rule_of
from .compose import Warn, Wish, together
from .looking import media_of
from .pinning import is_reference
from .side_by_side import each
from .write import Actor, composed_post, known_ids, time_of

if TYPE_CHECKING:
    from ..store.extras import Extra
    from ..wiring import Deps


MOST_RESERVED = 10_000
"""Times of profiles that one request may reserve where their calendars have a rule: about a hundred transactions one after the
other, some seconds. What cannot be reserved before the answer is due could never be."""

TIME_POINTERS = ("/scheduledFor", "/timezone", "/fold")


class Row(NamedTuple):
    """One row as it was read: `number` from 1, its `line` in a file, and its wish, or what is wrong with it."""

    number: int
    line: int | None
    wish: Wish | None
    errors: Sequence[FieldError] = ()


@dataclass
class Planned:
    """What would become of a row: a post, or errors."""

    row: Row
    post: Post | None = None
    warnings: tuple[Warn, ...] = ()
    problem: Problem | None = None

    @property
    def errors(self) -> Sequence[FieldError]:
        """Everything wrong with the row. A row for a queue has no time of its own: what is wrong with it points at the queue."""
        found = self.row.errors or (self.problem.errors or (_whole(self.problem),) if self.problem else ())
        if self.row.wish is None or self.row.wish.queue_id is None:
            return found
        return [error._replace(pointer="/queueId") if error.pointer in TIME_POINTERS else error for error in found]


def _whole(problem: Problem) -> FieldError:
    return FieldError("", problem.code, problem.detail, problem.extra)


@dataclass
class Plan:
    """The rows in order, and what has to be reserved for them: counters with their limits, guards with the versions they were
    read at, the writes that take slots (with the post that takes each place), the writes that register contents."""

    rows: list[Planned]
    added: Counter[Count] = field(default_factory=Counter)
    most: dict[Count, int | None] = field(default_factory=dict)
    guards: dict[str, int] = field(default_factory=dict)
    slots: list[tuple[Extra, list[tuple[str, str, str]]]] = field(default_factory=list)
    contents: list[Extra] = field(default_factory=list)

    @property
    def posts(self) -> list[Post]:
        """The posts that would be made."""
        return [planned.post for planned in self.rows if planned.post is not None]

    @property
    def bad(self) -> list[Planned]:
        """The rows with errors."""
        return [planned for planned in self.rows if planned.errors]


def plan(deps: Deps, actor: Actor, rows: Sequence[Row], stagger_minutes: int, import_id: str | None) -> Plan:
    """Weigh the rows. Raises only what stops all of them: `Problem` for more than can be reserved, `StoreUnavailable`, or
    `Conflict` where a post that is like a row's is being written at this moment."""
    now = deps.clock.now()
    planned = [Planned(row) for row in rows]
    slots = Slots(deps, actor, now)
    places = _compose(deps, actor, planned, _staggered(actor, rows, stagger_minutes, now), slots, now, import_id)
    rules = limits.plan_of(actor.settings)
    spacing = spacing_of(actor.settings, rules)
    asked = {
        one.post.id: asked_of(rules, spacing, one.post, Before(), bookings_of(one.post), now) for one in planned if one.post
    }
    added: Counter[Count] = sum((one.added for one in asked.values()), Counter())
    guarded = {profile_id for one in asked.values() for profile_id in one.guarded}
    _refuse_too_many(sum(len(one.guarded) for one in asked.values()))
    twins = {twin for one in asked.values() for twin, _ in one.contents}
    known = complete(deps, actor.partition, None, added, guarded, twins)
    used, registered = dict(known.used), dict(known.twins)
    known = known._replace(used=used, twins=registered)
    made, calendars = Plan(planned), Calendars(deps)
    posts = [one.post for one in planned if one.post is not None]
    _read_ahead(deps, posts, asked, known, spacing, calendars)
    mates = _suspects(deps, posts, asked, registered)
    first: dict[Twin, str] = {}
    for one in planned:
        if one.post is None:
            continue
        post, wanted = one.post, asked[one.post.id]
        verdict = against(deps, rules, spacing, post, wanted, known, calendars, now, mates)
        if verdict.problems:
            one.post, one.problem = None, together(verdict.problems)
            if post.id in places:
                slots.give_back(places[post.id], post.id)
            continue
        made.added.update(wanted.added)
        made.guards.update({profile_id: known.guards[profile_id] for profile_id in verdict.ruled})
        _run_along(post, wanted, verdict, used, registered, calendars)
        first.update({twin: post.id for twin, _ in wanted.contents if twin not in first})
        mates[post.id] = post
    made.most = {count: limits.most_of(rules, count) for count in made.added}
    made.slots = list(slots.takes())
    made.contents = [
        deps.allowances.register(actor.partition, twin, registered[twin].token, registered[twin].owners, post_id, now)
        for twin, post_id in sorted(first.items())
    ]
    return made


def _refuse_too_many(times: int) -> None:
    if times > MOST_RESERVED:
        detail = (
            f"Posts keep a distance on these profiles, and one request reserves at most {MOST_RESERVED:,} of their times; these "
            f"rows have {times:,}, counting each profile of a row. Send them in parts."
        )
        raise Problem("invalid_request", detail, extra={"limit": MOST_RESERVED, "times": times})


def _compose(
    deps: Deps, actor: Actor, planned: Sequence[Planned], wishes: Mapping[int, Wish], slots: Slots, now: datetime,
    import_id: str | None,
) -> dict[str, Place]:
    """Compose every row that can be read; the places that queues gave, by post."""
    places: dict[str, Place] = {}
    readable: list[tuple[Planned, Wish]] = []
    for one in planned:
        wish = wishes.get(one.row.number)
        if wish is None:
            continue
        try:
            readable.append((one, wish if wish.queue_id is None else slots.ready(wish)))
        except Problem as problem:
            one.problem = problem
    profiles = deps.allowances.read(actor.partition, known_ids(id for _, wish in readable for id in wish.profile_ids)).profiles
    # All looked at together, and no more than a request may: the rows then know what was seen.
    deps.looks.at(
        [item.url for _, wish in readable if wish.scheduled_for or wish.queue_id for _, item in media_of(wish)
         if not is_reference(item.url)]
    )
    for one, wish in readable:
        post_id, place = new_id("post", now), None
        try:
            if wish.queue_id is not None:
                wish, place = slots.into(wish, post_id)
            one.post, one.warnings = composed_post(
                deps, actor, wish, post_id, profiles, now, import_id=import_id, ask=False
            )
            if place is not None:
                one.post.queue, places[post_id] = place.as_dict(), place
        except Problem as problem:
            one.problem = problem
            if place is not None:
                slots.give_back(place, post_id)
    return places


def _read_ahead(
    deps: Deps, posts: Sequence[Post], asked: Mapping[str, Asked], known: Known, spacing: int, calendars: Calendars
) -> None:
    """Read each calendar that will be asked once, over the whole span of the rows, and side by side: row by row it would be a
    call for each."""
    from ..platforms import registry

    spans: dict[str, tuple[datetime, datetime]] = {}
    for post in posts:
        if (at := post.publish_at) is None:
            continue
        for profile_id in asked[post.id].guarded:
            since, until = spans.get(profile_id, (at, at))
            spans[profile_id] = (min(since, at), max(until, at))

    def load(profile_id: str) -> None:
        profile, (since, until) = known.profiles.get(profile_id), spans[profile_id]
        rule = None if profile is None else rule_of(profile, registry.rules(profile.platform), spacing)
        if rule is not None:
            calendars.times(profile_id, since - rule.reach, until + rule.reach)

    each(sorted(spans), load, deps.settings.side_by_side, lambda: True)


def _suspects(
    deps: Deps, posts: Sequence[Post], asked: Mapping[str, Asked], registered: Mapping[Twin, Registered]
) -> dict[str, Post]:
    """The posts that stand where a row's content is registered, read together: whoever sends a file twice has one for each
    row."""
    ids = {
        id for post in posts if not post.allow_duplicate for twin, profile_id in asked[post.id].contents
        for id in registered.get(twin, Registered()).owners.get(profile_id, ())
    }
    return {post.id: post for post in deps.posts.get_many(sorted(ids), consistent=True)}


def _staggered(actor: Actor, rows: Sequence[Row], minutes: int, now: datetime) -> dict[int, Wish]:
    """The wishes, later ones of the same time on the same profile moved on by so many minutes each."""
    wishes = {row.number: row.wish for row in rows if row.wish is not None and not row.errors}
    if not minutes:
        return wishes
    taken: Counter[tuple[str, datetime]] = Counter()
    for number, wish in wishes.items():
        at = time_of(wish, actor.settings, now) if wish.scheduled_for is not None else None
        if at is None:
            continue
        steps = max((taken[id, at] for id in wish.profile_ids), default=0)
        taken.update({(id, at): steps + 1 - taken[id, at] for id in wish.profile_ids})
        if steps:
            wishes[number] = _moved(wish, at + timedelta(minutes=minutes * steps), actor.settings)
    return wishes


def _moved(wish: Wish, at: datetime, settings: Mapping[str, Any]) -> Wish:
    timezone = wish.timezone or (None if _absolute(wish) else settings.get("timezone"))
    if timezone is None:
        return wish._replace(scheduled_for=rfc3339(at), fold=None)
    wall = at.astimezone(zone(timezone))
    return wish._replace(scheduled_for=local(wall.replace(tzinfo=None, fold=0)), timezone=timezone, fold=wall.fold)


def _absolute(wish: Wish) -> bool:
    text = wish.scheduled_for or ""
    return text.endswith("Z") or text[-6:-5] in ("+", "-")


def _run_along(
    post: Post, wanted: Asked, verdict: Verdict, used: dict[Count, int], registered: dict[Twin, Registered], calendars: Calendars
) -> None:
    """What the next row has to reckon with."""
    for count, number in wanted.added.items():
        used[count] = max(0, used.get(count, 0)) + number
    if post.publish_at is not None:
        for profile_id in verdict.ruled:
            calendars.add(profile_id, post.publish_at, post.id)
    for twin, profile_id in wanted.contents:
        before = registered.get(twin, Registered())
        others = [id for id in before.owners.get(profile_id, ()) if (twin, profile_id, id) not in verdict.gone]
        registered[twin] = before._replace(owners={**before.owners, profile_id: [*others, post.id][-MOST_OWNERS:]})
