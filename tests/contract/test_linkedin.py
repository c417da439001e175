"""LinkedIn's publisher against a stand-in that judges by LinkedIn's published shape, and every way a call can go wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms import _linkedin_text as text
from dateline.platforms._linkedin_rules import RULES
from dateline.platforms.base import (
    Absent,
    Account,
    Answer,
    AnswerLost,
    Delivery,
    Failed,
    Found,
    NotReady,
    Outcome,
    Publisher,
    Remote,
    Retry,
    TokenRefused,
    Undecidable,
    Unknown,
)
from dateline.platforms.linkedin import PUBLISHER
from local.networks.base import World
from local.networks.files import jpeg, mp4
from local.networks.linkedin import LinkedInNetwork, shown_of
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, account_of, delivery_of
from tests.samples import Sample, samples_of

# Transcribed from learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/: the pages posts-api, poll-post-api,
# multiimage-post-api, videos-api, images-api, documents-api and comments-api (views li-lms-2026-05 and before, read 2026-11).
# What a body must have and may have, by path.
BODIES: dict[str, tuple[set[str], set[str]]] = {
    r"POST /linkedin/rest/posts": (
        {"author", "commentary", "visibility", "distribution", "lifecycleState"},
        {"content", "isReshareDisabledByAuthor", "contentLandingPage", "contentCallToActionLabel", "reshareContext", "adContext"},
    ),
    r"POST /linkedin/rest/(images|videos|documents)": (set(), {"initializeUploadRequest", "finalizeUploadRequest"}),
    r"POST /linkedin/rest/socialActions/[^/]+/comments": ({"actor", "object", "message"}, {"content", "parentComment"}),
}
PICTURE = Media("https://media.example/cat.png", "image", "A cat asleep on a router")
FILM = Media("https://media.example/film.mp4", "video")
PAPER = Media("https://media.example/paper.pdf", "document")


class Desk:
    """One world with one LinkedIn account, and what a worker would do with a delivery."""

    def __init__(self, profile_id: str = "prof_linkedin") -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [LinkedInNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "linkedin", profile_id)

    @property
    def network(self) -> LinkedInNetwork:
        network = self.world.networks["linkedin"]
        assert isinstance(network, LinkedInNetwork)
        return network

    def delivery(self, *segments: str | Segment, media: Pinned | None = None, **options: Any) -> Delivery:
        delivery = delivery_of(self.http, self.account, *segments, options=options, media=media)
        delivery.checkpoint.update(PUBLISHER.start(delivery))
        return delivery

    def prepare(self, delivery: Delivery) -> None:
        for _ in range(20):
            if not PUBLISHER.needs_preparation(delivery):
                return
            try:
                PUBLISHER.prepare(delivery)
            except NotReady as wait:
                self.clock.advance(max(wait.after, 1.0))
        raise AssertionError("never ready")

    def publish(self, delivery: Delivery, segment: int = 0) -> Remote:
        self.prepare(delivery)
        delivery.armed_at = self.clock.now()
        [remote] = PUBLISHER.publish(delivery, segment)
        delivery.published = (*delivery.published, remote)
        return remote

    def lost(self, delivery: Delivery, segment: int = 0) -> None:
        self.world.add_fault("linkedin", "lost_answer")
        with pytest.raises(Unknown):
            self.publish(delivery, segment)
        delivery.uncertain = True

    def visible(self) -> list[str]:
        return [entry.text for entry in self.world.seen("linkedin")]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def member() -> Desk:
    return Desk("prof_linkedin_member")


def body_of(desk: Desk) -> dict[str, Any]:
    return next(dict(sent.json()) for sent in reversed(desk.http.sent) if sent.path == "/linkedin/rest/posts" and sent.body)


def test_the_publisher_keeps_the_protocol() -> None:
    publisher: Publisher = PUBLISHER
    assert publisher.rules.platform == "linkedin"
    assert publisher.refresh_ahead == 7 * 86_400


def test_a_text_is_one_call_with_the_headers_and_members_of_the_schema(desk: Desk) -> None:
    delivery = desk.delivery("Hello, world")
    assert not PUBLISHER.needs_preparation(delivery)
    remote = desk.publish(delivery)
    [sent] = desk.http.sent
    assert (sent.method, sent.path, sent.query) == ("POST", "/linkedin/rest/posts", "")
    assert sent.headers["authorization"] == "Bearer linkedin-access-1"
    assert (sent.headers["linkedin-version"], sent.headers["x-restli-protocol-version"]) == ("202607", "2.0.0")
    assert sent.json() == {
        "author": desk.account.account_id, "commentary": "Hello, world", "visibility": "PUBLIC", "lifecycleState": "PUBLISHED",
        "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
        "isReshareDisabledByAuthor": False,
    }
    assert remote.url == f"https://www.linkedin.com/feed/update/{remote.id}/"
    assert desk.visible() == ["Hello, world"]


@pytest.mark.parametrize("who", ["prof_linkedin", "prof_linkedin_member"])
@pytest.mark.parametrize("sample", samples_of("linkedin"), ids=lambda sample: sample.name)
def test_every_shape_of_post_keeps_to_the_schema_and_reads_as_it_was_written(sample: Sample, who: str) -> None:
    desk = Desk(who)
    words = f"A post ({sample.name}) #news"
    media = tuple(Media.from_dict(item) for item in sample.media)
    comment = Segment("And a word more") if sample.comment else None
    draft = Draft((Segment(words, media),), sample.options, comment)
    assert check(RULES, draft, desk.account.settings) == []
    delivery = desk.delivery(*draft.whole, media=Pinned(sample.files), **sample.options)
    for segment in range(len(draft.whole)):
        desk.publish(delivery, segment)
    assert desk.visible() == [segment.text for segment in draft.whole]
    assert len(desk.world.seen("linkedin")[0].media) == len(media)
    for sent in desk.http.sent:
        for path, (required, allowed) in BODIES.items():
            if re.fullmatch(path, f"{sent.method} {sent.path}"):
                assert required <= set(sent.json()) <= required | allowed
        if "/rest/" in sent.path:
            assert {"linkedin-version", "x-restli-protocol-version", "authorization"} <= set(sent.headers)


def test_options_become_members_and_an_unused_one_is_a_warning_not_an_error(member: Desk) -> None:
    member.publish(member.delivery("For friends", visibility="CONNECTIONS", disableReshare=True))
    body = body_of(member)
    assert (body["visibility"], body["isReshareDisabledByAuthor"]) == ("CONNECTIONS", True)
    link: dict[str, Any] = {"articleUrl": "https://example.com/a/b", "title": "T", "description": "D"}
    member.publish(member.delivery(Segment("Look", (PICTURE,)), **link))
    article = body_of(member)["content"]["article"]
    assert article.pop("thumbnail").startswith("urn:li:image:")
    assert article == {"source": "https://example.com/a/b", "title": "T", "description": "D"}
    member.publish(member.delivery(Segment("Film", (FILM,)), **link))
    assert set(body_of(member)["content"]["media"]) == {"id", "title"}
    assert RULES.advise is not None
    for draft, rules in (
        (Draft((Segment("x", (FILM,)),), link), ["linkedin.article.ignored", "linkedin.description.ignored"]),
        (Draft((Segment("x"),), {"articleUrl": "https://a.example"}), ["linkedin.article.untitled"]),
        (Draft((Segment("x"),), {"title": "T", "description": "D"}), ["linkedin.title.ignored", "linkedin.description.ignored"]),
        (Draft((Segment("x", (PICTURE,)),), link), ["linkedin.alt_text.ignored"]),
    ):
        assert check(RULES, draft, {}) == []
        assert [warning.rule for warning in RULES.advise(draft, {})] == rules


def test_what_linkedin_would_never_take_is_found_before_it_is_sent(desk: Desk) -> None:
    poll = {"poll": {"question": "?", "options": ["a", "b"]}}
    wide = PICTURE._replace(facts=Facts("image/png", 1000, 8000, 8000))
    for draft, rules in (
        (Draft((Segment("x", (PICTURE,)),), poll), ["linkedin.poll.with_media"]),
        (Draft((Segment("x"),), {**poll, "articleUrl": "https://a.example"}), ["linkedin.poll.with_article"]),
        (Draft((Segment("x"),), {"visibility": "CONNECTIONS"}), ["linkedin.visibility.organization"]),
        (Draft((Segment("x", (wide,)),)), ["linkedin.media.too_many_pixels"]),
        (Draft((Segment("x", (PICTURE,) * 21),)), ["linkedin.media.too_many"]),
        (Draft((Segment("x", (PICTURE, FILM)),)), ["linkedin.media.mixed"]),
        (Draft((Segment("x" * 3001),)), ["linkedin.text.too_long"]),
        (Draft((Segment("x"),), {}, Segment("y" * 1251)), ["linkedin.first_comment.too_long"]),
        (Draft((Segment("(" * 3000),)), []),
    ):
        assert [v.rule for v in check(RULES, draft, desk.account.settings)] == rules


@given(st.text(alphabet=st.sampled_from("ab1 \n\\|{}@[]()<>#*_~＃é日हि😀/."), max_size=60))
def test_whatever_is_written_is_read_by_linkedin_as_it_was_written(words: str) -> None:
    commentary = text.little(words)
    assert shown_of(commentary) == text.shown(words) == words
    assert text.plain(commentary) == words
    assert text.says(commentary, words)


@pytest.mark.parametrize(
    ("words", "commentary"),
    [
        ("2 * 3 (six) <b>_x_</b>", "2 \\* 3 \\(six\\) \\<b\\>\\_x\\_\\</b\\>"),
        ("#One two (#Drei) ＃四", "{hashtag|\\#|One} two \\({hashtag|\\#|Drei}\\) {hashtag|＃|四}"),
        ("#1 is C# at https://a.example/#top", "\\#1 is C\\# at https://a.example/\\#top"),
        ("#snake_case #हिन्दी", "{hashtag|\\#|snake\\_case} {hashtag|\\#|हिन्दी}"),
        ("Thanks @[Acme (Ltd)](urn:li:organization:12)!", "Thanks @[Acme \\(Ltd\\)](urn:li:organization:12)!"),
        ("me@example.com", "me\\@example.com"),
    ],
)
def test_hashtags_and_mentions_stay_what_they_are_and_all_else_is_escaped(words: str, commentary: str) -> None:
    assert text.little(words) == commentary
    assert shown_of(commentary) == text.shown(words)


def test_a_video_goes_up_in_the_parts_linkedin_asks_for_and_is_waited_for(desk: Desk) -> None:
    pinned = Pinned({FILM.url: mp4(size=9 * 1024 * 1024)})
    delivery = desk.delivery(Segment("Film", (FILM,)), media=pinned, title="A film")
    with pytest.raises(NotReady) as caught:
        PUBLISHER.prepare(delivery)
    assert caught.value.code == "media_processing"
    begin, *parts, finish, poll = desk.http.sent
    assert begin.query == "action=initializeUpload"
    assert begin.json() == {"initializeUploadRequest": {
        "owner": desk.account.account_id, "fileSizeBytes": pinned.opened[FILM.url].size, "uploadCaptions": False,
        "uploadThumbnail": False,
    }}
    assert [len(part.body) for part in parts] == [4 * 1024 * 1024, 4 * 1024 * 1024, 1024 * 1024]
    assert max(pinned.opened[FILM.url].reads) <= 4 * 1024 * 1024
    assert finish.query == "action=finalizeUpload"
    assert len(finish.json()["finalizeUploadRequest"]["uploadedPartIds"]) == 3
    urn = delivery.checkpoint["media"]["0/0"]["id"].replace(":", "%3A")
    assert (poll.method, poll.path) == ("GET", f"/linkedin/rest/videos/{urn}")
    desk.publish(delivery)
    assert body_of(desk)["content"] == {"media": {"id": delivery.checkpoint["media"]["0/0"]["id"], "title": "A film"}}


def test_an_upload_goes_on_where_another_worker_left_it(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Film", (FILM,)), media=Pinned({FILM.url: mp4(size=45 * 1024 * 1024)}))
    saved = 0

    def short_of_time(**values: Any) -> None:
        nonlocal saved
        delivery.checkpoint.update(values)
        saved += 1
        raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)

    ordinary, delivery.save = delivery.save, short_of_time
    for _ in range(2):
        with pytest.raises(NotReady):
            PUBLISHER.prepare(delivery)
    assert len(str(delivery.checkpoint)) < 6_000
    delivery.save = ordinary
    desk.publish(delivery)
    puts = [sent.path for sent in desk.http.sent if sent.method == "PUT"]
    assert saved == 2
    assert len(puts) == len(set(puts)) == 12
    assert len(desk.network.assets) == 1


def test_a_lapsed_address_is_asked_for_anew(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Cat", (PICTURE,)))
    ordinary = delivery.save

    def short_of_time(**values: Any) -> None:
        delivery.checkpoint.update(values)
        raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)

    delivery.save = short_of_time
    with pytest.raises(NotReady):
        PUBLISHER.prepare(delivery)
    delivery.save = ordinary
    desk.clock.advance(24 * 3600 - 300)
    desk.publish(delivery)
    assert len(desk.network.assets) == 2
    assert delivery.checkpoint["media"]["0/0"] == {"id": list(desk.network.assets.values())[1].urn, "sent": True, "ready": True}


def test_an_address_that_linkedin_refuses_is_dropped_and_tried_again(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Cat", (PICTURE,)))
    for asset_life in (timedelta(0), timedelta(hours=24)):
        real = desk.network._bytes

        def refuse(request: Any, asset: str, part: str, life: timedelta = asset_life, real: Any = real) -> Any:
            desk.network.assets[asset].until = desk.clock.now() + life
            return real(request, asset, part)

        route = next(route for route in desk.network.routes if route.method == "PUT")
        desk.network.routes[desk.network.routes.index(route)] = route._replace(handle=refuse)
        if asset_life:
            desk.publish(delivery)
        else:
            with pytest.raises(Retry) as caught:
                PUBLISHER.prepare(delivery)
            assert caught.value.code == "upload_lapsed"
            assert delivery.checkpoint["media"] == {}
    assert desk.visible() == ["Cat"]


def test_a_video_that_linkedin_cannot_process_fails_and_another_try_uploads_it_again(desk: Desk) -> None:
    desk.network.processing_fails = True
    delivery = desk.delivery(Segment("Film", (FILM,)))
    with pytest.raises(Failed) as caught:
        desk.prepare(delivery)
    assert caught.value.code == "media_refused"
    assert "codec" in caught.value.detail
    desk.network.processing_fails = False
    desk.publish(delivery)
    assert desk.visible() == ["Film"]


def test_a_file_of_the_wrong_type_or_size_fails_before_anything_is_sent(desk: Desk) -> None:
    big = jpeg()._replace(data=bytes(21 * 1024 * 1024))
    for item, file, code in ((FILM, jpeg(), "media_format"), (PICTURE, big, "media_too_large")):
        with pytest.raises(Failed) as caught:
            PUBLISHER.prepare(desk.delivery(Segment("", (item,)), media=Pinned({item.url: file})))
        assert caught.value.code == code
    assert desk.http.sent == []


def test_a_long_document_asks_for_the_time_it_takes_and_is_read_in_pieces(desk: Desk) -> None:
    asked: list[float] = []
    pinned = Pinned({PAPER.url: replace_data(b"%PDF" + bytes(40 * 1024 * 1024))})
    delivery = desk.delivery(Segment("Paper", (PAPER,)), media=pinned)
    delivery.need = asked.append
    desk.prepare(delivery)
    assert asked == [75.0]
    assert max(pinned.opened[PAPER.url].reads) <= 16 * 1024 * 1024


def replace_data(data: bytes) -> Any:
    from local.networks.files import File

    return File(data, "application/pdf")


def test_the_token_goes_to_linkedins_hosts_only(desk: Desk) -> None:
    from dateline.platforms._linkedin_uploads import _is_linkedins

    real = replace(desk.account, server="https://api.linkedin.com", override="")
    assert _is_linkedins(real, "https://www.linkedin.com/dms-uploads/sp/v2/x")
    for host in ("https://linkedin.com.example", "http://www.linkedin.com", "https://evillinkedin.com", "https://a.example/.linkedin.com"):
        url = f"{host}/x"
        assert not _is_linkedins(real, url)


@pytest.mark.parametrize("sample", samples_of("linkedin"), ids=lambda sample: sample.name)
def test_a_lost_answer_of_an_organization_is_settled_by_its_posts(desk: Desk, sample: Sample) -> None:
    media = tuple(Media.from_dict(item) for item in sample.media)
    delivery = desk.delivery(Segment("Words & (more) #news", media), "A comment", **sample.options)
    desk.lost(delivery)
    [entry] = desk.world.seen("linkedin")
    url = f"https://www.linkedin.com/feed/update/{entry.remote_id}/"
    assert PUBLISHER.resolve(delivery, 0) == Found((Remote(entry.remote_id, url),))
    delivery.published = (Remote(entry.remote_id),)
    desk.lost(delivery, 1)
    found = PUBLISHER.resolve(delivery, 1)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.world.seen("linkedin")[1].remote_id


def test_a_post_of_before_the_first_call_is_never_ours_however_long_ago_the_first_try_was(desk: Desk) -> None:
    delivery = desk.delivery("Same words")
    desk.clock.advance(3600)
    desk.publish(desk.delivery("Same words"))
    desk.clock.advance(8 * 3600)
    delivery.checkpoint.update(PUBLISHER.start(delivery))
    desk.world.add_fault("linkedin", "server_error")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    delivery.uncertain = True
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    kept = dict(delivery.checkpoint)
    desk.clock.advance(120)
    delivery.checkpoint.update(PUBLISHER.start(delivery))
    assert delivery.checkpoint == kept, "an uncertain call may be found by any later look"


def test_a_refusal_that_passes_does_not_make_an_organizations_post_undecidable(desk: Desk) -> None:
    delivery = desk.delivery("Hello")
    desk.lost(delivery)
    plain, body = desk.http.request, json.dumps({"status": 403, "message": "Resource is forbidden"}).encode()
    desk.http.request = lambda *a, **k: Answer(403, {}, body)  # type: ignore[method-assign]
    with pytest.raises(Retry):
        PUBLISHER.resolve(delivery, 0)
    desk.http.request = plain  # type: ignore[method-assign]
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)


@pytest.mark.parametrize("arrived", [True, False])
def test_the_end_of_a_videos_upload_that_is_refused_the_second_time_may_have_come_the_first(desk: Desk, arrived: bool) -> None:
    delivery = desk.delivery(Segment("Film", (FILM,)))
    plain, calls = desk.http.request, []
    body = json.dumps({"status": 400, "code": "INVALID", "message": "The upload is finalized already"}).encode()

    def once(method: str, url: str, **how: Any) -> Answer:
        if not url.endswith("finalizeUpload"):
            return plain(method, url, **how)
        calls.append(url)
        if len(calls) > 1:
            return Answer(400, {}, body)
        if arrived:
            plain(method, url, **how)
        raise AnswerLost("no answer")

    desk.http.request = once  # type: ignore[method-assign]
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    if arrived:
        desk.prepare(delivery)
        return
    with pytest.raises(Failed):
        PUBLISHER.prepare(delivery)
    assert delivery.checkpoint["media"] == {}, "another try sends the file again"


def test_resolve_sees_a_link_linkedin_has_shortened_and_takes_nothing_that_is_not_ours(desk: Desk) -> None:
    first = desk.publish(desk.delivery("read https://example.com/a/long/one now"))
    desk.network.posts[first.id].body = {**desk.network.posts[first.id].body, "commentary": "read https://lnkd.in/e-Ab_1 now"}
    again = desk.delivery("read https://example.com/a/long/one now")
    assert isinstance(PUBLISHER.resolve(again, 0), Found)
    again.taken = frozenset({first.id})
    assert type(PUBLISHER.resolve(again, 0)) is Absent
    assert type(PUBLISHER.resolve(desk.delivery("read something else"), 0)) is Absent
    linked = desk.delivery("read https://example.com/a/long/one now", articleUrl="https://b.example")
    assert type(PUBLISHER.resolve(linked, 0)) is Absent
    desk.clock.advance(600)
    assert type(PUBLISHER.resolve(desk.delivery("read https://example.com/a/long/one now"), 0)) is Absent


def test_two_pictures_with_the_same_words_are_told_apart_by_their_media(desk: Desk) -> None:
    other, ours = (desk.delivery(Segment("Cats", (Media(f"https://media.example/{n}.png"),))) for n in (1, 2))
    desk.publish(other)
    desk.lost(ours)
    found = PUBLISHER.resolve(ours, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.world.seen("linkedin")[1].remote_id


def test_resolve_reads_every_page_and_says_so_when_there_are_too_many(desk: Desk) -> None:
    delivery = desk.delivery("wanted")
    wanted = desk.publish(delivery)
    delivery.published = ()
    for number in range(150):
        desk.publish(desk.delivery(f"later {number}"))
    assert PUBLISHER.resolve(delivery, 0) == Found((wanted,))
    for number in range(150, 510):
        desk.publish(desk.delivery(f"later {number}"))
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_a_member_cannot_be_looked_up_unless_linkedin_lets_the_app_in(member: Desk) -> None:
    delivery = member.delivery("Hello")
    member.lost(delivery)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)
    member.network.member_reads = True
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)


def test_a_slow_server_is_absent_first_and_found_once_it_is_done(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault("linkedin", "slow", seconds=10)
    delivery = desk.delivery("Slow and steady")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert type(PUBLISHER.resolve(delivery, 0)) is Absent
    desk.clock.advance(6)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)


def test_a_duplicate_fails_when_we_were_certain_and_is_ours_when_we_were_not(desk: Desk) -> None:
    desk.publish(desk.delivery("Good morning"))
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Good morning"))
    assert caught.value.code == "duplicate_content"
    delivery = desk.delivery("Good evening")
    desk.lost(delivery)
    remote = desk.publish(delivery)
    assert remote.id == desk.world.seen("linkedin")[-1].remote_id
    assert desk.visible() == ["Good morning", "Good evening"]


def test_a_duplicate_of_another_post_an_older_one_or_a_deleted_one_is_never_ours(desk: Desk) -> None:
    other = desk.publish(desk.delivery("Same"))
    delivery = desk.delivery("Same")
    delivery.uncertain, delivery.taken = True, frozenset({other.id})
    with pytest.raises(Unknown):
        desk.publish(delivery)
    desk.clock.advance(3600)
    older = desk.delivery("Same")
    older.uncertain = True
    with pytest.raises(Unknown):
        desk.publish(older)
    ghost = desk.delivery("Gone")
    ghost.uncertain = True
    desk.network.remembers_deleted = True
    PUBLISHER.delete(delivery, desk.publish(desk.delivery("Gone")).id)
    with pytest.raises(Unknown):
        desk.publish(ghost)
    assert desk.visible() == ["Same"]


def test_a_members_duplicate_that_cannot_be_read_is_named_to_the_person_who_looks(member: Desk) -> None:
    delivery = member.delivery("Hello")
    member.lost(delivery)
    [entry] = member.world.seen("linkedin")
    with pytest.raises(Unknown):
        member.publish(delivery)
    resolution = PUBLISHER.resolve(delivery, 0)
    assert isinstance(resolution, Undecidable)
    assert entry.remote_id in resolution.detail


def test_the_time_in_a_urn_is_the_time_of_the_post() -> None:
    # urn:li:share:7141138937766391808 was named on 2023-12-14 (github.com/Arisamiga/Linkedin-RSS/issues/5).
    from datetime import UTC, datetime

    from dateline.platforms.linkedin import _is_older

    desk = Desk()
    delivery = desk.delivery("x")
    for since, older in ((datetime(2023, 12, 14, tzinfo=UTC), False), (datetime(2023, 12, 15, tzinfo=UTC), True)):
        delivery.checkpoint["since"] = since.isoformat()
        assert _is_older("urn:li:share:7141138937766391808", delivery) is older
    assert not _is_older("urn:li:share:1", delivery)


def test_an_error_of_the_server_is_unknown_and_absent(desk: Desk) -> None:
    desk.world.add_fault("linkedin", "server_error")
    delivery = desk.delivery("Hello")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert type(PUBLISHER.resolve(delivery, 0)) is Absent


def test_a_rate_limit_waits_as_long_as_linkedin_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.world.add_fault("linkedin", "rate_limit", retry_after=90)
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("Hello"))
    assert caught.value.after == 90
    monkeypatch.setattr(desk.network, "rate_limited", lambda seconds: day_limit())
    desk.world.add_fault("linkedin", "rate_limit")
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("Hello"))
    assert caught.value.after == 15 * 3600 + 60
    assert desk.visible() == []


def day_limit() -> Any:
    from local.networks.base import answer

    said = "Resource level throttle APPLICATION DAY limit for calls to this resource is reached."
    return answer(429, {"status": 429, "serviceErrorCode": 101, "code": "TOO_MANY_REQUESTS", "message": said})


def test_a_refusal_is_final_and_carries_linkedins_words(desk: Desk) -> None:
    desk.world.add_fault("linkedin", "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Hello"))
    assert "The content is not allowed" in caught.value.detail


def test_a_version_that_died_says_what_to_do_and_a_setting_replaces_it(desk: Desk) -> None:
    desk.network.versions = {"202611"}
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Hello"))
    assert caught.value.code == "api_version_too_old"
    assert "apiVersion" in caught.value.detail
    desk.account = replace(desk.account, settings={**desk.account.settings, "apiVersion": 202611})
    desk.publish(desk.delivery("Hello"))
    assert desk.visible() == ["Hello"]


def test_a_post_that_does_not_take_comments_yet_is_commented_later(desk: Desk) -> None:
    desk.network.comments_after = 3.0
    delivery = desk.delivery("Post", "Comment")
    desk.publish(delivery)
    with pytest.raises(Retry) as caught:
        desk.publish(delivery, 1)
    assert caught.value.after == 5
    desk.clock.advance(5)
    remote = desk.publish(delivery, 1)
    assert remote.id.startswith(f"urn:li:comment:({delivery.published[0].id},")


def test_posts_and_comments_are_deleted_and_deleting_again_is_no_error(desk: Desk) -> None:
    delivery = desk.delivery("Post", "Comment")
    remotes = [desk.publish(delivery, segment) for segment in (0, 1)]
    for remote in (*reversed(remotes), *remotes):
        PUBLISHER.delete(delivery, remote.id)
    assert desk.visible() == []
    assert [sent.query for sent in desk.http.sent[-2:]] == ["", "actor=" + desk.account.account_id.replace(":", "%3A")]


def test_a_dead_token_is_refused_and_a_refresh_gives_one_that_works(desk: Desk) -> None:
    desk.world.add_fault("linkedin", "expired_token")
    delivery = desk.delivery("Hello")
    for attempt in (
        lambda: desk.publish(delivery), lambda: PUBLISHER.verify(desk.account, desk.http), lambda: PUBLISHER.resolve(delivery, 0),
        lambda: PUBLISHER.delete(delivery, "urn:li:share:1"),
    ):
        with pytest.raises(TokenRefused):
            attempt()
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    assert tokens is not None
    assert (desk.http.sent[-1].method, desk.http.sent[-1].path) == ("POST", "/linkedin/www.linkedin.com/oauth/v2/accessToken")
    assert set(tokens.credentials) == {"accessToken", "refreshToken"}
    assert (tokens.expires_in, tokens.grant_expires_in) == (60 * 86_400, 365 * 86_400)
    desk.account = with_credentials(desk.account, **tokens.credentials)
    desk.publish(desk.delivery("Hello"))
    desk.network.grants.revoke("prof_linkedin")
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(desk.account, desk.http)
    assert PUBLISHER.refresh(with_credentials(desk.account, refreshToken=""), desk.http) is None


def with_credentials(account: Account, **values: str) -> Account:
    return replace(account, credentials={**account.credentials, **values})


def test_a_token_lives_sixty_days(desk: Desk) -> None:
    desk.clock.advance(60 * 86_400)
    with pytest.raises(TokenRefused):
        desk.publish(desk.delivery("Hello"))


def test_verify_says_who_posts_and_refuses_an_organization_the_member_has_no_role_in(desk: Desk, member: Desk) -> None:
    info = PUBLISHER.verify(desk.account, desk.http)
    assert (info.account_id, info.name) == (desk.account.account_id, "Organization 2414001 Ltd")
    assert info.settings == {"accountType": "organization"}
    person = PUBLISHER.verify(member.account, member.http)
    assert (person.account_id, person.settings) == (member.account.account_id, {"accountType": "member"})
    with pytest.raises(Failed) as caught:
        PUBLISHER.verify(with_credentials(desk.account, organizationId="urn:li:organization:9"), desk.http)
    assert caught.value.code == "no_role"
    desk.network.reads_roles = False
    assert PUBLISHER.verify(desk.account, desk.http).account_id == desk.account.account_id


def test_a_grant_offers_the_member_and_the_organizations_they_may_post_for(desk: Desk) -> None:
    fresh = replace(with_credentials(desk.account, organizationId=""), account_id="", settings={})
    me, organization = PUBLISHER.accounts(fresh, desk.http)
    assert (me.kind, me.account_id) == ("account", "urn:li:person:dl_Member01")
    assert (organization.kind, organization.account_id) == ("organization", desk.account.account_id)
    assert organization.settings == {"accountType": "organization"}
    desk.network.reads_roles = False
    assert PUBLISHER.accounts(fresh, desk.http) == [me]


def test_consent_gives_a_code_that_the_token_endpoint_takes_once(desk: Desk) -> None:
    flow = PUBLISHER.connect
    assert flow is not None
    host = f"http://127.0.0.1:8788/linkedin/{flow.authorize[0]}"
    asked = {
        "response_type": "code", "client_id": "linkedin-client", "redirect_uri": "https://app.example/back", "state": "s",
        "scope": flow.scope_separator.join(flow.scopes), "as": "prof_new_member",
    }
    answer = desk.http.request("GET", host + flow.authorize[1], params=asked)
    code = re.findall("code=([^&]+)", answer.headers["location"])[0]
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": "https://app.example/back",
        "client_id": "linkedin-client", "client_secret": "linkedin-client-secret",
    }
    token_url = f"http://127.0.0.1:8788/linkedin/{flow.token[0]}{flow.token[1]}"
    tokens = desk.http.request("POST", token_url, data=form)
    assert tokens.json()["expires_in"] == 60 * 86_400
    assert desk.http.request("POST", token_url, data=form).status == 400


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "reject", "lost_answer", "expired_token"])
def test_no_token_gets_into_an_exception_or_a_repr(desk: Desk, fault: str) -> None:
    desk.world.add_fault("linkedin", fault)
    with pytest.raises(Outcome) as caught:
        desk.publish(desk.delivery(Segment("Hello", (PICTURE,))))
    said = f"{caught.value!r} {caught.value} {desk.account!r} {desk.delivery('x')!r}"
    assert "linkedin-access" not in said
    assert "linkedin-refresh" not in said
    assert "secret" not in said


@pytest.mark.parametrize(("kind", "rules"), [
    ("video", ["linkedin.alt_text.ignored"]), ("document", ["linkedin.alt_text.ignored"]), ("image", []),
])
def test_alternative_text_that_is_not_taken_is_left_out_with_a_warning(kind: str, rules: list[str]) -> None:
    draft = Draft((Segment("Words", (Media("https://media.example/a", kind, "What is to be seen"),)),))
    assert RULES.advise is not None
    assert [violation.rule for violation in RULES.advise(draft, {})] == rules


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
def test_a_wrong_secret_of_the_app_kills_no_account(desk: Desk, error: str) -> None:
    body = json.dumps({"error": error}).encode()
    desk.http.request = lambda *a, **k: Answer(401, {}, body)  # type: ignore[method-assign]
    with pytest.raises(Retry):
        PUBLISHER.refresh(desk.account, desk.http)
