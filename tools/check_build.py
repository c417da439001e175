"""Runs what `sam build` made, the way Lambda would: on Python 3.13, with the function's folder, the built layers, nothing else.

It finds what no test of the sources can: a package missing from the layer, a module that only exists in the checkout, a
wheel of the wrong processor, an alarm on a metric that nobody emits. AWS is a moto server holding the template's tables and
queues; no real account is reached.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = "3.13"

INVOKE = """
import importlib, json, sys, time
given = json.load(sys.stdin)
sys.path[:0] = given["path"]

class Context:
    function_name = given["function"]
    function_version = "$LATEST"
    invoked_function_arn = given["arn"]
    memory_limit_in_mb = given["memory"]
    aws_request_id = "00000000-0000-0000-0000-000000000000"
    log_group_name = log_stream_name = "check"
    def get_remaining_time_in_millis(self):
        return given["timeout"] * 1000

start = time.perf_counter()
handler = getattr(importlib.import_module(given["module"]), given["attribute"])
imported = time.perf_counter() - start
answer = handler(given["event"], Context())
print()
print(json.dumps({"imported": imported, "answer": answer}))
"""


def find_python() -> str | None:
    """Path of an interpreter of the runtime's version that really starts (a pyenv shim may not), or None."""
    return next((path for path in _candidates() if _version(path) == RUNTIME), None)


def _candidates() -> Iterator[str]:
    name = f"python{RUNTIME}"
    yield str(Path(sys.executable).with_name(name))
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if found := shutil.which(name, path=folder):
            yield found
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    for base, pattern in (
        (pyenv / "versions", f"{RUNTIME}*/bin/{name}"),
        (home / ".local/share/uv/python", f"cpython-{RUNTIME}*/bin/{name}"),
        (home / ".asdf/installs/python", f"{RUNTIME}*/bin/{name}"),
        (Path("/opt/homebrew/bin"), name),
        (Path("/usr/local/bin"), name),
    ):
        yield from map(str, sorted(base.glob(pattern), reverse=True))


def _version(path: str) -> str:
    code = "import sys, pip; print('%d.%d' % sys.version_info[:2])"  # SAM builds with its pip
    try:
        done = subprocess.run([path, "-c", code], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def check(build: Path, python: str) -> list[str]:
    """Invoke every built function with its sample event. Returns what is wrong, one line each."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        return list(_check(build, python, f"http://{host}:{port}"))
    finally:
        server.stop()


def _check(build: Path, python: str, endpoint: str) -> Iterator[str]:
    from local.aws import CREDENTIALS, create_resources
    from local.functions import read_functions
    from local.template import Template

    aws = {**CREDENTIALS, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ.update(aws)
    template = Template.load(build / "template.yaml")
    create_resources(template)
    layers = [str(build / p["ContentUri"] / "python") for _, _, p in template.resources("AWS::Serverless::LayerVersion")]
    functions, _ = read_functions(template, build)
    emitted: set[tuple[str, str, frozenset[str]]] = set()
    for function in functions.values():
        name = function.arn.rpartition(":")[2].removeprefix(f"{template.stack_name}-")
        given = {
            "path": [str(function.code), *layers],
            "function": function.name, "arn": function.arn, "memory": function.memory, "timeout": function.timeout,
            "module": function.module, "attribute": function.attribute,
            "event": json.loads((ROOT / "events" / f"{name}.json").read_text()),
        }
        try:
            # -I and -S: no PYTHONPATH, no checkout, no site-packages.
            done = subprocess.run(
                [python, "-I", "-S", "-c", INVOKE], input=json.dumps(given), capture_output=True, text=True, check=False,
                env={**function.environment, **aws, "HOME": os.environ.get("HOME", "/"), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=function.code, timeout=function.timeout + 30,
            )
        except subprocess.TimeoutExpired:
            yield f"{name}: no answer within {function.timeout + 30} s"
            continue
        if done.returncode:
            yield f"{name}: {done.stderr.strip() or done.stdout.strip()}"
            continue
        emitted |= set(_metrics(done.stdout))
        result = json.loads(done.stdout.strip().rpartition("\n")[2])
        if wrong := _wrong(name, result["answer"]):
            yield f"{name}: {wrong}\n{done.stdout.strip()}"
        else:
            print(f"{name}: imported in {result['imported'] * 1000:.0f} ms, answers its sample event")
    for logical_id, _, alarm in template.resources("AWS::CloudWatch::Alarm"):
        dimensions = frozenset(dimension["Name"] for dimension in alarm.get("Dimensions", []))
        if not alarm["Namespace"].startswith("AWS/") and (alarm["Namespace"], alarm["MetricName"], dimensions) not in emitted:
            found = sorted((space, name, sorted(by)) for space, name, by in emitted)
            yield f"{logical_id} watches {alarm['MetricName']} by {sorted(dimensions)}, which no function emits; emitted: {found}"


def _metrics(output: str) -> Iterator[tuple[str, str, frozenset[str]]]:
    """The metrics in embedded metric format among the lines: namespace, name, names of the dimensions."""
    for line in output.splitlines():
        try:
            directives = json.loads(line)["_aws"]["CloudWatchMetrics"]
        except (ValueError, KeyError, TypeError):
            continue
        for directive in directives:
            for metric in directive["Metrics"]:
                for dimensions in directive["Dimensions"]:
                    yield directive["Namespace"], metric["Name"], frozenset(dimensions)


def _wrong(name: str, answer: Any) -> str | None:
    if name == "api" and (not isinstance(answer, dict) or answer.get("statusCode") != 200):
        return f"GET /health answered {answer!r}, not 200"
    if isinstance(answer, dict) and answer.get("batchItemFailures"):
        return f"it handed its sample record back: {answer['batchItemFailures']!r}"
    return None


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 0 when all is well, 1 when something is wrong or there is no Python of the runtime's version."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_build", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("build", nargs="?", type=Path, default=ROOT / ".aws-sam" / "build", help="the folder sam build wrote")
    parser.add_argument("--find-python", action="store_true", help=f"only print the path of a Python {RUNTIME}")
    options = parser.parse_args(arguments)
    python = find_python()
    if python is None:
        message = f"There is no Python {RUNTIME} with pip on this machine: the build and what it makes were NOT checked."
        print(message, file=sys.stderr)
        return 1
    if options.find_python:
        print(python)
        return 0
    problems = check(options.build.resolve(), python)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
