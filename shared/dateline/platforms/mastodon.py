"""Mastodon and the servers that speak its API (GoToSocial, Pleroma …): the publisher. Its rules stand in `_mastodon_rules`.

A profile brings its server, and `verify` learns that server's limits. The Idempotency-Key is sent every time and never relied
on: Mastodon stores it only after creating the status, GoToSocial ignores it. What happened is read from the account's statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ..domain.content import Media
from ._mastodon_rules import IMAGE_BYTES, IMAGE_FORMATS, OPTION_MEMBERS, poll_of
from ._mastodon_rules import RULES as RULES
from ._mastodon_text import CODE_POINTS, plain, shown_text
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
    NotReady,
    Outcome,
    Remote,
    Resolution,
    Retry,
    Standard,
    Undecidable,
    Unknown,
)
from .calls import bearer, harmless, irreversible, pictures, refusal, repeatable, said_by, seconds_until, uploads_of

CLOCK_SKEW = timedelta(seconds=60)
"""How far an instance's clock may stand behind ours."""
POLL_SECONDS = 3.0
PROCESSING_SECONDS = 5.0
PAGE_SIZE, PAGES = 40, 10


class MastodonPublisher(Standard):
    """Text and pictures, threads as reply chains. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "A token with write:statuses, write:media, read:statuses and profile."),
    )
    default_server = ""
    own_server = True

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True while a picture of a segment still to be published is not uploaded and processed."""
        uploaded = delivery.checkpoint.get("media") or {}
        return any(not (uploaded.get(slot) or {}).get("ready") for slot, _ in pictures(delivery))

    def start(self, delivery: Delivery) -> Mapping[str, Any]:
        """Nothing: the idempotency key follows from the delivery's own."""
        return {}

    def prepare(self, delivery: Delivery) -> None:
        """Upload what is not up yet, saving each id, then ask once for each whether it is processed. Never waits."""
        uploaded = dict(delivery.checkpoint.get("media") or {})
        for slot, item in pictures(delivery):
            if not uploaded.get(slot):
                uploaded[slot] = self._upload(delivery, item)
                delivery.save(media=dict(uploaded))
        for slot, _ in pictures(delivery):
            if uploaded[slot]["ready"]:
                continue
            answer = repeatable(delivery, "GET", f"/api/v1/media/{uploaded[slot]['id']}")
            if answer.status == 206:
                raise NotReady("media_processing", "The server is still processing a medium.", POLL_SECONDS)
            if answer.status == 404:
                delivery.save(media={name: known for name, known in uploaded.items() if name != slot})
                raise Retry("media_gone", "The server no longer knows an uploaded medium; it is uploaded again.")
            _good(answer, delivery.now())
            uploaded[slot] = {**uploaded[slot], "ready": True}
            delivery.save(media=dict(uploaded))

    def _upload(self, delivery: Delivery, item: Media) -> dict[str, Any]:
        most = int(delivery.account.settings.get("imageBytes", IMAGE_BYTES))
        content, mime = delivery.http.fetch_media(item, most)
        if mime not in IMAGE_FORMATS:
            raise Failed("media_format", f"Mastodon takes {', '.join(IMAGE_FORMATS)} as images; this file is {mime}.")
        file = ("image." + mime.partition("/")[2], content, mime)
        form = {"description": item.alt_text} if item.alt_text else {}
        answer = repeatable(delivery, "POST", "/api/v2/media", data=form, files={"file": file})
        medium = _good(answer, delivery.now()).get("id")
        if not medium:
            raise Retry("answer_unreadable", "The server took a medium and named no id for it.")
        return {"id": str(medium), "ready": answer.status != 202}

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """`POST /api/v1/statuses`, once, with a key that is the same for every try of this segment."""
        body = _body(delivery, segment)
        headers = {**bearer(delivery.account), "Idempotency-Key": _idempotency_key(delivery, segment)}
        url = f"{delivery.account.server}/api/v1/statuses"
        answer = irreversible(lambda: delivery.http.request("POST", url, headers=headers, json=body))
        if 200 <= answer.status < 300:
            status = said_by(answer)
            if not status.get("id"):
                raise Unknown("answer_unreadable", "The server said it took the post and named no id.")
            return (_remote(status),)
        if answer.status == 408:
            raise Unknown("answer_lost", "The server answered 408 to the publishing call.")
        reason = _reason(answer).lower()
        if answer.status == 422 and "finished processing" in reason:
            raise Retry("media_processing", "The server is still processing a medium.", PROCESSING_SECONDS)
        if answer.status == 422 and "media_ids" in body and ("already attached" in reason or "not found" in reason):
            return self._media_spent(delivery, segment)
        raise _refusal(answer, delivery.now())

    def _media_spent(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """Media that are attached already may be so to our own status, if an earlier call was uncertain; else they are gone."""
        if not delivery.uncertain:
            delivery.save(media={})
            raise Retry("media_gone", "The server no longer knows the uploaded media; they are uploaded again.")
        try:
            seen = self._look(delivery, segment, None)
        except Outcome as error:
            raise Unknown("media_spent", f"The media are in use, and looking for their post failed ({error.code}).") from None
        if not isinstance(seen, Found):
            raise Unknown("media_spent", "The server says the media are in use already, and no recent post has them.")
        return seen.remotes

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Look through the account's statuses since the call: same media or same words, same parent, and not another's.

        Absence is never `SafeToRepeat`: who ignores the Idempotency-Key would post twice.
        """
        return self._look(delivery, segment, (delivery.armed_at or delivery.now()) - CLOCK_SKEW)

    def _look(self, delivery: Delivery, segment: int, since: datetime | None) -> Found | Absent | Undecidable:
        """`since` None looks at the latest page only, whenever that was."""
        others = delivery.taken | {remote.id for remote in delivery.published}
        params: dict[str, Any] = {"limit": PAGE_SIZE, "exclude_reblogs": "true"}
        ours: Mapping[str, Any] | None = None
        for _ in range(PAGES):
            answer = repeatable(delivery, "GET", f"/api/v1/accounts/{delivery.account.account_id}/statuses", params=params)
            _good(answer, delivery.now())
            page = [status for status in answer.json() or () if isinstance(status, dict)]
            recent = [status for status in page if since is None or _created(status) >= since]
            for status in recent:
                if str(status["id"]) not in others and self._is_segment(status, delivery, segment):
                    ours = status  # newest first: the last one seen is the first that was written
            if len(recent) < len(page) or not page or since is None:
                return Found((_remote(ours),)) if ours else Absent()
            params = {**params, "max_id": page[-1]["id"]}
        return Undecidable("The account has made too many posts since; the server has to be looked through by hand.")

    def _is_segment(self, status: Mapping[str, Any], delivery: Delivery, segment: int) -> bool:
        """Whether `status` is `segment`: its parent, then its media, else its words as shown or as they were sent."""
        parent = delivery.published[segment - 1].id if segment > 0 else None
        if (str(status["in_reply_to_id"]) if status.get("in_reply_to_id") else None) != parent:
            return False
        theirs = {str(medium.get("id")) for medium in status.get("media_attachments") or ()}
        content = delivery.segments[segment]
        if theirs or content.media:
            # A medium belongs to one status only, so its id says more than any words.
            return theirs == set(uploads_of(delivery, segment))
        if plain(shown_text(str(status.get("content") or ""))) == plain(content.text):
            return True
        answer = repeatable(delivery, "GET", f"/api/v1/statuses/{status['id']}/source")
        return answer.status == 200 and plain(str(said_by(answer).get("text") or "")) == plain(content.text)

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """`DELETE /api/v1/statuses/{id}`; a status that is gone already is no error."""
        answer = repeatable(delivery, "DELETE", f"/api/v1/statuses/{remote_id}")
        if answer.status not in (404, 410):
            _good(answer, delivery.now())

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """Who the token belongs to, and what the server takes: `maxCharacters`, `urlLength`, `maxMedia`, `imageBytes`,
        `maxPollOptions`, `maxPollOptionCharacters`, `counting`. A server without `/api/v2/instance` is asked the older way."""

        def read(path: str) -> Answer:
            return harmless(lambda: http.request("GET", account.server + path, headers=bearer(account)))

        me = _good(read("/api/v1/accounts/verify_credentials"), None)
        if not me.get("id"):
            raise Failed("not_mastodon", "The server does not answer as Mastodon's API does. Is its address right?")
        instance = read("/api/v2/instance")
        if instance.status == 404:
            instance = read("/api/v1/instance")
        about = _good(instance, None)
        domain = str(about.get("domain") or about.get("uri") or "").removeprefix("https://")
        name = f"@{me.get('username') or me['id']}"
        return AccountInfo(str(me["id"]), f"{name}@{domain}" if domain else name, _settings(about))

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """None: a token lasts until it is revoked."""
        return None


def _body(delivery: Delivery, segment: int) -> dict[str, Any]:
    content = delivery.segments[segment]
    body: dict[str, Any] = {}
    if content.text:
        body["status"] = content.text
    if content.media:
        media_ids = uploads_of(delivery, segment)
        if len(media_ids) != len(content.media):
            raise Retry("media_gone", "Not every medium of this segment is uploaded; they are uploaded again.")
        body["media_ids"] = media_ids
    if segment > 0:
        body["in_reply_to_id"] = delivery.published[segment - 1].id
    body.update({member: delivery.options[name] for name, member in OPTION_MEMBERS.items() if name in delivery.options})
    if "poll" in delivery.options and segment == 0:
        body["poll"] = poll_of(delivery.options)
    return body


def _idempotency_key(delivery: Delivery, segment: int) -> str:
    """The same for every try of this segment of this target, and saying nothing of either. Another once what was out has been
    taken down: under the old one the server would look for the deleted status."""
    from hashlib import sha256

    again = delivery.checkpoint.get("takenDown", 0)
    return sha256(f"{delivery.key}/{segment}{f'/{again}' if again else ''}".encode()).hexdigest()


def _remote(status: Mapping[str, Any]) -> Remote:
    return Remote(str(status["id"]), str(status["url"]) if status.get("url") else None)


def _created(status: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(status["created_at"]))


def _settings(instance: Mapping[str, Any]) -> dict[str, Any]:
    """What an instance says of itself, as settings; what it does not say is left to the rules."""
    configuration = instance.get("configuration") or {}
    statuses, media = configuration.get("statuses") or {}, configuration.get("media_attachments") or {}
    polls = configuration.get("polls") or {}
    figures = {
        "maxCharacters": statuses.get("max_characters") or instance.get("max_toot_chars"),
        "urlLength": statuses.get("characters_reserved_per_url"),
        "maxMedia": statuses.get("max_media_attachments") or instance.get("max_media_attachments"),
        "imageBytes": media.get("image_size_limit"),
        "maxPollOptions": polls.get("max_options"),
        "maxPollOptionCharacters": polls.get("max_characters_per_option"),
    }
    settings: dict[str, Any] = {name: figure for name, figure in figures.items() if isinstance(figure, int) and figure > 0}
    if "gotosocial" in f"{instance.get('source_url')} {instance.get('version')}".lower():
        settings["counting"] = CODE_POINTS
    return settings


def _good(answer: Answer, now: datetime | None) -> dict[str, Any]:
    """The body of a successful answer; raises what any other means."""
    if 200 <= answer.status < 300:
        return said_by(answer)
    raise _refusal(answer, now)


def _refusal(answer: Answer, now: datetime | None) -> Outcome:
    """What an answer below 500 that is no success means, the same for every call."""
    wait = seconds_until(answer, "x-ratelimit-reset", lambda text: datetime.fromisoformat(text).timestamp(), now)
    return refusal("The server", answer, _reason(answer), wait)


def _reason(answer: Answer) -> str:
    """The server's own words."""
    return str(said_by(answer).get("error") or "no reason given")[:300]


PUBLISHER = MastodonPublisher()
