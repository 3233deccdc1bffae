"""Interrupts downloads from another thread. A module of its own, because importing HTTP takes 30 ms."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_current: ContextVar[Interruption | None] = ContextVar("cog_interruption", default=None)


class Interruption:
    """Interrupts downloads from another thread, even while they wait for a connection or for data."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: dict[int, socket.socket] = {}  # thread id -> the socket that it waits for
        self._interrupted = False

    def interrupt(self) -> None:
        """Interrupt running and future downloads. Safe to repeat."""
        with self._lock:
            self._interrupted = True
            for each in self._sockets.values():
                with suppress(OSError):  # closed by the server, or never connected
                    each.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def covering(self) -> Iterator[None]:
        """Make the downloads of this thread in the block interruptible."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            self._replace(None)

    def add(self, sock: socket.socket) -> None:
        """Register the socket that this thread waits for from now on, in place of an earlier one.

        Raises InterruptedError if the downloads are interrupted already.
        """
        # A duplicate, because TLS moves the descriptor to a socket object that is unknown here.
        self._replace(sock.dup())
        if self._interrupted:
            raise InterruptedError("the download is no longer wanted")

    def _replace(self, sock: socket.socket | None) -> None:
        with self._lock:
            earlier = self._sockets.pop(threading.get_ident(), None)
            if sock is not None:
                self._sockets[threading.get_ident()] = sock
        if earlier is not None:
            earlier.close()


def interruptible(sock: socket.socket) -> None:
    """Let the interruption that covers this thread, if any, end waits for `sock`.

    Raises InterruptedError if it was interrupted already.
    """
    if interruption := _current.get():
        interruption.add(sock)
