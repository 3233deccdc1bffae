"""The interface of a model server that was started as a local process or in a container."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from coglet_cli.server.address import Address

T = TypeVar("T")


class RunningServer(Protocol):
    """A server that was started and may exit at any time."""

    address: Address

    async def while_starting(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`. Raises UserError as soon as the server exits before it."""

    async def wait_setup_shown(self, report: Mapping[str, Any]) -> None:
        """Wait until the setup output in this health report was shown, for a second or two at most."""

    async def explain_loss(self) -> None:
        """Raise UserError if the exit of the server explains a lost connection."""

    async def wait_exit(self) -> int:
        """Wait until the server exits and return its exit code."""

    def kill(self) -> None:
        """Kill the server."""


async def unless_raised(watch: Coroutine[Any, Any, None], work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`. Raises what `watch` raises before that."""
    try:
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(watch)
            result = await work
            watcher.cancel()
            return result
    except ExceptionGroup as group:
        # The first failed task has canceled the other one.
        raise group.exceptions[0] from None
