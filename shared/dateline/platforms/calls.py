"""Calls to a network over HTTP and JSON, and what their answers mean: what is the same for every network that does it so.

What only one network says or does stands in its own module. Nothing of a token may pass into an outcome's text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from ..domain.content import Media
from .base import Account, Answer, AnswerLost, Delivery, Failed, NotSent, Outcome, Retry, TokenRefused, Unknown


def bearer(account: Account) -> dict[str, str]:
    """The Authorization header of most networks."""
    return {"Authorization": f"Bearer {account.credentials['accessToken']}"}


def irreversible(call: Callable[[], Answer]) -> Answer:
    """Make the irreversible call: a lost answer becomes `Unknown`, a request never sent `Retry`, a 5xx `Unknown`.

    A gateway's 5xx says nothing about the server behind it, whatever a network's documentation promises.
    """
    try:
        answer = call()
    except NotSent as error:
        raise Retry("network_unreachable", str(error)) from None
    except AnswerLost as error:
        raise Unknown("answer_lost", str(error)) from None
    if answer.status >= 500:
        raise Unknown("server_error", f"The network answered {answer.status} to the publishing call.")
    return answer


def harmless(call: Callable[[], Answer]) -> Answer:
    """Make a repeatable call: whatever goes wrong on the way, and any 5xx, is `Retry`."""
    try:
        answer = call()
    except (NotSent, AnswerLost) as error:
        raise Retry("network_unreachable", str(error)) from None
    if answer.status >= 500:
        raise Retry("server_error", f"The network answered {answer.status}.")
    return answer


def repeatable(delivery: Delivery, method: str, path: str, **parts: Any) -> Answer:
    """A harmless call to the account's server with its bearer token; `parts` as in `Http.request`."""
    url = delivery.account.server + path
    return harmless(lambda: delivery.http.request(method, url, headers=bearer(delivery.account), **parts))


def said_by(answer: Answer) -> dict[str, Any]:
    """The answer's JSON object; `{}` for anything else."""
    said = answer.json()
    return said if isinstance(said, dict) else {}


def refusal(who: str, answer: Answer, reason: str, wait: float | None) -> Outcome:
    """What an answer below 500 that is no success means to a network that keeps to HTTP's own statuses.

    `who` is its name at the head of a sentence, `reason` its own words, `wait` the seconds it asks for (429), if it does.
    """
    if answer.status == 401:
        return TokenRefused("token_refused", f"{who} refused the access token.")
    if answer.status == 429:
        return Retry("rate_limited", f"{who} takes no more calls of this kind for now.", wait)
    return Failed("rejected", f"{who} refused with {answer.status}: {reason}")


def seconds_until(answer: Answer, header: str, moment: Callable[[str], float], now: datetime | None) -> float | None:
    """Seconds until the time that `header` names, at least one; None when the network does not say.

    `moment` reads it as Unix seconds, raising ValueError for what is none. Without a `now` the answer's own date is the clock.
    """
    from email.utils import parsedate_to_datetime

    try:
        at = now or parsedate_to_datetime(answer.headers["date"])
        return max(1.0, moment(answer.headers[header]) - at.timestamp())
    except (KeyError, ValueError):
        return None


def pictures(delivery: Delivery) -> Iterator[tuple[str, Media]]:
    """The media of the segments still to be published, each with its slot ("segment/position") in the checkpoint's `media`."""
    for index in range(len(delivery.published), len(delivery.segments)):
        for place, item in enumerate(delivery.segments[index].media):
            yield f"{index}/{place}", item


def uploads_of(delivery: Delivery, segment: int, part: str = "id") -> list[str]:
    """The ids (or another `part`) of what the checkpoint's `media` has for `segment`, in order."""
    known = delivery.checkpoint.get("media") or {}
    slots = (known.get(f"{segment}/{place}") or {} for place in range(len(delivery.segments[segment].media)))
    return [str(slot[part]) for slot in slots if slot.get(part)]
