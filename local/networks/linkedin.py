"""A stand-in for LinkedIn: posts of members and organizations, uploads in parts, comments, duplicates and LinkedIn's own errors.

It judges by the published shape (learn.microsoft.com/linkedin/marketing, version 202607): every versioned call carries its two
headers, bodies have the members of the schema and no others, and a reserved character that is not escaped cuts the text short.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Entry, Network, Route, World, answer
from .grants import Grants, consent, exchanged

CLIENT = ("linkedin-client", "linkedin-client-secret")
TOKEN_LIFE = timedelta(days=60)
GRANT_LIFE = timedelta(days=365)
UPLOAD_LIFE = timedelta(hours=24)
DUPLICATE_WINDOW = timedelta(hours=24)
PART = 4 * 1024 * 1024
POST_MEMBERS: Mapping[str, type] = {
    "author": str, "commentary": str, "visibility": str, "distribution": dict, "lifecycleState": str, "content": dict,
    "isReshareDisabledByAuthor": bool, "contentLandingPage": str, "contentCallToActionLabel": str, "reshareContext": dict,
    "adContext": dict, "container": str,
}
REQUIRED = ("author", "commentary", "visibility", "distribution", "lifecycleState")
CONTENT_MEMBERS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "media": (("id",), ("title", "altText")),
    "multiImage": (("images",), ("altText",)),
    "article": (("source", "title"), ("description", "thumbnail", "thumbnailAltText")),
    "poll": (("question", "options", "settings"), ()),
}
"""Kind of content -> the members it must have, and those it may have."""
DURATIONS = ("ONE_DAY", "THREE_DAYS", "SEVEN_DAYS", "FOURTEEN_DAYS")
INITIALIZE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "images": ("image", ("owner",)), "documents": ("document", ("owner",)),
    "videos": ("video", ("owner", "fileSizeBytes", "uploadCaptions", "uploadThumbnail")),
}
MAGIC: Mapping[str, tuple[bytes, ...]] = {
    "images": (b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), "documents": (b"%PDF", b"PK", b"\xd0\xcf"),
}
RESERVED = "|{}@[]()<>#*_~"
_TEMPLATE = re.compile(r"\{hashtag\|(\\#|＃)\|((?:\\.|[^|{}\\@\[\]()<>#*_~])+)\}")
_MENTION = re.compile(r"@\[((?:\\.|[^|{}\\@\[\]()<>#*_~])+)\]\(urn:li:(?:person|organization):[\w-]+\)")


@dataclass
class Asset:
    """An image, a document or a video. `parts` are the sizes of what came, by place; `done_at` is when it will be ready."""

    urn: str
    resource: str
    owner: str
    size: int
    until: datetime
    parts: dict[int, bytes] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    done_at: datetime | None = None
    refused: bool = False
    head: bytes = b""


@dataclass
class Shared:
    """A post. `words` is its commentary as it was sent."""

    urn: str
    author: str
    body: Mapping[str, Any]
    at: datetime
    entry: Entry
    comments: list[Remark] = field(default_factory=list)


@dataclass
class Remark:
    """A comment on a post."""

    id: str
    actor: str
    text: str
    at: datetime
    entry: Entry


@dataclass
class Person:
    """A member, with the organization they administer. `kind` says for which of the two the profile is."""

    profile_id: str
    urn: str
    organization: str
    name: str
    kind: str

    @property
    def account_id(self) -> str:
        """Who posts."""
        return self.urn if self.kind == "member" else self.organization


class LinkedInNetwork(Network):
    """LinkedIn on the world's clock. A profile whose id has "member" in it is a member's, any other an organization's."""

    platform: ClassVar[str] = "linkedin"
    client: ClassVar[tuple[str, str]] = CLIENT

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.processing_seconds = 5.0
        self.processing_fails = False
        self.versions = {"202601", "202603", "202604", "202605", "202606", "202607", "202608", "202609", "202610"}
        self.member_reads = False
        self.reads_roles = True
        self.remembers_deleted = False
        self.comments_after = 0.0
        self.people: dict[str, Person] = {}
        self.assets: dict[str, Asset] = {}
        self.posts: dict[str, Shared] = {}
        self.grants = Grants(self, TOKEN_LIFE)
        upload = "/www.linkedin.com/dms-uploads/(?P<asset>[A-Za-z0-9_-]+)/(?P<part>[0-9]+)"
        kept = "/rest/(?P<resource>images|documents|videos)/(?P<urn>urn:li:[a-z]+:[A-Za-z0-9_-]+)"
        comments = "/rest/socialActions/(?P<post>urn:li:[A-Za-z]+:[0-9]+)/comments"
        self.routes = [
            Route("GET", "/www.linkedin.com/oauth/v2/authorization", "auth", lambda request: consent(self.grants, request)),
            Route("POST", "/www.linkedin.com/oauth/v2/accessToken", "auth", self._token),
            Route("GET", "/v2/userinfo", "read", self._me),
            Route("GET", "/rest/organizationAcls", "read", self._roles),
            Route("GET", "/rest/organizationsLookup", "read", self._organizations),
            Route("POST", "/rest/(?P<resource>images|documents|videos)", "prepare", self._asset_action),
            Route("PUT", upload, "prepare", self._bytes),
            Route("GET", kept, "prepare", self._asset),
            Route("POST", "/rest/posts", "publish", self._create),
            Route("GET", "/rest/posts", "read", self._list),
            Route("GET", "/rest/posts/(?P<urn>urn:li:[A-Za-z]+:[0-9]+)", "read", self._read),
            Route("DELETE", "/rest/posts/(?P<urn>urn:li:[A-Za-z]+:[0-9]+)", "delete", self._delete),
            Route("POST", comments, "publish", self._comment),
            Route("GET", comments, "read", self._comments),
            Route("DELETE", comments + "/(?P<comment>[0-9]+)", "delete", self._uncomment),
        ]
        self._person("prof_linkedin")

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with."""
        person = self._person(profile_id)
        grant = next(grant for grant in reversed(self.grants.grants) if grant.profile_id == profile_id)
        credentials = {
            "accessToken": grant.access, "refreshToken": grant.refresh, "clientId": CLIENT[0], "clientSecret": CLIENT[1],
        }
        if person.kind == "organization":
            credentials["organizationId"] = person.organization.rpartition(":")[2]
        return {
            "server": "/linkedin", "accountId": person.account_id, "expiresIn": int(TOKEN_LIFE.total_seconds()),
            "credentials": credentials, "settings": {"accountType": person.kind},
        }

    def _person(self, profile_id: str) -> Person:
        person = self.people.get(profile_id)
        if person is None:
            number = len(self.people) + 1
            kind = "member" if "member" in profile_id else "organization"
            organization = f"urn:li:organization:{2_414_000 + number}"
            person = Person(profile_id, f"urn:li:person:dl_Member{number:02d}", organization, f"Member {number}", kind)
            self.people[profile_id] = person
            self.grants.give(profile_id)
        return person

    def _owner(self, request: Request) -> Person | None:
        owner = self.grants.owner(request.headers.get("Authorization", "").removeprefix("Bearer "))
        return self._person(owner) if owner else None

    def _signed_in(self, request: Request) -> Person:
        person = self._owner(request)
        assert person is not None
        return person

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        if self._owner(request) is None:
            return self.expired()
        if "/rest/" not in request.path:
            return None
        version = request.headers.get("LinkedIn-Version", "")
        if not version:
            return _wrong(400, "VERSION_MISSING", "A version must be present: add the LinkedIn-Version header.")
        if version not in self.versions:
            return _wrong(426, "NONEXISTENT_VERSION", f"Requested version {version}01 is not active")
        if request.headers.get("X-Restli-Protocol-Version") != "2.0.0":
            return _wrong(400, "ILLEGAL_ARGUMENT", "X-Restli-Protocol-Version must be 2.0.0")
        return None

    def rate_limited(self, retry_after: float) -> Response:
        return answer(429, {
            "status": 429, "serviceErrorCode": 101, "code": "TOO_MANY_REQUESTS",
            "message": "Resource level throttle APPLICATION_AND_MEMBER MINUTE limit for calls to this resource is reached.",
        }, {"Retry-After": f"{retry_after:g}"})

    def server_error(self) -> Response:
        return _wrong(500, "INTERNAL_SERVER_ERROR", "Internal Server Error")

    def rejected(self) -> Response:
        return _invalid("commentary", "INVALID_CONTENT", "The content is not allowed")

    def expired(self) -> Response:
        body = {"status": 401, "serviceErrorCode": 65_602, "code": "EXPIRED_ACCESS_TOKEN"}
        return answer(401, {**body, "message": "The token used in the request has expired"})

    def expire_tokens(self) -> bool:
        self.grants.expire()
        return True

    def _token(self, request: Request) -> Response:
        grant = exchanged(self.grants, request, CLIENT)
        if grant is None:
            text = "The provided authorization grant or refresh token is invalid, expired or revoked."
            return answer(400, {"error": "invalid_request", "error_description": text})
        return answer(200, {
            "access_token": grant.access, "expires_in": int(TOKEN_LIFE.total_seconds()), "refresh_token": grant.refresh,
            "refresh_token_expires_in": int(GRANT_LIFE.total_seconds()), "token_type": "Bearer",
            "scope": "openid,profile,r_organization_social,rw_organization_admin,w_member_social,w_organization_social",
        })

    def _me(self, request: Request) -> Response:
        person = self._signed_in(request)
        return answer(200, {"sub": person.urn.rpartition(":")[2], "name": person.name, "locale": "en_US"})

    def _roles(self, request: Request) -> Response:
        person = self._signed_in(request)
        if not self.reads_roles:
            return _forbidden("organizationAcls.FINDER-roleAssignee")
        if request.args.get("q") != "roleAssignee":
            return _invalid("q", "QUERY_PARAM_NOT_ALLOWED", "there is no such finder")
        elements = [
            {"organization": person.organization, "role": "ADMINISTRATOR", "roleAssignee": person.urn, "state": "APPROVED"},
            {"organization": "urn:li:organization:9", "role": "ANALYST", "roleAssignee": person.urn, "state": "APPROVED"},
        ]
        return answer(200, {"elements": elements, "paging": {"start": 0, "count": 100, "links": []}})

    def _organizations(self, request: Request) -> Response:
        listed = re.fullmatch(r"List\((\d+(?:,\d+)*)\)", request.args.get("ids", ""))
        if listed is None:
            return _invalid("ids", "PARAM_INVALID", "ids is a Rest.li list")
        results = {number: {"id": int(number), "localizedName": f"Organization {number} Ltd"} for number in listed[1].split(",")}
        return answer(200, {"results": results, "statuses": {}, "errors": {}})

    def _authors(self, person: Person) -> tuple[str, str]:
        return person.urn, person.organization

    def _asset_action(self, request: Request, resource: str) -> Response:
        action, body = request.args.get("action"), request.get_json(silent=True)
        if action == "initializeUpload" and isinstance(body, dict) and set(body) == {"initializeUploadRequest"}:
            return self._begin(request, resource, body["initializeUploadRequest"])
        if action == "finalizeUpload" and isinstance(body, dict) and set(body) == {"finalizeUploadRequest"}:
            return self._finalize(request, body["finalizeUploadRequest"])
        return _invalid("action", "ILLEGAL_ARGUMENT", "no such action with such a body")

    def _begin(self, request: Request, resource: str, wanted: Mapping[str, Any]) -> Response:
        name, members = INITIALIZE[resource]
        if set(wanted) - set(members) or "owner" not in wanted:
            return _invalid("initializeUploadRequest", "FIELD_INVALID", f"it has the members {', '.join(members)}")
        if wanted["owner"] not in self._authors(self._signed_in(request)):
            return _forbidden(f"{resource}.ACTION-initializeUpload")
        size = wanted.get("fileSizeBytes", 0)
        if resource == "videos" and (not isinstance(size, int) or size < 1):
            return _invalid("fileSizeBytes", "FIELD_INVALID", "the size in bytes is needed")
        key = f"C5F10AQ{self.next_number():08d}"
        until = self.now() + UPLOAD_LIFE
        asset = self.assets[key] = Asset(f"urn:li:{name}:{key}", resource, wanted["owner"], size, until)
        where, ends = f"{request.host_url}linkedin/www.linkedin.com/dms-uploads/{key}", int(until.timestamp() * 1000)
        if resource != "videos":
            value = {"uploadUrlExpiresAt": ends, "uploadUrl": f"{where}/0?ca=vector_feedshare", name: asset.urn}
            return answer(200, {"value": value})
        parts = [
            {"uploadUrl": f"{where}/{number}?ca=vector_feedshare", "firstByte": first, "lastByte": min(first + PART, size) - 1}
            for number, first in enumerate(range(0, size, PART))
        ]
        return answer(200, {"value": {
            "uploadUrlsExpireAt": ends, name: asset.urn, "uploadInstructions": parts, "uploadToken": "",
        }})

    def _bytes(self, request: Request, asset: str, part: str) -> Response:
        known, number, data = self.assets.get(asset), int(part), request.get_data()
        if known is None or known.until <= self.now():
            return answer(403, "upload url expired", content_type="text/plain")
        if known.resource == "videos":
            wanted = min(PART, known.size - number * PART)
            if len(data) != wanted:
                return answer(400, f"{wanted} bytes are wanted", content_type="text/plain")
        elif not data.startswith(MAGIC[known.resource]):
            return answer(400, "no file of a known type", content_type="text/plain")
        else:
            slow = known.resource == "documents"
            known.done_at = self.now() + timedelta(seconds=self.processing_seconds if slow else 0.0)
        known.parts[number] = hashlib.sha256(data).digest()
        tag = f"/ambry-video/signedId/{asset}-{number}-{known.parts[number].hex()[:12]}"
        known.tags = [*(t for t in known.tags if f"-{number}-" not in t), tag]
        return Response(status=200 if known.resource == "videos" else 201, headers={"ETag": tag})

    def _finalize(self, request: Request, wanted: Mapping[str, Any]) -> Response:
        known = self.assets.get(str(wanted.get("video")).rpartition(":")[2])
        if set(wanted) != {"video", "uploadToken", "uploadedPartIds"}:
            return _invalid("finalizeUploadRequest", "FIELD_INVALID", "it has the members video, uploadToken, uploadedPartIds")
        if known is None or known.owner not in self._authors(self._signed_in(request)):
            return _wrong(404, "NOT_FOUND", "no such video")
        ordered = sorted(known.tags, key=lambda tag: int(tag.split("-")[-2]))
        if len(ordered) != -(-known.size // PART) or list(wanted["uploadedPartIds"]) != ordered:
            return _invalid("uploadedPartIds", "FIELD_INVALID", "not the parts of this upload")
        if known.done_at is None:
            known.done_at = self.now() + timedelta(seconds=self.processing_seconds)
            known.refused = self.processing_fails
        return answer(200, {})

    def _status(self, asset: Asset) -> str:
        if asset.done_at is None:
            return "WAITING_UPLOAD"
        if self.now() < asset.done_at:
            return "PROCESSING"
        return "PROCESSING_FAILED" if asset.refused else "AVAILABLE"

    def _asset(self, request: Request, resource: str, urn: str) -> Response:
        asset = self.assets.get(urn.rpartition(":")[2])
        if asset is None or asset.resource != resource:
            return _wrong(404, "NOT_FOUND", f"Could not find {resource} {urn}")
        if resource != "videos" and asset.owner.startswith("urn:li:person:") and not self.member_reads:
            return _forbidden(f"{resource}.GET")
        status = self._status(asset)
        failed = {"processingFailureReason": "The video's codec is not supported."} if status == "PROCESSING_FAILED" else {}
        return answer(200, {"id": asset.urn, "owner": asset.owner, "status": status, **failed})

    def _create(self, request: Request) -> Response:
        person, body = self._signed_in(request), request.get_json(silent=True)
        if not isinstance(body, dict):
            return _invalid("body", "ILLEGAL_ARGUMENT", "the body is a JSON object")
        wrong = self._wrong_post(person, body)
        if wrong is not None:
            return wrong
        shown = shown_of(body["commentary"])
        if len(shown) > 3000:
            return _invalid("commentary", "FIELD_LENGTH_TOO_LONG", "text length exceeds the limit of 3000 characters")
        duplicate = self._duplicate_of(body)
        if duplicate is not None:
            text = f"com.linkedin.content.common.exception.BadRequestResponseException: Content is a duplicate of {duplicate}"
            return _invalid("", "DUPLICATE_POST", "Duplicate post is detected", text)
        urn = f"urn:li:share:{(int(self.now().timestamp() * 1000) << 22) + self.next_number()}"
        media = _media_of(body.get("content") or {})
        entry = self.visible(person.profile_id, urn, shown, media, content=body.get("content"), visibility=body["visibility"])
        self.posts[urn] = Shared(urn, body["author"], body, self.now(), entry)
        return Response(status=201, headers={"x-restli-id": urn, "Location": f"/posts/{urn.replace(':', '%3A')}"})

    def _wrong_post(self, person: Person, body: Mapping[str, Any]) -> Response | None:
        for name in REQUIRED:
            if name not in body:
                return _invalid(name, "MISSING_FIELD", f"{name} is required but not found and has no default value")
        for name, value in body.items():
            if name not in POST_MEMBERS or not isinstance(value, POST_MEMBERS[name]):
                return _invalid(name, "UNPERMITTED_FIELD", f"{name} is no member of a post, or not of that type")
        if body["author"] not in self._authors(person):
            return _forbidden("posts.CREATE")
        seen = ("PUBLIC",) if body["author"].startswith("urn:li:organization:") else ("PUBLIC", "CONNECTIONS", "LOGGED_IN")
        if body["visibility"] not in seen or body["lifecycleState"] != "PUBLISHED":
            return _invalid("visibility", "INVALID_VALUE", "this visibility or state is not allowed here")
        spread = {"feedDistribution", "targetEntities", "thirdPartyDistributionChannels"}
        if set(body["distribution"]) - spread or body["distribution"].get("feedDistribution") not in ("MAIN_FEED", "NONE"):
            return _invalid("distribution", "INVALID_VALUE", "feedDistribution is MAIN_FEED or NONE")
        content = body.get("content")
        if content is None:
            return None if body["commentary"].strip() else _invalid("commentary", "MISSING_FIELD", "a post has words or content")
        return self._wrong_content(body["author"], content)

    def _wrong_content(self, author: str, content: Mapping[str, Any]) -> Response | None:
        kind, value = next(iter(content.items()), ("", None))
        if len(content) != 1 or kind not in CONTENT_MEMBERS or not isinstance(value, dict):
            return _invalid("content", "UNION_TYPE", f"it is one of {', '.join(CONTENT_MEMBERS)}")
        required, allowed = CONTENT_MEMBERS[kind]
        if [name for name in required if not value.get(name)] or set(value) - {*required, *allowed}:
            return _invalid(f"content.{kind}", "FIELD_INVALID", f"needed: {required}; allowed too: {allowed}")
        if any(not value[name] for name in value):
            return _invalid(f"content.{kind}", "FIELD_INVALID", "empty members are not allowed")
        images = value["images"] if kind == "multiImage" else []
        if kind == "multiImage" and not 2 <= len(images) <= 20:
            return _invalid("content.multiImage.images", "FIELD_INVALID", "there are 2 to 20 images")
        if any(set(image) - {"id", "altText"} or not all(image.values()) for image in images):
            return _invalid("content.multiImage.images", "FIELD_INVALID", "an image has id and altText")
        if kind == "article" and (len(value["title"]) > 400 or not value["source"].startswith(("http://", "https://"))):
            return _invalid("content.article", "FIELD_INVALID", "a title has 400 characters at most, a source is a URL")
        if kind == "poll" and not _is_poll(value):
            return _invalid("content.poll", "FIELD_INVALID", "this is no poll")
        wanted = ("image",) if kind in ("multiImage", "article") else ("image", "video", "document")
        for urn in _media_of(content):
            asset = self.assets.get(urn.rpartition(":")[2])
            if asset is None or asset.urn != urn or urn.split(":")[2] not in wanted or asset.owner != author:
                return _invalid("content", "INVALID_URN_ID", f"{urn} is no medium for this")
            if asset.done_at is None or (asset.resource == "videos" and self._status(asset) != "AVAILABLE"):
                return _invalid("content", "MEDIA_ASSET_PROCESSING_FAILED", f"{urn} is not available")
            if asset.resource == "documents" and not value.get("title"):
                return _invalid("content.media.title", "MISSING_FIELD", "a document needs a title")
        return None

    def _duplicate_of(self, body: Mapping[str, Any]) -> str | None:
        """The author's post of the last day with the same words and content. A picture that came twice is two pictures."""
        since = self.now() - DUPLICATE_WINDOW
        for post in reversed(self.posts.values()):
            same = post.author == body["author"] and post.body["commentary"] == body["commentary"]
            remembered = post.at > since and (not post.entry.gone or self.remembers_deleted)
            if same and remembered and post.body.get("content") == body.get("content"):
                return post.urn
        return None

    def _post(self, urn: str) -> Shared | None:
        post = self.posts.get(urn)
        return post if post is not None and not post.entry.gone else None

    def _may_read(self, author: str) -> bool:
        return author.startswith("urn:li:organization:") or self.member_reads

    def _read(self, request: Request, urn: str) -> Response:
        post = self._post(urn)
        if not self._may_read(post.author if post else self._signed_in(request).account_id):
            return _forbidden("posts.GET")
        return answer(200, _shown(post)) if post else _wrong(404, "NOT_FOUND", f"Entity {urn} not found")

    def _list(self, request: Request) -> Response:
        asked = request.args
        if asked.get("q") != "author" or set(asked) - {"q", "author", "count", "start", "sortBy", "viewContext"}:
            return _invalid("q", "QUERY_PARAM_NOT_ALLOWED", "the finder is author")
        count, start = int(asked.get("count", "10")), int(asked.get("start", "0"))
        if count > 100 or asked.get("sortBy", "CREATED") not in ("CREATED", "LAST_MODIFIED"):
            return _invalid("count", "PARAM_INVALID", "count is 100 at most, sortBy CREATED or LAST_MODIFIED")
        if asked["author"] not in self._authors(self._signed_in(request)) or not self._may_read(asked["author"]):
            return _forbidden("posts.FINDER-author")
        theirs = [post for post in self.posts.values() if post.author == asked["author"] and not post.entry.gone]
        page = sorted(theirs, key=lambda post: post.urn, reverse=True)[start : start + count]
        return answer(200, {"elements": [_shown(post) for post in page], "paging": {"start": start, "count": count, "links": []}})

    def _delete(self, request: Request, urn: str) -> Response:
        post = self._post(urn)
        if post is not None:
            if post.author not in self._authors(self._signed_in(request)):
                return _forbidden("posts.DELETE")
            post.entry.gone = True
            for remark in post.comments:
                remark.entry.gone = True
        return Response(status=204)

    def _comment(self, request: Request, post: str) -> Response:
        person, body, known = self._signed_in(request), request.get_json(silent=True), self._post(post)
        if known is None or self.now() - known.at < timedelta(seconds=self.comments_after):
            return _wrong(404, "NOT_FOUND", f"Could not find entity {post}")
        if not isinstance(body, dict) or set(body) != {"actor", "object", "message"} or set(body["message"]) != {"text"}:
            return _invalid("comment", "FIELD_INVALID", "a comment has actor, object and message.text")
        if body["actor"] not in self._authors(person) or body["object"] != post:
            return _forbidden("socialActions.comments.CREATE")
        if not 1 <= len(body["message"]["text"]) <= 1250:
            return _invalid("message.text", "FIELD_LENGTH_TOO_LONG", "a comment has 1 to 1,250 characters")
        number = str((int(self.now().timestamp() * 1000) << 22) + self.next_number())
        words = body["message"]["text"]
        entry = self.visible(person.profile_id, f"urn:li:comment:({post},{number})", words, [], post)
        remark = Remark(number, body["actor"], words, self.now(), entry)
        known.comments.append(remark)
        return answer(201, _shown_remark(post, remark), {"x-restli-id": number})

    def _comments(self, request: Request, post: str) -> Response:
        known = self._post(post)
        if not self._may_read(known.author if known else self._signed_in(request).account_id):
            return _forbidden("socialActions.comments.GET_ALL")
        if known is None:
            return _wrong(404, "NOT_FOUND", f"Could not find entity {post}")
        count, start = int(request.args.get("count", "10")), int(request.args.get("start", "0"))
        page = [remark for remark in known.comments if not remark.entry.gone][start : start + count]
        shown = [_shown_remark(post, remark) for remark in page]
        return answer(200, {"elements": shown, "paging": {"start": start, "count": count, "links": []}})

    def _uncomment(self, request: Request, post: str, comment: str) -> Response:
        known = self._post(post)
        remark = next((r for r in known.comments if r.id == comment and not r.entry.gone), None) if known else None
        if remark is None:
            return _wrong(404, "NOT_FOUND", f"Could not find entity {comment}")
        if request.args.get("actor") != remark.actor:
            return _forbidden("socialActions.comments.DELETE")
        remark.entry.gone = True
        return Response(status=204)


def shown_of(commentary: str) -> str:
    """What readers see of a commentary, plainly: templates and mentions as their words, and the end at the first reserved
    character that is not escaped, as on the real one."""
    out, at = "", 0
    while at < len(commentary):
        template, mention = _TEMPLATE.match(commentary, at), _MENTION.match(commentary, at)
        if template:
            out, at = out + template[1][-1] + shown_of(template[2]), template.end()
        elif mention:
            out, at = out + shown_of(mention[1]), mention.end()
        elif commentary[at] == "\\" and at + 1 < len(commentary):
            out, at = out + commentary[at + 1], at + 2
        elif commentary[at] in RESERVED or commentary[at] == "\\":
            return out
        else:
            out, at = out + commentary[at], at + 1
    return out


def _media_of(content: Mapping[str, Any]) -> list[str]:
    images = [image["id"] for image in (content.get("multiImage") or {}).get("images") or ()]
    one, thumbnail = (content.get("media") or {}).get("id"), (content.get("article") or {}).get("thumbnail")
    return images + [urn for urn in (one, thumbnail) if urn]


def _is_poll(poll: Mapping[str, Any]) -> bool:
    choices, settings = poll["options"], poll["settings"]
    fits = isinstance(choices, list) and 2 <= len(choices) <= 4 and all(set(choice) == {"text"} for choice in choices)
    short = len(poll["question"]) <= 140 and all(1 <= len(choice["text"]) <= 30 for choice in choices)
    return fits and short and set(settings) == {"duration"} and settings["duration"] in DURATIONS


def _shown(post: Shared) -> dict[str, Any]:
    at = int(post.at.timestamp() * 1000)
    times = {"createdAt": at, "publishedAt": at, "lastModifiedAt": at}
    return {**post.body, "id": post.urn, **times, "lifecycleStateInfo": {"isEditedByAuthor": False}}


def _shown_remark(post: str, remark: Remark) -> dict[str, Any]:
    at, urn = int(remark.at.timestamp() * 1000), f"urn:li:comment:({post},{remark.id})"
    return {
        "id": remark.id, "$URN": urn, "commentUrn": urn, "actor": remark.actor, "object": post, "message": {"text": remark.text},
        "created": {"actor": remark.actor, "time": at}, "lastModified": {"actor": remark.actor, "time": at},
    }


def _wrong(status: int, code: str, message: str) -> Response:
    return answer(status, {"status": status, "code": code, "message": message})


def _forbidden(what: str) -> Response:
    body = {"status": 403, "serviceErrorCode": 100, "code": "ACCESS_DENIED"}
    return answer(403, {**body, "message": f"Not enough permissions to access: {what}.20260701"})


def _invalid(name: str, code: str, description: str, message: str = "") -> Response:
    errors = [{"description": description, "input": {"inputPath": {"fieldPath": name}} if name else {}, "code": code}]
    return answer(422, {
        "errorDetailType": "com.linkedin.common.error.BadRequest", "message": message or f"{name}: {description}",
        "errorDetails": {"inputErrors": errors}, "status": 422,
    })
