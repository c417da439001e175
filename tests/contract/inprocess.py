"""The way to the stand-ins without a socket: the `Http` protocol served from a `World` on a clock that tests move.

Requests are encoded by `requests` and read back by werkzeug, so both edges are the real ones. A stand-in that works longer
than the caller waits keeps working: its effect comes when the clock has passed its time. Nothing here ever sleeps.
"""

from __future__ import annotations

import base64
import json as jsonlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import requests
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from dateline.domain.content import Media, Segment
from dateline.platforms.base import Account, Answer, AnswerLost, Delivery, Failed, NotSent
from local.networks.base import World

TINY_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A whole picture of one pixel."""


class Clock(Protocol):
    """What the transport asks of a clock."""

    def now(self) -> datetime: ...

    def advance(self, seconds: float) -> None: ...


class FakeClock:
    """Aware UTC that moves only when told to."""

    def __init__(self, start: datetime = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class Sent(NamedTuple):
    """One request as it left, for contract tests. `headers` have lower-case names; `path` has no query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return jsonlib.loads(self.body)


class _Late(NamedTuple):
    due: datetime
    work: Callable[[], Response]


class InProcessHttp:
    """`Http` over a `World`. Every call gives up after `deadline` seconds of the fake clock.

    `media` holds what `fetch_media` finds, by URL, as (bytes, MIME type); any other URL is a tiny PNG. `sent` lists every
    request. While `unreachable` is true nothing is sent and `NotSent` is raised.
    """

    def __init__(
        self, world: World, clock: Clock, deadline: float = 30.0, media: Mapping[str, tuple[bytes, str]] | None = None
    ) -> None:
        self.world = world
        self.clock = clock
        self.deadline = deadline
        self.media = dict(media or {})
        self.sent: list[Sent] = []
        self.unreachable = False
        self._late: list[_Late] = []

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Any = None,
        files: Any = None,
    ) -> Answer:
        """One exchange; raises `NotSent` or `AnswerLost` as the real transport does."""
        self.settle_due()
        if self.unreachable:
            raise NotSent("the connection was refused")
        prepared = requests.Request(
            method, url, headers=dict(headers or {}), params=dict(params or {}), json=json, data=data, files=files
        ).prepare()
        plan = self.world.plan(self._received(prepared))
        if plan.hold > self.deadline:
            self._late.append(_Late(self.clock.now() + timedelta(seconds=plan.hold), plan.work))
            self.clock.advance(self.deadline)
            raise AnswerLost(f"no answer within {self.deadline:g} s")
        self.clock.advance(plan.hold)
        self.settle_due()
        response = plan.work()
        if plan.drop:
            raise AnswerLost("the connection broke before the answer came")
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, lowered, response.get_data())

    def fetch_media(self, item: Media, most_bytes: int) -> tuple[bytes, str]:
        """What `media` holds for this URL, a tiny PNG for any other."""
        content, mime = self.media.get(item.url, (TINY_PNG, "image/png"))
        if len(content) > most_bytes:
            raise Failed("media_too_large", f"The file has {len(content):,} bytes; at most {most_bytes:,} are taken.")
        return content, mime

    def settle_due(self) -> None:
        """Let the work that outlived its caller happen, if the clock has passed its time, stamped with that time."""
        now = self.clock.now()
        due = sorted((late for late in self._late if late.due <= now), key=lambda late: late.due)
        self._late = [late for late in self._late if late.due > now]
        for late in due:
            clock = self.world.now
            self.world.now = lambda at=late.due: at  # type: ignore[misc]
            try:
                late.work()
            finally:
                self.world.now = clock

    @property
    def working(self) -> int:
        """How many requests the stand-ins are still working on after their caller gave up."""
        return len(self._late)

    def _received(self, prepared: requests.PreparedRequest) -> Request:
        """What the network receives, noted in `sent`."""
        path, _, query = prepared.path_url.partition("?")
        body: Any = prepared.body or b""
        if hasattr(body, "read"):
            body = body.read()
        if isinstance(body, str):
            body = body.encode()
        if not isinstance(body, bytes):
            body = b"".join(body)
        headers = {str(name).lower(): str(value) for name, value in prepared.headers.items()}
        self.sent.append(Sent(str(prepared.method), path, query, headers, body))
        builder = EnvironBuilder(
            path=path, query_string=query, method=str(prepared.method), headers=list(headers.items()), data=body,
            content_type=headers.get("content-type"),
        )
        environ = builder.get_environ()
        environ["stand_in.arrived"] = self.clock.now()
        return Request(environ)


def account_of(world: World, platform: str, profile_id: str, host: str = "http://127.0.0.1:8788", **settings: Any) -> Account:
    """The account a stand-in offers under `profile_id`, as Dateline would know it."""
    offered = world.networks[platform].credentials_for(profile_id)
    return Account(profile_id, platform, host + offered["server"], offered["accountId"], settings, dict(offered["credentials"]))


def delivery_of(
    http: InProcessHttp,
    account: Account,
    *segments: str | Segment,
    options: Mapping[str, Any] | None = None,
    key: str = "post_1:prof_1",
    taken: Sequence[str] = (),
) -> Delivery:
    """A delivery whose `save` merges into its own checkpoint."""
    whole = tuple(Segment(segment) if isinstance(segment, str) else segment for segment in segments)
    delivery = Delivery("post_1", key, account, whole, options or {}, http, http.clock.now, taken=frozenset(taken))
    delivery.save = delivery.checkpoint.update
    return delivery
