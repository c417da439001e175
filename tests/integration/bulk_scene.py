"""What the tests of bulk requests share: rows, sending them, and the books: what is reserved belongs to a post that is there."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from moto.dynamodb.models import dynamodb_backends
from pynamodb.models import Model

from dateline.domain.instants import rfc3339
from dateline.domain.lifecycle import TARGET_OPEN
from dateline.domain.post import Post
from dateline.store.posts import from_row, slot_of
from dateline.store.tables import BookingRow, IdempotencyRow, PostRow, WorkspaceRow
from local.seed import LIVE_KEY, WORKSPACE
from local.stack import Answer
from local.template import ACCOUNT
from tests.harness import START, Dateline
from tests.integration.scene import interrupted

TOMORROW = START + timedelta(days=1)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Row = dict[str, Any]
M = TypeVar("M", bound=Model)


def row(number: int, *profiles: str, at: datetime | None = TOMORROW, **more: Any) -> Row:
    """A create body with words of its own, `number` minutes after `at`; a draft without `at`."""
    body: Row = {"text": f"Number {number}", "profileIds": list(profiles or ("prof_mastodon",)), **more}
    if "thread" in more:
        del body["text"]
    if at is not None and not {"scheduledFor", "queueId", "publishNow"} & more.keys():
        body["scheduledFor"] = rfc3339(at + timedelta(minutes=number))
    return {name: value for name, value in body.items() if value is not None}


def some(count: int, *profiles: str, every: int = 1, **more: Any) -> list[Row]:
    """So many rows, `every` so many minutes."""
    return [{**row(n, *profiles, **more), "scheduledFor": rfc3339(TOMORROW + timedelta(minutes=n * every))} for n in range(count)]


CELLS: Mapping[str, str] = {
    "text": "text", "profileIds": "profile_ids", "scheduledFor": "scheduled_for", "timezone": "timezone", "labels": "labels",
    "queueId": "queue_id", "firstComment": "first_comment",
}


def csv_of(rows: Sequence[Row], **how: Any) -> str:
    """The rows as a CSV file; only plain members."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, **how)
    names = [name for name in CELLS if any(name in one for one in rows)]
    writer.writerow([CELLS[name] for name in names])
    for one in rows:
        cells = (one.get(name, "") for name in names)
        writer.writerow([";".join(cell) if isinstance(cell, list) else cell for cell in cells])
    return out.getvalue()


def send(
    dateline: Dateline, rows: Any, query: str = "", *, key: str | None = LIVE_KEY, once: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One bulk request: text or bytes are CSV, everything else JSON. `once` is an Idempotency-Key."""
    kind = {"content-type": "text/csv"} if isinstance(rows, str | bytes) else {}
    more = {} if once is None else {"idempotency-key": once}
    return dateline.api("POST", f"/v1/posts/bulk{query}", rows, key=key, headers={**kind, **more, **(headers or {})})


def imported(dateline: Dateline, rows: Any, query: str = "", **how: Any) -> dict[str, Any]:
    """A bulk request that is carried out at once; its answer."""
    answer = send(dateline, rows, query, **how)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json()
    assert found["status"] == "done" and answer.headers["location"] == f"/v1/bulk/{found['id']}"
    return found


def undo(dateline: Dateline, bulk_id: str, status: int = 200) -> dict[str, Any]:
    """DELETE of an import; its answer."""
    answer = dateline.api("DELETE", f"/v1/bulk/{bulk_id}")
    assert answer.status == status, answer.body
    found: dict[str, Any] = answer.json()
    return found


def told(dateline: Dateline, bulk_id: str) -> dict[str, Any]:
    """GET of an import."""
    answer = dateline.api("GET", f"/v1/bulk/{bulk_id}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


def settings(dateline: Dateline, **members: Any) -> None:
    """The workspace's settings; `plan` among them."""
    dateline.deps.workspaces.save_settings(WORKSPACE, {"name": "Local workspace", **members})


def queue(dateline: Dateline, capacity: int = 1, time: str = "12:00", **more: Any) -> str:
    """A queue with a slot a day, at noon; its id."""
    slots = [{"day": day, "time": time} for day in DAYS]
    answer = dateline.api("POST", "/v1/queues", {"name": "Noon", "timezone": "UTC", "slots": slots, "capacity": capacity, **more})
    assert answer.status == 201, answer.body
    made: str = answer.json()["id"]
    return made


def posts(dateline: Dateline) -> dict[str, Post]:
    """Every post that is stored, by id."""
    return {post.id: post for post in map(from_row, _rows(dateline, PostRow))}


def _rows(dateline: Dateline, model: type[M]) -> list[M]:
    """Every row of a table, from moto's own store: a scan would take its time for each."""
    table = dynamodb_backends[ACCOUNT][dateline.stack.region].tables[model.Meta.table_name]
    items = ({name: value.to_json() for name, value in item.attrs.items()} for item in table.all_items())
    return [
        model.from_raw_data({name: {"B": b64decode(v["B"])} if isinstance(v.get("B"), str) else v for name, v in item.items()})
        for item in items
    ]


def texts(dateline: Dateline) -> list[str]:
    """The words of all that is not cancelled, in order of time."""
    there = sorted(posts(dateline).values(), key=lambda post: (post.sort_at, post.segments[0].text))
    return [post.segments[0].text for post in there if post.status != "cancelled"]


def unfinished() -> list[str]:
    """Imports that are listed as not finished."""
    return [found.sk for found in WorkspaceRow.query("bulk#open", consistent_read=True)]


def check_books(dateline: Dateline) -> None:
    """Whatever is counted, booked, held in a queue or registered belongs to a post that is there, and the other way round."""
    there = posts(dateline)
    waiting = {
        (profile_id, slot_of(post), post.id) for post in there.values() for profile_id in post.targets
        if post.publish_at and post.stage not in ("draft", "cancelled")
    }
    rows = _rows(dateline, BookingRow)
    booked = {(found.profile_id, found.slot, found.post_id) for found in rows if found.state == "pending"}
    assert booked == waiting, f"booked without a post: {booked - waiting}; not booked: {waiting - booked}"
    held = {
        (found.profile_id.removeprefix("queue#"), found.slot, holder) for found in rows if found.profile_id.startswith("queue#")
        for holder in found.holders or () if "|" not in holder
    }
    placed = {(post.queue["id"], post.queue["slot"], post.id) for post in there.values() if post.queue}
    assert held == placed, f"held without a post: {held - placed}; not held: {placed - held}"
    charged: Counter[tuple[str, str]] = Counter()
    for post in there.values():
        for name, ids in post.charges.items():
            metric, _, scope = name.partition("@")
            for profile_id in ids:
                if metric != "pendingTargets" or (post.targets[profile_id].status in TARGET_OPEN and post.stage != "draft"):
                    charged[metric, "workspace" if scope == "workspace" else profile_id] += 1
    assert counters(dateline) == charged
    owners = {
        id for found in _rows(dateline, IdempotencyRow) if found.state == "twin"
        for ids in (found.answer or {}).values() for id in ids
    }
    assert owners <= there.keys(), f"registered without a post: {owners - there.keys()}"


def counters(dateline: Dateline) -> Counter[tuple[str, str]]:
    """What the plan's counters say, by metric and owner, all months together."""
    found: Counter[tuple[str, str]] = Counter()
    columns = {"pendingTargets": "pending", "scheduledTargetsPerMonth": "scheduled", "targetsPerMonth": "targets"}
    for one in _rows(dateline, WorkspaceRow):
        for metric, column in columns.items() if one.pk.startswith("usage#") else ():
            found[metric, one.sk.partition("#")[2]] += int(getattr(one, column) or 0)
    return +found


def before(operation: str, act: Callable[[], object], number: int = 1) -> Callable[[str, str, str], None]:
    """A hook that does `act` once: before the handlers' call number `number` of this kind."""
    seen = 0

    def hook(_service: str, name: str, when: str) -> None:
        nonlocal seen
        if name == operation and when == "before":
            seen += 1
            if seen == number:
                act()

    return hook


def interleaved(dateline: Dateline, hook: Callable[[str, str, Any], None], rows: Any, query: str = "", **how: Any) -> Answer:
    """A bulk request with a hook on its external calls."""
    answers: list[Answer] = []
    interrupted(dateline, hook, lambda: answers.append(send(dateline, rows, query, **how)))
    return answers[0]


@contextmanager
def ticking(dateline: Dateline, seconds: float) -> Iterator[None]:
    """Every external call takes so long."""

    def hook(_service: str, _operation: str, phase: str) -> None:
        if phase == "after":
            dateline.clock.advance(timedelta(seconds=seconds))

    dateline.stack.on_external_call = hook
    try:
        yield
    finally:
        dateline.stack.on_external_call = None


def plain(problem: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(pointer, code) of a refusal's errors."""
    return [(error["pointer"], error["code"]) for error in problem["errors"]]


def shown(value: Any) -> str:
    """JSON, to look for something in it."""
    return json.dumps(value, ensure_ascii=False)
