"""Which networks there are, and the one way to get at each. Asking for one network never imports another."""

from __future__ import annotations

from typing import cast

from ..domain.rules import Rules
from .base import Publisher

PLATFORMS: dict[str, str] = {
    "x": "dateline.platforms.x",
    "bluesky": "dateline.platforms.bluesky",
    "linkedin": "dateline.platforms.linkedin",
    "threads": "dateline.platforms.threads",
    "mastodon": "dateline.platforms.mastodon",
    "instagram": "dateline.platforms.instagram",
    "facebook": "dateline.platforms.facebook",
    "telegram": "dateline.platforms.telegram",
    "reddit": "dateline.platforms.reddit",
    "pinterest": "dateline.platforms.pinterest",
    "tiktok": "dateline.platforms.tiktok",
    "youtube": "dateline.platforms.youtube",
    "google_business": "dateline.platforms.google_business",
    "snapchat": "dateline.platforms.snapchat",
    "sandbox": "dateline.platforms.sandbox",
}
"""Name in the API -> module that holds its `RULES` and `PUBLISHER`. Adding a network is a module and a line here."""


class UnknownPlatform(KeyError):
    """No network of that name is built."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"There is no platform {self.name!r}; there are: {', '.join(PLATFORMS)}."


def names() -> tuple[str, ...]:
    """Every network's name, in the order of the catalogue."""
    return tuple(PLATFORMS)


def publisher(name: str) -> Publisher:
    """The publisher of `name`; imports that network's module only. Raises `UnknownPlatform`."""
    return cast(Publisher, _attribute(name, "PUBLISHER"))


def rules(name: str) -> Rules:
    """The rules of `name`; imports that network's module only. Raises `UnknownPlatform`."""
    return cast(Rules, _attribute(name, "RULES"))


def _attribute(name: str, attribute: str) -> object:
    from importlib import import_module

    if name not in PLATFORMS:
        raise UnknownPlatform(name)
    return getattr(import_module(PLATFORMS[name]), attribute)
