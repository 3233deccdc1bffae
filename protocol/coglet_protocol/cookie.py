"""Tags a worker's process tree, so that all its processes are found, daemonized ones included.

A child may leave its group and session, lose its parent, and start with an empty environment. Two things that
it inherits hold the tag (cookie):

* A resource limit, which survives fork and exec whatever the environment is. RLIMIT_RTTIME matters only to
  processes of real-time priority, and ours is more than 30,000 years.
* The environment, for systems that do not let us set the limit. A worker inside a worker may not be allowed
  to raise the limit that it has inherited.

On a system without /proc (macOS), processes can only be found by their process group.
Source: getrlimit(2), prlimit(2).
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
"""Its value is a hexadecimal number, different for each worker."""

# A process inside a system call dies only when that returns, and the server's exit must not wait for it.
_KILL_S: Final = 1.0

# On a busy machine some process ends in every round.
_MAX_EMPTY_ROUNDS: Final = 5

# During exec, between two programs, a process has no readable environment.
_EXEC_S: Final = 0.02
_PAUSE_S: Final = 0.001

# A process that forks and exits has exited before a scan of all processes reaches it. A scan of the newest
# ones takes less time than a fork.
_NEWEST: Final = 16
_SCANS_OF_NEWEST: Final = 20

_LIMIT_BITS: Final = 60

# Positions in /proc/PID/stat after the name, which ends with a parenthesis. Source: proc_pid_stat(5).
_STATE, _NUM_THREADS = 0, 17


def tag_process(cookie: str) -> None:
    """Tag this process and all that it will start. If the limit is refused, the environment is the tag."""
    if sys.platform == "linux":
        limit = _limit_for(cookie)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_RTTIME, (limit, limit))


def processes_with(cookie: str) -> list[int]:
    """Return the pids of the other living processes that carry `cookie`."""
    return list(_Search(cookie).round())


def kill_all(cookie: str, *, exclude: int = 0) -> None:
    """Kill every other process with `cookie`, except pid `exclude`, until none is left that could fork.

    Blocks, for little more than a second at most; any thread may call it.
    """
    deadline = time.monotonic() + _KILL_S
    search = _Search(cookie)
    empty_rounds = 0
    while empty_rounds < _MAX_EMPTY_ROUNDS and time.monotonic() < deadline:
        empty_rounds += 1
        for pid in search.round():
            if pid != exclude:
                empty_rounds = 0
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        if empty_rounds and not search.missed_some:
            return


class _Search:
    """Looks for the processes with one cookie."""

    def __init__(self, cookie: str) -> None:
        self.missed_some = False
        """True if the last round missed processes because they had ended. They may have left children."""
        self._limit = _limit_for(cookie)
        self._variable = f"{COOKIE_VARIABLE}={cookie}".encode()

    def round(self) -> Iterator[int]:
        """Yield each pid as soon as it is found, because the process may be about to start another."""
        self.missed_some = False
        deadline = time.monotonic() + _EXEC_S
        unknown: list[int] = []
        try:
            others = _others()
        except OSError:  # no free descriptor; a busy Linux also returns ENOTDIR for /proc now and then
            self.missed_some = True
            return
        yield from self._check(others, unknown)
        while unknown and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
            again, unknown = unknown, []
            yield from self._check(again, unknown)
        if self.missed_some:
            yield from self._check_newest()

    def _check_newest(self) -> Iterator[int]:
        """Catch processes that exit as soon as they have started the next one, which is among the newest."""
        for _ in range(_SCANS_OF_NEWEST):
            newest = _newest_pid()
            for pid in range(newest, max(newest - _NEWEST, 0), -1):
                if pid != os.getpid() and self._has_limit(pid) and not _has_ended(pid):
                    yield pid

    def _check(self, pids: Iterable[int], unknown: list[int]) -> Iterator[int]:
        """Yield the pids that carry the cookie; add those that cannot be decided yet to `unknown`."""
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
            except OSError:  # it belongs to another user, or the system has no such limit
                return False
        return False

    def _has_variable(self, pid: int, unknown: list[int]) -> bool:
        process = Path("/proc", str(pid))
        # A process that raises has ended, belongs to another user, or is a kernel thread.
        with contextlib.suppress(OSError):
            environment = process.joinpath("environ").read_bytes()
            if not environment:
                process.joinpath("exe").readlink()
                unknown.append(pid)
            return self._variable in environment.split(b"\0")
        return False


def _others() -> list[int]:
    """Return all pids but our own, the youngest first, as those may end soonest.

    The kernel assigns pids in rising order and wraps around: pids above the newest are the oldest.
    Raises OSError if /proc exists and cannot be listed.
    """
    newest = _newest_pid()
    with contextlib.suppress(FileNotFoundError):  # not Linux
        pids = (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())
        return sorted((pid for pid in pids if pid != os.getpid()), key=lambda pid: (pid > newest, -pid))
    return []


def _newest_pid() -> int:
    """Return the pid that was assigned last; 0 if that is unknown. Source: proc_loadavg(5)."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/loadavg").read_bytes().split()[-1])
    return 0


def _has_ended(pid: int) -> bool:
    """Return True if the process only waits to be reaped. One whose first thread has ended may still run."""
    with contextlib.suppress(OSError):
        fields = Path("/proc", str(pid), "stat").read_bytes().rpartition(b")")[2].split()
        return fields[_STATE] in {b"Z", b"X"} and int(fields[_NUM_THREADS]) < 2
    return True


def _limit_for(cookie: str) -> int:
    """Return the limit in microseconds of real time."""
    return 1 << _LIMIT_BITS | int(cookie, 16) % (1 << _LIMIT_BITS)
