"""Telegram's token is in its URL, the others' in a header: neither may appear in a log, an exception, an answer or an event.

One delivery after another fails in every way there is while everything is logged at DEBUG, and all that was written is searched.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from dateline import runtime
from dateline.domain.content import Segment
from dateline.http import Requests
from dateline.platforms import registry
from dateline.platforms.base import Account, Delivery, Outcome
from local.networks.base import FAULTS
from local.stack import Phase
from tests.harness import Dateline
from tests.integration.scene import NETWORKS, connect, interrupted, make, rest


class Everything(logging.Handler):
    """Keeps whatever is logged, written out with its exception and its extra fields."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.getMessage()} {record.__dict__}")
        if record.exc_info and record.exc_info[1] is not None:
            self.lines.append("".join(traceback.format_exception(record.exc_info[1])))


@pytest.fixture
def logged() -> Iterator[Everything]:
    """The root's and our own logger at DEBUG, as a curious operator may set them. What our code has silenced stays so."""
    handler = Everything()
    handlers = runtime.logger()  # what the handlers log with; made once in a process
    loggers: list[Any] = [logging.getLogger(), logging.getLogger("dateline"), handlers]
    levels = [loggers[0].level, loggers[1].level, handlers.log_level]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
    yield handler
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def secrets_of(credentials: dict[str, str]) -> list[str]:
    """What must not appear: every secret value, and the telling half of a bot's token."""
    hidden = {"accessToken", "refreshToken", "clientSecret", "botToken", "appPassword", "accessJwt", "refreshJwt"}
    values = [value for name, value in credentials.items() if name in hidden]
    return [*values, *(value.partition(":")[2] for value in values if ":" in value)]


@pytest.mark.parametrize("network", NETWORKS)
def test_no_failure_of_a_delivery_shows_a_token(network: str, logged: Everything, capsys: pytest.CaptureFixture[str]) -> None:
    with Dateline(call_seconds=5) as dateline:
        texts: list[str] = []
        tokens: list[str] = []
        for fault in (*FAULTS, "unreachable", "unforeseen"):
            profile_id = connect(dateline, network)
            profile = dateline.deps.profiles.get(profile_id)
            assert profile is not None
            tokens += secrets_of(dateline.deps.secrets.open(profile.workspace_id, profile_id, profile.secret))
            dateline.http.unreachable = fault == "unreachable"
            if fault in FAULTS:
                dateline.world.add_fault(network, fault, times=2, seconds=9, retry_after=5, at="any")
            post_id, _ = make(dateline, network, "text", profile=profile_id)

            def unforeseen(service: str, operation: str, phase: Phase) -> None:
                if service == network:
                    raise RuntimeError("nobody thought of this")

            if fault == "unforeseen":
                interrupted(dateline, unforeseen, lambda made=post_id: rest(dateline, made))  # type: ignore[misc]
            else:
                rest(dateline, post_id)
            dateline.world.faults.clear()
            texts += logged.lines
            logged.lines.clear()
            for path in (f"/v1/posts/{post_id}", f"/v1/posts/{post_id}/events", f"/v1/posts/{post_id}/attempts",
                         f"/v1/profiles/{profile_id}", f"/v1/profiles/{profile_id}/health"):
                texts.append(dateline.api("GET", path).body.decode())
        texts.append(json.dumps([failure._asdict() for failure in dateline.stack.failures], default=repr))
        texts += [message.body for queue in ("deliveries", "deliveries-dlq") for message in dateline.stack.peek(queue)]
        captured = capsys.readouterr()
        texts += [captured.out, captured.err]
    everything = "\n".join(texts)
    assert "nobody thought of this" in everything, "the logs were read"
    assert len(tokens) > 7
    assert [token for token in tokens if token in everything] == []
    assert "Plaintext" not in everything, "what KMS is given and gives"


def _closes(connections: list[bytes]) -> int:
    """A server that answers each connection with one of `connections` and hangs up; its port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in connections:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
        listening.close()

    threading.Thread(target=serve, daemon=True).start()
    return int(listening.getsockname()[1])


def test_no_failure_of_a_real_connection_shows_the_token_in_telegrams_url(
    logged: Everything, capfd: pytest.CaptureFixture[str]
) -> None:
    """Over real sockets, with urllib3's and requests' own log lines and exceptions."""
    with Dateline() as dateline:
        offered: dict[str, Any] = dateline.world.networks["telegram"].credentials_for("prof_telegram")  # type: ignore[attr-defined]
    token = offered["credentials"]["botToken"]
    malformed, redirect = b"HTTP/1.1 200 OK\r\nno header at all\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"
    port = _closes([b"", malformed, redirect, b"nonsense\r\n\r\n"])
    publisher, out = registry.publisher("telegram"), Requests(2.0, allow_loopback=True)
    outcomes: list[str] = []
    for server in (*[f"http://127.0.0.1:{port}"] * 4, "http://127.0.0.1:1", "http://a..b", "http://10.0.0.1", "ftp://x", "http://[::1"):
        account = Account("prof_telegram", "telegram", server, offered["accountId"], {}, dict(offered["credentials"]))
        delivery = Delivery("post_1", "key", account, (Segment("Hello"),), {}, out, lambda: datetime.now(UTC))
        try:
            publisher.publish(delivery, 0)
        except Outcome as outcome:
            outcomes.append("".join(traceback.format_exception(outcome)) + repr(outcome) + repr(delivery))
    assert len(outcomes) == 9
    written = capfd.readouterr()
    everything = "\n".join([*outcomes, *logged.lines, written.out, written.err])
    assert token not in everything and token.partition(":")[2] not in everything
