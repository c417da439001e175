"""Media on a Mastodon server: uploaded, then asked for until they are processed. All of it harmless.

The checkpoint's `media` has an entry for each medium: its `id`, and whether it is `ready`.
"""

from __future__ import annotations

from typing import Any

from ..domain.content import Media
from ._files import opened, time_for
from ._mastodon_calls import good, reason_of
from ._mastodon_rules import RULES
from .base import Delivery, Failed, NotReady, Retry
from .calls import bearer, form_with_file, harmless, pictures, repeatable

POLL_SECONDS = 3.0


def is_whole(delivery: Delivery) -> bool:
    """Whether every medium of the segments still to be published is uploaded and processed."""
    known = delivery.checkpoint.get("media") or {}
    return all((known.get(slot) or {}).get("ready") for slot, _ in pictures(delivery))


def upload(delivery: Delivery) -> None:
    """Upload what is not up yet, saving each id, then ask once for each whether it is processed. Raises `NotReady`."""
    known = dict(delivery.checkpoint.get("media") or {})
    for slot, item in pictures(delivery):
        if not known.get(slot):
            known[slot] = _upload(delivery, item)
            delivery.save(media=dict(known))
    for slot, item in pictures(delivery):
        if known[slot]["ready"]:
            continue
        answer = repeatable(delivery, "GET", f"/api/v1/media/{known[slot]['id']}")
        if answer.status == 206:
            raise NotReady("media_processing", "The server is still processing a medium.", POLL_SECONDS)
        if answer.status in (404, 422):
            delivery.save(media={name: entry for name, entry in known.items() if name != slot})
        if answer.status == 404:
            raise Retry("media_gone", "The server no longer knows an uploaded medium; it is uploaded again.")
        if answer.status == 422:
            raise Failed("media_refused", f"The server could not process a {item.type}: {reason_of(answer)}")
        good(answer, delivery.now())
        known[slot] = {**known[slot], "ready": True}
        delivery.save(media=dict(known))


def _upload(delivery: Delivery, item: Media) -> dict[str, Any]:
    file = opened(delivery, RULES, item)
    name = f"{'video' if item.type == 'video' else 'image'}.{file.mime.partition('/')[2]}"
    body, headers = form_with_file({"description": item.alt_text} if item.alt_text else {}, "file", name, file)
    seconds = time_for(delivery, file.size)
    url, headers = f"{delivery.account.server}/api/v2/media", {**bearer(delivery.account), **headers}
    answer = harmless(lambda: delivery.http.request("POST", url, headers=headers, data=body, seconds=seconds))
    medium = good(answer, delivery.now()).get("id")
    if not medium:
        raise Retry("answer_unreadable", "The server took a medium and named no id for it.")
    return {"id": str(medium), "ready": answer.status != 202}
