"""Google Business Profile's publisher against a stand-in that judges by the published shape, and all that can go wrong."""

from __future__ import annotations

from collections.abc import Callable
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
    Native,
    Outcome,
    Processing,
    Publisher,
    Quota,
    Refused,
    Remote,
    Retry,
    TokenRefused,
    Undecidable,
    Unknown,
    Working,
)
from dateline.platforms.google_business import PUBLISHER, RULES
from local.networks import files
from local.networks.base import World
from local.networks.google_business import GoogleBusinessNetwork, LocalPost
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, account_of, delivery_of
from tests.samples import samples_of

NAME = "google_business"
PHOTO = Media("https://media.example/shop.jpg", "image")
OPENING: dict[str, Any] = {"eventTitle": "Opening night", "start": "2026-12-01T18:00", "end": "2026-12-02"}

# LocalPost, transcribed from developers.google.com/my-business/reference/rest/v4/accounts.locations.localPosts (undated; the
# copy with scheduledTime): what a request may hold. mediaFormat and sourceUrl alone are taken of a MediaItem here.
LOCAL_POST: dict[str, set[str]] = {
    "languageCode": set(), "summary": set(), "topicType": set(), "scheduledTime": set(), "callToAction": {"actionType", "url"},
    "event": {"title", "schedule"}, "offer": {"couponCode", "redeemOnlineUrl", "termsConditions"},
    "media": {"mediaFormat", "sourceUrl"},
}


class Desk:
    """One world with one location, and what a worker would do with a delivery."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [GoogleBusinessNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, NAME, "prof_gbp")
        self.pinned = Pinned({PHOTO.url: files.jpeg(2400, 1800)})

    @property
    def network(self) -> GoogleBusinessNetwork:
        network = self.world.networks[NAME]
        assert isinstance(network, GoogleBusinessNetwork)
        return network

    def delivery(self, text: str = "Fresh coffee", media: tuple[Media, ...] = (), **options: Any) -> Delivery:
        return delivery_of(self.http, self.account, Segment(text, media), options=options, media=self.pinned)

    def publish(self, delivery: Delivery) -> Remote:
        """As a worker does it: prepare, arm, publish, and look until it is decided."""
        if PUBLISHER.needs_preparation(delivery):
            PUBLISHER.prepare(delivery)
        delivery.armed_at = self.clock.now()
        try:
            [remote] = PUBLISHER.publish(delivery, 0)
        except Processing as wait:
            self.clock.advance(wait.after)
            found = PUBLISHER.resolve(delivery, 0)
            while isinstance(found, Working):
                self.clock.advance(found.after)
                found = PUBLISHER.resolve(delivery, 0)
            assert isinstance(found, Found), found
            [remote] = found.remotes
        delivery.published = (remote,)
        return remote

    def only_post(self) -> LocalPost:
        [post] = self.network.posts.values()
        return post


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_publisher_keeps_both_protocols() -> None:
    publisher: Publisher = PUBLISHER
    native: Native = PUBLISHER
    assert publisher.rules.native is not None and not publisher.rules.native.by_default
    assert native is PUBLISHER


def test_a_text_goes_out_as_one_call_and_counts_once_it_is_live(desk: Desk) -> None:
    delivery = desk.delivery("Fresh coffee", languageCode="en-GB", callToAction={"type": "learn_more", "url": "https://shop.example/"})
    assert not PUBLISHER.needs_preparation(delivery)
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Processing):
        PUBLISHER.publish(delivery, 0)
    [sent] = desk.http.sent
    assert (sent.method, sent.path, sent.query) == ("POST", f"/{NAME}/v4/{desk.account.account_id}/localPosts", "")
    assert sent.headers["authorization"] == f"Bearer {desk.account.credentials['accessToken']}"
    assert sent.json() == {
        "topicType": "STANDARD", "summary": "Fresh coffee", "languageCode": "en-GB",
        "callToAction": {"actionType": "LEARN_MORE", "url": "https://shop.example/"},
    }
    assert desk.world.seen(NAME) == []
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.clock.advance(5)
    found = PUBLISHER.resolve(delivery, 0)
    [entry] = desk.world.seen(NAME)
    assert isinstance(found, Found)
    [remote] = found.remotes
    assert (remote.id, entry.text) == (entry.remote_id, "Fresh coffee")
    assert remote.url is not None and remote.url.startswith("https://local.google.com/place?")


def test_a_post_that_is_live_at_once_is_published_by_its_answer(desk: Desk) -> None:
    desk.network.processing_seconds = 0.0
    desk.publish(desk.delivery())
    assert len(desk.http.sent) == 1
    assert len(desk.world.seen(NAME)) == 1


def test_event_and_offer_become_the_members_of_a_local_post(desk: Desk) -> None:
    offer = {"couponCode": "NIGHT10", "redeemOnlineUrl": "https://shop.example/night", "termsConditions": "Once each."}
    desk.publish(desk.delivery("Come", topicType="event", **OPENING))
    desk.publish(desk.delivery("Come", (PHOTO,), topicType="offer", callToAction={"type": "call"}, **OPENING, **offer))
    event, with_offer = (sent.json() for sent in desk.http.sent if sent.method == "POST")
    schedule = {
        "startDate": {"year": 2026, "month": 12, "day": 1}, "startTime": {"hours": 18, "minutes": 0, "seconds": 0, "nanos": 0},
        "endDate": {"year": 2026, "month": 12, "day": 2},
    }
    assert event == {"topicType": "EVENT", "summary": "Come", "event": {"title": "Opening night", "schedule": schedule}}
    assert with_offer == {
        **event, "topicType": "OFFER", "offer": offer,
        "media": [{"mediaFormat": "PHOTO", "sourceUrl": desk.pinned.opened[PHOTO.url].url()}],
    }
    for body in (event, with_offer):
        for name, value in body.items():
            for part in value if isinstance(value, list) else [value]:
                assert name in LOCAL_POST and (isinstance(part, str) or set(part) <= LOCAL_POST[name])


@pytest.mark.parametrize("sample", samples_of(NAME), ids=lambda sample: f"{sample.name}-{'-'.join(sample.options)}")
def test_every_sample_breaks_no_rule_and_becomes_visible_once(desk: Desk, sample: Any) -> None:
    desk.pinned.files.update(sample.files)
    media = tuple(Media.from_dict(item) for item in sample.media)
    assert check(RULES, Draft((Segment("Words", media),), sample.options), {}) == []
    desk.publish(desk.delivery("Words", media, **sample.options))
    assert [(entry.text, len(entry.media)) for entry in desk.world.seen(NAME)] == [("Words", len(media))]


def test_the_photos_address_is_neither_saved_nor_shown(desk: Desk) -> None:
    delivery = desk.delivery("Words", (PHOTO,))
    desk.publish(delivery)
    address = desk.pinned.opened[PHOTO.url].url()
    assert address not in str(delivery.checkpoint)
    desk.pinned.broken = True
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery("Words", (PHOTO,)))
    assert caught.value.code == "media_unreachable"
    assert "Fetching image failed" in caught.value.detail and address not in caught.value.detail
    assert len(desk.world.seen(NAME)) == 1


@pytest.mark.parametrize(("file", "code"), [
    (files.jpeg(64, 64), "media_size"), (files.gif(), "media_format"), (files.mp4(), "media_format"),
])
def test_a_file_that_google_would_not_take_fails_before_anything_is_sent(desk: Desk, file: files.File, code: str) -> None:
    desk.pinned.files[PHOTO.url] = file
    delivery = desk.delivery("Words", (PHOTO,))
    assert PUBLISHER.needs_preparation(delivery)
    with pytest.raises(Failed) as caught:
        PUBLISHER.prepare(delivery)
    assert caught.value.code == code
    assert desk.http.sent == []


def test_a_post_that_google_rejects_is_refused_and_another_try_is_another_post(desk: Desk) -> None:
    desk.network.fates = ["REJECTED"]
    delivery = desk.delivery()
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Processing):
        PUBLISHER.publish(delivery, 0)
    desk.clock.advance(10)
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Refused) and found.code == "rejected" and not found.again
    delivery.checkpoint["post"] = "accounts/1/locations/2/localPosts/3"
    desk.publish(delivery)
    assert len(desk.world.seen(NAME)) == 1
    desk.network.processing_seconds, desk.network.fates = 0.0, ["REJECTED"]
    with pytest.raises(Failed):
        desk.publish(desk.delivery())


@pytest.mark.parametrize("options", [{}, {"topicType": "event", **OPENING}, {"topicType": "offer", **OPENING, "couponCode": "A"}])
def test_a_lost_answer_is_unknown_and_the_post_is_found_by_its_words(desk: Desk, options: dict[str, Any]) -> None:
    delivery = desk.delivery("Fresh\r\ncoffee  today", **options)
    desk.world.add_fault(NAME, "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    assert delivery.checkpoint["post"] == desk.only_post().name
    desk.clock.advance(5)
    [entry] = desk.world.seen(NAME)
    found = PUBLISHER.resolve(delivery, 0)
    assert isinstance(found, Found) and found.remotes[0].id == entry.remote_id


def test_a_lost_answer_to_a_post_that_was_rejected_is_refused(desk: Desk) -> None:
    desk.network.fates, desk.network.processing_seconds = ["REJECTED"], 0.0
    delivery = desk.delivery()
    desk.world.add_fault(NAME, "lost_answer")
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Refused)


def test_neither_an_older_post_nor_other_words_nor_another_kind_nor_anothers_post_is_ours(desk: Desk) -> None:
    earlier = desk.publish(desk.delivery("Same words"))
    delivery = desk.delivery("Same words")
    delivery.armed_at = desk.clock.now()
    delivery.taken = frozenset({earlier.id})
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    delivery.taken = frozenset()
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)
    for other in (desk.delivery("Other words"), desk.delivery("Same words", topicType="event", **OPENING)):
        other.armed_at = desk.clock.now()
        assert PUBLISHER.resolve(other, 0) == Absent()
    delivery.armed_at = desk.clock.now() + timedelta(minutes=5)
    assert PUBLISHER.resolve(delivery, 0) == Absent()


def test_all_pages_are_read_up_to_a_limit(desk: Desk) -> None:
    desk.network.page_size = 1
    delivery = desk.delivery("wanted")
    wanted = desk.publish(delivery)
    delivery.published, delivery.checkpoint = (), {}
    for number in range(4):
        desk.publish(desk.delivery(f"later {number}"))
    delivery.armed_at = desk.clock.now() - timedelta(hours=1)
    assert PUBLISHER.resolve(delivery, 0) == Found((wanted,))
    desk.publish(desk.delivery("one too many"))
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_an_error_of_the_server_is_unknown_and_absent(desk: Desk) -> None:
    desk.world.add_fault(NAME, "server_error")
    delivery = desk.delivery()
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    assert desk.world.seen(NAME) == []


def test_a_slow_server_is_absent_first_and_found_once_it_is_done(desk: Desk) -> None:
    desk.http.deadline = 4
    desk.world.add_fault(NAME, "slow", seconds=10)
    delivery = desk.delivery()
    with pytest.raises(Unknown):
        desk.publish(delivery)
    assert PUBLISHER.resolve(delivery, 0) == Absent()
    desk.clock.advance(11)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Found)


def test_a_post_that_disappears_while_it_is_processed_is_not_made_again(desk: Desk) -> None:
    delivery = desk.delivery()
    delivery.armed_at = desk.clock.now()
    with pytest.raises(Processing):
        PUBLISHER.publish(delivery, 0)
    desk.network.posts.clear()
    assert isinstance(PUBLISHER.resolve(delivery, 0), Working)
    desk.clock.advance(600)
    assert isinstance(PUBLISHER.resolve(delivery, 0), Undecidable)


def test_google_keeps_a_post_until_its_time_and_publishes_it_then(desk: Desk) -> None:
    at = desk.clock.now() + timedelta(minutes=30, microseconds=1)
    delivery = desk.delivery()
    delivery.armed_at = desk.clock.now()
    remote = PUBLISHER.place(delivery, at)
    assert desk.http.sent[-1].json()["scheduledTime"] == "2026-06-15T09:30:01Z"
    assert PUBLISHER.placed(delivery, at) == Found((remote,))
    assert PUBLISHER.placed(delivery, at + timedelta(minutes=1)) == Absent()
    assert isinstance(PUBLISHER.confirm(delivery, remote), Working)
    desk.clock.advance(1799)
    assert desk.world.seen(NAME) == []
    desk.clock.advance(2)
    [entry] = desk.world.seen(NAME)
    assert at <= entry.at < at + timedelta(seconds=1)
    assert PUBLISHER.confirm(delivery, remote) == Found((remote,))
    with pytest.raises(Failed) as caught:
        PUBLISHER.withdraw(delivery, remote)
    assert caught.value.code == "already_published"
    assert len(desk.world.seen(NAME)) == 1


def test_handing_over_with_a_lost_answer_is_looked_for_by_words_and_time(desk: Desk) -> None:
    at = desk.clock.now() + timedelta(minutes=30)
    delivery = desk.delivery()
    delivery.armed_at = desk.clock.now()
    for fault, expected in (("server_error", Absent), ("lost_answer", Found)):
        desk.world.add_fault(NAME, fault)
        with pytest.raises(Unknown):
            PUBLISHER.place(delivery, at)
        assert isinstance(PUBLISHER.placed(delivery, at), expected)
    desk.network.fates = ["REJECTED"]
    rejected = desk.delivery("Bad words")
    rejected.armed_at = desk.clock.now()
    PUBLISHER.place(rejected, at)
    desk.clock.advance(5)
    assert isinstance(PUBLISHER.placed(rejected, at), Refused)


def test_a_withdrawn_post_never_appears_and_may_be_withdrawn_twice(desk: Desk) -> None:
    delivery = desk.delivery()
    remote = PUBLISHER.place(delivery, desk.clock.now() + timedelta(minutes=30))
    desk.world.add_fault(NAME, "server_error", at="delete")
    with pytest.raises(Retry):
        PUBLISHER.withdraw(delivery, remote)
    PUBLISHER.withdraw(delivery, remote)
    PUBLISHER.withdraw(delivery, remote)
    assert PUBLISHER.confirm(delivery, remote) == Absent()
    desk.clock.advance(3600)
    assert desk.world.seen(NAME) == []


def test_deleting_twice_is_no_error(desk: Desk) -> None:
    delivery = desk.delivery()
    remote = desk.publish(delivery)
    PUBLISHER.delete(delivery, remote.id)
    PUBLISHER.delete(delivery, remote.id)
    assert (desk.http.sent[-1].method, desk.http.sent[-1].path) == ("DELETE", f"/{NAME}/v4/{remote.id}")
    assert desk.world.seen(NAME) == []


def test_a_rate_limit_waits_as_told_and_a_project_without_quota_is_final(desk: Desk) -> None:
    desk.world.add_fault(NAME, "rate_limit", retry_after=45)
    with pytest.raises(Retry) as caught:
        desk.publish(desk.delivery())
    assert (caught.value.code, caught.value.after) == ("rate_limited", 45)
    refusal = desk.network.rate_limited(1)
    told = PUBLISHER.quotas(Answer(429, {}, refusal.get_data()), desk.clock.now())
    assert told == (Quota("app", "DefaultRequestsPerMinutePerProject", 300, 0),)
    desk.network.approved = False
    with pytest.raises(Failed) as final:
        desk.publish(desk.delivery())
    assert final.value.code == "project_not_approved"


def test_a_refusal_is_final_and_carries_googles_words_field_by_field(desk: Desk) -> None:
    desk.world.add_fault(NAME, "reject")
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery())
    assert "The caller does not have permission" in caught.value.detail
    with pytest.raises(Failed) as caught:
        desk.publish(desk.delivery("x" * 1501))
    assert "Summary is too long" in caught.value.detail


def test_what_is_never_sent_is_safe_to_retry(desk: Desk) -> None:
    desk.http.unreachable = True
    with pytest.raises(Retry):
        desk.publish(desk.delivery())


def test_a_dead_token_is_refused_and_a_refresh_keeps_the_refresh_token(desk: Desk) -> None:
    delivery = desk.delivery()
    desk.world.add_fault(NAME, "expired_token")
    calls: tuple[Callable[[], object], ...] = (
        lambda: desk.publish(delivery), lambda: PUBLISHER.verify(desk.account, desk.http), lambda: PUBLISHER.resolve(delivery, 0),
    )
    for call in calls:
        with pytest.raises(TokenRefused):
            call()
    tokens = PUBLISHER.refresh(desk.account, desk.http)
    assert tokens is not None and set(tokens.credentials) == {"accessToken"}
    assert desk.http.sent[-1].path == f"/{NAME}/oauth2.googleapis.com/token"
    delivery.account = replace(desk.account, credentials={**desk.account.credentials, **tokens.credentials})
    desk.publish(delivery)
    desk.network.grants.revoke("prof_gbp")
    with pytest.raises(TokenRefused):
        PUBLISHER.refresh(desk.account, desk.http)


def test_verify_names_the_location_and_asks_which_where_it_is_not_clear(desk: Desk) -> None:
    info = PUBLISHER.verify(desk.account, desk.http)
    assert (info.account_id, info.name) == (desk.account.account_id, "Dateline Coffee, Hamburg")
    sent = desk.http.sent[-1]
    number = desk.account.account_id.rpartition("/")[2]
    assert sent.path == f"/{NAME}/mybusinessbusinessinformation.googleapis.com/v1/locations/{number}"
    assert sent.query == "readMask=name%2Ctitle%2CstorefrontAddress"
    token = {"accessToken": desk.account.credentials["accessToken"]}
    fresh = replace(desk.account, account_id="", credentials=token)
    assert PUBLISHER.verify(fresh, desk.http).account_id == desk.account.account_id
    desk.network.add_location("prof_gbp", "Bremen")
    with pytest.raises(Failed) as caught:
        PUBLISHER.verify(fresh, desk.http)
    assert "Bremen" in caught.value.detail and desk.account.account_id in caught.value.detail
    with pytest.raises(Failed):
        PUBLISHER.verify(replace(fresh, credentials={**token, "locationId": "locations/1"}), desk.http)
    named = replace(fresh, credentials={**token, "locationId": desk.account.account_id})
    assert PUBLISHER.verify(named, desk.http).account_id == desk.account.account_id


def test_a_grant_offers_every_location_once_over_all_pages(desk: Desk) -> None:
    for town in ("Bremen", "Kiel"):
        desk.network.add_location("prof_gbp", town)
    desk.network.page_size, desk.network.shared = 1, True
    choices = PUBLISHER.accounts(replace(desk.account, account_id=""), desk.http)
    assert [(choice.name, choice.kind) for choice in choices] == [
        ("Dateline Coffee, Hamburg", "location"), ("Dateline Coffee, Bremen", "location"), ("Dateline Coffee, Kiel", "location"),
    ]
    assert choices[0].account_id == desk.account.account_id
    assert f"/{NAME}/mybusinessaccountmanagement.googleapis.com/v1/accounts" in [sent.path for sent in desk.http.sent]


def test_consent_asks_for_business_manage_with_a_refresh_token() -> None:
    flow = PUBLISHER.connect
    assert flow is not None
    assert flow.scopes == ("https://www.googleapis.com/auth/business.manage",)
    assert (flow.extra["access_type"], flow.extra["prompt"]) == ("offline", "consent")


def draft(text: str = "Words", *media: Media, **options: Any) -> Draft:
    return Draft((Segment(text, media),), options)


@pytest.mark.parametrize(("content", "rules"), [
    (draft("x" * 1500), []), (draft("x" * 1501), ["google_business.text.too_long"]), (draft("Words", PHOTO), []),
    (draft("Words", PHOTO, PHOTO), ["google_business.media.too_many"]), (draft(""), ["google_business.content.empty"]),
    (draft("Words", Media("https://media.example/a.mp4", "video")), ["google_business.media.unsupported"]),
    (draft(topicType="event", **OPENING), []), (draft(topicType="alert"), ["google_business.option.invalid"]),
    (draft(topicType="event"), ["google_business.event.incomplete"] * 3),
    (draft(topicType="offer", eventTitle="A", start="2026-12-01"), ["google_business.offer.incomplete"]),
    (draft(topicType="event", eventTitle="A", start="2026-12-02", end="2026-12-01"), ["google_business.date.order"]),
    (draft(topicType="event", eventTitle="A", start="2026-02-30", end="2026-12-01"), ["google_business.date.invalid"]),
    (draft(callToAction={"type": "book"}), ["google_business.call_to_action.url"]), (draft(callToAction={"type": "call"}), []),
    (draft(callToAction={"type": "dance"}), ["google_business.option.invalid"]),
    (draft("Words", PHOTO._replace(facts=Facts("image/webp", 20_000, 500, 500))), ["google_business.media.format"]),
    (draft("Words", PHOTO._replace(facts=Facts("image/png", 9_000, 249, 250))), ["google_business.media.too_small",
                                                                                 "google_business.media.dimensions"]),
])
def test_the_rules_say_what_google_takes(content: Draft, rules: list[str]) -> None:
    assert [violation.rule for violation in check(RULES, content, {})] == rules


def test_options_that_do_not_fit_are_left_out_with_a_warning(desk: Desk) -> None:
    assert RULES.advise is not None
    options: dict[str, Any] = {"couponCode": "A", **OPENING, "callToAction": {"type": "call", "url": "https://shop.example/"}}
    assert [v.rule for v in RULES.advise(draft(**options), {})] == [
        *["google_business.event.ignored"] * 3, "google_business.offer.ignored", "google_business.call_to_action.ignored",
    ]
    desk.publish(desk.delivery("Words", **options))
    assert desk.only_post().body == {"topicType": "STANDARD", "summary": "Words", "callToAction": {"actionType": "CALL"}}
    button = {"type": "book", "url": "https://shop.example/"}
    assert [v.rule for v in RULES.advise(draft(topicType="offer", callToAction=button, **OPENING), {})] == [
        "google_business.call_to_action.ignored"
    ]


def test_the_stand_in_refuses_what_the_reference_does_not_have(desk: Desk) -> None:
    headers = {"Authorization": f"Bearer {desk.account.credentials['accessToken']}"}
    good = {"topicType": "STANDARD", "summary": "Words"}
    for body in (
        {**good, "colour": "red"}, {"summary": "Words"}, {**good, "topicType": "EVENT"}, {**good, "offer": {"couponCode": "A"}},
        {**good, "callToAction": {"actionType": "CALL", "url": "https://a.example"}}, {**good, "summary": 1},
        {**good, "scheduledTime": "2020-01-01T00:00:00Z"}, {**good, "scheduledTime": "tomorrow"},
        {**good, "media": [{"mediaFormat": "PHOTO", "sourceUrl": "https://nowhere.example/1"}]},
    ):
        url = f"{desk.account.server}/v4/{desk.account.account_id}/localPosts"
        assert desk.http.request("POST", url, headers=headers, json=body).status == 400, body
    assert desk.network.posts == {}


@pytest.mark.parametrize("fault", ["rate_limit", "server_error", "slow", "reject", "expired_token", "lost_answer"])
def test_no_failure_shows_a_token_or_the_photos_address(desk: Desk, fault: str) -> None:
    desk.http.deadline = 1
    delivery = desk.delivery("Words", (PHOTO,))
    desk.world.add_fault(NAME, fault, times=2, at="any")
    shown = ""
    for step in (lambda: desk.publish(delivery), lambda: PUBLISHER.resolve(delivery, 0)):
        try:
            step()
        except Outcome as outcome:
            shown += f"{outcome!r} {outcome} {outcome.__cause__!r}"
    assert shown
    for secret in (*(value for name, value in desk.account.credentials.items() if name != "locationId"), "pinned.example"):
        assert secret not in shown + repr(desk.account)


@pytest.mark.parametrize(("kind", "rules"), [("image", ["google_business.alt_text.ignored"])])
def test_alternative_text_that_is_not_taken_is_left_out_with_a_warning(kind: str, rules: list[str]) -> None:
    draft = Draft((Segment("Words", (Media("https://media.example/a", kind, "What is to be seen"),)),))
    assert RULES.advise is not None
    assert [violation.rule for violation in RULES.advise(draft, {})] == rules
