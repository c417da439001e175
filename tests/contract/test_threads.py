"""The publisher of Threads against a stand-in that judges by its published shape, and against every way a call can go wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms._threads_rules import RULES, length
from dateline.platforms.base import (
    Answer,
    Failed,
    Found,
    NotReady,
    Outcome,
    Publisher,
    Quota,
    Refused,
    Remote,
    Retry,
    SafeToRepeat,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from dateline.platforms.threads import PUBLISHER
from local.networks.containers import LONG_LIFE, SHORT_LIFE
from local.networks.threads import ThreadsNetwork, link
from local.networks.threads import count as counted_by_threads
from tests.contract.container_desk import Desk, form
from tests.contract.inprocess import Sent, account_of
from tests.samples import Sample, samples_of

# Parameters of POST /{threads-user-id}/threads, transcribed from reference/publishing (2026-04-20) and create-posts/polls
# (2026-07-02), each with the values of media_type it goes with. Nothing else may be sent.
ALL = {"TEXT", "IMAGE", "VIDEO", "CAROUSEL"}
PARAMETERS: Mapping[str, set[str]] = {
    "media_type": ALL, "text": ALL, "reply_to_id": ALL, "reply_control": ALL, "topic_tag": ALL, "quote_post_id": ALL,
    "image_url": {"IMAGE"}, "video_url": {"VIDEO"}, "children": {"CAROUSEL"}, "is_carousel_item": {"IMAGE", "VIDEO"},
    "alt_text": {"IMAGE", "VIDEO"}, "link_attachment": {"TEXT"}, "poll_attachment": {"TEXT"},
}
PICTURE = Media("https://media.example/cat.jpg", "image", "A cat asleep on a router")
OTHER = Media("https://media.example/dog.png", "image")
VIDEO = Media("https://media.example/waves.mp4", "video", "Waves")
EMOJI = ["🦊", "👩‍👩‍👧", "🇩🇪", "1️⃣", "é", "日", "👍🏽"]


@pytest.fixture
def desk() -> Desk:
    return Desk(ThreadsNetwork, "prof_threads")


def held_to_the_shape(sent: Sent) -> dict[str, str]:
    fields = form(sent)
    for name in fields:
        assert fields["media_type"] in PARAMETERS[name], name
    return fields


def test_the_publisher_keeps_the_protocol() -> None:
    publisher: Publisher = PUBLISHER
    assert publisher.rules.platform == "threads"
    assert publisher.refresh_ahead == 7 * 86_400


def test_a_text_is_a_container_that_is_looked_at_published_and_linked(desk: Desk) -> None:
    remote = desk.publish(desk.delivery("Hello, world"))
    user = desk.account.account_id
    create, look, publish, link = desk.http.sent
    assert (create.method, create.path) == ("POST", f"/threads/v1.0/{user}/threads")
    assert held_to_the_shape(create) == {"media_type": "TEXT", "text": "Hello, world"}
    assert b"access_token=threads-access-1" in create.body
    assert (look.method, look.query.partition("&")[0]) == ("GET", "fields=status%2Cerror_message")
    assert (publish.method, publish.path) == ("POST", f"/threads/v1.0/{user}/threads_publish")
    assert list(form(publish)) == ["creation_id"]
    assert look.path == f"/threads/v1.0/{form(publish)['creation_id']}"
    assert (link.method, link.path) == ("GET", f"/threads/v1.0/{remote.id}")
    assert remote.url is not None
    assert remote.url.startswith("https://www.threads.com/@")
    assert desk.visible() == ["Hello, world"]


def test_a_picture_and_a_video_are_fetched_by_a_signed_address_that_is_saved_nowhere(desk: Desk) -> None:
    for media, field in ((PICTURE, "image_url"), (VIDEO, "video_url")):
        delivery = desk.delivery(Segment("Look", (media,)))
        desk.publish(delivery)
        fields = held_to_the_shape(desk.posts("/threads")[-1])
        assert fields[field].startswith("https://pinned.example/")
        assert fields["alt_text"] == media.alt_text
        assert "signature" not in json.dumps(delivery.checkpoint)
    assert [entry.media for entry in desk.entries()] == [[form(sent)["creation_id"]] for sent in desk.posts("_publish")]


def test_a_carousel_mixes_pictures_and_videos_in_order(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Three", (PICTURE, VIDEO, OTHER)), topicTag="cats")
    desk.publish(delivery)
    made = [held_to_the_shape(sent) for sent in desk.posts("/threads")]
    assert [fields["media_type"] for fields in made] == ["IMAGE", "VIDEO", "IMAGE", "CAROUSEL"]
    assert all(fields["is_carousel_item"] == "true" and "topic_tag" not in fields for fields in made[:3])
    [entry] = desk.entries()
    assert made[3] == {"media_type": "CAROUSEL", "text": "Three", "topic_tag": "cats", "children": ",".join(entry.media)}
    assert entry.extra["altTexts"] == {entry.media[0]: PICTURE.alt_text, entry.media[1]: VIDEO.alt_text}


def test_options_become_fields_of_the_first_segment_only(desk: Desk) -> None:
    quoted = desk.publish(desk.delivery("Worth quoting"))
    options = {
        "replyControl": "accounts_you_follow", "topicTag": "sea & air".replace("&", "and"), "quotePostId": quoted.id,
        "linkAttachment": "https://example.com/a", "poll": {"options": ["Left", "Right", "Neither"]},
    }
    delivery = desk.delivery("Which?", "Vote above", **options)
    desk.publish_all(delivery)
    first, second = [held_to_the_shape(sent) for sent in desk.posts("/threads")[1:]]
    poll = {"option_a": "Left", "option_b": "Right", "option_c": "Neither"}
    assert json.loads(first.pop("poll_attachment")) == poll
    assert first == {
        "media_type": "TEXT", "text": "Which?", "reply_control": "accounts_you_follow", "topic_tag": "sea and air",
        "quote_post_id": quoted.id, "link_attachment": "https://example.com/a",
    }
    assert second == {"media_type": "TEXT", "text": "Vote above", "reply_to_id": delivery.published[0].id}
    assert set(options) == set(RULES.options["properties"])


def test_a_thread_is_a_chain_of_replies_each_made_when_its_parent_is_out(desk: Desk) -> None:
    delivery = desk.delivery("one", Segment("two", (VIDEO,)), "three")
    first, second, _ = desk.publish_all(delivery)
    assert [entry.in_reply_to for entry in desk.entries()] == [None, first.id, second.id]
    paths = [sent.path.rpartition("/")[2] for sent in desk.http.sent if sent.method == "POST"]
    assert paths == ["threads", "threads_publish"] * 3


def test_publishing_a_reply_whose_video_is_not_ready_says_so_and_sends_nothing_twice(desk: Desk) -> None:
    delivery = desk.delivery("one", Segment("two", (VIDEO,)))
    desk.publish(delivery)
    with pytest.raises(NotReady):
        PUBLISHER.publish(delivery, 1)
    assert PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    assert desk.visible() == ["one", "two"]
    assert len(desk.posts("/threads")) == 2


def test_a_reply_before_its_parent_is_visible_is_come_back_for(desk: Desk) -> None:
    desk.network.parent_visible_after = 12.0
    delivery = desk.delivery("one", "two")
    desk.publish(delivery)
    with pytest.raises(NotReady) as caught:
        PUBLISHER.publish(delivery, 1)
    assert caught.value.code == "parent_not_visible"
    desk.publish(delivery)
    assert desk.visible() == ["one", "two"]


def test_a_video_is_waited_for_longer_and_longer_and_made_once(desk: Desk) -> None:
    desk.network.processing_seconds = 300.0
    delivery = desk.delivery(Segment("Waves", (VIDEO,)))
    waits = []
    while PUBLISHER.needs_preparation(delivery):
        try:
            PUBLISHER.prepare(delivery)
        except NotReady as later:
            waits.append(later.after)
            desk.clock.advance(later.after)
    assert waits[0] == 3
    assert waits == sorted(waits)
    assert waits[-1] == 60
    assert len(desk.posts("/threads")) == 1
    desk.publish(delivery)
    assert desk.visible() == ["Waves"]


@pytest.mark.parametrize(("error", "outcome"), [
    ("FAILED_PROCESSING_VIDEO", Retry), ("FAILED_DOWNLOADING_VIDEO", Retry), ("UNKNOWN", Retry), ("INVALID_DURATION", Failed),
    ("INVALID_ASPEC_RATIO", Failed), ("INVALID_AUDIO_CHANNEL_LAYOUT", Failed),
])
def test_processing_that_fails_is_tried_afresh_or_final_by_its_reason(desk: Desk, error: str, outcome: type[Outcome]) -> None:
    desk.network.processing_error = error
    delivery = desk.delivery(Segment("", (PICTURE, VIDEO)))
    with pytest.raises(outcome) as caught:
        desk.prepare(delivery)
    assert error in caught.value.detail
    desk.network.processing_error = None
    desk.publish(delivery)
    assert len(desk.entries()) == 1


def test_media_threads_cannot_fetch_are_tried_again(desk: Desk) -> None:
    desk.media.broken = True
    for media in (PICTURE, VIDEO):
        with pytest.raises(Retry) as caught:
            desk.prepare(desk.delivery(Segment("", (media,))))
        assert caught.value.code == "media_unreachable"
    assert desk.visible() == []


def test_preparing_resumes_after_the_last_saved_container(desk: Desk) -> None:
    delivery = desk.delivery(Segment("", (PICTURE, OTHER, VIDEO)))
    desk.media.broken = True
    with pytest.raises(Retry):
        PUBLISHER.prepare(delivery)
    assert desk.network.containers == {}
    desk.media.broken = False
    for made in (1, 2, 3, 4):
        save = delivery.save

        def once(**values: Any) -> None:
            save(**values)  # noqa: B023
            raise NotReady("goes_on", "There is no time left.", 0.0)

        delivery.save = once
        with pytest.raises(NotReady):
            PUBLISHER.prepare(delivery)
        delivery.save = save
        assert len(desk.network.containers) == made
        if made == 3:
            desk.clock.advance(5)
            for _ in range(3):
                delivery.save = once
                with pytest.raises(NotReady):
                    PUBLISHER.prepare(delivery)
                delivery.save = save
    desk.prepare(delivery)
    assert len(desk.network.containers) == 4


def test_a_container_that_expired_is_made_again(desk: Desk) -> None:
    delivery = desk.delivery(Segment("late", (PICTURE, OTHER)))
    desk.prepare(delivery)
    assert not PUBLISHER.needs_preparation(delivery)
    desk.clock.advance(24 * 3600)
    assert PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    assert len(desk.network.containers) == 6
    assert desk.visible() == ["late"]


def test_a_container_that_expires_between_its_look_and_its_publishing_is_made_again(desk: Desk) -> None:
    delivery = desk.delivery("late")
    desk.prepare(delivery)
    [container] = desk.network.containers.values()
    container.made -= timedelta(hours=24)
    with pytest.raises(Retry) as caught:
        desk.publish(delivery)
    assert caught.value.code == "container_expired"
    desk.publish(delivery)
    assert desk.visible() == ["late"]


def test_a_post_that_was_edited_meanwhile_is_not_published_from_its_old_container(desk: Desk) -> None:
    delivery = desk.delivery("Helo")
    desk.prepare(delivery)
    delivery.segments = (Segment("Hello"),)
    assert PUBLISHER.needs_preparation(delivery)
    desk.publish(delivery)
    assert desk.visible() == ["Hello"]


@pytest.mark.parametrize("text", ["plain words", "cafe\u0301 日本 👩‍👩‍👧", "two  spaces\r\nand lines ", "same"])
def test_a_lost_answer_is_unknown_and_the_container_knows_that_it_is_out(desk: Desk, text: str) -> None:
    desk.publish(desk.delivery("same"))
    desk.clock.advance(3600)
    desk.world.add_fault("threads", "lost_answer")
    delivery = desk.delivery(text)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    entry = desk.entries()[-1]
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == entry.remote_id
    assert found.remotes[0].url is not None
    listing = desk.http.sent[-1]
    assert listing.path == f"/threads/v1.0/{desk.account.account_id}/threads"
    assert "since=" in listing.query


def test_a_lost_answer_to_a_reply_is_found_among_the_replies_to_its_parent(desk: Desk) -> None:
    delivery = desk.delivery("head", "+1", "+1")
    desk.publish(delivery)
    desk.publish(delivery)
    desk.world.add_fault("threads", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    found = PUBLISHER.resolve(delivery, 2)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.entries()[-1].remote_id
    assert desk.http.sent[-1].path.endswith("/replies")


def test_neither_another_posts_id_nor_an_older_post_is_taken_for_ours(desk: Desk) -> None:
    old = desk.publish(desk.delivery("same words"))
    desk.clock.advance(3600)
    other = desk.publish(desk.delivery("same words"))
    desk.world.add_fault("threads", "lost_answer")
    delivery = desk.delivery("same words")
    delivery.taken = frozenset({other.id})
    with pytest.raises(Unknown):
        desk.publish(delivery)
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id not in (old.id, other.id)


def test_an_error_of_the_server_leaves_the_container_unpublished_and_a_repeat_is_safe(desk: Desk) -> None:
    desk.world.add_fault("threads", "server_error")
    delivery = desk.delivery("Hello")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    desk.publish(delivery)
    assert desk.visible() == ["Hello"]
    assert len(desk.network.containers) == 1


def test_a_slow_server_and_a_repeat_make_one_post(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault("threads", "slow", seconds=10)
    delivery = desk.delivery("Slow and steady")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    desk.publish(delivery)
    desk.clock.advance(20)
    desk.http.settle_due()
    assert desk.visible() == ["Slow and steady"]


def test_a_repeat_after_the_slow_server_was_done_adopts_what_is_out(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault("threads", "slow", seconds=10)
    delivery = desk.delivery("Slow and steady")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert not PUBLISHER.needs_preparation(delivery)
    desk.clock.advance(6)
    remote = desk.publish(delivery)
    [entry] = desk.entries()
    assert remote.id == entry.remote_id
    desk.clock.advance(3600)
    delivery.published, delivery.uncertain = (), True
    assert desk.publish(delivery).id == entry.remote_id
    assert len(desk.entries()) == 1


def test_a_published_post_that_is_not_listed_yet_is_looked_for_a_while(desk: Desk) -> None:
    desk.network.listed_after = 60
    desk.world.add_fault("threads", "lost_answer")
    delivery = desk.delivery("Hello")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.clock.advance(60)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    desk.network.listed_after = 1e9
    desk.clock.advance(900)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_words_threads_has_changed_are_recognised_after_a_while_if_there_is_no_other_post(desk: Desk) -> None:
    desk.world.add_fault("threads", "lost_answer")
    delivery = desk.delivery("Hello")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    [post] = desk.network.posts.values()
    post.text = "Hello!"
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.clock.advance(900)
    assert PUBLISHER.resolve(delivery, 0) == Found((Remote(post.id, link(post)),))
    desk.publish(desk.delivery("Another"))
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


@pytest.mark.parametrize(("said", "kind"), [
    ("IN_PROGRESS", Working), ("EXPIRED", Refused), ("ERROR", Refused), ("FINISHED", SafeToRepeat), ("GONE", Undecidable),
])
def test_resolve_says_what_the_container_says(desk: Desk, said: str, kind: type[Any]) -> None:
    delivery = desk.delivery("Hello")
    desk.prepare(delivery)
    delivery.armed_at = desk.clock.now()
    [container] = desk.network.containers.values()
    if said == "IN_PROGRESS":
        container.ready += timedelta(hours=1)
    elif said == "EXPIRED":
        container.made -= timedelta(hours=24)
    elif said == "ERROR":
        container.error = "UNKNOWN"
    elif said == "GONE":
        desk.network.containers.clear()
        desk.clock.advance(3600)
    seen = PUBLISHER.resolve(delivery, 0)
    assert isinstance(seen, kind)
    assert not isinstance(seen, Refused) or seen.again


def test_an_armed_segment_without_a_container_was_never_published(desk: Desk) -> None:
    assert PUBLISHER.resolve(desk.delivery("Hello"), 0) == SafeToRepeat()
    assert desk.http.sent == []


def test_a_thread_that_was_taken_down_is_made_of_new_containers(desk: Desk) -> None:
    delivery = desk.delivery("one")
    remote = desk.publish(delivery)
    PUBLISHER.delete(delivery, remote.id)
    delivery.published = ()
    delivery.checkpoint["takenDown"] = 1
    again = desk.publish(delivery)
    assert again.id != remote.id
    assert desk.visible() == ["one"]


def test_a_post_a_person_says_is_not_there_is_made_again(desk: Desk) -> None:
    delivery = desk.delivery("one")
    first = desk.publish(delivery)
    desk.network.posts[first.id].entry.gone = True
    delivery.published = ()
    desk.clock.advance(3600)
    assert desk.publish(delivery).id != first.id
    assert desk.visible() == ["one"]


def test_a_rate_limit_waits_as_many_minutes_as_meta_says(desk: Desk) -> None:
    desk.world.add_fault("threads", "rate_limit", retry_after=290)
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("Hello"))
    assert (caught.value.code, caught.value.after) == ("rate_limited", 300)
    assert desk.visible() == []


def test_a_refusal_is_final_and_carries_the_networks_words(desk: Desk) -> None:
    desk.world.add_fault("threads", "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("Hello"))
    assert "against the community's rules" in caught.value.detail
    assert desk.visible() == []


def test_the_days_limit_is_waited_out_for_hours(desk: Desk) -> None:
    desk.network.day_limit = 1
    desk.publish(desk.delivery("one"))
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("two"))
    assert (caught.value.code, caught.value.after) == ("daily_limit", 4 * 3600)


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    delivery = desk.delivery("Hello")
    desk.prepare(delivery)
    desk.http.unreachable = True
    with pytest.raises(Retry):
        desk.publish(delivery)


def test_a_link_that_cannot_be_read_does_not_fail_what_is_out(desk: Desk) -> None:
    delivery = desk.delivery("Hello")
    desk.prepare(delivery)
    for kind in ("server_error", "lost_answer", "rate_limit"):
        delivery = desk.delivery(f"Hello {kind}")
        desk.prepare(delivery)
        desk.world.add_fault("threads", kind, at="read")
        remote = desk.publish(delivery)
        assert remote.url is None


def test_a_dead_token_is_refused_and_a_renewed_one_works(desk: Desk) -> None:
    desk.network.long.expire()
    delivery = desk.delivery("Hello")
    for call in (lambda: PUBLISHER.prepare(delivery), lambda: PUBLISHER.verify(desk.account, desk.http),
                 lambda: PUBLISHER.refresh(desk.account, desk.http)):
        with pytest.raises(TokenRefused):
            call()
    desk.account = account_of(desk.world, "threads", "prof_threads")
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    assert tokens is not None
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path) == ("GET", "/threads/refresh_access_token")
    assert sent.query.startswith("grant_type=th_refresh_token&access_token=")
    assert tokens.expires_in == int(LONG_LIFE.total_seconds())
    assert list(tokens.credentials) == ["accessToken"]
    desk.account = replace(desk.account, credentials={**desk.account.credentials, **tokens.credentials})
    desk.publish(desk.delivery("Hello"))
    with pytest.raises(Failed):
        PUBLISHER.refresh(desk.account, desk.http)  # a token of today is too young


def test_a_dead_token_while_publishing_is_refused_and_nothing_is_out(desk: Desk) -> None:
    delivery = desk.delivery("Hello")
    desk.prepare(delivery)
    desk.world.add_fault("threads", "expired_token")
    with pytest.raises(TokenRefused):
        desk.publish(delivery)
    desk.world.add_fault("threads", "expired_token")
    with pytest.raises(TokenRefused):
        PUBLISHER.resolve(delivery, 0)
    assert desk.visible() == []


def test_a_fresh_grant_becomes_long_lived_and_names_its_profile(desk: Desk) -> None:
    short = desk.network.short.give("prof_new")
    assert desk.network.short.life == SHORT_LIFE
    fresh = replace(desk.account, account_id="", credentials={**desk.account.credentials, "accessToken": short.access})
    [choice] = PUBLISHER.accounts(fresh, desk.http)
    exchange = desk.http.sent[0]
    assert (exchange.method, exchange.path) == ("GET", "/threads/access_token")
    assert exchange.query.startswith("grant_type=th_exchange_token&client_secret=threads-client-secret&access_token=")
    assert choice.account_id == desk.network.account("prof_new").id
    assert choice.name == "@dateline.2"
    assert choice.expires_in == int(LONG_LIFE.total_seconds())
    assert choice.credentials["accessToken"] != short.access
    assert choice.settings == {"dailyPosts": 250}
    assert short.access not in repr(choice)


def test_consent_gives_a_code_and_the_code_a_token(desk: Desk) -> None:
    consent = PUBLISHER.connect
    assert consent is not None
    back = {"client_id": "threads-client", "redirect_uri": "https://dateline.example/back", "response_type": "code", "state": "s"}
    scopes = consent.scope_separator.join(consent.scopes)
    host, path = consent.authorize
    params = {**back, "scope": scopes, "as": "prof_consent"}
    answer = desk.http.request("GET", desk.account.host(host) + path, params=params)
    code = answer.headers["location"].partition("code=")[2].partition("&")[0]
    host, path = consent.token
    body = {"client_id": "threads-client", "client_secret": "threads-client-secret", "code": code,
            "grant_type": "authorization_code", "redirect_uri": back["redirect_uri"]}
    given = desk.http.request("POST", desk.account.host(host) + path, data=body).json()
    fresh = replace(desk.account, credentials={**desk.account.credentials, "accessToken": given["access_token"]})
    [choice] = PUBLISHER.accounts(fresh, desk.http)
    assert choice.account_id == str(given["user_id"])


def test_verify_says_who_it_is_and_how_many_posts_a_day_there_are(desk: Desk) -> None:
    desk.network.day_limit = 30
    info = PUBLISHER.verify(desk.account, desk.http)
    assert (info.account_id, info.name, info.settings) == (desk.account.account_id, "@dateline.1", {"dailyPosts": 30})
    desk.world.add_fault("threads", "slow", at="read", seconds=1)
    desk.world.add_fault("threads", "server_error", at="read")
    assert PUBLISHER.verify(desk.account, desk.http).settings == {}


def test_quotas_are_read_from_headers_and_from_the_publishing_limit(desk: Desk) -> None:
    seen: list[Answer] = []
    plain = desk.http.request
    desk.http.request = lambda *a, **k: seen.append(plain(*a, **k)) or seen[-1]  # type: ignore[method-assign, func-returns-value]
    PUBLISHER.verify(desk.account, desk.http)
    now = desk.clock.now()
    assert PUBLISHER.quotas(seen[0], now) == (Quota("app", "usage", 100, 98),)
    assert PUBLISHER.quotas(seen[1], now)[0] == Quota("account", "posts", 250, 250)
    use = '{"1": [{"type": "threads", "call_count": 97, "total_time": 100, "estimated_time_to_regain_access": 7}]}'
    limited = Answer(400, {"x-business-use-case-usage": use, "x-app-usage": "nonsense"}, b"{}")
    assert PUBLISHER.quotas(limited, now) == (Quota("account", "usage.threads", 100, 0, now + timedelta(minutes=7)),)


def test_a_deleted_post_is_gone_and_deleting_it_again_is_no_error(desk: Desk) -> None:
    delivery = desk.delivery("Hello")
    remote = desk.publish(delivery)
    PUBLISHER.delete(delivery, remote.id)
    assert (desk.http.sent[-1].method, desk.http.sent[-1].path) == ("DELETE", f"/threads/v1.0/{remote.id}")
    PUBLISHER.delete(delivery, remote.id)
    assert desk.visible() == []


def test_a_delete_that_is_not_permitted_is_no_success(desk: Desk) -> None:
    delivery = desk.delivery("Hello")
    remote = desk.publish(delivery)
    post = desk.network.posts[remote.id]
    ours, post.account = post.account, desk.network.account("somebody else")
    request = desk.http.request

    def readable(*args: Any, **how: Any) -> Answer:
        answer = request(*args, **how)
        post.account = ours  # it cannot be deleted, but it can be read
        return answer

    desk.http.request = readable  # type: ignore[method-assign]
    with pytest.raises(Failed):
        PUBLISHER.delete(delivery, remote.id)
    assert desk.visible() == ["Hello"]


@pytest.mark.parametrize(("draft", "rules"), [
    (Draft((Segment("x" * 501),)), ["threads.text.too_long"]),
    (Draft((Segment("x" * 497 + "🦊"),)), ["threads.text.too_long"]),
    (Draft((Segment("x" * 496 + "🦊"),)), []),
    (Draft((Segment(" ".join(f"https://example.com/{n}" for n in range(6))),)), ["threads.text.too_many_links"]),
    (Draft((Segment(" ".join(["https://example.com/1"] * 6)),)), []),
    (Draft((Segment(" ".join(f"www.example.com/{n}" for n in range(5))),), {"linkAttachment": "https://example.com/x"}),
     ["threads.text.too_many_links"]),
    (Draft((Segment("", (PICTURE,) * 21),)), ["threads.media.too_many"]),
    (Draft((Segment("", (PICTURE, VIDEO) * 10),)), []),
    (Draft((Segment("Which?", (PICTURE,)),), {"poll": {"options": ["a", "b"]}}), ["threads.poll.with_media"]),
    (Draft((Segment("Which?"),), {"poll": {"options": ["a"]}}), ["threads.option.invalid"]),
    (Draft((Segment("a"),), {"topicTag": "a.b"}), ["threads.option.invalid"]),
    (Draft((Segment("a"),), {"replyControl": "nobody"}), ["threads.option.invalid"]),
    (Draft((Segment("", (VIDEO._replace(facts=Facts("video/mp4", 9, 1, 1, 301)),)),)), ["threads.media.too_long"]),
    (Draft((Segment("", (PICTURE._replace(facts=Facts("image/webp", 9, 1100, 100)),)),)),
     ["threads.media.format", "threads.media.ratio"]),
    (Draft((Segment("a"),) * 26), ["threads.thread.too_long"]),
    (Draft((Segment("a"),), {}, Segment("x" * 501)), ["threads.first_comment.too_long"]),
    (Draft((Segment("a"),), {}, Segment(" ".join(f"https://example.com/{n}" for n in range(6)))),
     ["threads.first_comment.too_many_links"]),
])
def test_what_threads_would_refuse_breaks_a_rule(draft: Draft, rules: list[str]) -> None:
    assert [violation.rule for violation in check(RULES, draft, {})] == rules


def test_a_link_attachment_beside_media_is_left_out_with_a_warning(desk: Desk) -> None:
    options = {"linkAttachment": "https://example.com/a"}
    assert RULES.advise is not None
    assert [v.rule for v in RULES.advise(Draft((Segment("", (PICTURE,)),), options), {})] == ["threads.link_attachment.ignored"]
    assert RULES.advise(Draft((Segment("a"),), options), {}) == []
    desk.publish(desk.delivery(Segment("", (PICTURE,)), **options))
    assert "link_attachment" not in held_to_the_shape(desk.posts("/threads")[0])


@given(st.text(st.characters(max_codepoint=0xA8), max_size=60), st.lists(st.sampled_from(EMOJI)))
def test_two_countings_agree(text: str, emoji: list[str]) -> None:
    whole = " ".join([text, *emoji])
    assert length(whole, {}) == counted_by_threads(whole)


def test_an_emoji_counts_its_bytes() -> None:
    assert [length(text, {}) for text in ("abc", "ä", "日", "🦊", "👍🏽", "👩‍👩‍👧", "🇩🇪", "1️⃣")] == [3, 1, 1, 4, 8, 18, 8, 7]


@pytest.mark.parametrize("sample", samples_of("threads"), ids=lambda sample: sample.name)
def test_every_shape_of_post_breaks_no_rule_and_goes_out_as_it_is(desk: Desk, sample: Sample) -> None:
    draft, delivery = desk.sample(sample)
    assert check(RULES, draft, {}) == []
    remotes = desk.publish_all(delivery)
    assert [entry.remote_id for entry in desk.entries()] == [remote.id for remote in remotes]
    shown = [segment.text if sample.shows_text else "" for segment in draft.whole]
    assert desk.visible() == shown
    assert len(desk.entries()[0].media) == len(sample.media)


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer"])
def test_no_failure_shows_a_token_or_a_signed_address(desk: Desk, fault: str) -> None:
    desk.http.deadline = 1
    desk.world.add_fault("threads", fault, at="any")
    delivery = desk.delivery(Segment("Hello", (PICTURE,)))
    with pytest.raises(Outcome) as caught:
        desk.publish(delivery)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {desk.account!r} {delivery!r}"
    assert "signature" not in shown
    for name in ("accessToken", "clientSecret"):
        assert desk.account.credentials[name] not in shown


def test_the_stand_in_refuses_what_the_reference_refuses(desk: Desk) -> None:
    url = f"{desk.account.server}/v1.0/{desk.account.account_id}/threads"
    token = {"access_token": desk.account.credentials["accessToken"]}
    for fields in (
        {}, {"media_type": "TEXT"}, {"media_type": "TEXT", "text": "a", "colour": "red"},
        {"media_type": "TEXT", "text": "a" * 501},
        {"media_type": "IMAGE", "text": "a"}, {"media_type": "CAROUSEL", "children": "1,2"},
        {"media_type": "TEXT", "text": "a", "topic_tag": "a.b"}, {"media_type": "TEXT", "text": "a", "reply_to_id": "1"},
        {"media_type": "TEXT", "text": "a", "poll_attachment": '{"option_a": "a"}'},
    ):
        assert desk.http.request("POST", url, data={**fields, **token}).status == 400, fields
    assert desk.http.request("POST", url, data={"media_type": "TEXT", "text": "a", "access_token": "wrong"}).status == 401
    assert desk.network.containers == {}
