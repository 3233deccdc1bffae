"""The HTTP server: connections, their deadlines, and their end. HTTP/2 connections are Hypercorn's."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from coglet_supervisor.http.app import App
from coglet_supervisor.http.connection import Connection
from coglet_supervisor.http.exchange import Exchange
from coglet_supervisor.outputs import StartTask

if TYPE_CHECKING:
    from hypercorn.asyncio.worker_context import WorkerContext

log = logging.getLogger(__name__)

# After the last prediction has ended, connections get this long to take their answers.
_CLOSE_S: Final = 2.0
_SWEEP_S: Final = 0.5


class HttpServer:
    """Serves one application on one socket."""

    def __init__(self, app: App, start_task: StartTask, max_connections: int) -> None:
        self.is_stopping = False
        self._app = app
        self._start_task = start_task
        self._max_connections = max_connections
        self._connections: set[Connection] = set()
        self._none_left = asyncio.Event()
        self._http2: WorkerContext | None = None

    async def serve(self, listener: socket.socket, stopped: Callable[[], Awaitable[Any]]) -> None:
        """Serves until `stopped()` returns, and then for as long as open answers need, but not for ever."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), sock=listener)
        sweep = self._start_task(self._sweep())
        try:
            await stopped()
        finally:
            server.close()
            await self._close_connections()
            sweep.cancel()

    # for connections

    def opened(self, connection: Connection) -> None:
        """A client has connected. Too many of them at once: the newest is told so and closed."""
        if len(self._connections) >= self._max_connections:
            connection.refuse_at_capacity()
        self._connections.add(connection)
        self._none_left.clear()

    def closed(self, connection: Connection) -> None:
        """It is gone, or handed over. Safe to repeat."""
        self._connections.discard(connection)
        if not self._connections:
            self._none_left.set()

    def run(self, exchange: Exchange) -> None:
        """Lets the application answer a request."""
        self._start_task(self._answer(exchange))

    def take_over_http2(self, transport: asyncio.Transport, data: bytes) -> None:
        """Gives a connection that speaks HTTP/2 to Hypercorn."""
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        reader.feed_data(data)
        writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
        self._start_task(self._serve_http2(reader, writer))

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception:  # noqa: BLE001 - a fault of ours, which the application has logged, ends one request only
            exchange.fail()

    async def _serve_http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.asyncio.tcp_server import TCPServer
        from hypercorn.asyncio.worker_context import WorkerContext
        from hypercorn.config import Config

        if self._http2 is None:
            self._http2 = WorkerContext(None)
        config = Config()
        config.include_server_header = False
        loop = asyncio.get_running_loop()
        wrapped = ASGIWrapper(self._app)  # type: ignore[arg-type]
        await TCPServer(wrapped, loop, config, self._http2, {}, reader, writer)

    async def _sweep(self) -> None:
        """Closes who has not sent what it owes. One timer for all, because most never need it."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = loop.time()
            for connection in list(self._connections):
                if connection.deadline is not None and connection.deadline < now:
                    connection.time_out()

    async def _close_connections(self) -> None:
        self.is_stopping = True
        if self._http2 is not None:
            await self._http2.terminated.set()
        for connection in list(self._connections):
            if connection.is_idle:
                connection.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                if self._connections:
                    await self._none_left.wait()
        except TimeoutError:
            log.warning("%d connections did not end in time, closing them", len(self._connections))
            for connection in list(self._connections):
                connection.abort()
