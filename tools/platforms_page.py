"""docs/platforms.md, written from the catalogue that `GET /v1/platforms` answers. `--check` fails when the page is stale."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dateline.api.platforms import platform_view
from dateline.platforms import registry

PAGE = Path(__file__).parents[1] / "docs" / "platforms.md"


def page() -> str:
    """The whole page."""
    views = [platform_view(name) for name in registry.names() if name != "sandbox"]
    out = [
        "# What every network takes", "",
        "This page is written from the tables that posts are held against (`make platforms`); `GET /v1/platforms` answers the",
        "same. `docs/networks.md` shows how each network behaves when something fails. Where a network takes",
        "more, Dateline's own limits hold all the same: a post has at most 20 media and 25 segments.", "",
        "| network | text | media | thread | first comment | scheduled by the network | unpublish | connected by |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(view) for view in views), "",
    ]
    for view in views:
        out += _section(view)
    return "\n".join(out).rstrip() + "\n"


def _row(view: dict[str, Any]) -> str:
    texts = "; ".join(f"{t['limit']:,} {t['unit']}{' beside media' if t['withMedia'] else ''}" for t in view["text"])
    media = ", ".join(f"{m['most']} {kind}" for kind, m in view["media"].items())
    segments = view["threads"]["segments"]
    window = view["nativeWindow"]
    native = "no" if window is None else "by default" if window["byDefault"] else "`nativeSchedule: true`"
    cells = [
        f"[{view['displayName']}](#{view['displayName'].lower().replace(' ', '-')}) `{view['name']}`", texts,
        media + ("" if not view["minMedia"] else " (required)"), f"{segments} segments" if segments > 1 else "no",
        "yes" if view["firstComment"] else "no", native, "yes" if view["unpublish"] else "no",
        "consent" if view["connect"]["consent"] else "credentials",
    ]
    return f"| {' | '.join(cells)} |"


def _section(view: dict[str, Any]) -> list[str]:
    out = [f"## {view['displayName']}", "", f"`{view['name']}`. {view['exactlyOnce']}", ""]
    out += [f"* {t['limit']:,} {t['unit']}{' beside media' if t['withMedia'] else ''} (`{t['rule']}`): {t['how']}."
            for t in view["text"]]
    for kind, m in view["media"].items():
        out.append(f"* {m['most']} of type {kind}, {', '.join(m['formats'])}, {_size(m)}{_spans(m)}.")
    if view["altTextLimit"]:
        out.append(f"* Alternative text of {view['altTextLimit']:,} characters.")
    if view["horizonDays"]:
        out.append(f"* Scheduled at most {view['horizonDays']} days ahead.")
    if view["dailyCap"]:
        cap = view["dailyCap"]
        setting = f"; a profile's setting `{cap['setting']}` says another figure" if cap["setting"] else ""
        out.append(f"* At most {cap['limit']:,} posts in {cap['hours']} hours: {cap['source']}{setting}.")
    if view["nativeScheduling"]:
        out.append(f"* {view['nativeScheduling']}")
    out += ["", *_options(view["options"]), *_connect(view), f"Figures: {view['source']}", ""]
    return out


def _size(media: dict[str, Any]) -> str:
    least = f"from {media['leastBytes']:,} " if media["leastBytes"] else ""
    return f"{least}up to {media['bytes']:,} bytes"


def _spans(media: dict[str, Any]) -> str:
    said = {"seconds": "{} to {} seconds", "width": "{} to {} pixels wide", "height": "{} to {} pixels high",
            "ratio": "a width of {} to {} times the height"}
    found = [text.format(f"{media[name]['least']:g}", f"{media[name]['most']:,g}") for name, text in said.items() if media[name]]
    return "".join(f", {each}" for each in found)


def _options(schema: dict[str, Any]) -> list[str]:
    options = schema.get("properties", {})
    if not options:
        return []
    rows = [f"| `{name}` | {_type(option)} | {option.get('description', '')} |" for name, option in options.items()]
    return ["| option | value | |", "|---|---|---|", *rows, ""]


def _type(option: dict[str, Any]) -> str:
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    kind = str(option.get("type", "any"))
    return f"list of {_type(option['items'])}" if kind == "array" and "items" in option else kind


def _connect(view: dict[str, Any]) -> list[str]:
    names = ", ".join(f"`{c['name']}`{'' if c['required'] else ' (optional)'}" for c in view["credentials"])
    out = [f"Credentials: {names or 'none'}."]
    if view["connect"]["consent"]:
        out.append(f"Consent asks for {', '.join(f'`{scope}`' for scope in view['connect']['scopes'])}.")
    return [*out, ""]


def main() -> int:
    """Write the page, or with `--check` say whether it is stale (1)."""
    if "--check" in sys.argv[1:]:
        stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page()
        if stale:
            print("docs/platforms.md is stale: make platforms")
        return int(stale)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
