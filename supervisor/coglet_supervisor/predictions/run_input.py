"""The input of one run: in memory, in a file, or both."""

import asyncio
import hashlib
from pathlib import Path
from typing import Final

import msgspec

from coglet_protocol.limits import MAX_INLINE_BYTES
from coglet_protocol.spill import write_spill

_CANONICAL_BYTES: Final = 1024 * 1024


class RunInput:
    """JSON text that the model receives: in the frame itself, or in a file if it is too large for that."""

    def __init__(self, json: bytes | msgspec.Raw) -> None:
        self.size_bytes: Final = len(json)
        self._json: bytes | msgspec.Raw | None = json
        self._file: Path | None = None
        self._digest: bytes | None = None

    @property
    def json(self) -> bytes | msgspec.Raw | None:
        """The text, or None once it was dropped."""
        return self._json

    @property
    def digest(self) -> bytes | None:
        """The digest of a text that was dropped; None before."""
        return self._digest if self._json is None else None

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
        json = self._json
        self._file = await asyncio.to_thread(write_spill, folder, memoryview(json))
        self._digest = await asyncio.to_thread(digest_of, json)

    def drop(self) -> None:
        """Free its memory: it is in a file, or not needed any more. Its digest is kept."""
        if self._json is not None and self._digest is None:
            self._digest = digest_of(self._json)
        self._json = None


def digest_of(input_json: bytes | msgspec.Raw) -> bytes:
    """Return the SHA-256 of an input: the same for the same values, and if it is large, for the same text."""
    if len(input_json) > _CANONICAL_BYTES:  # decoding it would block all threads
        return hashlib.sha256(input_json).digest()
    canonical = msgspec.json.encode(msgspec.json.decode(input_json), order="sorted")
    return hashlib.sha256(canonical).digest()
