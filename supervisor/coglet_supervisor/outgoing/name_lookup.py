"""Resolving host names, each in its own thread.

The system's resolver cannot be interrupted, and waits for many seconds when a name server does not answer. A
few such names would occupy all threads of `asyncio.to_thread`, and the shutdown of the event loop waits for
those.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final

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
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def work() -> None:
            addresses: list[str] = []
            error: Exception | None = None
            try:
                addresses = self._resolve(host, port)
            except Exception as raised:  # noqa: BLE001 - raised again on the loop
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
                loop.call_soon_threadsafe(self._ended, found, addresses, error)

        thread = threading.Thread(target=work, name="name-lookup", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(f"{host} was not looked up: {error}") from error
        self._running += 1
        return await found

    def _ended(
        self, found: "asyncio.Future[list[str]]", addresses: list[str], error: Exception | None
    ) -> None:
        self._running -= 1
        if found.cancelled():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)
