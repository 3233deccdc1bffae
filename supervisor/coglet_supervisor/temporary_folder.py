"""Private temporary folders of a server. The next server removes those of a server that was killed.

Each folder holds a file that its server keeps locked while it runs. The system releases the lock when the
server exits, so a folder whose file can be locked has no owner any more, even if its pid was reused.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

_PREFIX: Final = "pycoglet-"
_SLOTS_PREFIX: Final = "pycoglet-slots-"
_LOCK: Final = "owner.lock"
# What `mkdtemp` adds to a prefix.
_RANDOM_CHARS: Final = 8
# The shortest limit of all systems, which is that of macOS. Source: unix(4), sun_path.
_SOCKET_PATH_BYTES: Final = 103
# Parents with short paths, for sockets; at least one of them exists and is writable on most systems.
_SHORT_PARENTS: Final = ("/tmp", "/var/tmp", f"/run/user/{os.geteuid()}", "/run")
# Out of descriptors: another parent would fail in the same way.
_OUT_OF_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)
# Of a folder with more entries, only this many are examined.
_MAX_ENTRIES: Final = 10_000


class NoTemporaryFolder(OSError):
    """A temporary folder cannot be created; the text says what to change."""


def slot_name(index: int) -> str:
    """The file name of the socket of slot number `index`; workers use the same."""
    return f"slot-{index}.sock"


class TemporaryFolder:
    """A new folder that only this user can read, locked by this process until `remove`.

    `names` are files that will be in it: these are removed even if no descriptor is left.
    """

    def __init__(self, prefix: str, parent: str, names: Sequence[str] = ()) -> None:
        """Create the folder in `parent`. Raises OSError if that fails."""
        self._names = (_LOCK, *names)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            try:
                self._lock = _lock_new(self.path / _LOCK)
            except OSError:
                self.path.rmdir()
                raise
            if self.path.exists():  # otherwise another server removed it before the lock was taken
                return
            self._unlock()

    @classmethod
    def for_files(cls) -> "TemporaryFolder":
        """Create a folder in the system's temporary folder. Raises NoTemporaryFolder if that fails."""
        try:
            return cls(_PREFIX, tempfile.gettempdir())
        except OSError as error:
            raise NoTemporaryFolder(
                f"cannot create a temporary folder: {error.strerror or error}; "
                "set TMPDIR to a writable folder"
            ) from error

    @classmethod
    def for_sockets(cls, number: int) -> "TemporaryFolder":
        """Create a folder whose path is short enough for `number` sockets.

        Raises NoTemporaryFolder if no parent will do, and OSError when out of descriptors.
        """
        return first_folder([tempfile.gettempdir(), *_SHORT_PARENTS], [slot_name(n) for n in range(number)])

    def remove(self) -> None:
        """Remove the folder and its content. Idempotent."""
        # Unlinking a file by its name needs no descriptor, and perhaps none is left.
        with contextlib.suppress(OSError):
            for name in self._names:
                self.path.joinpath(name).unlink(missing_ok=True)
            self.path.rmdir()
        shutil.rmtree(self.path, ignore_errors=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def first_folder(parents: Iterable[str], names: Sequence[str]) -> TemporaryFolder:
    """Create a folder in the first of `parents` that is writable and has a short enough path for sockets.

    `names` are those of the sockets. Raises NoTemporaryFolder if no parent will do, and OSError when out of
    descriptors.
    """
    problems = []
    for parent in dict.fromkeys(parents):
        path = os.path.join(parent, f"{_SLOTS_PREFIX}{'x' * _RANDOM_CHARS}", max(names, key=len))
        if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
            problems.append(f"{parent}: the path of a socket would be too long")
            continue
        try:
            return TemporaryFolder(_SLOTS_PREFIX, parent, names)
        except OSError as error:
            if error.errno in _OUT_OF_DESCRIPTORS:
                raise
            problems.append(f"{parent}: {error.strerror or error}")
    raise NoTemporaryFolder(
        f"cannot create a folder for the sockets of a worker ({'; '.join(problems)}); "
        "set TMPDIR to a writable folder whose path has at most 60 bytes"
    )


def _lock_new(file: Path) -> int | None:
    """Create and lock `file`, and return the descriptor that holds the lock.

    None where files cannot be locked: then no server removes the folder.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        os.close(descriptor)
        file.unlink(missing_ok=True)
        return None
    return descriptor


def remove_abandoned() -> list[Path]:
    """Remove the folders of this user's servers that were killed, and return their paths."""
    parents = dict.fromkeys([tempfile.gettempdir(), *_SHORT_PARENTS])
    return [path for parent in parents for path in _ours_in(parent) if _remove_if_abandoned(path)]


def _ours_in(parent: str) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in itertools.islice(entries, _MAX_ENTRIES):
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _remove_if_abandoned(path: Path) -> bool:
    with contextlib.ExitStack() as opened, contextlib.suppress(OSError):
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        opened.callback(os.close, folder)
        if os.fstat(folder).st_uid != os.geteuid():
            return False
        lock = os.open(_LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        opened.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(folder), os.lstat(path)):
            shutil.rmtree(path, ignore_errors=True)
            return True
    return False
