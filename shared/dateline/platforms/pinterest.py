"""Pinterest: its publisher over API v5 (OpenAPI 5.23.0 of 2025-12-11, pinterest/api-description). Its rules stand in
`_pinterest_rules`, its uploads in `_pinterest_media`.

Pictures go by a signed address of ours and only for want of that inside the request: the publishing call stays small, so that
its answer is rarely lost, and an address that cannot be fetched is a clear refusal. Videos are uploaded and processed before.
A lost answer is settled by reading the board.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from . import _pinterest_media as media
from ._pinterest_rules import OPTION_MEMBERS, PHRASES, board_of, section_of
from ._pinterest_rules import RULES as RULES
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
from .calls import bearer, harmless, irreversible, refusal, repeatable, said_by
from .connect import Choice, OAuth2

CLOCK_SKEW = timedelta(seconds=60)
"""How far Pinterest's clock may stand behind ours. `created_at` may be cut to whole seconds as well."""
PAGES, PAGE = 4, 250
KINDS = {"image": "image", "gif": "image", "video": "video"}
"""Our type of medium -> `media_type` of a pin that has one."""


class PinterestPublisher(Standard):
    """Pictures, carousels and videos on a board. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "OAuth 2.0 token with boards:read, boards:write, pins:read, pins:write and"
                        " user_accounts:read; lasts 30 days."),
        CredentialField("refreshToken", False, "A continuous refresh token; it is renewed with every refresh."),
        CredentialField("clientId", False, "The app's id; needed to refresh."),
        CredentialField("clientSecret", False, "The app's secret; needed to refresh."),
    )
    default_server = "https://api.pinterest.com"
    # Pinterest's documentation knows no PKCE; the client authenticates at the token endpoint.
    connect: OAuth2 | None = OAuth2(
        authorize=("www.pinterest.com", "/oauth/"), token=("api.pinterest.com", "/v5/oauth/token"),
        scopes=("boards:read", "boards:write", "pins:read", "pins:write", "user_accounts:read"), scope_separator=",", pkce=False,
        client_auth="basic",
    )
    refresh_ahead = 7 * 86_400.0

    def needs_preparation(self, delivery: Delivery) -> bool:
        """Always: a picture must be there to be fetched, a video must be uploaded and processed."""
        return not delivery.published

    def prepare(self, delivery: Delivery) -> None:
        """Look that every file is there and of a type that is taken; upload a video and wait for Pinterest to process it."""
        if not board_of(delivery.options, delivery.account.settings):
            raise Failed("content_invalid", "Neither the post nor the profile names a board.")
        media.prepare(delivery, lambda answer: _good(answer, delivery.now()))

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """`POST /v5/pins`, once."""
        body = _pin(delivery)
        url = f"{delivery.account.server}/v5/pins"
        answer = irreversible(lambda: delivery.http.request("POST", url, headers=bearer(delivery.account), json=body))
        if answer.status in (200, 201):
            pin = said_by(answer).get("id")
            if not pin:
                raise Unknown("answer_unreadable", "Pinterest said it took the pin and named no id.")
            return (_remote(str(pin)),)
        if answer.status == 408:
            raise Unknown("answer_lost", "Pinterest answered 408 to the publishing call.")
        words = _reason(answer).lower()
        meaning = next((meaning for phrase, meaning in PHRASES if phrase in words), None) if answer.status in (400, 404) else None
        if meaning == "fetch" and "url" in str(body["media_source"]["source_type"]):
            raise media.not_fetched(delivery)
        if meaning == "media" and body["media_source"]["source_type"] == "video_id":
            media.forget(delivery)
            raise Retry("media_gone", "Pinterest no longer knows the uploaded video; it is uploaded again.")
        raise _refusal(answer, delivery.now())

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Read the board (or its section) for a pin since the call with our words, link and kind of media, not another post's."""
        since = ((delivery.armed_at or delivery.now()) - CLOCK_SKEW).replace(microsecond=0)
        board, section = board_of(delivery.options, delivery.account.settings), section_of(delivery.options)
        path = f"/v5/boards/{board}/sections/{section}/pins" if section else f"/v5/boards/{board}/pins"
        params: dict[str, Any] = {"page_size": PAGE}
        others = delivery.taken | {remote.id for remote in delivery.published}
        found: list[tuple[datetime, str]] = []
        for _ in range(PAGES):
            page = _good(repeatable(delivery, "GET", path, params=params), delivery.now())
            pins = [pin for pin in page.get("items") or () if isinstance(pin, Mapping)]
            times = [_created(pin) for pin in pins]
            found += [
                (at, str(pin["id"])) for pin, at in zip(pins, times, strict=True)
                if at >= since and str(pin["id"]) not in others and _is_ours(pin, delivery)
            ]
            # No order is promised: only a page that is in order and reaches back behind the call is taken for the last.
            newest_first = times == sorted(times, reverse=True) and len(set(times)) > 1
            if (newest_first and times[-1] < since) or not page.get("bookmark"):
                return Found((_remote(min(found)[1]),)) if found else Absent()
            params = {"page_size": PAGE, "bookmark": page["bookmark"]}
        if found:
            return Found((_remote(min(found)[1]),))
        return Undecidable(f"The board has more than {PAGES * PAGE:,} pins; it has to be looked through by hand.")

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """`DELETE /v5/pins/{id}`; a pin that is gone already is no error."""
        answer = repeatable(delivery, "DELETE", f"/v5/pins/{remote_id}")
        if answer.status != 404:
            _good(answer, delivery.now())

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """`GET /v5/user_account`. A profile that is one board has the board's id, any other the user's."""
        user = _user(account, http)
        name, board = f"@{user.get('username') or user['id']}", account.settings.get("boardId")
        if not board:
            return AccountInfo(str(user["id"]), name, {"userId": str(user["id"])})
        called = account.settings.get("boardName") or f"board {board}"
        return AccountInfo(str(board), f"{called} ({name})", {"userId": str(user["id"])})

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The boards of the grant's user, each a profile of its own; the user alone where there are none."""
        user = _user(account, http)
        name, settings = f"@{user.get('username') or user['id']}", {"userId": str(user["id"])}
        boards: list[Choice] = []
        params: dict[str, Any] = {"page_size": PAGE}
        for _ in range(PAGES):
            page = _good(_call(http, account, "GET", "/v5/boards", params=params), None)
            boards += [
                Choice(str(board["id"]), f"{board.get('name') or board['id']} ({name})", "board", settings | {
                    "boardId": str(board["id"]), "boardName": str(board.get("name") or board["id"]),
                })
                for board in page.get("items") or ()
            ]
            if not page.get("bookmark"):
                break
            params = {"page_size": PAGE, "bookmark": page["bookmark"]}
        return boards or [Choice(str(user["id"]), name, settings=settings)]

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """`POST /v5/oauth/token`. Access lasts 30 days; the refresh token that comes with it 60 days from now."""
        import base64

        credentials = account.credentials
        grant, client, secret = (credentials.get(name) for name in ("refreshToken", "clientId", "clientSecret"))
        if not grant or not client or not secret:
            return None
        headers = {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}
        form = {"grant_type": "refresh_token", "refresh_token": grant}
        answer = harmless(lambda: http.request("POST", f"{account.server}/v5/oauth/token", headers=headers, data=form))
        body = said_by(answer)
        if answer.status == 200 and body.get("access_token"):
            tokens = {"accessToken": str(body["access_token"])}
            if body.get("refresh_token"):
                tokens["refreshToken"] = str(body["refresh_token"])
            return NewTokens(tokens, body.get("expires_in"), body.get("refresh_token_expires_in"))
        if answer.status in (400, 401, 403):
            raise TokenRefused("grant_refused", f"Pinterest no longer takes the refresh token ({answer.status}).")
        raise Retry("refresh_failed", f"Pinterest answered {answer.status} to the refresh.", _wait(answer, None))

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """X-RateLimit-Limit, -Remaining and -Reset (seconds): the user's calls by our app. Of several figures the first."""
        try:
            limit, left, reset = (_figure(answer.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset"))
        except (KeyError, ValueError):
            return ()
        return (Quota("account", "calls", int(limit), int(left), now + timedelta(seconds=_from_now(reset, now))),)


def _pin(delivery: Delivery) -> dict[str, Any]:
    """`PinCreate` of this post."""
    content, options = delivery.segments[0], delivery.options
    body: dict[str, Any] = {"board_id": board_of(options, delivery.account.settings), "media_source": media.source(delivery)}
    body |= {member: options[name] for name, member in OPTION_MEMBERS.items() if name in options}
    if content.text.strip():
        body["description"] = content.text
    alt_text = next((item.alt_text for item in content.media if item.alt_text), "")
    if alt_text:
        body["alt_text"] = alt_text
    return body


def _call(http: Http, account: Account, method: str, path: str, **parts: Any) -> Answer:
    return harmless(lambda: http.request(method, account.server + path, headers=bearer(account), **parts))


def _user(account: Account, http: Http) -> dict[str, Any]:
    user = _good(_call(http, account, "GET", "/v5/user_account"), None)
    if not user.get("id"):
        raise Retry("answer_unreadable", "Pinterest did not say whose token this is.")
    return user


def _remote(pin: str) -> Remote:
    return Remote(pin, f"https://www.pinterest.com/pin/{pin}/")


def _created(pin: Mapping[str, Any]) -> datetime:
    """When it was made; a pin that does not say counts as new."""
    try:
        at = datetime.fromisoformat(str(pin.get("created_at")))
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _is_ours(pin: Mapping[str, Any], delivery: Delivery) -> bool:
    """Whether a pin is the user's own (a board may be shared) and says what ours says; what it leaves out of its media may be."""
    content, options = delivery.segments[0], delivery.options
    words = _same(pin.get("title"), options.get("title")) and _same(pin.get("description"), content.text)
    theirs, ours = (str(where.get("link") or "").rstrip("/") for where in (pin, options))
    if pin.get("is_owner") is False or not words or theirs != ours:
        return False
    kind = (pin.get("media") or {}).get("media_type")
    return kind is None or kind == ("multiple_images" if len(content.media) > 1 else KINDS[content.media[0].type])


def _same(theirs: Any, ours: Any) -> bool:
    return " ".join(str(theirs or "").split()) == " ".join(str(ours or "").split())


def _good(answer: Answer, now: datetime | None) -> dict[str, Any]:
    """The body of a successful answer; raises what any other means."""
    if 200 <= answer.status < 300:
        return said_by(answer)
    raise _refusal(answer, now)


def _refusal(answer: Answer, now: datetime | None) -> Outcome:
    return refusal("Pinterest", answer, _reason(answer), _wait(answer, now))


def _reason(answer: Answer) -> str:
    """Pinterest's own words, with its code; addresses it repeats are left out, as ours are secret."""
    import re

    body = said_by(answer)
    words = re.sub(r"https?://\S+", "…", str(body.get("message") or "no reason given"))[:280]
    return f"{words} (code {body['code']})" if isinstance(body.get("code"), int) else words


def _wait(answer: Answer, now: datetime | None) -> float | None:
    """Seconds that a 429 asks for."""
    for name in ("retry-after", "x-ratelimit-reset"):
        try:
            return max(1.0, _from_now(_figure(answer.headers[name]), now))
        except (KeyError, ValueError):
            continue
    return None


def _figure(value: str) -> float:
    """The first figure of a header ("100, 100;w=1"). Raises ValueError where there is none."""
    return float(value.partition(",")[0].partition(";")[0])


def _from_now(value: float, now: datetime | None) -> float:
    """Seconds from now of a reset: the names of the headers are documented nowhere, so a Unix time is understood, too."""
    if value < 1e9:
        return value
    if now is None:
        raise ValueError("no clock to compare with")
    return max(0.0, value - now.timestamp())


PUBLISHER = PinterestPublisher()
