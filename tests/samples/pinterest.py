"""What Pinterest can be given. The stand-in's profiles are a board each; a pin always has media."""

from __future__ import annotations

from local.networks import files
from tests.samples import Sample

IMAGE = {"url": "https://media.example/pinterest/one.png", "type": "image", "altText": "A bowl of soup"}
OTHER = {"url": "https://media.example/pinterest/two.jpg", "type": "image"}
GIF = {"url": "https://media.example/pinterest/loop.gif", "type": "gif"}
VIDEO = {"url": "https://media.example/pinterest/clip.mp4", "type": "video"}

SAMPLES = (
    Sample("image", (IMAGE,), options={"title": "Soup of the day", "link": "https://example.com/soup"}),
    Sample("plain image", (OTHER,)),
    Sample("gif", (GIF,)),
    Sample("carousel", (IMAGE, OTHER)),
    Sample("video", (VIDEO,), files={VIDEO["url"]: files.mp4(12.0, size=9 * 1024 * 1024)}),
)
