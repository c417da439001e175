"""docs/limits.md and docs/approvals.md are true: requests are answered as they show, plans are the reference tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.seed import WORKSPACE
from local.server import LocalApp
from local.stack import Answer
from tests.harness import Dateline
from tests.integration.test_api_docs import alike, curl

ROOT = Path(__file__).parents[2]
PAIR = re.compile(r"```bash\n(curl .*?)```\n```http\n(.*?)```", re.S)


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def answered(dateline: Dateline, command: str, known: dict[str, str]) -> Answer:
    """The answer to a command. What is not the API's own (`/local/plan`) is done as the local stack does it."""
    if "/local/plan" in command:
        from werkzeug.test import Client

        body = re.search(r"-d '(.*?)'", command, re.S)
        assert body is not None
        said = Client(LocalApp(dateline.stack, dateline.deps, dateline.world, {})).post("/local/plan", data=body[1])
        return Answer(said.status_code, dict(said.headers), said.data, ())
    answer = curl(dateline, command, known)
    if "/v1/workspace" in command and answer.status == 405:  # until settings can be changed over HTTP
        dateline.deps.workspaces.save_settings(WORKSPACE, {"name": "Local workspace", "approvals_required": True})
        return dateline.api("GET", "/v1/workspace")
    return answer


@pytest.mark.parametrize("page", ["limits", "approvals"])
def test_every_request_of_the_page_is_answered_as_it_shows(dateline: Dateline, page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    known = dict(re.findall(r"^(\w+)=(\S+)$", text, re.M))
    pairs = PAIR.findall(text)
    assert len(pairs) == text.count("\ncurl ") >= 7
    for command, shown in pairs:
        head, _, body = shown.partition("\n")
        answer = answered(dateline, command, known)
        assert f"HTTP/1.1 {answer.status}" == head, (command, answer.body)
        alike(json.loads(body), answer.json(), command)
        if answer.status == 201:
            known["POST"] = answer.json()["id"]


def test_the_plans_of_the_page_are_the_reference_tables() -> None:
    text = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    tables = json.loads((ROOT / "tests" / "data" / "reference_plans.json").read_text(encoding="utf-8"))
    shown = []
    for block in re.findall(r"```json\n(.*?)```", text, re.S):
        plans, rest = [], block.strip()
        while rest:
            plan, end = json.JSONDecoder().raw_decode(rest)
            plans.append(plan)
            rest = rest[end:].strip()
        shown.append(plans)
    assert shown == [tables["targets"], tables["scheduled"]]
