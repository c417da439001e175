"""The same small work for many things at once, as far as the time allows: calls to AWS are waiting, and waiting can be shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def each(items: Sequence[T], work: Callable[[T], object], most: int, may_go_on: Callable[[], bool]) -> int:
    """Do `work` for the items, up to `most` at once; how many of them, from the first on, were done before the time was up.

    With `most` 1 they are done one after the other in this thread. An exception stops what has not begun and is raised.
    """
    if most <= 1:
        for number, item in enumerate(items):
            if not may_go_on():
                return number
            work(item)
        return len(items)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(most, max(1, len(items)))) as pool:
        for start in range(0, len(items), most * 4):
            if not may_go_on():
                return start
            part = items[start : start + most * 4]
            for done in [pool.submit(copy_context().run, work, item) for item in part]:
                done.result()
    return len(items)
