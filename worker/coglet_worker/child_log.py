"""Output of a child that the model has forked: whole lines on its descriptors, which `capture` reads.

All children write to the same pipes. So each line is written in one call, and the processes take turns: a
write longer than `PIPE_BUF` may be interleaved with others when the pipe is full.
"""

import contextlib
import fcntl
import os
import select
import threading
from collections.abc import Iterator
from typing import Final

from coglet_protocol.control import LogSource
from coglet_worker.lines import LineBuffer

_DESCRIPTORS: Final[dict[LogSource, int]] = {"stdout": 1, "stderr": 2}


class ChildLog:
    """Router and target of the streams in a forked child.

    Like any process, one that ends by `os._exit` without a flush loses its unfinished line.
    """

    def __init__(self) -> None:
        # Reentrant, as a signal handler may print in the middle of a print.
        self._lock = threading.RLock()
        self._lines: dict[LogSource, LineBuffer] = {"stdout": LineBuffer(), "stderr": LineBuffer()}

    def target(self) -> "ChildLog":
        return self

    def write(self, source: LogSource, text: str) -> None:
        """Write complete lines; keep the rest until its line ends."""
        with self._lock:
            _write(_DESCRIPTORS[source], self._lines[source].write(text))

    write_captured = write

    def flush(self, source: LogSource) -> None:
        """Write an unfinished line."""
        with self._lock:
            _write(_DESCRIPTORS[source], self._lines[source].take())

    def flush_all(self) -> None:
        for source in _DESCRIPTORS:
            self.flush(source)


def _write(descriptor: int, text: str) -> None:
    if not text:
        return
    with _turn(descriptor):
        for rest in _pieces(text.encode("utf-8", "replace")):
            while rest:
                rest = rest[os.write(descriptor, rest) :]


def _pieces(data: bytes) -> Iterator[bytes]:
    """Yield whole lines, as many as fit an atomic write (PIPE_BUF); a longer line comes alone."""
    start = 0
    while start < len(data):
        end = (
            data.rfind(b"\n", start, start + select.PIPE_BUF) + 1 or data.find(b"\n", start) + 1 or len(data)
        )
        yield data[start:end]
        start = end


@contextlib.contextmanager
def _turn(descriptor: int) -> Iterator[None]:
    """Let one process write at a time. The kernel releases the lock when the process ends."""
    with contextlib.suppress(OSError):  # no longer a pipe, or a system that locks only regular files
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.lockf(descriptor, fcntl.LOCK_UN)
