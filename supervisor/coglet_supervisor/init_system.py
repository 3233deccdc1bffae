"""What a process owes to what started it: orphans reaped as PID 1, systemd told, its sockets taken over."""

import contextlib
import os
import socket
from collections.abc import Collection, Mapping
from typing import Final

# Source: sd_listen_fds(3), SD_LISTEN_FDS_START.
_FIRST_PASSED_DESCRIPTOR: Final = 3


def reap_orphans(own_children: Collection[int]) -> int:
    """Reaps ended children that nobody else waits for, and gives their number.

    In a container we are PID 1, and every process that loses its parent becomes our child. Workers are left
    to those who watch them.
    """
    reaped = 0
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return reaped
        if ended is None or ended.si_pid in own_children:
            return reaped  # a worker in front: its owner is about to reap it, the rest comes next time
        with contextlib.suppress(ChildProcessError):
            os.waitpid(ended.si_pid, os.WNOHANG)
        reaped += 1


def passed_socket(environment: Mapping[str, str]) -> socket.socket | None:
    """The listening socket that systemd, or whoever speaks its protocol, has opened for us."""
    if environment.get("LISTEN_PID") != str(os.getpid()) or environment.get("LISTEN_FDS", "0") == "0":
        return None
    os.set_inheritable(_FIRST_PASSED_DESCRIPTOR, False)  # not for the worker
    return socket.socket(fileno=_FIRST_PASSED_DESCRIPTOR)


class Notifier:
    """Tells systemd of our state, when it has asked for it. Source: sd_notify(3)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET")

    def notify(self, state: str) -> None:
        """Sends one assignment, such as `READY=1`. A service manager that is gone changes nothing."""
        if not self._address:
            return
        # A leading @ stands for the abstract namespace.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(state.encode(), address)


def watchdog_interval_s(environment: Mapping[str, str]) -> float | None:
    """How often systemd wants to hear `WATCHDOG=1`: half of the time after which it would act."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdecimal() and int(microseconds) else None
