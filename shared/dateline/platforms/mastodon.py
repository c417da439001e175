"""Mastodon and the servers that speak its API (GoToSocial, Pleroma …): the publisher. Its rules stand in `_mastodon_rules`.

A profile brings its server, and `verify` learns that server's limits. The Idempotency-Key is sent every time and never relied
on: Mastodon stores it only after creating the status, GoToSocial ignores it. What happened is read from the account's statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ._mastodon_calls import good, quotas_of, reason_of, refusal_of
from ._mastodon_look import body_of, look, remote_of
from ._mastodon_media import is_whole, upload
from ._mastodon_native import Keeping
from ._mastodon_rules import RULES as RULES
from ._mastodon_text import CODE_POINTS
from .base import (
    Account,
    AccountInfo,
    Answer,
    CredentialField,
    Delivery,
    Failed,
    Found,
    Http,
    Outcome,
    Quota,
    Remote,
    Resolution,
    Retry,
    Standard,
    Unknown,
)
from .calls import bearer, harmless, irreversible, repeatable, said_by
from .connect import OAuth2

CLOCK_SKEW = timedelta(seconds=60)
"""How far an instance's clock may stand behind ours."""
PROCESSING_SECONDS = 5.0


class MastodonPublisher(Keeping, Standard):
    """Text with pictures, GIFs or a video; threads as reply chains; single posts kept by the server on request. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "A token with write:statuses, write:media, read:statuses and read:accounts."),
    )
    default_server = ""
    own_server = True
    connect: OAuth2 | None = OAuth2(
        authorize=("", "/oauth/authorize"), token=("", "/oauth/token"),
        scopes=("write:statuses", "write:media", "read:statuses", "read:accounts"), register=True,
    )

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True while a medium of a segment still to be published is not uploaded and processed."""
        return not is_whole(delivery)

    def prepare(self, delivery: Delivery) -> None:
        """Upload what is not up yet, then ask once for each whether it is processed. Never waits."""
        upload(delivery)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """`POST /api/v1/statuses`, once, with a key that is the same for every try of this segment."""
        body = body_of(delivery, segment)
        headers = {**bearer(delivery.account), "Idempotency-Key": _idempotency_key(delivery, segment)}
        url = f"{delivery.account.server}/api/v1/statuses"
        answer = irreversible(lambda: delivery.http.request("POST", url, headers=headers, json=body))
        if 200 <= answer.status < 300:
            status = said_by(answer)
            if not status.get("id"):
                raise Unknown("answer_unreadable", "The server said it took the post and named no id.")
            return (remote_of(status),)
        if answer.status == 408:
            raise Unknown("answer_lost", "The server answered 408 to the publishing call.")
        reason = reason_of(answer).lower()
        if answer.status == 422 and "finished processing" in reason:
            raise Retry("media_processing", "The server is still processing a medium.", PROCESSING_SECONDS)
        if answer.status == 422 and "media_ids" in body and ("already attached" in reason or "not found" in reason):
            return self._media_spent(delivery, segment)
        raise refusal_of(answer, delivery.now())

    def _media_spent(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """Media that are attached already may be so to our own status, if an earlier call was uncertain; else they are gone."""
        if not delivery.uncertain:
            delivery.save(media={})
            raise Retry("media_gone", "The server no longer knows the uploaded media; they are uploaded again.")
        try:
            seen = look(delivery, segment, None)
        except Outcome as error:
            raise Unknown("media_spent", f"The media are in use, and looking for their post failed ({error.code}).") from None
        if not isinstance(seen, Found):
            raise Unknown("media_spent", "The server says the media are in use already, and no recent post has them.")
        return seen.remotes

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Look through the account's statuses since the call: same media or same words, same parent, and not another's.

        Absence is never `SafeToRepeat`: who ignores the Idempotency-Key would post twice.
        """
        return look(delivery, segment, (delivery.armed_at or delivery.now()) - CLOCK_SKEW)

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """`DELETE /api/v1/statuses/{id}`; a status that is gone already is no error."""
        answer = repeatable(delivery, "DELETE", f"/api/v1/statuses/{remote_id}")
        if answer.status not in (404, 410):
            good(answer, delivery.now())

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """Who the token belongs to, and what the server takes: `maxCharacters`, `urlLength`, `maxMedia`, `imageBytes`,
        `imagePixels`, `videoBytes`, `videoPixels`, `mimeTypes`, `maxPollOptions`, `maxPollOptionCharacters`, `counting`. A server
        without `/api/v2/instance` is asked the older way."""

        def read(path: str) -> Answer:
            return harmless(lambda: http.request("GET", account.server + path, headers=bearer(account)))

        me = good(read("/api/v1/accounts/verify_credentials"), None)
        if not me.get("id"):
            raise Failed("not_mastodon", "The server does not answer as Mastodon's API does. Is its address right?")
        instance = read("/api/v2/instance")
        if instance.status == 404:
            instance = read("/api/v1/instance")
        about = good(instance, None)
        domain = str(about.get("domain") or about.get("uri") or "").removeprefix("https://")
        name = f"@{me.get('username') or me['id']}"
        return AccountInfo(str(me["id"]), f"{name}@{domain}" if domain else name, _settings(about))

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """The server's own headers."""
        return quotas_of(answer)


def _idempotency_key(delivery: Delivery, segment: int) -> str:
    """The same for every try of this segment of this target, and saying nothing of either. Another once what was out has been
    taken down: under the old one the server would look for the deleted status."""
    from hashlib import sha256

    again = delivery.checkpoint.get("takenDown", 0)
    return sha256(f"{delivery.key}/{segment}{f'/{again}' if again else ''}".encode()).hexdigest()


def _settings(instance: Mapping[str, Any]) -> dict[str, Any]:
    """What an instance says of itself, as settings; what it does not say is left to the rules."""
    configuration = instance.get("configuration") or {}
    statuses, media = configuration.get("statuses") or {}, configuration.get("media_attachments") or {}
    polls = configuration.get("polls") or {}
    figures = {
        "maxCharacters": statuses.get("max_characters") or instance.get("max_toot_chars"),
        "urlLength": statuses.get("characters_reserved_per_url"),
        "maxMedia": statuses.get("max_media_attachments") or instance.get("max_media_attachments"),
        "imageBytes": media.get("image_size_limit"), "imagePixels": media.get("image_matrix_limit"),
        "videoBytes": media.get("video_size_limit"), "videoPixels": media.get("video_matrix_limit"),
        "maxPollOptions": polls.get("max_options"),
        "maxPollOptionCharacters": polls.get("max_characters_per_option"),
    }
    settings: dict[str, Any] = {name: figure for name, figure in figures.items() if isinstance(figure, int) and figure > 0}
    taken = media.get("supported_mime_types")
    if isinstance(taken, list) and taken:
        settings["mimeTypes"] = [kind for kind in taken if isinstance(kind, str) and kind.startswith(("image/", "video/"))]
    if "gotosocial" in f"{instance.get('source_url')} {instance.get('version')}".lower():
        settings["counting"] = CODE_POINTS
    return settings


PUBLISHER = MastodonPublisher()
