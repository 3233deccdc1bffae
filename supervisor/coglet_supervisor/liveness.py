"""Telling a worker that hangs from one that is busy, and how long to wait for a worker.

Time in which this process itself was stopped, as by `docker pause`, is held against no worker: it could not
be heard, and was most likely stopped, too. So a limit is waited for in parts. A part that lasts longer,
because this process was not there to see its end, counts as one nevertheless.
"""

import asyncio
from typing import Final

PARTS: Final = 4


async def wait_parts(limit_s: float) -> None:
    """Returns when this process could run for that long."""
    for _ in range(PARTS):
        await asyncio.sleep(limit_s / PARTS)


class Liveness:
    """What is known of one worker: for how many looks it was silent, and the processor time it has used.

    A worker that does not answer but computes is busy, whatever the interpreter lock keeps it from saying.
    One that neither answers nor computes for `PARTS` looks hangs. Pure: the caller looks, at equal distances.
    """

    def __init__(self) -> None:
        self._silent_looks = 0
        self._processor_s = 0.0

    def answered(self) -> None:
        """It has answered a ping."""
        self._silent_looks = 0

    def hangs(self, processor_s: float) -> bool:
        """One look. True when it has given no sign of life for too long. `processor_s` is all it has used."""
        if processor_s > self._processor_s:
            self._processor_s = processor_s
            self._silent_looks = 0
        else:
            self._silent_looks += 1
        return self._silent_looks > PARTS
