"""A stand-in for a Bluesky personal data server: repositories with record keys and CIDs, sessions that run out and rotate.

It behaves as the tested PDS 0.5.35 did (400 for a bad key or date, 500 for a taken key, no second commit for the same content)
and shares no code with the publisher: it computes CIDs for itself, so that a thread whose references are wrong can be told.
"""

from __future__ import annotations

import hashlib
import math
import re
from base64 import b32decode, b32encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import libipld
import regex
from werkzeug.wrappers import Request, Response

from .base import Entry, Network, Phase, Route, World, answer

COLLECTION = "app.bsky.feed.post"
ACCESS_LIFE = timedelta(minutes=120)
REFRESH_LIFE = timedelta(days=90)
GRACE = timedelta(hours=2)
"""How long a refresh token that was used already is taken once more."""

_TID = re.compile(r"[2-7a-j][2-7a-z]{12}")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_PUBLIC = re.compile(r".*/xrpc/com\.atproto\.(repo\.(getRecord|listRecords)|identity\.resolveHandle)")


class _Refusal(Exception):
    """An XRPC error on its way to the answer."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.answer = _error(status, error, message)


@dataclass
class _Session:
    """A token: whose it is, until when it is good. `used` is set on a refresh token that was rotated already."""

    did: str
    until: datetime
    used: bool = False


@dataclass
class _Stored:
    """One record of a repository."""

    rkey: str
    cid: str
    value: dict[str, Any]
    entry: Entry


class BlueskyNetwork(Network):
    """One server with any number of accounts; `prof_bluesky` is alice.bsky.local."""

    platform: ClassVar[str] = "bluesky"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.accounts: dict[str, tuple[str, str]] = {}
        """DID -> (profile id, handle)."""
        self.passwords: dict[str, str] = {}
        self.access: dict[str, _Session] = {}
        self.refreshing: dict[str, _Session] = {}
        self.blobs: dict[tuple[str, str], dict[str, Any]] = {}
        self.repos: dict[str, dict[str, _Stored]] = {}
        self.commits = 0
        """How often a repository changed: writing the same record again is no commit."""
        handlers: dict[str, tuple[str, Phase, Callable[..., Response]]] = {
            "repo.putRecord": ("POST", "publish", self._put_record),
            "repo.createRecord": ("POST", "publish", self._create_record),
            "repo.applyWrites": ("POST", "publish", self._apply_writes),
            "repo.uploadBlob": ("POST", "prepare", self._upload_blob),
            "repo.deleteRecord": ("POST", "delete", self._delete_record),
            "repo.getRecord": ("GET", "read", self._get_record),
            "repo.listRecords": ("GET", "read", self._list_records),
            "identity.resolveHandle": ("GET", "read", self._resolve_handle),
            "server.getSession": ("GET", "read", self._get_session),
            "server.createSession": ("POST", "auth", self._create_session),
            "server.refreshSession": ("POST", "auth", self._refresh_session),
        }
        for name, (method, phase, handle) in handlers.items():
            self.routes.append(Route(method, rf"/xrpc/com\.atproto\.{re.escape(name)}", phase, _answering(handle)))
        self._account("prof_bluesky")

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What a profile of this network is seeded with: a fresh session of its account, made on first sight."""
        with self.world.lock:
            did = self._account(profile_id)
            tokens = self._open_session(did)
        credentials = {"identifier": self.accounts[did][1], "appPassword": self.passwords[did], **tokens}
        return {"server": "/bluesky", "accountId": did, "credentials": credentials, "expiresIn": int(ACCESS_LIFE.total_seconds())}

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        """400 for a token that ran out or was never issued, 401 for none; reading records is public."""
        if _PUBLIC.fullmatch(request.path):
            return None
        token = _bearer(request)
        if not token:
            return _error(401, "AuthMissing", "Authentication Required")
        if token in self.refreshing:
            return _error(400, "InvalidToken", "Bad token scope")
        if token not in self.access:
            return _error(400, "InvalidToken", "Token could not be verified")
        if self.access[token].until <= self.now():
            return self.expired()
        return None

    def rate_limited(self, retry_after: float) -> Response:
        """429 with the reset in unix seconds."""
        reset = math.ceil(self.now().timestamp() + retry_after)
        headers = {
            "RateLimit-Limit": "5000", "RateLimit-Remaining": "0", "RateLimit-Reset": str(reset),
            "RateLimit-Policy": "5000;w=3600",
        }
        return answer(429, {"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}, headers)

    def server_error(self) -> Response:
        """500 in the shape of XRPC."""
        return _error(500, "InternalServerError", "Internal Server Error")

    def rejected(self) -> Response:
        """400: the record is not valid."""
        return _error(400, "InvalidRequest", "Invalid app.bsky.feed.post record: refused on request")

    def expired(self) -> Response:
        """400, not 401."""
        return _error(400, "ExpiredToken", "Token has expired")

    def expire_tokens(self) -> bool:
        """Every access token runs out now; refresh tokens stay good."""
        for session in self.access.values():
            session.until = min(session.until, self.now())
        return True

    def _account(self, profile_id: str) -> str:
        digest = hashlib.sha256(profile_id.encode()).digest()
        did = "did:plc:" + b32encode(digest).decode().lower()[:24]
        if did not in self.accounts:
            name = "alice" if profile_id == "prof_bluesky" else re.sub(r"[^a-z0-9]+", "-", profile_id.lower()).strip("-")
            self.accounts[did] = (profile_id, f"{name}.bsky.local")
            self.passwords[did] = "-".join(digest.hex()[at : at + 4] for at in range(0, 16, 4))
            self.repos[did] = {}
        return did

    def _open_session(self, did: str) -> dict[str, str]:
        number = self.next_number()
        access, refresh = f"local-access-{number}", f"local-refresh-{number}"
        self.access[access] = _Session(did, self.now() + ACCESS_LIFE)
        self.refreshing[refresh] = _Session(did, self.now() + REFRESH_LIFE)
        return {"accessJwt": access, "refreshJwt": refresh}

    def _create_session(self, request: Request) -> Response:
        body = _body(request)
        for did, (_, handle) in self.accounts.items():
            if body.get("identifier") in (did, handle) and body.get("password") == self.passwords[did]:
                return answer(200, {**self._open_session(did), "did": did, "handle": handle, "active": True})
        return _error(401, "AuthenticationRequired", "Invalid identifier or password")

    def _refresh_session(self, request: Request) -> Response:
        token = _bearer(request)
        if token in self.access:
            return _error(400, "InvalidToken", "Bad token scope")
        session = self.refreshing.get(token)
        if session is None:
            return _error(400, "InvalidToken", "Token could not be verified")
        if session.until <= self.now():
            return _error(400, "ExpiredToken", "Token has been revoked")
        if session.used:
            session.until = self.now()
        else:
            session.used, session.until = True, min(session.until, self.now() + GRACE)
        did = session.did
        return answer(200, {**self._open_session(did), "did": did, "handle": self.accounts[did][1], "active": True})

    def _get_session(self, request: Request) -> Response:
        did = self._did(request)
        return answer(200, {"did": did, "handle": self.accounts[did][1], "active": True})

    def _resolve_handle(self, request: Request) -> Response:
        for did, (_, handle) in self.accounts.items():
            if handle == request.args.get("handle"):
                return answer(200, {"did": did})
        return _error(400, "HandleNotFound", "Unable to resolve handle")

    def _did(self, request: Request) -> str:
        return self.access[_bearer(request)].did

    def _put_record(self, request: Request) -> Response:
        did, body = self._did(request), _body(request)
        rkey, record = str(body.get("rkey") or ""), _record(body, "record")
        cid = self._checked(did, body, rkey, record)
        stored = self.repos[did].get(rkey)
        if stored is None:
            self._store(did, rkey, cid, record, {})
            self.commits += 1
        elif stored.cid != cid:
            stored.cid, stored.value, stored.entry.text = cid, record, record["text"]
            self.commits += 1
        return answer(200, {"uri": _uri(did, rkey), "cid": cid, "validationStatus": "valid"})

    def _create_record(self, request: Request) -> Response:
        did, body = self._did(request), _body(request)
        rkey, record = str(body.get("rkey") or self._new_key()), _record(body, "record")
        cid = self._checked(did, body, rkey, record)
        if rkey in self.repos[did]:
            return self.server_error()
        self._store(did, rkey, cid, record, {})
        self.commits += 1
        return answer(200, {"uri": _uri(did, rkey), "cid": cid, "validationStatus": "valid"})

    def _apply_writes(self, request: Request) -> Response:
        did, body = self._did(request), _body(request)
        writes = body.get("writes")
        if not isinstance(writes, list) or len(writes) > 200:
            return _error(400, "InvalidRequest", "Too many writes. Max: 200")
        batch: dict[str, tuple[str, dict[str, Any]]] = {}
        taken = False
        for write in writes:
            if write.get("$type") != "com.atproto.repo.applyWrites#create":
                return _error(400, "InvalidRequest", f"Action not supported: {write.get('$type')}")
            rkey = str(write.get("rkey") or self._new_key())
            record = _record(write, "value")
            cid = self._checked(did, {**write, "repo": body.get("repo")}, rkey, record)
            taken = taken or rkey in self.repos[did] or rkey in batch
            batch[rkey] = (cid, record)
        if taken:
            return self.server_error()
        for rkey, (cid, record) in batch.items():
            self._store(did, rkey, cid, record, {_uri(did, key): value[0] for key, value in batch.items()})
        self.commits += 1
        kind = "com.atproto.repo.applyWrites#createResult"
        results = [
            {"$type": kind, "uri": _uri(did, rkey), "cid": cid, "validationStatus": "valid"} for rkey, (cid, _) in batch.items()
        ]
        return answer(200, {"commit": {"cid": results[0]["cid"], "rev": self._new_key()}, "results": results})

    def _get_record(self, request: Request) -> Response:
        did, rkey = request.args.get("repo", ""), request.args.get("rkey", "")
        stored = self.repos.get(did, {}).get(rkey)
        if stored is None or request.args.get("collection") != COLLECTION:
            return _error(400, "RecordNotFound", f"Could not locate record: {_uri(did, rkey)}")
        return answer(200, {"uri": _uri(did, rkey), "cid": stored.cid, "value": stored.value})

    def _list_records(self, request: Request) -> Response:
        did, limit = request.args.get("repo", ""), int(request.args.get("limit", 50))
        keys = sorted(self.repos.get(did, {}), reverse=True)
        if request.args.get("cursor"):
            keys = [key for key in keys if key < request.args["cursor"]]
        records = [self.repos[did][key] for key in keys[:limit]]
        page = {"records": [{"uri": _uri(did, r.rkey), "cid": r.cid, "value": r.value} for r in records]}
        return answer(200, {**page, "cursor": records[-1].rkey} if len(keys) > limit else page)

    def _delete_record(self, request: Request) -> Response:
        did, body = self._did(request), _body(request)
        if body.get("repo") != did:
            return _error(401, "AuthenticationRequired", "Authentication Required")
        stored = self.repos[did].pop(str(body.get("rkey")), None)
        if stored is not None:
            stored.entry.gone = True
            self.commits += 1
        return answer(200, {})

    def _upload_blob(self, request: Request) -> Response:
        did, content = self._did(request), request.get_data()
        cid = _cid(b"\x01\x55", content)
        mime = (request.content_type or "application/octet-stream").partition(";")[0]
        blob = {"$type": "blob", "ref": {"$link": cid}, "mimeType": mime, "size": len(content)}
        self.blobs[did, cid] = blob
        return answer(200, {"blob": blob})

    def _store(self, did: str, rkey: str, cid: str, record: dict[str, Any], batch: Mapping[str, str]) -> None:
        """Write a record and show it. The ledger tells whether the references of a reply are the CIDs really stored."""
        reply = record.get("reply") or {}
        known = {**{_uri(did, key): stored.cid for key, stored in self.repos[did].items()}, **batch}
        images = (record.get("embed") or {}).get("images") or []
        extra: dict[str, Any] = {"cid": cid, "alts": [image["alt"] for image in images], "langs": record.get("langs") or []}
        extra |= {name: record[name] for name in ("labels", "tags") if name in record}
        for end in ("parent", "root"):
            if reply:
                extra[f"{end}_matches"] = known.get(reply[end]["uri"]) == reply[end]["cid"]
        entry = self.visible(
            self.accounts[did][0], _uri(did, rkey), record["text"], [image["image"]["ref"]["$link"] for image in images],
            reply["parent"]["uri"] if reply else None, **extra,
        )
        self.repos[did][rkey] = _Stored(rkey, cid, record, entry)

    def _checked(self, did: str, body: Mapping[str, Any], rkey: str, record: dict[str, Any]) -> str:
        """The record's CID. Raises `_Refusal` for what the lexicon or the server does not take."""
        if body.get("repo") != did:
            raise _Refusal(401, "AuthenticationRequired", "Authentication Required")
        if body.get("collection") != COLLECTION:
            raise _Refusal(400, "InvalidRequest", "this stand-in keeps posts only")
        if not _TID.fullmatch(rkey):
            raise _Refusal(400, "InvalidRequest", f"Invalid record key for {COLLECTION}: Invalid TID")
        wrong = _wrong_with(record)
        if wrong:
            raise _Refusal(400, "InvalidRequest", f"Invalid {COLLECTION} record: {wrong}")
        for image in (record.get("embed") or {}).get("images") or []:
            cid = image["image"]["ref"]["$link"]
            if (did, cid) not in self.blobs:
                raise _Refusal(400, "BlobNotFound", f"Could not find blob: {cid}")
            if self.blobs[did, cid]["size"] > 2_000_000:
                raise _Refusal(400, "BlobTooLarge", "This file is too large. The maximum is 2 MB.")
        return _cid(b"\x01\x71", libipld.encode_dag_cbor(_links_as_bytes(record)))

    def _new_key(self) -> str:
        micros, alphabet = int(self.now().timestamp() * 1_000_000) + self.next_number(), "234567abcdefghijklmnopqrstuvwxyz"
        return "".join(alphabet[(micros << 10) >> shift & 31] for shift in range(60, -1, -5))


def _wrong_with(record: Mapping[str, Any]) -> str | None:
    """What the lexicon of a post objects to; None when nothing."""
    if record.get("$type") != COLLECTION:
        return f"$type must be {COLLECTION}"
    text = record.get("text")
    if not isinstance(text, str):
        return "text must be a string"
    size = len(text.encode())
    if size > 3000:
        return f"text must not be longer than 3000 bytes, got {size}"
    if len(regex.findall(r"\X", text)) > 300:
        return "text must not be longer than 300 graphemes"
    if not _DATE.fullmatch(str(record.get("createdAt"))):
        return "createdAt must be a valid RFC 3339 datetime with a time zone"
    for facet in record.get("facets") or []:
        first, last = facet["index"]["byteStart"], facet["index"]["byteEnd"]
        if not 0 <= first < last <= size:
            return f"facet {first}-{last} is outside the text of {size} bytes"
        if not all(f.get("$type", "").startswith("app.bsky.richtext.facet#") for f in facet["features"]):
            return "facet feature of unknown type"
    if len(record.get("langs") or []) > 3:
        return "langs must not have more than 3 elements"
    if len(record.get("tags") or []) > 8:
        return "tags must not have more than 8 elements"
    if any(len(tag.encode()) > 640 or len(regex.findall(r"\X", tag)) > 64 for tag in record.get("tags") or []):
        return "a tag must not be longer than 640 bytes or 64 graphemes"
    if "labels" in record and not _are_labels(record["labels"]):
        return "labels must be com.atproto.label.defs#selfLabels"
    return _wrong_with_embed(record.get("embed")) or _wrong_with_reply(record.get("reply"))


def _are_labels(labels: Mapping[str, Any]) -> bool:
    values = labels.get("values")
    if labels.get("$type") != "com.atproto.label.defs#selfLabels" or not isinstance(values, list) or len(values) > 10:
        return False
    return all(set(value) == {"val"} and len(value["val"]) <= 128 for value in values)


def _wrong_with_embed(embed: Any) -> str | None:
    if embed is None:
        return None
    if embed.get("$type") != "app.bsky.embed.images":
        return "this stand-in knows no embed but images"
    images = embed.get("images") or []
    if not 1 <= len(images) <= 4:
        return "images must have 1 to 4 elements"
    if not all(isinstance(image.get("alt"), str) and image.get("image", {}).get("$type") == "blob" for image in images):
        return "an image must have alt and a blob"
    return None


def _wrong_with_reply(reply: Any) -> str | None:
    if reply is None or all({"uri", "cid"} <= set(reply.get(end) or {}) for end in ("root", "parent")):
        return None
    return "reply must have root and parent, each with uri and cid"


def _links_as_bytes(value: Any) -> Any:
    if isinstance(value, dict) and list(value) == ["$link"]:
        coded = value["$link"].removeprefix("b").upper()
        return b32decode(coded.ljust(-(-len(coded) // 8) * 8, "="))
    if isinstance(value, dict):
        return {key: _links_as_bytes(item) for key, item in value.items()}
    return [_links_as_bytes(item) for item in value] if isinstance(value, list) else value


def _cid(prefix: bytes, content: bytes) -> str:
    return libipld.encode_cid(prefix + b"\x12\x20" + hashlib.sha256(content).digest())


def _uri(did: str, rkey: str) -> str:
    return f"at://{did}/{COLLECTION}/{rkey}"


def _error(status: int, error: str, message: str) -> Response:
    return answer(status, {"error": error, "message": message})


def _bearer(request: Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()


def _body(request: Request) -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise _Refusal(400, "InvalidRequest", "A request body was expected but none was provided")
    return body


def _record(body: Mapping[str, Any], member: str) -> dict[str, Any]:
    record = body.get(member)
    if not isinstance(record, dict):
        raise _Refusal(400, "InvalidRequest", f"Input/{member} must be an object")
    return record


def _answering(handle: Callable[..., Response]) -> Callable[..., Response]:
    def handled(request: Request) -> Response:
        try:
            return handle(request)
        except _Refusal as refusal:
            return refusal.answer

    return handled
