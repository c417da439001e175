"""What a request to YouTube may hold, by its discovery document (youtube.v3, 20261104), and the answer to what it may not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Request, Response

from ._google import old_error

SNIPPET: Mapping[str, type] = {
    "title": str, "description": str, "tags": list, "categoryId": str, "defaultLanguage": str, "defaultAudioLanguage": str,
}
STATUS: Mapping[str, type] = {
    "privacyStatus": str, "publishAt": str, "license": str, "embeddable": bool, "publicStatsViewable": bool,
    "selfDeclaredMadeForKids": bool, "containsSyntheticMedia": bool,
}
"""Members that a request may write, by part."""
PARTS = ("snippet", "status", "fileDetails", "processingDetails", "contentDetails", "statistics", "id")
PARAMETERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("POST", "insert"): ("part", "notifySubscribers", "uploadType", "autoLevels", "stabilize"),
    ("PUT", "update"): ("part",), ("GET", "videos"): ("part", "id", "maxResults", "pageToken", "hl"),
    ("DELETE", "videos"): ("id",), ("DELETE", "comments"): ("id",),
    ("GET", "channels"): ("part", "mine", "id", "maxResults", "pageToken"),
    ("GET", "playlistItems"): ("part", "playlistId", "videoId", "maxResults", "pageToken"), ("POST", "playlistItems"): ("part",),
    ("POST", "commentThreads"): ("part",), ("POST", "thumbnail"): ("videoId", "uploadType"),
    ("GET", "commentThreads"): ("part", "videoId", "order", "textFormat", "maxResults", "pageToken", "moderationStatus", "id"),
}


def time_of(value: Any) -> datetime | None:
    """An RFC 3339 time, None for what is none."""
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00")) if value else None
    except ValueError:
        return None


def invalid(reason: str, message: str, domain: str = "youtube.video") -> Response:
    """YouTube's 400."""
    return old_error(400, reason, message, domain)


def parameters(request: Request, method: str) -> Response | None:
    """YouTube's 400 for a parameter that the method does not have, or for the `part` that it needs."""
    known = PARAMETERS[request.method, method]
    unknown = sorted(set(request.args) - set(known))
    if unknown:
        return invalid("badRequest", f'Unknown name "{unknown[0]}": Cannot bind query parameter.', "global")
    if "part" in known and not request.args.get("part"):
        return invalid("missingRequiredParameter", "No filter selected. Expected: part", "youtube.parameter")
    return None


def wrong_body(body: Mapping[str, Any], request: Request) -> Response | None:
    """What is wrong with the parts of a video resource."""
    parts = request.args["part"].split(",")
    for name, value in body.items():
        if name not in ("snippet", "status") or name not in parts or name not in PARTS or not isinstance(value, dict):
            return invalid("unexpectedPart", f"The request body has the part {name}, which the parameter part does not name.")
        known = SNIPPET if name == "snippet" else STATUS
        for member, inner in value.items():
            if member not in known or not isinstance(inner, known[member]):
                return invalid("badRequest", f'Unknown name "{member}" at "{name}": Cannot find field.', "global")
    snippet = body.get("snippet") or {}
    title, description, tags = snippet.get("title", "x"), snippet.get("description", ""), snippet.get("tags") or []
    if not title.strip() or len(title) > 100 or set("<>") & set(title):
        return invalid("invalidTitle", "The request metadata specifies an invalid or empty video title.")
    if len(description.encode()) > 5000 or set("<>") & set(description):
        return invalid("invalidDescription", "The request metadata specifies an invalid video description.")
    listed = ",".join(f'"{tag}"' if " " in tag else tag for tag in tags)
    if len(listed) > 500 or set("<>") & set(listed):
        return invalid("invalidTags", "The request metadata specifies invalid video keywords.")
    if not str(snippet.get("categoryId", "22")).isdigit():
        return invalid("invalidCategoryId", "The snippet.categoryId property specifies an invalid category ID.")
    return None


def wrong_status(status: Mapping[str, Any], ever_public: bool) -> Response | None:
    """What is wrong with a status beyond its members' types."""
    if status.get("privacyStatus", "public") not in ("public", "unlisted", "private"):
        return invalid("invalidRequest", "The privacy status is none that there is.")
    if status.get("license", "youtube") not in ("youtube", "creativeCommon"):
        return invalid("invalidLicense", "The license is none that there is.")
    early = time_of(status.get("publishAt")) is None or status.get("privacyStatus") != "private" or ever_public
    if "publishAt" in status and early:
        return invalid("invalidPublishAt", "The request metadata specifies an invalid scheduled publishing time.")
    return None
