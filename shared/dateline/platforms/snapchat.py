"""Snapchat: its publisher over the Public Profile API. Its rules, its codes and the encryption have modules of their own.

A file is encrypted and uploaded in parts to a medium of its own, which is then published as a story, a saved story or a Spotlight
by one call. The medium's id is saved before the first part. Nothing but that last call is visible to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ._snapchat_calls import (
    ERRORS,
    PROCESSING_WAIT,
    Expired,
    Posting,
    about,
    code_of,
    get,
    good,
    moment,
    profiles_in,
    whole,
)
from ._snapchat_media import Encrypted, Part, parts_of, text_of
from ._snapchat_rules import LOCALE, Kind, kind_of, title_of
from ._snapchat_rules import RULES as RULES
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
    NotReady,
    Processing,
    Remote,
    Resolution,
    Retry,
    Standard,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from .calls import bearer, form_with_file, harmless, irreversible, repeatable, said_by
from .connect import Choice, OAuth2

MEDIA_LIFE, MEDIA_MARGIN = timedelta(hours=24), timedelta(minutes=30)
PART_SECONDS = 45.0
"""The deadline of one part of up to 31 MB."""
WORK_SECONDS = {"image": 5.0, "video": 10.0}
"""What Snapchat is given to work on a file before it is asked to publish it. Where that is too short it says so."""
LISTING_PATIENCE = timedelta(minutes=3)
"""How long what was published may take to be listed."""
CLOCK_SKEW = timedelta(seconds=60)
PATHS: Mapping[Kind, str] = {"story": "stories", "saved_story": "saved_stories", "spotlight": "spotlights"}
PAGES = 10


class SnapchatPublisher(Standard):
    """Stories, saved stories and Spotlights of one public profile. Stateless."""

    rules = RULES
    credential_fields: tuple[CredentialField, ...] = (
        CredentialField("accessToken", True, "Token with the scope snapchat-profile-api, of an app that Snap has on its list."),
        CredentialField("refreshToken", False, "An access token alone lasts an hour at the most."),
        CredentialField("clientId", False, "The app's client id; needed to refresh."),
        CredentialField("clientSecret", False, "The app's client secret; needed to refresh."),
        CredentialField("profileId", False, "The public profile to post to, where it is not the user's own."),
    )
    default_server = "https://businessapi.snapchat.com"
    connect = OAuth2(
        authorize=("accounts.snapchat.com", "/login/oauth2/authorize"),
        token=("accounts.snapchat.com", "/login/oauth2/access_token"), scopes=("snapchat-profile-api",), pkce=False,
    )

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True until the whole file is with Snapchat, and again when Snapchat is about to forget it."""
        return not (_lives(delivery) and delivery.checkpoint.get("finalized"))

    def prepare(self, delivery: Delivery) -> None:
        """Create the medium, upload the parts that are not there yet, close it, and give Snapchat time to work on it: publishing
        before would be refused, and a call that is known to be too early is no call to arm for."""
        item = delivery.segments[0].media[0]
        file = delivery.media.open(item)
        limit = RULES.media[item.type]
        if file.mime not in limit.formats:
            raise Failed("media_format", f"Snapchat takes {', '.join(limit.formats)} here; this file is {file.mime}.")
        if file.size > limit.bytes:
            raise Failed("media_too_large", f"Snapchat takes at most {limit.bytes:,} bytes here; this file has {file.size:,}.")
        resumed = _lives(delivery)
        if not resumed:
            self._create(delivery, "VIDEO" if item.type == "video" else "IMAGE")
        for part in parts_of(file.size)[int(delivery.checkpoint["parts"]) :]:
            self._add(delivery, file, part, resumed)
            resumed = False
        if not delivery.checkpoint.get("finalized"):
            url = _address(delivery, delivery.checkpoint["finalizePath"])
            form = {"action": (None, "FINALIZE")}
            answer = harmless(lambda: delivery.http.request("POST", url, headers=bearer(delivery.account), files=form))
            self._uploaded(delivery, answer, resumed)
            delivery.save(finalized=True)
            raise NotReady("media_processing", "Snapchat is working on the file.", WORK_SECONDS[item.type])

    def _create(self, delivery: Delivery, kind: str) -> None:
        """A medium with a key of its own. The key has to be the same for every part, over all tries, so it is saved with the
        medium's id. It keeps nothing from whoever may read the table: the file itself lies in the deployment's own bucket without
        it, and Snapchat is sent the key along with the file."""
        from secrets import token_bytes

        key, iv = text_of(token_bytes(32)), text_of(token_bytes(16))
        body = {"type": kind, "name": delivery.post_id, "key": key, "iv": iv}
        made = good(repeatable(delivery, "POST", f"{_profile(delivery)}/media", json=body))
        if not (made.get("media_id") and made.get("add_path") and made.get("finalize_path")):
            raise Retry("answer_unreadable", "Snapchat made room for the file and did not say where.")
        delivery.save(
            mediaId=str(made["media_id"]), addPath=str(made["add_path"]), finalizePath=str(made["finalize_path"]),
            key=key, tail=iv, parts=0, finalized=False, posting=False, until=(delivery.now() + MEDIA_LIFE).isoformat(),
        )

    def _add(self, delivery: Delivery, file: MediaFile, part: Part, resumed: bool) -> None:
        delivery.need(PART_SECONDS)
        encrypted = Encrypted(file, part, delivery.checkpoint["key"], delivery.checkpoint["tail"])
        form = {"action": "ADD", "part_number": str(part.number)}
        body, kind = form_with_file(form, "file", f"part{part.number}", encrypted)
        url, headers = _address(delivery, delivery.checkpoint["addPath"]), {**bearer(delivery.account), **kind}
        answer = harmless(lambda: delivery.http.request("POST", url, headers=headers, data=body, seconds=PART_SECONDS))
        self._uploaded(delivery, answer, resumed)
        delivery.save(parts=part.number, tail=encrypted.tail)

    def _uploaded(self, delivery: Delivery, answer: Answer, resumed: bool) -> None:
        """Raise what an answer to an upload means that is no success. One that is refused when it may have been made before says
        little: the file is then uploaded afresh."""
        try:
            good(answer)
        except Failed as refused:
            if not resumed:
                raise
            _forget(delivery)
            raise Retry("upload_refused", f"{refused.detail} The file is uploaded afresh.", 1.0) from None
        except Expired as expired:
            _forget(delivery)
            raise Retry(expired.code, expired.detail, 1.0) from None

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """The one call that publishes the medium."""
        content, kind = delivery.segments[segment], kind_of(delivery.segments[segment], delivery.options)
        media_id = delivery.checkpoint.get("mediaId")
        if not media_id:
            raise Retry("media_gone", "The file has to be uploaded again.", 1.0)
        url = delivery.account.server + f"{_profile(delivery)}/{PATHS[kind]}"
        body = _body(kind, str(media_id), content.text, delivery.options)
        answer = irreversible(lambda: delivery.http.request("POST", url, headers=bearer(delivery.account), json=body))
        known = ERRORS.get(code_of(answer))
        if answer.status == 408 or (known is not None and known.meaning == "retry"):
            raise Unknown("server_error", "Snapchat answered the publishing call with an error of its own.")
        if answer.status < 300 and not said_by(answer):
            raise Unknown("answer_unreadable", "Snapchat's answer to the publishing call says nothing.")
        try:
            return (_remote(delivery, kind, good(answer)),)
        except Expired as expired:
            _forget(delivery)
            raise Retry(expired.code, expired.detail, 1.0) from None
        except Posting as posting:
            # Nobody else has this medium: an earlier call of ours is taking effect.
            delivery.save(posting=True)
            raise Processing(posting.code, posting.detail, PROCESSING_WAIT) from None

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Look for the post among those of its kind, by its words and time. Asking Snapchat to post the same medium again would
        tell only as long as the first call is under way; afterwards it might post it twice, so that is never done.

        What a listing does not show is no proof of absence: Snap documents none.
        """
        kind = kind_of(delivery.segments[segment], delivery.options)
        found = self._look(delivery, segment, kind) if kind != "story" else None
        if found:
            return Found((found,))
        if delivery.checkpoint.get("posting"):
            return Found((_remote(delivery, kind, {}),))
        since = delivery.armed_at or delivery.now()
        if found == () and delivery.now() - since < LISTING_PATIENCE:
            return Working(20.0, "Snapchat does not list the post yet.")
        return Undecidable("Snapchat has no way to ask whether a call took effect.")

    def _look(self, delivery: Delivery, segment: int, kind: Kind) -> Remote | tuple[()] | None:
        """The post among the profile's newest of its kind; () when it is not there or several may be it, None when Snapchat lists
        nothing."""
        answer = repeatable(delivery, "GET", f"{_profile(delivery)}/{PATHS[kind]}", params={"limit": 50})
        try:
            rows = good(answer).get(PATHS[kind])
        except (Failed, Expired, Posting):
            return None
        if not isinstance(rows, list):
            return None
        text = delivery.segments[segment].text
        wanted = title_of(text, delivery.options) if kind == "saved_story" else text
        since = (delivery.armed_at or delivery.now()) - CLOCK_SKEW
        ours = {remote.id for remote in delivery.published} | delivery.taken
        found = []
        for row in rows:
            one = row.get(kind) if isinstance(row, Mapping) and isinstance(row.get(kind), Mapping) else row
            if not isinstance(one, Mapping) or not one.get("id") or str(one["id"]) in ours:
                continue
            made = moment(one.get("created_at"))
            says = one.get("title") if kind == "saved_story" else one.get("description")
            if made is not None and made >= since and str(says or "").strip() == wanted.strip():
                found.append(_remote(delivery, kind, {"id": one["id"]}))
        return found[0] if len(found) == 1 else ()

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """Snap documents no call for it."""
        raise Failed("unsupported", "Snapchat documents no way for an app to delete a post; delete it in Snapchat.")

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """`GET /v1/public_profiles/{id}`, or the user's own profile where none is named."""
        profile_id = account.account_id or account.credentials.get("profileId") or "my_profile"
        found = profiles_in(get(account, http, f"/v1/public_profiles/{profile_id}"))
        if not found:
            raise Failed("no_profile", "This Snapchat account has no public profile: make one in Snapchat, then connect it.")
        return AccountInfo(*about(found[0]))

    def accounts(self, account: Account, http: Http) -> list[Choice]:
        """The user's own public profile, and those of the organisation that it belongs to."""
        own = profiles_in(get(account, http, "/v1/public_profiles/my_profile"))
        profiles = {str(profile["id"]): profile for profile in own}
        for organization in {str(profile["organization_id"]) for profile in own if profile.get("organization_id")}:
            cursor: str | None = None
            for _ in range(PAGES):
                query = {"limit": 50, **({"cursor": cursor} if cursor else {})}
                try:
                    page = get(account, http, f"/v1/organizations/{organization}/public_profiles", query)
                except Failed:
                    break  # a role on the profile is not always one in the organisation
                profiles |= {str(profile["id"]): profile for profile in profiles_in(page) if str(profile["id"]) not in profiles}
                cursor = (page.get("paging") or {}).get("next_page_id")
                if not cursor:
                    break
        return [Choice(i, name, "profile", settings) for i, name, settings in map(about, profiles.values())]

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """`POST /login/oauth2/access_token`. Keeps a new refresh token where one comes."""
        credentials = account.credentials
        grant, client = credentials.get("refreshToken"), credentials.get("clientId")
        if not grant or not client:
            return None
        form = {"grant_type": "refresh_token", "refresh_token": grant, "client_id": client}
        if credentials.get("clientSecret"):
            form["client_secret"] = credentials["clientSecret"]
        url = account.host("accounts.snapchat.com") + "/login/oauth2/access_token"
        answer = harmless(lambda: http.request("POST", url, data=form))
        body = said_by(answer)
        if answer.status == 200 and body.get("access_token"):
            tokens = {"accessToken": str(body["access_token"])}
            if body.get("refresh_token"):
                tokens["refreshToken"] = str(body["refresh_token"])
            return NewTokens(tokens, whole(body.get("expires_in")))
        error = str(body.get("error") or "")
        if answer.status in (400, 401) and error not in ("invalid_client", "unauthorized_client"):
            raise TokenRefused("grant_refused", f"Snapchat no longer takes the refresh token ({error or answer.status}).")
        raise Retry("refresh_failed", f"Snapchat answered {answer.status} to the refresh ({error or 'no reason given'}).")


def _profile(delivery: Delivery) -> str:
    return f"/v1/public_profiles/{delivery.account.account_id}"


def _lives(delivery: Delivery) -> bool:
    state = delivery.checkpoint
    return bool(state.get("mediaId")) and delivery.now() < datetime.fromisoformat(state["until"]) - MEDIA_MARGIN


def _forget(delivery: Delivery) -> None:
    delivery.save(mediaId=None, key=None, tail=None, parts=0, finalized=False, posting=False)


def _address(delivery: Delivery, path: str) -> str:
    """Where Snapchat wants a part: a path on its own server. The token goes nowhere else."""
    server = delivery.account.server
    if path.startswith(server + "/"):
        return path
    if "://" in path or path.startswith("//"):
        raise Failed("answer_unreadable", "Snapchat named an address for the upload that is none of its own.")
    return f"{server}/{path.lstrip('/')}"


def _body(kind: Kind, media_id: str, text: str, options: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "story":
        return {"media_id": media_id}
    if kind == "saved_story":
        return {"saved_stories": [{"title": title_of(text, options), "snap_sources": [{"media_id": media_id}]}]}
    body: dict[str, Any] = {
        "media_id": media_id, "locale": options.get("locale", LOCALE),
        "skip_save_to_profile": options.get("saveToProfile") is False,
    }
    return {**body, "description": text} if text else body


def _remote(delivery: Delivery, kind: Kind, said: Mapping[str, Any]) -> Remote:
    """What is out. Snapchat names no id for a story: it is known by its medium's."""
    listed = said.get("saved_stories")
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], Mapping) else {}
    inner = first.get("saved_story") if isinstance(first.get("saved_story"), Mapping) else first
    media_id = str(delivery.checkpoint["mediaId"])
    named = [said.get("spotlight_id"), said.get("saved_story_id"), said.get("story_id"), said.get("id"), (inner or {}).get("id")]
    post_id = str(next((name for name in named if name), media_id))
    username = delivery.account.settings.get("username")
    url = f"https://www.snapchat.com/add/{username}" if username else None
    if kind == "spotlight" and post_id != media_id:
        url = f"https://www.snapchat.com/spotlight/{post_id}"
    return Remote(post_id, url, {"mediaId": media_id, "contentType": kind})


PUBLISHER = SnapchatPublisher()
