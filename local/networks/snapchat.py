"""."""
from typing import ClassVar
from .base import Network
class SnapchatNetwork(Network):
    platform: ClassVar[str] = "snapchat"
