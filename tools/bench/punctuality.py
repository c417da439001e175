"""How punctual the local stack is in real time: `python -m local` in a process of its own, posts through its API, the stand-ins'
ledger for what became visible when.

It measures the code and the machine, not AWS: a real schedule entry fires within its minute, a real queue's delay has seconds.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[2]
KEY = "dl_live_local"
AHEAD = 8.0
"""Seconds from the request to the publish time, for messages that wait in the queue."""
ENTRY_AHEAD = timedelta(hours=1)
PATIENCE = 60.0


class Punctual(NamedTuple):
    """Lateness in seconds, and how many appeared before their time or not at all."""

    name: str
    p50: float
    p99: float
    most: float
    early: int
    missing: int


def measure() -> list[Punctual]:
    """One post, a hundred in the same second by delayed messages, and a hundred by schedule entries."""
    with _local() as url:
        return [
            _near(url, "1 post, message waits", 1), _near(url, "100 posts in one second, messages wait", 100),
            _by_entry(url, "100 posts in one second, schedule entries", 100),
        ]


def summary(name: str, lateness: Sequence[float], wanted: int) -> Punctual:
    """The figures of a sample. With one value all quantiles are that value."""
    if not lateness:
        return Punctual(name, 0.0, 0.0, 0.0, 0, wanted)
    cuts = quantiles(lateness, n=100, method="inclusive") if len(lateness) > 1 else [lateness[0]] * 99
    return Punctual(name, cuts[49], cuts[98], max(lateness), sum(value < 0 for value in lateness), wanted - len(lateness))


def _near(url: str, name: str, posts: int) -> Punctual:
    # A hundred creates take a second or two of the time ahead; they all have to be in before it is over.
    at = (_now(url) + timedelta(seconds=AHEAD + posts / 25)).replace(microsecond=0)
    _create(url, posts, at)
    return _await(url, name, posts, at)


def _by_entry(url: str, name: str, posts: int) -> Punctual:
    at = (_now(url) + ENTRY_AHEAD).replace(microsecond=0)
    _create(url, posts, at)
    left = int((at - _now(url)).total_seconds() - 4)
    _call(url, "POST", "/local/clock", {"advance": f"PT{left}S"})
    return _await(url, name, posts, at)


def _create(url: str, posts: int, at: datetime) -> None:
    _call(url, "DELETE", "/ledger")
    for number in range(posts):
        text = f"Punctual {number} at {at:%H:%M:%S}"
        body = {"text": text, "profileIds": ["prof_mastodon"], "scheduledFor": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
        _call(url, "POST", "/v1/posts", body)


def _await(url: str, name: str, posts: int, at: datetime) -> Punctual:
    give_up = time.monotonic() + PATIENCE
    rows: list[Any] = []
    while len(rows) < posts and time.monotonic() < give_up:
        time.sleep(0.5)
        rows = _call(url, "GET", "/ledger")["data"]
    return summary(name, [(datetime.fromisoformat(row["at"]) - at).total_seconds() for row in rows], posts)


def _now(url: str) -> datetime:
    return datetime.fromisoformat(_call(url, "GET", "/local/info")["now"]).astimezone(UTC)


def _call(url: str, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    with urlopen(Request(url + path, data, headers, method=method), timeout=30) as answer:  # noqa: S310 - our own http address
        text = answer.read()
    return json.loads(text) if text else None


@contextmanager
def _local() -> Iterator[str]:
    """A local stack on a free pair of ports; its URL."""
    port = _free_pair()
    environment = {**os.environ, "PORT": str(port), "PYTHONPATH": os.pathsep.join((str(ROOT / "shared"), str(ROOT)))}
    process = subprocess.Popen(
        [sys.executable, "-m", "local"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "ready" not in line:
            raise RuntimeError(f"the local stack did not start: {line or 'it said nothing'}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_pair() -> int:
    """A port that is free together with the next one."""
    for _ in range(50):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise RuntimeError("no two neighbouring ports are free")
