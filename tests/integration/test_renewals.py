"""Tokens ahead of their end: renewed though nobody uses them, or announced where only a person can help."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from dateline.domain.profile import Profile
from dateline.platforms import registry
from dateline.usecases import tokens
from tests.harness import Dateline

DAY = timedelta(days=1)


@pytest.fixture
def dateline() -> Iterator[Dateline]:
    with Dateline() as running:
        yield running


def profile_of(dateline: Dateline, name: str) -> Profile:
    profile = dateline.deps.profiles.get(f"prof_{name}")
    assert profile is not None
    return profile


def lasts(dateline: Dateline, name: str, days: float, *, grant: float | None = None, **changed: str | None) -> None:
    """The profile's credentials as just connected: they live so many days, and the grant so many."""
    profile = profile_of(dateline, name)
    secrets = dateline.deps.secrets
    kept = {**secrets.open(profile.workspace_id, profile.id, profile.secret), **changed}
    kept_now = {key: value for key, value in kept.items() if value is not None}
    profile.secret = secrets.seal(profile.workspace_id, profile.id, kept_now)
    publisher = registry.publisher(name)
    tokens.known(dateline.deps, profile, publisher, kept_now, days * 86400, grant * 86400 if grant else None)
    dateline.deps.profiles.save(profile)


def kinds(dateline: Dateline) -> list[str]:
    found = dateline.api("GET", "/v1/events").json()["data"]
    return [event["type"] for event in found]


@pytest.mark.parametrize("name", ["threads", "instagram", "pinterest"])
def test_a_token_nobody_uses_is_renewed_ahead_of_its_end(dateline: Dateline, name: str) -> None:
    lasts(dateline, name, 20)
    before = profile_of(dateline, name)
    dateline.clock.advance(timedelta(days=12).total_seconds())
    dateline.stack.run_for(timedelta(minutes=2))
    assert profile_of(dateline, name).secret == before.secret, "not before a week is left"
    dateline.clock.advance(timedelta(days=1, hours=1).total_seconds())
    dateline.stack.run_for(timedelta(minutes=2))
    after = profile_of(dateline, name)
    assert after.secret != before.secret and after.status == "connected"
    assert after.token_expires_at is not None and after.token_expires_at > dateline.clock.now() + 25 * DAY


def test_a_renewal_that_fails_in_passing_is_tried_again(dateline: Dateline) -> None:
    lasts(dateline, "threads", 20)
    before = profile_of(dateline, "threads")
    dateline.clock.advance(timedelta(days=13, hours=1).total_seconds())
    dateline.http.unreachable = True
    dateline.stack.run_for(timedelta(minutes=5))
    assert profile_of(dateline, "threads").status == "connected"
    dateline.http.unreachable = False
    dateline.stack.run_for(timedelta(minutes=30))
    assert profile_of(dateline, "threads").secret != before.secret


def test_an_end_that_only_a_person_can_move_is_announced_once(dateline: Dateline) -> None:
    lasts(dateline, "linkedin", 60, refreshToken=None)
    shown = dateline.api("GET", "/v1/profiles/prof_linkedin").json()
    assert shown["grantExpiresAt"] == shown["tokenExpiresAt"] is not None
    dateline.clock.advance(timedelta(days=52).total_seconds())
    dateline.stack.run_for(timedelta(minutes=3))
    assert kinds(dateline) == []
    dateline.clock.advance(timedelta(days=1, hours=1).total_seconds())
    dateline.stack.run_for(timedelta(minutes=3))
    assert kinds(dateline) == ["profile.expiring"]
    dateline.clock.advance(DAY.total_seconds())
    dateline.stack.run_for(timedelta(hours=1))
    assert kinds(dateline) == ["profile.expiring"]


def test_a_post_beyond_the_end_of_its_connection_is_warned_about(dateline: Dateline) -> None:
    lasts(dateline, "linkedin", 60, refreshToken=None)
    beyond = dateline.post("prof_linkedin", at=dateline.clock.now() + 61 * DAY)
    (warning,) = beyond["warnings"]
    assert (warning["code"], warning["profileId"]) == ("connection_expires", "prof_linkedin")
    assert dateline.post("prof_linkedin", text="Sooner", at=dateline.clock.now() + 59 * DAY)["warnings"] == []
    lasts(dateline, "linkedin", 60, grant=365, refreshToken="there")
    assert dateline.post("prof_linkedin", text="Renewed", at=dateline.clock.now() + 61 * DAY)["warnings"] == []
