"""Pausing and resuming profiles, one by one or all of a workspace.

A profile says itself what it is paused by, so that whoever publishes learns it without a further read. A workspace's switch
stands in its settings (profiles that are connected later read it there) and is written onto each of its profiles, live and test.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..domain.post import partition
from ..domain.profile import Profile, pause, resume
from ..store.tables import Conflict, StoreUnavailable
from . import holding
from .holding import More

if TYPE_CHECKING:
    from ..wiring import Deps

log = logging.getLogger("dateline")

PAGE = 100
MODES = ("live", "test")


def switch(deps: Deps, profile: Profile, by: str, paused: bool) -> None:
    """Pause the profile, or let go of it. Changes the profile, writes nothing."""
    (pause if paused else resume)(profile, by, deps.clock.now())


def go_on(deps: Deps, profile: Profile, more: More) -> None:
    """After a profile was resumed and written: release what is held on it, as far as there is time. What fails here, and what is
    left, sweep does."""
    if profile.release is None:
        return
    try:
        holding.release(deps, profile, more)
    except (StoreUnavailable, Conflict) as error:
        log.warning("not all released; sweep goes on", extra={"profile_id": profile.id, "reason": type(error).__name__})


def joined(deps: Deps, profile: Profile) -> Profile:
    """After a profile was connected: paused like its workspace, also if that was switched in the very moment."""
    wanted = _wanted(deps, profile.workspace_id)
    return profile if ("workspace" in profile.paused) == wanted else _follow(deps, profile.id, wanted) or profile


def follow(deps: Deps, workspace_id: str, more: More) -> bool:
    """Bring all profiles of a workspace into the state that its settings ask for, and release what is held where that is over.
    False if there was no time for all of them: doing it again goes on.

    The settings are read again afterwards: of two who switch at the same moment, both end where the settings are. A profile that
    was connected in the last second may be missing in the index; switching again finds it.
    """
    while True:
        wanted = _wanted(deps, workspace_id)
        resumed: list[Profile] = []
        for mode in MODES:
            after: str | None = None
            while True:
                if not more():
                    return False
                listed, after = deps.profiles.list(partition(workspace_id, mode), PAGE, after)
                # The index may be behind: what is decided is decided on the row.
                for profile in deps.profiles.get_many([profile.id for profile in listed]).values():
                    if ("workspace" in profile.paused) != wanted:
                        changed = _follow(deps, profile.id, wanted)
                        resumed += [changed] if changed is not None else []
                    elif profile.release is not None:
                        resumed.append(profile)
                if after is None:
                    break
        if _wanted(deps, workspace_id) == wanted:
            break
    for profile in resumed:
        go_on(deps, profile, more)
    return True


def _wanted(deps: Deps, workspace_id: str) -> bool:
    return bool(deps.workspaces.settings(workspace_id).get("paused", False))


def _follow(deps: Deps, profile_id: str, wanted: bool) -> Profile | None:
    def move(profile: Profile) -> None:
        if ("workspace" in profile.paused) != wanted:
            switch(deps, profile, "workspace", wanted)

    return deps.profiles.change(profile_id, move)
