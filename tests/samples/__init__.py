"""What each network can be given: one small post of every shape it takes, for the tests that play all networks alike.

A network has a module here with its `SAMPLES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from local.networks.files import File


class Sample(NamedTuple):
    """One shape of post. `name` is text, image, images, video, gif, document, carousel, reel, story, thread … `media` are
    the members of `media` in a create body, `options` what stands under `platforms.<name>`; `segments` is more than 1 for a
    thread; `comment` gives it a first comment; `files` says what the media's URLs hold where their ending does not.
    `shows_text` is false where readers see no text at all.
    """

    name: str
    media: tuple[Mapping[str, Any], ...] = ()
    options: Mapping[str, Any] = {}
    segments: int = 1
    comment: bool = False
    files: Mapping[str, File] = {}
    shows_text: bool = True


def samples_of(platform: str) -> tuple[Sample, ...]:
    """All samples of a network."""
    found: tuple[Sample, ...] = import_module(f"tests.samples.{platform}").SAMPLES
    return found
