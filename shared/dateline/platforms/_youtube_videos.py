"""One video on its channel: reading and setting its status, and what that status means for a post."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ._google import good, moment, zulu
from .base import Delivery, Failed, Found, Outcome, Refused, Remote, Resolution, Retry, Unknown, Working
from .calls import bearer, irreversible, repeatable

VIDEOS = "/youtube/v3/videos"
REASONS: Mapping[str, str] = {
    "copyright": "it claims a copyright in it", "inappropriate": "it breaks the community guidelines",
    "duplicate": "the channel has the same video already", "termsOfUse": "it breaks the terms of use", "length": "it is too long",
    "claim": "somebody claims it", "trademark": "it infringes a trademark", "legal": "of a legal complaint",
    "uploaderAccountSuspended": "the account is suspended", "uploaderAccountClosed": "the account is closed",
    "conversion": "it could not convert it", "invalidFile": "the file is not valid", "emptyFile": "the file is empty",
    "tooSmall": "the file is too small", "codec": "it does not know the codec", "uploadAborted": "the upload was broken off",
}
"""YouTube's `rejectionReason` and `failureReason` in words."""
SAID: Mapping[str, str] = {"failed": "could not process the video", "rejected": "rejected the video", "deleted": "deleted it"}


def read(delivery: Delivery, video_id: str) -> dict[str, Any] | None:
    """`status` of a video of the channel, None when there is no such video."""
    answer = repeatable(delivery, "GET", VIDEOS, params={"part": "status", "id": video_id})
    items = good("YouTube", answer, delivery.now()).get("items")
    return dict(items[0].get("status") or {}) if items else None


def change(delivery: Delivery, video_id: str, status: Mapping[str, Any]) -> dict[str, Any]:
    """The armed call: set `status` whole. What YouTube then says of it. Raises as `Publisher.publish` does."""
    url, body = delivery.account.server + VIDEOS, {"id": video_id, "status": status}
    headers, params = bearer(delivery.account), {"part": "status"}
    answer = irreversible(lambda: delivery.http.request("PUT", url, headers=headers, params=params, json=body))
    if answer.status == 408:
        raise Unknown("answer_lost", "YouTube answered 408 to the publishing call.")
    if answer.status == 404:
        raise gone(delivery)
    said = dict(good("YouTube", answer, delivery.now()).get("status") or {})
    if (wrong := trouble(said)) is not None:
        raise abandoned(delivery, wrong)
    return said


def is_uploaded(delivery: Delivery) -> bool:
    """Whether there is a video on the channel for the post, as far as is known."""
    return bool((delivery.checkpoint.get("video") or {}).get("id"))


def uploaded_id(delivery: Delivery) -> str:
    """The id of the video that was uploaded for the post. Raises `Retry` when there is none."""
    if not is_uploaded(delivery):
        raise Retry("video_gone", "The video is not on the channel yet; it is uploaded.")
    return str(delivery.checkpoint["video"]["id"])


def gone(delivery: Delivery) -> Outcome:
    """The uploaded video is no more: another try uploads it again."""
    delivery.save(video=None, upload=None)
    return Retry("video_gone", "The uploaded video is no longer on the channel; it is uploaded again.")


def abandoned(delivery: Delivery, wrong: tuple[str, str]) -> Outcome:
    """YouTube will not have the video: the post fails, and whoever tries it again uploads it afresh."""
    delivery.save(video=None, upload=None)
    return Failed(*wrong)


def remove(delivery: Delivery, video_id: str) -> None:
    """Delete a video that nobody sees or needs any more; one that somebody may see stays. Raises as `Publisher.delete`."""
    status = read(delivery, video_id)
    if status is None or status.get("privacyStatus") != "private":
        return
    answer = repeatable(delivery, "DELETE", VIDEOS, params={"id": video_id})
    if answer.status != 404:
        good("YouTube", answer, delivery.now())


def try_to_remove(delivery: Delivery, video_id: str) -> None:
    """The same where it is a courtesy: left alone such a video harms nobody."""
    try:
        remove(delivery, video_id)
    except Outcome:
        return


def trouble(status: Mapping[str, Any]) -> tuple[str, str] | None:
    """Code and sentence for a video that YouTube will not have, None for one that is well."""
    state = str(status.get("uploadStatus"))
    if state not in SAID:
        return None
    reason = str(status.get("rejectionReason") or status.get("failureReason") or "")
    why = f", since {REASONS[reason]}" if reason in REASONS else ""
    return f"video_{state}", f"YouTube {SAID[state]}{why} ({reason or 'no reason given'})."


def is_processing(status: Mapping[str, Any]) -> bool:
    """Whether YouTube is still at work on the file."""
    return status.get("uploadStatus") == "uploaded"


def is_placed(status: Mapping[str, Any], at: datetime) -> bool:
    """Whether the video has this time (to the minute: YouTube may leave the seconds out), or is out already."""
    if status.get("privacyStatus") == "public":
        return True
    kept, wanted = moment(status.get("publishAt")), moment(zulu(at))
    return kept is not None and wanted is not None and abs((kept - wanted).total_seconds()) < 60


def settled(status: Mapping[str, Any]) -> Resolution | None:
    """What is known of a video that was made visible: refused, or visible as soon as it is processed. None: all is well."""
    if (wrong := trouble(status)) is not None:
        return Refused(*wrong)
    return Working(30.0, "YouTube is still processing the video.") if is_processing(status) else None


def remote_of(video_id: str, comment: str | None = None) -> Remote:
    """A video, or a comment on it, as it is saved."""
    url = f"https://www.youtube.com/watch?v={video_id}"
    return Remote(video_id, url) if comment is None else Remote(comment, f"{url}&lc={comment}")


def found(video_id: str) -> Found:
    """The video is out."""
    return Found((remote_of(video_id),))
