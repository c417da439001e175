"""The shapes of request bodies. Only shape: what the content means to a network is decided by the domain.

This is the one module that imports pydantic, and the API imports it with the first body it reads: listing and reading posts
never pay for it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from ..domain import queues
from ..domain.content import Media, Segment
from ..domain.errors import FieldError, Problem
from ..domain.instants import parse_duration
from ..domain.probing import kind_by_name
from ..domain.sheet import MOST_ROWS
from ..domain.zones import zone
from ..usecases.compose import Wish
from ..usecases.pinning import REFERENCE
from .request import pointed

MOST_PROFILES = 25
MOST_SEGMENTS = 25
MOST_MEDIA = 20
MOST_LABELS = 20
"""A row each in the post's transaction (two where it moves): DynamoDB takes a hundred."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Comment = Annotated[str, StringConstraints(max_length=10_000)]
MediaId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^media_[0-9A-Za-z]+$")]


def _readable(url: str) -> str:
    """The same. Refuses an address that no client can take apart: a port that is none, a bracket that nothing closes."""
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and (parts.hostname or not parts.netloc)
    except ValueError:
        usable = False
    if not usable:
        raise PydanticCustomError("dateline", "{detail}", {"detail": "This URL's host or port is not valid.", "member": ""})
    return url


MediaUrl = Annotated[
    str, StringConstraints(min_length=1, max_length=2048, pattern=r"^(https?://[^\s/]+|dateline-media:media_[0-9A-Za-z]+$)"),
    AfterValidator(_readable),
]
Url = Annotated[
    str, StringConstraints(min_length=1, max_length=2048, pattern=r"^https?://[^\s/]+"), AfterValidator(_readable)
]


class Shape(BaseModel):
    """Strict types, camelCase names, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=False)


T = TypeVar("T", bound=Shape)


def fault(member: str, detail: str) -> PydanticCustomError:
    """What is wrong between members: `member` is the one to point at ("" for the whole body), `detail` a whole sentence."""
    return PydanticCustomError("dateline", "{detail}", {"detail": detail, "member": member})


class MediaIn(Shape):
    """A picture, video or document by URL, or one of the workspace's own media by its id. Without a `type` its name tells it, and
    its content once it is looked at."""

    url: MediaUrl | None = None
    media_id: MediaId | None = None
    type: Literal["image", "video", "gif", "document"] | None = None
    alt_text: Annotated[str, StringConstraints(max_length=4000)] | None = None

    @model_validator(mode="after")
    def _either(self) -> MediaIn:
        if (self.url is None) == (self.media_id is None):
            raise fault("url", "A medium has a url or a mediaId, one of the two.")
        return self

    def value(self) -> Media:
        """The domain's medium."""
        url = self.url or f"{REFERENCE}{self.media_id}"
        return Media(url, self.type or kind_by_name(url), self.alt_text or "")


class SegmentIn(Shape):
    """One segment of a thread."""

    text: str = ""
    media: Annotated[list[MediaIn], Field(max_length=MOST_MEDIA)] = []

    def value(self) -> Segment:
        """The domain's segment."""
        return Segment(self.text, tuple(m.value() for m in self.media))


class OverrideIn(BaseModel):
    """One platform's override: these members stand in for the common ones, everything else is an option of the platform."""

    model_config = ConfigDict(extra="allow", strict=True)

    text: str | None = None
    media: Annotated[list[MediaIn], Field(max_length=MOST_MEDIA)] | None = None
    thread: Annotated[list[SegmentIn], Field(min_length=1, max_length=MOST_SEGMENTS)] | None = None
    first_comment: Comment | None = Field(None, alias="firstComment", description="Empty for none on this platform")

    def value(self) -> dict[str, Any]:
        """What is stored under `platforms.<name>`."""
        out: dict[str, Any] = dict(self.model_extra or {})
        if self.text is not None:
            out["text"] = self.text
        if self.media is not None:
            out["media"] = [m.value().as_dict() for m in self.media]
        if self.thread is not None:
            out["thread"] = [s.value().as_dict() for s in self.thread]
        if self.first_comment is not None:
            out["firstComment"] = self.first_comment
        return out


class ContentIn(Shape):
    """What create and edit have in common."""

    text: str | None = None
    thread: Annotated[list[SegmentIn], Field(min_length=1, max_length=MOST_SEGMENTS)] | None = None
    profile_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_PROFILES)] | None = None
    media: Annotated[list[MediaIn], Field(max_length=MOST_MEDIA)] | None = None
    scheduled_for: str | None = None
    timezone: str | None = None
    fold: Annotated[int, Field(ge=0, le=1)] | None = None
    platforms: dict[str, OverrideIn] | None = None
    first_comment: Comment | None = None
    labels: Annotated[list[Label], Field(max_length=MOST_LABELS)] | None = None
    metadata: dict[str, Any] | None = None
    max_lateness: str | None = None
    on_late: Literal["publish", "fail", "draft"] | None = None
    on_segment_failure: Literal["resume", "rollback", "stop"] | None = None
    allow_duplicate: bool | None = None
    queue_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    reservation_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _exclusive(self) -> ContentIn:
        if self.thread is not None and self.text is not None:
            raise fault("thread", "text and thread exclude each other.")
        if self.thread is not None and self.media:
            raise fault("media", "The media of a thread stand in its segments.")
        if self.queue_id is not None and (self.scheduled_for or self.timezone or self.fold):
            raise fault("queueId", "queueId and scheduledFor exclude each other: the queue knows the time and its zone.")
        if self.reservation_id is not None and self.queue_id is None:
            raise fault("reservationId", "reservationId needs the queueId it was reserved in.")
        ids = self.profile_ids or []
        for index, profile_id in enumerate(ids):
            if profile_id in ids[:index]:
                raise fault(f"profileIds/{index}", f"profileIds names {profile_id!r} twice; once is enough.")
        return self

    def members(self) -> dict[str, Any]:
        """Members of `Wish` that were given (null takes one back to its default)."""
        out: dict[str, Any] = {}
        for name in self.model_fields_set & set(ContentIn.model_fields):
            out[name] = _value(name, getattr(self, name))
        return out


class PostIn(ContentIn):
    """Create body."""

    publish_now: bool = False

    @model_validator(mode="after")
    def _one_time(self) -> PostIn:
        if self.publish_now and (self.scheduled_for is not None or self.queue_id is not None):
            raise fault("publishNow", "publishNow and scheduledFor (or queueId) exclude each other.")
        if self.scheduled_for is None and (self.timezone is not None or self.fold) and not self.publish_now:
            member = "fold" if self.timezone is None else "timezone"
            raise fault(member, f"{member} needs scheduledFor.")
        return self

    def wish(self) -> Wish:
        """The domain's wish."""
        return Wish(**self.members(), publish_now=self.publish_now)


class PostPatch(ContentIn):
    """Edit body: what is not named stays."""

    status: Literal["scheduled", "draft", "publish"] | None = None

    @model_validator(mode="after")
    def _something(self) -> PostPatch:
        if not self.model_fields_set:
            raise _nothing(PostPatch)
        if self.status == "publish" and self.scheduled_for is not None:
            raise fault("scheduledFor", "status publish means now: it and scheduledFor exclude each other.")
        if self.status in ("publish", "draft") and self.queue_id is not None:
            raise fault("queueId", f"A post in a queue is scheduled: queueId and status {self.status} exclude each other.")
        return self


class ResolveIn(Shape):
    """What became of an unconfirmed target."""

    outcome: Literal["published", "not_published"]
    remote_id: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    url: Url | None = None
    segment: Annotated[int, Field(ge=0, lt=MOST_SEGMENTS)] | None = None

    @model_validator(mode="after")
    def _id(self) -> ResolveIn:
        if self.outcome == "published" and self.remote_id is None:
            raise fault("remoteId", "remoteId is required with the outcome published.")
        return self


class BulkIn(RootModel[list[PostIn]]):
    """The posts, as for a single create; or the same as CSV (`text/csv`)."""

    # The rows are read one by one, so that each can be told its faults: this tells the reader of the OpenAPI file.
    root: Annotated[list[PostIn], Field(json_schema_extra={"minItems": 1, "maxItems": MOST_ROWS})]


Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class ApproveIn(Shape):
    """`hash` is `approval.hash` of the post as it was looked at: a post that changed since is not approved."""

    hash: Hash | None = None


class RejectIn(ApproveIn):
    """Why it is rejected, for whoever wrote it."""

    reason: Annotated[str, StringConstraints(max_length=2000)] | None = None


class RetryIn(Shape):
    """Which targets to try again; all failed ones if not given."""

    profile_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_PROFILES)] | None = None


class UnpublishIn(Shape):
    """Which targets to take down on their networks; all that are published if not given."""

    profile_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_PROFILES)] | None = None


class EmptyIn(Shape):
    """A body without members."""


class ProfileIn(Shape):
    """Connect an account with its own token."""

    platform: str
    credentials: dict[str, str] = {}
    server: Url | None = None
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    settings: dict[str, Any] = {}


class ConnectIn(Shape):
    """Connect an account: by a person's consent, or with `credentials` right away."""

    redirect_url: Annotated[
        Url | None, Field(description="Where the browser goes in the end; on an origin that the operator allows")
    ] = None
    server: Annotated[Url | None, Field(description="The account's own server, on networks that have many")] = None
    profile_id: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=128)] | None,
        Field(description="The profile to connect again; another account is then refused"),
    ] = None
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    credentials: Annotated[dict[str, str] | None, Field(description="As for `POST /v1/profiles`: nobody is asked then")] = None
    client_id: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=500)] | None,
        Field(description="An app of your own, in place of the operator's; kept with the profile"),
    ] = None
    client_secret: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ConnectIn:
        if self.client_secret is not None and self.client_id is None:
            raise fault("clientId", "clientSecret is given without clientId.")
        if self.credentials is not None:
            for member, value in (("redirectUrl", self.redirect_url), ("clientId", self.client_id)):
                if value is not None:
                    raise fault(member, f"With credentials nobody is asked, so {member} has no meaning.")
        return self


class ChooseIn(Shape):
    """Which of a consent's accounts to connect."""

    account_ids: Annotated[list[str], Field(min_length=1, max_length=50, description="`accountId`s of `choices`")]


class ProfilePatch(Shape):
    """Rename an account, give it new credentials, pause or resume it."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    credentials: dict[str, str] | None = None
    settings: dict[str, Any] | None = None
    paused: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> ProfilePatch:
        if not self.model_fields_set:
            raise _nothing(ProfilePatch)
        return self


class SlotIn(Shape):
    """A moment of the week on the clocks of the queue's zone."""

    day: Annotated[str, Field(json_schema_extra={"enum": list(queues.DAYS)})]
    time: Annotated[str, Field(description="`HH:MM`", examples=["09:30"])]


Slots = Annotated[list[SlotIn], Field(json_schema_extra={"minItems": 1, "maxItems": queues.MOST_SLOTS})]
QueueName = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": queues.LONGEST_NAME})]


class QueueMembers(Shape):
    """What define and change have in common."""

    # Sizes and values are held against the rules in `domain.queues`: what stands here tells the reader of them.
    timezone: Annotated[str | None, Field(description="IANA name; the workspace's if not given")] = None
    capacity: Annotated[
        int | None, Field(description="Posts per slot", json_schema_extra={"minimum": 1, "maximum": queues.MOST_CAPACITY})
    ] = None
    blackout_dates: Annotated[
        list[str] | None,
        Field(description="Local dates without slots, `YYYY-MM-DD`", json_schema_extra={"maxItems": queues.MOST_BLACKOUTS}),
    ] = None
    profile_ids: Annotated[
        list[str] | None,
        Field(description="For posts that name no profiles", json_schema_extra={"maxItems": queues.MOST_PROFILES}),
    ] = None

    def members(self) -> dict[str, Any]:
        """Members of the domain's `Definition` that were given (null takes one back to its default)."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if given.get("slots") is not None:
            given["slots"] = [(slot.day, slot.time) for slot in given["slots"]]
        return given


class QueueIn(QueueMembers):
    """Define a queue."""

    name: QueueName
    slots: Slots


class QueuePatch(QueueMembers):
    """Change a queue: what is not named stays."""

    name: QueueName | None = None
    slots: Slots | None = None

    @model_validator(mode="after")
    def _something(self) -> QueuePatch:
        if not self.model_fields_set:
            raise _nothing(QueuePatch)
        return self


class ReservationIn(Shape):
    """Hold the next free place for a while."""

    expires_in: Annotated[str | None, Field(description="ISO 8601 duration, `PT1M` to `P1D`; `PT10M` if not given")] = None


class MediaCreate(Shape):
    """Either a `url` whose file is copied, or a file to be sent: its `contentType` and `bytes`."""

    url: Url | None = None
    content_type: Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]{1,80}$")] | None = None
    bytes: Annotated[int, Field(ge=1)] | None = None
    filename: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None

    @model_validator(mode="after")
    def _either(self) -> MediaCreate:
        if self.url is not None and (self.content_type or self.bytes or self.filename):
            raise fault("url", "Send either url, or contentType and bytes of a file that you will upload.")
        if self.url is None and (self.content_type is None or self.bytes is None):
            member = "contentType" if self.content_type is None else "bytes"
            raise fault(member, "An upload needs contentType and bytes; a copy needs url.")
        return self

    def announced(self) -> tuple[str, int, str | None]:
        """Type, size and name of the file that will be sent."""
        assert self.content_type is not None and self.bytes is not None
        return self.content_type, self.bytes, self.filename


class SettingsIn(Shape):
    """Defaults and rules of a workspace."""

    approvals_required: bool | None = None
    min_spacing_minutes: Annotated[int, Field(ge=0, le=1440)] | None = None
    max_lateness: str | None = None
    on_late: Literal["publish", "fail", "draft"] | None = None


class WorkspacePatch(SettingsIn):
    """Change settings of the workspace; what is not named stays, null takes a member back to its default. Those that the
    answer shows in `settings` may be sent there, too."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    timezone: str | None = None
    paused: bool | None = None
    settings: SettingsIn | None = None

    @model_validator(mode="after")
    def _something(self) -> WorkspacePatch:
        inside = self.settings.model_fields_set if self.settings else set()
        if not (self.model_fields_set - {"settings"}) | inside:
            raise _nothing(WorkspacePatch)
        for name in sorted(self.model_fields_set & inside):
            raise fault(f"settings/{to_camel(name)}", f"{to_camel(name)} is given twice: in settings and beside it.")
        return self

    def changes(self) -> dict[str, Any]:
        """The settings as they are stored; None takes one away."""
        found = {name: getattr(self, name) for name in self.model_fields_set - {"settings"}}
        if self.settings is not None:
            found |= {name: getattr(self.settings, name) for name in self.settings.model_fields_set}
        if found.get("timezone") is not None:
            zone(found["timezone"])
        if found.get("max_lateness") is not None:
            found["max_lateness"] = parse_duration(found["max_lateness"], "/maxLateness").total_seconds()
        return found


class KeyIn(Shape):
    """Mint an API key."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "key"
    scopes: Annotated[list[str], Field(min_length=1, max_length=20)]
    mode: Literal["live", "test"] | None = None


def _value(name: str, value: Any) -> Any:
    """One member as the domain has it; null is the default of `Wish`."""
    if value is None:
        return Wish._field_defaults[name]
    if name == "thread":
        return tuple(s.value() for s in value)
    if name == "media":
        return tuple(m.value() for m in value)
    if name == "platforms":
        return {platform: override.value() for platform, override in value.items()}
    if name == "max_lateness":
        return parse_duration(value, "/maxLateness").total_seconds()
    if name == "fold":
        return value or None
    if name in ("profile_ids", "labels"):
        return tuple(value)
    return value


def read(shape: type[T], body: dict[str, Any]) -> T:
    """The body as a shape. Raises `Problem` invalid_request with one entry per fault."""
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        errors = [_fault(one, shape) for one in error.errors(include_url=False, include_input=False)]
        more = "" if len(errors) == 1 else f" And {len(errors) - 1} more: see errors."
        raise Problem("invalid_request", errors[0].detail + more, errors=errors) from None


def _nothing(shape: type[Shape]) -> PydanticCustomError:
    return fault("", f"There is nothing to change; name at least one of: {', '.join(_members(shape))}.")


def _members(shape: type[Shape]) -> list[str]:
    return sorted(field.alias or name for name, field in shape.model_fields.items())


SAID: dict[str, str] = {
    "string_type": "must be a string", "int_type": "must be a whole number", "bool_type": "must be true or false",
    "list_type": "must be a list", "dict_type": "must be an object", "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries; it has {actual_length}",
    "too_long": "must have at most {max_length} entries; it has {actual_length}",
    "string_pattern_mismatch": "must match {pattern}",
    "greater_than_equal": "must be at least {ge}", "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
}
"""pydantic's words for programmers, said for people. What is not here keeps pydantic's own."""


def _fault(error: Any, shape: type[Shape]) -> FieldError:
    kind, path, context = error["type"], [str(part) for part in error["loc"]], error.get("ctx") or {}
    pointer = "".join(f"/{pointed(part)}" for part in path)
    name = ".".join(path) or "The body"
    if kind == "dateline":
        member = context["member"]
        return FieldError(f"{pointer}/{member}" if member else pointer, "invalid_request", context["detail"])
    if kind == "extra_forbidden":
        known = ", ".join(_members(shape)) or "none"
        hint = f" Known here: {known}." if len(path) == 1 else ""
        detail = f"There is no member {name!r}.{hint}"
    elif kind == "missing":
        detail = f"{name} is required."
    elif kind == "string_pattern_mismatch" and "https" in context["pattern"]:
        detail = f"{name} must be a URL that begins with http:// or https://."
    elif kind in SAID:
        detail = f"{name} {SAID[kind].format(**context)}."
    else:
        detail = f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}."
    return FieldError(pointer, "invalid_request", detail)
