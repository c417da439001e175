"""What the stand-ins share: routing, faults, the ledger, and one way of serving for both drivers.

`World.plan(request)` says how long the request is held, what work it then does and whether the answer is dropped. The HTTP
server (`local.networks.server`) sleeps and answers; the in-process transport of the simulation moves its fake clock
instead, and lets work that outlives the caller's patience happen later, as a slow server would.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, NamedTuple

from werkzeug.wrappers import Request, Response

Phase = Literal["auth", "read", "prepare", "publish", "delete"]
"""What kind of call a route is. Faults hit `publish` unless asked otherwise; `auth` (token endpoints) takes none."""

FAULTS = ("rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer")
MOST_SECONDS = 10.0
"""The longest a slow stand-in works. The local settling time is longer than what is left of it when the caller gives up."""


class Route(NamedTuple):
    """`path` is a regular expression for the whole path below the network's prefix; its named groups are passed on.

    `phase` may depend on the request, where one path both prepares and publishes."""

    method: str
    path: str
    phase: Phase | Callable[[Request], Phase]
    handle: Callable[..., Response]


@dataclass
class Fault:
    """A failure that was asked for. `at` is the phase it hits ("any" for all but auth)."""

    kind: str
    times: int
    retry_after: float = 1.0
    seconds: float = 3.0
    at: str = "publish"


class Plan(NamedTuple):
    """How to serve one request: hold it, then do `work`, then answer unless `drop`."""

    hold: float
    work: Callable[[], Response]
    drop: bool


@dataclass
class Entry:
    """One line of the ledger: something a reader of the network could see. `gone` once it was deleted."""

    platform: str
    profile_id: str
    remote_id: str
    text: str
    media: list[str]
    in_reply_to: str | None
    at: datetime
    gone: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The shape of the contract; `at` with microseconds."""
        return {
            "platform": self.platform, "profileId": self.profile_id, "remoteId": self.remote_id, "text": self.text,
            "media": self.media, "inReplyTo": self.in_reply_to, "at": self.at.isoformat().replace("+00:00", "Z"),
        }


def answer(
    status: int, body: Any = None, headers: Mapping[str, str] | None = None, content_type: str = "application/json"
) -> Response:
    """A JSON answer (or bytes/str as they are)."""
    payload = body if isinstance(body, bytes | str) else json.dumps(body if body is not None else {})
    return Response(payload, status=status, headers=dict(headers or {}), content_type=content_type)


class Network:
    """One stand-in. Subclasses set `platform`, build `routes` and answer their network's own shapes for failures."""

    platform: ClassVar[str]
    client: ClassVar[tuple[str, str]] = ("local-client", "local-secret")
    """Id and secret of the operator's app, for a network that accounts are connected to by consent."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes: list[Route] = []
        self._ids = itertools.count(1)

    def next_number(self) -> int:
        """1, 2, 3 …: the seed of this network's ids."""
        return next(self._ids)

    def now(self) -> datetime:
        """Aware UTC, from the world's clock."""
        return self.world.now()

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What a profile is seeded with: `server` (a path), `accountId`, `credentials`, perhaps `settings` and `expiresIn`."""
        raise NotImplementedError

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        """None when the request's token is good, else the network's own answer. Called for every phase but `auth`."""
        return None

    def rate_limited(self, retry_after: float) -> Response:
        """This network's 429, with its own headers."""
        raise NotImplementedError

    def server_error(self) -> Response:
        """This network's 500."""
        return answer(500, {"error": "Internal Server Error"})

    def rejected(self) -> Response:
        """This network's final refusal of a post's content."""
        raise NotImplementedError

    def expired(self) -> Response:
        """This network's answer to a token that died."""
        raise NotImplementedError

    def expire_tokens(self) -> bool:
        """Let every access token in use die, for a network whose tokens can be refreshed; True if that is so here.

        False makes the fault hit the next `times` authenticated calls instead.
        """
        return False

    def tick(self) -> None:
        """Let happen what is due by now without anybody asking (a post that the network itself publishes at its time)."""

    def visible(self, profile_id: str, remote_id: str, text: str, media: list[str] | None = None,
                in_reply_to: str | None = None, **extra: Any) -> Entry:
        """Write to the ledger: from this moment a reader can see it. (What `tick` finds due has its own time: set `at` then.)"""
        entry = Entry(self.platform, profile_id, remote_id, text, media or [], in_reply_to, self.now(), extra=extra)
        self.world.ledger.append(entry)
        return entry


class Pulled(NamedTuple):
    """What a network gets that fetches a medium by its URL: status, type by its header, and size in bytes."""

    status: int
    mime: str
    size: int


class World:
    """All networks, their ledger and their faults, on one clock. Every request is worked on under one lock.

    `pull` is how networks fetch media by URL: whoever drives the world sets it.
    """

    def __init__(self, now: Callable[[], datetime], networks: list[type[Network]]) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.ledger: list[Entry] = []
        self.faults: dict[str, list[Fault]] = {}
        self.pull: Callable[[str], Pulled] = lambda url: Pulled(404, "text/html", 0)
        self.networks: dict[str, Network] = {kind.platform: kind(self) for kind in networks}
        self.met: Counter[tuple[str, str]] = Counter()
        """How many calls of which phase each network has met."""
        self.requests: list[tuple[str, str, str]] = []
        """Every network call so far as (platform, method, path): for counting, never with a query or a token."""

    def plan(self, request: Request) -> Plan:
        """Say how `request` (path: `/<platform>/…`) is served, using up a fault if one waits for it."""
        request.environ.setdefault("stand_in.arrived", self.now())
        prefix, _, rest = request.path.lstrip("/").partition("/")
        network = self.networks.get(prefix)
        if network is None:
            return Plan(0.0, lambda: answer(404, {"error": f"no network called {prefix}"}), False)
        path = "/" + rest
        for route in network.routes:
            match = re.fullmatch(route.path, path)
            if match and route.method == request.method:
                with self.lock:
                    self.requests.append((prefix, request.method, re.sub(r"bot[^/]+", "bot…", path)))
                    return self._plan(network, route, request, match.groupdict())
        return Plan(0.0, lambda: answer(404, {"error": "not found"}), False)

    def _plan(self, network: Network, route: Route, request: Request, groups: dict[str, str]) -> Plan:
        phase = route.phase(request) if callable(route.phase) else route.phase
        self.met[network.platform, phase] += 1

        def work() -> Response:
            with self.lock:
                network.tick()
                refused = None if phase == "auth" else network.authenticate(request, groups)
                return refused if refused is not None else route.handle(request, **groups)

        fault = self._take(network, phase)
        if fault is None:
            return Plan(0.0, work, False)
        if fault.kind == "rate_limit":
            return Plan(0.0, lambda: network.rate_limited(fault.retry_after), False)
        if fault.kind == "server_error":
            return Plan(0.0, network.server_error, False)
        if fault.kind == "reject":
            return Plan(0.0, network.rejected, False)
        if fault.kind == "expired_token":
            return Plan(0.0, network.expired, False)
        if fault.kind == "slow":
            return Plan(min(fault.seconds, MOST_SECONDS), work, False)
        return Plan(0.0, work, True)

    def _take(self, network: Network, phase: Phase) -> Fault | None:
        if phase == "auth":
            return None
        for fault in self.faults.get(network.platform, []):
            if fault.times <= 0:
                continue
            hits = fault.kind == "expired_token" if fault.at == "publish" else False
            if hits or fault.at in (phase, "any"):
                fault.times -= 1
                return fault
        return None

    def add_fault(self, platform: str, kind: str, times: int = 1, retry_after: float = 1.0, seconds: float = 3.0,
                  at: str = "publish") -> None:
        """Let the next `times` calls of phase `at` on `platform` fail as `kind` says."""
        with self.lock:
            if kind == "expired_token" and self.networks[platform].expire_tokens():
                return
            self.faults.setdefault(platform, []).append(Fault(kind, times, retry_after, seconds, at))

    def seen(self, platform: str | None = None, profile_id: str | None = None) -> list[Entry]:
        """The ledger, oldest first, without what was deleted. What is due by now becomes visible first."""
        with self.lock:
            for network in self.networks.values():
                network.tick()
        return [
            e for e in self.ledger
            if not e.gone and platform in (None, e.platform) and profile_id in (None, e.profile_id)
        ]
