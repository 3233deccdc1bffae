"""Files of clients and of predictions, on disk for a limited time and within limits of number and size.

The index is in memory, and the files are in the temporary folder of the server: they end with it.
"""

import base64
import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from coglet_supervisor.settings import Settings

_ID_BYTES: Final = 16
_PIECE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class FileLimits:
    """How many files are kept, how large they may be together, and for how long they are kept."""

    max_files: int
    max_bytes: int
    ttl_s: float

    @classmethod
    def from_settings(cls, settings: Settings) -> "FileLimits":
        """Return the limits that the settings ask for."""
        return cls(
            max_files=settings.files_max, max_bytes=settings.files_max_bytes, ttl_s=settings.files_ttl_s
        )


@dataclass(frozen=True)
class Description:
    """What a file is called, its media type, and what its owner wrote about it."""

    name: str
    content_type: str
    metadata: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class KeptFile:
    """One file. Times are seconds since the epoch, checksums hexadecimal."""

    id: str
    path: Path
    description: Description
    size_bytes: int
    sha256: str
    md5: str
    created_at: float
    expires_at: float


class NoRoom(Exception):
    """No more files may be kept; the text says which limit is reached."""


class FileWriter:
    """A file that is being written. All methods block; one thread at a time may call them."""

    def __init__(self, path: Path) -> None:
        """Create the file. Raises OSError."""
        self.path: Final = path
        self.size_bytes = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._target: BinaryIO = open(path, "xb")

    def write(self, content: bytes | bytearray) -> None:
        """Add content. Raises OSError."""
        self._target.write(content)
        self._sha256.update(content)
        self._md5.update(content)
        self.size_bytes += len(content)

    def close(self) -> tuple[str, str]:
        """Close the file, and return its SHA-256 and MD5. Raises OSError."""
        self._target.close()
        return self._sha256.hexdigest(), self._md5.hexdigest()

    def remove(self) -> None:
        """Close and remove the file."""
        with contextlib.suppress(OSError):
            self._target.close()
        self.path.unlink(missing_ok=True)


class KeptFiles:
    """The index of the files in `folder`. All methods but `copy` are called on the event loop.

    `clock` returns seconds since the epoch.
    """

    def __init__(self, folder: Path, limits: FileLimits, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._files: dict[str, KeptFile] = {}
        self._bytes = 0
        self._writers: set[FileWriter] = set()

    def check_room(self, size_bytes: int) -> None:
        """Raise NoRoom if so much more cannot be written now, beside what is kept and being written."""
        self.expire()
        written = sum(writer.size_bytes for writer in self._writers)
        if self._bytes + written + size_bytes > self._limits.max_bytes:
            raise NoRoom(
                f"the files would be larger than {self._limits.max_bytes} bytes (COG_FILES_MAX_BYTES)"
            )

    def new_writer(self) -> FileWriter:
        """Return the writer of a new file, for `add` or `discard`. Raises NoRoom and OSError."""
        self.expire()
        if len(self._files) + len(self._writers) >= self._limits.max_files:
            raise NoRoom(f"{self._limits.max_files} files are kept already (COG_FILES_MAX)")
        self._folder.mkdir(mode=0o700, exist_ok=True)
        writer = FileWriter(self._folder / _new_id())
        self._writers.add(writer)
        return writer

    def discard(self, writer: FileWriter) -> None:
        """Remove a file that is being written."""
        self._writers.discard(writer)
        writer.remove()

    def add(self, writer: FileWriter, checksums: tuple[str, str], description: Description) -> KeptFile:
        """Keep a file that was written and closed."""
        self._writers.discard(writer)
        now = self._clock()
        kept = KeptFile(
            id=writer.path.name,
            path=writer.path,
            description=description,
            size_bytes=writer.size_bytes,
            sha256=checksums[0],
            md5=checksums[1],
            created_at=now,
            expires_at=now + self._limits.ttl_s,
        )
        self._files[kept.id] = kept
        self._bytes += kept.size_bytes
        return kept

    def get(self, file_id: str) -> KeptFile | None:
        """Return a file that has not expired, or None."""
        self.expire()
        return self._files.get(file_id)

    def list(self) -> Sequence[KeptFile]:
        """Return all files, the latest first."""
        self.expire()
        return list(self._files.values())[::-1]

    def delete(self, file_id: str) -> bool:
        """Remove a file. False if there is none."""
        kept = self._files.pop(file_id, None)
        if kept is None:
            return False
        self._bytes -= kept.size_bytes
        kept.path.unlink(missing_ok=True)
        return True

    def expire(self) -> None:
        """Remove the files that are too old."""
        now = self._clock()
        # They are in the order of their creation, unless the clock was set back.
        while self._files and (oldest := next(iter(self._files.values()))).expires_at <= now:
            self.delete(oldest.id)


def copy(source: Path, writer: FileWriter) -> tuple[str, str]:
    """Write the content of a file, and return its checksums. Blocks. Raises OSError."""
    with source.open("rb") as content:
        while piece := content.read(_PIECE_BYTES):
            writer.write(piece)
    return writer.close()


def _new_id() -> str:
    return base64.b32encode(os.urandom(_ID_BYTES)).decode().rstrip("=").lower()
