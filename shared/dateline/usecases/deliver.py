"""Delivery of one target: claim, prepare, arm, publish, save. The one place where something irreversible is done.

    claim ── prepare (repeatable) ── arm ── publish (once) ── save the remote id
      │                               │         │
      │ worker dies: prepare again    │         └ no clear answer: look it up, never send again blindly
      └ lease lapses                  └ worker dies: look it up

Every write is conditional on the claim, so that a worker that wakes up late cannot overwrite; only a remote id is taken from it
(what became visible is the truth, whoever saw it). What follows from an outcome stands in `outcomes`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from ..aws.queue import Message
from ..domain import lifecycle, native, retry
from ..domain.ids import new_token
from ..domain.post import Post, RemoteSegment, Target
from ..domain.profile import Profile
from ..domain.rules import fitted
from ..platforms import registry
from ..platforms.base import Account, Delivery, NotReady, Outcome, Publisher, Remote
from ..store.tables import Conflict, StoreUnavailable
from . import dispatch, holding, outcomes, pinning, quotas, record, tokens
from .outcomes import RESERVE, ROLLBACK, SAVING
from .record import ClaimLost

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

SHORT_WAIT = 1.0
"""Seconds a worker waits itself: SQS delays by whole seconds only, and a post must be neither early nor a second late."""

Step = Literal["skip", "wait", "held", "publish", "prepare", "resolve", "confirm"]


def decide(post: Post, profile_id: str, revision: int, now: datetime) -> tuple[Step, datetime | None]:
    """What a message for this target means now: nothing any more, too early (until when), or which step comes.

    publish: a new attempt; prepare: an attempt whose worker died before it was armed, or that waits for media;
    resolve: an attempt that was armed, and nobody knows what became of it; held: is its profile still to be waited for?;
    confirm: the network was given it ahead, has it published it?
    """
    target = post.targets.get(profile_id)
    if target is None or revision != post.revision or target.status not in lifecycle.TARGET_OPEN:
        return "skip", None
    if target.status == "waiting":
        if post.status not in ("scheduled", "queued", "publishing") or post.publish_at is None:
            return "skip", None
        return ("wait", post.publish_at) if post.publish_at > now else ("publish", None)
    if target.status in lifecycle.WITH_NETWORK:
        if post.publish_at is None or post.publish_at > now:
            return "wait", post.publish_at
        busy = target.lease_until is not None and target.lease_until > now
        return ("wait", target.lease_until) if busy else ("confirm", None)
    if target.status == "held":
        return "held", None
    if target.next_attempt_at is not None and target.next_attempt_at > now:
        return "wait", target.next_attempt_at
    if target.status == "retrying":
        return "publish", None
    if target.lease_until is not None and target.lease_until > now:
        return "skip", None
    return ("resolve" if target.armed is not None else "prepare"), None


def deliver(deps: Deps, message: Message, time_left: Callable[[], float]) -> str:
    """Do what the message asks for, if it still is to be done. Says in a word what was done.

    `time_left` is what remains of the function's time, in seconds. Raises `StoreUnavailable`, `SecretsUnavailable` and
    whatever a publisher did not foresee: the message then comes back, and the lease protects the target meanwhile.
    """
    if message.outcome is not None:
        return record.save_message(deps, message)
    if not message.post_id:
        return tokens.renew(deps, message.profile_id)
    if message.place:
        from . import natives

        return natives.place(deps, message, time_left)
    if message.removal:
        from . import removing

        return removing.remove(deps, message, time_left)
    post = deps.posts.get(message.post_id)
    if post is None:
        return "gone"
    while True:
        step, until = decide(post, message.profile_id, message.revision, deps.clock.now())
        if step == "skip":
            return "nothing to do"
        if step == "held":
            return holding.look(deps, post, message.profile_id)
        if until is not None:
            wait = (until - deps.clock.now()).total_seconds()
            if wait > SHORT_WAIT:
                if wait <= retry.LONGEST_MESSAGE_DELAY:
                    deps.queue.send([message], wait, group=post.partition)
                return "too early"
            deps.clock.sleep(max(wait, 0.0))
            continue
        if post.status in ("scheduled", "queued") and _give_up_late(deps, post) and step != "confirm":
            return "too late"
        return Work(deps, post, message, step, time_left).run()


def _give_up_late(deps: Deps, post: Post) -> bool:
    """Apply `onLate` before the first claim. True if the post was too late."""
    now = deps.clock.now()
    limit = lifecycle.late_at(post)
    if limit is None or now <= limit:
        return False
    late = False

    def move(current: Post) -> None:
        nonlocal late
        late = current.status in ("scheduled", "queued") and dispatch.too_late(current, now)

    deps.posts.change(post, move)
    return late


class Work:
    """One worker's hold on one target, from the claim to the outcome."""

    def __init__(self, deps: Deps, post: Post, message: Message, step: Step, time_left: Callable[[], float]) -> None:
        self.deps, self.post, self.message, self.step, self.time_left = deps, post, message, step, time_left
        self.token = new_token()
        self.profile: Profile | None = None
        self.publisher: Publisher
        self.watched: quotas.Watched

    @property
    def target(self) -> Target:
        """The target as last written or read."""
        return self.post.targets[self.message.profile_id]

    def run(self) -> str:
        """Claim and work. A claim that somebody else took is no error."""
        self.profile = self.deps.profiles.get(self.message.profile_id)
        try:
            looks = self.step in ("resolve", "confirm") or ROLLBACK in self.target.checkpoint
            if not looks and (why := holding.reason(self.profile)):
                return holding.hold(self, *why)
            if (refusal := self._refusal()) is not None:
                return self._refuse(*refusal)
            if self.profile is None:
                self._claim(None)
                return outcomes.unconfirmed(self, "The profile was removed meanwhile.")
            self.publisher = registry.publisher("sandbox" if self.post.mode == "test" else self.target.platform)
            try:
                credentials = tokens.fresh_credentials(self.deps, self.profile, self.publisher)
            except Outcome as outcome:
                self._claim(None)
                return outcomes.settle(self, outcome)
            delivery = self.delivery(credentials)
            self._claim(delivery)
            try:
                return self._work(delivery)
            finally:
                quotas.keep(self.deps, self.profile, self.watched)
        except ClaimLost:
            return "claimed by another worker"

    def _work(self, delivery: Delivery) -> str:
        assert self.profile is not None
        try:
            if self.step != "resolve" and self.target.status == "publishing":
                quotas.respect(self.deps, self.profile)
            return self.go_on(delivery)
        except Outcome as outcome:
            return outcomes.settle(self, outcome, delivery)

    def _refusal(self) -> tuple[str, str] | None:
        if self.step in ("resolve", "confirm"):
            return None
        if self.profile is None:
            return "profile_deleted", "The profile was removed before the post could be published."
        return None

    def _refuse(self, code: str, detail: str) -> str:
        self._claim(None)
        now = self.deps.clock.now()
        self.write(lambda post, target: lifecycle.end(post, target, "failed", now, code, detail))
        return "failed"

    def _claim(self, delivery: Delivery | None) -> None:
        """Take the target. A target with nothing to prepare is armed in the same write (docs/decisions.md, 2026-11-21).

        The write is conditional on the version read, and the decision is made again after a conflict: so a cancel or an
        edit that was acknowledged always wins over a claim that came later, and two workers never both succeed.
        """
        now, lease = self.deps.clock.now(), self.deps.settings.tuning.lease
        looks = self.step in ("resolve", "confirm")
        ready = delivery is not None and not looks and not self.publisher.needs_preparation(delivery)
        ready = ready and self.time_left() >= RESERVE and ROLLBACK not in self.target.checkpoint

        def move(post: Post) -> None:
            step, until = decide(post, self.message.profile_id, self.message.revision, now)
            if step != self.step or until is not None:
                raise ClaimLost
            target = post.targets[self.message.profile_id]
            if self.step == "publish":
                lifecycle.claim(post, target, self.token, now, lease)
            elif self.step == "confirm":
                native.begins(post, target, self.token, now, lease)
            else:
                lifecycle.take_over(post, target, self.token, now, lease)
            if delivery is not None and self.step not in ("resolve", "confirm"):
                target.checkpoint.update(self.publisher.start(delivery))
            if ready:
                lifecycle.arm(target, len(target.remotes), now)

        try:
            self.post = self.deps.posts.change(self.post, move)
        except Conflict:
            raise ClaimLost from None
        if self.step == "confirm":
            self.step = "resolve"
        if delivery is not None:
            self.refresh_view(delivery)

    def write(self, move: Callable[[Post, Target], object]) -> None:
        """A write under the claim. Raises `ClaimLost` once it is not ours any more."""

        def owned(post: Post) -> None:
            target = post.targets.get(self.message.profile_id)
            if target is None or target.claim != self.token:
                raise ClaimLost
            move(post, target)

        self.post = self.deps.posts.change(self.post, owned)

    def delivery(self, credentials: dict[str, str]) -> Delivery:
        assert self.profile is not None
        draft = fitted(self.publisher.rules, self.post.draft_for(self.target.platform))
        self.watched = quotas.Watched(self.deps.http, self.publisher, self.deps)
        delivery = Delivery(
            post_id=self.post.id, key=f"{self.post.id}:{self.message.profile_id}",
            account=account_of(self.deps, self.profile, self.publisher, credentials),
            segments=draft.whole, options=draft.options, http=self.watched, now=self.deps.clock.now,
            publish_at=self.post.publish_at, need=self._need, media=pinning.Pins(
                self.deps, self.post, self.time_left, self.publisher.rules, self.profile.settings
            ),
        )
        delivery.save = lambda **values: self._checkpoint(delivery, values)
        self.refresh_view(delivery)
        return delivery

    def refresh_view(self, delivery: Delivery) -> None:
        target = self.target
        delivery.checkpoint = dict(target.checkpoint)
        delivery.published = tuple(Remote(r.id, r.url, r.extra) for r in target.remotes)
        delivery.armed_at, delivery.uncertain = target.armed_at, target.uncertain

    def _checkpoint(self, delivery: Delivery, values: dict[str, Any]) -> None:
        """Save what preparation has got so far. Where the time is short it stops there, and another invocation goes on."""

        def merge(post: Post, target: Target) -> None:
            target.checkpoint.update(values)
            lifecycle.conclude(post, self.deps.clock.now())

        self.write(merge)
        delivery.checkpoint.update(values)
        if self.target.armed is None:
            self.need_time()

    def need_time(self) -> None:
        self._need(0.0)

    def _need(self, seconds: float) -> None:
        """Go on in another invocation unless one exchange of so many seconds, and the write after it, fit into this one."""
        if self.time_left() < max(RESERVE, seconds + SAVING):
            raise NotReady("goes_on", "The delivery goes on in another invocation.", 0.0)

    def go_on(self, delivery: Delivery) -> str:
        """From where the target stands, with the claim in hand. Says in a word how far it got; raises what stopped it."""
        if self.step == "resolve":
            found = outcomes.look(self, delivery)
            if found is None:
                return "looked"
            self.step = "prepare"  # what was uncertain is settled; what follows is no look any more
            self._save(delivery, found)
        elif ROLLBACK in self.target.checkpoint:
            return outcomes.roll_back(self, delivery)
        elif self.publisher.needs_preparation(delivery):
            self.publisher.prepare(delivery)
        while self.target.status == "publishing" and len(self.target.remotes) < len(delivery.segments):
            segment = len(self.target.remotes)
            if self.target.armed != segment:
                self.need_time()
                self._arm(delivery, segment)
            if delivery.uncertain:
                # A network may call it a duplicate now: what another post of ours owns is not what was lost.
                delivery.taken, _ = outcomes.others(self, delivery)
            self._save(delivery, self.publisher.publish(delivery, segment))
        return self.target.status

    def _arm(self, delivery: Delivery, segment: int) -> None:
        """Record durably that the irreversible call is about to be made; under the claim."""
        now = self.deps.clock.now()

        def arm(post: Post, target: Target) -> None:
            lifecycle.arm(target, segment, now)
            lifecycle.conclude(post, now)

        self.write(arm)
        self.refresh_view(delivery)

    def _save(self, delivery: Delivery, remotes: tuple[Remote, ...]) -> None:
        """Save what became visible, before anything else, and end the target or arm its next segment in the same write."""
        saved = [RemoteSegment(r.id, r.url, dict(r.extra)) for r in remotes]
        first, attempt = len(self.target.remotes), self.target.tries
        try:
            self.post = self.deps.posts.change(
                self.post, lambda post: record.published(
                    post, self.message.profile_id, first, saved, len(delivery.segments), self.deps.clock.now(),
                    arm_next=self.time_left() >= RESERVE, token=self.token, attempt=attempt,
                ),
            )
        except (StoreUnavailable, Conflict):
            record.send_outcome(self.deps, self.post, self.message, first, saved, len(delivery.segments), attempt)
            raise
        self.refresh_view(delivery)


def delivery_of(
    deps: Deps, post: Post, target: Target, profile: Profile, publisher: Publisher, credentials: dict[str, str]
) -> Delivery:
    """A target as its publisher sees it, for calls outside of an attempt: what it saves is not kept."""
    draft = post.draft_for(target.platform)
    return Delivery(
        post_id=post.id, key=f"{post.id}:{target.profile_id}", account=account_of(deps, profile, publisher, credentials),
        segments=draft.whole, options=draft.options, http=deps.http, now=deps.clock.now, checkpoint=dict(target.checkpoint),
        published=tuple(Remote(r.id, r.url, r.extra) for r in target.remotes), armed_at=target.armed_at,
        publish_at=post.publish_at,
    )


def account_of(deps: Deps, profile: Profile, publisher: Publisher, credentials: dict[str, str]) -> Account:
    """The profile as a publisher sees it. A network with one address has it from the settings, the others from the profile."""
    override = deps.settings.server_of(profile.platform, "")
    server = profile.server if publisher.own_server else override or publisher.default_server
    account_id, settings = profile.account_id, profile.settings
    return Account(profile.id, profile.platform, server.rstrip("/"), account_id, settings, credentials, override)


