"""What marks every process that a worker has started, however far it has moved away.

A child may leave the process group and be orphaned, but it inherits the environment. Where there is no /proc
(macOS), only the process group tells.
"""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

COOKIE_VARIABLE: Final = "COGLET_WORKER_COOKIE"

# A process inside the kernel dies only when it comes back; we do not wait for it for ever.
_MAX_ROUNDS: Final = 100

# Between two programs, in exec, a process has no environment to be read.
_EXEC_S: Final = 0.02
_PAUSE_S: Final = 0.001


def processes_with(cookie: str) -> list[int]:
    """The other processes whose environment, as it was when they started, holds `cookie`."""
    wanted = f"{COOKIE_VARIABLE}={cookie}".encode()
    deadline = time.monotonic() + _EXEC_S
    found, unknown = _look_at(_others(), wanted)
    while unknown and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
        more, unknown = _look_at(unknown, wanted)
        found += more
    return found


def kill_all(cookie: str, *, spare: int = 0) -> None:
    """Kills every other process with `cookie`, but `spare`, until none is left that could start another."""
    for _ in range(_MAX_ROUNDS):
        found = [pid for pid in processes_with(cookie) if pid != spare]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _others() -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        return [
            int(entry) for entry in os.listdir("/proc") if entry.isdecimal() and int(entry) != os.getpid()
        ]
    return []


def _look_at(pids: list[int], wanted: bytes) -> tuple[list[int], list[int]]:
    """Which of these have `wanted` in their environment, and of which that cannot be said yet."""
    found, unknown = [], []
    for pid in pids:
        process = Path("/proc", str(pid))
        # What raises has ended, belongs to somebody else, or is no program but a thread of the kernel.
        with contextlib.suppress(OSError):
            environment = process.joinpath("environ").read_bytes()
            if wanted in environment.split(b"\0"):
                found.append(pid)
            elif not environment:
                process.joinpath("exe").readlink()
                unknown.append(pid)
    return found, unknown
