"""All stand-in networks built so far. Adding one is a module and a line here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from .base import Network, World
from .bluesky import BlueskyNetwork
from .facebook import FacebookNetwork
from .google_business import GoogleBusinessNetwork
from .instagram import InstagramNetwork
from .linkedin import LinkedInNetwork
from .mastodon import MastodonNetwork
from .pinterest import PinterestNetwork
from .reddit import RedditNetwork
from .snapchat import SnapchatNetwork
from .telegram import TelegramNetwork
from .threads import ThreadsNetwork
from .tiktok import TikTokNetwork
from .x import XNetwork
from .youtube import YouTubeNetwork

NETWORKS: list[type[Network]] = [
    XNetwork, BlueskyNetwork, LinkedInNetwork, ThreadsNetwork, MastodonNetwork, InstagramNetwork, FacebookNetwork,
    TelegramNetwork, RedditNetwork, PinterestNetwork, TikTokNetwork, YouTubeNetwork, GoogleBusinessNetwork,
    SnapchatNetwork,
]


def build_world(now: Callable[[], datetime]) -> World:
    """Every network on one clock. `now` gives aware UTC."""
    return World(now, NETWORKS)
