"""The way to the stand-ins without a socket: the `Http` protocol served from a `World` on a clock that tests move.

Requests are encoded by `requests` and read back by werkzeug, so both edges are the real ones. A stand-in that works longer
than the caller waits keeps working: its effect comes when the clock has passed its time. Nothing here ever sleeps.
"""

from __future__ import annotations

import base64
import json as jsonlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import requests
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from dateline.domain.content import Media, Segment
from dateline.platforms.base import Account, Answer, AnswerLost, Delivery, Failed, FileInfo, NotSent, Retry
from local.networks import files
from local.networks.base import Pulled, World
from local.networks.files import File

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


class PinnedFile:
    """A pinned medium in memory. `reads` counts the bytes of each read, for tests about memory."""

    def __init__(self, file: File, address: str) -> None:
        self.data, self.mime, self.width, self.height, self.seconds = file
        self.size = len(self.data)
        self.address = address
        self.reads: list[int] = []

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """A piece of it."""
        piece = self.data[start : None if length is None else start + length]
        self.reads.append(len(piece))
        return piece

    def url(self) -> str:
        """The address that stands for it; `Pinned.pull` knows it."""
        return self.address


class Pinned:
    """The pinned media of a test, by the URL a post names: what `files` has, else a file by the URL's ending.

    A network that fetches media itself asks `pull`; while `broken` is true it gets nothing.
    """

    def __init__(self, files: Mapping[str, File] | None = None) -> None:
        self.files = dict(files or {})
        self.opened: dict[str, PinnedFile] = {}
        self.broken = False

    def open(self, item: Media) -> PinnedFile:
        """The pinned copy of `item`."""
        if item.url not in self.opened:
            file = self.files.get(item.url) or file_for(item.url)
            self.opened[item.url] = PinnedFile(file, f"https://pinned.example/{len(self.opened) + 1}?signature=secret")
        return self.opened[item.url]

    def pull(self, url: str) -> Pulled:
        """What a network gets that fetches `url`."""
        for file in self.opened.values():
            if file.address == url and not self.broken:
                return Pulled(200, file.mime, file.size)
        return Pulled(404, "text/html", 0)


def file_for(url: str) -> File:
    """A small whole file of the type that the URL ends in; a PNG for any other."""
    makers: dict[str, Callable[[], File]] = {"jpg": files.jpeg, "gif": files.gif, "mp4": files.mp4, "pdf": files.pdf}
    return makers.get(url.rpartition(".")[2], files.png)()


class _Late(NamedTuple):
    due: datetime
    work: Callable[[], Response]


class InProcessHttp:
    """`Http` over a `World`. Every call gives up after `deadline` seconds of the fake clock.

    `files` are what `fetch` finds, by URL (None: 404); any other URL is a small file by its ending. `fetched` lists (URL,
    first byte, bytes taken). Its server sends parts while `parts` is true, and `versions` holds ETags that do not follow
    from the content. `sent` lists every request. While `unreachable` is true nothing is sent and `NotSent` is raised.
    """

    def __init__(
        self, world: World, clock: Clock, deadline: float = 30.0
    ) -> None:
        self.world = world
        self.clock = clock
        self.deadline = deadline
        self.files: dict[str, File | None] = {}
        self.versions: dict[str, str] = {}
        self.parts = True
        self.fetched: list[tuple[str, int, int]] = []
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
        seconds: float | None = None,
    ) -> Answer:
        """One exchange; raises `NotSent` or `AnswerLost` as the real transport does."""
        self.settle_due()
        if self.unreachable:
            raise NotSent("the connection was refused")
        prepared = requests.Request(
            method, url, headers=dict(headers or {}), params=dict(params or {}), json=json, data=data, files=files
        ).prepare()
        plan = self.world.plan(self._received(prepared))
        deadline = self.deadline if seconds is None else max(seconds, self.deadline)
        if plan.hold > deadline:
            self._late.append(_Late(self.clock.now() + timedelta(seconds=plan.hold), plan.work))
            self.clock.advance(deadline)
            raise AnswerLost(f"no answer within {deadline:g} s")
        self.clock.advance(plan.hold)
        self.settle_due()
        response = plan.work()
        if plan.drop:
            raise AnswerLost("the connection broke before the answer came")
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, lowered, response.get_data())

    def fetch(
        self, url: str, take: Callable[[FileInfo, bytes], bool], *, start: int = 0, length: int | None = None,
        version: str = "", seconds: float | None = None,
    ) -> FileInfo:
        """What `files` holds for this URL, in pieces of 64 KB."""
        if self.unreachable:
            raise Retry("media_unreachable", "A medium could not be fetched: No connection to the server.")
        file = self.files[url] if url in self.files else file_for(url)
        if file is None:
            raise Failed("media_unreachable", "A medium's server answered 404.")
        now = self.versions.get(url) or f'"{zlib.crc32(file.data):x}"'
        if not self.parts or (version and start and version != now):
            start, length = 0, None
        info = FileInfo(len(file.data), start, now, file.mime, self.parts)
        end = len(file.data) if length is None else min(len(file.data), start + length)
        taken = 0
        for at in range(start, end, 65536):
            piece = file.data[at : min(at + 65536, end)]
            taken += len(piece)
            if not take(info, piece):
                break
        self.fetched.append((url, start, taken))
        return info

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
    known, secret = {**offered.get("settings", {}), **settings}, dict(offered["credentials"])
    return Account(profile_id, platform, host + offered["server"], offered["accountId"], known, secret, f"{host}/{platform}")


def delivery_of(
    http: InProcessHttp,
    account: Account,
    *segments: str | Segment,
    options: Mapping[str, Any] | None = None,
    key: str = "post_1:prof_1",
    taken: Sequence[str] = (),
    media: Pinned | None = None,
    publish_at: datetime | None = None,
) -> Delivery:
    """A delivery whose `save` merges into its own checkpoint. The world fetches media by URL from the same `media`."""
    pinned = media or Pinned()
    http.world.pull = pinned.pull
    whole = tuple(Segment(segment) if isinstance(segment, str) else segment for segment in segments)
    delivery = Delivery("post_1", key, account, whole, options or {}, http, http.clock.now, taken=frozenset(taken))
    delivery.save = delivery.checkpoint.update
    delivery.media, delivery.publish_at = pinned, publish_at
    return delivery
