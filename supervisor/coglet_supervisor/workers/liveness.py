"""Telling a worker that hangs from one that is busy."""

from coglet_supervisor.time_limits import PARTS


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
