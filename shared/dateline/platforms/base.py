"""What Dateline asks of a network, and what a network may answer.

A publisher speaks to one network and knows nothing of queues, tables or retries. It says what happened by returning
a value or by raising one of the outcomes below; what follows from that is decided in `usecases.deliver`, once for all
networks. The one promise every publisher keeps: `publish` makes at most one irreversible call, and everything else may
be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from ..domain.content import Media, Segment
from ..domain.rules import Rules
from .connect import Choice, OAuth2


class Answer(NamedTuple):
    """A network's HTTP answer. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; `{}` when it is not JSON (an error page of a proxy is not worth an exception)."""
        import json

        try:
            return json.loads(self.body)
        except ValueError:
            return {}


class NotSent(Exception):
    """The request surely never reached the network (name not resolved, connection refused, address forbidden)."""


class AnswerLost(Exception):
    """The request may have reached the network, and no whole answer came back (time-out, broken connection)."""


class FileInfo(NamedTuple):
    """What a customer's server says of a file: its whole `size` in bytes (None: it does not say), the byte at which what it sends
    begins, its own word for the version (ETag or Last-Modified, "" for none), the type it declares, whether it sends parts."""

    size: int | None
    start: int
    version: str
    declared: str
    parts: bool


class Http(Protocol):
    """The one way out to the networks. Never retries, never follows redirects, never lets a URL into an exception."""

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
        """One HTTP exchange within the deadline. `json`, `data` and `files` as in `requests`; `data` may be anything with
        `read(n)` and a length (`calls.Body`), which is sent as it is read.

        `seconds` is the deadline where it is not the ordinary one (a large upload); ask `Delivery.need` for them first.
        Raises `NotSent` or `AnswerLost`; every status is an answer.
        """
        ...

    def fetch(
        self, url: str, take: Callable[[FileInfo, bytes], bool], *, start: int = 0, length: int | None = None,
        version: str = "", seconds: float | None = None,
    ) -> FileInfo:
        """A customer's file, handed to `take` piece by piece until it answers False or the file ends.

        Bytes from `start` on are asked for, `length` of them; a server that sends no parts begins at 0 whatever is asked, and so
        does one whose file is no longer the `version` that is named. Redirects are followed a little, each address is
        checked, and all of it has one deadline. Raises `Failed` (404, say) or `Retry` (`media_address_refused`: not on the public
        internet; `media_unreachable`), and whatever `take` raises.
        """
        ...


class MediaFile(Protocol):
    """A medium as it was pinned: a copy of our own that stays as it is until the post is done with.

    `mime` is told by content; `size` is in bytes, `width` and `height` in pixels and `seconds` the length of a video, None where
    they are not known.
    """

    @property
    def mime(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def seconds(self) -> float | None: ...

    def read(self, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `start` (all that follow when None): read a large file in pieces of 16 MB or so. Raises `Retry`."""
        ...

    def url(self) -> str:
        """A signed address for a network that fetches media itself: good for at least an hour from now, answers GET (not HEAD:
        a signature is for one method) with the right type. Secret while it is good: never log it, never save it."""
        ...


class MediaSource(Protocol):
    """Where a delivery's media come from."""

    def open(self, item: Media) -> MediaFile:
        """The pinned copy of `item`. Raises `NotReady` while it is being copied, `Retry`, or `Failed` when it cannot be had."""
        ...


class NoMedia:
    """The source of a delivery without media."""

    def open(self, item: Media) -> MediaFile:
        """Always `Failed`."""
        raise Failed("media_unreachable", "This delivery has no media.")


class Outcome(Exception):
    """How a step ended, when it did not end well. `code` is stable, `detail` is for people and holds no secret."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Retry(Outcome):
    """Known not to be published; worth another try. `after` is the network's own wish in seconds, None if it has none."""

    def __init__(self, code: str, detail: str, after: float | None = None) -> None:
        super().__init__(code, detail)
        self.after = after


class Failed(Outcome):
    """Known not to be published, and trying again would not help."""


class TokenRefused(Outcome):
    """The network refused the token. Not yet a dead profile: it is refreshed, or confirmed by `verify`, first."""


class Unknown(Outcome):
    """The network may or may not have published. Only `resolve` may follow."""


class Processing(Outcome):
    """The irreversible call was made and the network has taken it, but nothing is visible yet (a video is being transcoded):
    `resolve` is asked in `after` seconds, and again as long as it answers `Working`."""

    def __init__(self, code: str, detail: str, after: float) -> None:
        super().__init__(code, detail)
        self.after = after


class NotReady(Outcome):
    """The network is still working on what was prepared; come back in `after` seconds."""

    def __init__(self, code: str, detail: str, after: float) -> None:
        super().__init__(code, detail)
        self.after = after


class Remote(NamedTuple):
    """What became visible: the network's id, its URL where it has one, and what later calls need (a CID, say)."""

    id: str
    url: str | None = None
    extra: Mapping[str, Any] = {}


class Found(NamedTuple):
    """Resolve saw it: these segments are published (for an ordinary segment, one)."""

    remotes: tuple[Remote, ...]


@dataclass(frozen=True)
class Absent:
    """Resolve looked and saw nothing. A slow server may still be writing: it counts only after the settling time, twice."""


@dataclass(frozen=True)
class SafeToRepeat:
    """It is not there, and sending the same again cannot double it (a record key of our own choosing): one look after the
    settling time is enough."""


class Undecidable(NamedTuple):
    """This network has no way to tell. Nobody will know but a person who looks."""

    detail: str


class Working(NamedTuple):
    """The network has it and is still at work on it: look again in `after` seconds."""

    after: float
    detail: str


class Refused(NamedTuple):
    """The network says that it is not out and never will be by that call (a video it would not take). `again`: another try from
    the start, prepared afresh, may go better."""

    code: str
    detail: str
    again: bool = False


Resolution = Found | Absent | SafeToRepeat | Undecidable | Working | Refused


class Quota(NamedTuple):
    """What a network's answer said of a limit of its own. `scope` is whose it is: the account's, or our app's as a whole.

    `name` tells limits of one scope apart ("posts", "calls"); `resets_at` is aware UTC, None when the network does not say.
    """

    scope: Literal["account", "app"]
    name: str
    limit: int
    remaining: int
    resets_at: datetime | None = None


@dataclass(frozen=True)
class Account:
    """A connected account as a publisher sees it. `server` is the base URL of its API, without a trailing slash.

    `settings` is what `verify` learnt (limits of the instance, say). `credentials` are secret: kept out of `repr`; the app's own
    `clientId` and `clientSecret` are among them when tokens are refreshed. `override` stands in for the network's other hosts
    on the local stack.
    """

    profile_id: str
    platform: str
    server: str
    account_id: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    override: str = ""

    def host(self, name: str) -> str:
        """The base URL of another host of the network than `server`, without a trailing slash ("oauth2.googleapis.com")."""
        return f"{self.override}/{name}" if self.override else f"https://{name}"


class AccountInfo(NamedTuple):
    """What `verify` learns of an account: the network's id, a name for people, and settings for `Account.settings`."""

    account_id: str
    name: str
    settings: Mapping[str, Any] = {}


class NewTokens(NamedTuple):
    """What a refresh gave: entries to merge over the old credentials (what is absent stays), seconds until the access token
    expires, and until the grant itself does, after which a person has to connect again (None: not known, or never)."""

    credentials: Mapping[str, str]
    expires_in: int | None
    grant_expires_in: int | None = None


@dataclass
class Delivery:
    """One target as its publisher sees it.

    `segments` are the post's own and, where there is one, the first comment as the last: each replies to the one before.
    `key` is stable for the target over every try (an idempotency key may be made of it). `checkpoint` holds what earlier
    tries saved; `save(**values)` merges into it durably before it returns (and raises if the claim was lost, which a
    publisher lets pass through); its `takenDown` counts how often a thread was taken down again. `published` are the segments
    that are already out. `armed_at` is when the irreversible call that `resolve` is asked about was about to be made. `taken`
    are remote ids of other posts on this profile: never ours. `uncertain` is true when an earlier irreversible call for this
    segment had no clear answer. `media` opens the pinned media. `need(seconds)` raises `NotReady` unless the function has so
    much time left: ask before one long exchange (saving asks by itself for an ordinary one). `publish_at` is the post's time.
    `held` is what `prepare` keeps in memory for `publish`, where files travel with the irreversible call itself. `now()` is
    aware UTC.
    """

    post_id: str
    key: str
    account: Account
    segments: tuple[Segment, ...]
    options: Mapping[str, Any]
    http: Http
    now: Callable[[], datetime]
    checkpoint: dict[str, Any] = field(default_factory=dict, repr=False)
    save: Callable[..., None] = lambda **values: None
    published: tuple[Remote, ...] = ()
    armed_at: datetime | None = None
    taken: frozenset[str] = frozenset()
    uncertain: bool = False
    media: MediaSource = field(default_factory=NoMedia)
    need: Callable[[float], None] = lambda seconds: None
    publish_at: datetime | None = None
    held: dict[str, MediaFile] = field(default_factory=dict, repr=False)


class CredentialField(NamedTuple):
    """One entry of the credentials of `POST /v1/profiles`."""

    name: str
    required: bool
    detail: str


class Publisher(Protocol):
    """One network. Stateless: everything it needs comes in as arguments."""

    rules: Rules
    credential_fields: tuple[CredentialField, ...]
    default_server: str
    own_server: bool
    """True when a profile brings its server's address (an instance, a PDS)."""
    connect: OAuth2 | None
    """How an account is connected by consent; None where it is by credentials only."""
    renews_itself: bool
    """True where an access token is renewed by itself, without a refresh token."""
    refresh_ahead: float
    """Seconds before its expiry at which a token is renewed though nobody uses it; 0: only when it is used."""

    def needs_preparation(self, delivery: Delivery) -> bool:
        """False when `prepare` would do nothing remote: then the claim and the arming are one write."""
        ...

    def start(self, delivery: Delivery) -> Mapping[str, Any]:
        """Values to put in the checkpoint with the claim itself, before any call (a record key). `{}` for most."""
        ...

    def prepare(self, delivery: Delivery) -> None:
        """Everything harmless: upload media, create containers, save each remote id. May be repeated at any point."""
        ...

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """The one irreversible call for `segment`; a network with atomic threads publishes all at once and returns all.

        Raises `Retry`, `Failed`, `TokenRefused` when it is known not to be out, `Unknown` when it is not known.
        """
        ...

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Look whether the irreversible call for `segment` made since `delivery.armed_at` took effect.

        Raises `Retry` when the look itself failed, `TokenRefused` when the token was refused.
        """
        ...

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """Take a published segment down again; deleting what is gone already is no error."""
        ...

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """A harmless authenticated read: who is this? Raises `TokenRefused`, `Retry`, `Failed`."""
        ...

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """New tokens for old, None where tokens are not refreshable. Raises `TokenRefused` when the grant is dead."""
        ...

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The accounts a fresh grant may publish to (pages, boards, organisations). `account` has the grant's credentials and no
        `account_id`. Raises as `verify` does."""
        ...

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """What an answer of the network says of its limits; `()` when it says nothing."""
        ...


class Standard:
    """What most publishers do: the parts of `Publisher` that a network without the feature leaves alone."""

    connect: OAuth2 | None = None
    renews_itself: bool = False
    refresh_ahead: float = 0.0
    own_server: bool = False

    def needs_preparation(self, delivery: Delivery) -> bool:
        """Nothing to prepare."""
        return False

    def start(self, delivery: Delivery) -> Mapping[str, Any]:
        """No key of our own choosing."""
        return {}

    def prepare(self, delivery: Delivery) -> None:
        """Nothing."""

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """Tokens are not refreshable."""
        return None

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The one account that `verify` names."""
        info = self.verify(account, http)
        return [Choice(info.account_id, info.name, settings=info.settings)]

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """Each network's own."""
        raise NotImplementedError

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """The network says nothing of its limits."""
        return ()


class Native(Protocol):
    """A publisher whose network keeps a post until its time (`Rules.native` says when). All its calls may be made again.

    Handing over is armed like publishing: when its answer is lost, `placed` is asked, never `place` again blindly.
    """

    def place(self, delivery: Delivery, at: datetime) -> Remote:
        """Hand the whole post over, to be published by the network at `at`. Preparation was done before. Raises as `publish`."""
        ...

    def placed(self, delivery: Delivery, at: datetime) -> Resolution:
        """Look whether a `place` without an answer took effect. `Found` holds what `place` would have returned."""
        ...

    def withdraw(self, delivery: Delivery, remote: Remote) -> None:
        """Take it back before its time; what is gone already is no error. Returns only when the network has confirmed.

        Raises `Failed` with code `already_published` when it is out, else as `verify` does: it is then still handed over.
        """
        ...

    def confirm(self, delivery: Delivery, remote: Remote) -> Resolution:
        """After its time: is it out? `Found` (with the id that readers see), `Working` while the network has it still, `Absent`
        when it is neither there nor scheduled."""
        ...
