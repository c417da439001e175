"""One simulated Dateline: the stack, its networks and its clock, and what the clients were told.

Every step is data (`{"op": …}`), so that a run can be replayed without its random generator; ids are drawn from the seed. Nothing
here decides what is right: `invariants` does.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from moto.dynamodb.models import dynamodb_backends

from dateline.domain import ids
from dateline.domain.lifecycle import WITH_NETWORK
from dateline.domain.limits import METRICS, Count
from dateline.domain.post import Post
from dateline.domain.profile import Profile
from dateline.domain.view import post_view
from dateline.store.allowances import COLUMNS, usage_key
from dateline.store.imports import OPEN, Import
from dateline.store.posts import from_row
from dateline.store.profiles import from_row as profile_from_row
from dateline.store.queues import Holder
from dateline.store.tables import PostRow, ProfileRow, WorkspaceRow
from dateline.usecases.admit import WRITTEN_WITHIN
from local.runtime import LOG
from local.seed import WORKSPACE, profile_of
from local.stack import Answer
from local.template import ACCOUNT
from tests.harness import NETWORKS_URL, START, Dateline
from tests.simulation import clients, invariants, reserved, rules, settings, surroundings, teams
from tests.simulation.invariants import Violation
from tests.simulation.trouble import Interference

Step = Mapping[str, Any]

CALL_SECONDS = 8.0
"""Below the 10 s a slow stand-in works at most, so that some work outlives its caller."""
SETTLE_SECONDS = 20.0
LONGEST_REST = timedelta(days=3)
"""Once everything works again, every post must be at rest within so much simulated time."""
LOOKS = 12
"""So often somebody looks meanwhile whether a profile is to be connected again."""
MINUTE = timedelta(minutes=1)
IN_THE_WAY = WRITTEN_WITHIN + MINUTE

OPERATIONS = {**clients.OPERATIONS, **teams.OPERATIONS, **surroundings.OPERATIONS}


class Simulation:
    """A running simulation. Use it as a context manager; `perform` one step after the other, then `come_to_rest`."""

    def __init__(self, setting: Mapping[str, Any]) -> None:
        self.setting = setting
        self.rules: Mapping[str, Any] = setting.get("rules", {})
        self.playing: tuple[str, ...] = tuple(setting.get("profiles", settings.PROFILES))
        """The profiles that posts are made for."""
        environment = {
            "DATELINE_CALL_SECONDS": str(CALL_SECONDS), "DATELINE_SETTLE_SECONDS": str(setting.get("settle", SETTLE_SECONDS)),
            "DATELINE_LEAD_SECONDS": str(setting.get("lead", 0)), "DATELINE_RETRY_SCALE": str(setting.get("scale", 1.0)),
        }
        self.dateline = Dateline(call_seconds=CALL_SECONDS, environment=environment)
        self.clock, self.world, self.http = self.dateline.clock, self.dateline.world, self.dateline.http
        self.stack = self.dateline.stack
        self.requests: list[dict[str, Any]] = []
        """Keyed requests, to be repeated."""
        self.ids: dict[str, str] = {}
        """Labels of posts to the ids the API answered."""
        self.labels: list[str] = []
        self.told: dict[str, dict[int, dict[str, Any]]] = {}
        """Post id -> revision -> the post as some answer showed it."""
        self.cancelled: set[str] = set()
        self.approving: set[str] = set()
        """Posts that somebody asked to approve, whatever the answer."""
        self.queue_id: str | None = None
        self.reservations: list[dict[str, Any]] = []
        self.batches: list[dict[str, Any]] = []
        """The labels of the rows of every import that was asked for."""
        self.imports: dict[str, set[str]] = {}
        """Imports that were acknowledged, with the labels of the rows that are to be."""
        self.undone: dict[str, set[str]] = {}
        """Imports whose undo was acknowledged, with what it kept."""
        self.violation: Violation | None = None
        self.announced: Counter[str] = Counter()
        self.bodies: list[str] = []
        """Every message that was ever in the deliveries queue."""
        self.known: dict[str, Post] = {}
        """The posts as they were after the step before."""
        self.known_profiles: dict[str, Profile] = {}
        self.interference: Interference | None = None
        self.done = 0
        self._swept = START
        self._read: dict[tuple[str, str], Post] = {}
        self._cache: dict[tuple[str, int, str, str], Any] = {}
        self._random = random.Random(f"ids {setting.get('seed')}")

    def __enter__(self) -> Simulation:
        self._patch = patch.object(ids, "os", SimpleNamespace(urandom=self._random.randbytes))
        self._patch.start()
        self._level = LOG.level
        LOG.setLevel(logging.CRITICAL)  # handlers fail here all the time
        try:
            self.dateline.__enter__()
            profile_of(self.dateline.deps, self.world, NETWORKS_URL, WORKSPACE, "mastodon", "prof_gotosocial")
        except BaseException:
            self._leave()
            raise
        self.clock.on_advance = lambda _now: self.http.settle_due()
        settings.set_up(self, self.rules)
        self._check_permission, self.stack.watch.tap = self.stack.watch.tap, self._tap
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.dateline.stack.close()
        finally:
            self._leave()

    def _leave(self) -> None:
        self._patch.stop()
        LOG.setLevel(self._level)

    def _tap(self, service: str, operation: str, params: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        if self._check_permission is not None:
            self._check_permission(service, operation, params, answer)
        if (service, operation) == ("sns", "PublishBatch"):
            failed = {entry["Id"] for entry in answer.get("Failed", ())}
            for entry in params["PublishBatchRequestEntries"]:
                if entry["Id"] not in failed:
                    self.announced[clients.parsed(entry["Message"])["id"]] += 1

    # What is stored

    def posts(self) -> dict[str, Post]:
        """Every stored post by id, read from moto itself: a scan after every step would cost more than the steps."""
        found = {}
        for item in self._items("posts"):
            key = item.attrs["id"].value, item.attrs["version"].value
            if key not in self._read:
                self._read[key] = from_row(PostRow.from_raw_data(item.to_json()["Attributes"]))
            found[key[0]] = self._read[key]
        return found

    def booked(self) -> set[tuple[str, ...]]:
        """Every stored booking and label row, but not what else lies beside them."""
        names = ("profile_id", "slot", "post_id", "ws", "state")
        rows = [item.attrs for item in self._items("bookings") if item.attrs["slot"].value[0].isdigit() and "state" in item.attrs]
        return {tuple(row[name].value for name in names) for row in rows}

    def _items(self, table: str) -> Any:
        return dynamodb_backends[ACCOUNT][self.stack.region].tables[self.dateline.deps.settings.tables[table]].all_items()

    def slots(self) -> dict[str, list[Holder]]:
        """Every stored slot of the queue, and who holds its places (reservations that have lapsed, too)."""
        rows = [item.attrs for item in self._items("bookings") if item.attrs["profile_id"].value == f"queue#{self.queue_id}"]
        members = {row["slot"].value: row["holders"].value if "holders" in row else () for row in rows}
        return {slot: [Holder.restored(member) for member in held] for slot, held in members.items()}

    def _workspace_rows(self, prefix: str) -> Iterator[WorkspaceRow]:
        for item in self._items("workspaces"):
            if item.attrs["pk"].value.startswith(prefix):
                yield WorkspaceRow.from_raw_data(item.to_json()["Attributes"])

    def usage(self) -> dict[Count, int]:
        """Every counter of the live side of the workspace that is not zero."""
        found = {}
        for row in self._workspace_rows(usage_key(WORKSPACE, "", "")[0]):
            period, _, owner = row.sk.partition("#")
            for metric in METRICS:
                if number := int(getattr(row, COLUMNS[metric].attr_name) or 0):
                    found[Count(metric, period, owner)] = number
        return found

    def heads(self) -> dict[str, Import]:
        """The heads of all imports by id."""
        rows = (row for row in self._workspace_rows("bulk#bulk_") if row.sk == "head")
        return {head.id: head for head in (Import(**{**row.body, "version": int(row.version or 0)}) for row in rows)}

    def listed_imports(self) -> list[str]:
        """The imports that sweep would look at."""
        return [row.sk for row in self._workspace_rows(OPEN)]

    def under_way(self) -> list[Import]:
        """Imports that hold something for posts which are not there yet."""
        return [head for head in self.heads().values() if head.state in ("reserving", "writing")]

    def cached(self, post: Post, what: str, key: str, make: Callable[[Post, str], Any]) -> Any:
        """Something that follows from a stored post alone."""
        at = (post.id, post.version, what, key)
        if at not in self._cache:
            self._cache[at] = make(post, key)
        return self._cache[at]

    def profiles(self) -> list[Profile]:
        """The stored profiles of the simulation, as they are."""
        rows = {item.attrs["id"].value: item for item in self._items("profiles")}
        return [
            profile_from_row(ProfileRow.from_raw_data(rows[id].to_json()["Attributes"])) for id in self.playing if id in rows
        ]

    def post(self, label: str) -> Post | None:
        """The stored post of a label, if it is there."""
        return next((post for post in self.posts().values() if post.metadata.get("label") == label), None)

    def view(self, post: Post) -> dict[str, Any]:
        """A stored post as the API would show it."""
        return post_view(post)

    # Steps

    def perform(self, step: Step) -> None:
        """Do one step with its troubles, then check everything that can be checked at any moment. Raises `Violation`."""
        self.done += 1
        with self._troubled(step):
            self.execute(step)
        if self.violation is not None:
            raise self.violation
        self.remember_messages()
        self.check()

    def check(self) -> None:
        """Everything that must hold at any moment."""
        invariants.check(self)
        rules.check(self)
        reserved.check(self)

    def execute(self, step: Step) -> None:
        """Do one step, without troubles of its own. A step whose post or message is not there does nothing."""
        operation = OPERATIONS[step["op"]]
        try:
            operation(self, step)
        except Violation as violation:
            self.violation = violation  # inside a handler's call somebody may catch it
            raise

    @contextmanager
    def _troubled(self, step: Step) -> Iterator[None]:
        self.interference = Interference(self.stack, step.get("trouble", ()), self.execute)
        self.stack.on_external_call = self.interference
        try:
            yield
        finally:
            self.stack.on_external_call = None

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request, its answer checked for what no request may be answered with."""
        answer = self.dateline.api(method, path, body, headers=headers)
        happened = self.interference.happened if self.interference else []
        if answer.status >= 500:
            code = clients.parsed(answer.body.decode() or "{}").get("code")
            excused = happened or path.startswith("/v1/profiles") or self._contended()
            excused = excused or (code == "try_again" and self._kept(path))
            if code == "internal_error" or not excused:
                raise Violation(f"{method} {path} answered {answer.status} {answer.body.decode()[:300]} after {happened}")
        return answer

    def _contended(self) -> bool:
        """Whether an import that stopped halfway may stand in the way: nobody can tell yet whether its posts come."""
        since = (self.clock.now() - IN_THE_WAY).timestamp()
        return any(not head.finished or (head.state == "dropped" and head.created_at > since) for head in self.heads().values())

    def _kept(self, path: str) -> bool:
        """Whether a network may be slow to give back what it keeps of the posts that a request is about. Where nothing fails it
        gives back at once, unless it is just being handed over."""
        slow = WITH_NETWORK if not self.setting.get("calm") else {"placing"}
        meant = [post for post in self.posts().values() if post.id in path or (post.bulk or "none") in path]
        return any(target.status in slow for post in meant for target in post.targets.values())

    def remember_messages(self) -> None:
        """Keep the bodies of all messages, for stale ones that come late."""
        for message in self.stack.peek("deliveries"):
            if message.body not in self.bodies:
                self.bodies.append(message.body)

    # Time

    def pass_time(self, seconds: float, *, sweeping: bool = True, until_rest: bool = False) -> bool:
        """Let time pass and do everything that comes due, at its instant. True when everything came to rest before that."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while True:
            self.stack.settle(timers=False)
            posts = self.posts()
            due = self.stack.next_instant(timers=False)
            tick = self._next_sweep(posts) if sweeping else None
            if until_rest and due is None and tick is None:
                return True
            coming = min((moment for moment in (due, tick) if moment is not None), default=None)
            if coming is None or coming > end:
                self.clock.advance_to(end)
                return False
            self.clock.advance(max(coming - self.clock.now(), timedelta(milliseconds=1)))
            if tick is not None and self.clock.now() >= tick:
                self._swept = self.clock.now()
                self.stack.sweep()

    def _next_sweep(self, posts: Mapping[str, Post]) -> datetime | None:
        """The first full minute at which sweep would find something; a sweep that finds nothing does nothing."""
        wanted = [post.due_at for post in posts.values()] + [profile.due_at for profile in self.profiles()]
        wanted += [datetime.fromtimestamp(head.until, UTC) for head in self.heads().values() if not head.finished]
        last = self.clock.now() + 2 * LONGEST_REST  # tokens are renewed later than that
        deadlines = [moment for moment in wanted if moment is not None and moment < last]
        if not deadlines:
            return None
        earliest = max(min(deadlines), self._swept + timedelta(microseconds=1), self.clock.now())
        over = (earliest - START) % MINUTE
        return earliest if not over else earliest + MINUTE - over

    def come_to_rest(self) -> None:
        """No new trouble, everything on: every post must come to rest. Then the final checks. Raises `Violation`.

        Faults that still wait are taken back, or (`faults_stay`) met on the way: each strikes a bounded number of times.
        """
        if not self.setting.get("faults_stay"):
            surroundings.clear(self, {})
        self.interference = None
        clients.resume_all(self)
        teams.approve_half(self)
        for _ in range(LOOKS):
            clients.reconnect_dead(self)
            if rested := self.pass_time(LONGEST_REST.total_seconds() / LOOKS, until_rest=True):
                break
        if not rested:
            open_posts = [f"{p.metadata.get('label')} {p.status} {[t.status for t in p.targets.values()]} due {p.due_at}"
                          for p in self.posts().values() if p.due_at is not None]
            raise Violation(f"not everything came to rest within {LONGEST_REST}: {open_posts}, imports {self.under_way()}")
        self.check()
        self.pass_time(LONGEST_REST.total_seconds())  # what a network keeps unknown to us would show by then
        self.check()
        invariants.check_rest(self)
        reserved.check_rest(self)
        if self.dateline.refused:
            raise Violation(f"the template's roles would refuse: {sorted(self.dateline.refused)}")
