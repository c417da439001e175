"""The pages about the API are true: every request of docs/api.md is made and answered so, every code stands in docs/errors.md."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dateline.domain.errors import STATUS, TITLES
from local.stack import Answer
from tests.harness import Dateline
from tests.record_examples import record
from tests.unit.test_openapi import EXAMPLES, validator

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "api.md").read_text(encoding="utf-8")
ERRORS = (DOCS / "errors.md").read_text(encoding="utf-8")
PAIRS = re.findall(r"```bash\n(curl .*?)```\n```http\n(.*?)```", GUIDE, re.S)
VARIABLES = {"post": "POST", "prof": "PROFILE", "key": "KEY_ID", "queue": "QUEUE", "bulk": "BULK"}


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def curl(dateline: Dateline, command: str, known: dict[str, str]) -> Answer:
    """Make the request of a curl command line. `known` are the shell's variables."""
    words = iter(shlex.split(command.replace("\\\n", " ")))
    assert next(words) == "curl"
    method, url, headers, body = "GET", "", {}, None
    for word in words:
        filled = re.sub(r"\$(\w+)", lambda match: known[match[1]], word)
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = re.sub(r"\$(\w+)", lambda match: known[match[1]], value)
        elif word in ("-d", "--data-binary"):
            body = re.sub(r"\$(\w+)", lambda match: known[match[1]], next(words))
        else:
            url = filled
    return dateline.stack.request(method, url.removeprefix(known["DATELINE"]), headers, body)


def alike(shown: Any, real: Any, where: str = "") -> None:
    """What a page shows must be so; "…" is anything, and at the end of a list or an object: more of it."""
    if shown == "…":
        return
    if isinstance(shown, dict):
        assert isinstance(real, dict), where
        rest = "…" in shown
        names = shown.keys() - {"…"}
        assert names <= real.keys() and (rest or names == real.keys()), (where, names ^ real.keys())
        for name in names:
            alike(shown[name], real[name], f"{where}/{name}")
    elif isinstance(shown, list):
        rest = bool(shown) and shown[-1] == "…"
        known = shown[:-1] if rest else shown
        assert len(real) >= len(known) if rest else len(real) == len(known), (where, real)
        for number, (one, other) in enumerate(zip(known, real, strict=False)):
            alike(one, other, f"{where}/{number}")
    else:
        assert shown == real, (where, shown, real)


def test_every_request_of_the_guide_is_answered_as_it_shows(dateline: Dateline) -> None:
    known = dict(re.findall(r"^(\w+)=(\S+)$", GUIDE, re.M))
    assert len(PAIRS) == GUIDE.count("\ncurl ") and len(PAIRS) >= 25
    for command, shown in PAIRS:
        head, *lines = shown.strip("\n").split("\n")
        headers = [line for line in lines if re.match(r"[A-Za-z-]+: ", line)]
        body = "\n".join(line for line in lines if line not in headers)
        answer = curl(dateline, command, known)
        assert f"HTTP/1.1 {answer.status}" == head, (command, answer.body)
        for header in headers:
            name, _, value = header.partition(": ")
            assert re.fullmatch(re.escape(value).replace("…", ".+"), answer.headers[name.lower()]), (command, header)
        if body:
            alike(json.loads(body), answer.json(), command)
        else:
            assert answer.body == b""
        if answer.status == 201:
            made = answer.json()["id"]
            known[VARIABLES[made.partition("_")[0]]] = made
        dateline.stack.settle(timers=False)


def table_of_codes() -> dict[str, tuple[int, str]]:
    rows = re.findall(r"^\| \[`(\w+)`\]\(#\1\) \| (\d+) \| .+? \| (.*?) \|$", ERRORS, re.M)
    return {code: (int(status), members) for code, status, members in rows}


def test_the_table_of_errors_is_the_table_of_the_code() -> None:
    assert {code: status for code, (status, _) in table_of_codes().items()} == STATUS


@pytest.mark.parametrize("code", STATUS)
def test_every_error_has_an_example_with_the_members_the_table_names(code: str) -> None:
    (text,) = re.findall(rf"^### {code}\n\n```json\n(.*?)```", ERRORS, re.M | re.S)
    example = json.loads(text)
    assert [error.message for error in validator("Problem").iter_errors(example)] == []
    assert (example["code"], example["status"], example["title"]) == (code, STATUS[code], TITLES[code])
    assert example["type"] == f"/docs#{code}"
    members = table_of_codes()[code][1]
    if members.startswith("in `errors`"):
        assert {"platform", "profileId", "limit", "measured", "unit"} <= example["errors"][0].keys()
    else:
        further = example.keys() - {"type", "title", "status", "code", "detail", "instance", "errors"}
        assert further == set(re.findall(r"`(\w+)`", members.partition(", for ")[0])), "what follows `for` is only there at times"
    if code in EXAMPLES["problems"]:
        assert example == EXAMPLES["problems"][code], "the page shows what the system answers"
    else:
        row = next(line for line in ERRORS.splitlines() if line.startswith(f"| [`{code}`]"))
        hard_to_have = ("internal_error", "try_again", "idempotency_in_progress", "beyond_platform_horizon")
        assert "eserved" in row or code in hard_to_have, "a refusal that can be had is shown as it is answered"


def members_of(value: Any) -> Any:
    """The shape of an answer: names of members, first row of lists. What is free (options, metadata) counts as one."""
    if isinstance(value, dict):
        return {
            name: None if name in ("options", "settings", "metadata", "media") else members_of(part)
            for name, part in value.items()
        }
    return [members_of(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def test_what_the_system_answers_now_is_like_the_examples_that_are_kept() -> None:
    fresh = record()
    assert fresh["answers"].keys() == EXAMPLES["answers"].keys() and fresh["problems"].keys() == EXAMPLES["problems"].keys()
    again = "run python -m tests.record_examples and make openapi"
    for route, kept in EXAMPLES["answers"].items():
        assert members_of(fresh["answers"][route]) == members_of(kept), (route, again)
    for code, kept in EXAMPLES["problems"].items():
        assert fresh["problems"][code]["detail"] == kept["detail"] or "post_" in kept["detail"], again
        assert members_of(fresh["problems"][code]) == members_of(kept), (code, again)
