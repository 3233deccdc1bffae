"""Output that bypasses Python's streams: child processes, C libraries and `os.write` on descriptors 1 and 2.

Each descriptor is the write end of a pipe that a thread drains. The text belongs to the running prediction if
there is exactly one, else to the server log, because a descriptor does not show which code wrote.
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
    """Drains one pipe. The thread that ends a prediction calls `drain`, so that all output of its children
    so far is in its logs."""

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
        """Start the thread, which runs until the process exits."""
        threading.Thread(target=self._run, name=f"cog-capture-{self._source}", daemon=True).start()

    def drain(self) -> None:
        """Deliver what has been written so far and no more, because a child may never stop writing."""
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
                # Everything at once: when a pipe is full, lines of waiting writers are interleaved.
                open_for_writing = self._deliver(max(_READ_BYTES, _unread_bytes(self._descriptor))) != 0

    def _deliver(self, most_bytes: int) -> int | None:
        """Read once. Return the number of bytes: 0 at EOF, None if there is nothing to read now."""
        try:
            data = os.read(self._descriptor, most_bytes)
        except BlockingIOError:
            return None  # the other thread was faster
        if text := self._decoder.decode(data, final=not data):
            self._target().write_captured(self._source, text)
        return len(data)


def _unread_bytes(descriptor: int) -> int:
    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
