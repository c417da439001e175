"""A stand-in for Instagram with both of its logins: containers of pictures, carousels, reels and stories, comments, lists.

It judges requests by the published shape (developers.facebook.com/documentation/instagram-platform: content-publishing, ig-user
/media, error-codes of 2026-06-02) and refuses fields it does not know, where the real one would silently leave them out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Route, World
from .containers import Container, MetaAccount, MetaNetwork, Post, graph_error, no_field, no_object
from .grants import consent

COMMON = {"image_url", "video_url", "media_type", "access_token"}
FIELDS_OF: Mapping[str, set[str]] = {
    "IMAGE": {"caption", "alt_text", "collaborators", "location_id", "user_tags", "image_url", "access_token"},
    "REELS": COMMON - {"image_url"} | {
        "caption", "collaborators", "location_id", "user_tags", "cover_url", "thumb_offset", "share_to_feed", "audio_name",
    },
    "STORIES": COMMON | {"user_tags"},
    "CAROUSEL": {"media_type", "children", "caption", "collaborators", "location_id", "access_token"},
    "ITEM": COMMON | {"is_carousel_item", "alt_text", "user_tags"},
}
LIST_FIELDS = (
    "id", "caption", "comments_count", "media_product_type", "media_type", "media_url", "owner", "permalink", "shortcode",
    "timestamp", "username", "alt_text",
)
COMMENT_FIELDS = ("id", "text", "timestamp", "username", "from", "like_count", "hidden")
TYPES = {"image_url": ("image/jpeg",), "video_url": ("video/mp4", "video/quicktime")}
STORY_LIFE = timedelta(hours=24)
VERSION = r"/v2[2-6]\.0"
FB = r"(?:/graph\.facebook\.com)?" + VERSION


class InstagramNetwork(MetaNetwork):
    """Instagram on the world's clock. An account whose profile's id says "facebook" is connected by Facebook's login."""

    platform: ClassVar[str] = "instagram"
    client = ("instagram-client", "instagram-client-secret")
    status_names = ("status_code", "status")
    creating = "media"
    exchange_grant, refresh_grant = "ig_exchange_token", "ig_refresh_token"
    use_case = "instagram"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.day_limit = 100
        self.account("prof_instagram")
        number = "(?P<number>[0-9]+)"
        self.routes = [
            Route("GET", "/www.instagram.com/oauth/authorize", "auth", lambda request: consent(self.short, request)),
            Route("POST", "/api.instagram.com/oauth/access_token", "auth", self.token),
            Route("GET", "/access_token", "auth", self.exchange),
            Route("GET", "/refresh_access_token", "auth", self.renew),
            Route("GET", f"{FB}/me", "read", self._me),
            Route("GET", f"/graph.facebook.com{VERSION}/me/accounts", "read", self._pages),
            Route("POST", f"{FB}/(?P<user>[0-9]+)/media", "prepare", self._create),
            Route("POST", f"{FB}/(?P<user>[0-9]+)/media_publish", "publish", self.publish),
            Route("GET", f"{FB}/(?P<user>[0-9]+)/content_publishing_limit", "read", self.limit),
            Route("GET", f"{FB}/(?P<user>[0-9]+)/(?P<kind>media|stories)", "read", self._list),
            Route("POST", f"{FB}/{number}/comments", "publish", self._comment),
            Route("GET", f"{FB}/{number}/comments", "read", self._comments),
            Route("GET", f"{FB}/{number}", "read", self._read),
            Route("DELETE", f"{FB}/{number}", "delete", self._delete),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """With Facebook's login the settings say so."""
        offered = super().credentials_for(profile_id)
        if self.account(profile_id).by_facebook:
            offered["settings"] = {"login": "facebook"}
            offered["credentials"] |= {"login": "facebook", "accountId": offered["accountId"]}
        return offered

    def token_of(self, request: Request) -> str | None:
        bearer = request.headers.get("Authorization", "")
        return bearer.removeprefix("Bearer ") if bearer else super().token_of(request)

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        refused = super().authenticate(request, groups)
        if refused is not None or self.me(request).by_facebook == ("/graph.facebook.com/" in request.path):
            return refused
        return graph_error(400, 190, "Invalid OAuth access token - Cannot parse access token")

    def usage(self) -> dict[str, str]:
        shares = {"call_count": 3, "total_cputime": 1, "total_time": 2}
        use = [{"type": self.use_case, **shares, "estimated_time_to_regain_access": 0}]
        return {**super().usage(), "X-Business-Use-Case-Usage": json.dumps({"17841400000000001": use})}

    def rejected(self) -> Response:
        message = "We restrict certain activity to protect our community."
        return graph_error(400, 4, message, subcode=2207051, title="Action is blocked")

    def no_container(self) -> Response:
        return graph_error(400, 24, "The media builder does not exist or has expired.", subcode=2207008, title="Media not found")

    def not_ready(self) -> Response:
        return graph_error(400, 9007, "The media is not ready for publishing, please wait a moment.", subcode=2207027)

    def shown_text(self, container: Container) -> str:
        return container.fields.get("caption", "")

    def _me(self, request: Request) -> Response:
        account, asked = self.me(request), request.args.get("fields", "id").split(",")
        if account.by_facebook or set(asked) - {"id", "user_id", "username", "name", "account_type", "profile_picture_url"}:
            return no_field(",".join(asked))
        whole = {"id": "9" + account.id, "user_id": account.id, "username": account.name}
        return self.good({name: value for name, value in whole.items() if name in ("id", *asked)})

    def _pages(self, request: Request) -> Response:
        account = self.me(request)
        page = {"id": "1" + account.id, "instagram_business_account": {"id": account.id, "username": account.name}}
        return self.good({"data": [{"id": "2" + account.id}, page]})

    def _create(self, request: Request, user: str) -> Response:
        account, fields = self.me(request), {name: str(value) for name, value in request.form.items()}
        if user != account.id:
            return no_object(user, "post")
        kind = "ITEM" if fields.get("is_carousel_item") == "true" else fields.get("media_type", "IMAGE")
        wrong = self._wrong(kind, fields)
        if wrong is not None:
            return wrong
        children: list[Container] = []
        if kind == "CAROUSEL":
            found = self.children_of(account, fields, 10)
            if found is None:
                message = "The carousel must have between 2 and 10 attachments."
                return graph_error(400, 100, message, subcode=2207028)
            children = found
        trouble = self.pulled(fields, TYPES)
        if "image_url" in fields and trouble == "unreachable":
            return graph_error(400, 9004, "The media could not be fetched from this URI", subcode=2207052)
        if "image_url" in fields and trouble == "format":
            return graph_error(400, 36_001, "The image format is not supported. It should be JPEG.", subcode=2207005)
        if "cover_url" in fields and not fields["cover_url"].startswith("https://"):
            return graph_error(400, 9004, "The cover photo could not be fetched", subcode=2207052)
        error = {"unreachable": "Error: Media upload has failed with error code 2207003",
                 "format": "Error: Media upload has failed with error code 2207026"}.get(trouble or "")
        return self.add_container(account, {n: v for n, v in fields.items() if n != "access_token"}, children, error)

    def _wrong(self, kind: str, fields: Mapping[str, str]) -> Response | None:
        known = FIELDS_OF.get(kind)
        if known is None or set(fields) - known:
            extra = sorted(set(fields) - (known or set()))
            return graph_error(400, 100, f"(#100) Param {extra} does not go with {kind}", subcode=2207023)
        if kind != "CAROUSEL" and ("image_url" in fields) == ("video_url" in fields):
            return graph_error(400, 9004, "Only photo or video can be accepted as media type.", subcode=2207052)
        if kind == "ITEM" and ("video_url" in fields) != (fields.get("media_type") == "VIDEO"):
            return graph_error(400, 100, "Unknown media type", subcode=2207023)
        caption = fields.get("caption", "")
        if len(caption) > 2200 or len(re.findall(r"#\w+", caption)) > 30:
            return graph_error(400, 36_004, "The caption is too long.", subcode=2207010)
        tags, others = _list_in(fields, "user_tags"), _list_in(fields, "collaborators")
        if tags is None or others is None or len(others) > 3 or not all(isinstance(name, str) for name in others):
            return graph_error(400, 100, "(#100) collaborators and user_tags must be arrays")
        for tag in tags:
            placed = isinstance(tag, dict) and "x" in tag and "y" in tag
            if not isinstance(tag, dict) or not tag.get("username") or set(tag) - {"username", "x", "y"}:
                return graph_error(400, 100, "(#100) Param user_tags must be an array of users")
            if ("video_url" in fields and kind != "STORIES" and placed) or (kind in ("IMAGE",) and not placed):
                return graph_error(400, 100, "(#100) x and y go with pictures")
        if fields.get("share_to_feed") not in (None, "true", "false") or not fields.get("thumb_offset", "0").isdigit():
            return graph_error(400, 1, "Thumbnail offset must be at least 0", subcode=2207057)
        return None

    def _list(self, request: Request, user: str, kind: str) -> Response:
        account = self.me(request)
        if user != account.id or set(request.args) - {"fields", "limit", "before", "after", "since", "until", "access_token"}:
            return no_object(user)
        posts = [post for post in self.posts.values() if post.account is account and post.container is not None]
        chosen = [post for post in posts if _is_story(post) == (kind == "stories")]
        fresh = [post for post in chosen if kind == "media" or self.now() - post.at < STORY_LIFE]
        return self.page(request, fresh, _shown, LIST_FIELDS)

    def _comment(self, request: Request, number: str) -> Response:
        account, post = self.me(request), self.posts.get(number)
        message = request.form.get("message", "")
        if set(request.form) - {"message", "access_token"} or not message or len(message) > 2200:
            return graph_error(400, 100, "(#100) Param message is required")
        if post is None or post.entry.gone or post.container is None or _is_story(post):
            return no_object(number, "post")
        comment = str(18_200_000_000_000_000 + self.next_number())
        entry = self.visible(account.profile_id, comment, message, [], number)
        self.posts[comment] = Post(comment, account, message, self.now(), number, entry)
        return self.good({"id": comment})

    def _comments(self, request: Request, number: str) -> Response:
        post = self.posts.get(number)
        if post is None or post.entry.gone:
            return no_object(number)
        below = [comment for comment in self.posts.values() if comment.parent == number]

        def shown(comment: Post) -> dict[str, Any]:
            return {"text": comment.text, "username": comment.account.name}

        return self.page(request, below, shown, COMMENT_FIELDS)

    def _read(self, request: Request, number: str) -> Response:
        account, fields = self.me(request), request.args.get("fields", "id")
        container, post = self.containers.get(number), self.posts.get(number)
        if number == account.id:
            return self._named(account, fields)
        if container is not None and container.account is account:
            return self.container_status(container, fields)
        if post is None or post.entry.gone or post.account is not account:
            return no_object(number)
        shown = _shown(post) if post.container else {"text": post.text}
        if set(fields.split(",")) - {"id", *LIST_FIELDS, *COMMENT_FIELDS}:
            return no_field(fields)
        return self.good({"id": number, **{name: value for name, value in shown.items() if name in fields.split(",")}})

    def _named(self, account: MetaAccount, fields: str) -> Response:
        whole = {"id": account.id, "username": account.name}
        if set(fields.split(",")) - set(whole):
            return no_field(fields)
        return self.good({name: value for name, value in whole.items() if name in ("id", *fields.split(","))})

    def _delete(self, request: Request, number: str) -> Response:
        post = self.posts.get(number)
        if not self.me(request).by_facebook and (post is None or post.container is not None):
            return no_object(number, "delete")
        return self.remove(request, number)


def _is_story(post: Post) -> bool:
    return post.container is not None and post.container.fields.get("media_type") == "STORIES"


def _shown(post: Post) -> dict[str, Any]:
    assert post.container is not None
    fields = post.container.fields
    kind = "CAROUSEL_ALBUM" if fields.get("media_type") == "CAROUSEL" else "VIDEO" if "video_url" in fields else "IMAGE"
    product = {"REELS": "REELS", "STORIES": "STORY"}.get(fields.get("media_type", ""), "FEED")
    short = f"C{int(post.id) % 10**12:x}"
    path = "reel" if product == "REELS" else "p"
    return {
        "caption": post.text or None, "media_type": kind, "media_product_type": product, "username": post.account.name,
        "permalink": f"https://www.instagram.com/{path}/{short}/", "shortcode": short,
    }


def _list_in(fields: Mapping[str, str], name: str) -> list[Any] | None:
    try:
        value = json.loads(fields.get(name, "[]"))
    except ValueError:
        return None
    return value if isinstance(value, list) else None
