"""A stand-in for X: posts, media, consent and rotating tokens, the duplicate rule, t.co links, and X's own error shapes.

It judges requests by the published shape (openapi.json 2.167 of xdevplatform/docs, 2026-08-22; `additionalProperties: false`
means what it says), so that what passes here works there. It counts text with code of its own, so that two countings meet.
"""

from __future__ import annotations

import base64
import itertools
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import Any, ClassVar

import regex
from werkzeug.wrappers import Request, Response

from .base import Entry, Network, Route, World, answer
from .grants import Grants, consent

CLIENT_ID, CLIENT_SECRET = "x-client", "x-client-secret"
TOKEN_LIFE = timedelta(hours=2)
MEDIA_LIFE = timedelta(hours=24)
WINDOW = timedelta(minutes=15)
DUPLICATE_WINDOW = timedelta(hours=24)
LIMITS = {"posts": 100, "deletes": 50, "reads": 900, "uploads": 500}
"""Calls per user and 15 minutes, for the x-rate-limit headers."""
CODE_LIFE = timedelta(seconds=30)
IMAGE_BYTES = 5 * 1024 * 1024
PIECE_BYTES = 5 * 1024 * 1024
MOST_BYTES = {"tweet_image": IMAGE_BYTES, "tweet_gif": 15 * 1024 * 1024, "tweet_video": 512 * 1024 * 1024}
KEYS = {"tweet_image": "3", "tweet_gif": "16", "tweet_video": "7"}
"""How the media key of each category begins."""
MEDIA_TYPES = ("video/mp4", "video/quicktime", "image/gif", "image/png", "image/jpeg")
INITIALIZE_MEMBERS = ("additional_owners", "media_category", "media_type", "shared", "total_bytes")
TYPES = {"tweet_gif": (b"GIF8", 0), "tweet_video": (b"ftyp", 4), "tweet_image": (b"", 0)}
SCOPES = ("tweet.read", "tweet.write", "users.read", "media.write", "offline.access")
MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"GIF8": "image/gif"}

POST_MEMBERS: Mapping[str, type] = {
    "card_uri": str, "community_id": str, "direct_message_deep_link": str, "edit_options": dict, "for_super_followers_only": bool,
    "geo": dict, "made_with_ai": bool, "media": dict, "nullcast": bool, "paid_partnership": bool, "poll": dict,
    "quote_tweet_id": str, "reply": dict, "reply_settings": str, "share_with_followers": bool, "text": str,
}
MEDIA_MEMBERS = ("media_ids", "tagged_user_ids", "call_to_actions", "description", "embeddable", "preview_media_id", "title")
REPLY_MEMBERS = ("in_reply_to_tweet_id", "exclude_reply_user_ids", "auto_populate_reply_metadata")
REPLY_SETTINGS = ("following", "mentionedUsers", "subscribers", "verified")
LIST_PARAMETERS = (
    "max_results", "pagination_token", "start_time", "end_time", "since_id", "until_id", "exclude", "tweet.fields", "post.fields",
    "expansions", "user.fields", "media.fields", "poll.fields", "place.fields",
)
FIELDS = ("attachments", "author_id", "conversation_id", "created_at", "entities", "id", "note_tweet", "note_post",
          "referenced_tweets", "text")

_URL = re.compile(
    r"https?://[^\s<>\"'，。]*[^\s<>\"'，。.,;:!?)]"
    r"|(?<![\w@#$./-])(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|app|co|de|fr|uk|eu|me|info)(?![\w@-])(?:/[^\s]*[^\s.,;:!?)])?",
    re.I,
)


@dataclass
class Medium:
    """An uploaded medium. `alt_text` comes with a second call. One in pieces is `done` once it was finalized, and good to post
    at `ready`; `refused` says why it never will be."""

    id: str
    account: str
    expires: datetime
    alt_text: str = ""
    category: str = "tweet_image"
    total: int = 0
    pieces: dict[int, bytes] = field(default_factory=dict)
    done: bool = True
    ready: datetime | None = None
    refused: str = ""

    @property
    def key(self) -> str:
        """How a post names it."""
        return f"{KEYS[self.category]}_{self.id}"


@dataclass
class Post:
    """One post as X keeps it: `words` as they were sent, `text` as X shows them."""

    id: str
    words: str
    text: str
    urls: list[dict[str, Any]]
    at: datetime
    parent: str | None
    quoted: str | None
    media: list[Medium]
    entry: Entry


@dataclass
class XAccount:
    """One user. `access` holds every live access token with its end; there is one refresh token at a time."""

    profile_id: str
    id: str
    name: str
    refresh: str
    longest: int = 280
    access: dict[str, datetime] = field(default_factory=dict)
    posts: list[Post] = field(default_factory=list)


class XNetwork(Network):
    """X on the world's clock. `parent_visible_after` seconds must pass before a post can be replied to; a GIF or a video is
    processed for `processing_seconds`, and refused in the end with the words of `refuse_media`."""

    platform: ClassVar[str] = "x"
    client: ClassVar[tuple[str, str]] = (CLIENT_ID, CLIENT_SECRET)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.parent_visible_after = 0.0
        self.processing_seconds = 5.0
        self.refuse_media = ""
        self.consents = Grants(self, TOKEN_LIFE)
        self.page_size = 100
        self.accounts: dict[str, XAccount] = {}
        self.media: dict[str, Medium] = {}
        self._tokens = itertools.count(1)
        self._used: dict[tuple[str, str], tuple[datetime, int]] = {}
        self._account("prof_x")
        self.routes = [
            Route("GET", "/x\\.com/i/oauth2/authorize", "auth", self._authorize),
            Route("POST", "(?:/api\\.x\\.com)?/2/oauth2/token", "auth", self._token),
            Route("GET", "/2/users/me", "read", self._me),
            Route("GET", "/2/users/(?P<user>[0-9]+)/tweets", "read", self._list),
            Route("POST", "/2/media/upload", "prepare", self._upload),
            Route("POST", "/2/media/upload/initialize", "prepare", self._initialize),
            Route("POST", "/2/media/upload/(?P<medium>[0-9]+)/append", "prepare", self._append),
            Route("POST", "/2/media/upload/(?P<medium>[0-9]+)/finalize", "prepare", self._finalize),
            Route("GET", "/2/media/upload", "prepare", self._state),
            Route("POST", "/2/media/metadata", "prepare", self._describe),
            Route("POST", "/2/tweets", "publish", self._create),
            Route("DELETE", "/2/tweets/(?P<post>[0-9]+)", "delete", self._delete),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with, a new user if it is not known yet. `server` is a path below the stand-ins' host."""
        account = self._account(profile_id)
        return {
            "server": "/x", "accountId": account.id, "expiresIn": int(TOKEN_LIFE.total_seconds()),
            "credentials": {
                "accessToken": list(account.access)[-1] if account.access else self._new_access(account),
                "refreshToken": account.refresh, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET,
            },
        }

    def _account(self, profile_id: str) -> XAccount:
        account = self.accounts.get(profile_id)
        if account is None:
            number = len(self.accounts) + 1
            account = XAccount(profile_id, str(1_700_000_000_000_000_000 + number), f"dateline_{number}", "")
            self.accounts[profile_id] = account
            self._new_access(account)
        return account

    def _new_access(self, account: XAccount) -> str:
        number = next(self._tokens)
        account.refresh = f"x-refresh-{number}"
        account.access[f"x-access-{number}"] = self.now() + TOKEN_LIFE
        return f"x-access-{number}"

    def _user(self, request: Request) -> XAccount | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return next((a for a in self.accounts.values() if a.access.get(token, self.now()) > self.now()), None)

    def authenticate(self, request: Request, groups: Mapping[str, str]) -> Response | None:
        return None if self._user(request) else self.expired()

    def rate_limited(self, retry_after: float) -> Response:
        reset = math.ceil(self.now().timestamp() + retry_after)
        headers = {"x-rate-limit-limit": "100", "x-rate-limit-remaining": "0", "x-rate-limit-reset": str(reset)}
        return _problem(429, "Too Many Requests", "Too Many Requests", headers)

    def server_error(self) -> Response:
        return _problem(500, "Internal Server Error", "Something is broken. Please let us know.")

    def rejected(self) -> Response:
        return _forbidden("You are not permitted to perform this action.")

    def expired(self) -> Response:
        return _problem(401, "Unauthorized", "Unauthorized")

    def expire_tokens(self) -> bool:
        for account in self.accounts.values():
            account.access.clear()
        return True

    def _headers(self, account: XAccount, kind: str) -> dict[str, str]:
        """Count one call of `kind` and say what is left of the window. Nothing is enforced: ask for a fault instead."""
        began, used = self._used.get((account.id, kind), (self.now(), 0))
        if self.now() - began >= WINDOW:
            began, used = self.now(), 0
        self._used[account.id, kind] = (began, used + 1)
        return {
            "x-rate-limit-limit": str(LIMITS[kind]), "x-rate-limit-remaining": str(max(0, LIMITS[kind] - used - 1)),
            "x-rate-limit-reset": str(math.ceil((began + WINDOW).timestamp())),
        }

    def _authorize(self, request: Request) -> Response:
        asked = request.args
        scopes = asked.get("scope", "").split()
        if asked.get("client_id") != CLIENT_ID or not scopes or set(scopes) - set(SCOPES):
            return answer(400, {"error": "invalid_request", "error_description": "The client_id or the scope is wrong."})
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return answer(400, {"error": "invalid_request", "error_description": "PKCE is required."})
        back = consent(self.consents, request)
        for code in self.consents.codes.values():
            code.until = min(code.until, self.now() + CODE_LIFE)
        return back

    def _token(self, request: Request) -> Response:
        form = request.form
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {pair}" and form.get("client_id") != CLIENT_ID:
            return answer(401, {"error": "unauthorized_client", "error_description": "Missing valid authorization header"})
        account = None
        if form.get("grant_type") == "authorization_code":
            grant = self.consents.redeem(form.get("code"), form.get("redirect_uri"), form.get("code_verifier"))
            account = self.accounts.get(grant.profile_id) if grant else None
        elif form.get("grant_type") == "refresh_token":
            account = next((a for a in self.accounts.values() if a.refresh == form.get("refresh_token")), None)
        else:
            return answer(400, {"error": "unsupported_grant_type", "error_description": "This grant type is not supported here."})
        if account is None:
            return answer(400, {"error": "invalid_request", "error_description": "Value passed for the token was invalid."})
        access = self._new_access(account)
        return answer(200, {
            "token_type": "bearer", "expires_in": int(TOKEN_LIFE.total_seconds()), "access_token": access,
            "refresh_token": account.refresh, "scope": "tweet.read tweet.write users.read media.write offline.access",
        })

    def _me(self, request: Request) -> Response:
        account = self._signed_in(request)
        data = {"id": account.id, "name": account.name.title(), "username": account.name}
        return answer(200, {"data": data}, self._headers(account, "reads"))

    def _signed_in(self, request: Request) -> XAccount:
        account = self._user(request)
        assert account is not None
        return account

    def _upload(self, request: Request) -> Response:
        account = self._signed_in(request)
        file = request.files.get("media")
        unknown = set(request.form) - {"media_category", "additional_owners"} | (set(request.files) - {"media"})
        if unknown:
            return _invalid(sorted(unknown)[0], "is not a member of this request")
        if file is None or request.form.get("media_category") != "tweet_image":
            return _invalid("media", "a multipart `media` and the media_category tweet_image are needed")
        content = file.read()
        kind = next((mime for magic, mime in MAGIC.items() if content.startswith(magic)), None)
        if kind is None or len(content) > IMAGE_BYTES:
            return _invalid("media", "media type unrecognized." if kind is None else "File size exceeds 5242880 bytes.")
        medium = Medium(self._snowflake(), account.id, self.now() + MEDIA_LIFE)
        self.media[medium.id] = medium
        data = {
            "id": medium.id, "media_key": medium.key, "size": len(content), "image": {"image_type": kind, "w": 1, "h": 1},
            "expires_after_secs": int(MEDIA_LIFE.total_seconds()),
        }
        return answer(200, {"data": data}, self._headers(account, "uploads"))

    def _initialize(self, request: Request) -> Response:
        account = self._signed_in(request)
        body = request.get_json(silent=True)
        body = body if isinstance(body, dict) else {}
        unknown = sorted(set(body) - set(INITIALIZE_MEMBERS))
        if unknown:
            return _invalid(unknown[0], "the schema does not allow additional properties")
        category, total = body.get("media_category"), body.get("total_bytes")
        if category not in KEYS or body.get("media_type") not in MEDIA_TYPES:
            return _invalid("media_category", "is not one of the enumeration")
        if not isinstance(total, int) or not 0 < total <= MOST_BYTES[category]:
            return _invalid("total_bytes", f"File size exceeds {MOST_BYTES[category]} bytes.")
        medium = Medium(
            self._snowflake(), account.id, self.now() + timedelta(days=15), category=category, total=total, done=False
        )
        self.media[medium.id] = medium
        data = {"id": medium.id, "media_key": medium.key, "expires_after_secs": 1_295_999}
        return answer(200, {"data": data}, self._headers(account, "uploads"))

    def _open_upload(self, request: Request, medium: str) -> Medium | None:
        known = self.media.get(medium)
        return known if known is not None and known.account == self._signed_in(request).id and not known.done else None

    def _append(self, request: Request, medium: str) -> Response:
        known, file, place = self._open_upload(request, medium), request.files.get("media"), request.form.get("segment_index", "")
        unknown = set(request.form) - {"segment_index"} | (set(request.files) - {"media"})
        if known is None or file is None or unknown or not place.isdigit() or int(place) > 999:
            return _invalid("media", "an open upload, the media and a segment_index of 0 to 999 are needed")
        piece = file.read()
        if not 0 < len(piece) <= PIECE_BYTES:
            return _invalid("media", "The piece is empty or too large.")
        known.pieces[int(place)] = piece
        return answer(200, {"data": {"expires_at": int(known.expires.timestamp())}})

    def _finalize(self, request: Request, medium: str) -> Response:
        known = self._open_upload(request, medium)
        if known is None:
            return _invalid("id", "no such upload")
        content = b"".join(known.pieces[place] for place in sorted(known.pieces))
        magic, start = TYPES[known.category]
        whole = sorted(known.pieces) == list(range(len(known.pieces))) and len(content) == known.total
        if not whole or not content[start:].startswith(magic):
            reason = "media type unrecognized." if whole else "Segments do not add up to provided total file size."
            return _invalid("media", reason)
        known.done, known.pieces, known.expires = True, {}, self.now() + MEDIA_LIFE
        known.ready, known.refused = self.now() + timedelta(seconds=self.processing_seconds), self.refuse_media
        return answer(200, {"data": {**self._shown_medium(known, True), "size": known.total}})

    def _state(self, request: Request) -> Response:
        known = self.media.get(request.args.get("media_id", ""))
        if request.args.get("command", "STATUS") != "STATUS" or set(request.args) - {"command", "media_id"}:
            return _invalid("command", "is not one of [STATUS]")
        if known is None or known.account != self._signed_in(request).id or not known.done:
            return _invalid("media_id", "no such media")
        return answer(200, {"data": self._shown_medium(known, False)})

    def _shown_medium(self, medium: Medium, first: bool) -> dict[str, Any]:
        left = ((medium.ready or self.now()) - self.now()).total_seconds()
        shown = {
            "id": medium.id, "media_key": medium.key, "expires_after_secs": int((medium.expires - self.now()).total_seconds()),
        }
        if left > 0:
            state = "pending" if first else "in_progress"
            return {**shown, "processing_info": {"state": state, "check_after_secs": max(1, math.ceil(left / 2))}}
        if medium.refused:
            error = {"code": 1, "name": "InvalidMedia", "message": medium.refused}
            return {**shown, "processing_info": {"state": "failed", "progress_percent": 0, "error": error}}
        return {**shown, **({} if first else {"processing_info": {"state": "succeeded", "progress_percent": 100}})}

    def _describe(self, request: Request) -> Response:
        account = self._signed_in(request)
        body = request.get_json(silent=True)
        body = body if isinstance(body, dict) else {}
        medium = self.media.get(str(body.get("id")))
        text = ((body.get("metadata") or {}).get("alt_text") or {}).get("text")
        if medium is None or medium.account != account.id:
            return _invalid("id", "no such media")
        if medium.category == "tweet_video":
            return _invalid("id", "alt text is for images and GIFs")
        if not isinstance(text, str) or len(text) > 1000:
            return _invalid("metadata", "alt_text.text is a string of at most 1000 characters")
        medium.alt_text = text
        data = {"id": medium.id, "associated_metadata": {"alt_text": {"text": text}}}
        return answer(200, {"data": data}, self._headers(account, "uploads"))

    def _create(self, request: Request) -> Response:
        account = self._signed_in(request)
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            return _invalid("body", "the body is a JSON object")
        wrong = _wrong_member(body)
        if wrong is not None:
            return wrong
        words = body.get("text", "")
        ids = (body.get("media") or {}).get("media_ids") or []
        media = [self.media[i] for i in ids if i in self.media and self.media[i].account == account.id]
        if not words and not ids:
            return _invalid("text", "text is required unless media is provided")
        if len(media) != len(ids) or any(
            medium.expires <= self.now() or not medium.done or medium.refused or (medium.ready or self.now()) > self.now()
            for medium in media
        ):
            return _invalid("media.media_ids", "Your media IDs are invalid.", detail="Your media IDs are invalid.")
        if len(media) > 1 and any(medium.category != "tweet_image" for medium in media):
            return _forbidden("You may attach up to 4 photos, 1 animated GIF or 1 video in a Tweet.")
        if weigh(words) > account.longest:
            return _forbidden("Your post is too long.")
        parent = (body.get("reply") or {}).get("in_reply_to_tweet_id")
        if parent is not None and not self._can_be_replied_to(parent):
            return _forbidden("You attempted to reply to a Tweet that is deleted or not visible to you.")
        if self._is_duplicate(account, words, ids):
            return _forbidden("You are not allowed to create a Tweet with duplicate content.")
        post = self._write(account, words, media, parent, body)
        data = {"id": post.id, "text": post.text, "edit_history_tweet_ids": [post.id]}
        return answer(201, {"data": data}, self._headers(account, "posts"))

    def _write(self, account: XAccount, words: str, media: list[Medium], parent: str | None, body: Mapping[str, Any]) -> Post:
        number = self._snowflake()
        text, urls = self._shortened(words)
        quoted = body.get("quote_tweet_id")
        tails: list[tuple[str, str | None]] = [(f"https://x.com/i/status/{quoted}", None)] if quoted else []
        where = f"https://x.com/{account.name}/status/{number}"
        tails += [(f"{where}/{'video' if m.category == 'tweet_video' else 'photo'}/1", m.key) for m in media]
        if tails:
            link = self._tco()
            text = f"{text} {link}".lstrip()
            for target, key in tails:
                urls.append({"url": link, "expanded_url": target, **({"media_key": key} if key else {})})
        described = {medium.id: medium.alt_text for medium in media if medium.alt_text}
        options = {name: value for name, value in body.items() if name not in ("text", "media", "reply")}
        tagged = (body.get("media") or {}).get("tagged_user_ids") or []
        entry = self.visible(
            account.profile_id, number, words, [medium.id for medium in media], parent, altTexts=described, options=options,
            kinds=[medium.category for medium in media], tagged=tagged,
        )
        post = Post(number, words, text, urls, self.now(), parent, quoted, media, entry)
        account.posts.append(post)
        return post

    def _shortened(self, words: str) -> tuple[str, list[dict[str, Any]]]:
        """The text as X shows it: NFC, t.co links for URLs, and &, <, > escaped; and the entities of the links."""
        urls: list[dict[str, Any]] = []

        def shorten(match: re.Match[str]) -> str:
            typed = match.group()
            target = typed if typed.lower().startswith("http") else f"http://{typed}"
            urls.append({"url": self._tco(), "expanded_url": target, "display_url": re.sub(r"^https?://", "", target)[:27]})
            return str(urls[-1]["url"])

        pieces, position = [], 0
        normal = unicodedata.normalize("NFC", words)
        for match in _URL.finditer(normal):
            pieces += [escape(normal[position:match.start()], quote=False), shorten(match)]
            position = match.end()
        return "".join([*pieces, escape(normal[position:], quote=False)]), urls

    def _tco(self) -> str:
        return f"https://t.co/{self.next_number():010d}"

    def _snowflake(self) -> str:
        """An id as X makes them: the time in milliseconds since its epoch, then a number."""
        return str((int(self.now().timestamp() * 1000) - 1_288_834_974_657 << 22) + self.next_number())

    def _find(self, post_id: str) -> tuple[XAccount, Post] | None:
        return next(((a, p) for a in self.accounts.values() for p in a.posts if p.id == post_id and not p.entry.gone), None)

    def _can_be_replied_to(self, post_id: str) -> bool:
        found = self._find(post_id)
        return found is not None and self.now() - found[1].at >= timedelta(seconds=self.parent_visible_after)

    def _is_duplicate(self, account: XAccount, words: str, ids: list[str]) -> bool:
        since = self.now() - DUPLICATE_WINDOW
        return any(
            post.words.strip() == words.strip() and [medium.id for medium in post.media] == ids
            for post in account.posts if post.at > since and not post.entry.gone
        )

    def _list(self, request: Request, user: str) -> Response:
        account = next((a for a in self.accounts.values() if a.id == user), None)
        for name in request.args:
            if name not in LIST_PARAMETERS:
                return _invalid(name, f"The query parameter [{name}] is not one of [{','.join(LIST_PARAMETERS)}]")
        fields = (request.args.get("tweet.fields") or request.args.get("post.fields") or "").split(",")
        wrong = [name for name in fields if name and name not in FIELDS]
        most = request.args.get("max_results", "10")
        if wrong or not most.isdigit() or not 5 <= int(most) <= 100:
            return _invalid("tweet.fields" if wrong else "max_results", "is not allowed here")
        if account is None:
            return answer(200, {"errors": [{"title": "Not Found Error", "detail": f"Could not find user with id: [{user}]."}]})
        try:
            since = datetime.fromisoformat(request.args.get("start_time", "2010-11-06T00:00:00Z").replace("Z", "+00:00"))
        except ValueError:
            return _invalid("start_time", "is an RFC 3339 time")
        kept = [post for post in account.posts if post.at.replace(microsecond=0) >= since and not post.entry.gone]
        posts = sorted(kept, key=lambda post: int(post.id), reverse=True)
        first = int(request.args.get("pagination_token", "0"))
        size = min(int(most), self.page_size)
        page = posts[first:first + size]
        meta: dict[str, Any] = {"result_count": len(page)}
        if first + size < len(posts):
            meta["next_token"] = str(first + size)
        shown = {"data": [_shown(account, post, fields) for post in page]} if page else {}
        return answer(200, {**shown, "meta": meta}, self._headers(self._signed_in(request), "reads"))

    def _delete(self, request: Request, post: str) -> Response:
        account = self._signed_in(request)
        found = self._find(post)
        if found is None or found[0] is not account:
            return _problem(404, "Not Found Error", f"Could not find tweet with id: [{post}].")
        found[1].entry.gone = True
        return answer(200, {"data": {"deleted": True}}, self._headers(account, "deletes"))


def weigh(words: str) -> int:
    """The weighted length by configuration 3 of twitter-text, plainly: links 23, emoji 2, light ranges 1, the rest 2."""
    text, links = _URL.subn("", unicodedata.normalize("NFC", words))
    weight = 23 * links
    for cluster in regex.findall(r"\X", text):
        if regex.match(r"[\p{Emoji_Presentation}\p{Regional_Indicator}]|\p{Extended_Pictographic}|[0-9#*]\ufe0f?\u20e3", cluster):
            weight += 2
        else:
            light = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
            weight += sum(1 if any(low <= ord(c) <= high for low, high in light) else 2 for c in cluster)
    return weight


def _shown(account: XAccount, post: Post, fields: list[str]) -> dict[str, Any]:
    whole: dict[str, Any] = {"author_id": account.id, "created_at": post.at.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    references = [("replied_to", post.parent), ("quoted", post.quoted)]
    whole["referenced_tweets"] = [{"type": kind, "id": number} for kind, number in references if number]
    whole["attachments"] = {"media_keys": [medium.key for medium in post.media]} if post.media else {}
    whole["entities"] = {"urls": post.urls} if post.urls else {}
    asked = {name: value for name, value in whole.items() if name in fields and value}
    return {"id": post.id, "text": post.text, "edit_history_tweet_ids": [post.id], **asked}


def _wrong_member(body: Mapping[str, Any]) -> Response | None:
    """X's 400 for the first member that its schema does not allow."""
    for name, value in body.items():
        if name not in POST_MEMBERS:
            return _invalid(name, f"$.{name}: is not defined in the schema and the schema does not allow additional properties")
        if not isinstance(value, POST_MEMBERS[name]):
            return _invalid(name, f"$.{name}: does not have a value of the right type")
    media, reply = body.get("media"), body.get("reply")
    for name, part, known in (("media", media, MEDIA_MEMBERS), ("reply", reply, REPLY_MEMBERS)):
        extra = sorted(set(part or ()) - set(known))
        if extra:
            return _invalid(f"{name}.{extra[0]}", "the schema does not allow additional properties")
    if media is not None:
        ids = media.get("media_ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 4 or not all(_is_id(i) for i in ids):
            return _invalid("media.media_ids", "$.media.media_ids: there must be 1 to 4 ids")
        tagged = media.get("tagged_user_ids", [])
        if not isinstance(tagged, list) or len(tagged) > 10 or not all(_is_id(i) for i in tagged):
            return _invalid("media.tagged_user_ids", "$.media.tagged_user_ids: there must be at most 10 ids")
    if reply is not None and not _is_id(reply.get("in_reply_to_tweet_id")):
        return _invalid("reply.in_reply_to_tweet_id", "does not match ^[0-9]{1,19}$")
    if "poll" in body and (media is not None or "quote_tweet_id" in body or _is_no_poll(body["poll"])):
        return _invalid("poll", "is no poll, or stands beside media or a quote")
    for name in ("quote_tweet_id", "community_id"):
        if name in body and not _is_id(body[name]):
            return _invalid(name, "does not match ^[0-9]{1,19}$")
    if "reply_settings" in body and body["reply_settings"] not in REPLY_SETTINGS:
        return _invalid("reply_settings", f"is not one of [{','.join(REPLY_SETTINGS)}]")
    return None


def _is_no_poll(poll: Mapping[str, Any]) -> bool:
    choices, minutes = poll.get("options"), poll.get("duration_minutes")
    if set(poll) - {"options", "duration_minutes", "reply_settings"} or not isinstance(choices, list):
        return True
    fits = 2 <= len(choices) <= 4 and all(isinstance(choice, str) and 1 <= len(choice) <= 25 for choice in choices)
    return not fits or not isinstance(minutes, int) or not 5 <= minutes <= 10_080


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value) is not None


def _problem(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {"title": title, "detail": detail, "type": "about:blank", "status": status}
    return answer(status, body, headers, "application/problem+json")


def _forbidden(detail: str) -> Response:
    return _problem(403, "Forbidden", detail)


def _invalid(name: str, message: str, detail: str = "One or more parameters to your request was invalid.") -> Response:
    return answer(400, {
        "errors": [{"parameters": {name: []}, "message": message}], "title": "Invalid Request", "detail": detail,
        "type": "https://api.x.com/2/problems/invalid-request",
    })
