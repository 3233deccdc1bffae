"""Ctrl-C and its relatives: the first asks a command to end, the next one makes it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from coglet_cli.errors import Interrupted

# SIGHUP is a terminal that was closed: without it, what we started would stay behind.
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

T = TypeVar("T")


class Interrupts:
    """Cancels a task at the first signal; calls `on_second`, which must not wait, at each one after it."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.first: int | None = None
        self.on_second: Callable[[], None] = lambda: None

    def take(self, signal_number: int) -> None:
        """The signal handler."""
        if self.first is None:
            self.first = signal_number
            self._task.cancel()
        else:
            self.on_second()


def run_interruptible(work: Callable[[Interrupts], Coroutine[Any, Any, T]]) -> T:
    """Runs `work` to its end. Raises Interrupted when a signal ended it."""

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
    # Who started us with a signal ignored, as nohup does, wants it ignored.
    wanted = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in wanted:
        loop.add_signal_handler(number, interrupts.take, number)
    try:
        yield
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)
