"""Keeps one worker running: restarts it when it dies, until the restart policy gives up.

States: STARTING -> READY -> (death) -> STARTING -> ...; SETUP_FAILED, when the first setup fails, and
DEFUNCT, when too many later ones do, are final.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable

import msgspec

from coglet_supervisor.errors import StartupError
from coglet_supervisor.health import Setup, State, timestamp
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.temporary_folder import NoTemporaryFolder
from coglet_supervisor.workers.control_group import free_memory_bytes
from coglet_supervisor.workers.life import Died, End, NotStarted, SetupFailed, Stopped
from coglet_supervisor.workers.process import WorkerProcess
from coglet_supervisor.workers.process_usage import usage_of
from coglet_supervisor.workers.restart import GiveUp, Setbacks
from coglet_supervisor.workers.session import WorkerRules, WorkerSession
from coglet_supervisor.workers.spawner import WorkerSpawner
from coglet_supervisor.workers.spec import WorkerSpec
from coglet_supervisor.workers.worker import Worker

log = logging.getLogger(__name__)


class WorkerSeat:
    """Owns the sessions of one worker and of those that follow. `spawn` starts a worker, or raises OSError.

    The first worker is started at once, before there is an event loop: the model loads meanwhile.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        pool: SlotPool,
        server_log: ServerLog,
        rules: WorkerRules,
        spawn: Callable[[WorkerSpec], Worker] = WorkerProcess.spawn,
    ) -> None:
        self._final_state: State | None = None
        self._setup = Setup(started_at=timestamp(), status="starting")
        self._restarts = 0
        self._spec = spec
        self._pool = pool
        self._server_log = server_log
        self._rules = rules
        self._session: WorkerSession | None = None  # the one that serves
        self._successor: WorkerSession | None = None
        self._sessions: set[WorkerSession] = set()  # those whose process is alive
        self._is_taken = asyncio.Event()  # at least once
        self._was_ready = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._stopping = False
        self._setbacks = Setbacks()
        self._loaded_bytes = 0  # what a worker takes when it has just become ready
        self._measuring: asyncio.Task[None] | None = None
        self._spawner = WorkerSpawner(lambda: spawn(spec))
        self._first: Worker | None = None
        try:
            self._first = self._spawner.start()
            self._setup = Setup(started_at=self._first.spawned_at, status="starting")
        except NoTemporaryFolder as error:
            raise StartupError(str(error)) from error
        except OSError:
            pass  # what goes wrong here goes wrong again, and is reported, in `run`

    @property
    def state(self) -> State:
        """The state of the model, as far as this worker is concerned."""
        if self._final_state is not None:
            return self._final_state
        return "READY" if self._session is not None and self._session.is_ready else "STARTING"

    @property
    def setup(self) -> Setup:
        """The setup of the worker that serves, or of the last one."""
        return self._session.setup if self._session is not None else self._setup

    @property
    def restarts(self) -> int:
        """How many workers died and were replaced."""
        return self._restarts

    async def wait_ready(self) -> None:
        """Returns when a worker was ready for the first time."""
        await self._was_ready.wait()

    async def run(self) -> None:
        """Keeps a worker running until `stop`, or until the restart policy gives up."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            delay_s: float | None = 0.0
            while delay_s is not None:
                await asyncio.sleep(delay_s)
                delay_s = self._after(await self._fill())

    async def reload(self, due: WorkerSession | None = None) -> None:
        """Puts a new worker in the place of the old one, which first ends what it runs: nothing is lost.

        Both exist for a while. A new one that fails leaves the old one where it is; an old one that dies
        meanwhile leaves its place to the new one. With `due`, only that worker is replaced.
        """
        await self._is_taken.wait()
        async with self._reloading:  # never three of them
            old = self._session
            # One that is still loading the model may have read what is to be replaced.
            if old is None or not await old.wait_ready() or self.state != "READY" or self._stopping:
                return
            if due is not None and old is not due:
                return
            if await self._put_beside(old):
                await old.worker.retire()
                await old.stop(self._rules.stop_grace_s)
            else:
                old.worker.recycle_failed()

    async def _put_beside(self, old: WorkerSession) -> bool:
        """True when a new worker serves in the place of the old one."""
        if self._measuring is not None:  # it has become ready just now
            await asyncio.wait([self._measuring])
        if old is not self._session:  # it has died meanwhile, and there is or will be a new one anyway
            return False
        free_bytes = free_memory_bytes(old.worker.pid)
        if free_bytes is not None and free_bytes < self._loaded_bytes:
            log.error(
                "worker %d stays: another one takes about %d MiB, and %d MiB are free",
                old.worker.pid,
                self._loaded_bytes >> 20,
                free_bytes >> 20,
            )
            return False
        try:
            worker = await self._spawner.start_beside()
        except OSError as error:
            log.error("cannot replace worker %d: %s", old.worker.pid, self._spec.explain(error))
            return False
        if old is not self._session or self._stopping:  # as above, or the server ends
            await worker.end()
            return False
        self._successor = new = self._open(worker)
        if not await new.wait_ready() or new not in self._sessions:
            return False
        self._successor = None
        self._adopt(new)
        return True

    def _recycle(self, session: WorkerSession) -> None:
        log.info("worker %d has reached a limit, recycling it", session.worker.pid)
        self._tasks.create_task(self.reload(session))

    async def stop(self, grace_s: float) -> None:
        """Ends the worker in order, or by force after `grace_s`."""
        self._stopping = True
        async with asyncio.TaskGroup() as tasks:
            for session in self._sessions:
                tasks.create_task(session.stop(grace_s))

    def kill(self) -> None:
        """Leaves no process behind, whatever happened."""
        self._spawner.close()
        for session in self._sessions:
            session.worker.kill()

    @property
    def pids(self) -> set[int]:
        """The processes of this seat."""
        return self._spawner.pids | {session.worker.pid for session in self._sessions}

    @property
    def is_starting_a_process(self) -> bool:
        """True while there may be a process that is not among `pids` yet."""
        return self._spawner.is_starting

    async def check_user_health(self) -> str | None:
        """What the model's own check finds wrong, if anything."""
        if self._session is None or self.state != "READY":
            return None
        return await self._session.check_user_health()

    async def _fill(self) -> End:
        """Returns when the seat is empty again: its worker has died, and no other was put in its place."""
        self._emptied: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        try:
            worker = self._take_first() or await self._spawner.start_beside()
        except OSError as error:
            reason = f"failed to spawn worker: {self._spec.explain(error)}"
            # What could be started before is short of something, and that may pass.
            if self._was_ready.is_set():
                return NotStarted(reason)
            self._setup = msgspec.structs.replace(
                self._setup, completed_at=timestamp(), status="failed", logs=f"{reason}\n"
            )
            return SetupFailed(reason)
        if self._stopping:
            await worker.end()
            return Stopped()
        session = self._open(worker)
        self._take_place(session)
        if await session.wait_ready():
            self._adopt(session)
        return await asyncio.shield(self._emptied)

    def _take_first(self) -> Worker | None:
        first, self._first = self._first, None
        return first

    def _open(self, worker: Worker) -> WorkerSession:
        session = WorkerSession(worker, self._pool, self._server_log, self._rules, self._recycle)
        self._sessions.add(session)
        self._spawner.take(worker)
        session.start(self._tasks)
        self._tasks.create_task(self._watch(session))
        return session

    async def _watch(self, session: WorkerSession) -> None:
        end = await session.wait_end()
        self._sessions.discard(session)
        if session is self._successor:
            self._successor = None
            if self._session is not None:
                log.error("the new worker failed, worker %d stays", self._session.worker.pid)
        elif session is self._session:
            if self._successor is None:
                # At once, because a reload must not put a new worker beside one that is no more.
                self._session, self._setup = None, session.setup
                self._emptied.set_result(end)
            else:  # which is still loading the model
                successor, self._successor = self._successor, None
                self._take_place(successor)

    def _take_place(self, session: WorkerSession) -> None:
        self._session = session
        self._is_taken.set()

    def _adopt(self, session: WorkerSession) -> None:
        self._session = session
        self._was_ready.set()
        self._measuring = self._tasks.create_task(self._measure(session.worker.pid))

    async def _measure(self, pid: int) -> None:
        # In a thread, where psutil is imported, too; if there is none, nothing is known.
        with contextlib.suppress(RuntimeError):
            self._loaded_bytes = (await asyncio.to_thread(usage_of, pid)).private_bytes

    def _after(self, end: End) -> float | None:
        """Seconds until the next worker; None when there will be none."""
        if self._stopping or isinstance(end, Stopped):
            return None
        if not self._was_ready.is_set():
            self._final_state = "SETUP_FAILED"
            return None
        self._count(end)
        reason = end.reason.partition("\n")[0]  # a traceback may follow, which is in the log already
        decision = self._rules.restarts.decide(self._setbacks, jitter=random.random())
        if isinstance(decision, GiveUp):
            log.error("%s; giving up: %s", reason, decision.reason)
            self._final_state = "DEFUNCT"
            return None
        self._restarts += 1
        log.warning("%s; restart in %.2f s, number %d", reason, decision.delay_s, self._restarts)
        return decision.delay_s

    def _count(self, end: SetupFailed | NotStarted | Died) -> None:
        match end:
            case Died(service=service):
                self._setbacks.crashed(service)
            case SetupFailed():
                self._setbacks.failed_setup()
            case NotStarted():
                self._setbacks.failed_start()
