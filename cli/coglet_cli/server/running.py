"""What the command line asks of a model server, wherever it runs: a process here, or a container."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from coglet_cli.server.address import Address

T = TypeVar("T")


class RunningServer(Protocol):
    """A server that was started and may end."""

    address: Address

    async def while_starting(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Raises UserError as soon as the server ends before it."""

    async def wait_setup_shown(self, report: Mapping[str, Any]) -> None:
        """Returns when what setup has printed by this health report was shown, or after a second."""

    async def explain_loss(self) -> None:
        """After a lost connection: raises UserError when the end of the server is the reason."""

    async def wait_exit(self) -> int:
        """The exit code, once the server has ended."""

    def kill(self) -> None:
        """Ends it now."""


async def unless_raised(watch: Coroutine[Any, Any, None], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, or what `watch` raises before there is one."""
    try:
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(watch)
            result = await work
            watcher.cancel()
            return result
    except ExceptionGroup as group:
        # The task that failed first has canceled the other one.
        raise group.exceptions[0] from None
