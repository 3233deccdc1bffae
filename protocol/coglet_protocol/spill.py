"""Spill files: payloads too large for a frame. The receiver deletes the file as soon as it is read.

In a folder that other users can write to, a symbolic link may be planted, so neither side follows links.
"""

import contextlib
import errno
import mmap
import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from coglet_protocol.errors import SpillError


def write_spill(folder: Path, payload: bytes | memoryview) -> Path:
    """Write `payload` to a new file in `folder` (created if missing, mode 0700). Return its path.

    Raises OSError if writing fails, or if the folder is a link or belongs to another user; no file is left
    behind then.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"spill_{uuid.uuid4()}.json"
    with _own_folder(folder) as held:
        descriptor = os.open(path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=held)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            view = memoryview(payload)
            while view:
                view = view[file.write(view) :]
    except BaseException:  # also a cancel, which must not leave the file behind
        path.unlink(missing_ok=True)
        raise
    return path


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "belongs to another user", str(folder))
        yield descriptor
    finally:
        os.close(descriptor)


def read_spill(path: Path) -> bytes:
    """Read a spill file and delete it. Raises SpillError, which names the file, if it cannot be read."""
    with mapped_spill(path) as payload:
        return bytes(payload)


@contextlib.contextmanager
def mapped_spill(path: Path) -> Iterator[mmap.mmap | bytes]:
    """Map the content of a spill file into memory, without a copy, within the block.

    The file is deleted before its content is parsed, so that a corrupt one is deleted, too. Raises SpillError
    as `read_spill` does.
    """
    try:
        # Non-blocking, so that a FIFO is rejected below instead of being waited for.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SpillError(f"cannot read spill file {path.name}: not a regular file")
            # mmap rejects an empty file.
            payload = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if status.st_size else b""
    except OSError as error:
        raise SpillError(f"cannot read spill file {path.name}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
    try:
        yield payload
    finally:
        if isinstance(payload, mmap.mmap):
            payload.close()
