"""Threads: its publisher over the Threads API v1.0. Its rules stand in `_threads_rules`, the container flow in `_containers`.

Every segment of a chain is a container of its own that names the post it replies to, so that it can only be made once that is
out. `auto_publish_text` would save a call and lose the container that settles a lost answer: it is not used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ..domain.content import Media
from ._container_state import Item, Plan
from ._containers import ContainerPublisher, Listed
from ._graph import moment, object_in, plain
from ._meta import Meaning, token_from
from ._threads_rules import OPTION_FIELDS, has_attachment, poll_of
from ._threads_rules import RULES as RULES
from .base import Account, AccountInfo, CredentialField, Delivery, Http, NewTokens, Remote, Retry
from .connect import Choice, OAuth2

_FINAL = Meaning("final", "media_refused")
FAULTS: Mapping[str, Meaning] = {
    "FAILED_DOWNLOADING": Meaning("retry", "media_unreachable"),
    "INVALID_ASPEC": _FINAL, "INVALID_BIT_RATE": _FINAL, "INVALID_DURATION": _FINAL, "INVALID_FRAME_RATE": _FINAL,
    "INVALID_AUDIO": _FINAL,
}
"""`error_message` of a container, by its beginning (Troubleshooting page); the others may go better with a new container."""
SUBCODES: Mapping[int, Meaning] = {
    4279009: Meaning("retry", "container_gone"),
    2207001: Meaning("fault", "server_error"),
    2207003: Meaning("retry", "media_unreachable"), 2207052: Meaning("retry", "media_unreachable"),
    2207042: Meaning("retry", "daily_limit", 4 * 3600.0),
}
LIST_FIELDS = "id,text,timestamp,permalink,media_type,replied_to"


class ThreadsPublisher(ContainerPublisher):
    """Text, images, videos and carousels, threads as reply chains. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "A long-lived user token (60 days) with threads_basic, threads_content_publish,"
                        " threads_manage_replies, threads_read_replies and threads_delete."),
        CredentialField("clientId", False, "The Threads app's id."),
        CredentialField("clientSecret", False, "The Threads app's secret; needed to make a short-lived token long-lived."),
    )
    default_server = "https://graph.threads.net"
    refresh_ahead = 7 * 86_400.0
    renews_itself = True
    connect: OAuth2 | None = OAuth2(
        authorize=("threads.com", "/oauth/authorize"),
        token=("graph.threads.net", "/oauth/access_token"),
        scopes=("threads_basic", "threads_content_publish", "threads_manage_replies", "threads_read_replies", "threads_delete"),
        scope_separator=",",
        pkce=False,
    )
    who = "Threads"
    creating = "threads"
    status_fields = ("status", "error_message")
    subcodes = SUBCODES
    faults = FAULTS

    def base(self, account: Account) -> str:
        """The API's address with its version."""
        return f"{account.server}/v1.0"

    def signed(self, account: Account) -> tuple[dict[str, str], dict[str, str]]:
        """Threads documents its token as a parameter, never as a header."""
        return {}, {"access_token": account.credentials["accessToken"]}

    def plan(self, delivery: Delivery, segment: int) -> Plan | None:
        """A container of text, of one medium, or a carousel; the first comment is a reply like any other."""
        content = delivery.segments[segment]
        fields = {"text": content.text} if content.text else {}
        if segment > 0:
            fields["reply_to_id"] = delivery.published[segment - 1].id
        else:
            fields |= _options(delivery)
        if not content.media:
            return Plan(Item({"media_type": "TEXT", **fields}))
        if len(content.media) == 1:
            item = _item(content.media[0])
            return Plan(item._replace(fields={**item.fields, **fields}))
        children = [_item(media) for media in content.media]
        whole = tuple(child._replace(fields={**child.fields, "is_carousel_item": "true"}) for child in children)
        return Plan(Item({"media_type": "CAROUSEL", **fields}), whole)

    def listed(self, delivery: Delivery, segment: int, since: datetime) -> Iterator[Listed]:
        """The profile's posts, or its replies to the segment before."""
        account, content = delivery.account, delivery.segments[segment]
        parent = delivery.published[segment - 1].id if segment > 0 else None
        path = f"{account.account_id}/{'replies' if parent else 'threads'}"
        after = str(int(since.timestamp()))
        for post in self.pages(delivery, path, fields=LIST_FIELDS, limit="100", since=after):
            at = moment(post.get("timestamp"))
            if at is not None and at < since.replace(microsecond=0):
                continue
            if parent and str(object_in(post.get("replied_to")).get("id") or parent) != parent:
                continue
            link = post.get("permalink")
            remote = Remote(str(post["id"]), str(link) if link else None)
            yield Listed(remote, plain(post.get("text")) == plain(content.text))

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """`GET /me`, and how many posts a day the profile may make, where Threads says so."""
        user = self.read(account, http, "me", fields="id,username")
        if not user.get("id"):
            raise Retry("answer_unreadable", "Threads did not say whose token this is.")
        name = f"@{user['username']}" if user.get("username") else str(user["id"])
        return AccountInfo(str(user["id"]), name, self.daily_posts(account, http, f"{user['id']}/threads_publishing_limit"))

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """A long-lived token for another 60 days; it must be a day old, and not lapsed. Raises `TokenRefused` when it is."""
        params = {"grant_type": "th_refresh_token", "access_token": account.credentials["accessToken"]}
        token, seconds = token_from("Threads", http, f"{account.server}/refresh_access_token", params)
        return NewTokens({"accessToken": token}, seconds)

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The profile that consented, with its token made long-lived (the code gives one for an hour)."""
        token, seconds = account.credentials["accessToken"], None
        secret = account.credentials.get("clientSecret")
        if secret:
            params = {"grant_type": "th_exchange_token", "client_secret": secret, "access_token": token}
            token, seconds = token_from("Threads", http, f"{account.server}/access_token", params)
        info = self.verify(_with_token(account, token), http)
        tokens = {"accessToken": token} if secret else {}
        return [Choice(info.account_id, info.name, settings=info.settings, credentials=tokens, expires_in=seconds)]


def _item(media: Media) -> Item:
    kind, address = ("VIDEO", "video_url") if media.type == "video" else ("IMAGE", "image_url")
    fields = {"media_type": kind} | ({"alt_text": media.alt_text} if media.alt_text else {})
    return Item(fields, media, address)


def _options(delivery: Delivery) -> dict[str, str]:
    options, content = delivery.options, delivery.segments[0]
    fields = {field: str(options[name]) for name, field in OPTION_FIELDS.items() if name in options}
    if not has_attachment(content, options):
        fields.pop("link_attachment", None)
    if "poll" in options and not content.media:
        fields["poll_attachment"] = json.dumps(poll_of(options), ensure_ascii=False)
    return fields


def _with_token(account: Account, token: str) -> Account:
    from dataclasses import replace

    values: dict[str, Any] = {**account.credentials, "accessToken": token}
    return replace(account, credentials=values)


PUBLISHER = ThreadsPublisher()
