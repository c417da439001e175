"""A post or a profile as the contract shows it: the one shape for API answers, events and exports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .instants import format_duration, rfc3339
from .lifecycle import public_target_status
from .post import Attempt, Post, Target, Transition, seconds
from .profile import Profile


def post_view(post: Post) -> dict[str, Any]:
    """`GET /v1/posts/{id}`. Members that were not given are there with their empty value; `thread` only where there is one."""
    intent = post.intent or {}
    out: dict[str, Any] = {
        "id": post.id, "status": post.status, "mode": post.mode,
        "publishAt": rfc3339(post.publish_at) if post.publish_at else None,
        "scheduledFor": intent.get("local"), "timezone": intent.get("timezone"), "fold": intent.get("fold", 0),
        "text": None if post.thread else (post.segments[0].text if post.segments else ""),
        "media": [] if post.thread or not post.segments else [m.as_dict() for m in post.segments[0].media],
        "platforms": post.platforms, "firstComment": post.first_comment, "labels": list(post.labels), "metadata": post.metadata,
        "maxLateness": None if post.max_lateness is None else format_duration(seconds(post.max_lateness)),
        "onLate": post.on_late, "onSegmentFailure": post.on_segment_failure, "allowDuplicate": post.allow_duplicate,
        "approval": post.approval, "queueId": post.queue["id"] if post.queue else None,
        "error": post.error, "targets": [target_view(post, t) for t in post.targets.values()],
        "revision": post.revision, "sequence": post.sequence, "createdAt": rfc3339(post.created_at),
        "updatedAt": rfc3339(post.updated_at or post.created_at),
        "endedAt": rfc3339(post.ended_at) if post.ended_at else None, "warnings": [],
    }
    if post.thread:
        out["thread"] = [segment.as_dict() for segment in post.segments]
    return out


def target_view(post: Post, target: Target) -> dict[str, Any]:
    """One entry of `targets`. A thread's target lists what became visible segment by segment."""
    out: dict[str, Any] = {
        "profileId": target.profile_id, "platform": target.platform, "status": public_target_status(post, target),
        "remoteId": target.remotes[0].id if target.remotes else None,
        "url": target.remotes[0].url if target.remotes else None,
        "attempts": target.tries,
        "nextAttemptAt": rfc3339(target.next_attempt_at) if target.next_attempt_at else None,
        "error": target.error,
    }
    if target.native is not None:
        kept = target.native
        out["native"] = {"state": kept["state"], "remoteId": kept.get("id"), "error": kept.get("error")}
    if target.removal is not None:
        out["removal"] = {name: target.removal[name] for name in ("status", "at", "error")}
    draft = post.draft_for(target.platform)
    own = len(draft.segments)
    if own > 1:
        out["segments"] = [{"remoteId": remote.id, "url": remote.url} for remote in target.remotes[:own]]
    if draft.comment is not None:
        out["firstComment"] = _comment_view(target, own)
    return out


def _comment_view(target: Target, own: int) -> dict[str, Any]:
    """What became of the first comment of a target with `own` segments. Until the post is out it shares the target's fate."""
    remote = target.remotes[own] if len(target.remotes) > own else None
    ended = target.status in ("published", "failed", "unconfirmed")
    status = "published" if remote is not None else target.status if ended else "pending"
    error = target.error if ended or len(target.remotes) == own else None
    if target.comment is not None:
        status, error = target.comment["status"], {name: target.comment[name] for name in ("code", "detail")}
    return {"status": status, "remoteId": remote.id if remote else None, "url": remote.url if remote else None, "error": error}


def attempt_view(target: Target, attempt: Attempt) -> dict[str, Any]:
    """One entry of `GET /v1/posts/{id}/attempts`. `outcome` is null while it runs."""
    return {
        "profileId": target.profile_id, "platform": target.platform, "number": attempt.number,
        "startedAt": rfc3339(attempt.started_at), "armedAt": rfc3339(attempt.armed_at) if attempt.armed_at else None,
        "endedAt": rfc3339(attempt.ended_at) if attempt.ended_at else None, "outcome": attempt.outcome,
        "error": {"code": attempt.code, "detail": attempt.detail} if attempt.code else None,
    }


def event_view(post: Post, transition: Transition) -> dict[str, Any]:
    """The envelope of one transition. The id is stable: a repeated announcement is recognised by it."""
    target = post.targets.get(transition.profile_id) if transition.profile_id else None
    return {
        "id": f"{post.id}#{transition.sequence}", "type": transition.kind, "sequence": transition.sequence,
        "createdAt": rfc3339(transition.at), "workspaceId": post.workspace_id,
        "data": {
            "post": post_view(post), "previousStatus": transition.previous,
            "target": target_view(post, target) if target is not None else None,
        },
    }


def profile_view(profile: Profile) -> dict[str, Any]:
    """`GET /v1/profiles/{id}`: a profile without its credentials."""
    return {
        "id": profile.id, "platform": profile.platform, "name": profile.name, "mode": profile.mode, "status": profile.status,
        "paused": bool(profile.paused), "pausedBy": sorted(profile.paused),
        "accountId": profile.account_id or None, "server": profile.server or None, "settings": profile.settings,
        "tokenExpiresAt": rfc3339(profile.token_expires_at) if profile.token_expires_at else None,
        "grantExpiresAt": rfc3339(profile.grant_expires_at) if profile.grant_expires_at else None,
        "error": profile.error, "createdAt": rfc3339(profile.created_at), "updatedAt": rfc3339(profile.updated_at),
    }


def profile_event_view(profile: Profile, sequence: int, kind: str, at: datetime) -> dict[str, Any]:
    """The envelope of one of a profile's events, with the profile as it was then."""
    return {
        "id": f"{profile.id}#{sequence}", "type": kind, "sequence": sequence, "createdAt": rfc3339(at),
        "workspaceId": profile.workspace_id, "data": {"profile": profile_view(profile)},
    }
