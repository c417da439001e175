"""The routes of bulk requests. What they do stands in `importing`, which is loaded with the first of them: reading sheets and
planning imports is a tenth of what the API imports, and most processes never do."""

from __future__ import annotations

from .answers import Answer
from .request import Request


def create(request: Request) -> Answer:
    """POST /v1/posts/bulk."""
    from . import importing

    return importing.create(request)


def get(request: Request, bulk_id: str) -> Answer:
    """GET /v1/bulk/{id}."""
    from . import importing

    return importing.get(request, bulk_id)


def delete(request: Request, bulk_id: str) -> Answer:
    """DELETE /v1/bulk/{id}."""
    from . import importing

    return importing.delete(request, bulk_id)


def export(request: Request) -> Answer:
    """GET /v1/posts/export.csv."""
    from . import importing

    return importing.export(request)
