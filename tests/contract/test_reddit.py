"""Reddit's publisher against a stand-in that judges by Reddit's published shape, and against every way a call can go wrong."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms._reddit_media import Plain
from dateline.platforms._reddit_rules import TITLE, title_and_body
from dateline.platforms.base import (
    Absent,
    Account,
    Answer,
    Delivery,
    Failed,
    Found,
    Outcome,
    Processing,
    Publisher,
    Remote,
    Retry,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from dateline.platforms.reddit import PUBLISHER
from local.networks.base import World
from local.networks.files import mp4
from local.networks.reddit import AGENT, RedditNetwork
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, Sent, account_of, delivery_of
from tests.samples import Sample, samples_of

# Form members of POST /api/submit and JSON members of POST /api/submit_gallery_post (Pyprohly/reddit-api-doc-notes, 2024-07-01;
# api_type from reddit.com/dev/api; `text` beside media from PRAW 8, 2026-08-17).
COMMON = {"api_type", "sr", "title", "text", "sendreplies", "spoiler", "nsfw", "flair_id", "flair_text", "collection_id"}
SUBMIT = COMMON | {"kind", "url", "video_poster_url", "resubmit", "original_content", "ad"}
GALLERY = COMMON | {"items", "original_content"}
PICTURE = Media("https://media.example/cat.png", "image")
CLIP = Media("https://media.example/clip.mp4", "video")


class Desk:
    """One world with one Reddit account, and what a worker would do with a delivery."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [RedditNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "reddit", "prof_reddit")
        self.media = Pinned()

    @property
    def network(self) -> RedditNetwork:
        network = self.world.networks["reddit"]
        assert isinstance(network, RedditNetwork)
        return network

    def delivery(self, *segments: str | Segment, **options: Any) -> Delivery:
        return delivery_of(self.http, self.account, *segments, options=options, media=self.media)

    def publish(self, delivery: Delivery, segment: int = 0) -> Remote:
        """As a worker does it: prepare, arm, publish, and look as long as Reddit is at work."""
        if PUBLISHER.needs_preparation(delivery):
            PUBLISHER.prepare(delivery)
        delivery.armed_at = self.clock.now()
        try:
            [remote] = PUBLISHER.publish(delivery, segment)
        except Processing as taken:
            self.clock.advance(taken.after)
            while isinstance(seen := PUBLISHER.resolve(delivery, segment), Working):
                self.clock.advance(seen.after)
            assert isinstance(seen, Found)
            [remote] = seen.remotes
        delivery.published = (*delivery.published, remote)
        return remote

    def visible(self) -> list[str]:
        return [entry.text for entry in self.world.seen("reddit")]


def form_of(sent: Sent) -> dict[str, str]:
    """The members of a form, each there once."""
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    parsed = parse_qs(sent.body.decode(), keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in parsed.values())
    return {name: values[0] for name, values in parsed.items()}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_publisher_keeps_the_protocol() -> None:
    publisher: Publisher = PUBLISHER
    assert publisher.rules.platform == "reddit"
    assert publisher.connect is not None and publisher.connect.extra == {"duration": "permanent"}


def test_a_text_of_one_line_is_a_title_without_a_body(desk: Desk) -> None:
    delivery = desk.delivery("Hello, world")
    assert not PUBLISHER.needs_preparation(delivery)
    remote = desk.publish(delivery)
    [sent] = desk.http.sent
    assert (sent.method, sent.path, sent.query) == ("POST", "/reddit/api/submit", "")
    assert sent.headers["authorization"] == f"Bearer {desk.account.credentials['accessToken']}"
    assert sent.headers["user-agent"] == "web:dateline:1 (by /u/dateline_1)"
    assert form_of(sent) == {
        "api_type": "json", "kind": "self", "sr": "dateline", "title": "Hello, world", "text": "", "nsfw": "false",
        "spoiler": "false", "sendreplies": "true", "resubmit": "true",
    }
    [entry] = desk.world.seen("reddit")
    assert (entry.remote_id, entry.text) == (remote.id, "Hello, world")
    assert remote.id.startswith("t3_")
    assert remote.url == f"https://www.reddit.com/r/dateline/comments/{remote.id[3:]}/post/"


def test_every_call_says_who_it_is_and_reddit_refuses_one_that_does_not(desk: Desk) -> None:
    delivery = desk.delivery(Segment("A picture", (PICTURE,)), "And a comment")
    remote = desk.publish(delivery)
    desk.publish(delivery, 1)
    PUBLISHER.delete(delivery, remote.id)
    PUBLISHER.verify(desk.account, desk.http)
    PUBLISHER.refresh(desk.account, desk.http)
    ours = [sent for sent in desk.http.sent if "amazonaws" not in sent.path]
    assert len(ours) >= 6
    assert all(AGENT.fullmatch(sent.headers["user-agent"]) for sent in ours)
    plain = desk.http.request("GET", f"{desk.account.server}/api/v1/me", headers={"User-Agent": "python-requests/2"})
    assert plain.status == 429


@pytest.mark.parametrize("text", ["One\ntwo\n\nthree", "One\n\ntwo", "One"])
def test_the_first_line_is_the_title_and_the_rest_the_body(desk: Desk, text: str) -> None:
    desk.publish(desk.delivery(text))
    sent = form_of(desk.http.sent[-1])
    assert sent["title"] == "One"
    assert sent["title"] + sent["text"] == text
    assert desk.visible() == [text]


def test_a_first_line_that_is_too_long_is_cut_for_the_title_and_stays_whole_in_the_body(desk: Desk) -> None:
    text = "word " * 100
    desk.publish(desk.delivery(text))
    sent = form_of(desk.http.sent[-1])
    assert len(sent["title"]) <= 300 and sent["title"].endswith("word…")
    assert sent["text"] == text


@given(st.text())
def test_a_title_always_fits_and_nothing_of_the_text_is_lost(text: str) -> None:
    title, body = title_and_body(text, {})
    assert len(title) <= TITLE
    assert bool(title) == bool(text.strip())
    assert body == text or (title + body).strip() == text.strip()
    assert title_and_body(text, {"title": "T"}) == ("T", text)


def test_options_become_members_of_the_form(desk: Desk) -> None:
    options = {
        "subreddit": "/r/Python", "title": "A title", "flairId": "a" * 36, "flairText": "News", "nsfw": True, "spoiler": True,
        "sendReplies": False,
    }
    desk.publish(desk.delivery("The body", **options))
    sent = form_of(desk.http.sent[-1])
    assert set(sent) <= SUBMIT
    assert sent == {
        "api_type": "json", "kind": "self", "sr": "Python", "title": "A title", "text": "The body", "flair_id": "a" * 36,
        "flair_text": "News", "nsfw": "true", "spoiler": "true", "sendreplies": "false", "resubmit": "true",
    }
    assert set(PUBLISHER.rules.options["properties"]) == {*options, "url"}
    assert desk.visible() == ["The body"]


def test_a_link_has_its_address_and_the_rest_of_the_text_below(desk: Desk) -> None:
    desk.publish(desk.delivery("Worth reading\nSays everybody", url="https://example.com/a?b=c&d"))
    sent = form_of(desk.http.sent[-1])
    assert (sent["kind"], sent["url"], sent["title"]) == ("link", "https://example.com/a?b=c&d", "Worth reading")
    assert sent["text"] == "\nSays everybody"


def test_an_image_is_leased_uploaded_and_found_in_the_accounts_list(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Cat", (PICTURE,)))
    assert PUBLISHER.needs_preparation(delivery)
    PUBLISHER.prepare(delivery)
    lease, upload = desk.http.sent
    assert (lease.path, form_of(lease)) == ("/reddit/api/media/asset.json", {"filepath": "upload.png", "mimetype": "image/png"})
    assert upload.path == "/reddit/reddit-uploaded-media.s3-accelerate.amazonaws.com"
    assert "authorization" not in upload.headers
    assert upload.headers["content-type"].startswith("multipart/form-data; boundary=")
    last = upload.body.rindex(b"Content-Disposition")
    assert upload.body[last:].startswith(b'Content-Disposition: form-data; name="file"; filename="upload.png"')
    assert b'name="key"' in upload.body[:last] and b'name="policy"' in upload.body[:last]
    PUBLISHER.prepare(delivery)
    assert len(desk.http.sent) == 2
    assert not PUBLISHER.needs_preparation(delivery)
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Processing) as taken:
        PUBLISHER.publish(delivery, 0)
    sent = form_of(desk.http.sent[-1])
    assert set(sent) <= SUBMIT
    assert sent["kind"] == "image" and sent["url"].endswith("amazonaws.com/rte_images/asset00000002")
    assert desk.visible() == []
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.clock.advance(taken.value.after)
    seen = PUBLISHER.resolve(delivery, 0)
    [entry] = desk.world.seen("reddit")
    assert isinstance(seen, Found)
    assert (seen.remotes[0].id, entry.text, entry.media) == (entry.remote_id, "Cat", ["asset00000002"])
    look = desk.http.sent[-1]
    assert (look.method, look.path) == ("GET", "/reddit/user/dateline_1/submitted")
    assert look.query == "sort=new&limit=100&raw_json=1"


def test_a_gallery_is_one_json_call_that_names_its_media_in_order(desk: Desk) -> None:
    pictures = tuple(Media(f"https://media.example/{n}.jpg") for n in range(3))
    delivery = desk.delivery(Segment("Three\nof them", pictures), flairId="x")
    remote = desk.publish(delivery)
    sent = desk.http.sent[-1]
    assert sent.path == "/reddit/api/submit_gallery_post.json"
    body = sent.json()
    assert set(body) <= GALLERY
    assert [set(item) for item in body["items"]] == [{"media_id", "caption", "outbound_url"}] * 3
    assert [item["media_id"] for item in body["items"]] == [delivery.checkpoint["media"][slot]["id"] for slot in "012"]
    assert (body["nsfw"], body["sendreplies"], body["flair_id"], body["text"]) == (False, True, "x", "\nof them")
    assert remote.id.startswith("t3_p")
    assert desk.visible() == ["Three\nof them"]


def test_a_video_is_streamed_in_pieces_and_has_a_poster(desk: Desk) -> None:
    desk.media.files[CLIP.url] = mp4(size=40 * 1024 * 1024)
    delivery = desk.delivery(Segment("Clip", (CLIP,)))
    asked: list[float] = []
    delivery.need = asked.append
    desk.publish(delivery)
    assert max(desk.media.opened[CLIP.url].reads) <= 8 * 1024 * 1024
    assert asked == [75.0]
    submit = next(form_of(sent) for sent in desk.http.sent if sent.path == "/reddit/api/submit")
    assert submit["kind"] == "video"
    assert {submit["url"].rpartition("/")[2], submit["video_poster_url"].rpartition("/")[2]} == set(desk.network.uploads)
    assert desk.network.uploads[submit["video_poster_url"].rpartition("/")[2]].mime == "image/png"
    assert desk.visible() == ["Clip"]


def test_a_picture_beside_a_video_is_its_poster(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Clip", (PICTURE, CLIP)))
    desk.publish(delivery)
    known = delivery.checkpoint["media"]
    assert set(known) == {"0", "1"}
    submit = next(form_of(sent) for sent in desk.http.sent if sent.path == "/reddit/api/submit")
    assert (submit["url"], submit["video_poster_url"]) == (known["1"]["url"], known["0"]["url"])


def test_the_made_poster_is_a_whole_picture() -> None:
    import struct
    import zlib

    data = Plain().read()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND" + struct.pack(">I", zlib.crc32(b"IEND")))
    start = data.index(b"IDAT") + 4
    length = struct.unpack(">I", data[start - 8:start - 4])[0]
    assert len(zlib.decompress(data[start:start + length])) == 720 * (1 + 1280 // 8)
    assert Plain().read(1, 3) == b"PNG"


def test_preparing_resumes_after_the_last_saved_upload(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Two", (PICTURE, Media("https://media.example/b.jpg"))))
    desk.world.add_fault("reddit", "lost_answer", at="prepare")
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    desk.world.add_fault("reddit", "server_error", at="publish")
    PUBLISHER.prepare(delivery)
    assert set(delivery.checkpoint["media"]) == {"0", "1"}
    assert len(desk.http.sent) == 5


def test_uploads_that_are_hours_old_are_not_counted_on(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Cat", (PICTURE,)))
    PUBLISHER.prepare(delivery)
    desk.clock.advance(7 * 3600)
    assert PUBLISHER.needs_preparation(delivery)


@pytest.mark.parametrize("media", [(PICTURE,), (CLIP,)])
def test_uploads_that_reddit_no_longer_knows_are_made_again(desk: Desk, media: tuple[Media, ...]) -> None:
    delivery = desk.delivery(Segment("Cat", media))
    PUBLISHER.prepare(delivery)
    desk.network.uploads.clear()
    with pytest.raises(Retry) as caught:
        PUBLISHER.publish(delivery, 0)
    assert caught.value.code == "media_gone"
    desk.publish(delivery)
    assert desk.visible() == ["Cat"]


def test_a_file_that_is_too_large_or_of_another_type_fails_before_anything_is_published(desk: Desk) -> None:
    desk.network.largest_upload = 10
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(desk.delivery(Segment("Cat", (PICTURE,))))
    assert caught.value.code == "media_too_large"
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(desk.delivery(Segment("Paper", (Media("https://media.example/paper.pdf"),))))
    assert caught.value.code == "media_format"
    assert desk.visible() == []


def test_media_that_reddit_takes_and_never_shows_ends_undecided(desk: Desk) -> None:
    desk.network.media_fails = True
    delivery = desk.delivery(Segment("Cat", (PICTURE,)))
    PUBLISHER.prepare(delivery)
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Processing):
        PUBLISHER.publish(delivery, 0)
    desk.clock.advance(29 * 60)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.clock.advance(61)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_a_thread_is_a_chain_of_comments_below_the_post(desk: Desk) -> None:
    delivery = desk.delivery("Post", "one", "two")
    remotes = [desk.publish(delivery, segment) for segment in range(3)]
    calls = [form_of(sent) for sent in desk.http.sent[1:]]
    assert calls == [
        {"api_type": "json", "thing_id": remotes[0].id, "text": "one"},
        {"api_type": "json", "thing_id": remotes[1].id, "text": "two"},
    ]
    assert [remote.id[:3] for remote in remotes] == ["t3_", "t1_", "t1_"]
    assert [entry.in_reply_to for entry in desk.world.seen("reddit")] == [None, remotes[0].id, remotes[1].id]


@pytest.mark.parametrize("sample", samples_of("reddit"), ids=lambda sample: sample.name)
@pytest.mark.parametrize("fault", ["lost_answer", "slow", "server_error"])
def test_a_lost_answer_is_settled_by_looking_whatever_the_post_is(desk: Desk, sample: Sample, fault: str) -> None:
    desk.media.files.update(sample.files)
    media = tuple(Media.from_dict(item) for item in sample.media)
    rest = [f"part {number}" for number in range(1, sample.segments)] + ["a comment"] * sample.comment
    delivery = desk.delivery(Segment("Only once", media), *rest, **sample.options)
    desk.http.deadline = 4
    for segment in range(len(delivery.segments)):
        if PUBLISHER.needs_preparation(delivery):
            PUBLISHER.prepare(delivery)
        desk.world.add_fault("reddit", fault, seconds=8)
        delivery.armed_at = desk.clock.now()
        with pytest.raises(Unknown):
            PUBLISHER.publish(delivery, segment)
        is_video = "video" in sample.name
        seen = PUBLISHER.resolve(delivery, segment)
        if is_video:
            assert isinstance(seen, Working)
        elif fault != "lost_answer":
            assert seen == Absent()
        desk.clock.advance(12)
        seen = PUBLISHER.resolve(delivery, segment)
        if is_video and fault == "server_error":
            assert isinstance(seen, Working)
            desk.clock.advance(900)
            seen = PUBLISHER.resolve(delivery, segment)
        if fault == "server_error":
            assert seen == Absent()
            desk.publish(delivery, segment)
        else:
            assert isinstance(seen, Found)
            delivery.published = (*delivery.published, *seen.remotes)
    entries = desk.world.seen("reddit")
    assert [entry.remote_id for entry in entries] == [remote.id for remote in delivery.published]
    assert entries[0].text == "Only once"


def test_resolve_takes_neither_another_posts_id_nor_another_subreddits_nor_an_older_one(desk: Desk) -> None:
    first = desk.publish(desk.delivery("Same words"))
    for change in ({"subreddit": "elsewhere"}, {"title": "Other"}, {"url": "https://example.com/"}):
        other = desk.delivery("Same words", **change)
        other.armed_at = desk.clock.now()
        assert PUBLISHER.resolve(other, 0) == Absent(), change
    again = desk.delivery("Same words")
    again.armed_at = desk.clock.now()
    again.taken = frozenset({first.id})
    assert PUBLISHER.resolve(again, 0) == Absent()
    again.taken = frozenset()
    again.armed_at = desk.clock.now() + timedelta(minutes=5)
    assert PUBLISHER.resolve(again, 0) == Absent()
    again.armed_at = desk.clock.now()
    assert PUBLISHER.resolve(again, 0) == Found((first,))


def test_resolve_reads_every_page_and_says_so_when_there_are_too_many(desk: Desk) -> None:
    desk.network.page_size = 1
    delivery = desk.delivery("wanted")
    wanted = desk.publish(delivery)
    delivery.published = ()
    for number in range(4):
        desk.publish(desk.delivery(f"later {number}"))
    assert PUBLISHER.resolve(delivery, 0) == Found((wanted,))
    desk.publish(desk.delivery("one too many"))
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


@pytest.mark.parametrize(("asked", "waits"), [(1, 2), (45, 46), (90, 120), (840, 900)])
def test_a_rate_limit_under_200_is_waited_for_as_its_sentence_says(desk: Desk, asked: float, waits: float) -> None:
    desk.world.add_fault("reddit", "rate_limit", retry_after=asked)
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("Hello"))
    assert (caught.value.code, caught.value.after) == ("rate_limited", waits)
    assert desk.visible() == []
    desk.publish(desk.delivery("Hello"))


def test_a_rate_limit_of_the_app_is_waited_for_as_its_headers_say(desk: Desk) -> None:
    desk.network.limit_by_status = True
    desk.world.add_fault("reddit", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("Hello"))
    assert caught.value.after == 90


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([["RATELIMIT", "Take a break for 3 milliseconds", "ratelimit"]], Retry),
        ([["SUBREDDIT_NOEXIST", "no such community", "sr"]], Failed), ([["NO_SELFS", "no text posts", "sr"]], Failed),
        ([["TOO_LONG", "too long", "title"], ["RATELIMIT", "Take a break for 2 hours", "ratelimit"]], Failed),
        ([["USER_REQUIRED", "Please log in to do that.", None]], TokenRefused), ([["A_NEW_ONE", None, None]], Failed),
        ([["NO_URL", "a url is required", "url"]], Failed),
        ([["BANNED", "see https://example.com/secret", "sr"]], Failed),
        ([["SOMETHING_IS_BROKEN", "Something is broken, please try again later.", "parent"]], Unknown),
        ([["ALREADY_SUB", "already shared", "url"]], Failed),
    ],
)
def test_errors_under_200_are_read_by_their_code(errors: list[Any], kind: type[Outcome]) -> None:
    import json

    desk = Desk()
    delivery = desk.delivery("Hello")
    delivery.http = Says(Answer(200, {}, json.dumps({"json": {"errors": errors}}).encode()))
    with pytest.raises(kind) as caught:
        PUBLISHER.publish(delivery, 0)
    assert "https:" not in str(caught.value)
    if errors[0][1] and kind in (Failed, Unknown):
        assert errors[0][1].partition("https:")[0] in caught.value.detail


class Says:
    """A network that gives one answer to everything."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def request(self, method: str, url: str, **parts: Any) -> Answer:
        return self.answer



def test_an_answer_that_names_nothing_is_unknown(desk: Desk) -> None:
    for text in (b"", b"<html>", b'{"json": {"errors": [], "data": {}}}', b'{"json": {"errors": [], "data": {"things": []}}}'):
        delivery = desk.delivery("Hello", "there")
        delivery.published = (Remote("t3_a"),)
        delivery.http = Says(Answer(200, {}, text))
        for segment in (0, 1):
            with pytest.raises(Unknown):
                PUBLISHER.publish(delivery, segment)


def test_a_refusal_is_final_and_carries_reddits_words(desk: Desk) -> None:
    desk.world.add_fault("reddit", "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Hello"))
    assert "only allows trusted members" in caught.value.detail
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Hello", subreddit="doesnotexist"))
    assert "SUBREDDIT_NOEXIST" in caught.value.detail


def test_a_duplicate_link_is_ours_only_when_we_were_uncertain(desk: Desk) -> None:
    refused = Says(Answer(200, {}, b'{"json": {"errors": [["ALREADY_SUB", "already shared", "url"]]}}'))
    first = desk.publish(desk.delivery("Link", url="https://example.com/"))
    delivery = desk.delivery("Link", url="https://example.com/")
    delivery.http = refused
    with pytest.raises(Failed) as caught:
        PUBLISHER.publish(delivery, 0)
    assert caught.value.code == "duplicate_content"
    delivery.uncertain = True
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)

    class Mixed:
        """Refuses to post, and lists as it is."""

        def request(self, method: str, url: str, **parts: Any) -> Answer:
            return refused.answer if method == "POST" else desk.http.request(method, url, **parts)


    delivery.http = Mixed()
    delivery.armed_at = desk.clock.now()
    assert PUBLISHER.publish(delivery, 0) == (first,)
    delivery.taken = frozenset({first.id})
    with pytest.raises(Unknown):
        PUBLISHER.publish(delivery, 0)


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    desk.http.unreachable = True
    with pytest.raises(Retry):
        desk.publish(desk.delivery("Hello"))


def test_an_expired_token_is_refreshed_on_the_other_host(desk: Desk) -> None:
    desk.clock.advance(3600)
    delivery = desk.delivery("Hello")
    calls: tuple[Callable[[], Any], ...] = (
        lambda: desk.publish(delivery), lambda: PUBLISHER.verify(desk.account, desk.http),
        lambda: PUBLISHER.resolve(delivery, 0), lambda: PUBLISHER.delete(delivery, "t3_a"),
    )
    for call in calls:
        with pytest.raises(TokenRefused):
            call()
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path) == ("POST", "/reddit/www.reddit.com/api/v1/access_token")
    assert sent.headers["authorization"].startswith("Basic ")
    assert form_of(sent) == {"grant_type": "refresh_token", "refresh_token": desk.account.credentials["refreshToken"]}
    assert tokens is not None and tokens.expires_in == 3600
    assert all(tokens.credentials.values())
    desk.account = with_credentials(desk.account, **tokens.credentials)
    desk.publish(desk.delivery("Hello"))
    assert desk.visible() == ["Hello"]


def test_a_grant_taken_back_is_dead_and_a_wrong_secret_of_the_app_kills_no_account(desk: Desk) -> None:
    assert PUBLISHER.refresh(with_credentials(desk.account, refreshToken=""), desk.http) is None
    assert PUBLISHER.refresh(with_credentials(desk.account, clientId=""), desk.http) is None
    with pytest.raises(Retry):
        PUBLISHER.refresh(with_credentials(desk.account, clientSecret="wrong"), desk.http)
    desk.network.grants.revoke("prof_reddit")
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(desk.account, desk.http)
    desk.http.unreachable = True
    with pytest.raises(Retry):
        PUBLISHER.refresh(desk.account, desk.http)


def test_consent_gives_a_permanent_grant_once(desk: Desk) -> None:
    connect = PUBLISHER.connect
    assert connect is not None
    asked = {
        "client_id": "reddit-client", "redirect_uri": "https://dateline.example/back", "response_type": "code", "state": "s",
        "scope": connect.scope_separator.join(connect.scopes), **connect.extra,
    }
    page = desk.account.host(connect.authorize[0]) + connect.authorize[1]
    assert desk.http.request("GET", page, params={**asked, "duration": "temporary"}).status == 400
    back = parse_qs(desk.http.request("GET", page, params=asked).headers["location"].partition("?")[2])
    form = {"grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": asked["redirect_uri"]}
    pair = {"Authorization": "Basic " + base64.b64encode(b"reddit-client:reddit-client-secret").decode()}
    token = desk.account.host(connect.token[0]) + connect.token[1]
    given = desk.http.request("POST", token, headers=pair, data=form).json()
    stranger = replace(desk.account, account_id="", credentials={"accessToken": given["access_token"]})
    assert PUBLISHER.verify(stranger, desk.http).account_id == "dateline_2"
    assert given["refresh_token"] and given["expires_in"] == 3600
    assert desk.http.request("POST", token, headers=pair, data=form).json() == {"error": "invalid_grant"}


def test_verify_says_who_it_is_before_anybody_knows(desk: Desk) -> None:
    stranger = replace(desk.account, account_id="")
    info = PUBLISHER.verify(stranger, desk.http)
    assert (info.account_id, info.name) == (desk.account.account_id, "u/dateline_1")
    [choice] = PUBLISHER.accounts(stranger, desk.http)
    assert (choice.account_id, choice.kind) == (info.account_id, "account")


def test_a_deleted_post_is_gone_and_deleting_it_again_is_no_error(desk: Desk) -> None:
    delivery = desk.delivery("Hello", "there")
    remotes = [desk.publish(delivery, segment) for segment in range(2)]
    for remote in reversed(remotes):
        PUBLISHER.delete(delivery, remote.id)
        PUBLISHER.delete(delivery, remote.id)
    assert desk.http.sent[-1].path == "/reddit/api/del"
    assert form_of(desk.http.sent[-1]) == {"id": remotes[0].id}
    assert desk.visible() == []


def test_the_headers_tell_of_the_apps_quota(desk: Desk) -> None:
    answer = Answer(200, {"x-ratelimit-used": "4", "x-ratelimit-remaining": "996.0", "x-ratelimit-reset": "300"}, b"{}")
    [quota] = PUBLISHER.quotas(answer, desk.clock.now())
    assert quota == ("app", "calls", 1000, 996, desk.clock.now() + timedelta(seconds=300))
    assert PUBLISHER.quotas(Answer(200, {"x-ratelimit-used": "x"}, b""), desk.clock.now()) == ()


RULES_BROKEN: tuple[tuple[Draft, dict[str, Any], list[str]], ...] = (
    (Draft((Segment("Hello"),)), {}, ["reddit.subreddit.required"]),
    (Draft((Segment("Hello"),), {"subreddit": "r/x y"}), {}, ["reddit.option.invalid"]),
    (Draft((Segment("", (PICTURE,)),)), {"subreddit": "pics"}, ["reddit.title.required"]),
    (Draft((Segment("", (PICTURE,)),), {"title": "Cat"}), {"subreddit": "pics"}, []),
    (Draft((Segment("a" * 40_001),)), {"subreddit": "pics"}, ["reddit.text.too_long"]),
    (Draft((Segment("a"), Segment("b" * 10_001))), {"subreddit": "pics"}, ["reddit.text.too_long"]),
    (Draft((Segment("a"), Segment("b", (PICTURE,)))), {"subreddit": "pics"}, ["reddit.comment.with_media"]),
    (Draft((Segment("a", (CLIP, PICTURE, PICTURE)),)), {"subreddit": "pics"}, ["reddit.media.mixed"]),
    (Draft((Segment("a", (CLIP, CLIP)),)), {"subreddit": "pics"}, ["reddit.media.too_many"]),
    (Draft((Segment("a", (PICTURE,) * 21),)), {"subreddit": "pics"}, ["reddit.media.too_many"]),
    (Draft((Segment("a", (PICTURE._replace(facts=Facts("image/webp", 9)),)),)), {"subreddit": "pics"}, ["reddit.media.format"]),
    (Draft((Segment("a"),), comment=Segment("b" * 10_001)), {"subreddit": "pics"}, ["reddit.first_comment.too_long"]),
    (Draft((Segment("a"),), {"title": " "}), {"subreddit": "pics"}, ["reddit.option.invalid"]),
    (Draft((Segment("a"),), {"url": "ftp://x"}), {"subreddit": "pics"}, ["reddit.option.invalid"]),
)


@pytest.mark.parametrize(("draft", "settings", "rules"), RULES_BROKEN)
def test_what_reddit_refuses_is_refused_before(draft: Draft, settings: dict[str, Any], rules: list[str]) -> None:
    assert [v.rule for v in check(PUBLISHER.rules, draft, settings)] == rules


def test_what_is_left_out_is_said() -> None:
    advise = PUBLISHER.rules.advise
    assert advise is not None
    draft = Draft((Segment("a", (PICTURE._replace(alt_text="A cat"),)),), {"url": "https://example.com"})
    assert [v.rule for v in advise(draft, {})] == ["reddit.url.ignored", "reddit.alt_text.ignored"]
    assert [v.rule for v in advise(Draft((Segment("a", (CLIP,)),)), {})] == ["reddit.poster.default"]


def test_the_stand_in_refuses_what_reddit_refuses(desk: Desk) -> None:
    headers = {"Authorization": f"Bearer {desk.account.credentials['accessToken']}", "User-Agent": "web:t:1 (by /u/t)"}
    good = {"api_type": "json", "kind": "self", "sr": "test", "title": "T", "text": ""}
    for change, code in (
        ({"title": ""}, "NO_TEXT"), ({"title": "a" * 301}, "TOO_LONG"), ({"text": "a" * 40_001}, "TOO_LONG"),
        ({"sr": ""}, "BAD_SR_NAME"), ({"sr": "linksonly"}, "NO_SELFS"), ({"kind": "poem"}, "INVALID_OPTION"),
        ({"kind": "link"}, "NO_URL"), ({"kind": "image", "url": "https://elsewhere.example/x.png"}, "NO_URL"),
        ({"colour": "red"}, ""), ({"api_type": "xml"}, ""), ({"flair_id": "a" * 37}, "TOO_LONG"),
        ({"nsfw": "1"}, "INVALID_OPTION"),
    ):
        sent = desk.http.request("POST", desk.account.server + "/api/submit", headers=headers, data={**good, **change})
        errors = (sent.json().get("json") or {}).get("errors") or [[""]]
        assert errors[0][0] == code and (sent.status == 200) == bool(code), change
    assert desk.visible() == []


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer"])
def test_no_failure_shows_a_token(desk: Desk, fault: str) -> None:
    desk.http.deadline = 1
    desk.world.add_fault("reddit", fault, at="any")
    delivery = desk.delivery(Segment("Hello", (PICTURE,)))
    with pytest.raises(Outcome) as caught:
        desk.publish(delivery)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {desk.account!r} {delivery!r} {delivery.checkpoint}"
    for secret in [*desk.account.credentials.values(), "signature-", "policy-"]:
        assert secret not in shown


def with_credentials(account: Account, **entries: str) -> Account:
    return replace(account, credentials={**account.credentials, **entries})
