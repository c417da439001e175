"""The whole stack in one process for tests: real handlers over moto, the stand-in networks without sockets, a fake clock.

`Dateline` is what a test holds: `api(...)` for requests, `stack` for AWS, `world` for the networks, `clock` for time. Every
network call is reported to the stack, so that it is counted and a crash can be set before or after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from dateline import wiring
from dateline.api import auth, meta
from dateline.platforms.base import Answer as NetworkAnswer
from dateline.platforms.base import FileInfo
from dateline.usecases import quotas
from local.clock import FakeClock
from local.networks import World, build_world
from local.networks.registry import NETWORKS
from local.objects import pull
from local.seed import LIVE_KEY, key_of, profile_of, seed
from local.stack import Answer, Stack
from tests.contract.inprocess import InProcessHttp
from tools.check_template import Grants

START = datetime(2027, 6, 15, 9, 0, tzinfo=UTC)
NETWORKS_URL = "http://127.0.0.1:8788"

ENVIRONMENT = {
    **{f"DATELINE_SERVER_{kind.platform.upper()}": f"{NETWORKS_URL}/{kind.platform}" for kind in NETWORKS},
    "DATELINE_PUBLIC_URL": "http://127.0.0.1:8787",
    "DATELINE_ALLOW_LOOPBACK": "1", "DATELINE_AUTH_CACHE_SECONDS": "0", "DATELINE_SIDE_BY_SIDE": "1", "POWERTOOLS_LOG_LEVEL":
    "CRITICAL", "POWERTOOLS_METRICS_DISABLED": "true",
}


class CountedHttp(InProcessHttp):
    """The in-process transport, with every call reported to the stack before and after."""

    stack: Stack

    def request(self, method: str, url: str, **how: Any) -> NetworkAnswer:
        """One exchange; a crash set on it happens before anything is sent, or after everything was done."""
        _, _, rest = urlsplit(url).path.lstrip("/").partition("/")
        platform = urlsplit(url).path.lstrip("/").partition("/")[0]
        operation = f"{method} /{rest.partition('/')[2] if platform == 'telegram' else rest}"
        self.stack.external_call(platform, operation, "before")
        answer = super().request(method, url, **how)
        self.stack.external_call(platform, operation, "after")
        return answer

    def fetch(self, url: str, take: Callable[[FileInfo, bytes], bool], **how: Any) -> FileInfo:
        """A customer's file, counted as a call to `media`."""
        self.stack.external_call("media", "GET", "before")
        info = super().fetch(url, take, **how)
        self.stack.external_call("media", "GET", "after")
        return info


class Dateline:
    """A running Dateline with one workspace, its keys and its profiles, as `make run` has it. Use it as a context manager."""

    def __init__(
        self, *, start: datetime = START, parameters: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None, call_seconds: float = 30.0,
    ) -> None:
        self.clock = FakeClock(start)
        self.world: World = build_world(self.clock.now)
        self.http = CountedHttp(self.world, self.clock, deadline=call_seconds)  # type: ignore[arg-type]
        self.stack = Stack(
            self.clock, parameters=parameters, environment={**ENVIRONMENT, **(environment or {})}, before_handlers=self._wire
        )
        self.http.stack = self.stack

    def _wire(self) -> None:
        wiring.configure(clock=self.clock, http=lambda _settings, _clock: self.http)
        auth.forget()
        meta.forget()
        quotas.forget()

    def __enter__(self) -> Dateline:
        self.stack.start()
        self._wire()
        self.refused: set[tuple[str, str, str]] = set()
        self.grants = Grants(self.stack.template)
        self.stack.watch.tap = self._check_permission
        self.deps = wiring.deps()
        self.world.pull = lambda url: pull(url, self.stack.region)
        seed(self.deps, self.world, NETWORKS_URL)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stack.close()
        if kind is None:
            assert not self.refused, f"the template's roles would refuse: {sorted(self.refused)}"

    def _check_permission(self, service: str, operation: str, params: Mapping[str, Any], _answer: Mapping[str, Any]) -> None:
        """moto allows everything; what a function's role in the template does not allow is noted, and fails the test."""
        name = self.stack.watch.running or ""
        arn = self.stack.functions[name].arn
        self.refused |= {(name, need.action, need.resource) for need in self.grants.refused(arn, service, operation, params)}

    def api(
        self, method: str, path: str, body: Any = None, *, key: str | None = LIVE_KEY, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One HTTP request with a key (None: without)."""
        sent = {"content-type": "application/json", **(headers or {})}
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        return self.stack.request(method, path, sent, body)

    def post(self, *profiles: str, text: str = "Hello", at: datetime | None = None, **more: Any) -> dict[str, Any]:
        """Create a post and return it; without `at`, `publishNow` or similar in `more` it is a draft. Its words may be those of
        another: tests about duplicates say otherwise."""
        body = {"text": text, "profileIds": list(profiles), "allowDuplicate": True, **more}
        if at is not None:
            body["scheduledFor"] = at.isoformat().replace("+00:00", "Z")
        if "thread" in more:
            del body["text"]
        answer = self.api("POST", "/v1/posts", body)
        assert answer.status == 201, answer.body
        created: dict[str, Any] = answer.json()
        return created

    def read(self, post_id: str) -> dict[str, Any]:
        """The post as the API shows it."""
        answer = self.api("GET", f"/v1/posts/{post_id}")
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json()
        return found

    def second_workspace(self) -> str:
        """Another tenant with a key and a Mastodon profile `prof_other`; its key."""
        secret = "dl_live_other"
        self.deps.workspaces.save_settings("wks_other", {"name": "Other"})
        self.deps.workspaces.save_key(key_of("wks_other", "live", secret, "2027-01-01T00:00:00Z"))
        profile_of(self.deps, self.world, NETWORKS_URL, "wks_other", "mastodon", "prof_other")
        return secret
