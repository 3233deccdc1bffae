"""Resolving host names, each in its own thread.

The system's resolver cannot be interrupted, and waits for many seconds when a name server does not answer.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from coglet_supervisor.own_thread import in_own_thread

MAX_LOOKUPS: Final = 512
"""The maximum number of threads. A lookup continues after its caller was canceled."""

Resolve = Callable[[str, int], list[str]]


class NameLookup:
    """Runs the blocking `resolve` for a host and port in a thread. For use on one event loop."""

    def __init__(self, resolve: Resolve, *, max_lookups: int = MAX_LOOKUPS) -> None:
        self._resolve = resolve
        self._max_lookups = max_lookups
        self._running = 0

    async def find(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host.

        Raises what `resolve` raises, and OSError if too many lookups are running or no thread can be started.
        """
        if self._running >= self._max_lookups:
            raise OSError(f"{host} was not looked up: {self._running} other lookups are still unanswered")
        try:
            found = in_own_thread(lambda: self._resolve(host, port), "name-lookup")
        except RuntimeError as error:
            raise OSError(f"{host} was not looked up: {error}") from error
        self._running += 1
        found.add_done_callback(self._ended)
        return await asyncio.shield(found)

    def _ended(self, found: "asyncio.Future[list[str]]") -> None:
        self._running -= 1
        found.exception()  # retrieved even if the caller was canceled; asyncio would log it otherwise
