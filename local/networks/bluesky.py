"""A stand-in for a Bluesky personal data server and the video service: record keys and CIDs, sessions that run out and rotate.

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
_PUBLIC = re.compile(
    r".*/xrpc/(com\.atproto\.(repo\.(getRecord|listRecords)|identity\.resolveHandle)|app\.bsky\.video\.getJobStatus)"
)
GATES = "app.bsky.feed.threadgate"
GATE_RULES = ("mentionRule", "followerRule", "followingRule", "listRule")
PDS = "pds.bsky.local"
"""The host of the server that keeps the repositories: another than the one that is signed in at."""
VIDEO_BYTES = 300_000_000
VIDEO_TYPES: Mapping[str, tuple[bytes, int]] = {
    "video/mp4": (b"ftyp", 4), "video/quicktime": (b"ftyp", 4), "video/webm": (b"\x1aE\xdf\xa3", 0), "image/gif": (b"GIF8", 0),
}
EMBED = "app.bsky.embed."


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
class _Service:
    """A token for a service: whose it is, for which audience and method, until when."""

    did: str
    aud: str
    lxm: str
    until: datetime


@dataclass
class _Job:
    """A video being processed: `blob` is what comes of it at `ready`, unless `refused` says a failure code and why."""

    id: str
    did: str
    ready: datetime
    blob: dict[str, Any]
    refused: tuple[str, str] | None
    again: bool = False


@dataclass
class _Stored:
    """One record of a repository."""

    rkey: str
    cid: str
    value: dict[str, Any]
    entry: Entry


class BlueskyNetwork(Network):
    """One server with any number of accounts; `prof_bluesky` is alice.bsky.local. A video is processed for `processing_seconds`
    and fails in the end with `refuse_video`, a failure code and words; none is taken while e-mail addresses are `unconfirmed`."""

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
        self.gates: dict[tuple[str, str], dict[str, Any]] = {}
        """Threadgates by repository and record key."""
        self.services: dict[str, _Service] = {}
        self.jobs: dict[str, _Job] = {}
        self.videos: dict[tuple[str, str], _Job] = {}
        """The first job for each account's file."""
        self.processing_seconds = 5.0
        self.refuse_video: tuple[str, str] | None = None
        self.unconfirmed = False
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
            "server.getServiceAuth": ("GET", "prepare", self._get_service_auth),
            "server.createSession": ("POST", "auth", self._create_session),
            "server.refreshSession": ("POST", "auth", self._refresh_session),
        }
        for name, (method, phase, handle) in handlers.items():
            self.routes.append(Route(method, rf"/xrpc/com\.atproto\.{re.escape(name)}", phase, _answering(handle)))
        video = r"/video\.bsky\.app/xrpc/app\.bsky\.video\."
        self.routes.append(Route("POST", video + "uploadVideo", "prepare", _answering(self._upload_video)))
        self.routes.append(Route("GET", video + "getJobStatus", "prepare", _answering(self._get_job_status)))
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
        if "/video.bsky.app/" in request.path:
            service = self.services.get(token)
            good = service is not None and service.until > self.now() and service.aud == f"did:web:{PDS}"
            if service is not None and good and service.lxm == "com.atproto.repo.uploadBlob":
                return None
            return answer(401, {"error": "BadJwt", "message": "jwt audience or scope does not match, or it has expired"})
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
        service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": f"https://{PDS}"}
        return answer(200, {
            "did": did, "handle": self.accounts[did][1], "active": True, "didDoc": {"id": did, "service": [service]},
        })

    def _get_service_auth(self, request: Request) -> Response:
        asked = request.args
        life = float(asked.get("exp", self.now().timestamp() + 60)) - self.now().timestamp()
        if not asked.get("aud", "").startswith("did:"):
            return _error(400, "InvalidRequest", "aud must be a valid atproto DID or did#serviceId reference")
        if not 0 <= life <= 3600 or (life > 60 and not asked.get("lxm")):
            return _error(400, "BadExpiration", "cannot request a token with such an expiration")
        token = f"local-service-{self.next_number()}"
        until = self.now() + timedelta(seconds=life)
        self.services[token] = _Service(self._did(request), asked["aud"], asked.get("lxm", "*"), until)
        return answer(200, {"token": token})

    def _upload_video(self, request: Request) -> Response:
        did, content = self.services[_bearer(request)].did, request.get_data()
        kind = (request.content_type or "").partition(";")[0]
        magic, start = VIDEO_TYPES.get(kind, (b"", 0))
        if request.args.get("did") != did or not request.args.get("name"):
            return _error(400, "InvalidRequest", "did and name are needed, and did is the token's")
        if self.unconfirmed:
            return answer(400, {"jobStatus": {"did": "", "error": "unconfirmed_email", "jobId": "", "state": ""}})
        if not magic or not content[start:].startswith(magic):
            return _error(400, "invalid_content_type", "Invalid content type")
        if len(content) > VIDEO_BYTES:
            return _error(413, "file_too_large", "File too large")
        digest = hashlib.sha256(content).hexdigest()
        before = self.videos.get((did, digest))
        job_id = f"job{self.next_number():06d}"
        if before is not None and before.refused is None:
            job = self.jobs[job_id] = _Job(job_id, did, before.ready, before.blob, None, again=True)
            known = {"error": "already_exists", "message": "Video already processed", "state": "JOB_STATE_COMPLETED"}
            return answer(409, {"did": did, "jobId": job.id, **known})
        blob = {
            "$type": "blob", "ref": {"$link": _cid(b"\x01\x55", b"transcoded" + content)}, "mimeType": "video/mp4",
            "size": len(content),
        }
        ready = self.now() + timedelta(seconds=self.processing_seconds)
        self.jobs[job_id] = self.videos[did, digest] = _Job(job_id, did, ready, blob, self.refuse_video)
        return answer(200, {"did": did, "jobId": job_id, "state": "JOB_STATE_CREATED"})

    def _get_job_status(self, request: Request) -> Response:
        job = self.jobs.get(request.args.get("jobId", ""))
        if job is None:
            return _error(400, "InvalidRequest", "missing jobId")
        status: dict[str, Any] = {"jobId": job.id, "did": job.did, "state": "JOB_STATE_ENCODING", "progress": 50}
        if job.ready <= self.now() and job.refused is not None:
            code, words = job.refused
            status |= {"state": "JOB_STATE_FAILED", "failureCode": code, "error": code, "message": words}
        elif job.ready <= self.now():
            self.blobs[job.did, job.blob["ref"]["$link"]] = job.blob
            status |= {"state": "JOB_STATE_COMPLETED", "progress": 100, "blob": job.blob}
            if job.again:
                status |= {"state": "JOB_STATE_FAILED", "error": "already_exists"}
        return answer(200, {"jobStatus": status})

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
        gates: dict[str, tuple[str, dict[str, Any]]] = {}
        taken = False
        for write in writes:
            if write.get("$type") != "com.atproto.repo.applyWrites#create":
                return _error(400, "InvalidRequest", f"Action not supported: {write.get('$type')}")
            rkey = str(write.get("rkey") or self._new_key())
            record = _record(write, "value")
            if write.get("collection") == GATES:
                gates[rkey] = (self._checked_gate(did, body, rkey, record, batch), record)
                taken = taken or (did, rkey) in self.gates
                continue
            cid = self._checked(did, {**write, "repo": body.get("repo")}, rkey, record)
            taken = taken or rkey in self.repos[did] or rkey in batch
            batch[rkey] = (cid, record)
        if taken:
            return self.server_error()
        for rkey, (cid, record) in batch.items():
            self._store(did, rkey, cid, record, {_uri(did, key): value[0] for key, value in batch.items()})
        for rkey, (_, record) in gates.items():
            self.gates[did, rkey] = record
        self.commits += 1
        kind = "com.atproto.repo.applyWrites#createResult"
        results = [
            {"$type": kind, "uri": _uri(did, rkey), "cid": cid, "validationStatus": "valid"} for rkey, (cid, _) in batch.items()
        ]
        results += [
            {"$type": kind, "uri": f"at://{did}/{GATES}/{rkey}", "cid": cid, "validationStatus": "valid"}
            for rkey, (cid, _) in gates.items()
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
        if body.get("collection") == GATES:
            self.commits += self.gates.pop((did, str(body.get("rkey"))), None) is not None
            return answer(200, {})
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
        media = _media_of(record.get("embed"))
        images = media.get("images") or media.get("items") or []
        extra: dict[str, Any] = {"cid": cid, "alts": [image["alt"] for image in images], "langs": record.get("langs") or []}
        extra["embed"] = record.get("embed")
        extra |= {name: record[name] for name in ("labels", "tags") if name in record}
        for end in ("parent", "root"):
            if reply:
                extra[f"{end}_matches"] = known.get(reply[end]["uri"]) == reply[end]["cid"]
        entry = self.visible(
            self.accounts[did][0], _uri(did, rkey), record["text"], [blob["ref"]["$link"] for blob in _blobs_of(media)],
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
        media = _media_of(record.get("embed"))
        most = {"video": VIDEO_BYTES, "external": 1_000_000}.get(str(media.get("$type")).removeprefix(EMBED), 2_000_000)
        for blob in _blobs_of(media):
            cid = blob["ref"]["$link"]
            if (did, cid) not in self.blobs:
                raise _Refusal(400, "BlobNotFound", f"Could not find blob: {cid}")
            if self.blobs[did, cid]["size"] > most:
                raise _Refusal(400, "BlobTooLarge", f"This file is too large. The maximum is {most} bytes.")
            if self.blobs[did, cid]["mimeType"] != blob["mimeType"]:
                raise _Refusal(400, "InvalidMimeType", "Referenced Mimetype does not match stored blob.")
        return _cid(b"\x01\x71", libipld.encode_dag_cbor(_links_as_bytes(record)))

    def _checked_gate(
        self, did: str, body: Mapping[str, Any], rkey: str, record: dict[str, Any], batch: Mapping[str, Any]
    ) -> str:
        """The CID of a threadgate: it has the key of a post of the same repository, and says who may reply."""
        rules = record.get("allow")
        wrong = (
            body.get("repo") != did or record.get("$type") != GATES or record.get("post") != _uri(did, rkey)
            or (rkey not in batch and rkey not in self.repos[did]) or not _DATE.fullmatch(str(record.get("createdAt")))
            or set(record) - {"$type", "post", "allow", "createdAt", "hiddenReplies"}
            or not isinstance(rules, list) or len(rules) > 5
            or any(rule.get("$type") not in [f"{GATES}#{name}" for name in GATE_RULES] for rule in rules)
        )
        if wrong:
            raise _Refusal(400, "InvalidRequest", f"Invalid {GATES} record")
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


EMBEDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "images": (frozenset({"images"}), frozenset()), "gallery": (frozenset({"items"}), frozenset()),
    "video": (frozenset({"video"}), frozenset({"captions", "alt", "aspectRatio", "presentation"})),
    "external": (frozenset({"external"}), frozenset()), "record": (frozenset({"record"}), frozenset()),
    "recordWithMedia": (frozenset({"record", "media"}), frozenset()),
}
"""Lexicon of an embed -> the members it must have, and those it may have beside them."""


def _wrong_with_embed(embed: Any, inside: bool = False) -> str | None:
    """What the lexicon of an embed objects to. Members that a lexicon does not have are refused, too: they would be a mistake."""
    if embed is None:
        return None
    name = str(embed.get("$type")).removeprefix(EMBED)
    if name not in EMBEDS or (inside and name in ("record", "recordWithMedia")):
        return f"no embed of type {embed.get('$type')}"
    required, optional = EMBEDS[name]
    if not required <= set(embed) <= required | optional | {"$type"}:
        return f"{name} has {', '.join(sorted(required | optional))}"
    if name == "recordWithMedia":
        record = {"$type": f"{EMBED}record", "record": (embed["record"] or {}).get("record")}
        return _wrong_with_embed(record) or _wrong_with_embed(embed["media"], True)
    if name == "record":
        return None if set(embed["record"] or {}) == {"uri", "cid"} else "record must be a strong reference"
    if name == "external":
        external = embed["external"]
        words = {"uri", "title", "description"}
        fits = words <= set(external) <= words | {"thumb", "associatedRefs"}
        return None if fits and all(isinstance(external[member], str) for member in words) else "external is wrong"
    if name == "video":
        fits = embed.get("presentation", "default") in ("default", "gif") and embed["video"].get("mimeType") == "video/mp4"
        return None if fits and _is_ratio(embed.get("aspectRatio")) else "video is wrong"
    images, most = (embed["images"], 4) if name == "images" else (embed["items"], 20)
    if not 1 <= len(images) <= most:
        return f"{name} must have 1 to {most} elements"
    members = {"image", "alt", "aspectRatio"}
    for image in images:
        kind = {"$type"} if name == "gallery" else set()
        fits = {"image", "alt"} | kind <= set(image) <= members | kind and (name == "images" or members <= set(image))
        if not fits or not isinstance(image["alt"], str) or image["image"].get("$type") != "blob":
            return "an image must have alt and a blob, and in a gallery its type and aspectRatio"
        if (kind and image["$type"] != f"{EMBED}gallery#image") or not _is_ratio(image.get("aspectRatio")):
            return "an image has a wrong type or aspectRatio"
    return None


def _is_ratio(ratio: Any) -> bool:
    return ratio is None or (set(ratio) == {"width", "height"} and all(isinstance(n, int) and n >= 1 for n in ratio.values()))


def _media_of(embed: Any) -> Mapping[str, Any]:
    """The part of an embed that has files."""
    media: Mapping[str, Any] = embed or {}
    return media["media"] if media.get("$type") == f"{EMBED}recordWithMedia" else media


def _blobs_of(media: Mapping[str, Any]) -> list[dict[str, Any]]:
    blobs = [image["image"] for image in media.get("images") or media.get("items") or []]
    if "video" in media:
        blobs.append(media["video"])
    if "thumb" in (media.get("external") or {}):
        blobs.append(media["external"]["thumb"])
    return blobs


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
