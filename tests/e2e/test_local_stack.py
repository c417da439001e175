"""The local stack's contract over real sockets: faults, ledger, clock, plan, and any AWS client looking inside."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Running, environment

ENDED = {"published", "failed", "unconfirmed", "partial"}


def publish(running: Running, profile: str, text: str, **more: Any) -> str:
    status, post = running.call("POST", "/v1/posts", {"text": text, "profileIds": [profile], "publishNow": True, **more})
    assert status == 201, post
    return str(post["id"])


def outcome(running: Running, post_id: str, seconds: float = 45) -> dict[str, Any]:
    post: dict[str, Any] = running.until(
        seconds, lambda: (lambda p: p if p["status"] in ENDED else None)(running.call("GET", f"/v1/posts/{post_id}")[1])
    )
    return post


def ahead(running: Running, **span: int) -> str:
    """A time so far from the local stack's now."""
    now = datetime.fromisoformat(running.call("GET", "/local/info")[1]["now"])
    return (now + timedelta(**span)).isoformat().replace("+00:00", "Z")


def texts(running: Running, platform: str) -> list[str]:
    return [row["text"] for row in running.networks("GET", f"/ledger?platform={platform}")[1]["data"]]


def test_no_fault_makes_a_network_show_a_post_twice(running: Running) -> None:
    """Every fault on every network at once, one after the other per network, over sockets that really break."""
    expected = {
        "lost_answer": {"mastodon": "published", "bluesky": "published", "x": "published", "telegram": "unconfirmed"},
        "server_error": {"mastodon": "published", "bluesky": "published", "x": "published", "telegram": "unconfirmed"},
        "rate_limit": dict.fromkeys(("mastodon", "bluesky", "x", "telegram"), "published"),
        "expired_token": dict.fromkeys(("mastodon", "bluesky", "x", "telegram"), "published"),
        "reject": dict.fromkeys(("mastodon", "bluesky", "x", "telegram"), "failed"),
        "slow": {"mastodon": "published", "bluesky": "published", "x": "published", "telegram": "unconfirmed"},
    }
    for fault, outcomes in expected.items():
        posts = {}
        for platform in outcomes:
            body = {"platform": platform, "fault": fault, "times": 1, "retryAfter": 1, "seconds": 9.5}
            assert running.networks("POST", "/faults", body)[0] == 201
            posts[platform] = publish(running, f"prof_{platform}", f"{fault} on {platform}")
        got = {platform: outcome(running, post_id)["status"] for platform, post_id in posts.items()}
        assert got == outcomes, fault
        running.networks("DELETE", "/faults")
    for platform in ("mastodon", "bluesky", "x", "telegram"):
        shown = texts(running, platform)
        assert len(shown) == len(set(shown)), shown
        assert f"reject on {platform}" not in shown


def test_the_clock_can_be_moved_so_that_a_schedule_is_seen_firing(running: Running) -> None:
    status, post = running.call("POST", "/v1/posts", {
        "text": "Tomorrow", "profileIds": ["prof_mastodon"], "scheduledFor": ahead(running, hours=20),
    })
    assert status == 201 and post["status"] == "scheduled"
    assert running.call("POST", "/local/clock", {"advance": "P1D"})[0] == 200
    assert outcome(running, post["id"])["status"] == "published"
    assert running.call("POST", "/local/clock", {"advance": "yesterday"})[0] == 400


def test_any_aws_client_can_look_inside(running: Running) -> None:
    boto3 = pytest.importorskip("boto3")
    _, info = running.call("GET", "/local/info")
    how = {"endpoint_url": info["awsEndpoint"], "region_name": info["region"],
           "aws_access_key_id": "any", "aws_secret_access_key": "any"}
    status, post = running.call("POST", "/v1/posts", {
        "text": "Look inside", "profileIds": ["prof_x"], "scheduledFor": ahead(running, days=30),
    })
    assert status == 201, post
    entries = boto3.client("scheduler", **how).list_schedules(GroupName=info["scheduleGroup"])["Schedules"]
    assert any(entry["Name"].startswith(post["id"]) for entry in entries)
    item = boto3.client("dynamodb", **how).get_item(TableName=info["tables"]["posts"], Key={"id": {"S": post["id"]}})["Item"]
    assert item["status"] == {"S": "scheduled"}
    assert running.call("DELETE", f"/v1/posts/{post['id']}")[1]["status"] == "cancelled"


def test_the_plan_can_be_set_and_is_shown(running: Running) -> None:
    plan = {"pendingTargets": {"limit": 3, "scope": "workspace"}, "horizonDays": 7}
    assert running.call("POST", "/local/plan", {"plan": plan})[0] == 200
    assert running.call("GET", "/v1/workspace")[1]["plan"] == plan
    assert running.call("POST", "/local/plan", {"plan": None})[0] == 200


def test_an_oversized_body_is_refused_before_it_is_read(running: Running) -> None:
    assert running.call("POST", "/v1/posts", b'{"text": "' + b"x" * 10_000_000 + b'"}')[0] == 413


def test_a_port_that_is_taken_is_said_plainly(running: Running) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "local"], cwd=ROOT, env=environment(running.port), capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 2 and "PORT=" in second.stderr
