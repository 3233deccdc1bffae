"""The contract of `Worker`, for the process and for the fake that other tests use."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.supervisor.fake_worker import FakeWorker

from coglet_protocol import control
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.workers.process import WorkerProcess
from coglet_supervisor.workers.spec import WorkerSpec
from coglet_supervisor.workers.worker import Worker

MODEL = "class Predictor:\n    def predict(self) -> int:\n        return 1\n"


class Events:
    """Opens the slots of its worker, and records its events."""

    def __init__(self, worker: Worker) -> None:
        self.ready = asyncio.Event()
        self.replaced_because: list[str] = []
        self._worker = worker

    def on_ready(self, slot_ids: list[str]) -> None:
        self._worker.open_slots(slot_ids)
        self.ids = slot_ids
        self.ready.set()

    def on_control(self, message: control.FromWorker) -> None:
        assert not isinstance(message, control.SetupFailed), message

    def on_replace(self, reason: str) -> None:
        self.replaced_because.append(reason)

    def on_recycle_due(self) -> None:
        raise AssertionError("it has no limits")


def start_process(folder: Path) -> Worker:
    folder.joinpath("predict.py").write_text(MODEL)
    return WorkerProcess.spawn(
        WorkerSpec(
            python=sys.executable,
            predictor_ref="predict.py:Predictor",
            is_train=False,
            num_slots=1,
            directory=folder,
            environment=os.environ,
        )
    )


def start_fake(folder: Path) -> Worker:
    return FakeWorker(pid=1 << 30)


@pytest.fixture(params=[start_process, start_fake], ids=["process", "fake"])
async def worker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Worker]:
    start: Callable[[Path], Worker] = request.param
    worker = start(tmp_path)
    yield worker
    await worker.end()
    await asyncio.sleep(0)  # an iteration of the event loop, in which the transports close


async def served(worker: Worker) -> tuple[SlotPool, Events]:
    """A worker that is ready."""
    pool, events = SlotPool(), Events(worker)
    await worker.attach(pool, events)
    if isinstance(worker, FakeWorker):
        worker.become_ready()
    await asyncio.wait_for(events.ready.wait(), 20)
    return pool, events


async def test_its_slots_are_free_once_they_are_opened(worker: Worker) -> None:
    pool, events = await served(worker)
    assert (pool.size, pool.free, len(events.ids)) == (1, 1, 1)
    slot = worker.slot_named(events.ids[0])
    assert slot is pool.acquire()
    assert worker.slot_named("other") is None


async def test_a_kill_ends_it(worker: Worker) -> None:
    await served(worker)
    worker.kill_group()
    assert await asyncio.wait_for(worker.wait_end(), 20) == -9


async def test_a_replacement_reports_its_reason_and_kills_it(worker: Worker) -> None:
    _, events = await served(worker)
    worker.replace("it hangs")
    assert events.replaced_because == ["it hangs"]
    assert await asyncio.wait_for(worker.wait_end(), 20) == -9


async def test_a_stop_is_graceful(worker: Worker) -> None:
    pool, _ = await served(worker)
    await asyncio.wait_for(worker.stop(20.0), 20)
    assert await asyncio.wait_for(worker.wait_end(), 20) == 0
    assert pool.acquire() is None


async def test_a_retired_worker_stays_alive_and_accepts_nothing(worker: Worker) -> None:
    pool, _ = await served(worker)
    await worker.retire()
    assert pool.acquire() is None


async def test_failing_predictions_closes_the_slots(worker: Worker) -> None:
    pool, _ = await served(worker)
    worker.fail_predictions("it died")
    assert (pool.size, pool.free) == (0, 0)


async def test_end_is_idempotent(worker: Worker) -> None:
    await served(worker)
    await worker.end()
    await worker.end()
    worker.kill()
