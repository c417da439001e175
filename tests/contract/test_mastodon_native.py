"""Posts that a Mastodon server keeps until their time: handed over, taken back, confirmed, and every answer that can be lost.

The shapes are those of methods/scheduled_statuses.md and methods/statuses.md of mastodon/documentation (2026-07-02); the limits
(5 minutes ahead, 25 a day, 300 in all) those of app/models/scheduled_status.rb of mastodon/mastodon.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from dateline.domain.content import Draft, Media, Segment
from dateline.domain.rules import check
from dateline.platforms.base import (
    Absent,
    Delivery,
    Failed,
    Found,
    Native,
    NotReady,
    Remote,
    Retry,
    SafeToRepeat,
    TokenRefused,
    Unknown,
    Working,
)
from dateline.platforms.mastodon import PUBLISHER
from local.networks.base import World
from local.networks.mastodon import MastodonNetwork
from tests.contract.inprocess import FakeClock, InProcessHttp, account_of, delivery_of

PICTURE = Media("https://media.example/cat.png", "image", "A cat asleep on a router")
VIDEO = Media("https://media.example/cat.mp4", "video")


class Desk:
    """One server that keeps statuses, one account, and a post for in two hours."""

    def __init__(self, profile_id: str = "prof_mastodon") -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [MastodonNetwork])
        self.http = InProcessHttp(self.world, self.clock)
        self.account = account_of(self.world, "mastodon", profile_id)
        self.at = self.clock.now() + timedelta(hours=2)

    @property
    def network(self) -> MastodonNetwork:
        network = self.world.networks["mastodon"]
        assert isinstance(network, MastodonNetwork)
        return network

    def delivery(self, *segments: str | Segment, **options: Any) -> Delivery:
        options = {"nativeSchedule": True, **options}
        return delivery_of(self.http, self.account, *segments, options=options, publish_at=self.at)

    def place(self, delivery: Delivery, at: datetime | None = None) -> Remote:
        """Prepare, arm and hand over, as a worker would, some time after whatever was before."""
        self.clock.advance(1)
        while PUBLISHER.needs_preparation(delivery):
            try:
                PUBLISHER.prepare(delivery)
            except NotReady as pause:
                self.clock.advance(pause.after)
        delivery.armed_at = self.clock.now()
        return PUBLISHER.place(delivery, at or self.at)

    def until(self, moment: datetime) -> None:
        self.clock.advance((moment - self.clock.now()).total_seconds())

    def seen(self) -> list[tuple[str, datetime]]:
        return [(entry.text, entry.at) for entry in self.world.seen("mastodon")]


@pytest.fixture(params=["prof_mastodon", "prof_gotosocial"])
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(request.param)


def test_the_publisher_keeps_the_protocol_and_asks_for_more_than_the_five_minutes_of_the_server() -> None:
    publisher: Native = PUBLISHER
    assert publisher is not None
    window = PUBLISHER.rules.native
    assert window is not None and window.least > 300 and not window.by_default


def test_a_post_is_handed_over_as_one_call_and_published_by_the_server_in_its_time(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Good evening", (PICTURE,)), visibility="unlisted")
    remote = desk.place(delivery)
    sent = desk.http.sent[-1]
    assert (sent.method, sent.path.removeprefix("/mastodon").removeprefix("/gts")) == ("POST", "/api/v1/statuses")
    media = [entry["id"] for entry in delivery.checkpoint["media"].values()]
    assert sent.json() == {
        "status": "Good evening", "media_ids": media, "visibility": "unlisted", "scheduled_at": "2026-06-15T11:00:00.000Z",
    }
    assert len(sent.headers["idempotency-key"]) == 64
    assert desk.seen() == []
    assert isinstance(PUBLISHER.confirm(delivery, remote), Working)
    desk.until(desk.at + timedelta(seconds=3))
    assert desk.seen() == [("Good evening", desk.at)]
    resolution = PUBLISHER.confirm(delivery, remote)
    assert isinstance(resolution, Found)
    [entry] = desk.world.seen("mastodon")
    assert [r.id for r in resolution.remotes] == [entry.remote_id]
    assert resolution.remotes[0].url is not None and remote.id != entry.remote_id
    PUBLISHER.delete(delivery, resolution.remotes[0].id)
    assert desk.seen() == []


def test_what_is_taken_back_never_appears_and_its_media_may_be_used_again(desk: Desk) -> None:
    delivery = desk.delivery(Segment("Never", (PICTURE,)))
    remote = desk.place(delivery)
    PUBLISHER.withdraw(delivery, remote)
    PUBLISHER.withdraw(delivery, remote)
    assert [(s.method, s.path.rpartition("/api")[2]) for s in desk.http.sent[-2:]] == [
        ("DELETE", f"/v1/scheduled_statuses/{remote.id}")
    ] * 2
    again = desk.place(delivery)
    assert again.id != remote.id, "handed over again, under another key: the server keeps the old one for an hour"
    PUBLISHER.withdraw(delivery, again)
    desk.until(desk.at + timedelta(minutes=1))
    assert desk.seen() == []
    delivery.armed_at = desk.clock.now()
    PUBLISHER.publish(delivery, 0)
    assert [text for text, _ in desk.seen()] == ["Never"], "publishing has a key of its own"


def test_what_is_out_cannot_be_taken_back(desk: Desk) -> None:
    delivery = desk.delivery("Out")
    remote = desk.place(delivery)
    desk.until(desk.at + timedelta(seconds=1))
    with pytest.raises(Failed) as error:
        PUBLISHER.withdraw(delivery, remote)
    assert error.value.code == "already_published"


def test_what_is_neither_kept_nor_out_around_its_time_is_not_called_taken_back_yet(desk: Desk) -> None:
    delivery = desk.delivery("On its way")
    remote = desk.place(delivery)
    account = next(a for i in (desk.network.mastodon, desk.network.gotosocial) for a in i.accounts.values() if a.scheduled)
    account.scheduled.clear()
    PUBLISHER.withdraw(delivery, remote)
    desk.until(desk.at - timedelta(seconds=5))
    with pytest.raises(Retry):
        PUBLISHER.withdraw(delivery, remote)
    assert PUBLISHER.confirm(delivery, remote) == Absent()
    desk.until(desk.at + timedelta(minutes=11))
    PUBLISHER.withdraw(delivery, remote)


@pytest.mark.parametrize("segment", [Segment("Words & <more>"), Segment("", (PICTURE,)), Segment("Look", (VIDEO,))])
def test_a_hand_over_whose_answer_was_lost_is_found_among_what_the_server_keeps(desk: Desk, segment: Segment) -> None:
    other = desk.place(delivery_of(desk.http, desk.account, "Another", key="post_2:prof_1", publish_at=desk.at))
    desk.world.add_fault("mastodon", "lost_answer")
    delivery = desk.delivery(segment)
    with pytest.raises(Unknown):
        desk.place(delivery)
    resolution = PUBLISHER.placed(delivery, desk.at)
    assert isinstance(resolution, Found)
    [remote] = resolution.remotes
    assert remote.id != other.id
    PUBLISHER.withdraw(delivery, remote)
    desk.until(desk.at + timedelta(minutes=1))
    assert [text for text, _ in desk.seen()] == ["Another"]


def test_what_the_server_keeps_for_another_post_of_the_same_words_and_time_is_not_ours(desk: Desk) -> None:
    other = desk.place(desk.delivery("Same words"))
    delivery = desk.delivery("Same words")
    delivery.taken = frozenset({other.id})
    desk.world.add_fault("mastodon", "server_error")
    with pytest.raises(Unknown):
        desk.place(delivery)
    assert not isinstance(PUBLISHER.placed(delivery, desk.at), Found)
    desk.world.add_fault("mastodon", "lost_answer")
    with pytest.raises(Unknown):
        desk.place(delivery)
    found = PUBLISHER.placed(delivery, desk.at)
    assert isinstance(found, Found)
    assert found.remotes[0].id != other.id


def test_a_hand_over_that_was_lost_before_it_took_effect_may_be_repeated_once_that_is_settled(desk: Desk) -> None:
    desk.world.add_fault("mastodon", "server_error")
    delivery = desk.delivery("Hello")
    with pytest.raises(Unknown):
        desk.place(delivery)
    assert PUBLISHER.placed(delivery, desk.at) == Absent()
    desk.clock.advance(300)
    assert PUBLISHER.placed(delivery, desk.at) == SafeToRepeat()
    desk.place(delivery)
    desk.until(desk.at)
    assert [text for text, _ in desk.seen()] == ["Hello"]


def test_a_hand_over_that_is_found_only_after_its_time_is_the_status_that_is_out(desk: Desk) -> None:
    desk.world.add_fault("mastodon", "lost_answer")
    delivery = desk.delivery("Hello")
    with pytest.raises(Unknown):
        desk.place(delivery)
    desk.until(desk.at + timedelta(seconds=2))
    resolution = PUBLISHER.placed(delivery, desk.at)
    assert isinstance(resolution, Found)
    [entry] = desk.world.seen("mastodon")
    assert resolution.remotes[0].id == entry.remote_id
    confirmed = PUBLISHER.confirm(delivery, resolution.remotes[0])
    assert isinstance(confirmed, Found) and confirmed.remotes[0].id == entry.remote_id
    with pytest.raises(Failed) as error:
        PUBLISHER.withdraw(delivery, resolution.remotes[0])
    assert error.value.code == "already_published"


def test_a_time_that_is_too_near_is_refused_and_one_that_has_passed_is_published_at_once(desk: Desk) -> None:
    with pytest.raises(Failed) as error:
        desk.place(desk.delivery("Too near"), desk.clock.now() + timedelta(minutes=5))
    assert "must be in the future" in error.value.detail
    delivery = desk.delivery("Now")
    remote = desk.place(delivery, desk.clock.now())
    assert isinstance(found := PUBLISHER.confirm(delivery, remote), Found)
    [entry] = desk.world.seen("mastodon")
    assert found.remotes[0].id == entry.remote_id


def test_the_servers_own_limit_leaves_the_post_to_our_schedule(desk: Desk) -> None:
    for number in range(25):
        desk.place(delivery_of(desk.http, desk.account, f"{number}", key=f"post_{number}:p", publish_at=desk.at))
    with pytest.raises(Failed) as error:
        desk.place(desk.delivery("The 26th of the day"))
    assert "limit of 25" in error.value.detail
    for page in (desk.delivery("0"), desk.delivery("24")):
        assert isinstance(PUBLISHER.placed(page, desk.at), Found)


def test_more_than_one_page_of_kept_posts_is_looked_through(desk: Desk) -> None:
    first = desk.at + timedelta(hours=2)
    for number in range(45):
        desk.at += timedelta(hours=2)
        desk.place(delivery_of(desk.http, desk.account, f"{number}", key=f"post_{number}:p", publish_at=desk.at))
    assert isinstance(PUBLISHER.placed(desk.delivery("0"), first), Found)
    assert PUBLISHER.placed(desk.delivery("0"), first + timedelta(hours=2)) == Absent()


def test_a_server_that_publishes_at_once_is_taken_at_its_word_and_the_post_taken_down() -> None:
    desk = Desk()
    desk.network.mastodon.keeps = False
    with pytest.raises(Failed) as error:
        desk.place(desk.delivery("Too early"))
    assert error.value.code == "not_kept"
    assert desk.seen() == []
    desk.world.add_fault("mastodon", "server_error", at="delete")
    with pytest.raises(Unknown):
        desk.place(desk.delivery("Too early"))


def test_a_server_that_stands_still_after_the_time_still_has_it_and_gives_it_back(desk: Desk) -> None:
    desk.network.stopped = True
    delivery = desk.delivery("Late")
    remote = desk.place(delivery)
    desk.until(desk.at + timedelta(minutes=11))
    assert isinstance(PUBLISHER.confirm(delivery, remote), Working)
    PUBLISHER.withdraw(delivery, remote)
    desk.network.stopped = False
    assert desk.seen() == []


def test_a_rate_limit_and_a_dead_token_are_told_apart_from_refusals(desk: Desk) -> None:
    delivery = desk.delivery("Hello")
    for fault, kind in (("rate_limit", Retry), ("expired_token", TokenRefused), ("reject", Failed)):
        desk.world.add_fault("mastodon", fault, retry_after=30)
        with pytest.raises(kind):
            desk.place(delivery)
    remote = desk.place(delivery)
    for fault, kind in (("rate_limit", Retry), ("server_error", Retry), ("expired_token", TokenRefused)):
        for call in (lambda: PUBLISHER.withdraw(delivery, remote), lambda: PUBLISHER.confirm(delivery, remote)):
            desk.world.add_fault("mastodon", fault, at="any")
            with pytest.raises(kind) as error:
                call()
            assert desk.account.credentials["accessToken"] not in f"{error.value!r}{error.value.__cause__!r}"
    assert isinstance(PUBLISHER.confirm(delivery, remote), Working), "it is kept as before"


def test_only_a_single_post_without_first_comment_is_kept_by_the_server() -> None:
    options = {"nativeSchedule": True}
    one, two = Segment("one"), Segment("two")
    for draft, rules in (
        (Draft((one,), options), []), (Draft((one, two), options), ["mastodon.native.single_only"]),
        (Draft((one,), options, two), ["mastodon.native.single_only"]), (Draft((one, two), {"nativeSchedule": False}, two), []),
    ):
        assert [v.rule for v in check(PUBLISHER.rules, draft, {})] == rules
