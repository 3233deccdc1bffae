"""Waits for what nobody announces: a server's state, a file."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

# Much shorter than what is waited for (a start takes 200 ms), long enough to leave others the processor.
_PAUSE_S: Final = 0.002


async def wait_until(condition: Callable[[], Awaitable[bool]], limit_s: float) -> None:
    """Returns once the condition holds; TimeoutError when it does not within the limit."""
    async with asyncio.timeout(limit_s):
        while not await condition():  # noqa: ASYNC110 - the event would be in another process
            await asyncio.sleep(_PAUSE_S)
