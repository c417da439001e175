"""The shapes of request bodies. Only shape: what the content means to a network is decided by the domain.

This is the one module that imports pydantic, and the API imports it with the first body it reads: listing and reading posts
never pay for it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from ..domain.content import Media, Segment
from ..domain.errors import FieldError, Problem
from ..domain.time import parse_duration
from ..usecases.compose import Wish

MOST_PROFILES = 25
MOST_SEGMENTS = 25
MOST_MEDIA = 20

Label = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=r"^https?://[^\s/]+")]


class Shape(BaseModel):
    """Strict types, camelCase names, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=False)


T = TypeVar("T", bound=Shape)


class MediaIn(Shape):
    """A picture or video by URL."""

    url: Url
    type: Literal["image", "video", "gif", "document"] = "image"
    alt_text: Annotated[str, StringConstraints(max_length=4000)] | None = None

    def value(self) -> Media:
        """The domain's medium."""
        return Media(self.url, self.type, self.alt_text or "")


class SegmentIn(Shape):
    """One segment of a thread."""

    text: str = ""
    media: Annotated[list[MediaIn], Field(max_length=MOST_MEDIA)] = []

    def value(self) -> Segment:
        """The domain's segment."""
        return Segment(self.text, tuple(m.value() for m in self.media))


class OverrideIn(BaseModel):
    """One platform's override: text, media and thread have these shapes, everything else is an option of the platform."""

    model_config = ConfigDict(extra="allow", strict=True)

    text: str | None = None
    media: Annotated[list[MediaIn], Field(max_length=MOST_MEDIA)] | None = None
    thread: Annotated[list[SegmentIn], Field(min_length=1, max_length=MOST_SEGMENTS)] | None = None

    def value(self) -> dict[str, Any]:
        """What is stored under `platforms.<name>`."""
        out: dict[str, Any] = dict(self.model_extra or {})
        if self.text is not None:
            out["text"] = self.text
        if self.media is not None:
            out["media"] = [m.value().as_dict() for m in self.media]
        if self.thread is not None:
            out["thread"] = [s.value().as_dict() for s in self.thread]
        return out


class ContentIn(Shape):
    """What create and edit have in common."""

    text: str | None = None
    thread: Annotated[list[SegmentIn], Field(min_length=1, max_length=MOST_SEGMENTS)] | None = None
    profile_ids: Annotated[list[str], Field(min_length=1, max_length=MOST_PROFILES)] | None = None
    media: Annotated[list[MediaIn], Field(max_length=MOST_MEDIA)] | None = None
    scheduled_for: str | None = None
    timezone: str | None = None
    fold: Literal[0, 1] | None = None
    platforms: dict[str, OverrideIn] | None = None
    first_comment: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    labels: Annotated[list[Label], Field(max_length=50)] | None = None
    metadata: dict[str, Any] | None = None
    max_lateness: str | None = None
    on_late: Literal["publish", "fail", "draft"] | None = None
    on_segment_failure: Literal["resume", "rollback", "stop"] | None = None
    allow_duplicate: bool | None = None

    @model_validator(mode="after")
    def _exclusive(self) -> ContentIn:
        if self.thread is not None and self.text is not None:
            raise ValueError("text and thread exclude each other")
        if self.thread is not None and self.media:
            raise ValueError("the media of a thread stand in its segments")
        if self.profile_ids and len(set(self.profile_ids)) != len(self.profile_ids):
            raise ValueError("profileIds names a profile twice")
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
        if self.publish_now and self.scheduled_for is not None:
            raise ValueError("publishNow and scheduledFor exclude each other")
        if self.scheduled_for is None and (self.timezone is not None or self.fold) and not self.publish_now:
            raise ValueError("timezone and fold need scheduledFor")
        return self

    def wish(self) -> Wish:
        """The domain's wish."""
        return Wish(**self.members(), publish_now=self.publish_now)


class PostPatch(ContentIn):
    """Edit body: what is not named stays."""

    status: Literal["scheduled", "draft", "publish"] | None = None


class ResolveIn(Shape):
    """What became of an unconfirmed target."""

    outcome: Literal["published", "not_published"]
    remote_id: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = None
    url: Url | None = None
    segment: Annotated[int, Field(ge=0, lt=MOST_SEGMENTS)] | None = None

    @model_validator(mode="after")
    def _id(self) -> ResolveIn:
        if self.outcome == "published" and self.remote_id is None:
            raise ValueError("remoteId is needed with outcome published")
        return self


class RetryIn(Shape):
    """Which targets to try again; all failed ones if not given."""

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


class ProfilePatch(Shape):
    """Rename an account, or give it new credentials."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    credentials: dict[str, str] | None = None
    settings: dict[str, Any] | None = None


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
        errors = [_fault(fault, shape) for fault in error.errors(include_url=False, include_input=False)]
        more = "" if len(errors) == 1 else f" And {len(errors) - 1} more: see errors."
        raise Problem("invalid_request", errors[0].detail + more, errors=errors) from None


def _fault(fault: Any, shape: type[Shape]) -> FieldError:
    path = [str(part) for part in fault["loc"]]
    pointer = "/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in path) if path else ""
    name = ".".join(path) or "body"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        known = sorted(field.alias or key for key, field in shape.model_fields.items())
        hint = f" Known here: {', '.join(known)}." if len(path) == 1 else ""
        message = f"There is no member {path[-1]!r}.{hint}"
    elif fault["type"] == "missing":
        message = f"{name} is required."
    else:
        message = f"{name}: {message[:1].lower()}{message[1:]}."
    return FieldError(pointer or "/", "invalid_request", message)
