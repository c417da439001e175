"""The routes below /v1/media: files that clients send themselves, and copies of files behind a URL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ..aws.media import MediaUnavailable
from ..domain.content import Facts
from ..domain.errors import Problem
from ..domain.instants import rfc3339
from ..domain.probing import kind_of
from ..store.files import File
from ..usecases import uploads
from ..usecases.pinning import REFERENCE
from . import once
from .answers import Answer
from .request import Request


def view(file: File) -> dict[str, Any]:
    """A medium as clients see it."""
    facts = Facts(*file.facts) if file.facts is not None else None
    return {
        "id": file.id, "state": uploads.state_of(file), "url": f"{REFERENCE}{file.id}", "sourceUrl": file.url,
        "filename": file.filename, "contentType": facts.mime if facts else file.content_type or None,
        "type": kind_of(facts.mime) if facts else None, "bytes": facts.size if facts else file.bytes or None,
        "width": facts.width if facts else None, "height": facts.height if facts else None,
        "seconds": facts.seconds if facts else None, "sha256": file.sha256,
        "error": {"code": file.failure[0], "detail": file.failure[1]} if file.failure else None,
        "createdAt": rfc3339(file.created_at),
    }


def create(request: Request) -> Answer:
    """POST /v1/media."""
    from .shapes import MediaCreate, read

    body = request.body()
    shape = read(MediaCreate, body)

    def do() -> tuple[int, Any]:
        if shape.url is not None:
            return 201, view(uploads.begin_copy(request.deps, request.actor.partition, shape.url))
        return 201, view(uploads.begin_upload(request.deps, request.actor.partition, *shape.announced()))

    status, answer, replayed = once.answer_once(request, body, do)
    headers = {"Location": f"/v1/media/{answer['id']}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    # The address is signed afresh for a repeat, and kept nowhere.
    return Answer(status, {**answer, "upload": None if shape.url is not None else _upload(request, answer["id"])}, headers)


def _upload(request: Request, media_id: str) -> dict[str, Any]:
    file = uploads.find(request.deps, request.actor.partition, media_id)
    upload = uploads.sign(request.deps, file)
    until = request.deps.clock.now() + timedelta(seconds=upload.expires_in)
    return {"method": upload.method, "url": upload.url, "headers": dict(upload.headers), "expiresAt": rfc3339(until)}


def _unavailable() -> Problem:
    return Problem("try_again", "The store of media did not answer; ask again in a moment.")


def get(request: Request, media_id: str) -> Answer:
    """GET /v1/media/{id}: an upload that has come is looked into now."""
    file = uploads.find(request.deps, request.actor.partition, media_id)
    try:
        return Answer(200, view(uploads.looked_at(request.deps, file)))
    except MediaUnavailable:
        raise _unavailable() from None


def delete(request: Request, media_id: str) -> Answer:
    """DELETE /v1/media/{id}."""
    file = uploads.find(request.deps, request.actor.partition, media_id)
    try:
        uploads.remove(request.deps, file)
    except MediaUnavailable:
        raise _unavailable() from None
    return Answer(204, None)
