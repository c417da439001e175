"""The shapes of post TikTok takes."""

from __future__ import annotations

from tests.samples import Sample

VIDEO = {"url": "https://media.example/clip.mp4", "type": "video"}
PHOTOS = tuple({"url": f"https://media.example/{n}.jpg", "type": "image"} for n in range(3))

SAMPLES = (
    Sample("video", (VIDEO,), {"privacyLevel": "PUBLIC_TO_EVERYONE", "disableDuet": True, "aiGenerated": True}),
    Sample("image", PHOTOS[:1], {"autoAddMusic": True}),
    Sample("carousel", PHOTOS, {"title": "Three pictures", "photoCoverIndex": 1}),
)
