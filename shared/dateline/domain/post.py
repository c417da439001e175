"""A post and its targets: what is stored, and how it is written down.

The post holds everything there is to know of it: its targets with their attempts, and the trail of its transitions.
One read shows all of it, and one conditional write changes it. How it may change stands in `lifecycle`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from .content import OVERRIDES, Draft, Media, Pin, Segment


def _out(moment: datetime | None) -> float | None:
    return None if moment is None else round(moment.timestamp(), 6)


def _in(value: float | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)


def _at(value: float) -> datetime:
    return datetime.fromtimestamp(value, UTC)


class Transition(NamedTuple):
    """One line of a post's trail: event number `sequence` of type `kind` (`post.queued`, `target.published` …)."""

    sequence: int
    kind: str
    previous: str | None
    profile_id: str | None
    at: datetime


@dataclass(slots=True)
class Attempt:
    """One try at one target. `outcome` is None while it runs, else published, retry, failed or unconfirmed."""

    number: int
    started_at: datetime
    armed_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None
    code: str | None = None
    detail: str | None = None

    def stored(self) -> list[Any]:
        """The compact form inside the item."""
        times = [_out(self.started_at), _out(self.armed_at), _out(self.ended_at)]
        return [self.number, *times, self.outcome, self.code, self.detail]

    @classmethod
    def restored(cls, row: list[Any]) -> Attempt:
        """The inverse of `stored`."""
        return cls(row[0], _at(row[1]), _in(row[2]), _in(row[3]), row[4], row[5], row[6])


class RemoteSegment(NamedTuple):
    """What became visible of one segment."""

    id: str
    url: str | None
    extra: Mapping[str, Any]


MOST_ATTEMPTS_KEPT = 20
"""Attempts kept per target; the count goes on. With 25 targets they stay below a tenth of an item's 400 KB."""

MOST_TRANSITIONS_KEPT = 500
"""Transitions kept on the trail: those before were announced long ago. A post that is edited for ever stays storable."""


@dataclass(slots=True)
class Target:
    """One post on one profile.

    `status` is `waiting` until its first claim: until then the post's stage speaks for it. `claim` and `lease_until` are
    the current worker's, `armed` the segment whose irreversible call was about to be made (None when none is), `armed_at` when.
    `call_ended_at` is the latest moment at which that call can have ended, `looks` and `failed_looks` count resolve's
    looks, `absences` those that counted. `retries` are the automatic ones since the target was last opened,
    `redispatches` those by sweep, `nudged_at` the last of them. `held_at` is since when a target is held, `held_begun`
    whether it had begun before (else it goes back to waiting); `nudged_at` is then sweep's last look. `capped` says that the
    profile takes so few posts a day that its calendar has to be asked. `comment` is what became of a first comment that is not
    out though the post is: `status` (failed or unconfirmed), `code`, `detail`; None otherwise. `removal` is what became of the
    wish to take it down again (`domain.removal`), `native` of handing it to its network ahead (`domain.native`); None without.
    """

    profile_id: str
    platform: str
    status: str = "waiting"
    remotes: list[RemoteSegment] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    tries: int = 0
    retries: int = 0
    redispatches: int = 0
    capped: bool = False
    claim: str | None = None
    lease_until: datetime | None = None
    armed: int | None = None
    armed_at: datetime | None = None
    call_ended_at: datetime | None = None
    looks: int = 0
    absences: int = 0
    failed_looks: int = 0
    uncertain: bool = False
    next_attempt_at: datetime | None = None
    nudged_at: datetime | None = None
    checkpoint: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    comment: dict[str, Any] | None = None
    removal: dict[str, Any] | None = None
    native: dict[str, Any] | None = None
    held_begun: bool = False
    held_at: datetime | None = None

    _PLAIN = (
        "status", "tries", "retries", "redispatches", "claim", "armed", "looks", "absences", "failed_looks", "uncertain",
        "held_begun", "capped",
    )
    _TIMES = ("lease_until", "armed_at", "call_ended_at", "next_attempt_at", "nudged_at", "held_at")

    def stored(self) -> dict[str, Any]:
        """The compact form inside the item: what has its default is left out."""
        row: dict[str, Any] = {"profile_id": self.profile_id, "platform": self.platform}
        for name in self._PLAIN:
            value = getattr(self, name)
            if value is not None and value is not False and (value != 0 or name == "armed") and value != "waiting":
                row[name] = value
        for name in self._TIMES:
            if (moment := getattr(self, name)) is not None:
                row[name] = _out(moment)
        if self.remotes:
            row["remotes"] = [[r.id, r.url, dict(r.extra)] for r in self.remotes]
        if self.attempts:
            row["attempts"] = [attempt.stored() for attempt in self.attempts[-MOST_ATTEMPTS_KEPT:]]
        if self.checkpoint:
            row["checkpoint"] = self.checkpoint
        if self.error:
            row["error"] = self.error
        if self.comment:
            row["comment"] = self.comment
        if self.removal:
            row["removal"] = self.removal
        if self.native:
            row["native"] = self.native
        return row

    @classmethod
    def restored(cls, row: Mapping[str, Any]) -> Target:
        """The inverse of `stored`."""
        target = cls(row["profile_id"], row["platform"])
        for name in cls._PLAIN:
            if name in row:
                setattr(target, name, row[name])
        for name in cls._TIMES:
            if name in row:
                setattr(target, name, _in(row[name]))
        target.remotes = [RemoteSegment(r[0], r[1], r[2]) for r in row.get("remotes", ())]
        target.attempts = [Attempt.restored(a) for a in row.get("attempts", ())]
        target.checkpoint = dict(row.get("checkpoint", {}))
        target.error = row.get("error")
        target.comment = row.get("comment")
        target.removal = row.get("removal")
        target.native = row.get("native")
        return target

    @property
    def standing(self) -> str:
        """The status as the post is derived from it: a target that is held before its first claim has not begun, nor has one
        that its network keeps until its time."""
        if self.status in ("placing", "placed") or (self.status == "held" and not self.held_begun):
            return "waiting"
        return self.status

    @property
    def attempt(self) -> Attempt | None:
        """The running or latest attempt."""
        return self.attempts[-1] if self.attempts else None


@dataclass(slots=True)
class Post:
    """A post. `stage` is what was decided (draft … queued, cancelled); `status` is derived from it and the targets.

    `version` counts writes (the compare-and-swap reads it), `write` names the last one, so that a write whose answer
    was lost recognises itself. `entry` counts time changes: it is in the schedule entry's name. `due_at` is when sweep looks.
    `intent` is the wall-clock wish next to the resolved `publish_at`. `max_lateness` is in seconds. `since` is the sequence
    as it was read: what the trail holds beyond it is what the next write announces.
    `approval` is what was asked and decided (`domain.approvals`), `queue` the slot it took (`{"id", "slot"}`), `charges` what it
    was charged under the plan (`domain.limits`), `bulk` the import it came with. `pins` are the copies that it publishes from, by
    the URL of the medium: made when it is scheduled, and no part of what the client said.
    """

    id: str
    workspace_id: str
    mode: str
    stage: str
    created_at: datetime
    segments: tuple[Segment, ...] = ()
    thread: bool = False
    targets: dict[str, Target] = field(default_factory=dict)
    platforms: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    first_comment: str | None = None
    intent: dict[str, Any] | None = None
    publish_at: datetime | None = None
    max_lateness: float | None = None
    on_late: str | None = None
    on_segment_failure: str = "resume"
    allow_duplicate: bool = False
    status: str = ""
    revision: int = 1
    sequence: int = 0
    version: int = 0
    write: str = ""
    entry: int = 0
    due_at: datetime | None = None
    updated_at: datetime | None = None
    ended_at: datetime | None = None
    error: dict[str, Any] | None = None
    approval: dict[str, Any] | None = None
    queue: dict[str, Any] | None = None
    charges: dict[str, list[str]] = field(default_factory=dict)
    bulk: str | None = None
    pins: dict[str, Pin] = field(default_factory=dict)
    trail: list[Transition] = field(default_factory=list)
    since: int = 0

    @property
    def partition(self) -> str:
        """The workspace's index partition; test posts have one of their own, so that no test key ever sees a live post."""
        return partition(self.workspace_id, self.mode)

    @property
    def sort_at(self) -> datetime:
        """Lists are ordered by publish time, drafts by creation."""
        return self.publish_at or self.created_at

    def draft_for(self, platform: str) -> Draft:
        """What `platform` is given: the content with that platform's overrides, its options, and the first comment."""
        draft = draft_for(self.segments, self.platforms.get(platform) or {}, self.first_comment)
        return draft.knowing({url: pin.facts for url, pin in self.pins.items()}) if self.pins else draft

    def open_targets(self) -> Iterator[Target]:
        """Targets that have not ended."""
        return (t for t in self.targets.values() if t.status not in ("published", "failed", "unconfirmed", "cancelled"))


def partition(workspace_id: str, mode: str) -> str:
    """The index partition of a workspace's live or test side."""
    return workspace_id if mode == "live" else f"{workspace_id}:{mode}"


def draft_for(segments: tuple[Segment, ...], override: Mapping[str, Any], first_comment: str | None = None) -> Draft:
    """`segments` and `first_comment` with one platform's override: `text` and `media` replace the first segment's (an ordinary
    post has one), `thread` replaces them all, `firstComment` the comment ("": none here); the rest are the platform's options."""
    options = {name: value for name, value in override.items() if name not in OVERRIDES}
    said = first_comment if override.get("firstComment") is None else override["firstComment"]
    comment = Segment(said) if said else None
    if override.get("thread"):
        return Draft(tuple(Segment.from_dict(s) for s in override["thread"]), options, comment)
    if segments and ("text" in override or "media" in override):
        first = segments[0]
        text = first.text if override.get("text") is None else override["text"]
        media = first.media if override.get("media") is None else tuple(Media.from_dict(m) for m in override["media"])
        segments = (Segment(text, media), *segments[1:])
    return Draft(segments, options, comment)


def body_of(post: Post) -> dict[str, Any]:
    """Everything of a post but what the indexes and the compare-and-swap need beside it. What few posts have is left out."""
    pins = {url: pin.stored() for url, pin in post.pins.items()}
    rare = {"approval": post.approval, "queue": post.queue, "charges": post.charges, "bulk": post.bulk, "pins": pins}
    return {
        **{name: value for name, value in rare.items() if value},
        "created_at": _out(post.created_at), "updated_at": _out(post.updated_at), "ended_at": _out(post.ended_at),
        "segments": [s.as_dict() for s in post.segments], "thread": post.thread,
        "targets": [t.stored() for t in post.targets.values()], "platforms": post.platforms,
        "labels": list(post.labels), "metadata": post.metadata, "first_comment": post.first_comment, "intent": post.intent,
        "max_lateness": post.max_lateness, "on_late": post.on_late, "on_segment_failure": post.on_segment_failure,
        "allow_duplicate": post.allow_duplicate, "entry": post.entry, "error": post.error,
        "trail": [[t.sequence, t.kind, t.previous, t.profile_id, _out(t.at)] for t in post.trail[-MOST_TRANSITIONS_KEPT:]],
    }


def post_from(
    body: Mapping[str, Any], *, id: str, workspace_id: str, mode: str, stage: str, status: str, publish_at: datetime | None,
    revision: int, sequence: int, version: int, write: str, due_at: datetime | None,
) -> Post:
    """The inverse of `body_of`, with the columns that stand beside it."""
    return Post(
        id=id, workspace_id=workspace_id, mode=mode, stage=stage, status=status, publish_at=publish_at, revision=revision,
        sequence=sequence, version=version, write=write, due_at=due_at, since=sequence,
        created_at=_at(body["created_at"]), updated_at=_in(body["updated_at"]), ended_at=_in(body.get("ended_at")),
        segments=tuple(Segment.from_dict(s) for s in body["segments"]), thread=body["thread"],
        targets={row["profile_id"]: Target.restored(row) for row in body["targets"]}, platforms=dict(body["platforms"]),
        labels=tuple(body["labels"]), metadata=dict(body["metadata"]), first_comment=body["first_comment"],
        intent=body["intent"], max_lateness=body["max_lateness"], on_late=body["on_late"],
        on_segment_failure=body["on_segment_failure"], allow_duplicate=body["allow_duplicate"], entry=body["entry"],
        error=body["error"], approval=body.get("approval"), queue=body.get("queue"), charges=dict(body.get("charges", {})),
        bulk=body.get("bulk"), pins={url: Pin.restored(row) for url, row in body.get("pins", {}).items()},
        trail=[Transition(r[0], r[1], r[2], r[3], _at(r[4])) for r in body["trail"]],
    )


def seconds(value: float) -> timedelta:
    """A timedelta of so many seconds: times here are aware, waits are plain seconds."""
    return timedelta(seconds=value)
