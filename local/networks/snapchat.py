"""A stand-in for Snapchat's Public Profile API: encrypted media in parts, slow transcoding, stories, Spotlights, rotating tokens.

It judges requests by the published shape (developers.snap.com, Public Profile API, 2026), decrypts what was uploaded and looks
whether it is a picture or a video. A medium may be published again once its posting is over: Snap does not say that it may not.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Network, Route, World, answer
from .grants import Grants, consent, exchanged

CLIENT_ID, CLIENT_SECRET = "snapchat-client", "snapchat-client-secret"
TOKEN_LIFE, MEDIA_LIFE = timedelta(minutes=30), timedelta(hours=24)
MOST_PART, MOST_PARTS = 32 * 1024 * 1024, 35
MAGIC = {"IMAGE": (b"\x89PNG", b"\xff\xd8\xff"), "VIDEO": (b"ftyp",)}
KINDS = {"stories": "story", "saved_stories": "saved_story", "spotlights": "spotlight"}


@dataclass
class SnapProfile:
    """One public profile and whose it is."""

    profile_id: str
    id: str
    name: str
    organization: str

    def as_dict(self) -> dict[str, Any]:
        """As Snapchat shows it."""
        name = {"display_name": self.name.title(), "snap_user_name": self.name}
        return {"id": self.id, "organization_id": self.organization, **name}


@dataclass
class SnapMedium:
    """An uploaded file: encrypted parts until it is closed."""

    id: str
    owner: SnapProfile
    kind: str
    key: bytes
    iv: bytes
    made: datetime
    parts: dict[int, bytes] = field(default_factory=dict)
    content: bytes | None = None
    ready: datetime | None = None
    posting_until: datetime | None = None


class SnapchatNetwork(Network):
    """Snapchat on the world's clock.

    Hooks: `processing_seconds` (until a closed medium can be published), `posting_seconds` (how long its posting is under way),
    `error_status` (the HTTP status of errors in the envelope; 200 is as good), `lists` (whether posts can be listed, which Snap
    does not document), `allowed` (whether Snap has the app on its list).
    """

    platform: ClassVar[str] = "snapchat"
    client: ClassVar[tuple[str, str]] = (CLIENT_ID, CLIENT_SECRET)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.processing_seconds, self.posting_seconds = 5.0, 5.0
        self.error_status, self.lists, self.allowed = 400, False, True
        self.profiles: dict[str, SnapProfile] = {}
        self.others: list[SnapProfile] = []
        self.media: dict[str, SnapMedium] = {}
        self.posts: list[dict[str, Any]] = []
        self.grants = Grants(self, TOKEN_LIFE, rotates=True)
        profile = "/v1/public_profiles/(?P<profile>[^/]+)"
        accounts = r"/accounts\.snapchat\.com/login/oauth2"
        self.routes = [
            Route("GET", f"{accounts}/authorize", "auth", self._authorize),
            Route("POST", f"{accounts}/access_token", "auth", self._token),
            Route("GET", "/v1/public_profiles/my_profile", "read", self._my_profile),
            Route("GET", profile, "read", self._profile),
            Route("GET", "/v1/organizations/(?P<organization>[^/]+)/public_profiles", "read", self._organization),
            Route("POST", f"{profile}/media", "prepare", self._create),
            Route("POST", "/us/v1/media/(?P<medium>[^/]+)/multipart-upload-v2", "prepare", self._upload),
            Route("POST", f"{profile}/(?P<where>stories|saved_stories|spotlights)", "publish", self._publish),
            Route("GET", f"{profile}/(?P<where>stories|saved_stories|spotlights)", "read", self._list),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with, a new profile if it is not known yet."""
        profile = self._known(profile_id)
        grant = next((g for g in self.grants.grants if g.profile_id == profile_id and not g.dead), None)
        grant = grant or self.grants.give(profile_id)
        return {
            "server": "/snapchat", "accountId": profile.id, "expiresIn": int(TOKEN_LIFE.total_seconds()),
            "credentials": {
                "accessToken": grant.access, "refreshToken": grant.refresh, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET,
            },
            "settings": {"username": profile.name},
        }

    def _known(self, profile_id: str) -> SnapProfile:
        if profile_id not in self.profiles:
            number = self.next_number()
            ids = [f"{n:08x}-0000-4000-8000-{number:012x}" for n in (1, 2)]
            self.profiles[profile_id] = SnapProfile(profile_id, ids[0], f"snapper{number}", ids[1])
        return self.profiles[profile_id]

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        """A good bearer token of an app on the list."""
        if self._owner(request) is None:
            return self.expired()
        return None if self.allowed else _error(403, "AUTHORIZATION_PERMISSION_DENIED", "Permission denied")

    def _owner(self, request: Request) -> str | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.grants.owner(token) if kind == "Bearer" else None

    def _mine(self, request: Request) -> SnapProfile:
        owner = self._owner(request)
        assert owner is not None
        return self._known(owner)

    def rate_limited(self, retry_after: float) -> Response:
        """429; its body is a guess, its header is HTTP's."""
        return _error(429, "RATE_LIMIT_EXCEEDED", "Too many requests", {"Retry-After": str(int(retry_after))})

    def server_error(self) -> Response:
        """500 in Snapchat's envelope."""
        return _error(500, "INTERNAL_ERROR", "Internal error")

    def rejected(self) -> Response:
        """Something about the medium that Snapchat does not take."""
        return _error(self.error_status, "MEDIA_INVALID", "The media does not meet the requirements")

    def expired(self) -> Response:
        """401 in Snapchat's envelope."""
        return _error(401, "UNAUTHORIZED", "Access token is invalid or expired")

    def expire_tokens(self) -> bool:
        """Access tokens lapse; refreshing gives new ones."""
        self.grants.expire()
        return True

    def _authorize(self, request: Request) -> Response:
        if request.args.get("client_id") != CLIENT_ID or "snapchat-profile-api" not in request.args.get("scope", "").split(" "):
            return answer(400, {"error": "invalid_request", "error_description": "client_id or scope"})
        return consent(self.grants, request)

    def _token(self, request: Request) -> Response:
        grant = exchanged(self.grants, request, self.client)
        if grant is None:
            wrong_app = (request.form.get("client_id"), request.form.get("client_secret")) != self.client
            return answer(400, {"error": "invalid_client" if wrong_app else "invalid_grant"})
        return answer(200, {
            "access_token": grant.access, "token_type": "Bearer", "expires_in": int(TOKEN_LIFE.total_seconds()),
            "refresh_token": grant.refresh, "scope": "snapchat-profile-api",
        })

    def _my_profile(self, request: Request) -> Response:
        return self._ok({"public_profile": self._mine(request).as_dict()})

    def _profile(self, request: Request, profile: str) -> Response:
        found = next((p for p in self._reachable(request) if p.id == profile), None)
        if found is None:
            return _error(404, "NOT_FOUND", "Profile not found")
        return self._ok({"public_profiles": [{"sub_request_status": "SUCCESS", "public_profile": found.as_dict()}]})

    def _organization(self, request: Request, organization: str) -> Response:
        every = [p for p in self._reachable(request) if p.organization == organization]
        if not every:
            return _error(403, "AUTHORIZATION_PERMISSION_DENIED", "Permission denied")
        first = int(request.args.get("cursor", "0"))
        rows = [{"sub_request_status": "SUCCESS", "public_profile": p.as_dict()} for p in every[first : first + 1]]
        paging = {"next_page_id": str(first + 1)} if first + 1 < len(every) else {}
        return self._ok({"public_profiles": rows, "paging": paging})

    def _reachable(self, request: Request) -> list[SnapProfile]:
        mine = self._mine(request)
        return [mine, *(other for other in self.others if other.organization == mine.organization)]

    def _ok(self, said: Mapping[str, Any]) -> Response:
        return answer(200, {"request_id": f"request-{self.next_number()}", "request_status": "SUCCESS", **said})

    def _wrong(self, message: str, code: str = "INVALID_ARGUMENT") -> Response:
        return _error(self.error_status, code, message)

    def _create(self, request: Request, profile: str) -> Response:
        owner = next((p for p in self._reachable(request) if p.id == profile), None)
        body = request.get_json(silent=True)
        if owner is None or not isinstance(body, dict) or set(body) != {"type", "name", "key", "iv"}:
            return self._wrong("type, name, key and iv are needed, and no others")
        try:
            key, iv = (base64.b64decode(body[name], validate=True) for name in ("key", "iv"))
        except (TypeError, binascii.Error):
            return self._wrong("key and iv are base64")
        if body["type"] not in MAGIC or not body["name"] or len(key) != 32 or len(iv) != 16:
            return self._wrong("type, name, key or iv")
        medium = SnapMedium(f"snap-media-{self.next_number():06d}", owner, body["type"], key, iv, self.now())
        self.media[medium.id] = medium
        path = f"/us/v1/media/{medium.id}/multipart-upload-v2?action="
        return self._ok({"media_id": medium.id, "add_path": path + "ADD", "finalize_path": path + "FINALIZE"})

    def _upload(self, request: Request, medium: str) -> Response:
        found = self.media.get(medium)
        if found is None or found.owner not in self._reachable(request):
            return _error(404, "NOT_FOUND", "No such media")
        if found.made + MEDIA_LIFE <= self.now():
            return self._wrong("The media has expired", "MEDIA_EXPIRED")
        if (request.mimetype or "") != "multipart/form-data" or request.args.get("action") != request.form.get("action"):
            return self._wrong("a multipart form whose action is that of the path")
        if found.ready is not None:
            return self._wrong("The media is finalized already")
        return self._add(request, found) if request.form["action"] == "ADD" else self._finalize(found)

    def _add(self, request: Request, medium: SnapMedium) -> Response:
        number, file = request.form.get("part_number", ""), request.files.get("file")
        content = file.read() if file is not None else b""
        if not number.isdigit() or not 1 <= int(number) <= MOST_PARTS or not 0 < len(content) <= MOST_PART:
            return self._wrong("part_number or file")
        medium.parts[int(number)] = content
        return self._ok({})

    def _finalize(self, medium: SnapMedium) -> Response:
        if sorted(medium.parts) != list(range(1, len(medium.parts) + 1)) or not medium.parts:
            return self._wrong("parts are missing")
        medium.content = _decrypted(b"".join(medium.parts[n] for n in sorted(medium.parts)), medium.key, medium.iv)
        medium.ready = self.now() + timedelta(seconds=self.processing_seconds)
        return self._ok({})

    def _publish(self, request: Request, profile: str, where: str) -> Response:
        body = request.get_json(silent=True)
        said = _read(KINDS[where], body) if isinstance(body, dict) else "the body is a JSON object"
        if isinstance(said, str):
            return self._wrong(said)
        media_id, text = said
        medium = self.media.get(media_id)
        if medium is None or medium.owner.id != profile or medium.ready is None:
            return self._wrong("media_id", "MEDIA_NOT_FOUND")
        if medium.made + MEDIA_LIFE <= self.now():
            return self._wrong("The media has expired", "MEDIA_EXPIRED")
        if self.now() < medium.ready:
            return self._wrong("The media is being processed", "MEDIA_PROCESSING")
        content, video = medium.content, medium.kind == "VIDEO"
        if content is None or not any(magic in content[:12] for magic in MAGIC[medium.kind]):
            return self._wrong("The media cannot be decrypted, or is not of its type", "MEDIA_INVALID")
        if where == "spotlights" and not video:
            return self._wrong("Spotlights are videos", "MEDIA_INVALID")
        if medium.posting_until is not None and self.now() < medium.posting_until:
            return self._wrong("The media is being posted", "MEDIA_POSTING_ALREADY_IN_PROGRESS")
        medium.posting_until = self.now() + timedelta(seconds=self.posting_seconds)
        return self._out(medium, where, text, body or {})

    def _out(self, medium: SnapMedium, where: str, text: str, body: Mapping[str, Any]) -> Response:
        number = self.next_number()
        post_id = medium.id if where == "stories" else f"{KINDS[where]}-{number:08d}"
        digest = hashlib.sha256(medium.content or b"").hexdigest()
        self.visible(medium.owner.profile_id, post_id, text, [medium.id], kind=KINDS[where], body=dict(body), sha256=digest)
        words = {"title": text} if where == "saved_stories" else {"description": text} if where == "spotlights" else {}
        made = self.now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self.posts.append({"where": where, "profile": medium.owner.id, "row": {"id": post_id, "created_at": made, **words}})
        if where == "stories":
            return self._ok({})
        if where == "spotlights":
            return self._ok({"spotlight_id": post_id})
        row = {"sub_request_status": "SUCCESS", "saved_story": {"id": post_id, "title": text}}
        return self._ok({"saved_stories": [row]})

    def _list(self, request: Request, profile: str, where: str) -> Response:
        if not self.lists:
            return _error(404, "NOT_FOUND", "Not found")
        rows = [post["row"] for post in reversed(self.posts) if (post["where"], post["profile"]) == (where, profile)]
        return self._ok({where: [{"sub_request_status": "SUCCESS", KINDS[where]: row} for row in rows]})


def _read(kind: str, body: Mapping[str, Any]) -> tuple[str, str] | str:
    """The medium's id and the words of a request to publish; or what is wrong with it."""
    if kind == "story":
        return (body["media_id"], "") if set(body) == {"media_id"} else "media_id is needed, and nothing else"
    if kind == "spotlight":
        if not {"media_id", "locale"} <= set(body) <= {"media_id", "locale", "description", "skip_save_to_profile"}:
            return "media_id and locale are needed; description and skip_save_to_profile may be there"
        text = body.get("description", "")
        if not isinstance(text, str) or len(text) > 160 or not isinstance(body.get("skip_save_to_profile", False), bool):
            return "description or skip_save_to_profile"
        return body["media_id"], text
    stories = body.get("saved_stories")
    if set(body) != {"saved_stories"} or not isinstance(stories, list) or len(stories) != 1 or not isinstance(stories[0], dict):
        return "saved_stories has one story"
    story = stories[0]
    sources = story.get("snap_sources")
    if set(story) != {"title", "snap_sources"} or not isinstance(sources, list) or [set(s) for s in sources] != [{"media_id"}]:
        return "title and snap_sources"
    if not isinstance(story["title"], str) or not 0 < len(story["title"]) <= 45:
        return "title"
    return sources[0]["media_id"], story["title"]


def _decrypted(content: bytes, key: bytes, iv: bytes) -> bytes | None:
    """What was encrypted; None when it was not encrypted so."""
    from cryptography.hazmat.primitives import padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if len(content) % 16:
        return None
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        return unpadder.update(decryptor.update(content) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        return None


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {
        "request_id": "request-refused", "request_status": "ERROR", "error_code": code, "display_message": message,
        "debug_message": message,
    }
    return answer(status, body, headers)
