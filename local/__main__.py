"""`make run`: the whole of Dateline on this machine, from template.yaml, without Docker or an AWS account."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from dateline import wiring
from local.clock import SystemClock
from local.networks import build_world
from local.networks.registry import NETWORKS
from local.networks.server import NetworksApp
from local.objects import pull
from local.seed import LIVE_KEY, TEST_KEY, WORKSPACE, seed
from local.server import AsSent, LocalApp, serve
from local.stack import Stack

HOST = "127.0.0.1"

CALL_SECONDS = 8
"""Deadline of a network call here. With the stand-ins' longest work (10 s) it leaves 2 s of work after the caller gave up …"""

SETTLE_SECONDS = 4
"""… and this is longer, so that an absence that was seen twice is one."""


def environment(port: int) -> dict[str, str]:
    """What differs from the deployed stack: where the networks are, shorter waits, keys not remembered."""
    networks = f"http://{HOST}:{port + 1}"
    return {
        **{f"DATELINE_SERVER_{kind.platform.upper()}": f"{networks}/{kind.platform}" for kind in NETWORKS},
        "DATELINE_PUBLIC_URL": f"http://{HOST}:{port}",
        "DATELINE_CONNECT_REDIRECTS": os.environ.get("DATELINE_CONNECT_REDIRECTS", "http://localhost:3000"),
        "DATELINE_ALLOW_LOOPBACK": "1", "DATELINE_AUTH_CACHE_SECONDS": "0",
        "DATELINE_CALL_SECONDS": str(CALL_SECONDS), "DATELINE_SETTLE_SECONDS": str(SETTLE_SECONDS),
        "DATELINE_RETRY_SCALE": os.environ.get("DATELINE_RETRY_SCALE", "0.01"),
        "POWERTOOLS_METRICS_DISABLED": "true",
        "POWERTOOLS_LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING"),
    }


def main() -> int:
    """Run until Ctrl-C. 2 if a port is taken."""
    port = int(os.environ.get("PORT", "8787"))
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    clock = SystemClock()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stack = Stack(clock, environment=environment(port), before_handlers=lambda: wiring.configure(clock=clock))
    with stack:
        world = build_world(clock.now)
        world.pull = lambda url: pull(url, stack.region)
        try:
            closers = [serve(NetworksApp(world), HOST, port + 1, AsSent)]
            endpoint = stack.serve_aws()
            os.environ["DATELINE_MEDIA_ENDPOINT"] = endpoint  # signed addresses lead there; read with the first handler
            deps = wiring.Deps(clock=clock)
            seed(deps, world, f"http://{HOST}:{port + 1}")
            info = {
                "awsEndpoint": endpoint, "region": stack.region, "workspaceId": WORKSPACE,
                "networksUrl": f"http://{HOST}:{port + 1}", "topicArn": stack.environment["DATELINE_TOPIC_ARN"],
                "queues": {"deliveries": stack.environment["DATELINE_DELIVERIES_QUEUE_URL"]},
                "tables": {
                    name: stack.environment[f"DATELINE_{name.upper()}_TABLE"]
                    for name in ("posts", "bookings", "profiles", "workspaces", "events", "idempotency")
                },
                "mediaBucket": stack.environment["DATELINE_MEDIA_BUCKET"],
                "scheduleGroup": stack.environment["DATELINE_SCHEDULE_GROUP"], "keys": {"live": LIVE_KEY, "test": TEST_KEY},
            }
            closers.append(serve(LocalApp(stack, deps, world, info), HOST, port))
        except OSError as error:
            print(f"Port {port} or {port + 1} cannot be used ({error.strerror}); try PORT=9000 make run.", file=sys.stderr)
            return 2
        threads = stack.drive(stop)
        print(f"Dateline is ready at http://{HOST}:{port} with the key {LIVE_KEY} (docs: http://{HOST}:{port}/docs)", flush=True)
        while not stop.wait(0.5):  # in steps: a signal that another thread was given does not wake this one
            pass
        for close in closers:
            close()
        for thread in threads:
            thread.join(timeout=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
