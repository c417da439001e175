"""The README, walked by a machine: its commands are run as they stand, in order, against a running local stack."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.conftest import ROOT, Running, environment

BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_ready_is_one_line_with_the_url_and_the_key(running: Running) -> None:
    assert f"http://127.0.0.1:{running.port}" in running.ready and "dl_live_local" in running.ready


def test_the_commands_of_the_readme_do_what_it_says(running: Running, tmp_path: Path) -> None:
    listener = subprocess.Popen(
        [sys.executable, "-u", "-m", "local.listen"], cwd=ROOT, env=environment(running.port), stdout=subprocess.PIPE, text=True
    )
    assert listener.stdout is not None
    assert listener.stdout.readline().startswith("Listening to arn:")
    try:
        blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
        schedule, look, lose, settle, video, carousel, picture, unpublish, thread, bulk, undo, approval, queue, plan, *rest = [
            block.replace(":8787", f":{running.port}").replace(":8788", f":{running.port + 1}") for block in blocks
        ]
        post = json.loads(_bash(schedule, tmp_path))
        assert post["status"] == "scheduled" and post["publishAt"].endswith("Z") and len(post["targets"]) == 4
        running.until(20, lambda: running.call("GET", f"/v1/posts/{post['id']}")[1]["status"] == "published")
        found = _bash(look, tmp_path)
        assert found.count('"remoteId"') == 8, "four targets, four lines of the ledger"
        mine = [line.split()[1] for line in _lines(listener, post["id"]) if not line.split()[1].startswith("target.")]
        assert mine == ["post.scheduled", "post.queued", "post.publishing", "post.published"]

        _bash(lose, tmp_path)
        lost = json.loads((tmp_path / "lost.json").read_text(encoding="utf-8"))
        assert {t["platform"]: t["status"] for t in lost["targets"]} == {"mastodon": "published", "telegram": "unconfirmed"}
        assert json.loads(_bash(settle, tmp_path))["status"] == "published"
        for block, targets in ((video, 3), (carousel, 2), (picture, 6)):
            post = json.loads(_bash(block, tmp_path))
            assert all(warning["code"].endswith(".ignored") for warning in post["warnings"]), post["warnings"]
            running.until(60, lambda id=post["id"]: running.call("GET", f"/v1/posts/{id}")[1]["status"] == "published")
            shown = running.call("GET", f"/v1/posts/{post['id']}")[1]["targets"]
            assert [target["status"] for target in shown] == ["published"] * targets
        _bash(unpublish, tmp_path)
        taken = {target["platform"]: target.get("removal") for target in _kept(tmp_path, "removed.json")["targets"]}
        assert taken["threads"]["status"] == "removed" and taken["instagram"] is None
        told = json.loads(_bash(thread, tmp_path))
        assert [len(target["segments"]) for target in told["targets"]] == [3, 3, 3] and told["status"] == "published"

        planned = json.loads(_bash(bulk, tmp_path))
        assert (planned["created"], planned["failed"], planned["id"]) == (3, 0, None)
        assert _kept(tmp_path, "bulk.json")["created"] == 3
        _bash(undo, tmp_path)
        assert (tmp_path / "export.csv").read_text(encoding="utf-8").count("autumn") == 3
        undone = _kept(tmp_path, "undone.json")
        assert (undone["status"], undone["cancelled"]) == ("undone", 3)

        _bash(approval, tmp_path)
        assert _kept(tmp_path, "waiting.json")["status"] == "pending_approval"
        approved = _kept(tmp_path, "approved.json")
        assert approved["approval"]["state"] == "approved"
        running.until(20, lambda: running.call("GET", f"/v1/posts/{approved['id']}")[1]["status"] == "published")

        assert _bash(queue, tmp_path).count('"status": "scheduled"') == 2 + 4, "two posts with two targets each"
        assert [slot["taken"] for slot in _kept(tmp_path, "slots.json")["data"]] == [1, 1, 0]

        _bash(plan, tmp_path)
        assert _kept(tmp_path, "verdict.json")["usage"][0]["metric"] == "pendingTargets"
        assert _kept(tmp_path, "workspace.json")["usage"]["pendingTargets"]["limit"] == 1
        for block in rest:
            assert '"status": 4' not in _bash(block, tmp_path), block
    finally:
        listener.kill()
        listener.wait()


def _kept(folder: Path, name: str) -> dict[str, Any]:
    """An answer that a command wrote into a file."""
    value: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return value


def _lines(listener: subprocess.Popen[str], post_id: str) -> list[str]:
    """What the listener printed of a post, up to its end."""
    assert listener.stdout is not None
    lines: list[str] = []
    for line in listener.stdout:
        if post_id in line:
            lines.append(line)
        if post_id in line and "post.published" in line:
            break
    return lines


def _bash(script: str, folder: Path) -> str:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_page_the_readme_names_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in re.findall(r"\]\((docs/[\w./-]+)\)", text):
        assert (ROOT / page).exists(), page
