"""The routes below /v1/profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.errors import Problem
from ..domain.ids import new_id
from ..domain.instants import rfc3339
from ..domain.profile import Profile, note, reconnect
from ..domain.view import profile_view
from ..store.tables import Conflict
from ..usecases import credentials
from . import once
from .answers import Answer
from .request import Request

RELEASE_SECONDS = 15.0
"""How long a request that resumes a profile releases what was held on it; sweep does the rest."""

REMOVE_SECONDS = 20.0
"""How long a request that removes a profile gives up its pending posts; sent again, it goes on."""


def find(request: Request, profile_id: str) -> Profile:
    """The workspace's profile. Raises `Problem` not_found, also for another workspace's."""
    profile = request.deps.profiles.get(profile_id) if len(profile_id) <= 128 else None
    if profile is None or profile.partition != request.actor.partition:
        raise Problem("not_found", f"There is no profile {profile_id!r}.")
    return profile


def list_profiles(request: Request) -> Answer:
    """GET /v1/profiles."""
    from ..platforms import registry
    from ..store.listing import decode_cursor, encode_cursor

    platform, cursor = request.one("platform"), request.cursor()
    if platform is not None and platform not in registry.names():
        raise Problem("invalid_request", f"There is no platform {platform!r}.", pointer="/platform")
    after = decode_cursor(cursor)[0] if cursor else None
    found, more = request.deps.profiles.list(request.actor.partition, request.limit(), after)
    views = [profile_view(p) for p in found if platform in (None, p.platform)]
    return Answer(200, {"data": views, "nextCursor": encode_cursor(more, _ANY_TIME) if more else None})


_ANY_TIME = "1970-01-01T00:00:00.000Z"


def get(request: Request, profile_id: str) -> Answer:
    """GET /v1/profiles/{id}."""
    return Answer(200, profile_view(find(request, profile_id)))


def create(request: Request) -> Answer:
    """POST /v1/profiles: connect an account with its own token, after a harmless look at whose it is."""
    from .shapes import ProfileIn, read

    body = request.body()
    shape = read(ProfileIn, body)
    credentials.check_sizes(shape.credentials, shape.settings)

    def do() -> tuple[int, Any]:
        return 201, profile_view(add(request, shape.platform, shape.credentials, shape.server, shape.name, shape.settings))

    status, answer, replayed = once.answer_once(request, body, do)
    headers = {"Location": f"/v1/profiles/{answer['id']}"} | ({"Idempotency-Replayed": "true"} if replayed else {})
    return Answer(status, answer, headers)


def add(
    request: Request, platform: str, given: Mapping[str, str], server: str | None, name: str | None,
    settings: Mapping[str, Any],
) -> Profile:
    """A new profile with credentials as they were brought, checked and written. Raises `Problem`."""
    from ..usecases import pausing

    deps, actor, now = request.deps, request.actor, request.deps.clock.now()
    profile = Profile(
        new_id("prof", now), actor.workspace_id, actor.mode, platform, name or platform, now, now,
        server=credentials.check_server(deps, platform, server, actor.mode), settings=dict(settings),
    )
    credentials.take(deps, profile, given, named=name is not None)
    note(profile, "connected", now)
    deps.profiles.save(profile)
    return pausing.joined(deps, profile)


def patch(request: Request, profile_id: str) -> Answer:
    """PATCH /v1/profiles/{id}: a new name, settings, new credentials (absent ones stay: absent is not empty), pause or resume."""
    from .shapes import ProfilePatch, read

    body = request.body()
    shape = read(ProfilePatch, body)

    def do() -> tuple[int, Any]:
        changed = change(
            request, profile_id, name=shape.name, settings=shape.settings, given=shape.credentials, paused=shape.paused
        )
        return 200, profile_view(changed)

    status, answer, replayed = once.answer_once(request, body, do)
    return Answer(status, answer, {"Idempotency-Replayed": "true"} if replayed else {})


def change(
    request: Request, profile_id: str, *, name: str | None = None, settings: Mapping[str, Any] | None = None,
    given: Mapping[str, str] | None = None, paused: bool | None = None, same_account: bool = False,
) -> Profile:
    """The profile with those changes, written; what was held on it is released where that is over. Raises `Problem`.

    `given` are credentials over its own; with `same_account` those of another account are refused.
    """
    from ..usecases import holding, pausing

    deps = request.deps
    for _ in range(5):
        profile = find(request, profile_id)
        if name is not None:
            profile.name = name
        if settings is not None:
            credentials.check_settings(profile.platform, profile.settings, settings)
            profile.settings = {**profile.settings, **settings}
            credentials.check_sizes(None, profile.settings)
        if given is not None:
            old = deps.secrets.open(profile.workspace_id, profile.id, profile.secret)
            credentials.take(deps, profile, given, named=True, old=old, same_account=same_account)
            reconnect(profile, deps.clock.now())
        if paused is not None:
            pausing.switch(deps, profile, "profile", paused)
        profile.updated_at = deps.clock.now()
        try:
            deps.profiles.save(profile)
        except Conflict:
            continue
        pausing.go_on(deps, profile, holding.within(deps, RELEASE_SECONDS))
        return profile
    raise Problem("try_again", "The profile is being written by somebody else.")


def delete(request: Request, profile_id: str) -> Answer:
    """DELETE /v1/profiles/{id}: refused while posts wait on it, unless they are to be cancelled with it."""
    from ..usecases import disconnecting, holding

    profile = find(request, profile_id)
    asked = request.one("cancelPending", "false")
    if asked not in ("true", "false"):
        raise Problem("invalid_request", "cancelPending is true or false.", pointer="/cancelPending")
    more = holding.within(request.deps, REMOVE_SECONDS)
    disconnecting.remove(request.deps, request.actor, profile, give_up=asked == "true", more=more)
    return Answer(204, None)


def health(request: Request, profile_id: str) -> Answer:
    """GET /v1/profiles/{id}/health: what is known of the token, without asking the network."""
    profile = find(request, profile_id)
    return Answer(200, {
        "profileId": profile.id, "status": profile.status, "error": profile.error,
        "tokenExpiresAt": rfc3339(profile.token_expires_at) if profile.token_expires_at else None,
        "grantExpiresAt": rfc3339(profile.grant_expires_at) if profile.grant_expires_at else None, **_scopes(profile),
    })


def _scopes(profile: Profile) -> dict[str, Any]:
    """What was granted and which of the scopes that publishing needs were not; null where the network did not say."""
    from ..platforms import registry

    granted, flow = profile.settings.get("scopes"), registry.publisher(profile.platform).connect
    if not isinstance(granted, list):
        return {"scopes": None, "missingScopes": None}
    return {"scopes": granted, "missingScopes": [scope for scope in flow.scopes if scope not in granted] if flow else []}


def limits(request: Request, profile_id: str) -> Answer:
    """GET /v1/profiles/{id}/limits: the same figures that a create is held against, at `at` or now."""
    from ..platforms import registry
    from ..usecases import standing

    profile = find(request, profile_id)
    at = request.moment("at") or request.deps.clock.now()
    view = standing.of_profile(request.deps, request.actor.settings, profile, registry.rules(profile.platform), at)
    return Answer(200, view)
