"""The request to stop the server: a signal, POST /shutdown, or the exit of the parent process."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

from coglet_supervisor.end_deadline import AFTER_GRACE_S, EndDeadline

log = logging.getLogger(__name__)


class StopRequest:
    """Owns the one flag for 'shutting down'. A second request means: do not wait for running predictions.

    Each sets `deadline` for the end of the process.
    """

    def __init__(self, deadline: EndDeadline, grace_s: float) -> None:
        self._deadline = deadline
        self._grace_s = grace_s
        self._asked = asyncio.Event()
        self._cut_short = asyncio.Event()
        self._has_lost_parent = False

    @property
    def is_made(self) -> bool:
        """True once the server was asked to stop."""
        return self._asked.is_set()

    @property
    def is_urgent(self) -> bool:
        """True once the server was asked to stop a second time."""
        return self._cut_short.is_set()

    @property
    def has_lost_parent(self) -> bool:
        """True if the reason is that the parent process has exited, as when it was killed."""
        return self._has_lost_parent

    def make(self) -> None:
        """Ask the server to drain and shut down; the second time, not to wait."""
        if self._asked.is_set():
            self._cut_short.set()
            self._deadline.within(AFTER_GRACE_S)
        self._asked.set()
        self._deadline.within(self._grace_s + AFTER_GRACE_S)

    async def wait(self) -> None:
        """Wait until the server is asked to stop."""
        await self._asked.wait()

    async def unless_urgent(self, work: Coroutine[Any, Any, None], limit_s: float) -> None:
        """Run `work`, but cancel it after `limit_s` seconds or when a second stop is requested."""
        async with asyncio.TaskGroup() as tasks:
            doing = tasks.create_task(work)
            cut = tasks.create_task(_as_task(self._cut_short))
            await asyncio.wait({doing, cut}, timeout=limit_s, return_when="FIRST_COMPLETED")
            doing.cancel()
            cut.cancel()

    def watch_first_signals(self, *, ignore_sigterm: bool) -> None:
        """Note SIGINT and SIGTERM until `watch_signals`, for which there must be an event loop.

        Else they would end a server that is starting before it removes its temporary files.
        """

        def handle(number: int, _: FrameType | None) -> None:
            if number == signal.SIGINT or not ignore_sigterm:
                self._on_signal(signal.Signals(number).name)

        signal.signal(signal.SIGINT, handle)
        signal.signal(signal.SIGTERM, handle)

    def watch_signals(self, on_hangup: Callable[[], None], *, ignore_sigterm: bool) -> None:
        """Stop at SIGINT and SIGTERM, and call `on_hangup` at SIGHUP."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_signal, "SIGINT")
        loop.add_signal_handler(signal.SIGHUP, on_hangup)
        if ignore_sigterm:
            # A handler and not SIG_IGN, which the worker and its children would inherit.
            loop.add_signal_handler(
                signal.SIGTERM, lambda: log.info("Ignoring SIGTERM, waiting for /shutdown")
            )
        else:
            loop.add_signal_handler(signal.SIGTERM, self._on_signal, "SIGTERM")

    def on_parent_exit(self) -> None:
        """Stop at once: with the parent process, the client of running predictions has exited."""
        log.info("stdin was closed by the parent process, shutting down...")
        self._has_lost_parent = True
        self.make()
        self.make()

    def _on_signal(self, name: str) -> None:
        log.info("Received %s, shutting down...", name)
        self.make()


async def _as_task(event: asyncio.Event) -> None:
    await event.wait()
