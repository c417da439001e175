"""docs/queues.md, walked by a machine: its commands are run as they stand, in order, against a running local stack."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import ROOT, Running
from tests.e2e.test_readme import BLOCK, _bash


def test_the_commands_of_the_page_about_queues_do_what_it_says(running: Running, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "queues.md").read_text(encoding="utf-8").replace(":8787", f":{running.port}")
    define, ahead, reserve, give_back, put, as_promised, change, remove = BLOCK.findall(page)
    queue = json.loads(_bash(define, tmp_path))
    assert queue["id"].startswith("queue_") and queue["nextSlot"].endswith("Z")
    assert [slot["free"] for slot in json.loads(_bash(ahead, tmp_path))["data"]] == [2, 2, 2]
    assert json.loads(_bash(reserve, tmp_path))["slot"] == queue["nextSlot"]
    assert _bash(give_back, tmp_path) == ""
    assert (first := json.loads(_bash(put, tmp_path)))["status"] == "scheduled" and first["queueId"] == queue["id"]
    second = json.loads(_bash(as_promised, tmp_path))
    assert first["publishAt"] == second["publishAt"] == queue["nextSlot"]
    assert json.loads(_bash(change, tmp_path))["slots"] == [{"day": "tuesday", "time": "10:00"}]
    assert _bash(remove, tmp_path) == ""
