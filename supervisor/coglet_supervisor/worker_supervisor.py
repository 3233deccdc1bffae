"""Keeps a worker alive: starts it, hears it, replaces it when it dies, gives up when that is hopeless.

States: UNKNOWN (no model), or STARTING -> READY -> (death) -> STARTING -> ...; SETUP_FAILED and DEFUNCT are
final.
"""

import asyncio
import contextlib
import logging
import random
import time
from typing import Final

from coglet_protocol import control
from coglet_protocol.errors import ProtocolError
from coglet_supervisor.death import describe_exit
from coglet_supervisor.health import Setup, State, timestamp
from coglet_supervisor.restart import GiveUp, RestartPolicy
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.slots import SlotPool
from coglet_supervisor.worker_process import WorkerProcess, WorkerSpec

log = logging.getLogger(__name__)

HEALTHCHECK_TIMEOUT_S: Final = 10.0


class WorkerSupervisor:
    """The one that decides about the worker's life, and knows the state of the model."""

    def __init__(
        self,
        spec: WorkerSpec | None,
        pool: SlotPool,
        server_log: ServerLog,
        *,
        policy: RestartPolicy,
        setup_timeout_s: float | None,
    ) -> None:
        self.state: State = "STARTING" if spec else "UNKNOWN"
        self.setup: Setup | None = None
        self._spec = spec
        self._pool = pool
        self._server_log = server_log
        self._policy = policy
        self._setup_timeout_s = setup_timeout_s
        self._worker: WorkerProcess | None = None
        self._first = self._spawn_first()
        self._setup_ended: asyncio.Event = asyncio.Event()
        self._setup_failure: str | None = None
        self._fatal: str | None = None
        self._stopping = False
        self._has_been_ready = False
        self._checks: dict[str, asyncio.Future[str | None]] = {}
        self._check: asyncio.Future[str | None] | None = None
        self._checks_made = 0

    async def run(self) -> None:
        """Keeps a worker alive until `stop`, or until there is no hope."""
        deaths: list[float] = []
        while self._spec is not None:
            try:
                worker = self._take_first() or WorkerProcess.spawn(self._spec)
            except OSError as error:
                self._fail_setup(f"failed to spawn worker: {self._spec.python}: {error.strerror or error}")
                return
            reason = await self._live(worker)
            if self._stopping or self.state == "SETUP_FAILED":
                return
            deaths.append(time.monotonic())
            decision = self._policy.decide(deaths, now=time.monotonic(), dice=random.random())
            if isinstance(decision, GiveUp):
                log.error("worker %d %s; giving up: %s", worker.pid, reason, decision.reason)
                self.state = "DEFUNCT"
                return
            log.warning("worker %d %s; restart in %.2f s", worker.pid, reason, decision.delay_s)
            await asyncio.sleep(decision.delay_s)

    def kill(self) -> None:
        """Leaves no process behind, whatever happened."""
        if self._worker is not None:
            self._worker.kill()

    async def stop(self, grace_s: float) -> None:
        """Ends the worker in order, or by force after `grace_s`."""
        self._stopping = True
        if self._worker is not None:
            await self._worker.stop(grace_s)

    async def check_user_health(self) -> str | None:
        """Runs the model's own check, shared by all who ask at the same time. The problem, or None."""
        if self.state != "READY" or self._worker is None:
            return None
        if self._check is None:
            self._checks_made += 1
            check_id = f"hc_{self._checks_made}"
            self._check = asyncio.get_running_loop().create_future()
            self._checks[check_id] = self._check
            self._worker.send(control.Healthcheck(id=check_id))
        try:
            async with asyncio.timeout(HEALTHCHECK_TIMEOUT_S):
                return await asyncio.shield(self._check)
        except TimeoutError:
            self._check = None
            return "healthcheck timed out"

    def on_control(self, message: control.FromWorker) -> None:
        """What the worker says. Raises ProtocolError, which ends the worker."""
        match message:
            case control.SetupFailed():
                self._setup_failed(message)
            case control.Log():
                target = "coglet::setup" if self.state == "STARTING" else "coglet::user"
                self._server_log.output(target, message.data)
            case control.WorkerLog():
                self._server_log.record(message.level, message.target, message.message)
            case control.HealthcheckResult():
                self._health_told(message)
            case control.Failed():
                self._slot_failed(message)
            case control.Fatal():
                self._fatal = message.reason
            case control.DroppedLogs():
                log.warning(
                    "Log production exceeds consumption rate. %d logs dropped in last %.1fs.",
                    message.count,
                    message.interval_millis / 1000,
                )
            case control.Ready() | control.Idle() | control.Cancelled() | control.ShuttingDown():
                log.debug("worker said %s", type(message).__name__)

    def _spawn_first(self) -> WorkerProcess | None:
        """Before there is an event loop; what goes wrong here goes wrong again, and is told, in `run`."""
        if self._spec is None:
            return None
        with contextlib.suppress(OSError):
            self._worker = WorkerProcess.spawn(self._spec)
        return self._worker

    def _take_first(self) -> WorkerProcess | None:
        first, self._first = self._first, None
        return first

    async def _live(self, worker: WorkerProcess) -> str:
        """One worker's life from its start to its end. Gives the reason of its end."""
        self._worker = worker
        if self._has_been_ready:
            self._server_log.start_setup()
        self._begin_setup(worker)
        try:
            await worker.attach(self._pool, self)
            async with asyncio.TaskGroup() as tasks:
                guard = tasks.create_task(self._guard_setup(worker))
                code = await worker.wait_end()
                guard.cancel()
        finally:
            worker.kill()
        reason = self._fatal or f"Worker crashed: it {describe_exit(code)}"
        self._ended(worker, reason)
        return describe_exit(code)

    def _begin_setup(self, worker: WorkerProcess) -> None:
        self.state = "STARTING"
        self.setup = Setup(started_at=worker.spawned_at, status="starting")
        self._setup_ended = asyncio.Event()
        self._setup_failure = self._fatal = None

    async def _guard_setup(self, worker: WorkerProcess) -> None:
        try:
            async with asyncio.timeout(self._setup_timeout_s):
                await self._setup_ended.wait()
        except TimeoutError:
            self._setup_failure = "worker setup timed out"
            worker.kill()

    def on_ready(self, slot_ids: list[str]) -> None:
        """The worker has set up the model and connected its slots."""
        assert self._worker is not None
        assert self.setup is not None
        self._worker.open_slots(slot_ids, self._pool)
        self._setup_ended.set()
        self._server_log.record("info", "coglet", "Server ready")
        self.setup.logs = self._server_log.end_setup()
        self.setup.completed_at = timestamp()
        self.setup.status = "succeeded"
        self.state = "READY"
        self._has_been_ready = True
        log.info("Setup complete, now accepting requests")

    def _setup_failed(self, message: control.SetupFailed) -> None:
        self._setup_failure = f"worker setup failed: Setup failed: {message.error}\n{message.traceback}"

    def _ended(self, worker: WorkerProcess, reason: str) -> None:
        """The process is gone: its predictions fail, and a setup that it was in has failed for good."""
        # A model that was ready before is not to blame when its next worker is killed during setup.
        if self._setup_failure or (self.state == "STARTING" and not self._has_been_ready):
            if not self._stopping:
                self._fail_setup(self._setup_failure or reason)
        else:
            self.state = "STARTING"
        self._worker = None
        for check in self._checks.values():
            if not check.done():
                check.set_result("Healthcheck error: the worker is gone")
        self._checks.clear()
        self._check = None
        worker.fail_predictions(reason)

    def _fail_setup(self, text: str) -> None:
        self.state = "SETUP_FAILED"
        self._setup_ended.set()
        log.error("%s", text.rstrip())
        if self.setup is None:
            self.setup = Setup(started_at=timestamp(), status="starting")
        self.setup.logs = self._server_log.end_setup()
        self.setup.completed_at = timestamp()
        self.setup.status = "failed"

    def _slot_failed(self, message: control.Failed) -> None:
        assert self._worker is not None
        slot = self._worker.slot_named(message.slot)
        if slot is None:
            raise ProtocolError(f"failed names slot {message.slot}, which it does not have")
        slot.poison(message.error)

    def _health_told(self, message: control.HealthcheckResult) -> None:
        check = self._checks.pop(message.id, None)
        if check is None:
            return  # it came after the time limit
        if check is self._check:
            self._check = None
        if not check.done():
            check.set_result(message.error if message.status == "unhealthy" else None)
