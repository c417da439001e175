"""YouTube: its publisher over the Data API v3 (discovery 20261104). Rules: `_youtube_rules`; upload: `_youtube_upload`.

Everything but one call is preparation: the video is uploaded as private and waits there until YouTube has processed it. What
publishes is an update of its visibility. It can be repeated and read back, so nothing is ever published twice. YouTube may
also make that last step itself at the post's time (`place`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ._google import CREDENTIAL_FIELDS, consent, exhausted, good, moment, refresh
from ._youtube_rules import RULES as RULES
from ._youtube_rules import THUMBNAIL_BYTES, THUMBNAIL_FORMATS, privacy_of, status_of, thumbnail_of, video_of
from ._youtube_upload import describe, mark_of, snippet_mark, upload
from ._youtube_videos import (
    VIDEOS,
    abandoned,
    change,
    found,
    gone,
    is_placed,
    is_processing,
    is_uploaded,
    read,
    remote_of,
    remove,
    settled,
    trouble,
    try_to_remove,
    uploaded_id,
)
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
    Processing,
    Quota,
    Refused,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    Standard,
    Undecidable,
    Unknown,
    Working,
)
from .calls import Body, bearer, harmless, irreversible, repeatable
from .connect import Choice, OAuth2

CLOCK_SKEW = timedelta(seconds=60)
PROCESSING_WAIT = 900.0
"""Seconds that preparation waits for YouTube to process a video. After that it is published while YouTube is still at it."""
SHOWN_AFTER = 60.0
"""Seconds after which an uploaded video that YouTube does not show is taken to be gone."""
THUMBNAIL_SECONDS = 75.0
PAGES = 5
DAILY_UNITS = 10_000
VIDEO_ID = 11
"""Characters of a video's id; a comment's is longer."""


class YouTubePublisher(Standard):
    """One video, perhaps with a thumbnail and a first comment. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "OAuth token with the scopes youtube.upload and youtube.force-ssl."),
        *CREDENTIAL_FIELDS,
    )
    default_server = "https://www.googleapis.com"
    connect: OAuth2 | None = consent("youtube.upload", "youtube.force-ssl")

    def needs_preparation(self, delivery: Delivery) -> bool:
        """False once the video is on the channel as the post has it now, and processed (or waited for long enough)."""
        return not (delivery.published or _is_ready(delivery))

    def prepare(self, delivery: Delivery) -> None:
        """Upload the video as private, then its thumbnail, then into its playlist, and wait until YouTube has processed it."""
        if delivery.published:
            return
        video = self._uploaded(delivery)
        if video.get("snippet") != snippet_mark(delivery):
            describe(delivery, video)
            video["snippet"] = snippet_mark(delivery)
            delivery.save(video=dict(video))
        self._set_thumbnail(delivery, video)
        self._add_to_playlist(delivery, video)
        if not video.get("ready"):
            self._await_processing(delivery, video)

    def _uploaded(self, delivery: Delivery) -> dict[str, Any]:
        """The video on the channel that has the post's file, as the checkpoint knows it."""
        known: dict[str, Any] = dict(delivery.checkpoint.get("video") or {})
        mark = mark_of(video_of(delivery.segments[0]).url)
        if known and known.get("file") == mark:
            return known
        fresh = {"id": upload(delivery), "file": mark, "snippet": snippet_mark(delivery), "at": delivery.now().isoformat()}
        delivery.save(video=dict(fresh), upload=None)
        if known:
            try_to_remove(delivery, str(known["id"]))
        return fresh

    def _set_thumbnail(self, delivery: Delivery, video: dict[str, Any]) -> None:
        item = thumbnail_of(delivery.segments[0])
        if item is None or video.get("thumbnail") == mark_of(item.url):
            return
        file = delivery.media.open(item)
        if file.mime not in THUMBNAIL_FORMATS or file.size > THUMBNAIL_BYTES:
            raise Failed("media_format", f"YouTube takes a thumbnail of at most {THUMBNAIL_BYTES:,} bytes as JPEG or PNG.")
        delivery.need(THUMBNAIL_SECONDS)
        answer = harmless(lambda: delivery.http.request(
            "POST", delivery.account.server + "/upload/youtube/v3/thumbnails/set",
            params={"videoId": video["id"], "uploadType": "media"},
            headers={**bearer(delivery.account), "Content-Type": file.mime}, data=Body(file), seconds=THUMBNAIL_SECONDS,
        ))
        if answer.status == 404:
            self._lost_sight(delivery, video)
        good("YouTube", answer, delivery.now())
        video["thumbnail"] = mark_of(item.url)
        delivery.save(video=dict(video))

    def _add_to_playlist(self, delivery: Delivery, video: dict[str, Any]) -> None:
        """Put it in, unless it is in already: an answer may have been lost, and a list takes the same video twice."""
        playlist = delivery.options.get("playlistId")
        if not playlist or video.get("playlist") == playlist:
            return
        params = {"part": "snippet", "playlistId": playlist, "videoId": video["id"]}
        answer = repeatable(delivery, "GET", "/youtube/v3/playlistItems", params=params)
        if not good("YouTube", answer, delivery.now()).get("items"):
            resource = {"kind": "youtube#video", "videoId": video["id"]}
            body = {"snippet": {"playlistId": playlist, "resourceId": resource}}
            answer = repeatable(delivery, "POST", "/youtube/v3/playlistItems", params={"part": "snippet"}, json=body)
            good("YouTube", answer, delivery.now())
        video["playlist"] = playlist
        delivery.save(video=dict(video))

    def _await_processing(self, delivery: Delivery, video: dict[str, Any]) -> None:
        status = read(delivery, str(video["id"]))
        if status is None:
            self._lost_sight(delivery, video)
        elif (wrong := trouble(status)) is not None:
            if status.get("uploadStatus") == "failed":
                try_to_remove(delivery, str(video["id"]))
            raise abandoned(delivery, wrong)
        elif is_processing(status) and (waited := _age(delivery, video)) < PROCESSING_WAIT:
            raise NotReady("processing", "YouTube is processing the video.", min(60.0, max(5.0, waited / 4)))
        else:
            video["ready"] = True
            delivery.save(video=dict(video))

    def _lost_sight(self, delivery: Delivery, video: Mapping[str, Any]) -> None:
        """YouTube does not show the video: it may be a moment late, else it is gone. Always raises."""
        if _age(delivery, video) < SHOWN_AFTER:
            raise NotReady("processing", "YouTube does not show the uploaded video yet.", 5.0)
        raise gone(delivery)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """Make the private video visible, once and again to the same effect; or give it its first comment."""
        if segment > 0:
            return (self._comment(delivery, segment),)
        video_id, wanted = uploaded_id(delivery), privacy_of(delivery.options)
        status = change(delivery, video_id, status_of(delivery.options, wanted))
        if (privacy := status.get("privacyStatus", wanted)) != wanted:
            detail = f"YouTube keeps the video {privacy} and did not make it {wanted}: look at the channel's settings."
            raise Failed("visibility_refused", detail)
        if is_processing(status):
            raise Processing("processing", "YouTube has the video and is still processing it.", 15.0)
        return (remote_of(video_id),)

    def _comment(self, delivery: Delivery, segment: int) -> Remote:
        video_id = delivery.published[0].id
        top = {"snippet": {"textOriginal": delivery.segments[segment].text}}
        snippet: dict[str, Any] = {"videoId": video_id, "topLevelComment": top}
        if delivery.account.account_id:
            snippet["channelId"] = delivery.account.account_id
        answer = irreversible(lambda: delivery.http.request(
            "POST", delivery.account.server + "/youtube/v3/commentThreads", headers=bearer(delivery.account),
            params={"part": "snippet"}, json={"snippet": snippet},
        ))
        if answer.status == 408:
            raise Unknown("answer_lost", "YouTube answered 408 to the comment.")
        thread = good("YouTube", answer, delivery.now())
        if not thread.get("id"):
            raise Unknown("answer_unreadable", "YouTube said it took the comment and named no id.")
        return remote_of(video_id, str(thread["id"]))

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Read the video's visibility; for the comment, look through the video's."""
        if segment > 0:
            return self._look_for_comment(delivery, segment)
        if not is_uploaded(delivery):
            return SafeToRepeat()  # what there was to publish is gone: so it is not out either
        video_id = uploaded_id(delivery)
        status = read(delivery, video_id)
        if status is None:
            return Absent()
        wanted = privacy_of(delivery.options)
        waits = wanted == "private" and "publishAt" in status  # it was YouTube's to publish before
        if trouble(status) is None and (status.get("privacyStatus") != wanted or waits):
            return SafeToRepeat()
        return settled(status) or found(video_id)

    def _look_for_comment(self, delivery: Delivery, segment: int) -> Resolution:
        video_id, words = delivery.published[0].id, delivery.segments[segment].text
        since = (delivery.armed_at or delivery.now()) - CLOCK_SKEW
        others = delivery.taken | {remote.id for remote in delivery.published}
        params: dict[str, Any] = {"part": "snippet", "videoId": video_id, "order": "time", "textFormat": "plainText"}
        ours: list[str] = []
        for _ in range(PAGES):
            answer = repeatable(delivery, "GET", "/youtube/v3/commentThreads", params={**params, "maxResults": 100})
            page = good("YouTube", answer, delivery.now())
            ours += [
                str(thread["id"]) for thread in page.get("items") or ()
                if str(thread["id"]) not in others and _says(thread, words, delivery.account.account_id, since)
            ]
            if not page.get("nextPageToken"):
                break
            params["pageToken"] = page["nextPageToken"]
        else:
            if not ours:
                return Undecidable(f"The video has more than {PAGES * 100} comments; it has to be looked through by hand.")
        return Found((remote_of(video_id, ours[-1]),)) if ours else Absent()

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """Delete a video, or a comment; what is gone already is no error."""
        path = VIDEOS if len(remote_id) == VIDEO_ID else "/youtube/v3/comments"
        answer = repeatable(delivery, "DELETE", path, params={"id": remote_id})
        if answer.status != 404:
            good("YouTube", answer, delivery.now())

    def discard(self, delivery: Delivery) -> None:
        """Delete the private video that was uploaded ahead for a post that has no use for it any more. Raises as `delete`."""
        if is_uploaded(delivery):
            remove(delivery, uploaded_id(delivery))

    def place(self, delivery: Delivery, at: datetime) -> Remote:
        """Have YouTube make the prepared video public at `at`. `Failed` with `native_unsupported` unless it is to be public."""
        if privacy_of(delivery.options) != "public":
            raise Failed("native_unsupported", "YouTube itself schedules public videos only.")
        remote = remote_of(uploaded_id(delivery))
        if not is_placed(change(delivery, remote.id, status_of(delivery.options, "private", at)), at):
            self.withdraw(delivery, remote)  # whatever time it has now, it is not the post's
            raise Failed("native_refused", "YouTube took the video's time and did not keep it.")
        return remote

    def placed(self, delivery: Delivery, at: datetime) -> Resolution:
        """Read whether YouTube has the time, or has published already."""
        if not is_uploaded(delivery):
            return SafeToRepeat()
        video_id = uploaded_id(delivery)
        status = read(delivery, video_id)
        if status is None:
            return Absent()
        if (wrong := trouble(status)) is not None:
            return Refused(*wrong)
        return found(video_id) if is_placed(status, at) else SafeToRepeat()

    def withdraw(self, delivery: Delivery, remote: Remote) -> None:
        """Take the time off the video again. It stays on the channel as private, and in the checkpoint, for another time."""
        status = read(delivery, remote.id)
        if status is None:
            return
        if status.get("privacyStatus") != "private":
            raise Failed("already_published", "YouTube has published the video already.")
        if "publishAt" not in status:
            return
        body = {"id": remote.id, "status": status_of(delivery.options, "private")}
        answer = repeatable(delivery, "PUT", VIDEOS, params={"part": "status"}, json=body)
        if answer.status == 404:
            return
        said = good("YouTube", answer, delivery.now()).get("status") or {}
        if said.get("privacyStatus") != "private" or "publishAt" in said:
            raise Retry("not_withdrawn", "YouTube did not take the video's time off.")

    def confirm(self, delivery: Delivery, remote: Remote) -> Resolution:
        """After its time: read whether it is public. (Then it is out, even if YouTube should still be at work on the file.)"""
        status = read(delivery, remote.id)
        if status is None:
            return Absent()
        if (wrong := trouble(status)) is not None:
            return Refused(*wrong)
        if status.get("privacyStatus") == "public":
            return found(remote.id)
        return Working(10.0, "YouTube has not published the video yet.") if "publishAt" in status else Absent()

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """The token's own channel."""
        params = {"part": "snippet,contentDetails,status", "mine": "true"}
        url = f"{account.server}/youtube/v3/channels"
        answer = harmless(lambda: http.request("GET", url, headers=bearer(account), params=params))
        items = good("YouTube", answer, None).get("items")
        if not items:
            raise Failed("no_channel", "This Google account has no YouTube channel. Make one, then connect it again.")
        channel = items[0]
        settings = {
            "uploadsPlaylist": ((channel.get("contentDetails") or {}).get("relatedPlaylists") or {}).get("uploads"),
            "longUploads": (channel.get("status") or {}).get("longUploadsStatus"),
        }
        name = str((channel.get("snippet") or {}).get("title") or channel["id"])
        return AccountInfo(str(channel["id"]), name, {key: value for key, value in settings.items() if value})

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The one channel: people choose it on Google's consent page."""
        info = self.verify(account, http)
        return [Choice(info.account_id, info.name, "channel", info.settings)]

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """Google's refresh: a new access token, the refresh token stays."""
        return refresh("YouTube", account, http)

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """YouTube tells of the project's quota only when it is used up."""
        return exhausted(answer, now, DAILY_UNITS)


def _is_ready(delivery: Delivery) -> bool:
    video = delivery.checkpoint.get("video") or {}
    segment, playlist = delivery.segments[0], delivery.options.get("playlistId")
    item = thumbnail_of(segment)
    return bool(
        video.get("ready") and video.get("file") == mark_of(video_of(segment).url)
        and video.get("snippet") == snippet_mark(delivery) and (item is None or video.get("thumbnail") == mark_of(item.url))
        and (not playlist or video.get("playlist") == playlist)
    )


def _age(delivery: Delivery, video: Mapping[str, Any]) -> float:
    """Seconds since the video was uploaded."""
    return (delivery.now() - (moment(video["at"]) or delivery.now())).total_seconds()


def _says(thread: Mapping[str, Any], words: str, channel: str, since: datetime) -> bool:
    """Whether a comment is by `channel`, from since then, and has these words."""
    snippet = ((thread.get("snippet") or {}).get("topLevelComment") or {}).get("snippet") or {}
    author = (snippet.get("authorChannelId") or {}).get("value")
    at = moment(snippet.get("publishedAt"))
    theirs = str(snippet.get("textOriginal") or snippet.get("textDisplay") or "")
    return author == channel and (at is None or at >= since) and theirs.split() == words.split()


PUBLISHER = YouTubePublisher()
