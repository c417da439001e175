"""Posts that a Mastodon server keeps until their time (`scheduled_at`): handed over, taken back, found again.

A scheduled status has an id of its own, which ends when it is published; the status then has another. Which that is, is read
from the account's statuses, as after a lost answer. A server that does not know `scheduled_at` publishes at once: what it then
shows too early is taken down again, and left to Dateline's own schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ._mastodon_calls import good, refusal_of
from ._mastodon_look import body_of, look, remote_of
from .base import (
    Absent,
    Answer,
    Delivery,
    Failed,
    Found,
    Outcome,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    Undecidable,
    Unknown,
    Working,
)
from .calls import bearer, irreversible, repeatable, said_by

MARGIN = timedelta(seconds=60)
"""How far the server's clock may stand from ours, and how late or early it may publish."""

SETTLED = timedelta(minutes=5)
"""A call that is so long ago is not being worked on any more."""

LONGEST_PUBLISHING = timedelta(minutes=10)
"""After its time, how long a status that is neither scheduled nor there may still be on its way."""

LOOK_AGAIN = 5.0
PAGE_SIZE, PAGES = 40, 8
PATH = "/api/v1/scheduled_statuses"
OUT = "published"
"""Member of a `Remote`'s extra that marks a status which is out already, not a scheduled one."""


class Keeping:
    """`Native` for servers that speak Mastodon's API. Single statuses only."""

    def place(self, delivery: Delivery, at: datetime) -> Remote:
        """`POST /api/v1/statuses` with `scheduled_at`, once."""
        account = delivery.account
        body = {**body_of(delivery, 0), "scheduled_at": _iso(at)}
        headers = {**bearer(account), "Idempotency-Key": _key(delivery, at)}

        def call() -> Answer:
            answer = delivery.http.request("POST", f"{account.server}/api/v1/statuses", headers=headers, json=body)
            if answer.status == 501:
                raise Failed("not_kept", "The server does not keep posts until their time.")
            return answer

        answer = irreversible(call)
        if not 200 <= answer.status < 300:
            raise refusal_of(answer, delivery.now())
        said = said_by(answer)
        if not said.get("id"):
            raise Unknown("answer_unreadable", "The server said it took the post and named no id.")
        if said.get("scheduled_at"):
            return Remote(str(said["id"]), None, {"scheduledAt": str(said["scheduled_at"])})
        return self._out_at_once(delivery, at, said)

    def _out_at_once(self, delivery: Delivery, at: datetime, status: Mapping[str, Any]) -> Remote:
        """What a server published that was to keep it: fine if its time has come, else it is taken down."""
        remote = remote_of(status)
        if delivery.now() >= at - MARGIN:
            return remote._replace(extra={OUT: True})
        try:
            answer = repeatable(delivery, "DELETE", f"/api/v1/statuses/{remote.id}")
            if answer.status not in (404, 410):
                good(answer, delivery.now())
        except Outcome as error:
            detail = f"The server published at once what it was to keep, and taking it down failed ({error.code})."
            raise Unknown("published_early", detail) from None
        raise Failed("not_kept", "The server does not keep posts until their time. What it published early was taken down again.")

    def placed(self, delivery: Delivery, at: datetime) -> Resolution:
        """Look through the scheduled statuses, and from the post's time on through those that are out."""
        params: dict[str, Any] = {"limit": PAGE_SIZE}
        for _ in range(PAGES):
            answer = repeatable(delivery, "GET", PATH, params=params)
            good(answer, delivery.now())
            page = [entry for entry in answer.json() or () if isinstance(entry, dict)]
            for entry in page:
                if str(entry.get("id")) not in delivery.taken and _is_ours(entry, delivery, at):
                    return Found((Remote(str(entry["id"]), None, {"scheduledAt": str(entry["scheduled_at"])}),))
            if len(page) < PAGE_SIZE:
                break
            params = {**params, "max_id": page[-1]["id"]}
        if delivery.now() >= at - MARGIN:
            seen = look(delivery, 0, at - MARGIN)
            if isinstance(seen, Found):
                return Found(tuple(remote._replace(extra={OUT: True}) for remote in seen.remotes))
            if isinstance(seen, Undecidable) or delivery.now() < at + LONGEST_PUBLISHING:
                return Absent()
        settled = delivery.armed_at is not None and delivery.now() - delivery.armed_at >= SETTLED
        return SafeToRepeat() if settled else Absent()

    def withdraw(self, delivery: Delivery, remote: Remote) -> None:
        """`DELETE /api/v1/scheduled_statuses/{id}`. When the server knows none such, what is out is looked for."""
        published = Failed("already_published", "The server has published it.")
        if remote.extra.get(OUT):
            raise published
        answer = repeatable(delivery, "DELETE", f"{PATH}/{remote.id}")
        if answer.status != 404:
            good(answer, delivery.now())
            return
        at = _time_of(delivery, remote)
        if at is None or delivery.now() < at - MARGIN:
            return
        if isinstance(look(delivery, 0, at - MARGIN), Found):
            raise published
        if delivery.now() < at + LONGEST_PUBLISHING:
            raise Retry("being_published", "The server has it no longer, and may be about to show it.", LOOK_AGAIN)

    def confirm(self, delivery: Delivery, remote: Remote) -> Resolution:
        """Is the scheduled status gone and the status there?"""
        if remote.extra.get(OUT):
            return Found((Remote(remote.id, remote.url),))
        answer = repeatable(delivery, "GET", f"{PATH}/{remote.id}")
        if answer.status != 404:
            good(answer, delivery.now())
            return Working(LOOK_AGAIN, "The server still has it scheduled.")
        at = _time_of(delivery, remote)
        return look(delivery, 0, None if at is None else at - MARGIN)


def _time_of(delivery: Delivery, remote: Remote) -> datetime | None:
    kept = remote.extra.get("scheduledAt")
    return datetime.fromisoformat(str(kept)) if kept else delivery.publish_at


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _key(delivery: Delivery, at: datetime) -> str:
    """Another than the one for publishing, and another for each time it is handed over: under one that it knows the server would
    look for what was taken back."""
    from hashlib import sha256

    return sha256(f"{delivery.key}/kept/{at.timestamp()}/{delivery.armed_at}".encode()).hexdigest()


def _is_ours(entry: Mapping[str, Any], delivery: Delivery, at: datetime) -> bool:
    """Whether a scheduled status is what was to be handed over: its time, its media, its words as they were sent."""
    try:
        apart = abs((datetime.fromisoformat(str(entry.get("scheduled_at"))) - at).total_seconds())
    except (ValueError, TypeError):
        return False
    body, params = body_of(delivery, 0), entry.get("params") or {}
    theirs = {str(medium.get("id")) for medium in entry.get("media_attachments") or ()} or {
        str(number) for number in params.get("media_ids") or ()
    }
    return apart < 1.0 and theirs == set(body.get("media_ids") or ()) and str(params.get("text") or "") == body.get("status", "")
