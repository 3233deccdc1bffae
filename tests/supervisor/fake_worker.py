"""A worker without a process, whose readiness and exit the test controls."""

import asyncio
import threading

from testing.waiting import DEADLINE_S
from tests.supervisor.fakes import Owner

from coglet_protocol import control
from coglet_supervisor.predictions.slots import Slot, SlotPool
from coglet_supervisor.workers.spec import WorkerSpec
from coglet_supervisor.workers.worker import WorkerEvents

# Above the process ids of any system.
_NO_PROCESS = 1 << 30


class FakeWorker:
    """Implements the contract of `Worker` (test_worker_contract.py), with one slot, `slot-0`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.spawned_at = "2026-01-01T00:00:00.000000000+00:00"
        self.has_healthcheck = False
        self.was_out_of_memory: bool | None = False
        self.has_ended_a_prediction = False
        self.loses_predictions = False
        self.sent: list[control.ToWorker] = []
        self.failed_with: str | None = None
        self.is_retired = False
        self.is_recycle_possible = True
        self.drains: asyncio.Event | None = None  # set when its predictions have ended
        self.events: WorkerEvents | None = None
        self.attached = asyncio.Event()
        self._slots: dict[str, Slot] = {}
        self._exit: asyncio.Future[int] | None = None

    # for the test

    def become_ready(self) -> None:
        """End its setup successfully."""
        assert self.events is not None
        self.events.on_ready(["slot-0"])

    def exit(self, code: int) -> None:
        """End it with this exit code. Idempotent."""
        if self._exit is not None and not self._exit.done():
            self._exit.set_result(code)

    @property
    def is_alive(self) -> bool:
        return self._exit is None or not self._exit.done()

    # as `Worker`

    async def attach(self, pool: SlotPool, events: WorkerEvents) -> None:
        self.events = events
        self._pool = pool
        self._exit = asyncio.get_running_loop().create_future()
        self.attached.set()

    def send(self, message: control.ToWorker) -> None:
        self.sent.append(message)

    def open_slots(self, ids: list[str]) -> None:
        for slot_id in ids:
            slot = self._slots[slot_id] = Slot(self._pool, Owner())
            slot.open(slot_id)

    def slot_named(self, slot_id: str) -> Slot | None:
        return self._slots.get(slot_id)

    def replace(self, reason: str) -> None:
        assert self.events is not None
        self.events.on_replace(reason)
        self.kill_group()

    def recycle_failed(self) -> None:
        self.is_recycle_possible = False

    async def wait_end(self) -> int:
        assert self._exit is not None
        return await asyncio.shield(self._exit)

    def fail_predictions(self, reason: str) -> None:
        self.failed_with = reason
        for slot in self._slots.values():
            slot.poison(reason)

    def close_slots(self) -> None:
        self.is_retired = True
        for slot in self._slots.values():
            slot.retire()

    async def retire(self) -> None:
        self.close_slots()
        if self.drains is not None:
            await self.drains.wait()

    async def stop(self, grace_s: float) -> None:
        await self.retire()
        self.exit(0)

    async def end(self) -> None:
        self.exit(-9)

    def kill(self) -> None:
        self.exit(-9)

    def kill_group(self) -> None:
        self.exit(-9)


class FakeMachine:
    """Starts fake workers, or fails to if the test says so."""

    def __init__(self) -> None:
        self.workers: list[FakeWorker] = []
        self.specs: list[WorkerSpec] = []  # of these workers
        self.spawned: asyncio.Queue[FakeWorker] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self.refusal: OSError | None = None
        self.may_spawn = threading.Event()
        self.may_spawn.set()
        self.is_spawning = False

    def spawn(self, spec: WorkerSpec) -> FakeWorker:
        self.is_spawning = True
        assert self.may_spawn.wait(DEADLINE_S)
        self.is_spawning = False
        if self.refusal is not None:
            raise self.refusal
        worker = FakeWorker(pid=_NO_PROCESS + len(self.workers))
        self.workers.append(worker)
        self.specs.append(spec)
        # Most are started in threads, and an asyncio.Queue is for one thread: a reader could miss the worker.
        self._loop.call_soon_threadsafe(self.spawned.put_nowait, worker)
        return worker
