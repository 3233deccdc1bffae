"""The store of output files for predictions of the hosted API."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from coglet_schema.media_types import type_of
from coglet_supervisor.kept_files import Description, KeptFiles, NoRoom, copy
from coglet_supervisor.predictions.hosted import HostedCall
from coglet_supervisor.predictions.outputs import OutputFailed
from coglet_supervisor.predictions.resources import FileStore
from coglet_supervisor.settings import Settings
from coglet_supervisor.signed_urls import signed_url

_PATH: Final = re.compile(rb"/v1/files/")
_DOWNLOAD: Final = rb'(/v1/files/[a-z2-7]{26}/download)(?:\?signature=[0-9a-f]{64})?"'


@dataclass(frozen=True)
class HostedOutputs:
    """Keeps files on this server, and returns their URLs; small ones are data URLs.

    The Python client reads files from `https:` and `data:` URLs alone. So what has at most `max_inline_bytes`
    is embedded if the server's URL is not `https:`, and so is a file for which there is no room. With a
    `token`, the URLs are signed.
    """

    files: KeptFiles
    inline: FileStore
    max_inline_bytes: int
    base_url: str
    token: str | None = None

    async def deliver(self, file: Path, name: str, prediction_id: str) -> bytes:
        """See FileStore."""
        try:
            size_bytes = file.stat().st_size  # noqa: ASYNC240 - one system call, on a local file
            is_small = size_bytes <= self.max_inline_bytes
            if is_small and not self.base_url.startswith("https:"):
                return await self.inline.deliver(file, name, prediction_id)
            self.files.check_room(size_bytes)
            return await self._keep(file, name, prediction_id)
        except NoRoom:
            return await self.inline.deliver(file, name, prediction_id)
        except OSError as error:
            raise OutputFailed(f"Failed to read output file {name}: {error.strerror}") from error

    async def _keep(self, file: Path, name: str, prediction_id: str) -> bytes:
        writer = self.files.new_writer()
        try:
            checksums = await asyncio.to_thread(copy, file, writer)
        except BaseException:  # also when it is canceled
            self.files.discard(writer)
            raise
        kept = self.files.add(writer, checksums, Description(name, type_of(name), {}), prediction_id)
        return msgspec.json.encode(signed_url(self.base_url, f"/v1/files/{kept.id}/download", self.token))


@dataclass(frozen=True)
class OutputUrls:
    """Rewrites the URLs of output files, which begin with `made_for`, for a client that knows `base_url`."""

    made_for: str
    base_url: str
    token: str | None

    def __call__(self, text: bytes) -> bytes:
        """Return a text with the rewritten URLs. They are JSON strings in it."""
        return re.sub(b'"' + re.escape(self.made_for.encode()) + _DOWNLOAD, self._rewritten, text)

    def in_output(self, output: msgspec.Raw) -> msgspec.Raw:
        """Return an output with the rewritten URLs; the same, and no copy, if it has none."""
        if _PATH.search(memoryview(output)) is None:
            return output
        return msgspec.Raw(self(bytes(output)))

    def _rewritten(self, found: re.Match[bytes]) -> bytes:
        return msgspec.json.encode(signed_url(self.base_url, found[1].decode(), self.token))


def hosted_stores(
    settings: Settings, files: KeptFiles, inline: FileStore
) -> Callable[[HostedCall], FileStore] | None:
    """Return a function that returns the store for the files of one prediction; None if they are uploaded."""
    if settings.upload_url is not None:
        return None
    return lambda call: HostedOutputs(
        files, inline, settings.inline_files_max_bytes, call.base_url, settings.api_token
    )
