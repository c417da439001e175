"""Erasing a workspace: nothing of it is left in any table, nothing of anybody else's is touched, and nothing of it goes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from threading import Thread
from typing import Any, NamedTuple

import pytest
from moto.dynamodb.models import dynamodb_backends

from dateline import admin
from dateline.store import erasing
from dateline.store.tables import StoreUnavailable
from local.seed import profile_of
from local.stack import Crash, Phase
from local.template import ACCOUNT
from tests.harness import NETWORKS_URL, START, Dateline
from tests.integration.scene import interrupted

HOUR = timedelta(hours=1)
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

Rows = dict[tuple[str, str], str]


class Tenant(NamedTuple):
    """A workspace to be erased, with its keys, and words that only its rows hold."""

    id: str
    live: str
    test: str
    words: tuple[str, ...]


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline(environment={"DATELINE_AUTH_CACHE_SECONDS": "60"}) as running:
        running.stack.sweep()  # the deployment's own notes are there
        yield running


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert admin.main(list(arguments)) == 0
    return json.loads(capsys.readouterr().out)


def erase(capsys: pytest.CaptureFixture[str], tenant: Tenant) -> dict[str, int]:
    answer = run(capsys, "erase-workspace", tenant.id, "--yes")
    removed: dict[str, int] = answer["removed"]
    return removed


def everything(dateline: Dateline) -> Rows:
    """Every row of every table, whole."""
    found: Rows = {}
    for name, table in dynamodb_backends[ACCOUNT][dateline.stack.region].tables.items():
        for item in table.all_items():
            attributes = item.to_json()["Attributes"]
            keys = [attributes[key]["S"] for key in (table.hash_key_attr, table.range_key_attr) if key]
            found[name, "/".join(keys)] = json.dumps(attributes, sort_keys=True, default=repr)
    return found


def left(dateline: Dateline, tenant: Tenant) -> list[tuple[str, str]]:
    """Keys of rows that have to do with a tenant, and its schedule entries."""
    rows = [key for key, row in everything(dateline).items() if any(word in row for word in tenant.words)]
    return rows + [("entry", e.name) for e in dateline.stack.schedules() if any(word in e.input for word in tenant.words)]


def call(dateline: Dateline, method: str, path: str, body: Any, key: str, **headers: str) -> Any:
    answer = dateline.api(method, path, body, key=key, headers=headers)
    assert answer.status < 300, answer.body
    return answer.json() if answer.body else None


def settled(dateline: Dateline) -> tuple[str, str]:
    """Posts of the workspace that stays: one that is out, one that is to come. Everything about them is said."""
    out = dateline.post("prof_mastodon", text="Out already", publishNow=True)["id"]
    to_come = dateline.post("prof_mastodon", text="Still to come", at=START + 3 * HOUR)["id"]
    dateline.stack.settle()
    return out, to_come


def tenant_with_everything(dateline: Dateline, capsys: pytest.CaptureFixture[str]) -> Tenant:
    """A workspace that has made use of all there is, with some of it still under way."""
    made = run(capsys, "create-workspace", "--name", "Acme", "--timezone", "Europe/Berlin")
    id, (live, test) = made["workspaceId"], (key["secret"] for key in made["keys"])
    run(capsys, "set-plan", id, "--plan", '{"name": "Some", "pendingTargets": {"limit": 500}, "targetsPerMonth": {"limit": 500}}')
    for platform in ("mastodon", "telegram", "x"):
        profile_of(dateline.deps, dateline.world, NETWORKS_URL, id, platform, f"prof_acme_{platform}")
    call(dateline, "POST", "/v1/keys", {"name": "Another", "scopes": ["posts:read"]}, live, **{"idempotency-key": "key-1"})
    sandbox = call(dateline, "POST", "/v1/profiles", {"platform": "sandbox", "name": "Box", "credentials": {}}, test)["id"]
    both = ["prof_acme_mastodon", "prof_acme_telegram"]

    def post(key: str, **members: Any) -> str:
        once = {"idempotency-key": members["text"]}
        created = call(dateline, "POST", "/v1/posts", {"profileIds": both, **members}, key, **once)
        return str(created["id"])

    soon, later = (f"{START + hours * HOUR:%Y-%m-%dT%H:%M:%SZ}" for hours in (1, 2))
    call(dateline, "POST", "/v1/media", {"url": "https://cdn.example.com/acme.png"}, live)
    call(dateline, "POST", "/v1/media", {"contentType": "image/png", "bytes": 100}, test)
    slots = [{"day": day, "time": "20:00"} for day in DAYS]
    queue = call(dateline, "POST", "/v1/queues", {"name": "Evenings", "slots": slots}, live)["id"]
    call(dateline, "POST", f"/v1/queues/{queue}/reservations", {}, live)
    ids = [
        post(live, text="A draft"), post(live, text="Acme is out", publishNow=True),
        post(live, text="Acme tomorrow", scheduledFor=soon, labels=["a", "ü" * 64]), post(live, text="Queued", queueId=queue),
        post(test, text="A test", profileIds=[sandbox], scheduledFor=soon),
    ]
    call(dateline, "DELETE", "/v1/profiles/prof_acme_x", None, live)
    cancelled = post(live, text="Cancelled", scheduledFor=later)
    call(dateline, "DELETE", f"/v1/posts/{cancelled}", None, live)
    dateline.stack.settle()
    dateline.world.add_fault("telegram", "rate_limit", retry_after=3000)
    ids += [cancelled, post(live, text="Acme waits to be tried again", publishNow=True)]
    dateline.stack.settle()
    rows = [{"text": f"Acme row {n}", "profileIds": both, "scheduledFor": later} for n in range(3)]
    call(dateline, "POST", "/v1/posts/bulk", rows, live, **{"idempotency-key": "bulk-1"})
    dateline.stack.settle()
    near = f"{START + timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}"
    ids.append(post(live, text="Acme in a moment", scheduledFor=near))  # its messages are in the queue, and nothing is announced
    return Tenant(id, live, test, (id, *ids, *both, "prof_acme_x", sandbox, queue))


def test_nothing_of_an_erased_workspace_is_left_and_nothing_of_another_is_touched(
    dateline: Dateline, capsys: pytest.CaptureFixture[str]
) -> None:
    settled(dateline)
    before = everything(dateline)
    tenant = tenant_with_everything(dateline, capsys)
    tables = {table for table, _ in left(dateline, tenant)}
    assert len(tables) == 7, "the scene has rows in all six tables, and entries"
    removed = erase(capsys, tenant)
    assert left(dateline, tenant) == []
    assert everything(dateline) == before
    assert all(removed[kind] for kind in removed if kind != "underWay"), removed
    assert dateline.stack.schedules() and all(tenant.id not in entry.input for entry in dateline.stack.schedules())


def test_nothing_of_an_erased_workspace_goes_out_and_everything_of_another_does(
    dateline: Dateline, capsys: pytest.CaptureFixture[str]
) -> None:
    _, to_come = settled(dateline)
    tenant = tenant_with_everything(dateline, capsys)
    seen = [entry.text for entry in dateline.world.seen()]
    erase(capsys, tenant)
    dateline.stack.run_for(4 * HOUR)
    assert [entry.text for entry in dateline.world.seen()] == [*seen, "Still to come"]
    assert dateline.read(to_come)["status"] == "published"
    assert not dateline.stack.failures


def test_without_yes_it_only_counts(dateline: Dateline, capsys: pytest.CaptureFixture[str]) -> None:
    tenant = tenant_with_everything(dateline, capsys)
    before = everything(dateline), dateline.stack.schedules()
    found = run(capsys, "erase-workspace", tenant.id)
    assert found["erased"] is False
    assert (everything(dateline), dateline.stack.schedules()) == before
    assert found["found"] == erase(capsys, tenant)


def test_erasing_again_is_no_error_and_takes_what_was_still_written(
    dateline: Dateline, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process that remembers the key takes a draft; the stream tells what was written before: both come after the first run."""
    tenant = tenant_with_everything(dateline, capsys)
    call(dateline, "GET", "/v1/posts", None, tenant.live)
    erase(capsys, tenant)
    draft = call(dateline, "POST", "/v1/posts", {"text": "Too late"}, tenant.live)["id"]
    dateline.stack.run_for(timedelta(minutes=5))
    assert dateline.api("GET", "/v1/posts", key=tenant.live).status == 401
    assert left(dateline, tenant)
    removed = erase(capsys, tenant)
    assert removed["posts"] == 1 and left(dateline, tenant._replace(words=(*tenant.words, draft))) == []
    assert set(erase(capsys, tenant).values()) == {0}


def test_wherever_it_stops_another_run_finds_the_rest(
    dateline: Dateline, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(dateline)
    before = everything(dateline)
    tenant = tenant_with_everything(dateline, capsys)
    remove = erasing.remove
    stops = calls = 0

    def failing(rows: Any) -> int:
        """Each run comes one step further, and that step is done by half."""
        nonlocal calls
        calls += bool(rows)
        if rows and calls > stops:
            remove(rows[: len(rows) // 2])
            raise StoreUnavailable("ProvisionedThroughputExceededException")
        return remove(rows)

    monkeypatch.setattr(erasing, "remove", failing)
    while admin.main(["erase-workspace", tenant.id, "--yes"]) == 1:
        assert "Run the command again" in capsys.readouterr().err
        calls, stops = 0, stops + 1
        assert stops < 100
    assert stops > 4 and left(dateline, tenant) == [] and everything(dateline) == before


def test_a_delivery_that_is_under_way_is_counted_and_writes_nothing_any_more(
    dateline: Dateline, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant = tenant_with_everything(dateline, capsys)
    removed: list[dict[str, int]] = []

    def meanwhile(service: str, operation: str, phase: Phase) -> None:
        if service == "mastodon" and operation.startswith("POST") and phase == "before" and not removed:
            operator = Thread(target=lambda: removed.append(erase(capsys, tenant)))  # outside the handler and its role
            operator.start()
            operator.join()

    dateline.clock.advance(timedelta(seconds=31))
    interrupted(dateline, meanwhile, lambda: dateline.stack.pump_queue("deliveries"))
    assert removed and removed[0]["underWay"] >= 1
    dateline.stack.run_for(HOUR)
    erase(capsys, tenant)
    assert left(dateline, tenant) == []


def test_an_import_that_was_interrupted_is_not_carried_on(dateline: Dateline, capsys: pytest.CaptureFixture[str]) -> None:
    tenant = tenant_with_everything(dateline, capsys)
    rows = [
        {"text": f"Cut off {n}", "profileIds": ["prof_acme_mastodon"], "scheduledFor": f"{START + 2 * HOUR:%Y-%m-%dT%H:%M:%SZ}"}
        for n in range(30)
    ]

    written = []

    def cut(service: str, operation: str, phase: Phase) -> None:
        if operation == "TransactWriteItems" and phase == "after":
            written.append(operation)
            if len(written) == 2:
                raise Crash

    send = {"key": tenant.live, "headers": {"idempotency-key": "bulk-2"}}
    interrupted(dateline, cut, lambda: dateline.api("POST", "/v1/posts/bulk", rows, **send))
    assert dateline.deps.imports.open(5)
    erase(capsys, tenant)
    assert dateline.deps.imports.open(5) == []
    dateline.stack.run_for(3 * HOUR)
    assert not [entry for entry in dateline.world.seen() if "Cut off" in entry.text]
    erase(capsys, tenant)
    assert left(dateline, tenant) == []


@pytest.mark.parametrize("id", ["", "wks_acme:test", "acme", "wks_a#b"])
def test_what_is_no_workspaces_id_is_refused(dateline: Dateline, capsys: pytest.CaptureFixture[str], id: str) -> None:
    assert admin.main(["erase-workspace", id, "--yes"]) == 1
    assert "is no workspace's id" in capsys.readouterr().err


def test_all_workspaces_are_listed(dateline: Dateline, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(capsys, "create-workspace", "--name", "Acme")
    assert run(capsys, "list-workspaces")["workspaces"] == sorted(
        [{"id": made["workspaceId"], "name": "Acme"}, {"id": "wks_local", "name": "Local workspace"}], key=lambda one: one["id"]
    )


