"""Payloads too large for a frame travel through a file; the receiver deletes it as soon as it is read."""

import contextlib
import os
import uuid
from pathlib import Path

from coglet_protocol.errors import SpillError


def write_spill(folder: Path, payload: bytes | memoryview) -> Path:
    """Writes `payload` to a new file in `folder` (created when missing, mode 0700) and gives its path.

    Raises OSError when the disk refuses; nothing is left behind then.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"spill_{uuid.uuid4()}.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            view = memoryview(payload)
            while view:
                view = view[file.write(view) :]
    except BaseException:  # also a cancel, which must not leave the file behind
        path.unlink(missing_ok=True)
        raise
    return path


def read_spill(path: Path) -> bytes:
    """Reads a spill file and deletes it, before anybody parses it, so that a corrupt one is gone too.

    Raises SpillError, which names the file, when it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise SpillError(f"cannot read spill file {path.name}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
