"""A connection between a transport and a server of the test's own: bytes in, bytes out."""

import asyncio
import re
import socket
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from coglet_supervisor.http.connection import Connection
from coglet_supervisor.http.exchange import Exchange

T = TypeVar("T")

GET: Final = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST: Final = b"POST /a HTTP/1.1\r\nHost: x\r\n"
OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

# What the kernel knows of every wire: an open connection, and nothing on its way.
_SOCKETS: Final = socket.socketpair()


class Wire(asyncio.Transport):
    """The transport: what the server wrote, and whether it reads."""

    def __init__(self) -> None:
        addresses = {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}
        super().__init__({**addresses, "socket": _SOCKETS[0]})
        self.written = b""
        self.unsent = 0
        self.reads = True
        self.ended: str | None = None

    def write(self, data: Any) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = self.ended or "eof"

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Host:
    """The server: it answers when the test says so."""

    is_stopping = False
    send_timeout_s = 60.0

    def __init__(self) -> None:
        self.asked: list[Exchange] = []
        self.connections: list[Connection] = []
        self.http2: bytes | None = None

    def opened(self, connection: Connection) -> None:
        self.connections.append(connection)

    def closed(self, connection: Connection) -> None:
        self.connections.remove(connection)

    def run(self, exchange: Exchange) -> None:
        self.asked.append(exchange)

    def take_over_http2(self, connection: Connection, transport: asyncio.Transport, data: bytes) -> None:
        self.connections.remove(connection)
        self.http2 = data


class Client:
    """Both ends of one connection."""

    def __init__(self) -> None:
        self.host = Host()
        self.wire = Wire()
        self.connection = Connection(self.host)
        self.connection.connection_made(self.wire)

    def send(self, data: bytes) -> None:
        self.connection.data_received(data)

    @property
    def got(self) -> bytes:
        """What was answered since the last look, without the date."""
        data, self.wire.written = self.wire.written, b""
        return re.sub(rb"date: [^\r]*\r\n", b"", data)

    @property
    def deadline_in_s(self) -> float | None:
        deadline = self.connection.deadline
        return None if deadline is None else deadline - asyncio.get_running_loop().time()


async def begun(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """The task of `work`, which has come to where it has to wait."""
    task = asyncio.get_running_loop().create_task(work)
    await asyncio.wait({task}, timeout=0)
    return task


async def answer(exchange: Exchange, body: bytes = b"ok", *, status: int = 200) -> None:
    length = (b"content-length", b"%d" % len(body))
    await exchange.send({"type": "http.response.start", "status": status, "headers": [length]})
    await exchange.send({"type": "http.response.body", "body": body})


async def body_of(exchange: Exchange) -> bytes:
    body = bytearray()
    while True:
        message = await exchange.receive()
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)
