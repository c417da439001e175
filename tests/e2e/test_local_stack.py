"""The local stack's contract over real sockets: faults, ledger, clock, plan, and any AWS client looking inside."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Running, environment, free_ports

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


def test_the_local_stack_holds_its_keys_and_a_profile_of_every_network(running: Running) -> None:
    built = {one["name"] for one in running.call("GET", "/v1/platforms")[1]["data"]}
    for key, mode, networks in (("dl_live_local", "live", built - {"sandbox"}), ("dl_test_local", "test", {"sandbox"})):
        assert running.call("GET", "/v1/workspace", key=key)[1]["mode"] == mode
        profiles = running.call("GET", "/v1/profiles?limit=100", key=key)[1]["data"]
        assert {(one["id"], one["platform"], one["status"]) for one in profiles} == {
            (f"prof_{name}", name, "connected") for name in networks
        }
    assert running.call("GET", "/v1/keys")[1]["data"][0]["scopes"], "all that there are"
    assert running.call("POST", "/v1/keys", {"scopes": ["admin", "posts:approve", "webhooks:write"]})[0] == 201


def test_the_plan_can_be_set_and_is_shown(running: Running) -> None:
    plan = {"pendingTargets": {"limit": 3, "scope": "workspace"}, "horizonDays": 7}
    assert running.call("POST", "/local/plan", {"plan": plan})[0] == 200
    assert running.call("GET", "/v1/workspace")[1]["plan"] == plan
    assert running.call("POST", "/local/plan", {"plan": None})[0] == 200


def test_an_oversized_body_is_refused_before_it_is_read(running: Running) -> None:
    assert running.call("POST", "/v1/posts", b'{"text": "' + b"x" * 10_000_000 + b'"}')[0] == 413


def test_bytes_that_are_no_text_are_refused_like_any_other_bad_body(running: Running) -> None:
    status, answer = running.call("POST", "/v1/posts", b"\xff\xfe")
    assert (status, answer["code"]) == (400, "invalid_request")
    assert running.call("GET", "/v1/posts?label=%FF%FE&limit=1") == (200, {"data": [], "nextCursor": None})


def test_a_quoted_sign_in_an_id_stays_part_of_it(running: Running) -> None:
    _, post = running.call("POST", "/v1/posts", {"text": "A draft"})
    for sign in ("%23", "%3F"):
        assert running.call("GET", f"/v1/posts/{post['id']}{sign}limit")[0] == 404


def test_the_transitions_of_a_post_can_be_read_right_after_the_answer_that_made_them(running: Running) -> None:
    _, post = running.call("POST", "/v1/posts", {"text": "A draft"})
    for number in range(1, 4):
        kinds = [event["type"] for event in running.call("GET", f"/v1/posts/{post['id']}/events")[1]["data"]]
        assert kinds == ["post.draft", *["post.updated"] * (number - 1)]
        assert running.call("PATCH", f"/v1/posts/{post['id']}", {"text": f"A draft, {number}"})[0] == 200


@pytest.mark.parametrize("wrong", [
    {"platform": ["x"]}, {"times": 0}, {"times": -1}, {"seconds": -5}, {"retryAfter": -1}, {"seconds": "NaN"}, {"fault": "storm"},
])
def test_a_fault_that_cannot_be_is_refused(running: Running, wrong: dict[str, Any]) -> None:
    assert running.networks("POST", "/faults", {"platform": "x", "fault": "slow", **wrong})[0] == 400
    assert running.networks("GET", "/faults")[1]["data"] == []


def test_a_slow_fault_says_how_long_it_will_hold_a_request(running: Running) -> None:
    assert running.networks("POST", "/faults", {"platform": "x", "fault": "slow", "seconds": 2})[1]["seconds"] == 2
    assert running.networks("POST", "/faults", {"platform": "x", "fault": "slow", "seconds": 60})[1]["seconds"] == 10
    running.networks("DELETE", "/faults")


def test_a_profile_whose_token_was_refused_is_connected_again_by_an_empty_renewal(running: Running) -> None:
    running.networks("POST", "/faults", {"platform": "telegram", "fault": "expired_token", "times": 100})
    post_id = publish(running, "prof_telegram", "Refused")

    def held() -> bool:
        return bool(running.call("GET", f"/v1/posts/{post_id}")[1]["targets"][0]["status"] == "held")

    running.until(45, held)
    running.networks("DELETE", "/faults")
    assert running.call("GET", "/v1/profiles/prof_telegram/health")[1]["status"] == "disconnected"
    assert running.call("PATCH", "/v1/profiles/prof_telegram", {"credentials": {}})[1]["status"] == "connected"
    assert outcome(running, post_id)["status"] == "published", "what was held goes out"
    assert outcome(running, publish(running, "prof_telegram", "Accepted"))["status"] == "published"


def test_a_listener_ends_quietly_with_the_stack() -> None:
    port = free_ports()
    how: Any = {"cwd": ROOT, "env": environment(port), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    stack = subprocess.Popen([sys.executable, "-m", "local"], **how)
    assert stack.stdout is not None and stack.stdout.readline()
    listener = subprocess.Popen([sys.executable, "-u", "-m", "local.listen"], **how)
    assert listener.stdout is not None and listener.stdout.readline().startswith("Listening")
    stack.send_signal(signal.SIGINT)
    assert stack.communicate(timeout=20) == ("", "") and stack.returncode == 0
    assert listener.communicate(timeout=30) == ("The local stack has ended.\n", "") and listener.returncode == 0


def test_a_port_that_is_taken_is_said_plainly(running: Running) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "local"], cwd=ROOT, env=environment(running.port), capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 2 and "PORT=" in second.stderr


def test_a_reel_and_a_story_reach_facebook_whose_header_has_an_underscore(running: Running) -> None:
    """`file_size` is left out by servers that take a header's hyphen and underscore for the same."""
    media = [{"url": f"http://127.0.0.1:{running.port + 1}/media/reel.mp4?seconds=20", "type": "video"}]
    for kind in ("reel", "story"):
        options = {"facebook": {"contentType": kind}}
        ended = outcome(running, publish(running, "prof_facebook", f"A {kind}", media=media, platforms=options))
        assert ended["status"] == "published", ended["targets"]
