"""The changes of a model's source while a command runs: Python files, cog.yaml and requirements."""

import asyncio
import glob
import hashlib
import os
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from coglet_cli.errors import UserError
from coglet_cli.project.folder import Project

# A save is several events, of which an editor leaves at most this long between two.
_QUIET_MS: Final = 50
# Of a program that writes all the time, for example a checkout, changes are reported this often.
_LONGEST_MS: Final = 1600
_IGNORED_FOLDERS: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
_REQUIREMENTS: Final = ("requirements", "constraints")


class SourceFiles:
    """Decides which files of a project belong to the source of the model, and whether they have changed.

    A file has changed if its content has: a model that writes the same file in each setup() must not cause
    one reload after the other.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._contents: dict[Path, bytes | None] = {}

    def changed_among(self, paths: Iterable[Path]) -> list[str]:
        """Return the names of the source files that have changed since they were passed to this method.

        The first time, a file counts as changed. A folder stands for the files in it, because one that was
        moved is a single change.
        """
        return sorted(
            str(path.relative_to(self._project.folder))
            for path in {file for path in paths for file in _files(path)}
            if self._is_source(path) and self._has_changed(path)
        )

    def _is_source(self, path: Path) -> bool:
        if path == self._project.config_file:
            return True
        inner = path.relative_to(self._project.folder)
        if any(part.startswith(".") for part in inner.parts) or self._is_in_ignored_folder(inner):
            return False
        if path.suffix == ".py":
            return True
        return path.suffix in (".txt", ".in") and any(word in path.name for word in _REQUIREMENTS)

    def _is_in_ignored_folder(self, inner: Path) -> bool:
        # The last of the parents is the project's folder itself.
        folders = [self._project.folder / parent for parent in inner.parents][:-1]
        # Path.exists raises in a folder that may not be searched.
        return any(
            folder.name in _IGNORED_FOLDERS or os.path.lexists(folder / "pyvenv.cfg") for folder in folders
        )

    def _has_changed(self, path: Path) -> bool:
        try:
            content = hashlib.sha256(path.read_bytes()).digest()
        except OSError:
            content = None  # deleted, or not readable, which the model then reports
        if path in self._contents and self._contents[path] == content:
            return False
        self._contents[path] = content
        return True


def _files(path: Path) -> Iterator[Path]:
    """Yield the files in a folder, or `path` itself, which need not exist."""
    if not os.path.isdir(path):
        yield path
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name not in _IGNORED_FOLDERS and not name.startswith(".")]
        yield from (Path(folder, name) for name in names)


class SourceChanges:
    """Collects the names of changed files until a command is ready for them."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._is_changed = asyncio.Event()

    def add(self, names: Iterable[str]) -> None:
        """Note changed files."""
        self._names.update(dict.fromkeys(names))
        if self._names:
            self._is_changed.set()

    @property
    def is_pending(self) -> bool:
        """True if a file has changed since `take`."""
        return self._is_changed.is_set()

    async def interrupt(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, but cancel it when a file changes; return when it has ended."""
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(work)
            watching = tasks.create_task(self._wait())
            await asyncio.wait({working, watching}, return_when="FIRST_COMPLETED")
            working.cancel()
            watching.cancel()

    async def _wait(self) -> None:
        await self._is_changed.wait()

    async def take(self) -> str:
        """Wait until a file has changed; return the names of those that have, as a text, and forget them."""
        await self._is_changed.wait()
        self._is_changed.clear()
        names, self._names = list(self._names), {}
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        return f"{names[0]}{more}"


def _remove_bytecode(source: Path) -> None:
    """Remove what Python has cached of a module: it would use it for an edit of the same size and second."""
    if source.suffix == ".py":
        for path in (source.parent / "__pycache__").glob(f"{glob.escape(source.stem)}.*.pyc"):
            with suppress(OSError):
                path.unlink()


async def watch_source(project: Project, changes: SourceChanges) -> None:
    """Report changes of a model's source to `changes`. Does not return.

    Raises UserError if the system cannot watch the folder.
    """
    from watchfiles import awatch

    source = SourceFiles(project)
    try:
        async for events in awatch(
            project.folder,
            watch_filter=None,
            debounce=_LONGEST_MS,
            step=_QUIET_MS,
            ignore_permission_denied=True,
        ):
            names = source.changed_among(Path(path) for _, path in events)
            for name in names:
                _remove_bytecode(project.folder / name)
            changes.add(names)
    except OSError as error:
        raise UserError(
            f"cannot watch {project.folder} for changes: {error}",
            hint="if the file system does not report changes, set WATCHFILES_FORCE_POLLING=true; "
            "if a limit is reached, raise fs.inotify.max_user_watches or max_user_instances",
        ) from None
