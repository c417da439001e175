"""What Mastodon takes."""

from __future__ import annotations

from tests.samples import Sample

SAMPLES = (
    Sample("text"),
    Sample("image", ({"url": "https://media.example/one.png", "type": "image", "altText": "One"},)),
    Sample("images", tuple({"url": f"https://media.example/{n}.jpg", "type": "image"} for n in range(4))),
    Sample("gif", ({"url": "https://media.example/wave.gif", "type": "gif", "altText": "A wave"},)),
    Sample("video", ({"url": "https://media.example/clip.mp4", "type": "video", "altText": "A clip"},)),
    Sample("poll", options={"poll": {"options": ["Left", "Right"], "durationMinutes": 60}}),
    Sample("thread", ({"url": "https://media.example/one.png", "type": "image"},), segments=3),
    Sample("comment", comment=True),
)
