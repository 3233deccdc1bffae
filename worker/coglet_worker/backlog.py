"""Messages that wait while the supervisor does not read the control channel. Holds lines, does no I/O."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from coglet_protocol import control

BACKLOG_BYTES: Final = 1024 * 1024


class Backlog:
    """Encoded lines in order. Logs above the limit are dropped and counted; other messages are always kept.

    Except for logs, a message that is waiting already is not added again, so that a supervisor that never
    reads costs bounded memory, however many predictions it requests.
    """

    def __init__(self, limit_bytes: int = BACKLOG_BYTES, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._front_written = 0  # bytes of the first line
        self._dropped = 0
        self._dropping_since = 0.0

    def __bool__(self) -> bool:
        return bool(self._lines or self._dropped)

    @property
    def is_full(self) -> bool:
        """True when a log would be dropped."""
        return self._bytes >= self._limit_bytes

    def add(self, message: control.FromWorker) -> None:
        """Append a message, or count it as dropped if it is a log and the backlog is full."""
        line = control.encode_line(message)
        if isinstance(message, control.Log | control.WorkerLog):
            if self.is_full:
                self._drop(message)
                return
        elif line in self._lines:
            return
        self._report_dropped()
        self._append(line)

    def front(self, most_bytes: int) -> memoryview:
        """Return the bytes to be written next, at most `most_bytes`."""
        if not self._lines:
            self._report_dropped()
        return memoryview(self._lines[0])[self._front_written : self._front_written + most_bytes]

    def written(self, count: int) -> None:
        """Remove `count` bytes, which have been written, from the front."""
        self._front_written += count
        if self._front_written == len(self._lines[0]):
            self._bytes -= len(self._lines.popleft())
            self._front_written = 0

    def clear(self) -> None:
        """Drop everything, because the supervisor has closed its end."""
        self._lines.clear()
        self._bytes = self._front_written = self._dropped = 0

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def _drop(self, message: control.Log | control.WorkerLog) -> None:
        if not self._dropped:
            self._dropping_since = self._clock()
        self._dropped += max(1, message.data.count("\n")) if isinstance(message, control.Log) else 1

    def _report_dropped(self) -> None:
        if self._dropped:
            interval_millis = round((self._clock() - self._dropping_since) * 1000)
            count, self._dropped = self._dropped, 0
            self._append(
                control.encode_line(control.DroppedLogs(count=count, interval_millis=interval_millis))
            )
