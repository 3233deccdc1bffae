"""The worker's end of the control channel."""

import os
import threading
from collections.abc import Iterator

from coglet_protocol import control
from coglet_protocol.control import LogSource
from coglet_protocol.limits import split_log
from coglet_worker.cancelation import CancelationGate


class ControlChannel:
    """JSON lines over two private descriptors. Any thread may send; one thread reads.

    A send blocks while the supervisor does not read: what the model prints is never lost, and a model that
    prints faster than the supervisor takes is slowed down.
    """

    def __init__(self, read_descriptor: int, write_descriptor: int, gate: CancelationGate) -> None:
        self._reader = open(read_descriptor, "rb", closefd=False)
        self._write_descriptor = write_descriptor
        self._lock = threading.Lock()
        self._gate = gate
        self._broken = False

    def receive(self) -> control.ToWorker | None:
        """The next message, or None when the supervisor is gone. Raises ProtocolError."""
        line = self._reader.readline()
        return control.decode_to_worker(line) if line else None

    def __iter__(self) -> Iterator[control.ToWorker]:
        while (message := self.receive()) is not None:
            yield message

    def send(self, message: control.FromWorker) -> None:
        """Writes one message. Does nothing once the supervisor is gone: its EOF ends the process anyway."""
        line = memoryview(control.encode_line(message))
        with self._gate.shielded(), self._lock:
            try:
                while line and not self._broken:
                    line = line[os.write(self._write_descriptor, line) :]
            except OSError:
                self._broken = True

    def write_log(self, source: LogSource, text: str) -> None:
        """Text printed outside any prediction."""
        for piece in split_log(text):
            self.send(control.Log(source=source, data=piece))
