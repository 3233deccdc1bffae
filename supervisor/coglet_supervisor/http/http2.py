"""One HTTP/2 connection: its bytes, limits, time-outs and end. Hypercorn implements the protocol.

Whatever a client does, at most its own connection is closed: `FrameGuard` inspects all received data first,
`run` catches the exceptions of Hypercorn and its libraries, and `check` enforces the time-outs from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from h2.errors import ErrorCodes
from hypercorn.events import Closed, RawData, Updated

from coglet_supervisor.http.connection import (
    BODY_TIMEOUT_S,
    HEAD_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    LINGER_S,
    SEND_TIMEOUT_S,
)
from coglet_supervisor.http.http2_frames import DATA, FrameGuard, goaway, whole_frames
from coglet_supervisor.http.http2_protocol import Http2Protocol
from coglet_supervisor.http.http2_waits import Waits
from coglet_supervisor.http.peer import address_of, scheme_of
from coglet_supervisor.http.request import Application

log = logging.getLogger(__name__)

# How many bytes are handled in one iteration of the event loop.
_READ_BYTES: Final = 16 * 1024
_MAX_REASON_CHARS: Final = 200


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """The time-outs of a client, in seconds."""

    head_s: float = HEAD_TIMEOUT_S  # from the connection to the first request, and for each head
    idle_s: float = IDLE_TIMEOUT_S  # without any stream
    body_s: float = BODY_TIMEOUT_S  # between two pieces of a body that the client sends
    send_s: float = SEND_TIMEOUT_S  # without reading any of what it is sent


class Host(Protocol):
    """The part of HttpServer that Http2Connection uses."""

    def http2_closed(self, connection: Http2Connection) -> None: ...

    def start_client_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]: ...


class Http2Connection(asyncio.Protocol):
    """Takes over the transport of a connection; `run` serves it until it is closed."""

    def __init__(
        self, host: Host, app: Application, transport: asyncio.Transport, timeouts: Timeouts
    ) -> None:
        self.client = address_of(transport, "peername")
        self.server = address_of(transport, "sockname")
        self.is_secure = scheme_of(transport) == "https"
        self._host = host
        self._transport = transport
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._guard = FrameGuard(self._loop.time())
        self._waits = Waits()
        self._reader = asyncio.StreamReader()
        self._writable = asyncio.Event()
        self._writable.set()
        self._written_bytes = 0
        self._over_at: float | None = None  # since when nothing is sent or handled any more
        self._tasks = asyncio.TaskGroup()
        self._protocol = Http2Protocol(app, self)
        transport.set_protocol(self)
        self._reader.set_transport(transport)

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        if self._over_at is not None:
            return
        if reason := self._guard.receive(data, self._loop.time()):
            log.warning("closed the HTTP/2 connection of %s: %s", self.client, reason)
            self._write(goaway(self._guard.last_stream_id, ErrorCodes.ENHANCE_YOUR_CALM, reason))
            self._finish()
        else:
            self._reader.feed_data(data)

    def eof_received(self) -> bool:
        return False  # treats half-closed as closed, as with HTTP/1

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish()
        self._host.http2_closed(self)

    def pause_writing(self) -> None:
        if self._over_at is None:
            self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # for the host

    async def run(self) -> None:
        """Serve the connection. Raises no exception that a client can cause."""
        try:
            async with self._tasks:
                await self._protocol.initiate()
                while self._over_at is None and (data := await self._reader.read(_READ_BYTES)):
                    await self._protocol.handle(RawData(data))
                await self._protocol.end()
        except Exception as error:  # noqa: BLE001 - of Hypercorn, h2 or priority: must not reach the server
            log.warning("closed the HTTP/2 connection of %s because of %s", self.client, _described(error))
        finally:
            self._finish()
            await self._protocol.end()
            self._linger()

    def stop(self) -> None:
        """Accept no new streams, and close after the last one: the server is shutting down."""
        self._protocol.is_stopping = True
        if self._over_at is not None:
            self._transport.close()
        elif self._protocol.is_idle:
            self._close_idle()

    def abort(self) -> None:
        """Close immediately, without sending what is still buffered."""
        self._finish()
        self._transport.abort()

    def check(self, now: float) -> None:
        """Close the connection, or reset streams, whose time-outs are over.

        The host calls this periodically.
        """
        protocol, waits, limits = self._protocol, self._waits, self._timeouts
        if self._over_at is not None:
            if now - self._over_at > LINGER_S:
                self._transport.abort()
            return
        unread_bytes = self._transport.get_write_buffer_size()
        head_missing = self._guard.in_head or not self._guard.last_stream_id
        if waits.for_reading(now, self._written_bytes, unread_bytes) > limits.send_s:
            self.abort()
        elif (
            waits.for_head(now, missing=head_missing) > limits.head_s
            or waits.for_request(now, is_idle=protocol.is_idle) > limits.idle_s
            or (protocol.is_stopping and protocol.is_idle)
        ):
            self._close_idle()
        else:
            stalled = [stream_id for stream_id, at in protocol.uploads.items() if now - at > limits.body_s]
            stuck = waits.stuck(now, protocol.pending_streams, limits.send_s)
            for stream_id in {*stalled, *stuck}:
                self._host.start_client_task(protocol.reset(stream_id, ErrorCodes.CANCEL))

    # for the protocol

    async def send(self, event: Any) -> None:
        """Handle an event that Hypercorn has for the client. Returns when more can be sent."""
        if isinstance(event, RawData):
            self._write(event.data)
            await self._writable.wait()
        elif isinstance(event, Closed):
            self._finish()
        elif isinstance(event, Updated) and self._protocol.is_stopping and self._protocol.is_idle:
            self._close_idle()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task that is canceled with the connection; if it fails, the connection is closed."""
        self._tasks.create_task(work)

    def start_client_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task that may outlive the connection."""
        self._host.start_client_task(work)

    def _write(self, data: bytes) -> None:
        if self._over_at is not None:
            return
        for frame in whole_frames(data):
            self._guard.sent(frame)
            if frame.kind == DATA:
                self._waits.sent(frame.stream_id)
        self._written_bytes += len(data)
        self._transport.write(data)

    def _close_idle(self) -> None:
        """Send GOAWAY without an error and close: further requests need a new connection."""
        self._write(goaway(self._guard.last_stream_id, ErrorCodes.NO_ERROR, ""))
        self._finish()
        self._transport.close()

    def _finish(self) -> None:
        """Handle and send nothing more, and wake the tasks that wait for either."""
        if self._over_at is None:
            self._over_at = self._loop.time()
            self._reader.feed_eof()
            self._writable.set()

    def _linger(self) -> None:
        """Keep reading for LINGER_S, so that the client receives the last frames instead of a reset."""
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        with contextlib.suppress(RuntimeError):  # it was not paused
            self._transport.resume_reading()


def _described(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:_MAX_REASON_CHARS]
