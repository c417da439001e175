"""What a post says: segments of text with media. Pure values, the same for every network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Facts(NamedTuple):
    """What was found out of a medium by looking into it: its MIME type by content, its size in bytes, and where it has them its
    width and height in pixels and its length in seconds."""

    mime: str
    size: int
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


class Media(NamedTuple):
    """One picture or video, by the URL the client gave. `type` is "image", "video", "gif" or "document".

    `facts` is what is known of the file, None as long as nobody has looked. It is no part of what the client said.
    """

    url: str
    type: str = "image"
    alt_text: str = ""
    facts: Facts | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape of the contract (`altText` only when there is one)."""
        out: dict[str, Any] = {"url": self.url, "type": self.type}
        if self.alt_text:
            out["altText"] = self.alt_text
        return out

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Media:
        """The inverse of `as_dict`."""
        return cls(value["url"], value.get("type") or "image", value.get("altText") or "")


class Pin(NamedTuple):
    """The copy that a post made of a medium: where it is kept (`key`), and what was known of the file when it was scheduled.
    `origin` is the key of an older copy that this one is made from, once a post moved on beyond that one's time."""

    key: str
    facts: Facts | None = None
    origin: str = ""

    def stored(self) -> list[Any]:
        """The compact form inside the item."""
        return [self.key, self.origin, *(self.facts or ())]

    @classmethod
    def restored(cls, row: list[Any]) -> Pin:
        """The inverse of `stored`."""
        return cls(row[0], Facts(*row[2:]) if len(row) > 2 else None, row[1])


class Segment(NamedTuple):
    """One piece of a thread; an ordinary post has exactly one."""

    text: str
    media: tuple[Media, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The JSON shape of the contract."""
        return {"text": self.text, "media": [item.as_dict() for item in self.media]}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Segment:
        """The inverse of `as_dict`."""
        return cls(value.get("text") or "", tuple(Media.from_dict(m) for m in value.get("media") or ()))


OVERRIDES = ("text", "media", "thread", "firstComment")
"""Members under `platforms.<name>` that stand in for the common ones; whatever else stands there is an option of the network."""


class Draft(NamedTuple):
    """What one network would be given: the content after that network's overrides, and its options.

    `segments` are the post's own; `comment` is the first comment, which the account gives itself as a reply to the last of them.
    """

    segments: tuple[Segment, ...]
    options: Mapping[str, Any] = {}
    comment: Segment | None = None

    @property
    def whole(self) -> tuple[Segment, ...]:
        """All that is published, in order. A publisher sees the first comment as one more segment at the end."""
        return self.segments if self.comment is None else (*self.segments, self.comment)

    def knowing(self, facts: Mapping[str, Facts | None]) -> Draft:
        """The same with what is known of its media, by URL."""
        if not any(facts.values()):
            return self
        known = (
            segment._replace(media=tuple(item._replace(facts=facts.get(item.url)) for item in segment.media))
            for segment in self.segments
        )
        return self._replace(segments=tuple(known))
