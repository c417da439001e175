"""The moves of a target that its network keeps until its time. `usecases.natives` makes the calls.

`Target.native` is what is known of it there: `state` (placing, placed, withdrawn or given_up), `id`, `url` and `extra` once the
network has named them, `tries`, and `error` where it was given up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from . import lifecycle
from .lifecycle import WITH_NETWORK as WITH_NETWORK
from .post import Post, Target, seconds


def may_place(target: Target) -> bool:
    """Whether a waiting target has not been handed over before in this revision, or was given up."""
    return (target.native or {}).get("state") not in ("withdrawn", "given_up", "placed")


def remote_of(target: Target) -> tuple[str, str | None, Mapping[str, Any]] | None:
    """What the network calls it; None while it has no name."""
    note = target.native or {}
    return (note["id"], note.get("url"), note.get("extra") or {}) if note.get("id") else None


def begins(post: Post, target: Target, token: str, now: datetime, lease: float) -> None:
    """Its time has come: a worker takes it to see whether the network has published it."""
    lifecycle.claim(post, target, token, now, lease)
    lifecycle.arm(target, 0, now)
    target.call_ended_at, target.uncertain = post.publish_at, True


def claim(post: Post, target: Target, token: str, now: datetime, lease: float) -> None:
    """A worker takes a target to hand it over, or goes on with one whose worker is gone. No attempt begins by that."""
    if target.armed is not None and target.call_ended_at is None:
        target.call_ended_at = target.lease_until or now
    target.status = "placing"
    target.claim, target.lease_until = token, now + seconds(lease)
    target.native = {**(target.native or {}), "state": "placing"}
    lifecycle.conclude(post, now)


def waits(post: Post, target: Target, tries: int | None, now: datetime) -> None:
    """The hand-over goes on in another invocation."""
    target.claim = target.lease_until = None
    if tries is not None:
        target.native = {**(target.native or {}), "tries": tries}
    lifecycle.conclude(post, now)


def placed(post: Post, target: Target, id: str, url: str | None, extra: dict[str, Any], now: datetime) -> None:
    """The network has it and says so."""
    lifecycle.disarm(target)
    target.status, target.claim, target.lease_until = "placed", None, None
    target.native = {"state": "placed", "id": id, "url": url, "extra": extra}
    target.uncertain = False
    lifecycle.conclude(post, now)


def found(target: Target, id: str, url: str | None, extra: Mapping[str, Any]) -> None:
    """It is there after all, under this name."""
    target.native = {"state": "placed", "id": id, "url": url, "extra": dict(extra)}


def absent(target: Target) -> None:
    """One look after the settling time that did not find it."""
    target.absences += 1


def withdrawn(post: Post, target: Target, now: datetime) -> None:
    """The network has given it back: it waits like any other."""
    _waits_again(target)
    target.native = {"state": "withdrawn"}
    lifecycle.conclude(post, now)


def given_up(post: Post, target: Target, code: str, detail: str, now: datetime) -> None:
    """It could not be handed over; it is published from here when its time comes."""
    _waits_again(target)
    target.native = {"state": "given_up", "error": {"code": code, "detail": detail}}
    lifecycle.conclude(post, now)


def forgotten(target: Target) -> None:
    """After its time the network turned out not to have it: it is published from here."""
    target.native = {"state": "given_up", "error": {"code": "not_kept", "detail": "The network did not publish it in its time."}}


def _waits_again(target: Target) -> None:
    target.status, target.claim, target.lease_until, target.uncertain = "waiting", None, None, False
    lifecycle.disarm(target)
