"""Two hashes of a post: of what one profile would show (is it a duplicate?), and of all that an approval is bound to."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from .content import Draft
from .instants import rfc3339
from .post import Post

TWIN_SPAN = timedelta(hours=24)
"""The same content on the same profile within this span of one another is a duplicate."""

TWIN_PAGE = timedelta(days=4)
"""Contents are registered on pages of so many days. The longer one is, the fewer posts reach over to the next."""


def _digest(value: Any) -> str:
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def content_hash(draft: Draft) -> str:
    """What one network is given: texts (without blanks around them), media and options."""
    segments = [[segment.text.strip(), [item.as_dict() for item in segment.media]] for segment in draft.segments]
    return _digest([segments, dict(draft.options)])[:32]


def twin_pages(at: datetime) -> tuple[int, ...]:
    """The pages that a post at `at` is registered on: of its time, and of 24 hours later. So two posts that lie less than that
    apart always share one, and whoever reads his own pages sees all of them."""
    first, last = (int(moment.timestamp() // TWIN_PAGE.total_seconds()) for moment in (at, at + TWIN_SPAN))
    return (first,) if first == last else (first, last)


def decision_hash(post: Post) -> str:
    """All that an approval is bound to: content, media, options, comment, time and targets."""
    when = rfc3339(post.publish_at) if post.publish_at else None
    said = [segment.as_dict() for segment in post.segments]
    late = [post.max_lateness, post.on_late, post.on_segment_failure]
    return _digest([said, post.platforms, post.first_comment, when, sorted(post.targets), late])[:32]
