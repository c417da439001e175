"""What a network accepts, as data, and the one function that holds content against it.

Every network describes itself with a `Rules` table; nothing here knows a network by name. A broken rule is a
`Violation` with a stable id, the value measured, the limit and how it was counted, so that a client can show it as is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .content import OVERRIDES, Draft, Media, Segment


def graphemes(text: str, settings: Mapping[str, Any] | None = None) -> int:
    """Grapheme clusters in `text`, as Unicode's extended rules cut them: the measure of several networks."""
    if text.isascii():
        return len(text) - text.count("\r\n")
    import regex

    return len(regex.findall(r"\X", text))


class Violation(NamedTuple):
    """One rule that the content breaks.

    `rule` is the stable id (`x.text.too_long`); `segment` the index of the thread segment (0 for an ordinary post);
    `field` what to point at inside it ("text", "media", "media/2", "options/visibility", "firstComment"); `limit` and
    `measured` are in `unit`, None where the rule is not about a number. `known` are the names there are instead.
    """

    rule: str
    segment: int
    field: str
    detail: str
    limit: int | None = None
    measured: int | None = None
    unit: str | None = None
    known: tuple[str, ...] = ()

    @property
    def of_shape(self) -> bool:
        """Whether it is about an option as such, not about what is said: wrong in a draft too."""
        return self.rule.endswith((".option.unknown", ".option.invalid"))


class TextLimit(NamedTuple):
    """At most `limit` of `unit` in one text, as `measure(text, settings)` counts them.

    `setting` names the entry of a profile's settings that overrides `limit` (an instance's own figure); `how` tells a
    person how the count is made; `rule` is the last part of the rule's id.
    `with_media` limits apply only to a segment that carries media (a caption), the others always.
    """

    limit: int
    unit: str
    measure: Callable[[str, Mapping[str, Any]], int]
    how: str
    setting: str | None = None
    rule: str = "text.too_long"
    with_media: bool = False


class MediaLimit(NamedTuple):
    """How many of one type of media a segment may carry, and what one file may be.

    `bytes` is the largest file, `formats` the MIME types taken; `setting` names the profile's setting that overrides
    `most` (an instance's own figure), `bytes_setting` the one for `bytes`, `formats_setting` the one that lists which formats
    are taken there. `seconds` is the shortest and the longest video, `width` and `height` the least and the
    most pixels, `ratio` the least and the greatest width divided by height; None where the network says nothing.
    """

    most: int
    bytes: int
    formats: tuple[str, ...]
    setting: str | None = None
    least_bytes: int = 0
    seconds: tuple[float, float] | None = None
    width: tuple[int, int] | None = None
    height: tuple[int, int] | None = None
    ratio: tuple[float, float] | None = None
    bytes_setting: str | None = None
    formats_setting: str | None = None

    def of(self, settings: Mapping[str, Any]) -> MediaLimit:
        """The limit of a profile with these settings."""
        most = settings.get(self.bytes_setting, self.bytes) if self.bytes_setting else self.bytes
        listed = settings.get(self.formats_setting) if self.formats_setting else None
        taken = tuple(name for name in self.formats if name in listed) if listed else ()
        return self._replace(bytes=int(most), formats=taken or self.formats)


class NativeWindow(NamedTuple):
    """How far ahead the network itself keeps a post, in seconds. `by_default`: unless the post says `nativeSchedule: false`;
    otherwise only if it says `nativeSchedule: true`."""

    least: float
    most: float
    by_default: bool = False


class DailyCap(NamedTuple):
    """At most `limit` posts of one account in any window of `hours`.

    `setting` names the entry of a profile's settings that overrides `limit` (an account the network allows less, or more).
    """

    limit: int
    hours: int
    source: str
    setting: str | None = None

    def limit_for(self, settings: Mapping[str, Any]) -> int:
        """The limit of a profile with these settings."""
        return int(settings.get(self.setting, self.limit)) if self.setting else self.limit


class Rules(NamedTuple):
    """Everything a network asks of a post. `options` is a JSON schema of the options object under `platforms.<name>`.

    `thread_segments` is the longest thread (1: none), a first comment not counted; `first_comment` is true where an account can
    reply to its own post, which is what a first comment is; `min_media` is 1 for a network that takes no text-only post;
    `horizon_days` how far ahead the network's users may schedule; `native_scheduling` says what the network itself
    could schedule, `native` when Dateline has it do so; `exactly_once` tells in a sentence how a lost answer is settled; `source`
    where the figures stand. `deletes` is false where the network offers no way to take a post down again. `comment`
    are a first comment's limits where they are not the text's. `more` finds what is
    wrong beyond the table (of a first comment too), `advise` what is taken otherwise than it was said: warnings, with ids of
    the same kind.
    """

    platform: str
    name: str
    text: tuple[TextLimit, ...]
    media: Mapping[str, MediaLimit]
    exactly_once: str
    source: str
    most_media: int = 4
    mixed_media: bool = False
    alt_text: int | None = None
    min_media: int = 0
    thread_segments: int = 1
    thread_atomic: bool = False
    first_comment: bool = False
    horizon_days: int | None = None
    daily_cap: DailyCap | None = None
    native_scheduling: str | None = None
    options: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    more: Callable[[Draft, Mapping[str, Any]], list[Violation]] | None = None
    advise: Callable[[Draft, Mapping[str, Any]], list[Violation]] | None = None
    deletes: bool = True
    native: NativeWindow | None = None
    comment: tuple[TextLimit, ...] | None = None


def fitted(rules: Rules, draft: Draft) -> Draft:
    """The same for a network that knows no GIFs of their own, and takes them as pictures."""
    image = rules.media.get("image")
    if "gif" in rules.media or image is None or "image/gif" not in image.formats:
        return draft

    def part(segment: Segment) -> Segment:
        return segment._replace(media=tuple(m._replace(type="image") if m.type == "gif" else m for m in segment.media))

    return draft._replace(segments=tuple(part(segment) for segment in draft.segments))


def check(rules: Rules, draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    """Every rule of `rules` that `draft` breaks, all at once, in reading order.

    `settings` is what the profile's own server said of its limits (`{}` where it said nothing).
    """
    found: list[Violation] = []
    name = rules.platform
    draft = fitted(rules, draft)
    if len(draft.segments) > rules.thread_segments:
        detail = (
            f"{rules.name} takes a single post, not a thread: take {rules.name}'s profiles off the post, or give a thread of one"
            f" segment under platforms.{name}."
            if rules.thread_segments == 1
            else f"A thread on {rules.name} has at most {rules.thread_segments} segments; this one has {len(draft.segments)}."
        )
        rule = "thread.unsupported" if rules.thread_segments == 1 else "thread.too_long"
        found.append(Violation(f"{name}.{rule}", 0, "thread", detail, rules.thread_segments, len(draft.segments), "segments"))
    for index, segment in enumerate(draft.segments):
        found += _check_text(rules, index, segment, settings)
        found += _check_media(rules, index, segment, settings)
    if draft.comment is not None:
        found += _check_comment(rules, draft, settings)
    found += check_options(rules, draft.options)
    if rules.more is not None:
        found += rules.more(draft, settings)
    return found


def _check_text(rules: Rules, index: int, segment: Segment, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    for text_limit in rules.text:
        if text_limit.with_media and not segment.media:
            continue
        limit = int(settings.get(text_limit.setting, text_limit.limit)) if text_limit.setting else text_limit.limit
        measured = text_limit.measure(segment.text, settings)
        if measured > limit:
            detail = f"{rules.name} takes at most {limit:,} {text_limit.unit}; this text has {measured:,} ({text_limit.how})."
            rule = f"{rules.platform}.{text_limit.rule}"
            found.append(Violation(rule, index, "text", detail, limit, measured, text_limit.unit))
    if not segment.text.strip() and not segment.media:
        detail = f"{rules.name} needs text or media; this post has neither."
        found.append(Violation(f"{rules.platform}.content.empty", index, "text", detail))
    return found


def _check_media(rules: Rules, index: int, segment: Segment, settings: Mapping[str, Any]) -> list[Violation]:
    found = []
    name = rules.platform
    counts: dict[str, int] = {}
    for place, item in enumerate(segment.media):
        if item.type not in rules.media:
            known = ", ".join(sorted(rules.media)) or "none"
            detail = f"{rules.name} does not take media of type {item.type} here; it takes: {known}."
            found.append(Violation(f"{name}.media.unsupported", index, f"media/{place}", detail))
            continue
        counts[item.type] = counts.get(item.type, 0) + 1
        if rules.alt_text is not None and len(item.alt_text) > rules.alt_text:
            size = len(item.alt_text)
            detail = f"{rules.name} takes at most {rules.alt_text:,} characters of alternative text; this one has {size:,}."
            rule = f"{name}.alt_text.too_long"
            found.append(Violation(rule, index, f"media/{place}", detail, rules.alt_text, size, "characters"))
        found += _check_file(rules, index, place, item, settings)
    for kind, count in counts.items():
        limit = rules.media[kind]
        most = int(settings.get(limit.setting, limit.most)) if limit.setting else limit.most
        if count > most:
            detail = f"{rules.name} takes at most {most} of type {kind} in one post; this one has {count}."
            found.append(Violation(f"{name}.media.too_many", index, "media", detail, most, count, kind))
    if len(counts) > 1 and not rules.mixed_media:
        detail = f"{rules.name} does not mix types of media in one post; this one has {' and '.join(sorted(counts))}."
        found.append(Violation(f"{name}.media.mixed", index, "media", detail))
    if len(segment.media) > rules.most_media and not any(v.rule.endswith("media.too_many") for v in found):
        detail = f"{rules.name} takes at most {rules.most_media} media in one post; this one has {len(segment.media)}."
        found.append(Violation(f"{name}.media.too_many", index, "media", detail, rules.most_media, len(segment.media), "media"))
    if len(segment.media) < rules.min_media:
        detail = f"{rules.name} takes no post without media."
        found.append(Violation(f"{name}.media.required", index, "media", detail, rules.min_media, len(segment.media), "media"))
    return found


def _check_file(rules: Rules, index: int, place: int, item: Media, settings: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with one file by what was found out of it; nothing where nobody has looked yet."""
    limit, facts, found = rules.media[item.type].of(settings), item.facts, []

    def add(rule: str, detail: str, most: float | None = None, measured: float | None = None, unit: str | None = None) -> None:
        limit, size = (None if value is None else round(value) for value in (most, measured))
        found.append(Violation(f"{rules.platform}.media.{rule}", index, f"media/{place}", detail, limit, size, unit))

    if facts is None:
        return []
    if facts.mime not in limit.formats:
        add("format", f"{rules.name} takes {', '.join(limit.formats)} here; this file is {facts.mime}.")
    if facts.size > limit.bytes:
        detail = f"{rules.name} takes at most {limit.bytes:,} bytes in one file of type {item.type}; this one has {facts.size:,}."
        add("too_large", detail, limit.bytes, facts.size, "bytes")
    if facts.size < limit.least_bytes:
        detail = f"{rules.name} takes no file of type {item.type} below {limit.least_bytes:,} bytes; this one has {facts.size:,}."
        add("too_small", detail, limit.least_bytes, facts.size, "bytes")
    if limit.seconds is not None and facts.seconds is not None:
        least, most = limit.seconds
        if not least <= facts.seconds <= most:
            detail = f"{rules.name} takes videos of {least:g} to {most:g} seconds; this one has {facts.seconds:.1f}."
            short = facts.seconds < least
            add("too_short" if short else "too_long", detail, least if short else most, facts.seconds, "seconds")
    for side, span, size in (("width", limit.width, facts.width), ("height", limit.height, facts.height)):
        if span is not None and size is not None and not span[0] <= size <= span[1]:
            detail = f"{rules.name} takes a {side} of {span[0]:,} to {span[1]:,} pixels; this file has {size:,}."
            add("dimensions", detail, span[0] if size < span[0] else span[1], size, "pixels")
    if limit.ratio is not None and facts.width and facts.height:
        shape = facts.width / facts.height
        if not limit.ratio[0] - 0.01 <= shape <= limit.ratio[1] + 0.01:
            detail = (
                f"{rules.name} takes a width of {limit.ratio[0]:.2f} to {limit.ratio[1]:.2f} times the height; this file is"
                f" {facts.width:,} x {facts.height:,}."
            )
            add("ratio", detail)
    return found


def check_file(rules: Rules, item: Media, settings: Mapping[str, Any]) -> list[Violation]:
    """What is wrong with one file by what is known of it, for a network that takes files of its type at all."""
    return _check_file(rules, 0, 0, item, settings) if item.type in rules.media else []


def check_options(rules: Rules, options: Mapping[str, Any]) -> list[Violation]:
    """What in `options` the network's table of options does not have (`option.unknown`) or not so (`option.invalid`)."""
    from .options import Fault, faults, part

    found = []
    schema: Mapping[str, Any] = rules.options.get("properties", {})
    known = tuple(sorted([*schema, *OVERRIDES]))
    for name, value in options.items():
        if name in schema:
            wrong = list(faults(schema[name], value, part(name)))
        else:
            wrong = [Fault(part(name), f"no option {name!r}; it has: {', '.join(known)}.", known=known)]
        for fault in wrong:
            rule = f"{rules.platform}.option.{'unknown' if fault.known else 'invalid'}"
            detail = f"{rules.name} has {fault.detail}" if name not in schema else f"{rules.name}'s {fault.detail}"
            found.append(
                Violation(rule, 0, f"options/{fault.path}", detail, fault.limit, fault.measured, fault.unit, fault.known)
            )
    return found


def _check_comment(rules: Rules, draft: Draft, settings: Mapping[str, Any]) -> list[Violation]:
    """A first comment is held against the network's rules for a text, each with an id of its own."""
    assert draft.comment is not None
    name, said = rules.platform, f"The first comment on {rules.name}"
    if not rules.first_comment:
        detail = (
            f"{rules.name} has no first comment here; leave it out, take {rules.name}'s profiles off the post, or say"
            f' "firstComment": "" under platforms.{name}.'
        )
        return [Violation(f"{name}.first_comment.unsupported", 0, "firstComment", detail)]
    if not draft.comment.text.strip():
        return [Violation(f"{name}.first_comment.empty", 0, "firstComment", f"{said} says nothing.")]
    alone = Draft((draft.comment,), draft.options)
    limits = rules if rules.comment is None else rules._replace(text=rules.comment)
    broken = _check_text(limits, 0, draft.comment, settings) + (rules.more(alone, settings) if rules.more else [])
    text = f"{name}.text."
    return [
        v._replace(rule=f"{name}.first_comment.{v.rule.removeprefix(text)}", field="firstComment", detail=f"{said}: {v.detail}")
        for v in broken if v.rule.startswith(text)
    ]
