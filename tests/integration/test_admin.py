"""The operator's command: a deployed stack is of no use before it has made a workspace."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from dateline import admin
from tests.harness import START, Dateline


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert admin.main(list(arguments)) == 0
    return json.loads(capsys.readouterr().out)


def test_a_new_workspace_comes_with_keys_that_work_and_see_nothing_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    with Dateline() as dateline:
        theirs = dateline.post("prof_mastodon", at=START + timedelta(days=1))
        made = run(capsys, "create-workspace", "--name", "Acme", "--timezone", "Asia/Tokyo")
        live, test = (key["secret"] for key in made["keys"])
        assert dateline.api("GET", "/v1/workspace", key=live).json()["name"] == "Acme"
        assert dateline.api("GET", f"/v1/posts/{theirs['id']}", key=live).status == 404
        assert dateline.api("GET", "/v1/posts", key=test).json()["data"] == []


def test_a_revoked_key_is_refused_and_a_new_one_has_the_scopes_it_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    with Dateline() as dateline:
        made = run(capsys, "create-workspace", "--name", "Acme")
        key = run(capsys, "create-key", made["workspaceId"], "--scopes", "posts:read")
        assert dateline.api("GET", "/v1/posts", key=key["secret"]).status == 200
        assert dateline.api("GET", "/v1/keys", key=key["secret"]).json()["requiredScope"] == "admin"
        run(capsys, "revoke-key", made["workspaceId"], key["id"])
        assert dateline.api("GET", "/v1/posts", key=key["secret"]).status == 401


def test_what_does_not_exist_is_said_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Dateline():
        assert admin.main(["create-key", "wks_nobody"]) == 1
        assert "no workspace 'wks_nobody'" in capsys.readouterr().err
        assert admin.main(["show", "post_nothing"]) == 1


def test_show_makes_a_stored_post_readable(capsys: pytest.CaptureFixture[str]) -> None:
    with Dateline() as dateline:
        post = dateline.post("prof_mastodon", text="What is inside?")
        shown = run(capsys, "show", post["id"])
        assert shown["post"]["id"] == post["id"] and shown["stored"]["segments"][0]["text"] == "What is inside?"
