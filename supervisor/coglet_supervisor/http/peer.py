"""Who the client of a connection is, and the state of it that only the kernel knows, not the transport."""

import asyncio
import fcntl
import select
import sys
import termios
from typing import Final, Protocol

# Only Linux distinguishes a half-closed connection from an open one; elsewhere only a reset is seen.
_HANG_UP: Final = getattr(select, "POLLRDHUP", select.POLLHUP)


class HasDescriptor(Protocol):
    """A socket, or the event loop's wrapper of one."""

    def fileno(self) -> int: ...


def address_of(transport: asyncio.BaseTransport, name: str) -> tuple[str, int] | None:
    """Return the host and port in `peername` or `sockname`; None for a Unix socket."""
    address = transport.get_extra_info(name)
    return (address[0], address[1]) if isinstance(address, tuple) else None


def scheme_of(transport: asyncio.BaseTransport) -> str:
    """Return `https` for a transport with TLS, else `http`."""
    return "http" if transport.get_extra_info("sslcontext") is None else "https"


def has_hung_up(sock: HasDescriptor) -> bool:
    """True if the client has closed the connection or its sending half, even behind unread data."""
    poll = select.poll()
    poll.register(sock, _HANG_UP)
    return bool(poll.poll(0))


def untaken_bytes(sock: HasDescriptor) -> int:
    """Return how many sent bytes the client has not acknowledged; 0 where the system does not report it.

    The transport alone does not show progress: the kernel accepts more data only when a third of its buffer
    is free, which can take minutes with a slow client. Source: tcp(7), SIOCOUTQ, which is the TIOCOUTQ of
    terminals.
    """
    try:
        return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0
