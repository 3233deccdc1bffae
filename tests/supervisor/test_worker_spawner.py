"""A child that does not start for long keeps neither the event loop nor the end of the server waiting."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from coglet_supervisor.workers import spawner as spawners
from coglet_supervisor.workers.process import WorkerProcess
from coglet_supervisor.workers.spawner import WorkerSpawner
from coglet_supervisor.workers.spec import WorkerSpec


class Machine:
    """Starts real workers, and only when the test lets it."""

    def __init__(self, folder: Path) -> None:
        self.go_on = threading.Event()
        self.workers: list[WorkerProcess] = []
        self.spec = WorkerSpec(
            python=sys.executable,
            predictor_ref="predict.py:Predictor",
            is_train=False,
            num_slots=1,
            directory=folder,
            environment=os.environ,
        )

    def spawn(self, spec: WorkerSpec) -> WorkerProcess:
        assert self.go_on.wait(20)
        self.workers.append(WorkerProcess.spawn(spec))
        return self.workers[-1]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    tmp_path.joinpath("predict.py").write_text("class Predictor:\n    def predict(self): ...\n")
    machine = Machine(tmp_path)
    yield machine
    for worker in machine.workers:
        worker.kill()


async def test_one_is_started_beside_the_event_loop(machine: Machine) -> None:
    spawner = WorkerSpawner(machine.spawn)
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(spawner.start_beside(machine.spec))
        await asyncio.sleep(0)
        assert (spawner.is_starting, spawner.pids) == (True, set())
        machine.go_on.set()
    worker = starting.result()
    assert (spawner.is_starting, spawner.pids) == (False, {worker.pid})
    spawner.take(worker)
    spawner.close()
    assert psutil.pid_exists(worker.pid)


async def test_the_end_kills_what_was_not_taken(machine: Machine) -> None:
    machine.go_on.set()
    spawner = WorkerSpawner(machine.spawn)
    worker = spawner.start(machine.spec)
    spawner.close()
    assert not psutil.pid_exists(worker.pid)


async def test_one_that_is_not_needed_leaves_nothing(machine: Machine) -> None:
    machine.go_on.set()
    spawner = WorkerSpawner(machine.spawn)
    worker = spawner.start(machine.spec)
    await spawner.end(worker)
    assert (psutil.pid_exists(worker.pid), spawner.pids) == (False, set())


async def test_what_starts_after_the_end_is_killed_at_once(machine: Machine) -> None:
    spawner = WorkerSpawner(machine.spawn)
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(spawner.start_beside(machine.spec))
        await asyncio.sleep(0)
        spawner.close()
        machine.go_on.set()
    assert not psutil.pid_exists(starting.result().pid)


async def test_the_end_waits_a_moment_for_what_is_being_started(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawners, "_STARTED_S", 20.0)  # a start takes longer on a busy machine
    begun = threading.Event()

    def spawn(spec: WorkerSpec) -> WorkerProcess:
        begun.set()
        return machine.spawn(spec)

    spawner = WorkerSpawner(spawn)
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(spawner.start_beside(machine.spec))
        assert await asyncio.to_thread(begun.wait, 20)
        threading.Timer(0.05, machine.go_on.set).start()
        spawner.close()
        [worker] = machine.workers
        assert not psutil.pid_exists(worker.pid)
    assert starting.result() is worker


async def test_a_start_that_fails_is_reported(machine: Machine) -> None:
    def refuse(spec: WorkerSpec) -> WorkerProcess:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await WorkerSpawner(refuse).start_beside(machine.spec)
