"""An asyncio loop whose timers fire when they are due, and not up to a millisecond later."""

import asyncio
import select
import selectors
import sys
from typing import Final

# The unit of epoll's timeout. asyncio rounds up to it: `asyncio.sleep(0.05)` takes 50.6 ms.
_TICKS_PER_S: Final = 1000


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, with precise timers if asyncio's is Python's own loop on Linux."""
    loop = asyncio.new_event_loop()
    if sys.platform != "linux" or type(loop) is not asyncio.SelectorEventLoop:
        return loop
    loop.close()
    return asyncio.SelectorEventLoop(_PreciseSelector())


if sys.platform == "linux":

    class _PreciseSelector(selectors.EpollSelector):
        """Waits for whole ticks with epoll, and for the rest with select, whose unit is the microsecond."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is None or timeout <= 0:
                return super().select(timeout)
            if ticks := int(timeout * _TICKS_PER_S):
                # The base class rounds the half tick up to a whole one; asyncio selects again for the rest.
                return super().select((ticks - 0.5) / _TICKS_PER_S)
            select.select([self.fileno()], (), (), timeout)
            return super().select(0)
