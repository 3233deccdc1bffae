"""The deadline of a shutdown, which holds even while the main thread is blocked."""

import math
import subprocess
import sys
import threading

from coglet_supervisor.end_deadline import OVERDUE, EndDeadline

DEADLINE_S = 20.0


def test_without_a_call_there_is_none() -> None:
    deadline = EndDeadline(lambda: None)
    assert deadline.left_s == math.inf
    deadline.cancel()


def test_the_earliest_of_several_counts() -> None:
    overdue = threading.Event()
    deadline = EndDeadline(overdue.set)
    deadline.within(1e300)  # longer than a lock can wait
    deadline.within(0)
    deadline.within(1000)
    assert overdue.wait(DEADLINE_S)
    assert deadline.left_s == 0


def test_a_canceled_one_has_no_effect() -> None:
    overdue, later = threading.Event(), threading.Event()
    deadline = EndDeadline(overdue.set)
    deadline.cancel()
    deadline.within(0)
    EndDeadline(later.set).within(0)
    assert later.wait(DEADLINE_S)
    assert not overdue.is_set()


BLOCKED = """
import functools, threading
from coglet_supervisor.end_deadline import EndDeadline, exit_overdue
from coglet_supervisor.server_log import open_server_log

def read_from_a_slow_disk():
    threading.Event().wait()

log = open_server_log(2, "console", "info", color=False)
threading.Thread(target=read_from_a_slow_disk, name="reader").start()
EndDeadline(functools.partial(exit_overdue, log)).within(0.2)
"""


def test_what_blocks_the_exit_is_named() -> None:
    """The interpreter would wait for a thread that is not a daemon."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=False, timeout=DEADLINE_S
    )
    assert done.returncode == OVERDUE
    assert "reader in" in done.stderr
