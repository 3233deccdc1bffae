"""One worker from its start to its end, as the supervisor hears of it: setup, readiness, health, death."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from coglet_protocol import control
from coglet_protocol.errors import ProtocolError
from coglet_supervisor.health import Setup, timestamp
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.time_limits import PARTS, wait_parts
from coglet_supervisor.workers.exit import describe_exit
from coglet_supervisor.workers.liveness import Liveness
from coglet_supervisor.workers.process import WorkerProcess
from coglet_supervisor.workers.process_usage import usage_of
from coglet_supervisor.workers.restart import Service

log = logging.getLogger(__name__)

HEALTHCHECK_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True)
class SetupFailed:
    """The process failed or ended before the model was ready. `reason` is for the author of the model."""

    reason: str


@dataclass(frozen=True)
class NotStarted:
    """There was no process, for want of something that the machine may have again."""

    reason: str


@dataclass(frozen=True)
class Died:
    """The process ended on its own account while it served. `reason` is for those who lost predictions."""

    reason: str
    service: Service


@dataclass(frozen=True)
class Stopped:
    """The process ended because it was asked to."""


End = SetupFailed | NotStarted | Died | Stopped


@dataclass(frozen=True, kw_only=True)
class WorkerRules:
    """What applies to every worker of a server. None stands for no limit."""

    setup_timeout_s: float | None
    hang_timeout_s: float | None
    stop_grace_s: float


class WorkerSession:
    """Hears one worker, from `start` until its process has ended."""

    def __init__(
        self, worker: WorkerProcess, pool: SlotPool, server_log: ServerLog, rules: WorkerRules
    ) -> None:
        self.worker = worker
        self.setup = Setup(started_at=worker.spawned_at, status="starting")
        self._ready = asyncio.Event()
        self._ready_at = 0.0
        self._changed = asyncio.Event()  # ready, or ended
        self._pool = pool
        self._server_log = server_log
        self._rules = rules
        self._liveness: Liveness | None = None
        self._setup_logs = server_log.collect()
        self._setup_failure: str | None = None
        self._setup_ended = asyncio.Event()
        self._fatal: str | None = None
        self._stop_asked = False
        self._ended: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._check: asyncio.Future[str | None] | None = None
        self._checks_made = 0

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Begins to listen."""
        tasks.create_task(self._run())

    async def wait_ready(self) -> bool:
        """True when the model is set up, False when the process has ended before."""
        await self._changed.wait()
        return self._ready.is_set()

    async def wait_end(self) -> End:
        """Returns when the process has ended and its predictions have failed."""
        return await asyncio.shield(self._ended)

    async def _run(self) -> None:
        try:
            await self.worker.attach(self._pool, self)
            async with asyncio.TaskGroup() as tasks:
                guards = [tasks.create_task(self._guard_setup()), tasks.create_task(self._guard_liveness())]
                code = await self.worker.wait_end()
                for guard in guards:
                    guard.cancel()
        finally:
            await self.worker.end()
        end = self._judge(code)
        reason = end.reason if isinstance(end, Died) else "The server is shutting down"
        self.worker.fail_predictions(reason)
        if self._check is not None and not self._check.done():
            self._check.set_result(f"Healthcheck error: {reason}")
        self._ended.set_result(end)
        self._changed.set()

    async def stop(self, grace_s: float) -> None:
        """Ends the worker in order, or by force after `grace_s`. A setup has nothing to be saved."""
        self._stop_asked = True
        if self._ready.is_set():
            await self.worker.stop(grace_s)
        else:
            await self.worker.end()

    async def check_user_health(self) -> str | None:
        """Runs the model's own check, shared by all who ask at the same time. The problem, or None."""
        if not self._ready.is_set() or not self.worker.has_healthcheck:
            return None
        if self._check is None:
            self._checks_made += 1
            self._check = asyncio.get_running_loop().create_future()
            self.worker.send(control.Healthcheck(id=f"hc_{self._checks_made}"))
        check = self._check
        try:
            async with asyncio.timeout(HEALTHCHECK_TIMEOUT_S):
                return await asyncio.shield(check)
        except TimeoutError:
            if self._check is check:
                self._check = None
            return "healthcheck timed out"

    # what the worker says

    def on_ready(self, slot_ids: list[str]) -> None:
        """The model is set up and the slots are connected."""
        self.worker.open_slots(slot_ids)
        self._server_log.record("info", "coglet", "Server ready")
        self._end_setup("succeeded")
        self._ready_at = asyncio.get_running_loop().time()
        self._ready.set()
        self._changed.set()
        log.info("Setup complete, now accepting requests")

    def on_control(self, message: control.FromWorker) -> None:
        """Any other message. Raises ProtocolError, which ends the worker."""
        match message:
            case control.Log():
                target = "coglet::user" if self._setup_ended.is_set() else "coglet::setup"
                self._server_log.output(target, message.data)
            case control.WorkerLog():
                self._server_log.record(message.level, message.target, message.message)
            case control.SetupFailed():
                self._setup_failure = f"Setup failed: {message.error}\n{message.traceback}"
            case control.HealthcheckResult():
                self._health_told(message)
            case control.Failed():
                self._slot_failed(message)
            case control.Fatal():
                self._fatal = message.reason
            case control.Pong():
                self._answered()
            case control.DroppedLogs():
                interval_s = message.interval_millis / 1000
                log.warning(
                    "Log production exceeds consumption rate. %d logs dropped in last %.1fs.",
                    message.count,
                    interval_s,
                )
            case control.Ready() | control.Idle() | control.Cancelled() | control.ShuttingDown():
                log.debug("worker %d said %s", self.worker.pid, type(message).__name__)

    async def _guard_setup(self) -> None:
        if self._rules.setup_timeout_s is None:
            return
        await wait_parts(self._rules.setup_timeout_s)
        if not self._setup_ended.is_set():
            self._setup_failure = "worker setup timed out"
            self.worker.kill_group()

    async def _guard_liveness(self) -> None:
        # Not during setup: loading may hold the interpreter for as long as it takes.
        await self._ready.wait()
        limit_s = self._rules.hang_timeout_s
        if limit_s is None:
            return
        self._liveness = Liveness()
        hangs = False
        while not hangs:
            self.worker.send(control.Ping(id=0))
            await asyncio.sleep(limit_s / PARTS)
            hangs = self._liveness.hangs(usage_of(self.worker.pid).processor_s)
        self.worker.replace(f"it neither answered nor computed for {limit_s:g} s")

    def _judge(self, exit_code: int) -> End:
        if self._stop_asked:
            return Stopped()
        if self._setup_failure is not None:
            text = f"worker setup failed: {self._setup_failure}"
            log.error("%s", text.rstrip())
            self._end_setup("failed")
            return SetupFailed(text)
        if self.worker.replaced_because is not None:
            reason = f"Worker was replaced: {self.worker.replaced_because}"
        else:
            how = describe_exit(exit_code, out_of_memory=self.worker.was_out_of_memory)
            reason = self._fatal or f"Worker crashed: it {how}"
        if not self._ready.is_set():
            log.error("%s during setup", reason)
            self._end_setup("failed")
            return SetupFailed(reason)
        service = Service(
            lasted_s=asyncio.get_running_loop().time() - self._ready_at,
            ended_a_prediction=self.worker.has_proven_itself,
            lost_a_prediction=self.worker.loses_predictions,
        )
        return Died(reason, service)

    def _end_setup(self, status: str) -> None:
        self._setup_ended.set()
        self.setup.logs = self._server_log.end_collecting(self._setup_logs)
        self.setup.completed_at = timestamp()
        self.setup.status = "succeeded" if status == "succeeded" else "failed"

    def _answered(self) -> None:
        if self._liveness is not None:
            self._liveness.answered()

    def _slot_failed(self, message: control.Failed) -> None:
        slot = self.worker.slot_named(message.slot)
        if slot is None:
            raise ProtocolError(f"failed names slot {message.slot}, which it does not have")
        slot.poison(message.error)

    def _health_told(self, message: control.HealthcheckResult) -> None:
        if self._check is None or message.id != f"hc_{self._checks_made}":
            return  # it came after the time limit
        if not self._check.done():
            self._check.set_result(message.error if message.status == "unhealthy" else None)
        self._check = None
