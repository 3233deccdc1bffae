"""Reports the state of the server to its page, over its workers, slots and queue."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from coglet_supervisor.health import QueueReport, report, timestamp
from coglet_supervisor.pages.ui.report import ServerReport, ServerView, SlotReport, WorkerRow
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.reloader import Reloader
from coglet_supervisor.stop_request import StopRequest
from coglet_supervisor.workers.process_usage import usage_of

if TYPE_CHECKING:
    from coglet_supervisor.metrics.history import History
    from coglet_supervisor.workers.report import WorkerReport
    from coglet_supervisor.workers.supervisor import WorkerSupervisor


class ServerReporter:
    """Makes the reports, and keeps the memory of the processes between two measurements.

    Without `shows_processes` they have what a health check has: nothing of the processes and the last hour.
    """

    def __init__(
        self,
        workers: WorkerSupervisor,
        pool: SlotPool,
        stop: StopRequest,
        reloader: Reloader,
        *,
        shows_processes: bool,
    ) -> None:
        self._workers = workers
        self._pool = pool
        self._stop = stop
        self._reloader = reloader
        self._shows_processes = shows_processes
        self._started_at = timestamp()
        self._memory_bytes: dict[int, int] = {}

    def view(self, history: History | None) -> ServerView:
        """Return what the page asks for."""
        return ServerView(
            report=self._report,
            setup=lambda: self._workers.setup,
            samples=None if history is None or not self._shows_processes else lambda: history.samples,
            measure=self._measure,
            is_stopping=lambda: self._stop.is_made,
        )

    def _report(self) -> ServerReport:
        pool, queue = self._pool, self._pool.queue
        return ServerReport(
            status=report(self._workers.state, has_room=pool.has_room, user_error=None),
            started_at=self._started_at,
            slots=SlotReport(pool.size, pool.size - pool.free),
            queue=QueueReport(len(queue), queue.max_runs, round(queue.oldest_s)),
            memory_bytes=self._memory_bytes.get(os.getpid(), 0),
            reload_error=self._reloader.error,
            workers=[self._row(worker) for worker in self._workers.reports],
        )

    def _measure(self) -> None:
        if not self._shows_processes:
            return
        pids = {os.getpid(), *self._workers.pids}
        self._memory_bytes = {pid: usage_of(pid).resident_bytes for pid in pids}

    def _row(self, worker: WorkerReport) -> WorkerRow:
        return WorkerRow(
            state=worker.state,
            pid=worker.pid if self._shows_processes else None,
            replacements={str(reason): count for reason, count in worker.replacements.items()},
            ends=worker.ends if self._shows_processes else (),
            memory_bytes=self._memory_bytes.get(worker.pid or 0, 0),
        )
