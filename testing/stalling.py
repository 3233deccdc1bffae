"""A server that accepts connections and never responds, not even to a TLS handshake."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Final

from testing.ports import HOST
from testing.waiting import DEADLINE_S

# Below the 10 s after which the reading side of a download gives up by itself.
GIVEN_UP_WITHIN_S: Final = 8.0


class Stalling:
    """Counts the requests, and those whose clients have hung up. Each gets `first`, and nothing after it."""

    def __init__(self, host: str = HOST, first: bytes = b"") -> None:
        self._first = first
        self._listener = socket.create_server((host, 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}/file.txt"
        self.requests = 0
        self.hung_up = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def listening(self) -> Iterator["Stalling"]:
        """Accept requests within the block."""
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def wait(self, *, requests: int = 0, hung_up: int = 0) -> None:
        """Wait until so many have arrived."""
        with self._changed:
            arrived = self._changed.wait_for(
                lambda: self.requests >= requests and self.hung_up >= hung_up,
                DEADLINE_S if not hung_up else GIVEN_UP_WITHIN_S,
            )
        assert arrived, f"{self.requests} requests, {self.hung_up} of them hung up"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._hold, args=(connection,), daemon=True).start()

    def _hold(self, connection: socket.socket) -> None:
        with connection:
            with contextlib.suppress(ConnectionError):
                connection.recv(65536)
                connection.sendall(self._first)
                self._count("requests")
                while connection.recv(65536):  # the rest of the request
                    pass
            self._count("hung_up")

    def _count(self, name: str) -> None:
        with self._changed:
            setattr(self, name, getattr(self, name) + 1)
            self._changed.notify_all()
