"""The tasks that serve clients: whatever goes wrong in one of them, the server and the others go on."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

StartTask = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]
"""Starts work of which the caller need not keep the task."""

log = logging.getLogger(__name__)


class ClientTasks:
    """A group of tasks, as `asyncio.TaskGroup`, but none of them can end the group; its end cancels them."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Does the work of one client. What it raises is logged, as a fault of the server."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            name = getattr(task.get_coro(), "__qualname__", task.get_name())
            log.error("%s failed, which costs its client alone; a fault of the server", name, exc_info=error)
