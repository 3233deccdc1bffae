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

from coglet_supervisor.http.exchange import Exchange, encode_head
from coglet_supervisor.http.head import (
    RefusedHead,
    check_fields,
    check_version,
    head_without_upgrade,
    may_persist_in_1_0,
    split_target,
)
from coglet_supervisor.http.peer import has_hung_up, untaken_bytes
from coglet_supervisor.http.request import Scope

HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n"
# Request line and headers; enough to see, and so to refuse properly, a URI that is too long.
MAX_HEAD_BYTES: Final = 128 * 1024
HEAD_TIMEOUT_S: Final = 10.0
IDLE_TIMEOUT_S: Final = 75.0
BODY_TIMEOUT_S: Final = 60.0
SEND_TIMEOUT_S: Final = 60.0
# How long is still read after an early answer, so that the client gets the answer and not a reset.
LINGER_S: Final = 2.0
# A read of small requests may hold thousands; each takes a few KiB until its turn comes.
MAX_PIPELINED: Final = 1000
# What a chunk may cost beside its data: two line ends, a size and a short extension, or more in proportion.
# Source: Go's net/http/internal/chunked.go, since CVE-2023-39326.
_SPARE_BYTES_A_CHUNK: Final = 16
_SPARE_BYTES_A_BYTE: Final = 2
_ASGI: Final = {"spec_version": "2.3", "version": "3.0"}


class Host(Protocol):
    """The server, as a connection needs it."""

    is_stopping: bool
    send_timeout_s: float

    def opened(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None: ...

    def run(self, exchange: Exchange) -> None: ...

    def take_over_http2(self, connection: Connection, transport: asyncio.Transport, data: bytes) -> None: ...


class Connection(asyncio.Protocol):
    """Reads requests from one client and answers them in their order.

    Its state has two sides. What arrives is a head (`_reading` is None), the body of `_reading`, or, once
    `_is_deaf`, dropped: after a last request or an error, and read only to see the client leave.
    `_is_paused` stops reading: for a body until the application wants more, for a second request until the
    first is answered.

    What goes out is the answer to `_answering`; then those to `_waiting`, of which `_reading` can only be the
    last; then `_refusal`. Without `_answering` the others are empty. `is_closing` is final: nothing is
    written any more.
    """

    def __init__(self, host: Host) -> None:
        self.is_closing = False
        self.deadline: float | None = None  # when the host closes it, for what the client fails to do
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._opening: bytes | None = b""  # the first bytes, until it is clear which HTTP they are
        self._head_bytes = 0
        self._excess_bytes = 0  # of the framing of a chunked body, and of its trailers
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._reading: Exchange | None = None  # whose body arrives
        self._answering: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._refusal: int | None = None
        self._is_paused = False
        self._is_deaf = False
        self._written = 0
        self._taken = (0, 0.0)  # how many of these the client has taken, and since when that has not changed
        self._answering_at_last_check: Exchange | None = None
        self._writable: asyncio.Future[None] | None = None
        self._client: Any = None
        self._server: Any = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._client = transport.get_extra_info("peername")
        self._server = transport.get_extra_info("sockname")
        self.deadline = self._loop.time() + HEAD_TIMEOUT_S
        self.descriptor: int = transport.get_extra_info("socket").fileno()
        self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
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
        return False  # half-closed is closed: nobody reads the answer of a prediction that was given up

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
        if self._is_deaf:
            raise ValueError("a request behind the last one")  # stops the parser
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading is None:
            self._headers.append((name.lower(), value.rstrip(b" \t")))
        elif name.lower() == b"connection":
            # A trailer must not pass for a header, but the parser has taken this one for a `close`.
            self._reading.keep_alive = False

    def on_headers_complete(self) -> None:
        if self._parser.should_upgrade():
            return  # `_parse` sees to it
        self._head_bytes = self._excess_bytes = 0
        if len(self._waiting) >= MAX_PIPELINED:
            raise RefusedHead(429, f"{MAX_PIPELINED} requests wait already")
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
            spare = _SPARE_BYTES_A_CHUNK + (1 + _SPARE_BYTES_A_BYTE) * len(body)
            self._excess_bytes = max(0, self._excess_bytes - spare)
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
        self._is_deaf = not exchange.keep_alive
        exchange.complete()

    # for an exchange

    def write(self, data: bytes) -> None:
        """To the client, behind what is already on its way."""
        self._written += len(data)
        self._transport.write(data)

    async def wait_writable(self) -> None:
        """Returns when the client has read enough to be sent more."""
        if self._writable is not None:
            await self._writable

    def resume_reading(self) -> None:
        """The application wants more of a body."""
        if self._is_paused and not self.is_closing:
            self._is_paused = False
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
        elif self._refusal is not None:
            self._end_with(self._refusal)
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

    def check(self, now: float) -> None:
        """Ends the connection if the client has left or fails to do its part. Called every now and then."""
        if self.deadline is not None and self.deadline < now:
            self.time_out()
        if self._is_stuck(now):
            self.abort()
        elif self._has_left():
            self._disconnect_all()
            self.close()

    def time_out(self) -> None:
        """The deadline is over. A body that has stopped to arrive gets a word, an idle connection none."""
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
                if not self._is_deaf:
                    refused = error.__context__
                    self._refuse(refused.status if isinstance(refused, RefusedHead) else 400)
                return
            method = self._parser.get_method()
            if method == b"CONNECT":
                self._refuse(400)
                return
            # The parser stops at an offer of another protocol, and takes the body for a part of that. None
            # is spoken here, so the offer is ignored: the same again without it.
            version = self._parser.get_http_version()
            data = head_without_upgrade(method, self._url, version, self._headers) + data[end_of_head:]
            self._parser = httptools.HttpRequestParser(self)

    def _answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        self.deadline = None if exchange.request_complete else self._loop.time() + BODY_TIMEOUT_S
        self._host.run(exchange)

    def _refuse(self, status: int) -> None:
        """Rejects what arrives: after the answers to the requests before it, this status and the end."""
        if self.is_closing or self._refusal is not None:
            return
        self._is_deaf = True
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
        """Sends an empty answer, unless another one has begun, and ends."""
        if self._answering is None or not self._answering.response_started:
            self.write(encode_head(status, [(b"content-length", b"0")], chunked=False, keep_alive=False))
        self._linger()

    def _is_stuck(self, now: float) -> bool:
        """True if something is to be sent, and for the whole time-out the client has taken none of it."""
        unsent = self._transport.get_write_buffer_size()
        if unsent:
            unsent += untaken_bytes(self._transport.get_extra_info("socket"))
        taken, since = self._taken
        if unsent == 0 or self._written - unsent != taken:
            self._taken = (self._written - unsent, now)
            return False
        return now - since > self._host.send_timeout_s

    def _has_left(self) -> bool:
        """True if the client has hung up where nothing is read that would tell: behind a pipelined request.

        Only an answer that was under way at the last check too counts as long: a client that sends some short
        requests, and then the end, gets their answers.
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
        self.is_closing = self._is_deaf = True
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
