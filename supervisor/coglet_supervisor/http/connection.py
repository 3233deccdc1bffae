"""One HTTP/1 connection: httptools parses the requests, an `Exchange` answers each of them, in order.

Hypercorn's own HTTP/1 classes parse in Python and start several tasks per request, which takes more than half
of the time of a short prediction (docs/performance.md). HTTP/2 connections are passed to Hypercorn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol, cast
from urllib.parse import unquote

import httptools

from coglet_supervisor.http.exchange import Exchange, encode_head
from coglet_supervisor.http.head import (
    RefusedHead,
    check_fields,
    check_version,
    head_without_upgrade,
    may_persist_in_1_0,
    split_target,
)
from coglet_supervisor.http.peer import address_of, has_hung_up, scheme_of, untaken_bytes
from coglet_supervisor.http.request import Scope

HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n"
# Request line and headers; large enough to receive a URI that is too long, and so to respond with 414.
MAX_HEAD_BYTES: Final = 128 * 1024
HEAD_TIMEOUT_S: Final = 10.0
IDLE_TIMEOUT_S: Final = 75.0
BODY_TIMEOUT_S: Final = 60.0
SEND_TIMEOUT_S: Final = 60.0
# How long to keep reading after an early response, so that the client receives it instead of a reset.
LINGER_S: Final = 2.0
# One read may hold thousands of small requests; each takes a few KiB until it is answered.
MAX_PIPELINED: Final = 1000
# The framing overhead allowed per chunk: two line ends, a size and a short extension, or more in proportion
# to the data. Source: Go's net/http/internal/chunked.go, since CVE-2023-39326.
_OVERHEAD_PER_CHUNK_BYTES: Final = 16
_OVERHEAD_PER_BYTE: Final = 2
_ASGI: Final = {"spec_version": "2.3", "version": "3.0"}


class Host(Protocol):
    """The part of HttpServer that Connection uses."""

    is_stopping: bool
    send_timeout_s: float

    def opened(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None: ...

    def run(self, exchange: Exchange) -> None: ...

    def take_over_http2(self, connection: Connection, transport: asyncio.Transport, data: bytes) -> None: ...


class Connection(asyncio.Protocol):
    """Reads the requests of one client and answers them in order.

    Receiving: incoming data is a head (`_reading` is None) or the body of `_reading`. Once `_drops_input` is
    set, after a last request or an error, data is read and dropped, only to notice that the client
    disconnects. `_is_paused` pauses reading: a body until the application wants more, a second request until
    the first is answered.

    Sending: the response to `_answering` comes first, then those to `_waiting`, of which `_reading` can only
    be the last, then `_refusal`. Without `_answering` the others are empty. `is_closing` is final: nothing
    more is written.
    """

    def __init__(self, host: Host) -> None:
        self.is_closing = False
        self.deadline: float | None = None  # when the host closes it, unless data arrives before
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._opening: bytes | None = b""  # the first bytes, until it is clear whether they are HTTP/2
        self._head_bytes = 0
        self._excess_bytes = 0  # framing of a chunked body, and its trailers
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._reading: Exchange | None = None  # its body is being received
        self._answering: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._refusal: int | None = None
        self._is_paused = False
        self._drops_input = False
        self._written = 0
        self._taken = (0, 0.0)  # written bytes that the client has taken, and since when that is unchanged
        self._answering_at_last_check: Exchange | None = None
        self._writable: asyncio.Future[None] | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client = address_of(transport, "peername")
        self._server = address_of(transport, "sockname")
        self._scheme = scheme_of(transport)
        self.deadline = self._loop.time() + HEAD_TIMEOUT_S
        self.descriptor: int = transport.get_extra_info("socket").fileno()
        self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._drops_input:
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
        if self._reading is not None:
            self._excess_bytes += len(data)
        else:
            if self._head_bytes == 0 and self._answering is None:
                self.deadline = self._loop.time() + HEAD_TIMEOUT_S
            self._head_bytes += len(data)
        self._parse(data)
        if (self._head_bytes if self._reading is None else self._excess_bytes) > MAX_HEAD_BYTES:
            self._refuse(431)

    def eof_received(self) -> bool:
        return False  # treats half-closed as closed: the client has given up the prediction

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closing = True
        self._disconnect_all()
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
        if self._drops_input:
            raise ValueError("a request after the last one")  # stops the parser
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading is None:
            self._headers.append((name.lower(), value.rstrip(b" \t")))
        elif name.lower() == b"connection":
            # A trailer is not a header field, but the parser treats this one as if it were.
            self._reading.keep_alive = False

    def on_headers_complete(self) -> None:
        if self._parser.should_upgrade():
            return  # handled in `_parse`
        self._head_bytes = self._excess_bytes = 0
        if len(self._waiting) >= MAX_PIPELINED:
            raise RefusedHead(429, f"{MAX_PIPELINED} requests are waiting already")
        version = self._parser.get_http_version()
        keep_alive = self._parser.should_keep_alive()
        if version != "1.1":
            check_version(version)
            keep_alive = keep_alive and may_persist_in_1_0(self._headers)
        expects = check_fields(version, self._headers)
        exchange = Exchange(self, self._scope(version), keep_alive=keep_alive, expects_continue=expects)
        self._reading = exchange
        if self._answering is None:
            self._answer(exchange)
        else:
            self._waiting.append(exchange)
            self._pause_reading()

    def on_body(self, body: bytes) -> None:
        assert self._reading is not None
        if self._excess_bytes:
            allowed = _OVERHEAD_PER_CHUNK_BYTES + (1 + _OVERHEAD_PER_BYTE) * len(body)
            self._excess_bytes = max(0, self._excess_bytes - allowed)
        if not self._reading.feed(body):
            self._pause_reading()
        elif self.deadline is not None:
            self.deadline = self._loop.time() + BODY_TIMEOUT_S

    def on_message_complete(self) -> None:
        if self._reading is None:
            return  # the head of an upgrade
        exchange, self._reading = self._reading, None
        if exchange is self._answering:
            self.deadline = None
        self._drops_input = not exchange.keep_alive
        exchange.complete()

    # for an exchange

    @property
    def is_last(self) -> bool:
        """True if the connection closes after the response that is being sent."""
        return self._host.is_stopping

    def write(self, data: bytes) -> None:
        """Send `data` after what was written before."""
        self._written += len(data)
        self._transport.write(data)

    async def wait_writable(self) -> None:
        """Wait until the client has read enough of what was written."""
        if self._writable is not None:
            await self._writable

    def resume_reading(self) -> None:
        """Read more of a body, which the application has asked for."""
        if self._is_paused and not self.is_closing:
            self._is_paused = False
            self.deadline = self._loop.time() + BODY_TIMEOUT_S
            self._transport.resume_reading()

    def finished(self, exchange: Exchange) -> None:
        """Continue with the next exchange; this one has been answered."""
        self._answering = None
        if not exchange.request_complete:
            self._linger()
        elif not exchange.keep_alive or self._host.is_stopping:
            self.close()
        elif self._waiting:
            self._answer(self._waiting.popleft())
        elif self._refusal is not None:
            self._end_with(self._refusal)
        else:
            self.deadline = self._loop.time() + IDLE_TIMEOUT_S
            self.resume_reading()

    # for the host

    @property
    def is_idle(self) -> bool:
        """True if no request is being received or answered."""
        return self._answering is None and self._reading is None

    def close(self) -> None:
        """Close after sending what is already written."""
        self.is_closing = True
        self._transport.close()

    def refuse_at_capacity(self) -> None:
        """Reject with 503: too many clients are connected."""
        self._refuse(503)

    def abort(self) -> None:
        """Close immediately, without sending what is still buffered."""
        self.is_closing = True
        self._transport.abort()

    def check(self, now: float) -> None:
        """Close the connection if a time-out is over or the client has left.

        The host calls this periodically.
        """
        if self.deadline is not None and self.deadline < now:
            self.time_out()
        if self._is_stuck(now):
            self.abort()
        elif self._has_left():
            self._disconnect_all()
            self.close()

    def time_out(self) -> None:
        """Handle the end of the deadline: 408 if a request body has stalled, else close silently."""
        if self._reading is not None and self._answering is self._reading:
            self._refuse(408)
        else:
            self.close()

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                (end_of_head,) = upgrade.args
            except httptools.HttpParserError as error:
                if not self._drops_input:
                    refused = error.__context__
                    self._refuse(refused.status if isinstance(refused, RefusedHead) else 400)
                return
            method = self._parser.get_method()
            if method == b"CONNECT":
                self._refuse(400)
                return
            # The parser stops at an Upgrade field, and treats the body as data of the new protocol. Upgrades
            # are not supported, so the field is ignored: the head is parsed again without it.
            version = self._parser.get_http_version()
            data = head_without_upgrade(method, self._url, version, self._headers) + data[end_of_head:]
            self._parser = httptools.HttpRequestParser(self)

    def _answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        self.deadline = None if exchange.request_complete else self._loop.time() + BODY_TIMEOUT_S
        self._host.run(exchange)

    def _refuse(self, status: int) -> None:
        """Reject what is being received: after the responses to earlier requests, send `status` and close."""
        if self.is_closing or self._refusal is not None:
            return
        self._drops_input = True
        broken, self._reading = self._reading, None
        if broken is not None:
            broken.disconnect()
        if broken is self._answering:
            self._end_with(status)
            return
        if broken is not None:
            self._waiting.remove(broken)
        self._refusal = status

    def _end_with(self, status: int) -> None:
        """Send an empty response unless one has started, then close."""
        if self._answering is None or not self._answering.response_started:
            self.write(encode_head(status, [(b"content-length", b"0")], chunked=False, keep_alive=False))
        self._linger()

    def _is_stuck(self, now: float) -> bool:
        """True if data is waiting to be sent, and the client has taken none of it for the whole time-out."""
        unsent = self._transport.get_write_buffer_size()
        if unsent:
            unsent += untaken_bytes(self._transport.get_extra_info("socket"))
        taken, since = self._taken
        if unsent == 0 or self._written - unsent != taken:
            self._taken = (self._written - unsent, now)
            return False
        return now - since > self._host.send_timeout_s

    def _has_left(self) -> bool:
        """True if the client has disconnected while reading is paused behind a pipelined request.

        Only if the same request was being answered at the last check: a client that sends some short requests
        and then closes its half of the connection gets their responses.
        """
        exchange, before = self._answering, self._answering_at_last_check
        self._answering_at_last_check = exchange
        if exchange is None or exchange is not before or not self._is_paused or self.is_closing:
            return False
        return exchange.request_complete and has_hung_up(self._transport.get_extra_info("socket"))

    def _disconnect_all(self) -> None:
        for exchange in (self._reading, self._answering, *self._waiting):
            if exchange is not None:
                exchange.disconnect()

    def _linger(self) -> None:
        self.is_closing = self._drops_input = True
        self.deadline = self._loop.time() + LINGER_S
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def _pause_reading(self) -> None:
        if not self._is_paused and not self.is_closing:
            self._is_paused = True
            self._transport.pause_reading()

    def _scope(self, version: str) -> Scope:
        method = self._parser.get_method()
        raw_path, query = split_target(method, self._url, self._headers)
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": method.decode("ascii"),
            "scheme": self._scheme,
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
