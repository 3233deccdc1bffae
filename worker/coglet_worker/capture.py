"""What goes around Python's streams: child processes, C libraries and `os.write` on descriptors 1 and 2.

A pipe stands behind each descriptor and a thread drains it. The text belongs to the one running prediction
when there is exactly one, else to the server log: a descriptor does not tell who wrote.
"""

import codecs
import fcntl
import os
import select
import sys
import termios
import threading
from collections.abc import Callable
from typing import Final

from coglet_protocol.control import LogSource
from coglet_worker.cancelation import CancelationGate
from coglet_worker.running import LogTarget

_READ_BYTES: Final = 64 * 1024


class DescriptorCapture:
    """Drains one pipe. `drain` may be called by the thread that ends a prediction, so that its children's
    last words are in its logs."""

    def __init__(
        self, source: LogSource, descriptor: int, gate: CancelationGate, target: Callable[[], LogTarget]
    ) -> None:
        self._source: LogSource = source
        self._descriptor = descriptor
        self._gate = gate
        self._target = target
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lock = threading.Lock()

    def start(self) -> None:
        """Starts the thread, which lives as long as the process."""
        threading.Thread(target=self._run, name=f"cog-capture-{self._source}", daemon=True).start()

    def drain(self) -> None:
        """Delivers all that has been written so far; not more, as a child may go on writing for ever."""
        with self._gate.shielded(), self._lock:
            unread = _unread_bytes(self._descriptor)
            while unread > 0 and (read := self._deliver(unread)):
                unread -= read

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        open_for_writing = True
        while open_for_writing:
            poll.poll()
            with self._lock:
                # All at once: a pipe that is full tears the lines of those who wait for room.
                open_for_writing = self._deliver(max(_READ_BYTES, _unread_bytes(self._descriptor))) != 0

    def _deliver(self, most_bytes: int) -> int | None:
        """Gives the number of bytes: 0 at the end, None when there is nothing now."""
        try:
            data = os.read(self._descriptor, most_bytes)
        except BlockingIOError:
            return None  # the other thread was faster
        if text := self._decoder.decode(data, final=not data):
            self._target().write_captured(self._source, text)
        return len(data)


def _unread_bytes(descriptor: int) -> int:
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
