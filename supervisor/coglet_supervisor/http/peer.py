"""What the kernel knows of a client that no transport tells."""

import fcntl
import select
import sys
import termios
from typing import Final, Protocol

# Only Linux tells a half-closed connection from an open one; elsewhere a reset is seen.
_HANG_UP: Final = getattr(select, "POLLRDHUP", select.POLLHUP)


class HasDescriptor(Protocol):
    """A socket, or what the event loop shows of one."""

    def fileno(self) -> int: ...


def has_hung_up(sock: HasDescriptor) -> bool:
    """True if the client has closed the connection or its half, even behind data that has not been read."""
    poll = select.poll()
    poll.register(sock, _HANG_UP)
    return bool(poll.poll(0))


def untaken_bytes(sock: HasDescriptor) -> int:
    """How much the kernel holds that the client has not acknowledged; 0 where it does not tell.

    It takes more from us only when a third of its buffer is free, which takes a slow client minutes.
    Source: tcp(7), SIOCOUTQ, which is the TIOCOUTQ of terminals.
    """
    try:
        return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
