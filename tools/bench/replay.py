"""Run in a new process by `imports`: the api handler on recorded requests, with AWS's recorded answers instead of a connection.

botocore does all its work (signing, parsing); only the socket is missing. Prints seconds and, last, the peak in kilobytes.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any


def peak() -> int:
    """The most memory this process had, in kilobytes. Linux hands getrusage's figure down from the parent, hence the file."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1])
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // 1024 if sys.platform == "darwin" else most


def replay(path: str) -> None:
    """Import `app`, handle the recorded events, and print how long each took."""
    recording = json.loads(Path(path).read_text())
    out = sys.stdout
    sys.stdout = io.StringIO()  # what the handlers log
    start = time.perf_counter()
    handler = importlib.import_module("app").handler
    seconds = [time.perf_counter() - start]

    from botocore.awsrequest import AWSResponse
    from botocore.httpsession import URLLib3Session

    answers = iter(recording["answers"])

    class Raw(io.BytesIO):
        """A body as urllib3 would hand it over."""

        def stream(self, **_: Any) -> Any:
            yield self.read()

    def send(_session: Any, request: Any) -> AWSResponse:
        answer = next(answers)
        headers = {name: value for name, value in answer["headers"].items() if name.lower() != "x-amz-crc32"}
        return AWSResponse(request.url, answer["status"], headers, Raw(base64.b64decode(answer["body"])))

    URLLib3Session.send = send
    for event in recording["events"]:
        start = time.perf_counter()
        handler(event, None)
        seconds.append(time.perf_counter() - start)
    print(*seconds, peak(), file=out)
