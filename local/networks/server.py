"""The stand-in networks over HTTP, with the ledger and the faults of the contract."""

from __future__ import annotations

import json
import struct
import time
import zlib
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

from werkzeug.wrappers import Request, Response

from .base import FAULTS, MOST_SECONDS, World, answer

PHASES = ("publish", "prepare", "read", "delete", "any")


class NetworksApp:
    """A WSGI application: `/<platform>/…` are the networks, `/ledger`, `/faults` and `/media/<name>.png` are for people."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        response = control(self.world, request)
        if response is None:
            request.get_data(cache=True)
            plan = self.world.plan(request)
            if plan.hold:
                time.sleep(plan.hold)
            response = plan.work()
            if plan.drop:
                # Nothing is sent and the connection ends: what a client sees of a server that dies after its work.
                environ["werkzeug.socket"].close()
                raise ConnectionAbortedError("the answer is lost on purpose")
        return response(environ, start_response)


def control(world: World, request: Request) -> Response | None:
    """The ledger, the faults and a picture; None for everything else."""
    path, method = request.path.rstrip("/"), request.method
    if path == "/ledger" and method == "GET":
        with world.lock:
            rows = [e.as_dict() for e in world.seen(request.args.get("platform"), request.args.get("profileId"))]
        return answer(200, {"data": rows})
    if path == "/ledger" and method == "DELETE":
        with world.lock:
            world.ledger.clear()
        return Response(status=204)
    if path == "/faults" and method == "POST":
        return _fault(world, request)
    if path == "/faults" and method == "GET":
        return answer(200, {"data": [
            {"platform": p, "fault": f.kind, "times": f.times, "at": f.at} for p, faults in world.faults.items() for f in faults
        ]})
    if path == "/faults" and method == "DELETE":
        with world.lock:
            world.faults.clear()
        return Response(status=204)
    if path.startswith("/media/") and method in ("GET", "HEAD"):
        return answer(200, picture(), content_type="image/png")
    return None


def _fault(world: World, request: Request) -> Response:
    try:
        wanted = json.loads(request.get_data())
        platform, kind = wanted["platform"], wanted["fault"]
        times, at = int(wanted.get("times", 1)), wanted.get("at", "publish")
        retry_after, seconds = float(wanted.get("retryAfter", 1)), float(wanted.get("seconds", 3))
    except (ValueError, KeyError, TypeError, OverflowError):
        return answer(400, {"detail": 'Send {"platform", "fault", "times", "retryAfter", "seconds", "at"}.'})
    if times < 1 or not (isfinite(retry_after) and retry_after >= 0 and isfinite(seconds) and seconds >= 0):
        return answer(400, {"detail": "times is at least 1, retryAfter and seconds are seconds, not negative."})
    if not isinstance(platform, str) or platform not in world.networks:
        return answer(400, {"detail": f"There is no network {platform!r}; there are: {', '.join(world.networks)}."})
    if kind not in FAULTS or at not in PHASES:
        return answer(400, {"detail": f"fault is one of {', '.join(FAULTS)}; at is one of {', '.join(PHASES)}."})
    world.add_fault(platform, kind, times, retry_after, seconds, at)
    held = {"seconds": min(seconds, MOST_SECONDS)} if kind == "slow" else {}
    return answer(201, {"platform": platform, "fault": kind, "times": times, "at": at, **held})


def picture(width: int = 64, height: int = 64) -> bytes:
    """A whole PNG of one colour, for trying posts with media."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + b"\x2f\x6f\xed" * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
