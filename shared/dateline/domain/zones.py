"""The zone database: which names there are, the zone of a name, and what a misspelt one may have meant.

The bundled `tzdata` comes first, so that every machine resolves a time alike. No name opens a file before it is known.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from .errors import Problem
from .instants import shown

AT = "/timezone"


@cache
def zone_names() -> frozenset[str]:
    """Every zone name accepted, spelled as the IANA database spells it.

    From the bundled `tzdata` package, so that a laptop and a Lambda agree; the system's list only where that is missing.
    """
    root = _bundle()
    names = available_timezones() if root is None else (root / "zones").read_text("ascii").split()
    # Placeholders, not places: "Factory" is a device nobody has set up, the other two are whatever the machine says.
    return frozenset(names) - {"Factory", "localtime", "posixrules"}


@cache
def _bundle() -> Path | None:
    spec = find_spec("tzdata")
    root = Path(spec.origin).parent if spec and spec.origin else None
    return root if root and (root / "zones").is_file() else None


@cache
def version() -> str | None:
    """The release of the bundled database, such as "2027a"; None where only the system's is there, which tells none."""
    if _bundle() is None:
        return None
    from tzdata import IANA_VERSION

    return str(IANA_VERSION)


def zone(name: str) -> ZoneInfo:
    """The zone of that exact name. Raises Problem unknown_timezone with up to three suggestions (`suggestions`).

    A name is looked up in `zone_names()` before any file is opened: no path can be smuggled in, and capitals matter on
    every file system alike.
    """
    if name not in zone_names():
        near = _suggestions(name)
        if re.fullmatch(r"(?:UTC|GMT|Z)?\s*[+-]?[0-9]{1,2}:?(?:[0-9]{2})?|[Zz]", name):
            advice = "An offset is not a time zone: append it to the time, as in 2027-06-15T09:00:00+02:00."
            near = ("UTC",) if name in ("Z", "z") else ()
        elif near:
            advice = f"Did you mean {' or '.join(near)}?"
        else:
            advice = "Use a name from the IANA database, such as America/New_York, Europe/Berlin or UTC."
        raise Problem("unknown_timezone", f"{shown(name)} is not a time zone. {advice}", AT, {"suggestions": list(near)})
    return _load(name)


@cache
def _load(name: str) -> ZoneInfo:
    # ZoneInfo(name) would prefer the system's database, which may be years behind the bundled one.
    root = _bundle()
    if root is None:
        return ZoneInfo(name)
    with root.joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@lru_cache(maxsize=256)  # a bulk upload repeats its mistake on every row, and each look costs milliseconds
def _suggestions(name: str) -> tuple[str, ...]:
    """Up to three zone names near to `name`: the same but for capitals, else the same city, else a similar spelling."""
    from difflib import get_close_matches

    wanted = re.sub(r"[\s-]+", "_", name[:64].strip().lower())
    whole = {one.lower().replace("-", "_"): one for one in sorted(zone_names())}
    if wanted in whole:
        return (whole[wanted],)
    # The first zone of a city in the alphabet wins, but for the old names kept for compatibility without a region.
    cities: dict[str, str] = {}
    for key, one in whole.items():
        cities.setdefault(key.rpartition("/")[2], one)
    city = wanted.rpartition("/")[2]
    near = [cities[city]] if city in cities else []
    near += [whole[key] for key in get_close_matches(wanted, whole, n=3, cutoff=0.7)]
    near += [cities[key] for key in get_close_matches(city, cities, n=3, cutoff=0.8)]
    return tuple(dict.fromkeys(near))[:3]
