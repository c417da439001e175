"""Profiles: connected accounts. Their credentials are ciphertext here; `aws.secrets` opens them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pynamodb.exceptions import PynamoDBException

from ..domain.ids import new_token
from ..domain.instants import parse_rfc3339, sortable
from ..domain.profile import Noted, Profile
from ..domain.profile import delete as gone
from .tables import PROFILES_SHARD, BookingRow, Conflict, ProfileRow, answered, failed_condition

__all__ = ["Profile", "Profiles", "from_image"]

KEPT_AFTER_DELETION = 30 * 24 * 3600
"""Seconds for which the row of a deleted profile is kept: as long as its last event."""

MOST_CONFLICTS = 10

MOST_READ = 200
"""Profiles of a workspace that a list by platform looks through."""


def gone_key(ws: str, platform: str) -> str:
    """The key under which the deleted profiles of a platform are kept."""
    return f"gone#{ws}#{platform}"


def _time(value: float | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)


def _number(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def from_row(row: ProfileRow) -> Profile:
    """The profile a row stands for."""
    return Profile(
        id=row.id, workspace_id=row.workspace_id, mode=row.mode, platform=row.platform, name=row.name,
        created_at=datetime.fromtimestamp(row.created_at, UTC), updated_at=datetime.fromtimestamp(row.updated_at, UTC),
        account_id=row.account_id or "", server=row.server or "", status=row.status, settings=dict(row.settings or {}),
        secret=row.secret, token_expires_at=_time(row.token_expires_at), error=row.error, version=int(row.version),
        paused=frozenset(row.paused or ()), sequence=int(row.sequence or 0),
        trail=[Noted(line[0], line[1], datetime.fromtimestamp(line[2], UTC)) for line in row.trail or ()],
        due_at=parse_rfc3339(row.due_at) if row.due_at else None, release=row.release,
        grant_expires_at=_time(row.grant_expires_at), renew_at=_time(row.renew_at), warn_at=_time(row.warn_at),
        quotas=dict(row.quotas or {}), lock=(row.lock, float(row.lock_until or 0)) if row.lock else None,
    )


def _to_row(profile: Profile) -> ProfileRow:
    deleted = profile.status == "deleted"
    return ProfileRow(
        id=profile.id, ws=None if deleted else profile.partition, workspace_id=profile.workspace_id, mode=profile.mode,
        platform=profile.platform, name=profile.name, account_id=profile.account_id, server=profile.server,
        status=profile.status, settings=profile.settings, secret=profile.secret, error=profile.error,
        token_expires_at=_number(profile.token_expires_at), grant_expires_at=_number(profile.grant_expires_at),
        renew_at=_number(profile.renew_at), warn_at=_number(profile.warn_at),
        quotas=profile.quotas or None, lock=profile.lock[0] if profile.lock else None,
        lock_until=profile.lock[1] if profile.lock else None,
        version=profile.version, created_at=profile.created_at.timestamp(), updated_at=profile.updated_at.timestamp(),
        paused=set(profile.paused) or None, sequence=profile.sequence or None,
        trail=[[line.sequence, line.kind, round(line.at.timestamp(), 6)] for line in profile.trail] or None,
        due_shard=PROFILES_SHARD if profile.due_at else None, due_at=sortable(profile.due_at) if profile.due_at else None,
        release=profile.release, expires_at=int(profile.updated_at.timestamp()) + KEPT_AFTER_DELETION if deleted else None,
    )


def from_image(image: dict[str, Any]) -> Profile:
    """The profile of a stream record's new image (DynamoDB JSON), without its credentials: nobody there can open them."""
    return from_row(ProfileRow.from_raw_data({name: value for name, value in image.items() if "B" not in value}))


class Profiles:
    """The profiles table."""

    def get(self, profile_id: str) -> Profile | None:
        """The profile as it is now, None if there is none (any more). Raises `StoreUnavailable`."""
        profile = self.stored(profile_id)
        return None if profile is None or profile.status == "deleted" else profile

    @answered
    def stored(self, profile_id: str) -> Profile | None:
        """The row as it stands, a deleted profile's too."""
        try:
            return from_row(ProfileRow.get(profile_id, consistent_read=True))
        except ProfileRow.DoesNotExist:
            return None

    @answered
    def get_many(self, profile_ids: Iterable[str]) -> dict[str, Profile]:
        """Those of the profiles that exist, by id: one call for up to 100."""
        rows = ProfileRow.batch_get(list(profile_ids), consistent_read=True)
        return {row.id: from_row(row) for row in rows if row.status != "deleted"}

    @answered
    def list(self, ws: str, limit: int, after: str | None = None) -> tuple[list[Profile], str | None]:
        """Profiles of one side of a workspace in order of their ids, and where to go on."""
        start: Any = {"ws": {"S": ws}, "id": {"S": after}} if after else None
        result = ProfileRow.by_workspace.query(ws, limit=limit, page_size=limit, last_evaluated_key=start)
        found = [from_row(row) for row in result]
        return found, found[-1].id if found and result.last_evaluated_key else None

    @answered
    def of_platform(self, ws: str, platform: str, most: int) -> Sequence[str] | None:
        """Ids of the profiles of a platform that one side of a workspace has or had. None if there are more than `most`, or so
        many profiles of all platforms that looking through them (`MOST_READ`) would cost more than it saves."""
        has = ProfileRow.by_workspace.query(ws, filter_condition=ProfileRow.platform == platform, page_size=MOST_READ)
        rows: Sequence[Any] = next(has.page_iter)["Items"]
        if has.page_iter.last_evaluated_key or len(rows) > most:
            return None
        ids = [row["id"]["S"] for row in rows]
        had = BookingRow.query(gone_key(ws, platform), limit=most + 1, page_size=most + 1)
        ids += [row.slot for row in had if row.slot not in ids]
        return ids if len(ids) <= most else None

    @answered
    def of_account(self, ws: str, platform: str, account_id: str, server: str) -> str | None:
        """The id of the profile that one side of a workspace has for an account, the oldest where it has several; None where it
        has none, or only since a moment: the index may be behind."""
        same = (ProfileRow.platform == platform) & (ProfileRow.account_id == account_id)
        rows = [row for row in ProfileRow.by_workspace.query(ws, filter_condition=same) if (row.server or "") == server]
        return min(rows, key=lambda row: row.created_at).id if rows else None

    @answered
    def save(self, profile: Profile, *, unlocking: bool = False) -> None:
        """Write the profile on condition that nobody wrote since it was read, nor began or ended to refresh its tokens.
        `unlocking` ends that in the same write. Raises `Conflict`, `StoreUnavailable`."""
        expected, profile.version = profile.version, profile.version + 1
        lock, profile.lock = profile.lock, None if unlocking else profile.lock
        unlocked = ProfileRow.lock == lock[0] if lock else ProfileRow.lock.does_not_exist()
        condition = (ProfileRow.version == expected) & unlocked if expected else ProfileRow.id.does_not_exist()
        try:
            _to_row(profile).save(condition=condition)
        except PynamoDBException as error:
            profile.version, profile.lock = expected, lock
            if failed_condition(error):
                raise Conflict from error
            raise

    def change(self, profile_id: str, move: Callable[[Profile], object]) -> Profile | None:
        """Apply `move` to the profile as it is and write it; if somebody wrote in between, to what is there then. `move` may be
        applied several times; None if there is no such profile. Raises `Conflict`, `StoreUnavailable`."""
        for _ in range(MOST_CONFLICTS):
            profile = self.get(profile_id)
            if profile is None:
                return None
            move(profile)
            try:
                self.save(profile)
                return profile
            except Conflict:
                continue
        raise Conflict

    def delete(self, profile_id: str, now: datetime) -> None:
        """Remove the profile and its credentials. Removing what is gone is no error. Its platform is kept for the lists.
        Raises `Conflict`, `StoreUnavailable`."""
        profile = self.change(profile_id, lambda profile: gone(profile, now))
        if profile is not None:
            self._remember(profile)

    @answered
    def _remember(self, profile: Profile) -> None:
        key = gone_key(profile.partition, profile.platform)
        BookingRow(key, profile.id, post_id=profile.id, ws=profile.partition, state="gone").save()

    @answered
    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Ids of profiles that sweep has to look at, deleted ones too, the oldest first."""
        return [row.id for row in ProfileRow.due.query(PROFILES_SHARD, ProfileRow.due_at <= sortable(now), limit=limit)]

    @answered
    def tended(self, profile: Profile) -> None:
        """Write when sweep looks again, and how far the release of held targets is; nothing if somebody wrote since it was read:
        sweep will look again then. The version stays: nobody else need decide again for this."""
        actions: list[Any] = [
            ProfileRow.release.remove() if profile.release is None else ProfileRow.release.set(profile.release),
            ProfileRow.due_at.remove() if profile.due_at is None else ProfileRow.due_at.set(sortable(profile.due_at)),
            ProfileRow.due_shard.remove() if profile.due_at is None else ProfileRow.due_shard.set(PROFILES_SHARD),
            ProfileRow.renew_at.remove() if profile.renew_at is None else ProfileRow.renew_at.set(profile.renew_at.timestamp()),
        ]
        try:
            ProfileRow(profile.id).update(actions=actions, condition=ProfileRow.version == profile.version)
        except PynamoDBException as error:
            if not failed_condition(error):
                raise

    @answered
    def note_quotas(self, profile_id: str, quotas: Mapping[str, Sequence[Any]]) -> None:
        """Write what the network said of the account's limits; whoever writes the whole profile meanwhile wins."""
        try:
            ProfileRow(profile_id).update(actions=[ProfileRow.quotas.set(dict(quotas))], condition=ProfileRow.id.exists())
        except PynamoDBException as error:
            if not failed_condition(error):
                raise

    @answered
    def lock(self, profile: Profile, now: datetime, seconds: float) -> str | None:
        """Take the right to refresh this profile's tokens: a token to unlock with, None if another worker has it.

        Conditional on the version that was read: whoever reads old tokens after a refresh does not get the lock.
        """
        token, until = new_token(), now.timestamp() + seconds
        free = ProfileRow.lock.does_not_exist() | (ProfileRow.lock_until < now.timestamp())
        try:
            ProfileRow(profile.id).update(
                actions=[ProfileRow.lock.set(token), ProfileRow.lock_until.set(until)],
                condition=(ProfileRow.version == profile.version) & free,
            )
        except PynamoDBException as error:
            if failed_condition(error):
                return None
            raise
        profile.lock = token, until
        return token

    def unlock(self, profile_id: str, token: str) -> None:
        """Give the right back after a refresh that brought nothing. Never raises: a lock lapses by itself."""
        try:
            ProfileRow(profile_id).update(
                actions=[ProfileRow.lock.remove(), ProfileRow.lock_until.remove()], condition=ProfileRow.lock == token
            )
        except PynamoDBException:
            return
