"""What must hold: at any moment (`check`) and once everything is at rest (`check_rest`). Each says what it found and where.

The networks' ledger is the truth of what readers saw. A line of it belongs to the targets whose current words it has; posts
with the same words on one profile share their lines and are held to account together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dateline.domain import lifecycle
from dateline.domain.post import Post, Target
from dateline.domain.profile import Profile
from dateline.domain.view import post_view
from dateline.store.bookings import bookings_of
from dateline.usecases import holding
from local.networks.base import Entry
from local.seed import WORKSPACE

if TYPE_CHECKING:
    from tests.simulation.world import Simulation

PLAIN = ("text", "thread", "firstComment", "publishAt", "targets")


class Violation(AssertionError):
    """A promise was broken."""


class Place(tuple[Post, Target, int]):
    """One segment of one target."""

    @property
    def remote(self) -> str | None:
        """The remote id saved for it."""
        _, target, segment = self
        return target.remotes[segment].id if segment < len(target.remotes) else None

    @property
    def open_call(self) -> bool:
        """Whether a call that publishes this segment may be under way or without an answer."""
        _, target, segment = self
        if segment < len(target.remotes):
            return False
        if _with_network(target):
            return True
        if target.platform == "bluesky":
            return target.armed is not None  # one call for the whole thread
        return target.armed == segment

    def __str__(self) -> str:
        post, target, segment = self
        return f"{post.metadata.get('label')}/{target.profile_id}#{segment} ({target.status}, armed {target.armed})"


def _with_network(target: Target) -> bool:
    """Whether its network keeps it until its time, or may keep it: it may show it without anybody's call."""
    kept = (target.native or {}).get("state") in ("placing", "placed")
    return target.status in lifecycle.WITH_NETWORK or (target.status in ("publishing", "unconfirmed") and kept)


def places(posts: Mapping[str, Post]) -> Iterator[tuple[str, str, Place]]:
    """(profile, text, place) of every segment of every target, a first comment being the last."""
    for post in posts.values():
        for target in post.targets.values():
            for number, segment in enumerate(post.draft_for(target.platform).whole):
                yield target.profile_id, segment.text, Place((post, target, number))


def _grouped(posts: Mapping[str, Post]) -> dict[tuple[str, str], list[Place]]:
    groups: dict[tuple[str, str], list[Place]] = {}
    for profile_id, text, place in places(posts):
        groups.setdefault((profile_id, text), []).append(place)
    return groups


def leftover(sim: Simulation, posts: Mapping[str, Post], profile_id: str, text: str) -> list[Entry]:
    """What readers see of these words on this profile that no target has the id of."""
    owned = {remote.id for post in posts.values() if (t := post.targets.get(profile_id)) for remote in t.remotes}
    return [e for e in sim.world.seen(profile_id=profile_id) if e.text == text and e.remote_id not in owned]


def contenders(posts: Mapping[str, Post], profile_id: str, text: str) -> int:
    """How many targets may own what is left over."""
    return sum(place.open_call for place in _grouped(posts).get((profile_id, text), ()))


def check(sim: Simulation) -> None:
    """Everything that must hold at any moment."""
    posts = sim.posts()
    _written(sim, posts)
    for post in posts.values():
        before = sim.known.get(post.id)
        if before is None or before.version != post.version:
            _consistent(post, before)
            _trail(post)
    _booked(sim, posts)
    _visible(sim, posts)
    profiles = {profile.id: profile for profile in sim.profiles()}
    _paused(sim, posts, profiles)
    sim.known, sim.known_profiles = posts, profiles


def _written(sim: Simulation, posts: Mapping[str, Post]) -> None:
    """What was acknowledged is there, as it was acknowledged, and once."""
    labels = Counter(post.metadata.get("label") for post in posts.values())
    for label, count in labels.items():
        if count > 1:
            raise Violation(f"{label}: {count} posts came of one create")
    for label, post_id in sim.ids.items():
        if post_id not in posts:
            raise Violation(f"{label}: {post_id} was acknowledged and is not there")
    for post_id, told in sim.told.items():
        newest = max(told)
        post = posts[post_id]
        if post.revision < newest:
            raise Violation(f"{post.metadata.get('label')}: revision {newest} was acknowledged, {post.revision} is stored")
        if post.revision == newest:
            view = post_view(post)
            for member in PLAIN:
                was, now = told[newest].get(member), view.get(member)
                if member == "publishAt" and was is None and told[newest]["status"] == "pending_approval":
                    continue  # to be published at once: its approval gives it its time
                if member == "targets":
                    was, now = [t["profileId"] for t in was or ()], [t["profileId"] for t in now or ()]
                if was != now:
                    raise Violation(f"{post.metadata.get('label')}: {member} was acknowledged as {was!r} and is {now!r}")
    for post_id in sim.cancelled:
        if posts[post_id].status != "cancelled":
            raise Violation(f"{posts[post_id].metadata.get('label')}: acknowledged as cancelled, and is {posts[post_id].status}")


def _booked(sim: Simulation, posts: Mapping[str, Post]) -> None:
    """Lists by profile and by label read the bookings: they say what the posts say, whoever wrote last."""
    wanted, booked = {tuple(row) for post in posts.values() for row in bookings_of(post)}, sim.booked()
    if sim.under_way():
        booked = {row for row in booked if row[2] in posts}  # reserved for posts that come
    if wanted != booked:
        raise Violation(f"booked and not wanted: {sorted(booked - wanted)}, wanted and not booked: {sorted(wanted - booked)}")


def _consistent(post: Post, before: Post | None) -> None:
    """One truth per post, and a deadline wherever something is still to be done."""
    label = post.metadata.get("label")
    derived = lifecycle.derive(post.stage, [t.standing for t in post.targets.values()])
    if post.status != derived:
        raise Violation(f"{label}: stored as {post.status}, its targets say {derived}")
    undecided = post.status == "pending_approval" and lifecycle.late_at(post) is None
    if post.status not in lifecycle.RESTING and post.due_at is None and not undecided:
        raise Violation(f"{label}: {post.status} without a deadline")
    if before is not None:
        for name in ("version", "revision", "sequence"):
            if getattr(post, name) < getattr(before, name):
                raise Violation(f"{label}: {name} fell from {getattr(before, name)} to {getattr(post, name)}")
    for target in post.targets.values():
        draft, out = post.draft_for(target.platform), len(target.remotes)
        if out > len(draft.whole):
            raise Violation(f"{label}: {target.profile_id} has more remote ids than segments")
        if target.status == "published" and out < len(draft.segments if target.comment else draft.whole):
            raise Violation(f"{label}: {target.profile_id} is published with {out} remote ids")
        if target.comment is not None and (target.status != "published" or out != len(draft.segments)):
            raise Violation(f"{label}: {target.profile_id} is {target.status}, {out} segments are out, and its comment has ended")
        if target.status == "publishing" and target.lease_until is None and target.next_attempt_at is None:
            raise Violation(f"{label}: {target.profile_id} is publishing with neither a lease nor a next attempt")
        if (target.status == "held") != (target.held_at is not None):
            raise Violation(f"{label}: {target.profile_id} is {target.status}, held since {target.held_at}")
        if target.status == "held" and target.armed is not None:
            raise Violation(f"{label}: {target.profile_id} is held with a call under way")
        if target.status == "failed" and (target.error or {}).get("code") in ("token_dead", "profile_disconnected"):
            raise Violation(f"{label}: {target.profile_id} was given up for a token that can be replaced: {target.error}")
        if target.status in lifecycle.WITH_NETWORK and post.stage not in ("scheduled", "queued"):
            raise Violation(f"{label} is {post.status}, and the network keeps {target.profile_id}")


def _paused(sim: Simulation, posts: Mapping[str, Post], profiles: Mapping[str, Profile]) -> None:
    """No attempt begins on a profile that is paused, or whose grant is dead, from before the step until after it."""
    still = {
        id for id, profile in profiles.items()
        if holding.reason(profile) and id in sim.known_profiles and sim.known_profiles[id].sequence == profile.sequence
    }
    for post in posts.values():
        before = sim.known.get(post.id)
        for target in post.targets.values():
            was = before.targets.get(target.profile_id) if before else None
            tries = 0 if was is None else was.tries + (was.status in lifecycle.WITH_NETWORK)  # a network keeps its time
            if target.profile_id in still and target.tries > tries:
                why = holding.reason(profiles[target.profile_id])
                raise Violation(f"{post.metadata.get('label')}: an attempt began on {target.profile_id}, in spite of {why}")


def _trail(post: Post) -> None:
    """The numbered transitions, each allowed by the table, the last one being the present."""
    label, status, targets = post.metadata.get("label"), "", dict[str, str]()
    if [t.sequence for t in post.trail] != list(range(1, post.sequence + 1)):
        raise Violation(f"{label}: the trail counts {[t.sequence for t in post.trail]} up to {post.sequence}")
    for entry in post.trail:
        what, _, name = entry.kind.partition(".")
        if entry.kind == "post.updated":
            continue
        if entry.kind == "target.unpublished":
            if entry.previous not in ("published", "failed"):
                raise Violation(f"{label}: event {entry.sequence}: {entry.profile_id} was {entry.previous} and was taken down")
            continue
        if what == "post":
            if (entry.previous or "") != status or name not in lifecycle.POST_TRANSITIONS[status]:
                raise Violation(f"{label}: event {entry.sequence} says {entry.previous} -> {name} after {status}")
            status = name
        else:
            name = "waiting" if name == "queued" else name  # as a held target shows itself when it waits again
            if name not in lifecycle.TARGET_TRANSITIONS[entry.previous or ""]:
                raise Violation(f"{label}: event {entry.sequence}: {entry.profile_id} {entry.previous} -> {name}")
            targets[entry.profile_id or ""] = name
    if status != post.status:
        raise Violation(f"{label}: the last event says {status}, the post is {post.status}")
    for profile_id, name in targets.items():
        now = post.targets[profile_id].status if profile_id in post.targets else ""  # a held one may be edited away
        if now in lifecycle.ANNOUNCED_TARGETS and now != name:
            raise Violation(f"{label}: the last event of {profile_id} says {name}, it is {now}")


def _visible(sim: Simulation, posts: Mapping[str, Post]) -> None:
    """What readers see is what was asked for, once, in time, and known to the posts it belongs to."""
    groups = _grouped(posts)
    seen: dict[tuple[str, str], list[Entry]] = {}
    sim.world.seen()  # what networks kept until now becomes visible
    for entry in sim.world.ledger:
        group = groups.get((entry.profile_id, entry.text), [])
        wanted = [place for place in group if place[0].status not in ("cancelled", "draft") and place[0].publish_at is not None]
        if not wanted:
            raise Violation(f"{entry.profile_id} shows {entry.text!r}: cancelled, edited away or never asked for")
        earliest = min(place[0].publish_at for place in wanted if place[0].publish_at is not None)
        if entry.at < earliest:
            raise Violation(f"{wanted[0]}: visible at {entry.at}, to be published at {earliest}")
        if not entry.gone:
            seen.setdefault((entry.profile_id, entry.text), []).append(entry)
    owners: dict[tuple[str, str], Place] = {}
    for (profile_id, text), group in groups.items():
        shown = {entry.remote_id: entry for entry in seen.get((profile_id, text), ())}
        for place in group:
            if (remote := place.remote) is None:
                continue
            if (profile_id, remote) in owners:
                raise Violation(f"{place} and {owners[profile_id, remote]} both have the remote id {remote}")
            owners[profile_id, remote] = place
            entry_or_none = shown.pop(remote, None)
            removal = (place[1].removal or {}).get("status")
            if removal == "removed" and entry_or_none is not None:
                raise Violation(f"{place} was taken down, and {remote} is still to be seen")
            if entry_or_none is None and place[0].on_segment_failure != "rollback" and removal is None:
                raise Violation(f"{place} has the remote id {remote}, which is not to be seen with its words")
            if entry_or_none is not None:
                _parent(place, entry_or_none)
        may = sum(place.open_call for place in group)
        if len(shown) > may:
            raise Violation(f"{profile_id} shows {text!r} as {sorted(shown)}, which no target knows of: {list(map(str, group))}")


def _parent(place: Place, entry: Entry) -> None:
    _, target, segment = place
    wanted = target.remotes[segment - 1].id if segment else None
    if entry.in_reply_to != wanted:
        raise Violation(f"{place}: {entry.remote_id} answers {entry.in_reply_to}, not {wanted}")
    if entry.extra.get("parent_matches") is False or entry.extra.get("root_matches") is False:
        raise Violation(f"{place}: the reply's references are not those of the thread")


def check_rest(sim: Simulation) -> None:
    """What must hold when everything has come to rest."""
    posts = sim.posts()
    for post in posts.values():
        label = post.metadata.get("label")
        if post.status not in lifecycle.RESTING and (post.status != "pending_approval" or post.due_at is not None):
            raise Violation(f"{label}: still {post.status}")
        for target in post.targets.values():
            unsure = target.comment is not None and target.comment["status"] == "unconfirmed"
            if target.status in ("published", "failed", "cancelled") and target.armed is not None and not unsure:
                raise Violation(f"{label}: {target.profile_id} is {target.status} with a call under way")
            if target.claim is not None or target.lease_until is not None:
                raise Violation(f"{label}: {target.profile_id} is {target.status} and still claimed")
            if (target.removal or {}).get("status") == "pending":
                raise Violation(f"{label}: {target.profile_id} is still to be taken down")
            if sim.setting.get("calm") and (target.removal or {}).get("status") == "failed":
                raise Violation(f"{label}: {target.profile_id} was not taken down, though nothing failed: {target.removal}")
        _announced(sim, post)
    feed = sim.dateline.deps.events.feed(WORKSPACE, 0, 10_000)
    positions = [event["position"] for event in feed]
    if positions != list(range(1, len(positions) + 1)):
        raise Violation(f"the feed has the positions {positions}")
    for profile in sim.profiles():
        _profile_announced(sim, profile, feed)
    if sim.setting.get("calm"):
        _out(posts)


def _announced(sim: Simulation, post: Post) -> None:
    """Every transition is an event of the feed, and was said on the topic."""
    label = post.metadata.get("label")
    events: list[dict[str, Any]] = sim.dateline.deps.events.of_post(post.partition, post.id)
    wanted = [(t.sequence, t.kind) for t in post.trail]
    if [(e["sequence"], e["type"]) for e in events] != wanted:
        raise Violation(f"{label}: the feed has {[(e['sequence'], e['type']) for e in events]}, the trail {wanted}")
    unsaid = [event["id"] for event in events if not sim.announced[event["id"]]]
    if unsaid:
        raise Violation(f"{label}: never said on the topic: {unsaid}")


def _profile_announced(sim: Simulation, profile: Profile, feed: list[dict[str, Any]]) -> None:
    """Every change of a profile is an event, and everything was released."""
    if profile.paused or profile.release is not None:
        raise Violation(f"{profile.id} is paused by {set(profile.paused)}, to be released from {profile.release}")
    told = [(e["sequence"], e["type"]) for e in feed if e["id"].startswith(f"{profile.id}#")]
    if [sequence for sequence, _ in told] != list(range(1, profile.sequence + 1)):
        raise Violation(f"{profile.id}: the feed has {told} of {profile.sequence} events")
    if told[-len(profile.trail) :] != [(line.sequence, line.kind) for line in profile.trail]:
        raise Violation(f"{profile.id}: the feed has {told}, the trail {profile.trail}")
    ends = [kind for _, kind in told if kind in ("profile.disconnected", "profile.connected")]
    if profile.status != "connected" or ends != ["profile.disconnected", "profile.connected"] * (len(ends) // 2):
        raise Violation(f"{profile.id} is {profile.status}, and was told of as {ends}")
    unsaid = [f"{profile.id}#{sequence}" for sequence, _ in told if not sim.announced[f"{profile.id}#{sequence}"]]
    if unsaid:
        raise Violation(f"never said on the topic: {unsaid}")


def _out(posts: Mapping[str, Post]) -> None:
    """Where nothing went wrong, everything is out but what a network refuses by its own rules."""
    for post in posts.values():
        for target in post.targets.values():
            code = (target.error or target.comment or {}).get("code")
            if target.comment is not None and code != "duplicate_content":
                raise Violation(f"{post.metadata.get('label')}: the comment of {target.profile_id} is not out: {target.comment}")
            resting = post.status in ("draft", "cancelled", "pending_approval")
            if target.status == "published" or resting or code in ("duplicate_content", "too_late"):
                continue
            what = f"{target.profile_id} is {target.status} ({target.error})"
            raise Violation(f"{post.metadata.get('label')}: {what}, though nothing failed")
