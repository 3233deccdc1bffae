"""Output files as data URLs. (Uploads are the other store, see `coglet_supervisor.predictions.uploads`.)"""

import asyncio
import binascii
import io
from pathlib import Path
from typing import Final

import msgspec

from coglet_schema.media_types import type_of
from coglet_supervisor.predictions.outputs import OutputFailed, OutputTooLarge

# A multiple of three, so that the pieces' base64 texts join without padding between them; and small enough to
# stay in the processor's cache.
_PIECE_BYTES: Final = 192 * 1024


class DataUrls:
    """Puts files into the response, as long as they are no larger than `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    async def deliver(self, file: Path, name: str, prediction_id: str) -> bytes:
        """Gives `"data:<mime>;base64,..."`, as JSON text. Raises OutputFailed."""
        try:
            if file.stat().st_size > self._max_bytes:  # noqa: ASYNC240 - one system call, on a local file
                raise OutputTooLarge(self._max_bytes)
            return await asyncio.to_thread(data_url, file, name)
        except OSError as error:
            raise OutputFailed(f"Failed to read output file {name}: {error.strerror}") from error


def data_url(file: Path, name: str) -> bytes:
    """The file's content as a data URL, as JSON text. Raises OSError."""
    text = io.BytesIO()
    text.write(msgspec.json.encode(f"data:{type_of(name)};base64,").removesuffix(b'"'))
    with file.open("rb") as content:
        while piece := content.read(_PIECE_BYTES):
            text.write(binascii.b2a_base64(piece, newline=False))
    text.write(b'"')
    return text.getvalue()
