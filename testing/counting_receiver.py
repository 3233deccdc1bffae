"""The web server of the benchmarks: it stores the bodies that it receives and answers each request with 200.

It is not `testing.receiver` because it shares the processor with the server that is measured: a thread for
each connection and a parsed request cost several times as much as this protocol on the client's event loop.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from testing.ports import HOST

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_ACCEPTED: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class CountingReceiver:
    """Counts deliveries and keeps their bodies, in order of arrival."""

    def __init__(self, expected: int) -> None:
        self.bodies: list[bytes] = []
        self.last_at = 0.0
        """When the last delivery arrived, on the clock of `time.perf_counter`."""
        self._expected = expected
        self._complete = asyncio.Event()
        self._url = ""
        self._connections: set[asyncio.WriteTransport] = set()

    @property
    def url(self) -> str:
        """Where to deliver."""
        return self._url

    async def wait_complete(self) -> None:
        """Return once the expected number of deliveries has arrived."""
        await self._complete.wait()

    def take(self, body: bytes) -> None:
        """Store one delivery."""
        self.bodies.append(body)
        self.last_at = time.perf_counter()
        if len(self.bodies) >= self._expected:
            self._complete.set()

    def connected(self, connection: asyncio.WriteTransport) -> None:
        """Track a sender's connection, to close it at the end."""
        self._connections.add(connection)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listens on a free local port while in the block."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Delivery(self), HOST, 0)
        try:
            self._url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/hook"
            yield
        finally:
            server.close()
            # A sender may keep its connections open indefinitely, and the loop would wait for them.
            for connection in self._connections:
                connection.close()
            await server.wait_closed()


class _Delivery(asyncio.Protocol):
    """One connection of a sender; any number of requests, one after the other, sized by Content-Length."""

    def __init__(self, receiver: CountingReceiver) -> None:
        self._receiver = receiver
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._receiver.connected(transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (body := self._next_body()) is not None:
            self._receiver.take(body)
            if self._transport:
                self._transport.write(_ACCEPTED)

    def _next_body(self) -> bytes | None:
        head_end = self._received.find(_HEAD_END)
        if head_end < 0:
            return None
        head = bytes(self._received[:head_end]).lower()
        length = int(head.partition(_LENGTH)[2].split(b"\r\n", 1)[0])
        end = head_end + len(_HEAD_END) + length
        if len(self._received) < end:
            return None
        body = bytes(self._received[head_end + len(_HEAD_END) : end])
        del self._received[:end]
        return body
