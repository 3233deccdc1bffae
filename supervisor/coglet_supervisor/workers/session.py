"""Supervises one worker from start to exit: setup, readiness, health and liveness."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from coglet_protocol import control
from coglet_protocol.errors import ProtocolError
from coglet_supervisor.health import Setup, timestamp
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.server_log import LEVELS, ServerLog
from coglet_supervisor.time_limits import PARTS, wait_parts
from coglet_supervisor.workers import life
from coglet_supervisor.workers.exit import describe_exit
from coglet_supervisor.workers.health_check import HealthCheck
from coglet_supervisor.workers.liveness import Liveness
from coglet_supervisor.workers.process_usage import usage_of
from coglet_supervisor.workers.restart import RestartPolicy
from coglet_supervisor.workers.worker import Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class WorkerRules:
    """The settings that apply to every worker of a server. None means no limit."""

    setup_timeout_s: float | None
    hang_timeout_s: float | None
    stop_grace_s: float
    restarts: RestartPolicy = field(default_factory=RestartPolicy)


class SessionOwner(Protocol):
    """What decides which worker serves."""

    def takes_over(self, session: "WorkerSession") -> None:
        """Handle the end of the setup, before the slots of the worker accept predictions."""
        ...

    def recycle_due(self, session: "WorkerSession") -> None:
        """Handle a reached recycling limit: the worker should be replaced between predictions."""
        ...


class WorkerSession:
    """Owns the state of one worker (`life.State`) and its setup, and handles its events."""

    def __init__(
        self,
        worker: Worker,
        pool: SlotPool,
        server_log: ServerLog,
        rules: WorkerRules,
        owner: SessionOwner,
    ) -> None:
        self.worker = worker
        self._state: life.State = life.Loading()
        self._setup = Setup(started_at=worker.spawned_at, status="starting")
        self._pool = pool
        self._server_log = server_log
        self._rules = rules
        self._owner = owner
        self._liveness = Liveness()
        self._health_check = HealthCheck(worker.send)
        self._setup_logs = server_log.collect()
        loop = asyncio.get_running_loop()
        self._loaded: asyncio.Future[bool] = loop.create_future()
        self._ended: asyncio.Future[life.End] = loop.create_future()

    @property
    def setup(self) -> Setup:
        """The progress or result of its setup."""
        return self._setup

    @property
    def is_ready(self) -> bool:
        """True from the end of its setup until the process has exited."""
        match self._state:
            case life.Ready() | life.Retiring(was_ready=True):
                return True
        return False

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Start supervising the worker."""
        tasks.create_task(self._run())

    async def wait_ready(self) -> bool:
        """Wait for the end of the setup. True if the model is ready, False if the process exited before."""
        return await asyncio.shield(self._loaded)

    async def wait_end(self) -> life.End:
        """Wait until the process has exited and its predictions have failed; return how it ended."""
        return await asyncio.shield(self._ended)

    async def stop(self, grace_s: float) -> None:
        """Shut down the worker gracefully, and kill it after `grace_s`.

        During setup it is killed immediately.
        """
        self._step(life.StopAsked())
        if self.is_ready:
            await self.worker.stop(grace_s)
        else:
            await self.worker.end()

    def abandon_setup(self) -> bool:
        """Kill the worker if it is still being set up; return whether it was."""
        if not isinstance(self._state, life.Loading):
            return False
        self._step(life.StopAsked())
        self.worker.kill_group()
        return True

    async def check_user_health(self) -> str | None:
        """Run the model's own health check; return the problem that it finds, or None."""
        if not self.is_ready or not self.worker.has_healthcheck:
            return None
        return await self._health_check.run()

    # for its worker

    def on_ready(self, slot_ids: list[str]) -> None:
        """See WorkerEvents."""
        self._step(life.BecameReady(asyncio.get_running_loop().time()))
        if not isinstance(self._state, life.Ready):
            return  # it is being stopped
        self._owner.takes_over(self)
        self.worker.open_slots(slot_ids)
        log.info("Server ready")
        self._end_setup()
        self._loaded.set_result(True)
        log.info("Setup complete, now accepting requests")

    def on_control(self, message: control.FromWorker) -> None:
        """See WorkerEvents."""
        match message:
            case control.Log():
                target = "coglet::setup" if isinstance(self._state, life.Loading) else "coglet::user"
                self._server_log.output(target, message.data)
            case control.WorkerLog():
                log.log(LEVELS[message.level], "%s", message.message, extra={"target": message.target})
            case control.SetupFailed():
                reason = f"worker setup failed: Setup failed: {message.error}\n{message.traceback}"
                self._step(life.Failing(reason))
            case control.HealthcheckResult():
                self._health_check.receive(message)
            case control.Failed():
                self._slot_failed(message)
            case control.Fatal():
                self._step(life.Failing(message.reason))
            case control.Pong():
                self._liveness.answered()
            case control.DroppedLogs():
                interval_s = message.interval_millis / 1000
                log.warning(
                    "Log production exceeds consumption rate. %d logs dropped in last %.1fs.",
                    message.count,
                    interval_s,
                )
            case control.Ready() | control.Idle() | control.Cancelled() | control.ShuttingDown():
                log.debug("worker %d sent %s", self.worker.pid, type(message).__name__)

    def on_replace(self, reason: str) -> None:
        """See WorkerEvents."""
        self._step(life.Failing(f"Worker was replaced: {reason}"))

    def on_recycle_due(self) -> None:
        """See WorkerEvents."""
        self._owner.recycle_due(self)

    def _step(self, event: life.Event) -> None:
        self._state = life.step(self._state, event)

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
        self._end(code)

    def _end(self, exit_code: int) -> None:
        is_reported = isinstance(self._state, life.Loading) and self._state.failure is not None
        self._step(
            life.Exited(
                how=describe_exit(exit_code, out_of_memory=self.worker.was_out_of_memory),
                at=asyncio.get_running_loop().time(),
                ended_a_prediction=self.worker.has_ended_a_prediction,
                lost_a_prediction=self.worker.loses_predictions,
            )
        )
        assert isinstance(self._state, life.Ended)
        end = self._state.end
        if isinstance(end, life.SetupFailed):
            log.error("%s", end.reason.rstrip() if is_reported else f"{end.reason} during setup")
        reason = end.reason if isinstance(end, life.Died) else "The server is shutting down"
        self.worker.fail_predictions(reason)
        self._health_check.fail(reason)
        if isinstance(end, life.SetupFailed):
            self._end_setup(end.reason)
        if not self._loaded.done():
            self._loaded.set_result(False)
        self._ended.set_result(end)

    def _end_setup(self, failure: str | None = None) -> None:
        logs = self._server_log.end_collecting(self._setup_logs)
        if failure:
            # The failure first, as with the peer; then what was printed.
            logs = f"{failure.rstrip()}\n{logs}"
        self._setup = msgspec.structs.replace(
            self._setup,
            completed_at=timestamp(),
            status="succeeded" if failure is None else "failed",
            logs=logs,
        )

    async def _guard_setup(self) -> None:
        if self._rules.setup_timeout_s is None:
            return
        await wait_parts(self._rules.setup_timeout_s)
        if isinstance(self._state, life.Loading):
            self._step(life.Failing("worker setup failed: worker setup timed out"))
            self.worker.kill_group()

    async def _guard_liveness(self) -> None:
        limit_s = self._rules.hang_timeout_s
        # Not during setup, when loading may hold the interpreter lock for any time.
        if limit_s is None or not await self.wait_ready():
            return
        hangs = False
        while not hangs:
            self.worker.send(control.Ping(id=0))
            await asyncio.sleep(limit_s / PARTS)
            hangs = self._liveness.hangs(usage_of(self.worker.pid).processor_s)
        self.worker.replace(f"no pong and no CPU time for {limit_s:g} s")

    def _slot_failed(self, message: control.Failed) -> None:
        slot = self.worker.slot_named(message.slot)
        if slot is None:
            raise ProtocolError(f"failed names unknown slot {message.slot}")
        slot.poison(message.error)
