"""Time limits of which only the time counts in which this process could run.

While this process is stopped, as by `docker pause`, it hears no worker, and the worker is most likely
stopped, too. So a limit is waited for in parts. A part that lasts longer, because this process was not there
to see its end, counts as one part.
"""

import asyncio
from typing import Final

PARTS: Final = 4


async def wait_parts(limit_s: float) -> None:
    """Returns when this process could run for that long."""
    for _ in range(PARTS):
        await asyncio.sleep(limit_s / PARTS)
