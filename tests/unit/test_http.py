"""The way out to the networks, over real sockets on this machine: deadlines, what is lost and what was never sent, addresses."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dateline import http as way_out
from dateline.domain.errors import Problem
from dateline.http import Requests, reachable, refuse_private
from dateline.platforms.base import AnswerLost, Failed, NotSent, Retry

SECRET = "123456:secret-token"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
SHORT = 0.4
"""Seconds of deadline in tests that run into it."""

Behaviour = Callable[["Server", socket.socket], None]


class Server:
    """A server that does what a test says with each connection. `requests` is what it was sent."""

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.stopped = threading.Event()
        self._behaviours, self._tls = behaviours, tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for behave in self._behaviours:
            try:
                connection, _ = self._listening.accept()
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                continue
            with connection:
                try:
                    self.requests.append(_request(connection))
                    behave(self, connection)
                except OSError:
                    continue

    def close(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the one that accepts, as closing does not
        self._listening.close()
        self._thread.join(5)


def _request(connection: socket.socket) -> bytes:
    """Headers and body of one request."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.recv(65536)
        if not more:
            return got
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def say(status: str, body: bytes = b"{}", *headers: str) -> Behaviour:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return lambda server, connection: connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def hang_up(server: Server, connection: socket.socket) -> None:
    """Nothing: the connection closes."""


def wait(server: Server, connection: socket.socket) -> None:
    """Say nothing until the caller hangs up."""
    connection.settimeout(10)
    connection.recv(1)


def drip(head: bytes) -> Behaviour:
    """`head`, then a byte every now and then, for ever: no single read ever times out."""
    def behave(server: Server, connection: socket.socket) -> None:
        connection.sendall(head)
        while not server.stopped.wait(0.02):
            connection.sendall(b"x")

    return behave


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*behaviours: Behaviour, **how: Any) -> Server:
        servers.append(Server(*behaviours, **how))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def caplog_all(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def local(seconds: float = 5.0) -> Requests:
    return Requests(seconds, allow_loopback=True)


def whole(error: BaseException) -> str:
    """Everything a log would show of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error)


# One exchange

def test_an_exchange_says_what_was_answered(serve: Callable[..., Server]) -> None:
    server = serve(say("418 Teapot", b'{"a": 1}', "X-Thing: yes"))
    answer = local().request("POST", f"{server.url}/path", json={"text": "Hello"}, headers={"Authorization": "Bearer t"})
    assert (answer.status, answer.headers["x-thing"], answer.json()) == (418, "yes", {"a": 1})
    (sent,) = server.requests
    assert sent.startswith(b"POST /path HTTP/1.1\r\n") and sent.endswith(b'{"text": "Hello"}')
    assert b"Connection: close" in sent and b"Authorization: Bearer t" in sent


def test_nothing_is_repeated_and_every_exchange_has_its_own_connection(serve: Callable[..., Server]) -> None:
    server = serve(say("503 Away"), hang_up, say("200 OK"))
    out = local()
    assert out.request("POST", server.url).status == 503
    with pytest.raises(AnswerLost):
        out.request("POST", server.url)
    assert out.request("POST", server.url).status == 200
    assert len(server.requests) == 3


def test_a_connection_that_the_server_keeps_open_is_not_used_again(serve: Callable[..., Server]) -> None:
    def keep_open(server: Server, connection: socket.socket) -> None:
        say("200 OK")(server, connection)
        wait(server, connection)

    server = serve(keep_open, say("201 Created"))
    out = local()
    assert [out.request("POST", server.url).status for _ in range(2)] == [200, 201]


def test_a_redirect_is_an_answer_and_is_not_followed(serve: Callable[..., Server]) -> None:
    for location in ("/elsewhere", "http://[broken", "http://169.254.169.254/latest/meta-data"):
        server = serve(say("307 Moved", b"", f"Location: {location}"), say("200 OK"))
        answer = local().request("POST", server.url, headers={"Authorization": "Bearer t"})
        assert (answer.status, answer.headers["location"], len(server.requests)) == (307, location, 1)


def test_a_refused_connection_was_surely_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotSent):
        local().request("POST", f"http://127.0.0.1:{port}/bot{SECRET}/sendMessage")


@pytest.mark.parametrize("url", [
    "http://nobody.invalid/", "http://a..b/", f"http://{'x' * 70}.example/", "http://[::1", "ftp://127.0.0.1/", "no address",
    "http://",
    "http://127.0.0.1:99999/",
])
def test_what_is_no_address_was_surely_not_sent(url: str) -> None:
    with pytest.raises(NotSent):
        local().request("POST", url)


def test_a_header_that_cannot_be_sent_is_not_sent_and_not_shown(serve: Callable[..., Server]) -> None:
    server = serve(say("200 OK"))
    for token in (f"{SECRET}\nX: y", f"{SECRET}\u2026"):
        with pytest.raises(NotSent) as caught:
            local().request("POST", server.url, headers={"Authorization": f"Bearer {token}"})
        assert SECRET not in whole(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("behave", [hang_up, say("200 OK", b"", "Content-Length: 500"), drip(b"garbage without an end of line")])
def test_a_broken_answer_is_a_lost_answer(serve: Callable[..., Server], behave: Behaviour) -> None:
    server = serve(behave)
    with pytest.raises(AnswerLost):
        local(SHORT).request("POST", server.url)
    assert len(server.requests) == 1


@pytest.mark.parametrize("head", [
    b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n",
])
def test_a_server_that_drips_is_cut_at_the_deadline(serve: Callable[..., Server], head: bytes) -> None:
    """Also one without a length, whose answer would look whole once the connection is cut."""
    server = serve(drip(head))
    with pytest.raises(AnswerLost, match="No answer within 0 s"):
        local(SHORT).request("POST", server.url)


def test_a_server_that_says_nothing_is_cut_at_the_deadline(serve: Callable[..., Server]) -> None:
    server = serve(wait)
    with pytest.raises(AnswerLost):
        local(SHORT).request("POST", server.url)


def test_an_answer_without_end_is_refused(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way_out, "MOST_ANSWER_BYTES", 1000)
    server = serve(say("200 OK", b"x" * 100_000))
    with pytest.raises(AnswerLost, match="larger"):
        local().request("GET", server.url)


# TLS

@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1 in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    kind, form = serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(form, kind, serialization.NoEncryption()) + made.public_bytes(form))
    return path


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def trusting(certificate: Path, seconds: float = 5.0) -> Requests:
    out = local(seconds)
    out._session.verify = str(certificate)
    return out


def test_a_dripping_server_is_cut_at_the_deadline_over_tls_too(serve: Callable[..., Server], certificate: Path) -> None:
    server = serve(say("200 OK"), drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"), tls=tls(certificate))
    assert trusting(certificate).request("POST", server.url).status == 200
    with pytest.raises(AnswerLost, match="No answer within"):
        trusting(certificate, SHORT).request("POST", server.url)


def test_a_certificate_that_is_not_trusted_stops_the_request_before_it_is_sent(
    serve: Callable[..., Server], certificate: Path
) -> None:
    server = serve(say("200 OK"), tls=tls(certificate))
    with pytest.raises(NotSent):
        local().request("POST", f"{server.url}/bot{SECRET}/sendMessage")
    assert server.requests == []


def test_a_handshake_that_never_ends_was_surely_not_sent(serve: Callable[..., Server]) -> None:
    server = serve(wait)
    with pytest.raises(NotSent):
        local(SHORT).request("POST", server.url.replace("http:", "https:"))


# Secrets

def test_no_exception_and_no_log_line_holds_the_url(
    serve: Callable[..., Server], caplog_all: pytest.LogCaptureFixture
) -> None:
    malformed = b"HTTP/1.1 200 OK\r\nthis is no header\r\n\r\n"
    server = serve(hang_up, say("200 OK"), wait, lambda _, connection: connection.sendall(malformed))
    path = f"/bot{SECRET}/sendMessage"
    errors: list[BaseException] = []
    for url, seconds in (
        (server.url + path, 5.0), (server.url + path, 5.0), (server.url + path, SHORT), (server.url + path, 5.0),
        (f"http://127.0.0.1:1{path}", 5.0), (f"http://nobody.invalid{path}", 5.0), (f"http://a..b{path}", 5.0),
        (f"bad://x{path}", 5.0), (f"http://10.0.0.1{path}", 5.0),
    ):
        try:
            local(seconds).request("POST", url)
        except (NotSent, AnswerLost) as error:
            errors.append(error)
    assert len(errors) >= 7
    assert all(SECRET not in whole(error) for error in errors)
    assert SECRET not in caplog_all.text and all(SECRET not in str(record.__dict__) for record in caplog_all.records)


# Addresses

REFUSED = (
    "127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1",
    "0.0.0.0", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:a9fe:a9fe::1",
)
"""Private, loopback, link-local, shared, reserved and documentation addresses, and those that stand for one in IPv6."""


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_on_the_public_internet_is_refused(address: str) -> None:
    assert not reachable(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "149.154.167.220", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_a_public_address_is_reachable(address: str) -> None:
    assert reachable(address)


@pytest.mark.parametrize("address", [a for a in REFUSED if a not in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1")])
def test_the_local_stack_reaches_loopback_and_nothing_else(address: str) -> None:
    assert not reachable(address, allow_loopback=True)
    assert reachable("127.0.0.1", allow_loopback=True) and reachable("::1", allow_loopback=True)


LOOPBACK_IN_DISGUISE = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost",
)


@pytest.mark.parametrize("host", LOOPBACK_IN_DISGUISE)
def test_no_way_of_writing_loopback_gets_through(serve: Callable[..., Server], host: str) -> None:
    server = serve(say("200 OK", PNG))
    url = f"http://{host}:{server.port}/"
    with pytest.raises(NotSent):
        Requests(2.0).request("POST", url)
    with pytest.raises(Retry, match="could not be fetched"):
        Requests(2.0).fetch(url, lambda info, piece: True)
    with pytest.raises(Problem):
        refuse_private(url, "/server")
    assert server.requests == []


def resolving(monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> None:
    """A name service that knows `names` and hands everything else to the machine's own."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *more: Any, **how: Any) -> Any:
        known = names.get(str(host).replace(".", "_").replace("-", "_"))
        if known is None:
            return real(host, port, *more, **how)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in known]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_public_name_for_a_private_address_is_refused_when_connecting(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(say("200 OK"))
    resolving(monkeypatch, harmless_example=["127.0.0.1"], metadata_example=["169.254.169.254"])
    for name in ("harmless.example", "metadata.example"):
        with pytest.raises(NotSent, match="not on the public internet"):
            Requests(2.0).request("GET", f"http://{name}:{server.port}/")
        with pytest.raises(Problem, match="not an address on the public internet"):
            refuse_private(f"https://{name}", "/server")
    assert server.requests == []


@pytest.mark.parametrize("url", ["http://a..b", "http://nobody.invalid", "http://"])
def test_a_server_that_has_no_address_is_a_fault_of_the_request(url: str) -> None:
    with pytest.raises(Problem):
        refuse_private(url, "/server")


# Media

def test_a_medium_may_redirect_a_little_and_each_step_is_checked(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(
        say("302 Found", b"", "Location: /b"), say("200 OK", PNG),
        say("302 Found", b"", "Location: http://metadata.example/"), say("302 Found", b"", "Location: file:///etc/passwd"),
        say("302 Found", b"", "Location: http://[broken"), *[say("302 Found", b"", "Location: /again")] * 9,
    )
    resolving(monkeypatch, metadata_example=["169.254.169.254"])
    assert bytes(fetched(f"{server.url}/a")[0]) == PNG
    with pytest.raises(Retry, match="not on the public internet"):
        fetched(f"{server.url}/a")
    with pytest.raises(Failed, match="begin with http"):
        fetched(f"{server.url}/a")
    with pytest.raises(Failed, match="not valid"):
        fetched(f"{server.url}/a")
    with pytest.raises(Failed, match="more than 3 times"):
        fetched(f"{server.url}/a")
    assert len(server.requests) == 5 + 4


@pytest.mark.parametrize(("status", "outcome"), [
    ("500 Oops", Retry), ("503 Away", Retry), ("429 Slow", Retry), ("408 Late", Retry), ("404 Gone", Failed), ("403 No", Failed),
])
def test_a_media_servers_refusal_is_final_or_passing(
    serve: Callable[..., Server], status: str, outcome: type[Exception]
) -> None:
    server = serve(say(status))
    with pytest.raises(outcome):
        fetched(server.url)


def test_all_redirects_of_a_medium_share_one_deadline(serve: Callable[..., Server]) -> None:
    """Each hop answers a little before a deadline of its own would pass."""
    def late(server: Server, connection: socket.socket) -> None:
        server.stopped.wait(SHORT * 0.7)
        say("302 Found", b"", "Location: /b")(server, connection)

    server = serve(late, late, say("200 OK", PNG))
    with pytest.raises(Retry):
        fetched(server.url, seconds=SHORT)
    assert len(server.requests) == 2


# Files in parts

def partly(data: bytes, etag: str = '"1"') -> Behaviour:
    """A server that sends the part it is asked for, unless the version it is asked for is another one."""
    def behave(server: Server, connection: socket.socket) -> None:
        asked = server.requests[-1].lower()
        start = int(asked.partition(b"range: bytes=")[2].partition(b"-")[0])
        if b"if-range: " in asked and f"if-range: {etag}".encode() not in asked:
            say("200 OK", data, f"ETag: {etag}")(server, connection)
            return
        end = asked.partition(f"range: bytes={start}-".encode())[2].partition(b"\r\n")[0]
        last = min(int(end), len(data) - 1) if end else len(data) - 1
        header = f"ETag: {etag}\r\nContent-Range: bytes {start}-{last}/{len(data)}"
        say("206 Partial Content", data[start : last + 1], header)(server, connection)

    return behave


def fetched(url: str, most: int = 10**9, seconds: float = 5.0, **how: Any) -> tuple[bytes, Any]:
    got = bytearray()

    def take(info: Any, piece: bytes) -> bool:
        got.extend(piece)
        return len(got) < most

    return got, local(seconds).fetch(url, take, **how)  # type: ignore[return-value]


def test_a_file_is_fetched_in_the_parts_that_are_asked_for(serve: Callable[..., Server]) -> None:
    data = bytes(range(256)) * 1000
    server = serve(partly(data), partly(data), partly(data))
    head, info = fetched(server.url, length=1000)
    assert (bytes(head), info.size, info.start, info.version, info.parts) == (data[:1000], len(data), 0, '"1"', True)
    rest, info = fetched(server.url, start=1000, version='"1"')
    assert (bytes(rest), info.start) == (data[1000:], 1000)
    whole, info = fetched(server.url, start=1000, version='"0"')
    assert (bytes(whole), info.start, info.parts) == (data, 0, False), "another version of the file begins at its beginning"


def test_a_server_without_parts_is_left_as_soon_as_enough_is_there(serve: Callable[..., Server]) -> None:
    server = serve(say("200 OK", bytes(50_000_000), "Last-Modified: Tue, 15 Jun 2027 09:00:00 GMT"))
    head, info = fetched(server.url, most=65536)
    assert 65536 <= len(head) < 1_000_000 and info.size == 50_000_000 and not info.parts
    assert info.version == "Tue, 15 Jun 2027 09:00:00 GMT"


@pytest.mark.parametrize("answer", [
    say("206 Partial Content", PNG), say("206 Partial Content", PNG, "Content-Range: bytes */100"), say("416 No"), say("404 No"),
])
def test_a_part_that_is_none_is_final(serve: Callable[..., Server], answer: Behaviour) -> None:
    with pytest.raises(Failed):
        fetched(serve(answer).url)


def test_a_file_whose_server_dies_or_drips_is_tried_again(serve: Callable[..., Server]) -> None:
    server = serve(say("200 OK", b"", "Content-Length: 500"), drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"))
    with pytest.raises(Retry):
        fetched(server.url)
    with pytest.raises(Retry):
        fetched(server.url, seconds=SHORT)


def test_a_file_at_a_private_address_is_told_apart(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, metadata_example=["169.254.169.254"])
    server = serve(say("302 Found", b"", "Location: http://metadata.example/"))
    for url in ("http://10.0.0.1/a.png", "http://[fd00:ec2::254]/", "http://metadata.example/a", server.url):
        with pytest.raises(Retry) as caught:
            fetched(url)
        assert caught.value.code == "media_address_refused"


def test_a_silent_name_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    monkeypatch.setattr(way_out, "RESOLVE_SECONDS", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: silent.wait(30))
    with pytest.raises(NotSent):
        local(20).request("GET", "http://nobody.example/")
    silent.set()
