"""Replaces the supervisor: spawns real workers and implements the protocol towards them."""

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import textwrap
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import msgspec

from coglet_protocol import control, slot
from coglet_protocol.cookie import COOKIE_VARIABLE
from coglet_protocol.framing import Deframer
from coglet_protocol.limits import PROTOCOL_VERSION
from testing import processes
from testing.channels import Inbox, Reader, read_some
from testing.installation import Installation
from testing.prediction import Prediction
from testing.waiting import DEADLINE_S

EXIT_OK, EXIT_SETUP_FAILED, EXIT_PROTOCOL, EXIT_SUPERVISOR_LOST, EXIT_FAULT = 0, 1, 2, 3, 4


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a worker is started."""

    ref: str = "predict.py:Runner"
    slots: int = 1
    is_train: bool = False
    version: int = PROTOCOL_VERSION
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """More files of the model's folder, by name."""
    first_words: bytes | None = None
    """The first message to the worker, instead of Init."""


class Control:
    """The supervisor's end of the control channel."""

    def __init__(self, process: "subprocess.Popen[bytes]", inbox: Inbox[control.FromWorker]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.inbox: Inbox[control.FromWorker] = inbox
        self._input = process.stdin
        self._output = process.stdout
        self._rest = bytearray()

    def fileno(self) -> int:
        return self._output.fileno()

    def on_readable(self) -> bool:
        data = read_some(self.fileno())
        self._rest += data
        assert len(self._rest) < control.MAX_LINE_BYTES, "the supervisor would kill a worker for such a line"
        if b"\n" in data:
            *lines, self._rest = self._rest.split(b"\n")
            for line in lines:
                self.inbox.put(control.decode_from_worker(bytes(line)))
        if not data:
            self.inbox.close()
        return bool(data)

    def send(self, message: control.ToWorker) -> None:
        self.send_bytes(control.encode_line(message))

    def send_bytes(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # a test that waits for a message gets the reason
            os.write(self._input.fileno(), data)

    def close(self) -> None:
        """Close the channel, as when the supervisor dies."""
        self._input.close()


class SlotEnd:
    """The supervisor's end of one slot."""

    def __init__(self, path: Path, inbox: Inbox[slot.FromWorker], reader: Reader) -> None:
        self.inbox = inbox
        self._reader = reader
        self._deframer = Deframer()
        self._socket: socket.socket | None = None
        self._connected = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)

    def fileno(self) -> int:
        return self._listener.fileno() if self._socket is None else self._socket.fileno()

    def on_readable(self) -> bool:
        if self._socket is None:
            self._socket, _ = self._listener.accept()
            self._reader.add(self)
            self._connected.set()
            return False  # no other connection is expected
        data = read_some(self.fileno())
        for payload in self._deframer.feed(data):
            self.inbox.put(slot.decode_from_worker(payload))
        if not data:
            self.inbox.close()
        return bool(data)

    def send_bytes(self, data: bytes) -> None:
        self._connection().sendall(data)

    def shut(self) -> None:
        """Close the connection in both directions, as the supervisor would."""
        self._connection().shutdown(socket.SHUT_RDWR)

    def _connection(self) -> socket.socket:
        assert self._connected.wait(DEADLINE_S), f"{self.inbox.name} is not connected"
        assert self._socket is not None
        return self._socket

    def close(self) -> None:
        self._listener.close()
        if self._socket is not None:
            self._socket.close()


class Worker:
    """A worker under test."""

    def __init__(self, process: "subprocess.Popen[bytes]", scratch: Path, num_slots: int) -> None:
        self.process = process
        self.scratch = scratch
        self._reader = Reader(on_broken=process.kill)  # what the supervisor does, too
        self._control = Control(process, Inbox("the control channel", self._explain))
        self.slots = [
            SlotEnd(scratch / f"slot-{index}.sock", Inbox(f"slot {index}", self._explain), self._reader)
            for index in range(num_slots)
        ]
        self._sequence = count(1)
        self._check = count(1)
        self._reader.add(self._control)
        for each in self.slots:
            self._reader.add(each)
        self._reader.start()

    @property
    def folder(self) -> Path:
        """The model's folder, in which the worker runs."""
        return self.scratch / "model"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the worker."""
        return self.scratch / "tmp"

    def new_fifo(self, name: str = "fifo") -> Path:
        """A FIFO in the model's folder: a model that reads from it waits until the test writes to it."""
        path = self.folder / name
        os.mkfifo(path)
        return path

    # control

    @property
    def said(self) -> Inbox[control.FromWorker]:
        """Everything on the control channel."""
        return self._control.inbox

    def say(self, message: control.ToWorker) -> None:
        self._control.send(message)

    def say_bytes(self, data: bytes) -> None:
        self._control.send_bytes(data)

    def wait_ready(self) -> control.Ready:
        return self.said.wait_message(control.Ready)

    @property
    def server_log(self) -> str:
        """What was printed outside predictions so far."""
        return _text(self.said.messages)

    def wait_server_log(self, text: str) -> None:
        self.said.wait_for(lambda messages: text in _text(messages) or None, f"{text!r} in the server log")

    @property
    def records(self) -> list[str]:
        """What the worker runtime itself has reported so far."""
        return [each.message for each in self.said.messages if isinstance(each, control.WorkerLog)]

    def check_health(self) -> control.HealthcheckResult:
        """The answer to a Healthcheck. Without a check of the model's own it is immediate, and then all that
        was sent before has been received."""
        check_id = f"hc_{next(self._check)}"
        self.say(control.Healthcheck(id=check_id))

        def answer(messages: list[control.FromWorker]) -> control.HealthcheckResult | None:
            results = (each for each in messages if isinstance(each, control.HealthcheckResult))
            return next((each for each in results if each.id == check_id), None)

        return self.said.wait_for(answer, f"answer to {check_id}")

    # predictions

    def predict(self, *, on: int = 0, **arguments: object) -> Prediction:
        """Starts a prediction on slot number `on`."""
        return self.send_predict(self.next_message(input=msgspec.json.encode(arguments)), on=on)

    def next_message(
        self, *, input: bytes | None = None, input_file: str | None = None, context: Mapping[str, str] = {}
    ) -> slot.Predict:
        """A Predict with the next sequence number."""
        sequence = next(self._sequence)
        return slot.Predict(
            id=f"pred_{sequence}",
            output_dir=str(self.scratch / "outputs" / str(sequence)),
            input=input,
            input_file=input_file,
            context=dict(context),
            sequence=sequence,
        )

    def send_predict(self, message: slot.Predict, *, on: int = 0) -> Prediction:
        prediction = Prediction(message, self.slots[on].inbox)
        self.slots[on].send_bytes(slot.encode_frame(message))
        return prediction

    def cancel(self, message: slot.Predict, *, on: int = 0) -> None:
        """Cancel the prediction of that message. Returns when the worker has read it."""
        self.say_cancel(message, on=on)
        self.check_health()

    def say_cancel(self, message: slot.Predict, *, on: int = 0) -> None:
        """Cancel the prediction of that message; a worker that shuts down may end before it answers."""
        slot_id = self.wait_ready().slots[on]
        self.say(control.Cancel(slot=slot_id, id=message.id, sequence=message.sequence))

    # end

    def shut_down(self) -> int:
        """Shut the worker down; return the exit code."""
        self.say(control.Shutdown())
        return self.wait_exit()

    def vanish(self) -> None:
        """Close the control channel, as when the supervisor dies."""
        self._control.close()

    def wait_exit(self) -> int:
        """Return the exit code, after everything that the worker sent was received."""
        code = self.process.wait(DEADLINE_S)
        self.said.wait_closed()
        return code

    def close(self) -> None:
        """Kill the worker."""
        self.vanish()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(DEADLINE_S)
        self.process.kill()
        self.process.wait()
        self._reader.stop()
        for each in self.slots:
            each.close()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _explain(self) -> str:
        errors = (self.scratch / "stderr").read_text(errors="replace")
        state = f"the control channel is {self.said.state}; the exit code is {self.process.poll()}"
        return f"{state}; stderr:\n{errors[-3000:]}"


def _text(messages: list[control.FromWorker]) -> str:
    return "".join(each.data for each in messages if isinstance(each, control.Log))


@contextlib.contextmanager
def spawn(python: Path, source: str, launch: Launch) -> Iterator[Worker]:
    """Start a worker with a model of that source and send it Init.

    Past the block no process is left. Raises AssertionError when one had to be killed.
    """
    mark = secrets.token_hex(8)
    # Not below pytest's folder: the path of a Unix socket has little room.
    with tempfile.TemporaryDirectory(prefix="cog-") as name:
        scratch = Path(name)
        for folder in ("model", "tmp"):
            scratch.joinpath(folder).mkdir()
        for file, text in {"predict.py": source, **launch.files}.items():
            target = scratch.joinpath("model", file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text))
        worker = Worker(_popen(python, scratch, launch, mark), scratch, launch.slots)
        try:
            worker.say_bytes(launch.first_words or control.encode_line(_init(scratch, launch)))
            yield worker
        finally:
            worker.close()
            killed = processes.end_marked(mark)
        assert not killed, f"processes that outlived their worker: {killed}"


def _init(scratch: Path, launch: Launch) -> control.Init:
    return control.Init(
        predictor_ref=launch.ref,
        num_slots=launch.slots,
        transport_info=control.NamedSockets(dir=str(scratch), num_slots=launch.slots),
        is_train=launch.is_train,
        idle=False,
        version=launch.version,
    )


def _popen(python: Path, scratch: Path, launch: Launch, mark: str) -> "subprocess.Popen[bytes]":
    own = {
        "TMPDIR": str(scratch / "tmp"),
        COOKIE_VARIABLE: mark,
        processes.MARK: mark,
        **launch.variables,
    }
    with scratch.joinpath("stderr").open("wb") as errors:
        return subprocess.Popen(
            [python, "-m", "coglet_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=scratch / "model",
            env=Installation(python, is_ours=True).variables(own),
            process_group=0,
        )
