"""A `Connection` between a fake transport and a fake server: bytes in, bytes out."""

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from tests.supervisor.fakes import Host, Wire

from coglet_supervisor.http.connection import Connection
from coglet_supervisor.http.exchange import Exchange

T = TypeVar("T")

GET: Final = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST: Final = b"POST /a HTTP/1.1\r\nHost: x\r\n"
OK: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Client:
    """Both sides of one connection."""

    def __init__(self) -> None:
        self.host = Host()
        self.wire = Wire()
        self.connection = Connection(self.host)
        self.connection.connection_made(self.wire)

    def send(self, data: bytes) -> None:
        self.connection.data_received(data)

    @property
    def got(self) -> bytes:
        """Return what was written since the last call, without the Date header."""
        data, self.wire.written = self.wire.written, b""
        return re.sub(rb"date: [^\r]*\r\n", b"", data)

    @property
    def deadline_in_s(self) -> float | None:
        deadline = self.connection.deadline
        return None if deadline is None else deadline - asyncio.get_running_loop().time()


async def begun(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task, and let it run until it first waits."""
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
