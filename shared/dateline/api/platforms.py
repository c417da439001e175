"""The catalogue: what every network takes, as the tables say that posts are held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..domain.errors import Problem
from ..domain.rules import MediaLimit, Rules, TextLimit
from .answers import Answer, slice_of
from .request import Request


def list_platforms(request: Request) -> Answer:
    """GET /v1/platforms."""
    from ..platforms import registry

    return slice_of(request, [platform_view(name) for name in registry.names()])


def get_platform(request: Request, name: str) -> Answer:
    """GET /v1/platforms/{name}."""
    from ..platforms import registry

    if name not in registry.names():
        raise Problem("not_found", f"There is no platform {name!r}; there are: {', '.join(registry.names())}.")
    return Answer(200, platform_view(name))


def platform_view(name: str) -> dict[str, Any]:
    """One network's entry of the catalogue."""
    from ..platforms import registry

    publisher = registry.publisher(name)
    rules = publisher.rules
    return {
        "name": rules.platform, "displayName": rules.name,
        "text": _texts(name, rules.text), "media": {kind: _media(limit) for kind, limit in rules.media.items()},
        "mostMedia": rules.most_media, "mixedMedia": rules.mixed_media, "minMedia": rules.min_media,
        "altTextLimit": rules.alt_text, "threads": {"segments": rules.thread_segments, "atomic": rules.thread_atomic},
        "firstComment": rules.first_comment,
        "commentText": _texts(name, rules.text if rules.comment is None else rules.comment) if rules.first_comment else [],
        "horizonDays": rules.horizon_days, "dailyCap": rules.daily_cap and rules.daily_cap._asdict(),
        "nativeScheduling": rules.native_scheduling, "nativeWindow": _window(rules), "unpublish": rules.deletes,
        "options": rules.options, "exactlyOnce": rules.exactly_once, "ownServer": publisher.own_server,
        "connect": {
            "consent": publisher.connect is not None, "scopes": list(publisher.connect.scopes) if publisher.connect else [],
            "renewedBefore": publisher.refresh_ahead or None,
        },
        "credentials": [{"name": c.name, "required": c.required, "detail": c.detail} for c in publisher.credential_fields],
        "source": rules.source,
    }


def _texts(name: str, limits: Sequence[TextLimit]) -> list[dict[str, Any]]:
    return [
        {"limit": t.limit, "unit": t.unit, "how": t.how, "rule": f"{name}.{t.rule}", "withMedia": t.with_media,
         "perProfile": t.setting is not None}
        for t in limits
    ]


def _media(limit: MediaLimit) -> dict[str, Any]:
    spans = {"seconds": limit.seconds, "width": limit.width, "height": limit.height, "ratio": limit.ratio}
    return {
        "most": limit.most, "bytes": limit.bytes, "leastBytes": limit.least_bytes, "formats": list(limit.formats),
        **{name: {"least": span[0], "most": span[1]} if span else None for name, span in spans.items()},
        "perProfile": limit.setting is not None,
    }


def _window(rules: Rules) -> dict[str, Any] | None:
    window = rules.native
    return window and {"leastSeconds": window.least, "mostSeconds": window.most, "byDefault": window.by_default}
