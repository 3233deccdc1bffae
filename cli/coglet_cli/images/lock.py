"""A lock that allows one build of a project at a time."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_POLL_S: Final = 0.1


@contextmanager
def build_lock(folder: Path) -> Iterator[None]:
    """Hold the build lock of the project in `folder` for the block; wait until it is free."""
    home = folder / ".cog"
    home.mkdir(exist_ok=True)
    with (home / "cog.lock").open("w") as file:
        # Polled, not blocking: Ctrl-C must end the wait.
        while not _try_lock(file.fileno()):
            time.sleep(_POLL_S)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
