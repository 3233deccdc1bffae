"""What another process of ours uses, and what the machine has left, as psutil tells it on each system.

psutil takes 20 ms to import, which no start and no request shall wait for: it is imported when it is first
used, in a thread. Without a free descriptor neither that is possible nor an answer.
"""

import threading
from dataclasses import dataclass
from types import ModuleType
from typing import Final

# An import that fails gives a second thread, which has waited for the first one, the half of a module.
_IMPORTING: Final = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a process has used so far, in user and in system mode, and the memory that it occupies now.

    `private_bytes` is what a second process like it would occupy once more: not the pages of files, where the
    system tells them.
    """

    processor_s: float = 0.0
    resident_bytes: int = 0
    private_bytes: int = 0


def usage_of(pid: int) -> Usage:
    """Nothing for a process that is gone, and when it cannot be asked."""
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
    """Memory that the machine could still give away; None when it cannot be asked."""
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
