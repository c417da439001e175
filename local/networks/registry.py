"""All stand-in networks built so far. Adding one is a module and a line here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from .base import Network, World
from .bluesky import BlueskyNetwork
from .facebook import FacebookNetwork
from .linkedin import LinkedInNetwork
from .mastodon import MastodonNetwork
from .telegram import TelegramNetwork
from .x import XNetwork

NETWORKS: list[type[Network]] = [MastodonNetwork, BlueskyNetwork, XNetwork, TelegramNetwork, LinkedInNetwork, FacebookNetwork]


def build_world(now: Callable[[], datetime]) -> World:
    """Every network on one clock. `now` gives aware UTC."""
    return World(now, NETWORKS)
