"""Waiting for a condition, never for a time: a wait ends as soon as it holds, or fails at its deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

DEADLINE_S: Final = 20.0
"""Long enough for a busy machine; no passing test comes near it."""

_PAUSE_S: Final = 0.01
# Much shorter than what benchmarks wait for (a start takes 200 ms); others still get the processor.
_SHORT_PAUSE_S: Final = 0.002

T = TypeVar("T")


def wait_for(condition: Callable[[], T | None], what: str, *, deadline_s: float = DEADLINE_S) -> T:
    """Return the first true value of `condition`, which is polled.

    Raises AssertionError, naming `what` and the last value, when there is none within `deadline_s`.
    """
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"no {what} within {deadline_s:g} s; last seen: {value!r}"
        time.sleep(_PAUSE_S)


async def wait_until(condition: Callable[[], bool | Awaitable[bool]], deadline_s: float = DEADLINE_S) -> None:
    """Return once the condition holds, on an event loop. Raises TimeoutError at the deadline."""
    async with asyncio.timeout(deadline_s):
        while True:
            value = condition()
            if await value if isinstance(value, Awaitable) else value:
                return
            await asyncio.sleep(_SHORT_PAUSE_S)


async def settle() -> None:
    """Let every task of this event loop run until it waits for something external."""
    for _ in range(20):
        await asyncio.sleep(0)
