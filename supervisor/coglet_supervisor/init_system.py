"""Init-system integration: zombie reaping as PID 1, sd_notify and socket activation."""

import contextlib
import os
import socket
from collections.abc import Collection, Mapping
from typing import Final

from coglet_supervisor.errors import StartupError

# Source: sd_listen_fds(3), SD_LISTEN_FDS_START.
_FIRST_PASSED_DESCRIPTOR: Final = 3


def reap_orphans(own_children: Collection[int]) -> int:
    """Reap exited children that are not in `own_children`, and return their number.

    In a container the server is PID 1, and every process that loses its parent becomes its child. Workers
    (`own_children`) are reaped by the code that waits for them.
    """
    reaped = 0
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return reaped
        if ended is None or ended.si_pid in own_children:
            return reaped  # a worker, about to be reaped elsewhere; the others follow in the next call
        with contextlib.suppress(ChildProcessError):
            os.waitpid(ended.si_pid, os.WNOHANG)
        reaped += 1


def passed_socket(environment: Mapping[str, str]) -> socket.socket | None:
    """Return the listening socket that systemd or another socket activator passed to us, or None.

    Raises StartupError if there are several: connections to the others would never be accepted.
    """
    count = environment.get("LISTEN_FDS", "0")
    if environment.get("LISTEN_PID") != str(os.getpid()) or count == "0":
        return None
    if count != "1":
        raise StartupError(f"the init system passed {count} sockets, but a server listens on one")
    os.set_inheritable(_FIRST_PASSED_DESCRIPTOR, False)  # the worker must not inherit it
    return socket.socket(fileno=_FIRST_PASSED_DESCRIPTOR)


class Notifier:
    """Notifies systemd of the server's state if NOTIFY_SOCKET is set. Source: sd_notify(3)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET")

    def notify(self, state: str) -> None:
        """Send one assignment, such as `READY=1`. Errors are ignored: the service manager may have exited."""
        if not self._address:
            return
        # A leading @ denotes the abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(state.encode(), address)


def watchdog_interval_s(environment: Mapping[str, str]) -> float | None:
    """Return how often to send `WATCHDOG=1`: half of systemd's watchdog timeout; None without one."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdecimal() and int(microseconds) else None
