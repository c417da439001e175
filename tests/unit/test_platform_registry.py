"""Every registered network is whole: rules, a publisher, a stand-in, a contract test. Adding half a network fails here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dateline.domain.rules import Rules, check
from dateline.platforms import registry
from dateline.platforms.base import Publisher

TESTS = Path(__file__).parent.parent
METHODS = [name for name in vars(Publisher) if callable(getattr(Publisher, name)) and not name.startswith("_")]
NAMES = registry.names()
NETWORKS = [name for name in NAMES if name != "sandbox"]


@pytest.mark.parametrize("name", NAMES)
def test_every_network_has_rules_of_its_own_name_with_their_source(name: str) -> None:
    rules = registry.rules(name)
    assert isinstance(rules, Rules)
    assert rules.platform == name
    assert rules.text
    assert rules.source
    assert rules.exactly_once
    assert rules.options["additionalProperties"] is False


@pytest.mark.parametrize("name", NAMES)
def test_every_network_has_a_publisher_with_the_whole_protocol(name: str) -> None:
    publisher: Any = registry.publisher(name)
    assert publisher.rules is registry.rules(name)
    assert publisher.default_server.startswith("https://") or (publisher.own_server and not publisher.default_server)
    assert [m for m in METHODS if not callable(getattr(publisher, m, None))] == []
    assert all(field.detail for field in publisher.credential_fields)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_stand_in_that_offers_an_account(name: str) -> None:
    from datetime import UTC, datetime

    from local.networks.registry import NETWORKS as STAND_INS
    from local.networks.registry import build_world

    assert [kind.platform for kind in STAND_INS].count(name) == 1
    network: Any = build_world(lambda: datetime(2026, 6, 15, tzinfo=UTC)).networks[name]
    offered = network.credentials_for(f"prof_{name}")
    required = {field.name for field in registry.publisher(name).credential_fields if field.required}
    assert required <= set(offered["credentials"])
    assert offered["server"].startswith("/")
    assert offered["accountId"]


@pytest.mark.parametrize("name", NAMES)
def test_every_network_has_a_contract_test(name: str) -> None:
    assert (TESTS / "contract" / f"test_{name}.py").is_file()


def test_there_is_no_stand_in_for_a_network_that_is_not_registered() -> None:
    from local.networks.registry import NETWORKS as STAND_INS

    assert sorted(kind.platform for kind in STAND_INS) == sorted(NETWORKS)


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_short_post_breaks_no_rule(name: str) -> None:
    """With the settings of an ordinary profile: a subreddit or a board to post to, where the network needs one."""
    from datetime import UTC, datetime

    from dateline.domain.content import Draft, Media, Segment
    from local.networks.registry import build_world

    rules = registry.rules(name)
    network: Any = build_world(lambda: datetime(2026, 6, 15, tzinfo=UTC)).networks.get(name)
    settings = network.credentials_for(f"prof_{name}").get("settings", {}) if network else {}
    kind = "video" if "video" in rules.media and rules.min_media else "image"
    media = (Media("https://cdn.example.com/a", kind),) * rules.min_media
    assert check(rules, Draft((Segment("Hello", media),)), settings) == []


def test_an_unknown_network_is_named_together_with_those_there_are() -> None:
    with pytest.raises(KeyError) as error:
        registry.publisher("myspace")
    assert str(error.value) == f"There is no platform 'myspace'; there are: {', '.join(NAMES)}."
    with pytest.raises(registry.UnknownPlatform):
        registry.rules("myspace")


@pytest.mark.parametrize("name", NAMES)
def test_asking_for_one_network_loads_no_other_and_nothing_heavy(name: str) -> None:
    code = f"""
import sys
from dateline.platforms import registry
registry.publisher({name!r})
others = [module for other, module in registry.PLATFORMS.items() if other != {name!r}]
heavy = ["requests", "regex", "libipld", "cryptography", "boto3", "pydantic"]
print([module for module in [*others, *heavy] if module in sys.modules])
"""
    shared = str(TESTS.parent / "shared")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": shared})
    assert done.stdout.strip() == "[]"


def test_the_networks_that_keep_posts_are_those_that_are_asked_to() -> None:
    """`dispatch` names them itself, so that no network's rules are loaded to ask; each of them has the whole protocol."""
    from dateline.platforms.base import Native
    from dateline.usecases.dispatch import KEEPERS

    assert {name for name in NAMES if registry.rules(name).native is not None} == KEEPERS
    methods = [name for name in vars(Native) if callable(getattr(Native, name)) and not name.startswith("_")]
    assert len(methods) == 4
    assert all(callable(getattr(registry.publisher(name), method, None)) for name in KEEPERS for method in methods)
