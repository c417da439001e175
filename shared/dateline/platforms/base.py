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
from typing import Any, NamedTuple, Protocol

from ..domain.content import Media, Segment
from ..domain.rules import Rules


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
    ) -> Answer:
        """One HTTP exchange within the deadline. `json`, `data` and `files` as in `requests`.

        Raises `NotSent` or `AnswerLost`; every status is an answer.
        """
        ...

    def fetch_media(self, item: Media, most_bytes: int) -> tuple[bytes, str]:
        """The bytes of a customer's medium and its MIME type told by content. Raises `Failed` or `Retry`."""
        ...


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


class Absent(NamedTuple):
    """Resolve looked and saw nothing. A slow server may still be writing: it counts only after the settling time, twice."""


class SafeToRepeat(NamedTuple):
    """It is not there, and sending the same again cannot double it (a record key of our own choosing): one look after the
    settling time is enough."""


class Undecidable(NamedTuple):
    """This network has no way to tell. Nobody will know but a person who looks."""

    detail: str


Resolution = Found | Absent | SafeToRepeat | Undecidable


@dataclass(frozen=True)
class Account:
    """A connected account as a publisher sees it. `server` is the base URL of its API, without a trailing slash.

    `settings` is what `verify` learnt (limits of the instance, say). `credentials` are secret: kept out of `repr`.
    """

    profile_id: str
    platform: str
    server: str
    account_id: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


class AccountInfo(NamedTuple):
    """What `verify` learns of an account: the network's id, a name for people, and settings for `Account.settings`."""

    account_id: str
    name: str
    settings: Mapping[str, Any] = {}


class NewTokens(NamedTuple):
    """What a refresh gave: entries to merge over the old credentials (what is absent stays), seconds until expiry."""

    credentials: Mapping[str, str]
    expires_in: int | None


@dataclass
class Delivery:
    """One target as its publisher sees it.

    `segments` are the post's own and, where there is one, the first comment as the last: each replies to the one before.
    `key` is stable for the target over every try (an idempotency key may be made of it). `checkpoint` holds what earlier
    tries saved; `save(**values)` merges into it durably before it returns (and raises if the claim was lost, which a
    publisher lets pass through); its `takenDown` counts how often a thread was taken down again. `published` are the segments
    that are already out. `armed_at` is when the irreversible call that `resolve` is asked about was about to be made. `taken`
    are remote ids of other posts on this profile: never ours. `uncertain` is true when an earlier irreversible call for this
    segment had no clear answer. `held` is what `prepare` keeps in memory for `publish`, where files travel with the
    irreversible call itself. `now()` is aware UTC.
    """

    post_id: str
    key: str
    account: Account
    segments: tuple[Segment, ...]
    options: Mapping[str, Any]
    http: Http
    now: Callable[[], datetime]
    checkpoint: dict[str, Any] = field(default_factory=dict)
    save: Callable[..., None] = lambda **values: None
    published: tuple[Remote, ...] = ()
    armed_at: datetime | None = None
    taken: frozenset[str] = frozenset()
    uncertain: bool = False
    held: dict[str, tuple[bytes, str]] = field(default_factory=dict, repr=False)


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
