"""Pipes on the event loop, of which each descriptor is closed once.

uvloop lets the pipe object close the descriptor, and then closes the number again itself. Between the two,
another thread may have opened something that has this number by then: its file, or the connection of a
client, is closed under it, or libuv finds one of its own descriptors closed and aborts. So uvloop gets the
number alone.
"""

import asyncio
import os
from collections.abc import Callable
from typing import IO


async def connect_write_pipe(pipe: IO[bytes]) -> asyncio.WriteTransport:
    """The loop's end of `pipe`, which is closed for the caller. The transport closes the descriptor."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, _handed_over(pipe, loop))
    return transport


async def connect_read_pipe(protocol: Callable[[], asyncio.Protocol], pipe: IO[bytes]) -> None:
    """Reads `pipe`, which is closed for the caller, into a protocol. It is closed at its end of file."""
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(protocol, _handed_over(pipe, loop))


class _Number:
    """A descriptor that uvloop closes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """Leaves it to libuv."""


def _handed_over(pipe: IO[bytes], loop: asyncio.AbstractEventLoop) -> "IO[bytes] | _Number":
    with pipe:
        descriptor = os.dup(pipe.fileno())
    if isinstance(loop, asyncio.BaseEventLoop):  # Python's own, which closes nothing but the object
        return open(descriptor, pipe.mode, buffering=0)
    return _Number(descriptor)
