"""docs/connect.md says of every consenting network what its publisher asks for, and of every refusal that there is one."""

from __future__ import annotations

import re

import pytest

from dateline.platforms import registry
from local.stack import ROOT

PAGE = (ROOT / "docs" / "connect.md").read_text(encoding="utf-8")
FLOWS = {name: flow for name in registry.names() if (flow := registry.publisher(name).connect) is not None}


def row_of(name: str) -> list[str]:
    """The cells of a network's row."""
    row = next((line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |")), None)
    assert row is not None, f"{name} is not in the table of apps"
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.parametrize("name", FLOWS)
def test_the_page_names_exactly_the_scopes_that_are_asked_for(name: str) -> None:
    assert re.findall(r"`([^`]+)`", row_of(name)[2]) == list(FLOWS[name].scopes)


def test_every_reason_for_a_failed_consent_is_explained() -> None:
    package = ROOT / "shared" / "dateline"
    modules = ("usecases/connecting.py", "usecases/granted.py", "platforms/oauth.py")
    sources = "\n".join((package / module).read_text(encoding="utf-8") for module in modules)
    codes = set(re.findall(r'(?:Failed|_problem|_failed)\((?:deps, connection, )?"([a-z_]+)"', sources)) - {"not_registered"}
    assert {"state_used", "code_refused", "wrong_account", "interrupted"} <= codes
    assert sorted(code for code in codes if f"`{code}`" not in PAGE) == []
