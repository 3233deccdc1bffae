"""An HTTP client with control over connections: one per request, kept alive, or raw bytes."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Final

TIMEOUT_S: Final = 30.0
"""No test waits longer than this for a response."""

JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """A whole response."""

    status: int
    headers: Message = field(repr=False)
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own. A `body` that is not bytes is sent as JSON."""
        with self.connect() as connection:
            return exchange(connection, method, path, body, headers)

    @contextmanager
    def connect(self) -> Iterator[http.client.HTTPConnection]:
        """A keep-alive connection, for `exchange`."""
        with closing(http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)) as connection:
            yield connection

    @contextmanager
    def socket(self) -> Iterator[socket.socket]:
        """A raw connection, for what no HTTP client would send."""
        with socket.create_connection((self.host, self.port), TIMEOUT_S) as sock:
            yield sock

    def send_raw(self, data: bytes) -> bytes:
        """Send `data`, and return all bytes of the server until it closes the connection."""
        with self.socket() as sock:
            sock.sendall(data)
            return b"".join(iter(lambda: sock.recv(65536), b""))


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request on an open connection, and return its whole response."""
    content, all_headers = _content(body, headers)
    connection.request(method, path, content, all_headers)
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


def _content(body: Any, headers: Mapping[str, str] | None) -> tuple[bytes | None, dict[str, str]]:
    if body is None or isinstance(body, bytes):
        return body, dict(headers or {})
    return json.dumps(body).encode(), {**JSON, **(headers or {})}
