"""The local stack as a user starts it: a process of its own, real sockets, real time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Running(NamedTuple):
    """A running local stack. `ready` is the line it printed."""

    port: int
    process: subprocess.Popen[str]
    ready: str

    def call(self, method: str, path: str, body: Any = None, *, key: str = "dl_live_local", **headers: str) -> tuple[int, Any]:
        """One request to the API; status and JSON."""
        return fetch(method, f"http://127.0.0.1:{self.port}{path}", body, {"Authorization": f"Bearer {key}", **headers})

    def networks(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request to the stand-in networks' controls."""
        return fetch(method, f"http://127.0.0.1:{self.port + 1}{path}", body, {})

    def until(self, seconds: float, look: Any) -> Any:
        """Poll `look()` until it is true, at most so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := look():
                return found
            time.sleep(0.2)
        raise AssertionError("it did not happen in time")


def fetch(method: str, url: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            raw = answer.read()
            return answer.status, json.loads(raw) if raw else None
    except urllib.error.HTTPError as error:
        raw = error.read()
        return error.code, json.loads(raw) if raw else None


def free_ports() -> int:
    """A port that is free together with the next one."""
    for port in range(18000 + os.getpid() % 10000, 40000, 7):
        try:
            for number in (port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port
    raise AssertionError("no free ports")


def environment(port: int) -> dict[str, str]:
    return {**os.environ, "PORT": str(port), "PYTHONPATH": f"{ROOT / 'shared'}{os.pathsep}{ROOT}"}


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """One local stack for the tests of a module (they move its clock); ends with Ctrl-C, cleanly."""
    port = free_ports()
    process = subprocess.Popen(
        [sys.executable, "-m", "local"], cwd=ROOT, env=environment(port), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    ready = process.stdout.readline()
    yield Running(port, process, ready)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=15) == 0
