"""A stand-in for TikTok: uploads in pieces, photos fetched by URL, drafts, slow processing, moderation, and rotating tokens.

It judges requests by the published shape (developers.tiktok.com, Content Posting API: direct post, photo post, upload, status,
media transfer guide, October and November 2026): unknown members are refused, pieces come in order and in the promised size.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Network, Phase, Route, World, answer
from .grants import Grant, Grants, consent, exchanged

CLIENT_ID, CLIENT_SECRET = "tiktok-client-key", "tiktok-client-secret"
TOKEN_LIFE, GRANT_LIFE, UPLOAD_LIFE = timedelta(hours=2), timedelta(days=180), timedelta(hours=1)
PUBLIC = ["PUBLIC_TO_EVERYONE", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]
PRIVATE = ["FOLLOWER_OF_CREATOR", "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]
SCOPES = "user.info.basic,video.publish,video.upload"
LEAST_PIECE, MOST_PIECE, MOST_VIDEO = 5 * 1024 * 1024, 64_000_000, 4 * 1024**3
"""Each the stricter of the two readings of a megabyte."""
PER_MINUTE = {"init": 6, "creator_info": 20, "status": 30}

_FLAGS = {"disable_comment": bool, "brand_content_toggle": bool, "brand_organic_toggle": bool}
VIDEO_INFO: Mapping[str, type] = {
    "title": str, "privacy_level": str, "disable_duet": bool, "disable_stitch": bool, "video_cover_timestamp_ms": int,
    "is_aigc": bool, **_FLAGS,
}
PHOTO_INFO: Mapping[str, type] = {"title": str, "description": str, "privacy_level": str, "auto_add_music": bool, **_FLAGS}
FILE_SOURCE: Mapping[str, type] = {"source": str, "video_size": int, "chunk_size": int, "total_chunk_count": int}
PHOTO_SOURCE: Mapping[str, type] = {"source": str, "photo_images": list, "photo_cover_index": int}
VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm")


@dataclass
class Creator:
    """One account. `offered` are the audiences it may choose from; `off` what its owner has switched off."""

    profile_id: str
    open_id: str
    name: str
    offered: list[str] = field(default_factory=lambda: list(PUBLIC))
    off: set[str] = field(default_factory=set)
    longest: int = 600


@dataclass
class Publication:
    """One publish_id and how far it has come. `ready` is when the work on it ends, None while pieces are missing."""

    id: str
    creator: Creator
    info: Mapping[str, Any]
    draft: bool
    begun: datetime
    size: int = 0
    piece: int = 0
    received: int = 0
    token: str = ""
    photos: list[str] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)
    head: bytes = b""
    ready: datetime | None = None
    status: str = "PROCESSING_UPLOAD"
    fail_reason: str | None = None
    post_id: int | None = None


def _phase_of_piece(request: Request) -> Phase:
    """The last piece of a video publishes it."""
    span = _range(request)
    return "publish" if span is not None and span[1] + 1 == span[2] else "prepare"


class TikTokNetwork(Network):
    """TikTok on the world's clock.

    Hooks: `processing_seconds` and `moderation_seconds` (between a post's being out and its id being told), `fail_reason` for the
    next post, `audited`, `verified` (prefixes that photos may be fetched from, None for any), `limited` (calls per minute),
    `posts_a_day`, `oauth_error_status`.
    """

    platform: ClassVar[str] = "tiktok"
    client: ClassVar[tuple[str, str]] = (CLIENT_ID, CLIENT_SECRET)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.processing_seconds, self.moderation_seconds = 5.0, 0.0
        self.fail_reason: str | None = None
        self.audited, self.limited = True, False
        self.verified: tuple[str, ...] | None = None
        self.posts_a_day: int | None = None
        self.oauth_error_status = 400
        self.creators: dict[str, Creator] = {}
        self.publications: dict[str, Publication] = {}
        self.inbox: list[Publication] = []
        self.grants = Grants(self, TOKEN_LIFE, rotates=True)
        self._calls: dict[tuple[str, str], list[datetime]] = {}
        publish = "/v2/post/publish"
        self.routes = [
            Route("GET", r"/www\.tiktok\.com/v2/auth/authorize/", "auth", self._authorize),
            Route("POST", r"(?:/open\.tiktokapis\.com)?/v2/oauth/token/", "auth", self._token),
            Route("GET", "/v2/user/info/", "read", self._user),
            Route("POST", f"{publish}/creator_info/query/", "read", self._creator_info),
            Route("POST", f"{publish}/video/init/", "prepare", self._video),
            Route("POST", f"{publish}/inbox/video/init/", "prepare", self._draft),
            Route("POST", f"{publish}/content/init/", "publish", self._photos),
            Route("POST", f"{publish}/status/fetch/", "read", self._status),
            Route("PUT", "/upload/video/", _phase_of_piece, self._piece),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with, a new account if it is not known yet."""
        creator = self._known(profile_id)
        grant = next((g for g in self.grants.grants if g.profile_id == profile_id and not g.dead), None)
        grant = grant or self.grants.give(profile_id)
        return {
            "server": "/tiktok", "accountId": creator.open_id, "expiresIn": int(TOKEN_LIFE.total_seconds()),
            "credentials": {
                "accessToken": grant.access, "refreshToken": grant.refresh, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET,
            },
            "settings": {"username": creator.name, "privacyLevels": self._offered(creator), "maxVideoSeconds": creator.longest},
        }

    def _known(self, profile_id: str) -> Creator:
        if profile_id not in self.creators:
            number = self.next_number()
            self.creators[profile_id] = Creator(profile_id, f"open-id-{number:08d}", f"creator_{number}")
        return self.creators[profile_id]

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        """A good bearer token; an upload's address is its own key."""
        return None if request.method == "PUT" or self._owner(request) is not None else self.expired()

    def _owner(self, request: Request) -> str | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.grants.owner(token) if kind == "Bearer" else None

    def _creator(self, request: Request) -> Creator:
        owner = self._owner(request)
        assert owner is not None
        return self._known(owner)

    def rate_limited(self, retry_after: float) -> Response:
        """429 in TikTok's envelope. (Retry-After is a gateway's habit; TikTok does not document it.)"""
        return _error(429, "rate_limit_exceeded", "The API rate limit was exceeded.", {"Retry-After": str(int(retry_after))})

    def server_error(self) -> Response:
        """500 in TikTok's envelope."""
        return _error(500, "internal_error", "Something is wrong.")

    def rejected(self) -> Response:
        """The account may not post."""
        return _error(403, "spam_risk_user_banned_from_posting", "User is banned from posting.")

    def expired(self) -> Response:
        """401 in TikTok's envelope."""
        return _error(401, "access_token_invalid", "The access token is invalid or not found in the request.")

    def expire_tokens(self) -> bool:
        """Access tokens lapse; refreshing gives new ones."""
        self.grants.expire()
        return True

    def tick(self) -> None:
        """What is done being worked on becomes visible, lands in an inbox, or fails."""
        for one in self.publications.values():
            if one.ready is not None and one.ready <= self.now() and one.status.startswith("PROCESSING"):
                if one.fail_reason is not None:
                    one.status = "FAILED"
                elif one.draft:
                    one.status = "SEND_TO_USER_INBOX"
                    self.inbox.append(one)
                else:
                    self._out(one, one.ready)

    def _out(self, one: Publication, at: datetime) -> None:
        one.status, one.post_id = "PUBLISH_COMPLETE", 7_300_000_000_000_000_000 + self.next_number()
        text = one.info.get("description") or one.info.get("title") or ""
        media = [f"{one.id}/{n}" for n in range(len(one.photos))] or [one.id]
        self.visible(
            one.creator.profile_id, str(one.post_id) if one.info["privacy_level"] == PUBLIC[0] else one.id, text, media, at=at,
            info=dict(one.info), sha256=one.digest.hexdigest(),
        )

    def _authorize(self, request: Request) -> Response:
        if request.args.get("client_key") != CLIENT_ID or "video.publish" not in request.args.get("scope", "").split(","):
            return answer(400, {"error": "invalid_request", "error_description": "client_key or scope"})
        return consent(self.grants, request, client_id_name="client_key")

    def _token(self, request: Request) -> Response:
        grant: Grant | None = None
        if (request.mimetype or "") == "application/x-www-form-urlencoded":
            grant = exchanged(self.grants, request, self.client, client_id_name="client_key")
        if grant is None:
            wrong_app = (request.form.get("client_key"), request.form.get("client_secret")) != self.client
            code = "invalid_client" if wrong_app else "invalid_grant"
            body = {"error": code, "error_description": "Refresh token is invalid or expired.", "log_id": "20261121"}
            return answer(self.oauth_error_status, body)
        return answer(200, {
            "open_id": self._known(grant.profile_id).open_id, "scope": SCOPES, "access_token": grant.access,
            "expires_in": int(TOKEN_LIFE.total_seconds()), "refresh_token": grant.refresh,
            "refresh_expires_in": int(GRANT_LIFE.total_seconds()), "token_type": "Bearer",
        })

    def _user(self, request: Request) -> Response:
        creator = self._creator(request)
        known = {"open_id": creator.open_id, "union_id": creator.open_id, "avatar_url": "", "display_name": creator.name.title()}
        fields = request.args.get("fields", "").split(",")
        if any(name not in known for name in fields):
            return _error(400, "invalid_params", "fields")
        return _ok({"user": {name: known[name] for name in fields}})

    def _offered(self, creator: Creator) -> list[str]:
        return list(creator.offered) if self.audited else ["SELF_ONLY"]

    def _creator_info(self, request: Request) -> Response:
        creator = self._creator(request)
        if (refused := self._too_often(creator, "creator_info") or self._too_many(creator)) is not None:
            return refused
        return _ok({
            "creator_avatar_url": "", "creator_username": creator.name, "creator_nickname": creator.name.title(),
            "privacy_level_options": self._offered(creator), "max_video_post_duration_sec": creator.longest,
            **{f"{name}_disabled": name in creator.off for name in ("comment", "duet", "stitch")},
        })

    def _too_often(self, creator: Creator, kind: str) -> Response | None:
        now = self.now()
        calls = [at for at in self._calls.get((creator.open_id, kind), []) if now - at < timedelta(minutes=1)]
        self._calls[(creator.open_id, kind)] = [*calls, now]
        return self.rate_limited(60) if self.limited and len(calls) >= PER_MINUTE[kind] else None

    def _too_many(self, creator: Creator) -> Response | None:
        since = self.now() - timedelta(hours=24)
        posts = [p for p in self.publications.values() if p.creator is creator and not p.draft and p.ready and p.begun > since]
        if self.posts_a_day is not None and len(posts) >= self.posts_a_day:
            return _error(200, "spam_risk_too_many_posts", "The daily post cap from the API is reached for the current user.")
        return None

    def _info(self, creator: Creator, info: Any, members: Mapping[str, type], longest: int) -> Response | None:
        """What is wrong with the `post_info` of a post that goes out at once."""
        if (wrong := _members(info, members, ("privacy_level",))) is not None:
            return wrong
        if _units(info.get("title", "")) > longest or _units(info.get("description", "")) > 4000:
            return _error(400, "invalid_param", "The title or description is too long.")
        if not self.audited and info["privacy_level"] != "SELF_ONLY":
            return _error(403, "unaudited_client_can_only_post_to_private_accounts", "Unaudited client.")
        if info["privacy_level"] not in self._offered(creator):
            return _error(403, "privacy_level_option_mismatch", "privacy_level is not among the privacy_level_options.")
        if any(not info.get(f"disable_{name}") for name in creator.off if f"disable_{name}" in members):
            return _error(400, "invalid_param", "The creator has switched this off.")
        if info.get("brand_content_toggle") and info["privacy_level"] == "SELF_ONLY":
            return _error(400, "invalid_param", "Branded content visibility cannot be set to private.")
        return None

    def _video(self, request: Request) -> Response:
        creator, body = self._creator(request), _body(request)
        if (refused := self._too_often(creator, "init") or self._too_many(creator)) is not None:
            return refused
        wrong = _members(body, {"post_info": dict, "source_info": dict}, ("post_info", "source_info"))
        wrong = wrong or self._info(creator, body["post_info"], VIDEO_INFO, 2200)
        return wrong or self._begin(creator, body["post_info"], body["source_info"], False, request)

    def _draft(self, request: Request) -> Response:
        creator, body = self._creator(request), _body(request)
        refused = self._too_often(creator, "init") or self._too_many_drafts(creator)
        wrong = refused or _members(body, {"source_info": dict}, ("source_info",))
        return wrong or self._begin(creator, {}, body["source_info"], True, request)

    def _too_many_drafts(self, creator: Creator) -> Response | None:
        since = self.now() - timedelta(hours=24)
        if len([one for one in self.inbox if one.creator is creator and one.begun > since]) >= 5:
            return _error(403, "spam_risk_too_many_pending_share", "There may be at most 5 pending shares in 24 hours.")
        return None

    def _begin(self, creator: Creator, info: Mapping[str, Any], source: Any, draft: bool, request: Request) -> Response:
        if (wrong := _members(source, FILE_SOURCE, tuple(FILE_SOURCE))) is not None:
            return wrong
        size, piece, count = source["video_size"], source["chunk_size"], source["total_chunk_count"]
        whole = piece == size and size <= MOST_PIECE
        pieces = LEAST_PIECE <= piece <= MOST_PIECE and piece < size
        if source["source"] != "FILE_UPLOAD" or not 0 < size <= MOST_VIDEO or not (whole or pieces):
            return _error(400, "invalid_param", "source_info: source, video_size or chunk_size")
        if count != size // piece or not 1 <= count <= 1000 or size - (count - 1) * piece > 128_000_000:
            return _error(400, "invalid_param", "source_info: total_chunk_count")
        number = self.next_number()
        one = Publication(f"v_{'inbox' if draft else 'pub'}_file~v2.{number:019d}", creator, info, draft, self.now(), size, piece)
        one.token = f"tiktok-upload-token-{number}"
        self.publications[one.id] = one
        url = f"{request.host_url}tiktok/upload/video/?upload_id={number}&upload_token={one.token}"
        return _ok({"publish_id": one.id, "upload_url": url})

    def _piece(self, request: Request) -> Response:
        token = request.args.get("upload_token")
        one = next((p for p in self.publications.values() if p.token and p.token == token), None)
        span, content = _range(request), request.get_data()
        if one is None or one.ready is not None:
            return Response(status=404)
        if one.begun + UPLOAD_LIFE <= self.now():
            return Response(status=403)
        if span is None or request.mimetype not in VIDEO_TYPES or len(content) != span[1] - span[0] + 1 or span[2] != one.size:
            return Response(status=400)
        left = one.size - one.received
        expected = left if left < 2 * one.piece else one.piece
        if span[0] != one.received or len(content) != expected:
            return Response(status=416, headers={"Content-Range": f"bytes 0-{one.received - 1}/{one.size}"})
        one.head = one.head or content[:16]
        one.digest.update(content)
        one.received += len(content)
        if one.received < one.size:
            return Response(status=206, headers={"Content-Range": f"bytes 0-{one.received - 1}/{one.size}"})
        self._work(one, None if request.mimetype == "video/webm" or one.head[4:8] == b"ftyp" else "file_format_check_failed")
        return Response(status=201, headers={"Content-Range": f"bytes 0-{one.received - 1}/{one.size}"})

    def _work(self, one: Publication, fail_reason: str | None) -> None:
        one.fail_reason, self.fail_reason = self.fail_reason or fail_reason, None
        one.ready = self.now() + timedelta(seconds=self.processing_seconds)
        self.tick()

    def _photos(self, request: Request) -> Response:
        creator, body = self._creator(request), _body(request)
        if (refused := self._too_often(creator, "init") or self._too_many(creator)) is not None:
            return refused
        top = {"media_type": str, "post_mode": str, "post_info": dict, "source_info": dict}
        wrong = _members(body, top, tuple(top)) or _members(body["source_info"], PHOTO_SOURCE, tuple(PHOTO_SOURCE))
        if wrong is not None:
            return wrong
        draft, source = body["post_mode"] == "MEDIA_UPLOAD", body["source_info"]
        if body["media_type"] != "PHOTO" or body["post_mode"] not in ("DIRECT_POST", "MEDIA_UPLOAD"):
            return _error(400, "invalid_param", "media_type or post_mode")
        if draft:
            allowed = {"title": str, "description": str}
            wrong = self._too_many_drafts(creator) or _members(body["post_info"], allowed, ())
        else:
            wrong = self._info(creator, body["post_info"], PHOTO_INFO, 90)
        images = source["photo_images"]
        if wrong is None and (source["source"] != "PULL_FROM_URL" or not 1 <= len(images) <= 35):
            wrong = _error(400, "invalid_param", "source or photo_images")
        if wrong is None and not 0 <= source["photo_cover_index"] < len(images):
            wrong = _error(400, "invalid_param", "photo_cover_index")
        if wrong is None and self.verified is not None and not all(url.startswith(self.verified) for url in images):
            wrong = _error(403, "url_ownership_unverified", f"Please review our URL ownership verification rules: {images[0]}")
        if wrong is not None:
            return wrong
        number = self.next_number()
        one = Publication(f"p_pub_url~v2.{number:019d}", creator, body["post_info"], draft, self.now(), photos=list(images))
        one.status = "PROCESSING_DOWNLOAD"
        self.publications[one.id] = one
        self._work(one, self._fetched(images))
        return _ok({"publish_id": one.id})

    def _fetched(self, images: list[str]) -> str | None:
        """The reason why the photos cannot be posted, None when they can."""
        for url in images:
            pulled = self.world.pull(url)
            if pulled.status != 200:
                return "photo_pull_failed"
            if pulled.mime not in ("image/jpeg", "image/webp") or pulled.size > 20 * 1024 * 1024:
                return "file_format_check_failed"
        return None

    def _status(self, request: Request) -> Response:
        creator, body = self._creator(request), _body(request)
        refused = self._too_often(creator, "status") or _members(body, {"publish_id": str}, ("publish_id",))
        if refused is not None:
            return refused
        one = self.publications.get(body["publish_id"])
        if one is None:
            return _error(400, "invalid_publish_id", "The publish_id does not exist.")
        if one.creator is not creator:
            return _error(400, "token_not_authorized_for_specified_publish_id", "Not authorized for this publish_id.")
        data: dict[str, Any] = {"status": one.status, "uploaded_bytes": one.received}
        if one.photos:
            data = {"status": one.status, "downloaded_bytes": 1}
        if one.status == "FAILED":
            data["fail_reason"] = one.fail_reason
        told = one.ready is not None and self.now() >= one.ready + timedelta(seconds=self.moderation_seconds)
        if one.status == "PUBLISH_COMPLETE" and told and one.info["privacy_level"] == PUBLIC[0]:
            data["publicaly_available_post_id"] = [one.post_id]
        return _ok(data)


def _range(request: Request) -> tuple[int, int, int] | None:
    """First byte, last byte and whole size of a piece; None when the header is not as it should be."""
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", request.headers.get("Content-Range", ""))
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _body(request: Request) -> Any:
    kind = request.headers.get("Content-Type", "")
    return request.get_json(silent=True) if kind == "application/json; charset=UTF-8" else None


def _units(text: str) -> int:
    return sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def _members(body: Any, known: Mapping[str, type], needed: tuple[str, ...]) -> Response | None:
    """TikTok's 400 for a member that is missing, not known or of another type."""
    if not isinstance(body, dict):
        return _error(400, "invalid_param", "The body is a JSON object, sent as application/json; charset=UTF-8.")
    for name in needed:
        if name not in body:
            return _error(400, "invalid_param", f"{name} is required")
    for name, value in body.items():
        right = known.get(name)
        if right is None or not isinstance(value, right) or (right is int and isinstance(value, bool)):
            return _error(400, "invalid_param", f"{name} is not known or not of its type")
    return None


def _ok(data: Mapping[str, Any]) -> Response:
    return answer(200, {"data": data, "error": {"code": "ok", "message": "", "log_id": "202611210000"}})


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return answer(status, {"data": {}, "error": {"code": code, "message": message, "log_id": "202611210000"}}, headers)
