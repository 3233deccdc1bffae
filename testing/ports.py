"""Ports on loopback for the servers that tests and benchmarks start."""

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HOST: Final = "127.0.0.1"

# Below those that Linux chooses. `cog serve -p 0` and `cog predict` take such a port, free it, and have
# their server take it again: it must not be one that is reserved here in the meantime.
_PORTS: Final = range(15_000, 32_000)
_ATTEMPTS: Final = 100


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that the system gives to no other process within the block.

    It refuses connections until the server under test listens.

    The socket that holds it does not listen: servers bind beside it, all of which set SO_REUSEADDR.
    """
    with socket.socket() as holder:
        port = _bind(holder)
        # Only now: with it, the socket could be bound beside the holder of another test.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield port


def _bind(holder: socket.socket) -> int:
    """Bind the socket to a port that no other socket has, and return it."""
    for _ in range(_ATTEMPTS):
        port = random.SystemRandom().choice(_PORTS)  # not from a seed, which the processes of a run may share
        try:
            holder.bind((HOST, port))
        except OSError:  # another socket has it
            continue
        return port
    raise OSError(f"no port is free, after {_ATTEMPTS} attempts")
