"""The stand-in networks over HTTP, with the ledger and the faults of the contract, and files to try posts with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

from werkzeug.wrappers import Request, Response

from . import files
from .base import FAULTS, MOST_SECONDS, World, answer

PHASES = ("publish", "prepare", "read", "delete", "any")


class NetworksApp:
    """A WSGI application: `/<platform>/…` are the networks, `/ledger`, `/faults` and `/media/<name>.<type>` are for people."""

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
    """The ledger, the faults and files; None for everything else."""
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
        return _medium(request)
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


MAKERS: dict[str, Callable[..., files.File]] = {
    "png": files.png, "jpg": files.jpeg, "jpeg": files.jpeg, "gif": files.gif, "mp4": files.mp4, "pdf": files.pdf,
}
"""What `/media/<name>.<ending>` serves (any other ending: a PNG), made of what the query says: width, height, seconds, size."""

MOST_SIDE = 20_000
MOST_FILE = 300_000_000


def _medium(request: Request) -> Response:
    """A whole file made on the spot, of the size that was asked for; parts of it for who asks for a range."""
    maker = MAKERS.get(request.path.rpartition(".")[2].lower(), files.png)
    takes = maker.__code__.co_varnames[: maker.__code__.co_argcount]
    try:
        wanted = {
            name: float(value) if name == "seconds" else int(value) for name, value in request.args.items() if name in takes
        }
        if not all(0 <= value <= (MOST_FILE if name == "size" else MOST_SIDE) for name, value in wanted.items()):
            raise ValueError
    except ValueError:
        return answer(400, {"detail": f"{', '.join(takes)} are numbers, width and height at most {MOST_SIDE:,}."})
    file = maker(**wanted)
    response = Response(file.data, content_type=file.mime)
    response.set_etag(f"{len(file.data):x}-{file.width}-{file.height}-{file.seconds}")
    return response.make_conditional(request, accept_ranges=True, complete_length=len(file.data))
