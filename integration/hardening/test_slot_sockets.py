"""hardening.md F3: who connects to a slot's socket, and when."""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from integration.conftest import Serve
from testing.file_work import watched
from testing.script import script
from testing.waiting import DEADLINE_S

from coglet_protocol import control
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.workers import process as worker_process
from coglet_supervisor.workers.process import WorkerProcess
from coglet_supervisor.workers.spec import WorkerSpec

pytestmark = pytest.mark.ours("hardening.md F3")


class Events:
    """Waits for a worker to be ready."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()

    def on_ready(self, slot_ids: list[str]) -> None:
        self.ready.set()

    def on_control(self, message: control.FromWorker) -> None:
        assert not isinstance(message, control.SetupFailed), message

    def on_replace(self, reason: str) -> None:
        raise AssertionError(reason)

    def on_recycle_due(self) -> None:
        raise AssertionError("it has no limits")


@pytest.fixture
async def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[WorkerProcess]:
    """One worker alone, which has just been started."""
    tmp_path.joinpath("predict.py").write_text("class Runner:\n    def run(self) -> int:\n        return 1\n")
    with tempfile.TemporaryDirectory(prefix="cog-") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        spec = WorkerSpec(
            python=sys.executable,
            predictor_ref="predict.py:Runner",
            is_train=False,
            num_slots=1,
            directory=tmp_path,
            environment=os.environ,
        )
        worker = WorkerProcess.spawn(spec)
        try:
            yield worker
        finally:
            await worker.end()
            await asyncio.sleep(0)  # one iteration of the event loop, in which the transports close


def slot_path() -> str:
    (path,) = Path(tempfile.gettempdir()).glob("*/slot-0.sock")
    return str(path)


async def test_another_process_that_connects_first_delays_no_end(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "_DRAIN_TIMEOUT_S", 10 * DEADLINE_S)
    events = Events()
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(DEADLINE_S)
        other.connect(slot_path())
        await worker.attach(SlotPool(), events)
        async with asyncio.timeout(DEADLINE_S):
            await events.ready.wait()
            worker.send(control.Shutdown())
            assert await worker.wait_end() == 0
        assert other.recv(1) == b""


async def test_the_end_of_a_worker_does_not_block_the_loop(worker: WorkerProcess) -> None:
    events = Events()
    await worker.attach(SlotPool(), events)
    async with asyncio.timeout(DEADLINE_S):
        await events.ready.wait()
        folder = os.path.dirname(slot_path())
        with watched() as work:
            await worker.stop(DEADLINE_S)
    assert work.is_only_elsewhere(folder)
    assert "/proc" not in work.by_this_thread  # kill_all scans all processes for those that the worker left


def test_a_model_cannot_connect_its_slot_again(serve: Serve) -> None:
    def connect_again() -> None:
        import os
        import socket
        import time

        def path_of(descriptor: int) -> str:
            try:
                with socket.socket(fileno=os.dup(descriptor)) as connection:
                    return str(connection.getpeername())
            except OSError:
                return ""

        paths = {path: number for number in range(1024) if (path := path_of(number)).endswith(".sock")}
        ((path, descriptor),) = paths.items()
        connection = socket.socket(fileno=os.dup(descriptor))
        connection.shutdown(socket.SHUT_RDWR)
        time.sleep(0.1)
        socket.socket(socket.AF_UNIX).connect(path)
        time.sleep(0.1)

    with serve("script") as server:
        assert server.predict(script(connect_again)).json()["status"] == "failed"
        server.wait_log("number 1")
        until_the_restart, *_ = server.log.partition("number 1")
        assert until_the_restart.count("Server ready") == 1
