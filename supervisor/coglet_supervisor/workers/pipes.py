"""Pipes on the event loop whose descriptors are closed exactly once.

uvloop closes the pipe object, which closes the descriptor, and then closes the descriptor's number again. In
between, another thread may have opened a file or a connection with the same number, which is then closed by
mistake; or libuv finds one of its own descriptors closed and aborts. So uvloop gets an object whose `close`
does nothing.
"""

import asyncio
import os
from collections.abc import Callable
from typing import IO


async def connect_write_pipe(pipe: IO[bytes]) -> asyncio.WriteTransport:
    """Connect a duplicate of `pipe` to the event loop for writing, and close `pipe`."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, _handed_over(pipe, loop))
    return transport


async def connect_read_pipe(protocol: Callable[[], asyncio.Protocol], pipe: IO[bytes]) -> None:
    """Connect a duplicate of `pipe` to the event loop for reading, and close `pipe`.

    The duplicate is closed at the end of file.
    """
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(protocol, _handed_over(pipe, loop))


class _Number:
    """A descriptor that only uvloop closes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """Do nothing: libuv closes the descriptor."""


def _handed_over(pipe: IO[bytes], loop: asyncio.AbstractEventLoop) -> "IO[bytes] | _Number":
    with pipe:
        descriptor = os.dup(pipe.fileno())
    if isinstance(loop, asyncio.BaseEventLoop):  # Python's own, which closes only the object
        return open(descriptor, pipe.mode, buffering=0)
    return _Number(descriptor)
