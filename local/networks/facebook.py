"""A stand-in for Facebook pages: posts, unseen photos, videos in parts, reels, stories, comments, and posts kept for later.

It judges by the Graph API's published shape (v26.0; Page.json of facebook-business-sdk-codegen, 2026-04): parameters it does not
know are refused, uploads come in the parts it asked for, and what is worked on becomes visible only when that is done.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Entry, Network, Phase, Route, World, answer
from .grants import Grants, consent, exchanged

CLIENT = ("facebook-client", "facebook-client-secret")
VERSION = "/v26.0"
SHORT_LIFE, LONG_LIFE = timedelta(hours=1), timedelta(days=60)
UPLOAD_LIFE = timedelta(hours=24)
PHOTO_BYTES = 10 * 1024 * 1024
EARLIEST, LATEST = timedelta(minutes=10), timedelta(days=30)
MEMBERS: Mapping[str, frozenset[str]] = {
    "feed": frozenset({"message", "link", "published", "scheduled_publish_time", "unpublished_content_type", "attached_media",
                       "place", "tags", "targeting", "feed_targeting", "backdated_time", "call_to_action", "client_mutation_id"}),
    "photos": frozenset({"published", "temporary", "alt_text_custom", "caption", "message", "url", "no_story", "place"}),
    "videos": frozenset({"upload_phase", "file_size", "upload_session_id", "start_offset", "description", "title", "published",
                         "scheduled_publish_time", "unpublished_content_type"}),
    "video_reels": frozenset({"upload_phase", "video_id", "video_state", "description", "title", "scheduled_publish_time"}),
    "video_stories": frozenset({"upload_phase", "video_id"}),
    "photo_stories": frozenset({"photo_id"}),
    "comments": frozenset({"message", "attachment_id", "attachment_url"}),
}
"""Edge -> the parameters it takes, transcribed from the SDK's specification."""
FIELDS = frozenset({
    "id", "name", "category", "access_token", "tasks", "message", "created_time", "from", "attachments", "permalink_url",
    "is_published", "scheduled_publish_time", "status", "published", "post_id", "media_id", "media_type", "creation_time", "url",
})


@dataclass
class Photo:
    """A photo of the page; `used` once a post or a story shows it."""

    id: str
    page: str
    temporary: bool
    until: datetime
    alt_text: str = ""
    used: bool = False


@dataclass
class Video:
    """A video. `sent` are the bytes that came; `finished_at` is when its upload was ended, `due` when it is to be seen."""

    id: str
    page: str
    edge: str
    size: int
    until: datetime
    session: str = ""
    sent: int = 0
    finished_at: datetime | None = None
    due: datetime | None = None
    scheduled: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    refused: bool = False
    story: str = ""
    entry: Entry | None = None
    gone: bool = False


@dataclass
class Post:
    """A post, a story or a comment. `due` is when readers see it, None at once."""

    id: str
    page: str
    kind: str
    body: Mapping[str, Any]
    at: datetime
    due: datetime | None = None
    media: list[str] = field(default_factory=list)
    parent: str | None = None
    entry: Entry | None = None
    gone: bool = False


@dataclass
class Page:
    """A page and its token, which does not lapse."""

    profile_id: str
    id: str
    name: str
    token: str


class FacebookNetwork(Network):
    """Facebook on the world's clock. `processing_seconds` pass between the end of a video's upload and its being seen."""

    platform: ClassVar[str] = "facebook"
    client: ClassVar[tuple[str, str]] = CLIENT

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.processing_seconds = 5.0
        self.processing_fails = False
        self.part = 1024 * 1024
        self.comments_after = 0.0
        self.page_size = 100
        self.pages: dict[str, Page] = {}
        self.photos: dict[str, Photo] = {}
        self.videos: dict[str, Video] = {}
        self.posts: dict[str, Post] = {}
        self.dead: set[str] = set()
        self.long: dict[str, tuple[str, datetime]] = {}
        self.grants = Grants(self, SHORT_LIFE)
        page, one = f"{VERSION}/(?P<page>[0-9]+)", f"{VERSION}/(?P<number>[0-9_]+)"
        token = "(?:/graph\\.facebook\\.com)?" + VERSION + "/oauth/access_token"
        self.routes = [
            Route("GET", f"/www.facebook.com{VERSION}/dialog/oauth", "auth", lambda request: consent(self.grants, request)),
            Route("POST", token, "auth", self._token),
            Route("GET", token, "auth", self._exchange),
            Route("GET", f"{VERSION}/me", "read", self._me),
            Route("GET", f"{VERSION}/me/accounts", "read", self._accounts),
            Route("POST", f"{page}/photos", "prepare", self._photo),
            Route("POST", f"/graph-video.facebook.com{page}/videos", _phase, self._feed_video),
            Route("POST", f"{page}/(?P<edge>video_reels|video_stories)", _phase, self._short_video),
            Route("POST", "/rupload.facebook.com/video-upload/(?P<number>[0-9]+)", "prepare", self._bytes),
            Route("POST", f"{page}/feed", "publish", self._feed),
            Route("POST", f"{page}/photo_stories", "publish", self._photo_story),
            Route("POST", f"{one}/comments", "publish", self._comment),
            Route("GET", f"{one}/comments", "read", self._comments),
            Route("GET", f"{page}/(?P<edge>posts|scheduled_posts|stories)", "read", self._list),
            Route("GET", one, "read", self._read),
            Route("DELETE", one, "delete", self._delete),
        ]
        self._page("prof_facebook")

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with: a page, and its token."""
        page = self._page(profile_id)
        credentials = {"accessToken": page.token, "clientId": CLIENT[0], "clientSecret": CLIENT[1]}
        return {"server": "/facebook", "accountId": page.id, "credentials": credentials}

    def _page(self, profile_id: str) -> Page:
        page = self.pages.get(profile_id)
        if page is None:
            number = len(self.pages) + 1
            page = Page(profile_id, str(100_200_300_400_000 + number), f"Page {number}", f"facebook-page-token-{number}")
            self.pages[profile_id] = page
        return page

    def revoke(self, profile_id: str) -> None:
        """The user takes the consent back, or changed the password: the page's token is dead."""
        self.dead.add(profile_id)

    def _owner(self, request: Request) -> Page | None:
        token = request.headers.get("Authorization", "").partition(" ")[2]
        return next((p for p in self.pages.values() if p.token == token and p.profile_id not in self.dead), None)

    def _user(self, request: Request) -> str | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        profile_id, until = self.long.get(token, (None, self.now()))
        return profile_id if profile_id and self.now() < until else self.grants.owner(token)

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        if request.path.endswith(f"{VERSION}/me/accounts") or request.path.endswith(f"{VERSION}/me"):
            return None if self._user(request) or self._owner(request) else self.expired()
        page = self._owner(request)
        if page is None:
            return self.expired()
        if groups.get("page") not in (None, page.id):
            return _error(403, 200, "(#200) If posting to a page, requires both pages_read_engagement and pages_manage_posts")
        return None

    def rate_limited(self, retry_after: float) -> Response:
        minutes = math.ceil(retry_after / 60) if retry_after >= 30 else 0
        use = [{
            "type": "pages", "call_count": 100, "total_cputime": 30, "total_time": 40, "estimated_time_to_regain_access": minutes,
        }]
        headers = {"X-Business-Use-Case-Usage": json.dumps({"100200300400001": use})}
        return _error(400, 80_001, "(#80001) There have been too many calls to this Page account.", headers=headers)

    def server_error(self) -> Response:
        return _error(500, 2, "An unexpected error has occurred. Please retry your request later.", transient=True)

    def rejected(self) -> Response:
        return _error(403, 368, "(#368) The action is deemed abusive: the content is not allowed", 1_390_008)

    def expired(self) -> Response:
        return _error(401, 190, "Error validating access token: The session has been invalidated.", 460)

    def _token(self, request: Request) -> Response:
        grant = exchanged(self.grants, request, CLIENT)
        if grant is None:
            return _error(400, 100, "This authorization code has been used.", 36_009)
        return answer(200, {"access_token": grant.access, "token_type": "bearer", "expires_in": int(SHORT_LIFE.total_seconds())})

    def _exchange(self, request: Request) -> Response:
        asked = request.args
        owner = self.grants.owner(asked.get("fb_exchange_token"))
        if asked.get("grant_type") != "fb_exchange_token" or (asked.get("client_id"), asked.get("client_secret")) != CLIENT:
            return _error(400, 101, "Error validating client secret.")
        if owner is None:
            return self.expired()
        token = f"facebook-long-token-{self.next_number()}"
        self.long[token] = (owner, self.now() + LONG_LIFE)
        return answer(200, {"access_token": token, "token_type": "bearer", "expires_in": int(LONG_LIFE.total_seconds())})

    def _me(self, request: Request) -> Response:
        page = self._owner(request)
        if page is None:
            return _error(400, 100, "(#100) Tried accessing nonexisting field (category) on node type (User)")
        return answer(200, {"id": page.id, "name": page.name, "category": "Software"})

    def _accounts(self, request: Request) -> Response:
        user = self._user(request)
        if user is None:
            return _error(400, 100, "(#100) Tried accessing nonexisting field (accounts) on node type (Page)")
        page = self._page(user)
        tasks = ["ANALYZE", "ADVERTISE", "MODERATE", "CREATE_CONTENT", "MANAGE"]
        data = [
            {"id": page.id, "name": page.name, "access_token": page.token, "tasks": tasks},
            {"id": "42", "name": "Somebody else's", "access_token": "facebook-other-token", "tasks": ["ANALYZE"]},
        ]
        return answer(200, {"data": data, "paging": {"cursors": {"before": "a", "after": "b"}}})

    def _number(self) -> str:
        return str(120_000_000_000_000 + self.next_number())

    def _photo(self, request: Request, page: str) -> Response:
        unknown = set(request.form) - MEMBERS["photos"]
        file = request.files.get("source")
        if unknown or file is None or request.form.get("published") != "false":
            return _error(400, 100, f"(#100) {sorted(unknown) or 'source and published=false are needed here'}")
        content = file.read()
        if not content.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*", b"MM\x00*")):
            return _error(400, 324, "(#324) Missing or invalid image file", 2_069_019)
        if len(content) > PHOTO_BYTES:
            return _error(400, 100, "Your photos couldn't be uploaded. Photos should be smaller than 10 MB.", 1_366_046)
        temporary, described = request.form.get("temporary") == "true", request.form.get("alt_text_custom", "")
        photo = Photo(self._number(), page, temporary, self.now() + UPLOAD_LIFE, described)
        self.photos[photo.id] = photo
        return answer(200, {"id": photo.id})

    def _feed_video(self, request: Request, page: str) -> Response:
        said = request.get_json(silent=True) if request.is_json else request.form.to_dict()
        said = said if isinstance(said, dict) else {}
        unknown = set(said) - MEMBERS["videos"]
        if unknown:
            return _error(400, 100, f"(#100) Invalid parameter {sorted(unknown)}")
        if said.get("upload_phase") == "start":
            return self._start(page, "videos", int(said.get("file_size") or 0))
        video = next((v for v in self.videos.values() if v.session and v.session == said.get("upload_session_id")), None)
        if video is None or video.page != page or video.until <= self.now() or video.gone:
            return _error(400, 6000, "There was a problem uploading your video file: the session is invalid.", 1_363_041)
        if said.get("upload_phase") == "finish":
            return self._finish(video, said)
        if said.get("upload_phase") != "transfer" or "video_file_chunk" not in request.files:
            return _error(400, 100, "(#100) upload_phase is start, transfer or finish")
        span = self._span(video)
        if said.get("start_offset") != span["start_offset"]:
            return _error(400, 6001, "The starting offset is wrong.", WRONG_OFFSET, data=span)
        chunk = request.files["video_file_chunk"].read()
        if len(chunk) != int(span["end_offset"]) - video.sent:
            return _error(400, 6001, "The size of the part is wrong.", 1_363_021)
        video.sent += len(chunk)
        return answer(200, self._span(video))

    def _span(self, video: Video) -> dict[str, str]:
        return {"start_offset": str(video.sent), "end_offset": str(min(video.sent + self.part, video.size))}

    def _start(self, page: str, edge: str, size: int) -> Response:
        number = self._number()
        video = self.videos[number] = Video(number, page, edge, size, self.now() + UPLOAD_LIFE)
        if edge != "videos":
            return answer(200, {"video_id": number, "upload_url": ""})
        if size < 1:
            return _error(400, 100, "(#100) file_size is needed")
        video.session = f"9{number}"
        return answer(200, {"video_id": number, "upload_session_id": video.session, **self._span(video)})

    def _short_video(self, request: Request, page: str, edge: str) -> Response:
        said = request.get_json(silent=True)
        said = said if isinstance(said, dict) else {}
        if set(said) - MEMBERS[edge]:
            return _error(400, 100, f"(#100) Invalid parameter {sorted(set(said) - MEMBERS[edge])}")
        if said.get("upload_phase") == "start":
            started = self._start(page, edge, 0)
            number = json.loads(started.get_data())["video_id"]
            where = f"{request.host_url}facebook/rupload.facebook.com/video-upload/{number}"
            return answer(200, {"video_id": number, "upload_url": where})
        video = self.videos.get(str(said.get("video_id")))
        if said.get("upload_phase") != "finish" or video is None or video.page != page or video.edge != edge or video.gone:
            return _error(400, 100, "(#100) Invalid parameter: no such video", 33)
        return self._finish(video, said)

    def _bytes(self, request: Request, number: str) -> Response:
        video, headers = self.videos.get(number), request.headers
        if video is None or video.until <= self.now() or video.gone:
            return answer(404, {"debug_info": {"retriable": False, "type": "InvalidVideo", "message": "no such upload"}})
        if not headers.get("Authorization", "").startswith("OAuth "):
            return self.expired()
        data, offset, size = request.get_data(), headers.get("offset", ""), headers.get("file_size", "")
        if offset != str(video.sent) or not size.isdigit() or (video.size and int(size) != video.size):
            return answer(400, {"debug_info": {"retriable": False, "type": "PartialRequestError", "message": "wrong offset"}})
        video.size = int(size)
        video.sent += len(data)
        if video.sent != video.size:
            return answer(400, {"debug_info": {"retriable": True, "type": "PartialRequestError", "message": "Partial request"}})
        return answer(200, {"success": True})

    def _finish(self, video: Video, said: Mapping[str, Any]) -> Response:
        if not video.size or video.sent < video.size:
            return _error(400, 6000, "The video is not there as a whole.", 1_363_031)
        if video.finished_at is not None:
            return _error(400, 100, "(#100) Invalid parameter: the video is finished already", 1_363_047)
        scheduled = said.get("scheduled_publish_time")
        later = said.get("video_state") == "SCHEDULED" or said.get("published") is False
        if later != (scheduled is not None) or (later and not self._can_wait(scheduled)):
            return self._wrong_time()
        if video.edge == "video_reels" and said.get("video_state") not in ("PUBLISHED", "SCHEDULED"):
            return _error(400, 100, "(#100) video_state is PUBLISHED, SCHEDULED or DRAFT")
        video.finished_at, video.body, video.refused = self.now(), said, self.processing_fails
        video.due = self.now() + timedelta(seconds=self.processing_seconds)
        video.scheduled = scheduled if later else None
        if video.scheduled is not None:
            video.due = max(video.due, _at(video.scheduled, self.now()))
        if video.edge == "video_stories":
            video.story = self._number()
            return answer(200, {"success": True, "post_id": video.story})
        self.tick()
        return answer(200, {"success": True, **({"post_id": f"1{video.id}"} if video.edge == "video_reels" else {})})

    def _can_wait(self, at: Any) -> bool:
        return isinstance(at, int) and EARLIEST <= _at(at, self.now()) - self.now() <= LATEST

    def _wrong_time(self) -> Response:
        return _error(400, 100, "(#100) The specified scheduled publish time is invalid.", 1_363_142)

    def tick(self) -> None:
        """Show what has become due, stamped with its time."""
        for video in self.videos.values():
            if video.due is not None and video.due <= self.now() and video.entry is None and not video.refused and not video.gone:
                words = "" if video.edge == "video_stories" else str(video.body.get("description") or "")
                page = self._page_of(video.page)
                video.entry = self.visible(page.profile_id, video.story or video.id, words, [video.id], kind=video.edge)
                video.entry.at = video.due
        for post in self.posts.values():
            if post.due is not None and post.due <= self.now() and post.entry is None and not post.gone:
                self._show(post)
                assert post.entry is not None
                post.entry.at = post.due

    def _show(self, post: Post) -> None:
        words, page = str(post.body.get("message") or ""), self._page_of(post.page)
        link = post.body.get("link")
        post.entry = self.visible(page.profile_id, post.id, words, post.media, post.parent, kind=post.kind, link=link)

    def _page_of(self, number: str) -> Page:
        return next(page for page in self.pages.values() if page.id == number)

    def _feed(self, request: Request, page: str) -> Response:
        sent = request.get_json(silent=True)
        said: dict[str, Any] = sent if isinstance(sent, dict) else request.form.to_dict()
        if set(said) - MEMBERS["feed"]:
            return _error(400, 100, f"(#100) Invalid parameter {sorted(set(said) - MEMBERS['feed'])}")
        later, attached = said.get("published") is False, said.get("attached_media") or []
        if not str(said.get("message") or "").strip() and not said.get("link") and not attached:
            return _error(400, 100, "(#100) Missing message or attachment", 1_349_125)
        if len(str(said.get("message") or "")) > 63_206:
            return _error(400, 100, "(#100) Status message is too long")
        if later != ("scheduled_publish_time" in said) or (later and not self._can_wait(said["scheduled_publish_time"])):
            return self._wrong_time()
        photos = [self.photos.get(str(part.get("media_fbid"))) for part in attached]
        for photo in photos:
            fits = photo is not None and photo.page == page and not photo.used and photo.until > self.now()
            if not fits or (later and photo is not None and not photo.temporary):
                return _error(400, 100, "(#100) One or more of the given photos cannot be attached", 1_366_050)
        theirs = [p for p in self.posts.values() if p.page == page and p.kind == "post" and p.entry and not p.gone]
        before = theirs[-1] if theirs else None
        said_alike = before is not None and not attached and not later and not before.media
        if said_alike and before is not None and all(before.body.get(name) == said.get(name) for name in ("message", "link")):
            return _error(400, 506, "(#506) Duplicate status message", 1_455_006)
        post = Post(f"{page}_{self._number()}", page, "post", said, self.now(), media=[photo.id for photo in photos if photo])
        self.posts[post.id] = post
        for photo in photos:
            if photo is not None:
                photo.used = True
        if later:
            post.due = _at(said["scheduled_publish_time"], self.now())
        else:
            self._show(post)
        return answer(200, {"id": post.id})

    def _photo_story(self, request: Request, page: str) -> Response:
        said = request.get_json(silent=True)
        said = said if isinstance(said, dict) else {}
        photo = self.photos.get(str(said.get("photo_id")))
        if set(said) != MEMBERS["photo_stories"] or photo is None or photo.page != page or photo.used:
            return _error(400, 100, "(#100) The photo has been published before, or is none of the page's", 1_366_050)
        photo.used = True
        post = Post(self._number(), page, "story", {}, self.now(), media=[photo.id])
        self.posts[post.id] = post
        self._show(post)
        return answer(200, {"success": True, "post_id": post.id})

    def _comment(self, request: Request, number: str) -> Response:
        said, page = request.get_json(silent=True), self._owner(request)
        assert page is not None
        parent = self._seen(number)
        if parent is None or self.now() - parent.at < timedelta(seconds=self.comments_after):
            return _missing(number)
        if not isinstance(said, dict) or set(said) - MEMBERS["comments"] or not 1 <= len(str(said.get("message") or "")) <= 8000:
            return _error(400, 100, "(#100) a comment has a message of 1 to 8,000 characters")
        own = number.rpartition("_")[2]
        comment = Post(f"{own}_{self._number()}", page.id, "comment", said, self.now(), parent=number)
        self.posts[comment.id] = comment
        self._show(comment)
        return answer(200, {"id": comment.id})

    def _seen(self, number: str) -> Entry | None:
        """The visible post or video of that id."""
        post, video = self.posts.get(number), self.videos.get(number)
        return post.entry if post and not post.gone else video.entry if video and not video.gone else None

    def _comments(self, request: Request, number: str) -> Response:
        if self._seen(number) is None:
            return _missing(number)
        theirs = [post for post in self.posts.values() if post.parent == number and not post.gone]
        return self._paged(request, [_shown_comment(post) for post in reversed(theirs)])

    def _list(self, request: Request, page: str, edge: str) -> Response:
        fields = set(re.sub(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "", request.args.get("fields", "")).split(","))
        if fields - FIELDS or set(request.args) - {"fields", "limit", "since", "until", "after"}:
            return _error(400, 100, f"(#100) Tried accessing nonexisting field ({sorted(fields - FIELDS)})")
        since = int(request.args.get("since", "0"))
        posts = [post for post in self.posts.values() if post.page == page and not post.gone]
        if edge == "stories":
            day = self.now() - timedelta(days=1)
            shown = [
                {"post_id": post.id, "media_id": post.media[0], "media_type": "photo", "status": "PUBLISHED"}
                for post in posts if post.kind == "story" and post.at > day
            ]
            shown += [
                {"post_id": video.story, "media_id": video.id, "media_type": "video", "status": "PUBLISHED"}
                for video in self.videos.values() if video.page == page and video.story and video.entry and not video.gone
            ]
            return self._paged(request, shown)
        kept = edge == "scheduled_posts"
        wanted = [post for post in posts if post.kind == "post" and (post.entry is None) == kept]
        rows = [(post.due if post.entry and post.due else post.at, _shown(post)) for post in wanted]
        rows += [
            (video.entry.at, _shown_video(page, video)) for video in self.videos.values()
            if video.page == page and video.edge != "video_stories" and video.entry and not video.gone and not kept
        ]
        rows = [row for row in rows if row[0].timestamp() >= since]
        return self._paged(request, [row[1] for row in sorted(rows, key=lambda row: row[0], reverse=True)])

    def _paged(self, request: Request, rows: list[dict[str, Any]]) -> Response:
        size, start = min(int(request.args.get("limit", "25")), self.page_size), int(request.args.get("after", "0"))
        end = start + size
        more = {"next": "https://graph.facebook.com/…"} if rows[end:] else {}
        paging = {"cursors": {"before": str(start), "after": str(end)}, **more}
        return answer(200, {"data": rows[start:end], **({"paging": paging} if rows else {})})

    def _read(self, request: Request, number: str) -> Response:
        post, video = self.posts.get(number), self.videos.get(number)
        if video is not None and not video.gone and (video.finished_at or video.until > self.now()):
            published = video.entry is not None
            return answer(200, {"id": number, "status": self._status(video), "published": published})
        if post is None or post.gone:
            return _missing(number)
        return answer(200, {"id": number, "is_published": post.entry is not None, "scheduled_publish_time": None})

    def _status(self, video: Video) -> dict[str, Any]:
        up = {"status": "complete" if video.size and video.sent == video.size else "not_started", "bytes_transfered": video.sent}
        idle: dict[str, Any] = {"status": "not_started"}
        if video.finished_at is None:
            state = "upload_complete" if up["status"] == "complete" else "processing"
            return {"video_status": state, "uploading_phase": up, "processing_phase": idle, "publishing_phase": idle}
        if self.now() < video.finished_at + timedelta(seconds=self.processing_seconds):
            working = {"status": "in_progress"}
            return {"video_status": "processing", "uploading_phase": up, "processing_phase": working, "publishing_phase": idle}
        if video.refused:
            broken = {"status": "error", "errors": [{"code": 1_363_128, "message": "The video's resolution is not supported."}]}
            return {"video_status": "error", "uploading_phase": up, "processing_phase": broken, "publishing_phase": idle}
        done = {"status": "complete"}
        out = {"status": "complete", "publish_status": "published"} if video.entry else {
            "status": "complete", "publish_status": "scheduled", "publish_time": video.scheduled,
        }
        return {"video_status": "ready", "uploading_phase": up, "processing_phase": done, "publishing_phase": out}

    def _delete(self, request: Request, number: str) -> Response:
        page = self._owner(request)
        video = next((v for v in self.videos.values() if number in (v.id, v.story) and not v.gone), None)
        thing: Post | Video | None = video or self.posts.get(number)
        if thing is None or thing.gone or page is None or thing.page != page.id:
            return _missing(number)
        thing.gone = True
        if thing.entry is not None:
            thing.entry.gone = True
        for post in self.posts.values():
            if post.parent == number and post.entry is not None:
                post.gone = post.entry.gone = True
        return answer(200, {"success": True})


WRONG_OFFSET = 1_363_037


def _phase(request: Request) -> Phase:
    """The end of an upload publishes; all before it is preparation."""
    said = request.get_json(silent=True) if request.is_json else None
    return "publish" if isinstance(said, dict) and said.get("upload_phase") == "finish" else "prepare"


def _at(seconds: int, now: datetime) -> datetime:
    return datetime.fromtimestamp(seconds, now.tzinfo)


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+0000")


def _shown(post: Post) -> dict[str, Any]:
    at = post.due if post.entry and post.due else post.at
    shown: dict[str, Any] = {"id": post.id, "created_time": _time(at)}
    if post.body.get("message"):
        shown["message"] = post.body["message"]
    if post.entry is None:
        shown["scheduled_publish_time"] = post.body["scheduled_publish_time"]
    parts = [{"type": "photo", "target": {"id": photo}} for photo in post.media]
    if len(parts) == 1:
        shown["attachments"] = {"data": parts}
    elif parts:
        shown["attachments"] = {"data": [{"type": "album", "target": {"id": "1"}, "subattachments": {"data": parts}}]}
    elif post.body.get("link"):
        shown["attachments"] = {"data": [{"type": "share", "target": {}, "unshimmed_url": post.body["link"]}]}
    return shown


def _shown_video(page: str, video: Video) -> dict[str, Any]:
    assert video.entry is not None
    attached = {"data": [{"type": "video_inline", "target": {"id": video.id}}]}
    return {
        "id": f"{page}_1{video.id}", "created_time": _time(video.entry.at), "message": video.entry.text, "attachments": attached,
    }


def _shown_comment(post: Post) -> dict[str, Any]:
    return {"id": post.id, "message": post.body["message"], "from": {"id": post.page}, "created_time": _time(post.at)}


def _missing(number: str) -> Response:
    text = f"Unsupported request. Object with ID '{number}' does not exist, cannot be loaded due to missing permissions, or"
    return _error(400, 100, f"{text} does not support this operation.", 33, kind="GraphMethodException")


def _error(
    status: int, code: int, message: str, subcode: int | None = None, *, kind: str = "OAuthException", transient: bool = False,
    data: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None,
) -> Response:
    error: dict[str, Any] = {"message": message, "type": kind, "code": code, "fbtrace_id": "AbCdEfGhIjK"}
    error |= {"error_subcode": subcode} if subcode else {}
    error |= {"is_transient": True} if transient else {}
    error |= {"error_data": dict(data)} if data else {}
    return answer(status, {"error": error}, headers)
