"""TikTok: its publisher over the Content Posting API v2. Its rules and the meaning of its codes stand in `_tiktok_rules`.

A video is sent in pieces to an upload that its publish_id names; it goes out with the last piece, so that this piece alone is the
irreversible call, and the publish_id (saved before the first one) tells what became of it. An upload that never gets its last
piece dies by itself within the hour. Photos are fetched by TikTok: the call that asks for it publishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ._tiktok_calls import ERRORS, FAILURES, MINUTE, ask, code_of, headers, post, refused, understood, whole
from ._tiktok_rules import (
    PHOTO_FORMATS,
    PHOTO_MEMBERS,
    PRIVACY,
    VIDEO_BYTES,
    VIDEO_FORMATS,
    VIDEO_MEMBERS,
    is_video,
    words_of,
)
from ._tiktok_rules import RULES as RULES
from .base import (
    Account,
    AccountInfo,
    Answer,
    CredentialField,
    Delivery,
    Failed,
    Found,
    Http,
    MediaFile,
    NewTokens,
    Outcome,
    Processing,
    Refused,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    Standard,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from .calls import bearer, harmless, irreversible, said_by
from .connect import OAuth2

PIECE = 10_000_000
"""Bytes of a piece: over TikTok's least (5 MB) whichever way a megabyte is counted. The last one has up to twice as many."""
UPLOAD_LIFE = timedelta(hours=1)
UPLOAD_MARGIN = timedelta(minutes=5)
"""An upload this close to its end is begun anew, unless its last piece may have arrived."""
CREATOR_LIFE = timedelta(minutes=10)
"""What TikTok said the account may do is asked again after this: its guidelines want it fresh for each post."""
MODERATION = timedelta(seconds=90)
"""How long to wait for a public post's own id once TikTok says that it is out: the id comes after moderation, mostly within a
minute. Without it the post is known by its publish_id, and has no address."""


class TikTokPublisher(Standard):
    """Videos, photos, and drafts of both. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "User access token: user.info.basic, video.publish and, for drafts, video.upload."),
        CredentialField("refreshToken", False, "Each refresh gives a new one; an access token alone lasts two hours."),
        CredentialField("clientId", False, "The app's client key; needed to refresh."),
        CredentialField("clientSecret", False, "The app's client secret; needed to refresh."),
    )
    default_server = "https://open.tiktokapis.com"
    # TikTok's PKCE (for apps without a secret only) hashes in its own way; a server's app has a secret and needs none.
    connect = OAuth2(
        authorize=("www.tiktok.com", "/v2/auth/authorize/"), token=("open.tiktokapis.com", "/v2/oauth/token/"),
        scopes=("user.info.basic", "video.publish", "video.upload"), scope_separator=",", pkce=False, client_id_name="client_key",
    )
    # The access token lasts two hours and is renewed when it is used. What lapses unused is the refresh token, after 180 days:
    # that is told as `grant_expires_in`, and renewing every account every two hours is not the way to prevent it.
    refresh_ahead = 0.0

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True until all of a video but its last piece is with TikTok, and TikTok has said what the account may do."""
        state, now = delivery.checkpoint, delivery.now()
        if not is_video(delivery.segments[0]):
            asked = (state.get("creator") or {}).get("at")
            return asked is None or datetime.fromisoformat(asked) + CREATOR_LIFE <= now
        if not state.get("publishId") or int(state["sent"]) < _last_piece(int(state["size"])):
            return True
        # What may have its last piece is never begun again here: publishing asks first what became of it.
        return not delivery.uncertain and not _lives(state, now)

    def prepare(self, delivery: Delivery) -> None:
        """Ask what the account may do, begin the upload of a video, and send all but its last piece."""
        segment = delivery.segments[0]
        if not is_video(segment):
            for item in segment.media:
                _check_format(delivery.media.open(item).mime, PHOTO_FORMATS)
            self._ask_creator(delivery)
            return
        file = delivery.media.open(segment.media[0])
        _check_format(file.mime, VIDEO_FORMATS)
        if file.size > VIDEO_BYTES:
            raise Failed("media_too_large", f"TikTok takes videos of at most {VIDEO_BYTES:,} bytes; this one has {file.size:,}.")
        if not _lives(delivery.checkpoint, delivery.now()) or delivery.checkpoint["size"] != file.size:
            self._begin(delivery, file)
        last = _last_piece(file.size)
        while (start := int(delivery.checkpoint["sent"])) < last:
            answer = harmless(partial(_put, delivery, file, start, start + PIECE))
            if 200 <= answer.status < 300:
                delivery.save(sent=start + PIECE)
            else:
                self._resume(delivery, answer, start, last)

    def _ask_creator(self, delivery: Delivery) -> dict[str, Any]:
        """What TikTok lets the account do with this post: the audience, and what its owner has switched off for good."""
        known: dict[str, Any] = {"at": delivery.now().isoformat()}
        if not _is_draft(delivery):
            data = ask(delivery, "/v2/post/publish/creator_info/query/", {})
            known |= {
                "privacy": _privacy(delivery.options, data.get("privacy_level_options") or ()),
                "username": data.get("creator_username"), "longest": data.get("max_video_post_duration_sec"),
                "off": [option for option, member in _SWITCHES.items() if data.get(member) is True],
            }
        delivery.save(creator=known)
        return known

    def _begin(self, delivery: Delivery, file: MediaFile) -> None:
        """Begin an upload. One whose answer is lost gets no piece and dies by itself."""
        creator = self._ask_creator(delivery)
        longest = creator.get("longest")
        if isinstance(longest, int) and file.seconds is not None and file.seconds > longest:
            detail = f"TikTok lets this account post videos of {longest} seconds at the most; this one has {file.seconds:.1f}."
            raise Failed("media_too_long", detail)
        count = max(1, file.size // PIECE)
        source = {
            "source": "FILE_UPLOAD", "video_size": file.size, "chunk_size": file.size if count == 1 else PIECE,
            "total_chunk_count": count,
        }
        if _is_draft(delivery):
            data = ask(delivery, "/v2/post/publish/inbox/video/init/", {"source_info": source})
        else:
            info = {"title": delivery.segments[0].text, **_post_info(delivery, VIDEO_MEMBERS)}
            data = ask(delivery, "/v2/post/publish/video/init/", {"post_info": info, "source_info": source})
        if not data.get("publish_id") or not data.get("upload_url"):
            raise Retry("answer_unreadable", "TikTok began an upload and did not say where.")
        # The address is good for this one upload, for an hour, and for adding to it only: without it no piece could be resumed.
        delivery.save(
            publishId=str(data["publish_id"]), uploadUrl=str(data["upload_url"]), size=file.size, sent=0, delivered=False,
            until=(delivery.now() + UPLOAD_LIFE).isoformat(),
        )

    def _resume(self, delivery: Delivery, answer: Answer, start: int, last: int) -> None:
        """After a piece that TikTok did not take: go on from where its own count stands, or begin anew."""
        if answer.status == 416:
            uploaded = self._status(delivery, delivery.checkpoint["publishId"]).get("uploaded_bytes")
            if isinstance(uploaded, int) and start < uploaded <= last and uploaded % PIECE == 0:
                delivery.save(sent=uploaded)
                return
        elif answer.status not in (403, 404) or code_of(answer)[0] in ERRORS:
            raise refused(answer)
        _forget(delivery)
        raise Retry("upload_gone", f"TikTok no longer takes pieces of the upload ({answer.status}); it is begun anew.", 1.0)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """The last piece of a video, or the call that has TikTok fetch and post the photos. TikTok is always at work afterwards:
        raises `Processing` where all is well."""
        if is_video(delivery.segments[segment]):
            self._send_last_piece(delivery)
        else:
            self._post_photos(delivery)
        raise Processing("processing", "TikTok has the post and is at work on it.", 3.0)

    def _send_last_piece(self, delivery: Delivery) -> None:
        state = delivery.checkpoint
        if not state.get("uploadUrl"):
            raise Retry("upload_gone", "The video has to be sent again.", 1.0)
        if delivery.uncertain and not _lives(state, delivery.now(), timedelta(0)):
            raise Unknown("upload_expired", "The upload has lapsed, and its last piece may have arrived before.")
        file = delivery.media.open(delivery.segments[0].media[0])
        if file.size != state["size"]:
            raise Failed("media_changed", "The video is not the one whose upload was begun.")
        answer = irreversible(lambda: _put(delivery, file, int(state["sent"]), file.size))
        if answer.status == 201:
            delivery.save(delivered=True)
        elif 200 <= answer.status < 300:
            raise Unknown("upload_incomplete", "TikTok took the last piece of the video and waits for more.")
        elif answer.status in (403, 404, 416) and code_of(answer)[0] not in ERRORS:
            if delivery.uncertain:
                raise Unknown("upload_closed", "TikTok takes no more pieces: an earlier try may have brought the last one.")
            _forget(delivery)
            raise Retry("upload_gone", f"TikTok no longer takes pieces of the upload ({answer.status}); it is begun anew.", 1.0)
        else:
            outcome = refused(answer)
            if delivery.uncertain and isinstance(outcome, Failed):
                raise Unknown("refused_unclear", f"{outcome.detail} An earlier try may have brought the last piece.")
            raise outcome

    def _post_photos(self, delivery: Delivery) -> None:
        content, draft = delivery.segments[0], _is_draft(delivery)
        title, description = words_of(content.text, delivery.options)
        info = {"title": title, **({"description": description} if description else {})}
        body = {
            "media_type": "PHOTO", "post_mode": "MEDIA_UPLOAD" if draft else "DIRECT_POST",
            "post_info": info if draft else {**info, **_post_info(delivery, PHOTO_MEMBERS)},
            "source_info": {
                "source": "PULL_FROM_URL", "photo_images": [delivery.media.open(item).url() for item in content.media],
                "photo_cover_index": int(delivery.options.get("photoCoverIndex", 0)),
            },
        }
        if delivery.checkpoint.get("publishId"):
            _forget(delivery)  # of an earlier try that is known to have come to nothing
        answer = irreversible(lambda: post(delivery, "/v2/post/publish/content/init/", body))
        code, _ = code_of(answer)
        if answer.status == 408 or (code in ERRORS and ERRORS[code].meaning == "retry"):
            raise Unknown("server_error", "TikTok answered the publishing call with an error of its own.")
        publish_id = understood(answer).get("publish_id")
        if not publish_id:
            raise Unknown("answer_unreadable", "TikTok took the photos and named no publish_id.")
        delivery.save(publishId=str(publish_id), delivered=True)

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """`POST /v2/post/publish/status/fetch/`: TikTok says of each publish_id what became of it."""
        state = delivery.checkpoint
        if not state.get("publishId"):
            if is_video(delivery.segments[segment]):
                return SafeToRepeat()  # no upload was there, so its last piece cannot have been sent
            return Undecidable("TikTok names a post of photos only in the answer that was lost.")
        try:
            data = self._status(delivery, state["publishId"])
        except Outcome:
            if not state.get("complete"):
                raise
            return Found((_remote(delivery, "PUBLISH_COMPLETE", ()),))
        status, now = str(data.get("status") or ""), delivery.now()
        if status == "FAILED":
            _forget(delivery)
            reason = str(data.get("fail_reason") or "no reason given")
            again, detail = FAILURES.get(reason, (False, "TikTok could not post it."))
            return Refused(reason, f"{detail} (TikTok: {reason[:300]})", again)
        if status in ("PUBLISH_COMPLETE", "SEND_TO_USER_INBOX"):
            ids = data.get("publicaly_available_post_id") or data.get("publicly_available_post_id") or ()
            if status == "PUBLISH_COMPLETE" and not ids and _is_public(delivery):
                since = datetime.fromisoformat(state.get("complete") or now.isoformat())
                if now - since < MODERATION:
                    if not state.get("complete"):
                        delivery.save(complete=now.isoformat())
                    return Working(10.0, "TikTok has posted it and is about to name it.")
            return Found((_remote(delivery, status, ids),))
        uploaded = data.get("uploaded_bytes")
        waits = status == "PROCESSING_UPLOAD" and not state.get("delivered")
        if waits and isinstance(uploaded, int) and uploaded < state["size"]:
            if _lives(state, now, -UPLOAD_MARGIN):
                return SafeToRepeat()  # the same piece of the same upload: one post, however often it is sent
            _forget(delivery)
            return Refused("upload_expired", "The last piece of the video never reached TikTok, and the upload has lapsed.", True)
        # Soon at first (most videos take seconds), then ever more seldom, up to once a minute: each look is a write, too.
        waited = (now - (delivery.armed_at or now)).total_seconds()
        return Working(min(max(waited / 5, 3.0), MINUTE), "TikTok is at work on it.")

    def _status(self, delivery: Delivery, publish_id: str) -> dict[str, Any]:
        return ask(delivery, "/v2/post/publish/status/fetch/", {"publish_id": publish_id})

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """TikTok has no call for it."""
        raise Failed("unsupported", "TikTok lets no app delete a post; delete it in TikTok.")

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """`GET /v2/user/info/`; and what the account may post, where the token may ask."""
        url, fields = f"{account.server}/v2/user/info/", {"fields": "open_id,display_name"}
        user = understood(harmless(lambda: http.request("GET", url, headers=bearer(account), params=fields))).get("user") or {}
        if not user.get("open_id"):
            raise Retry("answer_unreadable", "TikTok did not say whose token this is.")
        settings: dict[str, Any] = {}
        try:
            url = f"{account.server}/v2/post/publish/creator_info/query/"
            data = understood(harmless(lambda: http.request("POST", url, headers=headers(account), json={})))
        except Outcome:
            data = {}
        for name, member in (
            ("username", "creator_username"), ("privacyLevels", "privacy_level_options"),
            ("maxVideoSeconds", "max_video_post_duration_sec"),
        ):
            if data.get(member):
                settings[name] = data[member]
        name = f"@{settings['username']}" if "username" in settings else str(user.get("display_name") or user["open_id"])
        return AccountInfo(str(user["open_id"]), name, settings)

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """`POST /v2/oauth/token/`. The refresh token rotates: both new tokens must be kept, the old pair is spent."""
        credentials = account.credentials
        needed = [credentials.get(name) for name in ("refreshToken", "clientId", "clientSecret")]
        if not all(needed):
            return None
        form = {
            "client_key": needed[1], "client_secret": needed[2], "grant_type": "refresh_token", "refresh_token": needed[0],
        }
        answer = harmless(lambda: http.request("POST", f"{account.server}/v2/oauth/token/", data=form))
        body = said_by(answer)
        if body.get("access_token"):
            tokens = {"accessToken": str(body["access_token"])}
            if body.get("refresh_token"):
                tokens["refreshToken"] = str(body["refresh_token"])
            return NewTokens(tokens, whole(body.get("expires_in")), whole(body.get("refresh_expires_in")))
        # An error may come under 200 as well. The app's own credentials being wrong says nothing of the account.
        error = str(body.get("error") or "")
        if error in ("invalid_grant", "invalid_request", "access_denied"):
            raise TokenRefused("grant_refused", f"TikTok no longer takes the refresh token ({error}).")
        raise Retry("refresh_failed", f"TikTok answered {answer.status} to the refresh ({error or 'no reason given'}).")


_SWITCHES: Mapping[str, str] = {
    "disableComment": "comment_disabled", "disableDuet": "duet_disabled", "disableStitch": "stitch_disabled",
}
"""Our option -> member of creator_info that says the account's owner has switched it off for all posts."""


def _is_draft(delivery: Delivery) -> bool:
    return delivery.options.get("draft") is True


def _is_public(delivery: Delivery) -> bool:
    return (delivery.checkpoint.get("creator") or {}).get("privacy") == PRIVACY[0]


def _last_piece(size: int) -> int:
    """Where the last piece of a video of `size` bytes begins: it takes what is left over, and none is below TikTok's least."""
    return (max(1, size // PIECE) - 1) * PIECE


def _lives(state: Mapping[str, Any], now: datetime, margin: timedelta = UPLOAD_MARGIN) -> bool:
    """Whether there is an upload that takes pieces for `margin` yet."""
    return bool(state.get("publishId") and state.get("until")) and now < datetime.fromisoformat(state["until"]) - margin


def _forget(delivery: Delivery) -> None:
    """The upload or post of before is dead: nothing of it may be taken for the next one's."""
    delivery.save(publishId=None, uploadUrl=None, until=None, sent=0, delivered=False, complete=None)


def _check_format(mime: str, taken: tuple[str, ...]) -> None:
    if mime not in taken:
        raise Failed("media_format", f"TikTok takes {', '.join(taken)} here; this file is {mime}.")


def _privacy(options: Mapping[str, Any], offered: Any) -> str:
    """The audience of a post among those that TikTok offers the account: the one asked for, else the most public."""
    names = ", ".join(map(str, offered)) or "none"
    wanted = options.get("privacyLevel")
    if wanted is not None and wanted not in offered:
        detail = f"TikTok does not offer this account the privacyLevel {wanted}; it offers: {names}."
        raise Failed("privacy_not_offered", detail)
    chosen = wanted or next((level for level in PRIVACY if level in offered), None)
    if chosen is None:
        raise Failed("privacy_not_offered", f"TikTok offers this account no audience that Dateline knows: {names}.")
    if chosen == "SELF_ONLY" and options.get("brandContent") is True:
        raise Failed("brand_content_private", "TikTok takes no branded content for nobody else to see, and offers only that.")
    return str(chosen)


def _post_info(delivery: Delivery, members: Mapping[str, str]) -> dict[str, Any]:
    """`post_info` but for its words. What the account's owner has switched off stays off, or TikTok would refuse the post."""
    creator = delivery.checkpoint.get("creator") or {}
    info: dict[str, Any] = {"privacy_level": creator.get("privacy")}
    for option, member in members.items():
        if option == "coverTimestampMs":
            if option in delivery.options:
                info[member] = delivery.options[option]
        else:
            info[member] = delivery.options.get(option) is True or option in (creator.get("off") or ())
    return info


def _put(delivery: Delivery, file: MediaFile, start: int, end: int) -> Answer:
    """One piece, from `start` to before `end`. The address is the key to the upload: no token goes with it."""
    headers = {"Content-Type": file.mime, "Content-Range": f"bytes {start}-{end - 1}/{file.size}"}
    content = file.read(start, end - start)
    return delivery.http.request("PUT", delivery.checkpoint["uploadUrl"], headers=headers, data=content)


def _remote(delivery: Delivery, status: str, ids: Any) -> Remote:
    """What is out: TikTok's id of the post, which private ones have not; then it is known by its publish_id."""
    publish_id = str(delivery.checkpoint["publishId"])
    extra = {"publishId": publish_id, "status": status}
    if audience := (delivery.checkpoint.get("creator") or {}).get("privacy"):
        extra["privacyLevel"] = audience  # what became of "the most public one": an app that is not audited posts for nobody
    if status == "SEND_TO_USER_INBOX":
        extra["note"] = "It is in the inbox of the user's TikTok app, to be finished and posted there."
    if not ids:
        return Remote(publish_id, None, extra)
    post_id = str(next(iter(ids)))
    username = (delivery.checkpoint.get("creator") or {}).get("username") or delivery.account.settings.get("username")
    kind = "video" if is_video(delivery.segments[0]) else "photo"
    return Remote(post_id, f"https://www.tiktok.com/@{username}/{kind}/{post_id}" if username else None, extra)


PUBLISHER = TikTokPublisher()
