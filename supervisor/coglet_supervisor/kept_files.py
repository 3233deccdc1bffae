"""Files of clients and of predictions, on disk for a limited time and within limits of number and size.

The index is in memory. With a durable store of records, there is a copy of it beside the files, for the next
server; else they are in the temporary folder of the server, and end with it.
"""

import contextlib
import hashlib
import itertools
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from coglet_supervisor.base32_ids import new_id
from coglet_supervisor.settings import Settings

_PIECE_BYTES: Final = 1024 * 1024
_INDEX: Final = ".json"


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
    """One file. Times are seconds since the epoch, checksums hexadecimal.

    An output of the prediction `output_of` is kept at least as long as that one's record.
    """

    id: str
    path: Path
    description: Description
    size_bytes: int
    sha256: str
    md5: str
    created_at: float
    expires_at: float
    output_of: str | None = None


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
    """The index of the files in `folder`. All methods are called on the event loop.

    With `is_durable`, it begins with the files of the server before. `clock` returns seconds since the epoch.
    """

    def __init__(
        self,
        folder: Path,
        limits: FileLimits,
        *,
        is_durable: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read the index. Raises OSError if the folder cannot be read."""
        self._folder = folder
        self._is_durable = is_durable
        self._limits = limits
        self._clock = clock
        self._files: dict[str, KeptFile] = {}
        self._bytes = 0
        self._writers: set[FileWriter] = set()
        # The predictions of which a file is an input.
        self._users: dict[str, set[str]] = {}
        if is_durable and folder.is_dir():
            self._load()

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
        writer = FileWriter(self._folder / new_id())
        self._writers.add(writer)
        return writer

    def discard(self, writer: FileWriter) -> None:
        """Remove a file that is being written."""
        self._writers.discard(writer)
        writer.remove()

    def add(
        self,
        writer: FileWriter,
        checksums: tuple[str, str],
        description: Description,
        output_of: str | None = None,
    ) -> KeptFile:
        """Keep a file that was written and closed. Raises OSError if it could not be added to the index."""
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
            output_of=output_of,
        )
        if self._is_durable:
            self._save(kept)
        self._add(kept)
        return kept

    def hold(self, file_id: str, prediction_id: str) -> KeptFile | None:
        """Return a file, or None. It does not expire before the prediction has ended."""
        kept = self._files.get(file_id)
        if kept is not None:
            self._users.setdefault(file_id, set()).add(prediction_id)
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
        self._users.pop(file_id, None)
        _index_of(kept).unlink(missing_ok=True)
        kept.path.unlink(missing_ok=True)
        return True

    def expire(self) -> None:
        """Remove the files that are too old, but those that belong to predictions."""
        for kept in self._overdue():
            if kept.output_of is None and kept.id not in self._users:
                self.delete(kept.id)

    async def expire_used(
        self,
        is_running: Callable[[str], bool],
        recorded: Callable[[Collection[str]], Awaitable[Collection[str]]],
    ) -> None:
        """Remove the files that are too old. Those of predictions have to be longer than that:

        inputs until the prediction has ended, outputs while it is `recorded`.
        """
        overdue = self._overdue()
        owners = {kept.output_of for kept in overdue if kept.output_of is not None}
        existing = await recorded(owners) if owners else ()
        for kept in overdue:
            users = {user for user in self._users.pop(kept.id, ()) if is_running(user)}
            if users:
                self._users[kept.id] = users
            elif kept.output_of not in existing:
                self.delete(kept.id)

    def _overdue(self) -> Sequence[KeptFile]:
        now = self._clock()
        # They are in the order of their creation, unless the clock was set back.
        return list(itertools.takewhile(lambda kept: kept.expires_at <= now, self._files.values()))

    def _add(self, kept: KeptFile) -> None:
        self._files[kept.id] = kept
        self._bytes += kept.size_bytes

    def _save(self, kept: KeptFile) -> None:
        new = kept.path.with_suffix(".new")
        try:
            new.write_bytes(msgspec.json.encode(kept, enc_hook=str))
            new.replace(_index_of(kept))
        except OSError:
            kept.path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                new.unlink()
            raise

    def _load(self) -> None:
        """Add the files that an earlier server has kept, and remove what it has not written to the end."""
        for path in self._folder.glob(f"*{_INDEX}"):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                kept = msgspec.json.decode(path.read_bytes(), type=KeptFile, dec_hook=_path)
                kept = replace(kept, path=path.with_suffix(""))
                if kept.path.stat().st_size == kept.size_bytes:
                    self._add(kept)
        self._files = dict(sorted(self._files.items(), key=lambda item: item[1].created_at))
        for path in self._folder.iterdir():
            if path.stem not in self._files or path.suffix not in ("", _INDEX):
                path.unlink()


def copy(source: Path, writer: FileWriter) -> tuple[str, str]:
    """Write the content of a file, and return its checksums. Blocks. Raises OSError."""
    with source.open("rb") as content:
        while piece := content.read(_PIECE_BYTES):
            writer.write(piece)
    return writer.close()


def _index_of(kept: KeptFile) -> Path:
    return kept.path.with_suffix(_INDEX)


def _path(_type: type, text: str) -> Path:
    return Path(text)
