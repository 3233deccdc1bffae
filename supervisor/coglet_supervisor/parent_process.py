"""stdin, as a channel from the program that started the server: lines of text, and an end when it exits."""

import asyncio
import os
from collections.abc import Callable
from typing import Final

_STDIN: Final = 0
_CHUNK_BYTES: Final = 65536


class ParentProcess:
    """Passes each line to `on_line`, and calls `on_exit` when the program closes our stdin, or exits."""

    def __init__(self, on_line: Callable[[bytes], None], on_exit: Callable[[], None]) -> None:
        self._on_line = on_line
        self._on_exit = on_exit
        self._unfinished = b""

    def watch(self) -> None:
        """Start reading."""
        asyncio.get_running_loop().add_reader(_STDIN, self._read)

    def _read(self) -> None:
        chunk = os.read(_STDIN, _CHUNK_BYTES)
        if not chunk:
            asyncio.get_running_loop().remove_reader(_STDIN)
            self._on_exit()
            return
        *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
        for line in lines:
            self._on_line(line)
