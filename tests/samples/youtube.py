"""Every shape of post that YouTube takes: a video, in the visibilities that somebody sees, with and without what goes with it."""

from __future__ import annotations

from local.networks import files
from tests.samples import Sample

VIDEO = {"url": "https://media.example/film.mp4", "type": "video"}
THUMBNAIL = {"url": "https://media.example/cover.jpg", "type": "image"}

SAMPLES: tuple[Sample, ...] = (
    Sample("video", (VIDEO,), {"nativeSchedule": False}),
    Sample(
        "unlisted video", (VIDEO,),
        {"title": "A film", "tags": ["film", "new york"], "privacy": "unlisted", "categoryId": "24"},
    ),
    Sample("reel", (VIDEO,), {"nativeSchedule": False}, files={VIDEO["url"]: files.mp4(20, 1080, 1920)}),
    Sample(
        "video with a thumbnail", (VIDEO, THUMBNAIL), {"nativeSchedule": False},
        files={THUMBNAIL["url"]: files.jpeg(1280, 720)},
    ),
    Sample("comment", (VIDEO,), {"nativeSchedule": False}, comment=True),
)
