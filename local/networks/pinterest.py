"""A stand-in for Pinterest: boards with sections, pins of pictures, carousels and videos, tokens that are renewed continuously.

It judges requests by the published shape (pinterest/api-description, v5/openapi.json 5.23.0 of 2025-12-11) and refuses members
that it does not name. Pictures are fetched from the address a pin gives; videos are processed for some seconds.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Entry, Network, Route, World, answer
from .grants import Grant, Grants, consent, exchanged

CLIENT = ("pinterest-client", "pinterest-client-secret")
TOKEN_LIFE, GRANT_LIFE = timedelta(days=30), timedelta(days=60)
WINDOW, LIMIT = timedelta(minutes=1), 1000
SCOPES = "boards:read,boards:write,pins:read,pins:write,user_accounts:read"
STORE = "pinterest-media-upload.s3-accelerate.amazonaws.com"
VIDEO_LIFE = timedelta(hours=24)

LENGTHS = {"title": 100, "description": 800, "alt_text": 500, "link": 2048}
IDS = ("board_id", "board_section_id", "parent_pin_id", "sponsor_id")
MEMBERS = {*LENGTHS, *IDS, "dominant_color", "media_source"}
SOURCES: Mapping[str, tuple[set[str], set[str]]] = {
    "image_url": ({"url"}, {"is_standard"}),
    "image_base64": ({"content_type", "data"}, {"is_standard"}),
    "multiple_image_urls": ({"items"}, {"index"}),
    "multiple_image_base64": ({"items"}, {"index"}),
    "video_id": (
        {"media_id"},
        {"cover_image_url", "cover_image_content_type", "cover_image_data", "cover_image_key_frame_time", "is_standard"},
    ),
}
"""Of each `media_source`: the members it must have, and those it may have."""
ITEM_EXTRAS = {"title", "description", "link"}
MAGIC = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff"}
LISTING = {"page_size", "bookmark", "creative_types", "ad_account_id", "pin_metrics", "privacy"}


@dataclass
class Video:
    """A registered upload. `at` is when its file came (None as long as it did not)."""

    id: str
    owner: str
    key: str
    registered: datetime
    at: datetime | None = None


@dataclass
class Board:
    """One board with its sections by id."""

    id: str
    name: str
    sections: dict[str, str] = field(default_factory=dict)


@dataclass
class Pinner:
    """One user, with boards."""

    profile_id: str
    id: str
    name: str
    boards: list[Board] = field(default_factory=list)


@dataclass
class Pin:
    """One pin: its JSON as it is listed, and where it stands."""

    id: str
    board: str
    section: str | None
    shown: dict[str, Any]
    entry: Entry


class PinterestNetwork(Network):
    """Pinterest on the world's clock. `processing_seconds` is how long a video is worked on, `video_fails` lets that come to
    nothing; `newest_first` is how boards list their pins."""

    platform: ClassVar[str] = "pinterest"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.processing_seconds = 5.0
        self.video_fails = False
        self.newest_first = True
        self.most_per_page = 250
        self.grants = Grants(self, TOKEN_LIFE, rotates=True)
        self.pinners: dict[str, Pinner] = {}
        self.videos: dict[str, Video] = {}
        self.pins: list[Pin] = []
        self._used: dict[str, tuple[datetime, int]] = {}
        self.credentials_for("prof_pinterest")
        self.routes = [
            Route("GET", r"/www\.pinterest\.com/oauth/", "auth", self._authorize),
            Route("POST", r"(?:/api\.pinterest\.com)?/v5/oauth/token", "auth", self._token),
            Route("GET", "/v5/user_account", "read", self._user_account),
            Route("GET", "/v5/boards", "read", self._boards),
            Route("GET", "/v5/boards/(?P<board>[0-9]+)/pins", "read", self._list),
            Route("GET", "/v5/boards/(?P<board>[0-9]+)/sections/(?P<section>[0-9]+)/pins", "read", self._list),
            Route("POST", "/v5/media", "prepare", self._register),
            Route("POST", "/" + re.escape(STORE) + "/", "prepare", self._store),
            Route("GET", "/v5/media/(?P<media>[0-9]+)", "read", self._medium),
            Route("POST", "/v5/pins", "publish", self._create),
            Route("DELETE", "/v5/pins/(?P<pin>[0-9]+)", "delete", self._delete),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with, a new user if it is not known yet: its first board."""
        pinner = self.pinners.get(profile_id)
        if pinner is None:
            number = len(self.pinners) + 1
            boards = [
                Board(f"5497558{number:04d}{place}", name, {f"9007{number:04d}{place}": "Section"})
                for place, name in enumerate(("Recipes", "Travel"), 1)
            ]
            pinner = self.pinners[profile_id] = Pinner(profile_id, f"27831361{number:04d}", f"dateline_{number}", boards)
        known = [grant for grant in self.grants.grants if grant.profile_id == profile_id and not grant.dead]
        grant = known[-1] if known else self.grants.give(profile_id)
        board = pinner.boards[0]
        return {
            "server": "/pinterest", "accountId": board.id, "expiresIn": int(TOKEN_LIFE.total_seconds()),
            "settings": {"userId": pinner.id, "boardId": board.id, "boardName": board.name},
            "credentials": {
                "accessToken": grant.access, "refreshToken": grant.refresh, "clientId": CLIENT[0], "clientSecret": CLIENT[1],
            },
        }

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        if STORE in request.path:
            return None  # the signed form is what counts there
        return None if self._owner(request) else self.expired()

    def _owner(self, request: Request) -> str | None:
        return self.grants.owner(request.headers.get("Authorization", "").removeprefix("Bearer "))

    def _signed_in(self, request: Request) -> Pinner:
        owner = self._owner(request)
        assert owner is not None
        return self.pinners[owner]

    def _said(self, pinner: Pinner, body: Any, status: int = 200) -> Response:
        since, used = self._used.get(pinner.id, (self.now(), 0))
        if self.now() - since >= WINDOW:
            since, used = self.now(), 0
        self._used[pinner.id] = (since, used + 1)
        reset = max(1, round((since + WINDOW - self.now()).total_seconds()))
        return answer(status, body, {
            "X-RateLimit-Limit": f"{LIMIT}, {LIMIT};w={WINDOW.seconds}", "X-RateLimit-Remaining": str(max(0, LIMIT - used - 1)),
            "X-RateLimit-Reset": str(reset),
        })

    def rate_limited(self, retry_after: float) -> Response:
        headers = {
            "X-RateLimit-Limit": f"{LIMIT}, {LIMIT};w={WINDOW.seconds}", "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": f"{retry_after:.0f}",
        }
        return answer(429, {"code": 8, "message": "You have exceeded your rate limit. Try again later."}, headers)

    def server_error(self) -> Response:
        return answer(500, {"code": 12, "message": "Something went wrong on our end. Sorry about that."})

    def rejected(self) -> Response:
        return answer(403, {"code": 29, "message": "You are not permitted to access that resource."})

    def expired(self) -> Response:
        return answer(401, {"code": 2, "message": "Authentication failed."})

    def expire_tokens(self) -> bool:
        self.grants.expire()
        return True

    def _authorize(self, request: Request) -> Response:
        if not set(SCOPES.split(",")) <= set(request.args.get("scope", "").split(",")):
            return answer(400, {"code": 1, "message": "Invalid scope."})
        return consent(self.grants, request)

    def _token(self, request: Request) -> Response:
        known = {"grant_type", "code", "redirect_uri", "refresh_token", "scope", "continuous_refresh", "code_verifier"}
        if set(request.form) - known:
            return answer(400, {"code": 1, "message": "Invalid request."})
        given = request.authorization
        if given is None or (given.username, given.password) != CLIENT:
            return answer(401, {"code": 2, "message": "Authentication failed."})
        grant: Grant | None = exchanged(self.grants, request, CLIENT, client_auth="basic")
        if grant is None:
            return answer(400, {"code": 283, "message": "Invalid grant."})
        life = int(GRANT_LIFE.total_seconds())
        return answer(200, {
            "access_token": grant.access, "token_type": "bearer", "expires_in": int(TOKEN_LIFE.total_seconds()), "scope": SCOPES,
            "response_type": request.form["grant_type"], "refresh_token": grant.refresh, "refresh_token_expires_in": life,
            "refresh_token_expires_at": int(self.now().timestamp()) + life,
        })

    def _user_account(self, request: Request) -> Response:
        pinner = self._signed_in(request)
        account = {"id": pinner.id, "username": pinner.name, "account_type": "BUSINESS", "board_count": len(pinner.boards)}
        return self._said(pinner, account)

    def _boards(self, request: Request) -> Response:
        pinner = self._signed_in(request)
        items = [{"id": board.id, "name": board.name, "privacy": "PUBLIC"} for board in pinner.boards]
        return self._page(request, pinner, items)

    def _page(self, request: Request, pinner: Pinner, items: list[dict[str, Any]]) -> Response:
        size, first = request.args.get("page_size", "25"), request.args.get("bookmark", "0")
        if set(request.args) - LISTING or not size.isdigit() or not 1 <= int(size) <= 250 or not first.isdigit():
            return self._invalid(pinner, "page_size")
        end = int(first) + min(int(size), self.most_per_page)
        return self._said(pinner, {"items": items[int(first):end], "bookmark": str(end) if end < len(items) else None})

    def _list(self, request: Request, board: str, section: str | None = None) -> Response:
        pinner = self._signed_in(request)
        mine = self._board(pinner, board)
        if mine is None or (section is not None and section not in mine.sections):
            return self._said(pinner, {"code": 40, "message": "Board not found."}, 404)
        pins = [pin.shown for pin in self.pins if pin.board == board and section in (None, pin.section) and not pin.entry.gone]
        return self._page(request, pinner, pins[::-1] if self.newest_first else pins)

    def _board(self, pinner: Pinner, board: Any) -> Board | None:
        return next((known for known in pinner.boards if known.id == board), None)

    def _register(self, request: Request) -> Response:
        pinner = self._signed_in(request)
        if request.get_json(silent=True) != {"media_type": "video"}:
            return self._invalid(pinner, "media_type")
        number = f"5212123920{self.next_number():06d}"
        video = self.videos[number] = Video(number, pinner.id, f"uploads/11/aa/22/3:video:{pinner.id}:{number}", self.now())
        return self._said(pinner, {
            "media_id": number, "media_type": "video", "upload_url": f"{request.host_url}pinterest/{STORE}/",
            "upload_parameters": {
                "x-amz-date": self.now().strftime("%Y%m%dT%H%M%SZ"), "x-amz-signature": f"signature-{number}",
                "x-amz-security-token": f"security-{number}", "x-amz-algorithm": "AWS4-HMAC-SHA256", "key": video.key,
                "policy": f"policy-{number}", "x-amz-credential": "credential/s3/aws4_request",
                "Content-Type": "multipart/form-data",
            },
        }, 201)

    def _store(self, request: Request) -> Response:
        """The bucket: it knows signed forms and no tokens, and the file comes last."""
        video = next((video for video in self.videos.values() if video.key == request.form.get("key")), None)
        signed = video is not None and request.form.get("x-amz-signature") == f"signature-{video.id}"
        whole = {"policy", "x-amz-security-token", "x-amz-credential", "Content-Type"} <= set(request.form)
        if video is None or not signed or not whole or "file" not in request.files or "Authorization" in request.headers:
            return answer(403, "<Error><Code>AccessDenied</Code></Error>", content_type="application/xml")
        if request.files["file"].read(12)[4:8] == b"ftyp":
            video.at = self.now()
        return Response(status=204)

    def _status(self, video: Video) -> str:
        if video.at is None:
            return "registered"
        if self.now() - video.at < timedelta(seconds=self.processing_seconds):
            return "processing"
        return "failed" if self.video_fails else "succeeded"

    def _medium(self, request: Request, media: str) -> Response:
        pinner = self._signed_in(request)
        video = self._video(pinner, media)
        if video is None:
            return self._said(pinner, {"code": 2805, "message": "Media not found."}, 404)
        return self._said(pinner, {"media_id": video.id, "media_type": "video", "status": self._status(video)})

    def _video(self, pinner: Pinner, media: Any) -> Video | None:
        video = self.videos.get(str(media))
        fresh = video is not None and self.now() - video.registered < VIDEO_LIFE
        return video if video is not None and fresh and video.owner == pinner.id else None

    def _invalid(self, pinner: Pinner, what: str) -> Response:
        return self._said(pinner, {"code": 1, "message": f"Invalid request: {what}"}, 400)

    def _create(self, request: Request) -> Response:
        pinner = self._signed_in(request)
        body = request.get_json(silent=True)
        if not isinstance(body, dict) or set(body) - MEMBERS:
            return self._invalid(pinner, "a member that PinCreate does not have" if isinstance(body, dict) else "no JSON object")
        for name, most in LENGTHS.items():
            value = body.get(name)
            if value is not None and (not isinstance(value, str) or len(value) > most):
                return self._invalid(pinner, f"'{name}' is too long")
        if any(body.get(name) is not None and not re.fullmatch(r"\d+", str(body[name])) for name in IDS):
            return self._invalid(pinner, "an id does not match '^\\d+$'")
        board = self._board(pinner, body.get("board_id"))
        section = body.get("board_section_id")
        if board is None or (section is not None and section not in board.sections):
            return self._said(pinner, {"code": 40, "message": "Board not found."}, 404)
        wrong = self._wrong_source(pinner, body.get("media_source"))
        return wrong if wrong is not None else self._pin(pinner, board, section, body)

    def _wrong_source(self, pinner: Pinner, source: Any) -> Response | None:
        kind = str(source.get("source_type")) if isinstance(source, dict) else ""
        if kind not in SOURCES:
            return self._invalid(pinner, "media_source")
        must, may = SOURCES[kind]
        if not must <= set(source) or set(source) - must - may - {"source_type"}:
            return self._invalid(pinner, f"media_source of type {kind}")
        if kind == "video_id":
            return self._wrong_video(pinner, source)
        items = source["items"] if "items" in must else [source]
        if not isinstance(items, list) or (items != [source] and not 2 <= len(items) <= 5):
            return self._invalid(pinner, "media_source.items has 2 to 5 items")
        names = {"url"} if kind.endswith(("url", "urls")) else {"content_type", "data"}
        for item in items:
            allowed = names | (ITEM_EXTRAS if item is not source else may | {"source_type"})
            if not names <= set(item) or set(item) - allowed:
                return self._invalid(pinner, "media_source.items")
            wrong = self._wrong_url(pinner, item) if "url" in names else self._wrong_data(pinner, item)
            if wrong is not None:
                return wrong
        return None

    def _wrong_url(self, pinner: Pinner, item: Mapping[str, Any]) -> Response | None:
        pulled = self.world.pull(str(item["url"]))
        if pulled.status != 200 or not pulled.mime.startswith("image/"):
            words = f"Unable to reach the URL. Please check the URL is correct and try again. ({item['url']})"
            return self._said(pinner, {"code": 235, "message": words}, 400)
        return None

    def _wrong_data(self, pinner: Pinner, item: Mapping[str, Any]) -> Response | None:
        try:
            data = base64.b64decode(str(item["data"]), validate=True)
        except binascii.Error:
            data = b""
        magic = MAGIC.get(str(item["content_type"]))
        return None if magic is not None and data.startswith(magic) else self._invalid(pinner, "media_source.data")

    def _wrong_video(self, pinner: Pinner, source: Mapping[str, Any]) -> Response | None:
        video = self._video(pinner, source["media_id"])
        if video is None:
            return self._said(pinner, {"code": 2805, "message": "Media not found."}, 404)
        if self._status(video) != "succeeded":
            return self._invalid(pinner, f"the video is {self._status(video)}")
        frame = source.get("cover_image_key_frame_time")
        if not ({"cover_image_url", "cover_image_data"} & set(source)) and frame is None:
            return self._invalid(pinner, "a video needs a cover")
        if frame is not None and (isinstance(frame, bool) or not isinstance(frame, int) or frame < 0):
            return self._invalid(pinner, "cover_image_key_frame_time")
        return None

    def _pin(self, pinner: Pinner, board: Board, section: str | None, body: Mapping[str, Any]) -> Response:
        source = body["media_source"]
        items = source.get("items") or [source]
        kind = "video" if source["source_type"] == "video_id" else "multiple_images" if len(items) > 1 else "image"
        number = f"8131{int(self.now().timestamp()):d}{self.next_number():06d}"
        media = [str(source["media_id"])] if kind == "video" else [f"{number}-{place}" for place, _ in enumerate(items)]
        text = str(body.get("description") or body.get("title") or "")
        options = {name: value for name, value in body.items() if name not in ("description", "media_source")}
        entry = self.visible(pinner.profile_id, number, text, media, options=options, source=source["source_type"])
        shown = {
            "id": number, "created_at": self.now().strftime("%Y-%m-%dT%H:%M:%S"),
            "board_id": board.id, "board_section_id": section, "media": {"media_type": kind},
            "title": body.get("title"), "description": body.get("description"), "link": body.get("link"),
            "alt_text": body.get("alt_text"), "dominant_color": body.get("dominant_color"), "is_owner": True,
            "creative_type": {"video": "VIDEO", "multiple_images": "CAROUSEL"}.get(kind, "REGULAR"),
        }
        self.pins.append(Pin(number, board.id, section, shown, entry))
        return self._said(pinner, shown, 201)

    def _delete(self, request: Request, pin: str) -> Response:
        pinner = self._signed_in(request)
        for known in self.pins:
            if known.id == pin and known.entry.profile_id == pinner.profile_id and not known.entry.gone:
                known.entry.gone = True
                return Response(status=204)
        return self._said(pinner, {"code": 50, "message": "Pin not found."}, 404)
