"""Ending processes and removing files without blocking the event loop."""

import asyncio
from collections.abc import Callable


async def clean_up(work: Callable[[], None]) -> None:
    """Run `work` in a thread, or in the current thread if the system has none left (a fork bomb in a model).

    In the second case it may run twice, because it also stays queued for the next thread.
    """
    try:
        await asyncio.to_thread(work)
    except RuntimeError:
        work()
