"""Calls to TikTok, and what its codes mean, as data. TikTok says its errors in the body, under 200, too: the code counts.

Codes are those of the Content Posting API's reference (direct post, upload, status, error handling; October and November 2026).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from . import calls
from .base import Account, Answer, Delivery, Failed, Outcome, Retry, TokenRefused

MINUTE = 60.0
"""TikTok's limits are per minute."""

Meaning = Literal["token", "retry", "minute", "final"]


class Code(NamedTuple):
    """What a code of TikTok's means: what to do, our code for it, and a sentence for people."""

    meaning: Meaning
    code: str
    detail: str


_SCOPE = Code(
    "final", "scope_missing",
    "The account was connected without a permission that this needs (video.publish; video.upload for drafts). Connect it again.",
)
_PARAMETERS = Code("final", "rejected", "TikTok does not take the post as it is.")
ERRORS: Mapping[str, Code] = {
    "access_token_invalid": Code("token", "token_refused", "TikTok refused the access token."),
    "scope_not_authorized": _SCOPE,
    "scope_permission_missed": _SCOPE,
    "rate_limit_exceeded": Code("minute", "rate_limited", "TikTok takes no more calls of this kind in this minute."),
    "internal_error": Code("retry", "server_error", "TikTok had an error of its own."),
    "internal": Code("retry", "server_error", "TikTok had an error of its own."),
    "invalid_param": _PARAMETERS,
    "invalid_params": _PARAMETERS,
    "invalid_file_upload": Code("final", "media_format", "TikTok does not take this file."),
    "spam_risk_too_many_posts": Code(
        "final", "daily_limit", "The account has reached TikTok's limit of posts by apps in 24 hours (some 15). Try again later."
    ),
    "spam_risk_too_many_pending_share": Code(
        "final", "too_many_drafts", "TikTok keeps at most 5 unfinished drafts in 24 hours. Finish those in the app's inbox first."
    ),
    "spam_risk_user_banned_from_posting": Code("final", "account_banned", "TikTok does not let this account post at the moment."),
    "spam_risk_text": Code("final", "spam_text", "TikTok takes the text for spam."),
    "spam_risk": Code("final", "spam", "TikTok takes the post for spam."),
    "reached_active_user_cap": Code(
        "final", "app_user_limit", "The app has reached TikTok's limit of accounts it may post to in 24 hours (5 until TikTok has"
        " audited the app)."
    ),
    "unaudited_client_can_only_post_to_private_accounts": Code(
        "final", "app_not_audited", "TikTok has not audited the app yet: until then it posts to private accounts only, and for"
        " nobody else to see."
    ),
    "url_ownership_unverified": Code(
        "final", "media_host_unverified", "TikTok fetches photos only from addresses that the app's owner has verified with it"
        " (developer portal, URL properties): the address of Dateline's media is none of them."
    ),
    "privacy_level_option_mismatch": Code(
        "final", "privacy_not_offered", "TikTok does not offer this account that privacyLevel."
    ),
    "app_version_check_failed": Code(
        "final", "app_too_old", "The user's TikTok app is too old for drafts of photos: it has to be 31.8 or newer."
    ),
    "token_not_authorized_for_specified_publish_id": Code(
        "final", "not_our_post", "TikTok says that the post was begun by another account than the one connected now."
    ),
    "invalid_publish_id": Code("final", "unknown_publish_id", "TikTok does not know the post any more."),
}
"""`error.code` -> what it means. Codes that are not here are told by the HTTP status."""

FAILURES: Mapping[str, tuple[bool, str]] = {
    "file_format_check_failed": (False, "TikTok cannot read this file: videos are MP4, WebM or MOV, photos JPEG or WebP."),
    "duration_check_failed": (False, "The video is too short or too long for this account."),
    "frame_rate_check_failed": (False, "TikTok takes 23 to 60 frames a second."),
    "picture_size_check_failed": (False, "TikTok takes 360 to 4,096 pixels a side in videos, and photos of 1080p at the most."),
    "internal": (True, "TikTok had an error of its own."),
    "video_pull_failed": (True, "TikTok could not fetch the video."),
    "photo_pull_failed": (True, "TikTok could not fetch the photos."),
    "publish_cancelled": (False, "The post was cancelled in TikTok."),
    "auth_removed": (False, "The user took the app's permission away while TikTok was at work. Connect the account again."),
    "spam_risk_too_many_posts": (False, ERRORS["spam_risk_too_many_posts"].detail),
    "spam_risk_user_banned_from_posting": (False, ERRORS["spam_risk_user_banned_from_posting"].detail),
    "spam_risk_text": (False, ERRORS["spam_risk_text"].detail),
    "spam_risk": (False, ERRORS["spam_risk"].detail),
}
"""`fail_reason` of a post -> whether another try from the start may go better, and a sentence."""


def headers(account: Account) -> dict[str, str]:
    """Of every call but the pieces of a video."""
    return {**calls.bearer(account), "Content-Type": "application/json; charset=UTF-8"}


def post(delivery: Delivery, path: str, body: Mapping[str, Any]) -> Answer:
    """`POST` with a JSON body, as nearly all of TikTok's calls are. Raises what `Http.request` does."""
    account = delivery.account
    return delivery.http.request("POST", account.server + path, headers=headers(account), json=dict(body))


def ask(delivery: Delivery, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A repeatable call: its `data`. Raises what any other answer means."""
    return understood(calls.harmless(lambda: post(delivery, path, body)))


def code_of(answer: Answer) -> tuple[str, str]:
    """TikTok's code ("ok" for success, "" when there is none) and its words, without addresses."""
    error = calls.said_by(answer).get("error")
    if not isinstance(error, Mapping):
        return "", ""
    return str(error.get("code") or ""), re.sub(r"https?://\S+", "…", str(error.get("message") or ""))[:300]


def understood(answer: Answer) -> dict[str, Any]:
    """`data` of a success; raises what any other answer means."""
    data = calls.said_by(answer).get("data")
    if answer.status < 300 and code_of(answer)[0] in ("ok", ""):
        return data if isinstance(data, dict) else {}
    raise refused(answer)


def refused(answer: Answer) -> Outcome:
    """What an answer below 500 that is no success means: by its code, else by its status."""
    code, words = code_of(answer)
    wait = whole(answer.headers.get("retry-after")) or MINUTE
    known = ERRORS.get(code)
    if known is None:
        return calls.refusal("TikTok", answer, f"{code} {words}".strip()[:300] or "no reason given", wait)
    if known.meaning == "token":
        return TokenRefused(known.code, known.detail)
    if known.meaning in ("minute", "retry"):
        return Retry(known.code, known.detail, wait if known.meaning == "minute" else None)
    return Failed(known.code, f"{known.detail} (TikTok: {code}{f', {words}' if words else ''})")


def whole(value: Any) -> int | None:
    """A number as a whole one; None for what is none."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
