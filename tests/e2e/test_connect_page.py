"""docs/connect.md, walked by a machine: its commands are run as they stand, in order, against a running local stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.conftest import ROOT, Running
from tests.e2e.test_readme import BLOCK, _bash


def test_the_commands_of_the_page_about_connecting_do_what_it_says(running: Running, tmp_path: Path) -> None:
    def kept(name: str) -> Any:
        return json.loads((tmp_path / name).read_text(encoding="utf-8"))

    page = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
    page = page.replace(":8787", f":{running.port}").replace(":8788", f":{running.port + 1}")
    begin, consent, choose, lose, again, bring = BLOCK.findall(page)
    begun = json.loads(_bash(begin, tmp_path))
    assert begun["status"] == "waiting" and begun["profiles"] == [] and "/oauth2/authorize?" in begun["authorizeUrl"]
    connected = json.loads(_bash(consent, tmp_path))
    assert (connected["status"], connected["connectionId"]) == ("connected", begun["connectionId"])
    assert [profile["platform"] for profile in connected["profiles"]] == ["x"]
    chosen = json.loads(_bash(choose, tmp_path))
    assert kept("page.json")["status"] == "choosing" and len(chosen["choices"]) > len(chosen["profiles"]) == 1
    assert chosen["profiles"][0]["accountId"] == chosen["choices"][0]["accountId"]
    assert json.loads(_bash(lose, tmp_path))["status"] == "disconnected"
    assert kept("held.json")["targets"][0]["error"]["code"] == "profile_disconnected"
    _bash(again, tmp_path)
    assert kept("page.json")["status"] == "connected" and kept("held.json")["status"] == "published"
    refused, brought = (json.loads(line) for line in _bash(bring, tmp_path).replace("}{", "}\n{").splitlines())
    assert refused["code"] == "invalid_request" and "chatId" in refused["detail"]
    assert brought["status"] == "connected" and brought["profiles"][0]["id"] == "prof_telegram"
    shown = running.call("GET", "/v1/profiles/prof_mastodon")[1]
    assert shown["server"] == f"http://127.0.0.1:{running.port + 1}/mastodon", "as the page says"
