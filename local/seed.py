"""What the local stack holds when it starts: one workspace, its two keys, and a connected profile per network."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from dateline.api.auth import SCOPES
from dateline.domain.instants import rfc3339
from dateline.platforms import registry
from dateline.store.profiles import Profile
from dateline.store.workspaces import ApiKey, digest
from dateline.wiring import Deps
from local.networks import Network, World

WORKSPACE = "wks_local"
LIVE_KEY = "dl_live_local"
TEST_KEY = "dl_test_local"


def seed(deps: Deps, world: World, networks_url: str) -> None:
    """Write the workspace, its keys and its profiles. `networks_url` is where the stand-ins listen."""
    now = deps.clock.now()
    deps.workspaces.save_settings(WORKSPACE, {"name": "Local workspace"})
    for mode, secret in (("live", LIVE_KEY), ("test", TEST_KEY)):
        deps.workspaces.save_key(key_of(WORKSPACE, mode, secret, rfc3339(now)))
    for platform in world.networks:
        app_of(deps, world, platform)
        profile_of(deps, world, networks_url, WORKSPACE, platform)
    sandbox = Profile("prof_sandbox", WORKSPACE, "test", "sandbox", "Sandbox", now, now)
    deps.profiles.save(sandbox)


def app_of(deps: Deps, world: World, platform: str) -> None:
    """Store the operator's app with a stand-in whose accounts are connected by consent."""
    flow = registry.publisher(platform).connect
    if flow is not None and not flow.register:
        client_id, secret = client_of(world.networks[platform])
        deps.apps.put(platform, {"clientId": client_id, "clientSecret": secret})


def client_of(network: Network) -> tuple[str, str]:
    """The id and secret of the app that a stand-in knows: its `client`, or what its module calls CLIENT."""
    pair: tuple[str, str] = network.client
    if pair is Network.client:
        pair = getattr(sys.modules[type(network).__module__], "CLIENT", pair)
    return pair


def key_of(workspace_id: str, mode: str, secret: str, created_at: str, scopes: tuple[str, ...] = SCOPES) -> ApiKey:
    """A key with all scopes whose secret is known, as only the local stack may have."""
    return ApiKey(f"key_{mode}_{workspace_id}", workspace_id, mode, secret, scopes, created_at, secret[-4:], digest(secret))


def profile_of(
    deps: Deps, world: World, networks_url: str, workspace_id: str, platform: str, profile_id: str | None = None
) -> Profile:
    """Connect `prof_<platform>` (or `profile_id`) with the account that its stand-in offers."""
    now = deps.clock.now()
    profile_id = profile_id or f"prof_{platform}"
    offered: dict[str, Any] = world.networks[platform].credentials_for(profile_id)
    publisher = registry.publisher(platform)
    server = networks_url + offered["server"] if publisher.own_server else ""
    profile = Profile(
        profile_id, workspace_id, "live", platform, f"{publisher.rules.name} (local)", now, now,
        account_id=offered["accountId"], server=server, settings=dict(offered.get("settings", {})),
    )
    if offered.get("expiresIn"):
        profile.token_expires_at = now + timedelta(seconds=offered["expiresIn"])
    profile.secret = deps.secrets.seal(workspace_id, profile.id, offered["credentials"])
    deps.profiles.save(profile)
    return profile
