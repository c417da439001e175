"""What happens around Dateline: queues that duplicate, delay and lose, entries that fire late, twice or never, streams that
repeat themselves, networks that fail. All of it may happen at any time, and none of it may break a promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from moto.scheduler.models import scheduler_backends

from local.events import stream_record
from local.template import ACCOUNT
from tests.simulation.settings import platform_of

if TYPE_CHECKING:
    from tests.simulation.world import Simulation, Step

QUEUE = "deliveries"


def _messages(sim: Simulation) -> list[Any]:
    """moto's own list of the queue's messages: in this order they are received."""
    messages: list[Any] = sim.stack.queue(QUEUE)._messages
    return messages


def _chosen(sim: Simulation, step: Step, *, ready: bool = False) -> Any:
    """The message a step means, None if there is none."""
    messages = [m for m in _messages(sim) if not ready or (m.visible and not m.delayed)]
    return messages[step["which"] % len(messages)] if messages else None


def deliver(sim: Simulation, step: Step) -> None:
    """One message, not the first in line, reaches a worker: one that is ready, or the next, if it is ready soon enough."""
    soonest = min((m.at for m in sim.stack.peek(QUEUE)), default=None)
    if soonest is not None and (soonest - sim.clock.now()).total_seconds() <= step.get("wait", 0):
        sim.clock.advance_to(soonest + timedelta(milliseconds=1))
    message = _chosen(sim, step, ready=True)
    if message is None:
        return
    messages = _messages(sim)
    messages.remove(message)
    messages.insert(0, message)
    if received := sim.stack.receive(QUEUE, 1, in_order=True):
        sim.stack.deliver(received)


def _send(sim: Simulation, body: str, delay: float, **more: str) -> None:
    sim.stack.queue(QUEUE)  # named wrongly, this is where it shows
    from local import aws

    source = sim.stack._queue_source(QUEUE)
    client = aws.client("sqs", sim.stack.region)
    client.send_message(QueueUrl=sim.stack._url(source), MessageBody=body, DelaySeconds=int(min(delay, 900)), **more)


def duplicate(sim: Simulation, step: Step) -> None:
    """A message twice."""
    if (message := _chosen(sim, step)) is not None:
        group = {"MessageGroupId": message.group_id} if message.group_id else {}
        _send(sim, message.body, step.get("delay", 0), **group)


def replay(sim: Simulation, step: Step) -> None:
    """A message from long ago."""
    if sim.bodies:
        _send(sim, sim.bodies[step["which"] % len(sim.bodies)], step.get("delay", 0))


def delay(sim: Simulation, step: Step) -> None:
    """A message that takes its time."""
    if (message := _chosen(sim, step)) is not None:
        until = (sim.clock.now() + timedelta(seconds=step["seconds"])).timestamp() * 1000
        message.delayed_until = max(message.delayed_until, until)


def drop(sim: Simulation, step: Step) -> None:
    """A message that is lost for good."""
    if (message := _chosen(sim, step)) is not None:
        _messages(sim).remove(message)


def fire(sim: Simulation, step: Step) -> None:
    """An entry fires, due or not; `keep` leaves it there to fire again."""
    if entries := sim.stack.schedules():
        sim.stack.fire(entries[step["which"] % len(entries)], keep=bool(step.get("keep")))


def drop_entry(sim: Simulation, step: Step) -> None:
    """An entry that is lost."""
    if entries := sim.stack.schedules():
        entry = entries[step["which"] % len(entries)]
        del scheduler_backends[ACCOUNT][sim.stack.region].schedule_groups[entry.group].schedules[entry.name]


def stream(sim: Simulation, step: Step) -> None:
    """The stream's news reach notify."""
    sim.stack.pump_stream()


def replay_stream(sim: Simulation, step: Step) -> None:
    """Records of the stream a second time."""
    for source in sim.stack._of("stream"):
        items = sim.stack._stream_items(source)
        read = sim.stack._cursors[source.arn].position
        if read:
            first = step["which"] % read
            records = [
                stream_record(item.record, arn=source.arn, region=sim.stack.region)
                for item in items[first : min(first + step.get("count", 1), read)]
            ]
            sim.stack.invoke(source.function.name, {"Records": records})


def forget_stream(sim: Simulation, step: Step) -> None:
    """The stream loses what notify has not read (it forgets after 24 hours), unless a try at it has begun."""
    for source in sim.stack._of("stream"):
        cursor = sim.stack._cursors[source.arn]
        if cursor.failures == 0:
            cursor.position = max(cursor.position, len(sim.stack._stream_items(source)) - step.get("keep", 0))


def sweep(sim: Simulation, step: Step) -> None:
    """The minute's sweep."""
    sim.stack.sweep()


def tick(sim: Simulation, step: Step) -> None:
    """Time passes and nothing is done: a service that hangs."""
    sim.clock.advance(step["seconds"])


def run(sim: Simulation, step: Step) -> None:
    """Time passes and all that is due is done, sweep only if asked."""
    sim.pass_time(step["seconds"], sweeping=step.get("sweep", True))


def fault(sim: Simulation, step: Step) -> None:
    """A network fails the next calls in one way."""
    how = {name: step[name] for name in ("times", "retry_after", "seconds", "at") if name in step}
    sim.world.add_fault(step["platform"], step["kind"], **how)


def quirk(sim: Simulation, step: Step) -> None:
    """A network is slow with media, with showing a post that is to be replied to, or with what it keeps until its time."""
    sim.world.networks["mastodon"].slow_media_polls = step.get("polls", 0)  # type: ignore[attr-defined]
    sim.world.networks["x"].parent_visible_after = step.get("parent", 0.0)  # type: ignore[attr-defined]
    sim.world.networks["mastodon"].stopped = step.get("stopped", False)  # type: ignore[attr-defined]


def clear(sim: Simulation, step: Step) -> None:
    """Every network works again."""
    sim.world.faults.clear()
    quirk(sim, {})


def revoke(sim: Simulation, step: Step) -> None:
    """The owner of an account takes the consent back: nothing works there until it is connected again."""
    profile_id = step["profile"]
    network: Any = sim.world.networks[platform_of(profile_id)]
    with sim.world.lock:
        KILLS[platform_of(profile_id)](network, profile_id)


def _kill_mastodon(network: Any, profile_id: str) -> None:
    network._account(profile_id)[1].token += "x"


def _kill_bluesky(network: Any, profile_id: str) -> None:
    did = network._account(profile_id)
    network.passwords[did] = network.passwords[did][::-1]
    for session in (*network.access.values(), *network.refreshing.values()):
        if session.did == did:
            session.until = min(session.until, network.now())


def _kill_x(network: Any, profile_id: str) -> None:
    account = network._account(profile_id)
    account.access.clear()
    account.refresh = ""


def _kill_telegram(network: Any, profile_id: str) -> None:
    for chat in network.chats.values():
        if chat.profile_id == profile_id:
            chat.token += "x"


def _kill_facebook(network: Any, profile_id: str) -> None:
    network.pages[profile_id].token += "x"


def _kill_linkedin(network: Any, profile_id: str) -> None:
    network.grants.revoke(profile_id)
    network.grants.give(profile_id)  # what the next consent gives


def _kill_google(network: Any, profile_id: str) -> None:
    network.grants.revoke(profile_id)
    network.given.pop(profile_id, None)


KILLS: Mapping[str, Callable[[Any, str], None]] = {
    "mastodon": _kill_mastodon, "bluesky": _kill_bluesky, "x": _kill_x, "telegram": _kill_telegram, "facebook": _kill_facebook,
    "threads": lambda network, profile_id: network.long.revoke(profile_id),
    "linkedin": _kill_linkedin,
    "reddit": lambda network, profile_id: network.grants.revoke(profile_id),
    "google_business": _kill_google, "youtube": _kill_google,
}
"""How the tokens of one profile die on each network."""


OPERATIONS: Mapping[str, Callable[[Simulation, Step], None]] = {
    "deliver": deliver, "duplicate": duplicate, "replay": replay, "delay": delay, "drop": drop, "fire": fire,
    "drop_entry": drop_entry, "stream": stream, "replay_stream": replay_stream, "forget_stream": forget_stream, "sweep": sweep,
    "tick": tick, "run": run, "fault": fault, "quirk": quirk, "clear": clear,
    "revoke": revoke,
}
