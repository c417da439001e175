"""Who may import what, read from the sources, and what a cold start really loads, seen in a fresh process."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "shared" / "dateline"
HANDLERS = ("api", "publish", "deliver", "media", "notify", "sweep")

AWS = {"boto3", "botocore", "pynamodb", "aws_lambda_powertools", "moto"}


def sources(*below: str) -> list[Path]:
    found = [path for part in below for path in sorted((PACKAGE / part).rglob("*.py"))]
    assert found
    return found


def imports(path: Path) -> Iterator[str]:
    """Absolute names of everything a module imports, wherever in it."""
    parts = ("dateline", *path.relative_to(PACKAGE).with_suffix("").parts)
    package = parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def within(name: str, *parents: str) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)


def offences(paths: list[Path], *forbidden: str) -> list[str]:
    return [f"{path.relative_to(PACKAGE)}: {name}" for path in paths for name in imports(path) if within(name, *forbidden)]


def test_the_domain_imports_no_aws_no_http_and_nothing_of_ours_but_itself() -> None:
    others = [
        f"dateline.{name}" for name in ("api", "aws", "http", "platforms", "runtime", "store", "usecases", "wiring", "admin")
    ]
    assert offences(sources("domain"), *AWS, "requests", "pydantic", *others) == []


def test_platforms_import_neither_aws_nor_the_store_nor_the_use_cases() -> None:
    assert (
        offences(sources("platforms"), *AWS, "pydantic", "dateline.store", "dateline.aws", "dateline.usecases", "dateline.api")
        == []
    )


def test_adapters_import_neither_use_cases_nor_the_api() -> None:
    assert (
        offences(sources("store", "aws"), "dateline.usecases", "dateline.api", "dateline.platforms", "requests", "pydantic") == []
    )


def test_use_cases_know_nothing_of_http_and_reach_aws_through_what_they_are_given() -> None:
    assert offences(sources("usecases"), *AWS, "requests", "pydantic", "dateline.api") == []


def test_only_shapes_import_pydantic_and_only_the_way_out_imports_requests() -> None:
    everything = sources(".")
    assert {line.split(":")[0] for line in offences(everything, "pydantic", "pydantic_core")} == {
        "api/shapes.py",
        "api/answer_shapes.py",
    }
    assert {line.split(":")[0] for line in offences(everything, "requests")} == {"http.py"}


def test_the_shapes_of_answers_are_for_tools_and_tests_only() -> None:
    assert offences(sources("."), "dateline.api.answer_shapes") == []


def test_nothing_imports_from_a_handler_or_from_the_local_stack() -> None:
    assert offences(sources("."), "functions", "app", "local", "tests", "tools") == []


def reads_the_environment(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {"environ", "getenv", "environb"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names) or (isinstance(node, ast.ImportFrom) and node.module == "os")
        for node in ast.walk(tree)
    )


def test_only_wiring_reads_the_environment() -> None:
    places = [*sources("."), *sorted((ROOT / "functions").rglob("*.py"))]
    readers = {str(path.relative_to(ROOT)) for path in places if reads_the_environment(path)}
    # The command for administrators fills the environment from the stack's outputs; no function imports it.
    assert readers <= {"shared/dateline/wiring.py", "shared/dateline/admin.py"}
    assert offences(sources("."), "dateline.admin") == []


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_is_thin(name: str) -> None:
    lines = (ROOT / "functions" / name / "app.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 60, "a handler parses, calls the package and answers"


TABLES = ("posts", "bookings", "profiles", "workspaces", "events", "idempotency")

FORBIDDEN = {
    "api": ("pydantic", "requests", "dateline.api.shapes", "dateline.api.answer_shapes"),
    "publish": ("pydantic", "requests", "dateline.api", "dateline.platforms"),
    "notify": ("pydantic", "requests", "dateline.api"),
    "sweep": ("pydantic", "requests", "dateline.api"),
    "deliver": ("pydantic", "dateline.api"),
    "media": ("pydantic", "dateline.api"),
}
"""Modules that the import of a handler must leave out: they would be paid for by every cold start."""


@pytest.mark.parametrize("name", HANDLERS)
def test_a_cold_start_loads_only_what_it_needs(name: str) -> None:
    """Every call would fail: there is no network and no account behind these names."""
    script = "import sys, app\nprint('\\n'.join(sys.modules))"
    environment = {
        **{key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "SYSTEMROOT", "LD_LIBRARY_PATH")},
        "PYTHONPATH": os.pathsep.join((str(ROOT / "functions" / name), str(ROOT / "shared"))),
        "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        **{f"DATELINE_{name.upper()}_TABLE": name for name in TABLES},
        "DATELINE_DELIVERIES_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/q",
        "POWERTOOLS_METRICS_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    assert "dateline.wiring" in loaded
    assert [module for module in loaded if within(module, *FORBIDDEN[name])] == []
