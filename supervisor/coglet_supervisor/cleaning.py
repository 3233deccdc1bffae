"""Ending processes and removing files while the event loop goes on."""

import asyncio
from collections.abc import Callable


async def clean_up(work: Callable[[], None]) -> None:
    """Does `work` in a thread; in this one when the system has none left, as when a model forks without end.

    It may be done twice then, as it stays in the queue for the next thread.
    """
    try:
        await asyncio.to_thread(work)
    except RuntimeError:
        work()
