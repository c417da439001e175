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

import regex
from werkzeug.wrappers import Request, Response

from .base import Entry, Network, Route, World, answer

KEY_LIFE = timedelta(hours=1)
WINDOW = timedelta(minutes=5)
LIMIT = 300
"""Requests per account and five minutes, for the headers."""
IMAGE_BYTES = 16 * 1024 * 1024
MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"GIF8": "image/gif"}
VISIBILITIES = ("public", "unlisted", "private", "direct")

_URL = re.compile(r"https?://[^\s<>\"'，。]*[^\s<>\"'，。.,;:!?)]", re.I)
_MENTION = re.compile(r"(?<![=/\w])@(\w+)(?:@([\w.-]*\w))?")
_TAG = re.compile(r"(?<![\w/&])#(\w+)")


@dataclass
class Attachment:
    """An uploaded medium. It answers "still processing" as often as `polls_left` says, and belongs to one status only."""

    id: str
    account: str
    kind: str
    description: str | None
    polls_left: int
    status: str | None = None


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
    keys: dict[str, tuple[datetime, Status]] = field(default_factory=dict)


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


class MastodonNetwork(Network):
    """Both servers. `slow_media_polls` is how often a new medium answers 206 before it is ready (0: ready at once)."""

    platform: ClassVar[str] = "mastodon"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.slow_media_polls = 0
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
            Route("GET", where + "/api/v1/accounts/verify_credentials", "read", self._me),
            Route("GET", where + "/api/v2/instance", "read", self._about),
            Route("POST", where + "/api/v2/media", "prepare", self._upload),
            Route("GET", where + "/api/v1/media/(?P<medium>[0-9]+)", "prepare", self._medium),
            Route("POST", where + "/api/v1/statuses", "publish", self._create),
            Route("GET", where + "/api/v1/accounts/(?P<account>[0-9]+)/statuses", "read", self._list),
            Route("GET", where + "/api/v1/statuses/(?P<status>[0-9]+)", "read", self._read),
            Route("GET", where + "/api/v1/statuses/(?P<status>[0-9]+)/source", "read", self._source),
            Route("DELETE", where + "/api/v1/statuses/(?P<status>[0-9]+)", "delete", self._delete),
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
            "media_attachments": {"supported_mime_types": list(MAGIC.values()), "image_size_limit": IMAGE_BYTES},
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
        kind = next((mime for magic, mime in MAGIC.items() if content.startswith(magic)), None)
        if kind is None or len(content) > IMAGE_BYTES:
            return answer(422, {"error": "Validation failed: File content type is invalid"})
        description = request.form.get("description")
        if description is not None and len(description) > 1500:
            return answer(422, {"error": "Validation failed: Description is too long (maximum is 1500 characters)"})
        number = str(110_000_000_000_000_000 + self.next_number())
        medium = Attachment(number, account.id, kind, description, self.slow_media_polls)
        self.media[number] = medium
        return answer(202 if medium.polls_left else 200, _shown_medium(medium), self._headers(account))

    def _medium(self, request: Request, path: str, medium: str) -> Response:
        account = self._signed_in(request, path)
        known = self.media.get(medium)
        if known is None or known.account != account.id:
            return answer(404, {"error": "Record not found"})
        if known.polls_left > 0:
            known.polls_left -= 1
        return answer(206 if known.polls_left else 200, _shown_medium(known), self._headers(account))

    def _create(self, request: Request, path: str) -> Response:
        instance, account = self._instance(path), self._signed_in(request, path)
        key = request.headers.get("Idempotency-Key")
        known = account.keys.get(key) if key and instance.honours_idempotency else None
        # The key is looked up when the request comes and stored when the status stands: a slow call does not see a later one's.
        arrived = request.environ.get("stand_in.arrived", self.now())
        if known is not None and known[0] <= arrived < known[0] + KEY_LIFE:
            if known[1].entry.gone:
                return answer(404, {"error": "Record not found"})
            return answer(200, known[1].shown, self._headers(account))
        body = request.get_json(silent=True)
        body = body if isinstance(body, dict) else request.form.to_dict()
        refused = self._wrong(instance, account, body)
        if refused is not None:
            return refused
        status = self._write(instance, account, body)
        if key:
            account.keys[key] = (self.now(), status)
        return answer(200, status.shown, self._headers(account))

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
        if any(medium and medium.polls_left for medium in media):
            return answer(422, {"error": "Cannot attach files that have not finished processing. Try again in a moment!"})
        parent = body.get("in_reply_to_id")
        if parent is not None and self._find(instance, str(parent)) is None:
            return answer(404, {"error": "The post you are trying to reply to does not appear to exist."})
        return None

    def _write(self, instance: Instance, account: MastodonAccount, body: Mapping[str, Any]) -> Status:
        number = str((int(self.now().timestamp() * 1000) << 16) + self.next_number())
        text, parent = body.get("status") or "", body.get("in_reply_to_id")
        media = [self.media[str(medium)] for medium in body.get("media_ids") or []]
        for medium in media:
            medium.status = number
        shown = {
            "id": number, "created_at": _iso(self.now()), "in_reply_to_id": parent, "content": show(text, instance.domain),
            "visibility": body.get("visibility") or "public", "sensitive": bool(body.get("sensitive")),
            "spoiler_text": body.get("spoiler_text") or "", "language": body.get("language") or "en",
            "uri": f"https://{instance.domain}/users/{account.name}/statuses/{number}",
            "url": f"https://{instance.domain}/@{account.name}/{number}", "reblog": None,
            "account": {"id": account.id, "username": account.name, "acct": account.name},
            "media_attachments": [_shown_medium(medium) for medium in media],
        }
        options = {name: shown[name] for name in ("visibility", "sensitive", "spoiler_text", "language")}
        options |= {name: body[name] for name in ("poll", "quote_approval_policy") if name in body}
        described = {medium.id: medium.description for medium in media if medium.description}
        entry = self.visible(
            account.profile_id, number, text, [medium.id for medium in media], parent, altTexts=described, options=options
        )
        status = Status(number, text, self.now(), shown, entry)
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


def _shown_medium(medium: Attachment) -> dict[str, Any]:
    ready = medium.polls_left == 0
    url = f"https://files.mastodon.example/{medium.id}" if ready else None
    return {"id": medium.id, "type": "image", "url": url, "preview_url": url, "description": medium.description}


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
