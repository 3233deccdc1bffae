"""Reports the health of the server, over its workers and its queue."""

import logging
from pathlib import Path
from typing import Final

from coglet_supervisor.health import HealthBody, QueueReport, report
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.reloader import Reloader
from coglet_supervisor.stop_request import StopRequest
from coglet_supervisor.versions import versions
from coglet_supervisor.workers.supervisor import WorkerSupervisor

log = logging.getLogger(__name__)

READINESS_FILE: Final = Path("/var/run/cog/ready")


class HealthReporter:
    """Makes the bodies of GET /health-check and GET /readyz, and the readiness file on Kubernetes."""

    def __init__(
        self,
        workers: WorkerSupervisor,
        pool: SlotPool,
        stop: StopRequest,
        reloader: Reloader,
        *,
        on_kubernetes: bool,
    ) -> None:
        self._workers = workers
        self._pool = pool
        self._stop = stop
        self._reloader = reloader
        self._needs_readiness_file = on_kubernetes

    async def health_body(self) -> HealthBody:
        """Return the body of GET /health-check. Creates the readiness file on Kubernetes once ready."""
        workers = self._workers
        user_error = await workers.check_user_health()
        if workers.state == "READY" and self._needs_readiness_file:
            self._make_readiness_file()
        return HealthBody(
            status=report(workers.state, has_room=self._pool.has_room, user_error=user_error),
            setup=workers.setup,
            version=versions(),
            user_healthcheck_error=user_error,
            restarts=workers.restarts,
            queue=self._queue_report(),
            reload_error=self._reloader.error,
        )

    def not_ready_because(self) -> str | None:
        """Return why a prediction would be rejected now, or None."""
        if self._stop.is_made:
            return "shutting down"
        if self._workers.state != "READY":
            return self._workers.state
        return None if self._pool.has_room else "BUSY"

    def _queue_report(self) -> QueueReport | None:
        queue = self._pool.queue
        if not queue.max_runs:
            return None
        return QueueReport(len(queue), queue.max_runs, round(queue.oldest_s, 3))

    def _make_readiness_file(self) -> None:
        self._needs_readiness_file = False
        try:
            READINESS_FILE.parent.mkdir(parents=True, exist_ok=True)
            READINESS_FILE.touch()
        except OSError as error:
            log.warning("cannot create %s: %s", READINESS_FILE, error)
