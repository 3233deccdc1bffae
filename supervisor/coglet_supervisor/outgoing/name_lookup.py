"""Looking up names, each in a thread of its own.

The system's resolver cannot be interrupted, and waits for many seconds when a name server does not answer. A
few such names would take all threads of `asyncio.to_thread`, for which the end of the event loop waits, too.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final

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
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def work() -> None:
            addresses: list[str] = []
            error: Exception | None = None
            try:
                addresses = self._resolve(host, port)
            except Exception as raised:  # noqa: BLE001 - raised again on the loop
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(self._ended, found, addresses, error)

        thread = threading.Thread(target=work, name="name-lookup", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(f"{host} was not looked up: {error}") from error
        self._under_way += 1
        return await found

    def _ended(
        self, found: "asyncio.Future[list[str]]", addresses: list[str], error: Exception | None
    ) -> None:
        self._under_way -= 1
        if found.cancelled():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)
