"""Distinguishing a worker that hangs from one that is busy."""

from coglet_supervisor.time_limits import PARTS


class Liveness:
    """Counts the checks at which a worker showed no sign of life: no pong and no processor time.

    A worker that uses processor time is busy, even if native code holds the interpreter lock and it cannot
    answer. A worker hangs if it shows no sign of life at more than `PARTS` checks in a row. No I/O: the
    caller makes the checks at equal intervals.
    """

    def __init__(self) -> None:
        self._silent_checks = 0
        self._processor_s = 0.0

    def answered(self) -> None:
        """Note that the worker has answered a ping."""
        self._silent_checks = 0

    def hangs(self, processor_s: float) -> bool:
        """Make one check. True if the worker hangs. `processor_s` is its total processor time."""
        if processor_s > self._processor_s:
            self._processor_s = processor_s
            self._silent_checks = 0
        else:
            self._silent_checks += 1
        return self._silent_checks > PARTS
