"""A stand-in for Threads: containers, reply chains, lists of posts and replies, 60-day tokens.

It judges requests by the published shape (developers.facebook.com/documentation/threads: reference/publishing of 2026-04-20,
posts, polls of 2026-07-02) and refuses fields it does not know, where the real one would silently leave them out.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Route, World
from .containers import Container, MetaNetwork, Post, graph_error, no_field, no_object
from .grants import consent

FIELDS = {
    "media_type", "text", "image_url", "video_url", "is_carousel_item", "children", "reply_to_id", "reply_control", "alt_text",
    "link_attachment", "topic_tag", "poll_attachment", "quote_post_id", "access_token",
}
REPLY_CONTROLS = {"everyone", "accounts_you_follow", "mentioned_only", "parent_post_author_only", "followers_only"}
LIST_FIELDS = (
    "id", "media_product_type", "media_type", "media_url", "permalink", "owner", "username", "text", "timestamp", "shortcode",
    "is_quote_post", "has_replies", "is_reply", "replied_to", "root_post", "alt_text", "topic_tag",
)
TYPES = {"image_url": ("image/jpeg", "image/png"), "video_url": ("video/mp4", "video/quicktime")}


class ThreadsNetwork(MetaNetwork):
    """Threads on the world's clock."""

    platform: ClassVar[str] = "threads"
    client = ("threads-client", "threads-client-secret")
    status_names = ("status", "error_message")
    creating = "threads"
    exchange_grant, refresh_grant = "th_exchange_token", "th_refresh_token"
    use_case = "threads"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.account("prof_threads")
        self.routes = [
            Route("GET", "/threads.com/oauth/authorize", "auth", lambda request: consent(self.short, request)),
            Route("POST", "/graph.threads.net/oauth/access_token", "auth", self.token),
            Route("GET", "/access_token", "auth", self.exchange),
            Route("GET", "/refresh_access_token", "auth", self.renew),
            Route("GET", "/v1.0/me", "read", self._me),
            Route("POST", "/v1.0/(?P<user>[0-9]+)/threads", "prepare", self._create),
            Route("POST", "/v1.0/(?P<user>[0-9]+)/threads_publish", "publish", self.publish),
            Route("GET", "/v1.0/(?P<user>[0-9]+)/threads_publishing_limit", "read", self.limit),
            Route("GET", "/v1.0/(?P<user>[0-9]+)/(?P<kind>threads|replies)", "read", self._list),
            Route("GET", "/v1.0/(?P<number>[0-9]+)", "read", self._read),
            Route("DELETE", "/v1.0/(?P<number>[0-9]+)", "delete", self.remove),
        ]

    def rejected(self) -> Response:
        message = "This content can't be published because it goes against the community's rules."
        return graph_error(400, 100, message, title="Content not allowed")

    def no_container(self) -> Response:
        message = "The requested resource does not exist"
        return graph_error(400, 24, message, subcode=4279009, title="Media Not Found")

    def _me(self, request: Request) -> Response:
        account, asked = self.me(request), request.args.get("fields", "id").split(",")
        if set(asked) - {"id", "username", "name", "threads_profile_picture_url", "threads_biography", "is_verified"}:
            return no_field(",".join(asked))
        whole = {"id": account.id, "username": account.name}
        return self.good({name: value for name, value in whole.items() if name in asked})

    def _create(self, request: Request, user: str) -> Response:
        account, fields = self.me(request), {name: str(value) for name, value in request.form.items()}
        if user != account.id:
            return no_object(user, "post")
        wrong = self._wrong(fields)
        if wrong is not None:
            return graph_error(400, 100, f"(#100) {wrong}")
        children: list[Container] = []
        if fields["media_type"] == "CAROUSEL":
            found = self.children_of(account, fields, 20)
            if found is None:
                return graph_error(400, 100, "(#100) Param children must be 2 to 20 finished carousel items")
            children = found
        for name in ("reply_to_id", "quote_post_id"):
            if name in fields and not self._can_be_answered(fields[name]):
                return self.no_container()
        kept = {name: value for name, value in fields.items() if name != "access_token"}
        trouble = self.pulled(fields, TYPES)
        if trouble == "format" or (trouble and "image_url" in fields):
            return graph_error(400, 9004, "The media could not be fetched from this URI", subcode=2207052)
        return self.add_container(account, kept, children, "FAILED_DOWNLOADING_VIDEO" if trouble else None)

    def _wrong(self, fields: dict[str, str]) -> str | None:
        kind, item = fields.get("media_type"), fields.get("is_carousel_item") == "true"
        needed = {"TEXT": "text", "IMAGE": "image_url", "VIDEO": "video_url", "CAROUSEL": "children"}
        if set(fields) - FIELDS:
            return f"unknown parameter {sorted(set(fields) - FIELDS)}"
        if kind not in needed or not fields.get(needed[kind]):
            return f"media_type {kind} needs its own parameter"
        others = {"image_url", "video_url", "children"} - {needed[kind]}
        if others & set(fields) or fields.get("is_carousel_item") not in (None, "true", "false"):
            return "parameters of another media_type"
        if item and (kind not in ("IMAGE", "VIDEO") or set(fields) & {"text", "reply_to_id", "topic_tag"}):
            return "a carousel item is a picture or a video, without a text"
        if count(fields.get("text", "")) > 500 or len(fields.get("alt_text", "")) > 1000:
            return "Param text must be at most 500 characters long."
        if "alt_text" in fields and kind not in ("IMAGE", "VIDEO"):
            return "alt_text goes with a picture or a video"
        if fields.get("reply_control", "everyone") not in REPLY_CONTROLS:
            return "reply_control is none of its values"
        if "topic_tag" in fields and not re.fullmatch(r"[^.&]{1,50}", fields["topic_tag"]):
            return "topic_tag has 1 to 50 characters, without . and &"
        if kind != "TEXT" and set(fields) & {"link_attachment", "poll_attachment"}:
            return "link_attachment and poll_attachment go with text only"
        if len({*re.findall(r"https?://\S+", fields.get("text", "")), *filter(None, [fields.get("link_attachment")])}) > 5:
            return "THREADS_API__LINK_LIMIT_EXCEEDED"
        return self._wrong_poll(fields.get("poll_attachment"))

    @staticmethod
    def _wrong_poll(said: str | None) -> str | None:
        if said is None:
            return None
        try:
            poll: Any = json.loads(said)
        except ValueError:
            return "poll_attachment is JSON"
        names = ["option_a", "option_b", "option_c", "option_d"]
        if not isinstance(poll, dict) or not 2 <= len(poll) <= 4 or list(poll) != names[: len(poll)]:
            return "poll_attachment has option_a, option_b and so on"
        fits = all(isinstance(choice, str) and 1 <= len(choice) <= 25 for choice in poll.values())
        return None if fits else "a poll's options have 1 to 25 characters"

    def _can_be_answered(self, number: str) -> bool:
        post = self.posts.get(number)
        late = timedelta(seconds=self.parent_visible_after)
        return post is not None and not post.entry.gone and self.now() - post.at >= late

    def _list(self, request: Request, user: str, kind: str) -> Response:
        account = self.me(request)
        if user != account.id or set(request.args) - {"fields", "since", "until", "limit", "before", "after", "access_token"}:
            return no_object(user)
        posts = [p for p in self.posts.values() if p.account is account and (p.parent is not None) == (kind == "replies")]
        return self.page(request, posts, self._shown, LIST_FIELDS)

    def _shown(self, post: Post) -> dict[str, Any]:
        assert post.container is not None
        kind = {"TEXT": "TEXT_POST", "CAROUSEL": "CAROUSEL_ALBUM"}.get(post.container.fields["media_type"])
        return {
            "text": post.text or None, "permalink": link(post), "media_type": kind or post.container.fields["media_type"],
            "is_reply": post.parent is not None, "replied_to": {"id": post.parent} if post.parent else None,
            "username": post.account.name, "media_product_type": "THREADS",
        }

    def _read(self, request: Request, number: str) -> Response:
        account, fields = self.me(request), request.args.get("fields", "id")
        if set(request.args) - {"fields", "access_token"}:
            return no_object(number)
        container, post = self.containers.get(number), self.posts.get(number)
        if container is not None and container.account is account:
            return self.container_status(container, fields)
        if post is None or post.entry.gone or post.account is not account:
            return no_object(number)
        whole = {"id": post.id, **self._shown(post)}
        return self.good({name: value for name, value in whole.items() if name in ("id", *fields.split(","))})


def link(post: Post) -> str:
    """Where readers find a post."""
    return f"https://www.threads.com/@{post.account.name}/post/C{int(post.id) % 10**12:x}"


def count(text: str) -> int:
    """Characters by the published rule, plainly: an emoji's bytes, any other character one."""

    def is_emoji(character: str) -> bool:
        number = ord(character)
        return number >= 0x1F000 or 0x2600 <= number <= 0x27BF or number in (0x200D, 0xFE0F, 0x20E3)

    return sum(len(character.encode()) if is_emoji(character) else 1 for character in text)
