"""What a worker does with a delivery of a network of containers, in process: for the tests of Threads and Instagram."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from dateline.domain.content import Draft, Media, Segment
from dateline.platforms.base import Delivery, NotReady, Publisher, Remote, Unknown
from dateline.platforms.registry import publisher
from local.networks.base import Entry, World
from local.networks.containers import MetaNetwork
from tests.contract.inprocess import FakeClock, InProcessHttp, Pinned, Sent, account_of, delivery_of
from tests.samples import Sample


class Desk:
    """One world with one account of the network."""

    def __init__(self, kind: type[MetaNetwork], profile_id: str) -> None:
        self.clock = FakeClock()
        self.world = World(self.clock.now, [kind])
        self.http = InProcessHttp(self.world, self.clock)
        self.platform = kind.platform
        self.publisher: Publisher = publisher(self.platform)
        self.account = account_of(self.world, self.platform, profile_id)
        self.media = Pinned()

    @property
    def network(self) -> MetaNetwork:
        network = self.world.networks[self.platform]
        assert isinstance(network, MetaNetwork)
        return network

    def delivery(self, *segments: str | Segment, **options: Any) -> Delivery:
        return delivery_of(self.http, self.account, *segments, options=options, media=self.media)

    def sample(self, sample: Sample) -> tuple[Draft, Delivery]:
        """A post of one of the network's shapes, as it is checked and as it is delivered."""
        media = tuple(Media.from_dict(item) for item in sample.media)
        segments = tuple(Segment(f"Segment {number}", media if number == 0 else ()) for number in range(sample.segments))
        draft = Draft(segments, sample.options, Segment("First comment") if sample.comment else None)
        return draft, self.delivery(*draft.whole, **sample.options)

    def prepare(self, delivery: Delivery, most: int = 20) -> int:
        """Prepare until it is done; how often it was not ready."""
        for times in range(most):
            if not self.publisher.needs_preparation(delivery):
                return times
            try:
                self.publisher.prepare(delivery)
                return times
            except NotReady as later:
                assert later.after > 0
                self.clock.advance(later.after)
        raise AssertionError("never ready")

    def publish(self, delivery: Delivery) -> Remote:
        """Publish the next segment, as a worker does; a container that is not ready is come back for."""
        segment = len(delivery.published)
        for _ in range(20):
            self.prepare(delivery)
            delivery.armed_at = self.clock.now()
            try:
                [remote] = self.publisher.publish(delivery, segment)
            except NotReady as later:
                self.clock.advance(later.after)
                continue
            except Unknown:
                delivery.uncertain = True
                raise
            delivery.published, delivery.uncertain = (*delivery.published, remote), False
            return remote
        raise AssertionError("never ready")

    def publish_all(self, delivery: Delivery) -> list[Remote]:
        return [self.publish(delivery) for _ in range(len(delivery.segments))]

    def entries(self) -> list[Entry]:
        return self.world.seen(self.platform)

    def visible(self) -> list[str]:
        return [entry.text for entry in self.entries()]

    def posts(self, ending: str) -> list[Sent]:
        """The POSTs to paths that end so."""
        return [sent for sent in self.http.sent if sent.method == "POST" and sent.path.endswith(ending)]


def form(sent: Sent) -> dict[str, str]:
    """The fields of a form, without the token."""
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    return {name: value for name, value in parse_qsl(sent.body.decode(), keep_blank_values=True) if name != "access_token"}
