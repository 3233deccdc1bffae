"""Sends hostile bytes in pieces, and closes the connection in unusual ways."""

import contextlib
import random
import socket
from typing import Final

from integration.fuzz.mutation import pieces
from testing.client import Address

_RESET: Final = b"\1\0\0\0\0\0\0\0"  # SO_LINGER with a timeout of 0: close sends a reset
_PATIENCE_S: Final = 0.05


def attack(address: Address, rng: random.Random, data: bytes) -> None:
    """Send the data on a new connection, and close it in one of several ways."""
    with address.socket() as sock, contextlib.suppress(OSError):
        sock.settimeout(_PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces(rng, data):
            sock.sendall(piece)
        match rng.randrange(5):
            case 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            case 1:
                sock.shutdown(socket.SHUT_WR)
                _receive(sock)
            case 2:
                _receive(sock)
            case 3:
                sock.recv(1)
            case _:
                pass


def _receive(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass
