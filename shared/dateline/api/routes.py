"""The table of routes: one line each, with the scope it needs and what goes in and comes out.

`http` serves it, `tools.openapi` writes it down, the tests walk through it. A route that is not here does not exist; one
without `public` needs a key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from . import bulk, connect, media, meta, platforms, posts, profiles, queues, workspace
from .answers import Answer


class Route(NamedTuple):
    """`scope` is what the key must have (further scopes are asked for inside, where they depend on the body).

    `body` names a shape of `shapes`, `answer` one of `answer_shapes`; `query` lists the parameters; `status` is that of success.
    """

    method: str
    path: str
    handle: Callable[..., Answer]
    scope: str | None
    summary: str
    answer: str | None
    status: int = 200
    body: str | None = None
    query: tuple[str, ...] = ()
    public: bool = False
    also: tuple[int, ...] = ()
    idempotent: bool = False


_PAGE = ("limit", "cursor")
_POST_FILTERS = ("status", "platform", "profileId", "label", "from", "to", "order")

ROUTES: tuple[Route, ...] = (
    Route("GET", "/health", meta.health, None, "Is anything overdue?", "Health", public=True, also=(503,)),
    Route("GET", "/openapi.json", meta.openapi, None, "This file", None, public=True),
    Route("GET", "/docs", meta.docs, None, "This documentation as a page", None, public=True),
    Route("POST", "/v1/posts", posts.create, "posts:write", "Create a draft, schedule a post, or publish one now", "Post", 201,
          "PostIn", idempotent=True),
    Route("POST", "/v1/posts/validate", posts.validate, "posts:read", "What create would answer, writing nothing",
          "Validation", body="PostIn"),
    Route("GET", "/v1/posts", posts.list_posts, "posts:read", "List posts", "PostPage", query=(*_POST_FILTERS, *_PAGE)),
    Route("POST", "/v1/posts/bulk", bulk.create, "posts:write", "Create up to 1,000 posts from CSV or JSON", "Bulk", 201,
          "BulkIn", query=("dryRun", "onError", "staggerMinutes"), also=(200, 202), idempotent=True),
    Route("GET", "/v1/posts/export.csv", bulk.export, "posts:read", "Posts as CSV that can be imported again", None,
          query=(*_POST_FILTERS, "cursor")),
    Route("GET", "/v1/bulk/{bulk_id}", bulk.get, "posts:read", "How far an import is", "Bulk"),
    Route("DELETE", "/v1/bulk/{bulk_id}", bulk.delete, "posts:publish", "Undo an import: cancel what has not published", "Bulk",
          also=(202,)),
    Route("GET", "/v1/posts/{post_id}", posts.get, "posts:read", "One post", "Post"),
    Route("GET", "/v1/posts/{post_id}/events", posts.events, "posts:read", "A post's transitions", "EventPage", query=_PAGE),
    Route("GET", "/v1/posts/{post_id}/attempts", posts.attempts, "posts:read", "Every try at every target", "AttemptPage",
          query=_PAGE),
    Route("PATCH", "/v1/posts/{post_id}", posts.patch, "posts:write", "Edit, reschedule, or change the status", "Post",
          body="PostPatch", idempotent=True),
    Route("DELETE", "/v1/posts/{post_id}", posts.delete, "posts:write", "Cancel, until publishing begins", "Post"),
    Route("POST", "/v1/posts/{post_id}/publish", posts.publish, "posts:publish", "Publish now and wait for the outcome", "Post",
          body="EmptyIn", also=(202,), idempotent=True),
    Route("POST", "/v1/posts/{post_id}/retry", posts.retry, "posts:publish", "Failed targets again", "Post", body="RetryIn",
          idempotent=True),
    Route("POST", "/v1/posts/{post_id}/unpublish", posts.unpublish, "posts:publish", "Take it down on the networks", "Post",
          body="UnpublishIn", also=(202,), idempotent=True),
    Route("POST", "/v1/posts/{post_id}/stop", posts.stop, "posts:publish", "Give up targets that wait to be retried", "Post",
          body="EmptyIn", idempotent=True),
    Route("POST", "/v1/posts/{post_id}/approve", posts.approve, "posts:approve", "Approve a post that waits for it", "Post",
          body="ApproveIn", idempotent=True),
    Route("POST", "/v1/posts/{post_id}/reject", posts.reject, "posts:approve", "Reject it: a draft again, with the reason",
          "Post", body="RejectIn", idempotent=True),
    Route("POST", "/v1/posts/{post_id}/targets/{profile_id}/resolve", posts.resolve, "posts:publish",
          "Settle an unconfirmed target", "Post", body="ResolveIn", idempotent=True),
    Route("GET", "/v1/platforms", platforms.list_platforms, "profiles:read", "The catalogue of networks", "PlatformPage",
          query=_PAGE),
    Route("GET", "/v1/platforms/{name}", platforms.get_platform, "profiles:read", "One network's rules", "Platform"),
    Route("GET", "/v1/profiles", profiles.list_profiles, "profiles:read", "Connected accounts", "ProfilePage",
          query=("platform", *_PAGE)),
    Route("POST", "/v1/profiles", profiles.create, "profiles:write", "Connect an account with its own token", "Profile", 201,
          "ProfileIn", idempotent=True),
    Route("GET", "/v1/profiles/{profile_id}", profiles.get, "profiles:read", "One account", "Profile"),
    Route("GET", "/v1/profiles/{profile_id}/health", profiles.health, "profiles:read", "Its token's state", "ProfileHealth"),
    Route("GET", "/v1/profiles/{profile_id}/limits", profiles.limits, "profiles:read", "What it may still post, and when",
          "ProfileLimits", query=("at",)),
    Route("PATCH", "/v1/profiles/{profile_id}", profiles.patch, "profiles:write",
          "Rename, renew the credentials, pause or resume", "Profile", body="ProfilePatch", idempotent=True),
    Route("DELETE", "/v1/profiles/{profile_id}", profiles.delete, "profiles:write", "Disconnect", None, 204,
          query=("cancelPending",)),
    Route("GET", "/v1/connect/callback", connect.callback, None, "Where networks send a person back to", "Connected",
          query=("code", "state", "error"), public=True, also=(302,)),
    Route("POST", "/v1/connect/{platform}", connect.start, "profiles:write", "Connect an account by consent", "Connection", 201,
          "ConnectIn", idempotent=True),
    Route("GET", "/v1/connections/{connection_id}", connect.get, "profiles:read", "How far a consent is", "Connection"),
    Route("POST", "/v1/connections/{connection_id}", connect.choose, "profiles:write",
          "Connect some of the accounts that a consent reaches", "Connection", body="ChooseIn", idempotent=True),
    Route("GET", "/v1/queues", queues.list_queues, "posts:read", "Queues of posting slots", "QueuePage", query=_PAGE),
    Route("POST", "/v1/queues", queues.create, "posts:publish", "Define a queue", "Queue", 201, "QueueIn", idempotent=True),
    Route("GET", "/v1/queues/{queue_id}", queues.get, "posts:read", "One queue", "Queue"),
    Route("PATCH", "/v1/queues/{queue_id}", queues.patch, "posts:publish", "Change a queue; places that are taken stay", "Queue",
          body="QueuePatch", idempotent=True),
    Route("DELETE", "/v1/queues/{queue_id}", queues.delete, "posts:publish", "Remove a queue; its posts keep their time", None,
          204),
    Route("GET", "/v1/queues/{queue_id}/slots", queues.slots, "posts:read", "Its next slots, and what is taken", "QueueSlotPage",
          query=("from", *_PAGE)),
    Route("POST", "/v1/queues/{queue_id}/reservations", queues.reserve, "posts:publish", "Hold the next free place for a while",
          "Reservation", 201, "ReservationIn", idempotent=True),
    Route("DELETE", "/v1/queues/{queue_id}/reservations/{reservation_id}", queues.cancel_reservation, "posts:publish",
          "Give a reserved place back", None, 204),
    Route("POST", "/v1/media", media.create, "posts:write", "Upload a file, or have the one behind a URL copied", "NewMedium",
          201, "MediaCreate", idempotent=True),
    Route("GET", "/v1/media/{media_id}", media.get, "posts:read", "How far it is, and what is known of the file", "Medium"),
    Route("DELETE", "/v1/media/{media_id}", media.delete, "posts:write", "Remove it; posts have copies of their own", None, 204),
    Route("GET", "/v1/workspace", workspace.get, "posts:read", "Settings, plan and usage", "Workspace"),
    Route("PATCH", "/v1/workspace", workspace.patch, "admin", "Change settings, pause or resume all profiles", "Workspace",
          body="WorkspacePatch", idempotent=True),
    Route("GET", "/v1/keys", workspace.list_keys, "admin", "API keys", "KeyPage", query=_PAGE),
    Route("POST", "/v1/keys", workspace.create_key, "posts:read", "Mint a key with a subset of this one's scopes", "NewKey", 201,
          "KeyIn", idempotent=True),
    Route("DELETE", "/v1/keys/{key_id}", workspace.revoke_key, "admin", "Revoke a key", None, 204),
    Route("GET", "/v1/events", workspace.feed, "posts:read", "The workspace's event feed", "FeedPage", query=("after", *_PAGE)),
)
