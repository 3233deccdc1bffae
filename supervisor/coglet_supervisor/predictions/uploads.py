"""The store that uploads output files to a server and returns their URLs."""

import asyncio
import http
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from coglet_schema.media_types import type_of
from coglet_supervisor.outgoing.client import (
    PIECE_BYTES,
    Answer,
    Message,
    NeverSendable,
    Outgoing,
    SendFailed,
    TimedOut,
    UnusableUrl,
    check_url,
)
from coglet_supervisor.predictions.outputs import OutputFailed

log = logging.getLogger(__name__)

IDLE_LIMIT_S: Final = 25.0
"""An upload without progress for this time fails."""

MAX_UPLOADS: Final = 64
"""The most concurrent uploads. Not limited by the slots, which are free before uploads end."""

RETRY_DELAYS_S: Final = (0.5, 1.0)

# An upload that makes progress, but is slower than this, also fails.
_MIN_BYTES_PER_S: Final = 256 * 1024

# Only a POST may become a GET on 301 and 302 (RFC 9110, 15.4.2 and 15.4.3).
_REPEAT_ON: Final = frozenset({301, 302, 307, 308})
_SEE_OTHER: Final = 303


class _MayRecover(OutputFailed):
    """A failure that may not recur in the next attempt."""


class Uploads:
    """Uploads files under `base_url` with PUT. The constructor raises UnusableUrl if the URL is invalid."""

    def __init__(
        self,
        base_url: str,
        outgoing: Outgoing,
        *,
        idle_limit_s: float = IDLE_LIMIT_S,
        max_uploads: int = MAX_UPLOADS,
    ) -> None:
        check_url(base_url)
        self._base_url = base_url
        self._outgoing = outgoing
        self._idle_limit_s = idle_limit_s
        # Each upload uses two descriptors: an upload server that hangs must not exhaust them.
        self._turns = asyncio.Semaphore(max_uploads)

    async def deliver(self, file: Path, name: str, prediction_id: str) -> bytes:
        """Upload the file as `name` and return its URL, as JSON text. Raises OutputFailed if that fails."""
        async with self._turns:
            return await self._deliver(file, name, prediction_id)

    async def _deliver(self, file: Path, name: str, prediction_id: str) -> bytes:
        try:
            with file.open("rb") as content:
                size_bytes = os.fstat(content.fileno()).st_size
                message = self._message(content, size_bytes, name)
                limit_s = self._idle_limit_s + size_bytes / _MIN_BYTES_PER_S
                return msgspec.json.encode(await self._persist(message, limit_s, prediction_id))
        except OSError as error:
            raise OutputFailed(f"Failed to read output file {name}: {error.strerror}") from error

    def _message(self, content: BinaryIO, size_bytes: int, name: str) -> Message:
        return Message(
            method="PUT",
            url=place_of(self._base_url, name),
            headers={
                b"accept": b"*/*",
                b"content-type": type_of(name).encode(),
                b"content-length": b"%d" % size_bytes,
            },
            body=lambda: _pieces(content),
            repeat_on=_REPEAT_ON,
            idle_limit_s=self._idle_limit_s,
        )

    async def _persist(self, message: Message, limit_s: float, prediction_id: str) -> str:
        for delay_s in RETRY_DELAYS_S:
            try:
                return await self._attempt(message, limit_s)
            except _MayRecover as error:
                log.warning("prediction %s: %s, trying again in %g s", prediction_id, error, delay_s)
            await asyncio.sleep(delay_s)
        return await self._attempt(message, limit_s)

    async def _attempt(self, message: Message, limit_s: float) -> str:
        try:
            answer = await self._outgoing.send(message, limit_s=limit_s)
            if answer.status == _SEE_OTHER and answer.location is not None:
                check_url(answer.location)
                seen = Message(
                    method="GET", url=answer.location, headers={b"accept": b"*/*"}, repeat_on=_REPEAT_ON
                )
                answer = await self._outgoing.send(seen, limit_s=limit_s)
        except UnusableUrl as error:
            raise OutputFailed(f"Failed to upload output: redirected, but {error}") from None
        except TimedOut:
            raise OutputFailed("Failed to upload output: upload request timed out") from None
        except NeverSendable as error:
            raise OutputFailed(f"Failed to upload output: {error}") from error
        except SendFailed as error:
            raise _MayRecover(f"Failed to upload output: upload request failed: {error}") from error
        if 200 <= answer.status < 300:
            return public_url(answer)
        failure = _MayRecover if answer.status >= 500 else OutputFailed
        raise failure(f"Failed to upload output: upload returned status {status_text(answer.status)}")


def place_of(base_url: str, name: str) -> str:
    """Return the upload URL of the file `name`: under the path of `base_url`, with its query."""
    parts = urlsplit(base_url)
    return urlunsplit(
        parts._replace(path=f"{parts.path.removesuffix('/')}/{quote(name, safe='')}", fragment="")
    )


def public_url(answer: Answer) -> str:
    """Return the URL for the client: the Location of the response, else the upload URL.

    Without the query, which often contains a signature that permits writing, and without credentials.
    """
    if answer.location is not None:
        return urlunsplit(urlsplit(answer.location)._replace(query=""))
    parts = urlsplit(answer.url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def status_text(status: int) -> str:
    """Return the status with its reason phrase, as in `404 Not Found`."""
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} <unknown status code>"


async def _pieces(content: BinaryIO) -> AsyncIterator[bytes]:
    """Yield the content from its beginning, in pieces.

    It is read in anyio's threads (httpx uses anyio). asyncio's threads are few and read all other files,
    which must not wait for uploads.
    """
    # httpx has imported it by now, in a thread. At module level it would delay the start of every server.
    from anyio import to_thread

    content.seek(0)
    while piece := await to_thread.run_sync(content.read, PIECE_BYTES):
        yield piece
