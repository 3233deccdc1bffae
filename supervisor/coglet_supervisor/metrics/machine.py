"""The state of the server at one moment: slots, queue, workers and their memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from coglet_supervisor.health import Setup, State
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.workers.process_usage import usage_of
from coglet_supervisor.workers.report import Replacement

if TYPE_CHECKING:
    from coglet_supervisor.predictions.service import PredictionService
    from coglet_supervisor.webhooks.delivery import Webhooks
    from coglet_supervisor.webhooks.outcomes import Event, Outcome
    from coglet_supervisor.workers.supervisor import WorkerSupervisor


class Slots(msgspec.Struct, frozen=True):
    """The slots of all workers."""

    idle: int
    busy: int


class Queue(msgspec.Struct, frozen=True):
    """The predictions that wait for a slot: how many, at most how many, and for how long the first one."""

    length: int
    capacity: int
    oldest_s: float


class WorkerState(msgspec.Struct, frozen=True):
    """One worker. `replacements` counts those before it, by reason; `memory_bytes` is 0 until measured."""

    number: int
    state: State
    pid: int | None
    replacements: Mapping[Replacement, int]
    setup: Setup
    memory_bytes: int


class ServerState(msgspec.Struct, frozen=True):
    """The state of the server, which can be encoded as JSON."""

    status: State
    in_progress: int
    streams_open: int
    webhook_backlog: int
    slots: Slots
    queue: Queue
    workers: list[WorkerState]
    memory_bytes: int


class Machine:
    """Reads the state from its owners."""

    def __init__(
        self, service: PredictionService, pool: SlotPool, workers: WorkerSupervisor, webhooks: Webhooks
    ) -> None:
        self._service = service
        self._pool = pool
        self._workers = workers
        self._webhooks = webhooks

    @property
    def webhook_outcomes(self) -> Mapping[tuple[Event, Outcome], int]:
        """What became of webhooks."""
        return self._webhooks.outcomes

    async def state(self) -> ServerState:
        """Return the state now; only the memory is measured in a thread, and may be a moment older."""
        reports = self._workers.reports
        memory = await _memory_of([os.getpid(), *(report.pid for report in reports)])
        return self._state(memory)

    def _state(self, memory: Mapping[int | None, int]) -> ServerState:
        pool, queue = self._pool, self._pool.queue
        workers = [
            WorkerState(
                number=number,
                state=report.state,
                pid=report.pid,
                replacements=report.replacements,
                setup=report.setup,
                memory_bytes=memory.get(report.pid, 0),
            )
            for number, report in enumerate(self._workers.reports)
        ]
        return ServerState(
            status=self._workers.state,
            in_progress=self._service.in_flight,
            streams_open=self._service.open_streams,
            webhook_backlog=self._webhooks.waiting_ends,
            slots=Slots(idle=pool.free, busy=pool.size - pool.free),
            queue=Queue(len(queue), queue.max_runs, round(queue.oldest_s, 3)),
            workers=workers,
            memory_bytes=memory.get(os.getpid(), 0),
        )


async def _memory_of(pids: list[int | None]) -> dict[int | None, int]:
    """Return the resident memory of processes; nothing if no thread could be started."""
    with contextlib.suppress(RuntimeError):
        return await asyncio.to_thread(_measure, pids)
    return {}


def _measure(pids: list[int | None]) -> dict[int | None, int]:
    return {pid: usage_of(pid).resident_bytes for pid in pids if pid is not None}
