"""The listening socket, opened before anything else is loaded."""

import contextlib
import dataclasses
import errno
import logging
import os
import socket
import stat
from pathlib import Path
from typing import Final

from coglet_supervisor.errors import StartupError
from coglet_supervisor.settings import Settings

log = logging.getLogger(__name__)

# How many connections may wait to be accepted; the kernel limits it to net.core.somaxconn. When the backlog
# is full, a client's SYN is dropped and the client retries after a second.
BACKLOG: Final = 4096


def as_passed(settings: Settings, listener: socket.socket) -> Settings:
    """Return the settings with the address of a socket that was passed: it says who reaches the server."""
    address = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return dataclasses.replace(settings, unix_socket=os.fsdecode(address))
    return dataclasses.replace(settings, host=address[0], unix_socket=None)


def listen_as_set(settings: Settings) -> socket.socket:
    """Open the listening socket of the server. Raises StartupError."""
    if settings.unix_socket is not None:
        return listen_unix(settings.unix_socket, settings.unix_mode)
    return listen(settings.host, settings.port)


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


def listen_unix(path: str, mode: int) -> socket.socket:
    """Open a Unix socket with these permissions, in place of one that no server listens on any more.

    Raises StartupError if that is not possible.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        _bind(listener, path, mode)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartupError(f"cannot listen on the Unix socket {path}: {_explain(error, path)}") from error
    log.info("Starting coglet server on unix:%s", path)
    return listener


def remove_unix(path: str) -> None:
    """Remove the file of a Unix socket on which no server listens any more."""
    with contextlib.suppress(OSError):
        _remove_stale(path)


def _bind(listener: socket.socket, path: str, mode: int) -> None:
    before = os.umask(0o177)  # until the mode is set, only we may connect
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    os.chmod(path, mode)


def _remove_stale(path: str) -> None:
    """Remove a socket that nothing listens on. Raises OSError if something else has this path."""
    try:
        is_socket = stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise FileExistsError(errno.EEXIST, "a file that is not a socket has this name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        if _is_served(client, path):
            raise OSError(errno.EADDRINUSE, "another server listens on it")
    os.unlink(path)


def _is_served(client: socket.socket, path: str) -> bool:
    client.setblocking(False)  # a server whose backlog is full is one as well
    try:
        client.connect(path)
    except ConnectionRefusedError:
        return False
    except BlockingIOError:
        pass
    return True


def _explain(error: OSError, path: str) -> str:
    if isinstance(error, FileNotFoundError):
        return f"the folder {Path(path).parent} does not exist"
    if error.errno is None:  # "AF_UNIX path too long"
        return f"its path has {len(os.fsencode(path))} bytes, more than the system allows (107 on Linux)"
    return error.strerror or str(error)
