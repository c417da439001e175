"""Do the plan's counters say what the posts say? And tenants of their own, so that tests about limits do not meet one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from dateline.api.auth import SCOPES
from dateline.domain import limits
from dateline.domain.limits import Count
from dateline.domain.post import Post
from dateline.store.posts import from_row
from dateline.store.profiles import Profile
from dateline.store.tables import PostRow, WorkspaceRow
from local.seed import key_of, profile_of
from local.stack import Answer
from tests.api_checks import nothing_written, refused
from tests.harness import NETWORKS_URL, Dateline

COLUMNS = {"scheduledTargetsPerMonth": "scheduled", "targetsPerMonth": "targets", "pendingTargets": "pending"}


def stored_posts() -> list[Post]:
    """Every post there is, of all workspaces."""
    return [from_row(row) for row in PostRow.scan(consistent_read=True)]


def stored_usage() -> dict[str, Counter[Count]]:
    """Every counter that is not zero, by side of a workspace."""
    found: dict[str, Counter[Count]] = {}
    for row in WorkspaceRow.scan(WorkspaceRow.pk.startswith("usage#"), consistent_read=True):
        period, _, owner = row.sk.partition("#")
        counts = {Count(metric, period, owner): int(getattr(row, column) or 0) for metric, column in COLUMNS.items()}
        found.setdefault(row.pk.partition("#")[2], Counter()).update({c: number for c, number in counts.items() if number})
    return found


def check_usage(dateline: Dateline, *, from_start: bool = True, only: str | None = None) -> None:
    """Fails unless every counter is what the posts in the table say.

    Pending: exactly the targets that are charged, and charged is exactly what is pending (a target that a person sent again
    after it had failed is not charged a second time). Months: what was ever charged, over all months together. With
    `from_start` false posts may have been scheduled before their plan counted them. `only` one workspace, or all.
    """
    pending: dict[str, Counter[Count]] = {}
    monthly: dict[str, Counter[tuple[str, str]]] = {}
    posts = [post for post in stored_posts() if only in (None, post.workspace_id)]
    plans = {id: limits.plan_of(dateline.deps.workspaces.settings(id)) for id in {post.workspace_id for post in posts}}
    for post in posts:
        held = {id for id in post.targets if limits.holds(post, id)}
        again = {line.profile_id for line in post.trail if line.kind == "target.failed"}
        for name, ids in post.charges.items():
            metric, _, scope = name.partition("@")
            assert len(ids) == len(set(ids)), f"{post.id} was charged twice: {name} {ids}"
            for id in ids:
                owner = id if scope == "profile" else "workspace"
                if limits.METRICS[metric].monthly:
                    monthly.setdefault(post.partition, Counter())[metric, owner] += 1
                else:
                    pending.setdefault(post.partition, Counter())[Count(metric, "now", owner)] += 1
                    assert id in held, f"{post.id} ({post.status}) holds a place for {id}, which is not pending"
        for limit in plans[post.workspace_id].limits if from_start else ():
            if limit.metric == "pendingTargets":
                free = held - set(post.charges.get(f"pendingTargets@{limit.scope}", ())) - again
                assert not free, f"{post.id} ({post.status}) has pending targets that are not counted: {sorted(free)}"
    used = {side: counts for side, counts in stored_usage().items() if only in (None, side.partition(":")[0])}
    for side in {*used, *pending, *monthly}:
        now = {count: number for count, number in used.get(side, {}).items() if count.period == "now"}
        assert now == dict(pending.get(side, {})), f"pending of {side}: counted {now}, but {pending.get(side)} are"
        months: Counter[tuple[str, str]] = Counter()
        for counted, number in used.get(side, {}).items():
            if counted.period != "now":
                months[counted.metric, counted.owner] += number
        assert months == monthly.get(side, Counter()), f"months of {side}: counted {months}, charged {monthly.get(side)}"


_numbers = count(1)


class Tenant:
    """A workspace of its own: live key, test key, and as many profiles as a test asks for. Times are seen from now."""

    def __init__(self, dateline: Dateline, plan: Mapping[str, Any] | None = None, **settings: Any) -> None:
        self.dateline, number = dateline, next(_numbers)
        self.id, self.key, self.test_key = f"wks_{number}", f"dl_live_{number}", f"dl_test_{number}"
        for mode, key in (("live", self.key), ("test", self.test_key)):
            dateline.deps.workspaces.save_key(key_of(self.id, mode, key, "2027-01-01T00:00:00Z", SCOPES))
        self.settings: dict[str, Any] = {"name": self.id}
        self.set(plan=dict(plan) if plan else None, **settings)

    def set(self, **settings: Any) -> None:
        """Change settings of the workspace (as stored: `approvals_required`, `min_spacing_minutes`, `plan` …)."""
        if settings.get("plan"):
            limits.read_plan(settings["plan"])
        self.settings |= settings
        self.dateline.deps.workspaces.save_settings(self.id, self.settings)

    def profile(self, platform: str = "mastodon") -> str:
        """Connect one more account; its id."""
        profile_id = f"prof_{platform}_of_{self.id}_{next(_numbers)}"
        if platform == "sandbox":
            now = self.dateline.clock.now()
            self.dateline.deps.profiles.save(Profile(profile_id, self.id, "test", "sandbox", "Sandbox", now, now))
        else:
            profile_of(self.dateline.deps, self.dateline.world, NETWORKS_URL, self.id, platform, profile_id)
        return profile_id

    def soon(self, **ahead: float) -> datetime:
        """That far from now (a day, if nothing is said), on a full minute."""
        return (self.dateline.clock.now() + timedelta(**ahead or {"days": 1})).replace(second=0, microsecond=0)

    def api(self, method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        """A request with the workspace's live key, or another one."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.dateline.api(method, path, body, key=key or self.key, headers=sent)

    def body(self, *profiles: str, at: datetime | None = None, **more: Any) -> dict[str, Any]:
        """A create body with words of its own; a draft unless `at` or `publishNow` says otherwise."""
        body = {"text": f"Number {next(_numbers)}", "profileIds": list(profiles), **more}
        if at is not None:
            body["scheduledFor"] = at.isoformat().replace("+00:00", "Z")
        return body

    def create(self, *profiles: str, at: datetime | None = None, key: str | None = None, **more: Any) -> Answer:
        """POST /v1/posts."""
        return self.api("POST", "/v1/posts", self.body(*profiles, at=at, **more), key)

    def post(self, *profiles: str, at: datetime | None = None, key: str | None = None, **more: Any) -> dict[str, Any]:
        """A post that must be taken."""
        answer = self.create(*profiles, at=at, key=key, **more)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.json()
        return made

    def patch(self, post: Mapping[str, Any], key: str | None = None, **changes: Any) -> Answer:
        """PATCH /v1/posts/{id}; a `scheduledFor` may be a datetime."""
        if isinstance(changes.get("scheduledFor"), datetime):
            changes["scheduledFor"] = changes["scheduledFor"].isoformat().replace("+00:00", "Z")
        return self.api("PATCH", f"/v1/posts/{post['id']}", changes, key)

    def cancel(self, post: Mapping[str, Any]) -> None:
        """DELETE /v1/posts/{id}, which must succeed."""
        assert self.api("DELETE", f"/v1/posts/{post['id']}").status == 200

    def read(self, post: Mapping[str, Any]) -> dict[str, Any]:
        """The post as the API shows it now."""
        found: dict[str, Any] = self.api("GET", f"/v1/posts/{post['id']}").json()
        return found

    def usage(self, metric: str, key: str | None = None) -> dict[str, Any]:
        """One metric of GET /v1/workspace."""
        shown: dict[str, Any] = self.api("GET", "/v1/workspace", key=key).json()["usage"][metric]
        return shown

    def refused(self, body: Mapping[str, Any], code: str, pointer: str | None = None, **members: Any) -> dict[str, Any]:
        """A create that must be refused so, writing nothing; validate says the very same."""
        with nothing_written(self.dateline):
            verdict = self.api("POST", "/v1/posts/validate", body).json()
            problem = refused(self.api("POST", "/v1/posts", body), code, pointer, **members)
        assert (verdict["valid"], verdict["code"], verdict["problem"]) == (False, code, problem)
        return problem

    def events(self) -> Iterator[dict[str, Any]]:
        """The workspace's event feed, from the beginning."""
        self.dateline.stack.settle(timers=False)
        yield from self.api("GET", "/v1/events?limit=100").json()["data"]
