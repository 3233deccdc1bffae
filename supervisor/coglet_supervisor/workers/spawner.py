"""Starting the workers of one seat, beside the event loop once there is one."""

import asyncio
import functools
import threading
from collections.abc import Callable
from typing import Final

from coglet_supervisor.own_thread import in_own_thread
from coglet_supervisor.workers.spec import WorkerSpec
from coglet_supervisor.workers.worker import Worker

# A start takes milliseconds. One that takes longer must not keep the end of the server waiting.
_STARTED_S: Final = 0.5


class WorkerSpawner:
    """Starts workers with `spawn`, and owns each until it is taken. After `close`, it leaves none behind.

    Starting a process blocks until the child has become another program. That takes long when memory is
    short, and without end when the child is stopped before.
    """

    def __init__(self, spawn: Callable[[WorkerSpec], Worker]) -> None:
        self._spawn = spawn
        self._lock = threading.Condition()
        self._in_threads = 0
        self._untaken: set[Worker] = set()
        self._is_closed = False
        self._starting = 0

    @property
    def is_starting(self) -> bool:
        """True while there may be a child whose process id is not known yet."""
        return self._starting > 0

    @property
    def pids(self) -> set[int]:
        """The processes of the workers that were not taken yet."""
        with self._lock:
            return {worker.pid for worker in self._untaken}

    def start(self, spec: WorkerSpec) -> Worker:
        """Starts a worker. From any thread. Raises OSError."""
        with self._lock:
            self._in_threads += 1
        try:
            worker = self._spawn(spec)
            with self._lock:
                if not self._is_closed:
                    self._untaken.add(worker)
                    return worker
            worker.kill()
            return worker
        finally:
            with self._lock:
                self._in_threads -= 1
                self._lock.notify_all()

    async def start_beside(self, spec: WorkerSpec) -> Worker:
        """As `start`, while the event loop goes on; in this thread when the system has none left."""
        self._starting += 1
        try:
            try:
                started = in_own_thread(functools.partial(self.start, spec), "spawn")
            except RuntimeError:
                return self.start(spec)
            return await asyncio.shield(started)
        finally:
            self._starting -= 1

    def take(self, worker: Worker) -> None:
        """The caller sees to its end from now on."""
        with self._lock:
            self._untaken.discard(worker)

    async def end(self, worker: Worker) -> None:
        """End a worker that is not needed after all."""
        await worker.end()
        self.take(worker)

    def close(self) -> None:
        """Kills what was not taken, and what is being started as soon as it is there.

        For that it waits a moment: the process may end next, and its threads with it.
        """
        with self._lock:
            self._is_closed = True
            untaken, self._untaken = self._untaken, set()
        for worker in untaken:
            worker.kill()
        with self._lock:
            self._lock.wait_for(lambda: not self._in_threads, _STARTED_S)
