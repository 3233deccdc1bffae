"""Output files as data URLs. (Uploads are the other store, see `coglet_supervisor.uploads`.)"""

import asyncio
import base64
import mimetypes
from pathlib import Path
from typing import Final

from coglet_supervisor.outputs import OutputFailed

# A multiple of three, so that the pieces' base64 texts join without padding between them.
_PIECE_BYTES: Final = 3 * 1024 * 1024


class DataUrls:
    """Puts files into the response."""

    async def deliver(self, file: Path, name: str, prediction_id: str) -> str:
        """Gives `data:<mime>;base64,...`. Raises OutputFailed."""
        try:
            return await asyncio.to_thread(data_url, file, name)
        except OSError as error:
            raise OutputFailed(f"Failed to read output file {name}: {error.strerror}") from error


def data_url(file: Path, name: str) -> str:
    """The file's content as a data URL. Raises OSError."""
    pieces = [f"data:{mime_type(name)};base64,"]
    with file.open("rb") as content:
        while piece := content.read(_PIECE_BYTES):
            pieces.append(base64.b64encode(piece).decode("ascii"))
    return "".join(pieces)


def mime_type(name: str) -> str:
    """By the extension, whatever its case."""
    kind, encoding = mimetypes.guess_type(name.lower())
    if encoding is not None:
        return f"application/{encoding}"
    return kind or "application/octet-stream"
