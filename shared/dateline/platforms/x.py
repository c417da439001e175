"""X: its publisher over API v2 (spec 2.167 of 2026-08, xdevplatform/docs). Its rules stand in `_x_rules`, media in `_x_media`.

X has no idempotency key. What protects from a double post is X's own rule against duplicate text, and looking through the
account's recent posts after a lost answer. A duplicate refusal is read as "already out" only when we were uncertain before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ._x_calls import good, quotas_of, reason_of, refusal_of, wait_of
from ._x_media import is_whole, upload
from ._x_rules import OPTION_MEMBERS, poll_of
from ._x_rules import RULES as RULES
from ._x_text import normalised
from .base import (
    Absent,
    Account,
    AccountInfo,
    Answer,
    CredentialField,
    Delivery,
    Failed,
    Found,
    Http,
    NewTokens,
    Outcome,
    Quota,
    Remote,
    Resolution,
    Retry,
    Standard,
    TokenRefused,
    Undecidable,
    Unknown,
)
from .calls import WRONG_APP, bearer, harmless, irreversible, repeatable, said_by, uploads_of
from .connect import OAuth2

CLOCK_SKEW = timedelta(seconds=60)
"""How far X's clock may stand behind ours. `created_at` is cut to whole seconds as well."""
DUPLICATE_LOOK_BACK = timedelta(hours=1)
"""A duplicate refusal may be about an earlier uncertain call than the last: all retries of a target fit into this."""
PARENT_WAIT = 5.0
"""A reply right after its parent may find it "not visible"; five seconds are enough (node-twitter-api-v2 issue 366)."""
PAGES = 5
_POST_FIELDS = "attachments,created_at,entities,note_tweet,referenced_tweets"


class XPublisher(Standard):
    """Text with pictures, a GIF or a video; threads as reply chains. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "OAuth 2.0 user token with tweet.read, tweet.write, users.read and media.write."),
        CredentialField("refreshToken", False, "From the scope offline.access; an access token alone lasts two hours."),
        CredentialField("clientId", False, "The app's client id; needed to refresh."),
        CredentialField("clientSecret", False, "The app's secret, for a confidential client."),
    )
    default_server = "https://api.x.com"
    connect: OAuth2 | None = OAuth2(
        authorize=("x.com", "/i/oauth2/authorize"), token=("api.x.com", "/2/oauth2/token"),
        scopes=("tweet.read", "tweet.write", "users.read", "media.write", "offline.access"), client_auth="basic",
    )

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True while a medium of a segment still to be published is not uploaded, processed and described."""
        return not is_whole(delivery)

    def prepare(self, delivery: Delivery) -> None:
        """Upload the media that are not up yet, each with its alternative text."""
        upload(delivery)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """`POST /2/tweets`, once. A duplicate refusal after an uncertain call is settled by looking for the post."""
        body = _body(delivery, segment)
        url = f"{delivery.account.server}/2/tweets"
        answer = irreversible(lambda: delivery.http.request("POST", url, headers=bearer(delivery.account), json=body))
        if answer.status in (200, 201):
            published = (said_by(answer).get("data") or {}).get("id")
            if not published:
                raise Unknown("answer_unreadable", "X said it took the post and named no id.")
            return (_remote(str(published)),)
        if answer.status == 408:
            raise Unknown("answer_lost", "X answered 408 to the publishing call.")
        reason = reason_of(answer).lower()
        if answer.status == 403 and "duplicate content" in reason:
            return self._already_out(delivery, segment)
        if answer.status == 403 and segment > 0 and "deleted or not visible" in reason:
            raise Retry("parent_not_visible", "X does not show the segment before yet, so it takes no reply to it.", PARENT_WAIT)
        if answer.status == 400 and "media" in body and "media id" in reason:
            return self._media_gone(delivery, segment)
        raise refusal_of(answer, delivery.now())

    def _media_gone(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """What it means that X no longer takes the media: an earlier call may have used them, else they are gone."""
        if delivery.uncertain:
            try:
                seen = self._look(delivery, segment, (delivery.armed_at or delivery.now()) - DUPLICATE_LOOK_BACK)
            except Outcome as error:
                detail = f"X takes the media no more, and looking for their post failed ({error.code})."
                raise Unknown("media_spent", detail) from None
            if isinstance(seen, Found):
                return seen.remotes
        delivery.save(media={})
        raise Retry("media_gone", "X no longer knows the uploaded media; they are uploaded again.")

    def _already_out(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """What a duplicate refusal means: our own earlier call if one was uncertain, else a text posted by someone before."""
        if not delivery.uncertain:
            detail = "X refuses a text the account has posted recently. Change the text, or post it later."
            raise Failed("duplicate_content", detail)
        try:
            seen = self._look(delivery, segment, (delivery.armed_at or delivery.now()) - DUPLICATE_LOOK_BACK)
        except Outcome as error:
            detail = f"X calls the post a duplicate, and looking for the earlier one failed ({error.code})."
            raise Unknown("duplicate_not_found", detail) from None
        if not isinstance(seen, Found):
            raise Unknown("duplicate_not_found", "X calls the post a duplicate, and no recent post of the account is it.")
        return seen.remotes

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Look through the account's posts since the call: same words (or same media), same parent, and not another's."""
        return self._look(delivery, segment, (delivery.armed_at or delivery.now()) - CLOCK_SKEW)

    def _look(self, delivery: Delivery, segment: int, since: datetime) -> Found | Absent | Undecidable:
        params: dict[str, Any] = {
            "max_results": 100, "tweet.fields": _POST_FIELDS,
            "start_time": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        others = delivery.taken | {remote.id for remote in delivery.published}
        found: list[str] = []
        for _ in range(PAGES):
            path = f"/2/users/{delivery.account.account_id}/tweets"
            page = good(repeatable(delivery, "GET", path, params=params), delivery.now())
            found += [
                str(post["id"]) for post in page.get("data") or ()
                if str(post["id"]) not in others and _is_since(post, since) and _is_segment(post, delivery, segment)
            ]
            token = (page.get("meta") or {}).get("next_token")
            if not token:
                # Newest first: the last one seen is the first that was written.
                return Found((_remote(found[-1]),)) if found else Absent()
            params = {**params, "pagination_token": token}
        return Undecidable(f"The account has made more than {PAGES * 100} posts since; X has to be looked through by hand.")

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """`DELETE /2/tweets/{id}`; a post that is gone already is no error."""
        answer = repeatable(delivery, "DELETE", f"/2/tweets/{remote_id}")
        if answer.status != 404:
            good(answer, delivery.now())

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """`GET /2/users/me`."""
        answer = harmless(lambda: http.request("GET", f"{account.server}/2/users/me", headers=bearer(account)))
        user = good(answer, None).get("data") or {}
        if not user.get("id"):
            raise Retry("answer_unreadable", "X did not say whose token this is.")
        return AccountInfo(str(user["id"]), f"@{user['username']}" if user.get("username") else str(user["id"]))

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """X's headers: 15 minutes by kind of call, and a day."""
        return quotas_of(answer)

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """`POST /2/oauth2/token`. The refresh token rotates: both new tokens must be kept, the old pair is spent."""
        credentials = account.credentials
        grant, client = credentials.get("refreshToken"), credentials.get("clientId")
        if not grant or not client:
            return None
        form = {"grant_type": "refresh_token", "refresh_token": grant}
        headers = {}
        if credentials.get("clientSecret"):
            import base64

            pair = f"{client}:{credentials['clientSecret']}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        else:
            form["client_id"] = client
        answer = harmless(lambda: http.request("POST", f"{account.server}/2/oauth2/token", headers=headers, data=form))
        body = said_by(answer)
        if answer.status == 200 and body.get("access_token"):
            tokens = {"accessToken": str(body["access_token"])}
            if body.get("refresh_token"):
                tokens["refreshToken"] = str(body["refresh_token"])
            return NewTokens(tokens, body.get("expires_in"))
        if answer.status in (400, 401) and body.get("error") not in WRONG_APP:
            raise TokenRefused("grant_refused", f"X no longer takes the refresh token ({body.get('error') or answer.status}).")
        raise Retry("refresh_failed", f"X answered {answer.status} to the refresh.", wait_of(answer, None))


def _body(delivery: Delivery, segment: int) -> dict[str, Any]:
    content = delivery.segments[segment]
    body: dict[str, Any] = {}
    if content.text:
        body["text"] = content.text
    if content.media:
        media_ids = uploads_of(delivery, segment)
        if len(media_ids) != len(content.media):
            raise Retry("media_gone", "Not every medium of this segment is uploaded; they are uploaded again.")
        body["media"] = {"media_ids": media_ids}
        tagged = delivery.options.get("taggedUserIds")
        if tagged and segment == 0 and all(item.type == "image" for item in content.media):
            body["media"]["tagged_user_ids"] = list(tagged)
    if segment > 0:
        body["reply"] = {"in_reply_to_tweet_id": delivery.published[segment - 1].id}
    for name, (member, everywhere) in OPTION_MEMBERS.items():
        if name in delivery.options and (everywhere or segment == 0):
            body[member] = delivery.options[name]
    if "poll" in delivery.options and segment == 0:
        body["poll"] = poll_of(delivery.options)
    return body


def _remote(post_id: str) -> Remote:
    return Remote(post_id, f"https://x.com/i/status/{post_id}")


def _is_since(post: Mapping[str, Any], since: datetime) -> bool:
    created = post.get("created_at")
    return created is None or datetime.fromisoformat(str(created)) >= since.replace(microsecond=0)


def _is_segment(post: Mapping[str, Any], delivery: Delivery, segment: int) -> bool:
    """Whether `post` is `segment`: its parent, then its media where both sides name them, else its words."""
    references = post.get("referenced_tweets") or post.get("referenced_posts") or ()
    parent = next((str(reference["id"]) for reference in references if reference.get("type") == "replied_to"), None)
    if parent != (delivery.published[segment - 1].id if segment > 0 else None):
        return False
    theirs = (post.get("attachments") or {}).get("media_keys")
    ours = uploads_of(delivery, segment, "key")
    if theirs and ours and len(ours) == len(delivery.segments[segment].media):
        return set(theirs) == set(ours)
    if bool(theirs) != bool(delivery.segments[segment].media) and "attachments" in post:
        return False
    return _says(post, delivery.segments[segment].text, str(delivery.options.get("quoteTweetId") or ""))


def _says(post: Mapping[str, Any], text: str, quoted: str) -> bool:
    """Whether a post read back from X has our words. X escapes &, < and >, puts t.co links in the place of URLs and appends
    one for media and for a quoted post; a link X says nothing of stands for any URL."""
    from html import unescape

    note = post.get("note_tweet") or post.get("note_post") or {}
    words = unescape(str(note.get("text") or post.get("text") or ""))
    entities = note.get("entities") or post.get("entities") or {}
    links = {str(link.get("url")): link for link in entities.get("urls") or ()}
    anything = "\ufffc"

    def expanded(match: re.Match[str]) -> str:
        link = links.get(match.group()) or {}
        target = str(link.get("expanded_url") or "")
        if link.get("media_key") or re.search(r"/status/\d+/(photo|video)/\d+$", target):
            return ""
        if quoted and match.end() == len(words) and target.endswith(f"/status/{quoted}"):
            return ""
        # X may write a name of another script, or what stands percent-encoded, in its own way.
        return anything if not target or "xn--" in target or "%" in target else target

    theirs = _plain(re.sub(r"https?://t\.co/\w+", expanded, words))
    pattern = r"\S+".join(re.escape(part) for part in theirs.split(anything))
    return re.fullmatch(pattern, _plain(text)) is not None


def _plain(text: str) -> str:
    """A text without what X may change on the way: normal form, schemes and closing slashes of URLs, kinds of white space."""
    without_scheme = re.sub(r"https?://", "", normalised(text).casefold())
    return re.sub(r"/(?=\s|$)", "", " ".join(without_scheme.split()))


PUBLISHER = XPublisher()
