"""The HTTP server: accepts connections, enforces their deadlines, and closes them at shutdown."""

import asyncio
import logging
import resource
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from coglet_supervisor.certificates import Certificates
from coglet_supervisor.client_tasks import ClientTasks
from coglet_supervisor.http.connection import SEND_TIMEOUT_S, Connection
from coglet_supervisor.http.counted import NO_ROUTE, ROUTE, Counted, ResponseCounts
from coglet_supervisor.http.exchange import Exchange
from coglet_supervisor.http.request import Application
from coglet_supervisor.http.tls import TlsConnection
from coglet_supervisor.listener import BACKLOG

if TYPE_CHECKING:
    from coglet_supervisor.http.http2 import Http2Connection, Timeouts

log = logging.getLogger(__name__)

# After the last prediction has ended, clients get this long to receive their responses.
_CLOSE_S: Final = 2.0
_SWEEP_S: Final = 0.5

# Reserved for workers, files and threads. With none left, the event loop may try to accept the next client in
# a busy loop.
_RESERVED_DESCRIPTORS: Final = 16


class HttpServer:
    """Serves one ASGI application on one socket.

    Tasks that belong to one client run in `clients`. `http2_timeouts` default to the time-outs of HTTP/1.
    Responses are counted in `counts`.
    """

    def __init__(  # noqa: PLR0913 - three positional arguments, and settings by name
        self,
        app: Application,
        clients: ClientTasks,
        max_connections: int,
        *,
        send_timeout_s: float = SEND_TIMEOUT_S,
        http2_timeouts: "Timeouts | None" = None,
        counts: ResponseCounts | None = None,
    ) -> None:
        self.is_stopping = False
        self.send_timeout_s = send_timeout_s
        self._app = app
        self._counts = counts
        self._clients = clients
        self._max_connections = max_connections
        self._http2_timeouts = http2_timeouts
        self._certificates: Certificates | None = None
        self._connections: set[Connection | TlsConnection] = set()
        self._http2: set[Http2Connection] = set()
        self._none_left = asyncio.Event()
        self._turned_away = 0

    async def serve(
        self,
        listener: socket.socket,
        stopped: Callable[[], Awaitable[Any]],
        certificates: Certificates | None = None,
    ) -> None:
        """Serve until `stopped()` returns, then wait up to _CLOSE_S for responses in progress.

        With `certificates`, all connections are TLS.
        """
        self._certificates = certificates
        loop = asyncio.get_running_loop()
        if listener.family == socket.AF_UNIX:
            server = await loop.create_unix_server(self._make_protocol, sock=listener)
        else:
            server = await loop.create_server(self._make_protocol, sock=listener)
        # create_server has set the backlog to its default. A longer `backlog` argument would also make
        # asyncio accept that many clients in a row, and fail as often when there are no descriptors left.
        listener.listen(BACKLOG)
        async with asyncio.TaskGroup() as tasks:
            sweep = tasks.create_task(self._sweep())
            try:
                await stopped()
            finally:
                server.close()
                await self._close_connections()
                sweep.cancel()

    def _make_protocol(self) -> Connection | TlsConnection:
        if self._certificates is None:
            return Connection(self)
        return TlsConnection(self, self._certificates.context, lambda: Connection(self))

    # for connections

    def opened(self, connection: Connection | TlsConnection) -> None:
        """Register a new connection. Over `max_connections` it gets 503; without descriptors it is closed.

        Before a handshake of TLS, it is closed in both cases.
        """
        if connection.descriptor >= _descriptor_limit() - _RESERVED_DESCRIPTORS:
            self._turned_away += 1
            connection.abort()
        elif len(self._connections) + len(self._http2) >= self._max_connections:
            connection.refuse_at_capacity()
        self._connections.add(connection)
        self._none_left.clear()

    def closed(self, connection: Connection | TlsConnection) -> None:
        """Unregister a closed connection. Idempotent."""
        self._connections.discard(connection)
        self._report_if_none_left()

    def http2_closed(self, connection: "Http2Connection") -> None:
        """Unregister a closed HTTP/2 connection. Idempotent."""
        self._http2.discard(connection)
        self._report_if_none_left()

    def run(self, exchange: Exchange) -> None:
        """Start the application for a request."""
        self._clients.start(self._answer(exchange))

    def start_client_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that belongs to one client."""
        return self._clients.start(work)

    def take_over_http2(self, connection: Connection, transport: asyncio.Transport, data: bytes) -> None:
        """Replace a connection whose first bytes, `data`, are HTTP/2 by an Http2Connection."""
        from coglet_supervisor.http.http2 import Http2Connection, Timeouts

        timeouts = self._http2_timeouts or Timeouts(send_s=self.send_timeout_s)
        app = self._app if self._counts is None else Counted(self._app, self._counts)
        successor = Http2Connection(self, app, transport, timeouts)
        self._http2.add(successor)
        self._connections.discard(connection)
        self._clients.start(successor.run())
        successor.data_received(data)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception:  # noqa: BLE001 - our bug, logged by the application; ends this request only
            exchange.fail()
        if self._counts is not None and exchange.status is not None:
            self._counts[exchange.scope.get(ROUTE, NO_ROUTE), exchange.status] += 1

    async def _sweep(self) -> None:
        """Close connections whose time-outs are over. One timer for all: most connections never need it."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._report_turned_away()
            now = loop.time()
            connections: list[Connection | TlsConnection | Http2Connection] = [
                *self._connections,
                *self._http2,
            ]
            for connection in connections:
                try:
                    connection.check(now)
                except Exception:  # our bug; must not stop the server
                    log.exception("the time-outs of a connection cannot be checked, closing it")
                    connection.abort()

    def _report_turned_away(self) -> None:
        count, self._turned_away = self._turned_away, 0
        if count:
            limit = _descriptor_limit()
            log.warning(
                "closed %d new connections: the limit of %g file descriptors is reached; raise `ulimit -n`",
                count,
                limit,
            )

    def _report_if_none_left(self) -> None:
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
            left: list[Connection | TlsConnection | Http2Connection] = [*self._connections, *self._http2]
            log.warning("%d connections did not end within %g s, closing them", len(left), _CLOSE_S)
            for each in left:
                each.abort()


def _descriptor_limit() -> float:
    """Return the limit of open descriptors.

    The system assigns the lowest free number, so it limits the numbers.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if soft == resource.RLIM_INFINITY else soft
