"""The README, walked by a machine: its commands are run as they stand, in order, against a running local stack."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

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
        schedule, look, lose, settle, *rest = [
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
        for block in rest:
            assert '"status": 4' not in _bash(block, tmp_path), block
    finally:
        listener.kill()
        listener.wait()


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
