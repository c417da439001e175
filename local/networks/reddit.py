"""A stand-in for Reddit: submissions, media by lease and bucket, comments, and errors under HTTP 200.

It judges by Reddit's API documentation and Pyprohly/reddit-api-doc-notes (2024-07-01). Members that Reddit would drop in silence
are refused here, so that a typo shows. A post with media becomes visible some seconds after its submission, and has no id before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Entry, Network, Route, World, answer
from .grants import Grants, consent, exchanged

CLIENT = ("reddit-client", "reddit-client-secret")
TOKEN_LIFE = timedelta(hours=1)
WINDOW, LIMIT = timedelta(minutes=10), 1000
"""100 calls a minute and app, averaged over ten minutes."""
SCOPES = "identity submit edit read history flair"
BUCKET = "reddit-uploaded-media.s3-accelerate.amazonaws.com"
AGENT = re.compile(r"[^:\s]+:[^:\s]+:\S+ \(by /u/[\w-]+\)")
MIMES = ("image/png", "image/jpeg", "image/gif", "video/mp4", "video/quicktime")
KINDS = {"self", "link", "image", "video", "videogif"}
BOOLEANS = {"nsfw", "spoiler", "sendreplies", "resubmit", "validate_on_submit", "show_error_list", "original_content"}
SUBMIT = {
    "api_type", "kind", "sr", "title", "text", "url", "video_poster_url", "flair_id", "flair_text", "collection_id", "ad",
    *BOOLEANS,
}
GALLERY = (SUBMIT | {"items"}) - {"kind", "url", "video_poster_url", "resubmit"}
EXPIRED_UPLOADS = timedelta(hours=24)


@dataclass
class Upload:
    """A lease, and what was sent to the bucket with it (None as long as nothing was)."""

    asset: str
    owner: str
    key: str
    mime: str
    at: datetime
    size: int | None = None


@dataclass
class Thing:
    """A post (t3) or a comment (t1). `due` is when it becomes visible; `shown` its JSON in listings."""

    name: str
    owner: str
    shown: dict[str, Any]
    due: datetime
    text: str
    media: list[str] = field(default_factory=list)
    parent: str | None = None
    entry: Entry | None = None


class RedditNetwork(Network):
    """Reddit on the world's clock. `refused` are subreddits that take no post, with the error each answers; `media_fails` lets
    posts with media be taken and never shown; `limit_by_status` makes the rate limit a 429 in place of an error under 200."""

    platform: ClassVar[str] = "reddit"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.processing_seconds = 3.0
        self.media_fails = False
        self.limit_by_status = False
        self.page_size = 100
        self.largest_upload = 20 * 1024 * 1024
        self.refused: dict[str, tuple[str, str]] = {
            "doesnotexist": ("SUBREDDIT_NOEXIST", "Hmm, that community doesn't exist. Try checking the spelling."),
            "linksonly": ("NO_SELFS", "This community doesn't allow text posts"),
        }
        self.grants = Grants(self, TOKEN_LIFE)
        self.names: dict[str, str] = {}
        self.uploads: dict[str, Upload] = {}
        self.things: list[Thing] = []
        self._used: tuple[datetime, int] = (self.now(), 0)
        self.credentials_for("prof_reddit")
        site = r"/www\.reddit\.com"
        self.routes = [
            Route("GET", site + "/api/v1/authorize", "auth", self._authorize),
            Route("POST", site + r"/api/v1/access_token", "auth", self._token),
            Route("GET", "/api/v1/me", "read", self._me),
            Route("POST", r"/api/media/asset\.json", "prepare", self._lease),
            Route("POST", "/" + re.escape(BUCKET), "prepare", self._store),
            Route("POST", "/api/submit", "publish", self._submit),
            Route("POST", r"/api/submit_gallery_post\.json", "publish", self._gallery),
            Route("POST", "/api/comment", "publish", self._comment),
            Route("GET", "/user/(?P<name>[^/]+)/(?P<what>submitted|comments)", "read", self._list),
            Route("POST", "/api/del", "delete", self._delete),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with, a new user if it is not known yet, with a default subreddit."""
        known = [grant for grant in self.grants.grants if grant.profile_id == profile_id and not grant.dead]
        name = self.names.setdefault(profile_id, f"dateline_{len(self.names) + 1}")
        grant = known[-1] if known else self.grants.give(profile_id)
        return {
            "server": "/reddit", "accountId": name, "expiresIn": int(TOKEN_LIFE.total_seconds()),
            "settings": {"subreddit": "dateline"},
            "credentials": {
                "accessToken": grant.access, "refreshToken": grant.refresh, "clientId": CLIENT[0], "clientSecret": CLIENT[1],
            },
        }

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        if BUCKET in request.path:
            return None  # a lease is what counts there
        if AGENT.fullmatch(request.headers.get("User-Agent", "")) is None:
            return answer(429, {"message": "Too Many Requests", "error": 429})
        return None if self._owner(request) else self.expired()

    def _owner(self, request: Request) -> str | None:
        return self.grants.owner(request.headers.get("Authorization", "").removeprefix("Bearer "))

    def _signed_in(self, request: Request) -> str:
        self._appear()
        owner = self._owner(request)
        assert owner is not None
        return owner

    def _headers(self) -> dict[str, str]:
        since, used = self._used
        if self.now() - since >= WINDOW:
            since, used = self.now(), 0
        self._used = (since, used + 1)
        reset = max(1, round((since + WINDOW - self.now()).total_seconds()))
        return {
            "X-Ratelimit-Used": str(used + 1), "X-Ratelimit-Remaining": f"{LIMIT - used - 1:.1f}",
            "X-Ratelimit-Reset": str(reset),
        }

    def _said(self, body: Any) -> Response:
        return answer(200, body, self._headers())

    def _error(self, code: str, words: str, place: str | None) -> Response:
        return self._said({"json": {"errors": [[code, words, place]]}})

    def rate_limited(self, retry_after: float) -> Response:
        if self.limit_by_status:
            headers = {"X-Ratelimit-Used": "1000", "X-Ratelimit-Remaining": "0.0", "X-Ratelimit-Reset": f"{retry_after:.0f}"}
            return answer(429, {"message": "Too Many Requests", "error": 429}, headers)
        whole = f"{retry_after:.0f} seconds" if retry_after < 60 else f"{int(retry_after // 60)} minutes"
        words = f"Looks like you've been doing that a lot. Take a break for {whole} before trying again."
        return self._error("RATELIMIT", words, "ratelimit")

    def server_error(self) -> Response:
        return answer(500, {"message": "Internal Server Error", "error": 500})

    def rejected(self) -> Response:
        return self._error("SUBREDDIT_NOTALLOWED", "This community only allows trusted members to post here", "sr")

    def expired(self) -> Response:
        return answer(401, {"message": "Unauthorized", "error": 401})

    def expire_tokens(self) -> bool:
        self.grants.expire()
        return True

    def _authorize(self, request: Request) -> Response:
        if request.args.get("duration") != "permanent" or not set(SCOPES.split()) <= set(request.args.get("scope", "").split()):
            return answer(400, {"error": "invalid_request", "error_description": "duration and scope"})
        return consent(self.grants, request)

    def _token(self, request: Request) -> Response:
        if request.headers.get("User-Agent", "").startswith("python-requests"):
            return answer(429, {"message": "Too Many Requests", "error": 429})
        given = request.authorization
        if given is None or (given.username, given.password) != CLIENT:
            return answer(401, {"message": "Unauthorized", "error": 401})
        grant = exchanged(self.grants, request, CLIENT, client_auth="basic")
        if grant is None:
            return answer(400, {"error": "invalid_grant"})
        return answer(200, {
            "access_token": grant.access, "token_type": "bearer", "expires_in": int(TOKEN_LIFE.total_seconds()), "scope": SCOPES,
            "refresh_token": grant.refresh,
        })

    def _me(self, request: Request) -> Response:
        name = self.names[self._signed_in(request)]
        return self._said({"name": name, "id": f"user{name[9:]}", "is_suspended": False})

    def _lease(self, request: Request) -> Response:
        owner = self._signed_in(request)
        form = request.form
        if set(form) != {"filepath", "mimetype"} or not form["filepath"] or form["mimetype"] not in MIMES:
            return answer(400, {"message": "Bad Request", "error": 400}, self._headers())
        asset = f"asset{self.next_number():08d}"
        key = f"rte_images/{asset}"
        self.uploads[asset] = Upload(asset, owner, key, form["mimetype"], self.now())
        fields = {
            "acl": "public-read", "key": key, "X-Amz-Credential": "lease/credential", "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": self.now().strftime("%Y%m%dT%H%M%SZ"), "success_action_status": "201", "content-type": form["mimetype"],
            "policy": f"policy-{asset}", "X-Amz-Signature": f"signature-{asset}",
        }
        return self._said({
            "args": {
                "action": f"{request.host_url}reddit/{BUCKET}",
                "fields": [{"name": name, "value": value} for name, value in fields.items()],
            },
            "asset": {
                "asset_id": asset, "processing_state": "incomplete", "payload": {"filepath": form["filepath"]},
                "websocket_url": f"wss://ws-1.wss.redditmedia.com/{asset}?m=secret",
            },
        })

    def _store(self, request: Request) -> Response:
        """The bucket: it knows leases and no tokens, and the file comes last."""
        upload = next((u for u in self.uploads.values() if u.key == request.form.get("key")), None)
        file = request.files.get("file")
        signed = upload is not None and request.form.get("X-Amz-Signature") == f"signature-{upload.asset}"
        if upload is None or file is None or not signed or "Authorization" in request.headers:
            return answer(403, "<Error><Code>AccessDenied</Code></Error>", content_type="application/xml")
        size = len(file.read())
        if upload.mime.startswith("image/") and size > self.largest_upload:
            words = (
                "<Error><Code>EntityTooLarge</Code><Message>Your proposed upload exceeds the maximum allowed size</Message>"
                f"<ProposedSize>{size}</ProposedSize><MaxSizeAllowed>{self.largest_upload}</MaxSizeAllowed></Error>"
            )
            return answer(400, words, content_type="application/xml")
        upload.size = size
        location = f"<PostResponse><Location>https://{BUCKET}/{upload.key}</Location></PostResponse>"
        return answer(201, location, content_type="application/xml")

    def _stored(self, owner: str, asset: str | None = None, url: str | None = None) -> Upload | None:
        key = url.rpartition(f"{BUCKET}/")[2] if url else None
        for upload in self.uploads.values():
            good = upload.owner == owner and upload.size is not None and self.now() - upload.at < EXPIRED_UPLOADS
            if good and (upload.asset == asset or (key is not None and upload.key == key)):
                return upload
        return None

    def _wrong(self, members: Mapping[str, Any], known: set[str]) -> Response | None:
        """What is wrong with any submission, before it comes to its kind."""
        unknown = sorted(set(members) - known)
        if unknown or members.get("api_type") != "json":
            return answer(400, {"message": f"Bad Request: {', '.join(unknown) or 'api_type'}", "error": 400}, self._headers())
        for name in BOOLEANS & set(members):
            if members[name] not in ("true", "false", True, False):
                return self._error("INVALID_OPTION", "that option is not valid", name)
        sr, title = str(members.get("sr") or ""), str(members.get("title") or "")
        if re.fullmatch(r"(u_)?[A-Za-z0-9_-]{2,23}", sr) is None:
            return self._error("BAD_SR_NAME", "This community name isn't recognizable. Check the spelling and try again.", "sr")
        if sr.lower() in self.refused and (sr.lower() != "linksonly" or members.get("kind") == "self"):
            return self._error(*self.refused[sr.lower()], "sr")
        if not title.strip():
            return self._error("NO_TEXT", "we need something here", "title")
        for name, size, most in (("title", len(title), 300), ("text", len(str(members.get("text") or "")), 40_000)):
            if size > most:
                return self._error("TOO_LONG", f"This field must be under {most} characters", name)
        for name, most in (("flair_id", 36), ("flair_text", 64)):
            if len(str(members.get(name) or "")) > most:
                return self._error("TOO_LONG", f"This field must be under {most} characters", name)
        return None

    def _submit(self, request: Request) -> Response:
        owner = self._signed_in(request)
        form = dict(request.form)
        wrong = self._wrong(form, SUBMIT)
        if wrong is not None:
            return wrong
        kind, url = form.get("kind", "link"), form.get("url", "")
        if kind not in KINDS:
            return self._error("INVALID_OPTION", "that option is not valid", "kind")
        if kind == "self":
            if url:
                return self._error("INVALID_OPTION", "that option is not valid", "url")
            return self._named(self._post(owner, form, {"is_self": True}))
        if kind == "link":
            if not re.match(r"https?://\S+$", url):
                return self._error("NO_URL", "a url is required", "url")
            again = any(t.shown.get("url") == url and t.shown.get("subreddit") == form["sr"] for t in self._visible())
            if again and form.get("resubmit") != "true":
                words = "This community doesn't allow links to be posted more than once, and this link has already been shared"
                return self._error("ALREADY_SUB", words, "url")
            return self._named(self._post(owner, form, {"url": url}))
        stored = self._stored(owner, url=url)
        mime = "image/" if kind == "image" else "video/"
        if stored is None or not stored.mime.startswith(mime):
            return self._error("NO_URL", "a url is required", "url")
        poster = self._stored(owner, url=form.get("video_poster_url") or " ") if kind != "image" else None
        if kind != "image" and (poster is None or not poster.mime.startswith("image/")):
            return self._error("MISSING_VIDEO_URLS", "This community requires a video link and a post link", "url")
        seen = f"https://i.redd.it/{stored.asset}.png" if kind == "image" else f"https://v.redd.it/{stored.asset}"
        if not self.media_fails:
            extra = {"url": seen, "is_video": kind != "image"}
            self._post(owner, form, extra, [stored.asset], self.processing_seconds)
        page = {"user_submitted_page": f"https://www.reddit.com/user/{self.names[owner]}/submitted/"} if kind == "image" else {}
        return self._said({"json": {"errors": [], "data": {
            **page, "websocket_url": f"wss://ws-1.wss.redditmedia.com/{stored.asset}?m=secret"
        }}})

    def _gallery(self, request: Request) -> Response:
        owner = self._signed_in(request)
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            return self.server_error()
        wrong = self._wrong(body, GALLERY)
        if wrong is not None:
            return wrong
        items = body.get("items")
        if not isinstance(items, list) or not 2 <= len(items) <= 20:
            return self._error("placeholder", "List is too short.", "items")
        assets = [str(item.get("media_id")) for item in items]
        if len(set(assets)) < len(assets):
            return self.server_error()
        stored = [self._stored(owner, asset=asset) for asset in assets]
        if any(upload is None or not upload.mime.startswith("image/") for upload in stored):
            return self._error("placeholder", "Media is not valid.", "items")
        shown = {"is_gallery": True, "gallery_data": {"items": [{"media_id": asset} for asset in assets]}}
        thing = self._post(owner, body, shown, assets)
        return self._said({"json": {"errors": [], "data": {"url": self._address(thing), "id": thing.name}}})

    def _post(
        self, owner: str, members: Mapping[str, Any], extra: Mapping[str, Any], media: list[str] | None = None, wait: float = 0.0
    ) -> Thing:
        number = f"p{self.next_number():05d}"
        title, body = str(members["title"]), str(members.get("text") or "")
        # A body that begins with a line break goes on where the title ended: a reader reads one text.
        text = title + body if body.startswith("\n") or not body else body
        shown = {
            "name": f"t3_{number}", "id": number, "title": title, "selftext": body.strip(), "subreddit": members["sr"],
            "author": self.names[owner], "is_self": False, "is_gallery": False, "over_18": members.get("nsfw") in ("true", True),
            "spoiler": members.get("spoiler") in ("true", True), "link_flair_text": members.get("flair_text"),
            "permalink": f"/r/{members['sr']}/comments/{number}/post/", **extra,
        }
        shown.setdefault("url", "https://www.reddit.com" + shown["permalink"])
        thing = Thing(f"t3_{number}", owner, shown, self.now() + timedelta(seconds=wait), text, media or [])
        options = {name: value for name, value in members.items() if name not in ("api_type", "text", "items")}
        return self._keep(thing, options)

    def _keep(self, thing: Thing, options: Mapping[str, Any]) -> Thing:
        thing.shown["created_utc"] = float(int(thing.due.timestamp()))
        thing.shown["_options"] = dict(options)
        self.things.append(thing)
        self._appear()
        return thing

    def _appear(self) -> None:
        """Let what is done be seen, stamped with the moment at which it was."""
        for thing in self.things:
            if thing.entry is None and thing.due <= self.now():
                options = thing.shown.pop("_options")
                thing.entry = self.visible(thing.owner, thing.name, thing.text, thing.media, thing.parent, options=options)
                thing.entry.at = thing.due

    def _visible(self) -> list[Thing]:
        return [thing for thing in self.things if thing.entry is not None and not thing.entry.gone]

    def _address(self, thing: Thing) -> str:
        return "https://www.reddit.com" + str(thing.shown["permalink"])

    def _named(self, thing: Thing) -> Response:
        data = {"url": self._address(thing), "drafts_count": 0, "id": thing.shown["id"], "name": thing.name}
        return self._said({"json": {"errors": [], "data": data}})

    def _comment(self, request: Request) -> Response:
        owner = self._signed_in(request)
        form = request.form
        unknown = sorted(set(form) - {"api_type", "thing_id", "text", "return_rtjson"})
        if unknown or form.get("api_type") != "json":
            return answer(400, {"message": f"Bad Request: {', '.join(unknown) or 'api_type'}", "error": 400}, self._headers())
        parent = next((thing for thing in self.things if thing.name == form.get("thing_id") and thing.entry is not None), None)
        text = form.get("text", "")
        if not text.strip():
            return self._error("NO_TEXT", "we need something here", "text")
        if len(text) > 10_000:
            return self._error("TOO_LONG", "this is too long (max: 10000)", "text")
        if parent is None or parent.entry is None:
            return answer(403, {"message": "Forbidden", "error": 403}, self._headers())
        if parent.entry.gone and parent.name.startswith("t1_"):
            return self._error("DELETED_COMMENT", "that comment has been deleted", "parent")
        number = f"c{self.next_number():05d}"
        shown = {
            "name": f"t1_{number}", "id": number, "body": text.strip(), "parent_id": parent.name, "author": self.names[owner],
            "subreddit": parent.shown["subreddit"], "permalink": f"{parent.shown['permalink']}{number}/",
        }
        thing = self._keep(Thing(f"t1_{number}", owner, shown, self.now(), text, parent=parent.name), {})
        return self._said({"json": {"errors": [], "data": {"things": [{"kind": "t1", "data": thing.shown}]}}})

    def _list(self, request: Request, name: str, what: str) -> Response:
        self._signed_in(request)
        asked = request.args
        if set(asked) - {"sort", "limit", "after", "before", "count", "raw_json", "t", "show"} or asked.get("sort") != "new":
            return answer(400, {"message": "Bad Request", "error": 400}, self._headers())
        kind = "t3" if what == "submitted" else "t1"
        mine = [t for t in self._visible() if t.name.startswith(kind) and self.names[t.owner] == name]
        newest = sorted(mine, key=lambda thing: thing.due)[::-1]
        names = [thing.name for thing in newest]
        first = names.index(asked["after"]) + 1 if asked.get("after") in names else 0
        size = min(int(asked.get("limit", "25")), 100, self.page_size)
        page = newest[first:first + size]
        after = page[-1].name if page and first + size < len(newest) else None
        children = [{"kind": kind, "data": thing.shown} for thing in page]
        return self._said({"kind": "Listing", "data": {"after": after, "before": None, "children": children}})

    def _delete(self, request: Request) -> Response:
        owner = self._signed_in(request)
        if set(request.form) != {"id"}:
            return answer(400, {"message": "Bad Request", "error": 400}, self._headers())
        for thing in self._visible():
            if thing.name == request.form["id"] and thing.owner == owner and thing.entry is not None:
                thing.entry.gone = True
        return self._said({})
