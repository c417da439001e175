"""Media that clients gave us themselves, or had copied: one row each, by id."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from .tables import WorkspaceRow, answered


class File(NamedTuple):
    """An upload, or a copy of the file behind a URL. `key` is where its bytes are; `bytes` what was announced of an upload, else
    0; `facts` as in `domain.content.Facts`, once they are known; `failure` is a code and a sentence."""

    id: str
    partition: str
    created_at: datetime
    key: str
    url: str | None = None
    filename: str | None = None
    content_type: str = ""
    bytes: int = 0
    facts: tuple[Any, ...] | None = None
    sha256: str | None = None
    failure: tuple[str, str] | None = None


class Files:
    """Rows `media#<id>` of the workspaces table."""

    @answered
    def get(self, media_id: str) -> File | None:
        """One of them, whosever it is; None if there is none. Raises `StoreUnavailable`."""
        try:
            row = WorkspaceRow.get(f"media#{media_id}", "media", consistent_read=True)
        except WorkspaceRow.DoesNotExist:
            return None
        body = dict(row.body or {})
        body["created_at"] = datetime.fromisoformat(body["created_at"])
        for name in ("facts", "failure"):
            if body.get(name) is not None:
                body[name] = tuple(body[name])
        return File(id=media_id, **body)

    @answered
    def save(self, file: File, days: int) -> None:
        """Write one; it is forgotten so many days after it was made. Raises `StoreUnavailable`."""
        body = {name: value for name, value in file._asdict().items() if value is not None and name != "id"}
        body["created_at"] = file.created_at.isoformat()
        expires = int((file.created_at + timedelta(days=days)).timestamp())
        WorkspaceRow(f"media#{file.id}", "media", body=body, expires_at=expires).save()

    @answered
    def delete(self, media_id: str) -> None:
        """Forget one. Raises `StoreUnavailable`."""
        WorkspaceRow(f"media#{media_id}", "media").delete()
