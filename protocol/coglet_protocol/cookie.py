"""What marks every process that a worker has started, however far it has moved away.

A child may leave the process group and be orphaned, but it inherits the environment. Where there is no /proc
(macOS), only the process group tells.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

COOKIE_VARIABLE: Final = "COGLET_WORKER_COOKIE"

# A process inside the kernel dies only when it comes back; we do not wait for it for ever.
_MAX_ROUNDS: Final = 100


def processes_with(cookie: str) -> Iterator[int]:
    """The other processes whose environment, as it was when they started, holds `cookie`."""
    wanted = f"{COOKIE_VARIABLE}={cookie}".encode()
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir("/proc"):
            if entry.isdecimal() and int(entry) != os.getpid() and wanted in _environment(entry):
                yield int(entry)


def kill_all(cookie: str) -> None:
    """Kills every other process with `cookie`, until none is left that could start another one."""
    for _ in range(_MAX_ROUNDS):
        found = list(processes_with(cookie))
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _environment(pid: str) -> list[bytes]:
    try:
        return Path("/proc", pid, "environ").read_bytes().split(b"\0")
    except OSError:
        return []  # it has ended, or belongs to somebody else
