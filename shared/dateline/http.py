"""The one way out: to the networks, and to customers' media. Never retries, never follows a redirect to a network.

Each exchange has one deadline of its own, since the time-outs of `requests` count per read: a watchdog cuts the connection,
however slowly the other side drips. Addresses are checked after name resolution, at the moment of connecting, so that no
name can point into the private network. Exceptions never hold a URL: Telegram's token is in it.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError, ReadTimeoutError
from urllib3.exceptions import ProtocolError as TransportError

from .domain.content import Media
from .domain.errors import Problem
from .platforms.base import Answer, AnswerLost, Failed, NotSent, Retry

CONNECT_SECONDS = 5.0
"""A server that does not accept within so long is taken to be away; nothing was sent."""

MOST_ANSWER_BYTES = 5_000_000
"""Networks answer with a few kilobytes; more is refused, so that memory stays bounded."""

MOST_REDIRECTS = 3
"""For media only: CDNs redirect, and each hop is checked like the first."""

USER_AGENT = "Dateline/1 (+https://github.com/dateline)"

MAGIC: tuple[tuple[bytes, int, str], ...] = (
    (b"\xff\xd8\xff", 0, "image/jpeg"), (b"\x89PNG\r\n\x1a\n", 0, "image/png"), (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"), (b"WEBP", 8, "image/webp"), (b"ftyp", 4, "video/mp4"), (b"%PDF-", 0, "application/pdf"),
)
"""Types told by content: first bytes and where they stand."""


class AddressRefused(NewConnectionError):
    """The name resolves to an address that must not be reached."""


def reachable(address: str, *, allow_loopback: bool = False) -> bool:
    """True for an address on the public internet (and loopback, on the local stack only)."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return allow_loopback
    return ip.is_global and not ip.is_multicast


def refuse_private(url: str, pointer: str) -> None:
    """Refuse a customer's server address that is not on the public internet. Raises `Problem`.

    A first look, for a clear answer; what counts is the check at each connection.
    """
    host = urlsplit(url).hostname or ""
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        raise Problem("invalid_request", f"The name {host[:100]!r} cannot be resolved.", pointer=pointer) from None
    if not all(reachable(address) for address in addresses):
        raise Problem("invalid_request", f"{host[:100]!r} is not an address on the public internet.", pointer=pointer)


class _Watch(threading.local):
    """The sockets that the current thread's exchange has opened, for the watchdog."""

    sockets: list[socket.socket]


_watch = _Watch()


def _connect(self: Any, allow_loopback: bool) -> socket.socket:
    """Open a socket to the first reachable address of the connection's host."""
    host, port = self._dns_host, self.port
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NewConnectionError(self, "the name cannot be resolved") from error
    refused = False
    for family, kind, protocol, _, address in infos:
        if not reachable(str(address[0]), allow_loopback=allow_loopback):
            refused = True
            continue
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(CONNECT_SECONDS)
            sock.connect(address)
        except OSError:
            sock.close()
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        getattr(_watch, "sockets", []).append(sock)
        return sock
    if refused:
        raise AddressRefused(self, "the address is not on the public internet")
    raise NewConnectionError(self, "no connection")


def _pools(allow_loopback: bool) -> tuple[type[HTTPConnectionPool], type[HTTPSConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, allow_loopback)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, allow_loopback)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return PlainPool, SecurePool


class Requests:
    """The outbound port over `requests`. `seconds` is the deadline of one whole exchange."""

    def __init__(self, seconds: float, *, allow_loopback: bool = False) -> None:
        self._seconds = seconds
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = USER_AGENT
        plain, secure = _pools(allow_loopback)
        adapter = HTTPAdapter(max_retries=0, pool_maxsize=1)
        adapter.poolmanager.pool_classes_by_scheme = {"http": plain, "https": secure}
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, params: Mapping[str, Any] | None = None,
        json: Any = None, data: Any = None, files: Any = None,
    ) -> Answer:
        """One exchange within the deadline. Raises `NotSent` or `AnswerLost`, never with the URL in it.

        Each call has a connection of its own: a kept one that the server has closed could not be told from a lost answer.
        """
        return self._exchange(
            method, url, MOST_ANSWER_BYTES,
            headers={**(headers or {}), "Connection": "close"}, params=params, json=json, data=data, files=files,
        )

    def _exchange(self, method: str, url: str, most: int, **how: Any) -> Answer:
        opened: list[socket.socket] = []
        _watch.sockets = opened
        cut = threading.Event()

        def give_up() -> None:
            cut.set()
            for sock in opened:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

        watchdog = threading.Timer(self._seconds, give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            answer = self._session.request(
                method, url, timeout=(CONNECT_SECONDS, self._seconds), allow_redirects=False, stream=True, **how
            )
            with answer:
                body = bytearray()
                for chunk in answer.iter_content(65536):
                    body += chunk
                    if len(body) > most:
                        raise AnswerLost("The answer was larger than it may be.")
                return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, bytes(body))
        except requests.exceptions.InvalidURL:
            raise NotSent("The address is not valid.") from None
        except requests.exceptions.ConnectionError as error:
            if not opened and not cut.is_set():
                raise NotSent(_why(error)) from None
            raise AnswerLost(f"No answer within {self._seconds:.0f} s." if cut.is_set() else "The connection broke.") from None
        except (requests.exceptions.Timeout, ReadTimeoutError):
            raise AnswerLost(f"No answer within {self._seconds:.0f} s.") from None
        except (requests.exceptions.RequestException, TransportError, OSError):
            raise AnswerLost("The connection broke.") from None
        finally:
            watchdog.cancel()
            opened.clear()

    def fetch_media(self, item: Media, most_bytes: int) -> tuple[bytes, str]:
        """A customer's medium: its bytes and its type, told by content. Raises `Failed` or `Retry`."""
        url = item.url
        until = time.monotonic() + self._seconds
        for _ in range(MOST_REDIRECTS + 1):
            if urlsplit(url).scheme not in ("http", "https"):
                raise Failed("media_unreachable", "A medium's address must begin with http:// or https://.")
            try:
                answer = self._exchange("GET", url, most_bytes, headers={"Connection": "close"})
            except NotSent as error:
                raise Retry("media_unreachable", f"A medium could not be fetched: {error}") from None
            except AnswerLost as error:
                raise Retry("media_unreachable", f"A medium could not be fetched: {error}") from None
            if answer.status in (301, 302, 303, 307, 308) and "location" in answer.headers and time.monotonic() < until:
                url = urljoin(url, answer.headers["location"])
                continue
            if answer.status >= 500 or answer.status == 429:
                raise Retry("media_unreachable", f"A medium's server answered {answer.status}.")
            if answer.status != 200:
                raise Failed("media_unreachable", f"A medium's server answered {answer.status}.")
            kind = type_of(answer.body)
            if kind is None:
                raise Failed("media_type_unknown", "A medium is none of JPEG, PNG, GIF, WebP, MP4 or PDF by its content.")
            return answer.body, kind
        raise Failed("media_unreachable", f"A medium's address redirects more than {MOST_REDIRECTS} times.")


def type_of(data: bytes) -> str | None:
    """The MIME type by content; names and headers are often wrong."""
    for magic, place, kind in MAGIC:
        if data[place : place + len(magic)] == magic:
            return kind
    return None


def _why(error: Exception) -> str:
    """A reason without the URL that `requests` puts in its messages."""
    reason = error.args[0] if error.args else None
    inner = getattr(reason, "reason", reason)
    if isinstance(inner, AddressRefused):
        return "The address is not on the public internet."
    return "No connection to the server."
