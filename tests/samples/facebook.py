"""What a Facebook page can be given."""

from tests.samples import Sample

_FILM = ({"url": "https://media.example/a.mp4", "type": "video"},)
SAMPLES = (
    Sample("text"),
    Sample("link", options={"link": "https://example.com/article"}),
    Sample("image", media=({"url": "https://media.example/a.jpg", "altText": "A chart"},)),
    Sample("images", media=tuple({"url": f"https://media.example/{number}.png"} for number in range(3))),
    Sample("video", media=_FILM, options={"title": "A film"}),
    Sample("reel", media=_FILM, options={"contentType": "reel"}),
    Sample("photo story", media=({"url": "https://media.example/a.jpg"},), options={"contentType": "story"}, shows_text=False),
    Sample("video story", media=_FILM, options={"contentType": "story"}, shows_text=False),
    Sample("comment", comment=True),
)
