"""Keeps one worker running: restarts it when it dies, until the restart policy gives up.

States: STARTING -> READY -> (death) -> STARTING -> ...; SETUP_FAILED, when the first setup fails, and
DEFUNCT, when too many later ones do, are final.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import msgspec

from coglet_supervisor.errors import StartupError
from coglet_supervisor.health import Setup, State, WorkerEnd, timestamp
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.temporary_folder import NoTemporaryFolder
from coglet_supervisor.workers.control_group import free_memory_bytes
from coglet_supervisor.workers.life import Died, End, NotStarted, SetupFailed, Stopped
from coglet_supervisor.workers.process import WorkerProcess
from coglet_supervisor.workers.process_usage import usage_of
from coglet_supervisor.workers.report import Replacement, WorkerReport
from coglet_supervisor.workers.restart import GiveUp, Setbacks
from coglet_supervisor.workers.session import WorkerRules, WorkerSession
from coglet_supervisor.workers.spawner import WorkerSpawner
from coglet_supervisor.workers.spec import WorkerSpec
from coglet_supervisor.workers.worker import Worker

log = logging.getLogger(__name__)

# So many of the latest deaths of a worker are reported.
_ENDS: Final = 5


class WorkerSeat:
    """Owns the sessions of one worker and its successors. `spawn` starts a worker, or raises OSError.

    The constructor starts the first worker, before there is an event loop, so that the model loads in the
    meantime. It raises StartupError if there is no usable temporary folder.
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
        self._replacements: Counter[Replacement] = Counter()
        self._ends: deque[WorkerEnd] = deque(maxlen=_ENDS)
        self._spec = spec
        self._pool = pool
        self._server_log = server_log
        self._rules = rules
        self._session: WorkerSession | None = None  # the one that serves
        self._successor: WorkerSession | None = None
        self._sessions: set[WorkerSession] = set()  # those whose process is running
        self._is_occupied = asyncio.Event()  # set with the first session
        self._was_ready = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._stopping = False
        self._setbacks = Setbacks()
        self._loaded_bytes = 0  # the memory of a worker that has just become ready
        self._measuring: asyncio.Task[None] | None = None
        self._spawner = WorkerSpawner(lambda: spawn(spec))
        self._first: Worker | None = None
        try:
            self._first = self._spawner.start()
            self._setup = Setup(started_at=self._first.spawned_at, status="starting")
        except NoTemporaryFolder as error:
            raise StartupError(str(error)) from error
        except OSError:
            pass  # `run` tries again, and reports the error

    @property
    def state(self) -> State:
        """The state of the model in this seat."""
        if self._final_state is not None:
            return self._final_state
        return "READY" if self._session is not None and self._session.is_ready else "STARTING"

    @property
    def setup(self) -> Setup:
        """The setup of the current worker, or of the last one."""
        return self._session.setup if self._session is not None else self._setup

    @property
    def restarts(self) -> int:
        """The number of workers that died and were replaced."""
        return self._restarts

    @property
    def report(self) -> WorkerReport:
        """The seat at this moment."""
        return WorkerReport(
            state=self.state,
            pid=self._session.worker.pid if self._session is not None else None,
            replacements=dict(self._replacements),
            setup=self.setup,
            ends=tuple(self._ends),
        )

    async def wait_ready(self) -> None:
        """Wait until a worker has been ready for the first time."""
        await self._was_ready.wait()

    async def run(self) -> None:
        """Keep a worker running until `stop`, or until the restart policy gives up."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            delay_s: float | None = 0.0
            while delay_s is not None:
                await asyncio.sleep(delay_s)
                delay_s = self._delay_after(await self._run_worker())

    async def reload(self, due: WorkerSession | None = None) -> None:
        """Replace the worker by a new one without losing predictions: the old one first ends those that run.

        Both processes exist for a while. If the new one fails, the old one stays; if the old one dies first,
        the new one takes its place. With `due`, only that worker is replaced.
        """
        await self._is_occupied.wait()
        async with self._reloading:  # at most two processes at a time
            old = self._session
            # A worker that is still loading may already have read files of the old version: wait, then
            # replace it.
            if old is None or not await old.wait_ready() or self.state != "READY" or self._stopping:
                return
            if due is not None and old is not due:
                return
            if await self._start_successor(old):
                self._replacements["reloaded" if due is None else "recycled"] += 1
                await old.worker.retire()
                await old.stop(self._rules.stop_grace_s)
            else:
                old.worker.recycle_failed()

    async def _start_successor(self, old: WorkerSession) -> bool:
        """Start a new worker beside the old one. True once the new one serves in its place."""
        if self._measuring is not None:  # it has just become ready
            await asyncio.wait([self._measuring])
        if old is not self._session:  # it has died in the meantime, and is replaced anyway
            return False
        free_bytes = free_memory_bytes(old.worker.pid)
        if free_bytes is not None and free_bytes < self._loaded_bytes:
            log.error(
                "keeping worker %d: a second one needs about %d MiB, but only %d MiB are available",
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

    def _recycle(self, session: WorkerSession) -> None:
        log.info("worker %d reached its prediction or memory limit, recycling it", session.worker.pid)
        self._tasks.create_task(self.reload(session))

    async def stop(self, grace_s: float) -> None:
        """Shut down the worker gracefully; kill it after `grace_s`."""
        self._stopping = True
        async with asyncio.TaskGroup() as tasks:
            for session in self._sessions:
                tasks.create_task(session.stop(grace_s))

    def kill(self) -> None:
        """Kill all processes of the seat."""
        self._spawner.close()
        for session in self._sessions:
            session.worker.kill()

    @property
    def pids(self) -> set[int]:
        """The process ids of this seat."""
        return self._spawner.pids | {session.worker.pid for session in self._sessions}

    @property
    def is_starting_a_process(self) -> bool:
        """True while there may be a process that is not among `pids` yet."""
        return self._spawner.is_starting

    async def check_user_health(self) -> str | None:
        """Run the model's own health check; return the problem that it finds, or None."""
        if self._session is None or self.state != "READY":
            return None
        return await self._session.check_user_health()

    async def _run_worker(self) -> End:
        """Run a worker until it has exited and no successor has taken its place; return how it ended."""
        self._vacated: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        try:
            worker = self._take_first() or await self._spawner.start_beside()
        except OSError as error:
            reason = f"failed to spawn worker: {self._spec.explain(error)}"
            # A worker could be started before, so the cause may be temporary.
            if self._was_ready.is_set():
                return NotStarted(reason)
            self._setup = msgspec.structs.replace(
                self._setup, completed_at=timestamp(), status="failed", logs=f"{reason}\n"
            )
            return SetupFailed(reason)
        if self._stopping:
            await self._spawner.end(worker)
            return Stopped()
        session = self._open(worker)
        self._take_place(session)
        if await session.wait_ready():
            self._adopt(session)
        return await asyncio.shield(self._vacated)

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
                log.error("the new worker failed, keeping worker %d", self._session.worker.pid)
        elif session is self._session:
            if self._successor is None:
                # Immediately, so that a reload does not start a successor of a worker that has exited.
                self._session, self._setup = None, session.setup
                self._vacated.set_result(end)
            else:  # the successor, which is still loading the model
                successor, self._successor = self._successor, None
                self._take_place(successor)

    def _take_place(self, session: WorkerSession) -> None:
        self._session = session
        self._is_occupied.set()

    def _adopt(self, session: WorkerSession) -> None:
        self._session = session
        self._was_ready.set()
        self._measuring = self._tasks.create_task(self._measure(session.worker.pid))

    async def _measure(self, pid: int) -> None:
        # In a thread, which also imports psutil. Without a thread, the memory stays unknown.
        with contextlib.suppress(RuntimeError):
            self._loaded_bytes = (await asyncio.to_thread(usage_of, pid)).private_bytes

    def _delay_after(self, end: End) -> float | None:
        """Return the seconds until the next worker is started; None if none will be."""
        if self._stopping or isinstance(end, Stopped):
            return None
        if not self._was_ready.is_set():
            self._final_state = "SETUP_FAILED"
            return None
        replacement = self._count(end)
        reason = end.reason.partition("\n")[0]  # a traceback may follow, which is already in the log
        self._ends.appendleft(WorkerEnd(timestamp(), reason))
        decision = self._rules.restarts.decide(self._setbacks, jitter=random.random())
        if isinstance(decision, GiveUp):
            log.error("%s; giving up: %s", reason, decision.reason)
            self._final_state = "DEFUNCT"
            return None
        self._restarts += 1
        self._replacements[replacement] += 1
        log.warning("%s; restart in %.2f s, number %d", reason, decision.delay_s, self._restarts)
        return decision.delay_s

    def _count(self, end: SetupFailed | NotStarted | Died) -> Replacement:
        match end:
            case Died(service=service):
                self._setbacks.crashed(service)
                return "crashed"
            case SetupFailed():
                self._setbacks.failed_setup()
                return "setup_failed"
            case NotStarted():
                self._setbacks.failed_start()
                return "not_started"
