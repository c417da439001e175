"""Every shape of post that Threads takes."""

from tests.samples import Sample

PICTURE = {"url": "https://media.example/harbour.jpg", "type": "image", "altText": "A harbour at dawn"}
OTHER = {"url": "https://media.example/gulls.png", "type": "image"}
VIDEO = {"url": "https://media.example/waves.mp4", "type": "video"}

SAMPLES = (
    Sample("text", options={"replyControl": "mentioned_only", "topicTag": "harbours"}),
    Sample("image", (PICTURE,)),
    Sample("video", (VIDEO,)),
    Sample("images", (PICTURE, OTHER)),
    Sample("carousel", (PICTURE, VIDEO, OTHER)),
    Sample("poll", options={"poll": {"options": ["Sea", "Hills"]}}),
    Sample("link", options={"linkAttachment": "https://example.com/story"}),
    Sample("thread", segments=3),
    Sample("comment", (PICTURE,), comment=True),
)
