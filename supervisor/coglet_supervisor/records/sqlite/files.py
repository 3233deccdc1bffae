"""Large values beside the database: a file is complete on disk before a row refers to it."""

import logging
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

# Values up to this size lie in the database itself.
MAX_ROW_BYTES: Final = 1024 * 1024


class Files:
    """A folder of files that are written once, read whole, and removed with their row."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._new: list[str] = []

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file, on disk when this returns. It replaces one of that name. Raises OSError.

        It is new until `take_new`.
        """
        self._new.append(name)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb", buffering=0) as file:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
            os.fsync(descriptor)
        self._sync_folder()

    def take_new(self) -> list[str]:
        """Return the names of the files written since the last call, also of incomplete ones."""
        new, self._new = self._new, []
        return new

    def read(self, name: str) -> bytes | None:
        """Return the content, or None if the file is absent."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, names: Collection[str]) -> None:
        """Remove files; absent ones are ignored. One that cannot be removed is left to the next start."""
        for name in names:
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as error:
                log.warning(
                    "%s: %s; the file is removed at the next start", self._folder / name, error.strerror
                )

    def keep_only(self, names: Collection[str]) -> None:
        """Remove all other files: those to which no row refers, because the server was killed between."""
        if self._folder.is_dir():
            self.remove({entry.name for entry in os.scandir(self._folder)} - set(names))

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
