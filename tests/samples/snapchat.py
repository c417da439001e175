"""The shapes of post Snapchat takes. A story shows no text, a saved story its title: the first line of the text."""

from __future__ import annotations

from tests.samples import Sample

VIDEO = {"url": "https://media.example/clip.mp4", "type": "video"}
IMAGE = {"url": "https://media.example/picture.jpg", "type": "image"}

SAMPLES = (
    Sample("image", (IMAGE,), shows_text=False),
    Sample("video", (VIDEO,), shows_text=False),
    Sample("saved story", (IMAGE,), {"contentType": "saved_story"}),
    Sample("spotlight", (VIDEO,), {"contentType": "spotlight", "locale": "de_DE"}),
)
