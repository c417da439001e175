"""The local API server: plain HTTP on one side, the api handler's events on the other, and the local controls beside it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_from_bytes

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from dateline.api.auth import forget
from dateline.domain.errors import Problem
from dateline.domain.instants import parse_duration, rfc3339
from dateline.domain.limits import plan_of
from dateline.wiring import Deps
from local.networks.base import World
from local.networks.base import answer as answer_json
from local.networks.server import control
from local.seed import WORKSPACE
from local.stack import Stack

MOST_BODY = 6_000_000
"""Bytes API Gateway passes on to a Lambda function; more is its own 413, which is no problem detail."""

QUERY_SIGNS = "!$%&'()*+,/:;=?@"
"""What may stand in a query as it is (RFC 3986, section 3.4), and `%`, which quotes the rest already."""


class Quiet(WSGIRequestHandler):
    """No line per request: what `make run` prints is for people."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: a connection that is dropped on purpose is no news."""


class AsSent(Quiet):
    """For the networks: headers whose names have an underscore arrive as well (Facebook wants one, `file_size`). werkzeug leaves
    them out, since to WSGI they look like those with a hyphen; the API does not get them for that reason."""

    def make_environ(self) -> Any:
        """The request as WSGI wants it."""
        environ = super().make_environ()
        for name, value in self.headers.items():
            if "_" in name:
                environ.setdefault(f"HTTP_{name.upper().replace('-', '_')}", value)
        return environ


class LocalApp:
    """A WSGI application: `/local/…` are the controls, `/ledger` and `/faults` the networks', everything else is the API."""

    def __init__(self, stack: Stack, deps: Deps, world: World, info: dict[str, Any]) -> None:
        self.stack, self.deps, self.world, self.info = stack, deps, world, info

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        return self._answer(request)(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.path.startswith("/local/"):
            return self._local(request)
        if request.path.rstrip("/") in ("/ledger", "/faults") or request.path.startswith("/media/"):
            return control(self.world, request) or answer_json(404, {"detail": "not found"})
        if (request.content_length or 0) > MOST_BODY:
            while request.stream.read(65536):
                pass
            return answer_json(413, {"message": "Request Too Long"})
        # Quoted again: a `%23` or `%3F` of the client's is part of the path, and bytes that are no text must not stop us here.
        query = quote_from_bytes(request.query_string, QUERY_SIGNS)
        path = quote(request.path) + (f"?{query}" if query else "")
        got = self.stack.request(request.method, path, dict(request.headers), request.get_data())
        return Response(got.body, got.status, dict(got.headers))

    def _local(self, request: Request) -> Response:
        if request.path == "/local/info" and request.method == "GET":
            return answer_json(200, {**self.info, "now": rfc3339(self.deps.clock.now())})
        try:
            body = json.loads(request.get_data() or b"{}")
            if request.path == "/local/clock" and request.method == "POST":
                span = parse_duration(str(body.get("advance", "")), "/advance")
                return answer_json(200, {"now": rfc3339(self.stack.clock.advance(span))})
            if request.path == "/local/plan" and request.method == "POST":
                settings = self.deps.workspaces.settings(WORKSPACE)
                settings["plan"] = dict(body["plan"]) if body.get("plan") else None
                plan_of(settings)
                self.deps.workspaces.save_settings(WORKSPACE, settings)
                forget()
                return answer_json(200, {"plan": settings["plan"]})
        except Problem as problem:
            return answer_json(problem.status, {"code": problem.code, "detail": problem.detail})
        except (ValueError, TypeError, AttributeError):
            return answer_json(400, {"detail": 'Send JSON such as {"advance": "P1D"} or {"plan": {…}}.'})
        return answer_json(404, {"detail": "Local controls: GET /local/info, POST /local/clock, POST /local/plan."})


def serve(app: Any, host: str, port: int, handler: type[WSGIRequestHandler] = Quiet) -> Callable[[], None]:
    """Serve a WSGI application in threads; a function that stops it. Raises OSError if the port is taken."""
    with socket.socket() as probe:  # werkzeug leaves the process where a port is taken; the caller shall say so itself
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
    server = make_server(host, port, app, threaded=True, request_handler=handler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop
