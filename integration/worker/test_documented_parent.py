"""A parent with only the documented protocol: JSON lines on stdin and stdout, MessagePack on the slots.

It imports none of our code: no sequence numbers, no extra fields, no signals.
"""

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from testing.installation import Installation
from testing.waiting import DEADLINE_S, wait_for

Message = dict[str, Any]


class Parent:
    """Exchanges messages with one worker. What is not read stays in the pipes."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path, num_slots: int) -> None:
        self.process = process
        self.folder = folder
        self._listeners = []
        self.slots: list[socket.socket] = []
        self._rest = b""
        for index in range(num_slots):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(folder / f"slot-{index}.sock"))
            listener.listen(1)
            self._listeners.append(listener)
        where = {"type": "named_sockets", "dir": str(folder), "num_slots": num_slots}
        self.send(
            type="init",
            predictor_ref="predict.py:Runner",
            num_slots=num_slots,
            transport_info=where,
            is_train=False,
            is_async=False,
            version=1,
        )

    def send(self, **message: Any) -> None:
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), json.dumps(message).encode() + b"\n")

    def receive(self) -> Message:
        """Return the next control message."""
        assert self.process.stdout is not None
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE_S)
            assert ready, f"no message received, the rest is {self._rest[:200]!r}"
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            assert data, "the worker has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        message: Message = json.loads(line)
        return message

    def receive_until(self, kind: str) -> list[Message]:
        """Return all control messages up to the first of that type."""
        received = [self.receive()]
        while received[-1]["type"] != kind:
            received.append(self.receive())
        return received

    def accept(self) -> None:
        for listener in self._listeners:
            listener.settimeout(DEADLINE_S)
            connection, _ = listener.accept()
            connection.settimeout(DEADLINE_S)
            self.slots.append(connection)

    def predict(self, prediction_id: str, on: int = 0, **arguments: Any) -> None:
        payload = msgspec.msgpack.encode(
            {
                "type": "predict",
                "id": prediction_id,
                "input": json.dumps(arguments).encode(),
                "output_dir": str(self.folder / "outputs"),
                "context": {},
            }
        )
        self.slots[on].sendall(struct.pack(">I", len(payload)) + payload)

    def terminal(self, on: int = 0) -> Message:
        """Return the terminal message of the prediction on that slot; earlier messages are skipped."""
        while True:
            message = self.slot_message(on)
            if message["type"] in {"done", "failed", "cancelled"}:
                return message

    def slot_message(self, on: int = 0) -> Message:
        (length,) = struct.unpack(">I", self._read(on, 4))
        message: Message = msgspec.msgpack.decode(self._read(on, length))
        return message

    def _read(self, on: int, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = self.slots[on].recv(length - len(data))
            assert piece, "the slot is closed"
            data += piece
        return data

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        for each in (*self._listeners, *self.slots):
            each.close()


@contextlib.contextmanager
def running_parent(python: Path, source: str, num_slots: int = 1) -> Iterator[Parent]:
    with tempfile.TemporaryDirectory(prefix="cog-") as name:
        folder = Path(name)
        folder.joinpath("predict.py").write_text(textwrap.dedent(source))
        process = subprocess.Popen(
            [python, "-m", "coglet_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=folder,
            env=Installation(python, is_ours=True).variables({}),
            start_new_session=True,
        )
        parent = Parent(process, folder, num_slots)
        try:
            yield parent
        finally:
            parent.close()


PREFIXES = pytest.mark.parametrize("prefix", ["", "async "], ids=["sync", "async"])
MODEL = """
    import asyncio, time

    class Runner:
        {prefix}def run(self, wait):
            if wait:
                print("up")
                {sleep}
            return "value"
"""


def model(prefix: str) -> str:
    return MODEL.format(prefix=prefix, sleep="await asyncio.sleep(600)" if prefix else "time.sleep(600)")


@PREFIXES
def test_the_slot_is_idle_after_each_prediction(worker_python: Path, prefix: str) -> None:
    with running_parent(worker_python, model(prefix)) as parent:
        parent.accept()
        ready = parent.receive_until("ready")[-1]
        for n in range(3):
            parent.predict(f"p{n}", wait=False)
            done = parent.terminal()
            assert (done["type"], done["id"], done["output"]) == ("done", f"p{n}", b'"value"')
            assert parent.receive() == {"type": "idle", "slot": ready["slots"][0]}
        parent.send(type="shutdown")
        assert parent.receive()["type"] == "shutting_down"
        assert parent.process.wait(DEADLINE_S) == 0


@PREFIXES
def test_a_cancel_is_reported_and_hits_no_other(worker_python: Path, prefix: str) -> None:
    with running_parent(worker_python, model(prefix)) as parent:
        parent.accept()
        (slot_id,) = parent.receive_until("ready")[-1]["slots"]
        for n in range(3):
            parent.predict(f"p{n}", wait=True)
            assert parent.slot_message()["data"] == "up\n"
            parent.send(type="cancel", slot=slot_id, id=f"p{n}")
            assert parent.terminal() == {"type": "cancelled", "id": f"p{n}"}
            assert parent.receive() == {"type": "cancelled", "slot": slot_id}
            assert parent.receive() == {"type": "idle", "slot": slot_id}
            parent.send(type="cancel", slot=slot_id, id=f"p{n}")  # too late
            parent.predict(f"next {n}", wait=False)
            assert parent.terminal()["type"] == "done"
            assert parent.receive() == {"type": "idle", "slot": slot_id}


def test_a_cancel_may_overtake_its_prediction(worker_python: Path) -> None:
    with running_parent(worker_python, model("")) as parent:
        parent.accept()
        (slot_id,) = parent.receive_until("ready")[-1]["slots"]
        parent.send(type="cancel", slot=slot_id, id="p")
        parent.send(type="healthcheck", id="hc")
        assert parent.receive()["type"] == "healthcheck_result"  # the cancel has been read
        parent.predict("p", wait=True)
        assert parent.terminal() == {"type": "cancelled", "id": "p"}


def test_two_slots_are_idle_each_for_itself(worker_python: Path) -> None:
    with running_parent(worker_python, model("async "), num_slots=2) as parent:
        parent.accept()
        first, second = parent.receive_until("ready")[-1]["slots"]
        parent.predict("waits", on=0, wait=True)
        assert parent.slot_message(on=0)["data"] == "up\n"
        parent.predict("ends", on=1, wait=False)
        assert parent.terminal(on=1)["id"] == "ends"
        assert parent.receive() == {"type": "idle", "slot": second}
        parent.send(type="cancel", slot=first, id="waits")
        assert parent.terminal(on=0) == {"type": "cancelled", "id": "waits"}
        assert parent.receive() == {"type": "cancelled", "slot": first}
        assert parent.receive() == {"type": "idle", "slot": first}


LINES = 20_000


def test_one_that_does_not_read_blocks_no_model_and_gets_the_number_of_dropped_lines(
    worker_python: Path,
) -> None:
    source = f"""
        class Runner:
            def setup(self):
                for n in range({LINES}): print(n, "x" * 1000)
                print("unfinished", end="")
                open("set up", "w").close()
            def run(self, n): return n
    """
    with running_parent(worker_python, source) as parent:
        parent.accept()
        wait_for((parent.folder / "set up").exists, "end of setup")
        for n in range(200):  # an Idle for each
            parent.predict("p", n=n)
            assert parent.terminal()["output"] == str(n).encode()
        assert peak_memory_mib(parent.process.pid) < 100
        received = parent.receive_until("idle")
        ready = received.index(next(each for each in received if each["type"] == "ready"))
        logs = "".join(each["data"] for each in received[:ready] if each["type"] == "log").splitlines()
        dropped = [each for each in received if each["type"] == "dropped_logs"]
        assert 100 < len(logs) < LINES
        assert len(logs) + sum(each["count"] for each in dropped) == LINES + 1
        assert all(each["interval_millis"] >= 0 for each in dropped)
        # Once it reads again, it receives everything again.
        parent.send(type="healthcheck", id="hc")
        assert len(parent.receive_until("healthcheck_result")) < 200


def peak_memory_mib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def test_one_that_reads_misses_nothing(worker_python: Path) -> None:
    """However much faster the model prints."""
    source = """
        class Runner:
            def setup(self):
                for n in range(5000): print(n, "x" * 1000)
            def run(self): ...
    """
    with running_parent(worker_python, source) as parent:
        parent.accept()
        *logs, _ready = parent.receive_until("ready")
        assert all(each["type"] == "log" for each in logs)
        assert len("".join(each["data"] for each in logs).splitlines()) == 5000
