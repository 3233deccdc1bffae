"""Time limits that count only the time in which this process was running.

While this process is stopped (`docker pause`, SIGSTOP) it receives nothing from a worker, and the worker is
most likely stopped as well. So a limit is waited for in parts: a part that lasts longer, because this process
was stopped, counts as one part.
"""

import asyncio
from typing import Final

PARTS: Final = 4


async def wait_parts(limit_s: float) -> None:
    """Wait until this process has been running for `limit_s` seconds."""
    for _ in range(PARTS):
        await asyncio.sleep(limit_s / PARTS)
