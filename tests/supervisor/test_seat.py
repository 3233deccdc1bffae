"""A seat whose workers load, die, are reloaded and recycled, in every order."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from testing.waiting import DEADLINE_S, settle, wait_until
from tests.supervisor.fake_worker import FakeMachine, FakeWorker

from coglet_protocol import control
from coglet_supervisor.health import State
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.workers.restart import RestartPolicy
from coglet_supervisor.workers.seat import WorkerSeat
from coglet_supervisor.workers.session import WorkerRules
from coglet_supervisor.workers.spec import WorkerSpec
from coglet_supervisor.workers.supervisor import WorkerSupervisor

SPEC = WorkerSpec(
    python="python",
    predictor_ref="predict.py:Predictor",
    is_train=False,
    num_slots=1,
    directory=Path("/model"),
    environment={},
)
NEW_SPEC = replace(SPEC, python="new-python")


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
        async with asyncio.timeout(DEADLINE_S):
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
    assert seated.seat.report.replacements == {"reloaded": 1}


async def test_a_failed_reload_keeps_the_old_worker(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(SPEC))
        (await seated.next_worker()).exit(1)
    await settle()
    assert (seated.state, old.is_alive, old.is_recycle_possible) == ("READY", True, False)
    assert seated.seat.report.replacements == {}


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
    assert seated.seat.report.replacements == {"recycled": 1}


async def test_a_stop_during_setup_ends_the_worker_and_starts_no_other(seated: Seated) -> None:
    worker = await seated.next_worker()
    await seated.seat.stop(1.0)
    await settle()
    assert (worker.is_alive, seated.started) == (False, 1)


async def test_a_reload_says_why_it_failed(seated: Seated) -> None:
    await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        reload = tasks.create_task(seated.seat.reload(SPEC))
        new = await seated.next_worker()
        assert new.events is not None
        new.events.on_control(control.SetupFailed(kind="setup", error="no weights", traceback="Traceback"))
        new.exit(1)
    assert reload.result() == "worker setup failed: Setup failed: no weights\nTraceback"


async def test_a_failed_reload_leaves_the_parameters_of_the_old_worker(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(NEW_SPEC))
        (await seated.next_worker()).exit(1)
    old.exit(1)
    await seated.next_ready_worker()
    assert seated.machine.specs == [SPEC, NEW_SPEC, SPEC]


async def test_after_a_reload_restarts_use_the_new_parameters(seated: Seated) -> None:
    await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        reload = tasks.create_task(seated.seat.reload(NEW_SPEC))
        new = await seated.next_ready_worker()
    assert reload.result() is None
    new.exit(1)
    await seated.next_ready_worker()
    assert seated.machine.specs == [SPEC, NEW_SPEC, NEW_SPEC]


async def test_the_version_changes_while_no_slot_accepts_predictions(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    seen: list[tuple[bool, int]] = []

    def take_over() -> None:
        seen.append((old.is_retired, seated.pool.size))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(replace(NEW_SPEC, before_service=take_over)))
        await seated.next_ready_worker()
    assert seen == [(True, 0)]
    assert seated.pool.free == 1


async def test_a_reload_is_over_while_the_old_worker_drains_and_the_next_one_waits(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    old.drains = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(SPEC))
        new = await seated.next_ready_worker()
    assert (old.is_alive, new.is_alive, seated.pool.free) == (True, True, 1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(NEW_SPEC))
        await settle()
        assert seated.started == 2
        old.drains.set()
        await seated.next_ready_worker()
    await settle()
    assert (old.is_alive, new.is_alive) == (False, False)


async def test_a_newer_reload_does_not_wait_for_a_setup_that_hangs(seated: Seated) -> None:
    old = await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(seated.seat.reload(SPEC))
        hanging = await seated.next_worker()
        seated.seat.abandon_reload()
        second = tasks.create_task(seated.seat.reload(NEW_SPEC))
        await seated.next_ready_worker()
    await settle()
    assert (hanging.is_alive, old.is_alive, seated.state) == (False, False, "READY")
    assert (first.result(), second.result()) == ("it was stopped", None)


async def test_a_first_setup_that_hangs_is_replaced_too(seated: Seated) -> None:
    hanging = await seated.next_worker()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.reload(NEW_SPEC, is_urgent=True))
        await seated.next_ready_worker()
    assert (hanging.is_alive, seated.state, seated.seat.restarts) == (False, "READY", 0)
    assert seated.seat.report.replacements == {"reloaded": 1}
    assert seated.machine.specs == [SPEC, NEW_SPEC]


async def test_a_start_that_hangs_does_not_delay_a_newer_reload(seated: Seated) -> None:
    (await seated.next_worker()).exit(1)
    await settle()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(seated.seat.reload(SPEC, is_urgent=True))
        await seated.seat.wait_revived()
        running = tasks.create_task(seated.seat.run())
        hanging = await seated.next_worker()
        seated.seat.abandon_reload()
        await wait_until(first.done)
        assert hanging.is_alive  # until it is known what comes instead
        second = tasks.create_task(seated.seat.reload(NEW_SPEC, is_urgent=True))
        await seated.next_ready_worker()
        await wait_until(second.done)
        await seated.seat.stop(1.0)
        running.cancel()
    assert (hanging.is_alive, second.result()) == (False, None)
    assert seated.machine.specs == [SPEC, SPEC, NEW_SPEC]


async def test_a_reload_that_waits_for_the_first_setup_gives_way_to_a_newer_one(seated: Seated) -> None:
    hanging = await seated.next_worker()
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        patient = tasks.create_task(seated.seat.reload(SPEC))
        await settle()
        assert hanging.is_alive
        seated.seat.abandon_reload()
        await wait_until(patient.done)


async def test_a_reload_does_not_wait_for_the_delay_of_a_restart(server_log: ServerLog) -> None:
    seated = Seated(server_log)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(seated.seat.run())
        await seated.next_ready_worker()
        seated.machine.refusal = OSError(28, "No space left on device")
        seated.machine.workers[0].exit(1)
        await settle()
        reload = tasks.create_task(seated.seat.reload(SPEC))
        await wait_until(reload.done)
        assert reload.result() == "failed to spawn worker: No space left on device"
        seated.machine.refusal = None
        reload = tasks.create_task(seated.seat.reload(SPEC))
        await seated.next_ready_worker()
        await wait_until(reload.done)
        assert reload.result() is None
        await seated.seat.stop(1.0)
        running.cancel()


async def test_a_reload_while_a_process_is_started_replaces_it(seated: Seated) -> None:
    first = await seated.next_ready_worker()
    async with asyncio.TaskGroup() as tasks:
        seated.machine.may_spawn.clear()
        first.exit(1)
        await wait_until(lambda: seated.machine.is_spawning)
        reload = tasks.create_task(seated.seat.reload(NEW_SPEC))
        await settle()
        seated.machine.may_spawn.set()
        restarted = await seated.next_ready_worker()
        await seated.next_ready_worker()
    await settle()
    assert (reload.result(), restarted.is_alive) == (None, False)
    assert seated.machine.specs == [SPEC, SPEC, NEW_SPEC]


async def test_a_reload_starts_a_model_whose_setup_failed(server_log: ServerLog) -> None:
    seated = Seated(server_log)
    given_up: list[State] = []
    supervisor = WorkerSupervisor([seated.seat])
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(supervisor.run(lambda: given_up.append(supervisor.state)))
        (await seated.next_worker()).exit(1)
        await settle()
        assert given_up == ["SETUP_FAILED"]
        failing = tasks.create_task(supervisor.reload([SPEC]))
        (await seated.next_worker()).exit(1)
        await settle()
        assert given_up == ["SETUP_FAILED", "SETUP_FAILED"]
        assert failing.result() is not None
        mended = tasks.create_task(supervisor.reload([SPEC]))
        await seated.next_ready_worker()
        await settle()
        assert (mended.result(), supervisor.state, seated.pool.free) == (None, "READY", 1)
        assert supervisor.reports[0].replacements == {"reloaded": 2}
        await supervisor.stop(1.0)
        running.cancel()


async def test_a_version_that_one_worker_serves_is_the_one_of_all_restarts(server_log: ServerLog) -> None:
    first, second = Seated(server_log), Seated(server_log)
    supervisor = WorkerSupervisor([first.seat, second.seat])
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(supervisor.run(lambda: None))
        await first.next_ready_worker()
        old = await second.next_ready_worker()
        reload = tasks.create_task(supervisor.reload([NEW_SPEC, NEW_SPEC]))
        await first.next_ready_worker()
        (await second.next_worker()).exit(1)
        await wait_until(reload.done)
        assert (reload.result() is None, old.is_alive) == (False, True)
        old.exit(1)
        await second.next_ready_worker()
        assert second.machine.specs == [SPEC, NEW_SPEC, NEW_SPEC]
        await supervisor.stop(1.0)
        running.cancel()


async def test_with_restarts_off_the_seat_becomes_defunct(server_log: ServerLog) -> None:
    seated = Seated(server_log, RestartPolicy(enabled=False))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(seated.seat.run())
        (await seated.next_ready_worker()).exit(1)
    assert (seated.state, seated.started) == ("DEFUNCT", 1)
