"""Calls to a network over HTTP and JSON, and what their answers mean: what is the same for every network that does it so.

What only one network says or does stands in its own module. Nothing of a token may pass into an outcome's text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from ..domain.content import Media
from .base import (
    Account,
    Answer,
    AnswerLost,
    Delivery,
    Failed,
    MediaFile,
    NotSent,
    Outcome,
    Quota,
    Retry,
    TokenRefused,
    Unknown,
)


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


WRONG_APP = ("invalid_client", "unauthorized_client")
"""A token endpoint's errors (RFC 6749, 5.2) that are about the app's own id and secret and say nothing of the account's grant."""


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


def quota_from(
    answer: Answer, *, limit: str, remaining: str, reset: str, moment: Callable[[str], datetime],
    scope: Literal["account", "app"] = "account", name: str = "calls",
) -> tuple[Quota, ...]:
    """The limit that three headers of an answer tell of; `()` unless all are there and readable. `moment` reads the reset."""
    try:
        headers = answer.headers
        return (Quota(scope, name, int(float(headers[limit])), int(float(headers[remaining])), moment(headers[reset])),)
    except (KeyError, ValueError, OverflowError, OSError):
        return ()


class Body:
    """A file as the body of a request, read piece by piece as it is sent: give it to `Http.request` as `data`. With `before` and
    `after` it is one part of a form (`form_with_file`)."""

    def __init__(self, file: MediaFile, before: bytes = b"", after: bytes = b"", piece: int = 8 * 1024 * 1024) -> None:
        self._file, self._before, self._after, self._piece = file, before, after, piece
        self._at, self._ahead, self._used = 0, b"", 0
        self._length = len(before) + file.size + len(after)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(self._piece):
            yield piece

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size` (all that follow when negative); b"" at the end.

        Raises `Retry` when the media store does not answer.
        """
        if size < 0:
            return b"".join(self)
        if self._used >= len(self._ahead):
            self._ahead, self._used = self._next(), 0
        # A connection asks for 16 KB at a time: what is left of a piece is not copied for each.
        out = self._ahead[self._used : self._used + size]
        self._used += len(out)
        return out

    def _next(self) -> bytes:
        start, head, size = self._at, len(self._before), self._file.size
        if start < head:
            data = self._before[start:]
        elif start < head + size:
            data = self._file.read(start - head, min(self._piece, head + size - start))
        else:
            data = self._after[start - head - size :]
        self._at += len(data)
        return data


def form_with_file(
    fields: Mapping[str, str], name: str, filename: str, file: MediaFile, mime: str | None = None
) -> tuple[Body, dict[str, str]]:
    """A multipart form whose last part is a file that is read as it is sent: the body, and the header that goes with it."""
    from secrets import token_hex

    boundary = token_hex(16)
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()
    )
    head += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    head += f"Content-Type: {mime or file.mime}\r\n\r\n"
    body = Body(file, head.encode(), f"\r\n--{boundary}--\r\n".encode())
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


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
