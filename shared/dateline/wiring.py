"""The one place where adapters are built and the environment is read.

Handlers ask for what they need (`wiring.deps().posts`); each adapter is built on first use and kept for the life of the
process. The local stack and the tests replace parts with `configure` before any handler is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from .domain.retry import Tuning

if TYPE_CHECKING:
    from .aws.apps import Apps
    from .aws.media import MediaStore
    from .aws.queue import Orders, Queue
    from .aws.schedules import Schedules
    from .aws.secrets import Secrets
    from .aws.topic import Topic
    from .platforms.base import Http
    from .store.allowances import Allowances
    from .store.bookings import Bookings
    from .store.connections import Connections
    from .store.copies import Copies
    from .store.events import Events
    from .store.files import Files
    from .store.idempotency import Idempotency
    from .store.imports import Imports
    from .store.posts import Posts
    from .store.profiles import Profiles
    from .store.queues import Queues
    from .store.workspaces import Workspaces
    from .usecases.looking import Looks


class Clock(Protocol):
    """The time, and waiting for it."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        import time

        time.sleep(seconds)


def _number(name: str, default: float) -> float:
    return float(os.environ.get(name) or default)


class Settings:
    """The environment, typed. Template.yaml sets these variables for every function alike."""

    def __init__(self) -> None:
        env = os.environ
        self.region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
        self.tables = {
            name: env.get(f"DATELINE_{name.upper()}_TABLE", "")
            for name in ("posts", "bookings", "profiles", "workspaces", "events", "idempotency")
        }
        self.queue_url = env.get("DATELINE_DELIVERIES_QUEUE_URL", "")
        self.topic_arn = env.get("DATELINE_TOPIC_ARN", "")
        self.key_id = env.get("DATELINE_KEY_ID", "")
        self.schedule_group = env.get("DATELINE_SCHEDULE_GROUP", "")
        self.publish_arn = env.get("DATELINE_PUBLISH_FUNCTION_ARN", "")
        self.scheduler_role = env.get("DATELINE_SCHEDULER_ROLE_ARN", "")
        self.scheduler_dlq = env.get("DATELINE_SCHEDULER_DLQ_ARN", "")
        self.media_bucket = env.get("DATELINE_MEDIA_BUCKET", "")
        self.media_queue_url = env.get("DATELINE_MEDIA_QUEUE_URL", "")
        self.media_endpoint = env.get("DATELINE_MEDIA_ENDPOINT", "")
        self.media_bytes = int(_number("DATELINE_MEDIA_BYTES", 1_073_741_824))
        self.media_days = int(_number("DATELINE_MEDIA_DAYS", 430))
        self.service = env.get("POWERTOOLS_SERVICE_NAME", "dateline")
        self.metrics = env.get("POWERTOOLS_METRICS_DISABLED", "").lower() not in ("1", "true")
        self.max_horizon_days = int(_number("DATELINE_MAX_HORIZON_DAYS", 365)) or None
        self.cors_origins = [o.strip() for o in env.get("DATELINE_CORS_ORIGINS", "").split(",") if o.strip()]
        self.connect_redirects = [o.strip() for o in env.get("DATELINE_CONNECT_REDIRECTS", "").split(",") if o.strip()]
        self.public_url = env.get("DATELINE_PUBLIC_URL", "")
        self.apps_prefix = env.get("DATELINE_APPS_PREFIX", "dateline/apps")
        self.side_by_side = int(_number("DATELINE_SIDE_BY_SIDE", 16))
        self.auth_cache = _number("DATELINE_AUTH_CACHE_SECONDS", 60)
        self.call_seconds = _number("DATELINE_CALL_SECONDS", 30)
        self.allow_private_servers = env.get("DATELINE_ALLOW_LOOPBACK") == "1"
        self.tuning = Tuning(
            retry_scale=_number("DATELINE_RETRY_SCALE", 1.0),
            settle=_number("DATELINE_SETTLE_SECONDS", 120),
            lease=_number("DATELINE_LEASE_SECONDS", 120),
            lead=_number("DATELINE_LEAD_SECONDS", 0),
        )

    def server_of(self, platform: str, default: str) -> str:
        """The address of a network that has only one; `DATELINE_SERVER_<PLATFORM>` points it elsewhere (the local stack)."""
        return (os.environ.get(f"DATELINE_SERVER_{platform.upper()}") or default).rstrip("/")


class Deps:
    """Everything the use cases are given."""

    def __init__(self, *, clock: Clock | None = None, http: Callable[[Settings, Clock], Http] | None = None) -> None:
        self.settings = Settings()
        self.clock: Clock = clock or SystemClock()
        self._http = http
        self.ordered: set[str] = set()
        """Keys of copies that this process has ordered: posts of one import share them."""
        self.zones_settled: str | None = None
        """The zone database by which all waiting posts are known to be resolved, once this process has asked."""

    @cached_property
    def session(self) -> Any:
        """One botocore session for every client: loading its data once halves the cold start. boto3 would only wrap it."""
        import botocore.session

        return botocore.session.get_session()

    def _client(self, service: str) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 4, "mode": "standard"},
            max_pool_connections=max(10, self.settings.side_by_side),
        )
        return self.session.create_client(service, region_name=self.settings.region, config=config)

    @cached_property
    def connection(self) -> Any:
        """The DynamoDB connection of all repositories."""
        from .store.tables import connect

        return connect(self.session, self.settings.region, self.settings.tables)

    @cached_property
    def posts(self) -> Posts:
        """The posts."""
        from .store.posts import Posts

        return Posts(self.connection)

    @cached_property
    def bookings(self) -> Bookings:
        """The bookings."""
        from .store.bookings import Bookings

        _ = self.connection
        return Bookings()

    @cached_property
    def allowances(self) -> Allowances:
        """Counters, guards and registered contents."""
        from .store.allowances import Allowances

        return Allowances(self.connection)

    @cached_property
    def imports(self) -> Imports:
        """Bulk imports."""
        from .store.imports import Imports

        return Imports(self.connection, self.clock.sleep)

    @cached_property
    def profiles(self) -> Profiles:
        """The profiles."""
        from .store.profiles import Profiles

        _ = self.connection
        return Profiles()

    @cached_property
    def connections(self) -> Connections:
        """Consents under way."""
        from .store.connections import Connections

        _ = self.connection
        return Connections()

    @cached_property
    def posting_queues(self) -> Queues:
        """The queues of posting slots (`queue` is where deliveries wait)."""
        from .store.queues import Queues

        _ = self.connection
        return Queues()

    @cached_property
    def workspaces(self) -> Workspaces:
        """The workspaces and their keys."""
        from .store.workspaces import Workspaces

        return Workspaces(self.connection)

    @cached_property
    def events(self) -> Events:
        """The event feed."""
        from .store.events import Events

        return Events(self.connection)

    @cached_property
    def idempotency(self) -> Idempotency:
        """The idempotency keys."""
        from .store.idempotency import Idempotency

        _ = self.connection
        return Idempotency()

    @cached_property
    def schedules(self) -> Schedules:
        """The schedule entries."""
        from .aws.schedules import Schedules

        s = self.settings
        return Schedules(
            self._client("scheduler"), group=s.schedule_group, function_arn=s.publish_arn, role_arn=s.scheduler_role,
            dlq_arn=s.scheduler_dlq, lead=s.tuning.lead,
        )

    @cached_property
    def queue(self) -> Queue:
        """The deliveries queue."""
        from .aws.queue import Queue

        return Queue(self._client("sqs"), self.settings.queue_url)

    @cached_property
    def orders(self) -> Orders:
        """The media queue."""
        from .aws.queue import Orders

        return Orders(self._client("sqs"), self.settings.media_queue_url)

    @cached_property
    def copies(self) -> Copies:
        """Large files that are being copied."""
        from .store.copies import Copies

        _ = self.connection
        return Copies()

    @cached_property
    def files(self) -> Files:
        """Media that were uploaded, or copied on request."""
        from .store.files import Files

        _ = self.connection
        return Files()

    @cached_property
    def looks(self) -> Looks:
        """What was seen of customers' files a moment ago."""
        from .usecases.looking import Looks

        return Looks(self)

    @cached_property
    def topic(self) -> Topic:
        """The announcements topic."""
        from .aws.topic import Topic

        return Topic(self._client("sns"), self.settings.topic_arn)

    @cached_property
    def media(self) -> MediaStore:
        """The media bucket. Built with the first medium: reading S3's model takes longer than that of any other service."""
        from botocore.config import Config

        from .aws.media import MediaStore

        s = self.settings
        # Pieces are large and go to S3 of the same region; checksums that nobody asked for would be computed over each of them.
        config = Config(
            connect_timeout=2, read_timeout=25, retries={"total_max_attempts": 3, "mode": "standard"}, signature_version="s3v4",
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
            s3={"addressing_style": "path" if s.media_endpoint else "virtual"},
        )
        client = self.session.create_client("s3", region_name=s.region, config=config)
        if not s.media_endpoint:
            return MediaStore(client, s.media_bucket)
        signer = self.session.create_client("s3", region_name=s.region, config=config, endpoint_url=s.media_endpoint)
        return MediaStore(client, s.media_bucket, signer)

    @cached_property
    def secrets(self) -> Secrets:
        """The credentials' key."""
        from .aws.secrets import Secrets

        return Secrets(self._client("kms"), self.settings.key_id)

    @cached_property
    def apps(self) -> Apps:
        """The operator's apps with the networks."""
        from .aws.apps import Apps

        def fields(platform: str) -> tuple[str, ...]:
            from .platforms import registry

            flow = registry.publisher(platform).connect
            return () if flow is None or flow.register else flow.app_fields

        return Apps(lambda: self._client("secretsmanager"), self.settings.apps_prefix, self.settings.key_id, fields)

    @cached_property
    def http(self) -> Http:
        """The way out to the networks (imports `requests`, so only deliver and connecting a profile pay for it)."""
        if self._http is not None:
            return self._http(self.settings, self.clock)
        from .http import Requests

        return Requests(self.settings.call_seconds, allow_loopback=self.settings.allow_private_servers)


_overrides: dict[str, Any] = {}
_deps: Deps | None = None


def configure(**overrides: Any) -> None:
    """Replace parts (`clock`, `http`) for this process and forget what was built. For the local stack and tests."""
    global _deps
    _overrides.clear()
    _overrides.update(overrides)
    _deps = None


def deps() -> Deps:
    """The dependencies of this process, built once."""
    global _deps
    if _deps is None:
        _deps = Deps(**_overrides)
    return _deps
