"""A stand-in for two servers of Mastodon's API: a Mastodon, and below `/gts` a GoToSocial, which ignores the Idempotency-Key.

Facts: mastodon/documentation 2026-07-02, StatusLengthValidator and PostStatusService (the key is stored after the status is
created, for an hour), GoToSocial's validateNormalizeCreateStatus (code points, 400). It counts text with code of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import Any, ClassVar
from urllib.parse import urlencode

import regex
from werkzeug.wrappers import Request, Response

from .base import Entry, Network, Route, World, answer
from .grants import Grants

KEY_LIFE = timedelta(hours=1)
WINDOW = timedelta(minutes=5)
LIMIT = 300
"""Requests per account and five minutes, for the headers."""
IMAGE_BYTES, VIDEO_BYTES = 16 * 1024 * 1024, 99 * 1024 * 1024
SOONEST = timedelta(minutes=5)
MOST_SCHEDULED, MOST_SCHEDULED_A_DAY = 300, 25
SCOPES = frozenset({"read", "write", "profile", "write:statuses", "write:media", "read:statuses", "read:accounts"})
MAGIC = {
    b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"GIF8": "image/gif", b"ftyp": "video/mp4",
}
VISIBILITIES = ("public", "unlisted", "private", "direct")

_URL = re.compile(r"https?://[^\s<>\"'，。]*[^\s<>\"'，。.,;:!?)]", re.I)
_MENTION = re.compile(r"(?<![=/\w])@(\w+)(?:@([\w.-]*\w))?")
_TAG = re.compile(r"(?<![\w/&])#(\w+)")


@dataclass
class Attachment:
    """An uploaded medium. It answers "still processing" as often as `polls_left` says and until `ready_at`, then with `refused`
    if that says anything; it belongs to one status only, or to one that is scheduled."""

    id: str
    account: str
    kind: str
    description: str | None
    polls_left: int
    status: str | None = None
    ready_at: datetime | None = None
    refused: str = ""


@dataclass
class Scheduled:
    """A status that the server keeps until its time: the parameters it was sent with."""

    id: str
    at: datetime
    body: dict[str, Any]


@dataclass
class Status:
    """One status: `text` as it was sent, and its JSON as it is shown."""

    id: str
    text: str
    at: datetime
    shown: dict[str, Any]
    entry: Entry


@dataclass
class MastodonAccount:
    """One account with its one token, which does not expire. `keys` holds what the server remembers of Idempotency-Keys."""

    profile_id: str
    id: str
    name: str
    token: str
    statuses: list[Status] = field(default_factory=list)
    keys: dict[str, tuple[datetime, Status | Scheduled]] = field(default_factory=dict)
    scheduled: dict[str, Scheduled] = field(default_factory=dict)


@dataclass
class Instance:
    """One server. `path` is where it lies below the network's prefix."""

    path: str
    domain: str
    version: str
    source_url: str
    max_characters: int
    url_length: int
    max_media: int
    honours_idempotency: bool
    counts_code_points: bool
    refusal_status: int
    poll_options: int
    accounts: dict[str, MastodonAccount] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    keeps: bool = True


@dataclass
class App:
    """A client that registered itself: its secret, its redirect addresses and the scopes it may ask for."""

    secret: str
    redirect_uris: list[str]
    scopes: list[str]


class MastodonNetwork(Network):
    """Both servers. `slow_media_polls` is how often a new medium answers 206 before it is ready (0: ready at once); GIFs and
    videos take `processing_seconds` besides, and are refused in the end if `refuse_media` says anything. A scheduled status is
    published in its time, unless `stopped`; an `Instance` that `keeps` none publishes at once."""

    platform: ClassVar[str] = "mastodon"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.slow_media_polls = 0
        self.processing_seconds = 5.0
        self.refuse_media = ""
        self.stopped = False
        self.consents = Grants(self, timedelta(days=36_500))
        self.page_size = 40
        self.mastodon = Instance(
            "", "mastodon.example", "4.7.0", "https://github.com/mastodon/mastodon", 500, 23, 4, True, False, 422, 4
        )
        self.gotosocial = Instance(
            "/gts", "gotosocial.example", "0.21.0", "https://codeberg.org/superseriousbusiness/gotosocial",
            5000, 25, 6, False, True, 400, 6,
        )
        self.media: dict[str, Attachment] = {}
        self._used: dict[str, tuple[datetime, int]] = {}
        self._account("prof_mastodon")
        self._account("prof_gotosocial")
        where = "(?P<path>(?:/gts)?)"
        self.routes = [
            Route("POST", where + "/api/v1/apps", "auth", self._register),
            Route("GET", where + "/oauth/authorize", "auth", self._authorize),
            Route("POST", where + "/oauth/token", "auth", self._token),
            Route("GET", where + "/api/v1/accounts/verify_credentials", "read", self._me),
            Route("GET", where + "/api/v2/instance", "read", self._about),
            Route("POST", where + "/api/v2/media", "prepare", self._upload),
            Route("GET", where + "/api/v1/media/(?P<medium>[0-9]+)", "prepare", self._medium),
            Route("POST", where + "/api/v1/statuses", "publish", self._create),
            Route("GET", where + "/api/v1/accounts/(?P<account>[0-9]+)/statuses", "read", self._list),
            Route("GET", where + "/api/v1/statuses/(?P<status>[0-9]+)", "read", self._read),
            Route("GET", where + "/api/v1/statuses/(?P<status>[0-9]+)/source", "read", self._source),
            Route("DELETE", where + "/api/v1/statuses/(?P<status>[0-9]+)", "delete", self._delete),
            Route("GET", where + "/api/v1/scheduled_statuses", "read", self._list_scheduled),
            Route("GET", where + "/api/v1/scheduled_statuses/(?P<scheduled>[0-9]+)", "read", self._read_scheduled),
            Route("DELETE", where + "/api/v1/scheduled_statuses/(?P<scheduled>[0-9]+)", "delete", self._unschedule),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with, a new account if it is not known yet (on the GoToSocial if its name says so)."""
        instance, account = self._account(profile_id)
        return {"server": "/mastodon" + instance.path, "accountId": account.id, "credentials": {"accessToken": account.token}}

    def _account(self, profile_id: str) -> tuple[Instance, MastodonAccount]:
        instance = self.gotosocial if "gotosocial" in profile_id else self.mastodon
        account = instance.accounts.get(profile_id)
        if account is None:
            number = len(instance.accounts) + 1
            tokens = {"prof_mastodon": "mastodon-token", "prof_gotosocial": "gotosocial-token"}
            token = tokens.get(profile_id) or f"mastodon-token-{profile_id}"
            account = MastodonAccount(profile_id, str(109_000_000_000_000_000 + number), f"dateline{number}", token)
            instance.accounts[profile_id] = account
        return instance, account

    def _instance(self, path: str) -> Instance:
        return self.gotosocial if path == self.gotosocial.path else self.mastodon

    def _owner(self, request: Request, path: str) -> MastodonAccount | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return next((account for account in self._instance(path).accounts.values() if account.token == token), None)

    def _signed_in(self, request: Request, path: str) -> MastodonAccount:
        account = self._owner(request, path)
        assert account is not None
        return account

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        return None if self._owner(request, groups["path"]) else self.expired()

    def rate_limited(self, retry_after: float) -> Response:
        headers = {
            "X-RateLimit-Limit": str(LIMIT), "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": _iso(self.now() + timedelta(seconds=retry_after)),
        }
        return answer(429, {"error": "Too many requests"}, headers)

    def rejected(self) -> Response:
        return answer(422, {"error": "Validation failed: Text is not allowed on this server"})

    def expired(self) -> Response:
        return answer(401, {"error": "The access token is invalid"})

    def _headers(self, account: MastodonAccount) -> dict[str, str]:
        """Count one call and say what is left of the window. Nothing is enforced: ask for a fault instead."""
        began, used = self._used.get(account.token, (self.now(), 0))
        if self.now() - began >= WINDOW:
            began, used = self.now(), 0
        self._used[account.token] = (began, used + 1)
        return {
            "X-RateLimit-Limit": str(LIMIT), "X-RateLimit-Remaining": str(max(0, LIMIT - used - 1)),
            "X-RateLimit-Reset": _iso(began + WINDOW),
        }

    def _register(self, request: Request, path: str) -> Response:
        body = request.get_json(silent=True) if request.is_json else request.form.to_dict()
        body = body if isinstance(body, dict) else {}
        uris, scopes = body.get("redirect_uris"), str(body.get("scopes") or "read").split()
        uris = uris.split() if isinstance(uris, str) else uris
        if not body.get("client_name") or not isinstance(uris, list) or not all("://" in uri for uri in uris) or not uris:
            return answer(422, {"error": "Validation failed: Redirect URI must be an absolute URI."})
        if set(scopes) - SCOPES:
            return answer(422, {"error": "Validation failed: Scopes doesn't match configured on the server."})
        number = self.next_number()
        client = f"mastodon-app-{number}"
        self._instance(path).apps[client] = App(f"mastodon-app-secret-{number}", uris, scopes)
        return answer(200, {
            "id": str(number), "name": body["client_name"], "website": body.get("website"), "scopes": scopes,
            "redirect_uris": uris, "client_id": client, "client_secret": f"mastodon-app-secret-{number}",
            "client_secret_expires_at": 0,
        })

    def _authorize(self, request: Request, path: str) -> Response:
        """The form of a user who says yes at once (no, with `deny`); `as` names whose account it is, as in `grants.consent`."""
        asked, instance = request.args, self._instance(path)
        app, uri = instance.apps.get(asked.get("client_id", "")), asked.get("redirect_uri", "")
        scopes = asked.get("scope", "read").split()
        if app is None or asked.get("response_type") != "code" or uri not in app.redirect_uris or set(scopes) - set(app.scopes):
            return answer(400, {"error": "invalid_request", "error_description": "The request is malformed."})
        back = {"state": asked["state"]} if asked.get("state") else {}
        if asked.get("deny"):
            back["error"] = "access_denied"
        else:
            server = "gotosocial" if instance is self.gotosocial else "mastodon"
            profile_id = asked.get("as") or f"consent_{server}_{self.next_number()}"
            self.credentials_for(profile_id)
            back["code"] = self.consents.code(profile_id, uri, asked.get("code_challenge"))
        return Response(status=302, headers={"Location": f"{uri}{'&' if '?' in uri else '?'}{urlencode(back)}"})

    def _token(self, request: Request, path: str) -> Response:
        form, instance = request.form, self._instance(path)
        app = instance.apps.get(form.get("client_id", ""))
        if app is None or form.get("client_secret") != app.secret:
            return answer(401, {"error": "invalid_client", "error_description": "Client authentication failed."})
        grant = None
        if form.get("grant_type") == "authorization_code":
            grant = self.consents.redeem(form.get("code"), form.get("redirect_uri"), form.get("code_verifier"))
        if grant is None:
            return answer(400, {"error": "invalid_grant", "error_description": "The provided authorization grant is invalid."})
        account = instance.accounts[grant.profile_id]
        return answer(200, {
            "access_token": account.token, "token_type": "Bearer", "scope": " ".join(app.scopes),
            "created_at": int(self.now().timestamp()),
        })

    def tick(self) -> None:
        """Publish every scheduled status whose time has come, dated with that time."""
        if self.stopped:
            return
        due = [
            (kept.at, kept.id, instance, account)
            for instance in (self.mastodon, self.gotosocial) for account in instance.accounts.values()
            for kept in account.scheduled.values() if kept.at <= self.now()
        ]
        for at, number, instance, account in sorted(due, key=lambda entry: (entry[0], int(entry[1]))):
            kept = account.scheduled.pop(number)
            self._write(instance, account, kept.body, at)

    def _me(self, request: Request, path: str) -> Response:
        account = self._signed_in(request, path)
        shown = {"id": account.id, "username": account.name, "acct": account.name, "display_name": account.name.title()}
        return answer(200, shown, self._headers(account))

    def _about(self, request: Request, path: str) -> Response:
        instance = self._instance(path)
        configuration = {
            "statuses": {
                "max_characters": instance.max_characters, "max_media_attachments": instance.max_media,
                "characters_reserved_per_url": instance.url_length,
            },
            "media_attachments": {
                "supported_mime_types": [*MAGIC.values(), "audio/mpeg"], "image_size_limit": IMAGE_BYTES,
                "image_matrix_limit": 33_177_600, "video_size_limit": VIDEO_BYTES, "video_matrix_limit": 8_294_400,
                "video_frame_rate_limit": 120, "description_limit": 1500,
            },
            "polls": {
                "max_options": instance.poll_options, "max_characters_per_option": 50, "min_expiration": 300,
                "max_expiration": 2_629_746,
            },
        }
        return answer(200, {
            "domain": instance.domain, "title": instance.domain, "version": instance.version, "source_url": instance.source_url,
            "configuration": configuration,
        })

    def _upload(self, request: Request, path: str) -> Response:
        account = self._signed_in(request, path)
        file = request.files.get("file")
        content = file.read() if file else b""
        kind = next((mime for magic, mime in MAGIC.items() if content.startswith(magic) or content[4:].startswith(magic)), None)
        if kind is None or len(content) > (VIDEO_BYTES if kind == "video/mp4" else IMAGE_BYTES):
            return answer(422, {"error": "Validation failed: File content type is invalid"})
        description = request.form.get("description")
        if description is not None and len(description) > 1500:
            return answer(422, {"error": "Validation failed: Description is too long (maximum is 1500 characters)"})
        number = str(110_000_000_000_000_000 + self.next_number())
        medium = Attachment(number, account.id, kind, description, self.slow_media_polls)
        if kind in ("image/gif", "video/mp4"):
            medium.ready_at, medium.refused = self.now() + timedelta(seconds=self.processing_seconds), self.refuse_media
        self.media[number] = medium
        return answer(200 if self._is_ready(medium) else 202, self._shown_medium(medium), self._headers(account))

    def _is_ready(self, medium: Attachment) -> bool:
        return not medium.polls_left and (medium.ready_at is None or medium.ready_at <= self.now())

    def _shown_medium(self, medium: Attachment) -> dict[str, Any]:
        return _shown_medium(medium, self._is_ready(medium))

    def _medium(self, request: Request, path: str, medium: str) -> Response:
        account = self._signed_in(request, path)
        known = self.media.get(medium)
        if known is None or known.account != account.id:
            return answer(404, {"error": "Record not found"})
        if known.polls_left > 0:
            known.polls_left -= 1
        if not self._is_ready(known):
            return answer(206, self._shown_medium(known), self._headers(account))
        if known.refused:
            return answer(422, {"error": f"Validation failed: {known.refused}"})
        return answer(200, self._shown_medium(known), self._headers(account))

    def _create(self, request: Request, path: str) -> Response:
        instance, account = self._instance(path), self._signed_in(request, path)
        key = request.headers.get("Idempotency-Key")
        known = account.keys.get(key) if key and instance.honours_idempotency else None
        # The key is looked up when the request comes and stored when the status stands: a slow call does not see a later one's.
        arrived = request.environ.get("stand_in.arrived", self.now())
        if known is not None and known[0] <= arrived < known[0] + KEY_LIFE:
            return self._known(account, known[1])
        body = request.get_json(silent=True)
        body = body if isinstance(body, dict) else request.form.to_dict()
        refused = self._wrong(instance, account, body)
        if refused is not None:
            return refused
        if body.get("scheduled_at") and instance.keeps:
            kept = self._schedule(account, body)
            if isinstance(kept, Response):
                return kept
            if kept is not None:
                if key:
                    account.keys[key] = (self.now(), kept)
                return answer(200, self._shown_scheduled(kept), self._headers(account))
        status = self._write(instance, account, body, self.now())
        if key:
            account.keys[key] = (self.now(), status)
        return answer(200, status.shown, self._headers(account))

    def _known(self, account: MastodonAccount, known: Status | Scheduled) -> Response:
        """What a repeated Idempotency-Key is answered with: what came of it, 404 when that is gone."""
        if isinstance(known, Scheduled):
            if known.id not in account.scheduled:
                return answer(404, {"error": "Record not found"})
            return answer(200, self._shown_scheduled(known), self._headers(account))
        if known.entry.gone:
            return answer(404, {"error": "Record not found"})
        return answer(200, known.shown, self._headers(account))

    def _schedule(self, account: MastodonAccount, body: dict[str, Any]) -> Scheduled | Response | None:
        """A status to be kept, or why not; None for a time that has passed, which Mastodon takes as now."""
        try:
            at = datetime.fromisoformat(str(body["scheduled_at"]))
        except ValueError:
            return answer(422, {"error": "Validation failed: Scheduled at is not a valid datetime"})
        if at <= self.now():
            return None
        if at <= self.now() + SOONEST:
            return answer(422, {"error": "Validation failed: Scheduled at The scheduled date must be in the future"})
        same_day = [kept for kept in account.scheduled.values() if kept.at.date() == at.date()]
        for count, most, what in (
            (len(account.scheduled), MOST_SCHEDULED, ""), (len(same_day), MOST_SCHEDULED_A_DAY, " for today"),
        ):
            if count >= most:
                return answer(422, {"error": f"Validation failed: You have exceeded the limit of {most} scheduled posts{what}"})
        kept = Scheduled(str(self.next_number()), at, {name: value for name, value in body.items() if name != "scheduled_at"})
        account.scheduled[kept.id] = kept
        for number in body.get("media_ids") or []:
            self.media[str(number)].status = f"scheduled {kept.id}"
        return kept

    def _shown_scheduled(self, kept: Scheduled) -> dict[str, Any]:
        body = kept.body
        params = {
            "text": body.get("status") or "", "scheduled_at": None, "idempotency": None, "application_id": 1,
            **{name: body.get(name) for name in (
                "poll", "media_ids", "sensitive", "visibility", "spoiler_text", "language", "in_reply_to_id", "quoted_status_id",
            )},
        }
        media = [self._shown_medium(self.media[str(number)]) for number in body.get("media_ids") or []]
        return {"id": kept.id, "scheduled_at": _iso(kept.at), "params": params, "media_attachments": media}

    def _list_scheduled(self, request: Request, path: str) -> Response:
        account = self._signed_in(request, path)
        limit = request.args.get("limit", "20")
        most = min(int(limit) if limit.isdigit() else 20, 40)
        before = request.args.get("max_id")
        kept = sorted(account.scheduled.values(), key=lambda entry: int(entry.id), reverse=True)
        page = [entry for entry in kept if before is None or int(entry.id) < int(before)][:most]
        return answer(200, [self._shown_scheduled(entry) for entry in page], self._headers(account))

    def _read_scheduled(self, request: Request, path: str, scheduled: str) -> Response:
        kept = self._signed_in(request, path).scheduled.get(scheduled)
        return answer(200, self._shown_scheduled(kept)) if kept else answer(404, {"error": "Record not found"})

    def _unschedule(self, request: Request, path: str, scheduled: str) -> Response:
        account = self._signed_in(request, path)
        kept = account.scheduled.pop(scheduled, None)
        if kept is None:
            return answer(404, {"error": "Record not found"})
        for number in kept.body.get("media_ids") or []:
            self.media[str(number)].status = None
        return answer(200, {}, self._headers(account))

    def _wrong(self, instance: Instance, account: MastodonAccount, body: Mapping[str, Any]) -> Response | None:
        """The server's refusal of a status, None when it takes it."""
        def refuse(reason: str) -> Response:
            words = f"Bad Request: {reason}" if instance.refusal_status == 400 else f"Validation failed: {reason}"
            return answer(instance.refusal_status, {"error": words})

        text, warning, ids = body.get("status") or "", body.get("spoiler_text") or "", body.get("media_ids") or []
        if not isinstance(text, str) or not isinstance(warning, str) or not isinstance(ids, list):
            return refuse("Parameters are of the wrong type")
        if not text.strip() and not ids:
            return refuse("Text can't be blank")
        if measure(text, warning, instance) > instance.max_characters:
            return refuse(f"Text character limit of {instance.max_characters} exceeded")
        if body.get("visibility") is not None and body["visibility"] not in VISIBILITIES:
            return refuse("Visibility is not included in the list")
        policy, poll = body.get("quote_approval_policy"), body.get("poll")
        if policy is not None and policy not in ("public", "followers", "nobody"):
            return refuse("Quote approval policy is not included in the list")
        if poll is not None and (ids or _wrong_poll(poll, instance)):
            return refuse("Poll is invalid")
        if len(ids) > instance.max_media:
            return answer(instance.refusal_status, {"error": f"Cannot attach more than {instance.max_media} files"})
        media = [self.media.get(str(number)) for number in ids]
        if any(medium is None or medium.account != account.id or medium.status for medium in media):
            return answer(422, {"error": "Validation failed: Media not found or already attached to another post"})
        if len(media) > 1 and any(medium and medium.kind == "video/mp4" for medium in media):
            return answer(422, {"error": "Cannot attach a video to a post that already contains images"})
        if any(medium and not self._is_ready(medium) for medium in media):
            return answer(422, {"error": "Cannot attach files that have not finished processing. Try again in a moment!"})
        quoted = body.get("quoted_status_id")
        if quoted is not None and self._find(instance, str(quoted)) is None:
            return answer(404, {"error": "The post you are trying to quote does not appear to exist."})
        parent = body.get("in_reply_to_id")
        if parent is not None and self._find(instance, str(parent)) is None:
            return answer(404, {"error": "The post you are trying to reply to does not appear to exist."})
        return None

    def _write(self, instance: Instance, account: MastodonAccount, body: Mapping[str, Any], at: datetime) -> Status:
        number = str((int(at.timestamp() * 1000) << 16) + self.next_number())
        text, parent = body.get("status") or "", body.get("in_reply_to_id")
        media = [self.media[str(medium)] for medium in body.get("media_ids") or []]
        for medium in media:
            medium.status = number
        quoted = self._find(instance, str(body.get("quoted_status_id")))
        quote = f'<p class="quote-inline">RE: {_link(quoted[1].shown["url"])}</p>' if quoted else ""
        shown = {
            "id": number, "created_at": _iso(at), "in_reply_to_id": parent, "content": quote + show(text, instance.domain),
            "visibility": body.get("visibility") or "public", "sensitive": bool(body.get("sensitive")),
            "spoiler_text": body.get("spoiler_text") or "", "language": body.get("language") or "en",
            "uri": f"https://{instance.domain}/users/{account.name}/statuses/{number}",
            "url": f"https://{instance.domain}/@{account.name}/{number}", "reblog": None,
            "account": {"id": account.id, "username": account.name, "acct": account.name},
            "media_attachments": [self._shown_medium(medium) for medium in media],
        }
        options = {name: shown[name] for name in ("visibility", "sensitive", "spoiler_text", "language")}
        options |= {name: body[name] for name in ("poll", "quote_approval_policy", "quoted_status_id") if name in body}
        described = {medium.id: medium.description for medium in media if medium.description}
        entry = self.visible(
            account.profile_id, number, text, [medium.id for medium in media], parent, altTexts=described, options=options,
            kinds=[medium.kind for medium in media],
        )
        entry.at = at
        status = Status(number, text, at, shown, entry)
        account.statuses.append(status)
        return status

    def _find(self, instance: Instance, number: str) -> tuple[MastodonAccount, Status] | None:
        return next(
            ((a, s) for a in instance.accounts.values() for s in a.statuses if s.id == number and not s.entry.gone), None
        )

    def _list(self, request: Request, path: str, account: str) -> Response:
        whose = next((a for a in self._instance(path).accounts.values() if a.id == account), None)
        if whose is None:
            return answer(404, {"error": "Record not found"})
        limit = request.args.get("limit", "20")
        most = min(int(limit) if limit.isdigit() else 20, self.page_size)
        before = request.args.get("max_id")
        kept = [s for s in whose.statuses if not s.entry.gone and (before is None or int(s.id) < int(before))]
        statuses = sorted(kept, key=lambda s: int(s.id), reverse=True)
        return answer(200, [status.shown for status in statuses[:most]], self._headers(self._signed_in(request, path)))

    def _read(self, request: Request, path: str, status: str) -> Response:
        found = self._find(self._instance(path), status)
        return answer(200, found[1].shown) if found else answer(404, {"error": "Record not found"})

    def _source(self, request: Request, path: str, status: str) -> Response:
        found = self._find(self._instance(path), status)
        if found is None or found[0] is not self._signed_in(request, path):
            return answer(404, {"error": "Record not found"})
        return answer(200, {"id": status, "text": found[1].text, "spoiler_text": found[1].shown["spoiler_text"]})

    def _delete(self, request: Request, path: str, status: str) -> Response:
        found = self._find(self._instance(path), status)
        account = self._signed_in(request, path)
        if found is None or found[0] is not account:
            return answer(404, {"error": "Record not found"})
        found[1].entry.gone = True
        return answer(200, {**found[1].shown, "text": found[1].text}, self._headers(account))


def _wrong_poll(poll: Any, instance: Instance) -> bool:
    """Whether the server would not take a poll: by its form, or by its own limits."""
    if not isinstance(poll, dict) or set(poll) - {"options", "expires_in", "multiple", "hide_totals"}:
        return True
    choices, lasts = poll.get("options"), poll.get("expires_in")
    if not isinstance(choices, list) or not 2 <= len(choices) <= instance.poll_options or len(set(choices)) < len(choices):
        return True
    return any(not 1 <= len(choice) <= 50 for choice in choices) or not isinstance(lasts, int) or not 300 <= lasts <= 2_629_746


def measure(text: str, warning: str, instance: Instance) -> int:
    """The length of a status as the instance counts it, content warning included."""
    if instance.counts_code_points:
        return len(text) + len(warning)
    text = _URL.sub("x" * instance.url_length, text)
    return len(regex.findall(r"\X", warning)) + len(regex.findall(r"\X", _MENTION.sub(r"@\1", text)))


def show(text: str, domain: str) -> str:
    """A status as HTML: paragraphs, breaks, links cut for the eye, mentions without their server, tags."""
    paragraphs = re.split(r"\n{2,}", text.replace("\r\n", "\n").strip())
    return "".join(f"<p>{_linked(paragraph, domain)}</p>" for paragraph in paragraphs if paragraph)


def _linked(text: str, domain: str) -> str:
    pieces, position = [], 0
    for match in _URL.finditer(text):
        pieces += [_decorated(text[position:match.start()], domain), _link(match.group())]
        position = match.end()
    return "".join([*pieces, _decorated(text[position:], domain)]).replace("\n", "<br />")


def _link(url: str) -> str:
    scheme, rest = url[:url.index("//") + 2], url[url.index("//") + 2:]
    kind = ' class="ellipsis"' if len(rest) > 30 else ""
    return (
        f'<a href="{escape(url)}" target="_blank" rel="nofollow noopener" translate="no"><span class="invisible">{scheme}</span>'
        f'<span{kind}>{escape(rest[:30])}</span><span class="invisible">{escape(rest[30:])}</span></a>'
    )


def _decorated(text: str, domain: str) -> str:
    text = escape(text)
    text = _TAG.sub(rf'<a href="https://{domain}/tags/\1" class="mention hashtag" rel="tag">#<span>\1</span></a>', text)

    def mention(match: re.Match[str]) -> str:
        home = match.group(2) or domain
        link = f'<a href="https://{home}/@{match.group(1)}" class="u-url mention">@<span>{match.group(1)}</span></a>'
        return f'<span class="h-card" translate="no">{link}</span>'

    return _MENTION.sub(mention, text)


def _shown_medium(medium: Attachment, ready: bool) -> dict[str, Any]:
    url = f"https://files.mastodon.example/{medium.id}" if ready else None
    kind = {"image/gif": "gifv", "video/mp4": "video"}.get(medium.kind, "image")
    return {"id": medium.id, "type": kind, "url": url, "preview_url": url, "description": medium.description}


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
