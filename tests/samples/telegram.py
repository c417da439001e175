"""What Telegram takes."""

from __future__ import annotations

from tests.samples import Sample

SAMPLES = (
    Sample("text"),
    Sample("image", ({"url": "https://media.example/one.png", "type": "image"},)),
    Sample("images", tuple({"url": f"https://media.example/{n}.jpg", "type": "image"} for n in range(3))),
    Sample("video", ({"url": "https://media.example/clip.mp4", "type": "video"},)),
    Sample("gif", ({"url": "https://media.example/wave.gif", "type": "gif"},)),
    Sample("document", ({"url": "https://media.example/report.pdf", "type": "document"},)),
    Sample("album", (
        {"url": "https://media.example/one.png", "type": "image"}, {"url": "https://media.example/clip.mp4", "type": "video"},
    )),
)
