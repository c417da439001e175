"""Taking an account's credentials as somebody brings them: checked by name, tried on the network, sealed.

`connecting` is the other way in, by a person's consent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..domain.errors import Problem
from ..domain.plain_json import pointed
from ..domain.profile import Profile
from . import sharing, tokens

if TYPE_CHECKING:
    from ..wiring import Deps

MOST_CREDENTIALS_BYTES = 4096
"""What KMS encrypts in one call."""

MOST_SETTINGS_BYTES = 4096


def check_sizes(credentials: Mapping[str, str] | None, settings: Mapping[str, Any] | None) -> None:
    """Raise `Problem` for more than can be kept."""
    for member, value, most in (
        ("credentials", credentials, MOST_CREDENTIALS_BYTES), ("settings", settings, MOST_SETTINGS_BYTES)
    ):
        if value is not None and len(json.dumps(value)) > most:
            raise Problem("invalid_request", f"{member} has at most {most:,} bytes as JSON.", pointer=f"/{member}")


def check_settings(platform: str, known: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Limits are counted with: a setting that is one, or that was a number so far, must be a whole number of at least 1."""
    from ..platforms import registry

    rules = registry.rules(platform)
    limits = {limit.setting for limit in (*rules.text, *rules.media.values(), rules.daily_cap) if limit is not None}
    for name, value in new.items():
        counted = name in limits or (isinstance(known.get(name), int) and not isinstance(known[name], bool))
        if counted and not (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            detail = f"settings.{name} must be a whole number of at least 1."
            raise Problem("invalid_request", detail, pointer=f"/settings/{pointed(name)}")


def check_server(deps: Deps, platform: str, server: str | None, mode: str) -> str:
    """The address to keep of a network whose accounts live on many servers, "" for the others. Raises `Problem`."""
    from ..platforms import registry

    if platform not in registry.names():
        known = ", ".join(registry.names())
        raise Problem("invalid_request", f"There is no platform {platform!r}; there are: {known}.", pointer="/platform")
    if mode == "live" and platform == "sandbox":
        raise Problem("invalid_request", "The sandbox is reached with a test key only.", pointer="/platform")
    publisher = registry.publisher(platform)
    if server is not None and not publisher.own_server:
        raise Problem("invalid_request", f"{publisher.rules.name} has one address only; leave server out.", pointer="/server")
    address = (server or publisher.default_server).rstrip("/")
    if any(sign in address for sign in "@?#\\"):
        # Paths are put behind it, and it is shown and announced: a password in it would be, too.
        detail = "server is the bare address of the account's server, without a user, a query or a fragment."
        raise Problem("invalid_request", detail, pointer="/server")
    if publisher.own_server and address and not deps.settings.allow_private_servers:
        from ..http import refuse_private

        refuse_private(address, "/server")
    return address if publisher.own_server else ""


def take(
    deps: Deps, profile: Profile, given: Mapping[str, str], *, named: bool, old: Mapping[str, str] | None = None,
    same_account: bool = False,
) -> None:
    """Check the names of what is given, look whose account it is, and seal it over the `old` credentials (absent is not empty).
    A test profile's are not tried. Changes the profile, writes nothing.

    `named`: the profile keeps its name. `same_account`: another account's credentials are refused. Raises `Problem`.
    """
    from ..platforms import registry
    from ..platforms.base import Outcome, TokenRefused
    from .deliver import account_of

    publisher = registry.publisher(profile.platform)
    check_settings(profile.platform, {}, profile.settings)
    known = {field.name: field for field in publisher.credential_fields}
    for name in given:
        if name not in known:
            detail = f"{publisher.rules.name} has no credential {name!r}; it takes: {', '.join(known) or 'none'}."
            raise Problem("invalid_request", detail, pointer=f"/credentials/{pointed(name)}")
    kept = sharing.without(old or {}) if given else old or {}
    credentials = {**kept, **given}
    check_sizes(credentials, None)
    if profile.mode == "live":
        for field in known.values():
            if field.required and not credentials.get(field.name):
                detail = f"{publisher.rules.name} needs {field.name}: {field.detail}"
                raise Problem("invalid_request", detail, pointer=f"/credentials/{field.name}")
        lives = grant_lives = None
        try:
            try:
                info = publisher.verify(account_of(deps, profile, publisher, credentials), deps.http)
            except TokenRefused:
                whole = deps.apps.with_app(profile.platform, credentials)
                renewed = publisher.refresh(account_of(deps, profile, publisher, whole), deps.http)
                if renewed is None:
                    raise
                credentials = {**credentials, **renewed.credentials}
                lives, grant_lives = renewed.expires_in, renewed.grant_expires_in
                info = publisher.verify(account_of(deps, profile, publisher, credentials), deps.http)
        except TokenRefused as refused:
            raise Problem("invalid_request", f"{refused.detail} Check the credentials.", pointer="/credentials") from None
        except Outcome as unclear:
            detail = f"{publisher.rules.name} could not be asked whose account this is: {unclear.detail}"
            raise Problem("try_again", detail) from None
        if same_account and profile.account_id and profile.account_id != info.account_id:
            raise wrong_account(profile, "/credentials")
        profile.account_id = info.account_id
        profile.settings = {**profile.settings, **info.settings}
        profile.name = profile.name if named else info.name
        tokens.known(deps, profile, publisher, credentials, lives, grant_lives)
    profile.secret = deps.secrets.seal(profile.workspace_id, profile.id, credentials)


def wrong_account(profile: Profile, pointer: str) -> Problem:
    """The refusal of another account's credentials for a profile: its posts would go out under another name."""
    detail = f"These are of another account than {profile.name}, which profile {profile.id} is. Connect it as one of its own."
    return Problem("invalid_request", detail, pointer=pointer)
