"""Profiles: connected accounts. Their credentials are ciphertext here; `aws.secrets` opens them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pynamodb.exceptions import PynamoDBException

from ..domain.ids import new_token
from ..domain.post import partition
from .tables import BookingRow, Conflict, ProfileRow, answered, failed_condition

MOST_READ = 200
"""Profiles of a workspace that a list by platform looks through."""


def gone_key(ws: str, platform: str) -> str:
    """The key under which the deleted profiles of a platform are kept."""
    return f"gone#{ws}#{platform}"


@dataclass(slots=True)
class Profile:
    """A connected account. `status` is connected or disconnected; `secret` is ciphertext.

    `token_expires_at` is when the access token lapses (None: it does not). `settings` is what its server said of itself.
    """

    id: str
    workspace_id: str
    mode: str
    platform: str
    name: str
    created_at: datetime
    updated_at: datetime
    account_id: str = ""
    server: str = ""
    status: str = "connected"
    settings: dict[str, Any] = field(default_factory=dict)
    secret: bytes | None = field(default=None, repr=False)
    token_expires_at: datetime | None = None
    error: dict[str, Any] | None = None
    version: int = 0

    @property
    def partition(self) -> str:
        """The workspace's live or test side."""
        return partition(self.workspace_id, self.mode)


def _time(value: float | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)


def from_row(row: ProfileRow) -> Profile:
    """The profile a row stands for."""
    return Profile(
        id=row.id, workspace_id=row.workspace_id, mode=row.mode, platform=row.platform, name=row.name,
        created_at=datetime.fromtimestamp(row.created_at, UTC), updated_at=datetime.fromtimestamp(row.updated_at, UTC),
        account_id=row.account_id or "", server=row.server or "", status=row.status, settings=dict(row.settings or {}),
        secret=row.secret, token_expires_at=_time(row.token_expires_at), error=row.error, version=int(row.version),
    )


class Profiles:
    """The profiles table."""

    @answered
    def get(self, profile_id: str) -> Profile | None:
        """The profile as it is now, None if there is none. Raises `StoreUnavailable`."""
        try:
            return from_row(ProfileRow.get(profile_id, consistent_read=True))
        except ProfileRow.DoesNotExist:
            return None

    @answered
    def get_many(self, profile_ids: Iterable[str]) -> dict[str, Profile]:
        """Those of the profiles that exist, by id: one call for up to 100."""
        return {row.id: from_row(row) for row in ProfileRow.batch_get(list(profile_ids), consistent_read=True)}

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
    def save(self, profile: Profile) -> None:
        """Write the profile on condition that nobody wrote since it was read. Raises `Conflict`, `StoreUnavailable`."""
        expected, profile.version = profile.version, profile.version + 1
        row = ProfileRow(
            id=profile.id, ws=profile.partition, workspace_id=profile.workspace_id, mode=profile.mode,
            platform=profile.platform, name=profile.name, account_id=profile.account_id, server=profile.server,
            status=profile.status, settings=profile.settings, secret=profile.secret, error=profile.error,
            token_expires_at=profile.token_expires_at.timestamp() if profile.token_expires_at else None,
            version=profile.version, created_at=profile.created_at.timestamp(), updated_at=profile.updated_at.timestamp(),
        )
        try:
            row.save(condition=ProfileRow.version == expected if expected else ProfileRow.id.does_not_exist())
        except PynamoDBException as error:
            profile.version = expected
            if failed_condition(error):
                raise Conflict from error
            raise

    @answered
    def delete(self, profile_id: str) -> None:
        """Remove the profile and its credentials. Removing what is gone is no error. Its platform is kept for the lists."""
        try:
            row = ProfileRow.get(profile_id, consistent_read=True)
        except ProfileRow.DoesNotExist:
            return
        BookingRow(gone_key(row.ws, row.platform), row.id, post_id=row.id, ws=row.ws, state="gone").save()
        row.delete()

    @answered
    def lock(self, profile: Profile, now: datetime, seconds: float) -> str | None:
        """Take the right to refresh this profile's tokens: a token to unlock with, None if another worker has it. Saving
        the profile ends the lock too.

        Conditional on the version that was read: whoever reads old tokens after a refresh does not get the lock.
        """
        token = new_token()
        free = ProfileRow.lock.does_not_exist() | (ProfileRow.lock_until < now.timestamp())
        try:
            ProfileRow(profile.id).update(
                actions=[ProfileRow.lock.set(token), ProfileRow.lock_until.set(now.timestamp() + seconds)],
                condition=(ProfileRow.version == profile.version) & free,
            )
        except PynamoDBException as error:
            if failed_condition(error):
                return None
            raise
        return token

    def unlock(self, profile_id: str, token: str) -> None:
        """Give the right back after a refresh that brought nothing. Never raises: a lock lapses by itself."""
        try:
            ProfileRow(profile_id).update(
                actions=[ProfileRow.lock.remove(), ProfileRow.lock_until.remove()], condition=ProfileRow.lock == token
            )
        except PynamoDBException:
            return
