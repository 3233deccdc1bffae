"""One HTTP/1 connection: httptools parses, exchanges answer, in order.

Hypercorn's own HTTP/1 classes parse in Python and start several tasks a request: more than half of the
time of a short prediction (docs/performance.md). HTTP/2 is handed to Hypercorn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote

import httptools

from coglet_supervisor.http.asgi import Scope
from coglet_supervisor.http.exchange import Exchange, encode_head

HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n"
# Request line and headers; enough to see, and so to refuse properly, a URI that is too long.
MAX_HEAD_BYTES: Final = 128 * 1024
HEAD_TIMEOUT_S: Final = 10.0
IDLE_TIMEOUT_S: Final = 75.0
BODY_TIMEOUT_S: Final = 60.0
# How long is still read after an early answer, so that the client gets the answer and not a reset.
LINGER_S: Final = 2.0
_ASGI: Final = {"spec_version": "2.3", "version": "3.0"}


class Host(Protocol):
    """The server, as a connection needs it."""

    is_stopping: bool

    def opened(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None: ...

    def run(self, exchange: Exchange) -> None: ...

    def take_over_http2(self, connection: Connection, transport: asyncio.Transport, data: bytes) -> None: ...


class Connection(asyncio.Protocol):
    """Reads requests from one client and answers them in their order."""

    def __init__(self, host: Host) -> None:
        self.is_closing = False
        self.deadline: float | None = None  # when the host closes it, for what the client fails to do
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._opening: bytes | None = b""  # the first bytes, until it is clear which HTTP they are
        self._head_bytes = 0
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._reading: Exchange | None = None  # whose body arrives
        self._answering: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._paused = False
        self._lingering = False
        self._writable: asyncio.Future[None] | None = None
        self._client: Any = None
        self._server: Any = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client = transport.get_extra_info("peername")
        self._server = transport.get_extra_info("sockname")
        self.deadline = self._loop.time() + HEAD_TIMEOUT_S
        self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        if self._opening is not None:
            data = self._opening + data
            if HTTP2_PREFACE.startswith(data):
                self._opening = data
                return
            self._opening = None
            if data.startswith(HTTP2_PREFACE):
                self._host.take_over_http2(self, self._transport, data)
                return
        if self._reading is None:
            self._head_bytes += len(data)
            if self._answering is None:
                self.deadline = self._loop.time() + HEAD_TIMEOUT_S
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400)  # CONNECT, or a protocol that nobody speaks here
        except httptools.HttpParserError:
            self._refuse(400)
        if self._reading is None and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431)

    def eof_received(self) -> bool:
        return False  # half-closed is closed: nobody reads the answer of a prediction that was given up

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closing = True
        for exchange in (self._reading, self._answering, *self._waiting):
            if exchange is not None:
                exchange.disconnect()
        self.resume_writing()
        self._host.closed(self)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # httptools

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._head_bytes = 0
        expects = any(name == b"expect" and value.lower() == b"100-continue" for name, value in self._headers)
        exchange = Exchange(
            self, self._scope(), keep_alive=self._parser.should_keep_alive(), expects_continue=expects
        )
        self._reading = exchange
        if self._answering is None:
            self._answer(exchange)
        else:
            self._waiting.append(exchange)
            self._pause_reading()

    def on_body(self, body: bytes) -> None:
        assert self._reading is not None
        if not self._reading.feed(body):
            self._pause_reading()
        elif self.deadline is not None:
            self.deadline = self._loop.time() + BODY_TIMEOUT_S

    def on_message_complete(self) -> None:
        assert self._reading is not None
        exchange, self._reading = self._reading, None
        if exchange is self._answering:
            self.deadline = None
        exchange.complete()

    # for an exchange

    def write(self, data: bytes) -> None:
        """To the client, behind what is already on its way."""
        self._transport.write(data)

    async def wait_writable(self) -> None:
        """Returns when the client has read enough to be sent more."""
        if self._writable is not None:
            await self._writable

    def resume_reading(self) -> None:
        """The application wants more of a body."""
        if self._paused and not self.is_closing:
            self._paused = False
            self.deadline = self._loop.time() + BODY_TIMEOUT_S
            self._transport.resume_reading()

    def finished(self, exchange: Exchange) -> None:
        """An exchange has been answered; the next one's turn."""
        self._answering = None
        if not exchange.request_complete:
            self._linger()
        elif not exchange.keep_alive or self._host.is_stopping:
            self.close()
        elif self._waiting:
            self._answer(self._waiting.popleft())
        else:
            self.deadline = self._loop.time() + IDLE_TIMEOUT_S
            self.resume_reading()

    # for the host

    @property
    def is_idle(self) -> bool:
        """No request is under way."""
        return self._answering is None and self._reading is None

    def close(self) -> None:
        """After what is already written."""
        self.is_closing = True
        self._transport.close()

    def refuse_at_capacity(self) -> None:
        """Too many others are connected."""
        self._refuse(503)

    def abort(self) -> None:
        """At once."""
        self.is_closing = True
        self._transport.abort()

    def time_out(self) -> None:
        """The deadline is over. A body that has stopped to arrive gets a word, an idle connection none."""
        if self._reading is not None and self._answering is self._reading:
            self._refuse(408)
        else:
            self.close()

    def _answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        self.deadline = None if exchange.request_complete else self._loop.time() + BODY_TIMEOUT_S
        self._host.run(exchange)

    def _refuse(self, status: int) -> None:
        """What is no acceptable HTTP: an empty answer, unless one is already on its way, and the end."""
        if self.is_closing:
            return
        started = self._answering is not None and self._answering.response_started
        if not started:
            head = encode_head(status, [(b"content-length", b"0")], chunked=False, keep_alive=False)
            self._transport.write(head)
        for exchange in (self._answering, *self._waiting):
            if exchange is not None:
                exchange.disconnect()
        self._linger()

    def _linger(self) -> None:
        self.is_closing = True
        self._lingering = True
        self.deadline = self._loop.time() + LINGER_S
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _pause_reading(self) -> None:
        if not self._paused and not self.is_closing:
            self._paused = True
            self._transport.pause_reading()

    def _scope(self) -> Scope:
        raw_path, _, query = self._url.partition(b"?")
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": self._parser.get_http_version(),
            "method": self._parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": unquote(raw_path.decode("latin-1")),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self._client,
            "server": self._server,
            "state": {},
            "extensions": {},
        }
