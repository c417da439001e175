"""The routes below /v1/profiles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ..domain.errors import Problem
from ..domain.ids import new_id
from ..domain.instants import rfc3339
from ..domain.profile import Profile, note, reconnect
from ..domain.view import profile_view
from ..store.tables import Conflict
from . import once
from .answers import Answer
from .request import Request, pointed

MOST_CREDENTIALS_BYTES = 4096
"""What KMS encrypts in one call."""

MOST_SETTINGS_BYTES = 4096

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
    from ..usecases import pausing
    from .shapes import ProfileIn, read

    body = request.body()
    shape = read(ProfileIn, body)
    _sizes(shape.credentials, shape.settings)

    def do() -> tuple[int, Any]:
        deps, actor, now = request.deps, request.actor, request.deps.clock.now()
        profile = Profile(
            new_id("prof", now), actor.workspace_id, actor.mode, shape.platform, shape.name or shape.platform, now, now,
            server=_server(request, shape.platform, shape.server), settings=dict(shape.settings),
        )
        _connect(request, profile, shape.credentials, named=shape.name is not None)
        note(profile, "connected", now)
        deps.profiles.save(profile)
        return 201, profile_view(pausing.joined(deps, profile))

    status, answer, replayed = once.answer_once(request, body, do)
    headers = {"Location": f"/v1/profiles/{answer['id']}"} | ({"Idempotency-Replayed": "true"} if replayed else {})
    return Answer(status, answer, headers)


def _server(request: Request, platform: str, server: str | None) -> str:
    from ..platforms import registry

    if platform not in registry.names():
        known = ", ".join(registry.names())
        raise Problem("invalid_request", f"There is no platform {platform!r}; there are: {known}.", pointer="/platform")
    if request.actor.mode == "live" and platform == "sandbox":
        raise Problem("invalid_request", "The sandbox is reached with a test key only.", pointer="/platform")
    publisher = registry.publisher(platform)
    if server is not None and not publisher.own_server:
        raise Problem("invalid_request", f"{publisher.rules.name} has one address only; leave server out.", pointer="/server")
    address = (server or publisher.default_server).rstrip("/")
    if publisher.own_server and address and not request.deps.settings.allow_private_servers:
        from ..http import refuse_private

        refuse_private(address, "/server")
    return address if publisher.own_server else ""


def _sizes(credentials: dict[str, str] | None, settings: dict[str, Any] | None) -> None:
    for member, value, most in (
        ("credentials", credentials, MOST_CREDENTIALS_BYTES), ("settings", settings, MOST_SETTINGS_BYTES)
    ):
        if value is not None and len(json.dumps(value)) > most:
            raise Problem("invalid_request", f"{member} has at most {most:,} bytes as JSON.", pointer=f"/{member}")


def _check_settings(platform: str, known: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Limits are counted with: a setting that is one, or that was a number so far, must be a whole number of at least 1."""
    from ..platforms import registry

    rules = registry.rules(platform)
    limits = {limit.setting for limit in (*rules.text, *rules.media.values(), rules.daily_cap) if limit is not None}
    for name, value in new.items():
        counted = name in limits or (isinstance(known.get(name), int) and not isinstance(known[name], bool))
        if counted and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            detail = f"settings.{name} must be a whole number of at least 1."
            raise Problem("invalid_request", detail, pointer=f"/settings/{pointed(name)}")


def _connect(request: Request, profile: Profile, credentials: dict[str, str], *, named: bool) -> None:
    """Check the credentials' names, look whose account it is, and seal them. A test profile has none that matter."""
    from ..platforms import registry
    from ..platforms.base import Outcome, TokenRefused
    from ..usecases.deliver import account_of

    deps, now = request.deps, request.deps.clock.now()
    publisher = registry.publisher(profile.platform)
    _check_settings(profile.platform, {}, profile.settings)
    known = {field.name: field for field in publisher.credential_fields}
    for name in credentials:
        if name not in known:
            detail = f"{publisher.rules.name} has no credential {name!r}; it takes: {', '.join(known) or 'none'}."
            raise Problem("invalid_request", detail, pointer=f"/credentials/{pointed(name)}")
    if profile.mode == "live":
        for field in known.values():
            if field.required and not credentials.get(field.name):
                detail = f"{publisher.rules.name} needs {field.name}: {field.detail}"
                raise Problem("invalid_request", detail, pointer=f"/credentials/{field.name}")
        account = account_of(deps, profile, publisher, credentials)
        try:
            try:
                info = publisher.verify(account, deps.http)
            except TokenRefused:
                tokens = publisher.refresh(account, deps.http)
                if tokens is None:
                    raise
                credentials = {**credentials, **tokens.credentials}
                if tokens.expires_in:
                    profile.token_expires_at = now + timedelta(seconds=tokens.expires_in)
                info = publisher.verify(account_of(deps, profile, publisher, credentials), deps.http)
        except TokenRefused as refused:
            raise Problem("invalid_request", f"{refused.detail} Check the credentials.", pointer="/credentials") from None
        except Outcome as unclear:
            detail = f"{publisher.rules.name} could not be asked whose account this is: {unclear.detail}"
            raise Problem("try_again", detail) from None
        profile.account_id = info.account_id
        profile.settings = {**profile.settings, **info.settings}
        profile.name = profile.name if named else info.name
    profile.secret = deps.secrets.seal(profile.workspace_id, profile.id, credentials)


def patch(request: Request, profile_id: str) -> Answer:
    """PATCH /v1/profiles/{id}: a new name, settings, new credentials (absent ones stay: absent is not empty), pause or resume."""
    from ..usecases import holding, pausing
    from .shapes import ProfilePatch, read

    body = request.body()
    shape = read(ProfilePatch, body)

    def do() -> tuple[int, Any]:
        deps = request.deps
        for _ in range(5):
            profile = find(request, profile_id)
            if shape.name is not None:
                profile.name = shape.name
            if shape.settings is not None:
                _check_settings(profile.platform, profile.settings, shape.settings)
                profile.settings = {**profile.settings, **shape.settings}
                _sizes(None, profile.settings)
            if shape.credentials is not None:
                old = deps.secrets.open(profile.workspace_id, profile.id, profile.secret)
                _sizes({**old, **shape.credentials}, None)
                profile.token_expires_at = None
                _connect(request, profile, {**old, **shape.credentials}, named=True)
                reconnect(profile, deps.clock.now())
            if shape.paused is not None:
                pausing.switch(deps, profile, "profile", shape.paused)
            profile.updated_at = deps.clock.now()
            try:
                deps.profiles.save(profile)
            except Conflict:
                continue
            pausing.go_on(deps, profile, holding.within(deps, RELEASE_SECONDS))
            return 200, profile_view(profile)
        raise Problem("try_again", "The profile is being written by somebody else.")

    status, answer, replayed = once.answer_once(request, body, do)
    return Answer(status, answer, {"Idempotency-Replayed": "true"} if replayed else {})


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
    })


def limits(request: Request, profile_id: str) -> Answer:
    """GET /v1/profiles/{id}/limits: the same figures that a create is held against, at `at` or now."""
    from ..platforms import registry
    from ..usecases import standing

    profile = find(request, profile_id)
    at = request.moment("at") or request.deps.clock.now()
    view = standing.of_profile(request.deps, request.actor.settings, profile, registry.rules(profile.platform), at)
    return Answer(200, view)
