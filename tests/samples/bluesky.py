"""What Bluesky takes."""

from __future__ import annotations

from tests.samples import Sample

CARD = {"url": "https://example.com/story", "title": "A story", "description": "And how it ends"}

SAMPLES = (
    Sample("text"),
    Sample("image", ({"url": "https://media.example/one.png", "type": "image", "altText": "One"},)),
    Sample("images", tuple({"url": f"https://media.example/{n}.jpg", "type": "image"} for n in range(4))),
    Sample("gallery", tuple({"url": f"https://media.example/{n}.jpg", "type": "image"} for n in range(10))),
    Sample("gif", ({"url": "https://media.example/wave.gif", "type": "gif", "altText": "A wave"},)),
    Sample("video", ({"url": "https://media.example/clip.mp4", "type": "video", "altText": "A clip"},)),
    Sample("card", options={"linkCard": CARD}),
    Sample("quiet", options={"replyControl": []}),
    Sample("thread", ({"url": "https://media.example/one.png", "type": "image"},), segments=3),
    Sample("comment", comment=True),
)
