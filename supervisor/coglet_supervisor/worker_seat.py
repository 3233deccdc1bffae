"""One place for a worker: filled again when its worker dies, until that is hopeless.

States: STARTING -> READY -> (death) -> STARTING -> ...; SETUP_FAILED, when the first setup fails, and
DEFUNCT, when too many later ones do, are final.
"""

import asyncio
import contextlib
import logging
import random

from coglet_supervisor.control_group import free_memory_bytes
from coglet_supervisor.errors import StartupError
from coglet_supervisor.health import Setup, State, timestamp
from coglet_supervisor.process_usage import usage_of
from coglet_supervisor.restart import GiveUp, RestartPolicy, Setbacks
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.slots import SlotPool
from coglet_supervisor.temporary_folder import NoTemporaryFolder
from coglet_supervisor.worker_process import WorkerProcess, WorkerSpec
from coglet_supervisor.worker_session import (
    Died,
    End,
    NotStarted,
    SetupFailed,
    Stopped,
    WorkerRules,
    WorkerSession,
)
from coglet_supervisor.worker_spawner import WorkerSpawner

log = logging.getLogger(__name__)


class WorkerSeat:
    """Keeps one worker alive. The only one that starts it."""

    def __init__(
        self,
        spec: WorkerSpec,
        pool: SlotPool,
        server_log: ServerLog,
        rules: WorkerRules,
        policy: RestartPolicy,
    ) -> None:
        self.state: State = "STARTING"
        self.setup = Setup(started_at=timestamp(), status="starting")
        self.restarts = 0  # of workers that died
        self._spec = spec
        self._pool = pool
        self._server_log = server_log
        self._rules = rules
        self._policy = policy
        self._session: WorkerSession | None = None  # the one that serves
        self._successor: WorkerSession | None = None
        self._sessions: set[WorkerSession] = set()  # those whose process is alive
        self._is_taken = asyncio.Event()  # at least once
        self._reloading = asyncio.Lock()
        self._stopping = False
        self._setbacks = Setbacks()
        self._loaded_bytes = 0  # what a worker takes when it has just become ready
        self._measuring: asyncio.Task[None] | None = None
        self.was_ready = asyncio.Event()
        self._spawner = WorkerSpawner(lambda: WorkerProcess.spawn(spec))
        self._first: WorkerProcess | None = None
        # Before there is an event loop, so that the model loads meanwhile.
        try:
            self._first = self._spawner.start()
            self.setup.started_at = self._first.spawned_at
        except NoTemporaryFolder as error:
            raise StartupError(str(error)) from error
        except OSError:
            pass  # what goes wrong here goes wrong again, and is told, in `run`

    async def run(self) -> None:
        """Keeps a worker alive until `stop`, or until there is no hope."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            delay_s: float | None = 0.0
            while delay_s is not None:
                await asyncio.sleep(delay_s)
                delay_s = self._after(await self._fill())

    async def reload(self, worn_out: WorkerProcess | None = None) -> None:
        """Puts a new worker in the place of the old one, which first ends what it runs: nothing is lost.

        Both exist for a while. A new one that fails leaves the old one where it is; an old one that dies
        meanwhile leaves its place to the new one. With `worn_out`, only that worker is replaced.
        """
        await self._is_taken.wait()
        async with self._reloading:  # never three of them
            old = self._session
            # One that is still loading the model may have read what is to be replaced.
            if old is None or not await old.wait_ready() or self.state != "READY" or self._stopping:
                return
            if worn_out is not None and old.worker is not worn_out:
                return
            if await self._put_beside(old):
                await old.worker.retire()
                await old.stop(self._rules.stop_grace_s)
            else:
                old.worker.stays()

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
            await self._spawner.end(worker)
            return False
        self._successor = new = self._open(worker)
        if not await new.wait_ready() or new not in self._sessions:
            return False
        self._successor = None
        self._adopt(new)
        return True

    def _renew(self, worker: WorkerProcess) -> None:
        log.info("worker %d has done its share, replacing it", worker.pid)
        self._tasks.create_task(self.reload(worker))

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
            return NotStarted(reason) if self.was_ready.is_set() else SetupFailed(reason)
        if self._stopping:
            await self._spawner.end(worker)
            return Stopped()
        session = self._open(worker)
        self._take_place(session)
        if await session.wait_ready():
            self._adopt(session)
        return await asyncio.shield(self._emptied)

    def _take_first(self) -> WorkerProcess | None:
        first, self._first = self._first, None
        return first

    def _open(self, worker: WorkerProcess) -> WorkerSession:
        session = WorkerSession(worker, self._pool, self._server_log, self._rules)
        worker.on_worn_out = lambda: self._renew(worker)
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
                self._session = None
                self.state = "STARTING"
                self._emptied.set_result(end)
            else:  # which is still loading the model
                successor, self._successor = self._successor, None
                self._take_place(successor)

    def _take_place(self, session: WorkerSession) -> None:
        self._session = session
        self._is_taken.set()
        self.setup = session.setup
        self.state = "STARTING"

    def _adopt(self, session: WorkerSession) -> None:
        self._session = session
        self.setup = session.setup
        self.state = "READY"
        self.was_ready.set()
        self._measuring = self._tasks.create_task(self._measure(session.worker.pid))

    async def _measure(self, pid: int) -> None:
        # In a thread, where psutil is imported, too; if there is none, nothing is known.
        with contextlib.suppress(RuntimeError):
            self._loaded_bytes = (await asyncio.to_thread(usage_of, pid)).private_bytes

    def _after(self, end: End) -> float | None:
        """Seconds until the next worker; None when there will be none."""
        if self._stopping or isinstance(end, Stopped):
            return None
        if isinstance(end, SetupFailed):
            self._tell_failed_setup(end.reason)
        if not self.was_ready.is_set():
            self.state = "SETUP_FAILED"
            return None
        self._count(end)
        reason = end.reason.partition("\n")[0]  # a traceback may follow, which is in the log already
        decision = self._policy.decide(self._setbacks, dice=random.random())
        if isinstance(decision, GiveUp):
            log.error("%s; giving up: %s", reason, decision.reason)
            self.state = "DEFUNCT"
            return None
        self.restarts += 1
        log.warning("%s; restart in %.2f s, number %d", reason, decision.delay_s, self.restarts)
        return decision.delay_s

    def _count(self, end: SetupFailed | NotStarted | Died) -> None:
        match end:
            case Died(service=service):
                self._setbacks.crashed(service)
            case SetupFailed():
                self._setbacks.failed_setup()
            case NotStarted():
                self._setbacks.failed_start()

    def _tell_failed_setup(self, text: str) -> None:
        self.setup.status = "failed"
        self.setup.completed_at = self.setup.completed_at or timestamp()
        # The text first, as clients know it; then what was printed.
        self.setup.logs = f"{text.rstrip()}\n{self.setup.logs}"
