"""A second process that ends a worker and all that it has started, as soon as the supervisor is gone.

The worker itself may be stopped, or hold the interpreter in C code for minutes. PR_SET_PDEATHSIG would end it
all the same, but then nobody would be left to end what it has started.
"""

import contextlib
import os
import select
import signal

from coglet_protocol.cookie import COOKIE_VARIABLE, carry, kill_all


def start_guard(control_in: int) -> int:
    """Marks this process and forks the guard, while there is only one thread.

    The guard holds nothing but `control_in`, and never reads it.
    It is no child of this process: a model that waits for all its children, or kills them, does not meet it.
    Gives its pid; 0 when nobody has marked our processes, as when a worker is driven by hand.
    """
    cookie = os.environ.get(COOKIE_VARIABLE)
    if not cookie:
        return 0
    carry(cookie)
    worker = os.getpid()
    told, tell = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            os.setsid()  # what stops or kills the worker's group must not hit it
            if os.fork() == 0:
                os.write(tell, b"%d" % os.getpid())
                os.close(tell)
                _guard(worker, control_in, cookie)
        finally:
            os._exit(0)
    os.close(tell)
    with open(told, "rb") as answer:
        guard = int(answer.read() or b"0")
    os.waitpid(between, 0)
    return guard


def _guard(worker: int, control_in: int, cookie: str) -> None:
    own_end = os.dup(control_in)
    os.closerange(0, own_end)
    hang_up = select.poll()
    hang_up.register(own_end, 0)  # POLLHUP alone: the supervisor's end is closed
    hang_up.poll()
    kill_all(cookie)
    # Where there is no /proc to find it by its cookie.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(worker) == worker:
            os.killpg(worker, signal.SIGKILL)
