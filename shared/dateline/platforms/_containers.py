"""Publishing as Instagram and Threads do it: a container is made and processed, which is harmless, and then published once.

A container's id is saved before anything else is done with it, so that a lost answer is settled by asking the container itself:
`PUBLISHED` is out, `FINISHED` may be published again without doubling it. Containers live for 24 hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ..domain.content import Media
from ._meta import Meaning, MetaError, error_of, quotas_of, refusal_of, said_well
from .base import (
    Account,
    Answer,
    AnswerLost,
    Delivery,
    Failed,
    Found,
    Http,
    NotReady,
    NotSent,
    Outcome,
    Quota,
    Refused,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    Standard,
    Undecidable,
    Unknown,
    Working,
)
from .calls import harmless, irreversible, said_by

CLOCK_SKEW = timedelta(seconds=60)
"""How far Meta's clock may stand behind ours; its timestamps are cut to whole seconds as well."""
FRESH = timedelta(minutes=10)
"""A container that was finished a moment ago is not asked again before it is published."""
WAITS = (3.0, 60.0)
"""The shortest and the longest wait between two looks at a container: half its age. (Meta recommends one look a minute.)"""
LIST_PATIENCE = timedelta(minutes=15)
"""How long a published post may be missing in the account's list before a person is asked to look."""
PARENT_WAIT = 5.0
"""A reply right after its parent may find it not there yet."""
LINK_SECONDS = 8.0
"""The permalink is read after publishing, and not worth a long wait."""
PAGES = 5
GONE = frozenset({33, 2207006, 2207008, 2207020, 4279009})
"""Subcodes of an object that is not there (any more). 33 is also said where the permission is missing."""
NO_SUCH = "GONE"
"""Our own status of a container that the network no longer knows."""


class Item(NamedTuple):
    """One container to be made: its form fields, and the medium whose address goes into the field `address`."""

    fields: Mapping[str, str]
    media: Media | None = None
    address: str = ""


class Plan(NamedTuple):
    """The containers of one segment; with `children` a carousel, whose ids go into the field `children` of `item`."""

    item: Item
    children: tuple[Item, ...] = ()


class Listed(NamedTuple):
    """One of the account's own posts: `same` is true where it says what the segment says."""

    remote: Remote
    same: bool


class ContainerPublisher(Standard):
    """What both networks do. A subclass says where, and what a container is made of."""

    who: str
    creating: str
    """The last part of the path at which containers are made; publishing is `<creating>_publish`."""
    status_fields: tuple[str, str]
    """Where a container tells its status, and the reason of an error."""
    subcodes: Mapping[int, Meaning]
    faults: Mapping[str, Meaning]
    """Words in the reason of a failed container -> what they mean; any other may go better with a new container."""

    def base(self, account: Account) -> str:
        """The API's address with its version."""
        raise NotImplementedError

    def signed(self, account: Account) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and parameters that sign a call."""
        raise NotImplementedError

    def plan(self, delivery: Delivery, segment: int) -> Plan | None:
        """The containers of `segment`; None when it is published without one (a comment)."""
        raise NotImplementedError

    def listed(self, delivery: Delivery, segment: int, since: datetime) -> Iterator[Listed]:
        """The account's posts since then, newest first, of the kind that `segment` is."""
        raise NotImplementedError

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
        return plan is not None and not _is_fresh(_known(delivery, _slot(delivery, segment), plan), delivery.now())

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
        if "creation_id" in fields and (isinstance(outcome, Failed) or outcome.code in ("container_gone", "not_ready")):
            return self._refused(delivery, segment, outcome)
        raise outcome

    def _refused(self, delivery: Delivery, segment: int, outcome: Outcome) -> tuple[Remote, ...]:
        """Ask the container why it was refused: an earlier call may have published it, or it is spent."""
        slot = _slot(delivery, segment)
        try:
            status, _ = self._status(delivery, _containers(delivery)[slot]["id"])
        except Outcome as failed:
            if delivery.uncertain:
                raise Unknown("refused_unclear", f"{outcome.detail} Asking the container failed ({failed.code}).") from None
            raise outcome from None
        if status == "PUBLISHED":
            return self._adopted(delivery, segment)
        if status in (NO_SUCH, "IN_PROGRESS") and delivery.uncertain:
            raise Unknown("refused_unclear", f"{outcome.detail} The container of an earlier, uncertain call is {status}.")
        if status in ("EXPIRED", "ERROR", NO_SUCH):
            _forget(delivery, slot)
            raise Retry("container_expired", f"{self.who} no longer has the container; it is made again.")
        if outcome.code in ("container_gone", "not_ready"):
            _mark(delivery, slot, done="")
            raise NotReady("processing", f"{self.who} is still at work on the container.", WAITS[0] * 2)
        raise outcome

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """Ask the container: published, still being published, not published, or never to be."""
        if self.plan(delivery, segment) is None:
            return self.commented(delivery, segment)
        known = _containers(delivery).get(_slot(delivery, segment))
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

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """Meta's usage headers, and the posts of a day where the answer is the account's publishing limit."""
        counts = _limit(answer)
        posts = () if counts is None else (Quota("account", "posts", counts[1], max(0, counts[1] - counts[0])),)
        return (*posts, *quotas_of(answer, now))

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """`DELETE /{id}`; what is gone already is no error."""
        answer = self.call(delivery.account, delivery.http, "DELETE", remote_id)
        if _is_gone(error_of(answer)) and self._is_unreadable(delivery, remote_id):
            return
        said_well(self.who, answer, delivery.now(), self.subcodes)

    def _is_unreadable(self, delivery: Delivery, remote_id: str) -> bool:
        """A missing permission and a missing post are refused alike: what can still be read is not gone."""
        return _is_gone(error_of(self.call(delivery.account, delivery.http, "GET", remote_id, fields="id")))

    # Calls

    def call(self, account: Account, http: Http, method: str, path: str, **fields: str) -> Answer:
        """A harmless call; fields go into the form of a POST, else into the query. Raises `Retry`."""
        headers, params = self.signed(account)
        url, whole = f"{self.base(account)}/{path}", {**fields, **params}
        if method == "POST":
            return harmless(lambda: http.request(method, url, headers=headers, data=whole))
        return harmless(lambda: http.request(method, url, headers=headers, params=whole))

    def read(self, account: Account, http: Http, path: str, **fields: str) -> dict[str, Any]:
        """What a GET says. Raises as `refusal_of` where it is refused."""
        return said_well(self.who, self.call(account, http, "GET", path, **fields), None, self.subcodes)

    def remote(self, delivery: Delivery, remote_id: str, segment: int) -> Remote:
        """The post with its permalink where that can be had quickly: what is out must not fail over it."""
        headers, params = self.signed(delivery.account)
        url = f"{self.base(delivery.account)}/{remote_id}"
        try:
            answer = delivery.http.request(
                "GET", url, headers=headers, params={"fields": "permalink", **params}, seconds=LINK_SECONDS
            )
        except (NotSent, AnswerLost):
            return Remote(remote_id)
        link = said_by(answer).get("permalink") if answer.status == 200 else None
        return Remote(remote_id, str(link) if link else None)

    def pages(self, delivery: Delivery, path: str, **fields: str) -> Iterator[dict[str, Any]]:
        """The entries of a list, page by page, newest first, at most `PAGES` of them."""
        for _ in range(PAGES):
            page = self.read(delivery.account, delivery.http, path, **fields)
            yield from (entry for entry in page.get("data") or () if isinstance(entry, dict) and entry.get("id"))
            paging = page.get("paging") or {}
            after = (paging.get("cursors") or {}).get("after")
            if not after or not paging.get("next"):
                return
            fields = {**fields, "after": str(after)}

    def daily_posts(self, account: Account, http: Http, path: str) -> dict[str, Any]:
        """The setting `dailyPosts` by the account's publishing limit; nothing where it cannot be read."""
        try:
            counts = _limit(self.call(account, http, "GET", path, fields="quota_usage,config"))
        except Outcome:
            return {}
        return {"dailyPosts": counts[1]} if counts is not None and counts[1] > 0 else {}

    # Containers

    def _ready(self, delivery: Delivery, segment: int, plan: Plan) -> tuple[str, bool]:
        """The id of the finished container, and whether it is published already. `NotReady` while it is being processed."""
        slot = _slot(delivery, segment)
        for _ in range(2):
            known = _known(delivery, slot, plan)
            if known is None:
                known = self._made(delivery, slot, plan)
            if known is not None and _is_fresh(known, delivery.now()):
                return str(known["id"]), False
            status = "EXPIRED" if known is None else self._look(delivery, slot)
            if status == "PUBLISHED" and delivery.uncertain:
                return str(_containers(delivery)[slot]["id"]), True
            if status == "FINISHED":
                return str(_containers(delivery)[slot]["id"]), False
            # Spent. One that is published although no call was uncertain: a person has said that the post is not there.
            _forget(delivery, slot)
        raise Retry("container_expired", f"{self.who} does not keep the container.")

    def _made(self, delivery: Delivery, slot: str, plan: Plan) -> dict[str, Any] | None:
        """Make the containers that are not there yet, children first; None when a child is spent."""
        children = []
        for place, child in enumerate(plan.children):
            children.append(self._create(delivery, f"{slot}/{place}", child, _print(child)))
        for place in range(len(plan.children)):
            name = f"{slot}/{place}"
            if not _is_fresh(_containers(delivery)[name], delivery.now()) and self._look(delivery, name) != "FINISHED":
                return None
        item = plan.item
        if children:
            item = item._replace(fields={**item.fields, "children": ",".join(children)})
        self._create(delivery, slot, item, _print(plan))
        return dict(_containers(delivery)[slot])

    def _create(self, delivery: Delivery, slot: str, item: Item, mark: str) -> str:
        known = _containers(delivery).get(slot)
        if known and known.get("of") == mark:
            return str(known["id"])
        delivery.need(0.0)
        fields = dict(item.fields)
        if item.media is not None:
            fields[item.address] = delivery.media.open(item.media).url()
        path = f"{delivery.account.account_id}/{self.creating}"
        answer = self.call(delivery.account, delivery.http, "POST", path, **fields)
        if "reply_to_id" in fields and _is_gone(error_of(answer)):
            raise NotReady("parent_not_visible", f"{self.who} does not show the segment before yet.", PARENT_WAIT)
        made = said_well(self.who, answer, delivery.now(), self.subcodes).get("id")
        if not made:
            raise Retry("answer_unreadable", f"{self.who} took a container and named no id for it.")
        entry = {"id": str(made), "of": mark, "at": delivery.now().isoformat()}
        delivery.save(containers={**_containers(delivery), slot: entry})
        return str(made)

    def _look(self, delivery: Delivery, slot: str) -> str:
        """The container's status. `NotReady` while it is being processed; one that failed is forgotten, with its carousel."""
        delivery.need(0.0)
        known = _containers(delivery)[slot]
        status, reason = self._status(delivery, known["id"])
        if status == "FINISHED":
            _mark(delivery, slot, done=delivery.now().isoformat())
        if status == "IN_PROGRESS":
            age = (delivery.now() - datetime.fromisoformat(known["at"])).total_seconds()
            raise NotReady("processing", f"{self.who} is processing the media.", min(WAITS[1], max(WAITS[0], age / 2)))
        if status == "ERROR":
            _forget(delivery, slot)
            meaning = self._why(reason)
            if meaning.kind == "final":
                raise Failed(meaning.code, f"{self.who} could not process it: {reason}")
            raise Retry(meaning.code, f"{self.who} could not process it: {reason}", meaning.wait)
        return status

    def _status(self, delivery: Delivery, container: str) -> tuple[str, str]:
        """The container's status and the reason of an error; `GONE` for one that is not known (any more)."""
        status, why = self.status_fields
        answer = self.call(delivery.account, delivery.http, "GET", container, fields=f"{status},{why}")
        if _is_gone(error_of(answer)):
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
        """The post of a container that is published already."""
        try:
            found = self._out(delivery, segment)
        except Outcome as failed:
            raise Unknown("published_not_found", f"{self.who} has published it, and looking failed ({failed.code}).") from None
        if not isinstance(found, Found):
            raise Unknown("published_not_found", f"{self.who} has published it, and does not list it yet.")
        return found.remotes

    def _out(self, delivery: Delivery, segment: int) -> Resolution:
        """Find the post of a published container in the account's own list: the first with our words since the container was
        made; after a good while the only other one there is."""
        since = datetime.fromisoformat(_containers(delivery)[_slot(delivery, segment)]["at"]) - CLOCK_SKEW
        others = delivery.taken | {remote.id for remote in delivery.published}
        seen = [entry for entry in self.listed(delivery, segment, since) if entry.remote.id not in others]
        same = [entry.remote for entry in seen if entry.same]
        if same:
            return Found((same[-1],))
        if delivery.now() - (delivery.armed_at or delivery.now()) < LIST_PATIENCE:
            return Working(WAITS[0] * 5, f"{self.who} has published it, and does not list it yet.")
        if len(seen) == 1:
            return Found((seen[0].remote,))
        return Undecidable(f"{self.who} has published it, and it is not clear which of the account's posts it is.")


def moment(said: Any) -> datetime | None:
    """A timestamp of Meta's ("2026-06-15T09:00:00+0000"); None for what is none."""
    try:
        at = datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return at if at.tzinfo else None


def plain(text: Any) -> str:
    """A text without what a network may change on the way: normal form, kinds of white space."""
    from unicodedata import normalize

    return " ".join(normalize("NFC", str(text or "")).split())


def _limit(answer: Answer) -> tuple[int, int] | None:
    """How many posts were made, and how many may be, in 24 hours, where the answer is a publishing limit."""
    if answer.status != 200 or b"quota_usage" not in answer.body:
        return None
    try:
        entry = said_by(answer)["data"][0]
        return int(entry["quota_usage"]), int(entry["config"]["quota_total"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _is_gone(error: MetaError | None) -> bool:
    return error is not None and error.subcode in GONE


def _containers(delivery: Delivery) -> dict[str, dict[str, Any]]:
    return dict(delivery.checkpoint.get("containers") or {})


def _slot(delivery: Delivery, segment: int) -> str:
    """The name of a segment's container; another after the thread was taken down again: the first is spent."""
    return f"{delivery.checkpoint.get('takenDown', 0)}.{segment}"


def _known(delivery: Delivery, slot: str, plan: Plan) -> dict[str, Any] | None:
    """The saved container, if it is of what is to be said now (a post may have been edited since); any after an uncertain call,
    which may have published it."""
    known = _containers(delivery).get(slot)
    return known if known and (delivery.uncertain or known.get("of") == _print(plan)) else None


def _is_fresh(known: Mapping[str, Any] | None, now: datetime) -> bool:
    return bool(known and known.get("done")) and now - datetime.fromisoformat(str((known or {})["done"])) < FRESH


def _mark(delivery: Delivery, slot: str, **values: str) -> None:
    known = _containers(delivery)
    delivery.save(containers={**known, slot: {**known[slot], **values}})


def _forget(delivery: Delivery, slot: str) -> None:
    """Forget a container; with a carousel's its children, with a child's its carousel."""
    whole = slot.partition("/")[0]
    kept = {name: entry for name, entry in _containers(delivery).items() if name.partition("/")[0] != whole}
    delivery.save(containers=kept)


def _print(of: Plan | Item) -> str:
    """What a container is made of, in short. The client's own address stands for a medium: the signed one is secret."""
    import hashlib
    import json

    items = (of,) if isinstance(of, Item) else (of.item, *of.children)
    whole = [[dict(item.fields), item.media.url if item.media else None] for item in items]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]
