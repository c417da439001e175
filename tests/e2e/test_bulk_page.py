"""docs/bulk.md, walked by a machine: its commands are run as they stand, in order, against a running local stack."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import ROOT, Running
from tests.e2e.test_readme import BLOCK, _bash


def test_the_commands_of_the_page_about_bulk_do_what_it_says(running: Running, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "bulk.md").read_text(encoding="utf-8").replace(":8787", f":{running.port}")
    dry, send, look, bad, skip, stagger, export, undo, again = BLOCK.findall(page)
    planned = json.loads(_bash(dry, tmp_path))
    assert (planned["status"], planned["created"], planned["failed"]) == ("planned", 3, 0)
    assert [row["line"] for row in planned["rows"]] == [2, 3, 5]
    imported = json.loads(_bash(send, tmp_path))
    assert (imported["status"], imported["created"]) == ("done", 3)
    assert [row["publishAt"] for row in imported["rows"]] == [row["publishAt"] for row in planned["rows"]]
    assert json.loads(_bash(look, tmp_path)) == imported
    assert json.loads(_bash(send, tmp_path)) == imported, "the key makes it the same import"
    refused = json.loads(_bash(bad, tmp_path))
    assert {(error["row"], error["column"]) for error in refused["errors"]} >= {(2, "scheduled_for"), (3, "profile_ids")}
    skipped = json.loads(_bash(skip, tmp_path))
    assert (skipped["created"], skipped["failed"]) == (1, 1) and skipped["rows"][1]["errors"][0]["code"] == "not_found"
    times = [row["publishAt"][11:16] for row in json.loads(_bash(stagger, tmp_path))["rows"]]
    assert times == ["09:00", "09:10", "09:00"]
    _bash(export, tmp_path)
    undone = json.loads(_bash(undo, tmp_path))
    assert (undone["status"], undone["cancelled"], undone["kept"]) == ("undone", 3, [])
    back = json.loads(_bash(again, tmp_path))
    assert (back["status"], back["created"]) == ("done", 2)
    posts = {running.call("GET", f"/v1/posts/{row['id']}")[1]["text"] for row in back["rows"]}
    assert posts == {"We are live, at last.", "Thank you!\nSee you on Friday."}
