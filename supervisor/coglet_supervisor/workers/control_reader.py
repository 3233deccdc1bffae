"""Reading the lines of a worker's control channel."""

import asyncio
from collections.abc import Callable

from coglet_protocol.control import MAX_LINE_BYTES


class ControlReader(asyncio.Protocol):
    """Splits incoming data into lines.

    Of a line that is too long, a part is passed on, which cannot be decoded.
    """

    def __init__(self, on_line: Callable[[bytes], None], on_closed: Callable[[], None]) -> None:
        self._on_line = on_line
        self._on_closed = on_closed
        self._rest = bytearray()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if b"\n" not in data:
            if len(self._rest) > MAX_LINE_BYTES:
                self._on_line(bytes(self._rest))
                self._rest.clear()
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            self._on_line(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_closed()
