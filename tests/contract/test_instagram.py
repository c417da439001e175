"""The publisher of Instagram, with both of its logins, against a stand-in that judges by its published shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from dateline.domain.content import Draft, Facts, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Absent,
    Answer,
    Delivery,
    Failed,
    Found,
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
from dateline.platforms.instagram import PUBLISHER, RULES
from local.networks.containers import LONG_LIFE
from local.networks.instagram import InstagramNetwork
from tests.contract.container_desk import Desk, form
from tests.contract.inprocess import Sent, account_of
from tests.samples import Sample, samples_of

# Parameters of POST /{ig-user-id}/media by what is made, transcribed from the reference of ig-user/media and the content
# publishing guide (developers.facebook.com/documentation/instagram-platform, read 2026-11). Nothing else may be sent.
TAGS = {"caption", "collaborators", "location_id"}
PARAMETERS: Mapping[str, set[str]] = {
    "image": {"image_url", "alt_text", "user_tags", *TAGS},
    "reel": {"media_type", "video_url", "cover_url", "thumb_offset", "share_to_feed", "user_tags", *TAGS},
    "story": {"media_type", "image_url", "video_url", "user_tags"},
    "carousel": {"media_type", "children", *TAGS},
    "item": {"media_type", "image_url", "video_url", "is_carousel_item", "alt_text", "user_tags"},
}
PICTURE = Media("https://media.example/cat.jpg", "image", "A cat asleep on a router")
OTHER = Media("https://media.example/dog.jpg", "image")
VIDEO = Media("https://media.example/waves.mp4", "video")
STORY = {"contentType": "story"}


@pytest.fixture
def desk() -> Desk:
    return Desk(InstagramNetwork, "prof_instagram")


@pytest.fixture
def by_facebook() -> Desk:
    return Desk(InstagramNetwork, "prof_facebook")


def held_to_the_shape(sent: Sent) -> tuple[str, dict[str, str]]:
    fields = form(sent)
    kinds = {"REELS": "reel", "STORIES": "story", "CAROUSEL": "carousel"}
    kind = "item" if fields.get("is_carousel_item") == "true" else kinds.get(fields.get("media_type", ""), "image")
    assert set(fields) <= PARAMETERS[kind], kind
    return kind, fields


def made(desk: Desk) -> list[tuple[str, dict[str, str]]]:
    return [held_to_the_shape(sent) for sent in desk.posts("/media")]


def picture(desk: Desk, text: str = "Hello", **options: Any) -> Delivery:
    return desk.delivery(Segment(text, (PICTURE,)), **options)


def test_the_publisher_keeps_the_protocol() -> None:
    publisher: Publisher = PUBLISHER
    assert publisher.rules.platform == "instagram"
    assert publisher.refresh_ahead == 7 * 86_400


def test_a_picture_is_a_container_that_is_looked_at_published_and_linked(desk: Desk) -> None:
    delivery = picture(desk)
    remote = desk.publish(delivery)
    base = f"/instagram/v26.0/{desk.account.account_id}"
    create, look, publish, link = desk.http.sent
    assert (create.method, create.path) == ("POST", base + "/media")
    kind, fields = held_to_the_shape(create)
    assert kind == "image"
    assert fields.pop("image_url").startswith("https://pinned.example/")
    assert fields == {"caption": "Hello", "alt_text": PICTURE.alt_text}
    assert (look.method, look.query) == ("GET", "fields=status_code%2Cstatus")
    assert (publish.method, publish.path) == ("POST", base + "/media_publish")
    assert list(form(publish)) == ["creation_id"]
    assert (link.path, link.query) == (f"/instagram/v26.0/{remote.id}", "fields=permalink")
    assert {sent.headers["authorization"] for sent in desk.http.sent} == {"Bearer instagram-access-1"}
    assert remote.url is not None
    assert "signature" not in json.dumps(delivery.checkpoint)
    assert desk.visible() == ["Hello"]


def test_with_facebooks_login_the_same_calls_go_to_facebooks_host(by_facebook: Desk) -> None:
    by_facebook.publish(picture(by_facebook))
    assert all(sent.path.startswith("/instagram/graph.facebook.com/v26.0/") for sent in by_facebook.http.sent)
    assert by_facebook.visible() == ["Hello"]


@pytest.mark.parametrize(("media", "options", "kind", "more"), [
    ((VIDEO,), {}, "reel", {"media_type": "REELS", "share_to_feed": "true"}),
    ((VIDEO,), {"contentType": "reel", "shareToFeed": False}, "reel", {"media_type": "REELS", "share_to_feed": "false"}),
    ((VIDEO,), {"contentType": "feed", "shareToFeed": False}, "reel", {"media_type": "REELS", "share_to_feed": "true"}),
    ((PICTURE,), {"contentType": "reel", "shareToFeed": True}, "image", {"alt_text": PICTURE.alt_text}),
    ((PICTURE,), {"contentType": "feed", "coverUrl": "https://media.example/c.jpg"}, "image", {"alt_text": PICTURE.alt_text}),
    ((VIDEO,), {"coverUrl": "https://media.example/c.jpg", "thumbOffsetMs": 5}, "reel",
     {"media_type": "REELS", "share_to_feed": "true", "cover_url": "https://media.example/c.jpg"}),
    ((VIDEO,), {"thumbOffsetMs": 1500, "locationId": "42", "collaborators": ["a", "b.c"]}, "reel",
     {"media_type": "REELS", "share_to_feed": "true", "thumb_offset": "1500", "location_id": "42",
      "collaborators": '["a", "b.c"]'}),
])
def test_what_a_post_is_published_as_follows_from_its_media_and_its_options(
    desk: Desk, media: tuple[Media, ...], options: Mapping[str, Any], kind: str, more: Mapping[str, str]
) -> None:
    desk.publish(desk.delivery(Segment("Hello", media), **options))
    [(said, fields)] = made(desk)
    fields = {name: value for name, value in fields.items() if name not in ("image_url", "video_url")}
    assert (said, fields) == (kind, {"caption": "Hello", **more})
    assert desk.visible() == ["Hello"]


@pytest.mark.parametrize("media", [PICTURE, VIDEO])
def test_a_story_is_one_medium_without_words(desk: Desk, media: Media) -> None:
    tags = [{"username": "gull"}]
    remote = desk.publish(desk.delivery(Segment("Not shown", (media,)), contentType="story", userTags=tags, locationId="1"))
    [(kind, fields)] = made(desk)
    assert kind == "story"
    assert (fields["media_type"], fields["user_tags"]) == ("STORIES", json.dumps(tags))
    assert remote.id == desk.entries()[0].remote_id
    assert desk.visible() == [""]


def test_a_carousel_mixes_pictures_and_videos_in_order_and_tags_each(desk: Desk) -> None:
    tags = [{"username": "cat", "x": 0.5, "y": 0.25}, {"username": "sea", "mediaIndex": 1, "x": 0.1, "y": 0.1}]
    desk.publish(desk.delivery(Segment("Three", (PICTURE, VIDEO, OTHER)), userTags=tags, collaborators=["a"]))
    kinds, fields = zip(*made(desk), strict=True)
    assert kinds == ("item", "item", "item", "carousel")
    assert [item.get("media_type") for item in fields[:3]] == [None, "VIDEO", None]
    assert [json.loads(item.get("user_tags", "[]")) for item in fields[:3]] == [
        [{"username": "cat", "x": 0.5, "y": 0.25}], [{"username": "sea"}], []
    ]
    [entry] = desk.entries()
    assert fields[3] == {
        "media_type": "CAROUSEL", "caption": "Three", "collaborators": '["a"]', "children": ",".join(entry.media)
    }
    assert entry.extra["altTexts"] == {entry.media[0]: PICTURE.alt_text}


def test_a_reel_that_is_processed_for_minutes_is_waited_for(desk: Desk) -> None:
    desk.network.processing_seconds = 240
    delivery = desk.delivery(Segment("Waves", (VIDEO,)))
    assert desk.prepare(delivery) > 3
    desk.publish(delivery)
    assert len(desk.posts("/media")) == 1
    assert desk.visible() == ["Waves"]


@pytest.mark.parametrize(("code", "outcome", "says"), [
    ("2207026", Failed, "media_refused"), ("2207003", Retry, "media_unreachable"), ("2207053", Retry, "processing_failed"),
    ("2207999", Retry, "processing_failed"),
])
def test_processing_that_fails_is_tried_afresh_or_final_by_its_code(
    desk: Desk, code: str, outcome: type[Outcome], says: str
) -> None:
    desk.network.processing_error = f"Error: Media upload has failed with error code {code}"
    delivery = desk.delivery(Segment("", (VIDEO,)))
    with pytest.raises(outcome) as caught:
        desk.prepare(delivery)
    assert caught.value.code == says
    desk.network.processing_error = None
    desk.publish(delivery)
    assert len(desk.entries()) == 1


def test_media_instagram_cannot_fetch_or_does_not_take(desk: Desk) -> None:
    desk.media.broken = True
    for media in (PICTURE, VIDEO):
        with pytest.raises(Retry) as caught:
            desk.prepare(desk.delivery(Segment("", (media,))))
        assert caught.value.code == "media_unreachable"
    desk.media.broken = False
    with pytest.raises(Failed) as refused:
        desk.prepare(desk.delivery(Segment("", (Media("https://media.example/cat.png"),))))
    assert refused.value.code == "media_refused"
    assert "JPEG" in refused.value.detail


def test_the_first_comment_stands_below_the_post(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Hello", (PICTURE,)), "#harbour #dawn")
    post, comment = desk.publish_all(delivery)
    [sent] = desk.posts("/comments")
    assert sent.path == f"/instagram/v26.0/{post.id}/comments"
    assert form(sent) == {"message": "#harbour #dawn"}
    assert comment.url is None
    assert [(entry.text, entry.in_reply_to) for entry in desk.entries()] == [("Hello", None), ("#harbour #dawn", post.id)]
    assert len(desk.posts("/media")) == 1


def test_a_lost_comment_is_found_by_its_words_and_an_absent_one_is_absent(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Hello", (PICTURE,)), "first!")
    post = desk.publish(delivery)
    early = desk.delivery(Segment("Hello", (PICTURE,)), "first!")
    early.published = (post,)
    taken = desk.publish(early)
    desk.world.add_fault("instagram", "server_error")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    delivery.taken = frozenset({taken.id})
    assert PUBLISHER.resolve(delivery, 1) == Absent()
    desk.network.page_size = 1
    desk.world.add_fault("instagram", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    delivery.taken = frozenset({taken.id})
    found = PUBLISHER.resolve(delivery, 1)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.entries()[-1].remote_id
    assert found.remotes[0].id != taken.id


@pytest.mark.parametrize(("media", "options", "path"), [
    ((PICTURE,), {}, "media"), ((VIDEO,), {}, "media"), ((PICTURE, VIDEO), {}, "media"), ((VIDEO,), STORY, "stories"),
])
def test_a_lost_answer_is_unknown_and_the_container_knows_that_it_is_out(
    desk: Desk, media: tuple[Media, ...], options: Mapping[str, Any], path: str
) -> None:
    desk.publish(desk.delivery(Segment("same", media), **options))
    desk.clock.advance(3600)
    desk.world.add_fault("instagram", "lost_answer")
    delivery = desk.delivery(Segment("same", media), **options)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.entries()[-1].remote_id
    assert found.remotes[0].url is not None
    assert desk.http.sent[-1].path.endswith("/" + path)


def test_resolve_reads_every_page(desk: Desk) -> None:
    desk.network.page_size = 1
    desk.world.add_fault("instagram", "lost_answer")
    delivery = picture(desk, "wanted")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    wanted = desk.entries()[-1].remote_id
    for number in range(3):
        desk.publish(picture(desk, f"later {number}"))
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == wanted


def test_an_error_of_the_server_leaves_the_container_unpublished_and_a_repeat_is_safe(desk: Desk) -> None:
    desk.world.add_fault("instagram", "server_error")
    delivery = picture(desk)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    desk.publish(delivery)
    assert desk.visible() == ["Hello"]
    assert len(desk.network.containers) == 1


def test_a_slow_server_and_a_repeat_make_one_post(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault("instagram", "slow", seconds=10)
    delivery = picture(desk)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == SafeToRepeat()
    desk.clock.advance(6)
    remote = desk.publish(delivery)
    assert [entry.remote_id for entry in desk.entries()] == [remote.id]


@pytest.mark.parametrize(("said", "kind"), [
    ("IN_PROGRESS", Working), ("EXPIRED", Refused), ("2207026", Refused), ("2207032", Refused), ("FINISHED", SafeToRepeat),
    ("GONE", Undecidable),
])
def test_resolve_says_what_the_container_says(desk: Desk, said: str, kind: type[Any]) -> None:
    delivery = picture(desk)
    desk.prepare(delivery)
    delivery.armed_at = desk.clock.now()
    [container] = desk.network.containers.values()
    if said == "IN_PROGRESS":
        container.ready += timedelta(hours=1)
    elif said == "EXPIRED":
        container.made -= timedelta(hours=24)
    elif said.startswith("22"):
        container.error = f"Error: Media upload has failed with error code {said}"
    elif said == "GONE":
        desk.network.containers.clear()
        desk.clock.advance(3600)
    seen = PUBLISHER.resolve(delivery, 0)
    assert isinstance(seen, kind)
    assert not isinstance(seen, Refused) or seen.again == (said != "2207026")


def test_a_container_that_is_not_ready_after_all_is_come_back_for(desk: Desk) -> None:
    delivery = picture(desk)
    desk.prepare(delivery)
    [container] = desk.network.containers.values()
    container.ready += timedelta(seconds=30)
    desk.publish(delivery)
    assert desk.visible() == ["Hello"]
    assert len(desk.network.containers) == 1


def test_a_rate_limit_waits_as_many_minutes_as_meta_says(desk: Desk) -> None:
    for retry_after, wait in ((290, 300), (1, None)):
        desk.world.add_fault("instagram", "rate_limit", retry_after=retry_after)
        with pytest.raises(Retry) as caught:
            desk.publish(picture(desk))
        assert (caught.value.code, caught.value.after) == ("rate_limited", wait)
    assert desk.visible() == []


def test_a_blocked_action_is_final_though_its_code_is_that_of_a_rate_limit(desk: Desk) -> None:
    desk.world.add_fault("instagram", "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(picture(desk))
    assert caught.value.code == "action_blocked"
    assert "protect our community" in caught.value.detail
    assert desk.visible() == []


def test_the_days_limit_is_waited_out_for_hours(desk: Desk) -> None:
    desk.network.day_limit = 1
    desk.publish(picture(desk))
    with pytest.raises(Retry) as caught:
        desk.publish(picture(desk, "two"))
    assert (caught.value.code, caught.value.after) == ("daily_limit", 4 * 3600)


def test_an_error_of_metas_own_while_publishing_says_nothing_of_the_post(desk: Desk) -> None:
    for error in ({"code": 1}, {"code": -1, "error_subcode": 2207001}, {"code": 100, "is_transient": True}):
        delivery = picture(desk)
        desk.prepare(delivery)
        plain = desk.http.request
        body = json.dumps({"error": {"message": "Please retry", **error}}).encode()
        desk.http.request = lambda *a, **k: Answer(400, {}, body)  # type: ignore[method-assign]  # noqa: B023
        with pytest.raises(Unknown):
            desk.publish(delivery)
        desk.http.request = plain  # type: ignore[method-assign]


@pytest.mark.parametrize("error", [
    {"code": 4, "error_subcode": 2207051}, {"code": -1, "error_subcode": 2207032}, {"code": 24, "error_subcode": 2207008},
    {"code": 4}, {"code": 100}, {"code": 9, "error_subcode": 2207042},
])
@pytest.mark.parametrize("later", [0, 3600])
def test_a_post_that_comes_up_though_it_was_refused_is_ours_and_stays_the_only_one(
    desk: Desk, error: Mapping[str, int], later: float
) -> None:
    """People report "Action is blocked" and temporary errors with the post published all the same."""
    plain, body = desk.http.request, json.dumps({"error": {"message": "No", **error}}).encode()

    def refused(method: str, url: str, **how: Any) -> Answer:
        answer = plain(method, url, **how)
        if later and not url.endswith("_publish"):
            return Answer(400, {}, json.dumps({"error": {"code": 4, "message": "Wait"}}).encode())
        return Answer(400, {}, body) if url.endswith("_publish") else answer

    delivery = picture(desk)
    desk.prepare(delivery)
    desk.http.request = refused  # type: ignore[method-assign]
    with pytest.raises((Retry, Unknown)):
        desk.publish(delivery)
    desk.http.request = plain  # type: ignore[method-assign]
    desk.clock.advance(later)
    if not delivery.uncertain:
        with pytest.raises(Unknown):
            desk.publish(delivery)
    [entry] = desk.entries()
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    assert [remote.id for remote in found.remotes] == [entry.remote_id]


def test_a_post_that_comes_up_though_it_was_refused_takes_no_other_post_of_the_same_words_for_its_own(desk: Desk) -> None:
    """Which ids other posts have is known when a lost answer is settled, not while the call is made."""
    ours = picture(desk, "Same words")
    desk.prepare(ours)
    desk.clock.advance(5)
    other = desk.publish(picture(desk, "Same words"))
    desk.clock.advance(5)
    plain, body = desk.http.request, json.dumps({"error": {"message": "No", "code": 4, "error_subcode": 2207051}}).encode()

    def refused(method: str, url: str, **how: Any) -> Answer:
        answer = plain(method, url, **how)
        return Answer(400, {}, body) if url.endswith("_publish") else answer

    desk.http.request = refused  # type: ignore[method-assign]
    with pytest.raises(Unknown):
        desk.publish(ours)
    ours.taken = frozenset({other.id})
    found = PUBLISHER.resolve(ours, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.entries()[-1].remote_id != other.id


def test_an_old_container_is_made_again_so_that_no_post_of_long_before_the_call_is_taken_for_ours(desk: Desk) -> None:
    """Ids of others are known for some hours before the call (`usecases.outcomes.others`), so nothing older may be looked at."""
    delivery = picture(desk, "Same words")
    desk.prepare(delivery)
    desk.clock.advance(3600)
    other = desk.publish(picture(desk, "Same words"))
    desk.clock.advance(8 * 3600)
    desk.world.add_fault("instagram", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.entries()[-1].remote_id != other.id


def test_a_container_that_is_gone_after_an_uncertain_call_is_not_made_again(desk: Desk) -> None:
    delivery = picture(desk)
    desk.world.add_fault("instagram", "server_error")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    desk.network.containers.clear()
    desk.clock.advance(3600)
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert desk.network.containers == {}
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


@pytest.mark.parametrize(("text", "options"), [("", {}), ("Not shown", STORY)])
def test_a_post_without_words_is_not_guessed_among_several(desk: Desk, text: str, options: Mapping[str, Any]) -> None:
    delivery = picture(desk, text, **options)
    desk.prepare(delivery)
    desk.publish(picture(desk, text, **options))
    desk.world.add_fault("instagram", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.clock.advance(3600)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)
    delivery.taken = frozenset({desk.entries()[0].remote_id})
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.entries()[1].remote_id


def test_a_story_of_a_picture_is_no_video(desk: Desk) -> None:
    delivery = picture(desk, **STORY)
    desk.prepare(delivery)
    desk.publish(desk.delivery(Segment("", (VIDEO,)), **STORY))
    desk.world.add_fault("instagram", "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found)
    assert found.remotes[0].id == desk.entries()[-1].remote_id


def test_a_finished_container_that_is_not_found_is_tried_again_a_little_later(desk: Desk) -> None:
    delivery = picture(desk)
    desk.prepare(delivery)
    plain, body = desk.http.request, json.dumps({"error": {"code": 24, "error_subcode": 2207008, "message": "No"}}).encode()
    desk.http.request = lambda method, url, **how: (  # type: ignore[method-assign]
        Answer(400, {}, body) if url.endswith("_publish") else plain(method, url, **how)
    )
    with pytest.raises(Retry) as caught:
        desk.publish(delivery)
    assert caught.value.after == 30
    desk.http.request = plain  # type: ignore[method-assign]
    desk.publish(delivery)
    assert len(desk.network.containers) == 1


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    delivery = picture(desk)
    desk.prepare(delivery)
    desk.http.unreachable = True
    with pytest.raises(Retry):
        desk.publish(delivery)


def test_a_dead_token_is_refused_and_a_renewed_one_works(desk: Desk) -> None:
    desk.network.long.expire()
    for call in (lambda: PUBLISHER.prepare(picture(desk)), lambda: PUBLISHER.verify(desk.account, desk.http),
                 lambda: PUBLISHER.refresh(desk.account, desk.http)):
        with pytest.raises(TokenRefused):
            call()
    desk.account = account_of(desk.world, "instagram", "prof_instagram")
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    assert tokens is not None
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path) == ("GET", "/instagram/refresh_access_token")
    assert sent.query.startswith("grant_type=ig_refresh_token&access_token=")
    assert tokens.expires_in == int(LONG_LIFE.total_seconds())
    desk.account = replace(desk.account, credentials={**desk.account.credentials, **tokens.credentials})
    desk.publish(picture(desk))


def test_facebooks_token_cannot_be_renewed(by_facebook: Desk) -> None:
    assert PUBLISHER.refresh(by_facebook.account, by_facebook.http) is None


def test_consent_gives_a_code_the_code_a_token_and_the_token_a_long_lived_one(desk: Desk) -> None:
    consent = PUBLISHER.connect
    assert consent is not None
    back = {"client_id": "instagram-client", "redirect_uri": "https://dateline.example/back", "response_type": "code"}
    params = {**back, "state": "s", "scope": consent.scope_separator.join(consent.scopes), "as": "prof_consent"}
    host, path = consent.authorize
    answer = desk.http.request("GET", desk.account.host(host) + path, params=params)
    code = answer.headers["location"].partition("code=")[2].partition("&")[0]
    host, path = consent.token
    body = {"client_id": "instagram-client", "client_secret": "instagram-client-secret", "code": code,
            "grant_type": "authorization_code", "redirect_uri": back["redirect_uri"]}
    given = desk.http.request("POST", desk.account.host(host) + path, data=body).json()
    fresh = replace(desk.account, account_id="", credentials={**desk.account.credentials, "accessToken": given["access_token"]})
    [choice] = PUBLISHER.accounts(fresh, desk.http)
    exchange = next(sent for sent in desk.http.sent if sent.path == "/instagram/access_token")
    assert exchange.query.startswith("grant_type=ig_exchange_token&client_secret=instagram-client-secret&access_token=")
    assert choice.account_id == str(given["user_id"]) == desk.network.account("prof_consent").id
    assert choice.settings == {"login": "instagram", "dailyPosts": 100}
    assert choice.expires_in == int(LONG_LIFE.total_seconds())
    assert choice.credentials["accessToken"] not in (given["access_token"], repr(choice))


def test_verify_says_whose_token_it_is_and_of_which_login(desk: Desk, by_facebook: Desk) -> None:
    info = PUBLISHER.verify(desk.account, desk.http)
    assert (info.account_id, info.name) == (desk.account.account_id, "@dateline.1")
    assert info.settings == {"login": "instagram", "dailyPosts": 100}
    known = by_facebook.account
    token = {"accessToken": known.credentials["accessToken"], "login": "facebook"}
    fresh = replace(known, account_id="", settings={})
    for account in (known, fresh, replace(fresh, credentials=token)):
        info = PUBLISHER.verify(account, by_facebook.http)
        assert (info.account_id, info.settings["login"]) == (known.account_id, "facebook")
    assert any(sent.path.endswith("/me/accounts") for sent in by_facebook.http.sent)


def test_quotas_are_read_from_headers_and_from_the_publishing_limit(desk: Desk) -> None:
    desk.publish(picture(desk))
    account, http = desk.account, desk.http
    path = f"{account.account_id}/content_publishing_limit"
    answer = PUBLISHER.call(account, http, "GET", path, fields="quota_usage,config")
    assert PUBLISHER.quotas(answer, desk.clock.now()) == (
        Quota("account", "posts", 100, 99), Quota("app", "usage", 100, 98), Quota("account", "usage.instagram", 100, 97)
    )


def test_only_an_account_of_facebooks_login_can_delete(desk: Desk, by_facebook: Desk) -> None:
    delivery = picture(desk)
    remote = desk.publish(delivery)
    with pytest.raises(Failed) as caught:
        PUBLISHER.delete(delivery, remote.id)
    assert caught.value.code == "unsupported"
    assert desk.visible() == ["Hello"]
    delivery = by_facebook.delivery(Segment("Hello", (PICTURE,)), "first!")
    post, comment = by_facebook.publish_all(delivery)
    for remote_id in (comment.id, comment.id, post.id, post.id):
        PUBLISHER.delete(delivery, remote_id)
    assert by_facebook.visible() == []


def facts(media: Media, **known: Any) -> Media:
    return media._replace(facts=Facts(**{"mime": "video/mp4" if media.type == "video" else "image/jpeg", "size": 1000, **known}))


@pytest.mark.parametrize(("draft", "rules"), [
    (Draft((Segment("text alone"),)), ["instagram.media.required"]),
    (Draft((Segment("x" * 2201, (PICTURE,)),)), ["instagram.text.too_long"]),
    (Draft((Segment(" ".join(f"#tag{n}" for n in range(31)), (PICTURE,)),)), ["instagram.text.too_many_hashtags"]),
    (Draft((Segment(" ".join(f"@name{n}" for n in range(21)), (PICTURE,)),)), ["instagram.text.too_many_mentions"]),
    (Draft((Segment("a@b.example https://example.com/#part", (PICTURE,) * 10),)), []),
    (Draft((Segment("", (PICTURE, VIDEO) * 5),)), []),
    (Draft((Segment("", (PICTURE, VIDEO) * 5 + (VIDEO,)),)), ["instagram.media.too_many"]),
    (Draft((Segment("", (facts(PICTURE, mime="image/png"),)),)), ["instagram.media.format"]),
    (Draft((Segment("", (facts(PICTURE, width=900, height=1600),)),)), ["instagram.media.ratio"]),
    (Draft((Segment("", (facts(PICTURE, width=900, height=1600),)),), STORY), []),
    (Draft((Segment("", (facts(VIDEO, width=900, height=1600, seconds=900),)),)), []),
    (Draft((Segment("", (facts(VIDEO, seconds=901),)),)), ["instagram.media.too_long"]),
    (Draft((Segment("", (facts(VIDEO, seconds=61, size=101 * 1024 * 1024),)),), STORY),
     ["instagram.story.too_long", "instagram.story.too_large"]),
    (Draft((Segment("", (PICTURE, OTHER)),), STORY), ["instagram.story.too_many"]),
    (Draft((Segment("", (PICTURE,)),), STORY, Segment("hi")), ["instagram.first_comment.story"]),
    (Draft((Segment("", (PICTURE,)),), {}, Segment("x" * 2201)), ["instagram.first_comment.too_long"]),
    (Draft((Segment("", (PICTURE,)),), {"userTags": [{"username": "a"}]}), ["instagram.user_tags.position"]),
    (Draft((Segment("", (PICTURE,)),), {"userTags": [{"username": "a", "x": 0.5, "y": 0, "mediaIndex": 1}]}),
     ["instagram.user_tags.media_index"]),
    (Draft((Segment("", (PICTURE,)),), {**STORY, "userTags": [{"username": "a", "mediaIndex": 1}]}),
     ["instagram.user_tags.media_index"]),
    (Draft((Segment("", (PICTURE,)),), {**STORY, "userTags": [{"username": "a"}]}), []),
    (Draft((Segment("", (VIDEO,)),), {"userTags": [{"username": "a"}]}), []),
    (Draft((Segment("", (PICTURE,)),), {"collaborators": ["a", "b", "c", "d"]}), ["instagram.option.invalid"]),
    (Draft((Segment("", (PICTURE,)),), {"userTags": "a"}), ["instagram.option.invalid"]),
    (Draft((Segment("a", (PICTURE,)), Segment("b", (PICTURE,)))), ["instagram.thread.unsupported"]),
])
def test_what_instagram_would_refuse_breaks_a_rule(draft: Draft, rules: list[str]) -> None:
    assert [violation.rule for violation in check(RULES, draft, {})] == rules


@pytest.mark.parametrize(("media", "options", "rules"), [
    ((PICTURE,), {}, []),
    ((PICTURE,), {"contentType": "reel"}, ["content_type"]),
    ((OTHER, VIDEO), {"contentType": "reel", "shareToFeed": True}, ["content_type", "share_to_feed"]),
    ((VIDEO,), {"contentType": "feed"}, ["content_type"]),
    ((VIDEO,), {"contentType": "reel", "coverUrl": "https://a.example/b.jpg"}, []),
    ((OTHER,), {"coverUrl": "https://a.example/b.jpg", "thumbOffsetMs": 1}, ["cover_url", "thumb_offset_ms"]),
    ((PICTURE,), {"contentType": "story", "collaborators": ["a"]}, ["collaborators", "text", "alt_text"]),
])
def test_what_does_not_fit_the_content_is_left_out_with_a_warning(
    media: tuple[Media, ...], options: Mapping[str, Any], rules: list[str]
) -> None:
    assert RULES.advise is not None
    draft = Draft((Segment("Hello", media),), options)
    assert [warning.rule for warning in RULES.advise(draft, {})] == [f"instagram.{rule}.ignored" for rule in rules]
    assert check(RULES, draft, {}) == []


def test_many_hashtags_are_warned_of_and_taken() -> None:
    draft = Draft((Segment(" ".join(f"#tag{n}" for n in range(6)), (PICTURE,)),))
    assert RULES.advise is not None
    assert [warning.rule for warning in RULES.advise(draft, {})] == ["instagram.hashtags.many"]
    assert check(RULES, draft, {}) == []


@pytest.mark.parametrize("sample", samples_of("instagram"), ids=lambda sample: sample.name)
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
    desk.world.add_fault("instagram", fault, at="any")
    delivery = picture(desk)
    with pytest.raises(Outcome) as caught:
        desk.publish(delivery)
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {desk.account!r} {delivery!r}"
    assert "signature" not in shown
    for name in ("accessToken", "clientSecret"):
        assert desk.account.credentials[name] not in shown


def test_metas_words_are_told_without_what_might_be_a_token() -> None:
    from dateline.platforms._meta import refusal_of

    token = "EAAB" + "x1" * 12
    body = json.dumps({"error": {"code": 100, "message": f"Malformed {token} at https://a.example/?access_token=b"}}).encode()
    told = str(refusal_of("Instagram", Answer(400, {}, body)))
    assert token not in told
    assert "access_token=b" not in told


def test_a_remote_is_what_readers_see(desk: Desk) -> None:
    remote = desk.publish(picture(desk))
    [post] = desk.network.posts.values()
    assert remote == Remote(post.id, f"https://www.instagram.com/p/C{int(post.id) % 10**12:x}/")


def test_the_stand_in_refuses_what_the_reference_refuses(desk: Desk) -> None:
    url = f"{desk.account.server}/v26.0/{desk.account.account_id}/media"
    headers = {"Authorization": "Bearer " + desk.account.credentials["accessToken"]}
    image = {"image_url": desk.media.open(PICTURE).url()}
    for fields in (
        {}, {"caption": "words alone"}, {**image, "colour": "red"}, {**image, "media_type": "REELS"},
        {**image, "caption": "x" * 2201},
        {"media_type": "CAROUSEL", "children": "1,2"}, {**image, "media_type": "STORIES", "caption": "no"},
        {**image, "user_tags": '[{"username": "a"}]'}, {**image, "collaborators": '["a", "b", "c", "d"]'},
        {**image, "share_to_feed": "true"},
    ):
        assert desk.http.request("POST", url, headers=headers, data=fields).status == 400, fields
    wrong = {"Authorization": "Bearer wrong"}
    assert desk.http.request("POST", url, headers=wrong, data=image).status == 401
    foreign = url.replace("/instagram/", "/instagram/graph.facebook.com/")
    assert desk.http.request("POST", foreign, headers=headers, data=image).status == 400
    assert desk.network.containers == {}
