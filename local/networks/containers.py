"""What the stand-ins of Threads and Instagram share: containers that are processed and published once, lists with cursors, tokens
that are made long-lived and renewed, Meta's errors and usage headers.

It knows the network's published shape only, and nothing of how Dateline uses it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from .base import Entry, Network, World, answer
from .grants import Grants, exchanged

CONTAINER_LIFE = timedelta(hours=24)
SHORT_LIFE, LONG_LIFE = timedelta(hours=1), timedelta(days=60)
YOUNGEST = timedelta(hours=24)
"""A long-lived token is renewed when it is a day old at least."""
DAY = timedelta(hours=24)


@dataclass
class MetaAccount:
    """One account. `by_facebook` says which login its token is of (Instagram has two)."""

    profile_id: str
    id: str
    name: str
    by_facebook: bool = False


@dataclass
class Container:
    """What is to be published. `error` is what went wrong in processing, known once `ready` has passed."""

    id: str
    account: MetaAccount
    fields: dict[str, str]
    made: datetime
    ready: datetime
    children: list[Container] = field(default_factory=list)
    error: str | None = None
    published: str | None = None

    def status(self, now: datetime) -> str:
        """As the network tells it."""
        if self.published:
            return "PUBLISHED"
        if now - self.made >= CONTAINER_LIFE:
            return "EXPIRED"
        if now < self.ready:
            return "IN_PROGRESS"
        return "ERROR" if self.error else "FINISHED"


@dataclass
class Post:
    """One post or comment as the network keeps it."""

    id: str
    account: MetaAccount
    text: str
    at: datetime
    parent: str | None
    entry: Entry
    container: Container | None = None


class MetaNetwork(Network):
    """Containers on the world's clock.

    Hooks: `processing_seconds` of a video and `picture_seconds` of a picture; `processing_error` is what processing ends with;
    `listed_after` seconds a post is missing in lists; `page_size`; `day_limit` of posts; `parent_visible_after` seconds.
    """

    client: ClassVar[tuple[str, str]]
    status_names: ClassVar[tuple[str, str]]
    creating: ClassVar[str]
    exchange_grant: ClassVar[str]
    refresh_grant: ClassVar[str]
    use_case: ClassVar[str]

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.processing_seconds, self.picture_seconds = 5.0, 0.0
        self.processing_error: str | None = None
        self.listed_after, self.parent_visible_after = 0.0, 0.0
        self.page_size, self.day_limit = 100, 250
        self.accounts: dict[str, MetaAccount] = {}
        self.containers: dict[str, Container] = {}
        self.posts: dict[str, Post] = {}
        self.short, self.long = Grants(self, SHORT_LIFE), Grants(self, LONG_LIFE)
        self.calls = 0

    # Accounts and tokens

    def account(self, profile_id: str) -> MetaAccount:
        """The account of a profile, made when it is new."""
        known = self.accounts.get(profile_id)
        if known is None:
            number = len(self.accounts) + 1
            known = MetaAccount(profile_id, str(17_841_400_000_000_000 + number), f"dateline.{number}", "facebook" in profile_id)
            self.accounts[profile_id] = known
        return known

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """A token that was made two days ago: old enough to be renewed."""
        account = self.account(profile_id)
        grant = next((g for g in self.long.grants if g.profile_id == profile_id and not g.dead and g.until > self.now()), None)
        if grant is None:
            grant = self.long.give(profile_id)
            grant.until -= 2 * YOUNGEST
        return {
            "server": f"/{self.platform}", "accountId": account.id,
            "expiresIn": int((grant.until - self.now()).total_seconds()),
            "credentials": {"accessToken": grant.access, "clientId": self.client[0], "clientSecret": self.client[1]},
        }

    def token_of(self, request: Request) -> str | None:
        """Where this network takes the token."""
        return request.args.get("access_token") or request.form.get("access_token")

    def signed_in(self, request: Request) -> MetaAccount | None:
        """Whose token a request carries."""
        token = self.token_of(request)
        owner = self.long.owner(token) or self.short.owner(token)
        return self.account(owner) if owner else None

    def me(self, request: Request) -> MetaAccount:
        """The same, for a request that was let in."""
        account = self.signed_in(request)
        assert account is not None
        return account

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        self.calls += 1
        return None if self.signed_in(request) else self.expired()

    def token(self, request: Request) -> Response:
        """POST /oauth/access_token: a token for an hour, for a code."""
        grant = exchanged(self.short, request, self.client)
        if grant is None:
            body = {"error_type": "OAuthException", "code": 400, "error_message": "Invalid authorization code"}
            return answer(400, body)
        return answer(200, {"access_token": grant.access, "user_id": int(self.account(grant.profile_id).id)})

    def exchange(self, request: Request) -> Response:
        """GET /access_token: a long-lived token for a short-lived one."""
        owner = self.short.owner(request.args.get("access_token"))
        unknown = set(request.args) - {"grant_type", "client_secret", "access_token"}
        if unknown or request.args.get("grant_type") != self.exchange_grant:
            return graph_error(400, 100, "Unsupported request - method type: get")
        if owner is None or request.args.get("client_secret") != self.client[1]:
            return graph_error(400, 190, "Error validating access token", subcode=463)
        grant = self.long.give(owner)
        return answer(200, {"access_token": grant.access, "token_type": "bearer", "expires_in": int(LONG_LIFE.total_seconds())})

    def renew(self, request: Request) -> Response:
        """GET /refresh_access_token: a token for another 60 days, if it is a day old and has not lapsed."""
        if set(request.args) != {"grant_type", "access_token"} or request.args.get("grant_type") != self.refresh_grant:
            return graph_error(400, 100, "Unsupported request - method type: get")
        token = request.args["access_token"]
        owner = self.long.owner(token)
        if owner is None:
            return self.expired()
        old = next(grant for grant in self.long.grants if grant.access == token)
        if self.now() - (old.until - LONG_LIFE) < YOUNGEST:
            return graph_error(400, 100, "The token must be at least 24 hours old to be refreshed.")
        new = self.long.give(owner)
        return answer(200, {"access_token": new.access, "token_type": "bearer", "expires_in": int(LONG_LIFE.total_seconds())})

    # Failures

    def rate_limited(self, retry_after: float) -> Response:
        minutes = math.ceil(retry_after / 60) if retry_after >= 30 else 0
        use = [{"type": self.use_case, "call_count": 100, "total_cputime": 30, "total_time": 40,
                "estimated_time_to_regain_access": minutes}]
        headers = {"X-Business-Use-Case-Usage": json.dumps({"17841400000000001": use})}
        message = "There have been too many calls to this account. Wait a bit and try again."
        return graph_error(400, 80_002, f"(#80002) {message}", headers=headers)

    def server_error(self) -> Response:
        return graph_error(500, 2, "An unexpected error has occurred. Please retry your request later.", transient=True)

    def expired(self) -> Response:
        return graph_error(401, 190, "Error validating access token: Session has expired on Saturday, 14-Jun-26.", subcode=463)

    def usage(self) -> dict[str, str]:
        """The headers that tell what is used up, in per cent."""
        share = min(100, self.calls // 10)
        return {"X-App-Usage": json.dumps({"call_count": share, "total_cputime": 1, "total_time": 2})}

    def good(self, body: Mapping[str, Any]) -> Response:
        """A successful answer with its headers."""
        return answer(200, dict(body), self.usage())

    # Containers

    def pulled(self, fields: Mapping[str, str], types: Mapping[str, tuple[str, ...]]) -> str | None:
        """Fetch what a container names: None when it can be had and is of a type that is taken, else what is wrong."""
        for name, taken in types.items():
            if fields.get(name):
                got = self.world.pull(fields[name])
                if got.status != 200:
                    return "unreachable"
                if got.mime not in taken:
                    return "format"
        return None

    def add_container(
        self, account: MetaAccount, fields: dict[str, str], children: list[Container], error: str | None
    ) -> Response:
        """Keep a container and begin its processing."""
        wait = self.processing_seconds if fields.get("video_url") else self.picture_seconds if fields.get("image_url") else 0.0
        wait = max([wait, *((child.ready - self.now()).total_seconds() for child in children)])
        if error is None and (fields.get("video_url") or fields.get("image_url")):
            error = self.processing_error
        number = str(18_000_000_000_000_000 + self.next_number())
        ready = self.now() + timedelta(seconds=max(0.0, wait))
        self.containers[number] = Container(number, account, fields, self.now(), ready, children, error)
        return self.good({"id": number})

    def children_of(self, account: MetaAccount, fields: Mapping[str, str], most: int) -> list[Container] | None:
        """A carousel's children; None when they are not what they must be."""
        found = [self.containers.get(number) for number in fields.get("children", "").split(",")]
        good = [
            child for child in found
            if child and child.account is account and child.fields.get("is_carousel_item") == "true" and not child.published
            and child.status(self.now()) == "FINISHED"
        ]
        return good if len(good) == len(found) and 2 <= len(good) <= most else None

    def container_status(self, container: Container, fields: str) -> Response:
        """GET /{container}."""
        status, why = self.status_names
        if set(fields.split(",")) - {status, why, "id"}:
            return no_field(fields)
        now = container.status(self.now())
        body = {"id": container.id, status: now}
        if now == "ERROR":
            body[why] = str(container.error)
        return self.good({name: value for name, value in body.items() if name in ("id", *fields.split(","))})

    def publish(self, request: Request, user: str) -> Response:
        """POST /{user}/<creating>_publish: what is finished becomes visible, once."""
        account = self.me(request)
        unknown = set(request.form) - {"creation_id", "access_token"}
        container = self.containers.get(request.form.get("creation_id", ""))
        if user not in (account.id, "me") or unknown:
            return graph_error(400, 100, f"(#100) Param {sorted(unknown)} is not allowed")
        if container is None or container.account is not account:
            return self.no_container()
        status = container.status(self.now())
        if status == "IN_PROGRESS":
            return self.not_ready()
        if status != "FINISHED":
            return self.no_container()
        if self.used(account) >= self.day_limit:
            return graph_error(400, 9, "Application request limit reached", subcode=2207042, title="You reached the limit")
        container.published = number = str(18_100_000_000_000_000 + self.next_number())
        media = [child.id for child in container.children]
        if not media and (container.fields.get("image_url") or container.fields.get("video_url")):
            media = [container.id]
        parent, text = container.fields.get("reply_to_id"), self.shown_text(container)
        options = {name: value for name, value in container.fields.items() if not name.endswith("_url")}
        whole = [one for one in (container, *container.children) if "alt_text" in one.fields]
        described = {one.id: one.fields["alt_text"] for one in whole}
        entry = self.visible(account.profile_id, number, text, media, parent, options=options, altTexts=described)
        self.posts[number] = Post(number, account, text, self.now(), parent, entry, container)
        return self.good({"id": number})

    def shown_text(self, container: Container) -> str:
        """What a reader sees of a container's words."""
        return container.fields.get("text", "")

    def no_container(self) -> Response:
        """There is nothing of that id that could be published."""
        raise NotImplementedError

    def not_ready(self) -> Response:
        """It is still being processed."""
        return self.no_container()

    # Lists

    def page(
        self, request: Request, posts: list[Post], shown: Callable[[Post], dict[str, Any]], known: tuple[str, ...]
    ) -> Response:
        """A list of posts, newest first, with a cursor where more follow."""
        asked = request.args.get("fields", "id").split(",")
        if set(asked) - set(known):
            return no_field(",".join(asked))
        limit = request.args.get("limit", "25")
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            return graph_error(400, 100, "(#100) limit must be between 1 and 100")
        late = timedelta(seconds=self.listed_after)
        seen = [post for post in posts if not post.entry.gone and self.now() - post.at >= late]
        since = request.args.get("since")
        if since:
            seen = [post for post in seen if post.at.timestamp() >= int(since)]
        seen.sort(key=lambda post: (post.at, int(post.id)), reverse=True)
        first, size = int(request.args.get("after", "0")), min(int(limit), self.page_size)
        data = []
        for post in seen[first:first + size]:
            whole = {"id": post.id, "timestamp": post.at.strftime("%Y-%m-%dT%H:%M:%S+0000"), **shown(post)}
            data.append({name: value for name, value in whole.items() if name in ("id", *asked) and value is not None})
        body: dict[str, Any] = {"data": data}
        if data:
            body["paging"] = {"cursors": {"before": str(first), "after": str(first + size)}}
            if first + size < len(seen):
                body["paging"]["next"] = f"{request.base_url}?after={first + size}"
        return self.good(body)

    def limit(self, request: Request, user: str) -> Response:
        """GET /{user}/…_publishing_limit."""
        account = self.me(request)
        if set(request.args.get("fields", "").split(",")) - {"quota_usage", "config"}:
            return no_field(request.args.get("fields", ""))
        config = {"quota_total": self.day_limit, "quota_duration": 86_400}
        return self.good({"data": [{"quota_usage": self.used(account), "config": config}]})

    def used(self, account: MetaAccount) -> int:
        """How many posts the account has made in the last 24 hours; comments do not count."""
        mine = [post for post in self.posts.values() if post.account is account and post.container]
        return sum(self.now() - post.at < DAY for post in mine)

    def remove(self, request: Request, number: str) -> Response:
        """DELETE /{id}."""
        post = self.posts.get(number)
        if post is None or post.entry.gone or post.account is not self.me(request):
            return no_object(number, "delete")
        post.entry.gone = True
        return self.good({"success": True, "deleted_id": number})


def graph_error(
    status: int, code: int, message: str, *, subcode: int | None = None, title: str | None = None, transient: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error of the Graph API."""
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code, "is_transient": transient}
    if subcode is not None:
        error["error_subcode"] = subcode
    if title is not None:
        error |= {"error_user_title": title, "error_user_msg": message}
    return answer(status, {"error": {**error, "fbtrace_id": "AStandInTrace"}}, headers)


def no_object(number: str, verb: str = "get") -> Response:
    """What Meta says of an id that is not there, or not for this token."""
    message = (
        f"Unsupported {verb} request. Object with ID '{number}' does not exist, cannot be loaded due to missing permissions, or"
        " does not support this operation."
    )
    return graph_error(400, 100, message, subcode=33)


def no_field(fields: str) -> Response:
    """A field that an object does not have."""
    return graph_error(400, 100, f"(#100) Tried accessing nonexisting field ({fields}) on node type")
