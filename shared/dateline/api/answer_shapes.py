"""The shapes of answers, for the OpenAPI file and the tests that hold real answers against it.

The handler never imports this: what it answers is made by the views (`domain.view`, the routes' own). A member that is
missing here, or too many, fails a test.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

PostStatus = Literal[
    "draft", "pending_approval", "scheduled", "queued", "publishing", "published", "partial", "failed", "unconfirmed", "cancelled"
]
TargetStatus = Literal[
    "draft", "pending_approval", "scheduled", "queued", "publishing", "retrying", "held", "published", "failed", "unconfirmed",
    "cancelled",
]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="RFC 3339 in UTC, with `Z`")]
Scope = Literal[
    "posts:read", "posts:write", "posts:publish", "posts:approve", "profiles:read", "profiles:write", "webhooks:read",
    "webhooks:write", "admin",
]
Code = Annotated[str, Field(description="Stable; meant for programs")]
Detail = Annotated[str, Field(description="For people; may change")]


class Answer(BaseModel):
    """camelCase names, no further members."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=False)


class Media(Answer):
    """A picture, video, GIF or document by URL. `altText` only where there is one."""

    url: str
    type: Literal["image", "video", "gif", "document"]
    alt_text: str = ""


class Segment(Answer):
    """One piece of a thread."""

    text: str
    media: list[Media]


class Reason(Answer):
    """Why something failed."""

    code: Code
    detail: Detail | None


class Warning(BaseModel):
    """Something worth knowing that is no error. Some codes bring further members (`pointer`, `limit`, `measured` …)."""

    model_config = ConfigDict(extra="allow")

    code: Code
    detail: Detail


class PublishedSegment(Answer):
    """What became visible of one segment of a thread."""

    remote_id: str
    url: str | None


class FirstComment(Answer):
    """What became of the first comment. A target is published once its post is out, whatever became of the comment."""

    status: Literal["pending", "published", "failed", "unconfirmed"]
    remote_id: str | None
    url: str | None
    error: Reason | None


class Removal(Answer):
    """What became of the wish to take a published target down again. A target that was taken down stays `published`."""

    status: Literal["pending", "removed", "failed"]
    at: Annotated[Moment, Field(description="When it was asked for, or ended")]
    error: Reason | None


class NativeState(Answer):
    """What is known of a target that its network is to keep until its time. While it does the target's status is `scheduled`."""

    state: Literal["placing", "placed", "withdrawn", "given_up"]
    remote_id: Annotated[str | None, Field(description="What the network calls it until then")]
    error: Annotated[Reason | None, Field(description="Why it was given up; it is then published by Dateline")]


class Target(Answer):
    """One post on one profile."""

    profile_id: str
    platform: str
    status: TargetStatus
    remote_id: Annotated[str | None, Field(description="The network's id of the (first) published segment")]
    url: Annotated[str | None, Field(description="Where it stands, where the network says so")]
    attempts: Annotated[int, Field(description="Tries so far")]
    next_attempt_at: Moment | None
    error: Reason | None
    segments: Annotated[list[PublishedSegment], Field(description="Of a thread: what became visible, in order")] = []
    first_comment: Annotated[FirstComment | None, Field(description="Only where the post has one for this platform")] = None
    native: Annotated[NativeState | None, Field(description="Only where its network is to keep it until its time")] = None
    removal: Annotated[Removal | None, Field(description="Only where it was asked to be unpublished")] = None


class Approval(Answer):
    """`hash` is of content, media, options, time and targets as they are to be decided about; any edit makes another one."""

    state: Literal["pending", "approved", "rejected"]
    hash: str
    by: Annotated[str | None, Field(description="Id of the key that decided")]
    at: Annotated[Moment | None, Field(description="When it was decided")]
    reason: Annotated[str | None, Field(description="Of a rejection")]


class Post(Answer):
    """Content, time and targets. `status` is derived from the targets."""

    id: Annotated[str, Field(description="`post_…`, sortable by creation")]
    status: PostStatus
    mode: Literal["live", "test"]
    publish_at: Annotated[Moment | None, Field(description="The UTC instant; null for a draft without a time")]
    scheduled_for: Annotated[str | None, Field(description="The local time as meant, in `timezone`; without one an instant")]
    timezone: Annotated[str | None, Field(description="IANA name")]
    fold: Annotated[int, Field(ge=0, le=1, description="1 for the later of two equal local times")]
    text: Annotated[str | None, Field(description="null for a thread")]
    thread: Annotated[list[Segment], Field(description="Only where the post is a thread")] = []
    media: list[Media]
    platforms: Annotated[dict[str, dict[str, Any]], Field(description="Overrides and options by platform")]
    first_comment: str | None
    labels: list[str]
    metadata: dict[str, Any]
    max_lateness: Annotated[str | None, Field(description="ISO 8601 duration")]
    on_late: Literal["publish", "fail", "draft"] | None
    on_segment_failure: Literal["resume", "rollback", "stop"]
    allow_duplicate: bool
    approval: Annotated[Approval | None, Field(description="Where approval was asked for: its state and by whom it was given")]
    queue_id: Annotated[str | None, Field(description="The queue whose slot the post took")]
    error: Reason | None
    targets: list[Target]
    revision: Annotated[int, Field(description="Rises with every change of content, time or targets; the ETag")]
    sequence: Annotated[int, Field(description="Number of the latest event")]
    created_at: Moment
    updated_at: Moment
    ended_at: Moment | None
    warnings: Annotated[list[Warning], Field(description="Of this request; empty when reading")]


class EventData(Answer):
    """What happened, and the post as it was then."""

    post: Post
    previous_status: str | None
    target: Target | None


class Event(Answer):
    """One transition. `id` is stable, so that a repeated announcement is recognised."""

    id: Annotated[str, Field(description="`<post>#<sequence>`")]
    type: Annotated[str, Field(description="`post.<status>`, `post.updated`, `target.<status>`")]
    sequence: Annotated[int, Field(description="Counts 1, 2, 3 … within the post, without gaps")]
    created_at: Moment
    workspace_id: str
    data: EventData


class FeedEvent(BaseModel):
    """An event with its place in the workspace's feed. Events of profiles have `data.profile` instead of a post."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel)

    id: str
    type: str
    created_at: Moment
    workspace_id: str
    data: dict[str, Any]
    position: Annotated[int, Field(description="Send it as `after` to go on behind it")]


class Attempt(Answer):
    """One try at one target."""

    profile_id: str
    platform: str
    number: int
    started_at: Moment
    armed_at: Annotated[Moment | None, Field(description="When the irreversible call was about to be made")]
    ended_at: Moment | None
    outcome: Annotated[
        Literal["published", "retry", "failed", "unconfirmed", "held"] | None, Field(description="null while it runs")
    ]
    error: Reason | None


class Profile(Answer):
    """A connected account. Credentials are never returned."""

    id: Annotated[str, Field(description="`prof_…`")]
    platform: str
    name: str
    mode: Literal["live", "test"]
    status: Literal["connected", "disconnected"]
    paused: Annotated[bool, Field(description="Nothing is published on it for the time being; what comes due is held")]
    paused_by: Annotated[list[Literal["profile", "workspace"]], Field(description="Whose switch that is; both may be")]
    account_id: Annotated[str | None, Field(description="The network's id of the account")]
    server: Annotated[str | None, Field(description="Address of its server, on networks that have many")]
    settings: Annotated[dict[str, Any], Field(description="What the server said of itself, such as its limits")]
    token_expires_at: Moment | None
    grant_expires_at: Annotated[Moment | None, Field(description="From then on only connecting it again helps")]
    error: Reason | None
    created_at: Moment
    updated_at: Moment


class ProfileHealth(Answer):
    """What is known of an account's token."""

    profile_id: str
    status: Literal["connected", "disconnected"]
    error: Reason | None
    token_expires_at: Moment | None
    grant_expires_at: Annotated[Moment | None, Field(description="From then on only a person can renew it")]
    scopes: Annotated[list[str] | None, Field(description="What the person granted; null where the network did not say")]
    missing_scopes: Annotated[list[str] | None, Field(description="What publishing needs and was not granted")]


class ConnectionChoice(Answer):
    """An account that a consent reaches."""

    account_id: Annotated[str, Field(description="The network's id of it")]
    name: str
    kind: Annotated[str, Field(description="What it is: account, page, board, location …")]


ConnectionStatus = Literal["waiting", "exchanging", "choosing", "connected", "failed", "expired"]


class Connection(Answer):
    """A consent on its way, or what came of it. Credentials are never returned."""

    connection_id: Annotated[str | None, Field(description="`conn_…`; null where credentials were brought along")]
    platform: str
    server: str | None
    status: ConnectionStatus
    authorize_url: Annotated[str | None, Field(description="Send the person there. In the answer that began it only")]
    expires_at: Annotated[Moment | None, Field(description="Until then it can be gone on with; afterwards, read")]
    choices: Annotated[list[ConnectionChoice], Field(description="The accounts that the consent reaches")]
    profiles: Annotated[list[Profile], Field(description="What came of it")]
    error: Reason | None
    created_at: Moment | None


class Connected(Answer):
    """What the person's browser is told at the end."""

    connection_id: str
    platform: str
    status: ConnectionStatus
    detail: str
    choices: list[ConnectionChoice]


class CapState(Answer):
    """How a profile stands with a cap of its network."""

    limit: int
    window: Annotated[str, Field(description="ISO 8601 duration")]
    used: Annotated[int, Field(description="In the fullest window around `at`")]
    remaining: int
    next_ok_at: Annotated[Moment, Field(description="`at` itself while there is room")]


class Spacing(Answer):
    """Minutes between posts of the profile, and the next time that keeps them."""

    minutes: int
    next_free_at: Moment


class NetworkLimit(Answer):
    """A limit of the network's own, as it last told."""

    name: str
    limit: int
    remaining: int
    resets_at: Moment


class ProfileLimits(Answer):
    """What a profile may still post at a time. `plan` has the limits of the plan that count each profile by itself."""

    profile_id: str
    platform: str
    at: Annotated[Moment, Field(description="The time asked about, else now")]
    caps: list[CapState]
    spacing: Spacing | None
    plan: dict[str, Any]
    network: Annotated[list[NetworkLimit], Field(description="What the network has told to be nearly used up")]


class BulkRow(Answer):
    """What became of a row, or would become of it: a post's id, or errors."""

    row: Annotated[int, Field(description="Counts from 1, without the header")]
    line: Annotated[int | None, Field(description="Where it begins in a CSV file")]
    id: Annotated[str | None, Field(description="null until there is the post: in a dry run, for a row with errors")]
    status: Annotated[PostStatus | None, Field(description="The status it was (or would be) created with")]
    publish_at: Moment | None
    errors: list[FieldFault]
    warnings: list[Warning]


class Bulk(Answer):
    """An import. While `status` is `running` or `undoing` it goes on by itself; ask again."""

    id: Annotated[str | None, Field(description="`bulk_…`; null where nothing was written")]
    status: Literal["planned", "running", "done", "undoing", "undone", "dropped"]
    dry_run: bool
    total: int
    created: Annotated[int, Field(description="Posts written so far (that would be, in a dry run)")]
    failed: Annotated[int, Field(description="Rows with errors")]
    cancelled: Annotated[int, Field(description="Posts taken back by an undo")]
    kept: Annotated[list[str], Field(description="Posts that an undo came too late for")]
    created_at: Moment | None
    rows: list[BulkRow]


class PlatformText(Answer):
    """One limit of text and how it is counted."""

    limit: int
    unit: str
    how: str
    rule: Annotated[str, Field(description="The rule's stable id, as in `errors[].code`")]
    with_media: Annotated[bool, Field(description="Counts only beside media (a caption)")]
    per_profile: Annotated[bool, Field(description="The profile's own server may set another limit")]


class Span(Answer):
    """From the least to the most."""

    least: float
    most: float


class PlatformMedia(Answer):
    """One kind of media."""

    most: Annotated[int, Field(description="In one post")]
    bytes: Annotated[int, Field(description="The largest file")]
    least_bytes: int
    formats: Annotated[list[str], Field(description="MIME types, told by content")]
    seconds: Annotated[Span | None, Field(description="Length of a video")]
    width: Annotated[Span | None, Field(description="Pixels")]
    height: Annotated[Span | None, Field(description="Pixels")]
    ratio: Annotated[Span | None, Field(description="Width divided by height")]
    per_profile: bool


class PlatformWindow(Answer):
    """How far ahead the network itself keeps a post. Otherwise Dateline's own schedule publishes it."""

    least_seconds: float
    most_seconds: float
    by_default: Annotated[bool, Field(description="Unless `nativeSchedule` is false; else only where it is true")]


class PlatformConnect(Answer):
    """How an account is connected."""

    consent: Annotated[bool, Field(description="By `POST /v1/connect/{platform}`; otherwise with credentials only")]
    scopes: Annotated[list[str], Field(description="What consent is asked for")]
    renewed_before: Annotated[float | None, Field(description="Seconds before its expiry at which an unused token is renewed")]


class PlatformThreads(Answer):
    """How long a thread may be, and whether it appears in one step."""

    segments: int
    atomic: bool


class PlatformCap(Answer):
    """At most `limit` posts of an account within any `hours`."""

    limit: int
    hours: int
    setting: Annotated[str | None, Field(description="The entry of a profile's settings that says another limit")]
    source: str


class PlatformCredential(Answer):
    """One entry of `credentials` of a new profile."""

    name: str
    required: bool
    detail: str


class Platform(Answer):
    """One network's rules: the table that posts are held against."""

    name: str
    display_name: str
    text: list[PlatformText]
    media: dict[str, PlatformMedia]
    most_media: int
    mixed_media: bool
    min_media: int
    alt_text_limit: int | None
    threads: PlatformThreads
    first_comment: bool
    comment_text: list[PlatformText]
    horizon_days: int | None
    daily_cap: PlatformCap | None
    native_scheduling: str | None
    native_window: PlatformWindow | None
    unpublish: Annotated[bool, Field(description="Whether a post can be taken down again")]
    options: Annotated[dict[str, Any], Field(description="JSON schema of the options under `platforms.<name>`")]
    exactly_once: Annotated[str, Field(description="How a lost answer is settled")]
    own_server: bool
    connect: PlatformConnect
    credentials: list[PlatformCredential]
    source: str


class WorkspaceSettings(Answer):
    """Defaults and rules of a workspace."""

    approvals_required: bool
    min_spacing_minutes: int
    max_lateness: str
    on_late: Literal["publish", "fail", "draft"]


class Workspace(WorkspaceSettings):
    """The workspace of the key. Its `settings` stand beside it, too, as PATCH takes them."""

    id: str
    mode: Literal["live", "test"]
    name: str | None
    timezone: Annotated[str | None, Field(description="Stands in for posts that name neither zone nor offset")]
    paused: Annotated[bool, Field(description="All its profiles are paused, live and test")]
    settings: WorkspaceSettings
    plan: dict[str, Any]
    usage: dict[str, Any]


class Key(Answer):
    """An API key without its secret."""

    id: str
    name: str
    mode: Literal["live", "test"]
    scopes: list[Scope]
    last4: Annotated[str, Field(alias="last4", description="The end of the secret, to tell keys apart")]
    created_at: Moment
    revoked_at: Moment | None


class NewKey(Key):
    """A key that was just minted. `secret` is shown this once; a repeated request answers null and a warning."""

    secret: str | None
    warnings: list[Warning]


class QueueSlotTime(Answer):
    """A moment of the week in the queue's zone."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    time: Annotated[str, Field(description="`HH:MM`")]


class Queue(Answer):
    """Weekly posting slots in local time."""

    id: Annotated[str, Field(description="`queue_…`")]
    name: str
    timezone: Annotated[str, Field(description="IANA name")]
    slots: Annotated[list[QueueSlotTime], Field(description="In the order of the week")]
    capacity: Annotated[int, Field(description="Posts per slot")]
    blackout_dates: Annotated[list[str], Field(description="Local dates without slots")]
    profile_ids: Annotated[list[str], Field(description="For posts that name no profiles")]
    next_slot: Annotated[Moment | None, Field(description="Where the next post would go; null when nothing is free")]
    created_at: Moment
    updated_at: Moment


class QueueSlot(Answer):
    """One slot to come."""

    slot: Moment
    local: Annotated[str, Field(description="What the clocks of the queue's zone show then")]
    capacity: int
    taken: Annotated[int, Field(description="More than `capacity` where that was larger before")]
    free: int
    reserved: Annotated[int, Field(description="How many of those taken are reservations")]
    post_ids: Annotated[list[str], Field(description="The posts that have a place")]


class Reservation(Answer):
    """A place held for a while. Send its id as `reservationId`, with `queueId`, to use it."""

    id: Annotated[str, Field(description="`resv_…`")]
    queue_id: str
    slot: Moment
    local: Annotated[str, Field(description="What the clocks of the queue's zone show then")]
    expires_at: Annotated[Moment, Field(description="From then on the place is free again; never later than the slot")]


class Medium(Answer):
    """A file that was uploaded, or copied from a URL. Use its `url`, or its id as `mediaId`, in the media of a post."""

    id: Annotated[str, Field(description="`media_…`")]
    state: Literal["awaiting_upload", "pinning", "ready", "failed"]
    url: Annotated[str, Field(description="What a post says for it: `dateline-media:media_…`")]
    source_url: Annotated[str | None, Field(description="Where a copy is made from")]
    filename: str | None
    content_type: Annotated[str | None, Field(description="By content once it is ready; before that as announced")]
    type: Literal["image", "video", "gif", "document"] | None
    bytes: int | None
    width: Annotated[int | None, Field(description="Pixels")]
    height: Annotated[int | None, Field(description="Pixels")]
    seconds: Annotated[float | None, Field(description="Length of a video")]
    sha256: Annotated[str | None, Field(description="In hex; of an upload above 16 MB once a post has its copy")]
    error: Reason | None
    created_at: Moment


class UploadRequest(Answer):
    """The request that sends the file: its body is the file's bytes, its headers exactly these."""

    method: Literal["PUT"]
    url: Annotated[str, Field(description="Signed; whoever has it can send the file")]
    headers: dict[str, str]
    expires_at: Moment


class NewMedium(Medium):
    """A medium that was just made."""

    upload: Annotated[UploadRequest | None, Field(description="null for a copy of a URL")]


class FieldFault(BaseModel):
    """One thing wrong. Some codes bring further members (`limit`, `measured`, `unit`, `platform`, `nearest` …)."""

    model_config = ConfigDict(extra="allow")

    pointer: Annotated[
        str, Field(description="JSON pointer into the body (`/media/0/url`), or `/` and the name of a parameter or a header")
    ]
    code: Code
    detail: Detail


class Problem(BaseModel):
    """A refusal (RFC 9457). Some codes bring further members; they stand in docs/errors.md."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: Annotated[str, Field(description="Always the same for a code")]
    status: int
    code: Code
    detail: Detail
    instance: Annotated[str | None, Field(description="The path of the request")]
    errors: list[FieldFault]


class Forecast(Answer):
    """What a post would take from one counter of the plan."""

    metric: str
    scope: Literal["workspace", "profile"]
    profile_id: str | None
    limit: int | None
    used: Annotated[int, Field(description="Before this post")]
    takes: int
    remaining: Annotated[int | None, Field(description="After it")]
    resets_at: Moment | None


class Validation(Answer):
    """What create would answer. `problem` is its refusal, null if there is none."""

    valid: bool
    code: str | None
    detail: str | None
    errors: list[FieldFault]
    status: PostStatus | None
    publish_at: Moment | None
    scheduled_for: str | None
    timezone: str | None
    queue_id: str | None
    targets: list[Target]
    warnings: list[Warning]
    usage: Annotated[list[Forecast], Field(description="What it would take from the plan; empty for a draft or without limits")]
    problem: Problem | None


class Health(Answer):
    """`overdue` when a post waits longer than the sweep should leave it, `unavailable` when the store does not answer."""

    status: Literal["ok", "overdue", "unavailable"]
    overdue_seconds: float | None
    now: Moment


class Page(Answer):
    """One page of a list."""

    next_cursor: Annotated[str | None, Field(description="Send it as `cursor` for the next page; null on the last")]


class PostPage(Page):
    """Posts. A page may be short, even empty, and still carry a cursor."""

    data: list[Post]


class EventPage(Page):
    """A post's events in order."""

    data: list[Event]


class FeedPage(Page):
    """The workspace's events in order, without gaps."""

    data: list[FeedEvent]
    last_position: Annotated[int, Field(description="Send it as `after` later on, to go on behind what was seen")]


class AttemptPage(Page):
    """A post's attempts in order of their start."""

    data: list[Attempt]


class ProfilePage(Page):
    """Profiles."""

    data: list[Profile]


class PlatformPage(Page):
    """Networks."""

    data: list[Platform]


class KeyPage(Page):
    """Keys, revoked ones too."""

    data: list[Key]


class QueuePage(Page):
    """Queues, oldest first."""

    data: list[Queue]


class QueueSlotPage(Page):
    """A queue's slots in order of time."""

    data: list[QueueSlot]


ANSWERS: dict[str, type[BaseModel]] = {
    shape.__name__: shape
    for shape in (
        Post, PostPage, EventPage, FeedPage, AttemptPage, Validation,
        Profile, ProfilePage, ProfileHealth, ProfileLimits, Connection, Connected, Platform, PlatformPage,
        Medium, NewMedium, Bulk, Queue, QueuePage, QueueSlotPage, Reservation,
        Workspace, KeyPage, NewKey, Health, Problem,
    )
}
"""By the names that `routes.ROUTES` gives them."""
