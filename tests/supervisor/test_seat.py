"""A seat whose workers load, die, are reloaded and recycled, in every order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from testing.waiting import settle
from tests.supervisor.fake_worker import FakeMachine, FakeWorker

from coglet_protocol import control
from coglet_supervisor.health import State
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.workers.restart import RestartPolicy
from coglet_supervisor.workers.seat import WorkerSeat
from coglet_supervisor.workers.session import WorkerRules
from coglet_supervisor.workers.spec import WorkerSpec


SPEC = WorkerSpec(
    python="python",
    predictor_ref="predict.py:Predictor",
    is_train=False,
    num_slots=1,
    directory=Path("/model"),
    environment={},
)


class Seated:
    """A seat with fake workers."""

    def __init__(self, server_log: ServerLog, restarts: RestartPolicy | None = None) -> None:
        self.machine = FakeMachine()
        self.pool = SlotPool()
        rules = WorkerRules(
            setup_timeout_s=None,
            hang_timeout_s=None,
            stop_grace_s=1.0,
            restarts=restarts or RestartPolicy(max_failed_setups=1),
        )
        self.seat = WorkerSeat(SPEC, self.pool, server_log, rules, self.machine.spawn)

    async def next_worker(self) -> FakeWorker:
        """Wait until the seat has started and attached the next worker, and return it."""
        async with asyncio.timeout(5):
            worker = await self.machine.spawned.get()
            await worker.attached.wait()
        return worker

    async def next_ready_worker(self) -> FakeWorker:
        worker = await self.next_worker()
        worker.become_ready()
        await settle()
        return worker

    @property
    def state(self) -> State:
        return self.seat.state

    @property
    def started(self) -> int:
        """The number of workers started."""
        return len(self.machine.workers)


@pytest.fixture
async def seated(server_log: ServerLog) -> AsyncIterator[Seated]:
    seated = Seated(server_log)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(seated.seat.run())
        yield seated
        await seated.seat.stop(1.0)
        running.cancel()


async def test_a_worker_is_ready_after_its_setup(seated: Seated) -> None:
    worker = await seated.next_worker()
    assert (seated.state, seated.pool.size) == ("STARTING", 0)
    worker.become_ready()
    await seated.seat.wait_ready()
    assert (seated.state, seated.seat.setup.status, seated.pool.free) == ("READY", "succeeded", 1)


async def test_a_failed_first_setup_is_not_retried(seated: Seated) -> None:
    worker = await seated.next_worker()
    assert worker.events is not None
    worker.events.on_control(control.SetupFailed(kind="setup", error="no weights", traceback="Traceback"))
    worker.exit(1)
    await settle()
    assert (seated.state, seated.seat.setup.status) == ("SETUP_FAILED", "failed")
    assert seated.seat.setup.logs.startswith("worker setup failed: Setup failed: no weights\nTraceback\n")
    assert seated.started == 1


async def test_a_worker_that_dies_is_replaced(seated: Seated) -> None:
    worker = await seated.next_ready_worker()
    worker.exit(-11)
    await settle()
    assert (seated.state, seated.pool.size) == ("STARTING", 0)
    assert worker.failed_with == "Worker crashed: it was killed by SIGSEGV"
    await seated.next_ready_worker()
    assert (seated.state, seated.seat.restarts) == ("READY", 1)


async def test_too_many_consecutive_failed_setups_end_the_restarts(seated: Seated) -> None:
    (await seated.next_ready_worker()).exit(1)
    for _ in range(2):
        (await seated.next_worker()).exit(1)
        await settle()
    assert seated.state == "DEFUNCT"
    assert seated.started == 3


async def test_a_failed_start_is_retried(seated: Seated) -> None:
    worker = await seated.next_ready_worker()
    seated.machine.refusal = OSError(28, "No space left on device")
    worker.exit(1)
    await settle()
    states = [seated.state]
    seated.machine.refusal = None
    await seated.next_ready_worker()
    assert [*states, seated.state] == ["STARTING", "READY"]


async def test_a_reload_replaces_a_worker_when_the_new_one_is_ready(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(SPEC))
        new = await seated.next_worker()
        assert (seated.state, old.is_retired) == ("READY", False)
        new.become_ready()
    await settle()
    assert (old.is_alive, new.is_alive, seated.pool.size) == (False, True, 1)
    assert (seated.state, seated.seat.restarts) == ("READY", 0)


async def test_a_failed_reload_keeps_the_old_worker(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(SPEC))
        (await seated.next_worker()).exit(1)
    await settle()
    assert (seated.state, old.is_alive, old.is_recycle_possible) == ("READY", True, False)


async def test_if_the_old_worker_dies_during_a_reload_the_new_one_takes_its_place(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(SPEC))
        new = await seated.next_worker()
        old.exit(1)
        await settle()
        assert seated.state == "STARTING"
        new.become_ready()
    await settle()
    assert (seated.state, seated.pool.size, seated.started) == ("READY", 1, 2)


async def test_if_both_workers_die_during_a_reload_one_new_worker_is_started(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(SPEC))
        new = await seated.next_worker()
        old.exit(1)
        new.exit(1)
        await seated.next_ready_worker()
    assert (seated.state, seated.pool.size, seated.started) == ("READY", 1, 3)


async def test_a_worker_at_its_limit_is_recycled(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    assert old.events is not None
    old.events.on_recycle_due()
    await seated.next_ready_worker()
    assert (old.is_alive, seated.state, seated.seat.restarts) == (False, "READY", 0)


async def test_a_stop_during_setup_ends_the_worker_and_starts_no_other(seated: Seated) -> None:
    worker = await seated.next_worker()
    await seated.seat.stop(1.0)
    await settle()
    assert (worker.is_alive, seated.started) == (False, 1)


async def test_with_restarts_off_the_seat_becomes_defunct(server_log: ServerLog) -> None:
    seated = Seated(server_log, RestartPolicy(enabled=False))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.run())
        (await seated.next_ready_worker()).exit(1)
    assert (seated.state, seated.started) == ("DEFUNCT", 1)
