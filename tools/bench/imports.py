"""Cold starts: what importing each function costs, what its first work adds, and how much memory it takes.

Milliseconds of one machine say nothing about another; the ratio to `import boto3; boto3.client("dynamodb")` does. Each import is
in a fresh process, with the environment of template.yaml; the functions and the reference take turns, so that a machine that
slows down slows all of them. Nothing here reaches a network: the first requests are answered from a recording.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

import botocore.endpoint

from local.aws import CREDENTIALS
from local.events import http_event
from local.seed import LIVE_KEY
from tests.harness import Dateline
from tools.bench.meter import NETWORKS
from tools.bench.operations import THREE

ROOT = Path(__file__).resolve().parents[2]
RUNS = 15
FIRST_RUNS = 5
REFERENCE = "reference"
MOST = {"api": 1.6, "publish": 1.2, "deliver": 1.4, "notify": 1.2, "sweep": 1.2}
"""The aims, as ratios to the reference."""

_START = "import time; start = time.perf_counter()\n"
_END = "\nspent = time.perf_counter() - start\nfrom tools.bench.replay import peak; print(spent, peak())"
_CODE = {REFERENCE: 'import boto3; boto3.client("dynamodb")'}

_NETWORK = """
import app, time; start = time.perf_counter()
from dateline import wiring; from dateline.platforms import registry
deps = wiring.deps(); deps.http; deps.secrets; registry.publisher("{name}")"""


class Import(NamedTuple):
    """Medians: milliseconds, the ratio to the reference of the same round, megabytes at the peak."""

    name: str
    milliseconds: float
    ratio: float
    megabytes: float


class First(NamedTuple):
    """What the first work of a new process takes beyond the same work done again: milliseconds, and as a ratio."""

    name: str
    milliseconds: float
    ratio: float
    megabytes: float


def measure(environment: Mapping[str, str]) -> list[Import]:
    """The reference and every function, `RUNS` times in turn, after one round that only writes bytecode."""
    names = [REFERENCE, *MOST]
    rounds = []
    for number in range(RUNS + 1):
        taken = {name: _run(_START + _CODE.get(name, "import app") + _END, name, environment) for name in names}
        if number:
            rounds.append(taken)
    return [
        Import(
            name, 1000 * median(taken[name][0] for taken in rounds),
            median(taken[name][0] / taken[REFERENCE][0] for taken in rounds), median(taken[name][1] for taken in rounds) / 1024,
        )
        for name in names
    ]


def measure_first(dateline: Dateline) -> list[First]:
    """The api's first POST, and what deliver loads for its first delivery to each network; the reference in turn."""
    environment = dict(dateline.stack.environment)
    out = []
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "recording.json"
        recording.write_text(json.dumps(_record(dateline)))
        code = f"from tools.bench.replay import replay; replay({str(recording)!r})"
        taken = [(_numbers(code, "api", environment), _reference(environment)) for _ in range(FIRST_RUNS)]
    for number, what in ((1, "first GET"), (2, "first POST")):
        out.append(_first(f"api, {what}", [(row[number] - row[number + 2], row[5], reference) for row, reference in taken]))
    for name in NETWORKS:
        code = _NETWORK.format(name=name) + _END
        spent = [(*_run(code, "deliver", environment), _reference(environment)) for _ in range(FIRST_RUNS)]
        out.append(_first(f"deliver, first {name}", spent))
    return out


def _first(name: str, taken: Sequence[tuple[float, float, float]]) -> First:
    """From (extra seconds, kilobytes, the reference's seconds) of each round."""
    extra, ratio = median(row[0] for row in taken), median(row[0] / row[2] for row in taken)
    return First(name, 1000 * extra, ratio, median(row[1] for row in taken) / 1024)


def _reference(environment: Mapping[str, str]) -> float:
    return _run(_START + _CODE[REFERENCE] + _END, REFERENCE, environment)[0]


def _record(dateline: Dateline) -> dict[str, Any]:
    """Two reads and two creates through the api, with the raw answers AWS (moto) gave."""
    answers: list[dict[str, Any]] = []
    convert = botocore.endpoint.convert_to_response_dict

    def recorded(response: Any, model: Any) -> Any:
        answers.append({
            "status": response.status_code, "headers": dict(response.headers),
            "body": base64.b64encode(response.content).decode(),
        })
        return convert(response, model)

    headers = {"authorization": f"Bearer {LIVE_KEY}", "content-type": "application/json"}
    post = dateline.post(*THREE, text="The post that is read.")
    at = datetime.now(UTC) + timedelta(days=30)
    body = {
        "text": "A usual post. " * 14, "profileIds": list(THREE), "scheduledFor": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "allowDuplicate": True,
    }
    events = []
    with patch.object(botocore.endpoint, "convert_to_response_dict", recorded), _forgotten():
        for method, path, content in (
            ("GET", f"/v1/posts/{post['id']}", None), ("POST", "/v1/posts", body),
            ("GET", f"/v1/posts/{post['id']}", None), ("POST", "/v1/posts", body),
        ):
            event = http_event(method, path, headers, content, now=dateline.clock.now())
            outcome = dateline.stack.invoke("api", event)
            if outcome.value["statusCode"] not in (200, 201):
                raise RuntimeError(f"the recorded {method} was answered {outcome.value}")
            events.append(event)
    return {"events": events, "answers": answers}


@contextmanager
def _forgotten() -> Iterator[None]:
    """No key is remembered when the recording begins, as in a new process."""
    from dateline.api import auth

    auth.forget()
    yield


def _numbers(code: str, function: str, environment: Mapping[str, str]) -> list[float]:
    """The numbers a new process prints, in a function's folder and environment."""
    paths = [str(ROOT / "shared"), str(ROOT / "functions" / function), str(ROOT)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60,
        env={
            **kept, **CREDENTIALS, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", **environment,
            "PYTHONPATH": os.pathsep.join(paths),
        },
    )
    if done.returncode:
        raise RuntimeError(f"{function}: {done.stderr[-2000:]}")
    return [float(number) for number in done.stdout.split()]


def _run(code: str, function: str, environment: Mapping[str, str]) -> tuple[float, float]:
    seconds, kilobytes = _numbers(code, function if function in MOST else "api", environment)
    return seconds, kilobytes
