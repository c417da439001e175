"""Every shape of post that Instagram takes."""

from tests.samples import Sample

PICTURE = {"url": "https://media.example/harbour.jpg", "type": "image", "altText": "A harbour at dawn"}
OTHER = {"url": "https://media.example/gulls.jpg", "type": "image"}
VIDEO = {"url": "https://media.example/waves.mp4", "type": "video"}

SAMPLES = (
    Sample("image", (PICTURE,), {"contentType": "feed", "collaborators": ["harbour.master"]}),
    Sample("images", (PICTURE, OTHER)),
    Sample("carousel", (PICTURE, VIDEO)),
    Sample("reel", (VIDEO,), {"contentType": "reel", "shareToFeed": False, "thumbOffsetMs": 1500}),
    Sample("video", (VIDEO,)),
    Sample("story", (OTHER,), {"contentType": "story"}, shows_text=False),
    Sample("video story", (VIDEO,), {"contentType": "story"}, shows_text=False),
    Sample("comment", (PICTURE,), comment=True),
)
