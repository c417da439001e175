"""docs/rules.md names every rule with a test that exists, every error code and every route."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from dateline.api.routes import ROUTES, Route
from dateline.domain.errors import STATUS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
TABLES, _, LATER = PAGE.partition("## Not built yet")
ROWS = [line for line in TABLES.splitlines() if line.startswith("| ") and line != "| rule | test |"]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def names_in(path: str) -> frozenset[str]:
    """Names of the test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"))


def test_every_rule_has_a_test_and_stands_once() -> None:
    rules = [row.rpartition(" | ")[0] for row in ROWS]
    assert len(rules) > 150 and len(rules) == len(set(rules))
    for row in ROWS:
        rule, _, tests = row.removesuffix(" |").rpartition(" | ")
        assert len(rule) > 10 and NAMED.sub("", tests).strip(" ,") == "" and NAMED.search(tests), row


def test_every_test_that_is_named_exists() -> None:
    named = {(path, name) for row in ROWS for path, name in NAMED.findall(row)}
    assert PAGE.count("::test_") == sum(len(NAMED.findall(row)) for row in ROWS), "all of them are named in the tables"
    assert [f"{path}::{name}" for path, name in sorted(named) if name not in names_in(path)] == []


@pytest.mark.parametrize("code", STATUS)
def test_every_error_code_has_a_rule(code: str) -> None:
    assert [row for row in ROWS if row.startswith("| ") and f"{STATUS[code]} `{code}`" in row]


@pytest.mark.parametrize("route", ROUTES, ids=[f"{route.method} {route.path}" for route in ROUTES])
def test_every_route_has_a_rule(route: Route) -> None:
    called = f"{route.method} {route.path}"
    assert re.search(rf"`{re.escape(called)}`", TABLES), f"no rule names {called}"
