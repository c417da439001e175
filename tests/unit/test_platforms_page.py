"""docs/platforms.md is what the catalogue says."""

from __future__ import annotations

from dateline.platforms import registry
from tools.platforms_page import PAGE, page


def test_the_page_is_what_the_catalogue_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "stale: make platforms"


def test_every_network_and_every_option_is_on_it() -> None:
    said = page()
    for name in registry.names():
        if name == "sandbox":
            continue
        rules = registry.rules(name)
        assert f"## {rules.name}\n" in said and rules.exactly_once in said
        assert [option for option in rules.options["properties"] if f"| `{option}` |" not in said] == []
        assert all(f"{limit.limit:,} {limit.unit}" in said for limit in rules.text)
