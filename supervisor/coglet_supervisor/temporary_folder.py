"""The folders of a server among the temporary files: private, and removed when their server was killed.

Each holds a file that its server keeps locked as long as it lives. The system lifts the lock with the death
of the server, whatever becomes of its pid, so that a folder whose file can be locked has lost its owner.
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
# Short places for sockets, where there is always one for everybody.
_SHORT_PARENTS: Final = ("/tmp", "/var/tmp", f"/run/user/{os.geteuid()}", "/run")
# What has nothing to do with the place: no descriptor is left.
_OF_NO_PLACE: Final = (errno.EMFILE, errno.ENFILE)
# Of a folder with more entries only so many are looked at.
_MOST_ENTRIES: Final = 10_000


class NoTemporaryFolder(OSError):
    """There is no place for temporary files; the text says what to do."""


def slot_name(index: int) -> str:
    """The file name of the socket of slot number `index`. Workers know it, too."""
    return f"slot-{index}.sock"


class TemporaryFolder:
    """A new folder that nobody else can read, locked by this process until `remove`.

    `names` are files that will be in it: these are removed even when no descriptor is left.
    """

    def __init__(self, prefix: str, parent: str, names: Sequence[str] = ()) -> None:
        """Raises OSError."""
        self._names = (_LOCK, *names)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            try:
                self._lock = _lock_new(self.path / _LOCK)
            except OSError:
                self.path.rmdir()
                raise
            if self.path.exists():  # else somebody has cleaned up before we had the lock
                return
            self._unlock()

    @classmethod
    def for_files(cls) -> "TemporaryFolder":
        """Where the system wants temporary files. Raises NoTemporaryFolder."""
        try:
            return cls(_PREFIX, tempfile.gettempdir())
        except OSError as error:
            raise NoTemporaryFolder(
                f"cannot create a temporary folder: {error.strerror or error}; "
                "set TMPDIR to a folder that can be written to"
            ) from error

    @classmethod
    def for_sockets(cls, number: int) -> "TemporaryFolder":
        """A place in which the paths of `number` sockets are not too long. Raises NoTemporaryFolder."""
        return first_folder([tempfile.gettempdir(), *_SHORT_PARENTS], [slot_name(n) for n in range(number)])

    def remove(self) -> None:
        """Removes it with all that is in it. Safe to repeat."""
        # Removing what has a name needs no descriptor, of which perhaps none is left.
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
    """A folder in the first of `parents` that will do for sockets of these names. Raises OSError."""
    problems = []
    for parent in dict.fromkeys(parents):
        path = os.path.join(parent, f"{_SLOTS_PREFIX}{'x' * _RANDOM_CHARS}", max(names, key=len))
        if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
            problems.append(f"{parent}: too long for the path of a socket")
            continue
        try:
            return TemporaryFolder(_SLOTS_PREFIX, parent, names)
        except OSError as error:
            if error.errno in _OF_NO_PLACE:
                raise
            problems.append(f"{parent}: {error.strerror or error}")
    raise NoTemporaryFolder(
        f"cannot create a folder for the sockets of a worker ({'; '.join(problems)}); "
        "set TMPDIR to a folder that can be written to, with a path of at most 60 bytes"
    )


def _lock_new(file: Path) -> int | None:
    """The descriptor that holds the lock; None where files cannot be locked, and no folder is removed."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        os.close(descriptor)
        file.unlink(missing_ok=True)
        return None
    return descriptor


def remove_abandoned() -> list[Path]:
    """Removes what servers of this user have left that were killed. Gives the folders."""
    parents = dict.fromkeys([tempfile.gettempdir(), *_SHORT_PARENTS])
    return [path for parent in parents for path in _ours_in(parent) if _remove_if_abandoned(path)]


def _ours_in(parent: str) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in itertools.islice(entries, _MOST_ENTRIES):
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
