"""The parts of a worker in this process. The test holds the supervisor's ends of its channels."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from coglet_protocol import control, slot
from coglet_protocol.framing import Deframer
from coglet_worker.cancelation import CancelationGate
from coglet_worker.control import ControlChannel
from coglet_worker.inputs import InputConverter
from coglet_worker.model import Model
from coglet_worker.numbering import Numbering
from coglet_worker.runtime import Runtime
from coglet_worker.slot import Flusher, SlotConnection
from coglet_worker.streams import LogRouter, OrphanLog

TERMINAL: Final = (slot.Done, slot.Failed, slot.Cancelled)
_FLUSHER: Final = Flusher()  # its thread runs until the process exits


class SlotEnd:
    """One slot: the worker's `connection`, and what the supervisor has written and read."""

    def __init__(self, path: Path, gate: CancelationGate, numbering: Numbering) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            self.connection = SlotConnection(str(path), gate, _FLUSHER, numbering)
            self.peer, _ = listener.accept()
        self._sent = 0
        self._deframer = Deframer()
        self._said: list[slot.FromWorker] = []

    def predict(self, prediction_id: str = "p", **arguments: Any) -> None:
        """Send a prediction with these arguments. Predictions are numbered from 1."""
        self._sent += 1
        message = slot.Predict(
            id=prediction_id,
            output_dir="/nonexistent",
            input=msgspec.json.encode(arguments),
            context={"from": "test"},
            sequence=self._sent,
        )
        self.peer.sendall(slot.encode_frame(message))

    def end(self) -> None:
        """Close the supervisor's sending side: no prediction follows."""
        self.peer.shutdown(socket.SHUT_WR)

    @property
    def said(self) -> list[slot.FromWorker]:
        """Return all messages that the worker has sent."""
        with contextlib.suppress(BlockingIOError):
            while data := self.peer.recv(65536, socket.MSG_DONTWAIT):
                self._said += map(slot.decode_from_worker, self._deframer.feed(data))
        return list(self._said)

    @property
    def has_ended(self) -> bool:
        """Return whether every prediction has ended."""
        return sum(isinstance(message, TERMINAL) for message in self.said) == self._sent


class Parts:
    """A worker's runtime around a model, with any number of slots."""

    def __init__(self, folder: Path, gate: CancelationGate) -> None:
        self.folder = folder
        self.gate = gate
        ours, self._control_writer = os.pipe()
        self._control_reader, theirs = os.pipe()
        os.set_blocking(self._control_reader, False)
        self._descriptors = (ours, theirs)
        self.control = ControlChannel(ours, theirs, gate)
        self.router = LogRouter(OrphanLog(gate, self.control))
        self.slots: list[SlotEnd] = []
        self._numbering = Numbering(self.router.is_running)

    def add_slot(self) -> SlotEnd:
        self.slots.append(SlotEnd(self.folder / f"s{len(self.slots)}", self.gate, self._numbering))
        return self.slots[-1]

    def runtime(
        self, call: Callable[..., Any] | None, *, is_train: bool = False, reports_idle: bool = False
    ) -> Runtime:
        """Return the runtime of a model that is this function."""
        inputs = None if call is None else InputConverter(call)
        model = Model(call, call, inputs, is_train)
        return Runtime(self.control, self.gate, self.router, (), model, reports_idle)

    def send(self, message: control.ToWorker) -> None:
        """Send a message of the supervisor on the control channel."""
        os.write(self._control_writer, control.encode_line(message))

    @property
    def reported(self) -> list[control.FromWorker]:
        """The messages that the worker has sent on the control channel since the last access."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._control_reader, 1024 * 1024)
            return [control.decode_from_worker(line) for line in data.splitlines()]
        return []

    def close(self) -> None:
        for each in self.slots:
            each.peer.close()
            each.connection.close()
        os.close(self._control_reader)
        # Drop the backlog for that reader: its descriptor may soon belong to another test.
        self.control.send_last(control.ShuttingDown())
        for descriptor in (*self._descriptors, self._control_writer):
            os.close(descriptor)


@contextlib.contextmanager
def parts_in(folder: Path) -> Iterator[Parts]:
    """Make the parts; after the block, the signals that cancels need belong to the test run again."""
    gate = CancelationGate()
    gate.install()
    parts = Parts(folder, gate)
    try:
        yield parts
    finally:
        gate.uninstall()
        parts.close()
