"""The worker's end of the control channel."""

import os
import select
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Final

from coglet_protocol import control
from coglet_protocol.control import LogSource
from coglet_protocol.limits import split_log
from coglet_worker.backlog import Backlog
from coglet_worker.cancelation import CancelationGate

LOG_TIMEOUT_S: Final = 5.0
"""How long a log waits for a slow supervisor before the first one is dropped."""


class ControlChannel:
    """JSON lines over two private descriptors. Any thread may send; one thread reads.

    While the supervisor does not read, messages wait in a bounded backlog: a model that prints much is slowed
    down first; then its lines are dropped and counted, so that it neither blocks nor fills the memory.
    """

    def __init__(
        self,
        read_descriptor: int,
        write_descriptor: int,
        gate: CancelationGate,
        *,
        log_timeout_s: float = LOG_TIMEOUT_S,
    ) -> None:
        self._reader = open(read_descriptor, "rb", closefd=False)
        self._write_descriptor = write_descriptor
        self._lock = threading.Lock()
        self._gate = gate
        self._broken = False
        self._backlog = Backlog()
        self._log_timeout_s = log_timeout_s
        self._has_timed_out = False
        self._room = self._new_poll()
        self._is_draining = False
        self._due: SimpleQueue[None] | None = (
            None  # wakes the thread that drains the backlog; None until that thread is started
        )

    def receive(self) -> control.ToWorker | None:
        """Return the next message, or None if the supervisor has closed its end.

        Raises ProtocolError if a line is not a message.
        """
        line = self._reader.readline()
        return control.decode_to_worker(line) if line else None

    def __iter__(self) -> Iterator[control.ToWorker]:
        while (message := self.receive()) is not None:
            yield message

    def send(self, message: control.FromWorker) -> None:
        """Write one message, or leave it in the backlog. Do nothing if the supervisor has closed its end."""
        with self._gate.shielded(), self._lock:
            if self._backlog.is_full:
                self._make_room()
            self._add(message)
            while self._backlog and self._write_some(0):
                pass
            if self._backlog:
                self._hand_over()

    def send_last(self, message: control.FromWorker) -> None:
        """Write the backlog and this message. Block until that is done or the supervisor closes its end."""
        with self._gate.shielded(), self._lock:
            self._add(message)
            while self._backlog:
                self._write_some(None)

    def write_log(self, source: LogSource, text: str) -> None:
        """Send text that was printed outside any prediction."""
        for piece in split_log(text):
            self.send(control.Log(source=source, data=piece))

    def _add(self, message: control.FromWorker) -> None:
        if not self._broken:
            self._backlog.add(message)

    def _make_room(self) -> None:
        deadline = time.monotonic() + (0 if self._has_timed_out else self._log_timeout_s)
        while self._backlog.is_full and self._write_some(max(0, deadline - time.monotonic())):
            pass
        self._has_timed_out = self._backlog.is_full

    def _write_some(self, wait_s: float | None) -> bool:
        """Write what the pipe takes without blocking. Return False if it stayed full for `wait_s` seconds."""
        if not self._room.poll(None if wait_s is None else wait_s * 1000):
            return False
        try:
            self._backlog.written(os.write(self._write_descriptor, self._backlog.front(select.PIPE_BUF)))
        except OSError:
            self._broken = True
            self._backlog.clear()
        return True

    def _hand_over(self) -> None:
        if self._is_draining:
            return
        self._is_draining = True
        if self._due is None:
            self._due = SimpleQueue()
            threading.Thread(target=self._drain, args=(self._due,), name="cog-backlog", daemon=True).start()
        self._due.put(None)

    def _drain(self, due: "SimpleQueue[None]") -> None:
        room = self._new_poll()
        while True:
            due.get()
            while self._is_draining:
                room.poll()  # without the lock, so that others may add to the backlog
                with self._lock:
                    while self._backlog and self._write_some(0):
                        pass
                    self._is_draining = bool(self._backlog)

    def _new_poll(self) -> "select.poll":
        poll = select.poll()
        poll.register(self._write_descriptor, select.POLLOUT)
        return poll
