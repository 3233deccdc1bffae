"""Ending a download from another thread, whatever it waits for. Apart, because importing HTTP takes 30 ms."""

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
    """Ends downloads from another thread, also one that waits for a connection or for data."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: dict[int, socket.socket] = {}  # of each thread, the one that it waits for
        self._interrupted = False

    def interrupt(self) -> None:
        """Ends those that run and those still to come. Safe to repeat."""
        with self._lock:
            self._interrupted = True
            for each in self._sockets.values():
                with suppress(OSError):  # the server has hung up, or was never reached
                    each.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def covering(self) -> Iterator[None]:
        """The downloads that this thread makes in the block can be interrupted."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            self._replace(None)

    def add(self, sock: socket.socket) -> None:
        """A socket for which this thread will wait, and for no earlier one. Raises InterruptedError."""
        # With TLS, the descriptor goes over to another object, of which we do not hear.
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
    """Lets the interruption that covers this thread, if any, end what waits for `sock`.

    Raises InterruptedError when it was interrupted already.
    """
    if interruption := _current.get():
        interruption.add(sock)
