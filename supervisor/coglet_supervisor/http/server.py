"""The HTTP server: connections, their deadlines, and their end."""

import asyncio
import logging
import resource
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.http.connection import SEND_TIMEOUT_S, Connection
from coglet_supervisor.http.exchange import Exchange
from coglet_supervisor.http.request import Application
from coglet_supervisor.listener import BACKLOG

if TYPE_CHECKING:
    from coglet_supervisor.http.http2 import Http2Connection, Timeouts

log = logging.getLogger(__name__)

# After the last prediction has ended, connections get this long to take their answers.
_CLOSE_S: Final = 2.0
_SWEEP_S: Final = 0.5

# These stay free, for workers, files and threads: without any, the event loop may try to accept the next
# client again and again, which takes all of a processor.
_SPARE_DESCRIPTORS: Final = 16


class HttpServer:
    """Serves one application on one socket.

    What belongs to one client runs in `clients`. The defaults of `http2_timeouts` are those of HTTP/1.
    """

    def __init__(
        self,
        app: Application,
        clients: ClientTasks,
        max_connections: int,
        *,
        send_timeout_s: float = SEND_TIMEOUT_S,
        http2_timeouts: "Timeouts | None" = None,
    ) -> None:
        self.is_stopping = False
        self.send_timeout_s = send_timeout_s
        self._app = app
        self._clients = clients
        self._max_connections = max_connections
        self._http2_timeouts = http2_timeouts
        self._connections: set[Connection] = set()
        self._http2: set[Http2Connection] = set()
        self._none_left = asyncio.Event()
        self._turned_away = 0

    async def serve(self, listener: socket.socket, stopped: Callable[[], Awaitable[Any]]) -> None:
        """Serves until `stopped()` returns, and then for as long as open answers need, but not for ever."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self), sock=listener)
        # The event loop has shortened the backlog to its own. Asked for a longer one, asyncio would also try
        # to accept that many clients in a row, and fail as often when there are no descriptors left.
        listener.listen(BACKLOG)
        async with asyncio.TaskGroup() as tasks:
            sweep = tasks.create_task(self._sweep())
            try:
                await stopped()
            finally:
                server.close()
                await self._close_connections()
                sweep.cancel()

    # for connections

    def opened(self, connection: Connection) -> None:
        """A client has connected. Too many of them at once: the newest is told so and closed."""
        if connection.descriptor >= _descriptor_limit() - _SPARE_DESCRIPTORS:
            self._turned_away += 1
            connection.abort()
        elif len(self._connections) + len(self._http2) >= self._max_connections:
            connection.refuse_at_capacity()
        self._connections.add(connection)
        self._none_left.clear()

    def closed(self, connection: Connection) -> None:
        """It is gone. Safe to repeat."""
        self._connections.discard(connection)
        self._look_whether_none_is_left()

    def http2_closed(self, connection: "Http2Connection") -> None:
        """It is gone. Safe to repeat."""
        self._http2.discard(connection)
        self._look_whether_none_is_left()

    def run(self, exchange: Exchange) -> None:
        """Lets the application answer a request."""
        self._clients.start(self._answer(exchange))

    def start_client_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts a task that belongs to one client."""
        return self._clients.start(work)

    def take_over_http2(self, connection: Connection, transport: asyncio.Transport, data: bytes) -> None:
        """Makes an HTTP/2 connection of one that has turned out to speak it; `data` has been read already."""
        from coglet_supervisor.http.http2 import Http2Connection, Timeouts

        timeouts = self._http2_timeouts or Timeouts(send_s=self.send_timeout_s)
        successor = Http2Connection(self, self._app, transport, timeouts)
        self._http2.add(successor)
        self._connections.discard(connection)
        self._clients.start(successor.run())
        successor.data_received(data)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception:  # noqa: BLE001 - a fault of ours, which the application has logged, ends one request only
            exchange.fail()

    async def _sweep(self) -> None:
        """Ends connections whose client fails to do its part. One timer for all: most never need it."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._report_turned_away()
            now = loop.time()
            connections: list[Connection | Http2Connection] = [*self._connections, *self._http2]
            for connection in connections:
                try:
                    connection.check(now)
                except Exception:  # a fault of ours costs one connection, not the server
                    log.exception("a connection cannot be checked, closing it")
                    connection.abort()

    def _report_turned_away(self) -> None:
        count, self._turned_away = self._turned_away, 0
        if count:
            limit = _descriptor_limit()
            log.warning(
                "closed %d new connections: %g file descriptors are not enough, see `ulimit -n`", count, limit
            )

    def _look_whether_none_is_left(self) -> None:
        if not self._connections and not self._http2:
            self._none_left.set()

    async def _close_connections(self) -> None:
        self.is_stopping = True
        for http2 in list(self._http2):
            http2.stop()
        for connection in list(self._connections):
            if connection.is_idle:
                connection.close()
        try:
            async with asyncio.timeout(_CLOSE_S):
                if self._connections or self._http2:
                    await self._none_left.wait()
        except TimeoutError:
            left: list[Connection | Http2Connection] = [*self._connections, *self._http2]
            log.warning("%d connections did not end in time, closing them", len(left))
            for each in left:
                each.abort()


def _descriptor_limit() -> float:
    """How many descriptors this process may have; the system gives the lowest number that is free."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if soft == resource.RLIM_INFINITY else soft
