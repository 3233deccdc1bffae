"""The running prediction: where its output and files go. A context variable binds code to its log."""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from coglet._scope import Scope
from coglet_protocol import slot
from coglet_protocol.control import LogSource
from coglet_worker.cancelation import CancelationGate
from coglet_worker.download_reports import DownloadReports
from coglet_worker.lines import LineBuffer
from coglet_worker.slot import SlotConnection


class LogTarget(Protocol):
    """Takes what code prints: a prediction, or the server log."""

    def write(self, source: LogSource, text: str) -> None: ...

    def write_captured(self, source: LogSource, text: str) -> None: ...

    def flush(self, source: LogSource) -> None: ...


log_target: Final[ContextVar[LogTarget | None]] = ContextVar("log_target", default=None)
"""The log of the running code; None in a thread that was started outside any prediction."""


class BufferedLog:
    """Line buffering in front of a channel. Any thread may write; a cancel does not split a line."""

    def __init__(self, gate: CancelationGate) -> None:
        self._gate = gate
        self._lock = threading.Lock()
        self._printed: dict[LogSource, LineBuffer] = {"stdout": LineBuffer(), "stderr": LineBuffer()}
        # A child's line must not end up inside one that the model has not finished.
        self._captured: dict[LogSource, LineBuffer] = {"stdout": LineBuffer(), "stderr": LineBuffer()}

    def write(self, source: LogSource, text: str) -> None:
        """Send complete lines; keep the rest until its line ends."""
        self._write(self._printed[source], source, text)

    def write_captured(self, source: LogSource, text: str) -> None:
        """Do the same for text that was written to the descriptor."""
        self._write(self._captured[source], source, text)

    def flush(self, source: LogSource) -> None:
        """Send an unfinished line, as `print(..., flush=True)` requires."""
        self._flush(self._printed[source], source)

    def flush_all(self) -> None:
        """Send all unfinished lines."""
        for lines in (self._captured, self._printed):
            for source, buffer in lines.items():
                self._flush(buffer, source)

    def _write(self, lines: LineBuffer, source: LogSource, text: str) -> None:
        shield = self._gate.shielded()
        if shield.depth:
            shield.postpone(partial(self._write, lines, source, text))
            return
        with shield, self._lock:
            if ready := lines.write(text):
                self._emit(source, ready)

    def _flush(self, lines: LineBuffer, source: LogSource) -> None:
        shield = self._gate.shielded()
        if shield.depth:
            shield.postpone(partial(self._flush, lines, source))
            return
        with shield, self._lock:
            if ready := lines.take():
                self._emit(source, ready)

    def _emit(self, source: LogSource, text: str) -> None:
        raise NotImplementedError


class TemporaryFiles:
    """Files that are removed when their prediction ends, and at once if a download finishes later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: list[Path] = []
        self._on_close: list[Callable[[], None]] = []
        self.closed = False

    def when_closed(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the prediction ends, or now if it has ended."""
        with self._lock:
            if not self.closed:
                self._on_close.append(callback)
                return
        callback()

    def keep(self, path: Path) -> None:
        """Remove `path` when the prediction ends, or now if it has ended. Any thread may call it."""
        with self._lock:
            if not self.closed:
                self._paths.append(path)
                return
        path.unlink(missing_ok=True)

    def remove_all(self) -> None:
        with self._lock:
            self.closed = True
        for callback in self._on_close:
            callback()
        for path in self._paths:
            path.unlink(missing_ok=True)


class RunningPrediction(BufferedLog):
    """One prediction on one slot, from its Predict to its terminal message."""

    def __init__(
        self, message: slot.Predict, connection: SlotConnection, gate: CancelationGate, orphans: LogTarget
    ) -> None:
        super().__init__(gate)
        self.id = message.id
        self.sequence = message.sequence
        self.output_dir = Path(message.output_dir)
        self.connection = connection
        self.ended = False
        self.in_generator = False
        self.scope: Scope | None = None
        self.download_reports: DownloadReports | None = None
        self.temporary_files = TemporaryFiles()
        self._orphans = orphans
        self._next_index = 0

    def take_index(self) -> int:
        """Return the position of the next output item and advance it."""
        index = self._next_index
        self._next_index += 1
        return index

    def end(self, terminal: "slot.Done | slot.Failed | slot.Cancelled") -> None:
        """Send unfinished lines and remove temporary files; later output goes to the server log."""
        self.flush_all()
        if self.download_reports is not None:
            # A file that was read in part and left open has not failed if the prediction succeeded.
            self.download_reports.close(None if isinstance(terminal, slot.Done) else "canceled")
        self.ended = True
        self.temporary_files.remove_all()

    def _emit(self, source: LogSource, text: str) -> None:
        if self.ended:
            self._orphans.write(source, text)
        else:
            self.connection.log(source, text)
