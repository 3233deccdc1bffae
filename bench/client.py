"""A small HTTP/1.1 client on raw sockets: it reads first and parses later, to measure little of itself."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from bench.errors import NoResult, require

_READ_BYTES: Final = 256 * 1024
_HEAD_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Response:
    """An answer and its times, in seconds of `time.perf_counter`."""

    status: int
    headers: Mapping[str, str]
    body: bytes | bytearray
    sent_at: float
    """Just before the first byte of the request."""
    marked_at: float | None
    """When the requested marker had arrived; None when it did not, or none was requested."""
    done_at: float
    """When the last byte of the body had arrived."""

    @property
    def elapsed_s(self) -> float:
        """From the request to the end of the answer."""
        return self.done_at - self.sent_at

    def json(self) -> Any:
        """Return the decoded body. Raises `NoResult` if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise NoResult(f"status {self.status} with a body that is not JSON: {error}") from error

    def prediction(self, status: str = "succeeded") -> Any:
        """Return the decoded body of a prediction. Raises `NoResult` unless it ended with the status."""
        require(self.status == 200, f"status {self.status}: {bytes(self.body[:300])!r}")
        body = self.json()
        require(body.get("status") == status, f"the prediction is not {status}: {str(body)[:300]}")
        return body


class Connection:
    """One keep-alive connection; one request at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def get(self, path: str) -> Response:
        """Send a GET request and return the response."""
        return await self.request("GET", path, None, {})

    async def predict(
        self,
        request: Mapping[str, object],
        headers: Mapping[str, str] | None = None,
        marker: bytes | None = None,
    ) -> Response:
        """Post a prediction request and return the response."""
        body = json.dumps(request).encode()
        return await self.request("POST", "/predictions", body, headers or {}, marker)

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        marker: bytes | None = None,
    ) -> Response:
        """Send a request and return the whole response, noting when the marker first appears in it."""
        message = _head(method, path, body, headers)
        if body:
            message += body
        sent_at = time.perf_counter()
        await self._loop.sock_sendall(self._sock, message)
        return await self._read(sent_at, marker)

    async def _read(self, sent_at: float, marker: bytes | None) -> Response:
        received = bytearray()
        while (head_end := received.find(_HEAD_END)) < 0:
            received += await self._receive()
        status, headers = _parse_head(bytes(received[:head_end]))
        del received[: head_end + len(_HEAD_END)]
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body, marked_at, done_at = await self._read_chunked(received, marker)
            return Response(status, headers, body, sent_at, marked_at, done_at)
        sized = await self._read_sized(received, int(headers.get("content-length", 0)))
        return Response(status, headers, sized, sent_at, None, time.perf_counter())

    async def _read_sized(self, received: bytearray, length: int) -> bytearray:
        body = bytearray(length)
        filled = len(received)
        body[:filled] = received
        with memoryview(body) as view:
            while filled < length:
                count = await self._loop.sock_recv_into(self._sock, view[filled:])
                if not count:
                    raise NoResult(f"the server closed the connection after {filled} of {length} bytes")
                filled += count
        return body

    async def _read_chunked(
        self, received: bytearray, marker: bytes | None
    ) -> tuple[bytes, float | None, float]:
        """Return the body, when the marker arrived, and when the last byte arrived."""
        marked_at = None
        while True:
            arrived_at = time.perf_counter()
            if marker and marked_at is None and marker in received:
                marked_at = arrived_at
            if received.endswith(_LAST_CHUNK) and (body := _dechunk(received)) is not None:
                return body, marked_at, arrived_at
            received += await self._receive()

    async def _receive(self) -> bytes:
        data = await self._loop.sock_recv(self._sock, _READ_BYTES)
        if not data:
            raise NoResult("the server closed the connection before the end of the answer")
        return data


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Connection]:
    """Opens a connection to a local server, closed on leaving the block."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        yield Connection(sock)


async def predict_once(
    port: int,
    request: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
    marker: bytes | None = None,
) -> Response:
    """Post a prediction request on a connection of its own.

    On a reused connection the peer's first event comes 40 ms late: Nagle's algorithm waits for a delayed
    acknowledgement. A new one shows what the servers themselves need.
    """
    async with connect(port) as connection:
        return await connection.predict(request, headers, marker)


def _head(method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    fields = {"Host": "127.0.0.1", **headers}
    if body is not None:
        fields |= _JSON | {"Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    try:
        status = int(status_line.split(" ", 2)[1])
    except (IndexError, ValueError) as error:
        raise NoResult(f"not an HTTP status line: {status_line[:80]!r}") from error
    pairs = (line.partition(":") for line in lines)
    return status, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _dechunk(received: bytearray) -> bytes | None:
    """Return the body of a chunked message; None while its last chunk is missing."""
    parts: list[bytes] = []
    position = 0
    while (line_end := received.find(b"\r\n", position)) >= 0:
        size = int(received[position:line_end].partition(b";")[0], 16)
        start = line_end + 2
        if size == 0:
            return b"".join(parts)
        parts.append(bytes(received[start : start + size]))
        position = start + size + 2
    return None
