"""Ports on loopback for the servers that tests and benchmarks start."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

HOST: Final = "127.0.0.1"


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that the system gives to no other process within the block.

    It refuses connections until the server under test listens.

    The socket that holds it does not listen: servers bind beside it, all of which set SO_REUSEADDR.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        port: int = holder.getsockname()[1]
        yield port
