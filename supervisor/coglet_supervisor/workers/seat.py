"""Keeps one worker running: restarts it when it dies, until the restart policy gives up.

States: STARTING -> READY -> (death) -> STARTING -> ...; SETUP_FAILED, when the first setup fails, and
DEFUNCT, when too many later ones do, last until a reload.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from coglet_supervisor.errors import StartupError
from coglet_supervisor.health import Setup, State, timestamp
from coglet_supervisor.predictions.slots import SlotPool
from coglet_supervisor.server_log import ServerLog
from coglet_supervisor.temporary_folder import NoTemporaryFolder
from coglet_supervisor.workers.control_group import free_memory_bytes
from coglet_supervisor.workers.life import End, NotStarted, SetupFailed, Stopped
from coglet_supervisor.workers.process import WorkerProcess
from coglet_supervisor.workers.process_usage import usage_of
from coglet_supervisor.workers.replacements import Replacements
from coglet_supervisor.workers.report import Replacement, WorkerReport
from coglet_supervisor.workers.session import WorkerRules, WorkerSession
from coglet_supervisor.workers.spawner import WorkerSpawner
from coglet_supervisor.workers.spec import WorkerSpec
from coglet_supervisor.workers.worker import Worker

log = logging.getLogger(__name__)

_SUPERSEDED: Final = "there is a newer version"


class _Vacated(Exception):
    """The worker that was to be replaced has exited; `run` starts another one."""


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
        self._replacements = Replacements(rules.restarts)
        self._spec = spec  # of the worker that serves, and of those that replace it when it dies
        self._pool = pool
        self._server_log = server_log
        self._rules = rules
        self._session: WorkerSession | None = None  # the one that serves
        self._successor: WorkerSession | None = None
        self._sessions: dict[WorkerSession, WorkerSpec] = {}  # those whose process is running
        self._was_ready = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._starting = asyncio.Lock()  # while `run` starts a process
        self._retiring: asyncio.Task[None] | None = None
        self._start_wanted = asyncio.Event()  # by a reload that found no worker
        self._awaited_start: asyncio.Future[str | None] | None = None
        self._reload_start: asyncio.Future[str | None] | None = None  # the last of these
        self._is_abandoned = False  # the reload that is running
        self._stopping = False
        self._loaded_bytes = 0  # the memory of a worker that has just become ready
        self._measuring: asyncio.Task[None] | None = None
        self._spawner = WorkerSpawner(spawn)
        self._first: Worker | None = None
        try:
            self._first = self._spawner.start(spec)
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
        return self._replacements.restarts

    @property
    def report(self) -> WorkerReport:
        """The seat at this moment."""
        return WorkerReport(
            state=self.state,
            pid=self._session.worker.pid if self._session is not None else None,
            replacements=self._replacements.counts,
            setup=self.setup,
            ends=self._replacements.ends,
        )

    async def wait_ready(self) -> None:
        """Wait until a worker has been ready for the first time."""
        await self._was_ready.wait()

    async def wait_revived(self) -> None:
        """Wait until a reload asks for a worker after `run` has ended."""
        await self._start_wanted.wait()

    async def run(self) -> None:
        """Keep a worker running until `stop`, or until the restart policy gives up. Can be called again."""
        if self._final_state is not None:  # a reload starts the model again
            self._replacements.planned("reloaded")
        self._final_state = None
        self._start_wanted.clear()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            while (delay_s := self._delay_after(await self._run_worker())) is not None:
                await self._pause(delay_s)

    async def _pause(self, delay_s: float) -> None:
        """Wait for `delay_s`, or until a reload wants a worker now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._start_wanted.wait()
        self._start_wanted.clear()

    async def reload(self, spec: WorkerSpec, *, is_urgent: bool = False) -> str | None:
        """Replace the worker by one with `spec`; return None once that serves, or why it does not.

        No prediction is lost: the old worker ends those that run, and both processes exist for a while.
        If the new one fails, the old one stays; if the old one dies first, the new one takes its place.
        Where there is no worker, one is started immediately; with `is_urgent` also in the place of one that
        is still being set up, which is killed.
        """
        async with self._reloading:  # at most two processes at a time
            self._is_abandoned = False
            while not self._stopping:
                async with self._starting:  # a worker whose process is being started is found, too
                    old = self._session
                # A worker that is still loading may already have read files of the old version: wait, then
                # replace it.
                if old is None or (is_urgent and old.abandon_setup()) or not await old.wait_ready():
                    return _SUPERSEDED if self._is_abandoned else await self._start_with(spec)
                try:
                    return await self._replace(old, spec, "reloaded")
                except _Vacated:
                    continue
            return None

    def start_next_with(self, spec: WorkerSpec) -> None:
        """Use `spec` when the worker must be replaced for another reason."""
        self._spec = spec

    async def _start_with(self, spec: WorkerSpec) -> str | None:
        """Have `run` start a worker with `spec` immediately; return why its setup failed, or None."""
        self._spec = spec
        self._replacements.forget_setbacks()
        started: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._awaited_start = self._reload_start = started
        self._start_wanted.set()
        return await started

    async def _replace(self, old: WorkerSession, spec: WorkerSpec, reason: Replacement) -> str | None:
        """Replace `old`; return why that failed, or None. Raises _Vacated if `old` exits before."""
        problem = await self._start_successor(old, spec)
        if problem is not None:
            old.worker.recycle_failed()
        else:
            self._replacements.planned(reason)
            self._retiring = self._tasks.create_task(self._retire(old))
        return problem

    async def _retire(self, old: WorkerSession) -> None:
        await old.worker.retire()
        await old.stop(self._rules.stop_grace_s)

    async def wait_retired(self) -> None:
        """Wait until the worker that was replaced last has ended its predictions and exited."""
        if self._retiring is not None and not self._retiring.done():
            # With this target, `cog serve --reload` shows it.
            waiting_for = {"target": "coglet::reload"}
            log.info("Waiting for predictions that run in the version before...", extra=waiting_for)
            await asyncio.wait([self._retiring])

    async def _start_successor(self, old: WorkerSession, spec: WorkerSpec) -> str | None:
        """Start a new worker beside the old one; return None once the new one serves in its place."""
        await self.wait_retired()
        if self._measuring is not None:  # it has just become ready
            await asyncio.wait([self._measuring])
        if old is not self._session:
            raise _Vacated
        free_bytes = free_memory_bytes(old.worker.pid)
        if free_bytes is not None and free_bytes < self._loaded_bytes:
            return _logged(
                f"keeping worker {old.worker.pid}: a second one needs about {self._loaded_bytes >> 20} MiB, "
                f"but only {free_bytes >> 20} MiB are available"
            )
        try:
            worker = await self._spawner.start_beside(spec)
        except OSError as error:
            return _logged(f"cannot replace worker {old.worker.pid}: {spec.explain(error)}")
        if old is not self._session or self._stopping:
            await self._spawner.end(worker)
            raise _Vacated
        self._successor = new = self._open(worker, spec)
        if not await new.wait_ready():
            return _problem_of(await new.wait_end())
        return None

    def abandon_reload(self) -> None:
        """Let a reload that is running wait for no setup any longer, because there is newer code.

        What `run` has started is left to the next reload, which knows what to start in its place.
        """
        self._is_abandoned = True
        if self._successor is not None:
            self._successor.abandon_setup()
        elif self._reload_start is not None and not self._reload_start.done():
            self._reload_start.set_result(_SUPERSEDED)
        elif self._reloading.locked() and self._session is not None:
            self._session.abandon_setup()

    def takes_over(self, session: WorkerSession) -> None:
        """See SessionOwner."""
        spec = self._sessions[session]
        if session is self._successor:
            self._successor = None
            if self._session is not None:
                self._session.worker.close_slots()
        self._spec = spec
        self._adopt(session)
        spec.before_service()

    def recycle_due(self, session: WorkerSession) -> None:
        """See SessionOwner."""
        log.info("worker %d reached its prediction or memory limit, recycling it", session.worker.pid)
        self._tasks.create_task(self._recycle(session))

    async def _recycle(self, session: WorkerSession) -> None:
        async with self._reloading:
            if session is self._session and not self._stopping:
                with contextlib.suppress(_Vacated):
                    await self._replace(session, self._spec, "recycled")

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
        started, self._awaited_start = self._awaited_start, None
        end = await self._start_worker(started)
        if started is not None and not started.done():
            started.set_result(_problem_of(end))
        return end

    async def _start_worker(self, started: "asyncio.Future[str | None] | None") -> End:
        """As `_run_worker`; `started` gets None when the worker is ready."""
        self._vacated: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        async with self._starting:
            session = await self._open_session()
        if not isinstance(session, WorkerSession):
            return session
        if await session.wait_ready() and started is not None and not started.done():
            started.set_result(None)
        return await asyncio.shield(self._vacated)

    async def _open_session(self) -> WorkerSession | End:
        """Start a process and its session; return how it ended if there is none."""
        spec = self._spec
        try:
            worker = self._take_first() or await self._spawner.start_beside(spec)
        except OSError as error:
            reason = f"failed to spawn worker: {spec.explain(error)}"
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
        self._session = self._open(worker, spec)
        return self._session

    def _take_first(self) -> Worker | None:
        first, self._first = self._first, None
        return first

    def _open(self, worker: Worker, spec: WorkerSpec) -> WorkerSession:
        session = WorkerSession(worker, self._pool, self._server_log, self._rules, self)
        self._sessions[session] = spec
        self._spawner.take(worker)
        session.start(self._tasks)
        self._tasks.create_task(self._watch(session))
        return session

    async def _watch(self, session: WorkerSession) -> None:
        end = await session.wait_end()
        del self._sessions[session]
        if session is self._successor:
            self._successor = None
            if self._session is not None and not isinstance(end, Stopped):
                log.error("the new worker failed, keeping worker %d", self._session.worker.pid)
        elif session is self._session:
            if self._successor is None:
                # Immediately, so that a reload does not start a successor of a worker that has exited.
                self._session, self._setup = None, session.setup
                self._vacated.set_result(end)
            else:  # the successor, which is still loading the model
                self._session, self._successor = self._successor, None

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
        if self._stopping:
            return None
        if isinstance(end, Stopped):  # `abandon_setup`
            self._replacements.planned("reloaded")
            return 0.0
        if not self._was_ready.is_set():
            self._final_state = "SETUP_FAILED"
            return None
        delay_s = self._replacements.delay_after(end)
        if delay_s is None:
            self._final_state = "DEFUNCT"
        return delay_s


def _logged(problem: str) -> str:
    log.error("%s", problem)
    return problem


def _problem_of(end: End) -> str:
    """Return why a worker has ended."""
    return "it was stopped" if isinstance(end, Stopped) else end.reason
