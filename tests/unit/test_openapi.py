"""The OpenAPI file: valid, whole, not stale, and its examples true to its schemas."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from dateline.api.answer_shapes import ANSWERS
from dateline.api.auth import SCOPES
from dateline.api.routes import ROUTES, Route
from dateline.domain.errors import STATUS
from tools import openapi

FILE: dict[str, Any] = json.loads(openapi.OUT.read_text(encoding="utf-8"))
EXAMPLES: dict[str, Any] = json.loads(openapi.EXAMPLES.read_text(encoding="utf-8"))
NAMED = pytest.mark.parametrize("route", ROUTES, ids=[f"{route.method} {route.path}" for route in ROUTES])


def validator(name: str) -> Draft202012Validator:
    """For one of the file's schemas."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": FILE["components"]})


def operation(route: Route) -> dict[str, Any]:
    path = re.sub(r"{(\w+)}", lambda match: "{" + openapi.IN_PATH[match[1]][0] + "}", route.path)
    found: dict[str, Any] = FILE["paths"][path][route.method.lower()]
    return found


def test_the_file_is_valid_openapi_3_1() -> None:
    assert FILE["openapi"] == "3.1.0"
    assert [str(error) for error in OpenAPIV31SpecValidator(FILE).iter_errors()] == []


def test_the_file_is_what_the_routes_and_shapes_say_now() -> None:
    assert openapi.OUT.read_text(encoding="utf-8") == openapi.text(), "run make openapi"
    assert openapi.main(["--check"]) == 0


def test_a_stale_file_fails_the_check(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stale = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi, "OUT", stale)
    assert openapi.main(["--check"]) == 1 and "make openapi" in capsys.readouterr().err
    assert openapi.main([]) == 0 and openapi.main(["--check"]) == 0
    stale.write_text(stale.read_text(encoding="utf-8").replace("Dateline", "Datelime", 1), encoding="utf-8")
    assert openapi.main(["--check"]) == 1


def test_every_route_is_documented_and_nothing_else() -> None:
    written = [found for path in FILE["paths"].values() for found in path.values()]
    assert len(written) == len(ROUTES)
    assert len({found["operationId"] for found in written}) == len(ROUTES)


@NAMED
def test_a_routes_documentation_says_who_may_call_it_and_with_what(route: Route) -> None:
    found = operation(route)
    assert (found["security"] == []) == route.public
    assert found.get("x-scope") == route.scope and (route.scope in (None, *SCOPES))
    parameters = {one["name"]: one["in"] for one in found["parameters"] if "name" in one}
    assert {name for name, where in parameters.items() if where == "query"} == set(route.query)
    assert len([name for name, where in parameters.items() if where == "path"]) == route.path.count("{")
    assert ({"$ref": "#/components/parameters/IdempotencyKey"} in found["parameters"]) == route.idempotent
    assert ("requestBody" in found) == (route.body is not None)


@NAMED
def test_a_routes_documentation_lists_its_answers_and_refusals(route: Route) -> None:
    answers = operation(route)["responses"]
    assert {str(route.status), *map(str, route.also)} <= answers.keys()
    refusals = {str(STATUS[code]) for code in openapi.refusals_of(route)}
    assert answers.keys() == refusals | {str(route.status), *map(str, route.also)}
    for status in refusals:
        assert answers[status]["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    if not route.public:
        assert {"401", "400", "500", "503"} <= answers.keys() and ("403" in answers) == (route.scope is not None)


def test_every_post_and_patch_but_validate_takes_an_idempotency_key() -> None:
    without = [route.path for route in ROUTES if route.method in ("POST", "PATCH") and not route.idempotent]
    assert without == ["/v1/posts/validate"]


def test_every_answer_that_a_route_names_has_a_shape_and_every_shape_a_route() -> None:
    assert {route.answer for route in ROUTES if route.answer} | {"Problem"} == ANSWERS.keys()


@NAMED
def test_the_example_of_a_route_is_true_to_its_schemas(route: Route) -> None:
    if route.path in ("/docs", "/openapi.json") or route.path.endswith(".csv"):
        return
    recorded = EXAMPLES["answers"][f"{route.method} {route.path}"]
    assert recorded["status"] in (route.status, *route.also)
    if route.answer:
        assert [error.message for error in validator(route.answer).iter_errors(recorded["answer"])] == []
    if route.body:
        assert [error.message for error in validator(route.body).iter_errors(recorded["request"])] == []


@pytest.mark.parametrize("code", sorted(EXAMPLES["problems"]))
def test_the_example_of_a_refusal_is_a_problem(code: str) -> None:
    problem = EXAMPLES["problems"][code]
    assert [error.message for error in validator("Problem").iter_errors(problem)] == []
    assert (problem["code"], problem["status"]) == (code, STATUS[code])


def test_the_file_and_the_page_hold_nothing_from_elsewhere() -> None:
    page = openapi.OUT.with_name("docs.html").read_text(encoding="utf-8")
    assert len(page) > 2000 and "/openapi.json" in page
    assert not re.search(r"""(src|href|action)\s*=\s*["']?(https?:)?//""", page)
    assert not re.search(r"@import|\burl\(|<link|<iframe|<img|<script[^>]+src|import\(|innerHTML|document\.write|eval\(", page)
