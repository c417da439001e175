"""The pynamodb models and the one connection they share.

A model here is only a row; what it means stands in the repositories beside it. Times in keys are fixed-width text, so that
they sort; every other time is seconds since 1970. Template.yaml creates these tables with the same keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pynamodb.attributes import (
    BinaryAttribute,
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection
from pynamodb.models import Model

if TYPE_CHECKING:
    import botocore.session

MOST_CONNECTIONS = 20
"""As many as are asked for side by side (DATELINE_SIDE_BY_SIDE), and a few: beyond that each call would open one of its own."""

P = ParamSpec("P")
R = TypeVar("R")


class ByTime(GlobalSecondaryIndex["PostRow"]):
    """A workspace's posts by publish time, whole."""

    class Meta:
        index_name = "by_time"
        projection = AllProjection()

    ws = UnicodeAttribute(hash_key=True)
    sort_at = UnicodeAttribute(range_key=True)


class ByStatus(GlobalSecondaryIndex["PostRow"]):
    """A workspace's posts of one status by publish time, keys only."""

    class Meta:
        index_name = "by_status"
        projection = KeysOnlyProjection()

    ws_status = UnicodeAttribute(hash_key=True)
    sort_at = UnicodeAttribute(range_key=True)


class Due(GlobalSecondaryIndex["PostRow"]):
    """Everything sweep has to look at, by when, with whose it is; sparse and spread over shards."""

    class Meta:
        index_name = "due"
        projection = IncludeProjection(["ws"])

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class PostRow(Model):
    """One post with its targets. `body` is packed JSON (see `packing`): it keeps the usual item under one write unit.
    `sort_at` is the sort time and the id, as in bookings (`posts.slot_of`).

    `queued_at` and `queued_sequence` are written by the one update that does not rewrite the body (`Posts.mark_queued`);
    `quiet` stands on writes that announce nothing, so that notify is not woken for them.
    """

    class Meta:
        table_name = ""

    id = UnicodeAttribute(hash_key=True)
    ws = UnicodeAttribute()
    workspace_id = UnicodeAttribute()
    mode = UnicodeAttribute()
    sort_at = UnicodeAttribute()
    ws_status = UnicodeAttribute()
    status = UnicodeAttribute()
    stage = UnicodeAttribute()
    publish_at = NumberAttribute(null=True)
    late_at = NumberAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    revision = NumberAttribute()
    sequence = NumberAttribute()
    version = NumberAttribute()
    write = UnicodeAttribute()
    profile_ids = UnicodeSetAttribute(null=True)
    platforms = UnicodeSetAttribute(null=True)
    labels = UnicodeSetAttribute(null=True)
    queued_at = NumberAttribute(null=True)
    queued_sequence = NumberAttribute(null=True)
    quiet = BooleanAttribute(null=True)
    body = BinaryAttribute(legacy_encoding=False)

    by_time = ByTime()
    by_status = ByStatus()
    due = Due()


class BookingRow(Model):
    """A profile's time, reserved by a post. `slot` is `<sort time>#<post id>`; `state` is draft, pending or released.

    Three kinds of row besides: `label#<workspace>#<label>`/<slot> for each label of a post, `gone#<workspace>#<platform>`/
    <profile id> for a profile that was deleted (lists by platform still look through its posts), and `queue#<queue id>`/<slot's
    time> with the `holders` of a queue's slot (see `queues`), whose `number` counts writes.
    """

    class Meta:
        table_name = ""

    profile_id = UnicodeAttribute(hash_key=True)
    slot = UnicodeAttribute(range_key=True)
    post_id = UnicodeAttribute(null=True)
    ws = UnicodeAttribute()
    state = UnicodeAttribute(null=True)
    holders = UnicodeSetAttribute(null=True)
    number = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)


class ByWorkspace(GlobalSecondaryIndex["ProfileRow"]):
    """A workspace's profiles."""

    class Meta:
        index_name = "by_workspace"
        projection = AllProjection()

    ws = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)


class ProfilesDue(GlobalSecondaryIndex["ProfileRow"]):
    """Profiles that sweep has to look at, by when; sparse. They change seldom: one partition (`PROFILES_SHARD`) is enough."""

    class Meta:
        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


PROFILES_SHARD = "0"


class ProfileRow(Model):
    """A connected account. `secret` is KMS ciphertext; `lock` and `lock_until` guard the refresh of its tokens.

    A deleted one keeps its row, until `expires_at`, for its last event's sake; without `ws` it is in no list.
    """

    class Meta:
        table_name = ""

    id = UnicodeAttribute(hash_key=True)
    ws = UnicodeAttribute(null=True)
    workspace_id = UnicodeAttribute()
    mode = UnicodeAttribute()
    platform = UnicodeAttribute()
    name = UnicodeAttribute()
    account_id = UnicodeAttribute(null=True)
    server = UnicodeAttribute(null=True)
    status = UnicodeAttribute()
    settings = JSONAttribute(null=True)
    secret = BinaryAttribute(legacy_encoding=False, null=True)
    token_expires_at = NumberAttribute(null=True)
    grant_expires_at = NumberAttribute(null=True)
    renew_at = NumberAttribute(null=True)
    warn_at = NumberAttribute(null=True)
    quotas = JSONAttribute(null=True)
    error = JSONAttribute(null=True)
    version = NumberAttribute()
    lock = UnicodeAttribute(null=True)
    lock_until = NumberAttribute(null=True)
    created_at = NumberAttribute()
    updated_at = NumberAttribute()
    paused = UnicodeSetAttribute(null=True)
    sequence = NumberAttribute(null=True)
    trail = JSONAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    release = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(null=True)

    by_workspace = ByWorkspace()
    due = ProfilesDue()


class WorkspaceRow(Model):
    """Rows with a body: `ws#<id>`/`settings`, `ws#<id>`/`key#<key id>` (for listing), `key#<hash>`/`key` (for logging in),
    `ws#<side>`/`queue#<queue id>` (with a `version`).
    Imports: `bulk#<id>`/`head` and `rows#<token>#<n>` (with `data`), and `bulk#open`/<id> while they are not finished.
    Rows of numbers: `usage#<side>`/`<period>#<owner>`, the counters of a plan; `guard` is the version of a profile's calendar.
    Notes of the deployment for itself: `system`/<name>. `write` names the last write of settings."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = JSONAttribute(null=True)
    scheduled = NumberAttribute(null=True)
    targets = NumberAttribute(null=True)
    pending = NumberAttribute(null=True)
    guard = NumberAttribute(null=True)
    data = BinaryAttribute(legacy_encoding=False, null=True)
    expires_at = NumberAttribute(null=True)
    version = NumberAttribute(null=True)
    write = UnicodeAttribute(null=True)


class EventRow(Model):
    """Three kinds of row: `feed#<workspace>`/<position> (events stored together, under the last one's position),
    `head#<workspace>`/`head` (the last position), `post#<id>`/`cursor` and `prof#<id>`/`cursor` (how far a post or a profile is
    announced, and in which rows)."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    number = NumberAttribute(null=True)
    positions = JSONAttribute(null=True)
    event = BinaryAttribute(legacy_encoding=False, null=True)
    expires_at = NumberAttribute(null=True)


class IdempotencyRow(Model):
    """What a repeated request finds: the fingerprint of the first, and where its answer is. Also the register of contents
    (`twin#…`, see `allowances`): `answer` then maps profiles to posts, `fingerprint` names the last write, and `post_id` is there
    when all of it is one post's."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    fingerprint = UnicodeAttribute()
    state = UnicodeAttribute()
    post_id = UnicodeAttribute(null=True)
    answer = JSONAttribute(null=True)
    running_until = NumberAttribute(null=True)
    expires_at = NumberAttribute()


MODELS: dict[str, type[Model]] = {
    "posts": PostRow, "bookings": BookingRow, "profiles": ProfileRow,
    "workspaces": WorkspaceRow, "events": EventRow, "idempotency": IdempotencyRow,
}


class StoreUnavailable(Exception):
    """DynamoDB did not answer: nothing is known to be written."""


class Conflict(Exception):
    """Somebody else wrote first: read again, decide again."""


class Busy(Conflict):
    """Somebody else is writing one of these rows at this moment. No condition has failed: the same write may be tried again."""


def connect(session: botocore.session.Session, region: str, names: Mapping[str, str]) -> Connection:
    """One DynamoDB client for all models (pynamodb would make one for each: 6 × 10 ms of cold start).

    `names` maps the keys of `MODELS` to table names. Time-outs are short: a stalled call is worth more as an error than as
    a wait. pynamodb has no public way to hand it a client, hence the one private attribute.
    """
    from botocore.config import Config

    connection = Connection(region=region)
    config = Config(
        parameter_validation=False, connect_timeout=1, read_timeout=4, retries={"total_max_attempts": 4, "mode": "standard"},
        max_pool_connections=MOST_CONNECTIONS,
    )
    connection._client = session.create_client("dynamodb", region, config=config)
    for key, model in MODELS.items():
        if key in names:
            meta: Any = model.Meta
            meta.table_name = names[key]
            model._connection = None
            table = model._get_connection()
            connection.add_meta_table(table.get_meta_table())
            table.connection = connection
    return connection


def code_of(error: PynamoDBException) -> str | None:
    """DynamoDB's code of an error, None where there was no answer (pynamodb's own property fails on a lost one)."""
    response = getattr(error.cause, "response", None) or {}
    code: str | None = response.get("Error", {}).get("Code")
    return code


def failed_condition(error: PynamoDBException) -> bool:
    """True when a single write was refused by its own condition."""
    return code_of(error) == "ConditionalCheckFailedException"


def answered(call: Callable[P, R]) -> Callable[P, R]:
    """For everything that speaks to DynamoDB: an error of its that `call` does not tell apart leaves as `StoreUnavailable`."""

    @wraps(call)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except PynamoDBException as error:
            raise StoreUnavailable(str(code_of(error))) from error

    return asked
