"""The context of one build: a Dockerfile, files prepared by cog, and the project."""

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from coglet_cli.dockerfile.plan import PROJECT, STAGED, WEIGHTS
from coglet_cli.engine.ignore import IgnoreRules

DOCKERFILE: Final = "Dockerfile"


@dataclass(frozen=True)
class Context:
    """A build context. `staged` files are under build/, those of `folder` under project/ or `prefix`.

    Paths of `folder` in `weights`, with everything below them, are under weights/ instead.
    """

    dockerfile: str
    staged: Mapping[str, bytes] = field(default_factory=dict)
    folder: Path | None = None
    rules: IgnoreRules = field(default_factory=lambda: IgnoreRules(()))
    prefix: str = f"{PROJECT}/"
    weights: tuple[str, ...] = ()

    def write(self, file: IO[bytes]) -> None:
        """Write the context as a tar archive, which is identical for identical files."""
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            _add_bytes(archive, DOCKERFILE, self.dockerfile.encode())
            for name, data in sorted(self.staged.items()):
                _add_bytes(archive, f"{STAGED}/{name}", data)
            if self.folder is not None:
                _add_folder(archive, self.prefix.rstrip("/"))
                for path in project_files(self.folder, self.rules):
                    archive.add(self.folder / path, self._place(path), recursive=False, filter=_without_owner)

    def _place(self, path: str) -> str:
        is_weight = any(path == weight or path.startswith(f"{weight}/") for weight in self.weights)
        return f"{WEIGHTS}/{path}" if is_weight else f"{self.prefix}{path}"


def project_files(folder: Path, rules: IgnoreRules) -> Iterator[str]:
    """Yield the folders and files that the rules do not exclude, sorted, relative to `folder`."""
    for parent, folders, files in os.walk(folder):
        relative = Path(parent).relative_to(folder)
        names = {name: (relative / name).as_posix() for name in (*folders, *files)}
        kept = {name for name, path in names.items() if not rules.excludes(path)}
        for name in sorted(kept):
            yield names[name]
        # os.walk does not enter folders that are removed from its list.
        folders[:] = sorted(name for name in folders if name in kept or _may_hold_more(names[name], rules))


def _may_hold_more(path: str, rules: IgnoreRules) -> bool:
    return rules.has_exceptions and not path.startswith(".cog")


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    # A builder fails on sockets and devices.
    if not (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk()):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    if entry.isdir():
        # For users in the group root, who are not the owner in the image.
        entry.mode |= 0o070
    return entry


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    if name:
        entry = tarfile.TarInfo(name)
        entry.type = tarfile.DIRTYPE
        entry.mode = 0o755
        archive.addfile(entry)
