"""Records as a Bluesky repository stores them: the keys we choose, the posts we write, and their content ids.

Record keys and CIDs are what makes a lost answer decidable and a thread atomic, so both are computed here and are the same
on every try. Nothing here speaks to the network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from .rules import MOST_IMAGES

COLLECTION = "app.bsky.feed.post"
GATES = "app.bsky.feed.threadgate"

_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"
_SPREAD = 999_000


def record_keys(seed: str, now: datetime, count: int) -> list[str]:
    """`count` ascending record keys (TIDs: 53 bits of microseconds, 10 bits of clock id, 13 characters).

    The place inside the last full second and the clock id come from `seed` (the delivery's key), not from the clock: two
    posts of one account in the same second would otherwise be written over each other. Some 10^9 keys share a second.
    """
    from hashlib import sha256

    digest = sha256(seed.encode()).digest()
    offset = int.from_bytes(digest[:8], "big") % _SPREAD
    clock_id = int.from_bytes(digest[8:10], "big") % 1024
    first = (int(now.timestamp()) - 1) * 1_000_000 + offset
    return [_tid(first + place, clock_id) for place in range(count)]


def _tid(micros: int, clock_id: int) -> str:
    value = micros << 10 | clock_id
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(60, -1, -5))


def timestamp(at: datetime) -> str:
    """RFC 3339 with milliseconds and a zone, which `createdAt` must have."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def later(created_at: str, place: int) -> str:
    """`created_at` plus `place` milliseconds: a thread's segments sort in their order."""
    return timestamp(datetime.fromisoformat(created_at) + timedelta(milliseconds=place))


def uri_of(did: str, rkey: str) -> str:
    """The address of a post: `at://did/app.bsky.feed.post/rkey`."""
    return f"at://{did}/{COLLECTION}/{rkey}"


def url_of(did: str, rkey: str) -> str:
    """Where a person sees it."""
    return f"https://bsky.app/profile/{did}/post/{rkey}"


def parts_of(uri: str) -> tuple[str, str] | None:
    """(repository, record key) of a post's at:// URI; None if it is none."""
    match = re.fullmatch(rf"at://([^/]+)/{re.escape(COLLECTION)}/([^/]+)", uri)
    return (match.group(1), match.group(2)) if match else None


def post_record(
    text: str,
    created_at: str,
    facets: Sequence[Mapping[str, Any]] = (),
    embed: Mapping[str, Any] | None = None,
    langs: Sequence[str] = (),
    reply: Mapping[str, Any] | None = None,
    labels: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> dict[str, Any]:
    """An `app.bsky.feed.post`; what is empty is left out."""
    record: dict[str, Any] = {"$type": COLLECTION, "text": text, "createdAt": created_at}
    if facets:
        record["facets"] = list(facets)
    if embed:
        record["embed"] = dict(embed)
    if langs:
        record["langs"] = list(langs)
    if labels:
        record["labels"] = {"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": label} for label in labels]}
    if tags:
        record["tags"] = list(tags)
    if reply:
        record["reply"] = dict(reply)
    return record


class Uploaded(NamedTuple):
    """A medium that is up: its type ("image", "gif" or "video"), its blob as the server named it, its alternative text, and its
    width and height where they are known."""

    type: str
    blob: Mapping[str, Any]
    alt: str
    size: tuple[int, int] | None


def embed_of(
    files: Sequence[Uploaded], card: Mapping[str, Any] | None = None, quote: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """What a post shows below its text: media or a link card (which takes a single picture as its own), and a quoted post.
    None for a post of text alone."""
    media = _card(card, files) if card else _media(files)
    if not quote:
        return media
    record = {"$type": "app.bsky.embed.record", "record": {"uri": quote["uri"], "cid": quote["cid"]}}
    return {"$type": "app.bsky.embed.recordWithMedia", "record": record, "media": media} if media else record


def _card(card: Mapping[str, Any], files: Sequence[Uploaded]) -> dict[str, Any]:
    external: dict[str, Any] = {"uri": card["url"], "title": card["title"], "description": card.get("description") or ""}
    if files:
        external["thumb"] = dict(files[0].blob)
    return {"$type": "app.bsky.embed.external", "external": external}


def _media(files: Sequence[Uploaded]) -> dict[str, Any] | None:
    if not files:
        return None
    if files[0].type != "image":
        return _video(files[0])
    images = [{"alt": file.alt, "image": dict(file.blob), **_ratio(file)} for file in files]
    if len(images) <= MOST_IMAGES:
        return {"$type": "app.bsky.embed.images", "images": images}
    gallery = "app.bsky.embed.gallery"
    return {"$type": gallery, "items": [{"$type": f"{gallery}#image", **image} for image in images]}


def _video(file: Uploaded) -> dict[str, Any]:
    embed: dict[str, Any] = {"$type": "app.bsky.embed.video", "video": dict(file.blob), **_ratio(file)}
    if file.alt:
        embed["alt"] = file.alt
    if file.type == "gif":
        embed["presentation"] = "gif"
    return embed


def _ratio(file: Uploaded) -> dict[str, Any]:
    return {"aspectRatio": {"width": file.size[0], "height": file.size[1]}} if file.size else {}


def cid_of(record: Mapping[str, Any]) -> str:
    """The CID a repository gives to `record` (JSON form): CIDv1, DAG-CBOR, SHA-256, base32 (`bafyrei…`)."""
    from base64 import b32encode
    from hashlib import sha256

    import libipld

    digest = sha256(libipld.encode_dag_cbor(_data_model(record))).digest()
    return "b" + b32encode(b"\x01\x71\x12\x20" + digest).decode().lower().rstrip("=")


def _data_model(value: Any) -> Any:
    """JSON form to data model: `{"$link": cid}` becomes the CID's bytes, which the encoder writes as a link."""
    if isinstance(value, Mapping):
        if set(value) == {"$link"}:
            from base64 import b32decode

            body = str(value["$link"])[1:].upper()
            return b32decode(body + "=" * (-len(body) % 8))
        return {name: _data_model(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_data_model(item) for item in value]
    return value
