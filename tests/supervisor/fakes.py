"""Stand-ins for real parts. `test_fakes.py` holds each of them to the contract of its original."""

import asyncio
import json
import socket
from collections import deque
from typing import Any, Final
from urllib.parse import unquote

from coglet_supervisor.http.connection import Connection
from coglet_supervisor.http.exchange import Exchange
from coglet_supervisor.http.request import Message, Scope
from coglet_supervisor.predictions.slots import Slot

# What the kernel knows of every wire: an open connection without data in transit.
_SOCKETS: Final = socket.socketpair()


class Wire(asyncio.Transport):
    """In the place of a socket's transport: what was written, whether it reads, and how it ended."""

    def __init__(self) -> None:
        addresses = {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}
        super().__init__({**addresses, "socket": _SOCKETS[0]})
        self.written = b""
        self.unsent = 0
        self.reads = True
        self.ended: str | None = None

    def write(self, data: Any) -> None:
        if self.ended == "eof":
            raise RuntimeError("Cannot call write() after write_eof()")
        if self.ended is None:
            self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = self.ended or "eof"

    def is_closing(self) -> bool:
        return self.ended in ("closed", "aborted")

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Host:
    """In the place of `HttpServer`: requests are answered when the test says so."""

    is_stopping = False
    send_timeout_s = 60.0

    def __init__(self) -> None:
        self.asked: list[Exchange] = []
        self.connections: list[Connection] = []
        self.http2: bytes | None = None

    def opened(self, connection: Connection) -> None:
        self.connections.append(connection)

    def closed(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)

    def run(self, exchange: Exchange) -> None:
        self.asked.append(exchange)

    def take_over_http2(self, connection: Connection, transport: asyncio.Transport, data: bytes) -> None:
        self.connections.remove(connection)
        self.http2 = data


class Owner:
    """In the place of `WorkerProcess`: it notes what the slot asks of it."""

    def __init__(self, cancel_grace_s: float | None = None) -> None:
        self.cancel_grace_s = cancel_grace_s
        self.heard: list[str] = []
        self.replaced: asyncio.Queue[str] = asyncio.Queue()

    @property
    def cancels(self) -> int:
        """How often it was asked to cancel."""
        return sum(entry.startswith("cancel ") for entry in self.heard)

    def cancel(self, slot_id: str, prediction_id: str, sequence: int) -> None:
        self.heard.append(f"cancel {prediction_id} {sequence}")

    def replace(self, reason: str) -> None:
        self.replaced.put_nowait(reason)

    def slot_connected(self, connected: Slot) -> None:
        self.heard.append("connected")

    def slot_idle(self) -> None:
        self.heard.append("idle")

    def prediction_ended(self) -> None:
        self.heard.append("ended")

    def prediction_lost(self) -> None:
        self.heard.append("lost")

    def slot_lost(self, lost: Slot, reason: str) -> None:
        lost.poison(reason)

    def is_worker(self, peer: socket.socket) -> bool:
        return True


class Caller:
    """In the place of `Exchange`: one request, whose body comes in `pieces`, and what was answered."""

    def __init__(self, method: str, path: str, *pieces: bytes, **headers: str) -> None:
        raw_path, _, query = path.encode().partition(b"?")
        self.scope: Scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "http_version": "1.1",
            "path": unquote(raw_path.decode()),
            "raw_path": raw_path,
            "query_string": query,
            "headers": [
                (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()
            ],
        }
        self.status: int | None = None
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.is_answered = False
        self._pieces = deque(pieces or [b""])
        self._gone = asyncio.Event()

    async def receive(self) -> Message:
        """ASGI: the body, and in the end `http.disconnect`."""
        if self._pieces:
            piece = self._pieces.popleft()
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI: the head, or a piece of the body."""
        if self._gone.is_set():
            return
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.body += message["body"]
        if not message.get("more_body", False):
            self.is_answered = True
            self._gone.set()

    def leave(self) -> None:
        """The client closes the connection."""
        self._gone.set()

    def json(self) -> Any:
        """The body of the answer, decoded."""
        return json.loads(self.body)
