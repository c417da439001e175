"""The built-in sandbox: what test keys publish to. It touches no network, ever.

Its ids are the same on every try, so publishing twice is publishing once. Failures are asked for by the option `simulate`
and by nothing else: a test post shows by itself what will become of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..domain.rules import DailyCap, MediaLimit, Rules, TextLimit
from .base import (
    Account,
    AccountInfo,
    CredentialField,
    Delivery,
    Failed,
    Found,
    Http,
    NewTokens,
    Publisher,
    Remote,
    Resolution,
    Retry,
    SafeToRepeat,
    Standard,
    TokenRefused,
    Undecidable,
    Unknown,
)

RATE_LIMIT_SECONDS = 5.0
"""What `rate_limited` asks to wait: long enough to be seen, short enough to wait for."""

SIMULATIONS: Mapping[str, str] = {
    "published": "it is published (the default)",
    "failed": "it is refused for good",
    "retry_once": "the first try fails and may be repeated, the second is published",
    "rate_limited": f"the first try is told to wait {RATE_LIMIT_SECONDS:g} s, the second is published",
    "unconfirmed": "the answer is lost and nobody can tell what became of it",
    "token_dead": "the token is refused when publishing, on every try (the profile's own check still passes)",
    "lost_then_found": "the answer is lost, and looking it up finds the post",
}
"""The values of the option `simulate`, and what happens."""


def _length(text: str, settings: Mapping[str, Any]) -> int:
    return len(text)


RULES = Rules(
    platform="sandbox",
    name="Sandbox",
    text=(TextLimit(10_000, "characters", _length, "Unicode code points"),),
    media={
        "image": MediaLimit(10, 20_000_000, ("image/jpeg", "image/png", "image/webp", "image/gif")),
        "gif": MediaLimit(10, 20_000_000, ("image/gif",)),
        "video": MediaLimit(10, 500_000_000, ("video/mp4", "video/quicktime")),
        "document": MediaLimit(10, 50_000_000, ("application/pdf",)),
    },
    most_media=10,
    mixed_media=True,
    thread_segments=25,
    first_comment=True,
    daily_cap=DailyCap(10_000, 24, "Dateline's own, so that a cap can be tried with a test key", "dailyPosts"),
    options={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "simulate": {
                "type": "string",
                "enum": list(SIMULATIONS),
                "description": "What becomes of the post. " + "; ".join(map(": ".join, SIMULATIONS.items())) + ".",
            },
            "simulateSegment": {
                "type": "integer",
                "minimum": 0,
                "description": "The segment it happens to, counted from 0 (the default); a first comment counts after the last.",
            },
        },
    },
    exactly_once="Nothing is sent anywhere; ids follow from the post, so a repeat is the same post.",
    source="Dateline's own.",
)


class Sandbox(Standard):
    """`Publisher` without a network."""

    rules = RULES
    default_server = "https://sandbox.invalid"
    own_server = False
    credential_fields: tuple[CredentialField, ...] = ()

    def needs_preparation(self, delivery: Delivery) -> bool:
        """Never."""
        return False

    def start(self, delivery: Delivery) -> Mapping[str, Any]:
        """Nothing to choose."""
        return {}

    def prepare(self, delivery: Delivery) -> None:
        """Nothing to do; media are not fetched."""

    def publish(self, delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        """Do what `simulate` says, on the segment it is meant for; publish all others."""
        wanted = _simulated(delivery, segment)
        if wanted == "failed":
            raise Failed("simulated_failure", "The sandbox refused this post because it was asked to.")
        if wanted == "token_dead":
            raise TokenRefused("token_refused", "The sandbox refused the token because it was asked to.")
        if wanted in ("unconfirmed", "lost_then_found"):
            raise Unknown("answer_lost", "The sandbox lost the answer because it was asked to.")
        if wanted in ("retry_once", "rate_limited") and not delivery.checkpoint.get("simulated"):
            delivery.save(simulated=wanted)
            if wanted == "rate_limited":
                raise Retry("rate_limited", "The sandbox asked to wait because it was asked to.", RATE_LIMIT_SECONDS)
            raise Retry("simulated_retry", "The sandbox failed once because it was asked to.")
        return (_remote(delivery, segment),)

    def resolve(self, delivery: Delivery, segment: int) -> Resolution:
        """`Undecidable` and `Found` where that is simulated; anything else is safe to repeat, being the same post."""
        wanted = _simulated(delivery, segment)
        if wanted == "unconfirmed":
            return Undecidable("The sandbox was asked never to tell.")
        if wanted == "lost_then_found":
            return Found((_remote(delivery, segment),))
        return SafeToRepeat()

    def delete(self, delivery: Delivery, remote_id: str) -> None:
        """Nothing is there to delete."""

    def verify(self, account: Account, http: Http) -> AccountInfo:
        """Always well."""
        return AccountInfo("sandbox", "Sandbox")

    def refresh(self, account: Account, http: Http) -> NewTokens | None:
        """There are no tokens."""
        return None


def _simulated(delivery: Delivery, segment: int) -> str:
    if segment != delivery.options.get("simulateSegment", 0):
        return "published"
    return str(delivery.options.get("simulate", "published"))


def _remote(delivery: Delivery, segment: int) -> Remote:
    from hashlib import sha256

    remote_id = "sandbox_" + sha256(f"{delivery.key}:{segment}".encode()).hexdigest()[:20]
    return Remote(remote_id, f"https://sandbox.invalid/{remote_id}")


PUBLISHER: Publisher = Sandbox()
