"""Finds every process that a test started, whatever its group, session and parent.

What a model starts may leave the group and the session of its worker: only the environment, which is
inherited, identifies all of them.
"""

import signal
from contextlib import suppress
from typing import Final

import psutil

from testing.waiting import wait_for

MARK: Final = "PYCOGLET_TEST_MARK"
"""The variable whose value identifies the processes of one server."""

# No passing test comes near it; a worker takes a moment to notice that its server was killed.
_GONE_WITHIN_S: Final = 10.0


def marked(mark: str) -> list[psutil.Process]:
    """The living processes that carry `mark`."""
    return [process for process in psutil.process_iter() if _carries(process, mark)]


def end_marked(mark: str) -> list[str]:
    """Kill the processes that do not exit by themselves soon; return their command lines."""
    with suppress(AssertionError):
        wait_for(lambda: not marked(mark), "end of all processes", deadline_s=_GONE_WITHIN_S)
    killed = []
    for process in marked(mark):
        with suppress(psutil.NoSuchProcess):
            killed.append(f"{process.pid} {process.cmdline()}")
            process.send_signal(signal.SIGKILL)
    wait_for(lambda: not marked(mark), "end of the killed processes")
    return killed


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        is_alive = process.status() != psutil.STATUS_ZOMBIE
        return is_alive and process.environ().get(MARK) == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
        return False
