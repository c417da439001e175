"""Instagram: its publisher over the Graph API. Its rules stand in `_instagram_rules`, the container flow in `_containers`.

There are two kinds of login with the same calls: by Instagram (graph.instagram.com, 60-day tokens that are renewed) and by
Facebook (graph.facebook.com, for an account that is tied to a page). Only the second one may delete.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ._container_state import Item, Plan
from ._containers import ContainerPublisher, Listed
from ._graph import CLOCK_SKEW, moment, object_in, objects_in, plain
from ._instagram_rules import OPTIONS_FOR, Kind, kind_of
from ._instagram_rules import RULES as RULES
from ._meta import VERSION, Meaning, bearer_token, token_from
from .base import (
    Absent,
    Account,
    AccountInfo,
    CredentialField,
    Delivery,
    Failed,
    Found,
    Http,
    NewTokens,
    Remote,
    Resolution,
    Retry,
    Undecidable,
)
from .connect import Choice, OAuth2

FACEBOOK = "graph.facebook.com"
_MEDIA = Meaning("final", "media_refused")
_AFRESH = Meaning("retry", "processing_failed")
_GONE = Meaning("retry", "container_gone")
SUBCODES: Mapping[int, Meaning] = {
    2207001: Meaning("fault", "server_error"),
    2207003: Meaning("retry", "media_unreachable"), 2207052: Meaning("retry", "media_unreachable"),
    2207032: _AFRESH, 2207053: _AFRESH, 2207082: _AFRESH,
    2207006: _GONE, 2207008: _GONE, 2207020: _GONE,
    2207027: Meaning("retry", "not_ready"),
    2207042: Meaning("retry", "daily_limit", 4 * 3600.0),
    2207050: Meaning("final", "account_restricted"), 2207051: Meaning("final", "action_blocked"),
    2207004: _MEDIA, 2207005: _MEDIA, 2207009: _MEDIA, 2207023: _MEDIA, 2207026: _MEDIA, 2207057: _MEDIA,
}
"""`error_subcode` -> what it means (Error Codes page, 2026-06-02). 2207042 is a window of 24 hours that slides: later is soon."""
FAULTS: Mapping[str, Meaning] = {str(code): meaning for code, meaning in SUBCODES.items()}
"""A failed container tells its subcode within a sentence."""
LIST_FIELDS = "id,caption,timestamp,permalink,media_type,media_product_type"
COMMENT = {"kind": "comment"}


class InstagramPublisher(ContainerPublisher):
    """Pictures, carousels, reels and stories, each with a first comment but the last. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "A long-lived token: of Instagram's login with instagram_business_basic,"
                        " instagram_business_content_publish and instagram_business_manage_comments, or of Facebook's login with"
                        " instagram_basic, instagram_content_publish, instagram_manage_comments, pages_show_list and"
                        " pages_read_engagement."),
        CredentialField("login", False, 'Which login the token is of: "instagram" (the default) or "facebook".'),
        CredentialField("accountId", False, "With Facebook's login the id of the Instagram account, where its user has several."),
        CredentialField("clientId", False, "The Instagram app's id."),
        CredentialField("clientSecret", False, "The app's secret; needed to make a short-lived token long-lived."),
    )
    default_server = "https://graph.instagram.com"
    refresh_ahead = 7 * 86_400.0
    renews_itself = True
    connect: OAuth2 | None = OAuth2(
        authorize=("www.instagram.com", "/oauth/authorize"),
        token=("api.instagram.com", "/oauth/access_token"),
        scopes=("instagram_business_basic", "instagram_business_content_publish", "instagram_business_manage_comments"),
        scope_separator=",",
        pkce=False,
    )
    who = "Instagram"
    creating = "media"
    status_fields = ("status_code", "status")
    subcodes = SUBCODES
    faults = FAULTS

    def base(self, account: Account) -> str:
        """The address of the API that the account's login is for."""
        return f"{account.host(FACEBOOK) if _by_facebook(account) else account.server}/{VERSION}"

    def signed(self, account: Account) -> tuple[dict[str, str], dict[str, str]]:
        """The token goes in a header, as Instagram's guide has it."""
        return bearer_token(account), {}

    def plan(self, delivery: Delivery, segment: int) -> Plan | None:
        """The containers of what the post is published as; None for the first comment."""
        if segment > 0:
            return None
        content, options = delivery.segments[0], delivery.options
        kind = kind_of(content, options)
        fields = _fields(kind, content.text, options)
        items = [self._item(delivery, place, kind) for place in range(len(content.media))]
        if kind == "carousel":
            return Plan(Item({"media_type": "CAROUSEL", **fields}), tuple(items))
        return Plan(items[0]._replace(fields={**items[0].fields, **fields}))

    def _item(self, delivery: Delivery, place: int, kind: Kind) -> Item:
        media = delivery.segments[0].media[place]
        video = media.type == "video"
        types = {"story": "STORIES", "reel": "REELS"} | ({"carousel": "VIDEO"} if video else {})
        fields = {"media_type": types[kind]} if kind in types else {}
        if kind == "carousel":
            fields["is_carousel_item"] = "true"
        if media.alt_text and not video and kind != "story":
            fields["alt_text"] = media.alt_text
        tags = [
            {name: tag[name] for name in ("username", *(() if video else ("x", "y"))) if name in tag}
            for tag in delivery.options.get("userTags") or () if tag.get("mediaIndex", 0) == place
        ]
        if tags:
            fields["user_tags"] = json.dumps(tags)
        return Item(fields, media, "video_url" if video else "image_url")

    def listed(self, delivery: Delivery, segment: int, since: datetime) -> Iterator[Listed]:
        """The account's media, or its stories of today."""
        content = delivery.segments[segment]
        story = kind_of(content, delivery.options) == "story"
        path = f"{delivery.account.account_id}/{'stories' if story else 'media'}"
        for post in self.pages(delivery, path, fields=LIST_FIELDS, limit="50"):
            at = moment(post.get("timestamp"))
            if at is not None and at < since.replace(microsecond=0):
                return
            if story and post.get("media_type") not in (None, content.media[0].type.upper()):
                continue
            link = post.get("permalink")
            remote = Remote(str(post["id"]), str(link) if link else None)
            yield Listed(remote, story or plain(post.get("caption")) == plain(content.text))

    def has_words(self, delivery: Delivery, segment: int) -> bool:
        """A story has none."""
        return kind_of(delivery.segments[0], delivery.options) != "story" and super().has_words(delivery, segment)

    def comment(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """The first comment, on the post that is out. It has no address of its own."""
        path = f"{delivery.published[0].id}/comments"
        return self.armed(delivery, path, {"message": delivery.segments[segment].text}, segment)

    def commented(self, delivery: Delivery, segment: int) -> Resolution:
        """Look through the post's comments for our words, since the call was made."""
        since = ((delivery.armed_at or delivery.now()) - CLOCK_SKEW).replace(microsecond=0)
        words, found, count = plain(delivery.segments[segment].text), [], 0
        for entry in self.pages(delivery, f"{delivery.published[0].id}/comments", fields="id,text,timestamp", limit="50"):
            count += 1
            at, ours = moment(entry.get("timestamp")), plain(entry.get("text")) == words
            if ours and (at is None or at >= since) and str(entry["id"]) not in delivery.taken:
                found.append(Remote(str(entry["id"]), None, COMMENT))
        if found:
            return Found((found[-1],))
        return Absent() if count < 200 else Undecidable("The post has too many comments to find the first one among them.")

    def remote(self, delivery: Delivery, remote_id: str, segment: int) -> Remote:
        """The post with its permalink; a comment has none."""
        return Remote(remote_id, None, COMMENT) if segment > 0 else super().remote(delivery, remote_id, segment)

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """Only with Facebook's login (`instagram_manage_contents`). Raises `Failed` with `unsupported` for the other."""
        if not _by_facebook(delivery.account):
            detail = "Instagram deletes by API only where the account is connected by Facebook's login; delete it in the app."
            raise Failed("unsupported", detail)
        super().delete(delivery, remote_id)

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """Whose token it is, which login it is of, and how many posts a day the account may make, where Instagram says so."""
        login = "facebook" if _by_facebook(account) else "instagram"
        user = self._by_page(account, http) if login == "facebook" else self.read(account, http, "me", fields="user_id,username")
        number = str(user.get("user_id") or user.get("id") or "")
        if not number:
            raise Retry("answer_unreadable", "Instagram did not say whose token this is.")
        name = f"@{user['username']}" if user.get("username") else number
        limit = self.daily_posts(account, http, f"{number}/content_publishing_limit")
        return AccountInfo(number, name, {"login": login, **limit})

    def _by_page(self, account: Account, http: Http) -> dict[str, Any]:
        """The Instagram account behind a Facebook token: the one that was named, or the only one tied to a page of the user's."""
        named = account.account_id or account.credentials.get("accountId")
        if named:
            return {"id": named, **self.read(account, http, named, fields="id,username")}
        fields = "instagram_business_account{id,username}"
        pages = objects_in(self.read(account, http, "me/accounts", fields=fields, limit="100").get("data"))
        tied = [object_in(page.get("instagram_business_account")) for page in pages]
        found = [entry for entry in tied if entry.get("id")]
        if len(found) == 1:
            return found[0]
        if not found:
            raise Failed("no_account", "No page of this Facebook user is tied to an Instagram account for professionals.")
        known = ", ".join(f"{entry['id']} (@{entry.get('username')})" for entry in found)
        raise Failed("several_accounts", f"This Facebook user has several Instagram accounts; say accountId: {known}.")

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """Instagram's token for another 60 days (it must be a day old, and not lapsed); Facebook's cannot be renewed."""
        if _by_facebook(account):
            return None
        params = {"grant_type": "ig_refresh_token", "access_token": account.credentials["accessToken"]}
        token, seconds = token_from("Instagram", http, f"{account.server}/refresh_access_token", params)
        return NewTokens({"accessToken": token}, seconds)

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The account that consented, with its token made long-lived (the code gives one for an hour)."""
        from dataclasses import replace

        token, seconds = account.credentials["accessToken"], None
        secret = account.credentials.get("clientSecret")
        if secret:
            params = {"grant_type": "ig_exchange_token", "client_secret": secret, "access_token": token}
            token, seconds = token_from("Instagram", http, f"{account.server}/access_token", params)
        info = self.verify(replace(account, credentials={**account.credentials, "accessToken": token}), http)
        tokens = {"accessToken": token} if secret else {}
        return [Choice(info.account_id, info.name, settings=info.settings, credentials=tokens, expires_in=seconds)]


def _by_facebook(account: Account) -> bool:
    return (account.settings.get("login") or account.credentials.get("login")) == "facebook"


def _fields(kind: Kind, text: str, options: Mapping[str, Any]) -> dict[str, str]:
    """What the options and the text say in the container of a post of this kind."""
    fits = {name: value for name, value in options.items() if kind in OPTIONS_FOR.get(name, ())}
    fields = {"caption": text} if text and kind != "story" else {}
    if fits.get("collaborators"):
        fields["collaborators"] = json.dumps(list(fits["collaborators"]))
    if "locationId" in fits:
        fields["location_id"] = str(fits["locationId"])
    if "coverUrl" in fits:
        fields["cover_url"] = str(fits["coverUrl"])
    elif "thumbOffsetMs" in fits:
        fields["thumb_offset"] = str(fits["thumbOffsetMs"])
    if kind == "reel":
        shown = options.get("contentType") == "feed" or fits.get("shareToFeed", True)
        fields["share_to_feed"] = "true" if shown else "false"
    return fields


PUBLISHER = InstagramPublisher()
