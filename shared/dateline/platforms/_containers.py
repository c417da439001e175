"""Publishing as Instagram and Threads do it: a container is made and processed, which is harmless, and then published once.

A container's id is saved before anything else is done with it, so that a lost answer is settled by asking the container itself:
`PUBLISHED` is out, `FINISHED` may be published again without doubling it. Containers live for 24 hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ._container_state import Item, Plan, containers_of, forget, is_fresh, is_kept, known_of, mark, print_of, slot_of
from ._graph import CLOCK_SKEW, GraphPublisher, is_gone
from ._meta import Meaning, error_of, refusal_of, said_well
from .base import (
    Delivery,
    Failed,
    Found,
    NotReady,
    Outcome,
    Refused,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    Undecidable,
    Unknown,
    Working,
)
from .calls import irreversible, said_by

WAITS = (3.0, 60.0)
"""The shortest and the longest wait between two looks at a container: half its age. (Meta recommends one look a minute.)"""
LIST_PATIENCE = timedelta(minutes=15)
"""How long a published post may be missing in the account's list before a person is asked to look."""
PARENT_WAIT = 5.0
"""A reply right after its parent may find it not there yet."""
AGAIN = 30.0
"""A container that is finished and refused for no good reason: "try again in the next 30 seconds to 2 minutes" (2207008)."""
NO_SUCH = "GONE"
"""Our own status of a container that the network no longer knows."""


class Listed(NamedTuple):
    """One of the account's own posts: `same` is true where it says what the segment says."""

    remote: Remote
    same: bool


class ContainerPublisher(GraphPublisher):
    """What both networks do. A subclass says where, and what a container is made of."""

    creating: str
    """The last part of the path at which containers are made; publishing is `<creating>_publish`."""
    status_fields: tuple[str, str]
    """Where a container tells its status, and the reason of an error."""
    faults: Mapping[str, Meaning]
    """Words in the reason of a failed container -> what they mean; any other may go better with a new container."""

    def plan(self, delivery: Delivery, segment: int) -> Plan | None:
        """The containers of `segment`; None when it is published without one (a comment)."""
        raise NotImplementedError

    def listed(self, delivery: Delivery, segment: int, since: datetime) -> Iterator[Listed]:
        """The account's posts since then, newest first, of the kind that `segment` is."""
        raise NotImplementedError

    def has_words(self, delivery: Delivery, segment: int) -> bool:
        """Whether the segment can be told from others by its words."""
        return bool(delivery.segments[segment].text.strip())

    def comment(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """Publish a segment that needs no container."""
        raise NotImplementedError

    def commented(self, delivery: Delivery, segment: int) -> Resolution:
        """Look for a segment that needs no container."""
        raise NotImplementedError

    # What a worker asks

    def needs_preparation(self, delivery: Delivery) -> bool:
        """True while the next segment's container is not finished, or has not been looked at for some minutes."""
        segment = len(delivery.published)
        plan = self.plan(delivery, segment) if segment < len(delivery.segments) else None
        return plan is not None and not is_fresh(known_of(delivery, slot_of(delivery, segment), plan), delivery.now())

    def prepare(self, delivery: Delivery) -> None:
        """Make the next segment's containers and wait for them (`NotReady`). Those of a chain's later segments name the post
        they reply to, and are made when it is out."""
        segment = len(delivery.published)
        plan = self.plan(delivery, segment) if segment < len(delivery.segments) else None
        if plan is not None:
            self._ready(delivery, segment, plan)

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """Publish the segment's container, once; for a chain's later segments it is made here first, which is harmless."""
        plan = self.plan(delivery, segment)
        if plan is None:
            return self.comment(delivery, segment)
        container, out = self._ready(delivery, segment, plan)
        if out:
            return self._adopted(delivery, segment)
        delivery.need(0.0)
        path = f"{delivery.account.account_id}/{self.creating}_publish"
        return self.armed(delivery, path, {"creation_id": container}, segment)

    def armed(self, delivery: Delivery, path: str, fields: Mapping[str, str], segment: int) -> tuple[Remote, ...]:
        """The irreversible call, and what its answer means."""
        headers, params = self.signed(delivery.account)
        url, http = f"{self.base(delivery.account)}/{path}", delivery.http
        answer = irreversible(lambda: http.request("POST", url, headers=headers, data={**fields, **params}))
        if 200 <= answer.status < 300 and error_of(answer) is None:
            published = said_by(answer).get("id")
            if not published:
                raise Unknown("answer_unreadable", f"{self.who} said it took the post and named no id.")
            return (self.remote(delivery, str(published), segment),)
        outcome = refusal_of(self.who, answer, delivery.now(), self.subcodes, armed=True)
        if "creation_id" in fields and isinstance(outcome, Failed | Retry):
            # Meta is known to refuse what comes up all the same: the container is not given up for a new one blindly.
            mark(delivery, slot_of(delivery, segment), refused=outcome.code)
            if outcome.code != "rate_limited":
                return self._refused(delivery, segment, outcome)
        raise outcome

    def _refused(self, delivery: Delivery, segment: int, outcome: Outcome) -> tuple[Remote, ...]:
        """Ask the container what to make of a refusal: it may be published all the same, or be spent."""
        slot = slot_of(delivery, segment)
        try:
            status, _ = self._status(delivery, containers_of(delivery)[slot]["id"])
        except Outcome as failed:
            if delivery.uncertain or isinstance(outcome, Failed):
                raise Unknown("refused_unclear", f"{outcome.detail} Asking the container failed ({failed.code}).") from None
            raise outcome from None
        if status == "PUBLISHED":
            return self._adopted(delivery, segment)
        if status == "IN_PROGRESS" and outcome.code == "not_ready" and not delivery.uncertain:
            mark(delivery, slot, done="")
            raise NotReady("processing", f"{self.who} is still at work on the container.", WAITS[0] * 2)
        if status == "IN_PROGRESS" or (status == NO_SUCH and delivery.uncertain):
            raise Unknown("refused_unclear", f"{outcome.detail} Its container is {status}.")
        if status != "FINISHED":
            forget(delivery, slot)
            if status != "ERROR":
                raise Retry("container_expired", f"{self.who} no longer has the container; it is made again.")
        elif outcome.code in ("container_gone", "not_ready"):
            raise Retry(outcome.code, outcome.detail, AGAIN)
        raise outcome

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Ask the container: published, still being published, not published, or never to be."""
        if self.plan(delivery, segment) is None:
            return self.commented(delivery, segment)
        known = containers_of(delivery).get(slot_of(delivery, segment))
        if known is None or "id" not in known:
            return SafeToRepeat()  # publishing follows only after the container's id is saved
        status, reason = self._status(delivery, known["id"])
        if status == "PUBLISHED":
            return self._out(delivery, segment)
        if status == "FINISHED":
            return SafeToRepeat()
        if status == "IN_PROGRESS":
            return Working(WAITS[0] * 2, f"{self.who} is at work on the post.")
        if status == NO_SUCH:
            found = self._out(delivery, segment)
            gone = Undecidable(f"{self.who} no longer knows the container that was to be published.")
            return found if isinstance(found, Found) else gone
        if status == "EXPIRED":
            return Refused("container_expired", f"{self.who} did not publish the container within its 24 hours.", again=True)
        meaning = self._why(reason)
        return Refused(meaning.code, f"{self.who} could not publish it: {reason}", again=meaning.kind != "final")

    # Containers

    def _ready(self, delivery: Delivery, segment: int, plan: Plan) -> tuple[str, bool]:
        """The id of the finished container, and whether it is published already. `NotReady` while it is being processed."""
        slot = slot_of(delivery, segment)
        for _ in range(2):
            known = known_of(delivery, slot, plan)
            if known is None:
                known = self._made(delivery, slot, plan)
            if known is not None and is_fresh(known, delivery.now()):
                return str(known["id"]), False
            status = "EXPIRED" if known is None else self._look(delivery, slot)
            if known is not None and status == "PUBLISHED" and (delivery.uncertain or known.get("refused")):
                return str(known["id"]), True
            if known is not None and status == NO_SUCH and delivery.uncertain:
                return str(known["id"]), True  # it may have been published before it went: it is looked for, not made again
            if status == "FINISHED":
                return str(containers_of(delivery)[slot]["id"]), False
            # Spent. One that is published although no call was uncertain: a person has said that the post is not there.
            forget(delivery, slot)
        raise Retry("container_expired", f"{self.who} does not keep the container.")

    def _made(self, delivery: Delivery, slot: str, plan: Plan) -> dict[str, Any] | None:
        """Make the containers that are not there yet, children first; None when a child is spent."""
        children = []
        for place, child in enumerate(plan.children):
            children.append(self._create(delivery, f"{slot}/{place}", child, print_of(child)))
        for place in range(len(plan.children)):
            name = f"{slot}/{place}"
            if not is_fresh(containers_of(delivery)[name], delivery.now()) and self._look(delivery, name) != "FINISHED":
                return None
        item = plan.item
        if children:
            item = item._replace(fields={**item.fields, "children": ",".join(children)})
        self._create(delivery, slot, item, print_of(plan))
        return dict(containers_of(delivery)[slot])

    def _create(self, delivery: Delivery, slot: str, item: Item, mark: str) -> str:
        known = containers_of(delivery).get(slot)
        if known and known.get("of") == mark and is_kept(known, delivery.now()):
            return str(known["id"])
        delivery.need(0.0)
        fields = dict(item.fields)
        if item.media is not None:
            fields[item.address] = delivery.media.open(item.media).url()
        path = f"{delivery.account.account_id}/{self.creating}"
        answer = self.call(delivery.account, delivery.http, "POST", path, **fields)
        if "reply_to_id" in fields and is_gone(error_of(answer)):
            raise NotReady("parent_not_visible", f"{self.who} does not show the segment before yet.", PARENT_WAIT)
        made = said_well(self.who, answer, delivery.now(), self.subcodes).get("id")
        if not made:
            raise Retry("answer_unreadable", f"{self.who} took a container and named no id for it.")
        entry = {"id": str(made), "of": mark, "at": delivery.now().isoformat()}
        delivery.save(containers={**containers_of(delivery), slot: entry})
        return str(made)

    def _look(self, delivery: Delivery, slot: str) -> str:
        """The container's status. `NotReady` while it is being processed; one that failed is forgotten, with its carousel."""
        delivery.need(0.0)
        known = containers_of(delivery)[slot]
        status, reason = self._status(delivery, known["id"])
        if status == "FINISHED":
            mark(delivery, slot, done=delivery.now().isoformat())
        if status == "IN_PROGRESS":
            age = (delivery.now() - datetime.fromisoformat(known["at"])).total_seconds()
            raise NotReady("processing", f"{self.who} is processing the media.", min(WAITS[1], max(WAITS[0], age / 2)))
        if status == "ERROR":
            forget(delivery, slot)
            meaning = self._why(reason)
            if meaning.kind == "final":
                raise Failed(meaning.code, f"{self.who} could not process it: {reason}")
            raise Retry(meaning.code, f"{self.who} could not process it: {reason}", meaning.wait)
        return status

    def _status(self, delivery: Delivery, container: str) -> tuple[str, str]:
        """The container's status and the reason of an error; `GONE` for one that is not known (any more)."""
        status, why = self.status_fields
        answer = self.call(delivery.account, delivery.http, "GET", container, fields=f"{status},{why}")
        if is_gone(error_of(answer)):
            return NO_SUCH, ""
        body = said_well(self.who, answer, delivery.now(), self.subcodes)
        said = str(body.get(status) or "")
        if said not in ("IN_PROGRESS", "FINISHED", "PUBLISHED", "ERROR", "EXPIRED"):
            raise Retry("answer_unreadable", f"{self.who} did not say what became of the container.")
        return said, str(body.get(why) or "no reason given")[:300]

    def _why(self, reason: str) -> Meaning:
        return next((meaning for words, meaning in self.faults.items() if words in reason), Meaning("retry", "processing_failed"))

    # After it

    def _adopted(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """The post of a container that is published already. Which posts are another's is known only after an uncertain call: any
        other is looked up by `resolve`."""
        if not delivery.uncertain:
            raise Unknown("published_refused", f"{self.who} has published what it refused.")
        try:
            found = self._out(delivery, segment)
        except Outcome as failed:
            raise Unknown("published_not_found", f"{self.who} has published it, and looking failed ({failed.code}).") from None
        if not isinstance(found, Found):
            raise Unknown("published_not_found", f"{self.who} has published it, and does not list it yet.")
        return found.remotes

    def _out(self, delivery: Delivery, segment: int) -> Resolution:
        """Find the post of a published container in the account's own list: the first with our words since the container was
        made, or without words the only one; after a good while the only other one there is."""
        since = datetime.fromisoformat(containers_of(delivery)[slot_of(delivery, segment)]["at"]) - CLOCK_SKEW
        others = delivery.taken | {remote.id for remote in delivery.published}
        seen = [entry for entry in self.listed(delivery, segment, since) if entry.remote.id not in others]
        same = [entry.remote for entry in seen if entry.same]
        if len(same) == 1 or (same and self.has_words(delivery, segment)):
            return Found((same[-1],))
        if delivery.now() - (delivery.armed_at or delivery.now()) < LIST_PATIENCE:
            return Working(WAITS[0] * 5, f"{self.who} has published it, and does not list it yet.")
        if len(seen) == 1:
            return Found((seen[0].remote,))
        return Undecidable(f"{self.who} has published it, and it is not clear which of the account's posts it is.")
