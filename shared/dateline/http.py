"""The one way out: to the networks, and to customers' media. Never retries, never follows a redirect to a network.

Each exchange has one deadline of its own, since the time-outs of `requests` count per read: a watchdog cuts the connection,
however slowly the other side drips. Addresses are checked after name resolution, at the moment of connecting, so that no
name can point into the private network. Exceptions never hold a URL: Telegram's token is in it.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError, ReadTimeoutError
from urllib3.exceptions import ProtocolError as TransportError

from .domain.errors import Problem
from .platforms.base import Answer, AnswerLost, Failed, FileInfo, NotSent, Retry

logging.getLogger("urllib3").setLevel(logging.CRITICAL)
# It writes whole URLs into its log, one of them even as a warning ("Failed to parse headers"): Telegram's token is in its URL.

CONNECT_SECONDS = 5.0
"""A server that does not accept within so long is taken to be away; nothing was sent."""

RESOLVE_SECONDS = 3.0
"""A name that is not resolved within so long is taken for none."""

MOST_ANSWER_BYTES = 5_000_000
"""Networks answer with a few kilobytes; more is refused, so that memory stays bounded."""

MOST_REDIRECTS = 3
"""For media only: CDNs redirect, and each hop is checked like the first."""

USER_AGENT = "Dateline/1"

T = TypeVar("T")


class AddressRefused(NewConnectionError):
    """The name resolves to an address that must not be reached."""


class NotPublic(NotSent):
    """Nothing was sent: the address is none that may be reached."""


def reachable(address: str, *, allow_loopback: bool = False) -> bool:
    """True for an address on the public internet (and loopback, on the local stack only)."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return allow_loopback
    if isinstance(ip, ipaddress.IPv6Address) and (ip.sixtofour is not None or ip.teredo is not None or ip.is_site_local):
        return False  # an IPv4 address in disguise, and nobody's server; or fec0::/10, private once, which counts as global
    # Reserved holds what translates to IPv4 (64:ff9b::/96, ::/96), which could stand for any private address.
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def refuse_private(url: str, pointer: str) -> None:
    """Refuse a customer's server address that is not on the public internet. Raises `Problem`.

    A first look, for a clear answer; what counts is the check at each connection.
    """
    host = urlsplit(url).hostname or ""
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise Problem("invalid_request", f"The name {host[:100]!r} cannot be resolved.", pointer=pointer) from None
    if not all(reachable(address) for address in addresses):
        raise Problem("invalid_request", f"{host[:100]!r} is not an address on the public internet.", pointer=pointer)


class _Watch(threading.local):
    """The current thread's exchange: the sockets it has opened, for the watchdog, when it must end (monotonic), and whether a
    byte of the request has been handed over."""

    sockets: list[socket.socket]
    until: float
    begun: bool


_watch = _Watch()


def _resolve(host: str, port: int, seconds: float) -> list[Any]:
    """The addresses of a host. A name server that says nothing is waited for in another thread, since nothing can interrupt it.
    Raises OSError or UnicodeError."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(max(0.0, seconds))
    if not found:
        raise socket.gaierror("no answer in time")
    if isinstance(found[0], Exception):
        raise found[0]
    addresses: list[Any] = found[0]
    return addresses


def _connect(self: Any, allow_loopback: bool) -> socket.socket:
    """Open a socket to the first reachable address of the connection's host."""
    host, port = self._dns_host, self.port
    try:
        infos = _resolve(host, port, min(RESOLVE_SECONDS, _watch.until - time.monotonic()))
    except (OSError, UnicodeError) as error:
        raise NewConnectionError(self, "the name cannot be resolved") from error
    refused = False
    for family, kind, protocol, _, address in infos:
        if not reachable(str(address[0]), allow_loopback=allow_loopback):
            refused = True
            continue
        left = _watch.until - time.monotonic()
        if left <= 0:
            break
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(CONNECT_SECONDS, left))
            sock.connect(address)
        except OSError:
            sock.close()
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A socket of its own on the same connection: TLS takes the first one over, and the watchdog could not cut it any more.
        _watch.sockets.append(sock.dup())
        return sock
    if refused:
        raise AddressRefused(self, "the address is not on the public internet")
    raise NewConnectionError(self, "no connection")


def _send(connection: Any, send: Callable[[Any], None], data: Any) -> None:
    """Hand a part of the request over, from the first one noting that the server may have it. Connecting comes before."""
    if connection.sock is None:
        connection.connect()
    if time.monotonic() >= _watch.until:
        raise TransportError("the time is up")
    _watch.begun = True
    send(data)


def _pools(allow_loopback: bool) -> tuple[type[HTTPConnectionPool], type[HTTPSConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, allow_loopback)

        def send(self, data: Any) -> None:
            _send(self, super().send, data)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, allow_loopback)

        def send(self, data: Any) -> None:
            _send(self, super().send, data)

    # `Connection: close` only asks the server to. What comes back is closed here: a kept connection would be cut by no watchdog,
    # and one that the server closes in the same moment could not be told from a lost answer.
    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

        def _put_conn(self, conn: Any) -> None:
            if conn is not None:
                conn.close()
            super()._put_conn(conn)

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

        def _put_conn(self, conn: Any) -> None:
            if conn is not None:
                conn.close()
            super()._put_conn(conn)

    return PlainPool, SecurePool


class _Session(requests.Session):
    """A session that does not look at redirects: `requests` would read their body whole, and parse their address."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: an answer is an answer."""


class Requests:
    """The outbound port over `requests`. `seconds` is the deadline of one whole exchange."""

    def __init__(self, seconds: float, *, allow_loopback: bool = False) -> None:
        self._seconds = seconds
        self._session = _Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = USER_AGENT
        plain, secure = _pools(allow_loopback)
        adapter = HTTPAdapter(max_retries=0, pool_maxsize=1)
        adapter.poolmanager.pool_classes_by_scheme = {"http": plain, "https": secure}
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, params: Mapping[str, Any] | None = None,
        json: Any = None, data: Any = None, files: Any = None, seconds: float | None = None,
    ) -> Answer:
        """One exchange within the deadline. Raises `NotSent` or `AnswerLost`, never with the URL in it.

        Each call has a connection of its own.
        """
        return self._exchange(
            method, url, seconds or self._seconds, _whole,
            headers={**(headers or {}), "Connection": "close"}, params=params, json=json, data=data, files=files,
        )

    def _exchange(
        self, method: str, url: str, seconds: float, read: Callable[[requests.Response, Callable[[], bool]], T], **how: Any
    ) -> T:
        """One exchange; `read` makes something of the answer, and is told whether the deadline has cut it."""
        opened: list[socket.socket] = []
        _watch.sockets = opened
        _watch.until, _watch.begun = time.monotonic() + seconds, False
        cut = threading.Event()

        def give_up() -> None:
            cut.set()
            for sock in opened[:]:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

        watchdog = threading.Timer(seconds, give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            answer = self._session.request(
                method, url, timeout=(CONNECT_SECONDS, seconds), allow_redirects=False, stream=True, **how
            )
            with answer:
                return read(answer, cut.is_set)
        except Cut:
            raise AnswerLost(f"No answer within {seconds:.0f} s.") from None
        except (requests.exceptions.RequestException, TransportError, ReadTimeoutError, OSError, ValueError) as error:
            if not _watch.begun:
                raise _not_sent(error) from None
            late = cut.is_set() or isinstance(error, requests.exceptions.Timeout | ReadTimeoutError)
            raise AnswerLost(f"No answer within {seconds:.0f} s." if late else "The connection broke.") from None
        finally:
            watchdog.cancel()
            for sock in opened:
                sock.close()

    def fetch(
        self, url: str, take: Callable[[FileInfo, bytes], bool], *, start: int = 0, length: int | None = None,
        version: str = "", seconds: float | None = None,
    ) -> FileInfo:
        """A customer's file, piece by piece; redirects count into the one deadline. See `Http.fetch`."""
        whole = seconds or self._seconds
        until = time.monotonic() + whole
        span = f"bytes={start}-" + ("" if length is None else str(start + length - 1))
        headers = {"Connection": "close", "Accept-Encoding": "identity", "Range": span}
        if version and start:
            headers["If-Range"] = version
        for _ in range(MOST_REDIRECTS + 1):
            if not url.lower().startswith(("http://", "https://")):
                raise Failed("media_unreachable", "A medium's address must begin with http:// or https://.")
            left = until - time.monotonic()
            if left <= 0:
                raise Retry("media_unreachable", f"A medium could not be fetched within {whole:.0f} s.")
            try:
                found = self._exchange("GET", url, left, lambda answer, cut: _file(answer, cut, take), headers=headers)
            except NotPublic as error:
                raise Retry("media_address_refused", f"A medium could not be fetched: {error}") from None
            except (NotSent, AnswerLost) as error:
                raise Retry("media_unreachable", f"A medium could not be fetched: {error}") from None
            if isinstance(found, FileInfo):
                return found
            try:
                url = urljoin(url, found)
            except ValueError:
                raise Failed("media_unreachable", "A medium's address redirects to one that is not valid.") from None
        raise Failed("media_unreachable", f"A medium's address redirects more than {MOST_REDIRECTS} times.")


class Cut(Exception):
    """The deadline ended the answer. One that ends with its connection looks whole when it was we who ended it."""


def _whole(answer: requests.Response, cut: Callable[[], bool]) -> Answer:
    body = bytearray()
    for chunk in answer.iter_content(65536):
        body += chunk
        if len(body) > MOST_ANSWER_BYTES:
            raise AnswerLost("The answer was larger than it may be.")
    if cut():
        raise Cut
    return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, bytes(body))


def _file(answer: requests.Response, cut: Callable[[], bool], take: Callable[[FileInfo, bytes], bool]) -> FileInfo | str:
    """Hand the file over that an answer holds; the address that it redirects to, where it does."""
    status, headers = answer.status_code, answer.headers
    if status in (301, 302, 303, 307, 308) and "location" in headers:
        return str(headers["location"])
    if status >= 500 or status in (408, 429):
        raise Retry("media_unreachable", f"A medium's server answered {status}.")
    if status not in (200, 206):
        raise Failed("media_unreachable", f"A medium's server answered {status}.")
    info = _info(answer)
    for piece in answer.iter_content(65536):
        if piece and not take(info, piece):
            return info
    if cut():
        raise Cut
    return info


def _info(answer: requests.Response) -> FileInfo:
    headers = answer.headers
    start, size = 0, headers.get("content-length", "")
    if answer.status_code == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("content-range", "").strip())
        if found is None:
            raise Failed("media_unreachable", "A medium's server sent a part without saying which.")
        start, size = int(found[1]), found[2]
    version = headers.get("etag", "") or headers.get("last-modified", "")
    if version.startswith("W/"):
        version = headers.get("last-modified", "")
    return FileInfo(
        int(size) if size.isascii() and size.isdigit() else None, start, version[:200],
        headers.get("content-type", "")[:100], answer.status_code == 206,
    )





def _not_sent(error: Exception) -> NotSent:
    """A reason without the URL that `requests` puts in its messages."""
    if isinstance(error, ValueError):  # InvalidURL, InvalidHeader and their like
        return NotSent("The request cannot be made: its address or a header is not valid.")
    reason = error.args[0] if error.args else None
    inner = getattr(reason, "reason", reason)
    if isinstance(inner, AddressRefused):
        return NotPublic("The address is not on the public internet.")
    return NotSent("No connection to the server.")
