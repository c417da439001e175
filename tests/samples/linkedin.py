"""What LinkedIn can be given."""

from tests.samples import Sample

_POLL = {"poll": {"question": "Which way?", "options": ["Left", "Right"]}}
SAMPLES = (
    Sample("text"),
    Sample("link", options={"articleUrl": "https://example.com/article", "title": "An article", "description": "Of some length"}),
    Sample("image", media=({"url": "https://media.example/a.jpg", "altText": "A chart"},)),
    Sample("images", media=tuple({"url": f"https://media.example/{number}.png"} for number in range(3))),
    Sample("gif", media=({"url": "https://media.example/a.gif", "type": "gif"},)),
    Sample("video", media=({"url": "https://media.example/a.mp4", "type": "video"},), options={"title": "A film"}),
    Sample("document", media=({"url": "https://media.example/a.pdf", "type": "document"},), options={"title": "A report"}),
    Sample("poll", options=_POLL),
    Sample("comment", comment=True),
)
