"""The input of one run: in memory, in a file, or both."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from coglet_protocol.limits import MAX_INLINE_BYTES
from coglet_protocol.spill import write_spill


class RunInput:
    """JSON text that the model receives: in the frame itself, or in a file if it is too large for that."""

    def __init__(self, json: bytes | msgspec.Raw) -> None:
        self.size_bytes: Final = len(json)
        self._json: bytes | msgspec.Raw | None = json
        self._file: Path | None = None

    @property
    def json(self) -> bytes | msgspec.Raw | None:
        """The text, or None once it was dropped."""
        return self._json

    @property
    def file(self) -> Path | None:
        """The file, once it is written. The worker deletes it."""
        return self._file

    @property
    def needs_file(self) -> bool:
        """True if it is too large for a frame, and not in a file yet."""
        return self._file is None and self.size_bytes > MAX_INLINE_BYTES

    async def write(self, folder: Path) -> None:
        """Write it to a file in `folder`. Raises OSError, and RuntimeError if no thread could be started."""
        assert self._json is not None
        self._file = await asyncio.to_thread(write_spill, folder, memoryview(self._json))

    def drop(self) -> None:
        """Free its memory: it is in a file, or not needed any more."""
        self._json = None
