"""A cold start without the garbage collector. Import it first and call `over` when the handler is ready.

Imports allocate hundreds of thousands of objects and free almost none, so that the collector only looks on: it takes a fifth of
the time of importing a function. What is there when the handler is ready stays for the life of the process and need
never be looked at again.
"""

from __future__ import annotations

import gc

gc.disable()


def over() -> None:
    """The handler is ready: collect again, leaving out what the imports made."""
    gc.freeze()
    gc.enable()
