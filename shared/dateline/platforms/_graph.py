"""Calls to the Graph API as Instagram's and Threads' publishers make them: reads, lists, deletes, permalinks, limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ._meta import Meaning, MetaError, error_of, quotas_of, said_well
from .base import Account, Answer, AnswerLost, Delivery, Http, NotSent, Outcome, Quota, Remote, Standard
from .calls import harmless, said_by

CLOCK_SKEW = timedelta(seconds=60)
"""How far Meta's clock may stand behind ours; its timestamps are cut to whole seconds as well."""
GONE = frozenset({33, 2207006, 2207008, 2207020, 4279009})
"""Subcodes of an object that is not there (any more). 33 is also said where the permission is missing."""
PAGES = 5
"""How much of a list is read at most."""
LINK_SECONDS = 8.0
"""The permalink is read after publishing, and not worth a long wait."""


class GraphPublisher(Standard):
    """What both networks call alike. A subclass says where, and how a call is signed."""

    who: str
    subcodes: Mapping[int, Meaning]

    def base(self, account: Account) -> str:
        """The API's address with its version."""
        raise NotImplementedError

    def signed(self, account: Account) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and parameters that sign a call."""
        raise NotImplementedError

    def quotas(self, answer: Answer, now: datetime) -> tuple[Quota, ...]:
        """Meta's usage headers, and the posts of a day where the answer is the account's publishing limit."""
        counts = _limit(answer)
        posts = () if counts is None else (Quota("account", "posts", counts[1], max(0, counts[1] - counts[0])),)
        return (*posts, *quotas_of(answer, now))

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """`DELETE /{id}`; what is gone already is no error."""
        answer = self.call(delivery.account, delivery.http, "DELETE", remote_id)
        if is_gone(error_of(answer)) and self._is_unreadable(delivery, remote_id):
            return
        said_well(self.who, answer, delivery.now(), self.subcodes)

    def _is_unreadable(self, delivery: Delivery, remote_id: str) -> bool:
        """A missing permission and a missing post are refused alike: what can still be read is not gone."""
        return is_gone(error_of(self.call(delivery.account, delivery.http, "GET", remote_id, fields="id")))

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
            yield from (entry for entry in objects_in(page.get("data")) if entry.get("id"))
            paging = object_in(page.get("paging"))
            after = object_in(paging.get("cursors")).get("after")
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


def object_in(value: Any) -> dict[str, Any]:
    """What should be an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def objects_in(value: Any) -> list[dict[str, Any]]:
    """The objects of what should be a list of them."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


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
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return None


def is_gone(error: MetaError | None) -> bool:
    """Whether the error says that the object is not there."""
    return error is not None and error.subcode in GONE
