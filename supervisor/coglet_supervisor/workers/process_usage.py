"""Processor time and memory of a process, and the free memory of the machine, from psutil.

psutil takes 20 ms to import, so it is imported at its first use, in a thread, to delay neither the start nor
a request. Without a free descriptor, both the import and the measurements fail.
"""

import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Final

# After a failed import, a second thread that has waited for it would get a half-initialized module.
_IMPORTING: Final = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Usage:
    """The processor time that a process has used, in user and system mode, and its current memory.

    `private_bytes` is the memory that a second process like it would need: without shared pages, where the
    system reports them.
    """

    processor_s: float = 0.0
    resident_bytes: int = 0
    private_bytes: int = 0


def usage_of(pid: int) -> Usage:
    """Return the usage of a process; all zeros if it has exited or cannot be measured."""
    psutil = _psutil()
    if psutil is None:
        return Usage()
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
    except (psutil.Error, OSError):
        return Usage()
    return Usage(
        processor_s=times.user + times.system,
        resident_bytes=memory.rss,
        private_bytes=memory.rss - getattr(memory, "shared", 0),
    )


def available_bytes() -> int | None:
    """Return the available memory of the machine; None if it cannot be measured."""
    psutil = _psutil()
    try:
        return None if psutil is None else int(psutil.virtual_memory().available)
    except OSError:
        return None


def _psutil() -> ModuleType | None:
    with _IMPORTING:
        try:
            import psutil
        except (ImportError, OSError):
            return None
        return psutil
