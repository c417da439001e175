"""What Reddit can be given. The stand-in's profiles have a default subreddit."""

from __future__ import annotations

from local.networks import files
from tests.samples import Sample

IMAGE = {"url": "https://media.example/reddit/one.png", "type": "image"}
OTHER = {"url": "https://media.example/reddit/two.jpg", "type": "image"}
GIF = {"url": "https://media.example/reddit/loop.gif", "type": "gif"}
VIDEO = {"url": "https://media.example/reddit/clip.mp4", "type": "video"}

SAMPLES = (
    Sample("text"),
    Sample("titled text", options={"subreddit": "r/other", "title": "A title of its own", "nsfw": True, "spoiler": True}),
    Sample("link", options={"url": "https://example.com/article"}),
    Sample("image", (IMAGE,)),
    Sample("gif", (GIF,)),
    Sample("gallery", (IMAGE, OTHER)),
    Sample("video", (VIDEO,), files={VIDEO["url"]: files.mp4(12.0, size=9 * 1024 * 1024)}),
    Sample("video with a poster", (VIDEO, IMAGE)),
    Sample("thread", segments=3),
    Sample("comment", comment=True),
)
