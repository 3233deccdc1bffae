"""A second process that ends a worker and all that it has started, as soon as the supervisor is gone.

The worker itself may be stopped, or hold the interpreter in C code for minutes. PR_SET_PDEATHSIG would end it
all the same, but then nobody would be left to end what it has started.
"""

import contextlib
import os
import select
import signal
import termios
from fcntl import ioctl

from coglet_protocol.cookie import COOKIE_VARIABLE, carry, kill_all


def start_guard(control_in: int) -> int:
    """Marks this process, forks the guard, and moves to another group, while there is only one thread.

    The guard holds nothing but `control_in`, and never reads it.
    It is no child of this process: a model that waits for all its children, or kills them, does not meet it.
    Gives its pid; 0 when nobody has marked our processes, as when a worker is driven by hand.

    The group is led by a process that has ended: who leads one may not call setsid(2), who leads a session
    not even setpgrp(2), and the model may want to.
    """
    cookie = os.environ.get(COOKIE_VARIABLE)
    if not cookie:
        return 0
    carry(cookie)
    _leave_terminal()
    worker = os.getpid()
    told, tell = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            os.setpgid(0, 0)
            group = os.getpid()
            if os.fork() == 0:
                os.setsid()  # what stops or kills the worker's group must not hit it
                os.write(tell, b"%d" % os.getpid())
                os.close(tell)
                _guard(worker, group, control_in, cookie)
        finally:
            os._exit(0)
    os.close(tell)
    with open(told, "rb") as answer:
        guard = int(answer.read() or b"0")
    with contextlib.suppress(PermissionError):  # a parent that is not our supervisor gave us a session
        os.setpgid(0, between)  # not reaped yet, so that there is such a group
    os.waitpid(between, 0)
    return guard


def _leave_terminal() -> None:
    """Gives up the terminal of the supervisor's session, which would stop us when the model reads from it."""
    if os.getsid(0) != os.getpid():  # the end of a leader's terminal is told to its whole session
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
    # Where there is no /proc to find it by its cookie.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(worker) in (group, worker):
            os.killpg(os.getpgid(worker), signal.SIGKILL)
