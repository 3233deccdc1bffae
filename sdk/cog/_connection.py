"""The connection of one download: to an allowed address, with a deadline."""

from __future__ import annotations

import io
import socket
import time
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPSHandler

from cog._interruption import interruptible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from urllib.request import Request

    from _typeshed import WriteableBuffer

    # Returns the addresses of a host that may be connected to, or raises OSError.
    Resolve = Callable[[str, int], Sequence[str]]

# To connect, and for each read: a slow download continues while data arrives, until its deadline.
TIMEOUT_S: Final = 10

_resolve: Resolve | None = None


def restrict_addresses(resolve: Resolve) -> None:
    """Restrict all later downloads to the addresses that `resolve` returns.

    The worker calls it with the server's rules; outside a worker every address is allowed.
    """
    global _resolve
    _resolve = resolve


def seconds_left(ends: float) -> float:
    """Return how long a wait may take, in seconds. Raises ValueError after `ends`, on the monotonic clock."""
    left = ends - time.monotonic()
    if left <= 0:
        raise ValueError("not complete in time (COG_DOWNLOAD_TIMEOUT)")
    return min(left, TIMEOUT_S)


@dataclass(frozen=True)
class _Route:
    """How to connect to a host: the rules for its addresses, and the deadline."""

    ends: float
    resolve: Resolve | None

    def connect(self, address: tuple[str, int], _timeout: float, source: Any = None) -> socket.socket:
        """Connect like `socket.create_connection`, but do not resolve again what was checked."""
        host, port = address
        failure: OSError | None = None
        for allowed in [host] if self.resolve is None else self.resolve(host, port):
            for family, kind, protocol, _, sockaddr in socket.getaddrinfo(
                allowed, port, 0, socket.SOCK_STREAM
            ):
                sock = socket.socket(family, kind, protocol)
                try:
                    interruptible(sock)
                    if source is not None:
                        sock.bind(source)
                    sock.settimeout(seconds_left(self.ends))
                    sock.connect(sockaddr)
                    interruptible(sock)  # an interruption just before `connect` had no effect on it
                    return sock
                except BaseException as error:  # a cancel, too: the socket must not stay open
                    sock.close()
                    if not isinstance(error, OSError) or isinstance(error, InterruptedError):
                        raise
                    failure = error
        raise failure or OSError(f"{host} has no address")


def _route_of(request: Request, ends: float) -> _Route:
    is_proxied = request.has_proxy() or getattr(request, "_tunnel_host", None) is not None
    if not is_proxied or _resolve is None:
        return _Route(ends, _resolve)
    # The proxy is the operator's, so its address is allowed; it resolves names itself.
    target = urlsplit(request.full_url)
    if _is_literal(target.hostname or ""):
        _resolve(target.hostname or "", target.port or 0)
    return _Route(ends, None)


def _is_literal(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return False
    return True


class _BoundedReader(io.RawIOBase):
    """Reads from a socket until the deadline, even if a response head arrives byte by byte."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, ends: float) -> None:
        self._socket = sock
        self._raw = raw
        self._ends = ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        self._socket.settimeout(seconds_left(self._ends))
        try:
            return self._raw.readinto(buffer)
        except TimeoutError:
            seconds_left(self._ends)  # raises ValueError if this was the deadline
            raise

    def close(self) -> None:
        self._raw.close()
        super().close()


def _response(ends: float, sock: socket.socket, *arguments: Any, **options: Any) -> HTTPResponse:
    response = HTTPResponse(sock, *arguments, **options)
    response.fp = io.BufferedReader(_BoundedReader(sock, response.fp.detach(), ends))
    return response


def _bind(connection: Any, route: _Route) -> None:
    connection._create_connection = route.connect
    connection.response_class = partial(_response, route.ends)


class _HTTPConnection(HTTPConnection):
    def __init__(self, route: _Route, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _bind(self, route)


class _HTTPSConnection(HTTPSConnection):
    def __init__(self, route: _Route, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        _bind(self, route)


class BoundedHTTPHandler(HTTPHandler):
    """Handles `http:` URLs, until the deadline."""

    def __init__(self, ends: float) -> None:
        super().__init__()
        self._ends = ends

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(partial(_HTTPConnection, _route_of(req, self._ends)), req)


class BoundedHTTPSHandler(HTTPSHandler):
    """Handles `https:` URLs, until the deadline."""

    def __init__(self, ends: float) -> None:
        super().__init__()
        self._ends = ends

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(partial(_HTTPSConnection, _route_of(req, self._ends)), req)
