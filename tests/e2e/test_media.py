"""Media over real sockets: an upload by a signed address, files by URL, private addresses, a machine without a way out."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.networks import files
from tests.e2e.conftest import Running


def ask(running: Running, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {"Authorization": "Bearer dl_live_local", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{running.port}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def body(*media: Any, **more: Any) -> dict[str, Any]:
    at = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    fixed = {"text": "With media", "profileIds": ["prof_bluesky"], "scheduledFor": at, "allowDuplicate": True}
    return {**fixed, "media": [*media], **more}


def test_an_upload_is_sent_to_its_address_and_published(running: Running) -> None:
    file = files.png(40, 30)
    status, made = ask(running, "POST", "/v1/media", {"contentType": "image/png", "bytes": len(file.data)})
    assert status == 201
    upload = made["upload"]
    request = urllib.request.Request(upload["url"], file.data, upload["headers"], method=upload["method"])
    assert urllib.request.urlopen(request, timeout=10).status == 200
    status, ready = ask(running, "GET", f"/v1/media/{made['id']}")
    assert (ready["state"], ready["width"]) == ("ready", 40)
    other = urllib.request.Request(upload["url"], bytes(len(file.data)), upload["headers"], method=upload["method"])
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(other, timeout=10)
    assert refused.value.code == 412, "what posts may be scheduled with is not written over"
    assert ask(running, "GET", f"/v1/media/{made['id']}")[1]["sha256"] == hashlib.sha256(file.data).hexdigest()
    post = body({"mediaId": made["id"]}, text="An upload", publishNow=True)
    del post["scheduledFor"]
    status, created = ask(running, "POST", "/v1/posts", post)
    assert status == 201, created
    ends = time.monotonic() + 30
    while created["status"] not in ("published", "failed") and time.monotonic() < ends:
        time.sleep(0.2)
        created = ask(running, "GET", f"/v1/posts/{created['id']}")[1]
    assert created["status"] == "published", created["targets"]


def test_a_file_of_the_stand_ins_port_is_looked_at_and_copied(running: Running) -> None:
    url = f"http://127.0.0.1:{running.port + 1}/media/a.jpg?width=400&height=300"
    status, created = ask(running, "POST", "/v1/posts", body({"url": url}))
    assert (status, created["warnings"]) == (201, [])
    large = f"http://127.0.0.1:{running.port + 1}/media/a.mp4?size=20000000&seconds=33&moov_last=1"
    made = ask(running, "POST", "/v1/media", {"url": large})[1]
    ends = time.monotonic() + 30
    while made["state"] == "pinning" and time.monotonic() < ends:
        time.sleep(0.2)
        made = ask(running, "GET", f"/v1/media/{made['id']}")[1]
    assert (made["state"], made["bytes"], made["seconds"]) == ("ready", 20_000_000, 33.0)


def test_a_machine_without_a_way_out_schedules_all_the_same(running: Running) -> None:
    status, created = ask(running, "POST", "/v1/posts", body({"url": "https://cdn.example.com/launch.jpg"}))
    assert status == 201
    assert created["warnings"] == [] or created["warnings"][0]["code"] == "media_unchecked"


def test_a_private_address_is_refused(running: Running) -> None:
    status, problem = ask(running, "POST", "/v1/posts", body({"url": "http://169.254.169.254/latest/meta-data"}))
    assert status == 400 and problem["errors"][0]["code"] == "media.private_address"
