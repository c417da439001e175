"""What a network gets that fetches a medium by a signed address: judged as S3 judges it, read from moto's own state.

moto itself checks no signature's age, so this does: the bucket and the object must be there, and the address must be good still.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import moto.core.utils
from moto.s3.models import s3_backends

from local.motofixes import MOTO_LOCK
from local.networks.base import Pulled
from local.template import ACCOUNT

REFUSED = Pulled(403, "application/xml", 0)


def pull(url: str, region: str) -> Pulled:
    """What a GET of `url` gives: 403 unless it is signed and not too old, 404 for what is not there."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    with MOTO_LOCK:
        buckets = s3_backends[ACCOUNT]["aws"].buckets
        name = host.partition(".")[0]
        if name not in buckets:
            name, _, path = path.partition("/")
        found = buckets[name].keys.get(path) if name in buckets else None
        if not _good(query, region):
            return REFUSED
        if found is None:
            return Pulled(404, "application/xml", 0)
        kind = query.get("response-content-type") or found.metadata.get("Content-Type", "binary/octet-stream")
        return Pulled(200, str(kind), int(found.size))


def _good(query: dict[str, str], region: str) -> bool:
    try:
        made = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lasts = timedelta(seconds=int(query["X-Amz-Expires"]))
    except (KeyError, ValueError):
        return False
    now = moto.core.utils.utcnow().replace(tzinfo=UTC)
    return f"/{region}/s3/" in query.get("X-Amz-Credential", "") and "X-Amz-Signature" in query and now <= made + lasts
