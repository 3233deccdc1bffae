"""`--separate-weights`: large files in a separate image, which is rebuilt only when they change."""

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from coglet_cli.engine.ignore import IgnoreRules

_LEAST_BYTES: Final = 10 * 1024 * 1024
_SKIPPED_FOLDERS: Final = (".cog", ".git", "__pycache__")
_SOURCE_SUFFIXES: Final = (".py", ".ipynb")
_SKIPPED_SUFFIXES: Final = (
    *_SOURCE_SUFFIXES,
    *(".whl", ".log"),
    *(".jpg", ".jpeg", ".png", ".webp", ".svg", ".gif", ".avif", ".heic"),
    *(".mp4", ".mov", ".avi", ".wmv", ".mkv", ".webm"),
    *(".mp3", ".wav", ".ogg", ".flac", ".aac", ".m4a"),
)
_MANIFEST: Final = ".cog/cache/weights_manifest.json"
_CHUNK_BYTES: Final = 1024 * 1024


class OnlyWeights(IgnoreRules):
    """Excludes everything except the given paths and what is below them."""

    def __init__(self, paths: Iterable[str]) -> None:
        super().__init__(())
        self._paths = [PurePosixPath(path) for path in paths]

    def excludes(self, path: str) -> bool:
        """Return True unless the path is a weight, a parent of one, or below one."""
        asked = PurePosixPath(path)
        return not any(asked.is_relative_to(kept) or kept.is_relative_to(asked) for kept in self._paths)


def find_weights(folder: Path) -> list[str]:
    """Return folders with large files and no source, and large files elsewhere; relative to `folder`."""
    large = [path for path in _files(folder) if _is_weight(folder, path)]
    with_source = {
        parent for path in _files(folder) if path.suffix in _SOURCE_SUFFIXES for parent in path.parents
    }
    chosen: set[PurePosixPath] = set()
    for path in large:
        whole = [parent for parent in path.parents if parent not in with_source and parent.parts]
        chosen.add(whole[-1] if whole else path)
    return sorted(str(path) for path in chosen)


def is_unchanged(folder: Path, paths: Iterable[str]) -> bool:
    """Return True if the weights match the manifest that `remember` wrote."""
    try:
        known = json.loads((folder / _MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(known == _manifest(folder, paths))


def remember(folder: Path, paths: Iterable[str]) -> None:
    """Write a manifest of the weights as they are now."""
    file = folder / _MANIFEST
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_manifest(folder, paths), indent=2) + "\n", "utf-8")


def _manifest(folder: Path, paths: Iterable[str]) -> dict[str, dict[str, dict[str, str]]]:
    rules = OnlyWeights(paths)
    files = [path for path in _files(folder) if not rules.excludes(str(path))]
    return {"files": {str(path): {"crc32": _crc32(folder / path)} for path in files}}


def _crc32(file: Path) -> str:
    value = 0
    with file.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            value = zlib.crc32(chunk, value)
    return value.to_bytes(4, "little").hex()


def _is_weight(folder: Path, path: PurePosixPath) -> bool:
    if path.suffix.lower() in _SKIPPED_SUFFIXES:
        return False
    return (folder / path).stat().st_size >= _LEAST_BYTES


def _files(folder: Path) -> Iterator[PurePosixPath]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        for name in sorted(files):
            file = Path(parent, name)
            if file.is_file():
                yield PurePosixPath(file.relative_to(folder).as_posix())
