"""Reddit: its publisher over the OAuth API. Its rules and its table of errors stand in `_reddit_rules`, the reading of
answers in `_reddit_answers`, its uploads in `_reddit_media`.

Reddit has no idempotency key and answers most errors under HTTP 200. A post with media is made behind the submission: its answer
names no post, so it is `Processing` until it stands in the account's own list. Threads are chains of comments.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from . import _reddit_media as media
from ._reddit_answers import errors_of, good, meaning_of, wait_of
from ._reddit_rules import ERRORS, OPTION_MEMBERS, kind_of, subreddit_of, title_and_body
from ._reddit_rules import RULES as RULES
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
    Processing,
    Quota,
    Remote,
    Resolution,
    Retry,
    Standard,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from .calls import harmless, irreversible, said_by
from .connect import OAuth2

CLOCK_SKEW = timedelta(seconds=60)
"""How far Reddit's clock may stand behind ours. `created_utc` is cut to whole seconds as well."""
DUPLICATE_LOOK_BACK = timedelta(hours=1)
"""A duplicate refusal may be about an earlier uncertain call than the last."""
PROCESSING = timedelta(minutes=30)
"""A post with media that is not in the list so long after Reddit took it may never come, or be seen by moderators only."""
TRANSCODING = timedelta(minutes=15)
"""A video whose submission had no answer may come up so much later: until then its absence proves nothing."""
LOOK_AGAIN = 3.0
PAGES = 5
SITE = "https://www.reddit.com"


class RedditPublisher(Standard):
    """Texts, links, pictures, galleries and videos in a subreddit; comments below. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "OAuth 2.0 token with identity, submit, edit, read, history, flair; lasts an hour."),
        CredentialField("refreshToken", False, "From duration=permanent; without it the profile lasts an hour."),
        CredentialField("clientId", False, "The app's id; needed to refresh."),
        CredentialField("clientSecret", False, "The app's secret; none for an installed app."),
    )
    default_server = "https://oauth.reddit.com"
    # Reddit's documentation knows no PKCE; the client authenticates at the token endpoint.
    connect: OAuth2 | None = OAuth2(
        authorize=("www.reddit.com", "/api/v1/authorize"), token=("www.reddit.com", "/api/v1/access_token"),
        scopes=("identity", "submit", "edit", "read", "history", "flair"), pkce=False, client_auth="basic",
        extra={"duration": "permanent"},
    )

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True while a file of the post itself is not uploaded."""
        return not delivery.published and media.missing(delivery)

    def prepare(self, delivery: Delivery) -> None:
        """Upload what is not up yet, each file by a lease of its own; what Reddit calls it is saved one by one."""
        if self.needs_preparation(delivery):
            media.upload(delivery, headers_of(delivery.account))

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """`POST /api/submit` (or the gallery's, or `/api/comment`), once."""
        account = delivery.account
        path, parts = _comment(delivery, segment) if segment else _submission(delivery)
        url = account.server + path
        answer = irreversible(lambda: delivery.http.request("POST", url, headers=headers_of(account), **parts))
        if answer.status == 408:
            raise Unknown("answer_lost", "Reddit answered 408 to the publishing call.")
        errors = errors_of(answer)
        if answer.status != 200 or errors:
            if any(ERRORS.get(code) == "duplicate" for code, _ in errors) and delivery.uncertain:
                return self._already_out(delivery, segment)
            if any(ERRORS.get(code) == "address" for code, _ in errors) and media.named(delivery) and not segment:
                delivery.save(media={})
                raise Retry("media_gone", "Reddit no longer knows the uploaded files; they are uploaded again.")
            raise meaning_of(answer)
        data = (said_by(answer).get("json") or {}).get("data") or {}
        if segment:
            [thing, *_] = data.get("things") or [{}]
            data = thing.get("data") or {}
        name = str(data.get("name") or data.get("id") or "")
        if name:
            return (_remote(name if "_" in name else f"{'t1' if segment else 't3'}_{name}", data),)
        if segment or "websocket_url" not in data:
            raise Unknown("answer_unreadable", "Reddit said it took the post and named no id.")
        delivery.save(taken={"at": delivery.now().isoformat()})
        raise Processing("processing", "Reddit has taken the post and is at work on its media.", LOOK_AGAIN)

    def _already_out(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """A duplicate refusal after an uncertain call: our own earlier one, if the list has it."""
        try:
            seen = self._look(delivery, segment, (delivery.armed_at or delivery.now()) - DUPLICATE_LOOK_BACK)
        except Outcome as error:
            detail = f"Reddit calls the link a duplicate, and looking for the earlier post failed ({error.code})."
            raise Unknown("duplicate_not_found", detail) from None
        if not isinstance(seen, Found):
            raise Unknown("duplicate_not_found", "Reddit calls the link a duplicate, and no recent post of the account is it.")
        return seen.remotes

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Look through what the account has submitted since the call. What Reddit surely took is waited for."""
        seen = self._look(delivery, segment, (delivery.armed_at or delivery.now()) - CLOCK_SKEW)
        if not isinstance(seen, Absent) or segment:
            return seen
        armed, taken = delivery.armed_at or delivery.now(), delivery.checkpoint.get("taken")
        at = datetime.fromisoformat(taken["at"]) if taken else None
        if at is None or at < armed:  # nothing is known of this call
            if media.is_video(delivery) and delivery.now() - armed < TRANSCODING:
                return Working(4 * LOOK_AGAIN, "Reddit may have taken the video and still be at work on it.")
            return seen
        if delivery.now() - at < PROCESSING:
            return Working(LOOK_AGAIN, "Reddit has taken the post and does not show it yet.")
        return Undecidable("Reddit took the post and has not shown it since: its media may have been refused.")

    def _look(self, delivery: Delivery, segment: int, since: datetime) -> Found | Absent | Undecidable:
        account = delivery.account
        where = f"/user/{account.account_id}/{'comments' if segment else 'submitted'}"
        params: dict[str, Any] = {"sort": "new", "limit": 100, "raw_json": 1}
        others = delivery.taken | {remote.id for remote in delivery.published}
        found: list[Remote] = []
        for _ in range(PAGES):
            answer = _call(delivery.http, account, "GET", where, params=params)
            page = good(answer).get("data") or {}
            things = [thing.get("data") or {} for thing in page.get("children") or ()]
            recent = [thing for thing in things if _created(thing) >= since.replace(microsecond=0)]
            found += [
                _remote(str(thing["name"]), thing) for thing in recent
                if str(thing.get("name")) not in others and _is_segment(thing, delivery, segment)
            ]
            if len(recent) < len(things) or not page.get("after"):
                # Newest first: the last one seen is the first that was written.
                return Found((found[-1],)) if found else Absent()
            params = {**params, "after": page["after"]}
        return Undecidable(f"The account has made more than {PAGES * 100} posts since; Reddit has to be looked through by hand.")

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """`POST /api/del`; Reddit says yes whether it was there or not."""
        good(_call(delivery.http, delivery.account, "POST", "/api/del", data={"id": remote_id}))

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """`GET /api/v1/me`. The account's id is its name, which never changes: lists and the User-Agent go by it."""
        me = good(_call(http, account, "GET", "/api/v1/me", params={"raw_json": 1}))
        if not me.get("name"):
            raise Retry("answer_unreadable", "Reddit did not say whose token this is.")
        return AccountInfo(str(me["name"]), f"u/{me['name']}")

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """`POST /api/v1/access_token` on www.reddit.com. The refresh token is permanent."""
        import base64

        grant, client = account.credentials.get("refreshToken"), account.credentials.get("clientId")
        if not grant or not client:
            return None
        pair = base64.b64encode(f"{client}:{account.credentials.get('clientSecret') or ''}".encode()).decode()
        headers = {"User-Agent": headers_of(account)["User-Agent"], "Authorization": f"Basic {pair}"}
        form = {"grant_type": "refresh_token", "refresh_token": grant}
        url = account.host("www.reddit.com") + "/api/v1/access_token"
        answer = harmless(lambda: http.request("POST", url, headers=headers, data=form))
        body = said_by(answer)
        if answer.status == 200 and body.get("access_token"):
            tokens = {"accessToken": str(body["access_token"])}
            if body.get("refresh_token"):
                tokens["refreshToken"] = str(body["refresh_token"])
            return NewTokens(tokens, body.get("expires_in"))
        # 401 is about the app's own id and secret, which says nothing of the account.
        if answer.status == 400 or body.get("error") == "invalid_grant":
            reason = body.get("error") or answer.status
            raise TokenRefused("grant_refused", f"Reddit no longer takes the refresh token ({reason}).")
        raise Retry("refresh_failed", f"Reddit answered {answer.status} to the refresh.", wait_of(answer))

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """X-Ratelimit-Used, -Remaining and -Reset (seconds from now): the app's calls, averaged over ten minutes."""
        try:
            used, left, reset = (float(answer.headers[f"x-ratelimit-{name}"]) for name in ("used", "remaining", "reset"))
            return (Quota("app", "calls", int(used + left), int(left), now + timedelta(seconds=reset)),)
        except (KeyError, ValueError, OverflowError):
            return ()


def headers_of(account: Account) -> dict[str, str]:
    """What every call carries. Reddit blocks User-Agents that do not say platform, app, version and whose account it is."""
    who = account.account_id or "unknown"
    return {
        "Authorization": f"Bearer {account.credentials.get('accessToken', '')}", "User-Agent": f"web:dateline:1 (by /u/{who})"
    }


def _call(http: Http, account: Account, method: str, path: str, **parts: Any) -> Answer:
    """A repeatable call to the account's server."""
    return harmless(lambda: http.request(method, account.server + path, headers=headers_of(account), **parts))


def _submission(delivery: Delivery) -> tuple[str, dict[str, Any]]:
    """Path and body of the post itself. A gallery is JSON, everything else a form."""
    content, options = delivery.segments[0], delivery.options
    kind = kind_of(content.media, options)
    title, body = title_and_body(content.text, options)
    members: dict[str, Any] = {
        "api_type": "json", "sr": subreddit_of(options, delivery.account.settings), "title": title, "nsfw": False,
        "spoiler": False, "sendreplies": True,
    }
    members |= {member: options[name] for name, member in OPTION_MEMBERS.items() if name in options}
    if not members["sr"]:
        raise Failed("content_invalid", "Neither the post nor the profile names a subreddit.")
    if body or kind == "self":
        members["text"] = body
    if kind == "gallery":
        items = [{"media_id": one, "caption": "", "outbound_url": ""} for one in media.ids(delivery)]
        return "/api/submit_gallery_post.json", {"json": {**members, "items": items}}
    form = {**members, "kind": kind, "resubmit": True}
    if kind == "link":
        form["url"] = options["url"]
    elif kind != "self":
        form |= media.addresses(delivery, kind)
    return "/api/submit", {"data": {name: _as_form(value) for name, value in form.items()}}


def _as_form(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _comment(delivery: Delivery, segment: int) -> tuple[str, dict[str, Any]]:
    parent = delivery.published[segment - 1].id
    return "/api/comment", {"data": {"api_type": "json", "thing_id": parent, "text": delivery.segments[segment].text}}


def _remote(name: str, data: Mapping[str, Any]) -> Remote:
    """A post or comment by its full name (t3_…, t1_…), with its address if Reddit says it."""
    if data.get("permalink"):
        return Remote(name, SITE + str(data["permalink"]))
    url = str(data.get("url") or "")
    if "/comments/" in url:
        return Remote(name, url)
    return Remote(name, f"{SITE}/comments/{name[3:]}/" if name.startswith("t3_") else None)


def _created(thing: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(float(thing.get("created_utc") or 0), UTC)


def _is_segment(thing: Mapping[str, Any], delivery: Delivery, segment: int) -> bool:
    """Whether something the account submitted is `segment`: where it stands, then what it says."""
    if segment:
        right = thing.get("parent_id") == delivery.published[segment - 1].id
        return right and _same(thing.get("body"), delivery.segments[segment].text)
    content, options = delivery.segments[0], delivery.options
    title, body = title_and_body(content.text, options)
    sr = subreddit_of(options, delivery.account.settings)
    if str(thing.get("subreddit") or "").casefold() != sr.casefold() or not _same(thing.get("title"), title):
        return False
    kind = kind_of(content.media, options)
    if bool(thing.get("is_self")) != (kind == "self") or bool(thing.get("is_gallery")) != (kind == "gallery"):
        return False
    if kind == "link":
        return str(thing.get("url") or "").rstrip("/") == str(options["url"]).rstrip("/")
    if kind == "self":
        return _same(thing.get("selftext"), body)
    return media.is_theirs(thing, delivery, kind)


def _same(theirs: Any, ours: str) -> bool:
    """Reddit trims, and may change white space."""
    return " ".join(str(theirs or "").split()) == " ".join(ours.split())


PUBLISHER = RedditPublisher()
