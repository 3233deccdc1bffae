"""The store that returns output files as data URLs. See `uploads` for the other store."""

import asyncio
import binascii
import io
from pathlib import Path
from typing import Final

import msgspec

from coglet_schema.media_types import type_of
from coglet_supervisor.predictions.outputs import OutputFailed, OutputTooLarge

# A multiple of three, so that the base64 of all pieces but the last has no padding; small enough to stay in
# the processor's cache.
_PIECE_BYTES: Final = 192 * 1024


class DataUrls:
    """Embeds files of at most `max_bytes` in the response."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    async def deliver(self, file: Path, name: str, prediction_id: str) -> bytes:
        """Return `"data:<mime>;base64,..."`, as JSON text.

        Raises OutputTooLarge if the file is larger than `max_bytes`, and OutputFailed if it cannot be read.
        """
        try:
            if file.stat().st_size > self._max_bytes:  # noqa: ASYNC240 - one system call, on a local file
                raise OutputTooLarge(self._max_bytes)
            return await asyncio.to_thread(data_url, file, name)
        except OSError as error:
            raise OutputFailed(f"Failed to read output file {name}: {error.strerror}") from error


def data_url(file: Path, name: str) -> bytes:
    """Return the file's content as a data URL, as JSON text. Raises OSError."""
    text = io.BytesIO()
    text.write(msgspec.json.encode(f"data:{type_of(name)};base64,").removesuffix(b'"'))
    with file.open("rb") as content:
        while piece := content.read(_PIECE_BYTES):
            text.write(binascii.b2a_base64(piece, newline=False))
    text.write(b'"')
    return text.getvalue()
