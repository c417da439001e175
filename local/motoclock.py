"""Makes moto live in our time: delays, visibility and creation times follow the local clock instead of the machine's.

moto asks `moto.core.utils.utcnow`, which several of its modules hold by name; all of them are pointed at the clock and put
back afterwards. Signatures are dated by it as well: `local.objects` looks whether a signed address is good still.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import botocore.auth
import moto.core.utils
from moto.sqs.models import Message

from local.clock import Clock


def _swap(old: Callable[[], datetime], new: Callable[[], datetime]) -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and getattr(module, "utcnow", None) is old:
            module.utcnow = new  # type: ignore[attr-defined]


@contextmanager
def moto_follows(clock: Clock) -> Iterator[None]:
    """Inside the context every moto module reads `clock`, also those imported meanwhile."""
    real = moto.core.utils.utcnow

    def utcnow() -> datetime:
        return clock.now().replace(tzinfo=None)

    def visible(message: Message) -> bool:
        # moto wants the time to be past, so that under a clock standing still a message released with a time-out of 0
        # would stay hidden.
        return bool(moto.core.utils.unix_time_millis() >= message.visible_at)

    def dated(remove_tzinfo: bool = True) -> datetime:
        return utcnow() if remove_tzinfo else clock.now()

    strictly_past = Message.visible
    signed = botocore.auth.get_current_datetime
    _swap(real, utcnow)
    botocore.auth.get_current_datetime = dated
    Message.visible = property(visible)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Message.visible = strictly_past  # type: ignore[method-assign]
        botocore.auth.get_current_datetime = signed
        _swap(utcnow, real)
