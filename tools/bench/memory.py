"""How much memory publishing a large video takes: `python -m tools.bench.memory [megabytes]` (1024 if not given).

The real deliver handler runs in a process of its own, with DynamoDB and S3 answering over HTTP from here and a network that takes
all it is sent; only the bytes of the video are made up on the way. What is printed is that process's largest resident set, once
for a file sent as one body that is read as it goes, once for one sent in pieces of 16 MB; a third run copies the file into the
bucket with the real media handler.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PIECE = 16 * 1024 * 1024
URL = "http://127.0.0.1:{port}/video.mp4"
WAYS = ("body", "pieces", "copy")
MOST_MEGABYTES = 200


def main() -> int:
    """Run all three; 1 if one took more than `MOST_MEGABYTES`."""
    if len(sys.argv) > 2:
        return _child(sys.argv[1], int(sys.argv[2]))
    size = int(sys.argv[1] if len(sys.argv) > 1 else "1024") * 1024 * 1024
    worst = 0.0
    for way in WAYS:
        peak = _run(way, size)
        worst = max(worst, peak)
        print(f"{way:>7}: {size / 1024 / 1024:,.0f} MB video, largest resident set {peak:,.0f} MB")
    return int(worst > MOST_MEGABYTES)


def _run(way: str, size: int) -> float:
    from dateline.aws.queue import Message, Order
    from dateline.domain.content import Facts
    from dateline.usecases.pinning import key_of, note_key, note_of
    from tests.harness import Dateline

    with Dateline(start=datetime.now(UTC).replace(microsecond=0)) as dateline:
        port = _network(size)
        url = URL.format(port=port)
        endpoint = dateline.stack.serve_aws()
        post = dateline.post("prof_mastodon", text="A video", media=[{"url": url, "type": "video"}])
        stored = dateline.deps.posts.get(post["id"])
        assert stored is not None
        if way == "copy":
            body = Order({url: "2027-06/wks_local/large"}).body()
        else:
            key = key_of(stored.partition, url, stored.id, stored.created_at)
            facts = Facts("video/mp4", size, 1920, 1080, 600.0)
            dateline.deps.media.save_note(note_key(key), note_of(facts, "", ""))
            stored.stage = stored.status = "queued"
            stored.publish_at = dateline.clock.now()
            dateline.deps.posts.save(stored)
            body = Message(stored.id, "prof_mastodon", stored.revision).body()
        event = {"Records": [{"messageId": "1", "body": body}]}
        environment = {
            **os.environ, **dateline.stack.environment, "AWS_ENDPOINT_URL": endpoint, "DATELINE_CALL_SECONDS": "600",
            "DATELINE_LEASE_SECONDS": "900",
            "BENCH_EVENT": json.dumps(event), "BENCH_SINK": f"http://127.0.0.1:{port}/upload", "POWERTOOLS_LOG_LEVEL": "WARNING",
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "shared", ROOT))),
        }
        done = subprocess.run(
            [sys.executable, "-m", "tools.bench.memory", way, str(size)], env=environment, cwd=ROOT, capture_output=True,
            text=True, check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr or done.stdout)
        if way != "copy":
            ended = dateline.deps.posts.get(post["id"])
            assert ended is not None and ended.status == "published", ended
        return float(done.stdout.split()[-1])


def _child(way: str, size: int) -> int:
    """One invocation of the handler; prints the largest resident set in megabytes."""
    import importlib.util

    from dateline.aws.media import MediaStore
    from dateline.platforms import registry

    if way == "copy":
        MediaStore.piece = lambda self, key, upload, number, data: f"{number}"  # type: ignore[method-assign]
        MediaStore.complete = lambda self, key, upload, tags: None  # type: ignore[method-assign]
    MediaStore.read = lambda self, key, start, length: bytes(length)  # type: ignore[method-assign]
    publisher = registry.publisher("mastodon")
    _instead(publisher, way)
    function = "media" if way == "copy" else "deliver"
    spec = importlib.util.spec_from_file_location("app", ROOT / "functions" / function / "app.py")
    assert spec is not None and spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 880_000

    answer = app.handler(json.loads(os.environ["BENCH_EVENT"]), Context())
    assert answer == {"batchItemFailures": []}, answer
    # Not `resource`'s figure: that one survives exec, and would be the parent's.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
    return 0


def _instead(publisher: Any, way: str) -> None:
    """A publisher that sends its one video to the sink as the large networks want it."""
    from dateline.platforms.base import Delivery, Remote
    from dateline.platforms.calls import Body

    def publish(delivery: Delivery, segment: int) -> tuple[Remote, ...]:
        file, sink = delivery.media.open(delivery.segments[segment].media[0]), os.environ["BENCH_SINK"]
        if way == "body":
            assert delivery.http.request("PUT", sink, data=Body(file), seconds=600).status == 200
        else:
            for start in range(0, file.size, PIECE):
                assert delivery.http.request("PUT", sink, data=file.read(start, PIECE), seconds=600).status == 200
        return (Remote("1"),)

    type(publisher).needs_preparation = lambda self, delivery: False
    type(publisher).publish = lambda self, delivery, segment: publish(delivery, segment)


def _network(size: int) -> int:
    """A server on this machine that swallows what is PUT, and sends `size` bytes of video for a GET; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    head = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"

    def serve(connection: socket.socket) -> None:
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            asked, _, body = data.partition(b"\r\n\r\n")
            if asked.startswith(b"GET"):
                connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + head)
                left, block = size - len(head), bytes(1024 * 1024)
                try:
                    while left > 0:
                        connection.sendall(block[:left])
                        left -= len(block)
                except OSError:
                    return  # enough was seen
                return
            length = int(asked.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            buffer, got = bytearray(1024 * 1024), len(body)
            while got < length and (count := connection.recv_into(buffer)):
                got += count
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def accept() -> None:
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listening.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
