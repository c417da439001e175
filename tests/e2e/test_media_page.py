"""docs/media.md, walked by a machine: its commands are run as they stand, in order, against a running local stack."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import ROOT, Running
from tests.e2e.test_readme import BLOCK, _bash


def test_the_commands_of_the_page_about_media_do_what_it_says(running: Running, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "media.md").read_text(encoding="utf-8")
    page = page.replace(":8787", f":{running.port}").replace(":8788", f":{running.port + 1}")
    announce, send, look, post, copy, remove, refused = BLOCK.findall(page)
    made = json.loads(_bash(announce, tmp_path))
    file = (tmp_path / "launch.png").read_bytes()
    assert made["state"] == "awaiting_upload" and made["upload"]["headers"] == {
        "Content-Type": "image/png", "Content-Length": str(len(file)), "If-None-Match": "*"
    }
    assert _bash(send, tmp_path).split() == ["200", "412"], "an upload is written once"
    ready = json.loads(_bash(look, tmp_path))
    assert (ready["state"], ready["width"], ready["height"], ready["bytes"]) == ("ready", 400, 300, len(file))
    said = json.loads(_bash(post, tmp_path))
    out = running.until(30, lambda: (p := running.call("GET", f"/v1/posts/{said['id']}")[1])["status"] == "published" and p)
    assert out["media"] == [{"url": made["url"], "type": "image", "altText": "The launch"}] and out["warnings"] == []
    _bash(copy, tmp_path)
    tour = json.loads((tmp_path / "copy.json").read_text(encoding="utf-8"))
    assert (tour["state"], tour["type"], tour["bytes"], tour["seconds"]) == ("ready", "video", 20_000_000, 30.0)
    assert _bash(remove, tmp_path).split() == ["204"] and running.call("GET", f"/v1/media/{made['id']}")[0] == 404
    long, private = (json.loads(line) for line in _bash(refused, tmp_path).replace("}{", "}\n{").splitlines())
    assert [error["code"] for error in long["errors"]] == ["x.media.too_long"]
    assert [error["code"] for error in private["errors"]] == ["media.private_address"]
