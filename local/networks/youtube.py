"""A stand-in for YouTube: resumable sessions that count bytes, videos that are processed for a while, publishAt that comes true.

Requests are judged by the discovery document (youtube.v3, 20261104): parameters and members that it does not have are
refused. An update resets what it leaves out, as the real one does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ._google import GoogleNetwork, old_error, unauthenticated
from ._youtube_shape import invalid, parameters, time_of, wrong_body, wrong_status
from .base import Entry, Route, World, answer

SESSION_LIFE = timedelta(days=7)
QUARTER_MEGABYTE = 256 * 1024
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

@dataclass
class Video:
    """A video of a channel. `until` is when its processing ends, `fate` what then becomes of it."""

    id: str
    profile_id: str
    snippet: dict[str, Any]
    status: dict[str, Any]
    size: int
    at: datetime
    until: datetime
    fate: dict[str, Any]
    notify: bool
    public_at: datetime | None = None
    ever_public: bool = False
    thumbnail: int | None = None
    entry: Entry | None = None


@dataclass
class Session:
    """An upload under way: how many bytes have arrived, and the video it became."""

    profile_id: str
    body: dict[str, Any]
    size: int
    mime: str
    notify: bool
    until: datetime
    arrived: int = 0
    video: str | None = None


@dataclass
class Comment:
    """A top-level comment."""

    id: str
    video: str
    profile_id: str
    text: str
    at: datetime
    entry: Entry


@dataclass
class Channel:
    """A channel. `long_uploads` is what it says of videos over 15 minutes."""

    profile_id: str
    id: str
    title: str
    long_uploads: str = "allowed"
    playlists: dict[str, list[str]] = field(default_factory=dict)


class YouTubeNetwork(GoogleNetwork):
    """YouTube on the world's clock.

    `processing_seconds` pass until an uploaded video is processed; `fates` are taken by the next uploads, one each (members of
    `status`, like uploadStatus and rejectionReason). `takes` is the most bytes of a chunk that arrive. `keeps_private` leaves
    every video private, `has_channel` false is an account without a channel, `comments_disabled` refuses comments.
    """

    platform: ClassVar[str] = "youtube"
    client: ClassVar[tuple[str, str]] = ("youtube-client", "youtube-client-secret")
    scopes: ClassVar[tuple[str, ...]] = ("youtube.upload", "youtube.force-ssl")

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.processing_seconds = 5.0
        self.fates: list[dict[str, Any]] = []
        self.takes: int | None = None
        self.keeps_private = self.comments_disabled = False
        self.has_channel = True
        self.page_size = 100
        self.channels: dict[str, Channel] = {}
        self.videos: dict[str, Video] = {}
        self.sessions: dict[str, Session] = {}
        self.comments: dict[str, Comment] = {}
        self.routes += [
            Route("GET", "/youtube/v3/channels", "read", self._channels),
            Route("POST", "/upload/youtube/v3/videos", "prepare", self._insert),
            Route("PUT", "/upload/youtube/v3/videos", "prepare", self._chunk),
            Route("POST", "/upload/youtube/v3/thumbnails/set", "prepare", self._thumbnail),
            Route("GET", "/youtube/v3/videos", "read", self._list),
            Route("PUT", "/youtube/v3/videos", "publish", self._update),
            Route("DELETE", "/youtube/v3/videos", "delete", self._delete),
            Route("GET", "/youtube/v3/playlistItems", "read", self._playlist_items),
            Route("POST", "/youtube/v3/playlistItems", "prepare", self._add_to_playlist),
            Route("GET", "/youtube/v3/commentThreads", "read", self._threads),
            Route("POST", "/youtube/v3/commentThreads", "publish", self._comment),
            Route("DELETE", "/youtube/v3/comments", "delete", self._delete_comment),
        ]

    def credentials_for(self, profile_id: str) -> dict[str, Any]:
        """What to connect `profile_id` with, a new channel if it is not known yet."""
        channel, grant = self._channel(profile_id), self.grant_of(profile_id)
        settings = {"uploadsPlaylist": _uploads(channel), "longUploads": channel.long_uploads}
        return {
            "server": "/youtube", "accountId": channel.id, "settings": settings, "expiresIn": 3599,
            "credentials": {
                "accessToken": grant.access, "refreshToken": grant.refresh,
                "clientId": self.client[0], "clientSecret": self.client[1],
            },
        }

    def _channel(self, profile_id: str) -> Channel:
        if profile_id not in self.channels:
            number = len(self.channels) + 1
            self.channels[profile_id] = Channel(profile_id, f"UC{_code(number, 22)}", f"Dateline {number}")
        return self.channels[profile_id]

    def _signed_in(self, request: Request) -> Channel:
        owner = self.owner(request)
        assert owner is not None
        return self._channel(owner)

    def rate_limited(self, retry_after: float) -> Response:
        message = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'youtube'."
        return old_error(429, "rateLimitExceeded", message, "global", {"Retry-After": f"{retry_after:g}"}, "RESOURCE_EXHAUSTED")

    def quota_exceeded(self) -> Response:
        """The day's units are used up."""
        message = 'The request cannot be completed because you have exceeded your <a href="/youtube/v3/start#quota">quota</a>.'
        return old_error(403, "quotaExceeded", message, "youtube.quota")

    def server_error(self) -> Response:
        return old_error(503, "backendError", "Backend Error", "global")

    def rejected(self) -> Response:
        return old_error(403, "forbidden", "The request cannot be authorized: the video may not be changed.", "youtube.common")

    def expired(self) -> Response:
        return unauthenticated()

    def tick(self) -> None:
        """Processing ends, and what was given a time becomes public at that time."""
        for video in self.videos.values():
            status = video.status
            if status["uploadStatus"] == "uploaded" and self.now() >= video.until:
                status.update({"uploadStatus": "processed", **video.fate})
            due = time_of(status.get("publishAt"))
            if due is not None and self.now() >= due:
                del status["publishAt"]
                self._set_privacy(video, "public", due)
            shown = status["privacyStatus"] != "private" and status["uploadStatus"] == "processed"
            if shown and video.entry is None:
                words = video.snippet.get("description") or video.snippet["title"]
                video.entry = self.visible(
                    video.profile_id, video.id, words, [video.id], title=video.snippet["title"], status=dict(status),
                    snippet=dict(video.snippet), notify=video.notify, thumbnail=video.thumbnail,
                )
                video.entry.at = max(video.public_at or self.now(), video.until)
            elif not shown and video.entry is not None:
                video.entry.gone, video.entry = True, None

    def _set_privacy(self, video: Video, privacy: str, at: datetime) -> None:
        if self.keeps_private:
            privacy = "private"
        if privacy != "private" and video.status["privacyStatus"] == "private":
            video.public_at = at
        video.ever_public = video.ever_public or privacy == "public"
        video.status["privacyStatus"] = privacy

    def _channels(self, request: Request) -> Response:
        channel = self._signed_in(request)
        if (wrong := parameters(request, "channels")) is not None:
            return wrong
        whole = {
            "snippet": {"title": channel.title, "publishedAt": "2020-01-01T00:00:00Z"},
            "contentDetails": {"relatedPlaylists": {"likes": "LL", "uploads": _uploads(channel)}},
            "status": {"privacyStatus": "public", "isLinked": True, "longUploadsStatus": channel.long_uploads},
        }
        item = {"kind": "youtube#channel", "id": channel.id, **_chosen(whole, request)}
        items = {"items": [item]} if self.has_channel else {}
        return answer(200, {"kind": "youtube#channelListResponse", **items})

    def _insert(self, request: Request) -> Response:
        channel, body = self._signed_in(request), request.get_json(silent=True)
        if (wrong := parameters(request, "insert")) is not None:
            return wrong
        if not self.has_channel:
            return old_error(401, "youtubeSignupRequired", "Unauthorized", "youtube.header")
        size, mime = request.headers.get("X-Upload-Content-Length", ""), request.headers.get("X-Upload-Content-Type", "")
        known = re.fullmatch(r"video/[\w.+-]+|application/octet-stream", mime)
        if request.args.get("uploadType") != "resumable" or not size.isdigit() or not known:
            return old_error(400, "badContent", f"Media type '{mime}' is not supported. Valid media types: [video/*]")
        if not isinstance(body, dict):
            return invalid("badRequest", "The request body is no JSON.")
        if (wrong := wrong_body(body, request)) is not None:
            return wrong
        if (wrong := wrong_status(body.get("status") or {}, False)) is not None:
            return wrong
        key = f"AEnB2U{self.next_number():020d}"
        notify = request.args.get("notifySubscribers", "true") == "true"
        self.sessions[key] = Session(channel.profile_id, body, int(size), mime, notify, self.now() + SESSION_LIFE)
        where = f"{request.host_url}youtube/upload/youtube/v3/videos?uploadType=resumable&part=snippet,status&upload_id={key}"
        return Response(status=200, headers={"Location": where, "X-GUploader-UploadID": key})

    def _chunk(self, request: Request) -> Response:
        session = self.sessions.get(request.args.get("upload_id", ""))
        if session is None or session.until <= self.now() or session.profile_id != self.owner(request):
            return Response("Not Found", status=404, content_type="text/plain")
        if session.video is not None:
            return answer(200, self._shown(self.videos[session.video], ("snippet", "status")))
        found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)", request.headers.get("Content-Range", ""))
        data = request.get_data()
        if found is None or int(found[3]) != session.size:
            return old_error(400, "badRequest", "Failed to parse Content-Range header.", "global")
        if found[1] is not None:
            first, last = int(found[1]), int(found[2])
            whole = last + 1 == session.size or (last + 1 - first) % QUARTER_MEGABYTE == 0
            if last - first + 1 != len(data) or first != session.arrived or not whole:
                message = "Invalid request. The number of bytes uploaded is required to be equal or greater than 262144, except" \
                    " for the final request (it's recommended to be the exact multiple of 262144)."
                return old_error(400, "badRequest", message, "global")
            session.arrived += len(data) if self.takes is None else min(len(data), self.takes)
        if session.arrived < session.size:
            arrived = {"Range": f"bytes=0-{session.arrived - 1}"} if session.arrived else {}
            return Response(status=308, headers=arrived)
        return answer(200, self._shown(self._finish(session), ("snippet", "status")))

    def _finish(self, session: Session) -> Video:
        status = {"privacyStatus": "public", "license": "youtube", "embeddable": True, "publicStatsViewable": True,
                  **(session.body.get("status") or {}), "uploadStatus": "uploaded"}
        fate = self.fates.pop(0) if self.fates else {}
        snippet = {"title": "unknown", "description": "", "categoryId": "22", **(session.body.get("snippet") or {})}
        privacy, status["privacyStatus"] = str(status["privacyStatus"]), "private"
        until = self.now() + timedelta(seconds=self.processing_seconds)
        number = _code(self.next_number(), 11)
        video = Video(number, session.profile_id, snippet, status, session.size, self.now(), until, fate, session.notify)
        self._set_privacy(video, privacy, self.now())
        self.videos[video.id] = video
        session.video = video.id
        self.tick()
        return video

    def _shown(self, video: Video, parts: tuple[str, ...]) -> dict[str, Any]:
        status = {**video.status, "madeForKids": bool(video.status.get("selfDeclaredMadeForKids"))}
        whole = {
            "snippet": {**video.snippet, "publishedAt": _zulu(video.at), "channelId": self._channel(video.profile_id).id},
            "status": status, "fileDetails": {"fileName": "unknown", "fileSize": str(video.size), "fileType": "video"},
            "processingDetails": {"processingStatus": "processing" if status["uploadStatus"] == "uploaded" else "succeeded"},
        }
        return {"kind": "youtube#video", "id": video.id, **{part: whole[part] for part in parts if part in whole}}

    def _mine(self, request: Request, video_id: str | None) -> Video | None:
        video = self.videos.get(video_id or "")
        return video if video is not None and video.profile_id == self._signed_in(request).profile_id else None

    def _list(self, request: Request) -> Response:
        if (wrong := parameters(request, "videos")) is not None:
            return wrong
        parts = tuple(request.args["part"].split(","))
        if not request.args.get("id"):
            return invalid("missingRequiredParameter", "No filter selected. Expected one of: id, chart", "youtube.parameter")
        found = [self._mine(request, one) for one in request.args["id"].split(",")]
        items = [self._shown(video, parts) for video in found if video is not None]
        return answer(200, {"kind": "youtube#videoListResponse", "items": items, "pageInfo": {"totalResults": len(items)}})

    def _update(self, request: Request) -> Response:
        body = request.get_json(silent=True)
        if (wrong := parameters(request, "update")) is not None:
            return wrong
        if not isinstance(body, dict) or not isinstance(body.get("id"), str):
            return invalid("invalidRequest", "The request body names no video.")
        if (wrong := wrong_body({name: value for name, value in body.items() if name != "id"}, request)) is not None:
            return wrong
        video = self._mine(request, body["id"])
        if video is None:
            return old_error(404, "videoNotFound", "The video that you are trying to update cannot be found.")
        parts = tuple(request.args["part"].split(","))
        if "snippet" in parts:
            snippet = body.get("snippet") or {}
            if not snippet.get("title") or not snippet.get("categoryId"):
                reason = "invalidCategoryId" if snippet.get("title") else "invalidTitle"
                return invalid(reason, "title and categoryId are required.")
            video.snippet = {"description": "", **snippet}
        if "status" in parts:
            status = dict(body.get("status") or {})
            if (wrong := wrong_status(status, video.ever_public)) is not None:
                return wrong
            read_only = ("uploadStatus", "rejectionReason", "failureReason")
            kept = {name: video.status[name] for name in read_only if name in video.status}
            # What is left out is reset, and embedding is one of it.
            fresh = {"license": "youtube", "embeddable": False, "publicStatsViewable": False, **status, **kept}
            before, privacy = video.status["privacyStatus"], str(status.get("privacyStatus", "public"))
            video.status = {**fresh, "privacyStatus": before}
            self._set_privacy(video, privacy, self.now())
        self.tick()
        return answer(200, self._shown(video, parts))

    def _delete(self, request: Request) -> Response:
        if (wrong := parameters(request, "videos")) is not None:
            return wrong
        video = self._mine(request, request.args.get("id"))
        if video is None:
            return old_error(404, "videoNotFound", "The video that you are trying to delete cannot be found.")
        del self.videos[video.id]
        for entry in [video.entry, *(c.entry for c in self.comments.values() if c.video == video.id)]:
            if entry is not None:
                entry.gone = True
        self.comments = {key: comment for key, comment in self.comments.items() if comment.video != video.id}
        return Response(status=204)

    def _thumbnail(self, request: Request) -> Response:
        if (wrong := parameters(request, "thumbnail")) is not None:
            return wrong
        video, data = self._mine(request, request.args.get("videoId")), request.get_data()
        if video is None:
            return old_error(404, "videoNotFound", "The video of the thumbnail cannot be found.", "youtube.thumbnail")
        if request.mimetype not in ("image/jpeg", "image/png") or not data.startswith((b"\xff\xd8\xff", b"\x89PNG")):
            return old_error(400, "invalidImage", "The provided image content is invalid.", "youtube.thumbnail")
        video.thumbnail = len(data)
        return answer(200, {"kind": "youtube#thumbnailSetResponse", "items": []})

    def _playlist_items(self, request: Request) -> Response:
        channel = self._signed_in(request)
        if (wrong := parameters(request, "playlistItems")) is not None:
            return wrong
        playlist = request.args.get("playlistId", "")
        if playlist == _uploads(channel):
            newest = sorted(self.videos.values(), key=lambda video: video.at, reverse=True)
            ids = [video.id for video in newest if video.profile_id == channel.profile_id]
        elif playlist in channel.playlists:
            ids = channel.playlists[playlist]
        else:
            return old_error(404, "playlistNotFound", "The playlist cannot be found.", "youtube.playlistItem")
        ids = [one for one in ids if request.args.get("videoId") in (None, one) and one in self.videos]
        items = [
            {"kind": "youtube#playlistItem", "id": f"UEx{one}", "snippet": {
                "title": self.videos[one].snippet["title"], "playlistId": playlist, "channelId": channel.id,
                "resourceId": {"kind": "youtube#video", "videoId": one},
            }} for one in ids[:int(request.args.get("maxResults", "5"))]
        ]
        return answer(200, {"kind": "youtube#playlistItemListResponse", "items": items})

    def _add_to_playlist(self, request: Request) -> Response:
        channel, body = self._signed_in(request), request.get_json(silent=True) or {}
        snippet = body.get("snippet") or {}
        resource = snippet.get("resourceId") or {}
        extra = set(body) - {"snippet"} or set(snippet) - {"playlistId", "resourceId", "position"}
        if extra or parameters(request, "playlistItems") is not None:
            return invalid("playlistItemsNotAccessible", "The request has members that it may not have.")
        if snippet.get("playlistId") not in channel.playlists:
            return old_error(404, "playlistNotFound", "The playlist cannot be found.", "youtube.playlistItem")
        if resource.get("kind") != "youtube#video" or self._mine(request, resource.get("videoId")) is None:
            return old_error(404, "videoNotFound", "Video not found.", "youtube.playlistItem")
        channel.playlists[snippet["playlistId"]].append(resource["videoId"])
        return answer(200, {"kind": "youtube#playlistItem", "id": f"UEx{resource['videoId']}", "snippet": snippet})

    def _comment(self, request: Request) -> Response:
        channel, body = self._signed_in(request), request.get_json(silent=True) or {}
        snippet = body.get("snippet") or {}
        top = snippet.get("topLevelComment") or {}
        text = (top.get("snippet") or {}).get("textOriginal")
        video = self.videos.get(str(snippet.get("videoId")))
        domain = "youtube.commentThread"
        extra = set(body) - {"snippet"} or set(snippet) - {"videoId", "channelId", "topLevelComment"}
        if extra or not isinstance(text, str) or not text.strip():
            return old_error(400, "commentTextRequired", "The comment must specify a value for textOriginal.", domain)
        if len(text) > 10_000:
            return old_error(400, "commentTextTooLong", "The comment text is too long.", domain)
        if video is None:
            return old_error(404, "videoNotFound", "The video cannot be found.", domain)
        if video.status["privacyStatus"] == "private":
            return old_error(403, "forbidden", "The comment thread could not be created: the video is private.", domain)
        if self.comments_disabled or video.status.get("selfDeclaredMadeForKids"):
            return old_error(403, "commentsDisabled", "The video identified by videoId has disabled comments.", domain)
        number = f"Ug{_code(self.next_number(), 22)}AB"
        entry = self.visible(channel.profile_id, number, text, [], video.id)
        self.comments[number] = Comment(number, video.id, channel.profile_id, text, self.now(), entry)
        return answer(200, self._thread(self.comments[number]))

    def _thread(self, comment: Comment) -> dict[str, Any]:
        said = {
            "textOriginal": comment.text, "textDisplay": comment.text, "videoId": comment.video, "publishedAt": _zulu(comment.at),
            "authorChannelId": {"value": self._channel(comment.profile_id).id},
        }
        top = {"kind": "youtube#comment", "id": comment.id, "snippet": said}
        return {"kind": "youtube#commentThread", "id": comment.id, "snippet": {"videoId": comment.video, "topLevelComment": top}}

    def _threads(self, request: Request) -> Response:
        if (wrong := parameters(request, "commentThreads")) is not None:
            return wrong
        of_video = [one for one in self.comments.values() if one.video == request.args.get("videoId")]
        newest = sorted(of_video, key=lambda one: one.at, reverse=True)
        first, size = int(request.args.get("pageToken", "0")), min(self.page_size, int(request.args.get("maxResults", "20")))
        more = {"nextPageToken": str(first + size)} if first + size < len(newest) else {}
        items = [self._thread(one) for one in newest[first:first + size]]
        return answer(200, {"kind": "youtube#commentThreadListResponse", "items": items, **more})

    def _delete_comment(self, request: Request) -> Response:
        comment = self.comments.pop(request.args.get("id", ""), None)
        if comment is None:
            return old_error(404, "commentNotFound", "The comment cannot be found.", "youtube.comment")
        comment.entry.gone = True
        return Response(status=204)


def _uploads(channel: Channel) -> str:
    return "UU" + channel.id[2:]


def _code(number: int, length: int) -> str:
    """An id of so many letters, another for each number."""
    out, rest = "", number * 2_654_435_761 + 97
    for _ in range(length):
        rest, place = divmod(rest, 64)
        out += LETTERS[place]
    return out


def _zulu(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _chosen(whole: Mapping[str, Any], request: Request) -> dict[str, Any]:
    return {part: whole[part] for part in request.args["part"].split(",") if part in whole}
