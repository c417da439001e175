"""Looking at media before a post is scheduled: what is behind each URL, so that the networks' rules can judge it.

What is seen decides (a file of a wrong format is refused); what cannot be seen now is a warning, never a refusal. Looks are
bounded: a few hundred kilobytes of each file, several side by side, some seconds in all.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from ..aws.media import MediaUnavailable
from ..domain import probing
from ..domain.content import Facts, Media, Pin, Segment
from ..domain.errors import FieldError
from ..platforms.base import FileInfo, Outcome
from . import pinning, uploads
from .compose import Warn, Wish

if TYPE_CHECKING:
    from ..wiring import Deps

LOOK_SECONDS = 4.0
"""For one file …"""

ALL_SECONDS = 8.0
"""… and for all of a request."""

MOST_LOOKS = 40
"""Files that one request looks at; those beyond are unchecked. A post has 20 media, an import may have thousands."""

SIDE_BY_SIDE = 8

REMEMBERED = timedelta(seconds=60)
"""What was seen is believed so long: validate and create follow on one another, and a write that meets another decides again."""

MOST_REMEMBERED = 1000


class Sight(NamedTuple):
    """What a look at a file gave: its facts and what tells its content from the next ("" where nothing does), or why there are
    none: `refused` for good (by a rule and its sentence), or else not to be seen now."""

    facts: Facts | None
    version: str = ""
    refused: tuple[str, str] | None = None
    why: str = ""
    gone: bool = False


class Looks:
    """Looks at customers' files, and what they gave a moment ago."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._seen: dict[str, tuple[datetime, Sight]] = {}
        self._silent: dict[str, datetime] = {}
        """Hosts that could not be reached: a name that does not resolve would cost its time-out again and again."""

    def at(self, urls: Sequence[str], *, ask: bool = True) -> dict[str, Sight]:
        """What is behind each address. Without `ask` only what is remembered; what was not looked at is not in the answer."""
        now = self._deps.clock.now()
        found = {url: sight for url in urls if (sight := self._remembered(url, now)) is not None}
        missing = [url for url in dict.fromkeys(urls) if url not in found][:MOST_LOOKS] if ask else []
        if missing:
            found |= self._look(missing)
        return found

    def _remembered(self, url: str, now: datetime) -> Sight | None:
        until, sight = self._seen.get(url, (now, None))
        if sight is not None and until > now:
            return sight
        if self._silent.get(urlsplit(url).netloc, now) > now:
            return Sight(None, why="The server could not be reached a moment ago.")
        return None

    def _look(self, urls: list[str]) -> dict[str, Sight]:
        done: dict[str, Sight] = {}
        http = self._deps.http
        if self._deps.settings.side_by_side <= 1:
            for url in urls:
                done[url] = _look(http, url)
        else:
            # Threads that nobody waits for when the time is up: a name server that is silent cannot be interrupted.
            todo, more = iter(urls), threading.Lock()

            def work() -> None:
                while True:
                    with more:
                        url = next(todo, None)
                    if url is None:
                        return
                    done[url] = _look(http, url)

            threads = [threading.Thread(target=work, daemon=True) for _ in range(min(SIDE_BY_SIDE, len(urls)))]
            for thread in threads:
                thread.start()
            end = monotonic() + ALL_SECONDS
            for thread in threads:
                thread.join(max(0.0, end - monotonic()))
            done = done.copy()
        late = Sight(None, why="It could not be looked at in time.", gone=True)
        self._remember(urls, {url: done.get(url, late) for url in urls})
        return {url: done.get(url, late) for url in urls}

    def _remember(self, urls: Sequence[str], sights: Mapping[str, Sight]) -> None:
        if len(self._seen) + len(urls) > MOST_REMEMBERED:
            self._seen.clear()
            self._silent.clear()
        until = self._deps.clock.now() + REMEMBERED
        for url, sight in sights.items():
            self._seen[url] = (until, sight)
            if sight.gone:
                self._silent[urlsplit(url).netloc] = until


def _look(http: Any, url: str) -> Sight:
    """One file: its first bytes, and further parts where its kind is told there."""
    head = bytearray()

    def take(_: FileInfo, piece: bytes) -> bool:
        head.extend(piece)
        return len(head) < probing.HEAD

    def read(start: int, length: int) -> bytes:
        part = bytearray()

        def take_part(info: FileInfo, piece: bytes) -> bool:
            if info.start != start:
                return False
            part.extend(piece)
            return len(part) < length

        try:
            http.fetch(url, take_part, start=start, length=length, seconds=LOOK_SECONDS)
        except Outcome:
            return b""
        return bytes(part[:length])

    try:
        info = http.fetch(url, take, length=probing.HEAD, seconds=LOOK_SECONDS)
    except Outcome as outcome:
        if outcome.code == "media_address_refused":
            return Sight(None, refused=("media.private_address", "The address is not on the public internet."))
        return Sight(None, why=outcome.detail, gone=outcome.detail.startswith("A medium could not be fetched"))
    size = info.size if info.size is not None else len(head)
    if not size:
        return Sight(None, refused=("media.empty", "The file behind this address is empty."))
    facts = probing.facts_of(bytes(head[: probing.HEAD]), size, read if info.parts else lambda start, length: b"", info.declared)
    version = f"{info.version}|{size}" if info.version else ""
    if len(head) >= size:
        version = hashlib.sha256(head).hexdigest()
    return Sight(facts, version)


class Looked(NamedTuple):
    """A wish with its media looked at: the wish with the types that their contents tell, the copies its post will publish from,
    and what there is to say."""

    wish: Wish
    pins: dict[str, Pin]
    warnings: tuple[Warn, ...] = ()
    faults: tuple[FieldError, ...] = ()

    @property
    def facts(self) -> dict[str, Facts | None]:
        """What is known of its media, by URL."""
        return {url: pin.facts for url, pin in self.pins.items()}


def media_of(wish: Wish) -> Iterator[tuple[str, Media]]:
    """Every medium of a wish with the pointer to it in the client's body."""

    def of(base: str, value: Any) -> Iterator[tuple[str, Media]]:
        for number, item in enumerate(value or ()):
            yield f"{base}/media/{number}", item if isinstance(item, Media) else Media.from_dict(item)

    if wish.thread is not None:
        for number, segment in enumerate(wish.thread):
            yield from of(f"/thread/{number}", segment.media)
    else:
        yield from of("", wish.media)
    for name, override in wish.platforms.items():
        yield from of(f"/platforms/{name}", (override or {}).get("media"))
        for number, part in enumerate((override or {}).get("thread") or ()):
            yield from of(f"/platforms/{name}/thread/{number}", part.get("media"))


def look_into(
    deps: Deps, wish: Wish, known: Mapping[str, Pin], *, partition: str, salt: str, draft: bool, ask: bool = True
) -> Looked:
    """Look at what the wish names and is not `known` yet. A draft is not looked at, but may name no medium that there is not.

    `salt` makes copies the post's own (or its import's) where nothing tells the content. Raises `Problem` not_found for a
    medium the workspace does not have, `StoreUnavailable`.
    """
    named = list(media_of(wish))
    if not named:
        return Looked(wish, {})
    first: dict[str, str] = {}
    for pointer, item in named:
        first.setdefault(item.url, pointer)
    new = [url for url in first if url not in known or known[url].facts is None]
    sights = {url: _own(deps, partition, url, f"{first[url]}/url") for url in new if pinning.is_reference(url)}
    kept = {url: pin for url, pin in known.items() if url in first}
    if draft:
        return Looked(wish, kept)
    sights |= deps.looks.at([url for url in new if not pinning.is_reference(url)], ask=ask)
    warnings: list[Warn] = []
    faults: list[FieldError] = []
    pins, now = dict(kept), deps.clock.now()
    for url in new:
        sight = sights.get(url) or Sight(None, why="A request looks at a limited number of files.")
        pointer = f"{first[url]}/url"
        if sight.refused:
            faults.append(FieldError(pointer, *sight.refused))
            continue
        if sight.facts is None:
            detail = f"This medium could not be looked at: {sight.why} It is fetched again before the post is due."
            warnings.append(Warn("media_unchecked", detail, {"pointer": pointer}))
        elif sight.facts.size > deps.settings.media_bytes:
            most = deps.settings.media_bytes
            detail = f"A file has at most {most:,} bytes here; this one has {sight.facts.size:,}."
            extra = {"limit": most, "measured": sight.facts.size, "unit": "bytes"}
            faults.append(FieldError(pointer, "media.too_large", detail, extra))
        key = known[url].key if url in known else pinning.key_of(partition, url, sight.version or salt, now)
        pins[url] = Pin(key, sight.facts)
    types = {url: probing.kind_of(pin.facts.mime) for url, pin in pins.items() if pin.facts and _telling(pin.facts.mime)}
    for pointer, item in named:
        told = _told(item, types)
        if told != item.type:
            detail = f"This file is of type {told} by its content, and is published as that; the post says {item.type}."
            warnings.append(Warn("media_type_corrected", detail, {"pointer": f"{pointer}/type"}))
    return Looked(_corrected(wish, types), pins, tuple(warnings), tuple(faults))


def _own(deps: Deps, partition: str, url: str, pointer: str) -> Sight:
    """An upload, or a copy that was asked for."""
    file = uploads.find(deps, partition, url.removeprefix(pinning.REFERENCE), pointer)
    try:
        file = uploads.looked_at(deps, file)
    except MediaUnavailable:
        return Sight(None, why="The store of media did not answer.")
    if file.failure is not None:
        return Sight(None, refused=("media.failed", file.failure[1]))
    if file.facts is not None:
        return Sight(Facts(*file.facts), version=file.id)
    if file.url is None:
        detail = "Its file has not been uploaded yet: send it to the upload's address first."
        return Sight(None, refused=("media.not_uploaded", detail))
    return Sight(None, why="It is still being copied.", version=file.id)


def _telling(mime: str) -> bool:
    """Whether a type is one that media have: what is none of them is left to the rules, which name it."""
    return mime.partition("/")[0] in ("image", "video") or mime == "application/pdf"


def _told(item: Media, types: Mapping[str, str]) -> str:
    """The type by content. A GIF is a picture, too: what is sent as an image stays one."""
    told = types.get(item.url, item.type)
    return item.type if (told, item.type) == ("gif", "image") else told


def _corrected(wish: Wish, types: Mapping[str, str]) -> Wish:
    def media(items: Sequence[Media]) -> tuple[Media, ...]:
        return tuple(item._replace(type=_told(item, types)) for item in items)

    def stored(items: Any) -> list[dict[str, Any]]:
        return [{**item, "type": _told(Media.from_dict(item), types)} for item in items]

    def override(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        out = dict(value)
        if out.get("media"):
            out["media"] = stored(out["media"])
        if out.get("thread"):
            out["thread"] = [{**part, "media": stored(part.get("media") or ())} for part in out["thread"]]
        return out

    thread = None if wish.thread is None else tuple(Segment(part.text, media(part.media)) for part in wish.thread)
    platforms = {name: override(value) for name, value in wish.platforms.items()}
    return wish._replace(media=media(wish.media), thread=thread, platforms=platforms)
