"""The local store of weights: each file is stored once under its digest."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from coglet_cli.errors import UserError
from coglet_cli.weights.lockfile import LockedFile, LockedWeight

CHUNK_BYTES: Final = 1024 * 1024


class WrongContent(UserError):
    """Content does not have the expected digest."""

    def __init__(self, what: str, wanted: str, got: str) -> None:
        super().__init__(f"{what} is damaged: its digest is {got}, expected {wanted}")


class WeightStore:
    """The store, in the cache folder; everything in it can be downloaded again."""

    def __init__(self, cache_folder: Path) -> None:
        self._folder = cache_folder / "weights" / "sha256"

    def path(self, digest: str) -> Path:
        """Return the path for the content with this digest, whether it exists or not."""
        return self._folder / digest.removeprefix("sha256:")

    def has(self, file: LockedFile) -> bool:
        """Return True if the file is in the store. Checks its size, not its content."""
        path = self.path(file.digest)
        return path.is_file() and path.stat().st_size == file.size

    def missing(self, weight: LockedWeight) -> list[LockedFile]:
        """Return the files of a weight that are not in the store."""
        return [file for file in weight.files if not self.has(file)]

    def add(self, chunks: Iterable[bytes], expected: str | None = None, what: str = "content") -> str:
        """Store content and return its digest. Raises WrongContent if `expected` is another digest."""
        self._folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        # In the same folder, so that the rename is atomic: other processes never see a partial file.
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".", delete=False) as draft:
            try:
                for chunk in chunks:
                    digest.update(chunk)
                    draft.write(chunk)
                draft.close()
                got = f"sha256:{digest.hexdigest()}"
                if expected not in (None, got):
                    raise WrongContent(what, expected or "", got)
                os.chmod(draft.name, 0o444)
                Path(draft.name).replace(self.path(got))
            except BaseException:  # also Ctrl-C, which must not leave the draft
                Path(draft.name).unlink(missing_ok=True)
                raise
        return got

    def read(self, digest: str) -> Iterator[bytes]:
        """Yield the content in chunks."""
        yield from read_chunks(self.path(digest))

    def lay_out(self, weight: LockedWeight, folder: Path) -> Path:
        """Create a folder below `folder` with the files of a weight under their names, and return it.

        The files are hard links to the store, or copies if it is on another file system.
        """
        place = folder / weight.digest.removeprefix("sha256:")[:12]
        for file in weight.files:
            link = place / file.path
            if link.is_file() and link.stat().st_size == file.size:
                continue
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            try:
                os.link(self.path(file.digest), link)
            except OSError:
                shutil.copyfile(self.path(file.digest), link)
        return place


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield a file in chunks of CHUNK_BYTES."""
    with path.open("rb") as content:
        while chunk := content.read(CHUNK_BYTES):
            yield chunk
