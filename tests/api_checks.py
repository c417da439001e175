"""What the contract tests of the API share: the whole stored state to compare, a post on a network's doorstep, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dateline.domain.errors import STATUS, TITLES
from dateline.store.workspaces import ApiKey, digest
from local.stack import Answer
from tests.harness import START, Dateline

WORKSPACE = "wks_local"


def stored(dateline: Dateline) -> dict[str, Any]:
    """Everything there is: rows of every table, schedule entries, messages, and what stands on the networks."""
    from moto.dynamodb.models import dynamodb_backends

    from local.template import ACCOUNT

    tables = dynamodb_backends[ACCOUNT][dateline.stack.region].tables
    rows = {name: sorted(repr(item.to_json()) for item in table.all_items()) for name, table in tables.items()}
    messages = [message.body for message in dateline.stack.peek("deliveries")]
    return {**rows, "entries": dateline.stack.schedules(), "messages": messages, "networks": len(dateline.world.seen())}


@contextmanager
def nothing_written(dateline: Dateline) -> Iterator[None]:
    """Fails when anything stored changes inside."""
    before = stored(dateline)
    yield
    after = stored(dateline)
    assert after == before, [name for name in after if after[name] != before.get(name)]


def mint(dateline: Dateline, *scopes: str, mode: str = "live", workspace: str = WORKSPACE, revoked: bool = False) -> str:
    """A key of exactly these scopes; its secret."""
    secret = f"dl_{mode}_{workspace}_{'-'.join(scopes) or 'none'}{'_revoked' if revoked else ''}"
    revoked_at = "2027-01-02T00:00:00Z" if revoked else None
    hashed = digest(secret)
    made_at = "2027-01-01T00:00:00Z"
    key = ApiKey(f"key_{hashed[:12]}", workspace, mode, secret, scopes, made_at, secret[-4:], hashed, revoked_at)
    dateline.deps.workspaces.save_key(key)
    return secret


def refused(answer: Answer, code: str, pointer: str | None = None, **members: Any) -> dict[str, Any]:
    """The problem of a refusal, held against the contract: status, code, shape, the field at fault, further members."""
    problem: dict[str, Any] = answer.json()
    assert problem.get("code") == code, problem
    assert answer.status == problem["status"] == STATUS[code]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    assert problem["title"] == TITLES[code] and problem["type"] == f"/docs#{code}"
    assert problem["detail"] and problem["instance"].startswith("/")
    if pointer is None:
        assert problem["errors"] == [], problem["errors"]
    else:
        assert pointer in [error["pointer"] for error in problem["errors"]], problem["errors"]
    assert all(error["code"] and error["detail"] for error in problem["errors"])
    for name, value in members.items():
        assert problem[name.rstrip("_")] == value, problem
    return problem


__all__ = ["START", "WORKSPACE", "mint", "nothing_written", "refused", "stored"]
