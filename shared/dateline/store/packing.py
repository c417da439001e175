"""How a post's body is written down: JSON, compressed with a dictionary of the words every post has in common.

DynamoDB counts whole kilobytes for each write, and again for each index that carries the item: a usual post with three
targets takes 0.7 KB this way and 1.7 KB as JSON. A dictionary must never change, since what was written with it must be read
with it: a better one gets the next number.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

_WORDS = (
    b'"outcome":"failed","code":"unconfirmed","error":{"code":"","detail":"The network may or may not have taken it: its answer'
    b' was lost. "retrying","unconfirmed","cancelled","failed""post.draft","post.cancelled","post.failed","post.partial",'
    b'"post.unconfirmed",'
    b'"target.failed","target.retrying","target.unconfirmed","post.updated","draft","media":[{"url":"https://cdn.",'
    b'"type":"image","altText":"'
    b'"type":"video","looks":1,"absences":1,"failed_looks":,"uncertain":true,"redispatches":1,"nudged_at":1,"retries":1,'
    b'"next_attempt_at":1'
    b'"call_ended_at":1,"armed_at":1,"armed":0,"lease_until":1,"claim":""checkpoint":{"rkey":"3",'
    b'"createdAt":"2026-11-21T08:00:00.000Z","mediaIds":["'
    b'https://t.me/c/https://www.linkedin.com/feed/update/urn:li:share:https://www.threads.net/@https://www.instagram.com/p/'
    b'https://www.facebook.com/https://mastodon.social/@https://bsky.app/profile/did:plc:","remotes":[["at://did:plc:'
    b'/app.bsky.feed.post/3'
    b'","https://x.com/i/status/2",{"cid":"bafyrei"{"chatId":-100,"messageIds":["platform":"telegram","platform":"instagram",'
    b'"platform":"linkedin","platform":"facebook","platform":"threads","platform":"x","status":"published","tries":1,'
    b'"platform":"bluesky","status":"publishing","platform":"mastodon",{}]],"attempts":[[1,17,17,null,"published",null,null]]},'
    b'{"created_at":17,"updated_at":17,"ended_at":null,"segments":[{"text":"","media":[]}],"thread":false,"targets":['
    b'{"profile_id":"prof_01","platform":""}],"platforms":{},"labels":[],"metadata":{},"first_comment":null,'
    b'"intent":{"local":"2027-06-15T09:00:00","timezone":"America/New_York","fold":0},"max_lateness":86400.0,"on_late":"publish",'
    b'"on_segment_failure":"resume","allow_duplicate":false,"entry":0,"error":null,"trail":[[1,"post.scheduled",null,null,17],'
    b'[2,"post.queued","scheduled",null,17],[3,"post.publishing","queued",null,17],[4,"target.published","publishing","prof_01'
    b'",17],[7,"post.published","publishing",null,17]]}'
)

_DICTIONARIES = {1: _WORDS}
_CURRENT = 1


def pack(body: Any) -> bytes:
    """JSON in compressed form; the first byte tells with which dictionary."""
    packer = zlib.compressobj(9, wbits=-15, zdict=_DICTIONARIES[_CURRENT])
    plain = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return bytes([_CURRENT]) + packer.compress(plain) + packer.flush()


def unpack(data: bytes) -> Any:
    """The inverse of `pack`. Raises ValueError for a dictionary that this version does not know."""
    words = _DICTIONARIES.get(data[0])
    if words is None:
        raise ValueError(f"a body was packed with dictionary {data[0]}, which this version does not have")
    unpacker = zlib.decompressobj(wbits=-15, zdict=words)
    return json.loads(unpacker.decompress(data[1:]) + unpacker.flush())
