"""docs/networks.md: what the matrix saw, for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dateline.platforms import registry

if TYPE_CHECKING:
    from .matrix import Results

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"

FAULTS = {
    "rate_limit": "429, or the network's own way to say so", "server_error": "500, nothing done", "slow":
    "works longer than it is waited for", "reject": "refuses for good", "expired_token": "every access token lapses",
    "lost_answer": "does its work, and the connection breaks",
}
AT = {
    "publish": "at the publishing call", "prepare": "at the first call before it", "always": "at every publishing call",
    "look": "at every look after the publishing call's answer was lost",
}
KINDS = {"member": "a member's account", "facebook": "connected by Facebook's login", "gotosocial": "GoToSocial"}
LIVES = ("edited before its time", "cancelled before its time", "unpublished", "token dead, then connected again")


def page(results: dict[str, Results]) -> str:
    """The whole page from what was seen."""
    names = sorted(results, key=lambda name: (registry.names().index(name.partition(":")[0]), name))
    out = [
        "# Every network, and what happens when it fails", "",
        "Each cell was played over the real handlers against a stand-in of the network (`tests/networks`), and compared with",
        "what a reader of the network would see: nothing ever stood twice. `make networks` plays it all and writes this page;",
        "every run of the tests plays a part of it again: each shape once, one of each network through all of it. What",
        "the networks take is in [platforms.md](platforms.md).", "",
        "| network | shapes of post | edit | cancel | unpublish | token dies, is renewed by a person | may end `unconfirmed` |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, results[name]) for name in names), "",
        "A worker that dies after any of its calls, and an answer that is lost at any call to the network, each in turn with a",
        "post of its own, leave nothing twice either:", "",
        "| network | shape | posts, and how they ended |", "|---|---|---|",
        *(f"| {_called(name)} | {shape} | {ends} |" for name in names for shape, ends in _crashes(results[name])), "",
    ]
    for name in names:
        out += _section(name, results[name])
    return "\n".join(out).rstrip() + "\n"


def _row(name: str, seen: Results) -> str:
    lives = seen["any"]
    unsure = [
        (shape, case.partition(": ")[2].replace("_", " "))
        for shape, cases in seen.items() if shape not in ("any", "crashes")
        for case, end in cases.items() if end.startswith("unconfirmed") and case.startswith(("publish", "prepare"))
    ]
    shapes = ", ".join(dict.fromkeys(shape for shape in seen if shape not in ("any", "crashes")))
    at = f"{', '.join(dict.fromkeys(s for s, _ in unsure))}: after {', '.join(dict.fromkeys(f for _, f in unsure))}"
    cells = [_called(name), shapes, *(lives[life] for life in LIVES), at if unsure else "no"]
    return f"| {' | '.join(cells)} |"


def _called(name: str) -> str:
    platform, _, kind = name.partition(":")
    return registry.rules(platform).name + (f" ({KINDS[kind]})" if kind else "")


def _crashes(seen: Results) -> list[tuple[str, str]]:
    return sorted(seen.get("crashes", {}).items())


def _section(name: str, seen: Results) -> list[str]:
    rules = registry.rules(name.partition(":")[0])
    shapes = [shape for shape in seen if shape not in ("any", "crashes")]
    unsure = any(end.startswith("unconfirmed") for shape in shapes for end in seen[shape].values())
    out = [f"## {_called(name)}", "", rules.exactly_once, ""]
    if unsure:
        out += ["Where it ends `unconfirmed`, the network was asked and could not tell; a person decides.", ""]
    out += [f"| | what the network does | {' | '.join(shapes)} |", "|---|---|" + "---|" * len(shapes)]
    cases = dict.fromkeys(case for shape in shapes for case in seen[shape])
    for case in cases:
        at, _, fault = case.partition(": ")
        what = f"{FAULTS[fault]}, {AT[at]}" if fault else ""
        out.append(f"| {f'`{fault}`' if fault else case} | {what} | {' | '.join(seen[s].get(case, '') for s in shapes)} |")
    return [*out, ""]
