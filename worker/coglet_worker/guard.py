"""Watchdog process: kills the worker's process tree when the supervisor dies.

The worker itself may be stopped, or hold the interpreter in C code for minutes. PR_SET_PDEATHSIG would kill
it all the same, but then no process would be left to kill what it has started.
"""

import contextlib
import os
import select
import signal
import termios
from fcntl import ioctl

from coglet_protocol.cookie import COOKIE_VARIABLE, kill_all, tag_process


def start_guard(control_in: int) -> int:
    """Tag this process, fork the guard, and move to another process group. Needs a single-threaded process.

    The guard holds nothing but `control_in`, and never reads it. It is not a child of this process, so a
    model that waits for all its children, or kills them, does not affect it.
    Return its pid; 0 if the environment has no cookie, as when a worker is driven by hand.

    The leader of the group is a process that has ended: a group leader may not call setsid(2), and a session
    leader not even setpgrp(2), and the model may want to.
    """
    cookie = os.environ.get(COOKIE_VARIABLE)
    if not cookie:
        return 0
    tag_process(cookie)
    _leave_terminal()
    worker = os.getpid()
    pid_reader, pid_writer = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            os.setpgid(0, 0)
            group = os.getpid()
            if os.fork() == 0:
                os.setsid()  # what stops or kills the worker's group must not hit it
                os.write(pid_writer, b"%d" % os.getpid())
                os.close(pid_writer)
                _guard(worker, group, control_in, cookie)
        finally:
            os._exit(0)
    os.close(pid_writer)
    with open(pid_reader, "rb") as answer:
        guard = int(answer.read() or b"0")
    with contextlib.suppress(PermissionError):  # a parent other than our supervisor made us a session leader
        os.setpgid(0, between)  # not reaped yet, so the group still exists
    os.waitpid(between, 0)
    return guard


def _leave_terminal() -> None:
    """Detach from the terminal of the supervisor's session, which would stop a model that reads from it."""
    if os.getsid(0) != os.getpid():  # a leader that detaches takes the terminal from its session
        with contextlib.suppress(OSError):  # there is no terminal
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
            try:
                ioctl(terminal, termios.TIOCNOTTY)
            finally:
                os.close(terminal)


def _guard(worker: int, group: int, control_in: int, cookie: str) -> None:
    own_end = os.dup(control_in)
    os.closerange(0, own_end)
    hang_up = select.poll()
    hang_up.register(own_end, 0)  # POLLHUP alone: the supervisor's end is closed
    hang_up.poll()
    kill_all(cookie)
    # On a system without /proc, the worker cannot be found by its cookie.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(worker) in (group, worker):
            os.killpg(os.getpgid(worker), signal.SIGKILL)
