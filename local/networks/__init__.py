"""The stand-in networks: small stateful servers that behave as the real ones do and can be told to fail.

`World` holds what they share: the ledger of what became visible, the faults that were asked for, the clock. Each network
is one module with a `Network` subclass: a table of routes and its own state. A network never knows Dateline.
"""

from .base import Network, Route, World
from .registry import NETWORKS, build_world

__all__ = ["NETWORKS", "Network", "Route", "World", "build_world"]
