"""One place for a worker: filled again when its worker dies, until that is hopeless.

States: STARTING -> READY -> (death) -> STARTING -> ...; SETUP_FAILED and DEFUNCT are final.
"""

import asyncio
import contextlib
import logging
import random
import time
from dataclasses import dataclass

from coglet_supervisor.health import Setup, State, timestamp
from coglet_supervisor.restart import GiveUp, RestartPolicy
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.slots import SlotPool
from coglet_supervisor.worker_process import WorkerProcess, WorkerSpec
from coglet_supervisor.worker_session import Died, End, SetupFailed, WorkerSession

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SeatRules:
    """What applies to every worker of a server."""

    policy: RestartPolicy
    setup_timeout_s: float | None
    stop_grace_s: float


class WorkerSeat:
    """Keeps one worker alive. The only one that starts it."""

    def __init__(self, spec: WorkerSpec, pool: SlotPool, server_log: ServerLog, rules: SeatRules) -> None:
        self.state: State = "STARTING"
        self.setup = Setup(started_at=timestamp(), status="starting")
        self._spec = spec
        self._pool = pool
        self._server_log = server_log
        self._rules = rules
        self._session: WorkerSession | None = None
        self._stopping = False
        self._deaths: list[float] = []
        self._has_been_ready = False
        self._first: WorkerProcess | None = None
        # Before there is an event loop, so that the model loads meanwhile. What goes wrong here goes wrong
        # again, and is told, in `run`.
        with contextlib.suppress(OSError):
            self._first = WorkerProcess.spawn(spec)

    async def run(self) -> None:
        """Keeps a worker alive until `stop`, or until there is no hope."""
        while not self._stopping:
            try:
                worker = self._take_first() or WorkerProcess.spawn(self._spec)
            except OSError as error:
                self._fail_setup(f"failed to spawn worker: {self._spec.python}: {error.strerror or error}")
                return
            end = await self._live(worker)
            delay_s = self._after(end)
            if delay_s is None:
                return
            await asyncio.sleep(delay_s)

    async def stop(self) -> None:
        """Ends the worker in order, or by force after the grace time."""
        self._stopping = True
        if self._session is not None:
            await self._session.stop(self._rules.stop_grace_s)

    def kill(self) -> None:
        """Leaves no process behind, whatever happened."""
        if self._first is not None:
            self._first.kill()
        if self._session is not None:
            self._session.worker.kill()

    async def check_user_health(self) -> str | None:
        """What the model's own check finds wrong, if anything."""
        if self._session is None or self.state != "READY":
            return None
        return await self._session.check_user_health()

    def _take_first(self) -> WorkerProcess | None:
        first, self._first = self._first, None
        return first

    async def _live(self, worker: WorkerProcess) -> End:
        session = WorkerSession(worker, self._pool, self._server_log, self._rules.setup_timeout_s)
        self._session = session
        self.setup = session.setup
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(self._become_ready(session))
            end = await session.run()
            watch.cancel()
        return end

    async def _become_ready(self, session: WorkerSession) -> None:
        await session.ready.wait()
        self.state = "READY"
        self._has_been_ready = True

    def _after(self, end: End) -> float | None:
        """Seconds until the next worker; None when there will be none."""
        if self._stopping:
            return None
        if isinstance(end, SetupFailed):
            self._fail_setup(end.text)
            return None
        assert isinstance(end, Died)
        # A model that was ready before is not to blame when its next worker is killed during setup.
        if not self._has_been_ready:
            self._fail_setup(end.reason)
            return None
        now = time.monotonic()
        self._deaths.append(now)
        decision = self._rules.policy.decide(self._deaths, now=now, dice=random.random())
        if isinstance(decision, GiveUp):
            log.error("%s; giving up: %s", end.reason, decision.reason)
            self.state = "DEFUNCT"
            return None
        log.warning("%s; restart in %.2f s", end.reason, decision.delay_s)
        self.state = "STARTING"
        return decision.delay_s

    def _fail_setup(self, text: str) -> None:
        self.state = "SETUP_FAILED"
        self.setup.status = "failed"
        self.setup.completed_at = self.setup.completed_at or timestamp()
        # The text first, as clients know it; then what was printed.
        self.setup.logs = f"{text.rstrip()}\n{self.setup.logs}"
