"""The listening socket, opened before anything else is loaded."""

import logging
import socket
from typing import Final

from coglet_supervisor.errors import StartupError

log = logging.getLogger(__name__)

# How many connections may wait to be accepted; the kernel limits it to net.core.somaxconn. When the backlog
# is full, a client's SYN is dropped and the client retries after a second.
BACKLOG: Final = 4096


def listen(host: str, port: int, *, serves: str = "coglet server") -> socket.socket:
    """Open a listening socket. Raises StartupError if the address cannot be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartupError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    bound = listener.getsockname()
    shown = f"[{bound[0]}]" if family == socket.AF_INET6 else bound[0]
    log.info("Starting %s on %s:%d", serves, shown, bound[1])
    return listener
