"""Facebook pages over the Graph API: posts, photos, videos, reels, stories, a first comment; and what Facebook keeps for later.

Facebook has no idempotency key, but photos and videos are there, unseen, before the one call that shows them: a video is asked
for by its id afterwards, a post with photos is known by them, and words alone by the words. Rules and calls stand beside this.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import ceil
from typing import Any

from ._facebook_accounts import pages, whose
from ._facebook_calls import NOT_THERE, SUBCODES, WHO, base, call, is_gone
from ._facebook_looks import (
    AGAIN,
    EARLY,
    VIDEO_GONE,
    comment_among,
    finished,
    post_among,
    remote_of,
    story_of,
    video,
    video_remote,
)
from ._facebook_rules import RULES as RULES
from ._facebook_uploads import EDGES, VIDEO_HOST, kind, missing, upload_all
from ._meta import VERSION, Meaning, bearer_token, error_of, quotas_of, refusal_of, said_well
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
    NotReady,
    Outcome,
    Processing,
    Quota,
    Refused,
    Remote,
    Resolution,
    Retry,
    Standard,
    Unknown,
    Working,
)
from .calls import irreversible, said_by, uploads_of
from .connect import Choice, OAuth2

COMMENT_SUBCODES = {**SUBCODES, NOT_THERE: Meaning("retry", "parent_not_visible", 5.0)}
"""A post may not take comments in the very second it appears."""
SCOPES = ("pages_show_list", "pages_read_engagement", "pages_manage_posts", "pages_manage_engagement")


class FacebookPublisher(Standard):
    """`Publisher` and `Native` for one page; `account.account_id` is the page's id. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "The page's access token (not the user's), with pages_manage_posts and"
                        " pages_read_engagement; pages_manage_engagement for a first comment."),
        CredentialField("clientId", False, "The app's id."),
        CredentialField("clientSecret", False, "The app's secret."),
    )
    default_server = "https://graph.facebook.com"
    connect: OAuth2 | None = OAuth2(
        authorize=("www.facebook.com", f"/{VERSION}/dialog/oauth"),
        token=("graph.facebook.com", f"/{VERSION}/oauth/access_token"),
        scopes=SCOPES, scope_separator=",", pkce=False,
    )

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True while a photo or a video is not up."""
        return missing(delivery)

    def start(self, delivery: Delivery) -> Mapping[str, Any]:
        """When the first try began that may have had an effect: nothing that is older can be ours."""
        known = delivery.uncertain and delivery.checkpoint.get("since")
        return {} if known else {"since": delivery.now().isoformat()}

    def prepare(self, delivery: Delivery) -> None:
        """Upload the photos, unseen, or the video, unfinished."""
        upload_all(delivery)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """One call: the feed's post, the story, the end of the video's upload, or the comment.

        A video that Facebook still works on is `Processing`. A duplicate refusal is about our own earlier call only if one was
        uncertain and a look finds its post; and so may be any refusal of media, which can be shown once. Media that are refused
        though our call was never made are brought up afresh, once: Facebook may have removed them.
        """
        try:
            return self._publish(delivery, segment)
        except Failed as refused:
            failed = refused
        media = segment == 0 and bool(delivery.segments[0].media)
        duplicate = failed.code == "duplicate_content"
        if not delivery.uncertain or not (media or duplicate):
            if media and not delivery.uncertain and _forgets(delivery, failed):
                raise Retry("media_gone", "Facebook may have removed what was uploaded; it is uploaded again.", 1.0)
            raise failed
        try:
            seen = video(delivery) if segment == 0 and kind(delivery) in EDGES else self.resolve(delivery, segment)
        except Outcome as error:
            raise Unknown("refused_unclear", f"Facebook refused, and looking for the post failed ({error.code}).") from None
        if isinstance(seen, Found):
            return seen.remotes
        if isinstance(seen, Working):
            raise Processing("video_processing", "Facebook has the video and is working on it.", seen.after)
        if duplicate:
            raise Unknown("duplicate_not_found", "Facebook calls it a duplicate, and no post of the page is it.")
        if (isinstance(seen, Absent) or (isinstance(seen, Refused) and seen.again)) and _forgets(delivery, failed):
            raise Retry("media_gone", "Facebook may have removed what was uploaded; it is uploaded again.", 1.0)
        raise failed

    def _publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        page = delivery.account.account_id
        if segment > 0:
            body = {"message": delivery.segments[segment].text}
            return (remote_of(_named(_sent(delivery, f"/{delivery.published[0].id}/comments", body, COMMENT_SUBCODES))),)
        what = kind(delivery)
        if what == "photo_story":
            said = _sent(delivery, f"/{page}/photo_stories", {"photo_id": _uploaded(delivery)[0]})
            return (Remote(_named(said, "post_id")),)
        if what not in EDGES:
            return (remote_of(_named(_sent(delivery, f"/{page}/feed", _post(delivery)))),)
        said = _sent(delivery, f"/{page}/{EDGES[what]}", _end(delivery))
        if what == "video_story" and said.get("post_id"):
            delivery.save(storyId=str(said["post_id"]))
        try:
            seen: Resolution = video(delivery)
        except Outcome:
            seen = Working(AGAIN, "")
        if isinstance(seen, Found):
            return seen.remotes
        raise Processing("video_processing", "Facebook has the video and is working on it.", AGAIN)

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """A video by its id; the rest among the page's posts, its stories, or the post's comments."""
        if segment > 0:
            return comment_among(delivery, segment)
        what = kind(delivery)
        if what in EDGES:
            return finished(delivery)
        if what == "photo_story":
            return story_of(delivery, _uploaded(delivery)[0])
        return post_among(delivery, "posts")

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """`DELETE /{id}`; what is gone already is no error. A missing permission is told alike: what can be read stands."""
        answer = call(delivery.account, delivery.http, "DELETE", f"/{remote_id}")
        if is_gone(answer) and is_gone(call(delivery.account, delivery.http, "GET", f"/{remote_id}", params={"fields": "id"})):
            return
        said_well(WHO, answer, delivery.now(), SUBCODES)

    def place(self, delivery: Delivery, at: datetime) -> Remote:
        """Hand the post over, to be published by Facebook at `at`. Raises as `publish`.

        A first comment is not part of it: a post that is not out takes none.
        """
        try:
            return self._place(delivery, at)
        except Failed as refused:
            if delivery.segments[0].media and _forgets(delivery, refused):
                raise NotReady("media_gone", "What was uploaded is used up; it is uploaded again.", 1.0) from None
            raise

    def _place(self, delivery: Delivery, at: datetime) -> Remote:
        what, page = kind(delivery), delivery.account.account_id
        when = ceil(at.timestamp())  # whole seconds, and never early
        later: dict[str, Any] = {"published": False, "scheduled_publish_time": when, "unpublished_content_type": "SCHEDULED"}
        if what in ("photo_story", "video_story"):
            raise Failed("unsupported", "Facebook does not keep a story until its time.")
        if what in EDGES:
            [number] = _uploaded(delivery)
            if what == "reel":
                later = {"video_state": "SCHEDULED", "scheduled_publish_time": when}
            _sent(delivery, f"/{page}/{EDGES[what]}", {**_end(delivery), **later})
            return video_remote(delivery, what, number)
        return remote_of(_named(_sent(delivery, f"/{page}/feed", {**_post(delivery), **later})))

    def placed(self, delivery: Delivery, at: datetime) -> Resolution:
        """Look whether a `place` without an answer took effect: among what the page keeps, then among what is out."""
        what = kind(delivery)
        if what in EDGES:
            seen = video(delivery)
            if isinstance(seen, Working):
                return Found((video_remote(delivery, what, _uploaded(delivery)[0]),))
            return Absent() if isinstance(seen, Refused) and seen.code == VIDEO_GONE else seen
        kept = post_among(delivery, "scheduled_posts", at)
        return post_among(delivery, "posts", since=_from(delivery, at)) if isinstance(kept, Absent) else kept

    def withdraw(self, delivery: Delivery, remote: Remote) -> None:
        """`DELETE /{id}` before its time. What Facebook does not know is gone only if the page's list does not have it either."""
        if self._is_out(delivery, remote) is True:
            raise Failed("already_published", "Facebook has published the post already.")
        answer = call(delivery.account, delivery.http, "DELETE", f"/{remote.id}")
        if not is_gone(answer):
            said_well(WHO, answer, delivery.now(), SUBCODES)
        elif delivery.publish_at is not None and isinstance(post_among(delivery, "scheduled_posts", delivery.publish_at), Found):
            raise Failed("forbidden", "Facebook keeps the post and does not let this token take it back.")

    def confirm(self, delivery: Delivery, remote: Remote) -> Resolution:
        """After its time: `Found`, `Working` while Facebook has it still, `Absent` when it has it nowhere."""
        out = self._is_out(delivery, remote)
        if out is None:
            since = _from(delivery, delivery.publish_at)
            return Absent() if kind(delivery) in EDGES else post_among(delivery, "posts", since=since)
        if out:
            return Found((remote,))
        if kind(delivery) in EDGES and isinstance(seen := video(delivery), Refused):
            return seen
        return Working(AGAIN, "Facebook has the post and has not published it yet.")

    def _is_out(self, delivery: Delivery, remote: Remote) -> bool | None:
        """Whether what was handed over is published; None when Facebook knows nothing of it."""
        name = "published" if kind(delivery) in EDGES else "is_published"
        answer = call(delivery.account, delivery.http, "GET", f"/{remote.id}", params={"fields": name})
        if is_gone(answer):
            return None
        return said_well(WHO, answer, delivery.now(), SUBCODES).get(name) is True

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """`GET /me` with the page's token."""
        return whose(account, http)

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The user's pages that the app may post to, each with its own token."""
        return pages(account, http)

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """What the usage headers say, in per cent."""
        return quotas_of(answer, now)


def _forgets(delivery: Delivery, refused: Failed) -> bool:
    """Forget what was uploaded, once for a delivery, where a refusal may be about that. True if so."""
    if refused.code != "rejected" or delivery.checkpoint.get("afresh"):
        return False
    delivery.save(media={}, afresh=True)
    return True


def _from(delivery: Delivery, at: datetime | None) -> datetime | None:
    """Where to look from for what Facebook was to publish at `at`: shortly before, once that has come."""
    return at - EARLY if at is not None and at <= delivery.now() else None


def _post(delivery: Delivery) -> dict[str, Any]:
    """The members of a post of the feed."""
    body: dict[str, Any] = {}
    if delivery.segments[0].text:
        body["message"] = delivery.segments[0].text
    if delivery.segments[0].media:
        body["attached_media"] = [{"media_fbid": photo} for photo in _uploaded(delivery)]
    elif delivery.options.get("link"):
        body["link"] = delivery.options["link"]
    return body


def _end(delivery: Delivery) -> dict[str, Any]:
    """The members of the call that ends a video's upload and publishes it."""
    what, [number] = kind(delivery), _uploaded(delivery)
    if what == "video_story":
        return {"upload_phase": "finish", "video_id": number}
    text, title = delivery.segments[0].text, delivery.options.get("title")
    said = {"description": text, "title": title}
    body: dict[str, Any] = {"upload_phase": "finish", **{name: value for name, value in said.items() if value}}
    if what == "reel":
        return {**body, "video_id": number, "video_state": "PUBLISHED"}
    return {**body, "upload_session_id": delivery.checkpoint["media"]["0/0"]["session"]}


def _uploaded(delivery: Delivery) -> list[str]:
    ids = uploads_of(delivery, 0)
    if len(ids) != len(delivery.segments[0].media):
        raise Retry("media_gone", "Not every medium of this post is uploaded; they are uploaded again.")
    return ids


def _sent(
    delivery: Delivery, path: str, body: Mapping[str, Any], subcodes: Mapping[int, Meaning] = SUBCODES
) -> dict[str, Any]:
    """Make the irreversible call: the body of a success; raises what any other answer means."""
    host = VIDEO_HOST if path.endswith("/videos") else ""
    url, account = f"{base(delivery.account, host)}{path}", delivery.account
    answer = irreversible(lambda: delivery.http.request("POST", url, headers=bearer_token(account), json=dict(body)))
    if 200 <= answer.status < 300 and error_of(answer) is None:
        said = said_by(answer)
        if not said or said.get("success") is False:
            raise Unknown("answer_unreadable", "Facebook answered without saying whether it took the post.")
        return said
    raise refusal_of(WHO, answer, delivery.now(), subcodes, armed=True)


def _named(said: Mapping[str, Any], member: str = "id") -> str:
    if not said.get(member):
        raise Unknown("answer_unreadable", "Facebook said it took the post and named no id.")
    return str(said[member])


PUBLISHER = FacebookPublisher()
