"""Every shape of post that Google Business Profile takes."""

from __future__ import annotations

from local.networks import files
from tests.samples import Sample

PHOTO = {"url": "https://media.example/shop.jpg", "type": "image"}
LARGE = {PHOTO["url"]: files.jpeg(2400, 1800)}
OPENING = {"eventTitle": "Opening night", "start": "2026-12-01T18:00", "end": "2026-12-01T23:00"}

SAMPLES: tuple[Sample, ...] = (
    Sample("text"),
    Sample(
        "call to action", (),
        {"callToAction": {"type": "learn_more", "url": "https://shop.example/"}, "languageCode": "en-GB"},
    ),
    Sample("image", (PHOTO,), files=LARGE),
    Sample("event", (), {"topicType": "event", **OPENING}),
    Sample("offer", (PHOTO,), {"topicType": "offer", **OPENING, "couponCode": "NIGHT10"}, files=LARGE),
)
