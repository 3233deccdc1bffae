"""What marks every process that a worker has started, however far it has moved away.

A child may leave its group and session, lose its parent, and start with an empty environment. Two things that
it inherits hold the mark:

* A resource limit, which survives fork and exec whatever the environment is. RLIMIT_RTTIME matters only to
  processes of real-time priority, and ours is more than 30,000 years.
* The environment, for systems that do not let us set the limit. A worker inside a worker may not be allowed
  to raise the one that it has inherited.

Where there is no /proc (macOS), only the process group tells. Source: getrlimit(2), prlimit(2).
"""

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

COOKIE_VARIABLE: Final = "COGLET_WORKER_COOKIE"
"""Its value is a hexadecimal number, another one for each worker."""

# A process inside the kernel dies only when it comes back, and the end of the server must not wait for it.
_KILL_S: Final = 1.0

# On a busy machine some process ends in every round.
_MAX_ROUNDS_IN_VAIN: Final = 5

# Between two programs, in exec, a process has no environment to be read.
_EXEC_S: Final = 0.02
_PAUSE_S: Final = 0.001

# One that forks and ends is gone before a look at all processes comes to it. A look at these takes less time
# than a fork.
_NEWEST: Final = 16
_LOOKS_AT_NEWEST: Final = 20

_LIMIT_BITS: Final = 60

# Positions in /proc/PID/stat after the name, which ends with a parenthesis. Source: proc_pid_stat(5).
_STATE, _NUM_THREADS = 0, 17


def carry(cookie: str) -> None:
    """Marks this process and all that it will start. Where that is refused, the environment has to do."""
    if sys.platform == "linux":
        limit = _limit_for(cookie)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_RTTIME, (limit, limit))


def processes_with(cookie: str) -> list[int]:
    """The other living processes that carry `cookie`."""
    return list(_Search(cookie).round())


def kill_all(cookie: str, *, spare: int = 0) -> None:
    """Kills every other process with `cookie`, but `spare`, until none is left that could start another.

    A plain function that blocks, for little more than a second at most; any thread may call it.
    """
    deadline = time.monotonic() + _KILL_S
    search = _Search(cookie)
    rounds_in_vain = 0
    while rounds_in_vain < _MAX_ROUNDS_IN_VAIN and time.monotonic() < deadline:
        rounds_in_vain += 1
        for pid in search.round():
            if pid != spare:
                rounds_in_vain = 0
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        if rounds_in_vain and not search.missed_some:
            return


class _Search:
    """Looks for the processes with one cookie."""

    def __init__(self, cookie: str) -> None:
        self.missed_some = False
        """Whether the last round could not look at some, as they had ended. They may have left children."""
        self._limit = _limit_for(cookie)
        self._variable = f"{COOKIE_VARIABLE}={cookie}".encode()

    def round(self) -> Iterator[int]:
        """Yields each process as soon as it is found: it may be about to start another."""
        self.missed_some = False
        deadline = time.monotonic() + _EXEC_S
        unknown: list[int] = []
        try:
            others = _others()
        except OSError:  # no descriptor is left; and a busy Linux says now and then that /proc is no folder
            self.missed_some = True
            return
        yield from self._look_at(others, unknown)
        while unknown and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
            again, unknown = unknown, []
            yield from self._look_at(again, unknown)
        if self.missed_some:
            yield from self._look_at_newest()

    def _look_at_newest(self) -> Iterator[int]:
        """Catches what ends as soon as it has started the next one: that is among the newest processes."""
        for _ in range(_LOOKS_AT_NEWEST):
            newest = _newest_pid()
            for pid in range(newest, max(newest - _NEWEST, 0), -1):
                if pid != os.getpid() and self._has_limit(pid) and not _has_ended(pid):
                    yield pid

    def _look_at(self, pids: Iterable[int], unknown: list[int]) -> Iterator[int]:
        """Yields those that carry the cookie; those of which that cannot be said yet become `unknown`."""
        for pid in pids:
            if self._has_limit(pid):
                if _has_ended(pid):
                    self.missed_some = True
                else:
                    yield pid
            elif self._has_variable(pid, unknown):
                yield pid

    def _has_limit(self, pid: int) -> bool:
        if sys.platform == "linux":
            try:
                return self._limit in resource.prlimit(pid, resource.RLIMIT_RTTIME)
            except ProcessLookupError:
                self.missed_some = True
            except OSError:  # it belongs to somebody else, or the system knows no such limit
                return False
        return False

    def _has_variable(self, pid: int, unknown: list[int]) -> bool:
        process = Path("/proc", str(pid))
        # What raises has ended, belongs to somebody else, or is a thread of the kernel.
        with contextlib.suppress(OSError):
            environment = process.joinpath("environ").read_bytes()
            if not environment:
                process.joinpath("exe").readlink()
                unknown.append(pid)
            return self._variable in environment.split(b"\0")
        return False


def _others() -> list[int]:
    """All processes but this one; the youngest first, as they may be gone soonest. Raises OSError.

    Numbers are given in rising order and start again at the bottom: above the newest are the oldest.
    """
    newest = _newest_pid()
    with contextlib.suppress(FileNotFoundError):  # not Linux
        pids = (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())
        return sorted((pid for pid in pids if pid != os.getpid()), key=lambda pid: (pid > newest, -pid))
    return []


def _newest_pid() -> int:
    """The process that was started last; 0 where that is not told. Source: proc_loadavg(5)."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/loadavg").read_bytes().split()[-1])
    return 0


def _has_ended(pid: int) -> bool:
    """True for what only waits to be reaped. A process whose first thread has ended may still run."""
    with contextlib.suppress(OSError):
        fields = Path("/proc", str(pid), "stat").read_bytes().rpartition(b")")[2].split()
        return fields[_STATE] in {b"Z", b"X"} and int(fields[_NUM_THREADS]) < 2
    return True


def _limit_for(cookie: str) -> int:
    """Microseconds of real time."""
    return 1 << _LIMIT_BITS | int(cookie, 16) % (1 << _LIMIT_BITS)
