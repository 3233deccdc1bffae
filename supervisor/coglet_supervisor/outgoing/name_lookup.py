"""Looking up names, each in a thread of its own.

The system's resolver cannot be interrupted, and waits for many seconds when a name server does not answer.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from coglet_supervisor.own_thread import in_own_thread

MAX_LOOKUPS: Final = 512
"""How many threads there may be. A lookup goes on when who asked for it has gone."""

Resolve = Callable[[str, int], list[str]]


class NameLookup:
    """Asks `resolve`, which blocks, for the addresses of host and port. On one event loop."""

    def __init__(self, resolve: Resolve, *, max_lookups: int = MAX_LOOKUPS) -> None:
        self._resolve = resolve
        self._max_lookups = max_lookups
        self._under_way = 0

    async def find(self, host: str, port: int) -> list[str]:
        """The addresses. Raises what `resolve` raises, and OSError when too many lookups are under way."""
        if self._under_way >= self._max_lookups:
            raise OSError(
                f"{host} was not looked up: the name servers have not answered {self._under_way} others"
            )
        try:
            found = in_own_thread(lambda: self._resolve(host, port), "name-lookup")
        except RuntimeError as error:
            raise OSError(f"{host} was not looked up: {error}") from error
        self._under_way += 1
        found.add_done_callback(self._ended)
        return await asyncio.shield(found)

    def _ended(self, found: "asyncio.Future[list[str]]") -> None:
        self._under_way -= 1
        found.exception()  # whoever asked may have left, and it is no fault then that nobody takes it
