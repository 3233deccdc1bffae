"""Telling a worker that hangs from one that is busy. Pure: times and processor times are arguments."""

from pathlib import Path


class Liveness:
    """What is known of one worker: when it last answered, and how much processor time it had used then.

    A worker that does not answer but computes is busy, whatever the interpreter lock keeps it from saying.
    One that neither answers nor computes for `limit_s` hangs.
    """

    def __init__(self, limit_s: float, now: float) -> None:
        self._limit_s = limit_s
        self._last_sign = now
        self._processor_s = 0.0

    def answered(self, now: float) -> None:
        """It has answered a ping."""
        self._last_sign = now

    def hangs(self, now: float, processor_s: float) -> bool:
        """True when it has given no sign of life for too long. `processor_s` is all it has used so far."""
        if processor_s > self._processor_s:
            self._processor_s = processor_s
            self._last_sign = now
        return now - self._last_sign > self._limit_s


def processor_seconds(pid: int, ticks_per_s: int) -> float:
    """Processor time that a process has used; 0 where the system does not tell.

    Source: proc(5), /proc/[pid]/stat, fields 14 and 15.
    """
    try:
        stat = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / ticks_per_s
