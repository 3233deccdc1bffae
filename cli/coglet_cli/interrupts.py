"""Handling of SIGINT, SIGTERM and SIGHUP: the first signal asks a command to stop, the next one forces it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from coglet_cli.errors import Interrupted

# A closed terminal sends SIGHUP: without a handler, the processes that we started would be left running.
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

T = TypeVar("T")


class Interrupts:
    """Cancels a task at the first signal; calls `on_second`, which must not block, at each later one."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.first: int | None = None
        self.on_second: Callable[[], None] = lambda: None

    def take(self, signal_number: int) -> None:
        """Handle one signal."""
        if self.first is None:
            self.first = signal_number
            self._task.cancel()
        else:
            self.on_second()


def run_interruptible(work: Callable[[Interrupts], Coroutine[Any, Any, T]]) -> T:
    """Run `work` to its end and return its result. Raises Interrupted if a signal ended it."""

    async def guarded() -> T:
        task = asyncio.current_task()
        assert task is not None  # inside a coroutine there is one
        interrupts = Interrupts(task)
        with _installed(interrupts):
            try:
                return await work(interrupts)
            except asyncio.CancelledError:
                if interrupts.first is None:
                    raise
                raise Interrupted(interrupts.first) from None

    return asyncio.run(guarded())


@contextmanager
def _installed(interrupts: Interrupts) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    # A signal that was ignored when we were started, as nohup does, stays ignored.
    wanted = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in wanted:
        loop.add_signal_handler(number, interrupts.take, number)
    try:
        yield
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)
