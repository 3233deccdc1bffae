"""Output of processes under test, collected by one thread: a test waits for a message, never for a time."""

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from testing.waiting import DEADLINE_S

T = TypeVar("T")
V = TypeVar("V")

_READ_BYTES: Final = 256 * 1024


class Inbox(Generic[T]):
    """The messages of one channel, in the order of their arrival."""

    def __init__(self, name: str, explain: Callable[[], str]) -> None:
        self.name = name
        self._explain = explain
        self._messages: list[T] = []
        self._end: str | None = None  # why the channel has ended
        self._changed = threading.Condition()

    def put(self, message: T) -> None:
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()

    def close(self, reason: str = "closed") -> None:
        """Mark the end of the channel."""
        with self._changed:
            self._end = reason
            self._changed.notify_all()

    @property
    def state(self) -> str:
        return self._end or "still open"

    @property
    def messages(self) -> list[T]:
        """Return the messages that have arrived so far."""
        with self._changed:
            return list(self._messages)

    def wait_closed(self) -> None:
        """Wait for the end of the channel."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._end, DEADLINE_S), self._complaint("end")

    def wait_for(self, find: Callable[[list[T]], V | None], what: str) -> V:
        """Return the first result of `find` that is not None; it is called after each message.

        Raises AssertionError, with all that is known, at the deadline or when the channel ends.
        """
        deadline = time.monotonic() + DEADLINE_S
        with self._changed:
            while (found := find(self._messages)) is None:
                assert self._end is None, self._complaint(what)
                assert self._changed.wait(deadline - time.monotonic()), self._complaint(what)
        return found

    def wait_message(self, kind: type[V]) -> V:
        """Wait for the first message of a kind, and return it."""
        return self.wait_for(
            lambda messages: next((each for each in messages if isinstance(each, kind)), None), kind.__name__
        )

    def _complaint(self, what: str) -> str:
        said = ", ".join(repr(each)[:300] for each in self._messages[-20:])
        return f"no {what} on {self.name}, {self.state}; it said: {said}\n{self._explain()}"


class Source(Protocol):
    """A readable descriptor, with the handler of what is read from it."""

    @property
    def inbox(self) -> Inbox[Any]: ...

    def fileno(self) -> int: ...

    def on_readable(self) -> bool:
        """Read once; return False at the end."""


class Reader(threading.Thread):
    """Reads from all sources until it is stopped. Calls `on_broken` when a message is invalid."""

    def __init__(self, on_broken: Callable[[], None]) -> None:
        super().__init__(name="harness-reader")
        self._on_broken = on_broken
        self._selector = selectors.DefaultSelector()
        self._stop_receiver, self._stop_sender = socket.socketpair()
        self._selector.register(self._stop_receiver, selectors.EVENT_READ)

    def add(self, source: Source) -> None:
        """Add a source, before the start or from `on_readable`."""
        self._selector.register(source.fileno(), selectors.EVENT_READ, source)

    def run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                if not self._read(key.data):
                    self._selector.unregister(key.fd)

    def _read(self, source: Source) -> bool:
        try:
            return source.on_readable()
        except Exception as error:  # noqa: BLE001 - reported to the test, which waits in another thread
            source.inbox.close(f"broken by {error!r}"[:1000])
            self._on_broken()
            return False

    def stop(self) -> None:
        self._stop_sender.close()
        self.join()
        self._stop_receiver.close()
        self._selector.close()


def read_some(descriptor: int) -> bytes:
    """Read once; return b"" at the end, however the connection ends."""
    with contextlib.suppress(ConnectionError):
        return os.read(descriptor, _READ_BYTES)
    return b""
